/* Attacks with which somebody who has the model tries to recover the forgotten class: by a constant on a logit, by the
 * mask itself, or by a few rows. */
#include "audit/recovery.h"

#include <math.h>

#include "audit/order.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/model.h"
#include "dkvb/search.h"

/* A value of the attacker's constant (added to the logits of the target classes) at which the prediction of a row
 * changes. Each row has a gap of its own: the attacker's constant, added to the logits of the target classes, makes the
 * row be predicted as a target class if the constant exceeds the gap. The member `gain` tells how the mean of two
 * accuracies (on target classes and on all others) changes when the attacker's constant passes the point where the
 * row's prediction changes: it rises if a row of the target classes becomes right, and falls if another row becomes
 * wrong. */
struct step {
    double gap, gain;
};

static size_t best_of(const float *logits, uint32_t classes, const uint8_t *target, bool of_target)
{
    size_t best = classes;

    for (size_t l = 0; l < classes; l++)
        if ((target[l] != 0) == of_target && (best == classes || logits[l] > logits[best]))
            best = l;
    return best;
}

static struct step find_step(const float *logits, int32_t label, uint32_t classes, const uint8_t *target,
                             const double weight[2])
{
    size_t inside = best_of(logits, classes, target, true), outside = best_of(logits, classes, target, false);
    struct step s = {(double)logits[outside] - (double)logits[inside], 0.0};

    if (target[label])
        s.gain = inside == (size_t)label ? weight[1] : 0.0;
    else
        s.gain = outside == (size_t)label ? -weight[0] : 0.0;
    return s;
}

/* Finds the best constant to add to the logits of target classes by a walk over the rows' gaps (constants at which the
 * prediction of a row changes) in ascending order. A constant below the gaps of all rows (the constants at which their
 * predictions change) makes the model predict no row as a target class. */
static double best_constant(const double *gap, const double *gain, const struct dkvb__keyed *order, size_t n)
{
    double best = 0.0, value = 0.0, constant = gap[order[0].index] - 1.0;

    for (size_t i = 0; i < n;) {
        double here = gap[order[i].index];

        for (; i < n && gap[order[i].index] == here; i++)
            value += gain[order[i].index];
        if (value > best) {
            best = value;
            constant = i < n ? here + (gap[order[i].index] - here) / 2.0 : here + 1.0;
        }
    }
    return constant;
}

static dkvb_status check_target(const struct dkvb__answers *a, const uint8_t *target, double weight[2])
{
    size_t targets = 0, rows[2] = {0, 0};

    for (uint32_t l = 0; l < a->classes; l++)
        targets += target[l] != 0;
    if (targets == 0 || targets == a->classes)
        return dkvb__fail(DKVB_EINVAL, "%zu of %u classes are targets: there must be some, and not all", targets,
                          a->classes);
    for (size_t r = 0; r < a->n; r++)
        if (a->labels[r] >= 0)
            rows[target[a->labels[r]] != 0]++;
    if (rows[0] == 0 || rows[1] == 0)
        return dkvb__fail(DKVB_EINVAL, "%zu rows of the target classes and %zu others: there must be some of both",
                          rows[1], rows[0]);
    weight[0] = 1.0 / (double)rows[0];
    weight[1] = 1.0 / (double)rows[1];
    return DKVB_OK;
}

dkvb_status dkvb__audit_best_constant(const struct dkvb__answers *a, const uint8_t *target, double *constant,
                                      const dkvb_allocator *mem)
{
    double weight[2] = {0.0, 0.0}, *gap, *gain;
    struct dkvb__keyed *order = NULL;
    size_t count = 0;
    dkvb_status rc = check_target(a, target, weight);

    if (rc)
        return rc;
    gap = dkvb__alloc(mem, a->n, 2 * sizeof *gap);
    if (!gap)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the gaps of %zu rows", a->n);
    gain = gap + a->n;
    for (size_t r = 0; !rc && r < a->n; r++) {
        struct step s;

        if (a->labels[r] < 0)
            continue;
        s = find_step(a->logits + r * a->classes, a->labels[r], a->classes, target, weight);
        if (!isfinite(s.gap))
            rc = dkvb__fail(DKVB_EINVAL, "logits: row %zu is not finite", r);
        gap[count] = s.gap;
        gain[count++] = s.gain;
    }
    if (!rc) {
        order = dkvb__order_by(gap, count, mem);
        if (order)
            *constant = best_constant(gap, gain, order, count);
        else
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu gaps", count);
    }
    dkvb__free(mem, order);
    dkvb__free_erased(mem, gap);
    return rc;
}

