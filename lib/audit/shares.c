#include "audit/shares.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/ranks.h"
#include "base/ranks_same.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/outside.h"
#include "bottleneck/train_record.h"
#include "bottleneck/value_types.h"
#include "dkvb/search.h"

/* Adds the bytes of an array to a checksum that is compared between ranks (processes). A NULL array adds nothing to the
 * checksum of inputs on which the ranks (processes) must agree. */
static void add(struct dkvb__checksum_state *sum, const void *data, size_t count, size_t size)
{
    dkvb__checksum_add(sum, &count, sizeof count);
    if (data && count > 0)
        dkvb__checksum_add(sum, data, count * size);
}

/* Adds to a checksum all parts of a model on which its answers and the attacks on it depend. */
static void add_model(struct dkvb__checksum_state *sum, const dkvb_model *m)
{
    const struct dkvb__journal *j = &m->journal;

    add(sum, m->codebooks->birth, sizeof m->codebooks->birth, 1);
    add(sum, &m->classes, 1, sizeof m->classes);
    add(sum, &m->top_k, 1, sizeof m->top_k);
    add(sum, m->values, dkvb__pair_count(m) * m->classes, dkvb__value_size(m->values_dtype));
    add(sum, m->mask->bits, m->mask->codebooks * m->mask->words, sizeof *m->mask->bits);
    for (size_t i = 0; i < j->count; i++) {
        add(sum, &j->records[i].state, 1, sizeof j->records[i].state);
        add(sum, j->records[i].head, sizeof j->records[i].head, 1);
    }
}

static uint64_t sum_of_models(const struct dkvb__audit *a)
{
    struct dkvb__checksum_state sum;

    dkvb__checksum_begin(&sum);
    add_model(&sum, a->model);
    if (a->before)
        add_model(&sum, a->before);
    return dkvb__checksum_end(&sum);
}

static uint64_t sum_of_rows(const float *x, const int32_t *labels, const uint64_t *ids, size_t n, size_t dim)
{
    struct dkvb__checksum_state sum;

    dkvb__checksum_begin(&sum);
    add(&sum, x, n, dim * sizeof *x);
    add(&sum, labels, n, sizeof *labels);
    add(&sum, ids, n, sizeof *ids);
    return dkvb__checksum_end(&sum);
}

static uint64_t sum_of_codeset(const dkvb_codeset *set)
{
    struct dkvb__checksum_state sum;

    dkvb__checksum_begin(&sum);
    for (size_t p = 0; set && p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *part = &set->part[p];

        add(&sum, part->ids, part->n, sizeof *part->ids);
        add(&sum, part->labels, part->n, sizeof *part->labels);
        add(&sum, part->sessions, part->n, sizeof *part->sessions);
        add(&sum, part->codes, part->n, dkvb__coderows_code_size(set, part) * sizeof *part->codes);
    }
    return dkvb__checksum_end(&sum);
}

static uint64_t sum_of_options(const struct dkvb__audit *a, const dkvb_audit_request *q)
{
    const uint64_t numbers[] = {a->o.shadows,         a->o.seed,        a->o.rmia_models, a->o.models,
                                a->o.codeset != NULL, a->before != NULL};
    unsigned char training[DKVB__TRAINING_SIZE];
    struct dkvb__checksum_state sum;

    dkvb__train_options_pack(&a->train, training);
    dkvb__checksum_begin(&sum);
    add(&sum, numbers, sizeof numbers / sizeof *numbers, sizeof *numbers);
    add(&sum, training, sizeof training, 1);
    add(&sum, q->classes, q->classes ? a->classes : 0, 1);
    add(&sum, q->rows, q->row_count, sizeof *q->rows);
    return dkvb__checksum_end(&sum);
}

