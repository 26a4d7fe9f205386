/* Tests of the journal as evidence: the hashes that commit entries to rows and pairs, the chain of entry hashes, and
 * what a purge leaves. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "bottleneck/model.h"
#include "unlearn/journal.h"

static uint16_t codes[ROWS * CODEBOOKS];
static const uint64_t forgotten[] = {7, 2, UINT64_MAX, 1000000, 3};
static const uint64_t others[] = {7, 2, UINT64_MAX, 1000000, 4};
enum { FORGOTTEN = 5, RECORD_SIZE = 144 };

static const uint8_t *salt_of(uint8_t entry)
{
    static uint8_t salt[32];

    for (uint8_t i = 0; i < 32; i++)
        salt[i] = (uint8_t)(entry * 37 + i * 11 + 1);
    return salt;
}

/* Returns options of a forget operation with all members set; the salt depends on the number of the next journal
 * entry. */
static dkvb_forget_options full_options(const dkvb_model *model)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;

    o.method = "activations";
    o.reason = "request 17";
    o.strength = DKVB_STRENGTH_SUPPRESS;
    o.budget = 20;
    o.rows = forgotten;
    o.row_count = FORGOTTEN;
    o.salt = salt_of((uint8_t)(journal_count(model) + 1));
    return o;
}

static uint64_t forget(dkvb_model *model, int32_t label, uint64_t pairs)
{
    dkvb_forget_options o = full_options(model);
    dkvb_mask *mask = mask_for_class(model, codes, label, pairs);
    uint64_t entry;

    assert_ok(dkvb_model_forget(model, mask, &o, &entry));
    dkvb_mask_free(mask);
    return entry;
}

static void replay(dkvb_model *model)
{
    dkvb_forget_options o = full_options(model);
    struct dkvb__record record;

    o.method = NULL;
    o.strength = DKVB_STRENGTH_EXACT;
    assert_ok(dkvb__journal_prepare(model, DKVB_JOURNAL_REPLAY, &o, &record));
    dkvb__journal_append(model, &record);
}

static dkvb_journal_entry entry_at(const dkvb_model *model, uint64_t number)
{
    dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

    assert_ok(dkvb_journal_get(model, number - 1, &e));
    return e;
}

/* Makes a model with seven journal entries: forget operation 1 is purged by entry 2, forget operation 3 is undone by
 * entry 4, 5 is a forget operation in force, 6 a replay, and 7 a forget operation without terms. */
static dkvb_model *eventful_model(void)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask;

    forget(model, 2, 30);
    assert_ok(dkvb_model_purge(model));
    forget(model, 1, 5);
    assert_ok(dkvb_model_undo(model, 3, NULL));
    forget(model, 1, 4);
    replay(model);
    mask = mask_for_class(model, codes, 0, 3);
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    dkvb_mask_free(mask);
    return model;
}

static void evidence_of_an_entry_is_told_and_comes_back_from_files(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model(), *loaded;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&loaded, path, NULL));
    for (uint64_t i = 1; i <= 7; i++) {
        dkvb_journal_entry made = entry_at(model, i), e = entry_at(loaded, i);
        bool said = i != 2 && i != 4 && i != 7;

        assert_string_equal(dkvb_name(DKVB_NAME_STRENGTH, e.strength), i == 6 ? "exact" : said ? "suppress" : "");
        assert_int_equal(e.budget, said ? 20 : 0);
        assert_true(e.rows == (said ? FORGOTTEN : 0) && e.has_commitment == said);
        assert_true(e.salted == (i > 2 && i != 4)); /* entry 7, too, has a salted hash of its pairs */
        assert_true(e.has_pairs_commitment == (e.kind == DKVB_JOURNAL_FORGET));
        assert_memory_equal(e.commitment, made.commitment, 32);
        assert_memory_equal(e.pairs_commitment, made.pairs_commitment, 32);
        assert_memory_equal(e.head, made.head, 32);
    }
    assert_ok(dkvb_model_verify(model));
    assert_string_equal(dkvb_name(DKVB_NAME_STRENGTH, DKVB_STRENGTH_SUPPRESS), "suppress");
    assert_string_equal(dkvb_name(DKVB_NAME_STRENGTH, 4), "unknown");
    dkvb_model_free(model);
    dkvb_model_free(loaded);
}

