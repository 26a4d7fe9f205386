/*
 * The projection of rows into a codebook, 16 rows side by side, as plain loops that every compiler vectorizes. Each
 * kernel file compiles the loops of the projection for its instruction set, and the results are equal bit for bit for
 * any length of the vectors.
 */
#ifndef DKVB_KERNELS_HADAMARD_H
#define DKVB_KERNELS_HADAMARD_H

#include <string.h>

#include "kernels/kernels.h"

/* Computes one stage of the Walsh-Hadamard transform, over rows of the array that lie `step` apart: (a, b) becomes (a +
 * b, a - b). */
static inline void hadamard_stage(float *restrict a, float *restrict b, size_t step)
{
#pragma omp simd
    for (size_t i = 0; i < step * DKVB__LANES; i++) {
        float sum = a[i] + b[i], difference = a[i] - b[i];

        a[i] = sum;
        b[i] = difference;
    }
}

/* Computes two stages of the Walsh-Hadamard transform in one pass. Each sum of the Walsh-Hadamard transform is the same
 * as if its two stages came one after the other. */
static inline void hadamard_stages(float *restrict a, float *restrict b, float *restrict c, float *restrict d,
                                   size_t step)
{
#pragma omp simd
    for (size_t i = 0; i < step * DKVB__LANES; i++) {
        float ab = a[i] + b[i], a_b = a[i] - b[i], cd = c[i] + d[i], c_d = c[i] - d[i];

        a[i] = ab + cd;
        b[i] = a_b + c_d;
        c[i] = ab - cd;
        d[i] = a_b - c_d;
    }
}

static void hadamard(float *h, const float *x, const float *signs, size_t size)
{
    size_t step = 1;

    for (size_t i = 0; i < size; i++)
#pragma omp simd
        for (size_t l = 0; l < DKVB__LANES; l++)
            h[i * DKVB__LANES + l] = signs[i] * x[i * DKVB__LANES + l];
    for (; step * 4 <= size; step *= 4)
        for (size_t i = 0; i < size; i += 4 * step) {
            float *at = h + i * DKVB__LANES;

            hadamard_stages(at, at + step * DKVB__LANES, at + 2 * step * DKVB__LANES, at + 3 * step * DKVB__LANES,
                            step);
        }
    if (step < size)
        hadamard_stage(h, h + step * DKVB__LANES, step);
}

/* Returns the byte -2 r that a tile stores for a projected number r, the rounded x * scale. Adding half a quantisation
 * step and 64 to a projected number makes truncation round to the nearest, halves up. */
static inline uint32_t round_one(float x, float scale)
{
    float r = x * scale;

    r = r > -(float)DKVB__STEPS ? r : -(float)DKVB__STEPS;
    r = r < (float)DKVB__STEPS ? r : (float)DKVB__STEPS;
    return (uint32_t)(2 * DKVB__KEY_ZERO - 2 * (int32_t)(r + ((float)DKVB__KEY_ZERO + 0.5f))) & 0xFF;
}

static void round_rows(int8_t *rows, const float *x, size_t dim, float scale)
{
    static const float none[DKVB__LANES] = {0.0f};

    for (size_t i = 0; i < dim; i += 4) {
        const float *a = x + i * DKVB__LANES;
        const float *b = i + 1 < dim ? a + DKVB__LANES : none;
        const float *c = i + 2 < dim ? a + 2 * DKVB__LANES : none;
        const float *d = i + 3 < dim ? a + 3 * DKVB__LANES : none;
        uint32_t quad[DKVB__LANES];

#pragma omp simd
        for (size_t l = 0; l < DKVB__LANES; l++)
            quad[l] = round_one(a[l], scale) | round_one(b[l], scale) << 8 | round_one(c[l], scale) << 16 |
                      round_one(d[l], scale) << 24;
        memcpy(rows + i * DKVB__LANES, quad, sizeof quad);
    }
}

#endif
