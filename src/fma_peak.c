#include "fma_peak.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "progress.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static const double LEAST_SECONDS = 0.02;

/* Twelve chains hide the latency of one multiply-add and leave registers for the factors. Each has a name,
 * so that it stays in a register; what they add up to is neither subnormal nor infinite. */
#define FMA_LOOP(VECTOR, SET, FMA)                                                                                     \
    const VECTOR x = SET(0.75f), y = SET(0.25f);                                                                       \
    VECTOR a = SET(1.1f), b = SET(1.2f), c = SET(1.3f), d = SET(1.4f), e = SET(1.5f);                                  \
    VECTOR f = SET(1.6f), g = SET(1.7f), h = SET(1.8f), i = SET(1.9f), j = SET(2.0f);                                  \
    VECTOR k = SET(2.1f), l = SET(2.2f);                                                                               \
                                                                                                                       \
    for (uint64_t round = 0; round < rounds; round++) {                                                                \
        a = FMA(x, y, a), b = FMA(x, y, b), c = FMA(x, y, c), d = FMA(x, y, d);                                        \
        e = FMA(x, y, e), f = FMA(x, y, f), g = FMA(x, y, g), h = FMA(x, y, h);                                        \
        i = FMA(x, y, i), j = FMA(x, y, j), k = FMA(x, y, k), l = FMA(x, y, l);                                        \
    }                                                                                                                  \
    a = FMA(a, b, FMA(c, d, FMA(e, f, FMA(g, h, FMA(i, j, FMA(k, l, y))))));                                           \
    memcpy(out, &a, sizeof(float))

enum { CHAINS = 12 };

struct loop {
    const char *kernels;
    unsigned lanes;
    void (*run)(uint64_t rounds, float *out);
};

static void portable(uint64_t rounds, float *out)
{
#define SAME(X) (X)
    FMA_LOOP(float, SAME, fmaf);
#undef SAME
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void avx512(uint64_t rounds, float *out)
{
    FMA_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps);
}

__attribute__((target("avx2,fma"))) static void avx2(uint64_t rounds, float *out)
{
    FMA_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps);
}
#elif defined(__aarch64__)
static void neon(uint64_t rounds, float *out)
{
#define FMADD(A, B, C) vfmaq_f32(C, A, B)
    FMA_LOOP(float32x4_t, vdupq_n_f32, FMADD);
#undef FMADD
}
#endif

/* The last one is for kernels of any other name. */
static const struct loop loops[] = {
#if defined(__x86_64__)
    {"avx512", 16, avx512},
    {"avx2", 8, avx2},
#elif defined(__aarch64__)
    {"neon", 4, neon},
#endif
    {NULL, 1, portable},
};

static volatile float kept; /* the compiler cannot leave out what is stored here */

/* Seconds that each of `threads` threads needs for as many rounds. */
static double seconds(const struct loop *loop, uint64_t rounds, uint32_t threads)
{
    double start = progress_clock();

#ifdef _OPENMP
#pragma omp parallel num_threads((int)threads)
#endif
    {
        float out;

        loop->run(rounds, &out);
#ifdef _OPENMP
#pragma omp critical
#endif
        kept = out;
    }
    (void)threads;
    return progress_clock() - start;
}

double fma_peak(const char *kernels, uint32_t threads)
{
    const struct loop *loop = loops;
    uint64_t rounds = 1 << 12;
    double took;

    while (loop->kernels && strcmp(loop->kernels, kernels) != 0)
        loop++;
    while ((took = seconds(loop, rounds, threads)) < LEAST_SECONDS)
        rounds *= 2;
    return 2.0 * CHAINS * loop->lanes * (double)rounds * threads / took / 1e9;
}
