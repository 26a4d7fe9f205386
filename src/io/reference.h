/* Linear heads beside a model, by libdkvb-reference. It is loaded when it is asked for, so that the tool itself needs
 * no BLAS. */
#ifndef DKVB_TOOL_REFERENCE_H
#define DKVB_TOOL_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/reference.h>

#include "io/input.h"

/* Load the library: before any work, so that nobody waits for an hour to learn that it is missing. */
int reference_load(void);

/* What is compared. */
struct reference_rows {
    const dkvb_model *model; /* its answers to the test rows are laid beside */
    const struct features *x, *test_x;
    const struct labels *y, *test_y;
    const dkvb_audit_request *request; /* who was forgotten, or NULL */
};

/* Compare, after reference_load(). `report` is for reference_free(), which takes NULL too. */
int reference_compare(dkvb_reference_report **report, const struct reference_rows *rows, uint32_t threads);
void reference_free(dkvb_reference_report *report);

/* The member "reference", null of NULL; and a table. */
void reference_json(const dkvb_reference_report *report);
void reference_print(const dkvb_reference_report *report);

#endif
