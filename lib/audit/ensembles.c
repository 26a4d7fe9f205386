/*
 * KLoM over many models: what was done to the audited model is done again to models of other seeds, and their margins
 * are compared with those of as many retrained models. Margins are all that is kept of a model.
 */
#include <string.h>

#include "audit/klom.h"
#include "audit/margins.h"
#include "audit/run.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "dkvb/plan.h"
#include "dkvb/search.h"
#include "dkvb/unlearn.h"
#include "unlearn/journal.h"

/* Ensembles: models of as many seeds each. Two of retrained ones; how far these two are apart is the noise floor. */
enum { UNLEARNED, BEFORE, DROPPED, RETRAINED, RETRAINED_AGAIN, ENSEMBLES };
enum { GROUPS = DKVB__KLOM_GROUPS, MOST_ROWS = 1000 };

static const char *const group_names[GROUPS] = {"forgotten rows", "retained rows", "test rows of the classes",
                                                "other test rows"};

struct ensembles {
    struct dkvb__audit *a;
    size_t rows;            /* of all groups together */
    size_t dim;             /* columns of a row */
    float *x;               /* [rows][dim] */
    int32_t *y;             /* [rows] */
    uint16_t *codes;        /* [rows][code], without a mask */
    uint16_t *earlier;      /* the same under the mask of the model before; or NULL: it has none */
    uint16_t *masked;       /* [rows][code], of the model at work */
    float *logits;          /* [rows][classes] */
    double *margins;        /* [rows] */
    float *kept[ENSEMBLES]; /* [models][rows], margins; NULL: an ensemble that is not made */
    uint8_t *marks;         /* [classes], of a request */
    uint64_t *ids;          /* [members], of the forgotten rows */
    bool exact;             /* the audited model's values were trained again without rows */
    bool planned;           /* every request of the present model was planned anew */
};

/* Candidates for a group, numbers of rows: of the training file, or among the test rows as they are sorted. */
static size_t list_group(const struct dkvb__audit *a, size_t group, size_t *rows)
{
    size_t count = 0, first = group == 2 ? 0 : a->class_tests, end = group == 2 ? a->class_tests : a->tests;

    if (group < 2) {
        for (size_t r = 0; r < a->n; r++)
            if (group == 0 ? a->forgotten[r] != 0 : a->retained[r] >= 0)
                rows[count++] = r;
        return count;
    }
    for (size_t r = first; r < end; r++)
        rows[count++] = r;
    return count;
}

/* A row's name for the draw: the id that it had in training, or its number in the file of test rows. */
static uint64_t name_of(const struct dkvb__audit *a, size_t group, size_t row)
{
    if (group >= 2)
        return a->order[row];
    return a->given.ids ? a->given.ids[row] : row;
}

/* Take one row of a group to the end of all. */
static void take_row(struct ensembles *e, size_t group, size_t row)
{
    const struct dkvb__audit *a = e->a;
    const float *x = group < 2 ? a->given.x + row * e->dim : a->given.test_x + a->order[row] * e->dim;
    size_t coded = group < 2 ? row : a->n + row;

    memcpy(e->x + e->rows * e->dim, x, e->dim * sizeof *x);
    memcpy(e->codes + e->rows * a->code, a->first.all + coded * a->code, a->code * sizeof *e->codes);
    if (e->earlier)
        memcpy(e->earlier + e->rows * a->code, a->earlier.all + coded * a->code, a->code * sizeof *e->earlier);
    e->y[e->rows++] = group < 2 ? a->labels[row] : a->test_y[row];
}

/* At most MOST_ROWS rows of each group, those with the smallest random numbers of their ids: which rows are looked at
 * does not depend on any model. */
static dkvb_status choose_rows(struct ensembles *e)
{
    struct dkvb__audit *a = e->a;
    size_t most = a->n > a->tests ? a->n : a->tests;
    size_t *rows = dkvb__alloc(a->mem, most, sizeof *rows);
    struct dkvb__keyed *order = dkvb__alloc(a->mem, most, 2 * sizeof *order);

    for (size_t group = 0; rows && order && group < GROUPS; group++) {
        size_t count = list_group(a, group, rows), taken = count < MOST_ROWS ? count : MOST_ROWS;

        for (size_t i = 0; i < count; i++)
            order[i] = (struct dkvb__keyed){dkvb__rng_of_id(a->o.seed, group, name_of(a, group, rows[i])), rows[i]};
        dkvb__sort_keyed(order, order + most, count);
        for (size_t i = 0; i < taken; i++)
            take_row(e, group, order[i].index);
        a->klom_rows[group] = taken;
    }
    dkvb__free(a->mem, rows);
    dkvb__free(a->mem, order);
    return rows && order ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to choose among %zu rows", most);
}

