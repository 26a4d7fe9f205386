#include "unlearn/draft.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

static dkvb_status copy_record(struct dkvb__record *to, const struct dkvb__record *from, const dkvb_allocator *mem)
{
    size_t list = from->list ? (size_t)from->pairs : 0;

    *to = *from;
    to->method = dkvb__strdup(mem, from->method);
    to->reason = dkvb__strdup(mem, from->reason);
    to->list = from->list ? dkvb__alloc(mem, list, sizeof *to->list) : NULL;
    to->terms = from->terms ? dkvb__alloc(mem, from->terms_size, 1) : NULL;
    if (!to->method || !to->reason || (from->list && !to->list) || (from->terms && !to->terms))
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a copy of the journal");
    if (list > 0)
        memcpy(to->list, from->list, list * sizeof *to->list);
    if (to->terms)
        memcpy(to->terms, from->terms, from->terms_size);
    return DKVB_OK;
}

static void free_journal(struct dkvb__journal *j, const dkvb_allocator *mem)
{
    for (size_t i = 0; i < j->count; i++)
        dkvb__record_clear(&j->records[i], mem);
    dkvb__free_erased(mem, j->records);
}

dkvb_status dkvb__draft_new(struct dkvb_model *draft, const dkvb_model *model)
{
    const struct dkvb__journal *from = &model->journal;
    struct dkvb__journal *to = &draft->journal;
    dkvb_status rc;

    *draft = *model;
    draft->mask = NULL;
    *to = (struct dkvb__journal){.settled = from->settled};
    rc = dkvb_mask_copy(&draft->mask, model->mask);
    if (rc)
        return rc;
    to->records = dkvb__alloc0(&model->mem, from->count, sizeof *to->records);
    if (!to->records)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a copy of the journal");
    to->capacity = from->count;
    while (!rc && to->count < from->count) {
        rc = copy_record(&to->records[to->count], &from->records[to->count], &model->mem);
        /* The number of records in the journal of a model's draft already includes the record that is being copied, so
         * that a half-made record is cleared with the draft. */
        to->count++;
    }
    return rc;
}

void dkvb__draft_adopt(struct dkvb_model *draft, dkvb_model *model)
{
    /* The bits of the mask in a model's draft are copied into the model's mask, since callers may hold a pointer to the
     * model's mask. */
    memcpy(model->mask->bits, draft->mask->bits, dkvb__word_count(&model->codebooks->shape) * sizeof(uint64_t));
    free_journal(&model->journal, &model->mem);
    model->journal = draft->journal;
    draft->journal = (struct dkvb__journal){0};
    dkvb__draft_free(draft);
}

void dkvb__draft_free(struct dkvb_model *draft)
{
    free_journal(&draft->journal, &draft->mem);
    dkvb_mask_free(draft->mask);
    *draft = (struct dkvb_model){0};
}
