#include "bottleneck/search.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/outside.h"

enum { TILE = DKVB__LANES };

dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               const struct dkvb__rows *from, size_t most, const struct dkvb__run *run)
{
    const dkvb_allocator *mem = &cb->mem;
    size_t norms = dkvb__norm_count(&cb->shape);
    bool reads = !dkvb__rows_in_place(from) && from->width > 0;
    /* projected numbers of rows that are scaled to length 1 hardly ever lie at an end of the quantisation scale */
    bool counts_cut = run->outside && !cb->normalize;
    dkvb_status rc = dkvb__codebooks_need_frozen(cb);

    if (rc)
        return rc;
    if (k < 1 || k > cb->shape.keys)
        return dkvb__fail(DKVB_EINVAL, "search: k is %u, it must be 1 to %u", k, cb->shape.keys);
    rc = mask ? dkvb__mask_check(mask, cb) : DKVB_OK;
    if (rc)
        return rc;
    *s = (struct dkvb__search){.cb = cb, .mask = mask, .run = *run, .k = k, .from = *from, .found = DKVB_OUTSIDE_INIT};
    if (run->outside)
        rc = dkvb__take_options(&s->found, sizeof s->found, run->outside, "rows outside the scale");
    if (!rc)
        rc = dkvb__projector_new(&s->projector, cb, (from->n + cb->ranks.count - 1) / cb->ranks.count, most, run);
    if (rc)
        return dkvb__ranks_agree(&cb->ranks, rc);
    s->capacity = s->projector.capacity * cb->ranks.count;
    s->block = reads ? dkvb__alloc(mem, s->projector.capacity, from->width * sizeof *s->block) : NULL;
    s->rows = dkvb__alloc(mem, cb->shape.codebooks, s->projector.capacity / TILE * s->projector.tile_bytes);
    s->tile = dkvb__alloc0(mem, run->threads, s->projector.tile_bytes);
    s->q = dkvb__alloc(mem, run->threads, cb->shape.key_dim * TILE * sizeof *s->q);
    s->norms = dkvb__alloc(mem, run->threads, norms * sizeof *s->norms);
    s->scores = dkvb__alloc(mem, run->threads, norms * DKVB__SCORE_ROWS * sizeof *s->scores);
    s->dist = dkvb__alloc(mem, run->threads, (size_t)TILE * k * sizeof *s->dist);
    s->index = dkvb__alloc(mem, run->threads, (size_t)TILE * k * sizeof *s->index);
    s->chosen = dkvb__alloc(mem, run->threads, s->projector.capacity * sizeof *s->chosen);
    s->lengths = run->outside ? dkvb__alloc(mem, s->capacity, sizeof *s->lengths) : NULL;
    s->cut = counts_cut ? dkvb__alloc(mem, s->capacity + TILE, sizeof *s->cut) : NULL;
    if (!((s->block || !reads) && (s->lengths || !run->outside) && s->rows && s->tile && s->q && s->norms &&
          s->scores && s->dist && s->index && s->chosen && (s->cut || !counts_cut)))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory to search %zu rows at a time", s->capacity);
    rc = dkvb__ranks_agree(&cb->ranks, rc);
    if (rc)
        dkvb__search_end(s);
    return rc;
}

void dkvb__search_end(struct dkvb__search *s)
{
    const dkvb_allocator *mem = &s->cb->mem;

    dkvb__free_erased(mem, s->block);
    dkvb__free_erased(mem, s->rows);
    dkvb__free_erased(mem, s->tile);
    dkvb__free_erased(mem, s->q);
    dkvb__free(mem, s->norms);
    dkvb__free(mem, s->scores);
    dkvb__free(mem, s->dist);
    dkvb__free_erased(mem, s->index);
    dkvb__free(mem, s->chosen);
    dkvb__free(mem, s->lengths);
    dkvb__free(mem, s->cut);
    dkvb__projector_free(&s->projector);
}

/* A search of the nearest keys of some rows. A parallel task of the search takes one codebook and all rows if the
 * codebooks keep all threads busy, otherwise a part of the rows. */
