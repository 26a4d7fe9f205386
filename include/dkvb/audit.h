/**
 * Audit: is what a model knows of forgotten rows what a model knows that never saw them?
 *
 * The yardstick is always a model whose values were trained again without the rows, on the same keys. Whoever still
 * remembers differs from it one way, whoever forgot more than the rows differs the other way; so every figure here
 * comes as an estimate with an interval, and again as a difference to the retrained model, row by row.
 *
 * - *Membership*: can the forgotten rows (members) be told from rows that were never trained on (others)? Scores are
 *   made by dkvb_audit_margins(), dkvb_audit_fitted_scores() and dkvb_audit_lira(), larger for members, and judged by
 *   dkvb_audit_auc(), dkvb_audit_auc_difference() and dkvb_audit_tpr().
 * - *Recovery*: what does somebody get back who has the model and a few rows? dkvb_audit_best_constant(),
 *   dkvb_audit_mask_scores(), dkvb_audit_few_rows(); answers are judged by dkvb_audit_share() and
 *   dkvb_audit_share_difference().
 *
 * All of it is plain arrays. Marks are `uint8_t`, 1 = yes, 0 = no. Intervals are of 95 %, and are about the rows: with
 * other rows of the same kind the figure would lie in them. What another seed of training changes is not in them, which
 * is why the tool measures a second retrained model too. docs/audit.md says what the figures can and cannot show.
 *
 * Threads: every function reads its inputs only and keeps nothing. Same inputs, same bits, whatever the threads.
 */
#ifndef DKVB_AUDIT_H
#define DKVB_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "model.h"
#include "runtime.h"
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A figure and its 95 % interval. Three numbers, and never more. */
typedef struct dkvb_audit_estimate {
    double value;
    double low;
    double high;
} dkvb_audit_estimate;

/**
 * Area under the ROC curve: the chance that a member's score is above another's, ties counted half (Mann-Whitney).
 * The interval is value +- 1.96 sqrt(S10 / members + S01 / others), cut to [0, 1], with the variances of DeLong et al.
 * 1988 (*Biometrics* 44) computed from midranks (Sun and Xu 2014, *IEEE Signal Processing Letters* 21). Where all
 * members are above all others the interval has no width: that is all these rows can say.
 *
 * @param      scores     `double[n]`; infinite is allowed.
 * @param      member     `uint8_t[n]`; at least 2 of each kind.
 * @param      allocator  NULL: malloc and free.
 * @return `DKVB_EINVAL` (too few rows of a kind, a score that is not a number), `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_auc(const double *scores, const uint8_t *member, size_t n,
                                                   dkvb_audit_estimate *auc, const dkvb_allocator *allocator);

/**
 * AUC of `a` less AUC of `b`, both on the same rows, with the interval of the paired test (DeLong et al. 1988): what
 * the two share cancels. 0 within [0, 0] for equal scores. Arguments and errors as of dkvb_audit_auc().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_auc_difference(const double *a, const double *b, const uint8_t *member,
                                                              size_t n, dkvb_audit_estimate *difference,
                                                              const dkvb_allocator *allocator);

/**
 * Share of members whose score is above a limit that at most floor(fpr * others) of the others pass: the true
 * positive rate at a false positive rate, which says more than an AUC where few rows are certain (Carlini et al. 2022,
 * arXiv 2112.03570, section 3). Wilson's interval over the members; the limit itself, set by few rows, is taken as it
 * is.
 *
 * @param fpr  from 0 to below 1.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_tpr(const double *scores, const uint8_t *member, size_t n, double fpr,
                                                   dkvb_audit_estimate *tpr, const dkvb_allocator *allocator);

/**
 * Mean of `right` with Wilson's interval (Wilson 1927, *JASA* 22): of 0 and 1, the share of right answers. Where a row
 * holds a mean of several trials, from 0 to 1, the interval is wider than it need be.
 *
 * @param right  `double[n]`, each from 0 to 1. n = 0: all three numbers are NaN.
 */
DKVB_API void dkvb_audit_share(const double *right, size_t n, dkvb_audit_estimate *share);

