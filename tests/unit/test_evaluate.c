/* Tests of dkvb_model_evaluate(): its figures agree with the model's predictions, for every kind of input and number of
 * threads. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint16_t codes[ROWS * CODEBOOKS];
static int32_t truth[ROWS]; /* labels of the rows: some are missing, some are wrong */
static dkvb_model *model;

static int setup(void **state)
{
    (void)state;
    model = trained_model(1, codes);
    for (size_t r = 0; r < ROWS; r++)
        truth[r] = r % 7 == 3 ? -1 : r % 11 == 5 ? (labels[r] + 1) % CLASSES : labels[r];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkvb_model_free(model);
    return 0;
}

static dkvb_evaluation evaluate(uint16_t *given, const dkvb_run_options *run)
{
    dkvb_evaluation e = DKVB_EVALUATION_INIT;

    assert_ok(dkvb_model_evaluate(model, rows, given, truth, ROWS, &e, run));
    return e;
}

static void figures_are_those_of_the_predictions(void **state)
{
    static int32_t answers[ROWS];
    static float logits[ROWS * CLASSES], probabilities[ROWS * CLASSES];
    dkvb_evaluation e = DKVB_EVALUATION_INIT;
    uint64_t class_rows[CLASSES], class_right[CLASSES], right = 0, labelled = 0, of_class[2][CLASSES] = {{0}};
    double loss = 0.0;

    (void)state;
    assert_ok(dkvb_model_set_temperature(model, 1.5, 0.25));
    e.class_rows = class_rows;
    e.class_right = class_right;
    assert_ok(dkvb_model_evaluate(model, rows, NULL, truth, ROWS, &e, NULL));
    assert_ok(dkvb_model_predict(model, rows, ROWS, answers, logits, NULL));
    assert_ok(dkvb_decode_softmax(logits, ROWS, CLASSES, 1.5, 0.25, probabilities));
    for (size_t r = 0; r < ROWS; r++) {
        if (truth[r] < 0)
            continue;
        labelled++;
        right += answers[r] == truth[r];
        of_class[0][truth[r]]++;
        of_class[1][truth[r]] += answers[r] == truth[r];
        loss -= log((double)probabilities[r * CLASSES + (size_t)truth[r]]);
    }
    assert_true(e.rows == labelled && e.right == right && e.unlabelled == ROWS - labelled && e.searched == 0);
    assert_memory_equal(class_rows, of_class[0], sizeof class_rows);
    assert_memory_equal(class_right, of_class[1], sizeof class_right);
    assert_true(e.accuracy == (double)right / (double)labelled && e.accuracy < 0.95);
    assert_true(fabs(e.loss - loss / (double)labelled) < 1e-5);
    assert_true(e.calibration_error > 0.0 && e.calibration_error < 1.0);
    assert_ok(dkvb_model_set_temperature(model, 1.0, 0.0));
}

static void codes_that_the_mask_hit_are_searched_again(void **state)
{
    static uint16_t given[ROWS * CODEBOOKS], fresh[ROWS * CODEBOOKS];
    dkvb_mask *mask = mask_for_class(model, codes, 2, 30), *in_force;
    dkvb_evaluation with, without;
    uint64_t entry;

    (void)state;
    memcpy(given, codes, sizeof given);
    with = evaluate(given, NULL);
    assert_int_equal(with.searched, 0); /* no pair is masked, so no given code is searched again */
    assert_memory_equal(given, codes, sizeof given);
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    with = evaluate(given, NULL);
    without = evaluate(NULL, NULL);
    assert_true(with.searched > 0 && without.searched == 0 && with.right == without.right);
    assert_true(with.loss == without.loss && with.calibration_error == without.calibration_error);
    assert_ok(dkvb_journal_get_mask(model, 0, &in_force));
    assert_ok(dkvb_search(dkvb_model_codebooks(model), in_force, rows, ROWS, 1, fresh, NULL, NULL));
    assert_memory_equal(given, fresh, sizeof given);
    assert_ok(dkvb_model_undo(model, entry, NULL));
    dkvb_mask_free(in_force);
    dkvb_mask_free(mask);
}

static void rows_that_abstain_are_wrong_and_counted(void **state)
{
    dkvb_model *blank;
    dkvb_evaluation e = DKVB_EVALUATION_INIT;

    (void)state;
    assert_ok(dkvb_model_new(&blank, dkvb_model_codebooks(model), CLASSES, NULL));
    assert_ok(dkvb_model_evaluate(blank, rows, NULL, labels, ROWS, &e, NULL));
    assert_true(e.abstained == ROWS && e.right == 0 && e.accuracy == 0.0 && fabs(e.loss - log(CLASSES)) < 1e-9);
    memset(codes, 0, CODEBOOKS * sizeof *codes);
    e = (dkvb_evaluation)DKVB_EVALUATION_INIT;
    /* the model abstains on given codes as it does on rows */
    assert_ok(dkvb_model_evaluate(blank, rows, codes, labels, 1, &e, NULL));
    assert_int_equal(e.abstained, 1);
    dkvb_model_free(blank);
    dkvb_model_free(model);
    model = trained_model(1, codes);
}

