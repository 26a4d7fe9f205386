#ifndef DKVB_BASE_RANKS_SAME_H
#define DKVB_BASE_RANKS_SAME_H

#include <stddef.h>
#include <stdint.h>

#include "dkvb/ranks.h"
#include "dkvb/status.h"

/* An input that all ranks must have alike, and a checksum of it. */
struct dkvb__ranks_input {
    const char *name; /* noun in the plural, for messages: "pictures" */
    uint64_t sum;
};

/* Checks before work starts that all ranks were given the same inputs; DKVB_EMISMATCH names the first rank and the
 * first input that differ from rank 0's. Called by all ranks with the same names. `rc`: the result of this rank so far.
 * The result is DKVB_OK on all ranks, or no rank goes on. */
dkvb_status dkvb__ranks_same(const dkvb_ranks *ranks, const struct dkvb__ranks_input *inputs, size_t count,
                             dkvb_status rc);

#endif
