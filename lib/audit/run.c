/* Runs a whole audit of what a model still knows of forgotten rows. An audit checks options, lists and searches rows,
 * trains shadow models, attacks the audited models and estimates figures. Ranks (processes) deal out most of the work
 * of an audit (shares.h); every part of the audit ends with the same status on all ranks. */
#include "audit/run.h"
#include "audit/shares.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

enum { MOST_SHADOWS = 65536, MOST_MODELS = 10000 };

dkvb_status dkvb__audit_stage(const struct dkvb__audit *a, const char *name)
{
    if (a->o.stage && a->o.stage(a->o.user, name) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled by the stage callback before %s", name);
    return DKVB_OK;
}

/* Checks that the audited model and the model before the forget request have the same keys, classes and ranks
 * (processes), since only then answers can be compared. */
static dkvb_status check_before(const dkvb_model *model, const dkvb_model *before)
{
    if (memcmp(model->codebooks->birth, before->codebooks->birth, sizeof model->codebooks->birth) != 0)
        return dkvb__fail(DKVB_EMISMATCH,
                          "options: the model before has other keys: it must be what the audited one came from");
    if (model->classes != before->classes || model->top_k != before->top_k)
        return dkvb__fail(DKVB_EMISMATCH,
                          "options: the model has %u classes and top_k %u, the one before %u and %u: they must be the "
                          "same",
                          model->classes, model->top_k, before->classes, before->top_k);
    return DKVB_OK;
}

static dkvb_status take_options(struct dkvb__audit *a, const dkvb_audit_rows *rows, const dkvb_audit_options *opts)
{
    dkvb_status rc = dkvb__take_options(&a->given, sizeof a->given, rows, "audit rows");

    if (!rc)
        rc = dkvb__take_options(&a->o, sizeof a->o, opts, "audit options");
    if (!rc)
        rc = dkvb__train_options_take(&a->train, a->o.train);
    if (rc)
        return rc;
    if (a->o.shadows % 2 || (a->o.shadows > 0 && a->o.shadows < 4) || a->o.shadows > MOST_SHADOWS)
        return dkvb__fail(DKVB_EINVAL, "options: %u shadows, there must be 0, or an even number from 4 to %d",
                          a->o.shadows, MOST_SHADOWS);
    if (a->o.rmia_models % 2 || a->o.rmia_models > MOST_SHADOWS)
        return dkvb__fail(DKVB_EINVAL, "options: %u rmia_models, there must be 0, or an even number from 2 to %d",
                          a->o.rmia_models, MOST_SHADOWS);
    if (a->o.models == 1 || a->o.models > MOST_MODELS)
        return dkvb__fail(DKVB_EINVAL, "options: %u models, there must be 0, or 2 to %d", a->o.models, MOST_MODELS);
    if (a->o.train && a->o.codeset)
        return dkvb__fail(DKVB_EINVAL, "options: both train and codeset say how the model was trained, one of them "
                                       "must be NULL");
    if (a->o.before && (rc = check_before(a->model, a->o.before)))
        return rc;
    a->train.report = NULL;
    a->train.ids = NULL;
    a->shadows = a->o.shadows > a->o.rmia_models ? a->o.shadows : a->o.rmia_models;
    a->before = a->o.before;
    a->base = a->before ? a->before : a->model;
    a->n = a->given.n;
    a->classes = a->model->classes;
    a->k = a->model->top_k;
    a->code = dkvb__code_size(a->model);
    return DKVB_OK;
}

static dkvb_status make_report(struct dkvb__audit *a)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_status rc = dkvb_model_get_info(a->model, &info);

    if (rc)
        return rc;
    a->report = dkvb__audit_report_new(a->classes, a->mem);
    if (!a->report)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the report of %u classes", a->classes);
    a->marks = a->report->forgotten;
    a->report->seen.masked_pairs = info.masked_pairs;
    a->report->seen.purged_pairs = info.purged_pairs;
    a->report->seen.shadows = a->o.shadows;
    a->report->seen.rmia_models = a->o.rmia_models;
    a->report->seen.models = a->o.models;
    return DKVB_OK;
}

