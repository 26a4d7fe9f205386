/* The encoder `pixels` gives pixel values / 255 as features, in the order of the picture in memory. */
#include "base/alloc.h"
#include "base/status.h"
#include "encoder/network.h"

struct pixels {
    uint32_t width, height, channels;
};

static dkvb_status open_pixels(void **state, dkvb_encoder_info *info, char *identity, size_t size,
                               const dkvb_encoder_options *o, const dkvb_allocator *mem)
{
    struct pixels *p;

    (void)identity; /* the kind and the number of columns are the whole identity of the encoder `pixels` */
    (void)size;
    if (o->width == 0 || o->height == 0 || (o->channels != 1 && o->channels != 3) ||
        (uint64_t)o->width * o->height > UINT32_MAX / 3)
        return dkvb__fail(DKVB_EINVAL,
                          "encoder pixels: %u x %u of %u channels, the size of the pictures is wanted, of 1 or 3",
                          o->width, o->height, o->channels);
    p = dkvb__alloc(mem, 1, sizeof *p);
    if (!p)
        return dkvb__fail(DKVB_ENOMEM, "encoder pixels: out of memory");
    *p = (struct pixels){o->width, o->height, o->channels};
    info->dim = o->width * o->height * o->channels;
    *state = p;
    return DKVB_OK;
}

static dkvb_status check_pixels(const void *state, const dkvb_image *picture, const char *name)
{
    const struct pixels *p = state;

    if (picture->width == p->width && picture->height == p->height && picture->channels == p->channels)
        return DKVB_OK;
    return dkvb__fail(DKVB_EMISMATCH, "encoder pixels: picture %.300s is %u x %u x %u, %u x %u x %u is wanted", name,
                      picture->width, picture->height, picture->channels, p->width, p->height, p->channels);
}

static dkvb_status encode_pixels(const void *state, const struct dkvb__view *pictures, size_t n, float *x,
                                 const struct dkvb__run *run, const struct dkvb__trace *trace,
                                 const dkvb_allocator *mem)
{
    const struct pixels *p = state;
    size_t dim = (size_t)p->width * p->height * p->channels;

    (void)run; /* pixels are copied by one thread, as more threads would be no faster */
    (void)mem;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++)
            x[i * dim + j] = (float)pictures[i].pixels[j] / 255.0f;
    return n > 0 ? dkvb__trace_show(trace, "pixels", 1, dim, x) : DKVB_OK;
}

static void close_pixels(void *state, const dkvb_allocator *mem)
{
    dkvb__free(mem, state);
}

const struct dkvb__network dkvb__pixels = {open_pixels, encode_pixels, close_pixels, check_pixels};
