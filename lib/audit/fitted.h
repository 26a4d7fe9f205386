#ifndef DKVB_AUDIT_FITTED_H
#define DKVB_AUDIT_FITTED_H

#include "audit/margins.h"
#include "dkvb/memory.h"
#include "dkvb/runtime.h"

/* Settings of the membership attack that is fitted to its target (logistic regression on outputs). */
struct dkvb__fitting {
    /* number of parts that the rows are split into for cross-validation, 2 to 64; rows of one part are scored by a fit
     * to the other parts */
    uint32_t folds;
    double l2;     /* weight of the L2 penalty of the logistic regression, above 0 */
    uint64_t seed; /* seed that decides which row goes to which part of the cross-validation of the fitted attack */
};

/*
 * An attack that is fitted to its target: the best linear rule on a row's outputs for an attacker who knows the
 * membership of other rows. The fitted attack is logistic regression on the logits in descending order (the 64
 * largest), the label's logit, its margin and its log-probability, each scaled to mean 0 and deviation 1. The fitted
 * attack finds weights w that minimise the sum of log(1 + exp(-t w.x)) over the rows plus l2 / 2 |w|^2, with scaled
 * features x of a row, t = 1 for members and t = -1 for others, and without a penalty on the constant. The weights w of
 * the logistic regression are found by Newton's method, which halves a step that does not lower the objective. The
 * fitted attack's score of a row is w.x with weights w from a fit that has not seen the row x.
 *
 * The fitted attack needs marks of members, uint8_t[n], with at least 2 members and 2 non-members; each part of the
 * cross-validation gets its proportion of members and non-members. The scores of the fitted attack, double[n], are
 * undefined if the attack fails. The progress callback of the fitted attack counts the parts of the cross-validation.
 */
dkvb_status dkvb__audit_fitted_scores(const struct dkvb__answers *a, const uint8_t *member,
                                      const struct dkvb__fitting *how, double *scores, const dkvb_allocator *mem,
                                      const dkvb_run_options *run);

#endif
