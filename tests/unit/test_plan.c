/* Plans: what they decide, what they refuse and why, and that applying one does what it said and nothing else. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "bottleneck/value_types.h"

static const uint8_t salt[32] = {1, 2, 3};

/* The rows with the first three classes moved together, so that they compete. */
static float hard[ROWS * DIM];

static int setup(void **state)
{
    float mean[CLASSES][DIM] = {{0}}, middle[DIM] = {0};

    (void)state;
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1); /* so that bytes can be compared */
    make_rows();
    for (size_t i = 0; i < ROWS * DIM; i++)
        mean[labels[i / DIM]][i % DIM] += rows[i] * CLASSES / ROWS;
    for (size_t j = 0; j < DIM; j++)
        middle[j] = (mean[0][j] + mean[1][j] + mean[2][j]) / 3.0f;
    for (size_t i = 0; i < ROWS * DIM; i++)
        hard[i] = rows[i] - (labels[i / DIM] < 3 ? 0.9f * (mean[labels[i / DIM]][i % DIM] - middle[i % DIM]) : 0.0f);
    return 0;
}

static dkvb_keyinit_options keyinit;
static dkvb_train_options training;
static bool few_keys; /* so few that classes share them */

/* Small, and keys on other rows unless `own_keys`. `ids`: NULL for row numbers. */
static void fit(dkvb_model **model, dkvb_codeset **set, bool own_keys, const float *x, const int32_t *y,
                const uint64_t *ids, size_t n)
{
    static float others[ROWS * DIM];
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    for (size_t i = 0; i < ROWS * DIM; i++)
        others[i] = rows[i] + 0.01f * (float)(i % 7);
    keyinit = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
    training = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    keyinit.codebooks = few_keys ? 2 : 16;
    keyinit.keys = few_keys ? 3 : 48;
    keyinit.key_dim = 4;
    training.batch = 32;
    r.x = x;
    r.labels = y;
    r.ids = ids;
    r.n = n;
    r.dim = DIM;
    r.classes = CLASSES;
    o.keyinit = &keyinit;
    o.train = &training;
    o.top_k = few_keys ? 1 : 2;
    o.depth = 48;
    o.hold_out = 0.25;
    o.whiten = DKVB_WHITEN_NEVER;
    if (!own_keys) {
        o.key_rows = others;
        o.key_row_count = ROWS;
    }
    assert_ok(dkvb_fit(model, set, &r, &o, NULL, NULL));
}

static dkvb_forget_request request_for(uint8_t classes[CLASSES], uint32_t label)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    memset(classes, 0, CLASSES);
    classes[label] = DKVB_FORGET;
    q.classes = classes;
    q.max_retain_drop = 1.0;
    q.max_class_loss = 1.0;
    q.salt = salt;
    return q;
}

static dkvb_plan_info info_of(const dkvb_plan *plan)
{
    dkvb_plan_info info = DKVB_PLAN_INFO_INIT;

    assert_ok(dkvb_plan_get_info(plan, &info));
    return info;
}

static dkvb_journal_entry entry_at(const dkvb_model *model, uint64_t index)
{
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

    assert_ok(dkvb_journal_get(model, index, &entry));
    return entry;
}

/* Bytes of the file of a model or a codeset, to be free()d. */
static char *bytes_of(const dkvb_model *model, const dkvb_codeset *set, size_t *size)
{
    const char *path = temp_path("bytes");
    FILE *file;
    char *bytes;

    if (model)
        assert_ok(dkvb_model_save(model, path));
    else
        assert_ok(dkvb_codeset_save(set, path));
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void assert_same_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
}

static void assert_same_values(const dkvb_model *a, const dkvb_model *b)
{
    assert_int_equal(a->values_dtype, b->values_dtype);
    assert_memory_equal(a->values, b->values, dkvb__pair_count(a) * CLASSES * dkvb__value_size(a->values_dtype));
    assert_true(a->temperature == b->temperature && a->rows_trained == b->rows_trained);
    assert_memory_equal(a->trained, b->trained, sizeof a->trained);
}

