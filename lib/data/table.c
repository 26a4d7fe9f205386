/* Functions that read tables of features, labels and ids from every kind of file. This source file turns texts and
 * arrays into labels and ids of rows; table_text.c reads the texts in CSV files. */
#include "data/table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/signature.h"
#include "base/status.h"
#include "data/decimal.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/stored.h"

/* largest value of the member `in_place` of dkvb_table_options: features may stay in their file */
enum { IN_BLOCKS = 2 };

dkvb_status dkvb__rows_of_text_begin(struct dkvb__rows_of_text *r, size_t rows, const dkvb_allocator *mem)
{
    *r = (struct dkvb__rows_of_text){.texts = {.mem = mem}};
    r->index = dkvb__alloc(mem, rows, sizeof *r->index);
    return r->index ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the texts of %zu rows", rows);
}

dkvb_status dkvb__rows_of_text_add(struct dkvb__rows_of_text *r, const char *text, uint32_t *index, bool *added)
{
    size_t found = 0;
    dkvb_status rc = dkvb__texts_intern(&r->texts, text, &found, added);

    if (!rc && found > UINT32_MAX - 1)
        rc = dkvb__fail(DKVB_EFORMAT, "more than %u different texts", UINT32_MAX - 1);
    if (!rc)
        r->index[r->rows++] = *index = (uint32_t)found;
    return rc;
}

void dkvb__rows_of_text_free(struct dkvb__rows_of_text *r)
{
    if (r->texts.mem)
        dkvb__free_erased(r->texts.mem, r->index);
    dkvb__texts_free(&r->texts);
    r->index = NULL;
}

/* Reads a row's id that is written as a number; false for any other text. The id "007" is a name, as a number would
 * lose the zeros. */
static bool id_number(const char *text, uint64_t *id)
{
    bool negative;

    return dkvb__whole_number(text, id, &negative) && !negative && (text[0] != '0' || text[1] < '0' || text[1] > '9');
}

/* Reads a row's label that is written as a number; false for any other text. An empty text is the label -1, which means
 * no label. */
static bool label_number(const char *text, int32_t *label)
{
    uint64_t size = 1;
    bool negative = true;

    if (*text && (!dkvb__whole_number(text, &size, &negative) || size > (negative ? 1 : INT32_MAX)))
        return false;
    *label = negative ? -1 : (int32_t)size;
    return true;
}

/* Sorts the indices of texts by the bytes of the texts: heap sort, in place. */
static void sort_by_text(uint32_t *order, size_t n, const struct dkvb__texts *texts)
{
    for (size_t begin = n / 2, end = n; end > 1;) {
        size_t at, child;
        uint32_t moving;

        if (begin > 0) {
            moving = order[--begin];
        } else {
            moving = order[--end];
            order[end] = order[0];
            if (end == 1) {
                order[0] = moving;
                break;
            }
        }
        for (at = begin; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && strcmp(dkvb__text(texts, order[child]), dkvb__text(texts, order[child + 1])) < 0)
                child++;
            if (strcmp(dkvb__text(texts, order[child]), dkvb__text(texts, moving)) <= 0)
                break;
            order[at] = order[child];
        }
        order[at] = moving;
    }
}

static dkvb_status no_memory(const char *path, size_t count)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu labels or names", path, count);
}

/* Takes the names of labels that the options of reading a table give. Label names from the options come first and keep
 * their numbers. */
static dkvb_status take_given_names(dkvb_table *t, const dkvb_table_options *o)
{
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < o->label_name_count; i++) {
        const char *name = o->label_names[i];
        size_t index = t->label_names.count;
        bool added = false;

        if (name && *name)
            rc = dkvb__texts_intern(&t->label_names, name, &index, &added);
        if (!rc && !added) { /* a missing or repeated label name gets a placeholder that no text equals */
            char place[32] = "\1";

            for (size_t n = i, at = 1; at < 1 + 16; at++, n >>= 4)
                place[at] = (char)('a' + n % 16);
            rc = dkvb__texts_intern(&t->label_names, place, &index, &added);
        }
    }
    return rc;
}

static bool all_numbers(const struct dkvb__texts *texts, size_t *other)
{
    int32_t label;

    for (*other = 0; *other < texts->count; ++*other)
        if (!label_number(dkvb__text(texts, *other), &label))
            return false;
    return true;
}

