/* Tests of an audit by several ranks, among which the models are divided: the report equals that of one process, each
 * rank trains only its own models, and a failure on one rank is a failure on all. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/report.h"
#include "bottleneck/model.h"
#include "ranks_threads.h"

enum { TRAINED = 400, FORGOTTEN = 2, SHADOWS = 6, MODELS = 3, MOST = 8 };
static const unsigned counts[] = {3, 2, 8}; /* numbers of ranks to test; only the first one if emulated() */
enum { COUNTS = sizeof counts / sizeof *counts };
static const uint8_t classes[CLASSES] = {[FORGOTTEN] = DKVB_FORGET};
static const uint64_t some_rows[] = {3, 17, 18, 40, 41, 90, 200, 201, 202, 399};
static char before_path[256], model_path[256], set_path[256];

/* On an emulated processor each kind of audit takes a minute, so fewer kinds are tested there: how ranks divide an
 * audit does not depend on the processor. */
static bool emulated(void)
{
    return getenv("DKVB_EMULATED") != NULL;
}

/* Options of an audit that all ranks make together, and its results on each rank. */
struct call {
    bool by_rows, with_before, with_set; /* which kind of audit is made */
    bool shared;                         /* true if the model's values are divided among the ranks */
    bool ranks_in_run;
    uint32_t shadows, models;
    unsigned odd_rank; /* number of the rank with another seed, row, model or failing memory; MOST = none */
    bool odd_seed, odd_row, odd_model;
    size_t fail_at; /* number of the allocation that fails on rank odd_rank during the call; 0 = none */
    size_t stop_at; /* number of the progress report on rank odd_rank that stops the call; 0 = none */
    dkvb_status rc[MOST];
    dkvb_audit_report *report[MOST];
    char message[MOST][512];
    uint64_t shadows_of[MOST], models_of[MOST]; /* total in the progress of the stages of shadow models and of KLoM */
    long leaked[MOST];
};

struct rank {
    struct call *call;
    unsigned number;
    char stage[16];
    size_t reports;
};

static int on_stage(void *user, const char *stage)
{
    snprintf(((struct rank *)user)->stage, sizeof((struct rank *)user)->stage, "%s", stage);
    return 0;
}

static int on_progress(void *user, uint64_t done, uint64_t total)
{
    struct rank *me = user;

    assert_true(done <= total && total > 0);
    if (strcmp(me->stage, "shadows") == 0)
        me->call->shadows_of[me->number] = total;
    if (strcmp(me->stage, "models") == 0)
        me->call->models_of[me->number] = total;
    me->reports++;
    return me->call->stop_at > 0 && me->number == me->call->odd_rank && me->reports >= me->call->stop_at;
}

