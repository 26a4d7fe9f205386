/*
 * Multinomial logistic regression finds the weights W and intercepts b that minimise the mean of log sum_l exp s_l -
 * s_y over the rows, plus penalty / 2 |W|^2, with the scores s = W z + b of a row x of class y, and z = (x - mean) /
 * scale. The minimum of the logistic regression's loss is found by L-BFGS with its two-loop recursion (Nocedal 1980,
 * Mathematics of Computation 35). Scores of rows in a linear head are computed as float, sums over rows as double. If
 * the regression gives all classes the same probability q, the second derivatives of the loss by one class's weights
 * are the matrix q (1 - q) E[z z'] + penalty, with z the scaled features of a row. L-BFGS starts from the inverse of
 * the matrix q (1
 * - q) E[z z'] + penalty, with the mean of p (1 - p) over the predicted probabilities p in place of q (1 - q), and
 * computes the inverse again as predictions become more certain. Böhning 1992 (Annals of the Institute of Statistical
 * Mathematics 44) shows that a matrix of the form q (1 - q) E[z z'] + penalty bounds the second derivatives of the loss
 * everywhere. The matrix from which L-BFGS starts changes the number of its steps, not the result.
 */
#include "reference/head.h"

#include <math.h>
#include <string.h>

#include <cblas.h>

#include "base/alloc.h"
#include "base/status.h"

enum {
    PAIRS = 10, /* number of latest steps that L-BFGS remembers */
    /* largest number of times that a step of L-BFGS is halved because the step does not lower the loss */
    HALVINGS = 30,
    /* largest number of elements, of rows and of their scores, that a block of rows may have in memory */
    BLOCK_ELEMENTS = 1 << 23
};

/* State of the L-BFGS search; all vectors are double[size] in the fit's `memory`. */
struct search {
    struct dkvb__logistic *fit;
    const struct dkvb__work *work;
    double done; /* finished fraction (0 to 1) of the present part of the library call's work */
    double penalty;
    double *gradient, *next, *next_gradient, *direction, *scaled;
    /* the latest steps of L-BFGS, and how the gradient changed along each of these steps */
    double *step[PAIRS], *change[PAIRS];
    /* for each step that L-BFGS remembers, the inner product of the step and the change of the gradient along it */
    double product[PAIRS];
    uint32_t pairs, oldest;
    /* Cholesky factor of the matrix with which L-BFGS starts, [dim][dim], see dkvb__sums_factor() */
    double *factor;
    /* the mean of p (1 - p) over predicted probabilities p with which the Cholesky factor for L-BFGS was computed */
    double factor_curvature;
    /* loss of the regression with the penalty, and mean of p (1 - p) over its predicted probabilities p, at the present
     * weights */
    double loss, curvature;
    /* loss of the regression with the penalty, and mean of p (1 - p) over its predicted probabilities p, at the weights
     * to which L-BFGS may move next */
    double next_loss, next_curvature;
};