/* The same rows, codes and sessions; what one of them remembers of removed rows aside. */
static void assert_same_rows(const dkvb_codeset *a, const dkvb_codeset *b)
{
    assert_true(a->own_keys == b->own_keys && a->sessions == b->sessions);
    assert_memory_equal(a->birth, b->birth, sizeof a->birth);
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *x = &a->part[p], *y = &b->part[p];

        assert_true(x->n == y->n && x->k == y->k && x->dtype == y->dtype);
        assert_memory_equal(x->ids, y->ids, x->n * sizeof *x->ids);
        assert_memory_equal(x->labels, y->labels, x->n * sizeof *x->labels);
        assert_memory_equal(x->sessions, y->sessions, x->n * sizeof *x->sessions);
        assert_memory_equal(x->codes, y->codes, x->n * a->codebooks * x->k * sizeof *x->codes);
    }
}

/* A codeset from a file of it. */
static dkvb_codeset *copy_of(const dkvb_codeset *set)
{
    const char *path = temp_path("copy");
    dkvb_codeset *copy;

    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&copy, path, NULL));
    return copy;
}

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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    before = bytes_of(model, NULL, &before_size);
    for (uint32_t strength = DKVB_STRENGTH_SUPPRESS; strength <= DKVB_STRENGTH_EXACT; strength += 2) {
        q.strength = strength;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        assert_string_equal(dkvb_plan_refusal(plan), "");
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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.reason = "request 17";
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    info = info_of(plan);
    assert_true(info.budget_found && info.budget.met && info.measured && info.pairs > 0);
    assert_int_equal(info.method, DKVB_METHOD_VALUES);
    assert_true(dkvb_plan_effects(plan)[1].right_after == 0 && dkvb_plan_effects(plan)[1].right_before > 0);
    assert_ok(dkvb_forget_apply(plan, model, set, &id));
    assert_int_equal(id, 1);
    assert_true(dkvb_mask_equal(model->mask, dkvb_plan_mask(plan)));
    assert_int_equal(dkvb_mask_count(model->mask), info.pairs_new);
    entry = entry_at(model, 0);
    assert_string_equal(entry.method, "values");
    assert_string_equal(entry.reason, "request 17");
    assert_true(entry.by_class && entry.measured && entry.found && !entry.forced && entry.budget == info.pairs);
    assert_int_equal(entry.rows, info.ids);
    assert_ok(dkvb_journal_get_classes(model, 1, marks));
    assert_memory_equal(marks, classes, CLASSES);
    assert_ok(dkvb_journal_get_effects(model, 1, effects));
    assert_memory_equal(effects, dkvb_plan_effects(plan), sizeof effects);
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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_forget_plan(&first, model, set, &q, NULL));
    q = request_for(classes, 2);
    assert_ok(dkvb_forget_plan(&second, model, set, &q, NULL));
    assert_ok(dkvb_forget_plan(&third, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(first, model, set, NULL));
    assert_int_equal(dkvb_forget_apply(second, model, set, NULL), DKVB_EMISMATCH);
    assert_message("journal is not what it was");
    assert_int_equal(dkvb_journal_count(model), 1);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
    fit(&model, &set, false, rows, labels, NULL, ROWS); /* the same once more, then other values */
    values = calloc(dkvb__pair_count(model) * CLASSES, sizeof *values);
    assert_non_null(values);
    assert_ok(dkvb_model_get_values(model, values));
    values[5] += 1.0f;
    assert_ok(dkvb_model_set_values(model, values));
    assert_int_equal(dkvb_forget_apply(third, model, set, NULL), DKVB_EMISMATCH);
    assert_message("values are not what they were");
    free(values);
    dkvb_plan_free(first);
    dkvb_plan_free(second);
    dkvb_plan_free(third);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Refused for `why`, and applying it changes nothing. */
static dkvb_plan *assert_refused(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q, uint32_t why,
                                 bool can_be_forced)
{
    uint64_t entries = dkvb_journal_count(model);
    dkvb_plan *plan;
    dkvb_plan_info info;

    assert_ok(dkvb_forget_plan(&plan, model, set, q, NULL));
    info = info_of(plan);
    assert_int_equal(info.refused, why);
    assert_int_equal(info.can_be_forced, can_be_forced);
    assert_true(dkvb_plan_refusal(plan)[0] != '\0');
    assert_int_equal(dkvb_forget_apply(plan, model, set, NULL), DKVB_EREFUSED);
    assert_string_equal(dkvb_last_error(), dkvb_plan_refusal(plan));
    assert_int_equal(dkvb_journal_count(model), entries);
    return plan;
}

static void assert_forced(dkvb_model *model, dkvb_codeset *set, dkvb_forget_request q)
{
    dkvb_plan *plan;
    uint64_t id;

    q.force = 1;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_true(info_of(plan).forced);
    assert_ok(dkvb_forget_apply(plan, model, set, &id));
    assert_true(entry_at(model, id - 1).forced);
    dkvb_plan_free(plan);
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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    by_mask.mask = mask;
    dkvb_plan_free(assert_refused(model, NULL, &by_mask, DKVB_REFUSED_NOTHING, false));
    by_mask.force = 1; /* which cannot do what is not there */
    dkvb_plan_free(assert_refused(model, NULL, &by_mask, DKVB_REFUSED_NOTHING, false));
    by_mask.force = 0;
    assert_ok(dkvb_mask_add(mask, 3, 5));
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &by_mask, NULL));
    assert_ok(dkvb_forget_apply(plan, model, NULL, NULL));
    dkvb_plan_free(plan);
    dkvb_plan_free(assert_refused(model, NULL, &by_mask, DKVB_REFUSED_NOTHING, true)); /* masked already */
    assert_forced(model, NULL, by_mask);
    assert_ok(dkvb_model_undo(model, 1));
    assert_true(dkvb_mask_has(model->mask, 3, 5)); /* for that is what force is good for */
    /* A class whose held-out rows are all wrong already has none that would show it. */
    q.budget = 40;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    dkvb_plan_free(plan);
    dkvb_plan_free(assert_refused(model, set, &q, DKVB_REFUSED_NOTHING, true));
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void too_few_rows_to_find_a_budget_on_are_said(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    uint64_t out[ROWS];
    size_t n = 0, left = 0;

    (void)state;
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    for (size_t i = 0; i < held.n; i++)
        if (held.labels[i] == 1 && left++ >= DKVB_PLAN_LEAST_ROWS - 1)
            out[n++] = held.ids[i];
    assert_ok(dkvb_codeset_remove(set, out, n, NULL));
    plan = assert_refused(model, set, &q, DKVB_REFUSED_ROWS, true);
    assert_non_null(strstr(dkvb_plan_refusal(plan), "at least 5 would tell"));
    assert_null(dkvb_plan_mask(plan));
    dkvb_plan_free(plan);
    assert_forced(model, set, q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void limits_that_cannot_be_kept_are_refused(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    uint32_t label = 0;

    (void)state;
    few_keys = true;
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    few_keys = false;
    for (; label < CLASSES; label++) { /* one that shares its keys */
        q = request_for(classes, label);
        q.method = DKVB_METHOD_ACTIVATIONS;
        q.max_retain_drop = 0.0;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        if (info_of(plan).refused)
            break;
        dkvb_plan_free(plan);
    }
    assert_true(label < CLASSES);
    dkvb_plan_free(plan);
    plan = assert_refused(model, set, &q, DKVB_REFUSED_TARGET, false);
    assert_non_null(strstr(dkvb_plan_refusal(plan), "Nearest: "));
    dkvb_plan_free(plan);
    q.max_retain_drop = 1.0;
    q.max_class_loss = 0.0;
    q.budget = 5; /* of 6 pairs */
    plan = assert_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
    assert_int_not_equal(info_of(plan).refused_class, label);
    dkvb_plan_free(plan);
    assert_forced(model, set, q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void rows_of_another_class_slipped_in_are_noticed(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    uint64_t ids[ROWS];
    size_t n = 0, slipped = 0;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    for (size_t r = 0; r < ROWS; r++)
        if (labels[r] == 1 || (labels[r] == 2 && slipped++ < 60))
            ids[n++] = r;
    q.ids = ids;
    q.id_count = n;
    q.budget = 60;
    q.max_class_loss = 1.0;
    plan = assert_refused(model, set, &q, DKVB_REFUSED_MIXED, true);
    assert_int_equal(info_of(plan).refused_class, 2);
    dkvb_plan_free(plan);
    assert_forced(model, set, q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static uint64_t right_rows(const dkvb_model *model, const dkvb_codeset *set, uint32_t label)
{
    dkvb_class_effect effects[CLASSES];
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;

    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_ok(dkvb_effect_measure(model, NULL, NULL, &held, effects, NULL, NULL));
    return effects[label].right_before;
}

static void earlier_requests_are_set_aside_and_stay_forgotten(void **state)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint64_t again = 0;

    (void)state;
    /* Somewhere a class comes back when those that it competes with go. */
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        uint8_t classes[CLASSES];
        dkvb_model *model;
        dkvb_codeset *set;

        fit(&model, &set, false, hard, labels, NULL, ROWS);
        for (size_t i = 0; i < 3; i++) {
            dkvb_forget_request q = request_for(classes, orders[o][i]);
            uint64_t entries = dkvb_journal_count(model);
            dkvb_plan *plan;

            assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
            assert_string_equal(dkvb_plan_refusal(plan), "");
            for (size_t j = 0; j < i; j++)
                assert_int_equal(dkvb_plan_classes(plan)[orders[o][j]], DKVB_ASIDE);
            again += info_of(plan).again;
            assert_int_equal(info_of(plan).not_again, 0);
            assert_ok(dkvb_forget_apply(plan, model, set, NULL));
            assert_int_equal(dkvb_journal_count(model), entries + 1 + info_of(plan).again);
            for (uint64_t j = entries + 1; j < dkvb_journal_count(model); j++)
                assert_in_range(entry_at(model, j).again, 1, entries + 1);
            for (size_t j = 0; j <= i; j++)
                assert_int_equal(right_rows(model, set, orders[o][j]), 0);
            dkvb_plan_free(plan);
        }
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
    assert_true(again > 0);
}

/* The rows that are left without every seventh, with what they are called. */
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

        fit(&model, &set, own, rows, labels, NULL, ROWS);
        fit(&never, &never_set, own, x, y, ids, n);
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
        /* A codeset that could not be saved after the model: the same request finishes it, and writes no other entry. */
        assert_ok(dkvb_forget_plan(&plan, model, behind, &q, NULL));
        assert_true(info_of(plan).resumed);
        assert_ok(dkvb_forget_apply(plan, model, behind, NULL));
        dkvb_plan_free(plan);
        assert_int_equal(dkvb_journal_count(model), 1);
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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    dkvb_plan_free(plan);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).lifted, 1);
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    dkvb_plan_free(plan);
    assert_int_equal(entry_at(model, 0).state, DKVB_JOURNAL_UNDONE);
    assert_int_equal(dkvb_mask_count(model->mask), 0);
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
    fit(&model, &set, true, rows, labels, NULL, ROWS);
    q.strength = DKVB_STRENGTH_EXACT;
    dkvb_plan_free(assert_refused(model, set, &q, DKVB_REFUSED_KEYS, false));
    q.force = 1;
    dkvb_plan_free(assert_refused(model, set, &q, DKVB_REFUSED_KEYS, false));
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
        fit(&model, &set, false, rows, labels, NULL, ROWS);
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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
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
    fit(&model, &set, false, rows, labels, NULL, ROWS);
    q.budget = 30;
    assert_ok(dkvb_forget_plan(&plan, model, NULL, &q, NULL));
    info = info_of(plan);
    assert_true(info.method == DKVB_METHOD_VALUES && info.pairs == 30 && info.ids == 0 && !info.measured);
    assert_null(dkvb_plan_effects(plan));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_changes_nothing),
        cmocka_unit_test(applying_does_what_was_planned_and_records_it),
        cmocka_unit_test(a_plan_is_not_applied_to_a_model_that_changed),
        cmocka_unit_test(nothing_is_never_done),
        cmocka_unit_test(too_few_rows_to_find_a_budget_on_are_said),
        cmocka_unit_test(limits_that_cannot_be_kept_are_refused),
        cmocka_unit_test(rows_of_another_class_slipped_in_are_noticed),
        cmocka_unit_test(earlier_requests_are_set_aside_and_stay_forgotten),
        cmocka_unit_test(exact_gives_what_never_had_the_rows),
        cmocka_unit_test(exact_takes_back_what_masked_the_same_rows),
        cmocka_unit_test(keys_on_the_rows_are_asked_about_and_other_rows_refused),
        cmocka_unit_test(the_same_request_gives_the_same_bytes),
        cmocka_unit_test(requests_that_contradict_themselves_are_refused),
        cmocka_unit_test(classes_alone_and_codes_alone_are_planned_too),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
