#ifndef DKVB_UNLEARN_REPLAY_H
#define DKVB_UNLEARN_REPLAY_H

#include "dkvb/replay.h"

/* The model that was trained again, taken out of its replay: the caller's from now on. */
dkvb_model *dkvb__replay_take(dkvb_replay *replay);

/* Put the values of `after`, and its counts, in the place of the model's; `after` is freed. Both have the same
 * codebooks, classes, type of values and allocator, and both keep counts or none does. Nothing fails. */
void dkvb__values_replace(dkvb_model *model, dkvb_model *after);

#endif
