/* Tests of plans: what a plan decides, when and why it is refused, and that applying a plan does exactly what the plan
 * says. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "bottleneck/value_types.h"
#include "unlearn/effect.h"

static void a_plan_changes_nothing(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    size_t before_size, after_size;
    char *before, *after;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    before = bytes_of(model, NULL, &before_size);
    for (uint32_t strength = DKVB_STRENGTH_SUPPRESS; strength <= DKVB_STRENGTH_EXACT; strength += 2) {
        q.strength = strength;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        assert_string_equal(info_of(plan).refusal, "");
        dkvb_plan_free(plan);
        after = bytes_of(model, NULL, &after_size);
        assert_same_bytes(before, before_size, after, after_size);
        free(after);
    }
    free(before);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void applying_does_what_was_planned_and_records_it(void **state)
{
    uint8_t classes[CLASSES], marks[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_class_effect effects[CLASSES];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    dkvb_plan_info info;
    dkvb_journal_entry entry;
    uint64_t id = 0;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.reason = "request 17";
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    info = info_of(plan);
    assert_true(info.budget_found && info.budget.met && info.effects && info.pairs > 0);
    assert_int_equal(info.method, DKVB_METHOD_VALUES);
    assert_true(info_of(plan).effects[1].right_after == 0 && info_of(plan).effects[1].right_before > 0);
    assert_ok(dkvb_forget_apply(plan, model, set, &id));
    assert_int_equal(id, 1);
    assert_true(dkvb_mask_equal(model->mask, info_of(plan).mask));
    assert_int_equal(dkvb__mask_count(model->mask), info.pairs_new);
    entry = entry_at(model, 0);
    assert_string_equal(entry.method, "values");
    assert_string_equal(entry.reason, "request 17");
    assert_true(entry.by_class && entry.measured && entry.found && !entry.forced && entry.budget == info.pairs);
    assert_int_equal(entry.rows, info.ids);
    assert_ok(dkvb_journal_get_terms(model, 1, marks, effects));
    assert_memory_equal(marks, classes, CLASSES);
    assert_memory_equal(effects, info_of(plan).effects, sizeof effects);
    assert_int_equal(dkvb_forget_apply(plan, model, set, NULL), DKVB_ESTATE);
    assert_message("applied already");
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_plan_is_not_applied_to_a_model_that_changed(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *first, *second, *third;
    float *values;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_forget_plan(&first, model, set, &q, NULL));
    q = request_for(classes, 2);
    assert_ok(dkvb_forget_plan(&second, model, set, &q, NULL));
    assert_ok(dkvb_forget_plan(&third, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(first, model, set, NULL));
    assert_int_equal(dkvb_forget_apply(second, model, set, NULL), DKVB_EMISMATCH);
    assert_message("journal is not what it was");
    assert_int_equal(journal_count(model), 1);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS); /* the same model again, to get other values */
    values = calloc(dkvb__pair_count(model) * CLASSES, sizeof *values);
    assert_non_null(values);
    assert_ok(dkvb_model_get_values(model, values));
    values[5] += 1.0f;
    assert_ok(dkvb_model_set_values(model, values, 0));
    assert_int_equal(dkvb_forget_apply(third, model, set, NULL), DKVB_EMISMATCH);
    assert_message("values are not what they were");
    free(values);
    dkvb_plan_free(first);
    dkvb_plan_free(second);
    dkvb_plan_free(third);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void nothing_is_never_done(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1), by_mask = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *mask;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    by_mask.mask = mask;
    dkvb_plan_free(assert_plan_refused(model, NULL, &by_mask, DKVB_REFUSED_NOTHING, false));
    by_mask.force = 1; /* `force` cannot apply a plan that would change nothing */
    dkvb_plan_free(assert_plan_refused(model, NULL, &by_mask, DKVB_REFUSED_NOTHING, false));
    by_mask.force = 0;
    assert_ok(dkvb_mask_set(mask, 3, 5, 1));
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &by_mask, NULL));
    assert_ok(dkvb_forget_apply(plan, model, NULL, NULL));
    dkvb_plan_free(plan);
    dkvb_plan_free(assert_plan_refused(model, NULL, &by_mask, DKVB_REFUSED_NOTHING, true)); /* masked already */
    assert_plan_forced(model, NULL, by_mask);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_true(mask_has(model->mask, 3, 5)); /* the forced plan masks the pair in spite of the limits */
    /* If all held-out rows of a class are already misclassified, no row shows an effect of masking. */
    q.budget = 40;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    dkvb_plan_free(plan);
    dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_NOTHING, true));
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Asserts that the journal entry at `index` repeats an earlier request with all its terms, under a new salt. */
static void assert_forgotten_again(const dkvb_model *model, const dkvb_codeset *set, uint64_t index, uint64_t entries)
{
    dkvb_journal_entry again = entry_at(model, index), first;
    uint8_t marks[CLASSES], asked[CLASSES];
    uint64_t ids[ROWS];
    size_t n = 0;

    assert_in_range(again.again, 1, entries + 1);
    first = entry_at(model, again.again - 1);
    assert_int_equal(first.again, 0);
    assert_true(again.found && !again.measured && again.target == first.target);
    assert_true(again.pairs_new > 0 && again.budget == again.pairs);
    assert_ok(dkvb_journal_get_terms(model, again.id, marks, NULL));
    assert_ok(dkvb_journal_get_terms(model, first.id, asked, NULL));
    for (uint32_t l = 0; l < CLASSES; l++)
        assert_int_equal(marks[l] == DKVB_FORGET, asked[l] == DKVB_FORGET);
    for (size_t part = 0; part < DKVB__PARTS; part++)
        for (size_t r = 0; r < set->part[part].n; r++)
            if (marks[set->part[part].labels[r]] == DKVB_FORGET)
                ids[n++] = set->part[part].ids[r];
    assert_true(dkvb_journal_names_rows(model, again.id, ids, n));
    for (uint64_t i = entries; i < index; i++)
        assert_memory_not_equal(model->journal.records[i].salt, model->journal.records[index].salt, 32);
}

