#ifndef DKVB_DATA_STORED_H
#define DKVB_DATA_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "dkvb/data.h"

/* An array that is being read: as its file holds it, but in this machine's byte order. The caller sets path and
 * array.allocator. After a failed step, the owner of the struct releases array.data. */
struct dkvb__stored {
    const char *path; /* path for messages */
    dkvb_array array;
    bool fortran; /* the first index still varies fastest */
};

/* Bytes of one element; 0 for an unknown type. */
size_t dkvb__dtype_size(uint32_t dtype);

/* Rounds floats to float16, to the nearest, ties to even; numbers that are too large become infinite. */
void dkvb__half_from_floats(uint16_t *to, const float *from, size_t n);

/* Computes the bytes of all elements. The result is false if they do not fit in memory. A dimension of 0 does not hide
 * the others, so later products of some dimensions cannot overflow. */
bool dkvb__shape_bytes(size_t *bytes, uint32_t dtype, uint32_t ndim, const uint64_t *shape);

/* The same check for an array that was read; fails with DKVB_EFORMAT. */
dkvb_status dkvb__stored_bytes(size_t *bytes, const struct dkvb__stored *s);

/* Returns DKVB_EFORMAT unless the file has `bytes` bytes from `offset` on, as dtype and shape require. */
dkvb_status dkvb__stored_check_size(const struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset,
                                    size_t bytes);

/* Fills array.data with the rest of the file from `offset` on, which must be as long as dtype and shape require. */
dkvb_status dkvb__stored_load(struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset);

/* Number of elements. */
size_t dkvb__elements(const dkvb_array *a);

/* Fails with DKVB_ENOMEM for `count` elements of a type. */
dkvb_status dkvb__stored_no_memory(const struct dkvb__stored *s, size_t count, uint32_t dtype);

/* Fails with DKVB_EFORMAT if two rows have one id, which would make one row of two, or with DKVB_ENOMEM. */
dkvb_status dkvb__ids_once(const uint64_t *ids, size_t n, const char *path, const dkvb_allocator *mem);

struct dkvb__source; /* npz.h */

/* The public readers of data.h, for a source that is open already; `how` is DKVB_READ_…. */
dkvb_status dkvb__array_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how);
dkvb_status dkvb__features_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how);
dkvb_status dkvb__labels_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how);

/* Reverses the bytes of every element. */
void dkvb__stored_swap(struct dkvb__stored *s);
void dkvb__swap_bytes(unsigned char *bytes, size_t count, size_t size);

/* False if both orders of the elements are the same bytes: at most one dimension is longer than 1. */
bool dkvb__order_matters(const dkvb_array *a);

/* Checks that type and shape are those of features. */
dkvb_status dkvb__features_check(const struct dkvb__stored *s);

/* Makes [rows][columns] of a shape: everything behind the first dimension is a column. */
void dkvb__features_flatten(dkvb_array *a);

/* Fails with DKVB_EFORMAT for the first number that is not finite; `first` is the number of elements in front of x. */
dkvb_status dkvb__features_finite(const char *path, const float *x, size_t count, uint64_t first, size_t columns);

#endif
