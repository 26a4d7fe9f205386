/* Tests of forgetting from a model that ranks share: for each method and strength, the files equal those of one
 * process. */
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

/* A story (a sequence of requests to forget), and the files it gives. */
struct story {
    uint32_t strength, method, keep, keys;
    /* whether rows are forgotten instead of a class, and whether an undo, a purge and a training follow */
    bool rows, undo, purge, more;
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

/* A model and its codeset on one rank, and the fault to provoke on this rank. */
struct life {
    struct failing_alloc memory;
    dkvb_allocator allocator;
    dkvb_run_options run;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    uint64_t entry;
    unsigned long told, cancel_at; /* number of progress reports so far, and number of the report that cancels */
};

enum { BEGUN = 160, GROWN = 200 };

static int cancels(void *user, uint64_t done, uint64_t total)
{
    struct life *l = user;

    (void)done;
    (void)total;
    return ++l->told == l->cancel_at;
}

static dkvb_fit_rows rows_from(size_t first, size_t end)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows + first * DIM;
    r.labels = labels + first;
    r.n = end - first;
    r.dim = DIM;
    r.classes = CLASSES;
    return r;
}

static dkvb_settings few_pairs(void)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;

    s.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    s.train.epochs = 1;
    s.train.batch = 8;
    s.keyinit.codebooks = 40;
    s.keyinit.keys = 6;
    s.keyinit.key_dim = 4;
    s.top_k = TOP_K;
    return s;
}

static void begin_life(struct life *l)
{
    dkvb_settings s = few_pairs();
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_fit_rows r = rows_from(0, BEGUN);

    o.settings = &s;
    o.hold_out = 0.3;
    o.depth = 5;
    o.keep = DKVB_KEPT_FEATURES;
    o.count_classes = 1;
    o.allocator = &l->allocator;
    assert_ok(dkvb_fit(&l->model, &l->set, &r, &o, NULL, &l->run));
}

static dkvb_status plan(struct life *l, dkvb_forget_request *q)
{
    static const uint8_t salt[32] = {9};
    dkvb_run_options run = l->run;

    run.ranks = NULL; /* run options without ranks, as the model knows its ranks */
    q->salt = salt;
    q->force = 1;
    return dkvb_forget_plan(&l->plan, l->model, l->set, q, &run);
}

static dkvb_status plan_class(struct life *l, uint32_t method, uint64_t budget)
{
    const uint8_t classes[CLASSES] = {0, 1};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    q.classes = classes;
    q.method = method;
    q.budget = budget;
    return plan(l, &q);
}

static dkvb_status plan_by_contrast(struct life *l)
{
    return plan_class(l, DKVB_METHOD_CONTRAST, 0);
}

static dkvb_status plan_by_values(struct life *l)
{
    return plan_class(l, DKVB_METHOD_VALUES, 30);
}

/* Plans a forgetting by the model's counts of selected pairs, without a codeset. */
static dkvb_status plan_by_counts(struct life *l)
{
    dkvb_codeset *set = l->set;
    dkvb_status rc;

    l->set = NULL;
    rc = plan_class(l, DKVB_METHOD_CONTRAST, 20);
    l->set = set;
    return rc;
}

static dkvb_status plan_requests(struct life *l)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    q.requests = "class 1\tfirst\nclass 2\n";
    return plan(l, &q);
}

static dkvb_status plan_rows(struct life *l)
{
    static const uint64_t ids[] = {3, 17, 58};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_KEPT;
    q.ids = ids;
    q.id_count = sizeof ids / sizeof *ids;
    return plan(l, &q);
}

static dkvb_status plan_new_keys(struct life *l)
{
    static const uint64_t ids[] = {4, 18, 59};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_PLACED;
    q.ids = ids;
    q.id_count = sizeof ids / sizeof *ids;
    q.features = rows;
    q.feature_rows = BEGUN;
    q.feature_columns = DIM;
    return plan(l, &q);
}

static dkvb_status apply(struct life *l)
{
    dkvb_status rc = dkvb_forget_apply(l->plan, l->model, l->set, &l->entry);

    if (!rc) {
        dkvb_plan_free(l->plan);
        l->plan = NULL;
    }
    return rc;
}

/* Applies a plan to the model without a codeset, as the plan was made without one. */
static dkvb_status apply_alone(struct life *l)
{
    dkvb_codeset *set = l->set;
    dkvb_status rc;

    l->set = NULL;
    rc = apply(l);
    l->set = set;
    return rc;
}

static dkvb_status undo(struct life *l)
{
    return dkvb_model_undo(l->model, 0, NULL);
}

static dkvb_status undo_all(struct life *l)
{
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

    for (uint64_t i = 0; dkvb_journal_get(l->model, i, &entry) == DKVB_OK; i++)
        if (entry.kind == DKVB_JOURNAL_FORGET && entry.state == DKVB_JOURNAL_ACTIVE) {
            dkvb_status rc = dkvb_model_undo(l->model, entry.id, NULL);

            if (rc)
                return rc;
        }
    return DKVB_OK;
}

static dkvb_status purge(struct life *l)
{
    return dkvb_model_purge(l->model);
}

static dkvb_status learn_more(struct life *l, dkvb_codeset *set, uint32_t relearn, size_t first, size_t end)
{
    dkvb_settings s = few_pairs();
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_fit_rows r = rows_from(first, end);

    s.train.relearn = relearn;
    o.settings = &s;
    o.hold_out = 0.2;
    return dkvb_fit_more(l->model, set, &r, &o, NULL, &l->run);
}

