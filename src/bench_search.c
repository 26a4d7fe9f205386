/* Search of projected rows: by the index and by looking at every key, in turn, and this machine's peak in between. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "fma_peak.h"
#include "input.h"
#include "json.h"
#include "progress.h"
#include "tool.h"

enum {
    ASKED, /* the way that was asked for */
    PEAK,  /* seconds that the same number of operations takes at the peak */
    OTHER  /* every key; not measured if that was asked for */
};

static uint64_t batch_of(const struct bench_args *a)
{
    return a->batch > 0 && a->batch < a->rows ? a->batch : a->rows;
}

static uint64_t calls_of(const struct bench_args *a)
{
    return (a->rows + batch_of(a) - 1) / batch_of(a);
}

static int prepare_arrays(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = a->keys_file ? bench_read_keys(b) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS && a->rows_file)
        code = bench_read_rows(b);
    if (code == EXIT_SUCCESS)
        code = bench_make_codebooks(b, NULL, 1);
    if (code == EXIT_SUCCESS && !b->rows) {
        b->rows = b->random_rows = bench_draw_gaussian(b, "rows", (size_t)a->rows, a->codebooks, a->key_dim);
        code = b->rows ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return code;
}

static int prepare(struct bench *b)
{
    int code = prepare_arrays(b);

    if (code == EXIT_SUCCESS)
        code = bench_make_codes(b, &b->codes);
    if (code == EXIT_SUCCESS && !b->args.exhaustive)
        code = bench_make_codes(b, &b->other_codes);
    if (code)
        return code;
    b->series = b->args.exhaustive ? OTHER : OTHER + 1;
    b->call_seconds = input_memory("times", sizeof(double), b->args.repeats, (size_t)calls_of(&b->args), 1);
    return b->call_seconds ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* All rows, call by call; `each`, seconds of every call, may be NULL. */
static int search_rows(struct bench *b, uint16_t *codes, const dkvb_run_options *run, double *seconds, double *each)
{
    const struct bench_args *a = &b->args;
    uint64_t batch = batch_of(a), calls = calls_of(a);
    int code = EXIT_SUCCESS;

    *seconds = 0;
    for (uint64_t i = 0; i < calls && code == EXIT_SUCCESS; i++) {
        size_t from = (size_t)(i * batch), n = (size_t)(i + 1 < calls ? batch : a->rows - i * batch);
        double start = progress_clock(), took;

        bench_part(b, (double)i / (double)calls, (double)(i + 1) / (double)calls);
        code = tool_check(dkvb_search_projected(b->codebooks, NULL, b->rows + from * a->codebooks * a->key_dim, n,
                                                a->top_k, codes + from * a->codebooks * a->top_k, NULL, run));
        took = progress_clock() - start;
        *seconds += took;
        if (each)
            each[i] = took;
    }
    return code;
}

static int measure_asked(struct bench *b, const dkvb_run_options *run, double *seconds)
{
    uint64_t held = b->memory.bytes;
    bool first = b->repeat == b->args.repeats;
    double *each = first ? NULL : b->call_seconds + b->repeat * calls_of(&b->args);
    int code = search_rows(b, b->codes, run, seconds, each);

    if (first)
        b->index_bytes = b->memory.bytes - held;
    return code;
}

static int measure_every_key(struct bench *b, const dkvb_run_options *run, double *seconds)
{
    const struct bench_args *a = &b->args;
    dkvb_run_options every = *run;
    int code;

    every.exhaustive = 1;
    code = search_rows(b, b->other_codes, &every, seconds, NULL);
    if (code == EXIT_SUCCESS && memcmp(b->codes, b->other_codes, (size_t)bench_code_bytes(a)) != 0)
        code = tool_fail("looking at every key gives other codes: please report this with the seed and the shape");
    return code;
}

static int measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
{
    dkvb_run_options asked = *run;

    if (series == PEAK) {
        *seconds = bench_search_work(&b->args) / fma_peak(dkvb_runtime_kernels(), dkvb_runtime_threads(run));
        return EXIT_SUCCESS;
    }
    if (series == OTHER)
        return measure_every_key(b, run, seconds);
    asked.exhaustive = b->args.exhaustive;
    return measure_asked(b, &asked, seconds);
}

static double median_call(struct bench *b)
{
    return bench_median(b->call_seconds, (size_t)(b->args.repeats * calls_of(&b->args)));
}

static void say(struct bench *b)
{
    const struct bench_args *a = &b->args;
    double work = bench_search_work(a), seconds = bench_seconds(b, ASKED);

    printf("%.1f gflops, %.2f of the peak of %.1f; the first time took %.4f s\n", work / seconds,
           bench_ratio(b, PEAK, ASKED), work / bench_seconds(b, PEAK), b->first[ASKED]);
    if (calls_of(a) > 1)
        printf("rows in a call: %" PRIu64 "; a call takes %.3f ms\n", batch_of(a), 1e3 * median_call(b));
    if (!a->exhaustive)
        printf("looking at every key: the same codes in %.4f s, %.2f times as long; %.1f gflops, %.2f of the peak\n",
               bench_seconds(b, OTHER), bench_ratio(b, OTHER, ASKED), work / bench_seconds(b, OTHER),
               bench_ratio(b, PEAK, OTHER));
    printf("bytes: keys %" PRIu64 ", index %" PRIu64 ", codes %" PRIu64 "\n", bench_key_bytes(a), b->index_bytes,
           bench_code_bytes(a));
}

static void json(struct bench *b)
{
    const struct bench_args *a = &b->args;
    bool both = !a->exhaustive;
    double work = bench_search_work(a);

    json_count("bytes_index", b->index_bytes);
    json_count("batch", batch_of(a));
    json_real("seconds_call", median_call(b));
    json_real("seconds_first", b->first[ASKED]);
    json_real("peak_gflops", work / bench_seconds(b, PEAK));
    json_real("peak_share", bench_ratio(b, PEAK, ASKED));
    json_bool("exhaustive", a->exhaustive);
    json_real("every_key_seconds", both ? bench_seconds(b, OTHER) : NAN);
    json_real("every_key_gflops", both ? work / bench_seconds(b, OTHER) : NAN);
    json_real("every_key_peak_share", both ? bench_ratio(b, PEAK, OTHER) : NAN);
    json_real("every_key_ratio", both ? bench_ratio(b, OTHER, ASKED) : NAN);
}

const struct bench_work bench_search = {"search", ASKED, prepare, measure, say, json};
