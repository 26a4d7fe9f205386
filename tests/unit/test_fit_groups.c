/* Tests of groups: rows of one group are held out together, so that no row is trained on while another row of its group
 * measures the model. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bottleneck/codeset.h"
#include "fit/fit.h"

static struct dkvb__rng rng;

static int setup(void **state)
{
    (void)state;
    make_rows();
    dkvb__rng_seed(&rng, 1, 0);
    return 0;
}

/* Small settings, all given, so that a fit takes milliseconds; the fit compares whitening with no whitening. */
static dkvb_settings settings;

static dkvb_fit_options small_fit(void)
{
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    settings = (dkvb_settings)DKVB_SETTINGS_INIT;
    settings.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    settings.keyinit.codebooks = 4;
    settings.keyinit.keys = 12;
    settings.keyinit.key_dim = 4;
    settings.train.epochs = 1;
    settings.top_k = 2;
    o.settings = &settings;
    return o;
}

static dkvb_fit_rows rows_of(const int32_t *y, const uint64_t *groups, size_t n)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows;
    r.labels = y;
    r.groups = groups;
    r.n = n;
    r.dim = DIM;
    r.classes = CLASSES;
    return r;
}

/* Prepares rows and their groups as dkvb_fit() does. */
static void begin(struct dkvb__fitting *f, const dkvb_fit_rows *r, bool keeps_share)
{
    const dkvb_allocator mem = dkvb__allocator(NULL);

    assert_ok(dkvb__fitting_new(f, r, NULL, NULL, &mem));
    f->keeps_share = keeps_share;
}

static void assert_groups_whole(const uint64_t *groups, const uint8_t *held, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(groups[i] != groups[j] || held[i] == held[j]);
}

/* Returns true if a group could also be held out by the rules of fit.h, counted again from the rows. */
static bool could_be_held(const struct dkvb__fitting *f, const size_t *all, const size_t *held, uint64_t group,
                          double most)
{
    size_t more[CLASSES] = {0};

    for (size_t i = 0; i < f->rows.n; i++)
        if (f->rows.groups[i] == group && f->rows.labels[i] >= 0)
            more[f->rows.labels[i]]++;
    for (size_t l = 0; l < CLASSES; l++)
        if (more[l] > 0 && (all[l] - held[l] - more[l] < 3 || all[l] < held[l] + more[l] + 3 ||
                            (double)(held[l] + more[l]) > most * (double)all[l]))
            return false;
    return true;
}

static void assert_shares(const struct dkvb__fitting *f, double share)
{
    size_t all[CLASSES] = {0}, held[CLASSES] = {0}, count = 0;
    double most = 2.0 * share > 0.25 ? 2.0 * share : 0.25;

    for (size_t i = 0; i < f->rows.n; i++) {
        int32_t l = f->rows.labels[i];

        assert_int_equal(f->taught[i], f->held[i] ? -1 : l);
        if (l < 0)
            continue;
        all[l]++;
        held[l] += f->held[i];
        count += f->held[i];
    }
    assert_int_equal(count, f->held_count);
    for (size_t l = 0; l < CLASSES; l++) {
        assert_int_equal(f->class_rows[l], all[l] - held[l]);
        assert_true(held[l] == 0 || all[l] - held[l] >= 3);
        if (!f->keeps_share)
            continue;
        assert_true((double)held[l] <= most * (double)all[l] || f->group_count == 0);
        if ((double)held[l] >= share / 2.0 * (double)all[l] || share * (double)all[l] < 1.0 || f->group_count == 0)
            continue;
        /* if too few rows of a class are held out, no further group of the class could be held out */
        for (size_t i = 0; i < f->rows.n; i++)
            assert_true(f->held[i] || f->rows.labels[i] != (int32_t)l ||
                        !could_be_held(f, all, held, f->rows.groups[i], most));
    }
}

/* Draws random groups of up to `largest` rows, of one class each if `pure`; some rows have no label. */
static void draw_groups(uint64_t *groups, int32_t *y, size_t n, size_t largest, bool pure)
{
    for (size_t i = 0; i < n;) {
        uint64_t group = dkvb__rng_below(&rng, UINT64_MAX), size = 1 + dkvb__rng_below(&rng, largest);
        int32_t label = (int32_t)dkvb__rng_below(&rng, CLASSES);

        for (; size > 0 && i < n; size--, i++) {
            groups[i] = group;
            y[i] = pure ? label : (int32_t)dkvb__rng_below(&rng, CLASSES);
            if (dkvb__rng_below(&rng, 20) == 0)
                y[i] = -1;
        }
    }
    y[0] = 0; /* at least one row has a label */
}

