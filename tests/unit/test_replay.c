/* Tests of replay: training again without some rows gives bit for bit the values of a model that never saw these
 * rows. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "bottleneck/value_types.h"
#include "unlearn/replay.h"

enum { VALUES = CODEBOOKS * KEYS * CLASSES };

static uint16_t codes[ROWS * CODEBOOKS * 2];
static uint64_t ids[ROWS];

static dkvb_train_options training(void)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    o.epochs = 3;
    o.batch = 20;
    o.rate_last = 1.5;
    o.class_weight = DKVB_CLASS_WEIGHT_BALANCED; /* class weights, which depend on the set of training rows */
    o.seed = 9;
    return o;
}

static bool none(size_t row)
{
    (void)row;
    return false;
}

static bool every_seventh(size_t row)
{
    return row % 7 == 2;
}

/* Makes a model on the codebooks of `keys` that was trained on all rows but those for which gone() is true, and that
 * keeps counts of pairs selected by each class.
 */
static dkvb_model *never_trained_on(const dkvb_model *keys, uint32_t k, bool (*gone)(size_t), uint32_t dtype)
{
    static uint16_t kept[ROWS * CODEBOOKS * 2];
    static uint64_t kept_ids[ROWS];
    static int32_t kept_labels[ROWS];
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options o = training();
    dkvb_model *model;
    size_t n = 0, size = CODEBOOKS * k;

    for (size_t r = 0; r < ROWS; r++) {
        if (gone(r))
            continue;
        memcpy(kept + n * size, codes + r * size, size * sizeof *codes);
        kept_labels[n] = labels[r];
        kept_ids[n++] = ids[r];
    }
    options.top_k = k;
    o.ids = kept_ids;
    assert_ok(dkvb_model_new(&model, dkvb_model_codebooks(keys), CLASSES, &options));
    assert_ok(dkvb_model_set_values(model, NULL, dtype));
    assert_ok(dkvb_model_train(model, kept, k, kept_labels, n, &o, NULL));
    assert_ok(dkvb_model_count_classes(model, kept, k, kept_labels, n, NULL));
    return model;
}

static dkvb_codeset *codeset_of(const dkvb_model *model, uint32_t k)
{
    dkvb_codeset_options options = DKVB_CODESET_OPTIONS_INIT;
    dkvb_train_options o = training();
    dkvb_codeset *set;

    options.top_k = k;
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &options));
    assert_ok(codeset_add(set, DKVB_PART_TRAINING, ids, labels, codes, ROWS));
    assert_ok(dkvb_codeset_add_session(set, model, &o, NULL, 0));
    return set;
}

/* Makes the keys and codes of trained_model(), with ids that are not row numbers. */
static dkvb_model *keys_and_codes(uint32_t k)
{
    dkvb_model *keys = trained_model(k, codes);

    for (size_t r = 0; r < ROWS; r++)
        ids[r] = 5 * r + 17;
    return keys;
}

static size_t list_gone(bool (*gone)(size_t), uint64_t without[ROWS])
{
    size_t n = 0;

    for (size_t r = ROWS; r-- > 0;) /* in no special order */
        if (gone(r))
            without[n++] = ids[r];
    return n;
}

static void assert_same_learning(const dkvb_model *a, const dkvb_model *b)
{
    assert_memory_equal(a->values, b->values, VALUES * dkvb__value_size(a->values_dtype));
    assert_memory_equal(a->counts, b->counts, VALUES * sizeof *a->counts);
    assert_true(a->rows_trained == b->rows_trained && a->values_dtype == b->values_dtype);
}

static void replay_gives_the_model_that_never_saw_the_rows(void **state)
{
    static const uint32_t dtypes[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};
    uint64_t without[ROWS], entry = 0;

    (void)state;
    for (uint32_t k = 1; k <= 2; k++)
        for (size_t t = 0; t < 3; t++) {
            dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
            dkvb_model *keys = keys_and_codes(k), *model = never_trained_on(keys, k, none, dtypes[t]);
            dkvb_model *expected = never_trained_on(keys, k, every_seventh, dtypes[t]);
            dkvb_codeset *set = codeset_of(model, k);
            size_t n = list_gone(every_seventh, without);

            run.threads = 1 + (uint32_t)t;
            assert_ok(dkvb_model_replay(model, set, without, n, NULL, &entry, &run));
            assert_int_equal(entry, 1);
            assert_same_learning(model, expected);
            dkvb_codeset_free(set);
            dkvb_model_free(expected);
            dkvb_model_free(model);
            dkvb_model_free(keys);
        }
}

