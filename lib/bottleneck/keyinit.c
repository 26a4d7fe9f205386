#include "bottleneck/keyinit.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/mask.h"
#include "bottleneck/project.h"
#include "kernels/kernels.h"

void dkvb_keyinit_options_init(dkvb_keyinit_options *opts, size_t struct_size)
{
    static const dkvb_keyinit_options defaults = DKVB_KEYINIT_OPTIONS_INIT;

    dkvb__init_options(opts, struct_size, &defaults, sizeof defaults);
}

/* Each codebook draws from streams of its own, so nothing depends on the thread count. */
static void seed_stream(struct dkvb__rng *rng, uint64_t seed, uint32_t purpose, size_t codebook)
{
    dkvb__rng_seed(rng, seed, (uint64_t)purpose << 32 | codebook);
}
enum { FOR_PROJECTION = 1, FOR_KEYS = 2, FOR_FIRST_STEP = 3 /* later steps: 4, 5, … */ };

/* Key placement at work: codebooks are taken in groups, so that rows are prepared once for a whole group and the
 * projected rows of a group fit in memory. */
struct placement {
    dkvb_codebooks *cb;
    const dkvb_keyinit_options *options;
    struct dkvb__run run;
    struct dkvb__tile tile;
    const float *x;               /* [n][m] */
    struct dkvb__placer *placers; /* [threads] */
    struct dkvb__tile *tiles;     /* [threads], samples only */
    float *q;                     /* [group][n][d]; samples: [threads][SAMPLE_ROWS][d] */
    size_t group;                 /* codebooks in a group */
    size_t first;                 /* codebook of the present group */
    size_t n;                     /* rows in all */
    size_t tile_first, tile_rows; /* rows of the present tile */
    atomic_size_t bad;
    /* A step of moving averages works on copies of all keys and their use, else NULL: */
    float *step_blocks, *step_use;
};

static void placement_end(struct placement *w)
{
    const dkvb_allocator *mem = &w->cb->mem;

    for (unsigned t = 0; w->placers && t < w->run.threads; t++)
        dkvb__placer_free(&w->placers[t], mem);
    for (unsigned t = 0; w->tiles && t < w->run.threads; t++)
        dkvb__tile_free(&w->tiles[t], mem);
    dkvb__free(mem, w->tiles);
    dkvb__free(mem, w->placers);
    dkvb__free(mem, w->q);
    dkvb__tile_free(&w->tile, mem);
}

enum {
    GROUP_BYTES = 128 << 20,
    SAMPLE_ROWS = 64 /* projected at a time where keys are sampled rows */
};

static dkvb_status new_tiles(struct placement *w, const dkvb_allocator *mem)
{
    dkvb_status rc = DKVB_OK;

    w->tiles = dkvb__alloc0(mem, w->run.threads, sizeof *w->tiles);
    if (!w->tiles)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    for (unsigned t = 0; !rc && t < w->run.threads; t++)
        rc = dkvb__tile_new(&w->tiles[t], w->cb, SAMPLE_ROWS, SAMPLE_ROWS, mem);
    return rc;
}

static dkvb_status placement_begin(struct placement *w, dkvb_codebooks *cb, const dkvb_keyinit_options *o,
                                   const struct dkvb__run *run, const float *x, size_t n)
{
    const dkvb_allocator *mem = &cb->mem;
    bool samples = o->method == DKVB_KEYINIT_SAMPLE;
    size_t each, room;
    dkvb_status rc;

    *w = (struct placement){.cb = cb, .options = o, .run = *run, .x = x, .n = n};
    if (run->threads > o->codebooks)
        w->run.threads = o->codebooks;
    if (dkvb__mul_overflow(&each, samples ? SAMPLE_ROWS : n, o->key_dim * sizeof(float)))
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", n);
    room = samples ? 0 : GROUP_BYTES / each;
    w->group = room > w->run.threads ? room : w->run.threads;
    w->group = w->group < o->codebooks ? w->group : o->codebooks;
    rc = dkvb__tile_new(&w->tile, cb, n, DKVB__TILE_ROWS, mem);
    if (!rc && samples)
        rc = new_tiles(w, mem);
    if (rc) {
        placement_end(w);
        return rc;
    }
    w->q = dkvb__alloc(mem, w->group, each);
    w->placers = dkvb__alloc0(mem, w->run.threads, sizeof *w->placers);
    if (!w->q || !w->placers)
        goto fail;
    for (unsigned t = 0; t < w->run.threads; t++)
        if (!dkvb__placer_new(&w->placers[t], o, n, mem))
            goto fail;
    return DKVB_OK;

fail:
    placement_end(w);
    return dkvb__fail(DKVB_ENOMEM, "out of memory to place %u keys among %zu rows", o->keys, n);
}

