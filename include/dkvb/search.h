/**
 * @file
 * @brief Search: the library finds the keys that are nearest to each row.
 *
 * The code of a row lists, for each codebook, the numbers of its `k` nearest unmasked keys, nearest first. Codes are
 * plain arrays, `uint16_t[n][codebooks][k]`, which the caller owns. Training, forgetting and classifying work on codes.
 *
 * The search for the nearest keys is exact. Projected rows and keys are whole numbers from -63 to 63 (codebooks.h). The
 * distance of a row r to a key k is
 *
 *     sum over i of (r[i] - k[i])^2
 *
 * Keys at equal distances are ordered by their number. So codes and distances are the same with every kernel and every
 * number of threads, and for a row searched alone or in a batch.
 */
#ifndef DKVB_SEARCH_H
#define DKVB_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "export.h"
#include "mask.h"
#include "model.h"
#include "rows.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_search Search
 *  @{ */

/** Stands in a code where no key is left to select. The distance at a place with DKVB_CODE_NONE is INT32_MAX. */
#define DKVB_CODE_NONE 0xFFFFu

/**
 * Counts of rows outside the scale of the keys: rows of a kind that the codebooks were not made for.
 *
 * Rows outside the scale get codes and answers as all rows do, but their answers mean little. A row is outside the
 * scale if its length is below a quarter of the usual lengths of key rows, or above four times these lengths. If the
 * model does not scale rows to length 1, a row is also outside the scale if more than a fifth of its projected numbers
 * lie at an end of the scale, -63 or 63. Rows of the kind that the keys were placed on are hardly ever outside the
 * scale. The usual causes are a wrong number in a row, another number range (0 to 255 instead of 0 to 1), another
 * scaling, or another encoder (docs/numerics.md, *Rows outside the scale*).
 *
 * To count rows outside the scale, a caller puts a pointer to dkvb_outside into the run options of dkvb_search(),
 * dkvb_model_predict(), or dkvb_fit() for the rows that it learns from. Each call adds to the counts, so that several
 * batches count as one. A failed call leaves the counts undefined.
 */
typedef struct dkvb_outside {
    size_t struct_size; /**< size of dkvb_outside in bytes, set by DKVB_OUTSIDE_INIT */
    uint64_t searched;  /**< number of rows that were searched */
    uint64_t rows;      /**< number of rows outside the scale */
    uint64_t shorter;   /**< number of rows outside the scale because they are shorter than `least` */
    uint64_t longer;    /**< number of rows outside the scale because they are longer than `greatest` */
    uint64_t first;     /**< number of the first row outside the scale, counted through all calls */
    double length;      /**< length of the first row outside the scale */
    /**
     * Fraction of the projected numbers of the first row outside the scale that lie at an end of the scale; 0 if rows
     * are scaled to length 1.
     */
    double cut;
    double least; /**< least length of a row inside the scale; 0 if the codebooks do not know it */
    /** Greatest length of a row inside the scale; the greatest float if the codebooks do not know it. */
    double greatest;
} dkvb_outside;

/** Initialiser of dkvb_outside that sets all counts to 0. */
#define DKVB_OUTSIDE_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_outside), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_outside, DKVB_OUTSIDE_INIT)

/**
 * Find the nearest keys of each row, nearest first.
 *
 * @param      codebooks  frozen codebooks.
 * @param      mask       mask of these codebooks, whose pairs are never returned; or NULL. Purged pairs are never
 *                        returned.
 * @param      x          `float[n][input_dim]`, rows of features, row-major, finite.
 * @param      n          number of rows; if it is 0, no buffer is touched.
 * @param      k          number of keys to find per codebook, 1 to the number of keys in a codebook.
 * @param[out] codes      `uint16_t[n][codebooks][k]`, numbers of the nearest keys; DKVB_CODE_NONE where fewer than k
 *                        keys are unmasked.
 * @param[out] dist       `int32_t[n][codebooks][k]`, squared distances to the keys, in steps of the codebook's scale;
 *                        or NULL.
 * @param      run        run options (threads, progress, ranks); NULL for the defaults. The progress callback counts
 *                        rows.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_EMISMATCH` if the mask belongs to
 *         other codebooks; `DKVB_ESTATE` if the codebooks are not frozen; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A failed
 *         dkvb_search() leaves `codes` and `dist` undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *x,
                                                size_t n, uint32_t k, uint16_t *codes, int32_t *dist,
                                                const dkvb_run_options *run);

/**
 * Update codes to the mask in force of a model. Only codebooks in which a code names a masked pair are searched again.
 *
 * Updated codes equal the codes of a full search if they were right under a mask that the mask in force contains. After
 * an undo, which unmasks pairs, the codes must be searched in full, or the caller uses the codes from before the
 * masking.
 *
 * @param         model     the model.
 * @param         x         `float[n][input_dim]`, features of the rows that the codes belong to.
 * @param         n         number of rows.
 * @param         k         number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param[in,out] codes     `uint16_t[n][codebooks][k]`, codes to update; undefined if the call fails.
 * @param[out]    searched  number of (row, codebook) pairs that were searched again; or NULL.
 * @param         run       run options (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_EMISMATCH` if the codes do not fit
 *         the model; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search_refresh(const dkvb_model *model, const float *x, size_t n, uint32_t k,
                                                        uint16_t *codes, uint64_t *searched,
                                                        const dkvb_run_options *run);

/** Options of dkvb_search_file(). Callers initialise the options with `DKVB_SEARCH_FILE_OPTIONS_INIT`. */
typedef struct dkvb_search_file_options {
    size_t struct_size;            /**< size of this struct in bytes, set by DKVB_SEARCH_FILE_OPTIONS_INIT */
    const dkvb_row_source *source; /**< source of the rows, read instead of `x`; NULL if `x` has the rows */
    const char *distances;         /**< path of a second file, for the distances of the found keys; or NULL */
    uint32_t restart;              /**< 1 discards the codes that an interrupted call left */
} dkvb_search_file_options;

/** Initialiser of dkvb_search_file_options that gives every member its default. */
#define DKVB_SEARCH_FILE_OPTIONS_INIT                                                                                  \
    {                                                                                                                  \
        sizeof(dkvb_search_file_options), 0, 0, 0                                                                      \
    }
DKVB_INIT_FUNCTION(dkvb_search_file_options, DKVB_SEARCH_FILE_OPTIONS_INIT)

/** Counts of rows of dkvb_search_file(). The caller sets `struct_size`. */
typedef struct dkvb_search_file_report {
    size_t struct_size; /**< size of this struct in bytes, set by DKVB_SEARCH_FILE_REPORT_INIT */
    uint64_t rows;      /**< number of rows to search */
    uint64_t resumed; /**< number of rows that an interrupted call searched; known once these rows have been compared */
    uint64_t kept;    /**< after a failure, the number of rows in PATH.part; the same call continues after them */
} dkvb_search_file_report;

/** Initialiser of dkvb_search_file_report that gives every member its default. */
#define DKVB_SEARCH_FILE_REPORT_INIT                                                                                   \
    {                                                                                                                  \
        sizeof(dkvb_search_file_report), 0, 0, 0                                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_search_file_report, DKVB_SEARCH_FILE_REPORT_INIT)

/**
 * Search the codes of rows under the mask in force of a model, and write the codes to a `.npy` file,
 * `uint16[n][codebooks][top_k]`. A second file, `int32[n][codebooks][top_k]`, gets the distances if the options name
 * one. Codes and distances are those of dkvb_search() with the model's `top_k`.
 *
 * The memory of the call does not grow with the rows, except by a few bytes for each 512 rows. During the work, the
 * file PATH.part holds the codes and distances of finished rows. The file stays if the progress callback stops the
 * call, if the process ends, or if the call fails after long work. The same call then continues from PATH.part, and its
 * results have the same bytes. A call that continues first reads the rows whose codes are in PATH.part, and compares
 * their checksum. Counts of rows outside the scale (run options) include these rows. A successful call removes the
 * file. PATH.part is locked, so that two processes do not write to it. The part file is refused if it is a link,
 * belongs to another user, has a second name, or holds codes of other rows, other keys, another mask or another
 * `top_k`, or codes without the distances that are asked for.
 *
 * Ranks that share the model divide the rows among them, and rank 0 alone writes the files. Any other number of ranks,
 * or one process, can continue from PATH.part.
 *
 * @param      model   the model.
 * @param      x       `float[n][input_dim]`, finite; NULL if the options have a source.
 * @param      n       number of rows.
 * @param      path    file to write.
 * @param      opts    options; NULL for the defaults.
 * @param[out] report  counts, also after a failure; or NULL.
 * @param      run     run options; NULL for the defaults. Progress counts rows; of rows that an interrupted call left,
 *                     those that have been compared.
 * @return as dkvb_search() and dkvb_npy_write(); `DKVB_EMISMATCH` if PATH.part holds codes of something else, or if
 * ranks were given different inputs; `DKVB_ESTATE` if another process works on it; `DKVB_EFORMAT` if PATH.part is a
 * file of another kind; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search_file(const dkvb_model *model, const float *x, size_t n,
                                                     const char *path, const dkvb_search_file_options *opts,
                                                     dkvb_search_file_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