static void earlier_requests_are_set_aside_and_stay_forgotten(void **state)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint64_t again = 0;

    (void)state;
    /* For some order of forgetting, an earlier forgotten class is predicted again after classes that compete with it
     * are forgotten. */
    for (size_t turn = 0; turn < 2 * sizeof orders / sizeof *orders; turn++) {
        size_t o = turn / 2;
        double first_target = turn % 2 ? 0.1 : 0.0;
        uint8_t classes[CLASSES];
        dkvb_model *model;
        dkvb_codeset *set;

        plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
        for (size_t i = 0; i < 3; i++) {
            dkvb_forget_request q = request_for(classes, orders[o][i]);
            uint64_t entries = journal_count(model);
            dkvb_plan *plan;

            q.target = i == 0 ? first_target : 0.0;
            assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
            assert_string_equal(info_of(plan).refusal, "");
            for (size_t j = 0; j < i; j++)
                assert_int_equal(info_of(plan).classes[orders[o][j]], DKVB_ASIDE);
            again += info_of(plan).again;
            assert_int_equal(info_of(plan).not_again, 0);
            assert_ok(dkvb_forget_apply(plan, model, set, NULL));
            assert_int_equal(journal_count(model), entries + 1 + info_of(plan).again);
            for (uint64_t j = entries + 1; j < journal_count(model); j++)
                assert_forgotten_again(model, set, j, entries);
            for (size_t j = 0; j <= i; j++) {
                const dkvb_class_effect *e = &info_of(plan).effects[orders[o][j]];

                assert_int_equal(e->right_after, right_rows(model, set, orders[o][j]));
                assert_true((double)e->right_after <= (j == 0 ? first_target : 0.0) * (double)e->rows);
            }
            dkvb_plan_free(plan);
        }
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
    assert_true(again > 0);
}

