#ifndef DKVB_ENCODER_NETWORK_H
#define DKVB_ENCODER_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "base/status.h"
#include "dkvb/encoder.h"

/* Callback that sees the intermediate results of a network; NULL for none. It sees one picture at a time. */
struct dkvb__trace {
    dkvb_trace_fn show;
    void *user;
};

/* DKVB_ECANCELLED if the one who looks wants no more. */
static inline dkvb_status dkvb__trace_show(const struct dkvb__trace *trace, const char *name, size_t rows,
                                           size_t columns, const float *values)
{
    if (trace && trace->show(trace->user, name, rows, columns, values))
        return dkvb__fail(DKVB_ECANCELLED, "trace: stopped at %s", name);
    return DKVB_OK;
}

/* A picture as a network takes it: uint8[height][width][channels], fitted as the info says. */
struct dkvb__view {
    const uint8_t *pixels;
    uint32_t width, height, channels;
};

/* The functions of a kind of encoder. A row must not depend on the other pictures, nor on threads. */
struct dkvb__network {
    /* Fill in `info` beyond kind, and an identity beyond the kind's name ("" if the name says all): a version, a
     * checksum of the weights as they are used. On failure *state is NULL. */
    dkvb_status (*open)(void **state, dkvb_encoder_info *info, char *identity, size_t size,
                        const dkvb_encoder_options *opts, const dkvb_allocator *mem);

    /* x: float[n][dim]; n is at most DKVB__ENCODER_BATCH. */
    dkvb_status (*encode)(const void *state, const struct dkvb__view *pictures, size_t n, float *x,
                          const struct dkvb__run *run, const struct dkvb__trace *trace, const dkvb_allocator *mem);

    void (*close)(void *state, const dkvb_allocator *mem); /* NULL is a no-op */

    /* DKVB_EMISMATCH for a picture that the network does not take, which is called `name`; NULL: it takes any. */
    dkvb_status (*check)(const void *state, const dkvb_image *picture, const char *name);
};

/* Pictures that are encoded together. */
enum { DKVB__ENCODER_BATCH = 32 };

extern const struct dkvb__network dkvb__pixels;
extern const struct dkvb__network dkvb__descriptor;
extern const struct dkvb__network dkvb__clip;
extern const struct dkvb__network dkvb__resnet50;

#endif