static size_t block_rows(const struct dkvb__logistic *fit)
{
    size_t rows = BLOCK_ELEMENTS / ((size_t)fit->columns + fit->rows->dim);

    return rows < 1 ? 1 : rows > DKVB__REFERENCE_BLOCK ? DKVB__REFERENCE_BLOCK : rows;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

dkvb_status dkvb__logistic_new(struct dkvb__logistic *fit, const dkvb_reference_rows *rows, const int32_t *labels,
                               struct dkvb__sums *sums, const dkvb_allocator *mem)
{
    size_t dim = rows->dim, block, vectors = 5 + 2 * PAIRS;

    *fit = (struct dkvb__logistic){.rows = rows, .labels = labels, .sums = sums, .mem = *mem};
    fit->class_column = dkvb__alloc(mem, rows->classes, sizeof *fit->class_column);
    fit->column_class = dkvb__alloc(mem, rows->classes, sizeof *fit->column_class);
    if (!fit->class_column || !fit->column_class)
        goto fail;
    for (uint32_t l = 0; l < rows->classes; l++) {
        fit->class_column[l] = sums->count[l] > 0 ? (int32_t)fit->columns : -1;
        if (sums->count[l] > 0)
            fit->column_class[fit->columns++] = l;
    }
    fit->size = fit->columns * (dim + 1);
    block = block_rows(fit);
    fit->point = dkvb__alloc0(mem, fit->size, sizeof *fit->point);
    fit->memory = dkvb__alloc(mem, vectors * fit->size + dim * dim, sizeof *fit->memory);
    /* The memory fit->block has room for all arrays of the struct `pass`, which holds one pass over all rows. */
    fit->block = dkvb__alloc(mem, block * (dim + fit->columns) + 2 * fit->columns * dim + dim, sizeof *fit->block);
    if (!fit->point || !fit->memory || !fit->block)
        goto fail;
    for (uint32_t c = 0; c < fit->columns; c++)
        fit->point[fit->columns * dim + c] = log((double)sums->count[fit->column_class[c]] / (double)sums->rows);
    return DKVB_OK;

fail:
    return dkvb__fail(DKVB_ENOMEM, "out of memory for weights of %u columns and %u classes", rows->dim, rows->classes);
}

void dkvb__logistic_free(struct dkvb__logistic *fit)
{
    dkvb__free_erased(&fit->mem, fit->block);
    dkvb__free_erased(&fit->mem, fit->memory);
    dkvb__free_erased(&fit->mem, fit->point);
    dkvb__free(&fit->mem, fit->column_class);
    dkvb__free(&fit->mem, fit->class_column);
    *fit = (struct dkvb__logistic){0};
}

/* Turns the scores of a row into its predicted probabilities p minus its target y (1 for the row's class, else 0). The
 * loss of the row is added to *loss, and the sum of p (1 - p) over the predicted probabilities p of all classes to
 * *curvature. */
static void soften(float *s, uint32_t columns, uint32_t label, double *loss, double *curvature)
{
    float most = s[0], sum = 0, own = s[label], squares = 0;

    for (uint32_t c = 1; c < columns; c++)
        most = s[c] > most ? s[c] : most;
    for (uint32_t c = 0; c < columns; c++)
        sum += s[c] = expf(s[c] - most);
    for (uint32_t c = 0; c < columns; c++) {
        s[c] /= sum;
        squares += s[c] * s[c];
    }
    s[label] -= 1.0F;
    /* In the sum of exponentials over the classes, the class with the largest score counts 1, so the sum is at least
     * 1. */
    *loss += log((double)(sum > 1.0F ? sum : 1.0F)) + (double)(most - own);
    *curvature += 1.0 - (double)squares;
}

/* One pass over all rows that computes loss, gradient and curvature of a logistic regression at given weights. The
 * struct `pass` (a pass over all rows) is on the stack, while its arrays are in fit->block. */
struct pass {
    const struct dkvb__logistic *fit;
    const double *point;
    double *gradient;
    double loss, curvature;
    float *z;      /* centred and scaled rows of a block, [block][dim] */
    float *scores; /* scores of a block of rows in the logistic regression, [block][columns] */
    /* weights of the regression at which a pass over the rows computes loss and gradient, [columns][dim] */
    float *weight;
    float *part;   /* part of the regression's gradient that comes from one block of rows, [columns][dim] */
    float *mean;   /* mean of the rows of the logistic regression, [dim] */
    float inverse; /* factor by which the features of the rows are multiplied, 1 / scale */
    uint32_t label[DKVB__REFERENCE_BLOCK];
};

static void pass_begin(struct pass *p, const struct dkvb__logistic *fit, const double *point, double *gradient)
{
    const struct dkvb__sums *s = fit->sums;
    size_t dim = fit->rows->dim, weights = fit->columns * dim;

    p->fit = fit, p->point = point, p->gradient = gradient;
    p->loss = p->curvature = 0;
    p->z = fit->block;
    p->scores = p->z + block_rows(fit) * dim;
    p->weight = p->scores + block_rows(fit) * fit->columns;
    p->part = p->weight + weights;
    p->mean = p->part + weights;
    p->inverse = (float)(1.0 / dkvb__sums_scale(s));
    for (size_t d = 0; d < dim; d++)
        p->mean[d] = (float)(s->shift[d] + s->total[d] / (double)s->rows);
    for (size_t i = 0; i < weights; i++)
        p->weight[i] = (float)point[i];
    memset(gradient, 0, fit->size * sizeof *gradient);
}

static void pass_row(struct pass *p, const float *x, int32_t label, int used)
{
    const struct dkvb__logistic *fit = p->fit;
    const double *bias = p->point + (size_t)fit->columns * fit->rows->dim;
    float *z = p->z + (size_t)used * fit->rows->dim, *scores = p->scores + (size_t)used * fit->columns;

    for (uint32_t d = 0; d < fit->rows->dim; d++)
        z[d] = (x[d] - p->mean[d]) * p->inverse;
    for (uint32_t c = 0; c < fit->columns; c++)
        scores[c] = (float)bias[c];
    p->label[used] = (uint32_t)fit->class_column[label];
}

static void pass_block(struct pass *p, int used)
{
    const struct dkvb__logistic *fit = p->fit;
    size_t weights = (size_t)fit->columns * fit->rows->dim;
    int dim = (int)fit->rows->dim, columns = (int)fit->columns;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, used, columns, dim, 1.0F, p->z, dim, p->weight, dim, 1.0F,
                p->scores, columns);
    for (int i = 0; i < used; i++) {
        float *row = p->scores + (size_t)i * fit->columns;

        soften(row, fit->columns, p->label[i], &p->loss, &p->curvature);
        for (uint32_t c = 0; c < fit->columns; c++)
            p->gradient[weights + c] += (double)row[c];
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, columns, dim, used, 1.0F, p->scores, columns, p->z, dim, 0.0F,
                p->part, dim);
    for (size_t i = 0; i < weights; i++)
        p->gradient[i] += (double)p->part[i];
}

