/* Measures again the effects (right answers before and after) that the journal recorded for a forgetting: on a copy of
 * the model's mask, the forgetting is removed and set again. For a journal entry whose effects cannot be measured
 * again, the receipt says why. */
#include "receipt/effects.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/mask.h"
#include "bottleneck/model.h"
#include "dkvb/choose.h"
#include "dkvb/effect.h"
#include "dkvb/unlearn.h"
#include "unlearn/effect.h"
#include "unlearn/journal.h"
#include "unlearn/replay.h"

/* One journal entry whose effects are measured again, with memory for the effects of all classes. */
struct entry {
    struct dkvb__receipt *r;
    size_t index; /* index of the journal entry, from 0 */
    uint64_t id;  /* number of the journal entry: index + 1 */
    bool exact;   /* true for an exact forgetting (replay), after which the values that the model had before are lost */
    /* true if the journal entry is an exact forgetting, and the caller gave the model file from before that
     * forgetting */
    bool paired;
    /* effects of the journal entry on each class, [classes]: as the journal recorded them, and as measured again now */
    dkvb_class_effect *recorded, *now;
};

json_t *dkvb__effect_json(uint32_t label, const dkvb_class_effect *e)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "label", (json_int_t)label, "rows",
                     (json_int_t)e->rows, "right_before", (json_int_t)e->right_before, "right_after",
                     (json_int_t)e->right_after, "lost", (json_int_t)e->lost, "gained", (json_int_t)e->gained, "loss",
                     e->loss, "low", e->low, "high", e->high);
}

/* Returns the journal index after the group of an entry: the group is the entry and the forgettings directly after it
 * that were planned with it, because classes forgotten earlier came back. */
static size_t group_end(const struct entry *e)
{
    const dkvb_model *m = e->r->model;
    size_t end = e->index + 1;

    for (; end < m->journal.count; end++) {
        dkvb_journal_entry next = DKVB_JOURNAL_ENTRY_INIT;

        if (dkvb_journal_get(m, end, &next) != DKVB_OK || next.kind != DKVB_JOURNAL_FORGET || next.again == 0)
            break;
    }
    return end;
}

/* Returns the reason why the state that the model had at a journal entry is lost, or NULL. */
static const char *state_gone(const struct entry *e)
{
    const struct dkvb__journal *j = &e->r->model->journal;

    if (!e->exact && j->records[e->index].state != DKVB_JOURNAL_ACTIVE)
        return "its pairs were purged later";
    for (size_t i = e->index + 1; i < j->count; i++) {
        dkvb_journal_entry later = DKVB_JOURNAL_ENTRY_INIT;
        const struct dkvb__record *record = &j->records[i];

        if (dkvb_journal_get(e->r->model, i, &later) != DKVB_OK)
            return "the journal cannot be read";
        if (record->kind == DKVB_JOURNAL_REPLAY && (!e->exact || later.measured))
            return "the values were trained again later";
        if (record->kind == DKVB_JOURNAL_RELEARN)
            return "something was taught again later";
        if (record->kind == DKVB_JOURNAL_UNDO && (e->exact || record->ends < e->id))
            return "an earlier masking was taken back later";
        if (record->kind == DKVB_JOURNAL_FORGET && e->exact)
            return "pairs were masked later";
    }
    return NULL;
}

/* Measures the effects of a journal entry that masks pairs: compares the model under the mask of all earlier entries
 * with the model after the pairs of this entry, and of the forgettings planned with it, are masked too. */
static dkvb_status measure_masking(struct entry *e, const dkvb_codeset_rows *held)
{
    const dkvb_model *m = e->r->model;
    const struct dkvb__journal *j = &m->journal;
    /* `view` is the model of the receipt with a mask of its own, and shares everything else with that model */
    struct dkvb_model view = *m;
    dkvb_mask *group = NULL;
    dkvb_status rc = dkvb_mask_copy(&view.mask, m->mask);

    if (rc)
        return rc;
    rc = dkvb_mask_copy(&group, m->mask);
    if (!rc) {
        dkvb__mask_clear(view.mask);
        dkvb__mask_clear(group);
        for (size_t i = 0; i < group_end(e); i++)
            if (dkvb__journal_masks(j, i))
                dkvb__record_add_to(&j->records[i], i < e->index ? view.mask : group);
        dkvb__drop_purged(view.mask, m->codebooks);
        rc = dkvb_effect_measure(&view, NULL, group, held, e->now, NULL, e->r->run);
    }
    dkvb_mask_free(group);
    dkvb_mask_free(view.mask);
    return rc;
}

