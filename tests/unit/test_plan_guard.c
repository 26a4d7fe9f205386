/* Tests of the guard of plans, which refuses a plan that would harm another class or is measured on too few rows, and
 * names the class. */
#include "plan_fixture.h"

#include <string.h>

#include "bottleneck/model.h"
#include "dkvb/choose.h"
#include "unlearn/effect.h"

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
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    for (size_t i = 0; i < held.n; i++)
        if (held.labels[i] == 1 && left++ >= DKVB_PLAN_LEAST_ROWS - 1)
            out[n++] = held.ids[i];
    assert_ok(dkvb_codeset_remove(set, out, n, NULL));
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_ROWS, true);
    assert_non_null(strstr(info_of(plan).refusal, "at least 5 would tell"));
    assert_null(info_of(plan).mask);
    dkvb_plan_free(plan);
    assert_plan_forced(model, set, q);
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
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    few_keys = false;
    for (; label < CLASSES; label++) { /* looks for a class that shares its keys with other classes */
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
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_TARGET, false);
    assert_non_null(strstr(info_of(plan).refusal, "Nearest: "));
    dkvb_plan_free(plan);
    q.max_retain_drop = 1.0;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_true(info_of(plan).budget_found);
    dkvb_plan_free(plan);
    q.max_class_loss = 0.0;
    q.budget = 5; /* 5 of the 6 pairs */
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
    assert_int_not_equal(info_of(plan).refused_class, label);
    dkvb_plan_free(plan);
    assert_plan_forced(model, set, q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Returns a limit that is above the certain accuracy loss of each class except `label`, but below their certain loss
 * together; 0 if there is none. (A certain loss is the lower end of the loss's 95 % interval.) */
static double limit_between(const dkvb_plan_info *info, uint32_t label)
{
    dkvb_class_effect others = {0};
    double most = 0.0;

    for (uint32_t l = 0; l < CLASSES; l++) {
        if (l == label)
            continue;
        most = info->effects[l].low > most ? info->effects[l].low : most;
        dkvb__effect_add(&others, &info->effects[l]);
    }
    return others.low > most ? (others.low + most) / 2.0 : 0.0;
}

static void classes_that_lose_too_much_together_are_refused(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 3);
    dkvb_plan_info info;
    double limit = 0.0;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    q.method = DKVB_METHOD_EXAMPLES;
    for (q.budget = 10;; q.budget += 10) {
        assert_true(q.budget < ROWS);
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        info = info_of(plan);
        assert_int_equal(info.refused, DKVB_REFUSED_NOT);
        limit = limit_between(&info, 3);
        dkvb_plan_free(plan);
        if (limit > 0.0)
            break;
    }
    q.max_class_loss = limit;
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
    info = info_of(plan);
    assert_non_null(strstr(info.refusal, "together"));
    assert_true(info.refused_class < 3);
    for (uint32_t l = 0; l < 3; l++) {
        assert_true(info.effects[l].low <= limit);
        assert_true(info.effects[l].loss <= info.effects[info.refused_class].loss);
    }
    dkvb_plan_free(plan);
    assert_plan_forced(model, set, q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void rows_of_another_class_slipped_in_are_noticed(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    uint64_t ids[ROWS];
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    ask_for_slipped_in(&q, ids);
    q.budget = 60;
    q.max_class_loss = 0.0; /* of two reasons for a refusal, the first is reported */
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_MIXED, true);
    assert_int_equal(info_of(plan).refused_class, 2);
    dkvb_plan_free(plan);
    q.method = DKVB_METHOD_ACTIVATIONS; /* masking this many pairs costs class 0 accuracy too */
    q.budget = 700;
    dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_MIXED, true));
    assert_plan_forced(model, set, q);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Adds a forget operation that names class `label` but masks no pair, so that the class may lose all its accuracy. */
static void name_class(dkvb_model *model, uint32_t label)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    uint8_t classes[CLASSES] = {0};
    dkvb_mask *mask;

    classes[label] = DKVB_FORGET;
    o.classes = classes;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_model_forget(model, mask, &o, NULL));
    dkvb_mask_free(mask);
}

