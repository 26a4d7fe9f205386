/* A sweep measures forgetting for every class, forgetting method, budget (number of masked pairs), seed and model shape
 * of a grid, one combination (cell) after the other (include/dkvb/sweep.h). */
#include "fit/sweep.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codeset.h"
#include "dkvb/fit.h"
#include "dkvb/search.h"
#include "dkvb/unlearn.h"
#include "fit/fit.h"
#include "fit/sweep_grid.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"
#include "unlearn/replay.h"

/* number of units of progress that measuring one cell (one forgetting) of the sweep counts */
enum { THOUSANDTHS = 1000 };

/* The model on which a sweep measures forgetting: the caller's model, or one that was trained for a shape (sizes of a
 * model) in the sweep's list. */
struct subject {
    dkvb_model *model;
    dkvb_codeset *set;
    /* The held-out rows on which effects of masks on accuracies are measured, with codes that list more keys than the
     * model selects. */
    dkvb_codeset_rows held;
    /* codes of the held-out rows on the keys of the measured model, if these are not the codes in the codeset;
     * otherwise NULL */
    uint16_t *searched;
    uint64_t shape; /* index of the shape (sizes of the model), in the sweep's list, that the model was trained for */
    bool anew;
};

struct sweep {
    struct dkvb__sweep_grid g;
    const dkvb_run_options *run;
    struct subject subject;
    /* Scratch memory for measuring a run of cells of the sweep, which are cells that differ in their budget (number of
     * masked pairs) only. */
    /* for each key-value pair its rank, which is the smallest budget (number of masked pairs) that masks the pair,
     * [codebooks][keys] */
    uint32_t *rank;
    /* number of key-value pairs for whose ranks (places in the order of masking) the array `rank` has room */
    size_t ranked;
    /* marks of classes, [classes], and marks of rows of the training part of the codeset, [rows of the part] */
    uint8_t *marks, *rows;
    uint64_t *budgets; /* budgets (limits on how many pairs a forgetting masks) of the cells of a run, ascending */
    /* for each budget (number of masked pairs) of a run, in how many cases a row finds too few unmasked keys in a
     * codebook */
    uint64_t *exhausted;
    /* effects on the accuracy of each class for each budget of a run of cells, [budgets of a run][classes] */
    dkvb_class_effect *effects;
    struct dkvb__sweep_part part;
    uint64_t at; /* number of finished cells (measured forgettings) of the sweep, for progress reports */
    /* the sweep's progress that was reported to the caller, in thousandths of a cell (a forgetting to measure); it
     * never decreases */
    uint64_t reached;
};

static dkvb_status scratch_new(struct sweep *s)
{
    size_t longest = 0, classes = s->g.model->classes;

    for (size_t first = 0, end; first < s->g.count; first = end) {
        end = dkvb__sweep_grid_run_end(&s->g, first);
        longest = end - first > longest ? end - first : longest;
    }
    s->marks = dkvb__alloc(&s->g.mem, classes, 1);
    s->rows = dkvb__alloc(&s->g.mem, s->g.set->part[DKVB_PART_TRAINING].n, 1);
    s->budgets = dkvb__alloc(&s->g.mem, longest, sizeof *s->budgets);
    s->exhausted = dkvb__alloc(&s->g.mem, longest, sizeof *s->exhausted);
    s->effects = dkvb__alloc(&s->g.mem, longest, classes * sizeof *s->effects);
    if (!s->marks || !s->rows || !s->budgets || !s->exhausted || !s->effects)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a sweep of %zu cells", s->g.count);
    return DKVB_OK;
}

/* The span of a sweep's progress that one library call covers: when the call has done a fraction of its work, the
 * sweep's progress has grown by that fraction of `part`. */
struct span {
    const dkvb_run_options *outer;
    /* progress of the sweep before a library call, progress that the call makes, and progress of the whole sweep, in
     * thousandths of a cell (a forgetting to measure) */
    uint64_t before, part, all;
    uint64_t *reached;
};

/* Reports the progress of one library call as progress of the whole sweep. A library call within a sweep has several
 * stages, each of which reports progress from 0 on, so a report counts only if it is larger than all reports before. */
static int pass_on(void *user, uint64_t done, uint64_t total)
{
    const struct span *span = user;
    double share = total ? (double)done / (double)total : 1.0;
    uint64_t now = span->before + (uint64_t)((share < 1.0 ? share : 1.0) * (double)span->part);

    *span->reached = now > *span->reached ? now : *span->reached;
    return span->outer->progress(span->outer->user, *span->reached, span->all);
}

