#include "io/input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/paths.h"
#include "io/progress.h"
#include "io/ranks.h"
#include "tool.h"

void *input_memory(const char *what, size_t size, size_t a, size_t b, size_t c)
{
    size_t count = a;
    void *memory = NULL;
    bool fits = (b == 0 || count <= SIZE_MAX / b);

    count *= b;
    fits = fits && (c == 0 || count <= SIZE_MAX / c);
    count *= c;
    if (fits)
        memory = calloc(count ? count : 1, size);
    if (!memory)
        tool_fail("out of memory for %s: %zu x %zu x %zu of %zu bytes", what, a, b, c, size);
    return memory;
}

/* Names that are known before a table is read: names of the columns and of the classes. */
struct known {
    const char **columns, **classes;
    size_t column_count, class_count;
    char *list; /* copies of the names of table columns that a comma-separated option lists */
};

/* Splits a comma-separated list of column names. */
static int split_columns(struct known *k, const char *list)
{
    size_t count = 1;

    for (const char *at = list; *at; at++)
        count += *at == ',';
    k->list = strdup(list);
    k->columns = input_memory("names of columns", sizeof *k->columns, count, 1, 1);
    if (!k->list || !k->columns)
        return EXIT_FAILURE;
    for (char *at = k->list; k->column_count < count; at += strlen(at) + 1) {
        at[strcspn(at, ",")] = '\0';
        k->columns[k->column_count++] = at;
    }
    return EXIT_SUCCESS;
}

static int know(struct known *k, const struct table_use *use)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int code = use->model ? tool_check(dkvb_model_get_info(use->model, &info)) : EXIT_SUCCESS;

    if (code)
        return code;
    k->class_count = use->names ? use->names->count : info.classes;
    k->classes = input_memory("names of classes", sizeof *k->classes, k->class_count, 1, 1);
    if (!k->classes)
        return EXIT_FAILURE;
    for (size_t i = 0; i < k->class_count; i++)
        k->classes[i] = use->names ? use->names->line[i] : dkvb_model_class_name(use->model, (uint32_t)i);
    if (!use->model || !dkvb_model_column_name(use->model, 0))
        return use->columns && use->columns->features ? split_columns(k, use->columns->features) : EXIT_SUCCESS;
    k->column_count = info.input_dim;
    k->columns = input_memory("names of columns", sizeof *k->columns, k->column_count, 1, 1);
    for (size_t i = 0; k->columns && i < k->column_count; i++)
        k->columns[i] = dkvb_model_column_name(use->model, (uint32_t)i);
    return k->columns ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Reads a table from a file, with the known names of columns and classes. */
static int read_table(dkvb_table **out, const char *path, uint32_t what, uint32_t how, const struct table_use *use)
{
    static const struct table_use none = {0};
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    struct known k = {0};
    dkvb_run_options run;
    double began = progress_clock();
    int code;

    use = use ? use : &none;
    paths_keep_private(path);
    code = know(&k, use);
    if (code == EXIT_SUCCESS) {
        o.what = what;
        o.in_place = how;
        o.columns = what == DKVB_TABLE_ROWS && k.column_count ? (const char *const *)k.columns : NULL;
        o.column_count = o.columns ? k.column_count : 0;
        o.label_names = (const char *const *)k.classes;
        o.label_name_count = k.class_count;
        if (use->columns) {
            o.label_column = what != DKVB_TABLE_IDS ? use->columns->labels : NULL;
            o.id_column = what != DKVB_TABLE_LABELS ? use->columns->ids : NULL;
            o.group_column = what != DKVB_TABLE_LABELS ? use->columns->groups : NULL;
            o.group = o.group_column ? use->columns->group : NULL;
        }
        run = progress_start("read", 1);
        code = tool_check(dkvb_table_read(out, path, &o, &run));
        progress_stop();
    }
    progress_add_file(began);
    free(k.list);
    free(k.columns);
    free(k.classes);
    return code;
}

int input_features(struct features *out, const char *path, uint32_t how, const struct table_use *use)
{
    int code;

    *out = (struct features){.path = path, .info = DKVB_TABLE_INFO_INIT};
    code = read_table(&out->table, path, DKVB_TABLE_ROWS, how, use);
    if (code || (code = tool_check(dkvb_table_get_info(out->table, &out->info))))
        return code;
    out->x = (float *)(uintptr_t)out->info.x;
    out->source = out->info.source;
    out->rows = (size_t)out->info.rows;
    out->columns = (size_t)out->info.columns;
    return EXIT_SUCCESS;
}

