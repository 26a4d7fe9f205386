/* Values learn as the formula says, whatever the threads; decoding answers as the formula says. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"

enum { VALUES = CODEBOOKS * KEYS * CLASSES };

static dkvb_codebooks *cb;
static uint16_t codes[ROWS * CODEBOOKS];

static int setup(void **state)
{
    dkvb_keyinit_options o = small_keyinit();

    (void)state;
    make_rows();
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes, NULL, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkvb_codebooks_free(cb);
    return 0;
}

static dkvb_model *new_model(void)
{
    dkvb_model *model;

    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    return model;
}

static dkvb_model *train(const dkvb_train_options *o, uint32_t threads)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_model *model = new_model();

    run.threads = threads;
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, o, &run));
    return model;
}

static void assert_same_values(const dkvb_model *a, const dkvb_model *b)
{
    assert_memory_equal(a->values, b->values, VALUES * sizeof(float));
}

/* One batch after another in plain loops with the C library's exp: what training means. */
static void plain_training(double *values, const dkvb_train_options *o, size_t n)
{
    double *error = malloc(o->batch * CLASSES * sizeof *error);

    for (size_t first = 0; first < n; first += o->batch) {
        size_t count = n - first < o->batch ? n - first : o->batch;

        for (size_t i = 0; i < count; i++) {
            double logits[CLASSES] = {0}, total = 0.0;

            for (size_t c = 0; c < CODEBOOKS; c++)
                for (size_t l = 0; l < CLASSES; l++)
                    logits[l] += values[(c * KEYS + codes[(first + i) * CODEBOOKS + c]) * CLASSES + l] / CODEBOOKS;
            for (size_t l = 0; l < CLASSES; l++)
                total += exp(logits[l]);
            for (size_t l = 0; l < CLASSES; l++)
                error[i * CLASSES + l] = (l == (size_t)labels[first + i]) - exp(logits[l]) / total;
        }
        for (size_t v = 0; v < VALUES; v++)
            values[v] *= 1.0 - o->learning_rate * o->weight_decay;
        for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < CODEBOOKS; c++)
                for (size_t l = 0; l < CLASSES; l++)
                    values[(c * KEYS + codes[(first + i) * CODEBOOKS + c]) * CLASSES + l] +=
                        o->learning_rate * error[i * CLASSES + l];
    }
    free(error);
}

