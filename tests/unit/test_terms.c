/* Tests of the terms in journal entries: the classes to forget, the limits on lost accuracy, and the measured
 * effects. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bottleneck/model.h"
#include "unlearn/effect.h"

static uint16_t codes[ROWS * CODEBOOKS];

static const uint8_t asked[CLASSES] = {DKVB_KEEP, DKVB_FORGET, DKVB_ASIDE, DKVB_FORGET};
static const dkvb_class_effect measured[CLASSES] = {
    {.rows = 9, .right_before = 8, .right_after = 7, .lost = 2, .gained = 1},
    {.rows = 6, .right_before = 6, .lost = 6},
    {0},
    {.rows = 5},
};

/* Returns options of a forget operation with every member set, except `again` and `after`, which the caller sets. */
static dkvb_forget_options full_options(void)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;

    o.strength = DKVB_STRENGTH_SUPPRESS;
    o.forced = 1;
    o.classes = asked;
    o.effects = measured;
    o.budget = 20;
    o.found = 1;
    o.keys = DKVB_KEYS_PLACED;
    o.target = 0.25;
    o.max_retain_drop = 0.5;
    o.max_class_loss = 1.0;
    return o;
}

/* Adds a journal entry that masks one pair. */
static dkvb_status forget(dkvb_model *model, const dkvb_forget_options *o)
{
    dkvb_mask *mask;
    dkvb_status rc;

    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_mask_set(mask, 0, (uint32_t)journal_count(model), 1));
    rc = dkvb_model_forget(model, mask, o, NULL);
    dkvb_mask_free(mask);
    return rc;
}

static dkvb_journal_entry entry_at(const dkvb_model *model, uint64_t number)
{
    dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

    assert_ok(dkvb_journal_get(model, number - 1, &e));
    return e;
}

/* Asserts that a journal entry still has the terms of full_options(), whatever happened since. */
static void assert_full(const dkvb_model *model, uint64_t number, uint64_t again, const uint8_t *after)
{
    dkvb_journal_entry e = entry_at(model, number);
    dkvb_class_effect effects[CLASSES + 3], expected[CLASSES] = {{0}};
    uint8_t marks[CLASSES + 3];

    memset(effects, 0xA5, sizeof effects);
    memset(marks, 0xA5, sizeof marks);
    assert_true(e.by_class == 1 && e.measured == 1 && e.forced == 1 && e.found == 1 && e.keys == DKVB_KEYS_PLACED);
    assert_true(e.budget == 20 && e.again == again);
    assert_true(e.target == 0.25 && e.max_retain_drop == 0.5 && e.max_class_loss == 1.0);
    assert_int_equal(e.has_after, after != NULL);
    assert_memory_equal(e.after, after ? after : (const uint8_t[32]){0}, 32);
    assert_ok(dkvb_journal_get_terms(model, number, marks, NULL));
    assert_ok(dkvb_journal_get_terms(model, number, NULL, effects));
    for (uint32_t l = 0; l < CLASSES; l++) {
        dkvb__effect_add(&expected[l], &measured[l]);
        assert_int_equal(marks[l], asked[l] == DKVB_FORGET ? DKVB_FORGET : DKVB_KEEP);
        if (measured[l].rows == 0)
            memset(&expected[l], 0, sizeof expected[l]);
        assert_memory_equal(&effects[l], &expected[l], sizeof expected[l]);
    }
    for (uint32_t l = CLASSES; l < model->classes; l++) /* classes added later have no terms */
        assert_true(marks[l] == DKVB_KEEP && effects[l].rows == 0);
}

static void terms_outlive_files_new_classes_undo_and_purge(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = trained_model(1, codes), *loaded;
    dkvb_forget_options o = full_options();
    uint8_t head[32];

    (void)state;
    dkvb_journal_head(model, head);
    assert_ok(forget(model, &o));
    o.again = 1;
    o.after = head;
    assert_ok(forget(model, &o));
    assert_full(model, 1, 0, NULL);
    assert_full(model, 2, 1, head);
    assert_ok(dkvb_model_add_classes(model, 3));
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_verify(model));
    for (int times = 0; times < 2; times++) {
        assert_full(model, 1, 0, NULL);
        assert_full(model, 2, 1, head);
        assert_ok(dkvb_model_save(model, path));
        dkvb_model_free(model);
        assert_ok(times ? dkvb_model_load(&loaded, path, NULL) : map_model(&loaded, path, NULL));
        model = loaded;
    }
    for (uint64_t i = 3; i <= 4; i++) { /* the journal entries of the undo and the purge have no terms */
        uint8_t marks[CLASSES + 3];

        assert_true(!entry_at(model, i).by_class && !entry_at(model, i).measured);
        assert_ok(dkvb_journal_get_terms(model, i, marks, NULL));
        for (uint32_t l = 0; l < CLASSES + 3; l++)
            assert_int_equal(marks[l], DKVB_KEEP);
    }
    assert_int_equal(dkvb_journal_get_terms(model, 0, NULL, NULL), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_journal_get_terms(model, 5, NULL, NULL), DKVB_ENOTFOUND);
    dkvb_model_free(model);
}

