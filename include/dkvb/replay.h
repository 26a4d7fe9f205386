/**
 * Replay: the values as if some rows had never been there.
 *
 * Keys are frozen and codes are kept, so the values can be trained again from
 * zero without some rows in the time of a few epochs of table additions. The order of
 * the rows depends on their ids alone (values.h), so the result is, bit for bit, the
 * model that would have been trained without them. This *deletes* what the rows
 * taught the values. What it cannot touch: keys (and the mean that centres rows), if they were
 * placed on those very rows: place them again, or take keys from other data; the encoder; other copies.
 */
#ifndef DKVB_REPLAY_H
#define DKVB_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "codeset.h"
#include "export.h"
#include "model.h"
#include "runtime.h"
#include "status.h"
#include "unlearn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_replay dkvb_replay;

/**
 * Whether a codeset is what a model was trained on: `DKVB_EMISMATCH` unless the fingerprint of its sessions is the one
 * that training left in the model, with all rows or already without these; else rows would be lost in silence. A model
 * that was never trained takes any codeset of its codebooks and `top_k`.
 *
 * Only the number of rows is compared where the values did not come from training alone (dkvb_model_set_values()), and
 * where features are kept and pairs were purged since, so that the codes cannot be found again.
 *
 * @param without  `uint64_t[n]`, ids, in any order; `DKVB_ENOTFOUND` names one that is in neither part.
 * @param run      NULL for the defaults.
 * @return also `DKVB_ESTATE` (no session was recorded; codes not searched yet; a mapped model) and `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_replay_check(const dkvb_model *model, const dkvb_codeset *set,
                                                      const uint64_t *without, size_t n, const dkvb_run_options *run);

/**
 * Train the values again, from zero, session by session, on the training part of a codeset without some of its rows.
 * The model stays as it is: the new values are looked at by dkvb_replay_model() and put in place by
 * dkvb_replay_commit(), so that they are trained once, whatever is asked about them in between.
 *
 * Class weights follow from the rows that are left. Per-class counts, where the model keeps them, are made again too.
 * The mask in force stays: undo what the same rows asked for earlier. A code that names a purged pair selects nothing
 * there. A temperature that the model has stays as well: dkvb_forget_apply() fits it again.
 *
 * @param      model    must outlive the replay and stay as it is until dkvb_replay_commit().
 * @param      set      what the model was trained on, as dkvb_replay_check() says.
 * @param      without  `uint64_t[n]`, ids, in any order.
 * @param      run      NULL for the defaults. Progress counts rows of the session that is trained.
 * @return what dkvb_replay_check() returns, `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_replay_new(dkvb_replay **out, dkvb_model *model, const dkvb_codeset *set,
                                                    const uint64_t *without, size_t n, const dkvb_run_options *run);

/** A model with the new values and the mask of the old one, to be measured. Owned by the replay; it has no journal. */
DKVB_API const dkvb_model *dkvb_replay_model(const dkvb_replay *replay);

/**
 * Put the new values in the place of the model's, and say so in its journal. Afterwards the replay can only be freed.
 *
 * The codeset is not changed: take the rows out of it (dkvb_codeset_remove()) once the model is saved.
 *
 * @param      opts   what the journal is to say; NULL: the defaults.
 * @param[out] entry  number of the journal entry, or NULL.
 * @return `DKVB_ESTATE` if the model was trained or got classes since dkvb_replay_new(). Nothing has changed then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_replay_commit(dkvb_replay *replay, const dkvb_forget_options *opts,
                                                       uint64_t *entry);

/** Release a replay, committed or not. NULL is a no-op. */
DKVB_API void dkvb_replay_free(dkvb_replay *replay);

/** All three at once: dkvb_replay_new(), dkvb_replay_commit() and dkvb_replay_free(). */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_replay(dkvb_model *model, const dkvb_codeset *set,
                                                      const uint64_t *without, size_t n,
                                                      const dkvb_forget_options *opts, uint64_t *entry,
                                                      const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
