#ifndef DKVB_UNLEARN_HELD_OUT_H
#define DKVB_UNLEARN_HELD_OUT_H

#include "bottleneck/model.h"
#include "dkvb/effect.h"

/* Rows held out, as a caller gave them, checked against the model: labels, keys, depth. `out` is the whole struct. */
dkvb_status dkvb__held_out_take(dkvb_codeset_rows *out, const dkvb_codeset_rows *given, const dkvb_model *model);

#endif
