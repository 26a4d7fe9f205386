/**
 * @file
 * @brief Codebooks prepare and project each row of features, and hold the keys of each projected space.
 *
 * Codebooks prepare each row of features before they project it. From a row `z` of `input_dim` numbers, the library
 * computes the prepared row y:
 *
 *     prepared row y of a row z of features:  y = W (z - center), then y = y / |y|
 *
 * The prepared row `y` is computed from a row of features `z`, less the mean row `center`, by a half-whitening matrix
 * `W` (only if the option `whiten` is set) and by a scaling to length 1 (only if the option `normalize` is set). Each
 * codebook projects the prepared row by random signs, a fast Walsh-Hadamard transform, and a selection of outputs of
 * the transform. The signs and the selection of a projection follow from the seed of the codebooks (docs/numerics.md,
 * *Projection*). The library rounds the projected numbers `q` to bytes `r`, with one scale per codebook:
 *
 *     number r of a rounded projection, from projected number q:  r = round(q * scale), limited to -63 .. 63
 *
 * Each codebook holds `keys` points of its projected space, the keys, rounded like projected rows. Key initialisation
 * places the keys without labels, and then freezes them: only a purge changes a frozen key, so the code of a row never
 * changes. Sources: *Discrete Key-Value Bottleneck*, arXiv 2207.11240, section 3; subsampled randomised Hadamard
 * transforms, Ailon and Chazelle 2009; docs/method.md.
 *
 * Threads: frozen codebooks never change, and any number of threads may use frozen codebooks. Growing codebooks (made
 * by dkvb_codebooks_begin(), not frozen yet) belong to one thread at a time.
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

/**
 * Handle of codebooks, which can have several owners: dkvb_codebooks_retain() adds an owner, dkvb_codebooks_free()
 * removes an owner.
 */
typedef struct dkvb_codebooks dkvb_codebooks;

/** Ways to place the keys of codebooks. The numbers of the DKVB_KEYINIT_… constants are part of the ABI. */
enum {
    /**
     * Each key is an exponential moving average of the rows nearest to it, as in the paper of the discrete key-value
     * bottleneck.
     */
    DKVB_KEYINIT_EMA = 0,
    /** Each key is a projected row, drawn at random for each codebook; sampled keys are not private (docs/guide.md). */
    DKVB_KEYINIT_SAMPLE = 1,
    /** Each key is the mean of the rows that are nearest to a sampled key (Lloyd's iterations). */
    DKVB_KEYINIT_MEANS = 2
};

/** Options of building codebooks. Callers initialise a `dkvb_keyinit_options` with `DKVB_KEYINIT_OPTIONS_INIT`. */
typedef struct dkvb_keyinit_options {
    size_t struct_size; /**< size of dkvb_keyinit_options in bytes, set by DKVB_KEYINIT_OPTIONS_INIT */
    uint32_t method;    /**< way to place the keys: DKVB_KEYINIT_EMA, _SAMPLE or _MEANS */
    /** Number of codebooks, 1 to 65,535; 0 chooses a number that suits the rows, see dkvb_fit_suit(). */
    uint32_t codebooks;
    /**
     * Number of keys per codebook, 1 to 65,535, at most the number of key rows; 0 chooses a number that suits the rows.
     */
    uint32_t keys;
    uint32_t key_dim; /**< length of a key, 1 to 4,096; 0 chooses a length that suits the rows */
    /**
     * Number of passes over the rows that place the keys; 0 stands for 2 passes of the method ema, and 1 pass of the
     * method means.
     */
    uint32_t passes;
    uint32_t batch; /**< number of rows in one step of the key placing method ema; 0 stands for 2,048 */
    /** Largest number of rows per key that place the keys, drawn by the seed; 0 uses all rows. */
    uint32_t rows_per_key;
    uint32_t normalize; /**< 1 scales every row to length 1, before keys are placed and before every later search */
    uint32_t whiten;    /**< 1 half-whitens rows, which may then have at most 4,096 columns */
    double decay;       /**< fraction of the old average that a step of method ema keeps, 0 <= decay < 1 */
    /**
     * Threshold of the method ema, at least 0 and below 1: a key that gets less than this fraction of an even share of
     * the rows is placed again; 0 never places a key again.
     */
    double restart;
    /** Seed of the random projections and of every random draw; each codebook has its own random stream. */
    uint64_t seed;
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
} dkvb_keyinit_options;

