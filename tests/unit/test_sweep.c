/* Tests of sweeps: every cell equals a separate measurement, and an interrupted sweep ends with the same table as one
 * without interruption. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "fit/sweep.h"
#include "plan_fixture.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"

enum { MOST = 4096 /* largest number of cells in a test */ };

static const uint32_t all_methods[] = {DKVB_METHOD_ACTIVATIONS, DKVB_METHOD_CONTRAST, DKVB_METHOD_EXAMPLES,
                                       DKVB_METHOD_VALUES, DKVB_METHOD_EVERY};
static const uint64_t some_budgets[] = {1, 2, 5, 17, 60, 150, 400, 100000};
static const uint64_t some_seeds[] = {3, 0, 41};

static dkvb_sweep_cell heard[MOST];
static size_t heard_count, stop_after;

static int hear(void *user, const dkvb_sweep_cell *cell)
{
    (void)user;
    assert_true(heard_count < MOST);
    heard[heard_count++] = *cell;
    return heard_count == stop_after;
}

static dkvb_sweep_options listening(void)
{
    dkvb_sweep_options o = DKVB_SWEEP_OPTIONS_INIT;

    heard_count = stop_after = 0;
    o.each = hear;
    return o;
}

static dkvb_sweep_options wide(void)
{
    dkvb_sweep_options o = listening();

    o.methods = all_methods;
    o.method_count = sizeof all_methods / sizeof *all_methods;
    o.budgets = some_budgets;
    o.budget_count = sizeof some_budgets / sizeof *some_budgets;
    o.seeds = some_seeds;
    o.seed_count = sizeof some_seeds / sizeof *some_seeds;
    return o;
}

/* Returns the mask of a sweep's cell, chosen by dkvb_unlearn_choose(). */
static dkvb_mask *mask_of(const dkvb_model *model, const dkvb_codeset *set, const dkvb_sweep_cell *cell,
                          const uint8_t *aside)
{
    const struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING];
    dkvb_request q = DKVB_REQUEST_INIT;
    uint8_t marks[CLASSES], row_marks[ROWS];
    dkvb_mask *mask;

    memcpy(marks, aside, CLASSES);
    marks[cell->label] = DKVB_FORGET;
    for (size_t i = 0; i < training->n; i++)
        row_marks[i] = marks[training->labels[i]];
    q.method = cell->method;
    q.k = model->top_k;
    q.codes = training->codes;
    q.n = training->n;
    q.rows = row_marks;
    q.classes = marks;
    q.seed = cell->seed;
    assert_ok(dkvb_mask_new(&mask, model->codebooks));
    assert_ok(dkvb_unlearn_choose(mask, model, &q, cell->budget, NULL));
    return mask;
}

/* Asserts the figures of a cell, computed from the effect on each class. */
static void assert_figures(const dkvb_sweep_cell *cell, const dkvb_class_effect *effects, const uint8_t *aside)
{
    uint64_t measured = 0, before = 0, after = 0;
    double most = -2.0;
    uint32_t worst = CLASSES;

    assert_true(cell->forget_rows == effects[cell->label].rows);
    assert_true(cell->forget_before == effects[cell->label].right_before);
    assert_true(cell->forget_after == effects[cell->label].right_after);
    for (uint32_t l = 0; l < CLASSES; l++) {
        if (l == cell->label || aside[l] != DKVB_KEEP)
            continue;
        measured += effects[l].rows;
        before += effects[l].right_before;
        after += effects[l].right_after;
        if (effects[l].rows > 0 && effects[l].loss > most) {
            most = effects[l].loss;
            worst = l;
        }
    }
    assert_true(cell->retain_rows == measured && cell->retain_before == before && cell->retain_after == after);
    assert_true(cell->has_worst == (worst < CLASSES));
    if (worst < CLASSES)
        assert_true(cell->worst == worst && cell->worst_rows == effects[worst].rows &&
                    cell->worst_before == effects[worst].right_before &&
                    cell->worst_after == effects[worst].right_after);
}

/* Asserts that every reported cell equals a separate measurement of its mask. Returns the number of (row, codebook)
 * pairs that ran out of keys. */
static uint64_t assert_slow_way(const dkvb_model *model, const dkvb_codeset *set, const dkvb_codeset_rows *held,
                                const uint8_t *aside)
{
    uint64_t exhausted_in_all = 0;

    for (size_t i = 0; i < heard_count; i++) {
        const dkvb_sweep_cell *cell = &heard[i];
        dkvb_class_effect effects[CLASSES];
        uint64_t exhausted;
        dkvb_mask *mask;

        assert_true(cell->index == i && cell->cells == heard_count && cell->strength == DKVB_STRENGTH_SUPPRESS);
        mask = mask_of(model, set, cell, aside);
        assert_ok(dkvb_effect_measure(model, NULL, mask, held, effects, &exhausted, NULL));
        assert_figures(cell, effects, aside);
        assert_true(cell->exhausted == exhausted && cell->pairs == dkvb__mask_count(mask));
        exhausted_in_all += exhausted;
        dkvb_mask_free(mask);
    }
    return exhausted_in_all;
}