static void audit(const dkvb_ranks *ranks, void *context)
{
    struct call *call = context;
    struct rank me = {.call = call, .number = ranks->rank};
    bool odd = ranks->rank == call->odd_rank;
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
    dkvb_model_options loading = DKVB_MODEL_OPTIONS_INIT;
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = DKVB_AUDIT_OPTIONS_INIT;
    dkvb_audit_rows given = DKVB_AUDIT_ROWS_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_train_options recipe = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *before = NULL, *model;
    dkvb_codeset *set = NULL;
    float *x = malloc(sizeof hard);
    long live;

    assert_non_null(x);
    memcpy(x, hard, sizeof hard);
    for (size_t r = 70; r < ROWS; r += 211) /* makes some rows far too long, so that several ranks count them */
        x[r * DIM] *= 1000.0f;
    if (odd && call->odd_row)
        x[5]++;
    loading.allocator = &a;
    loading.ranks = call->shared ? ranks : NULL;
    assert_ok(dkvb_model_load(&model, odd && call->odd_model ? before_path : model_path, &loading));
    if (call->with_before)
        assert_ok(dkvb_model_load(&before, before_path, &loading));
    if (call->with_set) {
        assert_ok(dkvb_codeset_load(&set, set_path, NULL, NULL));
        for (uint32_t part = DKVB_PART_TRAINING; part <= DKVB_PART_HELD_OUT; part++)
            assert_ok(dkvb_codeset_search(set, model->codebooks, part, NULL));
    }
    if (call->by_rows) {
        request.rows = some_rows;
        request.row_count = sizeof some_rows / sizeof *some_rows;
    } else {
        request.classes = classes;
    }
    given.x = x;
    given.labels = labels;
    given.n = TRAINED;
    given.test_x = x + (size_t)TRAINED * DIM;
    given.test_labels = labels + TRAINED;
    given.test_n = call->by_rows ? 5 : ROWS - TRAINED; /* fewer test rows than there are ranks */
    recipe.epochs = 2;
    o.before = before;
    o.codeset = set;
    o.train = set ? NULL : &recipe;
    o.shadows = call->shadows;
    o.rmia_models = call->shadows ? 2 : 0;
    o.models = call->models;
    o.seed = odd && call->odd_seed ? 2 : 1;
    o.stage = on_stage;
    o.user = run.user = &me;
    run.progress = on_progress;
    run.threads = 1;
    run.ranks = call->ranks_in_run ? ranks : NULL;
    live = mem.live;
    if (odd && call->fail_at)
        mem.fail_at = mem.calls + call->fail_at - 1;
    call->rc[ranks->rank] = dkvb_audit_run(&call->report[ranks->rank], model, &request, &given, &o, &run);
    snprintf(call->message[ranks->rank], sizeof *call->message, "%s", call->rc[ranks->rank] ? dkvb_last_error() : "");
    call->leaked[ranks->rank] = call->rc[ranks->rank] ? mem.live - live : 0;
    if (call->report[ranks->rank]) { /* the report must be freed before its allocator */
        const struct dkvb__audit_report *whole = (const struct dkvb__audit_report *)call->report[ranks->rank];
        struct dkvb__audit_report *copy = malloc(sizeof *copy);

        assert_non_null(copy);
        *copy = *whole;
        dkvb_audit_report_free(call->report[ranks->rank]);
        call->report[ranks->rank] = &copy->seen;
    }
    dkvb_codeset_free(set);
    dkvb_model_free(before);
    dkvb_model_free(model);
    free(x);
}

static void free_reports(struct call *call)
{
    for (size_t r = 0; r < MOST; r++)
        free(call->report[r]);
    memset(call->report, 0, sizeof call->report);
}

/* Asserts that two audit reports have the same numbers; addresses are not compared. */
static void assert_same_report(const dkvb_audit_report *a, const dkvb_audit_report *b)
{
    const struct dkvb__audit_report *x = (const struct dkvb__audit_report *)a;
    const struct dkvb__audit_report *y = (const struct dkvb__audit_report *)b;

    assert_memory_equal(&x->outside, &y->outside, sizeof x->outside);
    assert_memory_equal(&x->test_outside, &y->test_outside, sizeof x->test_outside);
    assert_memory_equal(x->there, y->there, sizeof x->there);
    assert_int_equal(a->class_count, b->class_count);
    assert_int_equal(a->members, b->members);
    assert_int_equal(a->others, b->others);
    assert_int_equal(a->rest, b->rest);
    assert_int_equal(a->retained, b->retained);
    assert_int_equal(a->planned, b->planned);
    for (size_t s = 0; s < DKVB_AUDIT_SUBJECTS; s++)
        for (size_t f = 0; f < DKVB_AUDIT_FIGURES; f++) {
            const dkvb_audit_figure *p = &x->figure[s][f], *q = &y->figure[s][f];

            assert_int_equal(p->measured, q->measured);
            assert_string_equal(p->verdict, q->verdict);
            assert_memory_equal(&p->value, &q->value, sizeof *p - offsetof(dkvb_audit_figure, value));
        }
}

