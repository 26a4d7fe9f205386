/* Compares an encoder with the encoder whose identity a model stores: the kind, the weights, and the preparation of
 * pictures. */
#include <string.h>

#include "base/status.h"
#include "encoder/encoder.h"

/* end of the text that identifies an encoder, if the encoder turns pictures upright */
static const char upright[] = "+exif";

static bool is_upright(const char *identity)
{
    size_t length = strlen(identity), end = strlen(upright);

    return length > end && strcmp(identity + length - end, upright) == 0;
}

/* Returns the kind of encoder at the start of an encoder's identity; 0 if this library does not know the kind. */
static uint32_t kind_of(const char *identity)
{
    size_t length = strcspn(identity, ":+");

    for (uint32_t kind = DKVB_ENCODER_PIXELS; kind <= DKVB_ENCODER_RESNET50; kind++) {
        const char *name = dkvb_name(DKVB_NAME_ENCODER, kind);

        if (strlen(name) == length && memcmp(name, identity, length) == 0)
            return kind;
    }
    return 0;
}

static const char *rememberer(const dkvb_encoder_options *o)
{
    return o->remembered_by ? o->remembered_by : "the model";
}

dkvb_status dkvb__remembered_kind(uint32_t *kind, dkvb_encoder_options *o)
{
    if (!o->remembered)
        return dkvb__fail(DKVB_ENOTFOUND,
                          "%.200s: does not say which encoder made the rows that it was trained on: one must be chosen",
                          rememberer(o));
    *kind = kind_of(o->remembered);
    if (*kind == 0)
        return dkvb__fail(DKVB_ENOTFOUND, "%.200s: was trained on rows of %.100s, which is no encoder of this version",
                          rememberer(o), o->remembered);
    if ((*kind == DKVB_ENCODER_CLIP || *kind == DKVB_ENCODER_RESNET50) && !o->weights)
        return dkvb__fail(DKVB_EINVAL, "%.200s: was trained on rows of %.100s: the file of its weights must be given",
                          rememberer(o), o->remembered);
    o->upright = o->upright || is_upright(o->remembered);
    return DKVB_OK;
}

/* True if an encoder differs from the one whose identity a model stores only in the activation function, which is often
 * a guess. */
static bool differs_by_activation(const dkvb_encoder *e, const dkvb_encoder_options *o)
{
    dkvb_encoder_options other = *o;
    dkvb_encoder *opened = NULL;
    bool same = false;

    other.activation = e->info.activation == DKVB_ACTIVATION_GELU ? DKVB_ACTIVATION_QUICK_GELU : DKVB_ACTIVATION_GELU;
    other.remembered = NULL;
    other.dim = 0;
    if (e->info.kind == DKVB_ENCODER_CLIP && dkvb_encoder_open(&opened, DKVB_ENCODER_CLIP, &other) == DKVB_OK)
        same = strcmp(opened->info.identity, o->remembered) == 0;
    dkvb_encoder_free(opened);
    return same;
}

static dkvb_status fail_identity(const dkvb_encoder *e, const dkvb_encoder_options *o)
{
    const char *by = rememberer(o), *found = e->info.identity;

    if (is_upright(o->remembered) != is_upright(found))
        return dkvb__fail(DKVB_EMISMATCH,
                          "%.200s: was trained on rows of %.100s, those of %s are found: pictures must %sbe turned as "
                          "their EXIF orientation says",
                          by, o->remembered, found, is_upright(found) ? "not " : "");
    if (differs_by_activation(e, o))
        return dkvb__fail(
            DKVB_EMISMATCH, "%.120s: was trained on rows of %.100s; %.120s gives those with the activation %s", by,
            o->remembered, o->weights, e->info.activation == DKVB_ACTIVATION_GELU ? "quick_gelu" : "gelu");
    return dkvb__fail(DKVB_EMISMATCH,
                      "%.200s: was trained on rows of %.100s, those of %s are found: the same encoder, weights and "
                      "config must be given",
                      by, o->remembered, found);
}

dkvb_status dkvb__remembered_check(const dkvb_encoder *encoder, const dkvb_encoder_options *o)
{
    if (o->remembered && strcmp(o->remembered, encoder->info.identity) != 0)
        return fail_identity(encoder, o);
    if (o->dim != 0 && o->dim != encoder->info.dim)
        return dkvb__fail(DKVB_EMISMATCH, "%.200s: takes rows of %u columns, %s makes %u of these pictures",
                          rememberer(o), o->dim, encoder->info.identity, encoder->info.dim);
    return DKVB_OK;
}
