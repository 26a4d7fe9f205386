/* Tests of the search for nearest keys: its results equal a plain loop over all keys, do not depend on how rows are
 * divided or on the number of threads, and respect masks. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"
#include "bottleneck/search.h"

static dkvb_model *model;

static int setup(void **state)
{
    (void)state;
    model = trained_model(1, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkvb_model_free(model);
    return 0;
}

/* Finds the k nearest keys of a row by a plain loop in whole numbers, without code of the library.
 */
static void plain_search(const int8_t *row, const int8_t *keys, const dkvb_mask *mask, size_t c, size_t k,
                         uint16_t *codes, int32_t *dist)
{
    uint8_t used[KEYS] = {0};

    for (size_t rank = 0; rank < k; rank++) {
        codes[rank] = DKVB_CODE_NONE;
        dist[rank] = INT32_MAX;
        for (size_t j = 0; j < KEYS; j++) {
            int32_t d = 0;

            for (size_t i = 0; i < KEY_DIM; i++)
                d += (row[i] - keys[j * KEY_DIM + i]) * (row[i] - keys[j * KEY_DIM + i]);
            if (used[j] || (mask && mask_has(mask, (uint32_t)c, (uint32_t)j)) || d >= dist[rank])
                continue;
            codes[rank] = (uint16_t)j;
            dist[rank] = d;
        }
        if (codes[rank] != DKVB_CODE_NONE)
            used[codes[rank]] = 1;
    }
}

static void compare_with_plain_search(const dkvb_mask *mask, uint32_t k)
{
    static int8_t projected[ROWS * CODEBOOKS * KEY_DIM], keys[CODEBOOKS * KEYS * KEY_DIM];
    dkvb_codebooks *cb = dkvb_model_codebooks(model);
    size_t size = (size_t)ROWS * CODEBOOKS * k;
    uint16_t *codes = malloc(size * sizeof *codes), expected[KEYS];
    int32_t *dist = malloc(size * sizeof *dist), expected_dist[KEYS];

    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, projected, NULL, NULL));
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = keys}));
    assert_ok(dkvb_search(cb, mask, rows, ROWS, k, codes, dist, NULL));
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < CODEBOOKS; c++) {
            size_t at = r * CODEBOOKS + c;

            plain_search(projected + at * KEY_DIM, keys + c * KEYS * KEY_DIM, mask, c, k, expected, expected_dist);
            assert_memory_equal(codes + at * k, expected, k * sizeof *codes);
            assert_memory_equal(dist + at * k, expected_dist, k * sizeof *dist);
        }
    free(codes);
    free(dist);
}

static void search_equals_a_plain_loop(void **state)
{
    static const uint32_t ks[] = {1, 2, 5, KEYS};

    (void)state;
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        compare_with_plain_search(NULL, ks[i]);
}

static void masked_search_equals_a_plain_loop(void **state)
{
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    for (uint32_t c = 0; c < CODEBOOKS; c++)
        for (uint32_t j = 0; j < KEYS; j++)
            /* masks all keys of codebook 0, all but one of codebook 1, a third of all others */
            if (c == 0 || (c == 1 && j != 40) || (j * 7 + c) % 3 == 0)
                assert_ok(dkvb_mask_set(mask, c, j, 1));
    compare_with_plain_search(mask, 1);
    compare_with_plain_search(mask, 3);
    dkvb_mask_free(mask);
}

static void rows_alone_threads_and_batches_give_the_same_bits(void **state)
{
    enum { K = 3 };
    static uint16_t codes[2][ROWS * CODEBOOKS * K];
    static int32_t dist[2][ROWS * CODEBOOKS * K];
    const dkvb_codebooks *cb = dkvb_model_codebooks(model);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, K, codes[0], dist[0], NULL));
    for (run.threads = 1; run.threads <= 3; run.threads++)
        for (size_t step = 1; step <= 7; step += 3) {
            memset(codes[1], 0, sizeof codes[1]);
            for (size_t r = 0; r < ROWS; r += step) {
                size_t at = r * CODEBOOKS * K, n = ROWS - r < step ? ROWS - r : step;

                assert_ok(dkvb_search(cb, NULL, rows + r * DIM, n, K, codes[1] + at, dist[1] + at, &run));
            }
            assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
            assert_memory_equal(dist[0], dist[1], sizeof dist[0]);
        }
}

