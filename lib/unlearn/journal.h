#ifndef DKVB_UNLEARN_JOURNAL_H
#define DKVB_UNLEARN_JOURNAL_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

enum { DKVB__MAX_METHOD = 63, DKVB__MAX_REASON = 4095 };

/* True for a journal entry of a forgetting or a replay that was neither undone nor ended by relearning. A purge leaves
 * a journal entry in force for ever, as a purged forgetting cannot be undone. */
static inline bool dkvb__record_in_force(const struct dkvb__record *r)
{
    if (r->kind == DKVB_JOURNAL_FORGET)
        return r->state == DKVB_JOURNAL_ACTIVE || r->state == DKVB_JOURNAL_PURGED;
    return r->kind == DKVB_JOURNAL_REPLAY && r->state == DKVB_JOURNAL_DONE;
}

/* True if the key-value pairs of the journal entry at `index` are masked because the entry's forgetting was neither
 * undone nor purged. The pairs that a forgetting masked stay masked even after relearning ends the forgetting. */
static inline bool dkvb__journal_masks(const struct dkvb__journal *j, size_t index)
{
    const struct dkvb__record *r = &j->records[index];

    return r->state == DKVB_JOURNAL_ACTIVE ||
           (r->kind == DKVB_JOURNAL_FORGET && r->state == DKVB_JOURNAL_RELEARNED && index >= j->settled);
}

/* Makes room in the journal for `more` records, so that adding as many records cannot fail. */
dkvb_status dkvb__journal_reserve(dkvb_model *model, size_t more);

/* A journal entry is created in two steps. The first step of creating a journal entry, dkvb__journal_prepare(), does
 * everything that may fail: it reads the options (NULL: the method is the name of the kind, and nothing else is set),
 * makes a record of the given kind with the present time, a salt and a commitment to rows, and reserves room for the
 * record. The model whose journal gets an entry must be mutable (not mapped read-only from a file). After
 * dkvb__journal_prepare() the caller fills in the record's numbers, target accuracy and list of pairs, and appends the
 * record, or gives up with dkvb__record_clear(). */
dkvb_status dkvb__journal_prepare(dkvb_model *model, uint32_t kind, const dkvb_forget_options *given,
                                  struct dkvb__record *record);

/* Appends a record to the journal, computes the record's chain hash from the entry before, and notes which earlier
 * entries the record undoes or ends. The record of an undo ends the forgetting of the journal entry with the same list
 * of pairs; the record of a relearning ends the forgetting of an entry in force. The journal becomes the owner of the
 * appended record's memory, and the caller's copy of the record is erased. Before a record is appended, room for it
 * must have been reserved in the journal. The function dkvb__journal_append() returns the number of the new journal
 * entry. */
uint64_t dkvb__journal_append(dkvb_model *model, struct dkvb__record *record);

/* Adds to a mask the key-value pairs in the list of a journal record. */
void dkvb__record_add_to(const struct dkvb__record *record, dkvb_mask *mask);

/* Returns DKVB_EFORMAT unless the mask in force is the union of the lists of pairs in the journal records, and the
 * hashes of all records are right. */
dkvb_status dkvb__journal_check(const dkvb_model *model);

#endif
