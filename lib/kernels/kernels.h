#ifndef DKVB_KERNELS_KERNELS_H
#define DKVB_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Keys and projected rows consist of whole numbers from -63 to 63, so distances are whole numbers too, and the same on
 * every processor. Keys lie in blocks of 16, four dimensions (a quad) at a time: uint8_t[blocks][quads][16][4], each
 * number plus 64. Four blocks of 16 keys make a word of 64 keys. Padding dimensions are 0 in rows, and 64, which stands
 * for 0, in keys.
 *
 * The range -63 to 63 is chosen so that twice a row's number (-126 to 126) fits in 8 bits, and the sum of two products
 * with a key's number (1 to 127) in 16 bits: 2 * 126 * 127 < 32768. The instruction vpmaddubsw, which multiplies bytes
 * and adds two products, needs numbers in the range -63 to 63.
 */
enum { DKVB__LANES = 16, DKVB__STEPS = 63, DKVB__KEY_ZERO = 64, DKVB__MOST_QUADS = 1024 };

/* The squared norm of a key that no search finds: a masked key, a purged key, or a place past the last key. DKVB__DEAD
 * is larger than any score of a key of 4,096 dimensions, by more than any two scores differ. */
enum { DKVB__DEAD = 1 << 30, DKVB__ALIVE = 1 << 29 };

static inline size_t dkvb__quads(size_t dim)
{
    return (dim + 3) / 4;
}

/* Returns the number of 64-bit words of a set of keys, which has one bit for each key. */
static inline size_t dkvb__key_words(size_t keys)
{
    return (keys + 63) / 64;
}

static inline bool dkvb__bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

/* Returns the offset of dimension `i` of key `j` among the bytes of a codebook. */
static inline size_t dkvb__key_offset(size_t j, size_t i, size_t dim)
{
    return ((j / DKVB__LANES * dkvb__quads(dim) + i / 4) * DKVB__LANES + j % DKVB__LANES) * 4 + i % 4;
}

/* Returns the offset of dimension `i` of row `r` in a tile of 16 rows, int8_t[quads][16][4]; a tile stores each number
 * times -2. */
static inline size_t dkvb__row_offset(size_t r, size_t i)
{
    return (i / 4 * DKVB__LANES + r) * 4 + i % 4;
}

/* Arguments and results of a search: the nearest keys of a tile of rows in one codebook. */
struct dkvb__lookup {
    /* squared distances of the nearest keys, [n][k], ascending; INT32_MAX fills the places if fewer than k keys are
     * alive */
    int32_t *dist;
    /* indices of the nearest keys, [n][k], equal distances by index; 0xFFFF fills the places if fewer than k keys are
     * alive */
    uint16_t *index;
    const int8_t *rows;   /* projected rows of one tile, [quads][16][4] */
    size_t n;             /* number of rows in a tile, 1 to 16; the remaining places of the tile may hold any bytes */
    const uint8_t *keys;  /* keys of the codebook, [words * 4][quads][16][4] */
    const int32_t *norms; /* squared norm of each key, [words * 64], or DKVB__DEAD for keys that must not be found */
    size_t words, quads, k;
    int32_t *scores; /* scratch space for the scores of keys, [DKVB__SCORE_ROWS][words * 64] */
};
enum { DKVB__SCORE_ROWS = 4 };

/* The right-hand matrix of a product lies in panels of 16 columns: float[panels][depth][16]. Padding columns of the
 * last panel of a matrix (a panel has 16 columns) are zeros. */
enum { DKVB__PANEL = 16 };

static inline size_t dkvb__panels(size_t columns)
{
    return (columns + DKVB__PANEL - 1) / DKVB__PANEL;
}

/* Activation functions, which the last step of a product applies to each element. The constants DKVB__QUICK_GELU and
 * DKVB__GELU equal the constants of the public enum DKVB_ACTIVATION_… for these activations. */
enum { DKVB__IDENTITY = 0, DKVB__QUICK_GELU = 1, DKVB__GELU = 2, DKVB__RELU = 3 };

/* A product of matrices a and b with an activation function: out[r][c] = activation(add[r][c] + sum over k of a[r][k]
 * b[k][c]). In a product of matrices a and b, each sum is a chain of fused multiply-adds, s = fma(a[r][k], b[k][c], s),
 * k ascending, that starts from start[c]. */
struct dkvb__product {
    float *out;          /* result of the matrix product, [rows][out_stride] */
    size_t out_stride;   /* number of floats from one row to the next in the product's arrays `out` and `add` */
    const float *a;      /* left matrix of the matrix product, [rows][a_stride] */
    size_t a_stride;     /* number of floats from one row of the left matrix `a` to the next, at least `depth` */
    size_t rows, depth;  /* number of rows of the left matrix `a`, and the inner dimension of the product, at least 1 */
    const float *panels; /* right matrix b of the matrix product, in panels of 16 columns */
    size_t columns;
    const float *start; /* start values of the sums of a matrix product, [panels * 16] */
    /* matrix that is added to the product, laid out like `out`; NULL: nothing is added; must not be `out` */
    const float *add;
    uint32_t activation;
};