static void project_group(void *context, size_t i, unsigned worker)
{
    struct placement *w = context;
    size_t bad;
    float *q = w->q + (i * w->n + w->tile_first) * w->cb->shape.key_dim;

    (void)worker;
    bad = dkvb__project_rows(w->cb, w->first + i, w->tile.row, w->tile_rows, q);
    if (bad < w->tile_rows)
        dkvb__lower(&w->bad, w->tile_first + bad);
}

static void place_group(void *context, size_t i, unsigned worker)
{
    struct placement *w = context;
    struct dkvb__placer *p = &w->placers[worker];
    const dkvb_codebooks *cb = w->cb;
    size_t c = w->first + i;
    const float *q = w->q + i * w->n * cb->shape.key_dim;
    float *blocks = dkvb__codebook_blocks(cb, c);
    struct dkvb__rng rng;

    if (w->step_blocks) {
        seed_stream(&rng, w->options->seed, FOR_FIRST_STEP + (uint32_t)cb->steps, c);
        dkvb__ema_step(p, q, w->n, w->step_blocks + (blocks - cb->blocks), w->step_use + c * cb->shape.keys, &rng);
        return;
    }
    seed_stream(&rng, w->options->seed, FOR_KEYS, c);
    if (w->options->method == DKVB_KEYINIT_SAMPLE)
        dkvb__place_sample(p, q, w->n, blocks, &rng);
    else if (w->options->method == DKVB_KEYINIT_KMEANS)
        dkvb__place_kmeans(p, q, w->n, blocks, &rng);
    else
        dkvb__place_ema(p, q, w->n, blocks, &rng);
}

static dkvb_status run_group(struct placement *w, const float *x, size_t count)
{
    size_t n = w->n;
    dkvb_status rc;

    for (w->tile_first = 0; w->tile_first < n; w->tile_first += w->tile_rows) {
        w->tile_rows = n - w->tile_first < w->tile.capacity ? n - w->tile_first : w->tile.capacity;
        rc = dkvb__prepare_rows(w->cb, &w->run, x + w->tile_first * w->cb->shape.input_dim, w->tile_rows, w->tile_first,
                                w->tile.rows);
        if (rc)
            return rc;
        atomic_init(&w->bad, n);
        dkvb__parallel(&w->run, count, project_group, w);
        if (atomic_load(&w->bad) < n)
            return dkvb__fail_overflow(atomic_load(&w->bad));
    }
    return dkvb__parallel_long(&w->run, count, place_group, w, w->first, w->cb->shape.codebooks);
}

/* Keys that are rows of the codebook's choice: only those are projected. */
static void sample_codebook(void *context, size_t c, unsigned worker)
{
    struct placement *w = context;
    const struct dkvb__shape *shape = &w->cb->shape;
    struct dkvb__tile *tile = &w->tiles[worker];
    size_t *order = w->placers[worker].order, dim = shape->key_dim;
    float *q = w->q + worker * SAMPLE_ROWS * dim, *blocks = dkvb__codebook_blocks(w->cb, c);
    struct dkvb__rng rng;

    seed_stream(&rng, w->options->seed, FOR_KEYS, c);
    dkvb__rng_choose(&rng, w->n, shape->keys, order, w->placers[worker].scratch);
    for (size_t first = 0, rows; first < shape->keys; first += rows) {
        size_t bad;

        rows = shape->keys - first < tile->capacity ? shape->keys - first : tile->capacity;
        for (size_t i = 0; i < rows; i++)
            dkvb__prepare_row(w->cb, w->x + order[first + i] * shape->input_dim, tile->rows + i * shape->input_dim);
        bad = dkvb__project_rows(w->cb, c, tile->row, rows, q);
        if (bad < rows)
            dkvb__lower(&w->bad, order[first + bad]);
        for (size_t i = 0; i < rows; i++)
            dkvb__put_key(blocks, first + i, q + i * dim, dim);
    }
}

