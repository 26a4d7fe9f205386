/* AVX-512. One vector is one block of 16 keys; the same chains as scalar.c, lane by lane. */
#include <immintrin.h>

#include "kernels/kernels.h"

static bool supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* Four rows by sixteen columns of the projection. */
static void project_4x16(float *out, const double *const *rows, const float *p, size_t m, size_t d)
{
    const double *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    __m512d a0 = _mm512_setzero_pd(), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;

    for (size_t i = 0; i < m; i++) {
        __m512d p0 = _mm512_cvtps_pd(_mm256_loadu_ps(p + i * d));
        __m512d p1 = _mm512_cvtps_pd(_mm256_loadu_ps(p + i * d + 8));
        __m512d x;

        x = _mm512_set1_pd(r0[i]);
        a0 = _mm512_fmadd_pd(x, p0, a0);
        a1 = _mm512_fmadd_pd(x, p1, a1);
        x = _mm512_set1_pd(r1[i]);
        b0 = _mm512_fmadd_pd(x, p0, b0);
        b1 = _mm512_fmadd_pd(x, p1, b1);
        x = _mm512_set1_pd(r2[i]);
        c0 = _mm512_fmadd_pd(x, p0, c0);
        c1 = _mm512_fmadd_pd(x, p1, c1);
        x = _mm512_set1_pd(r3[i]);
        d0 = _mm512_fmadd_pd(x, p0, d0);
        d1 = _mm512_fmadd_pd(x, p1, d1);
    }
    _mm256_storeu_ps(out, _mm512_cvtpd_ps(a0));
    _mm256_storeu_ps(out + 8, _mm512_cvtpd_ps(a1));
    _mm256_storeu_ps(out + d, _mm512_cvtpd_ps(b0));
    _mm256_storeu_ps(out + d + 8, _mm512_cvtpd_ps(b1));
    _mm256_storeu_ps(out + 2 * d, _mm512_cvtpd_ps(c0));
    _mm256_storeu_ps(out + 2 * d + 8, _mm512_cvtpd_ps(c1));
    _mm256_storeu_ps(out + 3 * d, _mm512_cvtpd_ps(d0));
    _mm256_storeu_ps(out + 3 * d + 8, _mm512_cvtpd_ps(d1));
}

/* One row by up to sixteen columns. */
static void project_1x16(float *out, const double *row, const float *p, size_t m, size_t d, size_t columns)
{
    __mmask16 live = (__mmask16)((1u << columns) - 1);
    __m512d a0 = _mm512_setzero_pd(), a1 = a0;
    __m512 sums;

    for (size_t i = 0; i < m; i++) {
        __m512 column = _mm512_maskz_loadu_ps(live, p + i * d);
        __m512d x = _mm512_set1_pd(row[i]);

        a0 = _mm512_fmadd_pd(x, _mm512_cvtps_pd(_mm512_castps512_ps256(column)), a0);
        a1 = _mm512_fmadd_pd(x, _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(column), 1))),
                             a1);
    }
    sums = _mm512_castps256_ps512(_mm512_cvtpd_ps(a0));
    sums = _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(sums), _mm256_castps_pd(_mm512_cvtpd_ps(a1)), 1));
    _mm512_mask_storeu_ps(out, live, sums);
}

/* Eight rows by up to eight columns. */
static void project_8x8(float *out, const double *const *rows, const float *p, size_t m, size_t d, size_t columns)
{
    __mmask16 live = (__mmask16)((1u << columns) - 1);
    __m512d a[8];

    for (size_t r = 0; r < 8; r++)
        a[r] = _mm512_setzero_pd();
    for (size_t i = 0; i < m; i++) {
        __m512d column = _mm512_cvtps_pd(_mm512_castps512_ps256(_mm512_maskz_loadu_ps(live, p + i * d)));

#pragma GCC unroll 8
        for (size_t r = 0; r < 8; r++)
            a[r] = _mm512_fmadd_pd(_mm512_set1_pd(rows[r][i]), column, a[r]);
    }
    for (size_t r = 0; r < 8; r++)
        _mm512_mask_storeu_ps(out + r * d, live, _mm512_castps256_ps512(_mm512_cvtpd_ps(a[r])));
}

