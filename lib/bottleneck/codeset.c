/* A codeset holds rows in two parts (training and held-out), with ids, labels, codes and features, and the sessions of
 * training on these rows. */
#include "bottleneck/codeset.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codes.h"
#include "bottleneck/keyinit.h"
#include "bottleneck/model.h"
#include "bottleneck/row_types.h"
#include "bottleneck/value_types.h"
#include "dkvb/calibration.h"
#include "dkvb/data.h"
#include "dkvb/search.h"

enum {
    /* largest number of logits in a temperature fit, whose exponentials take half a second to compute */
    TEMPERATURE_LOGITS = 1 << 22,
    TEMPERATURE_LEAST = 1024 /* least number of rows in a temperature fit, for any number of classes */
};

static const char *const part_names[DKVB__PARTS] = {"training", "held-out"};

dkvb_status dkvb__codeset_new(dkvb_codeset **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                              uint32_t top_k, uint32_t depth, const dkvb_allocator *mem)
{
    dkvb_codeset *set = dkvb__alloc0(mem, 1, sizeof *set);

    *out = NULL;
    if (!set)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a codeset");
    set->mem = *mem;
    set->keyinit = (dkvb_keyinit_options)DKVB_KEYINIT_OPTIONS_INIT;
    memcpy(set->birth, birth, sizeof set->birth);
    set->codebooks = codebooks;
    set->keys = keys;
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
        return dkvb__fail(DKVB_EINVAL, "codeset: top_k is %u, it must be 1 to %u", o.top_k, cb->shape.keys);
    o.depth = o.depth < cb->shape.keys ? o.depth : cb->shape.keys;
    if (o.depth < o.top_k)
        return dkvb__fail(DKVB_EINVAL, "codeset: depth is %u, it must be %u (top_k) or more", o.depth, o.top_k);
    if (o.keep > DKVB_KEPT_FEATURES)
        return dkvb__fail(DKVB_EINVAL, "codeset: keep is %u, it must be 0 (auto), 1 (codes) or 2 (features)", o.keep);
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__codeset_new(out, cb->birth, cb->shape.codebooks, cb->shape.keys, o.top_k, o.depth, &mem);
    if (rc)
        return rc;
    (*out)->keep = o.keep;
    rc = dkvb__codeset_set_keyinit(*out, o.keyinit);
    if (rc) {
        dkvb_codeset_free(*out);
        *out = NULL;
    }
    return rc;
}

/* Frees the arrays of a part of a codeset (training or held-out rows), which then is empty. */
static void rows_free(struct dkvb__coderows *rows, const dkvb_allocator *mem)
{
    for (size_t i = 0; rows->names && i < rows->capacity; i++)
        dkvb__free_erased(mem, rows->names[i]);
    dkvb__free(mem, rows->names);
    dkvb__free_erased(mem, rows->ids);
    dkvb__free_erased(mem, rows->labels);
    dkvb__free_erased(mem, rows->sessions);
    dkvb__free_erased(mem, rows->codes);
    dkvb__free_erased(mem, rows->features);
    *rows = (struct dkvb__coderows){.k = rows->k};
}

void dkvb_codeset_free(dkvb_codeset *set)
{
    dkvb_allocator mem;

    if (!set)
        return;
    mem = set->mem;
    for (size_t p = 0; p < DKVB__PARTS; p++)
        rows_free(&set->part[p], &mem);
    dkvb__removed_free(&set->removed, &mem);
    dkvb__free(&mem, set);
}

double dkvb__hold_out_place(uint64_t id)
{
    /* Seed that decides which rows of a codeset are held out from training. The seed of the held-out rows differs from
     * all other seeds, so that the choice of held-out rows is independent of the order of training. */
    static const uint64_t seed = 0x68656C64206F7574; /* the bytes of the seed for held-out rows spell "held out" */

    return (double)(dkvb__rng_of_id(seed, 0, id) >> 11) * 0x1p-53;
}

int dkvb_codeset_holds_out(uint64_t id, double share)
{
    return dkvb__hold_out_place(id) < share;
}

uint64_t dkvb__coderows_packed_size(const dkvb_codeset *set, const struct dkvb__coderows *rows, unsigned bits)
{
    return dkvb__packed_size(dkvb__coderows_code_size(set, rows), bits);
}

uint64_t dkvb__coderows_feature_size(const struct dkvb__coderows *rows)
{
    return (uint64_t)rows->columns * dkvb__row_type_size(rows->dtype);
}