static dkvb_status sample_keys(struct placement *w)
{
    size_t codebooks = w->cb->shape.codebooks;
    dkvb_status rc;

    atomic_init(&w->bad, w->n);
    rc = dkvb__parallel_long(&w->run, codebooks, sample_codebook, w, 0, codebooks);
    if (!rc && atomic_load(&w->bad) < w->n)
        rc = dkvb__fail_overflow(atomic_load(&w->bad));
    return rc;
}

static dkvb_status place_keys(struct placement *w, const float *x)
{
    size_t codebooks = w->cb->shape.codebooks;
    dkvb_status rc = DKVB_OK;

    for (w->first = 0; !rc && w->first < codebooks; w->first += w->group)
        rc = run_group(w, x, codebooks - w->first < w->group ? codebooks - w->first : w->group);
    return rc;
}

static void draw_projection(void *context, size_t c, unsigned worker)
{
    const struct placement *w = context;
    const struct dkvb__shape *s = &w->cb->shape;
    float *p = w->cb->projection + c * s->input_dim * s->key_dim;
    double scale = 1.0 / sqrt((double)s->input_dim);
    struct dkvb__rng rng;

    (void)worker;
    seed_stream(&rng, w->options->seed, FOR_PROJECTION, c);
    for (size_t i = 0; i < (size_t)s->input_dim * s->key_dim; i++)
        p[i] = (float)(scale * dkvb__rng_gauss(&rng));
}

enum { CENTER_COLUMNS = 64 }; /* columns in one task */

struct centering {
    const double *rows;
    double *sum;
    size_t n, width;
};

static void sum_columns(void *context, size_t task, unsigned worker)
{
    const struct centering *s = context;
    size_t end = (task + 1) * CENTER_COLUMNS < s->width ? (task + 1) * CENTER_COLUMNS : s->width;

    (void)worker;
    for (size_t r = 0; r < s->n; r++)
        for (size_t i = task * CENTER_COLUMNS; i < end; i++)
            s->sum[i] += s->rows[r * s->width + i];
}

/* center = mean of the rows, normalised if rows are; each column is summed in row order in double precision. */
static dkvb_status find_center(struct placement *w, const float *x)
{
    dkvb_codebooks *cb = w->cb;
    struct centering s = {.rows = w->tile.rows, .width = cb->shape.input_dim};
    dkvb_status rc = DKVB_OK;

    s.sum = dkvb__alloc0(&cb->mem, s.width, sizeof *s.sum);
    if (!s.sum)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    memset(cb->center, 0, s.width * sizeof *cb->center); /* a first step that was cancelled has set it */
    for (size_t first = 0; !rc && first < w->n; first += s.n) {
        s.n = w->n - first < w->tile.capacity ? w->n - first : w->tile.capacity;
        rc = dkvb__prepare_rows(cb, &w->run, x + first * s.width, s.n, first, w->tile.rows);
        if (!rc)
            dkvb__parallel(&w->run, (s.width + CENTER_COLUMNS - 1) / CENTER_COLUMNS, sum_columns, &s);
    }
    for (size_t i = 0; !rc && i < s.width; i++)
        cb->center[i] = (float)(s.sum[i] / (double)w->n);
    dkvb__free(&cb->mem, s.sum);
    return rc;
}

