#include "fit/fit.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/keyinit.h"
#include "bottleneck/project.h"
#include "dkvb/calibration.h"
#include "dkvb/data.h"
#include "dkvb/search.h"

enum {
    LEAST_CLASS = 4,    /* rows of a class of which some may be held out */
    WHITEN_LEAST = 500, /* rows with a label that can tell whether whitening helps */
    WHITEN_CODEBOOKS = 64,
    WHITEN_KEYS = 512,
    WHITEN_ROWS = 20480,
    WHITEN_COLUMNS = 2048
};

void dkvb_fit_options_init(dkvb_fit_options *opts, size_t struct_size)
{
    static const dkvb_fit_options defaults = DKVB_FIT_OPTIONS_INIT;

    dkvb__init_options(opts, struct_size, &defaults, sizeof defaults);
}

static dkvb_status check_labels(struct dkvb__fitting *f)
{
    const dkvb_fit_rows *r = &f->rows;
    int32_t largest = -1;
    size_t at = 0;

    for (size_t i = 0; i < r->n; i++) {
        if (r->labels[i] < -1)
            return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, it must be -1 (ignore) or more", i, r->labels[i]);
        f->labelled += r->labels[i] >= 0;
        if (r->labels[i] > largest) {
            largest = r->labels[i];
            at = i;
        }
    }
    if (f->labelled == 0)
        return dkvb__fail(DKVB_EINVAL, "labels: none of %zu rows has a label, so there is nothing to learn", r->n);
    if (r->classes > 0 && largest >= (int64_t)r->classes)
        return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, the classes are 0 to %u", at, largest, r->classes - 1);
    f->largest_row = at;
    f->rows.classes = r->classes > 0 ? r->classes : (uint32_t)largest + 1;
    if (f->rows.classes > DKVB__MAX_CLASSES)
        return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, at most %d classes are supported", at, largest,
                          DKVB__MAX_CLASSES);
    return DKVB_OK;
}

dkvb_status dkvb__fitting_new(struct dkvb__fitting *f, const dkvb_fit_rows *given, const dkvb_run_options *run,
                              const dkvb_allocator *mem)
{
    dkvb_status rc;

    *f = (struct dkvb__fitting){.mem = *mem, .run = run, .rows = DKVB_FIT_ROWS_INIT};
    rc = dkvb__take_options(&f->rows, sizeof f->rows, given, "rows to fit");
    if (!rc && f->rows.n == 0)
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: there are none");
    if (!rc && (f->rows.dim == 0 || f->rows.dim > DKVB__MAX_INPUT_DIM))
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: %zu columns, there must be 1 to %d", f->rows.dim,
                        DKVB__MAX_INPUT_DIM);
    if (!rc && (!f->rows.x || !f->rows.labels))
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: x or labels are missing");
    if (!rc)
        rc = check_labels(f);
    if (rc)
        return rc;
    f->class_rows = dkvb__alloc0(mem, f->rows.classes, sizeof *f->class_rows);
    f->held = dkvb__alloc0(mem, f->rows.n, 1);
    f->taught = dkvb__alloc(mem, f->rows.n, sizeof *f->taught);
    if (!f->class_rows || !f->held || !f->taught) {
        dkvb__fitting_free(f);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the labels of %zu rows", f->rows.n);
    }
    memcpy(f->taught, f->rows.labels, f->rows.n * sizeof *f->taught);
    for (size_t i = 0; i < f->rows.n; i++)
        if (f->rows.labels[i] >= 0)
            f->class_rows[f->rows.labels[i]]++;
    return DKVB_OK;
}

void dkvb__fitting_free(struct dkvb__fitting *f)
{
    dkvb__free(&f->mem, f->class_rows);
    dkvb__free(&f->mem, f->held);
    dkvb__free(&f->mem, f->taught);
    f->class_rows = NULL;
    f->held = NULL;
    f->taught = NULL;
}

static uint64_t id_of(const struct dkvb__fitting *f, size_t row)
{
    return f->rows.ids ? f->rows.ids[row] : row;
}

