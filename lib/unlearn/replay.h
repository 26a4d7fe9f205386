#ifndef DKVB_UNLEARN_REPLAY_H
#define DKVB_UNLEARN_REPLAY_H

#include "bottleneck/model.h"
#include "dkvb/replay.h"

/* A replay (a training without some rows) holds a newly trained model beside the original model, so that the new model
 * can be examined before it replaces the original. A replay does the work of dkvb_model_replay() in two steps:
 * dkvb__replay_new() trains the values, then dkvb__replay_commit() puts them into the model. The values of a replay (a
 * training without some rows) are trained only once, whatever is measured before dkvb__replay_commit(). */
struct dkvb__replay {
    dkvb_allocator mem;
    /* the original model, which must stay in memory as long as the replay, and must not change until the replay is
     * committed */
    dkvb_model *model;
    /* The model with the new values and the mask of the original model, without a journal; NULL once the replay is
     * committed. */
    dkvb_model *after;
    uint8_t trained[16]; /* fingerprint of the trainings of the original model when the replay was made */
};

/* Checks that a model was trained on the given codeset, in the way that dkvb_model_replay() does. The argument
 * `without`, [n], has the ids of the rows that the values must not learn, in any order. */
dkvb_status dkvb__replay_check(const dkvb_model *model, const dkvb_codeset *set, const uint64_t *without, size_t n,
                               const dkvb_run_options *run);

/* Lists the ids of all rows of a codeset whose classes are marked DKVB_FORGET, in new memory. */
dkvb_status dkvb__replay_ids_of(const dkvb_codeset *set, const uint8_t *classes, uint64_t **ids, size_t *count,
                                const dkvb_allocator *mem);

/* Trains the values of a model again from a codeset, without some of its rows. A replay does not change the model
 * before dkvb__replay_commit(), so the model may be mapped read-only from a file until then. The new replay `*out` (a
 * newly trained model beside the original) is NULL if the replay failed. */
dkvb_status dkvb__replay_new(struct dkvb__replay **out, dkvb_model *model, const dkvb_codeset *set,
                             const uint64_t *without, size_t n, bool in_place, const dkvb_run_options *run);

/* Replaces the values of the original model by the values that a replay (a training without some rows) has trained, and
 * adds a journal entry. DKVB_ESTATE says that the model was trained or got classes after dkvb__replay_new(); in this
 * case no values are replaced. The arguments `opts` and `entry` of dkvb__replay_commit() may each be NULL. After
 * dkvb__replay_commit() nothing can be done with a replay except to free it. */
dkvb_status dkvb__replay_commit(struct dkvb__replay *replay, const dkvb_forget_options *opts, uint64_t *entry);

/* Replaces the values and selection counts of the model by those of the model `after`, which is freed. The model whose
 * values are replaced and the model that replaces them must have the same codebooks, classes, type of values and
 * allocator, and must both keep selection counts or neither. Replacing the values and selection counts of a model
 * cannot fail. */
void dkvb__values_replace(dkvb_model *model, dkvb_model *after);

/* Frees a replay (a newly trained model beside the original), committed or not. A replay that is NULL is allowed and
 * has nothing to free. */
void dkvb__replay_free(struct dkvb__replay *replay);

#endif