/* Returns run options with which a library call reports its progress as a part of the whole sweep's progress: as the
 * fraction `share` of the work on `cells` cells (forgettings to measure), beginning with cell number s->at. */
static dkvb_run_options inner_run(struct sweep *s, struct span *span, size_t cells, double share)
{
    dkvb_run_options run = *s->run;

    *span = (struct span){s->run, s->at * THOUSANDTHS, (uint64_t)((double)(cells * THOUSANDTHS) * share),
                          (uint64_t)s->g.count * THOUSANDTHS, &s->reached};
    run.progress = s->run->progress ? pass_on : NULL;
    run.user = span;
    run.outside = NULL;
    return run;
}

static void subject_free(struct sweep *s)
{
    struct subject *t = &s->subject;

    dkvb__free_erased(&s->g.mem, t->searched);
    if (t->anew) {
        dkvb_model_free(t->model);
        dkvb_codeset_free(t->set);
    }
    *t = (struct subject){0};
}

/* Copies the features of the rows of a part of the codeset (training or held-out rows), float[n][input_dim], in the
 * order of that part: the codeset's own features, or features that the options give by id. */
static dkvb_status gather_features(const struct sweep *s, uint32_t part, float **x)
{
    const struct dkvb__coderows *rows = &s->g.set->part[part];
    size_t columns = s->g.model->codebooks->shape.input_dim, size = (size_t)dkvb__coderows_feature_size(rows);
    size_t before = part == DKVB_PART_TRAINING ? 0 : s->g.set->part[DKVB_PART_TRAINING].n;

    *x = dkvb__alloc(&s->g.mem, rows->n, columns * sizeof **x);
    if (!*x)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the features of %zu rows", rows->n);
    for (size_t i = 0; !s->g.o.features && i < rows->n; i++)
        dkvb__widen(*x + i * columns, (const char *)rows->features + i * size, rows->dtype, columns);
    for (size_t i = 0; s->g.o.features && i < s->g.o.feature_rows; i++)
        if (s->g.places[i] >= before && s->g.places[i] - before < rows->n)
            memcpy(*x + (s->g.places[i] - before) * columns, s->g.o.features + i * columns, columns * sizeof **x);
    return DKVB_OK;
}

/* Searches the held-out rows on the keys of the measured model, for codes that list more keys than the model uses. */
static dkvb_status search_measured(struct sweep *s, const dkvb_run_options *run)
{
    struct subject *t = &s->subject;
    const struct dkvb__shape *shape = &t->model->codebooks->shape;
    uint32_t depth = s->g.set->part[DKVB_PART_HELD_OUT].k;
    float *gathered = NULL;
    const float *x = s->g.o.test_x;
    dkvb_status rc = DKVB_OK;

    t->held = (dkvb_codeset_rows)DKVB_CODESET_ROWS_INIT;
    t->held.n = s->g.n;
    t->held.labels = s->g.labels;
    if (!x && !t->anew) {
        rc = dkvb_codeset_search(s->g.set, t->model->codebooks, DKVB_PART_HELD_OUT, run);
        return rc ? rc : dkvb_codeset_get_rows(s->g.set, DKVB_PART_HELD_OUT, &t->held);
    }
    depth = depth > t->model->top_k ? depth : t->model->top_k;
    depth = depth < shape->keys ? depth : shape->keys;
    if (!x) {
        rc = gather_features(s, DKVB_PART_HELD_OUT, &gathered);
        x = gathered;
    }
    t->searched = rc ? NULL : dkvb__alloc(&s->g.mem, t->held.n, (size_t)shape->codebooks * depth * sizeof *t->searched);
    if (!rc && !t->searched)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", t->held.n);
    if (!rc)
        rc = dkvb_search(t->model->codebooks, NULL, x, t->held.n, depth, t->searched, NULL, run);
    t->held.codebooks = shape->codebooks;
    t->held.k = depth;
    t->held.codes = t->searched;
    dkvb__free_erased(&s->g.mem, gathered);
    return rc;
}

/* Trains a model with the shape (sizes of the model) that a cell of the sweep asks for, on the training part of the
 * codeset only. */
