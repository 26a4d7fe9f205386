/* Linear heads are classifiers on the rows' features: lib/reference/fit.c checks arguments, chooses the penalty, fits
 * rows, removes rows, and predicts. */
#include "reference/head.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <cblas.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/status.h"

/* The penalties of a linear head to choose from, from strong to weak, in steps of the root of ten. */
static const double penalties[] = {0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001};

enum {
    PENALTIES = sizeof penalties / sizeof *penalties,
    MIDDLE = PENALTIES / 2,
    HELD_OUT = 10 /* one of so many rows is held out to choose the penalty of a linear head */
};

dkvb_status dkvb__reference_take_options(dkvb_reference_options *full, const dkvb_reference_options *given)
{
    dkvb_status rc = dkvb__take_options(full, sizeof *full, given, "options");

    if (!rc)
        rc = dkvb__check_allocator(full->allocator);
    if (rc)
        return rc;
    if (full->kind > DKVB_REFERENCE_LOGISTIC)
        return dkvb__fail(DKVB_EINVAL, "options: kind is %u, it must be 1 (ridge) or 2 (logistic)", full->kind);
    if (full->iterations < 1 || full->iterations > 100000)
        return dkvb__fail(DKVB_EINVAL, "options: iterations is %u, it must be 1 to 100000", full->iterations);
    if (full->penalty != 0.0 && !(full->penalty >= 1e-9 && full->penalty <= 1e6))
        return dkvb__fail(DKVB_EINVAL, "options: penalty is %g, it must be 1e-9 to 1e6, or 0 to have it chosen",
                          full->penalty);
    if (!(full->tolerance > 0.0 && full->tolerance <= 1.0))
        return dkvb__fail(DKVB_EINVAL, "options: tolerance is %g, it must be above 0 and at most 1", full->tolerance);
    return DKVB_OK;
}

static dkvb_status check_numbers(const float *x, size_t n, uint32_t dim, const char *what)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < dim; d++)
            if (!isfinite(x[i * dim + d]))
                return dkvb__fail(DKVB_EINVAL, "%srows: row %zu, column %u is %g, it must be finite", what, i, d,
                                  (double)x[i * dim + d]);
    return DKVB_OK;
}

dkvb_status dkvb__reference_take_rows(dkvb_reference_rows *full, const dkvb_reference_rows *given, const char *what)
{
    const dkvb_reference_rows fresh = DKVB_REFERENCE_ROWS_INIT;
    dkvb_status rc;

    *full = fresh;
    if (!given)
        return dkvb__fail(DKVB_EINVAL, "%srows: NULL found", what);
    rc = dkvb__take_options(full, sizeof *full, given, what[0] ? "test rows" : "rows");
    if (rc)
        return rc;
    if (full->dim < 1 || full->dim > DKVB__REFERENCE_DIM)
        return dkvb__fail(DKVB_EINVAL, "%srows: dim is %u, it must be 1 to %d", what, full->dim, DKVB__REFERENCE_DIM);
    if (full->classes < 2 || full->classes > DKVB__REFERENCE_CLASSES)
        return dkvb__fail(DKVB_EINVAL, "%srows: classes is %u, it must be 2 to %d", what, full->classes,
                          DKVB__REFERENCE_CLASSES);
    if (full->n > PTRDIFF_MAX / sizeof(double) / full->dim || full->n > PTRDIFF_MAX / sizeof(double) / full->classes)
        return dkvb__fail(DKVB_EINVAL, "%srows: %zu rows of %u columns and %u classes are more than memory has", what,
                          full->n, full->dim, full->classes);
    if (full->n > 0 && (!full->x || !full->labels))
        return dkvb__fail(DKVB_EINVAL, "%s%s: NULL found", what, full->x ? "labels" : "rows");
    for (size_t i = 0; i < full->n; i++)
        if (full->labels[i] < -1 || full->labels[i] >= (int64_t)full->classes)
            return dkvb__fail(DKVB_EINVAL, "%slabels: row %zu is %" PRId32 ", it must be -1 to %u", what, i,
                              full->labels[i], full->classes - 1);
    return check_numbers(full->x, full->n, full->dim, what);
}