dkvb_status dkvb__audit_mask_scores(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                    double *scores)
{
    size_t size = dkvb__code_size(model);
    dkvb_status rc = dkvb__check_codes(model, codes, k, n);

    for (size_t r = 0; !rc && r < n; r++) {
        const uint16_t *code = codes + r * size;
        size_t dead = 0;

        for (size_t i = 0; i < size; i++)
            dead += code[i] != DKVB_CODE_NONE && dkvb__model_dead(model, i / k, code[i]);
        scores[r] = (double)dead / (double)size;
    }
    return rc;
}

/* Lists the rows of one class that may be drawn: only the marked rows if any row of the class is marked, otherwise
 * all. */
static size_t candidates(const struct dkvb__drawing *d, int32_t label, size_t *rows)
{
    size_t count = 0, marked = 0;

    for (size_t r = 0; r < d->n; r++)
        if (d->labels[r] == label)
            rows[count++] = r;
    for (size_t i = 0; d->among && i < count; i++)
        if (d->among[rows[i]])
            rows[marked++] = rows[i];
    return marked > 0 ? marked : count;
}

dkvb_status dkvb__audit_few_rows(const struct dkvb__drawing *d, int32_t *few, const dkvb_allocator *mem)
{
    size_t *rows = dkvb__alloc(mem, d->n, 3 * sizeof *rows);

    if (!rows)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to choose among %zu rows", d->n);
    for (size_t r = 0; r < d->n; r++)
        few[r] = -1;
    for (uint32_t l = 0; l < d->classes; l++) {
        size_t count = candidates(d, (int32_t)l, rows), wanted = count < d->per_class ? count : d->per_class;
        struct dkvb__rng rng;

        dkvb__rng_seed(&rng, d->seed, l);
        dkvb__rng_choose(&rng, count, wanted, rows + d->n, rows + 2 * d->n);
        for (size_t i = 0; i < wanted; i++)
            few[rows[rows[d->n + i]]] = (int32_t)l;
    }
    dkvb__free(mem, rows);
    return DKVB_OK;
}

/* Computes the prototypes of one class, which are means of groups of its rows. The argument `order`, [count], is a
 * permutation of the class's rows to average; `sums`, [dim], is scratch space. */
static void average_groups(const struct dkvb__grouping *g, const size_t *rows, const size_t *order, size_t count,
                           double *sums, float *means)
{
    size_t groups = count < g->groups ? count : g->groups;

    for (size_t group = 0; group < groups; group++) {
        size_t taken = 0;

        for (size_t d = 0; d < g->dim; d++)
            sums[d] = 0.0;
        for (size_t i = group; i < count; i += groups, taken++)
            for (size_t d = 0; d < g->dim; d++)
                sums[d] += (double)g->x[rows[order[i]] * g->dim + d];
        for (size_t d = 0; d < g->dim; d++)
            means[group * g->dim + d] = (float)(sums[d] / (double)taken);
    }
}

dkvb_status dkvb__audit_prototypes(const struct dkvb__grouping *g, float *means, int32_t *mean_labels, size_t *count,
                                   const dkvb_allocator *mem)
{
    size_t *rows = dkvb__alloc(mem, g->n, 3 * sizeof *rows);
    double *sums = dkvb__alloc(mem, g->dim, sizeof *sums);

    *count = 0;
    for (uint32_t l = 0; rows && sums && l < g->classes; l++) {
        struct dkvb__rng rng;
        size_t found = 0;

        for (size_t r = 0; r < g->n; r++)
            if (g->labels[r] == (int32_t)l)
                rows[found++] = r;
        dkvb__rng_seed(&rng, g->seed, l);
        dkvb__rng_choose(&rng, found, found, rows + g->n, rows + 2 * g->n);
        average_groups(g, rows, rows + g->n, found, sums, means + *count * g->dim);
        for (size_t group = 0; group < g->groups && group < found; group++)
            mean_labels[(*count)++] = (int32_t)l;
    }
    dkvb__free(mem, rows);
    dkvb__free_erased(mem, sums);
    return rows && sums ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for prototypes of %zu rows", g->n);
}
