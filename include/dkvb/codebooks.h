/**
 * @file
 * @brief Codebooks: how a row is prepared and projected, and which keys lie in each projected space.
 *
 * A row `z` of `input_dim` numbers is first prepared:
 *
 *     y = W (z - center),  then y = y / |y|
 *
 * W is the half whitening, a matrix that is used only if asked for. The scaling to length 1 can be switched off. The
 * prepared row is then projected once for each codebook: by random signs, a fast Walsh-Hadamard transform, and a choice
 * of its outputs. Signs and choice follow from the seed (docs/numerics.md, *Projection*). The projected numbers q are
 * rounded to bytes, with one scale per codebook:
 *
 *     r = round(q * scale), limited to -63 .. 63
 *
 * Each codebook holds `keys` points of its projected space, which are rounded in the same way. Key initialisation
 * places the keys, without labels. Then the keys are frozen: only a purge changes them, so the code of a row never
 * changes. Sources: *Discrete Key-Value Bottleneck*, arXiv 2207.11240, section 3; subsampled randomised Hadamard
 * transforms, Ailon and Chazelle 2009; docs/method.md.
 *
 * Threads: frozen codebooks never change, and any number of threads may use them. Codebooks that are still growing
 * belong to one thread at a time.
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

/** @defgroup dkvb_codebooks Codebooks
 *  @{ */

/** Codebooks, which can have several owners: dkvb_codebooks_retain() adds one, dkvb_codebooks_free() removes one. */
typedef struct dkvb_codebooks dkvb_codebooks;

/** Ways to place keys. The numbers of these constants are part of the ABI. */
enum {
    DKVB_KEYINIT_EMA = 0,    /**< exponential moving averages of the rows that chose a key, as in the paper */
    DKVB_KEYINIT_SAMPLE = 1, /**< keys are projected rows, drawn for each codebook. Not private: see docs/guide.md */
    DKVB_KEYINIT_MEANS = 2   /**< keys are means of the rows that are nearest to a sampled key (Lloyd's iterations) */
};

/** Options for building codebooks. The options start from `DKVB_KEYINIT_OPTIONS_INIT`. */
typedef struct dkvb_keyinit_options {
    size_t struct_size;    /**< sizeof(dkvb_keyinit_options), set by INIT */
    uint32_t method;       /**< DKVB_KEYINIT_EMA, _SAMPLE or _MEANS */
    uint32_t codebooks;    /**< number of codebooks, 1 to 65,535; 0: chosen for the rows, see dkvb_fit_suit() */
    uint32_t keys;         /**< number of keys per codebook, 1 to 65,535, at most the number of key rows; 0: chosen */
    uint32_t key_dim;      /**< length of a key, 1 to 4,096; 0: chosen for the rows */
    uint32_t passes;       /**< number of passes over the used rows; 0: 2 for ema, 1 for means */
    uint32_t batch;        /**< ema: number of rows in one step; 0: 2,048 */
    uint32_t rows_per_key; /**< largest number of used rows per key, drawn by seed; 0: all rows are used */
    uint32_t normalize;    /**< 1: every row is scaled to length 1, here and in every later search */
    uint32_t whiten;       /**< 1: rows are half whitened, for at most 4,096 columns */
    double decay;          /**< ema: share of the old average that a step keeps, 0 <= decay < 1 */
    double restart;        /**< ema: a key whose use falls below this share of an even use is placed again, share below
                                1; 0: never */
    uint64_t seed;         /**< seed of the projections and of every draw; each codebook has its own random stream */
    const dkvb_allocator *allocator; /**< allocator, copied; NULL: malloc() and free() */
} dkvb_keyinit_options;

/** Defaults of dkvb_keyinit_options. */
#define DKVB_KEYINIT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_keyinit_options), DKVB_KEYINIT_MEANS, 0, 0, 0, 0, 0, 16, 1, 0, 0.95, 0.1, 0, 0                     \
    }
DKVB_INIT_FUNCTION(dkvb_keyinit_options, DKVB_KEYINIT_OPTIONS_INIT)

