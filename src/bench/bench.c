/* dkvb bench measures how fast search, training and forgetting run on this machine, on random data or given arrays. The
 * times that the benchmark prints are medians of several repeats. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

struct bench_args {
    struct args args;
    const char *keys_file, *rows_file, *codes_out;
    uint64_t rows, batch, pairs, seed;
    uint32_t codebooks, keys, key_dim, input_dim, classes, top_k, repeats, threads;
    bool json;
};

enum { MOST_SERIES = 3, MOST_OWNED = 16 };

struct bench {
    struct bench_args args;
    const struct work *work;
    uint64_t random; /* state of the random number generator that makes the data of the benchmark */
    dkvb_array keys_file;
    struct features rows_file;
    const float *keys, *rows; /* random keys, [codebooks][keys][key_dim], and random rows, [n][input_dim] */
    int8_t *projected; /* rows projected into the codebooks, for benchmarking the search, [n][codebooks][key_dim] */
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    uint16_t *codes; /* codes of the random rows (selected keys), [n][codebooks][k] */
    /* codes of the rows after pairs were masked, for the benchmark of forgetting, [n][codebooks][k] */
    uint16_t *other_codes;
    int32_t *labels; /* random labels of the rows, [n] */
    uint64_t entry;  /* number of the journal entry that the benchmark of forgetting will undo, or 0 */
    /* number of pairs that the benchmark of forgetting masks, and number of (row, codebook) pairs that are searched
     * again for this reason */
    uint64_t masked, hit;
    void *owned[MOST_OWNED];
    size_t owned_count;

    uint32_t repeat; /* number of the present repeat of the benchmark; 0: the first run, whose times do not count */
    double *times[MOST_SERIES]; /* times of each series of measurements in seconds, [repeats + 1] */
    double *call_times;         /* times of single calls in the benchmark of the search, [repeats + 1][calls] */
    double *sorted;             /* scratch space for sorting the times of the repeats, [repeats] */
    /* where the progress bar of the whole benchmark stands at the start and at the end of the present measurement */
    double step_from, step_to;
};

/* One part of the benchmark: search, training or forgetting. In every repeat, each part of the benchmark (search,
 * training, forgetting) measures the time of one or more steps. */
struct work {
    const char *name;
    uint32_t series;
    uint32_t told; /* index of the step of a benchmark from whose times the printed rows per second are computed */
    int (*prepare)(struct bench *b);
    /* function that prepares a step of the benchmark before the clock starts; or NULL */
    int (*ready)(struct bench *b, uint32_t series);
    dkvb_status (*run)(struct bench *b, uint32_t series, const dkvb_run_options *run);
    /* function that prints those lines of text that are special to one part of the benchmark, after the two lines that
     * all parts print */
    void (*say)(struct bench *b);
    /* function that prints those JSON keys that are special to one part of the benchmark, after the keys that all parts
     * have */
    void (*json)(struct bench *b);
};

/* Allocates memory that is freed at the end of the benchmark. */
static void *make(struct bench *b, const char *what, size_t size, uint64_t x, uint64_t y, uint64_t z)
{
    void *memory = input_memory(what, size, (size_t)x, (size_t)y, (size_t)z);

    return b->owned[b->owned_count++] = memory;
}

/* Draws a number by splitmix64 (Steele, Lea and Flood 2014). The random numbers are only data for the benchmark's
 * timing, never a result. */
