/* A sweep: every class, method, budget, seed and shape of a grid, measured cell by cell (include/dkvb/sweep.h). */
#include "fit/sweep.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/exact_math.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codes.h"
#include "bottleneck/codeset.h"
#include "bottleneck/train_record.h"
#include "bottleneck/value_types.h"
#include "dkvb/fit.h"
#include "dkvb/search.h"
#include "dkvb/unlearn.h"
#include "fit/fit.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"
#include "unlearn/plan.h"
#include "unlearn/replay.h"

enum {
    MOST_STEPS = 10000,     /* default budgets */
    MOST_CELLS = 100000000, /* of a grid */
    THOUSANDTHS = 1000,     /* of a cell, in progress */
    SMALLEST_PART = 4096,   /* the first default budget is this part of all pairs */
    SUMS = 14               /* numbers of a fingerprint: sum_inputs() */
};

static const uint32_t default_strength = DKVB_STRENGTH_SUPPRESS, default_method = DKVB_METHOD_VALUES;
static const uint64_t no_seed = 0;

/* The model that is measured: the given one, or one that was trained for a shape. */
struct subject {
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_codeset_rows held; /* rows to measure on, with deep codes by the model's keys */
    uint16_t *searched;     /* those codes, where they are not the codeset's; else NULL */
    uint64_t shape;         /* that it was trained for */
    bool anew;
};

struct sweep {
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o; /* NULL lists replaced by their defaults */
    dkvb_allocator mem;
    const dkvb_run_options *run;
    uint8_t *swept;         /* [L], 1 for classes of the grid */
    uint8_t *aside;         /* [L], DKVB_ASIDE for classes that were forgotten earlier, else DKVB_KEEP */
    uint64_t *class_rows;   /* [L], of the training part */
    uint64_t *steps;        /* [o.steps], the default budgets of one list */
    dkvb_sweep_cell *cells; /* [count], described before any is measured */
    size_t count, room;
    uint64_t *cell_shape;     /* [count], index of the shape */
    dkvb_sweep_shape *shapes; /* [o.shape_count], without zeros; o.shapes */
    size_t *places;           /* [o.feature_rows], among the rows of the codeset: dkvb__codeset_place() */
    struct subject subject;
    /* Scratch of a run of cells. */
    uint32_t *rank;             /* [C][K] */
    size_t ranked;              /* pairs that it has room for */
    uint8_t *marks, *rows;      /* [L]; [rows of the training part] */
    uint64_t *budgets;          /* [budgets of a run], and */
    uint64_t *exhausted;        /* as many, */
    dkvb_class_effect *effects; /* and [budgets of a run][L] */
    struct dkvb__sweep_part part;
    uint64_t at;      /* cells that are finished, for progress, */
    uint64_t reached; /* which never goes back: thousandths of a cell that were told of */
};

static dkvb_status out_of_memory(const struct sweep *s)
{
    return dkvb__fail(DKVB_ENOMEM, "out of memory for a sweep of %zu cells", s->count);
}

/* A list of numbers that must come once. */
static dkvb_status check_once(const char *what, const uint64_t *list, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (list[i] == list[j])
                return dkvb__fail(DKVB_EINVAL, "sweep: %s %llu is given twice", what, (unsigned long long)list[i]);
    return DKVB_OK;
}

static dkvb_status check_words(const struct sweep *s)
{
    const dkvb_sweep_options *o = &s->o;

    for (size_t i = 0; i < o->strength_count; i++) {
        if (o->strengths[i] != DKVB_STRENGTH_SUPPRESS && o->strengths[i] != DKVB_STRENGTH_EXACT)
            return dkvb__fail(DKVB_EINVAL, "sweep: strength %u is unknown, it must be %d (suppress) or %d (exact)",
                              o->strengths[i], DKVB_STRENGTH_SUPPRESS, DKVB_STRENGTH_EXACT);
        for (size_t j = 0; j < i; j++)
            if (o->strengths[i] == o->strengths[j])
                return dkvb__fail(DKVB_EINVAL, "sweep: strength %s is given twice",
                                  dkvb_name(DKVB_NAME_STRENGTH, o->strengths[i]));
    }
    for (size_t i = 0; i < o->method_count; i++) {
        if (o->methods[i] < 1 || o->methods[i] > DKVB_METHOD_EVERY)
            return dkvb__fail(DKVB_EINVAL, "sweep: method %u is unknown, it must be 1 to %d", o->methods[i],
                              DKVB_METHOD_EVERY);
        for (size_t j = 0; j < i; j++)
            if (o->methods[i] == o->methods[j])
                return dkvb__fail(DKVB_EINVAL, "sweep: method %s is given twice",
                                  dkvb_name(DKVB_NAME_METHOD, o->methods[i]));
    }
    return DKVB_OK;
}

