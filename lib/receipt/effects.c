/* Effects that the journal recorded, measured again: the mask of a forgetting is taken away and put back in a view of
 * the model. What cannot be measured again says why. */
#include "receipt/effects.h"

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/mask.h"
#include "bottleneck/model.h"
#include "dkvb/choose.h"
#include "dkvb/effect.h"
#include "dkvb/unlearn.h"
#include "unlearn/journal.h"
#include "unlearn/replay.h"

/* One entry that is looked at, with memory for the effects of all classes. */
struct entry {
    struct dkvb__receipt *r;
    size_t index;                      /* of the journal */
    uint64_t id;                       /* index + 1 */
    bool exact;                        /* a replay, whose values before are gone */
    dkvb_class_effect *recorded, *now; /* [classes] */
};

json_t *dkvb__effect_json(uint32_t label, const dkvb_class_effect *e)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "label", (json_int_t)label, "rows",
                     (json_int_t)e->rows, "right_before", (json_int_t)e->right_before, "right_after",
                     (json_int_t)e->right_after, "lost", (json_int_t)e->lost, "gained", (json_int_t)e->gained, "loss",
                     e->loss, "low", e->low, "high", e->high);
}

/* Forgettings directly after a forgetting that were planned with it, because earlier classes came back. Returns the
 * index behind the last one. */
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

/* A reason why the state of the model at this entry is gone, or NULL. */
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

/* Effects of a masking: the model under the mask before it, and with the pairs of its group too. */
static dkvb_status measure_masking(struct entry *e, const dkvb_codeset_rows *held)
{
    const dkvb_model *m = e->r->model;
    const struct dkvb__journal *j = &m->journal;
    struct dkvb_model view = *m; /* everything but the mask is shared with the model */
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

/* Whether the codes account for every training of the model in one session. The values are then older than every entry,
 * so that figures that differ are wrong. */
static dkvb_status one_training(const struct entry *e, bool *known)
{
    const struct dkvb__receipt *r = e->r;
    dkvb_status rc = r->codes->sessions == 1 ? dkvb__replay_check(r->model, r->codes, NULL, 0, r->run) : DKVB_ESTATE;

    *known = rc == DKVB_OK;
    return rc == DKVB_ENOMEM || rc == DKVB_ECANCELLED ? rc : DKVB_OK;
}

/* Compare what was recorded with what was measured now. *why is NULL if the two can be compared. */
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
            continue; /* the rows of a class that was forgotten are gone from the codes */
        }
        compared += was->rows > 0;
        *same &= was->right_after == (e->exact ? is->right_before : is->right_after);
        *same &=
            e->exact || (was->right_before == is->right_before && was->lost == is->lost && was->gained == is->gained);
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

static dkvb_status describe(json_t *list, struct entry *e)
{
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    const char *why = state_gone(e);
    json_t *effects = json_array(), *one;
    bool same = false, failed = false;
    dkvb_status rc = dkvb__json_made(effects);

    if (!rc && !why) {
        rc = dkvb_codeset_get_rows(e->r->codes, DKVB_PART_HELD_OUT, &held);
        if (!rc && held.n == 0)
            why = "the codes hold out no rows";
        else if (!rc) /* Only accuracies after an exact forgetting are left: those of the present model. */
            rc = e->exact ? dkvb_effect_measure(e->r->model, NULL, NULL, &held, e->now, NULL, e->r->run)
                          : measure_masking(e, &held);
    }
    if (!rc && !why)
        rc = compare(e, &same, &why);
    for (uint32_t l = 0; !rc && !why && l < e->r->model->classes; l++) {
        dkvb_class_effect shown = e->now[l];

        if (e->exact) { /* the present accuracy is the one after */
            shown = e->recorded[l];
            if (shown.rows != e->now[l].rows)
                continue;
            shown.right_after = e->now[l].right_before;
        }
        if (shown.rows)
            failed |= json_array_append_new(effects, dkvb__effect_json(l, &shown)) != 0;
    }
    one = rc || failed ? NULL
                       : json_pack("{s:I, s:s, s:s?, s:O}", "id", (json_int_t)e->id, "outcome",
                                   why    ? DKVB__EFFECT_UNMEASURED
                                   : same ? DKVB__EFFECT_SAME
                                          : DKVB__EFFECT_OTHER,
                                   "why", why, "effects", effects);
    if (!rc && (!one || json_array_append_new(list, one) != 0))
        rc = dkvb__json_made(NULL);
    json_decref(effects);
    return rc;
}

dkvb_status dkvb__effects_again(json_t **out, struct dkvb__receipt *r)
{
    const dkvb_model *m = r->model;
    struct entry e = {.r = r,
                      .recorded = dkvb__alloc0(&r->mem, m->classes, sizeof *e.recorded),
                      .now = dkvb__alloc0(&r->mem, m->classes, sizeof *e.now)};
    json_t *list = json_array();
    dkvb_status rc = dkvb__json_made(e.recorded && e.now ? list : NULL);

    for (size_t i = 0; !rc && i < m->journal.count; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        rc = dkvb_journal_get(m, i, &entry);
        if (rc || !entry.in_force || !entry.measured)
            continue;
        e.index = i;
        e.id = entry.id;
        e.exact = entry.kind == DKVB_JOURNAL_REPLAY;
        rc = dkvb_journal_get_terms(m, e.id, NULL, e.recorded);
        if (!rc)
            rc = describe(list, &e);
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