static void training_follows_the_formula(void **state)
{
    static double expected[VALUES];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    (void)state;
    o.no_shuffle = 1;
    o.batch = 32;
    for (int decays = 0; decays < 2; decays++) {
        dkvb_model *model;

        o.weight_decay = decays ? 0.02 : 0.0; /* strong enough that the common factor is folded in on the way */
        model = train(&o, 2);
        memset(expected, 0, sizeof expected);
        plain_training(expected, &o, ROWS);
        /* Stored values are rounded to single precision at each of at most ROWS additions of at most learning_rate. */
        for (size_t v = 0; v < VALUES; v++)
            assert_true(fabs((double)((const float *)model->values)[v] - expected[v]) <=
                        ROWS * o.learning_rate * 0x1p-23);
        dkvb_model_free(model);
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *one, *three;

    (void)state;
    o.epochs = 3;
    o.batch = 50;
    o.weight_decay = 0.01;
    one = train(&o, 1);
    three = train(&o, 3);
    assert_same_values(one, three);
    dkvb_model_free(one);
    dkvb_model_free(three);
}

static void the_seed_orders_the_rows(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *a, *b, *c;

    (void)state;
    o.batch = 10;
    a = train(&o, 1);
    b = train(&o, 1);
    o.seed = 1;
    c = train(&o, 1);
    assert_same_values(a, b);
    assert_memory_not_equal(a->values, c->values, VALUES * sizeof(float));
    dkvb_model_free(a);
    dkvb_model_free(b);
    dkvb_model_free(c);
}

static void training_learns_the_classes(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    static int32_t answers[ROWS];
    dkvb_model *model;
    size_t right = 0;

    (void)state;
    o.epochs = 5;
    model = train(&o, 2);
    assert_ok(dkvb_model_classify(model, codes, 1, ROWS, answers, NULL));
    for (size_t r = 0; r < ROWS; r++)
        right += answers[r] == labels[r];
    assert_true(right > ROWS * 9 / 10);
    dkvb_model_free(model);
}

static void ignored_rows_teach_nothing(void **state)
{
    static int32_t some[ROWS];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *a = new_model(), *b = new_model();

    (void)state;
    o.no_shuffle = 1;
    for (size_t r = 0; r < ROWS; r++)
        some[r] = r < ROWS / 2 ? labels[r] : -1;
    assert_ok(dkvb_model_train(a, codes, 1, some, ROWS, &o, NULL));
    assert_ok(dkvb_model_train(b, codes, 1, labels, ROWS / 2, &o, NULL));
    assert_same_values(a, b);
    dkvb_model_free(a);
    dkvb_model_free(b);
}

/* Every third row gone: by label, and in fact; the others keep their ids. */
static void a_row_that_is_left_out_does_not_move_the_others(void **state)
{
    static int32_t some[ROWS], fewer_labels[ROWS];
    static uint16_t fewer_codes[ROWS * CODEBOOKS];
    static uint64_t ids[ROWS];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *ignored = new_model(), *cut = new_model(), *renumbered = new_model();
    size_t n = 0;

    (void)state;
    o.epochs = 3;
    o.batch = 50;
    for (size_t r = 0; r < ROWS; r++) {
        some[r] = r % 3 ? labels[r] : -1;
        if (r % 3 == 0)
            continue;
        memcpy(fewer_codes + n * CODEBOOKS, codes + r * CODEBOOKS, CODEBOOKS * sizeof *codes);
        fewer_labels[n] = labels[r];
        ids[n++] = r;
    }
    assert_ok(dkvb_model_train(ignored, codes, 1, some, ROWS, &o, NULL));
    assert_ok(dkvb_model_train(renumbered, fewer_codes, 1, fewer_labels, n, &o, NULL));
    o.ids = ids;
    assert_ok(dkvb_model_train(cut, fewer_codes, 1, fewer_labels, n, &o, NULL));
    assert_same_values(ignored, cut);
    assert_memory_not_equal(cut->values, renumbered->values, VALUES * sizeof(float));
    dkvb_model_free(ignored);
    dkvb_model_free(cut);
    dkvb_model_free(renumbered);
}

static void steps_add_up_to_one_training(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *whole, *steps = new_model();

    (void)state;
    o.no_shuffle = 1;
    o.batch = 100;
    o.weight_decay = 0.01;
    whole = train(&o, 2);
    assert_ok(dkvb_model_train_begin(steps, &o));
    for (size_t r = 0; r < ROWS; r += 200)
        assert_ok(dkvb_model_train_step(steps, codes + r * CODEBOOKS, 1, labels + r, 200, NULL));
    assert_true(((const float *)steps->values)[0] == 0.0f); /* not yet in place */
    assert_int_equal(dkvb_model_save(steps, temp_path("x")), DKVB_ESTATE);
    assert_ok(dkvb_model_train_end(steps));
    assert_same_values(whole, steps);
    assert_true(whole->rows_trained == ROWS && steps->rows_trained == ROWS);
    dkvb_model_free(whole);
    dkvb_model_free(steps);
}

static void an_aborted_training_leaves_the_values(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = train(&o, 1), *twin = train(&o, 1);

    (void)state;
    assert_ok(dkvb_model_train_begin(model, &o));
    assert_int_equal(dkvb_model_train_begin(model, &o), DKVB_ESTATE);
    assert_int_equal(dkvb_model_add_classes(model, 1), DKVB_ESTATE);
    assert_ok(dkvb_model_train_step(model, codes, 1, labels, ROWS, NULL));
    dkvb_model_train_abort(model);
    dkvb_model_train_abort(model);
    assert_same_values(model, twin);
    assert_int_equal(dkvb_model_train_step(model, codes, 1, labels, ROWS, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_model_train_end(model), DKVB_ESTATE);
    dkvb_model_free(model);
    dkvb_model_free(twin);
}

static int stop_after_first(void *user, const dkvb_train_report *report)
{
    dkvb_train_report *seen = user;

    *seen = *report;
    return 1;
}

static int stop_progress(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done * 2 > total;
}

static void callbacks_cancel_without_a_trace(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_train_report seen = {0};
    dkvb_model *model = new_model();

    (void)state;
    o.epochs = 4;
    o.report = stop_after_first;
    o.user = &seen;
    assert_int_equal(dkvb_model_train(model, codes, 1, labels, ROWS, &o, NULL), DKVB_ECANCELLED);
    assert_true(seen.epoch == 1 && seen.epochs == 4 && seen.rows == ROWS);
    assert_true(seen.loss > 0.0 && seen.accuracy >= 0.0 && seen.accuracy <= 1.0);
    o.report = NULL;
    run.progress = stop_progress;
    assert_int_equal(dkvb_model_train(model, codes, 1, labels, ROWS, &o, &run), DKVB_ECANCELLED);
    for (size_t v = 0; v < VALUES; v++)
        assert_true(((const float *)model->values)[v] == 0.0f);
    assert_true(model->rows_trained == 0);
    dkvb_model_free(model);
}

static void classes_can_be_added_and_learnt(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    static float before[ROWS * CLASSES], after[ROWS * (CLASSES + 1)];
    static int32_t shifted[ROWS], answers[ROWS];
    dkvb_model *model = train(&o, 1);
    size_t right = 0;

    (void)state;
    assert_ok(dkvb_model_set_class_name(model, 1, "one"));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, before, NULL));
    assert_ok(dkvb_model_add_classes(model, 1));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, after, NULL));
    for (size_t r = 0; r < ROWS; r++) {
        assert_memory_equal(before + r * CLASSES, after + r * (CLASSES + 1), CLASSES * sizeof(float));
        assert_true(after[r * (CLASSES + 1) + CLASSES] == 0.0f);
        shifted[r] = labels[r] == 0 ? CLASSES : labels[r];
    }
    assert_string_equal(dkvb_model_class_name(model, 1), "one");
    assert_null(dkvb_model_class_name(model, CLASSES));
    o.epochs = 10;
    assert_ok(dkvb_model_train(model, codes, 1, shifted, ROWS, &o, NULL));
    assert_ok(dkvb_model_classify(model, codes, 1, ROWS, answers, NULL));
    for (size_t r = 0; r < ROWS; r++)
        right += answers[r] == shifted[r];
    assert_true(right > ROWS * 9 / 10);
    dkvb_model_free(model);
}

