#ifndef DKVB_UNLEARN_TERMS_H
#define DKVB_UNLEARN_TERMS_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

/* Terms of a journal entry: who was meant, within which limits, and what was measured. A record holds them as the very
 * bytes that its file has and its head hashes (docs/format.md, *terms*), so that there is one form of them to check. */

enum { DKVB__TERMS_SIZE = 88 }; /* the fixed part; classes and effects follow */

/* Give a record that is to be appended the terms of some options, checked; none if the options say nothing. */
dkvb_status dkvb__terms_take(struct dkvb__record *record, const dkvb_model *model, const dkvb_forget_options *o);

/* Size of terms by the counts in their fixed part, which is at `fixed`. */
size_t dkvb__terms_size(const unsigned char *fixed);

/* The reason why the terms of the entry at `index` cannot be, or NULL. The record has its bytes, of the right size. */
const char *dkvb__terms_fault(const dkvb_model *model, size_t index);

/* Find a class that a record asked for among those that are marked with 1; marks: [L]. False if there is none. */
bool dkvb__terms_find_class(const struct dkvb__record *record, const uint8_t *marks, uint32_t *label);

/* Fill in the members of a public entry that are about terms. */
void dkvb__terms_tell(const struct dkvb__record *record, dkvb_journal_entry *entry);

#endif
