/*
 * Computes KLoM, a divergence between the margins of unlearned and of retrained models, over many models. For the
 * measure KLoM, models trained with other seeds go through the same forgettings as the audited model, and their margins
 * are compared with the margins of an equal number of retrained models. Only the margins of each model for the measure
 * KLoM stay in memory, not the model.
 */
#include <string.h>

#include "audit/klom.h"
#include "audit/margins.h"
#include "audit/run.h"
#include "base/alloc.h"
#include "base/ranks.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "dkvb/plan.h"
#include "dkvb/search.h"
#include "dkvb/unlearn.h"
#include "unlearn/evidence.h"

/* Ensembles of models for the measure KLoM; all ensembles have the same number of models, as each has one model for
 * each seed. Two of the ensembles for the measure KLoM are retrained models; the KLoM between the two is the noise
 * floor. */
enum { UNLEARNED, BEFORE, DROPPED, RETRAINED, RETRAINED_AGAIN, ENSEMBLES };
enum { GROUPS = DKVB__KLOM_GROUPS, MOST_ROWS = 1000 };

static const char *const group_names[GROUPS] = {"forgotten rows", "retained rows", "test rows of the classes",
                                                "other test rows"};

struct ensembles {
    struct dkvb__audit *a;
    size_t rows;     /* number of rows chosen for the measure KLoM, in all groups of rows together */
    size_t dim;      /* number of features of a row chosen for the measure KLoM */
    float *x;        /* features of the rows chosen for the measure KLoM, [rows][dim] */
    int32_t *y;      /* labels of the rows chosen for the measure KLoM, [rows] */
    uint16_t *codes; /* codes of the rows chosen for the measure KLoM without a mask, [rows][code] */
    /* codes of the rows chosen for the measure KLoM under the mask of the model before the forget request; NULL if that
     * model has no mask */
    uint16_t *earlier;
    /* codes of the rows chosen for the measure KLoM under the mask of the model that is being measured, [rows][code] */
    uint16_t *masked;
    float *logits;   /* scratch space for the logits of the rows chosen for the measure KLoM, [rows][classes] */
    double *margins; /* scratch space for the margins of the rows chosen for the measure KLoM, [rows] */
    /* margins of the rows in the models of each ensemble, [models][rows]; NULL if the ensemble is not made */
    float *kept[ENSEMBLES];
    uint8_t *marks; /* marks of the classes that the forget request of an audited model names, [classes] */
    /* labels of the training rows as the audited model learned them, [n]; rows that replays (trainings without
     * forgotten rows) left out have no label */
    int32_t *full;
    int32_t *earlier_full; /* labels of the training rows as the model before the forget request learned them, [n] */
    /* The labels from which retrained models learn, [n]: -1 for forgotten rows, otherwise the labels that the audited
     * model learned. */
    int32_t *without;
    /* The rows of the codeset without the rows that replays (trainings without forgotten rows) left out; this is a copy
     * of the codeset if there is a replay. */
    struct dkvb_codeset left;
    /* ids of the rows that a replay removes from the codeset's copy, at most as many as the codeset has rows */
    uint64_t *gone_ids;
    uint8_t *gone_rows; /* scratch space for one mark for each row of the codeset */
    bool apart;         /* true if the model before the forget request learned other rows than the audited model */
    /* true if all forget requests of the audited model were planned again on the model that is measured now */
    bool planned;
};

/* Finds the rows that a replay (a training without forgotten rows) left out: the rows of marked classes,
 * marks[classes], or exactly the forgotten rows. If a replay left out rows that are neither whole classes nor the
 * forgotten rows of the audit, the journal has only a hash of these rows and does not name them, so no other model can
 * be trained without them, and the result is DKVB_EINVAL. */
static dkvb_status ask_replay(const struct dkvb__audit *a, const dkvb_model *model, const dkvb_journal_entry *entry,
                              uint8_t *marks, bool *members)
{
    dkvb_status rc = dkvb_journal_get_terms(model, entry->id, marks, NULL);

    *members = false;
    if (rc || entry->by_class)
        return rc;
    rc = dkvb__record_names_rows(model, (size_t)entry->id - 1, a->ids, a->members, members);
    if (!rc && !*members)
        rc = dkvb__fail(DKVB_EINVAL,
                        "options: KLoM cannot be measured: journal entry %llu of the model%s trained values again "
                        "without rows that cannot be told, since they are not exactly the forgotten rows, or the "
                        "salt of the entry is gone; 0 models leave KLoM out",
                        (unsigned long long)entry->id, model == a->model ? "" : " before");
    return rc;
}

