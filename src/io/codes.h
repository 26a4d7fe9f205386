/* Codes of rows: searched under the mask in force, or read from a file that was written earlier. */
#ifndef DKVB_TOOL_CODES_H
#define DKVB_TOOL_CODES_H

#include <stdint.h>

#include "io/input.h"

/* Search every row with the model's own k; pairs that are masked or purged are not found.
 * codes: uint16_t[rows][codebooks][k]; distances: int32_t[rows][codebooks][k], or NULL. */
int codes_search(const dkvb_model *model, struct features *rows, uint32_t threads, uint16_t *codes, int32_t *distances);

/* uint16_t[rows][codebooks][k] of a file, for this model as far as the file tells: it names neither model nor mask. */
struct codes {
    const char *path;
    dkvb_array array;
    uint16_t *codes;
    size_t rows;
};

/* Open and check shape and keys; or open without a copy where that can be, and check the shape when the model is known:
 * the keys are for the library, which is to be given all codes at once. */
int codes_read(struct codes *out, const char *path, const dkvb_model_info *model);
int codes_map(struct codes *out, const char *path);
int codes_check_shape(const struct codes *codes, const dkvb_model_info *model);
void codes_free(struct codes *codes);

#endif
