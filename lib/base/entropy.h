#ifndef DKVB_BASE_ENTROPY_H
#define DKVB_BASE_ENTROPY_H

#include <stddef.h>

#include "dkvb/status.h"

/* Bytes that nobody can guess, from the system. Never for results: those follow from a seed (base/rng.h). */
dkvb_status dkvb__entropy(void *bytes, size_t size);

#endif