/* Checks that the rows of a linear head have at least two classes; with one class there is nothing to distinguish. */
static dkvb_status check_classes(const struct dkvb__sums *s)
{
    uint32_t found = 0;

    for (uint32_t l = 0; l < s->classes; l++)
        found += s->count[l] > 0;
    if (found < 2)
        return dkvb__fail(DKVB_EINVAL, "labels: %u %s rows, at least 2 are wanted", found,
                          found == 1 ? "class has" : "classes have");
    return DKVB_OK;
}

/* State of fitting a linear head (a linear classifier of rows). */
struct fitting {
    const dkvb_reference_rows *rows;
    const int32_t *labels; /* labels of all rows to which the linear head is fitted, [n] */
    int32_t *part;         /* labels of the rows that are not held out for choosing the penalty, [n], otherwise -1 */
    dkvb_reference_options opts;
    dkvb_reference *head;
    struct dkvb__work *work;
    struct dkvb__logistic logistic;
    uint64_t held; /* number of held-out rows by which the penalty is chosen; 0 if the penalty is given */
};

/* Memory for predictions of a linear head: a block of rows as doubles, and the scores of these rows. */
struct scoring {
    const dkvb_reference *head;
    size_t room;    /* largest number of rows in a block whose scores are computed */
    double *x;      /* features of a block of rows to which a linear head is applied, [room][dim] */
    double *scores; /* Scores of the rows of a block for each class, [room][classes]. */
};

static dkvb_status scoring_begin(struct scoring *s, const dkvb_reference *head)
{
    size_t room = ((size_t)1 << 22) / ((size_t)head->info.dim + head->info.classes);

    s->head = head;
    s->room = room < 1 ? 1 : room > DKVB__REFERENCE_BLOCK ? DKVB__REFERENCE_BLOCK : room;
    s->x = dkvb__alloc(&head->mem, s->room * head->info.dim, sizeof *s->x);
    s->scores = dkvb__alloc(&head->mem, s->room * head->info.classes, sizeof *s->scores);
    if (!s->x || !s->scores)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for scores of %zu rows", s->room);
    return DKVB_OK;
}

static void scoring_end(struct scoring *s)
{
    dkvb__free_erased(&s->head->mem, s->scores);
    dkvb__free_erased(&s->head->mem, s->x);
}

static void scoring_row(const struct scoring *s, size_t at, const float *x)
{
    double *row = s->x + at * s->head->info.dim;

    for (uint32_t d = 0; d < s->head->info.dim; d++)
        row[d] = (double)x[d];
    memcpy(s->scores + at * s->head->info.classes, s->head->bias, s->head->info.classes * sizeof *s->scores);
}

/* Computes the scores x weight' + bias of the linear head for the `n` rows x of a block. */
static void scoring_block(const struct scoring *s, size_t n)
{
    int dim = (int)s->head->info.dim, classes = (int)s->head->info.classes;

    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, classes, dim, 1.0, s->x, dim, s->head->weight, dim,
                1.0, s->scores, classes);
}

static int32_t answer(const double *scores, uint32_t classes)
{
    uint32_t best = 0;

    for (uint32_t l = 1; l < classes; l++)
        if (scores[l] > scores[best])
            best = l;
    return (int32_t)best;
}

/* Counts the held-out rows that the linear head predicts correctly. */
static dkvb_status held_out_right(const struct fitting *f, uint64_t *right)
{
    uint32_t classes = f->head->info.classes;
    int32_t wanted[DKVB__REFERENCE_BLOCK];
    struct scoring s;
    dkvb_status rc = scoring_begin(&s, f->head);
    size_t used = 0;

    *right = 0;
    for (size_t i = 0; !rc && i < f->rows->n; i++) {
        if (f->labels[i] >= 0 && f->part[i] < 0) {
            wanted[used] = f->labels[i];
            scoring_row(&s, used++, f->rows->x + i * f->rows->dim);
        }
        if (used == s.room || i + 1 == f->rows->n) {
            scoring_block(&s, used);
            for (size_t r = 0; r < used; r++)
                *right += answer(s.scores + r * classes, classes) == wanted[r];
            used = 0;
        }
    }
    scoring_end(&s);
    return rc;
}