/* Requests to forget the i-th of many small sets of rows: 13 training rows of class 1 and 12 of class 0. */
static void ask_for_few(dkvb_forget_request *q, const dkvb_codeset *set, uint64_t ids[25], uint64_t i)
{
    static const uint64_t wanted[CLASSES] = {12, 13, 0, 0};
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    uint64_t seen[CLASSES] = {0}, n = 0;

    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &training));
    for (size_t r = 0; r < training.n; r++) {
        int32_t label = training.labels[r];
        uint64_t number = seen[label]++;

        if (number >= i * wanted[label] && number < (i + 1) * wanted[label])
            ids[n++] = training.ids[r];
    }
    assert_true(n > 0 && n <= 25);
    q->ids = ids;
    q->id_count = n;
    q->budget = 20;
    q->max_class_loss = 0.0;
    q->salt = salt;
}

/* Applies small requests to forget until one is refused because all masks together cost too much. Returns the number of
 * requests; `q` is the refused one. */
static uint64_t apply_until_refused(dkvb_model *model, dkvb_codeset *set, dkvb_forget_request *q, uint64_t ids[25],
                                    uint32_t *refused_class)
{
    for (uint64_t applied = 0;; applied++) {
        dkvb_plan *plan;
        dkvb_plan_info info;

        ask_for_few(q, set, ids, applied);
        assert_ok(dkvb_forget_plan(&plan, model, set, q, NULL));
        info = info_of(plan);
        *refused_class = info.refused_class;
        if (info.refused) {
            assert_int_equal(info.refused, DKVB_REFUSED_CLASS);
            assert_non_null(strstr(info.refusal, "by all requests in force together that name no class"));
            assert_true(info.effects[*refused_class].low <= q->max_class_loss);
            dkvb_plan_free(plan);
            return applied;
        }
        assert_ok(dkvb_forget_apply(plan, model, set, NULL));
        dkvb_plan_free(plan);
    }
}

