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

static inline uint32_t dkvb__bits_of_float(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float dkvb__half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    /* Zero and subnormal: fraction * 2^-24, the difference of two numbers of [2^-14, 2^-13). */
    float tiny = dkvb__float_of_bits(magnitude + (113u << 23)) - 0x1p-14f;
    uint32_t tiny_bits = dkvb__bits_of_float(tiny), normal = magnitude + (112u << 23);

    normal = magnitude >= 31u << 23 ? magnitude | 0x7F800000u : normal; /* infinite or NaN */
    return dkvb__float_of_bits(sign | (magnitude < 1u << 23 ? tiny_bits : normal));
}

static inline float dkvb__bfloat_to_float(uint16_t bfloat)
{
    return dkvb__float_of_bits((uint32_t)bfloat << 16);
}

/* The upper bits of `x`, without the lowest `drop`, rounded; a carry goes into the exponent, where it belongs. */
static inline uint32_t dkvb__round_off(uint32_t x, unsigned drop)
{
    return (x + (1u << (drop - 1)) - 1 + (x >> drop & 1)) >> drop;
}

static inline uint16_t dkvb__float_to_half(float x)
{
    uint32_t bits = dkvb__bits_of_float(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    /* Below 2^-14: multiples of 2^-24, the steps of the numbers from a half to 1. */
    float tiny = dkvb__float_of_bits(magnitude) + 0.5f;
    uint32_t half = magnitude < 113u << 23 ? dkvb__bits_of_float(tiny) - (126u << 23)
                                           : dkvb__round_off(magnitude - (112u << 23), 13);

    half = magnitude >= 0x477FF000u ? 0x7C00 : half; /* 65520, which rounds to 65536 */
    half = magnitude > 0x7F800000u ? 0x7E00 : half;  /* NaN */
    return (uint16_t)(sign | half);
}

static inline uint16_t dkvb__float_to_bfloat(float x)
{
    uint32_t bits = dkvb__bits_of_float(x);
    /* NaN: rounding could make it infinite. */
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000u ? bits >> 16 | 0x40 : dkvb__round_off(bits, 16));
}

#endif