void input_features_free(struct features *features)
{
    dkvb_table_free(features->table);
    free(features->made);
    free(features->kept);
    features->table = NULL;
    features->source = NULL;
    features->kept = NULL;
    features->x = features->made = NULL;
}

int input_block(float **block, const struct features *features, size_t n)
{
    *block = features->source ? input_memory("a block of rows", sizeof **block, n, features->columns, 1) : NULL;
    return *block || !features->source ? EXIT_SUCCESS : EXIT_FAILURE;
}

int input_rows(const struct features *features, size_t first, size_t n, float *block, const float **x)
{
    const dkvb_row_source *source = features->source;
    const size_t *kept = features->kept;
    int code = EXIT_SUCCESS;

    *x = block;
    if (!source) {
        *x = features->x + first * features->columns;
        return EXIT_SUCCESS;
    }
    /* rows that are neighbours in their file are read together */
    for (size_t i = 0, end; i < n && code == EXIT_SUCCESS; i = end) {
        for (end = kept ? i + 1 : n; end < n && kept[first + end] == kept[first + end - 1] + 1;)
            end++;
        code = tool_check(
            source->read(source->user, kept ? kept[first + i] : first, end - i, block + i * features->columns));
    }
    return code;
}

int input_features_for(struct features *out, const char *path, uint32_t how, const dkvb_model *model,
                       const struct columns_args *columns)
{
    struct table_use use = {.columns = columns, .model = model};
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int code = tool_check(dkvb_model_get_info(model, &info));

    if (code == EXIT_SUCCESS)
        code = input_features(out, path, how, &use);
    if (code == EXIT_SUCCESS && out->columns != info.input_dim && out->columns == 1 && out->rows == info.input_dim)
        code = tool_fail("%s: the shape (%zu,) is %zu rows of 1 column, the model takes %" PRIu32
                         " columns; one row has the shape (1, %zu)",
                         path, out->rows, out->rows, info.input_dim, out->rows);
    else if (code == EXIT_SUCCESS && out->columns != info.input_dim)
        code = tool_fail("%s: %zu columns, the model takes %" PRIu32, path, out->columns, info.input_dim);
    return code;
}

/* Returns the first row of a class. */
static size_t first_of(const struct labels *labels, uint32_t class)
{
    size_t row = 0;

    while (row + 1 < labels->rows && labels->y[row] != (int64_t) class)
        row++;
    return row;
}

/* Takes the labels of a table and the names of labels, which must be names of classes of the model. */
static int take_labels(struct labels *out, const dkvb_table *table, const char *path, const struct table_use *use)
{
    dkvb_table_info info = DKVB_TABLE_INFO_INIT;
    dkvb_model_info model = DKVB_MODEL_INFO_INIT;
    int code = tool_check(dkvb_table_get_info(table, &info));

    out->path = path;
    if (code)
        return code;
    out->y = info.labels;
    out->rows = (size_t)info.rows;
    out->names = info.label_names;
    out->name_count = (size_t)info.label_count;
    if (out->names && !use)
        return tool_fail("%s: labels are names, '%s' for example, and numbers are needed here", path, out->names[0]);
    if (use && use->model && !use->grows) {
        code = tool_check(dkvb_model_get_info(use->model, &model));
        if (code == EXIT_SUCCESS && out->name_count > model.classes)
            return tool_fail("%s: the label '%s' of row %zu is no class of the model; 'dkvb inspect' lists its classes",
                             path, out->names[model.classes], first_of(out, model.classes));
    }
    if (use && use->names && !use->grows && out->name_count > use->names->count)
        return tool_fail("%s: the label '%s' is no name of %s", path, out->names[use->names->count], use->names->path);
    return code;
}

/* Reads labels for the `rows` rows of the file `of`. If the features have only one column, and labels and features
 * differ in their number of rows, the message says that the features may have been meant as one row. */
static int read_labels(struct labels *out, const char *path, const char *of, size_t rows, bool one_column,
                       const struct table_use *use)
{
    int code;

    *out = (struct labels){.path = path, .largest = -1};
    if ((code = read_table(&out->table, path, DKVB_TABLE_LABELS, INPUT_COPIED, use)) ||
        (code = take_labels(out, out->table, path, use)))
        return code;
    if (out->rows != rows && one_column)
        return tool_fail(
            "%s has %zu labels, %s has %zu rows of 1 column; where that is one row, it must have the shape "
            "(1, %zu)",
            path, out->rows, of, rows, rows);
    if (out->rows != rows)
        return tool_fail("%s has %zu labels, %s has %zu rows: there must be as many of both", path, out->rows, of,
                         rows);
    input_labels_range(out);
    return EXIT_SUCCESS;
}