dkvb_status dkvb__codeset_reserve(dkvb_codeset *set, uint32_t part, size_t n, bool codes, bool features)
{
    struct dkvb__coderows *rows = &set->part[part], more = *rows;
    size_t code = dkvb__coderows_code_size(set, rows) * sizeof *rows->codes,
           row = (size_t)dkvb__coderows_feature_size(rows);

    if (n <= rows->capacity)
        return DKVB_OK;
    more.capacity = n > 2 * rows->capacity ? n : 2 * rows->capacity;
    more.ids = dkvb__alloc(&set->mem, more.capacity, sizeof *more.ids);
    more.labels = dkvb__alloc(&set->mem, more.capacity, sizeof *more.labels);
    more.sessions = dkvb__alloc(&set->mem, more.capacity, sizeof *more.sessions);
    more.codes = codes ? dkvb__alloc(&set->mem, more.capacity, code) : NULL;
    more.features = features ? dkvb__alloc(&set->mem, more.capacity, row) : NULL;
    more.names = set->names.kept ? dkvb__alloc0(&set->mem, more.capacity, sizeof *more.names) : NULL;
    if (!more.ids || !more.labels || !more.sessions || (codes && !more.codes) || (features && !more.features) ||
        (set->names.kept && !more.names)) {
        rows_free(&more, &set->mem);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", n);
    }
    if (rows->n > 0) {
        memcpy(more.ids, rows->ids, rows->n * sizeof *rows->ids);
        memcpy(more.labels, rows->labels, rows->n * sizeof *rows->labels);
        memcpy(more.sessions, rows->sessions, rows->n * sizeof *rows->sessions);
        if (codes)
            memcpy(more.codes, rows->codes, rows->n * code);
        if (features)
            memcpy(more.features, rows->features, rows->n * row);
        for (size_t r = 0; more.names && r < rows->n; r++) {
            more.names[r] = rows->names[r];
            rows->names[r] = NULL;
        }
    }
    rows_free(rows, &set->mem);
    *rows = more;
    return DKVB_OK;
}

dkvb_status dkvb__codeset_check_part(uint32_t part)
{
    if (part < DKVB__PARTS)
        return DKVB_OK;
    return dkvb__fail(DKVB_EINVAL, "codeset: part is %u, it must be %d (training) or %d (held out)", part,
                      DKVB_PART_TRAINING, DKVB_PART_HELD_OUT);
}

dkvb_status dkvb__codeset_need_codes(const dkvb_codeset *set, uint32_t part)
{
    const struct dkvb__coderows *rows = &set->part[part];

    if (rows->n == 0 || rows->codes)
        return DKVB_OK;
    return dkvb__fail(DKVB_ESTATE,
                      "the codeset keeps features of its %s part and has no codes of it yet: dkvb_codeset_search() "
                      "finds them",
                      part_names[part]);
}

/* Rows that are being added to a part of a codeset (training or held-out rows). */
struct addition {
    dkvb_codeset *set;
    uint32_t part;
    const dkvb_codeset_rows *from;
    bool keep_features;
    /* numbers of the rows to add, by ascending id, [n]; `scratch` is only for sorting them */
    struct dkvb__keyed *order, *scratch;
    /* copies of the names of the rows to add, [n], if the part of the codeset keeps names; otherwise NULL */
    char **names;
};

/* Decides whether a part of a codeset (training or held-out rows) keeps features: as its present rows do, or, if the
 * part has no rows yet, as the caller's option says. */
static dkvb_status settle_features(struct addition *a)
{
    const struct dkvb__coderows *rows = &a->set->part[a->part];
    const dkvb_codeset_rows *x = a->from;
    struct dkvb__coderows first = {.k = rows->k, .dtype = x->dtype, .columns = x->columns};
    uint64_t packed = dkvb__coderows_packed_size(a->set, rows, dkvb__code_bits(a->set->keys, false));

    a->keep_features = rows->n > 0 ? rows->features != NULL : a->set->keep == DKVB_KEPT_FEATURES;
    if (x->features && (!dkvb__row_type_size(x->dtype) || x->columns < 1))
        return dkvb__fail(DKVB_EINVAL,
                          "codeset: features are %s with %u columns; they must be uint8, float16, float32 "
                          "or float64, with 1 column or more",
                          dkvb_name(DKVB_NAME_DTYPE, x->dtype), x->columns);
    if (rows->n == 0 && a->set->keep == DKVB_KEPT_AUTO)
        a->keep_features = x->features && dkvb__coderows_feature_size(&first) < packed;
    if (a->keep_features && !x->features)
        return dkvb__fail(DKVB_EINVAL, "codeset: the %s part keeps features, so rows must bring theirs",
                          part_names[a->part]);
    if (a->keep_features && rows->n > 0 && (x->dtype != rows->dtype || x->columns != rows->columns))
        return dkvb__fail(DKVB_EMISMATCH,
                          "codeset: features are %s with %u columns, those of the %s part are %s with %u",
                          dkvb_name(DKVB_NAME_DTYPE, x->dtype), x->columns, part_names[a->part],
                          dkvb_name(DKVB_NAME_DTYPE, rows->dtype), rows->columns);
    return DKVB_OK;
}

/* Checks and copies the names of the rows that are added to a codeset. A codeset keeps names for all of its rows or for
 * none, and the id of a row must be the hash of the row's name. */
