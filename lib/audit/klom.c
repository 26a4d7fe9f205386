/* Computes KLoM, the Kullback-Leibler divergence between the margins of unlearned and of retrained models, row by
 * row. */
#include "audit/klom.h"

#include <math.h>

#include "audit/auc.h"
#include "audit/order.h"
#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/rng.h"
#include "base/status.h"

enum { BINS = 20 };

static const double least_share = 1e-5, clip = 100.0;

static double clipped(float margin)
{
    return fmax(-clip, fmin(clip, (double)margin));
}

/* The range of the histogram of a row's margins, which the two compared samples of margins share. */
struct range {
    double low, high;
};

static void widen(struct range *range, const float *margins, uint32_t models, size_t stride)
{
    for (uint32_t m = 0; m < models; m++) {
        double margin = clipped(margins[m * stride]);

        /* The range of the margins is found without fmin() and fmax(), as the compiler gcc 12 for aarch64 fails with an
         * internal error when it evaluates them at compile time. */
        if (margin < range->low)
            range->low = margin;
        if (margin > range->high)
            range->high = margin;
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

/* Random deals of the models of two ensembles, for estimating the noise of the measure KLoM in one row after the
 * other. */
struct noise {
    const struct dkvb__klom_pair *pair;
    /* DKVB__DEALS random orders of the models of two ensembles, [DKVB__DEALS][2 models]; the first half of each order
     * is dealt to ensemble p */
    const size_t *deals;
    /* scratch space in which each thread handles the margins of one row, five numbers per model, [threads][5 models] */
    float *scratch;
    /* For each row and each random deal of the models into two ensembles, [rows][DKVB__DEALS]: the row's KLoM (a
     * divergence between models' margins) in the first ensemble, `p`, minus its KLoM in the second, the noise floor. */
    double *gaps;
};

static void deal_row(void *context, size_t row, unsigned worker)
{
    const struct noise *n = context;
    const struct dkvb__klom_pair *pair = n->pair;
    size_t models = pair->models;
    float *both = n->scratch + (size_t)worker * 5 * models, *q = both + 2 * models, *dealt = q + models;

    for (size_t m = 0; m < models; m++) {
        both[m] = pair->p[m * pair->rows + row];
        both[models + m] = pair->floor[m * pair->rows + row];
        q[m] = pair->q[m * pair->rows + row];
    }
    for (size_t d = 0; d < DKVB__DEALS; d++) {
        double of_p, of_floor;

        for (size_t m = 0; m < 2 * models; m++)
            dealt[m] = both[n->deals[d * 2 * models + m]];
        dkvb__audit_klom(dealt, q, pair->models, 1, &of_p);
        dkvb__audit_klom(dealt + models, q, pair->models, 1, &of_floor);
        n->gaps[row * DKVB__DEALS + d] = of_p - of_floor;
    }
}

/* Computes, for each random deal of the models into two ensembles, the absolute difference of the ensembles' mean KLoM
 * on a group of rows, then the value that 95 % of these differences do not exceed. */
static dkvb_status noise_of_group(const double *gaps, size_t rows, double *half, const dkvb_allocator *mem)
{
    double size[DKVB__DEALS];
    dkvb_audit_estimate found;
    dkvb_status rc;

    for (size_t d = 0; d < DKVB__DEALS; d++) {
        size[d] = 0.0;
        for (size_t r = 0; r < rows; r++)
            size[d] += gaps[r * DKVB__DEALS + d];
        size[d] = rows > 0 ? fabs(size[d]) / (double)rows : 0.0;
    }
    rc = dkvb__audit_quantile(size, DKVB__DEALS, 0.95, &found, mem);
    *half = found.value;
    return rc;
}

dkvb_status dkvb__audit_klom_noise(const struct dkvb__klom_pair *pair, const size_t *sizes, size_t groups,
                                   uint64_t seed, double *half, const dkvb_allocator *mem, const struct dkvb__run *run)
{
    size_t both = 2 * (size_t)pair->models, first = 0;
    /* The array of random orders of the models has, after the orders, one more row of scratch space. */
    size_t *deals = dkvb__alloc(mem, DKVB__DEALS + 1, both * sizeof *deals);
    struct noise n = {pair, deals, dkvb__alloc(mem, run->threads, 5 * pair->models * sizeof *n.scratch),
                      dkvb__alloc(mem, pair->rows, DKVB__DEALS * sizeof *n.gaps)};
    dkvb_status rc = deals && n.scratch && n.gaps
                         ? DKVB_OK
                         : dkvb__fail(DKVB_ENOMEM, "out of memory for the noise of %zu rows", pair->rows);

    for (size_t d = 0; !rc && d < DKVB__DEALS; d++) {
        struct dkvb__rng rng;

        dkvb__rng_seed(&rng, seed, d);
        dkvb__rng_choose(&rng, both, both, deals + d * both, deals + DKVB__DEALS * both);
    }
    if (!rc)
        rc = dkvb__parallel_long(run, pair->rows, deal_row, &n, 0, pair->rows);
    for (size_t g = 0; !rc && g < groups; g++) {
        rc = noise_of_group(n.gaps + first * DKVB__DEALS, sizes[g], &half[g], mem);
        first += sizes[g];
    }
    dkvb__free(mem, deals);
    dkvb__free_erased(mem, n.scratch);
    dkvb__free_erased(mem, n.gaps);
    return rc;
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
    half = n > 1 ? DKVB__Z95 * sqrt(squares / (double)(n - 1) / (double)n) : 0.0;
    *mean = (dkvb_audit_estimate){sum / (double)n, sum / (double)n - half, sum / (double)n + half};
}

/* Returns the value at a given rank (place, counted from 1) of sorted values. If a rank (place) below 1 is asked for,
 * the first of the sorted values is returned, and for a rank above their number, the last one. */
static double at_rank(const double *values, const struct dkvb__keyed *order, size_t n, double rank)
{
    rank = fmax(1.0, fmin((double)n, ceil(rank)));
    return values[order[(size_t)rank - 1].index];
}

dkvb_status dkvb__audit_quantile(const double *values, size_t n, double share, dkvb_audit_estimate *quantile,
                                 const dkvb_allocator *mem)
{
    double rank = share * (double)n, away = DKVB__Z95 * sqrt((double)n * share * (1.0 - share));
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
