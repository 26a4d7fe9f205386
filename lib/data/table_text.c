/* Reads text tables. A table is read twice: first its records are counted, so that memory for its features is allocated
 * once, then the features are read. Reading a text table takes memory for only one block of its text at a time. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"
#include "data/csv.h"
#include "data/decimal.h"
#include "data/table.h"

/* Kinds of columns besides features that an option may name. */
enum { LABEL, ID, GROUP, NAMED };

enum { NOT_USED = -1, REPORT_EVERY = 4096 };

struct reader {
    dkvb_table *t;
    const dkvb_table_options *o;
    const struct dkvb__run *run;
    struct dkvb__csv csv;
    struct dkvb__texts first, second; /* fields of the first two records of the table */
    size_t fields;                    /* number of fields in every record of the table */
    uint64_t first_line;
    bool header;
    int64_t *place; /* for each field of a record, the column of the features, [fields], or NOT_USED */
    int64_t named[NAMED];
    char *kept[NAMED]; /* texts of the label, id and group columns in the present record */
    struct dkvb__rows_of_text texts[NAMED];
    bool words; /* true if a line of a list of labels or ids, apart from the first, is no number */
    /* true if the number of a row, from 0, serves as the row's id, because rows have groups but no column of the table
     * has ids */
    bool numbers;
    size_t rows; /* number of rows in the table, known once they are counted */
};

static const char *path_of(const struct reader *r)
{
    return r->csv.file->path;
}