/* Holds out rows by which the penalty of the linear head is chosen. Whether a row is held out for choosing the penalty
 * does not depend on other rows. */
static void hold_out(struct fitting *f)
{
    uint64_t left = 0;

    for (size_t i = 0; i < f->rows->n; i++) {
        uint64_t id = f->rows->ids ? f->rows->ids[i] : i;
        bool held = dkvb__rng_of_id(0, 0, id) % HELD_OUT == 0;

        f->part[i] = held ? -1 : f->labels[i];
        f->held += held && f->labels[i] >= 0;
        left += !held && f->labels[i] >= 0;
    }
    if (left == 0)
        f->held = 0;
}

/* Fits the linear head with one penalty to the rows that have a label in `labels`. */
static dkvb_status fit_at(struct fitting *f, double penalty, double tolerance, double from, double to)
{
    dkvb_reference *h = f->head;
    dkvb_status rc;

    if (h->info.kind == DKVB_REFERENCE_RIDGE)
        return dkvb__ridge_solve(&h->sums, penalty, h->weight, h->bias);
    rc = dkvb__logistic_fit(&f->logistic, penalty, tolerance, f->opts.iterations, f->work, from, to);
    if (!rc)
        dkvb__logistic_take(&f->logistic, h->weight, h->bias);
    return rc;
}

/* Chooses the penalty of the linear head with the most right answers on the held-out rows; of equally good penalties
 * the strongest. The penalties of the linear head are tried from strong to weak, and each fit starts at the weights of
 * the fit with the penalty before. The penalties are tried in order, and the search for the best one ends early at a
 * penalty that is worse than the best one and is not its neighbour in the list. */
static dkvb_status choose(struct fitting *f, double from, double to)
{
    uint64_t most = 0, right;
    int best = MIDDLE;

    for (int i = 0; i < PENALTIES; i++) {
        double begin = from + (to - from) * i / PENALTIES, end = from + (to - from) * (i + 1) / PENALTIES;
        dkvb_status rc = fit_at(f, penalties[i], 10 * f->opts.tolerance, begin, end);

        if (!rc)
            rc = held_out_right(f, &right);
        if (rc)
            return rc;
        if (i == 0 || right > most) {
            most = right;
            best = i;
        } else if (i - best >= 2 && right < most) {
            break;
        }
    }
    f->head->info.penalty = penalties[best];
    return DKVB_OK;
}

static dkvb_status no_memory(const dkvb_reference_rows *rows)
{
    return dkvb__fail(DKVB_ENOMEM, "out of memory for a head of %u columns and %u classes", rows->dim, rows->classes);
}

static dkvb_status new_head(struct fitting *f, uint32_t kind)
{
    const dkvb_reference_info fresh = DKVB_REFERENCE_INFO_INIT;
    const dkvb_reference_rows *rows = f->rows;
    dkvb_reference *h = dkvb__alloc0(&f->work->mem, 1, sizeof *h);

    if (!h)
        return no_memory(rows);
    f->head = h;
    h->mem = f->work->mem;
    h->info = fresh;
    h->info.kind = kind;
    h->info.dim = rows->dim;
    h->info.classes = rows->classes;
    h->weight = dkvb__alloc0(&h->mem, (size_t)rows->classes * rows->dim, sizeof *h->weight);
    h->bias = dkvb__alloc0(&h->mem, rows->classes, sizeof *h->bias);
    return h->weight && h->bias ? DKVB_OK : no_memory(rows);
}

/* Fills in the public properties of a linear head from the sums of its rows. */
static void note_sums(dkvb_reference *h, const struct dkvb__sums *s)
{
    h->info.rows = s->rows;
    h->info.scale = dkvb__sums_scale(s);
    h->info.empty = 0;
    for (uint32_t l = 0; l < s->classes; l++)
        h->info.empty += s->count[l] == 0;
}

/* Fits a linear head by ridge regression on the labels. From the sums over the rows that are not held out, weights for
 * each penalty are computed; with the chosen penalty, the final weights are computed from the sums over all rows. */
