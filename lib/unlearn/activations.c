/*
 * Unlearning via activations (arXiv 2311.15268, section 4.1): count how often the forget set selects each pair, mask
 * the most selected.
 */
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/search.h"
#include "dkvb/unlearn.h"
#include "unlearn/choose.h"

enum { CODEBOOKS = 16 }; /* counted in one sweep over the rows: their counts stay in cache */

struct counting {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    const uint8_t *marks; /* or NULL */
    uint8_t mark;
    uint64_t *counts;
};

/* Counts of some codebooks belong to one task, so that tasks do not meet. */
static void count_codebooks(void *context, size_t task, unsigned worker)
{
    const struct counting *s = context;
    const struct dkvb__shape *shape = &s->model->codebooks->shape;
    size_t size = dkvb__code_size(s->model), k = s->model->top_k, first = task * CODEBOOKS;
    size_t end = shape->codebooks - first < CODEBOOKS ? shape->codebooks : first + CODEBOOKS;

    (void)worker;
    for (size_t r = 0; r < s->n; r++) {
        const uint16_t *code = s->codes + r * size + first * k;

        if (s->marks && s->marks[r] != s->mark)
            continue;
        for (size_t c = first; c < end; c++)
            for (size_t j = 0; j < k; j++, code++)
                if (*code != DKVB_CODE_NONE)
                    s->counts[c * shape->keys + *code]++;
    }
}

void dkvb__count_marked(const dkvb_model *model, const uint16_t *codes, size_t n, const uint8_t *marks, uint8_t mark,
                        uint64_t *counts, const struct dkvb__run *run)
{
    struct counting s = {model, codes, n, marks, mark, counts};

    dkvb__parallel(run, (model->codebooks->shape.codebooks + CODEBOOKS - 1) / CODEBOOKS, count_codebooks, &s);
}

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
