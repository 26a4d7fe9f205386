/* The forgetting method `every` masks all key-value pairs that any row of the forget set selects, which is the most
 * that a request could do. To guard other classes against harm, `dkvb forget` measures the forgetting method `every`,
 * as no method could mask more pairs. If rows select several keys of a codebook, the method `every` masks most of the
 * model (docs/unlearning.md). */
#include "unlearn/choose.h"

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    size_t pairs = dkvb__pair_count(choice->model);
    dkvb_status rc = dkvb__choice_count(choice, DKVB_FORGET, scores);

    for (size_t i = 0; !rc && i < pairs; i++)
        scores[i] = scores[i] > 0;
    return rc;
}

const struct dkvb__method dkvb__by_every = {false, score};
