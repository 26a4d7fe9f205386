/* Tests of choosing the pairs to mask, by several methods for the same request; and of the model's counts of pairs
 * selected by each class. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bottleneck/model.h"
#include "unlearn/choose.h"

enum { PAIRS = CODEBOOKS * KEYS };

static uint16_t codes[ROWS * CODEBOOKS * 2];
static uint8_t row_marks[ROWS], class_marks[CLASSES];

/* Returns a request to forget the rows of class 1, with the rows of class 3 set aside. */
static dkvb_request request_for(uint32_t method, uint32_t k)
{
    dkvb_request q = DKVB_REQUEST_INIT;

    for (size_t r = 0; r < ROWS; r++)
        row_marks[r] = labels[r] == 1 ? DKVB_FORGET : labels[r] == 3 ? DKVB_ASIDE : DKVB_KEEP;
    for (int32_t l = 0; l < CLASSES; l++)
        class_marks[l] = l == 1 ? DKVB_FORGET : l == 3 ? DKVB_ASIDE : DKVB_KEEP;
    q.method = method;
    q.k = k;
    q.codes = codes;
    q.n = ROWS;
    q.rows = row_marks;
    q.classes = class_marks;
    q.seed = 3;
    return q;
}

static dkvb_mask *chosen(const dkvb_model *model, const dkvb_request *q, uint64_t budget)
{
    dkvb_mask *mask;

    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_unlearn_choose(mask, model, q, budget, NULL));
    return mask;
}

static void assert_same_and_free(dkvb_mask *a, dkvb_mask *b)
{
    assert_true(dkvb_mask_equal(a, b));
    dkvb_mask_free(a);
    dkvb_mask_free(b);
}

static void count(uint32_t k, uint8_t mark, uint64_t counts[PAIRS])
{
    memset(counts, 0, PAIRS * sizeof *counts);
    for (size_t i = 0; i < (size_t)ROWS * CODEBOOKS * k; i++)
        counts[i / k % CODEBOOKS * KEYS + codes[i]] += row_marks[i / k / CODEBOOKS] == mark;
}

static void activations_are_those_of_the_marked_rows(void **state)
{
    uint64_t counts[PAIRS];

    (void)state;
    for (uint32_t k = 1; k <= 2; k++) {
        dkvb_model *model = trained_model(k, codes);
        dkvb_request q = request_for(DKVB_METHOD_ACTIVATIONS, k);

        count(k, DKVB_FORGET, counts);
        for (uint64_t budget = 0; budget < 200; budget += 33) {
            dkvb_mask *expected;

            assert_ok(dkvb_mask_new(&expected, dkvb_model_codebooks(model)));
            dkvb__take_largest(expected, counts, budget);
            assert_same_and_free(chosen(model, &q, budget), expected);
        }
        dkvb_model_free(model);
    }
}

/* The scores f^2 / (f + r) of two pairs are compared without rounding: f1^2 (f2 + r2) against f2^2 (f1 + r1). */
static void contrast_takes_the_largest_shares_of_many(void **state)
{
    uint64_t f[PAIRS], r[PAIRS];
    dkvb_model *model = trained_model(1, codes);
    dkvb_request q = request_for(DKVB_METHOD_CONTRAST, 1);
    dkvb_mask *mask = chosen(model, &q, 60);

    (void)state;
    count(1, DKVB_FORGET, f);
    count(1, DKVB_KEEP, r);
    assert_int_equal(dkvb__mask_count(mask), 60);
    for (size_t in = 0; in < PAIRS; in++)
        for (size_t out = 0; mask_has(mask, (uint32_t)(in / KEYS), (uint32_t)(in % KEYS)) && out < PAIRS; out++)
            if (!mask_has(mask, (uint32_t)(out / KEYS), (uint32_t)(out % KEYS))) {
                uint64_t a = f[in] * f[in] * (f[out] + r[out]), b = f[out] * f[out] * (f[in] + r[in]);

                assert_true(f[in] > 0 && (f[out] == 0 || a > b || (a == b && in < out)));
            }
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

/* Returns a mask of every pair that the first n rows in `order` select. */
static dkvb_mask *of_rows(const dkvb_model *model, const size_t *order, size_t n)
{
    dkvb_mask *mask;

    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < CODEBOOKS; c++)
            assert_ok(dkvb_mask_set(mask, c, codes[order[i] * CODEBOOKS + c], 1));
    return mask;
}

