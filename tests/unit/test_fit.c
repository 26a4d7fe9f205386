/* Tests of dkvb_fit(), which makes a model from rows in one call: which settings it chooses, what it refuses, and that
 * a failed fit leaves nothing behind. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bottleneck/codeset.h"
#include "fit/fit.h"
#include "unlearn/replay.h"

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

/* Returns the bytes of a model's file, which the caller must free(). */
static char *bytes_of(const dkvb_model *model, size_t *size)
{
    const char *path = temp_path("bytes");

    assert_ok(dkvb_model_save(model, path));
    return (char *)read_file(path, size);
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
    r.n = 1; /* a fit to a single row */
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
    assert_refused(&r, &o, "they must bring labels, and one of x, source and codes");
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
    settings.keyinit.keys = ROWS + 1;
    assert_refused(&r, &o, "601 keys in a codebook need at least as many rows to be placed on, there are 600");
    o = small_fit();
    settings.top_k = 13;
    assert_refused(&r, &o, "top_k is 13, there are 12 keys");
    o = small_fit();
    settings.whiten = 3;
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
    settings.train.label_smoothing = 1.0;
    assert_refused(&r, &o, "label smoothing is 1");
}

static void a_number_that_is_not_finite_is_named_by_its_own_row(void **state)
{
    enum { MANY = 20600 }; /* more rows than those on which whitening is chosen */
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
    assert_ok(dkvb__fitting_new(&f, &r, &run, NULL, &mem));
    dkvb__fitting_hold_out(&f, 0.0, 0.99);
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

static void every_row_is_held_out_in_one_of_the_folds(void **state)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_allocator mem = dkvb__allocator(NULL);
    dkvb_fit_rows r = all_rows();
    struct dkvb__fitting f;
    size_t times[ROWS] = {0};

    (void)state;
    assert_ok(dkvb__fitting_new(&f, &r, &run, NULL, &mem));
    for (int fold = 0; fold < 5; fold++) {
        dkvb__fitting_hold_out(&f, fold / 5.0, (fold + 1) / 5.0);
        assert_true(f.held_count > 60 && f.held_count < 180);
        for (size_t i = 0; i < ROWS; i++)
            times[i] += f.held[i];
    }
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(times[i], 1);
    dkvb__fitting_free(&f);
}

static void all_rows_judge_the_whitening(void **state)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_allocator mem = dkvb__allocator(NULL);
    dkvb_fit_options o, given = small_fit();
    dkvb_settings s;
    dkvb_fit_rows r = all_rows();
    struct dkvb__fitting f;
    struct dkvb__measured measured[2];
    bool compared, whiten;

    (void)state;
    assert_ok(dkvb__fit_take(&o, &s, &given));
    assert_ok(dkvb__fitting_new(&f, &r, &run, NULL, &mem));
    dkvb__settings_suit(&s, ROWS, DIM, CLASSES);
    assert_ok(dkvb__fitting_choose_whitening(&f, &s, false, measured, &compared, &whiten));
    assert_true(compared && measured[0].rows == ROWS && measured[1].rows == ROWS);
    assert_true(whiten ==
                (measured[1].loss <= 0.95 * measured[0].loss && measured[1].accuracy >= measured[0].accuracy));
    dkvb__fitting_hold_out(&f, 0.0, 0.1); /* these rows are held out for good, and do not choose settings */
    assert_ok(dkvb__fitting_choose_whitening(&f, &s, true, measured, &compared, &whiten));
    assert_int_equal(measured[0].rows, ROWS - f.held_count);
    dkvb__fitting_free(&f);
}

