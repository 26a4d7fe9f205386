#include "bottleneck/mask.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/kernels.h"

static size_t total_words(const dkvb_mask *mask)
{
    return mask->codebooks * mask->words;
}

uint64_t dkvb__last_word(size_t keys)
{
    return keys % 64 ? ((uint64_t)1 << (keys % 64)) - 1 : UINT64_MAX;
}

bool dkvb__bits_in_range(const uint64_t *bits, size_t codebooks, size_t keys)
{
    size_t words = dkvb__key_words(keys);

    for (size_t c = 0; c < codebooks; c++)
        if (bits[(c + 1) * words - 1] & ~dkvb__last_word(keys))
            return false;
    return true;
}

dkvb_status dkvb__mask_new(dkvb_mask **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                           const dkvb_allocator *mem)
{
    dkvb_mask *mask = dkvb__alloc0(mem, 1, sizeof *mask);

    *out = NULL;
    if (!mask)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    mask->mem = *mem;
    memcpy(mask->birth, birth, sizeof mask->birth);
    mask->codebooks = codebooks;
    mask->keys = keys;
    mask->words = dkvb__key_words(keys);
    mask->bits = dkvb__alloc0(mem, total_words(mask), sizeof *mask->bits);
    if (!mask->bits) {
        dkvb_mask_free(mask);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a mask of %u x %u pairs", codebooks, keys);
    }
    *out = mask;
    return DKVB_OK;
}

dkvb_status dkvb_mask_new(dkvb_mask **out, const dkvb_codebooks *cb)
{
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__codebooks_need_frozen(cb);
    if (rc)
        return rc;
    return dkvb__mask_new(out, cb->birth, cb->shape.codebooks, cb->shape.keys, &cb->mem);
}

dkvb_status dkvb_mask_copy(dkvb_mask **out, const dkvb_mask *mask)
{
    dkvb_status rc = dkvb__mask_new(out, mask->birth, mask->codebooks, mask->keys, &mask->mem);

    if (rc)
        return rc;
    memcpy((*out)->bits, mask->bits, total_words(mask) * sizeof *mask->bits);
    return DKVB_OK;
}

void dkvb_mask_free(dkvb_mask *mask)
{
    dkvb_allocator mem;

    if (!mask)
        return;
    mem = mask->mem;
    dkvb__free_erased(&mem, mask->bits);
    dkvb__free(&mem, mask);
}

dkvb_status dkvb_mask_set(dkvb_mask *mask, uint32_t codebook, uint32_t key, int on)
{
    if (codebook >= mask->codebooks || key >= mask->keys)
        return dkvb__fail(DKVB_EINVAL, "pair (%u, %u) does not exist: there are %u codebooks of %u keys", codebook, key,
                          mask->codebooks, mask->keys);
    if (on != 0 && on != 1)
        return dkvb__fail(DKVB_EINVAL, "pair (%u, %u): %d found, it must be 1 (in the mask) or 0 (out of it)", codebook,
                          key, on);
    dkvb__mask_set(mask, codebook, key);
    if (!on)
        mask->bits[codebook * mask->words + key / 64] &= ~((uint64_t)1 << (key % 64));
    return DKVB_OK;
}

void dkvb__mask_clear(dkvb_mask *mask)
{
    memset(mask->bits, 0, total_words(mask) * sizeof *mask->bits);
}

uint64_t dkvb__mask_count(const dkvb_mask *mask)
{
    uint64_t count = 0;

    for (size_t w = 0; w < total_words(mask); w++)
        count += (uint64_t)__builtin_popcountll(mask->bits[w]);
    return count;
}

dkvb_status dkvb_mask_get_info(const dkvb_mask *mask, dkvb_mask_info *info)
{
    dkvb_mask_info full = DKVB_MASK_INFO_INIT;

    full.codebooks = mask->codebooks;
    full.keys = mask->keys;
    full.pairs = dkvb__mask_count(mask);
    full.pairs_total = (uint64_t)mask->codebooks * mask->keys;
    memcpy(full.birth, mask->birth, sizeof full.birth);
    return dkvb__give_info(info, &full, sizeof full, "mask info");
}

