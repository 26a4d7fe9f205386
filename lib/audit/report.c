/* The figures that an audit measures: their names, their kinds, and their estimates. */
#include "audit/report.h"

#include <math.h>

#include "audit/auc.h"
#include "audit/klom.h"
#include "base/alloc.h"
#include "base/status.h"

static const char *const subjects[DKVB_AUDIT_SUBJECTS] = {[DKVB_AUDIT_MODEL] = "model",
                                                          [DKVB_AUDIT_BEFORE] = "before",
                                                          [DKVB_AUDIT_DROPPED] = "column dropped",
                                                          [DKVB_AUDIT_REPLAY] = "replay",
                                                          [DKVB_AUDIT_RETRAINED] = "retrained"};

static const struct {
    const char *key, *title;
    uint32_t kind;
} figures[DKVB_AUDIT_FIGURES] = {
    [DKVB_AUDIT_MEMBERSHIP_LOSS] = {"membership_loss", "loss threshold", DKVB_AUDIT_AUC_MEMBERS},
    [DKVB_AUDIT_MEMBERSHIP_FITTED] = {"membership_fitted", "fitted to all logits", DKVB_AUDIT_AUC_MEMBERS},
    [DKVB_AUDIT_MEMBERSHIP_LIRA] = {"membership_lira", "likelihood ratio", DKVB_AUDIT_AUC_MEMBERS},
    [DKVB_AUDIT_ACCURACY_CLASS] = {"accuracy_class", "accuracy, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_ACCURACY_REST] = {"accuracy_rest", "accuracy, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_AGREEMENT_CLASS] = {"agreement_class", "same label as retrained, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_AGREEMENT_REST] = {"agreement_rest", "same label as retrained, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_CONSTANT_CLASS] = {"constant_class", "best constant, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_CONSTANT_REST] = {"constant_rest", "best constant, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_PROBE_CLASS] = {"probe_class", "probe on codes, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_PROBE_REST] = {"probe_rest", "probe on codes, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_RELEARN_10_CLASS] = {"relearn_10_class", "relearn from 10 rows, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_RELEARN_10_REST] = {"relearn_10_rest", "relearn from 10 rows, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_RELEARN_20_CLASS] = {"relearn_20_class", "relearn from 20 rows, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_RELEARN_20_REST] = {"relearn_20_rest", "relearn from 20 rows, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_RELEARN_50_CLASS] = {"relearn_50_class", "relearn from 50 rows, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_RELEARN_50_REST] = {"relearn_50_rest", "relearn from 50 rows, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_MASK_MEMBERS] = {"mask_members", "mask, forgotten rows", DKVB_AUDIT_AUC_MEMBERS},
    [DKVB_AUDIT_MASK_CLASS] = {"mask_class", "mask, rows of the class", DKVB_AUDIT_AUC_CLASS},
    [DKVB_AUDIT_MEMBERSHIP_RMIA] = {"membership_rmia", "relative (RMIA)", DKVB_AUDIT_AUC_MEMBERS},
    [DKVB_AUDIT_ACCURACY_FORGOTTEN] = {"accuracy_forgotten", "accuracy, forgotten rows", DKVB_AUDIT_SHARE_FORGOTTEN},
    [DKVB_AUDIT_ACCURACY_RETAINED] = {"accuracy_retained", "accuracy, retained rows", DKVB_AUDIT_SHARE_RETAINED},
    [DKVB_AUDIT_ACCURACY_TEST] = {"accuracy_test", "accuracy, all test rows", DKVB_AUDIT_SHARE_TESTS},
    [DKVB_AUDIT_AVERAGE_GAP] = {"average_gap", "average gap to retrained", DKVB_AUDIT_GAP},
    [DKVB_AUDIT_PROTOTYPES_1_CLASS] = {"prototypes_1_class", "relearn from 1 mean, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_PROTOTYPES_1_REST] = {"prototypes_1_rest", "relearn from 1 mean, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_PROTOTYPES_3_CLASS] = {"prototypes_3_class", "relearn from 3 means, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_PROTOTYPES_3_REST] = {"prototypes_3_rest", "relearn from 3 means, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_PROTOTYPES_10_CLASS] = {"prototypes_10_class", "relearn from 10 means, class", DKVB_AUDIT_SHARE_CLASS},
    [DKVB_AUDIT_PROTOTYPES_10_REST] = {"prototypes_10_rest", "relearn from 10 means, rest", DKVB_AUDIT_SHARE_REST},
    [DKVB_AUDIT_KLOM_FORGOTTEN] = {"klom_forgotten", "KLoM, forgotten rows", DKVB_AUDIT_KLOM},
    [DKVB_AUDIT_KLOM_RETAINED] = {"klom_retained", "KLoM, retained rows", DKVB_AUDIT_KLOM},
    [DKVB_AUDIT_KLOM_CLASS] = {"klom_class", "KLoM, test rows of the class", DKVB_AUDIT_KLOM},
    [DKVB_AUDIT_KLOM_REST] = {"klom_rest", "KLoM, other test rows", DKVB_AUDIT_KLOM},
};

uint32_t dkvb__audit_kind(uint32_t figure)
{
    return figures[figure].kind;
}

struct dkvb__audit_report *dkvb__audit_report_new(uint32_t classes, const dkvb_allocator *mem)
{
    static const dkvb_audit_estimate none = {(double)NAN, (double)NAN, (double)NAN};
    struct dkvb__audit_report *r = dkvb__alloc0(mem, 1, sizeof *r);

