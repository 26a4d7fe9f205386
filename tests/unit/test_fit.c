/* From rows to a model in one call: what it chooses, what it refuses, and that nothing is left behind when it fails. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fit/fit.h"

static int setup(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

static dkvb_fit_rows all_rows(void)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows;
    r.labels = labels;
    r.n = ROWS;
    r.dim = DIM;
    return r;
}

/* Everything small and given, so that a fit takes milliseconds; whitening is compared. */
static dkvb_keyinit_options keyinit;
static dkvb_train_options train;

static dkvb_fit_options small_fit(void)
{
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    keyinit = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
    train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    keyinit.codebooks = 4;
    keyinit.keys = 12;
    keyinit.key_dim = 4;
    train.epochs = 1;
    o.keyinit = &keyinit;
    o.train = &train;
    o.top_k = 2;
    return o;
}

/* Bytes of the file of a model, to be free()d. */
static char *bytes_of(const dkvb_model *model, size_t *size)
{
    const char *path = temp_path("bytes");
    FILE *file;
    char *bytes;

    assert_ok(dkvb_model_save(model, path));
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void assert_same_model(const dkvb_model *a, const dkvb_model *b)
{
    size_t a_size, b_size;
    char *a_bytes = bytes_of(a, &a_size), *b_bytes = bytes_of(b, &b_size);

    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_bytes, b_bytes, a_size);
    free(a_bytes);
    free(b_bytes);
}

static double accuracy(const dkvb_model *model, const dkvb_fit_rows *r)
{
    int32_t *answers = malloc(r->n * sizeof *answers);
    size_t right = 0;

    assert_non_null(answers);
    assert_ok(dkvb_model_predict(model, r->x, r->n, answers, NULL, NULL));
    for (size_t i = 0; i < r->n; i++)
        right += answers[i] == r->labels[i];
    free(answers);
    return (double)right / (double)r->n;
}

static void rows_and_labels_are_all_that_a_fit_takes(void **state)
{
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_model *model;

    (void)state;
    assert_ok(dkvb_fit(&model, NULL, &r, NULL, &report, NULL));
    assert_true(accuracy(model, &r) > 0.95);
    assert_int_equal(report.rows, ROWS);
    assert_int_equal(report.held_out, 0);
    assert_int_equal(report.classes, CLASSES);
    assert_int_equal(report.unlearnable, 0);
    assert_true(report.accuracy_plain > 0.8 && report.accuracy_whitened > 0.8);
    assert_true(report.temperature_rows > 30 && report.temperature_rows < 100);
    assert_true(report.held_out_accuracy > 0.8 && report.calibration_error < 0.2);
    dkvb_model_free(model);
}

static void two_rows_of_two_classes_are_enough(void **state)
{
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_codeset *set;
    dkvb_model *model;

    (void)state;
    r.n = 2;
    assert_ok(dkvb_fit(&model, NULL, &r, NULL, &report, NULL));
    assert_true(accuracy(model, &r) == 1.0);
    assert_true(isnan(report.accuracy_plain) && isnan(report.held_out_accuracy));
    assert_true(report.temperature == 1.0 && report.temperature_rows == 0);
    dkvb_model_free(model);
    assert_ok(dkvb_fit(&model, &set, &r, NULL, NULL, NULL));
    dkvb_model_free(model);
    dkvb_codeset_free(set);
    r.n = 1; /* one row of one class */
    assert_ok(dkvb_fit(&model, NULL, &r, NULL, NULL, NULL));
    assert_true(accuracy(model, &r) == 1.0);
    dkvb_model_free(model);
}

static void one_column_keeps_its_size(void **state)
{
    static float column[200];
    static int32_t third[200];
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_model *model;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        column[i] = (float)i;
        third[i] = (int32_t)i / 67;
    }
    r.x = column;
    r.labels = third;
    r.n = 200;
    r.dim = 1;
    assert_ok(dkvb_fit(&model, NULL, &r, NULL, &report, NULL));
    assert_int_equal(report.key_dim, 1);
    assert_true(accuracy(model, &r) > 0.9);
    dkvb_model_free(model);
}

