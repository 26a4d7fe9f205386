#include "io/codes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/outside.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

int codes_search(const dkvb_model *model, struct features *rows, uint32_t threads, uint16_t *codes, int32_t *distances)
{
    dkvb_run_options run = progress_start("search", threads);
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_mask *mask = NULL;
    int code = tool_check(dkvb_model_get_info(model, &info));

    run.outside = outside_count(rows);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_journal_get_mask(model, 0, &mask));
    if (code == EXIT_SUCCESS)
        code = tool_check_about(rows->path, dkvb_search(dkvb_model_codebooks(model), mask, rows->x, rows->rows,
                                                        info.top_k, codes, distances, &run));
    progress_stop();
    if (code == EXIT_SUCCESS && run.outside)
        outside_note(rows->path, &rows->outside);
    dkvb_mask_free(mask);
    return code;
}

/* Type and shape as "uint16[400][8][1]". */
static void describe(const dkvb_array *array, char *text, size_t size)
{
    int length = snprintf(text, size, "%s", dkvb_name(DKVB_NAME_DTYPE, array->dtype));

    for (uint32_t i = 0; i < array->ndim; i++)
        length += snprintf(text + length, size - (size_t)length, "[%" PRIu64 "]", array->shape[i]);
}

int codes_check_shape(const struct codes *codes, const dkvb_model_info *model)
{
    const dkvb_array *a = &codes->array;
    char found[32 + 24 * DKVB_ARRAY_MAX_NDIM];

    if (a->dtype == DKVB_DTYPE_U16 && a->ndim == 3 && a->shape[1] == model->codebooks && a->shape[2] == model->top_k)
        return EXIT_SUCCESS;
    describe(a, found, sizeof found);
    return tool_fail("%s: %s, codes of the model are uint16[n][%" PRIu32 "][%" PRIu32 "]", codes->path, found,
                     model->codebooks, model->top_k);
}

/* All at once, before the library looks at some of them and counts rows from there. */
static int check_keys(const struct codes *codes, const dkvb_model_info *model)
{
    size_t size = (size_t)model->codebooks * model->top_k;

    for (size_t i = 0; i < codes->rows * size; i++)
        if (codes->codes[i] >= model->keys && codes->codes[i] != DKVB_CODE_NONE)
            return tool_fail("%s: row %zu, codebook %zu names key %u, keys of the model are 0 to %" PRIu32, codes->path,
                             i / size, i % size / model->top_k, (unsigned)codes->codes[i], model->keys - 1);
    return EXIT_SUCCESS;
}

static void take_array(struct codes *out)
{
    out->codes = out->array.data;
    out->rows = out->array.ndim > 0 ? (size_t)out->array.shape[0] : 0;
}

int codes_read(struct codes *out, const char *path, const dkvb_model_info *model)
{
    int code;

    *out = (struct codes){.path = path, .array = DKVB_ARRAY_INIT};
    paths_keep_private(path);
    code = tool_check(dkvb_array_read(&out->array, path, DKVB_READ_COPY, NULL));
    take_array(out);
    if (code == EXIT_SUCCESS)
        code = codes_check_shape(out, model);
    return code ? code : check_keys(out, model);
}

int codes_map(struct codes *out, const char *path)
{
    int code;

    *out = (struct codes){.path = path, .array = DKVB_ARRAY_INIT};
    paths_keep_private(path);
    code = tool_check(dkvb_array_read(&out->array, path, DKVB_READ_IN_PLACE, NULL));
    take_array(out);
    return code;
}

void codes_free(struct codes *codes)
{
    dkvb_array_free(&codes->array);
    codes->codes = NULL;
}
