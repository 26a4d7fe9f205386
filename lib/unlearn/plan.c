/* Plans of forgetting: finding the rows of a request, measuring the effects of forgetting them, and applying a plan
 * (include/dkvb/plan.h). */
#include "unlearn/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/entropy.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codes.h"
#include "bottleneck/value_types.h"
#include "dkvb/search.h"
#include "unlearn/draft.h"
#include "unlearn/evidence.h"
#include "unlearn/journal.h"

static dkvb_status check_share(const char *what, double share)
{
    if (share >= 0.0 && share <= 1.0)
        return DKVB_OK;
    return dkvb__fail(DKVB_EINVAL, "forget request: %s is %g, it must be 0 to 1", what, share);
}

/* Refuses a forget request with a member whose value would be out of range for every model. */
static dkvb_status check_members(const dkvb_forget_request *q)
{
    dkvb_status rc = check_share("target", q->target);

    if (!rc)
        rc = check_share("max_retain_drop", q->max_retain_drop);
    if (!rc)
        rc = check_share("max_class_loss", q->max_class_loss);
    if (!rc && q->reason)
        rc = dkvb__check_text("reason", q->reason, DKVB__MAX_REASON);
    if (rc)
        return rc;
    if (q->strength != DKVB_STRENGTH_SUPPRESS && q->strength != DKVB_STRENGTH_EXACT)
        return dkvb__fail(DKVB_EINVAL, "forget request: strength is %u, it must be %d (suppress) or %d (exact)",
                          q->strength, DKVB_STRENGTH_SUPPRESS, DKVB_STRENGTH_EXACT);
    if (q->method > DKVB_METHOD_EVERY)
        return dkvb__fail(DKVB_EINVAL, "forget request: method is %u, it must be 0 to %d", q->method,
                          DKVB_METHOD_EVERY);
    if (q->keys > DKVB_KEYS_PLACED)
        return dkvb__fail(DKVB_EINVAL, "forget request: keys is %u, it must be 0 to %d", q->keys, DKVB_KEYS_PLACED);
    return DKVB_OK;
}

/* Refuses a forget request whose members contradict each other, whatever the model. */
static dkvb_status check_request(const dkvb_forget_request *q, const dkvb_codeset *set)
{
    bool exact = q->strength == DKVB_STRENGTH_EXACT;

    if (q->mask && (q->classes || q->ids || q->codes || exact))
        return dkvb__fail(DKVB_EINVAL, "forget request: a mask says which pairs go, so classes, ids, codes and the "
                                       "strength exact do not go with it");
    if (q->requests && (q->classes || q->ids || q->codes || q->mask))
        return dkvb__fail(DKVB_EINVAL, "forget request: requests say who is meant, so classes, ids, codes and a mask "
                                       "must not be given as well");
    if (!q->mask && !q->classes && !q->ids && !q->codes && !q->requests && !q->names)
        return dkvb__fail(
            DKVB_EINVAL,
            "forget request: nobody is named: classes, ids, names, codes, requests or a mask must be given");
    if (set && q->codes)
        return dkvb__fail(DKVB_EINVAL, "forget request: codes and a codeset are given, only one can say what is known");
    if (set && q->classes && q->ids)
        return dkvb__fail(DKVB_EINVAL, "forget request: classes and ids are given, only one can say who is meant");
    if (!set && q->ids && !q->codes)
        return dkvb__fail(DKVB_EINVAL, "forget request: ids name rows of a codeset, and none is given");
    if (q->names && (q->ids || q->classes || q->codes || q->mask || q->requests))
        return dkvb__fail(DKVB_EINVAL, "forget request: names say which rows are meant, so ids, classes, codes, a mask "
                                       "and requests must not be given as well");
    if (q->feature_names && q->feature_ids)
        return dkvb__fail(DKVB_EINVAL, "forget request: feature_ids and feature_names are given, only one can say what "
                                       "the rows are called");
    if ((q->names || q->feature_names) && !(set && set->names.salted))
        return dkvb__fail(DKVB_EINVAL, "forget request: rows are given by names, and %s: ids must be given instead",
                          set ? "those of the codes are called by numbers" : "no codeset says how names are hashed");
    if (q->feature_names) {
        dkvb_status rc = dkvb__row_names_check(q->feature_names, q->feature_rows);

        if (rc)
            return rc;
    }
    if (q->codes && q->ids && q->id_count != q->n)
        return dkvb__fail(DKVB_EINVAL, "forget request: %llu ids for codes of %zu rows",
                          (unsigned long long)q->id_count, q->n);
    if (exact && !set)
        return dkvb__fail(DKVB_EINVAL, "forget request: the strength exact trains again from a codeset, and none is "
                                       "given");
    if (q->in_place > 1)
        return dkvb__fail(DKVB_EINVAL, "forget request: in_place is %u, it must be 0 or 1", q->in_place);
    if (q->keys == DKVB_KEYS_PLACED && !q->features && !q->feature_source)
        return dkvb__fail(DKVB_EINVAL, "forget request: placing keys again needs the rows that were trained on, as "
                                       "features");
    return DKVB_OK;
}

