/* Tests of values: training and decoding follow their formulas, with any number of threads. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/exact_math.h"
#include "bottleneck/model.h"
#include "kernels/kernels.h"

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
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
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

/* Makes labels of classes of very different sizes, and some rows without a label. */
static void make_uneven(int32_t uneven[ROWS])
{
    for (size_t r = 0; r < ROWS; r++)
        uneven[r] = r % 11 == 3 ? -1 : labels[r] == 0 || r % 10 == (size_t)labels[r] ? labels[r] : 1;
}

/* Trains values in plain loops, epoch by epoch and batch by batch: the definition of training. */
static void plain_training(double *values, const dkvb_train_options *o, const int32_t *label)
{
    double(*error)[CLASSES] = malloc(o->batch * sizeof *error), n = 0.0, of[CLASSES] = {0.0};
    size_t row[ROWS], count = 0;

    for (size_t r = 0; r < ROWS; r++)
        if (label[r] >= 0) {
            of[label[r]] += 1.0;
            n += 1.0;
            row[count++] = r;
        }
    for (uint32_t epoch = 0; epoch < o->epochs; epoch++) {
        double rate = o->learning_rate;

        if (o->epochs > 1)
            rate *= pow(o->rate_last / o->learning_rate, (double)epoch / (o->epochs - 1));
        for (size_t first = 0; first < count; first += o->batch) {
            size_t rows_now = count - first < o->batch ? count - first : o->batch;

            for (size_t i = 0; i < rows_now; i++) {
                const uint16_t *code = codes + row[first + i] * CODEBOOKS;
                double logits[CLASSES] = {0}, total = 0.0;

                for (size_t c = 0; c < CODEBOOKS; c++)
                    for (size_t l = 0; l < CLASSES; l++)
                        logits[l] += values[(c * KEYS + code[c]) * CLASSES + l] / CODEBOOKS;
                for (size_t l = 0; l < CLASSES; l++)
                    total += exp(logits[l]);
                for (size_t l = 0; l < CLASSES; l++) {
                    int32_t y = label[row[first + i]];
                    double target = o->label_smoothing / CLASSES + ((int32_t)l == y ? 1.0 - o->label_smoothing : 0.0);
                    double weight = o->class_weight ? n / (CLASSES * of[y]) : 1.0;

                    error[i][l] = rate * weight * (target - exp(logits[l]) / total);
                }
            }
            for (size_t i = 0; i < rows_now; i++)
                for (size_t c = 0; c < CODEBOOKS; c++)
                    for (size_t l = 0; l < CLASSES; l++)
                        values[(c * KEYS + codes[row[first + i] * CODEBOOKS + c]) * CLASSES + l] += error[i][l];
        }
    }
    free(error);
}

/* Tolerance: a value is rounded by at most epochs * ROWS additions, half a unit in the last place each; what is added
 * is wrong by the rounding of a logit, a sum of CODEBOOKS values of at most `most`. */
static void training_follows_the_formula(void **state)
{
    static double expected[VALUES];
    static int32_t uneven[ROWS];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    (void)state;
    o.no_shuffle = 1;
    o.batch = 32;
    make_uneven(uneven);
    for (int variant = 0; variant < 6; variant++) {
        dkvb_model *model = new_model();
        double most = 0.0, tolerance;

        o.epochs = variant == 2 ? 3 : 1;
        o.learning_rate = variant == 2 ? 2.0 : 1.5;
        o.rate_last = 0.25;
        o.label_smoothing = variant == 1 || variant == 5 ? 0.3 : 0.0;
        o.class_weight = variant >= 3 ? DKVB_CLASS_WEIGHT_BALANCED : DKVB_CLASS_WEIGHT_NONE;
        assert_ok(dkvb_model_train(model, codes, 1, variant >= 3 ? uneven : labels, ROWS, &o, NULL));
        memset(expected, 0, sizeof expected);
        plain_training(expected, &o, variant >= 3 ? uneven : labels);
        for (size_t v = 0; v < VALUES; v++)
            most = fabs(expected[v]) > most ? fabs(expected[v]) : most;
        tolerance = o.epochs * ROWS * most * 0x1p-24 * (1.0 + o.learning_rate * CODEBOOKS / CODEBOOKS);
        for (size_t v = 0; v < VALUES; v++)
            assert_true(fabs((double)((const float *)model->values)[v] - expected[v]) <= tolerance);
        dkvb_model_free(model);
    }
}

