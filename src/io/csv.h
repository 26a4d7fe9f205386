/* Tables as files: RFC 4180 but for lines that end in \n; whole or not at all, as everything that commands write. */
#ifndef DKVB_TOOL_CSV_H
#define DKVB_TOOL_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "io/textfile.h"

struct csv {
    struct textfile text;
    bool follows; /* a cell stands in this row */
};

/* To be ended also after a failure. */
int csv_begin(struct csv *csv, const char *path);

void csv_text(struct csv *csv, const char *text); /* quoted where it must be; NULL: an empty cell */
void csv_count(struct csv *csv, uint64_t value);
void csv_real(struct csv *csv, double value); /* an empty cell if not finite */
void csv_end_row(struct csv *csv);

/* As textfile_end(). */
int csv_end(struct csv *csv, int code);

#endif
