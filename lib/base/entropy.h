#ifndef DKVB_BASE_ENTROPY_H
#define DKVB_BASE_ENTROPY_H

#include <stddef.h>

#include "dkvb/status.h"

/* Fills a buffer with bytes from the system that nobody can guess. Random bytes from the system must never influence
 * results, which follow from a seed (base/rng.h). */
dkvb_status dkvb__entropy(void *bytes, size_t size);

#endif
