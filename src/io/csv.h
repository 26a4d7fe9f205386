/* Tables as text: cells with commas or tabs between, quoted as RFC 4180 asks, lines that end in LF. */
#ifndef DKVB_TOOL_CSV_H
#define DKVB_TOOL_CSV_H

#include <stdio.h>

/* Delimiter of a file by its ending, in any case: ',' for .csv, '\t' for .tsv, 0 for any other. */
char csv_delimiter(const char *path);

/* A cell of text. Quotes surround a cell that holds the delimiter, a quote or a line break. NULL: an empty cell. */
void csv_text(FILE *to, char delimiter, const char *text);

/* A float with as many digits as give the same float back. */
void csv_float(FILE *to, float value);

#endif
