/* Tests of training in place, with a single copy of the values: the values get the same bytes as with two copies, and a
 * failed training leaves no values. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"
#include "unlearn/replay.h"

static uint16_t codes[ROWS * CODEBOOKS];

static void assert_same_files(const char *a, const char *b)
{
    size_t size[2];
    unsigned char *data[2] = {read_file(a, &size[0]), read_file(b, &size[1])};

    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    free(data[0]);
    free(data[1]);
}

static dkvb_fit_rows all_rows(uint32_t classes)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows;
    r.labels = labels;
    r.n = ROWS;
    r.dim = DIM;
    r.classes = classes;
    return r;
}

static dkvb_settings settings_of(void)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;

    s.keyinit = small_keyinit();
    s.train.epochs = 2;
    s.train.learning_rate = 0.1;
    s.whiten = DKVB_WHITEN_NEVER;
    return s;
}

/* Fits a model in place, and trains it further on the same rows with other ids, without and with a codeset. */
static void a_training_in_place_has_the_bytes_of_one_with_a_copy(void **state)
{
    static const uint32_t types[] = {DKVB_DTYPE_F16, DKVB_DTYPE_BF16, DKVB_DTYPE_F32};
    static const uint32_t classes[] = {CLASSES, 17, 40};
    static uint64_t more_ids[ROWS];
    const char *path[2] = {temp_path("m0"), temp_path("m1")};

    (void)state;
    make_rows();
    for (size_t i = 0; i < ROWS; i++)
        more_ids[i] = 10000 + i;
    for (size_t t = 0; t < 3; t++)
        for (size_t l = 0; l < 3; l++)
            for (int with_set = 0; with_set < 2; with_set++) {
                for (uint32_t way = 0; way < 2; way++) {
                    dkvb_settings s = settings_of();
                    dkvb_fit_rows r = all_rows(classes[l]);
                    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
                    dkvb_codeset *set = NULL;
                    dkvb_model *model;

                    o.settings = &s;
                    o.values_dtype = types[t];
                    o.in_place = way;
                    assert_ok(dkvb_fit(&model, with_set ? &set : NULL, &r, &o, NULL, NULL));
                    r.ids = more_ids;
                    for (int again = 0; again < 2; again++) {
                        s.keyinit = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
                        assert_ok(dkvb_fit_more(model, again ? NULL : set, &r, &o, NULL, NULL));
                    }
                    assert_int_equal(model->roomy, way);
                    assert_ok(dkvb_model_save(model, path[way]));
                    dkvb_model_free(model);
                    dkvb_codeset_free(set);
                }
                assert_same_files(path[0], path[1]);
            }
}

static int stop_after_one(void *user, const dkvb_train_report *report)
{
    const dkvb_model *model = *(dkvb_model **)user;
    float logits[CLASSES];

    assert_int_equal(dkvb_model_predict(model, rows, 1, NULL, logits, NULL), DKVB_ESTATE);
    assert_message("trained in place");
    return report->epoch == 1;
}

static void a_training_in_place_that_is_cancelled_leaves_a_model_that_learned_nothing(void **state)
{
    dkvb_model *model = trained_model(1, codes), *blank;
    dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    static float values[2][CODEBOOKS * KEYS * CLASSES];
    static int32_t answers[ROWS];

    (void)state;
    train.report = stop_after_one;
    train.user = &model;
    assert_int_equal(dkvb__model_train_in_place(model, codes, 1, labels, ROWS, &train, NULL), DKVB_ECANCELLED);
    assert_ok(dkvb_model_new(&blank, model->codebooks, CLASSES, &options));
    assert_ok(dkvb_model_get_values(model, values[0]));
    assert_ok(dkvb_model_get_values(blank, values[1]));
    assert_memory_equal(values[0], values[1], sizeof values[0]);
    assert_ok(dkvb_model_predict(model, rows, ROWS, answers, NULL, NULL));
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(answers[i], -1);
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, &(dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT, NULL));
    assert_ok(dkvb_model_train(blank, codes, 1, labels, ROWS, &(dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT, NULL));
    assert_int_equal(model->rows_trained, blank->rows_trained);
    assert_memory_equal(model->trained, blank->trained, sizeof model->trained);
    dkvb_model_free(blank);
    dkvb_model_free(model);
}

