/* Membership scores by likelihood ratio (Carlini et al. 2022, arXiv 2112.03570): shadow models that learned a row are
 * compared with shadow models that did not. */
#include "audit/lira.h"

#include <string.h>

#include "audit/margins.h"
#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/parallel.h"
#include "base/ranks.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/model.h"

enum { ENOUGH_FOR_OWN_VARIANCE = 64 };

/* Least variance of a row's margins, used for margins that do not vary, such as those of rows without an unmasked
 * key. */
static const double smallest_variance = 1e-12;

struct shadows {
    const dkvb_model *model;
    const struct dkvb__shadow_rows *rows;
    const struct dkvb__shadowing *how;
    const struct dkvb__run *run;
    const dkvb_ranks *ranks;
    uint32_t first, end; /* The shadow models that this rank (process) trains, from number `first` to below `end`. */
    uint32_t present;    /* the number of the shadow model whose training is in progress */
    int32_t *own;        /* labels that the shadow model learns whose training is in progress, [n] */
    int32_t *asked;      /* labels of the target rows of the membership attack, [count] */
    size_t *drawn;       /* target rows that each of two successive shadow models learns, in random order, [2][count] */
    float *logits;       /* scratch space for the logits of the target rows, [count][classes] */
};

/* Reports the progress of training shadow models as a number of finished models. */
static int relay(void *user, uint64_t done, uint64_t total)
{
    const struct shadows *s = user;

    (void)done;
    (void)total;
    return s->run->progress ? s->run->progress(s->run->user, s->present - s->first, s->end - s->first) : 0;
}

/* Chooses the target rows that shadow models learn: shadow models with even numbers draw half of the targets, and the
 * next shadow model takes the other half. */
static void choose_targets(const struct shadows *s, uint8_t *inside)
{
    const struct dkvb__shadow_rows *rows = s->rows;
    struct dkvb__rng rng;

    memset(inside, s->present % 2, rows->count);
    dkvb__rng_seed(&rng, s->how->seed, s->present / 2);
    dkvb__rng_choose(&rng, rows->count, rows->count / 2, s->drawn, s->drawn + rows->count);
    for (size_t i = 0; i < rows->count / 2; i++)
        inside[s->drawn[i]] = s->present % 2 == 0;
    for (size_t i = 0; i < rows->count; i++)
        s->own[rows->targets[i]] = inside[i] ? rows->labels[rows->targets[i]] : -1;
}

static dkvb_status train_shadow(struct shadows *s, dkvb_model **out, const dkvb_run_options *run)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = s->how->train;
    dkvb_status rc;

    o.top_k = s->model->top_k;
    o.allocator = &s->model->mem;
    train.seed += 1 + s->present;
    rc = dkvb_model_new(out, s->model->codebooks, s->model->classes, &o);
    if (!rc)
        rc = dkvb_model_set_values(*out, NULL, s->model->values_dtype);
    if (!rc)
        rc = dkvb_model_train(*out, s->rows->codes, s->rows->k, s->own, s->rows->n, &train, run);
    return rc;
}

static dkvb_status look(const struct shadows *s, const dkvb_model *shadow, double *margins, const dkvb_run_options *run)
{
    dkvb_status rc = DKVB_OK;

    for (uint32_t v = 0; !rc && v < s->how->views_count; v++) {
        const struct dkvb__view *view = &s->how->views[v];
        const struct dkvb__answers answers = {s->logits, s->asked, s->rows->count, s->model->classes, view->dropped};
        double *to = margins + ((size_t)v * s->how->shadows + s->present) * s->rows->count;

        rc = dkvb_model_decode(shadow, view->codes, s->rows->k, s->rows->count, NULL, s->logits, run);
        if (!rc)
            rc = dkvb__audit_margins(&answers, to);
    }
    return rc;
}

static dkvb_status run_shadows(struct shadows *s, double *margins, uint8_t *inside)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc = DKVB_OK;

    run.threads = s->run->threads;
    run.progress = relay;
    run.user = s;
    memcpy(s->own, s->rows->labels, s->rows->n * sizeof *s->own);
    for (size_t i = 0; i < s->rows->count; i++)
        s->asked[i] = s->rows->labels[s->rows->targets[i]];
    for (s->present = 0; !rc && s->present < s->how->shadows; s->present++) {
        dkvb_model *shadow = NULL;

        choose_targets(s, inside + (size_t)s->present * s->rows->count);
        if (s->present < s->first || s->present >= s->end)
            continue; /* This rank (process) does not train the shadow model, as another rank does. */
        rc = train_shadow(s, &shadow, &run);
        if (!rc)
            rc = look(s, shadow, margins, &run);
        dkvb_model_free(shadow);
    }
    return rc || s->end == s->first ? rc : dkvb__report(s->run, s->end - s->first, s->end - s->first);
}

