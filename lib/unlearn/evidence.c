/*
 * Evidence of journal entries: hashes that commit to rows and pairs, and the chain of hashes over the entries.
 * docs/format.md describes every byte that is hashed, so that anyone can compute the hashes again.
 */
#include "unlearn/evidence.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/entropy.h"
#include "base/sha256.h"
#include "base/sort.h"
#include "base/status.h"

/* Computes a hash of the journal, SHA-256(salt, domain, count, ids), where the domain is a text that tells what is
 * hashed; the ids ascend and take `size` bytes. The hashed text that is called domain differs for rows and for pairs,
 * so that a hash of rows never passes for a hash of pairs. */
static void commit(uint8_t hash[32], const uint8_t salt[32], const char *domain, uint64_t count, const void *ids,
                   size_t size)
{
    const struct dkvb__piece pieces[] = {{salt, 32}, {domain, strlen(domain)}, {&count, sizeof count}, {ids, size}};

    dkvb__sha256(hash, pieces, sizeof pieces / sizeof *pieces);
}

static void commit_to_pairs(uint8_t hash[32], const struct dkvb__record *record)
{
    commit(hash, record->salt, "dkvb pairs", record->pairs, record->list, (size_t)record->pairs * sizeof *record->list);
}

static bool ascends(const uint64_t *ids, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (ids[i] <= ids[i - 1])
            return false;
    return true;
}

/* Copies ids of rows into new memory and sorts the copy. NULL is returned if memory for the sorted copy of the ids runs
 * out. */
static uint64_t *sorted_copy(const uint64_t *ids, size_t n, const dkvb_allocator *mem)
{
    struct dkvb__keyed *items = dkvb__alloc(mem, n, sizeof *items), *scratch = dkvb__alloc(mem, n, sizeof *scratch);
    uint64_t *sorted = dkvb__alloc(mem, n, sizeof *sorted);

    if (items && scratch && sorted) {
        for (size_t i = 0; i < n; i++)
            items[i] = (struct dkvb__keyed){ids[i], i};
        dkvb__sort_keyed(items, scratch, n);
        for (size_t i = 0; i < n; i++)
            sorted[i] = items[i].key;
    } else {
        dkvb__free_erased(mem, sorted);
        sorted = NULL;
    }
    dkvb__free_erased(mem, items);
    dkvb__free_erased(mem, scratch);
    return sorted;
}

/* Computes the hash that commits to a set of rows, given in any order. DKVB_EINVAL says that the list of rows to commit
 * to names one row twice. */
static dkvb_status commit_to_rows(uint8_t hash[32], const uint8_t salt[32], const uint64_t *rows, size_t n,
                                  const dkvb_allocator *mem)
{
    uint64_t *sorted = NULL;

    if (!ascends(rows, n)) {
        sorted = sorted_copy(rows, n, mem);
        if (!sorted)
            return dkvb__fail(DKVB_ENOMEM, "out of memory to sort %zu rows", n);
        rows = sorted;
    }
    for (size_t i = 1; i < n; i++)
        if (rows[i] == rows[i - 1]) {
            dkvb_status rc = dkvb__fail(DKVB_EINVAL, "rows: row %llu is named twice", (unsigned long long)rows[i]);

            dkvb__free_erased(mem, sorted);
            return rc;
        }
    commit(hash, salt, "dkvb rows", n, rows, n * sizeof *rows);
    dkvb__free_erased(mem, sorted);
    return DKVB_OK;
}

static dkvb_status check_options(const dkvb_forget_options *o)
{
    if (!dkvb__strength_known(o->strength))
        return dkvb__fail(DKVB_EINVAL, "strength: %u found, it must be 0 (not said), 1 (suppress) or 3 (exact)",
                          o->strength);
    if (o->row_count > 0 && !o->rows)
        return dkvb__fail(DKVB_EINVAL, "rows: NULL found, row_count says that there are %llu",
                          (unsigned long long)o->row_count);
    if (o->row_count > SIZE_MAX / sizeof *o->rows)
        return dkvb__fail(DKVB_EINVAL, "rows: %llu do not fit in memory", (unsigned long long)o->row_count);
    return DKVB_OK;
}

/* Sets the salt of a journal record that will commit to rows or pairs: the given salt, or a random one. If ranks
 * (processes) share the model, all ranks use the random salt that rank 0 has drawn. */
static dkvb_status take_salt(struct dkvb__record *record, const uint8_t *given, const dkvb_ranks *ranks)
{
    dkvb_status rc;

    record->salted = true;
    if (given) {
        memcpy(record->salt, given, sizeof record->salt);
        return DKVB_OK;
    }
    rc = dkvb__ranks_agree(ranks, dkvb__entropy(record->salt, sizeof record->salt));
    return rc ? rc : dkvb__ranks_broadcast(ranks, record->salt, sizeof record->salt);
}

dkvb_status dkvb__evidence_take(struct dkvb__record *record, const dkvb_forget_options *o, const dkvb_ranks *ranks,
                                const dkvb_allocator *mem)
{
    dkvb_status rc = check_options(o);

    if (!rc && (record->kind == DKVB_JOURNAL_FORGET || o->row_count > 0))
        rc = take_salt(record, o->salt, ranks);
    if (!rc && o->row_count > 0)
        rc = commit_to_rows(record->rows_hash, record->salt, o->rows, (size_t)o->row_count, mem);
    record->strength = o->strength;
    record->rows = o->row_count;
    record->commits_to_rows = o->row_count > 0;
    return rc;
}

void dkvb__evidence_commit_pairs(struct dkvb__record *record)
{
    commit_to_pairs(record->pairs_hash, record);
    record->commits_to_pairs = true;
}

