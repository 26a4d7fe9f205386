/*
 * The kernel add_values(), which adds rows of values, for instruction sets with vectors. A kernel file (such as
 * values_avx2.c) that includes values.h first defines the vector type and the functions of vectors that values.h uses.
 *
 * `values_vector` is a vector of VALUES_LANES float32 numbers. `values_load(p)` loads a vector from memory, and
 * `values_store(p, v)` stores one. `values_load_f16(p)` and `values_load_bf16(p)` load VALUES_LANES numbers of float16
 * or bfloat16, widened exactly to float32. `values_add(a, b)` adds two vectors.
 *
 * A vector lane holds a class, so each class's values are added in the same order as in scalar.c. If the number of
 * classes is not a multiple of a vector's lanes, the last vector of a row of values overlaps the vector before. Classes
 * that lie in both of the last two vectors of a row of values are added twice, from the same start to the same end, and
 * nothing past the end of the row is read.
 */
#include <stdbool.h>

#include "dkvb/data.h"

static inline values_vector values_widen(const void *row, size_t l, uint32_t dtype)
{
    if (dtype == DKVB_DTYPE_F16)
        return values_load_f16((const uint16_t *)row + l);
    if (dtype == DKVB_DTYPE_BF16)
        return values_load_bf16((const uint16_t *)row + l);
    return values_load((const float *)row + l);
}

enum { VALUES_BLOCK = 4 };

/* Adds rows of values of one number type to sums. Long rows of values are added DKVB__SWEEP at a time, which is as many
 * streams as the processor prefetches, in blocks of one or two cache lines. While some columns of a few rows of values
 * are added, the same columns of the next rows are prefetched. */
static inline void add_values_of(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype)
{
    size_t size = dtype == DKVB_DTYPE_F32 ? 4 : 2, last = classes - VALUES_LANES, l;
    size_t sweep = classes <= VALUES_BLOCK * VALUES_LANES ? count : DKVB__SWEEP;

    for (size_t first = 0; first < count; first += sweep) {
        size_t end = count - first < sweep ? count : first + sweep, next = count - end < sweep ? count : end + sweep;
        bool fetch = classes * size > DKVB__LONG_ROW;
        values_vector tail = values_load(sums + last);

        for (size_t r = first; r < end; r++)
            tail = values_add(tail, values_widen(rows[r], last, dtype));
        for (l = 0; l + VALUES_BLOCK * VALUES_LANES <= classes; l += VALUES_BLOCK * VALUES_LANES) {
            values_vector s[VALUES_BLOCK];

            for (size_t r = end; fetch && r < next; r++)
                __builtin_prefetch((const char *)rows[r] + l * size);
            for (size_t v = 0; v < VALUES_BLOCK; v++)
                s[v] = values_load(sums + l + v * VALUES_LANES);
            for (size_t r = first; r < end; r++)
                for (size_t v = 0; v < VALUES_BLOCK; v++)
                    s[v] = values_add(s[v], values_widen(rows[r], l + v * VALUES_LANES, dtype));
            for (size_t v = 0; v < VALUES_BLOCK; v++)
                values_store(sums + l + v * VALUES_LANES, s[v]);
        }
        for (; l < last; l += VALUES_LANES) {
            values_vector sum = values_load(sums + l);

            for (size_t r = first; r < end; r++)
                sum = values_add(sum, values_widen(rows[r], l, dtype));
            values_store(sums + l, sum);
        }
        values_store(sums + last, tail);
    }
}

/* Sums rows of values of at least VALUES_LANES classes. */
static void add_values(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype)
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