static void the_rate_falls_by_the_same_factor_from_epoch_to_epoch(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *constant = new_model(), *zero = new_model(), *single = new_model(), *first = new_model();

    (void)state;
    o.epochs = 3;
    o.learning_rate = 2.0;
    o.rate_last = 2.0;
    assert_ok(dkvb_model_train(constant, codes, 1, labels, ROWS, &o, NULL));
    o.rate_last = 0.0;
    assert_ok(dkvb_model_train(zero, codes, 1, labels, ROWS, &o, NULL));
    assert_memory_equal(constant->values, zero->values, VALUES * sizeof(float));
    o.epochs = 1;
    assert_ok(dkvb_model_train(first, codes, 1, labels, ROWS, &o, NULL));
    o.rate_last = 0.5; /* a training of one epoch uses the first learning rate only */
    assert_ok(dkvb_model_train(single, codes, 1, labels, ROWS, &o, NULL));
    assert_memory_equal(first->values, single->values, VALUES * sizeof(float));
    dkvb_model_free(constant);
    dkvb_model_free(zero);
    dkvb_model_free(single);
    dkvb_model_free(first);
}

static void options_out_of_range_are_named(void **state)
{
    static const struct {
        double rate, last, smoothing;
        uint32_t weight;
        const char *message;
    } bad[] = {
        {0.0, 1.0, 0.1, 0, "learning rate is 0"},    {1.0, -1.0, 0.1, 0, "last learning rate is -1"},
        {1.0, NAN, 0.1, 0, "last learning rate"},    {1.0, 1.0, 1.0, 0, "label smoothing is 1"},
        {1.0, 1.0, -0.1, 0, "label smoothing is -"}, {1.0, 1.0, 0.1, 2, "class weight is 2"},
    };
    dkvb_model *model = new_model();

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

        o.learning_rate = bad[i].rate;
        o.rate_last = bad[i].last;
        o.label_smoothing = bad[i].smoothing;
        o.class_weight = bad[i].weight;
        assert_int_equal(dkvb_model_train(model, codes, 1, labels, ROWS, &o, NULL), DKVB_EINVAL);
        assert_message(bad[i].message);
    }
    dkvb_model_free(model);
}

static void threads_do_not_change_a_bit(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *one, *three;

    (void)state;
    o.epochs = 3;
    o.batch = 50;
    o.class_weight = DKVB_CLASS_WEIGHT_BALANCED;
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
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, answers, NULL, NULL));
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

