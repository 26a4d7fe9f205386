#ifndef DKVB_BASE_NPY_HEADER_H
#define DKVB_BASE_NPY_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/* Length of the fixed bytes that files of NumPy's format .npy begin with. */
enum { DKVB__NPY_MAGIC = 6 };
extern const unsigned char dkvb__npy_magic[DKVB__NPY_MAGIC];

/* Writes preamble and header of a .npy array, and returns their size in bytes; the elements follow in the file. The
 * argument `descr` of dkvb__npy_header() is NumPy's name of the element type, at most 16 bytes; the buffer `to` has
 * DKVB__NPY_HEADER bytes, enough for the header of an array of 8 dimensions. */
enum { DKVB__NPY_HEADER = 384 };
size_t dkvb__npy_header(char *to, const char *descr, uint32_t ndim, const uint64_t *shape);

/* Begins a .npy file with the header of an array. After dkvb__npy_begin() the caller writes the array's elements, and
 * then commits or aborts the writer; if dkvb__npy_begin() fails, the caller need not abort the writer. */
dkvb_status dkvb__npy_begin(struct dkvb__writer *w, const char *path, const char *descr, uint32_t ndim,
                            const uint64_t *shape, const dkvb_allocator *mem);

#endif
