/* KLoM: models of other seeds are treated like the audited model, and compared with retrained models row by row. */
#include "plan_fixture.h"

#include <math.h>
#include <string.h>

#include "audit/klom.h"
#include "audit/margins.h"
#include "bottleneck/model.h"

/* The first TRAINED rows are trained on, or held out by the codeset; all other rows are test rows. The classes overlap,
 * so that the number of pairs to mask differs from model to model. */
enum { TRAINED = 400, FORGOTTEN = 2, OTHER = 1, MODELS = 3, GROUPS = 4, K = 2 };

static dkvb_model *before;
static dkvb_codeset *set;
static dkvb_train_options recipe;
/* training labels of all rows, and without those of the forgotten class */
static int32_t taught[TRAINED], retained[TRAINED];
static uint16_t codes[ROWS * 16 * K];
static size_t group[GROUPS][ROWS], count[GROUPS];

static int setup(void **state)
{
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;

    if (plan_setup(state))
        return 1;
    plan_fit(&before, &set, false, hard, labels, NULL, TRAINED);
    assert_ok(dkvb_codeset_get_session(set, 0, &session, NULL));
    recipe = session.training;
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &part));
    for (size_t r = 0; r < TRAINED; r++)
        taught[r] = -1;
    for (size_t i = 0; i < part.n; i++)
        taught[part.ids[i]] = part.labels[i];
    for (size_t r = 0; r < TRAINED; r++)
        retained[r] = taught[r] == FORGOTTEN ? -1 : taught[r];
    assert_ok(dkvb_search(before->codebooks, NULL, hard, ROWS, K, codes, NULL, NULL));
    for (size_t r = 0; r < ROWS; r++) {
        size_t g = r >= TRAINED ? 2 + (labels[r] != FORGOTTEN) : labels[r] != FORGOTTEN;

        if (r >= TRAINED || taught[r] >= 0)
            group[g][count[g]++] = r;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkvb_model_free(before);
    dkvb_codeset_free(set);
    return 0;
}

static dkvb_model *trained(const int32_t *of, uint64_t seed)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = recipe;
    dkvb_model *made;

    o.top_k = K;
    train.seed = seed;
    assert_ok(dkvb_model_new(&made, before->codebooks, CLASSES, &o));
    assert_ok(dkvb_model_set_values(made, NULL, before->values_dtype));
    assert_ok(dkvb_model_train(made, codes, K, of, TRAINED, &train, NULL));
    return made;
}

/* Trains a model equal to the one before the forgetting. (The functions below return models that forgot the class, by a
 * plan or by given pairs without terms.) */
static dkvb_model *copy_of_before(void)
{
    dkvb_model *made;
    const char *path = temp_path("before");

    assert_ok(dkvb_model_save(before, path));
    assert_ok(dkvb_model_load(&made, path, NULL));
    return made;
}

static void forget_by_plan(dkvb_model *model)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, FORGOTTEN);
    dkvb_plan *plan;

    q.force = 1;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, NULL, NULL));
    dkvb_plan_free(plan);
}

/* Computes the margins of all rows, group by group, under a model's mask, by a plain search of every row. */
static void margins_of(const dkvb_model *model, const uint8_t *dropped, float *to)
{
    static uint16_t under[ROWS * 16 * K], of_group[ROWS * 16 * K];
    static float logits[ROWS * CLASSES];
    int32_t y[ROWS];
    double margins[ROWS];
    dkvb_mask *mask;

    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    assert_ok(dkvb_search(model->codebooks, mask, hard, ROWS, K, under, NULL, NULL));
    dkvb_mask_free(mask);
    for (size_t g = 0; g < GROUPS; g++) {
        const struct dkvb__answers answers = {logits, y, count[g], CLASSES, dropped};

        for (size_t i = 0; i < count[g]; i++) {
            memcpy(of_group + i * 16 * K, under + group[g][i] * 16 * K, sizeof(uint16_t) * 16 * K);
            y[i] = labels[group[g][i]];
        }
        assert_ok(dkvb_model_decode(model, of_group, K, count[g], NULL, logits, NULL));
        assert_ok(dkvb__audit_margins(&answers, margins));
        for (size_t i = 0; i < count[g]; i++)
            *to++ = (float)margins[i];
    }
}

