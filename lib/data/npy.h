#ifndef DKVB_DATA_NPY_H
#define DKVB_DATA_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "data/stored.h"

/* True if a file that starts with these bytes claims to be NumPy's. */
bool dkvb__npy_sniff(const unsigned char *start, size_t size);

/* Type, shape and order from the header alone, and where the elements begin. *native: they lie there as they are used,
 * in this machine's byte order. The file has exactly the bytes that they need. */
dkvb_status dkvb__npy_look(struct dkvb__stored *s, const struct dkvb__file *file, uint64_t *offset, bool *native);

/* Takes the text of a row, which ends with a zero and stays the caller's. */
typedef dkvb_status (*dkvb__npy_text_fn)(void *context, size_t row, const char *text);

/* Give the texts of an array of NumPy's types U and S, row by row, to `take`; NULL only counts the rows. Texts of type
 * S may be of any encoding. *texts is false, and nothing is given, if the elements are numbers. */
dkvb_status dkvb__npy_texts(size_t *rows, bool *texts, const struct dkvb__file *file, const dkvb_allocator *mem,
                            dkvb__npy_text_fn take, void *context);

dkvb_status dkvb__npy_read(struct dkvb__stored *s, const struct dkvb__file *file);

#endif