static void every_cell_is_what_measuring_it_alone_gives(void **state)
{
    static const uint32_t dtypes[] = {DKVB_DTYPE_F16, DKVB_DTYPE_BF16, DKVB_DTYPE_F32};
    static const uint8_t nobody[CLASSES] = {0};

    (void)state;
    for (size_t d = 0; d < 3; d++)
        for (int few = 0; few < 2; few++) {
            dkvb_model *model;
            dkvb_codeset *set;
            dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
            dkvb_sweep_options o = wide();
            dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;

            few_keys = few;
            plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
            few_keys = false;
            assert_ok(dkvb_model_set_values(model, NULL, dtypes[d]));
            assert_ok(dkvb_sweep_run(model, set, &o, &report, NULL));
            /* Of the five methods, "examples" runs with three seeds, and "every" takes no number of pairs. */
            assert_int_equal(heard_count, CLASSES * (6 * o.budget_count + 1));
            assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
            assert_true(report.cells == heard_count && report.done == heard_count && report.measured == held.n);
            assert_true(assert_slow_way(model, set, &held, nobody) > 0);
            dkvb_codeset_free(set);
            dkvb_model_free(model);
        }
}

/* Classes 0 and 1 have the same value for every pair, so their logits tie in every row, and class 0 is predicted. */
static void a_tie_is_answered_by_the_lower_class(void **state)
{
    static const uint8_t nobody[CLASSES] = {0};
    static float values[16 * 48 * CLASSES];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    dkvb_sweep_options o = wide();

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = i % CLASSES < 2 ? 1.0f + (float)(i / CLASSES % 5) : 0.5f;
    assert_ok(dkvb_model_set_values(model, values, DKVB_DTYPE_F32));
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_slow_way(model, set, &held, nobody);
    for (size_t i = 0; i < heard_count; i++)
        if (heard[i].label < 2)
            assert_true(heard[i].forget_before == (heard[i].label == 0 ? heard[i].forget_rows : 0));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void classes_that_were_forgotten_earlier_count_for_nobody(void **state)
{
    static const uint8_t second[CLASSES] = {0, 0, DKVB_ASIDE, 0};
    uint8_t classes[CLASSES];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    dkvb_sweep_options o = wide();
    dkvb_forget_request q = request_for(classes, 2);
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    q.budget = 60;
    plan = apply_request(model, set, &q);
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    assert_int_equal(heard_count, (CLASSES - 1) * (6 * o.budget_count + 1));
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_slow_way(model, set, &held, second);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void test_rows_take_the_place_of_rows_held_out(void **state)
{
    static const uint8_t nobody[CLASSES] = {0};
    static uint16_t deep[ROWS * 16 * 48];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    dkvb_sweep_options o = wide();
    dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    o.test_x = rows;
    o.test_labels = labels;
    o.test_n = 333;
    assert_ok(dkvb_sweep_run(model, set, &o, &report, NULL));
    assert_true(report.on_test == 1 && report.measured == 333);
    held.n = 333;
    held.codebooks = 16;
    held.k = 48;
    held.labels = labels;
    held.codes = deep;
    assert_ok(dkvb_search(model->codebooks, NULL, rows, 333, 48, deep, NULL, NULL));
    assert_slow_way(model, set, &held, nobody);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void exact_cells_are_those_of_a_model_that_was_trained_without_the_class(void **state)
{
    static const uint32_t strengths[] = {DKVB_STRENGTH_EXACT};
    static const uint8_t nobody[CLASSES] = {0};
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    dkvb_sweep_options o = listening();

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    o.strengths = strengths;
    o.strength_count = 1;
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    assert_int_equal(heard_count, CLASSES);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    for (uint32_t l = 0; l < CLASSES; l++) {
        dkvb_class_effect effects[CLASSES];
        uint64_t ids[ROWS];
        size_t n = 0;
        dkvb_model *again;
        dkvb_codeset *same;

        plan_fit(&again, &same, true, hard, labels, NULL, ROWS);
        for (size_t i = 0; i < ROWS; i++)
            if (labels[i] == (int32_t)l)
                ids[n++] = i;
        assert_ok(dkvb_model_replay(again, set, ids, n, NULL, NULL, NULL));
        assert_ok(dkvb__effect_compare(model, again, &held, effects, NULL));
        assert_true(heard[l].label == l && heard[l].strength == DKVB_STRENGTH_EXACT && heard[l].method == 0);
        assert_true(heard[l].budget == 0 && heard[l].rows > 0 && heard[l].rows < n);
        assert_figures(&heard[l], effects, nobody);
        dkvb_codeset_free(same);
        dkvb_model_free(again);
    }
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_mapped_model_is_swept_as_one_that_was_read(void **state)
{
    static const uint32_t strengths[] = {DKVB_STRENGTH_SUPPRESS, DKVB_STRENGTH_EXACT};
    static dkvb_sweep_cell read_cells[MOST];
    const char *path = temp_path("mapped.dkvb");
    dkvb_model *model, *mapped;
    dkvb_codeset *set;
    dkvb_sweep_options o = wide();
    size_t count;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    o.strengths = strengths;
    o.strength_count = 2;
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    count = heard_count;
    memcpy(read_cells, heard, count * sizeof *heard);
    assert_ok(dkvb_model_save(model, path));
    assert_ok(map_model(&mapped, path, NULL));
    heard_count = 0;
    assert_ok(dkvb_sweep_run(mapped, set, &o, NULL, NULL));
    assert_int_equal(heard_count, count);
    assert_memory_equal(heard, read_cells, count * sizeof *heard);
    assert_int_equal(dkvb_model_replay(mapped, set, NULL, 0, NULL, NULL, NULL), DKVB_ESTATE);
    assert_message("mapped");
    dkvb_codeset_free(set);
    dkvb_model_free(mapped);
    dkvb_model_free(model);
    unlink(path);
}

/* Fits models with other settings to the training part, and searches the held-out rows by the keys of these models. */
static void shapes_are_models_trained_on_the_training_part(void **state)
{
    static const dkvb_sweep_shape shapes[] = {{0, 0, 0, 0, 7}, {5, 20, 3, 1, 7}};
    static const uint8_t nobody[CLASSES] = {0};
    static float x[ROWS * DIM], held_x[ROWS * DIM];
    static uint16_t deep[ROWS * 16 * 48];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o = wide();
    size_t each;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    o.shapes = shapes;
    o.shape_count = 2;
    o.features = hard;
    o.feature_rows = ROWS;
    o.feature_columns = DIM;
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    each = heard_count / 2;
    for (size_t s = 0; s < 2; s++) {
        const struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING], *out = training + 1;
        dkvb_settings settings = DKVB_SETTINGS_INIT;
        dkvb_fit_options f = DKVB_FIT_OPTIONS_INIT;
        dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;
        dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
        dkvb_model *anew;
        dkvb_codeset *codes;

        for (size_t i = 0; i < training->n; i++)
            memcpy(x + i * DIM, hard + training->ids[i] * DIM, DIM * sizeof *x);
        for (size_t i = 0; i < out->n; i++)
            memcpy(held_x + i * DIM, hard + out->ids[i] * DIM, DIM * sizeof *x);
        settings.keyinit.codebooks = s ? 5 : 16;
        settings.keyinit.keys = s ? 20 : 48;
        settings.keyinit.key_dim = s ? 3 : 4;
        settings.keyinit.seed = 7;
        settings.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
        settings.train.batch = 32;
        settings.train.seed = 7;
        settings.top_k = s ? 1 : 2;
        settings.whiten = DKVB_WHITEN_NEVER;
        f.settings = &settings;
        f.hold_out = 0.0;
        f.keep = DKVB_KEPT_CODES;
        r.x = x, r.labels = training->labels, r.ids = training->ids, r.n = training->n, r.dim = DIM;
        r.classes = CLASSES;
        assert_ok(dkvb_fit(&anew, &codes, &r, &f, NULL, NULL));
        held.n = out->n;
        held.codebooks = s ? 5 : 16;
        held.k = s ? 20 : 48; /* codes as deep as the codeset's, but no more than all keys */
        held.labels = out->labels;
        held.codes = deep;
        assert_ok(dkvb_search(anew->codebooks, NULL, held_x, out->n, held.k, deep, NULL, NULL));
        for (size_t i = 0; i < each; i++) {
            const dkvb_sweep_cell *cell = &heard[s * each + i];
            dkvb_class_effect effects[CLASSES];
            dkvb_mask *mask = mask_of(anew, codes, cell, nobody);

            assert_true(cell->trained_anew == 1 && cell->codebooks == held.codebooks && cell->train_seed == 7);
            assert_ok(dkvb_effect_measure(anew, NULL, mask, &held, effects, NULL, NULL));
            assert_figures(cell, effects, nobody);
            dkvb_mask_free(mask);
        }
        dkvb_codeset_free(codes);
        dkvb_model_free(anew);
    }
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void default_budgets_go_in_equal_ratios_to_all_pairs(void **state)
{
    static const uint32_t methods[] = {DKVB_METHOD_VALUES, DKVB_METHOD_EXAMPLES};
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o = listening();
    uint8_t classes[CLASSES] = {0, DKVB_FORGET};
    double ratio;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    o.steps = 8;
    o.classes = classes;
    o.methods = methods;
    o.method_count = 2;
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    assert_int_equal(heard_count, 16);
    ratio = pow(16 * 48, 1.0 / 7);
    for (int i = 0; i < 8; i++)
        assert_true(fabs((double)heard[i].budget - pow(ratio, i)) <= 0.5 + 1e-9);
    assert_true(heard[0].budget == 1 && heard[7].budget == 16 * 48);
    assert_true(heard[8].method == DKVB_METHOD_EXAMPLES && heard[8].budget == 1 && heard[8].rows == 1);
    assert_true(heard[15].budget == heard[15].rows && heard[0].rows == heard[15].rows);
    o = listening(); /* if there are fewer than 30 different whole numbers, each budget occurs once */
    o.classes = classes;
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    assert_true(heard_count > 15 && heard_count < 30);
    for (size_t i = 1; i < heard_count; i++)
        assert_true(heard[i].budget > heard[i - 1].budget);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void cells_that_the_caller_has_are_passed_over(void **state)
{
    static dkvb_sweep_cell whole[MOST];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o = wide();
    size_t count;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    count = heard_count;
    memcpy(whole, heard, count * sizeof *heard);
    for (size_t skip = 0; skip <= count; skip = skip < count && skip + 13 > count ? count : skip + 13) {
        dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;

        o = wide();
        o.skip = skip;
        assert_ok(dkvb_sweep_run(model, set, &o, &report, NULL));
        assert_int_equal(heard_count, count - skip);
        assert_true(report.done == count && report.resumed == 0);
        assert_memory_equal(heard, whole + skip, heard_count * sizeof *heard);
    }
    o = wide();
    o.skip = count + 1;
    assert_int_equal(dkvb_sweep_run(model, set, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("skip is 197, the grid has 196 cells");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void assert_same_file(const char *path, const unsigned char *bytes, size_t size)
{
    size_t found;
    unsigned char *text = read_file(path, &found);

    assert_int_equal(found, size);
    assert_memory_equal(text, bytes, size);
    free(text);
}

static char output[256], partial[300];
static dkvb_model *table_model;
static dkvb_codeset *table_set;

static dkvb_sweep_options table_options(void)
{
    dkvb_sweep_options o = wide();

    o.path = output;
    return o;
}

/* Makes a model and its codeset, and returns the bytes of the table of a whole sweep. */
static unsigned char *whole_table(size_t *size)
{
    dkvb_sweep_options o;

    snprintf(output, sizeof output, "%s", temp_path("table.csv"));
    snprintf(partial, sizeof partial, "%s.part", output);
    unlink(output);
    unlink(partial);
    plan_fit(&table_model, &table_set, true, hard, labels, NULL, ROWS);
    o = table_options();
    assert_ok(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL));
    assert_true(is_there(output) && !is_there(partial));
    return read_file(output, size);
}

static void table_end(unsigned char *whole)
{
    free(whole);
    unlink(output);
    unlink(partial);
    dkvb_codeset_free(table_set);
    dkvb_model_free(table_model);
}

static void a_sweep_that_was_stopped_ends_with_the_bytes_of_one_that_was_not(void **state)
{
    size_t size, cells;
    unsigned char *whole = whole_table(&size);

    (void)state;
    cells = heard_count;
    unlink(output);
    for (size_t stop = 1; stop < cells; stop += 31) {
        dkvb_sweep_options o = table_options();
        dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;
        dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

        stop_after = stop;
        assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, &report, NULL), DKVB_ECANCELLED);
        assert_true(!is_there(output) && is_there(partial) && report.kept >= stop && report.kept == report.done);
        run.threads = 3;
        o = table_options();
        assert_ok(dkvb_sweep_run(table_model, table_set, &o, &report, &run));
        assert_true(report.resumed >= stop && report.done == cells && heard_count == cells && report.kept == 0);
        assert_true(!is_there(partial));
        assert_same_file(output, whole, size);
        unlink(output);
    }
    table_end(whole);
}

static void a_file_that_was_cut_anywhere_is_gone_on_with(void **state)
{
    size_t size, cells, kept_size;
    unsigned char *whole = whole_table(&size), *kept;
    dkvb_sweep_options o;

    (void)state;
    cells = heard_count;
    o = table_options();
    stop_after = cells;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_ECANCELLED);
    kept = read_file(partial, &kept_size);
    for (size_t cut = 0; cut <= kept_size; cut += cut < 100 ? 9 : 1501) {
        dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;

        unlink(output);
        write_file(partial, kept, cut);
        o = table_options();
        assert_ok(dkvb_sweep_run(table_model, table_set, &o, &report, NULL));
        assert_true(report.resumed < cells && (cut > 1000) == (report.resumed > 0));
        assert_same_file(output, whole, size);
    }
    /* If the part file ends within a line, new lines replace the cut line, so that they count later. */
    for (size_t cut = kept_size - 40; cut > kept_size / 2; cut -= 2003) {
        dkvb_sweep_report first = DKVB_SWEEP_REPORT_INIT, second = DKVB_SWEEP_REPORT_INIT;

        write_file(partial, kept, cut);
        o = table_options();
        stop_after = cells;
        assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, &first, NULL), DKVB_ECANCELLED);
        o = table_options();
        assert_ok(dkvb_sweep_run(table_model, table_set, &o, &second, NULL));
        assert_true(first.resumed < cells && second.resumed == cells);
        assert_same_file(output, whole, size);
    }
    /* A damaged line of the part file, and all lines after it, are measured again. */
    for (size_t at = 200; at < kept_size; at += 4001) {
        dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;
        unsigned char was = kept[at];

        kept[at] = was == '1' ? '2' : '1';
        write_file(partial, kept, kept_size);
        kept[at] = was;
        o = table_options();
        assert_ok(dkvb_sweep_run(table_model, table_set, &o, &report, NULL));
        assert_true(report.resumed < cells);
        assert_same_file(output, whole, size);
    }
    free(kept);
    table_end(whole);
}

static void cells_of_another_sweep_are_refused(void **state)
{
    static const char *const firsts[] = {
        "dkvb sweep 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef and more\n0 1 2\n",
        "dkvb sweep 10 01", "dkvb sweep 1 not hexadecimal", "dkvb swept"};
    static const uint64_t other_budgets[] = {1, 2, 6};
    size_t size;
    unsigned char *whole = whole_table(&size);
    dkvb_sweep_options o = table_options();
    dkvb_sweep_report report = DKVB_SWEEP_REPORT_INIT;
    dkvb_model *masked;
    dkvb_codeset *same;
    dkvb_mask *mask;

    (void)state;
    unlink(output);
    stop_after = 40;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_ECANCELLED);
    o = table_options();
    o.budgets = other_budgets;
    o.budget_count = 3;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_EMISMATCH);
    assert_message("of another sweep");
    assert_message("restarted");
    o = table_options();
    o.test_x = rows, o.test_labels = labels, o.test_n = ROWS;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_EMISMATCH);
    unlink(partial); /* cells measured on other test rows with the same labels are refused */
    stop_after = 40;
    heard_count = 0;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_ECANCELLED);
    heard_count = 0;
    o.test_x = hard;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_EMISMATCH);
    unlink(partial);
    o = table_options();
    stop_after = 40;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_ECANCELLED);
    plan_fit(&masked, &same, true, hard, labels, NULL, ROWS); /* cells of the same model without its mask are refused */
    assert_ok(dkvb_mask_new(&mask, masked->codebooks));
    assert_ok(dkvb_mask_set(mask, 0, 0, 1));
    assert_ok(dkvb_model_forget(masked, mask, NULL, NULL));
    o = table_options();
    assert_int_equal(dkvb_sweep_run(masked, same, &o, NULL, NULL), DKVB_EMISMATCH);
    assert_true(is_there(partial) && !is_there(output)); /* the part file of another sweep stays */
    o = table_options();
    assert_ok(dkvb_sweep_run(table_model, table_set, &o, &report, NULL));
    assert_true(report.resumed >= 40);
    assert_same_file(output, whole, size);
    /* With `restart`, a part file of another sweep is overwritten. */
    o = table_options();
    stop_after = 40;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_ECANCELLED);
    o = table_options();
    o.restart = 1;
    o.steps = 3;
    o.budgets = NULL;
    assert_ok(dkvb_sweep_run(table_model, table_set, &o, &report, NULL));
    assert_true(report.resumed == 0 && !is_there(partial));
    /* A part file of another version, or with a first line that is not of this sweep, is refused and stays. */
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        write_file(partial, firsts[i], strlen(firsts[i]));
        o = table_options();
        assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), i < 3 ? DKVB_EMISMATCH : DKVB_EFORMAT);
        assert_message(i < 2 ? "cells of another version" : i < 3 ? "of another sweep" : "move or delete it");
        assert_same_file(partial, (const unsigned char *)firsts[i], strlen(firsts[i]));
        o.restart = 1;
        assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), i < 3 ? DKVB_OK : DKVB_EFORMAT);
    }
    /* A file that is no part file of a sweep is not overwritten. */
    write_file(partial, "a letter to somebody", 20);
    o = table_options();
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_EFORMAT);
    assert_message("move or delete it");
    assert_same_file(partial, (const unsigned char *)"a letter to somebody", 20);
    unlink(partial);
    assert_int_equal(symlink(output, partial), 0);
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), DKVB_EIO);
    assert_message("is a symbolic link");
    dkvb_mask_free(mask);
    dkvb_codeset_free(same);
    dkvb_model_free(masked);
    table_end(whole);
}

