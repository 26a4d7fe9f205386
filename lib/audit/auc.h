#ifndef DKVB_AUDIT_AUC_H
#define DKVB_AUDIT_AUC_H

#include "dkvb/audit.h"
#include "dkvb/memory.h"

/* 97.5 % of the normal distribution are below. */
#define DKVB__Z95 1.959963984540054

/* How well scores tell members from others; how large shares are. Marks are uint8_t, 1 = yes, 0 = no. Intervals are of
 * 95 %, and are about the rows: with other rows of the same kind the figure would lie in them. */

/*
 * Area under the ROC curve: the chance that a member's score is above another's, ties counted half (Mann-Whitney).
 * The interval is value +- 1.96 sqrt(S10 / members + S01 / others), cut to [0, 1], with the variances of DeLong et al.
 * 1988 (Biometrics 44) computed from midranks (Sun and Xu 2014, IEEE Signal Processing Letters 21). Where all
 * members are above all others the interval has no width: that is all these rows can say.
 *
 * scores: double[n], infinite is allowed; member: uint8_t[n], at least 2 of each kind. DKVB_EINVAL (too few rows of a
 * kind, a score that is not a number), DKVB_ENOMEM.
 */
dkvb_status dkvb__audit_auc(const double *scores, const uint8_t *member, size_t n, dkvb_audit_estimate *auc,
                            const dkvb_allocator *mem);

/* AUC of `a` less AUC of `b`, both on the same rows, with the interval of the paired test (DeLong et al. 1988): what
 * the two share cancels. 0 within [0, 0] for equal scores. */
dkvb_status dkvb__audit_auc_difference(const double *a, const double *b, const uint8_t *member, size_t n,
                                       dkvb_audit_estimate *difference, const dkvb_allocator *mem);

/*
 * PrivLeak (after MUSE, Shi et al. 2024, arXiv 2407.06460, section 3): (AUC of a - AUC of b) / AUC of b, where `b` has
 * the scores of the retrained model, with AUCs of members: above 0 where more is remembered than after training again.
 * MUSE's AUC is that of the others, so its sign is the other way and its denominator is 1 - AUC of b: the two are not
 * the same figure. The interval is that of a ratio of two paired AUCs by the
 * delta method: the variance is DeLong's, of placements (place_a - ratio * place_b) / AUC of b. 0 within [0, 0] for
 * equal scores; all NaN where the AUC of `b` is 0.
 */
dkvb_status dkvb__audit_privleak(const double *a, const double *b, const uint8_t *member, size_t n,
                                 dkvb_audit_estimate *leak, const dkvb_allocator *mem);

/* Share of members whose score is above a limit that at most floor(fpr * others) of the others pass: the true positive
 * rate at a false positive rate of 0 to below 1, which says more than an AUC where few rows are certain (Carlini et al.
 * 2022, arXiv 2112.03570, section 3). Wilson's interval over the members; the limit itself, set by few rows, is taken
 * as it is. */
dkvb_status dkvb__audit_tpr(const double *scores, const uint8_t *member, size_t n, double fpr, dkvb_audit_estimate *tpr,
                            const dkvb_allocator *mem);

/* Mean of `right`, double[n] of 0 to 1, with Wilson's interval (Wilson 1927, JASA 22): of 0 and 1, the share of right
 * answers. Where a row holds a mean of several trials, the interval is wider than it need be. n = 0: all NaN. */
void dkvb__audit_share(const double *right, size_t n, dkvb_audit_estimate *share);

/*
 * Mean of a - b, paired row by row. For answers of 0 and 1 the interval is that of Agresti and Min 2005 (Statistics in
 * Medicine 24): Wald's for matched pairs after half a row was added to each cell of McNemar's table, so that few rows
 * without a difference do not claim that there is none:
 *
 *     centre D / (n + 2),  half width 1.96 sqrt(Q + 1 - D^2 / (n + 2)) / (n + 2);  D = sum a - b,  Q = sum (a - b)^2
 */
void dkvb__audit_share_difference(const double *a, const double *b, size_t n, dkvb_audit_estimate *difference);

/*
 * Average gap to the retrained model: mean of |difference| over `count` figures, as unlearning papers report it (Fan et
 * al. 2023, SalUn, arXiv 2310.12508, section 5). Each end of the interval is the mean of the least, or of the largest,
 * |difference| that the intervals of the figures allow, each widened from 95 % to 100 - 5 / 4 = 98.75 %, so that all
 * four hold at once in 95 % of cases (Bonferroni; for another `count` it is 98.75 % too). The figures share rows, so
 * nothing is gained from averaging them, and the interval is wider than it need be.
 */
void dkvb__audit_gap(const dkvb_audit_estimate *differences, size_t count, dkvb_audit_estimate *gap);

#endif
