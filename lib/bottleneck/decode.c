#include <math.h>

#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/status.h"
#include "bottleneck/calibration.h"
#include "bottleneck/codes.h"
#include "bottleneck/model.h"
#include "bottleneck/search.h"
#include "bottleneck/sums.h"

enum { CHUNK = 32 }; /* rows in one task */

static size_t chunks(size_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

static int32_t argmax(const float *logits, size_t classes)
{
    size_t best = 0;

    for (size_t l = 1; l < classes; l++)
        if (logits[l] > logits[best])
            best = l;
    return (int32_t)best;
}

/* Rows that are being decoded; `labels` or `logits` may be NULL. */
struct decoding {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    int32_t *labels;
    float *logits;
    double *sums;  /* [threads][L] */
    float *group;  /* [threads][L] */
    float *answer; /* [threads][L], used in place of `logits` */
};

static void decode_chunk(void *context, size_t task, unsigned worker)
{
    const struct decoding *d = context;
    size_t classes = d->model->classes, size = dkvb__code_size(d->model);
    size_t end = (task + 1) * CHUNK < d->n ? (task + 1) * CHUNK : d->n;

    for (size_t r = task * CHUNK; r < end; r++) {
        float *logits = d->logits ? d->logits + r * classes : d->answer + worker * classes;
        bool learned = dkvb__logits(d->model, d->codes + r * size, logits, d->group + worker * classes,
                                    d->sums + worker * classes);

        if (d->labels)
            d->labels[r] = learned ? argmax(logits, classes) : -1;
    }
}

static dkvb_status decoding_begin(struct decoding *d, const dkvb_model *model, const struct dkvb__run *run)
{
    *d = (struct decoding){.model = model};
    d->sums = dkvb__alloc(&model->mem, run->threads, model->classes * sizeof *d->sums);
    d->group = dkvb__alloc(&model->mem, run->threads, model->classes * sizeof *d->group);
    d->answer = dkvb__alloc(&model->mem, run->threads, model->classes * sizeof *d->answer);
    if (d->sums && d->group && d->answer)
        return DKVB_OK;
    dkvb__free(&model->mem, d->sums);
    dkvb__free(&model->mem, d->group);
    dkvb__free(&model->mem, d->answer);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for the logits of %u classes", model->classes);
}

static void decoding_end(struct decoding *d)
{
    dkvb__free(&d->model->mem, d->sums);
    dkvb__free(&d->model->mem, d->group);
    dkvb__free(&d->model->mem, d->answer);
}

dkvb_status dkvb_model_decode(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n, int32_t *labels,
                              float *logits, const dkvb_run_options *opts)
{
    struct decoding d;
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    rc = dkvb__check_live_codes(model, codes, k, n, &run);
    if (rc)
        return rc;
    rc = decoding_begin(&d, model, &run);
    if (rc)
        return rc;
    d.codes = codes;
    d.n = n;
    d.labels = labels;
    d.logits = logits;
    rc = dkvb__parallel_rows(&run, n, CHUNK, decode_chunk, &d);
    decoding_end(&d);
    return rc;
}

/* Searches and decodes tile by tile, so that only the codes of one tile are held in memory. */
static dkvb_status predict_tiles(struct dkvb__search *s, struct decoding *d, const float *x, size_t n, int32_t *labels,
                                 float *logits, uint16_t *codes)
{
    const dkvb_model *model = d->model;
    dkvb_status rc = DKVB_OK;

    for (size_t first = 0; !rc && first < n; first += d->n) {
        d->n = n - first < s->capacity ? n - first : s->capacity;
        rc = dkvb__search_tile(s, x + first * model->codebooks->shape.input_dim, d->n, first, codes, NULL);
        if (rc)
            return rc;
        d->codes = codes;
        d->labels = labels ? labels + first : NULL;
        d->logits = logits ? logits + first * model->classes : NULL;
        dkvb__parallel(&s->run, chunks(d->n), decode_chunk, d);
        rc = dkvb__report(&s->run, first + d->n, n);
    }
    return rc;
}

dkvb_status dkvb_model_predict(const dkvb_model *model, const float *x, size_t n, int32_t *labels, float *logits,
                               const dkvb_run_options *opts)
{
    struct dkvb__search s;
    struct decoding d;
    struct dkvb__run run;
    uint16_t *codes;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    rc = dkvb__search_begin(&s, model->codebooks, model->mask, model->top_k, n, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    rc = decoding_begin(&d, model, &run);
    if (rc)
        goto end_search;
    codes = dkvb__alloc(&model->mem, s.capacity, dkvb__code_size(model) * sizeof *codes);
    rc = codes ? predict_tiles(&s, &d, x, n, labels, logits, codes)
               : dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", s.capacity);
    dkvb__free_erased(&model->mem, codes);
    decoding_end(&d);

end_search:
    dkvb__search_end(&s);
    return rc;
}

dkvb_status dkvb_decode_softmax(const float *logits, size_t n, uint32_t classes, double temperature, double power,
                                float *probs)
{
    if (!isfinite(power))
        return dkvb__fail(DKVB_EINVAL, "softmax: power is %g, it must be finite", power);
    if (!(temperature > 0.0) || !isfinite(temperature))
        return dkvb__fail(DKVB_EINVAL, "softmax: temperature is %g, it must be finite and above 0", temperature);
    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        float *out = probs + r * classes;
        double most = (double)row[argmax(row, classes)], sum = 0.0;
        double own = dkvb__row_temperature(row, classes, temperature, power);

        for (size_t l = 0; l < classes; l++)
            sum += dkvb__exp(((double)row[l] - most) / own);
        for (size_t l = 0; l < classes; l++)
            out[l] = (float)(dkvb__exp(((double)row[l] - most) / own) / sum);
    }
    return DKVB_OK;
}

/* Inserts class l among the best `count` classes. In a tie the lower class comes first. */
static void insert_class(const float *logits, int32_t *labels, size_t count, size_t top, int32_t l)
{
    size_t i = count < top ? count : top - 1;

    if (count == top && !(logits[l] > logits[labels[i]]))
        return;
    for (; i > 0 && logits[l] > logits[labels[i - 1]]; i--)
        labels[i] = labels[i - 1];
    labels[i] = l;
}

dkvb_status dkvb_decode_top(const float *logits, size_t n, uint32_t classes, uint32_t top, int32_t *labels,
                            float *scores)
{
    if (top < 1 || top > classes)
        return dkvb__fail(DKVB_EINVAL, "top is %u, 1 to %u is wanted", top, classes);
    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        int32_t *best = labels + r * top;

        for (uint32_t l = 0; l < classes; l++)
            insert_class(row, best, l < top ? l : top, top, (int32_t)l);
        for (uint32_t i = 0; scores && i < top; i++)
            scores[r * top + i] = row[best[i]];
    }
    return DKVB_OK;
}