static void examples_are_those_of_the_paper_and_every_is_all_of_them(void **state)
{
    size_t forget[ROWS], drawn[ROWS], scratch[ROWS], order[ROWS], n = 0;
    dkvb_model *model = trained_model(1, codes);
    dkvb_request q = request_for(DKVB_METHOD_EXAMPLES, 1);
    struct dkvb__rng rng;

    (void)state;
    for (size_t r = 0; r < ROWS; r++)
        if (row_marks[r] == DKVB_FORGET)
            forget[n++] = r;
    dkvb__rng_seed(&rng, 3, 0);
    dkvb__rng_choose(&rng, n, n, drawn, scratch);
    for (size_t i = 0; i < n; i++)
        order[i] = forget[drawn[i]];
    for (uint64_t budget = 1; budget < 400; budget *= 3)
        assert_same_and_free(chosen(model, &q, budget), of_rows(model, order, budget < n ? (size_t)budget : n));
    q.method = DKVB_METHOD_EVERY;
    assert_same_and_free(chosen(model, &q, 1), of_rows(model, forget, n));
    dkvb_model_free(model);
}

/* Asserts that method "values" chooses the pairs with the largest v^2 / |v|, where v is the pair's value for class 1
 * and must be positive; classes that are set aside do not count in |v|. */
static void assert_best_are_chosen(const dkvb_model *model, const dkvb_mask *mask)
{
    static float values[PAIRS * CLASSES];
    double least_in = 1e30, most_out = 0.0;

    assert_ok(dkvb_model_get_values(model, values));
    for (uint32_t i = 0; i < PAIRS; i++) {
        const float *v = values + i * CLASSES;
        double squares = 0.0, score;

        for (size_t l = 0; l < CLASSES; l++)
            squares += class_marks[l] == DKVB_ASIDE ? 0.0 : (double)v[l] * (double)v[l];
        score = v[1] > 0.0f ? (double)v[1] * (double)v[1] / sqrt(squares) : 0.0;
        if (mask_has(mask, i / KEYS, i % KEYS))
            least_in = score < least_in ? score : least_in;
        else
            most_out = score > most_out ? score : most_out;
    }
    assert_true(least_in > 0.0 && least_in >= most_out * (1.0 - 1e-12));
}

static void values_of_any_type_say_whom_a_pair_serves(void **state)
{
    static const uint32_t types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};

    (void)state;
    for (uint32_t k = 1; k <= 2; k++)
        for (size_t t = 0; t < 3; t++) {
            dkvb_model *model = trained_model(k, codes);
            dkvb_request q = request_for(DKVB_METHOD_VALUES, k), without = q;
            dkvb_run_options alone = DKVB_RUN_OPTIONS_INIT;
            dkvb_mask *mask, *by_one;

            assert_ok(dkvb_model_set_values(model, NULL, types[t]));
            without.codes = NULL;
            mask = chosen(model, &without, 50);
            assert_int_equal(dkvb__mask_count(mask), 50);
            assert_best_are_chosen(model, mask);
            alone.threads = 1;
            assert_ok(dkvb_mask_new(&by_one, dkvb_model_codebooks(model)));
            assert_ok(dkvb_unlearn_choose(by_one, model, &without, 50, &alone));
            assert_true(dkvb_mask_equal(mask, by_one));
            dkvb_mask_free(by_one);
            assert_same_and_free(chosen(model, &q, 50), mask); /* method "values" does not depend on the rows */
            dkvb_model_free(model);
        }
}

static void a_ranking_says_what_each_budget_takes(void **state)
{
    static uint32_t rank[PAIRS];

    (void)state;
    for (uint32_t k = 1; k <= 2; k++) {
        dkvb_model *model = trained_model(k, codes);

        for (uint32_t method = DKVB_METHOD_ACTIVATIONS; method <= DKVB_METHOD_EVERY; method++) {
            dkvb_request q = request_for(method, k);

            assert_ok(dkvb__unlearn_rank(rank, model, &q, NULL));
            for (uint64_t budget = 1; budget <= PAIRS; budget += 1 + budget / 3) {
                dkvb_mask *mask;

                assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
                dkvb__unlearn_by_rank(mask, rank, budget);
                assert_same_and_free(chosen(model, &q, budget), mask);
            }
        }
        dkvb_model_free(model);
    }
}

static void counts_that_the_model_keeps_choose_like_the_rows(void **state)
{
    static const uint32_t methods[] = {DKVB_METHOD_ACTIVATIONS, DKVB_METHOD_CONTRAST, DKVB_METHOD_EVERY};
    dkvb_model *model = trained_model(1, codes), *loaded;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    (void)state;
    assert_ok(dkvb_model_count_classes(model, codes, 1, labels, 250, NULL));
    assert_ok(dkvb_model_count_classes(model, codes + 250 * CODEBOOKS, 1, labels + 250, ROWS - 250, NULL));
    assert_ok(dkvb_model_save(model, temp_path("counted")));
    assert_ok(map_model(&loaded, temp_path("counted"), NULL));
    assert_ok(dkvb_model_get_info(loaded, &info));
    assert_int_equal(info.class_counts, 1);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        dkvb_request q = request_for(methods[i], 1), by_name = q;

        by_name.codes = NULL;
        assert_same_and_free(chosen(model, &q, 77), chosen(loaded, &by_name, 77));
    }
    dkvb_model_free(loaded);
    dkvb_model_free(model);
}

