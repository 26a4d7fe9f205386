/* A replay trains the values of a model again as if some rows had never existed (include/dkvb/replay.h). */
#include "unlearn/replay.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "dkvb/choose.h"
#include "dkvb/search.h"
#include "unlearn/counting.h"
#include "unlearn/journal.h"

/* Memory that a replay (a training without some rows) needs while it runs. */
struct work {
    const dkvb_codeset *set;
    const struct dkvb__coderows *rows; /* the rows of the training part of the codeset that a replay trains on */
    const dkvb_allocator *mem;
    struct dkvb__run run;
    uint8_t *gone;   /* marks of the training rows to be left out of the replay, [n] */
    int32_t *labels; /* labels of the rows in one training session, [n]: -1 if a row takes no part in the session */
    /* codes of the training rows, with DKVB_CODE_NONE in place of purged pairs; NULL if no pairs are purged */
    uint16_t *live_codes;
    uint8_t trained[16]; /* fingerprint of the training that the newly trained model will have */
};

static dkvb_status check(const dkvb_model *model, const dkvb_codeset *set)
{
    uint32_t k = set->part[DKVB_PART_TRAINING].k;
    dkvb_status rc = dkvb__codeset_check(set, model->codebooks);

    if (!rc)
        rc = dkvb__codeset_need_codes(set, DKVB_PART_TRAINING);
    if (!rc && k != model->top_k)
        rc = dkvb__fail(DKVB_EMISMATCH, "codes have k = %u, the model selects %u keys", k, model->top_k);
    if (!rc && set->sessions == 0)
        rc = dkvb__fail(DKVB_ESTATE, "the codes record no session of training: dkvb_codeset_add_session() does");
    if (!rc && set->session[set->sessions - 1].classes > model->classes)
        rc = dkvb__fail(DKVB_EMISMATCH, "the codes were trained with %u classes, the model has %u",
                        set->session[set->sessions - 1].classes, model->classes);
    return rc;
}

static dkvb_status leave_out(const struct work *w, const uint64_t *without, size_t n)
{
    const struct dkvb__coderows *held = &w->set->part[DKVB_PART_HELD_OUT];

    for (size_t i = 0; i < n; i++) {
        size_t at = dkvb__coderows_find(w->rows, without[i]);

        if (at < w->rows->n)
            w->gone[at] = 1;
        else if (dkvb__coderows_find(held, without[i]) == held->n)
            return dkvb__fail(DKVB_ENOTFOUND, "replay: no row of the codes has id %llu",
                              (unsigned long long)without[i]);
    }
    return DKVB_OK;
}

static bool any_purged(const dkvb_codebooks *cb)
{
    for (size_t i = 0; i < dkvb__word_count(&cb->shape); i++)
        if (cb->purged[i])
            return true;
    return false;
}

