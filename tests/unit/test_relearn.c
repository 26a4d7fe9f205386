/* Tests of relearning: training on forgotten rows or classes is refused, or with `relearn` ends their forget
 * operations. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"
#include "unlearn/journal.h"

static uint16_t codes[ROWS * CODEBOOKS], live[ROWS * CODEBOOKS];

/* Adds a journal entry that masks pairs of a class, and names this class and a second class `and_label` in its
 * terms. */
static uint64_t forget(dkvb_model *model, uint32_t label, uint32_t and_label)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    dkvb_mask *mask = mask_for_class(model, codes, (int32_t)label, 10);
    uint8_t marks[CLASSES] = {0};
    uint64_t entry;

    marks[label] = marks[and_label] = DKVB_FORGET;
    o.classes = marks;
    assert_ok(dkvb_model_forget(model, mask, &o, &entry));
    dkvb_mask_free(mask);
    return entry;
}

/* Adds a journal entry of a replay without the rows of a class. */
static void replay(dkvb_model *model, uint32_t label)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    uint8_t marks[CLASSES] = {0};
    struct dkvb__record record;

    marks[label] = DKVB_FORGET;
    o.classes = marks;
    assert_ok(dkvb__journal_prepare(model, DKVB_JOURNAL_REPLAY, &o, &record));
    dkvb__journal_append(model, &record);
}

/* Returns the labels of rows of the classes in a bit set; all other labels are -1. */
static const int32_t *labels_of(unsigned classes)
{
    static int32_t some[ROWS];

    for (size_t r = 0; r < ROWS; r++)
        some[r] = classes >> labels[r] & 1 ? labels[r] : -1;
    return some;
}

/* Trains on rows of the classes in a bit set, with codes searched under the model's mask. */
static dkvb_status train(dkvb_model *model, unsigned classes, uint32_t relearn)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    o.relearn = relearn;
    assert_ok(dkvb_search(dkvb_model_codebooks(model), model->mask, rows, ROWS, 1, live, NULL, NULL));
    return dkvb_model_train(model, live, 1, labels_of(classes), ROWS, &o, NULL);
}

static dkvb_journal_entry entry_at(const dkvb_model *model, uint64_t number)
{
    dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

    assert_ok(dkvb_journal_get(model, number - 1, &e));
    return e;
}

static void a_forgotten_class_is_not_trained_on(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    uint8_t trained[16];
    char message[64];
    size_t first = 0;

    (void)state;
    assert_ok(dkvb_model_set_class_name(model, 1, "dog"));
    forget(model, 1, 1);
    memcpy(trained, model->trained, 16);
    while (labels[first] != 1)
        first++;
    assert_int_equal(train(model, 2 + 4, 0), DKVB_ESTATE);
    snprintf(message, sizeof message, "row %zu is of class 1 (dog), which journal entry 1 forgot", first);
    assert_message(message);
    assert_message("undo the entry");
    assert_memory_equal(model->trained, trained, 16);
    assert_null(model->training);
    assert_ok(train(model, 1 + 4 + 8, 0)); /* the others */
    assert_int_equal(journal_count(model), 1);
    assert_ok(train(model, 1 + 4 + 8, 1)); /* no forgotten class was trained on */
    assert_int_equal(journal_count(model), 1);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_ok(train(model, 2, 0)); /* the forget operation was undone, so the class may be trained on */
    assert_int_equal(journal_count(model), 2);
    dkvb_model_free(model);
}

static void what_a_purge_or_a_replay_forgot_is_not_trained_on_either(void **state)
{
    dkvb_model *model = trained_model(1, codes);

    (void)state;
    forget(model, 1, 1);
    assert_ok(dkvb_model_purge(model));
    assert_int_equal(train(model, 2, 0), DKVB_ESTATE);
    assert_message("journal entry 1 forgot");
    /* the message does not advise an undo, which is no longer possible */
    assert_null(strstr(dkvb_last_error(), "undo"));
    replay(model, 3);
    assert_int_equal(train(model, 8, 0), DKVB_ESTATE);
    assert_message("journal entry 3 forgot");
    assert_ok(train(model, 1 + 4, 0));
    dkvb_model_free(model);
}