struct job {
    struct dkvb__search *s;
    /* projected rows that are not rounded yet, [n][codebooks][key_dim]; NULL: the search projects the rows itself */
    const float *projected;
    /* bits of the (codebook, row) pairs to search again because their codes name dead (masked or purged) keys,
     * [codebooks][n]; NULL: all pairs are searched */
    const uint64_t *hits;
    size_t n;
    size_t parts;
    uint16_t *codes; /* codes of the searched rows, [n][codebooks][k] */
    int32_t *dist;   /* distances of the searched rows to their nearest keys, [n][codebooks][k], or NULL */
};

/* Returns the squared norms of a codebook's keys: the codebook's own array, or a copy in which masked keys are dead. */
static const int32_t *live_norms(const struct dkvb__search *s, size_t c, int32_t *scratch)
{
    const int32_t *norms = dkvb__codebook_norms(s->cb, c);
    size_t words = dkvb__key_words(s->cb->shape.keys);
    const uint64_t *bits = s->mask ? s->mask->bits + c * words : NULL;
    uint64_t any = 0;

    for (size_t w = 0; bits && w < words; w++)
        any |= bits[w];
    if (!any)
        return norms;
    memcpy(scratch, norms, dkvb__norm_count(&s->cb->shape) * sizeof *norms);
    for (size_t w = 0; w < words; w++)
        for (uint64_t left = bits[w]; left; left &= left - 1)
            scratch[w * 64 + (size_t)__builtin_ctzll(left)] = DKVB__DEAD;
    return scratch;
}

/* Writes to `chosen` the rows that one task has to search in a codebook, and returns their number. */
static size_t choose_rows(const struct job *job, size_t c, size_t part, uint32_t *chosen)
{
    size_t tiles = (job->n + TILE - 1) / TILE, size = (tiles + job->parts - 1) / job->parts * TILE, count = 0;
    size_t end = (part + 1) * size < job->n ? (part + 1) * size : job->n;

    for (size_t r = part * size; r < end; r++)
        if (!job->hits || dkvb__bit(job->hits, c * job->n + r))
            chosen[count++] = (uint32_t)r;
    return count;
}

/* Returns up to 16 rows, projected for codebook c, as a tile: in place if the rows are neighbours, otherwise copied to
 * the memory of the worker thread. */
static const int8_t *tile_of(const struct job *job, size_t c, const uint32_t *chosen, size_t count, unsigned worker)
{
    const struct dkvb__search *s = job->s;
    const struct dkvb__shape *shape = &s->cb->shape;
    size_t bytes = s->projector.tile_bytes, quads = dkvb__quads(shape->key_dim), dim = shape->key_dim;
    const int8_t *rows = s->rows + c * (s->projector.capacity / TILE) * bytes;
    int8_t *tile = s->tile + worker * bytes;
    float *q = s->q + worker * dim * TILE;

    if (job->projected) {
        for (size_t r = 0; r < TILE; r++) {
            const float *from = job->projected + (chosen[r < count ? r : 0] * (size_t)shape->codebooks + c) * dim;

            for (size_t i = 0; i < dim; i++)
                q[i * TILE + r] = from[i];
        }
        dkvb__kernels()->round_rows(tile, q, dim, s->cb->scales[c]);
        return tile;
    }
    if (!job->hits)
        return rows + chosen[0] / TILE * bytes;
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < quads; i++)
            memcpy(tile + (i * TILE + r) * 4, rows + chosen[r] / TILE * bytes + (i * TILE + chosen[r] % TILE) * 4, 4);
    return tile;
}