enum { UNLEARNED, BEFORE, DROPPED, RETRAINED, AGAIN, ENSEMBLES };

static float kept[ENSEMBLES][MODELS * ROWS];
static size_t all;

/* Makes the ensembles of KLoM, whose models forget by the function `way`, or exactly if `way` is NULL. */
static void make_ensembles(void (*way)(dkvb_model *))
{
    static const uint8_t dropped[CLASSES] = {[FORGOTTEN] = 1};

    all = count[0] + count[1] + count[2] + count[3];
    for (size_t m = 0; m < MODELS; m++) {
        dkvb_model *full = trained(taught, recipe.seed + 1 + m), *exact = trained(retained, recipe.seed + 1 + m);
        dkvb_model *again = trained(retained, recipe.seed + 1 + MODELS + m);
        dkvb_model *other = trained(retained, recipe.seed + 1 + 2 * MODELS + m);

        margins_of(full, NULL, kept[BEFORE] + m * all);
        margins_of(full, dropped, kept[DROPPED] + m * all);
        if (way)
            way(full);
        margins_of(way ? full : exact, NULL, kept[UNLEARNED] + m * all);
        margins_of(again, NULL, kept[RETRAINED] + m * all);
        margins_of(other, NULL, kept[AGAIN] + m * all);
        dkvb_model_free(full);
        dkvb_model_free(exact);
        dkvb_model_free(again);
        dkvb_model_free(other);
    }
}

static void assert_klom(const dkvb_audit_report *r, uint32_t who, size_t ensemble)
{
    static double klom[ROWS], floor[ROWS];
    size_t first = 0;

    dkvb__audit_klom(kept[ensemble], kept[RETRAINED], MODELS, all, klom);
    dkvb__audit_klom(kept[AGAIN], kept[RETRAINED], MODELS, all, floor);
    for (uint32_t g = 0; g < GROUPS; g++) {
        const dkvb_audit_figure *f = dkvb_audit_get_figure(r, who, DKVB_AUDIT_KLOM_FORGOTTEN + g);
        dkvb_audit_estimate mean;
        double above = 0;

        dkvb__audit_mean(klom + first, count[g], &mean);
        for (size_t i = first; i < first + count[g]; i++)
            above += (klom[i] - floor[i]) / (double)count[g];
        assert_int_equal(f->measured, 1);
        assert_true(fabs(f->value.value - mean.value) < 1e-9 && fabs(f->value.high - mean.high) < 1e-9);
        assert_true(fabs(f->difference.value - above) < 1e-9);
        /* so few models prove no difference, however many rows there are */
        assert_string_equal(f->verdict, "as retrained");
        assert_true(f->median.low <= f->median.value && f->median.value <= f->p95.value);
        assert_true(isnan(f->privleak.value) && isnan(f->tpr_1.value));
        first += count[g];
    }
}

static dkvb_audit_rows all_rows(void)
{
    dkvb_audit_rows given = DKVB_AUDIT_ROWS_INIT;

    given.x = hard;
    given.labels = labels;
    given.n = TRAINED;
    given.test_x = hard + (size_t)TRAINED * DIM;
    given.test_labels = labels + TRAINED;
    given.test_n = ROWS - TRAINED;
    return given;
}

static dkvb_audit_options options_of(const dkvb_codeset *codeset)
{
    dkvb_audit_options o = DKVB_AUDIT_OPTIONS_INIT;

    o.before = before;
    o.codeset = codeset;
    o.shadows = o.rmia_models = 0;
    o.models = MODELS;
    return o;
}

static dkvb_audit_report *audit(const dkvb_model *model, const dkvb_audit_options *o, const dkvb_run_options *run)
{
    static const uint8_t classes[CLASSES] = {[FORGOTTEN] = DKVB_FORGET};
    const dkvb_audit_rows given = all_rows();
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_report *report;

    request.classes = classes;
    assert_ok(dkvb_audit_run(&report, model, &request, &given, o, run));
    assert_int_equal(report->models, MODELS);
    return report;
}