static dkvb_status take_names(struct addition *a)
{
    const struct dkvb__row_names *how = &a->set->names;
    const dkvb_codeset_rows *x = a->from;

    if (!how->kept)
        return DKVB_OK;
    if (!x->names)
        return dkvb__fail(DKVB_EINVAL, "codeset: the names of rows are kept, so rows must bring theirs");
    for (size_t r = 0; r < x->n; r++)
        if (dkvb__row_name_check(x->names[r]) || dkvb__row_name_id(how->salt, x->names[r]) != x->ids[r])
            return dkvb__fail(DKVB_EINVAL, "codeset: the id of row %zu, %llu, is not the hash of its name", r,
                              (unsigned long long)x->ids[r]);
    a->names = dkvb__alloc0(&a->set->mem, x->n, sizeof *a->names);
    for (size_t r = 0; a->names && r < x->n; r++)
        if (!(a->names[r] = dkvb__strdup(&a->set->mem, x->names[r])))
            return dkvb__fail(DKVB_ENOMEM, "out of memory for the names of %zu rows", x->n);
    return a->names ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the names of %zu rows", x->n);
}

/* Checks all arguments of adding rows to a codeset except the ids. */
static dkvb_status check_rows(const struct addition *a)
{
    const struct dkvb__coderows *rows = &a->set->part[a->part];
    const dkvb_codeset_rows *x = a->from;

    if (x->codebooks != a->set->codebooks || x->k != rows->k)
        return dkvb__fail(DKVB_EMISMATCH, "codeset: codes of %u codebooks and k = %u, the %s part has %u and %u",
                          x->codebooks, x->k, part_names[a->part], a->set->codebooks, rows->k);
    if (!x->ids || !x->labels || !x->codes)
        return dkvb__fail(DKVB_EINVAL, "codeset: rows must bring ids, labels and codes, one of them is NULL");
    for (size_t r = 0; r < x->n; r++) {
        if (!dkvb__removed_has(&a->set->removed, x->ids[r]))
            continue;
        if (x->names && x->names[r])
            return dkvb__fail(
                DKVB_ESTATE,
                "codeset: row %zu is called '%.255s', as a row that was removed from these codes: leave it "
                "out, or readmit it",
                r, x->names[r]);
        return dkvb__fail(DKVB_ESTATE,
                          "codeset: row %zu has id %llu, a row that was removed from these codes: leave it out, or "
                          "readmit the id",
                          r, (unsigned long long)x->ids[r]);
    }
    if (a->keep_features) {
        size_t count = x->n * x->columns, bad = dkvb__row_finite(x->features, x->dtype, count);

        if (bad < count)
            return dkvb__fail(DKVB_EINVAL, "codeset: row %zu, column %zu of the features is not a finite float32",
                              bad / x->columns, bad % x->columns);
    }
    return dkvb__check_code_range(x->codes, x->k, x->n, a->set->codebooks, a->set->keys);
}

dkvb_status dkvb__codeset_order(const dkvb_codeset *set, const uint64_t *ids, size_t n, struct dkvb__keyed *order,
                                struct dkvb__keyed *scratch)
{
    for (size_t r = 0; r < n; r++)
        order[r] = (struct dkvb__keyed){ids ? ids[r] : r, r};
    dkvb__sort_keyed(order, scratch, n);
    for (size_t r = 0; r < n; r++) {
        unsigned long long id = order[r].key;

        if (r > 0 && id == order[r - 1].key)
            return dkvb__fail(DKVB_EINVAL, "codeset: rows %zu and %zu have the same id, %llu", order[r - 1].index,
                              order[r].index, id);
        for (uint32_t p = 0; p < DKVB__PARTS; p++)
            if (dkvb__coderows_find(&set->part[p], id) < set->part[p].n)
                return dkvb__fail(DKVB_EINVAL, "codeset: row %zu has id %llu, which is in the %s part already",
                                  order[r].index, id, part_names[p]);
    }
    return DKVB_OK;
}

dkvb_status dkvb__codeset_check_labels(const int32_t *labels, size_t n)
{
    for (size_t r = 0; r < n; r++)
        if (labels[r] < -1)
            return dkvb__fail(DKVB_EINVAL, "codeset: row %zu has label %d, it must be -1 or more", r, labels[r]);
    return DKVB_OK;
}

/* Merges new rows into a part of a codeset, in descending order of the ids. When new rows are merged into a part of a
 * codeset, every old row moves at most once; memory for the new rows must have been allocated before. */
static void merge_rows(const struct addition *a)
{
    struct dkvb__coderows *rows = &a->set->part[a->part];
    const dkvb_codeset_rows *x = a->from;
    size_t code = dkvb__coderows_code_size(a->set, rows), row = (size_t)dkvb__coderows_feature_size(rows);
    size_t old = rows->n, to = rows->n + x->n;
    char *features = rows->features;

    for (size_t left = x->n; left > 0;) {
        size_t at = a->order[left - 1].index;

        to--;
        if (old > 0 && rows->ids[old - 1] > x->ids[at]) {
            old--;
            rows->ids[to] = rows->ids[old];
            rows->labels[to] = rows->labels[old];
            rows->sessions[to] = rows->sessions[old];
            memcpy(rows->codes + to * code, rows->codes + old * code, code * sizeof *rows->codes);
            if (features)
                memcpy(features + to * row, features + old * row, row);
            if (rows->names) {
                rows->names[to] = rows->names[old];
                rows->names[old] = NULL;
            }
            continue;
        }
        left--;
        rows->ids[to] = x->ids[at];
        rows->labels[to] = x->labels[at];
        rows->sessions[to] = 0;
        memcpy(rows->codes + to * code, x->codes + at * code, code * sizeof *rows->codes);
        if (features)
            memcpy(features + to * row, (const char *)x->features + at * row, row);
        if (rows->names) {
            rows->names[to] = a->names[at];
            a->names[at] = NULL;
        }
    }
    rows->n += x->n;
}

