/**
 * @file
 * @brief Replay: the values of a model are trained again, from stored codes and without some rows.
 *
 * The keys of a model are frozen and the codes of its training rows are stored, so the values can be trained again from
 * zero. A replay is fast, since training the values only adds numbers to a table for a few epochs. The place of a row
 * in the order of training depends on the id of the row, not on the other rows (values.h). Therefore a replay gives,
 * bit for bit, the model that training without the left-out rows would have made. A replay *deletes* what the left-out
 * rows taught the values. A replay changes neither the keys nor the mean that centres rows, even if the deleted rows
 * had a part in computing them. Keys that were placed on deleted rows must be placed again, or be taken from other
 * data. A replay changes neither the encoder nor other copies of the model.
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
 * In a replay, the values start from zero and are trained, session by session, on the training part of a codeset. A
 * replay computes class weights from the remaining rows. If the model keeps counts of each class, a replay counts the
 * selected pairs again. A replay does not change the mask in force; dkvb_model_undo() takes back what earlier requests
 * for the same rows masked. In a replay, a code that names a purged pair selects nothing in its codebook. A replay does
 * not change the softmax temperature; dkvb_forget_apply() fits it again.
 *
 * The codeset of a replay must be the codeset that the model was trained on, since other rows would be lost silently. A
 * replay therefore requires that the fingerprint of the codeset's training sessions equals the fingerprint that
 * training left in the model, either with all rows or without the rows to leave out. A model that was never trained
 * accepts any codeset of its codebooks and `top_k`. A replay compares only the number of rows, instead of the
 * fingerprint, if dkvb_model_set_values() changed the values, or if the codeset keeps features and pairs of the model
 * were purged since, so that the codes cannot be computed again. A replay does not change the codeset: after the model
 * was saved, dkvb_codeset_remove() removes the rows from it.
 *
 * dkvb_forget_plan() with DKVB_STRENGTH_EXACT also plans a replay, and says before any change how much accuracy every
 * class would lose.
 *
 * @param      model    model whose values are trained again.
 * @param      set      codeset on which the model was trained.
 * @param      without  `uint64_t[n]`, ids of the rows to leave out of the training, in any order.
 * @param      n        number of row ids in `without`.
 * @param      opts     facts that the journal records about the replay; NULL for the defaults.
 * @param[out] entry    receives the number of the journal entry of the replay; or NULL.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. In a replay, the
 *                      progress callback counts rows of the training session that is repeated.
 * @return `DKVB_EMISMATCH` for a codeset of other rows or of another training; `DKVB_ENOTFOUND` for a row id that the
 *         codeset has neither in its training part nor among the held-out rows; `DKVB_ESTATE` if the codeset has no
 *         session, its codes were not searched yet, or the model is mapped; `DKVB_EINVAL` for a member of `opts` out of
 *         range; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A failed dkvb_model_replay() changes nothing.
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