static void no_group_is_on_both_sides(void **state)
{
    static const size_t largest[] = {1, 2, 5, 30, 120, 600};
    static const double shares[] = {0.0, 0.05, 0.1, 0.3, 0.9};
    static uint64_t groups[ROWS], shuffled[ROWS];
    static int32_t y[ROWS], shuffled_y[ROWS];
    static size_t place[ROWS];

    (void)state;
    for (size_t trial = 0; trial < 240; trial++) {
        size_t n = 20 + dkvb__rng_below(&rng, ROWS - 20);
        double share = shares[trial % 5];
        dkvb_fit_rows r = rows_of(y, groups, n), other = rows_of(shuffled_y, shuffled, n);
        struct dkvb__fitting f, g;

        draw_groups(groups, y, n, largest[trial % 6], trial % 4 < 2);
        begin(&f, &r, trial % 3 > 0);
        for (int fold = 0; fold < 3; fold++) /* an earlier choice of held-out rows does not change the next one */
            dkvb__fitting_hold_out(&f, fold / 3.0, (fold + 1) / 3.0);
        dkvb__fitting_hold_out(&f, 0.0, share);
        assert_groups_whole(groups, f.held, n);
        assert_shares(&f, share);
        for (size_t i = 0; i < n; i++)
            place[i] = i;
        for (size_t i = n - 1; i > 0; i--) {
            size_t j = dkvb__rng_below(&rng, i + 1), kept = place[i];

            place[i] = place[j];
            place[j] = kept;
        }
        for (size_t i = 0; i < n; i++) {
            shuffled[i] = groups[place[i]];
            shuffled_y[i] = y[place[i]];
        }
        begin(&g, &other, f.keeps_share);
        dkvb__fitting_hold_out(&g, 0.0, share);
        for (size_t i = 0; f.group_count > 0 && i < n; i++) /* checks the rows in any order */
            assert_int_equal(g.held[i], f.held[place[i]]);
        dkvb__fitting_free(&f);
        dkvb__fitting_free(&g);
    }
}

/* With 20 groups of 30 rows each, drawing groups by chance would often hold out no group or four. The group whose id
 * hashes lowest in its class is held out, so that the choice does not depend on the size of group numbers. */
static void large_groups_leave_about_the_share_that_was_asked_for(void **state)
{
    static uint64_t groups[ROWS];
    static int32_t y[ROWS];
    dkvb_fit_rows r = rows_of(y, groups, ROWS);

    (void)state;
    for (size_t trial = 0; trial < 50; trial++) {
        struct dkvb__fitting f;
        size_t held[CLASSES] = {0};

        for (size_t g = 0; g < 20; g++) {
            uint64_t group = dkvb__rng_below(&rng, UINT64_MAX);

            for (size_t i = 0; i < 30; i++) {
                groups[30 * g + i] = group;
                y[30 * g + i] = (int32_t)(g % CLASSES);
            }
        }
        begin(&f, &r, true);
        dkvb__fitting_hold_out(&f, 0.0, 0.1);
        for (size_t i = 0; i < ROWS; i++) {
            held[y[i]] += f.held[i];
            for (size_t j = 0; f.held[i] && j < ROWS; j++)
                assert_true(y[i] != y[j] || dkvb__hold_out_place(groups[i]) <= dkvb__hold_out_place(groups[j]));
        }
        for (size_t l = 0; l < CLASSES; l++)
            assert_int_equal(held[l], 30); /* one of five groups is held out, as two would be more than a quarter */
        dkvb__fitting_free(&f);
    }
}

static void a_class_of_one_group_has_no_row_held_out(void **state)
{
    static uint64_t groups[ROWS];
    dkvb_fit_rows r = rows_of(labels, groups, ROWS);
    struct dkvb__fitting f;

    (void)state;
    for (uint64_t trial = 0; trial < 20; trial++) {
        for (size_t i = 0; i < ROWS; i++)
            groups[i] = labels[i] == 1 ? trial : 1000 * (trial + 1) + i / 2;
        begin(&f, &r, true);
        dkvb__fitting_hold_out(&f, 0.0, 0.5);
        for (size_t i = 0; i < ROWS; i++)
            assert_true(labels[i] != 1 || !f.held[i]);
        assert_true(f.held_count > ROWS / 4);
        dkvb__fitting_free(&f);
    }
}

static void every_group_judges_in_one_of_the_folds(void **state)
{
    static uint64_t groups[ROWS];
    dkvb_fit_rows r = rows_of(labels, groups, ROWS);
    struct dkvb__fitting f;
    size_t times[ROWS] = {0};

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        groups[i] = i / 3;
    begin(&f, &r, false);
    for (int fold = 0; fold < 5; fold++) {
        dkvb__fitting_hold_out(&f, fold / 5.0, (fold + 1) / 5.0);
        assert_groups_whole(groups, f.held, ROWS);
        for (size_t i = 0; i < ROWS; i++)
            times[i] += f.held[i];
    }
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(times[i], 1);
    dkvb__fitting_free(&f);
}