dkvb_status dkvb_codeset_add_rows(dkvb_codeset *set, uint32_t part, const dkvb_codeset_rows *given)
{
    dkvb_codeset_rows x = DKVB_CODESET_ROWS_INIT;
    struct addition a = {.set = set, .part = part, .from = &x};
    struct dkvb__coderows *rows;
    dkvb_status rc = dkvb__codeset_check_part(part);

    if (!rc)
        rc = dkvb__take_options(&x, sizeof x, given, "codeset rows");
    if (!rc)
        rc = dkvb__codeset_need_codes(set, part);
    if (rc || x.n == 0)
        return rc;
    rows = &set->part[part];
    a.order = dkvb__alloc(&set->mem, x.n, sizeof *a.order);
    a.scratch = dkvb__alloc(&set->mem, x.n, sizeof *a.scratch);
    if (!a.order || !a.scratch)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", x.n);
    if (!rc)
        rc = settle_features(&a);
    if (!rc)
        rc = check_rows(&a);
    if (!rc)
        rc = dkvb__codeset_check_labels(x.labels, x.n);
    if (!rc)
        rc = dkvb__codeset_order(set, x.ids, x.n, a.order, a.scratch);
    if (!rc)
        rc = take_names(&a);
    /* if a part of the codeset has no rows, its arrays may still have another number type than the new rows */
    if (!rc && rows->n == 0) {
        rows_free(rows, &set->mem);
        rows->dtype = a.keep_features ? x.dtype : 0;
        rows->columns = a.keep_features ? x.columns : 0;
    }
    if (!rc)
        rc = dkvb__codeset_reserve(set, part, rows->n + x.n, true, a.keep_features);
    if (!rc)
        merge_rows(&a);
    else if (rows->n == 0)
        rows_free(rows, &set->mem);
    for (size_t r = 0; a.names && r < x.n; r++)
        dkvb__free_erased(&set->mem, a.names[r]);
    dkvb__free(&set->mem, a.names);
    dkvb__free(&set->mem, a.order);
    dkvb__free(&set->mem, a.scratch);
    return rc;
}

dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part, dkvb_codeset_rows *out)
{
    dkvb_codeset_rows full = DKVB_CODESET_ROWS_INIT;
    const struct dkvb__coderows *rows;
    dkvb_status rc = dkvb__codeset_check_part(part);

    if (rc)
        return rc;
    rows = &set->part[part];
    full.n = rows->n;
    full.codebooks = set->codebooks;
    full.k = rows->k;
    full.ids = rows->ids;
    full.labels = rows->labels;
    full.codes = rows->codes;
    full.features = rows->features;
    full.dtype = rows->dtype;
    full.columns = rows->columns;
    full.names = (const char *const *)rows->names;
    return dkvb__give_info(out, &full, sizeof full, "codeset rows");
}

dkvb_status dkvb_codeset_get_info(const dkvb_codeset *set, dkvb_codeset_info *out)
{
    dkvb_codeset_info full = DKVB_CODESET_INFO_INIT;

    full.codebooks = set->codebooks;
    full.keys = set->keys;
    full.sessions = set->sessions;
    full.searched = 1;
    full.own_keys = set->own_keys;
    full.keyinit = set->keyinit;
    full.named = set->names.salted;
    full.names_kept = set->names.kept;
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *rows = &set->part[p];
        bool any_none = rows->codes && dkvb__codes_any_none(rows->codes, rows->n * dkvb__coderows_code_size(set, rows));

        full.k[p] = rows->k;
        full.rows[p] = rows->n;
        full.kept[p] = rows->features ? DKVB_KEPT_FEATURES : DKVB_KEPT_CODES;
        full.dtype[p] = rows->dtype;
        full.columns[p] = rows->columns;
        full.row_bytes[p] = sizeof *rows->ids + sizeof *rows->labels;
        full.row_bytes[p] += rows->features
                                 ? dkvb__coderows_feature_size(rows)
                                 : dkvb__coderows_packed_size(set, rows, dkvb__code_bits(set->keys, any_none));
        full.searched &= rows->n == 0 || rows->codes;
    }
    return dkvb__give_info(out, &full, sizeof full, "codeset info");
}

dkvb_status dkvb__codeset_check(const dkvb_codeset *set, const dkvb_codebooks *cb)
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