static void projected_rows_are_searched_alike(void **state)
{
    static uint16_t codes[2][ROWS * CODEBOOKS];
    static int8_t projected[ROWS * CODEBOOKS * KEY_DIM];
    static float q[ROWS * CODEBOOKS * KEY_DIM];
    const dkvb_codebooks *cb = dkvb_model_codebooks(model);
    float scales[CODEBOOKS];

    (void)state;
    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, projected, NULL, NULL));
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .scales = scales}));
    for (size_t i = 0; i < sizeof q / sizeof *q; i++)
        q[i] = ((float)projected[i] + 0.3f) / scales[i / KEY_DIM % CODEBOOKS]; /* a row that rounds to the same steps */
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes[0], NULL, NULL));
    assert_ok(dkvb__search_projected(cb, NULL, q, ROWS, 1, codes[1], NULL, NULL));
    assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
    q[5] = INFINITY;
    assert_int_equal(dkvb__search_projected(cb, NULL, q, ROWS, 1, codes[1], NULL, NULL), DKVB_EINVAL);
    assert_message("row 0, column 5");
}

static void wide_rows_of_one_codebook_are_split_alike(void **state)
{
    enum { WIDE = 784, N = 70 };
    static float x[N * WIDE];
    dkvb_keyinit_options o = small_keyinit();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint16_t codes[2][N];
    dkvb_codebooks *cb;

    (void)state;
    for (size_t i = 0; i < N * WIDE; i++)
        x[i] = (float)(i * 2654435761u % 1000) / 1000.0f;
    o.codebooks = 1;
    o.keys = 60;
    assert_ok(dkvb_codebooks_fit(&cb, x, N, WIDE, &o, NULL));
    run.threads = 1;
    assert_ok(dkvb_search(cb, NULL, x, N, 1, codes[0], NULL, &run));
    run.threads = 4;
    assert_ok(dkvb_search(cb, NULL, x, N, 1, codes[1], NULL, &run));
    assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
    for (size_t r = 0; r < N; r++)
        assert_ok(dkvb_search(cb, NULL, x + r * WIDE, 1, 1, codes[1] + r, NULL, NULL));
    assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
    dkvb_codebooks_free(cb);
}

static void refreshed_codes_equal_a_full_search(void **state)
{
    static uint16_t codes[ROWS * CODEBOOKS], full[ROWS * CODEBOOKS];
    dkvb_codebooks *cb = dkvb_model_codebooks(model);
    uint64_t entry, searched, stale = 0;
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes, NULL, NULL));
    mask = mask_for_class(model, codes, 2, 60);
    for (size_t i = 0; i < ROWS * CODEBOOKS; i++)
        stale += (uint64_t)mask_has(mask, (uint32_t)(i % CODEBOOKS), codes[i]);
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    assert_ok(dkvb_search(cb, mask, rows, ROWS, 1, full, NULL, NULL));
    assert_ok(dkvb_search_refresh(model, rows, ROWS, 1, codes, &searched, NULL));
    assert_memory_equal(codes, full, sizeof codes);
    assert_true(stale > 0 && searched == stale);
    assert_ok(dkvb_search_refresh(model, rows, ROWS, 1, codes, &searched, NULL));
    assert_int_equal(searched, 0);
    assert_ok(dkvb_model_undo(model, entry, NULL));
    dkvb_mask_free(mask);
}

static void masks_and_refreshes_hold_for_every_k(void **state)
{
    (void)state;
    for (uint32_t k = 2; k <= 9; k += 7) {
        uint16_t *codes = malloc((size_t)ROWS * CODEBOOKS * k * sizeof *codes), *full;
        dkvb_model *wide = trained_model(k, codes);
        dkvb_codebooks *cb = dkvb_model_codebooks(wide);
        uint64_t searched;
        dkvb_mask *mask;

        full = malloc((size_t)ROWS * CODEBOOKS * k * sizeof *full);
        assert_ok(dkvb_mask_new(&mask, cb));
        for (uint32_t j = 0; j + 4 < KEYS; j++) /* leaves the last codebook fewer unmasked keys than are searched */
            assert_ok(dkvb_mask_set(mask, CODEBOOKS - 1, j, 1));
        for (uint32_t c = 0; c + 1 < CODEBOOKS; c++)
            for (uint32_t j = c; j < KEYS; j += 5)
                assert_ok(dkvb_mask_set(mask, c, j, 1));
        assert_ok(dkvb_model_forget(wide, mask, NULL, NULL));
        assert_ok(dkvb_search(cb, mask, rows, ROWS, k, full, NULL, NULL));
        assert_ok(dkvb_search_refresh(wide, rows, ROWS, k, codes, &searched, NULL));
        assert_memory_equal(codes, full, (size_t)ROWS * CODEBOOKS * k * sizeof *codes);
        assert_true(searched > 0 && searched < (uint64_t)ROWS * CODEBOOKS);
        for (uint32_t rank = 4; rank < k; rank++)
            assert_int_equal(codes[(CODEBOOKS - 1) * k + rank], DKVB_CODE_NONE);
        dkvb_mask_free(mask);
        dkvb_model_free(wide);
        free(codes);
        free(full);
    }
}

