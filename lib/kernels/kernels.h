#ifndef DKVB_KERNELS_KERNELS_H
#define DKVB_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys lie in blocks of 16, dimension by dimension: float[blocks][dim][16], so that one vector holds the same dimension
 * of neighbouring keys. The lanes past the last key are zeros. */
enum { DKVB__LANES = 16 };

static inline size_t dkvb__key_blocks(size_t keys)
{
    return (keys + DKVB__LANES - 1) / DKVB__LANES;
}

/* Where dimension 0 of key `j` lies; dimension i is i * DKVB__LANES further. */
static inline size_t dkvb__key_offset(size_t j, size_t dim)
{
    return j / DKVB__LANES * DKVB__LANES * dim + j % DKVB__LANES;
}

/* Sets of keys are bits in 64-bit words; bits past the last key are 1 in `dead` sets handed to kernels. */
static inline size_t dkvb__key_words(size_t keys)
{
    return (keys + 63) / 64;
}

static inline bool dkvb__bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

/* Keys in bytes, to screen with: see coarse.h. One codebook's. */
enum {
    DKVB__COARSE_DIM = 256, /* wider keys have none */
    DKVB__COARSE_STEPS = 90 /* to each side of the centre, of keys and of rows */
};

struct dkvb__coarse {
    uint8_t *codes;     /* [words][pairs of dimensions][64][2] */
    int16_t *height;    /* [words][64] */
    float *center;      /* [dim] */
    float step;         /* of keys */
    float query_step;   /* of rows */
    double most_length; /* of a row, in query steps, for its sums to fit in 16 bits */
    double key_error;   /* at least |key - what its bytes say|, of every key */
    bool usable;        /* false: keys too close together, or too far apart */
};

/* Bytes of the codes of 64 keys. */
static inline size_t dkvb__coarse_word(size_t dim)
{
    return (dim + 1) / 2 * 128;
}

/* A matrix to multiply by lies in panels of 16 columns, column by column of each: float[panels][depth][16]. Lanes past
 * the last column are zeros. */
enum { DKVB__PANEL = 16 };

static inline size_t dkvb__panels(size_t columns)
{
    return (columns + DKVB__PANEL - 1) / DKVB__PANEL;
}

/* What a product ends with, elementwise. The GELUs have the values of DKVB_ACTIVATION_…. */
enum { DKVB__IDENTITY = 0, DKVB__QUICK_GELU = 1, DKVB__GELU = 2, DKVB__RELU = 3 };

/* out[r][c] = activation(add[r][c] + sum), the sum a chain of fused multiply-adds s = fma(a[r][k], b[k][c], s), k
 * ascending, that starts from start[c]. */
struct dkvb__product {
    float *out;          /* [rows][out_stride] */
    size_t out_stride;   /* also of `add` */
    const float *a;      /* [rows][a_stride] */
    size_t a_stride;     /* at least depth */
    size_t rows, depth;  /* depth: at least 1 */
    const float *panels; /* b */
    size_t columns;
    const float *start; /* float[panels * 16] */
    const float *add;   /* or NULL: nothing is added. Not `out` */
    uint32_t activation;
};

enum { DKVB__LONG_ROW = 512, DKVB__SWEEP = 8 };

/* One table for each instruction set. `scalar` is the meaning: the others give the same bits. Kernels allocate nothing
 * and cannot fail. */
struct dkvb__kernels {
    const char *name;
    bool (*supported)(void);

    /* out[r][j] = (float) sum_i rows[r][i] * p[i][j]: a chain of fused multiply-adds in double precision from 0, i
     * ascending. rows: n pointers to double[m]; p: float[m][d]; out: float[n][d]. */
    void (*project)(float *out, const double *const *rows, size_t n, const float *p, size_t m, size_t d);

    /* The k nearest keys of each of n rows that are not in `dead`, nearest first, equal distances by key index.
     * The distance is s = fma(q[i] - key[i], q[i] - key[i], s), i ascending from s = 0.
     * q: float[n][dim]; blocks: see above; dead: bits; dist: float[n][k]; index: uint16_t[n][k]. Where fewer than k
     * keys live: 0xFFFF and +inf. */
    void (*nearest)(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, const uint64_t *dead,
                    size_t keys, size_t dim, size_t k);

