/* dkvb bench: how fast search, training and forgetting run here, on random data or given arrays; median of repeats. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "bench/bench.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

#define AT(member) offsetof(struct bench_args, member)

static const struct args_option options[] = {
    {"codebooks", ARGS_U32, AT(codebooks), "C", .help = "codebooks; what suits 50,000 rows of 512 columns if not given",
     .least = 1},
    {"keys", ARGS_U32, AT(keys), "K", .help = "keys per codebook; the same", .least = 1},
    {"key-dim", ARGS_U32, AT(key_dim), "D", .help = "width of a key; the same", .least = 1},
    {"rows", ARGS_U64, AT(rows), "N", .help = "rows", .least = 1, .shows_default = true},
    {"batch", ARGS_U64, AT(batch), "N", .help = "search: rows in a call; default: all of them", .least = 1},
    {"input-dim", ARGS_U32, AT(input_dim), "M", .help = "width of a row", .least = 1, .shows_default = true},
    {"top-k", ARGS_U32, AT(top_k), "N", .help = "keys selected in a codebook", .least = 1, .shows_default = true},
    {"classes", ARGS_U32, AT(classes), "L", .help = "train: classes", .least = 1, .shows_default = true},
    {"pairs", ARGS_U64, AT(pairs), "NA", .help = "forget: pairs to mask", .least = 1, .shows_default = true},
    {"repeats", ARGS_U32, AT(repeats), "N", .help = "runs after a first one; medians count", .least = 1,
     .shows_default = true},
    {"keys-file", ARGS_TEXT, AT(keys_file), "KEYS.npy", .help = "search: float32[C][K][d] instead of random keys"},
    {"rows-file", ARGS_TEXT, AT(rows_file), "ROWS.npy", .help = "search: float32[n][C][d], projected rows"},
    {"codes-out", ARGS_TEXT, AT(codes_out), "CODES.npy", .help = "search: the answers, uint16[n][C][k]"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "of the random data", .shows_default = true},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static void set_defaults(void *values)
{
    struct bench_args *args = values;
    dkvb_settings suit;

    dkvb_settings_init(&suit);
    if (dkvb_fit_suit(&suit, 50000, 512, 10, DKVB_PRESET_NONE, 0) == DKVB_OK) {
        args->codebooks = suit.keyinit.codebooks;
        args->keys = suit.keyinit.keys;
        args->key_dim = suit.keyinit.key_dim;
    }
    args->top_k = 1;
    args->rows = 1024;
    args->input_dim = 512;
    args->classes = 10;
    args->pairs = 100000;
    args->repeats = 3;
}

static const struct args_command command = {
    .name = "bench",
    .synopsis = "search|train|forget [options]",
    .about = "Time one part of the work: search of rows, beside the projection that is a part of it; one epoch of "
             "training on\n"
             "stored codes; or forgetting by activations (count, choose, mask) from stored codes, beside the search "
             "that gave\n"
             "them and the search after the mask.",
    .options = options,
    .size = sizeof(struct bench_args),
    .defaults = set_defaults,
    .least_operands = 1,
    .most_operands = 1,
};

static const struct bench_work *const works[] = {&bench_search, &bench_train, &bench_forget};

void bench_part(const struct bench *b, double from, double to)
{
    double size = b->step_to - b->step_from;

    progress_span(b->step_from + from * size, b->step_from + to * size);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_doubles);
    return numbers[count / 2];
}

double bench_seconds(struct bench *b, uint32_t series)
{
    memcpy(b->sorted, b->measured[series], b->args.repeats * sizeof *b->sorted);
    return bench_median(b->sorted, b->args.repeats);
}

double bench_ratio(struct bench *b, uint32_t over, uint32_t under)
{
    for (uint32_t i = 0; i < b->args.repeats; i++)
        b->sorted[i] = b->measured[over][i] / b->measured[under][i];
    return bench_median(b->sorted, b->args.repeats);
}

double bench_search_work(const struct bench_args *a)
{
    return 2.0 * a->codebooks * a->keys * a->key_dim * (double)a->rows / 1e9;
}

static int check_args(const struct bench_args *args, const struct bench_work **work)
{
    static const char *const of_search[] = {"keys-file", "rows-file", "codes-out", "batch", NULL};
    static const char *const of_keys[] = {"codebooks", "keys", "key-dim", NULL};
    static const char *const of_rows[] = {"codebooks", "key-dim", "rows", NULL};
    int code = EXIT_SUCCESS;

    *work = NULL;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(args->args.operand[0], works[i]->name) == 0)
            *work = works[i];
    if (!*work)
        return args_misused(&command, "search, train or forget is wanted");
    if (*work != &bench_search)
        code = args_refuse(&command, args, of_search, "this bench: it is for search");
    if (code == EXIT_SUCCESS && args->keys_file)
        code = args_refuse(&command, args, of_keys, "--keys-file: the file gives the shape");
    if (code == EXIT_SUCCESS && args->rows_file)
        code = args_refuse(&command, args, of_rows, "--rows-file: the file gives the shape");
    return code;
}

/* All series once. The time before the first repeat, when pages are found, does not count. */
static int run_repeat(struct bench *b, const struct bench_work *work, uint32_t done, const dkvb_run_options *run)
{
    double steps = ((double)b->args.repeats + 1) * b->series;
    int code = EXIT_SUCCESS;

    b->repeat = done > 0 ? done - 1 : b->args.repeats;
    for (uint32_t i = 0; i < b->series && code == EXIT_SUCCESS; i++) {
        double step = (double)done * b->series + i;

        b->step_from = step / steps;
        b->step_to = (step + 1) / steps;
        bench_part(b, 0, 1);
        code = progress_interrupted() ? tool_interrupted()
                                      : work->measure(b, i, run, done > 0 ? &b->measured[i][done - 1] : &b->first[i]);
    }
    return code;
}