/* Sets plan->marks, which marks the classes that the forget request of a plan names. */
static dkvb_status mark_classes(dkvb_plan *plan)
{
    const uint8_t *classes = plan->request.classes;
    bool any = false;

    plan->marks = dkvb__alloc(&plan->mem, plan->classes, 1);
    if (!plan->marks)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    for (uint32_t l = 0; l < plan->classes; l++) {
        plan->marks[l] = classes[l] == DKVB_FORGET ? DKVB_FORGET : DKVB_KEEP;
        any = any || classes[l] == DKVB_FORGET;
    }
    return any ? DKVB_OK : dkvb__fail(DKVB_EINVAL, "forget request: none of %u classes is marked", plan->classes);
}

static bool is_asked_for(const dkvb_plan *plan, int32_t label)
{
    return label >= 0 && (uint32_t)label < plan->classes && plan->marks[label] == DKVB_FORGET;
}

dkvb_status dkvb__plan_ids_of(const struct dkvb__planning *p, const uint8_t *classes, uint64_t **ids, size_t *count)
{
    return dkvb__replay_ids_of(p->set, classes, ids, count, &p->plan->mem);
}

/* Checks that the codeset belongs to the model for which a forgetting is planned. If a plan of forgetting places the
 * keys again, codeset and model may have different keys, since an earlier call may have saved the model with new keys
 * but not the codeset. */
static dkvb_status check_set(const struct dkvb__planning *p)
{
    const dkvb_forget_request *q = &p->plan->request;

    return dkvb__codeset_check_model(p->set, p->model,
                                     q->strength == DKVB_STRENGTH_EXACT && q->keys == DKVB_KEYS_PLACED);
}

const char *dkvb__plan_no_row(const dkvb_codeset *set, bool by_name)
{
    return set->names.salted && !by_name ? ", and its rows are called by names, which must be given instead of numbers"
                                         : " (any more)";
}

/* Marks the rows of the codeset's training part that the forget request names, and counts them. */
static dkvb_status mark_ids(struct dkvb__planning *p)
{
    const struct dkvb__coderows *training = &p->set->part[DKVB_PART_TRAINING], *held = training + 1;
    dkvb_plan *plan = p->plan;
    const char *const *names = plan->request.names;
    uint8_t *seen = dkvb__alloc0(&plan->mem, held->n, 1);
    dkvb_status rc = seen ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", held->n);

    for (size_t i = 0; !rc && i < plan->id_count; i++) {
        size_t at = dkvb__coderows_find(training, plan->ids[i]), h = dkvb__coderows_find(held, plan->ids[i]);
        uint8_t *mark = at < training->n ? &p->rows[at] : h < held->n ? &seen[h] : NULL;

        if (!mark || *mark == DKVB_FORGET) {
            char what[sizeof "''" + DKVB__ROW_NAME];

            if (names)
                snprintf(what, sizeof what, "'%s'", names[i]);
            else
                snprintf(what, sizeof what, "id %llu", (unsigned long long)plan->ids[i]);
            rc = mark ? dkvb__fail(DKVB_EINVAL, "row %zu asks for %s, as a row before it does", i, what)
                      : dkvb__fail(DKVB_ENOTFOUND, "row %zu asks for %s, the codes have no such row%s", i, what,
                                   dkvb__plan_no_row(p->set, names != NULL));
        }
        if (!rc)
            *mark = DKVB_FORGET;
        plan->info.rows += at < training->n;
    }
    dkvb__free(&plan->mem, seen);
    return rc;
}