/* Defaults filled in, everything checked. */
dkvb_status dkvb__keyinit_options_take(dkvb_keyinit_options *o, const dkvb_keyinit_options *given)
{
    dkvb_status rc = dkvb__take_options(o, sizeof *o, given, "key initialisation options");

    if (!rc)
        rc = dkvb__check_allocator(o->allocator);
    if (rc)
        return rc;
    if (o->method > DKVB_KEYINIT_SAMPLE)
        return dkvb__fail(DKVB_EINVAL, "key initialisation: method %u is unknown", o->method);
    if (!(o->decay >= 0.0 && o->decay < 1.0))
        return dkvb__fail(DKVB_EINVAL, "key initialisation: decay is %g, 0 <= decay < 1 is wanted", o->decay);
    if (!(o->restart >= 0.0 && o->restart < 1.0))
        return dkvb__fail(DKVB_EINVAL, "key initialisation: restart is %g, 0 <= restart < 1 is wanted", o->restart);
    if (o->normalize > 1)
        return dkvb__fail(DKVB_EINVAL, "key initialisation: normalize is %u, 0 or 1 is wanted", o->normalize);
    if (o->passes == 0)
        o->passes = o->method == DKVB_KEYINIT_KMEANS ? 10 : 2;
    if (o->batch == 0 && o->method == DKVB_KEYINIT_EMA)
        o->batch = 2048;
    return DKVB_OK;
}

static dkvb_status take_options(dkvb_keyinit_options *o, struct dkvb__shape *shape, const dkvb_keyinit_options *given,
                                size_t dim)
{
    dkvb_status rc = dkvb__keyinit_options_take(o, given);

    if (rc)
        return rc;
    *shape = (struct dkvb__shape){o->codebooks, o->keys, o->key_dim, dim > UINT32_MAX ? UINT32_MAX : (uint32_t)dim};
    return dkvb__shape_check(shape, "key initialisation");
}

static dkvb_status check_row_count(size_t n, uint32_t keys)
{
    if (n < keys)
        return dkvb__fail(
            DKVB_EINVAL, "key initialisation: %zu rows for %u keys, at least as many rows as keys are wanted", n, keys);
    return DKVB_OK;
}

dkvb_status dkvb_codebooks_fit(dkvb_codebooks **out, const float *x, size_t n, size_t dim,
                               const dkvb_keyinit_options *given, const dkvb_run_options *opts)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    struct dkvb__shape shape;
    struct dkvb__run run;
    struct placement w;
    dkvb_allocator mem;
    dkvb_codebooks *cb;
    dkvb_status rc;

    *out = NULL;
    if ((rc = take_options(&o, &shape, given, dim)) != DKVB_OK)
        return rc;
    if ((rc = dkvb__run_take(&run, opts)) != DKVB_OK)
        return rc;
    if ((rc = check_row_count(n, o.keys)) != DKVB_OK)
        return rc;
    mem = dkvb__allocator(o.allocator);
    if ((rc = dkvb__codebooks_new(&cb, &shape, &mem)) != DKVB_OK)
        return rc;
    cb->normalize = o.normalize;
    rc = placement_begin(&w, cb, &o, &run, x, n);
    if (rc)
        goto fail;
    rc = find_center(&w, x);
    if (!rc) {
        dkvb__parallel(&w.run, shape.codebooks, draw_projection, &w);
        rc = o.method == DKVB_KEYINIT_SAMPLE ? sample_keys(&w) : place_keys(&w, x);
    }
    placement_end(&w);
    if (rc)
        goto fail;
    dkvb__codebooks_seal(cb);
    *out = cb;
    return DKVB_OK;

fail:
    dkvb_codebooks_free(cb);
    return rc;
}