/* Passes the margins of the targets in all shadow models to all ranks (processes). */
static dkvb_status pass_margins(const struct shadows *s, double *margins)
{
    size_t row = s->rows->count, view = s->how->shadows * row;
    dkvb_status rc = DKVB_OK;

    for (uint32_t v = 0; !rc && v < s->how->views_count; v++)
        rc = dkvb__ranks_share_evenly(s->ranks, margins + v * view, s->how->shadows, row * sizeof *margins);
    return rc;
}

dkvb_status dkvb__audit_shadows(const dkvb_model *model, const struct dkvb__shadow_rows *rows,
                                const struct dkvb__shadowing *how, double *margins, uint8_t *inside,
                                const dkvb_run_options *given)
{
    const dkvb_allocator *mem = &model->mem;
    struct dkvb__run run;
    dkvb_ranks ranks;
    struct shadows s = {.model = model, .rows = rows, .how = how, .run = &run, .ranks = &ranks};
    dkvb_status rc = dkvb__run_take(&run, given);

    if (!rc)
        rc = dkvb__ranks_take(&ranks, run.ranks);
    if (rc)
        return rc;
    s.first = (uint32_t)dkvb__ranks_first(&ranks, how->shadows, ranks.rank);
    s.end = (uint32_t)dkvb__ranks_first(&ranks, how->shadows, ranks.rank + 1);
    s.own = dkvb__alloc(mem, rows->n, sizeof *s.own);
    s.asked = dkvb__alloc(mem, rows->count, sizeof *s.asked);
    s.drawn = dkvb__alloc(mem, rows->count, 2 * sizeof *s.drawn);
    s.logits = dkvb__alloc(mem, rows->count, model->classes * sizeof *s.logits);
    rc = s.own && s.asked && s.drawn && s.logits
             ? run_shadows(&s, margins, inside)
             : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu targets", rows->count);
    rc = dkvb__ranks_agree(&ranks, rc);
    if (!rc)
        rc = pass_margins(&s, margins);
    dkvb__free(mem, s.own);
    dkvb__free(mem, s.asked);
    dkvb__free(mem, s.drawn);
    dkvb__free_erased(mem, s.logits);
    return rc;
}

/* Statistics of one target row's margins in the shadow models: element 1 for the shadow models that learned the row,
 * element 0 for the others. */
struct pair {
    /* For two groups of shadow models, those that learned the target row and those that did not: the number of models,
     * the mean of their margins for the row, and the sum of the margins' squared distances from this mean. */
    double count[2], mean[2], square[2];
};

static struct pair gather(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count, size_t target)
{
    struct pair p = {{0}, {0}, {0}};

    for (uint32_t s = 0; s < shadows; s++) {
        size_t in = inside[s * count + target] != 0;

        p.count[in] += 1.0;
        p.mean[in] += margins[s * count + target];
    }
    for (size_t in = 0; in < 2; in++)
        p.mean[in] /= p.count[in];
    for (uint32_t s = 0; s < shadows; s++) {
        size_t in = inside[s * count + target] != 0;
        double away = margins[s * count + target] - p.mean[in];

        p.square[in] += away * away;
    }
    return p;
}

/* Returns the logarithm, up to a constant, of the density of the normal distribution N(mean, variance) at x. */
static double log_density(double x, double mean, double variance)
{
    variance = variance > smallest_variance ? variance : smallest_variance;
    return -(x - mean) * (x - mean) / (2.0 * variance) - dkvb__log(variance) / 2.0;
}

/* Computes the variances of the shadow models' margins within target rows, pooled over all targets. */
static dkvb_status common_variance(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count,
                                   double variance[2])
{
    double square[2] = {0.0, 0.0}, freedom[2] = {0.0, 0.0};

    for (size_t i = 0; i < count; i++) {
        struct pair p = gather(margins, inside, shadows, count, i);

        if (!(p.count[0] >= 2.0 && p.count[1] >= 2.0))
            return dkvb__fail(DKVB_EINVAL,
                              "target %zu is in %g shadows and out of %g, there must be at least 2 of each", i,
                              p.count[1], p.count[0]);
        for (size_t in = 0; in < 2; in++) {
            square[in] += p.square[in];
            freedom[in] += p.count[in] - 1.0;
        }
    }
    for (size_t in = 0; in < 2; in++)
        variance[in] = square[in] / freedom[in];
    return DKVB_OK;
}

dkvb_status dkvb__audit_lira(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count,
                             const double *observed, double *scores)
{
    double variance[2];
    dkvb_status rc = common_variance(margins, inside, shadows, count, variance);

    for (size_t i = 0; !rc && i < count; i++) {
        struct pair p = gather(margins, inside, shadows, count, i);

        for (size_t in = 0; in < 2 && shadows >= ENOUGH_FOR_OWN_VARIANCE; in++)
            variance[in] = p.square[in] / (p.count[in] - 1.0);
        scores[i] = log_density(observed[i], p.mean[1], variance[1]) - log_density(observed[i], p.mean[0], variance[0]);
    }
    return rc;
}
