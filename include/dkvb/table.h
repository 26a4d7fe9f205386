/**
 * @file
 * @brief Tables: the library reads rows of numbers with labels, ids and names from common file formats.
 *
 * dkvb_table_read() reads CSV and TSV texts, NumPy `.npy` and `.npz` files, and IDX files. dkvb_table_read() is safe to
 * use on files from untrusted sources. Error messages about a table file name the file, the line, the column, what was
 * found and what is needed.
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

/** @addtogroup dkvb_data
 *  @{ */

/**
 * Handle of a table that dkvb_table_read() made from a file. A table that was read never changes, so many threads may
 * use it at once.
 */
typedef struct dkvb_table dkvb_table;

/**
 * Parts of a file that dkvb_table_read() can be asked for. The numbers of the DKVB_TABLE_… constants are part of the
 * ABI.
 */
enum {
    /**
     * Part of a table file that is read: the features of the rows, and the labels, ids and groups from the columns that
     * the options name.
     */
    DKVB_TABLE_ROWS = 0,
    /**
     * Part of a table file that is read: the labels of the rows, from an array, a text with a label in each line, or
     * the column `label_column` of a text.
     */
    DKVB_TABLE_LABELS = 1,
    /**
     * Part of a table file that is read: the ids of the rows, from an array, a text with an id in each line, or the
     * column `id_column` of a text. If the options of reading a table name a group but no column of ids, the ids are
     * the numbers of the group's rows, from 0.
     */
    DKVB_TABLE_IDS = 2
};

/**
 * Meanings of the first line of a text table: names of the columns, or a row. The numbers of the DKVB_HEADER_…
 * constants are part of the ABI.
 */
enum {
    /** The library decides from the first two lines of a text table whether the first line holds names of columns. */
    DKVB_HEADER_AUTO = 0,
    DKVB_HEADER_YES = 1, /**< the first line of a text table holds the names of the columns */
    DKVB_HEADER_NO = 2   /**< the first line of a text table is a row like all others */
};

/**
 * Options of reading a table. Callers initialise the struct with `DKVB_TABLE_OPTIONS_INIT`.
 *
 * An option of reading a table names a column by the name of the column in the first line. If no column of a table has
 * the given name, the option names a column by its number from 1, also written "#1". dkvb_table_read() copies the texts
 * of dkvb_table_options that the table keeps.
 */
typedef struct dkvb_table_options {
    size_t struct_size; /**< size of dkvb_table_options in bytes, set by DKVB_TABLE_OPTIONS_INIT */
    uint32_t what;      /**< part of the file that dkvb_table_read() reads, DKVB_TABLE_… */
    uint32_t header;    /**< meaning of the first line of a text table, DKVB_HEADER_… */
    /**
     * 1 maps the features of a `.npy` file into memory where possible (data.h). With `in_place` 2, the features of a
     * `.npy` file in C order, of any number type and byte order, stay in the file, and the library reads them block by
     * block (`source` of dkvb_table_info).
     */
    uint32_t in_place;
    const char *label_column; /**< name of the column of the table that holds the labels; or NULL */
    const char *id_column;    /**< name of the column of the table that holds the ids of the rows; or NULL */
    const char *group_column; /**< name of the column of the table that holds the group of each row; or NULL */
    /** Name of the group whose rows dkvb_table_read() keeps; NULL keeps the rows of all groups. */
    const char *group;
    /**
     * `[column_count]`, names of the columns of the table that are features, in the order of the features; all other
     * columns are ignored. If `columns` is NULL, every column of the table without another use is a feature.
     */
    const char *const *columns;
    size_t column_count; /**< number of column names in `columns` */
    /**
     * `[label_name_count]`, class names that the labels 0, 1, … already have, "" or NULL for a label without a name;
     * NULL if no label has a name.
     */
    const char *const *label_names;
    size_t label_name_count; /**< number of names of labels in `label_names` */
    /** Allocator for the table, which the library copies; NULL stands for malloc() and free(). */
    const dkvb_allocator *allocator;
} dkvb_table_options;

/** Initialiser of dkvb_table_options that gives every member its default. */
#define DKVB_TABLE_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_table_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                 \
    }
DKVB_INIT_FUNCTION(dkvb_table_options, DKVB_TABLE_OPTIONS_INIT)

/**
 * Contents of a table that was read from a file. Callers initialise the struct with `DKVB_TABLE_INFO_INIT`. The
 * pointers in dkvb_table_info belong to the table and are valid until dkvb_table_free(). In dkvb_table_info, the
 * pointer to a part that the table lacks, such as labels, is NULL.
 */