dkvb_status dkvb__codeset_check_model(const dkvb_codeset *set, const dkvb_model *model, bool other_keys)
{
    uint32_t k = set->part[DKVB_PART_TRAINING].k;
    dkvb_status rc = other_keys ? DKVB_OK : dkvb__codeset_check(set, model->codebooks);

    for (size_t part = 0; !rc && part < DKVB__PARTS; part++) {
        const struct dkvb__coderows *rows = &set->part[part];

        for (size_t i = 0; !rc && i < rows->n; i++)
            if (rows->labels[i] >= 0 && (uint32_t)rows->labels[i] >= model->classes)
                rc = dkvb__fail(DKVB_EMISMATCH,
                                "the row of the codes with id %llu has label %d, the classes of the model are 0 to %u",
                                (unsigned long long)rows->ids[i], rows->labels[i], model->classes - 1);
    }
    if (!rc && k != model->top_k)
        rc = dkvb__fail(DKVB_EMISMATCH, "the codes have k = %u, the model selects %u", k, model->top_k);
    return rc;
}

/* Returns the index of an id among n ascending ids, or n if the id is missing. */
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

uint64_t dkvb__codeset_given_id(const dkvb_codeset *set, const struct dkvb__given *given, size_t i)
{
    if (given->names)
        return dkvb__row_name_id(set->names.salt, given->names[i]);
    return given->ids ? given->ids[i] : i;
}

size_t dkvb__codeset_place(const dkvb_codeset *set, uint64_t id)
{
    const struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING];
    size_t at = dkvb__coderows_find(training, id);

    return at < training->n ? at : at + dkvb__coderows_find(&set->part[DKVB_PART_HELD_OUT], id);
}

dkvb_status dkvb__codeset_place_given(const dkvb_codeset *set, const struct dkvb__given *given, size_t *places,
                                      size_t *known, size_t *missing, const dkvb_allocator *mem)
{
    size_t all = set->part[DKVB_PART_TRAINING].n + set->part[DKVB_PART_HELD_OUT].n;
    uint8_t *seen = dkvb__alloc0(mem, all, 1);
    dkvb_status rc = seen ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", all);

    *known = *missing = 0;
    for (size_t i = 0; !rc && i < given->n; i++) {
        uint64_t id = dkvb__codeset_given_id(set, given, i);

        places[i] = dkvb__codeset_place(set, id);
        if (places[i] == all)
            continue;
        if (seen[places[i]]++)
            rc = dkvb__fail(DKVB_EINVAL, "row %zu of the features is called as a row before it, by id %llu", i,
                            (unsigned long long)id);
        ++*known;
    }
    while (!rc && *missing < all && seen[*missing])
        ++*missing;
    dkvb__free_erased(mem, seen);
    return rc;
}

bool dkvb__codeset_has(const dkvb_codeset *set, uint64_t id)
{
    for (size_t p = 0; p < DKVB__PARTS; p++)
        if (dkvb__coderows_find(&set->part[p], id) < set->part[p].n)
            return true;
    return false;
}

size_t dkvb__codeset_find(const dkvb_codeset_rows *rows, uint64_t id)
{
    return find(rows->ids, rows->n, id);
}

/* Removes the rows for which gone[r] is 1 from a part of a codeset. When rows are removed from a codeset's part, the
 * memory after the last remaining row is erased. */
static uint64_t drop_rows(const dkvb_codeset *set, struct dkvb__coderows *rows, const uint8_t *gone)
{
    size_t code = dkvb__coderows_code_size(set, rows), row = (size_t)dkvb__coderows_feature_size(rows), kept = 0,
           removed;
    char *features = rows->features;

    for (size_t r = 0; r < rows->n; r++) {
        if (gone[r]) {
            if (rows->names)
                dkvb__free_erased(&set->mem, rows->names[r]);
            continue;
        }
        if (rows->names)
            rows->names[kept] = rows->names[r];
        if (kept < r) {
            rows->ids[kept] = rows->ids[r];
            rows->labels[kept] = rows->labels[r];
            rows->sessions[kept] = rows->sessions[r];
            if (rows->codes)
                memcpy(rows->codes + kept * code, rows->codes + r * code, code * sizeof *rows->codes);
            if (features)
                memcpy(features + kept * row, features + r * row, row);
        }
        kept++;
    }
    removed = rows->n - kept;
    if (removed > 0) {
        dkvb__erase(rows->ids + kept, removed * sizeof *rows->ids);
        dkvb__erase(rows->labels + kept, removed * sizeof *rows->labels);
        dkvb__erase(rows->sessions + kept, removed * sizeof *rows->sessions);
        if (rows->codes)
            dkvb__erase(rows->codes + kept * code, removed * code * sizeof *rows->codes);
        if (features)
            dkvb__erase(features + kept * row, removed * row);
        for (size_t r = kept; rows->names && r < rows->n; r++)
            rows->names[r] = NULL;
    }
    rows->n = kept;
    return removed;
}

