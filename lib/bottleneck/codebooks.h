#ifndef DKVB_BOTTLENECK_CODEBOOKS_H
#define DKVB_BOTTLENECK_CODEBOOKS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/file.h"
#include "base/ranks.h"
#include "base/rng.h"
#include "dkvb/codebooks.h"
#include "kernels/kernels.h"

enum {
    DKVB__MAX_CODEBOOKS = 65535,
    DKVB__MAX_KEYS = 65535,
    DKVB__MAX_KEY_DIM = 4096,
    DKVB__MAX_INPUT_DIM = 1 << 20,
    DKVB__MAX_WHITENED = 4096 /* columns that may be whitened; the matrix grows with their square */
};

/* Sizes that follow from the shape. Every file and every option is checked against the limits above first, so that no
 * size overflows 64 bits. */
struct dkvb__shape {
    uint32_t codebooks, keys, key_dim, input_dim;
};

size_t dkvb__key_bytes(const struct dkvb__shape *s);  /* bytes of the keys of one codebook, in whole words of 64 keys */
size_t dkvb__norm_count(const struct dkvb__shape *s); /* number of norms of one codebook, in whole words of 64 keys */
size_t dkvb__word_count(const struct dkvb__shape *s); /* 64-bit words of a set of pairs, [C][words] */
size_t dkvb__whitening_count(const struct dkvb__shape *s); /* number of floats of the whitening matrix, in panels */

/* Returns DKVB_EINVAL, naming `what`, unless every size is in range. */
dkvb_status dkvb__shape_check(const struct dkvb__shape *s, const char *what);

struct dkvb_codebooks {
    dkvb_allocator mem;
    atomic_uint owners;
    struct dkvb__shape shape;
    bool normalize;
    bool frozen;
    float least, greatest; /* lengths between which rows count as inside the scale (outside.c) */
    uint8_t birth[16];
    uint64_t seed;    /* seed of the projection */
    dkvb_ranks ranks; /* the ranks that share these codebooks, and the models of them; usually this process alone */
    /* The next five arrays are owned, or all lie in `mapping`. */
    float *center;    /* [m] */
    float *whitening; /* [panels][m][16], see kernels.h; NULL: rows are not whitened */
    float *scales;    /* [C], steps for one unit of a projected row */
    uint8_t *keys;    /* [C][words * 4][quads][16][4], see kernels.h */
    uint64_t *purged; /* [C][words] */
    struct dkvb__mapping *mapping;
    /* Members that are not in files: */
    int32_t *norms; /* [C][words * 64], sum of squares of each key; DKVB__DEAD if it is purged or past the last key */
    /* The projection, which the seed determines: */
    size_t rounds, round_size;
    float *signs;    /* [rounds][round_size], 1 or -1 */
    uint32_t *order; /* [C][d], round * round_size + output */
    /* State of growing keys, NULL once the codebooks are frozen: */
    float *growing; /* [C][K][d], in steps, not rounded */
    float *use;     /* [C][K], moving average of the number of rows that chose each key */
    uint64_t steps; /* number of batches seen */
    dkvb_keyinit_options *options;
};

/* Creates codebooks with all arrays allocated and cleared, the projection drawn, one owner, and not frozen. */
dkvb_status dkvb__codebooks_new(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed, bool whiten,
                                const dkvb_allocator *mem);

/* Creates codebooks as dkvb__codebooks_new() does, but without the five arrays; the caller points them into `mapping`.
 */
dkvb_status dkvb__codebooks_shell(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed,
                                  const dkvb_allocator *mem);

/* Makes an independent copy of frozen codebooks with the same birth id. The copy is never mapped. */
dkvb_status dkvb__codebooks_copy(dkvb_codebooks **out, const dkvb_codebooks *from, const dkvb_allocator *mem);

/* Sets the birth id from the contents, and ends all growing. */
void dkvb__codebooks_seal(dkvb_codebooks *cb);

/* Returns DKVB_ESTATE unless the codebooks are frozen. */
dkvb_status dkvb__codebooks_need_frozen(const dkvb_codebooks *cb);

static inline uint8_t *dkvb__codebook_keys(const dkvb_codebooks *cb, size_t c)
{
    return cb->keys + c * dkvb__key_bytes(&cb->shape);
}

static inline int32_t *dkvb__codebook_norms(const dkvb_codebooks *cb, size_t c)
{
    return cb->norms + c * dkvb__norm_count(&cb->shape);
}

/* Rounds float[K][d], in steps, to the bytes and norms of one codebook. Bytes past the last dimension are
 * DKVB__KEY_ZERO. Keys past the last one are 0, and their norms DKVB__DEAD. */
void dkvb__pack_keys(uint8_t *keys, int32_t *norms, const float *from, const struct dkvb__shape *s);

/* Computes the norms from keys and purged pairs that came from elsewhere. */
void dkvb__codebooks_set_norms(dkvb_codebooks *cb);

/* True if all `count` numbers are finite. */
bool dkvb__all_finite(const float *x, size_t count);

#endif