static void logits_are_the_mean_of_the_selected_values(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    static float logits[ROWS * CLASSES];
    dkvb_model *model = train(&o, 1);

    (void)state;
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, logits, NULL));
    for (size_t r = 0; r < ROWS; r++)
        for (size_t l = 0; l < CLASSES; l++) {
            double sum = 0.0;

            for (size_t c = 0; c < CODEBOOKS; c++)
                sum += (double)((const float *)model->values)[(c * KEYS + codes[r * CODEBOOKS + c]) * CLASSES + l];
            assert_true(logits[r * CLASSES + l] == (float)(sum / CODEBOOKS));
        }
    dkvb_model_free(model);
}

/* Codebooks that no fixture has: enough of them, and ranks, for every way through the sums. */
enum { MANY = 43, FEW_KEYS = 5, MOST_RANKS = 3, MOST_CLASSES = 19 };

static dkvb_model *wide_model(uint32_t k, uint32_t classes)
{
    static const float keys[MANY * FEW_KEYS];
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_model_options m = DKVB_MODEL_OPTIONS_INIT;
    dkvb_codebooks *many;
    dkvb_model *model;

    o.codebooks = MANY;
    o.keys = FEW_KEYS;
    o.key_dim = 1;
    m.top_k = k;
    arrays.dim = 1;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&many, &arrays, &o));
    assert_ok(dkvb_model_new(&model, many, classes, &m));
    dkvb_codebooks_free(many);
    return model;
}

static void sums_run_in_order_in_double_precision(void **state)
{
    static float values[MANY * FEW_KEYS * MOST_CLASSES], logits[MOST_CLASSES];
    uint16_t code[MANY * MOST_RANKS];

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) /* so that another order gives other bits */
        values[i] = (float)((double)((i * 7919) % 1009) * (i % 3 ? 1e-4 : 1e15) / 7.0);
    for (uint32_t k = 1; k <= MOST_RANKS; k++)
        for (uint32_t classes = 1; classes <= MOST_CLASSES; classes++) {
            dkvb_model *model = wide_model(k, classes);

            assert_ok(dkvb_model_set_values(model, values));
            for (size_t i = 0; i < MANY * k; i++)
                code[i] = i % 11 == 7 ? DKVB_CODE_NONE : (uint16_t)(i * 3 % FEW_KEYS);
            assert_ok(dkvb_model_decode(model, code, k, 1, logits, NULL));
            for (size_t l = 0; l < classes; l++) {
                double sum = 0.0;

                for (size_t i = 0; i < MANY * k; i++)
                    if (code[i] != DKVB_CODE_NONE)
                        sum += (double)values[(i / k * FEW_KEYS + code[i]) * classes + l];
                assert_true(logits[l] == (float)(sum / (MANY * k)));
            }
            dkvb_model_free(model);
        }
}