static void settings_suit_the_rows_that_have_a_label(void **state)
{
    static int32_t few[ROWS];
    dkvb_settings never = DKVB_SETTINGS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT, of_few = DKVB_FIT_REPORT_INIT;
    dkvb_model *model;

    (void)state;
    never.whiten = DKVB_WHITEN_NEVER;
    o.settings = &never;
    for (size_t i = 0; i < ROWS; i++)
        few[i] = i % 10 ? -1 : labels[i];
    r.labels = few;
    assert_ok(dkvb_fit(&model, NULL, &r, &o, &report, NULL));
    dkvb_model_free(model);
    r = all_rows();
    r.n = 60;
    assert_ok(dkvb_fit(&model, NULL, &r, &o, &of_few, NULL));
    dkvb_model_free(model);
    assert_int_equal(report.labelled, 60);
    assert_true(report.keys == of_few.keys && report.top_k == of_few.top_k && report.epochs == of_few.epochs);
}

/* Members of a struct that an older caller does not know are neither read nor written. */
static void structs_are_read_and_written_as_far_as_their_size_says(void **state)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_fit_rows r = all_rows();

    (void)state;
    s.struct_size = offsetof(dkvb_settings, whiten);
    s.whiten = 99; /* a member behind the struct size that the caller gives */
    assert_ok(dkvb_fit_suit(&s, ROWS, 1, CLASSES, DKVB_PRESET_NONE, 0));
    assert_true(s.keyinit.keys > 0 && s.train.epochs > 0 && s.top_k > 0 && s.whiten == 99);
    s.keyinit.codebooks = s.keyinit.keys = 4;
    s.keyinit.key_dim = 4;
    s.top_k = 2;
    o.trials = 1;
    assert_ok(dkvb_tune(&s, &r, &o, NULL));
    assert_true(s.whiten == 99 && s.train.trials == 1 && s.struct_size == offsetof(dkvb_settings, whiten));
    s.struct_size = 3;
    assert_int_equal(dkvb_fit_suit(&s, ROWS, DIM, CLASSES, DKVB_PRESET_NONE, 0), DKVB_EINVAL);
    assert_message("struct_size is 3");
    assert_int_equal(dkvb_tune(&s, &r, &o, NULL), DKVB_EINVAL);
    s = (dkvb_settings)DKVB_SETTINGS_INIT;
    s.train.struct_size = 0; /* as if the caller had initialised only the outer struct */
    assert_int_equal(dkvb_fit_suit(&s, ROWS, DIM, CLASSES, DKVB_PRESET_NONE, 0), DKVB_EINVAL);
    assert_message("begin with DKVB_SETTINGS_INIT");
    s = (dkvb_settings)DKVB_SETTINGS_INIT;
    assert_int_equal(dkvb_fit_suit(&s, ROWS, DIM, CLASSES, 2, 0), DKVB_EINVAL);
    assert_message("preset is 2");
}

static dkvb_model_info info_of(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    assert_ok(dkvb_model_get_info(model, &info));
    return info;
}

static void the_number_of_trials_stays_with_the_model(void **state)
{
    dkvb_fit_options o = small_fit();
    dkvb_tune_options tuning = DKVB_TUNE_OPTIONS_INIT;
    dkvb_fit_rows r = all_rows(), first = all_rows(), second = all_rows();
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    const char *path = temp_path("trials");
    dkvb_codeset *set;
    dkvb_model *model, *again;

    (void)state;
    settings.whiten = DKVB_WHITEN_NEVER;
    tuning.trials = 3;
    settings.keyinit.keys = settings.top_k = 0;
    settings.train.learning_rate = 0.0;
    assert_ok(dkvb_tune(&settings, &r, &tuning, NULL));
    assert_int_equal(settings.train.trials, 3);
    first.n = 400;
    second.x += 400 * DIM;
    second.labels += 400;
    second.n = 200;
    assert_ok(dkvb_fit(&model, &set, &first, &o, NULL, NULL));
    assert_int_equal(info_of(model).trials, 3);
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_inspect(path, &info));
    assert_int_equal(info.trials, 3);
    o.settings = NULL; /* fits without tuned settings */
    assert_ok(dkvb_fit_more(model, set, &second, &o, NULL, NULL));
    assert_int_equal(info_of(model).trials, 3);
    assert_ok(dkvb_codeset_save(set, path));
    dkvb_codeset_free(set);
    assert_ok(dkvb_codeset_load(&set, path, NULL, NULL));
    assert_ok(dkvb_codeset_search(set, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL));
    assert_ok(dkvb_codeset_get_session(set, 0, &session, NULL));
    assert_int_equal(session.training.trials, 3);
    assert_ok(dkvb_codeset_get_session(set, 1, &session, NULL));
    assert_int_equal(session.training.trials, 0);
    assert_ok(dkvb_model_replay(model, set, (uint64_t[]){17, 431}, 2, NULL, NULL, NULL));
    assert_int_equal(info_of(model).trials, 3);
    assert_ok(
        dkvb_model_new(&again, dkvb_model_codebooks(model), CLASSES,
                       &(dkvb_model_options){.struct_size = sizeof(dkvb_model_options), .top_k = settings.top_k}));
    assert_ok(dkvb_model_replay(again, set, (uint64_t[]){17, 431}, 2, NULL, NULL, NULL));
    assert_int_equal(info_of(again).trials, 3);
    dkvb_model_free(again);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Fits a model to the first 400 rows, and returns the other 200 rows, to be added later. */
