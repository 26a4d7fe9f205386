/* Codes of rows under the mask in force. */
#ifndef DKVB_TOOL_CODES_H
#define DKVB_TOOL_CODES_H

#include <stdint.h>

#include "input.h"

/* Search every row with the model's own k; pairs that are masked or purged are not found.
 * codes: uint16_t[rows][codebooks][k]; distances: float[rows][codebooks][k], or NULL.
 * `exhaustive`: look at every key, without the index; the same codes. */
int codes_search(const dkvb_model *model, const struct features *rows, uint32_t threads, bool exhaustive,
                 uint16_t *codes, float *distances);

#endif
