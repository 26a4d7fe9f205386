/* Writes one JSON value to stdout, piece by piece. Keys are those of the tool and need no escaping; a key is NULL
 * inside an array. */
#ifndef DKVB_TOOL_JSON_H
#define DKVB_TOOL_JSON_H

/* Names differ from the functions of jansson, which libdkvb uses: the linker has one function for each name. */
#include <stdbool.h>
#include <stdint.h>

void json_open(const char *key, char bracket);      /* '{' or '[' */
void json_close(char bracket);                      /* '}' or ']'; the outermost also ends the line */
void json_text(const char *key, const char *value); /* NULL becomes null; bytes that are not UTF-8 become U+FFFD */
void json_count(const char *key, uint64_t value);
void json_count_if(const char *key, bool known, uint64_t value); /* the count if `known`, else null */
void json_label(const char *key, int32_t value);
void json_number(const char *key, double value); /* null if not finite */
void json_bool(const char *key, bool value);
void json_unknown(const char *key);

#endif
