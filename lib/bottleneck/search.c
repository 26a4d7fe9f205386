#include "bottleneck/search.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "kernels/kernels.h"

void dkvb__dead_keys(const dkvb_codebooks *cb, const dkvb_mask *mask, size_t c, uint64_t *dead)
{
    size_t words = dkvb__key_words(cb->shape.keys);

    for (size_t w = 0; w < words; w++)
        dead[w] = cb->purged[c * words + w] | (mask ? mask->bits[c * words + w] : 0);
    dead[words - 1] |= ~dkvb__last_word(cb->shape.keys);
}

/* Constant codebooks may be given an index: see coarse.h. */
static dkvb__coarse_slot *index_of(const dkvb_codebooks *cb)
{
    return &((dkvb_codebooks *)(uintptr_t)cb)->coarse;
}

dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               size_t n, size_t most, const struct dkvb__run *run)
{
    size_t rows, words = dkvb__key_words(cb->shape.keys);
    dkvb_status rc = dkvb__codebooks_need_frozen(cb);

    if (rc)
        return rc;
    if (k < 1 || k > cb->shape.keys)
        return dkvb__fail(DKVB_EINVAL, "search: k is %u, 1 to %u is wanted", k, cb->shape.keys);
    rc = mask ? dkvb__mask_check(mask, cb) : DKVB_OK;
    if (!rc && !run->exhaustive)
        rc = dkvb__coarse_reserve(index_of(cb), cb->shape.codebooks, cb->shape.keys, cb->shape.key_dim, &cb->mem);
    if (rc)
        return rc;
    *s = (struct dkvb__search){.cb = cb, .mask = mask, .run = *run, .k = k};
    rc = dkvb__tile_new(&s->tile, cb, n, most, &cb->mem);
    if (rc)
        return rc;
    rows = s->tile.capacity * run->threads;
    s->q = dkvb__alloc(&cb->mem, rows, cb->shape.key_dim * sizeof *s->q);
    s->dist = dkvb__alloc(&cb->mem, rows, k * sizeof *s->dist);
    s->index = dkvb__alloc(&cb->mem, rows, k * sizeof *s->index);
    s->dead = dkvb__alloc(&cb->mem, run->threads, words * sizeof *s->dead);
    s->row = dkvb__alloc(&cb->mem, rows, sizeof *s->row);
    s->chosen = dkvb__alloc(&cb->mem, rows, sizeof *s->chosen);
    if (!s->q || !s->dist || !s->index || !s->dead || !s->row || !s->chosen) {
        dkvb__search_end(s);
        return dkvb__fail(DKVB_ENOMEM, "out of memory to search %zu rows at a time", s->tile.capacity);
    }
    return DKVB_OK;
}

void dkvb__search_end(struct dkvb__search *s)
{
    const dkvb_allocator *mem = &s->cb->mem;

    dkvb__free(mem, s->q);
    dkvb__free(mem, s->dist);
    dkvb__free(mem, s->index);
    dkvb__free(mem, s->dead);
    dkvb__free(mem, s->row);
    dkvb__free(mem, s->chosen);
    dkvb__tile_free(&s->tile, mem);
}

/* One tile at work. A task is one codebook and a part of the rows: all of them where there are codebooks enough. */
struct tile_job {
    struct dkvb__search *s;
    const float *projected; /* [n][C][d], or NULL: project the tile */
    const uint64_t *hits;   /* refresh: bits [C][n], only these (codebook, row) pairs are searched; or NULL: all */
    size_t n;
    size_t parts;
    uint16_t *codes; /* [n][C][k] */
    float *dist;     /* [n][C][k] or NULL */
    atomic_size_t bad;
};

/* Rows of the part that this task is to search, into `chosen`; how many. */
static size_t choose_rows(const struct tile_job *job, size_t c, size_t part, uint32_t *chosen)
{
    size_t size = (job->n + job->parts - 1) / job->parts, count = 0;
    size_t end = part * size + size < job->n ? part * size + size : job->n;

    for (size_t r = part * size; r < end; r++)
        if (!job->hits || dkvb__bit(job->hits, c * job->n + r))
            chosen[count++] = (uint32_t)r;
    return count;
}