static void search_task(void *context, size_t task, unsigned worker)
{
    struct job *job = context;
    const struct dkvb__search *s = job->s;
    const struct dkvb__shape *shape = &s->cb->shape;
    size_t c = task / job->parts, k = s->k, norms = dkvb__norm_count(shape);
    uint32_t *chosen = s->chosen + worker * s->projector.capacity;
    size_t count = choose_rows(job, c, task % job->parts, chosen);
    struct dkvb__lookup lookup = {.dist = s->dist + worker * TILE * k,
                                  .index = s->index + worker * TILE * k,
                                  .keys = dkvb__codebook_keys(s->cb, c),
                                  .words = dkvb__key_words(shape->keys),
                                  .quads = dkvb__quads(shape->key_dim),
                                  .k = k,
                                  .scores = s->scores + worker * norms * DKVB__SCORE_ROWS};

    if (count == 0)
        return;
    lookup.norms = live_norms(s, c, s->norms + worker * norms);
    for (size_t first = 0; first < count; first += TILE) {
        lookup.n = count - first < TILE ? count - first : TILE;
        lookup.rows = tile_of(job, c, chosen + first, lookup.n, worker);
        dkvb__kernels()->nearest(&lookup);
        for (size_t r = 0; r < lookup.n; r++) {
            size_t at = (chosen[first + r] * (size_t)shape->codebooks + c) * k;

            memcpy(job->codes + at, lookup.index + r * k, k * sizeof *lookup.index);
            if (job->dist)
                memcpy(job->dist + at, lookup.dist + r * k, k * sizeof *lookup.dist);
        }
    }
}

enum { ENOUGH_TASKS = 64 }; /* number of search tasks from which on threads share the work of a search evenly */

static void run_job(struct job *job)
{
    size_t codebooks = job->s->cb->shape.codebooks, tiles = (job->n + TILE - 1) / TILE;

    job->parts = codebooks >= ENOUGH_TASKS ? 1 : (ENOUGH_TASKS + codebooks - 1) / codebooks;
    job->parts = job->parts < tiles ? job->parts : tiles;
    dkvb__parallel(&job->s->run, codebooks * job->parts, search_task, job);
}

/* A parallel task that counts, for each row of a tile, the numbers at an end of the quantisation scale. */
struct cutting {
    const struct dkvb__search *s;
    uint32_t *cut;
};

static void count_cut(void *context, size_t tile, unsigned worker)
{
    const struct cutting *t = context;
    const struct dkvb__search *s = t->s;
    size_t bytes = s->projector.tile_bytes;

    (void)worker;
    memset(t->cut + tile * TILE, 0, TILE * sizeof *t->cut);
    for (size_t c = 0; c < s->cb->shape.codebooks; c++)
        dkvb__cut_add(t->cut + tile * TILE, s->rows + (c * (s->projector.capacity / TILE) + tile) * bytes,
                      dkvb__quads(s->cb->shape.key_dim));
}

/* Reads `n` rows, prepares them, and projects them to bytes in the memory of the search for nearest keys. */
static dkvb_status project(struct dkvb__search *s, size_t first_row, size_t n)
{
    const float *x;
    const struct dkvb__projected to = {0, s->projector.units, s->rows,
                                       s->projector.capacity / TILE * s->projector.tile_bytes, NULL};
    dkvb_status rc = dkvb__rows_block(&s->from, first_row, n, s->block, &x);

    if (!rc)
        rc = dkvb__projector_prepare(&s->projector, x, NULL, n, first_row);
    if (rc)
        return rc;
    if (s->sums)
        s->sum += dkvb__rows_checksum(&s->run, x, first_row, n, s->cb->shape.input_dim);
    dkvb__projector_run(&s->projector, n, &to);
    return DKVB_OK;
}

/* Counts the rows outside the scale of the codebooks among `n` rows and adds them to the caller's counts; this rank
 * (process) projected the rows from `first` to below `end`. */
static dkvb_status count_outside(struct dkvb__search *s, size_t first, size_t end, size_t n)
{
    const dkvb_ranks *ranks = &s->cb->ranks;
    struct cutting t = {s, s->cut ? s->cut + first : NULL};
    dkvb_status rc;

    memcpy(s->lengths + first, s->projector.lengths, (end - first) * sizeof *s->lengths);
    rc = dkvb__ranks_share_evenly(ranks, s->lengths, n, sizeof *s->lengths);
    if (s->cut) {
        dkvb__parallel(&s->run, (end - first + TILE - 1) / TILE, count_cut, &t);
        rc = rc ? rc : dkvb__ranks_share_evenly(ranks, s->cut, n, sizeof *s->cut);
    }
    if (rc)
        return rc;
    dkvb__outside_add(&s->found, s->cb, s->lengths, s->cut, n);
    return dkvb__give_info(s->run.outside, &s->found, sizeof s->found, "rows outside the scale");
}

