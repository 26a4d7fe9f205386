/*
 * With the forgetting strength `exact`, the values are trained again from a codeset without the rows to be forgotten.
 * If keys were placed on the rows to be forgotten too, keys can be placed again without these rows; every row's nearest
 * keys are then searched again.
 *
 * A model and its codeset are stored in two files, and the model is saved first. A codeset that still has the forgotten
 * rows although the model was saved without them is recognised by the journal, which commits to the rows, and by the
 * fingerprint of the training. If a forget request with the strength `exact` is repeated after the model was saved and
 * the codeset was not, only the codeset is changed.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "base/status.h"
#include "bottleneck/keyinit.h"
#include "bottleneck/codes.h"
#include "dkvb/search.h"
#include "unlearn/draft.h"
#include "unlearn/journal.h"
#include "unlearn/plan.h"

/* True if a journal entry is about exactly the rows of the planned forget request, or of one of the requests if several
 * are planned. */
static bool names_request(const dkvb_plan *plan, const dkvb_model *model, uint64_t entry)
{
    for (size_t i = 0; i < plan->part_count; i++)
        if (dkvb_journal_names_rows(model, entry, plan->parts[i]->ids, plan->parts[i]->id_count))
            return true;
    return plan->part_count == 0 && dkvb_journal_names_rows(model, entry, plan->ids, plan->id_count);
}

/* Removes from the mask the pairs of earlier forgettings of exactly the rows that are now removed from training, as
 * masked pairs would only be a trace of these rows. The mask that stays in force, without the pairs of earlier
 * forgettings of the same rows, is stored in p->view.mask. */
static dkvb_status lift_earlier(struct dkvb__planning *p)
{
    const struct dkvb__journal *j = &p->model->journal;
    dkvb_plan *plan = p->plan;

    plan->lifted = dkvb__alloc(&plan->mem, j->count, sizeof *plan->lifted);
    if (!plan->lifted)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu entries", j->count);
    dkvb__mask_clear(p->view.mask);
    for (size_t i = 0; i < j->count; i++) {
        if (!dkvb__journal_masks(j, i))
            continue;
        if (names_request(plan, p->model, i + 1))
            plan->lifted[plan->info.lifted++] = i + 1;
        else
            dkvb__record_add_to(&j->records[i], p->view.mask);
    }
    dkvb__drop_purged(p->view.mask, p->model->codebooks);
    return DKVB_OK;
}

/* True if the journal has a replay (a training without some rows) that left out exactly the given rows, with the given
 * handling of the keys. */
static bool names_replay(const dkvb_model *model, uint32_t keys, const uint64_t *ids, size_t count)
{
    for (uint64_t i = model->journal.count; i-- > 0;) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        if (dkvb_journal_get(model, i, &entry) == DKVB_OK && entry.kind == DKVB_JOURNAL_REPLAY &&
            (keys == DKVB_KEYS_PLACED) == (entry.keys == DKVB_KEYS_PLACED) &&
            dkvb_journal_names_rows(model, entry.id, ids, count))
            return true;
    }
    return false;
}

/* True if the journal says that the model was already trained without the rows that the plan is to forget. Whether the
 * model was trained without the forgotten rows is read from the journal only, not from the model's values. */
static bool was_done(const dkvb_plan *plan, const dkvb_model *model)
{
    uint32_t keys = plan->info.keys;

    for (size_t i = 0; i < plan->part_count; i++)
        if (!plan->parts[i]->already && !names_replay(model, keys, plan->parts[i]->ids, plan->parts[i]->id_count))
            return false;
    return plan->part_count > 0 || names_replay(model, keys, plan->ids, plan->id_count);
}

bool dkvb__exact_was_applied(const dkvb_plan *plan, const dkvb_model *model)
{
    const dkvb_model *after = plan->after;

    return after && memcmp(model->trained, after->trained, sizeof after->trained) == 0 &&
           memcmp(model->codebooks->birth, after->codebooks->birth, sizeof after->codebooks->birth) == 0 &&
           was_done(plan, model);
}

/* Computes a fingerprint of a codeset from its rows, the classes and training sessions of the rows, and the list of
 * removed rows. */