static void commitments_are_the_hashes_that_the_format_says(void **state)
{
    /* bytes that are hashed: the number of ids, then the ids ascending */
    static const uint64_t ascending[] = {5, 2, 3, 7, 1000000, UINT64_MAX};
    dkvb_model *model = trained_model(1, codes);
    struct dkvb__piece rows_pieces[] = {{salt_of(1), 32}, {"dkvb rows", 9}, {ascending, sizeof ascending}};
    struct dkvb__piece pairs_pieces[] = {{salt_of(1), 32}, {"dkvb pairs", 10}, {NULL, 8}, {NULL, 30 * 4}};
    uint64_t pairs = 30;
    uint8_t hash[32];

    (void)state;
    forget(model, 2, 30);
    dkvb__sha256(hash, rows_pieces, 3);
    assert_memory_equal(entry_at(model, 1).commitment, hash, 32);
    pairs_pieces[2].data = &pairs;
    pairs_pieces[3].data = model->journal.records[0].list;
    salt_of(1);
    dkvb__sha256(hash, pairs_pieces, 4);
    assert_memory_equal(entry_at(model, 1).pairs_commitment, hash, 32);
    dkvb_model_free(model);
}

static void rows_are_named_in_any_order_but_no_others(void **state)
{
    static const uint64_t ascending[] = {2, 3, 7, 1000000, UINT64_MAX}, twice[] = {2, 3, 7, 7, 3};
    dkvb_model *model = eventful_model();

    (void)state;
    assert_int_equal(dkvb_journal_names_rows(model, 5, forgotten, FORGOTTEN), 1);
    assert_int_equal(dkvb_journal_names_rows(model, 5, ascending, FORGOTTEN), 1);
    assert_int_equal(dkvb_journal_names_rows(model, 6, ascending, FORGOTTEN), 1);
    /* entry 3 is undone but not purged, so it still has its salt */
    assert_int_equal(dkvb_journal_names_rows(model, 3, ascending, FORGOTTEN), 1);
    assert_int_equal(dkvb_journal_names_rows(model, 5, others, FORGOTTEN), 0);
    assert_int_equal(dkvb_journal_names_rows(model, 5, twice, FORGOTTEN), 0);
    assert_int_equal(dkvb_journal_names_rows(model, 5, ascending, FORGOTTEN - 1), 0);
    assert_int_equal(dkvb_journal_names_rows(model, 5, NULL, 0), 0);
    assert_int_equal(dkvb_journal_names_rows(model, 7, NULL, 0), 0);
    for (uint64_t none = 0; none < 9; none += 2) /* entries 0 and 8 do not exist, and entries 2 and 4 have no rows */
        assert_int_equal(dkvb_journal_names_rows(model, none, forgotten, FORGOTTEN), none == 6);
    dkvb_model_free(model);
}

static void any_set_of_rows_is_the_same_in_any_order(void **state)
{
    enum { MANY = 3000 };
    static uint64_t ids[MANY], shuffled[MANY];
    static size_t order[MANY], scratch[MANY];
    dkvb_model *model = trained_model(1, codes);
    dkvb_forget_options o = full_options(model);
    struct dkvb__rng rng;
    dkvb_mask *mask;

    (void)state;
    dkvb__rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < MANY; i++) /* ids of which some differ only in low bytes, some only in high bytes */
        ids[i] = i == 0 ? 0 : ids[i - 1] + 1 + (i % 3 == 0 ? dkvb__rng_next(&rng) >> 12 : i % 300);
    dkvb__rng_choose(&rng, MANY, MANY, order, scratch);
    for (size_t i = 0; i < MANY; i++)
        shuffled[i] = ids[order[i]];
    o.rows = shuffled;
    o.row_count = MANY;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_model_forget(model, mask, &o, NULL));
    assert_int_equal(dkvb_journal_names_rows(model, 1, ids, MANY), 1);
    shuffled[1]++;
    assert_int_equal(dkvb_journal_names_rows(model, 1, shuffled, MANY), 0);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void a_commitment_is_worth_nothing_without_its_salt(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_forget_options o = full_options(model);
    dkvb_journal_entry e[2];
    dkvb_mask *mask;

    (void)state;
    o.salt = NULL;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_model_forget(model, mask, &o, NULL));
    assert_ok(dkvb_model_forget(model, mask, &o, NULL));
    for (uint64_t i = 0; i < 2; i++)
        e[i] = entry_at(model, i + 1);
    /* both entries are about the same rows, but have different salts */
    assert_memory_not_equal(e[0].commitment, e[1].commitment, 32);
    assert_memory_not_equal(e[0].pairs_commitment, e[1].pairs_commitment, 32);
    assert_int_equal(dkvb_journal_names_rows(model, 1, forgotten, FORGOTTEN), 1);
    assert_ok(dkvb_model_purge(model));
    assert_int_equal(dkvb_journal_names_rows(model, 1, forgotten, FORGOTTEN), 0);
    assert_memory_equal(entry_at(model, 1).commitment, e[0].commitment, 32);
    assert_int_equal(entry_at(model, 1).salted, 0);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static int occurs(const unsigned char *data, size_t data_size, const void *bytes, size_t size)
{
    for (size_t i = 0; i + size <= data_size; i++)
        if (memcmp(data + i, bytes, size) == 0)
            return 1;
    return 0;
}

