/* Codes files: codesets of the library, made while training and used to forget. */
#ifndef DKVB_TOOL_CODESET_H
#define DKVB_TOOL_CODESET_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

#include "ids.h"
#include "input.h"

/* Rows as they were trained on. */
struct codeset_source {
    const dkvb_model *model;
    const struct features *x;
    const struct ids *ids;
    const int32_t *labels;   /* [rows] */
    const uint8_t *held_out; /* [rows], 1 = not trained on */
    const uint16_t *codes;   /* [rows][C][k] */
    uint32_t depth;          /* keys a codebook in codes of rows held out; at least k is taken */
    uint32_t keep;           /* DKVB_KEPT_… */
    uint32_t threads;
};

/* A codeset of these rows, without sessions; rows held out are searched once more, deeper. */
int codeset_make(dkvb_codeset **out, const struct codeset_source *source);

/* Add rows to a codeset that has some; features in the type that it keeps them in. */
int codeset_add(dkvb_codeset *set, const struct codeset_source *source);

/* Whether a file is a codes file, as far as its first bytes tell; a failure if it cannot be read. */
int codeset_is(const char *path, bool *is);

/* Read one, for this model, as far as the file goes: it may keep features, whose codes a search finds. */
int codeset_open(dkvb_codeset **out, const char *path, const dkvb_model *model);
int codeset_search(dkvb_codeset *set, const char *path, const dkvb_model *model, uint32_t threads);

/* Both at once. */
int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads);

#endif
