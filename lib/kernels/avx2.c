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

/* Which of the 16 distances are below the limit, lowest key first. */
static inline unsigned below(__m256 low, __m256 high, float limit)
{
    __m256 l = _mm256_set1_ps(limit);

    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(low, l, _CMP_LT_OQ)) |
           (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(high, l, _CMP_LT_OQ)) << 8;
}

/* Insert those of 16 distances that are below the k-th best and live. Rare once the first keys have been seen. */
static inline void offer(float *dist, uint16_t *index, size_t k, __m256 low, __m256 high, size_t first, unsigned live)
{
    unsigned hits = below(low, high, dist[k - 1]) & live;
    float s[DKVB__LANES];

    if (hits == 0)
        return;
    _mm256_storeu_ps(s, low);
    _mm256_storeu_ps(s + 8, high);
    for (; hits; hits &= hits - 1) {
        unsigned lane = (unsigned)__builtin_ctz(hits);

        if (s[lane] < dist[k - 1])
            dkvb__top_insert(dist, index, k, s[lane], first + lane);
    }
}

/* Four rows against one block of 16 keys. q: float[4][dim]. */
static void block_4(float *dist, uint16_t *index, size_t k, const float *q, const float *block, size_t dim,
                    size_t first, unsigned live)
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;

    for (size_t i = 0; i < dim; i++) {
        __m256 k0 = _mm256_loadu_ps(block + i * DKVB__LANES);
        __m256 k1 = _mm256_loadu_ps(block + i * DKVB__LANES + 8);
        __m256 x;

        x = _mm256_broadcast_ss(q + i);
        a0 = step(a0, x, k0);
        a1 = step(a1, x, k1);
        x = _mm256_broadcast_ss(q + dim + i);
        b0 = step(b0, x, k0);
        b1 = step(b1, x, k1);
        x = _mm256_broadcast_ss(q + 2 * dim + i);
        c0 = step(c0, x, k0);
        c1 = step(c1, x, k1);
        x = _mm256_broadcast_ss(q + 3 * dim + i);
        d0 = step(d0, x, k0);
        d1 = step(d1, x, k1);
    }
    offer(dist, index, k, a0, a1, first, live);
    offer(dist + k, index + k, k, b0, b1, first, live);
    offer(dist + 2 * k, index + 2 * k, k, c0, c1, first, live);
    offer(dist + 3 * k, index + 3 * k, k, d0, d1, first, live);
}

/* One row against one block. */
static void block_1(float *dist, uint16_t *index, size_t k, const float *q, const float *block, size_t dim,
                    size_t first, unsigned live)
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0;

    for (size_t i = 0; i < dim; i++) {
        __m256 x = _mm256_broadcast_ss(q + i);

        a0 = step(a0, x, _mm256_loadu_ps(block + i * DKVB__LANES));
        a1 = step(a1, x, _mm256_loadu_ps(block + i * DKVB__LANES + 8));
    }
    offer(dist, index, k, a0, a1, first, live);
}

/* One row against four blocks at once: eight independent chains hide the latency that one row alone would wait for. */
static void block_1x4(float *dist, uint16_t *index, size_t k, const float *q, const float *block, size_t dim,
                      size_t first, uint64_t live)
{
    const float *b0 = block, *b1 = b0 + dim * DKVB__LANES, *b2 = b1 + dim * DKVB__LANES, *b3 = b2 + dim * DKVB__LANES;
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
    offer(dist, index, k, s0, s1, first, live & 0xFFFF);
    offer(dist, index, k, s2, s3, first + 16, live >> 16 & 0xFFFF);
    offer(dist, index, k, s4, s5, first + 32, live >> 32 & 0xFFFF);
    offer(dist, index, k, s6, s7, first + 48, (unsigned)(live >> 48));
}

/* The four blocks of one word of `dead`, or as many as there are: each is brought into cache once for all rows. */
static void nearest_in_word(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, size_t count,
                            uint64_t live, size_t first, size_t dim, size_t k)
{
    size_t r = 0;

    for (; r + 4 <= n; r += 4)
        for (size_t b = 0; b < count; b++)
            block_4(dist + r * k, index + r * k, k, q + r * dim, blocks + b * dim * DKVB__LANES, dim,
                    first + b * DKVB__LANES, live >> (b * DKVB__LANES) & 0xFFFF);
    for (; r < n; r++) {
        if (count == 4) {
            block_1x4(dist + r * k, index + r * k, k, q + r * dim, blocks, dim, first, live);
            continue;
        }
        for (size_t b = 0; b < count; b++)
            block_1(dist + r * k, index + r * k, k, q + r * dim, blocks + b * dim * DKVB__LANES, dim,
                    first + b * DKVB__LANES, live >> (b * DKVB__LANES) & 0xFFFF);
    }
}

static void nearest(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, const uint64_t *dead,
                    size_t keys, size_t dim, size_t k)
{
    size_t block_count = dkvb__key_blocks(keys);

    for (size_t r = 0; r < n; r++)
        dkvb__top_clear(dist + r * k, index + r * k, k);
    for (size_t w = 0; w < dkvb__key_words(keys); w++) {
        size_t count = block_count - 4 * w < 4 ? block_count - 4 * w : 4;

        if (~dead[w])
            nearest_in_word(dist, index, q, n, blocks + w * 64 * dim, count, ~dead[w], w * 64, dim, k);
    }
    for (size_t r = 0; r < n; r++)
        dkvb__top_finish(dist + r * k, index + r * k, k, dead, keys);
}

static void distances(float *dist, const float *q, const float *blocks, size_t keys, size_t dim)
{
    for (size_t b = 0; b < dkvb__key_blocks(keys); b++) {
        const float *block = blocks + b * dim * DKVB__LANES;
        __m256 a0 = _mm256_setzero_ps(), a1 = a0;

        for (size_t i = 0; i < dim; i++) {
            __m256 x = _mm256_broadcast_ss(q + i);

            a0 = step(a0, x, _mm256_loadu_ps(block + i * DKVB__LANES));
            a1 = step(a1, x, _mm256_loadu_ps(block + i * DKVB__LANES + 8));
        }
        _mm256_storeu_ps(dist + b * DKVB__LANES, a0);
        _mm256_storeu_ps(dist + b * DKVB__LANES + 8, a1);
    }
}

const struct dkvb__kernels dkvb__kernels_avx2 = {"avx2", supported, project, nearest, distances};