/* Computes the penalised loss and gradient of logistic regression at given weights, and the mean of p (1 - p) over the
 * predicted probabilities p of all rows and classes. */
static dkvb_status evaluate(struct search *s, const double *point, double *gradient, double *loss, double *curvature)
{
    const struct dkvb__logistic *fit = s->fit;
    const dkvb_reference_rows *rows = fit->rows;
    size_t weights = (size_t)fit->columns * rows->dim, n = 0;
    int used = 0, room = (int)block_rows(fit);
    struct pass p;

    pass_begin(&p, fit, point, gradient);
    for (size_t i = 0; i < rows->n; i++) {
        if (fit->labels[i] >= 0) {
            pass_row(&p, rows->x + i * rows->dim, fit->labels[i], used++);
            n++;
        }
        if (used == room || (i + 1 == rows->n && used > 0)) {
            dkvb_status rc = dkvb__work_tick(s->work, s->done);

            if (rc)
                return rc;
            pass_block(&p, used);
            used = 0;
        }
    }
    for (size_t i = 0; i < fit->size; i++)
        gradient[i] = gradient[i] / (double)n + (i < weights ? s->penalty * point[i] : 0.0);
    *loss = p.loss / (double)n + 0.5 * s->penalty * dot(point, point, weights);
    *curvature = p.curvature / ((double)n * fit->columns);
    return DKVB_OK;
}

/* Computes v = H v, where H is the inverse of the approximate matrix of second derivatives with which L-BFGS starts. */
static void precondition(const struct search *s, double *v)
{
    const struct dkvb__logistic *fit = s->fit;
    size_t weights = (size_t)fit->columns * fit->rows->dim;

    dkvb__factor_solve(s->factor, fit->rows->dim, v, fit->columns);
    for (size_t i = weights; i < fit->size; i++)
        v[i] /= s->factor_curvature;
}

