/* Coarse keys, made when they are first worth it and kept with their codebooks. */
#include "bottleneck/coarse.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

enum {
    LEAST_KEYS = 768, /* fewer are looked at sooner without */
    WORTH_ROWS = 16   /* making them takes as long as searching about so many rows one by one */
};

/* What has become of a codebook's coarse keys: at first the number of rows that were searched without them. */
static const uint32_t being_made = UINT32_MAX - 1, made = UINT32_MAX;

struct dkvb__coarse_set {
    size_t keys, dim;
    size_t bytes;                /* of all codebooks */
    _Atomic uint32_t *state;     /* [C] */
    struct dkvb__coarse *coarse; /* [C] */
    unsigned char *memory;       /* [bytes] */
};

static size_t whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

size_t dkvb__coarse_bytes(size_t keys, size_t dim)
{
    size_t words = dkvb__key_words(keys);

    if (!dkvb__kernels()->coarsen || keys < LEAST_KEYS || dim > DKVB__COARSE_DIM)
        return 0;
    return words * dkvb__coarse_word(dim) + words * 64 * sizeof(int16_t) + whole_lines(dim * sizeof(float));
}

void dkvb__coarse_place(struct dkvb__coarse *coarse, void *memory, size_t keys, size_t dim)
{
    size_t words = dkvb__key_words(keys);

    coarse->codes = memory;
    coarse->height = (int16_t *)(void *)(coarse->codes + words * dkvb__coarse_word(dim));
    coarse->center = (float *)(void *)(coarse->height + words * 64);
}

static void set_free(struct dkvb__coarse_set *set, const dkvb_allocator *mem)
{
    if (!set)
        return;
    dkvb__free(mem, (void *)set->state);
    dkvb__free(mem, set->coarse);
    dkvb__free(mem, set->memory);
    dkvb__free(mem, set);
}

static struct dkvb__coarse_set *set_new(size_t codebooks, size_t keys, size_t dim, const dkvb_allocator *mem)
{
    size_t bytes = dkvb__coarse_bytes(keys, dim);
    struct dkvb__coarse_set *set = dkvb__alloc0(mem, 1, sizeof *set);

    if (!set)
        return NULL;
    set->keys = keys;
    set->dim = dim;
    set->bytes = codebooks * bytes;
    set->state = dkvb__alloc0(mem, codebooks, sizeof *set->state);
    set->coarse = dkvb__alloc(mem, codebooks, sizeof *set->coarse);
    set->memory = dkvb__alloc(mem, codebooks, bytes);
    if (!set->state || !set->coarse || !set->memory) {
        set_free(set, mem);
        return NULL;
    }
    for (size_t c = 0; c < codebooks; c++)
        dkvb__coarse_place(&set->coarse[c], set->memory + c * bytes, keys, dim);
    return set;
}

dkvb_status dkvb__coarse_reserve(dkvb__coarse_slot *slot, size_t codebooks, size_t keys, size_t dim,
                                 const dkvb_allocator *mem)
{
    struct dkvb__coarse_set *none = NULL, *set;
    size_t bytes = dkvb__coarse_bytes(keys, dim);

    if (bytes == 0 || atomic_load(slot))
        return DKVB_OK;
    set = set_new(codebooks, keys, dim, mem);
    if (!set)
        return dkvb__fail(DKVB_ENOMEM,
                          "out of memory for the index of %zu codebooks, %zu bytes each (an exhaustive "
                          "search needs none)",
                          codebooks, bytes);
    if (!atomic_compare_exchange_strong(slot, &none, set))
        set_free(set, mem); /* another thread was first */
    return DKVB_OK;
}

const struct dkvb__coarse *dkvb__coarse_for(dkvb__coarse_slot *slot, size_t c, const float *blocks, size_t rows)
{
    struct dkvb__coarse_set *set = atomic_load(slot);
    uint32_t state;

    if (!set)
        return NULL;
    state = atomic_load_explicit(&set->state[c], memory_order_acquire);
    if (state == made)
        return &set->coarse[c];
    if (state == being_made)
        return NULL;
    if (state + rows < WORTH_ROWS) {
        /* Lost if another thread counts too: then they are made a little later. */
        atomic_compare_exchange_strong(&set->state[c], &state, state + (uint32_t)rows);
        return NULL;
    }
    if (!atomic_compare_exchange_strong(&set->state[c], &state, being_made))
        return NULL;
    dkvb__kernels()->coarsen(&set->coarse[c], blocks, set->keys, set->dim);
    atomic_store_explicit(&set->state[c], made, memory_order_release);
    return &set->coarse[c];
}

void dkvb__coarse_drop(dkvb__coarse_slot *slot, const dkvb_allocator *mem)
{
    struct dkvb__coarse_set *set = atomic_exchange(slot, NULL);

    if (set) /* they tell of keys that may have to be forgotten */
        memset(set->memory, 0, set->bytes);
    set_free(set, mem);
}
