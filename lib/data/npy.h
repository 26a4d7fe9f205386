#ifndef DKVB_DATA_NPY_H
#define DKVB_DATA_NPY_H

#include <stdbool.h>

#include "data/stored.h"

/* True if a file that starts with these bytes claims to be NumPy's. */
bool dkvb__npy_sniff(const unsigned char *start, size_t size);

dkvb_status dkvb__npy_read(struct dkvb__stored *s, const struct dkvb__file *file);

#endif