static dkvb_status check_options(struct sweep *s)
{
    dkvb_sweep_options *o = &s->o;
    dkvb_status rc;

    if (!o->strengths)
        o->strengths = &default_strength, o->strength_count = 1;
    if (!o->methods)
        o->methods = &default_method, o->method_count = 1;
    if (!o->seeds)
        o->seeds = &no_seed, o->seed_count = 1;
    if (o->strength_count == 0 || o->method_count == 0 || o->seed_count == 0 || (o->budgets && o->budget_count == 0) ||
        (o->shapes && o->shape_count == 0))
        return dkvb__fail(DKVB_EINVAL, "sweep: a list of the options is empty, it must be NULL or have members");
    if (!o->budgets && (o->steps < 1 || o->steps > MOST_STEPS))
        return dkvb__fail(DKVB_EINVAL, "sweep: steps is %u, it must be 1 to %d", o->steps, MOST_STEPS);
    for (size_t i = 0; o->budgets && i < o->budget_count; i++)
        if (o->budgets[i] <= (i ? o->budgets[i - 1] : 0))
            return dkvb__fail(DKVB_EINVAL, "sweep: budget %llu must be above %llu: budgets are ascending, from 1",
                              (unsigned long long)o->budgets[i], (unsigned long long)(i ? o->budgets[i - 1] : 0));
    if (o->skip > 0 && o->path)
        return dkvb__fail(DKVB_EINVAL, "sweep: skip and path are given, but the file beside the table says which cells "
                                       "are there");
    if (!o->features && (o->feature_ids || o->feature_names || o->feature_rows))
        return dkvb__fail(DKVB_EINVAL, "sweep: ids, names or a number of features are given without features");
    if (o->features && !o->shapes)
        return dkvb__fail(DKVB_EINVAL, "sweep: features are what models of other shapes learn from, and no shape is "
                                       "given");
    if (o->feature_names && (o->feature_ids || !s->set->names.salted))
        return dkvb__fail(DKVB_EINVAL, "sweep: features have names, and %s",
                          o->feature_ids ? "ids as well: only one can say what the rows are called"
                                         : "the rows of the codes are called by numbers: ids must be given instead");
    rc = o->feature_names ? dkvb__row_names_check(o->feature_names, o->feature_rows) : DKVB_OK;
    if (rc)
        return rc;
    if (o->test_x && !o->test_labels)
        return dkvb__fail(DKVB_EINVAL, "sweep: test rows are given without labels");
    if (!o->test_x && (o->test_labels || o->test_n))
        return dkvb__fail(DKVB_EINVAL, "sweep: labels or a number of test rows are given without test rows");
    if (o->features && o->feature_columns != s->model->codebooks->shape.input_dim)
        return dkvb__fail(DKVB_EMISMATCH, "sweep: features have %zu columns, the model takes %u", o->feature_columns,
                          s->model->codebooks->shape.input_dim);
    for (size_t i = 0; o->test_x && i < o->test_n; i++)
        if (o->test_labels[i] < -1 || o->test_labels[i] >= (int64_t)s->model->classes)
            return dkvb__fail(DKVB_EINVAL, "sweep: test row %zu has label %d, it must be -1 to %u", i,
                              o->test_labels[i], s->model->classes - 1);
    rc = check_words(s);
    return rc ? rc : check_once("seed", o->seeds, o->seed_count);
}

/* Labels of the rows that are measured on. */
static size_t measured_labels(const struct sweep *s, const int32_t **labels)
{
    const struct dkvb__coderows *held = &s->set->part[DKVB_PART_HELD_OUT];

    *labels = s->o.test_x ? s->o.test_labels : held->labels;
    return s->o.test_x ? s->o.test_n : held->n;
}

/* s->swept, s->aside and s->class_rows. */
static dkvb_status find_classes(struct sweep *s, uint64_t *measured)
{
    const struct dkvb__coderows *training = &s->set->part[DKVB_PART_TRAINING];
    uint32_t classes = s->model->classes, count = 0;
    uint64_t *seen = dkvb__alloc0(&s->mem, classes, sizeof *seen);
    const int32_t *labels;
    size_t n = measured_labels(s, &labels);
    dkvb_status rc = DKVB_OK;

    s->swept = dkvb__alloc0(&s->mem, classes, 1);
    s->aside = dkvb__alloc0(&s->mem, classes, 1);
    s->marks = dkvb__alloc(&s->mem, classes, 1);
    s->class_rows = dkvb__alloc0(&s->mem, classes, sizeof *s->class_rows);
    if (!seen || !s->swept || !s->aside || !s->marks || !s->class_rows)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", classes);
    for (size_t i = 0; !rc && i < training->n; i++)
        if (training->labels[i] >= 0)
            s->class_rows[training->labels[i]]++;
    *measured = 0;
    for (size_t i = 0; !rc && i < n; i++)
        if (labels[i] >= 0) {
            seen[labels[i]]++;
            ++*measured;
        }
    if (!rc)
        rc = dkvb__set_aside(s->model, s->aside);
    for (uint32_t l = 0; !rc && l < classes; l++) {
        bool has_rows = s->class_rows[l] > 0 && seen[l] > 0;

        s->swept[l] = s->o.classes ? s->o.classes[l] == DKVB_FORGET : has_rows && s->aside[l] == DKVB_KEEP;
        count += s->swept[l];
        if (s->swept[l] && !has_rows)
            rc =
                dkvb__fail(DKVB_ENOTFOUND,
                           "sweep: class %u has %llu rows that taught the model and %llu to measure on, and needs both",
                           l, (unsigned long long)s->class_rows[l], (unsigned long long)seen[l]);
    }
    dkvb__free(&s->mem, seen);
    if (!rc && count == 0)
        rc = dkvb__fail(DKVB_ENOTFOUND,
                        "sweep: no class has rows that taught the model and rows to measure on: hold out "
                        "rows when training, or give test rows");
    return rc;
}

/* Budgets in equal ratios from `first` to `last`, whole and rising; *count of them. */
static const uint64_t *default_budgets(const struct sweep *s, uint64_t first, uint64_t last, size_t *count)
{
    double low = dkvb__log((double)first), high = dkvb__log((double)last);
    size_t n = 0;

    for (uint32_t i = 0; i < s->o.steps; i++) {
        double share = s->o.steps > 1 ? (double)i / (double)(s->o.steps - 1) : 1.0;
        uint64_t budget = (uint64_t)(dkvb__exp(low + share * (high - low)) + 0.5);

        if (i + 1 == s->o.steps || budget > last)
            budget = last;
        if (n == 0 || budget > s->steps[n - 1])
            s->steps[n++] = budget;
    }
    *count = n;
    return s->steps;
}

