#include "bottleneck/keyinit.h"

#include <string.h>

#include "base/alloc.h"
#include "bottleneck/mask.h"
#include "kernels/kernels.h"

void dkvb__placer_free(struct dkvb__placer *p, const dkvb_allocator *mem)
{
    void *const parts[] = {p->dead,  p->dist, p->index,      p->count,    p->sum,      p->order,    p->scratch,
                           p->batch, p->use,  p->row_blocks, p->row_dist, p->new_dist, p->row_sums, p->coarse_memory};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        dkvb__free(mem, parts[i]);
}

enum { WORTH_ROWS = 256 }; /* fewer rows are assigned sooner than coarse keys are made */

/* What the method does not use stays NULL. */
bool dkvb__placer_new(struct dkvb__placer *p, const dkvb_keyinit_options *o, size_t n, const dkvb_allocator *mem)
{
    bool kmeans = o->method == DKVB_KEYINIT_KMEANS, batches = o->batch > 0;
    size_t batch = o->batch < n ? o->batch : n, whole = dkvb__key_blocks(n) * DKVB__LANES;
    size_t row_size = o->key_dim * sizeof(float);
    size_t coarse = dkvb__coarse_bytes(o->keys, o->key_dim);

    *p = (struct dkvb__placer){.options = o, .keys = o->keys, .dim = o->key_dim, .n = n};
    p->order = dkvb__alloc(mem, n, sizeof *p->order);
    p->scratch = dkvb__alloc(mem, n, sizeof *p->scratch);
    if (!p->order || !p->scratch)
        return false;
    if (o->method == DKVB_KEYINIT_SAMPLE)
        return true;
    p->dead = dkvb__alloc0(mem, dkvb__key_words(o->keys), sizeof *p->dead);
    p->dist = dkvb__alloc(mem, DKVB__ASSIGN_ROWS, sizeof *p->dist);
    p->index = dkvb__alloc(mem, n, sizeof *p->index);
    p->count = dkvb__alloc(mem, o->keys, sizeof *p->count);
    p->sum = dkvb__alloc(mem, (size_t)o->keys * o->key_dim, sizeof *p->sum);
    p->batch = batches ? dkvb__alloc(mem, batch, row_size) : NULL;
    p->use = kmeans ? NULL : dkvb__alloc(mem, o->keys, sizeof *p->use);
    p->row_blocks = kmeans ? dkvb__alloc0(mem, whole, row_size) : NULL;
    p->row_dist = kmeans ? dkvb__alloc(mem, n, sizeof *p->row_dist) : NULL;
    p->new_dist = kmeans ? dkvb__alloc(mem, whole, sizeof *p->new_dist) : NULL;
    p->row_sums = kmeans ? dkvb__alloc(mem, n / DKVB__SUM_ROWS + 1, sizeof *p->row_sums) : NULL;
    if (!p->dead || !p->dist || !p->index || !p->count || !p->sum || (batches && !p->batch) ||
        (kmeans ? !p->row_blocks || !p->row_dist || !p->new_dist || !p->row_sums : !p->use))
        return false;
    if (coarse > 0) {
        p->coarse_memory = dkvb__alloc(mem, 1, coarse);
        if (!p->coarse_memory)
            return false;
        dkvb__coarse_place(&p->coarse, p->coarse_memory, o->keys, o->key_dim);
    }
    p->dead[dkvb__key_words(o->keys) - 1] = ~dkvb__last_word(o->keys);
    return true;
}

void dkvb__assign(struct dkvb__placer *p, const float *blocks, const float *q, size_t n, uint16_t *index)
{
    const struct dkvb__coarse *coarse = p->coarse_memory && n >= WORTH_ROWS ? &p->coarse : NULL;

    if (coarse)
        dkvb__kernels()->coarsen(&p->coarse, blocks, p->keys, p->dim);
    for (size_t r = 0; r < n; r += DKVB__ASSIGN_ROWS) {
        size_t rows = n - r < DKVB__ASSIGN_ROWS ? n - r : DKVB__ASSIGN_ROWS;

        dkvb__nearest(p->dist, index + r, q + r * p->dim, rows, blocks, p->dead, p->keys, p->dim, 1, coarse);
    }
}

void dkvb__gather(struct dkvb__placer *p, const float *q, size_t n, const uint16_t *index)
{
    memset(p->count, 0, p->keys * sizeof *p->count);
    memset(p->sum, 0, (size_t)p->keys * p->dim * sizeof *p->sum);
    for (size_t r = 0; r < n; r++) {
        double *sum = p->sum + index[r] * (size_t)p->dim;

        p->count[index[r]]++;
        for (size_t i = 0; i < p->dim; i++)
            sum[i] += (double)q[r * p->dim + i];
    }
}

void dkvb__put_key(float *blocks, size_t j, const float *row, size_t dim)
{
    float *key = blocks + dkvb__key_offset(j, dim);

    for (size_t i = 0; i < dim; i++)
        key[i * DKVB__LANES] = row[i];
}

void dkvb__place_sample(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng)
{
    dkvb__rng_choose(rng, n, p->keys, p->order, p->scratch);
    for (size_t j = 0; j < p->keys; j++)
        dkvb__put_key(blocks, j, q + p->order[j] * p->dim, p->dim);
}
