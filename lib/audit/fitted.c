/*
 * Membership scores by cross-fitted, L2-regularised logistic regression: rows are divided into parts, and the rows of a
 * part are scored by weights fitted to the other parts. The weights w of the logistic regression are fitted by Newton's
 * method (iteratively reweighted least squares, Hastie, Tibshirani and Friedman 2009, section 4.4.1). With s_i = 1 / (1
 * + exp(-w.x_i)) for row x_i with target y_i, S = diag(s_i (1 - s_i)) and the penalty l2, a step of Newton's method
 * solves (X' S X + l2 I) step = X' (y - s) - l2 w. The objective of the regression is strictly convex; a step that does
 * not lower the objective is halved. The last weight of the logistic regression belongs to the constant feature.
 */
#include "audit/fitted.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/status.h"

enum { MOST_LOGITS = 64, OF_LABEL = 3, MAX_STEPS = 50, MAX_HALVINGS = 30 };

static const double smallest_step = 1e-8;

struct fit {
    /* number of rows from which the logistic regression learns, and number of features of a row, the constant
     * included */
    size_t n, width;
    double *x;     /* features of the rows in the logistic regression, [n][width] */
    uint8_t *fold; /* for each row, the number of the part of the cross-validation to which it belongs, [n] */
    const uint8_t *member;
    double l2;
    /* scratch space of the fits of logistic regression, one for each part of the cross-validation,
     * [folds][scratch_size(width)] */
    double *scratch;
    double *scores;
};

/* Memory for the logistic regression by which one part of the rows in a cross-validation is scored. */
struct fold {
    const struct fit *fit;
    size_t number;
    /* vectors that a fit of logistic regression works with, [width] each */
    double *mean, *scale, *weight, *trial, *gradient;
    double *hessian; /* Hessian of the regression's objective, [width][width], lower half */
    double *row;     /* features of a row in the regression, scaled to mean 0 and deviation 1, [width] */
};

static size_t scratch_size(size_t width)
{
    return 6 * width + width * width;
}

static struct fold fold_at(const struct fit *fit, size_t number)
{
    size_t w = fit->width;
    double *at = fit->scratch + number * scratch_size(w);

    return (struct fold){fit, number, at, at + w, at + 2 * w, at + 3 * w, at + 4 * w, at + 6 * w, at + 5 * w};
}

/* Computes log(1 + e^x) without overflow of e^x. */
static double softplus(double x)
{
    return x > 0.0 ? x + dkvb__log(1.0 + dkvb__exp(-x)) : dkvb__log(1.0 + dkvb__exp(x));
}

/* Inserts a value into the list of the `count` largest values seen so far, in descending order; the list has room for
 * `room` values. */
static void insert_value(double *x, size_t count, size_t room, double value)
{
    size_t i = count < room ? count : room - 1;

    if (count >= room && !(value > x[i]))
        return;
    for (; i > 0 && value > x[i - 1]; i--)
        x[i] = x[i - 1];
    x[i] = value;
}

/* Writes the features of a row for the logistic regression: the largest logits in descending order, then the logit,
 * margin and log-probability of the label, then 1 for the constant. */
static void make_features(const struct dkvb__answers *a, size_t row, size_t width, double *x)
{
    const float *logits = a->logits + row * a->classes;
    size_t column = dkvb__margin_column(a, row), room = width - OF_LABEL - 1, count = 0;
    double margin = dkvb__margin(a, row, column);

    for (size_t l = 0; l < a->classes; l++)
        if (!dkvb__is_dropped(a, l))
            insert_value(x, count++, room, (double)logits[l]);
    x[room] = (double)logits[column];
    x[room + 1] = margin;
    x[room + 2] = -softplus(-margin);
    x[room + 3] = 1.0;
}

/* Finds the scale by which the features of the fitted rows get mean 0 and deviation 1. Features of rows that vary only
 * by rounding errors become 0, except for the constant feature. */
