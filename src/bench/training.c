/* One epoch of training on random codes and labels. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "io/input.h"
#include "io/json.h"
#include "io/progress.h"
#include "tool.h"

/* Random codes whose `top_k` keys differ, as those of a search do. */
static void draw_codes(struct bench *b)
{
    const struct bench_args *a = &b->args;
    size_t cells = (size_t)a->rows * a->codebooks;

    for (size_t i = 0; i < cells; i++) {
        uint64_t first = bench_draw(b) % a->keys;

        for (uint32_t j = 0; j < a->top_k; j++)
            b->codes[i * a->top_k + j] = (uint16_t)((first + j) % a->keys);
    }
    for (size_t i = 0; i < a->rows; i++)
        b->labels[i] = (int32_t)(bench_draw(b) % a->classes);
}

static int prepare(struct bench *b)
{
    int code = bench_make_codebooks(b);

    if (code == EXIT_SUCCESS)
        code = bench_make_model(b);
    if (code == EXIT_SUCCESS)
        code = bench_make_codes(b, &b->codes);
    if (code)
        return code;
    b->series = 1;
    b->labels = input_memory("labels", sizeof *b->labels, (size_t)b->args.rows, 1, 1);
    if (!b->labels)
        return EXIT_FAILURE;
    draw_codes(b);
    return EXIT_SUCCESS;
}

static int measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
{
    double start = progress_clock();
    dkvb_train_options o;
    int code;

    (void)series;
    dkvb_train_options_init(&o);
    o.epochs = 1;
    code = tool_check(dkvb_model_train(b->model, b->codes, b->args.top_k, b->labels, (size_t)b->args.rows, &o, run));
    *seconds = progress_clock() - start;
    return code;
}

static void say(struct bench *b)
{
    const struct bench_args *a = &b->args;

    printf("%" PRIu32 " classes; bytes: keys %" PRIu64 ", values %" PRIu64 ", codes %" PRIu64 "\n", a->classes,
           bench_key_bytes(a), bench_value_bytes(a), bench_code_bytes(a));
}

static void json(struct bench *b)
{
    json_count("classes", b->args.classes);
    json_count("bytes_values", bench_value_bytes(&b->args));
}

const struct bench_work bench_train = {"train", 0, prepare, measure, say, json};
