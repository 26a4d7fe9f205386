/* Reads and writes the section "terms" of model files: for each journal entry that has terms, the forget request, its
 * limits on lost accuracy, and what was measured. */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "format/modelfile.h"
#include "unlearn/evidence.h"
#include "unlearn/terms.h"

/* number of bytes of a journal entry's number, which stands before the terms of the entry (what its request asked
 * for) */
enum { NUMBER_SIZE = 8 };

/* Reads the terms of one journal entry (what its request asked for). Journal entries come with ascending numbers: the
 * number of the entry read must be above *last, and becomes the new *last. */
static dkvb_status read_record(dkvb_model *m, struct dkvb__reader *bytes, uint64_t *last)
{
    const unsigned char *number = dkvb__take(bytes, NUMBER_SIZE);
    struct dkvb__reader from = *bytes;
    const unsigned char *terms = dkvb__take(bytes, DKVB__TERMS_SIZE);
    size_t size = number && terms ? dkvb__terms_size(terms) : 0, index;
    struct dkvb__record *r;
    const char *why;

    terms = size ? dkvb__take(&from, size) : NULL;
    if (!terms)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section terms is cut off after entry %llu", m->path,
                          (unsigned long long)*last);
    if (dkvb__read64(number) <= *last || dkvb__read64(number) > m->journal.count)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section terms has entry %llu after %llu, of a journal of %zu entries",
                          m->path, (unsigned long long)dkvb__read64(number), (unsigned long long)*last,
                          m->journal.count);
    *bytes = from;
    *last = dkvb__read64(number);
    index = (size_t)*last - 1;
    r = &m->journal.records[index];
    r->terms = dkvb__alloc(&m->mem, size, 1);
    if (!r->terms)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the terms of a journal entry");
    r->terms_size = size;
    memcpy(r->terms, terms, size);
    why = dkvb__terms_fault(m, index);
    return why ? dkvb__fail(DKVB_EFORMAT, "%.300s: journal entry %zu %s", m->path, index + 1, why) : DKVB_OK;
}

dkvb_status dkvb__terms_read(dkvb_model *m, struct dkvb__reader bytes)
{
    uint64_t last = 0;
    dkvb_status rc = DKVB_OK;

    /* writers leave the section "terms" (what forget requests asked for) out of a model file if it would be empty */
    if (bytes.left == 0)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section terms is empty", m->path);
    while (!rc && bytes.left > 0)
        rc = read_record(m, &bytes, &last);
    for (size_t i = 0; !rc && i < m->journal.count; i++)
        /* in a model file without the section "evidence" (hashes of facts about forgotten rows), the journal's chain of
         * hashes is computed from the journal entries alone */
        dkvb__evidence_chain(m, i);
    return rc;
}

size_t dkvb__terms_section_size(const struct dkvb__journal *j)
{
    size_t size = 0;

    for (size_t i = 0; i < j->count; i++)
        size += j->records[i].terms ? NUMBER_SIZE + j->records[i].terms_size : 0;
    return size;
}

void dkvb__terms_write(const struct dkvb__journal *j, unsigned char *to)
{
    for (size_t i = 0; i < j->count; i++) {
        const struct dkvb__record *r = &j->records[i];

        if (!r->terms)
            continue;
        dkvb__write64(to, i + 1);
        memcpy(to + NUMBER_SIZE, r->terms, r->terms_size);
        to += NUMBER_SIZE + r->terms_size;
    }
}
