/* Tests of compute kernels: all kernels that this processor can run give the bits of scalar.c at awkward sizes, and
 * scalar.c gives the results of plain loops. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"

/* Returns true if this processor can run a table of kernels; otherwise prints that they are skipped. */
static bool runs(const struct dkvb__kernels *k)
{
    if (k->supported())
        return true;
    print_message("%s: not supported by this processor, skipped\n", k->name);
    return false;
}

/* Kinds of test data: rows and keys of a usual spread, of few values (many equal distances), at the ends of the range,
 * or all equal; or rows of any spread with keys at the ends of the range whose signs are those of the first row or
 * their opposites. */
enum { USUAL, FEW_VALUES, ENDS, ALL_EQUAL, KINDS, ALONG_A_ROW = KINDS };

static int number(struct dkvb__rng *rng, int kind)
{
    double x = 14.0 * dkvb__rng_gauss(rng);

    if (kind == FEW_VALUES)
        return (int)dkvb__rng_below(rng, 2);
    if (kind == ENDS)
        return dkvb__rng_below(rng, 2) ? DKVB__STEPS : -DKVB__STEPS;
    if (kind == ALL_EQUAL)
        return 3;
    return (int)(x > DKVB__STEPS ? DKVB__STEPS : x < -DKVB__STEPS ? -DKVB__STEPS : x);
}

enum { NONE_DEAD, HALF_DEAD, ALL_DEAD_BUT_ONE, ALL_DEAD, DEAD_KINDS };

/* Rows and keys for the search of one tile of 16 rows, as plain arrays and in the layout of kernels. */
struct problem {
    size_t n, keys, dim, k;
    int *row, *key;  /* rows [16][dim] and keys [keys][dim] as plain arrays */
    bool *alive;     /* [keys] */
    int8_t *rows;    /* [quads][16][4] */
    uint8_t *packed; /* keys in the layout of kernels, [words * 4][quads][16][4] */
    int32_t *norms;  /* squared norms of the keys, [words * 64] */
    int32_t *scores; /* scratch */
};

static void make_problem(struct problem *p, struct dkvb__rng *rng, int kind, int dead)
{
    size_t words = dkvb__key_words(p->keys), quads = dkvb__quads(p->dim);
    int spread = 1 + (int)dkvb__rng_below(rng, DKVB__STEPS);

    p->row = malloc(DKVB__LANES * p->dim * sizeof *p->row);
    p->key = malloc(p->keys * p->dim * sizeof *p->key);
    p->alive = malloc(p->keys * sizeof *p->alive);
    p->rows = calloc(quads, DKVB__LANES * 4);
    p->packed = calloc(words * 4, quads * DKVB__LANES * 4);
    p->norms = malloc(words * 64 * sizeof *p->norms);
    p->scores = malloc(DKVB__SCORE_ROWS * words * 64 * sizeof *p->scores);
    for (size_t r = 0; r < DKVB__LANES; r++) /* rows behind the n-th are not compared */
        for (size_t i = 0; i < p->dim; i++) {
            p->row[r * p->dim + i] =
                kind == ALONG_A_ROW ? (int)dkvb__rng_below(rng, 2 * (uint64_t)spread + 1) - spread : number(rng, kind);
            p->rows[dkvb__row_offset(r, i)] = (int8_t)(-2 * p->row[r * p->dim + i]);
        }
    for (size_t j = 0; j < words * 64; j++)
        p->norms[j] = DKVB__DEAD;
    for (size_t j = 0; j < p->keys; j++) {
        int32_t norm = 0;

        for (size_t i = 0; i < quads * 4; i++) {
            int x = i < p->dim ? number(rng, kind == ALONG_A_ROW ? ENDS : kind) : 0;

            if (kind == ALONG_A_ROW && i < p->dim)
                x = (p->row[i] < 0) == (j % 2 == 0) ? DKVB__STEPS : -DKVB__STEPS;
            if (i < p->dim)
                p->key[j * p->dim + i] = x;
            p->packed[dkvb__key_offset(j, i, p->dim)] = (uint8_t)(x + DKVB__KEY_ZERO);
            norm += x * x;
        }
        p->alive[j] = dead == NONE_DEAD || (dead == HALF_DEAD && dkvb__rng_below(rng, 2)) ||
                      (dead == ALL_DEAD_BUT_ONE && j == p->keys / 2);
        p->norms[j] = p->alive[j] ? norm : DKVB__DEAD;
    }
}