uint64_t dkvb__codeset_drop(dkvb_codeset *set, const uint64_t *ids, size_t n, uint8_t *gone)
{
    uint64_t removed = 0;

    for (size_t p = 0; p < DKVB__PARTS; p++) {
        struct dkvb__coderows *rows = &set->part[p];

        memset(gone, 0, rows->n);
        for (size_t i = 0; i < n; i++) {
            size_t at = dkvb__coderows_find(rows, ids[i]);

            if (at < rows->n)
                gone[at] = 1;
        }
        removed += drop_rows(set, rows, gone);
    }
    return removed;
}

dkvb_status dkvb__removal_new(struct dkvb__removal *r, const dkvb_codeset *set, const uint64_t *ids, size_t n)
{
    const struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING], *held = &set->part[DKVB_PART_HELD_OUT];
    dkvb_status rc = DKVB_OK;

    *r = (struct dkvb__removal){.gone = dkvb__alloc(&set->mem, training->n > held->n ? training->n : held->n, 1)};
    if (!r->gone)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to mark %zu rows", training->n + held->n);
    for (size_t i = 0; !rc && i < n; i++)
        if (!dkvb__codeset_has(set, ids[i]))
            rc = dkvb__fail(DKVB_ENOTFOUND, "codeset: no row has id %llu", (unsigned long long)ids[i]);
    if (!rc && n > 0)
        rc = dkvb__removed_with(&r->memory, set, ids, n);
    if (rc) {
        r->memory = (struct dkvb__removed){0};
        dkvb__removal_free(r, set);
    }
    return rc;
}

uint64_t dkvb__removal_commit(struct dkvb__removal *r, dkvb_codeset *set, const uint64_t *ids, size_t n)
{
    uint64_t count;

    if (n > 0) {
        dkvb__removed_free(&set->removed, &set->mem);
        set->removed = r->memory;
        r->memory = (struct dkvb__removed){0};
    }
    count = dkvb__codeset_drop(set, ids, n, r->gone);
    dkvb__removal_free(r, set);
    return count;
}

void dkvb__removal_free(struct dkvb__removal *r, const dkvb_codeset *set)
{
    if (!r->gone)
        return; /* a removal of rows that marked no rows is a struct of zeros, with nothing to free */
    dkvb__free_erased(&set->mem, r->gone);
    dkvb__removed_free(&r->memory, &set->mem);
    r->gone = NULL;
}

dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n, uint64_t *removed)
{
    struct dkvb__removal removal;
    uint64_t count;
    dkvb_status rc = dkvb__removal_new(&removal, set, ids, n);

    if (rc)
        return rc;
    count = dkvb__removal_commit(&removal, set, ids, n);
    if (removed)
        *removed = count;
    return DKVB_OK;
}

/* Marks the rows of a codeset that took part in a new session of training. The argument `bit` of mark_rows() is the bit
 * that stands for the new session of training in each row's `sessions`. mark_rows() looks up the ids of all rows before
 * it marks any row as used in the session. */
static dkvb_status mark_rows(struct dkvb__coderows *rows, const uint64_t *ids, size_t n, uint64_t bit)
{
    for (size_t i = 0; ids && i < n; i++)
        if (dkvb__coderows_find(rows, ids[i]) == rows->n)
            return dkvb__fail(DKVB_ENOTFOUND,
                              "codeset: no row of the training part has id %llu, add it before the session",
                              (unsigned long long)ids[i]);
    for (size_t i = 0; ids && i < n; i++)
        rows->sessions[dkvb__coderows_find(rows, ids[i])] |= bit;
    for (size_t r = 0; !ids && r < rows->n; r++)
        rows->sessions[r] |= bit;
    return DKVB_OK;
}

static dkvb_status check_session_labels(const struct dkvb__coderows *rows, uint64_t bit, uint32_t classes)
{
    for (size_t r = 0; r < rows->n; r++)
        if ((rows->sessions[r] & bit) && rows->labels[r] >= 0 && (uint32_t)rows->labels[r] >= classes)
            return dkvb__fail(DKVB_EMISMATCH, "codeset: the row with id %llu has label %d, the session had %u classes",
                              (unsigned long long)rows->ids[r], rows->labels[r], classes);
    return DKVB_OK;
}

dkvb_status dkvb__codeset_append_session(dkvb_codeset *set, const struct dkvb__session *given)
{
    struct dkvb__session *session = &set->session[set->sessions];

    if (set->sessions == DKVB_CODESET_SESSIONS)
        return dkvb__fail(
            DKVB_ESTATE, "codeset: %u sessions are recorded, there is room for no more: train a model anew on all rows",
            set->sessions);
    if (given->classes < 1 || given->classes > DKVB__MAX_CLASSES || !dkvb__value_size(given->values_dtype))
        return dkvb__fail(DKVB_EINVAL, "codeset: a session of %u classes with values of type %u cannot be",
                          given->classes, given->values_dtype);
    if (set->sessions > 0 && given->classes < session[-1].classes)
        return dkvb__fail(DKVB_EMISMATCH,
                          "codeset: a session of %u classes after one of %u, a model never loses classes",
                          given->classes, session[-1].classes);
    *session = *given;
    session->training.report = NULL;
    session->training.user = NULL;
    session->training.ids = NULL;
    /* the training option `relearn` is about the model's journal; it does not change how values are trained */
    session->training.relearn = 0;
    set->sessions++;
    return DKVB_OK;
}

