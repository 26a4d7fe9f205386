#ifndef DKVB_UNLEARN_JOURNAL_H
#define DKVB_UNLEARN_JOURNAL_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

enum { DKVB__MAX_METHOD = 63, DKVB__MAX_REASON = 4095 };

/* A forgetting or a replay that is neither undone nor over. A purge leaves it in force for good. */
static inline bool dkvb__record_in_force(const struct dkvb__record *r)
{
    if (r->kind == DKVB_JOURNAL_FORGET)
        return r->state == DKVB_JOURNAL_ACTIVE || r->state == DKVB_JOURNAL_PURGED;
    return r->kind == DKVB_JOURNAL_REPLAY && r->state == DKVB_JOURNAL_DONE;
}

/* Whether the pairs of the entry at `index` are masked, neither undone nor purged: also where it is over. */
static inline bool dkvb__journal_masks(const struct dkvb__journal *j, size_t index)
{
    const struct dkvb__record *r = &j->records[index];

    return r->state == DKVB_JOURNAL_ACTIVE ||
           (r->kind == DKVB_JOURNAL_FORGET && r->state == DKVB_JOURNAL_RELEARNED && index >= j->settled);
}

/* Room for `more` records, so that adding them cannot fail. */
dkvb_status dkvb__journal_reserve(dkvb_model *model, size_t more);

/* A new entry in two steps. First all that may fail: read the options (NULL for the defaults: the kind's own word as
 * method, and no more), make a record of this kind and of the present, with salt and commitment to rows, and reserve
 * room for it. The model must be mutable. Then the caller adds numbers, target and list, and appends; or gives up, with
 * dkvb__record_clear(). */
dkvb_status dkvb__journal_prepare(dkvb_model *model, uint32_t kind, const dkvb_forget_options *given,
                                  struct dkvb__record *record);

/* Append a record, chain it to the one before, and settle what it means for earlier ones; the journal takes over what
 * it points to, and the caller's copy is erased. An undo ends an entry that has its list, a
 * relearning one in force. Returns the record's number.
 * Room must be reserved. */
uint64_t dkvb__journal_append(dkvb_model *model, struct dkvb__record *record);

/* Add the pairs of a record's list to a mask. */
void dkvb__record_add_to(const struct dkvb__record *record, dkvb_mask *mask);

/* DKVB_EFORMAT unless the mask in force is the union of the records' lists, and their evidence holds. */
dkvb_status dkvb__journal_check(const dkvb_model *model);

#endif
