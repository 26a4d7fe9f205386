/*
 * The journal of a model only grows: undoing and relearning add entries of their own. The mask in force is the union of
 * the masks of all forgettings that were neither undone nor purged, so forget requests may be undone in any order. A
 * forgetting that a relearning ended keeps its pairs masked.
 */
#include "unlearn/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dkvb/choose.h"
#include "unlearn/evidence.h"
#include "unlearn/terms.h"

/* Returns the time of a new journal entry: the present time, or SOURCE_DATE_EPOCH. */
static int64_t now(void)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    char *end;
    long long fixed;

    /* The first character of SOURCE_DATE_EPOCH must be a digit, as strtoll would accept blanks and signs. */
    if (epoch && *epoch >= '0' && *epoch <= '9') {
        errno = 0;
        fixed = strtoll(epoch, &end, 10);
        if (errno == 0 && *end == '\0')
            return fixed;
    }
    fixed = (long long)time(NULL);
    /* The time of a journal entry is never negative: a clock before 1970 must not lead to a file that no reader
     * accepts. */
    return fixed > 0 ? fixed : 0;
}

dkvb_status dkvb__journal_reserve(dkvb_model *model, size_t more)
{
    struct dkvb__journal *j = &model->journal;
    size_t capacity = j->capacity ? j->capacity : 8;
    struct dkvb__record *records;

    if (more <= j->capacity - j->count)
        return DKVB_OK;
    while (capacity - j->count < more)
        capacity *= 2;
    records = dkvb__alloc(&model->mem, capacity, sizeof *records);
    if (!records)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the journal");
    if (j->count > 0)
        memcpy(records, j->records, j->count * sizeof *records);
    dkvb__free_erased(&model->mem, j->records);
    j->records = records;
    j->capacity = capacity;
    return DKVB_OK;
}

uint64_t dkvb__journal_append(dkvb_model *model, struct dkvb__record *record)
{
    struct dkvb__journal *j = &model->journal;
    struct dkvb__record *added = &j->records[j->count++];

    *added = *record;
    added->state = record->kind == DKVB_JOURNAL_FORGET ? DKVB_JOURNAL_ACTIVE : DKVB_JOURNAL_DONE;
    if (record->kind == DKVB_JOURNAL_UNDO)
        j->records[record->ends - 1].state = DKVB_JOURNAL_UNDONE;
    if (record->kind == DKVB_JOURNAL_RELEARN)
        j->records[record->ends - 1].state = DKVB_JOURNAL_RELEARNED;
    for (; record->kind == DKVB_JOURNAL_PURGE && j->settled < j->count; j->settled++)
        if (j->records[j->settled].state == DKVB_JOURNAL_ACTIVE)
            j->records[j->settled].state = DKVB_JOURNAL_PURGED;
    dkvb__evidence_chain(model, j->count - 1);
    /* The salt of the journal's hashes is erased from the caller's copy of the journal record once the record is
     * appended. */
    dkvb__erase(record, sizeof *record);
    return j->count;
}

void dkvb__record_add_to(const struct dkvb__record *record, dkvb_mask *mask)
{
    for (uint64_t i = 0; record->list && i < record->pairs; i++)
        dkvb__mask_set(mask, record->list[i] / mask->keys, record->list[i] % mask->keys);
}

/* Lists the key-value pairs that a mask hides, in ascending order of their numbers. NULL is returned if memory for the
 * list of a mask's pairs runs out. */
static uint32_t *list_pairs(const dkvb_mask *mask, uint64_t count, const dkvb_allocator *mem)
{
    uint32_t *list = dkvb__alloc(mem, (size_t)count, sizeof *list), *at = list;

    for (uint32_t c = 0; list && c < mask->codebooks; c++)
        for (uint32_t w = 0; w < mask->words; w++)
            for (uint64_t word = mask->bits[c * mask->words + w]; word; word &= word - 1)
                *at++ = c * mask->keys + 64 * w + (uint32_t)__builtin_ctzll(word);
    return list;
}

static dkvb_status check_options(const dkvb_forget_options *o)
{
    dkvb_status rc = DKVB_OK;

    if (o->method)
        rc = dkvb__check_text("method", o->method, DKVB__MAX_METHOD);
    if (!rc && o->reason)
        rc = dkvb__check_text("reason", o->reason, DKVB__MAX_REASON);
    return rc;
}

