#ifndef DKVB_BOTTLENECK_COARSE_H
#define DKVB_BOTTLENECK_COARSE_H

#include <stdatomic.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"
#include "kernels/kernels.h"

/* Coarse keys of one codebook in one piece of memory (kernels/coarse.h): its size, 0 if these kernels have no use for
 * them; and where its arrays lie. */
size_t dkvb__coarse_bytes(size_t keys, size_t dim);
void dkvb__coarse_place(struct dkvb__coarse *coarse, void *memory, size_t keys, size_t dim);

/* The coarse keys of all codebooks of an object, NULL at first. What is kept beside the keys is no part of what they
 * are, so searches of constant codebooks may add it. */
struct dkvb__coarse_set;
typedef struct dkvb__coarse_set *_Atomic dkvb__coarse_slot;

/* Make room, if coarse keys have a use. They are filled in codebook by codebook, when enough rows have come by to make
 * it worth while. Any thread. */
dkvb_status dkvb__coarse_reserve(dkvb__coarse_slot *slot, size_t codebooks, size_t keys, size_t dim,
                                 const dkvb_allocator *mem);

/* The coarse keys of codebook `c`, whose keys are `blocks`, for a search of `rows` rows; NULL if it is to do without.
 * Any thread. */
const struct dkvb__coarse *dkvb__coarse_for(dkvb__coarse_slot *slot, size_t c, const float *blocks, size_t rows);

/* Forget them: the keys change, or go. No search may be under way. */
void dkvb__coarse_drop(dkvb__coarse_slot *slot, const dkvb_allocator *mem);

#endif