static bool all_decimals(const struct dkvb__texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        if (*dkvb__text(texts, i) && !dkvb__is_decimal(dkvb__text(texts, i)))
            return false;
    return true;
}

/* Gives each different text of a label column a label in *labels: the place of a known name, the number that the text
 * is, or for new names the next free places, in the order of their bytes. */
static dkvb_status number_texts(dkvb_table *t, int32_t *labels, uint32_t *order, const struct dkvb__texts *texts,
                                size_t known)
{
    size_t fresh = 0;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < texts->count; i++) {
        const char *text = dkvb__text(texts, i);
        size_t place = known ? dkvb__texts_find(&t->label_names, text) : t->label_names.count;

        if (place < t->label_names.count)
            labels[i] = (int32_t)place;
        else if (*text && !(known && label_number(text, &labels[i]) && labels[i] < (int64_t)known))
            order[fresh++] = (uint32_t)i;
        else if (!*text)
            labels[i] = -1;
    }
    sort_by_text(order, fresh, texts);
    for (size_t i = 0; !rc && i < fresh; i++) {
        size_t place = 0;
        bool added;

        rc = dkvb__texts_intern(&t->label_names, dkvb__text(texts, order[i]), &place, &added);
        labels[order[i]] = (int32_t)place;
    }
    return rc;
}

/* Returns the number of the first row whose text has the index `text` among the stored texts. */
static size_t first_row(const struct dkvb__rows_of_text *r, size_t text)
{
    size_t row = 0;

    while (row + 1 < r->rows && r->index[row] != text)
        row++;
    return row;
}

/* Fails for labels that are numbers, if some of them are not class numbers. */
static dkvb_status fail_number(const char *path, const struct dkvb__rows_of_text *r, size_t text)
{
    const char *label = dkvb__text(&r->texts, text);
    uint64_t size;
    bool negative;

    if (dkvb__whole_number(label, &size, &negative))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: the label of row %zu is %.40s; labels that are numbers must be 0 to %d, or -1 for "
                          "none: number the classes from 0, or give them names",
                          path, first_row(r, text), label, INT32_MAX);
    return dkvb__fail(
        DKVB_EFORMAT,
        "%.200s: labels are numbers with a fraction, '%.40s' of row %zu for example; labels must be whole "
        "numbers or names",
        path, label, first_row(r, text));
}

dkvb_status dkvb__table_take_labels(dkvb_table *t, const struct dkvb__rows_of_text *r, const dkvb_table_options *o,
                                    const char *path)
{
    const struct dkvb__texts *texts = &r->texts;
    size_t other;
    int32_t *labels = dkvb__alloc(&t->mem, texts->count, sizeof *labels);
    uint32_t *order = dkvb__alloc(&t->mem, texts->count, sizeof *order);
    int32_t *y = dkvb__alloc(&t->mem, r->rows, sizeof *y);
    bool numbers = all_numbers(texts, &other);
    dkvb_status rc = labels && order && y ? DKVB_OK : no_memory(path, r->rows);

    if (!rc && !numbers && !o->label_name_count && all_decimals(texts))
        rc = fail_number(path, r, other);
    for (size_t i = 0; !rc && i < texts->count; i++)
        if (!dkvb__utf8_valid(dkvb__text(texts, i), strlen(dkvb__text(texts, i))))
            rc = dkvb__fail(DKVB_EFORMAT,
                            "%.300s: the label of row %zu is no UTF-8 text without control characters; the text must "
                            "be saved as UTF-8",
                            path, first_row(r, i));
    if (!rc && texts->count > INT32_MAX)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: more than %d different labels", path, INT32_MAX);
    if (!rc && (o->label_name_count || !numbers))
        rc = take_given_names(t, o);
    if (!rc && numbers && !o->label_name_count)
        for (size_t i = 0; i < texts->count; i++)
            (void)label_number(dkvb__text(texts, i), &labels[i]);
    else if (!rc)
        rc = number_texts(t, labels, order, texts, o->label_name_count);
    for (size_t i = 0; !rc && i < r->rows; i++)
        y[i] = labels[r->index[i]];
    dkvb__free(&t->mem, labels);
    dkvb__free(&t->mem, order);
    if (rc) {
        dkvb__free(&t->mem, y);
        return rc;
    }
    t->y.data = y;
    t->y.allocator = t->mem;
    t->y.dtype = DKVB_DTYPE_I32;
    t->y.ndim = 1;
    t->y.shape[0] = r->rows;
    return DKVB_OK;
}

