#ifndef DKVB_DATA_STORED_H
#define DKVB_DATA_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "dkvb/data.h"

/* An array that is being read from a file: in the file's layout, but in this machine's byte order. The caller of the
 * reading functions sets the path of the array's file, and the allocator of the array. If reading an array fails,
 * whoever owns this struct dkvb__stored frees its array.data. */
struct dkvb__stored {
    const char *path; /* path of the array's file, for messages */
    dkvb_array array;
    bool fortran; /* true while the elements of the array are in Fortran order (the first index varies fastest) */
};

/* Returns the number of bytes of one element of a type; 0 for an unknown type. */
size_t dkvb__dtype_size(uint32_t dtype);

/* Rounds float32 numbers to float16, to the nearest, ties to even; numbers that are too large become infinite. */
void dkvb__half_from_floats(uint16_t *to, const float *from, size_t n);

/* Computes the number of bytes of all elements of an array. The result is false if the array's elements do not fit in
 * memory. If one dimension of an array is 0, the product of the other dimensions must still fit, so later products of
 * some dimensions cannot overflow. */
bool dkvb__shape_bytes(size_t *bytes, uint32_t dtype, uint32_t ndim, const uint64_t *shape);

/* Computes the number of bytes of all elements of an array that is read from a file; DKVB_EFORMAT if the number is too
 * large for memory. */
dkvb_status dkvb__stored_bytes(size_t *bytes, const struct dkvb__stored *s);

/* Returns DKVB_EFORMAT unless the array's file has `bytes` bytes from `offset` on, as dtype and shape of the array
 * require. */
dkvb_status dkvb__stored_check_size(const struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset,
                                    size_t bytes);

/* Fills array.data with the rest of the array's file from `offset` on. The rest of the array's file must have the size
 * that dtype and shape of the array require. */
dkvb_status dkvb__stored_load(struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset);

/* Returns the number of elements of an array. */
size_t dkvb__elements(const dkvb_array *a);

/* Fails with DKVB_ENOMEM and a message that `count` elements of the array's type do not fit in memory. */
dkvb_status dkvb__stored_no_memory(const struct dkvb__stored *s, size_t count, uint32_t dtype);

/* Fails with DKVB_EFORMAT if two rows have the same id, which would make the two rows one, or with DKVB_ENOMEM. */
dkvb_status dkvb__ids_once(const uint64_t *ids, size_t n, const char *path, const dkvb_allocator *mem);

struct dkvb__source; /* struct dkvb__source is defined in npz.h */

/* dkvb__array_of() and the next functions of this header read an array from a source that is open already, as the
 * public functions of data.h do from a path; `how` is a constant DKVB_READ_…. */
dkvb_status dkvb__array_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how);
dkvb_status dkvb__features_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how);
dkvb_status dkvb__labels_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how);

/* Reverses the byte order of each element of an array that was read from a file. */
void dkvb__stored_swap(struct dkvb__stored *s);
void dkvb__swap_bytes(unsigned char *bytes, size_t count, size_t size);

/* False if C order and Fortran order of the elements are the same bytes: at most one dimension is longer than 1. */
bool dkvb__order_matters(const dkvb_array *a);

/* Returns an error unless type and shape of an array are allowed for features. */
dkvb_status dkvb__features_check(const struct dkvb__stored *s);

/* Changes the shape of an array to [rows][columns]: all dimensions after the first become columns. */
void dkvb__features_flatten(dkvb_array *a);

/* Fails with DKVB_EFORMAT for the first feature in x that is not finite; `first` is the number of elements before x. */
dkvb_status dkvb__features_finite(const char *path, const float *x, size_t count, uint64_t first, size_t columns);

#endif