static uint64_t draw(struct bench *b)
{
    uint64_t z = b->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Draws numbers with the standard normal distribution, two from one draw (Box and Muller 1958). */
static const float *draw_gaussian(struct bench *b, const char *what, uint64_t x, uint64_t y, uint64_t z)
{
    float *data = make(b, what, sizeof *data, x, y, z), radius = 0.0f, angle = 0.0f;

    for (size_t i = 0; data && i < x * y * z; i++) {
        if (i % 2 == 0) {
            uint64_t bits = draw(b);

            radius = sqrtf(-2.0f * logf(((float)(bits >> 40) + 1.0f) * 0x1p-24f));
            angle = (float)(bits & 0xFFFFFF) * (0x1p-24f * 6.28318531f);
        }
        data[i] = radius * (i % 2 == 0 ? cosf(angle) : sinf(angle));
    }
    return data;
}

static int read_keys(struct bench *b)
{
    struct bench_args *a = &b->args;
    uint32_t *const sizes[] = {&a->codebooks, &a->keys, &a->key_dim};
    const dkvb_array *array = &b->keys_file;
    int code = tool_check(dkvb_array_read(&b->keys_file, a->keys_file, DKVB_READ_COPY, NULL));

    if (code == EXIT_SUCCESS && (array->dtype != DKVB_DTYPE_F32 || array->ndim != 3))
        code = tool_fail("%s: %s of %" PRIu32 " dimensions, it must be float32[codebooks][keys][key_dim]", a->keys_file,
                         dkvb_name(DKVB_NAME_DTYPE, array->dtype), array->ndim);
    for (uint32_t i = 0; i < 3 && code == EXIT_SUCCESS; i++) {
        if (array->shape[i] == 0 || array->shape[i] > UINT32_MAX)
            code = tool_fail("%s: dimension %" PRIu32 " is %" PRIu64, a->keys_file, i, array->shape[i]);
        *sizes[i] = (uint32_t)array->shape[i];
    }
    b->keys = array->data;
    return code;
}

static int read_rows(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = input_features(&b->rows_file, a->rows_file, DKVB_READ_IN_PLACE, NULL);

    a->rows = b->rows_file.rows;
    a->input_dim = (uint32_t)b->rows_file.columns;
    b->rows = b->rows_file.x;
    return code || a->rows ? code : tool_fail("%s: no rows, so there is nothing to time", a->rows_file);
}

static int make_codebooks(struct bench *b)
{
    const struct bench_args *a = &b->args;
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;

    if (!b->keys)
        b->keys = draw_gaussian(b, "keys", a->codebooks, a->keys, a->key_dim);
    b->codes = make(b, "codes", sizeof *b->codes, a->rows, a->codebooks, a->top_k);
    if (!b->keys || !b->codes)
        return EXIT_FAILURE;
    o.codebooks = a->codebooks;
    o.keys = a->keys;
    o.key_dim = a->key_dim;
    arrays.dim = a->input_dim;
    /* the random keys of the benchmark are used unscaled, as the projection of a row of length 1 has numbers of about
     * the same size */
    arrays.keys = b->keys;
    return tool_check(dkvb_codebooks_from_arrays(&b->codebooks, &arrays, &o));
}

static int make_model(struct bench *b)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    int code = make_codebooks(b);

    o.top_k = b->args.top_k;
    return code ? code : tool_check(dkvb_model_new(&b->model, b->codebooks, b->args.classes, &o));
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_doubles);
    return numbers[count / 2];
}

/* Medians over the repeats of a benchmark: seconds_of() returns the median time of a series of measurements, ratio_of()
 * the median ratio of two series. */
static double seconds_of(struct bench *b, uint32_t series)
{
    memcpy(b->sorted, b->times[series] + 1, b->args.repeats * sizeof *b->sorted);
    return median(b->sorted, b->args.repeats);
}

static double ratio_of(struct bench *b, uint32_t over, uint32_t under)
{
    for (uint32_t i = 0; i < b->args.repeats; i++)
        b->sorted[i] = b->times[over][i + 1] / b->times[under][i + 1];
    return median(b->sorted, b->args.repeats);
}

static uint64_t key_bytes(const struct bench_args *a)
{
    return (uint64_t)a->codebooks * a->keys * a->key_dim;
}

static uint64_t code_bytes(const struct bench_args *a)
{
    return a->rows * a->codebooks * a->top_k * sizeof(uint16_t);
}

