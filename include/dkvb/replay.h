/**
 * @file
 * @brief Replay: the values are trained again, from stored codes and without some rows.
 *
 * Keys are frozen and codes are stored, so the values can be trained again from zero. A replay takes only a few epochs
 * of additions to a table. The order of the rows in training depends on their ids alone (values.h). So a replay gives,
 * bit for bit, the model that training without the left-out rows would have made. A replay *deletes* what the rows
 * taught the values. A replay does not change keys, or the mean that centres rows, even if they were computed from the
 * deleted rows. Keys that were placed on deleted rows must be placed again, or be taken from other data. A replay
 * changes neither the encoder nor other copies of the model.
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

/** @addtogroup dkvb_unlearn Unlearning
 *  @{ */

/**
 * Train the values again without some rows, and note the replay in the journal of the model.
 *
 * The values start from zero and learn session by session from the training part of a codeset. Class weights are
 * computed from the remaining rows. If the model keeps counts of each class, the pairs are counted again. A replay does
 * not change the mask in force; dkvb_model_undo() takes back what earlier requests for the same rows masked. A code
 * that names a purged pair selects nothing in its codebook. A replay does not change the softmax temperature;
 * dkvb_forget_apply() fits it again.
 *
 * The codeset of a replay must be the codeset that the model was trained on, since other rows would be lost silently.
 * So the fingerprint of its training sessions must equal the fingerprint that training left in the model, either with
 * all rows or without the rows to leave out. A model that was never trained accepts any codeset of its codebooks and
 * `top_k`. Instead of the fingerprint, only the number of rows is compared if dkvb_model_set_values() changed the
 * values, or if the codeset keeps features and pairs were purged since, so that the codes cannot be found again. A
 * replay does not change the codeset: after the model was saved, dkvb_codeset_remove() removes the rows from it.
 *
 * dkvb_forget_plan() with DKVB_STRENGTH_EXACT also plans a replay, and says before any change how much accuracy every
 * class would lose.
 *
 * @param      model    the model, whose values are trained again.
 * @param      set      codeset that the model was trained on.
 * @param      without  `uint64_t[n]`, ids of the rows to leave out, in any order.
 * @param      n        number of ids in `without`.
 * @param      opts     facts that the journal records; NULL for the defaults.
 * @param[out] entry    number of the journal entry of the replay; or NULL.
 * @param      run      run options (threads, progress, ranks); NULL for the defaults. The progress callback counts rows
 *                      of the training session that is repeated.
 * @return `DKVB_EMISMATCH` for a codeset of other rows or of another training; `DKVB_ENOTFOUND` for an id that neither
 *         part of the codeset has; `DKVB_ESTATE` if the codeset has no session, its codes were not searched yet, or the
 *         model is mapped; `DKVB_EINVAL` for a member of the options out of range; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A
 *         failed dkvb_model_replay() changes nothing.
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