static void the_same_request_gives_the_same_bytes(void **state)
{
    uint8_t classes[CLASSES];
    char *bytes[2];
    size_t size[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        dkvb_forget_request q = request_for(classes, 3);
        dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
        dkvb_model *model;
        dkvb_codeset *set;
        dkvb_plan *plan;

        run.threads = 1 + (uint32_t)i;
        plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
        for (uint32_t label = 2; label < 4; label++) {
            q = request_for(classes, label);
            assert_ok(dkvb_forget_plan(&plan, model, set, &q, &run));
            assert_ok(dkvb_forget_apply(plan, model, set, NULL));
            dkvb_plan_free(plan);
        }
        bytes[i] = bytes_of(model, NULL, &size[i]);
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
    assert_same_bytes(bytes[0], size[0], bytes[1], size[1]);
    free(bytes[0]);
    free(bytes[1]);
}

static void requests_that_contradict_themselves_are_refused(void **state)
{
    static const uint64_t twice[] = {4, 9, 4}, unknown[] = {ROWS + 5};
    uint8_t classes[CLASSES], none[CLASSES] = {0};
    dkvb_forget_request good = request_for(classes, 1), q;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q = (dkvb_forget_request)DKVB_FORGET_REQUEST_INIT;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EINVAL);
    assert_message("nobody is named");
    q = good;
    q.classes = none;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EINVAL);
    q = good;
    q.target = 1.5;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EINVAL);
    assert_message("target is 1.5");
    q = good;
    q.strength = 2;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EINVAL);
    q = good;
    assert_int_equal(dkvb_forget_plan(&plan, model, NULL, &q, NULL), DKVB_EINVAL);
    assert_message("without one it must be given");
    q = good;
    q.classes = NULL;
    q.ids = twice;
    q.id_count = 3;
    q.budget = 5;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EINVAL);
    assert_message("row 2 asks for id 4, as a row before it does");
    q.ids = unknown;
    q.id_count = 1;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_ENOTFOUND);
    q.ids = twice;
    q.id_count = 2;
    q.budget = 0;
    assert_int_equal(dkvb_forget_plan(&plan, model, set, &q, NULL), DKVB_EINVAL);
    assert_message("a budget is found for classes");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void classes_alone_and_codes_alone_are_planned_too(void **state)
{
    static uint16_t codes[ROWS * 16 * 2];
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    dkvb_plan_info info;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.budget = 30;
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &q, NULL));
    info = info_of(plan);
    assert_true(info.method == DKVB_METHOD_VALUES && info.pairs == 30 && info.ids == 0 && !info.effects);
    assert_null(info_of(plan).effects);
    dkvb_plan_free(plan);
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, 2, codes, NULL, NULL));
    q.codes = codes;
    q.n = ROWS;
    q.labels = labels;
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &q, NULL));
    info = info_of(plan);
    assert_true(info.method == DKVB_METHOD_CONTRAST && info.pairs == 30 && info.ids == info.rows && info.rows < ROWS);
    dkvb_plan_free(plan);
    q.classes = NULL;
    q.labels = NULL;
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &q, NULL));
    info = info_of(plan);
    assert_true(info.method == DKVB_METHOD_ACTIVATIONS && info.ids == ROWS);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void every_contradiction_of_a_request_has_its_message(void **state)
{
    static const uint64_t one[] = {4};
    static const uint16_t codes[2 * 16 * 2];
    static char long_reason[5000];
    uint8_t classes[CLASSES];
    dkvb_forget_request good = request_for(classes, 1), q;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *mask;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    q = (dkvb_forget_request)DKVB_FORGET_REQUEST_INIT; /* a request without classes, rows or a mask */
    assert_ok(dkvb_forget_plan(&plan, NULL, NULL, &q, NULL));
    assert_null(plan);
    q = good;
    q.max_retain_drop = -0.1;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "max_retain_drop is -0.1");
    q = good;
    q.max_class_loss = 1.1;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "max_class_loss is 1.1");
    q = good;
    q.reason = memset(long_reason, 'x', sizeof long_reason - 1);
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "reason");
    /* an invalid reason is refused even without a model and rows */
    assert_plan_fails(NULL, NULL, &q, DKVB_EINVAL, "reason");
    q = good;
    q.method = DKVB_METHOD_EVERY + 1;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "forget request: method is 6");
    q = good;
    q.keys = DKVB_KEYS_PLACED + 1;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "forget request: keys is");
    q = good;
    q.mask = mask;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "a mask says which pairs go");
    q = good;
    q.ids = one;
    q.id_count = 1;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "classes and ids are given");
    q.classes = NULL;
    q.budget = 5;
    assert_plan_fails(model, NULL, &q, DKVB_EINVAL, "ids name rows of a codeset");
    q.codes = codes;
    q.n = 2;
    assert_plan_fails(model, NULL, &q, DKVB_EINVAL, "1 ids for codes of 2 rows");
    q = good;
    q.codes = codes;
    q.n = 2;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "codes and a codeset are given");
    q = good;
    q.strength = DKVB_STRENGTH_EXACT;
    assert_plan_fails(model, NULL, &q, DKVB_EINVAL, "trains again from a codeset");
    q.keys = DKVB_KEYS_PLACED;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "needs the rows that were trained on");
    q.features = rows;
    q.feature_rows = ROWS;
    q.feature_columns = DIM;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "the keys were placed on other rows");
    q = good;
    q.classes = NULL;
    q.ids = one;
    q.budget = 5;
    assert_plan_fails(model, set, &q, DKVB_ENOTFOUND, "no id is given");
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_codeset_codes_or_a_mask_of_another_model_are_refused(void **state)
{
    static uint16_t codes[2 * 16 * 2];
    static const int32_t others[2] = {0, 2};
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1), by_mask = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model, *other;
    dkvb_codeset *set, *other_set;
    dkvb_mask *mask;
    uint32_t k;
    int32_t label;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    plan_fit(&other, &other_set, true, rows, labels, NULL, ROWS);
    assert_plan_fails(model, other_set, &q, DKVB_EMISMATCH, "");
    few_keys = true;
    dkvb_codeset_free(other_set);
    dkvb_model_free(other);
    plan_fit(&other, &other_set, false, rows, labels, NULL, ROWS);
    few_keys = false;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(other)));
    assert_ok(dkvb_mask_set(mask, 1, 1, 1));
    by_mask.mask = mask;
    assert_plan_fails(model, NULL, &by_mask, DKVB_EMISMATCH, "");
    label = set->part[DKVB_PART_HELD_OUT].labels[0];
    set->part[DKVB_PART_HELD_OUT].labels[0] = CLASSES;
    assert_plan_fails(model, set, &q, DKVB_EMISMATCH, "has label 4, the classes of the model are 0 to 3");
    set->part[DKVB_PART_HELD_OUT].labels[0] = label;
    k = model->top_k;
    model->top_k = 1;
    assert_plan_fails(model, set, &q, DKVB_EMISMATCH, "the codes have k = 2, the model selects 1");
    model->top_k = k;
    q.codes = codes;
    q.n = 2;
    q.labels = others;
    q.budget = 5;
    assert_plan_fails(model, NULL, &q, DKVB_ENOTFOUND, "none of 2 rows is of the classes");
    codes[3] = 48;
    assert_plan_fails(model, NULL, &q, DKVB_EINVAL, "names key 48");
    q.classes = NULL;
    q.labels = NULL;
    q.n = 0;
    assert_plan_fails(model, NULL, &q, DKVB_ENOTFOUND, "the codes have no rows");
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_codeset_free(other_set);
    dkvb_model_free(model);
    dkvb_model_free(other);
}