static uint64_t value_bytes(const struct bench_args *a)
{
    return (uint64_t)a->codebooks * a->keys * a->classes * sizeof(float);
}

/* Returns the operations of a search in units of 10^9: 2 * codebooks * keys * key dimensions for each row, since a
 * product of two bytes and its addition count as two operations. */
static double search_work(const struct bench_args *a)
{
    return 2.0 * (double)key_bytes(a) * (double)a->rows / 1e9;
}

static void say_bytes(const struct bench_args *a)
{
    printf("bytes: keys %" PRIu64 ", codes %" PRIu64 "\n", key_bytes(a), code_bytes(a));
}

/* Series of times that the part `search` of the benchmark measures: the whole search of rows, and the projection
 * within a search. */
enum { SEARCH, PROJECT };

static uint64_t batch_of(const struct bench_args *a)
{
    return a->batch > 0 && a->batch < a->rows ? a->batch : a->rows;
}

static uint64_t calls_of(const struct bench_args *a)
{
    return (a->rows + batch_of(a) - 1) / batch_of(a);
}

static int search_prepare(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = a->keys_file ? read_keys(b) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS && a->rows_file)
        code = read_rows(b);
    if (code == EXIT_SUCCESS)
        code = make_codebooks(b);
    if (code)
        return code;
    if (!b->rows)
        b->rows = draw_gaussian(b, "rows", a->rows, a->input_dim, 1);
    b->projected = make(b, "projected rows", 1, a->rows, a->codebooks, a->key_dim);
    b->call_times = make(b, "times", sizeof(double), (uint64_t)a->repeats + 1, calls_of(a), 1);
    return b->rows && b->projected && b->call_times ? EXIT_SUCCESS : EXIT_FAILURE;
}

static dkvb_status search_run(struct bench *b, uint32_t series, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;
    uint64_t batch = batch_of(a), calls = calls_of(a);
    double size = b->step_to - b->step_from;
    dkvb_status rc = DKVB_OK;

    if (series == PROJECT)
        return dkvb_codebooks_project(b->codebooks, b->rows, (size_t)a->rows, b->projected, NULL, run);
    for (uint64_t i = 0; i < calls && rc == DKVB_OK; i++) {
        size_t from = (size_t)(i * batch), n = (size_t)(i + 1 < calls ? batch : a->rows - i * batch);
        double start = progress_clock();

        progress_span(b->step_from + size * (double)i / (double)calls,
                      b->step_from + size * (double)(i + 1) / (double)calls);
        rc = dkvb_search(b->codebooks, NULL, b->rows + from * a->input_dim, n, a->top_k,
                         b->codes + from * a->codebooks * a->top_k, NULL, run);
        b->call_times[b->repeat * calls + i] = progress_clock() - start;
    }
    return rc;
}

static double median_call(struct bench *b)
{
    uint64_t calls = calls_of(&b->args);

    return calls == 1 ? seconds_of(b, SEARCH) : median(b->call_times + calls, (size_t)(b->args.repeats * calls));
}

static void search_say(struct bench *b)
{
    const struct bench_args *a = &b->args;

    printf("%.1f billion operations a second; the first time took %.4f s\n", search_work(a) / seconds_of(b, SEARCH),
           b->times[SEARCH][0]);
    printf("projecting alone takes %.4f s, %.3f of that\n", seconds_of(b, PROJECT), ratio_of(b, PROJECT, SEARCH));
    if (calls_of(a) > 1)
        printf("rows in a call: %" PRIu64 "; a call takes %.3f ms\n", batch_of(a), 1e3 * median_call(b));
    say_bytes(a);
}

static void search_json(struct bench *b)
{
    json_count("batch", batch_of(&b->args));
    json_number("seconds_call", median_call(b));
    json_number("seconds_first", b->times[SEARCH][0]);
    json_number("project_seconds", seconds_of(b, PROJECT));
    json_number("project_ratio", ratio_of(b, PROJECT, SEARCH));
}

