/* Every kernel this processor runs gives the bits of scalar.c, at the awkward sizes. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bottleneck/mask.h"
#include "kernels/kernels.h"

static const size_t dims[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 14, 16, 17, 31, 32, 64};
static const size_t key_counts[] = {1, 2, 15, 16, 17, 48, 63, 64, 65, 100, 130, 257, 1000};
static const size_t row_counts[] = {1, 2, 3, 5, 6, 13, 101};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Whether this processor runs the kernels; says so if not. */
static bool runs(const struct dkvb__kernels *k)
{
    if (k->supported())
        return true;
    print_message("%s: not supported by this processor, skipped\n", k->name);
    return false;
}

enum { KINDS = 10, FAR_ROWS = 9 /* rows much farther out than the keys */ };

/* Numbers that meet ties, overflow and subnormals, not only the usual. */
static float awkward(struct dkvb__rng *rng, int kind)
{
    static const float special[] = {0.0f, -0.0f, 1.0f, 1e30f, -3e38f, 1e-30f, 1e-45f, 0.5f};

    if (kind == 1)
        return (float)(int)dkvb__rng_below(rng, 3); /* many equal distances */
    if (kind == 2)
        return special[dkvb__rng_below(rng, COUNT(special))];
    if (kind == 3) /* far from the origin, close together: what a product form rounds away */
        return 1000.0f + 1e-3f * (float)dkvb__rng_gauss(rng);
    if (kind == 4)
        return 1e19f * (float)dkvb__rng_gauss(rng);
    if (kind == 5)
        return 1e-21f * (float)dkvb__rng_gauss(rng); /* whose squares are subnormal */
    if (kind == 6)                                   /* lengths from tiny to huge side by side */
        return ldexpf((float)dkvb__rng_gauss(rng), (int)dkvb__rng_below(rng, 240) - 125);
    if (kind == 7)
        return 1e-40f * (float)dkvb__rng_gauss(rng); /* subnormal themselves */
    if (kind == 8)                                   /* finite distances of rows and keys whose products overflow */
        return 1e20f + 1e17f * (float)dkvb__rng_gauss(rng);
    return (float)dkvb__rng_gauss(rng);
}

struct problem {
    size_t n, keys, dim, k;
    float *q, *blocks;
    uint64_t *dead;
};

/* A number that is the same as x or differs in the last bits. */
static float nudged(struct dkvb__rng *rng, float x)
{
    return x * (1.0f + 0x1p-22f * (float)((int)dkvb__rng_below(rng, 5) - 2));
}

/* Half of the keys become copies of a key before them, some of them inexact, and rows lie on keys or beside them. */
static void make_twins(struct problem *p, struct dkvb__rng *rng)
{
    for (size_t j = 1; j < p->keys; j++) {
        size_t other = dkvb__rng_below(rng, 2) ? j : dkvb__rng_below(rng, j);
        bool exact = dkvb__rng_below(rng, 2) == 0;

        for (size_t i = 0; i < p->dim; i++) {
            float x = p->blocks[dkvb__key_offset(other, p->dim) + i * DKVB__LANES];

            p->blocks[dkvb__key_offset(j, p->dim) + i * DKVB__LANES] = exact ? x : nudged(rng, x);
        }
    }
    for (size_t r = 0; r < p->n; r++) {
        size_t j = dkvb__rng_below(rng, p->keys);

        for (size_t i = 0; i < p->dim; i++) {
            float x = p->blocks[dkvb__key_offset(j, p->dim) + i * DKVB__LANES];

            p->q[r * p->dim + i] = r % 2 ? nudged(rng, x) : x;
        }
    }
}

enum masked { NO_KEY, HALF_OF_THE_KEYS, ALL_KEYS_BUT_ONE, ALL_KEYS, MASKED_KINDS };

static bool is_masked(const struct problem *p, struct dkvb__rng *rng, enum masked masked, size_t j)
{
    if (masked == HALF_OF_THE_KEYS)
        return dkvb__rng_below(rng, 2) == 0;
    return masked == ALL_KEYS || (masked == ALL_KEYS_BUT_ONE && j != p->keys / 2);
}

static void make_problem(struct problem *p, struct dkvb__rng *rng, int kind, enum masked masked)
{
    size_t words = dkvb__key_words(p->keys);

    p->q = malloc(p->n * p->dim * sizeof *p->q);
    p->blocks = calloc(dkvb__key_blocks(p->keys) * DKVB__LANES * p->dim, sizeof *p->blocks);
    p->dead = calloc(words, sizeof *p->dead);
    for (size_t i = 0; i < p->n * p->dim; i++)
        p->q[i] = (kind == FAR_ROWS ? 30.0f : 1.0f) * awkward(rng, kind);
    for (size_t j = 0; j < p->keys; j++)
        for (size_t i = 0; i < p->dim; i++)
            p->blocks[dkvb__key_offset(j, p->dim) + i * DKVB__LANES] = awkward(rng, kind);
    for (size_t j = 0; j < p->keys; j++)
        if (is_masked(p, rng, masked, j))
            p->dead[j / 64] |= (uint64_t)1 << j % 64;
    p->dead[words - 1] |= ~dkvb__last_word(p->keys);
}