static void assert_same_files(const char *a, const char *b)
{
    size_t a_size, b_size;
    unsigned char *a_bytes = read_file(a, &a_size), *b_bytes = read_file(b, &b_size);

    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_bytes, b_bytes, a_size);
    free(a_bytes);
    free(b_bytes);
}

static void groups_that_are_the_rows_change_no_byte(void **state)
{
    static uint64_t groups[ROWS];
    const char *path[2][2] = {{temp_path("m0"), temp_path("c0")}, {temp_path("m1"), temp_path("c1")}};
    dkvb_fit_options o = small_fit();

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        groups[i] = i;
    for (size_t with = 0; with < 2; with++) {
        dkvb_fit_rows r = rows_of(labels, with ? groups : NULL, 400);
        dkvb_codeset *set;
        dkvb_model *model;

        assert_ok(dkvb_fit(&model, &set, &r, &o, NULL, NULL));
        r.x += 400 * DIM;
        r.labels += 400;
        r.groups = with ? groups + 400 : NULL;
        r.n = ROWS - 400;
        assert_ok(dkvb_fit_more(model, set, &r, &o, NULL, NULL));
        assert_ok(dkvb_model_save(model, path[with][0]));
        assert_ok(dkvb_codeset_save(set, path[with][1]));
        dkvb_model_free(model);
        dkvb_codeset_free(set);
    }
    assert_same_files(path[0][0], path[1][0]);
    assert_same_files(path[0][1], path[1][1]);
}

/* If every row is its own group, the same rows are held out as without groups, also in small classes, where the order
 * of rows decides. */
static void groups_that_are_the_rows_hold_out_the_same_of_small_classes(void **state)
{
    static uint64_t numbers[ROWS];
    static int32_t y[ROWS];

    (void)state;
    for (size_t trial = 0; trial < 50; trial++) {
        dkvb_fit_rows with = rows_of(y, numbers, 40), without = rows_of(y, NULL, 40);
        struct dkvb__fitting f, g;

        for (size_t i = 0; i < 40; i++) {
            numbers[i] = dkvb__rng_below(&rng, UINT64_MAX);
            y[i] = i < 20 ? 0 : (int32_t)(i % CLASSES);
        }
        without.ids = numbers;
        begin(&f, &with, true);
        begin(&g, &without, true);
        dkvb__fitting_hold_out(&f, 0.0, 0.9);
        dkvb__fitting_hold_out(&g, 0.0, 0.9);
        assert_memory_equal(f.held, g.held, 40);
        dkvb__fitting_free(&f);
        dkvb__fitting_free(&g);
    }
}

/* Sets held[id] to 1 for each held-out row of the codeset, else to 0. */
static void held_in(const dkvb_codeset *set, uint8_t *held)
{
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;

    memset(held, 0, ROWS);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &part));
    for (size_t i = 0; i < part.n; i++)
        held[part.ids[i]] = 1;
}

static void a_group_that_comes_back_stays_on_its_side(void **state)
{
    static uint64_t groups[ROWS];
    uint8_t held[ROWS];
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = rows_of(labels, groups, 400);
    dkvb_codeset *set;
    dkvb_model *model;

    (void)state;
    settings.whiten = DKVB_WHITEN_NEVER;
    o.hold_out = 0.3;
    for (size_t i = 0; i < ROWS; i++)
        /* of the groups of the first 400 rows, 150 have two of these rows, and 200 occur again among the added rows */
        groups[i] = i % 250;
    assert_ok(dkvb_fit(&model, &set, &r, &o, NULL, NULL));
    held_in(set, held);
    assert_groups_whole(groups, held, 400);
    r.x += 400 * DIM;
    r.labels += 400;
    r.groups += 400;
    r.n = ROWS - 400;
    assert_ok(dkvb_fit_more(model, set, &r, &o, NULL, NULL));
    held_in(set, held);
    assert_groups_whole(groups, held, ROWS);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
}

static int note_trial(void *user, const dkvb_trial *trial)
{
    *(dkvb_trial *)user = *trial;
    return 0;
}

/* Data: 150 persons of four equal rows each, whose class says nothing about other persons. If single rows are held out,
 * they are recognised by the person's other rows; if whole persons are held out, their rows are guessed. */
