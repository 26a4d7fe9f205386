#include "bottleneck/codebooks.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/status.h"
#include "bottleneck/keyinit.h"
#include "kernels/matrix.h"

size_t dkvb__key_bytes(const struct dkvb__shape *s)
{
    return dkvb__norm_count(s) * dkvb__quads(s->key_dim) * 4;
}

size_t dkvb__norm_count(const struct dkvb__shape *s)
{
    return dkvb__key_words(s->keys) * 64;
}

size_t dkvb__word_count(const struct dkvb__shape *s)
{
    return s->codebooks * dkvb__key_words(s->keys);
}

size_t dkvb__whitening_count(const struct dkvb__shape *s)
{
    return dkvb__panels(s->input_dim) * DKVB__PANEL * s->input_dim;
}

static dkvb_status check_range(const char *what, const char *field, uint32_t value, uint32_t most)
{
    if (value < 1 || value > most)
        return dkvb__fail(DKVB_EINVAL, "%s: %s is %u, it must be 1 to %u", what, field, value, most);
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

/*
 * Draws the random signs and the order of outputs of the projection. Each round of the random projection is one
 * Walsh-Hadamard transform with random signs of its own. Each dimension of a codebook's keys takes one output of the
 * random projection; runs of `width` neighbouring outputs are dealt out to the codebooks in a shuffled order, so that
 * no codebook takes an output twice. Codebooks whose keys have more dimensions than a round of the projection has
 * outputs use several rounds.
 */
static dkvb_status draw_projection(dkvb_codebooks *cb)
{
    const struct dkvb__shape *s = &cb->shape;
    size_t size = 1, width, runs, per_round, *chosen, *scratch;

    while (size < s->input_dim)
        size *= 2;
    width = s->key_dim < size ? s->key_dim : size;
    /* number of runs of neighbouring outputs of the projection that give the dimensions of a codebook's keys */
    runs = (s->key_dim + size - 1) / size;
    per_round = size / width;
    cb->round_size = size;
    cb->rounds = (s->codebooks * runs + per_round - 1) / per_round;
    cb->signs = dkvb__alloc(&cb->mem, cb->rounds * size, sizeof *cb->signs);
    cb->order = dkvb__alloc(&cb->mem, (size_t)s->codebooks * s->key_dim, sizeof *cb->order);
    chosen = dkvb__alloc(&cb->mem, 2 * size, sizeof *chosen);
    if (!cb->signs || !cb->order || !chosen) {
        dkvb__free(&cb->mem, chosen);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the projection of rows of %u columns", s->input_dim);
    }
    scratch = chosen + size;
    for (size_t t = 0; t < cb->rounds; t++) {
        struct dkvb__rng rng;
        uint64_t bits = 0;

        dkvb__seed_stream(&rng, cb->seed, DKVB__FOR_PROJECTION, t);
        for (size_t i = 0; i < size; i++, bits >>= 1) {
            if (i % 64 == 0)
                bits = dkvb__rng_next(&rng);
            cb->signs[t * size + i] = bits & 1 ? -1.0f : 1.0f;
        }
        dkvb__rng_choose(&rng, size, per_round * width, chosen, scratch);
        for (size_t run = t * per_round; run < (t + 1) * per_round && run < s->codebooks * runs; run++) {
            /* the lowest dimension of the codebook's keys that a run of the projection's outputs fills */
            size_t first = run % runs * size;
            uint32_t *order = cb->order + run / runs * s->key_dim + first;

            for (size_t i = 0; i < width && first + i < s->key_dim; i++)
                order[i] = (uint32_t)(t * size + chosen[run % per_round * width + i]);
        }
    }
    dkvb__free(&cb->mem, chosen);
    return DKVB_OK;
}

dkvb_status dkvb__codebooks_shell(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed,
                                  const dkvb_allocator *mem)
{
    dkvb_codebooks *cb = dkvb__alloc0(mem, 1, sizeof *cb);
    dkvb_status rc;

    *out = NULL;
    if (!cb)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    cb->mem = *mem;
    atomic_init(&cb->owners, 1);
    cb->shape = *shape;
    cb->seed = seed;
    cb->ranks = (dkvb_ranks)DKVB_RANKS_INIT;
    cb->greatest = FLT_MAX;
    cb->norms = dkvb__alloc(mem, shape->codebooks, dkvb__norm_count(shape) * sizeof *cb->norms);
    rc = cb->norms ? draw_projection(cb) : dkvb__fail(DKVB_ENOMEM, "out of memory for the norms of keys");
    if (rc)
        dkvb_codebooks_free(cb);
    else
        *out = cb;
    return rc;
}

dkvb_status dkvb__codebooks_new(dkvb_codebooks **out, const struct dkvb__shape *shape, uint64_t seed, bool whiten,
                                const dkvb_allocator *mem)
{
    dkvb_status rc = dkvb__codebooks_shell(out, shape, seed, mem);
    dkvb_codebooks *cb = *out;

    if (rc)
        return rc;
    cb->center = dkvb__alloc0(mem, shape->input_dim, sizeof *cb->center);
    cb->whitening = whiten ? dkvb__alloc0(mem, dkvb__whitening_count(shape), sizeof *cb->whitening) : NULL;
    cb->scales = dkvb__alloc0(mem, shape->codebooks, sizeof *cb->scales);
    cb->keys = dkvb__alloc0(mem, shape->codebooks, dkvb__key_bytes(shape));
    cb->purged = dkvb__alloc0(mem, dkvb__word_count(shape), sizeof *cb->purged);
    if (cb->center && (cb->whitening || !whiten) && cb->scales && cb->keys && cb->purged)
        return DKVB_OK;
    dkvb_codebooks_free(cb);
    *out = NULL;
    return dkvb__fail(DKVB_ENOMEM, "out of memory for %u codebooks of %u keys of width %u, input width %u",
                      shape->codebooks, shape->keys, shape->key_dim, shape->input_dim);
}

dkvb_status dkvb__codebooks_copy(dkvb_codebooks **out, const dkvb_codebooks *from, const dkvb_allocator *mem)
{
    dkvb_status rc = dkvb__codebooks_new(out, &from->shape, from->seed, from->whitening != NULL, mem);
    dkvb_codebooks *cb = *out;
    const struct dkvb__shape *s = &from->shape;

    if (rc)
        return rc;
    cb->normalize = from->normalize;
    cb->ranks = from->ranks;
    cb->frozen = from->frozen;
    cb->least = from->least;
    cb->greatest = from->greatest;
    memcpy(cb->birth, from->birth, sizeof cb->birth);
    memcpy(cb->center, from->center, s->input_dim * sizeof *cb->center);
    if (cb->whitening)
        memcpy(cb->whitening, from->whitening, dkvb__whitening_count(s) * sizeof *cb->whitening);
    memcpy(cb->scales, from->scales, s->codebooks * sizeof *cb->scales);
    memcpy(cb->keys, from->keys, s->codebooks * dkvb__key_bytes(s));
    memcpy(cb->norms, from->norms, s->codebooks * dkvb__norm_count(s) * sizeof *cb->norms);
    memcpy(cb->purged, from->purged, dkvb__word_count(s) * sizeof *cb->purged);
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
    dkvb__free_erased(&cb->mem, cb->growing);
    dkvb__free(&cb->mem, cb->use);
    dkvb__free(&cb->mem, cb->options);
    cb->growing = NULL;
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
    dkvb__free(&mem, cb->signs);
    dkvb__free(&mem, cb->order);
    dkvb__free(&mem, cb->norms);
    if (!cb->mapping) {
        dkvb__free_erased(&mem, cb->center);
        dkvb__free_erased(&mem, cb->whitening);
        dkvb__free_erased(&mem, cb->scales);
        dkvb__free_erased(&mem, cb->keys);
        dkvb__free_erased(&mem, cb->purged);
    }
    dkvb__mapping_free(cb->mapping);
    dkvb__free(&mem, cb);
}

void dkvb__codebooks_seal(dkvb_codebooks *cb)
{
    const struct dkvb__shape *s = &cb->shape;
    uint32_t nature[6] = {s->codebooks, s->keys, s->key_dim, s->input_dim, cb->normalize, cb->whitening != NULL};
    const struct dkvb__piece pieces[] = {
        {nature, sizeof nature},
        {&cb->seed, sizeof cb->seed},
        {cb->center, s->input_dim * sizeof *cb->center},
        {cb->scales, s->codebooks * sizeof *cb->scales},
        {cb->keys, s->codebooks * dkvb__key_bytes(s)},
        {cb->whitening, cb->whitening ? dkvb__whitening_count(s) * sizeof *cb->whitening : 0},
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

/* Computes the squared norms of the keys of one codebook. In the arrays of a codebook, the places past the last key
 * count as dead keys. */
static void set_norms(int32_t *norms, const uint8_t *keys, const struct dkvb__shape *s)
{
    size_t quads = dkvb__quads(s->key_dim), count = dkvb__norm_count(s);

    memset(norms, 0, count * sizeof *norms);
    for (size_t b = 0; b < count / DKVB__LANES; b++)
        for (size_t q = 0; q < quads; q++)
            for (size_t l = 0; l < DKVB__LANES; l++, keys += 4)
                for (size_t i = 0; i < 4 && q * 4 + i < s->key_dim; i++) {
                    int32_t x = keys[i] - DKVB__KEY_ZERO;

                    norms[b * DKVB__LANES + l] += x * x;
                }
    for (size_t j = s->keys; j < count; j++)
        norms[j] = DKVB__DEAD;
}

void dkvb__codebooks_set_norms(dkvb_codebooks *cb)
{
    size_t words = dkvb__key_words(cb->shape.keys);

    for (size_t c = 0; c < cb->shape.codebooks; c++) {
        int32_t *norms = dkvb__codebook_norms(cb, c);

        set_norms(norms, dkvb__codebook_keys(cb, c), &cb->shape);
        for (size_t j = 0; j < cb->shape.keys; j++)
            if (dkvb__bit(cb->purged + c * words, j))
                norms[j] = DKVB__DEAD;
    }
}

void dkvb__pack_keys(uint8_t *keys, int32_t *norms, const float *from, const struct dkvb__shape *s)
{
    size_t dim = s->key_dim, whole = dkvb__quads(dim) * 4;
    const float most = (float)DKVB__STEPS;

    memset(keys, 0, dkvb__key_bytes(s));
    for (size_t j = 0; j < s->keys; j++) {
        for (size_t i = 0; i < whole; i++) {
            float x = i < dim ? from[j * dim + i] : 0.0f;

            x = x > -most ? x : -most;
            x = x < most ? x : most;
            /* keys that a caller gives are rounded to quantisation steps in the same way as rows of features */
            keys[dkvb__key_offset(j, i, dim)] = (uint8_t)(x + ((float)DKVB__KEY_ZERO + 0.5f));
        }
    }
    set_norms(norms, keys, s);
}

static dkvb_status check_arrays(const dkvb_codebooks_arrays *a, const struct dkvb__shape *s)
{
    size_t m = s->input_dim;

    if (!a->keys)
        return dkvb__fail(DKVB_EINVAL, "codebooks: keys are missing");
    if (a->whitening && m > DKVB__MAX_WHITENED)
        return dkvb__fail(DKVB_EINVAL, "codebooks: whitening of %zu columns, at most %d are supported", m,
                          DKVB__MAX_WHITENED);
    if (!dkvb__all_finite(a->keys, (size_t)s->codebooks * s->keys * s->key_dim) ||
        (a->center && !dkvb__all_finite(a->center, m)) || (a->whitening && !dkvb__all_finite(a->whitening, m * m)))
        return dkvb__fail(DKVB_EINVAL, "codebooks: a key, a number of the centre or of the whitening is not finite");
    for (size_t c = 0; a->scales && c < s->codebooks; c++)
        if (!(a->scales[c] > 0.0f) || !isfinite(a->scales[c]))
            return dkvb__fail(DKVB_EINVAL, "codebooks: scale %zu is %g, it must be above 0 and finite", c,
                              (double)a->scales[c]);
    return DKVB_OK;
}

/* Rounds the keys that a caller gives to quantisation steps. Quantisation scales that the caller did not give are
 * computed from the keys, as they would be from rows. */
static dkvb_status take_keys(dkvb_codebooks *cb, const dkvb_codebooks_arrays *a)
{
    const struct dkvb__shape *s = &cb->shape;
    size_t count = (size_t)s->keys * s->key_dim;
    float *steps = dkvb__alloc(&cb->mem, count, sizeof *steps);
    struct dkvb__sizes *sizes = dkvb__alloc(&cb->mem, 1, sizeof *sizes);

    for (size_t c = 0; steps && sizes && c < s->codebooks; c++) {
        const float *keys = a->keys + c * count;

        memset(sizes, 0, sizeof *sizes);
        dkvb__sizes_add(sizes, keys, count);
        cb->scales[c] = a->scales ? a->scales[c] : dkvb__sizes_scale(sizes);
        for (size_t i = 0; i < count; i++)
            steps[i] = keys[i] * cb->scales[c];
        dkvb__pack_keys(dkvb__codebook_keys(cb, c), dkvb__codebook_norms(cb, c), steps, s);
    }
    dkvb__free(&cb->mem, sizes);
    dkvb__free(&cb->mem, steps);
    return steps && sizes ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory");
}

dkvb_status dkvb_codebooks_from_arrays(dkvb_codebooks **out, const dkvb_codebooks_arrays *arrays,
                                       const dkvb_keyinit_options *given)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks_arrays a = DKVB_CODEBOOKS_ARRAYS_INIT;
    struct dkvb__shape shape;
    dkvb_allocator mem;
    dkvb_codebooks *cb;
    dkvb_status rc;

    *out = NULL;
    if ((rc = dkvb__take_options(&a, sizeof a, arrays, "codebooks' arrays")) != DKVB_OK)
        return rc;
    if ((rc = dkvb__keyinit_options_take(&o, given)) != DKVB_OK)
        return rc;
    shape = (struct dkvb__shape){o.codebooks, o.keys, o.key_dim, a.dim > UINT32_MAX ? UINT32_MAX : (uint32_t)a.dim};
    if ((rc = dkvb__shape_check(&shape, "codebooks")) != DKVB_OK)
        return rc;
    if ((rc = check_arrays(&a, &shape)) != DKVB_OK)
        return rc;
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__codebooks_new(&cb, &shape, o.seed, a.whitening != NULL, &mem);
    if (rc)
        return rc;
    cb->normalize = o.normalize != 0;
    if (a.center)
        memcpy(cb->center, a.center, a.dim * sizeof *a.center);
    for (size_t i = 0; a.whitening && i < a.dim; i++)
        for (size_t j = 0; j < a.dim; j++)
            cb->whitening[dkvb__panel_offset(i, j, a.dim)] = a.whitening[i * a.dim + j];
    rc = take_keys(cb, &a);
    if (rc) {
        dkvb_codebooks_free(cb);
        return rc;
    }
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
    full.whitened = cb->whitening != NULL;
    full.rounds = (uint32_t)cb->rounds;
    full.round_size = (uint32_t)cb->round_size;
    full.frozen = cb->frozen;
    for (size_t w = 0; w < dkvb__word_count(&cb->shape); w++)
        full.purged_pairs += (uint64_t)__builtin_popcountll(cb->purged[w]);
    memcpy(full.birth, cb->birth, sizeof full.birth);
    full.least_length = (double)cb->least;
    full.greatest_length = (double)cb->greatest;
    return dkvb__give_info(info, &full, sizeof full, "codebooks info");
}

dkvb_status dkvb_codebooks_get_arrays(const dkvb_codebooks *cb, const dkvb_codebooks_copies *given)
{
    dkvb_codebooks_copies to = DKVB_CODEBOOKS_COPIES_INIT;
    size_t m = cb->shape.input_dim, dim = cb->shape.key_dim, words = dkvb__key_words(cb->shape.keys);
    dkvb_status rc = dkvb__take_options(&to, sizeof to, given, "copies of codebooks");

    if (rc)
        return rc;
    if (to.whitening && !cb->whitening)
        return dkvb__fail(DKVB_ENOTFOUND, "the codebooks do not whiten rows");
    for (size_t i = 0; to.signs && i < cb->rounds * cb->round_size; i++)
        to.signs[i] = (int8_t)cb->signs[i];
    if (to.order)
        memcpy(to.order, cb->order, cb->shape.codebooks * dim * sizeof *to.order);
    if (to.center)
        memcpy(to.center, cb->center, m * sizeof *to.center);
    for (size_t i = 0; to.whitening && i < m; i++)
        for (size_t j = 0; j < m; j++)
            to.whitening[i * m + j] = cb->whitening[dkvb__panel_offset(i, j, m)];
    if (to.scales)
        memcpy(to.scales, cb->scales, cb->shape.codebooks * sizeof *to.scales);
    for (size_t c = 0; to.keys && c < cb->shape.codebooks; c++)
        for (size_t j = 0; j < cb->shape.keys; j++)
            for (size_t i = 0; i < dim; i++)
                *to.keys++ = dkvb__bit(cb->purged + c * words, j)
                                 ? 0
                                 : (int8_t)(dkvb__codebook_keys(cb, c)[dkvb__key_offset(j, i, dim)] - DKVB__KEY_ZERO);
    return DKVB_OK;
}