/* Stops a sweep early, so that a part file stays beside the table. */
static void stop_early(dkvb_model *model, dkvb_codeset *set, dkvb_sweep_options o)
{
    unlink(partial);
    heard_count = 0;
    stop_after = 10;
    assert_int_equal(dkvb_sweep_run(model, set, &o, NULL, NULL), DKVB_ECANCELLED);
    heard_count = stop_after = 0;
    assert_true(is_there(partial));
}

static void assert_other_sweep(dkvb_model *model, dkvb_codeset *set, dkvb_sweep_options o)
{
    heard_count = stop_after = 0;
    assert_int_equal(dkvb_sweep_run(model, set, &o, NULL, NULL), DKVB_EMISMATCH);
    assert_message("of another sweep");
    assert_int_equal(heard_count, 0);
}

/* The keys were placed on other rows, so the same training part gives the same model, whatever rows are held out. */
static void cells_measured_on_other_rows_are_refused(void **state)
{
    static float other[ROWS * DIM];
    size_t size;
    unsigned char *whole = whole_table(&size);
    dkvb_model *model, *alike;
    dkvb_codeset *set, *others;
    const struct dkvb__coderows *held;
    dkvb_sweep_options o = table_options();

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    held = &set->part[DKVB_PART_HELD_OUT];
    memcpy(other, hard, sizeof other);
    for (size_t i = 0; i < held->n; i++)
        for (size_t j = 0; j < DIM; j++)
            other[held->ids[i] * DIM + j] = hard[held->ids[i] * DIM + DIM - 1 - j];
    plan_fit(&alike, &others, false, other, labels, NULL, ROWS);
    assert_memory_equal(model->trained, alike->trained, sizeof model->trained);
    stop_early(model, set, o);
    assert_other_sweep(alike, others, o);
    assert_ok(dkvb_sweep_run(model, set, &o, NULL, NULL));
    dkvb_codeset_free(set);
    dkvb_codeset_free(others);
    dkvb_model_free(model);
    dkvb_model_free(alike);
    table_end(whole);
}