/* The budgets of a method on a model of so many pairs. */
static const uint64_t *budgets_of(const struct sweep *s, uint32_t method, uint64_t pairs, size_t *count)
{
    uint64_t most = 0;

    *count = 1;
    if (method == DKVB_METHOD_EVERY) /* takes all, whatever the budget */
        return &no_seed;
    *count = s->o.budget_count;
    if (s->o.budgets)
        return s->o.budgets;
    if (method != DKVB_METHOD_EXAMPLES)
        return default_budgets(s, pairs > SMALLEST_PART ? pairs / SMALLEST_PART : 1, pairs, count);
    for (uint32_t l = 0; l < s->model->classes; l++)
        if (s->swept[l] && s->class_rows[l] > most)
            most = s->class_rows[l];
    return default_budgets(s, 1, most, count);
}

/* DKVB_EINVAL unless a model of shape i, without zeros, can be trained. */
static dkvb_status check_shape(const struct sweep *s, size_t i)
{
    const dkvb_sweep_shape *shape = &s->shapes[i];
    struct dkvb__shape sizes = {shape->codebooks, shape->keys, shape->key_dim, s->model->codebooks->shape.input_dim};
    size_t rows = s->set->part[DKVB_PART_TRAINING].n;
    char what[64];
    dkvb_status rc;

    snprintf(what, sizeof what, "sweep: shape %zu", i);
    rc = dkvb__shape_check(&sizes, what);
    if (!rc && shape->keys > rows)
        rc = dkvb__fail(DKVB_EINVAL,
                        "%s has %u keys in a codebook, which need as many rows to be placed on: the training part has "
                        "%zu",
                        what, shape->keys, rows);
    if (!rc && shape->top_k > shape->keys)
        rc = dkvb__fail(DKVB_EINVAL, "%s selects %u keys, and there are %u in a codebook", what, shape->top_k,
                        shape->keys);
    return rc;
}

static uint64_t sizes_of(const dkvb_sweep_shape *shape)
{
    return (uint64_t)shape->codebooks << 48 | (uint64_t)shape->keys << 32 | shape->key_dim << 16 | shape->top_k;
}

/* A model that is measured twice would count as two, and narrow the interval. Sizes of shapes were checked, so that
 * each has 16 bits. */
static dkvb_status check_shapes_differ(const struct sweep *s)
{
    size_t n = s->o.shape_count;
    struct dkvb__keyed *order = dkvb__alloc(&s->mem, n, 2 * sizeof *order);
    dkvb_status rc = order ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu shapes", n);

    for (size_t i = 0; !rc && i < n; i++)
        order[i] = (struct dkvb__keyed){s->shapes[i].seed, i};
    if (!rc)
        dkvb__sort_keyed(order, order + n, n);
    for (size_t i = 0; !rc && i < n; i++)
        order[i].key = sizes_of(&s->shapes[order[i].index]);
    if (!rc)
        dkvb__sort_keyed(order, order + n, n);
    for (size_t i = 1; !rc && i < n; i++)
        if (order[i].key == order[i - 1].key && s->shapes[order[i].index].seed == s->shapes[order[i - 1].index].seed)
            rc = dkvb__fail(DKVB_EINVAL, "sweep: shape %zu is the same as shape %zu, with every size and the seed",
                            order[i].index, order[i - 1].index);
    dkvb__free(&s->mem, order);
    return rc;
}

/* s->shapes: what is 0 is the model's own. */
static dkvb_status settle_shapes(struct sweep *s)
{
    const struct dkvb__shape *own = &s->model->codebooks->shape;
    dkvb_status rc = DKVB_OK;

    s->shapes = dkvb__alloc(&s->mem, s->o.shape_count, sizeof *s->shapes);
    if (!s->shapes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu shapes", s->o.shape_count);
    for (size_t i = 0; !rc && i < s->o.shape_count; i++) {
        dkvb_sweep_shape *shape = &s->shapes[i];

        *shape = s->o.shapes[i];
        shape->codebooks = shape->codebooks ? shape->codebooks : own->codebooks;
        shape->keys = shape->keys ? shape->keys : own->keys;
        shape->key_dim = shape->key_dim ? shape->key_dim : own->key_dim;
        shape->top_k = shape->top_k ? shape->top_k : s->model->top_k;
        rc = check_shape(s, i);
    }
    s->o.shapes = s->shapes;
    return rc ? rc : check_shapes_differ(s);
}

/* Models of shapes learn from features: those of the options, s->places, or the codeset's own. */
static dkvb_status find_features(struct sweep *s)
{
    const struct dkvb__coderows *parts = s->set->part;
    struct dkvb__given given = {s->o.feature_rows, s->o.feature_ids, s->o.feature_names};
    size_t columns = s->model->codebooks->shape.input_dim, known, missing, needed = parts[DKVB_PART_TRAINING].n;
    dkvb_status rc = DKVB_OK;

    for (uint32_t part = 0; !s->o.features && !rc && part < (s->o.test_x ? 1 : DKVB__PARTS); part++)
        if (!parts[part].features)
            rc = dkvb__fail(DKVB_EINVAL, "sweep: a model of another shape learns from features, and the codeset keeps "
                                         "only codes of its rows: features must be given");
        else if (parts[part].columns != columns)
            rc = dkvb__fail(DKVB_EMISMATCH, "the codeset keeps features of %u columns, the model takes %zu",
                            parts[part].columns, columns);
    if (rc || !s->o.features)
        return rc;
    s->places = dkvb__alloc(&s->mem, given.n, sizeof *s->places);
    if (!s->places)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the places of %zu rows", given.n);
    rc = dkvb__codeset_place_given(s->set, &given, s->places, &known, &missing, &s->mem);
    needed += s->o.test_x ? 0 : parts[DKVB_PART_HELD_OUT].n; /* which test rows take the place of */
    if (!rc && missing < needed) {
        const struct dkvb__coderows *part = missing < parts->n ? parts : parts + 1;

        rc = dkvb__fail(DKVB_ENOTFOUND,
                        "sweep: the codeset has a row with id %llu, and none of %zu rows of features has it",
                        (unsigned long long)part->ids[missing < parts->n ? missing : missing - parts->n], given.n);
    }
    return rc;
}

/* What cells would fail for after others were measured: the same command could never end. */
static dkvb_status check_ahead(struct sweep *s)
{
    bool exact = false;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < s->o.strength_count; i++)
        exact = exact || s->o.strengths[i] == DKVB_STRENGTH_EXACT;
    if ((s->o.shapes || exact) && s->set->sessions == 0)
        return dkvb__fail(DKVB_ESTATE, "sweep: the codes record no session of training, so %s in the same way",
                          s->o.shapes ? "other shapes cannot be trained" : "values cannot be trained again");
    if (s->o.shapes)
        rc = settle_shapes(s);
    return !rc && s->o.shapes ? find_features(s) : rc;
}

