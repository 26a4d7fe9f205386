/* What `dkvb bench` times: search, training, forgetting, on random or given arrays. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "io/input.h"
#include "io/json.h"
#include "io/progress.h"
#include "tool.h"

/* splitmix64 (Steele, Lea and Flood 2014): data to time, not a result that anyone keeps. */
static uint64_t draw(struct bench *b)
{
    uint64_t z = b->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Two numbers of N(0, 1) from one draw (Box and Muller 1958). */
static void draw_pair(struct bench *b, float *pair)
{
    uint64_t bits = draw(b);
    float radius = sqrtf(-2.0f * logf(((float)(bits >> 40) + 1.0f) * 0x1p-24f));
    float angle = (float)(bits & 0xFFFFFF) * (0x1p-24f * 6.28318531f);

    pair[0] = radius * cosf(angle);
    pair[1] = radius * sinf(angle);
}

static float *draw_gaussian(struct bench *b, const char *what, size_t x, size_t y, size_t z)
{
    float *data = input_memory(what, sizeof *data, x, y, z), pair[2];

    for (size_t i = 0; data && i < x * y * z; i++) {
        if (i % 2 == 0)
            draw_pair(b, pair);
        data[i] = pair[i % 2];
    }
    return data;
}

static int read_array(dkvb_array *array, const char *path, const char *wanted)
{
    int code = tool_check(dkvb_array_read(array, path, DKVB_READ_COPY, NULL));

    if (code == EXIT_SUCCESS && (array->dtype != DKVB_DTYPE_F32 || array->ndim != 3))
        code = tool_fail("%s: %s of %" PRIu32 " dimensions, %s is wanted", path,
                         dkvb_name(DKVB_NAME_DTYPE, array->dtype), array->ndim, wanted);
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

static int make_codebooks(struct bench *b)
{
    const struct bench_args *a = &b->args;
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o;

    if (!b->keys)
        b->keys = b->random_keys = draw_gaussian(b, "keys", a->codebooks, a->keys, a->key_dim);
    if (!b->keys)
        return EXIT_FAILURE;
    dkvb_keyinit_options_init(&o);
    o.codebooks = a->codebooks;
    o.keys = a->keys;
    o.key_dim = a->key_dim;
    arrays.dim = a->input_dim;
    arrays.keys = b->keys; /* numbers of rows of length 1 are projected to about the size of these */
    return tool_check(dkvb_codebooks_from_arrays(&b->codebooks, &arrays, &o));
}

static int make_codes(struct bench *b, uint16_t **codes)
{
    *codes = input_memory("codes", sizeof **codes, (size_t)b->args.rows, b->args.codebooks, b->args.top_k);
    return *codes ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Codebooks, a model on them, and room for the codes of all rows. */
static int make_model(struct bench *b)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    int code = make_codebooks(b);

    o.top_k = b->args.top_k;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_new(&b->model, b->codebooks, b->args.classes, &o));
    return code ? code : make_codes(b, &b->codes);
}

uint64_t bench_key_bytes(const struct bench_args *a)
{
    return (uint64_t)a->codebooks * a->keys * a->key_dim;
}

uint64_t bench_code_bytes(const struct bench_args *a)
{
    return a->rows * a->codebooks * a->top_k * sizeof(uint16_t);
}

static uint64_t value_bytes(const struct bench_args *a)
{
    return (uint64_t)a->codebooks * a->keys * a->classes * sizeof(float);
}

/* Search of rows, and the projection that is a part of it. */
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

static int search_prepare(struct bench *b)
{
    struct bench_args *a = &b->args;
    int code = a->keys_file ? read_keys(b) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS && a->rows_file)
        code = read_rows(b);
    if (code == EXIT_SUCCESS)
        code = make_codebooks(b);
    if (code == EXIT_SUCCESS)
        code = make_codes(b, &b->codes);
    if (code)
        return code;
    if (!b->rows) {
        b->rows = b->random_rows = draw_gaussian(b, "rows", (size_t)a->rows, a->input_dim, 1);
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

static int search_measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
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

static void search_say(struct bench *b)
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

static void search_json(struct bench *b)
{
    const struct bench_args *a = &b->args;

    json_count("batch", batch_of(a));
    json_real("seconds_call", median_call(b));
    json_real("seconds_first", b->first[SEARCH]);
    json_real("project_seconds", b->projected ? bench_seconds(b, PROJECT) : NAN);
    json_real("project_ratio", b->projected ? bench_ratio(b, PROJECT, SEARCH) : NAN);
}

const struct bench_work bench_search = {"search", SEARCH, search_prepare, search_measure, search_say, search_json};

/* One epoch of training on random codes and labels. */

/* Random codes whose `top_k` keys differ, as those of a search do. */
static void draw_codes(struct bench *b)
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
}

static int train_prepare(struct bench *b)
{
    int code = make_model(b);

    if (code)
        return code;
    b->series = 1;
    b->labels = input_memory("labels", sizeof *b->labels, (size_t)b->args.rows, 1, 1);
    if (!b->labels)
        return EXIT_FAILURE;
    draw_codes(b);
    return EXIT_SUCCESS;
}

static int train_measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
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

static void train_say(struct bench *b)
{
    const struct bench_args *a = &b->args;

    printf("%" PRIu32 " classes; bytes: keys %" PRIu64 ", values %" PRIu64 ", codes %" PRIu64 "\n", a->classes,
           bench_key_bytes(a), value_bytes(a), bench_code_bytes(a));
}

static void train_json(struct bench *b)
{
    json_count("classes", b->args.classes);
    json_count("bytes_values", value_bytes(&b->args));
}

const struct bench_work bench_train = {"train", 0, train_prepare, train_measure, train_say, train_json};

/* Forgetting by activations of stored codes, beside the search that gave the codes, and the search after the mask. */
enum {
    SEARCHED, /* all rows, without the mask: the codes that are stored */
    FORGET,   /* count, choose, mask */
    REFRESH,  /* the codes that the mask hit */
    SERIES
};

static int forget_prepare(struct bench *b)
{
    const struct bench_args *a = &b->args;
    int code = make_model(b);

    if (code == EXIT_SUCCESS)
        code = make_codes(b, &b->other_codes);
    if (code)
        return code;
    b->series = SERIES;
    b->rows = b->random_rows = draw_gaussian(b, "rows", (size_t)a->rows, a->input_dim, 1);
    return b->rows ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int search_all(struct bench *b, const dkvb_run_options *run)
{
    const struct bench_args *a = &b->args;

    return tool_check(dkvb_search(b->codebooks, NULL, b->rows, (size_t)a->rows, a->top_k, b->codes, NULL, run));
}

static int forget_once(struct bench *b, const dkvb_run_options *run)
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
static int forget_measure(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds)
{
    double start;
    int code;

    if (series == REFRESH)
        memcpy(b->other_codes, b->codes, (size_t)bench_code_bytes(&b->args));
    start = progress_clock();
    code = series == SEARCHED ? search_all(b, run) : series == FORGET ? forget_once(b, run) : refresh(b, run);
    *seconds = progress_clock() - start;
    if (series == REFRESH && code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_undo(b->model, b->entry, NULL));
    return code;
}

static double share_hit(const struct bench_args *a, uint64_t hit)
{
    return (double)hit / ((double)a->rows * a->codebooks);
}

static void forget_say(struct bench *b)
{
    const struct bench_args *a = &b->args;
    double hit = share_hit(a, b->hit);

    printf("%" PRIu64 " pairs counted, chosen and masked in %.3f ms; those rows are searched in %.4f s, %.0f times as "
           "long\n",
           b->masked, 1e3 * bench_seconds(b, FORGET), bench_seconds(b, SEARCHED), bench_ratio(b, SEARCHED, FORGET));
    printf(
        "the mask hits %.3f of their codes; they are searched again in %.4f s, %.2f times that share of the search\n",
        hit, bench_seconds(b, REFRESH), bench_ratio(b, REFRESH, SEARCHED) / hit);
    printf("bytes: keys %" PRIu64 ", codes %" PRIu64 "\n", bench_key_bytes(a), bench_code_bytes(a));
}

static void forget_json(struct bench *b)
{
    double hit = share_hit(&b->args, b->hit);

    json_count("input_dim", b->args.input_dim);
    json_count("pairs_masked", b->masked);
    json_real("search_seconds", bench_seconds(b, SEARCHED));
    json_real("search_ratio", bench_ratio(b, SEARCHED, FORGET));
    json_real("refresh_seconds", bench_seconds(b, REFRESH));
    json_real("refresh_share", hit);
    json_real("refresh_ratio", bench_ratio(b, REFRESH, SEARCHED) / hit);
}

const struct bench_work bench_forget = {"forget", FORGET, forget_prepare, forget_measure, forget_say, forget_json};

void bench_free(struct bench *b)
{
    for (uint32_t i = 0; i < BENCH_MOST_SERIES; i++)
        free(b->measured[i]);
    free(b->sorted);
    free(b->call_seconds);
    free(b->labels);
    free(b->codes);
    free(b->other_codes);
    free(b->projected);
    dkvb_model_free(b->model);
    dkvb_codebooks_free(b->codebooks);
    free(b->random_rows);
    free(b->random_keys);
    dkvb_array_free(&b->rows_file);
    dkvb_array_free(&b->keys_file);
}
