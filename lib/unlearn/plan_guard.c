/* The functions of plan_guard.c, called guards, refuse plans of forgetting that would harm other classes, or that rest
 * on too few rows. */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/status.h"
#include "unlearn/effect.h"
#include "unlearn/journal.h"
#include "unlearn/plan.h"

/* A forget request is refused if rows of another class are mixed into it: at least 25 rows, which are at least 2 % of
 * the request's rows, and which would certainly cost their class accuracy if they were forgotten. The limits of 25 rows
 * and 2 % for rows of other classes in a request were chosen by trials with requests into which such rows were mixed,
 * and with requests without such rows (docs/unlearning.md). */
static const double share_that_matters = 0.02;
enum { ROWS_THAT_MATTER = 25 };

void dkvb__plan_refuse(dkvb_plan *plan, uint32_t why, uint32_t label, const char *format, ...)
{
    bool impossible = why == DKVB_REFUSED_TARGET || (why == DKVB_REFUSED_NOTHING && plan->info.pairs == 0);
    va_list arguments;

    /* The option `force` overrides the refusal of a request for which too few rows were measured; if the request then
     * turns out to be impossible, its impossibility replaces the few rows as the reason for the refusal. */
    if (plan->info.refused && !(plan->info.refused == DKVB_REFUSED_ROWS && plan->request.force && impossible))
        return;
    plan->info.refused = why;
    plan->info.refused_class = label;
    va_start(arguments, format);
    vsnprintf(plan->refusal, sizeof plan->refusal, format, arguments);
    va_end(arguments);
}

/* Writes the number and the name of a class, "3 cat", or "3" for a class without a name. */
static const char *class_text(const dkvb_model *model, uint32_t label, char *text, size_t size)
{
    const char *name = dkvb_model_class_name(model, label);

    snprintf(text, size, "%u%s%s", label, name ? " " : "", name ? name : "");
    return text;
}

/* Returns advice for the end of a message that refuses a forget request: another way to reach the goal of the request,
 * if there is one. */
static const char *way_on(const struct dkvb__planning *p)
{
    return p->set && p->plan->info.strength != DKVB_STRENGTH_EXACT
               ? ". The strength exact trains again without the rows instead"
               : "";
}

static void refuse_class(struct dkvb__planning *p, uint32_t why, uint32_t label, const dkvb_class_effect *e,
                         double limit, const char *how)
{
    char text[300];

    dkvb__plan_refuse(p->plan, why, label,
                      "class %s would lose %.4f of its accuracy (95 %%: %.4f to %.4f, on %llu held-out rows)%s; more "
                      "than %g for certain is refused%s",
                      class_text(p->model, label, text, sizeof text), e->loss, e->low, e->high,
                      (unsigned long long)e->rows, how, limit, way_on(p));
}

/* Counts, for each class, the training rows that a planned forgetting would forget, [classes]. In the count of training
 * rows to be forgotten, held-out rows do not count, as no values were trained on them. */
static uint64_t *count_requested(const struct dkvb__planning *p)
{
    uint64_t *rows = dkvb__alloc0(&p->plan->mem, p->plan->classes, sizeof *rows);

    for (size_t i = 0; rows && p->labels && i < p->n; i++)
        if ((!p->rows || p->rows[i] == DKVB_FORGET) && p->labels[i] >= 0 && (uint32_t)p->labels[i] < p->plan->classes)
            rows[p->labels[i]]++;
    return rows;
}

static uint32_t largest(const uint64_t *rows, uint32_t classes)
{
    uint32_t best = 0;

    for (uint32_t l = 1; l < classes; l++)
        best = rows[l] > rows[best] ? l : best;
    return best;
}

/* Gives the mark DKVB_KEEP to the classes whose losses of accuracy may make the plan of a forgetting be refused. Losses
 * of accuracy do not count for a class that the request asks for (if the request names no class, the class with most of
 * its rows) and for classes that requests in force have already forgotten. The array `marks`, [classes], gets a mark
 * for each class: DKVB_KEEP if the plan of a forgetting may be refused because the class loses accuracy. */
