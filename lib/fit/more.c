/* Continues the training of a model with more rows, and updates its codeset. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/codeset.h"
#include "dkvb/search.h"
#include "fit/fit.h"
#include "unlearn/counting.h"
#include "unlearn/replay.h"

/* State of training an existing model with more rows. The copy `after` of the model is trained and replaces the model
 * at the end, when nothing can fail any more; with training in place, `after` is the model itself. */
struct more {
    struct dkvb__fitting f;
    dkvb_fit_options o;
    dkvb_settings s;
    dkvb_fit_report report;
    dkvb_model *model, *after;
    dkvb_codeset *set;
    uint64_t *ids;         /* ids of the new rows that join a codeset without having ids, [n] */
    uint16_t *searched;    /* codes of the new rows, searched because the caller gave none, [n][codebooks][k] */
    const uint16_t *codes; /* codes of the new rows, either from the caller or from a search */
    uint64_t *taught;      /* ids of the rows that the present training session learns, [n] */
    /* Scratch space for marks of rows: one for each row of the larger part (training or held-out rows) of the codeset,
     * new rows included. */
    uint8_t *gone;
    bool joined; /* true once the new rows of the training were added to the codeset */
    /* ids of rows that were removed from the codeset and come back by the training with more rows, [back_count]; or
     * NULL */
    uint64_t *back;
    size_t back_count;
    /* The codeset's list of removed rows as it was before the training with more rows, which takes some of them
     * back. */
    struct dkvb__removed before;
    /* marks of the classes of the new rows, [classes], if these classes may be learned again after they were
     * forgotten */
    uint8_t *classes_taught;
};

/* Checks, before and after the training with more rows, that training from nothing, in the training sessions that the
 * codeset records, would give exactly the model's values. */
static dkvb_status check_codeset(const struct more *t)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_status rc = dkvb_model_get_info(t->model, &info);

    if (rc)
        return rc;
    if (t->f.rows.codes)
        return dkvb__fail(DKVB_EINVAL, "rows that join a codeset must bring x: rows held out are searched deeper");
    if (info.masked_pairs + info.purged_pairs > 0)
        return dkvb__fail(DKVB_ESTATE,
                          "%llu pairs are masked or purged, and codes know no mask: undo what can be undone, or go on "
                          "without the codes",
                          (unsigned long long)(info.masked_pairs + info.purged_pairs));
    if (t->set->sessions == DKVB_CODESET_SESSIONS)
        return dkvb__fail(
            DKVB_ESTATE, "codeset: %u sessions are recorded, there is room for no more: train a model anew on all rows",
            t->set->sessions);
    rc = dkvb__codeset_need_codes(t->set, DKVB_PART_HELD_OUT);
    return rc ? rc : dkvb__replay_check(t->model, t->set, NULL, 0, t->f.run);
}

/* Gives ids to the new rows that will join the codeset. New rows without ids get the numbers after the largest id in
 * the codeset; ids given by the caller must be new. The rows of a codeset must either all have names or all have
 * numbers, as a number could equal the hash of a name. */
static dkvb_status name_rows(struct more *t)
{
    size_t n = t->f.rows.n;
    uint64_t first = 0;

    if (t->set->names.salted && !t->f.rows.names)
        return dkvb__fail(DKVB_EINVAL, "the rows of the codes are called by names: the new rows must bring names too");
    if (!t->set->names.salted && t->f.rows.names)
        return dkvb__fail(DKVB_EINVAL, "the rows of the codes are called by numbers: the new rows must bring ids or "
                                       "nothing, not names");
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *rows = &t->set->part[p];

        for (size_t i = 0; t->f.rows.ids && i < n; i++) {
            if (dkvb__coderows_find(rows, t->f.rows.ids[i]) == rows->n)
                continue;
            if (t->f.rows.names)
                return dkvb__fail(DKVB_EINVAL, "row %zu is called '%s', and a row of the codes has this name already",
                                  i, t->f.rows.names[i]);
            return dkvb__fail(DKVB_EINVAL, "row %zu has id %llu, which a row of the codes has already", i,
                              (unsigned long long)t->f.rows.ids[i]);
        }
        if (rows->n > 0 && rows->ids[rows->n - 1] >= first)
            /* Ids of new rows are exhausted if the largest id is the largest 64-bit number, as the next id would be
             * 0. */
            first = rows->ids[rows->n - 1] + 1;
    }
    if (t->f.rows.ids)
        return DKVB_OK;
    if ((first == 0 && t->set->part[0].n + t->set->part[1].n > 0) || first + (n - 1) < first)
        return dkvb__fail(DKVB_EINVAL, "no ids are left above the largest of the codes: give the rows ids");
    t->ids = dkvb__alloc(&t->f.mem, n, sizeof *t->ids);
    if (!t->ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", n);
    for (size_t i = 0; i < n; i++) { /* The ids of rows that were removed from the codeset are not given to new rows. */
        while (dkvb__removed_has(&t->set->removed, first + i))
            first++;
        t->ids[i] = first + i;
    }
    t->f.rows.ids = t->ids;
    return DKVB_OK;
}