static void counts_follow_new_classes_and_leave_with_a_purge(void **state)
{
    static uint64_t before[PAIRS], after[PAIRS];
    dkvb_model *model = trained_model(1, codes), *loaded;

    (void)state;
    assert_int_equal(dkvb_model_class_counts(model, 0, before), DKVB_ENOTFOUND);
    assert_ok(dkvb_model_count_classes(model, codes, 1, labels, ROWS, NULL));
    assert_ok(dkvb_model_class_counts(model, 2, before));
    assert_ok(dkvb_model_add_classes(model, 3));
    assert_ok(dkvb_model_class_counts(model, 2, after));
    assert_memory_equal(before, after, sizeof before);
    memset(after, 0, sizeof after);
    assert_ok(dkvb_model_class_counts(model, 6, after));
    for (size_t i = 0; i < PAIRS; i++)
        assert_int_equal(after[i], 0);
    assert_int_equal(dkvb_model_class_counts(model, 7, after), DKVB_EINVAL);
    assert_ok(dkvb_model_purge(model));
    assert_int_equal(dkvb_model_class_counts(model, 2, after), DKVB_ENOTFOUND);
    assert_ok(dkvb_model_save(model, temp_path("no_counts")));
    assert_ok(dkvb_model_load(&loaded, temp_path("no_counts"), NULL));
    assert_null(loaded->counts);
    dkvb_model_free(loaded);
    dkvb_model_free(model);
}

static void a_request_that_cannot_be_met_is_refused(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_request q = request_for(DKVB_METHOD_ACTIVATIONS, 1);
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    q.codes = NULL;
    assert_int_equal(dkvb_unlearn_choose(mask, model, &q, 5, NULL), DKVB_ENOTFOUND);
    assert_message("keeps no counts");
    q.method = DKVB_METHOD_EXAMPLES;
    assert_int_equal(dkvb_unlearn_choose(mask, model, &q, 5, NULL), DKVB_EINVAL);
    q = request_for(9, 1);
    assert_int_equal(dkvb_unlearn_choose(mask, model, &q, 5, NULL), DKVB_EINVAL);
    q = request_for(DKVB_METHOD_CONTRAST, 1);
    row_marks[17] = 3;
    assert_int_equal(dkvb_unlearn_choose(mask, model, &q, 5, NULL), DKVB_EINVAL);
    assert_message("row 17");
    memset(row_marks, DKVB_KEEP, sizeof row_marks);
    assert_int_equal(dkvb_unlearn_choose(mask, model, &q, 5, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb__mask_count(mask), 0);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void each_allocation_may_fail(void **state)
{
    static uint32_t rank[PAIRS];

    (void)state;
    for (uint32_t method = DKVB_METHOD_ACTIVATIONS; method <= DKVB_METHOD_EVERY; method++) {
        dkvb_model *plain = trained_model(1, codes);
        dkvb_request q = request_for(method, 1);

        for (size_t fail_at = 0;; fail_at++) {
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at);
            dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
            dkvb_model *model;
            dkvb_mask *mask;
            dkvb_status rc;

            o.allocator = &a;
            rc = dkvb_model_new(&model, dkvb_model_codebooks(plain), CLASSES, &o);
            if (!rc)
                rc = dkvb_model_count_classes(model, codes, 1, labels, ROWS, NULL);
            assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(plain)));
            if (!rc)
                rc = dkvb_unlearn_choose(mask, model, &q, 10, NULL);
            if (!rc)
                rc = dkvb__unlearn_rank(rank, model, &q, NULL);
            dkvb_mask_free(mask);
            dkvb_model_free(model);
            assert_int_equal(mem.live, 0);
            if (rc == DKVB_OK)
                break;
            assert_int_equal(rc, DKVB_ENOMEM);
        }
        dkvb_model_free(plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_those_of_the_marked_rows),
        cmocka_unit_test(contrast_takes_the_largest_shares_of_many),
        cmocka_unit_test(examples_are_those_of_the_paper_and_every_is_all_of_them),
        cmocka_unit_test(values_of_any_type_say_whom_a_pair_serves),
        cmocka_unit_test(a_ranking_says_what_each_budget_takes),
        cmocka_unit_test(counts_that_the_model_keeps_choose_like_the_rows),
        cmocka_unit_test(counts_follow_new_classes_and_leave_with_a_purge),
        cmocka_unit_test(a_request_that_cannot_be_met_is_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
