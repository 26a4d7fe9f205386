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

/* Distances of one row to a block of 16 keys. */
static inline void block_distances(__m256 *low, __m256 *high, const float *q, const float *block, size_t dim)
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0;

    for (size_t i = 0; i < dim; i++) {
        __m256 x = _mm256_broadcast_ss(q + i);

        a0 = step(a0, x, _mm256_loadu_ps(block + i * DKVB__LANES));
        a1 = step(a1, x, _mm256_loadu_ps(block + i * DKVB__LANES + 8));
    }
    *low = a0;
    *high = a1;
}

/* Insert those of 16 distances that are below the k-th best and live, lowest key first. */
static inline void offer(float *dist, uint16_t *index, size_t k, __m256 low, __m256 high, size_t first, unsigned live)
{
    __m256 limit = _mm256_set1_ps(dist[k - 1]);
    unsigned hits = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(low, limit, _CMP_LT_OQ)) |
                    (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(high, limit, _CMP_LT_OQ)) << 8;
    float s[DKVB__LANES];

    hits &= live;
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

/*
 * Screening. With h = |key|^2 / 2 the product form v = h - q.key = (|q - key|^2 - |q|^2) / 2 takes one fused multiply-add a
 * dimension, half the work of a distance, but rounds otherwise. So it only decides which blocks are looked at: a key
 * that could win has v <= limit, and the distances of its block are then computed as always.
 *
 * The bound, with u = 2^-24: v is rounded d times and h once, and no intermediate exceeds h + |q||key| <= 2h + |q|^2 / 2 (1 + d u), so v is
 * wrong by at most about (d + 1) u (2h + |q|^2 / 2). A distance is wrong by at most about (d + 2) u of itself. `limit` allows
 * (d + 8) u of each, which leaves six units for second-order terms and for rounding `limit` itself, and the smallest normal
 * number a dimension for what underflows. Where lengths are so large that an intermediate might overflow, nothing is screened.
 */
struct screen {
    double half_q;  /* |q|^2 / 2 */
    double allowed; /* share of rounding, (d + 8) u */
    double tiny;    /* d times the smallest normal number */
};

static struct screen screen_for(const float *q, size_t dim)
{
    struct screen s = {0.0, (double)(dim + 8) * 0x1p-24, (double)dim * 0x1p-126};

    for (size_t i = 0; i < dim; i++)
        s.half_q += 0.5 * (double)q[i] * (double)q[i];
    return s;
}

/* Largest v of a key that may be nearer than `best`, among keys whose h is at most `most_h`. */
static inline float screen_limit(const struct screen *s, float best, double most_h)
{
    double half = 0.5 * (double)best;

    if (!(2.0 * most_h + s->half_q < 0x1p120))
        return __builtin_inff();
    return (float)(half - s->half_q + s->allowed * (half + 2.0 * most_h + s->half_q) + s->tiny);
}

/* Half the squared lengths of up to 64 keys; returns the largest. h: float[64]. */
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

enum { ROWS = 6 }; /* rows screened at a time: 12 sums, two vectors of keys and one number of a row fill the registers */

/* Lanes of 16 keys that are not above a row's limit; what is not a number is not above it. */
static inline __m256 not_above(__m256 low, __m256 high, const float *limit)
{
    __m256 l = _mm256_broadcast_ss(limit);

    return _mm256_or_ps(_mm256_cmp_ps(low, l, _CMP_NGT_UQ), _mm256_cmp_ps(high, l, _CMP_NGT_UQ));
}

static inline unsigned any_lane(__m256 lanes)
{
    return _mm256_movemask_ps(lanes) != 0;
}

/* Six rows by one block: which of the rows (bit r) have a key with v = h - q.key <= limit[r]. Mostly none. */
static inline unsigned screen_block(const float *q, const float *block, const float *h, const float *limit, size_t dim)
{
    __m256 a0 = _mm256_loadu_ps(h), a1 = _mm256_loadu_ps(h + 8);
    __m256 b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1, e0 = a0, e1 = a1, f0 = a0, f1 = a1;
    __m256 any;

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
    a0 = not_above(a0, a1, limit);
    b0 = not_above(b0, b1, limit + 1);
    c0 = not_above(c0, c1, limit + 2);
    d0 = not_above(d0, d1, limit + 3);
    e0 = not_above(e0, e1, limit + 4);
    f0 = not_above(f0, f1, limit + 5);
    any = _mm256_or_ps(_mm256_or_ps(_mm256_or_ps(a0, b0), _mm256_or_ps(c0, d0)), _mm256_or_ps(e0, f0));
    if (!any_lane(any))
        return 0;
    return any_lane(a0) | any_lane(b0) << 1 | any_lane(c0) << 2 | any_lane(d0) << 3 | any_lane(e0) << 4 |
           any_lane(f0) << 5;
}

