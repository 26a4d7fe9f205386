/* AVX2 and FMA. One lane is one key (or one projected dimension), so every lane walks the very chain of scalar.c. */
#include <immintrin.h>

#include "kernels/kernels.h"

static bool supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Lanes 0 .. count-1 of four, as a mask for maskload and maskstore. */
static __m128i first_lanes(size_t count)
{
    return _mm_cmpgt_epi32(_mm_set1_epi32((int)count), _mm_setr_epi32(0, 1, 2, 3));
}

/* Four rows by eight columns of the projection, all in registers. out, p: at the first of the columns. */
static void project_4x8(float *out, const double *const *rows, const float *p, size_t m, size_t d)
{
    const double *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    __m256d a0 = _mm256_setzero_pd(), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;

    for (size_t i = 0; i < m; i++) {
        __m256d p0 = _mm256_cvtps_pd(_mm_loadu_ps(p + i * d));
        __m256d p1 = _mm256_cvtps_pd(_mm_loadu_ps(p + i * d + 4));
        __m256d x;

        x = _mm256_broadcast_sd(r0 + i);
        a0 = _mm256_fmadd_pd(x, p0, a0);
        a1 = _mm256_fmadd_pd(x, p1, a1);
        x = _mm256_broadcast_sd(r1 + i);
        b0 = _mm256_fmadd_pd(x, p0, b0);
        b1 = _mm256_fmadd_pd(x, p1, b1);
        x = _mm256_broadcast_sd(r2 + i);
        c0 = _mm256_fmadd_pd(x, p0, c0);
        c1 = _mm256_fmadd_pd(x, p1, c1);
        x = _mm256_broadcast_sd(r3 + i);
        d0 = _mm256_fmadd_pd(x, p0, d0);
        d1 = _mm256_fmadd_pd(x, p1, d1);
    }
    _mm256_storeu_ps(out, _mm256_set_m128(_mm256_cvtpd_ps(a1), _mm256_cvtpd_ps(a0)));
    _mm256_storeu_ps(out + d, _mm256_set_m128(_mm256_cvtpd_ps(b1), _mm256_cvtpd_ps(b0)));
    _mm256_storeu_ps(out + 2 * d, _mm256_set_m128(_mm256_cvtpd_ps(c1), _mm256_cvtpd_ps(c0)));
    _mm256_storeu_ps(out + 3 * d, _mm256_set_m128(_mm256_cvtpd_ps(d1), _mm256_cvtpd_ps(d0)));
}

/* One row by up to eight columns. */
static void project_1x8(float *out, const double *row, const float *p, size_t m, size_t d, size_t columns)
{
    __m128i low = first_lanes(columns), high = first_lanes(columns > 4 ? columns - 4 : 0);
    __m256d a0 = _mm256_setzero_pd(), a1 = a0;

    for (size_t i = 0; i < m; i++) {
        __m256d x = _mm256_broadcast_sd(row + i);

        a0 = _mm256_fmadd_pd(x, _mm256_cvtps_pd(_mm_maskload_ps(p + i * d, low)), a0);
        if (columns > 4)
            a1 = _mm256_fmadd_pd(x, _mm256_cvtps_pd(_mm_maskload_ps(p + i * d + 4, high)), a1);
    }
    _mm_maskstore_ps(out, low, _mm256_cvtpd_ps(a0));
    if (columns > 4)
        _mm_maskstore_ps(out + 4, high, _mm256_cvtpd_ps(a1));
}

static void project(float *out, const double *const *rows, size_t n, const float *p, size_t m, size_t d)
{
    for (size_t j = 0; j < d; j += 8) {
        size_t columns = d - j < 8 ? d - j : 8;
        size_t r = 0;

        for (; columns == 8 && r + 4 <= n; r += 4)
            project_4x8(out + r * d + j, rows + r, p + j, m, d);
        for (; r < n; r++)
            project_1x8(out + r * d + j, rows[r], p + j, m, d, columns);
    }
}

/* s + (q - key)^2 in one rounding, for eight keys. */
static inline __m256 step(__m256 s, __m256 q, __m256 key)
{
    __m256 diff = _mm256_sub_ps(q, key);

    return _mm256_fmadd_ps(diff, diff, s);
}

/* Which of 16 distances are not more than `limit`. */
static inline unsigned not_more(__m256 low, __m256 high, __m256 limit)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(low, limit, _CMP_LE_OQ)) |
           (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(high, limit, _CMP_LE_OQ)) << 8;
}

static unsigned block_distances(float *s, const float *q, const float *block, size_t dim, float most)
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0;

    for (size_t i = 0; i < dim; i++) {
        __m256 x = _mm256_broadcast_ss(q + i);

        a0 = step(a0, x, _mm256_loadu_ps(block + i * DKVB__LANES));
        a1 = step(a1, x, _mm256_loadu_ps(block + i * DKVB__LANES + 8));
    }
    _mm256_storeu_ps(s, a0);
    _mm256_storeu_ps(s + 8, a1);
    return not_more(a0, a1, _mm256_set1_ps(most));
}

