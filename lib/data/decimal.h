#ifndef DKVB_DATA_DECIMAL_H
#define DKVB_DATA_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* The float32 nearest to a decimal number such as "-12.5e-3", ties to even, whatever the locale: rounded once. False
 * unless the whole text is one, or if it is too large for a float32. */
bool dkvb__decimal(const char *text, float *value);

/* Whether a text is a decimal number, of any size. */
bool dkvb__is_decimal(const char *text);

/* Whether a text is a whole number of at most 64 bits, also written as "2.0" or "2e3", and its size and sign. */
bool dkvb__whole_number(const char *text, uint64_t *size, bool *negative);

#endif