static dkvb_status train_shape(struct sweep *s, const dkvb_sweep_cell *cell, const dkvb_run_options *run)
{
    const struct dkvb__coderows *training = &s->g.set->part[DKVB_PART_TRAINING];
    dkvb_settings settings = DKVB_SETTINGS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    float *x = NULL;
    dkvb_status rc;

    if (s->g.set->own_keys)
        settings.keyinit = s->g.set->keyinit;
    settings.keyinit.codebooks = cell->codebooks;
    settings.keyinit.keys = cell->keys;
    settings.keyinit.key_dim = cell->key_dim;
    settings.keyinit.normalize = s->g.model->codebooks->normalize;
    settings.keyinit.seed = cell->train_seed;
    settings.keyinit.allocator = NULL;
    settings.train = s->g.set->session[0].training;
    settings.train.seed = cell->train_seed;
    settings.train.relearn = 0;
    settings.train.trials = 0;
    settings.top_k = cell->top_k;
    settings.whiten = s->g.model->codebooks->whitening ? DKVB_WHITEN_ALWAYS : DKVB_WHITEN_NEVER;
    o.settings = &settings;
    o.values_dtype = s->g.model->values_dtype;
    o.keep = DKVB_KEPT_CODES;
    /* No row to train on is held out, as the held-out rows of the codeset are not among the rows to train on. */
    o.hold_out = 0.0;
    o.allocator = &s->g.mem;
    rc = gather_features(s, DKVB_PART_TRAINING, &x);
    rows.x = x;
    rows.labels = training->labels;
    rows.ids = training->ids;
    rows.n = training->n;
    rows.dim = s->g.model->codebooks->shape.input_dim;
    rows.classes = s->g.model->classes;
    s->subject.anew = true;
    if (!rc)
        rc = dkvb_fit(&s->subject.model, &s->subject.set, &rows, &o, NULL, run);
    dkvb__free_erased(&s->g.mem, x);
    return rc;
}

/* Makes the model on which a cell of the sweep (one forgetting) is measured, unless the model is there already. */
static dkvb_status need_subject(struct sweep *s, size_t first, size_t cells)
{
    struct subject *t = &s->subject;
    struct span span;
    dkvb_run_options run = inner_run(s, &span, cells, 0.5);
    size_t pairs;
    dkvb_status rc = DKVB_OK;

    if (t->model && t->shape == s->g.cell_shape[first])
        return DKVB_OK;
    subject_free(s);
    t->shape = s->g.cell_shape[first];
    if (s->g.cells[first].trained_anew) {
        rc = train_shape(s, &s->g.cells[first], &run);
    } else {
        t->model = s->g.model;
        t->set = s->g.set;
    }
    if (!rc)
        rc = search_measured(s, &run);
    if (rc)
        return rc;
    pairs = dkvb__pair_count(t->model);
    if (pairs > s->ranked) {
        dkvb__free(&s->g.mem, s->rank);
        s->rank = dkvb__alloc(&s->g.mem, pairs, sizeof *s->rank);
        s->ranked = s->rank ? pairs : 0;
    }
    return s->rank ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to rank %zu pairs", pairs);
}

/* Computes the results of a cell of the sweep from the effects of the forgetting on the accuracy of each class. */
static void take_effects(const struct sweep *s, dkvb_sweep_cell *cell, const dkvb_class_effect *effects)
{
    double most = 0.0;

    /* Whenever a cell of the sweep is measured, its sums over classes are computed anew from 0. */
    cell->retain_rows = cell->retain_before = cell->retain_after = 0;
    cell->has_worst = 0;
    cell->forget_rows = effects[cell->label].rows;
    cell->forget_before = effects[cell->label].right_before;
    cell->forget_after = effects[cell->label].right_after;
    for (uint32_t l = 0; l < s->g.model->classes; l++) {
        const dkvb_class_effect *e = &effects[l];

        if (s->marks[l] != DKVB_KEEP)
            continue;
        cell->retain_rows += e->rows;
        cell->retain_before += e->right_before;
        cell->retain_after += e->right_after;
        if (e->rows == 0 || (cell->has_worst && e->loss <= most))
            continue;
        most = e->loss;
        cell->has_worst = 1;
        cell->worst = l;
        cell->worst_rows = e->rows;
        cell->worst_before = e->right_before;
        cell->worst_after = e->right_after;
    }
}

/* Counts the key-value pairs that are masked at each budget of a run of cells, and stores the count in
 * cells[i].pairs. */
