/* Tests of effects: the effect of a mask on each class, and the number of pairs to mask, are predicted from deep codes
 * and compared with the result of masking. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"

enum { PAIRS = CODEBOOKS * KEYS };

static uint16_t codes[ROWS * CODEBOOKS * 2], deep[ROWS * CODEBOOKS * KEYS];
static uint64_t ids[ROWS];

/* Returns held-out rows with codes of `depth` keys per codebook; with all keys in the codes, no code runs out of keys,
 * and predicted effects are exact. */
static dkvb_codeset_rows held_out(const dkvb_model *model, uint32_t depth)
{
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;

    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, depth, deep, NULL, NULL));
    held.n = ROWS;
    held.codebooks = CODEBOOKS;
    held.k = depth;
    held.ids = ids;
    held.labels = labels;
    held.codes = deep;
    return held;
}

static void count_right(const dkvb_model *model, uint64_t right[CLASSES])
{
    static int32_t answers[ROWS];

    memset(right, 0, CLASSES * sizeof *right);
    assert_ok(dkvb_model_predict(model, rows, ROWS, answers, NULL, NULL));
    for (size_t r = 0; r < ROWS; r++)
        right[labels[r]] += answers[r] == labels[r];
}

static void effects_are_those_that_forgetting_has(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= 2; k++) {
        dkvb_model *model = trained_model(k, codes);
        dkvb_codeset_rows held = held_out(model, KEYS);
        dkvb_class_effect effects[CLASSES], again[CLASSES];
        uint64_t before[CLASSES], after[CLASSES], exhausted;
        dkvb_request q = DKVB_REQUEST_INIT;
        dkvb_mask *mask;

        for (int turn = 0; turn < 2; turn++) { /* in the second turn another mask is added to the first one */
            uint8_t marks[ROWS];

            for (size_t r = 0; r < ROWS; r++)
                marks[r] = labels[r] == turn + 1 ? DKVB_FORGET : DKVB_KEEP;
            q.k = k;
            q.codes = codes;
            q.n = ROWS;
            q.rows = marks;
            count_right(model, before);
            assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
            assert_ok(dkvb_unlearn_choose(mask, model, &q, 250, NULL));
            assert_ok(dkvb_effect_measure(model, NULL, mask, &held, effects, &exhausted, NULL));
            assert_ok(dkvb_effect_measure(model, mask, mask, &held, again, NULL, NULL));
            assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
            count_right(model, after);
            assert_int_equal(exhausted, 0);
            for (size_t l = 0; l < CLASSES; l++) {
                const dkvb_class_effect *e = &effects[l];

                assert_true(e->right_before == before[l] && e->right_after == after[l]);
                assert_true(e->rows == ROWS / CLASSES && e->right_before - e->lost + e->gained == e->right_after);
                assert_true(again[l].right_before == after[l] && again[l].lost == 0 && again[l].gained == 0);
                assert_true(e->low < e->loss + 0.02 && e->loss < e->high + 0.02 && e->low < e->high);
            }
            dkvb_mask_free(mask);
        }
        assert_true(effects[2].loss > 0.5);
        dkvb_model_free(model);
    }
}

static void models_are_compared_under_their_own_masks(void **state)
{
    dkvb_model *before = trained_model(1, codes), *after = trained_model(1, codes), *other = trained_model(2, codes);
    dkvb_codeset_rows held = held_out(before, KEYS);
    dkvb_class_effect measured[CLASSES], compared[CLASSES];
    dkvb_mask *mask = mask_for_class(after, codes, 1, 100);

    (void)state;
    assert_ok(dkvb_effect_measure(before, NULL, mask, &held, measured, NULL, NULL));
    assert_ok(dkvb_model_forget(after, mask, NULL, NULL));
    assert_ok(dkvb__effect_compare(before, after, &held, compared, NULL));
    assert_memory_equal(measured, compared, sizeof measured);
    assert_int_equal(dkvb__effect_compare(before, other, &held, compared, NULL), DKVB_EMISMATCH);
    dkvb_mask_free(mask);
    dkvb_model_free(before);
    dkvb_model_free(after);
    dkvb_model_free(other);
}

