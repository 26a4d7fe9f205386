/* Codes of rows (selected keys): either searched under the model's mask, or read from a file that was written
 * earlier. */
#ifndef DKVB_TOOL_CODES_H
#define DKVB_TOOL_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "io/input.h"

/* Searches the codes of every row with the number of selected keys k of the model; masked and purged pairs are not
 * found. The result `codes` is an array uint16_t[rows][codebooks][k] of selected keys. */
int codes_search(const dkvb_model *model, struct features *rows, uint32_t threads, uint16_t *codes);

/* Codes of rows from a file, uint16_t[rows][codebooks][k]. A file of codes names neither model nor mask, so only its
 * shape and its keys can be checked against the model. */
struct codes {
    const char *path;
    dkvb_array array;
    uint16_t *codes;
    size_t rows;
};

/* Opens a file of codes. codes_read() checks shape and keys. codes_map() opens the file without copying if possible;
 * codes_check_shape() checks the shape later, when the model is known, and the library checks the keys when it gets all
 * codes at once. */
int codes_read(struct codes *out, const char *path, const dkvb_model_info *model);
int codes_map(struct codes *out, const char *path);
int codes_check_shape(const struct codes *codes, const dkvb_model_info *model);
void codes_free(struct codes *codes);

/* Finds out by its first bytes whether a file is a codes file, which training makes and forgetting uses. codeset_is()
 * fails if the file cannot be read. */
int codeset_is(const char *path, bool *is);

/* Reads a codes file, which must belong to `model` unless `model` is NULL. A codes file may have only the features, and
 * not the codes, of its training rows or of its held-out rows. */
int codeset_load(dkvb_codeset **out, const char *path, const dkvb_model *model);

/* Reads a codes file of the given model, and searches the codes of those rows (training or held-out) of which the file
 * has only features. */
int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads);

/* Returns the counter of rows outside the scale of the keys, for the run options of a search; NULL if the given rows
 * were counted before. Rows outside the scale of the keys, such as much longer or shorter rows, are not of the kind
 * that the keys were placed on. At its end, a command reports the rows outside the scale of the keys, if any were
 * found. */
dkvb_outside *outside_count(struct features *rows);

/* Notes that the rows of a file were searched. outside_tell() reports the file if any of its rows is outside the scale
 * of the keys. The text `path` must stay valid until outside_tell() was called. */
void outside_note(const char *path, const dkvb_outside *found);

/* Prints a line on stderr for each file with rows outside the scale of the keys: the number of these rows, and in which
 * way the first one is unusual. A command calls outside_tell() only at the end of a success, as a failed command prints
 * one line only. */
void outside_tell(void);

#endif
