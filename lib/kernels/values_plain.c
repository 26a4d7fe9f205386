/* The kernel add_values(), which adds rows of values, for the kernel table `scalar` (plain C), which defines the
 * results of all other tables. */
#include "base/half.h"
#include "dkvb/data.h"
#include "kernels/kernels.h"

static inline float value_at(const void *row, size_t l, uint32_t dtype)
{
    if (dtype == DKVB_DTYPE_F16)
        return dkvb__half_to_float(((const uint16_t *)row)[l]);
    if (dtype == DKVB_DTYPE_BF16)
        return dkvb__bfloat_to_float(((const uint16_t *)row)[l]);
    return ((const float *)row)[l];
}

/* Adds rows of values of one type. add_values_of() is inlined with a constant type, so that compilers vectorize over
 * the classes. */
static inline void add_values_of(float *restrict sums, const void *const *rows, size_t count, size_t classes,
                                 uint32_t dtype)
{
    for (size_t r = 0; r < count; r++)
        for (size_t l = 0; l < classes; l++)
            sums[l] += value_at(rows[r], l, dtype);
}

void dkvb__add_values_plain(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype)
{
    switch (dtype) {
    case DKVB_DTYPE_F16:
        add_values_of(sums, rows, count, classes, DKVB_DTYPE_F16);
        break;
    case DKVB_DTYPE_BF16:
        add_values_of(sums, rows, count, classes, DKVB_DTYPE_BF16);
        break;
    default:
        add_values_of(sums, rows, count, classes, DKVB_DTYPE_F32);
    }
}
