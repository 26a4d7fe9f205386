#include "bottleneck/outside.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sort.h"
#include "base/status.h"

enum {
    /* one in ODD_SHARE of the key rows (the rows on which keys are placed) counts as unusually short, and one in
     * ODD_SHARE as unusually long; the limits on the lengths of rows leave them out */
    ODD_SHARE = 20,
    ROOM = 4, /* factor by which the length of a row may differ from the usual lengths */
    /* a row counts as outside the scale of the codebooks if one in CUT_SHARE of its projected numbers lies at an end of
     * the quantisation scale; usual rows have fewer */
    CUT_SHARE = 5,
    /* twice the largest projected number of 63 quantisation steps, as tiles store numbers times -2 */
    END = 2 * DKVB__STEPS
};

double dkvb__row_length(const float *x, size_t width)
{
    double sum = 0.0;

    for (size_t i = 0; i < width; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

dkvb_status dkvb__limits_set(dkvb_codebooks *cb, const double *lengths, size_t n)
{
    struct dkvb__keyed *order = dkvb__alloc(&cb->mem, 2 * n, sizeof *order);
    size_t odd = n < 3 ? 0 : (n + ODD_SHARE - 1) / ODD_SHARE;
    double least, greatest;

    if (!order)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the lengths of %zu rows", n);
    for (size_t r = 0; r < n; r++) {
        memcpy(&order[r].key, &lengths[r],
               sizeof lengths[r]); /* the bits of nonnegative doubles, taken as integers, sort as the doubles do */
        order[r].index = r;
    }
    dkvb__sort_keyed(order, order + n, n);
    memcpy(&least, &order[odd].key, sizeof least);
    memcpy(&greatest, &order[n - 1 - odd].key, sizeof greatest);
    dkvb__free(&cb->mem, order);
    cb->least = (float)(least / ROOM);
    cb->greatest = greatest * ROOM < FLT_MAX ? (float)(greatest * ROOM) : FLT_MAX;
    return DKVB_OK;
}

void dkvb__cut_add(uint32_t *cut, const int8_t *tile, size_t quads)
{
    enum { BYTES = DKVB__LANES * 4, MOST = 255 };

    for (size_t first = 0, end; first < quads; first = end) {
        /* for each row of a tile, the count of numbers at an end of the quantisation scale; counts of at most 255
         * numbers fit uint8_t, so that the counts of all rows fit one vector */
        uint8_t count[BYTES] = {0};

        end = quads - first < MOST ? quads : first + MOST;
        for (size_t q = first; q < end; q++)
            for (size_t i = 0; i < BYTES; i++)
                count[i] = (uint8_t)(count[i] + (tile[q * BYTES + i] >= END) + (tile[q * BYTES + i] <= -END));
        for (size_t i = 0; i < BYTES; i++)
            cut[i / 4] += count[i];
    }
}

void dkvb__outside_add(dkvb_outside *found, const dkvb_codebooks *cb, const double *lengths, const uint32_t *cut,
                       size_t n)
{
    uint64_t numbers = (uint64_t)cb->shape.codebooks * cb->shape.key_dim;

    found->least = (double)cb->least;
    found->greatest = (double)cb->greatest;
    for (size_t r = 0; r < n; r++, found->searched++) {
        bool shorter = lengths[r] < found->least;
        bool longer = lengths[r] > found->greatest;
        bool clipped = cut && (uint64_t)cut[r] * CUT_SHARE > numbers;

        if (!shorter && !longer && !clipped)
            continue;
        if (found->rows == 0) {
            found->first = found->searched;
            found->length = lengths[r];
            found->cut = cut ? (double)cut[r] / (double)numbers : 0.0;
        }
        found->rows++;
        found->shorter += shorter;
        found->longer += longer;
    }
}

void dkvb__outside_join(dkvb_outside *found, const dkvb_outside *more)
{
    if (more->searched == 0)
        return;
    if (found->rows == 0 && more->rows > 0) {
        found->first = found->searched + more->first;
        found->length = more->length;
        found->cut = more->cut;
    }
    found->searched += more->searched;
    found->rows += more->rows;
    found->shorter += more->shorter;
    found->longer += more->longer;
    found->least = more->least;
    found->greatest = more->greatest;
}