static void fit_first(dkvb_model **model, dkvb_codeset **set, dkvb_fit_rows *more)
{
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows first = all_rows();

    settings.whiten = DKVB_WHITEN_ALWAYS;
    o.hold_out = 0.3;
    first.n = 400;
    assert_ok(dkvb_fit(model, set, &first, &o, NULL, NULL));
    *more = all_rows();
    more->x += 400 * DIM;
    more->labels += 400;
    more->n = 200;
}

static void rows_that_join_a_codeset_are_replayed_with_the_others(void **state)
{
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows more;
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    dkvb_codeset *set;
    dkvb_model *model, *again;
    double temperature, power;
    size_t kept;

    (void)state;
    fit_first(&model, &set, &more);
    assert_ok(dkvb_model_new(&again, dkvb_model_codebooks(model), CLASSES,
                             &(dkvb_model_options){.struct_size = sizeof(dkvb_model_options), .top_k = 2}));
    o.hold_out = 0.3;
    o.count_classes = 1;
    assert_int_equal(dkvb_fit_more(model, set, &more, &o, &report, NULL), DKVB_ESTATE);
    assert_message("without counting them");
    o.count_classes = 0;
    assert_ok(dkvb_fit_more(model, set, &more, &o, &report, NULL));
    assert_true(report.held_out > 30 && report.held_out < 90 && report.rows + report.held_out == 200);
    assert_true(report.whitened == 1 && report.keys == 12 && report.top_k == 2 && report.labelled == 200);
    assert_true(report.temperature_rows > 100 && report.temperature == info_of(model).temperature);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &part));
    kept = part.n;
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &part));
    assert_int_equal(kept + part.n, ROWS); /* the ids of the added rows go on from 400 */
    assert_ok(dkvb__replay_check(model, set, NULL, 0, NULL));
    assert_ok(dkvb_model_replay(again, set, NULL, 0, NULL, NULL, NULL));
    assert_memory_equal(info_of(again).trained, info_of(model).trained, 16);
    assert_ok(dkvb__codeset_fit_temperature(set, again, &temperature, &power, NULL, NULL));
    assert_true(temperature == info_of(model).temperature && power == info_of(model).temperature_power);
    more.ids = (uint64_t[]){7};
    more.n = 1;
    assert_int_equal(dkvb_fit_more(model, set, &more, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("row 0 has id 7, which a row of the codes has already");
    dkvb_model_free(again);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
}

static void a_temperature_is_fitted_again_where_the_new_rows_can_tell(void **state)
{
    static int32_t one_class[ROWS];
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    dkvb_model *model;
    double before;

    (void)state;
    assert_ok(dkvb_fit(&model, NULL, &r, &o, NULL, NULL));
    before = info_of(model).temperature;
    settings.train.epochs = 3;
    r.n = 100;
    assert_ok(dkvb_fit_more(model, NULL, &r, &o, &report, NULL));
    assert_true(info_of(model).temperature == before && report.temperature_kept == DKVB_TEMPERATURE_FEW_ROWS);
    assert_true(report.temperature_rows == 0 && report.temperature == before && report.held_out == 0);
    r.n = ROWS;
    r.labels = one_class;
    assert_ok(dkvb_fit_more(model, NULL, &r, &o, &report, NULL));
    assert_true(info_of(model).temperature == before && report.temperature_kept == DKVB_TEMPERATURE_FEW_CLASSES);
    r.labels = labels;
    assert_ok(dkvb_fit_more(model, NULL, &r, &o, &report, NULL));
    assert_true(info_of(model).temperature != before && report.temperature_kept == DKVB_TEMPERATURE_FITTED);
    assert_true(report.temperature_rows >= 50 && report.rows == ROWS && report.held_out_accuracy > 0.8);
    dkvb_model_free(model);
}

static void codes_take_the_place_of_rows_where_the_keys_are_there(void **state)
{
    static uint16_t codes[ROWS * 4 * 2];
    dkvb_fit_options o = small_fit();
    dkvb_fit_rows r = all_rows();
    dkvb_model *by_rows, *by_codes;

    (void)state;
    o.count_classes = 1;
    assert_ok(dkvb_fit(&by_rows, NULL, &r, &o, NULL, NULL));
    assert_true(info_of(by_rows).class_counts == 1);
    assert_ok(dkvb_model_new(&by_codes, dkvb_model_codebooks(by_rows), CLASSES,
                             &(dkvb_model_options){.struct_size = sizeof(dkvb_model_options), .top_k = 2}));
    assert_ok(dkvb_search(dkvb_model_codebooks(by_rows), NULL, rows, ROWS, 2, codes, NULL, NULL));
    r.x = NULL;
    r.codes = codes;
    r.k = 3;
    assert_int_equal(dkvb_fit_more(by_codes, NULL, &r, &o, NULL, NULL), DKVB_EMISMATCH);
    r.k = 2;
    assert_ok(dkvb_fit_more(by_codes, NULL, &r, &o, NULL, NULL));
    assert_same_model(by_rows, by_codes);
    dkvb_model_free(by_codes);
    assert_int_equal(dkvb_fit(&by_codes, NULL, &r, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("dkvb_fit_more() takes them");
    dkvb_model_free(by_rows);
}

/* Returns the bytes of a codes file, which the caller must free(). */
static unsigned char *bytes_of_set(const dkvb_codeset *set, size_t *size)
{
    const char *path = temp_path("set");

    assert_ok(dkvb_codeset_save(set, path));
    return read_file(path, size);
}

static void going_on_fails_whole_wherever_it_fails(void **state)
{
    struct cancelling c = {0, 0};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_fit_options o = small_fit();
    dkvb_status rc = DKVB_ECANCELLED;
    dkvb_fit_rows more;
    dkvb_codeset *set;
    dkvb_model *model;
    unsigned char *set_bytes;
    char *model_bytes;
    size_t set_size, model_size;

    (void)state;
    fit_first(&model, &set, &more);
    model_bytes = bytes_of(model, &model_size);
    set_bytes = bytes_of_set(set, &set_size);
    run.progress = stop_at_tick;
    run.user = &c;
    for (; rc != DKVB_OK; c.stop_at++, c.calls = 0) {
        size_t size;
        unsigned char *now;
        char *now_model;

        rc = dkvb_fit_more(model, set, &more, &o, NULL, &run);
        assert_true(rc == DKVB_OK || rc == DKVB_ECANCELLED);
        now = bytes_of_set(set, &size);
        assert_true((size == set_size && memcmp(now, set_bytes, size) == 0) == (rc == DKVB_ECANCELLED));
        free(now);
        now_model = bytes_of(model, &size);
        assert_true((size == model_size && memcmp(now_model, model_bytes, size) == 0) == (rc == DKVB_ECANCELLED));
        free(now_model);
    }
    assert_true(c.stop_at > 3);
    free(model_bytes);
    free(set_bytes);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
}

static void every_allocation_of_going_on_may_fail(void **state)
{
    dkvb_fit_options o = small_fit();
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    settings.whiten = DKVB_WHITEN_NEVER;
    for (size_t fail_at = 0; rc != DKVB_OK; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_fit_rows first = all_rows(), more = all_rows();
        dkvb_codeset *set;
        dkvb_model *model;

        first.n = 200;
        more.x += 200 * DIM;
        more.labels += 200;
        more.n = 100;
        o.allocator = &a;
        assert_ok(dkvb_fit(&model, &set, &first, &o, NULL, NULL));
        mem.fail_at = mem.calls + fail_at;
        rc = dkvb_fit_more(model, set, &more, &o, NULL, NULL);
        assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && fail_at > 30));
        mem.fail_at = SIZE_MAX;
        assert_ok(dkvb__replay_check(model, set, NULL, 0, NULL)); /* both as before, or both as after */
        dkvb_model_free(model);
        dkvb_codeset_free(set);
        assert_int_equal(mem.live, 0);
    }
}

/* Rows 17 and 31 are forgotten exactly and removed, then added again, while each allocation fails once. */
static void removed_rows_come_back_only_by_relearning_and_whole(void **state)
{
    static const uint64_t gone[2] = {17, 31};
    float x[2 * DIM];
    const int32_t y[2] = {labels[17], labels[31]};
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    memcpy(x, rows + 17 * DIM, DIM * sizeof *x);
    memcpy(x + DIM, rows + 31 * DIM, DIM * sizeof *x);
    for (size_t fail_at = 0; rc != DKVB_OK; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_fit_options o = small_fit();
        dkvb_forget_options said = DKVB_FORGET_OPTIONS_INIT;
        dkvb_fit_rows first = all_rows(), back = all_rows();
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
        dkvb_codeset *set;
        dkvb_model *model;

        settings.whiten = DKVB_WHITEN_NEVER;
        first.n = 200;
        o.allocator = &a;
        assert_ok(dkvb_fit(&model, &set, &first, &o, NULL, NULL));
        said.rows = gone;
        said.row_count = 2;
        assert_ok(dkvb_model_replay(model, set, gone, 2, &said, NULL, NULL));
        assert_ok(dkvb_codeset_remove(set, gone, 2, NULL));
        back.x = x;
        back.labels = y;
        back.ids = gone;
        back.n = 2;
        assert_int_equal(dkvb_fit_more(model, set, &back, &o, NULL, NULL), DKVB_ESTATE);
        assert_message("row 0 has id 17, a row that was removed");
        settings.train.relearn = 1;
        mem.fail_at = mem.calls + fail_at;
        rc = dkvb_fit_more(model, set, &back, &o, NULL, NULL);
        mem.fail_at = SIZE_MAX;
        assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && fail_at > 40));
        for (size_t i = 0; i < 2; i++) /* both as before, or both as after */
            assert_int_equal(dkvb_codeset_was_removed(set, gone[i]), rc != DKVB_OK);
        assert_int_equal(journal_count(model), rc ? 1 : 2);
        if (!rc) {
            assert_ok(dkvb_journal_get(model, 1, &entry));
            assert_true(entry.kind == DKVB_JOURNAL_RELEARN && entry.ends == 1);
        }
        assert_ok(dkvb__replay_check(model, set, NULL, 0, NULL));
        dkvb_model_free(model);
        dkvb_codeset_free(set);
        assert_int_equal(mem.live, 0);
    }
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
    double temperature, power;
    size_t n = 0;

    (void)state;
    settings.whiten = DKVB_WHITEN_ALWAYS;
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
    assert_ok(dkvb__codeset_fit_temperature(set, model, &temperature, &power, NULL, NULL));
    assert_ok(dkvb_model_get_info(model, &info));
    assert_ok(dkvb_model_get_info(never, &never_info));
    assert_ok(dkvb_model_get_values(model, values));
    assert_ok(dkvb_model_get_values(never, never_values));
    assert_memory_equal(values, never_values, sizeof values);
    assert_memory_equal(info.trained, never_info.trained, sizeof info.trained);
    assert_true(temperature == never_info.temperature && power == never_info.temperature_power);
    dkvb_model_free(never);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
    dkvb_codeset_free(never_set);
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
    assert_int_equal(c.stop_at, 6); /* the stages are whitening, keys, search, values, temperature, codes */
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
    settings.keyinit.codebooks = 1; /* it is made some hundred times */
    settings.keyinit.keys = 4;
    run.progress = stop_at_tick;
    run.user = &c;
    for (;; c.stop_at += 7, c.calls = 0) { /* tries every seventh of some hundred calls */
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
    settings.keyinit.codebooks = 1; /* it is made some hundred times */
    settings.keyinit.keys = 4;
    for (int with_codes = 0; with_codes < 2; with_codes++) {
        dkvb_status rc = DKVB_ENOMEM;

        /* later allocations repeat the same calls, so some are skipped */
        for (size_t fail_at = 0; rc != DKVB_OK; fail_at += fail_at < 100 ? 1 : 3) {
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at);
            dkvb_codeset *set = NULL;
            dkvb_model *model;

            o.allocator = &a;
            settings.whiten = with_codes ? DKVB_WHITEN_NEVER : DKVB_WHITEN_CHOOSE;
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
            dkvb_settings suit = DKVB_SETTINGS_INIT;
            dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
            dkvb_model *model;
            size_t size;

            suit.train.epochs = 1;
            suit.whiten = whiten;
            assert_ok(dkvb_fit_suit(&suit, ROWS, DIM, CLASSES, DKVB_PRESET_NONE, limit));
            o.settings = &suit;
            assert_ok(dkvb_fit(&model, NULL, &r, &o, NULL, NULL));
            free(bytes_of(model, &size));
            assert_true(size <= limit);
            dkvb_model_free(model);
        }
}

