/**
 * @file
 * @brief Tables: the library reads rows of numbers with labels, ids and names from common file formats.
 *
 * dkvb_table_read() reads CSV and TSV texts, NumPy `.npy` and `.npz` files, and IDX files. Every table file may be
 * hostile. Error messages name the file, the line, the column, what was found and what is needed.
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

/**
 * Handle of a table that dkvb_table_read() made from a file. A table never changes, so many threads may use it at once.
 */
typedef struct dkvb_table dkvb_table;

/**
 * Parts of a file that dkvb_table_read() can be asked for. The numbers of the DKVB_TABLE_… constants are part of the
 * ABI.
 */
enum {
    DKVB_TABLE_ROWS = 0, /**< features of the rows, and the columns that the options name */
    /** Labels of the rows: an array, a text with a label in each line, or the column `label_column` of a text. */
    DKVB_TABLE_LABELS = 1,
    /**
     * Ids of the rows: an array, a text with an id in each line, or the column `id_column` of a text. If `group` is
     * given and `id_column` is not, the ids are the numbers of the group's rows, from 0.
     */
    DKVB_TABLE_IDS = 2
};

/**
 * Meanings of the first line of a text: names of the columns, or a row. The numbers of the DKVB_HEADER_… constants are
 * part of the ABI.
 */
enum {
    /** The library decides from the first two lines whether the first line holds names of columns. */
    DKVB_HEADER_AUTO = 0,
    DKVB_HEADER_YES = 1, /**< the first line holds the names of the columns */
    DKVB_HEADER_NO = 2   /**< the first line is a row like all others */
};

/**
 * Options of reading a table. Callers initialise the struct with DKVB_TABLE_OPTIONS_INIT.
 *
 * An option names a column by its name in the first line. If no column has the given name, the option names a column by
 * its number from 1, also written "#1". Texts that the table keeps are copied.
 */
typedef struct dkvb_table_options {
    size_t struct_size; /**< size of dkvb_table_options in bytes, set by DKVB_TABLE_OPTIONS_INIT */
    uint32_t what;      /**< part of the file to read, DKVB_TABLE_… */
    uint32_t header;    /**< meaning of the first line, DKVB_HEADER_… */
    /**
     * 1 maps the features of a `.npy` file into memory where possible (data.h). 2 leaves the features of a `.npy` file
     * in C order, of any number type and byte order, in the file and reads them block by block (`source` of
     * dkvb_table_info).
     */
    uint32_t in_place;
    const char *label_column; /**< name of the column that holds the labels; or NULL */
    const char *id_column;    /**< name of the column that holds the ids of the rows; or NULL */
    const char *group_column; /**< name of the column that holds the group of each row; or NULL */
    const char *group;        /**< name of the group whose rows are kept; NULL keeps all rows */
    /**
     * `[column_count]`, names of the columns that are features, in this order; all other columns are ignored. NULL
     * makes every column without another use a feature.
     */
    const char *const *columns;
    size_t column_count; /**< number of names in `columns` */
    /**
     * `[label_name_count]`, names that the labels 0, 1, … already have, "" or NULL for a label without a name; NULL if
     * no label has a name.
     */
    const char *const *label_names;
    size_t label_name_count;         /**< number of names in `label_names` */
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
} dkvb_table_options;

/** Initialiser of dkvb_table_options that gives every member its default. */
#define DKVB_TABLE_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_table_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                 \
    }
DKVB_INIT_FUNCTION(dkvb_table_options, DKVB_TABLE_OPTIONS_INIT)

/**
 * Contents of a table. The caller sets `struct_size`. The pointers in dkvb_table_info belong to the table and are valid
 * until dkvb_table_free(). A pointer to a part that the table lacks is NULL.
 */
