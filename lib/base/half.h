#ifndef DKVB_BASE_HALF_H
#define DKVB_BASE_HALF_H

#include <stdint.h>
#include <string.h>

/* Conversions of IEEE 754 binary16 and of bfloat16, which is the upper half of a binary32. Widening to binary32 is
 * exact, and has no branches, so that compilers convert many numbers at a time. Narrowing from binary32 to binary16 or
 * bfloat16 rounds to the nearest, ties to even; numbers that are too large become infinite. */

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
    /* Zero and subnormal binary16 numbers are a fraction of 10 bits times 2^-24, computed as the difference of two
     * float32 numbers from [2^-14, 2^-13). */
    float tiny = dkvb__float_of_bits(magnitude + (113u << 23)) - 0x1p-14f;
    uint32_t tiny_bits = dkvb__bits_of_float(tiny), normal = magnitude + (112u << 23);

    /* an infinity or a NaN in binary16 stays an infinity or a NaN in binary32 */
    normal = magnitude >= 31u << 23 ? magnitude | 0x7F800000u : normal;
    return dkvb__float_of_bits(sign | (magnitude < 1u << 23 ? tiny_bits : normal));
}

static inline float dkvb__bfloat_to_float(uint16_t bfloat)
{
    return dkvb__float_of_bits((uint32_t)bfloat << 16);
}

/* Rounds the bits `x` of a float and shifts its lowest `drop` bits out. If rounding carries out of the fraction, the
 * carry goes into the exponent, which is the correct rounding. */
static inline uint32_t dkvb__round_off(uint32_t x, unsigned drop)
{
    return (x + (1u << (drop - 1)) - 1 + (x >> drop & 1)) >> drop;
}

static inline uint16_t dkvb__float_to_half(float x)
{
    uint32_t bits = dkvb__bits_of_float(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    /* Numbers below 2^-14 become multiples of 2^-24 in binary16, which is the spacing of binary32 numbers between 1/2
     * and 1; adding 1/2 rounds to these multiples. */
    float tiny = dkvb__float_of_bits(magnitude) + 0.5f;
    uint32_t half = magnitude < 113u << 23 ? dkvb__bits_of_float(tiny) - (126u << 23)
                                           : dkvb__round_off(magnitude - (112u << 23), 13);

    /* numbers from 65520 on round to 65536, which is infinite in binary16 */
    half = magnitude >= 0x477FF000u ? 0x7C00 : half;
    half = magnitude > 0x7F800000u ? 0x7E00 : half; /* a NaN becomes the quiet binary16 NaN */
    return (uint16_t)(sign | half);
}

static inline uint16_t dkvb__float_to_bfloat(float x)
{
    uint32_t bits = dkvb__bits_of_float(x);
    /* A NaN keeps a set fraction bit in bfloat16, as rounding could turn the NaN into infinity. */
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000u ? bits >> 16 | 0x40 : dkvb__round_off(bits, 16));
}

#endif
