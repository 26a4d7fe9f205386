#include "io/csv.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

int csv_begin(struct csv *csv, const char *path)
{
    csv->follows = false;
    return textfile_begin(&csv->text, path);
}

static void begin_cell(struct csv *csv)
{
    if (csv->follows)
        putc(',', csv->text.file);
    csv->follows = true;
}

void csv_text(struct csv *csv, const char *text)
{
    bool quoted = text && text[strcspn(text, ",\"\r\n")] != '\0';

    begin_cell(csv);
    if (!text)
        return;
    if (quoted)
        putc('"', csv->text.file);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', csv->text.file);
        putc(*text, csv->text.file);
    }
    if (quoted)
        putc('"', csv->text.file);
}

void csv_count(struct csv *csv, uint64_t value)
{
    begin_cell(csv);
    fprintf(csv->text.file, "%" PRIu64, value);
}

void csv_real(struct csv *csv, double value)
{
    begin_cell(csv);
    if (isfinite(value))
        fprintf(csv->text.file, "%.10g", value);
}

void csv_end_row(struct csv *csv)
{
    putc('\n', csv->text.file);
    csv->follows = false;
}

int csv_end(struct csv *csv, int code)
{
    return textfile_end(&csv->text, code);
}
