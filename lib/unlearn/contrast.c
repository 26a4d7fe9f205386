/*
 * The forgetting method `contrast` prefers key-value pairs that rows to be forgotten select more often than rows to be
 * kept. If f rows to be forgotten and r rows to be kept select a key-value pair, the pair's score is f^2 / (f + r): the
 * number f, times its fraction among all rows that select the pair. Unlike a plain count of selections by rows to be
 * forgotten, the method `contrast` spares key-value pairs that are mostly selected by other rows.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "unlearn/choose.h"

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    const dkvb_allocator *mem = &choice->model->mem;
    size_t pairs = dkvb__pair_count(choice->model);
    uint64_t *kept = dkvb__alloc0(mem, pairs, sizeof *kept);
    dkvb_status rc = DKVB_OK;

    if (!kept)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the counts of %zu pairs", pairs);
    /* If counting selections fails on one rank (process), it fails on all ranks, as the ranks share the model's
     * selection counts. */
    rc = dkvb__model_agree(choice->model, rc);
    if (!rc)
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
