#ifndef DKVB_AUDIT_KLOM_H
#define DKVB_AUDIT_KLOM_H

#include "base/parallel.h"
#include "dkvb/audit.h"
#include "dkvb/memory.h"

/*
 * KLoM (Georgiev et al. 2024, arXiv 2410.23232; Easy Data Unlearning Bench, arXiv 2602.16400): for each row, the
 * Kullback-Leibler divergence of the row's margins in models that unlearned (P) from its margins in models that were
 * retrained (Q). The histograms of the margins are made as in the authors' code (RoyRin/data-unlearning-bench,
 * src/eval.py): margins are clipped to [-100, 100], and the 20 bins of a row's histogram have equal width and cover the
 * row's margins in both kinds of models. With p_b and q_b the fractions of a row's margins in bin b in the models that
 * unlearned (P) and in retrained models (Q), and r_b = max(q_b, 1e-5) where p_b > 0, else r_b = q_b, KLoM is the sum of
 * p_b log(p_b sum(r) / r_b) over the bins b.
 *
 * KLoM in libdkvb differs from the authors' code in one point: the largest margin of a row belongs to the last bin,
 * while the authors' code leaves that margin out.
 *
 * The arguments `p` and `q` are finite margins of models, float[models][rows], as from dkvb__audit_margins(); the
 * result `klom` is double[rows], and its values are 0 to about 11.5.
 */
void dkvb__audit_klom(const float *p, const float *q, uint32_t models, size_t rows, double *klom);

/* Margins of the rows in three ensembles of models, float[models][rows] each: KLoM compares the ensembles `p` and
 * `floor` with the ensemble `q`. */
struct dkvb__klom_pair {
    const float *p, *floor, *q;
    uint32_t models;
    size_t rows;
};

/*
 * Estimates how much noise the random choice of models adds when the mean KLoM of an ensemble p of models is compared
 * with that of the noise floor (an ensemble of retrained models). All rows of a group are measured on the same few
 * models, so an interval that covers only the choice of rows would take the noise of these models for a difference
 * between ensembles. The models of the two compared ensembles are dealt out anew DKVB__DEALS times, as if there were no
 * difference between the ensembles (a permutation test: Fisher 1935). The array `half`, [groups], gets the half width
 * of the noise in each group's mean of the measure KLoM: over the random deals of the models, 95 % of the absolute
 * differences are no larger; a group without rows gets 0. The measured rows must be sorted by groups: group g of the
 * `groups` groups has sizes[g] rows. For any number of threads, the noise of the measure KLoM comes out the same, bit
 * for bit. The progress callback counts rows while the noise of the measure KLoM is estimated. Estimating the noise of
 * the measure KLoM can fail with DKVB_ENOMEM or DKVB_ECANCELLED.
 */
enum { DKVB__DEALS = 200 };
dkvb_status dkvb__audit_klom_noise(const struct dkvb__klom_pair *pair, const size_t *sizes, size_t groups,
                                   uint64_t seed, double *half, const dkvb_allocator *mem, const struct dkvb__run *run);

/* Computes the mean of n values of rows with its normal 95 % interval. The mean of n = 0 values is NaN, and so is its
 * interval. */
void dkvb__audit_mean(const double *values, size_t n, dkvb_audit_estimate *mean);

/* Computes a quantile of n values: the smallest value that at least the fraction `share` (0 to 1) of all values do not
 * exceed. The interval of a quantile ends at the values whose ranks lie 1.96 standard deviations of the binomial
 * distribution away from the quantile's rank (Conover 1999, section 3.2). The quantile of n = 0 values is NaN, and so
 * is its interval. Computing a quantile of values can fail with DKVB_ENOMEM only. */
dkvb_status dkvb__audit_quantile(const double *values, size_t n, double share, dkvb_audit_estimate *quantile,
                                 const dkvb_allocator *mem);

#endif
