/* KL divergence of margins, row by row. */
#include "audit/klom.h"

#include <math.h>

#include "audit/order.h"
#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/status.h"

enum { BINS = 20 };

static const double least_share = 1e-5, clip = 100.0;
static const double z95 = 1.959963984540054; /* 97.5 % of the normal distribution are below */

static double clipped(float margin)
{
    return fmax(-clip, fmin(clip, (double)margin));
}

/* Bins of both samples of a row share one range. */
struct range {
    double low, high;
};

static void widen(struct range *range, const float *margins, uint32_t models, size_t stride)
{
    for (uint32_t m = 0; m < models; m++) {
        range->low = fmin(range->low, clipped(margins[m * stride]));
        range->high = fmax(range->high, clipped(margins[m * stride]));
    }
}

static void fill_bins(double *share, const struct range *range, const float *margins, uint32_t models, size_t stride)
{
    double width = range->high > range->low ? range->high - range->low : 1.0;

    for (size_t b = 0; b < BINS; b++)
        share[b] = 0.0;
    for (uint32_t m = 0; m < models; m++) {
        size_t bin = (size_t)((clipped(margins[m * stride]) - range->low) / width * BINS);

        share[bin < BINS ? bin : BINS - 1] += 1.0;
    }
    for (size_t b = 0; b < BINS; b++)
        share[b] /= (double)models;
}

void dkvb__audit_klom(const float *p, const float *q, uint32_t models, size_t rows, double *klom)
{
    for (size_t r = 0; r < rows; r++) {
        struct range range = {INFINITY, -INFINITY};
        double of_p[BINS], of_q[BINS], all = 0.0;

        widen(&range, p + r, models, rows);
        widen(&range, q + r, models, rows);
        fill_bins(of_p, &range, p + r, models, rows);
        fill_bins(of_q, &range, q + r, models, rows);
        for (size_t b = 0; b < BINS; b++) {
            of_q[b] = of_p[b] > 0.0 ? fmax(of_q[b], least_share) : of_q[b];
            all += of_q[b];
        }
        klom[r] = 0.0;
        for (size_t b = 0; b < BINS; b++)
            if (of_p[b] > 0.0)
                klom[r] += of_p[b] * (dkvb__log(of_p[b] * all) - dkvb__log(of_q[b]));
    }
}

void dkvb__audit_mean(const double *values, size_t n, dkvb_audit_estimate *mean)
{
    double sum = 0.0, squares = 0.0, half;

    *mean = (dkvb_audit_estimate){(double)NAN, (double)NAN, (double)NAN};
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - sum / (double)n) * (values[i] - sum / (double)n);
    half = n > 1 ? z95 * sqrt(squares / (double)(n - 1) / (double)n) : 0.0;
    *mean = (dkvb_audit_estimate){sum / (double)n, sum / (double)n - half, sum / (double)n + half};
}

/* Value at a rank from 1, as near to it as there are ranks. */
static double at_rank(const double *values, const struct dkvb__keyed *order, size_t n, double rank)
{
    rank = fmax(1.0, fmin((double)n, ceil(rank)));
    return values[order[(size_t)rank - 1].index];
}

dkvb_status dkvb__audit_quantile(const double *values, size_t n, double share, dkvb_audit_estimate *quantile,
                                 const dkvb_allocator *mem)
{
    double rank = share * (double)n, away = z95 * sqrt((double)n * share * (1.0 - share));
    struct dkvb__keyed *order;

    *quantile = (dkvb_audit_estimate){(double)NAN, (double)NAN, (double)NAN};
    if (n == 0)
        return DKVB_OK;
    order = dkvb__order_by(values, n, mem);
    if (!order)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", n);
    *quantile = (dkvb_audit_estimate){at_rank(values, order, n, rank), at_rank(values, order, n, rank - away),
                                      at_rank(values, order, n, rank + away)};
    dkvb__free(mem, order);
    return DKVB_OK;
}
