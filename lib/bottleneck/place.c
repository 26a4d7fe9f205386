/*
 * Key placement by exponential moving averages, as in vector-quantised autoencoders (van den Oord et al. 2017, arXiv
 * 1711.00937, appendix A.1) and in the bottleneck's papers. A key j is the quotient m_j / N_j of two moving averages:
 * N_j <- decay N_j + (1 - decay) n_j for the number n_j of rows of a batch that are nearest to key j, and m_j <- decay
 * m_j + (1 - decay) s_j for the sum s_j of these rows. As a key is always the quotient of the moving averages m (sum of
 * the rows nearest to the key) and N (number of these rows), only N (the key's "use") is stored.
 *
 * Keys are placed on rows that are projected and rounded to bytes as for a search of nearest keys, so sums of rows are
 * exact. While keys move, they are floats in quantisation steps; the keys are rounded whenever rows are assigned to the
 * nearest key. A key that hardly any row uses is placed anew, on a row of the present batch.
 */
#include <string.h>

#include "base/alloc.h"
#include "bottleneck/keyinit.h"

enum {
    TILE = DKVB__LANES,
    /* number of rows between two progress reports of key placement: some hundredths of a second with the most keys */
    PULSE_ROWS = 1024
};

void dkvb__placer_free(struct dkvb__placer *p, const dkvb_allocator *mem)
{
    void *const parts[] = {p->keys, p->norms, p->tile, p->scores, p->sum, p->count, p->order, p->scratch};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        dkvb__free_erased(mem, parts[i]);
}

bool dkvb__placer_new(struct dkvb__placer *p, const dkvb_keyinit_options *o, const struct dkvb__shape *shape, size_t n,
                      const dkvb_allocator *mem)
{
    size_t norms = dkvb__norm_count(shape);

    *p = (struct dkvb__placer){.options = o, .shape = shape, .n = n};
    p->batch = o->batch > 0 && o->batch < n ? o->batch : n;
    p->order = dkvb__alloc(mem, n, sizeof *p->order);
    p->scratch = dkvb__alloc(mem, n, sizeof *p->scratch);
    p->keys = dkvb__alloc(mem, dkvb__key_bytes(shape), 1);
    p->norms = dkvb__alloc(mem, norms, sizeof *p->norms);
    p->tile = dkvb__alloc0(mem, dkvb__quads(shape->key_dim), TILE * 4);
    p->scores = dkvb__alloc(mem, norms, DKVB__SCORE_ROWS * sizeof *p->scores);
    p->sum = dkvb__alloc(mem, (size_t)shape->keys * shape->key_dim, sizeof *p->sum);
    p->count = dkvb__alloc(mem, shape->keys, sizeof *p->count);
    return p->order && p->scratch && p->keys && p->norms && p->tile && p->scores && p->sum && p->count;
}

/* Returns the place of the first quad (four dimensions) of a row in its tile. In a tile, the next quad (four
 * dimensions) of a row follows 16 quads later, as the tile has a quad of each of its 16 rows in between. */
static const int8_t *row_at(const struct dkvb__placer *p, const int8_t *rows, size_t r)
{
    return rows + r / TILE * dkvb__quads(p->shape->key_dim) * TILE * 4 + r % TILE * 4;
}

/* Reads row r of the tiles of projected rows, in quantisation steps. */
static void read_row(const struct dkvb__placer *p, const int8_t *rows, size_t r, float *to)
{
    const int8_t *row = row_at(p, rows, r);

    for (size_t i = 0; i < p->shape->key_dim; i++)
        to[i] = (float)(row[dkvb__row_offset(0, i)] / -2);
}

void dkvb__place_sample(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng)
{
    dkvb__rng_choose(rng, p->n, p->shape->keys, p->order, p->scratch);
    for (size_t j = 0; j < p->shape->keys; j++) {
        read_row(p, rows, p->order[j], key + j * p->shape->key_dim);
        use[j] = (float)((double)p->batch / p->shape->keys);
    }
}

