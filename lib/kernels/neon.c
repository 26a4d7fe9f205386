/* NEON, which every aarch64 processor has. One lane is one key (or one projected dimension), so every lane walks the
 * very chain of scalar.c. A block of 16 keys is four vectors; the tiles below fit the 32 registers. */
#include <arm_neon.h>
#include <math.h>

#include "kernels/kernels.h"

static bool supported(void)
{
    return true;
}

/* Eight columns of one row of the projection, in double. */
struct columns {
    float64x2_t a, b, c, d;
};

static inline struct columns no_columns(void)
{
    float64x2_t zero = vdupq_n_f64(0.0);

    return (struct columns){zero, zero, zero, zero};
}

static inline struct columns widen(const float *p)
{
    float32x4_t low = vld1q_f32(p), high = vld1q_f32(p + 4);

    return (struct columns){vcvt_f64_f32(vget_low_f32(low)), vcvt_high_f64_f32(low), vcvt_f64_f32(vget_low_f32(high)),
                            vcvt_high_f64_f32(high)};
}

/* sum + x p, one rounding each. */
static inline struct columns add_product(struct columns sum, double x, struct columns p)
{
    float64x2_t v = vdupq_n_f64(x);

    return (struct columns){vfmaq_f64(sum.a, v, p.a), vfmaq_f64(sum.b, v, p.b), vfmaq_f64(sum.c, v, p.c),
                            vfmaq_f64(sum.d, v, p.d)};
}

static inline void round_columns(float *out, struct columns sum)
{
    vst1q_f32(out, vcvt_high_f32_f64(vcvt_f32_f64(sum.a), sum.b));
    vst1q_f32(out + 4, vcvt_high_f32_f64(vcvt_f32_f64(sum.c), sum.d));
}

/* Four rows by eight columns: 16 sums, four vectors of columns and one number of a row. out, p: at the first of the
 * columns. */
static void project_4x8(float *out, const double *const *rows, const float *p, size_t m, size_t d)
{
    const double *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    struct columns s0 = no_columns(), s1 = s0, s2 = s0, s3 = s0;

    for (size_t i = 0; i < m; i++) {
        struct columns column = widen(p + i * d);

        s0 = add_product(s0, r0[i], column);
        s1 = add_product(s1, r1[i], column);
        s2 = add_product(s2, r2[i], column);
        s3 = add_product(s3, r3[i], column);
    }
    round_columns(out, s0);
    round_columns(out + d, s1);
    round_columns(out + 2 * d, s2);
    round_columns(out + 3 * d, s3);
}

static void project_1x8(float *out, const double *row, const float *p, size_t m, size_t d)
{
    struct columns sum = no_columns();

    for (size_t i = 0; i < m; i++)
        sum = add_product(sum, row[i], widen(p + i * d));
    round_columns(out, sum);
}

/* One row by two columns. */
static void project_1x2(float *out, const double *row, const float *p, size_t m, size_t d)
{
    float64x2_t sum = vdupq_n_f64(0.0);

    for (size_t i = 0; i < m; i++)
        sum = vfmaq_f64(sum, vdupq_n_f64(row[i]), vcvt_f64_f32(vld1_f32(p + i * d)));
    vst1_f32(out, vcvt_f32_f64(sum));
}

static void project_1x1(float *out, const double *row, const float *p, size_t m)
{
    double sum = 0.0;

    for (size_t i = 0; i < m; i++)
        sum = fma(row[i], (double)p[i], sum);
    *out = (float)sum;
}

/* Fewer than eight columns, d of them. */
static void project_narrow(float *out, const double *row, const float *p, size_t m, size_t d)
{
    if (d == 1)
        project_1x1(out, row, p, m);
    for (size_t j = 0; d > 1 && j < d; j += 2) {
        size_t at = j + 2 <= d ? j : d - 2;

        project_1x2(out + at, row, p + at, m, d);
    }
}

/* Nothing loads part of a vector here: the last tile of columns begins so early that it is whole. What it computes
 * again comes out the same. */
static void project(float *out, const double *const *rows, size_t n, const float *p, size_t m, size_t d)
{
    for (size_t r = 0; d < 8 && r < n; r++)
        project_narrow(out + r * d, rows[r], p, m, d);
    for (size_t j = 0; d >= 8 && j < d; j += 8) {
        size_t at = j + 8 <= d ? j : d - 8, r = 0;

        for (; r + 4 <= n; r += 4)
            project_4x8(out + r * d + at, rows + r, p + at, m, d);
        for (; r < n; r++)
            project_1x8(out + r * d + at, rows[r], p + at, m, d);
    }
}

