#include "commands/answers.h"

#include <stdlib.h>

#include "io/outside.h"
#include "io/progress.h"
#include "tool.h"

enum { MOST_ROWS = 8192, MOST_LOGITS = 8 * 1024 * 1024 };

struct block {
    size_t rows;
    int32_t *labels;
    float *logits;
};

/* What is classified, and what with. */
struct asked {
    const dkvb_model *model;
    dkvb_model_info info;
    struct features *features;
    struct codes *codes; /* of the rows, or NULL */
    uint64_t searched;   /* (row, codebook) pairs whose codes were out of date */
};

static size_t block_rows(size_t rows, size_t classes)
{
    size_t most = MOST_LOGITS / classes;

    most = most < MOST_ROWS ? most : MOST_ROWS;
    most = most > 0 ? most : 1;
    return rows < most ? rows : most;
}

/* A row without any key left. */
static bool abstains(const uint16_t *code, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (code[i] != DKVB_CODE_NONE)
            return false;
    return true;
}

static int answer_codes(struct asked *a, size_t first, size_t n, const struct block *block, const dkvb_run_options *run)
{
    size_t size = (size_t)a->info.codebooks * a->info.top_k;
    uint16_t *codes = a->codes->codes + first * size;
    const float *x = a->features->x + first * a->features->columns;
    uint64_t searched = 0;
    int code = tool_check(dkvb_search_refresh(a->model, x, n, a->info.top_k, codes, &searched, run));

    a->searched += searched;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_decode(a->model, codes, a->info.top_k, n, block->logits, run));
    if (code)
        return code;
    dkvb_decode_argmax(block->logits, n, a->info.classes, block->labels);
    for (size_t i = 0; i < n; i++)
        if (abstains(codes + i * size, size))
            block->labels[i] = -1;
    return EXIT_SUCCESS;
}

static int answer_rows(struct asked *a, size_t first, size_t n, const struct block *block, const dkvb_run_options *run)
{
    const float *x = a->features->x + first * a->features->columns;

    if (a->codes)
        return answer_codes(a, first, n, block, run);
    return tool_check(dkvb_model_predict(a->model, x, n, block->labels, block->logits, run));
}

static int answer_all(struct asked *a, const struct block *block, uint32_t threads, answers_fn fn, void *user)
{
    dkvb_run_options run = progress_start("predict", threads);
    size_t n, rows = a->features->rows;

    run.outside = a->codes ? NULL : outside_count(a->features);
    for (size_t first = 0; first < rows; first += n) {
        int code;

        n = rows - first < block->rows ? rows - first : block->rows;
        progress_span((double)first / (double)rows, (double)(first + n) / (double)rows);
        code = answer_rows(a, first, n, block, &run);
        if (code == EXIT_SUCCESS)
            code = fn(user, first, n, block->labels, block->logits);
        if (code)
            return code;
    }
    progress_stop();
    if (run.outside)
        outside_note(a->features->path, run.outside);
    return EXIT_SUCCESS;
}

static int answer(struct asked *a, uint32_t threads, answers_fn fn, void *user)
{
    struct block block = {0};
    int code;

    a->info = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    code = tool_check(dkvb_model_get_info(a->model, &a->info));
    if (code)
        return code;
    block.rows = block_rows(a->features->rows, a->info.classes);
    block.labels = input_memory("labels", sizeof *block.labels, block.rows, 1, 1);
    block.logits = block.labels ? input_memory("logits", sizeof *block.logits, block.rows, a->info.classes, 1) : NULL;
    code = block.logits ? answer_all(a, &block, threads, fn, user) : EXIT_FAILURE;
    free(block.labels);
    free(block.logits);
    return code;
}

int answers_each(const dkvb_model *model, struct features *features, uint32_t threads, answers_fn fn, void *user)
{
    struct asked a = {.model = model, .features = features};

    return answer(&a, threads, fn, user);
}

int answers_from_codes(const dkvb_model *model, struct features *features, struct codes *codes, uint32_t threads,
                       uint64_t *searched, answers_fn fn, void *user)
{
    struct asked a = {.model = model, .features = features, .codes = codes};
    int code = answer(&a, threads, fn, user);

    *searched = a.searched;
    return code;
}