static int count_calls(void *user, uint64_t done, uint64_t total)
{
    uint64_t *calls = user;

    assert_true(done <= total && total == ROWS);
    return ++*calls == 2;
}

static void search_reports_rows_and_can_be_cancelled(void **state)
{
    static uint16_t codes[ROWS * CODEBOOKS];
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint64_t calls = 0;

    (void)state;
    run.progress = count_calls;
    run.user = &calls;
    assert_int_equal(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, 1, codes, NULL, &run), DKVB_ECANCELLED);
    assert_int_equal(calls, 2);
}

/* Searches the rows multiplied by `factor`, and counts those outside the scale of the keys in `found`, which is reset
 * first. */
static void count_scaled(const dkvb_codebooks *cb, float factor, size_t n, uint32_t threads, dkvb_outside *found)
{
    static float scaled[ROWS * DIM];
    static uint16_t codes[ROWS * CODEBOOKS];
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    for (size_t i = 0; i < n * DIM; i++)
        scaled[i] = rows[i] * factor;
    run.outside = found;
    run.threads = threads;
    assert_ok(dkvb_search(cb, NULL, scaled, n, 1, codes, NULL, &run));
}

static void rows_of_another_length_are_counted(void **state)
{
    dkvb_codebooks *cb = dkvb_model_codebooks(model);
    dkvb_codebooks_info info = DKVB_CODEBOOKS_INFO_INIT;
    dkvb_outside found = DKVB_OUTSIDE_INIT;

    (void)state;
    assert_ok(dkvb_codebooks_get_info(cb, &info));
    count_scaled(cb, 1.0f, ROWS, 1, &found);
    assert_true(found.searched == ROWS && found.rows == 0 && found.least == info.least_length);
    count_scaled(cb, 255.0f, 100, 2, &found);
    assert_true(found.searched == ROWS + 100 && found.rows == 100 && found.longer == 100 && found.shorter == 0);
    assert_true(found.first == ROWS && found.length > info.greatest_length && found.greatest == info.greatest_length);
    count_scaled(cb, 0.004f, 40, 1, &found);
    count_scaled(cb, 0.0f, 3, 1, &found);
    assert_true(found.searched == ROWS + 143 && found.rows == 143 && found.longer == 100 && found.shorter == 43);
    assert_true(found.first == ROWS); /* the number of the first row outside, counted through all calls */
}

/* In this test rows are not scaled to length 1 and have usual lengths, so they are outside the scale only by numbers at
 * its ends. */
static void rows_with_many_numbers_at_an_end_of_the_scale_are_counted(void **state)
{
    static float keys[CODEBOOKS * KEYS * KEY_DIM];
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    uint32_t saturated[ROWS], inside = 0;
    static int8_t projected[ROWS * CODEBOOKS * KEY_DIM];
    dkvb_outside found = DKVB_OUTSIDE_INIT, one = DKVB_OUTSIDE_INIT;
    dkvb_codebooks *cb;

    (void)state;
    o.normalize = 0;
    for (size_t i = 0; i < CODEBOOKS * KEYS * KEY_DIM; i++)
        keys[i] = (float)(i * 7919 % 1009) / 504.5f - 1.0f;
    arrays.dim = DIM;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&cb, &arrays, &o));
    count_scaled(cb, 0.3f, ROWS, 2, &found);
    for (size_t i = 0; i < ROWS * DIM; i++)
        rows[i] *= 0.3f;
    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, projected, saturated, NULL));
    for (size_t r = 0; r < ROWS; r++) {
        uint32_t ends = 0;

        for (size_t i = 0; i < CODEBOOKS * KEY_DIM; i++)
            ends += abs(projected[r * CODEBOOKS * KEY_DIM + i]) == 63;
        assert_true(ends >= saturated[r]);
        inside += ends * 5 <= CODEBOOKS * KEY_DIM;
        if (r > 0 || ends * 5 <= CODEBOOKS * KEY_DIM)
            continue;
        count_scaled(cb, 1.0f, 1, 1, &one);
        assert_true(one.rows == 1 && one.cut == (double)ends / (CODEBOOKS * KEY_DIM));
    }
    make_rows();
    assert_true(inside > 10 && inside < ROWS - 10); /* the test has rows inside and outside the scale */
    assert_true(found.rows == ROWS - inside && found.longer == 0 && found.shorter == 0);
    dkvb_codebooks_free(cb);
}