/* One more cell; only counted before there is room. */
static void add_cell(struct sweep *s, const dkvb_sweep_cell *cell, uint64_t shape)
{
    if (s->cells) {
        s->cells[s->count] = *cell;
        s->cells[s->count].index = s->count;
        s->cells[s->count].cells = s->room;
        s->cell_shape[s->count] = shape;
    }
    s->count++;
}

/* All cells of one class and strength on one model. */
static void add_strength(struct sweep *s, dkvb_sweep_cell *cell, uint64_t shape)
{
    uint64_t pairs = (uint64_t)cell->codebooks * cell->keys;

    cell->method = 0;
    cell->seed = cell->budget = 0;
    if (cell->strength == DKVB_STRENGTH_EXACT) {
        add_cell(s, cell, shape);
        return;
    }
    for (size_t m = 0; m < s->o.method_count; m++) {
        size_t count, seeds = s->o.methods[m] == DKVB_METHOD_EXAMPLES ? s->o.seed_count : 1;
        const uint64_t *budgets = budgets_of(s, s->o.methods[m], pairs, &count);

        cell->method = s->o.methods[m];
        for (size_t i = 0; i < seeds; i++) {
            cell->seed = cell->method == DKVB_METHOD_EXAMPLES ? s->o.seeds[i] : 0;
            for (size_t b = 0; b < count && s->count <= MOST_CELLS; b++) {
                cell->budget = budgets[b];
                add_cell(s, cell, shape);
            }
        }
    }
}

/* All cells, in their order. Called twice: to count them, and to describe them. */
static void add_cells(struct sweep *s)
{
    const struct dkvb__shape *own = &s->model->codebooks->shape;
    uint64_t seed = s->set->sessions > 0 ? s->set->session[0].training.seed : 0;
    const dkvb_sweep_shape as_it_is = {own->codebooks, own->keys, own->key_dim, s->model->top_k, seed};
    size_t shapes = s->o.shapes ? s->o.shape_count : 1;

    s->count = 0;
    for (size_t i = 0; i < shapes; i++) {
        const dkvb_sweep_shape *shape = s->o.shapes ? &s->o.shapes[i] : &as_it_is;
        dkvb_sweep_cell cell;

        memset(&cell, 0, sizeof cell);
        cell.trained_anew = s->o.shapes != NULL;
        cell.codebooks = shape->codebooks;
        cell.keys = shape->keys;
        cell.key_dim = shape->key_dim;
        cell.top_k = shape->top_k;
        cell.train_seed = shape->seed;
        for (uint32_t l = 0; l < s->model->classes; l++)
            for (size_t j = 0; s->swept[l] && j < s->o.strength_count; j++) {
                cell.label = l;
                cell.strength = s->o.strengths[j];
                add_strength(s, &cell, i);
            }
    }
}

static dkvb_status describe_cells(struct sweep *s)
{
    s->steps = dkvb__alloc(&s->mem, s->o.budgets ? 0 : s->o.steps, sizeof *s->steps);
    if (!s->steps)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u budgets", s->o.steps);
    add_cells(s);
    if (s->count > MOST_CELLS)
        return dkvb__fail(DKVB_EINVAL, "sweep: the grid has more than %d cells: shorten its lists", MOST_CELLS);
    s->room = s->count;
    s->cells = dkvb__alloc0(&s->mem, s->room, sizeof *s->cells);
    s->cell_shape = dkvb__alloc(&s->mem, s->room, sizeof *s->cell_shape);
    if (!s->cells || !s->cell_shape)
        return out_of_memory(s);
    add_cells(s);
    return DKVB_OK;
}

/* A run: cells that differ in their budget alone, which are measured together. The end of the run that begins at
 * `first`. */
static size_t run_end(const struct sweep *s, size_t first)
{
    const dkvb_sweep_cell *a = &s->cells[first];
    size_t end = first + 1;

    while (end < s->count && s->cell_shape[end] == s->cell_shape[first] && s->cells[end].label == a->label &&
           s->cells[end].strength == a->strength && s->cells[end].method == a->method && s->cells[end].seed == a->seed)
        end++;
    return end;
}

