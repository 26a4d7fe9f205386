/* Tests of plans made from several requests: a text of requests becomes one plan, which is applied as a whole or not at
 * all, and nothing is forgotten twice. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"

static dkvb_forget_request request_of(const char *text)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

    q.requests = text;
    q.max_retain_drop = 1.0;
    q.max_class_loss = 1.0;
    q.salt = salt;
    return q;
}

static dkvb_model *model_copy_of(const dkvb_model *model, const dkvb_allocator *mem)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    const char *path = temp_path("model-copy");
    dkvb_model *copy;

    o.allocator = mem;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&copy, path, &o));
    return copy;
}

static void assert_same_model(const dkvb_model *a, const dkvb_model *b)
{
    size_t a_size, b_size;
    char *a_bytes = bytes_of(a, NULL, &a_size), *b_bytes = bytes_of(b, NULL, &b_size);

    assert_same_bytes(a_bytes, a_size, b_bytes, b_size);
    free(a_bytes);
    free(b_bytes);
}

/* Lists the ids of the first `count` training rows of a class, and writes the line of a request to forget them. */
static size_t ids_of_class(const dkvb_codeset *set, int32_t label, size_t count, uint64_t *ids, char *line, size_t size)
{
    const struct dkvb__coderows *training_rows = &set->part[DKVB_PART_TRAINING];
    size_t n = 0, at = (size_t)snprintf(line, size, "ids ");

    for (size_t i = 0; i < training_rows->n && n < count; i++)
        if (training_rows->labels[i] == label) {
            at += (size_t)snprintf(line + at, size - at, "%s%llu", n ? "," : "",
                                   (unsigned long long)training_rows->ids[i]);
            ids[n++] = training_rows->ids[i];
        }
    return n;
}

static void a_text_of_requests_is_one_plan_with_an_entry_each(void **state)
{
    char text[600], line[400];
    uint64_t ids[20];
    dkvb_forget_request q;
    dkvb_plan_info info;
    dkvb_model *model, *backup;
    dkvb_codeset *set;
    dkvb_plan *plan;
    size_t n;
    uint64_t entry;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_model_set_class_name(model, 2, "a, b"));
    backup = model_copy_of(model, NULL);
    n = ids_of_class(set, 3, 20, ids, line, sizeof line);
    snprintf(text, sizeof text, "\xEF\xBB\xBF# who asked\r\n\nclass 1\tby letter 17\r\n%s\nclass  a, b \n", line);
    q = request_of(text);
    q.budget = 40;
    q.reason = "spring";
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    info = info_of(plan);
    assert_true(info.request_count == 3 && info.forgotten == 0 && !info.refused && info.effects);
    assert_true(info.requests[0].line == 3 && info.requests[1].line == 4 && info.requests[2].line == 5);
    assert_true(info.requests[0].entry == 1 && info.requests[1].entry == 2 && info.requests[2].entry == 3);
    assert_true(info.requests[0].classes[1] == DKVB_FORGET && info.requests[2].classes[2] == DKVB_FORGET);
    assert_true(!info.requests[1].classes && info.requests[1].ids == n);
    assert_true(info.classes[1] == DKVB_FORGET && info.classes[2] == DKVB_FORGET && info.classes[3] == DKVB_KEEP);
    assert_true(info.pairs == info.requests[0].pairs + info.requests[1].pairs + info.requests[2].pairs);
    assert_true(info.pairs_new == info.requests[0].pairs_new + info.requests[1].pairs_new + info.requests[2].pairs_new);
    assert_int_equal(model->journal.count, 0);
    assert_ok(dkvb_forget_apply(plan, model, set, &entry));
    assert_int_equal(entry, 1);
    assert_int_equal(model->journal.count, 3);
    assert_int_equal(dkvb__mask_count(model->mask), info.pairs_new);
    assert_string_equal(entry_at(model, 0).reason, "by letter 17");
    assert_string_equal(entry_at(model, 1).reason, "spring");
    assert_true(dkvb_journal_names_rows(model, 2, ids, n));
    assert_true(entry_at(model, 0).by_class && !entry_at(model, 1).by_class && entry_at(model, 2).by_class);
    dkvb_plan_free(plan);

    /* A plan of the same requests again has nothing to do, and changes nothing. */
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    info = info_of(plan);
    assert_true(info.forgotten == 3 && !info.refused && info.pairs == 0);
    assert_true(info.requests[0].entry == 1 && info.requests[1].entry == 2 && info.requests[2].entry == 3);
    assert_ok(dkvb_forget_apply(plan, model, set, &entry));
    assert_true(entry == 0 && model->journal.count == 3);
    dkvb_plan_free(plan);

    /* On a backup of the model the same text is forgotten again, with the same result. If one request was undone, only
     * this request is forgotten again. */
    dkvb_plan_free(apply_request(backup, set, &q));
    assert_same_model(model, backup);
    assert_ok(dkvb_model_undo(backup, 2, NULL));
    plan = apply_request(backup, set, &q);
    assert_true(info_of(plan).forgotten == 2 && info_of(plan).requests[1].entry == 5);
    assert_true(dkvb_mask_equal(model->mask, backup->mask));
    dkvb_plan_free(plan);
    dkvb_model_free(model);
    dkvb_model_free(backup);
    dkvb_codeset_free(set);
}

