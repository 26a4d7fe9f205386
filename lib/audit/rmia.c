/* Membership scores by the ratio of a model's probabilities to those of a few reference models. */
#include "audit/rmia.h"

#include <math.h>

#include "base/exact_math.h"

/* Returns the logarithm of a probability p, given its margin, which is log(p / (1 - p)). The logarithm of p is computed
 * without p itself, which would round to 0 or 1 for large margins. */
static double log_probability(double margin)
{
    return (margin < 0.0 ? margin : 0.0) - dkvb__log(1.0 + dkvb__exp(-fabs(margin)));
}

/* Returns the logarithm of the mean probability that the reference models give to the label of a target row; `margins`
 * is [references][count]. */
static double log_mean(const double *margins, uint32_t references, size_t count, size_t target)
{
    double most = -INFINITY, sum = 0.0;

    for (uint32_t r = 0; r < references; r++)
        most = fmax(most, log_probability(margins[r * count + target]));
    for (uint32_t r = 0; r < references; r++)
        sum += dkvb__exp(log_probability(margins[r * count + target]) - most);
    return most + dkvb__log(sum / (double)references);
}

void dkvb__audit_rmia(const double *margins, uint32_t references, size_t count, const double *observed, double *scores)
{
    for (size_t i = 0; i < count; i++)
        scores[i] = log_probability(observed[i]) - log_mean(margins, references, count, i);
}
