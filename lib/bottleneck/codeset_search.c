/* Finds the codes of rows that a codeset holds as features: when rows are added, or after loading a file that stores
 * only features. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codes.h"
#include "bottleneck/codeset.h"
#include "bottleneck/project.h"
#include "bottleneck/row_types.h"
#include "dkvb/data.h"
#include "dkvb/search.h"

enum { CHUNK = 4096 }; /* number of rows of a codeset that are searched, or added, at a time */

/* Progress of several searches, reported as one: `done` rows of `total`. When several searches report their progress as
 * one, each search alone reports nothing. */
struct told {
    dkvb_run_options all, quiet;
    uint64_t done, total;
};

static dkvb_status told_new(struct told *t, const dkvb_run_options *given)
{
    dkvb_status rc;

    *t = (struct told){.all = DKVB_RUN_OPTIONS_INIT};
    rc = dkvb__take_options(&t->all, sizeof t->all, given, "run options");
    t->quiet = t->all;
    t->quiet.progress = NULL;
    return rc;
}

static dkvb_status tell(struct told *t, size_t n)
{
    t->done += n;
    if (t->all.progress && t->all.progress(t->all.user, t->done, t->total) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled after %llu of %llu rows", (unsigned long long)t->done,
                          (unsigned long long)t->total);
    return DKVB_OK;
}

/* Searches the codes (the nearest keys) of a codeset's rows by the features that the codeset stores. The caller of
 * search_features() has allocated the array `codes` for the codes of the rows. */
static dkvb_status search_features(const dkvb_codeset *set, const struct dkvb__coderows *rows, const dkvb_codebooks *cb,
                                   uint16_t *codes, struct told *t)
{
    size_t columns = rows->columns, most = rows->n < CHUNK ? rows->n : CHUNK;
    float *x = dkvb__alloc(&set->mem, most, columns * sizeof *x);
    dkvb_status rc = x ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows of %zu columns", most, columns);

    rc = dkvb__ranks_agree(&cb->ranks, rc);
    for (size_t r = 0, n; !rc && r < rows->n; r += n) {
        n = rows->n - r < most ? rows->n - r : most;
        dkvb__widen(x, (const char *)rows->features + r * dkvb__coderows_feature_size(rows), rows->dtype, n * columns);
        rc = dkvb_search(cb, NULL, x, n, rows->k, codes + r * dkvb__coderows_code_size(set, rows), NULL, &t->quiet);
        if (!rc)
            rc = dkvb__ranks_agree(&cb->ranks, tell(t, n));
    }
    dkvb__free_erased(&set->mem, x);
    return rc;
}

/* Finds out whether the codes of a codeset's part still have to be searched. is_open() returns DKVB_EMISMATCH if the
 * stored features have another number of columns than the codebooks take. */
static dkvb_status is_open(const struct dkvb__coderows *rows, const dkvb_codebooks *cb, bool *open)
{
    *open = !rows->codes && rows->n > 0;
    if (*open && rows->columns != cb->shape.input_dim)
        return dkvb__fail(DKVB_EMISMATCH, "the codeset keeps features of %u columns, the codebooks take %u",
                          rows->columns, cb->shape.input_dim);
    return DKVB_OK;
}

static dkvb_status search_part(dkvb_codeset *set, struct dkvb__coderows *rows, const dkvb_codebooks *cb, struct told *t)
{
    size_t size = dkvb__coderows_code_size(set, rows);
    uint16_t *codes = dkvb__alloc(&set->mem, rows->capacity, size * sizeof *codes);
    dkvb_status rc = codes ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", rows->n);

    rc = dkvb__ranks_agree(&cb->ranks, rc);
    if (!rc)
        rc = search_features(set, rows, cb, codes, t);
    if (rc)
        dkvb__free_erased(&set->mem, codes);
    else
        rows->codes = codes;
    return rc;
}