static void requests_are_planned_as_if_they_came_one_by_one(void **state)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_of("class 0\nclass 1\nclass 2\n"), single;
    dkvb_model *model, *other;
    dkvb_codeset *set;
    dkvb_plan *plan;
    uint64_t entries;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    other = model_copy_of(model, NULL);
    plan = apply_request(model, set, &q);
    assert_true(info_of(plan).request_count == 3 && info_of(plan).effects);
    for (uint32_t l = 0; l < 3; l++) {
        single = request_for(classes, l);
        dkvb_plan_free(apply_request(other, set, &single));
    }
    entries = other->journal.count;
    assert_int_equal(model->journal.count, entries);
    assert_true(dkvb_mask_equal(model->mask, other->mask));
    for (uint64_t i = 0; i < entries; i++) {
        dkvb_journal_entry a = entry_at(model, i), b = entry_at(other, i);

        assert_true(a.pairs == b.pairs && a.pairs_new == b.pairs_new && a.budget == b.budget && a.again == b.again &&
                    a.target == b.target && a.rows == b.rows && a.measured == b.measured);
    }
    /* The plan's effects are those of all requests together, compared with the model before. */
    for (uint32_t l = 0; l < 3; l++)
        assert_int_equal(info_of(plan).effects[l].right_after, right_rows(model, set, l));
    dkvb_plan_free(plan);
    dkvb_model_free(model);
    dkvb_model_free(other);
    dkvb_codeset_free(set);
}

