/* Search of rows, and the projection that is a part of it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "io/input.h"
#include "io/json.h"
#include "io/progress.h"
#include "tool.h"

enum {
    SEARCH,
    PROJECT /* the same rows, projected only; not measured where they come projected */
};

static uint64_t batch_of(const struct bench_args *a)
{
    return a->batch > 0 && a->batch < a->rows ? a->batch : a->rows;
}

static uint64_t calls_of(const struct bench_args *a)
{
    return (a->rows + batch_of(a) - 1) / batch_of(a);
}

static int prepare(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = a->keys_file ? bench_read_keys(b) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS && a->rows_file)
        code = bench_read_rows(b);
    if (code == EXIT_SUCCESS)
        code = bench_make_codebooks(b);
    if (code == EXIT_SUCCESS)
        code = bench_make_codes(b, &b->codes);
    if (code)
        return code;
    if (!b->rows) {
        b->rows = b->random_rows = bench_draw_gaussian(b, "rows", (size_t)a->rows, a->input_dim, 1);
        b->projected = input_memory("projected rows", 1, (size_t)a->rows, a->codebooks, a->key_dim);
        if (!b->rows || !b->projected)
            return EXIT_FAILURE;
    }
    b->series = b->projected ? PROJECT + 1 : PROJECT;
    b->call_seconds = input_memory("times", sizeof(double), a->repeats, (size_t)calls_of(a), 1);
    return b->call_seconds ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Rows [from, from + n). */
static dkvb_status search_call(const struct bench *b, size_t from, size_t n, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;
    uint16_t *codes = b->codes + from * a->codebooks * a->top_k;

    return b->projected ? dkvb_search(b->codebooks, NULL, b->rows + from * a->input_dim, n, a->top_k, codes, NULL, run)
                        : dkvb_search_projected(b->codebooks, NULL, b->rows + from * a->codebooks * a->key_dim, n,
                                                a->top_k, codes, NULL, run);
}

/* All rows, call by call; `each`, seconds of every call, may be NULL. */
static int search_rows(struct bench *b, const dkvb_run_options *run, double *seconds, double *each)
{
    const struct bench_args *a = &b->args;
    uint64_t batch = batch_of(a), calls = calls_of(a);
    int code = EXIT_SUCCESS;

    *seconds = 0;
    for (uint64_t i = 0; i < calls && code == EXIT_SUCCESS; i++) {
        size_t from = (size_t)(i * batch), n = (size_t)(i + 1 < calls ? batch : a->rows - i * batch);
        double start = progress_clock(), took;

        bench_part(b, (double)i / (double)calls, (double)(i + 1) / (double)calls);
        code = tool_check(search_call(b, from, n, run));
        took = progress_clock() - start;
        *seconds += took;
        if (each)
            each[i] = took;
    }
    return code;
}

static int measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
{
    bool first = b->repeat == b->args.repeats;
    double start;
    int code;

    if (series == SEARCH)
        return search_rows(b, run, seconds, first ? NULL : b->call_seconds + b->repeat * calls_of(&b->args));
    start = progress_clock();
    code = tool_check(dkvb_codebooks_project(b->codebooks, b->rows, (size_t)b->args.rows, b->projected, NULL, run));
    *seconds = progress_clock() - start;
    return code;
}

static double median_call(struct bench *b)
{
    return bench_median(b->call_seconds, (size_t)(b->args.repeats * calls_of(&b->args)));
}

static void say(struct bench *b)
{
    const struct bench_args *a = &b->args;

    printf("%.1f billion operations a second; the first time took %.4f s\n",
           bench_search_work(a) / bench_seconds(b, SEARCH), b->first[SEARCH]);
    if (b->projected)
        printf("projecting alone takes %.4f s, %.3f of that\n", bench_seconds(b, PROJECT),
               bench_ratio(b, PROJECT, SEARCH));
    if (calls_of(a) > 1)
        printf("rows in a call: %" PRIu64 "; a call takes %.3f ms\n", batch_of(a), 1e3 * median_call(b));
    printf("bytes: keys %" PRIu64 ", codes %" PRIu64 "\n", bench_key_bytes(a), bench_code_bytes(a));
}

static void json(struct bench *b)
{
    const struct bench_args *a = &b->args;

    json_count("batch", batch_of(a));
    json_real("seconds_call", median_call(b));
    json_real("seconds_first", b->first[SEARCH]);
    json_real("project_seconds", b->projected ? bench_seconds(b, PROJECT) : NAN);
    json_real("project_ratio", b->projected ? bench_ratio(b, PROJECT, SEARCH) : NAN);
}

const struct bench_work bench_search = {"search", SEARCH, prepare, measure, say, json};
