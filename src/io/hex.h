/* Bytes as hexadecimal digits. */
#ifndef DKVB_TOOL_HEX_H
#define DKVB_TOOL_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `text` has 2 * size + 1 bytes, and is returned. */
const char *hex_text(const uint8_t *bytes, size_t size, char *text);

/* True if `text` is 2 * size digits, of either case, and nothing else. */
bool hex_parse(const char *text, uint8_t *bytes, size_t size);

#endif