/* Finds the rows of a codeset that a forget request names. */
dkvb_status dkvb__plan_find_rows(struct dkvb__planning *p)
{
    const struct dkvb__coderows *training = &p->set->part[DKVB_PART_TRAINING];
    dkvb_plan *plan = p->plan;
    dkvb_status rc = check_set(p);

    if (rc)
        return rc;
    p->labels = training->labels;
    p->n = training->n;
    p->rows = dkvb__alloc0(&plan->mem, p->n, 1);
    if (!p->rows)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", p->n);
    /* In a plan of several requests, the rows of a class to be forgotten are listed by their ids, like single rows. */
    if (plan->marks && !plan->ids) {
        rc = dkvb__plan_ids_of(p, plan->marks, &plan->ids, &plan->id_count);
        for (size_t i = 0; !rc && i < p->n; i++) {
            p->rows[i] = is_asked_for(plan, p->labels[i]) ? DKVB_FORGET : DKVB_KEEP;
            plan->info.rows += p->rows[i] == DKVB_FORGET;
        }
    } else {
        rc = mark_ids(p);
    }
    if (!rc && plan->id_count == 0)
        rc = dkvb__fail(DKVB_ENOTFOUND, plan->marks ? "no row of the codes is of the classes that are asked for"
                                                    : "no id is given, so there is nothing to forget");
    return rc;
}

/* Finds the rows that a forget request names if there are codes without a codeset: all rows, or the rows of the classes
 * that the request names. */
static dkvb_status find_codes(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    const dkvb_forget_request *q = &plan->request;
    dkvb_status rc = dkvb__check_code_range(q->codes, p->model->top_k, q->n, p->model->codebooks->shape.codebooks,
                                            p->model->codebooks->shape.keys);
    bool cut = plan->marks && q->labels;
    size_t count = 0;

    if (rc)
        return rc;
    p->codes = q->codes;
    p->labels = q->labels;
    p->n = q->n;
    if (cut)
        p->rows = dkvb__alloc(&plan->mem, p->n, 1);
    if (!plan->ids)
        plan->ids = dkvb__alloc(&plan->mem, p->n, sizeof *plan->ids);
    if (!plan->ids || (cut && !p->rows))
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", p->n);
    for (size_t i = 0; i < p->n; i++) {
        bool forget = !cut || is_asked_for(plan, p->labels[i]);

        if (cut)
            p->rows[i] = forget ? DKVB_FORGET : DKVB_KEEP;
        if (forget)
            plan->ids[count++] = q->ids ? q->ids[i] : i;
    }
    plan->id_count = plan->info.rows = count;
    if (count == 0)
        return cut ? dkvb__fail(DKVB_ENOTFOUND, "none of %zu rows is of the classes that are asked for", p->n)
                   : dkvb__fail(DKVB_ENOTFOUND, "the codes have no rows, so there is nothing to forget");
    return DKVB_OK;
}

dkvb_status dkvb__plan_need_codes(struct dkvb__planning *p, uint32_t part)
{
    return p->set->part[part].codes ? DKVB_OK : dkvb_codeset_search(p->set, p->model->codebooks, part, p->run);
}

/* Searches the codes of those held-out rows that have a label in p->sampled, if the codeset keeps the features of all
 * held-out rows. Searching many nearest keys for each row is slow, so nearest keys are searched for a sample of the
 * held-out rows, not for all of them. */
static dkvb_status search_sample(struct dkvb__planning *p)
{
    const struct dkvb__coderows *held = &p->set->part[DKVB_PART_HELD_OUT];
    const dkvb_codebooks *cb = p->model->codebooks;
    const dkvb_allocator *mem = &p->plan->mem;
    size_t columns = held->columns, row = (size_t)dkvb__coderows_feature_size(held), n = 0;
    size_t stay = (size_t)p->plan->info.looked_at;
    float *x = dkvb__alloc(mem, stay, columns * sizeof *x);
    dkvb_status rc;

    p->sampled_ids = dkvb__alloc(mem, stay, sizeof *p->sampled_ids);
    p->searched = dkvb__alloc(mem, stay, (size_t)cb->shape.codebooks * held->k * sizeof *p->searched);
    rc = x && p->sampled_ids && p->searched ? DKVB_OK
                                            : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows held out", stay);
    if (!rc && columns != cb->shape.input_dim)
        rc = dkvb__fail(DKVB_EMISMATCH, "the codeset keeps features of %zu columns, the model takes %u", columns,
                        cb->shape.input_dim);
    for (size_t r = 0; !rc && r < held->n; r++) {
        if (p->sampled[r] < 0)
            continue;
        dkvb__widen(x + n * columns, (const char *)held->features + r * row, held->dtype, columns);
        p->sampled_ids[n] = held->ids[r];
        p->sampled[n++] = p->sampled[r];
    }
    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = dkvb_search(cb, NULL, x, n, held->k, p->searched, NULL, p->run);
    dkvb__free_erased(mem, x);
    p->held.n = rc ? 0 : n;
    p->held.codebooks = cb->shape.codebooks;
    p->held.k = held->k;
    p->held.ids = p->sampled_ids;
    p->held.codes = p->searched;
    return rc;
}