static dkvb_status estimate_all(struct dkvb__audit *a)
{
    dkvb_status rc = DKVB_OK;

    for (uint32_t s = 0; s < DKVB_AUDIT_SUBJECTS; s++) {
        for (uint32_t f = 0; !rc && f < DKVB_AUDIT_FIGURES; f++)
            if (a->rows[s][f])
                rc = dkvb__audit_estimate(&a->report->figure[s][f], a->rows[s][f], a->rows[DKVB_AUDIT_RETRAINED][f],
                                          dkvb__audit_kind(f) == DKVB_AUDIT_AUC_CLASS ? a->class_test : a->member,
                                          dkvb__audit_rows_of(a, f), a->mem);
        for (uint32_t g = 0; !rc && g < DKVB__KLOM_GROUPS; g++)
            dkvb__audit_widen(&a->report->figure[s][DKVB_AUDIT_KLOM_FORGOTTEN + g], a->klom_noise[s][g]);
        if (!rc && a->report->there[s])
            dkvb__audit_estimate_gap(a->report->figure[s]);
    }
    a->report->seen.members = a->members;
    a->report->seen.others = a->class_tests;
    a->report->seen.rest = a->tests - a->class_tests;
    a->report->seen.retained = a->retains;
    return rc;
}

/* Frees the memory of an audit, and erases memory that held rows, since forgotten rows are among them. */
static void audit_free(struct dkvb__audit *a)
{
    struct dkvb__coded *const coded[] = {&a->first, &a->masked, &a->earlier};
    void *const of_rows[] = {a->searched,    a->logits,   a->margins,   a->labels,     a->retained,
                             a->target,      a->target_y, a->forgotten, a->inside,     a->prototype,
                             a->prototype_y, a->ids,      a->gone,      a->gone_before};
    void *const others[] = {a->order,    a->test_y,     a->member,  a->class_test,
                            a->attacker, a->attacker_y, a->answers, a->reference};

    for (size_t i = 0; i < sizeof coded / sizeof *coded; i++) {
        dkvb__free_erased(a->mem, coded[i]->all);
        dkvb__free_erased(a->mem, coded[i]->targets);
        dkvb__free_erased(a->mem, coded[i]->attacker);
        dkvb__free_erased(a->mem, coded[i]->prototypes);
    }
    for (size_t i = 0; i < sizeof of_rows / sizeof *of_rows; i++)
        dkvb__free_erased(a->mem, of_rows[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        dkvb__free(a->mem, others[i]);
    for (size_t s = 0; s < DKVB_AUDIT_SUBJECTS; s++)
        for (size_t f = 0; f < DKVB_AUDIT_FIGURES; f++)
            dkvb__free_erased(a->mem, a->rows[s][f]);
}

dkvb_status dkvb_audit_run(dkvb_audit_report **report, const dkvb_model *model, const dkvb_audit_request *request,
                           const dkvb_audit_rows *rows, const dkvb_audit_options *opts, const dkvb_run_options *run)
{
    dkvb_audit_request who = DKVB_AUDIT_REQUEST_INIT;
    struct dkvb__audit a = {.model = model,
                            .mem = &model->mem,
                            .given = DKVB_AUDIT_ROWS_INIT,
                            .o = DKVB_AUDIT_OPTIONS_INIT,
                            .train = DKVB_TRAIN_OPTIONS_INIT};
    static dkvb_status (*const parts[])(struct dkvb__audit *) = {dkvb__audit_ask_replays,  dkvb__audit_search,
                                                                 dkvb__audit_make_shadows, dkvb__audit_attack,
                                                                 dkvb__audit_ensembles,    estimate_all};
    dkvb_status rc = dkvb__run_take(&a.run, run);

    *report = NULL;
    if (!rc)
        rc = dkvb__ranks_take(&a.ranks, a.run.ranks);
    if (rc)
        return rc;
    rc = dkvb__take_options(&who, sizeof who, request, "audit request");
    if (!rc)
        rc = take_options(&a, rows, opts);
    if (!rc)
        rc = make_report(&a);
    rc = dkvb__audit_check_ranks(&a, &who, rc);
    if (!rc)
        rc = dkvb__ranks_agree(&a.ranks, dkvb__audit_take_rows(&a, &who));
    for (size_t i = 0; !rc && i < sizeof parts / sizeof *parts; i++)
        /* A part of the audit fails on all ranks (processes) if it fails on one of them. */
        rc = dkvb__ranks_agree(&a.ranks, parts[i](&a));
    audit_free(&a);
    if (rc)
        dkvb_audit_report_free(a.report ? &a.report->seen : NULL);
    else
        *report = &a.report->seen;
    return rc;
}
