#ifndef DKVB_ENCODER_CLIP_WEIGHTS_H
#define DKVB_ENCODER_CLIP_WEIGHTS_H

#include "encoder/clip_shape.h"
#include "kernels/matrix.h"

/* The scale and the shift of a layer norm, float[width] each. */
struct dkvb__norm {
    float *scale, *shift;
};

/* Weights of one transformer block, which computes on the tokens x: x += out(attention(qkv(norm1(x)))), then
 * x += fc2(activation(fc1(norm2(x)))). */
struct dkvb__clip_block {
    struct dkvb__norm norm1, norm2;
    struct dkvb__matrix qkv; /* weight matrix for queries, keys and values side by side: width -> 3 width */
    struct dkvb__matrix out, fc1, fc2;
};

struct dkvb__clip_weights {
    struct dkvb__clip_shape shape;
    /* weight matrix from the pixels of a patch to its embedding: [3][patch][patch] -> width */
    struct dkvb__matrix patch;
    float *class_token; /* embedding of the class token, float[width] */
    float *positions;   /* position embeddings of the tokens, float[1 + patches][width] */
    struct dkvb__norm pre, post;
    struct dkvb__clip_block *blocks; /* the transformer blocks of the network, [shape.layers] */
    struct dkvb__matrix projection;  /* weight matrix from the class token to the output embedding: width -> dim */
};

/* Reads the weights of a CLIP encoder from a file in either layout (Hugging Face or OpenAI). */
dkvb_status dkvb__clip_weights_read(struct dkvb__clip_weights *w, const dkvb_encoder_options *opts,
                                    const dkvb_allocator *mem);
/* Frees the weights of a CLIP encoder, even if reading them failed halfway. */
void dkvb__clip_weights_free(struct dkvb__clip_weights *w, const dkvb_allocator *mem);

/* Writes a hash of the weights that is equal for equal weights in either layout, and differs otherwise, as 32
 * hexadecimal digits and a NUL. */
dkvb_status dkvb__clip_weights_identity(char *text, size_t size, const struct dkvb__clip_weights *w,
                                        const dkvb_allocator *mem);

/* Returns the number of patches of a picture; dkvb__clip_tokens() adds the class token. */
static inline size_t dkvb__clip_patches(const struct dkvb__clip_shape *s)
{
    size_t side = s->image_size / s->patch;

    return side * side;
}

static inline size_t dkvb__clip_tokens(const struct dkvb__clip_shape *s)
{
    return 1 + dkvb__clip_patches(s);
}

#endif
