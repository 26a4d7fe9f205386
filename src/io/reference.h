/* Linear heads beside a model, computed by libdkvb-reference. That library is loaded only if a command asks for it, so
 * that the tool itself needs no BLAS. */
#ifndef DKVB_TOOL_REFERENCE_H
#define DKVB_TOOL_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/reference.h>

#include "io/input.h"

/* Loads the library. Commands call it before any work, so that a missing library is reported at once. */
int reference_load(void);

/* Rows and models of a comparison. */
struct reference_rows {
    const dkvb_model *model; /* a model whose answers to the test rows are compared as well */
    const struct features *x, *test_x;
    const struct labels *y, *test_y;
    const dkvb_audit_request *request; /* request that names the forgotten rows, or NULL */
};

/* Compares, after reference_load(). `report` is released by reference_free(), which accepts NULL too. */
int reference_compare(dkvb_reference_report **report, const struct reference_rows *rows, uint32_t threads);
void reference_free(dkvb_reference_report *report);

/* Writes the member "reference", null if the report is NULL; the second function prints a table. */
void reference_json(const dkvb_reference_report *report);
void reference_print(const dkvb_reference_report *report);

#endif
