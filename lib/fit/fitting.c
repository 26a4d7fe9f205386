/* Prepares the rows that a model learns from: checks them, holds some out, trains on the others and measures. */
#include "fit/fit.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/search.h"
#include "bottleneck/keyinit.h"
#include "bottleneck/calibration.h"
#include "bottleneck/codeset.h"
#include "dkvb/search.h"

enum { LEAST_CLASS = 4 /* least number of rows that a class must have for any of its rows to be held out */ };

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

/* Computes ids of rows from their names. From here on, the fitting of a model knows rows with names by the ids computed
 * from these names. */
static dkvb_status hash_names(struct dkvb__fitting *f, const uint8_t *salt)
{
    dkvb_fit_rows *r = &f->rows;
    dkvb_status rc = DKVB_OK;

    if (!r->names)
        return DKVB_OK;
    if (r->ids)
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: ids and names are given, only one can say what the rows are called");
    if (!rc)
        rc = dkvb__row_names_check(r->names, r->n);
    if (rc)
        return rc;
    if (salt)
        memcpy(f->salt, salt, sizeof f->salt);
    else
        dkvb__row_names_salt(f->salt, r->names, r->labels, r->n);
    f->named_ids = dkvb__alloc(&f->mem, r->n, sizeof *f->named_ids);
    if (!f->named_ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", r->n);
    r->ids = f->named_ids;
    return dkvb__row_names_hash(f->named_ids, f->salt, r->names, r->n, &f->mem);
}

/* Sorts rows by the groups in which they are held out, and sorts the groups by the computed numbers (places) that
 * decide which groups are held out. If every row forms a group of its own, no groups are stored; the number of a row's
 * group then decides whether the row is held out, as the row's id does if the caller gives no groups. */
static dkvb_status find_groups(struct dkvb__fitting *f)
{
    size_t n = f->rows.n, count = 0;
    const uint64_t *groups = f->rows.groups;
    struct dkvb__keyed *rows, *scratch;
    dkvb_status rc = DKVB_OK;

    if (!groups)
        return DKVB_OK;
    rows = dkvb__alloc(&f->mem, n, sizeof *rows);
    scratch = dkvb__alloc(&f->mem, n, sizeof *scratch);
    if (!rows || !scratch) {
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the groups of %zu rows", n);
        goto end;
    }
    /* Groups of rows are sorted by their computed places, and by number if places are equal, so that the order of the
     * rows has no influence on which groups are held out. */
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct dkvb__keyed){groups[i], i};
    dkvb__sort_keyed(rows, scratch, n);
    for (size_t i = 0; i < n; i++)
        rows[i].key = dkvb__key_of_double(dkvb__hold_out_place(groups[rows[i].index]));
    dkvb__sort_keyed(rows, scratch, n);
    for (size_t i = 0; i < n; i++)
        count += i == 0 || groups[rows[i].index] != groups[rows[i - 1].index];
    if (count == n)
        goto end;
    f->group_rows = dkvb__alloc(&f->mem, n, sizeof *f->group_rows);
    f->groups = dkvb__alloc(&f->mem, count, sizeof *f->groups);
    f->class_held = dkvb__alloc0(&f->mem, f->rows.classes, sizeof *f->class_held);
    f->in_group = dkvb__alloc0(&f->mem, f->rows.classes, sizeof *f->in_group);
    if (!f->group_rows || !f->groups || !f->class_held || !f->in_group) {
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu groups", count);
        goto end;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t group = groups[rows[i].index];

        f->group_rows[i] = rows[i].index;
        if (i == 0 || group != groups[rows[i - 1].index])
            f->groups[f->group_count++] = (struct dkvb__row_group){dkvb__hold_out_place(group), i, 0};
        f->groups[f->group_count - 1].n++;
    }

end:
    dkvb__free_erased(&f->mem, rows);
    dkvb__free_erased(&f->mem, scratch);
    return rc;
}