/* Finds the rows that the values of a model never learned, since a replay in force (a training without forgotten rows)
 * left these rows out; gone[i] becomes 1 for such a row i. */
static dkvb_status find_gone(struct dkvb__audit *a, const dkvb_model *model, uint8_t *marks, uint8_t *gone)
{
    dkvb_status rc = DKVB_OK;

    for (uint64_t i = 0; !rc && i < model->journal.count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
        bool members;

        rc = dkvb_journal_get(model, i, &entry);
        if (rc || entry.kind != DKVB_JOURNAL_REPLAY || !entry.in_force)
            continue;
        a->replayed = a->replayed || model == a->model;
        rc = ask_replay(a, model, &entry, marks, &members);
        for (size_t r = 0; !rc && r < a->n; r++)
            gone[r] |= (members && a->forgotten[r]) || (a->labels[r] >= 0 && marks[a->labels[r]] == DKVB_FORGET);
    }
    return rc;
}

dkvb_status dkvb__audit_ask_replays(struct dkvb__audit *a)
{
    uint8_t *marks;
    size_t count = 0;
    dkvb_status rc;

    if (a->o.models == 0)
        return DKVB_OK;
    marks = dkvb__alloc(a->mem, a->classes, sizeof *marks);
    a->ids = dkvb__alloc(a->mem, a->members, sizeof *a->ids);
    a->gone = dkvb__alloc0(a->mem, a->n, sizeof *a->gone);
    a->gone_before = dkvb__alloc0(a->mem, a->n, sizeof *a->gone_before);
    if (!marks || !a->ids || !a->gone || !a->gone_before) {
        dkvb__free(a->mem, marks);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the ids of %zu rows", a->members);
    }
    for (size_t r = 0; r < a->n; r++)
        if (a->forgotten[r])
            a->ids[count++] = a->given.ids ? a->given.ids[r] : r;
    rc = find_gone(a, a->model, marks, a->gone);
    if (!rc && a->before)
        rc = find_gone(a, a->before, marks, a->gone_before);
    dkvb__free(a->mem, marks);
    return rc;
}

/* Lists the rows that may be chosen for one group of rows of the measure KLoM, by their numbers in the training file,
 * or by their places among the sorted test rows. */
static size_t list_group(const struct ensembles *e, size_t group, size_t *rows)
{
    const struct dkvb__audit *a = e->a;
    size_t count = 0, first = group == 2 ? 0 : a->class_tests, end = group == 2 ? a->class_tests : a->tests;

    if (group < 2) {
        for (size_t r = 0; r < a->n; r++)
            if (group == 0 ? a->forgotten[r] != 0 : e->without[r] >= 0)
                rows[count++] = r;
        return count;
    }
    for (size_t r = first; r < end; r++)
        rows[count++] = r;
    return count;
}

/* Returns the number by which a row is chosen at random: the row's id in training, or its number in the file of test
 * rows. */
static uint64_t name_of(const struct dkvb__audit *a, size_t group, size_t row)
{
    if (group >= 2)
        return a->order[row];
    return a->given.ids ? a->given.ids[row] : row;
}

/* Appends one row to the list of all rows on which KLoM is measured, a list sorted by groups of rows. */
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

/* Chooses at most MOST_ROWS rows of each group of rows for the measure KLoM: those whose ids have the smallest random
 * numbers. The choice of the rows for the measure KLoM does not depend on any model. */
