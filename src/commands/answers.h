/* Classifying many rows in blocks, so that memory for logits stays bounded. */
#ifndef DKVB_TOOL_ANSWERS_H
#define DKVB_TOOL_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "io/codes.h"
#include "io/input.h"

/* Takes the answers to rows `first` to `first + n - 1`: labels int32_t[n], -1 = abstained; logits float[n][classes].
 * Returns an exit code. */
typedef int (*answers_fn)(void *user, size_t first, size_t n, const int32_t *labels, const float *logits);

/* Rows outside the scale are counted in `features`, and told. */
int answers_each(const dkvb_model *model, struct features *features, uint32_t threads, answers_fn fn, void *user);

/* The same from codes of these rows that were right under a mask which the present one contains: they are brought up to
 * date. Rows outside the scale were told when the codes were made. `searched`: how many (row, codebook) pairs were
 * searched again. */
int answers_from_codes(const dkvb_model *model, struct features *features, struct codes *codes, uint32_t threads,
                       uint64_t *searched, answers_fn fn, void *user);

#endif
