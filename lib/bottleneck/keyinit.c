#include "bottleneck/keyinit.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/outside.h"

enum {
    TILE = DKVB__LANES,
    GROUP_BYTES = 256 << 20, /* largest number of bytes of projected rows that key placement keeps in memory */
    SCALE_ROWS = 4096,       /* number of rows from which the quantisation scales of codebooks are computed */
    CENTER_COLUMNS = 64,     /* number of columns of rows that one parallel task sums for the mean of the rows */
    /* number of key rows (rows on which keys are placed) between two progress reports of computing their mean */
    CENTER_ROWS = 16384
};

void dkvb__keyinit_suit(dkvb_keyinit_options *opts, size_t rows, size_t columns)
{
    uint32_t keys = 1024, dim = 16;

    /* The number of keys in a codebook is chosen so that there are at least four rows for each key; with few rows, down
     * to one row for each key. docs/method.md has measurements of this rule. */
    while (keys > 1 && keys > rows / 4 && (keys > rows || keys > 16))
        keys /= 2;
    while (dim > 1 && dim > columns)
        dim /= 2;
    opts->codebooks = opts->codebooks ? opts->codebooks : 512;
    opts->keys = opts->keys ? opts->keys : rows == 0 ? 1024 : keys;
    opts->key_dim = opts->key_dim ? opts->key_dim : dim;
}

void dkvb__seed_stream(struct dkvb__rng *rng, uint64_t seed, uint32_t purpose, size_t number)
{
    dkvb__rng_seed(rng, seed, (uint64_t)purpose << 32 | number);
}

dkvb_status dkvb__keyinit_options_take(dkvb_keyinit_options *o, const dkvb_keyinit_options *given)
{
    dkvb_status rc = dkvb__take_options(o, sizeof *o, given, "key initialisation options");

    if (!rc)
        rc = dkvb__check_allocator(o->allocator);
    if (rc)
        return rc;
    if (o->method > DKVB_KEYINIT_MEANS)
        return dkvb__fail(DKVB_EINVAL, "key initialisation: method %u is unknown", o->method);
    if (!(o->decay >= 0.0 && o->decay < 1.0))
        return dkvb__fail(DKVB_EINVAL, "key initialisation: decay is %g, it must be 0 or more and below 1", o->decay);
    if (!(o->restart >= 0.0 && o->restart < 1.0))
        return dkvb__fail(DKVB_EINVAL, "key initialisation: restart is %g, it must be 0 or more and below 1",
                          o->restart);
    if (o->normalize > 1 || o->whiten > 1)
        return dkvb__fail(DKVB_EINVAL, "key initialisation: normalize is %u and whiten %u, each must be 0 or 1",
                          o->normalize, o->whiten);
    o->passes = o->passes ? o->passes : o->method == DKVB_KEYINIT_EMA ? 2 : 1;
    o->batch = o->batch ? o->batch : 2048;
    return DKVB_OK;
}

static dkvb_status take_options(dkvb_keyinit_options *o, struct dkvb__shape *shape, const dkvb_keyinit_options *given,
                                size_t n, size_t dim)
{
    dkvb_status rc = dkvb__keyinit_options_take(o, given);

    if (rc)
        return rc;
    dkvb__keyinit_suit(o, n, dim);
    *shape = (struct dkvb__shape){o->codebooks, o->keys, o->key_dim, dim > UINT32_MAX ? UINT32_MAX : (uint32_t)dim};
    rc = dkvb__shape_check(shape, "key initialisation");
    if (!rc && o->whiten && dim > DKVB__MAX_WHITENED)
        rc = dkvb__fail(DKVB_EINVAL, "key initialisation: whitening of %zu columns, at most %d are supported", dim,
                        DKVB__MAX_WHITENED);
    return rc;
}

/* The range of codebooks whose keys this rank (process) places, if ranks share the codebooks. */
struct range {
    size_t first, end;
};

static struct range own_codebooks(const dkvb_codebooks *cb)
{
    const dkvb_ranks *ranks = &cb->ranks;

    return (struct range){dkvb__ranks_first(ranks, cb->shape.codebooks, ranks->rank),
                          dkvb__ranks_first(ranks, cb->shape.codebooks, ranks->rank + 1)};
}

/* State of placing the keys of codebooks. Key placement processes codebooks in groups, so that the projected rows of a
 * group fit in memory. */
