/*
 * Unlearning via activations (arXiv 2311.15268, section 4.1): the method counts how often the forget set selects each
 * key-value pair, and masks the pairs selected most.
 */
#include "unlearn/choose.h"

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    return dkvb__choice_count(choice, DKVB_FORGET, scores);
}

const struct dkvb__method dkvb__by_activations = {false, score};
