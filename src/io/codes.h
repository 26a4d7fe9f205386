/* Codes of rows: searched under the mask in force, or read from a file that was written earlier. */
#ifndef DKVB_TOOL_CODES_H
#define DKVB_TOOL_CODES_H

#include <stdbool.h>
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

/* Codes files are codesets of the library, made while training and used to forget. This is whether a file is one, as
 * far as its first bytes tell; a failure if it cannot be read. */
int codeset_is(const char *path, bool *is);

/* Read one, that must belong to a model unless that is NULL. It may keep features of a part and have no codes of it. */
int codeset_load(dkvb_codeset **out, const char *path, const dkvb_model *model);

/* Read one for this model, and find the codes of both parts. */
int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads);

/* Rows that are not of the kind that the keys were placed on are counted while rows are searched, and told of at the
 * end. This is where a search of these rows counts them, for its run options; NULL if they have been counted before. */
dkvb_outside *outside_count(struct features *rows);

/* Rows of this file were searched: told by outside_tell() if any is outside the scale. `path` must outlive that. */
void outside_note(const char *path, const dkvb_outside *found);

/* Say in a line on stderr for each file how many there are, and what is odd about the first. At the end of a command
 * that succeeded, since one that fails says one line only. */
void outside_tell(void);

#endif
