#ifndef DKVB_BOTTLENECK_VALUE_TYPES_H
#define DKVB_BOTTLENECK_VALUE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types in which a model can store its values: DKVB_DTYPE_F32, _F16 and _BF16. */

/* Bytes of a value; 0 if values cannot be stored in this type. */
size_t dkvb__value_size(uint32_t dtype);

/* Rounds `from` to a type. The result is the index of the first value that is not finite in this type, `count` if all
 * are; the values after it are not written. `to` may be NULL, to check only. */
size_t dkvb__values_narrow(void *to, uint32_t dtype, const float *from, size_t count);

bool dkvb__values_finite(const void *values, uint32_t dtype, size_t count);

/* True if all of the values are 0. */
bool dkvb__values_zero(const void *values, uint32_t dtype, size_t count);

/* Returns "float32", "float16" or "bfloat16". */
const char *dkvb__value_type_name(uint32_t dtype);

#endif