/* Chooses the rows on which effects of a forgetting on accuracies are measured: all held-out rows of the classes asked
 * for or forgotten before, and as many other rows as reasonable time allows; a request without classes is measured on
 * all held-out rows. If a plan of forgetting trains values again, the codes of every held-out row are searched, since
 * the temperature is fitted on all of them. */
dkvb_status dkvb__plan_take_held_out(struct dkvb__planning *p)
{
    const struct dkvb__coderows *held = p->set ? &p->set->part[DKVB_PART_HELD_OUT] : NULL;
    dkvb_plan *plan = p->plan;
    uint8_t *marks;
    dkvb_status rc = DKVB_OK;

    if (!held || held->n == 0)
        return DKVB_OK;
    plan->info.held_out = plan->info.looked_at = held->n;
    if (!plan->marks || plan->request.strength == DKVB_STRENGTH_EXACT)
        rc = dkvb__plan_need_codes(p, DKVB_PART_HELD_OUT);
    if (!rc && held->codes)
        rc = dkvb_codeset_get_rows(p->set, DKVB_PART_HELD_OUT, &p->held);
    if (rc || !plan->marks)
        return rc;
    marks = dkvb__alloc(&plan->mem, plan->classes, 1);
    p->sampled = dkvb__alloc(&plan->mem, held->n, sizeof *p->sampled);
    if (!marks || !p->sampled)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows held out", held->n);
    if (!rc) {
        memcpy(marks, plan->marks, plan->classes);
        memcpy(p->sampled, held->labels, held->n * sizeof *p->sampled);
        rc = dkvb__plan_set_aside(p, marks);
    }
    if (!rc)
        rc = dkvb__effect_draw(p->model, held->ids, held->n, marks, 0, p->sampled, &plan->info.looked_at);
    rc = dkvb__model_agree(p->model, rc);
    if (!rc && !held->codes)
        rc = search_sample(p);
    p->held.labels = p->sampled;
    dkvb__free(&plan->mem, marks);
    return rc;
}

/* Chooses the forgetting method that is best for the request and the data at hand. For forgetting whole classes the
 * best method is `values`, as values show which classes a pair supports: the method masks the fewest pairs and costs
 * other classes least (docs/unlearning.md). Requests that name single rows need a forgetting method that uses the pairs
 * that the rows select. */
static uint32_t choose_method(const struct dkvb__planning *p)
{
    if (p->plan->request.method)
        return p->plan->request.method;
    if (p->plan->marks && (p->set || !p->codes))
        return DKVB_METHOD_VALUES;
    return p->rows ? DKVB_METHOD_CONTRAST : DKVB_METHOD_ACTIVATIONS;
}

static dkvb_status count_pairs(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_mask *both = NULL;
    dkvb_status rc = dkvb_mask_copy(&both, p->model->mask);

    if (!rc)
        rc = dkvb_mask_combine(both, plan->mask, DKVB_MASK_UNION);
    if (!rc) {
        dkvb__drop_purged(both, p->model->codebooks);
        plan->info.pairs = dkvb__mask_count(plan->mask);
        plan->info.pairs_new = dkvb__mask_count(both) - dkvb__mask_count(p->model->mask);
    }
    dkvb_mask_free(both);
    return rc;
}

/* Refuses a plan of forgetting whose mask changes no answer to any measured row, as nothing would be forgotten. If a
 * mask changes no answer but has pairs, the option `force` records the forget request all the same, so that the pairs
 * stay masked if another request that masks them is undone later. */
static void refuse_nothing(dkvb_plan *plan)
{
    if (plan->info.pairs == 0 && plan->info.budget_found)
        dkvb__plan_refuse(
            plan, DKVB_REFUSED_NOTHING, 0,
            "nothing would be done: the accuracy on held-out rows is down to %g already. A number of pairs "
            "that is given is masked all the same",
            plan->request.target);
    else if (plan->info.pairs == 0)
        dkvb__plan_refuse(plan, DKVB_REFUSED_NOTHING, 0,
                          "nothing would be done: no pair of the model speaks for what is to be forgotten");
    else if (plan->info.pairs_new == 0)
        dkvb__plan_refuse(plan, DKVB_REFUSED_NOTHING, 0,
                          "nothing would be done: all %llu pairs are masked or purged already. Force records the "
                          "request, so that the pairs stay masked when an earlier one is undone",
                          (unsigned long long)plan->info.pairs);
}

