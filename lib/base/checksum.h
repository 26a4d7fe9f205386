#ifndef DKVB_BASE_CHECKSUM_H
#define DKVB_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* XXH3 64 bit of `size` bytes, from xxHash. Guards against damage, not against intent. */
uint64_t dkvb__checksum(const void *data, size_t size);

/* XXH3 128 bit over several pieces, in canonical (big-endian) byte order: `id` has 16 bytes. */
struct dkvb__piece {
    const void *data;
    size_t size;
};
void dkvb__fingerprint(uint8_t id[16], const struct dkvb__piece *pieces, size_t count);

#endif