/* Prepares the benchmark of training: one epoch on random labels and random codes, where a row's `top_k` keys in a
 * codebook differ from each other, as after a search. */
static int train_prepare(struct bench *b)
{
    const struct bench_args *a = &b->args;
    int code = make_model(b);

    b->labels = code ? NULL : make(b, "labels", sizeof *b->labels, a->rows, 1, 1);
    if (!b->labels)
        return EXIT_FAILURE;
    for (size_t i = 0; i < a->rows * a->codebooks; i++) {
        uint64_t first = draw(b) % a->keys;

        for (uint32_t j = 0; j < a->top_k; j++)
            b->codes[i * a->top_k + j] = (uint16_t)((first + j) % a->keys);
    }
    for (size_t i = 0; i < a->rows; i++)
        b->labels[i] = (int32_t)(draw(b) % a->classes);
    return EXIT_SUCCESS;
}

static dkvb_status train_run(struct bench *b, uint32_t series, const dkvb_run_options *run)
{
    dkvb_train_options o;

    (void)series;
    dkvb_train_options_init(&o);
    o.epochs = 1;
    return dkvb_model_train(b->model, b->codes, b->args.top_k, b->labels, (size_t)b->args.rows, &o, run);
}

static void train_say(struct bench *b)
{
    const struct bench_args *a = &b->args;

    printf("%" PRIu32 " classes; bytes: keys %" PRIu64 ", values %" PRIu64 ", codes %" PRIu64 "\n", a->classes,
           key_bytes(a), value_bytes(a), code_bytes(a));
}

static void train_json(struct bench *b)
{
    json_count("classes", b->args.classes);
    json_count("bytes_values", value_bytes(&b->args));
}

/* Series of times that the part `forget` of the benchmark measures. The series SEARCHED has the times of searching all
 * rows without a mask, whose codes are stored. The series FORGET has the times of counting, choosing and masking pairs.
 * The series REFRESH has the times of searching again the codes that name masked pairs. */
enum { SEARCHED, FORGET, REFRESH, FORGET_SERIES };

