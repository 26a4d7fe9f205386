/*
 * The usual way to search, a matrix product by OpenBLAS and an argmin, beside the library: the same rows and keys,
 * codes compared, times printed. |q - k|^2 = |q|^2 - 2 q.k + |k|^2 rounds otherwise than the sum of squares, so codes
 * may differ where two distances agree to what single precision can tell: 4 dim eps (|q|^2 + |k|^2), the bound of the
 * product form.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cblas.h>

#include "dkvb/dkvb.h"

enum { C = 16, K = 4096, N = 512, REPEATS = 3 };

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Sum of twelve even numbers: bell-shaped enough. */
static float draw(void)
{
    static uint32_t state = 1;
    float sum = -6.0f;

    for (int i = 0; i < 12; i++) {
        state = state * 1664525u + 1013904223u;
        sum += (float)(state >> 8) * 0x1p-24f;
    }
    return sum;
}

static double norm2(const float *x, size_t dim)
{
    double sum = 0.0;

    for (size_t i = 0; i < dim; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static double distance(const float *a, const float *b, size_t dim)
{
    double sum = 0.0;

    for (size_t i = 0; i < dim; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* codes[r][c] by one sgemm a codebook. rows: [N][C][dim]; keys: [C][K][dim]; half: [C][K], |k|^2 / 2. */
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

static int compare(const uint16_t *ours, const uint16_t *theirs, const float *rows, const float *keys, size_t dim)
{
    size_t differ = 0;

    for (size_t i = 0; i < N * C; i++) {
        const float *q = rows + i * dim, *mine = keys + (i % C * K + ours[i]) * dim;
        const float *other = keys + (i % C * K + theirs[i]) * dim;
        double bound = 4.0 * (double)dim * FLT_EPSILON * (norm2(q, dim) + norm2(other, dim));

        if (ours[i] == theirs[i])
            continue;
        differ++;
        if (distance(q, mine, dim) - distance(q, other, dim) > bound) {
            printf("row %zu, codebook %zu: key %u is nearer than key %u\n", i / C, i % C, theirs[i], ours[i]);
            return 1;
        }
    }
    printf("dim %2zu: %zu of %d codes differ, all of them ties in single precision\n", dim, differ, N * C);
    return 0;
}

static int run(size_t dim)
{
    float *rows = malloc(N * C * dim * sizeof *rows), *keys = malloc(C * K * dim * sizeof *keys);
    float *half = malloc(C * K * sizeof *half), *product = malloc((size_t)N * K * sizeof *product);
    float *zeros = calloc(C * dim, sizeof *zeros);
    uint16_t *ours = malloc(N * C * sizeof *ours), *theirs = malloc(N * C * sizeof *theirs);
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
    for (size_t i = 0; i < C * K; i++)
        half[i] = (float)(norm2(keys + i * dim, dim) / 2.0);
    if (dkvb_codebooks_from_arrays(&cb, 1, zeros, NULL, keys, &o) != DKVB_OK)
        return 1;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = seconds(), half_way;

        if (dkvb_search_projected(cb, NULL, rows, N, 1, ours, NULL, NULL) != DKVB_OK)
            return 1;
        half_way = seconds();
        blas_search(rows, keys, half, dim, theirs, product);
        fast[0] = fmin(fast[0], half_way - start);
        fast[1] = fmin(fast[1], seconds() - half_way);
    }
    failed = compare(ours, theirs, rows, keys, dim);
    printf("dim %2zu: libdkvb (%s) %.1f ms, sgemm and argmin %.1f ms\n", dim, dkvb_runtime_kernels(), 1e3 * fast[0],
           1e3 * fast[1]);
    dkvb_codebooks_free(cb);
    free(rows);
    free(keys);
    free(half);
    free(product);
    free(zeros);
    free(ours);
    free(theirs);
    return failed;
}

int main(void)
{
    return run(8) | run(16) | run(32);
}
