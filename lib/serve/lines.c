/* The client of a service sends its rows as lines of CSV. Each line is a row, even if a quote is open at its end, so a
 * damaged line costs no other line its answer. Columns and their names follow the rules for tables (data/table_text.c),
 * except that the first line has to be understood without the second: a client may wait for the first answer before it
 * sends a second line. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "data/decimal.h"
#include "serve/service.h"

enum { MESSAGE = 512 };

/* Makes a text safe for a message: short, and without control characters. */
static const char *show(char shown[48], const char *text)
{
    size_t n = 0;

    for (; n < 40 && text[n]; n++)
        shown[n] = (unsigned char)text[n] < ' ' || (unsigned char)text[n] >= 0x7F ? '?' : text[n];
    memcpy(shown + n, text[n] ? "..." : "", text[n] ? 4 : 1);
    return shown;
}

/* Finds the separator of the fields in the first line of a client: a tab, else a semicolon, else a comma, else spaces.
 */
static char find_separator(const char *line, size_t size)
{
    bool quoted = false, tab = false, semicolon = false, comma = false, space = false;

    for (size_t i = 0; i < size; i++) {
        quoted ^= line[i] == '"';
        tab |= !quoted && line[i] == '\t';
        semicolon |= !quoted && line[i] == ';';
        comma |= !quoted && line[i] == ',';
        space |= !quoted && line[i] == ' ';
    }
    return tab ? '\t' : semicolon ? ';' : comma || !space ? ',' : ' ';
}

static bool is_blank(char separator, char byte)
{
    return byte == ' ' || (byte == '\t' && separator != '\t');
}

/* Notes the offset at which a field of a line begins in the array `field`. */
static dkvb_status note_field(dkvb_service *s, size_t fields)
{
    struct dkvb__lines *l = &s->lines;

    if (fields == l->at_room) {
        size_t room = l->at_room ? 2 * l->at_room : 64;
        size_t *at = dkvb__alloc(&s->mem, room, sizeof *at);

        if (!at)
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu fields of a line", s->name, room);
        if (fields > 0)
            memcpy(at, l->at, fields * sizeof *at);
        dkvb__free(&s->mem, l->at);
        l->at = at;
        l->at_room = room;
    }
    l->at[fields] = l->field.size;
    return DKVB_OK;
}

/* Splits a line into fields, whose text is in `field` and whose offsets are in `at`. *why stays empty, or says what is
 * wrong with the quotes around a field. */