static int forget_prepare(struct bench *b)
{
    const struct bench_args *a = &b->args;
    int code = make_model(b);

    if (code)
        return code;
    b->other_codes = make(b, "codes", sizeof *b->codes, a->rows, a->codebooks, a->top_k);
    b->rows = draw_gaussian(b, "rows", a->rows, a->input_dim, 1);
    return b->other_codes && b->rows ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int forget_ready(struct bench *b, uint32_t series)
{
    int code = EXIT_SUCCESS;

    if (series == REFRESH)
        memcpy(b->other_codes, b->codes, (size_t)code_bytes(&b->args));
    if (series == SEARCHED && b->entry)
        code = tool_check(dkvb_model_undo(b->model, b->entry, NULL));
    return code;
}

static dkvb_status forget_run(struct bench *b, uint32_t series, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;
    dkvb_request request = DKVB_REQUEST_INIT;
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    dkvb_mask *mask = NULL;
    size_t n = (size_t)a->rows;
    dkvb_status rc;

    if (series == SEARCHED)
        return dkvb_search(b->codebooks, NULL, b->rows, n, a->top_k, b->codes, NULL, run);
    if (series == REFRESH)
        return dkvb_search_refresh(b->model, b->rows, n, a->top_k, b->other_codes, &b->hit, run);
    request.k = a->top_k;
    request.codes = b->codes;
    request.n = n;
    rc = dkvb_mask_new(&mask, b->codebooks);
    if (rc == DKVB_OK)
        rc = dkvb_unlearn_choose(mask, b->model, &request, a->pairs, run);
    if (rc == DKVB_OK)
        rc = dkvb_model_forget(b->model, mask, NULL, &b->entry);
    if (rc == DKVB_OK)
        rc = dkvb_mask_get_info(mask, &info);
    b->masked = info.pairs;
    dkvb_mask_free(mask);
    return rc;
}

static double share_hit(const struct bench *b)
{
    return (double)b->hit / ((double)b->args.rows * b->args.codebooks);
}

static void forget_say(struct bench *b)
{
    printf("%" PRIu64 " pairs counted, chosen and masked in %.3f ms; those rows are searched in %.4f s, %.0f times as "
           "long\n",
           b->masked, 1e3 * seconds_of(b, FORGET), seconds_of(b, SEARCHED), ratio_of(b, SEARCHED, FORGET));
    printf(
        "the mask hits %.3f of their codes; they are searched again in %.4f s, %.2f times that share of the search\n",
        share_hit(b), seconds_of(b, REFRESH), ratio_of(b, REFRESH, SEARCHED) / share_hit(b));
    say_bytes(&b->args);
}

static void forget_json(struct bench *b)
{
    json_count("input_dim", b->args.input_dim);
    json_count("pairs_masked", b->masked);
    json_number("search_seconds", seconds_of(b, SEARCHED));
    json_number("search_ratio", ratio_of(b, SEARCHED, FORGET));
    json_number("refresh_seconds", seconds_of(b, REFRESH));
    json_number("refresh_share", share_hit(b));
    json_number("refresh_ratio", ratio_of(b, REFRESH, SEARCHED) / share_hit(b));
}

static const struct work works[] = {
    {"search", PROJECT + 1, SEARCH, search_prepare, NULL, search_run, search_say, search_json},
    {"train", 1, 0, train_prepare, NULL, train_run, train_say, train_json},
    {"forget", FORGET_SERIES, FORGET, forget_prepare, forget_ready, forget_run, forget_say, forget_json},
};

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
    {"rows-file", ARGS_TEXT, AT(rows_file), "ROWS.npy", .help = "search: float32[n][M] instead of random rows"},
    {"codes-out", ARGS_TEXT, AT(codes_out), "CODES.npy", .help = "search: the answers, uint16[n][C][k]"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "of the random data", .shows_default = true},
    ARGS_THREADS_JSON(AT),
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

static const char *const words[] = {"search", "train", "forget", NULL};

static const struct args_command command = {
    .name = "bench",
    .synopsis = "search|train|forget [options]",
    .example = "dkvb bench search --rows 1000 --repeats 3",
    .words = words,
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

static int check_args(struct bench *b)
{
    static const char *const of_search[] = {"keys-file", "rows-file", "codes-out", "batch", NULL};
    static const char *const of_keys[] = {"codebooks", "keys", "key-dim", NULL};
    static const char *const of_rows[] = {"input-dim", "rows", NULL};
    const struct bench_args *args = &b->args;
    const struct path inputs[] = {{"--keys-file", args->keys_file}, {"--rows-file", args->rows_file}, {0}};
    const struct path outputs[] = {{"--codes-out", args->codes_out}, {0}};
    int code = EXIT_SUCCESS;

    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(args->args.operand[0], works[i].name) == 0)
            b->work = &works[i];
    if (!b->work)
        return args_misused(&command, "search, train or forget is wanted");
    if (b->work != works)
        code = args_refuse(&command, args, of_search, "this bench: it is for search");
    if (code == EXIT_SUCCESS && args->keys_file)
        code = args_refuse(&command, args, of_keys, "--keys-file: the file gives the shape");
    if (code == EXIT_SUCCESS && args->rows_file)
        code = args_refuse(&command, args, of_rows, "--rows-file: the file gives the shape");
    return code ? code : paths_check(&command, inputs, outputs);
}

/* Runs all steps that a part of the benchmark measures once, and then `repeats` times. The times of the first run of a
 * benchmark do not count, as the system has to provide memory pages in that run. */
static int run_repeats(struct bench *b)
{
    const struct work *work = b->work;
    uint64_t times = (uint64_t)b->args.repeats + 1, steps = times * work->series;
    dkvb_run_options run = progress_start(work->name, b->args.threads);
    int code = EXIT_SUCCESS;

    b->sorted = make(b, "times", sizeof(double), b->args.repeats, 1, 1);
    for (uint32_t s = 0; s < work->series; s++)
        if (!(b->times[s] = make(b, "times", sizeof(double), times, 1, 1)) || !b->sorted)
            return EXIT_FAILURE;
    for (uint64_t step = 0; step < steps && code == EXIT_SUCCESS; step++) {
        uint32_t series = (uint32_t)(step % work->series);
        double start;

        b->repeat = (uint32_t)(step / work->series);
        b->step_from = (double)step / (double)steps;
        b->step_to = (double)(step + 1) / (double)steps;
        progress_span(b->step_from, b->step_to);
        code = progress_interrupted() ? tool_interrupted() : work->ready ? work->ready(b, series) : EXIT_SUCCESS;
        start = progress_clock();
        if (code == EXIT_SUCCESS)
            code = tool_check(work->run(b, series, &run));
        b->times[series][b->repeat] = progress_clock() - start;
    }
    progress_stop();
    return code;
}

static void tell(struct bench *b)
{
    const struct bench_args *a = &b->args;
    double seconds = seconds_of(b, b->work->told);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint32_t threads;

    run.threads = a->threads;
    threads = dkvb_runtime_threads(&run);
    if (!a->json) {
        printf("%s: %.0f rows a second (%" PRIu64 " rows in %.4f s)\n", b->work->name, (double)a->rows / seconds,
               a->rows, seconds);
        printf("%" PRIu32 " codebooks of %" PRIu32 " keys, %" PRIu32 " wide; top %" PRIu32
               "; kernels %s; threads %" PRIu32 "; median of %" PRIu32 "\n",
               a->codebooks, a->keys, a->key_dim, a->top_k, dkvb_runtime_kernels(), threads, a->repeats);
        b->work->say(b);
        return;
    }
    json_open(NULL, '{');
    json_number("rows_per_second", (double)a->rows / seconds);
    json_number("seconds", seconds);
    json_number("gops", b->work == works ? search_work(a) / seconds : NAN);
    json_text("kernel", dkvb_runtime_kernels());
    json_count("threads", threads);
    json_count("codebooks", a->codebooks);
    json_count("keys", a->keys);
    json_count("key_dim", a->key_dim);
    json_count("rows", a->rows);
    json_count("top_k", a->top_k);
    json_count("repeats", a->repeats);
    json_count("bytes_keys", key_bytes(a));
    json_count("bytes_codes", code_bytes(a));
    b->work->json(b);
    json_close('}');
}

int cmd_bench(int argc, char **argv)
{
    struct bench b = {.keys_file = DKVB_ARRAY_INIT};
    int code;

    if (!args_parse(&command, argc, argv, &b.args, &code))
        return code;
    b.random = b.args.seed;
    code = check_args(&b);
    if (code == EXIT_SUCCESS)
        code = b.work->prepare(&b);
    if (code == EXIT_SUCCESS)
        code = run_repeats(&b);
    if (code == EXIT_SUCCESS && b.args.codes_out)
        code = output_npy(b.args.codes_out, DKVB_DTYPE_U16, 3,
                          (const uint64_t[]){b.args.rows, b.args.codebooks, b.args.top_k}, b.codes);
    if (code == EXIT_SUCCESS)
        tell(&b);
    while (b.owned_count > 0)
        free(b.owned[--b.owned_count]);
    dkvb_model_free(b.model);
    dkvb_codebooks_free(b.codebooks);
    input_features_free(&b.rows_file);
    dkvb_array_free(&b.keys_file);
    return code;
}
