/*
 * The part of the NEON kernels that neon.c and neon_dot.c share. The files neon.c and neon_dot.c differ in how they add
 * products of bytes: `add_products(sum, key, row)` adds to lane i of the vector `sum`, for i of 0 to 3, the dot product
 * of key[4 i .. 4 i + 3] and row[4 i .. 4 i + 3].
 *
 * Four vectors of NEON hold the scores of one block of 16 keys. Each lane of the NEON kernels computes the same numbers
 * as scalar.c, the kernels in plain C. The numbers of keys are 1 to 127, so NEON's signed products are exact for keys.
 */
#ifndef DKVB_KERNELS_NEON_H
#define DKVB_KERNELS_NEON_H

#include <arm_neon.h>

#include "kernels/hadamard.h"
#include "kernels/kernels.h"

typedef int32x4x4_t lanes;

static inline lanes lanes_load(const int32_t *p)
{
    return (lanes){{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}

static inline void lanes_store(int32_t *p, lanes v)
{
    for (size_t i = 0; i < 4; i++)
        vst1q_s32(p + 4 * i, v.val[i]);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    for (size_t i = 0; i < 4; i++)
        a.val[i] = vminq_s32(a.val[i], b.val[i]);
    return a;
}

static inline lanes lanes_gather(const int32_t *p, const int32_t *i)
{
    int32_t x[DKVB__LANES];

    for (size_t l = 0; l < DKVB__LANES; l++)
        x[l] = p[i[l]];
    return lanes_load(x);
}

static inline lanes lanes_all(int32_t x)
{
    return (lanes){{vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)}};
}

static inline lanes lanes_count_above(lanes count, lanes v, int32_t x)
{
    for (size_t i = 0; i < 4; i++)
        count.val[i] = vsubq_s32(count.val[i], vreinterpretq_s32_u32(vcgtq_s32(v.val[i], vdupq_n_s32(x))));
    return count;
}

static inline lanes lanes_where_above(lanes v, lanes count, int32_t x)
{
    for (size_t i = 0; i < 4; i++)
        v.val[i] = vbslq_s32(vcgtq_s32(count.val[i], vdupq_n_s32(x)), v.val[i], vdupq_n_s32(INT32_MAX));
    return v;
}

static inline int32_t first_bit(uint64_t word)
{
    return word ? __builtin_ctzll(word) : 64;
}

static inline uint64_t word_not_above(const int32_t *p, int32_t x)
{
    static const uint16_t bit[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint64_t bits = 0;

    for (unsigned i = 0; i < 64; i += 8) {
        uint32x4_t a = vcleq_s32(vld1q_s32(p + i), vdupq_n_s32(x)), b = vcleq_s32(vld1q_s32(p + i + 4), vdupq_n_s32(x));

        bits |= (uint64_t)vaddvq_u16(vandq_u16(vcombine_u16(vmovn_u32(a), vmovn_u32(b)), vld1q_u16(bit))) << i;
    }
    return bits;
}

/* Computes the scores of a tile of `rows` rows and one block of keys. score_tile() is inlined with a constant argument
 * `rows`, so that all sums of the tile stay in registers. */
static inline __attribute__((always_inline)) void score_tile(int32_t *scores, size_t stride, const int8_t *row,
                                                             const uint8_t *keys, const int32_t *norms, size_t quads,
                                                             size_t rows)
{
    int32x4_t sums[DKVB__SCORE_ROWS][4];

#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            sums[r][i] = vld1q_s32(norms + 4 * i);
    for (size_t q = 0; q < quads; q++) {
        int8x16_t key[4];

#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            key[i] = vreinterpretq_s8_u8(vld1q_u8(keys + q * 64 + 16 * i));
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            int32_t quad;
            int8x16_t x;

            memcpy(&quad, row + (q * DKVB__LANES + r) * 4, sizeof quad);
            x = vreinterpretq_s8_s32(vdupq_n_s32(quad));
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; i++)
                sums[r][i] = add_products(sums[r][i], key[i], x);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            vst1q_s32(scores + r * stride + 4 * i, sums[r][i]);
}

enum { SCORE_ZERO = DKVB__KEY_ZERO };

static void score(int32_t *scores, size_t stride, const int8_t *rows, size_t count, const uint8_t *keys,
                  const int32_t *norms, size_t blocks, size_t quads)
{
    for (size_t b = 0; b < blocks; b++, scores += DKVB__LANES, keys += quads * 64, norms += DKVB__LANES)
        if (count == 1)
            score_tile(scores, stride, rows, keys, norms, quads, 1);
        else
            score_tile(scores, stride, rows, keys, norms, quads, DKVB__SCORE_ROWS);
}

/* kernels/nearest.h defines nearest() by means of the vector functions in the including kernel file */
#include "kernels/nearest.h"

/* A tile of a matrix product needs 24 vectors of sums, 4 vectors of columns and one number of a row, which fit in 32
 * registers. */
enum { DENSE_LANES = 4, DENSE_ROWS = 6, DENSE_PANELS = 1 };
typedef float32x4_t dense_vector;

static inline dense_vector dense_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void dense_store(float *p, dense_vector v)
{
    vst1q_f32(p, v);
}

static inline dense_vector dense_all(const float *p)
{
    return vld1q_dup_f32(p);
}

static inline dense_vector dense_madd(dense_vector a, dense_vector b, dense_vector c)
{
    return vfmaq_f32(c, a, b);
}

/* kernels/dense.h defines multiply(), layer_norm() and softmax() by means of the vector functions in the including
 * kernel file */
#include "kernels/dense.h"

#endif
