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

/* Reads the kind of encoder, and whether pictures are turned upright, from o->remembered, the encoder identity that a
 * model stores. */
dkvb_status dkvb__remembered_kind(uint32_t *kind, dkvb_encoder_options *o);

/* Returns DKVB_EMISMATCH unless `encoder` makes the same rows of features as the encoder whose identity a model stores
 * and the options `o` describe. The error message names the difference between the two encoders. */
dkvb_status dkvb__remembered_check(const dkvb_encoder *encoder, const dkvb_encoder_options *o);

#endif