static void codeset_sum(uint8_t sum[32], const dkvb_codeset *set)
{
    struct dkvb__piece pieces[2 + 3 * DKVB__PARTS] = {{set->birth, sizeof set->birth}};
    size_t count = 1;

    for (size_t part = 0; part < DKVB__PARTS; part++) {
        const struct dkvb__coderows *rows = &set->part[part];

        pieces[count++] = (struct dkvb__piece){rows->ids, rows->n * sizeof *rows->ids};
        pieces[count++] = (struct dkvb__piece){rows->labels, rows->n * sizeof *rows->labels};
        pieces[count++] = (struct dkvb__piece){rows->sessions, rows->n * sizeof *rows->sessions};
    }
    pieces[count++] = (struct dkvb__piece){set->removed.hash, set->removed.n * sizeof *set->removed.hash};
    dkvb__sha256(sum, pieces, count);
}

/* Fits the temperature again when a plan with the forgetting strength `exact` is made, since the temperature depends on
 * the held-out rows, some of which may be removed. While the temperature is fitted, removed rows that the codeset still
 * has get no label. */
static dkvb_status fit_temperature(dkvb_plan *plan, dkvb_codeset *set)
{
    struct dkvb__coderows *held = &set->part[DKVB_PART_HELD_OUT];
    int32_t *labels;
    dkvb_status rc;

    plan->temperature = 1.0;
    plan->power = 0.0;
    if (plan->after->temperature == 1.0)
        return DKVB_OK;
    labels = dkvb__alloc(&plan->mem, held->n, sizeof *labels);
    rc = labels ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu labels", held->n);
    rc = dkvb__model_agree(plan->after, rc);
    if (rc) {
        dkvb__free(&plan->mem, labels);
        return rc;
    }
    if (held->n > 0)
        memcpy(labels, held->labels, held->n * sizeof *labels);
    for (size_t i = 0; i < plan->id_count; i++) {
        size_t at = dkvb__coderows_find(held, plan->ids[i]);

        if (at < held->n)
            held->labels[at] = -1;
    }
    rc = dkvb__codeset_fit_temperature(set, plan->after, &plan->temperature, &plan->power, NULL, NULL);
    if (held->n > 0)
        memcpy(held->labels, labels, held->n * sizeof *labels);
    dkvb__free_erased(&plan->mem, labels);
    return rc;
}

/* Trains the values of a model again, without the rows to be forgotten. The model whose values are trained again must
 * have been trained on the codeset. */
static dkvb_status train_again(struct dkvb__planning *p, dkvb_model *model, dkvb_codeset *set, const uint64_t *without,
                               size_t n)
{
    struct dkvb__replay *replay;
    dkvb_status rc = dkvb__replay_new(&replay, model, set, without, n, p->plan->request.in_place, p->run);

    if (rc)
        return rc;
    p->plan->after = replay->after;
    replay->after = NULL;
    dkvb__replay_free(replay);
    return fit_temperature(p->plan, set);
}

/* Trains the values once without the rows to be forgotten, on the keys that the model has. */
static dkvb_status replay(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_status rc = dkvb__plan_need_codes(p, DKVB_PART_TRAINING);

    if (!rc)
        rc = dkvb__model_agree(p->model, lift_earlier(p));
    if (!rc)
        rc = train_again(p, p->model, p->set, plan->ids, plan->id_count);
    if (rc)
        return rc;
    dkvb__mask_clear(plan->after->mask);
    rc = dkvb__model_agree(p->model, dkvb_mask_combine(plan->after->mask, p->view.mask, DKVB_MASK_UNION));
    plan->info.resumed = dkvb__exact_was_applied(plan, p->model);
    if (rc || p->held.n == 0)
        return rc;
    plan->measured = 1;
    rc = dkvb__effect_compare(p->model, plan->after, &p->held, plan->effects, p->run);
    return rc ? rc : dkvb__guard_effects(p);
}

/* The training rows that remain after a forgetting that places keys again, in the order of the features. */
struct left {
    struct dkvb__rows rows; /* features of the training rows that are not forgotten */
    size_t *index;          /* The index of each row that is not forgotten among all rows with features, [n]. */
    uint64_t *ids;
    int32_t *labels;
    uint8_t *held_out;
    /* names of the rows that are not forgotten, if the codeset keeps names of rows; the pointers point into the
     * codeset */
    const char **names;
    size_t n;
};