/** Properties of codebooks. The caller sets `struct_size`. */
typedef struct dkvb_codebooks_info {
    size_t struct_size;     /**< sizeof(dkvb_codebooks_info), set by INIT */
    uint32_t codebooks;     /**< number of codebooks (C) */
    uint32_t keys;          /**< number of keys per codebook (K), purged keys included */
    uint32_t key_dim;       /**< length of a key (d) */
    uint32_t input_dim;     /**< length of a row of features (m) */
    uint32_t normalize;     /**< 1: rows are scaled to length 1 */
    uint32_t whitened;      /**< 1: rows are half whitened before they are scaled */
    uint32_t rounds;        /**< number of Walsh-Hadamard transforms that project a row */
    uint32_t round_size;    /**< number of outputs of one transform: the least power of two from `input_dim` on */
    uint32_t frozen;        /**< 1: the keys are frozen; 0: the codebooks are still growing */
    uint64_t purged_pairs;  /**< number of (codebook, key) pairs that were erased for good */
    uint8_t birth[16];      /**< birth id: identifies frozen codebooks; copies, files and purges keep it */
    double least_length;    /**< least length of a row inside the scale (search.h); 0 if unknown */
    double greatest_length; /**< greatest length of a row inside the scale; the greatest float if unknown */
} dkvb_codebooks_info;

/** Defaults of dkvb_codebooks_info. */
#define DKVB_CODEBOOKS_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0                                           \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_info, DKVB_CODEBOOKS_INFO_INIT)

/**
 * Build codebooks from key rows: draw the projections, place the keys, freeze them.
 *
 * The key rows may be the training rows or other rows of the same encoder; labels are not needed. The mean of the used
 * rows (`rows_per_key`) centres all rows. At most 16 rows per column, but not fewer than 16,384, make the whitening.
 * 4,096 rows make the scales. Equal rows, options and seeds give equal bits, for any number of threads and any
 * processor.
 *
 * @param[out] out   the codebooks, owned by the caller: dkvb_codebooks_free(). NULL on failure.
 * @param      x     `float[n][dim]`, row-major, finite.
 * @param      n     number of rows, at least `keys`.
 * @param      dim   length of a row, 1 to 1,048,576.
 * @param      opts  options; NULL for the defaults.
 * @param      run   run options; NULL for the defaults. Progress counts codebooks.
 * @return `DKVB_EINVAL` for an option out of range, too few rows, or a number that is not finite (the message names row
 *         and column); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_fit(dkvb_codebooks **out, const float *x, size_t n, size_t dim,
                                                       const dkvb_keyinit_options *opts, const dkvb_run_options *run);

/**
 * Begin codebooks from rows that come in batches, so that all rows need not be in memory at once.
 *
 * Keys are moving averages, whatever the method of the options. dkvb_codebooks_step() takes the batches, and
 * dkvb_codebooks_freeze() ends the work. Codebooks cannot search until then.
 *
 * @param[out] out   the codebooks, owned by the caller: dkvb_codebooks_free(). NULL on failure.
 * @param      dim   length of a row, 1 to 1,048,576.
 * @param      opts  options; NULL for the defaults.
 * @return `DKVB_EINVAL`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_begin(dkvb_codebooks **out, size_t dim,
                                                         const dkvb_keyinit_options *opts);

/**
 * Move the keys by one step of moving averages over a batch:
 *
 *     N_j <- decay N_j + (1 - decay) n_j
 *     key_j <- key_j + (1 - decay) (s_j - n_j key_j) / N_j
 *
 * Here n_j is the number of batch rows that are nearest to key j, and s_j is their sum. This is the usual update of
 * vector quantisers (van den Oord et al. 2017, arXiv 1711.00937, appendix A.1), written for the key itself. The first
 * batch gives the first keys, and the mean that centres all rows; so the first batch needs at least `keys` rows. Every
 * call is one step, whatever `batch` of the options says. A cancelled later step changes nothing.
 *
 * @param codebooks  codebooks that are still growing.
 * @param x          `float[n][input_dim]`, finite.
 * @param n          number of rows; 0 changes nothing.
 * @param run        run options; NULL for the defaults.
 * @return `DKVB_EINVAL` naming the row; `DKVB_ESTATE` if the codebooks are frozen, or for run options with ranks;
 *         `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_step(dkvb_codebooks *codebooks, const float *x, size_t n,
                                                        const dkvb_run_options *run);

/**
 * Freeze growing codebooks. The keys never move afterwards, and the codebooks get their birth id.
 *
 * @param codebooks  codebooks that are still growing.
 * @return `DKVB_ESTATE` before the first step.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_freeze(dkvb_codebooks *codebooks);

/** Arrays to make codebooks from. The struct starts from `DKVB_CODEBOOKS_ARRAYS_INIT`, and is read during the call
 * only. */
typedef struct dkvb_codebooks_arrays {
    size_t struct_size;     /**< sizeof(dkvb_codebooks_arrays), set by INIT */
    size_t dim;             /**< length of a row */
    const float *center;    /**< `float[dim]`, mean that centres rows; NULL: zeros */
    const float *whitening; /**< `float[dim][dim]`, symmetric matrix of the whitening; NULL: no whitening */
    const float *scales;    /**< `float[codebooks]`, steps per unit, above 0; NULL: chosen for the keys */
    const float *keys;      /**< `float[codebooks][keys][key_dim]`, in units of projected rows; rounded to steps */
} dkvb_codebooks_arrays;

