#include "bottleneck/codeset.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/keyinit.h"
#include "bottleneck/model.h"

void dkvb_codeset_options_init(dkvb_codeset_options *opts, size_t struct_size)
{
    static const dkvb_codeset_options defaults = DKVB_CODESET_OPTIONS_INIT;

    dkvb__init_options(opts, struct_size, &defaults, sizeof defaults);
}

dkvb_status dkvb__codeset_new(dkvb_codeset **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                              uint32_t top_k, uint32_t depth, const dkvb_allocator *mem)
{
    dkvb_codeset *set = dkvb__alloc0(mem, 1, sizeof *set);

    *out = NULL;
    if (!set)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    set->mem = *mem;
    memcpy(set->birth, birth, sizeof set->birth);
    set->codebooks = codebooks;
    set->keys = keys;
    set->training = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    set->part[DKVB_PART_TRAINING].k = top_k;
    set->part[DKVB_PART_HELD_OUT].k = depth;
    *out = set;
    return DKVB_OK;
}

dkvb_status dkvb_codeset_new(dkvb_codeset **out, const dkvb_codebooks *cb, const dkvb_codeset_options *given)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_allocator mem;
    dkvb_status rc;

    *out = NULL;
    if ((rc = dkvb__take_options(&o, sizeof o, given, "codeset options")) != DKVB_OK)
        return rc;
    if ((rc = dkvb__check_allocator(o.allocator)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__codebooks_need_frozen(cb)) != DKVB_OK)
        return rc;
    if (o.top_k < 1 || o.top_k > cb->shape.keys)
        return dkvb__fail(DKVB_EINVAL, "codeset: top_k is %u, 1 to %u is wanted", o.top_k, cb->shape.keys);
    o.depth = o.depth < cb->shape.keys ? o.depth : cb->shape.keys;
    if (o.depth < o.top_k)
        return dkvb__fail(DKVB_EINVAL, "codeset: depth is %u, %u (top_k) or more is wanted", o.depth, o.top_k);
    mem = dkvb__allocator(o.allocator);
    return dkvb__codeset_new(out, cb->birth, cb->shape.codebooks, cb->shape.keys, o.top_k, o.depth, &mem);
}

void dkvb_codeset_free(dkvb_codeset *set)
{
    dkvb_allocator mem;

    if (!set)
        return;
    mem = set->mem;
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        dkvb__free(&mem, set->part[p].ids);
        dkvb__free(&mem, set->part[p].labels);
        dkvb__free(&mem, set->part[p].codes);
    }
    dkvb__free(&mem, set);
}

int dkvb_codeset_holds_out(uint64_t id, double share)
{
    /* A seed of its own: which rows are held out has nothing to do with the order of training. */
    static const uint64_t seed = 0x68656C64206F7574; /* "held out" */

    return (double)(dkvb__rng_of_id(seed, 0, id) >> 11) * 0x1p-53 < share;
}

static size_t code_size(const dkvb_codeset *set, const struct dkvb__coderows *rows)
{
    return (size_t)set->codebooks * rows->k;
}

dkvb_status dkvb__codeset_reserve(dkvb_codeset *set, uint32_t part, size_t n)
{
    struct dkvb__coderows *rows = &set->part[part], more = *rows;
    size_t size = code_size(set, rows);

    if (n <= rows->capacity)
        return DKVB_OK;
    more.capacity = n > 2 * rows->capacity ? n : 2 * rows->capacity;
    more.ids = dkvb__alloc(&set->mem, more.capacity, sizeof *more.ids);
    more.labels = dkvb__alloc(&set->mem, more.capacity, sizeof *more.labels);
    more.codes = dkvb__alloc(&set->mem, more.capacity, size * sizeof *more.codes);
    if (!more.ids || !more.labels || !more.codes) {
        dkvb__free(&set->mem, more.ids);
        dkvb__free(&set->mem, more.labels);
        dkvb__free(&set->mem, more.codes);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", n);
    }
    if (rows->n > 0) {
        memcpy(more.ids, rows->ids, rows->n * sizeof *rows->ids);
        memcpy(more.labels, rows->labels, rows->n * sizeof *rows->labels);
        memcpy(more.codes, rows->codes, rows->n * size * sizeof *rows->codes);
    }
    dkvb__free(&set->mem, rows->ids);
    dkvb__free(&set->mem, rows->labels);
    dkvb__free(&set->mem, rows->codes);
    *rows = more;
    return DKVB_OK;
}

