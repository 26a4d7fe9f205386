/* Chooses the key-value pairs that a planned forgetting masks: as many as the given budget says, or as few as reach the
 * target accuracy. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "unlearn/plan.h"

static dkvb_request pairs_request(const struct dkvb__planning *p, const uint8_t *rows, const uint8_t *classes)
{
    dkvb_request request = DKVB_REQUEST_INIT;

    request.method = p->plan->info.method;
    request.k = p->model->top_k;
    request.codes = p->codes;
    request.n = p->codes ? p->n : 0;
    request.rows = p->codes ? rows : NULL;
    request.classes = classes;
    request.seed = p->plan->request.seed;
    return request;
}

/* Finds out whether a mask keeps both limits of the request (accuracy left on forgotten classes, accuracy lost on
 * others), and harms no class so much that the plan would be refused. The losses of accuracy that the mask causes in
 * each class go to `effects`, [classes]. */
static dkvb_status keeps_limits(struct dkvb__planning *p, const uint8_t *classes, double target, const dkvb_mask *mask,
                                dkvb_class_effect *effects, bool *keeps)
{
    const dkvb_forget_request *q = &p->plan->request;
    dkvb_class_effect sums[DKVB_ASIDE + 1] = {{0}};
    dkvb_status rc = dkvb_effect_measure(&p->view, NULL, mask, &p->held, effects, &p->plan->info.exhausted, p->run);

    *keeps = false;
    if (rc)
        return rc;
    for (uint32_t l = 0; l < p->plan->classes; l++)
        dkvb__effect_add(&sums[classes[l]], &effects[l]);
    *keeps = sums[DKVB_KEEP].loss <= q->max_retain_drop &&
             (double)sums[DKVB_FORGET].right_after <= target * (double)sums[DKVB_FORGET].rows;
    for (uint32_t l = 0; l < p->plan->classes; l++)
        *keeps = *keeps && (classes[l] != DKVB_KEEP || effects[l].low <= q->max_class_loss);
    return DKVB_OK;
}

dkvb_status dkvb__plan_find_budget(struct dkvb__planning *p, const uint8_t *classes, double target, dkvb_budget *found,
                                   dkvb_mask *mask, dkvb_class_effect *effects)
{
    const dkvb_allocator *mem = &p->plan->mem;
    const struct dkvb__budget_limits limits = {target, p->plan->request.max_retain_drop};
    uint32_t *rank = dkvb__alloc(mem, dkvb__pair_count(p->model), sizeof *rank);
    uint8_t *rows = dkvb__alloc(mem, p->n, 1);
    dkvb_class_effect *own = effects ? effects : dkvb__alloc(mem, p->plan->classes, sizeof *own);
    dkvb_request request = pairs_request(p, rows, classes);
    bool keeps;
    dkvb_status rc = rank && rows && own ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to find a budget");

    *found = (dkvb_budget)DKVB_BUDGET_INIT;
    for (size_t i = 0; !rc && i < p->n; i++)
        rows[i] = p->labels[i] < 0 ? DKVB_KEEP : classes[p->labels[i]];
    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = dkvb__unlearn_rank(rank, &p->view, &request, p->run);
    if (!rc)
        rc = dkvb__budget_find(&p->view, rank, &p->held, classes, &limits, found, p->run);
    if (rc || !found->met)
        goto end;
    /* The number of masked pairs that was enlarged for rows that were not held out is tried first, before the smaller
     * number that was found on the held-out rows. If the budget (number of masked pairs), once enlarged for rows that
     * were not held out, breaks a limit of the request, the smaller budget that the search found is used. */
    dkvb__unlearn_by_rank(mask, rank, found->roomy);
    rc = keeps_limits(p, classes, target, mask, own, &keeps);
    if (!rc && !keeps) {
        dkvb__mask_clear(mask);
        dkvb__unlearn_by_rank(mask, rank, found->budget);
        if (effects)
            rc = keeps_limits(p, classes, target, mask, own, &keeps);
    }

end:
    dkvb__free(mem, rank);
    dkvb__free_erased(mem, rows);
    if (own != effects)
        dkvb__free(mem, own);
    return rc;
}

/* Refuses a target accuracy that cannot be reached by masking any number of pairs; this reason replaces a refusal for
 * too few held-out rows that the option `force` has overridden. */
static void refuse_target(dkvb_plan *plan)
{
    const dkvb_budget *b = &plan->info.budget;
    const char *what = plan->info.method == DKVB_METHOD_EXAMPLES ? "examples" : "pairs";

    plan->info.refused = DKVB_REFUSED_NOT;
    if (b->retain_rows == 0)
        dkvb__plan_refuse(
            plan, DKVB_REFUSED_TARGET, 0,
            "no number of %s brings the accuracy on %llu held-out rows down to %g, and no other class has "
            "held-out rows, so what %s cost the others cannot be measured: give the number of %s, or train "
            "again without the rows (strength exact)",
            what, (unsigned long long)b->forget_rows, plan->request.target, what, what);
    dkvb__plan_refuse(
        plan, DKVB_REFUSED_TARGET, 0,
        "no number of %s brings the accuracy on %llu held-out rows down to %g while the others lose at most "
        "%g. Nearest: %llu %s, %.4f -> %.4f, others %.4f -> %.4f. The strength exact forgets by training "
        "again",
        what, (unsigned long long)b->forget_rows, plan->request.target, plan->request.max_retain_drop,
        (unsigned long long)b->budget, what, b->forget_before, b->forget_after, b->retain_before, b->retain_after);
}

/* Finds the budget (number of pairs to mask) of a forget request. Classes forgotten by earlier requests count neither
 * as kept nor as forgotten, as pairs that support them may be masked. */
static dkvb_status find(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_status rc = dkvb__model_agree(p->model, dkvb__plan_set_aside(p, plan->marks));

    if (!rc)
        rc =
            dkvb__plan_find_budget(p, plan->marks, plan->request.target, &plan->info.budget, plan->mask, plan->effects);
    if (rc == DKVB_ENOTFOUND)
        return dkvb__fail(DKVB_EINVAL, "no row of what is to be forgotten is held out, to find the number of pairs on: "
                                       "it must be given");
    if (!rc && !plan->info.budget.met) {
        refuse_target(plan);
        return DKVB_OK;
    }
    plan->info.budget_found = plan->measured = !rc;
    plan->budget = plan->info.method == DKVB_METHOD_EXAMPLES ? plan->info.budget.budget : dkvb__mask_count(plan->mask);
    return rc;
}

dkvb_status dkvb__plan_pairs(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_request request;
    dkvb_status rc = dkvb__model_agree(p->model, dkvb_mask_new(&plan->mask, p->model->codebooks));

    if (rc)
        return rc;
    if (plan->request.budget == 0)
        return find(p);
    plan->budget = plan->request.budget;
    request = pairs_request(p, p->rows, plan->marks);
    return dkvb_unlearn_choose(plan->mask, p->model, &request, plan->budget, p->run);
}
