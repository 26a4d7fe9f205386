/* If the model has an exact forgetting that is still in force, trains the model a second time from the codes file, and
 * makes the bytes of the model file a second time in memory. The receipt says whether every section of the model file
 * made by training again equals that section of the existing model file. */
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "base/status.h"
#include "bottleneck/model.h"
#include "dkvb/unlearn.h"
#include "format/container.h"
#include "format/modelfile.h"
#include "receipt/effects.h"
#include "unlearn/replay.h"

static bool exact_in_force(const dkvb_model *m)
{
    bool exact = false;

    for (size_t i = 0; i < m->journal.count; i++) {
        dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

        exact |= dkvb_journal_get(m, i, &e) == DKVB_OK && e.in_force && e.strength == DKVB_STRENGTH_EXACT;
    }
    return exact;
}

/* Makes the file of a model, whose values were trained again from the codes, in new memory at `made`. */
static dkvb_status make_file(struct dkvb__output *made, struct dkvb__receipt *r)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    struct dkvb__replay *replay = NULL;
    dkvb_model *fresh = NULL;
    dkvb_status rc;

    o.allocator = &r->mem;
    rc = dkvb_model_load(&fresh, r->o.model, &o);
    if (!rc)
        rc = dkvb__replay_new(&replay, fresh, r->codes, NULL, 0, true, r->run);
    if (rc == DKVB_EMISMATCH)
        rc = dkvb__fail_about(rc, "%.120s and %.120s", r->o.model, r->o.codes);
    if (!rc) {
        dkvb__values_replace(fresh, replay->after);
        replay->after = NULL;
        rc = dkvb__model_write(fresh, made);
    }
    dkvb__replay_free(replay);
    dkvb_model_free(fresh);
    return rc;
}

/* Adds one section of the model file made by training again to a JSON list, with the answer whether the existing model
 * file has the same bytes in that section. */
static dkvb_status add_section(json_t *list, bool *all, const struct dkvb__output *made, const struct dkvb__section *s,
                               const struct dkvb__container *was, struct dkvb__receipt *r)
{
    const struct dkvb__section *old = dkvb__container_find(was, s->name);
    const struct dkvb__piece piece = {made->memory + s->offset, (size_t)s->size};
    char text[65], stored[65] = "";
    uint8_t hash[32];
    bool same;
    dkvb_status rc = old ? dkvb__receipt_hash(stored, r->o.model, old->offset, old->size, &r->mem) : DKVB_OK;

    if (rc)
        return rc;
    dkvb__sha256(hash, &piece, 1);
    dkvb__receipt_hex(text, hash, sizeof hash);
    same = strcmp(text, stored) == 0;
    *all &= same;
    return json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", s->name, "sha256", text, "same", same)) == 0
               ? DKVB_OK
               : dkvb__json_made(NULL);
}

dkvb_status dkvb__trained_again(json_t **out, struct dkvb__receipt *r)
{
    struct dkvb__output made = {0};
    struct dkvb__container was, is;
    struct dkvb__file file;
    json_t *list;
    bool same;
    dkvb_status rc;

    if (!exact_in_force(r->model)) {
        *out = json_null();
        return DKVB_OK;
    }
    rc = dkvb__receipt_search_training(r);
    if (!rc)
        rc = make_file(&made, r);
    if (rc)
        return rc;
    rc = dkvb__container_open(&was, r->o.model, DKVB__KIND_MODEL, &r->mem);
    if (!rc) {
        file = dkvb__file_in_memory(made.memory, made.size, r->o.model);
        rc = dkvb__container_take(&is, &file, DKVB__KIND_MODEL, &r->mem);
        if (!rc) {
            list = json_array();
            same = is.count == was.count;
            rc = dkvb__json_made(list);
            for (size_t i = 0; !rc && i < is.count; i++)
                rc = add_section(list, &same, &made, &is.sections[i], &was, r);
            *out = rc ? NULL : json_pack("{s:b, s:O}", "same", same, "sections", list);
            json_decref(list);
            dkvb__container_close(&is);
            rc = rc ? rc : dkvb__json_made(*out);
        }
        dkvb__container_close(&was);
    }
    dkvb__free_erased(&r->mem, made.memory);
    return rc;
}