static void cells_of_models_trained_in_another_way_are_refused(void **state)
{
    static const dkvb_sweep_shape shapes[] = {{4, 12, 0, 0, 1}};
    static uint64_t swapped[ROWS];
    size_t size;
    unsigned char *whole = whole_table(&size);
    dkvb_sweep_options o = table_options(), other;

    (void)state;
    o.shapes = shapes;
    o.shape_count = 1;
    o.features = hard;
    o.feature_rows = ROWS;
    o.feature_columns = DIM;
    stop_early(table_model, table_set, o);
    for (size_t i = 0; i < ROWS; i++)
        swapped[i] = ROWS - 1 - i;
    other = o;
    other.feature_ids = swapped;
    assert_other_sweep(table_model, table_set, other);
    other.feature_ids = NULL;
    other.features = rows;
    assert_other_sweep(table_model, table_set, other);
    table_set->keyinit.rows_per_key++;
    assert_other_sweep(table_model, table_set, o);
    table_set->keyinit.rows_per_key--;
    table_set->session->training.epochs++;
    assert_other_sweep(table_model, table_set, o);
    table_set->session->training.epochs--;
    for (size_t i = 0; i < ROWS; i++)
        swapped[i] = i; /* passes as ids the row numbers, which are the ids by default */
    o.feature_ids = swapped;
    assert_ok(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL));
    table_end(whole);
}