static dkvb_settings never_whitened(void)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;

    s.whiten = DKVB_WHITEN_NEVER;
    return s;
}

static void a_size_that_is_too_small_names_the_least_one(void **state)
{
    dkvb_settings s = never_whitened();
    unsigned long long least;

    (void)state;
    assert_int_equal(dkvb_fit_suit(&s, 50000, 512, 10, DKVB_PRESET_NONE, 1000), DKVB_EINVAL);
    assert_message("a model of 16 codebooks of 64 keys for 10 classes takes ");
    assert_true(s.keyinit.keys == 0 && s.top_k == 0); /* the settings are unchanged */
    least = strtoull(strstr(dkvb_last_error(), "takes ") + 6, NULL, 10);
    assert_ok(dkvb_fit_suit(&s, 50000, 512, 10, DKVB_PRESET_NONE, least));
    assert_true(s.keyinit.codebooks == 16 && s.keyinit.keys == 64);
    for (int at = 0; at < 2; at++) { /* settings that the caller gives stay unchanged */
        s = never_whitened();
        *(at ? &s.keyinit.keys : &s.keyinit.codebooks) = at ? 1000 : 100;
        assert_ok(dkvb_fit_suit(&s, 50000, 512, 10, DKVB_PRESET_NONE, 2000000));
        assert_int_equal(at ? s.keyinit.keys : s.keyinit.codebooks, at ? 1000 : 100);
    }
}