dkvb_status dkvb__fitting_new(struct dkvb__fitting *f, const dkvb_fit_rows *given, const dkvb_run_options *run,
                              const uint8_t *salt, const dkvb_allocator *mem)
{
    dkvb_status rc;

    *f = (struct dkvb__fitting){.mem = *mem, .counting = run, .rows = DKVB_FIT_ROWS_INIT, .ranks = DKVB_RANKS_INIT};
    f->uncounted = (dkvb_run_options)DKVB_RUN_OPTIONS_INIT;
    f->run = &f->uncounted;
    rc = dkvb__take_options(&f->uncounted, sizeof f->uncounted, run, "run options");
    f->uncounted.outside = NULL;
    if (!rc)
        rc = dkvb__ranks_take(&f->ranks, f->uncounted.ranks);
    if (!rc)
        rc = dkvb__take_options(&f->rows, sizeof f->rows, given, "rows to fit");
    if (!rc && f->rows.n == 0)
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: there are none");
    if (!rc && !f->rows.codes && (f->rows.dim == 0 || f->rows.dim > DKVB__MAX_INPUT_DIM))
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: %zu columns, there must be 1 to %d", f->rows.dim,
                        DKVB__MAX_INPUT_DIM);
    if (!rc && (!f->rows.x + !f->rows.source + !f->rows.codes != 2 || !f->rows.labels))
        rc = dkvb__fail(DKVB_EINVAL, "rows to fit: they must bring labels, and one of x, source and codes");
    if (!rc && !f->rows.codes)
        rc = dkvb__rows_take(&f->from, f->rows.x, f->rows.source, f->rows.n, f->rows.dim, "rows to fit");
    if (!rc)
        rc = check_labels(f);
    if (!rc)
        rc = hash_names(f, salt);
    if (rc) {
        dkvb__fitting_free(f);
        return rc;
    }
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
    rc = find_groups(f);
    if (rc)
        dkvb__fitting_free(f);
    return rc;
}

void dkvb__fitting_free(struct dkvb__fitting *f)
{
    dkvb__free_erased(&f->mem, f->class_rows);
    dkvb__free_erased(&f->mem, f->held);
    dkvb__free_erased(&f->mem, f->taught);
    dkvb__free_erased(&f->mem, f->named_ids);
    dkvb__free_erased(&f->mem, f->group_rows);
    dkvb__free_erased(&f->mem, f->groups);
    dkvb__free_erased(&f->mem, f->class_held);
    dkvb__free_erased(&f->mem, f->in_group);
    f->group_rows = NULL;
    f->groups = NULL;
    f->class_held = f->in_group = NULL;
    f->class_rows = NULL;
    f->held = NULL;
    f->taught = NULL;
    f->named_ids = NULL;
}

/* Holds out all rows of a group together, unless too large a part of a class would be held out. At most the fraction
 * `most` of the rows of a class may be held out. A class is called short of held-out rows if less than the fraction
 * `least` of its rows is held out. If `for_short` is true, a group of rows is held out only if it has rows of a class
 * that is short of held-out rows. */
static void hold_group(struct dkvb__fitting *f, const struct dkvb__row_group *g, double least, double most,
                       bool for_short)
{
    const size_t *rows = f->group_rows + g->first;
    const int32_t *labels = f->rows.labels;
    bool allowed = true, helps = false;

    for (size_t i = 0; i < g->n; i++)
        if (labels[rows[i]] >= 0)
            f->in_group[labels[rows[i]]]++;
    for (size_t i = 0; i < g->n; i++) {
        int32_t l = labels[rows[i]];
        uint64_t all, held;

        if (l < 0)
            continue;
        all = f->class_rows[l] + f->class_held[l];
        held = f->class_held[l] + f->in_group[l];
        allowed = allowed && f->class_rows[l] - f->in_group[l] >= LEAST_CLASS - 1 && (double)held <= most * (double)all;
        /* A class of which less than one row would have to be held out is never short of held-out rows. */
        helps = helps || ((double)f->class_held[l] < least * (double)all && 2.0 * least * (double)all >= 1.0);
    }
    allowed = allowed && (helps || !for_short);
    for (size_t i = 0; i < g->n; i++) {
        int32_t l = labels[rows[i]];

        if (l >= 0)
            f->in_group[l] = 0;
        if (l >= 0 && allowed) {
            f->class_rows[l]--;
            f->class_held[l]++;
            f->held_count++;
        }
        f->held[rows[i]] = allowed;
    }
}

