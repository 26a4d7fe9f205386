#ifndef DKVB_BOTTLENECK_TRAIN_RECORD_H
#define DKVB_BOTTLENECK_TRAIN_RECORD_H

#include "dkvb/values.h"

/* Training options as the bytes that codes files hold (docs/format.md, "Sessions"). */

enum { DKVB__TRAINING_SIZE = 64 };

/* Writes all training options except `report`, `user` and `ids` as bytes. */
void dkvb__train_options_pack(const dkvb_train_options *o, unsigned char to[DKVB__TRAINING_SIZE]);

/* Reads training options from bytes. DKVB_EINVAL says that the bytes are no training options that this library would
 * write. */
dkvb_status dkvb__train_options_unpack(dkvb_train_options *o, const unsigned char from[DKVB__TRAINING_SIZE]);

#endif