static dkvb_status plan_mask(struct dkvb__planning *p)
{
    dkvb_status rc = dkvb__mask_check(p->plan->request.mask, p->model->codebooks);

    if (!rc)
        rc = dkvb_mask_copy(&p->plan->mask, p->plan->request.mask);
    if (!rc)
        rc = count_pairs(p);
    if (!rc)
        refuse_nothing(p->plan);
    return rc;
}

static dkvb_status measure(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;

    if (p->held.n == 0 || plan->measured)
        return DKVB_OK;
    plan->measured = 1;
    return dkvb_effect_measure(&p->view, NULL, plan->mask, &p->held, plan->effects, &plan->info.exhausted, p->run);
}

static dkvb_status plan_suppress(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    bool found = plan->request.budget == 0;
    dkvb_status rc = DKVB_OK;

    plan->info.method = choose_method(p);
    if (p->set && plan->info.rows == 0)
        dkvb__plan_refuse(plan, DKVB_REFUSED_NOTHING, 0,
                          "all %zu rows to be forgotten are held out: the values never learned from them, and there is "
                          "nothing to mask",
                          plan->id_count);
    if (p->set && plan->info.rows == 0)
        return DKVB_OK;
    if (found && !p->set)
        return dkvb__fail(DKVB_EINVAL,
                          "forget request: a budget is found on rows held out, which a codeset has; without "
                          "one it must be given");
    if (found && !plan->marks)
        return dkvb__fail(DKVB_EINVAL,
                          "forget request: a budget is found for classes; for single rows it must be given");
    if (p->set && plan->info.method != DKVB_METHOD_VALUES) {
        rc = dkvb__plan_need_codes(p, DKVB_PART_TRAINING);
        p->codes = p->set->part[DKVB_PART_TRAINING].codes;
    }
    if (!rc)
        rc = dkvb__plan_take_held_out(p);
    if (!rc)
        rc = dkvb__guard_mixture(p);
    if (!rc && found)
        rc = dkvb__guard_evidence(p);
    if (rc || (plan->info.refused == DKVB_REFUSED_ROWS && (plan->unknown || !plan->request.force)))
        return rc;
    rc = dkvb__plan_pairs(p);
    if (rc || (found && !plan->info.budget_found))
        return rc;
    rc = dkvb__model_agree(p->model, count_pairs(p));
    if (!rc)
        refuse_nothing(plan);
    if (!rc)
        rc = measure(p);
    if (!rc)
        rc = dkvb__model_agree(p->model, dkvb__guard_effects(p));
    if (!rc)
        rc = dkvb__guard_sum(p);
    if (!rc && plan->info.budget_found && plan->info.pairs_new > 0)
        rc = dkvb__plan_again(p);
    return rc;
}

/* Copies all arrays of the forget request that are needed after dkvb_forget_plan() has returned. */
static dkvb_status copy_request(dkvb_plan *plan, const dkvb_codeset *set)
{
    dkvb_forget_request *q = &plan->request;
    uint64_t count = q->names ? q->name_count : q->id_count;
    dkvb_status rc = DKVB_OK;

    plan->salted = q->salt != NULL;
    if (q->salt)
        memcpy(plan->salt, q->salt, sizeof plan->salt);
    if (q->reason) {
        plan->reason = dkvb__strdup(&plan->mem, q->reason);
        rc = plan->reason ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the reason");
    }
    if (!rc && (q->ids || q->names)) {
        plan->id_count = (size_t)count;
        plan->ids = dkvb__alloc(&plan->mem, plan->id_count, sizeof *plan->ids);
        if (!plan->ids)
            return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu ids", plan->id_count);
        if (q->names)
            rc = dkvb__row_names_check(q->names, plan->id_count);
        for (size_t i = 0; !rc && i < plan->id_count; i++)
            plan->ids[i] = q->names ? dkvb__row_name_id(set->names.salt, q->names[i]) : q->ids[i];
    }
    if (!rc && q->classes)
        rc = mark_classes(plan);
    if (!rc) {
        plan->effects = dkvb__alloc0(&plan->mem, plan->classes, sizeof *plan->effects);
        rc = plan->effects ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    }
    return rc;
}

