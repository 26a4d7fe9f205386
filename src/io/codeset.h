/* Codes files: codesets of the library, made while training and used to forget. */
#ifndef DKVB_TOOL_CODESET_H
#define DKVB_TOOL_CODESET_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

/* Whether a file is a codes file, as far as its first bytes tell; a failure if it cannot be read. */
int codeset_is(const char *path, bool *is);

/* Read one, that must belong to a model unless that is NULL. It may keep features of a part and have no codes of it. */
int codeset_load(dkvb_codeset **out, const char *path, const dkvb_model *model);

/* Read one for this model, and find the codes of both parts. */
int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads);

#endif
