/**
 * Files of numbers: NumPy `.npy` and IDX (plain or gzip).
 *
 * Every file is taken to be hostile: sizes are checked against the file before
 * memory is asked for, and messages name the file, what was found and what was
 * wanted, and the byte or row.
 */
#ifndef DKVB_DATA_H
#define DKVB_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element types. Values are part of the ABI and of the model file. */
enum {
    DKVB_DTYPE_U8 = 1,
    DKVB_DTYPE_I8 = 2,
    DKVB_DTYPE_U16 = 3,
    DKVB_DTYPE_I16 = 4,
    DKVB_DTYPE_U32 = 5,
    DKVB_DTYPE_I32 = 6,
    DKVB_DTYPE_U64 = 7,
    DKVB_DTYPE_I64 = 8,
    DKVB_DTYPE_F16 = 9,
    DKVB_DTYPE_F32 = 10,
    DKVB_DTYPE_F64 = 11,
    DKVB_DTYPE_BF16 = 12 /**< bfloat16: values of models only, neither array format has it */
};

#define DKVB_ARRAY_MAX_NDIM 8

/**
 * An array in memory, C order. The caller sets `struct_size`, best by DKVB_ARRAY_INIT; reading fills the rest without
 * looking at it, so an array that holds something is released first.
 */
typedef struct dkvb_array {
    size_t struct_size;
    uint32_t dtype; /**< DKVB_DTYPE_… */
    uint32_t ndim;  /**< 0 to DKVB_ARRAY_MAX_NDIM */
    uint64_t shape[DKVB_ARRAY_MAX_NDIM];
    void *data;               /**< owned by the array, 64-byte aligned; NULL if there is no element */
    dkvb_allocator allocator; /**< that `data` came from; the library's business */
} dkvb_array;

#define DKVB_ARRAY_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_array), 0, 0, {0}, 0,                                                                              \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_array, DKVB_ARRAY_INIT)

/** Release what a read filled in, and clear the array. NULL and an empty array are no-ops. */
DKVB_API void dkvb_array_free(dkvb_array *array);

/* How an array is read. */
enum {
    DKVB_READ_COPY = 0,     /**< in memory of the allocator */
    DKVB_READ_IN_PLACE = 1, /**< in the file, where that is possible, as dkvb_array_read() says; else in memory */
    DKVB_READ_IDS = 2       /**< as ids of rows: uint64[rows] of a vector of integers, none negative, each once */
};

/**
 * Read an array as it is: a `.npy` file (versions 1.0 to 3.0, bool, integers and floats, either byte order, C or
 * Fortran order) or an IDX file (plain or gzip), told by the first bytes. The result is in
 * C order and in this machine's byte order; bool becomes `DKVB_DTYPE_U8`.
 *
 * In place, a `.npy` file of elements of 2 bytes or more, little-endian and in C order, is not copied: its pages are
 * read by the system when they are needed and taken back when memory is short, so the array may be more than memory
 * holds. `data` must not be written to then, and the file must not be changed or cut short until dkvb_array_free();
 * replacing it by another under its name is fine. Every other file is copied.
 *
 * @param[out] out        left empty on failure: `struct_size` is kept, all else is 0.
 * @param      how        DKVB_READ_….
 * @param      allocator  NULL: malloc and free.
 * @return `DKVB_EINVAL` for a wrong `struct_size` or `how`; `DKVB_EIO` if the file cannot be read or is not a regular
 * file; `DKVB_EFORMAT` if it is of another kind, holds no ids, is shorter or longer than its header promises, or
 * promises more than memory can address; `DKVB_ECHECKSUM` for damaged gzip data; `DKVB_ENOMEM`.
 *
 * No more memory than the unpacked file and the result need is used at once, never much more than the bytes that came
 * justify. The product of all dimensions that are not 0, in bytes, fits into `ptrdiff_t`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_array_read(dkvb_array *out, const char *path, uint32_t how,
                                                    const dkvb_allocator *allocator);

/**
 * Read features: any array of 1 or more dimensions as `float32[rows][columns]`; further dimensions are
 * flattened into columns, one dimension becomes one column. `float16`, `float32`, `float64` and `uint8` are
 * taken, `uint8` as 0 to 255. A number that is not finite, also after rounding to float32, is an error that names row
 * and column; a further dimension of 0 is an error, 0 rows are none. In place, a
 * `.npy` file of little-endian `float32` in C order is not copied. Fails like dkvb_array_read().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_features_read(dkvb_array *out, const char *path, uint32_t how,
                                                       const dkvb_allocator *allocator);

/**
 * Read labels: a vector, or a matrix of one column, of any integer type as `int32[rows]`. Labels below -1 or above
 * 2147483647 are errors that name the row; -1 means "ignore". Fails like dkvb_array_read().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_labels_read(dkvb_array *out, const char *path,
                                                     const dkvb_allocator *allocator);

/** The values that stand out among all rows, filled in by dkvb_features_survey(). */
typedef struct dkvb_features_info {
    size_t struct_size;
    uint64_t rows;
    uint64_t columns;
    uint64_t outlying;     /**< values of at least 1,024 times the size of all others */
    uint64_t first_row;    /**< where the first of them is */
    uint64_t first_column; /**< likewise */
    float first_value;     /**< what it is */
} dkvb_features_info;