static void wide_rows_are_not_whitened(void **state)
{
    enum { N = 520, WIDE = 2100 };
    float *x = calloc((size_t)N * WIDE, sizeof *x);
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_model *model;

    (void)state;
    assert_non_null(x);
    for (size_t i = 0; i < N; i++)
        memcpy(x + i * WIDE, rows + i * DIM, DIM * sizeof *x);
    r.x = x;
    r.n = N;
    r.dim = WIDE;
    assert_ok(dkvb_fit(&model, NULL, &r, &o, &report, NULL));
    assert_true(isnan(report.accuracy_plain));
    assert_int_equal(report.whitened, 0);
    dkvb_model_free(model);
    free(x);
}

static void classes_without_rows_are_counted(void **state)
{
    static int32_t gaps[ROWS];
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_model *model;

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        gaps[i] = labels[i] * 2;
    r.labels = gaps;
    r.classes = 9;
    assert_ok(dkvb_fit(&model, NULL, &r, &o, &report, NULL));
    assert_int_equal(report.classes, 9);
    assert_int_equal(report.unlearnable, 5);
    dkvb_model_free(model);
}

static void assert_refused(const dkvb_fit_rows *r, const dkvb_fit_options *o, const char *part)
{
    dkvb_model *model = (dkvb_model *)1;
    dkvb_codeset *set = (dkvb_codeset *)1;

    assert_int_equal(dkvb_fit(&model, &set, r, o, NULL, NULL), DKVB_EINVAL);
    assert_message(part);
    assert_null(model);
    assert_null(set);
}

static void what_cannot_work_is_refused_with_the_number_that_is_wrong(void **state)
{
    static int32_t wrong[ROWS];
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();

    (void)state;
    r.n = 0;
    assert_refused(&r, &o, "rows to fit: there are none");
    assert_refused(NULL, &o, "rows to fit");
    r = all_rows();
    r.dim = 0;
    assert_refused(&r, &o, "0 columns");
    r = all_rows();
    r.x = NULL;
    assert_refused(&r, &o, "x or labels are missing");
    r = all_rows();
    r.classes = 3;
    assert_refused(&r, &o, "labels: row 3 is 3, the classes are 0 to 2");
    r = all_rows();
    r.labels = wrong;
    memset(wrong, -1, sizeof wrong);
    assert_refused(&r, &o, "labels: none of 600 rows has a label");
    wrong[7] = -2;
    assert_refused(&r, &o, "labels: row 7 is -2");
    r = all_rows();
    keyinit.keys = ROWS + 1;
    assert_refused(&r, &o, "601 keys in a codebook need at least as many rows to be placed on, there are 600");
    o = small_fit();
    o.top_k = 13;
    assert_refused(&r, &o, "top_k is 13, there are 12 keys");
    o = small_fit();
    o.whiten = 3;
    assert_refused(&r, &o, "whiten is 3");
    o = small_fit();
    o.hold_out = 1.0;
    assert_refused(&r, &o, "hold_out is 1");
    o.hold_out = (double)NAN;
    assert_refused(&r, &o, "hold_out is nan");
    o = small_fit();
    o.struct_size = 0;
    assert_refused(&r, &o, "struct_size is 0");
    o = small_fit();
    train.label_smoothing = 1.0;
    assert_refused(&r, &o, "label smoothing is 1");
}