dkvb_status dkvb__audit_check_ranks(const struct dkvb__audit *a, const dkvb_audit_request *request, dkvb_status rc)
{
    struct dkvb__ranks_input inputs[] = {
        {"options of the audit", 0}, {"models", 0}, {"training rows", 0}, {"test rows", 0}, {"codesets", 0}};

    if (a->ranks.count == 1)
        return rc;
    if (!rc && (a->model->codebooks->ranks.count > 1 || a->base->codebooks->ranks.count > 1))
        rc = dkvb__fail(DKVB_EINVAL, "options: ranks share the values of the model, so they cannot deal out the models "
                                     "of its audit: every rank must have the model whole, or the run options no ranks");
    if (!rc) {
        size_t dim = a->base->codebooks->shape.input_dim;
        const dkvb_audit_rows *g = &a->given;

        inputs[0].sum = sum_of_options(a, request);
        inputs[1].sum = sum_of_models(a);
        inputs[2].sum = sum_of_rows(g->x, g->labels, g->ids, g->n, dim);
        inputs[3].sum = sum_of_rows(g->test_x, g->test_labels, NULL, g->test_n, dim);
        inputs[4].sum = sum_of_codeset(a->o.codeset);
    }
    return dkvb__ranks_same(&a->ranks, inputs, sizeof inputs / sizeof *inputs, rc);
}

/* Returns the run options for searching the codes of the audit's rows, with progress reports. */
static dkvb_run_options search_run(const struct dkvb__audit *a)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = a->run.threads;
    run.progress = a->run.progress;
    run.user = a->run.user;
    return run;
}

/* Adds up, over all ranks (processes), the counts of rows outside the scale of the keys, so that they equal the counts
 * of a search of all rows by one process. */
static dkvb_status pass_outside(const struct dkvb__audit *a, const dkvb_outside *own, dkvb_outside *outside)
{
    dkvb_outside *all = dkvb__alloc(a->mem, a->ranks.count, sizeof *all);
    dkvb_status rc = all ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for counts of %u ranks", a->ranks.count);

    rc = dkvb__ranks_agree(&a->ranks, rc);
    if (!rc) {
        all[a->ranks.rank] = *own;
        rc = dkvb__ranks_share_evenly(&a->ranks, all, a->ranks.count, sizeof *all);
    }
    for (uint32_t r = 0; !rc && r < a->ranks.count; r++)
        dkvb__outside_join(outside, &all[r]);
    dkvb__free(a->mem, all);
    return rc;
}

dkvb_status dkvb__audit_search_rows(const struct dkvb__audit *a, const float *x, size_t n, uint16_t *codes,
                                    dkvb_outside *outside)
{
    size_t first = dkvb__ranks_first(&a->ranks, n, a->ranks.rank);
    size_t end = dkvb__ranks_first(&a->ranks, n, a->ranks.rank + 1);
    dkvb_run_options run = search_run(a);
    dkvb_outside own = DKVB_OUTSIDE_INIT;
    dkvb_status rc = DKVB_OK;

    run.outside = a->ranks.count > 1 ? &own : outside;
    if (end > first || a->ranks.count == 1)
        rc = dkvb_search(a->base->codebooks, NULL, x + first * a->base->codebooks->shape.input_dim, end - first, a->k,
                         codes + first * a->code, NULL, &run);
    rc = dkvb__ranks_agree(&a->ranks, rc);
    if (!rc)
        rc = dkvb__ranks_share_evenly(&a->ranks, codes, n, a->code * sizeof *codes);
    return rc || a->ranks.count == 1 ? rc : pass_outside(a, &own, outside);
}

dkvb_status dkvb__audit_refresh_rows(const struct dkvb__audit *a, const dkvb_model *model, const float *x, size_t n,
                                     uint16_t *codes)
{
    size_t first = dkvb__ranks_first(&a->ranks, n, a->ranks.rank);
    size_t end = dkvb__ranks_first(&a->ranks, n, a->ranks.rank + 1);
    dkvb_run_options run = search_run(a);
    dkvb_status rc = DKVB_OK;

    if (end > first || a->ranks.count == 1)
        rc = dkvb_search_refresh(model, x + first * a->base->codebooks->shape.input_dim, end - first, a->k,
                                 codes + first * a->code, NULL, &run);
    rc = dkvb__ranks_agree(&a->ranks, rc);
    return rc ? rc : dkvb__ranks_share_evenly(&a->ranks, codes, n, a->code * sizeof *codes);
}