static dkvb_status choose_rows(struct ensembles *e)
{
    struct dkvb__audit *a = e->a;
    size_t most = a->n > a->tests ? a->n : a->tests;
    size_t *rows = dkvb__alloc(a->mem, most, sizeof *rows);
    struct dkvb__keyed *order = dkvb__alloc(a->mem, most, 2 * sizeof *order);

    for (size_t group = 0; rows && order && group < GROUPS; group++) {
        size_t count = list_group(e, group, rows), taken = count < MOST_ROWS ? count : MOST_ROWS;

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
    size_t most = (size_t)GROUPS * MOST_ROWS;

    e->dim = a->base->codebooks->shape.input_dim;
    e->x = dkvb__alloc(a->mem, most, e->dim * sizeof *e->x);
    e->y = dkvb__alloc(a->mem, most, sizeof *e->y);
    e->codes = dkvb__alloc(a->mem, most, a->code * sizeof *e->codes);
    e->masked = dkvb__alloc(a->mem, most, a->code * sizeof *e->masked);
    e->logits = dkvb__alloc(a->mem, most, a->classes * sizeof *e->logits);
    e->margins = dkvb__alloc(a->mem, most, sizeof *e->margins);
    e->marks = dkvb__alloc(a->mem, a->classes, sizeof *e->marks);
    if (a->earlier.all)
        e->earlier = dkvb__alloc(a->mem, most, a->code * sizeof *e->earlier);
    if (!e->x || !e->y || !e->codes || !e->masked || !e->logits || !e->margins || !e->marks ||
        (a->earlier.all && !e->earlier))
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", most);
    return DKVB_OK;
}

/* Chooses the rows that each kind of model for the measure KLoM is trained on. Rows that replays (trainings without
 * forgotten rows) left out of all models are not used by the measure KLoM, as no model of any ensemble has learned
 * them. */
static dkvb_status make_labels(struct ensembles *e)
{
    const struct dkvb__audit *a = e->a;

    e->full = dkvb__alloc(a->mem, a->n, sizeof *e->full);
    e->earlier_full = dkvb__alloc(a->mem, a->n, sizeof *e->earlier_full);
    e->without = dkvb__alloc(a->mem, a->n, sizeof *e->without);
    if (!e->full || !e->earlier_full || !e->without)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the labels of %zu rows", a->n);
    for (size_t r = 0; r < a->n; r++) {
        e->full[r] = a->gone[r] ? -1 : a->labels[r];
        e->earlier_full[r] = a->gone_before[r] ? -1 : a->labels[r];
        e->without[r] = a->forgotten[r] ? -1 : e->full[r];
        e->apart = e->apart || (a->before && e->full[r] != e->earlier_full[r]);
    }
    return DKVB_OK;
}

/* Makes room for a copy of the codeset from which rows will be removed; the codeset itself does not change. Plans of
 * forgettings need no features and names of rows, so the copy of the codeset has none. */
static dkvb_status make_left(struct ensembles *e)
{
    const struct dkvb__audit *a = e->a;
    const dkvb_codeset *set = a->o.codeset;
    size_t rows = 0;
    bool made = true;

    if (!set || !a->replayed)
        return DKVB_OK;
    e->left = *set;
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        struct dkvb__coderows *part = &e->left.part[p];

        part->ids = dkvb__alloc(a->mem, part->n, sizeof *part->ids);
        part->labels = dkvb__alloc(a->mem, part->n, sizeof *part->labels);
        part->sessions = dkvb__alloc(a->mem, part->n, sizeof *part->sessions);
        part->codes = dkvb__alloc(a->mem, part->n, dkvb__coderows_code_size(set, part) * sizeof *part->codes);
        part->features = NULL;
        part->names = NULL;
        made = made && part->ids && part->labels && part->sessions && part->codes;
        rows += part->n;
    }
    e->gone_ids = dkvb__alloc(a->mem, rows, sizeof *e->gone_ids);
    e->gone_rows = dkvb__alloc(a->mem, rows, sizeof *e->gone_rows);
    return made && e->gone_ids && e->gone_rows
               ? DKVB_OK
               : dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", rows);
}

/* Puts all rows back into the copy of the codeset before the next model for the measure KLoM is made. */
static void fill_left(struct ensembles *e)
{
    const dkvb_codeset *set = e->a->o.codeset;

    for (size_t p = 0; e->gone_rows && p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *from = &set->part[p];
        struct dkvb__coderows *to = &e->left.part[p];

        to->n = from->n;
        if (from->n == 0)
            continue;
        memcpy(to->ids, from->ids, from->n * sizeof *to->ids);
        memcpy(to->labels, from->labels, from->n * sizeof *to->labels);
        memcpy(to->sessions, from->sessions, from->n * sizeof *to->sessions);
        memcpy(to->codes, from->codes, from->n * dkvb__coderows_code_size(set, from) * sizeof *to->codes);
    }
}

static dkvb_status make_ensemble(struct ensembles *e, size_t ensemble)
{
    const struct dkvb__audit *a = e->a;

    e->kept[ensemble] = dkvb__alloc(a->mem, a->o.models, e->rows * sizeof **e->kept);
    return e->kept[ensemble] ? DKVB_OK
                             : dkvb__fail(DKVB_ENOMEM, "out of memory for the margins of %zu rows in %u models",
                                          e->rows, a->o.models);
}