static void hold_groups(struct dkvb__fitting *f, double from, double to)
{
    double share = to - from, least = share / 2.0, most = 1.0;

    if (f->keeps_share)
        most = share > 0.125 ? 2.0 * share : 0.25;
    memset(f->class_held, 0, f->rows.classes * sizeof *f->class_held);
    memset(f->held, 0, f->rows.n);
    for (size_t g = 0; g < f->group_count; g++)
        if (f->groups[g].place >= from && f->groups[g].place < to)
            hold_group(f, &f->groups[g], least, most, false);
    for (size_t g = 0; f->keeps_share && g < f->group_count; g++)
        if (f->groups[g].place >= to)
            hold_group(f, &f->groups[g], least, most, true);
}

static void hold_rows(struct dkvb__fitting *f, double from, double to)
{
    const int32_t *labels = f->rows.labels;

    for (size_t i = 0; i < f->rows.n; i++) {
        double place = dkvb__hold_out_place(f->rows.groups ? f->rows.groups[i] : dkvb__fitting_id(f, i));
        bool held = place >= from && place < to;

        if (labels[i] >= 0 && held) {
            held = f->class_rows[labels[i]] >= LEAST_CLASS;
            f->class_rows[labels[i]] -= held;
            f->held_count += held;
        }
        f->held[i] = held;
    }
}

void dkvb__fitting_hold_out(struct dkvb__fitting *f, double from, double to)
{
    const int32_t *labels = f->rows.labels;

    for (size_t i = 0; i < f->rows.n; i++)
        f->class_rows[labels[i] < 0 ? 0 : labels[i]] += f->held[i] && labels[i] >= 0;
    f->held_count = 0;
    if (f->group_count > 0)
        hold_groups(f, from, to);
    else
        hold_rows(f, from, to);
    for (size_t i = 0; i < f->rows.n; i++)
        f->taught[i] = f->held[i] ? -1 : labels[i];
}

/* Collects the codes and labels of held-out rows that have a label: of all of them, or only of those that a temperature
 * is fitted on. The number of held-out rows that were collected is stored in *n. */
static dkvb_status gather_held(const struct dkvb__fitting *f, const uint16_t *codes, size_t code, uint16_t **held_codes,
                               int32_t **labels, size_t *n)
{
    size_t *rows = dkvb__alloc(&f->mem, f->held_count, sizeof *rows);
    dkvb_status rc = rows ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows held out", f->held_count);

    *n = 0;
    for (size_t i = 0; !rc && i < f->rows.n; i++)
        if (f->held[i] && f->rows.labels[i] >= 0)
            rows[(*n)++] = i;
    if (!rc)
        rc = dkvb__temperature_rows(rows, n, f->rows.ids, f->rows.classes, &f->mem);
    *held_codes = rc ? NULL : dkvb__alloc(&f->mem, *n, code * sizeof **held_codes);
    *labels = rc ? NULL : dkvb__alloc(&f->mem, *n, sizeof **labels);
    if (!rc && (!*held_codes || !*labels))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows held out", *n);
    for (size_t i = 0; !rc && i < *n; i++) {
        memcpy(*held_codes + i * code, codes + rows[i] * code, code * sizeof *codes);
        (*labels)[i] = f->rows.labels[rows[i]];
    }
    dkvb__free_erased(&f->mem, rows);
    return rc;
}

/* Computes, for logits divided by a temperature, the mean cross-entropy in nats, the accuracy and the calibration
 * error. */
static void measure_logits(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                           struct dkvb__measured *out)
{
    double loss = 0.0, gaps[DKVB__ECE_BINS] = {0.0};
    uint64_t rows = 0;
    size_t right = 0;

    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        size_t best = 0;

        for (size_t l = 1; l < classes; l++)
            best = row[l] > row[best] ? l : best;
        loss += dkvb__row_loss(row, classes, labels[r], out->temperature, out->power);
        right += best == (size_t)labels[r];
    }
    dkvb__gaps_add(gaps, &rows, logits, labels, n, classes, out->temperature, out->power);
    out->loss = loss / (double)n;
    out->accuracy = (double)right / (double)n;
    out->calibration_error = dkvb__gaps_error(gaps, rows);
    out->rows = n;
}