static void small_requests_by_rows_are_refused_where_their_sum_costs_too_much(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    dkvb_class_effect effects[CLASSES];
    dkvb_plan_info info;
    dkvb_mask *mask;
    uint64_t ids[25], applied = 0;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    for (;; applied++) {
        ask_for_few(&q, set, ids, applied);
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        info = info_of(plan);
        if (info.refused)
            break;
        assert_ok(dkvb_forget_apply(plan, model, set, NULL));
        dkvb_plan_free(plan);
    }
    assert_true(applied > 0);
    assert_int_equal(info.refused, DKVB_REFUSED_CLASS);
    assert_non_null(strstr(info.refusal, "by all requests in force together that name no class"));
    assert_true(info.refused_class != 1);
    /* the request alone would be within the limit */
    assert_true(info.effects[info.refused_class].low <= q.max_class_loss);
    assert_true(info.effects[info.refused_class].loss > 0.0);
    dkvb_plan_free(plan);
    assert_plan_forced(model, set, q);

    /* The same request is not refused if no mask is in force. */
    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    for (uint64_t i = 0; i <= applied; i++)
        assert_ok(dkvb_model_undo(model, 0, NULL));
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_ok(dkvb_effect_measure(model, NULL, mask, &held, effects, NULL, NULL));
    assert_true(effects[info.refused_class].low > q.max_class_loss);
    dkvb_plan_free(apply_request(model, set, &q));
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* What a mask costs a class counts against later requests only if no journal entry names the class. */
static void the_sum_leaves_out_masks_that_somebody_answers_for(void **state)
{
    enum { UNSAID, BY_CLASS, FORCED, WITHIN_LIMIT, ALLOWED, OTHER_ALLOWED, UNDONE, PURGED, WAYS };
    static const bool counts[WAYS] = {[UNSAID] = true, [WITHIN_LIMIT] = true, [OTHER_ALLOWED] = true};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    uint64_t ids[25], id;
    uint32_t loser, named;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *mask;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    assert_true(apply_until_refused(model, set, &q, ids, &loser) > 0);
    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    for (int way = 0; way < WAYS; way++) {
        dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
        dkvb_class_effect effects[CLASSES] = {{0}};
        /* most rows of the request are of this class, so its loss is wanted */
        uint8_t classes[CLASSES] = {[1] = DKVB_FORGET};
        dkvb_plan *plan;

        plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
        o.classes = way == BY_CLASS ? classes : NULL;
        o.forced = way == FORCED;
        if (way == WITHIN_LIMIT || way == ALLOWED || way == OTHER_ALLOWED) {
            o.effects = effects;
            o.max_class_loss = way == WITHIN_LIMIT ? 0.9 : 0.1;
            named = way == OTHER_ALLOWED ? (loser + 1) % CLASSES : loser;
            effects[named].rows = effects[named].right_before = effects[named].lost = 40;
            dkvb__effect_add(&effects[named], &(dkvb_class_effect){0});
            assert_true((effects[named].low > o.max_class_loss) == (way != WITHIN_LIMIT));
        }
        assert_ok(dkvb_model_forget(model, mask, &o, &id));
        if (way == UNDONE)
            assert_ok(dkvb_model_undo(model, id, NULL));
        if (way == PURGED)
            assert_ok(dkvb_model_purge(model));
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        if (counts[way]) {
            assert_int_equal(info_of(plan).refused_class, loser);
            assert_non_null(strstr(info_of(plan).refusal, "by all requests in force together that name no class"));
        } else {
            assert_string_equal(info_of(plan).refusal, "");
        }
        dkvb_plan_free(plan);
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
    dkvb_mask_free(mask);
}

/* A request for rows of class 0 costs this class more than other classes may lose. Later small requests must not take
 * the rest of the accuracy of class 0 step by step. */
static void what_a_class_was_allowed_to_lose_does_not_free_it_for_later_requests(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    uint64_t ids[ROWS], few[25], n = 0;
    uint32_t loser;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &training));
    for (size_t r = 0; r < training.n; r++)
        if (training.labels[r] == 0)
            ids[n++] = training.ids[r];
    q.ids = ids;
    q.id_count = n;
    q.budget = 15; /* masks so few pairs that the class keeps most of its accuracy */
    q.max_class_loss = 0.01;
    plan = apply_request(model, set, &q);
    assert_true(info_of(plan).effects[0].low > q.max_class_loss);
    dkvb_plan_free(plan);
    name_class(model, 2); /* now only the loss of class 0 counts */
    name_class(model, 3);
    assert_true(apply_until_refused(model, set, &q, few, &loser) > 0);
    assert_int_equal(loser, 0);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_non_null(strstr(info_of(plan).refusal, "beyond what earlier ones were allowed to cost it"));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_class_without_rows_that_would_show_it_is_refused(void **state)
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
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    for (size_t i = 0; i < held.n; i++)
        if (held.labels[i] == 2 || (held.labels[i] == 1 && left++ >= DKVB_PLAN_LEAST_ROWS))
            out[n++] = held.ids[i];
    assert_ok(dkvb_codeset_remove(set, out, n, NULL));
    assert_int_equal(right_rows(model, set, 1), DKVB_PLAN_LEAST_ROWS);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL)); /* a class with five held-out rows is measured */
    assert_string_equal(info_of(plan).refusal, "");
    dkvb_plan_free(plan);
    classes[2] = DKVB_FORGET;
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_ROWS, true);
    assert_int_equal(info_of(plan).refused_class, 2);
    assert_non_null(strstr(info_of(plan).refusal, "none of 0 held-out rows of class 2"));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* The certain accuracy losses of all classes except `label` and `aside`: the largest loss of one class, and the loss of
 * all. */
struct certain {
    double most, together;
};

static struct certain certain_losses(const dkvb_class_effect *effects, uint32_t label, uint32_t aside)
{
    struct certain c = {-1.0, 0.0};
    dkvb_class_effect others = {0};

