#include "codes.h"

#include <stdlib.h>

#include "progress.h"
#include "tool.h"

int codes_search(const dkvb_model *model, const struct features *rows, uint32_t threads, bool exhaustive,
                 uint16_t *codes, float *distances)
{
    dkvb_run_options run = progress_start("search", threads);
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_mask *mask = NULL;
    int code = tool_check(dkvb_model_get_info(model, &info));

    run.exhaustive = exhaustive;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_mask(model, &mask));
    if (code == EXIT_SUCCESS)
        code = tool_check_about(rows->path, dkvb_search(dkvb_model_codebooks(model), mask, rows->x, rows->rows,
                                                        info.top_k, codes, distances, &run));
    progress_stop();
    dkvb_mask_free(mask);
    return code;
}