void dkvb__fitting_hold_out(struct dkvb__fitting *f, double share)
{
    const int32_t *labels = f->rows.labels;

    f->held_count = 0;
    for (size_t i = 0; i < f->rows.n; i++) {
        bool held = dkvb_codeset_holds_out(id_of(f, i), share);

        if (labels[i] >= 0 && held) {
            held = f->class_rows[labels[i]] >= LEAST_CLASS;
            f->class_rows[labels[i]] -= held;
            f->held_count += held;
        }
        f->held[i] = held;
        f->taught[i] = held ? -1 : labels[i];
    }
}

/* Codes of the rows with a label that are held out, side by side, and those labels. */
static dkvb_status gather_held(const struct dkvb__fitting *f, const uint16_t *codes, size_t code, uint16_t **held_codes,
                               int32_t **labels)
{
    size_t count = 0;

    *held_codes = dkvb__alloc(&f->mem, f->held_count, code * sizeof **held_codes);
    *labels = dkvb__alloc(&f->mem, f->held_count, sizeof **labels);
    if (!*held_codes || !*labels)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows held out", f->held_count);
    for (size_t i = 0; i < f->rows.n; i++)
        if (f->held[i] && f->rows.labels[i] >= 0) {
            memcpy(*held_codes + count * code, codes + i * code, code * sizeof *codes);
            (*labels)[count++] = f->rows.labels[i];
        }
    return DKVB_OK;
}

/* Mean cross-entropy at the temperature, nats, and the share of right answers. */
static void measure_logits(const float *logits, const int32_t *labels, size_t n, size_t classes,
                           struct dkvb__measured *out)
{
    double loss = 0.0;
    size_t right = 0;

    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        double sum = 0.0;
        size_t best = 0;

        for (size_t l = 1; l < classes; l++)
            best = row[l] > row[best] ? l : best;
        for (size_t l = 0; l < classes; l++)
            sum += dkvb__exp(((double)row[l] - (double)row[best]) / out->temperature);
        loss += dkvb__log(sum) - ((double)row[labels[r]] - (double)row[best]) / out->temperature;
        right += best == (size_t)labels[r];
    }
    out->loss = loss / (double)n;
    out->accuracy = (double)right / (double)n;
}

dkvb_status dkvb__fitting_measure(const struct dkvb__fitting *f, const dkvb_model *model, const uint16_t *codes,
                                  struct dkvb__measured *out)
{
    size_t n = f->held_count, classes = model->classes;
    uint16_t *held_codes = NULL;
    int32_t *labels = NULL;
    float *logits;
    dkvb_status rc;

    *out = (struct dkvb__measured){.temperature = 1.0, .accuracy = NAN, .loss = NAN, .calibration_error = NAN};
    if (n == 0)
        return DKVB_OK;
    rc = gather_held(f, codes, dkvb__code_size(model), &held_codes, &labels);
    logits = dkvb__alloc(&f->mem, n, classes * sizeof *logits);
    if (!rc && !logits)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the logits of %zu rows held out", n);
    if (!rc)
        rc = dkvb_model_decode(model, held_codes, model->top_k, n, logits, f->run);
    if (!rc && n >= DKVB__TEMPERATURE_ROWS)
        rc = dkvb_calibration_fit(logits, labels, n, (uint32_t)classes, &out->temperature);
    if (!rc)
        rc = dkvb_calibration_error(logits, labels, n, (uint32_t)classes, out->temperature, DKVB__ECE_BINS,
                                    &out->calibration_error);
    if (!rc) {
        measure_logits(logits, labels, n, classes, out);
        out->rows = n;
    }
    dkvb__free_erased(&f->mem, held_codes);
    dkvb__free(&f->mem, labels);
    dkvb__free(&f->mem, logits);
    return rc;
}