/* 32 cells of one class, whose `pairs` are 0 and 32,000,000 in turn, so that each deviates from the mean by 16,000,000:
 * half the width of the interval is t(.975, 31) * 16,000,000 / sqrt(31). */
static void the_interval_is_that_of_students_t(void **state)
{
    static dkvb_sweep_cell cells[32];
    size_t size;
    unsigned char *whole = whole_table(&size), *text;
    char *line;
    double low = 0.0, wanted = 16e6 - 2.0395134463964077 * 16e6 / sqrt(31.0);

    (void)state;
    for (size_t i = 0; i < 32; i++)
        cells[i] = (dkvb_sweep_cell){.index = i,
                                     .cells = 32,
                                     .strength = DKVB_STRENGTH_SUPPRESS,
                                     .method = DKVB_METHOD_EXAMPLES,
                                     .seed = i,
                                     .budget = 5,
                                     .pairs = i % 2 * 32000000};
    assert_ok(dkvb__sweep_write_table(output, table_model, cells, 32, "test"));
    text = read_file(output, &size);
    text = realloc(text, size + 1);
    text[size] = 0;
    line = strstr((char *)text, "\nlow,32,");
    assert_non_null(line);
    for (int field = 0; field < 13; field++)
        line = strchr(line, ',') + 1;
    low = strtod(line, NULL);
    assert_true(fabs(low - wanted) < 16e6 / sqrt(31.0) * 2e-7);
    free(text);
    table_end(whole);
}