static void held_out_rows_are_named_too_but_taught_nothing(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT, taught = DKVB_CODESET_ROWS_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    uint64_t ids[2], of_class = 0;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    for (size_t r = 0; r < ROWS; r++)
        of_class += labels[r] == 1;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).ids, of_class);
    assert_true(info_of(plan).rows < of_class);
    dkvb_plan_free(plan);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &taught));
    q.classes = NULL;
    q.ids = ids;
    q.id_count = 2;
    q.budget = 5;
    ids[0] = ids[1] = held.ids[0];
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "as a row before it does");
    ids[1] = taught.ids[0];
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).ids, 2);
    assert_int_equal(info_of(plan).rows, 1);
    dkvb_plan_free(plan);
    ids[1] = held.ids[1];
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_NOTHING, false);
    assert_non_null(strstr(info_of(plan).refusal, "all 2 rows to be forgotten are held out"));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void the_journal_has_the_terms_of_the_plan(void **state)
{
    static const uint64_t ids[] = {7, 11};
    static uint16_t codes[2 * 16 * 2];
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    dkvb_journal_entry entry;
    dkvb_plan_info info;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.method = DKVB_METHOD_CONTRAST;
    q.target = 0.25;
    q.max_retain_drop = 0.5;
    q.max_class_loss = 0.75;
    plan = apply_request(model, set, &q);
    info = info_of(plan);
    assert_int_equal(info.method, DKVB_METHOD_CONTRAST);
    assert_int_equal(info.looked_at, info.held_out);
    assert_true(info.budget.forget_after <= 0.25);
    entry = entry_at(model, 0);
    assert_string_equal(entry.method, "contrast");
    assert_int_equal(entry.strength, DKVB_STRENGTH_SUPPRESS);
    assert_true(entry.found && entry.target == 0.25 && entry.max_retain_drop == 0.5 && entry.max_class_loss == 0.75);
    assert_int_equal(entry.budget, dkvb__mask_count(info_of(plan).mask));
    assert_true(entry.has_commitment && entry.salted);
    dkvb_plan_free(plan);
    /* A request with a given budget must have no target, and one with codes but no labels must name no classes. */
    q = (dkvb_forget_request)DKVB_FORGET_REQUEST_INIT;
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, 2, 2, codes, NULL, NULL));
    q.codes = codes;
    q.n = 2;
    q.ids = ids;
    q.id_count = 2;
    q.budget = 12;
    q.target = 0.25;
    plan = apply_request(model, NULL, &q);
    entry = entry_at(model, 1);
    assert_true(!entry.found && entry.target == 0.0 && !entry.measured && !entry.by_class && !entry.forced);
    assert_true(entry.max_retain_drop == 0.0 && entry.max_class_loss == 0.0);
    assert_int_equal(entry.budget, 12);
    assert_true(dkvb_journal_names_rows(model, 2, ids, 2));
    dkvb_plan_free(plan);
    q = request_for(classes, 2);
    q.strength = DKVB_STRENGTH_EXACT;
    plan = apply_request(model, set, &q);
    assert_string_equal(entry_at(model, 2).method, "replay");
    assert_int_equal(entry_at(model, 2).strength, DKVB_STRENGTH_EXACT);
    assert_true(entry_at(model, 2).by_class && entry_at(model, 2).measured);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void force_is_recorded_only_where_it_was_needed(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.force = 1;
    plan = apply_request(model, set, &q);
    assert_true(!info_of(plan).forced && !info_of(plan).can_be_forced && !entry_at(model, 0).forced);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void force_does_not_record_a_request_without_a_pair(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    dkvb_plan_free(apply_request(model, set, &q));
    /* All held-out rows of the class are misclassified already: without force the plan is refused for too few rows,
     * with force no pair is found to mask. */
    dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_ROWS, true));
    q.force = 1;
    dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_NOTHING, false));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void only_what_is_in_force_is_set_aside(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    dkvb_plan_free(apply_request(model, set, &q));
    assert_ok(dkvb_model_undo(model, 1, NULL));
    q = request_for(classes, 2);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).classes[1], DKVB_KEEP);
    assert_int_equal(info_of(plan).again, 0);
    dkvb_plan_free(plan);
    q = request_for(classes, 1);
    dkvb_plan_free(apply_request(model, set, &q));
    assert_ok(dkvb_model_purge(model));
    q = request_for(classes, 2);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).classes[1], DKVB_ASIDE);
    assert_int_equal(info_of(plan).classes[2], DKVB_FORGET);
    assert_int_equal(info_of(plan).classes[0], DKVB_KEEP);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_given_number_of_examples_is_drawn_by_its_seed(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *one, *other;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.method = DKVB_METHOD_EXAMPLES;
    q.budget = 3;
    assert_ok(dkvb_forget_plan(&one, model, set, &q, NULL));
    q.seed = 1;
    assert_ok(dkvb_forget_plan(&other, model, set, &q, NULL));
    assert_false(dkvb_mask_equal(info_of(one).mask, info_of(other).mask));
    dkvb_plan_free(one);
    dkvb_plan_free(other);
    q.budget = 0;
    one = apply_request(model, set, &q);
    /* for method "examples", the budget counts drawn rows, not pairs */
    assert_int_equal(entry_at(model, 0).budget, info_of(one).budget.budget);
    assert_true(info_of(one).pairs > info_of(one).budget.budget);
    dkvb_plan_free(one);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void nothing_else_is_forgotten_again_for_a_given_budget(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 0);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    q.budget = 5;
    dkvb_plan_free(apply_request(model, set, &q));
    assert_true(right_rows(model, set, 0) > 0);
    q = request_for(classes, 1); /* a class that was forgotten without a target is not forgotten again */
    plan = apply_request(model, set, &q);
    for (uint64_t i = 1; i < journal_count(model); i++)
        assert_int_not_equal(entry_at(model, i).again, 1);
    dkvb_plan_free(plan);
    q = request_for(classes, 2);
    q.budget = 5;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).again, 0);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_codeset_of_features_gives_the_same_plan(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set, *copy;
    dkvb_plan *plan, *same;
    size_t unlabelled = 0;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    for (size_t r = 0; r < set->part[DKVB_PART_HELD_OUT].n; r += 3, unlabelled++)
        set->part[DKVB_PART_HELD_OUT].labels[r] = -1; /* held-out rows without a label are not measured */
    copy = copy_of(set);
    assert_null(copy->part[DKVB_PART_HELD_OUT].codes);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).looked_at, info_of(plan).held_out - unlabelled);
    assert_ok(dkvb_forget_plan(&same, model, copy, &q, NULL));
    assert_int_equal(info_of(same).looked_at, info_of(plan).looked_at);
    assert_true(dkvb_mask_equal(info_of(plan).mask, info_of(same).mask));
    assert_memory_equal(info_of(plan).effects, info_of(same).effects, CLASSES * sizeof(dkvb_class_effect));
    dkvb_plan_free(plan);
    dkvb_plan_free(same);
    dkvb_codeset_free(copy);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void pairs_that_were_purged_are_not_new(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *mask;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    q.mask = mask;
    plan = assert_plan_refused(model, NULL, &q, DKVB_REFUSED_NOTHING, false);
    assert_non_null(strstr(info_of(plan).refusal, "no pair of the model speaks"));
    dkvb_plan_free(plan);
    assert_ok(dkvb_mask_set(mask, 3, 5, 1));
    dkvb_plan_free(apply_request(model, NULL, &q));
    assert_ok(dkvb_model_purge(model));
    dkvb_plan_free(assert_plan_refused(model, NULL, &q, DKVB_REFUSED_NOTHING, true));
    assert_ok(dkvb_mask_set(mask, 4, 6, 1));
    plan = apply_request(model, NULL, &q);
    assert_int_equal(info_of(plan).pairs, 2);
    assert_int_equal(info_of(plan).pairs_new, 1);
    dkvb_plan_free(plan);
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static double loss_of_others(const dkvb_class_effect *effects, const uint8_t *classes)
{
    dkvb_class_effect sum = {0};

    for (uint32_t l = 0; l < CLASSES; l++)
        if (classes[l] == DKVB_KEEP)
            dkvb__effect_add(&sum, &effects[l]);
    return sum.loss;
}

/* Each masking alone is within the limit, but the request and the classes forgotten again together are not. */
static void forgetting_again_is_refused_where_all_together_cost_too_much(void **state)
{
    static const uint32_t orders[][2] = {{0, 1}, {0, 2}, {1, 0}, {1, 2}, {2, 0}, {2, 1}};
    static const uint32_t methods[] = {DKVB_METHOD_VALUES, DKVB_METHOD_CONTRAST, DKVB_METHOD_ACTIVATIONS};
    size_t refused = 0;

    (void)state;
    for (size_t turn = 0; turn < 3 * sizeof orders / sizeof *orders; turn++) {
        const uint32_t *order = orders[turn / 3];
        uint8_t classes[CLASSES];
        dkvb_forget_request q;
        dkvb_model *model;
        dkvb_codeset *set;
        dkvb_plan *plan;
        double cost;

        plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
        q = request_for(classes, order[0]);
        q.method = methods[turn % 3];
        dkvb_plan_free(apply_request(model, set, &q));
        q = request_for(classes, order[1]);
        q.method = methods[turn % 3];
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        cost = info_of(plan).again > 0 ? loss_of_others(info_of(plan).effects, info_of(plan).classes) : 0.0;
        for (int step = 99; cost > 0.0 && step > 0; step -= 6) {
            dkvb_plan *limited;

            q.max_retain_drop = cost * step / 100.0;
            assert_ok(dkvb_forget_plan(&limited, model, set, &q, NULL));
            if (info_of(limited).refused == DKVB_REFUSED_AGAIN) {
                refused++;
                assert_true(info_of(limited).again > 0 && info_of(limited).can_be_forced);
                assert_true(loss_of_others(info_of(limited).effects, info_of(limited).classes) > q.max_retain_drop);
                assert_int_equal(dkvb_forget_apply(limited, model, set, NULL), DKVB_EREFUSED);
            }
            dkvb_plan_free(limited);
        }
        dkvb_plan_free(plan);
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
    assert_true(refused > 0);
}

static void room_is_left_where_the_limits_allow_it(void **state)
{
    dkvb_model *model;
    dkvb_codeset *set;
    size_t without = 0;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    for (uint32_t i = 0; i < CLASSES * DKVB_METHOD_VALUES; i++) {
        uint8_t classes[CLASSES];
        dkvb_forget_request q = request_for(classes, i % CLASSES);
        dkvb_class_effect effects[CLASSES];
        dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
        dkvb_plan *plan;
        dkvb_plan_info info;
        uint64_t roomy;
        double loss;

        q.method = 1 + i / CLASSES;
        if (q.method == DKVB_METHOD_EXAMPLES)
            continue;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        roomy = info_of(plan).pairs;
        assert_int_equal(roomy, info_of(plan).budget.roomy);
        loss = loss_of_others(info_of(plan).effects, classes);
        dkvb_plan_free(plan);
        /* With this limit the larger number of pairs costs too much, so only the pairs needed for the target are
         * masked. */
        q.max_retain_drop = loss - 1e-6;
        if (q.max_retain_drop <= 0.0)
            continue;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        info = info_of(plan);
        if (info.refused == DKVB_REFUSED_NOT && info.again == 0 && info.budget.budget < info.budget.roomy &&
            info.budget.roomy == roomy) {
            without++;
            assert_int_equal(info.pairs, info.budget.budget);
            assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
            assert_ok(dkvb_effect_measure(model, NULL, info_of(plan).mask, &held, effects, NULL, NULL));
            assert_memory_equal(effects, info_of(plan).effects, sizeof effects);
            assert_true(loss_of_others(effects, classes) <= q.max_retain_drop);
        }
        dkvb_plan_free(plan);
    }
    assert_true(without > 0);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_larger_target_takes_fewer_pairs(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *all, *half;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_forget_plan(&all, model, set, &q, NULL));
    q.target = 0.5;
    assert_ok(dkvb_forget_plan(&half, model, set, &q, NULL));
    assert_true(info_of(half).budget.budget < info_of(all).budget.budget);
    assert_true(info_of(half).budget.forget_after > 0.0 && info_of(half).budget.forget_after <= 0.5);
    dkvb_plan_free(all);
    dkvb_plan_free(half);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_mapped_model_is_not_planned_on(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    const char *path = temp_path("mapped");
    dkvb_model *model, *mapped;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.budget = 5;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(map_model(&mapped, path, NULL));
    assert_plan_fails(mapped, NULL, &q, DKVB_ESTATE, "");
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &q, NULL));
    assert_int_equal(dkvb_forget_apply(plan, mapped, NULL, NULL), DKVB_ESTATE);
    assert_ok(dkvb_model_add_classes(model, 1));
    assert_int_equal(dkvb_forget_apply(plan, model, NULL, NULL), DKVB_EMISMATCH);
    assert_int_equal(journal_count(model), 0);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(mapped);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_changes_nothing),
        cmocka_unit_test(applying_does_what_was_planned_and_records_it),
        cmocka_unit_test(a_plan_is_not_applied_to_a_model_that_changed),
        cmocka_unit_test(nothing_is_never_done),
        cmocka_unit_test(earlier_requests_are_set_aside_and_stay_forgotten),
        cmocka_unit_test(the_same_request_gives_the_same_bytes),
        cmocka_unit_test(requests_that_contradict_themselves_are_refused),
        cmocka_unit_test(classes_alone_and_codes_alone_are_planned_too),
        cmocka_unit_test(every_contradiction_of_a_request_has_its_message),
        cmocka_unit_test(a_codeset_codes_or_a_mask_of_another_model_are_refused),
        cmocka_unit_test(held_out_rows_are_named_too_but_taught_nothing),
        cmocka_unit_test(the_journal_has_the_terms_of_the_plan),
        cmocka_unit_test(force_is_recorded_only_where_it_was_needed),
        cmocka_unit_test(force_does_not_record_a_request_without_a_pair),
        cmocka_unit_test(only_what_is_in_force_is_set_aside),
        cmocka_unit_test(a_given_number_of_examples_is_drawn_by_its_seed),
        cmocka_unit_test(nothing_else_is_forgotten_again_for_a_given_budget),
        cmocka_unit_test(a_mapped_model_is_not_planned_on),
        cmocka_unit_test(a_codeset_of_features_gives_the_same_plan),
        cmocka_unit_test(pairs_that_were_purged_are_not_new),
        cmocka_unit_test(room_is_left_where_the_limits_allow_it),
        cmocka_unit_test(a_larger_target_takes_fewer_pairs),
        cmocka_unit_test(forgetting_again_is_refused_where_all_together_cost_too_much),
    };

    return cmocka_run_group_tests(tests, plan_setup, NULL);
}
