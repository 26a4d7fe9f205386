/* Opens encoders of all kinds, fits pictures to them, and encodes batches. Each kind of encoder network has a source
 * file of its own. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "base/status.h"
#include "data/image.h"
#include "data/imageset.h"
#include "encoder/encoder.h"

static const struct kind {
    /* functions of the encoder's network; NULL: the library was built without this network */
    const struct dkvb__network *network;
    bool weights;
} kinds[] = {
    [DKVB_ENCODER_PIXELS] = {&dkvb__pixels, false},
    [DKVB_ENCODER_DESCRIPTOR] = {&dkvb__descriptor, false},
#ifdef DKVB_HAVE_WEIGHTS
    [DKVB_ENCODER_CLIP] = {&dkvb__clip, true},
    [DKVB_ENCODER_RESNET50] = {&dkvb__resnet50, true},
#else
    [DKVB_ENCODER_CLIP] = {NULL, true},
    [DKVB_ENCODER_RESNET50] = {NULL, true},
#endif
};

enum { KINDS = sizeof kinds / sizeof *kinds, MESSAGE = 512 };

static dkvb_status check_kind(uint32_t kind, const dkvb_encoder_options *o)
{
    if (kind == 0 || kind >= KINDS)
        return dkvb__fail(DKVB_EINVAL, "encoder: kind %u found, 1 to %d wanted", kind, KINDS - 1);
    if (!kinds[kind].network)
        return dkvb__fail(DKVB_ESTATE, "encoder %s: this build reads no weights (DKVB_WEIGHTS)",
                          dkvb_name(DKVB_NAME_ENCODER, kind));
    if (kinds[kind].weights && !o->weights)
        return dkvb__fail(DKVB_EINVAL, "encoder %s: weights are wanted, a .safetensors file",
                          dkvb_name(DKVB_NAME_ENCODER, kind));
    if (!kinds[kind].weights && o->weights)
        return dkvb__fail(DKVB_EINVAL, "encoder %s: takes no weights, %.300s found", dkvb_name(DKVB_NAME_ENCODER, kind),
                          o->weights);
    if (o->upright > 1)
        return dkvb__fail(DKVB_EINVAL, "encoder %s: upright is %u, it must be 0 or 1",
                          dkvb_name(DKVB_NAME_ENCODER, kind), o->upright);
    if (kind != DKVB_ENCODER_CLIP && o->config)
        return dkvb__fail(DKVB_EINVAL, "encoder %s: takes no config, %.300s found", dkvb_name(DKVB_NAME_ENCODER, kind),
                          o->config);
    return dkvb__check_allocator(o->allocator);
}

/* Sets the picture size of the encoder `pixels`, whose pictures must all have the same size. If the options of the
 * encoder `pixels` state no picture size, the size of the first picture is used. */
static dkvb_status take_size(dkvb_encoder_options *o)
{
    const dkvb_imageset_info *info = &o->set->info;
    dkvb_image first = DKVB_IMAGE_INIT;
    dkvb_status rc;
    bool sideways;

    o->width = info->width;
    o->height = info->height;
    o->channels = info->channels;
    if (o->width > 0)
        return DKVB_OK;
    rc = dkvb_imageset_read(o->set, 0, &first, o->allocator);
    sideways = o->upright && first.orientation > 4;
    o->width = sideways ? first.height : first.width;
    o->height = sideways ? first.width : first.height;
    o->channels = first.channels;
    dkvb_image_free(&first);
    return rc;
}

/* Writes the identity of an encoder: the name of its kind, or "kind:" and the text that the network adds. */
static dkvb_status open_network(dkvb_encoder *e, const dkvb_encoder_options *o)
{
    char detail[DKVB_ENCODER_IDENTITY_SIZE - 20] = "";
    const char *name = dkvb_name(DKVB_NAME_ENCODER, e->info.kind);
    dkvb_status rc = e->network->open(&e->state, &e->info, detail, sizeof detail, o, &e->mem);

    if (!rc)
        snprintf(e->info.identity, sizeof e->info.identity, "%s%s%s%s", name, *detail ? ":" : "", detail,
                 o->upright ? "+exif" : "");
    return rc;
}

