/*
 * Unlearning via activations (arXiv 2311.15268, section 4.1): count how often the forget set selects each pair, mask
 * the most selected.
 */
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/unlearn.h"
#include "unlearn/choose.h"

dkvb_status dkvb_activations_count(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                   uint64_t *counts, const dkvb_run_options *opts)
{
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = dkvb__check_codes(model, codes, k, n);
    if (!rc)
        dkvb__count_marked(model, codes, n, NULL, 0, counts, &run);
    return rc;
}

dkvb_status dkvb_unlearn_by_activations(dkvb_mask *mask, const uint64_t *counts, uint64_t pairs)
{
    dkvb__take_largest(mask, counts, pairs);
    return DKVB_OK;
}

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    return dkvb__choice_count(choice, DKVB_FORGET, scores);
}

const struct dkvb__method dkvb__by_activations = {"activations", false, score};