static dkvb_status scratch_new(struct sweep *s)
{
    size_t longest = 0, classes = s->model->classes;

    for (size_t first = 0, end; first < s->count; first = end) {
        end = run_end(s, first);
        longest = end - first > longest ? end - first : longest;
    }
    s->rows = dkvb__alloc(&s->mem, s->set->part[DKVB_PART_TRAINING].n, 1);
    s->budgets = dkvb__alloc(&s->mem, longest, sizeof *s->budgets);
    s->exhausted = dkvb__alloc(&s->mem, longest, sizeof *s->exhausted);
    s->effects = dkvb__alloc(&s->mem, longest, classes * sizeof *s->effects);
    return s->rows && s->budgets && s->exhausted && s->effects ? DKVB_OK : out_of_memory(s);
}

/* Progress of the call within that of the sweep: `done` of `total` is so much of `part` cells. */
struct span {
    const dkvb_run_options *outer;
    uint64_t before, part, all; /* in thousandths of a cell */
    uint64_t *reached;
};

/* A call has several stages, each of which begins at 0: only what is further than before counts. */
static int pass_on(void *user, uint64_t done, uint64_t total)
{
    const struct span *span = user;
    double share = total ? (double)done / (double)total : 1.0;
    uint64_t now = span->before + (uint64_t)((share < 1.0 ? share : 1.0) * (double)span->part);

    *span->reached = now > *span->reached ? now : *span->reached;
    return span->outer->progress(span->outer->user, *span->reached, span->all);
}

/* Run options for a call that is a share of the cells from s->at on. */
static dkvb_run_options inner_run(struct sweep *s, struct span *span, size_t cells, double share)
{
    dkvb_run_options run = *s->run;

    *span = (struct span){s->run, s->at * THOUSANDTHS, (uint64_t)((double)(cells * THOUSANDTHS) * share),
                          (uint64_t)s->count * THOUSANDTHS, &s->reached};
    run.progress = s->run->progress ? pass_on : NULL;
    run.user = span;
    run.outside = NULL;
    return run;
}

static void subject_free(struct sweep *s)
{
    struct subject *t = &s->subject;

    dkvb__free_erased(&s->mem, t->searched);
    if (t->anew) {
        dkvb_model_free(t->model);
        dkvb_codeset_free(t->set);
    }
    *t = (struct subject){0};
}

/* Features of a part, float[n][m], in the order of its rows: the codeset's own, or those of the options by id. */
static dkvb_status gather_features(const struct sweep *s, uint32_t part, float **x)
{
    const struct dkvb__coderows *rows = &s->set->part[part];
    size_t columns = s->model->codebooks->shape.input_dim, size = (size_t)dkvb__coderows_feature_size(rows);
    size_t before = part == DKVB_PART_TRAINING ? 0 : s->set->part[DKVB_PART_TRAINING].n;

    *x = dkvb__alloc(&s->mem, rows->n, columns * sizeof **x);
    if (!*x)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the features of %zu rows", rows->n);
    for (size_t i = 0; !s->o.features && i < rows->n; i++)
        dkvb__widen(*x + i * columns, (const char *)rows->features + i * size, rows->dtype, columns);
    for (size_t i = 0; s->o.features && i < s->o.feature_rows; i++)
        if (s->places[i] >= before && s->places[i] - before < rows->n)
            memcpy(*x + (s->places[i] - before) * columns, s->o.features + i * columns, columns * sizeof **x);
    return DKVB_OK;
}

/* Deep codes of the rows that are measured on, by the keys of the subject. */
static dkvb_status search_measured(struct sweep *s, const dkvb_run_options *run)
{
    struct subject *t = &s->subject;
    const struct dkvb__shape *shape = &t->model->codebooks->shape;
    uint32_t depth = s->set->part[DKVB_PART_HELD_OUT].k;
    float *gathered = NULL;
    const float *x = s->o.test_x;
    dkvb_status rc = DKVB_OK;

    t->held = (dkvb_codeset_rows)DKVB_CODESET_ROWS_INIT;
    t->held.n = measured_labels(s, &t->held.labels);
    if (!x && !t->anew) {
        rc = dkvb_codeset_search(s->set, t->model->codebooks, DKVB_PART_HELD_OUT, run);
        return rc ? rc : dkvb_codeset_get_rows(s->set, DKVB_PART_HELD_OUT, &t->held);
    }
    depth = depth > t->model->top_k ? depth : t->model->top_k;
    depth = depth < shape->keys ? depth : shape->keys;
    if (!x) {
        rc = gather_features(s, DKVB_PART_HELD_OUT, &gathered);
        x = gathered;
    }
    t->searched = rc ? NULL : dkvb__alloc(&s->mem, t->held.n, (size_t)shape->codebooks * depth * sizeof *t->searched);
    if (!rc && !t->searched)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", t->held.n);
    if (!rc)
        rc = dkvb_search(t->model->codebooks, NULL, x, t->held.n, depth, t->searched, NULL, run);
    t->held.codebooks = shape->codebooks;
    t->held.k = depth;
    t->held.codes = t->searched;
    dkvb__free_erased(&s->mem, gathered);
    return rc;
}