/* A number for each of the 16 keys of a block. */
struct lanes {
    float32x4_t a, b, c, d;
};

static inline struct lanes all_lanes(float x)
{
    float32x4_t v = vdupq_n_f32(x);

    return (struct lanes){v, v, v, v};
}

static inline struct lanes load_lanes(const float *p)
{
    return (struct lanes){vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}

static inline void store_lanes(float *p, struct lanes v)
{
    vst1q_f32(p, v.a);
    vst1q_f32(p + 4, v.b);
    vst1q_f32(p + 8, v.c);
    vst1q_f32(p + 12, v.d);
}

/* s + (q - key)^2 in one rounding, for four keys. */
static inline float32x4_t step(float32x4_t s, float32x4_t q, float32x4_t key)
{
    float32x4_t diff = vsubq_f32(q, key);

    return vfmaq_f32(s, diff, diff);
}

static inline struct lanes step_lanes(struct lanes s, float32x4_t q, const float *key)
{
    struct lanes k = load_lanes(key);

    return (struct lanes){step(s.a, q, k.a), step(s.b, q, k.b), step(s.c, q, k.c), step(s.d, q, k.d)};
}

/* Which of 16 distances are not more than `limit`: every lane has a bit of its own, and their sum is the set. */
static inline unsigned not_more(struct lanes s, float limit)
{
    static const uint32_t bits[DKVB__LANES] = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                               1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
    float32x4_t l = vdupq_n_f32(limit);
    uint32x4_t set = vandq_u32(vcleq_f32(s.a, l), vld1q_u32(bits));

    set = vorrq_u32(set, vandq_u32(vcleq_f32(s.b, l), vld1q_u32(bits + 4)));
    set = vorrq_u32(set, vandq_u32(vcleq_f32(s.c, l), vld1q_u32(bits + 8)));
    set = vorrq_u32(set, vandq_u32(vcleq_f32(s.d, l), vld1q_u32(bits + 12)));
    return vaddvq_u32(set);
}

static unsigned block_distances(float *s, const float *q, const float *block, size_t dim, float most)
{
    struct lanes sum = all_lanes(0.0f);

    for (size_t i = 0; i < dim; i++)
        sum = step_lanes(sum, vdupq_n_f32(q[i]), block + i * DKVB__LANES);
    store_lanes(s, sum);
    return not_more(sum, most);
}

/* Two blocks: eight independent chains hide the latency that one block alone would wait for. */
static uint64_t pair_distances(float *s, const float *q, const float *pair, size_t dim, float most)
{
    struct lanes s0 = all_lanes(0.0f), s1 = s0;

    for (size_t i = 0; i < dim; i++) {
        const float *at = pair + i * DKVB__LANES;
        float32x4_t x = vdupq_n_f32(q[i]);

        s0 = step_lanes(s0, x, at);
        s1 = step_lanes(s1, x, at + dim * DKVB__LANES);
    }
    store_lanes(s, s0);
    store_lanes(s + DKVB__LANES, s1);
    return not_more(s0, most) | not_more(s1, most) << DKVB__LANES;
}

static uint64_t word_distances(float *s, const float *q, const float *word, size_t dim, float most)
{
    enum { PAIR = 2 * DKVB__LANES };
    uint64_t low = pair_distances(s, q, word, dim, most);

    return low | pair_distances(s + PAIR, q, word + PAIR * dim, dim, most) << PAIR;
}

static double half_norms(float *h, const float *word, size_t count, size_t dim)
{
    float32x4_t most = vdupq_n_f32(0.0f);

    for (size_t j = 0; j < count * DKVB__LANES; j += 4) {
        const float *keys = word + dkvb__key_offset(j, dim);
        float64x2_t low = vdupq_n_f64(0.0), high = low;
        float32x4_t half;

        for (size_t i = 0; i < dim; i++) { /* in double: one rounding, at the end */
            float32x4_t x = vld1q_f32(keys + i * DKVB__LANES);
            float64x2_t x_low = vcvt_f64_f32(vget_low_f32(x)), x_high = vcvt_high_f64_f32(x);

            low = vfmaq_f64(low, x_low, x_low);
            high = vfmaq_f64(high, x_high, x_high);
        }
        half = vcvt_high_f32_f64(vcvt_f32_f64(vmulq_n_f64(low, 0.5)), vmulq_n_f64(high, 0.5));
        vst1q_f32(h + j, half);
        most = vmaxq_f32(most, half);
    }
    return (double)vmaxvq_f32(most);
}

/* Five rows by one block: 20 sums, four vectors of keys and five numbers of rows in 32 registers. */
enum { SCREEN_ROWS = 5, SCREEN_LANES = 4 };

/* w + x key, one rounding each. */
static inline struct lanes add_multiple(struct lanes w, float x, struct lanes key)
{
    return (struct lanes){vfmaq_n_f32(w.a, key.a, x), vfmaq_n_f32(w.b, key.b, x), vfmaq_n_f32(w.c, key.c, x),
                          vfmaq_n_f32(w.d, key.d, x)};
}

static inline struct lanes negated(struct lanes v)
{
    return (struct lanes){vnegq_f32(v.a), vnegq_f32(v.b), vnegq_f32(v.c), vnegq_f32(v.d)};
}

/* The least of v = -w. What is not a number stays. */
static inline void store_least(float *low, struct lanes w, bool first)
{
    float32x4_t least = vnegq_f32(vmaxq_f32(vmaxq_f32(w.a, w.b), vmaxq_f32(w.c, w.d)));

    vst1q_f32(low, first ? least : vminq_f32(least, vld1q_f32(low)));
}

/* Summed is w = -v = q.key - h, because GCC 12 makes a negation and an addition of a subtracted product. */
static inline void block_products(float *low, size_t stride, const float *q, const float *block, const float *h,
                                  size_t dim, bool first)
{
    struct lanes w0 = negated(load_lanes(h)), w1 = w0, w2 = w0, w3 = w0, w4 = w0;

    for (size_t i = 0; i < dim; i++) {
        struct lanes key = load_lanes(block + i * DKVB__LANES);

        w0 = add_multiple(w0, q[i], key);
        w1 = add_multiple(w1, q[dim + i], key);
        w2 = add_multiple(w2, q[2 * dim + i], key);
        w3 = add_multiple(w3, q[3 * dim + i], key);
        w4 = add_multiple(w4, q[4 * dim + i], key);
    }
    store_least(low, w0, first);
    store_least(low + 1 * stride, w1, first);
    store_least(low + 2 * stride, w2, first);
    store_least(low + 3 * stride, w3, first);
    store_least(low + 4 * stride, w4, first);
}

static void least_products(float *low, size_t stride, const float *q, const float *word, const float *h, size_t dim)
{
    for (size_t b = 0; b < 4; b++)
        block_products(low, stride, q, word + b * dim * DKVB__LANES, h + b * DKVB__LANES, dim, b == 0);
}

static inline void products_lower(float *to, const float *low)
{
    vst1q_f32(to, vminq_f32(vld1q_f32(low), vld1q_f32(to)));
}

static inline float products_least(const float *low, size_t n)
{
    float32x4_t a = vld1q_f32(low);

    for (size_t i = 1; i < n; i++)
        a = vminq_f32(a, vld1q_f32(low + i * 4));
    return vminvq_f32(a);
}

/* Some lane is not all ones: what is not a number is not above, either. */
static inline bool products_not_above(const float *low, float limit)
{
    return vminvq_u32(vcgtq_f32(vld1q_f32(low), vdupq_n_f32(limit))) == 0;
}

#include "kernels/screened.h" /* nearest() from the functions above */

static void distances(float *dist, const float *q, const float *blocks, size_t keys, size_t dim)
{
    for (size_t b = 0; b < dkvb__key_blocks(keys); b++)
        (void)block_distances(dist + b * DKVB__LANES, q, blocks + b * dim * DKVB__LANES, dim, 0.0f);
}

enum { DENSE_LANES = 4, DENSE_ROWS = 6, DENSE_PANELS = 1 }; /* 24 sums, 4 columns and a row's number in 32 registers */
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

#include "kernels/dense.h" /* multiply() from the functions above; layer_norm(), softmax() */

const struct dkvb__kernels dkvb__kernels_neon = {
    "neon", supported, project, nearest, NULL, NULL, distances, multiply, layer_norm, softmax, dkvb__add_values_neon};