typedef struct dkvb_table_info {
    size_t struct_size;              /**< size of dkvb_table_info in bytes, set by DKVB_TABLE_INFO_INIT */
    uint64_t rows;                   /**< number of rows in the table */
    uint64_t columns;                /**< number of features in a row */
    const float *x;                  /**< features, `float[rows][columns]`, finite */
    const char *const *column_names; /**< `[columns]`, names of the features; NULL if the file names none */
    const int32_t *labels;           /**< `int32_t[rows]`, labels of the rows; -1 for a row without a label */
    const char *const *label_names;  /**< `[label_count]`, names of the labels; NULL if labels are numbers */
    uint64_t label_count;            /**< number of names in `label_names` */
    const uint64_t *ids;             /**< `uint64_t[rows]`, ids of the rows, if all ids are whole numbers */
    const char *const *id_names;     /**< `[rows]`, ids of the rows as texts, if some id is not a whole number */
    /**
     * `uint64_t[rows]`, group numbers: the first 8 bytes, little-endian, of SHA-256 of the group's name, so that a
     * group has the same number in all files.
     */
    const uint64_t *groups;
    uint64_t group_count; /**< number of different groups */
    /**
     * Source of the features, which replaces `x`; NULL if `x` has the features. Several threads may read from the
     * source at once. Nobody may change or shorten the file before dkvb_table_free(); replacing it by another file of
     * the same name is safe.
     */
    const dkvb_row_source *source;
} dkvb_table_info;

/** Initialiser of dkvb_table_info that gives every member its default. */
#define DKVB_TABLE_INFO_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_table_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_table_info, DKVB_TABLE_INFO_INIT)

/**
 * Read a table from a file.
 *
 * A text table is encoded in UTF-8. The fields of a text table are separated by tabs, semicolons, commas or spaces: the
 * first of these that the first line contains. Fields may be quoted as RFC 4180 says; lines end in LF, CRLF or CR; a
 * byte order mark and empty lines are skipped. Numbers in a text are decimal with a point in every locale, and are
 * rounded once, to the nearest float32. A first column whose name is empty holds row numbers, as pandas writes them,
 * and is skipped. dkvb_table_read() reads a text twice, first to count its rows, so it needs memory only for the
 * features and the names.
 *
 * If all labels are whole numbers, they are used as labels, and -1 marks a row without a label. Otherwise labels are
 * names: names in `label_names` keep their numbers, and new names follow in the order of their bytes. A label equal to
 * a name in `label_names` counts as this name, even if it looks like a number. An empty label counts as -1.
 *
 * An array of an `.npz` file is named after a colon, as in "rows.npz:x"; a file with one array needs no name. Arrays of
 * NumPy's text types are read as labels and ids.
 *
 * @param[out] out   the table, which the caller releases with dkvb_table_free(); NULL on failure.
 * @param      path  path of the file to read.
 * @param      opts  options of the call; NULL for the defaults.
 * @param      run   run options (threads, progress, ranks); NULL for the defaults. The progress callback counts the
 *                   bytes of both readings of the file.
 * @return `DKVB_EFORMAT` or `DKVB_ECHECKSUM` for a damaged or unknown file; `DKVB_EIO` if the file cannot be read;
 *         `DKVB_EMISMATCH` for a missing column; `DKVB_ENOTFOUND` for a missing array or group; `DKVB_EINVAL`;
 *         `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_read(dkvb_table **out, const char *path, const dkvb_table_options *opts,
                                                    const dkvb_run_options *run);

/**
 * Get the path of the file that a path of a table names: the archive "rows.npz" for "rows.npz:x", for any other path
 * the path itself. If a file whose own name has a colon exists, it is preferred to an archive.
 *
 * @param      path  path as dkvb_table_read() takes it.
 * @param[out] file  buffer that receives the path of the file.
 * @param      size  size of the buffer in bytes; the length of `path` plus one always suffices.
 * @return `DKVB_EINVAL` if `path` or `file` is NULL or if the buffer is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_file(const char *path, char *file, size_t size);

/**
 * Get the contents of a table.
 *
 * @param      table  the table.
 * @param[out] info   contents of the table; the caller sets `struct_size`.
 * @return `DKVB_OK`; on failure `DKVB_EINVAL`.
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
