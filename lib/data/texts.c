#include "data/texts.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fnv.h"
#include "base/status.h"
#include "base/unicode.h"

/* Returns a block of at least `need` elements of `size` bytes, of which the first `used` are kept. An array that is too
 * small is moved to a block of memory of twice the size, so that appending takes linear time; the old block is
 * erased. */
static dkvb_status grow(const dkvb_allocator *mem, void **block, size_t *room, size_t used, size_t need, size_t size)
{
    size_t more = *room ? *room : 64;
    void *grown;

    if (need <= *room)
        return DKVB_OK;
    while (more < need && more <= SIZE_MAX / 2)
        more *= 2;
    grown = more < need ? NULL : dkvb__alloc(mem, more, size);
    if (!grown)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu texts or their bytes", need);
    if (used > 0)
        memcpy(grown, *block, used * size);
    dkvb__free_erased(mem, *block);
    *block = grown;
    *room = more;
    return DKVB_OK;
}

dkvb_status dkvb__texts_add(struct dkvb__texts *t, const char *text)
{
    size_t size = strlen(text) + 1;
    void *bytes = t->bytes, *at = t->at;
    dkvb_status rc = grow(t->mem, &bytes, &t->room, t->size, t->size + size, 1);

    t->bytes = bytes;
    if (!rc)
        rc = grow(t->mem, &at, &t->most, t->count, t->count + 1, sizeof *t->at);
    t->at = at;
    if (rc)
        return rc;
    memcpy(t->bytes + t->size, text, size);
    t->at[t->count++] = t->size;
    t->size += size;
    return DKVB_OK;
}

static size_t hash_of(const struct dkvb__texts *t, const char *text)
{
    uint64_t sum = DKVB__FNV_BEGIN;

    if (t->names)
        sum = dkvb__name_key(text);
    else
        dkvb__fnv_add(&sum, text, strlen(text));
    return (size_t)(sum ^ sum >> 32);
}

static size_t *slot_of(const struct dkvb__texts *t, const char *text)
{
    size_t i = hash_of(t, text) & (t->slot_count - 1);

    for (; t->slots[i] != 0; i = (i + 1) & (t->slot_count - 1)) {
        const char *other = dkvb__text(t, t->slots[i] - 1);

        if (strcmp(other, text) == 0 || (t->names && dkvb__same_name(other, text)))
            break;
    }
    return &t->slots[i];
}

/* Makes room for one more text in the hash table, with at least twice as many slots as texts, so that searches are
 * short. */
static dkvb_status make_room(struct dkvb__texts *t)
{
    size_t more = t->slot_count ? t->slot_count * 2 : 64;
    size_t *old = t->slots;

    if (t->count * 2 < t->slot_count)
        return DKVB_OK;
    t->slots = dkvb__alloc0(t->mem, more, sizeof *t->slots);
    if (!t->slots) {
        t->slots = old;
        return dkvb__fail(DKVB_ENOMEM, "out of memory to look for %zu texts", t->count);
    }
    t->slot_count = more;
    for (size_t i = 0; i < t->count; i++)
        *slot_of(t, dkvb__text(t, i)) = i + 1;
    dkvb__free(t->mem, old);
    return DKVB_OK;
}

dkvb_status dkvb__texts_intern(struct dkvb__texts *t, const char *text, size_t *index, bool *added)
{
    dkvb_status rc = make_room(t);
    size_t *slot = rc ? NULL : slot_of(t, text);

    *added = false;
    if (slot && *slot == 0) {
        rc = dkvb__texts_add(t, text);
        if (!rc) {
            *slot = t->count;
            *added = true;
        }
    }
    if (!rc)
        *index = *slot - 1;
    return rc;
}

size_t dkvb__texts_find(const struct dkvb__texts *t, const char *text)
{
    size_t slot = t->count ? *slot_of(t, text) : 0;

    return slot ? slot - 1 : t->count;
}

void dkvb__texts_free(struct dkvb__texts *t)
{
    if (!t->mem)
        return;
    dkvb__free_erased(t->mem, t->bytes);
    dkvb__free(t->mem, t->at);
    dkvb__free(t->mem, t->slots);
    *t = (struct dkvb__texts){.mem = t->mem, .names = t->names};
}
