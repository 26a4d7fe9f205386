/**
 * @file
 * @brief Search: the library finds the keys that are nearest to each row.
 *
 * The code of a row lists, for each codebook, the numbers of the `k` unmasked keys that are nearest to the row, nearest
 * first. Codes of rows are plain arrays, `uint16_t[n][codebooks][k]`, which the caller owns. Training, forgetting and
 * classifying work on the codes of rows.
 *
 * The search for the nearest keys is exact. The elements of projected rows and of keys are whole numbers from -63 to 63
 * (codebooks.h). The squared distance of a projected row r to a key k is the sum of the squared differences of their
 * elements:
 *
 *     distance(row r, key k) = sum over elements i of (r[i] - k[i])^2
 *
 * Keys at equal distances from a row are ordered by their numbers. Codes and distances are the same with every compute
 * kernel and every number of threads, and for a row searched alone or in a batch.
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

/**
 * Number that stands in a code where no key is left to select. Where the code of a row has DKVB_CODE_NONE instead of a
 * key, dkvb_search() gives the distance INT32_MAX.
 */
#define DKVB_CODE_NONE 0xFFFFu

/**
 * Counts of rows outside the scale of the keys: rows far shorter or longer than the rows that the keys were placed on.
 *
 * Rows outside the scale of the keys get codes and answers as all rows do, but their answers mean little. A row is
 * outside the scale of the keys if its length (Euclidean norm) is below a quarter of the usual lengths of the rows that
 * the keys were placed on, or above four times these lengths. If the model does not scale rows to length 1, a row is
 * also outside the scale of the keys if more than a fifth of its projected elements lie at an end of their range, -63
 * or 63. Rows of the kind that the keys were placed on are hardly ever outside the scale of the keys. The usual causes
 * of rows outside the scale are a wrong number in a row, another number range (0 to 255 instead of 0 to 1), another
 * scaling, or another encoder (docs/numerics.md, *Rows outside the scale*).
 *
 * To count rows outside the scale of the keys, a caller puts a pointer to dkvb_outside into the run options of
 * dkvb_search(), dkvb_model_predict(), or dkvb_fit() for the rows that dkvb_fit() learns from. Each call of
 * dkvb_search(), dkvb_model_predict() or dkvb_fit() adds its rows outside the scale to dkvb_outside, so that the rows
 * of several batches are counted together. A failed call of the library leaves the counts in dkvb_outside undefined.
 */
typedef struct dkvb_outside {
    size_t struct_size; /**< size of dkvb_outside in bytes, set by DKVB_OUTSIDE_INIT */
    uint64_t searched;  /**< number of rows whose nearest keys were searched */
    uint64_t rows;      /**< number of rows outside the scale of the keys */
    /** Number of rows outside the scale of the keys because they are shorter than the length `least`. */
    uint64_t shorter;
    /** Number of rows outside the scale of the keys because they are longer than the length `greatest`. */
    uint64_t longer;
    uint64_t first; /**< number of the first row outside the scale of the keys, counted through all calls */
    double length;  /**< length (Euclidean norm) of the first row outside the scale of the keys */
    /**
     * For the first row outside the scale of the keys, the fraction of its projected elements that lie at an end of
     * their range, -63 or 63; 0 if the model scales rows to length 1.
     */
    double cut;
    /** Least length of a row inside the scale of the keys; 0 if the codebooks do not know the usual length of rows. */
    double least;
    /**
     * Greatest length of a row inside the scale of the keys; the greatest float if the codebooks do not know the usual
     * length of rows.
     */
    double greatest;
} dkvb_outside;

/** Initialiser of dkvb_outside that sets all its counts to 0. */
#define DKVB_OUTSIDE_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_outside), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_outside, DKVB_OUTSIDE_INIT)

/**
 * Find the nearest keys of each row in each codebook, nearest first.
 *
 * @param      codebooks  frozen codebooks whose keys are searched.
 * @param      mask       mask whose pairs the search never returns, made for the searched codebooks; or NULL. A search
 *                        never returns pairs that were purged (erased for good).
 * @param      x          `float[n][input_dim]`, features of the rows to search, row-major, finite.
 * @param      n          number of rows to search; with 0 rows, no buffer is touched.
 * @param      k          number of keys to find per codebook, 1 to the number of keys in a codebook.
 * @param[out] codes      `uint16_t[n][codebooks][k]`, receives the numbers of the nearest keys of each row;
 *                        DKVB_CODE_NONE where fewer than k keys are unmasked.
 * @param[out] dist       `int32_t[n][codebooks][k]`, receives the squared distances of the rows to their nearest keys,
 *                        in steps of the codebook's scale; or NULL.
 * @param      run        run options of the call (threads, progress, ranks); NULL for the defaults. In a search, the
 *                        progress callback counts rows.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_EMISMATCH` if the mask belongs to
 *         other codebooks; `DKVB_ESTATE` if the codebooks to search are not frozen; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A
 *         failed dkvb_search() leaves `codes` and `dist` undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *x,
                                                size_t n, uint32_t k, uint16_t *codes, int32_t *dist,
                                                const dkvb_run_options *run);

/**
 * Update the codes of rows to the mask in force of a model. dkvb_search_refresh() searches only codebooks in which a
 * code names a masked pair.
 *
 * dkvb_search_refresh() gives the codes of a full search if the codes were searched under a mask that the mask in force
 * contains. After an undo, which unmasks pairs, the codes of rows must be searched in full, or the caller uses the
 * codes from before the masking.
 *
 * @param         model     model whose mask in force the codes are updated to.
 * @param         x         `float[n][input_dim]`, features of the rows whose codes are updated.
 * @param         n         number of rows whose codes are updated.
 * @param         k         number of keys per codebook in the array `codes`; must equal the model's `top_k`.
 * @param[in,out] codes     `uint16_t[n][codebooks][k]`, codes of rows to update; undefined if the call fails.
 * @param[out]    searched  receives the number of (row, codebook) combinations that were searched again; or NULL.
 * @param         run       run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for a row with an invalid feature or code, with a message that names the row; `DKVB_EMISMATCH`
 *         if the codes do not fit the model; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search_refresh(const dkvb_model *model, const float *x, size_t n, uint32_t k,
                                                        uint16_t *codes, uint64_t *searched,
                                                        const dkvb_run_options *run);

/** Options of dkvb_search_file(). Callers initialise the struct with `DKVB_SEARCH_FILE_OPTIONS_INIT`. */
typedef struct dkvb_search_file_options {
    /** Size of dkvb_search_file_options in bytes, set by DKVB_SEARCH_FILE_OPTIONS_INIT. */
    size_t struct_size;
    const dkvb_row_source *source; /**< row source, read instead of the array `x`; NULL if the array `x` has the rows */
    /** Path of a second file, which receives the distances of the found keys; or NULL. */
    const char *distances;
    /** 1 discards the codes that an interrupted call of dkvb_search_file() left; 0 continues from them. */
    uint32_t restart;
} dkvb_search_file_options;