static dkvb_status grow(struct life *l)
{
    return learn_more(l, l->set, 0, BEGUN, GROWN);
}

static dkvb_status relearn(struct life *l)
{
    return learn_more(l, NULL, 1, 0, GROWN);
}

typedef dkvb_status (*step_fn)(struct life *l);

static const step_fn masking[] = {plan_by_contrast, apply, undo,          plan_by_values, apply,   plan_by_counts,
                                  apply_alone,      undo,  plan_requests, apply,          relearn, purge};
static const step_fn replaying[] = {plan_requests, apply,          undo_all, grow,   plan_rows,
                                    apply,         plan_by_values, apply,    relearn};
static const step_fn placing[] = {plan_new_keys, apply, plan_by_contrast, apply, purge};

/* Steps that all ranks take; each step is repeated with a fault on one rank, which comes a little later each time. */
struct lives {
    const step_fn *steps;
    size_t count;
    unsigned hindered;
    bool memory; /* true if the rank runs out of memory, false if its progress callback cancels */
    char model[4096], codes[4096];
    unsigned failures[MOST_RANKS];
    dkvb_status last[MOST_RANKS][4096]; /* status of each repetition on each rank */
    unsigned named[MOST_RANKS];         /* number of error messages that name the failed rank */
};

static void live(const dkvb_ranks *ranks, void *context)
{
    struct lives *all = context;
    struct life l = {.run = DKVB_RUN_OPTIONS_INIT};
    bool hindered = ranks->rank == all->hindered;
    unsigned trials = 0;
    char name[32];

    snprintf(name, sizeof name, "rank %u: ", all->hindered);
    l.allocator = failing_allocator(&l.memory, SIZE_MAX);
    l.run.ranks = ranks;
    l.run.threads = 1 + ranks->rank % 2;
    begin_life(&l);
    l.run.progress = cancels;
    l.run.user = &l;
    for (size_t i = 0; i < all->count; i++)
        for (size_t late = 0;; late += 1 + late / 12) {
            dkvb_status rc;

            l.memory.fail_at = hindered && all->memory ? l.memory.calls + late : SIZE_MAX;
            l.told = 0;
            l.cancel_at = hindered && !all->memory ? late + 1 : 0;
            rc = all->steps[i](&l);
            l.memory.fail_at = SIZE_MAX;
            assert_true(trials < sizeof all->last[0] / sizeof *all->last[0]);
            all->last[ranks->rank][trials++] = rc;
            if (!rc)
                break;
            all->failures[ranks->rank]++;
            all->named[ranks->rank] += strncmp(dkvb_last_error(), name, strlen(name)) == 0;
        }
    assert_ok(dkvb_model_save(l.model, all->model));
    if (ranks->rank == 0)
        assert_ok(dkvb_codeset_save(l.set, all->codes));
    dkvb_codeset_free(l.set);
    dkvb_model_free(l.model);
    assert_int_equal(l.memory.live, 0);
}

static void check_lives(const step_fn *steps, size_t count, bool memory)
{
    static const dkvb_ranks alone = DKVB_RANKS_INIT;
    static struct lives one, all;

    one = (struct lives){.steps = steps, .count = count, .hindered = MOST_RANKS};
    snprintf(one.model, sizeof one.model, "%s", temp_path("alone.dkvb"));
    snprintf(one.codes, sizeof one.codes, "%s", temp_path("alone.codes"));
    live(&alone, &one);
    assert_int_equal(one.failures[0], 0);
    for (unsigned ranks = 2; ranks <= 3; ranks++) {
        all = (struct lives){.steps = steps, .count = count, .hindered = ranks - 2, .memory = memory};
        snprintf(all.model, sizeof all.model, "%s", temp_path("shared.dkvb"));
        snprintf(all.codes, sizeof all.codes, "%s", temp_path("shared.codes"));
        ranks_run(ranks, live, &all);
        for (unsigned r = 0; r < ranks; r++) {
            assert_memory_equal(all.last[0], all.last[r], sizeof all.last[0]);
            assert_int_equal(all.named[r], all.failures[r]);
        }
        assert_true(all.failures[0] > count);
        assert_same_file(one.model, all.model);
        assert_same_file(one.codes, all.codes);
    }
}

/* A call that fails on one rank changes nothing on any rank: repeated without the fault, it gives the files of one
 * process. */
static void memory_that_one_rank_lacks_ends_the_call_on_all_and_changes_nothing(void **state)
{
    (void)state;
    check_lives(masking, sizeof masking / sizeof *masking, true);
    check_lives(replaying, sizeof replaying / sizeof *replaying, true);
    check_lives(placing, sizeof placing / sizeof *placing, true);
}

static void a_cancelled_rank_ends_the_call_on_all_and_changes_nothing(void **state)
{
    (void)state;
    check_lives(masking, sizeof masking / sizeof *masking, false);
    check_lives(replaying, sizeof replaying / sizeof *replaying, false);
    check_lives(placing, sizeof placing / sizeof *placing, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suppress),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(memory_that_one_rank_lacks_ends_the_call_on_all_and_changes_nothing),
        cmocka_unit_test(a_cancelled_rank_ends_the_call_on_all_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