dkvb_status dkvb_codeset_add_session(dkvb_codeset *set, const dkvb_model *model, const dkvb_train_options *given,
                                     const uint64_t *ids, size_t n)
{
    struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];
    struct dkvb__session session = {.training = DKVB_TRAIN_OPTIONS_INIT};
    uint64_t bit;
    dkvb_status rc = dkvb__codeset_check(set, model->codebooks);

    if (!rc)
        rc = dkvb__train_options_take(&session.training, given);
    session.classes = model->classes;
    session.values_dtype = model->values_dtype;
    if (!rc)
        rc = dkvb__codeset_append_session(set, &session);
    if (rc)
        return rc;
    bit = UINT64_C(1) << (set->sessions - 1);
    rc = mark_rows(rows, ids, n, bit);
    if (!rc)
        rc = check_session_labels(rows, bit, session.classes);
    if (!rc)
        return DKVB_OK;
    /* after a failure, dkvb__codeset_drop_session() removes the new session of training, and unmarks the rows that took
     * part */
    dkvb__codeset_drop_session(set);
    return rc;
}

void dkvb__codeset_drop_session(dkvb_codeset *set)
{
    struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];

    set->sessions--;
    for (size_t r = 0; r < rows->n; r++)
        rows->sessions[r] &= ~(UINT64_C(1) << set->sessions);
}

dkvb_status dkvb_codeset_get_session(const dkvb_codeset *set, uint32_t index, dkvb_codeset_session *out,
                                     uint8_t *took_part)
{
    const struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];
    dkvb_codeset_session full = DKVB_CODESET_SESSION_INIT;

    if (index >= set->sessions)
        return dkvb__fail(DKVB_ENOTFOUND, "codeset: there is no session %u, %u are recorded", index, set->sessions);
    full.classes = set->session[index].classes;
    full.values_dtype = set->session[index].values_dtype;
    full.training = set->session[index].training;
    for (size_t r = 0; r < rows->n; r++) {
        uint8_t in = rows->sessions[r] >> index & 1;

        full.rows += in && rows->labels[r] >= 0;
        if (took_part)
            took_part[r] = in;
    }
    return dkvb__give_info(out, &full, sizeof full, "codeset session");
}

dkvb_status dkvb__codeset_copy_sessions(dkvb_codeset *set, const dkvb_codeset *from)
{
    struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];
    const struct dkvb__coderows *other = &from->part[DKVB_PART_TRAINING];
    struct dkvb__removed removed;
    dkvb_status rc;

    if (set->sessions > 0)
        return dkvb__fail(DKVB_ESTATE, "codeset: %u sessions are recorded already, copies need a codeset without any",
                          set->sessions);
    if (set->codebooks != from->codebooks || set->keys != from->keys || rows->k != other->k)
        return dkvb__fail(DKVB_EMISMATCH,
                          "codeset: sessions of %u codebooks of %u keys with k = %u, this one has %u of %u with %u",
                          from->codebooks, from->keys, other->k, set->codebooks, set->keys, rows->k);
    for (size_t r = 0; r < rows->n; r++) {
        unsigned long long id = rows->ids[r];
        size_t at = dkvb__coderows_find(other, id);

        if (at == other->n)
            return dkvb__fail(DKVB_EMISMATCH, "codeset: the sessions are of other rows, none of them has id %llu", id);
        if (other->labels[at] != rows->labels[r])
            return dkvb__fail(DKVB_EMISMATCH, "codeset: the row with id %llu has label %d in the sessions, here %d", id,
                              other->labels[at], rows->labels[r]);
    }
    rc = dkvb__removed_copy(&removed, &from->removed, &set->mem);
    if (rc)
        return rc;
    dkvb__removed_free(&set->removed, &set->mem);
    set->removed = removed;
    memcpy(set->session, from->session, sizeof set->session);
    set->sessions = from->sessions;
    for (size_t r = 0; r < rows->n; r++)
        rows->sessions[r] = other->sessions[dkvb__coderows_find(other, rows->ids[r])];
    return DKVB_OK;
}

void dkvb__codeset_session_labels(const dkvb_codeset *set, uint32_t s, const uint8_t *gone, int32_t *labels)
{
    const struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];

    for (size_t r = 0; r < rows->n; r++)
        labels[r] = (rows->sessions[r] >> s & 1) && !(gone && gone[r]) ? rows->labels[r] : -1;
}

void dkvb__codeset_fingerprint(const dkvb_codeset *set, const uint8_t *gone, int32_t *labels, uint8_t trained[16],
                               const struct dkvb__run *run)
{
    const struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];

    memset(trained, 0, 16);
    for (uint32_t s = 0; s < set->sessions; s++) {
        dkvb_train_options o = set->session[s].training;

        o.ids = rows->ids;
        dkvb__codeset_session_labels(set, s, gone, labels);
        dkvb__trained_extend(trained, &o, rows->codes, dkvb__coderows_code_size(set, rows), labels, rows->n, run);
    }
}

