#ifndef DKVB_AUDIT_AUC_H
#define DKVB_AUDIT_AUC_H

#include "dkvb/audit.h"
#include "dkvb/memory.h"

/* The quantile of the normal distribution that 97.5 % lie below. */
#define DKVB__Z95 1.959963984540054

/* Estimates of how well scores separate members from others, and of shares. Marks are uint8_t, 1 = yes, 0 = no.
 * Intervals are of 95 %, over the choice of rows: with other rows of the same kind the figure would lie within them. */

/*
 * The area under the ROC curve: the chance that a member's score is above another's, ties counted half (Mann-Whitney).
 * The interval is value +- 1.96 sqrt(S10 / members + S01 / others), cut to [0, 1], with the variances of DeLong et al.
 * 1988 (Biometrics 44) computed from midranks (Sun and Xu 2014, IEEE Signal Processing Letters 21). If all members are
 * above all others, the interval has no width, since these rows tell nothing more.
 *
 * scores: double[n], infinite is allowed; member: uint8_t[n], at least 2 of each kind. DKVB_EINVAL (too few rows of a
 * kind, or a score that is NaN), DKVB_ENOMEM.
 */
dkvb_status dkvb__audit_auc(const double *scores, const uint8_t *member, size_t n, dkvb_audit_estimate *auc,
                            const dkvb_allocator *mem);

/* The AUC of `a` minus the AUC of `b`, both on the same rows, with the interval of the paired test (DeLong et al.
 * 1988), in which the common part of both cancels. Equal scores give 0 within [0, 0]. */
dkvb_status dkvb__audit_auc_difference(const double *a, const double *b, const uint8_t *member, size_t n,
                                       dkvb_audit_estimate *difference, const dkvb_allocator *mem);

/*
 * PrivLeak, after MUSE (Shi et al. 2024, arXiv 2407.06460, section 3): (AUC of a - AUC of b) / AUC of b, where `b` has
 * the scores of the retrained model. A value above 0 means that more is remembered than after training again. MUSE uses
 * the AUC of non-members, so its sign is opposite and its denominator is 1 - AUC of b; the two figures differ. The
 * interval is that of a ratio of two paired AUCs by the delta method, with DeLong's variance of the placements (place_a
 * - ratio * place_b) / AUC of b. Equal scores give 0 within [0, 0]; if the AUC of `b` is 0, all is NaN.
 */
dkvb_status dkvb__audit_privleak(const double *a, const double *b, const uint8_t *member, size_t n,
                                 dkvb_audit_estimate *leak, const dkvb_allocator *mem);

/* The true positive rate: the share of members whose score is above a limit that at most floor(fpr * others) of the
 * others pass; `fpr`, the false positive rate, is from 0 to below 1. This rate shows more than an AUC if few rows are
 * certain (Carlini et al. 2022, arXiv 2112.03570, section 3). Wilson's interval covers the choice of members; it
 * ignores that the limit itself is set by few rows. */
dkvb_status dkvb__audit_tpr(const double *scores, const uint8_t *member, size_t n, double fpr, dkvb_audit_estimate *tpr,
                            const dkvb_allocator *mem);

/* The mean of `right`, double[n] of 0 to 1, with Wilson's interval (Wilson 1927, JASA 22). For 0 and 1 this is the
 * share of right answers. If a row holds a mean of several trials, the interval is wider than necessary. n = 0: all
 * NaN. */
void dkvb__audit_share(const double *right, size_t n, dkvb_audit_estimate *share);

/*
 * The mean of a - b, paired row by row. For answers of 0 and 1 the interval is that of Agresti and Min 2005 (Statistics
 * in Medicine 24). The method is Wald's interval for matched pairs after half a row was added to each cell of McNemar's
 * table, so that a few rows without a difference do not claim that there is none:
 *
 *     centre D / (n + 2),  half width 1.96 sqrt(Q + 1 - D^2 / (n + 2)) / (n + 2);  D = sum a - b,  Q = sum (a - b)^2
 */
void dkvb__audit_share_difference(const double *a, const double *b, size_t n, dkvb_audit_estimate *difference);

/*
 * The average gap to the retrained model: the mean of |difference| over `count` figures, as unlearning papers report it
 * (Fan et al. 2023, SalUn, arXiv 2310.12508, section 5). Each end of the interval is the mean of the least, or of the
 * largest, |difference| that the intervals of the figures allow. Each interval is widened from 95 % to 100 - 5 / 4 =
 * 98.75 %, so that all four hold at once in 95 % of cases (Bonferroni; 98.75 % is used for any `count`). The figures
 * share rows, so averaging gains nothing, and the interval is wider than necessary.
 */
void dkvb__audit_gap(const dkvb_audit_estimate *differences, size_t count, dkvb_audit_estimate *gap);

#endif
