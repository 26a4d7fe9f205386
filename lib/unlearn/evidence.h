#ifndef DKVB_UNLEARN_EVIDENCE_H
#define DKVB_UNLEARN_EVIDENCE_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

/* Evidence in the journal: commitments to rows and pairs, and a chain of hashes. docs/format.md describes every byte
 * that is hashed. */

/* True if a number is one of DKVB_STRENGTH_…; 2 is not used. */
static inline bool dkvb__strength_known(uint32_t strength)
{
    return strength == DKVB_STRENGTH_NONE || strength == DKVB_STRENGTH_SUPPRESS || strength == DKVB_STRENGTH_EXACT;
}

/* Gives a record the strength, salt and commitment to rows that the options ask for; the function checks them. After a
 * failure dkvb__record_clear() removes what was set. */
dkvb_status dkvb__evidence_take(struct dkvb__record *record, const dkvb_forget_options *o, const dkvb_ranks *ranks,
                                const dkvb_allocator *mem);

/* Commits to the record's list of pairs, with the salt that the record has. */
void dkvb__evidence_commit_pairs(struct dkvb__record *record);

/* Chains the entry at `index` to the entry before it. */
void dkvb__evidence_chain(dkvb_model *model, size_t index);

/* Overwrites every salt of the journal. */
void dkvb__evidence_drop_salts(dkvb_model *model);

/* Returns DKVB_EFORMAT unless every head follows from its entry and the head before, salts are kept exactly where they
 * may be, and lists of pairs match their commitments. */
dkvb_status dkvb__evidence_check(const dkvb_model *model);

/* Tells whether the record at `index` commits to exactly these rows, in any order. The answer is false if its salt is
 * not kept. May return DKVB_ENOMEM. */
dkvb_status dkvb__record_names_rows(const dkvb_model *model, size_t index, const uint64_t *rows, size_t n, bool *names);

#endif
