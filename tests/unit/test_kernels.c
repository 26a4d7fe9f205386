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
        return 1e-21f * (float)dkvb__rng_gauss(rng);
    return (float)dkvb__rng_gauss(rng);
}

struct problem {
    size_t n, keys, dim, k;
    float *q, *blocks;
    uint64_t *dead;
};

static void make_problem(struct problem *p, struct dkvb__rng *rng, int kind, int masked)
{
    size_t words = dkvb__key_words(p->keys);

    p->q = malloc(p->n * p->dim * sizeof *p->q);
    p->blocks = calloc(dkvb__key_blocks(p->keys) * DKVB__LANES * p->dim, sizeof *p->blocks);
    p->dead = calloc(words, sizeof *p->dead);
    for (size_t i = 0; i < p->n * p->dim; i++)
        p->q[i] = awkward(rng, kind);
    for (size_t j = 0; j < p->keys; j++)
        for (size_t i = 0; i < p->dim; i++)
            p->blocks[dkvb__key_offset(j, p->dim) + i * DKVB__LANES] = awkward(rng, kind);
    for (size_t j = 0; masked && j < p->keys; j++)
        if (masked == 2 ? j != p->keys / 2 : dkvb__rng_below(rng, 2) == 0)
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

static void every_kernel_finds_the_same_keys_as_scalar(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 1, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
        const struct dkvb__kernels *k = dkvb__kernel_tables[t];

        if (!k->supported()) {
            print_message("%s: not supported by this processor, skipped\n", k->name);
            continue;
        }
        for (size_t d = 0; d < COUNT(dims); d++)
            for (size_t j = 0; j < COUNT(key_counts); j++)
                for (size_t r = 0; r < COUNT(row_counts); r++) {
                    struct problem p = {.n = row_counts[r], .keys = key_counts[j], .dim = dims[d]};
                    size_t most = p.keys < 5 ? p.keys : 5;

                    p.k = 1 + dkvb__rng_below(&rng, most);
                    make_problem(&p, &rng, (int)((d + j + r) % 6), (int)((d + j) % 3));
                    compare_nearest(k, &p);
                    free_problem(&p);
                }
    }
}

static void every_kernel_projects_to_the_same_bits_as_scalar(void **state)
{
    static const size_t widths[] = {1, 2, 7, 33, 128};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 2, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        for (size_t d = 0; d < COUNT(dims); d++)
            for (size_t w = 0; w < COUNT(widths); w++)
                for (size_t r = 0; r < COUNT(row_counts) && dkvb__kernel_tables[t]->supported(); r++) {
                    size_t n = row_counts[r], m = widths[w], dim = dims[d];
                    static double x[101 * 128];
                    static const double *row[101];
                    static float p[128 * 64], out[2][101 * 64];

                    for (size_t i = 0; i < n * m; i++)
                        x[i] = dkvb__rng_gauss(&rng);
                    for (size_t i = 0; i < m * dim; i++)
                        p[i] = awkward(&rng, (int)(r % 2) * 2);
                    for (size_t i = 0; i < n; i++)
                        row[i] = x + i * m;
                    dkvb__kernels_scalar.project(out[0], row, n, p, m, dim);
                    dkvb__kernel_tables[t]->project(out[1], row, n, p, m, dim);
                    assert_memory_equal(out[0], out[1], n * dim * sizeof(float));
                }
}

static void every_kernel_measures_the_same_distances_as_scalar(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 3, 0);
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        for (size_t d = 0; d < COUNT(dims); d++)
            for (size_t j = 0; j < COUNT(key_counts) && dkvb__kernel_tables[t]->supported(); j++) {
                struct problem p = {.n = 1, .keys = key_counts[j], .dim = dims[d]};
                size_t lanes = dkvb__key_blocks(p.keys) * DKVB__LANES;
                float *dist = malloc(2 * lanes * sizeof *dist);

                make_problem(&p, &rng, (int)(j % 3), 0);
                dkvb__kernels_scalar.distances(dist, p.q, p.blocks, p.keys, p.dim);
                dkvb__kernel_tables[t]->distances(dist + lanes, p.q, p.blocks, p.keys, p.dim);
                assert_memory_equal(dist, dist + lanes, lanes * sizeof *dist);
                free(dist);
                free_problem(&p);
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
        cmocka_unit_test(every_kernel_projects_to_the_same_bits_as_scalar),
        cmocka_unit_test(every_kernel_measures_the_same_distances_as_scalar),
        cmocka_unit_test(ties_go_to_the_lowest_key),
        cmocka_unit_test(distances_that_overflow_still_select_live_keys),
        cmocka_unit_test(the_environment_names_the_kernels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