/**
 * Mean of `a - b`, paired row by row. For answers of 0 and 1 the interval is that of Agresti and Min 2005 (*Statistics
 * in Medicine* 24): Wald's for matched pairs after half a row was added to each cell of McNemar's table, so that few
 * rows without a difference do not claim that there is none:
 *
 *     centre D / (n + 2),  half width 1.96 sqrt(Q + 1 - D^2 / (n + 2)) / (n + 2);  D = sum a - b,  Q = sum (a - b)^2
 */
DKVB_API void dkvb_audit_share_difference(const double *a, const double *b, size_t n, dkvb_audit_estimate *difference);

/**
 * How far each row's own class is ahead: log(p / (1 - p)) of the label's probability p, computed as
 *
 *     margin = logit[label] - log sum over the other classes of exp(logit)
 *
 * which does not saturate. The cross-entropy is log(1 + exp(-margin)), so a limit on the loss is a limit on the margin.
 * Members of a training set have larger margins (the loss attack of Yeom et al. 2018, arXiv 1709.01604).
 *
 * @param      logits   `float[n][classes]`, finite.
 * @param      labels   `int32_t[n]`, 0 to classes - 1.
 * @param      dropped  `uint8_t[classes]`, 1 = the column does not exist; at least 2 must be left. Or NULL. A row whose
 *                      own column is dropped is taken by the largest one that is left.
 * @param[out] margins  `double[n]`. Undefined on failure.
 * @return `DKVB_EINVAL`: the row is named.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_margins(const float *logits, const int32_t *labels, size_t n,
                                                       uint32_t classes, const uint8_t *dropped, double *margins);

/** How the fitted attack fits. Start from `DKVB_AUDIT_FIT_OPTIONS_INIT`. */
typedef struct dkvb_audit_fit_options {
    size_t struct_size;              /**< sizeof(dkvb_audit_fit_options), set by INIT */
    uint32_t folds;                  /**< parts, 2 to 64: rows of one are scored by a fit to the others */
    double l2;                       /**< weight of the penalty, above 0, at most 1e9 */
    uint64_t seed;                   /**< which row is in which part */
    const dkvb_allocator *allocator; /**< NULL: malloc and free */
} dkvb_audit_fit_options;

#define DKVB_AUDIT_FIT_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(dkvb_audit_fit_options), 5, 1.0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_audit_fit_options, DKVB_AUDIT_FIT_OPTIONS_INIT)

/**
 * An attack that is fitted to what it attacks: the strongest line through a row's outputs that somebody could draw who
 * knew the membership of other rows. Logistic regression on the logits in descending order (the 64 largest), the
 * label's logit, its margin and its log-probability, each brought to mean 0 and deviation 1;
 *
 *     minimise  sum log(1 + exp(-t w.x)) + l2 / 2 |w|^2,  t = 1 for members, -1 for others, no penalty on the constant
 *
 * by Newton's method with halved steps. Scores, w.x, are of rows that the fit has not seen.
 *
 * @param      logits, labels, n, classes, dropped  as of dkvb_audit_margins().
 * @param      member   `uint8_t[n]`; at least 2 of each kind, each part gets its share of both.
 * @param[out] scores   `double[n]`. Undefined on failure.
 * @param      run      NULL for the defaults. Progress counts parts.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_fitted_scores(const float *logits, const int32_t *labels, size_t n,
                                                             uint32_t classes, const uint8_t *dropped,
                                                             const uint8_t *member, const dkvb_audit_fit_options *opts,
                                                             double *scores, const dkvb_run_options *run);

/** One way in which a model's answers to the targets are seen: with codes under its mask, and maybe without a column.
 */
typedef struct dkvb_audit_view {
    const uint16_t *codes;  /**< `uint16_t[targets][codebooks][k]` */
    const uint8_t *dropped; /**< `uint8_t[classes]` as of dkvb_audit_margins(), or NULL */
} dkvb_audit_view;

/** How shadow models are made. Start from `DKVB_AUDIT_SHADOW_OPTIONS_INIT`. */
typedef struct dkvb_audit_shadow_options {
    size_t struct_size;              /**< sizeof(dkvb_audit_shadow_options), set by INIT */
    uint32_t shadows;                /**< how many, even, 4 to 65,536 */
    uint64_t seed;                   /**< which targets each of them learns */
    const dkvb_train_options *train; /**< how the model was trained; NULL: the defaults. Shadow s has seed + 1 + s */
} dkvb_audit_shadow_options;

