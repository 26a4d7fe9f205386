/*
 * Unlearning by contrast: of a pair that f forget rows and r rows to be kept select, f^2 / (f + r) is how many forget
 * rows it serves times their share among all who select it. Pairs that mostly serve others are spared, which
 * activations alone do not do.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "unlearn/choose.h"

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    const dkvb_allocator *mem = &choice->model->mem;
    size_t pairs = dkvb__pair_count(choice->model);
    uint64_t *kept = dkvb__alloc0(mem, pairs, sizeof *kept);
    dkvb_status rc;

    if (!kept)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the counts of %zu pairs", pairs);
    rc = dkvb__choice_count(choice, DKVB_FORGET, scores);
    if (!rc)
        rc = dkvb__choice_count(choice, DKVB_KEEP, kept);
    for (size_t i = 0; !rc && i < pairs; i++) {
        double f = (double)scores[i], r = (double)kept[i];

        scores[i] = scores[i] ? dkvb__score_of(f * f / (f + r)) : 0;
    }
    dkvb__free(mem, kept);
    return rc;
}

const struct dkvb__method dkvb__by_contrast = {false, score};