static void a_number_that_is_not_finite_is_named_by_its_own_row(void **state)
{
    enum { MANY = 20600 }; /* more than the whitening is chosen on */
    float *x = calloc(MANY, 2 * sizeof *x);
    int32_t *y = calloc(MANY, sizeof *y);
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();

    (void)state;
    assert_non_null(x);
    assert_non_null(y);
    for (size_t i = 0; i < MANY; i++) {
        x[2 * i] = (float)(i % 100);
        y[i] = (int32_t)(i % 2);
    }
    x[2 * 20577 + 1] = INFINITY;
    r.x = x;
    r.labels = y;
    r.n = MANY;
    r.dim = 2;
    assert_refused(&r, &o, "row 20577, column 1");
    free(x);
    free(y);
}

static void no_class_is_held_out_down_to_its_last_rows(void **state)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_allocator mem = {0};
    dkvb_fit_rows r = all_rows();
    struct dkvb__fitting f;
    size_t left[CLASSES] = {0}, held = 0;

    (void)state;
    mem = dkvb__allocator(NULL);
    assert_ok(dkvb__fitting_new(&f, &r, &run, &mem));
    dkvb__fitting_hold_out(&f, 0.99);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(f.taught[i], f.held[i] ? -1 : labels[i]);
        left[labels[i]] += !f.held[i];
        held += f.held[i];
    }
    for (size_t l = 0; l < CLASSES; l++)
        assert_true(left[l] >= 3);
    assert_int_equal(held, f.held_count);
    assert_true(held > 550);
    dkvb__fitting_free(&f);
}

static void threads_change_no_byte(void **state)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();
    dkvb_model *one, *two;

    (void)state;
    run.threads = 1;
    assert_ok(dkvb_fit(&one, NULL, &r, &o, NULL, &run));
    run.threads = 2;
    assert_ok(dkvb_fit(&two, NULL, &r, &o, NULL, &run));
    assert_same_model(one, two);
    dkvb_model_free(one);
    dkvb_model_free(two);
}

static void codes_that_were_kept_give_the_model_without_the_rows(void **state)
{
    static const uint64_t gone[] = {17, 18, 231, 599};
    static float kept_x[ROWS * DIM];
    static int32_t kept_y[ROWS];
    static uint64_t kept_ids[ROWS];
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows(), without = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT, never_info = DKVB_MODEL_INFO_INIT;
    dkvb_codeset *set, *never_set;
    dkvb_model *model, *never;
    float values[4 * 12 * CLASSES], never_values[4 * 12 * CLASSES];
    double temperature;
    size_t n = 0;

    (void)state;
    o.whiten = DKVB_WHITEN_ALWAYS;
    o.hold_out = 0.3;
    assert_ok(dkvb_fit(&model, &set, &r, &o, &report, NULL));
    assert_ok(dkvb_model_get_info(model, &info));
    assert_true(report.whitened == 1 && report.held_out > 120 && report.held_out < 240);
    assert_true(report.temperature == info.temperature && info.temperature != 1.0);
    for (size_t i = 0; i < ROWS; i++)
        if (i != gone[0] && i != gone[1] && i != gone[2] && i != gone[3]) {
            memcpy(kept_x + n * DIM, rows + i * DIM, DIM * sizeof *rows);
            kept_y[n] = labels[i];
            kept_ids[n++] = i;
        }
    without.x = kept_x;
    without.labels = kept_y;
    without.ids = kept_ids;
    without.n = n;
    o.codebooks = (dkvb_codebooks *)dkvb_model_codebooks(model);
    assert_ok(dkvb_fit(&never, &never_set, &without, &o, NULL, NULL));
    assert_ok(dkvb_model_replay(model, set, gone, 4, NULL, NULL, NULL));
    assert_ok(dkvb_codeset_remove(set, gone, 4, NULL));
    assert_ok(dkvb_codeset_fit_temperature(set, model, &temperature, NULL));
    assert_ok(dkvb_model_get_info(model, &info));
    assert_ok(dkvb_model_get_info(never, &never_info));
    assert_ok(dkvb_model_get_values(model, values));
    assert_ok(dkvb_model_get_values(never, never_values));
    assert_memory_equal(values, never_values, sizeof values);
    assert_memory_equal(info.trained, never_info.trained, sizeof info.trained);
    assert_true(temperature == never_info.temperature);
    dkvb_model_free(never);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
    dkvb_codeset_free(never_set);
}

