#include "answers.h"

#include <stdlib.h>

#include "progress.h"
#include "tool.h"

enum { MOST_ROWS = 8192, MOST_LOGITS = 8 * 1024 * 1024 };

struct block {
    size_t rows;
    int32_t *labels;
    float *logits;
};

static size_t block_rows(size_t rows, size_t classes)
{
    size_t most = MOST_LOGITS / classes;

    most = most < MOST_ROWS ? most : MOST_ROWS;
    most = most > 0 ? most : 1;
    return rows < most ? rows : most;
}

static int answer_all(const struct block *block, const dkvb_model *model, const struct features *features,
                      uint32_t threads, answers_fn fn, void *user)
{
    dkvb_run_options run = progress_start("predict", threads);
    size_t n;

    for (size_t first = 0; first < features->rows; first += n) {
        const float *x = features->x + first * features->columns;
        int code;

        n = features->rows - first < block->rows ? features->rows - first : block->rows;
        progress_span((double)first / (double)features->rows, (double)(first + n) / (double)features->rows);
        code = tool_check(dkvb_model_predict(model, x, n, block->labels, block->logits, &run));
        if (code == EXIT_SUCCESS)
            code = fn(user, first, n, block->labels, block->logits);
        if (code)
            return code;
    }
    progress_stop();
    return EXIT_SUCCESS;
}

int answers_each(const dkvb_model *model, const struct features *features, uint32_t threads, answers_fn fn, void *user)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct block block = {0};
    int code = tool_check(dkvb_model_get_info(model, &info));

    if (code)
        return code;
    block.rows = block_rows(features->rows, info.classes);
    block.labels = input_memory("labels", sizeof *block.labels, block.rows, 1, 1);
    block.logits = block.labels ? input_memory("logits", sizeof *block.logits, block.rows, info.classes, 1) : NULL;
    code = block.logits ? answer_all(&block, model, features, threads, fn, user) : EXIT_FAILURE;
    free(block.labels);
    free(block.logits);
    return code;
}