static void left_free(struct left *l, const dkvb_allocator *mem)
{
    dkvb__free_erased(mem, l->index);
    dkvb__free_erased(mem, l->ids);
    dkvb__free_erased(mem, l->labels);
    dkvb__free_erased(mem, l->held_out);
    dkvb__free(mem, l->names);
}

/* Returns the way in which the forget request says which rows its features belong to: by ids, by names or by
 * numbers. */
static struct dkvb__given given_rows(const struct dkvb__planning *p)
{
    const dkvb_forget_request *q = &p->plan->request;

    return (struct dkvb__given){q->feature_rows, q->feature_ids, q->feature_names};
}

static dkvb_status take_features(struct dkvb__rows *rows, const dkvb_forget_request *q)
{
    return dkvb__rows_take(rows, q->features, q->feature_source, q->feature_rows, q->feature_columns,
                           "features of the forget request");
}

static dkvb_status take_left(struct dkvb__planning *p, struct left *l)
{
    const struct dkvb__coderows *training = &p->set->part[DKVB_PART_TRAINING], *held = training + 1;
    const dkvb_forget_request *q = &p->plan->request;
    const dkvb_allocator *mem = &p->plan->mem;
    size_t all = training->n + held->n, known, missing;
    const struct dkvb__given given = given_rows(p);
    uint8_t *gone = dkvb__alloc0(mem, all, 1);
    size_t *places = dkvb__alloc(mem, given.n, sizeof *places);
    dkvb_status rc = take_features(&l->rows, q);

    l->index = dkvb__alloc(mem, all, sizeof *l->index);
    l->ids = dkvb__alloc(mem, all, sizeof *l->ids);
    l->labels = dkvb__alloc(mem, all, sizeof *l->labels);
    l->held_out = dkvb__alloc(mem, all, 1);
    l->names = dkvb__alloc(mem, all, sizeof *l->names);
    if (!rc && (!gone || !places || !l->index || !l->ids || !l->labels || !l->held_out || !l->names))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", all);
    for (size_t i = 0; !rc && i < p->plan->id_count; i++) {
        size_t at = dkvb__codeset_place(p->set, p->plan->ids[i]);

        if (at < all)
            gone[at] = 1;
    }
    if (!rc)
        rc = dkvb__codeset_place_given(p->set, &given, places, &known, &missing, mem);
    for (size_t i = 0; !rc && i < given.n; i++) {
        size_t at = places[i];
        const struct dkvb__coderows *part = at < training->n ? training : held;
        size_t row = at < training->n ? at : at - training->n;

        if (at == all || gone[at])
            continue;
        l->index[l->n] = i;
        l->held_out[l->n] = part == held;
        l->labels[l->n] = part->labels[row];
        if (p->set->names.kept)
            l->names[l->n] = part->names[row];
        l->ids[l->n++] = part->ids[row];
    }
    dkvb__free_erased(mem, gone);
    dkvb__free_erased(mem, places);
    if (rc)
        return rc;
    if (known != all)
        return dkvb__fail(
            DKVB_EMISMATCH,
            "%zu rows of the codes are among the features, the codes have %zu: all rows that were trained on "
            "are needed to place the keys again",
            known, all);
    l->rows.n = l->n;
    l->rows.index = l->index;
    return DKVB_OK;
}

/* Checks that features given by the caller belong to the codeset's rows: they must equal the features in the codeset,
 * or give the codes of the rows in a search on the old keys. */
enum { CHECKED_AT_ONCE = 1024 };

