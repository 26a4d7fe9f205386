/**
 * @file
 * @brief Files of numbers: NumPy `.npy` files and IDX files (plain or gzip).
 *
 * Every file may be hostile: the library checks sizes against the file before it allocates memory. Messages name the
 * file, what was found, what was expected, and the byte or row.
 */
#ifndef DKVB_DATA_H
#define DKVB_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "rows.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_data Files of numbers
 *  @{ */

/** Number types of elements. The numbers of these constants are part of the ABI and of the model file. */
enum {
    DKVB_DTYPE_U8 = 1,   /**< unsigned, 8 bits */
    DKVB_DTYPE_I8 = 2,   /**< signed, 8 bits */
    DKVB_DTYPE_U16 = 3,  /**< unsigned, 16 bits */
    DKVB_DTYPE_I16 = 4,  /**< signed, 16 bits */
    DKVB_DTYPE_U32 = 5,  /**< unsigned, 32 bits */
    DKVB_DTYPE_I32 = 6,  /**< signed, 32 bits */
    DKVB_DTYPE_U64 = 7,  /**< unsigned, 64 bits */
    DKVB_DTYPE_I64 = 8,  /**< signed, 64 bits */
    DKVB_DTYPE_F16 = 9,  /**< float16 */
    DKVB_DTYPE_F32 = 10, /**< float32 */
    DKVB_DTYPE_F64 = 11, /**< float64 */
    DKVB_DTYPE_BF16 = 12 /**< bfloat16, for values of models only; neither file format has it */
};

/** Largest number of dimensions of an array. */
#define DKVB_ARRAY_MAX_NDIM 8

/**
 * An array in memory, in C order. The struct starts from DKVB_ARRAY_INIT.
 *
 * A function that fills in an array reads only its `struct_size`. So an array that already owns elements must be
 * released first, by dkvb_array_free().
 */
typedef struct dkvb_array {
    size_t struct_size;                  /**< sizeof(dkvb_array), set by INIT */
    uint32_t dtype;                      /**< number type of the elements, DKVB_DTYPE_… */
    uint32_t ndim;                       /**< number of dimensions, 0 to DKVB_ARRAY_MAX_NDIM */
    uint64_t shape[DKVB_ARRAY_MAX_NDIM]; /**< length of each dimension */
    void *data;                          /**< elements, owned by the array, 64-byte aligned; NULL without elements */
    dkvb_allocator allocator;            /**< allocator of `data`, for the library's own use */
} dkvb_array;

/** Defaults of dkvb_array. */
#define DKVB_ARRAY_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_array), 0, 0, {0}, 0,                                                                              \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_array, DKVB_ARRAY_INIT)

/**
 * Release the elements of an array that the library filled in, and clear the array.
 *
 * @param array  the array; NULL and an empty array do nothing.
 */
DKVB_API void dkvb_array_free(dkvb_array *array);

/** Ways to read an array. */
enum {
    DKVB_READ_COPY = 0,     /**< the elements are copied to memory of the allocator */
    DKVB_READ_IN_PLACE = 1, /**< the file is mapped where that is possible (dkvb_array_read()), and copied otherwise */
    DKVB_READ_IDS =
        2 /**< a vector of integers is read as ids of rows, `uint64_t[rows]`; none is negative, and each occurs once */
};

/**
 * Read an array file. The first bytes of the file tell its kind.
 *
 * The file is a `.npy` file (versions 1.0 to 3.0; bool, integers and floats; either byte order; C or Fortran order) or
 * an IDX file (plain or gzip). The result is in C order and in the byte order of this machine. Elements of type bool
 * become `DKVB_DTYPE_U8`.
 *
 * With DKVB_READ_IN_PLACE, a `.npy` file is mapped if its elements have 2 bytes or more, are little-endian and in C
 * order. The system then reads pages of the file when they are needed, so the array may be larger than memory. The
 * caller must not write to `data`. Nobody may change or shorten the file before dkvb_array_free(); replacing it by
 * another file of the same name is safe. All other files are copied.
 *
 * The call never uses more memory than the unpacked file and the result need, and allocates no more than the bytes read
 * so far justify. The product of all dimensions that are not 0, in bytes, fits into `ptrdiff_t`.
 *
 * @param[out] out        the array. On failure `struct_size` is kept, and all other members are 0.
 * @param      path       file to read.
 * @param      how        DKVB_READ_COPY, _IN_PLACE or _IDS.
 * @param      allocator  allocator; NULL: malloc() and free().
 * @return `DKVB_EINVAL` for a wrong `struct_size` or `how`; `DKVB_EIO` if the file cannot be read or is not a regular
 * file; `DKVB_EFORMAT` if the file is of another kind, has no ids, is shorter or longer than its header says, or its
 *         header asks for more than memory can address; `DKVB_ECHECKSUM` for damaged gzip data; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_array_read(dkvb_array *out, const char *path, uint32_t how,
                                                    const dkvb_allocator *allocator);

/**
 * Read features: an array file as `float[rows][columns]`.
 *
 * An array of one dimension becomes one column. All dimensions after the first are flattened into columns. The file may
 * hold `float16`, `float32`, `float64` or `uint8`; `uint8` becomes 0 to 255. A number that is not finite, also after
 * rounding to float32, is an error that names row and column. 0 rows are allowed; 0 columns are an error. With
 * DKVB_READ_IN_PLACE, a `.npy` file of little-endian `float32` in C order is mapped.
 *
 * @param[out] out        the features.
 * @param      path       file to read.
 * @param      how        DKVB_READ_COPY or DKVB_READ_IN_PLACE.
 * @param      allocator  allocator; NULL: malloc() and free().
 * @return as dkvb_array_read().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_features_read(dkvb_array *out, const char *path, uint32_t how,
                                                       const dkvb_allocator *allocator);

/**
 * Read labels: a vector of integers, or a matrix with one column, as `int32_t[rows]`.
 *
 * A label below -1 or above 2147483647 is an error that names the row. The label -1 means that the row has no label.
 *
 * @param[out] out        the labels.
 * @param      path       file to read.
 * @param      allocator  allocator; NULL: malloc() and free().
 * @return as dkvb_array_read().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_labels_read(dkvb_array *out, const char *path,
                                                     const dkvb_allocator *allocator);

/** Numbers that are far larger than all others, found by dkvb_features_survey(). The caller sets `struct_size`. */
typedef struct dkvb_features_info {
    size_t struct_size;            /**< sizeof(dkvb_features_info), set by INIT */
    uint64_t rows;                 /**< number of rows */
    uint64_t columns;              /**< number of columns */
    uint64_t outlying;             /**< how many numbers are at least 1,024 times as large as all others */
    uint64_t first_row;            /**< row of the first such number */
    uint64_t first_column;         /**< column of the first such number */
    float first_value;             /**< the first such number */
    const dkvb_row_source *source; /**< source of the rows, set by the caller instead of `x`; NULL: x has the rows */
} dkvb_features_info;

/** Defaults of dkvb_features_info. */
#define DKVB_FEATURES_INFO_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_features_info), 0, 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_features_info, DKVB_FEATURES_INFO_INIT)

/**
 * Look for numbers that are far larger than all others: a wrong number in one cell, a mark such as -9999 for "missing",
 * or a column in another unit. Such numbers move the mean of the rows so far that all rows look alike and nothing can
 * be learned.
 *
 * @param[out] info  the result; the caller sets `struct_size`.
 * @param      x     `float[n][dim]`, finite; NULL if `info` has a source.
 * @param      n     number of rows.
 * @param      dim   number of columns.
 * @return `DKVB_EINVAL`; the status of a source that fails.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_features_survey(dkvb_features_info *info, const float *x, size_t n,
                                                         size_t dim);

/** Classes with and without rows, counted by dkvb_labels_survey(). The caller sets `struct_size`. */
typedef struct dkvb_labels_info {
    size_t struct_size;   /**< sizeof(dkvb_labels_info), set by INIT */
    uint64_t rows;        /**< number of rows */
    uint64_t unlabelled;  /**< number of rows with label -1 */
    uint64_t largest_row; /**< first row with the largest label */
    int32_t smallest;     /**< smallest label of 0 or more; -1 without one */
    int32_t largest;      /**< largest label; -1 without one */
    uint32_t classes;     /**< number of classes: as given, or one more than the largest label */
    uint32_t empty;       /**< number of classes without a row */
    uint32_t first_empty; /**< first class without a row */
    char empty_list[92];  /**< classes without a row as ranges, for example "0, 5..9"; a long list ends in "..." */
} dkvb_labels_info;

/** Defaults of dkvb_labels_info. */
#define DKVB_LABELS_INFO_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_labels_info), 0, 0, 0, -1, -1, 0, 0, 0,                                                            \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_labels_info, DKVB_LABELS_INFO_INIT)

/** Value of `known` in dkvb_labels_survey(): every class may be without rows. */
#define DKVB_LABELS_ANY 0xFFFFFFFFu

/**
 * Check labels before a training. A class without rows is usually a mistake: labels that start at 1, labels -1 and +1,
 * gaps, or 255 for "no label".
 *
 * @param[out] info       the result, filled in even if labels are refused; the caller sets `struct_size`.
 * @param      labels     `int32_t[n]`; -1 means no label.
 * @param      n          number of rows.
 * @param      classes    number of classes; 0: one more than the largest label.
 * @param      known      classes below this number may be without rows and are not counted as such, for classes that a
 * model has already. DKVB_LABELS_ANY: every class may be without rows, and such classes are counted.
 * @param      allocator  allocator; NULL: malloc() and free(). The call needs one bit for each class.
 * @return `DKVB_EMISMATCH` for classes without rows, with a message that names them and the likely remedy, and for a
 * label of `classes` or more; `DKVB_EINVAL`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_labels_survey(dkvb_labels_info *info, const int32_t *labels, size_t n,
                                                       uint32_t classes, uint32_t known,
                                                       const dkvb_allocator *allocator);

/**
 * Write a `.npy` file, version 1.0, in C order, little-endian, atomically (file.h).
 *
 * @param path   file to write.
 * @param dtype  number type of the file, DKVB_DTYPE_….
 * @param from   number type of `data`; 0: the type of the file. A `DKVB_DTYPE_F16` file can be written from float32:
 * numbers are rounded to the nearest, ties to even, and numbers that are too large become infinite.
 * @param ndim   number of dimensions.
 * @param shape  `uint64_t[ndim]`, length of each dimension.
 * @param data   elements in C order; may be NULL if there are none.
 * @return `DKVB_EINVAL`, `DKVB_EIO`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_npy_write(const char *path, uint32_t dtype, uint32_t from, uint32_t ndim,
                                                   const uint64_t *shape, const void *data);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
