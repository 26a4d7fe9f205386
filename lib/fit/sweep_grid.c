/* For the grid of a sweep, the options are checked, and all cells (forgettings to measure) are listed, before the first
 * cell is measured. */
#include "fit/sweep_grid.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/exact_math.h"
#include "base/sha256.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/train_record.h"
#include "bottleneck/value_types.h"
#include "dkvb/unlearn.h"
#include "unlearn/plan.h"

enum {
    /* largest number of different budgets (numbers of masked pairs) that a sweep chooses by default */
    MOST_STEPS = 10000,
    MOST_CELLS = 100000000, /* largest number of cells (forgettings to measure) that a sweep may have */
    /* a sweep's smallest default budget (number of masked pairs) is the number of all key-value pairs divided by
     * SMALLEST_PART */
    SMALLEST_PART = 4096,
    SUMS = 14 /* number of checksums of inputs in the fingerprint of a sweep */
};

static const uint32_t default_strength = DKVB_STRENGTH_SUPPRESS, default_method = DKVB_METHOD_VALUES;
static const uint64_t no_seed = 0;

static dkvb_status out_of_memory(const struct dkvb__sweep_grid *g)
{
    return dkvb__fail(DKVB_ENOMEM, "out of memory for a sweep of %zu cells", g->count);
}

/* Checks that no number appears twice in a list of the sweep's options. */
static dkvb_status check_once(const char *what, const uint64_t *list, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (list[i] == list[j])
                return dkvb__fail(DKVB_EINVAL, "sweep: %s %llu is given twice", what, (unsigned long long)list[i]);
    return DKVB_OK;
}

