#ifndef DKVB_AUDIT_REPORT_H
#define DKVB_AUDIT_REPORT_H

#include <stdbool.h>

#include "dkvb/audit.h"

/* The report of dkvb_audit_run(), with the memory that it points to. */
struct dkvb__audit_report {
    dkvb_audit_report seen; /* first: whoever has it has all of it */
    dkvb_allocator mem;
    uint8_t *forgotten; /* [L] */
    dkvb_outside outside, test_outside;
    bool there[DKVB_AUDIT_SUBJECTS];
    dkvb_audit_figure figure[DKVB_AUDIT_SUBJECTS][DKVB_AUDIT_FIGURES];
};

/* A report without figures. NULL: out of memory. */
struct dkvb__audit_report *dkvb__audit_report_new(uint32_t classes, const dkvb_allocator *mem);

/* Kind of a figure: DKVB_AUDIT_AUC_…, DKVB_AUDIT_SHARE_… or DKVB_AUDIT_GAP. */
uint32_t dkvb__audit_kind(uint32_t figure);

/* Estimate a figure of a subject from its rows, double[n], and those of the retrained model. marks: uint8_t[n], 1 for
 * members or for the class; only of an AUC. */
dkvb_status dkvb__audit_estimate(dkvb_audit_figure *figure, const double *rows, const double *reference,
                                 const uint8_t *marks, size_t n, const dkvb_allocator *mem);

/* Widen the interval of a difference by the half width of another source of noise, which adds its variance; then the
 * verdict is that of the wider one. A figure that was not measured stays as it is. */
void dkvb__audit_widen(dkvb_audit_figure *figure, double half);

/* Estimate the average gap of a subject from its figures, [DKVB_AUDIT_FIGURES], that are estimated already: accuracy on
 * forgotten, on retained and on test rows, and the loss attack's AUC. Nothing is done unless all four are measured. */
void dkvb__audit_estimate_gap(dkvb_audit_figure *of);

#endif