/* Forgetting rows one at a time gives the same model as forgetting all of them at once; each time the row leaves the
 * codeset. */
static void requests_in_turn_end_where_one_request_does(void **state)
{
    uint64_t without[ROWS];
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_model *expected = never_trained_on(keys, 1, every_seventh, DKVB_DTYPE_F32);
    dkvb_codeset *set = codeset_of(model, 1);
    size_t n = list_gone(every_seventh, without);

    (void)state;
    for (size_t i = 0; i < n; i += 30) {
        size_t some = n - i < 30 ? n - i : 30;

        assert_ok(dkvb_model_replay(model, set, without + i, some, NULL, NULL, NULL));
        assert_ok(dkvb_codeset_remove(set, without + i, some, NULL));
    }
    assert_same_learning(model, expected);
    assert_int_equal(dkvb_model_replay(model, set, without, 1, NULL, NULL, NULL), DKVB_ENOTFOUND);
    dkvb_codeset_free(set);
    dkvb_model_free(expected);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

/* If the model was saved but the codeset was not, repeating the call brings both to the same state. */
static void a_replay_can_be_repeated_until_the_codeset_is_saved(void **state)
{
    uint64_t without[ROWS];
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_model *expected = never_trained_on(keys, 1, every_seventh, DKVB_DTYPE_F32);
    dkvb_codeset *set = codeset_of(model, 1);
    size_t n = list_gone(every_seventh, without);

    (void)state;
    assert_ok(dkvb_model_set_encoder(model, "pixels"));
    assert_ok(dkvb_model_replay(model, set, without, n, NULL, NULL, NULL));
    assert_ok(dkvb_model_replay(model, set, without, n, NULL, NULL, NULL));
    assert_same_learning(model, expected);
    assert_string_equal(encoder_of(model), "pixels"); /* a replay keeps the name of the encoder */
    assert_int_equal(dkvb_model_replay(model, set, without, n - 1, NULL, NULL, NULL), DKVB_EMISMATCH);
    dkvb_codeset_free(set);
    dkvb_model_free(expected);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

static void masks_of_other_requests_stay(void **state)
{
    uint64_t without[ROWS];
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_model *expected = never_trained_on(keys, 1, every_seventh, DKVB_DTYPE_F32);
    dkvb_codeset *set = codeset_of(model, 1);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 90), *left;
    size_t n = list_gone(every_seventh, without);

    (void)state;
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_replay(model, set, without, n, NULL, NULL, NULL));
    assert_same_learning(model, expected);
    assert_ok(dkvb_journal_get_mask(model, 0, &left));
    assert_true(dkvb_mask_equal(left, mask));
    assert_ok(dkvb_model_verify(model));
    dkvb_mask_free(left);
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(expected);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

static void purged_pairs_stay_dead(void **state)
{
    uint64_t without[ROWS], pair, from = 0;
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_codeset *set = codeset_of(model, 1);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 90);
    size_t n = list_gone(every_seventh, without);

    (void)state;
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_replay(model, set, without, n, NULL, NULL, NULL));
    assert_ok(dkvb_codeset_remove(set, without, n, NULL));
    /* the fingerprint depends on the rows, not on which pairs are masked */
    assert_ok(dkvb__replay_check(model, set, NULL, 0, NULL));
    for (; dkvb_mask_next(mask, from, &pair); from = pair + 1)
        assert_true(dkvb__values_zero((const float *)model->values + pair * CLASSES, DKVB_DTYPE_F32, CLASSES));
    assert_ok(dkvb_model_verify(model));
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

static int stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done > total / 2;
}

