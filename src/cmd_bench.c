/* dkvb bench: how fast search, training and forgetting run here, on random data or given arrays; median of repeats. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "progress.h"
#include "tool.h"

struct bench_args {
    struct args args;
    const char *keys_file, *rows_file, *codes_out;
    uint64_t rows, pairs, seed;
    uint32_t codebooks, keys, key_dim, classes, top_k, repeats, threads;
    bool json;
};

#define AT(member) offsetof(struct bench_args, member)

static const struct args_option options[] = {
    {"codebooks", ARGS_U32, AT(codebooks), "C", .help = "codebooks", .least = 1, .shows_default = true},
    {"keys", ARGS_U32, AT(keys), "K", .help = "keys per codebook", .least = 1, .shows_default = true},
    {"key-dim", ARGS_U32, AT(key_dim), "D", .help = "width of a key", .least = 1, .shows_default = true},
    {"rows", ARGS_U64, AT(rows), "N", .help = "rows", .least = 1, .shows_default = true},
    {"top-k", ARGS_U32, AT(top_k), "N", .help = "keys selected in a codebook", .least = 1, .shows_default = true},
    {"classes", ARGS_U32, AT(classes), "L", .help = "train: classes", .least = 1, .shows_default = true},
    {"pairs", ARGS_U64, AT(pairs), "NA", .help = "forget: pairs to mask", .least = 1, .shows_default = true},
    {"repeats", ARGS_U32, AT(repeats), "N", .help = "runs, the median counts", .least = 1, .shows_default = true},
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
    dkvb_keyinit_options o;
    dkvb_model_options m;

    dkvb_keyinit_options_init(&o, sizeof o);
    dkvb_model_options_init(&m, sizeof m);
    args->codebooks = o.codebooks;
    args->keys = o.keys;
    args->key_dim = o.key_dim;
    args->top_k = m.top_k;
    args->rows = 1024;
    args->classes = 10;
    args->pairs = 100000;
    args->repeats = 3;
}

static const struct args_command command = {
    .name = "bench",
    .synopsis = "search|train|forget [options]",
    .about = "Time one part of the work on rows that are projected already: search of rows, one epoch of training on\n"
             "stored codes, or forgetting by activations (count, choose, mask) from stored codes.",
    .options = options,
    .size = sizeof(struct bench_args),
    .defaults = set_defaults,
    .least_operands = 1,
    .most_operands = 1,
};

struct bench {
    struct bench_args args;
    uint64_t random; /* state of the generator */
    dkvb_array keys_file, rows_file;
    float *random_keys, *random_rows;
    const float *keys, *rows; /* [C][K][d] and [n][C][d] */
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    uint16_t *codes;  /* [n][C][k] */
    int32_t *labels;  /* [n] */
    uint64_t *counts; /* [C][K] */
    double *seconds;  /* [repeats] */
};

