/* The kernel add_values(), which adds rows of values, for the kernel table `neon`. */
#include <arm_neon.h>

#include "kernels/kernels.h"

enum { VALUES_LANES = 4 };
typedef float32x4_t values_vector;

static inline values_vector values_load(const float *p)
{
    return vld1q_f32(p);
}

static inline values_vector values_load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline values_vector values_load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static inline void values_store(float *p, values_vector v)
{
    vst1q_f32(p, v);
}

static inline values_vector values_add(values_vector a, values_vector b)
{
    return vaddq_f32(a, b);
}

/* kernels/values.h defines add_values() by means of the vector functions in the including kernel file */
#include "kernels/values.h"

void dkvb__add_values_neon(float *sums, const void *const *rows, size_t count, size_t classes, uint32_t dtype)
{
    if (classes < VALUES_LANES)
        dkvb__add_values_plain(sums, rows, count, classes, dtype);
    else
        add_values(sums, rows, count, classes, dtype);
}