dkvb_status dkvb_codebooks_begin(dkvb_codebooks **out, size_t dim, const dkvb_keyinit_options *given)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    struct dkvb__shape shape;
    dkvb_allocator mem;
    dkvb_codebooks *cb;
    dkvb_status rc;

    *out = NULL;
    rc = take_options(&o, &shape, given, dim);
    if (rc)
        return rc;
    if (o.method != DKVB_KEYINIT_EMA)
        return dkvb__fail(DKVB_EINVAL, "key initialisation: only moving averages can grow batch by batch");
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__codebooks_new(&cb, &shape, &mem);
    if (rc)
        return rc;
    cb->normalize = o.normalize;
    cb->use = dkvb__alloc0(&mem, (size_t)o.codebooks * o.keys, sizeof *cb->use);
    cb->options = dkvb__alloc(&mem, 1, sizeof *cb->options);
    if (!cb->use || !cb->options) {
        dkvb_codebooks_free(cb);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the use of %u x %u keys", o.codebooks, o.keys);
    }
    *cb->options = o;
    cb->options->allocator = NULL; /* copied to cb->mem; the caller's struct may go */
    *out = cb;
    return DKVB_OK;
}

/* The first batch: its mean, projections, and keys that are rows of it, each with an even share of use. */
static dkvb_status first_step(struct placement *w, const float *x)
{
    dkvb_codebooks *cb = w->cb;
    dkvb_keyinit_options sample = *w->options;
    dkvb_status rc = find_center(w, x);

    if (rc)
        return rc;
    dkvb__parallel(&w->run, cb->shape.codebooks, draw_projection, w);
    sample.method = DKVB_KEYINIT_SAMPLE;
    w->options = &sample;
    rc = place_keys(w, x);
    w->options = cb->options;
    for (size_t i = 0; !rc && i < (size_t)cb->shape.codebooks * cb->shape.keys; i++)
        cb->use[i] = (float)((double)w->n / cb->shape.keys);
    return rc;
}

/* One step on copies of the keys and their use, which then take their place: a cancelled step leaves no trace. */
static dkvb_status step_on_copies(struct placement *w, const float *x)
{
    dkvb_codebooks *cb = w->cb;
    size_t blocks = dkvb__block_count(&cb->shape), pairs = (size_t)cb->shape.codebooks * cb->shape.keys;
    float *old_blocks = cb->blocks, *old_use = cb->use;
    dkvb_status rc;

    w->step_blocks = dkvb__alloc(&cb->mem, blocks, sizeof *w->step_blocks);
    w->step_use = dkvb__alloc(&cb->mem, pairs, sizeof *w->step_use);
    if (w->step_blocks && w->step_use) {
        memcpy(w->step_blocks, cb->blocks, blocks * sizeof *cb->blocks);
        memcpy(w->step_use, cb->use, pairs * sizeof *cb->use);
        rc = place_keys(w, x);
    } else {
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a copy of %u x %u keys", cb->shape.codebooks, cb->shape.keys);
    }
    if (!rc) {
        cb->blocks = w->step_blocks;
        cb->use = w->step_use;
        w->step_blocks = old_blocks;
        w->step_use = old_use;
    }
    dkvb__free(&cb->mem, w->step_blocks);
    dkvb__free(&cb->mem, w->step_use);
    return rc;
}

dkvb_status dkvb_codebooks_step(dkvb_codebooks *cb, const float *x, size_t n, const dkvb_run_options *opts)
{
    dkvb_keyinit_options whole;
    struct placement w;
    struct dkvb__run run;
    dkvb_status rc;

    if (cb->frozen)
        return dkvb__fail(DKVB_ESTATE, "the codebooks are frozen: their keys never move again");
    rc = dkvb__run_take(&run, opts);
    if (rc || n == 0)
        return rc;
    rc = cb->steps == 0 ? check_row_count(n, cb->shape.keys) : DKVB_OK;
    if (rc)
        return rc;
    whole = *cb->options;
    whole.batch = 0; /* the step is the batch */
    rc = placement_begin(&w, cb, &whole, &run, x, n);
    if (rc)
        return rc;
    if (cb->steps == 0)
        rc = first_step(&w, x);
    if (!rc)
        rc = step_on_copies(&w, x);
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
    dkvb__codebooks_seal(cb);
    return DKVB_OK;
}