static struct call new_call(void)
{
    return (struct call){.with_before = true,
                         .with_set = true,
                         .ranks_in_run = true,
                         .shadows = SHADOWS,
                         .models = MODELS,
                         .odd_rank = MOST};
}

/* Makes the audit on `count` ranks, which must all end with the same status, and returns this status. */
static dkvb_status audit_on(unsigned count, struct call *call)
{
    ranks_run(count, audit, call);
    for (unsigned r = 0; r < count; r++) {
        assert_int_equal(call->rc[r], call->rc[0]);
        assert_int_equal(call->report[r] != NULL, call->rc[r] == DKVB_OK);
        assert_int_equal(call->leaked[r], 0);
        if (call->report[r])
            assert_same_report(call->report[r], call->report[0]);
    }
    return call->rc[0];
}

static int setup(void **state)
{
    uint8_t marks[CLASSES];
    dkvb_forget_request q;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    snprintf(before_path, sizeof before_path, "%s", temp_path("before.dkvb"));
    snprintf(model_path, sizeof model_path, "%s", temp_path("model.dkvb"));
    snprintf(set_path, sizeof set_path, "%s", temp_path("model.codes"));
    if (plan_setup(state))
        return 1;
    plan_fit(&model, &set, false, hard, labels, NULL, TRAINED);
    assert_ok(dkvb_model_save(model, before_path));
    assert_ok(dkvb_codeset_save(set, set_path));
    q = request_for(marks, FORGOTTEN);
    q.force = 1;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, NULL, NULL));
    assert_ok(dkvb_model_save(model, model_path));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    return 0;
}

static void the_report_is_the_same_for_any_number_of_ranks(void **state)
{
    int kinds = emulated() ? 1 : 3; /* kinds: with a codeset; with training options; with rows of many classes */

    (void)state;
    for (int kind = 0; kind < kinds; kind++) {
        struct call alone = new_call();

        alone.with_set = kind == 0;
        alone.with_before = kind < 2;
        alone.by_rows = kind == 2;
        assert_ok(audit_on(1, &alone));
        assert_true(((struct dkvb__audit_report *)alone.report[0])->outside.searched == TRAINED || kind > 0);
        for (size_t i = 0; i < (emulated() ? 1 : COUNTS); i++) {
            struct call call = new_call();

            call.with_set = alone.with_set;
            call.with_before = alone.with_before;
            call.by_rows = alone.by_rows;
            assert_ok(audit_on(counts[i], &call));
            assert_same_report(call.report[0], alone.report[0]);
            free_reports(&call);
        }
        free_reports(&alone);
    }
}

static void each_rank_trains_its_share_of_the_models_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < (emulated() ? 1 : COUNTS); i++) {
        struct call call = new_call();
        uint64_t shadows = 0, models = 0;

        assert_ok(audit_on(counts[i], &call));
        for (unsigned r = 0; r < counts[i]; r++) {
            assert_true(call.shadows_of[r] <= (SHADOWS + counts[i] - 1) / counts[i]);
            shadows += call.shadows_of[r];
            models += call.models_of[r];
        }
        assert_int_equal(shadows, SHADOWS);
        assert_int_equal(models, 3 * MODELS);
        free_reports(&call);
    }
}

static void ranks_that_audit_something_else_are_told_before_work_starts(void **state)
{
    struct call call = new_call();

    (void)state;
    call.odd_rank = 1;
    call.odd_seed = true;
    assert_int_equal(audit_on(3, &call), DKVB_EMISMATCH);
    assert_non_null(strstr(call.message[2], "rank 1: the options of the audit differ from those of rank 0"));
    call.odd_seed = false;
    call.odd_row = true;
    assert_int_equal(audit_on(3, &call), DKVB_EMISMATCH);
    assert_non_null(strstr(call.message[0], "rank 1: the training rows differ"));
    call.odd_row = false;
    call.odd_model = true;
    assert_int_equal(audit_on(3, &call), DKVB_EMISMATCH);
    assert_non_null(strstr(call.message[1], "rank 1: the models differ"));
    assert_int_equal(call.shadows_of[0] + call.shadows_of[1] + call.shadows_of[2], 0);
}