static dkvb_status mark_others(const struct dkvb__planning *p, uint8_t *marks)
{
    const dkvb_plan *plan = p->plan;
    uint64_t *requested = plan->marks || p->asked ? NULL : count_requested(p);

    if (!plan->marks && !p->asked && !requested)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    for (uint32_t l = 0; l < plan->classes; l++) {
        bool asked_for = (plan->marks && plan->marks[l] == DKVB_FORGET) || (p->asked && p->asked[l]);

        marks[l] = asked_for ? DKVB_FORGET : DKVB_KEEP;
    }
    if (requested && requested[largest(requested, plan->classes)] > 0)
        marks[largest(requested, plan->classes)] = DKVB_FORGET;
    dkvb__free(&plan->mem, requested);
    return dkvb__plan_set_aside(p, marks);
}

/* a loss of accuracy below every possible loss: a class that gains as much as possible has the loss -1 */
static const double all_losses = -2.0;

/* Finds the class with the largest loss of accuracy among those classes marked DKVB_KEEP whose loss certainly exceeds a
 * limit; returns the number of classes if there is none. */
static uint32_t loses_most(const uint8_t *marks, const dkvb_class_effect *effects, uint32_t classes, double limit)
{
    uint32_t worst = classes;

    for (uint32_t l = 0; l < classes; l++)
        if (marks[l] == DKVB_KEEP && effects[l].low > limit &&
            (worst == classes || effects[l].loss > effects[worst].loss))
            worst = l;
    return worst;
}

dkvb_status dkvb__guard_effects(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    double limit = plan->request.max_class_loss;
    dkvb_class_effect others = {0};
    uint32_t worst;
    uint8_t *marks;
    dkvb_status rc;

    if (!plan->measured)
        return DKVB_OK;
    marks = dkvb__alloc(&plan->mem, plan->classes, 1);
    rc = marks ? mark_others(p, marks) : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    if (rc)
        goto end;
    worst = loses_most(marks, plan->effects, plan->classes, limit);
    if (worst < plan->classes)
        refuse_class(p, DKVB_REFUSED_CLASS, worst, &plan->effects[worst], limit, "");
    for (uint32_t l = 0; l < plan->classes; l++)
        if (marks[l] == DKVB_KEEP)
            dkvb__effect_add(&others, &plan->effects[l]);
    /* One or two held-out rows of a class prove no loss of accuracy of that class, but the rows of all classes together
     * may: if the classes together lose more than the limit, at least one of them does. */
    if (others.low > limit)
        dkvb__plan_refuse(plan, DKVB_REFUSED_CLASS, loses_most(marks, plan->effects, plan->classes, all_losses),
                          "the classes that nobody asked for would lose %.4f of their accuracy together (95 %%: %.4f "
                          "to %.4f, on %llu held-out rows); more than %g for certain is refused%s",
                          others.loss, others.low, others.high, (unsigned long long)others.rows, limit, way_on(p));

end:
    dkvb__free(&plan->mem, marks);
    return rc;
}

/* Refuses a plan of forgetting with the message "class 3 cat would lose …", for a class that many requests together
 * cost too much accuracy. */
static void refuse_sum(struct dkvb__planning *p, uint32_t label, const dkvb_class_effect *sum, bool beyond)
{
    const dkvb_plan *plan = p->plan;
    char text[300];

    dkvb__plan_refuse(p->plan, DKVB_REFUSED_CLASS, label,
                      "class %s would lose %.4f of its accuracy (95 %%: %.4f to %.4f, on %llu held-out rows) by all "
                      "requests in force together that name no class%s, %.4f of it by this one; more than %g for "
                      "certain is refused. The strength exact trains again without the rows instead, and undoing "
                      "earlier requests lifts masks",
                      class_text(p->model, label, text, sizeof text), sum->loss, sum->low, sum->high,
                      (unsigned long long)sum->rows, beyond ? ", beyond what earlier ones were allowed to cost it" : "",
                      plan->effects[label].loss, plan->request.max_class_loss);
}

