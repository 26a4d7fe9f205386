#include "fit/fit.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/keyinit.h"
#include "dkvb/search.h"

/* The state of a fit, which makes a model from labelled rows. */
struct fit {
    struct dkvb__fitting f;
    dkvb_fit_options o;
    dkvb_settings s;
    dkvb_fit_report report;
    dkvb_codebooks *cb;
    dkvb_model *model;
    dkvb_codeset *set;
    uint16_t *codes; /* codes (selected keys) of the rows from which the model learns, [n][codebooks][k] */
};

dkvb_status dkvb__fit_stage(const dkvb_fit_options *o, const struct dkvb__fitting *f, const char *name)
{
    dkvb_status rc = DKVB_OK;

    if (o->stage && o->stage(o->user, name) != 0)
        rc = dkvb__fail(DKVB_ECANCELLED, "cancelled by the stage callback before %s", name);
    return dkvb__fitting_agree(f, rc);
}

dkvb_status dkvb__fit_take(dkvb_fit_options *o, dkvb_settings *s, const dkvb_fit_options *given)
{
    dkvb_status rc;

    *o = (dkvb_fit_options)DKVB_FIT_OPTIONS_INIT;
    rc = dkvb__take_options(o, sizeof *o, given, "fit options");
    if (!rc)
        rc = dkvb__check_allocator(o->allocator);
    if (!rc)
        rc = dkvb__settings_take(s, o->settings);
    if (!rc && !(o->hold_out >= 0.0 && o->hold_out < 1.0))
        rc = dkvb__fail(DKVB_EINVAL, "fit options: hold_out is %g, it must be 0 or more and below 1", o->hold_out);
    if (!rc && o->count_classes > 1)
        rc = dkvb__fail(DKVB_EINVAL, "fit options: count_classes is %u, it must be 0 or 1", o->count_classes);
    if (!rc && o->in_place > 1)
        rc = dkvb__fail(DKVB_EINVAL, "fit options: in_place is %u, it must be 0 or 1", o->in_place);
    if (!rc && o->keep_names > 1)
        rc = dkvb__fail(DKVB_EINVAL, "fit options: keep_names is %u, it must be 0 or 1", o->keep_names);
    s->keyinit.allocator = o->allocator;
    return rc;
}

static int keep_report(void *user, const dkvb_train_report *report)
{
    const struct dkvb__told *told = user;

    told->report->loss = report->loss;
    told->report->accuracy = report->accuracy;
    told->report->rows = report->rows;
    return told->train->report ? told->train->report(told->train->user, report) : 0;
}

dkvb_train_options dkvb__fit_tell(struct dkvb__told *told, dkvb_fit_report *report, const dkvb_train_options *train)
{
    dkvb_train_options telling = *train;

    *told = (struct dkvb__told){report, train};
    telling.report = keep_report;
    telling.user = told;
    return telling;
}

void dkvb__fit_describe(dkvb_fit_report *r, const struct dkvb__fitting *f, const dkvb_settings *s,
                        const dkvb_codebooks *cb)
{
    r->labelled = f->labelled;
    r->classes = f->rows.classes;
    r->codebooks = cb->shape.codebooks;
    r->keys = cb->shape.keys;
    r->key_dim = cb->shape.key_dim;
    r->top_k = s->top_k;
    r->whitened = cb->whitening != NULL;
    r->epochs = s->train.epochs;
    r->learning_rate = s->train.learning_rate;
    for (size_t l = 0; l < f->rows.classes; l++)
        r->unlearnable += f->class_rows[l] == 0;
}

/* Checks that memory for the values of the model suffices before keys are placed, as a single wrong label can ask for
 * more memory than there is. */
static dkvb_status check_room(const struct fit *t)
{
    uint32_t ranks = t->f.uncounted.ranks ? t->f.uncounted.ranks->count : 1;
    size_t pairs = (size_t)t->s.keyinit.codebooks * t->s.keyinit.keys / ranks, row = t->f.largest_row;
    void *values = dkvb__alloc(&t->f.mem, pairs, t->f.rows.classes * sizeof(float));

    if (!values)
        return dkvb__fail(DKVB_ENOMEM, "labels: row %zu has label %d: %u x %u x %u values do not fit in memory", row,
                          t->f.rows.labels[row], t->s.keyinit.codebooks, t->s.keyinit.keys, t->f.rows.classes);
    dkvb__free(&t->f.mem, values);
    return DKVB_OK;
}

