/* Membership by ratios of probabilities to those of a few reference models. */
#include "audit/rmia.h"

#include <math.h>

#include "audit/order.h"
#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/status.h"

/* log p of a margin log(p / (1 - p)), without the detour by p, which would be 0 or 1 for large ones. */
static double log_probability(double margin)
{
    return (margin < 0.0 ? margin : 0.0) - dkvb__log(1.0 + dkvb__exp(-fabs(margin)));
}

/* log of the mean probability that the references give the label of a target; margins: [references][count]. */
static double log_mean(const double *margins, uint32_t references, size_t count, size_t target)
{
    double most = -INFINITY, sum = 0.0;

    for (uint32_t r = 0; r < references; r++)
        most = fmax(most, log_probability(margins[r * count + target]));
    for (uint32_t r = 0; r < references; r++)
        sum += dkvb__exp(log_probability(margins[r * count + target]) - most);
    return most + dkvb__log(sum / (double)references);
}

/* Walk the ratios upwards: a row's score is the share of the population that is not above it, less the row itself. */
static void score_rows(const double *ratio, const struct dkvb__keyed *order, const uint8_t *member, size_t count,
                       double *scores)
{
    size_t population = 0, passed = 0;

    for (size_t i = 0; i < count; i++)
        population += !member[i];
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && ratio[order[end].index] == ratio[order[first].index]; end++)
            passed += !member[order[end].index];
        for (size_t i = first; i < end; i++) {
            size_t row = order[i].index, self = !member[row];

            scores[row] = (double)(passed - self) / (double)(population - self);
        }
    }
}

dkvb_status dkvb__audit_rmia(const double *margins, uint32_t references, const uint8_t *member, size_t count,
                             const double *observed, double *scores, const dkvb_allocator *mem)
{
    double *ratio = dkvb__alloc(mem, count, sizeof *ratio); /* logarithms */
    struct dkvb__keyed *order = NULL;

    for (size_t i = 0; ratio && i < count; i++)
        ratio[i] = log_probability(observed[i]) - log_mean(margins, references, count, i);
    if (ratio)
        order = dkvb__order_by(ratio, count, mem);
    if (order)
        score_rows(ratio, order, member, count, scores);
    dkvb__free(mem, ratio);
    dkvb__free(mem, order);
    return order ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the ratios of %zu rows", count);
}
