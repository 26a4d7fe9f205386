#ifndef DKVB_AUDIT_RMIA_H
#define DKVB_AUDIT_RMIA_H

#include "dkvb/memory.h"
#include "dkvb/status.h"

/*
 * Relative membership inference (RMIA, Zarifzadeh, Liu and Shokri 2024, arXiv 2312.03262, section 3, online): is the
 * model surer of this row than a few reference models are, compared with rows that were never trained on?
 *
 *     ratio(x) = p(x) / mean over the references of their p(x)       p: probability of the row's label
 *     score(x) = share of population rows z with ratio(x) / ratio(z) >= gamma
 *
 * Half of the references have learned a row and half have not, so their mean is the paper's Pr(x). The population is
 * the targets that are no members; a row is never compared with itself. gamma is 1, as in the authors' own tool
 * (privacytrustlab/ml_privacy_meter): a larger one makes rows tie that the ratio tells apart, so it ranks no better.
 *
 * margins: double[references][count], see dkvb__audit_margins(); member: uint8_t[count], at least 2 are 0; observed:
 * double[count], margins of the model in question; scores: double[count], 0 to 1, undefined on failure. DKVB_ENOMEM.
 */
dkvb_status dkvb__audit_rmia(const double *margins, uint32_t references, const uint8_t *member, size_t count,
                             const double *observed, double *scores, const dkvb_allocator *mem);

#endif