/* Makes a text safe for a message: short, and without control characters that a terminal could take for a command. */
static const char *show(char shown[48], const char *text)
{
    size_t n = 0;
    bool valid = dkvb__utf8_valid(text, strlen(text));

    for (; n < 40 && text[n]; n++)
        shown[n] = (unsigned char)text[n] < ' ' || text[n] == 0x7F || (!valid && (text[n] & 0x80)) ? '?' : text[n];
    while (valid && text[n] && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--; /* where the text is cut, a character of several bytes is shown as a whole or left out */
    memcpy(shown + n, text[n] ? "..." : "", text[n] ? 4 : 1);
    return shown;
}

/* Reads the fields of one record of the table; the number of fields is 0 at the end of the file. */
static dkvb_status read_record(struct reader *r, struct dkvb__texts *fields, uint64_t *line)
{
    bool more = true, begun = false;
    dkvb_status rc = DKVB_OK;

    while (!rc && (!begun || !r->csv.last)) {
        rc = dkvb__csv_next(&r->csv, &more);
        if (rc || !more)
            break;
        if (!begun)
            *line = r->csv.field_line;
        begun = true;
        rc = dkvb__texts_add(fields, r->csv.field);
    }
    return rc;
}

/* True if the first record of a table numbers the columns 0, 1, 2, ..., as pandas does for columns without names: at
 * least to 2, or to any number after an empty first field, the name that pandas gives to its column of row numbers. */
static bool counts(const struct dkvb__texts *fields)
{
    size_t numbers = 0;

    for (size_t i = 0; i < fields->count; i++) {
        const char *text = dkvb__text(fields, i);
        char expected[24];

        if (!dkvb__is_decimal(text))
            continue;
        snprintf(expected, sizeof expected, "%zu", numbers++);
        if (strcmp(text, expected) != 0)
            return false;
    }
    return numbers > 2 || (numbers > 0 && numbers + 1 == fields->count && !*dkvb__text(fields, 0));
}

static bool holds_text(const struct dkvb__texts *fields, const char *text)
{
    for (size_t i = 0; text && i < fields->count; i++)
        if (strcmp(dkvb__text(fields, i), text) == 0)
            return true;
    return false;
}

/* True if the first record of a table is a header with column names: if some column has no number in the first record
 * but a number in the second, or the first record has no number at all, or has only the numbers 0, 1, 2, ... (but two
 * numbers 0 and 1 may be a row). A first record with a column name that an option gives is a header. */
static bool first_is_header(const struct reader *r)
{
    const struct dkvb__texts *a = &r->first, *b = &r->second;
    size_t numbers = 0, changes = 0;

    if (r->o->header != DKVB_HEADER_AUTO)
        return r->o->header == DKVB_HEADER_YES;
    if (r->csv.separator == '\0' ||
        (r->o->what != DKVB_TABLE_ROWS && a->count == 1 && !r->o->label_column && !r->o->id_column))
        return a->count == 1 && b->count == 1 && !dkvb__is_decimal(dkvb__text(a, 0)) && *dkvb__text(a, 0) &&
               dkvb__is_decimal(dkvb__text(b, 0));
    if (holds_text(a, r->o->label_column) || holds_text(a, r->o->id_column) || holds_text(a, r->o->group_column))
        return true;
    for (size_t i = 0; i < a->count; i++) {
        numbers += dkvb__is_decimal(dkvb__text(a, i));
        changes += i < b->count && *dkvb__text(a, i) && !dkvb__is_decimal(dkvb__text(a, i)) &&
                   dkvb__is_decimal(dkvb__text(b, i));
    }
    return numbers == 0 || changes > 0 || counts(a);
}

/* Finds a column of the table by its name in the header, or by its number from 1, also written "#1"; NOT_USED if there
 * is none. */
static int64_t find_column(const struct reader *r, const char *name)
{
    uint64_t number = 0;
    const char *at = name + (*name == '#');

    for (size_t i = 0; r->header && i < r->fields; i++)
        if (strcmp(dkvb__text(&r->first, i), name) == 0)
            return (int64_t)i;
    if (!*at)
        return NOT_USED;
    for (; *at; at++) {
        if (*at < '0' || *at > '9' || number > r->fields)
            return NOT_USED;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number >= 1 && number <= r->fields ? (int64_t)number - 1 : NOT_USED;
}

/* Lists the first column names of a table for a message. */
static const char *list_columns(const struct reader *r, char list[160])
{
    size_t length = 0;

    list[0] = '\0';
    for (size_t i = 0; i < r->fields && i < 8 && length < 110; i++) {
        char shown[48];

        length += (size_t)snprintf(list + length, 160 - length, "%s%.24s", i ? ", " : "",
                                   show(shown, dkvb__text(&r->first, i)));
    }
    if (r->fields > 8)
        snprintf(list + length, 160 - length, " and %zu more", r->fields - 8);
    return list;
}

static dkvb_status fail_missing(const struct reader *r, const char *name, const char *what)
{
    char shown[48], list[160];

    if (r->header)
        return dkvb__fail(DKVB_EMISMATCH, "%.150s: no column is called '%s', %s; its columns are %s", path_of(r),
                          show(shown, name), what, list_columns(r, list));
    return dkvb__fail(DKVB_EMISMATCH,
                      "%.150s: no column is called '%s', %s: the first line holds no names, and there are %zu columns",
                      path_of(r), show(shown, name), what, r->fields);
}

static dkvb_status check_header(const struct reader *r)
{
    struct dkvb__texts names = {.mem = &r->t->mem};
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && r->header && i < r->fields; i++) {
        const char *name = dkvb__text(&r->first, i);
        size_t index;
        bool added = true;
        char shown[48];

        if (!dkvb__utf8_valid(name, strlen(name)))
            rc =
                dkvb__fail(DKVB_EFORMAT,
                           "%.200s: line %llu: the name of column %zu is no UTF-8 text without control characters; the "
                           "text must be saved as UTF-8",
                           path_of(r), (unsigned long long)r->first_line, i + 1);
        else if (*name)
            rc = dkvb__texts_intern(&names, name, &index, &added);
        if (!rc && !added)
            rc =
                dkvb__fail(DKVB_EFORMAT, "%.200s: line %llu: two columns are called '%s'; each needs a name of its own",
                           path_of(r), (unsigned long long)r->first_line, show(shown, name));
    }
    dkvb__texts_free(&names);
    return rc;
}

static dkvb_status find_named(struct reader *r)
{
    const char *const names[NAMED] = {r->o->label_column, r->o->id_column, r->o->group_column};
    static const char *const whats[NAMED] = {"which must have the labels", "which must have the ids",
                                             "which must have the groups"};

    for (size_t i = 0; i < NAMED; i++) {
        r->named[i] = names[i] ? find_column(r, names[i]) : NOT_USED;
        if (names[i] && r->named[i] == NOT_USED)
            return fail_missing(r, names[i], whats[i]);
    }
    return DKVB_OK;
}

static bool has_other_use(const struct reader *r, size_t field)
{
    for (size_t i = 0; i < NAMED; i++)
        if (r->named[i] == (int64_t)field)
            return true;
    /* true for pandas' column of row numbers, which is the first column and has no name */
    return field == 0 && r->header && r->fields > 1 && !*dkvb__text(&r->first, 0);
}

/* Adds the name of a feature column: its name in the header; in a table without header whose features are not all
 * columns, the number of the column is the name, as the order of the features alone would not tell which column is
 * meant. */
static dkvb_status add_column_name(struct reader *r, size_t field)
{
    char number[24];

    snprintf(number, sizeof number, "#%zu", field + 1);
    return dkvb__texts_add(&r->t->column_names, r->header ? dkvb__text(&r->first, field) : number);
}

/* Decides which columns of the table are features, and their places in a row of features. */
static dkvb_status place_features(struct reader *r, size_t *columns)
{
    const dkvb_table_options *o = r->o;
    bool some = false;
    dkvb_status rc = DKVB_OK;

    *columns = 0;
    for (size_t i = 0; i < r->fields; i++) {
        r->place[i] = NOT_USED;
        some = some || has_other_use(r, i);
    }
    for (size_t c = 0; !rc && c < o->column_count; c++) {
        int64_t field = find_column(r, o->columns[c]);

        if (field == NOT_USED)
            return fail_missing(r, o->columns[c], "which the model learned from");
        if (r->place[field] != NOT_USED)
            return dkvb__fail(DKVB_EINVAL, "table: column %lld is named twice as a feature", (long long)field + 1);
        r->place[field] = (int64_t)c;
        rc = add_column_name(r, (size_t)field);
    }
    *columns = o->column_count;
    for (size_t i = 0; !rc && !o->columns && i < r->fields; i++)
        if (!has_other_use(r, i)) {
            r->place[i] = (int64_t)(*columns)++;
            if (r->header || some)
                rc = add_column_name(r, i);
        }
    if (!rc && *columns == 0)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: no column is left for features", path_of(r));
    return rc;
}

static dkvb_status fail_number(const struct reader *r, size_t field)
{
    const char *text = r->csv.field, *way = "";
    char shown[48], name[48] = "";

    if (r->header)
        show(name, dkvb__text(&r->first, field));
    if (!*text)
        return dkvb__fail(
            DKVB_EFORMAT,
            "%.150s: line %llu: column %zu%s%s%s is empty; every feature must be a number: rows or columns "
            "with gaps must be filled or left out",
            path_of(r), (unsigned long long)r->csv.field_line, field + 1, *name ? " ('" : "", name, *name ? "')" : "");
    if (strchr(text, ',') && r->csv.separator != ',')
        way = ", with a decimal point";
    else if (!dkvb__is_decimal(text))
        way = "; a column of labels, ids or groups is named by its option, or the features are chosen by name";
    return dkvb__fail(DKVB_EFORMAT, "%.150s: line %llu: column %zu%s%s%s is '%s'; a finite float32 number is needed%s",
                      path_of(r), (unsigned long long)r->csv.field_line, field + 1, *name ? " ('" : "", name,
                      *name ? "')" : "", show(shown, text), way);
}

/* Takes one field of a record into the row of features `x`, or only counts it if `x` is NULL. */
static dkvb_status take_field(struct reader *r, size_t field, float *x)
{
    if (x && r->place[field] != NOT_USED && !dkvb__decimal(r->csv.field, &x[r->place[field]]))
        return fail_number(r, field);
    if (!x && *r->csv.field && r->csv.separator == '\0' && r->csv.field_line != r->first_line)
        r->words = r->words || !dkvb__is_decimal(r->csv.field);
    for (size_t i = 0; i < NAMED; i++)
        if (r->named[i] == (int64_t)field && (x || i == GROUP))
            memcpy(r->kept[i], r->csv.field, r->csv.size + 1);
    return DKVB_OK;
}

/* Takes the next record of the table with all its fields. */
static dkvb_status take_record(struct reader *r, float *x, bool *more)
{
    uint64_t line = 0;
    size_t field = 0;
    bool last = false;

    for (; !last; field++) {
        dkvb_status rc = dkvb__csv_next(&r->csv, more);

        if (rc || !*more)
            return rc;
        if (field == 0)
            line = r->csv.field_line;
        if (field < r->fields)
            rc = take_field(r, field, x);
        if (rc)
            return rc;
        last = r->csv.last;
    }
    if (field == r->fields)
        return DKVB_OK;
    return dkvb__fail(DKVB_EFORMAT, "%.200s: line %llu has %zu fields, line %llu has %zu: every line must have as many",
                      path_of(r), (unsigned long long)line, field, (unsigned long long)r->first_line, r->fields);
}

/* Stores the texts of label, id and group of a record of the table. */
static dkvb_status keep_texts(struct reader *r, uint64_t line)
{
    for (size_t i = 0; i < NAMED; i++) {
        uint32_t index;
        bool added;
        char shown[48];
        dkvb_status rc;

        if (r->named[i] == NOT_USED)
            continue;
        rc = dkvb__rows_of_text_add(&r->texts[i], r->kept[i], &index, &added);
        if (!rc && i == ID && !added)
            rc = dkvb__fail(DKVB_EFORMAT,
                            "%.200s: line %llu: the id '%s' is also that of row %u; each id must be there once",
                            path_of(r), (unsigned long long)line, show(shown, r->kept[i]), index);
        if (rc)
            return rc;
    }
    return DKVB_OK;
}

static bool is_kept(const struct reader *r)
{
    return !r->o->group || strcmp(r->kept[GROUP], r->o->group) == 0;
}

/* Reads all records of the table from the first one on: counts them, or takes their features into `x`, which has room
 * for one more row. Empty lines at the end of a table of one-line records are no records. */
static dkvb_status pass_over(struct reader *r, float *x, size_t columns)
{
    size_t rows = 0, records = 0, empty = 0;
    uint64_t before = x ? r->csv.file->size : 0;
    bool more = true;
    dkvb_status rc = DKVB_OK;

    dkvb__csv_rewind(&r->csv);
    if (r->header)
        rc = take_record(r, NULL, &more);
    while (!rc) {
        rc = take_record(r, x ? x + rows * columns : NULL, &more);
        if (rc || !more)
            break;
        if (records++ % REPORT_EVERY == 0)
            rc = dkvb__report(r->run, before + r->csv.offset - r->csv.filled + r->csv.at, 2 * r->csv.file->size);
        if (!rc && is_kept(r)) {
            empty = !r->csv.separator && r->csv.size == 0 ? empty + 1 : 0;
            if (x && rows >= r->rows && empty == 0)
                rc = dkvb__fail(DKVB_EIO, "%.300s: was changed while it was read", path_of(r));
            else if (x && rows < r->rows)
                rc = keep_texts(r, r->csv.field_line);
            if (x && r->numbers && rows < r->rows)
                ((uint64_t *)r->t->ids.data)[rows] = records - 1;
            rows += !x || rows < r->rows;
        }
    }
    rows -= x ? 0 : empty;
    if (!rc && x && rows != r->rows)
        rc = dkvb__fail(DKVB_EIO, "%.300s: was changed while it was read", path_of(r));
    if (!x)
        r->rows = rows;
    return rc;
}

/* Turns the texts of the group column into numbers that are the same in every file. */
static dkvb_status take_groups(struct reader *r)
{
    const struct dkvb__rows_of_text *g = &r->texts[GROUP];
    const dkvb_allocator *mem = &r->t->mem;
    uint64_t *hashes = dkvb__alloc(mem, g->texts.count, sizeof *hashes);
    dkvb_status rc = DKVB_OK;

    r->t->groups = dkvb__alloc(mem, g->rows, sizeof *r->t->groups);
    if (!hashes || !r->t->groups)
        rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the groups of %zu rows", path_of(r), g->rows);
    for (size_t i = 0; !rc && i < g->texts.count; i++) {
        const char *text = dkvb__text(&g->texts, i);
        struct dkvb__piece piece = {text, strlen(text)};
        uint8_t hash[DKVB__SHA256_SIZE];

        dkvb__sha256(hash, &piece, 1);
        hashes[i] = dkvb__read64(hash);
    }
    for (size_t i = 0; !rc && i < g->rows; i++) {
        r->t->groups[i] = hashes[g->index[i]];
        if (!*dkvb__text(&g->texts, g->index[i]))
            rc =
                dkvb__fail(DKVB_EFORMAT,
                           "%.200s: row %zu has no group in the column '%.60s'; every row must have one, a row that is "
                           "alone for example its id",
                           path_of(r), i, r->o->group_column);
    }
    r->t->info.group_count = g->texts.count;
    dkvb__free_erased(mem, hashes);
    return rc;
}

static dkvb_status fail_many(const struct reader *r)
{
    const char *what = r->o->what == DKVB_TABLE_LABELS ? "labels" : "ids";
    char list[160];

    if (r->header)
        return dkvb__fail(DKVB_EFORMAT, "%.150s: has %zu columns (%s); the one with the %s must be named", path_of(r),
                          r->fields, list_columns(r, list), what);
    return dkvb__fail(DKVB_EFORMAT,
                      "%.150s: has %zu columns; the one with the %s must be named, or given by its number", path_of(r),
                      r->fields, what);
}

/* Fails for a table of several columns if the options do not say which column is meant. */
static dkvb_status check_number_of_columns(const struct reader *r)
{
    if (r->o->what == DKVB_TABLE_ROWS || r->named[LABEL] != NOT_USED || r->named[ID] != NOT_USED || r->numbers ||
        r->fields == 1)
        return DKVB_OK;
    return fail_many(r);
}

/* Looks at the first lines of a table: decides whether the first line has column names, and what each column is. */
static dkvb_status look(struct reader *r, size_t *columns)
{
    uint64_t line;
    dkvb_status rc = read_record(r, &r->first, &r->first_line);

    if (!rc)
        rc = read_record(r, &r->second, &line);
    if (rc)
        return rc;
    r->fields = r->first.count;
    if (r->fields == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: has no line with a field", path_of(r));
    r->header = first_is_header(r);
    r->place = dkvb__alloc(&r->t->mem, r->fields, sizeof *r->place);
    if (!r->place)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu columns", path_of(r), r->fields);
    for (size_t i = 0; i < r->fields; i++)
        r->place[i] = NOT_USED;
    *columns = 0;
    r->numbers = r->o->what == DKVB_TABLE_IDS && r->o->group && !r->o->id_column;
    if ((rc = check_header(r)) || (rc = find_named(r)) || (rc = check_number_of_columns(r)))
        return rc;
    if (r->o->what == DKVB_TABLE_ROWS)
        return place_features(r, columns);
    /* if a table of labels names no label column, its only column has the labels */
    if (r->named[LABEL] == NOT_USED && r->o->what == DKVB_TABLE_LABELS)
        r->named[LABEL] = 0;
    if (r->named[ID] == NOT_USED && r->o->what == DKVB_TABLE_IDS && !r->numbers)
        r->named[ID] = 0;
    return DKVB_OK;
}

/* Counts the rows of the table, allocates memory for their features, and reads them. */
static dkvb_status take_rows(struct reader *r, size_t columns)
{
    dkvb_array *x = &r->t->x;
    size_t elements;
    dkvb_status rc = pass_over(r, NULL, columns);

    /* in a file that is a list of names, the first line is a name too, and never a header */
    if (!rc && r->header && r->words && r->csv.separator == '\0') {
        r->header = false;
        rc = pass_over(r, NULL, columns);
    }
    if (rc)
        return rc;
    if (r->o->group && r->rows == 0)
        return dkvb__fail(DKVB_ENOTFOUND, "%.200s: no row is of the group '%.60s'", path_of(r), r->o->group);
    if (r->rows == SIZE_MAX || dkvb__mul_overflow(&elements, r->rows + 1, columns) ||
        !(x->data = dkvb__alloc(&r->t->mem, elements ? elements : 1, sizeof(float))))
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu rows of %zu columns", path_of(r), r->rows,
                          columns);
    x->allocator = r->t->mem;
    x->dtype = DKVB_DTYPE_F32;
    x->ndim = 2;
    x->shape[0] = r->rows;
    x->shape[1] = columns;
    for (size_t i = 0; !rc && i < NAMED; i++)
        if (r->named[i] != NOT_USED)
            rc = dkvb__rows_of_text_begin(&r->texts[i], r->rows, &r->t->mem);
    if (!rc && r->numbers)
        rc = dkvb__table_begin_ids(r->t, r->rows, path_of(r));
    if (!rc)
        rc = pass_over(r, x->data, columns);
    if (!rc && r->named[LABEL] != NOT_USED)
        rc = dkvb__table_take_labels(r->t, &r->texts[LABEL], r->o, path_of(r));
    if (!rc && r->named[ID] != NOT_USED)
        rc = dkvb__table_take_ids(r->t, &r->texts[ID], path_of(r));
    if (!rc && r->named[GROUP] != NOT_USED)
        rc = take_groups(r);
    return rc;
}

/* Checks a file of labels or ids that has one label or id a line. A name may contain a comma, but two lines with
 * equally many fields, some of them numbers, belong to a table. */
static dkvb_status check_is_list(struct reader *r)
{
    uint64_t line;
    bool number = false;
    dkvb_status rc = dkvb__csv_open(&r->csv, r->csv.file, false, r->csv.mem);

    if (!rc && r->csv.separator != ' ' && !(rc = read_record(r, &r->first, &line)))
        rc = read_record(r, &r->second, &line);
    for (size_t i = 0; !rc && i < r->second.count; i++)
        number = number || dkvb__is_decimal(dkvb__text(&r->second, i));
    r->fields = r->first.count;
    r->header = !rc && first_is_header(r);
    if (!rc && number && r->fields > 1 && r->fields == r->second.count)
        rc = fail_many(r);
    dkvb__texts_free(&r->first);
    dkvb__texts_free(&r->second);
    dkvb__csv_close(&r->csv);
    return rc;
}

dkvb_status dkvb__table_read_text(dkvb_table *t, const struct dkvb__file *file, const dkvb_table_options *o,
                                  const struct dkvb__run *run)
{
    struct reader r = {.t = t, .o = o, .run = run, .first.mem = &t->mem, .second.mem = &t->mem};
    bool lines = o->what != DKVB_TABLE_ROWS && !o->label_column && !o->id_column && !o->group_column;
    size_t columns = 0;
    dkvb_status rc = DKVB_OK;

    r.csv = (struct dkvb__csv){.file = file, .mem = &t->mem};
    if (lines)
        rc = check_is_list(&r);
    if (!rc)
        rc = dkvb__csv_open(&r.csv, file, lines, &t->mem);

    for (size_t i = 0; !rc && i < NAMED; i++) {
        r.kept[i] = dkvb__alloc0(&t->mem, DKVB__CSV_FIELD + 1, 1);
        if (!r.kept[i])
            rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a field", file->path);
    }
    if (!rc)
        rc = look(&r, &columns);
    if (!rc)
        rc = take_rows(&r, columns);
    for (size_t i = 0; i < NAMED; i++) {
        dkvb__rows_of_text_free(&r.texts[i]);
        dkvb__free_erased(&t->mem, r.kept[i]);
    }
    dkvb__texts_free(&r.first);
    dkvb__texts_free(&r.second);
    dkvb__free(&t->mem, r.place);
    dkvb__csv_close(&r.csv);
    return rc;
}
