#include "codeset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codes.h"
#include "paths.h"
#include "progress.h"
#include "tool.h"

/* Deep codes of the rows held out, in the order of the file; to be free()d. */
static int search_held_out(const struct codeset_source *s, uint32_t depth, uint16_t **deep)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct features held = {.path = s->x->path, .columns = s->x->columns};
    int code = tool_check(dkvb_model_get_info(s->model, &info));

    *deep = NULL;
    for (size_t i = 0; i < s->x->rows; i++)
        held.rows += s->held_out[i];
    if (code || held.rows == 0)
        return code;
    held.x = input_memory("rows held out", sizeof *held.x, held.rows, held.columns, 1);
    *deep = held.x ? input_memory("codes", sizeof **deep, held.rows, info.codebooks, depth) : NULL;
    if (!*deep) {
        free(held.x);
        return EXIT_FAILURE;
    }
    for (size_t i = 0, at = 0; i < s->x->rows; i++)
        if (s->held_out[i])
            memcpy(held.x + at++ * held.columns, s->x->x + i * held.columns, held.columns * sizeof *held.x);
    code = codes_search_deep(s->model, &held, depth, s->threads, *deep);
    free(held.x);
    return code;
}

enum { CHUNK = 4096 }; /* rows that are handed to the codeset at a time */

/* Rows of one part, by ascending id. order: of all rows; deep: codes of the rows held out, place[i]: which of them row
 * i is. */
struct part_source {
    const struct codeset_source *all;
    const size_t *order, *place;
    const uint16_t *deep;
    uint32_t part, dtype; /* dtype: that features are kept in */
    dkvb_codeset_rows rows;
    uint64_t ids[CHUNK];
    int32_t labels[CHUNK];
    uint16_t *codes; /* [CHUNK][C][k] */
    char *features;  /* [CHUNK][columns] of dtype */
};

static void take_row(struct part_source *p, size_t i)
{
    const struct codeset_source *s = p->all;
    size_t size = (size_t)p->rows.codebooks * p->rows.k, columns = s->x->columns, at = p->rows.n++;

    p->ids[at] = s->ids->id[i];
    p->labels[at] = s->labels[i];
    memcpy(p->codes + at * size, p->part == DKVB_PART_HELD_OUT ? p->deep + p->place[i] * size : s->codes + i * size,
           size * sizeof *p->codes);
    dkvb_codeset_narrow(p->features + at * columns * dkvb_dtype_size(p->dtype), p->dtype, s->x->x + i * columns,
                        columns);
}

static int add_part(dkvb_codeset *set, struct part_source *p)
{
    const struct codeset_source *s = p->all;
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    int code = tool_check(dkvb_codeset_get_rows(set, p->part, &part));

    if (code)
        return code;
    p->rows = (dkvb_codeset_rows)DKVB_CODESET_ROWS_INIT;
    p->rows.codebooks = part.codebooks;
    p->rows.k = part.k;
    p->rows.dtype = p->dtype;
    p->rows.columns = (uint32_t)s->x->columns;
    p->codes = input_memory("codes", sizeof *p->codes, CHUNK, part.codebooks, part.k);
    p->features = input_memory("features", dkvb_dtype_size(p->dtype), CHUNK, s->x->columns, 1);
    if (!p->codes || !p->features)
        code = EXIT_FAILURE;
    p->rows.ids = p->ids;
    p->rows.labels = p->labels;
    p->rows.codes = p->codes;
    p->rows.features = p->features;
    for (size_t n = 0; n < s->ids->n && code == EXIT_SUCCESS; n++) {
        if (s->held_out[p->order[n]] == (p->part == DKVB_PART_HELD_OUT))
            take_row(p, p->order[n]);
        if (p->rows.n == CHUNK || n + 1 == s->ids->n) {
            code = tool_check(dkvb_codeset_add_rows(set, p->part, &p->rows));
            p->rows.n = 0;
        }
    }
    free(p->codes);
    free(p->features);
    return code;
}

static int add_rows(dkvb_codeset *set, const struct codeset_source *s, const size_t *order, const size_t *place,
                    const uint16_t *deep)
{
    struct part_source *p = input_memory("rows", sizeof *p, 1, 1, 1);
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;
    uint32_t narrowest = dkvb_codeset_narrowest(s->x->x, s->x->rows * s->x->columns);
    int code = p ? tool_check(dkvb_codeset_get_info(set, &info)) : EXIT_FAILURE;

    for (uint32_t part = DKVB_PART_TRAINING; part <= DKVB_PART_HELD_OUT && code == EXIT_SUCCESS; part++) {
        p->all = s;
        p->order = order;
        p->place = place;
        p->deep = deep;
        p->part = part;
        p->dtype = narrowest;
        if (info.rows[part] > 0 && info.kept[part] == DKVB_KEPT_FEATURES)
            p->dtype = info.dtype[part];
        if (narrowest > p->dtype) /* types are numbered by what they hold */
            code = tool_fail("%s: its numbers are not exact in %s, which the codes keep features in", s->x->path,
                             dkvb_dtype_name(p->dtype));
        if (code == EXIT_SUCCESS)
            code = add_part(set, p);
    }
    free(p);
    return code;
}

int codeset_make(dkvb_codeset **out, const struct codeset_source *s)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    int code = tool_check(dkvb_model_get_info(s->model, &info));

    *out = NULL;
    o.top_k = info.top_k;
    o.depth = s->depth > o.top_k ? s->depth : o.top_k;
    o.keep = s->keep;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_new(out, dkvb_model_codebooks(s->model), &o));
    return code ? code : codeset_add(*out, s);
}

int codeset_add(dkvb_codeset *set, const struct codeset_source *s)
{
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    uint16_t *deep = NULL;
    size_t *order = ids_order(s->ids), *place = input_memory("row ids", sizeof *place, s->ids->n, 1, 1);
    int code = order && place ? tool_check(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held)) : EXIT_FAILURE;

    if (code == EXIT_SUCCESS)
        code = search_held_out(s, held.k, &deep);
    for (size_t i = 0, at = 0; code == EXIT_SUCCESS && i < s->ids->n; i++) {
        place[i] = at;
        at += s->held_out[i];
    }
    if (code == EXIT_SUCCESS)
        code = add_rows(set, s, order, place, deep);
    free(deep);
    free(order);
    free(place);
    return code;
}

int codeset_is(const char *path, bool *is)
{
    static const char magic[4] = {'D', 'K', 'V', 'B'};
    char first[sizeof magic];
    struct stat st;
    int code = EXIT_SUCCESS;
    FILE *file;

    *is = false;
    if (stat(path, &st) != 0)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) /* opening a pipe would wait for a writer */
        return tool_fail("%s: is not a regular file", path);
    file = fopen(path, "rb");
    if (!file)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    *is = fread(first, 1, sizeof first, file) == sizeof first && memcmp(first, magic, sizeof magic) == 0;
    if (ferror(file)) /* a file that cannot be read is not one of another kind */
        code = tool_fail("%s: cannot read: %s", path, strerror(errno));
    fclose(file);
    return code;
}

int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads)
{
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;
    dkvb_run_options run;
    int code;

    paths_keep_private(path);
    code = tool_check(dkvb_codeset_load(out, path, NULL));
    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_codeset_check(*out, dkvb_model_codebooks(model)));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_info(*out, &info));
    if (code || info.searched)
        return code;
    run = progress_start("search", threads);
    code = tool_check_about(path, dkvb_codeset_search(*out, dkvb_model_codebooks(model), &run));
    progress_stop();
    return code;
}
