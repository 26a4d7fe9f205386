#include "base/widen.h"

#include "base/half.h"
#include "dkvb/data.h"

void dkvb__widen(float *to, const void *from, uint32_t dtype, size_t count)
{
    switch (dtype) {
    case DKVB_DTYPE_U8:
        for (size_t i = 0; i < count; i++)
            to[i] = ((const uint8_t *)from)[i];
        break;
    case DKVB_DTYPE_F16:
        for (size_t i = 0; i < count; i++)
            to[i] = dkvb__half_to_float(((const uint16_t *)from)[i]);
        break;
    case DKVB_DTYPE_BF16:
        for (size_t i = 0; i < count; i++)
            to[i] = dkvb__bfloat_to_float(((const uint16_t *)from)[i]);
        break;
    case DKVB_DTYPE_F32:
        memcpy(to, from, count * sizeof *to);
        break;
    default:
        for (size_t i = 0; i < count; i++)
            to[i] = (float)((const double *)from)[i];
    }
}