/* Leaves out every third row in two ways, by label -1 and by removing it; all other rows keep their ids. */
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
    o.epochs = 1;
    whole = train(&o, 2);
    assert_ok(dkvb_model_train_begin(steps, &o));
    for (size_t r = 0; r < ROWS; r += 200)
        assert_ok(dkvb_model_train_step(steps, codes + r * CODEBOOKS, 1, labels + r, 200, NULL));
    assert_true(((const float *)steps->values)[0] == 0.0f); /* the trained values are not yet in the model */
    assert_int_equal(dkvb_model_save(steps, temp_path("x")), DKVB_ESTATE);
    assert_ok(dkvb_model_train_end(steps, 1));
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
    assert_ok(dkvb_model_train_end(model, 0));
    assert_ok(dkvb_model_train_end(model, 0));
    assert_same_values(model, twin);
    assert_int_equal(dkvb_model_train_step(model, codes, 1, labels, ROWS, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_model_train_end(model, 1), DKVB_ESTATE);
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
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, NULL, before, NULL));
    assert_ok(dkvb_model_add_classes(model, 1));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, NULL, after, NULL));
    for (size_t r = 0; r < ROWS; r++) {
        assert_memory_equal(before + r * CLASSES, after + r * (CLASSES + 1), CLASSES * sizeof(float));
        assert_true(after[r * (CLASSES + 1) + CLASSES] == 0.0f);
        shifted[r] = labels[r] == 0 ? CLASSES : labels[r];
    }
    assert_string_equal(dkvb_model_class_name(model, 1), "one");
    assert_null(dkvb_model_class_name(model, CLASSES));
    o.epochs = 10;
    assert_ok(dkvb_model_train(model, codes, 1, shifted, ROWS, &o, NULL));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, answers, NULL, NULL));
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
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, NULL, logits, NULL));
    for (size_t r = 0; r < ROWS; r++)
        for (size_t l = 0; l < CLASSES; l++) {
            double sum = 0.0, size = 0.0;

            for (size_t c = 0; c < CODEBOOKS; c++) {
                float v = ((const float *)model->values)[(c * KEYS + codes[r * CODEBOOKS + c]) * CLASSES + l];

                sum += (double)v;
                size += fabs((double)v);
            }
            /* Each of the CODEBOOKS additions, and the resulting logit, is rounded to single precision. */
            assert_true(fabs((double)logits[r * CLASSES + l] - sum / CODEBOOKS) <=
                        (CODEBOOKS + 1) * 0x1p-24 * size / CODEBOOKS);
        }
    dkvb_model_free(model);
}

/* Larger numbers of codebooks and ranks than in other tests, so that every branch of the sums is run. */
enum { MANY = 43, FEW_KEYS = 5, MOST_RANKS = 3, MOST_CLASSES = 35 };

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

/* Computes logits in plain loops in the order of docs/numerics.md: sums in float32 within each group of 16 codebooks,
 * sums over groups in double precision. */
static void plain_logits(float *logits, const float *values, const uint16_t *code, size_t k, size_t classes)
{
    for (size_t l = 0; l < classes; l++) {
        double sum = 0.0;

        for (size_t c = 0; c < MANY; c += 16) {
            float group = 0.0f;

            for (size_t i = c * k; i < (c + 16) * k && i < MANY * k; i++)
                if (code[i] != DKVB_CODE_NONE)
                    group += values[(i / k * FEW_KEYS + code[i]) * classes + l];
            sum += (double)group;
        }
        logits[l] = (float)(sum / (double)(MANY * k));
    }
}

static void sums_run_in_groups_of_16_codebooks(void **state)
{
    static float values[MANY * FEW_KEYS * MOST_CLASSES], logits[MOST_CLASSES], expected[MOST_CLASSES];
    static const uint32_t types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};
    uint16_t code[MANY * MOST_RANKS];

    (void)state;
    for (uint32_t k = 1; k <= MOST_RANKS; k++)
        for (uint32_t classes = 1; classes <= MOST_CLASSES; classes++)
            for (size_t t = 0; t < 3; t++) {
                dkvb_model *model = wide_model(k, classes);

                /* random values, whose sums in another order have other bits */
                for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                    values[i] = (float)((double)((i * 7919) % 1009) * (i % 3 ? 1e-6 : t == 1 ? 30.0 : 1e9) / 7.0);
                assert_ok(dkvb_model_set_values(model, NULL, types[t]));
                assert_ok(dkvb_model_set_values(model, values, 0));
                assert_ok(dkvb_model_get_values(model, values));
                for (size_t i = 0; i < MANY * k; i++)
                    code[i] = i % 11 == 7 ? DKVB_CODE_NONE : (uint16_t)(i * 3 % FEW_KEYS);
                assert_ok(dkvb_model_decode(model, code, k, 1, NULL, logits, NULL));
                plain_logits(expected, values, code, k, classes);
                assert_memory_equal(logits, expected, classes * sizeof *logits);
                dkvb_model_free(model);
            }
}

