/* The kernel add_values(), which adds rows of values, for the kernel tables `avx2` and `avx512`. Adding values is
 * limited by the speed of memory, so vectors wider than those of AVX2 would not be faster. Every processor with AVX2
 * also converts float16 (F16C). */
#include <immintrin.h>

#include "kernels/kernels.h"

enum { VALUES_LANES = 8 };
typedef __m256 values_vector;

static inline values_vector values_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline values_vector values_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline values_vector values_load_bf16(const uint16_t *p)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));

    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline void values_store(float *p, values_vector v)
{
    _mm256_storeu_ps(p, v);
}

static inline values_vector values_add(values_vector a, values_vector b)
{
    return _mm256_add_ps(a, b);
}

/* kernels/values.h defines add_values() by means of the vector functions in the including kernel file */
#include "kernels/values.h"

void dkvb__add_values_avx2(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype)
{
    if (classes < VALUES_LANES)
        dkvb__add_values_plain(sums, rows, count, classes, dtype);
    else
        add_values(sums, rows, count, classes, dtype);
}