/* Train a model of the shape of a cell, on the training part alone. */
static dkvb_status train_shape(struct sweep *s, const dkvb_sweep_cell *cell, const dkvb_run_options *run)
{
    const struct dkvb__coderows *training = &s->set->part[DKVB_PART_TRAINING];
    dkvb_settings settings = DKVB_SETTINGS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    float *x = NULL;
    dkvb_status rc;

    if (s->set->own_keys)
        settings.keyinit = s->set->keyinit;
    settings.keyinit.codebooks = cell->codebooks;
    settings.keyinit.keys = cell->keys;
    settings.keyinit.key_dim = cell->key_dim;
    settings.keyinit.normalize = s->model->codebooks->normalize;
    settings.keyinit.seed = cell->train_seed;
    settings.keyinit.allocator = NULL;
    settings.train = s->set->session[0].training;
    settings.train.seed = cell->train_seed;
    settings.train.relearn = 0;
    settings.train.trials = 0;
    settings.top_k = cell->top_k;
    settings.whiten = s->model->codebooks->whitening ? DKVB_WHITEN_ALWAYS : DKVB_WHITEN_NEVER;
    o.settings = &settings;
    o.values_dtype = s->model->values_dtype;
    o.keep = DKVB_KEPT_CODES;
    o.hold_out = 0.0; /* the rows held out are not among these */
    o.allocator = &s->mem;
    rc = gather_features(s, DKVB_PART_TRAINING, &x);
    rows.x = x;
    rows.labels = training->labels;
    rows.ids = training->ids;
    rows.n = training->n;
    rows.dim = s->model->codebooks->shape.input_dim;
    rows.classes = s->model->classes;
    s->subject.anew = true;
    if (!rc)
        rc = dkvb_fit(&s->subject.model, &s->subject.set, &rows, &o, NULL, run);
    dkvb__free_erased(&s->mem, x);
    return rc;
}

/* The subject becomes the model of a cell. */
static dkvb_status need_subject(struct sweep *s, size_t first, size_t cells)
{
    struct subject *t = &s->subject;
    struct span span;
    dkvb_run_options run = inner_run(s, &span, cells, 0.5);
    size_t pairs;
    dkvb_status rc = DKVB_OK;

    if (t->model && t->shape == s->cell_shape[first])
        return DKVB_OK;
    subject_free(s);
    t->shape = s->cell_shape[first];
    if (s->cells[first].trained_anew) {
        rc = train_shape(s, &s->cells[first], &run);
    } else {
        t->model = s->model;
        t->set = s->set;
    }
    if (!rc)
        rc = search_measured(s, &run);
    if (rc)
        return rc;
    pairs = dkvb__pair_count(t->model);
    if (pairs > s->ranked) {
        dkvb__free(&s->mem, s->rank);
        s->rank = dkvb__alloc(&s->mem, pairs, sizeof *s->rank);
        s->ranked = s->rank ? pairs : 0;
    }
    return s->rank ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to rank %zu pairs", pairs);
}

