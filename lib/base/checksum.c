#include "base/checksum.h"

#include <string.h>

#define XXH_INLINE_ALL /* xxHash is compiled in: there is no library to load and no state to allocate */
#include <xxhash.h>

uint64_t dkvb__checksum(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
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
