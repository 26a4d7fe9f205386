#ifndef DKVB_DATA_NPY_H
#define DKVB_DATA_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "data/stored.h"

/* True if a file that starts with these bytes claims to be a NumPy .npy file. */
bool dkvb__npy_sniff(const unsigned char *start, size_t size);

/* The place and form of the elements in a .npy file. */
struct dkvb__npy_place {
    uint64_t offset; /* offset of the first element in the .npy file */
    bool big_endian;
    bool boolean; /* true if the elements of the array are booleans: bytes that must be 0 or 1 */
};

/* Reads type, shape and order of a .npy file from the header alone, and finds where its elements are. The size of the
 * .npy file must be exactly right for its elements. */
dkvb_status dkvb__npy_look(struct dkvb__stored *s, const struct dkvb__file *file, struct dkvb__npy_place *place);

/* A callback that takes the text, such as the name of a label, that a file has for one row. The callback's text ends
 * with a NUL and is valid only while the callback runs. */
typedef dkvb_status (*dkvb__npy_text_fn)(void *context, size_t row, const char *text);

/* Gives the texts of an array of NumPy's types U and S, row by row, to `take`; with `take` NULL the rows are only
 * counted. Texts of type S may have any encoding. If the array has numbers instead of texts, *texts becomes false and
 * `take` is not called. */
dkvb_status dkvb__npy_texts(size_t *rows, bool *texts, const struct dkvb__file *file, const dkvb_allocator *mem,
                            dkvb__npy_text_fn take, void *context);

dkvb_status dkvb__npy_read(struct dkvb__stored *s, const struct dkvb__file *file);

/* The beginning of a .npy array whose bytes are still arriving. */
struct dkvb__npy_start {
    /* number of bytes of the .npy array that must have arrived before type and shape are known; the elements begin at
     * this offset */
    size_t needed;
    /* type and shape of a .npy array of which only the header has arrived, so that the array has no elements yet */
    dkvb_array array;
    bool big_endian, boolean, fortran;
};

/* Reads type and shape from the first `size` bytes of a .npy array. If *needed (the number of bytes from which type and
 * shape can be read) becomes greater than `size`, `start` is not filled in. Error messages about the .npy array begin
 * with the text `name`. Reading type and shape may fail with DKVB_EFORMAT or DKVB_ENOMEM. */
dkvb_status dkvb__npy_start(struct dkvb__npy_start *start, const unsigned char *bytes, size_t size, const char *name,
                            const dkvb_allocator *mem);

#endif