static void a_whitening_that_takes_much_of_the_size_is_not_compared(void **state)
{
    static const struct {
        uint32_t given;
        size_t columns;
        uint64_t bytes;
        uint32_t comes;
    } cases[] = {
        {DKVB_WHITEN_CHOOSE, 512, 4 << 20, DKVB_WHITEN_CHOOSE},
        {DKVB_WHITEN_CHOOSE, 512, (4 << 20) - 4, DKVB_WHITEN_NEVER},
        {DKVB_WHITEN_ALWAYS, 512, 3 << 20, DKVB_WHITEN_ALWAYS},
        {DKVB_WHITEN_NEVER, 16, 4 << 20, DKVB_WHITEN_NEVER},
        {DKVB_WHITEN_CHOOSE, 2049, UINT64_C(1) << 30, DKVB_WHITEN_NEVER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dkvb_settings s = DKVB_SETTINGS_INIT;

        s.whiten = cases[i].given;
        assert_ok(dkvb_fit_suit(&s, 50000, cases[i].columns, 10, DKVB_PRESET_NONE, cases[i].bytes));
        assert_int_equal(s.whiten, cases[i].comes);
    }
}

static void the_papers_shape_is_one_call_away(void **state)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;

    (void)state;
    assert_ok(dkvb_fit_suit(&s, 50000, 512, 10, DKVB_PRESET_PAPER, 0));
    assert_true(s.keyinit.codebooks == 256 && s.keyinit.keys == 4096 && s.top_k == 1 && s.train.epochs == 1);
    assert_true(s.keyinit.normalize == 0 && s.whiten == DKVB_WHITEN_NEVER && s.train.learning_rate == 6.0);
    s = (dkvb_settings)DKVB_SETTINGS_INIT; /* a fit to 0 rows, columns or classes must not divide by 0 */
    assert_ok(dkvb_fit_suit(&s, 0, 0, 0, DKVB_PRESET_NONE, 0));
    assert_true(s.keyinit.codebooks > 0 && s.keyinit.keys > 0 && s.keyinit.key_dim > 0 && s.top_k > 0);
    assert_true(s.train.epochs > 0 && s.train.batch > 0);
}

