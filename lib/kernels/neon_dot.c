/* Kernels for NEON with dot products of bytes (ARMv8.2 and later, nearly all servers and phones). */
#include <arm_neon.h>
#include <sys/auxv.h>

#include "kernels/kernels.h"

static bool supported(void)
{
    enum { HAS_DOT_PRODUCT = 1 << 20 }; /* the bit HWCAP_ASIMDDP with which Linux reports dot products of bytes */

    return (getauxval(AT_HWCAP) & HAS_DOT_PRODUCT) != 0;
}

static inline int32x4_t add_products(int32x4_t sum, int8x16_t key, int8x16_t row)
{
    return vdotq_s32(sum, key, row);
}

#include "kernels/neon.h"

const struct dkvb__kernels dkvb__kernels_neon_dot = {
    "neon-dot", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_neon};