static void a_replay_that_fails_changes_nothing(void **state)
{
    uint64_t without[ROWS], wrong[2] = {ids[0], 3};
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_model *before = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_codeset *set = codeset_of(model, 1);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    size_t n = list_gone(every_seventh, without);

    (void)state;
    run.progress = stop;
    wrong[0] = ids[0];
    assert_int_equal(dkvb_model_replay(model, set, without, n, NULL, NULL, &run), DKVB_ECANCELLED);
    assert_int_equal(dkvb_model_replay(model, set, wrong, 2, NULL, NULL, NULL), DKVB_ENOTFOUND);
    assert_message("id 3");
    assert_ok(dkvb_codeset_remove(set, without, 1, NULL));
    assert_int_equal(dkvb_model_replay(model, set, without + 1, 1, NULL, NULL, NULL), DKVB_EMISMATCH);
    assert_message("1800 rows, counted in each epoch, but the codes are of 1797");
    assert_same_learning(model, before);
    assert_int_equal(journal_count(model), 0);
    dkvb_codeset_free(set);
    dkvb_model_free(before);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

/* These tests train a model twice on the codebooks of `keys`, without the rows for which gone() is true. The first
 * training has the even rows of all classes but the last. Then the model gets the last class and another number type of
 * values, and learns from the odd rows and, once more, from every fourth row. */
enum { FIRST_CLASSES = CLASSES - 1 };

static bool in_first(size_t row)
{
    return row % 2 == 0 && labels[row] < FIRST_CLASSES;
}

static bool in_second(size_t row)
{
    return row % 2 == 1 || row % 4 == 0;
}

static dkvb_train_options second_training(void)
{
    dkvb_train_options o = training();

    o.epochs = 2;
    o.learning_rate = 0.5;
    o.seed = 10;
    return o;
}

static void train_session(dkvb_model *model, uint32_t k, bool (*in)(size_t), bool (*gone)(size_t), dkvb_train_options o)
{
    static uint16_t kept[ROWS * CODEBOOKS * 2];
    static uint64_t kept_ids[ROWS];
    static int32_t kept_labels[ROWS];
    size_t n = 0, size = CODEBOOKS * k;

    for (size_t r = ROWS; r-- > 0;) { /* in no special order */
        if (!in(r) || gone(r))
            continue;
        memcpy(kept + n * size, codes + r * size, size * sizeof *codes);
        kept_labels[n] = labels[r];
        kept_ids[n++] = ids[r];
    }
    o.ids = kept_ids;
    assert_ok(dkvb_model_train(model, kept, k, kept_labels, n, &o, NULL));
    assert_ok(dkvb_model_count_classes(model, kept, k, kept_labels, n, NULL));
}

/* Trains a model twice, and records both trainings in `set` unless it is NULL; the rows of the second training are
 * added to the codeset before this training. */
static dkvb_model *train_twice(const dkvb_model *keys, uint32_t k, bool (*gone)(size_t), uint32_t dtype,
                               dkvb_codeset *set)
{
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options first = training(), second = second_training();
    dkvb_model *model;
    uint64_t took_part[ROWS];
    size_t n = 0, size = CODEBOOKS * k;

    options.top_k = k;
    assert_ok(dkvb_model_new(&model, dkvb_model_codebooks(keys), FIRST_CLASSES, &options));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_BF16));
    train_session(model, k, in_first, gone, first);
    for (size_t r = 0; set && r < ROWS; r++)
        if (in_first(r))
            assert_ok(codeset_add(set, DKVB_PART_TRAINING, &ids[r], &labels[r], codes + r * size, 1));
    if (set)
        assert_ok(dkvb_codeset_add_session(set, model, &first, NULL, 0));
    assert_ok(dkvb_model_add_classes(model, CLASSES - FIRST_CLASSES));
    assert_ok(dkvb_model_set_values(model, NULL, dtype));
    train_session(model, k, in_second, gone, second);
    for (size_t r = 0; set && r < ROWS; r++) {
        if (!in_second(r))
            continue;
        took_part[n++] = ids[r];
        if (!in_first(r))
            assert_ok(codeset_add(set, DKVB_PART_TRAINING, &ids[r], &labels[r], codes + r * size, 1));
    }
    if (set)
        assert_ok(dkvb_codeset_add_session(set, model, &second, took_part, n));
    return model;
}