/* In a first batch all classes are equally likely, so a row's error is known exactly. */
static void errors_are_added_in_the_order_of_rows_and_ranks(void **state)
{
    enum { MANY_ROWS = 70, RANKS = 2, LABELS = 3 };
    static uint16_t many[MANY_ROWS * MANY * RANKS];
    static float values[MANY * FEW_KEYS * LABELS], expected[MANY * FEW_KEYS * LABELS];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = wide_model(RANKS, LABELS);
    int32_t label[MANY_ROWS];

    (void)state;
    o.no_shuffle = 1;
    o.learning_rate = 0.7;
    for (size_t r = 0; r < MANY_ROWS; r++)
        label[r] = (int32_t)(r * r % 7 % LABELS);
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        size_t r = i / (MANY * RANKS), c = i / RANKS % MANY;

        many[i] = i % 13 == 5 ? DKVB_CODE_NONE : (uint16_t)((r * 3 + i * (r % 4)) % FEW_KEYS);
        for (int32_t l = 0; l < LABELS && many[i] != DKVB_CODE_NONE; l++)
            expected[(c * FEW_KEYS + many[i]) * LABELS + (size_t)l] +=
                (float)(o.learning_rate * ((l == label[r] ? 1.0 : 0.0) - 1.0 / LABELS));
    }
    assert_ok(dkvb_model_train(model, many, RANKS, label, MANY_ROWS, &o, NULL));
    assert_ok(dkvb_model_get_values(model, values));
    assert_memory_equal(values, expected, sizeof values);
    dkvb_model_free(model);
}

struct heard {
    uint64_t last, total;
    bool ascending;
};

static int hear(void *user, uint64_t done, uint64_t total)
{
    struct heard *heard = user;

    heard->ascending = heard->ascending && done >= heard->last && done <= total;
    heard->last = done;
    heard->total = total;
    return 0;
}

static void progress_of_decoding_counts_rows(void **state)
{
    static float logits[ROWS * CLASSES];
    dkvb_model *model = new_model();

    (void)state;
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct heard heard = {0, 0, true};
        dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

        run.threads = threads;
        run.progress = hear;
        run.user = &heard;
        assert_ok(dkvb_model_decode(model, codes, 1, ROWS - 1, logits, &run));
        assert_true(heard.ascending && heard.last == ROWS - 1 && heard.total == ROWS - 1);
    }
    dkvb_model_free(model);
}

static void more_threads_than_calls_take_are_not_promised(void **state)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_model *model = new_model();
    int32_t label;

    (void)state;
    run.threads = 5000;
    assert_true(dkvb_runtime_threads(&run) <= 1024);
    assert_int_equal(dkvb_model_classify(model, codes, 1, 1, &label, &run), DKVB_EINVAL);
    assert_message("at most 1024");
    dkvb_model_free(model);
}

static void predict_is_search_and_decode(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    static float logits[2][ROWS * CLASSES];
    static int32_t answers[2][ROWS];
    dkvb_model *model = train(&o, 1);

    (void)state;
    assert_ok(dkvb_model_predict(model, rows, ROWS, answers[0], logits[0], NULL));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, logits[1], NULL));
    assert_ok(dkvb_model_classify(model, codes, 1, ROWS, answers[1], NULL));
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
    assert_ok(dkvb_model_predict(model, NULL, 0, NULL, NULL, NULL));
    dkvb_model_free(model);
}