    for (uint32_t l = 0; l < CLASSES; l++) {
        if (l == label || l == aside)
            continue;
        c.most = effects[l].low > c.most ? effects[l].low : c.most;
        dkvb__effect_add(&others, &effects[l]);
    }
    c.together = others.low;
    return c;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Requests to forget a class, by its label or by the ids of all its rows. */
static void ask_for(dkvb_forget_request *q, uint64_t ids[ROWS], uint32_t label, bool by_rows)
{
    q->id_count = 0;
    for (size_t r = 0; by_rows && r < ROWS; r++)
        if (labels[r] == (int32_t)label)
            ids[q->id_count++] = r;
    if (!by_rows)
        return;
    q->ids = ids;
    q->classes = NULL;
}

/* Measures the loss of each class by a plan without limits, then plans with a limit below the loss of the named class
 * and above all other losses. Returns whether the plan is not refused. */
static bool a_named_class_may_lose(uint32_t label, uint64_t budget, bool by_rows)
{
    uint8_t classes[CLASSES];
    uint64_t ids[ROWS];
    dkvb_forget_request q = request_for(classes, label);
    uint32_t loser = CLASSES;
    struct certain c;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    double low;

    few_keys = true;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    few_keys = false;
    ask_for(&q, ids, label, by_rows);
    q.budget = budget;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    for (uint32_t l = 0; l < CLASSES; l++)
        if (l != label && (loser == CLASSES || info_of(plan).effects[l].low > info_of(plan).effects[loser].low))
            loser = l;
    low = info_of(plan).effects[loser].low;
    c = certain_losses(info_of(plan).effects, label, loser);
    q.max_class_loss = (low + larger(0.0, larger(c.most, c.together))) / 2.0;
    dkvb_plan_free(plan);
    if (low > q.max_class_loss) {
        plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
        assert_int_equal(info_of(plan).refused_class, loser);
        dkvb_plan_free(plan);
        name_class(model, loser);
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        assert_string_equal(info_of(plan).refusal, "");
        dkvb_plan_free(plan);
    }
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    return low > q.max_class_loss;
}

static void what_a_class_loses_that_was_forgotten_before_is_not_refused(void **state)
{
    size_t found[2] = {0};

    (void)state;
    for (uint32_t label = 0; label < CLASSES; label++)
        for (uint64_t budget = 1; budget < 6; budget++)
            for (size_t by_rows = 0; by_rows < 2; by_rows++)
                found[by_rows] += a_named_class_may_lose(label, budget, by_rows != 0);
    assert_true(found[0] > 0 && found[1] > 0);
}

/* Rows of a class that was forgotten before, and so loses nothing now, must not dilute the common loss of all other
 * classes. */
static void classes_forgotten_before_do_not_thin_out_what_the_others_lose_together(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 3);
    size_t found = 0;

    (void)state;
    q.method = DKVB_METHOD_EXAMPLES;
    for (uint32_t before = 0; before < 3; before++) {
        dkvb_model *model;
        dkvb_codeset *set;

        plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
        name_class(model, before);
        for (q.budget = 60; q.budget <= 100; q.budget += 10) {
            struct certain all, others;
            double least;
            dkvb_plan *plan;

            q.max_class_loss = 1.0;
            assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
            all = certain_losses(info_of(plan).effects, 3, CLASSES);
            others = certain_losses(info_of(plan).effects, 3, before);
            dkvb_plan_free(plan);
            least = larger(0.0, larger(others.most, all.together));
            q.max_class_loss = (least + others.together) / 2.0;
            if (!(others.together > least))
                continue;
            found++;
            plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true);
            assert_non_null(strstr(info_of(plan).refusal, "together"));
            assert_true(info_of(plan).refused_class != before && info_of(plan).refused_class != 3);
            dkvb_plan_free(plan);
        }
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
    assert_true(found > 0);
}

static void a_plan_of_a_given_number_of_pairs_tells_which_classes_were_forgotten_before(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *mask;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    q.budget = 30;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_memory_equal(info_of(plan).classes, classes, CLASSES);
    assert_ok(dkvb_mask_copy(&mask, info_of(plan).mask));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    name_class(model, 0);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_true(dkvb_mask_equal(mask, info_of(plan).mask)); /* the order of requests does not change the mask */
    classes[0] = DKVB_ASIDE;
    assert_memory_equal(info_of(plan).classes, classes, CLASSES);
    dkvb_plan_free(plan);
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_refusal_names_the_class_that_would_lose_most(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_model *model;
    dkvb_codeset *set;
    size_t found = 0;

    (void)state;
    few_keys = true;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    few_keys = false;
    for (uint32_t turn = 0; turn < CLASSES * 10u; turn++) {
        uint32_t label = turn % CLASSES, first = CLASSES, most = CLASSES;
        dkvb_forget_request q = request_for(classes, label);
        dkvb_plan_info info;
        dkvb_plan *plan;

        q.method = DKVB_METHOD_EXAMPLES;
        q.budget = 1 + turn / CLASSES;
        q.max_class_loss = 0.0;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        info = info_of(plan);
        for (uint32_t l = 0; l < CLASSES; l++) {
            if (l == label || !(info.effects[l].low > 0.0))
                continue;
            first = first == CLASSES ? l : first;
            most = most == CLASSES || info.effects[l].loss > info.effects[most].loss ? l : most;
        }
        if (most < CLASSES) {
            assert_int_equal(info.refused, DKVB_REFUSED_CLASS);
            assert_int_equal(info.refused_class, most);
            found += first != most;
        }
        dkvb_plan_free(plan);
    }
    assert_true(found > 0);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Returns a mask of every pair that `wanted[c]` rows of each class c select. */
static dkvb_mask *pairs_of(const dkvb_model *model, const dkvb_codeset *set, const uint64_t wanted[CLASSES],
                           const uint8_t marked[CLASSES])
{
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    dkvb_request request = DKVB_REQUEST_INIT;
    uint64_t seen[CLASSES] = {0};
    uint8_t forget[ROWS] = {0};
    dkvb_mask *mask;

    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &training));
    for (size_t r = 0; r < training.n; r++)
        if (seen[training.labels[r]]++ < wanted[training.labels[r]] && marked[training.labels[r]])
            forget[r] = DKVB_FORGET;
    request.method = DKVB_METHOD_EVERY;
    request.k = model->top_k;
    request.codes = training.codes;
    request.n = training.n;
    request.rows = forget;
    assert_ok(dkvb_mask_new(&mask, model->codebooks));
    assert_ok(dkvb_unlearn_choose(mask, model, &request, 1, NULL));
    return mask;
}