/* Returns the first bytes of a birth id (the hash that tells codebooks apart), in printing order. The first bytes of
 * birth ids (hashes of codebooks) are enough for a person to tell two ids apart. */
static unsigned birth_start(const uint8_t birth[16])
{
    return (unsigned)birth[0] << 24 | (unsigned)birth[1] << 16 | (unsigned)birth[2] << 8 | birth[3];
}

static bool same_codebooks(const dkvb_mask *a, const dkvb_mask *b)
{
    return memcmp(a->birth, b->birth, sizeof a->birth) == 0 && a->codebooks == b->codebooks && a->keys == b->keys;
}

static dkvb_status check_same(const dkvb_mask *mask, const dkvb_mask *other)
{
    if (!same_codebooks(mask, other))
        return dkvb__fail(
            DKVB_EMISMATCH,
            "masks of different codebooks do not mix: birth id %08x... (%u x %u pairs) found, it must be %08x... "
            "(%u x %u)",
            birth_start(other->birth), other->codebooks, other->keys, birth_start(mask->birth), mask->codebooks,
            mask->keys);
    return DKVB_OK;
}

dkvb_status dkvb__mask_check(const dkvb_mask *mask, const dkvb_codebooks *cb)
{
    if (memcmp(mask->birth, cb->birth, sizeof cb->birth) != 0 || mask->codebooks != cb->shape.codebooks ||
        mask->keys != cb->shape.keys)
        return dkvb__fail(
            DKVB_EMISMATCH,
            "the mask belongs to other codebooks: birth id %08x... (%u x %u pairs) found, it must be %08x... (%u x %u)",
            birth_start(mask->birth), mask->codebooks, mask->keys, birth_start(cb->birth), cb->shape.codebooks,
            cb->shape.keys);
    return DKVB_OK;
}

void dkvb__drop_purged(dkvb_mask *mask, const dkvb_codebooks *cb)
{
    for (size_t w = 0; w < total_words(mask); w++)
        mask->bits[w] &= ~cb->purged[w];
}

dkvb_status dkvb_mask_combine(dkvb_mask *mask, const dkvb_mask *other, uint32_t how)
{
    dkvb_status rc = check_same(mask, other);

    if (!rc && (how < DKVB_MASK_UNION || how > DKVB_MASK_DIFFERENCE))
        rc = dkvb__fail(DKVB_EINVAL, "masks: way %u of combining is unknown, it must be %d to %d", how, DKVB_MASK_UNION,
                        DKVB_MASK_DIFFERENCE);
    for (size_t w = 0; !rc && w < total_words(mask); w++) {
        uint64_t bits = other->bits[w];

        mask->bits[w] = how == DKVB_MASK_UNION          ? mask->bits[w] | bits
                        : how == DKVB_MASK_INTERSECTION ? mask->bits[w] & bits
                                                        : mask->bits[w] & ~bits;
    }
    return rc;
}

int dkvb_mask_equal(const dkvb_mask *a, const dkvb_mask *b)
{
    return same_codebooks(a, b) && memcmp(a->bits, b->bits, total_words(a) * sizeof *a->bits) == 0;
}

int dkvb_mask_next(const dkvb_mask *mask, uint64_t from, uint64_t *pair)
{
    uint64_t codebook = from / mask->keys;
    size_t key = (size_t)(from % mask->keys);

    for (; codebook < mask->codebooks; codebook++, key = 0) {
        const uint64_t *bits = mask->bits + codebook * mask->words;

        for (size_t w = key / 64; w < mask->words; w++) {
            uint64_t word = bits[w];

            if (w == key / 64)
                word &= UINT64_MAX << (key % 64);
            if (word) {
                *pair = codebook * mask->keys + w * 64 + (uint64_t)__builtin_ctzll(word);
                return 1;
            }
        }
    }
    return 0;
}

void dkvb_mask_get_bytes(const dkvb_mask *mask, uint8_t *out)
{
    for (size_t c = 0; c < mask->codebooks; c++)
        for (size_t j = 0; j < mask->keys; j++)
            *out++ = dkvb__mask_bit(mask, c, j);
}