static dkvb_status check_features(struct dkvb__planning *p)
{
    const dkvb_forget_request *q = &p->plan->request;
    const dkvb_codebooks *cb = p->model->codebooks;
    size_t code = (size_t)cb->shape.codebooks * p->model->top_k;
    uint16_t *codes = dkvb__alloc(&p->plan->mem, CHECKED_AT_ONCE, code * sizeof *codes);
    const struct dkvb__given given = given_rows(p);
    float *read = dkvb__alloc(&p->plan->mem, CHECKED_AT_ONCE, q->feature_columns * sizeof *read);
    struct dkvb__rows from;
    dkvb_status rc = codes && read ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to check features");

    if (!rc)
        rc = take_features(&from, q);
    rc = dkvb__model_agree(p->model, rc);
    for (size_t first = 0; !rc && first < q->feature_rows; first += CHECKED_AT_ONCE) {
        size_t n = q->feature_rows - first < CHECKED_AT_ONCE ? q->feature_rows - first : CHECKED_AT_ONCE;
        const float *x;

        rc = dkvb__model_agree(p->model, dkvb__rows_block(&from, first, n, read, &x));
        if (!rc)
            rc = dkvb_search(cb, NULL, x, n, p->model->top_k, codes, NULL, p->run);
        for (size_t i = 0; !rc && i < n; i++)
            for (size_t part = 0; !rc && part < DKVB__PARTS; part++) {
                const struct dkvb__coderows *rows = &p->set->part[part];
                size_t at = dkvb__coderows_find(rows, dkvb__codeset_given_id(p->set, &given, first + i));

                for (size_t c = 0; at < rows->n && !rc && c < cb->shape.codebooks; c++)
                    if (memcmp(codes + i * code + c * p->model->top_k,
                               rows->codes + (at * cb->shape.codebooks + c) * rows->k,
                               p->model->top_k * sizeof *codes) != 0)
                        rc = dkvb__fail(
                            DKVB_EMISMATCH,
                            "row %zu of the features is not what the row of the codes with id %llu was made "
                            "of: other rows than those trained on, or in another order",
                            first + i, (unsigned long long)dkvb__codeset_given_id(p->set, &given, first + i));
            }
    }
    dkvb__free_erased(&p->plan->mem, codes);
    dkvb__free_erased(&p->plan->mem, read);
    return rc;
}

/* Copies the list of the ids of removed rows into the new codeset, and adds the ids of the rows that the planned
 * forgetting removes. */
static dkvb_status remember_removed(struct dkvb__planning *p)
{
    dkvb_codeset *placed = p->plan->placed_set;
    struct dkvb__removed gone, copy;
    dkvb_status rc = dkvb__removed_with(&gone, p->set, p->plan->ids, p->plan->id_count);

    if (rc)
        return rc;
    rc = dkvb__removed_copy(&copy, &gone, &placed->mem);
    dkvb__removed_free(&gone, &p->set->mem);
    if (rc)
        return rc;
    dkvb__removed_free(&placed->removed, &placed->mem);
    placed->removed = copy;
    return DKVB_OK;
}

/* Builds a codeset of the rows that are not forgotten, on the keys of a model, with the training sessions of the old
 * codeset. */
static dkvb_status make_set(struct dkvb__planning *p, const dkvb_model *model, const dkvb_keyinit_options *keyinit,
                            const struct left *left)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset_source source = DKVB_CODESET_SOURCE_INIT;
    const struct dkvb__coderows *training = &p->set->part[DKVB_PART_TRAINING];
    bool features = training->features || training[1].features;
    dkvb_plan *plan = p->plan;
    dkvb_status rc;

    o.top_k = model->top_k;
    o.depth = p->set->part[DKVB_PART_HELD_OUT].k;
    /* If the old codes file kept no features of rows, the new codeset keeps none either. */
    o.keep = features ? DKVB_KEPT_AUTO : DKVB_KEPT_CODES;
    o.keyinit = keyinit;
    o.allocator = &p->set->mem; /* The new codeset gets the allocator of the old codeset, which it replaces. */
    source.x = plan->request.features;
    source.source = plan->request.feature_source;
    source.n = left->n;
    source.dim = plan->request.feature_columns;
    source.ids = left->ids;
    source.labels = left->labels;
    source.held_out = left->held_out;
    source.names = p->set->names.kept ? left->names : NULL;
    rc = dkvb_codeset_new(&plan->placed_set, model->codebooks, &o);
    if (!rc)
        plan->placed_set->names = p->set->names;
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = dkvb__codeset_add_some(plan->placed_set, model->codebooks, &source, left->index, p->run);
    if (!rc)
        rc = dkvb__codeset_copy_sessions(plan->placed_set, p->set);
    if (!rc)
        rc = remember_removed(p);
    return dkvb__model_agree(model, rc);
}

