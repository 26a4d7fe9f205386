/* Membership by likelihood ratio (Carlini et al. 2022, arXiv 2112.03570): shadow models that learned a row against
 * shadow models that did not. */
#include <math.h>
#include <string.h>

#include "audit/margins.h"
#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/model.h"

enum { MOST_SHADOWS = 65536, ENOUGH_FOR_OWN_VARIANCE = 64 };

static const double smallest_variance = 1e-12; /* of margins that do not vary, as of rows without a live key */

struct shadows {
    const dkvb_model *model;
    const uint16_t *codes;
    uint32_t k;
    const int32_t *labels; /* of all rows */
    size_t n;
    const uint64_t *targets;
    size_t count;
    const dkvb_audit_view *views;
    uint32_t views_count, shadows;
    uint64_t seed;
    dkvb_train_options train;
    uint64_t train_seed;
    const struct dkvb__run *run;
    uint32_t present; /* shadow at work */
    int32_t *own;     /* [n], what the present shadow learns */
    int32_t *asked;   /* [count], labels of the targets */
    size_t *drawn;    /* [2][count] */
    float *logits;    /* [count][classes] */
};

static dkvb_status check_targets(const struct shadows *s)
{
    uint32_t classes = s->model->classes;

    if (s->count < 2)
        return dkvb__fail(DKVB_EINVAL, "shadows: %zu targets, at least 2 are wanted", s->count);
    for (size_t i = 0; i < s->count; i++) {
        if (s->targets[i] >= s->n)
            return dkvb__fail(DKVB_EINVAL, "targets: number %zu is row %llu, there are %zu", i,
                              (unsigned long long)s->targets[i], s->n);
        if (s->labels[s->targets[i]] < 0 || (uint32_t)s->labels[s->targets[i]] >= classes)
            return dkvb__fail(DKVB_EINVAL, "targets: row %llu has label %d, 0 to %u is wanted",
                              (unsigned long long)s->targets[i], s->labels[s->targets[i]], classes - 1);
    }
    return DKVB_OK;
}

static dkvb_status take_options(struct shadows *s, const dkvb_audit_shadow_options *given)
{
    dkvb_audit_shadow_options o = DKVB_AUDIT_SHADOW_OPTIONS_INIT;
    dkvb_status rc = dkvb__take_options(&o, sizeof o, given, "shadow options");

    if (!rc)
        rc = dkvb__take_options(&s->train, sizeof s->train, o.train, "training options");
    if (rc)
        return rc;
    if (o.shadows < 4 || o.shadows > MOST_SHADOWS || o.shadows % 2)
        return dkvb__fail(DKVB_EINVAL, "shadows: %u, an even number from 4 to %d is wanted", o.shadows, MOST_SHADOWS);
    s->shadows = o.shadows;
    s->seed = o.seed;
    s->train_seed = s->train.seed;
    s->train.report = NULL;
    return DKVB_OK;
}

/* Progress of a training, told as shadows that are finished. */
static int relay(void *user, uint64_t done, uint64_t total)
{
    const struct shadows *s = user;

    (void)done;
    (void)total;
    return s->run->progress ? s->run->progress(s->run->user, s->present, s->shadows) : 0;
}

/* Even shadows draw half of the targets, odd ones learn what the one before did not. */
static void choose_targets(const struct shadows *s, uint8_t *inside)
{
    struct dkvb__rng rng;

    memset(inside, s->present % 2, s->count);
    dkvb__rng_seed(&rng, s->seed, s->present / 2);
    dkvb__rng_choose(&rng, s->count, s->count / 2, s->drawn, s->drawn + s->count);
    for (size_t i = 0; i < s->count / 2; i++)
        inside[s->drawn[i]] = s->present % 2 == 0;
    for (size_t i = 0; i < s->count; i++)
        s->own[s->targets[i]] = inside[i] ? s->labels[s->targets[i]] : -1;
}

static dkvb_status train_shadow(struct shadows *s, dkvb_model **out, const dkvb_run_options *run)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_status rc;

    o.top_k = s->model->top_k;
    o.allocator = &s->model->mem;
    s->train.seed = s->train_seed + 1 + s->present;
    rc = dkvb_model_new(out, s->model->codebooks, s->model->classes, &o);
    if (!rc)
        rc = dkvb_model_set_values(*out, NULL, s->model->values_dtype);
    if (!rc)
        rc = dkvb_model_train(*out, s->codes, s->k, s->own, s->n, &s->train, run);
    return rc;
}