static dkvb_status split(dkvb_service *s, const char *line, size_t size, size_t *fields, const char **why)
{
    struct dkvb__lines *l = &s->lines;
    const char *at = line, *end = line + size;
    bool more = true;
    dkvb_status rc = DKVB_OK;

    *fields = 0;
    l->field.size = 0;
    /* the fields of a CSV line, each with a NUL, need no more memory than the line with its end */
    rc = dkvb__text_room(s, &l->field, size + 1);
    while (!rc && more) {
        char *to;

        rc = note_field(s, *fields);
        if (rc)
            break;
        ++*fields;
        to = l->field.bytes + l->field.size;
        while (at < end && is_blank(l->separator, *at))
            at++;
        if (at < end && *at == '"') {
            for (at++; at < end && (*at != '"' || (at + 1 < end && at[1] == '"')); at++) {
                at += *at == '"';
                *to++ = *at;
            }
            if (at == end)
                *why = "a quote is opened and never closed";
            at += at < end;
            while (at < end && l->separator != ' ' && is_blank(l->separator, *at))
                at++;
            if (at < end && *at != l->separator)
                *why = "text stands behind the quote that ends a field";
        }
        while (at < end && *at != l->separator)
            *to++ = *at++;
        while (to > l->field.bytes + l->field.size && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        *to++ = '\0';
        l->field.size = (size_t)(to - l->field.bytes);
        more = at < end;
        at += more;
        /* several spaces between two fields separate once, and spaces at the end of a line separate nothing */
        if (l->separator == ' ') {
            while (at < end && *at == ' ')
                at++;
            more = at < end;
        }
    }
    return rc;
}

static const char *field(const dkvb_service *s, size_t i)
{
    return s->lines.field.bytes + s->lines.at[i];
}

/* Finds a column by its name, or by its number from 1, also written "#1". *found becomes the number of fields if the
 * line has no column with the name or number asked for; the result is false if two columns have that name. */
static bool find_column(const dkvb_service *s, const char *name, size_t fields, bool header, size_t *found)
{
    const char *at = name + (*name == '#');
    size_t number = 0, count = 0;

    *found = fields;
    for (size_t i = 0; header && i < fields; i++)
        if (strcmp(field(s, i), name) == 0) {
            *found = i;
            count++;
        }
    if (count > 0)
        return count == 1;
    for (; *at >= '0' && *at <= '9' && number <= fields; at++)
        number = number * 10 + (size_t)(*at - '0');
    if (!*at && number >= 1 && number <= fields)
        *found = number - 1;
    return true;
}

/* True if the first line is a header: no field is a number, or the line names all columns of the model. */
static bool is_header(const dkvb_service *s, size_t fields)
{
    size_t numbers = 0, found;

    for (size_t i = 0; i < fields; i++)
        numbers += dkvb__is_decimal(field(s, i));
    if (numbers == 0)
        return true;
    if (s->id_column && find_column(s, s->id_column, fields, true, &found) && found < fields &&
        strcmp(field(s, found), s->id_column) == 0)
        return true;
    for (uint32_t c = 0; s->names && c < s->columns; c++)
        if (!find_column(s, s->names[c], fields, true, &found) || found == fields ||
            strcmp(field(s, found), s->names[c]) != 0)
            return false;
    return s->names != NULL;
}

/* Finds the model's features among the columns of the first line. The text `why` stays empty, or says which column is
 * missing. */
static void place_features(dkvb_service *s, size_t fields, bool header, char *why)
{
    struct dkvb__lines *l = &s->lines;
    size_t next = 0;
    char shown[48];

    l->fields = fields;
    l->id = fields;
    if (s->id_column && (!find_column(s, s->id_column, fields, header, &l->id) || l->id == fields)) {
        snprintf(why, MESSAGE,
                 "%.200s: line %llu: no column, or more than one, is called '%s', which must have the ids", s->name,
                 (unsigned long long)l->line, show(shown, s->id_column));
        return;
    }
    for (uint32_t c = 0; c < s->columns && !*why; c++) {
        if (s->names) {
            if (!find_column(s, s->names[c], fields, header, &l->field_of[c]))
                snprintf(why, MESSAGE, "%.200s: line %llu: two columns are called '%s'", s->name,
                         (unsigned long long)l->line, show(shown, s->names[c]));
            else if (l->field_of[c] == fields)
                snprintf(why, MESSAGE, "%.200s: line %llu: no column is called '%s', which the model learned from%s",
                         s->name, (unsigned long long)l->line, show(shown, s->names[c]),
                         header ? "" : ": the first line holds no names");
            continue;
        }
        /* If the first line names no columns of the model, the features are the columns in the order of the line; a
         * first column without a name is skipped, as pandas writes row numbers there. */
        if (next == 0 && header && fields > 1 && !*field(s, 0))
            next++;
        if (s->id_column && next == l->id)
            next++;
        l->field_of[c] = next++;
    }
    if (header && next == 0 && fields > 1 && !*field(s, 0))
        next++;
    if (!s->names && s->id_column && next == l->id)
        next++;
    if (!*why && !s->names && next != fields)
        snprintf(why, MESSAGE, "%.200s: line %llu: %zu columns, the model takes %u%s", s->name,
                 (unsigned long long)l->line, fields, s->columns, s->id_column ? " and one of ids" : "");
}

/* Understands the first line of a client: its separator and its columns. *header becomes true if the line holds names
 * of columns. */
static dkvb_status know(dkvb_service *s, const char *line, size_t size, bool *header)
{
    struct dkvb__lines *l = &s->lines;
    const char *quote = NULL;
    char why[MESSAGE] = "";
    size_t fields;
    dkvb_status rc;

    if (!l->field_of) {
        l->field_of = dkvb__alloc(&s->mem, s->columns, sizeof *l->field_of);
        if (!l->field_of)
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %u columns", s->name, s->columns);
    }
    l->separator = find_separator(line, size);
    rc = split(s, line, size, &fields, &quote);
    if (rc)
        return rc;
    *header = is_header(s, fields);
    if (quote)
        snprintf(why, sizeof why, "%.200s: line %llu: %s", s->name, (unsigned long long)l->line, quote);
    else if (memchr(line, '\0', size))
        snprintf(why, sizeof why, "%.200s: line %llu: holds a zero byte, as UTF-16 does; UTF-8 must be sent", s->name,
                 (unsigned long long)l->line);
    else
        place_features(s, fields, *header, why);
    if (*why)
        dkvb__break(s, DKVB_EMISMATCH, why);
    l->known = !*why;
    return DKVB_OK;
}

/* Reads the features of a row from a line into `x`. The text `why` stays empty, or says why the line cannot be read as
 * a row of features. */
static dkvb_status read_row(dkvb_service *s, const char *line, size_t size, float *x, char *why)
{
    const struct dkvb__lines *l = &s->lines;
    const char *quote = NULL;
    size_t fields;
    char shown[48];
    dkvb_status rc = split(s, line, size, &fields, &quote);

    if (rc)
        return rc;
    if (memchr(line, '\0', size))
        quote = "holds a zero byte, as UTF-16 does; UTF-8 must be sent";
    if (quote)
        snprintf(why, MESSAGE, "%.200s: line %llu: %s", s->name, (unsigned long long)l->line, quote);
    else if (fields != l->fields)
        snprintf(why, MESSAGE, "%.200s: line %llu has %zu fields, the first line has %zu: every line must have as many",
                 s->name, (unsigned long long)l->line, fields, l->fields);
    for (uint32_t c = 0; !*why && c < s->columns; c++)
        if (!dkvb__decimal(field(s, l->field_of[c]), &x[c]))
            snprintf(why, MESSAGE, "%.200s: line %llu: column %zu%s%s%s is '%s'; a finite float32 number is needed",
                     s->name, (unsigned long long)l->line, l->field_of[c] + 1, s->names ? " ('" : "",
                     s->names ? s->names[c] : "", s->names ? "')" : "", show(shown, field(s, l->field_of[c])));
    return DKVB_OK;
}

/* Adds the row in a line of text, or an error message about the line, to the batch. If memory runs out, the batch has
 * not changed. */
static dkvb_status take_line(dkvb_service *s, const char *line, size_t size)
{
    struct dkvb__lines *l = &s->lines;
    struct dkvb__item item = {DKVB__ITEM_ROWS, false, s->rows, 1, l->row, s->texts.size, 0};
    char why[MESSAGE] = "";
    bool header = false;
    dkvb_status rc = dkvb__batch_room(s, 1);

    if (!rc && !l->known)
        rc = know(s, line, size, &header);
    if (rc || s->broken)
        return rc;
    if (header) {
        item.kind = DKVB__ITEM_HEADER;
        item.rows = 0;
        s->items[s->item_count++] = item;
        return DKVB_OK;
    }
    rc = read_row(s, line, size, s->x + s->rows * s->columns, why);
    if (!rc && *why)
        rc = dkvb__item_error(s, l->row, why);
    if (!rc && !*why && l->id < l->fields) {
        item.length = strlen(field(s, l->id));
        rc = dkvb__text_add(s, &s->texts, field(s, l->id), item.length);
    }
    if (rc)
        return rc;
    if (!*why) {
        s->items[s->item_count++] = item;
        s->rows++;
    }
    l->row++;
    return DKVB_OK;
}

/* Finds the next line of the input: `size` bytes after `at`, and `step` bytes including the line's end. The result is
 * false if the client's next line has not arrived completely. */
static bool next_line(dkvb_service *s, size_t *size, size_t *step)
{
    struct dkvb__lines *l = &s->lines;
    const char *begin = s->in.bytes + s->at;
    size_t available = s->in.size - s->at;
    const char *end = available > l->scanned ? memchr(begin + l->scanned, '\n', available - l->scanned) : NULL;

    if (!end && !(s->ended && available > 0)) {
        l->scanned = available;
        return false;
    }
    s->cut = !end && !l->dropping;
    *size = end ? (size_t)(end - begin) : available;
    *step = *size + (end != NULL);
    l->scanned = 0;
    if (*size > 0 && begin[*size - 1] == '\r')
        --*size;
    return true;
}

static bool all_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (line[i] != ' ' && line[i] != '\t')
            return false;
    return true;
}

