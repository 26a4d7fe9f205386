#ifndef DKVB_ENCODER_CLIP_SHAPE_H
#define DKVB_ENCODER_CLIP_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "dkvb/encoder.h"
#include "encoder/safetensors.h"

/* Sizes of a CLIP vision transformer. */
struct dkvb__clip_shape {
    uint32_t layout;     /* layout of the weights file: DKVB_LAYOUT_HUGGINGFACE or _OPENAI */
    uint32_t image_size; /* side of the network's input picture in pixels, a multiple of `patch` */
    uint32_t patch;
    uint32_t width;
    uint32_t layers;
    uint32_t heads; /* number of attention heads in a block, a divisor of `width` */
    uint32_t mlp;   /* width of the hidden layer in the perceptron of a transformer block */
    uint32_t dim;   /* length of a picture's embedding, which is the output of the encoder */
    uint32_t activation;
    /* true if neither config.json nor the options gave activation and heads of the network, which then are those of
     * OpenAI's weights */
    bool guessed;
    float epsilon; /* epsilon that the layer norms of the CLIP network add to the variance */
};

/* Mean and standard deviation of each colour channel in CLIP's training pictures. */
extern const float dkvb__clip_mean[3], dkvb__clip_deviation[3];

/* Finds the sizes of the transformer, and the prefix of tensor names in the file, from the tensors and from
 * config.json, if there is one; both must agree. Every size of the network is checked against the tensors whose shape
 * depends on it, so that no array of such a size can be larger than the file allows. */
dkvb_status dkvb__clip_shape(struct dkvb__clip_shape *out, struct dkvb__safetensors *file,
                             const dkvb_encoder_options *opts, const dkvb_allocator *mem);

#endif