dkvb_status dkvb__journal_prepare(dkvb_model *model, uint32_t kind, const dkvb_forget_options *given,
                                  struct dkvb__record *record)
{
    static const char *const methods[] = {[DKVB_JOURNAL_FORGET] = "mask",
                                          [DKVB_JOURNAL_UNDO] = "undo",
                                          [DKVB_JOURNAL_PURGE] = "purge",
                                          [DKVB_JOURNAL_REPLAY] = "replay",
                                          [DKVB_JOURNAL_RELEARN] = "relearn"};
    const dkvb_ranks *ranks = &model->codebooks->ranks;
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    dkvb_status rc = dkvb__take_options(&o, sizeof o, given, "forget options");

    *record = (struct dkvb__record){.kind = kind, .time = now()};
    if (!rc)
        rc = dkvb__ranks_broadcast(ranks, &record->time, sizeof record->time);
    if (!rc)
        rc = check_options(&o);
    if (!rc)
        rc = dkvb__journal_reserve(model, 1);
    if (!rc) {
        record->method = dkvb__strdup(&model->mem, o.method ? o.method : methods[kind]);
        record->reason = dkvb__strdup(&model->mem, o.reason ? o.reason : "");
        if (!record->method || !record->reason)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a journal entry");
    }
    rc = dkvb__ranks_agree(ranks, rc);
    if (!rc)
        rc = dkvb__evidence_take(record, &o, ranks, &model->mem);
    if (!rc)
        rc = dkvb__terms_take(record, model, &o);
    rc = dkvb__ranks_agree(ranks, rc);
    if (rc)
        dkvb__record_clear(record, &model->mem);
    return rc;
}

/* Stores the list of the pairs of a mask in a journal record, and the hash that commits to the list. */
static dkvb_status take_pairs(struct dkvb__record *record, const dkvb_mask *mask, const dkvb_allocator *mem)
{
    record->pairs = dkvb__mask_count(mask);
    record->list = list_pairs(mask, record->pairs, mem);
    if (!record->list)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a list of pairs");
    dkvb__evidence_commit_pairs(record);
    return DKVB_OK;
}

dkvb_status dkvb_model_forget(dkvb_model *model, const dkvb_mask *mask, const dkvb_forget_options *opts,
                              uint64_t *entry)
{
    struct dkvb__record record;
    uint64_t before, id;
    dkvb_status rc;

    if ((rc = dkvb__model_need_mutable(model)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__mask_check(mask, model->codebooks)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__journal_prepare(model, DKVB_JOURNAL_FORGET, opts, &record)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__model_agree(model, take_pairs(&record, mask, &model->mem))) != DKVB_OK) {
        dkvb__record_clear(&record, &model->mem);
        return rc;
    }
    /* From this line on, adding an entry to the journal cannot fail. A journal record gets all its numbers before its
     * chain hash is computed, as the hash covers the numbers. */
    before = dkvb__mask_count(model->mask);
    dkvb__record_add_to(&record, model->mask);
    dkvb__drop_purged(model->mask, model->codebooks);
    record.pairs_new = dkvb__mask_count(model->mask) - before;
    id = dkvb__journal_append(model, &record);
    if (entry)
        *entry = id;
    return DKVB_OK;
}

/* Finds the journal record of a masking that a call to undo may take back, or fails with the reason why there is none.
 * A masking can be taken back only if its journal record still has the list of its masked pairs. */
static dkvb_status find_masking(const dkvb_model *model, uint64_t entry, struct dkvb__record **found)
{
    const struct dkvb__journal *j = &model->journal;
    uint32_t state;

    if (entry < 1 || entry > j->count)
        return dkvb__fail(DKVB_ENOTFOUND, "there is no journal entry %llu, the journal has %zu",
                          (unsigned long long)entry, j->count);
    state = j->records[entry - 1].state;
    if (!j->records[entry - 1].list)
        return dkvb__fail(DKVB_ESTATE, "journal entry %llu %s", (unsigned long long)entry,
                          j->records[entry - 1].kind != DKVB_JOURNAL_FORGET ? "is not a forgetting"
                          : state == DKVB_JOURNAL_UNDONE                    ? "was undone already"
                                                         : "was purged: its pairs are gone for good");
    *found = &j->records[entry - 1];
    return DKVB_OK;
}

/* Computes the mask that is the union of the lists of masked pairs of all journal records except one. */
static void unite_lists(const dkvb_model *model, dkvb_mask *mask, uint64_t except)
{
    const struct dkvb__journal *j = &model->journal;

    dkvb__mask_clear(mask);
    for (size_t i = 0; i < j->count; i++)
        if (i + 1 != except)
            dkvb__record_add_to(&j->records[i], mask);
    dkvb__drop_purged(mask, model->codebooks);
}

