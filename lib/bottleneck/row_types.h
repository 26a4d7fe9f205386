#ifndef DKVB_BOTTLENECK_ROW_TYPES_H
#define DKVB_BOTTLENECK_ROW_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* Number types in which a codeset can store features: DKVB_DTYPE_U8 (integers 0 to 255), _F16, _F32 and _F64. */

/* Returns the number of bytes of a feature of the number type `dtype`; 0 if features cannot be stored in this type. */
size_t dkvb__row_type_size(uint32_t dtype);

/* Returns the index of the first number that is not finite as float32; `count` if all numbers are finite. */
size_t dkvb__row_finite(const void *from, uint32_t dtype, size_t count);

/* Returns the smallest of the number types DKVB_DTYPE_U8, _F16 and _F32 that holds all `count` finite numbers exactly.
 * dkvb__narrow() converts numbers to a smaller type. */
uint32_t dkvb__narrowest(const float *x, size_t count);
void dkvb__narrow(void *to, uint32_t dtype, const float *from, size_t count);

#endif