/** Defaults of dkvb_codebooks_arrays. */
#define DKVB_CODEBOOKS_ARRAYS_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_arrays), 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_arrays, DKVB_CODEBOOKS_ARRAYS_INIT)

/**
 * Make frozen codebooks from arrays that another library or an export made. The arrays are copied, checked to be
 * finite, and rounded.
 *
 * @param[out] out     the codebooks, owned by the caller: dkvb_codebooks_free(). NULL on failure.
 * @param      arrays  the arrays.
 * @param      opts    gives the shapes, `normalize`, the seed of the projections and the allocator; all other members
 * are ignored.
 * @return `DKVB_EINVAL`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_from_arrays(dkvb_codebooks **out,
                                                               const dkvb_codebooks_arrays *arrays,
                                                               const dkvb_keyinit_options *opts);

/**
 * Add one owner. Any thread may call this function.
 *
 * @param codebooks  the codebooks; or NULL.
 * @return `codebooks`.
 */
DKVB_API dkvb_codebooks *dkvb_codebooks_retain(dkvb_codebooks *codebooks);

/**
 * Remove one owner; the last owner frees the codebooks. Any thread may call this function.
 *
 * @param codebooks  the codebooks; NULL does nothing.
 */
DKVB_API void dkvb_codebooks_free(dkvb_codebooks *codebooks);

/**
 * Read the properties of codebooks: shapes, birth id, and more.
 *
 * @param      codebooks  the codebooks.
 * @param[out] info       properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_info(const dkvb_codebooks *codebooks, dkvb_codebooks_info *info);

/** Memory that receives copies of arrays. The struct starts from `DKVB_CODEBOOKS_COPIES_INIT`. An array whose pointer
 * is NULL is not copied. */
typedef struct dkvb_codebooks_copies {
    size_t struct_size; /**< sizeof(dkvb_codebooks_copies), set by INIT */
    int8_t *signs;      /**< `int8_t[rounds][round_size]`, 1 or -1 */
    uint32_t *order;    /**< `uint32_t[codebooks][key_dim]`, each round * round_size + output */
    float *center;      /**< `float[input_dim]`, mean that centres rows */
    float *whitening;   /**< `float[input_dim][input_dim]`; refused with `DKVB_ENOTFOUND` if rows are not whitened */
    float *scales;      /**< `float[codebooks]`, steps per unit */
    int8_t *keys;       /**< `int8_t[codebooks][keys][key_dim]`, in steps; purged keys are zeros */
} dkvb_codebooks_copies;

/** Defaults of dkvb_codebooks_copies. */
#define DKVB_CODEBOOKS_COPIES_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_copies), 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_copies, DKVB_CODEBOOKS_COPIES_INIT)

/**
 * Copy the arrays of codebooks. These arrays are all that a search without this library needs.
 *
 * Signs and order are computed from the seed, and describe the projection of a row. Let y be the prepared row, with
 * zeros behind it up to `round_size`. Let H be the Walsh-Hadamard matrix in its natural order: H[i][j] = 1 or -1 by the
 * parity of the bits of i & j. Then
 *
 *     h[t] = H (signs[t] y),  q[c][i] = h flattened [order[c][i]]
 *
 * @param codebooks  the codebooks.
 * @param to         memory for the copies.
 * @return `DKVB_ENOTFOUND` if a whitening is asked for and rows are not whitened; nothing is copied then.
 * `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_arrays(const dkvb_codebooks *codebooks,
                                                              const dkvb_codebooks_copies *to);

/**
 * Project rows: prepare, transform and round them. The result is the same bits in any batch and on any processor
 * (docs/numerics.md).
 *
 * @param      codebooks  the codebooks.
 * @param      x          `float[n][input_dim]`, finite.
 * @param      n          number of rows.
 * @param[out] rows       `int8_t[n][codebooks][key_dim]`, in steps. A failed call leaves the contents undefined.
 * @param[out] saturated  `uint32_t[n]`, or NULL: how many of the `codebooks * key_dim` numbers of each row lay outside
 * the scale and were limited. About one number in ten thousand is limited in rows like the key rows; a tenth or more
 * shows a row of another kind.
 * @param      run        run options; NULL for the defaults.
 * @return `DKVB_EINVAL` for numbers that are not finite, or so large that sums would overflow (the message names the
 *         row); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_project(const dkvb_codebooks *codebooks, const float *x, size_t n,
                                                           int8_t *rows, uint32_t *saturated,
                                                           const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
