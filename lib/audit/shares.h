#ifndef DKVB_AUDIT_SHARES_H
#define DKVB_AUDIT_SHARES_H

#include "audit/run.h"

/*
 * The parts of an audit that ranks deal out among themselves. Every rank has the models and the rows whole. Each rank
 * searches a share of the rows, trains a share of the shadows and of the models of KLoM, and attacks a share of the
 * subjects. Each result is then passed to all ranks, so that all estimate the same figures. Without ranks nothing below
 * moves any bytes.
 */

/* Checks before work starts that all ranks audit the same models and rows with the same options. `rc`: the result of
 * this rank so far, which all agree on. */
dkvb_status dkvb__audit_check_ranks(const struct dkvb__audit *a, const dkvb_audit_request *request, dkvb_status rc);

/* Searches rows on the keys of the audit, each rank a share. codes: [n][code]. outside: counts of the call, or NULL. */
dkvb_status dkvb__audit_search_rows(const struct dkvb__audit *a, const float *x, size_t n, uint16_t *codes,
                                    dkvb_outside *outside);

/* Searches codes again where the mask of a model has them, each rank a share of the rows. */
dkvb_status dkvb__audit_refresh_rows(const struct dkvb__audit *a, const dkvb_model *model, const float *x, size_t n,
                                     uint16_t *codes);

/* The rank that attacks a subject. */
uint32_t dkvb__audit_attacker_of(const struct dkvb__audit *a, uint32_t subject);

/* Passes the rows of all figures of the attacks to all ranks. */
dkvb_status dkvb__audit_pass_figures(struct dkvb__audit *a);

#endif