/* Adds float16 values of every magnitude, including subnormals, in rows of lengths around those of vectors; nothing
 * behind a row may be added. */
static void every_kernel_adds_values_as_the_scalar_one(void **state)
{
    enum { COUNT = 9, LONGEST = 70 };
    static uint16_t half[COUNT][LONGEST];
    static float full[COUNT][LONGEST];
    static const uint32_t types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};

    (void)state;
    for (size_t r = 0; r < COUNT; r++)
        for (size_t l = 0; l < LONGEST; l++) {
            uint16_t bits = (uint16_t)((r * LONGEST + l) * 40503u);

            /* makes the number finite both as float16 and as bfloat16 */
            half[r][l] = (bits & 0x7C00) == 0x7C00 ? bits & 0x83FF : bits & 0xFBFF;
            full[r][l] = (float)half[r][l] / 7.0f;
        }
    for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
        if (!dkvb__kernel_tables[t]->supported())
            continue;
        for (size_t type = 0; type < 3; type++)
            for (size_t classes = 1; classes <= LONGEST; classes++)
                for (size_t count = 0; count <= COUNT; count++) {
                    float sums[LONGEST + 1], expected[LONGEST + 1];
                    const void *row[COUNT];

                    for (size_t r = 0; r < COUNT; r++)
                        row[r] = type == 0 ? (const void *)full[r] : (const void *)half[r];
                    for (size_t l = 0; l <= LONGEST; l++)
                        sums[l] = expected[l] = (float)l / 3.0f;
                    dkvb__kernel_tables[t]->add_values(sums, row, count, classes, types[type]);
                    dkvb__kernels_scalar.add_values(expected, row, count, classes, types[type]);
                    assert_memory_equal(sums, expected, sizeof sums);
                }
    }
}

/* Compares two batches of training, to the last bit, with plain loops: errors are computed from logits as decoding
 * gives them, and added row by row and rank by rank. */
