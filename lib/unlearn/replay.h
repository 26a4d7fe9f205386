#ifndef DKVB_UNLEARN_REPLAY_H
#define DKVB_UNLEARN_REPLAY_H

#include "bottleneck/model.h"
#include "dkvb/replay.h"

/* A model trained again beside the one it is for, to be looked at before it takes its place: dkvb_model_replay() in two
 * steps, so that values are trained once whatever is asked about them in between. */
struct dkvb__replay {
    dkvb_allocator mem;
    dkvb_model *model;   /* outlives the replay, and stays as it is until the commit */
    dkvb_model *after;   /* the new values under the mask of the old model, without a journal; NULL once committed */
    uint8_t trained[16]; /* fingerprint of the model when the replay was made */
};

/* Whether a codeset is what a model was trained on, as dkvb_model_replay() says. `without`: [n], ids, in any order. */
dkvb_status dkvb__replay_check(const dkvb_model *model, const dkvb_codeset *set, const uint64_t *without, size_t n,
                               const dkvb_run_options *run);

/* Ids of all rows of a codeset that are of classes marked DKVB_FORGET, in new memory. */
dkvb_status dkvb__replay_ids_of(const dkvb_codeset *set, const uint8_t *classes, uint64_t **ids, size_t *count,
                                const dkvb_allocator *mem);

/* Train the values again. The model stays as it is until dkvb__replay_commit(), so it may be mapped. `*out` is NULL
 * after a failure. */
dkvb_status dkvb__replay_new(struct dkvb__replay **out, dkvb_model *model, const dkvb_codeset *set,
                             const uint64_t *without, size_t n, const dkvb_run_options *run);

/* Put the new values in the place of the model's, and say so in its journal. DKVB_ESTATE, and nothing has changed, if
 * the model was trained or got classes since dkvb__replay_new(). `opts` and `entry` may be NULL. Afterwards the replay
 * can only be freed. */
dkvb_status dkvb__replay_commit(struct dkvb__replay *replay, const dkvb_forget_options *opts, uint64_t *entry);

/* Put the values of `after`, and its counts, in the place of the model's; `after` is freed. Both have the same
 * codebooks, classes, type of values and allocator, and both keep counts or none does. Nothing fails. */
void dkvb__values_replace(dkvb_model *model, dkvb_model *after);

/* Release a replay, committed or not. NULL is a no-op. */
void dkvb__replay_free(struct dkvb__replay *replay);

#endif
