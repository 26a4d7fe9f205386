/* Tests of many ways to make and change a model that ranks share: each gives the files of one process, byte for
 * byte. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/plan.h"
#include "dkvb/sweep.h"
#include "ranks_threads.h"

enum { BOOKS = 36, PLACES = 12, TOP_K = 2, USED = 240, MOST_RANKS = 5 };

static char name_texts[ROWS][8];
static const char *row_names[ROWS];

static int setup(void **state)
{
    (void)state;
    make_rows();
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    for (size_t i = 0; i < ROWS; i++) {
        snprintf(name_texts[i], sizeof name_texts[i], "row%zu", i);
        row_names[i] = name_texts[i];
    }
    return 0;
}

/* What one rank has made in one of the ways. */
struct walker {
    dkvb_run_options run;
    dkvb_settings settings;
    dkvb_fit_options options;
    dkvb_fit_rows rows;
    dkvb_model *model;
    dkvb_codeset *set;
    char text[512]; /* further text that must be the same on all ranks, such as an error message */
};

struct way {
    void (*walk)(struct walker *w);
    char model[128], codes[128], text[MOST_RANKS][512];
    bool saves_model, saves_codes;
};

static dkvb_fit_rows some_rows(size_t first, size_t n)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows + first * DIM;
    r.labels = labels + first;
    r.n = n;
    r.dim = DIM;
    return r;
}

static void take_way(const dkvb_ranks *ranks, void *context)
{
    struct way *way = context;
    struct walker w = {.run = DKVB_RUN_OPTIONS_INIT, .settings = DKVB_SETTINGS_INIT, .options = DKVB_FIT_OPTIONS_INIT};

    w.run.ranks = ranks;
    w.run.threads = 1 + ranks->rank % 2;
    w.settings.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    w.settings.train.epochs = 2;
    w.settings.train.batch = 50;
    w.settings.keyinit.codebooks = BOOKS;
    w.settings.keyinit.keys = PLACES;
    w.settings.keyinit.key_dim = 4;
    w.settings.top_k = TOP_K;
    w.options.settings = &w.settings;
    w.options.hold_out = 0.3;
    w.options.depth = 5;
    w.rows = some_rows(0, USED);
    way->walk(&w);
    if (w.model)
        assert_ok(dkvb_model_save(w.model, way->model));
    if (w.set && ranks->rank == 0)
        assert_ok(dkvb_codeset_save(w.set, way->codes));
    if (ranks->rank == 0) {
        way->saves_model = w.model != NULL;
        way->saves_codes = w.set != NULL;
    }
    snprintf(way->text[ranks->rank], sizeof way->text[0], "%s", w.text);
    dkvb_codeset_free(w.set);
    dkvb_model_free(w.model);
}

static void assert_same_file(const char *a, const char *b)
{
    size_t size, other;
    unsigned char *bytes = read_file(a, &size), *others = read_file(b, &other);

    assert_int_equal(size, other);
    assert_memory_equal(bytes, others, size);
    free(bytes);
    free(others);
}

static void check(void (*walk)(struct walker *w))
{
    static const unsigned counts[] = {2, 3, MOST_RANKS};
    static const dkvb_ranks alone = DKVB_RANKS_INIT;
    struct way one = {.walk = walk};

    snprintf(one.model, sizeof one.model, "%s", temp_path("alone.dkvb"));
    snprintf(one.codes, sizeof one.codes, "%s", temp_path("alone.codes"));
    take_way(&alone, &one);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct way all = {.walk = walk};

        snprintf(all.model, sizeof all.model, "%s", temp_path("shared.dkvb"));
        snprintf(all.codes, sizeof all.codes, "%s", temp_path("shared.codes"));
        ranks_run(counts[i], take_way, &all);
        if (one.saves_model)
            assert_same_file(one.model, all.model);
        if (one.saves_codes)
            assert_same_file(one.codes, all.codes);
        for (unsigned r = 0; r < counts[i]; r++)
            assert_string_equal(one.text[0], all.text[r]);
    }
}