static dkvb_status add_values(void *context, const void *values, size_t size)
{
    dkvb__checksum_add(context, values, size);
    return DKVB_OK;
}

static dkvb_status sum_of_values(const dkvb_model *model, uint64_t *sum)
{
    struct dkvb__checksum_state state;
    dkvb_status rc;

    dkvb__checksum_begin(&state);
    rc = dkvb__values_to_first(model, add_values, &state);
    *sum = dkvb__checksum_end(&state);
    /* The state of the checksum is erased from memory, as it holds the last values of the model that were hashed. */
    dkvb__erase(&state, sizeof state);
    return rc ? rc : dkvb__ranks_broadcast(&model->codebooks->ranks, sum, sizeof *sum);
}

bool dkvb__plan_can_be_forced(const dkvb_plan *plan)
{
    if (plan->info.refused == DKVB_REFUSED_NOT || plan->info.refused == DKVB_REFUSED_KEYS)
        return false;
    if (plan->info.refused == DKVB_REFUSED_ROWS && !plan->request.force)
        /* The option `force` overrides a refusal for too few held-out rows, unless no row was held out by which the
         * number of pairs to mask could be found. */
        return !plan->unknown;
    return plan->info.strength == DKVB_STRENGTH_EXACT || plan->info.pairs > 0;
}

static dkvb_status make(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_status rc = copy_request(plan, p->set);

    if (!rc)
        rc = dkvb_mask_copy(&p->view.mask, p->model->mask);
    if (p->set)
        plan->info.held_out = p->set->part[DKVB_PART_HELD_OUT].n;
    if (!rc && p->set && !plan->request.mask)
        rc = dkvb__plan_find_rows(p);
    else if (!rc && plan->request.codes)
        rc = find_codes(p);
    plan->info.ids = plan->id_count;
    rc = dkvb__model_agree(p->model, rc);
    if (!rc && plan->request.mask)
        rc = plan_mask(p);
    else if (!rc && plan->request.strength == DKVB_STRENGTH_EXACT) {
        if (dkvb__codeset_check(p->set, p->model->codebooks) == DKVB_OK)
            rc = dkvb__plan_take_held_out(p);
        if (!rc)
            rc = dkvb__plan_exact(p);
    } else if (!rc)
        rc = plan_suppress(p);
    /* Classes that earlier requests forgot are marked DKVB_ASIDE (neither kept nor forgotten) only after the pairs of
     * the new request were chosen: a given number of pairs is chosen as if nothing had been forgotten before. */
    if (!rc && plan->marks)
        rc = dkvb__plan_set_aside(p, plan->marks);
    rc = dkvb__model_agree(p->model, rc);
    plan->info.can_be_forced = dkvb__plan_can_be_forced(plan);
    plan->info.forced = plan->request.force && plan->info.can_be_forced;
    return rc;
}

dkvb_status dkvb__plan_new(dkvb_plan **out, const dkvb_model *model, const dkvb_forget_request *q)
{
    dkvb_plan *plan = dkvb__alloc0(&model->mem, 1, sizeof *plan);

    *out = plan;
    if (!plan)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a plan");
    plan->mem = model->mem;
    plan->info = (dkvb_plan_info)DKVB_PLAN_INFO_INIT;
    plan->info.strength = q->strength;
    plan->info.pairs_total = dkvb__pair_count(model);
    plan->classes = model->classes;
    plan->request = *q;
    dkvb_journal_head(model, plan->head);
    plan->entries = model->journal.count;
    plan->values_dtype = model->values_dtype;
    plan->counted = model->counts != NULL;
    return DKVB_OK;
}

void dkvb__plan_finish(struct dkvb__planning *p)
{
    const dkvb_allocator *mem = &p->model->mem;
    dkvb_forget_request *q = &p->plan->request;

    dkvb_mask_free(p->view.mask);
    dkvb__free_erased(mem, p->rows);
    dkvb__free_erased(mem, p->sampled);
    dkvb__free_erased(mem, p->sampled_ids);
    dkvb__free_erased(mem, p->searched);
    q->classes = NULL; /* After a plan of forgetting is made, it keeps no pointer to the caller's memory. */
    q->ids = NULL;
    q->codes = NULL;
    q->labels = NULL;
    q->mask = NULL;
    q->features = NULL;
    q->feature_source = NULL;
    q->feature_ids = NULL;
    q->names = q->feature_names = NULL;
    q->reason = q->requests = NULL;
    q->salt = NULL;
}

