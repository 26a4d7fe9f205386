#ifndef DKVB_DATA_DECIMAL_H
#define DKVB_DATA_DECIMAL_H

#include <stdbool.h>

/* The float32 nearest to a decimal number such as "-12.5e-3", ties to even, whatever the locale: rounded once. False
 * unless the whole text is one, or if it is too large for a float32. */
bool dkvb__decimal(const char *text, float *value);

/* Whether a text is a decimal number, of any size. */
bool dkvb__is_decimal(const char *text);

#endif