/* The rows lie far apart, so that no processor guesses the next one. */
static void copy_projections(const struct tile_job *job, size_t c, const uint32_t *chosen, size_t count, float *q)
{
    enum { AHEAD = 8, LINE = 16 }; /* rows; floats in a line of cache */
    size_t dim = job->s->cb->shape.key_dim, row = job->s->cb->shape.codebooks * dim;
    const float *from = job->projected + c * dim;

    for (size_t i = 0; i < count; i++) {
        const float *ahead = from + chosen[i + AHEAD < count ? i + AHEAD : i] * row;

        for (size_t j = 0; j < dim; j += LINE)
            __builtin_prefetch(ahead + j);
        memcpy(q + i * dim, from + chosen[i] * row, dim * sizeof *q);
    }
}

/* Projections of the chosen rows in codebook c, side by side in `q`. */
static void gather_projections(struct tile_job *job, size_t c, const uint32_t *chosen, size_t count, const double **row,
                               float *q)
{
    size_t bad;

    if (job->projected) {
        copy_projections(job, c, chosen, count, q);
        return;
    }
    for (size_t i = 0; i < count; i++)
        row[i] = job->s->tile.row[chosen[i]];
    bad = dkvb__project_rows(job->s->cb, c, row, count, q);
    if (bad < count)
        dkvb__lower(&job->bad, chosen[bad]);
}

static void search_task(void *context, size_t task, unsigned worker)
{
    struct tile_job *job = context;
    const struct dkvb__search *s = job->s;
    const struct dkvb__shape *shape = &s->cb->shape;
    size_t c = task / job->parts, k = s->k, first = worker * s->tile.capacity;
    uint32_t *chosen = s->chosen + first;
    uint64_t *dead = s->dead + worker * dkvb__key_words(shape->keys);
    float *q = s->q + first * shape->key_dim, *dist = s->dist + first * k;
    uint16_t *index = s->index + first * k;
    const float *blocks = dkvb__codebook_blocks(s->cb, c);
    size_t count = choose_rows(job, c, task % job->parts, chosen);

    if (count == 0)
        return;
    gather_projections(job, c, chosen, count, s->row + first, q);
    dkvb__dead_keys(s->cb, s->mask, c, dead);
    dkvb__nearest(dist, index, q, count, blocks, dead, shape->keys, shape->key_dim, k,
                  s->run.exhaustive ? NULL : dkvb__coarse_for(index_of(s->cb), c, blocks, count));
    for (size_t i = 0; i < count; i++) {
        size_t at = (chosen[i] * shape->codebooks + c) * k;

        memcpy(job->codes + at, index + i * k, k * sizeof *index);
        if (job->dist)
            memcpy(job->dist + at, dist + i * k, k * sizeof *dist);
    }
}

enum { ENOUGH_TASKS = 64 }; /* for the threads to share evenly */

static dkvb_status run_tile(struct tile_job *job, size_t first_row)
{
    size_t codebooks = job->s->cb->shape.codebooks;

    job->parts = codebooks >= ENOUGH_TASKS ? 1 : (ENOUGH_TASKS + codebooks - 1) / codebooks;
    job->parts = job->parts < job->n / 4 + 1 ? job->parts : job->n / 4 + 1; /* kernels take rows by fours */
    atomic_init(&job->bad, job->n);
    dkvb__parallel(&job->s->run, codebooks * job->parts, search_task, job);
    if (atomic_load(&job->bad) < job->n)
        return dkvb__fail_overflow(first_row + atomic_load(&job->bad));
    return DKVB_OK;
}

dkvb_status dkvb__search_tile(struct dkvb__search *s, const float *x, size_t n, size_t first_row, uint16_t *codes,
                              float *dist)
{
    struct tile_job job = {.s = s, .n = n, .codes = codes, .dist = dist};
    dkvb_status rc = dkvb__prepare_rows(s->cb, &s->run, x, n, first_row, s->tile.rows);

    return rc ? rc : run_tile(&job, first_row);
}

static size_t rows_left(const struct dkvb__search *s, size_t n, size_t first)
{
    return n - first < s->tile.capacity ? n - first : s->tile.capacity;
}

dkvb_status dkvb_search(const dkvb_codebooks *cb, const dkvb_mask *mask, const float *x, size_t n, uint32_t k,
                        uint16_t *codes, float *dist, const dkvb_run_options *opts)
{
    struct dkvb__search s;
    struct dkvb__run run;
    size_t code = (size_t)cb->shape.codebooks * k;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, cb, mask, k, n, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    for (size_t first = 0, rows; !rc && first < n; first += rows) {
        rows = rows_left(&s, n, first);
        rc = dkvb__search_tile(&s, x + first * cb->shape.input_dim, rows, first, codes + first * code,
                               dist ? dist + first * code : NULL);
        if (!rc)
            rc = dkvb__report(&run, first + rows, n);
    }
    dkvb__search_end(&s);
    return rc;
}

