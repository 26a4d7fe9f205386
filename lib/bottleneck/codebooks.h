#ifndef DKVB_BOTTLENECK_CODEBOOKS_H
#define DKVB_BOTTLENECK_CODEBOOKS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/file.h"
#include "base/rng.h"
#include "dkvb/codebooks.h"
#include "kernels/kernels.h"

enum {
    DKVB__MAX_CODEBOOKS = 65535,
    DKVB__MAX_KEYS = 65535,
    DKVB__MAX_KEY_DIM = 4096,
    DKVB__MAX_INPUT_DIM = 1 << 20,
    DKVB__MAX_WHITENED = 4096 /* columns; the matrix grows with their square */
};

/* Sizes that follow from the shape. Every file and every option is checked against the limits above first, so none
 * overflows 64 bits. */
struct dkvb__shape {
    uint32_t codebooks, keys, key_dim, input_dim;
};

size_t dkvb__key_bytes(const struct dkvb__shape *s);  /* bytes of the keys of one codebook, a whole number of words */
size_t dkvb__norm_count(const struct dkvb__shape *s); /* norms of one codebook, a whole number of words */
size_t dkvb__word_count(const struct dkvb__shape *s); /* 64-bit words of a set of pairs, [C][words] */
size_t dkvb__whitening_count(const struct dkvb__shape *s); /* floats of the whitening, in panels */

/* DKVB_EINVAL, naming `what`, unless every size is in range. */
dkvb_status dkvb__shape_check(const struct dkvb__shape *s, const char *what);

struct dkvb_codebooks {
    dkvb_allocator mem;
    atomic_uint owners;
    struct dkvb__shape shape;
    bool normalize;
    bool frozen;
    float least, greatest; /* lengths of rows that are not outside the scale: outside.c */
    uint8_t birth[16];
    uint64_t seed; /* seed of the projection */
    /* These five are owned, or all lie in `mapping`. */
    float *center;    /* [m] */
    float *whitening; /* [panels][m][16], see kernels.h; NULL: rows are not whitened */
    float *scales;    /* [C], steps a unit */
    uint8_t *keys;    /* [C][words * 4][quads][16][4], see kernels.h */
    uint64_t *purged; /* [C][words] */
    struct dkvb__mapping *mapping;
    /* Not in files: */
    int32_t *norms; /* [C][words * 64], squares of a key summed, DKVB__DEAD if it is purged or past the last */
    /* The projection, remade from the seed: */
    size_t rounds, round_size;
    float *signs;    /* [rounds][round_size], 1 or -1 */
    uint32_t *order; /* [C][d], round * round_size + output */
    /* While keys grow, NULL once frozen: */
    float *growing; /* [C][K][d], in steps, not rounded */
    float *use;     /* [C][K], moving average of rows that chose each key */
    uint64_t steps; /* batches seen */
    dkvb_keyinit_options *options;
};

/* All arrays allocated and cleared, projection drawn, one owner, not frozen. */
dkvb_status dkvb__codebooks_new(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed, bool whiten,
                                const dkvb_allocator *mem);

/* The same without the five arrays, which the caller points into `mapping`. */
dkvb_status dkvb__codebooks_shell(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed,
                                  const dkvb_allocator *mem);

/* An independent copy of frozen codebooks, birth id included; never mapped. */
dkvb_status dkvb__codebooks_copy(dkvb_codebooks **out, const dkvb_codebooks *from, const dkvb_allocator *mem);

/* Set the birth id from the contents and end all growing. */
void dkvb__codebooks_seal(dkvb_codebooks *cb);

/* DKVB_ESTATE unless frozen. */
dkvb_status dkvb__codebooks_need_frozen(const dkvb_codebooks *cb);

static inline uint8_t *dkvb__codebook_keys(const dkvb_codebooks *cb, size_t c)
{
    return cb->keys + c * dkvb__key_bytes(&cb->shape);
}

static inline int32_t *dkvb__codebook_norms(const dkvb_codebooks *cb, size_t c)
{
    return cb->norms + c * dkvb__norm_count(&cb->shape);
}

/* Round float[K][d], in steps, to the bytes and norms of one codebook. Bytes past the last dimension are
 * DKVB__KEY_ZERO, keys past the last one are 0 and DKVB__DEAD. */
void dkvb__pack_keys(uint8_t *keys, int32_t *norms, const float *from, const struct dkvb__shape *s);

/* Make the norms from keys and purged pairs that came from elsewhere. */
void dkvb__codebooks_set_norms(dkvb_codebooks *cb);

/* True if all `count` numbers are finite. */
bool dkvb__all_finite(const float *x, size_t count);

#endif
