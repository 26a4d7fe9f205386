#ifndef DKVB_BOTTLENECK_COARSE_H
#define DKVB_BOTTLENECK_COARSE_H

#include "bottleneck/codebooks.h"
#include "kernels/kernels.h"

/* Coarse keys of one codebook in one piece of memory (kernels/coarse.h): its size, 0 if there are none for this shape;
 * and where its arrays lie. */
size_t dkvb__coarse_bytes(const struct dkvb__shape *shape);
void dkvb__coarse_place(struct dkvb__coarse *coarse, void *memory, const struct dkvb__shape *shape);

/* Make room for the coarse keys of frozen codebooks, if they have a use. They are filled in codebook by codebook, when
 * enough rows have come by to make it worth while. */
dkvb_status dkvb__coarse_reserve(const dkvb_codebooks *cb);

/* The coarse keys of codebook `c` for a search of `rows` rows; NULL if it is to do without. Any thread. */
const struct dkvb__coarse *dkvb__coarse_for(const dkvb_codebooks *cb, size_t c, size_t rows);

/* Forget them: the keys change, or go. No search may be under way. */
void dkvb__coarse_drop(dkvb_codebooks *cb);

#endif