dkvb_status dkvb_codeset_search(dkvb_codeset *set, const dkvb_codebooks *cb, uint32_t part,
                                const dkvb_run_options *given)
{
    struct told t;
    bool open[DKVB__PARTS] = {false};
    dkvb_status rc = told_new(&t, given);

    if (!rc && part > DKVB_PART_BOTH)
        rc = dkvb__fail(DKVB_EINVAL, "codeset: part is %u, it must be %d (training), %d (held out) or %d (both)", part,
                        DKVB_PART_TRAINING, DKVB_PART_HELD_OUT, DKVB_PART_BOTH);
    if (!rc)
        rc = dkvb__codeset_check(set, cb);
    for (uint32_t p = 0; !rc && p < DKVB__PARTS; p++) {
        if (part != p && part != DKVB_PART_BOTH)
            continue;
        rc = is_open(&set->part[p], cb, &open[p]);
        t.total += open[p] ? set->part[p].n : 0;
    }
    for (uint32_t p = 0; !rc && p < DKVB__PARTS; p++)
        if (open[p])
            rc = search_part(set, &set->part[p], cb, &t);
    return rc;
}

/* State of adding rows with features to a codeset. */
struct filling {
    dkvb_codeset *set;
    const dkvb_codebooks *cb;
    dkvb_codeset_source from;
    struct dkvb__rows rows; /* source of the features of the rows to add */
    struct told told;
    /* numbers of the rows to add, by ascending id, [n]; as rows are added in ascending order, no row is moved twice */
    struct dkvb__keyed *order;
    /* scratch space for marks of the codeset's rows: one for each row of the larger part, counted with the new rows */
    uint8_t *gone;
    uint64_t *all; /* ids of all rows that are being added, [n], for removing these rows again after a failure */

    /* Buffers for one chunk (some thousand rows) of the rows that are added to a codeset: */
    float *x;
    uint64_t *ids;
    int32_t *labels;
    uint16_t *codes;
    char *features;
    const char **names;
    size_t *numbers; /* for error messages, the numbers of the present chunk's rows among all rows to add */
};

static void filling_free(struct filling *f)
{
    const dkvb_allocator *mem = &f->set->mem;

    dkvb__free_erased(mem, f->order);
    dkvb__free_erased(mem, f->gone);
    dkvb__free_erased(mem, f->all);
    dkvb__free_erased(mem, f->x);
    dkvb__free_erased(mem, f->ids);
    dkvb__free_erased(mem, f->labels);
    dkvb__free_erased(mem, f->codes);
    dkvb__free_erased(mem, f->features);
    dkvb__free(mem, f->names);
    dkvb__free(mem, f->numbers);
}

/* Checks every row before any row is added to the codeset, so that messages name a row by its number. */
static dkvb_status check_source(const struct filling *f, struct dkvb__keyed *scratch)
{
    const dkvb_codeset_source *from = &f->from;
    const struct dkvb__coderows *training = &f->set->part[DKVB_PART_TRAINING];
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, &f->told.quiet);

    for (size_t r = 0; !rc && from->held_out && r < from->n; r++)
        if (from->held_out[r] > 1)
            rc = dkvb__fail(DKVB_EINVAL, "codeset: held_out of row %zu is %u, it must be 0 or 1", r, from->held_out[r]);
    if (!rc)
        rc = dkvb__codeset_check_labels(from->labels, from->n);
    if (!rc)
        rc = dkvb__codeset_order(f->set, from->ids, from->n, f->order, scratch);
    if (!rc && from->codes)
        rc = dkvb__check_code_range(from->codes, training->k, from->n, f->set->codebooks, f->set->keys);
    return rc ? rc : dkvb__check_rows(&run, &f->rows, "features", &f->set->mem);
}

/* Allocates the buffers for adding rows to a codeset, and checks the rows. The caller of filling_new() frees the
 * buffers for adding rows, even after a failure. */
