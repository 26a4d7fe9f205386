#ifndef DKVB_UNLEARN_JOURNAL_H
#define DKVB_UNLEARN_JOURNAL_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

enum { DKVB__MAX_METHOD = 63, DKVB__MAX_REASON = 4095 };

/* Room for one more record, so that adding it cannot fail. */
dkvb_status dkvb__journal_reserve(dkvb_model *model);

/* A new entry in two steps. First all that may fail: read the options (NULL for the defaults: the kind's own word as
 * method, and no more), make a record of this kind and of the present, with salt and commitment to rows, and reserve
 * room for it. The model must be mutable. Then the caller adds numbers, target and list, and appends; or gives up, with
 * dkvb__record_clear(). */
dkvb_status dkvb__journal_prepare(dkvb_model *model, uint32_t kind, const dkvb_forget_options *given,
                                  struct dkvb__record *record);

/* Append a record, chain it to the one before, and settle what it means for earlier ones; the journal takes over what
 * it points to, and the caller's copy is erased. The target of an undo must be active. Returns the record's number.
 * Room must be reserved. */
uint64_t dkvb__journal_append(dkvb_model *model, struct dkvb__record *record);

/* Add the pairs of a record's list to a mask. */
void dkvb__record_add_to(const struct dkvb__record *record, dkvb_mask *mask);

/* DKVB_EFORMAT unless the mask in force is the union of the active records, and their evidence holds. */
dkvb_status dkvb__journal_check(const dkvb_model *model);

#endif