static void a_row_without_live_keys_abstains(void **state)
{
    uint16_t none[CODEBOOKS];
    float logits[CLASSES];
    int32_t label = 7;
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = train(&o, 1);
    dkvb_mask *all;

    (void)state;
    memset(none, 0xFF, sizeof none);
    assert_ok(dkvb_model_classify(model, none, 1, 1, &label, NULL));
    assert_int_equal(label, -1);
    assert_ok(dkvb_mask_new(&all, cb));
    for (uint32_t c = 0; c < CODEBOOKS; c++)
        for (uint32_t j = 0; j < KEYS; j++)
            assert_ok(dkvb_mask_add(all, c, j));
    assert_ok(dkvb_model_forget(model, all, NULL, NULL));
    assert_ok(dkvb_model_predict(model, rows, 1, &label, logits, NULL));
    assert_int_equal(label, -1);
    for (size_t l = 0; l < CLASSES; l++)
        assert_true(logits[l] == 0.0f);
    dkvb_mask_free(all);
    dkvb_model_free(model);
}

static void bad_codes_and_labels_are_named(void **state)
{
    dkvb_model *model = new_model();
    uint16_t wrong[2 * CODEBOOKS];
    int32_t one_label[2] = {0, CLASSES};
    float logits[2 * CLASSES];

    (void)state;
    memcpy(wrong, codes, sizeof wrong);
    assert_int_equal(dkvb_model_decode(model, wrong, 2, 1, logits, NULL), DKVB_EMISMATCH);
    assert_int_equal(dkvb_model_train(model, wrong, 1, one_label, 2, NULL, NULL), DKVB_EINVAL);
    assert_message("row 1 is 4");
    wrong[CODEBOOKS + 3] = KEYS;
    assert_int_equal(dkvb_model_decode(model, wrong, 1, 2, logits, NULL), DKVB_EINVAL);
    assert_message("row 1, codebook 3 names key 70");
    dkvb_model_free(model);
}

static void softmax_argmax_and_top_agree(void **state)
{
    const float logits[2][4] = {{1.0f, 3.0f, 3.0f, -100.0f}, {0.0f, -1.0f, 2.0f, 5.0f}};
    float probs[2][4], scores[2][4];
    int32_t best[2], top[2][4];
    double sum = 0.0;

    (void)state;
    dkvb_decode_softmax(logits[0], 2, 4, probs[0]);
    for (size_t l = 0; l < 4; l++)
        sum += (double)probs[0][l];
    assert_true(fabs(sum - 1.0) < 1e-6);
    assert_true(fabs((double)probs[0][0] - exp(-2.0) / (exp(-2.0) + 2.0)) < 1e-7);
    dkvb_decode_argmax(logits[0], 2, 4, best);
    assert_int_equal(best[0], 1); /* the lower of two equal */
    assert_int_equal(best[1], 3);
    assert_ok(dkvb_decode_top(logits[0], 2, 4, 4, top[0], scores[0]));
    assert_memory_equal(top[0], ((const int32_t[]){1, 2, 0, 3}), sizeof top[0]);
    assert_memory_equal(top[1], ((const int32_t[]){3, 2, 0, 1}), sizeof top[1]);
    assert_true(scores[1][0] == 5.0f && scores[1][3] == -1.0f);
    assert_ok(dkvb_decode_top(logits[0], 2, 4, 2, top[0], NULL));
    assert_int_equal(top[0][1], 2);
    assert_int_equal(dkvb_decode_top(logits[0], 2, 4, 5, top[0], NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_decode_top(logits[0], 2, 4, 0, top[0], NULL), DKVB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_follows_the_formula),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(the_seed_orders_the_rows),
        cmocka_unit_test(training_learns_the_classes),
        cmocka_unit_test(ignored_rows_teach_nothing),
        cmocka_unit_test(a_row_that_is_left_out_does_not_move_the_others),
        cmocka_unit_test(steps_add_up_to_one_training),
        cmocka_unit_test(an_aborted_training_leaves_the_values),
        cmocka_unit_test(callbacks_cancel_without_a_trace),
        cmocka_unit_test(classes_can_be_added_and_learnt),
        cmocka_unit_test(logits_are_the_mean_of_the_selected_values),
        cmocka_unit_test(sums_run_in_order_in_double_precision),
        cmocka_unit_test(errors_are_added_in_the_order_of_rows_and_ranks),
        cmocka_unit_test(progress_of_decoding_counts_rows),
        cmocka_unit_test(more_threads_than_calls_take_are_not_promised),
        cmocka_unit_test(predict_is_search_and_decode),
        cmocka_unit_test(a_row_without_live_keys_abstains),
        cmocka_unit_test(bad_codes_and_labels_are_named),
        cmocka_unit_test(softmax_argmax_and_top_agree),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
