#include "bottleneck/codes.h"

#include "base/bytes.h"
#include "base/status.h"
#include "dkvb/search.h"

/* The loop over codes has no early exit, so that compilers check many codes in one step. */
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

enum { CHUNK = 256 }; /* number of rows whose codes one parallel task checks or packs */

struct code_check {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    _Atomic uint64_t stale;
    atomic_bool bad; /* true if a code names a key that does not exist, and is not DKVB_CODE_NONE */
};

/* Counts dead key-value pairs among the codes of one codebook, [rows][k], with `stride` codes from row to row. */
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
        /* after a bad code was seen, dkvb__check_codes() finds the first code that names no existing key, and names it
         * in the message */
        return dkvb__check_codes(model, codes, k, n);
    if (atomic_load(&s.stale) > 0)
        return dkvb__fail(DKVB_EMISMATCH, "codes are stale: %llu of %zu name masked or purged pairs; refresh them",
                          (unsigned long long)atomic_load(&s.stale), n * dkvb__code_size(model));
    return DKVB_OK;
}

unsigned dkvb__code_bits(uint32_t keys, bool any_none)
{
    uint32_t largest = any_none ? keys : keys - 1;
    unsigned bits = 1;

    while (largest >> bits)
        bits++;
    return bits;
}

bool dkvb__codes_any_none(const uint16_t *codes, size_t count)
{
    bool any = false;

    /* the loop over codes has no early exit, so that many codes are checked in one step */
    for (size_t i = 0; i < count; i++)
        any |= codes[i] == DKVB_CODE_NONE;
    return any;
}

struct packing_job {
    const struct dkvb__packing *packing;
    /* number of rows to pack or unpack, number of codes of a row, and number of bytes of a packed row */
    size_t n, count, size;
    uint16_t *codes;
    const uint16_t *from_codes;
    unsigned char *to_packed;
    const unsigned char *packed;
    atomic_size_t bad; /* number of the first row of codes with an invalid code, or n if there is none */
};

static struct packing_job packing_job(const struct dkvb__packing *p, size_t n)
{
    struct packing_job job = {.packing = p, .n = n, .count = (size_t)p->codebooks * p->k};

    job.size = (size_t)dkvb__packed_size(job.count, p->bits);
    return job;
}

static void pack_row(unsigned char *to, const uint16_t *codes, size_t count, const struct dkvb__packing *p)
{
    uint64_t waiting = 0; /* bits of packed codes that are not written yet, and in `have` their number */
    unsigned have = 0;

    for (size_t i = 0; i < count; i++) {
        waiting |= (uint64_t)(codes[i] == DKVB_CODE_NONE ? p->keys : codes[i]) << have;
        have += p->bits;
        if (have >= 32) {
            dkvb__write32(to, (uint32_t)waiting);
            to += 4;
            waiting >>= 32;
            have -= 32;
        }
    }
    for (; have > 0; have = have > 8 ? have - 8 : 0, waiting >>= 8)
        *to++ = (unsigned char)waiting;
}

static void pack_chunk(void *context, size_t task, unsigned worker)
{
    struct packing_job *s = context;
    size_t end = (task + 1) * CHUNK < s->n ? (task + 1) * CHUNK : s->n;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++)
        pack_row(s->to_packed + r * s->size, s->from_codes + r * s->count, s->count, s->packing);
}

void dkvb__codes_pack(unsigned char *to, const uint16_t *codes, size_t n, const struct dkvb__packing *packing,
                      const struct dkvb__run *run)
{
    struct packing_job s = packing_job(packing, n);

    s.to_packed = to;
    s.from_codes = codes;
    dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, pack_chunk, &s);
}

/* Unpacks the codes of one row. unpack_row() returns false if a code names no key, or if a bit after the last code is
 * not 0. */
static bool unpack_row(uint16_t *codes, const unsigned char *from, size_t size, size_t count,
                       const struct dkvb__packing *p)
{
    const unsigned char *end = from + size;
    uint32_t mask = (1u << p->bits) - 1, most = 0;
    uint64_t waiting = 0; /* bits of packed codes that were read and not used yet, and in `have` their number */
    unsigned have = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t code;

        if (have < p->bits && end - from >= 4) {
            waiting |= (uint64_t)dkvb__read32(from) << have;
            from += 4;
            have += 32;
        }
        for (; have < p->bits; have += 8) /* the last bytes of a row of packed codes are read one by one */
            waiting |= (uint64_t)*from++ << have;
        code = (uint32_t)waiting & mask;
        waiting >>= p->bits;
        have -= p->bits;
        most = code > most ? code : most;
        codes[i] = code == p->keys ? (uint16_t)DKVB_CODE_NONE : (uint16_t)code;
    }
    return most <= p->keys && waiting == 0;
}

static void unpack_chunk(void *context, size_t task, unsigned worker)
{
    struct packing_job *s = context;
    size_t end = (task + 1) * CHUNK < s->n ? (task + 1) * CHUNK : s->n;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++)
        if (!unpack_row(s->codes + r * s->count, s->packed + r * s->size, s->size, s->count, s->packing)) {
            size_t lowest = atomic_load(&s->bad);

            while (r < lowest && !atomic_compare_exchange_weak(&s->bad, &lowest, r))
                ;
            return;
        }
}

dkvb_status dkvb__codes_unpack(uint16_t *codes, const unsigned char *from, size_t n,
                               const struct dkvb__packing *packing, const struct dkvb__run *run)
{
    struct packing_job s = packing_job(packing, n);
    size_t bad;

    s.codes = codes;
    s.packed = from;
    atomic_init(&s.bad, n);
    dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, unpack_chunk, &s);
    bad = atomic_load(&s.bad);
    if (bad == n)
        return DKVB_OK;
    return dkvb__fail(
        DKVB_EINVAL,
        "codes: packed row %zu names a key of %u or more, or its last bits are not 0; write the file again",
        packing->before + bad, packing->keys);
}