/* Adds to `mask` the pairs masked by those forget requests that name classes or were forced. Masks of requests that
 * name classes or were forced do not count in the sum of a class's losses, since the user has accepted the losses they
 * cause. */
static dkvb_status add_answered_for(const dkvb_model *model, dkvb_mask *mask)
{
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < model->journal.count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        rc = dkvb_journal_get(model, i, &entry);
        if (!rc && dkvb__journal_masks(&model->journal, i) && (entry.by_class || entry.forced))
            dkvb__record_add_to(&model->journal.records[i], mask);
    }
    return rc;
}

/* Adds to `mask` the pairs masked by requests that cost the class `label` more accuracy than one request may; such
 * requests do not count in the sum of that class's losses. An earlier request that cost a class more accuracy than the
 * limit was mostly for rows of that class, as a request for other rows would have been refused. The argument `scratch`,
 * [classes], is scratch space; *any becomes true if any earlier forget request cost the class `label` more accuracy
 * than the limit. */
static dkvb_status add_allowed(const dkvb_model *model, uint32_t label, dkvb_mask *mask, dkvb_class_effect *scratch,
                               bool *any)
{
    dkvb_status rc = DKVB_OK;

    *any = false;
    for (size_t i = 0; !rc && i < model->journal.count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        rc = dkvb_journal_get(model, i, &entry);
        if (rc || !dkvb__journal_masks(&model->journal, i) || entry.by_class || entry.forced)
            continue;
        rc = dkvb_journal_get_terms(model, entry.id, NULL, scratch);
        if (rc || !(scratch[label].low > entry.max_class_loss))
            continue;
        dkvb__record_add_to(&model->journal.records[i], mask);
        *any = true;
    }
    return rc;
}

/* Measures how much less accuracy each class has with the planned mask added to the masks in force than under the mask
 * `without`; these losses go to `sum`, [classes]. */
static dkvb_status measure_sum(const struct dkvb__planning *p, dkvb_mask *without, dkvb_mask *with,
                               dkvb_class_effect *sum)
{
    struct dkvb_model before = *p->model, after = *p->model;

    before.mask = without;
    after.mask = with;
    return dkvb__effect_compare(&before, &after, &p->held, sum, p->run);
}

/* Measures how much accuracy one class loses by all masks together, sum[label], leaving out the masks of requests that
 * were allowed to cost the class more than the limit, if there are any. The argument `scratch`, [classes], is scratch
 * space for effects on each class. */
static dkvb_status measure_beyond(const struct dkvb__planning *p, uint32_t label, const dkvb_mask *without,
                                  dkvb_mask *with, dkvb_class_effect *sum, dkvb_class_effect *scratch, bool *any)
{
    dkvb_mask *own = NULL;
    dkvb_status rc = dkvb_mask_copy(&own, without);

    if (!rc)
        rc = add_allowed(p->model, label, own, scratch, any);
    rc = dkvb__model_agree(p->model, rc);
    if (!rc && *any)
        rc = measure_sum(p, own, with, scratch);
    if (!rc && *any)
        sum[label] = scratch[label];
    dkvb_mask_free(own);
    return rc;
}

/*
 * Refuses a request by rows if the sum of many such requests, each of which alone costs a class only as much accuracy
 * as allowed, costs the class too much. Each of many requests by rows may keep its limits, and all together may still
 * cost a class more accuracy than one request may. The rows of many requests come from many persons, none of whom is
 * responsible for the total loss, so the accuracy under all masks is compared with the accuracy under the masks of
 * requests that name classes or were forced. In the check against too large losses of other classes, the mask of a
 * journal entry in force that names no class counts like the mask of a request for rows. Purged pairs are left out when
 * the accuracies under different masks are compared, as their values are erased; how much accuracy they cost is known
 * from the journal only.
 */
