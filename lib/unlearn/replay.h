#ifndef DKVB_UNLEARN_REPLAY_H
#define DKVB_UNLEARN_REPLAY_H

#include "dkvb/replay.h"

/* dkvb_replay_model(), to give it the mask that will be in force. */
dkvb_model *dkvb__replay_after(dkvb_replay *replay);

#endif
