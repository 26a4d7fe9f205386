#ifndef DKVB_DATA_DECIMAL_H
#define DKVB_DATA_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* Computes the float32 nearest to a decimal number such as "-12.5e-3", rounded once, ties to even, in every locale. The
 * result is false unless the whole text is a decimal number that is not too large for a float32. */
bool dkvb__decimal(const char *text, float *value);

/* True if a text is a decimal number of any size. */
bool dkvb__is_decimal(const char *text);

/* True if a text is a whole number of at most 64 bits, which may be written as "2.0" or "2e3"; *size and *negative
 * become its absolute value and its sign. */
bool dkvb__whole_number(const char *text, uint64_t *size, bool *negative);

#endif