/* Computes the margins of one model of an ensemble from the model's answers to the rows chosen for the measure KLoM,
 * with the given codes of these rows. */
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

/* Returns the number of the forgetting method that a journal entry names; 0 if the method cannot be planned again. */
static uint32_t method_of(const char *word)
{
    for (uint32_t m = DKVB_METHOD_ACTIVATIONS; m <= DKVB_METHOD_EVERY; m++)
        if (strcmp(word, dkvb_name(DKVB_NAME_METHOD, m)) == 0)
            return m;
    return 0;
}

/* Rebuilds the forget request of a journal entry, with the terms that the entry states (what was asked, within which
 * limits). The journal stores only hashes of single rows, so a forget request of single rows can be rebuilt only if its
 * rows are those of the audit. Whether the forget request could be rebuilt is stored in `*told`. */
static dkvb_status recall(const struct ensembles *e, const dkvb_journal_entry *entry, dkvb_forget_request *q,
                          bool *told)
{
    const struct dkvb__audit *a = e->a;
    /* the salt of the journal's hashes need not be random, as nobody reads the journals of the models made for the
     * measure KLoM */
    static const uint8_t salt[32] = {0};
    dkvb_status rc;

    q->method = method_of(entry->method);
    *told = a->o.codeset && q->method && (entry->found || entry->budget > 0);
    if (!*told)
        return DKVB_OK;
    if (entry->by_class) {
        q->classes = e->marks;
        rc = dkvb_journal_get_terms(a->model, entry->id, e->marks, NULL);
    } else {
        q->ids = a->ids;
        q->id_count = a->members;
        rc = dkvb__record_names_rows(a->model, (size_t)entry->id - 1, a->ids, a->members, told);
    }
    q->budget = entry->found ? 0 : entry->budget;
    q->target = entry->target;
    q->max_retain_drop = entry->max_retain_drop > 0.0 ? entry->max_retain_drop : q->max_retain_drop;
    q->max_class_loss = entry->max_class_loss > 0.0 ? entry->max_class_loss : q->max_class_loss;
    /* A request that is repeated on another model is forced: if the limit on the accuracy that other classes lose
     * stopped the request, the model would keep the rows and not be comparable. */
    q->force = 1;
    q->salt = salt;
    return rc;
}

/* Plans the forget request of a journal entry again on another model, and applies the plan. The flag *done becomes
 * false if repeating a forgetting on another model was refused. */