static void free_problem(struct problem *p)
{
    free(p->row);
    free(p->key);
    free(p->alive);
    free(p->rows);
    free(p->packed);
    free(p->norms);
    free(p->scores);
}

static void run_nearest(const struct dkvb__kernels *kernels, const struct problem *p, int32_t *dist, uint16_t *index)
{
    const struct dkvb__lookup lookup = {.dist = dist,
                                        .index = index,
                                        .rows = p->rows,
                                        .n = p->n,
                                        .keys = p->packed,
                                        .norms = p->norms,
                                        .words = dkvb__key_words(p->keys),
                                        .quads = dkvb__quads(p->dim),
                                        .k = p->k,
                                        .scores = p->scores};

    kernels->nearest(&lookup);
}

/* Finds the k nearest unmasked keys of row r by plain loops: k times the nearest of the remaining keys. */
static void plain_nearest(const struct problem *p, size_t r, int32_t *dist, uint16_t *index)
{
    bool *left = malloc(p->keys * sizeof *left);

    memcpy(left, p->alive, p->keys * sizeof *left);
    for (size_t rank = 0; rank < p->k; rank++) {
        dist[rank] = INT32_MAX;
        index[rank] = DKVB_CODE_NONE;
        for (size_t j = 0; j < p->keys; j++) {
            int32_t sum = 0;

            for (size_t i = 0; i < p->dim; i++) {
                int difference = p->row[r * p->dim + i] - p->key[j * p->dim + i];

                sum += difference * difference;
            }
            if (left[j] && sum < dist[rank]) {
                dist[rank] = sum;
                index[rank] = (uint16_t)j;
            }
        }
        if (index[rank] != DKVB_CODE_NONE)
            left[index[rank]] = false;
    }
    free(left);
}

static void check_nearest(struct problem *p, struct dkvb__rng *rng, int kind, int dead)
{
    size_t size = p->n * p->k;
    int32_t *dist = malloc((2 * size + 1) * sizeof *dist);
    uint16_t *index = malloc((2 * size + 1) * sizeof *index);

    make_problem(p, rng, kind, dead);
    for (size_t r = 0; r < p->n; r++)
        plain_nearest(p, r, dist + r * p->k, index + r * p->k);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
        if (!dkvb__kernel_tables[t]->supported())
            continue;
        dist[2 * size] = 77;
        index[2 * size] = 77;
        run_nearest(dkvb__kernel_tables[t], p, dist + size, index + size);
        assert_memory_equal(index, index + size, size * sizeof *index);
        assert_memory_equal(dist, dist + size, size * sizeof *dist);
        /* asserts that no kernel writes behind the last row */
        assert_true(dist[2 * size] == 77 && index[2 * size] == 77);
    }
    free_problem(p);
    free(dist);
    free(index);
}

static size_t between(struct dkvb__rng *rng, size_t least, size_t most)
{
    return least + dkvb__rng_below(rng, most - least + 1);
}