static void every_group_of_many_cells_has_its_means(void **state)
{
    enum { BUDGETS = 3000, CELLS = CLASSES * BUDGETS };
    dkvb_sweep_cell *cells = calloc(CELLS, sizeof *cells);
    size_t size, lines = 0;
    unsigned char *whole = whole_table(&size), *text;

    (void)state;
    assert_non_null(cells);
    for (size_t i = 0; i < CELLS; i++)
        cells[i] = (dkvb_sweep_cell){.index = i,
                                     .cells = CELLS,
                                     .strength = DKVB_STRENGTH_SUPPRESS,
                                     .method = DKVB_METHOD_VALUES,
                                     .label = (uint32_t)(i / BUDGETS),
                                     .budget = i % BUDGETS + 1,
                                     .pairs = i};
    assert_ok(dkvb__sweep_write_table(output, table_model, cells, CELLS, "test"));
    text = read_file(output, &size);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    assert_int_equal(lines, 1 + CELLS + 3 * BUDGETS);
    free(text);
    free(cells);
    table_end(whole);
}

static void assert_refused(dkvb_sweep_options o, dkvb_status status, const char *part)
{
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, NULL), status);
    assert_message(part);
    assert_int_equal(heard_count, 0);
}

static void options_that_cannot_be_are_named(void **state)
{
    static const uint64_t falling[] = {5, 4}, zero[] = {0}, twice[] = {1, 7, 1};
    static const uint32_t unknown[] = {9}, both[] = {1, 2, 1};
    static const dkvb_sweep_shape anew[] = {{0, 0, 0, 0, 1}};
    static const dkvb_sweep_shape again[] = {{0, 0, 0, 0, 1}, {4, 0, 0, 0, 1}, {0, 0, 0, 0, 2}, {0, 48, 4, 2, 1}};
    static const dkvb_sweep_shape keys[] = {{4, 12, 0, 0, 1}, {0, 4000, 0, 0, 1}};
    static const dkvb_sweep_shape top_k[] = {{4, 12, 0, 0, 1}, {0, 16, 0, 17, 1}};
    static const dkvb_sweep_shape key_dim[] = {{4, 12, 0, 0, 1}, {0, 0, 4097, 0, 1}};
    static const uint32_t exact[] = {DKVB_STRENGTH_SUPPRESS, DKVB_STRENGTH_EXACT};
    static const char *const names[ROWS] = {"one"};
    static uint64_t twice_called[ROWS];
    uint32_t sessions;
    static int32_t wrong[ROWS];
    uint8_t none[CLASSES] = {0};
    size_t size;
    unsigned char *whole = whole_table(&size);
    dkvb_sweep_options o;

    (void)state;
#define REFUSE(status, part, ...)                                                                                      \
    do {                                                                                                               \
        o = wide();                                                                                                    \
        __VA_ARGS__;                                                                                                   \
        assert_refused(o, status, part);                                                                               \
    } while (0)
    REFUSE(DKVB_EINVAL, "budget 4 must be above 5", o.budgets = falling, o.budget_count = 2);
    REFUSE(DKVB_EINVAL, "budget 0 must be above 0", o.budgets = zero, o.budget_count = 1);
    REFUSE(DKVB_EINVAL, "list of the options is empty", o.budget_count = 0);
    REFUSE(DKVB_EINVAL, "seed 1 is given twice", o.seeds = twice, o.seed_count = 3);
    REFUSE(DKVB_EINVAL, "method 9 is unknown", o.methods = unknown, o.method_count = 1);
    REFUSE(DKVB_EINVAL, "method activations is given twice", o.methods = both, o.method_count = 3);
    REFUSE(DKVB_EINVAL, "strength 9 is unknown", o.strengths = unknown, o.strength_count = 1);
    REFUSE(DKVB_EINVAL, "steps is 0", o.budgets = NULL, o.steps = 0);
    REFUSE(DKVB_EINVAL, "skip and path", o.path = output, o.skip = 3);
    REFUSE(DKVB_EINVAL, "without labels", o.test_x = rows, o.test_n = 5);
    REFUSE(DKVB_EINVAL, "without test rows", o.test_labels = labels);
    REFUSE(DKVB_EINVAL, "without test rows", o.test_n = 5);
    REFUSE(DKVB_EINVAL, "given without features", o.feature_ids = twice_called);
    REFUSE(DKVB_EINVAL, "given without features", o.feature_names = names);
    REFUSE(DKVB_EINVAL, "given without features", o.feature_rows = ROWS);
    REFUSE(DKVB_EINVAL, "no shape is given", o.features = hard, o.feature_rows = ROWS, o.feature_columns = DIM);
#define ANEW(list)                                                                                                     \
    o.shapes = (list), o.shape_count = sizeof(list) / sizeof *(list), o.features = hard, o.feature_rows = ROWS,        \
    o.feature_columns = DIM
    REFUSE(DKVB_EINVAL, "called by numbers", ANEW(anew), o.feature_names = names);
    REFUSE(DKVB_EMISMATCH, "have 3 columns", ANEW(anew), o.feature_columns = 3);
    REFUSE(DKVB_EINVAL, "features must be given", o.shapes = anew, o.shape_count = 1);
    REFUSE(DKVB_ENOTFOUND, "none of 10 rows of features has it", ANEW(anew), o.feature_rows = 10);
    REFUSE(DKVB_EINVAL, "row 1 of the features is called as a row before it, by id 0", ANEW(anew),
           o.feature_ids = twice_called);
    /* A shape that cannot be trained is refused before any shape is trained. */
    REFUSE(DKVB_EINVAL, "shape 3 is the same as shape 0", ANEW(again));
    REFUSE(DKVB_EINVAL, "shape 1 has 4000 keys", ANEW(keys));
    REFUSE(DKVB_EINVAL, "shape 1 selects 17 keys", ANEW(top_k));
    REFUSE(DKVB_EINVAL, "shape 1: key_dim is 4097", ANEW(key_dim));
    sessions = table_set->sessions;
    table_set->sessions = 0;
    REFUSE(DKVB_ESTATE, "other shapes cannot be trained", ANEW(anew));
    REFUSE(DKVB_ESTATE, "values cannot be trained again", o.strengths = exact, o.strength_count = 2);
    table_set->sessions = sessions;
#undef ANEW
    REFUSE(DKVB_ENOTFOUND, "no class has rows", o.classes = none);
    wrong[3] = CLASSES;
    REFUSE(DKVB_EINVAL, "test row 3 has label 4", o.test_x = rows, o.test_labels = wrong, o.test_n = ROWS);
    none[1] = DKVB_FORGET;
    wrong[3] = 0; /* now all test rows are of class 0 */
    REFUSE(DKVB_ENOTFOUND, "class 1 has", o.classes = none, o.test_x = rows, o.test_labels = wrong, o.test_n = ROWS);
#undef REFUSE
    assert_int_equal(dkvb_sweep_run(table_model, NULL, NULL, NULL, NULL), DKVB_EINVAL);
    assert_message("codeset is missing");
    table_end(whole);
}

