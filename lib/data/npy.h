#ifndef DKVB_DATA_NPY_H
#define DKVB_DATA_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "data/stored.h"

/* True if a file that starts with these bytes claims to be NumPy's. */
bool dkvb__npy_sniff(const unsigned char *start, size_t size);

/* How the elements lie in the file. */
struct dkvb__npy_place {
    uint64_t offset; /* byte at which they begin */
    bool big_endian;
    bool boolean; /* bytes that must be 0 or 1 */
};

/* Reads type, shape and order from the header alone, and how the elements lie in the file. The file has exactly the
 * bytes that they need. */
dkvb_status dkvb__npy_look(struct dkvb__stored *s, const struct dkvb__file *file, struct dkvb__npy_place *place);

/* Takes the text of a row, which ends with a zero and stays the caller's. */
typedef dkvb_status (*dkvb__npy_text_fn)(void *context, size_t row, const char *text);

/* Give the texts of an array of NumPy's types U and S, row by row, to `take`; NULL only counts the rows. Texts of type
 * S may be of any encoding. *texts is false, and nothing is given, if the elements are numbers. */
dkvb_status dkvb__npy_texts(size_t *rows, bool *texts, const struct dkvb__file *file, const dkvb_allocator *mem,
                            dkvb__npy_text_fn take, void *context);

dkvb_status dkvb__npy_read(struct dkvb__stored *s, const struct dkvb__file *file);

/* The beginning of an array that arrives as bytes. */
struct dkvb__npy_start {
    size_t needed;    /* bytes that must have arrived before type and shape are known; the elements begin there */
    dkvb_array array; /* type and shape, without elements */
    bool big_endian, boolean, fortran;
};

/* Reads type and shape from the first `size` bytes of an array. While *needed is greater than `size`, nothing else of
 * the result is set. `name` begins messages. DKVB_EFORMAT, DKVB_ENOMEM. */
dkvb_status dkvb__npy_start(struct dkvb__npy_start *start, const unsigned char *bytes, size_t size, const char *name,
                            const dkvb_allocator *mem);

#endif