struct cancelling {
    size_t calls, stop_at;
};

static int stop_at_stage(void *user, const char *stage)
{
    struct cancelling *c = user;

    (void)stage;
    return c->calls++ == c->stop_at;
}

static int stop_at_tick(void *user, uint64_t done, uint64_t total)
{
    struct cancelling *c = user;

    assert_true(done <= total);
    return c->calls++ == c->stop_at;
}

static void every_stage_can_be_cancelled(void **state)
{
    struct cancelling c = {0, 0};
    dkvb_fit_rows r = all_rows();
    dkvb_fit_options o = small_fit();
    dkvb_codeset *set;
    dkvb_model *model;

    (void)state;
    o.stage = stop_at_stage;
    o.user = &c;
    for (;; c.stop_at++, c.calls = 0) {
        dkvb_status rc = dkvb_fit(&model, &set, &r, &o, NULL, NULL);

        if (rc == DKVB_OK)
            break;
        assert_int_equal(rc, DKVB_ECANCELLED);
        assert_null(model);
        assert_null(set);
    }
    assert_int_equal(c.stop_at, 6); /* whitening, keys, search, values, temperature, codes */
    dkvb_model_free(model);
    dkvb_codeset_free(set);
}

static void progress_can_cancel_at_any_time(void **state)
{
    struct cancelling c = {0, 0};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_fit_rows r = all_rows();
    dkvb_fit_options o = small_fit();
    dkvb_model *model;

    (void)state;
    run.progress = stop_at_tick;
    run.user = &c;
    for (;; c.stop_at++, c.calls = 0) {
        dkvb_status rc = dkvb_fit(&model, NULL, &r, &o, NULL, &run);

        if (rc == DKVB_OK)
            break;
        assert_int_equal(rc, DKVB_ECANCELLED);
        assert_null(model);
    }
    assert_true(c.stop_at > 10);
    dkvb_model_free(model);
}

static void every_allocation_of_a_fit_may_fail(void **state)
{
    dkvb_fit_rows r = all_rows();
    dkvb_fit_options o = small_fit();

    (void)state;
    for (int with_codes = 0; with_codes < 2; with_codes++) {
        dkvb_status rc = DKVB_ENOMEM;

        for (size_t fail_at = 0; rc != DKVB_OK; fail_at++) {
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at);
            dkvb_codeset *set = NULL;
            dkvb_model *model;

            o.allocator = &a;
            rc = dkvb_fit(&model, with_codes ? &set : NULL, &r, &o, NULL, NULL);
            assert_true(rc == DKVB_ENOMEM ? !model && !set : rc == DKVB_OK && fail_at > 60);
            dkvb_model_free(model);
            dkvb_codeset_free(set);
            assert_int_equal(mem.live, 0);
        }
    }
}

static void sizes_are_kept(void **state)
{
    dkvb_fit_rows r = all_rows();

    (void)state;
    for (uint64_t limit = 40000; limit < 1200000; limit += limit / 3)
        for (uint32_t whiten = 0; whiten < 2; whiten++) {
            dkvb_keyinit_options k = DKVB_KEYINIT_OPTIONS_INIT;
            dkvb_train_options t = DKVB_TRAIN_OPTIONS_INIT;
            dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
            uint32_t top_k = 0;
            dkvb_model *model;
            size_t size;

            t.epochs = 1;
            assert_ok(dkvb_fit_within(&k, &t, &top_k, ROWS, DIM, CLASSES, whiten, limit));
            o.keyinit = &k;
            o.train = &t;
            o.top_k = top_k;
            o.whiten = whiten;
            assert_ok(dkvb_fit(&model, NULL, &r, &o, NULL, NULL));
            free(bytes_of(model, &size));
            assert_true(size <= limit);
            dkvb_model_free(model);
        }
}