int input_labels(struct labels *out, const char *path, const char *of, size_t rows, const struct table_use *use)
{
    return read_labels(out, path, of, rows, false, use);
}

int input_labels_for(struct labels *out, const char *path, const struct features *x, const struct table_use *use)
{
    int code;

    if (path)
        return read_labels(out, path, x->path, x->rows, x->columns == 1, use);
    *out = (struct labels){.largest = -1};
    code = take_labels(out, x->table, x->path, use);
    if (code == EXIT_SUCCESS)
        input_labels_range(out);
    return code;
}

void input_labels_range(struct labels *labels)
{
    labels->largest = -1;
    for (size_t i = 0; i < labels->rows; i++)
        if (labels->y[i] > labels->largest)
            labels->largest = labels->y[labels->largest_row = i];
}

void input_labels_free(struct labels *labels)
{
    dkvb_table_free(labels->table);
    free(labels->made);
    labels->table = NULL;
    labels->names = NULL;
    labels->y = labels->made = NULL;
}

static int open_model(dkvb_model **out, const char *path, bool in_place, const dkvb_ranks *ranks, dkvb_model_info *info)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    double began = progress_clock();
    int code;

    o.in_place = in_place;
    o.ranks = ranks;
    paths_keep_private(path);
    code = tool_check(dkvb_model_load(out, path, &o));
    progress_add_file(began);
    *info = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    return code ? code : tool_check(dkvb_model_get_info(*out, info));
}

int input_model_load(dkvb_model **out, const char *path, dkvb_model_info *info)
{
    return open_model(out, path, false, ranks_group(), info);
}

int input_model_whole(dkvb_model **out, const char *path, dkvb_model_info *info)
{
    return open_model(out, path, false, NULL, info);
}

int input_model_map(dkvb_model **out, const char *path, dkvb_model_info *info)
{
    return open_model(out, path, true, ranks_group(), info);
}

const char *input_encoder(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    return dkvb_model_get_info(model, &info) == DKVB_OK ? info.encoder : NULL;
}

int input_mask(dkvb_mask **out, const char *path)
{
    paths_keep_private(path);
    return tool_check(dkvb_mask_load(out, path, NULL));
}

/* Marks the classes of a comma-separated list. The result is DKVB_OK, or the failure of dkvb_model_find_class() for the
 * first class name that the model does not have. */
static dkvb_status find_listed(bool *chosen, const char *list, const dkvb_model *model)
{
    char word[256];
    uint32_t found;
    dkvb_status rc = DKVB_OK;

    for (const char *at = list; !rc; at++) {
        size_t length = strcspn(at, ",");

        snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), at);
        rc = dkvb_model_find_class(model, word, DKVB_FIND_NAME_OR_INDEX, &found);
        if (!rc)
            chosen[found] = true;
        at += length;
        if (*at == '\0')
            break;
    }
    return rc;
}

int input_classes(bool **chosen, const char *list, const dkvb_model *model, uint32_t classes)
{
    uint32_t whole;
    dkvb_status rc;

    *chosen = input_memory("the chosen classes", sizeof **chosen, classes, 1, 1);
    if (!*chosen)
        return EXIT_FAILURE;
    rc = dkvb_model_find_class(model, list, DKVB_FIND_NAME_OR_INDEX,
                               /* the whole list of classes is first looked up as one name, because a class name may
                                * contain a comma */
                               &whole);
    if (rc == DKVB_OK && strchr(list, ',') && find_listed(*chosen, list, model) == DKVB_OK)
        return tool_fail("class '%.64s': is a name, and a list of classes as well: their indices must be given", list);
    if (rc == DKVB_OK) {
        memset(*chosen, 0, classes * sizeof **chosen);
        (*chosen)[whole] = true;
        return EXIT_SUCCESS;
    }
    return tool_check(strchr(list, ',') ? find_listed(*chosen, list, model) : rc);
}

int input_names_add(struct names *names, const char *name)
{
    if (names->count == names->room) {
        size_t more = names->room ? 2 * names->room : 64;
        char **grown = realloc(names->line, more * sizeof *grown);

        if (!grown)
            return tool_fail("out of memory for %zu names", more);
        names->line = grown;
        names->room = more;
    }
    names->line[names->count] = strdup(name);
    if (!names->line[names->count])
        return tool_fail("out of memory for name %zu", names->count);
    names->count++;
    return EXIT_SUCCESS;
}