/** Initialiser of dkvb_keyinit_options that gives every member its default. */
#define DKVB_KEYINIT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_keyinit_options), DKVB_KEYINIT_MEANS, 0, 0, 0, 0, 0, 16, 1, 0, 0.95, 0.1, 0, 0                     \
    }
DKVB_INIT_FUNCTION(dkvb_keyinit_options, DKVB_KEYINIT_OPTIONS_INIT)

/** Properties of codebooks, filled in by dkvb_codebooks_get_info(). */
typedef struct dkvb_codebooks_info {
    size_t struct_size; /**< size of dkvb_codebooks_info in bytes, set by DKVB_CODEBOOKS_INFO_INIT */
    uint32_t codebooks; /**< number of codebooks (C) */
    uint32_t keys;      /**< number of keys per codebook (K), purged keys included */
    uint32_t key_dim;   /**< length of each key in a codebook (d) */
    uint32_t input_dim; /**< length of a row of features (m) */
    uint32_t normalize; /**< 1 if rows are scaled to length 1 before they are projected */
    uint32_t whitened;  /**< 1 if rows are half-whitened before they are scaled */
    uint32_t rounds;    /**< number of Walsh-Hadamard transforms that project a row */
    /** Number of outputs of one Walsh-Hadamard transform: the least power of two that is not below `input_dim`. */
    uint32_t round_size;
    /** 1 if the keys are frozen, 0 if the codebooks are still growing (dkvb_codebooks_step()). */
    uint32_t frozen;
    uint64_t purged_pairs; /**< number of (codebook, key) pairs that purges erased for good */
    /** Birth id of 16 bytes, which identifies frozen codebooks; copies, saved files and purges keep the birth id. */
    uint8_t birth[16];
    /**
     * Least length of a row of features whose projection lies inside the scale of the keys (search.h); 0 if unknown.
     */
    double least_length;
    /**
     * Greatest length of a row of features whose projection lies inside the scale of the keys (search.h); the greatest
     * float if unknown.
     */
    double greatest_length;
} dkvb_codebooks_info;

/** Initialiser of dkvb_codebooks_info that gives every member its default. */
#define DKVB_CODEBOOKS_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0                                           \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_info, DKVB_CODEBOOKS_INFO_INIT)

