#include "base/checksum.h"

#include <string.h>

/* this definition compiles xxHash into this file, so that there is no library to load and no state to allocate */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t dkvb__checksum(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct dkvb__checksum_state), "the state of xxHash has room");

void dkvb__checksum_begin(struct dkvb__checksum_state *state)
{
    XXH3_64bits_reset((XXH3_state_t *)(void *)state->words);
}

void dkvb__checksum_add(struct dkvb__checksum_state *state, const void *data, size_t size)
{
    XXH3_64bits_update((XXH3_state_t *)(void *)state->words, data, size);
}

uint64_t dkvb__checksum_end(const struct dkvb__checksum_state *state)
{
    return XXH3_64bits_digest((const XXH3_state_t *)(const void *)state->words);
}

void dkvb__fingerprint_begin(struct dkvb__checksum_state *state)
{
    XXH3_128bits_reset((XXH3_state_t *)(void *)state->words);
}

void dkvb__fingerprint_add(struct dkvb__checksum_state *state, const void *data, size_t size)
{
    XXH3_128bits_update((XXH3_state_t *)(void *)state->words, data, size);
}

void dkvb__fingerprint_end(const struct dkvb__checksum_state *state, uint8_t id[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest((const XXH3_state_t *)(const void *)state->words));
    memcpy(id, canonical.digest, 16);
}

void dkvb__fingerprint(uint8_t id[16], const struct dkvb__piece *pieces, size_t count)
{
    struct dkvb__checksum_state state;

    dkvb__fingerprint_begin(&state);
    for (size_t i = 0; i < count; i++)
        dkvb__fingerprint_add(&state, pieces[i].data, pieces[i].size);
    dkvb__fingerprint_end(&state, id);
}