/* Copies the codes of the rows and replaces purged pairs by DKVB_CODE_NONE. */
static dkvb_status drop_purged(struct work *w, const dkvb_codebooks *cb)
{
    size_t k = w->rows->k, size = cb->shape.codebooks * k, words = dkvb__word_count(&cb->shape) / cb->shape.codebooks;

    w->live_codes = dkvb__alloc(w->mem, w->rows->n, size * sizeof *w->live_codes);
    if (!w->live_codes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", w->rows->n);
    for (size_t i = 0; i < w->rows->n * size; i++) {
        uint16_t key = w->rows->codes[i];
        size_t c = i % size / k;

        w->live_codes[i] = key != DKVB_CODE_NONE && cb->purged[c * words + key / 64] >> (key % 64) & 1
                               ? (uint16_t)DKVB_CODE_NONE
                               : key;
    }
    return DKVB_OK;
}

/* Returns how many rows a model trained by the recorded sessions has seen in training, counting each epoch. */
static uint64_t rows_of_sessions(const struct work *w, const uint8_t *gone)
{
    uint64_t rows = 0;

    for (uint32_t s = 0; s < w->set->sessions; s++) {
        uint64_t of_session = 0;

        dkvb__codeset_session_labels(w->set, s, gone, w->labels);
        for (size_t r = 0; r < w->rows->n; r++)
            of_session += w->labels[r] >= 0;
        rows += of_session * w->set->session[s].training.epochs;
    }
    return rows;
}

/*
 * Checks that the codeset has every row that the model was trained on; otherwise training without some rows would
 * silently lose the missing rows too. A replay (a training without some rows) accepts a model that was already trained
 * without these rows: the codeset still has them if writing it failed after the model was saved.
 */
static dkvb_status check_origin(struct work *w, const dkvb_model *model)
{
    static const uint8_t unknown[16];
    uint64_t before, after;
    uint8_t all[16];

    dkvb__codeset_fingerprint(w->set, w->gone, w->labels, w->trained, &w->run);
    if (model->blank)
        return DKVB_OK;
    before = rows_of_sessions(w, NULL);
    after = rows_of_sessions(w, w->gone);
    if (model->rows_trained != before && model->rows_trained != after)
        return dkvb__fail(
            DKVB_EMISMATCH,
            "the model was trained on %llu rows, counted in each epoch, but the codes are of %llu, from %u sessions of "
            "training: to train it again, the codes that were written with this model are wanted",
            (unsigned long long)model->rows_trained, (unsigned long long)before, w->set->sessions);
    if (memcmp(model->trained, unknown, sizeof unknown) == 0 || (w->live_codes && w->rows->features) ||
        memcmp(model->trained, w->trained, sizeof all) == 0)
        return DKVB_OK;
    dkvb__codeset_fingerprint(w->set, NULL, w->labels, all, &w->run);
    if (memcmp(model->trained, all, sizeof all) == 0)
        return DKVB_OK;
    return dkvb__fail(DKVB_EMISMATCH,
                      "the codes are not what the model was trained on, or it was trained in another way: their "
                      "fingerprint is %02x%02x%02x%02x, the model's is %02x%02x%02x%02x",
                      all[0], all[1], all[2], all[3], model->trained[0], model->trained[1], model->trained[2],
                      model->trained[3]);
}

/* Runs every step that may fail of a replay (a training without some rows), except the training itself. */
static dkvb_status prepare(struct work *w, const dkvb_model *model, const uint64_t *without, size_t n)
{
    dkvb_status rc;

    w->gone = dkvb__alloc0(w->mem, w->rows->n, 1);
    w->labels = dkvb__alloc(w->mem, w->rows->n, sizeof *w->labels);
    if (!w->gone || !w->labels)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to train %zu rows again", w->rows->n);
    rc = leave_out(w, without, n);
    if (!rc && any_purged(model->codebooks))
        rc = drop_purged(w, model->codebooks);
    return rc ? rc : check_origin(w, model);
}

/* Gives a model the number of classes and the type of values that the model had in one of its training sessions. */
static dkvb_status shape_as(dkvb_model *model, uint32_t classes, uint32_t values_dtype)
{
    dkvb_status rc = dkvb_model_add_classes(model, classes - model->classes);

    return rc ? rc : dkvb_model_set_values(model, NULL, values_dtype);
}

/* Trains the sessions recorded in the codeset one after another, as dkvb_model_train() did originally. In a replay, as
 * in the original training, values are rounded and classes are added between two training sessions. */
static dkvb_status train(const struct work *w, dkvb_model *after, bool in_place, const dkvb_run_options *run)
{
    const uint16_t *codes = w->live_codes ? w->live_codes : w->rows->codes;
    dkvb_status rc = DKVB_OK;

    for (uint32_t s = 0; !rc && s < w->set->sessions; s++) {
        const struct dkvb__session *session = &w->set->session[s];
        dkvb_train_options o = session->training;

        o.ids = w->rows->ids;
        rc = shape_as(after, session->classes, session->values_dtype);
        dkvb__codeset_session_labels(w->set, s, w->gone, w->labels);
        if (!rc)
            rc = in_place ? dkvb__model_train_in_place(after, codes, w->rows->k, w->labels, w->rows->n, &o, run)
                          : dkvb_model_train(after, codes, w->rows->k, w->labels, w->rows->n, &o, run);
    }
    return rc;
}

/* Counts, for each class, how often the rows of all training sessions select each key-value pair. */
static dkvb_status count(const struct work *w, dkvb_model *after)
{
    const uint16_t *codes = w->live_codes ? w->live_codes : w->rows->codes;

    dkvb_status rc = DKVB_OK;

    after->counts = dkvb__class_counts_new(after);
    if (!after->counts)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the counts of %u classes", after->classes);
    rc = dkvb__model_agree(after, rc);
    if (rc)
        return rc;
    for (uint32_t s = 0; s < w->set->sessions; s++) {
        dkvb__codeset_session_labels(w->set, s, w->gone, w->labels);
        dkvb__count_classes(after, codes, w->labels, w->rows->n, after->counts, &w->run);
    }
    return DKVB_OK;
}

static dkvb_status make(struct dkvb__replay *r, struct work *w, bool in_place, const dkvb_run_options *run)
{
    const dkvb_model *model = r->model;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_status rc;

    o.top_k = model->top_k;
    o.allocator = w->mem;
    rc = dkvb_model_new(&r->after, model->codebooks, w->set->session[0].classes, &o);
    if (!rc)
        rc = train(w, r->after, in_place, run);
    if (!rc)
        rc = shape_as(r->after, model->classes, model->values_dtype);
    if (!rc && model->counts)
        rc = count(w, r->after);
    if (rc)
        return rc;
    /* The fingerprint of the training is computed from the codes before purged pairs were taken out of them, while the
     * values are trained on the codes without purged pairs. */
    memcpy(r->after->trained, w->trained, sizeof w->trained);
    r->after->temperature = model->temperature;
    r->after->power = model->power;
    memcpy(r->after->mask->bits, model->mask->bits, dkvb__word_count(&model->codebooks->shape) * sizeof(uint64_t));
    return DKVB_OK;
}

static void work_free(struct work *w)
{
    dkvb__free_erased(w->mem, w->gone);
    dkvb__free_erased(w->mem, w->labels);
    dkvb__free_erased(w->mem, w->live_codes);
}

/* Checks all conditions of a replay (a training without some rows) before the training begins. The caller frees the
 * memory of a replay (a training without some rows) by work_free(), also if preparing the replay failed. */
static dkvb_status work_new(struct work *w, const dkvb_model *model, const dkvb_codeset *set, const uint64_t *without,
                            size_t n, const dkvb_run_options *run)
{
    dkvb_status rc;

    *w = (struct work){.set = set, .rows = &set->part[DKVB_PART_TRAINING], .mem = &model->mem};
    rc = dkvb__run_take(&w->run, run);
    if (!rc)
        rc = check(model, set);
    return dkvb__model_agree(model, rc ? rc : prepare(w, model, without, n));
}

dkvb_status dkvb__replay_ids_of(const dkvb_codeset *set, const uint8_t *classes, uint64_t **ids, size_t *count,
                                const dkvb_allocator *mem)
{
    size_t all = set->part[DKVB_PART_TRAINING].n + set->part[DKVB_PART_HELD_OUT].n;

    *count = 0;
    *ids = dkvb__alloc(mem, all, sizeof **ids);
    if (!*ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu ids", all);
    for (size_t part = 0; part < DKVB__PARTS; part++) {
        const struct dkvb__coderows *rows = &set->part[part];

        for (size_t i = 0; i < rows->n; i++)
            if (rows->labels[i] >= 0 && classes[rows->labels[i]] == DKVB_FORGET)
                (*ids)[(*count)++] = rows->ids[i];
    }
    return DKVB_OK;
}

dkvb_status dkvb__replay_check(const dkvb_model *model, const dkvb_codeset *set, const uint64_t *without, size_t n,
                               const dkvb_run_options *run)
{
    struct work w;
    dkvb_status rc = work_new(&w, model, set, without, n, run);

    work_free(&w);
    return rc;
}

dkvb_status dkvb__replay_new(struct dkvb__replay **out, dkvb_model *model, const dkvb_codeset *set,
                             const uint64_t *without, size_t n, bool in_place, const dkvb_run_options *run)
{
    struct work w;
    struct dkvb__replay *r = NULL;
    dkvb_status rc = work_new(&w, model, set, without, n, run);

    if (!rc) {
        r = dkvb__alloc0(&model->mem, 1, sizeof *r);
        if (r)
            r->mem = model->mem;
        else
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a replay");
        rc = dkvb__model_agree(model, rc);
    }
    if (!rc) {
        r->model = model;
        memcpy(r->trained, model->trained, sizeof r->trained);
        rc = make(r, &w, in_place, run);
    }
    work_free(&w);
    if (rc) {
        dkvb__replay_free(r);
        r = NULL;
    }
    *out = r;
    return rc;
}

void dkvb__values_replace(dkvb_model *model, dkvb_model *after)
{
    if (model->counts) {
        dkvb__class_counts_erase(model);
        model->counts = after->counts;
        after->counts = NULL;
    }
    /* The temperature of the softmax, and the power of a row's spread of logits in it, are copied from the original
     * model, as the caller may have set new ones since the replay (a training without some rows) was made. */
    after->temperature = model->temperature;
    after->power = model->power;
    dkvb__model_become(model, after);
}

dkvb_status dkvb__replay_commit(struct dkvb__replay *r, const dkvb_forget_options *opts, uint64_t *entry)
{
    dkvb_model *model = r->model, *after = r->after;
    struct dkvb__record record;
    uint64_t id;
    dkvb_status rc;

    if (!after)
        return dkvb__fail(DKVB_ESTATE, "the replay was committed already: make a new one");
    rc = dkvb__model_need_mutable(model);
    if (rc)
        return rc;
    if (memcmp(model->trained, r->trained, sizeof r->trained) != 0 || model->classes != after->classes ||
        model->values_dtype != after->values_dtype || !model->counts != !after->counts)
        return dkvb__fail(DKVB_ESTATE, "the model has changed since the replay was made: make it again");
    rc = dkvb__journal_prepare(model, DKVB_JOURNAL_REPLAY, opts, &record);
    if (rc)
        return rc;
    /* From this line on, putting the newly trained values of a replay into the model cannot fail. */
    dkvb__values_replace(model, after);
    r->after = NULL;
    id = dkvb__journal_append(model, &record);
    if (entry)
        *entry = id;
    return DKVB_OK;
}

void dkvb__replay_free(struct dkvb__replay *r)
{
    dkvb_allocator mem;

    if (!r)
        return;
    mem = r->mem;
    dkvb_model_free(r->after);
    dkvb__free(&mem, r);
}

dkvb_status dkvb_model_replay(dkvb_model *model, const dkvb_codeset *set, const uint64_t *without, size_t n,
                              const dkvb_forget_options *opts, uint64_t *entry, const dkvb_run_options *run)
{
    struct dkvb__replay *r = NULL;
    /* The model is checked before its values are trained, since the training takes long. */
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (!rc)
        rc = dkvb__replay_new(&r, model, set, without, n, false, run);
    if (!rc)
        rc = dkvb__replay_commit(r, opts, entry);
    dkvb__replay_free(r);
    return rc;
}
