#ifndef DKVB_UNLEARN_HELD_OUT_H
#define DKVB_UNLEARN_HELD_OUT_H

#include "bottleneck/model.h"
#include "dkvb/effect.h"

/* Rows held out, as a caller gave them, checked against the model: labels, keys, depth. `out` is the whole struct. */
dkvb_status dkvb__held_out_take(dkvb_codeset_rows *out, const dkvb_codeset_rows *given, const dkvb_model *model);

/* labels[r] = -1 for rows of kept classes that are not among the `most` (0: as many as are affordable) whose draw by id is
 * lowest; how many stay with a label. Labels and marks are checked already. */
dkvb_status dkvb__effect_draw(const dkvb_model *model, const uint64_t *ids, size_t n, const uint8_t *classes,
                              uint64_t most, int32_t *labels, uint64_t *stay);

#endif