/* A model with values that learned from the rows that are not held out. */
static dkvb_status train_model(const struct dkvb__fitting *f, dkvb_codebooks *cb, uint32_t top_k, uint32_t dtype,
                               const uint16_t *codes, const int32_t *labels, const dkvb_train_options *train,
                               dkvb_model **out)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options with_ids = *train;
    dkvb_status rc;

    o.top_k = top_k;
    o.allocator = &f->mem;
    with_ids.ids = f->rows.ids;
    rc = dkvb_model_new(out, cb, f->rows.classes, &o);
    if (!rc && dtype)
        rc = dkvb_model_set_values_dtype(*out, dtype);
    if (!rc)
        rc = dkvb_model_train(*out, codes, top_k, labels, f->rows.n, &with_ids, f->run);
    if (rc) {
        dkvb_model_free(*out);
        *out = NULL;
    }
    return rc;
}

static dkvb_status search_rows(const struct dkvb__fitting *f, const dkvb_codebooks *cb, uint32_t top_k,
                               uint16_t **codes)
{
    *codes = dkvb__alloc(&f->mem, f->rows.n, (size_t)cb->shape.codebooks * top_k * sizeof **codes);
    if (!*codes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", f->rows.n);
    return dkvb_search(cb, NULL, f->rows.x, f->rows.n, top_k, *codes, NULL, f->run);
}

dkvb_status dkvb__fitting_try(const struct dkvb__fitting *f, const dkvb_keyinit_options *keyinit,
                              const dkvb_train_options *train, uint32_t top_k, struct dkvb__measured *out)
{
    dkvb_train_options quiet = *train;
    dkvb_codebooks *cb = NULL;
    dkvb_model *model = NULL;
    uint16_t *codes = NULL;
    dkvb_status rc;

    quiet.report = NULL;
    rc = dkvb_codebooks_fit(&cb, f->rows.x, f->rows.n, f->rows.dim, keyinit, f->run);
    if (!rc)
        rc = search_rows(f, cb, top_k, &codes);
    if (!rc)
        rc = train_model(f, cb, top_k, 0, codes, f->taught, &quiet, &model);
    if (!rc)
        rc = dkvb__fitting_measure(f, model, codes, out);
    dkvb_model_free(model);
    dkvb_codebooks_free(cb);
    dkvb__free_erased(&f->mem, codes);
    return rc;
}

/* One fit under way. */
struct fit {
    struct dkvb__fitting f;
    dkvb_fit_options o;
    dkvb_keyinit_options keyinit;
    dkvb_train_options train;
    uint32_t top_k;
    dkvb_fit_report report;
    dkvb_codebooks *cb;
    dkvb_model *model;
    dkvb_codeset *set;
    uint16_t *codes; /* [n][C][k] */
};

static dkvb_status stage(const struct fit *t, const char *name)
{
    if (t->o.stage && t->o.stage(t->o.user, name) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled by the stage callback before %s", name);
    return DKVB_OK;
}

static dkvb_status take_options(struct fit *t, const dkvb_fit_options *given)
{
    dkvb_status rc = dkvb__take_options(&t->o, sizeof t->o, given, "fit options");

    if (!rc)
        rc = dkvb__check_allocator(t->o.allocator);
    if (!rc)
        rc = dkvb__take_options(&t->keyinit, sizeof t->keyinit, t->o.keyinit, "key initialisation options");
    if (!rc && t->o.train)
        rc = dkvb__take_options(&t->train, sizeof t->train, t->o.train, "training options");
    if (!rc && t->o.whiten > DKVB_WHITEN_CHOOSE)
        rc = dkvb__fail(DKVB_EINVAL, "fit options: whiten is %u, it must be 0 to %d", t->o.whiten, DKVB_WHITEN_CHOOSE);
    if (!rc && !(t->o.hold_out >= 0.0 && t->o.hold_out < 1.0))
        rc = dkvb__fail(DKVB_EINVAL, "fit options: hold_out is %g, it must be 0 or more and below 1", t->o.hold_out);
    t->top_k = t->o.top_k;
    t->keyinit.allocator = t->o.allocator;
    return rc;
}

/* One label by mistake can ask for more values than there is memory: better known before the keys are placed. */
static dkvb_status check_room(const struct fit *t)
{
    size_t pairs = (size_t)t->keyinit.codebooks * t->keyinit.keys, row = t->f.largest_row;
    void *values = dkvb__alloc(&t->f.mem, pairs, t->f.rows.classes * sizeof(float));

    if (!values)
        return dkvb__fail(DKVB_ENOMEM, "labels: row %zu has label %d: %u x %u x %u values do not fit in memory", row,
                          t->f.rows.labels[row], t->keyinit.codebooks, t->keyinit.keys, t->f.rows.classes);
    dkvb__free_erased(&t->f.mem, values);
    return DKVB_OK;
}

/* Fill in what is open, and refuse what cannot work before any long work. */
static dkvb_status settle(struct fit *t)
{
    size_t key_rows = t->o.key_rows ? t->o.key_row_count : t->f.rows.n;
    dkvb_train_options of_keys = t->train;
    dkvb_status rc;

    if (t->o.codebooks) {
        const struct dkvb__shape *s = &t->o.codebooks->shape;

        if (s->input_dim != t->f.rows.dim)
            return dkvb__fail(DKVB_EMISMATCH, "rows have %zu columns, the codebooks take %u", t->f.rows.dim,
                              s->input_dim);
        t->keyinit.codebooks = s->codebooks;
        t->keyinit.keys = s->keys;
        t->keyinit.key_dim = s->key_dim;
    }
    /* Keys suit the rows that they are placed on, training the rows that are learned from. */
    dkvb_fit_suit(&t->keyinit, &of_keys, &t->top_k, key_rows < t->f.rows.n ? key_rows : t->f.rows.n, t->f.rows.dim,
                  t->f.rows.classes);
    dkvb_fit_suit(&t->keyinit, &t->train, &t->top_k, t->f.rows.n, t->f.rows.dim, t->f.rows.classes);
    if (!t->o.codebooks && t->keyinit.keys > key_rows)
        return dkvb__fail(DKVB_EINVAL,
                          "%u keys in a codebook need at least as many rows to be placed on, there are %zu",
                          t->keyinit.keys, key_rows);
    if (t->top_k > t->keyinit.keys)
        return dkvb__fail(DKVB_EINVAL, "top_k is %u, there are %u keys in a codebook", t->top_k, t->keyinit.keys);
    rc = dkvb__train_options_take(&(dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT, &t->train);
    return rc ? rc : check_room(t);
}

/* Rows drawn for the comparison; `part` then points into the three arrays, which the caller frees. */
static dkvb_status draw_part(const struct fit *t, bool keeps_held_out, size_t n, struct dkvb__fitting *part, float **x,
                             int32_t **labels, uint64_t **ids)
{
    const struct dkvb__fitting *f = &t->f;
    size_t dim = f->rows.dim, taken = 0;
    dkvb_fit_rows rows = f->rows;
    struct dkvb__rng rng;

    *x = dkvb__alloc(&f->mem, n, dim * sizeof **x);
    *labels = dkvb__alloc(&f->mem, n, sizeof **labels);
    *ids = dkvb__alloc(&f->mem, n, sizeof **ids);
    if (!*x || !*labels || !*ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows to choose the whitening on", n);
    dkvb__seed_stream(&rng, t->keyinit.seed, DKVB__FOR_ROWS, 1);
    for (size_t r = 0; r < f->rows.n && taken < n; r++)
        if (dkvb__rng_below(&rng, f->rows.n - r) < n - taken) {
            memcpy(*x + taken * dim, f->rows.x + r * dim, dim * sizeof **x);
            (*labels)[taken] =
                keeps_held_out ? f->taught[r] : f->rows.labels[r]; /* rows held out for good: not looked at */
            (*ids)[taken++] = id_of(f, r);
        }
    rows.x = *x;
    rows.labels = *labels;
    rows.ids = *ids;
    rows.n = n;
    return dkvb__fitting_new(part, &rows, f->run, &f->mem);
}

/* Compare rows with and without half whitening on a fifth of up to 20,480 rows, by few codebooks: they tell as much as
 * many. Whitening is kept if it lowers the loss by a twentieth and leaves the accuracy no lower. */
static dkvb_status choose_whitening(struct fit *t, bool keeps_held_out)
{
    size_t n = t->f.rows.n < WHITEN_ROWS ? t->f.rows.n : WHITEN_ROWS;
    dkvb_keyinit_options keyinit = t->keyinit;
    struct dkvb__measured measured[2];
    struct dkvb__fitting part = {.rows = DKVB_FIT_ROWS_INIT, .mem = t->f.mem};
    float *x = NULL;
    int32_t *labels = NULL;
    uint64_t *ids = NULL;
    uint32_t top_k, most;
    dkvb_status rc;

    if (t->f.rows.dim > WHITEN_COLUMNS || t->f.labelled < WHITEN_LEAST)
        return DKVB_OK;
    rc = stage(t, "whitening");
    /* Of all rows, since a message about a part of them would name rows by their place in the part. */
    if (!rc && n < t->f.rows.n) {
        struct dkvb__run scan;

        rc = dkvb__run_take(&scan, t->f.run);
        if (!rc)
            rc = dkvb__check_finite(&scan, t->f.rows.x, t->f.rows.n, t->f.rows.dim, "features");
    }
    if (!rc)
        rc = draw_part(t, keeps_held_out, n, &part, &x, &labels, &ids);
    if (!rc)
        dkvb__fitting_hold_out(&part, 0.2);
    if (rc || part.held_count < WHITEN_LEAST / 10)
        goto end;
    keyinit.codebooks = keyinit.codebooks < WHITEN_CODEBOOKS ? keyinit.codebooks : WHITEN_CODEBOOKS;
    most = n < WHITEN_KEYS ? (uint32_t)n : WHITEN_KEYS;
    keyinit.keys = keyinit.keys < most ? keyinit.keys : most;
    top_k = t->top_k < keyinit.keys ? t->top_k : keyinit.keys;
    for (uint32_t whiten = 0; !rc && whiten < 2; whiten++) {
        keyinit.whiten = whiten;
        rc = dkvb__fitting_try(&part, &keyinit, &t->train, top_k, &measured[whiten]);
    }
    if (!rc) {
        t->report.accuracy_plain = measured[0].accuracy;
        t->report.accuracy_whitened = measured[1].accuracy;
        t->keyinit.whiten = measured[1].loss <= 0.95 * measured[0].loss && measured[1].accuracy >= measured[0].accuracy;
    }

end:
    dkvb__fitting_free(&part);
    dkvb__free_erased(&t->f.mem, x);
    dkvb__free(&t->f.mem, labels);
    dkvb__free(&t->f.mem, ids);
    return rc;
}

static dkvb_status place_keys(struct fit *t)
{
    const dkvb_fit_rows *r = &t->f.rows;
    dkvb_status rc = stage(t, "keys");

    if (rc)
        return rc;
    if (t->o.codebooks) {
        t->cb = dkvb_codebooks_retain(t->o.codebooks);
        return DKVB_OK;
    }
    return dkvb_codebooks_fit(&t->cb, t->o.key_rows ? t->o.key_rows : r->x, t->o.key_rows ? t->o.key_row_count : r->n,
                              r->dim, &t->keyinit, t->f.run);
}

/* Where nothing stays held out, the temperature comes from values that go again. */
static dkvb_status measure_apart(struct fit *t, struct dkvb__measured *measured)
{
    dkvb_train_options quiet = t->train;
    dkvb_model *model = NULL;
    dkvb_status rc = stage(t, "temperature");

    quiet.report = NULL;
    if (!rc)
        rc = train_model(&t->f, t->cb, t->top_k, t->o.values_dtype, t->codes, t->f.taught, &quiet, &model);
    if (!rc)
        rc = dkvb__fitting_measure(&t->f, model, t->codes, measured);
    dkvb_model_free(model);
    return rc;
}

static int keep_report(void *user, const dkvb_train_report *report)
{
    struct fit *t = user;

    t->report.loss = report->loss;
    t->report.accuracy = report->accuracy;
    t->report.rows = report->rows;
    return t->train.report ? t->train.report(t->train.user, report) : 0;
}

static dkvb_status train_values(struct fit *t, bool keeps_held_out)
{
    struct dkvb__measured measured = {.temperature = 1.0, .accuracy = NAN, .calibration_error = NAN};
    dkvb_train_options told = t->train;
    dkvb_status rc = DKVB_OK;

    if (!keeps_held_out && t->f.held_count >= DKVB__TEMPERATURE_ROWS)
        rc = measure_apart(t, &measured);
    if (!rc)
        rc = stage(t, "values");
    told.report = keep_report;
    told.user = t;
    if (!rc)
        rc = train_model(&t->f, t->cb, t->top_k, t->o.values_dtype, t->codes,
                         keeps_held_out ? t->f.taught : t->f.rows.labels, &told, &t->model);
    if (!rc && keeps_held_out)
        rc = dkvb__fitting_measure(&t->f, t->model, t->codes, &measured);
    if (!rc && !keeps_held_out)
        rc = dkvb_model_set_temperature(t->model, measured.temperature);
    t->report.temperature_rows = measured.rows >= DKVB__TEMPERATURE_ROWS ? measured.rows : 0;
    t->report.temperature = measured.temperature;
    t->report.calibration_error = measured.calibration_error;
    t->report.held_out_accuracy = measured.accuracy;
    return rc;
}

enum { KEPT_ROWS = 4096 }; /* handed to the codeset at a time */

/* Rows of one part, chunk by chunk, with their features in the narrowest type that holds them. */
static dkvb_status keep_part(struct fit *t, uint32_t part, uint32_t depth, uint32_t dtype)
{
    const struct dkvb__fitting *f = &t->f;
    bool held = part == DKVB_PART_HELD_OUT;
    size_t dim = f->rows.dim, k = held ? depth : t->top_k, code = t->keyinit.codebooks * k, count = 0;
    size_t size = dkvb_dtype_size(dtype);
    uint16_t *codes = dkvb__alloc(&f->mem, KEPT_ROWS, code * sizeof *codes);
    uint64_t *ids = dkvb__alloc(&f->mem, KEPT_ROWS, sizeof *ids);
    int32_t *labels = dkvb__alloc(&f->mem, KEPT_ROWS, sizeof *labels);
    float *x = dkvb__alloc(&f->mem, KEPT_ROWS, dim * sizeof *x);
    char *features = dkvb__alloc(&f->mem, KEPT_ROWS, dim * size);
    dkvb_status rc = codes && ids && labels && x && features
                         ? DKVB_OK
                         : dkvb__fail(DKVB_ENOMEM, "out of memory to keep %d rows at a time", KEPT_ROWS);

    for (size_t i = 0; !rc && i < f->rows.n; i++) {
        dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;

        if (f->held[i] == held) {
            ids[count] = id_of(f, i);
            labels[count] = f->rows.labels[i];
            memcpy(x + count * dim, f->rows.x + i * dim, dim * sizeof *x);
            if (!held)
                memcpy(codes + count * code, t->codes + i * code, code * sizeof *codes);
            count++;
        }
        if (count == 0 || (count < KEPT_ROWS && i + 1 < f->rows.n))
            continue;
        if (held)
            rc = dkvb_search(t->cb, NULL, x, count, depth, codes, NULL, f->run);
        dkvb_codeset_narrow(features, dtype, x, count * dim);
        rows.n = count;
        rows.codebooks = t->keyinit.codebooks;
        rows.k = (uint32_t)k;
        rows.ids = ids;
        rows.labels = labels;
        rows.codes = codes;
        rows.features = features;
        rows.dtype = dtype;
        rows.columns = (uint32_t)dim;
        if (!rc)
            rc = dkvb_codeset_add_rows(t->set, part, &rows);
        count = 0;
    }
    dkvb__free_erased(&f->mem, codes);
    dkvb__free(&f->mem, ids);
    dkvb__free(&f->mem, labels);
    dkvb__free_erased(&f->mem, x);
    dkvb__free_erased(&f->mem, features);
    return rc;
}

static dkvb_status keep_rows(struct fit *t)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    bool own_keys = !t->o.codebooks && !t->o.key_rows;
    uint32_t dtype = dkvb_codeset_narrowest(t->f.rows.x, t->f.rows.n * t->f.rows.dim);
    double temperature;
    dkvb_status rc = stage(t, "codes");

    o.top_k = t->top_k;
    o.depth = t->o.depth > t->top_k ? t->o.depth : t->top_k;
    o.depth = o.depth < t->keyinit.keys ? o.depth : t->keyinit.keys;
    o.keep = t->o.keep;
    o.allocator = &t->f.mem;
    if (!rc)
        rc = dkvb_codeset_new(&t->set, t->cb, &o);
    if (!rc)
        rc = keep_part(t, DKVB_PART_TRAINING, o.depth, dtype);
    if (!rc)
        rc = keep_part(t, DKVB_PART_HELD_OUT, o.depth, dtype);
    if (!rc)
        rc = dkvb_codeset_set_keyinit(t->set, own_keys ? &t->keyinit : NULL);
    if (!rc)
        rc = dkvb_codeset_add_session(t->set, t->model, &t->train, NULL, 0);
    if (rc)
        return rc;
    /* As it is fitted again when rows are taken out: the same rows in the same order give the same bits. */
    rc = dkvb_codeset_fit_temperature(t->set, t->model, &temperature, t->f.run);
    if (rc)
        return rc == DKVB_ENOTFOUND ? DKVB_OK : rc;
    t->report.temperature = temperature;
    return dkvb_model_set_temperature(t->model, temperature);
}

static void fill_report(struct fit *t)
{
    dkvb_fit_report *r = &t->report;

    r->classes = t->f.rows.classes;
    r->codebooks = t->keyinit.codebooks;
    r->keys = t->keyinit.keys;
    r->key_dim = t->keyinit.key_dim;
    r->top_k = t->top_k;
    r->whitened = t->cb->whitening != NULL;
    r->epochs = t->train.epochs;
    r->learning_rate = t->train.learning_rate;
    for (size_t i = 0; t->set && i < t->f.rows.n; i++)
        r->held_out += t->f.held[i];
    for (size_t l = 0; l < t->f.rows.classes; l++)
        r->unlearnable += t->f.class_rows[l] == 0;
}

static dkvb_status run_fit(struct fit *t, bool wants_codeset)
{
    double share = wants_codeset ? t->o.hold_out : 0.1;
    dkvb_status rc = settle(t);

    if (rc)
        return rc;
    dkvb__fitting_hold_out(&t->f, share);
    t->keyinit.whiten = t->o.whiten == DKVB_WHITEN_ALWAYS;
    if (t->o.whiten == DKVB_WHITEN_CHOOSE && !t->o.codebooks)
        rc = choose_whitening(t, wants_codeset);
    if (!rc)
        rc = place_keys(t);
    if (!rc)
        rc = stage(t, "search");
    if (!rc)
        rc = search_rows(&t->f, t->cb, t->top_k, &t->codes);
    if (!rc)
        rc = train_values(t, wants_codeset);
    if (!rc && wants_codeset)
        rc = keep_rows(t);
    if (!rc)
        fill_report(t);
    return rc;
}

dkvb_status dkvb_fit(dkvb_model **model, dkvb_codeset **codeset, const dkvb_fit_rows *rows,
                     const dkvb_fit_options *opts, dkvb_fit_report *report, const dkvb_run_options *run)
{
    struct fit t = {.o = DKVB_FIT_OPTIONS_INIT,
                    .keyinit = DKVB_KEYINIT_OPTIONS_INIT,
                    .train = DKVB_TRAIN_OPTIONS_INIT,
                    .report = DKVB_FIT_REPORT_INIT};
    dkvb_allocator mem;
    dkvb_status rc;

    *model = NULL;
    if (codeset)
        *codeset = NULL;
    t.train.epochs = 0;
    t.train.batch = 0;
    t.train.learning_rate = t.train.rate_last = 0.0;
    t.report.accuracy_plain = t.report.accuracy_whitened = NAN;
    rc = take_options(&t, opts);
    if (rc)
        return rc;
    mem = dkvb__allocator(t.o.allocator);
    rc = dkvb__fitting_new(&t.f, rows, run, &mem);
    if (rc)
        return rc;
    rc = run_fit(&t, codeset != NULL);
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
