#ifndef DKVB_BOTTLENECK_MASK_H
#define DKVB_BOTTLENECK_MASK_H

#include "bottleneck/codebooks.h"
#include "dkvb/mask.h"

struct dkvb_mask {
    dkvb_allocator mem;
    uint8_t birth[16]; /* birth id (hash of contents) of the codebooks that the mask belongs to */
    uint32_t codebooks, keys;
    size_t words;   /* number of 64-bit words of the mask for one codebook */
    uint64_t *bits; /* bits of masked key-value pairs, [codebooks][words]; bits past the last key are 0 */
};

dkvb_status dkvb__mask_new(dkvb_mask **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                           const dkvb_allocator *mem);

/* Returns DKVB_EMISMATCH unless the mask has the birth id (hash of contents) and the shape of the codebooks `cb`. */
dkvb_status dkvb__mask_check(const dkvb_mask *mask, const dkvb_codebooks *cb);

/* Tells whether a key-value pair is in the mask. The key-value pair to look up must exist: `key` is below the number of
 * keys. */
static inline bool dkvb__mask_bit(const dkvb_mask *mask, size_t codebook, size_t key)
{
    return mask->bits[codebook * mask->words + key / 64] >> (key % 64) & 1;
}

static inline void dkvb__mask_set(dkvb_mask *mask, size_t codebook, size_t key)
{
    mask->bits[codebook * mask->words + key / 64] |= (uint64_t)1 << (key % 64);
}

/* Returns the number of key-value pairs in the mask. */
uint64_t dkvb__mask_count(const dkvb_mask *mask);

/* Removes every key-value pair from the mask. */
void dkvb__mask_clear(dkvb_mask *mask);

/* Removes the purged (codebook, key) pairs of codebooks from a mask of these codebooks. Purged key-value pairs are dead
 * (never selected) without a mask, and are counted separately from masked key-value pairs. */
void dkvb__drop_purged(dkvb_mask *mask, const dkvb_codebooks *cb);

/* Returns the bits that stand for keys in the last 64-bit word of a codebook of `keys` keys. */
uint64_t dkvb__last_word(size_t keys);

/* True if a set of keys, one bit for each key, has no bit past the last key of a codebook. The array `bits` has one bit
 * for each key, [codebooks][words]. */
bool dkvb__bits_in_range(const uint64_t *bits, size_t codebooks, size_t keys);

#endif