static dkvb_status check_part(uint32_t part)
{
    if (part < DKVB__PARTS)
        return DKVB_OK;
    return dkvb__fail(DKVB_EINVAL, "codeset: part %u, %d or %d is wanted", part, DKVB_PART_TRAINING,
                      DKVB_PART_HELD_OUT);
}

dkvb_status dkvb__coderows_check(const dkvb_codeset *set, uint32_t part, const uint64_t *last, const uint64_t *ids,
                                 const int32_t *labels, const uint16_t *codes, size_t n)
{
    for (size_t r = 0; r < n; last = &ids[r], r++) {
        if (last && ids[r] <= *last)
            return dkvb__fail(DKVB_EINVAL, "codeset: row %zu has id %llu after %llu, they must ascend", r,
                              (unsigned long long)ids[r], (unsigned long long)*last);
        if (labels[r] < -1)
            return dkvb__fail(DKVB_EINVAL, "codeset: row %zu has label %d, -1 or more is wanted", r, labels[r]);
    }
    return dkvb__check_code_range(codes, set->part[part].k, n, set->codebooks, set->keys);
}

dkvb_status dkvb_codeset_add(dkvb_codeset *set, uint32_t part, const uint64_t *ids, const int32_t *labels,
                             const uint16_t *codes, size_t n)
{
    struct dkvb__coderows *rows, *other;
    size_t size;
    dkvb_status rc = check_part(part);

    if (rc || n == 0)
        return rc;
    rows = &set->part[part];
    other = &set->part[part == DKVB_PART_TRAINING ? DKVB_PART_HELD_OUT : DKVB_PART_TRAINING];
    size = code_size(set, rows);
    rc = dkvb__coderows_check(set, part, rows->n ? &rows->ids[rows->n - 1] : NULL, ids, labels, codes, n);
    for (size_t r = 0; !rc && r < n; r++)
        if (dkvb__coderows_find(other, ids[r]) < other->n)
            rc = dkvb__fail(DKVB_EINVAL, "codeset: row %zu has id %llu, which is in the other part", r,
                            (unsigned long long)ids[r]);
    if (!rc)
        rc = dkvb__codeset_reserve(set, part, rows->n + n);
    if (rc)
        return rc;
    memcpy(rows->ids + rows->n, ids, n * sizeof *ids);
    memcpy(rows->labels + rows->n, labels, n * sizeof *labels);
    memcpy(rows->codes + rows->n * size, codes, n * size * sizeof *codes);
    rows->n += n;
    return DKVB_OK;
}

dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part, dkvb_codeset_rows *out)
{
    dkvb_codeset_rows full = DKVB_CODESET_ROWS_INIT;
    const struct dkvb__coderows *rows;
    dkvb_status rc = check_part(part);

    if (rc)
        return rc;
    rows = &set->part[part];
    full.n = rows->n;
    full.codebooks = set->codebooks;
    full.k = rows->k;
    full.ids = rows->ids;
    full.labels = rows->labels;
    full.codes = rows->codes;
    return dkvb__give_info(out, &full, sizeof full, "codeset rows");
}

dkvb_status dkvb_codeset_check(const dkvb_codeset *set, const dkvb_codebooks *cb)
{
    if (memcmp(set->birth, cb->birth, sizeof cb->birth) == 0 && set->codebooks == cb->shape.codebooks &&
        set->keys == cb->shape.keys)
        return DKVB_OK;
    return dkvb__fail(DKVB_EMISMATCH,
                      "the codes (%u x %u pairs, codebooks %02x%02x%02x%02x) belong to other codebooks than these "
                      "(%u x %u, %02x%02x%02x%02x)",
                      set->codebooks, set->keys, set->birth[0], set->birth[1], set->birth[2], set->birth[3],
                      cb->shape.codebooks, cb->shape.keys, cb->birth[0], cb->birth[1], cb->birth[2], cb->birth[3]);
}

