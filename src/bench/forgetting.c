/* Forgetting by activations of stored codes, beside the search that gave the codes, and the search after the mask. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "io/input.h"
#include "io/json.h"
#include "io/progress.h"
#include "tool.h"

enum {
    SEARCH,  /* all rows, without the mask: the codes that are stored */
    FORGET,  /* count, choose, mask */
    REFRESH, /* the codes that the mask hit */
    SERIES
};

static int prepare(struct bench *b)
{
    const struct bench_args *a = &b->args;
    int code = bench_make_codebooks(b);

    if (code == EXIT_SUCCESS)
        code = bench_make_model(b);
    if (code == EXIT_SUCCESS)
        code = bench_make_codes(b, &b->codes);
    if (code == EXIT_SUCCESS)
        code = bench_make_codes(b, &b->other_codes);
    if (code)
        return code;
    b->series = SERIES;
    b->rows = b->random_rows = bench_draw_gaussian(b, "rows", (size_t)a->rows, a->input_dim, 1);
    return b->rows ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int search(struct bench *b, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;

    return tool_check(dkvb_search(b->codebooks, NULL, b->rows, (size_t)a->rows, a->top_k, b->codes, NULL, run));
}

static int forget(struct bench *b, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;
    dkvb_request request = DKVB_REQUEST_INIT;
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    dkvb_mask *mask = NULL;
    int code = tool_check(dkvb_mask_new(&mask, b->codebooks));

    request.k = a->top_k;
    request.codes = b->codes;
    request.n = (size_t)a->rows;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_unlearn_choose(mask, b->model, &request, a->pairs, run));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_forget(b->model, mask, NULL, &b->entry));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_get_info(mask, &info));
    b->masked = info.pairs;
    dkvb_mask_free(mask);
    return code;
}

static int refresh(struct bench *b, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;

    return tool_check(dkvb_search_refresh(b->model, b->rows, (size_t)a->rows, a->top_k, b->other_codes, &b->hit, run));
}

/* What is timed, between making ready and putting back. */
static int measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
{
    double start;
    int code;

    if (series == REFRESH)
        memcpy(b->other_codes, b->codes, (size_t)bench_code_bytes(&b->args));
    start = progress_clock();
    code = series == SEARCH ? search(b, run) : series == FORGET ? forget(b, run) : refresh(b, run);
    *seconds = progress_clock() - start;
    if (series == REFRESH && code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_undo(b->model, b->entry, NULL));
    return code;
}

static double share_hit(const struct bench_args *a, uint64_t hit)
{
    return (double)hit / ((double)a->rows * a->codebooks);
}

static void say(struct bench *b)
{
    const struct bench_args *a = &b->args;
    double hit = share_hit(a, b->hit);

    printf("%" PRIu64 " pairs counted, chosen and masked in %.3f ms; those rows are searched in %.4f s, %.0f times as "
           "long\n",
           b->masked, 1e3 * bench_seconds(b, FORGET), bench_seconds(b, SEARCH), bench_ratio(b, SEARCH, FORGET));
    printf(
        "the mask hits %.3f of their codes; they are searched again in %.4f s, %.2f times that share of the search\n",
        hit, bench_seconds(b, REFRESH), bench_ratio(b, REFRESH, SEARCH) / hit);
    printf("bytes: keys %" PRIu64 ", codes %" PRIu64 "\n", bench_key_bytes(a), bench_code_bytes(a));
}

static void json(struct bench *b)
{
    double hit = share_hit(&b->args, b->hit);

    json_count("input_dim", b->args.input_dim);
    json_count("pairs_masked", b->masked);
    json_real("search_seconds", bench_seconds(b, SEARCH));
    json_real("search_ratio", bench_ratio(b, SEARCH, FORGET));
    json_real("refresh_seconds", bench_seconds(b, REFRESH));
    json_real("refresh_share", hit);
    json_real("refresh_ratio", bench_ratio(b, REFRESH, SEARCH) / hit);
}

const struct bench_work bench_forget = {"forget", FORGET, prepare, measure, say, json};
