#ifndef DKVB_DATA_NPY_H
#define DKVB_DATA_NPY_H

#include <stdbool.h>

#include "data/stored.h"

/* True if a file that starts with these bytes claims to be NumPy's. */
bool dkvb__npy_sniff(const unsigned char *start, size_t size);

/* Type, shape and order from the header alone, and where the elements begin. *native: they lie there as they are used,
 * in this machine's byte order. The file has exactly the bytes that they need. */
dkvb_status dkvb__npy_look(struct dkvb__stored *s, const struct dkvb__file *file, uint64_t *offset, bool *native);

dkvb_status dkvb__npy_read(struct dkvb__stored *s, const struct dkvb__file *file);

#endif