static void fit(struct walker *w, bool with_codes)
{
    assert_ok(dkvb_fit(&w->model, with_codes ? &w->set : NULL, &w->rows, &w->options, NULL, &w->run));
}

static void forget(struct walker *w, const dkvb_forget_request *given)
{
    static const uint8_t salt[32] = {9};
    dkvb_forget_request q = *given;
    dkvb_plan *plan;

    q.salt = salt;
    q.force = 1;
    assert_ok(dkvb_forget_plan(&plan, w->model, w->set, &q, &w->run));
    assert_ok(dkvb_forget_apply(plan, w->model, w->set, NULL));
    dkvb_plan_free(plan);
}

static void more_rows_with_codes(struct walker *w)
{
    static const uint64_t ids[] = {3, 5};
    static const uint64_t back[] = {3, 5, 1003, 1004};
    static const uint64_t other[] = {2003, 2004, 2005, 2006, 2007};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_fit_rows r = some_rows(USED, 4);

    w->settings.train.class_weight = DKVB_CLASS_WEIGHT_BALANCED;
    w->settings.whiten = DKVB_WHITEN_ALWAYS;
    w->options.values_dtype = DKVB_DTYPE_F32;
    w->options.count_classes = 1;
    fit(w, true);
    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_KEPT;
    q.ids = ids;
    q.id_count = 2;
    forget(w, &q);
    r.ids = back;
    w->settings.train.relearn = 1;
    assert_ok(dkvb_fit_more(w->model, w->set, &r, &w->options, NULL, &w->run));
    r = some_rows(USED + 4, 5);
    r.ids = other;
    assert_ok(dkvb_fit_more(w->model, w->set, &r, &w->options, NULL, &w->run));
}

/* Trains a model further under a mask: by rows, and by codes of the caller. */
static void more_rows_under_a_mask(struct walker *w)
{
    static const uint8_t classes[CLASSES] = {0, 0, 1};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_fit_rows r = some_rows(USED, 80);
    uint16_t *codes = malloc((size_t)80 * BOOKS * TOP_K * sizeof *codes);
    int32_t *taught = malloc(80 * sizeof *taught);

    w->options.values_dtype = DKVB_DTYPE_BF16;
    fit(w, true);
    q.strength = DKVB_STRENGTH_SUPPRESS;
    q.method = DKVB_METHOD_CONTRAST;
    q.classes = classes;
    q.budget = 25;
    forget(w, &q);
    for (size_t i = 0; i < 80; i++)
        taught[i] = labels[USED + i] == 2 ? -1 : labels[USED + i];
    r.labels = taught;
    assert_ok(dkvb_fit_more(w->model, NULL, &r, &w->options, NULL, &w->run));
    assert_ok(dkvb_search(dkvb_model_codebooks(w->model), NULL, r.x, 80, TOP_K, codes, NULL, &w->run));
    assert_ok(dkvb_search_refresh(w->model, r.x, 80, TOP_K, codes, NULL, &w->run));
    r.x = NULL;
    r.codes = codes;
    r.k = TOP_K;
    w->settings.train.seed = 77;
    assert_ok(dkvb_fit_more(w->model, NULL, &r, &w->options, NULL, &w->run));
    free(codes);
    free(taught);
}