/* Reads names from lines that end in \n or \r\n. Some editors begin a file with a byte order mark, which is skipped. */
static int read_names(struct names *out, FILE *file)
{
    static const char mark[] = "\xEF\xBB\xBF";
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int code = EXIT_SUCCESS;

    while (code == EXIT_SUCCESS && (length = getline(&line, &size, file)) >= 0) {
        bool marked = out->count == 0 && strncmp(line, mark, strlen(mark)) == 0;

        if (strlen(line) != (size_t)length)
            code = tool_fail("%s: line %zu holds a zero byte, as UTF-16 does; the names must be saved as UTF-8",
                             out->path, out->count + 1);
        line[strcspn(line, "\r\n")] = '\0';
        if (code == EXIT_SUCCESS)
            code = input_names_add(out, marked ? line + strlen(mark) : line);
    }
    if (code == EXIT_SUCCESS && ferror(file))
        code = tool_fail("%s: %s", out->path, strerror(errno));
    free(line);
    return code;
}

/* Reads the lines of a text file as names, without blank lines at its end. */
static int read_lines(struct names *out, const char *path)
{
    FILE *file = fopen(path, "r");
    int code;

    *out = (struct names){.path = path};
    paths_keep_private(path);
    if (!file)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    code = read_names(out, file);
    fclose(file);
    /* removes blank lines at the end of the list of names */
    while (out->count > 0 && out->line[out->count - 1][0] == '\0')
        free(out->line[--out->count]);
    return code || out->count ? code : tool_fail("%s: no line with a name", path);
}

int input_names(struct names *out, const char *path)
{
    size_t which;
    int code = read_lines(out, path);

    if (code)
        return code;
    if (dkvb_model_set_class_names(NULL, (const char *const *)out->line, out->count, &which) != DKVB_OK)
        return tool_fail("%s: line %zu: %s", path, which + 1, dkvb_last_error());
    return EXIT_SUCCESS;
}

void input_names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->line[i]);
    free(names->line);
    *names = (struct names){0};
}

/* Copies the ids of the rows of a table. */
static int copy_ids(struct ids *out, const dkvb_table_info *info)
{
    out->n = (size_t)info->rows;
    if (!info->id_names) {
        out->id = input_memory("row ids", sizeof *out->id, out->n, 1, 1);
        if (out->id && out->n > 0)
            memcpy(out->id, info->ids, out->n * sizeof *out->id);
        return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    out->name = input_memory("names of rows", sizeof *out->name, out->n, 1, 1);
    for (size_t i = 0; out->name && i < out->n; i++) {
        out->name[i] = strdup(info->id_names[i]);
        if (!out->name[i])
            return tool_fail("out of memory for name %zu", i);
    }
    return out->name ? EXIT_SUCCESS : EXIT_FAILURE;
}

int ids_read(struct ids *out, const char *path, bool names, const struct columns_args *columns)
{
    struct table_use use = {.columns = columns};
    dkvb_table_info info = DKVB_TABLE_INFO_INIT;
    dkvb_table *table = NULL;
    int code;

    *out = (struct ids){.path = path};
    code = read_table(&table, path, DKVB_TABLE_IDS, INPUT_COPIED, &use);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_table_get_info(table, &info));
    if (code == EXIT_SUCCESS && info.id_names && !names)
        code = tool_fail("%s: holds names, '%s' for example, and integers are needed here", path, info.id_names[0]);
    if (code == EXIT_SUCCESS)
        code = copy_ids(out, &info);
    dkvb_table_free(table);
    return code;
}

static int number_rows(struct ids *out, size_t rows)
{
    *out = (struct ids){.n = rows, .id = input_memory("row ids", sizeof *out->id, rows, 1, 1)};
    for (size_t i = 0; out->id && i < rows; i++)
        out->id[i] = i;
    return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
}

int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows)
{
    int code;

    if (!path)
        return number_rows(out, rows);
    code = ids_read(out, path, true, NULL);
    if (code == EXIT_SUCCESS && out->n != rows)
        code = tool_fail("%s has %zu %s, %s has %zu rows: there must be as many of both", path, out->n,
                         out->name ? "names" : "ids", of, rows);
    return code;
}

int ids_of_features(struct ids *out, const char *path, const struct features *x)
{
    if (path || (!x->info.ids && !x->info.id_names))
        return ids_of_rows(out, path, x->path, x->rows);
    *out = (struct ids){.path = x->path};
    return copy_ids(out, &x->info);
}

void ids_free(struct ids *ids)
{
    for (size_t i = 0; ids->name && i < ids->n; i++)
        free(ids->name[i]);
    free(ids->name);
    free(ids->id);
    *ids = (struct ids){0};
}
