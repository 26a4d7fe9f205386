#ifndef DKVB_BOTTLENECK_VALUE_TYPES_H
#define DKVB_BOTTLENECK_VALUE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Number types in which a model can store its values: DKVB_DTYPE_F32, _F16 and _BF16. */

/* Returns the number of bytes of a value of the number type `dtype`; 0 if a model's values cannot be stored in this
 * type. */
size_t dkvb__value_size(uint32_t dtype);

/* Rounds the float values `from` to a number type. dkvb__values_narrow() returns the index of the first value that is
 * not finite in the number type, or `count` if all are finite; values after that index are not written. If the array
 * `to` is NULL, dkvb__values_narrow() only checks the values, and writes nothing. */
size_t dkvb__values_narrow(void *to, uint32_t dtype, const float *from, size_t count);

bool dkvb__values_finite(const void *values, uint32_t dtype, size_t count);

/* True if all `count` values are 0. */
bool dkvb__values_zero(const void *values, uint32_t dtype, size_t count);

/* Returns the name of a number type: "float32", "float16" or "bfloat16". */
const char *dkvb__value_type_name(uint32_t dtype);

#endif