dkvb_status dkvb__lines_take(dkvb_service *s)
{
    struct dkvb__lines *l = &s->lines;
    dkvb_status rc = DKVB_OK;
    char why[MESSAGE];

    while (!rc && !s->broken && s->rows < s->most_rows) {
        const char *line;
        size_t size = 0, step = 0;
        bool found = next_line(s, &size, &step), longer = (found ? size : l->scanned) > s->most_bytes;

        line = s->in.bytes + s->at;
        if (!found && !longer && !l->dropping)
            break;
        /* the rest of a line that is too long is skipped, as an error message has answered the line already */
        if (l->dropping) {
            s->at += found ? step : s->in.size - s->at;
            l->scanned = 0;
            l->dropping = !found;
            if (!found)
                break;
            continue;
        }
        l->line++;
        if (longer) {
            snprintf(why, sizeof why, "%.200s: line %llu: has more than %llu bytes", s->name,
                     (unsigned long long)l->line, (unsigned long long)s->most_bytes);
            /* if the refused line should have been the header or the first row, the columns of all later lines are
             * unknown, so reading the client's input ends */
            if (!l->known) {
                dkvb__break(s, DKVB_EFORMAT, why);
                break;
            }
            rc = dkvb__item_error(s, l->row, why);
            l->row += !rc;
            l->dropping = !rc && !found;
            step = found ? step : s->in.size - s->at;
        } else {
            /* a byte order mark at the start of the first line is skipped */
            if (l->line == 1 && size >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
                line += 3;
                size -= 3;
            }
            if (!all_blank(line, size))
                rc = take_line(s, line, size);
        }
        if (rc) {
            l->line--; /* a line that failed is not counted, as the caller may repeat the call with this line */
        } else {
            s->at += step;
            l->scanned = 0;
        }
    }
    return rc;
}