struct placement {
    dkvb_codebooks *cb;
    const dkvb_keyinit_options *options;
    struct dkvb__run run;
    const struct dkvb__rows *from;
    /* numbers of the key rows (the rows on which keys are placed) among the rows of `from`, [n]; NULL: the first n
     * rows */
    size_t *pick;
    size_t n;     /* number of rows that are used for placing keys */
    float *block; /* buffer for rows of a source, [projector.capacity][input_dim]; NULL if all rows lie in memory */
    struct dkvb__projector projector;
    struct dkvb__placer *placers; /* one placer (memory for placing keys) for each thread, [threads] */
    int8_t *rows; /* projected rows as bytes for one group of codebooks, [codebooks of a group][tiles][quads][16][4] */
    size_t codebook_bytes; /* number of bytes of one codebook's projected rows in the array of projected rows, `rows` */
    /* number of units (codebooks that share random transforms) that are processed at a time, as a group */
    size_t group;
    size_t first;     /* index of the first codebook of the group whose keys are being placed */
    struct range own; /* the codebooks in which this rank (process) places keys */
    /* keys that this rank places, [own codebooks][keys][key_dim], and numbers of rows that use each key, [own
     * codebooks][keys] */
    float *growing, *use;
    /* true if the key placement is one step of growing keys (of codebooks that get their rows in batches), and all rows
     * form one batch */
    bool step;
    atomic_size_t placed; /* number of codebooks in the present group whose keys are placed */
    atomic_bool stop;     /* set to true if the caller asks to cancel the key placement */
};

static void placement_end(struct placement *w)
{
    const dkvb_allocator *mem = &w->cb->mem;

    for (unsigned t = 0; w->placers && t < w->run.threads; t++)
        dkvb__placer_free(&w->placers[t], mem);
    dkvb__free(mem, w->placers);
    dkvb__free_erased(mem, w->rows);
    dkvb__free_erased(mem, w->block);
    dkvb__free(mem, w->pick);
    dkvb__projector_free(&w->projector);
}

/* Draws the rows for placing keys, in ascending order. Each row is drawn with the probability (rows still to draw) /
 * (rows left) (Knuth, *The Art of Computer Programming*, volume 2, algorithm 3.4.2 S). */
static dkvb_status draw_rows(struct placement *w, size_t rows)
{
    size_t wanted = (size_t)w->options->rows_per_key * w->options->keys, taken = 0;
    struct dkvb__rng rng;

    w->n = rows;
    if (wanted == 0 || wanted >= rows)
        return DKVB_OK;
    w->n = wanted;
    w->pick = dkvb__alloc(&w->cb->mem, wanted, sizeof *w->pick);
    if (!w->pick)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to draw %zu of %zu rows", wanted, rows);
    dkvb__seed_stream(&rng, w->options->seed, DKVB__FOR_ROWS, 0);
    for (size_t r = 0; taken < wanted; r++)
        if (dkvb__rng_below(&rng, rows - r) < wanted - taken)
            w->pick[taken++] = r;
    return DKVB_OK;
}

static dkvb_status placement_begin(struct placement *w, dkvb_codebooks *cb, const dkvb_keyinit_options *o,
                                   const struct dkvb__run *run, const struct dkvb__rows *from)
{
    const dkvb_allocator *mem = &cb->mem;
    size_t unit;
    dkvb_status rc;

    *w = (struct placement){.cb = cb, .options = o, .run = *run, .from = from, .growing = cb->growing, .use = cb->use};
    w->own = own_codebooks(cb);
    atomic_init(&w->placed, 0);
    atomic_init(&w->stop, false);
    rc = draw_rows(w, from->n);
    if (!rc)
        rc = dkvb__projector_new(&w->projector, cb, w->n, SCALE_ROWS, run);
    if (rc)
        goto fail;
    w->codebook_bytes = (w->n + TILE - 1) / TILE * w->projector.tile_bytes;
    unit = w->projector.unit_codebooks < cb->shape.codebooks ? w->projector.unit_codebooks : cb->shape.codebooks;
    w->group = GROUP_BYTES / (unit * w->codebook_bytes);
    w->group = w->group > w->projector.units ? w->projector.units : w->group > 0 ? w->group : 1;
    w->rows = dkvb__alloc(mem, w->group * unit, w->codebook_bytes);
    w->placers = dkvb__alloc0(mem, w->run.threads, sizeof *w->placers);
    w->block =
        dkvb__rows_in_place(from) ? NULL : dkvb__alloc(mem, w->projector.capacity, from->width * sizeof *w->block);
    rc = w->rows && w->placers && (w->block || dkvb__rows_in_place(from)) ? DKVB_OK : DKVB_ENOMEM;
    for (unsigned t = 0; !rc && t < w->run.threads; t++)
        rc = dkvb__placer_new(&w->placers[t], o, &cb->shape, w->n, mem) ? DKVB_OK : DKVB_ENOMEM;
    if (!rc)
        return DKVB_OK;
    dkvb__fail(rc, "out of memory to place %u keys among %zu rows", o->keys, w->n);

fail:
    placement_end(w);
    return rc;
}

