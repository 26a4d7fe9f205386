/* Writes one JSON value to stdout, piece by piece. JSON keys are constants of the tool and need no escaping; inside an
 * array the key is NULL. */
#ifndef DKVB_TOOL_JSON_H
#define DKVB_TOOL_JSON_H

/* The functions of json.h have other names than those of jansson, which libdkvb uses, since the linker accepts only one
 * function of each name. */
#include <stdbool.h>
#include <stdint.h>

/* begins a JSON object if `bracket` is '{', a JSON list if `bracket` is '[' */
void json_open(const char *key, char bracket);
/* closes an object or a list with '}' or ']'; closing the outermost also ends the line */
void json_close(char bracket);
/* writes a text as JSON; NULL becomes null, and bytes that are not UTF-8 become U+FFFD */
void json_text(const char *key, const char *value);
void json_count(const char *key, uint64_t value);
/* writes a count as JSON if `known` is true, otherwise null */
void json_count_if(const char *key, bool known, uint64_t value);
void json_label(const char *key, int32_t value);
void json_number(const char *key, double value); /* writes a number as JSON; null if the number is not finite */
void json_bool(const char *key, bool value);
void json_unknown(const char *key);

#endif
