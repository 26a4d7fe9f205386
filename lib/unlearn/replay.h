#ifndef DKVB_UNLEARN_REPLAY_H
#define DKVB_UNLEARN_REPLAY_H

#include "bottleneck/model.h"
#include "dkvb/replay.h"

/* A replay holds a newly trained model beside the model it is for, so that it can be examined before it replaces that
 * model. A replay is dkvb_model_replay() in two steps, which trains the values only once, whatever is measured in
 * between. */
struct dkvb__replay {
    dkvb_allocator mem;
    dkvb_model *model;   /* outlives the replay, and must not change until the commit */
    dkvb_model *after;   /* the new values under the mask of the old model, without a journal; NULL once committed */
    uint8_t trained[16]; /* fingerprint of the model when the replay was made */
};

/* Checks that a codeset is the one that a model was trained on, as dkvb_model_replay() does. `without`: [n], ids, in
 * any order. */
dkvb_status dkvb__replay_check(const dkvb_model *model, const dkvb_codeset *set, const uint64_t *without, size_t n,
                               const dkvb_run_options *run);

/* Lists the ids of all rows of a codeset whose classes are marked DKVB_FORGET, in new memory. */
dkvb_status dkvb__replay_ids_of(const dkvb_codeset *set, const uint8_t *classes, uint64_t **ids, size_t *count,
                                const dkvb_allocator *mem);

/* Trains the values again. The model does not change before dkvb__replay_commit(), so it may be mapped. `*out` is NULL
 * after a failure. */
dkvb_status dkvb__replay_new(struct dkvb__replay **out, dkvb_model *model, const dkvb_codeset *set,
                             const uint64_t *without, size_t n, bool in_place, const dkvb_run_options *run);

/* Replaces the values of the model by the new ones, and adds a journal entry. DKVB_ESTATE says that the model was
 * trained or got classes since dkvb__replay_new(); nothing has changed then. `opts` and `entry` may be NULL. Afterwards
 * the replay can only be freed. */
dkvb_status dkvb__replay_commit(struct dkvb__replay *replay, const dkvb_forget_options *opts, uint64_t *entry);

/* Replaces the values and counts of the model by those of `after`, which is freed. Both models have the same codebooks,
 * classes, type of values and allocator, and both keep counts or neither does. It cannot fail. */
void dkvb__values_replace(dkvb_model *model, dkvb_model *after);

/* Releases a replay, committed or not. A NULL pointer is allowed and does nothing. */
void dkvb__replay_free(struct dkvb__replay *replay);

#endif