dkvb_status dkvb__table_begin_ids(dkvb_table *t, size_t rows, const char *path)
{
    uint64_t *ids = dkvb__alloc(&t->mem, rows, sizeof *ids);

    if (!ids)
        return no_memory(path, rows);
    t->ids.data = ids;
    t->ids.allocator = t->mem;
    t->ids.dtype = DKVB_DTYPE_U64;
    t->ids.ndim = 1;
    t->ids.shape[0] = rows;
    return DKVB_OK;
}

dkvb_status dkvb__table_take_ids(dkvb_table *t, const struct dkvb__rows_of_text *r, const char *path)
{
    bool numbers = true;
    dkvb_status rc = dkvb__table_begin_ids(t, r->rows, path);

    for (size_t i = 0; !rc && numbers && i < r->rows; i++)
        numbers = id_number(dkvb__text(&r->texts, i), (uint64_t *)t->ids.data + i);
    if (rc || numbers)
        /* equal ids are possible even if all texts differ, since "2" and "2.0" are the same id */
        return rc ? rc : dkvb__ids_once(t->ids.data, r->rows, path, &t->mem);
    dkvb_array_free(&t->ids);
    for (size_t i = 0; !rc && i < r->rows; i++) {
        const char *text = dkvb__text(&r->texts, i);

        if (!*text)
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: row %zu has no id; every row must have one", path, i);
        else if (!dkvb__utf8_valid(text, strlen(text)))
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: the id of row %zu is no UTF-8 text without control characters", path,
                            i);
        else
            rc = dkvb__texts_add(&t->id_names, text);
    }
    return rc;
}

/* The texts of a .npy file that have been read so far. */
struct collected {
    struct dkvb__rows_of_text rows;
    const char *path;
    bool once; /* true if a text that appears twice is an error, as for ids */
};

static dkvb_status collect(void *context, size_t row, const char *text)
{
    struct collected *c = context;
    uint32_t index;
    bool added;
    dkvb_status rc = dkvb__rows_of_text_add(&c->rows, text, &index, &added);

    if (!rc && c->once && !added)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: rows %u and %zu both have the id '%.60s'; each id must be there once",
                        c->path, index, row, text);
    return rc;
}

/* read_vector() itself reads arrays of texts; dkvb__labels_of() and dkvb__ids_of() read arrays of numbers. */
static dkvb_status read_vector(dkvb_table *t, const struct dkvb__source *source, const dkvb_table_options *o,
                               const unsigned char *start, size_t size)
{
    const struct dkvb__file *file = &source->file;
    struct collected c = {.path = file->path, .once = o->what == DKVB_TABLE_IDS};
    size_t rows;
    bool texts = false;
    dkvb_status rc = DKVB_OK;

    if (dkvb__npy_sniff(start, size))
        rc = dkvb__npy_texts(&rows, &texts, file, &t->mem, NULL, NULL);
    if (rc)
        return rc;
    if (!texts)
        return o->what == DKVB_TABLE_LABELS ? dkvb__labels_of(&t->y, source, DKVB_READ_COPY)
                                            : dkvb__array_of(&t->ids, source, DKVB_READ_IDS);
    rc = dkvb__rows_of_text_begin(&c.rows, rows, &t->mem);
    if (!rc)
        rc = dkvb__npy_texts(&rows, &texts, file, &t->mem, collect, &c);
    if (!rc)
        rc = c.once ? dkvb__table_take_ids(t, &c.rows, file->path) : dkvb__table_take_labels(t, &c.rows, o, file->path);
    dkvb__rows_of_text_free(&c.rows);
    return rc;
}

/* Fails for options that name a column, since the columns of an array have no names. */
static dkvb_status check_no_columns(const char *path, const dkvb_table_options *o)
{
    const char *named = o->label_column ? o->label_column : o->id_column ? o->id_column : o->group_column;

    if (named)
        return dkvb__fail(DKVB_EMISMATCH,
                          "%.200s: is an array, whose columns have no names, so '%.60s' cannot be found; a CSV file "
                          "with names in its first line must be given",
                          path, named);
    return DKVB_OK;
}