/* Builds a model on new keys that is like the old model except for its values, which must still be trained. */
static dkvb_status make_model(struct dkvb__planning *p, const dkvb_keyinit_options *keyinit, const struct left *left)
{
    const dkvb_model *old = p->model;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_codebooks *cb = NULL;
    dkvb_plan *plan = p->plan;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc = dkvb__take_options(&run, sizeof run, p->run, "run options");

    o.top_k = old->top_k;
    o.allocator = &plan->mem;
    /* The ranks (processes) that shared the model with old keys share the model with new keys. */
    run.ranks = &old->codebooks->ranks;
    if (!rc)
        rc = dkvb__codebooks_fit(&cb, &left->rows, keyinit, &run);
    if (!rc)
        rc = dkvb_model_new(&plan->placed, cb, old->classes, &o);
    dkvb_codebooks_free(cb);
    for (uint32_t l = 0; !rc && l < old->classes; l++)
        rc = dkvb_model_set_class_name(plan->placed, l, old->names[l]);
    if (!rc)
        rc = dkvb_model_set_values(plan->placed, NULL, old->values_dtype);
    if (!rc)
        rc = dkvb_model_set_temperature(plan->placed, old->temperature, old->power);
    if (!rc && old->encoder)
        rc = dkvb_model_set_encoder(plan->placed, old->encoder);
    if (!rc && old->columns)
        rc = dkvb_model_set_column_names(plan->placed, (const char *const *)old->columns,
                                         old->codebooks->shape.input_dim);
    /* The selection counts of the model on new keys are zero at first, as its training will count the rows. */
    if (!rc && old->counts)
        rc = dkvb_model_count_classes(plan->placed, NULL, old->top_k, NULL, 0, NULL);
    return rc;
}

/* Measures how much accuracy each class loses by new keys and values, on the held-out rows that are not forgotten. The
 * classes of the forgotten rows are meant to lose accuracy, so a plan is never refused for their losses. */
static dkvb_status compare_placed(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    dkvb_codeset_rows left = DKVB_CODESET_ROWS_INIT;
    int32_t *before = dkvb__alloc(&plan->mem, p->held.n, sizeof *before);
    int32_t *after = dkvb__alloc(&plan->mem, p->held.n, sizeof *after);
    dkvb_status rc = before && after ? dkvb_codeset_get_rows(plan->placed_set, DKVB_PART_HELD_OUT, &left)
                                     : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu answers", p->held.n);

    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = dkvb__effect_answer(p->model, NULL, &p->held, before, NULL, p->run);
    if (!rc && left.n > 0)
        rc = dkvb__effect_answer(plan->after, NULL, &left, after, NULL, p->run);
    memset(plan->effects, 0, plan->classes * sizeof *plan->effects);
    for (size_t i = 0; !rc && i < left.n; i++) {
        size_t was = dkvb__codeset_find(&p->held, left.ids[i]);
        bool right_before = before[was] == left.labels[i], right_after = after[i] == left.labels[i];
        dkvb_class_effect *e;

        if (left.labels[i] < 0)
            continue;
        e = &plan->effects[left.labels[i]];
        e->rows++;
        e->right_before += right_before;
        e->right_after += right_after;
        e->lost += right_before && !right_after;
        e->gained += right_after && !right_before;
    }
    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        dkvb__effect_add(&plan->effects[l], &(dkvb_class_effect){0});
    dkvb__free_erased(&plan->mem, before);
    dkvb__free_erased(&plan->mem, after);
    if (rc)
        return rc;
    plan->measured = 1;
    plan->info.looked_at = left.n;
    return dkvb__guard_effects(p);
}

/* Finishes a forget request whose model already has new keys, while the codeset still has the old keys. */
static dkvb_status finish_placed(struct dkvb__planning *p, const dkvb_keyinit_options *keyinit, const struct left *left)
{
    dkvb_status rc;

    if (!was_done(p->plan, p->model))
        return dkvb__codeset_check(p->set, p->model->codebooks);
    rc = make_set(p, p->model, keyinit, left);
    if (!rc)
        rc = dkvb__replay_check(p->model, p->plan->placed_set, NULL, 0, p->run);
    p->plan->info.resumed = !rc;
    return rc;
}

