/**
 * @file
 * @brief Tables: rows of numbers with labels, ids and names, as people keep them.
 *
 * One call reads CSV and TSV texts, NumPy `.npy` and `.npz` files, and IDX files. Every file may be hostile. Messages
 * name the file, the line, the column, what was found and what is needed.
 */
#ifndef DKVB_TABLE_H
#define DKVB_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "rows.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_data Files of numbers
 *  @{ */

/** A table that dkvb_table_read() made of a file. A table never changes, so many threads may use it at once. */
typedef struct dkvb_table dkvb_table;

/** Parts of a file that a call asks for. The numbers of these constants are part of the ABI. */
enum {
    DKVB_TABLE_ROWS = 0,   /**< features, and the columns that the options name */
    DKVB_TABLE_LABELS = 1, /**< labels: an array, a text with a label a line, or `label_column` of a text */
    DKVB_TABLE_IDS = 2 /**< ids of rows: an array, a text with an id a line, or `id_column` of a text; with `group` and
                            without `id_column`, the numbers of the group's rows, from 0 */
};

/** Kinds of first lines of a text: names of the columns, or a row. The numbers of these constants are part of the ABI.
 */
enum {
    DKVB_HEADER_AUTO = 0, /**< the library tells from the first two lines */
    DKVB_HEADER_YES = 1,  /**< the first line holds names */
    DKVB_HEADER_NO = 2    /**< the first line is a row */
};

/**
 * How to read a table. Start from DKVB_TABLE_OPTIONS_INIT.
 *
 * A column is called by its name in the first line. Where no column has that name, it is called by its number from 1,
 * also written "#1". Texts are copied where they are kept.
 */
typedef struct dkvb_table_options {
    size_t struct_size;              /**< sizeof(dkvb_table_options), set by INIT */
    uint32_t what;                   /**< DKVB_TABLE_… */
    uint32_t header;                 /**< DKVB_HEADER_… */
    uint32_t in_place;               /**< 1: features of a `.npy` file are mapped where that is possible (data.h). 2:
                                        features of a `.npy` file in C order, of any number type and byte order, stay in
                                          the file and are read block by block (`source` of dkvb_table_info) */
    const char *label_column;        /**< column with labels; or NULL */
    const char *id_column;           /**< column with ids of rows; or NULL */
    const char *group_column;        /**< column with the group of each row; or NULL */
    const char *group;               /**< only rows of this group are kept; NULL: all rows */
    const char *const *columns;      /**< `[column_count]` columns that are the features, in this order; all others are
                                          passed over. NULL: every column without another use is a feature */
    size_t column_count;             /**< number of `columns` */
    const char *const *label_names;  /**< `[label_name_count]` names that labels 0, 1, … have already; NULL: none. A
                                        label  without a name is "" or NULL */
    size_t label_name_count;         /**< number of `label_names` */
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL: malloc() and free() */
} dkvb_table_options;

/** Defaults of dkvb_table_options. */
#define DKVB_TABLE_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_table_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                 \
    }
DKVB_INIT_FUNCTION(dkvb_table_options, DKVB_TABLE_OPTIONS_INIT)

/**
 * The contents of a table. The caller sets `struct_size`. The pointers belong to the table and are valid until
 * dkvb_table_free(). A pointer to a part that the table lacks is NULL.
 */
typedef struct dkvb_table_info {
    size_t struct_size;              /**< sizeof(dkvb_table_info), set by INIT */
    uint64_t rows;                   /**< number of rows */
    uint64_t columns;                /**< number of features of a row */
    const float *x;                  /**< features, `float[rows][columns]`, finite */
    const char *const *column_names; /**< `[columns]` names of the features; NULL where the file names none */
    const int32_t *labels;           /**< `int32_t[rows]`; -1: the row has no label */
    const char *const *label_names;  /**< `[label_count]` names of the labels; NULL where labels are numbers */
    uint64_t label_count;            /**< number of `label_names` */
    const uint64_t *ids;             /**< `uint64_t[rows]` where all ids are whole numbers */
    const char *const *id_names;     /**< `[rows]` where some id is not a whole number */
    const uint64_t *groups;          /**< `uint64_t[rows]`: the first 8 bytes, little-endian, of SHA-256 of the group's
                                          name, so that a group has one number in all files */
    uint64_t group_count;            /**< number of different groups */
    const dkvb_row_source *source;   /**< source of the features instead of `x`; NULL: x has them. Several threads may
                                          read at once. Nobody may change or shorten the file before dkvb_table_free();
                                          replacing it by another file of the same name is safe */
} dkvb_table_info;

/** Defaults of dkvb_table_info. */
#define DKVB_TABLE_INFO_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_table_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_table_info, DKVB_TABLE_INFO_INIT)

/**
 * Read a table.
 *
 * A text is UTF-8. Between its fields stand tabs, else semicolons, else commas, else spaces, as the first line tells.
 * Fields may be quoted as RFC 4180 says; lines end in LF, CRLF or CR; a byte order mark and empty lines are passed
 * over. Numbers are decimal with a point in every locale, and are rounded once, to the nearest float32. A first column
 * whose name is empty holds numbers of rows, as pandas writes them, and is passed over. The call reads a text twice,
 * first to count its rows. So its memory is that of the features and of the names.
 *
 * Labels that are all whole numbers are the labels, and -1 means none. Other labels are names: those of `label_names`
 * keep their numbers, and new names follow in the order of their bytes. A name goes before a number that is written
 * the same. An empty label is -1.
 *
 * An array of an `.npz` file is named behind a colon, as in "rows.npz:x"; a file with one array needs no name. Arrays
 * of NumPy's text types are read as labels and ids.
 *
 * @param[out] out   the table, owned by the caller: dkvb_table_free(). NULL on failure.
 * @param      path  file to read.
 * @param      opts  options; NULL for the defaults.
 * @param      run   run options; NULL for the defaults. Progress counts bytes of both readings.
 * @return `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_EIO`; `DKVB_EMISMATCH` for a column that is missing;
 *         `DKVB_ENOTFOUND` for an array or a group that is missing; `DKVB_EINVAL`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_read(dkvb_table **out, const char *path, const dkvb_table_options *opts,
                                                    const dkvb_run_options *run);

/**
 * Path of the file that a path of a table names: of "rows.npz:x" the archive "rows.npz", of any other path the path
 * itself. A file whose own name has a colon goes before an archive.
 *
 * @param      path  path as dkvb_table_read() takes it.
 * @param[out] file  buffer for the path of the file.
 * @param      size  bytes of the buffer; one more than those of `path` always suffice.
 * @return `DKVB_EINVAL` if `path` or `file` is NULL or the buffer is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_file(const char *path, char *file, size_t size);

/**
 * Look at a table.
 *
 * @param      table  the table.
 * @param[out] info   what it holds; the caller sets `struct_size`.
 * @return `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_get_info(const dkvb_table *table, dkvb_table_info *info);

/**
 * Release a table.
 *
 * @param table  the table; NULL does nothing.
 */
DKVB_API void dkvb_table_free(dkvb_table *table);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
