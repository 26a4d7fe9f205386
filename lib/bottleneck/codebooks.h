#ifndef DKVB_BOTTLENECK_CODEBOOKS_H
#define DKVB_BOTTLENECK_CODEBOOKS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/file.h"
#include "bottleneck/coarse.h"
#include "dkvb/codebooks.h"

enum { DKVB__MAX_CODEBOOKS = 65535, DKVB__MAX_KEYS = 65535, DKVB__MAX_KEY_DIM = 4096, DKVB__MAX_INPUT_DIM = 1 << 20 };

/* Sizes that follow from the shape. Every file and every option is checked against the limits above first, so none
 * overflows 64 bits. */
struct dkvb__shape {
    uint32_t codebooks, keys, key_dim, input_dim;
};

size_t dkvb__projection_count(const struct dkvb__shape *s); /* floats of all projections, [C][m][d] */
size_t dkvb__block_count(const struct dkvb__shape *s);      /* floats of all key blocks, [C][blocks][d][16] */
size_t dkvb__word_count(const struct dkvb__shape *s);       /* 64-bit words of a set of pairs, [C][words] */

/* DKVB_EINVAL, naming `what`, unless every size is in range. */
dkvb_status dkvb__shape_check(const struct dkvb__shape *s, const char *what);

struct dkvb_codebooks {
    dkvb_allocator mem;
    atomic_uint owners;
    struct dkvb__shape shape;
    bool normalize;
    bool frozen;
    uint8_t birth[16];
    /* All four are owned, or all lie in `mapping`. */
    float *projection; /* [C][m][d] */
    float *center;     /* [m] */
    float *blocks;     /* [C][blocks][d][16], see kernels.h */
    uint64_t *purged;  /* [C][words] */
    struct dkvb__mapping *mapping;
    dkvb__coarse_slot coarse;
    /* While keys grow, NULL once frozen: */
    float *use;     /* [C][K], moving average of rows that chose each key */
    uint64_t steps; /* batches seen */
    dkvb_keyinit_options *options;
};

/* All arrays allocated and cleared, one owner, not frozen. */
dkvb_status dkvb__codebooks_new(dkvb_codebooks **out, const struct dkvb__shape *shape, const dkvb_allocator *mem);

/* An independent copy of frozen codebooks, birth id included; never mapped. */
dkvb_status dkvb__codebooks_copy(dkvb_codebooks **out, const dkvb_codebooks *from, const dkvb_allocator *mem);

/* Set the birth id from the contents and end all growing. */
void dkvb__codebooks_seal(dkvb_codebooks *cb);

/* DKVB_ESTATE unless frozen. */
dkvb_status dkvb__codebooks_need_frozen(const dkvb_codebooks *cb);

static inline const float *dkvb__codebook_projection(const dkvb_codebooks *cb, size_t c)
{
    return cb->projection + c * cb->shape.input_dim * cb->shape.key_dim;
}

float *dkvb__codebook_blocks(const dkvb_codebooks *cb, size_t c);

/* True if all `count` numbers are finite. */
bool dkvb__all_finite(const float *x, size_t count);

#endif