/* Finds out whether a single session of training, without later changes, gives the values of the model from the codes.
 * If a single training session gives the values, no journal entry changed them, so recorded effects that differ from
 * the effects measured now must be wrong. */
static dkvb_status one_training(const struct entry *e, bool *known)
{
    struct dkvb__receipt *r = e->r;
    dkvb_status rc = r->codes->sessions == 1 ? dkvb__receipt_search_training(r) : DKVB_ESTATE;

    if (!rc)
        rc = dkvb__replay_check(r->model, r->codes, NULL, 0, r->run);
    *known = rc == DKVB_OK;
    return rc == DKVB_ENOMEM || rc == DKVB_ECANCELLED ? rc : DKVB_OK;
}

/* Compares the effects that the journal recorded with the effects that are measured again. *why becomes NULL if the
 * recorded and the measured effects can be compared, otherwise the reason why not. */
static dkvb_status compare(struct entry *e, bool *same, const char **why)
{
    uint32_t compared = 0;
    bool known;
    dkvb_status rc;

    *same = true;
    for (uint32_t l = 0; l < e->r->model->classes; l++) {
        const dkvb_class_effect *was = &e->recorded[l], *is = &e->now[l];

        if (was->rows != is->rows) {
            if (!e->exact) {
                *why = "the codes hold out other rows than those that were measured then";
                return DKVB_OK;
            }
            continue; /* after an exact forgetting, the codes file has no rows of the forgotten class any more */
        }
        compared += was->rows > 0;
        *same &= was->right_after == is->right_after;
        *same &= (e->exact && !e->paired) ||
                 (was->right_before == is->right_before && was->lost == is->lost && was->gained == is->gained);
    }
    if (compared == 0)
        *why = "the codes hold out no row of a class that was measured then";
    if (*same || *why)
        return DKVB_OK;
    rc = one_training(e, &known);
    if (!rc && !known)
        *why = "the figures measured now differ, and the model may have been trained after the request";
    return rc;
}

/* Measures the effects of a journal entry (right answers before and after) on the held-out rows, by masking or by
 * training, as the kind of the entry requires. */
static dkvb_status measure(struct entry *e, const dkvb_codeset_rows *held)
{
    const struct dkvb__receipt *r = e->r;
    dkvb_status rc;

    if (e->paired)
        return dkvb__effect_compare(r->before, r->model, held, e->now, r->run);
    if (!e->exact)
        return measure_masking(e, held);
    /* After an exact forgetting only the accuracies of the present model can be measured. */
    rc = dkvb_effect_measure(r->model, NULL, NULL, held, e->now, NULL, r->run);
    for (uint32_t l = 0; !rc && l < r->model->classes; l++)
        e->now[l].right_after = e->now[l].right_before;
    return rc;
}

/* Lists how many held-out rows of each class were answered correctly before and after a journal entry; after an exact
 * forgetting, only how many are now. The list of effects leaves out classes without held-out rows, and
 * classes whose number of held-out rows has changed since the journal entry was made. */
static dkvb_status list_effects(json_t *list, const struct entry *e)
{
    for (uint32_t l = 0; l < e->r->model->classes; l++) {
        const dkvb_class_effect *now = &e->now[l];

        if (now->rows == 0 || now->rows != e->recorded[l].rows)
            continue;
        if (json_array_append_new(list, e->exact && !e->paired ? json_pack("{s:I, s:I, s:I}", "label", (json_int_t)l,
                                                                           "rows", (json_int_t)now->rows, "right_after",
                                                                           (json_int_t)now->right_after)
                                                               : dkvb__effect_json(l, now)) != 0)
            return dkvb__json_made(NULL);
    }
    return DKVB_OK;
}

