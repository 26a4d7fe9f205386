#include "bottleneck/codes.h"

#include "base/status.h"
#include "dkvb/search.h"

dkvb_status dkvb__check_code_range(const uint16_t *codes, uint32_t k, size_t n, uint32_t codebooks, uint32_t keys)
{
    size_t size = (size_t)codebooks * k;

    for (size_t i = 0; i < n * size; i++)
        if (codes[i] >= keys && codes[i] != DKVB_CODE_NONE)
            return dkvb__fail(DKVB_EINVAL, "codes: row %zu, codebook %zu names key %u, there are %u", i / size,
                              i % size / k, codes[i], keys);
    return DKVB_OK;
}

dkvb_status dkvb__check_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n)
{
    const struct dkvb__shape *shape = &model->codebooks->shape;

    if (k != model->top_k)
        return dkvb__fail(DKVB_EMISMATCH, "codes have k = %u, the model selects %u keys", k, model->top_k);
    return dkvb__check_code_range(codes, k, n, shape->codebooks, shape->keys);
}

enum { CHUNK = 256 }; /* rows in one task */

struct stale_count {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    _Atomic uint64_t stale;
};

static void count_stale(void *context, size_t task, unsigned worker)
{
    struct stale_count *s = context;
    const struct dkvb__shape *shape = &s->model->codebooks->shape;
    size_t end = (task + 1) * CHUNK < s->n ? (task + 1) * CHUNK : s->n;
    const uint16_t *code = s->codes + task * CHUNK * dkvb__code_size(s->model);
    uint64_t stale = 0;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++)
        for (size_t c = 0; c < shape->codebooks; c++)
            for (size_t j = 0; j < s->model->top_k; j++, code++)
                stale += *code < shape->keys && dkvb__model_dead(s->model, c, *code);
    if (stale)
        atomic_fetch_add(&s->stale, stale);
}

dkvb_status dkvb__check_live_codes(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                   const struct dkvb__run *run)
{
    struct stale_count s = {.model = model, .codes = codes, .n = n};
    dkvb_status rc = dkvb__check_codes(model, codes, k, n);

    if (rc)
        return rc;
    atomic_init(&s.stale, 0);
    dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, count_stale, &s);
    if (atomic_load(&s.stale) > 0)
        return dkvb__fail(DKVB_EMISMATCH, "codes are stale: %llu of %zu name masked or purged pairs; refresh them",
                          (unsigned long long)atomic_load(&s.stale), n * dkvb__code_size(model));
    return DKVB_OK;
}
