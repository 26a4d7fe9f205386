/**
 * Codebooks: how a row is prepared and projected, and the keys placed in each projected space.
 *
 * A row `z` of `input_dim` numbers is prepared,
 *
 *     y = W (z - center),  then y = y / |y|        W: half whitening, if asked for; length 1 unless told not to
 *
 * and projected once per codebook by signs, a fast transform of Walsh and Hadamard, and a choice of its outputs, all
 * remade from the seed (docs/numerics.md, *Projection*). The numbers that come out are rounded to bytes, one scale a
 * codebook:
 *
 *     r = round(q * scale), cut to -63 .. 63
 *
 * Each codebook holds `keys` points of that space, rounded the same way. Keys are placed by key initialisation, without
 * labels, and then frozen: nothing but a purge changes them, so the code of a row never changes either. Sources:
 * *Discrete Key-Value Bottleneck*, arXiv 2207.11240, section 3; subsampled randomised Hadamard transforms, Ailon and
 * Chazelle 2009; docs/method.md.
 *
 * Threads: frozen codebooks are immutable and may be used from any number of
 * threads. Codebooks that are still growing belong to one thread at a time.
 */
#ifndef DKVB_CODEBOOKS_H
#define DKVB_CODEBOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_codebooks dkvb_codebooks;

/* Ways to place keys. Values are part of the ABI. */
enum {
    DKVB_KEYINIT_EMA = 0,    /**< exponential moving averages of the rows that chose a key, as in the paper */
    DKVB_KEYINIT_SAMPLE = 1, /**< keys are projected rows, each codebook's its own. Not private: see docs/guide.md */
    DKVB_KEYINIT_MEANS = 2   /**< each key is the mean of the rows nearest to a sampled one (Lloyd's iterations) */
};

/** How to build codebooks. Start from `DKVB_KEYINIT_OPTIONS_INIT`. */
typedef struct dkvb_keyinit_options {
    size_t struct_size;    /**< sizeof(dkvb_keyinit_options), set by INIT */
    uint32_t method;       /**< DKVB_KEYINIT_EMA, _SAMPLE or _MEANS */
    uint32_t codebooks;    /**< 1 to 65,535; 0 = what suits the rows, see dkvb_fit_suit() */
    uint32_t keys;         /**< per codebook, 1 to 65,535 and at most the number of key rows; 0 = what suits the rows */
    uint32_t key_dim;      /**< width of a key, 1 to 4,096; 0 = what suits the rows */
    uint32_t passes;       /**< over the rows that are used: 0 = 2 for ema, 1 for means */
    uint32_t batch;        /**< ema: rows in a step; 0 = 2,048 */
    uint32_t rows_per_key; /**< uses at most this many rows a key, drawn by seed; 0 = all rows */
    uint32_t normalize;    /**< 1: every row is scaled to length 1, here and in every later search */
    uint32_t whiten;       /**< 1: half whitening, for at most 4,096 columns */
    double decay;          /**< ema: share of the old average kept in a step, 0 <= decay < 1 */
    double restart; /**< ema: a key used less than this share of an even one, below 1, is placed again; 0 = never */
    uint64_t seed;  /**< of projections and of every draw; each codebook has its own stream */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
} dkvb_keyinit_options;

#define DKVB_KEYINIT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_keyinit_options), DKVB_KEYINIT_MEANS, 0, 0, 0, 0, 0, 16, 1, 0, 0.95, 0.1, 0, 0                     \
    }
DKVB_INIT_FUNCTION(dkvb_keyinit_options, DKVB_KEYINIT_OPTIONS_INIT)

/** Shapes and nature of codebooks. The caller sets `struct_size`. */
typedef struct dkvb_codebooks_info {
    size_t struct_size;
    uint32_t codebooks;     /**< C */
    uint32_t keys;          /**< K, purged ones included */
    uint32_t key_dim;       /**< d */
    uint32_t input_dim;     /**< m, the width of a row */
    uint32_t normalize;     /**< 1: rows are scaled to length 1 */
    uint32_t whitened;      /**< 1: rows are half whitened before that */
    uint32_t rounds;        /**< transforms that project a row */
    uint32_t round_size;    /**< outputs of one: the power of two from `input_dim` on */
    uint32_t frozen;        /**< 0 while they still grow */
    uint64_t purged_pairs;  /**< (codebook, key) pairs erased for good */
    uint8_t birth[16];      /**< who they are: set when they are frozen, kept by copies, files and purges */
    double least_length;    /**< of rows that are not outside the scale (search.h); 0 if no key row told */
    double greatest_length; /**< the same; the greatest float if none told */
} dkvb_codebooks_info;

#define DKVB_CODEBOOKS_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0                                           \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_info, DKVB_CODEBOOKS_INFO_INIT)

