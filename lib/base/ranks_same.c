#include "base/ranks_same.h"

#include "base/ranks.h"
#include "base/status.h"

dkvb_status dkvb__ranks_same(const dkvb_ranks *ranks, const struct dkvb__ranks_input *inputs, size_t count,
                             dkvb_status rc)
{
    /* after a failure on one rank, checksums of inputs may be missing, so ranks agree on the status first */
    rc = dkvb__ranks_agree(ranks, rc);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++) {
        uint64_t first = inputs[i].sum;
        dkvb_status failed = dkvb__ranks_broadcast(ranks, &first, sizeof first);

        if (failed)
            return failed;
        if (!rc && first != inputs[i].sum)
            rc = dkvb__fail(DKVB_EMISMATCH, "the %s differ from those of rank 0: all ranks must be given the same",
                            inputs[i].name);
    }
    return dkvb__ranks_agree(ranks, rc);
}