static void find_scale(const struct fold *f)
{
    const struct fit *fit = f->fit;
    size_t last = fit->width - 1, rows = 0;

    memset(f->mean, 0, fit->width * sizeof *f->mean);
    memset(f->scale, 0, fit->width * sizeof *f->scale);
    for (size_t i = 0; i < fit->n; i++) {
        if (fit->fold[i] == f->number)
            continue;
        rows++;
        for (size_t j = 0; j < last; j++)
            f->mean[j] += fit->x[i * fit->width + j];
    }
    for (size_t j = 0; j < last; j++)
        f->mean[j] /= (double)rows;
    for (size_t i = 0; i < fit->n; i++) {
        if (fit->fold[i] == f->number)
            continue;
        for (size_t j = 0; j < last; j++) {
            double away = fit->x[i * fit->width + j] - f->mean[j];

            f->scale[j] += away * away;
        }
    }
    for (size_t j = 0; j < last; j++) {
        double variance = f->scale[j] / (double)rows;

        f->scale[j] = variance > 1e-24 * f->mean[j] * f->mean[j] ? 1.0 / sqrt(variance) : 0.0;
    }
    f->scale[last] = 1.0;
}

static double score_row(const struct fold *f, const double *weight, size_t i)
{
    const double *x = f->fit->x + i * f->fit->width;
    double sum = 0.0;

    for (size_t j = 0; j < f->fit->width; j++) {
        f->row[j] = (x[j] - f->mean[j]) * f->scale[j];
        sum += weight[j] * f->row[j];
    }
    return sum;
}

static double objective(const struct fold *f, const double *weight)
{
    double sum = 0.0;

    for (size_t i = 0; i < f->fit->n; i++)
        if (f->fit->fold[i] != f->number) {
            double score = score_row(f, weight, i);

            sum += softplus(f->fit->member[i] ? -score : score);
        }
    for (size_t j = 0; j + 1 < f->fit->width; j++)
        sum += f->fit->l2 / 2.0 * weight[j] * weight[j];
    return sum;
}

static void find_derivatives(const struct fold *f)
{
    size_t w = f->fit->width;

    memset(f->gradient, 0, w * sizeof *f->gradient);
    memset(f->hessian, 0, w * w * sizeof *f->hessian);
    for (size_t i = 0; i < f->fit->n; i++) {
        double p, error, spread;

        if (f->fit->fold[i] == f->number)
            continue;
        p = 1.0 / (1.0 + dkvb__exp(-score_row(f, f->weight, i)));
        error = (f->fit->member[i] ? 1.0 : 0.0) - p;
        spread = p * (1.0 - p);
        for (size_t j = 0; j < w; j++) {
            f->gradient[j] += error * f->row[j];
            for (size_t k = 0; k <= j; k++)
                f->hessian[j * w + k] += spread * f->row[j] * f->row[k];
        }
    }
    for (size_t j = 0; j < w; j++) {
        double penalty = j + 1 < w ? f->fit->l2 : 0.0;

        f->gradient[j] -= penalty * f->weight[j];
        /* If all predicted probabilities are 0 or 1, the objective of the regression has no curvature in the weight of
         * the constant feature. */
        f->hessian[j * w + j] += penalty + 1e-10;
    }
}

/* Solves the linear equations hessian * step = gradient in place by Cholesky's decomposition; the step replaces the
 * gradient. */
static void solve(double *a, double *b, size_t w)
{
    for (size_t j = 0; j < w; j++)
        for (size_t i = j; i < w; i++) {
            double sum = a[i * w + j];

            for (size_t k = 0; k < j; k++)
                sum -= a[i * w + k] * a[j * w + k];
            a[i * w + j] = i == j ? sqrt(sum) : sum / a[j * w + j];
        }
    for (size_t i = 0; i < w; i++) {
        for (size_t k = 0; k < i; k++)
            b[i] -= a[i * w + k] * b[k];
        b[i] /= a[i * w + i];
    }
    for (size_t i = w; i-- > 0;) {
        for (size_t k = i + 1; k < w; k++)
            b[i] -= a[k * w + i] * b[k];
        b[i] /= a[i * w + i];
    }
}

/* Moves the weights of a regression along Newton's step, and halves the step until the objective is smaller. False is
 * returned if no step along Newton's direction lowers the objective of the regression. */