static dkvb_status plan_anew(struct ensembles *e, dkvb_model *model, const dkvb_journal_entry *entry, bool *done)
{
    struct dkvb__audit *a = e->a;
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_plan_info info = DKVB_PLAN_INFO_INIT;
    dkvb_run_options run = dkvb__audit_steps(a);
    /* The shallow copy of the codeset shares all rows with the codeset: planning a forgetting with the strength
     * `suppress` only reads rows, and only rows with codes. */
    struct dkvb_codeset set;
    dkvb_plan *plan = NULL;
    bool told;
    dkvb_status rc = recall(e, entry, &q, &told);

    *done = false;
    if (rc || !told)
        return rc;
    set = e->gone_rows ? e->left : *a->o.codeset;
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

/* Masks in a model the same key-value pairs that the journal entry number `entry` of the audited model masked, or the
 * pairs of all entries in force if `entry` is 0. */
static dkvb_status copy_pairs(struct ensembles *e, dkvb_model *model, uint64_t entry)
{
    dkvb_mask *mask = NULL;
    dkvb_status rc = dkvb_journal_get_mask(e->a->model, entry, &mask);

    if (!rc)
        rc = dkvb_model_forget(model, mask, NULL, NULL);
    dkvb_mask_free(mask);
    return rc;
}

/* Removes from the codeset the rows that a replay (a training without forgotten rows) left out, as forgettings planned
 * after the replay did not see these rows. */
static dkvb_status pass_replay(struct ensembles *e, const dkvb_journal_entry *entry)
{
    const struct dkvb__audit *a = e->a;
    size_t count = 0;
    bool members;
    dkvb_status rc;

    if (!e->gone_rows)
        return DKVB_OK;
    rc = ask_replay(a, a->model, entry, e->marks, &members);
    for (size_t p = 0; !rc && !members && p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *part = &e->left.part[p];

        for (size_t i = 0; i < part->n; i++)
            if (part->labels[i] >= 0 && (uint32_t)part->labels[i] < a->classes &&
                e->marks[part->labels[i]] == DKVB_FORGET)
                e->gone_ids[count++] = part->ids[i];
    }
    if (!rc)
        dkvb__codeset_drop(&e->left, members ? a->ids : e->gone_ids, members ? a->members : count, e->gone_rows);
    return rc;
}

/* Repeats on a new model the forgettings of the audited model: every forgetting in force, in the order of the journal.
 * The values of the new model were trained without the rows that replays (trainings without forgotten rows) left out of
 * the audited model. */
static dkvb_status forget_again(struct ensembles *e, dkvb_model *model)
{
    const struct dkvb__journal *j = &e->a->model->journal;
    bool purged = false, any = false;
    dkvb_status rc = DKVB_OK;

    e->planned = true;
    fill_left(e);
    for (uint64_t i = 0; !rc && i < j->count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
        bool done;

        rc = dkvb_journal_get(e->a->model, i, &entry);
        if (!rc && entry.kind == DKVB_JOURNAL_REPLAY && entry.in_force)
            rc = pass_replay(e, &entry);
        if (rc || entry.kind != DKVB_JOURNAL_FORGET || !entry.in_force)
            continue;
        if (entry.again && e->planned)
            /* If a forgetting was repeated because of a later request, the journal entry of the repetition is skipped,
             * since planning the later request anew repeats the forgetting if necessary. */
            continue;
        done = false;
        if (!entry.again)
            rc = plan_anew(e, model, &entry, &done);
        any = any || done;
        if (rc || done)
            continue;
        /* A journal entry whose masked pairs are copied from another model stores no forget request, so the request is
         * not planned again when later requests let its classes come back. */
        e->planned = false;
        if (entry.state == DKVB_JOURNAL_PURGED)
            /* This journal entry has no list of masked pairs any more, because a purge has erased the list. */
            purged = true;
        else
            rc = copy_pairs(e, model, entry.id);
    }
    e->planned = e->planned && any;
    return !rc && purged ? copy_pairs(e, model, 0) : rc;
}

/* Computes the margins of a model after the forgettings of the audited model were repeated on it; the call changes the
 * model. */
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

/* Computes the margins of a model made like the model before the forget request: once with all logit columns, and once
 * with the forgotten classes' columns left out. */
static dkvb_status look_at_before(struct ensembles *e, const dkvb_model *model, uint32_t number)
{
    const uint16_t *codes = e->earlier ? e->earlier : e->codes;
    dkvb_status rc = look(e, model, BEFORE, number, codes);

    return !rc && e->kept[DROPPED] ? look(e, model, DROPPED, number, codes) : rc;
}

/* Trains, with a given seed, one model for the measure KLoM on the rows of the audited model. The margins of a new
 * model for the measure KLoM are computed after its forgettings, and also before its forgettings if the model before
 * the forget request learned the same rows. If a replay (a training without some rows) left out the forgotten rows,
 * neither the new models for the measure KLoM nor the retrained models ever see these rows: the models differ only in
 * their seeds, and in what other requests masked. */
static dkvb_status make_unlearned(struct ensembles *e, uint32_t number)
{
    struct dkvb__audit *a = e->a;
    dkvb_model *model = NULL;
    dkvb_status rc = dkvb__audit_train_anew(a, &model, a->first.all, e->full, a->train.seed + 1 + number);

    if (!rc && e->kept[BEFORE] && !e->apart)
        rc = look_at_before(e, model, number);
    if (!rc)
        rc = look_at_unlearned(e, model, number);
    dkvb_model_free(model);
    return rc ? rc : dkvb__audit_finish_step(a);
}

/* Trains, with a given seed, one model for the measure KLoM on the rows of the model before the forget request, if
 * these differ from the rows of the audited model. */
static dkvb_status make_before(struct ensembles *e, uint32_t number)
{
    struct dkvb__audit *a = e->a;
    dkvb_model *model = NULL;
    dkvb_status rc = dkvb__audit_train_anew(a, &model, a->first.all, e->earlier_full, a->train.seed + 1 + number);

    if (!rc)
        rc = look_at_before(e, model, number);
    dkvb_model_free(model);
    return rc ? rc : dkvb__audit_finish_step(a);
}

/* Trains a retrained model for the measure KLoM: without the forgotten rows, with a seed that no other model has. */
static dkvb_status make_retrained(struct ensembles *e, size_t ensemble, uint32_t number)
{
    struct dkvb__audit *a = e->a;
    uint64_t part = ensemble == RETRAINED ? 1 : 2;
    dkvb_model *model = NULL;
    dkvb_status rc =
        dkvb__audit_train_anew(a, &model, a->first.all, e->without, a->train.seed + 1 + part * a->o.models + number);

    if (!rc)
        rc = look(e, model, ensemble, number, e->codes);
    dkvb_model_free(model);
    return rc ? rc : dkvb__audit_finish_step(a);
}

/* Makes the models for the measure KLoM that were dealt to this rank (process); for each seed, one rank makes all
 * models. */
static dkvb_status make_own_models(struct ensembles *e)
{
    struct dkvb__audit *a = e->a;
    uint32_t first = (uint32_t)dkvb__ranks_first(&a->ranks, a->o.models, a->ranks.rank);
    uint32_t end = (uint32_t)dkvb__ranks_first(&a->ranks, a->o.models, a->ranks.rank + 1);
    dkvb_status rc = DKVB_OK;

    a->done = 0;
    a->total = (uint64_t)(end - first) * (uint64_t)(3 + e->apart);
    for (uint32_t i = first; !rc && i < end; i++) {
        rc = make_unlearned(e, i);
        if (!rc && e->apart)
            rc = make_before(e, i);
        if (!rc)
            rc = make_retrained(e, RETRAINED, i);
        if (!rc)
            rc = make_retrained(e, RETRAINED_AGAIN, i);
    }
    return rc;
}

/* Passes the margins of all models for the measure KLoM to all ranks (processes). */
static dkvb_status pass_margins(const struct ensembles *e)
{
    struct dkvb__audit *a = e->a;
    uint64_t planned = a->report->seen.planned;
    dkvb_status rc = dkvb__ranks_sum(&a->ranks, &planned, 1);

    a->report->seen.planned = (uint32_t)planned;
    for (size_t i = 0; !rc && i < ENSEMBLES; i++)
        if (e->kept[i])
            rc = dkvb__ranks_share_evenly(&a->ranks, e->kept[i], a->o.models, e->rows * sizeof **e->kept);
    return rc;
}

/* Compares an ensemble of models with the first ensemble of retrained models by the measure KLoM, row by row and group
 * by group, and estimates how much of the KLoM may be noise. */
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

        const dkvb_run_options steps = dkvb__audit_steps(a);
        struct dkvb__run run;

        rc = dkvb__run_take(&run, &steps);
        if (!rc)
            rc = dkvb__audit_klom_noise(&pair, a->klom_rows, GROUPS, a->o.seed, a->klom_noise[who], a->mem, &run);
    }
    return rc || a->total == 0 ? rc : dkvb__report(&a->run, a->done, a->total);
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
    void *const blocks[] = {e->x,     e->y,    e->codes,        e->earlier, e->masked,   e->logits,   e->margins,
                            e->marks, e->full, e->earlier_full, e->without, e->gone_ids, e->gone_rows};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        dkvb__free_erased(e->a->mem, blocks[i]);
    for (size_t i = 0; i < ENSEMBLES; i++)
        dkvb__free_erased(e->a->mem, e->kept[i]);
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        dkvb__free_erased(e->a->mem, e->left.part[p].ids);
        dkvb__free_erased(e->a->mem, e->left.part[p].labels);
        dkvb__free_erased(e->a->mem, e->left.part[p].sessions);
        dkvb__free_erased(e->a->mem, e->left.part[p].codes);
    }
}

dkvb_status dkvb__audit_ensembles(struct dkvb__audit *a)
{
    struct ensembles e = {.a = a};
    dkvb_status rc;

    if (a->o.models == 0)
        return DKVB_OK;
    rc = dkvb__audit_stage(a, "models");
    for (uint32_t part = 0; !rc && a->o.codeset && part < DKVB__PARTS; part++)
        rc = dkvb__codeset_need_codes(a->o.codeset, part);
    if (!rc)
        rc = make_room(&e);
    if (!rc)
        rc = make_labels(&e);
    if (!rc)
        rc = make_left(&e);
    if (!rc)
        rc = choose_rows(&e);
    for (size_t i = 0; !rc && i < ENSEMBLES; i++)
        if ((i != BEFORE || a->before) && (i != DROPPED || a->report->there[DKVB_AUDIT_DROPPED]))
            rc = make_ensemble(&e, i);
    rc = dkvb__ranks_agree(&a->ranks, rc ? rc : make_own_models(&e));
    if (!rc)
        rc = pass_margins(&e);
    if (!rc)
        rc = compare_all(&e);
    ensembles_free(&e);
    return rc;
}
