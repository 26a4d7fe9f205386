/*
 * Keys by k-means. Seeding is k-means++ (Arthur and Vassilvitskii 2007): each next key is a row drawn with probability
 * in proportion to its squared distance from the nearest key so far. Then either Lloyd's iterations, key = mean of its
 * rows, or mini-batch iterations (Sculley 2010): each row pulls its key by 1 / (number of rows that the key has had).
 */
#include "bottleneck/keyinit.h"

#include <string.h>

#include "kernels/kernels.h"

enum { SUM_ROWS = DKVB__SUM_ROWS };

static double partial_sum(const float *dist, size_t n, size_t part)
{
    size_t end = (part + 1) * SUM_ROWS < n ? (part + 1) * SUM_ROWS : n;
    double sum = 0.0;

    for (size_t r = part * SUM_ROWS; r < end; r++)
        sum += (double)dist[r];
    return sum;
}

/* A row drawn in proportion to dist; any row if all are 0. `sums` holds the partial sums. */
static size_t draw_row(const float *dist, const double *sums, size_t n, struct dkvb__rng *rng)
{
    size_t parts = (n + SUM_ROWS - 1) / SUM_ROWS, part = 0, row, last = n;
    double total = 0.0, left;

    for (size_t i = 0; i < parts; i++)
        total += sums[i];
    if (!(total > 0.0))
        return dkvb__rng_below(rng, n);
    left = dkvb__rng_unit(rng) * total;
    while (part + 1 < parts && left >= sums[part])
        left -= sums[part++];
    for (row = part * SUM_ROWS; row < n; row++) {
        if (dist[row] > 0.0f)
            last = row; /* rounding may leave a little over: then the last row that could be drawn */
        left -= (double)dist[row];
        if (left < 0.0)
            return row;
    }
    return last < n ? last : dkvb__rng_below(rng, n);
}

static void seed_keys(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng)
{
    for (size_t r = 0; r < n; r++) {
        p->row_dist[r] = __builtin_inff();
        for (size_t i = 0; i < p->dim; i++)
            p->row_blocks[dkvb__key_offset(r, p->dim) + i * DKVB__LANES] = q[r * p->dim + i];
    }
    for (size_t j = 0; j < p->keys; j++) {
        size_t row = j == 0 ? dkvb__rng_below(rng, n) : draw_row(p->row_dist, p->row_sums, n, rng);

        dkvb__put_key(blocks, j, q + row * p->dim, p->dim);
        dkvb__kernels()->distances(p->new_dist, q + row * p->dim, p->row_blocks, n, p->dim);
        for (size_t r = 0; r < n; r++)
            p->row_dist[r] = p->new_dist[r] < p->row_dist[r] ? p->new_dist[r] : p->row_dist[r];
        for (size_t part = 0; part * SUM_ROWS < n; part++)
            p->row_sums[part] = partial_sum(p->row_dist, n, part);
    }
}

/* Each key becomes the mean of its rows; a key without rows is placed again on one. */
static void move_to_means(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng)
{
    dkvb__gather(p, q, n, p->index);
    for (size_t j = 0; j < p->keys; j++) {
        float *key = blocks + dkvb__key_offset(j, p->dim);

        if (p->count[j] == 0) {
            dkvb__put_key(blocks, j, q + dkvb__rng_below(rng, n) * p->dim, p->dim);
            continue;
        }
        for (size_t i = 0; i < p->dim; i++)
            key[i * DKVB__LANES] = (float)(p->sum[j * p->dim + i] / p->count[j]);
    }
}

static void pull_keys(struct dkvb__placer *p, const float *q, size_t n, float *blocks)
{
    dkvb__assign(p, blocks, q, n, p->index);
    for (size_t r = 0; r < n; r++) {
        size_t j = p->index[r];
        float *key = blocks + dkvb__key_offset(j, p->dim);
        double rate = 1.0 / ++p->count[j];

        for (size_t i = 0; i < p->dim; i++) {
            double old = (double)key[i * DKVB__LANES];

            key[i * DKVB__LANES] = (float)(old + rate * ((double)q[r * p->dim + i] - old));
        }
    }
}

static void mini_batches(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng)
{
    size_t batch = p->options->batch < n ? p->options->batch : n;

    memset(p->count, 0, p->keys * sizeof *p->count);
    for (uint32_t pass = 0; pass < p->options->passes; pass++) {
        dkvb__rng_choose(rng, n, n, p->order, p->scratch);
        for (size_t first = 0; first < n; first += batch) {
            size_t rows = n - first < batch ? n - first : batch;

            for (size_t r = 0; r < rows; r++)
                memcpy(p->batch + r * p->dim, q + p->order[first + r] * p->dim, p->dim * sizeof *q);
            pull_keys(p, p->batch, rows, blocks);
        }
    }
}

void dkvb__place_kmeans(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng)
{
    seed_keys(p, q, n, blocks, rng);
    if (p->options->batch > 0) {
        mini_batches(p, q, n, blocks, rng);
        return;
    }
    for (uint32_t pass = 0; pass < p->options->passes; pass++) {
        dkvb__assign(p, blocks, q, n, p->index);
        move_to_means(p, q, n, blocks, rng);
    }
}
