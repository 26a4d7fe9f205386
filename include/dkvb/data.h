/**
 * @file
 * @brief Files of numbers: NumPy `.npy` files and IDX files (plain or gzip).
 *
 * Array files may be hostile: the library checks sizes against the file before it allocates memory. Error messages
 * about an array file name the file, what was found, what was expected, and the byte or row.
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

/** @defgroup dkvb_data Reading and writing files of numbers
 *  @{ */

/**
 * Number types of the elements of arrays. The numbers of the DKVB_DTYPE_… constants are part of the ABI and of the
 * model file.
 */
enum {
    DKVB_DTYPE_U8 = 1,   /**< number type: unsigned integer of 8 bits */
    DKVB_DTYPE_I8 = 2,   /**< number type: signed integer of 8 bits */
    DKVB_DTYPE_U16 = 3,  /**< number type: unsigned integer of 16 bits */
    DKVB_DTYPE_I16 = 4,  /**< number type: signed integer of 16 bits */
    DKVB_DTYPE_U32 = 5,  /**< number type: unsigned integer of 32 bits */
    DKVB_DTYPE_I32 = 6,  /**< number type: signed integer of 32 bits */
    DKVB_DTYPE_U64 = 7,  /**< number type: unsigned integer of 64 bits */
    DKVB_DTYPE_I64 = 8,  /**< number type: signed integer of 64 bits */
    DKVB_DTYPE_F16 = 9,  /**< number type: floating-point number of 16 bits (IEEE half precision) */
    DKVB_DTYPE_F32 = 10, /**< number type: floating-point number of 32 bits */
    DKVB_DTYPE_F64 = 11, /**< number type: floating-point number of 64 bits */
    /** Number type bfloat16, for values of models only; neither `.npy` nor IDX files have this type. */
    DKVB_DTYPE_BF16 = 12
};

/** Largest number of dimensions of an array. */
#define DKVB_ARRAY_MAX_NDIM 8

/**
 * Array of numbers in memory, in C order. Callers initialise a `dkvb_array` with `DKVB_ARRAY_INIT`.
 *
 * A function that fills in an array ignores all members of the struct but `struct_size`, and overwrites them; callers
 * must first release an array that already owns elements with dkvb_array_free().
 */
typedef struct dkvb_array {
    size_t struct_size;                  /**< size of dkvb_array in bytes, set by DKVB_ARRAY_INIT */
    uint32_t dtype;                      /**< number type of the array's elements, DKVB_DTYPE_… */
    uint32_t ndim;                       /**< number of dimensions of the array, 0 to DKVB_ARRAY_MAX_NDIM */
    uint64_t shape[DKVB_ARRAY_MAX_NDIM]; /**< length of each dimension of the array */
    void *data; /**< elements of the array, owned by the array, 64-byte aligned; NULL if there are no elements */
    dkvb_allocator allocator; /**< allocator that gave the memory of `data`, for the library's own use */
} dkvb_array;

/** Initialiser of dkvb_array that gives every member its default. */
#define DKVB_ARRAY_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_array), 0, 0, {0}, 0,                                                                              \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_array, DKVB_ARRAY_INIT)

/**
 * Release the elements of an array that the library filled in, and clear the array struct.
 *
 * @param array  the array to release; NULL or an empty array does nothing.
 */
DKVB_API void dkvb_array_free(dkvb_array *array);

/** Ways to read an array file. */
enum {
    DKVB_READ_COPY = 0, /**< way to read an array file: the elements are copied to memory of the allocator */
    /**
     * Way to read an array file: the file is memory-mapped where possible (dkvb_array_read()), and copied otherwise.
     */
    DKVB_READ_IN_PLACE = 1,
    /** Way to read row ids: a vector of integers becomes `uint64_t[rows]`; no id may be negative or occur twice. */
    DKVB_READ_IDS = 2
};