static void training_adds_in_one_order_whatever_the_classes(void **state)
{
    enum { MANY_ROWS = 37, BATCH = 20 };
    static uint16_t many[MANY_ROWS * MANY * MOST_RANKS];
    static float values[MANY * FEW_KEYS * MOST_CLASSES], found[MANY * FEW_KEYS * MOST_CLASSES];
    static float error[BATCH][MOST_CLASSES];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    int32_t label[MANY_ROWS];

    (void)state;
    o.no_shuffle = 1;
    o.epochs = 1;
    o.batch = BATCH;
    o.learning_rate = 0.7;
    for (uint32_t k = 1; k <= MOST_RANKS; k++)
        for (uint32_t classes = 1; classes <= MOST_CLASSES; classes++) {
            dkvb_model *model = wide_model(k, classes);
            double off = o.label_smoothing / classes, on = 1.0 - o.label_smoothing + off;

            for (size_t i = 0; i < MANY_ROWS * MANY * k; i++)
                many[i] = i % 13 == 5 ? DKVB_CODE_NONE : (uint16_t)((i / (MANY * k) * 3 + i * (i % 4)) % FEW_KEYS);
            for (size_t i = 0; i < MANY * FEW_KEYS * classes; i++)
                values[i] = (float)(i * 7919 % 1009) / 100.0f;
            for (size_t r = 0; r < MANY_ROWS; r++)
                label[r] = (int32_t)(r * r % 7 % classes);
            assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
            assert_ok(dkvb_model_set_values(model, values, 0));
            assert_ok(dkvb_model_train(model, many, k, label, MANY_ROWS, &o, NULL));
            assert_ok(dkvb_model_get_values(model, found));
            for (size_t first = 0; first < MANY_ROWS; first += BATCH) {
                size_t end = first + BATCH < MANY_ROWS ? first + BATCH : MANY_ROWS;

                for (size_t r = first; r < end; r++) {
                    float logits[MOST_CLASSES];
                    double power[MOST_CLASSES], most = -1e9, total = 0.0;

                    plain_logits(logits, values, many + r * MANY * k, k, classes);
                    for (size_t l = 0; l < classes; l++)
                        most = (double)logits[l] > most ? (double)logits[l] : most;
                    for (size_t l = 0; l < classes; l++)
                        total += power[l] = dkvb__exp((double)logits[l] - most);
                    for (size_t l = 0; l < classes; l++)
                        error[r - first][l] =
                            (float)(o.learning_rate * (((int32_t)l == label[r] ? on : off) - power[l] / total));
                }
                for (size_t i = first * MANY * k; i < end * MANY * k; i++)
                    for (size_t l = 0; l < classes && many[i] != DKVB_CODE_NONE; l++)
                        values[(i / k % MANY * FEW_KEYS + many[i]) * classes + l] += error[i / (MANY * k) - first][l];
            }
            assert_memory_equal(found, values, MANY * FEW_KEYS * classes * sizeof *values);
            dkvb_model_free(model);
        }
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
        assert_ok(dkvb_model_decode(model, codes, 1, ROWS - 1, NULL, logits, &run));
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
    assert_int_equal(dkvb_model_decode(model, codes, 1, 1, &label, NULL, &run), DKVB_EINVAL);
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
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, NULL, logits[1], NULL));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, answers[1], NULL, NULL));
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
    assert_ok(dkvb_model_decode(model, none, 1, 1, &label, NULL, NULL));
    assert_int_equal(label, -1);
    assert_ok(dkvb_mask_new(&all, cb));
    for (uint32_t c = 0; c < CODEBOOKS; c++)
        for (uint32_t j = 0; j < KEYS; j++)
            assert_ok(dkvb_mask_set(all, c, j, 1));
    assert_ok(dkvb_model_forget(model, all, NULL, NULL));
    assert_ok(dkvb_model_predict(model, rows, 1, &label, logits, NULL));
    assert_int_equal(label, -1);
    for (size_t l = 0; l < CLASSES; l++)
        assert_true(logits[l] == 0.0f);
    dkvb_mask_free(all);
    dkvb_model_free(model);
}

/* If a row selects only pairs whose values are zeros, the model has learned nothing for it, and abstains. */
static void a_row_behind_which_nothing_was_learned_abstains(void **state)
{
    static const uint32_t types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};
    static float values[VALUES];
    float logits[CLASSES];
    int32_t label = 7;
    dkvb_model *model = new_model();

    (void)state;
    assert_ok(dkvb_model_decode(model, codes, 1, 1, &label, NULL, NULL));
    assert_int_equal(label, -1);
    for (size_t t = 0; t < 3; t++) {
        assert_ok(dkvb_model_set_values(model, NULL, types[t]));
        memset(values, 0, sizeof values);
        values[(2 * KEYS + codes[2]) * CLASSES + 3] = -1.0f; /* a value against class 3, which is not zero */
        assert_ok(dkvb_model_set_values(model, values, 0));
        assert_ok(dkvb_model_decode(model, codes, 1, 1, &label, NULL, NULL));
        assert_int_equal(label, 0);
        values[(4 * KEYS + codes[4]) * CLASSES + 3] = 1.0f; /* values that are not zero, but whose sum is 0 */
        assert_ok(dkvb_model_set_values(model, values, 0));
        assert_ok(dkvb_model_predict(model, rows, 1, &label, logits, NULL));
        assert_int_equal(label, 0);
        assert_true(logits[3] == 0.0f);
        memset(values, 0, sizeof values);
        for (size_t l = 0; l < CLASSES; l++)
            values[(2 * KEYS + (codes[2] ? codes[2] - 1u : codes[2] + 1u)) * CLASSES + l] = 1.0f; /* a neighbour */
        assert_ok(dkvb_model_set_values(model, values, 0));
        assert_ok(dkvb_model_predict(model, rows, 1, &label, logits, NULL));
        assert_int_equal(label, -1);
    }
    dkvb_model_free(model);
    /* a model of one class has nothing to learn, and always predicts it */
    assert_ok(dkvb_model_new(&model, cb, 1, NULL));
    assert_ok(dkvb_model_decode(model, codes, 1, 1, &label, NULL, NULL));
    assert_int_equal(label, 0);
    dkvb_model_free(model);
}