static dkvb_status make_room(struct ensembles *e)
{
    const struct dkvb__audit *a = e->a;
    size_t most = (size_t)GROUPS * MOST_ROWS, count = 0;

    e->dim = a->base->codebooks->shape.input_dim;
    e->x = dkvb__alloc(a->mem, most, e->dim * sizeof *e->x);
    e->y = dkvb__alloc(a->mem, most, sizeof *e->y);
    e->codes = dkvb__alloc(a->mem, most, a->code * sizeof *e->codes);
    e->masked = dkvb__alloc(a->mem, most, a->code * sizeof *e->masked);
    e->logits = dkvb__alloc(a->mem, most, a->classes * sizeof *e->logits);
    e->margins = dkvb__alloc(a->mem, most, sizeof *e->margins);
    e->marks = dkvb__alloc(a->mem, a->classes, sizeof *e->marks);
    e->ids = dkvb__alloc(a->mem, a->members, sizeof *e->ids);
    if (a->earlier.all)
        e->earlier = dkvb__alloc(a->mem, most, a->code * sizeof *e->earlier);
    if (!e->x || !e->y || !e->codes || !e->masked || !e->logits || !e->margins || !e->marks || !e->ids ||
        (a->earlier.all && !e->earlier))
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", most);
    for (size_t r = 0; r < a->n; r++)
        if (a->forgotten[r])
            e->ids[count++] = a->given.ids ? a->given.ids[r] : r;
    return DKVB_OK;
}

static dkvb_status make_ensemble(struct ensembles *e, size_t ensemble)
{
    const struct dkvb__audit *a = e->a;

    e->kept[ensemble] = dkvb__alloc(a->mem, a->o.models, e->rows * sizeof **e->kept);
    return e->kept[ensemble] ? DKVB_OK
                             : dkvb__fail(DKVB_ENOMEM, "out of memory for the margins of %zu rows in %u models",
                                          e->rows, a->o.models);
}

/* Margins of one model of an ensemble: answers to the chosen rows, by these codes. */
static dkvb_status look(struct ensembles *e, const dkvb_model *model, size_t ensemble, uint32_t number,
                        const uint16_t *codes)
{
    struct dkvb__audit *a = e->a;
    const struct dkvb__answers answers = {e->logits, e->y, e->rows, a->classes, ensemble == DROPPED ? a->marks : NULL};
    dkvb_run_options run = dkvb__audit_steps(a);
    float *to = e->kept[ensemble] + (size_t)number * e->rows;
    dkvb_status rc = dkvb_model_decode(model, codes, a->k, e->rows, NULL, e->logits, &run);

    if (!rc)
        rc = dkvb__audit_margins(&answers, e->margins);
    for (size_t r = 0; !rc && r < e->rows; r++)
        to[r] = (float)e->margins[r];
    return rc;
}

/* The number of a method by the word that a journal has for it; 0: it names none that can be planned. */
static uint32_t method_of(const char *word)
{
    for (uint32_t m = DKVB_METHOD_ACTIVATIONS; m <= DKVB_METHOD_EVERY; m++)
        if (strcmp(word, dkvb_name(DKVB_NAME_METHOD, m)) == 0)
            return m;
    return 0;
}

/* The request that an entry of the journal came from, with the same terms. False where it cannot be told any more: the
 * journal commits to single rows without naming them, and only those of the audit are known. */
static bool recall(const struct ensembles *e, const dkvb_journal_entry *entry, dkvb_forget_request *q)
{
    const struct dkvb__audit *a = e->a;
    static const uint8_t salt[32] = {0}; /* of journals that nobody reads: no random source is asked */

    q->method = method_of(entry->method);
    if (!a->o.codeset || !q->method || (!entry->found && entry->budget == 0))
        return false;
    if (entry->by_class && dkvb_journal_get_terms(a->model, entry->id, e->marks, NULL) == DKVB_OK) {
        q->classes = e->marks;
    } else if (dkvb_journal_names_rows(a->model, entry->id, e->ids, a->members)) {
        q->ids = e->ids;
        q->id_count = a->members;
    } else {
        return false;
    }
    q->budget = entry->found ? 0 : entry->budget;
    q->target = entry->target;
    q->max_retain_drop = entry->max_retain_drop > 0.0 ? entry->max_retain_drop : q->max_retain_drop;
    q->max_class_loss = entry->max_class_loss > 0.0 ? entry->max_class_loss : q->max_class_loss;
    q->force = 1; /* a model that keeps what was to be forgotten, since a guard stopped it, would be another question */
    q->salt = salt;
    return true;
}