static void free_problem(struct problem *p)
{
    free(p->q);
    free(p->blocks);
    free(p->dead);
}

/* Coarse keys of the problem's, whose parts are one piece of memory; none if the kernels have no use for them. */
static bool make_coarse(struct dkvb__coarse *coarse, const struct dkvb__kernels *k, const struct problem *p)
{
    size_t words = dkvb__key_words(p->keys), codes = words * dkvb__coarse_word(p->dim);
    unsigned char *memory;

    if (!k->coarsen)
        return false;
    memory = malloc(p->dim * sizeof(float) + codes + words * 64 * sizeof(int16_t));
    memset(coarse, 0xA5, sizeof *coarse);
    coarse->center = (float *)memory;
    coarse->codes = memory + p->dim * sizeof(float);
    coarse->height = (int16_t *)(coarse->codes + codes);
    k->coarsen(coarse, p->blocks, p->keys, p->dim);
    return true;
}

static void compare_nearest(const struct dkvb__kernels *k, const struct problem *p)
{
    size_t size = p->n * p->k;
    float *dist = malloc(2 * size * sizeof *dist);
    uint16_t *index = malloc(2 * size * sizeof *index);
    struct dkvb__coarse coarse;

    dkvb__kernels_scalar.nearest(dist, index, p->q, p->n, p->blocks, p->dead, p->keys, p->dim, p->k);
    k->nearest(dist + size, index + size, p->q, p->n, p->blocks, p->dead, p->keys, p->dim, p->k);
    assert_memory_equal(index, index + size, size * sizeof *index);
    assert_memory_equal(dist, dist + size, size * sizeof *dist);
    if (make_coarse(&coarse, k, p)) {
        memset(dist + size, 0xFF, size * sizeof *dist);
        k->nearest_coarse(dist + size, index + size, p->q, p->n, p->blocks, p->dead, p->keys, p->dim, p->k, &coarse);
        assert_memory_equal(index, index + size, size * sizeof *index);
        assert_memory_equal(dist, dist + size, size * sizeof *dist);
        free(coarse.center);
    }
    free(dist);
    free(index);
}

/* Searches of all sizes: up to `most` nearest keys, with or without keys that are equal. */
static void compare_searches(const struct dkvb__kernels *k, struct dkvb__rng *rng, size_t most, bool twins)
{
    for (size_t d = 0; d < COUNT(dims); d++)
        for (size_t j = 0; j < COUNT(key_counts); j++)
            for (size_t r = 0; r < COUNT(row_counts); r++) {
                struct problem p = {.n = row_counts[r], .keys = key_counts[j], .dim = dims[d]};

                p.k = 1 + dkvb__rng_below(rng, p.keys < most ? p.keys : most);
                make_problem(&p, rng, (int)((d + j + r) % KINDS), (enum masked)((d + j) % MASKED_KINDS));
                if (twins)
                    make_twins(&p, rng);
                compare_nearest(k, &p);
                free_problem(&p);
            }
}

static void every_kernel_finds_the_same_keys_as_scalar(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 1, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        if (runs(dkvb__kernel_tables[t]))
            compare_searches(dkvb__kernel_tables[t], &rng, 5, false);
}

static void every_kernel_finds_the_same_of_equal_keys_as_scalar(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 4, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        if (runs(dkvb__kernel_tables[t]))
            compare_searches(dkvb__kernel_tables[t], &rng, 40, true);
}

/* Rows and columns for a projection. Cancelling ones: the second half takes away what the first half added, so that
 * nothing but the rounding of every step remains. */
static void make_projection(double *x, float *p, struct dkvb__rng *rng, size_t n, size_t m, size_t dim, int kind,
                            bool cancelling)
{
    for (size_t i = 0; i < n * m; i++)
        x[i] = dkvb__rng_gauss(rng);
    for (size_t i = 0; i < m * dim; i++)
        p[i] = awkward(rng, kind);
    for (size_t i = m / 2; cancelling && i < m / 2 * 2; i++) {
        for (size_t r = 0; r < n; r++)
            x[r * m + i] = -x[r * m + i - m / 2];
        memcpy(p + i * dim, p + (i - m / 2) * dim, dim * sizeof *p);
    }
}