static int run_repeats(struct bench *b, const struct bench_work *work)
{
    dkvb_run_options run = progress_start(work->name, b->args.threads);
    int code = EXIT_SUCCESS;

    for (uint32_t done = 0; done <= b->args.repeats && code == EXIT_SUCCESS; done++)
        code = run_repeat(b, work, done, &run);
    progress_stop();
    return code;
}

static uint32_t threads_of(const struct bench_args *a)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = a->threads;
    return dkvb_runtime_threads(&run);
}

static void say(struct bench *b, const struct bench_work *work)
{
    const struct bench_args *a = &b->args;
    double seconds = bench_seconds(b, work->told);

    printf("%s: %.0f rows a second (%" PRIu64 " rows in %.4f s)\n", work->name, (double)a->rows / seconds, a->rows,
           seconds);
    printf("%" PRIu32 " codebooks of %" PRIu32 " keys, %" PRIu32 " wide; top %" PRIu32 "; kernels %s; threads %" PRIu32
           "; median of %" PRIu32 "\n",
           a->codebooks, a->keys, a->key_dim, a->top_k, dkvb_runtime_kernels(), threads_of(a), a->repeats);
    work->say(b);
}

static void say_json(struct bench *b, const struct bench_work *work)
{
    const struct bench_args *a = &b->args;
    double seconds = bench_seconds(b, work->told);

    json_open(NULL, '{');
    json_real("rows_per_second", (double)a->rows / seconds);
    json_real("seconds", seconds);
    json_real("gops", work == &bench_search ? bench_search_work(a) / seconds : NAN);
    json_text("kernel", dkvb_runtime_kernels());
    json_count("threads", threads_of(a));
    json_count("codebooks", a->codebooks);
    json_count("keys", a->keys);
    json_count("key_dim", a->key_dim);
    json_count("rows", a->rows);
    json_count("top_k", a->top_k);
    json_count("repeats", a->repeats);
    json_count("bytes_keys", bench_key_bytes(a));
    json_count("bytes_codes", bench_code_bytes(a));
    work->json(b);
    json_close('}');
}

static int make_times(struct bench *b)
{
    b->sorted = input_memory("times", sizeof(double), b->args.repeats, 1, 1);
    if (!b->sorted)
        return EXIT_FAILURE;
    for (uint32_t i = 0; i < b->series; i++) {
        b->measured[i] = input_memory("times", sizeof(double), b->args.repeats, 1, 1);
        if (!b->measured[i])
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int write_codes(const struct bench *b)
{
    uint64_t shape[] = {b->args.rows, b->args.codebooks, b->args.top_k};

    return b->args.codes_out ? output_npy(b->args.codes_out, DKVB_DTYPE_U16, 3, shape, b->codes) : EXIT_SUCCESS;
}

static int check_paths(const struct bench_args *args)
{
    const struct path inputs[] = {{"--keys-file", args->keys_file}, {"--rows-file", args->rows_file}, {0}};
    const struct path outputs[] = {{"--codes-out", args->codes_out}, {0}};

    return paths_check(&command, inputs, outputs);
}

static int bench(struct bench *b, const struct bench_work *work)
{
    int code = work->prepare(b);

    if (code == EXIT_SUCCESS)
        code = make_times(b);
    if (code == EXIT_SUCCESS)
        code = run_repeats(b, work);
    if (code == EXIT_SUCCESS)
        code = write_codes(b);
    if (code)
        return code;
    if (b->args.json)
        say_json(b, work);
    else
        say(b, work);
    return EXIT_SUCCESS;
}

int cmd_bench(int argc, char **argv)
{
    struct bench b = {.keys_file = DKVB_ARRAY_INIT, .rows_file = DKVB_ARRAY_INIT};
    const struct bench_work *work;
    int code;

    if (!args_parse(&command, argc, argv, &b.args, &code))
        return code;
    b.random = b.args.seed;
    code = check_args(&b.args, &work);
    if (code == EXIT_SUCCESS)
        code = check_paths(&b.args);
    if (code == EXIT_SUCCESS)
        code = bench(&b, work);
    bench_free(&b);
    return code;
}