static void every_kernel_finds_the_keys_of_a_plain_loop(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 1, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        runs(dkvb__kernel_tables[t]);
    for (size_t keys = 1; keys <= 300; keys++)
        for (int kind = 0; kind < KINDS; kind++) {
            struct problem p = {.n = between(&rng, 1, 16), .keys = keys, .dim = between(&rng, 1, 70)};

            p.k = between(&rng, 1, keys < 40 ? keys : 40);
            check_nearest(&p, &rng, kind, (int)dkvb__rng_below(&rng, DEAD_KINDS));
        }
    for (size_t dim = 1; dim <= 70; dim++)
        for (size_t n = 1; n <= 16; n++) {
            struct problem p = {.n = n, .keys = between(&rng, 1, 100), .dim = dim, .k = 1};

            check_nearest(&p, &rng, (int)dkvb__rng_below(&rng, KINDS), (int)dkvb__rng_below(&rng, 2));
        }
    for (size_t k = 1; k <= 40; k++)
        for (int kind = 0; kind < KINDS; kind++) {
            struct problem p = {.n = between(&rng, 1, 16), .keys = between(&rng, 40, 700), .dim = 9, .k = k};

            check_nearest(&p, &rng, kind, (int)dkvb__rng_below(&rng, DEAD_KINDS));
        }
}

/* Candidate keys are ordered by a heap if they are too many for ranking by counting, or if their distances are far
 * apart. */
static void many_keys_are_ordered_however_far_apart_they_are(void **state)
{
    static const size_t wanted[] = {33, 64, 128, 129, 200, 700};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 8, 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int dead = NONE_DEAD; dead < DEAD_KINDS; dead++) {
                struct problem p = {.n = between(&rng, 1, 16), .keys = 700, .dim = 11, .k = wanted[i]};

                check_nearest(&p, &rng, kind, dead);
            }
    for (size_t dim = 1; dim <= 40; dim++) {
        struct problem fewer_alive = {.n = 2, .keys = 70, .dim = dim, .k = 60};
        struct problem far_apart = {.n = 5, .keys = 500, .dim = 8 * dim, .k = 16};

        check_nearest(&fewer_alive, &rng, ENDS, HALF_DEAD);
        check_nearest(&far_apart, &rng, ENDS, NONE_DEAD);
    }
}

/* All products have the largest magnitude and the same sign, with sums on both sides of the limit of 16 bits. */
static void sums_in_16_bits_are_those_in_32_bits(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 9, 0);
    for (int round = 0; round < 400; round++) {
        struct problem p = {.n = between(&rng, 1, 16), .keys = 20, .dim = between(&rng, 1, 90), .k = 20};

        check_nearest(&p, &rng, ALONG_A_ROW, NONE_DEAD);
    }
}

/* Up to 128 candidate keys are ranked by counting, more by a heap. */
static void hundreds_of_equally_near_keys_are_ordered_by_index(void **state)
{
    static const size_t counts[] = {112, 113, 127, 128, 129, 144, 1000};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 2, 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t k = 2; k <= 40; k += 19)
            for (int dead = NONE_DEAD; dead <= HALF_DEAD; dead++) {
                struct problem equal = {.n = 9, .keys = counts[i], .dim = 6, .k = k};
                struct problem few = {.n = 3, .keys = counts[i], .dim = 3, .k = k};

                check_nearest(&equal, &rng, ALL_EQUAL, dead);
                check_nearest(&few, &rng, FEW_VALUES, dead);
            }
}

static void the_widest_keys_at_the_ends_of_the_range_do_not_overflow(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 3, 0);
    for (size_t n = 1; n <= 16; n += 5) {
        struct problem p = {.n = n, .keys = 70, .dim = 4096, .k = 3};

        check_nearest(&p, &rng, ENDS, HALF_DEAD);
    }
}

/* An unverified mapped file may have any bytes as keys and norms; the search may then find wrong keys, but only keys
 * that exist or none. */
