#ifndef DKVB_AUDIT_KLOM_H
#define DKVB_AUDIT_KLOM_H

#include "base/parallel.h"
#include "dkvb/audit.h"
#include "dkvb/memory.h"

/*
 * KLoM (Georgiev et al. 2024, arXiv 2410.23232; Easy Data Unlearning Bench, arXiv 2602.16400): for each row, the
 * Kullback-Leibler divergence of the row's margins in models that unlearned (P) from its margins in models that were
 * retrained (Q). The histograms of the margins are made as in the authors' code (RoyRin/data-unlearning-bench,
 * src/eval.py):
 *
 *     margins are clipped to [-100, 100]; 20 bins of equal width over the range of both samples of a row
 *     p_b, q_b: shares of P and Q in bin b;  r_b = max(q_b, 1e-5) where p_b > 0, else q_b
 *     KLoM = sum_b p_b log(p_b sum(r) / r_b)
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
 * Noise that the choice of models adds to the difference between the mean KLoM of p and that of the floor. All rows of
 * a group are measured on the same models, so an interval over rows alone would take the noise of a few models for a
 * difference between ensembles. The models of both ensembles are dealt out anew DKVB__DEALS times, as if there were no
 * difference (a permutation test: Fisher 1935). half[g] becomes the half width of the noise in the mean of group g: 95
 * % of the absolute differences are no larger. half[g] is 0 for a group without rows. Rows are sorted by groups, with
 * sizes[g] rows in group g of `groups` groups. The results are equal bit for bit for any number of threads. The
 * progress callback counts rows. The possible failures are DKVB_ENOMEM and DKVB_ECANCELLED.
 */
enum { DKVB__DEALS = 200 };
dkvb_status dkvb__audit_klom_noise(const struct dkvb__klom_pair *pair, const size_t *sizes, size_t groups,
                                   uint64_t seed, double *half, const dkvb_allocator *mem, const struct dkvb__run *run);

/* Computes the mean of `values` with its normal 95 % interval over the rows. With n = 0, all numbers of the mean are
 * NaN. */
void dkvb__audit_mean(const double *values, size_t n, dkvb_audit_estimate *mean);

/* Computes the quantile: the smallest value that at least `share` (0 to 1) of all values do not exceed. The interval of
 * the quantile ends at the values whose ranks lie 1.96 standard deviations of the binomial distribution away (Conover
 * 1999, section 3.2). With n = 0, all numbers of the quantile are NaN. The only failure is DKVB_ENOMEM. */
dkvb_status dkvb__audit_quantile(const double *values, size_t n, double share, dkvb_audit_estimate *quantile,
                                 const dkvb_allocator *mem);

#endif