dkvb_status dkvb_search_projected(const dkvb_codebooks *cb, const dkvb_mask *mask, const float *q, size_t n, uint32_t k,
                                  uint16_t *codes, float *dist, const dkvb_run_options *opts)
{
    struct dkvb__search s;
    struct dkvb__run run;
    size_t code = (size_t)cb->shape.codebooks * k, width = (size_t)cb->shape.codebooks * cb->shape.key_dim;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    rc = dkvb__check_finite(&run, q, n, width, "projected rows");
    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, cb, mask, k, n, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    for (size_t first = 0, rows; !rc && first < n; first += rows) {
        struct tile_job job = {.s = &s, .projected = q + first * width, .codes = codes + first * code};

        rows = rows_left(&s, n, first);
        job.n = rows;
        job.dist = dist ? dist + first * code : NULL;
        rc = run_tile(&job, first);
        if (!rc)
            rc = dkvb__report(&run, first + rows, n);
    }
    dkvb__search_end(&s);
    return rc;
}

/* Set a bit for each (codebook, row) whose code names a dead key; how many. */
static uint64_t find_hits(const struct dkvb__search *s, const uint16_t *codes, size_t n, uint64_t *hits)
{
    size_t codebooks = s->cb->shape.codebooks;
    uint64_t count = 0;

    memset(hits, 0, (codebooks * n + 63) / 64 * sizeof *hits);
    for (size_t c = 0; c < codebooks; c++) {
        dkvb__dead_keys(s->cb, s->mask, c, s->dead);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < s->k; j++) {
                uint16_t key = codes[(r * codebooks + c) * s->k + j];

                if (key != DKVB_CODE_NONE && dkvb__bit(s->dead, key)) {
                    hits[(c * n + r) / 64] |= (uint64_t)1 << ((c * n + r) % 64);
                    count++;
                    break;
                }
            }
    }
    return count;
}

/* A refresh searches few of the rows in a codebook: more rows at a time make up for it, as keys have to come from
 * memory for each tile. */
enum { REFRESH_ROWS = 4 * DKVB__TILE_ROWS };

/* Refresh one tile; adds to *searched. */
static dkvb_status refresh_tile(struct dkvb__search *s, const float *x, size_t n, size_t first_row, uint16_t *codes,
                                uint64_t *hits, uint64_t *searched)
{
    struct tile_job job = {.s = s, .hits = hits, .n = n, .codes = codes};
    uint64_t count = find_hits(s, codes, n, hits);
    dkvb_status rc;

    if (count == 0)
        return DKVB_OK;
    rc = dkvb__prepare_rows(s->cb, &s->run, x, n, first_row, s->tile.rows);
    if (rc)
        return rc;
    *searched += count;
    return run_tile(&job, first_row);
}

dkvb_status dkvb_search_refresh(const dkvb_model *model, const float *x, size_t n, uint32_t k, uint16_t *codes,
                                uint64_t *searched, const dkvb_run_options *opts)
{
    const dkvb_codebooks *cb = model->codebooks;
    struct dkvb__search s;
    struct dkvb__run run;
    size_t code = (size_t)cb->shape.codebooks * k;
    uint64_t *hits, count = 0;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    rc = dkvb__check_codes(model, codes, k, n);
    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, cb, model->mask, k, n, REFRESH_ROWS, &run);
    if (rc)
        return rc;
    hits = dkvb__alloc(&cb->mem, (s.tile.capacity * cb->shape.codebooks + 63) / 64, sizeof *hits);
    if (!hits)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory");
    for (size_t first = 0, rows; !rc && first < n; first += rows) {
        rows = rows_left(&s, n, first);
        rc = refresh_tile(&s, x + first * cb->shape.input_dim, rows, first, codes + first * code, hits, &count);
        if (!rc)
            rc = dkvb__report(&run, first + rows, n);
    }
    if (!rc && searched)
        *searched = count;
    dkvb__free(&cb->mem, hits);
    dkvb__search_end(&s);
    return rc;
}
