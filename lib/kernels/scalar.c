/* The meaning of every kernel, as plain as it can be said. fma() and fmaf() are exactly rounded everywhere. */
#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/kernels.h"

static bool supported(void)
{
    return true;
}

static void project(float *out, const double *const *rows, size_t n, const float *p, size_t m, size_t d)
{
    for (size_t r = 0; r < n; r++)
        for (size_t j = 0; j < d; j++) {
            double sum = 0.0;

            for (size_t i = 0; i < m; i++)
                sum = fma(rows[r][i], (double)p[i * d + j], sum);
            out[r * d + j] = (float)sum;
        }
}

static float distance(const float *q, const float *blocks, size_t j, size_t dim)
{
    const float *key = blocks + dkvb__key_offset(j, dim);
    float sum = 0.0f;

    for (size_t i = 0; i < dim; i++) {
        float diff = q[i] - key[i * DKVB__LANES];

        sum = fmaf(diff, diff, sum);
    }
    return sum;
}

static void nearest(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, const uint64_t *dead,
                    size_t keys, size_t dim, size_t k)
{
    for (size_t r = 0; r < n; r++) {
        float *row_dist = dist + r * k;
        uint16_t *row_index = index + r * k;

        dkvb__top_clear(row_dist, row_index, k);
        for (size_t j = 0; j < keys; j++) {
            float s;

            if (dkvb__bit(dead, j))
                continue;
            s = distance(q + r * dim, blocks, j, dim);
            if (s < row_dist[k - 1])
                dkvb__top_insert(row_dist, row_index, k, s, j);
        }
        dkvb__top_finish(row_dist, row_index, k, dead, keys);
    }
}

static void distances(float *dist, const float *q, const float *blocks, size_t keys, size_t dim)
{
    for (size_t j = 0; j < dkvb__key_blocks(keys) * DKVB__LANES; j++)
        dist[j] = distance(q, blocks, j, dim);
}

static float product_sum(const struct dkvb__product *p, size_t r, size_t c)
{
    const float *b = p->panels + c / DKVB__PANEL * DKVB__PANEL * p->depth + c % DKVB__PANEL;
    float sum = p->start[c];

    for (size_t k = 0; k < p->depth; k++)
        sum = fmaf(p->a[r * p->a_stride + k], b[k * DKVB__PANEL], sum);
    return sum;
}

static void multiply(const struct dkvb__product *p)
{
    for (size_t r = 0; r < p->rows; r++)
        for (size_t first = 0; first < p->columns; first += DKVB__PANEL) {
            size_t count = p->columns - first < DKVB__PANEL ? p->columns - first : DKVB__PANEL;
            size_t at = r * p->out_stride + first;
            float lanes[DKVB__PANEL] = {0.0f};

            for (size_t l = 0; l < count; l++)
                lanes[l] = product_sum(p, r, first + l);
            for (size_t l = 0; p->add && l < count; l++)
                lanes[l] = p->add[at + l] + lanes[l];
            activate_panel(lanes, p->activation);
            memcpy(p->out + at, lanes, count * sizeof *lanes);
        }
}

const struct dkvb__kernels dkvb__kernels_scalar = {"scalar",
                                                   supported,
                                                   project,
                                                   nearest,
                                                   NULL,
                                                   NULL,
                                                   distances,
                                                   multiply,
                                                   layer_norm,
                                                   softmax,
                                                   dkvb__add_values_plain};