/* Computes the Cholesky factor with which L-BFGS starts again, if predictions have become so much more certain that the
 * curvature assumed in it is far too large. */
static void refresh_factor(struct search *s)
{
    double curvature = s->curvature > 1e-12 ? s->curvature : 1e-12;

    if (curvature > 0.7 * s->factor_curvature)
        return;
    s->factor_curvature = curvature;
    if (dkvb__sums_factor(s->fit->sums, curvature, s->penalty, s->factor))
        return;
    /* If rounding errors leave no Cholesky factor of the matrix of second derivatives, L-BFGS starts from the plain
     * gradient and needs more iterations. */
    memset(s->factor, 0, (size_t)s->fit->rows->dim * s->fit->rows->dim * sizeof *s->factor);
    for (size_t d = 0; d < s->fit->rows->dim; d++)
        s->factor[d * s->fit->rows->dim + d] = sqrt(curvature + s->penalty);
}

static void choose_direction(struct search *s)
{
    size_t n = s->fit->size;
    double *v = s->direction, weight[PAIRS];

    for (size_t i = 0; i < n; i++)
        v[i] = -s->gradient[i];
    /* The loop runs over the steps that L-BFGS remembers, from the latest to the oldest. */
    for (uint32_t k = 0; k < s->pairs; k++) {
        uint32_t at = (s->oldest + s->pairs - 1 - k) % PAIRS;

        weight[at] = dot(s->step[at], v, n) / s->product[at];
        for (size_t i = 0; i < n; i++)
            v[i] -= weight[at] * s->change[at][i];
    }
    precondition(s, v);
    if (s->pairs > 0) {
        uint32_t at = (s->oldest + s->pairs - 1) % PAIRS;
        double length;

        memcpy(s->scaled, s->change[at], n * sizeof *s->scaled);
        precondition(s, s->scaled);
        length = s->product[at] / dot(s->change[at], s->scaled, n);
        for (size_t i = 0; i < n; i++)
            v[i] *= length;
    }
    for (uint32_t k = 0; k < s->pairs; k++) {
        uint32_t at = (s->oldest + k) % PAIRS;
        double by = weight[at] - dot(s->change[at], v, n) / s->product[at];

        for (size_t i = 0; i < n; i++)
            v[i] += by * s->step[at][i];
    }
}

/* Moves the weights of the regression along the search direction until the loss is smaller. If no step along the search
 * direction lowers the loss of the regression, *less becomes false: the weights are then as good as rounding errors
 * allow. */
static dkvb_status walk(struct search *s, bool *less)
{
    size_t n = s->fit->size;
    double slope = dot(s->gradient, s->direction, n), length = 1.0;

    *less = false;
    for (int halving = 0; halving < HALVINGS && slope < 0; halving++, length *= 0.5) {
        dkvb_status rc;

        for (size_t i = 0; i < n; i++)
            s->next[i] = s->fit->point[i] + length * s->direction[i];
        rc = evaluate(s, s->next, s->next_gradient, &s->next_loss, &s->next_curvature);
        if (rc)
            return rc;
        /* Losses of the logistic regression are means of float values, whose rounding errors are about one in ten
         * million. */
        if (s->next_loss <= s->loss + 1e-4 * length * slope + 1e-7 * fabs(s->loss)) {
            *less = true;
            return DKVB_OK;
        }
    }
    return DKVB_OK;
}

/* Finds a step of the L-BFGS search that lowers the loss. If no length of the step lowers the loss, the steps that
 * L-BFGS remembers may mislead the search, so one more search direction is tried without them. */
static dkvb_status go_down(struct search *s, bool *less)
{
    dkvb_status rc;

    choose_direction(s);
    rc = walk(s, less);
    if (rc || *less || s->pairs == 0)
        return rc;
    s->pairs = 0;
    choose_direction(s);
    return walk(s, less);
}