static void sessions_are_replayed_in_turn(void **state)
{
    static const uint32_t dtypes[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16};
    uint64_t without[ROWS];

    (void)state;
    for (uint32_t k = 1; k <= 2; k++)
        for (size_t t = 0; t < 2; t++) {
            dkvb_model *keys = keys_and_codes(k), *model, *expected;
            dkvb_codeset_options options = DKVB_CODESET_OPTIONS_INIT;
            dkvb_codeset *set, *loaded;
            const char *path = temp_path("sessions");
            size_t n = 0;

            options.top_k = k;
            assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(keys), &options));
            model = train_twice(keys, k, none, dtypes[t], set);
            expected = train_twice(keys, k, every_seventh, dtypes[t], NULL);
            for (size_t r = 0; r < ROWS; r++)
                if (every_seventh(r) && (in_first(r) || in_second(r)))
                    without[n++] = ids[r];
            assert_ok(dkvb_codeset_save(set, path));
            assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
            assert_ok(dkvb_model_replay(model, loaded, without, n, NULL, NULL, NULL));
            assert_same_learning(model, expected);
            assert_memory_equal(model->trained, expected->trained, sizeof model->trained);
            assert_ok(dkvb_codeset_remove(loaded, without, n, NULL));
            assert_ok(dkvb_model_replay(model, loaded, NULL, 0, NULL, NULL, NULL));
            assert_same_learning(model, expected);
            dkvb_codeset_free(loaded);
            dkvb_codeset_free(set);
            dkvb_model_free(expected);
            dkvb_model_free(model);
            dkvb_model_free(keys);
        }
}

/* The codeset of another training has as many rows, on the same keys; only the fingerprint of the training differs. */
static void codes_of_another_training_are_refused(void **state)
{
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_model *before = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    dkvb_train_options o = training();
    dkvb_codeset *last;

    (void)state;
    for (int what = 0; what < 5; what++) {
        dkvb_codeset *set = codeset_of(model, 1);
        struct dkvb__coderows *kept = &set->part[DKVB_PART_TRAINING];

        switch (what) {
        case 0:
            kept->labels[3] = (kept->labels[3] + 1) % CLASSES;
            break;
        case 1:
            kept->codes[5] = (uint16_t)((kept->codes[5] + 1) % KEYS);
            break;
        case 2:
            kept->ids[ROWS - 1]++;
            break;
        case 3:
            set->session[0].training.seed++;
            break;
        default:
            set->session[0].training.learning_rate /= 2.0;
        }
        assert_int_equal(dkvb_model_replay(model, set, NULL, 0, NULL, NULL, NULL), DKVB_EMISMATCH);
        assert_message("the codes are not what the model was trained on");
        assert_int_equal(dkvb__replay_check(model, set, NULL, 0, NULL), DKVB_EMISMATCH);
        assert_same_learning(model, before);
        dkvb_codeset_free(set);
    }
    o.ids = ids;
    /* a training on no rows also counts as a training */
    assert_ok(dkvb_model_train(model, codes, 1, labels, 0, &o, NULL));
    last = codeset_of(model, 1);
    assert_int_equal(dkvb__replay_check(model, last, NULL, 0, NULL), DKVB_EMISMATCH);
    assert_ok(dkvb__replay_check(before, last, NULL, 0, NULL));
    dkvb_codeset_free(last);
    dkvb_model_free(before);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

static void new_values_can_be_looked_at_before_they_are_in_place(void **state)
{
    uint64_t without[ROWS], entry = 0;
    dkvb_model *keys = keys_and_codes(1), *model = never_trained_on(keys, 1, none, DKVB_DTYPE_F16);
    dkvb_model *before = never_trained_on(keys, 1, none, DKVB_DTYPE_F16);
    dkvb_model *expected = never_trained_on(keys, 1, every_seventh, DKVB_DTYPE_F16);
    dkvb_codeset *set = codeset_of(model, 1);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 90), *of_new;
    struct dkvb__replay *replay, *other;
    size_t n = list_gone(every_seventh, without);

    (void)state;
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb__replay_new(&replay, model, set, without, n, false, NULL));
    assert_ok(dkvb__replay_new(&other, model, set, without, 1, false, NULL));
    assert_same_learning(model, before);
    assert_same_learning(replay->after, expected);
    assert_ok(dkvb_journal_get_mask(replay->after, 0, &of_new));
    assert_true(dkvb_mask_equal(of_new, mask));
    assert_int_equal(journal_count(model), 1);
    assert_ok(dkvb__replay_commit(replay, NULL, &entry));
    assert_int_equal(entry, 2);
    assert_same_learning(model, expected);
    assert_ok(dkvb_model_verify(model));
    assert_int_equal(dkvb__replay_commit(replay, NULL, NULL), DKVB_ESTATE);
    /* the replay began from other values than the model's */
    assert_int_equal(dkvb__replay_commit(other, NULL, NULL), DKVB_ESTATE);
    assert_same_learning(model, expected);
    dkvb__replay_free(other);
    dkvb__replay_free(replay);
    dkvb__replay_free(NULL);
    dkvb_mask_free(of_new);
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(expected);
    dkvb_model_free(before);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