dkvb_status dkvb__guard_sum(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_mask *without = NULL, *with = NULL;
    double limit = plan->request.max_class_loss;
    /* effects of all masks on the accuracy of each class, [2][classes], where the second half is scratch space */
    dkvb_class_effect *sum;
    uint32_t worst = plan->classes;
    uint8_t *marks;
    /* marks of classes that earlier requests were allowed to cost more accuracy than the limit, [classes] */
    bool *beyond;
    dkvb_status rc = DKVB_OK;

    if (!plan->measured || plan->marks || !plan->mask || dkvb__mask_count(p->view.mask) == 0)
        return DKVB_OK;
    sum = dkvb__alloc0(&plan->mem, plan->classes, 2 * sizeof *sum);
    marks = dkvb__alloc0(&plan->mem, plan->classes, 1);
    beyond = dkvb__alloc0(&plan->mem, plan->classes, sizeof *beyond);
    if (!sum || !marks || !beyond)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    if (!rc)
        rc = mark_others(p, marks);
    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        /* A class forgotten earlier is set aside (counts neither as kept nor as forgotten) if the planned forgetting
         * does not cost this class any accuracy. */
        if (!(plan->effects[l].loss > 0.0))
            marks[l] = DKVB_ASIDE;
    if (!rc)
        rc = dkvb_mask_new(&without, p->model->codebooks);
    if (!rc)
        rc = add_answered_for(p->model, without);
    if (!rc)
        rc = dkvb_mask_copy(&with, p->view.mask);
    if (!rc)
        rc = dkvb_mask_combine(with, plan->mask, DKVB_MASK_UNION);
    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = measure_sum(p, without, with, sum);
    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        if (marks[l] == DKVB_KEEP && sum[l].low > limit)
            rc = measure_beyond(p, l, without, with, sum, sum + plan->classes, &beyond[l]);
    if (!rc)
        worst = loses_most(marks, sum, plan->classes, limit);
    if (worst < plan->classes)
        refuse_sum(p, worst, &sum[worst], beyond[worst]);
    dkvb_mask_free(without);
    dkvb_mask_free(with);
    dkvb__free(&plan->mem, sum);
    dkvb__free(&plan->mem, marks);
    dkvb__free(&plan->mem, beyond);
    return rc;
}

/* Collects every pair that is selected by rows to be forgotten: only by those of the class `label`, or by all of them
 * if `label` is -1. */
static dkvb_status every_pair(struct dkvb__planning *p, int32_t label, dkvb_mask **mask)
{
    dkvb_request request = DKVB_REQUEST_INIT;
    uint8_t *marks = dkvb__alloc(&p->plan->mem, p->n, 1);
    dkvb_status rc =
        marks ? dkvb_mask_new(mask, p->model->codebooks) : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", p->n);

    for (size_t i = 0; !rc && i < p->n; i++)
        marks[i] = p->rows[i] == DKVB_FORGET && (label < 0 || p->labels[i] == label) ? DKVB_FORGET : DKVB_KEEP;
    rc = dkvb__model_agree(p->model, rc);
    request.method = DKVB_METHOD_EVERY;
    request.k = p->model->top_k;
    request.codes = p->codes;
    request.n = p->n;
    request.rows = marks;
    if (!rc)
        rc = dkvb_unlearn_choose(*mask, p->model, &request, 1, p->run);
    dkvb__free_erased(&p->plan->mem, marks);
    return rc;
}

static bool matters(const dkvb_plan *plan, uint64_t rows)
{
    return rows >= ROWS_THAT_MATTER && (double)rows >= share_that_matters * (double)plan->info.rows;
}

/*
 * Measures how much accuracy other classes lose if all rows of a request are forgotten instead of only the rows of its
 * main class, supposing that every pair that a row to be forgotten selects is masked. Rows of another class that were
 * mixed into a request show in the measured loss of their class's accuracy, whatever the forgetting method.
 */
