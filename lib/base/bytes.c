#include "base/bytes.h"

/* Returns the length of the UTF-8 sequence at `s`; 0 if the bytes are invalid UTF-8 or a control character. */
static size_t sequence_length(const unsigned char *s, size_t left)
{
    uint32_t code;
    size_t length;

    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7F;
    length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length > left)
        return 0;
    code = s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    if ((length == 2 && code < 0xA0) || (length == 3 && code < 0x800) || (length == 4 && code < 0x10000))
        return 0;
    return code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : length;
}

bool dkvb__utf8_valid(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;

    while (size > 0) {
        size_t length = sequence_length(s, size);

        if (length == 0)
            return false;
        s += length;
        size -= length;
    }
    return true;
}
