/* Tests of plan files: a loaded plan equals the saved one, and applying it later gives the same bytes as applying it at
 * once. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"

/* Copies a model by saving and loading it, as another process would get it. */
static dkvb_model *saved_model(const dkvb_model *model, const dkvb_allocator *mem)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    const char *path = temp_path("model");
    dkvb_model *copy;

    o.allocator = mem;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&copy, path, &o));
    return copy;
}

static dkvb_plan *saved_plan(const dkvb_plan *plan)
{
    const char *path = temp_path("plan");
    dkvb_plan *copy;

    assert_ok(dkvb_plan_save(plan, path));
    assert_ok(dkvb_plan_load(&copy, path, NULL));
    return copy;
}

static void assert_same_file(const dkvb_model *a, const dkvb_model *b)
{
    size_t a_size, b_size;
    char *a_bytes = bytes_of(a, NULL, &a_size), *b_bytes = bytes_of(b, NULL, &b_size);

    assert_same_bytes(a_bytes, a_size, b_bytes, b_size);
    free(a_bytes);
    free(b_bytes);
}

static char *plan_bytes(const dkvb_plan *plan, size_t *size)
{
    const char *path = temp_path("plan-bytes");

    assert_ok(dkvb_plan_save(plan, path));
    return (char *)read_file(path, size);
}

static void assert_same_found(const dkvb_plan *a, const dkvb_plan *b)
{
    dkvb_plan_info x = info_of(a), y = info_of(b);
    size_t a_size, b_size;
    char *a_bytes = plan_bytes(a, &a_size), *b_bytes = plan_bytes(b, &b_size);

    assert_same_bytes(a_bytes, a_size, b_bytes, b_size);
    free(a_bytes);
    free(b_bytes);
    assert_true(x.strength == y.strength && x.method == y.method && x.refused == y.refused && x.pairs == y.pairs &&
                x.pairs_new == y.pairs_new && x.ids == y.ids && x.again == y.again && x.lifted == y.lifted &&
                x.forced == y.forced && x.can_be_forced == y.can_be_forced && x.budget.roomy == y.budget.roomy &&
                x.looked_at == y.looked_at && x.class_count == y.class_count);
    assert_string_equal(x.refusal, y.refusal);
    assert_true(!x.effects == !y.effects && !x.classes == !y.classes && !x.mask == !y.mask);
    if (x.effects)
        assert_memory_equal(x.effects, y.effects, CLASSES * sizeof *x.effects);
    if (x.classes)
        assert_memory_equal(x.classes, y.classes, CLASSES);
    if (x.mask)
        assert_true(dkvb_mask_equal(x.mask, y.mask));
    assert_int_equal(x.request_count, y.request_count);
    for (size_t i = 0; i < x.request_count; i++)
        assert_true(x.requests[i].line == y.requests[i].line && x.requests[i].entry == y.requests[i].entry &&
                    x.requests[i].forgotten == y.requests[i].forgotten && x.requests[i].pairs == y.requests[i].pairs);
}

/* Asserts that the codes files of two codesets are equal, except for the salts of removed rows. */
static void assert_same_codes_file(const dkvb_codeset *a, const dkvb_codeset *b)
{
    dkvb_codeset *here = copy_of(a), *there = copy_of(b);

    assert_int_equal(here->removed.n, there->removed.n);
    assert_same_rows(here, there);
    dkvb_codeset_free(here);
    dkvb_codeset_free(there);
}

