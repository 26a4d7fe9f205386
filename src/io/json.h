/* One JSON value on stdout, written as it goes. Keys are ours and need no escaping; NULL inside an array. */
#ifndef DKVB_TOOL_JSON_H
#define DKVB_TOOL_JSON_H

/* jansson, which libdkvb uses, has functions of these two names: a tool that exported its own would be called in their
 * place. */
#define json_null tool_json_null
#define json_real tool_json_real

#include <stdbool.h>
#include <stdint.h>

void json_open(const char *key, char bracket);      /* '{' or '[' */
void json_close(char bracket);                      /* '}' or ']'; the outermost also ends the line */
void json_text(const char *key, const char *value); /* NULL becomes null; bytes that are not UTF-8 become U+FFFD */
void json_count(const char *key, uint64_t value);
void json_count_if(const char *key, bool known, uint64_t value); /* else null */
void json_label(const char *key, int32_t value);
void json_real(const char *key, double value); /* null if not finite */
void json_bool(const char *key, bool value);
void json_null(const char *key);

#endif
