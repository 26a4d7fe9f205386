#ifndef DKVB_BASE_JSON_H
#define DKVB_BASE_JSON_H

#include <stddef.h>

#include <jansson.h>

#include "dkvb/status.h"

/* Parses JSON from a file; an object must not have a key twice. The caller releases the JSON that dkvb__json_parse()
 * returns with json_decref(). Parsing JSON fails with DKVB_ENOMEM, or with DKVB_EFORMAT and a message that names the
 * file and the content `what`. jansson, the JSON parser, has one set of memory functions for the whole process. libdkvb
 * leaves jansson's functions as the program has set them, malloc and free by default, so the memory of the parsed JSON
 * does not come from the caller's allocator. */
dkvb_status dkvb__json_parse(json_t **out, const char *text, size_t size, const char *path, const char *what);

/* A text of a file, made safe for a message: cut short, and with '?' for everything except printable ASCII, so that no
 * file can send control codes to a terminal. */
struct dkvb__shown {
    char text[96];
};
struct dkvb__shown dkvb__show(const char *text);

/* Names the kind of a JSON value: "a number", "a list" and so on; "nothing" for NULL. dkvb__json_kind() returns a
 * static text, which the caller must not free. */
const char *dkvb__json_kind(const json_t *value);

#endif