dkvb_status dkvb__search_tile(struct dkvb__search *s, size_t first_row, size_t n, uint16_t *codes, int32_t *dist)
{
    const dkvb_ranks *ranks = &s->cb->ranks;
    size_t first = dkvb__ranks_first(ranks, n, ranks->rank), end = dkvb__ranks_first(ranks, n, ranks->rank + 1);
    size_t code = (size_t)s->cb->shape.codebooks * s->k;
    struct job job = {.s = s, .n = end - first, .codes = codes + first * code};
    dkvb_status rc = project(s, first_row + first, end - first);

    job.dist = dist ? dist + first * code : NULL;
    if (!rc && end > first)
        run_job(&job);
    rc = dkvb__ranks_agree(ranks, rc);
    if (!rc)
        rc = dkvb__ranks_share_evenly(ranks, codes, n, code * sizeof *codes);
    if (!rc && dist)
        rc = dkvb__ranks_share_evenly(ranks, dist, n, code * sizeof *dist);
    return rc || !s->run.outside ? rc : count_outside(s, first, end, n);
}

static size_t rows_left(const struct dkvb__search *s, size_t n, size_t first)
{
    return n - first < s->capacity ? n - first : s->capacity;
}

dkvb_status dkvb__search_rows(const dkvb_codebooks *cb, const dkvb_mask *mask, const struct dkvb__rows *from,
                              uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts)
{
    struct dkvb__search s;
    struct dkvb__run run;
    size_t code = (size_t)cb->shape.codebooks * k;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, cb, mask, k, from, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    for (size_t first = 0, rows; !rc && first < from->n; first += rows) {
        rows = rows_left(&s, from->n, first);
        rc = dkvb__search_tile(&s, first, rows, codes + first * code, dist ? dist + first * code : NULL);
        if (!rc)
            rc = dkvb__ranks_agree(&cb->ranks, dkvb__report(&run, first + rows, from->n));
    }
    dkvb__search_end(&s);
    return rc;
}

dkvb_status dkvb_search(const dkvb_codebooks *cb, const dkvb_mask *mask, const float *x, size_t n, uint32_t k,
                        uint16_t *codes, int32_t *dist, const dkvb_run_options *opts)
{
    const struct dkvb__rows from = dkvb__rows_of(x, n, cb->shape.input_dim);

    return dkvb__search_rows(cb, mask, &from, k, codes, dist, opts);
}

dkvb_status dkvb__search_projected(const dkvb_codebooks *cb, const dkvb_mask *mask, const float *q, size_t n,
                                   uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts)
{
    struct dkvb__search s;
    struct dkvb__run run, quiet;
    /* the search gets no rows of features to read, as its rows are projected already */
    const struct dkvb__rows none = {.n = n};
    size_t code = (size_t)cb->shape.codebooks * k, width = (size_t)cb->shape.codebooks * cb->shape.key_dim;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    quiet = run;
    /* checks and searches of single blocks report no progress, as the loop over all blocks counts each searched row
     * once */
    quiet.progress = NULL;
    rc = dkvb__check_finite(&quiet, q, n, width, "projected rows");
    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, cb, mask, k, &none, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    for (size_t first = 0, rows; !rc && first < n; first += rows) {
        struct job job = {.s = &s, .projected = q + first * width, .codes = codes + first * code};

        rows = n - first < s.projector.capacity ? n - first : s.projector.capacity;
        job.n = rows;
        job.dist = dist ? dist + first * code : NULL;
        run_job(&job);
        rc = dkvb__report(&run, first + rows, n);
    }
    dkvb__search_end(&s);
    return rc;
}

/* Sets a bit for each (codebook, row) pair whose code names a masked or purged key, and returns the number of bits that
 * were set. */
