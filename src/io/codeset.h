/* Codes files: codesets of the library, made while training and used to forget. */
#ifndef DKVB_TOOL_CODESET_H
#define DKVB_TOOL_CODESET_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

/* Whether a file is a codes file, as far as its first bytes tell; a failure if it cannot be read. */
int codeset_is(const char *path, bool *is);

/* Read one, as it is. */
int codeset_load(dkvb_codeset **out, const char *path);

/* Read one, for this model, as far as the file goes: it may keep features of a part, whose codes a search finds. */
int codeset_open(dkvb_codeset **out, const char *path, const dkvb_model *model);
int codeset_search(dkvb_codeset *set, uint32_t part, const char *path, const dkvb_model *model, uint32_t threads);

/* Both at once, with the codes of both parts. */
int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads);

#endif