static dkvb_status look(const struct shadows *s, const dkvb_model *shadow, double *margins, const dkvb_run_options *run)
{
    dkvb_status rc = DKVB_OK;

    for (uint32_t v = 0; !rc && v < s->views_count; v++) {
        double *to = margins + ((size_t)v * s->shadows + s->present) * s->count;

        rc = dkvb_model_decode(shadow, s->views[v].codes, s->k, s->count, NULL, s->logits, run);
        if (!rc)
            rc = dkvb_audit_margins(s->logits, s->asked, s->count, s->model->classes, s->views[v].dropped, to);
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
    memcpy(s->own, s->labels, s->n * sizeof *s->own);
    for (size_t i = 0; i < s->count; i++)
        s->asked[i] = s->labels[s->targets[i]];
    for (s->present = 0; !rc && s->present < s->shadows; s->present++) {
        dkvb_model *shadow = NULL;

        choose_targets(s, inside + (size_t)s->present * s->count);
        rc = train_shadow(s, &shadow, &run);
        if (!rc)
            rc = look(s, shadow, margins, &run);
        dkvb_model_free(shadow);
    }
    return rc ? rc : dkvb__report(s->run, s->shadows, s->shadows);
}

dkvb_status dkvb_audit_shadows(const dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels,
                               size_t n, const uint64_t *targets, size_t count, const dkvb_audit_view *views,
                               uint32_t views_count, const dkvb_audit_shadow_options *opts, double *margins,
                               uint8_t *inside, const dkvb_run_options *given)
{
    struct shadows s = {.model = model,
                        .codes = codes,
                        .k = k,
                        .labels = labels,
                        .n = n,
                        .targets = targets,
                        .count = count,
                        .views = views,
                        .views_count = views_count,
                        .train = DKVB_TRAIN_OPTIONS_INIT};
    const dkvb_allocator *mem = &model->mem;
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, given);

    if (!rc)
        rc = take_options(&s, opts);
    if (!rc)
        rc = check_targets(&s);
    if (rc)
        return rc;
    s.run = &run;
    s.own = dkvb__alloc(mem, n, sizeof *s.own);
    s.asked = dkvb__alloc(mem, count, sizeof *s.asked);
    s.drawn = dkvb__alloc(mem, count, 2 * sizeof *s.drawn);
    s.logits = dkvb__alloc(mem, count, model->classes * sizeof *s.logits);
    rc = s.own && s.asked && s.drawn && s.logits ? run_shadows(&s, margins, inside)
                                                 : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu targets", count);
    dkvb__free(mem, s.own);
    dkvb__free(mem, s.asked);
    dkvb__free(mem, s.drawn);
    dkvb__free(mem, s.logits);
    return rc;
}

/* Margins of one target in the shadows that learned it [1] and in those that did not [0]. */
struct pair {
    double count[2], mean[2], square[2]; /* square: sum of squared distances to the mean */
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

/* log of the density of N(mean, variance) at x, but for a constant. */
static double log_density(double x, double mean, double variance)
{
    variance = variance > smallest_variance ? variance : smallest_variance;
    return -(x - mean) * (x - mean) / (2.0 * variance) - dkvb__log(variance) / 2.0;
}

/* Variances within targets, of all of them together. */
static dkvb_status common_variance(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count,
                                   double variance[2])
{
    double square[2] = {0.0, 0.0}, freedom[2] = {0.0, 0.0};

    for (size_t i = 0; i < count; i++) {
        struct pair p = gather(margins, inside, shadows, count, i);

        if (!(p.count[0] >= 2.0 && p.count[1] >= 2.0))
            return dkvb__fail(DKVB_EINVAL, "target %zu is in %g shadows and out of %g, at least 2 of each are wanted",
                              i, p.count[1], p.count[0]);
        for (size_t in = 0; in < 2; in++) {
            square[in] += p.square[in];
            freedom[in] += p.count[in] - 1.0;
        }
    }
    for (size_t in = 0; in < 2; in++)
        variance[in] = square[in] / freedom[in];
    return DKVB_OK;
}

dkvb_status dkvb_audit_lira(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count,
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
