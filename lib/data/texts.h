/* Many short texts in one block of memory, with a hash table to find a text again. */
#ifndef DKVB_DATA_TEXTS_H
#define DKVB_DATA_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

struct dkvb__texts {
    const dkvb_allocator *mem;
    bool names; /* true if texts are compared as class names are (base/unicode.h); texts are valid UTF-8 then */
    char *bytes;
    size_t size, room; /* number of used bytes and of allocated bytes of the block `bytes`, which holds all texts */
    size_t *at;        /* offsets of the stored texts in `bytes`, [count] */
    size_t count, most;
    size_t *slots; /* hash table of texts with open addressing, [slot_count]; a slot is the index of a text + 1, or 0 */
    size_t slot_count;
};

/* Appends a text to the stored texts, even if the same text is there already. Appending a text may fail with
 * DKVB_ENOMEM. */
dkvb_status dkvb__texts_add(struct dkvb__texts *t, const char *text);

/* Finds the index of a text among the stored texts, and appends the text if it is missing. dkvb__texts_intern() and
 * dkvb__texts_add() must not be used for the same texts. Finding or appending a text may fail with DKVB_ENOMEM. */
dkvb_status dkvb__texts_intern(struct dkvb__texts *t, const char *text, size_t *index, bool *added);

/* Returns the index of a text that dkvb__texts_intern() stored, or `count` if the text is missing. */
size_t dkvb__texts_find(const struct dkvb__texts *t, const char *text);

static inline const char *dkvb__text(const struct dkvb__texts *t, size_t i)
{
    return t->bytes + t->at[i];
}

/* Erases and frees all texts, since they may be names of rows. */
void dkvb__texts_free(struct dkvb__texts *t);

#endif