static dkvb_status fit_ridge(struct fitting *f)
{
    dkvb_reference *h = f->head;
    struct dkvb__sums *s = &h->sums;
    double began = dkvb__work_clock(), chosen;
    dkvb_status rc = dkvb__sums_add(s, f->rows, f->held ? f->part : f->labels, 1.0, f->work, 0.0, 0.8);

    if (rc || !f->held)
        goto solve;
    chosen = dkvb__work_clock();
    rc = choose(f, 0.8, 0.9);
    h->info.choosing = dkvb__work_clock() - chosen;
    /* From this line on, the array `part` has the labels of only those rows that are held out to choose the penalty. */
    for (size_t i = 0; i < f->rows->n; i++)
        f->part[i] = f->part[i] < 0 ? f->labels[i] : -1;
    if (!rc)
        rc = dkvb__sums_add(s, f->rows, f->part, 1.0, f->work, 0.9, 1.0);
solve:
    if (!rc)
        rc = check_classes(s);
    if (!rc)
        rc = dkvb__ridge_solve(s, h->info.penalty, h->weight, h->bias);
    if (rc)
        return rc;
    h->info.converged = 1;
    note_sums(h, s);
    h->info.seconds = dkvb__work_clock() - began - h->info.choosing;
    return DKVB_OK;
}

static dkvb_status fit_logistic(struct fitting *f)
{
    dkvb_reference *h = f->head;
    struct dkvb__sums *s = &h->sums;
    double began = dkvb__work_clock(), chosen;
    dkvb_status rc = dkvb__sums_add(s, f->rows, f->labels, 1.0, f->work, 0.0, 0.1);

    if (!rc)
        rc = check_classes(s);
    /* The scale of the rows' features is bounded, as the weights of the linear head must fit in a float. */
    if (!rc && !(dkvb__sums_scale(s) >= 1e-30 && dkvb__sums_scale(s) <= 1e30))
        rc = dkvb__fail(DKVB_EINVAL, "rows: their root mean square is %g, for logistic 1e-30 to 1e30 is supported",
                        dkvb__sums_scale(s));
    if (!rc && f->held) {
        chosen = dkvb__work_clock();
        rc = dkvb__logistic_new(&f->logistic, f->rows, f->part, s, &h->mem);
        if (!rc)
            rc = choose(f, 0.1, 0.7);
        dkvb__logistic_free(&f->logistic);
        h->info.choosing = dkvb__work_clock() - chosen;
    }
    if (!rc)
        rc = dkvb__logistic_new(&f->logistic, f->rows, f->labels, s, &h->mem);
    if (!rc)
        rc = fit_at(f, h->info.penalty, f->opts.tolerance, f->held ? 0.7 : 0.1, 1.0);
    if (rc)
        return rc;
    h->info.iterations = f->logistic.iterations;
    h->info.converged = f->logistic.converged;
    h->info.gradient = f->logistic.gradient;
    note_sums(h, s);
    dkvb__sums_free(s); /* A linear head that was fitted by logistic regression needs no sums over its rows any more. */
    h->info.seconds = dkvb__work_clock() - began - h->info.choosing;
    return DKVB_OK;
}

dkvb_status dkvb__reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows, const int32_t *labels,
                                const dkvb_reference_options *opts, double fixed, struct dkvb__work *work)
{
    struct fitting f = {.rows = rows, .labels = labels, .opts = *opts, .work = work};
    dkvb_status rc = new_head(&f, opts->kind);

    if (!rc)
        rc = dkvb__sums_new(&f.head->sums, rows, labels, &work->mem);
    if (rc)
        goto end;
    f.head->info.penalty = fixed;
    if (fixed <= 0.0) {
        f.part = dkvb__alloc(&work->mem, rows->n, sizeof *f.part);
        if (!f.part) {
            rc = no_memory(rows);
            goto end;
        }
        f.head->info.penalty = penalties[MIDDLE];
        hold_out(&f);
        f.head->info.chosen = f.held > 0;
    }
    rc = opts->kind == DKVB_REFERENCE_RIDGE ? fit_ridge(&f) : fit_logistic(&f);
    if (!rc)
        rc = dkvb__work_tick(work, 1.0);
    work->part++;
end:
    dkvb__logistic_free(&f.logistic);
    dkvb__free(&work->mem, f.part);
    if (rc)
        dkvb_reference_free(f.head);
    *out = rc ? NULL : f.head;
    return rc;
}