static void place_codebook(void *context, size_t i, unsigned worker)
{
    struct placement *w = context;
    struct dkvb__placer *p = &w->placers[worker];
    const struct dkvb__shape *s = &w->cb->shape;
    const int8_t *rows = w->rows + i * w->codebook_bytes;
    size_t c = w->first + i, at = c - w->own.first;
    float *key = w->growing + at * s->keys * s->key_dim, *use = w->use + at * s->keys;
    struct dkvb__rng rng;

    if (c < w->own.first || c >= w->own.end || atomic_load_explicit(&w->stop, memory_order_relaxed))
        return;
    p->run = worker == 0 ? &w->run : NULL; /* only the calling thread may report progress of the key placement */
    p->codebooks_done = w->first + atomic_load_explicit(&w->placed, memory_order_relaxed);
    p->codebooks = s->codebooks;
    p->stop = &w->stop;
    if (w->step) {
        dkvb__seed_stream(&rng, w->options->seed, DKVB__FOR_FIRST_STEP + (uint32_t)w->cb->steps, c);
        for (size_t r = 0; r < w->n; r++)
            p->order[r] = r;
        dkvb__ema_step(p, rows, p->order, w->n, w->options->decay, key, use, &rng);
    } else {
        dkvb__seed_stream(&rng, w->options->seed, DKVB__FOR_KEYS, c);
        if (w->options->method == DKVB_KEYINIT_SAMPLE)
            dkvb__place_sample(p, rows, key, use, &rng);
        else if (w->options->method == DKVB_KEYINIT_MEANS)
            dkvb__place_means(p, rows, key, use, &rng);
        else
            dkvb__place_ema(p, rows, key, use, &rng);
    }
    atomic_fetch_add_explicit(&w->placed, 1, memory_order_relaxed);
}

/* Finds `n` of the key rows (the rows on which keys are placed), beginning with key row number `first`. Key rows that
 * lie in memory are not copied: *x becomes the array of all rows, and *pick the numbers of the key rows in the array;
 * if the key rows are neighbours, *x becomes the first of them, and *pick NULL. If the key rows come from a source,
 * take_rows() reads them into a buffer, and *x becomes the buffer. */
static dkvb_status take_rows(const struct placement *w, size_t first, size_t n, const float **x, const size_t **pick)
{
    const size_t *numbers = w->pick ? w->pick + first : NULL;

    *x = w->block;
    *pick = NULL;
    if (w->block)
        return numbers ? dkvb__rows_gather(w->from, numbers, n, w->block)
                       : dkvb__rows_read(w->from, first, n, w->block);
    *x = w->from->x + (numbers ? 0 : first * w->from->width);
    *pick = numbers;
    return DKVB_OK;
}

/* Prepares `n` of the key rows (the rows on which keys are placed) for their projection, beginning with key row number
 * `first`. */
static dkvb_status prepare_rows(struct placement *w, size_t first, size_t n)
{
    const float *x;
    const size_t *pick;
    dkvb_status rc = take_rows(w, first, n, &x, &pick);

    w->projector.numbers = w->pick ? w->pick + first : NULL;
    return rc ? rc : dkvb__projector_prepare(&w->projector, x, pick, n, first);
}

/* Places the keys of one group of units (codebooks that share random transforms), beginning with unit `first_unit`: all
 * rows are projected, then keys are placed codebook by codebook. */