/* Stops a sweep by its progress callback in the middle of a cell; the sweep must have changed nothing. */
static int never(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    assert_true(done <= total);
    return 1;
}

static int forward(void *user, uint64_t done, uint64_t total)
{
    uint64_t *before = user;

    assert_true(done >= *before && done <= total);
    *before = done;
    return 0;
}

static void progress_never_goes_back(void **state)
{
    static const dkvb_sweep_shape shapes[] = {{0, 0, 0, 0, 7}, {5, 20, 3, 1, 7}};
    static const uint32_t strengths[] = {DKVB_STRENGTH_EXACT, DKVB_STRENGTH_SUPPRESS};
    size_t size;
    unsigned char *whole = whole_table(&size);
    dkvb_sweep_options o = listening();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint64_t before = 0;

    (void)state;
    o.strengths = strengths;
    o.strength_count = 2;
    o.shapes = shapes;
    o.shape_count = 2;
    o.steps = 4;
    o.features = hard;
    o.feature_rows = ROWS;
    o.feature_columns = DIM;
    run.progress = forward;
    run.user = &before;
    assert_ok(dkvb_sweep_run(table_model, table_set, &o, NULL, &run));
    assert_int_equal(before, heard_count * 1000);
    table_end(whole);
}

static void progress_can_end_it(void **state)
{
    size_t size, before, after;
    unsigned char *whole = whole_table(&size);
    char *was = bytes_of(table_model, NULL, &before), *is;
    dkvb_sweep_options o = table_options();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    unlink(output);
    run.progress = never;
    assert_int_equal(dkvb_sweep_run(table_model, table_set, &o, NULL, &run), DKVB_ECANCELLED);
    assert_true(!is_there(output) && !is_there(partial)); /* no part file stays, as no cell was finished */
    is = bytes_of(table_model, NULL, &after);
    assert_same_bytes(was, before, is, after);
    free(was);
    free(is);
    table_end(whole);
}

