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
    /* largest number of columns of rows that may be whitened; the whitening matrix grows with the square of this
     * number */
    DKVB__MAX_WHITENED = 4096
};

/* Sizes that follow from the shape of codebooks, such as the number of 64-bit words of a set of keys, and the number of
 * quads (groups of four dimensions) of a key. Every file and every option is checked against the DKVB__MAX limits
 * first, so that no size overflows 64 bits. */
struct dkvb__shape {
    uint32_t codebooks, keys, key_dim, input_dim;
};

/* number of bytes of the keys of one codebook, padded to whole groups of 64 keys */
size_t dkvb__key_bytes(const struct dkvb__shape *s);
/* number of squared norms of keys in one codebook, padded to whole groups of 64 keys */
size_t dkvb__norm_count(const struct dkvb__shape *s);
/* number of 64-bit words of a set of key-value pairs: one bit for each pair, whole words for each codebook */
size_t dkvb__word_count(const struct dkvb__shape *s);
/* number of floats of the whitening matrix, which is stored in panels of 16 columns for the kernels */
size_t dkvb__whitening_count(const struct dkvb__shape *s);

/* Returns DKVB_EINVAL, with `what` in the message, unless every size of the codebooks' shape is in range. */
dkvb_status dkvb__shape_check(const struct dkvb__shape *s, const char *what);

struct dkvb_codebooks {
    dkvb_allocator mem;
    atomic_uint owners;
    struct dkvb__shape shape;
    bool normalize;
    bool frozen;
    /* range of the lengths (norms) of rows that count as inside the scale of the codebooks (outside.c) */
    float least, greatest;
    uint8_t birth[16];
    uint64_t seed; /* seed of the random projection of rows to the codebooks */
    /* group of ranks (processes) that share the codebooks and their models; usually the calling process alone */
    dkvb_ranks ranks;
    /* The five arrays center, whitening, scales, keys and purged of codebooks are owned by the codebooks, or all lie in
     * the mapped file `mapping`. */
    float *center; /* mean of the rows that keys were placed on, [input_dim] */
    /* matrix of the half whitening of rows, [panels][input_dim][16], see kernels.h; NULL: rows are not whitened */
    float *whitening;
    float *scales;    /* scales of the codebooks, [codebooks]: quantisation steps for one unit of a projected row */
    uint8_t *keys;    /* keys of the codebooks as bytes, [codebooks][words * 4][quads][16][4], see kernels.h */
    uint64_t *purged; /* bits of purged key-value pairs, [codebooks][64-bit words] */
    struct dkvb__mapping *mapping;
    /* Files do not store the codebooks' norms and random projection, which are computed from the members that files
     * store. */
    /* squared norm of each key, [codebooks][words * 64]; DKVB__DEAD if the key is purged or past the last key */
    int32_t *norms;
    /* Members of codebooks for the random projection, which the seed determines: */
    size_t rounds, round_size;
    float *signs; /* random signs of the projection's rounds, [rounds][round_size], each 1 or -1 */
    /* places of projected numbers among the outputs of the projection's rounds, [codebooks][key_dim]: round *
     * round_size + output */
    uint32_t *order;
    /* Members of codebooks whose keys still grow by steps of key placement; the pointers are NULL once the codebooks
     * are frozen: */
    /* growing keys of codebooks that are not frozen, [codebooks][keys][key_dim], in quantisation steps, not rounded */
    float *growing;
    float *use;     /* moving average of the number of rows that chose each growing key, [codebooks][keys] */
    uint64_t steps; /* number of batches of rows that the growing keys have been moved by */
    dkvb_keyinit_options *options;
};

/* Creates codebooks whose arrays are all allocated and cleared. Codebooks from dkvb__codebooks_new() have their random
 * projection and one owner, and are not frozen. */
dkvb_status dkvb__codebooks_new(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed, bool whiten,
                                const dkvb_allocator *mem);

/* Creates codebooks as dkvb__codebooks_new() does, but without the arrays center, whitening, scales, keys and purged,
 * whose pointers the caller then sets to places in the mapped file `mapping`. */
dkvb_status dkvb__codebooks_shell(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed,
                                  const dkvb_allocator *mem);

/* Makes an independent copy of frozen codebooks; the copy has their birth id (hash of contents). A copy of codebooks
 * lies in memory of its own, even if the original is mapped from a file. */
dkvb_status dkvb__codebooks_copy(dkvb_codebooks **out, const dkvb_codebooks *from, const dkvb_allocator *mem);

/* Sets the birth id of codebooks, a hash of their contents, and frees the state of keys that could grow.
 * dkvb__codebooks_seal() freezes the codebooks. */
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

/* Rounds keys, float[keys][key_dim] in quantisation steps, to the bytes and norms of one codebook. Bytes of a key past
 * the last dimension are DKVB__KEY_ZERO (64), which stands for 0. In the memory of a codebook, the bytes of places past
 * the last key are 0, and the norms of such places are DKVB__DEAD. */
void dkvb__pack_keys(uint8_t *keys, int32_t *norms, const float *from, const struct dkvb__shape *s);

/* Computes the squared norms of all keys of codebooks whose keys and purged (codebook, key) pairs were read from a file
 * or copied. */
void dkvb__codebooks_set_norms(dkvb_codebooks *cb);

/* True if all `count` numbers of x are finite. */
bool dkvb__all_finite(const float *x, size_t count);

#endif
