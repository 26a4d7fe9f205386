/* Kernels (inner loops) for processors with AVX-512 and its byte products (VNNI). One vector of AVX-512 holds the
 * scores of one block of 16 keys. Each lane of the AVX-512 kernels computes the same numbers as scalar.c, the kernels
 * in plain C. */
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

static inline lanes lanes_gather(const int32_t *p, const int32_t *i)
{
    return _mm512_i32gather_epi32(_mm512_loadu_si512(i), p, 4);
}

static inline lanes lanes_all(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static inline lanes lanes_count_above(lanes count, lanes v, int32_t x)
{
    return _mm512_mask_add_epi32(count, _mm512_cmpgt_epi32_mask(v, lanes_all(x)), count, lanes_all(1));
}

static inline lanes lanes_where_above(lanes v, lanes count, int32_t x)
{
    return _mm512_mask_mov_epi32(lanes_all(INT32_MAX), _mm512_cmpgt_epi32_mask(count, lanes_all(x)), v);
}

static inline int32_t first_bit(uint64_t word)
{
    return (int32_t)_tzcnt_u64(word);
}

static inline uint64_t word_not_above(const int32_t *p, int32_t x)
{
    lanes all = lanes_all(x);
    __mmask32 low =
        _mm512_kunpackw(_mm512_cmple_epi32_mask(lanes_load(p + 16), all), _mm512_cmple_epi32_mask(lanes_load(p), all));
    __mmask32 high = _mm512_kunpackw(_mm512_cmple_epi32_mask(lanes_load(p + 48), all),
                                     _mm512_cmple_epi32_mask(lanes_load(p + 32), all));

    return _cvtmask64_u64(_mm512_kunpackd(high, low));
}

/* Computes the scores of a tile of `rows` rows and four blocks of keys. score_tile() is inlined with a constant
 * argument `rows`, so that all sums of the tile stay in registers. */
static inline __attribute__((always_inline)) void score_tile(int32_t *scores, size_t stride, const int8_t *row,
                                                             const uint8_t *keys, const int32_t *norms, size_t quads,
                                                             size_t rows)
{
    __m512i sums[DKVB__SCORE_ROWS][4];

#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++)
            sums[r][b] = _mm512_loadu_si512(norms + b * DKVB__LANES);
    for (size_t q = 0; q < quads; q++) {
        __m512i key[4];

#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++)
            key[b] = _mm512_loadu_si512(keys + (b * quads + q) * 64);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            int32_t quad;
            __m512i x;

            memcpy(&quad, row + (q * DKVB__LANES + r) * 4, sizeof quad);
            x = _mm512_set1_epi32(quad);
#pragma GCC unroll 4
            for (size_t b = 0; b < 4; b++)
                sums[r][b] = _mm512_dpbusd_epi32(sums[r][b], key[b], x);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++)
            _mm512_storeu_si512(scores + r * stride + b * DKVB__LANES, sums[r][b]);
}

enum { SCORE_ZERO = DKVB__KEY_ZERO };

static void score(int32_t *scores, size_t stride, const int8_t *rows, size_t count, const uint8_t *keys,
                  const int32_t *norms, size_t blocks, size_t quads)
{
    for (size_t b = 0; b < blocks; b += 4, scores += 64, norms += 64, keys += 4 * quads * 64)
        if (count == 1)
            score_tile(scores, stride, rows, keys, norms, quads, 1);
        else
            score_tile(scores, stride, rows, keys, norms, quads, DKVB__SCORE_ROWS);
}

/* kernels/nearest.h defines nearest() by means of the vector functions in the including kernel file */
#include "kernels/nearest.h"

enum {
    DENSE_LANES = 16,
    DENSE_ROWS = 12,
    DENSE_PANELS = 2
    /* a tile of a matrix product needs 24 vectors of sums, 2 vectors of columns and one number of a row, which use 27
     * of 32 registers */
};
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

/* kernels/dense.h defines multiply(), layer_norm() and softmax() by means of the vector functions in the including
 * kernel file */
#include "kernels/dense.h"

const struct dkvb__kernels dkvb__kernels_avx512 = {
    "avx512", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_avx2};
