#ifndef DKVB_UNLEARN_JOURNAL_H
#define DKVB_UNLEARN_JOURNAL_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

enum { DKVB__MAX_METHOD = 63, DKVB__MAX_REASON = 4095 };

/* Room for one more record, so that adding it cannot fail. */
dkvb_status dkvb__journal_reserve(dkvb_model *model);

/* Append a record and settle what it means for earlier ones; the journal takes over what it points to. The target of an
 * undo must be active. Returns the record's number. Room must be reserved. */
uint64_t dkvb__journal_append(dkvb_model *model, const struct dkvb__record *record);

/* Add the pairs of a record's list to a mask. */
void dkvb__record_add_to(const struct dkvb__record *record, dkvb_mask *mask);

/* The present, or SOURCE_DATE_EPOCH. */
int64_t dkvb__now(void);

/* DKVB_EFORMAT unless the mask in force is the union of the active records. */
dkvb_status dkvb__journal_check(const dkvb_model *model);

#endif