static void count_pairs(const struct sweep *s, dkvb_sweep_cell *cells, size_t n)
{
    size_t pairs = dkvb__pair_count(s->subject.model);

    for (size_t i = 0; i < n; i++)
        /* The number of masked pairs of a cell is counted from 0, as an earlier call that was interrupted may have
         * counted some pairs already. */
        cells[i].pairs = 0;
    for (size_t p = 0; p < pairs; p++) {
        /* A binary search finds the smallest budget (number of masked pairs) of the run that masks the key-value
         * pair. */
        size_t low = 0, high = n;

        if (s->rank[p] == DKVB__RANK_NEVER)
            continue;
        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (s->budgets[middle] < s->rank[p])
                low = middle + 1;
            else
                high = middle;
        }
        if (low < n)
            cells[low].pairs++;
    }
    for (size_t i = 1; i < n; i++)
        cells[i].pairs += cells[i - 1].pairs;
}

static dkvb_status measure_suppress(struct sweep *s, dkvb_sweep_cell *cells, size_t n, const dkvb_run_options *run)
{
    struct subject *t = &s->subject;
    const struct dkvb__coderows *training = &t->set->part[DKVB_PART_TRAINING];
    dkvb_request q = DKVB_REQUEST_INIT;
    dkvb_status rc = DKVB_OK;

    q.method = cells->method;
    q.k = t->model->top_k;
    q.classes = s->marks;
    q.seed = cells->seed;
    if (q.method != DKVB_METHOD_VALUES) {
        rc = dkvb_codeset_search(t->set, t->model->codebooks, DKVB_PART_TRAINING, run);
        q.codes = training->codes;
        q.n = training->n;
        q.rows = s->rows;
    }
    for (size_t i = 0; i < training->n; i++)
        s->rows[i] = training->labels[i] < 0 ? DKVB_KEEP : s->marks[training->labels[i]];
    /* The forgetting method `every` has no budget: it masks all key-value pairs that have a rank. */
    for (size_t i = 0; i < n; i++)
        s->budgets[i] = cells[i].budget ? cells[i].budget : DKVB__RANK_NEVER - 1;
    if (!rc)
        rc = dkvb__unlearn_rank(s->rank, t->model, &q, run);
    if (!rc)
        rc = dkvb__effects_along(t->model, s->rank, &t->held, s->budgets, n, s->effects, s->exhausted, run);
    if (rc)
        return rc;
    count_pairs(s, cells, n);
    for (size_t i = 0; i < n; i++) {
        cells[i].rows = s->g.class_rows[cells[i].label];
        if (q.method == DKVB_METHOD_EXAMPLES && cells[i].budget < cells[i].rows)
            cells[i].rows = cells[i].budget;
        cells[i].exhausted = s->exhausted[i];
        take_effects(s, &cells[i], s->effects + i * s->g.model->classes);
    }
    return DKVB_OK;
}

static dkvb_status measure_exact(struct sweep *s, dkvb_sweep_cell *cell, const dkvb_run_options *run)
{
    struct subject *t = &s->subject;
    struct dkvb__replay *replay = NULL;
    uint64_t *ids = NULL;
    size_t n = 0;
    dkvb_status rc = dkvb_codeset_search(t->set, t->model->codebooks, DKVB_PART_TRAINING, run);

    if (!rc)
        rc = dkvb__replay_ids_of(t->set, s->marks, &ids, &n, &s->g.mem);
    if (!rc)
        rc = dkvb__replay_new(&replay, t->model, t->set, ids, n, true, run);
    if (!rc)
        rc = dkvb__effect_compare(t->model, replay->after, &t->held, s->effects, run);
    if (!rc) {
        cell->rows = s->g.class_rows[cell->label];
        take_effects(s, cell, s->effects);
    }
    dkvb__replay_free(replay);
    dkvb__free_erased(&s->g.mem, ids);
    return rc;
}

/* Measures a run of cells of the sweep, which differ in their budget (number of masked pairs) only. */
static dkvb_status measure(struct sweep *s, size_t first, size_t end)
{
    dkvb_sweep_cell *cells = s->g.cells + first;
    size_t n = end - first;
    struct span span;
    dkvb_run_options run;
    dkvb_status rc = need_subject(s, first, n);

    if (rc)
        return rc;
    memcpy(s->marks, s->g.aside, s->g.model->classes);
    s->marks[cells->label] = DKVB_FORGET;
    run = inner_run(s, &span, n, 1.0);
    return cells->strength == DKVB_STRENGTH_EXACT ? measure_exact(s, cells, &run) : measure_suppress(s, cells, n, &run);
}

