#ifndef DKVB_AUDIT_FITTED_H
#define DKVB_AUDIT_FITTED_H

#include "audit/margins.h"
#include "dkvb/memory.h"
#include "dkvb/runtime.h"

/* Settings of the fitted attack. */
struct dkvb__fitting {
    uint32_t folds; /* number of parts, 2 to 64: the rows of one are scored by a fit to the others */
    double l2;      /* weight of the penalty, above 0 */
    uint64_t seed;  /* seed that decides which row is in which part */
};

/*
 * An attack that is fitted to its target: the best linear rule on a row's outputs for an attacker who knows the
 * membership of other rows. The attack is logistic regression on the logits in descending order (the 64 largest), the
 * label's logit, its margin and its log-probability, each scaled to mean 0 and deviation 1:
 *
 *     minimise  sum log(1 + exp(-t w.x)) + l2 / 2 |w|^2,  t = 1 for members, -1 for others, no penalty on the constant
 *
 * by Newton's method with halved steps. The scores, w.x, are those of rows that the fit has not seen.
 *
 * member: uint8_t[n], at least 2 of each kind, each part gets its share of both; scores: double[n], undefined after a
 * failure. Progress counts parts.
 */
dkvb_status dkvb__audit_fitted_scores(const struct dkvb__answers *a, const uint8_t *member,
                                      const struct dkvb__fitting *how, double *scores, const dkvb_allocator *mem,
                                      const dkvb_run_options *run);

#endif
