/* Canonical decomposition (Unicode Standard Annex 15) replaces composed characters by their parts, and orders combining
 * characters by their class. Two texts are equal names if their canonical decompositions (Unicode) are equal. */
#include "base/unicode.h"

#include <string.h>

#include "base/checksum.h"

struct decomposition {
    /* composed character and its one or two parts; `second` is 0 if the character decomposes into `first` alone */
    uint32_t code, first, second;
};

struct combining {
    uint32_t first, last, class;
};

#include "base/unicode_table.h"

enum {
    MAX_NAME = 1024,
    /* limits of a name whose characters are decomposed (Unicode): two bytes of UTF-8 give at most three characters,
     * three bytes at most four */
    MAX_CODES = 2 * MAX_NAME,
    HANGUL = 0xAC00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11A7,
    HANGUL_VS = 21,
    HANGUL_TS = 28,
    HANGUL_COUNT = 11172
};

struct codes {
    uint32_t *code;
    size_t count;
};

static const struct decomposition *find_decomposition(uint32_t code)
{
    size_t low = 0, high = sizeof decompositions / sizeof *decompositions;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (decompositions[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof decompositions / sizeof *decompositions && decompositions[low].code == code
               ? &decompositions[low]
               : NULL;
}

static uint32_t class_of(uint32_t code)
{
    size_t low = 0, high = sizeof combinings / sizeof *combinings;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (combinings[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof combinings / sizeof *combinings && combinings[low].first <= code ? combinings[low].class : 0;
}

/* Appends a character that does not decompose to a decomposed text. A combining character goes before combining
 * characters of a higher class that follow the same base character. */
static void append(struct codes *to, uint32_t code)
{
    uint32_t class = class_of(code);
    size_t at = to->count;

    if (at == MAX_CODES)
        return;
    while (class > 0 && at > 0 && class_of(to->code[at - 1]) > class)
        at--;
    memmove(to->code + at + 1, to->code + at, (to->count - at) * sizeof *to->code);
    to->code[at] = code;
    to->count++;
}

/* The second part of a character's canonical decomposition (Unicode) never decomposes further. The first part of a
 * character's canonical decomposition (Unicode) may itself decompose, a few steps deep. */
static void decompose(struct codes *to, uint32_t code)
{
    uint32_t seconds[8], depth = 0;
    const struct decomposition *d;

    if (code >= HANGUL && code < HANGUL + HANGUL_COUNT) {
        uint32_t index = code - HANGUL;

        append(to, HANGUL_L + index / (HANGUL_VS * HANGUL_TS));
        append(to, HANGUL_V + index / HANGUL_TS % HANGUL_VS);
        if (index % HANGUL_TS)
            append(to, HANGUL_T + index % HANGUL_TS);
        return;
    }
    while (depth < sizeof seconds / sizeof *seconds && (d = find_decomposition(code))) {
        seconds[depth++] = d->second;
        code = d->first;
    }
    append(to, code);
    while (depth-- > 0)
        if (seconds[depth])
            append(to, seconds[depth]);
}

/* Decomposes the characters of a UTF-8 text (canonical decomposition). A byte that begins no UTF-8 character is taken
 * as a character of its own. */
static void decompose_all(struct codes *to, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        size_t length = *s < 0xC0 ? 1 : *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : 4;
        uint32_t code = length == 1 ? *s : *s & (0x7Fu >> length);

        for (size_t i = 1; i < length && s[i]; i++)
            code = code << 6 | (s[i] & 0x3F);
        decompose(to, code);
        for (s++; length > 1 && *s; length--)
            s++;
    }
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

bool dkvb__same_name(const char *a, const char *b)
{
    uint32_t code_a[MAX_CODES], code_b[MAX_CODES];
    struct codes of_a = {code_a, 0}, of_b = {code_b, 0};

    if (strcmp(a, b) == 0)
        return true;
    if ((is_ascii(a) && is_ascii(b)) || strlen(a) > MAX_NAME || strlen(b) > MAX_NAME)
        return false;
    decompose_all(&of_a, a);
    decompose_all(&of_b, b);
    return of_a.count == of_b.count && memcmp(code_a, code_b, of_a.count * sizeof *code_a) == 0;
}

uint64_t dkvb__name_key(const char *name)
{
    uint32_t code[MAX_CODES];
    struct codes codes = {code, 0};

    if (strlen(name) > MAX_NAME)
        return dkvb__checksum(name, strlen(name));
    decompose_all(&codes, name);
    return dkvb__checksum(code, codes.count * sizeof *code);
}
