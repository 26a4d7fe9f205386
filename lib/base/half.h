#ifndef DKVB_BASE_HALF_H
#define DKVB_BASE_HALF_H

#include <stdint.h>
#include <string.h>

/* IEEE 754 binary16 and bfloat16, the upper half of a binary32. To binary32 is exact; without branches, so that loops
 * take many numbers at a time. From binary32 is to the nearest, ties to even; what is too large becomes infinite. */

static inline float dkvb__float_of_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float dkvb__half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    /* Zero and subnormal: fraction * 2^-24, the difference of two numbers of [2^-14, 2^-13). */
    float tiny = dkvb__float_of_bits(magnitude + (113u << 23)) - 0x1p-14f;
    uint32_t tiny_bits, normal = magnitude + (112u << 23);

    memcpy(&tiny_bits, &tiny, sizeof tiny_bits);
    normal = magnitude >= 31u << 23 ? magnitude | 0x7F800000u : normal; /* infinite or NaN */
    return dkvb__float_of_bits(sign | (magnitude < 1u << 23 ? tiny_bits : normal));
}

static inline float dkvb__bfloat_to_float(uint16_t bfloat)
{
    return dkvb__float_of_bits((uint32_t)bfloat << 16);
}

uint16_t dkvb__float_to_half(float x);
uint16_t dkvb__float_to_bfloat(float x);

#endif