#define DKVB_AUDIT_SHADOW_OPTIONS_INIT                                                                                 \
    {                                                                                                                  \
        sizeof(dkvb_audit_shadow_options), 64, 0, 0                                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_audit_shadow_options, DKVB_AUDIT_SHADOW_OPTIONS_INIT)

/**
 * Train shadow models and look at the targets through each. A shadow learns all rows that are no targets and half of
 * the targets; the next one learns the other half, so each target is in just half of them. Shadows share the keys, so
 * nothing is searched: a shadow costs one training of the values, and every view one decoding.
 *
 * @param      model   gives codebooks, classes, `top_k`, the type of values and the allocator. Its values and mask take
 *                     no part.
 * @param      codes   `uint16_t[n][codebooks][k]`, of all rows and targets; no pair is masked in a shadow.
 * @param      labels  `int32_t[n]`, -1 = ignore; targets have a label.
 * @param      targets `uint64_t[count]`, row numbers, each once; at least 2.
 * @param      views   `views_count` of them.
 * @param[out] margins `double[views_count][shadows][count]`, see dkvb_audit_margins(). Undefined on failure.
 * @param[out] inside  `uint8_t[shadows][count]`, 1 where a shadow has learned a target.
 * @param      run     NULL for the defaults. Progress counts shadows.
 * @return `DKVB_EINVAL`, `DKVB_EMISMATCH`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_shadows(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                       const int32_t *labels, size_t n, const uint64_t *targets,
                                                       size_t count, const dkvb_audit_view *views, uint32_t views_count,
                                                       const dkvb_audit_shadow_options *opts, double *margins,
                                                       uint8_t *inside, const dkvb_run_options *run);

/**
 * The likelihood-ratio attack (LiRA, Carlini et al. 2022, arXiv 2112.03570, section 5, online): is this margin one of a
 * model that learned the row, or of one that did not? Both are taken for normal, with means and variances from the
 * shadows; the score is the logarithm of the ratio of the two densities. With fewer than 64 shadows a row's own
 * variances would be noise, and those of all rows together are used (section 6.2).
 *
 * @param      margins  `double[shadows][count]`, one view of dkvb_audit_shadows().
 * @param      inside   `uint8_t[shadows][count]`; each target in 2 shadows at least, and out of 2.
 * @param      observed `double[count]`, margins of the model in question, through the same view.
 * @param[out] scores   `double[count]`. Undefined on failure.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_lira(const double *margins, const uint8_t *inside, uint32_t shadows,
                                                    size_t count, const double *observed, double *scores);

/**
 * The constant which, added to the logits of the target classes, makes the mean of the two accuracies largest, on rows
 * of these classes and on the others. Found exactly, by walking the gaps at which an answer changes; the lowest of
 * equals.
 *
 * @param      logits   `float[n][classes]`, finite.
 * @param      labels   `int32_t[n]`, -1 = leave the row out; rows of both kinds are wanted.
 * @param      target   `uint8_t[classes]`, 1 = the constant is added; not all and not none.
 * @param[out] constant the middle between two gaps.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_best_constant(const float *logits, const int32_t *labels, size_t n,
                                                             uint32_t classes, const uint8_t *target, double *constant,
                                                             const dkvb_allocator *allocator);

/**
 * What the mask tells by itself: the share of each row's first codes that name pairs which are masked or purged in the
 * model. Rows that were forgotten, and rows like them, have larger ones.
 *
 * @param      codes   `uint16_t[n][codebooks][k]`, from before the mask.
 * @param[out] scores  `double[n]`, 0 to 1.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_mask_scores(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                           size_t n, double *scores);

/**
 * Labels of which only a few are left, for training that starts from a few rows: `per_class` of each class are drawn
 * (all, if there are fewer), every other row becomes -1. In a class that has rows marked in `among`, only those are
 * drawn from.
 *
 * @param      labels  `int32_t[n]`, -1 = never drawn.
 * @param      among   `uint8_t[n]`, or NULL.
 * @param[out] few     `int32_t[n]`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_few_rows(const int32_t *labels, const uint8_t *among, size_t n,
                                                        uint32_t classes, size_t per_class, uint64_t seed, int32_t *few,
                                                        const dkvb_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