dkvb_status dkvb_encoder_open(dkvb_encoder **out, uint32_t kind, const dkvb_encoder_options *opts)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_allocator mem;
    dkvb_encoder *e;
    dkvb_status rc;

    if (!out)
        return dkvb__fail(DKVB_EINVAL, "encoder: out is NULL");
    *out = NULL;
    rc = dkvb__take_options(&o, sizeof o, opts, "encoder options");
    if (!rc && kind == DKVB_ENCODER_REMEMBERED)
        rc = dkvb__remembered_kind(&kind, &o);
    if (!rc)
        rc = check_kind(kind, &o);
    if (!rc && kind == DKVB_ENCODER_PIXELS && o.set && o.width == 0)
        rc = take_size(&o);
    if (rc)
        return rc;
    mem = dkvb__allocator(o.allocator);
    e = dkvb__alloc0(&mem, 1, sizeof *e);
    if (!e)
        return dkvb__fail(DKVB_ENOMEM, "encoder %s: out of memory", dkvb_name(DKVB_NAME_ENCODER, kind));
    e->mem = mem;
    e->network = kinds[kind].network;
    e->info = (dkvb_encoder_info){.struct_size = sizeof e->info, .kind = kind, .upright = o.upright};
    rc = open_network(e, &o);
    if (rc) {
        dkvb__free(&mem, e);
        return rc;
    }
    rc = dkvb__remembered_check(e, &o);
    if (rc)
        dkvb_encoder_free(e);
    else
        *out = e;
    return rc;
}

void dkvb_encoder_free(dkvb_encoder *encoder)
{
    dkvb_allocator mem;

    if (!encoder)
        return;
    mem = encoder->mem;
    encoder->network->close(encoder->state, &mem);
    dkvb__free(&mem, encoder);
}

dkvb_status dkvb_encoder_get_info(const dkvb_encoder *encoder, dkvb_encoder_info *info)
{
    if (!encoder || !info)
        return dkvb__fail(DKVB_EINVAL, "encoder info: %s is NULL", encoder ? "info" : "encoder");
    return dkvb__give_info(info, &encoder->info, sizeof encoder->info, "encoder info");
}

/* Returns picture i of an array. The size of a dkvb_image in the array depends on the version of the header that the
 * caller was compiled with. */
static const dkvb_image *image_at(const dkvb_image *images, size_t i)
{
    return (const dkvb_image *)(const void *)((const char *)images + i * images->struct_size);
}

/* The pictures that a call encodes: an array of pictures, or a set. */
struct source {
    const dkvb_image *images;
    const dkvb_imageset *set;
    uint64_t first;
};

/* A batch of pictures for the encoder's network. */
struct batch {
    const dkvb_encoder *encoder;
    struct source from;
    /* number of the batch's first picture among all pictures of the call, and number of pictures in the batch */
    size_t begin, n;
    dkvb_image fitted[DKVB__ENCODER_BATCH];
    dkvb_status status[DKVB__ENCODER_BATCH];
    /* true for each picture of the batch that could not be read; `status` has the reason */
    bool unread[DKVB__ENCODER_BATCH];
    /* true if the pixels of a picture in the array `fitted` (pictures ready for the network) belong to the caller */
    bool borrowed[DKVB__ENCODER_BATCH];
    char message[DKVB__ENCODER_BATCH][MESSAGE];
};

/* Makes the picture that the encoder's network takes as input. The input picture for the network has pixels of its own,
 * or takes over the pixels of `image`. */
static dkvb_status fit(dkvb_image *out, dkvb_image *image, const dkvb_encoder_info *info)
{
    if (info->shorter > 0)
        return dkvb__image_fit(out, image, info->shorter, info->crop, info->filter, NULL);
    *out = *image;
    *image = (dkvb_image)DKVB_IMAGE_INIT;
    return DKVB_OK;
}

static dkvb_status check(const struct batch *b, size_t i, const dkvb_image *image)
{
    char name[256];

    if (!b->encoder->network->check)
        return DKVB_OK;
    if (b->from.set)
        (void)b->from.set->kind->name(b->from.set, b->from.first + b->begin + i, name, sizeof name);
    else
        snprintf(name, sizeof name, "%zu", b->begin + i);
    return b->encoder->network->check(b->encoder->state, image, name);
}