static void a_model_that_was_never_trained_is_trained_by_a_replay(void **state)
{
    uint64_t without[ROWS];
    dkvb_model *keys = keys_and_codes(1), *model, *expected = never_trained_on(keys, 1, every_seventh, DKVB_DTYPE_F16);
    dkvb_codeset *set = codeset_of(expected, 1), *empty;
    size_t n = list_gone(every_seventh, without);

    (void)state;
    assert_ok(dkvb_model_new(&model, dkvb_model_codebooks(keys), CLASSES, NULL));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16));
    /* makes the model keep counts of pairs selected by each class */
    assert_ok(dkvb_model_count_classes(model, codes, 1, labels, 0, NULL));
    assert_ok(dkvb_codeset_new(&empty, dkvb_model_codebooks(keys), NULL));
    assert_int_equal(dkvb_model_replay(model, empty, NULL, 0, NULL, NULL, NULL), DKVB_ESTATE);
    assert_message("dkvb_codeset_add_session()");
    assert_ok(dkvb_model_replay(model, set, without, n, NULL, NULL, NULL));
    assert_same_learning(model, expected);
    dkvb_codeset_free(empty);
    dkvb_codeset_free(set);
    dkvb_model_free(expected);
    dkvb_model_free(model);
    dkvb_model_free(keys);
}

static void each_allocation_may_fail(void **state)
{
    uint64_t without[ROWS];
    dkvb_model *keys = keys_and_codes(1), *plain = never_trained_on(keys, 1, none, DKVB_DTYPE_F32);
    const char *path = temp_path("replayed");
    dkvb_codeset *set = codeset_of(plain, 1);
    size_t n = list_gone(every_seventh, without);

    (void)state;
    assert_ok(dkvb_model_save(plain, path));
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
        dkvb_model *model;
        dkvb_status rc;

        o.allocator = &a;
        rc = dkvb_model_load(&model, path, &o);
        if (!rc) {
            rc = dkvb_model_replay(model, set, without, n, NULL, NULL, NULL);
            if (rc) {
                assert_same_learning(model, plain);
                assert_int_equal(journal_count(model), 0);
            }
        }
        dkvb_model_free(model);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
    dkvb_codeset_free(set);
    dkvb_model_free(plain);
    dkvb_model_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_gives_the_model_that_never_saw_the_rows),
        cmocka_unit_test(requests_in_turn_end_where_one_request_does),
        cmocka_unit_test(a_replay_can_be_repeated_until_the_codeset_is_saved),
        cmocka_unit_test(masks_of_other_requests_stay),
        cmocka_unit_test(purged_pairs_stay_dead),
        cmocka_unit_test(a_replay_that_fails_changes_nothing),
        cmocka_unit_test(sessions_are_replayed_in_turn),
        cmocka_unit_test(codes_of_another_training_are_refused),
        cmocka_unit_test(new_values_can_be_looked_at_before_they_are_in_place),
        cmocka_unit_test(a_model_that_was_never_trained_is_trained_by_a_replay),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
