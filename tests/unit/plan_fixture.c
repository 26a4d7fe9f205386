/* Small models with held-out rows for tests of plans, and checks of plans made on these models. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "bottleneck/value_types.h"

const uint8_t salt[32] = {1, 2, 3};
float hard[ROWS * DIM];
static dkvb_settings settings;
bool few_keys;

int plan_setup(void **state)
{
    float mean[CLASSES][DIM] = {{0}}, middle[DIM] = {0};

    (void)state;
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1); /* a fixed time, so that bytes can be compared */
    make_rows();
    for (size_t i = 0; i < ROWS * DIM; i++)
        mean[labels[i / DIM]][i % DIM] += rows[i] * CLASSES / ROWS;
    for (size_t j = 0; j < DIM; j++)
        middle[j] = (mean[0][j] + mean[1][j] + mean[2][j]) / 3.0f;
    for (size_t i = 0; i < ROWS * DIM; i++)
        hard[i] = rows[i] - (labels[i / DIM] < 3 ? 0.9f * (mean[labels[i / DIM]][i % DIM] - middle[i % DIM]) : 0.0f);
    return 0;
}

void plan_fit(dkvb_model **model, dkvb_codeset **set, bool own_keys, const float *x, const int32_t *y,
              const uint64_t *ids, size_t n)
{
    static float others[ROWS * DIM];
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    for (size_t i = 0; i < ROWS * DIM; i++)
        others[i] = rows[i] + 0.01f * (float)(i % 7);
    settings = (dkvb_settings)DKVB_SETTINGS_INIT;
    settings.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    settings.keyinit.codebooks = few_keys ? 2 : 16;
    settings.keyinit.keys = few_keys ? 3 : 48;
    settings.keyinit.key_dim = 4;
    settings.train.batch = 32;
    r.x = x;
    r.labels = y;
    r.ids = ids;
    r.n = n;
    r.dim = DIM;
    r.classes = CLASSES;
    settings.top_k = few_keys ? 1 : 2;
    settings.whiten = DKVB_WHITEN_NEVER;
    o.settings = &settings;
    o.depth = 48;
    o.hold_out = 0.25;
    if (!own_keys) {
        o.key_rows = others;
        o.key_row_count = ROWS;
    }
    assert_ok(dkvb_fit(model, set, &r, &o, NULL, NULL));
}

dkvb_forget_request request_for(uint8_t classes[CLASSES], uint32_t label)
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

dkvb_plan_info info_of(const dkvb_plan *plan)
{
    dkvb_plan_info info = DKVB_PLAN_INFO_INIT;

    assert_ok(dkvb_plan_get_info(plan, &info));
    return info;
}

dkvb_journal_entry entry_at(const dkvb_model *model, uint64_t index)
{
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

    assert_ok(dkvb_journal_get(model, index, &entry));
    return entry;
}

char *bytes_of(const dkvb_model *model, const dkvb_codeset *set, size_t *size)
{
    const char *path = temp_path("bytes");

    if (model)
        assert_ok(dkvb_model_save(model, path));
    else
        assert_ok(dkvb_codeset_save(set, path));
    return (char *)read_file(path, size);
}

void assert_same_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
}

void assert_same_values(const dkvb_model *a, const dkvb_model *b)
{
    assert_int_equal(a->values_dtype, b->values_dtype);
    assert_memory_equal(a->values, b->values, dkvb__pair_count(a) * CLASSES * dkvb__value_size(a->values_dtype));
    assert_true(a->temperature == b->temperature && a->rows_trained == b->rows_trained);
    assert_memory_equal(a->trained, b->trained, sizeof a->trained);
}

void assert_same_rows(const dkvb_codeset *a, const dkvb_codeset *b)
{
    assert_true(a->own_keys == b->own_keys && a->sessions == b->sessions);
    assert_memory_equal(a->birth, b->birth, sizeof a->birth);
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *x = &a->part[p], *y = &b->part[p];

        assert_true(x->n == y->n && x->k == y->k && x->dtype == y->dtype);
        assert_memory_equal(x->ids, y->ids, x->n * sizeof *x->ids);
        assert_memory_equal(x->labels, y->labels, x->n * sizeof *x->labels);
        assert_memory_equal(x->sessions, y->sessions, x->n * sizeof *x->sessions);
        assert_true(!x->codes == !y->codes && !x->features == !y->features);
        if (x->codes)
            assert_memory_equal(x->codes, y->codes, x->n * a->codebooks * x->k * sizeof *x->codes);
        if (x->features)
            assert_memory_equal(x->features, y->features, x->n * dkvb__coderows_feature_size(x));
    }
}

dkvb_codeset *copy_of(const dkvb_codeset *set)
{
    const char *path = temp_path("copy");
    dkvb_codeset *copy;

    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&copy, path, NULL, NULL));
    return copy;
}

dkvb_plan *assert_plan_refused(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q, uint32_t why,
                               bool can_be_forced)
{
    uint64_t entries = journal_count(model);
    dkvb_plan *plan;
    dkvb_plan_info info;

    assert_ok(dkvb_forget_plan(&plan, model, set, q, NULL));
    info = info_of(plan);
    assert_int_equal(info.refused, why);
    assert_int_equal(info.can_be_forced, can_be_forced);
    assert_true(info_of(plan).refusal[0] != '\0');
    assert_int_equal(dkvb_forget_apply(plan, model, set, NULL), DKVB_EREFUSED);
    assert_string_equal(dkvb_last_error(), info_of(plan).refusal);
    assert_int_equal(journal_count(model), entries);
    return plan;
}

void assert_plan_forced(dkvb_model *model, dkvb_codeset *set, dkvb_forget_request q)
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

void ask_for_slipped_in(dkvb_forget_request *q, uint64_t ids[ROWS])
{
    size_t n = 0, slipped = 0;

    for (size_t r = 0; r < ROWS; r++)
        if (labels[r] == 1 || (labels[r] == 2 && slipped++ < 60))
            ids[n++] = r;
    q->ids = ids;
    q->id_count = n;
}

uint64_t right_rows(const dkvb_model *model, const dkvb_codeset *set, uint32_t label)
{
    dkvb_class_effect effects[CLASSES];
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;

    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_ok(dkvb_effect_measure(model, NULL, NULL, &held, effects, NULL, NULL));
    return effects[label].right_before;
}

void assert_plan_fails(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q, dkvb_status status,
                       const char *part)
{
    dkvb_plan *plan = NULL;

    assert_int_equal(dkvb_forget_plan(&plan, model, set, q, NULL), status);
    assert_message(part);
    assert_null(plan);
}

dkvb_plan *apply_request(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q)
{
    dkvb_plan *plan;

    assert_ok(dkvb_forget_plan(&plan, model, set, q, NULL));
    assert_string_equal(info_of(plan).refusal, "");
    assert_ok(dkvb_forget_apply(plan, model, set, NULL));
    return plan;
}
