#include "base/sha256.h"

#include <sha2.h>

#include "base/alloc.h"

void dkvb__sha256(uint8_t hash[DKVB__SHA256_SIZE], const struct dkvb__piece *pieces, size_t count)
{
    SHA2_CTX state;

    SHA256Init(&state);
    for (size_t i = 0; i < count; i++)
        SHA256Update(&state, pieces[i].data, pieces[i].size);
    SHA256Final(hash, &state);
    dkvb__erase(&state, sizeof state); /* the hash state holds the salt of a commitment, so it must be erased */
}