/* The expected interval of Agresti and Min 2005 was computed by hand: for 100 rows, 10 lost, 2 gained, it is (10.5 -
 * 2.5) / 102 +- 1.96 sqrt((13 / 102 - .0784^2) / 102). */
static void the_interval_is_that_of_paired_proportions(void **state)
{
    dkvb_class_effect sum = {0}, part = {.rows = 50, .right_before = 30, .right_after = 26, .lost = 5, .gained = 1};

    (void)state;
    dkvb__effect_add(&sum, &part);
    dkvb__effect_add(&sum, &part);
    assert_true(sum.rows == 100 && sum.lost == 10 && sum.loss == 0.08);
    assert_true(fabs(sum.low - (0.0784314 - 0.0675907)) < 1e-6);
    assert_true(fabs(sum.high - (0.0784314 + 0.0675907)) < 1e-6);
}

static void a_short_code_says_where_it_ends(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_codeset_rows held = held_out(model, 2);
    dkvb_class_effect effects[CLASSES];
    uint64_t exhausted, expected = 0;
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    for (uint32_t key = 0; key < KEYS; key += 2)
        assert_ok(dkvb_mask_set(mask, 3, key, 1));
    for (size_t r = 0; r < ROWS; r++)
        expected += deep[(r * CODEBOOKS + 3) * 2] % 2 == 0 && deep[(r * CODEBOOKS + 3) * 2 + 1] % 2 == 0;
    assert_ok(dkvb_effect_measure(model, NULL, mask, &held, effects, &exhausted, NULL));
    assert_true(expected > 0 && exhausted == expected);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

/* Measures accuracies at a budget, by masking `budget` pairs and predicting the rows.
 */
static void try_budget(const dkvb_model *model, const dkvb_codeset_rows *held, const uint32_t *rank, uint64_t budget,
                       const uint8_t *marks, double accuracy[3])
{
    dkvb_class_effect effects[CLASSES], sums[3] = {{0}};
    dkvb_mask *mask;

    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    dkvb__unlearn_by_rank(mask, rank, budget);
    assert_ok(dkvb_effect_measure(model, NULL, mask, held, effects, NULL, NULL));
    for (size_t l = 0; l < CLASSES; l++)
        dkvb__effect_add(&sums[marks[l]], &effects[l]);
    for (size_t m = 0; m < 3; m++)
        accuracy[m] = sums[m].rows ? (double)sums[m].right_after / (double)sums[m].rows : 0.0;
    dkvb_mask_free(mask);
}

static void the_budget_is_the_smallest_that_keeps_both_limits(void **state)
{
    static const uint8_t marks[CLASSES] = {DKVB_KEEP, DKVB_FORGET, DKVB_KEEP, DKVB_ASIDE};
    static uint32_t rank[PAIRS];

    (void)state;
    for (uint32_t k = 1; k <= 2; k++)
        for (uint32_t method = DKVB_METHOD_ACTIVATIONS; method <= DKVB_METHOD_EXAMPLES; method++) {
            dkvb_model *model = trained_model(k, codes);
            dkvb_codeset_rows held = held_out(model, KEYS);
            struct dkvb__budget_limits limits = {0.0, 0.005};
            dkvb_budget found = DKVB_BUDGET_INIT;
            dkvb_request q = DKVB_REQUEST_INIT;
            double accuracy[3], first[3];
            uint8_t row_marks[ROWS];
            uint64_t budget = 0;

            for (size_t r = 0; r < ROWS; r++)
                row_marks[r] = labels[r] == 1 ? DKVB_FORGET : DKVB_KEEP;
            q.method = method;
            q.k = k;
            q.codes = codes;
            q.n = ROWS;
            q.rows = row_marks;
            limits.target = 0.1;
            limits.max_retain_drop = 0.3;
            assert_ok(dkvb__unlearn_rank(rank, model, &q, NULL));
            assert_ok(dkvb__budget_find(model, rank, &held, marks, &limits, &found, NULL));
            try_budget(model, &held, rank, 0, marks, first);
            memcpy(accuracy, first, sizeof first);
            while (accuracy[DKVB_FORGET] > 0.1 || first[DKVB_KEEP] - accuracy[DKVB_KEEP] > 0.3) {
                assert_true(budget < PAIRS);
                try_budget(model, &held, rank, ++budget, marks, accuracy);
            }
            assert_int_equal(found.met, 1);
            assert_int_equal(found.budget, budget);
            /* the larger budget exceeds `budget`, as there are only 150 rows, not 1,000 */
            assert_true(found.roomy >= budget && (budget == 0 || found.roomy > budget));
            assert_true(found.forget_before == first[DKVB_FORGET] && found.forget_after == accuracy[DKVB_FORGET]);
            assert_true(found.retain_before == first[DKVB_KEEP] && found.retain_after == accuracy[DKVB_KEEP]);
            assert_true(found.forget_rows == ROWS / CLASSES && found.retain_rows == 2 * (ROWS / CLASSES));
            dkvb_model_free(model);
        }
}

/* Only codebook 0 has values, all for class 0, so every row is predicted as class 0. Once codebook 0 is masked, all
 * other codebooks select pairs without learned values, so the predicted effect must count rows as abstaining, not as
 * class 0.
 */
static void a_row_left_with_nothing_learned_is_not_right(void **state)
{
    static const uint8_t marks[CLASSES] = {DKVB_FORGET, DKVB_KEEP, DKVB_KEEP, DKVB_KEEP};
    static float values[PAIRS * CLASSES];
    static uint32_t rank[PAIRS];
    dkvb_model *model = trained_model(1, codes);
    dkvb_codeset_rows held = held_out(model, KEYS);
    struct dkvb__budget_limits limits = {0.0, 0.005};
    dkvb_budget found = DKVB_BUDGET_INIT;

    (void)state;
    for (size_t j = 0; j < PAIRS; j++) {
        values[j * CLASSES] = j < KEYS ? 1.0f : 0.0f;
        rank[j] = j < KEYS ? 1 + (uint32_t)j : DKVB__RANK_NEVER;
    }
    assert_ok(dkvb_model_set_values(model, values, 0));
    limits.target = 0.0;
    assert_ok(dkvb__budget_find(model, rank, &held, marks, &limits, &found, NULL));
    assert_true(found.forget_before == 1.0 && found.forget_after == 0.0);
    assert_int_equal(found.met, 1);
    assert_int_equal(found.budget, KEYS);
    dkvb_model_free(model);
}

static void limits_that_no_budget_keeps_are_said(void **state)
{
    static const uint8_t marks[CLASSES] = {DKVB_FORGET, DKVB_KEEP, DKVB_KEEP, DKVB_KEEP};
    static uint32_t rank[PAIRS];
    dkvb_model *model = trained_model(1, codes);
    dkvb_codeset_rows held = held_out(model, KEYS);
    struct dkvb__budget_limits limits = {0.0, 0.005};
    dkvb_budget found = DKVB_BUDGET_INIT;
    double accuracy[3], first[3], least;

    (void)state;
    for (size_t i = 0; i < PAIRS; i++)
        /* ranks pairs of mixed classes, so that no number of pairs meets the limits */
        rank[i] = 1 + (uint32_t)(i * 37 % PAIRS);
    limits.max_retain_drop = 0.0;
    assert_ok(dkvb__budget_find(model, rank, &held, marks, &limits, &found, NULL));
    assert_int_equal(found.met, 0);
    try_budget(model, &held, rank, 0, marks, first);
    try_budget(model, &held, rank, found.budget, marks, accuracy);
    assert_true(found.forget_after == accuracy[DKVB_FORGET] && found.retain_after == accuracy[DKVB_KEEP]);
    least = found.forget_after + first[DKVB_KEEP] - found.retain_after;
    for (uint64_t budget = 0; budget <= PAIRS; budget += 5) {
        double drop;

        try_budget(model, &held, rank, budget, marks, accuracy);
        drop = first[DKVB_KEEP] - accuracy[DKVB_KEEP];
        assert_true(accuracy[DKVB_FORGET] + (drop > 0.0 ? drop : 0.0) > least - 1e-12);
    }
    dkvb_model_free(model);
}

/* Returns only those held-out rows that a random sample keeps. */
static dkvb_codeset_rows kept_rows(const dkvb_codeset_rows *held, const int32_t *kept)
{
    static uint16_t codes_of_kept[ROWS * CODEBOOKS * KEYS];
    static int32_t labels_of_kept[ROWS];
    size_t size = (size_t)held->codebooks * held->k;
    dkvb_codeset_rows few = *held;

    few.n = 0;
    few.codes = codes_of_kept;
    few.labels = labels_of_kept;
    for (size_t r = 0; r < held->n; r++)
        if (kept[r] >= 0) {
            labels_of_kept[few.n] = kept[r];
            memcpy(codes_of_kept + few.n++ * size, held->codes + r * size, size * sizeof *codes_of_kept);
        }
    return few;
}

/* Draws a random sample of held-out rows; returns the labels, -1 for rows outside the sample, and the number of rows in
 * the sample. */
static void draw(const dkvb_model *model, const dkvb_codeset_rows *held, const uint8_t *marks, uint64_t most,
                 int32_t *kept, uint64_t *count)
{
    memcpy(kept, held->labels, held->n * sizeof *kept);
    assert_ok(dkvb__effect_draw(model, held->ids, held->n, marks, most, kept, count));
}

static void a_sample_has_who_is_to_go_and_draws_the_others_by_their_ids(void **state)
{
    static const uint8_t marks[CLASSES] = {DKVB_KEEP, DKVB_FORGET, DKVB_KEEP, DKVB_ASIDE};
    static int32_t all[ROWS], few[ROWS], fewer[ROWS], without[ROWS];
    dkvb_model *model = trained_model(1, codes);
    dkvb_codeset_rows held = held_out(model, 5), some = held, only;
    dkvb_class_effect effects[CLASSES], expected[CLASSES];
    uint64_t count, out, expected_out;
    size_t others = 0, gone = 0;
    dkvb_mask *mask = mask_for_class(model, codes, 1, 200);

    (void)state;
    for (size_t r = 0; r < ROWS; r++)
        ids[r] = 1000 + 7 * r;
    draw(model, &held, marks, 0, all, &count);
    assert_true(count == ROWS && memcmp(all, labels, sizeof all) == 0);
    draw(model, &held, marks, 60, few, &count);
    draw(model, &held, marks, 20, fewer, &count);
    for (size_t r = 0; r < ROWS; r++) {
        assert_true(few[r] == labels[r] || (few[r] == -1 && marks[labels[r]] == DKVB_KEEP));
        assert_true(fewer[r] == -1 || few[r] >= 0);
        others += few[r] >= 0 && marks[labels[r]] == DKVB_KEEP;
        gone += marks[labels[r]] != DKVB_KEEP;
    }
    assert_true(others == 60 && count == gone + 20);

    /* Of the remaining rows the same are drawn if the first hundred rows are missing. */
    some.n -= 100;
    some.ids += 100;
    some.labels += 100;
    some.codes += (size_t)100 * CODEBOOKS * some.k;
    draw(model, &some, marks, 60, without, &count);
    for (size_t r = 100; r < ROWS; r++)
        assert_true(few[r] == -1 || without[r - 100] == few[r]);

    only = kept_rows(&held, few);
    held.labels = few;
    assert_ok(dkvb_effect_measure(model, NULL, mask, &held, effects, &out, NULL));
    assert_ok(dkvb_effect_measure(model, NULL, mask, &only, expected, &expected_out, NULL));
    assert_true(memcmp(effects, expected, sizeof effects) == 0 && out == expected_out && effects[1].lost > 0);
    memset(ids, 0, sizeof ids);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const uint8_t none[CLASSES] = {0}, wrong[CLASSES] = {1, 7, 0, 0};
    static uint32_t rank[PAIRS];
    dkvb_model *model = trained_model(2, codes);
    dkvb_codeset_rows held = held_out(model, 3);
    dkvb_class_effect effects[CLASSES];
    struct dkvb__budget_limits limits = {0.0, 0.005};
    dkvb_budget found = DKVB_BUDGET_INIT;
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_int_equal(dkvb__budget_find(model, rank, &held, none, &limits, &found, NULL), DKVB_ENOTFOUND);
    assert_int_equal(dkvb__budget_find(model, rank, &held, wrong, &limits, &found, NULL), DKVB_EINVAL);
    assert_message("class 1 is marked 7");
    held.k = 1;
    assert_int_equal(dkvb_effect_measure(model, NULL, mask, &held, effects, NULL, NULL), DKVB_EMISMATCH);
    held.k = 3;
    labels[4] = CLASSES;
    assert_int_equal(dkvb_effect_measure(model, NULL, mask, &held, effects, NULL, NULL), DKVB_EINVAL);
    assert_message("row 4");
    labels[4] = 0;
    deep[7] = KEYS;
    assert_int_equal(dkvb_effect_measure(model, NULL, mask, &held, effects, NULL, NULL), DKVB_EINVAL);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void each_allocation_may_fail(void **state)
{
    static const uint8_t marks[CLASSES] = {DKVB_KEEP, DKVB_FORGET, DKVB_KEEP, DKVB_KEEP};
    static uint32_t rank[PAIRS];
    static int32_t sampled[ROWS];
    struct dkvb__budget_limits limits = {0.0, 0.005};
    uint64_t stay;
    dkvb_model *plain = trained_model(2, codes);
    dkvb_codeset_rows held = held_out(plain, 5);

    (void)state;
    for (size_t i = 0; i < PAIRS; i++)
        rank[i] = 1 + (uint32_t)(i * 37 % PAIRS);
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
        dkvb_run_options shared = DKVB_RUN_OPTIONS_INIT;
        dkvb_class_effect effects[CLASSES];
        dkvb_budget found = DKVB_BUDGET_INIT;
        dkvb_model *model;
        dkvb_status rc;

        o.allocator = &a;
        o.top_k = 2;
        shared.threads = 3;
        rc = dkvb_model_new(&model, dkvb_model_codebooks(plain), CLASSES, &o);
        if (!rc)
            rc = dkvb_model_train(model, codes, 2, labels, ROWS, NULL, &shared);
        if (!rc)
            rc = dkvb__effect_draw(model, held.ids, held.n, marks, 30, sampled, &stay);
        if (!rc)
            rc = dkvb_effect_measure(model, NULL, NULL, &held, effects, NULL, &shared);
        if (!rc)
            rc = dkvb__budget_find(model, rank, &held, marks, &limits, &found, &shared);
        dkvb_model_free(model);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
    dkvb_model_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_are_those_that_forgetting_has),
        cmocka_unit_test(models_are_compared_under_their_own_masks),
        cmocka_unit_test(the_interval_is_that_of_paired_proportions),
        cmocka_unit_test(a_short_code_says_where_it_ends),
        cmocka_unit_test(the_budget_is_the_smallest_that_keeps_both_limits),
        cmocka_unit_test(a_row_left_with_nothing_learned_is_not_right),
        cmocka_unit_test(limits_that_no_budget_keeps_are_said),
        cmocka_unit_test(a_sample_has_who_is_to_go_and_draws_the_others_by_their_ids),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