static void of_classes_slipped_in_the_one_that_would_lose_most_is_named(void **state)
{
    dkvb_model *model;
    dkvb_codeset *set;
    size_t found = 0;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    for (uint32_t turn = 0; turn < CLASSES * CLASSES; turn++) {
        uint32_t main_class = turn % CLASSES, many = turn / CLASSES, first = CLASSES, most = CLASSES;
        uint64_t wanted[CLASSES] = {26, 26, 26, 26}, seen[CLASSES] = {0}, ids[ROWS];
        uint8_t own[CLASSES] = {0}, all[CLASSES] = {1, 1, 1, 1};
        dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
        dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT, held = DKVB_CODESET_ROWS_INIT;
        dkvb_class_effect effects[CLASSES];
        dkvb_mask *before, *after;
        dkvb_plan *plan;

        wanted[many] = 60;
        wanted[main_class] = 90;
        own[main_class] = 1;
        assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &training));
        assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
        for (size_t r = 0; r < training.n; r++)
            if (seen[training.labels[r]]++ < wanted[training.labels[r]])
                ids[q.id_count++] = training.ids[r];
        before = pairs_of(model, set, wanted, own);
        after = pairs_of(model, set, wanted, all);
        assert_ok(dkvb_effect_measure(model, before, after, &held, effects, NULL, NULL));
        for (uint32_t l = 0; l < CLASSES; l++) {
            if (l == main_class || !(effects[l].low > 0.0))
                continue;
            first = first == CLASSES ? l : first;
            most = most == CLASSES || effects[l].loss > effects[most].loss ? l : most;
        }
        q.ids = ids;
        q.budget = 60;
        assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
        assert_int_equal(info_of(plan).refused == DKVB_REFUSED_MIXED, most < CLASSES);
        if (most < CLASSES)
            assert_int_equal(info_of(plan).refused_class, most);
        found += first != most;
        dkvb_plan_free(plan);
        dkvb_mask_free(before);
        dkvb_mask_free(after);
    }
    assert_true(found > 0);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_rows_to_find_a_budget_on_are_said),
        cmocka_unit_test(limits_that_cannot_be_kept_are_refused),
        cmocka_unit_test(classes_that_lose_too_much_together_are_refused),
        cmocka_unit_test(rows_of_another_class_slipped_in_are_noticed),
        cmocka_unit_test(small_requests_by_rows_are_refused_where_their_sum_costs_too_much),
        cmocka_unit_test(the_sum_leaves_out_masks_that_somebody_answers_for),
        cmocka_unit_test(what_a_class_was_allowed_to_lose_does_not_free_it_for_later_requests),
        cmocka_unit_test(a_class_without_rows_that_would_show_it_is_refused),
        cmocka_unit_test(what_a_class_loses_that_was_forgotten_before_is_not_refused),
        cmocka_unit_test(classes_forgotten_before_do_not_thin_out_what_the_others_lose_together),
        cmocka_unit_test(a_plan_of_a_given_number_of_pairs_tells_which_classes_were_forgotten_before),
        cmocka_unit_test(a_refusal_names_the_class_that_would_lose_most),
        cmocka_unit_test(of_classes_slipped_in_the_one_that_would_lose_most_is_named),
    };

    return cmocka_run_group_tests(tests, plan_setup, NULL);
}