static dkvb_status describe(json_t *list, struct entry *e, const char *why)
{
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    json_t *effects = json_array(), *one = NULL;
    bool same = false;
    dkvb_status rc = dkvb__json_made(effects);

    why = why ? why : state_gone(e);
    if (!rc)
        rc = dkvb_codeset_get_rows(e->r->codes, DKVB_PART_HELD_OUT, &held);
    if (!rc && !why && held.n == 0)
        why = "the codes hold out no rows";
    if (!rc && !why)
        rc = measure(e, &held);
    if (!rc && !why)
        rc = compare(e, &same, &why);
    if (!rc && !why)
        rc = list_effects(effects, e);
    if (!rc)
        one = json_pack("{s:I, s:s, s:s?, s:O}", "id", (json_int_t)e->id, "outcome",
                        why    ? DKVB__EFFECT_UNMEASURED
                        : same ? DKVB__EFFECT_SAME
                               : DKVB__EFFECT_OTHER,
                        "why", why, "effects", effects);
    if (!rc && json_array_append_new(list, one) != 0)
        rc = dkvb__json_made(NULL);
    json_decref(effects);
    return rc;
}

/* Returns the reason why the present model differs from the model from before the forgetting by more than this one
 * exact forgetting, or NULL. `head` is the number of the newest journal entry in the model from before the forgetting
 * (option `before`). */
static const char *not_from_before(const struct entry *e, uint64_t head)
{
    const dkvb_model *before = e->r->before, *model = e->r->model;
    dkvb_model_info was = DKVB_MODEL_INFO_INIT, is = DKVB_MODEL_INFO_INIT;

    if (memcmp(before->codebooks->birth, model->codebooks->birth, sizeof model->codebooks->birth) != 0)
        return "the keys were placed again";
    if (dkvb_model_get_info(before, &was) != DKVB_OK || dkvb_model_get_info(model, &is) != DKVB_OK ||
        was.purged_pairs != is.purged_pairs || was.classes != is.classes || was.top_k != is.top_k)
        return "the model before has other purged pairs or classes";
    for (uint64_t i = head; i < e->index; i++)
        if (model->journal.records[i].kind != DKVB_JOURNAL_UNDO)
            return "the model before is older than the model that this entry changed";
    return NULL;
}

/* Makes a receipt's statement about the effects of all forgettings that are still in force; if `paired` is true, only
 * of exact forgettings, compared with the model file from before the forgetting. */
static dkvb_status measure_entries(json_t **out, struct dkvb__receipt *r, bool paired)
{
    const dkvb_model *m = r->model;
    struct entry e = {.r = r,
                      .paired = paired,
                      .recorded = dkvb__alloc0(&r->mem, m->classes, sizeof *e.recorded),
                      .now = dkvb__alloc0(&r->mem, m->classes, sizeof *e.now)};
    json_t *list = json_array();
    uint64_t head = 0;
    uint8_t hash[32];
    dkvb_status rc = dkvb__json_made(e.recorded && e.now ? list : NULL);

    if (!rc && paired) {
        dkvb_journal_head(r->before, hash);
        if (dkvb_journal_find_head(m, hash, &head) != DKVB_OK)
            /* the present journal may lack the newest entry of the older model file (option `before`): new keys may
             * have begun a new journal, or the receipt's statement about the older file may be wrong */
            head = 0;
    }
    for (size_t i = 0; !rc && i < m->journal.count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        rc = dkvb_journal_get(m, i, &entry);
        e.exact = entry.kind == DKVB_JOURNAL_REPLAY;
        if (rc || !entry.in_force || !entry.measured || (paired && (!e.exact || entry.id <= head)))
            continue;
        e.index = i;
        e.id = entry.id;
        rc = dkvb_journal_get_terms(m, e.id, NULL, e.recorded);
        if (!rc)
            rc = describe(list, &e, paired ? not_from_before(&e, head) : NULL);
    }
    dkvb__free(&r->mem, e.recorded);
    dkvb__free(&r->mem, e.now);
    if (rc) {
        json_decref(list);
        list = NULL;
    }
    *out = list;
    return rc;
}

dkvb_status dkvb__effects_again(json_t **out, struct dkvb__receipt *r)
{
    return measure_entries(out, r, false);
}

dkvb_status dkvb__effects_from_before(json_t **out, struct dkvb__receipt *r)
{
    return measure_entries(out, r, true);
}
