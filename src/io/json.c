#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* State of the JSON output: true if a value was written since the innermost bracket opened, and the number of open
 * brackets. */
static bool follows;
static int depth;

static void begin_value(const char *key)
{
    if (follows)
        fputs(", ", stdout);
    if (key)
        printf("\"%s\": ", key);
    follows = true;
}

void json_open(const char *key, char bracket)
{
    begin_value(key);
    putchar(bracket);
    follows = false;
    depth++;
}

void json_close(char bracket)
{
    putchar(bracket);
    follows = true;
    if (--depth == 0) {
        putchar('\n');
        follows = false;
    }
}

/* Returns the number of bytes of the UTF-8 sequence at `text` (RFC 3629: no overlong forms, no surrogates, at most
 * U+10FFFF); 0 if the bytes are not valid UTF-8. The text at `text` ends with a NUL, which is never a continuation byte
 * of UTF-8. */
static int utf8_length(const unsigned char *text)
{
    int length = text[0] < 0x80 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;

    if ((text[0] >= 0x80 && text[0] < 0xC2) || text[0] > 0xF4)
        return 0;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
        (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
        return 0;
    return length;
}

static int put_character(const unsigned char *text)
{
    int length = utf8_length(text);

    if (length == 0) {
        fputs("\\ufffd", stdout);
        return 1;
    }
    if (*text < 0x20 || *text == 0x7F)
        printf("\\u%04x", *text);
    else if (*text == '"' || *text == '\\')
        printf("\\%c", *text);
    else
        fwrite(text, 1, (size_t)length, stdout);
    return length;
}

void json_text(const char *key, const char *value)
{
    if (!value) {
        json_unknown(key);
        return;
    }
    begin_value(key);
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)value; *at;)
        at += put_character(at);
    putchar('"');
}

void json_count(const char *key, uint64_t value)
{
    begin_value(key);
    printf("%" PRIu64, value);
}

void json_count_if(const char *key, bool known, uint64_t value)
{
    known ? json_count(key, value) : json_unknown(key);
}

void json_label(const char *key, int32_t value)
{
    begin_value(key);
    printf("%" PRId32, value);
}

void json_number(const char *key, double value)
{
    if (!isfinite(value)) {
        json_unknown(key);
        return;
    }
    begin_value(key);
    printf("%.10g", value);
}

void json_bool(const char *key, bool value)
{
    begin_value(key);
    fputs(value ? "true" : "false", stdout);
}

void json_unknown(const char *key)
{
    begin_value(key);
    fputs("null", stdout);
}
