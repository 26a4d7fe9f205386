/* Reads and writes the section "evidence" of model files: a record of hashes for each journal entry, in order. A model
 * file need not have the section "evidence" (hashes of facts about what journal entries forgot); an entry without a
 * record there enters the journal's chain of hashes without such facts. */
#include <string.h>

#include "base/bytes.h"
#include "base/status.h"
#include "format/modelfile.h"
#include "unlearn/evidence.h"

enum {
    RECORD_SIZE = 144,
    AT_STRENGTH = 4,
    AT_ROWS = 8,
    AT_SALT = 16,
    AT_ROWS_HASH = 48,
    AT_PAIRS_HASH = 80,
    AT_HEAD = 112,
};
enum { HAS_SALT = 1, HAS_ROWS = 2, HAS_PAIRS = 4, ALL_FLAGS = 7 };

static bool is_zero(const uint8_t bytes[32])
{
    static const uint8_t zeros[32];

    return memcmp(bytes, zeros, sizeof zeros) == 0;
}

/* Compares the evidence of a journal entry (hashes and a salt that commit to the forgotten rows) with the entry
 * itself. */
static const char *evidence_fault(const struct dkvb__record *r, const unsigned char *b)
{
    uint32_t flags = dkvb__read32(b);
    bool plain = r->kind == DKVB_JOURNAL_UNDO || r->kind == DKVB_JOURNAL_PURGE;

    if (flags > ALL_FLAGS || !dkvb__strength_known(r->strength))
        return "has evidence with fields this library does not know";
    if ((!r->salted && !is_zero(r->salt)) || (!r->commits_to_rows && !is_zero(r->rows_hash)) ||
        (!r->commits_to_pairs && !is_zero(r->pairs_hash)))
        return "has evidence where its flags say there is none";
    if (r->commits_to_rows != (r->rows > 0))
        return "counts rows without committing to them, or the reverse";
    if (r->commits_to_pairs && r->kind != DKVB_JOURNAL_FORGET)
        return "commits to pairs but is not a forgetting";
    if (plain && (flags || r->strength))
        return "has evidence of a forgetting or a replay, but is neither";
    return NULL;
}

static dkvb_status read_record(const dkvb_model *m, struct dkvb__reader *bytes, size_t index)
{
    struct dkvb__record *r = &m->journal.records[index];
    const unsigned char *b = dkvb__take(bytes, RECORD_SIZE);
    const char *why = "has evidence that is cut off";

    if (b) {
        r->salted = dkvb__read32(b) & HAS_SALT;
        r->commits_to_rows = dkvb__read32(b) & HAS_ROWS;
        r->commits_to_pairs = dkvb__read32(b) & HAS_PAIRS;
        r->strength = dkvb__read32(b + AT_STRENGTH);
        r->rows = dkvb__read64(b + AT_ROWS);
        memcpy(r->salt, b + AT_SALT, sizeof r->salt);
        memcpy(r->rows_hash, b + AT_ROWS_HASH, sizeof r->rows_hash);
        memcpy(r->pairs_hash, b + AT_PAIRS_HASH, sizeof r->pairs_hash);
        memcpy(r->head, b + AT_HEAD, sizeof r->head);
        why = evidence_fault(r, b);
    }
    if (why)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: journal entry %zu %s", m->path, index + 1, why);
    return DKVB_OK;
}

dkvb_status dkvb__evidence_read(dkvb_model *m, struct dkvb__reader bytes)
{
    const unsigned char *head = dkvb__take(&bytes, 8);
    uint64_t count = head ? dkvb__read64(head) : 0;
    dkvb_status rc = DKVB_OK;

    if (!head || count > m->journal.count)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section evidence does not go with a journal of %zu entries", m->path,
                          m->journal.count);
    for (size_t i = 0; !rc && i < count; i++)
        rc = read_record(m, &bytes, i);
    for (size_t i = (size_t)count; !rc && i < m->journal.count; i++)
        dkvb__evidence_chain(m, i);
    if (!rc && bytes.left > 0)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section evidence has %zu bytes too many", m->path, bytes.left);
    return rc;
}

size_t dkvb__evidence_size(const struct dkvb__journal *j)
{
    return 8 + j->count * RECORD_SIZE;
}

/* Writes the evidence of one journal entry (hashes and a salt) as a record, and returns the place of the next
 * record. */
static unsigned char *write_record(const struct dkvb__record *r, unsigned char *to)
{
    dkvb__write32(to, (r->salted ? HAS_SALT : 0u) | (r->commits_to_rows ? HAS_ROWS : 0u) |
                          (r->commits_to_pairs ? HAS_PAIRS : 0u));
    dkvb__write32(to + AT_STRENGTH, r->strength);
    dkvb__write64(to + AT_ROWS, r->rows);
    memcpy(to + AT_SALT, r->salt, sizeof r->salt);
    memcpy(to + AT_ROWS_HASH, r->rows_hash, sizeof r->rows_hash);
    memcpy(to + AT_PAIRS_HASH, r->pairs_hash, sizeof r->pairs_hash);
    memcpy(to + AT_HEAD, r->head, sizeof r->head);
    return to + RECORD_SIZE;
}

void dkvb__evidence_write(const struct dkvb__journal *j, unsigned char *to)
{
    dkvb__write64(to, j->count);
    to += 8;
    for (size_t i = 0; i < j->count; i++)
        to = write_record(&j->records[i], to);
}