static void each_allocation_may_fail(void **state)
{
    static const uint32_t strengths[] = {DKVB_STRENGTH_SUPPRESS, DKVB_STRENGTH_EXACT};
    static const dkvb_sweep_shape shapes[] = {{4, 12, 0, 0, 1}};
    static const uint32_t methods[] = {DKVB_METHOD_CONTRAST, DKVB_METHOD_EXAMPLES};
    static const uint64_t budgets[] = {4, 40};
    uint8_t classes[CLASSES] = {0, DKVB_FORGET};
    size_t size, step = 1;
    unsigned char *whole = whole_table(&size);

    (void)state;
    for (int anew = 0; anew < 2; anew++)
        for (size_t fail_at = 0;; fail_at += step) {
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at), usual;
            dkvb_sweep_options o = listening();
            dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
            dkvb_status rc;

            run.threads = 2;
            o.strengths = strengths;
            o.strength_count = 2;
            o.methods = methods;
            o.method_count = 2;
            o.budgets = budgets;
            o.budget_count = 2;
            o.classes = classes;
            o.path = output;
            o.restart = 1;
            if (anew) {
                o.shapes = shapes;
                o.shape_count = 1;
                o.features = hard;
                o.feature_rows = ROWS;
                o.feature_columns = DIM;
            }
            usual = table_model->mem; /* a sweep allocates by the model's allocator */
            table_model->mem = a;
            rc = dkvb_sweep_run(table_model, table_set, &o, NULL, &run);
            table_model->mem = usual;
            assert_int_equal(mem.live, 0);
            if (rc == DKVB_OK)
                break;
            assert_int_equal(rc, DKVB_ENOMEM);
            /* later allocations repeat the same calls, so some are skipped */
            step = fail_at < 60 ? 1 : 1 + fail_at / 20;
        }
    assert_true(!is_there(partial));
    table_end(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_what_measuring_it_alone_gives),
        cmocka_unit_test(a_tie_is_answered_by_the_lower_class),
        cmocka_unit_test(classes_that_were_forgotten_earlier_count_for_nobody),
        cmocka_unit_test(test_rows_take_the_place_of_rows_held_out),
        cmocka_unit_test(exact_cells_are_those_of_a_model_that_was_trained_without_the_class),
        cmocka_unit_test(a_mapped_model_is_swept_as_one_that_was_read),
        cmocka_unit_test(shapes_are_models_trained_on_the_training_part),
        cmocka_unit_test(default_budgets_go_in_equal_ratios_to_all_pairs),
        cmocka_unit_test(cells_that_the_caller_has_are_passed_over),
        cmocka_unit_test(a_sweep_that_was_stopped_ends_with_the_bytes_of_one_that_was_not),
        cmocka_unit_test(a_file_that_was_cut_anywhere_is_gone_on_with),
        cmocka_unit_test(cells_of_another_sweep_are_refused),
        cmocka_unit_test(cells_measured_on_other_rows_are_refused),
        cmocka_unit_test(cells_of_models_trained_in_another_way_are_refused),
        cmocka_unit_test(the_interval_is_that_of_students_t),
        cmocka_unit_test(every_group_of_many_cells_has_its_means),
        cmocka_unit_test(options_that_cannot_be_are_named),
        cmocka_unit_test(progress_can_end_it),
        cmocka_unit_test(progress_never_goes_back),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, plan_setup, NULL);
}