/* Makes a plan, applies it, and applies its saved file to copies of model and codeset; the results must be equal. */
static void assert_same_later(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q)
{
    dkvb_model *later = saved_model(model, NULL);
    dkvb_codeset *later_set = set ? copy_of(set) : NULL;
    dkvb_plan *plan, *loaded;
    uint64_t entry, later_entry;

    assert_ok(dkvb_forget_plan(&plan, model, set, q, NULL));
    loaded = saved_plan(plan);
    assert_same_found(plan, loaded);
    assert_ok(dkvb_forget_apply(plan, model, set, &entry));
    assert_ok(dkvb_forget_apply(loaded, later, later_set, &later_entry));
    assert_int_equal(entry, later_entry);
    assert_same_file(model, later);
    if (set)
        assert_same_codes_file(set, later_set);
    assert_int_equal(dkvb_forget_apply(loaded, later, later_set, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_plan_save(loaded, temp_path("applied")), DKVB_ESTATE);
    dkvb_plan_free(plan);
    dkvb_plan_free(loaded);
    dkvb_codeset_free(later_set);
    dkvb_model_free(later);
}

static void a_saved_plan_does_later_what_it_would_have_done_at_once(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q;
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    q = request_for(classes, 1); /* a plan whose number of pairs is searched */
    q.reason = "letter";
    assert_same_later(model, set, &q);
    q = request_for(classes, 0); /* forgetting class 0 makes class 1 predicted again, so class 1 is forgotten again */
    assert_same_later(model, set, &q);
    q = request_for(classes, 2);
    q.budget = 30;
    assert_same_later(model, NULL, &q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q = request_for(classes, 1);
    q.classes = NULL;
    q.requests = "class 0\nclass 2\tletter\n";
    assert_same_later(model, set, &q);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_same_later(model, set, &q); /* a plan of several requests, one of which is already forgotten */
    q.requests = "ids 3,4,5\nclass 0\n";
    q.strength = DKVB_STRENGTH_EXACT; /* exact forgetting undoes the earlier entry that suppressed the class */
    assert_same_later(model, set, &q);
    assert_same_later(model, set, &q); /* the same request again, which has nothing left to do */
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_saved_plan_of_exact_has_the_new_values_and_keys(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q;

    (void)state;
    for (size_t counted = 0; counted < 2; counted++)
        for (uint32_t keys = DKVB_KEYS_KEPT; keys <= DKVB_KEYS_PLACED; keys++) {
            dkvb_model *model;
            dkvb_codeset *set;

            plan_fit(&model, &set, true, rows, labels, NULL, ROWS);
            assert_ok(dkvb_model_set_class_name(model, 2, "two"));
            assert_ok(dkvb_model_set_encoder(model, "an encoder"));
            if (counted)
                assert_ok(dkvb_model_count_classes(model, set->part[0].codes, set->part[0].k, set->part[0].labels,
                                                   set->part[0].n, NULL));
            q = request_for(classes, 1);
            q.strength = DKVB_STRENGTH_EXACT;
            q.keys = keys;
            if (keys == DKVB_KEYS_PLACED) {
                q.features = rows;
                q.feature_rows = ROWS;
                q.feature_columns = DIM;
            }
            assert_same_later(model, set, &q);
            dkvb_codeset_free(set);
            dkvb_model_free(model);
        }
}

static void a_refused_plan_is_saved_and_shown_and_not_applied(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan, *loaded;

    (void)state;
    few_keys = true;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    few_keys = false;
    q.budget = 3;
    q.max_class_loss = 0.03;
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
    loaded = saved_plan(plan);
    assert_same_found(plan, loaded);
    assert_int_equal(dkvb_forget_apply(loaded, model, set, NULL), DKVB_EREFUSED);
    assert_string_equal(dkvb_last_error(), info_of(plan).refusal);
    assert_int_equal(model->journal.count, 0);
    dkvb_plan_free(plan);
    dkvb_plan_free(loaded);
    q.force = 1;
    assert_same_later(model, set, &q);
    assert_true(entry_at(model, 0).forced);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_saved_plan_is_not_for_another_model_or_codeset(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model, *other;
    dkvb_codeset *set, *fewer;
    dkvb_plan *plan, *loaded;
    uint64_t gone = 5;
    float *values;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    other = saved_model(model, NULL);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    loaded = saved_plan(plan);
    fewer = copy_of(set);
    assert_ok(dkvb_codeset_remove(fewer, &gone, 1, NULL));
    assert_int_equal(dkvb_forget_apply(loaded, model, fewer, NULL), DKVB_EMISMATCH);
    assert_message("the codes are not what they were");
    assert_int_equal(dkvb_forget_apply(loaded, model, NULL, NULL), DKVB_EINVAL);
    assert_message("made with a codeset");
    dkvb_codeset_free(fewer);

    q = request_for(classes, 2);
    dkvb_plan_free(apply_request(other, set, &q));
    assert_int_equal(dkvb_forget_apply(loaded, other, set, NULL), DKVB_EMISMATCH);
    assert_message("1 entries were added since");
    dkvb_model_free(other);
    other = saved_model(model, NULL);
    values = calloc(dkvb__pair_count(other) * CLASSES, sizeof *values);
    assert_non_null(values);
    assert_ok(dkvb_model_set_values(other, values, 0));
    free(values);
    assert_int_equal(dkvb_forget_apply(loaded, other, set, NULL), DKVB_EMISMATCH);
    assert_message("values are not what they were");
    assert_int_equal(other->journal.count, 0);
    dkvb_model_free(other);
    assert_int_equal(set->part[0].n + set->part[1].n, ROWS);
    assert_ok(dkvb_forget_apply(loaded, model, set, NULL)); /* the refused attempts have not changed the plan */
    dkvb_plan_free(plan);
    dkvb_plan_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* If the process ended after the model was saved and before the codes file was, applying the same plan again finishes
 * the codes file. */
static void a_saved_plan_finishes_the_codes_of_a_model_that_has_it(void **state)
{
    for (uint32_t keys = DKVB_KEYS_KEPT; keys <= DKVB_KEYS_PLACED; keys++) {
        uint8_t classes[CLASSES];
        dkvb_forget_request q = request_for(classes, 1);
        dkvb_model *model, *other;
        dkvb_codeset *set, *old;
        dkvb_plan *plan, *again, *third;
        uint64_t entry = 9;

        (void)state;
        plan_fit(&model, &set, true, rows, labels, NULL, ROWS);
        other = saved_model(model, NULL);
        old = copy_of(set);
        q.strength = DKVB_STRENGTH_EXACT;
        q.keys = keys;
        if (keys == DKVB_KEYS_PLACED) {
            q.features = rows;
            q.feature_rows = ROWS;
            q.feature_columns = DIM;
        }
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        again = saved_plan(plan);
        third = saved_plan(plan);
        assert_ok(dkvb_forget_apply(plan, model, set, NULL));
        assert_ok(dkvb_forget_apply(again, model, old, &entry));
        assert_true(entry == 0 && model->journal.count == 1);
        assert_same_codes_file(set, old);
        assert_int_equal(dkvb_forget_apply(third, model, old, NULL), DKVB_ESTATE);
        assert_message("applied already, to the model and to the codes");
        /* A codes file without the rows does not fit a model that still knows them. */
        assert_int_equal(dkvb_forget_apply(third, other, old, NULL), DKVB_EMISMATCH);
        dkvb_plan_free(plan);
        dkvb_plan_free(again);
        dkvb_plan_free(third);
        dkvb_codeset_free(set);
        dkvb_codeset_free(old);
        dkvb_model_free(model);
        dkvb_model_free(other);
    }
}

static void damaged_plans_are_refused(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    char path[200];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan, *loaded;
    char *bytes;
    size_t size;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    bytes = plan_bytes(plan, &size);
    snprintf(path, sizeof path, "%s", temp_path("damaged"));
    for (size_t at = 0; at < size; at += 1 + at / 32) {
        bytes[at] ^= 0x20;
        assert_ok(dkvb_file_write(path, bytes, size));
        assert_true(dkvb_plan_load(&loaded, path, NULL) != DKVB_OK && !loaded);
        bytes[at] ^= 0x20;
        assert_ok(dkvb_file_write(path, bytes, at));
        assert_true(dkvb_plan_load(&loaded, path, NULL) != DKVB_OK && !loaded);
    }
    assert_ok(dkvb_model_save(model, path));
    assert_int_equal(dkvb_plan_load(&loaded, path, NULL), DKVB_EFORMAT);
    assert_message("is a model, a plan");
    free(bytes);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void plans_without_memory_are_neither_saved_nor_loaded_nor_applied(void **state)
{
    char path[200], model_path[200]; /* copies of paths, as temp_path() has only one buffer */
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    bool done = false;

    (void)state;
    plan_fit(&model, &set, true, rows, labels, NULL, ROWS);
    q.requests = "class 1\treason\nids 3,4\n";
    q.max_class_loss = 1.0;
    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_PLACED;
    q.features = rows;
    q.feature_rows = ROWS;
    q.feature_columns = DIM;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    snprintf(path, sizeof path, "%s", temp_path("plan"));
    snprintf(model_path, sizeof model_path, "%s", temp_path("model"));
    assert_ok(dkvb_plan_save(plan, path));
    assert_ok(dkvb_model_save(model, model_path));
    for (size_t at = 1; !done; at++) {
        struct failing_alloc counter;
        dkvb_allocator mem = failing_allocator(&counter, at);
        dkvb_codeset *fresh = copy_of(set);
        dkvb_model *limited = NULL;
        dkvb_plan *loaded = NULL;
        dkvb_status rc;

        o.allocator = &mem;
        rc = dkvb_plan_load(&loaded, path, &mem);
        if (!rc)
            rc = dkvb_plan_save(loaded, temp_path("again"));
        if (!rc)
            rc = dkvb_model_load(&limited, model_path, &o);
        if (!rc)
            rc = dkvb_forget_apply(loaded, limited, fresh, NULL);
        done = !rc;
        if (rc) {
            assert_int_equal(rc, DKVB_ENOMEM);
            assert_int_equal(fresh->part[0].n + fresh->part[1].n, ROWS);
            counter.fail_at = SIZE_MAX;
            if (limited)
                assert_same_file(model, limited);
        }
        dkvb_plan_free(loaded);
        dkvb_model_free(limited);
        dkvb_codeset_free(fresh);
        assert_int_equal(counter.live, 0);
    }
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_plan_of_another_allocator_is_not_put_into_a_model(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    struct failing_alloc counter;
    dkvb_allocator mem = failing_allocator(&counter, SIZE_MAX);
    dkvb_model *model, *other;
    dkvb_codeset *set;
    dkvb_plan *plan, *loaded;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    other = saved_model(model, &mem);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    loaded = saved_plan(plan);
    assert_int_equal(dkvb_forget_apply(loaded, other, set, NULL), DKVB_EINVAL);
    assert_message("another allocator");
    dkvb_plan_free(plan);
    dkvb_plan_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    dkvb_model_free(other);
    assert_int_equal(counter.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_plan_does_later_what_it_would_have_done_at_once),
        cmocka_unit_test(a_saved_plan_of_exact_has_the_new_values_and_keys),
        cmocka_unit_test(a_refused_plan_is_saved_and_shown_and_not_applied),
        cmocka_unit_test(a_saved_plan_is_not_for_another_model_or_codeset),
        cmocka_unit_test(a_saved_plan_finishes_the_codes_of_a_model_that_has_it),
        cmocka_unit_test(damaged_plans_are_refused),
        cmocka_unit_test(plans_without_memory_are_neither_saved_nor_loaded_nor_applied),
        cmocka_unit_test(a_plan_of_another_allocator_is_not_put_into_a_model),
    };

    return cmocka_run_group_tests(tests, plan_setup, NULL);
}