static int count_trials(void *user, const dkvb_trial *trial)
{
    struct cancelling *c = user;

    assert_int_equal(trial->number, c->calls + 1);
    assert_true(trial->accuracy >= 0.0 && trial->accuracy <= 1.0 && trial->held_out >= 20);
    return c->calls++ == c->stop_at;
}

static dkvb_status tune(dkvb_settings *s, uint32_t whiten, const dkvb_tune_options *o, size_t n)
{
    dkvb_fit_rows r = all_rows();

    r.n = n;
    *s = (dkvb_settings)DKVB_SETTINGS_INIT;
    s->keyinit.codebooks = 8;
    s->train.batch = 256;
    s->whiten = whiten;
    return dkvb_tune(s, &r, o, NULL);
}

static void the_same_number_of_trials_gives_the_same_settings(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    struct cancelling c = {0, SIZE_MAX};
    dkvb_settings s[2];

    (void)state;
    o.trials = 4;
    o.report = count_trials;
    o.user = &c;
    for (size_t i = 0; i < 2; i++) {
        c.calls = 0;
        assert_ok(tune(&s[i], DKVB_WHITEN_CHOOSE, &o, ROWS));
        assert_true(s[i].train.trials == 4 && c.calls == 4);
    }
    assert_true(s[0].keyinit.keys == s[1].keyinit.keys && s[0].keyinit.key_dim == s[1].keyinit.key_dim);
    assert_true(s[0].whiten == s[1].whiten && s[0].whiten != DKVB_WHITEN_CHOOSE && s[0].top_k == s[1].top_k);
    assert_true(s[0].train.epochs == s[1].train.epochs && s[0].train.batch == s[1].train.batch &&
                s[0].train.learning_rate == s[1].train.learning_rate);
    assert_true(s[0].keyinit.codebooks == 8 && s[0].keyinit.keys > 0 && s[0].top_k > 0 && s[0].train.epochs > 0 &&
                s[0].train.learning_rate > 0.0);
    o.trials = 1000; /* asks for more trials than there are settings */
    c.calls = 0;
    assert_ok(tune(&s[0], DKVB_WHITEN_CHOOSE, &o, ROWS));
    assert_true(s[0].train.trials > 4 && s[0].train.trials < 20 && s[0].train.trials == c.calls);
}

