#ifndef DKVB_ENCODER_ENCODER_H
#define DKVB_ENCODER_ENCODER_H

#include <stdbool.h>

#include "dkvb/encoder.h"
#include "encoder/network.h"

struct dkvb_encoder {
    dkvb_allocator mem;
    const struct dkvb__network *network;
    void *state;
    dkvb_encoder_info info;
};

/* Finds the kind of encoder, and whether pictures are turned upright, from the encoder identity in o->remembered. */
dkvb_status dkvb__remembered_kind(uint32_t *kind, dkvb_encoder_options *o);

/* Returns DKVB_EMISMATCH unless this encoder makes the rows that `o` asks for. The error message names the
 * difference. */
dkvb_status dkvb__remembered_check(const dkvb_encoder *encoder, const dkvb_encoder_options *o);

#endif
