/* Number types of stored features, and the choice of a type (include/dkvb/codeset.h). */
#include "bottleneck/row_types.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/half.h"
#include "base/widen.h"
#include "dkvb/codeset.h"
#include "dkvb/data.h"

size_t dkvb__row_type_size(uint32_t dtype)
{
    switch (dtype) {
    case DKVB_DTYPE_U8:
        return 1;
    case DKVB_DTYPE_F16:
        return 2;
    case DKVB_DTYPE_F32:
        return 4;
    case DKVB_DTYPE_F64:
        return 8;
    default:
        return 0;
    }
}

size_t dkvb__row_finite(const void *from, uint32_t dtype, size_t count)
{
    size_t size = dkvb__row_type_size(dtype);
    float part[1024];

    if (dtype == DKVB_DTYPE_U8)
        return count;
    for (size_t i = 0, n; i < count; i += n) {
        size_t bad = 0;

        n = count - i < sizeof part / sizeof *part ? count - i : sizeof part / sizeof *part;
        dkvb__widen(part, (const char *)from + i * size, dtype, n);
        /* the loop over numbers has no early exit, so that many numbers are checked in one step */
        for (size_t j = 0; j < n; j++)
            bad += (size_t)!isfinite(part[j]);
        for (size_t j = 0; bad && j < n; j++)
            if (!isfinite(part[j]))
                return i + j;
    }
    return count;
}

/* Returns the 32 bits of a float as an integer. Comparing the bits of floats distinguishes -0 from 0. */
static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

uint32_t dkvb__narrowest(const float *x, size_t count)
{
    bool bytes = true;

    for (size_t i = 0; i < count; i++) {
        if (bits_of(dkvb__half_to_float(dkvb__float_to_half(x[i]))) != bits_of(x[i]))
            /* numbers that float16 cannot hold exactly do not fit bytes either, so features are kept as float32 */
            return DKVB_DTYPE_F32;
        bytes = bytes && x[i] >= 0.0f && x[i] <= 255.0f && bits_of((float)(uint8_t)x[i]) == bits_of(x[i]);
    }
    return bytes ? DKVB_DTYPE_U8 : DKVB_DTYPE_F16;
}

void dkvb__narrow(void *to, uint32_t dtype, const float *from, size_t count)
{
    switch (dtype) {
    case DKVB_DTYPE_U8:
        for (size_t i = 0; i < count; i++)
            ((uint8_t *)to)[i] = (uint8_t)from[i];
        break;
    case DKVB_DTYPE_F16:
        for (size_t i = 0; i < count; i++)
            ((uint16_t *)to)[i] = dkvb__float_to_half(from[i]);
        break;
    default:
        memcpy(to, from, count * sizeof *from);
    }
}