dkvb_status dkvb_reference_fit(dkvb_reference **out, const dkvb_reference_rows *given,
                               const dkvb_reference_options *opts, const dkvb_run_options *run)
{
    dkvb_reference_options full = DKVB_REFERENCE_OPTIONS_INIT;
    dkvb_reference_rows rows;
    struct dkvb__work work;
    dkvb_status rc;

    if (!out)
        return dkvb__fail(DKVB_EINVAL, "out: NULL found");
    *out = NULL;
    rc = dkvb__reference_take_options(&full, opts);
    if (!rc)
        rc = dkvb__reference_take_rows(&rows, given, "");
    if (rc)
        return rc;
    if (full.kind == DKVB_REFERENCE_BOTH)
        full.kind = DKVB_REFERENCE_LOGISTIC;
    rc = dkvb__work_begin(&work, run, full.allocator, 1);
    if (!rc)
        rc = dkvb__reference_fit(out, &rows, rows.labels, &full, full.penalty, &work);
    dkvb__work_end(&work);
    return rc;
}

/* Checks that all rows to remove can be in the sums of a linear head, and computes the sums over the rows that
 * remain. */
static dkvb_status check_removal(const struct dkvb__sums *s, const dkvb_reference_rows *rows, uint64_t *left)
{
    uint32_t classes = 0;

    memcpy(left, s->count, s->classes * sizeof *left);
    for (size_t i = 0; i < rows->n; i++) {
        int32_t l = rows->labels[i];

        if (l >= 0 && left[l]-- == 0)
            return dkvb__fail(DKVB_EINVAL,
                              "labels: row %zu is of class %" PRId32 ", of which only %" PRIu64 " rows are in", i, l,
                              s->count[l]);
    }
    for (uint32_t l = 0; l < s->classes; l++)
        classes += left[l] > 0;
    if (classes < 2)
        return dkvb__fail(DKVB_EINVAL, "labels: %u %s would be left, at least 2 are wanted", classes,
                          classes == 1 ? "class" : "classes");
    return DKVB_OK;
}

dkvb_status dkvb__reference_remove(dkvb_reference *h, const dkvb_reference_rows *rows, const int32_t *labels,
                                   struct dkvb__work *work)
{
    double began = dkvb__work_clock();
    size_t weights = (size_t)h->info.classes * h->info.dim;
    double *weight = dkvb__alloc(&h->mem, weights + h->info.classes, sizeof *weight);
    struct dkvb__sums sums = {0};
    dkvb_status rc;

    if (!weight)
        return no_memory(rows);
    /* The array `weight`, which has no weights yet, serves as scratch space for two vectors. */
    if (!dkvb__sums_can_remove(&h->sums, rows, labels, weight)) {
        dkvb__free_erased(&h->mem, weight);
        return dkvb__fail(DKVB_ESTATE, "rows taken out are so much larger than those left that rounding would be all "
                                       "that is left of these: fit the head again without them");
    }
    rc = dkvb__sums_copy(&sums, &h->sums);
    if (!rc)
        rc = dkvb__sums_add(&sums, rows, labels, -1.0, work, 0.0, 1.0);
    for (uint32_t l = 0; !rc && l < sums.classes; l++)
        /* After rows were removed, the sums of a class without remaining rows are set to 0, as only rounding errors are
         * left in them. */
        if (sums.count[l] == 0)
            memset(sums.cross + (size_t)l * sums.dim, 0, sums.dim * sizeof *sums.cross);
    if (!rc)
        rc = dkvb__ridge_solve(&sums, h->info.penalty, weight, weight + weights);
    if (!rc)
        rc = dkvb__work_tick(work, 1.0);
    work->part++;
    if (!rc) {
        struct dkvb__sums old = h->sums;

        memcpy(h->weight, weight, weights * sizeof *weight);
        memcpy(h->bias, weight + weights, h->info.classes * sizeof *weight);
        h->sums = sums;
        sums = old;
        note_sums(h, &h->sums);
        h->info.seconds = dkvb__work_clock() - began;
    }
    if (sums.mem.alloc)
        dkvb__sums_free(&sums);
    dkvb__free_erased(&h->mem, weight);
    return rc;
}

