#include "data/csv.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

enum { BUFFER = 1 << 20, END = -1, FAILED = -2 };

/* Returns the next byte of the text table without taking it; END at the end of the file, FAILED after an error. */
static inline int peek(struct dkvb__csv *c)
{
    size_t size;

    if (c->at < c->filled)
        return c->buffer[c->at];
    if (c->offset >= c->file->size)
        return END;
    size = c->file->size - c->offset < BUFFER ? (size_t)(c->file->size - c->offset) : BUFFER;
    if (dkvb__file_read(c->file, c->offset, c->buffer, size))
        return FAILED;
    c->offset += size;
    c->at = 0;
    c->filled = size;
    return c->buffer[0];
}

static dkvb_status fail(const struct dkvb__csv *c, uint64_t line, const char *what)
{
    return dkvb__fail(DKVB_EFORMAT, "%.300s: line %llu: %s", c->file->path, (unsigned long long)line, what);
}

/* Takes the end of a line of a text table: LF, CRLF or CR. */
static void take_line_end(struct dkvb__csv *c)
{
    bool cr = c->buffer[c->at] == '\r';

    c->at++;
    c->line++;
    if (cr && peek(c) == '\n')
        c->at++;
}

static bool ends_line(int byte)
{
    return byte == '\n' || byte == '\r';
}

static bool is_blank(const struct dkvb__csv *c, int byte)
{
    return byte == ' ' || (byte == '\t' && c->separator != '\t');
}

static void skip_blanks(struct dkvb__csv *c)
{
    while (is_blank(c, peek(c)))
        c->at++;
}

static dkvb_status append(struct dkvb__csv *c, int byte)
{
    if (byte == '\0')
        return fail(c, c->line, "holds a zero byte, as UTF-16 does; the text must be saved as UTF-8");
    if (c->size == DKVB__CSV_FIELD)
        return fail(c, c->field_line, "a field has more than 65535 bytes; perhaps a quote is never closed");
    c->field[c->size++] = (char)byte;
    return DKVB_OK;
}

/* Takes a field in quotes from a text table; a doubled quote in such a field stands for one quote. */
static dkvb_status take_quoted(struct dkvb__csv *c)
{
    dkvb_status rc = DKVB_OK;
    int byte;

    c->at++;
    while (!rc) {
        byte = peek(c);
        if (byte == END)
            return fail(c, c->field_line, "a quote is opened and never closed");
        if (byte == FAILED)
            return DKVB_EIO;
        c->at++;
        if (byte == '"') {
            if (peek(c) != '"')
                break;
            c->at++;
        }
        c->line += byte == '\n';
        rc = append(c, byte);
    }
    /* fields separated by spaces need no step here, as end_field() skips the spaces between fields */
    if (c->separator && c->separator != ' ')
        skip_blanks(c);
    byte = peek(c);
    if (!rc && byte >= 0 && !ends_line(byte) && byte != c->separator)
        rc = fail(c, c->line, "text stands behind the quote that ends a field");
    return rc;
}

static dkvb_status take_plain(struct dkvb__csv *c)
{
    dkvb_status rc = DKVB_OK;

    for (int byte = peek(c); !rc && byte != END && !ends_line(byte) && (byte != c->separator || !c->separator);
         byte = peek(c)) {
        if (byte == FAILED)
            return DKVB_EIO;
        rc = append(c, byte);
        c->at++;
    }
    while (c->size > 0 && (c->field[c->size - 1] == ' ' || c->field[c->size - 1] == '\t'))
        c->size--;
    return rc;
}

/* Skips the end of a field in a text table: a separator, the end of the line or of the file. */
static void end_field(struct dkvb__csv *c)
{
    int byte = peek(c);

    if (byte == ' ' && c->separator == ' ') {
        skip_blanks(c); /* spaces at the end of a table's line separate no fields */
        byte = peek(c);
        c->last = byte < 0 || ends_line(byte);
    } else {
        c->last = byte < 0 || byte != c->separator;
        if (!c->last)
            c->at++;
    }
    if (c->last && ends_line(byte))
        take_line_end(c);
    c->inside = !c->last;
}

dkvb_status dkvb__csv_next(struct dkvb__csv *c, bool *more)
{
    int byte;
    dkvb_status rc;

    /* this loop skips empty lines and blanks in front of a record of the text table */
    while (!c->inside && c->separator) {
        byte = peek(c);
        if (ends_line(byte))
            take_line_end(c);
        else if (is_blank(c, byte))
            c->at++;
        else
            break;
    }
    byte = peek(c);
    *more = byte >= 0 || c->inside;
    c->size = 0;
    c->field[0] = '\0';
    if (byte == FAILED)
        return DKVB_EIO;
    if (!*more)
        return DKVB_OK;
    skip_blanks(c);
    c->field_line = c->line;
    rc = peek(c) == '"' ? take_quoted(c) : take_plain(c);
    c->field[c->size] = '\0';
    if (!rc && peek(c) == FAILED)
        rc = DKVB_EIO;
    if (!rc)
        end_field(c);
    return rc;
}

void dkvb__csv_rewind(struct dkvb__csv *c)
{
    c->offset = c->start;
    c->at = c->filled = 0;
    c->line = 1;
    c->inside = false;
}

/* Finds the character that separates the fields of a text table, in the first line with text. */
static char find_separator(struct dkvb__csv *c)
{
    bool quoted = false, tab = false, semicolon = false, comma = false, space = false, text = false;

    for (int byte = peek(c); byte >= 0 && !(ends_line(byte) && text && !quoted); byte = peek(c)) {
        quoted ^= byte == '"';
        text = text || !ends_line(byte);
        tab |= !quoted && byte == '\t';
        semicolon |= !quoted && byte == ';';
        comma |= !quoted && byte == ',';
        space |= !quoted && byte == ' ';
        c->at++;
    }
    return tab ? '\t' : semicolon ? ';' : comma || !space ? ',' : ' ';
}

dkvb_status dkvb__csv_open(struct dkvb__csv *c, const struct dkvb__file *file, bool lines, const dkvb_allocator *mem)
{
    *c = (struct dkvb__csv){.file = file, .mem = mem, .line = 1};
    c->buffer = dkvb__alloc(mem, BUFFER, 1);
    c->field = dkvb__alloc(mem, DKVB__CSV_FIELD + 1, 1);
    if (!c->buffer || !c->field)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to read a text", file->path);
    if (peek(c) == FAILED)
        return DKVB_EIO;
    if (c->filled >= 3 && memcmp(c->buffer, "\xEF\xBB\xBF", 3) == 0)
        c->start = 3;
    dkvb__csv_rewind(c);
    c->separator = lines ? '\0' : find_separator(c);
    dkvb__csv_rewind(c);
    return DKVB_OK;
}

void dkvb__csv_close(struct dkvb__csv *c)
{
    dkvb__free_erased(c->mem, c->buffer);
    dkvb__free_erased(c->mem, c->field);
    *c = (struct dkvb__csv){.file = c->file, .mem = c->mem};
}
