#ifndef DKVB_BASE_JSON_H
#define DKVB_BASE_JSON_H

#include <stddef.h>

#include <jansson.h>

#include "dkvb/status.h"

/* JSON of a file, an object without a key twice. The caller ends with json_decref(). DKVB_EFORMAT with the file and
 * `what` it is of; DKVB_ENOMEM. jansson's functions of memory are one set for the whole process, so they are left as
 * the program has them, malloc and free unless it says otherwise: only the result, not this, is by the allocator. */
dkvb_status dkvb__json_parse(json_t **out, const char *text, size_t size, const char *path, const char *what);

/* A text from a file as it can stand in a message: cut short, and '?' for what is not printable ASCII, so that no file
 * can write to a terminal what it likes. */
struct dkvb__shown {
    char text[96];
};
struct dkvb__shown dkvb__show(const char *text);

/* "a number", "a list" and so on, of what is there; "nothing" for NULL. Static; never freed. */
const char *dkvb__json_kind(const json_t *value);

#endif