/* Reads the features of a table from an array, or leaves them in their file. */
static dkvb_status read_features(dkvb_table *t, const struct dkvb__source *source, const dkvb_table_options *o)
{
    dkvb_status rc = DKVB_OK;

    if (o->in_place == IN_BLOCKS && !source->member)
        rc = dkvb__row_file_open(&t->file, source->file.path, &t->mem);
    return rc || t->file ? rc : dkvb__features_of(&t->x, source, o->in_place ? DKVB_READ_IN_PLACE : DKVB_READ_COPY);
}

static uint64_t columns_of(const dkvb_table *t)
{
    return t->file ? t->file->columns : t->x.shape[1];
}

static dkvb_status read_any(dkvb_table *t, const char *path, const dkvb_table_options *o, const struct dkvb__run *run)
{
    unsigned char start[DKVB__SIGNATURE_SIZE];
    struct dkvb__source source;
    size_t size;
    dkvb_status rc = dkvb__source_open(&source, path, &t->mem);

    if (rc)
        return rc;
    size = source.file.size < sizeof start ? (size_t)source.file.size : sizeof start;
    rc = dkvb__file_read(&source.file, 0, start, size);
    if (!rc && dkvb__signature_is_table(start, size)) {
        rc = dkvb__table_read_text(t, &source.file, o, run);
    } else if (!rc) {
        if (!dkvb__npy_sniff(start, size) && !dkvb__idx_sniff(start, size))
            rc = dkvb__fail_foreign_file(&source.file, DKVB__USE_TABLE);
        if (!rc && dkvb__npy_sniff(start, size))
            rc = check_no_columns(path, o);
        if (!rc && o->what != DKVB_TABLE_ROWS)
            rc = read_vector(t, &source, o, start, size);
        else if (!rc)
            rc = read_features(t, &source, o);
        /* a gzip file may hold IDX or CSV, which only reading it tells, so options that name columns are checked
         * afterwards */
        if (!rc)
            rc = check_no_columns(path, o);
        if (!rc && o->column_count && columns_of(t) != o->column_count)
            rc = dkvb__fail(DKVB_EMISMATCH, "%.300s: has %llu columns, %zu are needed", path,
                            (unsigned long long)columns_of(t), o->column_count);
    }
    dkvb__source_close(&source);
    return rc;
}

/* Makes an array of pointers to a table's texts. A placeholder, which stands for a label without a name of its own,
 * becomes the empty text. */
static dkvb_status list_texts(const char ***list, const struct dkvb__texts *texts, const dkvb_allocator *mem)
{
    if (texts->count == 0)
        return DKVB_OK;
    *list = dkvb__alloc(mem, texts->count, sizeof **list);
    if (!*list)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu names", texts->count);
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = dkvb__text(texts, i);

        (*list)[i] = *text == '\1' ? "" : text;
    }
    return DKVB_OK;
}

static dkvb_status describe(dkvb_table *t, const dkvb_table_options *o)
{
    dkvb_table_info *info = &t->info;
    const dkvb_array *first = o->what == DKVB_TABLE_ROWS ? &t->x : o->what == DKVB_TABLE_LABELS ? &t->y : &t->ids;
    dkvb_status rc;

    if ((rc = list_texts(&t->column_list, &t->column_names, &t->mem)) ||
        (rc = list_texts(&t->label_list, &t->label_names, &t->mem)) ||
        (rc = list_texts(&t->id_list, &t->id_names, &t->mem)))
        return rc;
    info->struct_size = sizeof *info;
    info->rows = t->id_list && o->what == DKVB_TABLE_IDS ? t->id_names.count : first->shape[0];
    info->columns = columns_of(t);
    info->x = t->x.data;
    if (t->file) {
        info->rows = t->file->rows;
        info->source = &t->file->source;
    }
    info->column_names = t->column_list;
    info->labels = t->y.data;
    info->label_names = t->label_list;
    info->label_count = t->label_names.count;
    info->ids = t->ids.data;
    info->id_names = t->id_list;
    info->groups = t->groups;
    return DKVB_OK;
}