/**
 * Build codebooks from key rows: draw the projections, place the keys, and freeze the keys.
 *
 * The key rows may be the training rows or other rows of the same encoder; labels are not needed. The mean of the rows
 * on which the keys are placed (at most `rows_per_key` per key) is subtracted from all rows. The half-whitening matrix
 * is computed from at most 16 rows per column, but at least from 16,384 rows if there are as many. The scales of the
 * codebooks are computed from at most 4,096 key rows. Equal rows, options and seeds give equal bits, for any number of
 * threads and any processor.
 *
 * @param[out] out   the codebooks, which the caller releases with dkvb_codebooks_free(); NULL on failure.
 * @param      x     `float[n][dim]`, key rows (rows on which the keys are placed), row-major, finite.
 * @param      n     number of key rows, at least `keys`.
 * @param      dim   length of a key row, 1 to 1,048,576.
 * @param      opts  options of building the codebooks; NULL for the defaults.
 * @param      run   run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback of
 *                   `run` counts finished codebooks.
 * @return `DKVB_EINVAL` for an option out of range, too few key rows, or a feature that is not finite (the message
 *         names row and column); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_fit(dkvb_codebooks **out, const float *x, size_t n, size_t dim,
                                                       const dkvb_keyinit_options *opts, const dkvb_run_options *run);

/**
 * Begin growing codebooks, whose keys are placed on rows that come in batches, so that the rows need not be in memory
 * all at once.
 *
 * The keys of growing codebooks are moving averages of rows, whatever `method` the options name. dkvb_codebooks_step()
 * moves the keys by one batch of rows, and dkvb_codebooks_freeze() freezes the keys. Growing codebooks cannot search
 * codes before they are frozen.
 *
 * @param[out] out   the growing codebooks, which the caller releases with dkvb_codebooks_free(); NULL on failure.
 * @param      dim   length of a row of features, 1 to 1,048,576.
 * @param      opts  options of the growing codebooks; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_ENOMEM` if memory runs out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_begin(dkvb_codebooks **out, size_t dim,
                                                         const dkvb_keyinit_options *opts);

/**
 * Move the keys of growing codebooks by one step of exponential moving averages over a batch of rows:
 *
 *     average N_j of n_j, the number of batch rows nearest to key j:  N_j <- decay N_j + (1 - decay) n_j
 *
 *     place of key j, where s_j is the sum of these n_j rows:  key_j <- key_j + (1 - decay) (s_j - n_j key_j) / N_j
 *
 * In the formulas for key j, `decay` is an option, n_j is the number of batch rows that are nearest to the key, s_j is
 * the sum of these rows, and N_j is the moving average of n_j. The formulas by which dkvb_codebooks_step() moves key j
 * are the usual update of vector quantisers (van den Oord et al. 2017, arXiv 1711.00937, appendix A.1), written as an
 * update of the key itself. The first batch of rows that growing codebooks get gives the first keys, and the mean that
 * is subtracted from all rows; the first batch therefore needs at least `keys` rows. Every call of
 * dkvb_codebooks_step() is one step, whatever `batch` of the options says. A cancelled dkvb_codebooks_step() changes
 * nothing, unless the cancelled step was the first step of the codebooks.
 *
 * @param codebooks  the growing codebooks, which are not frozen yet.
 * @param x          `float[n][input_dim]`, rows of the batch, finite.
 * @param n          number of rows in the batch; a batch of 0 rows changes nothing.
 * @param run        run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for a number that is not finite, with a message that names the row; `DKVB_ESTATE` if the
 *         codebooks are frozen, or for run options with ranks; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_step(dkvb_codebooks *codebooks, const float *x, size_t n,
                                                        const dkvb_run_options *run);

/**
 * Freeze the keys of growing codebooks. Frozen keys never move, and dkvb_codebooks_freeze() gives the codebooks their
 * birth id.
 *
 * @param codebooks  the growing codebooks to freeze.
 * @return `DKVB_ESTATE` if the codebooks had no dkvb_codebooks_step() yet.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_freeze(dkvb_codebooks *codebooks);

/**
 * Arrays from which dkvb_codebooks_from_arrays() makes codebooks. Callers initialise a `dkvb_codebooks_arrays` with
 * `DKVB_CODEBOOKS_ARRAYS_INIT`; the library reads the struct during the call only.
 */
typedef struct dkvb_codebooks_arrays {
    size_t struct_size;     /**< size of dkvb_codebooks_arrays in bytes, set by DKVB_CODEBOOKS_ARRAYS_INIT */
    size_t dim;             /**< length of a row of features */
    const float *center;    /**< `float[dim]`, mean that is subtracted from each row; NULL stands for zeros */
    const float *whitening; /**< `float[dim][dim]`, symmetric whitening matrix; NULL for no whitening */
    /**
     * `float[codebooks]`, scale of each codebook (steps per unit of projected rows), above 0; NULL chooses scales that
     * suit the keys.
     */
    const float *scales;
    /**
     * `float[codebooks][keys][key_dim]`, keys in units of projected rows; the library rounds keys to steps of their
     * codebook's scale.
     */
    const float *keys;
} dkvb_codebooks_arrays;

/** Initialiser of dkvb_codebooks_arrays that gives every member its default. */
#define DKVB_CODEBOOKS_ARRAYS_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_arrays), 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_arrays, DKVB_CODEBOOKS_ARRAYS_INIT)

/**
 * Make frozen codebooks from arrays that another library or an export made. The library copies the arrays of codebooks,
 * checks that all numbers are finite, and rounds the keys.
 *
 * @param[out] out     the codebooks, which the caller releases with dkvb_codebooks_free(); NULL on failure.
 * @param      arrays  the arrays from which the codebooks are made: projection and keys.
 * @param      opts    options of the codebooks, of which the shapes, `normalize`, the seed of the projections and the
 *                     allocator are read.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_ENOMEM` if memory runs out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_from_arrays(dkvb_codebooks **out,
                                                               const dkvb_codebooks_arrays *arrays,
                                                               const dkvb_keyinit_options *opts);

/**
 * Add one owner to codebooks, so that they live until each owner has freed them. Any thread may call
 * dkvb_codebooks_retain().
 *
 * @param codebooks  the codebooks that get one more owner; NULL does nothing.
 * @return the pointer `codebooks` that the caller gave to dkvb_codebooks_retain().
 */
DKVB_API dkvb_codebooks *dkvb_codebooks_retain(dkvb_codebooks *codebooks);