#define DKVB_FEATURES_INFO_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_features_info), 0, 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_features_info, DKVB_FEATURES_INFO_INIT)

/**
 * Look for values that dwarf all others: a huge number in one cell, a mark such as -9999 for "missing", a column in
 * another unit. They move the centre of the rows so far that the rows look alike, and nothing can be learned.
 *
 * @param x  float[n][dim], finite.
 * @return `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_features_survey(dkvb_features_info *info, const float *x, size_t n,
                                                         size_t dim);

/** Classes with and without rows, counted by dkvb_labels_survey(). */
typedef struct dkvb_labels_info {
    size_t struct_size;
    uint64_t rows;
    uint64_t unlabelled;  /**< of them, rows with label -1 */
    uint64_t largest_row; /**< the first row of the largest label */
    int32_t smallest;     /**< label of 0 or more; -1 if there is none */
    int32_t largest;      /**< likewise */
    uint32_t classes;     /**< that was given, or as many as the largest label says */
    uint32_t empty;       /**< classes without a row */
    uint32_t first_empty; /**< the first of them */
    char empty_list[92];  /**< all of them as ranges: "0, 5..9"; cut short by "..." where there are many */
} dkvb_labels_info;

#define DKVB_LABELS_INFO_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_labels_info), 0, 0, 0, -1, -1, 0, 0, 0,                                                            \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_labels_info, DKVB_LABELS_INFO_INIT)

/** For `known`: any class may be without rows. */
#define DKVB_LABELS_ANY 0xFFFFFFFFu

/**
 * Look at labels before anything is trained on them: a class without rows is hardly ever meant, but follows from
 * numbering from 1, from -1 and +1, from gaps, or from 255 for "none".
 *
 * @param info       filled in also where classes are refused.
 * @param labels     int32[n], -1 = none.
 * @param classes    how many there are; 0: as many as the largest label says.
 * @param known      classes below this may be without rows, and are not counted as such: those that a model has
 *                   already. DKVB_LABELS_ANY: all may be, and are counted.
 * @param allocator  NULL: malloc and free. A bit for each class is needed.
 * @return `DKVB_EMISMATCH` for classes without rows, with a message that says which and the likely way on, and for a
 *         label that is not below `classes`; `DKVB_EINVAL`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_labels_survey(dkvb_labels_info *info, const int32_t *labels, size_t n,
                                                       uint32_t classes, uint32_t known,
                                                       const dkvb_allocator *allocator);

/**
 * Write a `.npy` file, version 1.0, C order, little endian, atomically (file.h).
 *
 * @param dtype  what the file holds. `DKVB_DTYPE_F16` may be made of float32 (`from`): to the nearest, ties to even,
 * and what is too large becomes infinite.
 * @param from   type of `data`; 0: that of the file.
 * @param data   the elements, in C order; may be NULL if there is none.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_npy_write(const char *path, uint32_t dtype, uint32_t from, uint32_t ndim,
                                                   const uint64_t *shape, const void *data);

#ifdef __cplusplus
}
#endif

#endif