static void relearning_ends_the_forgetting_and_keeps_its_pairs_masked(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = trained_model(1, codes), *loaded;
    uint8_t marks[CLASSES], expected[CLASSES] = {0};
    uint64_t masked;

    (void)state;
    forget(model, 1, 2);
    forget(model, 3, 3);
    replay(model, 1);
    masked = dkvb__mask_count(model->mask);
    assert_ok(train(model, 1 + 2, 1));
    assert_int_equal(journal_count(model), 5); /* the journal has one new entry for each forget operation that ended */
    for (uint64_t id = 4; id <= 5; id++) {
        dkvb_journal_entry e = entry_at(model, id);

        assert_true(e.kind == DKVB_JOURNAL_RELEARN && e.state == DKVB_JOURNAL_DONE && e.pairs == 0 && e.by_class);
        assert_int_equal(e.ends, id == 4 ? 1 : 3);
        assert_string_equal(e.method, "relearn");
        assert_ok(dkvb_journal_get_terms(model, id, marks, NULL));
        expected[1] = DKVB_FORGET; /* class 2 was not trained on again */
        assert_memory_equal(marks, expected, CLASSES);
    }
    assert_int_equal(entry_at(model, 1).state, DKVB_JOURNAL_RELEARNED);
    assert_int_equal(entry_at(model, 2).state, DKVB_JOURNAL_ACTIVE);
    assert_int_equal(entry_at(model, 3).state, DKVB_JOURNAL_RELEARNED);
    assert_int_equal(dkvb__mask_count(model->mask), masked);
    assert_ok(train(model, 2 + 4, 0)); /* the forget operation of two classes has ended for both */
    assert_int_equal(train(model, 8, 0), DKVB_ESTATE);
    assert_ok(dkvb_model_verify(model));
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&loaded, path, NULL));
    for (uint64_t id = 1; id <= 5; id++)
        assert_int_equal(entry_at(loaded, id).state, entry_at(model, id).state);
    assert_ok(train(loaded, 2 + 4, 0));
    assert_int_equal(train(loaded, 8, 0), DKVB_ESTATE);
    dkvb_model_free(loaded);
    dkvb_model_free(model);
}

static void what_is_over_can_be_undone_or_purged_but_not_repeated_or_ended_twice(void **state)
{
    const char *path = temp_path("m.dkvb");

    (void)state;
    for (int purge = 0; purge < 2; purge++) {
        dkvb_model *model = trained_model(1, codes), *loaded;
        dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
        dkvb_mask *pairs;
        uint64_t masked;

        forget(model, 1, 1);
        masked = dkvb__mask_count(model->mask);
        assert_ok(train(model, 2, 1));
        o.again = 1;
        assert_int_equal(dkvb_model_forget(model, model->mask, &o, NULL), DKVB_EINVAL);
        assert_message("again: journal entry 1 is over");
        assert_int_equal(dkvb_model_relearn(model, 1, NULL, NULL), DKVB_ESTATE);
        assert_message("journal entry 1 is over already");
        assert_ok(dkvb_journal_get_mask(model, 1, &pairs));
        assert_int_equal(dkvb__mask_count(pairs), masked);
        dkvb_mask_free(pairs);
        if (purge) {
            assert_ok(dkvb_model_purge(model));
            assert_int_equal(dkvb_model_undo(model, 1, NULL), DKVB_ESTATE);
            assert_message("was purged");
            assert_int_equal(entry_at(model, 3).pairs, masked);
        } else {
            assert_ok(dkvb_model_undo(model, 1, NULL));
            assert_int_equal(entry_at(model, 3).pairs, masked);
            assert_int_equal(dkvb_model_undo(model, 1, NULL), DKVB_ESTATE);
        }
        assert_int_equal(dkvb__mask_count(model->mask), 0);
        assert_int_equal(entry_at(model, 1).state, purge ? DKVB_JOURNAL_RELEARNED : DKVB_JOURNAL_UNDONE);
        assert_ok(dkvb_model_save(model, path));
        assert_ok(dkvb_model_load(&loaded, path, NULL));
        assert_int_equal(entry_at(loaded, 1).state, entry_at(model, 1).state);
        dkvb_model_free(loaded);
        dkvb_model_free(model);
    }
}