static uint64_t find_hits(const dkvb_model *model, const uint16_t *codes, size_t n, uint64_t *hits)
{
    size_t codebooks = model->codebooks->shape.codebooks, k = model->top_k;
    uint64_t count = 0;

    memset(hits, 0, (codebooks * n + 63) / 64 * sizeof *hits);
    for (size_t c = 0; c < codebooks; c++)
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < k; j++) {
                uint16_t key = codes[(r * codebooks + c) * k + j];

                if (key != DKVB_CODE_NONE && dkvb__model_dead(model, c, key)) {
                    hits[(c * n + r) / 64] |= (uint64_t)1 << ((c * n + r) % 64);
                    count++;
                    break;
                }
            }
    return count;
}

/* Searches the codes of `n` <= capacity rows again where they name a masked or purged key; each rank (process) searches
 * its part of the rows. *count becomes the number of (codebook, row) pairs whose codes named a dead (masked or purged)
 * key and were searched again. */
static dkvb_status refresh_rows(struct dkvb__search *s, const dkvb_model *model, size_t first_row, size_t n,
                                uint16_t *codes, uint64_t *hits, uint64_t *count)
{
    const dkvb_ranks *ranks = &s->cb->ranks;
    size_t first = dkvb__ranks_first(ranks, n, ranks->rank), end = dkvb__ranks_first(ranks, n, ranks->rank + 1);
    size_t code = (size_t)s->cb->shape.codebooks * s->k;
    struct job job = {.s = s, .hits = hits, .n = end - first, .codes = codes + first * code};
    dkvb_status rc = DKVB_OK;

    *count = find_hits(model, job.codes, job.n, hits);
    if (*count > 0)
        rc = project(s, first_row + first, job.n);
    if (!rc && *count > 0)
        run_job(&job);
    rc = dkvb__ranks_agree(ranks, rc);
    if (!rc)
        rc = dkvb__ranks_sum(ranks, count, 1);
    return rc || *count == 0 ? rc : dkvb__ranks_share_evenly(ranks, codes, n, code * sizeof *codes);
}

/* When codes that name dead (masked or purged) keys are searched again, few of the rows are searched in a codebook, and
 * each search has to load the keys from memory. When codes that name dead (masked or purged) keys are searched again,
 * searching more rows at a time loads the keys from memory less often. */
enum { REFRESH_ROWS = 4 * DKVB__TILE_ROWS };

dkvb_status dkvb_search_refresh(const dkvb_model *model, const float *x, size_t n, uint32_t k, uint16_t *codes,
                                uint64_t *searched, const dkvb_run_options *opts)
{
    const dkvb_codebooks *cb = model->codebooks;
    const struct dkvb__rows from = dkvb__rows_of(x, n, cb->shape.input_dim);
    struct dkvb__search s;
    struct dkvb__run run;
    size_t code = (size_t)cb->shape.codebooks * k;
    uint64_t *hits, total = 0;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    /* a second search, of codes that name dead keys, counts no rows outside the scale of the codebooks, as the first
     * search counted them */
    run.outside = NULL;
    rc = dkvb__check_codes(model, codes, k, n);
    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, cb, model->mask, k, &from, REFRESH_ROWS, &run);
    if (rc)
        return rc;
    hits = dkvb__alloc(&cb->mem, (s.projector.capacity * cb->shape.codebooks + 63) / 64, sizeof *hits);
    rc = dkvb__ranks_agree(&cb->ranks, hits ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory"));
    for (size_t first = 0, rows; !rc && first < n; first += rows) {
        uint64_t count;

        rows = rows_left(&s, n, first);
        rc = refresh_rows(&s, model, first, rows, codes + first * code, hits, &count);
        total += count;
        if (!rc)
            rc = dkvb__ranks_agree(&cb->ranks, dkvb__report(&run, first + rows, n));
    }
    if (!rc && searched)
        *searched = total;
    dkvb__free(&cb->mem, hits);
    dkvb__search_end(&s);
    return rc;
}