dkvb_status dkvb_model_undo(dkvb_model *model, uint64_t entry, uint64_t *undone)
{
    struct dkvb__record undo, *record;
    uint64_t before;
    dkvb_status rc;

    if ((rc = dkvb__model_need_mutable(model)) != DKVB_OK)
        return rc;
    for (size_t i = model->journal.count; entry == 0 && i > 0; i--)
        if (model->journal.records[i - 1].state == DKVB_JOURNAL_ACTIVE)
            entry = i;
    if (entry == 0)
        return dkvb__fail(DKVB_ENOTFOUND, "no forgetting is active, so there is nothing to undo");
    if ((rc = find_masking(model, entry, &record)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__journal_prepare(model, DKVB_JOURNAL_UNDO, NULL, &undo)) != DKVB_OK)
        return rc;
    /* The pointer to a journal record is set again after the new entry was prepared, as preparing may move all records
     * in memory. */
    record = &model->journal.records[entry - 1];
    before = dkvb__mask_count(model->mask);
    unite_lists(model, model->mask, entry);
    undo.ends = entry;
    undo.pairs = before - dkvb__mask_count(model->mask);
    dkvb__free_erased(&model->mem, record->list);
    record->list = NULL;
    dkvb__journal_append(model, &undo);
    if (undone)
        *undone = entry;
    return DKVB_OK;
}

dkvb_status dkvb_model_drop_forgotten_names(dkvb_model *model, uint32_t *dropped)
{
    const struct dkvb__journal *j = &model->journal;
    uint8_t *marks = dkvb__alloc(&model->mem, model->classes, 1);
    uint32_t count = 0;
    dkvb_status rc = marks ? dkvb__model_need_mutable(model)
                           : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", model->classes);

    rc = dkvb__model_agree(model, rc);
    for (size_t i = 0; !rc && i < j->count; i++) {
        if (!dkvb__record_in_force(&j->records[i]))
            continue;
        rc = dkvb__model_agree(model, dkvb_journal_get_terms(model, i + 1, marks, NULL));
        for (uint32_t l = 0; !rc && l < model->classes; l++)
            if (marks[l] == DKVB_FORGET && model->names[l]) {
                rc = dkvb_model_set_class_name(model, l, NULL);
                count++;
            }
    }
    dkvb__free(&model->mem, marks);
    if (!rc && dropped)
        *dropped = count;
    return rc;
}

dkvb_status dkvb_journal_get(const dkvb_model *model, uint64_t index, dkvb_journal_entry *entry)
{
    dkvb_journal_entry full = DKVB_JOURNAL_ENTRY_INIT;
    const struct dkvb__record *record;

    if (index >= model->journal.count)
        return dkvb__fail(DKVB_ENOTFOUND, "there is no journal entry at index %llu, the journal has %zu",
                          (unsigned long long)index, model->journal.count);
    record = &model->journal.records[index];
    full.id = index + 1;
    full.kind = record->kind;
    full.state = record->state;
    full.ends = record->ends;
    full.time = record->time;
    full.pairs = record->pairs;
    full.pairs_new = record->pairs_new;
    full.method = record->method;
    full.reason = record->reason;
    full.in_force = dkvb__record_in_force(record);
    full.strength = record->strength;
    dkvb__terms_tell(record, &full);
    full.rows = record->rows;
    full.has_commitment = record->commits_to_rows;
    memcpy(full.commitment, record->rows_hash, sizeof full.commitment);
    memcpy(full.head, record->head, sizeof full.head);
    full.salted = record->salted;
    full.unchecked = full.in_force && full.rows && !full.by_class && !full.salted;
    full.has_pairs_commitment = record->commits_to_pairs;
    memcpy(full.pairs_commitment, record->pairs_hash, sizeof full.pairs_commitment);
    return dkvb__give_info(entry, &full, sizeof full, "journal entry");
}

dkvb_status dkvb_journal_get_mask(const dkvb_model *model, uint64_t entry, dkvb_mask **out)
{
    struct dkvb__record *record = NULL;
    dkvb_status rc;

    *out = NULL;
    if (entry == 0)
        return dkvb__model_get_mask(model, out);
    rc = find_masking(model, entry, &record);
    if (!rc)
        rc = dkvb__mask_new(out, model->mask->birth, model->mask->codebooks, model->mask->keys, &model->mem);
    if (!rc)
        dkvb__record_add_to(record, *out);
    return rc;
}

dkvb_status dkvb__journal_check(const dkvb_model *model)
{
    dkvb_mask *expected;
    bool equal;
    dkvb_status rc = dkvb_mask_copy(&expected, model->mask);

    if (rc)
        return rc;
    unite_lists(model, expected, 0);
    equal = dkvb_mask_equal(expected, model->mask);
    dkvb_mask_free(expected);
    if (!equal)
        return dkvb__fail(DKVB_EFORMAT,
                          "the mask in force is not the union of the pairs that entries of the journal list");
    return dkvb__evidence_check(model);
}