static dkvb_status place_group(struct placement *w, size_t first_unit)
{
    const struct dkvb__projector *p = &w->projector;
    struct dkvb__projected to = {first_unit, first_unit + w->group, w->rows, w->codebook_bytes, NULL};
    size_t codebooks = w->cb->shape.codebooks, end;
    dkvb_status rc;

    to.end_unit = to.end_unit < p->units ? to.end_unit : p->units;
    w->first = first_unit * p->unit_codebooks;
    end = to.end_unit * p->unit_codebooks < codebooks ? to.end_unit * p->unit_codebooks : codebooks;
    for (size_t first = 0, n; first < w->n; first += n) {
        n = w->n - first < p->capacity ? w->n - first : p->capacity;
        rc = prepare_rows(w, first, n);
        if (!rc)
            rc = dkvb__report(&w->run, w->first, codebooks);
        if (rc)
            return rc;
        to.rows = w->rows + first / TILE * p->tile_bytes;
        dkvb__projector_run(&w->projector, n, &to);
    }
    atomic_store(&w->placed, 0);
    rc = dkvb__parallel_long(&w->run, end - w->first, place_codebook, w, w->first, codebooks);
    if (!rc && atomic_load(&w->stop))
        rc = dkvb__fail(DKVB_ECANCELLED, "cancelled while keys were placed, after %zu of %zu codebooks",
                        w->first + atomic_load(&w->placed), codebooks);
    return rc;
}

static dkvb_status place_keys(struct placement *w)
{
    dkvb_status rc = DKVB_OK;

    size_t unit = w->own.first / w->projector.unit_codebooks;

    for (; !rc && w->own.first < w->own.end && unit * w->projector.unit_codebooks < w->own.end; unit += w->group)
        rc = place_group(w, unit);
    return rc;
}

struct centering {
    const float *x; /* features of the block of rows whose columns are being summed */
    /* places of the block's rows in the array x, [n]; NULL: the block's rows lie one after the other */
    const size_t *pick;
    size_t n, width;
    /* sums of the columns of the key rows (rows on which keys are placed), from which the mean of these rows is
     * computed, [input_dim] */
    double *sum;
};

static void sum_columns(void *context, size_t task, unsigned worker)
{
    const struct centering *s = context;
    size_t end = (task + 1) * CENTER_COLUMNS < s->width ? (task + 1) * CENTER_COLUMNS : s->width;

    (void)worker;
    for (size_t r = 0; r < s->n; r++) {
        const float *x = s->x + (s->pick ? s->pick[r] : r) * s->width;

        for (size_t i = task * CENTER_COLUMNS; i < end; i++)
            s->sum[i] += (double)x[i];
    }
}

/* Computes the centre of the codebooks, which is the mean of the rows for placing keys. For the mean of the key rows
 * (rows on which keys are placed), each column is summed in the order of the rows in double precision. */
static dkvb_status find_center(struct placement *w)
{
    dkvb_codebooks *cb = w->cb;
    size_t width = cb->shape.input_dim, most = w->block ? w->projector.capacity : CENTER_ROWS;
    struct centering s = {.width = width, .sum = dkvb__alloc0(&cb->mem, width, sizeof *s.sum)};
    dkvb_status rc = DKVB_OK;

    if (!s.sum)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    /* while the mean of the rows is computed, progress is reported for each block, as reading a million rows from disk
     * takes seconds */
    for (size_t first = 0; !rc && first < w->n; first += s.n) {
        s.n = w->n - first < most ? w->n - first : most;
        rc = take_rows(w, first, s.n, &s.x, &s.pick);
        if (rc)
            break;
        dkvb__parallel(&w->run, (width + CENTER_COLUMNS - 1) / CENTER_COLUMNS, sum_columns, &s);
        rc = dkvb__report(&w->run, 0, cb->shape.codebooks);
    }
    for (size_t i = 0; i < width; i++)
        cb->center[i] = (float)(s.sum[i] / (double)w->n);
    dkvb__free_erased(&cb->mem, s.sum);
    return rc;
}

/* Computes what the projection needs to prepare rows: the centre, the whitening, the scales, and the usual lengths of
 * rows. */
static dkvb_status find_preparation(struct placement *w)
{
    size_t n = w->n < w->projector.capacity ? w->n : w->projector.capacity, width = w->cb->shape.input_dim;
    dkvb_status rc = find_center(w);

    /* All rows are checked before whitening, so that an error message can name the row of a number that is not
     * finite. */
    for (size_t first = 0, rows; !rc && w->cb->whitening && first < w->n; first += rows) {
        const float *x;
        const size_t *pick;

        rows = w->n - first < n ? w->n - first : n;
        rc = take_rows(w, first, rows, &x, &pick);
        for (size_t r = 0; !rc && r < rows; r++) {
            const float *row = x + (pick ? pick[r] : r) * width;

            if (!dkvb__all_finite(row, width))
                rc = dkvb__fail_not_finite("features", row, w->pick ? w->pick[first + r] : first + r);
        }
    }
    if (!rc && w->cb->whitening)
        rc = dkvb__whitening_fit(w->cb, w->from, w->pick, w->n, &w->run);
    if (!rc)
        rc = prepare_rows(w, 0, n);
    if (!rc)
        rc = dkvb__limits_set(w->cb, w->projector.lengths, n);
    return rc ? rc : dkvb__projector_set_scales(&w->projector, w->cb, n);
}

