/* Text tables (RFC 4180): fields one after the other, so that memory does not depend on the size of the file. */
#ifndef DKVB_DATA_CSV_H
#define DKVB_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

enum { DKVB__CSV_FIELD = 65535 }; /* most bytes of a field */

struct dkvb__csv {
    const struct dkvb__file *file;
    const dkvb_allocator *mem;
    unsigned char *buffer; /* bytes of the file up to `offset` */
    size_t at, filled;
    uint64_t offset, start; /* of the file; `start` is behind a byte order mark */
    char separator;         /* ',', ';', a tab or a space; 0: a record is a line, and empty lines are records */
    bool inside;            /* a record is begun */
    uint64_t line;          /* where reading is, from 1 */
    /* The field that was read last: */
    char *field; /* ends with a zero */
    size_t size;
    uint64_t field_line;
    bool last; /* of its record */
};

/* Begin at the first record. `lines`: fields are whole lines; otherwise the first line tells what stands between
 * fields: a tab, else a semicolon, else a comma, else spaces. */
dkvb_status dkvb__csv_open(struct dkvb__csv *csv, const struct dkvb__file *file, bool lines, const dkvb_allocator *mem);

/* Go back to the first record. */
void dkvb__csv_rewind(struct dkvb__csv *csv);

/* Read the next field. *more is false at the end of the file. Spaces around fields without quotes are no part of them,
 * and empty lines are passed over. */
dkvb_status dkvb__csv_next(struct dkvb__csv *csv, bool *more);

/* Release what dkvb__csv_open() took. Bytes of the file are erased. */
void dkvb__csv_close(struct dkvb__csv *csv);

#endif