    /* Fill in `coarse`, whose arrays are there, from the keys; and nearest() with its help, to the same bits. NULL
     * where an instruction set has no such search. dim: at most DKVB__COARSE_DIM. */
    void (*coarsen)(struct dkvb__coarse *coarse, const float *blocks, size_t keys, size_t dim);
    void (*nearest_coarse)(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks,
                           const uint64_t *dead, size_t keys, size_t dim, size_t k, const struct dkvb__coarse *coarse);

    /* dist[j] = distance of q to key j, for all lanes of all blocks. dist: float[blocks * 16]. */
    void (*distances)(float *dist, const float *q, const float *blocks, size_t keys, size_t dim);

    /* Networks: elementwise.h has their formulas. */
    void (*multiply)(const struct dkvb__product *product);

    /* out[r][i] = (x[r][i] - mean) / sqrt(variance + epsilon) * scale[i] + shift[i], mean and variance of the row. */
    void (*layer_norm)(float *out, const float *x, size_t rows, size_t width, const float *scale, const float *shift,
                       float epsilon);

    /* Of each row of x[rows][stride], the first `width` in place: exp(scale x) / sum, scale > 0. */
    void (*softmax)(float *x, size_t rows, size_t width, size_t stride, float scale);

    /* sums[l] += rows[r][l] for each row of `count`, r ascending, in single precision. sums: float[classes]; rows:
     * [classes] of the type `dtype`, DKVB_DTYPE_F32, _F16 or _BF16, finite. The caller prefetches rows of up to
     * DKVB__LONG_ROW bytes, and the first DKVB__SWEEP of longer ones. */
    void (*add_values)(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype);
};

/* add_values() of the tables: the scalar one, which others use where the classes fill no vector, and those. */
void dkvb__add_values_plain(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype);
void dkvb__add_values_avx2(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype);
void dkvb__add_values_neon(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype);

extern const struct dkvb__kernels dkvb__kernels_scalar;
#ifdef DKVB_HAVE_X86
extern const struct dkvb__kernels dkvb__kernels_avx2;
extern const struct dkvb__kernels dkvb__kernels_avx512;
#endif
#ifdef DKVB_HAVE_NEON
extern const struct dkvb__kernels dkvb__kernels_neon;
#endif

/* All tables of this build, fastest first; NULL ends the list. Some may not be supported by this processor. */
extern const struct dkvb__kernels *const dkvb__kernel_tables[];

/* The table in use: see dkvb_runtime_kernels(). */
const struct dkvb__kernels *dkvb__kernels(void);

/* Its nearest(), with coarse keys unless they are NULL. */
static inline void dkvb__nearest(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks,
                                 const uint64_t *dead, size_t keys, size_t dim, size_t k,
                                 const struct dkvb__coarse *coarse)
{
    if (coarse)
        dkvb__kernels()->nearest_coarse(dist, index, q, n, blocks, dead, keys, dim, k, coarse);
    else
        dkvb__kernels()->nearest(dist, index, q, n, blocks, dead, keys, dim, k);
}

/* The k best so far of one row, ascending; unused places hold +inf and 0xFFFF. */
static inline void dkvb__top_clear(float *dist, uint16_t *index, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        dist[i] = __builtin_inff();
        index[i] = 0xFFFF;
    }
}

/* Put key j, which is nearer than the last, in its place: by distance, equal distances by index. */
static inline void dkvb__top_insert(float *dist, uint16_t *index, size_t k, float d, size_t j)
{
    size_t i = k - 1;

    for (; i > 0 && (dist[i - 1] > d || (dist[i - 1] == d && index[i - 1] > j)); i--) {
        dist[i] = dist[i - 1];
        index[i] = index[i - 1];
    }
    dist[i] = d;
    index[i] = (uint16_t)j;
}

/* Distances that overflowed to +inf were not inserted: give the places that are left to the lowest live keys not yet
 * there. */
void dkvb__top_finish(float *dist, uint16_t *index, size_t k, const uint64_t *dead, size_t keys);

#endif