/* Eight independent chains hide the latency that one row alone would wait for. */
static uint64_t word_distances(float *s, const float *q, const float *word, size_t dim, float most)
{
    __m256 limit = _mm256_set1_ps(most);
    const float *b0 = word, *b1 = b0 + dim * DKVB__LANES, *b2 = b1 + dim * DKVB__LANES, *b3 = b2 + dim * DKVB__LANES;
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;

    for (size_t i = 0; i < dim; i++) {
        __m256 x = _mm256_broadcast_ss(q + i);
        size_t at = i * DKVB__LANES;

        s0 = step(s0, x, _mm256_loadu_ps(b0 + at));
        s1 = step(s1, x, _mm256_loadu_ps(b0 + at + 8));
        s2 = step(s2, x, _mm256_loadu_ps(b1 + at));
        s3 = step(s3, x, _mm256_loadu_ps(b1 + at + 8));
        s4 = step(s4, x, _mm256_loadu_ps(b2 + at));
        s5 = step(s5, x, _mm256_loadu_ps(b2 + at + 8));
        s6 = step(s6, x, _mm256_loadu_ps(b3 + at));
        s7 = step(s7, x, _mm256_loadu_ps(b3 + at + 8));
    }
    _mm256_storeu_ps(s, s0);
    _mm256_storeu_ps(s + 8, s1);
    _mm256_storeu_ps(s + 16, s2);
    _mm256_storeu_ps(s + 24, s3);
    _mm256_storeu_ps(s + 32, s4);
    _mm256_storeu_ps(s + 40, s5);
    _mm256_storeu_ps(s + 48, s6);
    _mm256_storeu_ps(s + 56, s7);
    return not_more(s0, s1, limit) | (uint64_t)not_more(s2, s3, limit) << 16 | (uint64_t)not_more(s4, s5, limit) << 32 |
           (uint64_t)not_more(s6, s7, limit) << 48;
}

static double half_norms(float *h, const float *blocks, size_t count, size_t dim)
{
    __m256 most = _mm256_setzero_ps();
    float m[8];
    double largest = 0.0;

    for (size_t b = 0; b < count; b++)
        for (size_t lane = 0; lane < DKVB__LANES; lane += 8) {
            const float *keys = blocks + b * dim * DKVB__LANES + lane;
            __m256d low = _mm256_setzero_pd(), high = low;
            __m256 sum;

            for (size_t i = 0; i < dim; i++) { /* in double: one rounding, at the end */
                __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(keys + i * DKVB__LANES));
                __m256d y = _mm256_cvtps_pd(_mm_loadu_ps(keys + i * DKVB__LANES + 4));

                low = _mm256_fmadd_pd(x, x, low);
                high = _mm256_fmadd_pd(y, y, high);
            }
            sum = _mm256_mul_ps(_mm256_set1_ps(0.5f), _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low)));
            _mm256_storeu_ps(h + b * DKVB__LANES + lane, sum);
            most = _mm256_max_ps(most, sum);
        }
    _mm256_storeu_ps(m, most);
    for (size_t i = 0; i < 8; i++)
        largest = (double)m[i] > largest ? (double)m[i] : largest;
    return largest;
}

/* Six rows by one block: 12 sums, two vectors of keys and one number of a row fill the registers. */
enum { SCREEN_ROWS = 6, SCREEN_LANES = 8 };

static inline void store_least(float *low, __m256 a, __m256 b, bool first)
{
    __m256 least = _mm256_min_ps(a, b);

    _mm256_storeu_ps(low, first ? least : _mm256_min_ps(least, _mm256_loadu_ps(low)));
}

static inline void block_products(float *low, size_t stride, const float *q, const float *block, const float *h,
                                  size_t dim, bool first)
{
    __m256 a0 = _mm256_loadu_ps(h), a1 = _mm256_loadu_ps(h + 8);
    __m256 b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1, e0 = a0, e1 = a1, f0 = a0, f1 = a1;

    for (size_t i = 0; i < dim; i++) {
        __m256 k0 = _mm256_loadu_ps(block + i * DKVB__LANES), k1 = _mm256_loadu_ps(block + i * DKVB__LANES + 8), x;

        x = _mm256_broadcast_ss(q + i);
        a0 = _mm256_fnmadd_ps(x, k0, a0);
        a1 = _mm256_fnmadd_ps(x, k1, a1);
        x = _mm256_broadcast_ss(q + dim + i);
        b0 = _mm256_fnmadd_ps(x, k0, b0);
        b1 = _mm256_fnmadd_ps(x, k1, b1);
        x = _mm256_broadcast_ss(q + 2 * dim + i);
        c0 = _mm256_fnmadd_ps(x, k0, c0);
        c1 = _mm256_fnmadd_ps(x, k1, c1);
        x = _mm256_broadcast_ss(q + 3 * dim + i);
        d0 = _mm256_fnmadd_ps(x, k0, d0);
        d1 = _mm256_fnmadd_ps(x, k1, d1);
        x = _mm256_broadcast_ss(q + 4 * dim + i);
        e0 = _mm256_fnmadd_ps(x, k0, e0);
        e1 = _mm256_fnmadd_ps(x, k1, e1);
        x = _mm256_broadcast_ss(q + 5 * dim + i);
        f0 = _mm256_fnmadd_ps(x, k0, f0);
        f1 = _mm256_fnmadd_ps(x, k1, f1);
    }
    store_least(low, a0, a1, first);
    store_least(low + 1 * stride, b0, b1, first);
    store_least(low + 2 * stride, c0, c1, first);
    store_least(low + 3 * stride, d0, d1, first);
    store_least(low + 4 * stride, e0, e1, first);
    store_least(low + 5 * stride, f0, f1, first);
}

