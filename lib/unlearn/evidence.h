#ifndef DKVB_UNLEARN_EVIDENCE_H
#define DKVB_UNLEARN_EVIDENCE_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

/* Evidence in the journal: commitments to rows and pairs, and a chain of hashes. docs/format.md has every byte
 * that is hashed. */

/* Whether a number is one of DKVB_STRENGTH_…; 2 is not used. */
static inline bool dkvb__strength_known(uint32_t strength)
{
    return strength == DKVB_STRENGTH_NONE || strength == DKVB_STRENGTH_SUPPRESS || strength == DKVB_STRENGTH_EXACT;
}

/* Give a record its strength, and salt and commitment to rows, as the options say; checked. What it has when this
 * fails goes with dkvb__record_clear(). */
dkvb_status dkvb__evidence_take(struct dkvb__record *record, const dkvb_forget_options *o, const dkvb_allocator *mem);

/* Commit to the record's list of pairs, by the salt it has. */
void dkvb__evidence_commit_pairs(struct dkvb__record *record);

/* Chain the entry at `index` to the one before it. */
void dkvb__evidence_chain(dkvb_model *model, size_t index);

/* Overwrite every salt. */
void dkvb__evidence_drop_salts(dkvb_model *model);

/* DKVB_EFORMAT unless every head follows from its entry and the head before, salts are kept exactly where they may be,
 * and lists of pairs are those committed to. */
dkvb_status dkvb__evidence_check(const dkvb_model *model);

/* Whether the record at `index` commits to exactly these rows, in any order, and its salt is kept. DKVB_ENOMEM. */
dkvb_status dkvb__record_names_rows(const dkvb_model *model, size_t index, const uint64_t *rows, size_t n, bool *names);

#endif