static dkvb_status place_again(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    const dkvb_forget_request *q = &plan->request;
    dkvb_keyinit_options keyinit = p->set->keyinit;
    struct left left = {0};
    bool of_model = dkvb__codeset_check(p->set, p->model->codebooks) == DKVB_OK;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_status rc = DKVB_OK;

    if (q->feature_columns != p->model->codebooks->shape.input_dim)
        return dkvb__fail(DKVB_EMISMATCH, "the features have %zu columns, the model takes %u", q->feature_columns,
                          p->model->codebooks->shape.input_dim);
    keyinit.allocator = &plan->mem;
    if (of_model)
        rc = dkvb__model_agree(p->model, lift_earlier(p));
    if (!rc)
        rc = dkvb_model_get_info(p->model, &info);
    if (!rc && of_model && dkvb__mask_count(p->view.mask) + info.purged_pairs > 0)
        rc =
            dkvb__fail(DKVB_ESTATE,
                       "%llu pairs are masked or purged for other rows, and new keys would bring those back: undo what "
                       "can be undone and name its rows here too, or keep the keys",
                       (unsigned long long)(dkvb__mask_count(p->view.mask) + info.purged_pairs));
    if (!rc && of_model)
        rc = dkvb__plan_need_codes(p, DKVB_PART_TRAINING);
    if (!rc && of_model)
        rc = dkvb__replay_check(p->model, p->set, plan->ids, plan->id_count, p->run);
    if (!rc && of_model)
        rc = check_features(p);
    if (!rc)
        rc = dkvb__model_agree(p->model, take_left(p, &left));
    if (!rc && !of_model)
        rc = finish_placed(p, &keyinit, &left);
    if (!rc && of_model)
        rc = make_model(p, &keyinit, &left);
    if (!rc && of_model)
        rc = make_set(p, plan->placed, &keyinit, &left);
    if (!rc && of_model)
        rc = train_again(p, plan->placed, plan->placed_set, NULL, 0);
    left_free(&left, &plan->mem);
    return !rc && of_model && p->held.n > 0 ? compare_placed(p) : rc;
}

dkvb_status dkvb__plan_exact(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    uint32_t keys = plan->request.keys;
    dkvb_status rc = DKVB_OK;

    codeset_sum(plan->set_sum, p->set);
    if (!p->set->own_keys && keys == DKVB_KEYS_PLACED)
        return dkvb__fail(DKVB_EINVAL, "the keys were placed on other rows than these: they need not be placed again");
    plan->info.keys = keys == DKVB_KEYS_PLACED ? keys : DKVB_KEYS_KEPT;
    if (p->set->own_keys && keys == DKVB_KEYS_UNSAID) {
        plan->info.keys = DKVB_KEYS_UNSAID;
        dkvb__plan_refuse(plan, DKVB_REFUSED_KEYS, 0,
                          "the keys were placed on rows that are to be forgotten too. Features (the rows that were "
                          "trained on) place them again without those; keeping the keys leaves what they show of the "
                          "rows as it is");
        return DKVB_OK;
    }
    /* In a plan of several requests, each request is checked separately for rows of other classes mixed into it. */
    if (dkvb__codeset_check(p->set, p->model->codebooks) == DKVB_OK && !p->asked)
        rc = dkvb__guard_mixture(p);
    if (!rc)
        rc = keys == DKVB_KEYS_PLACED ? place_again(p) : replay(p);
    return rc;
}

/* Checks that the codeset has not changed since a forgetting was planned with it. If neither model nor codeset has the
 * rows of the request any more, there is nothing left to forget. */
static dkvb_status check_set(const dkvb_plan *plan, const dkvb_codeset *set, bool done)
{
    uint8_t sum[32];
    size_t left = 0;

    if (!set)
        return dkvb__fail(DKVB_EINVAL, "apply: the plan was made with a codeset, which must be given too");
    codeset_sum(sum, set);
    if (memcmp(sum, plan->set_sum, sizeof sum) == 0)
        return DKVB_OK;
    for (size_t i = 0; i < plan->id_count; i++)
        left += dkvb__codeset_has(set, plan->ids[i]);
    if (done && left == 0)
        return dkvb__fail(DKVB_ESTATE, "the plan was applied already, to the model and to the codes");
    return dkvb__fail(DKVB_EMISMATCH, "the codes are not what they were when this was planned: plan again");
}