static dkvb_status check_words(const struct dkvb__sweep_grid *g)
{
    const dkvb_sweep_options *o = &g->o;

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

static dkvb_status check_options(struct dkvb__sweep_grid *g)
{
    dkvb_sweep_options *o = &g->o;
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
    if (o->feature_names && (o->feature_ids || !g->set->names.salted))
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
    if (o->features && o->feature_columns != g->model->codebooks->shape.input_dim)
        return dkvb__fail(DKVB_EMISMATCH, "sweep: features have %zu columns, the model takes %u", o->feature_columns,
                          g->model->codebooks->shape.input_dim);
    for (size_t i = 0; o->test_x && i < o->test_n; i++)
        if (o->test_labels[i] < -1 || o->test_labels[i] >= (int64_t)g->model->classes)
            return dkvb__fail(DKVB_EINVAL, "sweep: test row %zu has label %d, it must be -1 to %u", i,
                              o->test_labels[i], g->model->classes - 1);
    rc = check_words(g);
    return rc ? rc : check_once("seed", o->seeds, o->seed_count);
}

/* Fills in the classes whose forgetting a sweep measures: the members `swept`, `aside` and `class_rows` of the sweep's
 * grid. */
static dkvb_status find_classes(struct dkvb__sweep_grid *g)
{
    const struct dkvb__coderows *training = &g->set->part[DKVB_PART_TRAINING];
    uint32_t classes = g->model->classes, count = 0;
    uint64_t *seen = dkvb__alloc0(&g->mem, classes, sizeof *seen);
    dkvb_status rc = DKVB_OK;

    g->labels = g->o.test_x ? g->o.test_labels : g->set->part[DKVB_PART_HELD_OUT].labels;
    g->n = g->o.test_x ? g->o.test_n : g->set->part[DKVB_PART_HELD_OUT].n;
    g->swept = dkvb__alloc0(&g->mem, classes, 1);
    g->aside = dkvb__alloc0(&g->mem, classes, 1);
    g->class_rows = dkvb__alloc0(&g->mem, classes, sizeof *g->class_rows);
    if (!seen || !g->swept || !g->aside || !g->class_rows)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", classes);
    for (size_t i = 0; !rc && i < training->n; i++)
        if (training->labels[i] >= 0)
            g->class_rows[training->labels[i]]++;
    for (size_t i = 0; !rc && i < g->n; i++)
        if (g->labels[i] >= 0) {
            seen[g->labels[i]]++;
            g->measured++;
        }
    if (!rc)
        rc = dkvb__set_aside(g->model, g->aside);
    for (uint32_t l = 0; !rc && l < classes; l++) {
        bool has_rows = g->class_rows[l] > 0 && seen[l] > 0;

        g->swept[l] = g->o.classes ? g->o.classes[l] == DKVB_FORGET : has_rows && g->aside[l] == DKVB_KEEP;
        count += g->swept[l];
        if (g->swept[l] && !has_rows)
            rc =
                dkvb__fail(DKVB_ENOTFOUND,
                           "sweep: class %u has %llu rows that taught the model and %llu to measure on, and needs both",
                           l, (unsigned long long)g->class_rows[l], (unsigned long long)seen[l]);
    }
    dkvb__free(&g->mem, seen);
    if (!rc && count == 0)
        rc = dkvb__fail(DKVB_ENOTFOUND,
                        "sweep: no class has rows that taught the model and rows to measure on: hold out "
                        "rows when training, or give test rows");
    return rc;
}

/* Computes the default budgets (numbers of masked pairs) of a sweep: whole rising numbers in equal ratios from `first`
 * to `last`; *count becomes how many they are. */
static const uint64_t *default_budgets(const struct dkvb__sweep_grid *g, uint64_t first, uint64_t last, size_t *count)
{
    double low = dkvb__log((double)first), high = dkvb__log((double)last);
    size_t n = 0;

    for (uint32_t i = 0; i < g->o.steps; i++) {
        double share = g->o.steps > 1 ? (double)i / (double)(g->o.steps - 1) : 1.0;
        uint64_t budget = (uint64_t)(dkvb__exp(low + share * (high - low)) + 0.5);

        if (i + 1 == g->o.steps || budget > last)
            budget = last;
        if (n == 0 || budget > g->steps[n - 1])
            g->steps[n++] = budget;
    }
    *count = n;
    return g->steps;
}

/* Returns the budgets (numbers of masked pairs) that a sweep measures for a forgetting method on a model with the given
 * number of key-value pairs. */
static const uint64_t *budgets_of(const struct dkvb__sweep_grid *g, uint32_t method, uint64_t pairs, size_t *count)
{
    uint64_t most = 0;

    *count = 1;
    /* The forgetting method `every` masks all pairs that the forget set selects, whatever the budget. */
    if (method == DKVB_METHOD_EVERY)
        return &no_seed;
    *count = g->o.budget_count;
    if (g->o.budgets)
        return g->o.budgets;
    if (method != DKVB_METHOD_EXAMPLES)
        return default_budgets(g, pairs > SMALLEST_PART ? pairs / SMALLEST_PART : 1, pairs, count);
    for (uint32_t l = 0; l < g->model->classes; l++)
        if (g->swept[l] && g->class_rows[l] > most)
            most = g->class_rows[l];
    return default_budgets(g, 1, most, count);
}

/* Returns DKVB_EINVAL unless a model of shape number i in the sweep's list, with sizes other than 0, can be trained. */
static dkvb_status check_shape(const struct dkvb__sweep_grid *g, size_t i)
{
    const dkvb_sweep_shape *shape = &g->shapes[i];
    struct dkvb__shape sizes = {shape->codebooks, shape->keys, shape->key_dim, g->model->codebooks->shape.input_dim};
    size_t rows = g->set->part[DKVB_PART_TRAINING].n;
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

/* Refuses a sweep whose list of shapes (sizes of models) has two equal shapes: a model measured twice would count as
 * two models and make intervals too narrow. The sizes of all shapes in the sweep's list were checked, so each size fits
 * in 16 bits. */
static dkvb_status check_shapes_differ(const struct dkvb__sweep_grid *g)
{
    size_t n = g->o.shape_count;
    struct dkvb__keyed *order = dkvb__alloc(&g->mem, n, 2 * sizeof *order);
    dkvb_status rc = order ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu shapes", n);

    for (size_t i = 0; !rc && i < n; i++)
        order[i] = (struct dkvb__keyed){g->shapes[i].seed, i};
    if (!rc)
        dkvb__sort_keyed(order, order + n, n);
    for (size_t i = 0; !rc && i < n; i++)
        order[i].key = sizes_of(&g->shapes[order[i].index]);
    if (!rc)
        dkvb__sort_keyed(order, order + n, n);
    for (size_t i = 1; !rc && i < n; i++)
        if (order[i].key == order[i - 1].key && g->shapes[order[i].index].seed == g->shapes[order[i - 1].index].seed)
            rc = dkvb__fail(DKVB_EINVAL, "sweep: shape %zu is the same as shape %zu, with every size and the seed",
                            order[i].index, order[i - 1].index);
    dkvb__free(&g->mem, order);
    return rc;
}

/* Fills in the shapes (sizes of models) of the grid, g->shapes; a size of 0 is replaced by the size of the given
 * model. */
static dkvb_status settle_shapes(struct dkvb__sweep_grid *g)
{
    const struct dkvb__shape *own = &g->model->codebooks->shape;
    dkvb_status rc = DKVB_OK;

    g->shapes = dkvb__alloc(&g->mem, g->o.shape_count, sizeof *g->shapes);
    if (!g->shapes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu shapes", g->o.shape_count);
    for (size_t i = 0; !rc && i < g->o.shape_count; i++) {
        dkvb_sweep_shape *shape = &g->shapes[i];

        *shape = g->o.shapes[i];
        shape->codebooks = shape->codebooks ? shape->codebooks : own->codebooks;
        shape->keys = shape->keys ? shape->keys : own->keys;
        shape->key_dim = shape->key_dim ? shape->key_dim : own->key_dim;
        shape->top_k = shape->top_k ? shape->top_k : g->model->top_k;
        rc = check_shape(g, i);
    }
    g->o.shapes = g->shapes;
    return rc ? rc : check_shapes_differ(g);
}

/* Finds the features on which models of other shapes (sizes) are trained: features in the options of the sweep (their
 * places are g->places), or the codeset's own features. */
static dkvb_status find_features(struct dkvb__sweep_grid *g)
{
    const struct dkvb__coderows *parts = g->set->part;
    struct dkvb__given given = {g->o.feature_rows, g->o.feature_ids, g->o.feature_names};
    size_t columns = g->model->codebooks->shape.input_dim, known, missing, needed = parts[DKVB_PART_TRAINING].n;
    dkvb_status rc = DKVB_OK;

    for (uint32_t part = 0; !g->o.features && !rc && part < (g->o.test_x ? 1 : DKVB__PARTS); part++)
        if (!parts[part].features)
            rc = dkvb__fail(DKVB_EINVAL, "sweep: a model of another shape learns from features, and the codeset keeps "
                                         "only codes of its rows: features must be given");
        else if (parts[part].columns != columns)
            rc = dkvb__fail(DKVB_EMISMATCH, "the codeset keeps features of %u columns, the model takes %zu",
                            parts[part].columns, columns);
    if (rc || !g->o.features)
        return rc;
    g->places = dkvb__alloc(&g->mem, given.n, sizeof *g->places);
    if (!g->places)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the places of %zu rows", given.n);
    rc = dkvb__codeset_place_given(g->set, &given, g->places, &known, &missing, &g->mem);
    /* Test rows given in the options of the sweep replace the held-out rows of the codeset. */
    needed += g->o.test_x ? 0 : parts[DKVB_PART_HELD_OUT].n;
    if (!rc && missing < needed) {
        const struct dkvb__coderows *part = missing < parts->n ? parts : parts + 1;

        rc = dkvb__fail(DKVB_ENOTFOUND,
                        "sweep: the codeset has a row with id %llu, and none of %zu rows of features has it",
                        (unsigned long long)part->ids[missing < parts->n ? missing : missing - parts->n], given.n);
    }
    return rc;
}

/* Checks, before the first cell (forgetting) is measured, everything that measuring the cells of a sweep needs.
 * Whatever could make the measurement of a cell of the sweep fail is checked in advance, since a repeated sweep would
 * fail at the same cell. */
static dkvb_status check_ahead(struct dkvb__sweep_grid *g)
{
    bool exact = false;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < g->o.strength_count; i++)
        exact = exact || g->o.strengths[i] == DKVB_STRENGTH_EXACT;
    if ((g->o.shapes || exact) && g->set->sessions == 0)
        return dkvb__fail(DKVB_ESTATE, "sweep: the codes record no session of training, so %s in the same way",
                          g->o.shapes ? "other shapes cannot be trained" : "values cannot be trained again");
    if (g->o.shapes)
        rc = settle_shapes(g);
    return !rc && g->o.shapes ? find_features(g) : rc;
}

/* Adds one cell (a forgetting to measure) to the grid of a sweep. Until memory for the cells (forgettings to measure)
 * of a sweep is allocated, a cell that is added is only counted. */
static void add_cell(struct dkvb__sweep_grid *g, const dkvb_sweep_cell *cell, uint64_t shape)
{
    if (g->cells) {
        g->cells[g->count] = *cell;
        g->cells[g->count].index = g->count;
        g->cells[g->count].cells = g->room;
        g->cell_shape[g->count] = shape;
    }
    g->count++;
}

/* Adds to the grid of a sweep all cells (forgettings to measure) of one class and one strength of forgetting on one
 * model. */
static void add_strength(struct dkvb__sweep_grid *g, dkvb_sweep_cell *cell, uint64_t shape)
{
    uint64_t pairs = (uint64_t)cell->codebooks * cell->keys;

    cell->method = 0;
    cell->seed = cell->budget = 0;
    if (cell->strength == DKVB_STRENGTH_EXACT) {
        add_cell(g, cell, shape);
        return;
    }
    for (size_t m = 0; m < g->o.method_count; m++) {
        size_t count, seeds = g->o.methods[m] == DKVB_METHOD_EXAMPLES ? g->o.seed_count : 1;
        const uint64_t *budgets = budgets_of(g, g->o.methods[m], pairs, &count);

        cell->method = g->o.methods[m];
        for (size_t i = 0; i < seeds; i++) {
            cell->seed = cell->method == DKVB_METHOD_EXAMPLES ? g->o.seeds[i] : 0;
            for (size_t b = 0; b < count && g->count <= MOST_CELLS; b++) {
                cell->budget = budgets[b];
                add_cell(g, cell, shape);
            }
        }
    }
}

/* Adds all cells (forgettings to measure) to the grid of a sweep, in the order of the table's lines. The function
 * add_cells() runs twice: first to count the cells (forgettings to measure) of the sweep, then to describe them. */
static void add_cells(struct dkvb__sweep_grid *g)
{
    const struct dkvb__shape *own = &g->model->codebooks->shape;
    uint64_t seed = g->set->sessions > 0 ? g->set->session[0].training.seed : 0;
    const dkvb_sweep_shape as_it_is = {own->codebooks, own->keys, own->key_dim, g->model->top_k, seed};
    size_t shapes = g->o.shapes ? g->o.shape_count : 1;

    g->count = 0;
    for (size_t i = 0; i < shapes; i++) {
        const dkvb_sweep_shape *shape = g->o.shapes ? &g->o.shapes[i] : &as_it_is;
        dkvb_sweep_cell cell;

        memset(&cell, 0, sizeof cell);
        cell.trained_anew = g->o.shapes != NULL;
        cell.codebooks = shape->codebooks;
        cell.keys = shape->keys;
        cell.key_dim = shape->key_dim;
        cell.top_k = shape->top_k;
        cell.train_seed = shape->seed;
        for (uint32_t l = 0; l < g->model->classes; l++)
            for (size_t j = 0; g->swept[l] && j < g->o.strength_count; j++) {
                cell.label = l;
                cell.strength = g->o.strengths[j];
                add_strength(g, &cell, i);
            }
    }
}

static dkvb_status describe_cells(struct dkvb__sweep_grid *g)
{
    g->steps = dkvb__alloc(&g->mem, g->o.budgets ? 0 : g->o.steps, sizeof *g->steps);
    if (!g->steps)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u budgets", g->o.steps);
    add_cells(g);
    if (g->count > MOST_CELLS)
        return dkvb__fail(DKVB_EINVAL, "sweep: the grid has more than %d cells: shorten its lists", MOST_CELLS);
    g->room = g->count;
    g->cells = dkvb__alloc0(&g->mem, g->room, sizeof *g->cells);
    g->cell_shape = dkvb__alloc(&g->mem, g->room, sizeof *g->cell_shape);
    if (!g->cells || !g->cell_shape)
        return out_of_memory(g);
    add_cells(g);
    return DKVB_OK;
}

size_t dkvb__sweep_grid_run_end(const struct dkvb__sweep_grid *g, size_t first)
{
    const dkvb_sweep_cell *a = &g->cells[first];
    size_t end = first + 1;

    while (end < g->count && g->cell_shape[end] == g->cell_shape[first] && g->cells[end].label == a->label &&
           g->cells[end].strength == a->strength && g->cells[end].method == a->method && g->cells[end].seed == a->seed)
        end++;
    return end;
}

/* The settings that made the codeset's keys and values: the placement of the keys, and the training sessions. */
struct recipe {
    double decay, restart;
    uint64_t seed, own_keys, sessions;
    uint32_t method, passes, batch, rows_per_key, normalize, whiten;
    /* number of classes and type of values of the model in each training session */
    uint32_t session[DKVB_CODESET_SESSIONS][2];
    unsigned char training[DKVB_CODESET_SESSIONS][DKVB__TRAINING_SIZE];
};

static void take_recipe(const dkvb_codeset *set, struct recipe *r)
{
    const dkvb_keyinit_options *k = &set->keyinit;

    /* The padding bytes of the struct to be hashed are cleared too, since all its bytes are hashed. */
    memset(r, 0, sizeof *r);
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

/* Returns a checksum of the rows of a part of the codeset (training or held-out rows): of their features if the part
 * keeps features, since codes may not be searched yet. */
static uint64_t sum_part(const dkvb_codeset *set, uint32_t part)
{
    const struct dkvb__coderows *rows = &set->part[part];

    return rows->features
               ? dkvb__checksum(rows->features, rows->n * (size_t)dkvb__coderows_feature_size(rows))
               : dkvb__checksum(rows->codes, rows->n * dkvb__coderows_code_size(set, rows) * sizeof *rows->codes);
}

/* Computes checksums of inputs of a sweep that are too large, or too scattered, to be hashed directly. */
static dkvb_status sum_inputs(const struct dkvb__sweep_grid *g, uint64_t sums[SUMS])
{
    const dkvb_model *m = g->model;
    const struct dkvb__given given = {g->o.feature_rows, g->o.feature_ids, g->o.feature_names};
    size_t columns = m->codebooks->shape.input_dim, n = given.n, i = 0;
    uint64_t *ids = dkvb__alloc(&g->mem, n, sizeof *ids);

    if (!ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", n);
    for (size_t row = 0; row < n; row++)
        ids[row] = dkvb__codeset_given_id(g->set, &given, row);
    sums[i++] = m->classes;
    sums[i++] = m->top_k;
    sums[i++] = m->values_dtype;
    sums[i++] = dkvb__checksum(m->values, dkvb__pair_count(m) * m->classes * dkvb__value_size(m->values_dtype));
    sums[i++] = g->set->part[DKVB_PART_HELD_OUT].k;
    for (uint32_t part = 0; part < DKVB__PARTS; part++) {
        sums[i++] = sum_part(g->set, part);
        sums[i++] = g->set->part[part].features != NULL;
    }
    sums[i++] = g->o.test_x != NULL;
    sums[i++] = g->o.test_x ? dkvb__checksum(g->o.test_x, g->o.test_n * columns * sizeof(float)) : 0;
    sums[i++] = g->o.features != NULL;
    sums[i++] = g->o.features ? dkvb__checksum(g->o.features, n * columns * sizeof(float)) : 0;
    sums[i] = dkvb__checksum(ids, n * sizeof *ids);
    dkvb__free_erased(&g->mem, ids);
    return DKVB_OK;
}

dkvb_status dkvb__sweep_grid_fingerprint(const struct dkvb__sweep_grid *g, uint8_t sum[DKVB__SWEEP_FINGERPRINT])
{
    enum { NUMBERS = 12, PIECES = 16 };
    const dkvb_model *m = g->model;
    const struct dkvb__coderows *rows = g->set->part;
    size_t words = dkvb__word_count(&m->codebooks->shape), count = 0;
    uint64_t sums[SUMS];
    struct recipe recipe;
    uint64_t *numbers = dkvb__alloc(&g->mem, g->count, NUMBERS * sizeof *numbers), *to = numbers;
    struct dkvb__piece pieces[PIECES];
    dkvb_status rc = numbers ? sum_inputs(g, sums) : out_of_memory(g);

    for (size_t i = 0; !rc && i < g->count; i++) {
        const dkvb_sweep_cell *c = &g->cells[i];
        const uint64_t described[NUMBERS] = {c->trained_anew, c->codebooks, c->keys,   c->key_dim, c->top_k,  c->label,
                                             c->train_seed,   c->strength,  c->method, c->seed,    c->budget, c->index};

        memcpy(to, described, sizeof described);
        to += NUMBERS;
    }
    take_recipe(g->set, &recipe);
    pieces[count++] = (struct dkvb__piece){sums, sizeof sums};
    pieces[count++] = (struct dkvb__piece){&recipe, sizeof recipe};
    pieces[count++] = (struct dkvb__piece){numbers, g->count * NUMBERS * sizeof *numbers};
    pieces[count++] = (struct dkvb__piece){m->codebooks->birth, sizeof m->codebooks->birth};
    pieces[count++] = (struct dkvb__piece){m->trained, sizeof m->trained};
    pieces[count++] = (struct dkvb__piece){m->mask->bits, words * sizeof(uint64_t)};
    pieces[count++] = (struct dkvb__piece){m->codebooks->purged, words * sizeof(uint64_t)};
    pieces[count++] = (struct dkvb__piece){g->aside, m->classes};
    pieces[count++] = (struct dkvb__piece){g->labels, g->n * sizeof *g->labels};
    for (size_t part = 0; part < DKVB__PARTS; part++) {
        pieces[count++] = (struct dkvb__piece){rows[part].ids, rows[part].n * sizeof *rows[part].ids};
        pieces[count++] = (struct dkvb__piece){rows[part].labels, rows[part].n * sizeof *rows[part].labels};
        pieces[count++] = (struct dkvb__piece){rows[part].sessions, rows[part].n * sizeof *rows[part].sessions};
    }
    if (!rc)
        dkvb__sha256(sum, pieces, count);
    dkvb__free(&g->mem, numbers);
    return rc;
}

dkvb_status dkvb__sweep_grid_new(struct dkvb__sweep_grid *g, dkvb_model *model, dkvb_codeset *set,
                                 const dkvb_sweep_options *opts)
{
    dkvb_status rc;

    *g = (struct dkvb__sweep_grid){.model = model, .set = set, .o = DKVB_SWEEP_OPTIONS_INIT, .mem = model->mem};
    rc = dkvb__take_options(&g->o, sizeof g->o, opts, "sweep options");
    if (!rc && model->codebooks->ranks.count > 1)
        rc = dkvb__fail(DKVB_ESTATE, "sweep: ranks share this model, and a sweep works in one process: load it in one "
                                     "process");
    if (!rc && !set)
        rc = dkvb__fail(DKVB_EINVAL, "sweep: the codeset is missing, which says what the model was trained on");
    if (!rc)
        rc = check_options(g);
    if (!rc)
        rc = dkvb__codeset_check_model(set, model, false);
    if (!rc)
        rc = find_classes(g);
    if (!rc)
        rc = check_ahead(g);
    return rc ? rc : describe_cells(g);
}

void dkvb__sweep_grid_free(struct dkvb__sweep_grid *g)
{
    dkvb__free(&g->mem, g->swept);
    dkvb__free(&g->mem, g->aside);
    dkvb__free(&g->mem, g->class_rows);
    dkvb__free(&g->mem, g->steps);
    dkvb__free(&g->mem, g->cells);
    dkvb__free(&g->mem, g->cell_shape);
    dkvb__free(&g->mem, g->shapes);
    dkvb__free_erased(&g->mem, g->places);
}
