/* The definition of every kernel, in plain C: the results of all other kernels are equal bit for bit. The functions
 * fma() and fmaf() round exactly on every system. */
#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/hadamard.h"
#include "kernels/kernels.h"

static bool supported(void)
{
    return true;
}

/* The reference implementation of the search for nearest keys. A dead key (masked or purged) is never found, whatever
 * its bytes are. */
static void nearest(const struct dkvb__lookup *l)
{
    for (size_t r = 0; r < l->n; r++) {
        int32_t *dist = l->dist + r * l->k;
        uint16_t *index = l->index + r * l->k;

        dkvb__top_clear(dist, index, l->k);
        for (size_t j = 0; j < l->words * 64; j++) {
            int32_t sum = 0;

            if (l->norms[j] == DKVB__DEAD)
                continue;
            for (size_t i = 0; i < l->quads * 4; i++) {
                int32_t row = l->rows[dkvb__row_offset(r, i)] / -2;
                int32_t key = l->keys[dkvb__key_offset(j, i, l->quads * 4)] - DKVB__KEY_ZERO;

                sum += (row - key) * (row - key);
            }
            dkvb__top_insert(dist, index, l->k, sum, j);
        }
        dkvb__top_sort(dist, index, l->k);
    }
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

const struct dkvb__kernels dkvb__kernels_scalar = {
    "scalar", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_plain};
