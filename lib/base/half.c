#include "base/half.h"

#include <string.h>

float dkvb__half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1Fu;
    uint32_t fraction = half & 0x3FFu;
    uint32_t bits;
    float result;

    if (exponent == 0) { /* zero and subnormal: fraction * 2^-24 */
        result = (float)fraction * 0x1p-24f;
        return sign ? -result : result;
    }
    if (exponent == 31)
        bits = sign | 0x7F800000u | fraction << 13;
    else
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    memcpy(&result, &bits, sizeof result);
    return result;
}