static void purge_leaves_no_salt_in_the_saved_file(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model();
    uint8_t random_salt[32];

    (void)state;
    memcpy(random_salt, model->journal.records[6].salt, 32);
    for (int purged = 0; purged < 2; purged++) {
        unsigned char *data;
        size_t size;

        if (purged)
            assert_ok(dkvb_model_purge(model));
        assert_ok(dkvb_model_save(model, path));
        data = read_file(path, &size);
        for (uint8_t i = 3; i <= 6; i++)
            assert_int_equal(occurs(data, size, salt_of(i), 32), !purged && i != 4);
        assert_int_equal(occurs(data, size, random_salt, 32), !purged);
        assert_int_equal(occurs(data, size, salt_of(1), 8), 0); /* the salt of entry 1 was erased by the purge */
        free(data);
    }
    for (size_t i = 0; i < model->journal.count; i++)
        assert_int_equal(occurs(model->journal.records[i].salt, 32, (const uint8_t[32]){0}, 32), 1);
    assert_ok(dkvb_model_verify(model));
    dkvb_model_free(model);
}

static void a_replay_is_an_entry_that_leaves_masks_in_force(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    struct dkvb__record record;
    dkvb_journal_entry e;

    (void)state;
    forget(model, 1, 20);
    replay(model);
    e = entry_at(model, 2);
    assert_true(e.kind == DKVB_JOURNAL_REPLAY && e.state == DKVB_JOURNAL_DONE && e.pairs == 0 && e.ends == 0);
    assert_string_equal(e.method, "replay");
    assert_int_equal(entry_at(model, 1).state, DKVB_JOURNAL_ACTIVE);
    assert_int_equal(dkvb__mask_count(model->mask), 20);
    assert_int_equal(dkvb_model_undo(model, 2, NULL), DKVB_ESTATE);
    /* a prepared journal entry that is given up changes nothing */
    assert_ok(dkvb__journal_prepare(model, DKVB_JOURNAL_REPLAY, NULL, &record));
    dkvb__record_clear(&record, &model->mem);
    assert_int_equal(journal_count(model), 2);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_ok(dkvb_model_verify(model));
    dkvb_model_free(model);
}

static void a_head_is_found_for_as_long_as_the_journal_only_grows(void **state)
{
    dkvb_model *model = trained_model(1, codes), *other = trained_model(1, NULL);
    uint8_t heads[4][32], head[32];
    uint64_t entry;

    (void)state;
    dkvb_journal_head(model, heads[0]);
    dkvb_journal_head(other, head);
    assert_memory_equal(heads[0], head, 32); /* an empty journal on the same codebooks has the same head */
    forget(model, 1, 20);
    dkvb_journal_head(model, heads[1]);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    dkvb_journal_head(model, heads[2]);
    assert_ok(dkvb_model_purge(model));
    dkvb_journal_head(model, heads[3]);
    for (uint64_t i = 0; i < 4; i++) {
        assert_ok(dkvb_journal_find_head(model, heads[i], &entry));
        assert_int_equal(entry, i);
        assert_int_equal(dkvb_journal_find_head(other, heads[i], NULL), i == 0 ? DKVB_OK : DKVB_ENOTFOUND);
        heads[i][31] ^= 1;
        assert_int_equal(dkvb_journal_find_head(model, heads[i], &entry), DKVB_ENOTFOUND);
    }
    dkvb_model_free(model);
    dkvb_model_free(other);
}