/**
 * Remove one owner of codebooks; the last owner frees the codebooks. Any thread may call dkvb_codebooks_free().
 *
 * @param codebooks  the codebooks that lose an owner; NULL does nothing.
 */
DKVB_API void dkvb_codebooks_free(dkvb_codebooks *codebooks);

/**
 * Read the properties of codebooks: shapes, birth id, and more.
 *
 * @param      codebooks  the codebooks whose properties are read.
 * @param[out] info       receives the properties of the codebooks; the caller sets its member `struct_size` before the
 *                        call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_info(const dkvb_codebooks *codebooks, dkvb_codebooks_info *info);

/**
 * Memory that receives copies of the arrays of codebooks. Callers initialise a `dkvb_codebooks_copies` with
 * `DKVB_CODEBOOKS_COPIES_INIT`. dkvb_codebooks_copies names one pointer for each array; an array whose pointer is NULL
 * is not copied.
 */
typedef struct dkvb_codebooks_copies {
    size_t struct_size; /**< size of dkvb_codebooks_copies in bytes, set by DKVB_CODEBOOKS_COPIES_INIT */
    int8_t *signs;      /**< `int8_t[rounds][round_size]`, random signs of the projections, 1 or -1 */
    /**
     * `uint32_t[codebooks][key_dim]`, the outputs of the transforms that each codebook selects, where output i of
     * transform t is stored as t * round_size + i.
     */
    uint32_t *order;
    float *center; /**< `float[input_dim]`, mean that is subtracted from each row of features */
    /** `float[input_dim][input_dim]`, half-whitening matrix; must be NULL if rows are not whitened. */
    float *whitening;
    float *scales; /**< `float[codebooks]`, scale of each codebook (steps per unit of projected rows) */
    /** `int8_t[codebooks][keys][key_dim]`, keys in steps of their codebook's scale; purged (erased) keys are zeros. */
    int8_t *keys;
} dkvb_codebooks_copies;

/** Initialiser of dkvb_codebooks_copies that gives every member its default. */
#define DKVB_CODEBOOKS_COPIES_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_copies), 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_codebooks_copies, DKVB_CODEBOOKS_COPIES_INIT)

/**
 * Copy the arrays of codebooks. With the copied arrays, a program without this library can search the codes of rows.
 *
 * The arrays `signs` and `order` of codebooks are computed from the seed, and describe the projection of a row. In the
 * formulas of the projection, y is the prepared row of features, padded with zeros to `round_size`. The matrix H of the
 * projection is the Walsh-Hadamard matrix in its natural order: H[i][j] = 1 if the number of 1 bits of i & j is even,
 * else -1. The projection q[c] of a row by codebook c takes its numbers from the Walsh-Hadamard transforms h[t] of the
 * prepared row y:
 *
 *     transform t of the prepared row y:    h[t] = H (signs[t] y), with random signs and Walsh-Hadamard matrix H
 *
 *     projection of the row by codebook c:  q[c][i] = number order[c][i] of all transforms h, one after another
 *
 * @param codebooks  the codebooks whose arrays are copied.
 * @param to         the memory that receives the copied arrays of the codebooks.
 * @return `DKVB_ENOTFOUND` if a whitening matrix is asked for and the codebooks do not whiten rows (then no array is
 *         copied); `DKVB_EINVAL` for an invalid argument.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_arrays(const dkvb_codebooks *codebooks,
                                                              const dkvb_codebooks_copies *to);

/**
 * Prepare rows of features, project the prepared rows, and round the projections. The projection of a row has the same
 * bits in any batch and on any processor (docs/numerics.md).
 *
 * @param      codebooks  the codebooks that project the rows.
 * @param      x          `float[n][input_dim]`, rows of features, finite.
 * @param      n          number of rows of features to project.
 * @param[out] rows       `int8_t[n][codebooks][key_dim]`, receives the projected rows in steps of each codebook's
 *                        scale; undefined if the call fails.
 * @param[out] saturated  `uint32_t[n]`: how many of the `codebooks * key_dim` projected numbers of each row lay outside
 *                        the scale of the keys and were limited to it; or NULL. About one projected number in ten
 *                        thousand is limited for rows like the key rows; a row with a tenth or more of its projected
 *                        numbers limited is of another kind than the key rows.
 * @param      run        run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for features that are not finite, or so large that sums would overflow (the message names the
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