static void nothing_of_the_float_values_stays_behind_the_rounded_ones(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    size_t rounded = CODEBOOKS * KEYS * CLASSES * 2, whole = CODEBOOKS * KEYS * CLASSES * sizeof(float);

    (void)state;
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16));
    assert_ok(
        dkvb__model_train_in_place(model, codes, 1, labels, ROWS, &(dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT, NULL));
    assert_true(model->roomy);
    for (size_t i = rounded; i < whole; i++)
        assert_int_equal(((unsigned char *)model->values)[i], 0);
    dkvb_model_free(model);
}

static void a_training_in_place_survives_every_failing_allocation(void **state)
{
    static int32_t answers[ROWS];

    (void)state;
    make_rows();
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc counts;
        dkvb_allocator mem = failing_allocator(&counts, SIZE_MAX);
        dkvb_settings s = settings_of();
        dkvb_fit_rows r = all_rows(0);
        dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
        dkvb_model *model;
        dkvb_status rc;

        o.settings = &s;
        o.in_place = 1;
        o.allocator = &mem;
        assert_ok(dkvb_fit(&model, NULL, &r, &o, NULL, NULL));
        counts.fail_at = counts.calls + fail_at;
        s.keyinit = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
        rc = dkvb_fit_more(model, NULL, &r, &o, NULL, NULL);
        counts.fail_at = SIZE_MAX;
        assert_non_null(model->values);
        assert_ok(dkvb_model_predict(model, rows, ROWS, answers, NULL, NULL));
        dkvb_model_free(model);
        assert_int_equal(counts.live, 0);
        if (!rc)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
        assert_true(fail_at < 500);
    }
}

/* The replay repeats two trainings, of which the second continues in the memory of the first. */
static void a_replay_in_place_has_the_values_of_one_with_a_copy(void **state)
{
    static const uint64_t without[] = {3, 77, 401};
    static uint64_t more_ids[ROWS];
    static float values[2][CODEBOOKS * KEYS * CLASSES];
    dkvb_settings s = settings_of();
    dkvb_fit_rows r = all_rows(0);
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_codeset *set;
    dkvb_model *model;

    (void)state;
    make_rows();
    r = all_rows(0);
    o.settings = &s;
    assert_ok(dkvb_fit(&model, &set, &r, &o, NULL, NULL));
    for (size_t i = 0; i < ROWS; i++)
        more_ids[i] = 10000 + i;
    r.ids = more_ids;
    s.keyinit = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
    assert_ok(dkvb_fit_more(model, set, &r, &o, NULL, NULL));
    for (int way = 0; way < 2; way++) {
        struct dkvb__replay *replay;

        assert_ok(dkvb__replay_new(&replay, model, set, without, 3, way, NULL));
        assert_ok(dkvb_model_get_values(replay->after, values[way]));
        assert_int_equal(replay->after->roomy, way);
        dkvb__replay_free(replay);
    }
    assert_memory_equal(values[0], values[1], sizeof values[0]);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
}

static void work_in_place_allows_no_relearning(void **state)
{
    dkvb_model *model = trained_model(1, NULL);
    dkvb_settings s = DKVB_SETTINGS_INIT;
    dkvb_fit_rows r = all_rows(0);
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    (void)state;
    o.settings = &s;
    o.in_place = 1;
    s.train.relearn = 1;
    assert_int_equal(dkvb_fit_more(model, NULL, &r, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("in_place does not allow relearn");
    o.in_place = 2;
    assert_int_equal(dkvb_fit_more(model, NULL, &r, &o, NULL, NULL), DKVB_EINVAL);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_in_place_has_the_bytes_of_one_with_a_copy),
        cmocka_unit_test(a_training_in_place_that_is_cancelled_leaves_a_model_that_learned_nothing),
        cmocka_unit_test(nothing_of_the_float_values_stays_behind_the_rounded_ones),
        cmocka_unit_test(a_training_in_place_survives_every_failing_allocation),
        cmocka_unit_test(a_replay_in_place_has_the_values_of_one_with_a_copy),
        cmocka_unit_test(work_in_place_allows_no_relearning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