static void one_request_that_is_refused_refuses_all(void **state)
{
    dkvb_forget_request q = request_of("class 1\nclass 0,2,3\n");
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    q.requests = "class 3\nclass 1\n";
    q.target = 0.0;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_int_equal(info_of(plan).refused, DKVB_REFUSED_NOT);
    dkvb_plan_free(plan);
    /* A class without held-out rows cannot be shown to be forgotten. */
    q.requests = "class 3\n\nclass 1\n";
    for (size_t i = 0; i < set->part[DKVB_PART_HELD_OUT].n; i++)
        if (set->part[DKVB_PART_HELD_OUT].labels[i] == 1)
            set->part[DKVB_PART_HELD_OUT].labels[i] = -1;
    plan = assert_plan_refused(model, set, &q, DKVB_REFUSED_ROWS, false);
    assert_non_null(strstr(info_of(plan).refusal, "line 3: only 0 of 0 held-out rows"));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Computes the accuracy loss of each class by a plan of a text of requests, without limits. */
static void losses_by(dkvb_model *model, dkvb_codeset *set, const char *text, uint64_t budget,
                      dkvb_class_effect effects[CLASSES])
{
    dkvb_forget_request q = request_of(text);
    dkvb_plan *plan;

    q.method = DKVB_METHOD_ACTIVATIONS;
    q.budget = budget;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    memcpy(effects, info_of(plan).effects, CLASSES * sizeof *effects);
    dkvb_plan_free(plan);
}

/* Writes the line of a request to forget 30 training rows of a class and 20 rows of class 3, the latter from the
 * `from`-th on. */
static void mixed_line(const dkvb_codeset *set, int32_t label, size_t from, char *line, size_t size)
{
    const struct dkvb__coderows *training_rows = &set->part[DKVB_PART_TRAINING];
    size_t own = 0, other = 0, at = (size_t)snprintf(line, size, "ids ");

    for (size_t i = 0; i < training_rows->n; i++) {
        bool take = training_rows->labels[i] == label && own++ < 30;

        if (training_rows->labels[i] == 3) {
            take = other >= from && other < from + 20;
            other++;
        }
        if (take)
            at += (size_t)snprintf(line + at, size - at, "%s%llu", at > 4 ? "," : "",
                                   (unsigned long long)training_rows->ids[i]);
    }
    snprintf(line + at, size - at, "\n");
}

/* Each of two requests costs class 3 less accuracy than both together, and the limits hold for both together. */
static void limits_hold_for_all_requests_together(void **state)
{
    size_t found = 0;
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    for (uint64_t budget = 300; budget <= 350; budget += 50) {
        dkvb_class_effect first[CLASSES], second[CLASSES], both[CLASSES];
        char a[600], b[600], text[1200];
        dkvb_forget_request q = request_of(text);
        double each;

        mixed_line(set, 0, 0, a, sizeof a);
        mixed_line(set, 1, 20, b, sizeof b);
        snprintf(text, sizeof text, "%s%s", a, b);
        losses_by(model, set, a, budget, first);
        losses_by(model, set, b, budget, second);
        losses_by(model, set, text, budget, both);
        each = first[3].low > second[3].low ? first[3].low : second[3].low;
        if (both[3].low <= each || both[3].low <= 0.0)
            continue;
        found++;
        q.method = DKVB_METHOD_ACTIVATIONS;
        q.budget = budget;
        q.max_class_loss = ((each > 0.0 ? each : 0.0) + both[3].low) / 2.0;
        dkvb_plan_free(assert_plan_refused(model, set, &q, DKVB_REFUSED_CLASS, true));
    }
    assert_true(found > 0);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void every_line_that_cannot_be_read_has_its_message(void **state)
{
    static const struct {
        const char *text, *message;
        dkvb_status status;
    } cases[] = {
        {"", "no line names anybody", DKVB_EINVAL},
        {"# nothing\n\n", "no line names anybody", DKVB_EINVAL},
        {"class 1\nrow 3\n", "line 2: 'row 3' found, a request must be", DKVB_EINVAL},
        {"class\n", "line 1: 'class' found, a request must be", DKVB_EINVAL},
        {"classes 1\n", "line 1: 'classes 1' found", DKVB_EINVAL},
        {"\tfor a reason\n", "line 1: '' found", DKVB_EINVAL},
        {"class nobody\n", "line 1: class 'nobody': the model has no such name", DKVB_ENOTFOUND},
        {"class 1,9\n", "line 1: class '9'", DKVB_ENOTFOUND},
        {"class 1,\n", "line 1: class ''", DKVB_ENOTFOUND},
        {"class 1\nclass 0,1\n", "line 2: class 1 is asked for by line 1 already", DKVB_EINVAL},
        {"class 1,2\n", "line 1: the name of class 3 is also a list of classes", DKVB_EINVAL},
        {"ids \n", "line 1: 'ids' found", DKVB_EINVAL},
        {"ids 1,,2\n", "line 1: ',2' found, an id must be", DKVB_EINVAL},
        {"ids 1,\n", "line 1: '' found, an id must be", DKVB_EINVAL},
        {"ids -1\n", "line 1: '-1' found", DKVB_EINVAL},
        {"ids 1 2\n", "line 1: '1 2' found", DKVB_EINVAL},
        {"ids 18446744073709551616\n", "line 1: '18446744073709551616' found", DKVB_EINVAL},
        {"ids 0x10\n", "line 1: '0x10' found", DKVB_EINVAL},
        {"class 1\nids 5,6,5\n", "line 2: id 5 is named by line 2 already", DKVB_EINVAL},
        {"ids 5,6\nids 7\nids 6\n", "line 3: id 6 is named by line 1 already", DKVB_EINVAL},
        {"ids 18446744073709551615\n", "line 1: row 0 asks for id 18446744073709551615", DKVB_ENOTFOUND},
        {"class 1\tcontrol \x01\n", "line 1: reason", DKVB_EINVAL},
        {"class \xff\n", "line 1: class: a name must be UTF-8", DKVB_EINVAL},
    };
    dkvb_forget_request q;
    dkvb_model *model;
    dkvb_codeset *set;
    uint8_t marks[CLASSES] = {DKVB_FORGET};

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    assert_ok(dkvb_model_set_class_name(model, 3, "1,2"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        q = request_of(cases[i].text);
        q.budget = 10;
        assert_plan_fails(model, set, &q, cases[i].status, cases[i].message);
    }
    q = request_of("ids 1,2,3,4,5,6,7\n");
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "line 1: forget request: a budget is found for classes");
    q = request_of("class 0\nids 1\n");
    q.budget = 10;
    assert_plan_fails(model, NULL, &q, DKVB_EINVAL, "line 2: ids name rows of a codeset");
    q.classes = marks;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "requests say who is meant");
    q = request_of("ids 1\nids 999999\n");
    q.strength = DKVB_STRENGTH_EXACT;
    assert_plan_fails(model, set, &q, DKVB_ENOTFOUND, "line 2: id 999999: the codes have no such row");
    q = request_of("class 0\nclass 1\n");
    q.strength = DKVB_STRENGTH_EXACT;
    for (size_t p = 0; p < DKVB__PARTS; p++)
        for (size_t i = 0; i < set->part[p].n; i++)
            set->part[p].labels[i] = set->part[p].labels[i] == 1 ? -1 : set->part[p].labels[i];
    assert_plan_fails(model, set, &q, DKVB_ENOTFOUND, "line 2: no row of the codes is of the classes");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void exact_requests_train_once_and_have_an_entry_each(void **state)
{
    char text[1000], line[400];
    uint64_t ids[20], entry;
    uint64_t all[ROWS];
    size_t n, count = 0;
    dkvb_forget_request q, single = DKVB_FORGET_REQUEST_INIT;
    dkvb_plan_info info;
    dkvb_model *model, *other, *backup;
    dkvb_codeset *set, *full;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    full = copy_of(set);
    other = model_copy_of(model, NULL);
    backup = model_copy_of(model, NULL);
    n = ids_of_class(set, 3, 20, ids, line, sizeof line);
    snprintf(text, sizeof text, "class 1\n%s\tletter\n", line);
    q = request_of(text);
    q.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    info = info_of(plan);
    assert_true(info.request_count == 2 && info.requests[0].entry == 1 && info.requests[1].entry == 2);
    assert_ok(dkvb_forget_apply(plan, model, set, &entry));
    dkvb_plan_free(plan);
    assert_true(entry == 1 && model->journal.count == 2);
    assert_true(entry_at(model, 0).by_class && !entry_at(model, 1).by_class);
    assert_true(entry_at(model, 0).measured && !entry_at(model, 1).measured);
    assert_true(dkvb_journal_names_rows(model, 2, ids, n));
    assert_string_equal(entry_at(model, 1).reason, "letter");

    /* The model's values equal those after a single request to forget the rows of all requests exactly. */
    for (size_t i = 0; i < ROWS; i++)
        if (labels[i] == 1)
            all[count++] = i;
    memcpy(all + count, ids, n * sizeof *ids);
    single.strength = DKVB_STRENGTH_EXACT;
    single.ids = all;
    single.id_count = count + n;
    single.force = 1;
    single.max_class_loss = 1.0;
    dkvb_plan_free(apply_request(other, full, &single));
    assert_same_values(model, other);
    assert_same_rows(set, full);
    dkvb_codeset_free(full);

    assert_ok(dkvb_forget_plan(&plan, model, set, &q,
                               NULL)); /* the class is forgotten, and its rows are no longer in the codeset */
    assert_int_equal(info_of(plan).forgotten, 2);
    dkvb_plan_free(plan);
    assert_ok(dkvb_model_purge(model)); /* the codeset's list of removed rows can still be checked after the purge */
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    info = info_of(plan);
    assert_true(info.forgotten == 2 && info.requests[0].entry == 1 && info.requests[1].entry == 0);
    dkvb_plan_free(plan);
    /* The list of removed rows in a later codeset proves nothing about an older model. */
    assert_plan_fails(backup, set, &q, DKVB_ENOTFOUND, "line 1: no row of the codes");
    q.requests = line;
    assert_plan_fails(backup, set, &q, DKVB_ENOTFOUND, "the codes have no such row");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    dkvb_model_free(other);
    dkvb_model_free(backup);
}

static void exact_requests_are_finished_where_only_the_codeset_is_left(void **state)
{
    dkvb_forget_request q = request_of("class 1\nids 2,3\n");
    dkvb_model *model;
    dkvb_codeset *set, *old;
    dkvb_plan *plan;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    old = copy_of(set);
    q.strength = DKVB_STRENGTH_EXACT;
    dkvb_plan_free(apply_request(model, set, &q));
    plan = apply_request(model, old, &q); /* repeats the request, as if the codes file had not been saved */
    assert_true(info_of(plan).resumed && info_of(plan).forgotten == 0);
    assert_int_equal(model->journal.count, 2);
    assert_same_rows(set, old);
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_codeset_free(old);
    dkvb_model_free(model);
}

static void requests_without_memory_change_nothing(void **state)
{
    static const uint32_t strengths[] = {DKVB_STRENGTH_SUPPRESS, DKVB_STRENGTH_EXACT};
    dkvb_forget_request q = request_of("class 1\treason\nids 2,3\nclass 0,2\n");
    dkvb_model *model, *limited;
    dkvb_codeset *set, *fresh;

    (void)state;
    plan_fit(&model, &set, false, rows, labels, NULL, ROWS);
    for (size_t s = 0; s < 2; s++) {
        bool done = false;

        q.strength = strengths[s];
        q.budget = s == 0 ? 30 : 0;
        for (size_t at = 1; !done; at += 1 + at / 16) {
            struct failing_alloc counter;
            dkvb_allocator mem = failing_allocator(&counter, SIZE_MAX);
            dkvb_plan *plan = NULL;
            uint64_t rows_before;
            dkvb_status rc;

            limited = model_copy_of(model, &mem);
            fresh = copy_of(set);
            rows_before = fresh->part[DKVB_PART_TRAINING].n;
            counter.fail_at = counter.calls + at;
            rc = dkvb_forget_plan(&plan, limited, fresh, &q, NULL);
            if (!rc)
                rc = dkvb_forget_apply(plan, limited, fresh, NULL);
            done = !rc;
            if (rc) {
                assert_int_equal(rc, DKVB_ENOMEM);
                counter.fail_at = SIZE_MAX;
                assert_int_equal(limited->journal.count, 0);
                assert_int_equal(dkvb__mask_count(limited->mask), 0);
                assert_int_equal(fresh->part[DKVB_PART_TRAINING].n, rows_before);
                assert_same_model(model, limited);
            }
            dkvb_plan_free(plan);
            dkvb_model_free(limited);
            dkvb_codeset_free(fresh);
            assert_int_equal(counter.live, 0);
        }
    }
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_of_requests_is_one_plan_with_an_entry_each),
        cmocka_unit_test(requests_are_planned_as_if_they_came_one_by_one),
        cmocka_unit_test(one_request_that_is_refused_refuses_all),
        cmocka_unit_test(limits_hold_for_all_requests_together),
        cmocka_unit_test(every_line_that_cannot_be_read_has_its_message),
        cmocka_unit_test(exact_requests_train_once_and_have_an_entry_each),
        cmocka_unit_test(exact_requests_are_finished_where_only_the_codeset_is_left),
        cmocka_unit_test(requests_without_memory_change_nothing),
    };

    return cmocka_run_group_tests(tests, plan_setup, NULL);
}