/* The figures of a cell follow from what each class loses. */
static void take_effects(const struct sweep *s, dkvb_sweep_cell *cell, const dkvb_class_effect *effects)
{
    double most = 0.0;

    cell->retain_rows = cell->retain_before = cell->retain_after = 0; /* a cell may be measured once more */
    cell->has_worst = 0;
    cell->forget_rows = effects[cell->label].rows;
    cell->forget_before = effects[cell->label].right_before;
    cell->forget_after = effects[cell->label].right_after;
    for (uint32_t l = 0; l < s->model->classes; l++) {
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

/* Pairs that each budget of a run takes: cells[i].pairs. */
static void count_pairs(const struct sweep *s, dkvb_sweep_cell *cells, size_t n)
{
    size_t pairs = dkvb__pair_count(s->subject.model);

    for (size_t i = 0; i < n; i++)
        cells[i].pairs = 0; /* known already where a call was interrupted within this run */
    for (size_t p = 0; p < pairs; p++) {
        size_t low = 0, high = n; /* the first budget that takes the pair */

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
    for (size_t i = 0; i < n; i++) /* `every` has no budget: it takes all that have a rank */
        s->budgets[i] = cells[i].budget ? cells[i].budget : DKVB__RANK_NEVER - 1;
    if (!rc)
        rc = dkvb__unlearn_rank(s->rank, t->model, &q, run);
    if (!rc)
        rc = dkvb__effects_along(t->model, s->rank, &t->held, s->budgets, n, s->effects, s->exhausted, run);
    if (rc)
        return rc;
    count_pairs(s, cells, n);
    for (size_t i = 0; i < n; i++) {
        cells[i].rows = s->class_rows[cells[i].label];
        if (q.method == DKVB_METHOD_EXAMPLES && cells[i].budget < cells[i].rows)
            cells[i].rows = cells[i].budget;
        cells[i].exhausted = s->exhausted[i];
        take_effects(s, &cells[i], s->effects + i * s->model->classes);
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
        rc = dkvb__replay_ids_of(t->set, s->marks, &ids, &n, &s->mem);
    if (!rc)
        rc = dkvb__replay_new(&replay, t->model, t->set, ids, n, run);
    if (!rc)
        rc = dkvb__effect_compare(t->model, replay->after, &t->held, s->effects, run);
    if (!rc) {
        cell->rows = s->class_rows[cell->label];
        take_effects(s, cell, s->effects);
    }
    dkvb__replay_free(replay);
    dkvb__free_erased(&s->mem, ids);
    return rc;
}

/* Measure a run of cells. */
static dkvb_status measure(struct sweep *s, size_t first, size_t end)
{
    dkvb_sweep_cell *cells = s->cells + first;
    size_t n = end - first;
    struct span span;
    dkvb_run_options run;
    dkvb_status rc = need_subject(s, first, n);

    if (rc)
        return rc;
    memcpy(s->marks, s->aside, s->model->classes);
    s->marks[cells->label] = DKVB_FORGET;
    run = inner_run(s, &span, n, 1.0);
    return cells->strength == DKVB_STRENGTH_EXACT ? measure_exact(s, cells, &run) : measure_suppress(s, cells, n, &run);
}

static dkvb_status tell(const struct sweep *s, size_t first, size_t end)
{
    for (size_t i = first; s->o.each && i < end; i++)
        if (s->o.each(s->o.user, &s->cells[i]) != 0)
            return dkvb__fail(DKVB_ECANCELLED, "the sweep was cancelled after %zu of %zu cells", i + 1, s->count);
    return DKVB_OK;
}

/* How the codeset's keys were placed and its values trained. */
struct recipe {
    double decay, restart;
    uint64_t seed, own_keys, sessions;
    uint32_t method, passes, batch, rows_per_key, normalize, whiten;
    uint32_t session[DKVB_CODESET_SESSIONS][2]; /* classes, and type of values */
    unsigned char training[DKVB_CODESET_SESSIONS][DKVB__TRAINING_SIZE];
};

static void take_recipe(const dkvb_codeset *set, struct recipe *r)
{
    const dkvb_keyinit_options *k = &set->keyinit;

    memset(r, 0, sizeof *r); /* padding too */
    r->own_keys = set->own_keys;
    r->sessions = set->sessions;
    if (set->own_keys) {
        r->decay = k->decay, r->restart = k->restart, r->seed = k->seed, r->method = k->method;
        r->passes = k->passes, r->batch = k->batch, r->rows_per_key = k->rows_per_key;
        r->normalize = k->normalize, r->whiten = k->whiten;
    }
    for (uint32_t i = 0; i < set->sessions; i++) {
        r->session[i][0] = set->session[i].classes;
        r->session[i][1] = set->session[i].values_dtype;
        dkvb__train_options_pack(&set->session[i].training, r->training[i]);
    }
}

/* Checksum of what a part has of its rows: features where it keeps them, since their codes may not be searched yet. */
static uint64_t sum_part(const dkvb_codeset *set, uint32_t part)
{
    const struct dkvb__coderows *rows = &set->part[part];

    return rows->features
               ? dkvb__checksum(rows->features, rows->n * (size_t)dkvb__coderows_feature_size(rows))
               : dkvb__checksum(rows->codes, rows->n * dkvb__coderows_code_size(set, rows) * sizeof *rows->codes);
}

/* Checksums and numbers of what is too large, or too scattered, to be hashed as it lies. */
static dkvb_status sum_inputs(const struct sweep *s, uint64_t sums[SUMS])
{
    const dkvb_model *m = s->model;
    const struct dkvb__given given = {s->o.feature_rows, s->o.feature_ids, s->o.feature_names};
    size_t columns = m->codebooks->shape.input_dim, n = given.n, i = 0;
    uint64_t *ids = dkvb__alloc(&s->mem, n, sizeof *ids);

    if (!ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", n);
    for (size_t row = 0; row < n; row++)
        ids[row] = dkvb__codeset_given_id(s->set, &given, row);
    sums[i++] = m->classes;
    sums[i++] = m->top_k;
    sums[i++] = m->values_dtype;
    sums[i++] = dkvb__checksum(m->values, dkvb__pair_count(m) * m->classes * dkvb__value_size(m->values_dtype));
    sums[i++] = s->set->part[DKVB_PART_HELD_OUT].k;
    for (uint32_t part = 0; part < DKVB__PARTS; part++) {
        sums[i++] = sum_part(s->set, part);
        sums[i++] = s->set->part[part].features != NULL;
    }
    sums[i++] = s->o.test_x != NULL;
    sums[i++] = s->o.test_x ? dkvb__checksum(s->o.test_x, s->o.test_n * columns * sizeof(float)) : 0;
    sums[i++] = s->o.features != NULL;
    sums[i++] = s->o.features ? dkvb__checksum(s->o.features, n * columns * sizeof(float)) : 0;
    sums[i] = dkvb__checksum(ids, n * sizeof *ids);
    dkvb__free_erased(&s->mem, ids);
    return DKVB_OK;
}

/* Everything that cells follow from, in 32 bytes: another model, other codes, other options give others. */
static dkvb_status fingerprint(const struct sweep *s, uint8_t sum[DKVB__SWEEP_FINGERPRINT])
{
    enum { NUMBERS = 12, PIECES = 16 };
    const dkvb_model *m = s->model;
    const struct dkvb__coderows *rows = s->set->part;
    size_t words = dkvb__word_count(&m->codebooks->shape), count = 0;
    uint64_t sums[SUMS];
    struct recipe recipe;
    const int32_t *labels;
    size_t n = measured_labels(s, &labels);
    uint64_t *numbers = dkvb__alloc(&s->mem, s->count, NUMBERS * sizeof *numbers), *to = numbers;
    struct dkvb__piece pieces[PIECES];
    dkvb_status rc = numbers ? sum_inputs(s, sums) : out_of_memory(s);

    for (size_t i = 0; !rc && i < s->count; i++) {
        const dkvb_sweep_cell *c = &s->cells[i];
        const uint64_t described[NUMBERS] = {c->trained_anew, c->codebooks, c->keys,   c->key_dim, c->top_k,  c->label,
                                             c->train_seed,   c->strength,  c->method, c->seed,    c->budget, c->index};

        memcpy(to, described, sizeof described);
        to += NUMBERS;
    }
    take_recipe(s->set, &recipe);
    pieces[count++] = (struct dkvb__piece){sums, sizeof sums};
    pieces[count++] = (struct dkvb__piece){&recipe, sizeof recipe};
    pieces[count++] = (struct dkvb__piece){numbers, s->count * NUMBERS * sizeof *numbers};
    pieces[count++] = (struct dkvb__piece){m->codebooks->birth, sizeof m->codebooks->birth};
    pieces[count++] = (struct dkvb__piece){m->trained, sizeof m->trained};
    pieces[count++] = (struct dkvb__piece){m->mask->bits, words * sizeof(uint64_t)};
    pieces[count++] = (struct dkvb__piece){m->codebooks->purged, words * sizeof(uint64_t)};
    pieces[count++] = (struct dkvb__piece){s->aside, m->classes};
    pieces[count++] = (struct dkvb__piece){labels, n * sizeof *labels};
    for (size_t part = 0; part < DKVB__PARTS; part++) {
        pieces[count++] = (struct dkvb__piece){rows[part].ids, rows[part].n * sizeof *rows[part].ids};
        pieces[count++] = (struct dkvb__piece){rows[part].labels, rows[part].n * sizeof *rows[part].labels};
        pieces[count++] = (struct dkvb__piece){rows[part].sessions, rows[part].n * sizeof *rows[part].sessions};
    }
    if (!rc)
        dkvb__sha256(sum, pieces, count);
    dkvb__free(&s->mem, numbers);
    return rc;
}

/* Measure what is not known yet, cell after cell. */
static dkvb_status measure_all(struct sweep *s, uint64_t known, dkvb_sweep_report *report)
{
    dkvb_status rc = DKVB_OK;

    for (size_t first = 0, end; !rc && first < s->count; first = end) {
        size_t from = known > first ? (size_t)known : first;

        end = run_end(s, first);
        s->at = first;
        if (from >= end)
            continue;
        rc = measure(s, first, end);
        if (!rc && s->o.path)
            rc = dkvb__sweep_part_add(&s->part, s->cells + from, end - from);
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
    uint64_t known = s->o.skip;
    const char *word = s->o.test_x ? "test" : "held out";
    dkvb_status rc = DKVB_OK;

    if (s->o.skip > s->count)
        return dkvb__fail(DKVB_EINVAL, "sweep: skip is %llu, the grid has %zu cells", (unsigned long long)s->o.skip,
                          s->count);
    report->done = known;
    if (s->o.path) {
        rc = fingerprint(s, sum);
        if (!rc)
            rc = dkvb__sweep_part_open(&s->part, s->o.path, sum, s->o.restart, s->cells, &known);
        if (rc)
            return dkvb__sweep_part_end(&s->part, rc, true);
        report->resumed = report->done = known;
    }
    if (given)
        rc = dkvb__give_info(given, report, sizeof *report, "sweep report");
    if (!rc && s->o.path)
        rc = tell(s, 0, (size_t)known);
    if (!rc)
        rc = measure_all(s, known, report);
    if (!s->o.path)
        return rc;
    if (!rc)
        rc = dkvb__sweep_write_table(s->o.path, s->model, s->cells, s->count, word);
    report->kept = rc ? report->done : 0;
    return dkvb__sweep_part_end(&s->part, rc, rc && report->done > 0);
}

static void sweep_free(struct sweep *s)
{
    subject_free(s);
    dkvb__free(&s->mem, s->swept);
    dkvb__free(&s->mem, s->aside);
    dkvb__free(&s->mem, s->class_rows);
    dkvb__free(&s->mem, s->steps);
    dkvb__free(&s->mem, s->cells);
    dkvb__free(&s->mem, s->cell_shape);
    dkvb__free(&s->mem, s->shapes);
    dkvb__free_erased(&s->mem, s->places);
    dkvb__free(&s->mem, s->rank);
    dkvb__free(&s->mem, s->marks);
    dkvb__free_erased(&s->mem, s->rows);
    dkvb__free(&s->mem, s->budgets);
    dkvb__free(&s->mem, s->exhausted);
    dkvb__free(&s->mem, s->effects);
}

dkvb_status dkvb_sweep_run(dkvb_model *model, dkvb_codeset *set, const dkvb_sweep_options *opts,
                           dkvb_sweep_report *report, const dkvb_run_options *given)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    struct sweep s = {.model = model, .set = set, .o = DKVB_SWEEP_OPTIONS_INIT, .mem = model->mem, .run = &run};
    dkvb_sweep_report full = DKVB_SWEEP_REPORT_INIT;
    dkvb_status rc = dkvb__take_options(&s.o, sizeof s.o, opts, "sweep options"), told = DKVB_OK;

    s.part.fd = -1;
    s.part.mem = &s.mem;
    if (!rc && !set)
        rc = dkvb__fail(DKVB_EINVAL, "sweep: the codeset is missing, which says what the model was trained on");
    if (!rc)
        rc = dkvb__take_options(&run, sizeof run, given, "run options");
    if (!rc)
        rc = check_options(&s);
    if (!rc)
        rc = dkvb__codeset_check_model(set, model, false);
    if (!rc)
        rc = find_classes(&s, &full.measured);
    if (!rc)
        rc = check_ahead(&s);
    if (!rc)
        rc = describe_cells(&s);
    if (!rc)
        rc = scratch_new(&s);
    full.cells = s.count;
    full.on_test = s.o.test_x != NULL;
    if (!rc)
        rc = go(&s, &full, report);
    sweep_free(&s);
    if (report)
        told = dkvb__give_info(report, &full, sizeof full, "sweep report");
    return rc ? rc : told;
}