dkvb_status dkvb__guard_mixture(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_mask *own = NULL, *all = NULL;
    uint64_t *requested;
    dkvb_class_effect *effects;
    uint8_t *marks;
    uint32_t main_class, worst;
    char how[128];
    dkvb_status rc = DKVB_OK;

    if (p->held.n == 0 || plan->marks || plan->info.rows == 0)
        return DKVB_OK;
    if (!p->codes) {
        rc = dkvb__plan_need_codes(p, DKVB_PART_TRAINING);
        p->codes = p->set->part[DKVB_PART_TRAINING].codes;
    }
    requested = count_requested(p);
    effects = dkvb__alloc(&plan->mem, plan->classes, sizeof *effects);
    marks = dkvb__alloc(&plan->mem, plan->classes, 1);
    if (!rc && (!requested || !effects || !marks))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    rc = dkvb__model_agree(p->model, rc);
    main_class = rc ? 0 : largest(requested, plan->classes);
    /* The check whether a request contains rows of other classes ends if none of its rows has a label, as rows without
     * a label belong to no class. */
    if (!rc && requested[main_class] == 0)
        goto end;
    if (!rc)
        rc = every_pair(p, (int32_t)main_class, &own);
    if (!rc)
        rc = every_pair(p, -1, &all);
    if (!rc)
        rc = dkvb_effect_measure(p->model, own, all, &p->held, effects, NULL, p->run);
    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        marks[l] = l != main_class && matters(plan, requested[l]) ? DKVB_KEEP : DKVB_FORGET;
    worst = rc ? plan->classes : loses_most(marks, effects, plan->classes, 0.0);
    if (worst < plan->classes) {
        snprintf(how, sizeof how, " by %llu of the %llu rows, which are its own while most are of class %u",
                 (unsigned long long)requested[worst], (unsigned long long)plan->info.rows, main_class);
        refuse_class(p, DKVB_REFUSED_MIXED, worst, &effects[worst], 0.0, how);
    }

end:
    dkvb_mask_free(own);
    dkvb_mask_free(all);
    dkvb__free(&plan->mem, requested);
    dkvb__free(&plan->mem, effects);
    dkvb__free(&plan->mem, marks);
    return rc;
}

dkvb_status dkvb__guard_evidence(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    uint64_t rows = 0, right = 0;
    /* The lowest class to be forgotten that has no held-out row on which a loss of accuracy could show. */
    uint32_t silent = plan->classes;
    char text[300];
    dkvb_status rc;

    if (p->held.n > 0) {
        rc = dkvb_effect_measure(&p->view, NULL, NULL, &p->held, plan->effects, NULL, p->run);
        if (rc)
            return rc;
    }
    for (uint32_t l = 0; l < plan->classes; l++)
        if (plan->marks[l] == DKVB_FORGET) {
            rows += plan->effects[l].rows;
            right += plan->effects[l].right_before;
            if (plan->effects[l].right_before == 0 && silent == plan->classes)
                silent = l;
        }
    plan->unknown = rows == 0;
    if (right < DKVB_PLAN_LEAST_ROWS)
        dkvb__plan_refuse(plan, DKVB_REFUSED_ROWS, 0,
                          "only %llu of %llu held-out rows of what is to be forgotten are answered rightly now, and at "
                          "least %u would tell how many pairs are enough: hold out more rows in training, give the "
                          "number of pairs, or train again without the rows (strength exact)",
                          (unsigned long long)right, (unsigned long long)rows, DKVB_PLAN_LEAST_ROWS);
    else if (silent < plan->classes)
        dkvb__plan_refuse(
            plan, DKVB_REFUSED_ROWS, silent,
            "none of %llu held-out rows of class %s is answered rightly now, so that none would tell when "
            "the class is forgotten: give the number of pairs, or train again without the rows (strength "
            "exact)",
            (unsigned long long)plan->effects[silent].rows, class_text(p->model, silent, text, sizeof text));
    return DKVB_OK;
}