/**
 * Read an array file of numbers. The first bytes of an array file tell whether it is a `.npy` or an IDX file.
 *
 * An array file is a `.npy` file (versions 1.0 to 3.0; bool, integers and floats; either byte order; C or Fortran
 * order) or an IDX file (plain or gzip). The array that dkvb_array_read() reads into memory is in C order and in the
 * byte order of the machine. Elements of type bool in a file become numbers of type `DKVB_DTYPE_U8`.
 *
 * With DKVB_READ_IN_PLACE, dkvb_array_read() maps a `.npy` file into memory if its elements have 2 bytes or more, are
 * little-endian and in C order, and copies all other files. The operating system reads pages of a memory-mapped file
 * only when they are needed, so a mapped array may be larger than memory. The caller must not write to `data` of a
 * mapped array. Nobody may change or shorten a memory-mapped file before dkvb_array_free(); replacing it by another
 * file of the same name is safe.
 *
 * dkvb_array_read() never uses more memory than the unpacked file and the array need, and allocates no more than the
 * bytes read so far justify. The size of an array in bytes, without dimensions of length 0, must fit into `ptrdiff_t`.
 *
 * @param[out] out        the array that was read; on failure `struct_size` is kept, and all other members are 0.
 * @param      path       path of the array file to read.
 * @param      how        way to read the array file: DKVB_READ_COPY, DKVB_READ_IN_PLACE or DKVB_READ_IDS.
 * @param      allocator  allocator; NULL stands for malloc() and free().
 * @return `DKVB_EINVAL` for a wrong `struct_size` or `how`; `DKVB_EIO` if the file cannot be read or is not a regular
 *         file; `DKVB_EFORMAT` if the file is of another kind, holds no valid ids, is shorter or longer than its header
 *         says, or its header asks for more than memory can address; `DKVB_ECHECKSUM` for damaged gzip data;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_array_read(dkvb_array *out, const char *path, uint32_t how,
                                                    const dkvb_allocator *allocator);

/**
 * Read features from an array file, as `float[rows][columns]`.
 *
 * A file of features with one dimension becomes one column; if a file has more dimensions, all dimensions after the
 * first are flattened into columns. Features may be stored as `float16`, `float32`, `float64` or `uint8`, where `uint8`
 * becomes 0 to 255. A feature that is not finite, also after rounding to float32, is an error whose message names row
 * and column. A file of features may have 0 rows, but a file with 0 columns is an error. With DKVB_READ_IN_PLACE, a
 * `.npy` file of little-endian `float32` in C order is memory-mapped.
 *
 * @param[out] out        the array that receives the features.
 * @param      path       path of the array file to read.
 * @param      how        way to read the array file: DKVB_READ_COPY or DKVB_READ_IN_PLACE.
 * @param      allocator  allocator; NULL stands for malloc() and free().
 * @return any status code of dkvb_array_read().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_features_read(dkvb_array *out, const char *path, uint32_t how,
                                                       const dkvb_allocator *allocator);

/**
 * Read labels from an array file: a vector of integers, or a matrix with one column, becomes `int32_t[rows]`.
 *
 * A label below -1 or above 2147483647 is an error whose message names the row. The label -1 means that the row has no
 * label.
 *
 * @param[out] out        the array that receives the labels.
 * @param      path       path of the array file to read.
 * @param      allocator  allocator; NULL stands for malloc() and free().
 * @return any status code of dkvb_array_read().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_labels_read(dkvb_array *out, const char *path,
                                                     const dkvb_allocator *allocator);

/** Features that are far larger than all others, found by dkvb_features_survey(). */
typedef struct dkvb_features_info {
    size_t struct_size;    /**< size of dkvb_features_info in bytes, set by DKVB_FEATURES_INFO_INIT */
    uint64_t rows;         /**< number of rows that dkvb_features_survey() examined */
    uint64_t columns;      /**< number of columns that dkvb_features_survey() examined */
    uint64_t outlying;     /**< number of features that are at least 1,024 times as large as all others */
    uint64_t first_row;    /**< row number of the first feature that is far larger than all others */
    uint64_t first_column; /**< column number of the first feature that is far larger than all others */
    float first_value;     /**< value of the first feature that is far larger than all others */
    /**
     * Source of the rows to survey, which the caller sets and which is read instead of `x`; NULL if `x` has the rows.
     */
    const dkvb_row_source *source;
} dkvb_features_info;

/** Initialiser of dkvb_features_info that gives every member its default. */
#define DKVB_FEATURES_INFO_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_features_info), 0, 0, 0, 0, 0, 0, 0                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_features_info, DKVB_FEATURES_INFO_INIT)

