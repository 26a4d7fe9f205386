#ifndef DKVB_AUDIT_AUC_H
#define DKVB_AUDIT_AUC_H

#include "dkvb/audit.h"
#include "dkvb/memory.h"

/* The 0.975 quantile of the standard normal distribution. */
#define DKVB__Z95 1.959963984540054

/* Estimates of how well scores separate members of a training set from non-members, and of proportions, each with a 95
 * % confidence interval over the choice of rows. Marks of rows or classes are arrays of uint8_t, with 1 for a marked
 * element and 0 for any other. */

/*
 * The area under the ROC curve: the chance that a member's score is above a non-member's, with ties counted half
 * (Mann-Whitney). The interval of the AUC is AUC +- 1.96 sqrt(S10 / members + S01 / others), cut to [0, 1], with the
 * variances S10 and S01 of DeLong et al. 1988 (Biometrics 44) computed from midranks (Sun and Xu 2014, IEEE Signal
 * Processing Letters 21). If all members score above all non-members, the AUC's interval has width 0, since such rows
 * tell nothing more.
 *
 * An AUC is computed from `scores`, double[n], which may be infinite, and from marks of members, uint8_t[n], with at
 * least 2 members and 2 non-members. Computing an AUC fails with DKVB_EINVAL (too few members or non-members, or a
 * score that is NaN) or with DKVB_ENOMEM.
 */
dkvb_status dkvb__audit_auc(const double *scores, const uint8_t *member, size_t n, dkvb_audit_estimate *auc,
                            const dkvb_allocator *mem);

/* Computes the AUC of the scores `a` minus the AUC of the scores `b` on the same rows, with the interval of the paired
 * test (DeLong et al. 1988), in which the noise that both AUCs share cancels. Two models with equal scores have AUCs
 * with the difference 0 and the interval [0, 0]. */
dkvb_status dkvb__audit_auc_difference(const double *a, const double *b, const uint8_t *member, size_t n,
                                       dkvb_audit_estimate *difference, const dkvb_allocator *mem);

/*
 * Computes PrivLeak, after MUSE (Shi et al. 2024, arXiv 2407.06460, section 3): (AUC of a - AUC of b) / AUC of b, where
 * `a` has the scores of the audited model and `b` those of the retrained model. If PrivLeak is above 0, the audited
 * model remembers more of the forgotten rows than the retrained model. PrivLeak in libdkvb differs from PrivLeak in
 * MUSE: MUSE uses the AUC of non-members, so in MUSE the sign is opposite and the denominator is 1 - AUC of b. The
 * interval of PrivLeak is that of a ratio of two paired AUCs by the delta method: with ratio = AUC of a / AUC of b,
 * DeLong's variance of (place_a - ratio * place_b) / AUC of b is taken over the rows' placements place_a and place_b.
 * Two models with equal scores have PrivLeak 0 with the interval [0, 0]; if the AUC of `b` is 0, PrivLeak and its
 * interval are NaN.
 */
dkvb_status dkvb__audit_privleak(const double *a, const double *b, const uint8_t *member, size_t n,
                                 dkvb_audit_estimate *leak, const dkvb_allocator *mem);

/* Computes the true positive rate: the fraction of members whose score is above a limit that at most floor(fpr *
 * non-members) of the non-members pass; `fpr`, the false positive rate, is from 0 to below 1. The true positive rate
 * shows more than an AUC if few rows are certain (Carlini et al. 2022, arXiv 2112.03570, section 3). The Wilson
 * interval of a true positive rate covers the random choice of members, but not that of the few non-members that set
 * the limit of the scores. */
dkvb_status dkvb__audit_tpr(const double *scores, const uint8_t *member, size_t n, double fpr, dkvb_audit_estimate *tpr,
                            const dkvb_allocator *mem);

/* Computes the mean of the values `right`, double[n] from 0 to 1, with Wilson's interval (Wilson 1927, JASA 22). For
 * values that are 0 (wrong) or 1 (right), their mean is the proportion of right answers. If the value of a row is
 * itself the mean of several trials, Wilson's interval is wider than necessary. The estimate of a proportion from n = 0
 * rows is NaN, and so is its interval. */
void dkvb__audit_share(const double *right, size_t n, dkvb_audit_estimate *share);

/*
 * Computes the mean of the differences a[i] - b[i] between two models' values over all rows i, with its interval. For
 * values that are 0 or 1, the interval of the mean difference is that of Agresti and Min 2005 (Statistics in
 * Medicine 24). The interval of Agresti and Min is Wald's interval for matched pairs after half a row was added to each
 * cell of McNemar's table, so that a few rows without a difference do not give an interval of width 0. With D the sum
 * of the differences a[i] - b[i] and Q the sum of their squares over n rows, the interval of Agresti and Min has the
 * centre D / (n + 2) and the half width 1.96 sqrt(Q + 1 - D^2 / (n + 2)) / (n + 2).
 */
void dkvb__audit_share_difference(const double *a, const double *b, size_t n, dkvb_audit_estimate *difference);

/*
 * The average gap to the retrained model is the mean, over `count` figures, of the absolute difference between the
 * audited model and the retrained model, as unlearning papers report it (Fan et al. 2023, SalUn, arXiv 2310.12508,
 * section 5). Each end of the interval of the average gap is the mean of the smallest, or of the largest, absolute
 * differences that the intervals of the averaged figures allow. The intervals of the four averaged figures are widened
 * from 95 % to 100 - 5 / 4 = 98.75 %, so that all four hold at once in 95 % of cases (Bonferroni); 98.75 % is used even
 * if fewer figures are averaged. The four figures of the average gap are measured on partly the same rows, so the
 * interval of their average is wider than necessary.
 */
void dkvb__audit_gap(const dkvb_audit_estimate *differences, size_t count, dkvb_audit_estimate *gap);

#endif
