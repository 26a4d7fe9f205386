/**
 * Codebooks: random projections and the keys placed in each projected space.
 *
 * A row `z` of `input_dim` numbers is projected once per codebook `c`,
 *
 *     q_c = P_c (z - center),   P_c: [key_dim][input_dim], entries N(0, 1/input_dim)
 *
 * and every codebook holds `keys` points of that space. Keys are placed by key
 * initialisation, without labels, and then frozen: nothing but a purge changes
 * them, so the code of a row never changes either. Source: *Discrete Key-Value
 * Bottleneck*, arXiv 2207.11240, section 3; docs/method.md.
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
    DKVB_KEYINIT_KMEANS = 1, /**< k-means++ seeding, then Lloyd or mini-batch iterations */
    DKVB_KEYINIT_SAMPLE = 2  /**< keys are projected rows, each codebook's its own. Not private: see docs/guide.md */
};

/** How to build codebooks. Start from `DKVB_KEYINIT_OPTIONS_INIT`. */
typedef struct dkvb_keyinit_options {
    size_t struct_size; /**< sizeof(dkvb_keyinit_options), set by INIT */
    uint32_t method;    /**< DKVB_KEYINIT_EMA, _KMEANS or _SAMPLE */
    uint32_t codebooks; /**< 1 to 65,535 */
    uint32_t keys;      /**< per codebook, 1 to 65,535; key rows must be at least as many */
    uint32_t key_dim;   /**< width of a key, 1 to 4,096 */
    uint32_t passes;    /**< over the key rows: 0 = 2 for ema, 10 for kmeans; sample makes none */
    uint32_t batch;     /**< ema: rows in a step, 0 = 2,048; kmeans: 0 = Lloyd, else rows in a mini-batch */
    uint32_t normalize; /**< 1: every row is scaled to length 1 before it is centred, here and in every later search */
    double decay;       /**< ema: share of the old average kept in a step, 0 <= decay < 1 */
    double restart;     /**< ema: a key used less than this share of an even one, below 1, is placed again; 0 = never */
    uint64_t seed;      /**< of projections and of every draw; each codebook has its own stream */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
} dkvb_keyinit_options;

#define DKVB_KEYINIT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_keyinit_options), DKVB_KEYINIT_EMA, 256, 4096, 32, 0, 0, 0, 0.95, 0.1, 0, 0                        \
    }

/** Fill in the defaults, for callers that cannot use the macro. `struct_size`: sizeof their struct. */
DKVB_API void dkvb_keyinit_options_init(dkvb_keyinit_options *opts, size_t struct_size);

/** Shapes and nature of codebooks. The caller sets `struct_size`. */
typedef struct dkvb_codebooks_info {
    size_t struct_size;
    uint32_t codebooks;    /**< C */
    uint32_t keys;         /**< K, purged ones included */
    uint32_t key_dim;      /**< d */
    uint32_t input_dim;    /**< m, the width of a row */
    uint32_t normalize;    /**< 1: rows are scaled to length 1 first */
    uint32_t frozen;       /**< 0 while they still grow */
    uint64_t purged_pairs; /**< (codebook, key) pairs erased for good */
    uint8_t birth[16];     /**< who they are: set when they are frozen, kept by copies, files and purges */
} dkvb_codebooks_info;

#define DKVB_CODEBOOKS_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codebooks_info), 0, 0, 0, 0, 0, 0, 0,                                                              \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }

/**
 * Build codebooks from key rows: draw projections, place keys, freeze.
 *
 * The rows may be the training rows or others of the same encoder; labels are
 * not needed. Rows are centred by their mean. Same rows, options and seed: same
 * bits, whatever the threads and the processor.
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
 * The method must be `DKVB_KEYINIT_EMA`. Feed them with dkvb_codebooks_step(),
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

/**
 * Codebooks from arrays made elsewhere (another library, an export): copied, checked to be finite, frozen.
 *
 * @param projection  `float[codebooks][dim][key_dim]`: q_c[j] = sum_i (z[i] - center[i]) projection[c][i][j].
 * @param center      `float[dim]`, or NULL for zeros.
 * @param keys        `float[codebooks][keys][key_dim]`.
 * @param opts        gives the shapes, `normalize` and the allocator; the rest is not used.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_from_arrays(dkvb_codebooks **out, size_t dim,
                                                               const float *projection, const float *center,
                                                               const float *keys, const dkvb_keyinit_options *opts);

/** One more owner. Returns its argument; NULL is allowed. Safe from any thread. */
DKVB_API dkvb_codebooks *dkvb_codebooks_retain(dkvb_codebooks *codebooks);

/** One owner less; the last one frees. NULL is a no-op. Safe from any thread. */
DKVB_API void dkvb_codebooks_free(dkvb_codebooks *codebooks);

/** Shapes and birth id. `DKVB_EINVAL` if `struct_size` is not set. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_info(const dkvb_codebooks *codebooks, dkvb_codebooks_info *info);

/** Copy the projections to `out`, `float[codebooks][input_dim][key_dim]`. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_projection(const dkvb_codebooks *codebooks, float *out);

/** Copy the centre to `out`, `float[input_dim]`. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_center(const dkvb_codebooks *codebooks, float *out);

/** Copy the keys to `out`, `float[codebooks][keys][key_dim]`. Purged keys are zeros. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_get_keys(const dkvb_codebooks *codebooks, float *out);

/**
 * Project rows: normalise if the codebooks do, centre, multiply.
 *
 * Sums run in double precision, input by input in ascending order, one fused
 * multiply-add each, and are rounded once: same bits in any batch, on any
 * processor (docs/numerics.md).
 *
 * @param      x  `float[n][input_dim]`, finite.
 * @param[out] q  `float[n][codebooks][key_dim]`. Contents undefined on failure.
 * @return `DKVB_EINVAL` also when a projected number overflows; the row is named.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codebooks_project(const dkvb_codebooks *codebooks, const float *x, size_t n,
                                                           float *q, const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