static dkvb_status read_and_fit(struct batch *b, size_t i)
{
    dkvb_image image = DKVB_IMAGE_INIT;
    dkvb_status rc;

    if (b->from.images) { /* the caller's pixels must not be freed, unless they are a copy that was turned upright */
        const dkvb_image *given = image_at(b->from.images, b->begin + i);

        b->borrowed[i] = !b->encoder->info.upright || given->orientation <= 1;
        image = *given;
        rc = b->borrowed[i] ? DKVB_OK : dkvb__image_turned(&image, given, NULL);
        if (!rc)
            rc = check(b, i, &image);
        if (!rc)
            rc = fit(&b->fitted[i], &image, &b->encoder->info);
        if (!b->borrowed[i])
            dkvb_image_free(&image);
        b->borrowed[i] = b->borrowed[i] && b->encoder->info.shorter == 0;
        return rc;
    }
    rc = dkvb_imageset_read(b->from.set, b->from.first + b->begin + i, &image, NULL);
    if (!rc && b->encoder->info.upright)
        rc = dkvb__image_turn_upright(&image);
    b->unread[i] = rc != DKVB_OK && rc != DKVB_ENOMEM;
    if (!rc)
        rc = check(b, i, &image);
    if (!rc)
        rc = fit(&b->fitted[i], &image, &b->encoder->info);
    dkvb_image_free(&image);
    return rc;
}

static void prepare_one(void *context, size_t task, unsigned worker)
{
    struct batch *b = context;

    (void)worker;
    b->fitted[task] = (dkvb_image)DKVB_IMAGE_INIT;
    b->unread[task] = b->borrowed[task] = false;
    b->status[task] = read_and_fit(b, task);
    /* an error message is stored for the thread that failed, which need not be the caller's thread */
    if (b->status[task])
        snprintf(b->message[task], MESSAGE, "%s", dkvb_last_error());
}

/* Frees the resized and cropped pictures of a batch, but not pixels that belong to the caller. */
static void release_fitted(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (!b->borrowed[i])
            dkvb_image_free(&b->fitted[i]);
}

static dkvb_status judge(const struct batch *b, size_t i, const dkvb_encode_options *o)
{
    if (o->readable)
        o->readable[b->begin + i] = b->status[i] == DKVB_OK;
    if (!b->status[i])
        return DKVB_OK;
    if (b->unread[i] && o->unreadable && o->unreadable(o->user, b->from.first + b->begin + i, b->message[i]))
        return dkvb__fail(DKVB_ECANCELLED, "stopped at a picture that cannot be read: %.400s", b->message[i]);
    if (!b->unread[i] || !o->skip_unreadable)
        return dkvb__fail(b->status[i], "%s", b->message[i]);
    return DKVB_OK;
}

/* Moves rows of features to the places of their pictures in the batch, from the last row on, since only readable
 * pictures have been encoded. */
static void spread_rows(const struct batch *b, float *x, size_t readable)
{
    size_t dim = b->encoder->info.dim;

    for (size_t i = b->n; i-- > 0;)
        if (b->status[i])
            memset(x + i * dim, 0, dim * sizeof *x);
        else if (--readable != i)
            memcpy(x + i * dim, x + readable * dim, dim * sizeof *x);
}

/* Checks that rows of features are finite, as finite weights can still give sums that are not. */
static dkvb_status check_rows(const struct batch *b, const float *x, size_t rows)
{
    size_t dim = b->encoder->info.dim;

    for (size_t i = 0; i < rows * dim; i++)
        if (!isfinite(x[i]))
            return dkvb__fail(DKVB_EFORMAT, "encoder %s: column %zu of a row is not finite: weights too large",
                              b->encoder->info.identity, i % dim);
    return DKVB_OK;
}

static dkvb_status encode_batch(struct batch *b, float *x, const dkvb_encode_options *o, const struct dkvb__run *run)
{
    const struct dkvb__trace shown = {o->trace, o->user};
    struct dkvb__view views[DKVB__ENCODER_BATCH];
    size_t readable = 0;
    dkvb_status rc = DKVB_OK;

    dkvb__parallel(run, b->n, prepare_one, b);
    for (size_t i = 0; i < b->n && !rc; i++) {
        rc = judge(b, i, o);
        if (!b->status[i])
            views[readable++] = (struct dkvb__view){b->fitted[i].pixels, b->fitted[i].width, b->fitted[i].height,
                                                    b->fitted[i].channels};
    }
    if (!rc && readable > 0)
        rc = b->encoder->network->encode(b->encoder->state, views, readable, x, run, o->trace ? &shown : NULL,
                                         &b->encoder->mem);
    if (!rc)
        rc = check_rows(b, x, readable);
    if (!rc)
        spread_rows(b, x, readable);
    release_fitted(b);
    return rc;
}

