/* A purge overwrites the values of masked pairs, which a mask alone only hides. docs/guide.md describes the promise of
 * a purge and its limits. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/value_types.h"
#include "kernels/kernels.h"
#include "unlearn/counting.h"
#include "unlearn/evidence.h"
#include "unlearn/journal.h"

static void erase_key(dkvb_codebooks *cb, size_t c, size_t j)
{
    for (size_t i = 0; i < dkvb__quads(cb->shape.key_dim) * 4; i++)
        dkvb__codebook_keys(cb, c)[dkvb__key_offset(j, i, cb->shape.key_dim)] = 0;
    dkvb__codebook_norms(cb, c)[j] = DKVB__DEAD;
}

static void erase_pairs(dkvb_model *model)
{
    dkvb_codebooks *cb = model->codebooks;
    size_t row = model->classes * dkvb__value_size(model->values_dtype);
    size_t first = dkvb__first_pair(model), end = first + dkvb__own_pairs(model);
    uint64_t pair, from = 0;

    for (; dkvb_mask_next(model->mask, from, &pair); from = pair + 1) {
        size_t c = (size_t)(pair / cb->shape.keys), j = (size_t)(pair % cb->shape.keys);

        erase_key(cb, c, j);
        if (pair >= first && pair < end)
            dkvb__erase(dkvb__values_of(model, (size_t)pair), row);
    }
    for (size_t w = 0; w < dkvb__word_count(&cb->shape); w++)
        cb->purged[w] |= model->mask->bits[w];
    dkvb__mask_clear(model->mask);
}

/* Erases the sections of the model file that this library does not know. Unknown sections of the model file may hold
 * information about rows, so a purge cannot keep them. */
static void erase_extras(dkvb_model *model)
{
    for (size_t i = 0; i < model->extra_count; i++) {
        dkvb__free_erased(&model->mem, model->extras[i].data);
    }
    model->extra_count = 0;
}

/* Gives the model codebooks that no other model uses: its own if no other model shares them, otherwise a copy. */
static dkvb_status own_codebooks(dkvb_model *model)
{
    dkvb_codebooks *copy;
    dkvb_status rc, made;

    if (atomic_load(&model->codebooks->owners) == 1 && !model->codebooks->mapping)
        return DKVB_OK;
    made = dkvb__codebooks_copy(&copy, model->codebooks, &model->mem);
    rc = dkvb__model_agree(model, made);
    if (rc && !made)
        dkvb_codebooks_free(copy);
    if (rc)
        return rc;
    dkvb_codebooks_free(model->codebooks);
    model->codebooks = copy;
    return DKVB_OK;
}

/* True if the model holds anything that a purge erases, for example values of masked pairs. */
static bool has_traces(const dkvb_model *model)
{
    bool any = dkvb__mask_count(model->mask) > 0 || model->extra_count > 0 || model->counts;

    for (size_t i = 0; i < model->journal.count; i++)
        any = any || model->journal.records[i].list || model->journal.records[i].salted;
    return any;
}

dkvb_status dkvb_model_purge(dkvb_model *model)
{
    struct dkvb__journal *j = &model->journal;
    struct dkvb__record record;
    dkvb_status rc;

    if ((rc = dkvb__model_need_mutable(model)) != DKVB_OK)
        return rc;
    if (!has_traces(model))
        return dkvb__fail(DKVB_ESTATE, "there is nothing to purge: no pair is masked, and the journal keeps no salt");
    if ((rc = dkvb__journal_prepare(model, DKVB_JOURNAL_PURGE, NULL, &record)) != DKVB_OK)
        return rc;
    if ((rc = own_codebooks(model)) != DKVB_OK) {
        dkvb__record_clear(&record, &model->mem);
        return rc;
    }
    record.pairs = dkvb__mask_count(model->mask);
    erase_pairs(model);
    erase_extras(model);
    dkvb__class_counts_erase(model);
    for (size_t i = 0; i < j->count; i++) {
        dkvb__free_erased(&model->mem, j->records[i].list);
        j->records[i].list = NULL;
    }
    dkvb__evidence_drop_salts(model);
    dkvb__journal_append(model, &record);
    return DKVB_OK;
}