static void requests_are_planned_anew_on_every_model(void **state)
{
    const dkvb_audit_options o = options_of(set);
    dkvb_model *model = copy_of_before();
    dkvb_audit_report *r;

    (void)state;
    forget_by_plan(model);
    r = audit(model, &o, NULL);
    assert_int_equal(r->planned, MODELS);
    make_ensembles(forget_by_plan);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    assert_klom(r, DKVB_AUDIT_BEFORE, BEFORE);
    assert_klom(r, DKVB_AUDIT_DROPPED, DROPPED);
    assert_klom(r, DKVB_AUDIT_REPLAY, AGAIN);
    assert_klom(r, DKVB_AUDIT_RETRAINED, AGAIN);
    dkvb_audit_report_free(r);
    dkvb_model_free(model);
}

static dkvb_mask *pairs; /* pairs to mask in a forgetting without terms */

static void forget_by_pairs(dkvb_model *model)
{
    assert_ok(dkvb_model_forget(model, pairs, NULL, NULL));
}

/* Masks the pairs that a plan would mask, but by a forgetting without terms. */
static void give_planned_pairs(void)
{
    dkvb_model *planned = copy_of_before();

    forget_by_plan(planned);
    assert_ok(dkvb_journal_get_mask(planned, 0, &pairs));
    dkvb_model_free(planned);
}

/* Asserts that in every unlearned model of KLoM exactly the given pairs are masked, and that none was planned anew. */
static void assert_given_pairs_are_masked(const dkvb_model *model)
{
    const dkvb_audit_options o = options_of(set);
    dkvb_audit_report *r = audit(model, &o, NULL);

    assert_int_equal(r->planned, 0);
    make_ensembles(forget_by_pairs);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    dkvb_audit_report_free(r);
}

static void pairs_without_terms_are_masked_as_they_are(void **state)
{
    dkvb_model *model = copy_of_before();

    (void)state;
    give_planned_pairs();
    forget_by_pairs(model);
    assert_given_pairs_are_masked(model);
    dkvb_mask_free(pairs);
    dkvb_model_free(model);
}

static void forget_as(dkvb_model *model, const dkvb_mask *mask, uint64_t again)
{
    uint8_t classes[CLASSES] = {[FORGOTTEN] = DKVB_FORGET};
    dkvb_forget_options terms = DKVB_FORGET_OPTIONS_INIT;

    terms.classes = classes;
    terms.again = again;
    assert_ok(dkvb_model_forget(model, mask, &terms, NULL));
}

/* A forgetting that repeats an earlier one cannot be planned anew if the earlier one masked given pairs. */
static void pairs_that_were_forgotten_once_more_are_masked_too(void **state)
{
    dkvb_model *model = copy_of_before();
    dkvb_mask *first;

    (void)state;
    give_planned_pairs();
    assert_ok(dkvb_mask_new(&first, model->codebooks));
    for (uint32_t i = 0; i < 4; i++)
        assert_ok(dkvb_mask_set(first, i, 0, 1));
    forget_as(model, first, 0);
    forget_as(model, pairs, 1);
    dkvb_mask_free(pairs);
    assert_ok(dkvb_journal_get_mask(model, 0, &pairs)); /* the pairs of both journal entries */
    assert_given_pairs_are_masked(model);
    dkvb_mask_free(first);
    dkvb_mask_free(pairs);
    dkvb_model_free(model);
}

/* An audit of a model without a forget operation counts no model as planned anew. */
static void a_model_without_a_request_counts_as_not_planned(void **state)
{
    dkvb_audit_options o = options_of(set);
    dkvb_audit_report *r = audit(before, &o, NULL);

    (void)state;
    assert_int_equal(r->planned, 0);
    dkvb_audit_report_free(r);
}

/* A purge removes the journal's lists of pairs, but KLoM still knows the purged pairs and masks them. */
static void purged_pairs_are_masked_all_the_same(void **state)
{
    dkvb_model *model = copy_of_before();

    (void)state;
    give_planned_pairs();
    forget_by_pairs(model);
    assert_ok(dkvb_model_purge(model));
    assert_given_pairs_are_masked(model);
    dkvb_mask_free(pairs);
    dkvb_model_free(model);
}

