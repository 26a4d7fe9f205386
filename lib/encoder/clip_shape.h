#ifndef DKVB_ENCODER_CLIP_SHAPE_H
#define DKVB_ENCODER_CLIP_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "dkvb/encoder.h"
#include "encoder/safetensors.h"

/* Sizes of a vision transformer of CLIP. */
struct dkvb__clip_shape {
    uint32_t layout;     /* DKVB_LAYOUT_HUGGINGFACE or _OPENAI */
    uint32_t image_size; /* side of the picture, a multiple of patch */
    uint32_t patch;
    uint32_t width;
    uint32_t layers;
    uint32_t heads; /* divides width */
    uint32_t mlp;   /* width between the two matrices of a block's perceptron */
    uint32_t dim;   /* length of an embedding */
    uint32_t activation;
    bool guessed;  /* activation and heads are those of OpenAI's weights, as neither config nor options gave them */
    float epsilon; /* epsilon of the layer norms */
};

/* Mean and standard deviation of each colour in CLIP's training pictures. */
extern const float dkvb__clip_mean[3], dkvb__clip_deviation[3];

/* Finds the sizes, and the prefix of the names of tensors in the file, from the tensors and from config.json, if there
 * is one; both must agree. Every size is checked against the tensors whose shape depends on it, so that no array read
 * by it can be too large. */
dkvb_status dkvb__clip_shape(struct dkvb__clip_shape *out, struct dkvb__safetensors *file,
                             const dkvb_encoder_options *opts, const dkvb_allocator *mem);

#endif