static void an_audit_that_one_rank_stops_ends_on_all(void **state)
{
    (void)state;
    for (unsigned odd = 0; odd < 3; odd += 2) {
        size_t stop_at = 1;
        dkvb_status rc = DKVB_ECANCELLED;

        for (; rc == DKVB_ECANCELLED; stop_at *= 2) {
            struct call call = new_call();

            call.odd_rank = odd;
            call.stop_at = stop_at;
            rc = audit_on(3, &call);
            assert_true(rc == DKVB_OK || rc == DKVB_ECANCELLED);
            assert_true(rc == DKVB_OK || strstr(call.message[(odd + 1) % 3], "cancelled"));
            free_reports(&call);
        }
        assert_true(stop_at > 10);
    }
}

static void memory_that_one_rank_lacks_ends_the_audit_on_all(void **state)
{
    (void)state;
    for (unsigned odd = 0; odd < 2; odd++) {
        size_t fail_at = 1;
        dkvb_status rc = DKVB_ENOMEM;

        for (; rc == DKVB_ENOMEM; fail_at += 1 + fail_at * (emulated() ? 2 : 1) / 2) {
            struct call call = new_call();

            call.odd_rank = odd;
            call.fail_at = fail_at;
            rc = audit_on(2, &call);
            assert_true(rc == DKVB_OK || rc == DKVB_ENOMEM);
            free_reports(&call);
        }
        assert_true(fail_at > 50);
    }
}

static void a_group_that_breaks_ends_the_audit_on_every_rank(void **state)
{
    struct ranks_trial trial = {0};
    struct call call = new_call();
    unsigned calls;

    (void)state;
    ranks_try(3, audit, &call, &trial);
    assert_ok(call.rc[0]);
    free_reports(&call);
    calls = trial.calls;
    for (unsigned at = 1; at <= calls; at += 1 + at * (emulated() ? 6 : 1) / 2) {
        for (unsigned rank = 0; rank < 3; rank++) {
            call = new_call();
            trial.fail_rank = rank;
            trial.fail_call = at;
            ranks_try(3, audit, &call, &trial);
            for (unsigned r = 0; r < 3; r++) {
                assert_int_equal(call.rc[r], DKVB_EIO);
                assert_null(call.report[r]);
                assert_int_equal(call.leaked[r], 0);
            }
        }
    }
}

static void models_of_shared_values_are_not_dealt_out_but_trained_together(void **state)
{
    struct call alone = new_call(), call = new_call();

    (void)state;
    alone.models = call.models = 2;
    call.shared = true;
    assert_int_equal(audit_on(2, &call), DKVB_EINVAL);
    assert_non_null(strstr(call.message[0], "ranks share the values of the model"));
    assert_ok(audit_on(1, &alone));
    call.ranks_in_run = false;
    for (unsigned count = 2; count <= 3; count++) {
        assert_ok(audit_on(count, &call));
        assert_same_report(call.report[0], alone.report[0]);
        assert_int_equal(call.shadows_of[1], SHADOWS);
        free_reports(&call);
    }
    free_reports(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_is_the_same_for_any_number_of_ranks),
        cmocka_unit_test(each_rank_trains_its_share_of_the_models_only),
        cmocka_unit_test(ranks_that_audit_something_else_are_told_before_work_starts),
        cmocka_unit_test(an_audit_that_one_rank_stops_ends_on_all),
        cmocka_unit_test(memory_that_one_rank_lacks_ends_the_audit_on_all),
        cmocka_unit_test(a_group_that_breaks_ends_the_audit_on_every_rank),
        cmocka_unit_test(models_of_shared_values_are_not_dealt_out_but_trained_together),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