static dkvb_status encode_all(const dkvb_encoder *encoder, struct source from, size_t n, float *x,
                              const dkvb_encode_options *o, const dkvb_run_options *opts)
{
    struct dkvb__run run;
    struct batch *b;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc || n == 0)
        return rc;
    b = dkvb__alloc(&encoder->mem, 1, sizeof *b);
    if (!b)
        return dkvb__fail(DKVB_ENOMEM, "encoder: out of memory for a batch");
    b->encoder = encoder;
    b->from = from;
    for (b->begin = 0; b->begin < n && !rc; b->begin += b->n) {
        b->n = n - b->begin < DKVB__ENCODER_BATCH ? n - b->begin : DKVB__ENCODER_BATCH;
        rc = encode_batch(b, x + b->begin * encoder->info.dim, o, &run);
        if (!rc)
            rc = dkvb__report(&run, b->begin + b->n, n);
    }
    dkvb__free(&encoder->mem, b);
    return rc;
}

/* Checks a picture that the caller gives to an encoder. The argument `size` is the struct_size that all pictures given
 * in one call must have. */
static dkvb_status check_image(const dkvb_image *image, size_t i, size_t size)
{
    if (image->struct_size < sizeof *image || image->struct_size != size)
        return dkvb__fail(DKVB_EINVAL, "picture %zu: struct_size is %zu, %zu wanted; start from DKVB_IMAGE_INIT", i,
                          image->struct_size, size < sizeof *image ? sizeof *image : size);
    if (!image->pixels || image->width == 0 || image->height == 0 || (image->channels != 1 && image->channels != 3))
        return dkvb__fail(DKVB_EINVAL, "picture %zu: %u x %u of %u channels, pixels of 1 or 3 channels are wanted", i,
                          image->width, image->height, image->channels);
    return DKVB_OK;
}

static dkvb_status take_encoding(dkvb_encode_options *o, const dkvb_encode_options *opts, size_t n)
{
    dkvb_status rc = dkvb__take_options(o, sizeof *o, opts, "encode options");

    if (!rc && o->skip_unreadable > 1)
        rc = dkvb__fail(DKVB_EINVAL, "encode: skip_unreadable is %u, it must be 0 or 1", o->skip_unreadable);
    if (!rc && o->trace && n != 1)
        rc = dkvb__fail(DKVB_EINVAL, "encode: a trace is of one picture, not of %zu", n);
    return rc;
}

dkvb_status dkvb_encoder_encode(const dkvb_encoder *encoder, const dkvb_image *images, size_t n, float *x,
                                const dkvb_encode_options *opts, const dkvb_run_options *run)
{
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;
    dkvb_status rc;

    if (!encoder || (n > 0 && (!images || !x)))
        return dkvb__fail(DKVB_EINVAL, "encode: %s is NULL", !encoder ? "encoder" : !images ? "images" : "x");
    rc = take_encoding(&o, opts, n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = check_image(image_at(images, i), i, images->struct_size);
    return rc ? rc : encode_all(encoder, (struct source){.images = images}, n, x, &o, run);
}

dkvb_status dkvb_encoder_encode_set(const dkvb_encoder *encoder, const dkvb_imageset *set, uint64_t first, size_t n,
                                    float *x, const dkvb_encode_options *opts, const dkvb_run_options *run)
{
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;
    dkvb_run_options r = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc;

    if (!encoder || !set || (n > 0 && !x))
        return dkvb__fail(DKVB_EINVAL, "encode: %s is NULL", !encoder ? "encoder" : !set ? "set" : "x");
    rc = take_encoding(&o, opts, n);
    if (!rc)
        rc = dkvb__take_options(&r, sizeof r, run, "run options");
    if (!rc && (first > set->info.pictures || n > set->info.pictures - first))
        rc = dkvb__fail(DKVB_ENOTFOUND, "encode: pictures %llu to %llu of a set of %llu", (unsigned long long)first,
                        (unsigned long long)(first + n), (unsigned long long)set->info.pictures);
    if (rc)
        return rc;
    if (encoder->info.kind == DKVB_ENCODER_PIXELS && set->info.width > 0)
        /* preparing pictures for the encoder `pixels` only copies memory, and more threads would be no faster */
        r.threads = 1;
    return encode_all(encoder, (struct source){.set = set, .first = first}, n, x, &o, &r);
}
