/* Forgets the classes of earlier requests again if the model predicts them again, and measures the effects on
 * accuracies of all masks together. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "unlearn/plan.h"

/* One of the earlier forget requests that have a target accuracy. */
struct group {
    uint64_t entry; /* number of the earlier request's journal entry; 0 for the request that is being planned */
    uint8_t *classes;
    double target;
    /* true if no mask within the limits brings the accuracy of the earlier request's classes down to the request's
     * target */
    bool hopeless;
};

struct groups {
    struct group *all;
    size_t count;
};

/* Largest number of rounds of forgetting again those classes that the model predicts again; each round weakens other
 * classes a little less. */
enum { ROUNDS = 5 };

/* True for the journal entry of a forgetting that is in force and whose request asked for classes. */
static bool in_force(const dkvb_journal_entry *e)
{
    return e->kind == DKVB_JOURNAL_FORGET && (e->state == DKVB_JOURNAL_ACTIVE || e->state == DKVB_JOURNAL_PURGED) &&
           e->by_class;
}

dkvb_status dkvb__set_aside(const dkvb_model *model, uint8_t *marks)
{
    uint8_t *named = dkvb__alloc(&model->mem, model->classes, 1);
    dkvb_status rc = named ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", model->classes);

    for (uint64_t i = 0; !rc && i < model->journal.count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        rc = dkvb_journal_get(model, i, &entry);
        if (rc || !in_force(&entry))
            continue;
        rc = dkvb_journal_get_terms(model, entry.id, named, NULL);
        for (uint32_t l = 0; !rc && l < model->classes; l++)
            if (named[l] == DKVB_FORGET && marks[l] == DKVB_KEEP)
                marks[l] = DKVB_ASIDE;
    }
    dkvb__free(&model->mem, named);
    return rc;
}

dkvb_status dkvb__plan_set_aside(const struct dkvb__planning *p, uint8_t *marks)
{
    return dkvb__set_aside(p->model, marks);
}

static void groups_free(struct groups *g, const dkvb_allocator *mem)
{
    for (size_t i = 0; i < g->count; i++)
        dkvb__free(mem, g->all[i].classes);
    dkvb__free(mem, g->all);
}