static void steps_classes_and_values(struct walker *w)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    uint16_t *codes = malloc((size_t)USED * BOOKS * TOP_K * sizeof *codes);
    float *values = calloc((size_t)BOOKS * PLACES * (CLASSES + 1), sizeof *values);
    float *logits = malloc((size_t)USED * (CLASSES + 1) * sizeof *logits);
    double temperature, power;

    fit(w, false);
    assert_ok(dkvb_model_add_classes(w->model, 1));
    assert_ok(dkvb_search(dkvb_model_codebooks(w->model), NULL, rows, USED, TOP_K, codes, NULL, &w->run));
    assert_ok(dkvb_model_train_begin(w->model, NULL));
    for (size_t at = 0; at < USED; at += 48)
        assert_ok(dkvb_model_train_step(w->model, codes + at * BOOKS * TOP_K, TOP_K, labels + at, 48, &w->run));
    assert_ok(dkvb_model_train_end(w->model, 1));
    assert_ok(dkvb_model_get_values(w->model, values));
    for (size_t i = 0; i < (size_t)BOOKS * PLACES * (CLASSES + 1); i++)
        values[i] *= 0.5f;
    assert_ok(dkvb_model_set_values(w->model, values, DKVB_DTYPE_F32));
    assert_ok(dkvb_model_train(w->model, codes, TOP_K, labels, USED, NULL, &w->run));
    assert_ok(dkvb_model_count_classes(w->model, codes, TOP_K, labels, USED, &w->run));
    assert_ok(dkvb_model_decode(w->model, codes, TOP_K, USED, NULL, logits, &w->run));
    assert_ok(dkvb_calibration_fit(logits, labels, USED, CLASSES + 1, &temperature, &power));
    assert_ok(dkvb_model_set_temperature(w->model, temperature, power));
    assert_ok(dkvb_model_set_class_names(w->model, names, 5, NULL));
    free(codes);
    free(values);
    free(logits);
}

static int count_trials(void *user, const dkvb_trial *trial)
{
    *(uint32_t *)user = trial->number;
    return 0;
}

/* Tunes until a time is over, for which all ranks must use the same clock, or they would stop at different trials. */
static void tuning_by_the_clock(struct walker *w)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_settings s = DKVB_SETTINGS_INIT;
    uint32_t trials = 0;

    s.keyinit.codebooks = BOOKS;
    o.seconds = 1e-9;
    o.report = count_trials;
    o.user = &trials;
    assert_ok(dkvb_tune(&s, &w->rows, &o, &w->run));
    snprintf(w->text, sizeof w->text, "%u trials, %u keys, %u, %g", trials, s.keyinit.keys, s.top_k,
             s.train.learning_rate);
    s.train.trials = 0;
    w->settings = s;
    fit(w, true);
}

static void tuning_by_trials(struct walker *w)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_settings s = DKVB_SETTINGS_INIT;

    s.keyinit.codebooks = BOOKS;
    s.train.epochs = 1;
    o.trials = 3;
    assert_ok(dkvb_tune(&s, &w->rows, &o, &w->run));
    w->settings = s;
    fit(w, false);
}

static void named_rows_and_requests(struct walker *w)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    w->rows = some_rows(0, ROWS);
    w->rows.names = row_names;
    w->settings.whiten = DKVB_WHITEN_CHOOSE;
    w->options.keep_names = 1;
    w->options.keep = DKVB_KEPT_FEATURES;
    fit(w, true);
    q.strength = DKVB_STRENGTH_SUPPRESS;
    q.budget = 20;
    q.requests = "rows row17, row18\nclass 2\n";
    forget(w, &q);
    q.requests = "rows row20\nrows row21, row22\n";
    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_KEPT;
    q.budget = 0;
    forget(w, &q);
}

static void groups_of_rows(struct walker *w)
{
    uint64_t groups[USED];

    for (size_t i = 0; i < USED; i++)
        groups[i] = i / 3;
    w->rows.groups = groups;
    fit(w, true);
}

static void few_rows_few_codebooks_one_class(struct walker *w)
{
    static const int32_t zeros[2] = {0, 0};

    w->rows = some_rows(0, 2);
    w->rows.labels = zeros;
    w->settings.keyinit.codebooks = 3;
    w->settings.keyinit.keys = 2;
    w->settings.top_k = 1;
    fit(w, false);
}