/* Plan the request of an entry anew on another model, and apply it. *done: it was not refused. */
static dkvb_status plan_anew(struct ensembles *e, dkvb_model *model, const dkvb_journal_entry *entry, bool *done)
{
    struct dkvb__audit *a = e->a;
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_plan_info info = DKVB_PLAN_INFO_INIT;
    dkvb_run_options run = dkvb__audit_steps(a);
    struct dkvb_codeset set; /* shares all rows: a plan of suppress only reads them, since they have codes */
    dkvb_plan *plan = NULL;
    dkvb_status rc;

    *done = false;
    if (!recall(e, entry, &q))
        return DKVB_OK;
    set = *a->o.codeset;
    rc = dkvb_forget_plan(&plan, model, &set, &q, &run);
    if (!rc)
        rc = dkvb_plan_get_info(plan, &info);
    if (!rc && (!info.refused || info.forced)) {
        rc = dkvb_forget_apply(plan, model, NULL, NULL);
        *done = !rc;
    }
    dkvb_plan_free(plan);
    return rc;
}

/* Mask in a model the very pairs that an entry of the audited model masked; 0: those of all entries in force. */
static dkvb_status copy_pairs(struct ensembles *e, dkvb_model *model, uint64_t entry)
{
    dkvb_mask *mask = NULL;
    dkvb_status rc = dkvb_journal_get_mask(e->a->model, entry, &mask);

    e->planned = false;
    if (!rc)
        rc = dkvb_model_forget(model, mask, NULL, NULL);
    dkvb_mask_free(mask);
    return rc;
}

/* Do to a model what was done to the audited one: every forgetting in force, in its order. */
static dkvb_status forget_again(struct ensembles *e, dkvb_model *model)
{
    const struct dkvb__journal *j = &e->a->model->journal;
    bool purged = false;
    dkvb_status rc = DKVB_OK;

    e->planned = true;
    for (uint64_t i = 0; !rc && i < j->count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
        bool done;

        rc = dkvb_journal_get(e->a->model, i, &entry);
        if (rc || entry.kind != DKVB_JOURNAL_FORGET || !entry.in_force || entry.again)
            continue; /* what is forgotten once more is part of the plan that weakened it */
        rc = plan_anew(e, model, &entry, &done);
        if (rc || done)
            continue;
        if (entry.state == DKVB_JOURNAL_PURGED)
            purged = true; /* its own list is gone */
        else
            rc = copy_pairs(e, model, entry.id);
    }
    return !rc && purged ? copy_pairs(e, model, 0) : rc;
}

/* Margins of a model that went the way of the audited one; it is changed. */
static dkvb_status look_at_unlearned(struct ensembles *e, dkvb_model *model, uint32_t number)
{
    struct dkvb__audit *a = e->a;
    dkvb_run_options run = dkvb__audit_steps(a);
    dkvb_status rc = forget_again(e, model);

    memcpy(e->masked, e->codes, e->rows * a->code * sizeof *e->masked);
    if (!rc)
        rc = dkvb_search_refresh(model, e->x, e->rows, a->k, e->masked, NULL, &run);
    if (!rc)
        rc = look(e, model, UNLEARNED, number, e->masked);
    a->report->seen.planned += !rc && e->planned;
    return rc;
}

/* The model of one seed that learned everything: as it is, and after it forgot. */
static dkvb_status make_full(struct ensembles *e, uint32_t number)
{
    struct dkvb__audit *a = e->a;
    const uint16_t *codes = e->earlier ? e->earlier : e->codes;
    dkvb_model *model = NULL;
    dkvb_status rc = DKVB_OK;

    if (e->exact && !e->kept[BEFORE])
        return DKVB_OK;
    rc = dkvb__audit_train_anew(a, &model, a->first.all, a->labels, a->train.seed + 1 + number);
    if (!rc && e->kept[BEFORE])
        rc = look(e, model, BEFORE, number, codes);
    if (!rc && e->kept[DROPPED])
        rc = look(e, model, DROPPED, number, codes);
    if (!rc && !e->exact)
        rc = look_at_unlearned(e, model, number);
    dkvb_model_free(model);
    return rc ? rc : dkvb__audit_finish_step(a);
}

/* A model trained without the forgotten rows. Where the audited one was trained again too, a replay without the rows on
 * the same keys is exactly this, so an unlearned model is one whose seed no retrained model has. */
static dkvb_status make_retrained(struct ensembles *e, size_t ensemble, uint32_t number)
{
    struct dkvb__audit *a = e->a;
    uint64_t part = ensemble == UNLEARNED ? 0 : ensemble == RETRAINED ? 1 : 2;
    dkvb_model *model = NULL;
    dkvb_status rc =
        dkvb__audit_train_anew(a, &model, a->first.all, a->retained, a->train.seed + 1 + part * a->o.models + number);

    if (!rc && ensemble == UNLEARNED)
        rc = look_at_unlearned(e, model, number);
    else if (!rc)
        rc = look(e, model, ensemble, number, e->codes);
    dkvb_model_free(model);
    return rc ? rc : dkvb__audit_finish_step(a);
}