static void entries_that_say_nothing_have_no_terms(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = trained_model(1, codes);
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    unsigned char *data;
    size_t size;

    (void)state;
    /* `target` is not read, as no budget was searched for */
    o.target = 0.5;
    o.max_class_loss = -0.0;                                     /* -0 as a limit is stored as 0 */
    o.effects = (const dkvb_class_effect[CLASSES]){{.rows = 0}}; /* effects on classes without rows */
    assert_ok(forget(model, &o));
    assert_ok(forget(model, NULL));
    for (size_t i = 0; i < 2; i++)
        assert_null(model->journal.records[i].terms);
    assert_true(entry_at(model, 1).target == 0.0);
    assert_ok(dkvb_model_save(model, path));
    data = read_file(path, &size);
    for (size_t i = 0; i < dkvb__read32(data + 24); i++)
        assert_string_not_equal((const char *)data + 64 + 64 * i, "terms");
    free(data);
    dkvb_model_free(model);
}

static void terms_that_cannot_be_are_refused_and_change_nothing(void **state)
{
    static const uint8_t nobody[CLASSES] = {DKVB_ASIDE};
    static const struct {
        const char *message;
        uint32_t forced, found, keys;
        double target, retain_drop, class_loss;
        uint64_t again;
        const uint8_t *classes;
        dkvb_class_effect effect; /* the stored effect on class 0 */
    } wrong[] = {
        {"forced: 2 found", .forced = 2},
        {"found: 2 found", .found = 2},
        {"keys: 3 found", .keys = 3},
        {"target: -0.1 found", .found = 1, .target = -0.1},
        {"max_retain_drop: 1.5 found", .retain_drop = 1.5},
        {"max_class_loss: nan found", .class_loss = (double)NAN},
        {"again: there is no journal entry 3", .again = 3},
        {"again: journal entry 2 is not a forgetting", .again = 2},
        {"again: journal entry 1 was undone", .again = 1},
        {"classes: none of 4 is marked 1", .classes = nobody},
        {"of 1 rows, 2 right before", .effect = {.rows = 1, .right_before = 2, .right_after = 2}},
        {"of 2 rows, 1 right before, 2 after, 0 lost", .effect = {.rows = 2, .right_before = 1, .right_after = 2}},
        {"1 right before, 0 after, 2 lost", .effect = {.rows = 2, .right_before = 1, .lost = 2}},
        {"3 after, 0 lost, 2 gained", .effect = {.rows = 2, .right_before = 1, .right_after = 3, .gained = 2}},
    };
    dkvb_model *model = trained_model(1, codes);
    uint8_t before[32], after[32];

    (void)state;
    assert_ok(forget(model, NULL));
    assert_ok(dkvb_model_undo(model, 1, NULL));
    dkvb_journal_head(model, before);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        dkvb_class_effect effects[CLASSES] = {wrong[i].effect};
        dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;

        o.forced = wrong[i].forced;
        o.found = wrong[i].found;
        o.keys = wrong[i].keys;
        o.target = wrong[i].target;
        o.max_retain_drop = wrong[i].retain_drop;
        o.max_class_loss = wrong[i].class_loss;
        o.again = wrong[i].again;
        o.classes = wrong[i].classes;
        o.effects = effects;
        assert_int_equal(forget(model, &o), DKVB_EINVAL);
        assert_message(wrong[i].message);
    }
    dkvb_journal_head(model, after);
    assert_memory_equal(before, after, 32);
    assert_int_equal(journal_count(model), 2);
    dkvb_model_free(model);
}

static void every_class_of_a_thousand_is_kept(void **state)
{
    enum { MANY = 1000 };
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = trained_model(1, codes), *loaded;
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    uint8_t marks[MANY], read[MANY];

    (void)state;
    assert_ok(dkvb_model_add_classes(model, MANY - CLASSES));
    for (size_t l = 0; l < MANY; l++)
        marks[l] = l % 3 == 1 ? DKVB_FORGET : DKVB_KEEP;
    o.classes = marks;
    assert_ok(forget(model, &o));
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&loaded, path, NULL));
    assert_ok(dkvb_journal_get_terms(loaded, 1, read, NULL));
    assert_memory_equal(read, marks, MANY);
    dkvb_model_free(model);
    dkvb_model_free(loaded);
}

/* Makes a model file without the section "evidence", whose chain of hashes would detect every change, so that the
 * section "terms" must be checked by itself. */