static dkvb_status read_rows(void *user, size_t first, size_t n, float *x)
{
    memcpy(x, (const float *)user + first * DIM, n * DIM * sizeof *x);
    return DKVB_OK;
}

static void rows_of_a_source(struct walker *w)
{
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;

    source.read = read_rows;
    source.user = rows;
    w->rows.x = NULL;
    w->rows.source = &source;
    fit(w, true);
}

/* Of two rows with NaN on different ranks, all ranks report the row that a single process reports. */
static void a_broken_row(struct walker *w)
{
    float *broken = malloc((size_t)USED * DIM * sizeof *broken);

    memcpy(broken, rows, (size_t)USED * DIM * sizeof *broken);
    broken[171 * DIM + 3] = broken[212 * DIM] = NAN;
    w->rows.x = broken;
    assert_int_equal(dkvb_fit(&w->model, NULL, &w->rows, &w->options, NULL, &w->run), DKVB_EINVAL);
    assert_message("features: row 171");
    snprintf(w->text, sizeof w->text, "%s", strstr(dkvb_last_error(), "features"));
    free(broken);
}

#define WAY(name)                                                                                                      \
    static void name##_same_as_alone(void **state)                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check(name);                                                                                                   \
    }

WAY(more_rows_with_codes)
WAY(more_rows_under_a_mask)
WAY(steps_classes_and_values)
WAY(tuning_by_the_clock)
WAY(tuning_by_trials)
WAY(named_rows_and_requests)
WAY(groups_of_rows)
WAY(few_rows_few_codebooks_one_class)
WAY(rows_of_a_source)
WAY(a_broken_row)

/* Calls that ranks cannot make together fail before any work, with a message that says what to do instead. */
static void try_what_cannot_be_shared(const dkvb_ranks *ranks, void *context)
{
    struct walker w = {.run = DKVB_RUN_OPTIONS_INIT, .settings = DKVB_SETTINGS_INIT, .options = DKVB_FIT_OPTIONS_INIT};
    dkvb_sweep_options sweep = DKVB_SWEEP_OPTIONS_INIT;
    dkvb_keyinit_options keyinit = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *cb;

    (void)context;
    w.run.ranks = ranks;
    w.settings.keyinit.codebooks = BOOKS;
    w.settings.keyinit.keys = PLACES;
    w.options.settings = &w.settings;
    w.rows = some_rows(0, USED);
    fit(&w, true);
    assert_int_equal(dkvb_sweep_run(w.model, w.set, &sweep, NULL, NULL), DKVB_ESTATE);
    assert_message("load it in one process");
    keyinit.codebooks = BOOKS;
    keyinit.keys = PLACES;
    keyinit.key_dim = 4;
    assert_ok(dkvb_codebooks_begin(&cb, DIM, &keyinit));
    assert_int_equal(dkvb_codebooks_step(cb, rows, USED, &w.run), DKVB_ESTATE);
    assert_message("dkvb_codebooks_fit()");
    dkvb_codebooks_free(cb);
    dkvb_codeset_free(w.set);
    dkvb_model_free(w.model);
}

static void what_ranks_cannot_do_is_refused(void **state)
{
    (void)state;
    ranks_run(2, try_what_cannot_be_shared, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_rows_with_codes_same_as_alone),
        cmocka_unit_test(more_rows_under_a_mask_same_as_alone),
        cmocka_unit_test(steps_classes_and_values_same_as_alone),
        cmocka_unit_test(tuning_by_the_clock_same_as_alone),
        cmocka_unit_test(tuning_by_trials_same_as_alone),
        cmocka_unit_test(named_rows_and_requests_same_as_alone),
        cmocka_unit_test(groups_of_rows_same_as_alone),
        cmocka_unit_test(few_rows_few_codebooks_one_class_same_as_alone),
        cmocka_unit_test(rows_of_a_source_same_as_alone),
        cmocka_unit_test(a_broken_row_same_as_alone),
        cmocka_unit_test(what_ranks_cannot_do_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
