#include "bottleneck/codebooks.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/status.h"
#include "kernels/kernels.h"

size_t dkvb__projection_count(const struct dkvb__shape *s)
{
    return (size_t)s->codebooks * s->input_dim * s->key_dim;
}

size_t dkvb__block_count(const struct dkvb__shape *s)
{
    return s->codebooks * dkvb__key_blocks(s->keys) * DKVB__LANES * s->key_dim;
}

size_t dkvb__word_count(const struct dkvb__shape *s)
{
    return s->codebooks * dkvb__key_words(s->keys);
}

float *dkvb__codebook_blocks(const dkvb_codebooks *cb, size_t c)
{
    return cb->blocks + c * dkvb__key_blocks(cb->shape.keys) * DKVB__LANES * cb->shape.key_dim;
}

static dkvb_status check_range(const char *what, const char *field, uint32_t value, uint32_t most)
{
    if (value < 1 || value > most)
        return dkvb__fail(DKVB_EINVAL, "%s: %s is %u, 1 to %u is wanted", what, field, value, most);
    return DKVB_OK;
}

dkvb_status dkvb__shape_check(const struct dkvb__shape *s, const char *what)
{
    dkvb_status rc;

    if ((rc = check_range(what, "codebooks", s->codebooks, DKVB__MAX_CODEBOOKS)) != DKVB_OK)
        return rc;
    if ((rc = check_range(what, "keys", s->keys, DKVB__MAX_KEYS)) != DKVB_OK)
        return rc;
    if ((rc = check_range(what, "key_dim", s->key_dim, DKVB__MAX_KEY_DIM)) != DKVB_OK)
        return rc;
    return check_range(what, "input_dim", s->input_dim, DKVB__MAX_INPUT_DIM);
}

dkvb_status dkvb__codebooks_new(dkvb_codebooks **out, const struct dkvb__shape *shape, const dkvb_allocator *mem)
{
    dkvb_codebooks *cb = dkvb__alloc0(mem, 1, sizeof *cb);

    *out = NULL;
    if (!cb)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    cb->mem = *mem;
    atomic_init(&cb->owners, 1);
    cb->shape = *shape;
    cb->projection = dkvb__alloc0(mem, dkvb__projection_count(shape), sizeof *cb->projection);
    if (!cb->projection)
        goto fail;
    cb->center = dkvb__alloc0(mem, shape->input_dim, sizeof *cb->center);
    if (!cb->center)
        goto fail;
    cb->blocks = dkvb__alloc0(mem, dkvb__block_count(shape), sizeof *cb->blocks);
    if (!cb->blocks)
        goto fail;
    cb->purged = dkvb__alloc0(mem, dkvb__word_count(shape), sizeof *cb->purged);
    if (!cb->purged)
        goto fail;
    *out = cb;
    return DKVB_OK;

fail:
    dkvb_codebooks_free(cb);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for %u codebooks of %u keys of width %u, input width %u",
                      shape->codebooks, shape->keys, shape->key_dim, shape->input_dim);
}

dkvb_status dkvb__codebooks_copy(dkvb_codebooks **out, const dkvb_codebooks *from, const dkvb_allocator *mem)
{
    dkvb_status rc = dkvb__codebooks_new(out, &from->shape, mem);
    dkvb_codebooks *cb = *out;

    if (rc)
        return rc;
    cb->normalize = from->normalize;
    cb->frozen = from->frozen;
    memcpy(cb->birth, from->birth, sizeof cb->birth);
    memcpy(cb->projection, from->projection, dkvb__projection_count(&cb->shape) * sizeof *cb->projection);
    memcpy(cb->center, from->center, cb->shape.input_dim * sizeof *cb->center);
    memcpy(cb->blocks, from->blocks, dkvb__block_count(&cb->shape) * sizeof *cb->blocks);
    memcpy(cb->purged, from->purged, dkvb__word_count(&cb->shape) * sizeof *cb->purged);
    return DKVB_OK;
}

dkvb_codebooks *dkvb_codebooks_retain(dkvb_codebooks *codebooks)
{
    if (codebooks)
        atomic_fetch_add(&codebooks->owners, 1);
    return codebooks;
}

static void free_growth(dkvb_codebooks *cb)
{
    dkvb__free(&cb->mem, cb->use);
    dkvb__free(&cb->mem, cb->options);
    cb->use = NULL;
    cb->options = NULL;
}

void dkvb_codebooks_free(dkvb_codebooks *cb)
{
    dkvb_allocator mem;

    if (!cb || atomic_fetch_sub(&cb->owners, 1) != 1)
        return;
    mem = cb->mem;
    free_growth(cb);
    dkvb__coarse_drop(&cb->coarse, &mem);
    if (!cb->mapping) {
        dkvb__free(&mem, cb->projection);
        dkvb__free(&mem, cb->center);
        dkvb__free(&mem, cb->blocks);
        dkvb__free(&mem, cb->purged);
    }
    dkvb__mapping_free(cb->mapping);
    dkvb__free(&mem, cb);
}

