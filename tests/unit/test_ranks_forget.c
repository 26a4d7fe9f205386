/* Forgetting from a model that ranks share gives the files of one process, for each method and strength. */
#include "fixture.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/plan.h"
#include "ranks_threads.h"

enum { BOOKS = 72, PLACES = 20, TOP_K = 2, MOST_RANKS = 8 };

static int setup(void **state)
{
    (void)state;
    make_rows();
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    return 0;
}

/* What is asked for, and the files that come of it. */
struct story {
    uint32_t strength, method, keep, keys;
    bool rows, undo, purge, more; /* rows are forgotten, not a class; it is undone; it is purged; a training follows */
    char model[4096], codes[4096];
    dkvb_plan_info info[MOST_RANKS];
    dkvb_class_effect effects[MOST_RANKS][CLASSES];
};

static void tell(const dkvb_ranks *ranks, void *context)
{
    static const uint8_t salt[32] = {7};
    static const uint64_t ids[] = {3, 17, 240, 241, 599};
    struct story *s = context;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_settings settings = DKVB_SETTINGS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    uint8_t classes[CLASSES] = {0, 1};
    dkvb_codeset *set;
    dkvb_model *model;
    dkvb_plan *plan;
    uint64_t entry;

    settings.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    settings.train.epochs = 1;
    settings.keyinit.codebooks = BOOKS;
    settings.keyinit.keys = PLACES;
    settings.keyinit.key_dim = 5;
    settings.top_k = TOP_K;
    o.settings = &settings;
    o.hold_out = 0.3;
    o.depth = 12;
    o.keep = s->keep;
    o.count_classes = s->method == DKVB_METHOD_CONTRAST;
    r.x = rows;
    r.labels = labels;
    r.n = ROWS;
    r.dim = DIM;
    run.ranks = ranks;
    run.threads = 1 + ranks->rank % 2;
    assert_ok(dkvb_fit(&model, &set, &r, &o, NULL, &run));
    q.strength = s->strength;
    q.method = s->method;
    q.keys = s->keys;
    q.force = 1;
    q.salt = salt;
    if (s->rows) {
        q.ids = ids;
        q.id_count = sizeof ids / sizeof *ids;
    } else {
        q.classes = classes;
    }
    if (s->keys == DKVB_KEYS_PLACED) {
        q.features = rows;
        q.feature_rows = ROWS;
        q.feature_columns = DIM;
    }
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, &run));
    s->info[ranks->rank] = (dkvb_plan_info)DKVB_PLAN_INFO_INIT;
    assert_ok(dkvb_plan_get_info(plan, &s->info[ranks->rank]));
    if (s->info[ranks->rank].effects)
        memcpy(s->effects[ranks->rank], s->info[ranks->rank].effects, sizeof s->effects[0]);
    assert_ok(dkvb_forget_apply(plan, model, set, &entry));
    dkvb_plan_free(plan);
    if (s->undo)
        assert_ok(dkvb_model_undo(model, entry, NULL));
    if (s->purge)
        assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_save(model, s->model));
    if (ranks->rank == 0)
        assert_ok(dkvb_codeset_save(set, s->codes));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void assert_same_file(const char *a, const char *b)
{
    size_t size, other;
    unsigned char *bytes = read_file(a, &size), *others = read_file(b, &other);

    assert_int_equal(size, other);
    assert_memory_equal(bytes, others, size);
    free(bytes);
    free(others);
}

static void check(struct story s)
{
    static const unsigned counts[] = {2, 3, 4, 8};
    static const dkvb_ranks alone = DKVB_RANKS_INIT;
    struct story one = s;

    snprintf(one.model, sizeof one.model, "%s", temp_path("alone.dkvb"));
    snprintf(one.codes, sizeof one.codes, "%s", temp_path("alone.codes"));
    tell(&alone, &one);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf(s.model, sizeof s.model, "%s", temp_path("shared.dkvb"));
        snprintf(s.codes, sizeof s.codes, "%s", temp_path("shared.codes"));
        ranks_run(counts[i], tell, &s);
        assert_same_file(one.model, s.model);
        assert_same_file(one.codes, s.codes);
        for (unsigned r = 0; r < counts[i]; r++)
            assert_memory_equal(&one.info[0], &s.info[r], offsetof(dkvb_plan_info, refusal));
        for (unsigned r = 0; r < counts[i]; r++)
            assert_memory_equal(one.effects[0], s.effects[r], sizeof one.effects[0]);
    }
}

static void test_suppress(void **state)
{
    static const uint32_t methods[] = {0, DKVB_METHOD_VALUES, DKVB_METHOD_ACTIVATIONS, DKVB_METHOD_EXAMPLES,
                                       DKVB_METHOD_CONTRAST};

    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        check(
            (struct story){.strength = DKVB_STRENGTH_SUPPRESS, .method = methods[i], .undo = i == 1, .purge = i != 1});
}

static void test_exact(void **state)
{
    (void)state;
    check((struct story){.strength = DKVB_STRENGTH_EXACT, .rows = true, .keys = DKVB_KEYS_KEPT});
    check((struct story){.strength = DKVB_STRENGTH_EXACT, .keys = DKVB_KEYS_KEPT, .keep = DKVB_KEPT_FEATURES});
    check((struct story){
        .strength = DKVB_STRENGTH_EXACT, .rows = true, .keys = DKVB_KEYS_PLACED, .keep = DKVB_KEPT_FEATURES});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suppress),
        cmocka_unit_test(test_exact),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