static bool go_along(const struct fold *f, double *value)
{
    double share = 1.0;

    for (int halving = 0; halving < MAX_HALVINGS; halving++, share *= 0.5) {
        double there;

        for (size_t j = 0; j < f->fit->width; j++)
            f->trial[j] = f->weight[j] + share * f->gradient[j];
        there = objective(f, f->trial);
        if (there < *value) {
            *value = there;
            memcpy(f->weight, f->trial, f->fit->width * sizeof *f->weight);
            return true;
        }
    }
    return false;
}

static void fit_fold(void *context, size_t task, unsigned worker)
{
    const struct fit *fit = context;
    struct fold f = fold_at(fit, task);
    double value, before;

    (void)worker;
    find_scale(&f);
    memset(f.weight, 0, fit->width * sizeof *f.weight);
    value = objective(&f, f.weight);
    for (int step = 0; step < MAX_STEPS; step++) {
        before = value;
        find_derivatives(&f);
        solve(f.hessian, f.gradient, fit->width);
        if (!go_along(&f, &value) || before - value < smallest_step * before)
            break;
    }
    for (size_t i = 0; i < fit->n; i++)
        if (fit->fold[i] == f.number)
            fit->scores[i] = score_row(&f, f.weight, i);
}

/* Deals the rows out to the parts of the cross-validation in random order, members and non-members separately. */
static dkvb_status deal_rows(struct fit *fit, const struct dkvb__fitting *how, const dkvb_allocator *mem)
{
    size_t *order = dkvb__alloc(mem, fit->n, 2 * sizeof *order), count[2] = {0, 0};
    struct dkvb__rng rng;

    if (!order)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", fit->n);
    dkvb__rng_seed(&rng, how->seed, 0);
    dkvb__rng_choose(&rng, fit->n, fit->n, order, order + fit->n);
    for (size_t i = 0; i < fit->n; i++)
        fit->fold[order[i]] = (uint8_t)(count[fit->member[order[i]] != 0]++ % how->folds);
    dkvb__free(mem, order);
    if (count[0] < 2 || count[1] < 2)
        return dkvb__fail(DKVB_EINVAL, "fit to %zu members and %zu others: there must be at least 2 of each", count[1],
                          count[0]);
    return DKVB_OK;
}

dkvb_status dkvb__audit_fitted_scores(const struct dkvb__answers *a, const uint8_t *member,
                                      const struct dkvb__fitting *how, double *scores, const dkvb_allocator *mem,
                                      const dkvb_run_options *given)
{
    struct fit fit = {.n = a->n, .member = member, .l2 = how->l2, .scores = scores};
    struct dkvb__run run;
    size_t left = a->classes;
    dkvb_status rc = dkvb__run_take(&run, given);

    if (!rc)
        rc = dkvb__answers_check(a);
    if (rc)
        return rc;
    for (uint32_t l = 0; l < a->classes; l++)
        left -= dkvb__is_dropped(a, l);
    fit.width = (left < MOST_LOGITS ? left : MOST_LOGITS) + OF_LABEL + 1;
    fit.x = dkvb__alloc(mem, a->n, fit.width * sizeof *fit.x);
    fit.fold = dkvb__alloc(mem, a->n, sizeof *fit.fold);
    fit.scratch = dkvb__alloc(mem, how->folds, scratch_size(fit.width) * sizeof *fit.scratch);
    rc = fit.x && fit.fold && fit.scratch ? deal_rows(&fit, how, mem)
                                          : dkvb__fail(DKVB_ENOMEM, "out of memory for the features of %zu rows", a->n);
    for (size_t i = 0; !rc && i < a->n; i++)
        make_features(a, i, fit.width, fit.x + i * fit.width);
    if (!rc)
        rc = dkvb__parallel_long(&run, how->folds, fit_fold, &fit, 0, how->folds);
    dkvb__free_erased(mem, fit.x);
    dkvb__free(mem, fit.fold);
    dkvb__free_erased(mem, fit.scratch);
    return rc;
}