/* Six rows against the blocks of one word: screen, and offer what passes. */
static void screen_word(float *dist, uint16_t *index, const float *q, const struct screen *screens,
                        const float *blocks, const float *h, double most_h, size_t count, uint64_t live, size_t first,
                        size_t dim, size_t k)
{
    float limit[ROWS];

    for (size_t r = 0; r < ROWS; r++)
        limit[r] = screen_limit(&screens[r], dist[r * k + k - 1], most_h);
    for (size_t b = 0; b < count; b++) {
        const float *block = blocks + b * dim * DKVB__LANES;
        unsigned hit = screen_block(q, block, h + b * DKVB__LANES, limit, dim);

        for (; hit; hit &= hit - 1) {
            unsigned r = (unsigned)__builtin_ctz(hit);
            __m256 low, high;

            block_distances(&low, &high, q + r * dim, block, dim);
            offer(dist + r * k, index + r * k, k, low, high, first + b * DKVB__LANES,
                  live >> (b * DKVB__LANES) & 0xFFFF);
            limit[r] = screen_limit(&screens[r], dist[r * k + k - 1], most_h);
        }
    }
}

/* One row against four blocks at once: eight independent chains hide the latency that one row alone would wait for. */
static void row_word(float *dist, uint16_t *index, size_t k, const float *q, const float *block, size_t dim,
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

/* The `count` blocks of one word against one row, without screening: its preparation would cost as much. */
static void row_blocks(float *dist, uint16_t *index, size_t k, const float *q, const float *blocks, size_t count,
                       size_t dim, size_t first, uint64_t live)
{
    if (count == 4) {
        row_word(dist, index, k, q, blocks, dim, first, live);
        return;
    }
    for (size_t b = 0; b < count; b++) {
        __m256 low, high;

        block_distances(&low, &high, q, blocks + b * dim * DKVB__LANES, dim);
        offer(dist, index, k, low, high, first + b * DKVB__LANES, live >> (b * DKVB__LANES) & 0xFFFF);
    }
}

enum { SCREENED_ROWS = 16 * ROWS }; /* whose screens lie on the stack: one such part after another */

/* Up to SCREENED_ROWS rows; every word of keys is brought into cache once for all of them. */
static void nearest_part(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks,
                         const uint64_t *dead, size_t keys, size_t dim, size_t k)
{
    size_t block_count = dkvb__key_blocks(keys), whole = n / ROWS * ROWS;
    struct screen screens[SCREENED_ROWS];

    for (size_t r = 0; r < whole; r++)
        screens[r] = screen_for(q + r * dim, dim);
    for (size_t w = 0; w < dkvb__key_words(keys); w++) {
        size_t count = block_count - 4 * w < 4 ? block_count - 4 * w : 4, first = w * 64;
        const float *word = blocks + first * dim;
        float h[64];
        double most_h;

        if (~dead[w] == 0)
            continue;
        most_h = whole > 0 ? half_norms(h, word, count, dim) : 0.0;
        for (size_t r = 0; r < whole; r += ROWS)
            screen_word(dist + r * k, index + r * k, q + r * dim, screens + r, word, h, most_h, count, ~dead[w], first,
                        dim, k);
        for (size_t r = whole; r < n; r++)
            row_blocks(dist + r * k, index + r * k, k, q + r * dim, word, count, dim, first, ~dead[w]);
    }
}

static void nearest(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, const uint64_t *dead,
                    size_t keys, size_t dim, size_t k)
{
    for (size_t r = 0; r < n; r++)
        dkvb__top_clear(dist + r * k, index + r * k, k);
    for (size_t r = 0; r < n; r += SCREENED_ROWS)
        nearest_part(dist + r * k, index + r * k, q + r * dim, n - r < SCREENED_ROWS ? n - r : SCREENED_ROWS, blocks,
                     dead, keys, dim, k);
    for (size_t r = 0; r < n; r++)
        dkvb__top_finish(dist + r * k, index + r * k, k, dead, keys);
}

static void distances(float *dist, const float *q, const float *blocks, size_t keys, size_t dim)
{
    for (size_t b = 0; b < dkvb__key_blocks(keys); b++) {
        __m256 low, high;

        block_distances(&low, &high, q, blocks + b * dim * DKVB__LANES, dim);
        _mm256_storeu_ps(dist + b * DKVB__LANES, low);
        _mm256_storeu_ps(dist + b * DKVB__LANES + 8, high);
    }
}

const struct dkvb__kernels dkvb__kernels_avx2 = {"avx2", supported, project, nearest, distances};
