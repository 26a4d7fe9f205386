#include "base/half.h"

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The upper bits of `x`, without the lowest `drop`, rounded; a carry goes into the exponent, where it belongs. */
static uint32_t round_off(uint32_t x, unsigned drop)
{
    return (x + (1u << (drop - 1)) - 1 + (x >> drop & 1)) >> drop;
}

uint16_t dkvb__float_to_half(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;

    if (magnitude > 0x7F800000u) /* NaN */
        return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 0x477FF000u) /* 65520, which rounds to 65536 */
        return (uint16_t)(sign | 0x7C00);
    if (magnitude < 113u << 23) /* below 2^-14: multiples of 2^-24, the steps of the numbers from a half to 1 */
        return (uint16_t)(sign | (bits_of(dkvb__float_of_bits(magnitude) + 0.5f) - bits_of(0.5f)));
    return (uint16_t)(sign | round_off(magnitude - (112u << 23), 13));
}

uint16_t dkvb__float_to_bfloat(float x)
{
    uint32_t bits = bits_of(x);

    if ((bits & 0x7FFFFFFF) > 0x7F800000u) /* NaN: rounding could make it infinite */
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)round_off(bits, 16);
}