/* Appends a text field to the answer to a row. Quotes surround a field that holds the separator, a quote or a line
 * break. */
static dkvb_status put_cell(dkvb_service *s, const char *text, size_t size)
{
    bool quoted = memchr(text, s->lines.separator, size) || memchr(text, '"', size) || memchr(text, '\r', size);
    dkvb_status rc = quoted ? dkvb__text_add(s, &s->out, "\"", 1) : DKVB_OK;

    if (!quoted)
        return dkvb__text_add(s, &s->out, text, size);
    for (size_t i = 0; !rc && i < size; i++) {
        if (text[i] == '"')
            rc = dkvb__text_add(s, &s->out, "\"", 1);
        if (!rc)
            rc = dkvb__text_add(s, &s->out, text + i, 1);
    }
    return rc ? rc : dkvb__text_add(s, &s->out, "\"", 1);
}

static dkvb_status put_text(dkvb_service *s, const char *text)
{
    return put_cell(s, text, strlen(text));
}

static dkvb_status put_separator(dkvb_service *s)
{
    return dkvb__text_add(s, &s->out, &s->lines.separator, 1);
}

/* Appends a class to the answer to a row: its name, or its number if it has no name. */
static dkvb_status put_class(dkvb_service *s, const dkvb_model *model, int32_t label)
{
    const char *name = dkvb_model_class_name(model, (uint32_t)label);
    char number[16];

    snprintf(number, sizeof number, "%d", (int)label);
    return put_text(s, name ? name : number);
}

/* Appends a float to the answer with as many digits as reading back the same float needs. If the program has called
 * setlocale(), snprintf() may write another decimal sign, which is replaced by a point. */
static dkvb_status put_float(dkvb_service *s, float value)
{
    char text[32];

    snprintf(text, sizeof text, "%.9g", (double)value);
    for (char *c = text; *c; c++)
        if (*c == ',')
            *c = '.';
    return dkvb__text_add(s, &s->out, text, strlen(text));
}

static dkvb_status put_header(dkvb_service *s, const dkvb_model *model, uint32_t classes)
{
    dkvb_status rc = put_text(s, "row");
    char name[32];

    for (uint32_t c = 0; !rc && s->scores && c < classes; c++) {
        rc = put_separator(s);
        if (!rc)
            rc = put_class(s, model, (int32_t)c);
    }
    for (uint32_t t = 1; !rc && !s->scores && t <= s->top; t++) {
        char number[16] = "";

        if (t > 1)
            snprintf(number, sizeof number, "_%u", t);
        snprintf(name, sizeof name, "%clabel%s%cprobability%s", s->lines.separator, number, s->lines.separator, number);
        rc = dkvb__text_add(s, &s->out, name, strlen(name));
    }
    if (!rc)
        rc = put_separator(s);
    return rc ? rc : dkvb__text_add(s, &s->out, "error\n", 6);
}

dkvb_status dkvb__lines_answer(dkvb_service *s, const struct dkvb__item *item, const dkvb_model *model,
                               uint32_t classes)
{
    bool is_row = item->kind == DKVB__ITEM_ROWS;
    size_t cells = s->scores ? classes : 2 * (size_t)s->top;
    char number[24];
    dkvb_status rc;

    if (item->kind == DKVB__ITEM_HEADER)
        return put_header(s, model, classes);
    snprintf(number, sizeof number, "%llu", (unsigned long long)item->number);
    rc = is_row && item->length > 0 ? put_cell(s, s->texts.bytes + item->text, item->length) : put_text(s, number);
    for (size_t i = 0; !rc && i < cells; i++) {
        size_t at = item->first * s->top + i / 2;

        rc = put_separator(s);
        if (rc || !is_row)
            continue;
        if (s->scores)
            rc = put_float(s, s->logits[item->first * classes + i]);
        else if (s->labels[at] >= 0)
            rc = i % 2 == 0 ? put_class(s, model, s->labels[at]) : put_float(s, s->probabilities[at]);
    }
    if (!rc)
        rc = put_separator(s);
    if (!rc && !is_row)
        rc = put_cell(s, s->texts.bytes + item->text, item->length);
    return rc ? rc : dkvb__text_add(s, &s->out, "\n", 1);
}
