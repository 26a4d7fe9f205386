#ifndef DKVB_BASE_HALF_H
#define DKVB_BASE_HALF_H

#include <stdint.h>

/* IEEE 754 binary16 to binary32; exact. */
float dkvb__half_to_float(uint16_t half);

#endif