static dkvb_status filling_new(struct filling *f)
{
    const dkvb_codeset *set = f->set;
    const dkvb_allocator *mem = &set->mem;
    const struct dkvb__coderows *a = &set->part[DKVB_PART_TRAINING], *b = &set->part[DKVB_PART_HELD_OUT];
    size_t n = f->from.n, chunk = n < CHUNK ? n : CHUNK;
    size_t code = (size_t)set->codebooks * (a->k > b->k ? a->k : b->k);
    struct dkvb__keyed *scratch = dkvb__alloc(mem, n, sizeof *scratch);
    dkvb_status rc;

    f->order = dkvb__alloc(mem, n, sizeof *f->order);
    f->gone = dkvb__alloc(mem, (a->n > b->n ? a->n : b->n) + n, 1);
    f->all = dkvb__alloc(mem, n, sizeof *f->all);
    f->x = dkvb__alloc(mem, chunk, f->from.dim * sizeof *f->x);
    f->ids = dkvb__alloc(mem, chunk, sizeof *f->ids);
    f->labels = dkvb__alloc(mem, chunk, sizeof *f->labels);
    f->codes = dkvb__alloc(mem, chunk, code * sizeof *f->codes);
    f->features = dkvb__alloc(mem, chunk, f->from.dim * sizeof(float));
    f->names = dkvb__alloc(mem, chunk, sizeof *f->names);
    f->numbers = dkvb__alloc(mem, chunk, sizeof *f->numbers);
    if (scratch && f->order && f->gone && f->all && f->x && f->ids && f->labels && f->codes && f->features &&
        f->names && f->numbers)
        rc = check_source(f, scratch);
    else
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory to keep %zu rows", n);
    for (size_t r = 0; !rc && r < n; r++)
        f->all[r] = f->order[r].key;
    dkvb__free_erased(mem, scratch);
    return rc;
}

/* Ends a step that may fail on some ranks (processes) only: all ranks get the same status. */
static dkvb_status agree(const struct filling *f, dkvb_status rc)
{
    return dkvb__ranks_agree(&f->cb->ranks, rc);
}

static bool is_of(const struct filling *f, size_t row, uint32_t part)
{
    return f->from.held_out ? f->from.held_out[row] == part : part == DKVB_PART_TRAINING;
}

/* Adds the first `count` rows of a chunk to a part of the codeset (training or held-out rows). */
static dkvb_status add_chunk(struct filling *f, uint32_t part, size_t count, uint32_t dtype)
{
    const struct dkvb__coderows *to = &f->set->part[part];
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;
    dkvb_status rc = DKVB_OK;

    if (!f->from.codes || part == DKVB_PART_HELD_OUT)
        rc = dkvb_search(f->cb, NULL, f->x, count, to->k, f->codes, NULL, &f->told.quiet);
    dkvb__narrow(f->features, dtype, f->x, count * f->from.dim);
    rows.n = count;
    rows.codebooks = f->set->codebooks;
    rows.k = to->k;
    rows.ids = f->ids;
    rows.labels = f->labels;
    rows.codes = f->codes;
    rows.features = f->features;
    rows.dtype = dtype;
    rows.columns = (uint32_t)f->from.dim;
    rows.names = f->from.names ? f->names : NULL;
    if (!rc)
        rc = dkvb_codeset_add_rows(f->set, part, &rows);
    return rc ? rc : tell(&f->told, count);
}

static dkvb_status add_part(struct filling *f, uint32_t part, uint32_t narrowest)
{
    const struct dkvb__coderows *to = &f->set->part[part];
    size_t code = dkvb__coderows_code_size(f->set, to), count = 0;
    uint32_t dtype = to->n > 0 && to->features ? to->dtype : narrowest;
    dkvb_status rc = DKVB_OK;

    /* a larger type number means a wider number type; if the rows to add need a larger one than the codeset has, the
     * codeset's type cannot hold their features exactly */
    if (narrowest > dtype)
        return dkvb__fail(DKVB_EINVAL, "its numbers are not exact in %s, which the codes keep features in",
                          dkvb_name(DKVB_NAME_DTYPE, dtype));
    for (size_t i = 0; !rc && i < f->from.n; i++) {
        size_t r = f->order[i].index;

        if (is_of(f, r, part)) {
            f->ids[count] = f->order[i].key;
            f->labels[count] = f->from.labels[r];
            f->names[count] = f->from.names ? f->from.names[r] : NULL;
            f->numbers[count] = r;
            if (f->from.codes && part == DKVB_PART_TRAINING)
                memcpy(f->codes + count * code, f->from.codes + r * code, code * sizeof *f->codes);
            count++;
        }
        if (count == 0 || (count < CHUNK && i + 1 < f->from.n))
            continue;
        rc = agree(f, dkvb__rows_gather(&f->rows, f->numbers, count, f->x));
        if (!rc)
            rc = agree(f, add_chunk(f, part, count, dtype));
        count = 0;
    }
    return rc;
}

