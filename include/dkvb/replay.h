/**
 * A replay makes the values that a model would have if some rows had never been there.
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

/**
 * The values are trained again, from zero, session by session, on the training part of a codeset without some of its
 * rows; then they take the place of the model's, and its journal says so.
 *
 * Class weights follow from the rows that are left. Per-class counts, where the model keeps them, are made again too.
 * The mask in force stays: undo what the same rows asked for earlier. A code that names a purged pair selects nothing
 * there. A temperature that the model has stays as well: dkvb_forget_apply() fits it again.
 *
 * The codeset must be what the model was trained on, or rows would be lost in silence: the fingerprint of its sessions
 * must be the one that training left in the model, with all rows or already without these. A model that was never
 * trained takes any codeset of its codebooks and `top_k`. Only the number of rows is compared where the values did not
 * come from training alone (dkvb_model_set_values()), and where features are kept and pairs were purged since, so that
 * the codes cannot be found again. The codeset is not changed: take the rows out of it (dkvb_codeset_remove()) once the
 * model is saved.
 *
 * dkvb_forget_plan() with DKVB_STRENGTH_EXACT does the same and tells what every class would lose before anything
 * changes.
 *
 * @param      without  `uint64_t[n]`, ids, in any order; `DKVB_ENOTFOUND` names one that is in neither part.
 * @param      opts     what the journal is to say; NULL: the defaults.
 * @param[out] entry    number of the journal entry, or NULL.
 * @param      run      NULL for the defaults. Progress counts rows of the session that is trained.
 * @return `DKVB_EMISMATCH` (a codeset of other rows or of another training), `DKVB_ESTATE` (no session was recorded;
 *         codes not searched yet; a mapped model), `DKVB_EINVAL` (a field of the options that cannot be),
 *         `DKVB_ENOMEM`, `DKVB_ECANCELLED`. Nothing has changed then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_replay(dkvb_model *model, const dkvb_codeset *set,
                                                      const uint64_t *without, size_t n,
                                                      const dkvb_forget_options *opts, uint64_t *entry,
                                                      const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