/* If the audited values were trained again without rows, KLoM trains every model again so, with other seeds. */
static void exact_is_a_replay_of_other_seeds(void **state)
{
    dkvb_audit_options o = options_of(set);
    dkvb_forget_options terms = DKVB_FORGET_OPTIONS_INIT;
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    dkvb_model *model = copy_of_before();
    uint64_t ids[TRAINED];
    size_t gone = 0;
    dkvb_audit_report *r;

    (void)state;
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &part));
    for (size_t i = 0; i < part.n; i++)
        if (part.labels[i] == FORGOTTEN)
            ids[gone++] = part.ids[i];
    terms.rows = ids;
    terms.row_count = gone;
    assert_ok(dkvb_model_replay(model, set, ids, gone, &terms, NULL, NULL));
    r = audit(model, &o, NULL);
    make_ensembles(NULL);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    assert_klom(r, DKVB_AUDIT_BEFORE, BEFORE);
    dkvb_audit_report_free(r);
    o.before = NULL; /* without a model before, no model is trained on all rows */
    r = audit(model, &o, NULL);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_BEFORE, DKVB_AUDIT_KLOM_FORGOTTEN));
    dkvb_audit_report_free(r);
    dkvb_model_free(model);
}

/* Makes a model that was trained again without a class by a plan, and the codeset that remains. */
static dkvb_model *without_other(dkvb_codeset **left)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, OTHER);
    dkvb_model *made = copy_of_before();
    dkvb_plan *plan;

    q.strength = DKVB_STRENGTH_EXACT;
    q.force = 1;
    *left = copy_of(set);
    assert_ok(dkvb_forget_plan(&plan, made, *left, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, made, *left, NULL));
    dkvb_plan_free(plan);
    return made;
}

/* While `left_codes` is set, rows of class OTHER have no label, are in no group, and plans do not see them. */
static dkvb_codeset *left_codes;

/* Forgets by a plan of the method "contrast", whose choice depends on the rows of all other classes. */
static void plan_on_what_is_left(dkvb_model *model)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, FORGOTTEN);
    dkvb_plan *plan;

    q.method = DKVB_METHOD_CONTRAST;
    q.budget = 40;
    q.force = 1;
    assert_ok(dkvb_forget_plan(&plan, model, left_codes, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, NULL, NULL));
    dkvb_plan_free(plan);
}

static void do_nothing(dkvb_model *model)
{
    (void)model;
}

/* Removes class OTHER from the data of this test's ensembles, or restores it. */
static void hide_other(bool hide)
{
    static int32_t whole[2][TRAINED];
    static size_t rows_of[ROWS], rows_before;

    if (!hide) {
        memcpy(taught, whole[0], sizeof taught);
        memcpy(retained, whole[1], sizeof retained);
        memcpy(group[1], rows_of, sizeof rows_of);
        count[1] = rows_before;
        return;
    }
    memcpy(whole[0], taught, sizeof taught);
    memcpy(whole[1], retained, sizeof retained);
    memcpy(rows_of, group[1], sizeof rows_of);
    rows_before = count[1];
    count[1] = 0;
    for (size_t r = 0; r < TRAINED; r++)
        if (labels[r] == OTHER)
            taught[r] = retained[r] = -1;
        else if (retained[r] >= 0)
            group[1][count[1]++] = r;
}

