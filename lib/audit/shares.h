#ifndef DKVB_AUDIT_SHARES_H
#define DKVB_AUDIT_SHARES_H

#include "audit/run.h"

/*
 * Functions for those parts of an audit that several processes (ranks) deal out among themselves. Every rank (process)
 * of an audit has the whole models and all rows. Each rank (process) of an audit searches the codes of some rows,
 * trains some of the shadow models and of the models for the measure KLoM, and attacks some of the audited models. The
 * result of each rank's (process's) part of the audit is passed to all ranks, so that all ranks estimate the same
 * figures. If only one process audits, the functions of shares.h exchange no bytes.
 */

/* Checks before work starts that all ranks (processes) audit the same models and rows with the same options. The
 * argument `rc` is the status of this rank (process) so far; a failure on one rank makes all ranks of the audit
 * fail. */
dkvb_status dkvb__audit_check_ranks(const struct dkvb__audit *a, const dkvb_audit_request *request, dkvb_status rc);

/* Finds the codes of rows among the keys that all audited models share, each rank (process) a part of the rows. The
 * array `codes`, [n][code], gets the codes found; `outside` receives the counts of rows outside the scale of the
 * codebooks, unless it is NULL. */
dkvb_status dkvb__audit_search_rows(const struct dkvb__audit *a, const float *x, size_t n, uint16_t *codes,
                                    dkvb_outside *outside);

/* Searches the codes of rows again where they name key-value pairs in the mask of a model, each rank (process) for a
 * part of the rows. */
dkvb_status dkvb__audit_refresh_rows(const struct dkvb__audit *a, const dkvb_model *model, const float *x, size_t n,
                                     uint16_t *codes);

/* Returns the number of the rank (process) that attacks an audited model. */
uint32_t dkvb__audit_attacker_of(const struct dkvb__audit *a, uint32_t subject);

/* Passes the measured values of all figures of the audit from the rank (process) that computed them to all ranks. */
dkvb_status dkvb__audit_pass_figures(struct dkvb__audit *a);

#endif
