/*
 * Keys by exponential moving averages, as in vector-quantised autoencoders (van den Oord et al. 2017, arXiv 1711.00937,
 * appendix A.1) and in the bottleneck's papers. With n_j rows of a batch, of sum s_j, nearest to key j:
 *
 *     N_j   <- decay N_j + (1 - decay) n_j
 *     m_j   <- decay m_j + (1 - decay) s_j
 *     key_j <- m_j / N_j
 *
 * m_j is always N_j key_j, so only N ("use") is kept, and the last line becomes
 *
 *     key_j <- key_j + (1 - decay) (s_j - n_j key_j) / N_j.
 *
 * A key that is hardly used any more represents nobody: it is placed again on a row of the batch.
 */
#include "bottleneck/keyinit.h"

#include <string.h>

#include "kernels/kernels.h"

static void move_key(float *key, const double *sum, double count, double rate, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        double old = (double)key[i * DKVB__LANES];

        key[i * DKVB__LANES] = (float)(old + rate * (sum[i] - count * old));
    }
}

void dkvb__ema_step(struct dkvb__placer *p, const float *q, size_t n, float *blocks, float *use, struct dkvb__rng *rng)
{
    double keep = p->options->decay, even = (double)n / p->keys;

    dkvb__assign(p, blocks, q, n, p->index);
    dkvb__gather(p, q, n, p->index);
    for (size_t j = 0; j < p->keys; j++) {
        double count = p->count[j], now = keep * (double)use[j] + (1.0 - keep) * count;

        use[j] = (float)now;
        if (count > 0)
            move_key(blocks + dkvb__key_offset(j, p->dim), p->sum + j * p->dim, count, (1.0 - keep) / now, p->dim);
        if (now < p->options->restart * even) {
            dkvb__put_key(blocks, j, q + dkvb__rng_below(rng, n) * p->dim, p->dim);
            use[j] = (float)even;
        }
    }
}

void dkvb__place_ema(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng)
{
    size_t batch = p->options->batch < n ? p->options->batch : n;

    dkvb__place_sample(p, q, n, blocks, rng);
    for (size_t j = 0; j < p->keys; j++)
        p->use[j] = (float)((double)batch / p->keys);
    for (uint32_t pass = 0; pass < p->options->passes; pass++) {
        dkvb__rng_choose(rng, n, n, p->order, p->scratch);
        /* A short batch at the end would pull the averages down: those rows wait for another pass. */
        for (size_t first = 0; first + batch <= n; first += batch) {
            for (size_t r = 0; r < batch; r++)
                memcpy(p->batch + r * p->dim, q + p->order[first + r] * p->dim, p->dim * sizeof *q);
            dkvb__ema_step(p, p->batch, batch, blocks, p->use, rng);
        }
    }
}
