#ifndef DKVB_DATA_IDX_H
#define DKVB_DATA_IDX_H

#include <stdbool.h>

#include "data/stored.h"

/* True if a file that starts with these bytes claims to be an IDX file, or a gzip file, which then must contain IDX. */
bool dkvb__idx_sniff(const unsigned char *start, size_t size);

dkvb_status dkvb__idx_read(struct dkvb__stored *s, const struct dkvb__file *file);

#endif
