/* A reader of text tables (RFC 4180) gives one field after the other, so that memory does not depend on the size of the
 * file. */
#ifndef DKVB_DATA_CSV_H
#define DKVB_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

enum { DKVB__CSV_FIELD = 65535 }; /* largest number of bytes in a field of a text table */

struct dkvb__csv {
    const struct dkvb__file *file;
    const dkvb_allocator *mem;
    unsigned char *buffer; /* buffer with the bytes of the table's file before `offset` */
    size_t at, filled;
    /* offsets in the table's file: of the next bytes to read, and of the first record, after a byte order mark */
    uint64_t offset, start;
    /* character between fields of the table: ',', ';', a tab or a space; 0: each line, even an empty one, is a record
     * of one field */
    char separator;
    bool inside;   /* true while the fields of a record are being read, after the first field */
    uint64_t line; /* number of the table's line that is being read, from 1 */
    /* The members `field` to `last` describe the field of the text table that was read last. */
    char *field; /* text of the field that was read last, ending with a NUL */
    size_t size;
    uint64_t field_line;
    bool last; /* true if the field that was read last is the last field of its record */
};

/* Opens a text table at its first record. If `lines` is true, each line of the table is one field; otherwise the first
 * line decides which character separates fields: a tab, else a semicolon, else a comma, else spaces. */
dkvb_status dkvb__csv_open(struct dkvb__csv *csv, const struct dkvb__file *file, bool lines, const dkvb_allocator *mem);

/* Goes back to the first record of the text table. */
void dkvb__csv_rewind(struct dkvb__csv *csv);

/* Reads the next field of a text table. *more becomes false at the end of the table's file. Spaces around fields
 * without quotes are dropped, and empty lines are skipped. */
dkvb_status dkvb__csv_next(struct dkvb__csv *csv, bool *more);

/* Releases the memory of dkvb__csv_open(), and erases the bytes of the file in it. */
void dkvb__csv_close(struct dkvb__csv *csv);

#endif