static void fingerprint(uint8_t trained[16], const uint16_t *code, const int32_t *label, const uint64_t *ids, size_t n,
                        const dkvb_train_options *given)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_train_options o = *given;
    dkvb_model *model = new_model();

    o.ids = ids;
    assert_ok(dkvb_model_train(model, code, 1, label, n, &o, NULL));
    assert_ok(dkvb_model_get_info(model, &info));
    memcpy(trained, info.trained, 16);
    dkvb_model_free(model);
}

static void the_fingerprint_of_a_training_follows_from_its_rows_not_their_order(void **state)
{
    static uint16_t turned[ROWS * CODEBOOKS];
    static int32_t turned_labels[ROWS], fewer[ROWS];
    static uint64_t ids[ROWS], turned_ids[ROWS];
    uint8_t first[16], other[16];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    (void)state;
    o.epochs = 1;
    for (size_t r = 0; r < ROWS; r++) {
        size_t to = ROWS - 1 - r;

        ids[r] = turned_ids[to] = 3 * r + 5;
        turned_labels[to] = labels[r];
        fewer[r] = r < ROWS / 2 ? labels[r] : -1;
        memcpy(turned + to * CODEBOOKS, codes + r * CODEBOOKS, CODEBOOKS * sizeof *codes);
    }
    fingerprint(first, codes, labels, ids, ROWS, &o);
    fingerprint(other, turned, turned_labels, turned_ids, ROWS, &o);
    assert_memory_equal(first, other, 16);
    fingerprint(other, turned, turned_labels, ids, ROWS, &o); /* other ids */
    assert_memory_not_equal(first, other, 16);
    o.learning_rate = 2.5;
    fingerprint(other, codes, labels, ids, ROWS, &o);
    assert_memory_not_equal(first, other, 16);
    fingerprint(first, codes, fewer, ids, ROWS, &o); /* rows without a label do not change the fingerprint */
    fingerprint(other, codes, labels, ids, ROWS / 2, &o);
    assert_memory_equal(first, other, 16);
    fewer[1] = (fewer[1] + 1) % CLASSES;
    fingerprint(other, codes, fewer, ids, ROWS, &o);
    assert_memory_not_equal(first, other, 16);
    turned[(ROWS - 1) * CODEBOOKS] ^= 1;
    turned_labels[ROWS - 1] = labels[0];
    o.no_shuffle = 1; /* without shuffling, the order of rows counts and ids do not */
    fingerprint(first, codes, labels, ids, ROWS, &o);
    fingerprint(other, codes, labels, turned_ids, ROWS, &o);
    assert_memory_equal(first, other, 16);
    turned[(ROWS - 1) * CODEBOOKS] ^= 1;
    fingerprint(other, turned, turned_labels, turned_ids, ROWS, &o);
    assert_memory_not_equal(first, other, 16);
}