/* If training again left out only other rows, every model has learned the forgotten rows. */
static void a_replay_without_others_does_not_pass_for_one_without_the_forgotten(void **state)
{
    const dkvb_audit_options o = options_of(set);
    dkvb_model *model = without_other(&left_codes);
    dkvb_audit_report *r = audit(model, &o, NULL);

    (void)state;
    hide_other(true);
    make_ensembles(do_nothing);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    assert_klom(r, DKVB_AUDIT_RETRAINED, AGAIN);
    assert_true(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_KLOM_FORGOTTEN)->value.value >
                dkvb_audit_get_figure(r, DKVB_AUDIT_RETRAINED, DKVB_AUDIT_KLOM_FORGOTTEN)->value.value);

    /* The model before the forgetting learned class OTHER too; the models that it is compared with did not. */
    for (size_t m = 0; m < MODELS; m++) {
        dkvb_model *full;

        hide_other(false);
        full = trained(taught, recipe.seed + 1 + m);
        hide_other(true);
        margins_of(full, NULL, kept[BEFORE] + m * all);
        dkvb_model_free(full);
    }
    assert_klom(r, DKVB_AUDIT_BEFORE, BEFORE);
    hide_other(false);
    dkvb_audit_report_free(r);
    dkvb_model_free(model);
    dkvb_codeset_free(left_codes);
}

/* The model was first trained again without class OTHER, then masked, so KLoM plans its masks on rows without class
 * OTHER. */
static void what_is_masked_after_a_replay_is_planned_on_what_it_left(void **state)
{
    dkvb_audit_options o = options_of(set);
    dkvb_model *model = without_other(&left_codes);
    dkvb_audit_report *r;

    (void)state;
    plan_on_what_is_left(model);
    o.before = NULL;
    r = audit(model, &o, NULL);
    hide_other(true);
    make_ensembles(plan_on_what_is_left);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    hide_other(false);
    assert_int_equal(r->planned, MODELS);
    dkvb_audit_report_free(r);
    dkvb_model_free(model);
    dkvb_codeset_free(left_codes);
}

/* A model from before the masking may itself have been trained again without the forgotten rows, and then has not
 * learned them. */
static void the_model_before_may_have_been_trained_again_too(void **state)
{
    dkvb_audit_options o = options_of(set);
    dkvb_model *earlier = without_other(&left_codes), *model;
    dkvb_audit_report *r;
    const char *path = temp_path("earlier");

    (void)state;
    assert_ok(dkvb_model_save(earlier, path));
    assert_ok(dkvb_model_load(&model, path, NULL));
    plan_on_what_is_left(model);
    o.before = earlier;
    r = audit(model, &o, NULL);
    hide_other(true);
    make_ensembles(plan_on_what_is_left);
    assert_klom(r, DKVB_AUDIT_MODEL, UNLEARNED);
    assert_klom(r, DKVB_AUDIT_BEFORE, BEFORE);
    hide_other(false);
    dkvb_audit_report_free(r);
    dkvb_model_free(model);
    dkvb_model_free(earlier);
    dkvb_codeset_free(left_codes);
}

/* If the journal does not say which rows were left out, KLoM cannot train other models without them, and is refused. */
static void klom_after_a_replay_without_unnamed_rows_is_refused(void **state)
{
    static const uint8_t classes[CLASSES] = {[FORGOTTEN] = DKVB_FORGET};
    const dkvb_audit_rows given = all_rows();
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = options_of(set);
    dkvb_model *model = copy_of_before();
    dkvb_audit_report *report;
    uint64_t some[2] = {0, 1};

    (void)state;
    request.classes = classes;
    assert_ok(dkvb_model_replay(model, set, some, 2, NULL, NULL, NULL));
    assert_int_equal(dkvb_audit_run(&report, model, &request, &given, &o, NULL), DKVB_EINVAL);
    assert_non_null(strstr(dkvb_last_error(), "journal entry 1 of the model trained values again without rows that "
                                              "cannot be told"));
    assert_null(report);
    o.before = model; /* the model before the forgetting is refused alike */
    assert_int_equal(dkvb_audit_run(&report, before, &request, &given, &o, NULL), DKVB_EINVAL);
    assert_non_null(strstr(dkvb_last_error(), "journal entry 1 of the model before trained"));
    o.models = 0;
    assert_ok(dkvb_audit_run(&report, model, &request, &given, &o, NULL));
    dkvb_audit_report_free(report);
    /* a training without rows that was ended by relearning leaves out no rows */
    assert_ok(dkvb_model_relearn(model, 1, NULL, NULL));
    o = options_of(set);
    assert_ok(dkvb_audit_run(&report, model, &request, &given, &o, NULL));
    dkvb_audit_report_free(report);
    dkvb_model_free(model);
}