static void bytes_that_no_key_has_do_no_harm(void **state)
{
    enum { N = 16, MANY = 200, WIDTH = 64, K = 9 };
    struct dkvb__rng rng;
    int32_t dist[N * K];
    uint16_t index[N * K];

    (void)state;
    dkvb__rng_seed(&rng, 4, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        for (size_t k = 1; dkvb__kernel_tables[t]->supported() && k <= K; k += 8) {
            struct problem p = {.n = N, .keys = MANY, .dim = WIDTH, .k = k};

            make_problem(&p, &rng, USUAL, NONE_DEAD);
            for (size_t i = 0; i < dkvb__key_words(MANY) * 64 * WIDTH; i++)
                p.packed[i] = (uint8_t)(dkvb__rng_below(&rng, 3) ? 255 : 0);
            run_nearest(dkvb__kernel_tables[t], &p, dist, index);
            for (size_t i = 0; i < N * k; i++)
                assert_true(index[i] < dkvb__key_words(MANY) * 64 || index[i] == DKVB_CODE_NONE);
            free_problem(&p);
        }
}

enum { MOST_SIZE = 1024 };

/* Returns a random number that may be usual, huge, subnormal, or the opposite of another. */
static float awkward(struct dkvb__rng *rng)
{
    float x = (float)dkvb__rng_gauss(rng);

    switch (dkvb__rng_below(rng, 8)) {
    case 0:
        return 1e30f * x;
    case 1:
        return 1e-42f * x;
    case 2:
        return -0.0f;
    case 3:
        return 0.5f;
    default:
        return x;
    }
}

static void every_kernel_transforms_to_the_same_bits_as_scalar(void **state)
{
    static float x[MOST_SIZE * DKVB__LANES], signs[MOST_SIZE];
    static float expected[MOST_SIZE * DKVB__LANES], got[MOST_SIZE * DKVB__LANES];
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 5, 0);
    for (size_t size = 1; size <= MOST_SIZE; size *= 2)
        for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
            if (!dkvb__kernel_tables[t]->supported())
                continue;
            for (size_t i = 0; i < size * DKVB__LANES; i++)
                x[i] = awkward(&rng);
            for (size_t i = 0; i < size; i++)
                signs[i] = dkvb__rng_below(&rng, 2) ? 1.0f : -1.0f;
            dkvb__kernels_scalar.hadamard(expected, x, signs, size);
            dkvb__kernel_tables[t]->hadamard(got, x, signs, size);
            assert_memory_equal(expected, got, size * DKVB__LANES * sizeof *x);
        }
}

/* In the Walsh-Hadamard matrix, H[i][j] is 1 or -1 by the parity of the bits of i & j. Each of the log2(size) stages of
 * the transform rounds numbers of at most the sum of magnitudes, so the error is at most log2(size) 2^-24 of this
 * sum. */
static void the_transform_is_that_of_walsh_and_hadamard(void **state)
{
    static float x[MOST_SIZE * DKVB__LANES], h[MOST_SIZE * DKVB__LANES], signs[MOST_SIZE];
    struct dkvb__rng rng;
    size_t stages = 0;

    (void)state;
    dkvb__rng_seed(&rng, 6, 0);
    for (size_t size = 1; size <= MOST_SIZE; size *= 2, stages++) {
        for (size_t i = 0; i < size * DKVB__LANES; i++)
            x[i] = (float)dkvb__rng_gauss(&rng);
        for (size_t i = 0; i < size; i++)
            signs[i] = i % 3 ? 1.0f : -1.0f;
        dkvb__kernels()->hadamard(h, x, signs, size);
        for (size_t r = 0; r < DKVB__LANES; r++)
            for (size_t i = 0; i < size; i++) {
                double sum = 0.0, sizes = 0.0;

                for (size_t j = 0; j < size; j++) {
                    double term = (double)signs[j] * (double)x[j * DKVB__LANES + r];

                    sum += __builtin_parityll(i & j) ? -term : term;
                    sizes += fabs(term);
                }
                assert_true(fabs((double)h[i * DKVB__LANES + r] - sum) <= (double)stages * 0x1p-24 * sizes);
            }
    }
}