/* Finds the `top_k` nearest live keys of a row, among the `depth` keys that the row's stored code has in each
 * codebook. */
static void live_code(const dkvb_model *model, const uint16_t *deep, uint32_t depth, uint16_t *code)
{
    for (size_t c = 0; c < model->codebooks->shape.codebooks; c++, deep += depth, code += model->top_k) {
        size_t k = 0;

        for (size_t j = 0; j < depth && k < model->top_k && deep[j] != DKVB_CODE_NONE; j++)
            if (!dkvb__model_dead(model, c, deep[j]))
                code[k++] = deep[j];
        for (; k < model->top_k; k++)
            code[k] = DKVB_CODE_NONE;
    }
}

dkvb_status dkvb__temperature_rows(size_t *rows, size_t *count, const uint64_t *ids, uint32_t classes,
                                   const dkvb_allocator *mem)
{
    /* Seed for drawing the rows of a temperature fit. The seed for drawing the rows of a temperature fit differs from
     * all other seeds, so that the draw is independent of the order of training and of the held-out rows. */
    /* the bytes of the seed for drawing the rows of a temperature fit spell "temperat" */
    static const uint64_t seed = 0x74656D7065726174;
    size_t most = TEMPERATURE_LOGITS / classes, n = *count;
    struct dkvb__keyed *drawn;

    most = most > TEMPERATURE_LEAST ? most : TEMPERATURE_LEAST;
    if (n <= most)
        return DKVB_OK;
    drawn = dkvb__alloc(mem, n, 2 * sizeof *drawn);
    if (!drawn)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to draw among %zu rows held out", n);
    for (size_t i = 0; i < n; i++)
        drawn[i] = (struct dkvb__keyed){dkvb__rng_of_id(seed, 0, ids ? ids[rows[i]] : rows[i]), rows[i]};
    dkvb__sort_keyed(drawn, drawn + n, n);
    for (size_t i = 0; i < most; i++)
        drawn[i].key = drawn[i].index;
    dkvb__sort_keyed(drawn, drawn + n, most);
    for (size_t i = 0; i < most; i++)
        rows[i] = drawn[i].index;
    *count = most;
    dkvb__free_erased(mem, drawn);
    return DKVB_OK;
}

dkvb_status dkvb__codeset_fit_temperature(const dkvb_codeset *set, const dkvb_model *model, double *temperature,
                                          double *power, size_t *count, const dkvb_run_options *run)
{
    const struct dkvb__coderows *held = &set->part[DKVB_PART_HELD_OUT];
    size_t size = dkvb__code_size(model), n = 0, *rows;
    uint16_t *codes = NULL;
    int32_t *labels = NULL;
    float *logits = NULL;
    dkvb_status rc = dkvb__codeset_check(set, model->codebooks);

    if (!rc)
        rc = dkvb__codeset_need_codes(set, DKVB_PART_HELD_OUT);
    if (!rc && model->top_k > held->k)
        rc = dkvb__fail(DKVB_EMISMATCH, "codes of rows held out are %u deep, the model selects %u keys", held->k,
                        model->top_k);
    *temperature = 1.0;
    *power = 0.0;
    if (count)
        *count = 0;
    if (rc)
        return rc;
    for (size_t r = 0; r < held->n; r++)
        n += held->labels[r] >= 0;
    if (n < DKVB__TEMPERATURE_ROWS)
        return DKVB_OK;
    if (count)
        *count = n;
    rows = dkvb__alloc(&set->mem, n, sizeof *rows);
    if (!rows)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the numbers of %zu rows", n);
    for (size_t r = 0, i = 0; !rc && r < held->n; r++)
        if (held->labels[r] >= 0)
            rows[i++] = r;
    if (!rc)
        rc = dkvb__temperature_rows(rows, &n, held->ids, model->classes, &set->mem);
    if (!rc) {
        codes = dkvb__alloc(&set->mem, n, size * sizeof *codes);
        labels = dkvb__alloc(&set->mem, n, sizeof *labels);
        logits = dkvb__alloc(&set->mem, n, model->classes * sizeof *logits);
        if (!codes || !labels || !logits)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the logits of %zu rows", n);
    }
    rc = dkvb__model_agree(model, rc);
    for (size_t i = 0; !rc && i < n; i++) {
        live_code(model, held->codes + rows[i] * dkvb__coderows_code_size(set, held), held->k, codes + i * size);
        labels[i] = held->labels[rows[i]];
    }
    if (!rc)
        rc = dkvb_model_decode(model, codes, model->top_k, n, NULL, logits, run);
    if (!rc)
        rc = dkvb_calibration_fit(logits, labels, n, model->classes, temperature, power);
    rc = dkvb__model_agree(model, rc);
    dkvb__free_erased(&set->mem, rows);
    dkvb__free_erased(&set->mem, codes);
    dkvb__free_erased(&set->mem, labels);
    dkvb__free_erased(&set->mem, logits);
    return rc;
}

dkvb_status dkvb__codeset_set_keyinit(dkvb_codeset *set, const dkvb_keyinit_options *given)
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
