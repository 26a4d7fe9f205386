/* Many short texts in one block of memory, found again by a hash. */
#ifndef DKVB_DATA_TEXTS_H
#define DKVB_DATA_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

struct dkvb__texts {
    const dkvb_allocator *mem;
    bool names; /* compared as names of classes are: texts are valid UTF-8 then */
    char *bytes;
    size_t size, room; /* of bytes */
    size_t *at;        /* [count] offsets in bytes */
    size_t count, most;
    size_t *slots; /* [slot_count] index + 1, or 0; open addressing */
    size_t slot_count;
};

/* Append a text without looking whether it is there. DKVB_ENOMEM. */
dkvb_status dkvb__texts_add(struct dkvb__texts *t, const char *text);

/* The index of a text, which is appended if it is not there. Not to be mixed with dkvb__texts_add(). DKVB_ENOMEM. */
dkvb_status dkvb__texts_intern(struct dkvb__texts *t, const char *text, size_t *index, bool *added);

/* The index of an interned text, or `count`. */
size_t dkvb__texts_find(const struct dkvb__texts *t, const char *text);

static inline const char *dkvb__text(const struct dkvb__texts *t, size_t i)
{
    return t->bytes + t->at[i];
}

/* Overwrites the texts, since they may be names of rows. */
void dkvb__texts_free(struct dkvb__texts *t);

#endif