static void relatives_do_not_make_a_model_look_good(void **state)
{
    static float copies[ROWS * DIM];
    static int32_t y[ROWS];
    static uint64_t persons[ROWS];
    static const struct {
        double least, most;
    } expected[2] = {{0.6, 1.0}, {0.0, 0.45}};

    (void)state;
    dkvb__rng_seed(&rng, 2, 0); /* a fixed seed: the same persons whatever tests ran before */
    for (size_t i = 0; i < ROWS; i++) {
        size_t person = i % 150;

        persons[i] = person;
        y[i] = i < 150 ? (int32_t)dkvb__rng_below(&rng, CLASSES) : y[person];
        for (size_t d = 0; d < DIM; d++)
            copies[i * DIM + d] = i < 150 ? (float)dkvb__rng_below(&rng, 1000) : copies[person * DIM + d];
    }
    for (size_t with = 0; with < 2; with++) {
        dkvb_fit_rows r = rows_of(y, with ? persons : NULL, ROWS);
        dkvb_fit_options o = small_fit();
        dkvb_tune_options tuning = DKVB_TUNE_OPTIONS_INIT;
        dkvb_trial trial = {0};
        struct dkvb__fitting f;
        dkvb_model *model;
        dkvb_codeset *set;

        r.x = copies;
        settings.keyinit.codebooks = 32;
        settings.keyinit.keys = 100;
        settings.train.epochs = 10;
        for (int codes = 0; codes < 2; codes++) {
            dkvb_fit_report report = DKVB_FIT_REPORT_INIT;

            assert_ok(dkvb_fit(&model, codes ? &set : NULL, &r, &o, &report, NULL));
            assert_in_range((int)(1000 * report.held_out_accuracy), (int)(1000 * expected[with].least),
                            (int)(1000 * expected[with].most));
            assert_in_range((int)(1000 * report.accuracy_plain), (int)(1000 * expected[with].least),
                            (int)(1000 * expected[with].most));
            dkvb_model_free(model);
        }
        dkvb_codeset_free(set);
        tuning.trials = 1;
        tuning.report = note_trial;
        tuning.user = &trial;
        assert_ok(dkvb_tune(&settings, &r, &tuning, NULL));
        assert_in_range((int)(1000 * trial.accuracy), (int)(1000 * expected[with].least),
                        (int)(1000 * expected[with].most));
        begin(&f, &r, true);
        dkvb__fitting_hold_out(&f, 0.0, 0.25);
        assert_int_equal(trial.held_out, f.held_count);
        dkvb__fitting_free(&f);
    }
}

static void callers_that_know_no_groups_have_none(void **state)
{
    dkvb_fit_rows r = rows_of(labels, (const uint64_t *)1, ROWS);
    struct dkvb__fitting f;

    (void)state;
    r.struct_size = offsetof(dkvb_fit_rows, groups);
    begin(&f, &r, true);
    assert_null(f.rows.groups);
    dkvb__fitting_free(&f);
}

/* Each allocation of dkvb_fit() and of dkvb_fit_more() with groups fails once. */
static void no_failed_allocation_leaks_groups(void **state)
{
    static uint64_t groups[ROWS];
    dkvb_fit_options o = small_fit();

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        groups[i] = i / 2;
    for (int whiten = 0; whiten < 2; whiten++) {
        dkvb_status rc = DKVB_ENOMEM;

        settings.whiten = whiten ? DKVB_WHITEN_CHOOSE : DKVB_WHITEN_NEVER;
        for (size_t fail_at = 0; rc != DKVB_OK; fail_at += fail_at < 60 ? 1 : 7) {
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at);
            dkvb_fit_rows r = rows_of(labels, groups, whiten ? 520 : 300);
            dkvb_codeset *set = NULL;
            dkvb_model *model;

            o.allocator = &a;
            rc = dkvb_fit(&model, &set, &r, &o, NULL, NULL);
            if (!rc)
                rc = dkvb_fit_more(model, set,
                                   &(dkvb_fit_rows){.struct_size = sizeof r,
                                                    .x = rows + 520 * DIM,
                                                    .labels = labels + 520,
                                                    .n = 60,
                                                    .dim = DIM,
                                                    .groups = groups + 520},
                                   &o, NULL, NULL);
            assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && fail_at > 60));
            dkvb_model_free(model);
            dkvb_codeset_free(set);
            assert_int_equal(mem.live, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_group_is_on_both_sides),
        cmocka_unit_test(large_groups_leave_about_the_share_that_was_asked_for),
        cmocka_unit_test(a_class_of_one_group_has_no_row_held_out),
        cmocka_unit_test(every_group_judges_in_one_of_the_folds),
        cmocka_unit_test(groups_that_are_the_rows_change_no_byte),
        cmocka_unit_test(groups_that_are_the_rows_hold_out_the_same_of_small_classes),
        cmocka_unit_test(a_group_that_comes_back_stays_on_its_side),
        cmocka_unit_test(relatives_do_not_make_a_model_look_good),
        cmocka_unit_test(callers_that_know_no_groups_have_none),
        cmocka_unit_test(no_failed_allocation_leaks_groups),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
