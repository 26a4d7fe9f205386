/**
 * @file
 * @brief Rows that are read block by block, where they do not fit in memory or lie there as another number type.
 *
 * Calls that look at all rows of a training take the rows as an array, `x`, or from a row source: dkvb_fit_rows,
 * dkvb_codeset_source, dkvb_evaluation and dkvb_forget_request have a member `source`. A table makes a source of a file
 * (dkvb_table_options, `in_place`). The results are the same bytes.
 */
#ifndef DKVB_ROWS_H
#define DKVB_ROWS_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_data Files of numbers
 *  @{ */

/**
 * Callback that reads rows. The library calls this function on the thread that made the call, never twice at the same
 * time. The library may ask for a row more than once, and in any order; most often it asks for blocks in ascending
 * order. A row must have the same numbers every time.
 *
 * @param      user   `user` of the source.
 * @param      first  number of the first row.
 * @param      n      number of rows, 1 or more.
 * @param[out] x      `float[n][columns]`, receives the rows.
 * @return `DKVB_OK` to continue; any other status ends the call, which returns that status.
 */
typedef dkvb_status (*dkvb_rows_fn)(void *user, size_t first, size_t n, float *x);

/** Rows that a function reads. The struct starts from `DKVB_ROW_SOURCE_INIT`. The numbers of rows and columns stand
 * beside the source, where it is given. */
typedef struct dkvb_row_source {
    size_t struct_size; /**< sizeof(dkvb_row_source), set by INIT */
    dkvb_rows_fn read;  /**< reads rows */
    void *user;         /**< pointer that `read` receives */
} dkvb_row_source;

/** Defaults of dkvb_row_source. */
#define DKVB_ROW_SOURCE_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_row_source), 0, 0                                                                                  \
    }
DKVB_INIT_FUNCTION(dkvb_row_source, DKVB_ROW_SOURCE_INIT)

/** @} */

#ifdef __cplusplus
}
#endif

#endif
