#include "io/csv.h"

#include <string.h>
#include <strings.h>

char csv_delimiter(const char *path)
{
    const char *ending = strrchr(path, '.');

    if (ending && strcasecmp(ending, ".csv") == 0)
        return ',';
    return ending && strcasecmp(ending, ".tsv") == 0 ? '\t' : '\0';
}

void csv_text(FILE *to, char delimiter, const char *text)
{
    const char special[] = {delimiter, '"', '\r', '\n', '\0'};
    const char *quote = text && text[strcspn(text, special)] ? "\"" : "";

    fputs(quote, to);
    for (; text && *text; text++) {
        if (*text == '"')
            putc('"', to);
        putc(*text, to);
    }
    fputs(quote, to);
}

/* The tool never calls setlocale(), so the decimal sign is a point on every machine. */
void csv_float(FILE *to, float value)
{
    fprintf(to, "%.9g", (double)value);
}
