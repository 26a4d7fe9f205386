/* Decides whether to half-whiten rows, by a comparison on held-out rows: whitening helps with some data and harms with
 * other data (docs/method.md). */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/keyinit.h"
#include "bottleneck/project.h"
#include "fit/fit.h"

enum {
    LEAST_ROWS = 500, /* least number of labelled rows that can show whether whitening helps */
    MOST_ROWS = 20480,
    /* number of codebooks used to compare whitened with plain rows; if there are enough rows, few codebooks show the
     * difference as well as many */
    CODEBOOKS = 64,
    KEYS = 512,
    FOLDS = 5
};

/* Rows that were drawn for comparing models of whitened rows with models of plain rows. The member `part` of `struct
 * part` points to the four arrays of drawn rows in the same struct, which are freed by part_free(). */
struct part {
    struct dkvb__fitting f;
    float *x;
    int32_t *labels;
    uint64_t *ids;
    uint64_t *groups; /* groups of the rows drawn to compare whitened with plain rows; NULL if rows have no groups */
};

static void part_free(struct part *p)
{
    dkvb__fitting_free(&p->f);
    dkvb__free_erased(&p->f.mem, p->x);
    dkvb__free_erased(&p->f.mem, p->labels);
    dkvb__free_erased(&p->f.mem, p->ids);
    dkvb__free_erased(&p->f.mem, p->groups);
}

/* Draws rows on which models of whitened rows are compared with models of plain rows. The rows are drawn from all rows
 * with a label in `labels`, -1 meaning that the row must not be drawn; the argument `n` is the number of rows to draw.
 * The caller frees the rows drawn to compare whitened with plain rows by part_free(), even if drawing them failed. */
static dkvb_status part_new(struct part *p, const struct dkvb__fitting *f, const int32_t *labels, uint64_t seed,
                            size_t n)
{
    size_t dim = f->rows.dim, taken = 0;
    dkvb_fit_rows rows = f->rows;
    struct dkvb__rng rng;
    size_t *drawn = dkvb__alloc(&f->mem, n, sizeof *drawn);
    dkvb_status rc;

    p->x = dkvb__alloc(&f->mem, n, dim * sizeof *p->x);
    p->labels = dkvb__alloc(&f->mem, n, sizeof *p->labels);
    p->ids = dkvb__alloc(&f->mem, n, sizeof *p->ids);
    p->groups = rows.groups ? dkvb__alloc(&f->mem, n, sizeof *p->groups) : NULL;
    if (!drawn || !p->x || !p->labels || !p->ids || (rows.groups && !p->groups)) {
        dkvb__free(&f->mem, drawn);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows to choose the whitening on", n);
    }
    dkvb__seed_stream(&rng, seed, DKVB__FOR_ROWS, 1);
    for (size_t r = 0; r < f->rows.n && taken < n; r++)
        if (dkvb__rng_below(&rng, f->rows.n - r) < n - taken) {
            drawn[taken] = r;
            p->labels[taken] = labels[r];
            if (p->groups)
                p->groups[taken] = rows.groups[r];
            p->ids[taken++] = dkvb__fitting_id(f, r);
        }
    rc = dkvb__rows_gather(&f->from, drawn, n, p->x);
    dkvb__free(&f->mem, drawn);
    if (rc)
        return rc;
    rows.x = p->x;
    rows.source = NULL;
    rows.labels = p->labels;
    rows.ids = p->ids;
    rows.groups = p->groups;
    rows.names = NULL;
    rows.n = n;
    return dkvb__fitting_new(&p->f, &rows, f->run, NULL, &f->mem);
}

/* Measures a model by five-fold cross-validation on the rows drawn to compare whitened with plain rows. The
 * cross-validation places keys and searches rows once only, since neither step looks at labels. In the
 * cross-validation, each fifth of the rows is predicted by values that learned from the other rows, so all rows are
 * measured: a single fifth is too noisy and would often mislead. */
static dkvb_status judge(struct part *p, const dkvb_settings *s, struct dkvb__measured *out)
{
    struct dkvb__fitting *f = &p->f;
    dkvb_train_options quiet = s->train;
    dkvb_codebooks *cb = NULL;
    uint16_t *codes = NULL;
    dkvb_status rc = dkvb__codebooks_fit(&cb, &f->from, &s->keyinit, f->run);

    *out = (struct dkvb__measured){.rows = 0};
    quiet.report = NULL;
    /* The models that compare whitened with plain rows are thrown away, so they are trained in place. */
    f->in_place = true;
    if (!rc)
        rc = dkvb__fitting_search(f, cb, NULL, s->top_k, &codes, f->run);
    for (unsigned fold = 0; !rc && fold < FOLDS; fold++) {
        struct dkvb__measured measured;
        dkvb_model *model = NULL;

        dkvb__fitting_hold_out(f, (double)fold / FOLDS, (double)(fold + 1) / FOLDS);
        rc = dkvb__fitting_train(f, cb, s->top_k, 0, codes, f->taught, &quiet, &model);
        if (!rc)
            rc = dkvb__fitting_measure(f, model, codes, &measured);
        dkvb_model_free(model);
        if (rc || measured.rows == 0)
            continue;
        out->accuracy += measured.accuracy * (double)measured.rows;
        out->loss += measured.loss * (double)measured.rows;
        out->rows += measured.rows;
    }
    if (out->rows > 0) {
        out->accuracy /= (double)out->rows;
        out->loss /= (double)out->rows;
    }
    dkvb_codebooks_free(cb);
    dkvb__free_erased(&f->mem, codes);
    return rc;
}

dkvb_status dkvb__fitting_choose_whitening(const struct dkvb__fitting *f, const dkvb_settings *settings,
                                           bool keeps_held_out, struct dkvb__measured measured[2], bool *compared,
                                           bool *whiten)
{
    size_t n = f->rows.n < MOST_ROWS ? f->rows.n : MOST_ROWS;
    uint32_t most = n < KEYS ? (uint32_t)n : KEYS;
    dkvb_settings s = *settings;
    struct part part = {.f = {.rows = DKVB_FIT_ROWS_INIT, .mem = f->mem}};
    struct dkvb__run run;
    dkvb_status rc;

    *compared = *whiten = false;
    if (f->rows.dim > DKVB__MOST_COMPARED || f->labelled < LEAST_ROWS)
        return DKVB_OK;
    rc = dkvb__run_take(&run, f->run);
    /* The features of all rows are checked, not only those of the drawn rows, since an error message gives a row's
     * number among all rows. */
    if (!rc && n < f->rows.n)
        rc = dkvb__check_rows(&run, &f->from, "features", &f->mem);
    if (!rc)
        rc = part_new(&part, f, keeps_held_out ? f->taught : f->rows.labels, s.keyinit.seed, n);
    rc = dkvb__fitting_agree(f, rc);
    s.keyinit.codebooks = s.keyinit.codebooks < CODEBOOKS ? s.keyinit.codebooks : CODEBOOKS;
    s.keyinit.keys = s.keyinit.keys < most ? s.keyinit.keys : most;
    s.top_k = s.top_k < s.keyinit.keys ? s.top_k : s.keyinit.keys;
    for (uint32_t way = 0; !rc && way < 2; way++) {
        s.keyinit.whiten = way;
        rc = judge(&part, &s, &measured[way]);
    }
    if (!rc && measured[0].rows >= LEAST_ROWS / 2) {
        *compared = true;
        *whiten = measured[1].loss <= 0.95 * measured[0].loss && measured[1].accuracy >= measured[0].accuracy;
    }
    part_free(&part);
    return rc;
}