/* Returns the rank (process) that attacks an audited model; models are dealt out to the ranks one by one. One rank
 * (process) attacks the model before the forget request in two forms, with all logit columns and with some left out,
 * since the attack on the second form copies recovery scores of the first. */
uint32_t dkvb__audit_attacker_of(const struct dkvb__audit *a, uint32_t subject)
{
    static const uint32_t place[DKVB_AUDIT_SUBJECTS] = {[DKVB_AUDIT_RETRAINED] = 0,
                                                        [DKVB_AUDIT_REPLAY] = 1,
                                                        [DKVB_AUDIT_MODEL] = 2,
                                                        [DKVB_AUDIT_BEFORE] = 3,
                                                        [DKVB_AUDIT_DROPPED] = 3};

    return place[subject] % a->ranks.count;
}

/* Returns the rank (process) that measured a figure of an audited model and has its values. The rank (process) that
 * attacks the second retrained model measures how much both retrained models agree. */
static uint32_t owner_of(const struct dkvb__audit *a, uint32_t subject, uint32_t figure)
{
    bool agreement = figure == DKVB_AUDIT_AGREEMENT_CLASS || figure == DKVB_AUDIT_AGREEMENT_REST;

    return dkvb__audit_attacker_of(a, agreement && subject == DKVB_AUDIT_RETRAINED ? DKVB_AUDIT_REPLAY : subject);
}

/* Passes an array of one rank (process) to all ranks. */
static dkvb_status pass(const struct dkvb__audit *a, uint32_t owner, void *array, size_t items, size_t size)
{
    size_t first[DKVB_RANKS_COUNT + 1];

    for (uint32_t r = 0; r <= a->ranks.count; r++)
        first[r] = r > owner ? items : 0;
    return dkvb__ranks_share(&a->ranks, array, first, size);
}

dkvb_status dkvb__audit_pass_figures(struct dkvb__audit *a)
{
    uint8_t measured[DKVB_AUDIT_SUBJECTS][DKVB_AUDIT_FIGURES];
    dkvb_status rc = DKVB_OK;

    if (a->ranks.count == 1)
        return DKVB_OK;
    for (uint32_t s = 0; !rc && s < DKVB_AUDIT_SUBJECTS; s++) {
        rc = pass(a, dkvb__audit_attacker_of(a, s), &a->report->there[s], 1, sizeof a->report->there[s]);
        for (uint32_t f = 0; !rc && f < DKVB_AUDIT_FIGURES; f++) {
            measured[s][f] = a->rows[s][f] != NULL;
            rc = pass(a, owner_of(a, s, f), &measured[s][f], 1, 1);
        }
    }
    if (rc)
        return rc;
    for (uint32_t s = 0; !rc && s < DKVB_AUDIT_SUBJECTS; s++)
        for (uint32_t f = 0; !rc && f < DKVB_AUDIT_FIGURES; f++)
            if (measured[s][f] && !a->rows[s][f])
                rc = dkvb__audit_make_rows(a, s, f);
    rc = dkvb__ranks_agree(&a->ranks, rc);
    for (uint32_t s = 0; !rc && s < DKVB_AUDIT_SUBJECTS; s++)
        for (uint32_t f = 0; !rc && f < DKVB_AUDIT_FIGURES; f++)
            if (measured[s][f])
                rc = pass(a, owner_of(a, s, f), a->rows[s][f], dkvb__audit_rows_of(a, f), sizeof **a->rows[s]);
    return rc;
}
