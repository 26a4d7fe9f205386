/**
 * @file
 * @brief Replay: the values of a model are trained again, from stored codes and without some rows.
 *
 * The keys of a model are frozen and the codes of its training rows are stored, so the values can be trained again from
 * zero. A replay (training the values again without some rows) is fast, since training the values only adds numbers to
 * a table for a few epochs. The place of a row in the order of training depends on the id of the row, not on the other
 * rows (values.h). Since left-out rows do not change the order of the other rows, training again without them gives,
 * bit for bit, the model that a first training without these rows would have made. Training the values again in a
 * replay *deletes* what the left-out rows taught the values. A replay (training the values again) changes neither the
 * keys nor the mean that centres rows, even if the deleted rows had a part in computing them. Keys that were placed on
 * rows to delete must be placed again without these rows, or be replaced by keys from other data. A replay (training
 * the values of one model again) changes neither the encoder nor other copies of the model.
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

/** @addtogroup dkvb_unlearn
 *  @{ */

/**
 * Train the values of a model again without some rows, and note the replay in the journal of the model.
 *
 * dkvb_model_replay() sets the values to zero and trains them again on the training part of a codeset, one training
 * session of the codeset after another. In a replay (training again without some rows), class weights are computed from
 * the remaining rows. If a model keeps counts of the pairs that each class selects, dkvb_model_replay() counts the
 * selected pairs again. dkvb_model_replay() does not change the mask in force; dkvb_model_undo() takes back what
 * earlier requests for the same rows masked. When dkvb_model_replay() trains the values again, a code that names a
 * purged pair selects nothing in its codebook. dkvb_model_replay() does not change the softmax temperature of the
 * model; dkvb_forget_apply() fits the temperature again.
 *
 * dkvb_model_replay() needs the codeset that the model was trained on, since training on another codeset would silently
 * drop what other rows taught. dkvb_model_replay() requires that the fingerprint of the codeset's training sessions,
 * with or without the rows to leave out, equals the fingerprint that training left in the model. For a model that was
 * never trained, dkvb_model_replay() accepts any codeset of the model's codebooks and `top_k`. Instead of the
 * fingerprint, dkvb_model_replay() compares only the number of rows if dkvb_model_set_values() changed the values, or
 * if the codes cannot be computed again, since the codeset keeps features and pairs of the model were purged.
 * dkvb_model_replay() does not change the codeset: after the model was saved, dkvb_codeset_remove() removes the rows
 * from the codeset.
 *
 * dkvb_forget_plan() with DKVB_STRENGTH_EXACT also plans to train the values again without the forgotten rows, and says
 * before any change how much accuracy every class would lose.
 *
 * @param      model    model whose values are trained again.
 * @param      set      codeset (stored codes of rows) on which the model was trained.
 * @param      without  `uint64_t[n]`, ids of the rows to leave out of the training, in any order.
 * @param      n        number of row ids in `without`.
 * @param      opts     facts that the journal records about the replay (training again without some rows); NULL for the
 *                      defaults.
 * @param[out] entry    receives the number of the journal entry that notes the replay (training again without some
 *                      rows); or NULL.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. In
 *                      dkvb_model_replay(), the progress callback counts rows of the training session that is repeated.
 * @return `DKVB_EMISMATCH` for a codeset of other rows or of another training; `DKVB_ENOTFOUND` for a row id that the
 *         codeset has neither in its training part nor among the held-out rows; `DKVB_ESTATE` if the codeset has no
 *         training session, its codes were not searched yet, or the model is memory-mapped; `DKVB_EINVAL` for a member
 *         of `opts` out of range; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A failed dkvb_model_replay() changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_replay(dkvb_model *model, const dkvb_codeset *set,
                                                      const uint64_t *without, size_t n,
                                                      const dkvb_forget_options *opts, uint64_t *entry,
                                                      const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
