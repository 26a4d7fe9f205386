/* Writes tables as text: fields separated by commas or tabs, quoted by RFC 4180, in lines that end in LF. */
#ifndef DKVB_TOOL_CSV_H
#define DKVB_TOOL_CSV_H

#include <stdio.h>

/* Returns the delimiter for a file by the ending of its name, in upper or lower case: ',' for .csv, '\t' for .tsv, 0
 * for all other endings. */
char csv_delimiter(const char *path);

/* Writes a field of text to a table. Quotes surround a field that holds the delimiter, a quote or a line break. A text
 * that is NULL becomes an empty field. */
void csv_text(FILE *to, char delimiter, const char *text);

/* Writes a float to a table with as many digits as reading back the same float needs. */
void csv_float(FILE *to, float value);

#endif