static void one_wrong_number_in_the_key_rows_is_told_of(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_outside found = DKVB_OUTSIDE_INIT;
    float kept = rows[11 * DIM + 3];
    dkvb_codebooks *cb;

    (void)state;
    rows[11 * DIM + 3] = 3e38f;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    count_scaled(cb, 1.0f, ROWS, 1, &found);
    assert_true(found.rows == 1 && found.first == 11 && found.longer == 1 && found.length > 2e38);
    rows[11 * DIM + 3] = kept;
    dkvb_codebooks_free(cb);
}

static void predictions_and_fits_count_each_row_once_and_refreshes_none(void **state)
{
    static uint16_t codes[ROWS * CODEBOOKS];
    static float scaled[ROWS * DIM];
    static int32_t answers[ROWS];
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_outside found = DKVB_OUTSIDE_INIT;
    dkvb_fit_rows x = DKVB_FIT_ROWS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_codeset *set;
    dkvb_model *fitted;
    dkvb_mask *mask;
    uint64_t entry, again;

    (void)state;
    for (size_t i = 0; i < ROWS * DIM; i++)
        scaled[i] = rows[i] * 100.0f;
    run.outside = &found;
    assert_ok(dkvb_model_predict(model, scaled, ROWS, answers, NULL, &run));
    assert_true(found.searched == ROWS && found.rows == ROWS);
    memset(codes, 0, sizeof codes);
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_mask_set(mask, 0, 0, 1));
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    assert_ok(dkvb_search_refresh(model, scaled, ROWS, 1, codes, &again, &run));
    assert_true(again == ROWS && found.searched == ROWS);
    assert_ok(dkvb_model_undo(model, entry, NULL));
    dkvb_mask_free(mask);

    found = (dkvb_outside)DKVB_OUTSIDE_INIT;
    x.x = scaled;
    x.labels = labels;
    x.n = ROWS;
    x.dim = DIM;
    o.codebooks = dkvb_model_codebooks(model);
    /* held-out rows are searched a second time, for deeper codes */
    assert_ok(dkvb_fit(&fitted, &set, &x, &o, NULL, &run));
    assert_true(found.searched == ROWS && found.rows == ROWS);
    dkvb_codeset_free(set);
    dkvb_model_free(fitted);

    found.struct_size = 0;
    assert_int_equal(dkvb_model_predict(model, rows, 1, answers, NULL, &run), DKVB_EINVAL);
    assert_message("rows outside the scale: struct_size is 0");
}

static void bad_arguments_are_refused(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb = dkvb_model_codebooks(model), *other;
    uint16_t codes[CODEBOOKS * (KEYS + 1)];
    dkvb_mask *mask;

    (void)state;
    assert_int_equal(dkvb_search(cb, NULL, rows, 1, 0, codes, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_search(cb, NULL, rows, 1, KEYS + 1, codes, NULL, NULL), DKVB_EINVAL);
    assert_message("1 to 70");
    assert_ok(dkvb_search(cb, NULL, NULL, 0, 1, NULL, NULL, NULL));
    o.seed = 99;
    assert_ok(dkvb_codebooks_fit(&other, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_mask_new(&mask, other));
    assert_int_equal(dkvb_search(cb, mask, rows, 1, 1, codes, NULL, NULL), DKVB_EMISMATCH);
    dkvb_mask_free(mask);
    dkvb_codebooks_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_equals_a_plain_loop),
        cmocka_unit_test(masked_search_equals_a_plain_loop),
        cmocka_unit_test(rows_alone_threads_and_batches_give_the_same_bits),
        cmocka_unit_test(projected_rows_are_searched_alike),
        cmocka_unit_test(wide_rows_of_one_codebook_are_split_alike),
        cmocka_unit_test(refreshed_codes_equal_a_full_search),
        cmocka_unit_test(masks_and_refreshes_hold_for_every_k),
        cmocka_unit_test(search_reports_rows_and_can_be_cancelled),
        cmocka_unit_test(rows_of_another_length_are_counted),
        cmocka_unit_test(rows_with_many_numbers_at_an_end_of_the_scale_are_counted),
        cmocka_unit_test(one_wrong_number_in_the_key_rows_is_told_of),
        cmocka_unit_test(predictions_and_fits_count_each_row_once_and_refreshes_none),
        cmocka_unit_test(bad_arguments_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