    if (!r)
        return NULL;
    r->mem = *mem;
    r->forgotten = dkvb__alloc0(mem, classes, sizeof *r->forgotten);
    if (!r->forgotten) {
        dkvb_audit_report_free(&r->seen);
        return NULL;
    }
    r->outside = r->test_outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    r->seen.classes = classes;
    r->seen.forgotten = r->forgotten;
    r->seen.outside = &r->outside;
    r->seen.test_outside = &r->test_outside;
    for (uint32_t s = 0; s < DKVB_AUDIT_SUBJECTS; s++)
        for (uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++)
            r->figure[s][f] = (dkvb_audit_figure){subjects[s],
                                                  figures[f].key,
                                                  figures[f].title,
                                                  "",
                                                  figures[f].kind,
                                                  0,
                                                  none,
                                                  none,
                                                  none,
                                                  none,
                                                  none,
                                                  none,
                                                  none};
    return r;
}

static bool is_auc(uint32_t kind)
{
    return kind == DKVB_AUDIT_AUC_MEMBERS || kind == DKVB_AUDIT_AUC_CLASS;
}

static const char *verdict_of(const dkvb_audit_estimate *difference)
{
    return difference->low > 0.0    ? "more than retrained"
           : difference->high < 0.0 ? "less than retrained"
                                    : "as retrained";
}

/* Estimates the measure KLoM of an audited model, and how far it exceeds the noise floor (KLoM between two ensembles of
 * retrained models), paired row by row. */
static dkvb_status estimate_klom(dkvb_audit_figure *f, const double *rows, const double *floor, size_t n,
                                 const dkvb_allocator *mem)
{
    double *above = dkvb__alloc(mem, n, sizeof *above);
    dkvb_status rc = above ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for KLoM of %zu rows", n);

    if (!rc)
        rc = dkvb__audit_quantile(rows, n, 0.5, &f->median, mem);
    if (!rc)
        rc = dkvb__audit_quantile(rows, n, 0.95, &f->p95, mem);
    for (size_t i = 0; !rc && i < n; i++)
        above[i] = rows[i] - floor[i];
    if (!rc) {
        dkvb__audit_mean(rows, n, &f->value);
        dkvb__audit_mean(above, n, &f->difference);
    }
    dkvb__free(mem, above);
    return rc;
}

dkvb_status dkvb__audit_estimate(dkvb_audit_figure *f, const double *rows, const double *reference,
                                 const uint8_t *marks, size_t n, const dkvb_allocator *mem)
{
    dkvb_status rc = DKVB_OK;

    if (f->kind == DKVB_AUDIT_KLOM) {
        rc = estimate_klom(f, rows, reference, n, mem);
    } else if (!is_auc(f->kind)) {
        dkvb__audit_share(rows, n, &f->value);
        dkvb__audit_share_difference(rows, reference, n, &f->difference);
    } else {
        rc = dkvb__audit_auc(rows, marks, n, &f->value, mem);
        if (!rc)
            rc = dkvb__audit_auc_difference(rows, reference, marks, n, &f->difference, mem);
    }
    if (!rc && f->kind == DKVB_AUDIT_AUC_MEMBERS)
        rc = dkvb__audit_tpr(rows, marks, n, 0.01, &f->tpr_1, mem);
    if (!rc && f->kind == DKVB_AUDIT_AUC_MEMBERS)
        rc = dkvb__audit_tpr(rows, marks, n, 0.001, &f->tpr_01, mem);
    if (!rc && f->kind == DKVB_AUDIT_AUC_MEMBERS)
        rc = dkvb__audit_privleak(rows, reference, marks, n, &f->privleak, mem);
    f->measured = !rc && isfinite(f->value.value);
    if (f->measured)
        f->verdict = verdict_of(&f->difference);
    return rc;
}

void dkvb__audit_widen(dkvb_audit_figure *f, double half)
{
    dkvb_audit_estimate *d = &f->difference;

    if (!f->measured)
        return;
    d->low = d->value - sqrt((d->value - d->low) * (d->value - d->low) + half * half);
    d->high = d->value + sqrt((d->high - d->value) * (d->high - d->value) + half * half);
    f->verdict = verdict_of(d);
}

void dkvb__audit_estimate_gap(dkvb_audit_figure *of)
{
    static const uint32_t parts[] = {DKVB_AUDIT_ACCURACY_FORGOTTEN, DKVB_AUDIT_ACCURACY_RETAINED,
                                     DKVB_AUDIT_ACCURACY_TEST, DKVB_AUDIT_MEMBERSHIP_LOSS};
    enum { PARTS = sizeof parts / sizeof *parts };
    dkvb_audit_figure *f = &of[DKVB_AUDIT_AVERAGE_GAP];
    dkvb_audit_estimate differences[PARTS];

    for (size_t i = 0; i < PARTS; i++) {
        if (!of[parts[i]].measured)
            return;
        differences[i] = of[parts[i]].difference;
    }
    dkvb__audit_gap(differences, PARTS, &f->value);
    /* The average gap of figures is itself a difference to the retrained model, so it is not compared with the
     * retrained model again. */
    f->difference = f->value;
    f->measured = 1;
    f->verdict = verdict_of(&f->difference);
}

const dkvb_audit_figure *dkvb_audit_get_figure(const dkvb_audit_report *report, uint32_t subject, uint32_t figure)
{
    const struct dkvb__audit_report *r = (const struct dkvb__audit_report *)report;

    if (subject >= DKVB_AUDIT_SUBJECTS || figure >= DKVB_AUDIT_FIGURES || !r->there[subject])
        return NULL;
    return &r->figure[subject][figure];
}

void dkvb_audit_report_free(dkvb_audit_report *report)
{
    struct dkvb__audit_report *r = (struct dkvb__audit_report *)report;
    dkvb_allocator mem;

    if (!r)
        return;
    mem = r->mem;
    dkvb__free(&mem, r->forgotten);
    dkvb__free(&mem, r);
}