/* The step just found and the change of the gradient along it are stored in the memory of L-BFGS, and the weights move
 * to the end of the step. L-BFGS does not remember a step along which the gradient did not grow: the loss is convex, so
 * only rounding errors explain such a step, which could turn search directions upwards. */
static void take_step(struct search *s)
{
    size_t n = s->fit->size;
    /* A new step of L-BFGS replaces the oldest step once PAIRS steps are remembered. */
    uint32_t at = (s->oldest + s->pairs) % PAIRS;
    double product = 0;

    for (size_t i = 0; i < n; i++)
        product += (s->next[i] - s->fit->point[i]) * (s->next_gradient[i] - s->gradient[i]);
    if (product > 0) {
        for (size_t i = 0; i < n; i++) {
            s->step[at][i] = s->next[i] - s->fit->point[i];
            s->change[at][i] = s->next_gradient[i] - s->gradient[i];
        }
        s->product[at] = product;
        if (s->pairs < PAIRS)
            s->pairs++;
        else
            s->oldest = (s->oldest + 1) % PAIRS;
    }
    memcpy(s->fit->point, s->next, n * sizeof *s->next);
    memcpy(s->gradient, s->next_gradient, n * sizeof *s->gradient);
    s->loss = s->next_loss;
    s->curvature = s->next_curvature;
}

static double largest(const double *v, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return HUGE_VAL;
        most = fabs(v[i]) > most ? fabs(v[i]) : most;
    }
    return most;
}

static void lay_out(struct search *s, struct dkvb__logistic *fit)
{
    double *at = fit->memory;
    double **const vectors[] = {&s->gradient, &s->next, &s->next_gradient, &s->direction, &s->scaled};

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++, at += fit->size)
        *vectors[i] = at;
    for (size_t i = 0; i < PAIRS; i++, at += 2 * fit->size) {
        s->step[i] = at;
        s->change[i] = at + fit->size;
    }
    s->factor = at;
}

dkvb_status dkvb__logistic_fit(struct dkvb__logistic *fit, double penalty, double tolerance, uint32_t iterations,
                               const struct dkvb__work *work, double from, double to)
{
    struct search s = {.fit = fit, .work = work, .penalty = penalty, .done = from, .factor_curvature = HUGE_VAL};
    dkvb_status rc;
    bool less = true;

    lay_out(&s, fit);
    fit->iterations = 0;
    rc = evaluate(&s, fit->point, s.gradient, &s.loss, &s.curvature);
    while (!rc) {
        fit->gradient = largest(s.gradient, fit->size);
        fit->converged = fit->gradient <= tolerance;
        if (fit->converged || !less || fit->iterations == iterations)
            break;
        refresh_factor(&s);
        rc = go_down(&s, &less);
        if (rc || !less)
            continue;
        take_step(&s);
        fit->iterations++;
        /* The number of iterations of L-BFGS is unknown, so each iteration counts as a thirtieth of the remaining
         * progress. */
        s.done += (to - s.done) / 30;
    }
    return rc;
}

void dkvb__logistic_take(const struct dkvb__logistic *fit, double *weight, double *bias)
{
    const struct dkvb__sums *s = fit->sums;
    size_t dim = s->dim;
    double scale = dkvb__sums_scale(s);

    memset(weight, 0, s->classes * dim * sizeof *weight);
    for (uint32_t l = 0; l < s->classes; l++)
        bias[l] = (double)-INFINITY;
    for (uint32_t c = 0; c < fit->columns; c++) {
        const double *from = fit->point + c * dim;
        uint32_t l = fit->column_class[c];

        bias[l] = fit->point[fit->columns * dim + c];
        for (size_t d = 0; d < dim; d++) {
            weight[l * dim + d] = from[d] / scale;
            bias[l] -= weight[l * dim + d] * (s->shift[d] + s->total[d] / (double)s->rows);
        }
    }
}
