#ifndef DKVB_BOTTLENECK_CODES_H
#define DKVB_BOTTLENECK_CODES_H

#include "base/parallel.h"
#include "bottleneck/model.h"

/* Codes come from callers: nothing is looked up by them before one of these. */

/* DKVB_EINVAL if a code, [n][codebooks][k], names a key that does not exist. */
dkvb_status dkvb__check_code_range(const uint16_t *codes, uint32_t k, size_t n, uint32_t codebooks, uint32_t keys);

/* The same, and DKVB_EMISMATCH if k is not the model's. */
dkvb_status dkvb__check_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n);

/* The same, and DKVB_EMISMATCH if codes name masked or purged pairs. */
dkvb_status dkvb__check_live_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                   const struct dkvb__run *run);

#endif