static void klom_does_not_depend_on_threads(void **state)
{
    const dkvb_audit_options o = options_of(set);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_model *model = copy_of_before();
    dkvb_audit_report *one, *three;

    (void)state;
    forget_by_plan(model);
    run.threads = 1;
    one = audit(model, &o, &run);
    run.threads = 3;
    three = audit(model, &o, &run);
    for (uint32_t f = DKVB_AUDIT_KLOM_FORGOTTEN; f <= DKVB_AUDIT_KLOM_REST; f++) {
        const dkvb_audit_figure *x = dkvb_audit_get_figure(one, DKVB_AUDIT_MODEL, f);
        const dkvb_audit_figure *y = dkvb_audit_get_figure(three, DKVB_AUDIT_MODEL, f);

        assert_memory_equal(&x->value, &y->value, sizeof x->value);
        assert_memory_equal(&x->p95, &y->p95, sizeof x->p95);
        assert_string_equal(x->verdict, y->verdict);
    }
    dkvb_audit_report_free(one);
    dkvb_audit_report_free(three);
    dkvb_model_free(model);
}

struct watch {
    bool models; /* true once the stage of training models has begun */
    size_t left; /* number of reports of the stage until the callback cancels */
};

static int note_stage(void *user, const char *stage)
{
    struct watch *w = user;

    w->models = strcmp(stage, "models") == 0;
    return 0;
}

static int count_down(void *user, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_true(done <= total);
    return w->models && w->left-- == 0;
}

static void models_can_be_stopped_and_each_allocation_may_fail(void **state)
{
    const dkvb_audit_rows given = all_rows();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_model *model = without_other(&left_codes);
    const char *path = temp_path("forgot");

    (void)state;
    plan_on_what_is_left(model);
    dkvb_codeset_free(left_codes);
    assert_ok(dkvb_model_save(model, path));
    dkvb_model_free(model);
    run.threads = 1;
    for (int stopping = 0; stopping < 2; stopping++)
        for (size_t at = 0;; at += 1 + at / 8) {
            struct watch w = {.left = at};
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
            dkvb_audit_options o = options_of(set);
            dkvb_model_options loading = DKVB_MODEL_OPTIONS_INIT;
            dkvb_audit_report *report;
            dkvb_status rc;
            long live;

            o.models = 2;
            o.stage = note_stage;
            o.user = run.user = &w;
            run.progress = stopping ? count_down : NULL;
            loading.allocator = &a;
            assert_ok(dkvb_model_load(&model, path, &loading));
            live = mem.live;
            if (!stopping)
                mem.fail_at = mem.calls + at;
            rc = dkvb_audit_run(&report, model, NULL, &given, &o, &run);
            dkvb_audit_report_free(report);
            assert_int_equal(mem.live, live);
            dkvb_model_free(model);
            if (rc == DKVB_OK) {
                assert_true(at > 10);
                break;
            }
            assert_int_equal(rc, stopping ? DKVB_ECANCELLED : DKVB_ENOMEM);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_planned_anew_on_every_model),
        cmocka_unit_test(pairs_without_terms_are_masked_as_they_are),
        cmocka_unit_test(pairs_that_were_forgotten_once_more_are_masked_too),
        cmocka_unit_test(a_model_without_a_request_counts_as_not_planned),
        cmocka_unit_test(purged_pairs_are_masked_all_the_same),
        cmocka_unit_test(exact_is_a_replay_of_other_seeds),
        cmocka_unit_test(a_replay_without_others_does_not_pass_for_one_without_the_forgotten),
        cmocka_unit_test(what_is_masked_after_a_replay_is_planned_on_what_it_left),
        cmocka_unit_test(the_model_before_may_have_been_trained_again_too),
        cmocka_unit_test(klom_after_a_replay_without_unnamed_rows_is_refused),
        cmocka_unit_test(klom_does_not_depend_on_threads),
        cmocka_unit_test(models_can_be_stopped_and_each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
