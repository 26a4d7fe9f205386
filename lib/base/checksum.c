#include "base/checksum.h"

#include <string.h>

#define XXH_INLINE_ALL /* xxHash is compiled in: there is no library to load and no state to allocate */
#include <xxhash.h>

#include "base/alloc.h"

struct dkvb__checksum_state {
    XXH3_state_t xxh;
};

uint64_t dkvb__checksum(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

struct dkvb__checksum_state *dkvb__checksum_make(const dkvb_allocator *mem)
{
    struct dkvb__checksum_state *state = dkvb__alloc0(mem, 1, sizeof *state);

    if (state)
        dkvb__checksum_begin(state);
    return state;
}

void dkvb__checksum_begin(struct dkvb__checksum_state *state)
{
    XXH3_64bits_reset(&state->xxh);
}

void dkvb__checksum_add(struct dkvb__checksum_state *state, const void *data, size_t size)
{
    XXH3_64bits_update(&state->xxh, data, size);
}

uint64_t dkvb__checksum_end(const struct dkvb__checksum_state *state)
{
    return XXH3_64bits_digest(&state->xxh);
}

void dkvb__fingerprint(uint8_t id[16], const struct dkvb__piece *pieces, size_t count)
{
    XXH3_state_t state;
    XXH128_canonical_t canonical;

    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < count; i++)
        XXH3_128bits_update(&state, pieces[i].data, pieces[i].size);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    memcpy(id, canonical.digest, 16);
}
