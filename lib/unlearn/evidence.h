#ifndef DKVB_UNLEARN_EVIDENCE_H
#define DKVB_UNLEARN_EVIDENCE_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

/* Evidence in the journal: hashes that commit to rows and pairs, and a chain of hashes over the entries. docs/format.md
 * describes every byte that is hashed. */

/* True if a number is one of the strengths of forgetting DKVB_STRENGTH_…; the number 2 is not used. */
static inline bool dkvb__strength_known(uint32_t strength)
{
    return strength == DKVB_STRENGTH_NONE || strength == DKVB_STRENGTH_SUPPRESS || strength == DKVB_STRENGTH_EXACT;
}

/* Sets the strength, the salt and the commitment (hash) to rows of a journal record as the options ask, after checking
 * the options. If dkvb__evidence_take() fails, the caller must free the journal record with dkvb__record_clear(). */
dkvb_status dkvb__evidence_take(struct dkvb__record *record, const dkvb_forget_options *o, const dkvb_ranks *ranks,
                                const dkvb_allocator *mem);

/* Sets the hash with which a journal record commits to its list of pairs, with the salt of the record. */
void dkvb__evidence_commit_pairs(struct dkvb__record *record);

/* Computes the chain hash of the journal entry at `index` from the entry and from the hash of the entry before. */
void dkvb__evidence_chain(dkvb_model *model, size_t index);

/* Erases every salt (random bytes of the hashes) that the journal of a model keeps. */
void dkvb__evidence_drop_salts(dkvb_model *model);

/* Returns DKVB_EFORMAT unless every chain hash of the journal follows from its entry and from the hash before, salts
 * are present exactly where they are allowed, and lists of pairs match their commitments. */
dkvb_status dkvb__evidence_check(const dkvb_model *model);

/* Finds out whether the journal record at `index` commits to exactly the given rows, in any order. A journal record
 * whose salt is not stored never counts as committing to the given rows. Checking whether a journal record commits to
 * the given rows may fail with DKVB_ENOMEM. */
dkvb_status dkvb__record_names_rows(const dkvb_model *model, size_t index, const uint64_t *rows, size_t n, bool *names);

#endif