static dkvb_status tell(const struct sweep *s, size_t first, size_t end)
{
    for (size_t i = first; s->g.o.each && i < end; i++)
        if (s->g.o.each(s->g.o.user, &s->g.cells[i]) != 0)
            return dkvb__fail(DKVB_ECANCELLED, "the sweep was cancelled after %zu of %zu cells", i + 1, s->g.count);
    return DKVB_OK;
}

/* Measures all cells of the sweep that were not measured before, one run (cells that differ only in the number of
 * masked pairs) after the other. */
static dkvb_status measure_all(struct sweep *s, uint64_t known, dkvb_sweep_report *report)
{
    dkvb_status rc = DKVB_OK;

    for (size_t first = 0, end; !rc && first < s->g.count; first = end) {
        size_t from = known > first ? (size_t)known : first;

        end = dkvb__sweep_grid_run_end(&s->g, first);
        s->at = first;
        if (from >= end)
            continue;
        rc = measure(s, first, end);
        if (!rc && s->g.o.path)
            rc = dkvb__sweep_part_add(&s->part, s->g.cells + from, end - from);
        if (!rc) {
            report->done = end;
            rc = tell(s, from, end);
        }
    }
    return rc;
}

static dkvb_status go(struct sweep *s, dkvb_sweep_report *report, dkvb_sweep_report *given)
{
    uint8_t sum[DKVB__SWEEP_FINGERPRINT];
    uint64_t known = s->g.o.skip;
    const char *word = s->g.o.test_x ? "test" : "held out";
    dkvb_status rc = DKVB_OK;

    if (s->g.o.skip > s->g.count)
        return dkvb__fail(DKVB_EINVAL, "sweep: skip is %llu, the grid has %zu cells", (unsigned long long)s->g.o.skip,
                          s->g.count);
    report->done = known;
    if (s->g.o.path) {
        rc = dkvb__sweep_grid_fingerprint(&s->g, sum);
        if (!rc)
            rc = dkvb__sweep_part_open(&s->part, s->g.o.path, sum, s->g.o.restart, s->g.cells, &known);
        if (rc)
            return dkvb__sweep_part_end(&s->part, rc, true);
        report->resumed = report->done = known;
    }
    if (given)
        rc = dkvb__give_info(given, report, sizeof *report, "sweep report");
    if (!rc && s->g.o.path)
        rc = tell(s, 0, (size_t)known);
    if (!rc)
        rc = measure_all(s, known, report);
    if (!s->g.o.path)
        return rc;
    if (!rc)
        rc = dkvb__sweep_write_table(s->g.o.path, s->g.model, s->g.cells, s->g.count, word);
    report->kept = rc ? report->done : 0;
    return dkvb__sweep_part_end(&s->part, rc, rc && report->done > 0);
}

static void sweep_free(struct sweep *s)
{
    subject_free(s);
    dkvb__free(&s->g.mem, s->rank);
    dkvb__free(&s->g.mem, s->marks);
    dkvb__free_erased(&s->g.mem, s->rows);
    dkvb__free(&s->g.mem, s->budgets);
    dkvb__free(&s->g.mem, s->exhausted);
    dkvb__free(&s->g.mem, s->effects);
    dkvb__sweep_grid_free(&s->g);
}

dkvb_status dkvb_sweep_run(dkvb_model *model, dkvb_codeset *set, const dkvb_sweep_options *opts,
                           dkvb_sweep_report *report, const dkvb_run_options *given)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    struct sweep s = {.run = &run, .part.fd = -1};
    dkvb_sweep_report full = DKVB_SWEEP_REPORT_INIT;
    dkvb_status rc = dkvb__sweep_grid_new(&s.g, model, set, opts), told = DKVB_OK;

    s.part.mem = &s.g.mem;
    if (!rc)
        rc = dkvb__take_options(&run, sizeof run, given, "run options");
    if (!rc)
        rc = scratch_new(&s);
    full.cells = s.g.count;
    full.measured = s.g.measured;
    full.on_test = s.g.o.test_x != NULL;
    if (!rc)
        rc = go(&s, &full, report);
    sweep_free(&s);
    if (report)
        told = dkvb__give_info(report, &full, sizeof full, "sweep report");
    return rc ? rc : told;
}