static void every_kernel_rounds_rows_to_the_same_bytes_as_scalar(void **state)
{
    enum { MOST_DIM = 70 };
    static float x[MOST_DIM * DKVB__LANES];
    static int8_t rows_of[2][(MOST_DIM + 4) * DKVB__LANES];
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 7, 0);
    for (size_t dim = 1; dim <= MOST_DIM; dim++)
        for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
            size_t bytes = dkvb__quads(dim) * DKVB__LANES * 4;
            float scale = 10.0f * (float)dkvb__rng_unit(&rng) + 0.1f;

            if (!dkvb__kernel_tables[t]->supported())
                continue;
            for (size_t i = 0; i < dim * DKVB__LANES; i++)
                x[i] = dkvb__rng_below(&rng, 3) ? awkward(&rng) : ((float)dkvb__rng_below(&rng, 140) - 69.5f) / scale;
            memset(rows_of, 0x55, sizeof rows_of);
            dkvb__kernels_scalar.round_rows(rows_of[0], x, dim, scale);
            dkvb__kernel_tables[t]->round_rows(rows_of[1], x, dim, scale);
            assert_memory_equal(rows_of[0], rows_of[1], sizeof rows_of[0]);
            assert_true(rows_of[1][bytes] == 0x55);
            for (size_t i = dim; i < dkvb__quads(dim) * 4; i++)
                for (size_t r = 0; r < DKVB__LANES; r++)
                    assert_int_equal(rows_of[1][dkvb__row_offset(r, i)], 0);
        }
}

static void rows_are_rounded_to_the_nearest_step_halves_up_and_cut(void **state)
{
    static const struct {
        float x;
        int steps;
    } cases[DKVB__LANES] = {{0.0f, 0},    {0.25f, 1},    {-0.25f, 0},  {-0.26f, -1}, {0.74f, 1},    {0.75f, 2},
                            {-0.75f, -1}, {31.2f, 62},   {31.25f, 63}, {40.0f, 63},  {-31.3f, -63}, {-40.0f, -63},
                            {3e38f, 63},  {-3e38f, -63}, {1e-40f, 0},  {-1e-40f, 0}};
    float x[DKVB__LANES];
    int8_t tile[DKVB__LANES * 4];

    (void)state;
    for (size_t r = 0; r < DKVB__LANES; r++)
        x[r] = cases[r].x;
    dkvb__kernels()->round_rows(tile, x, 1, 2.0f);
    for (size_t r = 0; r < DKVB__LANES; r++)
        assert_int_equal(tile[dkvb__row_offset(r, 0)], -2 * cases[r].steps);
}

static void the_environment_names_the_kernels(void **state)
{
    const char *wanted = getenv("DKVB_KERNELS");

    (void)state;
    assert_string_equal(dkvb_runtime_kernels(), dkvb__kernels()->name);
    for (size_t t = 0; wanted && dkvb__kernel_tables[t]; t++)
        if (strcmp(dkvb__kernel_tables[t]->name, wanted) == 0 && dkvb__kernel_tables[t]->supported())
            assert_string_equal(dkvb_runtime_kernels(), wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_finds_the_keys_of_a_plain_loop),
        cmocka_unit_test(many_keys_are_ordered_however_far_apart_they_are),
        cmocka_unit_test(sums_in_16_bits_are_those_in_32_bits),
        cmocka_unit_test(hundreds_of_equally_near_keys_are_ordered_by_index),
        cmocka_unit_test(the_widest_keys_at_the_ends_of_the_range_do_not_overflow),
        cmocka_unit_test(bytes_that_no_key_has_do_no_harm),
        cmocka_unit_test(every_kernel_transforms_to_the_same_bits_as_scalar),
        cmocka_unit_test(the_transform_is_that_of_walsh_and_hadamard),
        cmocka_unit_test(every_kernel_rounds_rows_to_the_same_bytes_as_scalar),
        cmocka_unit_test(rows_are_rounded_to_the_nearest_step_halves_up_and_cut),
        cmocka_unit_test(the_environment_names_the_kernels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