static void tuning_minds_the_whitening_that_is_given(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_settings s;

    (void)state;
    for (uint32_t whiten = 0; whiten < 2; whiten++) {
        assert_ok(tune(&s, whiten, &o, ROWS));
        assert_int_equal(s.whiten, whiten);
        assert_true(s.train.trials >= 2);
    }
}

static void tuning_ends_on_request_and_changes_nothing_then(void **state)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    struct cancelling c = {0, 1};
    dkvb_settings s;

    (void)state;
    o.report = count_trials;
    o.user = &c;
    assert_int_equal(tune(&s, DKVB_WHITEN_CHOOSE, &o, ROWS), DKVB_ECANCELLED);
    assert_true(s.keyinit.keys == 0 && s.top_k == 0 && s.train.epochs == 0 && s.train.trials == 0);
    assert_int_equal(s.whiten, DKVB_WHITEN_CHOOSE);
    o = (dkvb_tune_options)DKVB_TUNE_OPTIONS_INIT;
    assert_int_equal(tune(&s, DKVB_WHITEN_CHOOSE, &o, 30), DKVB_EINVAL);
    assert_message("20 are needed to tell settings apart");
    o.seconds = -1.0;
    assert_int_equal(tune(&s, DKVB_WHITEN_CHOOSE, &o, ROWS), DKVB_EINVAL);
    o.seconds = 1e-9; /* the time is over at once, but the first trial is always made */
    assert_ok(tune(&s, DKVB_WHITEN_CHOOSE, &o, ROWS));
    assert_int_equal(s.train.trials, 1);
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
        dkvb_settings s;

        o.allocator = &a;
        rc = tune(&s, DKVB_WHITEN_CHOOSE, &o, 240);
        assert_int_equal(mem.live, 0);
        assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && fail_at > 40));
        assert_true(rc == DKVB_OK || s.keyinit.keys == 0);
        assert_null(s.keyinit.allocator);
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
        cmocka_unit_test(every_row_is_held_out_in_one_of_the_folds),
        cmocka_unit_test(all_rows_judge_the_whitening),
        cmocka_unit_test(settings_suit_the_rows_that_have_a_label),
        cmocka_unit_test(structs_are_read_and_written_as_far_as_their_size_says),
        cmocka_unit_test(the_number_of_trials_stays_with_the_model),
        cmocka_unit_test(rows_that_join_a_codeset_are_replayed_with_the_others),
        cmocka_unit_test(a_temperature_is_fitted_again_where_the_new_rows_can_tell),
        cmocka_unit_test(codes_take_the_place_of_rows_where_the_keys_are_there),
        cmocka_unit_test(going_on_fails_whole_wherever_it_fails),
        cmocka_unit_test(every_allocation_of_going_on_may_fail),
        cmocka_unit_test(removed_rows_come_back_only_by_relearning_and_whole),
        cmocka_unit_test(threads_change_no_byte),
        cmocka_unit_test(codes_that_were_kept_give_the_model_without_the_rows),
        cmocka_unit_test(every_stage_can_be_cancelled),
        cmocka_unit_test(progress_can_cancel_at_any_time),
        cmocka_unit_test(every_allocation_of_a_fit_may_fail),
        cmocka_unit_test(sizes_are_kept),
        cmocka_unit_test(a_size_that_is_too_small_names_the_least_one),
        cmocka_unit_test(a_whitening_that_takes_much_of_the_size_is_not_compared),
        cmocka_unit_test(the_papers_shape_is_one_call_away),
        cmocka_unit_test(the_same_number_of_trials_gives_the_same_settings),
        cmocka_unit_test(tuning_minds_the_whitening_that_is_given),
        cmocka_unit_test(tuning_ends_on_request_and_changes_nothing_then),
        cmocka_unit_test(every_allocation_of_tuning_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
