/* Kernels (inner loops) for NEON on any aarch64 processor. NEON kernels for processors without dot products of
 * bytes compute products of bytes in 16 bits and add them up in pairs. */
#include <arm_neon.h>

#include "kernels/kernels.h"

static bool supported(void)
{
    return true;
}

static inline int32x4_t add_products(int32x4_t sum, int8x16_t key, int8x16_t row)
{
    int16x8_t low = vmull_s8(vget_low_s8(key), vget_low_s8(row)), high = vmull_high_s8(key, row);

    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

#include "kernels/neon.h"

const struct dkvb__kernels dkvb__kernels_neon = {
    "neon", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_neon};
