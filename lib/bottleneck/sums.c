/*
 * The sum of the values that a code selects, which is most of the work of an epoch. The rows lie anywhere in an array
 * that is far larger than the caches, so their addresses are worked out for a while ahead and prefetched; and several
 * rows are added in one sweep over the classes, one after the other in each class, so that the order is that of a
 * plain loop and the sums are read and written less often.
 */
#include "bottleneck/sums.h"

#include <string.h>

#include "base/half.h"
#include "bottleneck/value_types.h"
#include "dkvb/data.h"
#include "dkvb/search.h"

enum {
    AHEAD = 64, /* rows looked up before they are added */
    SWEEP = 8   /* rows added at a time; divides AHEAD */
};

static inline double value_at(const void *row, size_t l, uint32_t dtype)
{
    if (dtype == DKVB_DTYPE_F16)
        return (double)dkvb__half_to_float(((const uint16_t *)row)[l]);
    if (dtype == DKVB_DTYPE_BF16)
        return (double)dkvb__bfloat_to_float(((const uint16_t *)row)[l]);
    return (double)((const float *)row)[l];
}

/* Inlined with a constant type. */
static inline void add_rows_of(double *restrict sums, const void *const *row, size_t count, size_t classes,
                               uint32_t dtype)
{
    size_t i = 0;

    for (; i + SWEEP <= count; i += SWEEP) {
        const void *a = row[i], *b = row[i + 1], *c = row[i + 2], *d = row[i + 3];
        const void *e = row[i + 4], *f = row[i + 5], *g = row[i + 6], *h = row[i + 7];

        for (size_t l = 0; l < classes; l++) {
            double sum = sums[l];

            sum += value_at(a, l, dtype);
            sum += value_at(b, l, dtype);
            sum += value_at(c, l, dtype);
            sum += value_at(d, l, dtype);
            sum += value_at(e, l, dtype);
            sum += value_at(f, l, dtype);
            sum += value_at(g, l, dtype);
            sums[l] = sum + value_at(h, l, dtype);
        }
    }
    for (; i < count; i++)
        for (size_t l = 0; l < classes; l++)
            sums[l] += value_at(row[i], l, dtype);
}

static void add_rows(double *sums, const void *const *row, size_t count, size_t classes, uint32_t dtype)
{
    switch (dtype) {
    case DKVB_DTYPE_F16:
        add_rows_of(sums, row, count, classes, DKVB_DTYPE_F16);
        break;
    case DKVB_DTYPE_BF16:
        add_rows_of(sums, row, count, classes, DKVB_DTYPE_BF16);
        break;
    default:
        add_rows_of(sums, row, count, classes, DKVB_DTYPE_F32);
    }
}

bool dkvb__sum_values(const dkvb_model *model, const void *values, uint32_t dtype, const uint16_t *code, double *sums)
{
    size_t classes = model->classes, k = model->top_k, size = dkvb__code_size(model), count = 0;
    size_t bytes = classes * dkvb__value_size(dtype), stride = model->codebooks->shape.keys * bytes;
    const char *codebook = values;
    const void *row[AHEAD];
    bool any = false;

    memset(sums, 0, classes * sizeof *sums);
    for (size_t i = 0, rank = 0; i < size; i++) {
        if (code[i] != DKVB_CODE_NONE) {
            row[count] = codebook + code[i] * bytes;
            dkvb__prefetch_row(row[count++], bytes);
            any = true;
        }
        if (++rank == k) {
            codebook += stride;
            rank = 0;
        }
        if (count == AHEAD || i + 1 == size) {
            add_rows(sums, row, count, classes, dtype);
            count = 0;
        }
    }
    return any;
}