/* Finds the narrowest number type that holds all features of the rows to add: the widest among the narrowest types of
 * all chunks. A number type with a larger constant DKVB_DTYPE_… holds a wider range of values. */
static dkvb_status find_narrowest(struct filling *f, uint32_t *narrowest)
{
    size_t chunk = f->from.n < CHUNK ? f->from.n : CHUNK;
    dkvb_status rc = DKVB_OK;

    *narrowest = DKVB_DTYPE_U8;
    for (size_t first = 0, n; !rc && *narrowest < DKVB_DTYPE_F32 && first < f->from.n; first += n) {
        const float *x;
        uint32_t dtype;

        n = f->from.n - first < chunk ? f->from.n - first : chunk;
        rc = dkvb__rows_block(&f->rows, first, n, f->x, &x);
        dtype = rc ? *narrowest : dkvb__narrowest(x, n * f->from.dim);
        *narrowest = dtype > *narrowest ? dtype : *narrowest;
    }
    return rc;
}

dkvb_status dkvb__codeset_add_some(dkvb_codeset *set, const dkvb_codebooks *cb, const dkvb_codeset_source *given,
                                   const size_t *index, const dkvb_run_options *run)
{
    struct filling f = {.set = set, .cb = cb, .from = DKVB_CODESET_SOURCE_INIT};
    uint32_t narrowest;
    dkvb_status rc = told_new(&f.told, run);

    if (!rc)
        rc = dkvb__take_options(&f.from, sizeof f.from, given, "codeset source");
    if (!rc)
        rc = dkvb__codeset_check(set, cb);
    for (uint32_t p = 0; !rc && p < DKVB__PARTS; p++)
        rc = dkvb__codeset_need_codes(set, p);
    if (!rc && f.from.n > 0 && ((!f.from.x && !f.from.source) || !f.from.labels))
        rc = dkvb__fail(DKVB_EINVAL, "codeset: rows must bring features and labels, one of them is NULL");
    if (!rc)
        rc = dkvb__rows_take(&f.rows, f.from.x, f.from.source, f.from.n, f.from.dim, "codeset");
    if (!rc)
        f.rows.index = index;
    if (!rc && f.from.dim != cb->shape.input_dim)
        rc =
            dkvb__fail(DKVB_EMISMATCH, "rows have %zu columns, the codebooks take %u", f.from.dim, cb->shape.input_dim);
    if (rc || f.from.n == 0)
        return rc;
    rc = agree(&f, filling_new(&f));
    if (!rc) {
        f.told.total = f.from.n;
        rc = agree(&f, find_narrowest(&f, &narrowest));
        for (uint32_t p = 0; !rc && p < DKVB__PARTS; p++)
            rc = add_part(&f, p, narrowest);
        /* if adding rows fails, the rows added so far are removed again by their ids, which were all new to the
         * codeset */
        if (rc)
            (void)dkvb__codeset_drop(set, f.all, f.from.n, f.gone);
    }
    filling_free(&f);
    return rc;
}

dkvb_status dkvb_codeset_add_features(dkvb_codeset *set, const dkvb_codebooks *cb, const dkvb_codeset_source *given,
                                      const dkvb_run_options *run)
{
    return dkvb__codeset_add_some(set, cb, given, NULL, run);
}