typedef struct dkvb_table_info {
    size_t struct_size; /**< size of dkvb_table_info in bytes, set by DKVB_TABLE_INFO_INIT */
    uint64_t rows;      /**< number of rows in the table */
    uint64_t columns;   /**< number of features in a row of the table */
    /** `float[rows][columns]`, features of the rows of the table, finite; NULL if there is a row source. */
    const float *x;
    const char *const *column_names; /**< `[columns]`, names of the features; NULL if the table file names none */
    const int32_t *labels;           /**< `int32_t[rows]`, labels of the rows; -1 for a row without a label */
    /** `[label_count]`, names that the labels 0, 1, … stand for; NULL if the labels of the file are numbers. */
    const char *const *label_names;
    uint64_t label_count;        /**< number of names of labels in `label_names` */
    const uint64_t *ids;         /**< `uint64_t[rows]`, ids of the rows, if all ids are whole numbers */
    const char *const *id_names; /**< `[rows]`, ids of the rows as texts, if some id is not a whole number */
    /**
     * `uint64_t[rows]`, group number of each row: the first 8 bytes, little-endian, of SHA-256 of the group's name, so
     * that a group has the same number in all files.
     */
    const uint64_t *groups;
    uint64_t group_count; /**< number of different groups of rows in the table */
    /**
     * Row source of the features, which replaces the array `x`; NULL if the array `x` has the features. Several threads
     * may read from the row source of a table at once. Nobody may change or shorten the file behind a row source before
     * dkvb_table_free(); replacing the file by another of the same name is safe.
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
 * Read a table of rows from a file.
 *
 * A text table is encoded in UTF-8. The fields of a text table are separated by tabs if its first line contains tabs,
 * else by semicolons, else by commas, else by spaces. Fields of a text table may be quoted as RFC 4180 says; lines end
 * in LF, CRLF or CR; a byte order mark and empty lines are skipped. Numbers in a text table are decimal with a point in
 * every locale, and are rounded once, to the nearest float32. A first column of a text table whose name is empty holds
 * row numbers, as pandas writes them, and is skipped. dkvb_table_read() reads a text table twice, first to count its
 * rows, so the call needs memory only for the features and the names.
 *
 * If all labels of a table are whole numbers, the table has these numbers as labels, and -1 marks a row without a
 * label. If some label of a table is not a whole number, all its labels are names: names in `label_names` keep their
 * numbers, and new names follow in the order of their bytes. A label of a table that equals a name in `label_names`
 * counts as this name, even if the label looks like a number. An empty label of a row counts as -1.
 *
 * A path names an array of an `.npz` file after a colon, as in "rows.npz:x"; an `.npz` file with one array needs no
 * name after its path. dkvb_table_read() also reads labels and ids from arrays of NumPy's text types.
 *
 * @param[out] out   receives the table, which the caller releases with dkvb_table_free(); NULL on failure.
 * @param      path  path of the table file to read.
 * @param      opts  options of reading the table; NULL for the defaults.
 * @param      run   run options of the call (threads, progress, ranks); NULL for the defaults. dkvb_table_read() reads
 *                   a text table twice, and the progress callback counts the bytes of both readings.
 * @return `DKVB_EFORMAT` or `DKVB_ECHECKSUM` for a table file that is damaged or of an unknown kind; `DKVB_EIO` if the
 *         table file cannot be read; `DKVB_EMISMATCH` for a missing column; `DKVB_ENOTFOUND` for a missing array or
 *         group; `DKVB_EINVAL` for an invalid option; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_read(dkvb_table **out, const char *path, const dkvb_table_options *opts,
                                                    const dkvb_run_options *run);

/**
 * Get the path of the file that the path of a table names: the archive "rows.npz" for "rows.npz:x", for any other path
 * the path itself. If a path with a colon is the name of an existing file, the path stands for this file, and not for
 * an array of an `.npz` archive.
 *
 * @param      path  path of a table in the form that dkvb_table_read() takes, such as "rows.npz:x".
 * @param[out] file  buffer that receives the path of the table file.
 * @param      size  size of the buffer `file` in bytes; the length of `path` plus one always suffices.
 * @return `DKVB_EINVAL` if `path` or `file` is NULL or if the buffer `file` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_file(const char *path, char *file, size_t size);

/**
 * Get the contents of a table.
 *
 * @param      table  the table.
 * @param[out] info   receives the contents of the table; the caller sets its member `struct_size` before the call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_table_get_info(const dkvb_table *table, dkvb_table_info *info);

/**
 * Release a table.
 *
 * @param table  table to release; NULL does nothing.
 */
DKVB_API void dkvb_table_free(dkvb_table *table);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