/* Up to fifteen columns at the end. */
static void project_rest(float *out, const double *const *rows, size_t n, const float *p, size_t m, size_t d,
                         size_t columns)
{
    size_t r = 0;

    for (; r + 8 <= n; r += 8)
        for (size_t j = 0; j < columns; j += 8)
            project_8x8(out + r * d + j, rows + r, p + j, m, d, columns - j < 8 ? columns - j : 8);
    for (; r < n; r++)
        project_1x16(out + r * d, rows[r], p, m, d, columns);
}

static void project(float *out, const double *const *rows, size_t n, const float *p, size_t m, size_t d)
{
    size_t j = 0;

    for (; j + 16 <= d; j += 16) {
        size_t r = 0;

        for (; r + 4 <= n; r += 4)
            project_4x16(out + r * d + j, rows + r, p + j, m, d);
        for (; r < n; r++)
            project_1x16(out + r * d + j, rows[r], p + j, m, d, 16);
    }
    if (j < d)
        project_rest(out + j, rows, n, p + j, m, d, d - j);
}

/* s + (q - key)^2 in one rounding, for sixteen keys. */
static inline __m512 step(__m512 s, __m512 q, __m512 key)
{
    __m512 diff = _mm512_sub_ps(q, key);

    return _mm512_fmadd_ps(diff, diff, s);
}

static unsigned block_distances(float *s, const float *q, const float *block, size_t dim, float most)
{
    __m512 a = _mm512_setzero_ps();

    for (size_t i = 0; i < dim; i++)
        a = step(a, _mm512_set1_ps(q[i]), _mm512_loadu_ps(block + i * DKVB__LANES));
    _mm512_storeu_ps(s, a);
    return _mm512_cmp_ps_mask(a, _mm512_set1_ps(most), _CMP_LE_OQ);
}

/* Four independent chains. */
static uint64_t word_distances(float *s, const float *q, const float *word, size_t dim, float most)
{
    __m512 limit = _mm512_set1_ps(most);
    size_t block = dim * DKVB__LANES;
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;

    for (size_t i = 0; i < dim; i++) {
        const float *at = word + i * DKVB__LANES;
        __m512 x = _mm512_set1_ps(q[i]);

        a = step(a, x, _mm512_loadu_ps(at));
        b = step(b, x, _mm512_loadu_ps(at + block));
        c = step(c, x, _mm512_loadu_ps(at + 2 * block));
        d = step(d, x, _mm512_loadu_ps(at + 3 * block));
    }
    _mm512_storeu_ps(s, a);
    _mm512_storeu_ps(s + 16, b);
    _mm512_storeu_ps(s + 32, c);
    _mm512_storeu_ps(s + 48, d);
    return (uint64_t)_mm512_cmp_ps_mask(a, limit, _CMP_LE_OQ) |
           (uint64_t)_mm512_cmp_ps_mask(b, limit, _CMP_LE_OQ) << 16 |
           (uint64_t)_mm512_cmp_ps_mask(c, limit, _CMP_LE_OQ) << 32 |
           (uint64_t)_mm512_cmp_ps_mask(d, limit, _CMP_LE_OQ) << 48;
}

static double half_norms(float *h, const float *word, size_t count, size_t dim)
{
    __m256 most = _mm256_setzero_ps();
    float m[8];
    double largest = 0.0;

    for (size_t j = 0; j < count * DKVB__LANES; j += 8) {
        const float *keys = word + dkvb__key_offset(j, dim);
        __m512d sum = _mm512_setzero_pd();
        __m256 half;

        for (size_t i = 0; i < dim; i++) { /* in double: one rounding, at the end */
            __m512d x = _mm512_cvtps_pd(_mm256_loadu_ps(keys + i * DKVB__LANES));

            sum = _mm512_fmadd_pd(x, x, sum);
        }
        half = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_set1_pd(0.5), sum));
        _mm256_storeu_ps(h + j, half);
        most = _mm256_max_ps(most, half);
    }
    _mm256_storeu_ps(m, most);
    for (size_t i = 0; i < 8; i++)
        largest = (double)m[i] > largest ? (double)m[i] : largest;
    return largest;
}