static dkvb_status check_options(const dkvb_table_options *o)
{
    if (o->what > DKVB_TABLE_IDS)
        return dkvb__fail(DKVB_EINVAL, "table: what is %u, it must be 0 to %d", o->what, DKVB_TABLE_IDS);
    if (o->in_place > IN_BLOCKS)
        return dkvb__fail(DKVB_EINVAL, "table: in_place is %u, it must be 0 to %d", o->in_place, IN_BLOCKS);
    if (o->header > DKVB_HEADER_NO)
        return dkvb__fail(DKVB_EINVAL, "table: header is %u, it must be 0 to %d", o->header, DKVB_HEADER_NO);
    if ((o->column_count && !o->columns) || (o->label_name_count && !o->label_names))
        return dkvb__fail(DKVB_EINVAL, "table: %s is NULL, its count is not 0",
                          o->column_count && !o->columns ? "columns" : "label_names");
    for (size_t i = 0; i < o->column_count; i++)
        if (!o->columns[i])
            return dkvb__fail(DKVB_EINVAL, "table: columns[%zu] is NULL", i);
    if (o->group && !o->group_column)
        return dkvb__fail(DKVB_EINVAL, "table: group is '%.60s', and group_column is NULL", o->group);
    return dkvb__check_allocator(o->allocator);
}

dkvb_status dkvb_table_read(dkvb_table **out, const char *path, const dkvb_table_options *opts,
                            const dkvb_run_options *run_options)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    dkvb_allocator mem;
    struct dkvb__run run;
    dkvb_table *t;
    dkvb_status rc;

    if (!out || !path)
        return dkvb__fail(DKVB_EINVAL, "table: %s is NULL", out ? "path" : "out");
    *out = NULL;
    if ((rc = dkvb__take_options(&o, sizeof o, opts, "dkvb_table_options")) || (rc = check_options(&o)) ||
        (rc = dkvb__run_take(&run, run_options)))
        return rc;
    mem = dkvb__allocator(o.allocator);
    t = dkvb__alloc0(&mem, 1, sizeof *t);
    if (!t)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a table", path);
    t->mem = mem;
    t->x.struct_size = t->y.struct_size = t->ids.struct_size = sizeof t->x;
    t->column_names.mem = t->label_names.mem = t->id_names.mem = &t->mem;
    t->label_names.names = true;
    rc = read_any(t, path, &o, &run);
    if (!rc)
        rc = describe(t, &o);
    if (rc) {
        dkvb_table_free(t);
        return rc;
    }
    *out = t;
    return DKVB_OK;
}

dkvb_status dkvb_table_file(const char *path, char *file, size_t size)
{
    const char *name;
    size_t length;

    if (!path || !file)
        return dkvb__fail(DKVB_EINVAL, "table: %s is NULL", path ? "file" : "path");
    name = dkvb__array_name(path);
    length = name ? (size_t)(name - path) - 1 : strlen(path);
    if (length >= size)
        return dkvb__fail(DKVB_EINVAL, "%.300s: its file needs a buffer of %zu bytes, there are %zu", path, length + 1,
                          size);
    memcpy(file, path, length);
    file[length] = '\0';
    return DKVB_OK;
}

dkvb_status dkvb_table_get_info(const dkvb_table *table, dkvb_table_info *info)
{
    if (!table || !info)
        return dkvb__fail(DKVB_EINVAL, "table: %s is NULL", table ? "info" : "table");
    return dkvb__give_info(info, &table->info, sizeof table->info, "dkvb_table_info");
}

void dkvb_table_free(dkvb_table *table)
{
    dkvb_allocator mem;

    if (!table)
        return;
    mem = table->mem;
    dkvb_array_free(&table->x);
    dkvb__row_file_free(table->file);
    dkvb_array_free(&table->y);
    dkvb_array_free(&table->ids);
    dkvb__texts_free(&table->column_names);
    dkvb__texts_free(&table->label_names);
    dkvb__texts_free(&table->id_names);
    dkvb__free(&mem, table->groups);
    dkvb__free(&mem, table->column_list);
    dkvb__free(&mem, table->label_list);
    dkvb__free(&mem, table->id_list);
    dkvb__free(&mem, table);
}
