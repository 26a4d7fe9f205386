/* Relearning: training on forgotten rows or classes either is refused, or ends the forgetting of these rows or
 * classes. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dkvb/choose.h"
#include "unlearn/evidence.h"
#include "unlearn/journal.h"
#include "unlearn/terms.h"

void dkvb__relearn_note(uint8_t *taught, const int32_t *labels, size_t n)
{
    for (size_t r = 0; r < n; r++)
        if (labels[r] >= 0)
            taught[labels[r]] = 1;
}

/* Refuses to train a model on classes that it has forgotten. If a model must not be trained on a forgotten class, the
 * error message names the first row of such a class, the class, the journal entry, and possible next steps. */
static dkvb_status refuse(const dkvb_model *model, const int32_t *labels, uint32_t label, size_t index)
{
    const struct dkvb__record *record = &model->journal.records[index];
    const char *name = model->names[label];
    size_t row = 0;

    while (labels[row] != (int32_t)label)
        row++;
    return dkvb__fail(
        DKVB_ESTATE,
        "labels: row %zu is of class %u%s%s%s, which journal entry %zu forgot: leave the rows of this class "
        "out%s, or ask to relearn it, which ends that forgetting",
        row, label, name ? " (" : "", name ? name : "", name ? ")" : "", index + 1,
        record->list ? ", undo the entry" : "");
}

dkvb_status dkvb__relearn_check(const dkvb_model *model, const int32_t *labels, size_t n, uint8_t *scratch)
{
    const struct dkvb__journal *j = &model->journal;
    uint32_t label;

    memset(scratch, 0, model->classes);
    dkvb__relearn_note(scratch, labels, n);
    for (size_t i = 0; i < j->count; i++)
        if (dkvb__record_in_force(&j->records[i]) && dkvb__terms_find_class(&j->records[i], scratch, &label)) {
            /* If training is refused, the marks of classes that were taught again are cleared, so that the caller does
             * not take these classes for taught. */
            memset(scratch, 0, model->classes);
            return refuse(model, labels, label, i);
        }
    return DKVB_OK;
}

/* Makes a journal record (not yet appended) that ends the forgetting of the journal entry at `index`. Making a journal
 * record that ends a forgetting may fail, but appending the record cannot. */
static dkvb_status make(dkvb_model *model, size_t index, const dkvb_forget_options *opts, struct dkvb__record *record)
{
    dkvb_status rc = dkvb__journal_prepare(model, DKVB_JOURNAL_RELEARN, opts, record);

    if (!rc)
        record->ends = index + 1;
    return rc;
}

/* Makes a journal record that ends the forgetting of the journal entry at `index` for those of its classes that were
 * taught again. The argument `marks`, [classes], is scratch space for marks of classes. */
static dkvb_status make_for_classes(dkvb_model *model, size_t index, const uint8_t *taught, uint8_t *marks,
                                    struct dkvb__record *record)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    dkvb_status rc = dkvb_journal_get_terms(model, index + 1, marks, NULL);

    rc = dkvb__model_agree(model, rc);
    for (uint32_t l = 0; !rc && l < model->classes; l++)
        if (!taught[l])
            marks[l] = DKVB_KEEP;
    o.classes = marks;
    return rc ? rc : make(model, index, &o, record);
}

enum { IN_FORCE, OVER_BY_CLASS, OVER_BY_ROWS };

/* Finds the journal entries whose forgetting ends by relearning: the array `what`, [entries], is all zeros at first,
 * and `what[i]` becomes the reason why the forgetting of entry i ends. The number of journal entries whose forgetting
 * ends by relearning is stored in *over. */
static dkvb_status find_over(const dkvb_model *model, const uint8_t *taught, const uint64_t *back, size_t n,
                             uint8_t *what, size_t *over)
{
    const struct dkvb__journal *j = &model->journal;
    uint32_t label;
    bool names;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < j->count; i++) {
        if (!dkvb__record_in_force(&j->records[i]))
            continue;
        if (dkvb__terms_find_class(&j->records[i], taught, &label)) {
            what[i] = OVER_BY_CLASS;
        } else if (n > 0) {
            rc = dkvb__record_names_rows(model, i, back, n, &names);
            what[i] = !rc && names ? OVER_BY_ROWS : IN_FORCE;
        }
        *over += what[i] != IN_FORCE;
    }
    return rc;
}

dkvb_status dkvb__relearn_prepare(dkvb_model *model, const uint8_t *taught, const uint64_t *back, size_t n,
                                  struct dkvb__relearning *r)
{
    const struct dkvb__journal *j = &model->journal;
    uint8_t *what = dkvb__alloc0(&model->mem, j->count, 1), *marks = NULL;
    size_t over = 0;
    dkvb_status rc;

    *r = (struct dkvb__relearning){0};
    rc = what ? find_over(model, taught, back, n, what, &over)
              : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu journal entries", j->count);
    if (!rc && over > 0) {
        r->made = dkvb__alloc(&model->mem, over, sizeof *r->made);
        marks = dkvb__alloc(&model->mem, model->classes, 1);
        rc = r->made && marks ? dkvb__journal_reserve(model, over)
                              : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu journal entries", over);
    }
    /* If making the journal records of a relearning fails on one rank (process), no rank keeps them. */
    rc = dkvb__model_agree(model, rc);
    for (uint8_t by = OVER_BY_CLASS; over > 0 && by <= OVER_BY_ROWS; by++)
        for (size_t i = 0; !rc && i < j->count; i++) {
            if (what[i] != by)
                continue;
            rc = by == OVER_BY_CLASS ? make_for_classes(model, i, taught, marks, &r->made[r->count])
                                     : make(model, i, NULL, &r->made[r->count]);
            r->count += !rc;
        }
    dkvb__free(&model->mem, marks);
    dkvb__free(&model->mem, what);
    if (rc)
        dkvb__relearn_drop(model, r);
    return rc;
}

void dkvb__relearn_append(dkvb_model *model, struct dkvb__relearning *r)
{
    for (size_t i = 0; i < r->count; i++)
        dkvb__journal_append(model, &r->made[i]);
    r->count = 0; /* The list of new journal records of a relearning is emptied, as they now belong to the journal. */
    dkvb__relearn_drop(model, r);
}

void dkvb__relearn_drop(dkvb_model *model, struct dkvb__relearning *r)
{
    for (size_t i = 0; i < r->count; i++)
        dkvb__record_clear(&r->made[i], &model->mem);
    dkvb__free(&model->mem, r->made);
    *r = (struct dkvb__relearning){0};
}

dkvb_status dkvb_model_relearn(dkvb_model *model, uint64_t entry, const dkvb_forget_options *opts, uint64_t *added)
{
    const struct dkvb__journal *j = &model->journal;
    struct dkvb__record record;
    uint64_t id;
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (rc)
        return rc;
    if (entry < 1 || entry > j->count)
        return dkvb__fail(DKVB_ENOTFOUND, "there is no journal entry %llu, the journal has %zu",
                          (unsigned long long)entry, j->count);
    if (!dkvb__record_in_force(&j->records[entry - 1]))
        return dkvb__fail(DKVB_ESTATE, "journal entry %llu %s", (unsigned long long)entry,
                          j->records[entry - 1].state == DKVB_JOURNAL_UNDONE      ? "was undone already"
                          : j->records[entry - 1].state == DKVB_JOURNAL_RELEARNED ? "is over already"
                                                                                  : "forgets nothing");
    rc = make(model, (size_t)entry - 1, opts, &record);
    if (rc)
        return rc;
    id = dkvb__journal_append(model, &record);
    if (added)
        *added = id;
    return DKVB_OK;
}