dkvb_status dkvb__fitting_measure(const struct dkvb__fitting *f, const dkvb_model *model, const uint16_t *codes,
                                  struct dkvb__measured *out)
{
    size_t n, classes = model->classes;
    uint16_t *held_codes = NULL;
    int32_t *labels = NULL;
    float *logits = NULL;
    dkvb_status rc;

    *out = (struct dkvb__measured){.temperature = 1.0, .accuracy = NAN, .loss = NAN, .calibration_error = NAN};
    if (f->held_count == 0)
        return DKVB_OK;
    rc = gather_held(f, codes, dkvb__code_size(model), &held_codes, &labels, &n);
    if (!rc)
        logits = dkvb__alloc(&f->mem, n, classes * sizeof *logits);
    if (!rc && !logits)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the logits of %zu rows held out", n);
    rc = dkvb__fitting_agree(f, rc);
    if (!rc)
        rc = dkvb_model_decode(model, held_codes, model->top_k, n, NULL, logits, f->run);
    if (!rc && n >= DKVB__TEMPERATURE_ROWS)
        rc = dkvb_calibration_fit(logits, labels, n, (uint32_t)classes, &out->temperature, &out->power);
    rc = dkvb__fitting_agree(f, rc);
    if (!rc)
        measure_logits(logits, labels, n, (uint32_t)classes, out);
    dkvb__free_erased(&f->mem, held_codes);
    dkvb__free_erased(&f->mem, labels);
    dkvb__free_erased(&f->mem, logits);
    return rc;
}

dkvb_status dkvb__fitting_train(const struct dkvb__fitting *f, dkvb_codebooks *cb, uint32_t top_k, uint32_t dtype,
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
        rc = dkvb_model_set_values(*out, NULL, dtype);
    if (!rc)
        rc = f->in_place ? dkvb__model_train_in_place(*out, codes, top_k, labels, f->rows.n, &with_ids, f->run)
                         : dkvb_model_train(*out, codes, top_k, labels, f->rows.n, &with_ids, f->run);
    if (rc) {
        dkvb_model_free(*out);
        *out = NULL;
    }
    return rc;
}

dkvb_status dkvb__fitting_search(const struct dkvb__fitting *f, const dkvb_codebooks *cb, const dkvb_mask *mask,
                                 uint32_t top_k, uint16_t **codes, const dkvb_run_options *run)
{
    dkvb_status rc = DKVB_OK;

    *codes = dkvb__alloc(&f->mem, f->rows.n, (size_t)cb->shape.codebooks * top_k * sizeof **codes);
    if (!*codes)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", f->rows.n);
    rc = dkvb__fitting_agree(f, rc);
    return rc ? rc : dkvb__search_rows(cb, mask, &f->from, top_k, *codes, NULL, run);
}

dkvb_status dkvb__fitting_try(const struct dkvb__fitting *f, const dkvb_settings *settings, struct dkvb__measured *out)
{
    dkvb_train_options quiet = settings->train;
    dkvb_codebooks *cb = NULL;
    dkvb_model *model = NULL;
    uint16_t *codes = NULL;
    dkvb_status rc;

    quiet.report = NULL;
    rc = dkvb__codebooks_fit(&cb, &f->from, &settings->keyinit, f->run);
    if (!rc)
        rc = dkvb__fitting_search(f, cb, NULL, settings->top_k, &codes, f->run);
    if (!rc)
        rc = dkvb__fitting_train(f, cb, settings->top_k, 0, codes, f->taught, &quiet, &model);
    if (!rc)
        rc = dkvb__fitting_measure(f, model, codes, out);
    dkvb_model_free(model);
    dkvb_codebooks_free(cb);
    dkvb__free_erased(&f->mem, codes);
    return rc;
}
