#include "bottleneck/codes.h"

#include "base/status.h"
#include "dkvb/search.h"

/* Without a way out of the loop, which then takes many codes at a time. */
static bool in_range(const uint16_t *codes, size_t count, uint32_t keys)
{
    uint16_t last = (uint16_t)(keys - 1), bad = 0;

    for (size_t i = 0; i < count; i++)
        bad |= (uint16_t)((codes[i] > last) & (codes[i] != DKVB_CODE_NONE));
    return !bad;
}

dkvb_status dkvb__check_code_range(const uint16_t *codes, uint32_t k, size_t n, uint32_t codebooks, uint32_t keys)
{
    size_t size = (size_t)codebooks * k, i = 0;

    if (in_range(codes, n * size, keys))
        return DKVB_OK;
    while (codes[i] < keys || codes[i] == DKVB_CODE_NONE)
        i++;
    return dkvb__fail(DKVB_EINVAL, "codes: row %zu, codebook %zu names key %u, there are %u", i / size, i % size / k,
                      codes[i], keys);
}

dkvb_status dkvb__check_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n)
{
    const struct dkvb__shape *shape = &model->codebooks->shape;

    if (k != model->top_k)
        return dkvb__fail(DKVB_EMISMATCH, "codes have k = %u, the model selects %u keys", k, model->top_k);
    return dkvb__check_code_range(codes, k, n, shape->codebooks, shape->keys);
}

enum { CHUNK = 256 }; /* rows in one task */

struct code_check {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    _Atomic uint64_t stale;
    atomic_bool bad; /* names a key that does not exist */
};

/* Codes of one codebook, [rows][k] with `stride` from row to row. */
static uint64_t count_dead(const struct code_check *s, size_t c, const uint16_t *code, size_t rows, bool *bad)
{
    size_t stride = dkvb__code_size(s->model), keys = s->model->codebooks->shape.keys;
    uint64_t dead = 0;

    for (size_t r = 0; r < rows; r++, code += stride)
        for (size_t j = 0; j < s->model->top_k; j++) {
            if (code[j] < keys)
                dead += dkvb__model_dead(s->model, c, code[j]);
            else
                *bad = *bad || code[j] != DKVB_CODE_NONE;
        }
    return dead;
}

static void check_chunk(void *context, size_t task, unsigned worker)
{
    struct code_check *s = context;
    size_t rows = s->n - task * CHUNK < CHUNK ? s->n - task * CHUNK : CHUNK;
    const uint16_t *code = s->codes + task * CHUNK * dkvb__code_size(s->model);
    uint64_t stale = 0;
    bool bad = false;

    (void)worker;
    for (size_t c = 0; c < s->model->codebooks->shape.codebooks; c++, code += s->model->top_k)
        stale += count_dead(s, c, code, rows, &bad);
    if (stale)
        atomic_fetch_add(&s->stale, stale);
    if (bad)
        atomic_store(&s->bad, true);
}

dkvb_status dkvb__check_live_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                   const struct dkvb__run *run)
{
    struct code_check s = {.model = model, .codes = codes, .n = n};
    dkvb_status rc = dkvb__check_codes(model, codes, k, 0);

    if (rc)
        return rc;
    atomic_init(&s.stale, 0);
    atomic_init(&s.bad, false);
    dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, check_chunk, &s);
    if (atomic_load(&s.bad))
        return dkvb__check_codes(model, codes, k, n); /* which finds the first and names it */
    if (atomic_load(&s.stale) > 0)
        return dkvb__fail(DKVB_EMISMATCH, "codes are stale: %llu of %zu name masked or purged pairs; refresh them",
                          (unsigned long long)atomic_load(&s.stale), n * dkvb__code_size(model));
    return DKVB_OK;
}
