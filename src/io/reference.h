/* Compares linear heads with a model, by libdkvb-reference. libdkvb-reference is loaded only if a command asks for it,
 * so that the tool itself needs no BLAS. */
#ifndef DKVB_TOOL_REFERENCE_H
#define DKVB_TOOL_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/reference.h>

#include "io/input.h"

/* Loads the library libdkvb-reference. Commands call reference_load() before any work, so that a missing library is
 * reported at once. */
int reference_load(void);

/* Rows and models for a comparison with linear heads. */
struct reference_rows {
    const dkvb_model *model; /* model whose accuracy on the test rows is compared with that of the linear heads */
    const struct features *x, *test_x;
    const struct labels *y, *test_y;
    const dkvb_audit_request *request; /* request of the audit that names the forgotten rows, or NULL */
};

/* Compares linear heads (linear classifiers) with the model; reference_load() must have been called before. The caller
 * frees `report` with reference_free(), which accepts NULL too. */
int reference_compare(dkvb_reference_report **report, const struct reference_rows *rows, uint32_t threads);
void reference_free(dkvb_reference_report *report);

/* Functions that print a comparison with linear heads: reference_json() as the JSON member "reference", which is null
 * if the report is NULL, and reference_print() as a table. */
void reference_json(const dkvb_reference_report *report);
void reference_print(const dkvb_reference_report *report);

#endif
