#ifndef DKVB_ENCODER_NETWORK_H
#define DKVB_ENCODER_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "base/status.h"
#include "dkvb/encoder.h"

/* A callback that gets the intermediate results of a network, one picture at a time; NULL for no callback. */
struct dkvb__trace {
    dkvb_trace_fn show;
    void *user;
};

/* Passes an intermediate result of a network to the trace callback. A result of DKVB_ECANCELLED means that the trace
 * callback asks to stop. */
static inline dkvb_status dkvb__trace_show(const struct dkvb__trace *trace, const char *name, size_t rows,
                                           size_t columns, const float *values)
{
    if (trace && trace->show(trace->user, name, rows, columns, values))
        return dkvb__fail(DKVB_ECANCELLED, "trace: stopped at %s", name);
    return DKVB_OK;
}

/* A picture as a network takes it: uint8[height][width][channels], resized and cropped as the encoder's info says. */
struct dkvb__view {
    const uint8_t *pixels;
    uint32_t width, height, channels;
};

/* The functions that each kind of encoder has. A picture's row of features must depend neither on other pictures nor on
 * the number of threads. */
struct dkvb__network {
    /* Opens the network of an encoder. The function open() sets the members of the encoder's `info` after `kind`. After
     * a failure the network's state, *state, is NULL. */
    dkvb_status (*open)(void **state, dkvb_encoder_info *info, char *identity, size_t size,
                        const dkvb_encoder_options *opts, const dkvb_allocator *mem);

    /* Encodes n pictures, at most DKVB__ENCODER_BATCH, to rows of features. The rows of features are written to `x`,
     * float[n][dim]. */
    dkvb_status (*encode)(const void *state, const struct dkvb__view *pictures, size_t n, float *x,
                          const struct dkvb__run *run, const struct dkvb__trace *trace, const dkvb_allocator *mem);

    /* Frees the state of an encoder's network; NULL does nothing. */
    void (*close)(void *state, const dkvb_allocator *mem);

    /* Returns DKVB_EMISMATCH if the network cannot take the picture, which the error message calls `name`. The function
     * `check` is NULL if the network takes any picture. */
    dkvb_status (*check)(const void *state, const dkvb_image *picture, const char *name);
};

/* Largest number of pictures that an encoder encodes together. */
enum { DKVB__ENCODER_BATCH = 32 };

extern const struct dkvb__network dkvb__pixels;
extern const struct dkvb__network dkvb__descriptor;
extern const struct dkvb__network dkvb__clip;
extern const struct dkvb__network dkvb__resnet50;

#endif
