#ifndef DKVB_AUDIT_RMIA_H
#define DKVB_AUDIT_RMIA_H

#include <stddef.h>
#include <stdint.h>

/*
 * Relative membership inference (RMIA, Zarifzadeh, Liu and Shokri 2024, arXiv 2312.03262, section 3, online). The
 * attack asks whether the model is surer of a row than a few reference models are, compared with rows that were never
 * trained on:
 *
 *     ratio(x) = p(x) / mean over the references of their p(x)       p: probability of the row's label
 *     the paper's score(x) = share of population rows z with ratio(x) / ratio(z) >= gamma
 *
 * Half of the reference models have learned a row and half have not, so their mean is the paper's Pr(x). gamma is 1, as
 * in the authors' own tool (privacytrustlab/ml_privacy_meter). With gamma 1 the share never falls where the ratio
 * rises, so the ratio ranks rows as the share does, but without ties between rows that pass the same part of the
 * population. The score of dkvb__audit_rmia() is log ratio(x). A score of log ratio(x) separates a member above all
 * non-members from the highest non-member, however few non-members there are.
 *
 * The targets' `margins` in the reference models are double[references][count], as from dkvb__audit_margins(); the
 * margins `observed`, double[count], are those of the attacked model; the targets' `scores` are double[count].
 */
void dkvb__audit_rmia(const double *margins, uint32_t references, size_t count, const double *observed, double *scores);

#endif
