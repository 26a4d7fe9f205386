/**
 * @file
 * @brief Row sources: rows are read block by block if they do not fit in memory, or lie in memory as another number
 * type.
 *
 * Functions that look at all rows of a training take the rows as an array, `x`, or from a row source. The structs
 * dkvb_fit_rows, dkvb_codeset_source, dkvb_evaluation and dkvb_forget_request have a row source as a member.
 * dkvb_table_read() can make a row source of a file (dkvb_table_options, `in_place`). Rows from an array and the same
 * rows from a row source give results of the same bytes.
 */
#ifndef DKVB_ROWS_H
#define DKVB_ROWS_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_data
 *  @{ */

/**
 * Callback that reads rows of a row source. The library invokes the callback of a row source on the thread that called
 * the library, never twice at the same time. The library may ask a row source for a row more than once, and in any
 * order; most often the library asks for blocks in ascending order. A row source must give the same numbers for a row
 * every time the row is read.
 *
 * @param      user   pointer `user` of the row source.
 * @param      first  number of the first row to read from the row source.
 * @param      n      number of rows to read from the row source, 1 or more.
 * @param[out] x      `float[n][columns]`, array that receives the features of the rows.
 * @return `DKVB_OK` to continue; any other status ends the library call that reads rows, which then returns this
 *         status.
 */
typedef dkvb_status (*dkvb_rows_fn)(void *user, size_t first, size_t n, float *x);

/**
 * Row source: a callback from which a function reads rows of features. Callers initialise the struct with
 * `DKVB_ROW_SOURCE_INIT`. The numbers of rows and columns of a row source are given beside the source, in the same
 * struct or call.
 */
typedef struct dkvb_row_source {
    size_t struct_size; /**< size of dkvb_row_source in bytes, set by DKVB_ROW_SOURCE_INIT */
    dkvb_rows_fn read;  /**< callback that reads rows of the row source */
    void *user;         /**< pointer that the callback `read` of the row source receives */
} dkvb_row_source;

/** Initialiser of dkvb_row_source that gives every member its default. */
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
