#ifndef DKVB_AUDIT_REPORT_H
#define DKVB_AUDIT_REPORT_H

#include <stdbool.h>

#include "dkvb/audit.h"

/* The report of dkvb_audit_run(), with the memory that the report points to. */
struct dkvb__audit_report {
    /* The public report of the audit is the first member of the struct, so a pointer to it is a pointer to the whole
     * struct. */
    dkvb_audit_report seen;
    dkvb_allocator mem;
    uint8_t *forgotten; /* marks of the classes that have forgotten rows, [classes], in the report of the audit */
    dkvb_outside outside, test_outside;
    bool there[DKVB_AUDIT_SUBJECTS];
    dkvb_audit_figure figure[DKVB_AUDIT_SUBJECTS][DKVB_AUDIT_FIGURES];
};

/* Creates the report of an audit, at first without measured figures. The audit report that is returned is NULL if
 * memory ran out. */
struct dkvb__audit_report *dkvb__audit_report_new(uint32_t classes, const dkvb_allocator *mem);

/* Returns the kind of a figure of an audit: DKVB_AUDIT_AUC_…, DKVB_AUDIT_SHARE_… or DKVB_AUDIT_GAP. */
uint32_t dkvb__audit_kind(uint32_t figure);

/* Estimates a figure of an audited model from a value of each row in that model, double[n], and from the rows' values
 * in the retrained model. The array `marks`, uint8_t[n], is used by an AUC only: 1 for members of the training set, or
 * for rows of the classes of the forgotten rows. */
dkvb_status dkvb__audit_estimate(dkvb_audit_figure *figure, const double *rows, const double *reference,
                                 const uint8_t *marks, size_t n, const dkvb_allocator *mem);

/* Widens the interval of a figure's difference by the half width of another source of noise: the variances of the two
 * are added. Whether an audited figure counts as different from the retrained model's follows from the widened interval
 * of their difference. The function dkvb__audit_widen() does nothing to a figure that the audit has not measured. */
void dkvb__audit_widen(dkvb_audit_figure *figure, double half);

/* Estimates the average gap between an audited model and the retrained model from the audited model's figures,
 * [DKVB_AUDIT_FIGURES], estimated before: the accuracy on forgotten, on retained and on test rows, and the AUC of the
 * loss attack. The average gap to the retrained model is estimated only if all four figures that it averages were
 * measured. */
void dkvb__audit_estimate_gap(dkvb_audit_figure *of);

#endif
