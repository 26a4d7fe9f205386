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

/**
 * Train the values again, from zero, on the training part of a codeset without some of its rows, as the codeset says
 * that they were trained. Per-class counts, where the model keeps them, are made again too. The mask in force stays:
 * undo what the same rows asked for earlier. A code that names a purged pair selects nothing there.
 *
 * The codeset is not changed: take the rows out of it (dkvb_codeset_remove()) once the model is saved.
 *
 * @param      set      of the model's codebooks and `top_k`; it must account for every row that the model was trained
 *                      on (`DKVB_EMISMATCH` says how many each has), else rows would be lost in silence. A model that
 * was trained without the rows already may be given the codeset that still has them.
 * @param      without  `uint64_t[n]`, ids, in any order; `DKVB_ENOTFOUND` names one that is in neither part.
 * @param      opts     what the journal is to say; NULL: the defaults.
 * @param[out] entry    number of the journal entry, or NULL.
 * @param      run      NULL for the defaults. Progress counts rows.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_replay(dkvb_model *model, const dkvb_codeset *set,
                                                      const uint64_t *without, size_t n,
                                                      const dkvb_forget_options *opts, uint64_t *entry,
                                                      const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