void dkvb__codebooks_seal(dkvb_codebooks *cb)
{
    uint32_t nature[5] = {cb->shape.codebooks, cb->shape.keys, cb->shape.key_dim, cb->shape.input_dim, cb->normalize};
    const struct dkvb__piece pieces[] = {
        {nature, sizeof nature},
        {cb->projection, dkvb__projection_count(&cb->shape) * sizeof *cb->projection},
        {cb->center, cb->shape.input_dim * sizeof *cb->center},
        {cb->blocks, dkvb__block_count(&cb->shape) * sizeof *cb->blocks},
    };

    dkvb__fingerprint(cb->birth, pieces, sizeof pieces / sizeof *pieces);
    free_growth(cb);
    cb->frozen = true;
}

dkvb_status dkvb__codebooks_need_frozen(const dkvb_codebooks *cb)
{
    if (!cb->frozen)
        return dkvb__fail(DKVB_ESTATE, "the codebooks still grow: freeze them first");
    return DKVB_OK;
}

bool dkvb__all_finite(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* Interleave keys, float[K][d], into blocks. */
static void pack_keys(float *blocks, const float *keys, size_t count, size_t dim)
{
    for (size_t j = 0; j < count; j++)
        for (size_t i = 0; i < dim; i++)
            blocks[dkvb__key_offset(j, dim) + i * DKVB__LANES] = keys[j * dim + i];
}

dkvb_status dkvb_codebooks_from_arrays(dkvb_codebooks **out, size_t dim, const float *projection, const float *center,
                                       const float *keys, const dkvb_keyinit_options *given)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    struct dkvb__shape shape;
    dkvb_allocator mem;
    dkvb_codebooks *cb;
    size_t key_count;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__take_options(&o, sizeof o, given, "key initialisation options");
    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (rc)
        return rc;
    shape = (struct dkvb__shape){o.codebooks, o.keys, o.key_dim, dim > UINT32_MAX ? UINT32_MAX : (uint32_t)dim};
    rc = dkvb__shape_check(&shape, "codebooks");
    if (rc)
        return rc;
    key_count = (size_t)shape.codebooks * shape.keys * shape.key_dim;
    if (!dkvb__all_finite(projection, dkvb__projection_count(&shape)) || !dkvb__all_finite(keys, key_count) ||
        (center && !dkvb__all_finite(center, dim)))
        return dkvb__fail(DKVB_EINVAL, "codebooks: a projection, centre or key is not finite");
    if (o.normalize > 1)
        return dkvb__fail(DKVB_EINVAL, "codebooks: normalize is %u, 0 or 1 is wanted", o.normalize);
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__codebooks_new(&cb, &shape, &mem);
    if (rc)
        return rc;
    cb->normalize = o.normalize != 0;
    memcpy(cb->projection, projection, dkvb__projection_count(&shape) * sizeof *projection);
    if (center)
        memcpy(cb->center, center, dim * sizeof *center);
    for (size_t c = 0; c < shape.codebooks; c++)
        pack_keys(dkvb__codebook_blocks(cb, c), keys + c * shape.keys * shape.key_dim, shape.keys, shape.key_dim);
    dkvb__codebooks_seal(cb);
    *out = cb;
    return DKVB_OK;
}

dkvb_status dkvb_codebooks_get_info(const dkvb_codebooks *cb, dkvb_codebooks_info *info)
{
    dkvb_codebooks_info full = DKVB_CODEBOOKS_INFO_INIT;

    full.codebooks = cb->shape.codebooks;
    full.keys = cb->shape.keys;
    full.key_dim = cb->shape.key_dim;
    full.input_dim = cb->shape.input_dim;
    full.normalize = cb->normalize;
    full.frozen = cb->frozen;
    for (size_t w = 0; w < dkvb__word_count(&cb->shape); w++)
        full.purged_pairs += (uint64_t)__builtin_popcountll(cb->purged[w]);
    memcpy(full.birth, cb->birth, sizeof full.birth);
    return dkvb__give_info(info, &full, sizeof full, "codebooks info");
}

dkvb_status dkvb_codebooks_get_projection(const dkvb_codebooks *cb, float *out)
{
    memcpy(out, cb->projection, dkvb__projection_count(&cb->shape) * sizeof *out);
    return DKVB_OK;
}

dkvb_status dkvb_codebooks_get_center(const dkvb_codebooks *cb, float *out)
{
    memcpy(out, cb->center, cb->shape.input_dim * sizeof *out);
    return DKVB_OK;
}

dkvb_status dkvb_codebooks_get_keys(const dkvb_codebooks *cb, float *out)
{
    size_t dim = cb->shape.key_dim;

    for (size_t c = 0; c < cb->shape.codebooks; c++) {
        const float *blocks = dkvb__codebook_blocks(cb, c);

        for (size_t j = 0; j < cb->shape.keys; j++)
            for (size_t i = 0; i < dim; i++)
                *out++ = blocks[dkvb__key_offset(j, dim) + i * DKVB__LANES];
    }
    return DKVB_OK;
}
