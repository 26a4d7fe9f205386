#ifndef DKVB_UNLEARN_TERMS_H
#define DKVB_UNLEARN_TERMS_H

#include "bottleneck/model.h"
#include "dkvb/unlearn.h"

/* Terms of a journal entry: the classes or rows that a forget request named, its limits, and what was measured. A
 * journal record in memory holds the terms of its forget request as the same bytes as the model file, so that terms are
 * checked in one form only; the hash of the journal entry covers these bytes (docs/format.md, *terms*). */

/* Number of bytes of the fixed part of the terms (the forget request) in a journal entry; lists of classes and effects
 * follow. */
enum { DKVB__TERMS_SIZE = 88 };

/* Sets the terms (what the forget request asked for) of a journal record that will be appended, from options, which are
 * checked; the record gets no terms if the options have none. */
dkvb_status dkvb__terms_take(struct dkvb__record *record, const dkvb_model *model, const dkvb_forget_options *o);

/* Returns the number of bytes of the terms of a journal entry (its forget request); the counts that determine the
 * number are in the fixed part at `fixed`. */
size_t dkvb__terms_size(const unsigned char *fixed);

/* Returns what is wrong with the stored terms (forget request) of the journal entry at `index`, or NULL if nothing is.
 * The journal record must have terms (what its forget request asked for), stored in the right number of bytes. */
const char *dkvb__terms_fault(const dkvb_model *model, size_t index);

/* Finds, among the classes marked with 1 in `marks`, [classes], one that the forget request of a journal record asked
 * for. False is returned if the forget request of the journal record asked for none of the marked classes. */
bool dkvb__terms_find_class(const struct dkvb__record *record, const uint8_t *marks, uint32_t *label);

/* Copies the terms of a journal record (what its forget request asked for) to the members of a public journal entry. */
void dkvb__terms_tell(const struct dkvb__record *record, dkvb_journal_entry *entry);

#endif
