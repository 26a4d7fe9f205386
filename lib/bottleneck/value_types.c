#include "bottleneck/value_types.h"

#include "base/half.h"
#include "dkvb/data.h"

size_t dkvb__value_size(uint32_t dtype)
{
    return dtype == DKVB_DTYPE_F32 ? 4 : dtype == DKVB_DTYPE_F16 || dtype == DKVB_DTYPE_BF16 ? 2 : 0;
}

const char *dkvb__value_type_name(uint32_t dtype)
{
    return dtype == DKVB_DTYPE_F16 ? "float16" : dtype == DKVB_DTYPE_BF16 ? "bfloat16" : "float32";
}

/* True if a float16 or bfloat16 is finite; infinity and NaN have all exponent bits set. */
static bool half_finite(uint16_t half, uint32_t dtype)
{
    uint16_t exponent = dtype == DKVB_DTYPE_F16 ? 0x7C00 : 0x7F80;

    return (half & exponent) != exponent;
}

/* Returns the least magnitude, as the bits of a float, that becomes infinite when it is rounded to a number type. */
static uint32_t first_infinite(uint32_t dtype)
{
    return dtype == DKVB_DTYPE_F16 ? 0x477FF000u : dtype == DKVB_DTYPE_BF16 ? 0x7F7F8000u : 0x7F800000u;
}

size_t dkvb__values_narrow(void *to, uint32_t dtype, const float *from, size_t count)
{
    uint32_t limit = first_infinite(dtype), any = 0;
    uint16_t *half = to;

    /* the loop over values has no early exit, so that many values are checked in one step */
    for (size_t i = 0; i < count; i++)
        any |= (dkvb__bits_of_float(from[i]) & 0x7FFFFFFF) >= limit;
    for (size_t i = 0; any && i < count; i++)
        if ((dkvb__bits_of_float(from[i]) & 0x7FFFFFFF) >= limit)
            count = i;
    if (to && dtype == DKVB_DTYPE_F32)
        memcpy(to, from, count * sizeof *from);
    for (size_t i = 0; to && dtype == DKVB_DTYPE_F16 && i < count; i++)
        half[i] = dkvb__float_to_half(from[i]);
    for (size_t i = 0; to && dtype == DKVB_DTYPE_BF16 && i < count; i++)
        half[i] = dkvb__float_to_bfloat(from[i]);
    return count;
}

bool dkvb__values_finite(const void *values, uint32_t dtype, size_t count)
{
    const float *full = values;
    const uint16_t *half = values;

    for (size_t i = 0; i < count; i++)
        if (dtype == DKVB_DTYPE_F32 ? !__builtin_isfinite(full[i]) : !half_finite(half[i], dtype))
            return false;
    return true;
}

bool dkvb__values_zero(const void *values, uint32_t dtype, size_t count)
{
    const float *full = values;
    const uint16_t *half = values;

    for (size_t i = 0; i < count; i++)
        if (dtype == DKVB_DTYPE_F32 ? full[i] != 0.0f : (half[i] & 0x7FFF) != 0)
            return false;
    return true;
}