static unsigned char *file_without_chain(const char *path, size_t *size)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_forget_options o = full_options();
    unsigned char *data;

    assert_ok(forget(model, &o));
    assert_ok(dkvb_model_undo(model, 1, NULL));
    o.again = 1;
    o.classes = NULL;
    o.found = 0;
    assert_int_equal(forget(model, &o), DKVB_EINVAL); /* undone */
    o = (dkvb_forget_options)DKVB_FORGET_OPTIONS_INIT;
    o.budget = 1; /* the terms have only this member */
    assert_ok(forget(model, &o));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_save(model, path));
    dkvb_model_free(model);
    data = read_file(path, size);
    file_table_line(data, "evidence")[0] = 'E';
    seal_file(data);
    return data;
}

static void forged_terms_are_refused_or_kept_as_they_are(void **state)
{
    const char *path = temp_path("forged.dkvb"), *again = temp_path("again.dkvb");
    size_t size, terms_size, refused = 0, kept = 0;
    unsigned char *data = file_without_chain(path, &size), *terms = file_section(data, "terms", &terms_size);

    (void)state;
    for (size_t i = 0; i < terms_size; i++)
        for (unsigned flip = 1; flip < 256; flip *= 2) {
            dkvb_model *m;
            dkvb_status rc;

            terms[i] ^= (unsigned char)flip;
            seal_file(data);
            write_file(path, data, size);
            rc = dkvb_model_load(&m, path, NULL);
            if (rc == DKVB_OK) {
                size_t saved_size, saved_terms;
                unsigned char *saved;

                assert_ok(dkvb_model_save(m, again));
                saved = read_file(again, &saved_size);
                assert_memory_equal(file_section(saved, "terms", &saved_terms), terms, terms_size);
                assert_int_equal(saved_terms, terms_size);
                free(saved);
                dkvb_model_free(m);
                kept++;
            } else {
                assert_int_equal(rc, DKVB_EFORMAT);
                refused++;
            }
            terms[i] ^= (unsigned char)flip;
        }
    assert_true(refused > 1000 && kept > 100); /* changed bits of budgets, limits and counts can be valid */
    free(data);
}

/* Overwrites bytes of the section "terms", and checks the error message of loading. */
static void forged_terms_name_the_entry_and_the_fault(void **state)
{
    static const struct {
        size_t at, size;
        uint64_t bytes;
        const char *message;
    } forged[] = {
        {0, 8, 5, "has entry 5 after 0, of a journal of 4"},
        {0, 8, 4, "journal entry 4 has terms but is an undo or a purge"},
        {0, 8, 3, "has entry 3 after 3"},
        {0, 8, 2, "journal entry 2 has terms but is an undo"},
        {8, 4, 8, "journal entry 1 has terms with fields"},
        {12, 4, 3, "journal entry 1 has terms with fields"},
        {8, 4, 1, "journal entry 1 has limits"},                   /* a target without a searched budget */
        {24, 8, 0x3FF0000000000001, "journal entry 1 has limits"}, /* a limit above 1 */
        {32, 8, 0x8000000000000000, "journal entry 1 has limits"}, /* -0 */
        {40, 8, 0x7FF8000000000000, "journal entry 1 has limits"}, /* NaN */
        {48, 8, 1, "journal entry 1 repeats"},                     /* itself */
        {56, 8, 1, "journal entry 1 has terms with fields"},       /* the head of an older journal without its flag */
        {88, 4, 0xFFFFFFFF, "is cut off after entry 0"},
        {92, 4, 0xFFFFFFFF, "is cut off after entry 0"},
        {100, 4, CLASSES, "journal entry 1 names classes"},
        {100, 4, 1, "journal entry 1 names classes"}, /* twice */
        {104, 4, 1, "journal entry 1 names classes"}, /* the list of effects names a class twice */
        {236 + 16, 8, 0, "journal entry 3 has terms that say nothing"},
        {196, 8, 0, "journal entry 1 has an effect"},
        {108, 8, 7, "journal entry 1 has an effect"}, /* an effect with fewer rows than correctly classified ones */
    };
    const char *path = temp_path("forged.dkvb");
    size_t size, terms_size;
    unsigned char *data = file_without_chain(path, &size), *terms = file_section(data, "terms", &terms_size);

    (void)state;
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        unsigned char was[8];
        dkvb_model *m;

        memcpy(was, terms + forged[i].at, sizeof was);
        memcpy(terms + forged[i].at, &forged[i].bytes, forged[i].size);
        seal_file(data);
        write_file(path, data, size);
        assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
        assert_message(forged[i].message);
        memcpy(terms + forged[i].at, was, sizeof was);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_outlive_files_new_classes_undo_and_purge),
        cmocka_unit_test(entries_that_say_nothing_have_no_terms),
        cmocka_unit_test(terms_that_cannot_be_are_refused_and_change_nothing),
        cmocka_unit_test(every_class_of_a_thousand_is_kept),
        cmocka_unit_test(forged_terms_are_refused_or_kept_as_they_are),
        cmocka_unit_test(forged_terms_name_the_entry_and_the_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
