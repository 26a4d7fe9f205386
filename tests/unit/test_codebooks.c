/* Key initialisation: where keys go, that nothing depends on threads, and codebooks that grow batch by batch. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codebooks.h"

static int setup(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

static dkvb_codebooks *fit(dkvb_keyinit_options o, uint32_t threads)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_codebooks *cb;

    run.threads = threads;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, &run));
    return cb;
}

static void assert_same_codebooks(const dkvb_codebooks *a, const dkvb_codebooks *b)
{
    assert_memory_equal(a->birth, b->birth, sizeof a->birth);
    assert_memory_equal(a->center, b->center, DIM * sizeof(float));
    assert_memory_equal(a->projection, b->projection, dkvb__projection_count(&a->shape) * sizeof(float));
    assert_memory_equal(a->blocks, b->blocks, dkvb__block_count(&a->shape) * sizeof(float));
}

static void every_method_gives_the_same_keys_for_any_thread_count(void **state)
{
    (void)state;
    for (uint32_t method = DKVB_KEYINIT_EMA; method <= DKVB_KEYINIT_SAMPLE; method++)
        for (uint32_t batch = 0; batch <= 100; batch += 100)
            for (uint32_t normalize = 0; normalize < 2; normalize++) {
                dkvb_keyinit_options o = small_keyinit();
                dkvb_codebooks *one, *three;

                o.method = method;
                o.batch = batch;
                o.normalize = normalize;
                one = fit(o, 1);
                three = fit(o, 3);
                assert_same_codebooks(one, three);
                dkvb_codebooks_free(one);
                dkvb_codebooks_free(three);
            }
}

static void another_seed_gives_other_codebooks(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *a = fit(o, 1), *b;

    (void)state;
    o.seed = 1;
    b = fit(o, 1);
    assert_memory_not_equal(a->birth, b->birth, sizeof a->birth);
    dkvb_codebooks_free(a);
    dkvb_codebooks_free(b);
}

/* Index of the row whose projection is this key, ROWS if none. */
static size_t row_of_key(const float *q, const float *key, size_t c)
{
    for (size_t r = 0; r < ROWS; r++)
        if (memcmp(q + (r * CODEBOOKS + c) * KEY_DIM, key, KEY_DIM * sizeof *q) == 0)
            return r;
    return ROWS;
}

static void sampled_keys_are_rows_and_each_codebook_draws_its_own(void **state)
{
    static float q[ROWS * CODEBOOKS * KEY_DIM], keys[CODEBOOKS * KEYS * KEY_DIM];
    dkvb_keyinit_options o = small_keyinit();
    size_t same = 0;
    dkvb_codebooks *cb;

    (void)state;
    o.method = DKVB_KEYINIT_SAMPLE;
    cb = fit(o, 2);
    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, q, NULL));
    assert_ok(dkvb_codebooks_get_keys(cb, keys));
    for (size_t c = 0; c < CODEBOOKS; c++)
        for (size_t j = 0; j < KEYS; j++)
            assert_true(row_of_key(q, keys + (c * KEYS + j) * KEY_DIM, c) < ROWS);
    for (size_t j = 0; j < KEYS; j++)
        same += row_of_key(q, keys + j * KEY_DIM, 0) == row_of_key(q, keys + (KEYS + j) * KEY_DIM, 1);
    assert_true(same < KEYS / 4);
    dkvb_codebooks_free(cb);
}

/* Mean squared distance of rows to their nearest keys. */
static double quantisation_error(const dkvb_codebooks *cb)
{
    static uint16_t codes[ROWS * CODEBOOKS];
    static float dist[ROWS * CODEBOOKS];
    double sum = 0.0;

    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes, dist, NULL));
    for (size_t i = 0; i < ROWS * CODEBOOKS; i++)
        sum += (double)dist[i];
    return sum / (ROWS * CODEBOOKS);
}

static void fitted_keys_lie_closer_to_the_rows_than_sampled_ones(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    double error[3];

    (void)state;
    o.keys = 20; /* few keys, so that their place matters */
    for (uint32_t method = DKVB_KEYINIT_EMA; method <= DKVB_KEYINIT_SAMPLE; method++) {
        dkvb_codebooks *cb;

        o.method = method;
        o.batch = method == DKVB_KEYINIT_EMA ? 200 : 0;
        o.passes = 5;
        cb = fit(o, 2);
        error[method] = quantisation_error(cb);
        dkvb_codebooks_free(cb);
    }
    assert_true(error[DKVB_KEYINIT_EMA] < 0.9 * error[DKVB_KEYINIT_SAMPLE]);
    assert_true(error[DKVB_KEYINIT_KMEANS] < 0.9 * error[DKVB_KEYINIT_SAMPLE]);
}

