#include "io/hex.h"

#include <stdio.h>
#include <string.h>

const char *hex_text(const uint8_t *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    return text;
}

bool hex_parse(const char *text, uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    if (strlen(text) != 2 * size)
        return false;
    memset(bytes, 0, size);
    for (size_t i = 0; i < 2 * size; i++) {
        const char *digit = strchr(digits, text[i]);

        if (!digit)
            return false;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - digits) % 16);
    }
    return true;
}