/* splitmix64 (Steele, Lea and Flood 2014): data to time, not a result that anyone keeps. */
static uint64_t draw(struct bench *b)
{
    uint64_t z = b->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Numbers in [-1, 1). */
static float *draw_floats(struct bench *b, const char *what, size_t x, size_t y, size_t z)
{
    float *data = input_memory(what, sizeof *data, x, y, z);

    for (size_t i = 0; data && i < x * y * z; i++)
        data[i] = (float)(draw(b) >> 40) * 0x1p-23f - 1.0f;
    return data;
}

/* Random codes whose `top_k` keys differ, as those of a search do. */
static int draw_codes(struct bench *b)
{
    const struct bench_args *a = &b->args;
    size_t cells = (size_t)a->rows * a->codebooks;

    for (size_t i = 0; i < cells; i++) {
        uint64_t first = draw(b) % a->keys;

        for (uint32_t j = 0; j < a->top_k; j++)
            b->codes[i * a->top_k + j] = (uint16_t)((first + j) % a->keys);
    }
    for (size_t i = 0; i < a->rows; i++)
        b->labels[i] = (int32_t)(draw(b) % a->classes);
    return EXIT_SUCCESS;
}

static int read_array(dkvb_array *array, const char *path, const char *wanted)
{
    int code = tool_check(dkvb_array_read(array, path, NULL));

    if (code == EXIT_SUCCESS && (array->dtype != DKVB_DTYPE_F32 || array->ndim != 3))
        code = tool_fail("%s: %s of %" PRIu32 " dimensions, %s is wanted", path, dkvb_dtype_name(array->dtype),
                         array->ndim, wanted);
    for (uint32_t i = 0; i < 3 && code == EXIT_SUCCESS; i++)
        if (array->shape[i] == 0 || array->shape[i] > UINT32_MAX)
            code = tool_fail("%s: dimension %" PRIu32 " is %" PRIu64, path, i, array->shape[i]);
    return code;
}

static int read_keys(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = read_array(&b->keys_file, a->keys_file, "float32[codebooks][keys][key_dim]");

    if (code)
        return code;
    a->codebooks = (uint32_t)b->keys_file.shape[0];
    a->keys = (uint32_t)b->keys_file.shape[1];
    a->key_dim = (uint32_t)b->keys_file.shape[2];
    b->keys = b->keys_file.data;
    return EXIT_SUCCESS;
}

static int read_rows(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = read_array(&b->rows_file, a->rows_file, "float32[rows][codebooks][key_dim]");
    uint64_t codebooks = b->rows_file.shape[1], key_dim = b->rows_file.shape[2];

    if (code)
        return code;
    if (a->keys_file && (codebooks != a->codebooks || key_dim != a->key_dim))
        return tool_fail("%s: %" PRIu64 " codebooks of width %" PRIu64 ", %s has %" PRIu32 " of width %" PRIu32,
                         a->rows_file, codebooks, key_dim, a->keys_file, a->codebooks, a->key_dim);
    a->rows = b->rows_file.shape[0];
    a->codebooks = (uint32_t)codebooks;
    a->key_dim = (uint32_t)key_dim;
    b->rows = b->rows_file.data;
    return EXIT_SUCCESS;
}

/* Codebooks that hold these keys. Rows come projected, so the projection is empty. */
static int make_codebooks(struct bench *b)
{
    const struct bench_args *a = &b->args;
    dkvb_keyinit_options o;
    float *projection;
    int code;

    if (!b->keys)
        b->keys = b->random_keys = draw_floats(b, "keys", a->codebooks, a->keys, a->key_dim);
    projection = b->keys ? input_memory("projection", sizeof *projection, a->codebooks, a->key_dim, 1) : NULL;
    if (!projection)
        return EXIT_FAILURE;
    dkvb_keyinit_options_init(&o, sizeof o);
    o.codebooks = a->codebooks;
    o.keys = a->keys;
    o.key_dim = a->key_dim;
    code = tool_check(dkvb_codebooks_from_arrays(&b->codebooks, 1, projection, NULL, b->keys, &o));
    free(projection);
    return code;
}

static int make_codes(struct bench *b)
{
    b->codes = input_memory("codes", sizeof *b->codes, (size_t)b->args.rows, b->args.codebooks, b->args.top_k);
    return b->codes ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Make ready, and do it once. What is timed is the second. */
struct work {
    const char *name;
    int (*prepare)(struct bench *b);
    int (*once)(struct bench *b, const dkvb_run_options *run);
};

static int prepare_search(struct bench *b)
{
    const struct bench_args *a = &b->args;
    int code = a->keys_file ? read_keys(b) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS && a->rows_file)
        code = read_rows(b);
    if (code == EXIT_SUCCESS)
        code = make_codebooks(b);
    if (code == EXIT_SUCCESS && !b->rows) {
        b->rows = b->random_rows = draw_floats(b, "rows", (size_t)a->rows, a->codebooks, a->key_dim);
        code = b->rows ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return code ? code : make_codes(b);
}

static int search_once(struct bench *b, const dkvb_run_options *run)
{
    return tool_check(
        dkvb_search_projected(b->codebooks, NULL, b->rows, (size_t)b->args.rows, b->args.top_k, b->codes, NULL, run));
}

/* A model, random codes and random labels. */
static int prepare_model(struct bench *b)
{
    const struct bench_args *a = &b->args;
    dkvb_model_options o;
    int code = make_codebooks(b);

    if (code)
        return code;
    dkvb_model_options_init(&o, sizeof o);
    o.top_k = a->top_k;
    code = tool_check(dkvb_model_new(&b->model, b->codebooks, a->classes, &o));
    if (code == EXIT_SUCCESS)
        code = make_codes(b);
    if (code)
        return code;
    b->labels = input_memory("labels", sizeof *b->labels, (size_t)a->rows, 1, 1);
    return b->labels ? draw_codes(b) : EXIT_FAILURE;
}

static int train_once(struct bench *b, const dkvb_run_options *run)
{
    dkvb_train_options o;

    dkvb_train_options_init(&o, sizeof o);
    o.epochs = 1;
    return tool_check(dkvb_model_train(b->model, b->codes, b->args.top_k, b->labels, (size_t)b->args.rows, &o, run));
}

static int prepare_forget(struct bench *b)
{
    int code = prepare_model(b);

    if (code)
        return code;
    b->counts = input_memory("counts", sizeof *b->counts, b->args.codebooks, b->args.keys, 1);
    return b->counts ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int forget_once(struct bench *b, const dkvb_run_options *run)
{
    dkvb_mask *mask = NULL;
    int code;

    (void)run; /* none of these calls is long; a repeat masks what is masked already, which is the same work */
    memset(b->counts, 0, (size_t)b->args.codebooks * b->args.keys * sizeof *b->counts);
    code = tool_check(dkvb_activations_count(b->model, b->codes, b->args.top_k, (size_t)b->args.rows, b->counts));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_new(&mask, b->codebooks));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_unlearn_by_activations(mask, b->counts, b->args.pairs));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_forget(b->model, mask, NULL, NULL));
    dkvb_mask_free(mask);
    return code;
}

