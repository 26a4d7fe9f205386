#ifndef DKVB_BASE_SHA256_H
#define DKVB_BASE_SHA256_H

#include <stdint.h>

#include "base/checksum.h"

enum { DKVB__SHA256_SIZE = 32 };

/* Computes SHA-256 (FIPS 180-4) over several pieces, by libmd. SHA-256 is used where a hash must be hard to forge;
 * dkvb__checksum() only finds accidental damage. */
void dkvb__sha256(uint8_t hash[DKVB__SHA256_SIZE], const struct dkvb__piece *pieces, size_t count);

#endif