/** Initialiser of dkvb_search_file_options that gives every member its default. */
#define DKVB_SEARCH_FILE_OPTIONS_INIT                                                                                  \
    {                                                                                                                  \
        sizeof(dkvb_search_file_options), 0, 0, 0                                                                      \
    }
DKVB_INIT_FUNCTION(dkvb_search_file_options, DKVB_SEARCH_FILE_OPTIONS_INIT)

/**
 * Counts of the rows that dkvb_search_file() searched. Callers initialise the struct with
 * `DKVB_SEARCH_FILE_REPORT_INIT`.
 */
typedef struct dkvb_search_file_report {
    size_t struct_size; /**< size of dkvb_search_file_report in bytes, set by DKVB_SEARCH_FILE_REPORT_INIT */
    uint64_t rows;      /**< number of all rows that dkvb_search_file() has to search */
    /**
     * Number of rows that an interrupted call of dkvb_search_file() searched; known once dkvb_search_file() has
     * compared these rows by their checksum.
     */
    uint64_t resumed;
    /**
     * Number of rows that a failed call of dkvb_search_file() left in the unfinished file PATH.part; a repeated call
     * continues after these rows.
     */
    uint64_t kept;
} dkvb_search_file_report;

/** Initialiser of dkvb_search_file_report that gives every member its default. */
#define DKVB_SEARCH_FILE_REPORT_INIT                                                                                   \
    {                                                                                                                  \
        sizeof(dkvb_search_file_report), 0, 0, 0                                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_search_file_report, DKVB_SEARCH_FILE_REPORT_INIT)

/**
 * Search the codes of rows under the mask in force of a model, and write the codes to a `.npy` file,
 * `uint16[n][codebooks][top_k]`. If the options name a second file, dkvb_search_file() writes the distances of the
 * found keys to this file, `int32[n][codebooks][top_k]`. dkvb_search_file() writes the codes and distances that
 * dkvb_search() finds with the model's `top_k`.
 *
 * The memory that dkvb_search_file() needs does not grow with the number of rows, except by a few bytes for each 512
 * rows. While dkvb_search_file() works, an unfinished file PATH.part (the path of the codes file followed by ".part")
 * holds the codes and distances of finished rows. The unfinished file PATH.part stays if the progress callback stops
 * dkvb_search_file(), if the process ends, or if the call fails after long work. A repeated call of dkvb_search_file()
 * continues from the unfinished file PATH.part of the codes, and its results have the same bytes as without the
 * interruption. A call of dkvb_search_file() that continues an interrupted call first reads the rows whose codes are in
 * the unfinished file PATH.part, and compares their checksum. Counts of rows outside the scale of the keys
 * (dkvb_outside) include the rows that an interrupted call searched. A successful call of dkvb_search_file() removes
 * the unfinished file PATH.part. dkvb_search_file() locks the unfinished file PATH.part, so that two processes do not
 * write to it. dkvb_search_file() refuses an unfinished file PATH.part that is a link, belongs to another user, has a
 * second name (hard link), holds codes of other rows, other keys, another mask or another `top_k`, or lacks the
 * distances that the options ask for.
 *
 * If a model is distributed over ranks, the ranks divide the rows to search among them, and rank 0 alone writes the
 * files. Any other number of ranks, or one process, can continue an interrupted search from the unfinished file
 * PATH.part that holds its codes.
 *
 * @param      model   model whose keys and mask in force the search uses.
 * @param      x       `float[n][input_dim]`, features of the rows to search, finite; NULL if the options have a row
 *                     source.
 * @param      n       number of rows to search.
 * @param      path    path of the `.npy` file that receives the codes of the rows.
 * @param      opts    options of the search; NULL for the defaults.
 * @param[out] report  receives the counts of the rows that dkvb_search_file() searched, also after a failure; or NULL.
 * @param      run     run options of the call; NULL for the defaults. The progress callback of dkvb_search_file()
 *                     counts searched rows; rows that an interrupted call searched count once they have been compared.
 * @return `DKVB_OK`, or a status code that dkvb_search() or dkvb_npy_write() returns too; `DKVB_EMISMATCH` if the
 *         unfinished file PATH.part holds codes of another search, or if ranks were given different inputs;
 *         `DKVB_ESTATE` if another process works on the unfinished file PATH.part; `DKVB_EFORMAT` if PATH.part is a
 *         file of another kind; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_search_file(const dkvb_model *model, const float *x, size_t n,
                                                     const char *path, const dkvb_search_file_options *opts,
                                                     dkvb_search_file_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
