/* Replay: the values as if some rows had never been there (include/dkvb/replay.h). */
#include "dkvb/replay.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "dkvb/search.h"
#include "unlearn/counting.h"
#include "unlearn/journal.h"

struct replay {
    dkvb_model *model;
    const dkvb_codeset *set;
    const struct dkvb__coderows *rows; /* the training part */
    const struct dkvb__run *run;
    int32_t *labels;      /* [n], -1 where a row is to be left out */
    uint16_t *live_codes; /* without purged pairs; NULL if none are purged */
    uint32_t *counts;     /* NULL if the model keeps none */
};

/*
 * Every row that the model was trained on must be in the codeset, or it would be lost without a word. A model that was
 * trained without the rows already is fine: the codeset still has them if it could not be written after the model.
 */
static dkvb_status check_rows(const struct replay *r)
{
    uint64_t before = 0, after = 0, epochs = r->set->training.epochs;

    for (size_t i = 0; i < r->rows->n; i++) {
        before += r->rows->labels[i] >= 0;
        after += r->labels[i] >= 0;
    }
    if (r->model->rows_trained == before * epochs || r->model->rows_trained == after * epochs)
        return DKVB_OK;
    return dkvb__fail(DKVB_EMISMATCH,
                      "the model was trained on %llu rows, the codes account for %llu (%llu with a label, %u epochs): "
                      "replay would lose the others",
                      (unsigned long long)r->model->rows_trained, (unsigned long long)(before * epochs),
                      (unsigned long long)before, r->set->training.epochs);
}

static dkvb_status leave_out(const struct replay *r, const uint64_t *without, size_t n)
{
    const struct dkvb__coderows *held = &r->set->part[DKVB_PART_HELD_OUT];

    for (size_t i = 0; i < r->rows->n; i++)
        r->labels[i] = r->rows->labels[i];
    for (size_t i = 0; i < n; i++) {
        size_t at = dkvb__coderows_find(r->rows, without[i]);

        if (at < r->rows->n)
            r->labels[at] = -1;
        else if (dkvb__coderows_find(held, without[i]) == held->n)
            return dkvb__fail(DKVB_ENOTFOUND, "replay: no row of the codes has id %llu",
                              (unsigned long long)without[i]);
    }
    return DKVB_OK;
}

static bool any_purged(const dkvb_codebooks *cb)
{
    for (size_t w = 0; w < dkvb__word_count(&cb->shape); w++)
        if (cb->purged[w])
            return true;
    return false;
}

/* A copy of the codes in which purged pairs are none. */
static dkvb_status drop_purged(struct replay *r)
{
    const dkvb_codebooks *cb = r->model->codebooks;
    size_t k = r->rows->k, size = dkvb__code_size(r->model), words = dkvb__word_count(&cb->shape) / cb->shape.codebooks;

    if (!any_purged(cb))
        return DKVB_OK;
    r->live_codes = dkvb__alloc(&r->model->mem, r->rows->n, size * sizeof *r->live_codes);
    if (!r->live_codes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", r->rows->n);
    for (size_t i = 0; i < r->rows->n * size; i++) {
        uint16_t key = r->rows->codes[i];
        size_t c = i % size / k;

        r->live_codes[i] = key != DKVB_CODE_NONE && cb->purged[c * words + key / 64] >> (key % 64) & 1
                               ? (uint16_t)DKVB_CODE_NONE
                               : key;
    }
    return DKVB_OK;
}

static const uint16_t *codes_of(const struct replay *r)
{
    return r->live_codes ? r->live_codes : r->rows->codes;
}

/* Everything that may fail but the training. */
static dkvb_status prepare(struct replay *r, const uint64_t *without, size_t n)
{
    dkvb_status rc;

    r->labels = dkvb__alloc(&r->model->mem, r->rows->n, sizeof *r->labels);
    if (r->model->counts)
        r->counts = dkvb__class_counts_new(r->model);
    if (!r->labels || (r->model->counts && !r->counts))
        return dkvb__fail(DKVB_ENOMEM, "out of memory to train %zu rows again", r->rows->n);
    rc = leave_out(r, without, n);
    if (!rc)
        rc = check_rows(r);
    return rc ? rc : drop_purged(r);
}

static dkvb_status train(struct replay *r)
{
    dkvb_train_options o = r->set->training;
    dkvb_status rc;

    o.ids = r->rows->ids;
    rc = dkvb__train_afresh(r->model, codes_of(r), r->labels, r->rows->n, &o, r->run);
    if (rc || !r->counts)
        return rc;
    dkvb__count_classes(r->model, codes_of(r), r->labels, r->rows->n, r->counts, r->run);
    dkvb__class_counts_erase(r->model);
    r->model->counts = r->counts;
    r->counts = NULL;
    return DKVB_OK;
}

static dkvb_status check(const dkvb_model *model, const dkvb_codeset *set)
{
    uint32_t k = set->part[DKVB_PART_TRAINING].k;
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (!rc)
        rc = dkvb_codeset_check(set, model->codebooks);
    if (!rc && k != model->top_k)
        rc = dkvb__fail(DKVB_EMISMATCH, "codes have k = %u, the model selects %u keys", k, model->top_k);
    return rc;
}

dkvb_status dkvb_model_replay(dkvb_model *model, const dkvb_codeset *set, const uint64_t *without, size_t n,
                              const dkvb_forget_options *given, uint64_t *entry, const dkvb_run_options *opts)
{
    struct replay r = {.model = model, .set = set, .rows = &set->part[DKVB_PART_TRAINING]};
    struct dkvb__record record;
    struct dkvb__run run;
    uint64_t id;
    dkvb_status rc = dkvb__run_take(&run, opts);

    r.run = &run;
    if (!rc)
        rc = check(model, set);
    if (!rc)
        rc = dkvb__journal_prepare(model, DKVB_JOURNAL_REPLAY, given, &record);
    if (rc)
        return rc;
    rc = prepare(&r, without, n);
    if (!rc)
        rc = train(&r);
    if (rc)
        dkvb__record_clear(&record, &model->mem);
    else
        id = dkvb__journal_append(model, &record);
    if (!rc && entry)
        *entry = id;
    dkvb__free(&model->mem, r.labels);
    dkvb__free(&model->mem, r.live_codes);
    dkvb__free(&model->mem, r.counts);
    return rc;
}
