/* AVX2 and FMA. Two vectors are one block of 16 keys; the same numbers as scalar.c, lane by lane. */
#include <immintrin.h>

#include "kernels/hadamard.h"
#include "kernels/kernels.h"

static bool supported(void)
{
    __builtin_cpu_init(); /* all with AVX2 convert float16 too (F16C), which clang 14 cannot be asked for */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
}

typedef struct {
    __m256i low, high;
} lanes;

static inline lanes lanes_load(const int32_t *p)
{
    return (lanes){_mm256_loadu_si256((const void *)p), _mm256_loadu_si256((const void *)(p + 8))};
}

static inline void lanes_store(int32_t *p, lanes v)
{
    _mm256_storeu_si256((void *)p, v.low);
    _mm256_storeu_si256((void *)(p + 8), v.high);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return (lanes){_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)};
}

static inline uint32_t bits_of(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(low)) |
           (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(high)) << 8;
}

static inline uint32_t lanes_below(lanes v, int32_t x)
{
    __m256i all = _mm256_set1_epi32(x);

    return bits_of(_mm256_cmpgt_epi32(all, v.low), _mm256_cmpgt_epi32(all, v.high));
}

static inline uint32_t lanes_not_above(lanes v, int32_t x)
{
    __m256i all = _mm256_set1_epi32(x);

    return bits_of(_mm256_cmpgt_epi32(v.low, all), _mm256_cmpgt_epi32(v.high, all)) ^ 0xFFFF;
}

/* sum + products of four bytes: vpmaddubsw adds two of them in 16 bits, which they cannot overflow (kernels.h), and the
 * product with ones adds two of those. */
static inline __m256i add_products(__m256i sum, __m256i key, __m256i row)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(key, row), _mm256_set1_epi16(1)));
}

/* `rows` by one block: a constant where this is inlined, so that all sums are registers. */
static inline __attribute__((always_inline)) void score_tile(int32_t *scores, size_t stride, const int8_t *row,
                                                             const uint8_t *keys, const int32_t *norms, size_t quads,
                                                             size_t rows)
{
    __m256i sums[4][2];

#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        sums[r][0] = _mm256_loadu_si256((const void *)norms);
        sums[r][1] = _mm256_loadu_si256((const void *)(norms + 8));
    }
    for (size_t q = 0; q < quads; q++) {
        __m256i low = _mm256_loadu_si256((const void *)(keys + q * 64));
        __m256i high = _mm256_loadu_si256((const void *)(keys + q * 64 + 32));

#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            int32_t quad;
            __m256i x;

            memcpy(&quad, row + (q * DKVB__LANES + r) * 4, sizeof quad);
            x = _mm256_set1_epi32(quad);
            sums[r][0] = add_products(sums[r][0], low, x);
            sums[r][1] = add_products(sums[r][1], high, x);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        _mm256_storeu_si256((void *)(scores + r * stride), sums[r][0]);
        _mm256_storeu_si256((void *)(scores + r * stride + 8), sums[r][1]);
    }
}

#include "kernels/score.h"   /* score_rows(), score_row() from score_tile() */
#include "kernels/nearest.h" /* nearest() from the functions above */

enum { DENSE_LANES = 8, DENSE_ROWS = 6, DENSE_PANELS = 1 }; /* 12 sums, 2 columns and a row's number in 16 registers */
typedef __m256 dense_vector;

static inline dense_vector dense_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void dense_store(float *p, dense_vector v)
{
    _mm256_storeu_ps(p, v);
}

static inline dense_vector dense_all(const float *p)
{
    return _mm256_broadcast_ss(p);
}

static inline dense_vector dense_madd(dense_vector a, dense_vector b, dense_vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

#include "kernels/dense.h" /* multiply() from the functions above; layer_norm(), softmax() */

const struct dkvb__kernels dkvb__kernels_avx2 = {
    "avx2", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_avx2};