/* Index of an id among ascending ones, or n. */
static size_t find(const uint64_t *ids, size_t n, uint64_t id)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ids[low] == id ? low : n;
}

size_t dkvb__coderows_find(const struct dkvb__coderows *rows, uint64_t id)
{
    return find(rows->ids, rows->n, id);
}

size_t dkvb_codeset_find(const dkvb_codeset_rows *rows, uint64_t id)
{
    return find(rows->ids, rows->n, id);
}

/* Close the gaps: gone[r] rows leave. What lies behind the last row afterwards is overwritten. */
static uint64_t close_gaps(const dkvb_codeset *set, struct dkvb__coderows *rows, const uint8_t *gone)
{
    size_t size = code_size(set, rows), kept = 0, removed;

    for (size_t r = 0; r < rows->n; r++) {
        if (gone[r])
            continue;
        if (kept < r) {
            rows->ids[kept] = rows->ids[r];
            rows->labels[kept] = rows->labels[r];
            memcpy(rows->codes + kept * size, rows->codes + r * size, size * sizeof *rows->codes);
        }
        kept++;
    }
    removed = rows->n - kept;
    if (removed > 0) {
        memset(rows->ids + kept, 0, removed * sizeof *rows->ids);
        memset(rows->labels + kept, 0, removed * sizeof *rows->labels);
        memset(rows->codes + kept * size, 0, removed * size * sizeof *rows->codes);
    }
    rows->n = kept;
    return removed;
}

dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n, uint64_t *removed)
{
    struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING], *held = &set->part[DKVB_PART_HELD_OUT];
    uint8_t *gone = dkvb__alloc0(&set->mem, training->n + held->n, 1);
    uint64_t count;

    if (!gone)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to mark %zu rows", training->n + held->n);
    for (size_t i = 0; i < n; i++) {
        size_t t = dkvb__coderows_find(training, ids[i]), h = dkvb__coderows_find(held, ids[i]);

        if (t == training->n && h == held->n) {
            dkvb__free(&set->mem, gone);
            return dkvb__fail(DKVB_ENOTFOUND, "codeset: no row has id %llu", (unsigned long long)ids[i]);
        }
        if (t < training->n)
            gone[t] = 1;
        if (h < held->n)
            gone[training->n + h] = 1;
    }
    n = training->n;
    count = close_gaps(set, training, gone);
    count += close_gaps(set, held, gone + n);
    dkvb__free(&set->mem, gone);
    if (removed)
        *removed = count;
    return DKVB_OK;
}

dkvb_status dkvb_codeset_set_training(dkvb_codeset *set, const dkvb_train_options *given)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_status rc = dkvb__train_options_take(&o, given);

    if (rc)
        return rc;
    o.report = NULL;
    o.user = NULL;
    o.ids = NULL;
    set->training = o;
    return DKVB_OK;
}

dkvb_status dkvb_codeset_get_training(const dkvb_codeset *set, dkvb_train_options *opts)
{
    return dkvb__give_info(opts, &set->training, sizeof set->training, "training options");
}

dkvb_status dkvb_codeset_set_keyinit(dkvb_codeset *set, const dkvb_keyinit_options *given)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_status rc = given ? dkvb__keyinit_options_take(&o, given) : DKVB_OK;

    if (rc)
        return rc;
    if (given && (o.codebooks != set->codebooks || o.keys != set->keys))
        return dkvb__fail(DKVB_EMISMATCH, "codeset: keys placed as %u x %u, the codes are of %u x %u", o.codebooks,
                          o.keys, set->codebooks, set->keys);
    o.allocator = NULL;
    set->own_keys = given != NULL;
    set->keyinit = o;
    return DKVB_OK;
}

dkvb_status dkvb_codeset_get_keyinit(const dkvb_codeset *set, dkvb_keyinit_options *opts)
{
    if (!set->own_keys)
        return dkvb__fail(DKVB_ENOTFOUND, "codeset: the keys were placed on other rows");
    return dkvb__give_info(opts, &set->keyinit, sizeof set->keyinit, "key options");
}