static void compare_projections(const struct dkvb__kernels *k, struct dkvb__rng *rng, size_t n, size_t m, size_t dim,
                                int kind)
{
    static double x[101 * 128];
    static const double *row[101];
    static float p[128 * 64], out[2][101 * 64 + 1];

    for (size_t i = 0; i < n; i++)
        row[i] = x + i * m;
    for (int cancelling = 0; cancelling < 2; cancelling++) {
        make_projection(x, p, rng, n, m, dim, kind, cancelling);
        out[0][n * dim] = out[1][n * dim] = 7.0f; /* nothing is written behind the last column */
        dkvb__kernels_scalar.project(out[0], row, n, p, m, dim);
        k->project(out[1], row, n, p, m, dim);
        assert_memory_equal(out[0], out[1], (n * dim + 1) * sizeof(float));
    }
}

static void every_kernel_projects_to_the_same_bits_as_scalar(void **state)
{
    static const size_t widths[] = {1, 2, 7, 33, 128};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 2, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
        bool run = runs(dkvb__kernel_tables[t]);

        for (size_t d = 0; run && d < COUNT(dims); d++)
            for (size_t w = 0; w < COUNT(widths); w++)
                for (size_t r = 0; r < COUNT(row_counts); r++)
                    compare_projections(dkvb__kernel_tables[t], &rng, row_counts[r], widths[w], dims[d],
                                        (int)((d + w + r) % KINDS));
    }
}

static void compare_distances(const struct dkvb__kernels *k, struct dkvb__rng *rng, size_t keys, size_t dim, int kind)
{
    struct problem p = {.n = 1, .keys = keys, .dim = dim};
    size_t lanes = dkvb__key_blocks(p.keys) * DKVB__LANES;
    float *dist = malloc(2 * lanes * sizeof *dist);

    make_problem(&p, rng, kind, NO_KEY);
    dkvb__kernels_scalar.distances(dist, p.q, p.blocks, p.keys, p.dim);
    k->distances(dist + lanes, p.q, p.blocks, p.keys, p.dim);
    assert_memory_equal(dist, dist + lanes, lanes * sizeof *dist);
    free(dist);
    free_problem(&p);
}

static void every_kernel_measures_the_same_distances_as_scalar(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 3, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
        bool run = runs(dkvb__kernel_tables[t]);

        for (size_t d = 0; run && d < COUNT(dims); d++)
            for (size_t j = 0; j < COUNT(key_counts); j++)
                for (int kind = 0; kind < KINDS; kind++)
                    compare_distances(dkvb__kernel_tables[t], &rng, key_counts[j], dims[d], kind);
    }
}

static void ties_go_to_the_lowest_key(void **state)
{
    float blocks[DKVB__LANES * 2] = {0}, q[1] = {0.0f}, dist[3];
    uint64_t dead = ~(((uint64_t)1 << 20) - 1);
    uint16_t index[3];

    (void)state;
    for (size_t j = 0; j < 20; j++)
        blocks[dkvb__key_offset(j, 1)] = j == 7 || j == 13 ? 1.0f : 2.0f;
    dkvb__kernels()->nearest(dist, index, q, 1, blocks, &dead, 20, 1, 3);
    assert_int_equal(index[0], 7);
    assert_int_equal(index[1], 13);
    assert_int_equal(index[2], 0);
}

static void distances_that_overflow_still_select_live_keys(void **state)
{
    float blocks[DKVB__LANES] = {0}, q[1] = {-3e38f}, dist[3];
    uint64_t dead = ~(uint64_t)6; /* keys 1 and 2 live */
    uint16_t index[3];

    (void)state;
    for (size_t j = 0; j < 4; j++)
        blocks[j] = 3e38f;
    dkvb__kernels()->nearest(dist, index, q, 1, blocks, &dead, 4, 1, 3);
    assert_int_equal(index[0], 1);
    assert_int_equal(index[1], 2);
    assert_int_equal(index[2], DKVB_CODE_NONE);
    assert_true(isinf(dist[0]) && isinf(dist[2]));
}

static void the_environment_names_the_kernels(void **state)
{
    const char *wanted = getenv("DKVB_KERNELS");

    (void)state;
    if (wanted && strcmp(wanted, "scalar") == 0)
        assert_string_equal(dkvb_runtime_kernels(), "scalar");
    else
        assert_string_equal(dkvb_runtime_kernels(), dkvb__kernels()->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_finds_the_same_keys_as_scalar),
        cmocka_unit_test(every_kernel_finds_the_same_of_equal_keys_as_scalar),
        cmocka_unit_test(every_kernel_projects_to_the_same_bits_as_scalar),
        cmocka_unit_test(every_kernel_measures_the_same_distances_as_scalar),
        cmocka_unit_test(ties_go_to_the_lowest_key),
        cmocka_unit_test(distances_that_overflow_still_select_live_keys),
        cmocka_unit_test(the_environment_names_the_kernels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
