#ifndef DKVB_BOTTLENECK_SUMS_H
#define DKVB_BOTTLENECK_SUMS_H

#include "bottleneck/model.h"

/* sums[l] = sum of the selected values, in double precision, codebooks and ranks in ascending order. values: [C][K][L]
 * of this type. False if the code selects nothing. */
bool dkvb__sum_values(const dkvb_model *model, const void *values, uint32_t dtype, const uint16_t *code, double *sums);

/* Bring a row of `size` bytes nearer that will be needed soon; of a long one the start: the processor sees where it
 * goes on. */
static inline void dkvb__prefetch_row(const void *row, size_t size)
{
    enum { LINE = 64, LINES = 8 };
    const char *at = row;

    for (size_t i = 0; i < LINES * LINE && i < size; i += LINE)
        __builtin_prefetch(at + i);
    if (size <= LINES * LINE)
        __builtin_prefetch(at + size - 1); /* rows do not start where lines do */
}

#endif