static void trainings_make_a_chain_and_values_by_hand_end_it(void **state)
{
    static const uint8_t zeros[16];
    static float values[VALUES];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = train(&o, 1), *twin = new_model();
    uint8_t once[16];

    (void)state;
    memcpy(once, model->trained, 16);
    assert_memory_not_equal(once, zeros, 16);
    assert_memory_equal(twin->trained, zeros, 16);
    assert_ok(dkvb_model_train_begin(model, &o));
    assert_ok(dkvb_model_train_step(model, codes, 1, labels, ROWS, NULL));
    assert_memory_equal(model->trained, once, 16); /* the fingerprint changes only at the end of the training */
    assert_ok(dkvb_model_train_end(model, 0));
    assert_memory_equal(model->trained, once, 16);
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, &o, NULL));
    assert_memory_not_equal(model->trained, once, 16);
    assert_ok(dkvb_model_get_values(model, values));
    assert_ok(dkvb_model_set_values(twin, values, 0));
    assert_memory_equal(twin->trained, zeros, 16);
    /* a second training gives another fingerprint than a first one */
    assert_ok(dkvb_model_train(twin, codes, 1, labels, ROWS, &o, NULL));
    assert_memory_not_equal(twin->trained, once, 16);
    memset(values, 0, sizeof values);
    assert_ok(dkvb_model_set_values(twin, values, 0));
    assert_ok(dkvb_model_train(twin, codes, 1, labels, ROWS, &o, NULL));
    assert_memory_equal(twin->trained, once, 16);
    dkvb_model_free(model);
    dkvb_model_free(twin);
}

static void steps_have_no_class_weights(void **state)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = new_model();

    (void)state;
    o.class_weight = DKVB_CLASS_WEIGHT_BALANCED;
    assert_int_equal(dkvb_model_train_begin(model, &o), DKVB_EINVAL);
    assert_message("class weights");
    o.class_weight = DKVB_CLASS_WEIGHT_NONE;
    assert_ok(dkvb_model_train_begin(model, &o)); /* an aborted training leaves nothing behind */
    dkvb_model_free(model);
}

static void the_temperature_is_kept_and_checked(void **state)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_model *model = new_model();

    (void)state;
    assert_ok(dkvb_model_get_info(model, &info));
    assert_true(info.temperature == 1.0);
    assert_ok(dkvb_model_set_temperature(model, 0.75, -0.25));
    assert_int_equal(dkvb_model_set_temperature(model, 0.0, 0.0), DKVB_EINVAL);
    assert_message("temperature is 0");
    assert_int_equal(dkvb_model_set_temperature(model, NAN, 0.0), DKVB_EINVAL);
    assert_int_equal(dkvb_model_set_temperature(model, 1e4, 0.0), DKVB_EINVAL);
    assert_int_equal(dkvb_model_set_temperature(model, 1.0, NAN), DKVB_EINVAL);
    assert_int_equal(dkvb_model_set_temperature(model, 1.0, -1.5), DKVB_EINVAL);
    assert_message("power of the temperature is -1.5");
    assert_ok(dkvb_model_get_info(model, &info));
    assert_true(info.temperature == 0.75 && info.temperature_power == -0.25);
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
    assert_int_equal(dkvb_model_decode(model, wrong, 2, 1, NULL, logits, NULL), DKVB_EMISMATCH);
    assert_int_equal(dkvb_model_train(model, wrong, 1, one_label, 2, NULL, NULL), DKVB_EINVAL);
    assert_message("row 1 is 4");
    wrong[CODEBOOKS + 3] = KEYS;
    assert_int_equal(dkvb_model_decode(model, wrong, 1, 2, NULL, logits, NULL), DKVB_EINVAL);
    assert_message("row 1, codebook 3 names key 70");
    dkvb_model_free(model);
}