static dkvb_status check_row_count(size_t n, uint32_t keys)
{
    if (n < keys)
        return dkvb__fail(
            DKVB_EINVAL,
            "key initialisation: %zu rows for %u keys, there must be at least as many rows as keys: the option "
            "keys must be at most that, or 0 for what suits the rows",
            n, keys);
    return DKVB_OK;
}

static dkvb_status new_growth(dkvb_codebooks *cb)
{
    struct range own = own_codebooks(cb);
    size_t pairs = (own.end - own.first) * cb->shape.keys;

    cb->growing = dkvb__alloc0(&cb->mem, pairs, cb->shape.key_dim * sizeof *cb->growing);
    cb->use = dkvb__alloc0(&cb->mem, pairs, sizeof *cb->use);
    if (cb->growing && cb->use)
        return DKVB_OK;
    return dkvb__fail(DKVB_ENOMEM, "out of memory for %u x %u keys that grow", cb->shape.codebooks, cb->shape.keys);
}

/* Rounds the grown keys of this rank (process), gets the keys of the other ranks, and freezes the codebooks. */
static dkvb_status finish(dkvb_codebooks *cb)
{
    size_t count = (size_t)cb->shape.keys * cb->shape.key_dim;
    struct range own = own_codebooks(cb);
    dkvb_status rc;

    for (size_t c = own.first; c < own.end; c++)
        dkvb__pack_keys(dkvb__codebook_keys(cb, c), dkvb__codebook_norms(cb, c), cb->growing + (c - own.first) * count,
                        &cb->shape);
    rc = dkvb__ranks_share_evenly(&cb->ranks, cb->keys, cb->shape.codebooks, dkvb__key_bytes(&cb->shape));
    if (rc)
        return rc;
    if (cb->ranks.count > 1)
        dkvb__codebooks_set_norms(cb);
    dkvb__codebooks_seal(cb);
    return DKVB_OK;
}

dkvb_status dkvb__codebooks_fit(dkvb_codebooks **out, const struct dkvb__rows *from, const dkvb_keyinit_options *given,
                                const dkvb_run_options *opts)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    struct dkvb__shape shape;
    struct dkvb__run run;
    struct placement w;
    dkvb_ranks ranks;
    dkvb_allocator mem;
    dkvb_codebooks *cb;
    dkvb_status rc;

    *out = NULL;
    if ((rc = take_options(&o, &shape, given, from->n, from->width)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__run_take(&run, opts)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__ranks_take(&ranks, run.ranks)) != DKVB_OK)
        return rc;
    if ((rc = check_row_count(from->n, o.keys)) != DKVB_OK)
        return rc;
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__codebooks_new(&cb, &shape, o.seed, o.whiten != 0, &mem);
    if (!rc) {
        cb->normalize = o.normalize;
        cb->ranks = ranks;
        rc = new_growth(cb);
    }
    if (!rc)
        rc = placement_begin(&w, cb, &o, &run, from);
    if (!rc) {
        rc = find_preparation(&w);
        if (!rc)
            rc = place_keys(&w);
        placement_end(&w);
    }
    rc = dkvb__ranks_agree(&ranks, rc);
    if (!rc)
        rc = finish(cb);
    if (rc) {
        dkvb_codebooks_free(cb);
        return rc;
    }
    *out = cb;
    return DKVB_OK;
}

dkvb_status dkvb_codebooks_fit(dkvb_codebooks **out, const float *x, size_t n, size_t dim,
                               const dkvb_keyinit_options *given, const dkvb_run_options *opts)
{
    const struct dkvb__rows from = dkvb__rows_of(x, n, dim);

    return dkvb__codebooks_fit(out, &from, given, opts);
}