/* number of bytes of the fixed part of a journal entry that its chain hash covers; docs/format.md, *The chain* */
enum { HASHED_SIZE = 136 };

static void write_hashed(const struct dkvb__record *r, uint64_t number, uint8_t *to)
{
    dkvb__write64(to, number);
    dkvb__write32(to + 8, r->kind);
    dkvb__write32(to + 12, r->strength);
    dkvb__write64(to + 16, r->ends);
    dkvb__write64(to + 24, (uint64_t)r->time);
    dkvb__write64(to + 32, r->pairs);
    dkvb__write64(to + 40, r->pairs_new);
    dkvb__write64(to + 48, r->rows);
    dkvb__write32(to + 56, (r->commits_to_rows ? 2u : 0u) | (r->commits_to_pairs ? 4u : 0u));
    dkvb__write32(to + 60, 0);
    dkvb__write16(to + 64, (uint16_t)strlen(r->method));
    dkvb__write16(to + 66, (uint16_t)strlen(r->reason));
    dkvb__write32(to + 68, (uint32_t)r->terms_size);
    memcpy(to + 72, r->rows_hash, 32);
    memcpy(to + 104, r->pairs_hash, 32);
}

/* Computes the chain hash with which a journal without entries begins. */
static void first_head(uint8_t head[32], const dkvb_model *model)
{
    const struct dkvb__piece pieces[] = {{"dkvb journal", 12}, {model->codebooks->birth, 16}};

    dkvb__sha256(head, pieces, sizeof pieces / sizeof *pieces);
}

/* Computes the chain hash of the journal entry at `index` from the chain hash of the entry before. */
static void head_of(uint8_t head[32], const dkvb_model *model, size_t index)
{
    const struct dkvb__record *r = &model->journal.records[index];
    uint8_t before[32], fixed[HASHED_SIZE];
    const struct dkvb__piece pieces[] = {{before, sizeof before},
                                         {fixed, sizeof fixed},
                                         {r->method, strlen(r->method)},
                                         {r->reason, strlen(r->reason)},
                                         {r->terms, r->terms_size}};

    if (index > 0)
        memcpy(before, r[-1].head, sizeof before);
    else
        first_head(before, model);
    write_hashed(r, index + 1, fixed);
    dkvb__sha256(head, pieces, sizeof pieces / sizeof *pieces);
}

void dkvb__evidence_chain(dkvb_model *model, size_t index)
{
    head_of(model->journal.records[index].head, model, index);
}

void dkvb__evidence_drop_salts(dkvb_model *model)
{
    for (size_t i = 0; i < model->journal.count; i++) {
        struct dkvb__record *record = &model->journal.records[i];

        dkvb__erase(record->salt, sizeof record->salt);
        record->salted = false;
    }
}

/* Describes the fault in the evidence (hashes) of one journal entry, supposing that the chain hash of the entry before
 * is right; NULL if there is no fault. */
static const char *fault(const dkvb_model *model, size_t index)
{
    const struct dkvb__record *r = &model->journal.records[index];
    bool purged = index < model->journal.settled, commits = r->commits_to_rows || r->commits_to_pairs;
    uint8_t hash[32];

    head_of(hash, model, index);
    if (memcmp(hash, r->head, sizeof hash) != 0)
        return "is not what its head in the chain was made of";
    if (r->salted != (commits && !purged))
        return purged ? "kept its salt in a purge" : "commits to something, but its salt is not as it must be";
    if (!r->list || !r->salted || !r->commits_to_pairs)
        return NULL;
    commit_to_pairs(hash, r);
    return memcmp(hash, r->pairs_hash, sizeof hash) == 0 ? NULL : "lists other pairs than those it commits to";
}

dkvb_status dkvb__evidence_check(const dkvb_model *model)
{
    const char *path = model->path ? model->path : "model", *why;

    for (size_t i = 0; i < model->journal.count; i++)
        if ((why = fault(model, i)) != NULL)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: journal entry %zu %s", path, i + 1, why);
    return DKVB_OK;
}

dkvb_status dkvb__record_names_rows(const dkvb_model *model, size_t index, const uint64_t *rows, size_t n, bool *names)
{
    const struct dkvb__record *r = &model->journal.records[index];
    uint8_t hash[32];
    dkvb_status rc;

    *names = false;
    if (!r->commits_to_rows || !r->salted || r->rows != n)
        return DKVB_OK;
    rc = commit_to_rows(hash, r->salt, rows, n, &model->mem);
    *names = !rc && memcmp(hash, r->rows_hash, sizeof hash) == 0;
    return rc;
}

int dkvb_journal_names_rows(const dkvb_model *model, uint64_t entry, const uint64_t *rows, size_t n)
{
    bool names = false;

    if (entry < 1 || entry > model->journal.count)
        return 0;
    return dkvb__record_names_rows(model, (size_t)entry - 1, rows, n, &names) == DKVB_OK && names;
}

void dkvb_journal_head(const dkvb_model *model, uint8_t *head)
{
    const struct dkvb__journal *j = &model->journal;

    if (j->count > 0)
        memcpy(head, j->records[j->count - 1].head, 32);
    else
        first_head(head, model);
}

dkvb_status dkvb_journal_find_head(const dkvb_model *model, const uint8_t *head, uint64_t *entry)
{
    const struct dkvb__journal *j = &model->journal;
    uint8_t first[32];
    size_t found = j->count;

    while (found > 0 && memcmp(j->records[found - 1].head, head, sizeof first) != 0)
        found--;
    first_head(first, model);
    if (found == 0 && memcmp(first, head, sizeof first) != 0)
        return dkvb__fail(DKVB_ENOTFOUND, "none of %zu journal entries has this head: the journal has not only grown",
                          j->count);
    if (entry)
        *entry = found;
    return DKVB_OK;
}
