/* Tests of plans of strength exact: values are trained again, keys are placed again, and the model file and the codes
 * file agree at every moment. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "bottleneck/value_types.h"

/* Copies all rows except every seventh, with their labels and ids. */
static size_t leave_out(uint64_t gone[ROWS], size_t *gone_count, float *x, int32_t *y, uint64_t *ids)
{
    size_t n = 0;

    *gone_count = 0;
    for (size_t r = 0; r < ROWS; r++) {
        if (r % 7 == 2) {
            gone[(*gone_count)++] = r;
            continue;
        }
        memcpy(x + n * DIM, rows + r * DIM, DIM * sizeof *x);
        y[n] = labels[r];
        ids[n++] = r;
    }
    return n;
}

static void exact_gives_what_never_had_the_rows(void **state)
{
    static float x[ROWS * DIM];
    static int32_t y[ROWS];
    static uint64_t ids[ROWS], gone[ROWS];
    size_t count, n = leave_out(gone, &count, x, y, ids);

    (void)state;
    for (uint32_t keys = DKVB_KEYS_KEPT; keys <= DKVB_KEYS_PLACED; keys++) {
        bool own = keys == DKVB_KEYS_PLACED;
        dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
        dkvb_model *model, *never;
        dkvb_codeset *set, *never_set, *behind;
        dkvb_plan *plan;
        uint8_t head[32];
        size_t size, behind_size;
        char *bytes, *behind_bytes;
        uint64_t id = 0;

        plan_fit(&model, &set, own, rows, labels, NULL, ROWS);
        plan_fit(&never, &never_set, own, x, y, ids, n);
        behind = copy_of(set);
        dkvb_journal_head(model, head);
        q.strength = DKVB_STRENGTH_EXACT;
        q.ids = gone;
        q.id_count = count;
        q.salt = salt;
        q.max_class_loss = 1.0;
        q.keys = keys;
        q.features = rows;
        q.feature_rows = ROWS;
        q.feature_columns = DIM;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        assert_ok(dkvb_forget_apply(plan, model, set, &id));
        dkvb_plan_free(plan);
        assert_int_equal(id, 1);
        assert_same_values(model, never);
        assert_memory_equal(model->codebooks->birth, never->codebooks->birth, 16);
        assert_same_rows(set, never_set);
        for (size_t i = 0; i < count; i++)
            assert_true(dkvb_codeset_was_removed(set, gone[i]));
        bytes = bytes_of(NULL, set, &size);
        assert_int_equal(entry_at(model, 0).keys, keys);
        assert_int_equal(entry_at(model, 0).has_after, own);
        if (own)
            assert_memory_equal(entry_at(model, 0).after, head, sizeof head);
        /* If the codeset could not be saved after the model, the same request finishes the codeset, without a new
         * journal entry. */
        assert_ok(dkvb_forget_plan(&plan, model, behind, &q, NULL));
        assert_true(info_of(plan).resumed);
        assert_ok(dkvb_forget_apply(plan, model, behind, NULL));
        dkvb_plan_free(plan);
        assert_int_equal(journal_count(model), 1);
        assert_same_values(model, never);
        behind_bytes = bytes_of(NULL, behind, &behind_size);
        assert_same_bytes(bytes, size, behind_bytes, behind_size);
        free(bytes);
        free(behind_bytes);
        dkvb_codeset_free(behind);
        dkvb_codeset_free(set);
        dkvb_codeset_free(never_set);
        dkvb_model_free(model);
        dkvb_model_free(never);
    }
}

static void exact_takes_back_what_masked_the_same_rows(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    dkvb_plan_free(plan);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).lifted, 1);
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    dkvb_plan_free(plan);
    assert_int_equal(entry_at(model, 0).state, DKVB_JOURNAL_UNDONE);
    assert_int_equal(dkvb__mask_count(model->mask), 0);
    assert_int_equal(right_rows(model, set, 1), 0);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void keys_on_the_rows_are_asked_about_and_other_rows_refused(void **state)
{
    static float turned[ROWS * DIM];
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan = NULL;

    (void)state;
    plan_fit(&model, &set, true, rows, labels, NULL, ROWS);
    q.strength = DKVB_STRENGTH_EXACT;
    dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_KEYS, false));
    q.force = 1;
    dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_KEYS, false));
    for (size_t r = 0; r < ROWS; r++)
        memcpy(turned + r * DIM, rows + (ROWS - 1 - r) * DIM, DIM * sizeof *turned);
    q.keys = DKVB_KEYS_PLACED;
    q.features = turned;
    q.feature_rows = ROWS;
    q.feature_columns = DIM;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EMISMATCH);
    assert_message("other rows than those trained on");
    assert_null(plan);
    q.features = rows;
    q.feature_rows = ROWS - 1;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EMISMATCH);
    assert_message("all rows that were trained on are needed");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void exact_keeps_what_is_masked_for_other_rows(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *before = NULL;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    dkvb_plan_free(apply_request(model, set, &q));
    assert_ok(dkvb_mask_copy(&before, model->mask));
    q = request_for(classes, 2);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).lifted, 0);
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    assert_int_equal(entry_at(model, 0).state, DKVB_JOURNAL_ACTIVE);
    assert_true(dkvb_mask_equal(model->mask, before));
    for (uint32_t l = 0; l < CLASSES; l++) /* the plan's effects are measured under the model's mask */
        if (l != 2)
            assert_int_equal(info_of(plan).effects[l].right_after, right_rows(model, set, l));
    dkvb_plan_free(plan);
    dkvb_mask_free(before);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static dkvb_forget_request placing(uint8_t classes[CLASSES], uint32_t label)
{
    dkvb_forget_request q = request_for(classes, label);

    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_PLACED;
    q.features = rows;
    q.feature_rows = ROWS;
    q.feature_columns = DIM;
    return q;
}