dkvb_status dkvb__plan_one(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                           const dkvb_run_options *run)
{
    struct dkvb__planning p = {.model = model, .view = *model, .set = set, .run = run, .held = DKVB_CODESET_ROWS_INIT};
    dkvb_status rc = dkvb__model_agree(model, dkvb__plan_new(&p.plan, model, q));

    *out = NULL;
    p.view.mask = NULL;
    if (rc) {
        dkvb_plan_free(p.plan);
        return rc;
    }
    rc = make(&p);
    dkvb__plan_finish(&p);
    if (rc) {
        dkvb_plan_free(p.plan);
        return rc;
    }
    *out = p.plan;
    return DKVB_OK;
}

dkvb_status dkvb_forget_plan(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *given,
                             const dkvb_run_options *run)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_status rc = dkvb__take_options(&q, sizeof q, given, "forget request");

    *out = NULL;
    if (!rc)
        rc = check_members(&q);
    if (rc || !model)
        return rc;
    rc = dkvb__model_need_mutable(model);
    if (!rc)
        rc = check_request(&q, set);
    if (!rc)
        rc = q.requests ? dkvb__plan_requests(out, model, set, &q, run) : dkvb__plan_one(out, model, set, &q, run);
    if (!rc) {
        (*out)->ranks = model->codebooks->ranks;
        rc = sum_of_values(model, &(*out)->values);
    }
    if (rc) {
        dkvb_plan_free(*out);
        *out = NULL;
    }
    return rc;
}

dkvb_status dkvb_plan_get_info(const dkvb_plan *plan, dkvb_plan_info *info)
{
    dkvb_plan_info full = plan->info;

    full.class_count = plan->classes;
    full.refusal = plan->refusal;
    full.effects = plan->measured ? plan->effects : NULL;
    full.classes = plan->marks;
    full.mask = plan->mask;
    full.requests = plan->requests;
    full.request_count = plan->part_count;
    return dkvb__give_info(info, &full, sizeof full, "plan info");
}

dkvb_forget_options dkvb__plan_terms(const dkvb_plan *plan, const dkvb_plan *part)
{
    static const char *const replayed = "replay";
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    bool exact = plan->info.strength == DKVB_STRENGTH_EXACT;

    o.method = exact ? replayed : plan->info.method ? dkvb_name(DKVB_NAME_METHOD, plan->info.method) : NULL;
    o.reason = part->reason;
    o.strength = plan->info.strength;
    o.forced = plan->info.forced;
    o.classes = part->marks;
    o.effects = plan->measured ? plan->effects : NULL;
    o.budget = plan->budget;
    o.found = plan->info.budget_found;
    o.keys = plan->info.keys;
    o.target = o.found ? plan->request.target : 0.0;
    if (plan->measured) {
        o.max_retain_drop = plan->request.max_retain_drop;
        o.max_class_loss = plan->request.max_class_loss;
    }
    o.rows = part->id_count ? part->ids : NULL;
    o.row_count = part->id_count;
    o.salt = part->salted ? part->salt : NULL;
    return o;
}

void dkvb__plan_salt(uint8_t salt[32], const uint8_t first[32], const char *what, uint64_t index)
{
    const struct dkvb__piece pieces[] = {{first, 32}, {what, strlen(what)}, {&index, sizeof index}};

    dkvb__sha256(salt, pieces, sizeof pieces / sizeof *pieces);
}

static dkvb_status write_again(const dkvb_plan *plan, struct dkvb_model *draft, size_t index, uint64_t first)
{
    const struct dkvb__again *again = &plan->again[index];
    dkvb_forget_options o = dkvb__plan_terms(plan, plan);
    uint8_t salt[32];

    o.classes = again->classes;
    o.effects = NULL;
    o.budget = again->budget;
    o.target = again->target;
    o.rows = again->ids;
    o.row_count = again->id_count;
    o.again = again->entry ? again->entry : first;
    if (o.salt) {
        dkvb__plan_salt(salt, plan->salt, "dkvb again", index);
        o.salt = salt;
    }
    return dkvb_model_forget(draft, again->mask, &o, NULL);
}

dkvb_status dkvb__plan_write(const dkvb_plan *plan, struct dkvb_model *draft, uint64_t *entry)
{
    dkvb_forget_options o = dkvb__plan_terms(plan, plan);
    dkvb_status rc = dkvb_model_forget(draft, plan->mask, &o, entry);

    for (size_t i = 0; !rc && i < plan->info.again; i++)
        rc = write_again(plan, draft, i, *entry);
    return rc;
}

