#include "io/input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/paths.h"
#include "io/progress.h"
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

int input_features(struct features *out, const char *path, uint32_t how)
{
    double began = progress_clock();
    int code;

    *out = (struct features){.path = path, .array = DKVB_ARRAY_INIT};
    paths_keep_private(path);
    code = tool_check(dkvb_features_read(&out->array, path, how, NULL));
    progress_add_file(began);
    if (code)
        return code;
    out->x = out->array.data;
    out->rows = (size_t)out->array.shape[0];
    out->columns = (size_t)out->array.shape[1];
    return EXIT_SUCCESS;
}

void input_features_free(struct features *features)
{
    dkvb_array_free(&features->array);
    free(features->made);
    features->x = features->made = NULL;
}

int input_features_for(struct features *out, const char *path, const dkvb_model_info *model)
{
    int code = input_features(out, path, DKVB_READ_COPY);

    if (code == EXIT_SUCCESS && out->columns != model->input_dim && out->columns == 1 && out->rows == model->input_dim)
        code = tool_fail("%s: the shape (%zu,) is %zu rows of 1 column, the model takes %" PRIu32
                         " columns; one row has the shape (1, %zu)",
                         path, out->rows, out->rows, model->input_dim, out->rows);
    else if (code == EXIT_SUCCESS && out->columns != model->input_dim)
        code = tool_fail("%s: %zu columns, the model takes %" PRIu32, path, out->columns, model->input_dim);
    return code;
}

/* Labels of `rows` rows of `of`. If these are of one column and the numbers differ, a vector was perhaps meant as one
 * row. */
static int read_labels(struct labels *out, const char *path, const char *of, size_t rows, bool one_column)
{
    int code;

    *out = (struct labels){.path = path, .array = DKVB_ARRAY_INIT, .largest = -1};
    paths_keep_private(path);
    code = tool_check(dkvb_labels_read(&out->array, path, NULL));
    if (code)
        return code;
    out->y = out->array.data;
    out->rows = (size_t)out->array.shape[0];
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

int input_labels(struct labels *out, const char *path, const char *of, size_t rows)
{
    return read_labels(out, path, of, rows, false);
}

int input_labels_for(struct labels *out, const char *path, const struct features *x)
{
    return read_labels(out, path, x->path, x->rows, x->columns == 1);
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
    dkvb_array_free(&labels->array);
    free(labels->made);
    labels->y = labels->made = NULL;
}

static int open_model(dkvb_model **out, const char *path, bool in_place, dkvb_model_info *info)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    double began = progress_clock();
    int code;

    o.in_place = in_place;
    paths_keep_private(path);
    code = tool_check(dkvb_model_load(out, path, &o));
    progress_add_file(began);
    *info = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    return code ? code : tool_check(dkvb_model_get_info(*out, info));
}

int input_model_load(dkvb_model **out, const char *path, dkvb_model_info *info)
{
    return open_model(out, path, false, info);
}

int input_model_map(dkvb_model **out, const char *path, dkvb_model_info *info)
{
    return open_model(out, path, true, info);
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

/* Mark the classes of a list with commas. DKVB_OK, or how looking for the first that is not there ended. */
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
                               &whole); /* first, because a name may hold a comma */
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

/* Lines end in \n or \r\n. Some editors begin a file with a byte order mark: it is no part of the first name. */
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

/* Lines of a text file, those that are blank at its end aside. */
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
    while (out->count > 0 && out->line[out->count - 1][0] == '\0') /* blank lines at the end */
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

/* Whether a file begins as text and not as an array: without control characters but those of lines, and not as .npy. */
static bool is_text(const char *path)
{
    unsigned char start[512];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(start, 1, sizeof start, file) : 0;
    bool text = size > 0 && start[0] != 0x93;

    for (size_t i = 0; i < size; i++)
        text = text && (start[i] >= 0x20 || memchr("\n\r\t", start[i], 3));
    if (file)
        fclose(file);
    return text;
}

int ids_read(struct ids *out, const char *path, bool names)
{
    dkvb_array array = DKVB_ARRAY_INIT;
    int code;

    *out = (struct ids){.path = path};
    paths_keep_private(path);
    if (names && is_text(path)) {
        struct names lines;

        code = read_lines(&lines, path);
        out->name = lines.line;
        out->n = lines.count;
        for (size_t i = 0; code == EXIT_SUCCESS && i < out->n; i++)
            if (!out->name[i][0])
                code = tool_fail("%s: line %zu is empty, every row must have a name", path, i + 1);
        return code;
    }
    code = tool_check(dkvb_array_read(&array, path, DKVB_READ_IDS, NULL));
    if (code)
        return code;
    out->n = (size_t)array.shape[0];
    out->id = input_memory("row ids", sizeof *out->id, out->n, 1, 1);
    if (out->id && out->n > 0)
        memcpy(out->id, array.data, out->n * sizeof *out->id);
    dkvb_array_free(&array);
    return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
}

int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows)
{
    int code;

    if (path) {
        code = ids_read(out, path, true);
        if (code == EXIT_SUCCESS && out->n != rows)
            code = tool_fail("%s has %zu %s, %s has %zu rows: there must be as many of both", path, out->n,
                             out->name ? "names" : "ids", of, rows);
        return code;
    }
    *out = (struct ids){.n = rows, .id = input_memory("row ids", sizeof *out->id, rows, 1, 1)};
    for (size_t i = 0; out->id && i < rows; i++)
        out->id[i] = i;
    return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
}

void ids_free(struct ids *ids)
{
    for (size_t i = 0; ids->name && i < ids->n; i++)
        free(ids->name[i]);
    free(ids->name);
    free(ids->id);
    *ids = (struct ids){0};
}