/* Checks that the values that a planned forgetting has trained anew fit the model whose values they replace. The check
 * of newly trained values always passes if this process made the plan, whereas a plan read from a file may hold
 * anything. */
static dkvb_status check_values(const dkvb_plan *plan, const dkvb_model *model)
{
    const dkvb_model *after = plan->after;

    if (memcmp(&after->mem, &model->mem, sizeof after->mem) != 0)
        return dkvb__fail(DKVB_EINVAL, "apply: the plan has another allocator than the model");
    if (memcmp(after->codebooks->birth, model->codebooks->birth, sizeof model->codebooks->birth) != 0 ||
        after->classes != model->classes || after->top_k != model->top_k ||
        after->values_dtype != model->values_dtype || !after->counts != !model->counts)
        return dkvb__fail(DKVB_EMISMATCH, "the new values of the plan are not of this model");
    if (after->codebooks->ranks.count != model->codebooks->ranks.count)
        return dkvb__fail(DKVB_ESTATE, "the plan holds all values, of which ranks would hold a share each: apply it in "
                                       "one process, or plan and apply with the ranks in one go");
    return DKVB_OK;
}

/* Writes the journal entries of a plan with the forgetting strength `exact`: earlier maskings of the same rows are
 * undone, and each forget request gets an entry. */
static dkvb_status write_entries(const dkvb_plan *plan, struct dkvb_model *draft, uint64_t *first)
{
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && !plan->placed && i < plan->info.lifted; i++)
        rc = dkvb_model_undo(draft, plan->lifted[i], NULL);
    for (size_t i = 0; !rc && i < (plan->part_count ? plan->part_count : 1); i++) {
        const dkvb_plan *part = plan->part_count ? plan->parts[i] : plan;
        dkvb_forget_options terms = dkvb__plan_terms(plan, part);
        struct dkvb__record record;
        uint64_t id;

        if (part->already)
            continue;
        if (plan->placed && *first == 0)
            terms.after = plan->head;
        if (*first > 0)
            /* If a plan with the forgetting strength `exact` has several requests, only the first journal entry states
             * effects on accuracies: those of all requests together. */
            terms.effects = NULL;
        rc = dkvb__journal_prepare(draft, DKVB_JOURNAL_REPLAY, &terms, &record);
        if (rc)
            return rc;
        id = dkvb__journal_append(draft, &record);
        *first = *first ? *first : id;
    }
    return rc;
}

static void swap_sets(dkvb_codeset *a, dkvb_codeset *b)
{
    struct dkvb_codeset kept = *a;

    *a = *b;
    *b = kept;
}

dkvb_status dkvb__apply_exact(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *set, bool done, uint64_t *entry)
{
    bool placed = plan->info.keys == DKVB_KEYS_PLACED;
    dkvb_model *target = placed && !done ? plan->placed : model;
    struct dkvb_model draft = {0}, old;
    struct dkvb__removal removal = {0};
    dkvb_status rc = check_set(plan, set, done), failed;

    *entry = 0;
    if (!rc && !done)
        rc = check_values(plan, target);
    if (!rc && !done)
        rc = dkvb__draft_new(&draft, target);
    rc = dkvb__model_agree(model, rc);
    if (!rc && !done)
        rc = write_entries(plan, &draft, entry);
    if (!rc && !placed)
        rc = dkvb__removal_new(&removal, set, plan->ids, plan->id_count);
    failed = dkvb__model_agree(model, rc);
    if (failed) {
        dkvb__removal_free(&removal, set);
        dkvb__draft_free(&draft);
        return failed;
    }
    /* From this line on, applying a plan of forgetting with the strength `exact` cannot fail. */
    if (!placed)
        (void)dkvb__removal_commit(&removal, set, plan->ids, plan->id_count);
    if (placed)
        swap_sets(set, plan->placed_set);
    if (done)
        return DKVB_OK;
    dkvb__draft_adopt(&draft, target);
    dkvb__values_replace(target, plan->after);
    plan->after = NULL;
    target->temperature = plan->temperature;
    target->power = plan->power;
    if (placed) {
        old = *model;
        *model = *plan->placed;
        *plan->placed = old;
    }
    return DKVB_OK;
}