static dkvb_status make_models(struct ensembles *e)
{
    struct dkvb__audit *a = e->a;
    dkvb_status rc = DKVB_OK;

    a->done = 0;
    a->total = (uint64_t)a->o.models * (uint64_t)(2 + e->exact + (!e->exact || e->kept[BEFORE]));
    for (uint32_t i = 0; !rc && i < a->o.models; i++) {
        rc = make_full(e, i);
        if (!rc && e->exact)
            rc = make_retrained(e, UNLEARNED, i);
        if (!rc)
            rc = make_retrained(e, RETRAINED, i);
        if (!rc)
            rc = make_retrained(e, RETRAINED_AGAIN, i);
    }
    return rc;
}

/* Row by row, group by group: how far an ensemble is from the first retrained one, and what of it may be noise. */
static dkvb_status compare(struct ensembles *e, size_t ensemble, uint32_t who)
{
    struct dkvb__audit *a = e->a;
    dkvb_status rc = DKVB_OK;
    size_t first = 0;

    if (!e->kept[ensemble] || !a->report->there[who])
        return DKVB_OK;
    dkvb__audit_klom(e->kept[ensemble], e->kept[RETRAINED], a->o.models, e->rows, e->margins);
    for (uint32_t group = 0; !rc && group < GROUPS; group++) {
        double **to = &a->rows[who][DKVB_AUDIT_KLOM_FORGOTTEN + group];

        *to = dkvb__alloc(a->mem, a->klom_rows[group], sizeof **to);
        if (!*to)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for KLoM of %zu %s", a->klom_rows[group], group_names[group]);
        else if (a->klom_rows[group] > 0)
            memcpy(*to, e->margins + first, a->klom_rows[group] * sizeof **to);
        first += a->klom_rows[group];
    }
    if (!rc && ensemble != RETRAINED_AGAIN) {
        const struct dkvb__klom_pair pair = {e->kept[ensemble], e->kept[RETRAINED_AGAIN], e->kept[RETRAINED],
                                             a->o.models, e->rows};

        rc = dkvb__audit_klom_noise(&pair, a->klom_rows, GROUPS, a->o.seed, a->klom_noise[who], a->mem, &a->run);
    }
    return rc ? rc : dkvb__report(&a->run, a->done, a->total);
}

static dkvb_status compare_all(struct ensembles *e)
{
    dkvb_status rc = compare(e, UNLEARNED, DKVB_AUDIT_MODEL);

    if (!rc)
        rc = compare(e, BEFORE, DKVB_AUDIT_BEFORE);
    if (!rc)
        rc = compare(e, DROPPED, DKVB_AUDIT_DROPPED);
    if (!rc)
        rc = compare(e, RETRAINED_AGAIN, DKVB_AUDIT_REPLAY);
    return rc ? rc : compare(e, RETRAINED_AGAIN, DKVB_AUDIT_RETRAINED);
}

static void ensembles_free(struct ensembles *e)
{
    void *const blocks[] = {e->x, e->y, e->codes, e->earlier, e->masked, e->logits, e->margins, e->marks, e->ids};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        dkvb__free_erased(e->a->mem, blocks[i]);
    for (size_t i = 0; i < ENSEMBLES; i++)
        dkvb__free_erased(e->a->mem, e->kept[i]);
}

static bool was_replayed(const dkvb_model *model)
{
    for (size_t i = 0; i < model->journal.count; i++)
        if (model->journal.records[i].kind == DKVB_JOURNAL_REPLAY && dkvb__record_in_force(&model->journal.records[i]))
            return true;
    return false;
}

dkvb_status dkvb__audit_ensembles(struct dkvb__audit *a)
{
    struct ensembles e = {.a = a, .exact = was_replayed(a->model)};
    dkvb_status rc;

    if (a->o.models == 0)
        return DKVB_OK;
    rc = dkvb__audit_stage(a, "models");
    for (uint32_t part = 0; !rc && a->o.codeset && part < DKVB__PARTS; part++)
        rc = dkvb__codeset_need_codes(a->o.codeset, part);
    if (!rc)
        rc = make_room(&e);
    if (!rc)
        rc = choose_rows(&e);
    for (size_t i = 0; !rc && i < ENSEMBLES; i++)
        if ((i != BEFORE || a->before) && (i != DROPPED || a->report->there[DKVB_AUDIT_DROPPED]))
            rc = make_ensemble(&e, i);
    if (!rc)
        rc = make_models(&e);
    if (!rc)
        rc = compare_all(&e);
    ensembles_free(&e);
    return rc;
}