static void softmax_argmax_and_top_agree(void **state)
{
    const float logits[2][4] = {{1.0f, 3.0f, 3.0f, -100.0f}, {0.0f, -1.0f, 2.0f, 5.0f}};
    const float same[4] = {7.0f, 7.0f, 7.0f, 7.0f};
    const double wrong[] = {0.0, -0.0, -1.0, NAN, INFINITY, -INFINITY};
    float probs[2][4], scores[2][4];
    int32_t best[2], top[2][4];
    double sum = 0.0;

    (void)state;
    assert_ok(dkvb_decode_softmax(logits[0], 2, 4, 1.0, 0.0, probs[0]));
    for (size_t l = 0; l < 4; l++)
        sum += (double)probs[0][l];
    assert_true(fabs(sum - 1.0) < 1e-6);
    assert_true(fabs((double)probs[0][0] - exp(-2.0) / (exp(-2.0) + 2.0)) < 1e-7);
    /* temperature 2 halves the distances between logits */
    assert_ok(dkvb_decode_softmax(logits[0], 2, 4, 2.0, 0.0, scores[0]));
    assert_true(fabs((double)scores[0][0] - exp(-1.0) / (exp(-1.0) + 2.0 + exp(-51.5))) < 1e-7);
    assert_ok(dkvb_decode_softmax(logits[0], 1, 4, 2.0, 0.5, scores[0])); /* the spread of this row is (2 + 103) / 4 */
    assert_true(fabs((double)scores[0][0] / (double)scores[0][1] - exp(-1.0 / sqrt(26.25))) < 1e-6);
    assert_true(scores[0][1] == scores[0][2]); /* equal logits have equal probabilities */
    assert_ok(dkvb_decode_softmax(same, 1, 4, 2.0, 0.5, scores[0]));
    assert_true(scores[0][0] == 0.25f && scores[0][3] == 0.25f); /* a row of equal logits has spread 0 */
    assert_int_equal(dkvb_decode_softmax(logits[0], 2, 4, 1.0, NAN, scores[0]), DKVB_EINVAL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(dkvb_decode_softmax(logits[0], 2, 4, wrong[i], 0.0, scores[0]), DKVB_EINVAL);
        assert_message("it must be finite and above 0");
    }
    assert_ok(dkvb_decode_top(logits[0], 2, 4, 1, best, NULL));
    assert_int_equal(best[0], 1); /* of two equal logits, the lower class is predicted */
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

struct largest {
    size_t size;
};

static void *note_size(void *user, size_t size)
{
    struct largest *l = user;

    l->size = size > l->size ? size : l->size;
    return malloc(size);
}

static void note_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void a_batch_takes_no_more_memory_than_its_rows(void **state)
{
    static uint16_t own[ROWS * CODEBOOKS];
    struct largest largest = {0};
    dkvb_allocator a = {note_size, note_release, &largest};
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = trained_model(1, own), *other;

    (void)state;
    o.allocator = &a;
    train.batch = 1 << 20;
    assert_ok(dkvb_model_new(&other, dkvb_model_codebooks(model), CLASSES, &o));
    assert_ok(dkvb_model_train(other, own, 1, labels, ROWS, &train, NULL));
    assert_true(largest.size < 100000); /* sums for a full batch would take 16 MB */
    dkvb_model_free(other);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_follows_the_formula),
        cmocka_unit_test(the_rate_falls_by_the_same_factor_from_epoch_to_epoch),
        cmocka_unit_test(options_out_of_range_are_named),
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
        cmocka_unit_test(sums_run_in_groups_of_16_codebooks),
        cmocka_unit_test(every_kernel_adds_values_as_the_scalar_one),
        cmocka_unit_test(training_adds_in_one_order_whatever_the_classes),
        cmocka_unit_test(progress_of_decoding_counts_rows),
        cmocka_unit_test(more_threads_than_calls_take_are_not_promised),
        cmocka_unit_test(predict_is_search_and_decode),
        cmocka_unit_test(a_row_without_live_keys_abstains),
        cmocka_unit_test(a_row_behind_which_nothing_was_learned_abstains),
        cmocka_unit_test(the_fingerprint_of_a_training_follows_from_its_rows_not_their_order),
        cmocka_unit_test(trainings_make_a_chain_and_values_by_hand_end_it),
        cmocka_unit_test(steps_have_no_class_weights),
        cmocka_unit_test(the_temperature_is_kept_and_checked),
        cmocka_unit_test(bad_codes_and_labels_are_named),
        cmocka_unit_test(softmax_argmax_and_top_agree),
        cmocka_unit_test(a_batch_takes_no_more_memory_than_its_rows),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