/* Six rows by four blocks: 24 sums, four vectors of keys and a number of a row in 32 registers. */
enum { SCREEN_ROWS = 6, SCREEN_LANES = 16 };

static inline void store_least(float *low, __m512 a, __m512 b, __m512 c, __m512 d)
{
    _mm512_storeu_ps(low, _mm512_min_ps(_mm512_min_ps(a, b), _mm512_min_ps(c, d)));
}

static void least_products(float *low, size_t stride, const float *q, const float *word, const float *h, size_t dim)
{
    const float *q1 = q + dim, *q2 = q1 + dim, *q3 = q2 + dim, *q4 = q3 + dim, *q5 = q4 + dim;
    size_t block = dim * DKVB__LANES;
    __m512 a0 = _mm512_loadu_ps(h), b0 = _mm512_loadu_ps(h + 16), c0 = _mm512_loadu_ps(h + 32);
    __m512 d0 = _mm512_loadu_ps(h + 48);
    __m512 a1 = a0, b1 = b0, c1 = c0, d1 = d0, a2 = a0, b2 = b0, c2 = c0, d2 = d0, a3 = a0, b3 = b0, c3 = c0, d3 = d0;
    __m512 a4 = a0, b4 = b0, c4 = c0, d4 = d0, a5 = a0, b5 = b0, c5 = c0, d5 = d0;

    for (size_t i = 0; i < dim; i++) {
        const float *at = word + i * DKVB__LANES;
        __m512 ka = _mm512_loadu_ps(at), kb = _mm512_loadu_ps(at + block), kc = _mm512_loadu_ps(at + 2 * block);
        __m512 kd = _mm512_loadu_ps(at + 3 * block), x;

        x = _mm512_set1_ps(q[i]);
        a0 = _mm512_fnmadd_ps(x, ka, a0);
        b0 = _mm512_fnmadd_ps(x, kb, b0);
        c0 = _mm512_fnmadd_ps(x, kc, c0);
        d0 = _mm512_fnmadd_ps(x, kd, d0);
        x = _mm512_set1_ps(q1[i]);
        a1 = _mm512_fnmadd_ps(x, ka, a1);
        b1 = _mm512_fnmadd_ps(x, kb, b1);
        c1 = _mm512_fnmadd_ps(x, kc, c1);
        d1 = _mm512_fnmadd_ps(x, kd, d1);
        x = _mm512_set1_ps(q2[i]);
        a2 = _mm512_fnmadd_ps(x, ka, a2);
        b2 = _mm512_fnmadd_ps(x, kb, b2);
        c2 = _mm512_fnmadd_ps(x, kc, c2);
        d2 = _mm512_fnmadd_ps(x, kd, d2);
        x = _mm512_set1_ps(q3[i]);
        a3 = _mm512_fnmadd_ps(x, ka, a3);
        b3 = _mm512_fnmadd_ps(x, kb, b3);
        c3 = _mm512_fnmadd_ps(x, kc, c3);
        d3 = _mm512_fnmadd_ps(x, kd, d3);
        x = _mm512_set1_ps(q4[i]);
        a4 = _mm512_fnmadd_ps(x, ka, a4);
        b4 = _mm512_fnmadd_ps(x, kb, b4);
        c4 = _mm512_fnmadd_ps(x, kc, c4);
        d4 = _mm512_fnmadd_ps(x, kd, d4);
        x = _mm512_set1_ps(q5[i]);
        a5 = _mm512_fnmadd_ps(x, ka, a5);
        b5 = _mm512_fnmadd_ps(x, kb, b5);
        c5 = _mm512_fnmadd_ps(x, kc, c5);
        d5 = _mm512_fnmadd_ps(x, kd, d5);
    }
    store_least(low + 0 * stride, a0, b0, c0, d0);
    store_least(low + 1 * stride, a1, b1, c1, d1);
    store_least(low + 2 * stride, a2, b2, c2, d2);
    store_least(low + 3 * stride, a3, b3, c3, d3);
    store_least(low + 4 * stride, a4, b4, c4, d4);
    store_least(low + 5 * stride, a5, b5, c5, d5);
}

