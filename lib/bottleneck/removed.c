/* A codeset keeps a list of its removed rows as salted hashes of their ids, so that nobody adds these rows again by
 * mistake. Somebody who has a codeset's list of removed rows can test for a single id whether its row is on the list
 * (docs/unlearning.md, *What else remembers*). */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/codeset.h"

static uint64_t hash_of(const struct dkvb__removed *removed, uint64_t id)
{
    const struct dkvb__piece pieces[] = {{removed->salt, sizeof removed->salt}, {"dkvb removed", 12}, {&id, sizeof id}};
    uint8_t hash[DKVB__SHA256_SIZE];

    dkvb__sha256(hash, pieces, sizeof pieces / sizeof *pieces);
    return dkvb__read64(hash);
}

/* Returns the index of the first hash in the list of removed rows that is not below `hash`. */
static size_t place_of(const struct dkvb__removed *removed, uint64_t hash)
{
    size_t low = 0, high = removed->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (removed->hash[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool find(const struct dkvb__removed *removed, uint64_t id, size_t *at)
{
    uint64_t hash;

    if (removed->n == 0)
        return false;
    hash = hash_of(removed, id);
    *at = place_of(removed, hash);
    return *at < removed->n && removed->hash[*at] == hash;
}

bool dkvb__removed_has(const struct dkvb__removed *removed, uint64_t id)
{
    size_t at;

    return find(removed, id, &at);
}

int dkvb_codeset_was_removed(const dkvb_codeset *set, uint64_t id)
{
    return dkvb__removed_has(&set->removed, id);
}

/* Makes a salt for hashing removed ids from all rows of a codeset, including the rows to be removed. Codesets with the
 * same rows get the same salt, but nobody can compute the salt from the remaining rows alone. */
static void make_salt(uint8_t salt[32], const dkvb_codeset *set)
{
    struct dkvb__piece pieces[2 + 3 * DKVB__PARTS] = {{"dkvb removed", 12}, {set->birth, sizeof set->birth}};
    size_t count = 2;

    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *rows = &set->part[p];

        pieces[count++] = (struct dkvb__piece){rows->ids, rows->n * sizeof *rows->ids};
        pieces[count++] = (struct dkvb__piece){rows->labels, rows->n * sizeof *rows->labels};
        /* If the codes of a codeset were not searched yet, the salt for hashing removed ids is computed from the
         * features instead. */
        pieces[count++] =
            rows->features
                ? (struct dkvb__piece){rows->features, rows->n * (size_t)dkvb__coderows_feature_size(rows)}
                : (struct dkvb__piece){rows->codes, rows->n * set->codebooks * rows->k * sizeof *rows->codes};
    }
    dkvb__sha256(salt, pieces, count);
}

void dkvb__removed_free(struct dkvb__removed *removed, const dkvb_allocator *mem)
{
    if (removed->hash)
        memset(removed->hash, 0, removed->n * sizeof *removed->hash);
    dkvb__free(mem, removed->hash);
    *removed = (struct dkvb__removed){0};
}

dkvb_status dkvb__removed_with(struct dkvb__removed *out, const dkvb_codeset *set, const uint64_t *ids, size_t n)
{
    size_t known = set->removed.n, all = known + n;
    struct dkvb__keyed *items = dkvb__alloc(&set->mem, all, sizeof *items),
                       *scratch = dkvb__alloc(&set->mem, all, sizeof *scratch);

    *out = set->removed;
    out->n = 0;
    out->hash = dkvb__alloc(&set->mem, all, sizeof *out->hash);
    if (items && scratch && out->hash) {
        if (known == 0)
            make_salt(out->salt, set);
        for (size_t i = 0; i < all; i++)
            items[i].key = i < known ? set->removed.hash[i] : hash_of(out, ids[i - known]);
        dkvb__sort_keyed(items, scratch, all);
        /* a caller may give the id of a removed row twice, and the list of removed rows has each hash once */
        for (size_t i = 0; i < all; i++)
            if (out->n == 0 || items[i].key != out->hash[out->n - 1])
                out->hash[out->n++] = items[i].key;
    } else {
        dkvb__free(&set->mem, out->hash);
        out->hash = NULL;
    }
    dkvb__free(&set->mem, items);
    dkvb__free(&set->mem, scratch);
    return out->hash ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to remember %zu removed rows", all);
}

dkvb_status dkvb__removed_copy(struct dkvb__removed *out, const struct dkvb__removed *from, const dkvb_allocator *mem)
{
    *out = *from;
    if (from->n == 0)
        return DKVB_OK;
    out->hash = dkvb__alloc(mem, from->n, sizeof *out->hash);
    if (!out->hash) {
        *out = (struct dkvb__removed){0};
        return dkvb__fail(DKVB_ENOMEM, "out of memory to remember %zu removed rows", from->n);
    }
    memcpy(out->hash, from->hash, from->n * sizeof *out->hash);
    return DKVB_OK;
}

dkvb_status dkvb_codeset_readmit(dkvb_codeset *set, const uint64_t *ids, size_t n)
{
    struct dkvb__removed *removed = &set->removed;
    uint8_t *back = ids ? dkvb__alloc0(&set->mem, removed->n, 1) : NULL;
    size_t at, kept = 0;

    if (ids && !back)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to mark %zu removed rows", removed->n);
    for (size_t i = 0; ids && i < n; i++)
        if (find(removed, ids[i], &at))
            back[at] = 1;
    for (size_t i = 0; ids && i < removed->n; i++)
        if (!back[i])
            removed->hash[kept++] = removed->hash[i];
    dkvb__free(&set->mem, back);
    for (size_t i = kept; i < removed->n; i++)
        removed->hash[i] = 0;
    removed->n = kept;
    if (kept == 0) /* when the list of removed rows becomes empty, its salt is freed as well */
        dkvb__removed_free(removed, &set->mem);
    return DKVB_OK;
}