static void verify_names_the_entry_that_was_changed(void **state)
{
    dkvb_model *model = eventful_model();

    (void)state;
    model->journal.records[2].time++;
    assert_int_equal(dkvb_model_verify(model), DKVB_EFORMAT);
    assert_message("journal entry 3");
    model->journal.records[2].time--;
    model->journal.records[4].terms[8]++;
    assert_int_equal(dkvb_model_verify(model), DKVB_EFORMAT);
    assert_message("journal entry 5");
    model->journal.records[4].terms[8]--;
    model->journal.records[6].salt[5]++;
    assert_int_equal(dkvb_model_verify(model), DKVB_EFORMAT);
    assert_message("journal entry 7 lists other pairs");
    model->journal.records[6].salt[5]--;
    assert_ok(dkvb_model_verify(model));
    dkvb_model_free(model);
}

static void what_cannot_be_evidence_is_refused_and_changes_nothing(void **state)
{
    static const uint64_t twice[] = {9, 4, 9}, twice_ascending[] = {4, 9, 9};
    dkvb_model *model = trained_model(1, codes);
    uint8_t before[32], after[32];
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    dkvb_journal_head(model, before);
    for (int wrong = 0; wrong < 4; wrong++) {
        static const char *const messages[] = {"strength: 2", "rows: NULL", "row 9 is named twice",
                                               "row 9 is named twice"};
        dkvb_forget_options o = full_options(model);

        if (wrong == 0)
            o.strength = 2; /* a number between the two strengths of forgetting */
        if (wrong == 1)
            o.rows = NULL;
        if (wrong >= 2) {
            o.rows = wrong == 2 ? twice : twice_ascending;
            o.row_count = 3;
        }
        assert_int_equal(dkvb_model_forget(model, mask, &o, NULL), DKVB_EINVAL);
        assert_message(messages[wrong]);
    }
    dkvb_journal_head(model, after);
    assert_memory_equal(before, after, 32);
    assert_int_equal(journal_count(model), 0);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void the_same_salts_give_the_same_bytes(void **state)
{
    const char *paths[] = {temp_path("a.dkvb"), temp_path("b.dkvb")};
    unsigned char *data[2];
    size_t size[2];

    (void)state;
    setenv("SOURCE_DATE_EPOCH", "5", 1);
    for (int i = 0; i < 2; i++) {
        dkvb_model *model = trained_model(1, codes);

        forget(model, 1, 20);
        replay(model);
        assert_ok(dkvb_model_save(model, paths[i]));
        data[i] = read_file(paths[i], &size[i]);
        dkvb_model_free(model);
    }
    unsetenv("SOURCE_DATE_EPOCH");
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    free(data[0]);
    free(data[1]);
}

/* Tests of the section "evidence" in model files. */

/* Returns true if a byte of the section "evidence" belongs to a salt that cannot be checked against the file, as the
 * salt hashes row ids only, or as an undo removed the list of hashed pairs. */
static bool is_free_salt(const dkvb_model *model, size_t at)
{
    size_t start = 8;

    for (size_t i = 0; i < model->journal.count; i++) {
        const struct dkvb__record *r = &model->journal.records[i];

        if (at >= start + 16 && at < start + 48)
            return r->salted && !r->list;
        start += RECORD_SIZE;
    }
    return false;
}

static void every_change_of_journal_terms_and_evidence_breaks_the_chain(void **state)
{
    static const char *const names[] = {"journal", "evidence", "terms"};
    const char *path = temp_path("m.dkvb"), *bad = temp_path("bad.dkvb");
    dkvb_model *model = eventful_model(), *m;
    unsigned char *data, *start;
    size_t size, named = 0, free_bytes = 0, tried = 0;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    data = read_file(path, &size);
    for (size_t s = 0; s < 3; s++) {
        size_t section_size;

        start = file_section(data, names[s], &section_size);
        for (size_t i = 0; i < section_size; i++)
            for (unsigned flip = 1; flip < 256; flip *= 8) {
                bool may_load = s == 1 && is_free_salt(model, i);
                dkvb_status rc;

                start[i] ^= (unsigned char)flip;
                seal_file(data);
                write_file(bad, data, size);
                start[i] ^= (unsigned char)flip;
                rc = map_model(&m, bad, NULL);
                tried++;
                free_bytes += may_load;
                assert_int_equal(rc, may_load ? DKVB_OK : DKVB_EFORMAT);
                named += !may_load && strstr(dkvb_last_error(), "journal entry ");
                dkvb_model_free(m);
            }
    }
    assert_int_equal(free_bytes, 2 * 32 * 3); /* bytes of the salts of entries 3 and 6 */
    /* other changes make texts, counts or sizes that cannot be read */
    assert_true(named > (tried - free_bytes) * 9 / 10);
    free(data);
    dkvb_model_free(model);
}

/* Cuts a model file so that only the first `kept` journal entries have evidence. (The section "evidence" is the last
 * one of the file.) */
static void cut_evidence(const char *path, size_t kept)
{
    size_t size, section_size = 8 + kept * RECORD_SIZE;
    unsigned char *data = read_file(path, &size), *start = file_section(data, "evidence", &(size_t){0});

    dkvb__write64(start, kept);
    dkvb__write64(file_table_line(data, "evidence") + 32, section_size);
    size = (size_t)(start - data) + section_size;
    dkvb__write64(data + 16, size);
    seal_file(data);
    write_file(path, data, size);
    free(data);
}

static void entries_without_evidence_are_chained_as_they_are(void **state)
{
    const char *path = temp_path("m.dkvb"), *again = temp_path("again.dkvb");
    dkvb_model *model = eventful_model(), *older, *newer;

    (void)state;
    for (size_t kept = 0; kept <= 7; kept++) {
        uint8_t heads[2][32];
        bool lost = false; /* true if the journal lost a list of pairs; entries of an undo or purge have none */

        assert_ok(dkvb_model_save(model, path));
        cut_evidence(path, kept);
        assert_ok(dkvb_model_load(&older, path, NULL));
        for (uint64_t i = 1; i <= 7; i++) {
            dkvb_journal_entry e = entry_at(older, i);

            lost = lost || (i > kept && e.kind != DKVB_JOURNAL_UNDO && e.kind != DKVB_JOURNAL_PURGE);
            assert_int_equal(e.rows, i <= kept ? entry_at(model, i).rows : 0);
            assert_int_equal(memcmp(e.head, entry_at(model, i).head, 32) == 0, !lost);
        }
        assert_ok(dkvb_model_verify(older));
        assert_ok(dkvb_model_save(older, again));
        assert_ok(dkvb_model_load(&newer, again, NULL));
        dkvb_journal_head(older, heads[0]);
        dkvb_journal_head(newer, heads[1]);
        assert_memory_equal(heads[0], heads[1], 32);
        dkvb_model_free(older);
        dkvb_model_free(newer);
    }
    dkvb_model_free(model);
}

static void more_evidence_than_entries_is_refused(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model(), *m;
    unsigned char *data, *start;
    size_t size;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    data = read_file(path, &size);
    start = file_section(data, "evidence", &(size_t){0});
    start[0]++;
    seal_file(data);
    write_file(path, data, size);
    assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
    assert_message("does not go with a journal of 7 entries");
    free(data);
    dkvb_model_free(model);
}

/* An attacker who can write the model file can forge the chain of hashes, but a file with a salt that a purge should
 * have erased is still refused. */
static void a_salt_behind_a_purge_is_refused(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model(), *m;

    (void)state;
    memcpy(model->journal.records[0].salt, salt_of(1), 32);
    model->journal.records[0].salted = true;
    assert_ok(dkvb_model_save(model, path));
    assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
    assert_message("journal entry 1 kept its salt in a purge");
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_of_an_entry_is_told_and_comes_back_from_files),
        cmocka_unit_test(commitments_are_the_hashes_that_the_format_says),
        cmocka_unit_test(rows_are_named_in_any_order_but_no_others),
        cmocka_unit_test(any_set_of_rows_is_the_same_in_any_order),
        cmocka_unit_test(a_commitment_is_worth_nothing_without_its_salt),
        cmocka_unit_test(purge_leaves_no_salt_in_the_saved_file),
        cmocka_unit_test(a_replay_is_an_entry_that_leaves_masks_in_force),
        cmocka_unit_test(a_head_is_found_for_as_long_as_the_journal_only_grows),
        cmocka_unit_test(verify_names_the_entry_that_was_changed),
        cmocka_unit_test(what_cannot_be_evidence_is_refused_and_changes_nothing),
        cmocka_unit_test(the_same_salts_give_the_same_bytes),
        cmocka_unit_test(every_change_of_journal_terms_and_evidence_breaks_the_chain),
        cmocka_unit_test(entries_without_evidence_are_chained_as_they_are),
        cmocka_unit_test(more_evidence_than_entries_is_refused),
        cmocka_unit_test(a_salt_behind_a_purge_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
