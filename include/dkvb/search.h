/**
 * Search: which keys are nearest?
 *
 * The code of a row is, for each codebook, the indices of its `k` nearest
 * unmasked keys. Codes are plain arrays, `uint16_t[n][codebooks][k]`, nearest
 * first; the caller owns them, and every later step takes them.
 *
 * Search is exact: rows and keys are whole numbers of -63 to 63 (codebooks.h), the distance of a row r to a key k is
 *
 *     sum over i of (r[i] - k[i])^2
 *
 * and equal distances are ordered by key index. So codes and distances are the same with every kernel, every thread
 * count, and for a row alone or in a batch.
 */
#ifndef DKVB_SEARCH_H
#define DKVB_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "export.h"
#include "mask.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** In a code: no key left to select. Its distance is INT32_MAX. */
#define DKVB_CODE_NONE 0xFFFFu

/**
 * Rows outside the scale: such as these codebooks were not made for. They get codes and answers like all others, which
 * mean little; so whoever asks is told how many there are.
 *
 * A row is outside if its length, as it is handed over, is below a quarter of the usual lengths of key rows or above
 * four times those, or if it is not
 * scaled to length 1 and more than a fifth of its projected numbers lie at an end of the scale, -63 or 63. Rows of the
 * kind that the keys were placed on are hardly ever: it takes a wrong number in a row, or rows of another type (0..255
 * for 0..1), scaling or encoder (docs/numerics.md, *Rows outside the scale*).
 *
 * To count them, hand one to a call in its run options: dkvb_search(), dkvb_model_predict(), and dkvb_fit() for the
 * rows that it learns from. Calls add to what it holds, so that batches count as one. Undefined on failure.
 */
typedef struct dkvb_outside {
    size_t struct_size; /**< sizeof(dkvb_outside), set by INIT */
    uint64_t searched;  /**< rows that were looked at */
    uint64_t rows;      /**< of them outside the scale */
    uint64_t shorter;   /**< of those, rows whose length is below `least` */
    uint64_t longer;    /**< rows whose length is above `greatest` */
    uint64_t first;     /**< number of the first row outside, counted through all calls */
    double length;      /**< of the first row */
    double cut;         /**< share of its projected numbers that lie at an end of the scale; 0 if rows have length 1 */
    double least;       /**< lengths that rows may have; 0 */
    double greatest;    /**< and the greatest float where codebooks remember none */
} dkvb_outside;

#define DKVB_OUTSIDE_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_outside), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_outside, DKVB_OUTSIDE_INIT)

/**
 * Nearest keys of each row of `x`, nearest first.
 *
 * @param      codebooks  frozen.
 * @param      mask       pairs that are never returned, of these codebooks; or NULL. Purged pairs are never returned.
 * @param      x          `float[n][input_dim]`, row-major, finite.
 * @param      n          0 is allowed and touches no buffer.
 * @param      k          1 to the number of keys in a codebook.
 * @param[out] codes      `uint16_t[n][codebooks][k]`; DKVB_CODE_NONE where fewer than k keys are live.
 * @param[out] dist       `int32_t[n][codebooks][k]`, squared, in steps of the codebook's scale; or NULL.
 * @param      run        NULL for the defaults. Progress counts rows.
 *
 * `codes` and `dist` are undefined on failure.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *x,
                                                size_t n, uint32_t k, uint16_t *codes, int32_t *dist,
                                                const dkvb_run_options *run);

/**
 * Bring codes up to date with the model's mask: search again where, and only
 * where, a code names a masked pair. The result equals a full search provided
 * that the codes were right under a mask that the present one contains. After an
 * undo, when pairs come back, search in full (or keep the first codes).
 *
 * @param      x        the rows that the codes belong to, `float[n][input_dim]`.
 * @param      k        must be the model's `top_k`.
 * @param[in,out] codes `uint16_t[n][codebooks][k]`. Undefined on failure.
 * @param[out] searched number of (row, codebook) pairs searched again, or NULL.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search_refresh(const dkvb_model *model, const float *x, size_t n, uint32_t k,
                                                        uint16_t *codes, uint64_t *searched,
                                                        const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