static const struct work works[] = {
    {"search", prepare_search, search_once},
    {"train", prepare_model, train_once},
    {"forget", prepare_forget, forget_once},
};

static int check_args(const struct bench_args *args, const struct work **work)
{
    static const char *const of_search[] = {"keys-file", "rows-file", "codes-out", NULL};
    static const char *const of_keys[] = {"codebooks", "keys", "key-dim", NULL};
    static const char *const of_rows[] = {"codebooks", "key-dim", "rows", NULL};
    int code = EXIT_SUCCESS;

    *work = NULL;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(args->args.operand[0], works[i].name) == 0)
            *work = &works[i];
    if (!*work)
        return args_misused(&command, "search, train or forget is wanted");
    if (*work != &works[0])
        code = args_refuse(&command, args, of_search, "this bench: only search reads and writes arrays");
    if (code == EXIT_SUCCESS && args->keys_file)
        code = args_refuse(&command, args, of_keys, "--keys-file: the file gives the shape");
    if (code == EXIT_SUCCESS && args->rows_file)
        code = args_refuse(&command, args, of_rows, "--rows-file: the file gives the shape");
    return code;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int run_repeats(struct bench *b, const struct work *work)
{
    dkvb_run_options run = progress_start(work->name, b->args.threads);
    double repeats = b->args.repeats;
    int code = EXIT_SUCCESS;

    for (uint32_t i = 0; i < b->args.repeats && code == EXIT_SUCCESS; i++) {
        double start = progress_clock();

        progress_span(i / repeats, (i + 1) / repeats);
        code = progress_interrupted() ? tool_interrupted() : work->once(b, &run);
        b->seconds[i] = progress_clock() - start;
    }
    progress_stop();
    if (code == EXIT_SUCCESS)
        qsort(b->seconds, b->args.repeats, sizeof *b->seconds, compare_doubles);
    return code;
}

/* Subtract, multiply, add: counted as two operations for each key and component, as for a matrix product. */
static double search_gflops(const struct bench_args *a, double seconds)
{
    return 2.0 * a->codebooks * a->keys * a->key_dim * (double)a->rows / seconds / 1e9;
}

static void report(const struct bench *b, const struct work *work)
{
    const struct bench_args *a = &b->args;
    double seconds = b->seconds[a->repeats / 2];
    double gflops = work == &works[0] ? search_gflops(a, seconds) : NAN;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = a->threads;
    if (!a->json) {
        printf("%s: %.0f rows a second (%" PRIu64 " rows in %.4f s", work->name, (double)a->rows / seconds, a->rows,
               seconds);
        if (isfinite(gflops))
            printf(", %.1f gflops", gflops);
        printf(")\n%" PRIu32 " codebooks of %" PRIu32 " keys, %" PRIu32 " wide; top %" PRIu32
               "; kernels %s; threads %" PRIu32 "; median of %" PRIu32 "\n",
               a->codebooks, a->keys, a->key_dim, a->top_k, dkvb_runtime_kernels(), dkvb_runtime_threads(&run),
               a->repeats);
        return;
    }
    json_open(NULL, '{');
    json_real("rows_per_second", (double)a->rows / seconds);
    json_real("seconds", seconds);
    json_real("gflops", gflops);
    json_text("kernel", dkvb_runtime_kernels());
    json_count("threads", dkvb_runtime_threads(&run));
    json_count("codebooks", a->codebooks);
    json_count("keys", a->keys);
    json_count("key_dim", a->key_dim);
    json_count("rows", a->rows);
    json_count("top_k", a->top_k);
    json_close('}');
}

static int bench(struct bench *b, const struct work *work)
{
    uint64_t shape[3];
    int code = work->prepare(b);

    if (code)
        return code;
    b->seconds = input_memory("times", sizeof *b->seconds, b->args.repeats, 1, 1);
    code = b->seconds ? run_repeats(b, work) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS && b->args.codes_out) {
        shape[0] = b->args.rows;
        shape[1] = b->args.codebooks;
        shape[2] = b->args.top_k;
        code = output_npy(b->args.codes_out, DKVB_DTYPE_U16, 3, shape, b->codes);
    }
    if (code == EXIT_SUCCESS)
        report(b, work);
    return code;
}

int cmd_bench(int argc, char **argv)
{
    struct bench b = {.keys_file = DKVB_ARRAY_INIT, .rows_file = DKVB_ARRAY_INIT};
    const struct work *work;
    int code;

    if (!args_parse(&command, argc, argv, &b.args, &code))
        return code;
    b.random = b.args.seed;
    code = check_args(&b.args, &work);
    if (code == EXIT_SUCCESS)
        code = bench(&b, work);
    free(b.seconds);
    free(b.counts);
    free(b.labels);
    free(b.codes);
    dkvb_model_free(b.model);
    dkvb_codebooks_free(b.codebooks);
    free(b.random_rows);
    free(b.random_keys);
    dkvb_array_free(&b.rows_file);
    dkvb_array_free(&b.keys_file);
    return code;
}
