/*
 * Compares the usual way to search, a matrix product by OpenBLAS and an argmin, with the library, on the same rows and
 * keys. The program prints the times of both, and all codes must be equal. Rows and keys are whole numbers of -63 to
 * 63, so every sum of the product form, |k|^2 / 2 - q.k, is a multiple of a half and below 2^23 at these widths. Floats
 * hold such sums exactly, whatever their order.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cblas.h>

#include "bottleneck/search.h"
#include "dkvb/dkvb.h"

enum { C = 16, K = 4096, N = 512, REPEATS = 3 };

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Draws a whole number of -63 to 63. The number is a scaled sum of twelve uniform draws, which is nearly normally
 * distributed. */
static float draw(void)
{
    static uint32_t state = 1;
    float sum = -6.0f;

    for (int i = 0; i < 12; i++) {
        state = state * 1664525u + 1013904223u;
        sum += (float)(state >> 8) * 0x1p-24f;
    }
    return rintf(fminf(fmaxf(14.0f * sum, -63.0f), 63.0f));
}

/* Computes codes[r][c] with one sgemm for each codebook. rows: [N][C][dim]; keys: [C][K][dim]; half: [C][K], |k|^2 / 2.
 */
static void blas_search(const float *rows, const float *keys, const float *half, size_t dim, uint16_t *codes,
                        float *product)
{
    for (size_t c = 0; c < C; c++) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, K, (int)dim, -1.0f, rows + c * dim, (int)(C * dim),
                    keys + c * K * dim, (int)dim, 0.0f, product, K);
        for (size_t r = 0; r < N; r++) {
            const float *p = product + r * K;
            float best = INFINITY;

            for (size_t j = 0; j < K; j++)
                if (p[j] + half[c * K + j] < best) {
                    best = p[j] + half[c * K + j];
                    codes[r * C + c] = (uint16_t)j;
                }
        }
    }
}

static int compare(const uint16_t *ours, const uint16_t *theirs, size_t dim)
{
    for (size_t i = 0; i < N * C; i++)
        if (ours[i] != theirs[i]) {
            printf("dim %zu, row %zu, codebook %zu: key %u here, key %u by sgemm\n", dim, i / C, i % C, ours[i],
                   theirs[i]);
            return 1;
        }
    printf("dim %2zu: all of %d codes are the same\n", dim, N * C);
    return 0;
}

static int run(size_t dim)
{
    float *rows = malloc(N * C * dim * sizeof *rows), *keys = malloc(C * K * dim * sizeof *keys);
    float *half = malloc(C * K * sizeof *half), *product = malloc((size_t)N * K * sizeof *product);
    float scales[C];
    uint16_t *ours = malloc(N * C * sizeof *ours), *theirs = malloc(N * C * sizeof *theirs);
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    double fast[2] = {INFINITY, INFINITY};
    dkvb_codebooks *cb;
    int failed;

    o.codebooks = C;
    o.keys = K;
    o.key_dim = (uint32_t)dim;
    for (size_t i = 0; i < N * C * dim; i++)
        rows[i] = draw();
    for (size_t i = 0; i < C * K * dim; i++)
        keys[i] = draw();
    for (size_t i = 0; i < C * K; i++) {
        half[i] = 0.0f;
        for (size_t j = 0; j < dim; j++)
            half[i] += 0.5f * keys[i * dim + j] * keys[i * dim + j];
    }
    for (size_t c = 0; c < C; c++)
        scales[c] = 1.0f; /* scale 1, as whole numbers are steps already */
    arrays.dim = 1;
    arrays.scales = scales;
    arrays.keys = keys;
    if (dkvb_codebooks_from_arrays(&cb, &arrays, &o) != DKVB_OK)
        return 1;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = seconds(), half_way;

        if (dkvb__search_projected(cb, NULL, rows, N, 1, ours, NULL, NULL) != DKVB_OK)
            return 1;
        half_way = seconds();
        blas_search(rows, keys, half, dim, theirs, product);
        fast[0] = fmin(fast[0], half_way - start);
        fast[1] = fmin(fast[1], seconds() - half_way);
    }
    failed = compare(ours, theirs, dim);
    printf("dim %2zu: libdkvb (%s) %.1f ms, sgemm and argmin %.1f ms\n", dim, dkvb_runtime_kernels(), 1e3 * fast[0],
           1e3 * fast[1]);
    dkvb_codebooks_free(cb);
    free(rows);
    free(keys);
    free(half);
    free(product);
    free(ours);
    free(theirs);
    return failed;
}

int main(void)
{
    return run(8) | run(16) | run(32);
}
