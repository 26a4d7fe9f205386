/* AVX-512 with byte products (VNNI). One vector is one block of 16 keys; the same numbers as scalar.c, lane by lane. */
#include <immintrin.h>

#include "kernels/hadamard.h"
#include "kernels/kernels.h"

static bool supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vnni");
}

typedef __m512i lanes;

static inline lanes lanes_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void lanes_store(int32_t *p, lanes v)
{
    _mm512_storeu_si512(p, v);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_epi32(a, b);
}

static inline uint32_t lanes_below(lanes v, int32_t x)
{
    return _mm512_cmplt_epi32_mask(v, _mm512_set1_epi32(x));
}

static inline uint32_t lanes_not_above(lanes v, int32_t x)
{
    return _mm512_cmple_epi32_mask(v, _mm512_set1_epi32(x));
}

/* `rows` by `blocks`: constants where this is inlined, so that all sums are registers. */
static inline __attribute__((always_inline)) void score_tile(int32_t *scores, size_t stride, const int8_t *row,
                                                             const uint8_t *keys, const int32_t *norms, size_t quads,
                                                             size_t rows, size_t blocks)
{
    __m512i sums[8][4];

#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++)
            sums[r][b] = _mm512_loadu_si512(norms + b * DKVB__LANES);
    for (size_t q = 0; q < quads; q++) {
        __m512i key[4];

#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++)
            key[b] = _mm512_loadu_si512(keys + (b * quads + q) * 64);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            int32_t quad;
            __m512i x;

            memcpy(&quad, row + (q * DKVB__LANES + r) * 4, sizeof quad);
            x = _mm512_set1_epi32(quad);
#pragma GCC unroll 4
            for (size_t b = 0; b < blocks; b++)
                sums[r][b] = _mm512_dpbusd_epi32(sums[r][b], key[b], x);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t b = 0; b < blocks; b++)
            _mm512_storeu_si512(scores + r * stride + b * DKVB__LANES, sums[r][b]);
}

static void score_rows(int32_t *scores, size_t stride, const int8_t *rows, const uint8_t *keys, const int32_t *norms,
                       size_t quads)
{
    score_tile(scores, stride, rows, keys, norms, quads, 8, 2);
}

static void score_row(int32_t *scores, const int8_t *rows, const uint8_t *keys, const int32_t *norms, size_t quads)
{
    score_tile(scores, 0, rows, keys, norms, quads, 1, 4);
}

#include "kernels/nearest.h" /* nearest() from the functions above */

enum {
    DENSE_LANES = 16,
    DENSE_ROWS = 12,
    DENSE_PANELS = 2
}; /* 24 sums, 2 columns and a row's number in 32 registers */
typedef __m512 dense_vector;

static inline dense_vector dense_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void dense_store(float *p, dense_vector v)
{
    _mm512_storeu_ps(p, v);
}

static inline dense_vector dense_all(const float *p)
{
    return _mm512_set1_ps(*p);
}

static inline dense_vector dense_madd(dense_vector a, dense_vector b, dense_vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

#include "kernels/dense.h" /* multiply() from the functions above; layer_norm(), softmax() */

const struct dkvb__kernels dkvb__kernels_avx512 = {
    "avx512", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_avx2};
