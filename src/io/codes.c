#include "io/codes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

enum { BLOCK_ROWS = 8192 }; /* number of rows that are read at a time if the features stay in their file */

/* Finds the codes of rows by searching their nearest keys, block by block if the rows have to be read from a file. */
static int search_blocks(const dkvb_codebooks *cb, const dkvb_mask *mask, const struct features *rows, uint32_t k,
                         uint16_t *codes, const dkvb_run_options *run)
{
    dkvb_codebooks_info info = DKVB_CODEBOOKS_INFO_INIT;
    size_t most = rows->source && rows->rows > BLOCK_ROWS ? BLOCK_ROWS : rows->rows;
    const float *x;
    float *block;
    int code = tool_check(dkvb_codebooks_get_info(cb, &info));

    if (code || (code = input_block(&block, rows, most)))
        return code;
    for (size_t first = 0, n; first < rows->rows && code == EXIT_SUCCESS; first += n) {
        size_t at = first * info.codebooks * k;

        n = rows->rows - first < most ? rows->rows - first : most;
        progress_span((double)first / (double)rows->rows, (double)(first + n) / (double)rows->rows);
        code = input_rows(rows, first, n, block, &x);
        if (code == EXIT_SUCCESS)
            code = tool_check_about(rows->path, dkvb_search(cb, mask, x, n, k, codes + at, NULL, run));
        if (code && first > 0)
            tool_note("%s: rows are counted from row %zu on here", rows->path, first);
    }
    free(block);
    return code;
}

int codes_search(const dkvb_model *model, struct features *rows, uint32_t threads, uint16_t *codes)
{
    dkvb_run_options run = progress_start("search", threads);
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_mask *mask = NULL;
    int code = tool_check(dkvb_model_get_info(model, &info));

    run.outside = outside_count(rows);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_journal_get_mask(model, 0, &mask));
    if (code == EXIT_SUCCESS)
        code = search_blocks(dkvb_model_codebooks(model), mask, rows, info.top_k, codes, &run);
    progress_stop();
    if (code == EXIT_SUCCESS && run.outside)
        outside_note(rows->path, &rows->outside);
    dkvb_mask_free(mask);
    return code;
}

int codes_check_shape(const struct codes *codes, const dkvb_model_info *model)
{
    const dkvb_array *a = &codes->array;
    char found[32 + 24 * DKVB_ARRAY_MAX_NDIM]; /* number type and shape of the array found, as "uint16[400][8][1]" */
    int length;

    if (a->dtype == DKVB_DTYPE_U16 && a->ndim == 3 && a->shape[1] == model->codebooks && a->shape[2] == model->top_k)
        return EXIT_SUCCESS;
    length = snprintf(found, sizeof found, "%s", dkvb_name(DKVB_NAME_DTYPE, a->dtype));
    for (uint32_t i = 0; i < a->ndim; i++)
        length += snprintf(found + length, sizeof found - (size_t)length, "[%" PRIu64 "]", a->shape[i]);
    return tool_fail("%s: %s, codes of the model are uint16[n][%" PRIu32 "][%" PRIu32 "]", codes->path, found,
                     model->codebooks, model->top_k);
}

static int open_codes(struct codes *out, const char *path, uint32_t how)
{
    int code;

    *out = (struct codes){.path = path, .array = DKVB_ARRAY_INIT};
    paths_keep_private(path);
    code = tool_check(dkvb_array_read(&out->array, path, how, NULL));
    out->codes = out->array.data;
    out->rows = out->array.ndim > 0 ? (size_t)out->array.shape[0] : 0;
    return code;
}

/* Reads codes from a file and checks all keys at once. All codes are in memory at once: if codes were given to the
 * library in parts, messages would number the rows from the start of each part. */
int codes_read(struct codes *out, const char *path, const dkvb_model_info *model)
{
    size_t size = (size_t)model->codebooks * model->top_k;
    int code;

    if ((code = open_codes(out, path, DKVB_READ_COPY)) || (code = codes_check_shape(out, model)))
        return code;
    for (size_t i = 0; i < out->rows * size; i++)
        if (out->codes[i] >= model->keys && out->codes[i] != DKVB_CODE_NONE)
            return tool_fail("%s: row %zu, codebook %zu names key %u, keys of the model are 0 to %" PRIu32, path,
                             i / size, i % size / model->top_k, (unsigned)out->codes[i], model->keys - 1);
    return EXIT_SUCCESS;
}

int codes_map(struct codes *out, const char *path)
{
    return open_codes(out, path, DKVB_READ_IN_PLACE);
}

void codes_free(struct codes *codes)
{
    dkvb_array_free(&codes->array);
    codes->codes = NULL;
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
    if (!S_ISREG(st.st_mode)) /* the codes file must be a regular file, as opening a pipe would wait for a writer */
        return tool_fail("%s: is not a regular file", path);
    file = fopen(path, "rb");
    if (!file)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    *is = fread(first, 1, sizeof first, file) == sizeof first && memcmp(first, magic, sizeof magic) == 0;
    if (ferror(file)) /* a file that cannot be read must not be reported as a file of another kind */
        code = tool_fail("%s: cannot read: %s", path, strerror(errno));
    fclose(file);
    return code;
}

int codeset_load(dkvb_codeset **out, const char *path, const dkvb_model *model)
{
    double began = progress_clock();
    int code;

    paths_keep_private(path);
    code = tool_check(dkvb_codeset_load(out, path, model ? dkvb_model_codebooks(model) : NULL, NULL));
    progress_add_file(began);
    return code;
}

int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads)
{
    dkvb_run_options run = progress_start("search", threads);
    int code = codeset_load(out, path, model);

    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_codeset_search(*out, dkvb_model_codebooks(model), DKVB_PART_BOTH, &run));
    progress_stop();
    return code;
}

static struct {
    const char *path;
    dkvb_outside found;
} noted[4]; /* an array of four files is enough, as no command searches the rows of more than four files */

static size_t count;

dkvb_outside *outside_count(struct features *rows)
{
    if (rows->outside.searched > 0)
        return NULL;
    rows->outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    return &rows->outside;
}

static void tell(const char *path, const dkvb_outside *found)
{
    char why[128];

    if (found->length < found->least || found->length > found->greatest)
        snprintf(why, sizeof why, "has length %.4g, usual are %.4g to %.4g", found->length, found->least,
                 found->greatest);
    else
        snprintf(why, sizeof why, "has %.0f %% of its numbers at an end of the scale, usual are 20 %% at most",
                 100 * found->cut);
    tool_note(
        "%s: %" PRIu64 " of %" PRIu64 " rows %s outside the scale of the keys; the first, row %" PRIu64
        ", %s. Codes of such rows mean little: give rows of the type, range and encoder that the keys were placed "
        "with",
        path, found->rows, found->searched, found->rows == 1 ? "is" : "are", found->first, why);
}

void outside_note(const char *path, const dkvb_outside *found)
{
    if (found->rows == 0 || count == sizeof noted / sizeof *noted)
        return;
    noted[count].path = path;
    noted[count++].found = *found;
}

void outside_tell(void)
{
    for (size_t i = 0; i < count; i++)
        tell(noted[i].path, &noted[i].found);
}