static void a_size_that_is_too_small_names_the_least_one(void **state)
{
    dkvb_keyinit_options k = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_train_options t = DKVB_TRAIN_OPTIONS_INIT;
    uint32_t top_k = 0, at;
    unsigned long long least;

    (void)state;
    assert_int_equal(dkvb_fit_within(&k, &t, &top_k, 50000, 512, 10, 0, 1000), DKVB_EINVAL);
    assert_message("a model of 16 codebooks of 64 keys for 10 classes takes ");
    least = strtoull(strstr(dkvb_last_error(), "takes ") + 6, NULL, 10);
    k = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
    assert_ok(dkvb_fit_within(&k, &t, &top_k, 50000, 512, 10, 0, least));
    assert_true(k.codebooks == 16 && k.keys == 64);
    for (at = 0; at < 2; at++) { /* what is given stays */
        k = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
        *(at ? &k.keys : &k.codebooks) = at ? 1000 : 100;
        assert_ok(dkvb_fit_within(&k, &t, &top_k, 50000, 512, 10, 0, 2000000));
        assert_int_equal(at ? k.keys : k.codebooks, at ? 1000 : 100);
    }
}

static void the_papers_shape_is_one_call_away(void **state)
{
    dkvb_keyinit_options k = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_train_options t = DKVB_TRAIN_OPTIONS_INIT;
    uint32_t top_k = 0;

    (void)state;
    dkvb_fit_paper(&k, &t, &top_k);
    dkvb_fit_suit(&k, &t, &top_k, 50000, 512, 10);
    assert_true(k.codebooks == 256 && k.keys == 4096 && top_k == 1 && t.epochs == 1 && k.normalize == 0);
    k = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT; /* no rows, columns and classes are nothing to divide by */
    t.epochs = t.batch = top_k = 0;
    dkvb_fit_suit(&k, &t, &top_k, 0, 0, 0);
    assert_true(k.codebooks > 0 && k.keys > 0 && k.key_dim > 0 && top_k > 0 && t.epochs > 0 && t.batch > 0);
}

static int count_trials(void *user, const dkvb_trial *trial)
{
    struct cancelling *c = user;

    assert_int_equal(trial->number, c->calls + 1);
    assert_true(trial->accuracy >= 0.0 && trial->accuracy <= 1.0 && trial->held_out >= 20);
    return c->calls++ == c->stop_at;
}

static dkvb_status tune(dkvb_keyinit_options *k, dkvb_train_options *t, uint32_t *top_k, uint32_t *trials,
                        const dkvb_tune_options *o, size_t n)
{
    dkvb_fit_rows r = all_rows();

    r.n = n;
    *k = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
    *t = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    k->codebooks = 8;
    t->epochs = 0;
    t->learning_rate = t->rate_last = 0.0;
    *top_k = 0;
    return dkvb_tune(k, t, top_k, trials, &r, o, NULL);
}

static void the_same_number_of_trials_gives_the_same_settings(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    struct cancelling c = {0, SIZE_MAX};
    dkvb_keyinit_options k[2];
    dkvb_train_options t[2];
    uint32_t top_k[2], trials;

    (void)state;
    o.trials = 4;
    o.report = count_trials;
    o.user = &c;
    for (size_t i = 0; i < 2; i++) {
        c.calls = 0;
        assert_ok(tune(&k[i], &t[i], &top_k[i], &trials, &o, ROWS));
        assert_true(trials == 4 && c.calls == 4);
    }
    assert_true(k[0].keys == k[1].keys && k[0].whiten == k[1].whiten && k[0].key_dim == k[1].key_dim);
    assert_true(t[0].epochs == t[1].epochs && t[0].batch == t[1].batch && t[0].learning_rate == t[1].learning_rate);
    assert_int_equal(top_k[0], top_k[1]);
    assert_true(k[0].codebooks == 8 && k[0].keys > 0 && top_k[0] > 0 && t[0].epochs > 0 && t[0].learning_rate > 0.0);
    o.trials = 1000; /* there are not so many */
    c.calls = 0;
    assert_ok(tune(&k[0], &t[0], &top_k[0], &trials, &o, ROWS));
    assert_true(trials > 4 && trials < 20 && trials == c.calls);
}