/* Checks that the model is still the model that the plan of forgetting was made for. */
static dkvb_status check_same(const dkvb_plan *plan, const dkvb_model *model)
{
    uint8_t head[32];
    uint64_t entry, values;
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (rc)
        return rc;
    dkvb_journal_head(model, head);
    if (memcmp(head, plan->head, sizeof head) != 0 && dkvb_journal_find_head(model, plan->head, &entry) == DKVB_OK)
        return dkvb__fail(
            DKVB_EMISMATCH,
            "the model's journal is not what it was when this was planned: %llu entries were added since. "
            "Plan again",
            (unsigned long long)(model->journal.count - entry));
    if (memcmp(head, plan->head, sizeof head) != 0)
        return dkvb__fail(DKVB_EMISMATCH, "the model's journal is not what it was when this was planned, it is of "
                                          "another model or of an older state. Plan again");
    rc = sum_of_values(model, &values);
    if (rc)
        return rc;
    if (model->classes != plan->classes || model->values_dtype != plan->values_dtype ||
        (model->counts != NULL) != plan->counted || values != plan->values)
        return dkvb__fail(DKVB_EMISMATCH,
                          "the model's values are not what they were when this was planned. Plan again");
    return DKVB_OK;
}

/* Writes all journal entries of a plan of forgetting, or none. */
static dkvb_status apply_suppress(const dkvb_plan *plan, dkvb_model *model, uint64_t *entry)
{
    struct dkvb_model draft = {0};
    dkvb_status rc = dkvb__model_agree(model, dkvb__draft_new(&draft, model));

    if (!rc && plan->part_count == 0)
        rc = dkvb__plan_write(plan, &draft, entry);
    for (size_t i = 0; !rc && i < plan->part_count; i++) {
        uint64_t id = 0;

        if (plan->parts[i]->already)
            continue;
        rc = dkvb__plan_write(plan->parts[i], &draft, &id);
        *entry = *entry ? *entry : id;
    }
    if (rc)
        dkvb__draft_free(&draft);
    else
        dkvb__draft_adopt(&draft, model);
    return rc;
}

dkvb_status dkvb_forget_apply(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *set, uint64_t *entry)
{
    bool exact = plan->info.strength == DKVB_STRENGTH_EXACT, done = plan->info.resumed;
    uint64_t id = 0;
    dkvb_status rc;

    if (plan->applied)
        return dkvb__fail(DKVB_ESTATE, "the plan was applied already: a new one is made by dkvb_forget_plan()");
    if (plan->info.refused && !plan->info.forced)
        return dkvb__fail(DKVB_EREFUSED, "%s", plan->refusal);
    rc = check_same(plan, model);
    if (rc == DKVB_EMISMATCH && exact && dkvb__exact_was_applied(plan, model)) {
        done = true;
        rc = DKVB_OK;
    }
    if (!rc && !dkvb__plan_is_idle(plan))
        rc = exact ? dkvb__apply_exact(plan, model, set, done, &id) : apply_suppress(plan, model, &id);
    if (rc)
        return rc;
    plan->applied = true;
    if (entry)
        *entry = id;
    return DKVB_OK;
}

void dkvb_plan_free(dkvb_plan *plan)
{
    dkvb_allocator mem;

    if (!plan)
        return;
    mem = plan->mem;
    for (size_t i = 0; plan->again && i < plan->info.again; i++) {
        dkvb__free(&mem, plan->again[i].classes);
        dkvb__free_erased(&mem, plan->again[i].ids);
        dkvb_mask_free(plan->again[i].mask);
    }
    for (size_t i = 0; i < plan->part_count; i++)
        dkvb_plan_free(plan->parts[i]);
    dkvb__free(&mem, plan->parts);
    dkvb__free(&mem, plan->requests);
    dkvb__free(&mem, plan->again);
    dkvb_model_free(plan->after);
    dkvb_model_free(plan->placed);
    dkvb_codeset_free(plan->placed_set);
    dkvb_mask_free(plan->mask);
    dkvb__free(&mem, plan->lifted);
    dkvb__free(&mem, plan->effects);
    dkvb__free(&mem, plan->marks);
    dkvb__free_erased(&mem, plan->ids);
    dkvb__free_erased(&mem, plan->names);
    dkvb__free(&mem, plan->reason);
    /* The memory of a plan of forgetting is erased before it is freed, as it holds the salt of the hashes that commit
     * to rows. */
    dkvb__free_erased(&mem, plan);
}
