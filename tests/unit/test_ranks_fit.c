/* Tests that a model which ranks share equals the model of one process byte for byte: in training, predictions,
 * forgetting and files.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"
#include "ranks_threads.h"

enum { BOOKS = 72, PLACES = 20, TOP_K = 3, MOST_RANKS = 8 };

static int setup(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

/* The predictions and the contents of a model, for comparison. */
struct seen {
    float *values, *logits;
    uint64_t *counts; /* of class 1 */
    int32_t *answers, *decoded;
    uint16_t *codes;
    double temperature;
    uint8_t trained[16], birth[16];
    dkvb_fit_report report;
    dkvb_outside outside;
};

static void seen_free(struct seen *s)
{
    free(s->values);
    free(s->counts);
    free(s->logits);
    free(s->answers);
    free(s->decoded);
    free(s->codes);
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

static dkvb_fit_options options(dkvb_settings *settings)
{
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    *settings = (dkvb_settings)DKVB_SETTINGS_INIT;
    settings->train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    settings->train.epochs = 2;
    settings->train.batch = 37;
    settings->keyinit.codebooks = BOOKS;
    settings->keyinit.keys = PLACES;
    settings->keyinit.key_dim = KEY_DIM;
    settings->top_k = TOP_K;
    o.count_classes = 1;
    o.settings = settings;
    return o;
}

static void look(struct seen *s, const dkvb_model *model, const dkvb_run_options *run)
{
    dkvb_run_options counting = *run;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    assert_ok(dkvb_model_get_info(model, &info));
    s->values = calloc((size_t)BOOKS * PLACES * info.classes, sizeof(float));
    s->logits = calloc((size_t)ROWS * info.classes, sizeof(float));
    s->answers = calloc(ROWS, sizeof(int32_t));
    s->decoded = calloc(ROWS, sizeof(int32_t));
    s->codes = calloc((size_t)ROWS * BOOKS * TOP_K, sizeof(uint16_t));
    s->temperature = info.temperature;
    memcpy(s->trained, info.trained, 16);
    memcpy(s->birth, info.birth, 16);
    assert_ok(dkvb_model_get_values(model, s->values));
    s->counts = calloc((size_t)BOOKS * PLACES, sizeof(uint64_t));
    assert_ok(dkvb_model_class_counts(model, 1, s->counts));
    s->outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    counting.outside = &s->outside;
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, TOP_K, s->codes, NULL, &counting));
    assert_ok(dkvb_model_decode(model, s->codes, TOP_K, ROWS, s->decoded, NULL, run));
    assert_ok(dkvb_model_predict(model, rows, ROWS, s->answers, s->logits, run));
}

static void assert_same(const struct seen *a, const struct seen *b, uint32_t classes)
{
    assert_memory_equal(a->birth, b->birth, 16);
    assert_memory_equal(a->codes, b->codes, (size_t)ROWS * BOOKS * TOP_K * sizeof(uint16_t));
    assert_memory_equal(a->trained, b->trained, 16);
    assert_memory_equal(a->values, b->values, (size_t)BOOKS * PLACES * classes * sizeof(float));
    assert_memory_equal(a->logits, b->logits, (size_t)ROWS * classes * sizeof(float));
    assert_memory_equal(a->answers, b->answers, ROWS * sizeof(int32_t));
    assert_memory_equal(a->decoded, b->decoded, ROWS * sizeof(int32_t));
    assert_memory_equal(a->counts, b->counts, (size_t)BOOKS * PLACES * sizeof(uint64_t));
    assert_true(a->temperature == b->temperature);
    assert_memory_equal(&a->outside, &b->outside, sizeof a->outside);
    assert_true(a->report.held_out_accuracy == b->report.held_out_accuracy);
    assert_true(a->report.loss == b->report.loss && a->report.accuracy == b->report.accuracy);
}

struct fitting {
    struct seen seen[MOST_RANKS];
    uint32_t classes, threads;
    int loads; /* 1 if the model is saved and loaded before predicting, 2 if it is saved and mapped */
    char path[4096];
};

static void fit_and_look(const dkvb_ranks *ranks, void *context)
{
    struct fitting *f = context;
    struct seen *s = &f->seen[ranks->rank];
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_settings settings;
    dkvb_fit_options o = options(&settings);
    dkvb_fit_rows r = all_rows();
    dkvb_codeset *set;
    dkvb_model *model;

    run.ranks = ranks;
    run.threads = f->threads;
    s->report = (dkvb_fit_report)DKVB_FIT_REPORT_INIT;
    assert_ok(dkvb_fit(&model, &set, &r, &o, &s->report, &run));
    if (ranks->rank == 0)
        f->classes = s->report.classes;
    if (ranks->count > 1)
        assert_true(dkvb__own_pairs(model) < dkvb__pair_count(model));
    if (f->loads) { /* each rank loads its own part of the values from the file that rank 0 wrote */
        dkvb_model_options from_file = DKVB_MODEL_OPTIONS_INIT;

        assert_ok(dkvb_model_save(model, f->path));
        dkvb_model_free(model);
        from_file.ranks = ranks;
        from_file.in_place = f->loads == 2;
        assert_ok(dkvb_model_load(&model, f->path, &from_file));
        if (ranks->count > 1)
            assert_true(dkvb__own_pairs(model) < dkvb__pair_count(model));
    }
    look(s, model, &run);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void test_training_and_answers(void **state)
{
    static const unsigned counts[] = {1, 2, 3, 4, 8};
    static const dkvb_ranks alone = DKVB_RANKS_INIT;
    struct fitting one = {.threads = 2};

    (void)state;
    fit_and_look(&alone, &one);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct fitting f = {.threads = 1 + i % 2};

        ranks_run(counts[i], fit_and_look, &f);
        for (unsigned r = 0; r < counts[i]; r++) {
            assert_same(&one.seen[0], &f.seen[r], one.classes);
            seen_free(&f.seen[r]);
        }
    }
    seen_free(&one.seen[0]);
}

static void test_files(void **state)
{
    static const unsigned counts[] = {2, 3, 4, 8};
    static const dkvb_ranks alone = DKVB_RANKS_INIT;
    struct fitting one = {.threads = 2, .loads = 1};
    size_t size, other;
    unsigned char *bytes, *others;

    (void)state;
    snprintf(one.path, sizeof one.path, "%s", temp_path("alone.dkvb"));
    fit_and_look(&alone, &one);
    bytes = read_file(one.path, &size);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct fitting f = {.threads = 1, .loads = 1 + (int)i % 2};

        snprintf(f.path, sizeof f.path, "%s", temp_path("shared.dkvb"));
        ranks_run(counts[i], fit_and_look, &f);
        others = read_file(f.path, &other);
        assert_int_equal(size, other);
        assert_memory_equal(bytes, others, size);
        free(others);
        for (unsigned r = 0; r < counts[i]; r++) {
            assert_same(&one.seen[0], &f.seen[r], one.classes);
            seen_free(&f.seen[r]);
        }
    }
    free(bytes);
    seen_free(&one.seen[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_and_answers),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
