#ifndef DKVB_BASE_WIDEN_H
#define DKVB_BASE_WIDEN_H

#include <stddef.h>
#include <stdint.h>

/* Converts an array of DKVB_DTYPE_U8, _F16, _BF16, _F32 or _F64 to float32. Converting to float32 is exact except for
 * float64, which is rounded to the nearest and becomes infinite where it is too large (IEC 60559). */
void dkvb__widen(float *to, const void *from, uint32_t dtype, size_t count);

#endif