static inline void products_lower(float *to, const float *low)
{
    _mm512_storeu_ps(to, _mm512_min_ps(_mm512_loadu_ps(low), _mm512_loadu_ps(to)));
}

static inline float products_least(const float *low, size_t n)
{
    __m512 a = _mm512_loadu_ps(low);

    for (size_t i = 1; i < n; i++)
        a = _mm512_min_ps(a, _mm512_loadu_ps(low + i * 16));
    return _mm512_reduce_min_ps(a);
}

static inline bool products_not_above(const float *low, float limit)
{
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(low), _mm512_set1_ps(limit), _CMP_NGT_UQ) != 0;
}

#include "kernels/screened.h" /* nearest() from the functions above */

enum { COARSE_ROWS = 8, COARSE_LANES = 32 };
typedef __m512i lanes;

static inline void round_dimension(int32_t *level, float *wrong, float *norm, const float *keys, float center,
                                   float step, float inverse)
{
    __m512 t = _mm512_sub_ps(_mm512_loadu_ps(keys), _mm512_set1_ps(center)), u, e;
    __m512i whole;

    u = _mm512_fmadd_ps(t, _mm512_set1_ps(inverse),
                        _mm512_set1_ps(DKVB__COARSE_STEPS + 0.5f)); /* a half more: truncation rounds */
    u = _mm512_min_ps(_mm512_max_ps(u, _mm512_setzero_ps()), _mm512_set1_ps(2.0f * DKVB__COARSE_STEPS));
    whole = _mm512_cvttps_epi32(u);
    _mm512_storeu_si512(level, whole);
    u = _mm512_sub_ps(_mm512_cvtepi32_ps(whole), _mm512_set1_ps(DKVB__COARSE_STEPS));
    e = _mm512_fnmadd_ps(_mm512_set1_ps(step), u, t);
    _mm512_storeu_ps(wrong, _mm512_fmadd_ps(e, e, _mm512_loadu_ps(wrong)));
    _mm512_storeu_ps(norm, _mm512_fmadd_ps(u, u, _mm512_loadu_ps(norm)));
}

static inline lanes lanes_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline void lanes_store(void *p, lanes a)
{
    _mm512_storeu_si512(p, a);
}

static inline lanes lanes_all(int16_t x)
{
    return _mm512_set1_epi16(x);
}

static inline lanes lanes_pairs(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static inline lanes lanes_dot(lanes u, lanes s)
{
    return _mm512_maddubs_epi16(u, s);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_epi16(a, b);
}

static inline lanes lanes_add_height(lanes a, lanes h)
{
    return _mm512_adds_epi16(a, h);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_epi16(a, b);
}

static inline int lanes_least(lanes a)
{
    __m256i b = _mm256_min_epi16(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    __m128i c = _mm_min_epi16(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));

    /* The least of unsigned numbers has an instruction of its own. */
    return _mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(c, _mm_set1_epi16(INT16_MIN))), 0) + INT16_MIN;
}

static inline uint32_t lanes_not_above(lanes a, lanes b)
{
    return _mm512_cmple_epi16_mask(a, b);
}

#include "kernels/coarse.h" /* coarsen() and nearest_coarse() */

static void distances(float *dist, const float *q, const float *blocks, size_t keys, size_t dim)
{
    for (size_t b = 0; b < dkvb__key_blocks(keys); b++)
        (void)block_distances(dist + b * DKVB__LANES, q, blocks + b * dim * DKVB__LANES, dim, 0.0f);
}

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

const struct dkvb__kernels dkvb__kernels_avx512 = {"avx512",
                                                   supported,
                                                   project,
                                                   nearest,
                                                   coarsen,
                                                   nearest_coarse,
                                                   distances,
                                                   multiply,
                                                   layer_norm,
                                                   softmax,
                                                   dkvb__add_values_avx2};
