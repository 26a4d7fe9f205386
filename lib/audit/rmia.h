#ifndef DKVB_AUDIT_RMIA_H
#define DKVB_AUDIT_RMIA_H

#include <stddef.h>
#include <stdint.h>

/*
 * Scores rows by relative membership inference (RMIA, Zarifzadeh, Liu and Shokri 2024, arXiv 2312.03262, section 3,
 * online). RMIA asks whether the attacked model is surer of a row than a few reference models are, compared with rows
 * that were never trained on. With p(x) the probability that a model gives to the label of row x, ratio(x) is p(x) of
 * the attacked model divided by the mean p(x) of the reference models. The RMIA paper's score of row x is the fraction
 * of rows z of the population with ratio(x) / ratio(z) >= gamma.
 *
 * Half of the reference models have learned a row and half have not, so the mean of the probabilities they give to the
 * row's label is Pr(x) of the RMIA paper. The factor gamma of the RMIA paper is 1 in libdkvb, as in the paper authors'
 * own tool (privacytrustlab/ml_privacy_meter). With gamma = 1, the RMIA paper's score never falls where ratio(x) rises,
 * so log ratio(x) ranks rows as that score does, but without ties between rows above the same part of the population.
 * The function dkvb__audit_rmia() gives each row x the score log ratio(x), which compares the attacked model's p(x),
 * its probability of the row's label, with the reference models'. RMIA's score log ratio(x), with the ratio of row x's
 * probability in the attacked model and in the reference models, can rank a member above all non-members, however few
 * non-members there are.
 *
 * The array `margins`, double[references][count], has the margins of the target rows in the reference models, as from
 * dkvb__audit_margins(); `observed`, double[count], has their margins in the attacked model; `scores`, double[count],
 * gets the scores.
 */
void dkvb__audit_rmia(const double *margins, uint32_t references, size_t count, const double *observed, double *scores);

#endif