static void without_labelled_rows_there_are_no_figures(void **state)
{
    const int32_t none[2] = {-1, -1};
    uint64_t class_rows[CLASSES] = {9, 9, 9, 9};
    dkvb_evaluation e = DKVB_EVALUATION_INIT;

    (void)state;
    e.class_rows = class_rows;
    assert_ok(dkvb_model_evaluate(model, rows, NULL, none, 2, &e, NULL));
    assert_true(e.rows == 0 && e.unlabelled == 2 && isnan(e.accuracy) && isnan(e.loss) && isnan(e.calibration_error));
    assert_true(class_rows[0] == 0 && class_rows[CLASSES - 1] == 0);
    assert_ok(dkvb_model_evaluate(model, NULL, NULL, NULL, 0, &e, NULL));
    assert_true(e.unlabelled == 0 && isnan(e.accuracy));
}

struct watching {
    uint64_t total, last, calls, stop_at;
};

static int watch(void *user, uint64_t done, uint64_t total)
{
    struct watching *w = user;

    assert_true(done >= w->last && done <= total && total == w->total);
    w->last = done;
    return w->calls++ == w->stop_at;
}

/* With 9,000 rows, more than one block, the row numbers in messages, progress and counts of rows outside the scale must
 * count all blocks. */
static void rows_are_named_by_their_own_numbers(void **state)
{
    enum { MANY = 9000, AT = 8500 };
    float *x = calloc(MANY, DIM * sizeof *x);
    int32_t *y = calloc(MANY, sizeof *y);
    uint16_t *c = calloc(MANY, CODEBOOKS * sizeof *c);
    dkvb_evaluation e = DKVB_EVALUATION_INIT;
    dkvb_outside outside = DKVB_OUTSIDE_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    struct watching w = {MANY, 0, 0, UINT64_MAX};

    (void)state;
    assert_true(x && y && c);
    for (size_t r = 0; r < MANY; r++)
        memcpy(x + r * DIM, rows + r % ROWS * DIM, DIM * sizeof *x);
    y[AT] = CLASSES;
    assert_int_equal(dkvb_model_evaluate(model, x, NULL, y, MANY, &e, NULL), DKVB_EINVAL);
    assert_message("row 8500 is 4");
    y[AT] = -2;
    assert_int_equal(dkvb_model_evaluate(model, x, NULL, y, MANY, &e, NULL), DKVB_EINVAL);
    y[AT] = 0;
    c[AT * CODEBOOKS + 1] = KEYS;
    assert_int_equal(dkvb_model_evaluate(model, x, c, y, MANY, &e, NULL), DKVB_EINVAL);
    assert_message("row 8500");
    x[AT * DIM + 2] = 1e6f;
    run.outside = &outside;
    run.progress = watch;
    run.user = &w;
    assert_ok(dkvb_model_evaluate(model, x, NULL, y, MANY, &e, &run));
    assert_int_equal(w.last, MANY);
    assert_true(outside.searched == MANY && outside.rows == 1 && outside.first == AT);
    x[AT * DIM + 2] = NAN;
    assert_int_equal(dkvb_model_evaluate(model, x, NULL, y, MANY, &e, NULL), DKVB_EINVAL);
    assert_message("row 8500, column 2");
    e.struct_size = 0;
    assert_int_equal(dkvb_model_evaluate(model, x, NULL, y, MANY, &e, NULL), DKVB_EINVAL);
    free(c);
    free(y);
    free(x);
}

static void progress_counts_all_rows_and_may_cancel_and_threads_change_nothing(void **state)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    struct watching w = {ROWS, 0, 0, UINT64_MAX};
    dkvb_evaluation e, other;

    (void)state;
    run.progress = watch;
    run.user = &w;
    run.threads = 1;
    e = evaluate(NULL, &run);
    assert_int_equal(w.last, ROWS);
    run.progress = NULL;
    run.threads = 3;
    other = evaluate(NULL, &run);
    assert_true(e.loss == other.loss && e.right == other.right && e.calibration_error == other.calibration_error);
    run.progress = watch;
    w = (struct watching){ROWS, 0, 0, 0};
    assert_int_equal(dkvb_model_evaluate(model, rows, NULL, truth, ROWS, &e, &run), DKVB_ECANCELLED);
}

static void every_allocation_may_fail(void **state)
{
    static uint16_t given[ROWS * CODEBOOKS];
    dkvb_keyinit_options o = small_keyinit();
    dkvb_model_options m = DKVB_MODEL_OPTIONS_INIT;
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
    dkvb_codebooks *cb;
    dkvb_model *counted;

    (void)state;
    o.allocator = &a;
    m.allocator = &a;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_model_new(&counted, cb, CLASSES, &m));
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, given, NULL, NULL));
    for (int with_codes = 0; with_codes < 2; with_codes++) {
        dkvb_status rc = DKVB_ENOMEM;
        long live = mem.live;

        for (size_t left = 0; rc != DKVB_OK; left++) {
            dkvb_evaluation e = DKVB_EVALUATION_INIT;

            mem.fail_at = mem.calls + left;
            rc = dkvb_model_evaluate(counted, rows, with_codes ? given : NULL, truth, ROWS, &e, NULL);
            assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && left > 2));
            assert_int_equal(mem.live, live);
        }
        mem.fail_at = SIZE_MAX;
    }
    dkvb_model_free(counted);
    dkvb_codebooks_free(cb);
    assert_int_equal(mem.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_predictions),
        cmocka_unit_test(codes_that_the_mask_hit_are_searched_again),
        cmocka_unit_test(rows_that_abstain_are_wrong_and_counted),
        cmocka_unit_test(without_labelled_rows_there_are_no_figures),
        cmocka_unit_test(rows_are_named_by_their_own_numbers),
        cmocka_unit_test(progress_counts_all_rows_and_may_cancel_and_threads_change_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };

    make_rows();
    return cmocka_run_group_tests(tests, setup, teardown);
}