/**
 * Build codebooks from key rows: draw projections, place keys, freeze.
 *
 * The rows may be the training rows or others of the same encoder; labels are
 * not needed. Of the rows that are used (`rows_per_key`), the mean centres all rows; at most 16 a column, 16,384 at
 * least, make the whitening, and 4,096 the scales. Same rows, options and seed: same bits, whatever the threads and the
 * processor.
 *
 * @param[out] out   owned by the caller: dkvb_codebooks_free(). NULL on failure.
 * @param      x     `float[n][dim]`, row-major, finite.
 * @param      n     at least `keys` rows.
 * @param      dim   width of a row, 1 to 1,048,576.
 * @param      opts  NULL for the defaults.
 * @param      run   NULL for the defaults. Progress counts codebooks.
 * @return `DKVB_EINVAL` (option out of range, too few rows, a number that is
 *         not finite: row and column are named), `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_fit(dkvb_codebooks **out, const float *x, size_t n, size_t dim,
                                                       const dkvb_keyinit_options *opts, const dkvb_run_options *run);

/**
 * Begin codebooks whose rows come batch by batch and are never all in memory.
 * Keys are moving averages, whatever the method. Feed them with dkvb_codebooks_step(),
 * then dkvb_codebooks_freeze(). Until then they cannot search.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_begin(dkvb_codebooks **out, size_t dim,
                                                         const dkvb_keyinit_options *opts);

/**
 * One step of moving averages over a batch:
 *
 *     N_j <- decay N_j + (1 - decay) n_j
 *     key_j <- key_j + (1 - decay) (s_j - n_j key_j) / N_j
 *
 * where n_j rows of the batch, with sum s_j, are nearest to key j (the usual
 * update of vector quantisers, van den Oord et al. 2017, arXiv 1711.00937,
 * appendix A.1, written for the key itself). The first batch gives the mean that
 * centres all rows and the first keys, so it needs at least `keys` rows. Here
 * the whole of `x` is one step; `batch` of the options is not used.
 *
 * If a later step is cancelled, nothing has changed.
 *
 * @param x  `float[n][input_dim]`, finite; n = 0 changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_step(dkvb_codebooks *codebooks, const float *x, size_t n,
                                                        const dkvb_run_options *run);

/** End of growing: from here the keys never move, and the birth id is set. `DKVB_ESTATE` before the first step. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_freeze(dkvb_codebooks *codebooks);

/** Arrays to make codebooks from. Start from `DKVB_CODEBOOKS_ARRAYS_INIT`. Read during the call only. */
typedef struct dkvb_codebooks_arrays {
    size_t struct_size;     /**< sizeof(dkvb_codebooks_arrays), set by INIT */
    size_t dim;             /**< width of a row */
    const float *center;    /**< `float[dim]`, or NULL for zeros */
    const float *whitening; /**< `float[dim][dim]`, symmetric, or NULL for none */
    const float *scales;    /**< `float[codebooks]`, steps a unit, above 0; or NULL: what suits the keys */
    const float *keys;      /**< `float[codebooks][keys][key_dim]`, in units of projected rows; rounded to steps */
} dkvb_codebooks_arrays;

#define DKVB_CODEBOOKS_ARRAYS_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_arrays), 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_arrays, DKVB_CODEBOOKS_ARRAYS_INIT)

/**
 * Codebooks from arrays made elsewhere (another library, an export): copied, checked to be finite, rounded, frozen.
 *
 * @param opts  gives the shapes, `normalize`, the seed of the projections and the allocator; the rest is not used.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_from_arrays(dkvb_codebooks **out,
                                                               const dkvb_codebooks_arrays *arrays,
                                                               const dkvb_keyinit_options *opts);

/** One more owner. Returns its argument; NULL is allowed. Safe from any thread. */
DKVB_API dkvb_codebooks *dkvb_codebooks_retain(dkvb_codebooks *codebooks);

/** One owner less; the last one frees. NULL is a no-op. Safe from any thread. */
DKVB_API void dkvb_codebooks_free(dkvb_codebooks *codebooks);

/** Shapes and birth id. `DKVB_EINVAL` if `struct_size` is not set. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_info(const dkvb_codebooks *codebooks, dkvb_codebooks_info *info);

/** Memory to copy arrays of codebooks to. Start from `DKVB_CODEBOOKS_COPIES_INIT`; NULL: that array is not copied. */
typedef struct dkvb_codebooks_copies {
    size_t struct_size; /**< sizeof(dkvb_codebooks_copies), set by INIT */
    int8_t *signs;      /**< `int8_t[rounds][round_size]`, 1 or -1 */
    uint32_t *order;    /**< `uint32_t[codebooks][key_dim]`, round * round_size + output */
    float *center;      /**< `float[input_dim]` */
    float *whitening;   /**< `float[input_dim][input_dim]`; refused with `DKVB_ENOTFOUND` if rows are not whitened */
    float *scales;      /**< `float[codebooks]`, steps a unit */
    int8_t *keys;       /**< `int8_t[codebooks][keys][key_dim]`, in steps; purged keys are zeros */
} dkvb_codebooks_copies;

#define DKVB_CODEBOOKS_COPIES_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_copies), 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_copies, DKVB_CODEBOOKS_COPIES_INIT)

/**
 * Copy arrays: all that is needed to search without this library. Signs and order are remade from the seed and say how
 * a row is projected: with y the prepared row, zeros behind it up to `round_size`, and H the matrix of Walsh and
 * Hadamard in its natural order (H[i][j] = 1 or -1 by the parity of the bits of i & j),
 *
 *     h[t] = H (signs[t] y),  q[c][i] = h flattened [order[c][i]]
 *
 * @return `DKVB_ENOTFOUND` for a whitening that is not there: nothing is copied then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_arrays(const dkvb_codebooks *codebooks,
                                                              const dkvb_codebooks_copies *to);

/**
 * Project rows: prepare, transform, round to bytes. The same bits in any batch, on any processor (docs/numerics.md).
 *
 * @param      x          `float[n][input_dim]`, finite.
 * @param[out] rows       `int8_t[n][codebooks][key_dim]`, in steps. Contents undefined on failure.
 * @param[out] saturated  `uint32_t[n]`, how many of a row's `codebooks * key_dim` numbers lay outside the scale and
 *                        were cut; or NULL. Of rows like the key rows it is about one in ten thousand; a tenth and more
 *                        says that a row is of another kind.
 * @return `DKVB_EINVAL` also when a row's numbers are so large that sums would overflow; the row is named.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_project(const dkvb_codebooks *codebooks, const float *x, size_t n,
                                                           int8_t *rows, uint32_t *saturated,
                                                           const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