static void rows_that_were_forgotten_by_their_ids_are_ended_by_hand(void **state)
{
    static const uint64_t some[] = {5, 9};
    dkvb_model *model = trained_model(1, codes);
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    dkvb_mask *mask = mask_for_class(model, codes, 1, 3);
    uint64_t added;

    (void)state;
    o.rows = some;
    o.row_count = 2;
    assert_ok(dkvb_model_forget(model, mask, &o, NULL));
    assert_ok(train(model, 15, 0)); /* the journal entry names no class, so training on the class is not noticed */
    o.reason = "consent given";
    assert_ok(dkvb_model_relearn(model, 1, &o, &added));
    assert_int_equal(added, 2);
    assert_true(entry_at(model, 2).ends == 1 && entry_at(model, 1).state == DKVB_JOURNAL_RELEARNED);
    assert_string_equal(entry_at(model, 2).reason, "consent given");
    assert_int_equal(dkvb_journal_names_rows(model, 2, some, 2), 1);
    assert_int_equal(dkvb_model_relearn(model, 2, NULL, NULL), DKVB_ESTATE);
    assert_message("journal entry 2 forgets nothing");
    assert_int_equal(dkvb_model_relearn(model, 3, NULL, NULL), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_model_relearn(model, 0, NULL, NULL), DKVB_ENOTFOUND);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_int_equal(dkvb_model_relearn(model, 1, NULL, NULL), DKVB_ESTATE);
    assert_message("journal entry 1 was undone");
    assert_ok(dkvb_model_verify(model));
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void a_step_that_brings_a_class_back_did_nothing(void **state)
{
    dkvb_model *model = trained_model(1, codes), *other = trained_model(1, codes);
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    (void)state;
    for (int relearn = 0; relearn < 2; relearn++) {
        o.relearn = (uint32_t)relearn;
        forget(relearn ? other : model, 1, 1);
        assert_ok(dkvb_search(dkvb_model_codebooks(model), model->mask, rows, ROWS, 1, live, NULL, NULL));
        assert_ok(dkvb_model_train_begin(relearn ? other : model, &o));
        assert_ok(dkvb_model_train_step(relearn ? other : model, live, 1, labels_of(1), ROWS, NULL));
        assert_ok(dkvb_model_train_step(relearn ? other : model, live, 1, labels_of(4), ROWS, NULL));
        assert_int_equal(dkvb_model_train_step(relearn ? other : model, live, 1, labels_of(2), ROWS, NULL),
                         relearn ? DKVB_OK : DKVB_ESTATE);
        assert_ok(dkvb_model_train_end(relearn ? other : model, 1));
        assert_int_equal(journal_count(relearn ? other : model), 1 + relearn);
    }
    /* An aborted training ends no forget operation. */
    assert_ok(dkvb_model_train_begin(model, &o));
    assert_ok(dkvb_model_train_step(model, live, 1, labels_of(2), ROWS, NULL));
    assert_ok(dkvb_model_train_end(model, 0));
    assert_int_equal(journal_count(model), 1);
    assert_int_equal(entry_at(model, 1).state, DKVB_JOURNAL_ACTIVE);
    o.relearn = 2;
    assert_int_equal(dkvb_model_train_begin(model, &o), DKVB_EINVAL);
    assert_message("relearn is 2");
    dkvb_model_free(model);
    dkvb_model_free(other);
}

static void a_step_that_failed_ends_no_forgetting(void **state)
{
    const char *path = temp_path("m.dkvb");
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = trained_model(1, codes), *loaded;

    (void)state;
    forget(model, 1, 1);
    assert_ok(dkvb_model_save(model, path));
    o.allocator = &a;
    assert_ok(dkvb_model_load(&loaded, path, &o));
    assert_ok(dkvb_search(dkvb_model_codebooks(loaded), loaded->mask, rows, ROWS, 1, live, NULL, NULL));
    train.relearn = 1;
    assert_ok(dkvb_model_train_begin(loaded, &train));
    for (size_t later = 0; later < 3; later++) {
        mem.fail_at = mem.calls + later;
        assert_int_equal(dkvb_model_train_step(loaded, live, 1, labels_of(2), ROWS, NULL), DKVB_ENOMEM);
        mem.fail_at = SIZE_MAX;
    }
    assert_ok(dkvb_model_train_step(loaded, live, 1, labels_of(4), ROWS, NULL));
    assert_ok(dkvb_model_train_end(loaded, 1));
    assert_int_equal(journal_count(loaded), 1);
    dkvb_model_free(loaded);
    dkvb_model_free(model);
    assert_int_equal(mem.live, 0);
}

static void classes_that_came_later_are_free(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    int32_t later[ROWS];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    (void)state;
    forget(model, 1, 1);
    assert_ok(dkvb_model_add_classes(model, 2));
    for (size_t r = 0; r < ROWS; r++)
        later[r] = r % 2 ? CLASSES : CLASSES + 1;
    assert_ok(dkvb_search(dkvb_model_codebooks(model), model->mask, rows, ROWS, 1, live, NULL, NULL));
    assert_ok(dkvb_model_train(model, live, 1, later, ROWS, &o, NULL));
    assert_int_equal(train(model, 2, 0), DKVB_ESTATE);
    dkvb_model_free(model);
}

static void each_allocation_of_a_relearning_may_fail(void **state)
{
    (void)state;
    for (size_t fail_at = 0;; fail_at++) {
        const char *path = temp_path("m.dkvb");
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
        dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
        dkvb_model *model = trained_model(1, codes), *loaded;
        dkvb_status rc;

        for (int i = 0; i < 7; i++) /* adds so many entries that the journal's memory has to grow */
            forget(model, 1, 1);
        assert_ok(dkvb_model_save(model, path));
        dkvb_model_free(model);
        o.allocator = &a;
        assert_ok(dkvb_model_load(&loaded, path, &o));
        train.relearn = 1;
        assert_ok(dkvb_search(dkvb_model_codebooks(loaded), loaded->mask, rows, ROWS, 1, live, NULL, NULL));
        mem.fail_at = mem.calls + fail_at;
        rc = dkvb_model_train(loaded, live, 1, labels_of(2), ROWS, &train, NULL);
        mem.fail_at = SIZE_MAX;
        assert_int_equal(journal_count(loaded), rc ? 7 : 14);
        assert_ok(dkvb_model_verify(loaded));
        dkvb_model_free(loaded);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            return;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
}

/* Forges entries of relearning in a model file without the section "evidence", whose chain of hashes would detect every
 * change. */
static void forged_relearnings_are_refused(void **state)
{
    static const struct {
        size_t at; /* offset of the changed byte in the record of journal entry 4 */
        uint64_t bytes;
        const char *message;
    } forged[] = {
        {8, 0, "journal entry 4 ends an entry that is not there"},
        {8, 4, "journal entry 4 ends an entry that is not there"},
        {8, 2, "journal entry 4 ends an entry that was not in force"}, /* undone */
        {8, 3, "journal entry 4 ends an entry that was not in force"}, /* the undo */
        {24, 1, "journal entry 4 counts pairs"},
        {0, 6, "journal entry 4 is of an unknown kind"},
        {0, DKVB_JOURNAL_REPLAY, "journal entry 4 names an entry that it ends"},
    };
    const char *path = temp_path("forged.dkvb");
    dkvb_model *model = trained_model(1, codes), *m;
    size_t size, journal_size, start[5];
    unsigned char *data, *journal;

    (void)state;
    forget(model, 1, 1);
    forget(model, 2, 2);
    assert_ok(dkvb_model_undo(model, 2, NULL));
    assert_ok(train(model, 2, 1));
    start[1] = 8;
    for (size_t i = 1; i < 4; i++) {
        const struct dkvb__record *r = &model->journal.records[i - 1];

        start[i + 1] = start[i] + 48 + strlen(r->method) + strlen(r->reason) + (r->list ? 4 * r->pairs : 0);
    }
    assert_ok(dkvb_model_save(model, path));
    dkvb_model_free(model);
    data = read_file(path, &size);
    file_table_line(data, "evidence")[0] = 'E';
    journal = file_section(data, "journal", &journal_size);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        unsigned char *at = journal + start[4] + forged[i].at, was[8];

        memcpy(was, at, sizeof was);
        memcpy(at, &forged[i].bytes, sizeof was);
        seal_file(data);
        write_file(path, data, size);
        assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
        assert_message(forged[i].message);
        memcpy(at, was, sizeof was);
    }
    seal_file(data);
    write_file(path, data, size);
    assert_ok(dkvb_model_load(&m, path, NULL)); /* the unchanged file loads */
    dkvb_model_free(m);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forgotten_class_is_not_trained_on),
        cmocka_unit_test(what_a_purge_or_a_replay_forgot_is_not_trained_on_either),
        cmocka_unit_test(relearning_ends_the_forgetting_and_keeps_its_pairs_masked),
        cmocka_unit_test(what_is_over_can_be_undone_or_purged_but_not_repeated_or_ended_twice),
        cmocka_unit_test(rows_that_were_forgotten_by_their_ids_are_ended_by_hand),
        cmocka_unit_test(a_step_that_brings_a_class_back_did_nothing),
        cmocka_unit_test(a_step_that_failed_ends_no_forgetting),
        cmocka_unit_test(classes_that_came_later_are_free),
        cmocka_unit_test(forged_relearnings_are_refused),
        cmocka_unit_test(each_allocation_of_a_relearning_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
