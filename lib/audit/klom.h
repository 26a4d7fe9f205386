#ifndef DKVB_AUDIT_KLOM_H
#define DKVB_AUDIT_KLOM_H

#include "base/parallel.h"
#include "dkvb/audit.h"
#include "dkvb/memory.h"

/*
 * KLoM (Georgiev et al. 2024, arXiv 2410.23232; Easy Data Unlearning Bench, arXiv 2602.16400): for each row, the
 * Kullback-Leibler divergence of its margins in models that unlearned (P) from those in models that were retrained (Q).
 * The histograms are those of the authors' code (RoyRin/data-unlearning-bench, src/eval.py):
 *
 *     margins are clipped to [-100, 100]; 20 bins of equal width over the range of both samples of a row
 *     p_b, q_b: shares of P and Q in bin b;  r_b = max(q_b, 1e-5) where p_b > 0, else q_b
 *     KLoM = sum_b p_b log(p_b sum(r) / r_b)
 *
 * There is one difference: the largest margin of both belongs to the last bin here, while that code leaves it out.
 *
 * p, q: float[models][rows], finite, see dkvb__audit_margins(); klom: double[rows], 0 to about 11.5.
 */
void dkvb__audit_klom(const float *p, const float *q, uint32_t models, size_t rows, double *klom);

/* Two ensembles, p and floor, that are both compared with the models of q. float[models][rows] each. */
struct dkvb__klom_pair {
    const float *p, *floor, *q;
    uint32_t models;
    size_t rows;
};

/*
 * Noise that the choice of models adds to the difference between the mean KLoM of p and that of the floor. All rows
 * share the models, so an interval over rows alone would take the noise of a few models for a difference. The models of
 * both ensembles are dealt out anew DKVB__DEALS times, as if there were no difference (a permutation test: Fisher
 * 1935). half[g] becomes the half width of the noise in the mean of group g: 95 % of the differences, without their
 * signs, are no larger; 0 for a group without rows. Rows are sorted by groups, sizes[g] rows in each of `groups`. The
 * bits are the same for any number of threads. Progress counts rows. DKVB_ENOMEM, DKVB_ECANCELLED.
 */
enum { DKVB__DEALS = 200 };
dkvb_status dkvb__audit_klom_noise(const struct dkvb__klom_pair *pair, const size_t *sizes, size_t groups,
                                   uint64_t seed, double *half, const dkvb_allocator *mem, const struct dkvb__run *run);

/* The mean with its normal interval over the rows. n = 0: all NaN. */
void dkvb__audit_mean(const double *values, size_t n, dkvb_audit_estimate *mean);

/* The smallest value that at least `share` of all values, 0 to 1, do not exceed. The interval ends at the values whose
 * ranks lie 1.96 standard deviations of the binomial distribution away (Conover 1999, section 3.2). n = 0: all NaN.
 * DKVB_ENOMEM. */
dkvb_status dkvb__audit_quantile(const double *values, size_t n, double share, dkvb_audit_estimate *quantile,
                                 const dkvb_allocator *mem);

#endif
