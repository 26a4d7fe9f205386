/* The index of search: with it, without it and while it is being made, codes and distances are the same bits. */
#include "fixture.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bottleneck/model.h"

enum { TOP = 2, MANY_KEYS = 1000 }; /* few keys have no index */

static uint16_t expected[ROWS * CODEBOOKS * TOP];
static float expected_dist[ROWS * CODEBOOKS * TOP];

static dkvb_codebooks *new_codebooks(void)
{
    static float projection[CODEBOOKS * DIM * KEY_DIM], center[DIM], keys[CODEBOOKS * MANY_KEYS * KEY_DIM];
    dkvb_keyinit_options o = small_keyinit();
    struct dkvb__rng rng;
    dkvb_codebooks *cb;

    make_rows();
    dkvb__rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < sizeof projection / sizeof *projection; i++)
        projection[i] = (float)dkvb__rng_gauss(&rng);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        keys[i] = 3.0f * (float)dkvb__rng_gauss(&rng);
    o.keys = MANY_KEYS;
    assert_ok(dkvb_codebooks_from_arrays(&cb, DIM, projection, center, keys, &o));
    return cb;
}

/* Codes and distances by looking at every key. */
static void look_at_every_key(const dkvb_codebooks *cb, const dkvb_mask *mask)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.exhaustive = 1;
    assert_ok(dkvb_search(cb, mask, rows, ROWS, TOP, expected, expected_dist, &run));
}

static void expect_the_same(const dkvb_codebooks *cb, const dkvb_mask *mask, size_t step)
{
    static uint16_t codes[ROWS * CODEBOOKS * TOP];
    static float dist[ROWS * CODEBOOKS * TOP];

    memset(codes, 0, sizeof codes);
    for (size_t r = 0; r < ROWS; r += step) {
        size_t at = r * CODEBOOKS * TOP, n = ROWS - r < step ? ROWS - r : step;

        assert_ok(dkvb_search(cb, mask, rows + r * DIM, n, TOP, codes + at, dist + at, NULL));
    }
    assert_memory_equal(codes, expected, sizeof codes);
    assert_memory_equal(dist, expected_dist, sizeof dist);
}

static void rows_one_by_one_meet_no_index_and_then_one(void **state)
{
    static const size_t steps[] = {1, 3, 16, ROWS};

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        dkvb_codebooks *cb = new_codebooks();

        look_at_every_key(cb, NULL);
        expect_the_same(cb, NULL, steps[i]);
        expect_the_same(cb, NULL, steps[i]);
        dkvb_codebooks_free(cb);
    }
}

static void masks_leave_the_index_as_it_is(void **state)
{
    dkvb_codebooks *cb = new_codebooks();
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, cb));
    look_at_every_key(cb, NULL);
    expect_the_same(cb, NULL, ROWS);
    for (uint32_t j = 0; j < MANY_KEYS; j++) { /* more and more keys go, all but one in the end */
        for (uint32_t c = 0; j != 33 && c < CODEBOOKS; c++)
            assert_ok(dkvb_mask_add(mask, c, j));
        if (j % 90 == 0 || j + 1 == MANY_KEYS) {
            look_at_every_key(cb, mask);
            expect_the_same(cb, mask, 50);
        }
    }
    dkvb_mask_free(mask);
    dkvb_codebooks_free(cb);
}

static void a_purge_makes_it_anew(void **state)
{
    dkvb_codebooks *cb = new_codebooks();
    dkvb_model *model;
    dkvb_mask *mask;
    uint64_t entry;

    (void)state;
    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    assert_ok(dkvb_mask_new(&mask, cb));
    dkvb_codebooks_free(cb); /* the model is the only owner: purged in place */
    cb = dkvb_model_codebooks(model);
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, TOP, expected, NULL, NULL));
    assert_true(atomic_load(&cb->coarse) || !dkvb__kernels()->coarsen); /* some kernels have no use for it */
    for (size_t i = 0; i < ROWS * CODEBOOKS * TOP; i += 7)
        assert_ok(dkvb_mask_add(mask, (uint32_t)(i / TOP % CODEBOOKS), expected[i]));
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    assert_ok(dkvb_model_purge(model));
    assert_null(atomic_load(&cb->coarse)); /* cleared: it knew the keys */
    look_at_every_key(cb, NULL);
    expect_the_same(cb, NULL, ROWS);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

/* NULL if the answers are right. */
static void *search_on_a_thread(void *cb)
{
    uint16_t *codes = calloc(1, sizeof expected);
    bool same = codes && dkvb_search(cb, NULL, rows, ROWS, TOP, codes, NULL, NULL) == DKVB_OK &&
                memcmp(codes, expected, sizeof expected) == 0;

    free(codes);
    return same ? NULL : cb;
}

static void threads_that_come_first_together_agree(void **state)
{
    enum { THREADS = 4, ROUNDS = 20 };

    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        dkvb_codebooks *cb = new_codebooks();
        pthread_t thread[THREADS];
        void *failed;

        look_at_every_key(cb, NULL);
        for (size_t t = 0; t < THREADS; t++)
            assert_int_equal(pthread_create(&thread[t], NULL, search_on_a_thread, cb), 0);
        for (size_t t = 0; t < THREADS; t++) {
            assert_int_equal(pthread_join(thread[t], &failed), 0);
            assert_null(failed);
        }
        dkvb_codebooks_free(cb);
    }
}

static void an_odd_wish_is_refused(void **state)
{
    dkvb_codebooks *cb = new_codebooks();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    run.exhaustive = 2;
    assert_int_equal(dkvb_search(cb, NULL, rows, ROWS, TOP, expected, NULL, &run), DKVB_EINVAL);
    assert_message("exhaustive is 2");
    dkvb_codebooks_free(cb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_one_by_one_meet_no_index_and_then_one),
        cmocka_unit_test(masks_leave_the_index_as_it_is),
        cmocka_unit_test(a_purge_makes_it_anew),
        cmocka_unit_test(threads_that_come_first_together_agree),
        cmocka_unit_test(an_odd_wish_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
