#ifndef DKVB_BOTTLENECK_CODES_H
#define DKVB_BOTTLENECK_CODES_H

#include <stdbool.h>

#include "base/parallel.h"
#include "bottleneck/model.h"

/* Checks of codes that callers of the library hand in. The library uses no code as an index before it is checked. */

/* Returns DKVB_EINVAL if an element of `codes`, [n][codebooks][k], names a key that does not exist. */
dkvb_status dkvb__check_code_range(const uint16_t *codes, uint32_t k, size_t n, uint32_t codebooks, uint32_t keys);

/* Returns DKVB_EINVAL if a code names a key that does not exist, and DKVB_EMISMATCH if k, the number of codes of a row
 * in a codebook, is not the model's top_k. */
dkvb_status dkvb__check_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n);

/* Checks codes of rows for a model as dkvb__check_codes() does (existing keys, the model's top_k), and returns
 * DKVB_EMISMATCH if codes name masked or purged key-value pairs. */
dkvb_status dkvb__check_live_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                   const struct dkvb__run *run);

/*
 * Codes are packed in memory in the same form in which codes files hold them. A packed code takes `bits` bits, the
 * lowest first: bit j of code i is bit (i * bits + j) % 8 of byte (i * bits + j) / 8 of its row. Every row of packed
 * codes starts at a byte of its own, and the unused bits of the row's last byte are 0. A packed DKVB_CODE_NONE is
 * stored as the number of keys.
 */

/* Returns the number of bits of a packed code: enough for keys - 1, or for `keys` if a code is DKVB_CODE_NONE; at least
 * 1. */
unsigned dkvb__code_bits(uint32_t keys, bool any_none);

/* True if one of the `count` codes is DKVB_CODE_NONE. */
bool dkvb__codes_any_none(const uint16_t *codes, size_t count);

/* Returns the number of bytes of a packed row of `count` codes. */
static inline uint64_t dkvb__packed_size(size_t count, unsigned bits)
{
    return ((uint64_t)count * bits + 7) / 8;
}

/* Shape of the packed codes of a codeset's rows, [n][codebooks][k]. */
struct dkvb__packing {
    uint32_t codebooks, k, keys;
    unsigned bits;
    size_t before; /* number of rows of the codeset that precede the packed rows, for row numbers in messages */
};

/* Packs codes, which must be in range, into bytes. The rows of packed codes are written to `to`, uint8_t[n][packed
 * size]. */
void dkvb__codes_pack(unsigned char *to, const uint16_t *codes, size_t n, const struct dkvb__packing *packing,
                      const struct dkvb__run *run);

/* Unpacks the codes of rows from bytes. dkvb__codes_unpack() returns DKVB_EINVAL, with the row in the message, at the
 * first row that has a code of no key, or unused bits other than 0. */
dkvb_status dkvb__codes_unpack(uint16_t *codes, const unsigned char *from, size_t n,
                               const struct dkvb__packing *packing, const struct dkvb__run *run);

#endif