static void placing_keys_again_keeps_the_rest_of_the_model(void **state)
{
    static uint64_t ids[ROWS], more_ids[ROWS + 1];
    static float more_x[(ROWS + 1) * DIM];
    uint8_t classes[CLASSES];
    dkvb_forget_request q = placing(classes, 1), twice = q;
    dkvb_codeset_rows taught = DKVB_CODESET_ROWS_INIT;
    dkvb_model *model;
    dkvb_codeset *set, *behind;
    uint32_t dtype;

    (void)state;
    for (size_t r = 0; r < ROWS; r++)
        ids[r] = r + 1000;
    plan_fit(&model, &set, true, rows, labels, ids, ROWS);
    behind = copy_of(set);
    assert_ok(dkvb_model_set_class_name(model, 2, "cat"));
    assert_ok(dkvb_model_set_encoder(model, "some encoder"));
    assert_ok(dkvb_model_set_column_names(
        model, (const char *const[DIM]){"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, DIM));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
    dtype = model->values_dtype;
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &taught));
    assert_ok(dkvb_model_count_classes(model, taught.codes, taught.k, taught.labels, taught.n, NULL));
    q.feature_ids = ids;
    q.feature_columns = DIM - 1;
    assert_plan_fails(model, set, &q, DKVB_EMISMATCH, "the features have 9 columns");
    q.feature_columns = DIM;
    /* If the features contain a row's id twice, the plan cannot tell which one was trained on, even if both rows are
     * equal. */
    memcpy(more_x, q.features, sizeof rows);
    memcpy(more_x + ROWS * DIM, q.features + 5 * DIM, DIM * sizeof *more_x);
    memcpy(more_ids, ids, sizeof ids);
    more_ids[ROWS] = ids[5];
    twice.features = more_x;
    twice.feature_ids = more_ids;
    twice.feature_rows = ROWS + 1;
    assert_plan_fails(model, set, &twice, DKVB_EINVAL, "is called as a row before it, by id 1005");
    dkvb_plan_free(apply_request(model, set, &q));
    assert_string_equal(dkvb_model_class_name(model, 2), "cat");
    assert_string_equal(model->encoder, "some encoder");
    assert_string_equal(dkvb_model_column_name(model, 9), "j");
    assert_int_equal(model->values_dtype, dtype);
    assert_non_null(model->counts);
    assert_true(dkvb_codeset_was_removed(set, ids[1]) == (labels[1] == 1));
    /* The old codeset can only finish the request that the model has forgotten, not begin another. */
    q = placing(classes, 3);
    q.feature_ids = ids;
    assert_plan_fails(model, behind, &q, DKVB_EMISMATCH, "");
    dkvb_plan_free(apply_request(model, set, &q));
    for (size_t r = 0; r < ROWS; r++)
        assert_int_equal(dkvb_codeset_was_removed(set, ids[r]), labels[r] == 1 || labels[r] == 3);
    dkvb_codeset_free(behind);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void keys_are_not_placed_again_where_that_brings_back_other_rows(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    plan_fit(&model, &set, true, rows, labels, NULL, ROWS);
    dkvb_plan_free(apply_request(model, set, &q));
    q = placing(classes, 2);
    assert_plan_fails(model, set, &q, DKVB_ESTATE, "new keys would bring those back");
    assert_ok(dkvb_model_purge(model));
    assert_plan_fails(model, set, &q, DKVB_ESTATE, "new keys would bring those back");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void exact_is_refused_where_it_costs_a_class_nobody_asked_for(void **state)
{
    static float x[ROWS * DIM];
    static int32_t y[ROWS];
    static uint64_t ids[ROWS], gone[ROWS];

    (void)state;
    for (uint32_t keys = DKVB_KEYS_KEPT; keys <= DKVB_KEYS_PLACED; keys++) {
        dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
        size_t n = 0, count = 0, rare = 0;
        dkvb_model *model;
        dkvb_codeset *set;
        dkvb_plan *plan;

        /* Class 2 has so few rows in the request that they do not count as slipped in. */
        for (size_t r = 0; r < ROWS; r++) {
            if (labels[r] == 2 && rare++ >= 30)
                continue;
            memcpy(x + n * DIM, rows + r * DIM, DIM * sizeof *x);
            y[n] = labels[r];
            ids[n++] = r;
            if (labels[r] == 1 || labels[r] == 2)
                gone[count++] = r;
        }
        plan_fit(&model, &set, keys == DKVB_KEYS_PLACED, x, y, ids, n);
        q.strength = DKVB_STRENGTH_EXACT;
        q.ids = gone;
        q.id_count = count;
        q.keys = keys;
        q.features = x;
        q.feature_ids = ids;
        q.feature_rows = n;
        q.feature_columns = DIM;
        if (keys == DKVB_KEYS_KEPT) { /* with keys placed again, only the remaining rows are compared */
            plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
            assert_int_equal(info_of(plan).refused_class, 2);
            dkvb_plan_free(plan);
            assert_plan_forced(model, set, q);
        } else {
            assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
            assert_int_equal(info_of(plan).effects[2].rows, 0);
            dkvb_plan_free(plan);
        }
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
}

/* With keys placed again, the effect on each class is the difference between the present and the planned model on the
 * remaining held-out rows. */
static void placed_keys_are_compared_on_the_rows_that_are_left(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = placing(classes, 1);
    dkvb_class_effect effects[CLASSES];
    uint64_t before[CLASSES];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, true, hard, labels, NULL, ROWS);
    for (uint32_t l = 0; l < CLASSES; l++)
        before[l] = right_rows(model, set, l);
    q.features = hard;
    plan = apply_request(model, set, &q);
    memcpy(effects, info_of(plan).effects, sizeof effects);
    dkvb_plan_free(plan);
    for (uint32_t l = 0; l < CLASSES; l++) {
        assert_int_equal(effects[l].right_before, l == 1 ? 0 : before[l]);
        assert_int_equal(effects[l].right_after, right_rows(model, set, l));
        assert_true(effects[l].right_before + effects[l].gained == effects[l].right_after + effects[l].lost);
    }
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void exact_must_be_applied_with_its_codeset(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model, *never;
    dkvb_codeset *set, *never_set;
    dkvb_plan *plan;
    static float x[ROWS * DIM];
    static int32_t y[ROWS];
    static uint64_t ids[ROWS];
    size_t n = 0;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(dkvb_forget_apply(plan, model, NULL, NULL), DKVB_EINVAL);
    assert_message("made with a codeset");
    assert_int_equal(journal_count(model), 0);
    dkvb_plan_free(plan);
    /* A model that never had the rows has no journal entry about them, so the request is new to this model. */
    for (size_t r = 0; r < ROWS; r++)
        if (labels[r] != 1) {
            memcpy(x + n * DIM, rows + r * DIM, DIM * sizeof *x);
            y[n] = labels[r];
            ids[n++] = r;
        }
    plan_fit(&never, &never_set, false, x, y, ids, n);
    assert_ok(dkvb_forget_plan(&plan, never, set, &q, NULL));
    assert_false(info_of(plan).resumed);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_codeset_free(never_set);
    dkvb_model_free(model);
    dkvb_model_free(never);
}

static void exact_notices_rows_of_another_class_slipped_in(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    uint64_t ids[ROWS];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    ask_for_slipped_in(&q, ids);
    q.strength = DKVB_STRENGTH_EXACT;
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_MIXED, true);
    assert_int_equal(info_of(plan).refused_class, 2);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_gives_what_never_had_the_rows),
        cmocka_unit_test(exact_takes_back_what_masked_the_same_rows),
        cmocka_unit_test(keys_on_the_rows_are_asked_about_and_other_rows_refused),
        cmocka_unit_test(exact_keeps_what_is_masked_for_other_rows),
        cmocka_unit_test(placing_keys_again_keeps_the_rest_of_the_model),
        cmocka_unit_test(keys_are_not_placed_again_where_that_brings_back_other_rows),
        cmocka_unit_test(exact_is_refused_where_it_costs_a_class_nobody_asked_for),
        cmocka_unit_test(exact_notices_rows_of_another_class_slipped_in),
        cmocka_unit_test(placed_keys_are_compared_on_the_rows_that_are_left),
        cmocka_unit_test(exact_must_be_applied_with_its_codeset),
    };

    return cmocka_run_group_tests(tests, plan_setup, NULL);
}
