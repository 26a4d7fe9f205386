#ifndef DKVB_BASE_RANKS_SAME_H
#define DKVB_BASE_RANKS_SAME_H

#include <stddef.h>
#include <stdint.h>

#include "dkvb/ranks.h"
#include "dkvb/status.h"

/* An input of a call that must be equal on all ranks (processes), and a checksum of the input. */
struct dkvb__ranks_input {
    /* name of the inputs that all ranks (processes) must share, for messages, a noun in the plural: "pictures" */
    const char *name;
    uint64_t sum;
};

/* Checks before work starts that all ranks (processes) were given the same inputs; DKVB_EMISMATCH names the first rank
 * and the first input that differ from rank 0's. All ranks (processes) must call dkvb__ranks_same() together, with the
 * same names of inputs. dkvb__ranks_same() is given the status `rc` that this rank (process) has so far, and returns
 * DKVB_OK on all ranks or on none. */
dkvb_status dkvb__ranks_same(const dkvb_ranks *ranks, const struct dkvb__ranks_input *inputs, size_t count,
                             dkvb_status rc);

#endif