static void least_products(float *low, size_t stride, const float *q, const float *word, const float *h, size_t dim)
{
    for (size_t b = 0; b < 4; b++)
        block_products(low, stride, q, word + b * dim * DKVB__LANES, h + b * DKVB__LANES, dim, b == 0);
}

static inline void products_lower(float *to, const float *low)
{
    _mm256_storeu_ps(to, _mm256_min_ps(_mm256_loadu_ps(low), _mm256_loadu_ps(to)));
}

static inline float products_least(const float *low, size_t n)
{
    __m256 a = _mm256_loadu_ps(low);
    __m128 b;

    for (size_t i = 1; i < n; i++)
        a = _mm256_min_ps(a, _mm256_loadu_ps(low + i * 8));
    b = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_min_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_min_ss(b, _mm_movehdup_ps(b)));
}

static inline bool products_not_above(const float *low, float limit)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(low), _mm256_set1_ps(limit), _CMP_NGT_UQ)) != 0;
}

#include "kernels/screened.h" /* nearest() from the functions above */

enum { COARSE_ROWS = 5, COARSE_LANES = 16 };
typedef __m256i lanes;

static inline void round_eight(int32_t *level, float *wrong, float *norm, const float *keys, __m256 center, __m256 step,
                               __m256 inverse)
{
    __m256 t = _mm256_sub_ps(_mm256_loadu_ps(keys), center), u, e;
    __m256i whole;

    u = _mm256_fmadd_ps(t, inverse, _mm256_set1_ps(DKVB__COARSE_STEPS + 0.5f)); /* a half more: truncation rounds */
    u = _mm256_min_ps(_mm256_max_ps(u, _mm256_setzero_ps()), _mm256_set1_ps(2.0f * DKVB__COARSE_STEPS));
    whole = _mm256_cvttps_epi32(u);
    _mm256_storeu_si256((__m256i *)level, whole);
    u = _mm256_sub_ps(_mm256_cvtepi32_ps(whole), _mm256_set1_ps(DKVB__COARSE_STEPS));
    e = _mm256_fnmadd_ps(step, u, t);
    _mm256_storeu_ps(wrong, _mm256_fmadd_ps(e, e, _mm256_loadu_ps(wrong)));
    _mm256_storeu_ps(norm, _mm256_fmadd_ps(u, u, _mm256_loadu_ps(norm)));
}

static inline void round_dimension(int32_t *level, float *wrong, float *norm, const float *keys, float center,
                                   float step, float inverse)
{
    for (size_t l = 0; l < DKVB__LANES; l += 8)
        round_eight(level + l, wrong + l, norm + l, keys + l, _mm256_set1_ps(center), _mm256_set1_ps(step),
                    _mm256_set1_ps(inverse));
}

static inline lanes lanes_load(const void *p)
{
    return _mm256_loadu_si256(p);
}

static inline void lanes_store(void *p, lanes a)
{
    _mm256_storeu_si256(p, a);
}

static inline lanes lanes_all(int16_t x)
{
    return _mm256_set1_epi16(x);
}

static inline lanes lanes_pairs(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static inline lanes lanes_dot(lanes u, lanes s)
{
    return _mm256_maddubs_epi16(u, s);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_epi16(a, b);
}

static inline lanes lanes_add_height(lanes a, lanes h)
{
    return _mm256_adds_epi16(a, h);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm256_min_epi16(a, b);
}

static inline int lanes_least(lanes a)
{
    __m128i b = _mm_min_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));

    /* The least of unsigned numbers has an instruction of its own. */
    return _mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(b, _mm_set1_epi16(INT16_MIN))), 0) + INT16_MIN;
}

/* There is no movemask of 16-bit lanes: packed to bytes the halves of a vector interleave with nothing. */
static inline uint32_t lanes_not_above(lanes a, lanes b)
{
    __m256i above = _mm256_cmpgt_epi16(a, b);
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(above), _mm256_extracti128_si256(above, 1));

    return ~(uint32_t)_mm_movemask_epi8(bytes) & 0xFFFF;
}

#include "kernels/coarse.h" /* coarsen() and nearest_coarse() */

static void distances(float *dist, const float *q, const float *blocks, size_t keys, size_t dim)
{
    for (size_t b = 0; b < dkvb__key_blocks(keys); b++)
        (void)block_distances(dist + b * DKVB__LANES, q, blocks + b * dim * DKVB__LANES, dim, 0.0f);
}

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

const struct dkvb__kernels dkvb__kernels_avx2 = {"avx2",
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
