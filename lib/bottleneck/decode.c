#include <math.h>

#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/status.h"
#include "bottleneck/calibration.h"
#include "bottleneck/codes.h"
#include "bottleneck/model.h"
#include "bottleneck/search.h"
#include "bottleneck/sums.h"

enum { CHUNK = 32 }; /* number of rows that one parallel task decodes */

static int32_t argmax(const float *logits, size_t classes)
{
    size_t best = 0;

    for (size_t l = 1; l < classes; l++)
        if (logits[l] > logits[best])
            best = l;
    return (int32_t)best;
}

/* State of decoding rows; `labels` or `logits` may be NULL. */
struct decoding {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    int32_t *labels;
    float *logits;
    double *sums;  /* for each thread, the sums of a row's values over all codebooks, [threads][classes] */
    float *group;  /* for each thread, the sums of a row's values in one group of codebooks, [threads][classes] */
    float *answer; /* logits of a row if the caller wants no logits, [threads][classes] */
    /* sums of values that ranks (processes) exchange while decoding; not used by a single process */
    struct dkvb__summing shared;
    /* if ranks (processes) share the model, the largest number of rows that they decode at a time; otherwise 0 */
    size_t most;
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

static void sum_group_of_rows(void *context, size_t own, unsigned worker)
{
    const struct decoding *d = context;

    (void)worker;
    dkvb__summing_group(&d->shared, d->model->first_group + own, d->codes);
}

static void answer_row(void *context, size_t own, unsigned worker)
{
    const struct decoding *d = context;
    size_t classes = d->model->classes, r = d->shared.first + own;
    float *logits = d->logits ? d->logits + r * classes : d->answer + worker * classes;
    bool learned = dkvb__summing_logits(&d->shared, r, d->sums + worker * classes, logits);

    if (d->labels)
        d->labels[r] = learned ? argmax(logits, classes) : -1;
}

/* Decodes rows in one process, or with the ranks (processes) that share the model. If ranks share the model, each rank
 * sums its own groups of codebooks for all rows, and then adds up the groups for its own part of the rows. */
static dkvb_status decode_rows(struct decoding *d, const struct dkvb__run *run)
{
    const dkvb_ranks *ranks = &d->model->codebooks->ranks;
    dkvb_status rc;

    if (!d->most)
        return dkvb__parallel_rows(run, d->n, CHUNK, decode_chunk, d);
    dkvb__summing_begin(&d->shared, d->n);
    dkvb__parallel(run, d->model->end_group - d->model->first_group, sum_group_of_rows, d);
    rc = dkvb__summing_exchange(&d->shared);
    if (rc)
        return rc;
    dkvb__parallel(run, d->shared.end - d->shared.first, answer_row, d);
    if (d->labels)
        rc = dkvb__ranks_share_evenly(ranks, d->labels, d->n, sizeof *d->labels);
    if (!rc && d->logits)
        rc = dkvb__ranks_share_evenly(ranks, d->logits, d->n, d->model->classes * sizeof *d->logits);
    return rc;
}

/* Returns the number of rows that are decoded at a time: as many as have sums of some 32 MB on a rank (process). All
 * ranks (processes) decode the same number of rows at a time. */
static size_t rows_at_a_time(const dkvb_model *model)
{
    enum { BYTES = 32 << 20, LEAST = 64, MOST = 8192 };
    uint32_t ranks = model->codebooks->ranks.count;
    size_t row = (model->classes + 1) * sizeof(float) * ((dkvb__groups(model) + ranks - 1) / ranks), rows = BYTES / row;

    return rows < LEAST ? LEAST : rows < MOST ? rows : MOST;
}

static void decoding_end(struct decoding *d)
{
    dkvb__free(&d->model->mem, d->sums);
    dkvb__free(&d->model->mem, d->group);
    dkvb__free(&d->model->mem, d->answer);
    if (d->most)
        dkvb__summing_free(&d->shared);
}

static dkvb_status decoding_begin(struct decoding *d, const dkvb_model *model, const struct dkvb__run *run)
{
    bool shares = model->codebooks->ranks.count > 1, ok = true;
    dkvb_status rc = dkvb__model_need_values(model);

    *d = (struct decoding){.model = model};
    if (rc)
        return rc;
    if (shares) {
        d->most = rows_at_a_time(model);
        ok = dkvb__summing_new(&d->shared, model, d->most);
    }
    d->sums = dkvb__alloc(&model->mem, run->threads, model->classes * sizeof *d->sums);
    d->group = dkvb__alloc(&model->mem, run->threads, model->classes * sizeof *d->group);
    d->answer = dkvb__alloc(&model->mem, run->threads, model->classes * sizeof *d->answer);
    if (!ok || !d->sums || !d->group || !d->answer)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the logits of %u classes", model->classes);
    rc = dkvb__ranks_agree(&model->codebooks->ranks, rc);
    if (rc)
        decoding_end(d);
    return rc;
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
    for (size_t first = 0; !rc && first < n; first += d.n) {
        d.n = d.most && d.most < n - first ? d.most : n - first;
        d.codes = codes + first * dkvb__code_size(model);
        d.labels = labels ? labels + first : NULL;
        d.logits = logits ? logits + first * model->classes : NULL;
        rc = decode_rows(&d, &run);
        if (!rc && d.most)
            rc = dkvb__model_agree(model, dkvb__report(&run, first + d.n, n));
    }
    decoding_end(&d);
    return rc;
}

/* Searches the nearest keys of rows and decodes them to logits tile by tile, so that memory holds the codes of one tile
 * of rows only. */
static dkvb_status predict_tiles(struct dkvb__search *s, struct decoding *d, size_t n, int32_t *labels, float *logits,
                                 uint16_t *codes)
{
    const dkvb_model *model = d->model;
    struct dkvb__run quiet = s->run;
    dkvb_status rc = DKVB_OK;

    /* searching a tile of rows reports no progress, as the loop over tiles counts each row once */
    quiet.progress = NULL;
    for (size_t first = 0; !rc && first < n; first += d->n) {
        d->n = n - first < s->capacity ? n - first : s->capacity;
        d->n = d->most && d->most < d->n ? d->most : d->n;
        rc = dkvb__search_tile(s, first, d->n, codes, NULL);
        if (rc)
            return rc;
        d->codes = codes;
        d->labels = labels ? labels + first : NULL;
        d->logits = logits ? logits + first * model->classes : NULL;
        rc = decode_rows(d, &quiet);
        if (!rc)
            rc = dkvb__model_agree(model, dkvb__report(&s->run, first + d->n, n));
    }
    return rc;
}

/* Number of byte multiplications that keep a thread busy for about half a millisecond. Starting a thread for less than
 * half a millisecond of work costs more than it saves, and takes the core from another caller who predicts a row at the
 * same time. */
static const double THREAD_WORK = 8e6;

/* Lowers the number of threads of a call to the number that speeds up work on `n` rows. If the caller of the library
 * chose the number of threads, the number stays unchanged. */
static void limit_threads(struct dkvb__run *run, const dkvb_model *model, size_t n)
{
    const struct dkvb__shape *s = &model->codebooks->shape;
    double search = (double)s->keys * s->key_dim + 64.0 * s->key_dim, decode = 2.0 * model->top_k * model->classes;
    double threads = (s->codebooks * (search + decode) + 64.0 * s->input_dim) * (double)n / THREAD_WORK;

    if (!run->asked && threads < run->threads)
        run->threads = threads < 1.0 ? 1 : (uint32_t)threads;
}

dkvb_status dkvb_model_predict(const dkvb_model *model, const float *x, size_t n, int32_t *labels, float *logits,
                               const dkvb_run_options *opts)
{
    const struct dkvb__rows from = dkvb__rows_of(x, n, model->codebooks->shape.input_dim);
    struct dkvb__search s;
    struct decoding d;
    struct dkvb__run run;
    uint16_t *codes;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    limit_threads(&run, model, n);
    rc = dkvb__search_begin(&s, model->codebooks, model->mask, model->top_k, &from, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    rc = decoding_begin(&d, model, &run);
    if (rc)
        goto end_search;
    codes = dkvb__alloc(&model->mem, s.capacity, dkvb__code_size(model) * sizeof *codes);
    if (!codes)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", s.capacity);
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = predict_tiles(&s, &d, n, labels, logits, codes);
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

/* Inserts class l into the list of the `count` best classes of a row. In a list of best classes, of two classes with
 * equal logits the lower class comes first. */
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