static const int32_t *labels_to_teach(const struct more *t)
{
    return t->set ? t->f.taught : t->f.rows.labels;
}

/* Checks that no new row was forgotten before, and neither was the class of a new row. Whether rows or classes were
 * forgotten is looked up in the original model's journal, as the copy that is trained has no journal. */
static dkvb_status check_forgotten(struct more *t)
{
    t->classes_taught = dkvb__alloc0(&t->f.mem, t->model->classes, 1);
    if (!t->classes_taught)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", t->model->classes);
    if (!t->s.train.relearn)
        return dkvb__relearn_check(t->model, labels_to_teach(t), t->f.rows.n, t->classes_taught);
    dkvb__relearn_note(t->classes_taught, labels_to_teach(t), t->f.rows.n);
    return DKVB_OK;
}

static dkvb_status settle(struct more *t)
{
    const struct dkvb__shape *shape = &t->model->codebooks->shape;
    const struct dkvb__coderows *known = t->set ? &t->set->part[DKVB_PART_TRAINING] : NULL;
    dkvb_status rc = dkvb__model_need_mutable(t->model);

    if (!rc && t->o.in_place && t->s.train.relearn)
        rc = dkvb__fail(DKVB_EINVAL, "fit options: in_place does not allow relearn, whose journal entry could not be "
                                     "taken back");
    if (!rc && t->f.rows.codes && t->f.rows.k != t->model->top_k)
        rc = dkvb__fail(DKVB_EMISMATCH, "codes have k = %u, the model selects %u keys", t->f.rows.k, t->model->top_k);
    if (!rc && !t->f.rows.codes && t->f.rows.dim != shape->input_dim)
        rc = dkvb__fail(DKVB_EMISMATCH, "rows have %zu columns, the model takes %u", t->f.rows.dim, shape->input_dim);
    if (!rc && t->o.count_classes && t->model->rows_trained > 0 && !t->model->counts)
        rc = dkvb__fail(DKVB_ESTATE,
                        "the model was trained on %llu rows without counting them: counts would be of the new rows "
                        "only",
                        (unsigned long long)t->model->rows_trained);
    if (!rc && t->set)
        rc = check_codeset(t);
    if (!rc && t->set)
        rc = name_rows(t);
    if (rc)
        return rc;
    t->s.keyinit.codebooks = shape->codebooks;
    t->s.keyinit.keys = shape->keys;
    t->s.keyinit.key_dim = shape->key_dim;
    t->s.top_k = t->model->top_k;
    dkvb__settings_suit(&t->s, t->f.labelled, shape->input_dim, t->f.rows.classes);
    for (size_t i = 0; known && i < known->n; i++)
        if (known->labels[i] >= 0 && (uint32_t)known->labels[i] < t->f.rows.classes)
            t->f.class_rows[known->labels[i]]++;
    dkvb__fitting_hold_out(&t->f, 0.0, t->set ? t->o.hold_out : 0.1);
    rc = dkvb__train_options_take(&(dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT, &t->s.train);
    return rc ? rc : check_forgotten(t);
}

static dkvb_status find_codes(struct more *t)
{
    dkvb_mask *mask = NULL;
    dkvb_status rc = dkvb__fit_stage(&t->o, &t->f, "search");

    t->codes = t->f.rows.codes;
    if (rc || t->codes)
        return rc;
    rc = dkvb__fitting_agree(&t->f, dkvb__model_get_mask(t->model, &mask));
    if (!rc)
        rc = dkvb__fitting_search(&t->f, t->model->codebooks, mask, t->s.top_k, &t->searched, t->f.counting);
    dkvb_mask_free(mask);
    t->codes = t->searched;
    return rc;
}

/* Trains a copy of the model on more rows; with training in place, the copy is trained in its only array of values,
 * without a second array for safety. */
static dkvb_status train_twin(const struct more *t, const int32_t *labels, const dkvb_train_options *train,
                              bool in_place, dkvb_model **out)
{
    dkvb_train_options o = *train;
    dkvb_status rc = dkvb__model_twin(out, t->model);

    o.ids = t->f.rows.ids;
    if (rc)
        return rc;
    return in_place ? dkvb__model_train_in_place(*out, t->codes, t->s.top_k, labels, t->f.rows.n, &o, t->f.run)
                    : dkvb_model_train(*out, t->codes, t->s.top_k, labels, t->f.rows.n, &o, t->f.run);
}

/* Trains the caller's model itself on more rows; a failure may destroy its values, unlike with a copy. */
static dkvb_status train_itself(struct more *t, const int32_t *labels, const dkvb_train_options *train)
{
    dkvb_train_options o = *train;

    o.ids = t->f.rows.ids;
    t->after = t->model;
    return dkvb__model_train_in_place(t->model, t->codes, t->s.top_k, labels, t->f.rows.n, &o, t->f.run);
}

/* True if the rows belong to fewer than half of the model's classes; such rows say little about the answers for the
 * other classes. */
static bool few_classes(const struct more *t, uint8_t *seen)
{
    uint32_t count = 0;

    memset(seen, 0, t->f.rows.classes);
    for (size_t i = 0; i < t->f.rows.n; i++)
        if (t->f.held[i] && t->f.rows.labels[i] >= 0 && !seen[t->f.rows.labels[i]]) {
            seen[t->f.rows.labels[i]] = 1;
            count++;
        }
    return count < t->f.rows.classes / 2 + t->f.rows.classes % 2;
}

/* Measures a temperature without a codeset, on a copy of the model that is trained without the held-out rows. */
static dkvb_status measure_apart(struct more *t, struct dkvb__measured *measured)
{
    dkvb_train_options quiet = t->s.train;
    dkvb_model *apart = NULL;
    uint8_t *seen = dkvb__alloc(&t->f.mem, t->f.rows.classes, 1);
    dkvb_status rc = seen ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", t->f.rows.classes);

    *measured = (struct dkvb__measured){
        .temperature = t->model->temperature, .power = t->model->power, .accuracy = NAN, .calibration_error = NAN};
    if (!rc)
        t->report.temperature_kept = t->f.held_count < DKVB__TEMPERATURE_ROWS ? DKVB_TEMPERATURE_FEW_ROWS
                                     : few_classes(t, seen)                   ? DKVB_TEMPERATURE_FEW_CLASSES
                                                                              : DKVB_TEMPERATURE_FITTED;
    dkvb__free_erased(&t->f.mem, seen);
    rc = dkvb__fitting_agree(&t->f, rc);
    if (rc || t->report.temperature_kept != DKVB_TEMPERATURE_FITTED)
        return rc;
    quiet.report = NULL;
    rc = dkvb__fit_stage(&t->o, &t->f, "temperature");
    if (!rc)
        rc = train_twin(t, t->f.taught, &quiet, true, &apart);
    if (!rc)
        rc = dkvb__fitting_measure(&t->f, apart, t->codes, measured);
    dkvb_model_free(apart);
    return rc;
}

/* Takes rows that were removed from the codeset back into it, if the options ask for relearning. */
static dkvb_status readmit(struct more *t)
{
    dkvb_status rc;

    t->back = dkvb__alloc(&t->f.mem, t->f.rows.n, sizeof *t->back);
    if (!t->back)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", t->f.rows.n);
    for (size_t i = 0; i < t->f.rows.n; i++)
        if (dkvb__removed_has(&t->set->removed, t->f.rows.ids[i]))
            t->back[t->back_count++] = t->f.rows.ids[i];
    if (t->back_count == 0)
        return DKVB_OK;
    rc = dkvb__removed_copy(&t->before, &t->set->removed, &t->set->mem);
    return rc ? rc : dkvb_codeset_readmit(t->set, t->back, t->back_count);
}

static dkvb_status join_codeset(struct more *t)
{
    const struct dkvb__coderows *a = &t->set->part[DKVB_PART_TRAINING], *b = &t->set->part[DKVB_PART_HELD_OUT];
    dkvb_codeset_source source = DKVB_CODESET_SOURCE_INIT;
    dkvb_status rc = dkvb__fit_stage(&t->o, &t->f, "codes");

    if (rc)
        return rc;
    t->gone = dkvb__alloc(&t->f.mem, (a->n > b->n ? a->n : b->n) + t->f.rows.n, 1);
    t->taught = dkvb__alloc(&t->f.mem, t->f.rows.n, sizeof *t->taught);
    if (!t->gone || !t->taught)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", t->f.rows.n);
    source.x = t->f.rows.x;
    source.source = t->f.rows.source;
    source.n = t->f.rows.n;
    source.dim = t->f.rows.dim;
    source.ids = t->f.rows.ids;
    source.labels = t->f.rows.labels;
    source.held_out = t->f.held;
    source.codes = t->codes;
    source.names = t->f.rows.names;
    if (!rc && t->s.train.relearn)
        rc = readmit(t);
    rc = dkvb__fitting_agree(&t->f, rc);
    if (!rc)
        rc = dkvb_codeset_add_features(t->set, t->model->codebooks, &source, t->f.run);
    t->joined = !rc;
    return rc;
}

/* Fits a temperature on all held-out rows of the codeset, including those that earlier trainings held out. If too few
 * held-out rows remain to fit a temperature, the temperature is 1, as it is after a forgetting with the strength
 * `exact` that leaves too few held-out rows. */
static dkvb_status fit_temperature(struct more *t, struct dkvb__measured *measured)
{
    dkvb_status rc = dkvb__fitting_measure(&t->f, t->after, t->codes, measured);

    if (!rc)
        rc = dkvb__codeset_fit_temperature(t->set, t->after, &measured->temperature, &measured->power, &measured->rows,
                                           t->f.run);
    t->report.temperature_kept = measured->rows > 0 ? DKVB_TEMPERATURE_FITTED : DKVB_TEMPERATURE_FEW_ROWS;
    return rc;
}

/* Records the training with more rows in the codeset, as one more training session. */
static dkvb_status record_session(struct more *t)
{
    size_t count = 0;

    for (size_t i = 0; i < t->f.rows.n; i++)
        if (!t->f.held[i])
            t->taught[count++] = t->f.rows.ids[i];
    return dkvb_codeset_add_session(t->set, t->after, &t->s.train, t->taught, count);
}

/* The changes to the model and its codeset that end a training with more rows. All changes to model and codeset are
 * prepared on all ranks (processes) before any change is made. */
struct ending {
    struct dkvb__relearning over;
    uint32_t *counts; /* the new selection counts that a model without counts gets, otherwise NULL */
};

static dkvb_status prepare_end(struct more *t, struct ending *e)
{
    bool recorded = false;
    dkvb_status rc = dkvb__relearn_prepare(t->model, t->classes_taught, t->back, t->back_count, &e->over), failed;

    if (rc)
        return rc;
    if (t->o.count_classes && !t->model->counts) {
        e->counts = dkvb__class_counts_new(t->model);
        if (!e->counts)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the counts of %u classes", t->model->classes);
    }
    if (!rc && t->set) {
        rc = record_session(t);
        recorded = !rc;
    }
    failed = dkvb__fitting_agree(&t->f, rc);
    if (!failed)
        return DKVB_OK;
    if (recorded)
        dkvb__codeset_drop_session(t->set);
    dkvb__relearn_drop(t->model, &e->over);
    dkvb__free(&t->model->mem, e->counts);
    return failed;
}

static dkvb_status run_more(struct more *t)
{
    const int32_t *labels = labels_to_teach(t);
    struct ending ending = {0};
    struct dkvb__run run;
    struct dkvb__told told;
    dkvb_train_options telling = dkvb__fit_tell(&told, &t->report, &t->s.train);
    struct dkvb__measured measured;
    dkvb_status rc = find_codes(t);

    if (!rc)
        rc = t->set ? join_codeset(t) : measure_apart(t, &measured);
    if (!rc)
        rc = dkvb__fit_stage(&t->o, &t->f, "values");
    if (!rc)
        rc = t->o.in_place ? train_itself(t, labels, &telling) : train_twin(t, labels, &telling, false, &t->after);
    if (!rc && t->set)
        rc = fit_temperature(t, &measured);
    if (!rc)
        rc = dkvb_model_set_temperature(t->after, measured.temperature, measured.power);
    if (!rc)
        rc = dkvb__run_take(&run, t->f.run);
    if (!rc)
        rc = prepare_end(t, &ending);
    if (rc) {
        if (t->after == t->model)
            dkvb__values_lose(t->model);
        return rc;
    }
    if (ending.counts)
        t->model->counts = ending.counts;
    if (t->model->counts)
        dkvb__count_classes(t->model, t->codes, labels, t->f.rows.n, t->model->counts, &run);
    if (t->after != t->model)
        dkvb__model_become(t->model, t->after);
    dkvb__relearn_append(t->model, &ending.over);
    t->after = NULL;
    t->report.temperature = measured.temperature;
    t->report.temperature_power = measured.power;
    t->report.temperature_rows = t->report.temperature_kept == DKVB_TEMPERATURE_FITTED ? measured.rows : 0;
    t->report.calibration_error = measured.calibration_error;
    t->report.held_out_accuracy = measured.accuracy;
    for (size_t i = 0; t->set && i < t->f.rows.n; i++)
        t->report.held_out += t->f.held[i];
    dkvb__fit_describe(&t->report, &t->f, &t->s, t->model->codebooks);
    /* Without a codeset it is unknown whether the model has learned rows of classes other than those of the new
     * rows. */
    if (!t->set)
        t->report.unlearnable = 0;
    return DKVB_OK;
}

dkvb_status dkvb_fit_more(dkvb_model *model, dkvb_codeset *codeset, const dkvb_fit_rows *given,
                          const dkvb_fit_options *opts, dkvb_fit_report *report, const dkvb_run_options *run)
{
    struct more t = {.model = model, .set = codeset, .report = DKVB_FIT_REPORT_INIT};
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    dkvb_status rc = dkvb__fit_take(&t.o, &t.s, opts);

    if (!rc)
        rc = dkvb__take_options(&rows, sizeof rows, given, "rows to fit");
    if (!rc && rows.classes > model->classes)
        rc = dkvb__fail(DKVB_EMISMATCH, "rows to fit: %u classes, the model has %u: dkvb_model_add_classes() adds some",
                        rows.classes, model->classes);
    if (rc)
        return rc;
    rows.classes = model->classes;
    t.report.accuracy_plain = t.report.accuracy_whitened = NAN;
    rc =
        dkvb__fitting_new(&t.f, &rows, run, codeset && codeset->names.salted ? codeset->names.salt : NULL, &model->mem);
    t.f.ranks = model->codebooks->ranks;
    rc = dkvb__fitting_agree(&t.f, rc);
    if (rc) {
        dkvb__fitting_free(&t.f);
        return rc;
    }
    rc = dkvb__fitting_agree(&t.f, settle(&t));
    if (!rc)
        rc = run_more(&t);
    if (rc && t.joined)
        (void)dkvb__codeset_drop(codeset, t.f.rows.ids, t.f.rows.n, t.gone);
    /* If training with more rows fails, the removed rows that it had taken back leave the codeset again. */
    if (rc && t.before.hash) {
        struct dkvb__removed fewer = codeset->removed;

        codeset->removed = t.before;
        t.before = fewer;
    }
    if (codeset)
        dkvb__removed_free(&t.before, &codeset->mem);
    dkvb__free_erased(&model->mem, t.back);
    if (!rc && report)
        rc = dkvb__give_info(report, &t.report, sizeof t.report, "fit report");
    if (t.after != model)
        dkvb_model_free(t.after);
    dkvb__free_erased(&model->mem, t.ids);
    dkvb__free_erased(&model->mem, t.searched);
    dkvb__free_erased(&model->mem, t.taught);
    dkvb__free_erased(&model->mem, t.gone);
    dkvb__free(&model->mem, t.classes_taught);
    dkvb__fitting_free(&t.f);
    return rc;
}
