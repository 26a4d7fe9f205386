/* What is timed: random or given arrays, codebooks, a model. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "io/input.h"
#include "tool.h"

/* splitmix64 (Steele, Lea and Flood 2014): data to time, not a result that anyone keeps. */
uint64_t bench_draw(struct bench *b)
{
    uint64_t z = b->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Two numbers of N(0, 1) from one draw (Box and Muller 1958). */
static void draw_pair(struct bench *b, float *pair)
{
    uint64_t bits = bench_draw(b);
    float radius = sqrtf(-2.0f * logf(((float)(bits >> 40) + 1.0f) * 0x1p-24f));
    float angle = (float)(bits & 0xFFFFFF) * (0x1p-24f * 6.28318531f);

    pair[0] = radius * cosf(angle);
    pair[1] = radius * sinf(angle);
}

float *bench_draw_gaussian(struct bench *b, const char *what, size_t x, size_t y, size_t z)
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

int bench_read_keys(struct bench *b)
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

int bench_read_rows(struct bench *b)
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

int bench_make_codebooks(struct bench *b)
{
    const struct bench_args *a = &b->args;
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o;

    if (!b->keys)
        b->keys = b->random_keys = bench_draw_gaussian(b, "keys", a->codebooks, a->keys, a->key_dim);
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

int bench_make_model(struct bench *b)
{
    dkvb_model_options o;

    dkvb_model_options_init(&o);
    o.top_k = b->args.top_k;
    return tool_check(dkvb_model_new(&b->model, b->codebooks, b->args.classes, &o));
}

int bench_make_codes(struct bench *b, uint16_t **codes)
{
    *codes = input_memory("codes", sizeof **codes, (size_t)b->args.rows, b->args.codebooks, b->args.top_k);
    return *codes ? EXIT_SUCCESS : EXIT_FAILURE;
}

uint64_t bench_key_bytes(const struct bench_args *a)
{
    return (uint64_t)a->codebooks * a->keys * a->key_dim;
}

uint64_t bench_code_bytes(const struct bench_args *a)
{
    return a->rows * a->codebooks * a->top_k * sizeof(uint16_t);
}

uint64_t bench_value_bytes(const struct bench_args *a)
{
    return (uint64_t)a->codebooks * a->keys * a->classes * sizeof(float);
}

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