dkvb_status dkvb_reference_remove(dkvb_reference *head, const dkvb_reference_rows *given, const dkvb_run_options *run)
{
    dkvb_reference_rows rows;
    struct dkvb__work work;
    uint64_t *left;
    dkvb_status rc;

    if (!head)
        return dkvb__fail(DKVB_EINVAL, "head: NULL found");
    if (head->info.kind != DKVB_REFERENCE_RIDGE)
        return dkvb__fail(DKVB_ESTATE, "rows cannot be taken out of a logistic head: fit it again without them");
    rc = dkvb__reference_take_rows(&rows, given, "");
    if (rc)
        return rc;
    if (rows.dim != head->info.dim || rows.classes != head->info.classes)
        return dkvb__fail(DKVB_EMISMATCH, "rows have %u columns and %u classes, the head has %u and %u", rows.dim,
                          rows.classes, head->info.dim, head->info.classes);
    left = dkvb__alloc(&head->mem, rows.classes, sizeof *left);
    if (!left)
        return no_memory(&rows);
    rc = check_removal(&head->sums, &rows, left);
    dkvb__free(&head->mem, left);
    if (rc)
        return rc;
    rc = dkvb__work_begin(&work, run, &head->mem, 1);
    if (!rc)
        rc = dkvb__reference_remove(head, &rows, rows.labels, &work);
    dkvb__work_end(&work);
    return rc;
}

/* Returns the margin of a row between two groups of classes: the largest score of the marked classes minus the largest
 * score of the others. */
static double margin_of(const double *scores, const uint8_t *side, uint32_t classes)
{
    double most[2] = {(double)-INFINITY, (double)-INFINITY};

    for (uint32_t l = 0; l < classes; l++)
        if (scores[l] > most[side[l] != 0])
            most[side[l] != 0] = scores[l];
    return most[1] - most[0];
}

dkvb_status dkvb__reference_answer(const dkvb_reference *head, const dkvb_reference_rows *rows, int32_t *labels,
                                   double *scores, const uint8_t *side, double *margin)
{
    size_t classes = head->info.classes;
    struct scoring s;
    dkvb_status rc = scoring_begin(&s, head);

    for (size_t i = 0; !rc && i < rows->n; i += s.room) {
        size_t used = rows->n - i < s.room ? rows->n - i : s.room;

        for (size_t r = 0; r < used; r++)
            scoring_row(&s, r, rows->x + (i + r) * head->info.dim);
        scoring_block(&s, used);
        for (size_t r = 0; labels && r < used; r++)
            labels[i + r] = answer(s.scores + r * classes, head->info.classes);
        for (size_t r = 0; margin && r < used; r++)
            margin[i + r] = margin_of(s.scores + r * classes, side, head->info.classes);
        if (scores)
            memcpy(scores + i * classes, s.scores, used * classes * sizeof *scores);
    }
    scoring_end(&s);
    return rc;
}

dkvb_status dkvb_reference_predict(const dkvb_reference *head, const float *x, size_t n, int32_t *labels,
                                   double *scores)
{
    dkvb_reference_rows rows = {.x = x, .n = n};
    dkvb_status rc;

    if (!head || (n > 0 && !x))
        return dkvb__fail(DKVB_EINVAL, "%s: NULL found", head ? "rows" : "head");
    rc = check_numbers(x, n, head->info.dim, "");
    return rc ? rc : dkvb__reference_answer(head, &rows, labels, scores, NULL, NULL);
}

dkvb_status dkvb_reference_get_info(const dkvb_reference *head, dkvb_reference_info *info)
{
    if (!head || !info)
        return dkvb__fail(DKVB_EINVAL, "%s: NULL found", head ? "info" : "head");
    return dkvb__give_info(info, &head->info, sizeof head->info, "info");
}

void dkvb_reference_free(dkvb_reference *head)
{
    dkvb_allocator mem;

    if (!head)
        return;
    mem = head->mem;
    if (head->sums.mem.alloc)
        dkvb__sums_free(&head->sums);
    dkvb__free_erased(&mem, head->weight);
    dkvb__free_erased(&mem, head->bias);
    dkvb__free(&mem, head);
}