enum { DKVB__LONG_ROW = 512, DKVB__SWEEP = 8 };

/* A table of the kernels (inner loops) of one instruction set. The kernel table `scalar` (plain C) defines the results
 * of all kernels, and the tables of other instruction sets give results that are equal bit for bit. Kernels allocate
 * nothing and cannot fail. */
struct dkvb__kernels {
    const char *name;
    bool (*supported)(void);

    /* Finds the k nearest keys of each row of a tile, by the sum over dimensions of (row - key)^2. */
    void (*nearest)(const struct dkvb__lookup *lookup);

    /* Computes the Walsh-Hadamard transform h of signs[i] x[i] for 16 rows side by side. h and x are float[size][16],
     * signs is float[size], and `size` is a power of two. The stages of the Walsh-Hadamard transform add and subtract
     * neighbours at distance 1, 2, 4, … */
    void (*hadamard)(float *h, const float *x, const float *signs, size_t size);

    /* Rounds projected numbers, float[dim][16], to the bytes of a tile. Each byte of a tile is -2 r, where r is x *
     * scale, rounded to the nearest (halves up) and cut to -63 .. 63. */
    void (*round_rows)(int8_t *rows, const float *x, size_t dim, float scale);

    /* Computes a matrix product. The kernels multiply(), layer_norm() and softmax() serve neural networks;
     * elementwise.h has the formulas of the activations, normalisation and softmax. */
    void (*multiply)(const struct dkvb__product *product);

    /* Normalises rows: out[r][i] = (x[r][i] - mean) / sqrt(variance + epsilon) * scale[i] + shift[i], with the mean and
     * the variance of row r. */
    void (*layer_norm)(float *out, const float *x, size_t rows, size_t width, const float *scale, const float *shift,
                       float epsilon);

    /* Replaces the first `width` numbers of each row of x[rows][stride] by the softmax exp(scale x) / sum; scale >
     * 0. */
    void (*softmax)(float *x, size_t rows, size_t width, size_t stride, float scale);

    /* Adds rows of values: sums[l] += rows[r][l] for `count` rows, r ascending, in single precision. The argument
     * `sums` of add_values() is float[classes]; each row has `classes` finite values of the type `dtype`,
     * DKVB_DTYPE_F32, _F16 or _BF16. The caller of the kernel add_values() prefetches whole rows of values of up to
     * DKVB__LONG_ROW bytes; of longer rows, it prefetches only the first DKVB__SWEEP. */
    void (*add_values)(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype);
};

/* Functions for the member `add_values` (adding rows of values) in the kernel tables of the instruction sets. The
 * kernel table `scalar` has dkvb__add_values_plain(); the add_values functions of other tables call it if a row of
 * values does not fill a vector. */
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
extern const struct dkvb__kernels dkvb__kernels_neon_dot;
#endif

/* The kernel tables of this build, fastest first; NULL ends the list. The processor may lack the instructions of some
 * of the kernel tables. */
extern const struct dkvb__kernels *const dkvb__kernel_tables[];

/* Returns the kernel table that the library uses (see dkvb_runtime_kernels()). */
const struct dkvb__kernels *dkvb__kernels(void);

/* Functions that keep the k nearest keys found so far for one row. The k keys found form a heap with the farthest key
 * on top until the keys are sorted. Unused places of the heap of nearest keys hold INT32_MAX and 0xFFFF. */
static inline void dkvb__top_clear(int32_t *dist, uint16_t *index, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        dist[i] = INT32_MAX;
        index[i] = 0xFFFF;
    }
}

/* Replaces the farthest key of the heap of nearest keys by key j, and lets key j sink below keys that are farther. */
static inline void dkvb__top_sink(int32_t *dist, uint16_t *index, size_t k, int32_t d, uint16_t j)
{
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < k; i = child) {
        size_t other = child + 1 < k ? child + 1 : child;

        if (dist[other] > dist[child] || (dist[other] == dist[child] && index[other] > index[child]))
            child = other;
        if (dist[child] < d || (dist[child] == d && index[child] < j))
            break;
        dist[i] = dist[child];
        index[i] = index[child];
    }
    dist[i] = d;
    index[i] = j;
}

/* Puts key j into the heap of nearest keys if key j is nearer than the farthest key. The keys of a codebook must be put
 * into the heap of nearest keys in ascending order. */
static inline void dkvb__top_insert(int32_t *dist, uint16_t *index, size_t k, int32_t d, size_t j)
{
    if (d < dist[0])
        dkvb__top_sink(dist, index, k, d, (uint16_t)j);
}

/* Sorts the heap of nearest keys: distances ascending, equal distances by key. */
static inline void dkvb__top_sort(int32_t *dist, uint16_t *index, size_t k)
{
    while (k-- > 1) {
        int32_t d = dist[k];
        uint16_t j = index[k];

        dist[k] = dist[0];
        index[k] = index[0];
        dkvb__top_sink(dist, index, k, d, j);
    }
}

#endif