/* True if the keys are placed on other rows than those that the values are trained on. */
static bool has_key_rows(const struct fit *t)
{
    return t->o.key_rows || t->o.key_source;
}

/* Fills in the settings of the fit that the caller left open, and refuses impossible settings before the fit begins its
 * long work. */
static dkvb_status settle(struct fit *t)
{
    size_t key_rows = has_key_rows(t) ? t->o.key_row_count : t->f.rows.n;
    dkvb_train_options open = t->s.train;
    dkvb_status rc;

    if (t->o.codebooks) {
        const struct dkvb__shape *s = &t->o.codebooks->shape;

        if (s->input_dim != t->f.rows.dim)
            return dkvb__fail(DKVB_EMISMATCH, "rows have %zu columns, the codebooks take %u", t->f.rows.dim,
                              s->input_dim);
        t->s.keyinit.codebooks = s->codebooks;
        t->s.keyinit.keys = s->keys;
        t->s.keyinit.key_dim = s->key_dim;
    }
    /* A model gets no more keys than the rows for placing keys can fill, and than the labelled rows can train. */
    dkvb__settings_suit(&t->s, key_rows < t->f.labelled ? key_rows : t->f.labelled, t->f.rows.dim, t->f.rows.classes);
    /* Training settings are chosen by the number of all rows to learn from, held-out rows included. */
    t->s.train = open;
    dkvb__settings_suit(&t->s, t->f.labelled, t->f.rows.dim, t->f.rows.classes);
    if (!t->o.codebooks && t->s.keyinit.keys > key_rows)
        return dkvb__fail(DKVB_EINVAL,
                          "%u keys in a codebook need at least as many rows to be placed on, there are %zu",
                          t->s.keyinit.keys, key_rows);
    if (t->s.top_k > t->s.keyinit.keys)
        return dkvb__fail(DKVB_EINVAL, "top_k is %u, there are %u keys in a codebook", t->s.top_k, t->s.keyinit.keys);
    rc = dkvb__train_options_take(&(dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT, &t->s.train);
    return rc ? rc : check_room(t);
}

static dkvb_status place_keys(struct fit *t)
{
    struct dkvb__rows from;
    dkvb_status rc = dkvb__fit_stage(&t->o, &t->f, "keys");

    if (rc)
        return rc;
    if (t->o.codebooks) {
        t->cb = dkvb_codebooks_retain(t->o.codebooks);
        return DKVB_OK;
    }
    if (!has_key_rows(t))
        return dkvb__codebooks_fit(&t->cb, &t->f.from, &t->s.keyinit, t->f.run);
    rc = dkvb__rows_take(&from, t->o.key_rows, t->o.key_source, t->o.key_row_count, t->f.rows.dim, "key rows");
    return rc ? rc : dkvb__codebooks_fit(&t->cb, &from, &t->s.keyinit, t->f.run);
}

/* Measures the temperature of a fit that will train on all rows: on held-out rows, with values that are thrown away
 * afterwards. */
static dkvb_status measure_apart(struct fit *t, struct dkvb__measured *measured)
{
    dkvb_train_options quiet = t->s.train;
    dkvb_model *model = NULL;
    dkvb_status rc = dkvb__fit_stage(&t->o, &t->f, "temperature");

    quiet.report = NULL;
    if (!rc)
        /* The model trained for measuring the temperature is thrown away afterwards, so a failure may destroy its
         * values. */
        t->f.in_place = true;
    if (!rc)
        rc = dkvb__fitting_train(&t->f, t->cb, t->s.top_k, t->o.values_dtype, t->codes, t->f.taught, &quiet, &model);
    t->f.in_place = t->o.in_place;
    if (!rc)
        rc = dkvb__fitting_measure(&t->f, model, t->codes, measured);
    dkvb_model_free(model);
    return rc;
}

static dkvb_status train_values(struct fit *t, bool keeps_held_out)
{
    struct dkvb__measured measured = {.temperature = 1.0, .accuracy = NAN, .calibration_error = NAN};
    struct dkvb__told told;
    dkvb_train_options telling = dkvb__fit_tell(&told, &t->report, &t->s.train);
    dkvb_status rc = DKVB_OK;

    if (!keeps_held_out && t->f.held_count >= DKVB__TEMPERATURE_ROWS)
        rc = measure_apart(t, &measured);
    if (!rc)
        rc = dkvb__fit_stage(&t->o, &t->f, "values");
    if (!rc)
        rc = dkvb__fitting_train(&t->f, t->cb, t->s.top_k, t->o.values_dtype, t->codes,
                                 keeps_held_out ? t->f.taught : t->f.rows.labels, &telling, &t->model);
    if (!rc && keeps_held_out)
        rc = dkvb__fit_stage(&t->o, &t->f, "temperature");
    if (!rc && keeps_held_out)
        rc = dkvb__fitting_measure(&t->f, t->model, t->codes, &measured);
    if (!rc && !keeps_held_out)
        rc = dkvb_model_set_temperature(t->model, measured.temperature, measured.power);
    t->report.temperature_rows = measured.rows >= DKVB__TEMPERATURE_ROWS ? measured.rows : 0;
    t->report.temperature_kept = t->report.temperature_rows ? DKVB_TEMPERATURE_FITTED : DKVB_TEMPERATURE_FEW_ROWS;
    t->report.temperature = measured.temperature;
    t->report.temperature_power = measured.power;
    t->report.calibration_error = measured.calibration_error;
    t->report.held_out_accuracy = measured.accuracy;
    return rc;
}

static dkvb_status keep_rows(struct fit *t)
{
    const dkvb_fit_rows *r = &t->f.rows;
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset_source source = DKVB_CODESET_SOURCE_INIT;
    double temperature, power;
    dkvb_status rc = dkvb__fit_stage(&t->o, &t->f, "codes");

    o.top_k = t->s.top_k;
    o.depth = t->o.depth > t->s.top_k ? t->o.depth : t->s.top_k;
    o.keep = t->o.keep;
    o.allocator = &t->f.mem;
    /* If the keys were placed on other rows than those of the codeset, the codeset stores no placement of keys
     * (NULL). */
    o.keyinit = t->o.codebooks || has_key_rows(t) ? NULL : &t->s.keyinit;
    source.x = r->x;
    source.source = r->source;
    source.n = r->n;
    source.dim = r->dim;
    source.ids = r->ids;
    source.labels = r->labels;
    source.held_out = t->f.held;
    source.codes = t->codes;
    source.names = r->names;
    if (!rc)
        rc = dkvb_codeset_new(&t->set, t->cb, &o);
    if (!rc && r->names) {
        memcpy(t->set->names.salt, t->f.salt, sizeof t->f.salt);
        t->set->names.salted = true;
        t->set->names.kept = t->o.keep_names;
    }
    rc = dkvb__fitting_agree(&t->f, rc);
    if (!rc)
        rc = dkvb_codeset_add_features(t->set, t->cb, &source, t->f.run);
    if (!rc)
        rc = dkvb_codeset_add_session(t->set, t->model, &t->s.train, NULL, 0);
    rc = dkvb__fitting_agree(&t->f, rc);
    if (rc)
        return rc;
    for (size_t i = 0; i < r->n; i++)
        t->report.held_out += t->f.held[i];
    /* The temperature is fitted by the same code as after a removal of rows, so that the same rows in the same order
     * give the same temperature bit for bit. */
    rc = dkvb__codeset_fit_temperature(t->set, t->model, &temperature, &power, NULL, t->f.run);
    if (rc)
        return rc;
    t->report.temperature = temperature;
    t->report.temperature_power = power;
    return dkvb_model_set_temperature(t->model, temperature, power);
}

static dkvb_status choose_whitening(struct fit *t, bool keeps_held_out)
{
    struct dkvb__measured measured[2];
    bool compared, whiten = t->s.whiten == DKVB_WHITEN_ALWAYS;
    dkvb_status rc = DKVB_OK;

    if (t->s.whiten == DKVB_WHITEN_CHOOSE && !t->o.codebooks) {
        rc = dkvb__fit_stage(&t->o, &t->f, "whitening");
        if (!rc)
            rc = dkvb__fitting_choose_whitening(&t->f, &t->s, keeps_held_out, measured, &compared, &whiten);
        if (!rc && compared) {
            t->report.accuracy_plain = measured[0].accuracy;
            t->report.accuracy_whitened = measured[1].accuracy;
        }
    }
    t->s.keyinit.whiten = whiten;
    return rc;
}

static dkvb_status run_fit(struct fit *t, bool wants_codeset)
{
    dkvb_status rc = dkvb__fitting_agree(&t->f, settle(t));

    if (rc)
        return rc;
    t->f.keeps_share = true;
    t->f.in_place = t->o.in_place;
    dkvb__fitting_hold_out(&t->f, 0.0, wants_codeset ? t->o.hold_out : 0.1);
    rc = choose_whitening(t, wants_codeset);
    if (!rc)
        rc = place_keys(t);
    if (!rc)
        rc = dkvb__fit_stage(&t->o, &t->f, "search");
    if (!rc)
        rc = dkvb__fitting_search(&t->f, t->cb, NULL, t->s.top_k, &t->codes, t->f.counting);
    if (!rc)
        rc = train_values(t, wants_codeset);
    if (!rc && wants_codeset)
        rc = keep_rows(t);
    if (!rc && t->o.count_classes)
        rc = dkvb_model_count_classes(t->model, t->codes, t->s.top_k, wants_codeset ? t->f.taught : t->f.rows.labels,
                                      t->f.rows.n, t->f.run);
    if (!rc)
        dkvb__fit_describe(&t->report, &t->f, &t->s, t->cb);
    return rc;
}

dkvb_status dkvb_fit(dkvb_model **model, dkvb_codeset **codeset, const dkvb_fit_rows *rows,
                     const dkvb_fit_options *opts, dkvb_fit_report *report, const dkvb_run_options *run)
{
    struct fit t = {.report = DKVB_FIT_REPORT_INIT};
    dkvb_allocator mem;
    dkvb_status rc;

    *model = NULL;
    if (codeset)
        *codeset = NULL;
    t.report.accuracy_plain = t.report.accuracy_whitened = NAN;
    rc = dkvb__fit_take(&t.o, &t.s, opts);
    if (rc)
        return rc;
    mem = dkvb__allocator(t.o.allocator);
    rc = dkvb__fitting_new(&t.f, rows, run, NULL, &mem);
    if (t.o.codebooks)
        /* A fitted model is shared by the ranks (processes) that share its codebooks. */
        t.f.ranks = t.o.codebooks->ranks;
    rc = dkvb__fitting_agree(&t.f, rc);
    if (rc) {
        dkvb__fitting_free(&t.f);
        return rc;
    }
    if (t.o.keep_names && (!t.f.rows.names || !codeset))
        rc = dkvb__fail(DKVB_EINVAL, "fit options: keep_names needs rows with names and a codeset to keep them in");
    else
        rc = t.f.rows.codes ? dkvb__fail(DKVB_EINVAL, "rows to fit: codes need the model whose keys they name: "
                                                      "dkvb_fit_more() takes them")
                            : run_fit(&t, codeset != NULL);
    if (!rc && report)
        rc = dkvb__give_info(report, &t.report, sizeof t.report, "fit report");
    dkvb__free_erased(&mem, t.codes);
    dkvb_codebooks_free(t.cb);
    dkvb__fitting_free(&t.f);
    if (rc) {
        dkvb_model_free(t.model);
        dkvb_codeset_free(t.set);
        return rc;
    }
    *model = t.model;
    if (codeset)
        *codeset = t.set;
    return DKVB_OK;
}