/* Reports progress of the key placement, and returns false if the caller asks to stop. */
static bool goes_on(const struct dkvb__placer *p)
{
    if (atomic_load_explicit(p->stop, memory_order_relaxed))
        return false;
    if (p->run && p->run->progress && p->run->progress(p->run->user, p->codebooks_done, p->codebooks) != 0)
        atomic_store_explicit(p->stop, true, memory_order_relaxed);
    return !atomic_load_explicit(p->stop, memory_order_relaxed);
}

/* Assigns each row of a batch to its nearest key, and counts and sums, for each key, the rows assigned to it. */
static void assign(struct dkvb__placer *p, const int8_t *rows, const size_t *order, size_t n, const float *key)
{
    size_t quads = dkvb__quads(p->shape->key_dim), dim = p->shape->key_dim;
    int32_t dist[TILE];
    uint16_t index[TILE];

    dkvb__pack_keys(p->keys, p->norms, key, p->shape);
    memset(p->count, 0, p->shape->keys * sizeof *p->count);
    memset(p->sum, 0, p->shape->keys * dim * sizeof *p->sum);
    for (size_t first = 0; first < n; first += TILE) {
        size_t count = n - first < TILE ? n - first : TILE;
        struct dkvb__lookup lookup = {.dist = dist,
                                      .index = index,
                                      .rows = p->tile,
                                      .n = count,
                                      .keys = p->keys,
                                      .norms = p->norms,
                                      .words = dkvb__key_words(p->shape->keys),
                                      .quads = quads,
                                      .k = 1,
                                      .scores = p->scores};

        if (first % PULSE_ROWS == 0 && !goes_on(p))
            return;
        for (size_t r = 0; r < count; r++) {
            const int8_t *row = row_at(p, rows, order[first + r]);

            for (size_t q = 0; q < quads; q++)
                memcpy(p->tile + (q * TILE + r) * 4, row + q * TILE * 4, 4);
        }
        dkvb__kernels()->nearest(&lookup);
        for (size_t r = 0; r < count; r++) {
            int64_t *sum = p->sum + index[r] * dim;

            p->count[index[r]]++;
            for (size_t i = 0; i < dim; i++)
                sum[i] += p->tile[dkvb__row_offset(r, i)];
        }
    }
}

void dkvb__ema_step(struct dkvb__placer *p, const int8_t *rows, const size_t *order, size_t n, double keep, float *key,
                    float *use, struct dkvb__rng *rng)
{
    double even = (double)n / p->shape->keys;
    size_t dim = p->shape->key_dim;

    assign(p, rows, order, n, key);
    for (size_t j = 0; j < p->shape->keys; j++) {
        double count = p->count[j], now = keep * (double)use[j] + (1.0 - keep) * count, rate = (1.0 - keep) / now;

        use[j] = (float)now;
        for (size_t i = 0; count > 0 && i < dim; i++) {
            double old = (double)key[j * dim + i], sum = -0.5 * (double)p->sum[j * dim + i];

            key[j * dim + i] = (float)(old + rate * (sum - count * old));
        }
        if (keep > 0.0 ? now < p->options->restart * even : p->count[j] == 0) {
            read_row(p, rows, order[dkvb__rng_below(rng, n)], key + j * dim);
            use[j] = (float)even;
        }
    }
}

void dkvb__place_means(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng)
{
    dkvb__place_sample(p, rows, key, use, rng);
    for (size_t r = 0; r < p->n; r++)
        p->order[r] = r;
    for (uint32_t pass = 0; pass < p->options->passes; pass++)
        dkvb__ema_step(p, rows, p->order, p->n, 0.0, key, use, rng);
}

void dkvb__place_ema(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng)
{
    dkvb__place_sample(p, rows, key, use, rng);
    for (uint32_t pass = 0; pass < p->options->passes; pass++) {
        dkvb__rng_choose(rng, p->n, p->n, p->order, p->scratch);
        /* A short batch at the end of a pass would pull the moving averages of keys down, so its rows wait for another
         * pass. */
        for (size_t first = 0; first + p->batch <= p->n; first += p->batch)
            dkvb__ema_step(p, rows, p->order + first, p->batch, p->options->decay, key, use, rng);
    }
}