dkvb_status dkvb_codebooks_begin(dkvb_codebooks **out, size_t dim, const dkvb_keyinit_options *given)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    struct dkvb__shape shape;
    dkvb_allocator mem;
    dkvb_codebooks *cb;
    dkvb_status rc;

    *out = NULL;
    rc = take_options(&o, &shape, given, 0, dim);
    if (rc)
        return rc;
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__codebooks_new(&cb, &shape, o.seed, o.whiten != 0, &mem);
    if (rc)
        return rc;
    cb->normalize = o.normalize;
    rc = new_growth(cb);
    cb->options = dkvb__alloc(&mem, 1, sizeof *cb->options);
    if (!rc && !cb->options)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory");
    if (rc) {
        dkvb_codebooks_free(cb);
        return rc;
    }
    *cb->options = o;
    /* the options' pointer to an allocator may point into memory that the caller frees, so it is not kept; cb->mem has
     * a copy of the allocator */
    cb->options->allocator = NULL;
    cb->options->method = DKVB_KEYINIT_EMA;
    /* a step of growing keys (of codebooks that get their rows in batches) is not divided into batches, as all its rows
     * are one batch */
    cb->options->batch = 0;
    /* a step of growing keys (of codebooks that get their rows in batches) uses all rows that the caller gives, so the
     * number of rows per key has no limit */
    cb->options->rows_per_key = 0;
    *out = cb;
    return DKVB_OK;
}

/* Makes one step of growing keys (keys of codebooks that get their rows in batches) on copies of the keys and of their
 * use counts. After the step, the copies of the keys and of their use counts replace the originals, so that a cancelled
 * step of growing keys changes nothing. The first step of growing keys also computes the centre, whitening and scales
 * of the rows, and draws the first keys from the rows before it moves them. */
static dkvb_status run_step(struct placement *w)
{
    dkvb_codebooks *cb = w->cb;
    dkvb_keyinit_options sample = *w->options;
    size_t pairs = (size_t)cb->shape.codebooks * cb->shape.keys;
    float *old_growing = cb->growing, *old_use = cb->use;
    dkvb_status rc = DKVB_OK;

    w->growing = dkvb__alloc(&cb->mem, pairs, cb->shape.key_dim * sizeof *w->growing);
    w->use = dkvb__alloc(&cb->mem, pairs, sizeof *w->use);
    if (!w->growing || !w->use)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a copy of %u x %u keys", cb->shape.codebooks, cb->shape.keys);
    if (!rc) {
        memcpy(w->growing, cb->growing, pairs * cb->shape.key_dim * sizeof *w->growing);
        memcpy(w->use, cb->use, pairs * sizeof *w->use);
    }
    if (!rc && cb->steps == 0) {
        sample.method = DKVB_KEYINIT_SAMPLE;
        w->options = &sample;
        rc = find_preparation(w);
        if (!rc)
            rc = place_keys(w);
        w->options = cb->options;
    }
    w->step = true;
    if (!rc)
        rc = place_keys(w);
    if (!rc) {
        cb->growing = w->growing;
        cb->use = w->use;
        w->growing = old_growing;
        w->use = old_use;
    }
    dkvb__free_erased(&cb->mem, w->growing);
    dkvb__free(&cb->mem, w->use);
    return rc;
}

dkvb_status dkvb_codebooks_step(dkvb_codebooks *cb, const float *x, size_t n, const dkvb_run_options *opts)
{
    const struct dkvb__rows from = dkvb__rows_of(x, n, cb->shape.input_dim);
    struct placement w;
    struct dkvb__run run;
    dkvb_status rc;

    if (cb->frozen)
        return dkvb__fail(DKVB_ESTATE, "the codebooks are frozen: their keys never move again");
    rc = dkvb__run_take(&run, opts);
    if (!rc && run.ranks && run.ranks->count > 1)
        rc = dkvb__fail(DKVB_ESTATE, "key initialisation: keys that grow in steps are placed by one process, not by "
                                     "ranks: dkvb_codebooks_fit() places keys with ranks, in one call");
    if (rc || n == 0)
        return rc;
    rc = cb->steps == 0 ? check_row_count(n, cb->shape.keys) : DKVB_OK;
    if (rc)
        return rc;
    rc = placement_begin(&w, cb, cb->options, &run, &from);
    if (rc)
        return rc;
    rc = run_step(&w);
    placement_end(&w);
    if (!rc)
        cb->steps++;
    return rc;
}

dkvb_status dkvb_codebooks_freeze(dkvb_codebooks *cb)
{
    if (cb->frozen)
        return DKVB_OK;
    if (cb->steps == 0)
        return dkvb__fail(DKVB_ESTATE, "the codebooks have no keys yet: give them a step first");
    return finish(cb);
}
