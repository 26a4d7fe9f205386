#ifndef DKVB_BASE_CHECKSUM_H
#define DKVB_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The 64-bit XXH3 checksum of `size` bytes, from xxHash. An XXH3 checksum finds accidental damage of data; it does not
 * stop an attacker. */
uint64_t dkvb__checksum(const void *data, size_t size);

/* The 64-bit XXH3 checksum of bytes that come in parts: the caller begins, adds parts, and ends, which gives the
 * checksum of all bytes added up to then. The array `words` holds the state of the checksum, in the form of the library
 * xxHash. */
struct dkvb__checksum_state {
    _Alignas(64) unsigned char words[640];
};
void dkvb__checksum_begin(struct dkvb__checksum_state *state);
void dkvb__checksum_add(struct dkvb__checksum_state *state, const void *data, size_t size);
uint64_t dkvb__checksum_end(const struct dkvb__checksum_state *state);

/* The 128-bit XXH3 checksum of bytes that come in parts. */
void dkvb__fingerprint_begin(struct dkvb__checksum_state *state);
void dkvb__fingerprint_add(struct dkvb__checksum_state *state, const void *data, size_t size);
void dkvb__fingerprint_end(const struct dkvb__checksum_state *state, uint8_t id[16]);

/* Computes the 128-bit XXH3 checksum over several pieces of bytes; `id` gets its 16 bytes in canonical (big-endian)
 * order. */
struct dkvb__piece {
    const void *data;
    size_t size;
};
void dkvb__fingerprint(uint8_t id[16], const struct dkvb__piece *pieces, size_t count);

#endif