static dkvb_status add_group(struct groups *g, const struct dkvb__planning *p, uint64_t entry, double target)
{
    struct group *group = &g->all[g->count];

    *group = (struct group){.entry = entry, .target = target};
    group->classes = dkvb__alloc(&p->plan->mem, p->plan->classes, 1);
    if (!group->classes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", p->plan->classes);
    g->count++;
    if (entry)
        return dkvb_journal_get_terms(p->model, entry, group->classes, NULL);
    memcpy(group->classes, p->plan->marks, p->plan->classes);
    return DKVB_OK;
}

/* Collects all requests whose classes could be predicted again: the requests in the journal that have a target
 * accuracy, and the planned request itself. */
static dkvb_status find_groups(const struct dkvb__planning *p, struct groups *g)
{
    uint64_t entries = p->model->journal.count;
    dkvb_status rc = DKVB_OK;

    g->all = dkvb__alloc(&p->plan->mem, (size_t)entries + 1, sizeof *g->all);
    if (!g->all)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %llu entries", (unsigned long long)entries);
    for (uint64_t i = 0; !rc && i < entries; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        rc = dkvb_journal_get(p->model, i, &entry);
        /* A journal entry that repeats the forgetting of an earlier request is left out, as the request is already
         * taken from the earlier entry. */
        if (!rc && in_force(&entry) && entry.found && entry.again == 0)
            rc = add_group(g, p, entry.id, entry.target);
    }
    return rc ? rc : add_group(g, p, 0, p->plan->request.target);
}

/* True if the accuracy of a model on the rows of an earlier request's classes is higher than the target of that
 * request allows. */
static bool came_back(const struct dkvb__planning *p, const struct group *group, const dkvb_class_effect *now)
{
    dkvb_class_effect sum = {0};

    for (uint32_t l = 0; l < p->plan->classes; l++)
        if (group->classes[l] == DKVB_FORGET)
            dkvb__effect_add(&sum, &now[l]);
    return (double)sum.right_after > group->target * (double)sum.rows;
}

/* Forgets the classes of an earlier request once more, if a mask of more pairs still keeps the request's limits on
 * accuracy. */
static dkvb_status forget_group(struct dkvb__planning *p, struct group *group)
{
    dkvb_plan *plan = p->plan;
    struct dkvb__again *again = &plan->again[plan->info.again];
    dkvb_budget found;
    dkvb_status rc = dkvb_mask_new(&again->mask, p->model->codebooks);

    again->classes = dkvb__alloc(&plan->mem, plan->classes, 1);
    if (!rc && !again->classes)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        again->classes[l] = group->classes[l] == DKVB_FORGET ? DKVB_FORGET
                            : plan->marks[l] == DKVB_KEEP    ? DKVB_KEEP
                                                             : DKVB_ASIDE;
    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = dkvb__plan_find_budget(p, again->classes, group->target, &found, again->mask, NULL);
    if (!rc && found.met)
        rc = dkvb__plan_ids_of(p, again->classes, &again->ids, &again->id_count);
    if (!rc && found.met)
        rc = dkvb_mask_combine(p->view.mask, again->mask, DKVB_MASK_UNION);
    rc = dkvb__model_agree(p->model, rc);
    group->hopeless = !rc && !found.met;
    if (rc || !found.met) {
        dkvb_mask_free(again->mask);
        dkvb__free(&plan->mem, again->classes);
        dkvb__free_erased(&plan->mem, again->ids);
        *again = (struct dkvb__again){0};
        return rc;
    }
    again->entry = group->entry;
    again->target = group->target;
    again->budget = plan->info.method == DKVB_METHOD_EXAMPLES ? found.budget : dkvb__mask_count(again->mask);
    plan->info.again++;
    dkvb__drop_purged(p->view.mask, p->model->codebooks);
    return DKVB_OK;
}

static dkvb_status forget_groups(struct dkvb__planning *p, struct groups *g, dkvb_class_effect *now)
{
    bool any = true;
    dkvb_status rc = DKVB_OK;

    for (int round = 0; !rc && any && round < ROUNDS; round++) {
        any = false;
        rc = dkvb_effect_measure(&p->view, NULL, NULL, &p->held, now, NULL, p->run);
        for (size_t i = 0; !rc && i < g->count; i++)
            if (!g->all[i].hopeless && came_back(p, &g->all[i], now)) {
                any = true;
                rc = forget_group(p, &g->all[i]);
                /* If more pairs were masked for one request, the effects on the accuracy of the classes are measured
                 * again, as the new mask may also serve the requests that follow. */
                if (!rc && !g->all[i].hopeless)
                    rc = dkvb_effect_measure(&p->view, NULL, NULL, &p->held, now, NULL, p->run);
            }
    }
    return rc;
}

/* Measures the effects on accuracies of all masks of a plan of several requests, compared with the model before any of
 * them. */
static dkvb_status measure_all(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_class_effect others = {0};
    dkvb_status rc = dkvb__effect_compare(p->model, &p->view, &p->held, plan->effects, p->run);

    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        if (plan->marks[l] == DKVB_KEEP)
            dkvb__effect_add(&others, &plan->effects[l]);
    if (!rc && others.loss > plan->request.max_retain_drop)
        dkvb__plan_refuse(
            plan, DKVB_REFUSED_AGAIN, 0,
            "what was forgotten before comes back, and forgetting it again too would cost the others %.4f, "
            "at most %g is allowed. The strength exact forgets all of them by training again; a given "
            "number of pairs or a larger limit may do",
            others.loss, plan->request.max_retain_drop);
    return rc ? rc : dkvb__guard_effects(p);
}

dkvb_status dkvb__plan_again(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    struct groups groups = {0};
    dkvb_class_effect *now = dkvb__alloc(&plan->mem, plan->classes, sizeof *now);
    dkvb_status rc =
        now ? find_groups(p, &groups) : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);

    if (!rc)
        rc = dkvb_mask_combine(p->view.mask, plan->mask, DKVB_MASK_UNION);
    if (!rc) {
        dkvb__drop_purged(p->view.mask, p->model->codebooks);
        plan->again = dkvb__alloc0(&plan->mem, groups.count * ROUNDS, sizeof *plan->again);
        if (!plan->again)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu requests", groups.count);
    }
    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = forget_groups(p, &groups, now);
    for (size_t i = 0; !rc && i < groups.count; i++)
        plan->info.not_again += groups.all[i].hopeless;
    groups_free(&groups, &plan->mem);
    dkvb__free(&plan->mem, now);
    return !rc && plan->info.again > 0 ? measure_all(p) : rc;
}