static void tuning_minds_the_whitening_that_is_given(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_keyinit_options k;
    dkvb_train_options t;
    uint32_t top_k, trials;

    (void)state;
    for (o.whiten = 0; o.whiten < 2; o.whiten++) {
        assert_ok(tune(&k, &t, &top_k, &trials, &o, ROWS));
        assert_int_equal(k.whiten, o.whiten);
        assert_true(trials >= 2);
    }
}

static void tuning_ends_on_request_and_changes_nothing_then(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    struct cancelling c = {0, 1};
    dkvb_keyinit_options k;
    dkvb_train_options t;
    uint32_t top_k, trials = 77;

    (void)state;
    o.report = count_trials;
    o.user = &c;
    assert_int_equal(tune(&k, &t, &top_k, &trials, &o, ROWS), DKVB_ECANCELLED);
    assert_true(k.keys == 0 && top_k == 0 && t.epochs == 0 && trials == 77);
    o = (dkvb_tune_options)DKVB_TUNE_OPTIONS_INIT;
    assert_int_equal(tune(&k, &t, &top_k, &trials, &o, 30), DKVB_EINVAL);
    assert_message("20 are needed to tell settings apart");
    o.seconds = -1.0;
    assert_int_equal(tune(&k, &t, &top_k, &trials, &o, ROWS), DKVB_EINVAL);
    o.seconds = 1e-9; /* the first trial is made in any case */
    assert_ok(tune(&k, &t, &top_k, &trials, &o, ROWS));
    assert_int_equal(trials, 1);
}

static void every_allocation_of_tuning_may_fail(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    o.trials = 2;
    for (size_t fail_at = 0; rc != DKVB_OK; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_keyinit_options k;
        dkvb_train_options t;
        uint32_t top_k, trials;

        o.allocator = &a;
        rc = tune(&k, &t, &top_k, &trials, &o, 240);
        assert_int_equal(mem.live, 0);
        assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && fail_at > 40));
        assert_true(rc == DKVB_OK || k.keys == 0);
        assert_null(k.allocator);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_labels_are_all_that_a_fit_takes),
        cmocka_unit_test(two_rows_of_two_classes_are_enough),
        cmocka_unit_test(one_column_keeps_its_size),
        cmocka_unit_test(wide_rows_are_not_whitened),
        cmocka_unit_test(classes_without_rows_are_counted),
        cmocka_unit_test(what_cannot_work_is_refused_with_the_number_that_is_wrong),
        cmocka_unit_test(a_number_that_is_not_finite_is_named_by_its_own_row),
        cmocka_unit_test(no_class_is_held_out_down_to_its_last_rows),
        cmocka_unit_test(threads_change_no_byte),
        cmocka_unit_test(codes_that_were_kept_give_the_model_without_the_rows),
        cmocka_unit_test(every_stage_can_be_cancelled),
        cmocka_unit_test(progress_can_cancel_at_any_time),
        cmocka_unit_test(every_allocation_of_a_fit_may_fail),
        cmocka_unit_test(sizes_are_kept),
        cmocka_unit_test(a_size_that_is_too_small_names_the_least_one),
        cmocka_unit_test(the_papers_shape_is_one_call_away),
        cmocka_unit_test(the_same_number_of_trials_gives_the_same_settings),
        cmocka_unit_test(tuning_minds_the_whitening_that_is_given),
        cmocka_unit_test(tuning_ends_on_request_and_changes_nothing_then),
        cmocka_unit_test(every_allocation_of_tuning_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