static void lloyd_never_gets_worse(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    double before = INFINITY;

    (void)state;
    o.method = DKVB_KEYINIT_KMEANS;
    o.batch = 0;
    o.keys = 20;
    for (o.passes = 1; o.passes < 8; o.passes++) {
        dkvb_codebooks *cb = fit(o, 2);
        double error = quantisation_error(cb);

        assert_true(error <= before * (1.0 + 1e-5)); /* float rounding of means and distances */
        before = error;
        dkvb_codebooks_free(cb);
    }
}

static void keys_of_identical_rows_are_found_nonetheless(void **state)
{
    static float same[100 * 3];

    (void)state;
    for (size_t i = 0; i < 300; i++)
        same[i] = 0.25f;
    for (uint32_t method = DKVB_KEYINIT_EMA; method <= DKVB_KEYINIT_SAMPLE; method++) {
        dkvb_keyinit_options o = small_keyinit();
        dkvb_codebooks *cb;
        uint16_t codes[CODEBOOKS];

        o.method = method;
        assert_ok(dkvb_codebooks_fit(&cb, same, 100, 3, &o, NULL));
        assert_ok(dkvb_search(cb, NULL, same, 1, 1, codes, NULL, NULL));
        for (size_t c = 0; c < CODEBOOKS; c++)
            assert_int_equal(codes[c], 0);
        dkvb_codebooks_free(cb);
    }
}

static void center_is_the_mean_of_the_rows(void **state)
{
    float center[DIM];
    dkvb_codebooks *cb = fit(small_keyinit(), 2);

    (void)state;
    assert_ok(dkvb_codebooks_get_center(cb, center));
    for (size_t i = 0; i < DIM; i++) {
        double mean = 0.0;

        for (size_t r = 0; r < ROWS; r++)
            mean += (double)rows[r * DIM + i];
        assert_true(fabs((double)center[i] - mean / ROWS) < 1e-6);
    }
    dkvb_codebooks_free(cb);
}

static void normalised_codebooks_do_not_see_the_length_of_a_row(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    float longer[DIM];
    uint16_t a[CODEBOOKS], b[CODEBOOKS];
    dkvb_codebooks *cb;

    (void)state;
    o.normalize = 1;
    cb = fit(o, 2);
    for (size_t i = 0; i < DIM; i++)
        longer[i] = 4.0f * rows[i];
    assert_ok(dkvb_search(cb, NULL, rows, 1, 1, a, NULL, NULL));
    assert_ok(dkvb_search(cb, NULL, longer, 1, 1, b, NULL, NULL));
    assert_memory_equal(a, b, sizeof a);
    dkvb_codebooks_free(cb);
}

static void growing_codebooks_come_near_the_rows_and_then_freeze(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    uint16_t codes[CODEBOOKS];
    dkvb_codebooks *cb;
    dkvb_mask *mask;
    double first, last;

    (void)state;
    o.keys = 20;
    assert_ok(dkvb_codebooks_begin(&cb, DIM, &o));
    assert_int_equal(dkvb_codebooks_freeze(cb), DKVB_ESTATE);
    assert_int_equal(dkvb_search(cb, NULL, rows, 1, 1, codes, NULL, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_mask_new(&mask, cb), DKVB_ESTATE);
    assert_ok(dkvb_codebooks_step(cb, rows, 100, NULL));
    cb->frozen = true;
    first = quantisation_error(cb);
    cb->frozen = false;
    for (size_t pass = 0; pass < 10; pass++)
        for (size_t r = 0; r < ROWS; r += 100)
            assert_ok(dkvb_codebooks_step(cb, rows + r * DIM, 100, NULL));
    assert_ok(dkvb_codebooks_freeze(cb));
    last = quantisation_error(cb);
    assert_true(last < 0.9 * first);
    assert_int_equal(dkvb_codebooks_step(cb, rows, 100, NULL), DKVB_ESTATE);
    dkvb_codebooks_free(cb);
}

static int cancel_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return 1;
}

static void a_cancelled_step_changes_nothing(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_codebooks *plain, *cancelled;

    (void)state;
    run.progress = cancel_at_once;
    assert_ok(dkvb_codebooks_begin(&plain, DIM, &o));
    assert_ok(dkvb_codebooks_begin(&cancelled, DIM, &o));
    assert_int_equal(dkvb_codebooks_step(cancelled, rows, 300, &run), DKVB_ECANCELLED);
    assert_ok(dkvb_codebooks_step(plain, rows, 300, NULL));
    assert_ok(dkvb_codebooks_step(cancelled, rows, 300, NULL));
    assert_int_equal(dkvb_codebooks_step(cancelled, rows, 300, &run), DKVB_ECANCELLED);
    assert_ok(dkvb_codebooks_step(plain, rows + 300 * DIM, 300, NULL));
    assert_ok(dkvb_codebooks_step(cancelled, rows + 300 * DIM, 300, NULL));
    assert_ok(dkvb_codebooks_freeze(plain));
    assert_ok(dkvb_codebooks_freeze(cancelled));
    assert_same_codebooks(plain, cancelled);
    dkvb_codebooks_free(plain);
    dkvb_codebooks_free(cancelled);
}