/**
 * Look for features that are far larger than all others, such as a wrong number in one cell, a mark like -9999 for
 * "missing", or a column in another unit. Features that are far too large move the mean of the rows so far that all
 * rows look alike and nothing can be learned.
 *
 * @param[out] info  receives what was found: the number and place of features that are too large; the caller sets its
 *                   member `struct_size`.
 * @param      x     `float[n][dim]`, features, finite; NULL if `info` has a source of rows.
 * @param      n     number of rows of features.
 * @param      dim   number of columns of features.
 * @return `DKVB_EINVAL` for an invalid argument; the status code of the source of rows if the source fails.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_features_survey(dkvb_features_info *info, const float *x, size_t n,
                                                         size_t dim);

/** Counts of classes with and without rows, made by dkvb_labels_survey(). */
typedef struct dkvb_labels_info {
    size_t struct_size;   /**< size of dkvb_labels_info in bytes, set by DKVB_LABELS_INFO_INIT */
    uint64_t rows;        /**< number of rows whose labels were examined */
    uint64_t unlabelled;  /**< number of rows with label -1 */
    uint64_t largest_row; /**< number of the first row with the largest label */
    int32_t smallest;     /**< smallest label that is not negative; -1 if no row has one */
    int32_t largest;      /**< largest label; -1 if no row has a label */
    uint32_t classes;     /**< number of classes: the number that the caller gave, or one more than the largest label */
    uint32_t empty;       /**< number of empty classes: classes that have no row */
    uint32_t first_empty; /**< first empty class: the lowest class that has no row */
    char empty_list[92];  /**< classes without a row, as ranges, for example "0, 5..9"; a long list ends in "..." */
} dkvb_labels_info;

/** Initialiser of dkvb_labels_info that gives every member its default. */
#define DKVB_LABELS_INFO_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_labels_info), 0, 0, 0, -1, -1, 0, 0, 0,                                                            \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_labels_info, DKVB_LABELS_INFO_INIT)

/** Value of the argument `known` of dkvb_labels_survey() that allows every class to have no rows. */
#define DKVB_LABELS_ANY 0xFFFFFFFFu

/**
 * Check labels before a training. A class without rows is usually a mistake: labels that start at 1, labels -1 and +1,
 * gaps between labels, or 255 for "no label".
 *
 * @param[out] info       receives the counts of the labels, even if the labels are refused; the caller sets its member
 *                        `struct_size`.
 * @param      labels     `int32_t[n]`, labels of the rows; -1 marks a row without a label.
 * @param      n          number of rows that the labels belong to.
 * @param      classes    number of classes; 0 stands for one more than the largest label.
 * @param      known      number of classes that the model already has: classes below this number may have no rows, and
 *                        are not counted as empty. DKVB_LABELS_ANY allows every class to have no rows, and counts the
 *                        empty classes.
 * @param      allocator  allocator, asked for one bit for each class; NULL stands for malloc() and free().
 * @return `DKVB_EMISMATCH` if classes have no rows, with a message that names these classes and the likely remedy, or
 *         if a label is not below `classes`; `DKVB_EINVAL`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_labels_survey(dkvb_labels_info *info, const int32_t *labels, size_t n,
                                                       uint32_t classes, uint32_t known,
                                                       const dkvb_allocator *allocator);

/**
 * Write an array to a `.npy` file: version 1.0, C order, little-endian, atomically (file.h).
 *
 * @param path   path of the `.npy` file to write.
 * @param dtype  number type of the elements in the file, DKVB_DTYPE_….
 * @param from   number type of the elements in `data`; 0 if they have the number type of the file. A `DKVB_DTYPE_F16`
 *               file can be written from float32: the library rounds to the nearest float16, ties to even, and numbers
 *               that are too large become infinite.
 * @param ndim   number of dimensions of the array.
 * @param shape  `uint64_t[ndim]`, length of each dimension of the array.
 * @param data   elements of the array in C order; may be NULL if there are none.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EIO` if the file cannot be written; `DKVB_ENOMEM` if memory runs
 *         out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_npy_write(const char *path, uint32_t dtype, uint32_t from, uint32_t ndim,
                                                   const uint64_t *shape, const void *data);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