static void a_cancelled_fit_gives_nothing(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_codebooks *cb;

    (void)state;
    run.progress = cancel_at_once;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, &run), DKVB_ECANCELLED);
    assert_null(cb);
}

static void arrays_come_back_as_they_went_in(void **state)
{
    static float projection[CODEBOOKS * DIM * KEY_DIM], keys[CODEBOOKS * KEYS * KEY_DIM], center[DIM];
    static uint16_t codes[2][ROWS * CODEBOOKS];
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *a = fit(o, 2), *b;

    (void)state;
    assert_ok(dkvb_codebooks_get_projection(a, projection));
    assert_ok(dkvb_codebooks_get_keys(a, keys));
    assert_ok(dkvb_codebooks_get_center(a, center));
    assert_ok(dkvb_codebooks_from_arrays(&b, DIM, projection, center, keys, &o));
    assert_same_codebooks(a, b);
    assert_ok(dkvb_search(a, NULL, rows, ROWS, 1, codes[0], NULL, NULL));
    assert_ok(dkvb_search(b, NULL, rows, ROWS, 1, codes[1], NULL, NULL));
    assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
    keys[5] = NAN;
    dkvb_codebooks_free(b);
    assert_int_equal(dkvb_codebooks_from_arrays(&b, DIM, projection, center, keys, &o), DKVB_EINVAL);
    assert_null(b);
    keys[5] = 0.0f;
    o.normalize = 7;
    assert_int_equal(dkvb_codebooks_from_arrays(&b, DIM, projection, center, keys, &o), DKVB_EINVAL);
    assert_message("normalize is 7");
    dkvb_codebooks_free(a);
}

static void bad_options_and_rows_are_named(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;
    float bad = rows[17 * DIM + 3];

    (void)state;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, KEYS - 1, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("69 rows for 70 keys");
    rows[17 * DIM + 3] = NAN;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("row 17, column 3");
    rows[17 * DIM + 3] = bad;
    o.keys = 65536;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("keys is 65536");
    o = small_keyinit();
    o.method = 9;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    o = small_keyinit();
    o.decay = 1.0;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("decay");
    o = small_keyinit();
    o.method = DKVB_KEYINIT_SAMPLE;
    assert_int_equal(dkvb_codebooks_begin(&cb, DIM, &o), DKVB_EINVAL);
    assert_null(cb);
}

static void a_projection_that_overflows_names_its_row(void **state)
{
    dkvb_codebooks *cb = fit(small_keyinit(), 2);
    static float huge[3 * DIM];
    uint16_t codes[3 * CODEBOOKS];

    (void)state;
    for (size_t i = 0; i < DIM; i++)
        huge[2 * DIM + i] = i % 2 ? -3.4e38f : 3.4e38f;
    assert_int_equal(dkvb_search(cb, NULL, huge, 3, 1, codes, NULL, NULL), DKVB_EINVAL);
    assert_message("row 2 overflows");
    dkvb_codebooks_free(cb);
}

static void owners_are_counted(void **state)
{
    dkvb_codebooks *cb = fit(small_keyinit(), 1);
    dkvb_codebooks_info info = DKVB_CODEBOOKS_INFO_INIT;

    (void)state;
    assert_ptr_equal(dkvb_codebooks_retain(cb), cb);
    dkvb_codebooks_free(cb);
    assert_ok(dkvb_codebooks_get_info(cb, &info));
    assert_int_equal(info.keys, KEYS);
    assert_int_equal(info.frozen, 1);
    dkvb_codebooks_free(cb);
    dkvb_codebooks_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_gives_the_same_keys_for_any_thread_count),
        cmocka_unit_test(another_seed_gives_other_codebooks),
        cmocka_unit_test(sampled_keys_are_rows_and_each_codebook_draws_its_own),
        cmocka_unit_test(fitted_keys_lie_closer_to_the_rows_than_sampled_ones),
        cmocka_unit_test(lloyd_never_gets_worse),
        cmocka_unit_test(keys_of_identical_rows_are_found_nonetheless),
        cmocka_unit_test(center_is_the_mean_of_the_rows),
        cmocka_unit_test(normalised_codebooks_do_not_see_the_length_of_a_row),
        cmocka_unit_test(growing_codebooks_come_near_the_rows_and_then_freeze),
        cmocka_unit_test(a_cancelled_step_changes_nothing),
        cmocka_unit_test(a_cancelled_fit_gives_nothing),
        cmocka_unit_test(arrays_come_back_as_they_went_in),
        cmocka_unit_test(bad_options_and_rows_are_named),
        cmocka_unit_test(a_projection_that_overflows_names_its_row),
        cmocka_unit_test(owners_are_counted),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
