/**
 * Unlearning: which pairs should go, what was done, how it is taken back, how it is made permanent.
 *
 * Words are chosen with care (docs/guide.md, *What forgetting promises*):
 *
 * - Masking **suppresses**. The pairs are never selected again, but they are still in the model and undo
 *   brings them back. What they taught other values in training stays.
 * - Purge **erases listed bytes**: keys, values, and the journal's list of the masked pairs.
 * - Only training again without the rows **deletes** what they taught.
 *
 * Source of both methods: *Unlearning via Sparse Representations*, arXiv
 * 2311.15268, section 4. The forget set is given as codes: run it through
 * dkvb_search() with the mask in force, or keep the codes from training.
 */
#ifndef DKVB_UNLEARN_H
#define DKVB_UNLEARN_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "mask.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Count how often each pair is selected by the codes of a forget set. Counts are added
 * to what is there, so batches, threads and machines can be summed.
 *
 * @param         codes   `uint16_t[n][codebooks][k]`; DKVB_CODE_NONE counts nothing. Stale codes are allowed:
 *                        counts may come from the first codes whatever was masked since.
 * @param[in,out] counts  `uint64_t[codebooks][keys]`; nothing is added on failure.
 * @param         run     NULL for the defaults. Progress is not called: this takes milliseconds.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_activations_count(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                           size_t n, uint64_t *counts,
                                                           const dkvb_run_options *run);

/**
 * Unlearning via activations: add the `pairs` most selected pairs to `mask`, all codebooks together,
 * ties to the lowest pair. Pairs that were never selected are not taken, so fewer may be added.
 *
 * @param mask    made for the codebooks that the counts belong to.
 * @param counts  `uint64_t[codebooks][keys]`, from dkvb_activations_count().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_unlearn_by_activations(dkvb_mask *mask, const uint64_t *counts,
                                                                uint64_t pairs);

/**
 * Unlearning via examples: draw `examples` of the n rows by `seed`, without replacement, and add to `mask`
 * every pair that any of them selects. All rows if `examples` >= n.
 *
 * @param codes  `uint16_t[n][codebooks][k]`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_unlearn_by_examples(dkvb_mask *mask, const uint16_t *codes, uint32_t k,
                                                             size_t n, size_t examples, uint64_t seed);

/** What the journal is to say of a forgetting. Start from `DKVB_FORGET_OPTIONS_INIT`. */
typedef struct dkvb_forget_options {
    size_t struct_size; /**< sizeof(dkvb_forget_options), set by INIT */
    const char *method; /**< "activations", "examples" or another word; UTF-8, at most 63 bytes; NULL: "mask" */
    const char *reason; /**< why; UTF-8, at most 4,095 bytes; NULL: "". Stays in the journal even after a purge */
} dkvb_forget_options;

#define DKVB_FORGET_OPTIONS_INIT {sizeof(dkvb_forget_options), 0, 0}

/** Fill in the defaults, for callers that cannot use the macro. `struct_size`: sizeof their struct. */
DKVB_API void dkvb_forget_options_init(dkvb_forget_options *opts, size_t struct_size);

/**
 * Mask pairs in a model, and write it in the journal. The mask in force is the union of all entries that were
 * not undone, so the order of requests does not matter.
 *
 * The time is the present, or SOURCE_DATE_EPOCH of the environment.
 *
 * @param      mask   copied; of the model's codebooks, else `DKVB_EMISMATCH`.
 * @param[out] entry  number of the journal entry, for undo; or NULL.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_forget(dkvb_model *model, const dkvb_mask *mask,
                                                      const dkvb_forget_options *opts, uint64_t *entry);

/**
 * Take back one forgetting. The mask becomes the union of the entries that remain: undoing the
 * latest restores the mask, and so every score, bit for bit. Values that were trained since stay trained.
 *
 * @return `DKVB_ENOTFOUND` (no such entry), `DKVB_ESTATE` (not a forgetting, undone already, or purged).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_undo(dkvb_model *model, uint64_t entry);

/**
 * Make the mask in force permanent: overwrite masked keys and their values with zeros, drop the lists of pairs from the
 * journal, and mark the pairs as purged. Sections of the file that this library does not know are dropped: nobody can
 * say what they hold. Cannot be undone. Scores do not change.
 *
 * Codebooks that others own too are copied first; the other owners keep the keys. Files saved
 * before, and copies elsewhere, are not touched.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_purge(dkvb_model *model);

/* What a journal entry records. Values are part of the ABI and of the file format. */
enum {
    DKVB_JOURNAL_FORGET = 1,
    DKVB_JOURNAL_UNDO = 2,
    DKVB_JOURNAL_PURGE = 3
};

/* What became of a forgetting. */
enum {
    DKVB_JOURNAL_ACTIVE = 0, /**< in force, can be undone */
    DKVB_JOURNAL_UNDONE = 1,
    DKVB_JOURNAL_PURGED = 2, /**< in force for good */
    DKVB_JOURNAL_DONE = 3    /**< an undo or a purge */
};

/** One entry of the journal. The caller sets `struct_size`. */
typedef struct dkvb_journal_entry {
    size_t struct_size;
    uint64_t id;        /**< from 1, ascending */
    uint32_t kind;      /**< DKVB_JOURNAL_FORGET, _UNDO or _PURGE */
    uint32_t state;     /**< DKVB_JOURNAL_ACTIVE … */
    uint64_t target;    /**< undo: the entry taken back; else 0 */
    int64_t time;       /**< seconds since 1970-01-01 00:00 UTC */
    uint64_t pairs;     /**< forget: pairs asked for; undo: pairs that came back; purge: pairs erased */
    uint64_t pairs_new; /**< forget: pairs that were not masked before; else 0 */
    const char *method; /**< tied to the model, until it is changed */
    const char *reason; /**< tied to the model, until it is changed */
} dkvb_journal_entry;

#define DKVB_JOURNAL_ENTRY_INIT {sizeof(dkvb_journal_entry), 0, 0, 0, 0, 0, 0, 0, 0, 0}

/** Number of entries in the model's journal. */
DKVB_API uint64_t dkvb_journal_count(const dkvb_model *model);

/** Entry at `index`, 0 = the oldest. `DKVB_ENOTFOUND` past the end. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get(const dkvb_model *model, uint64_t index,
                                                     dkvb_journal_entry *entry);

/** The pairs that a forgetting asked for. `DKVB_ESTATE` if the list is gone (undone or purged). */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_mask(const dkvb_model *model, uint64_t entry, dkvb_mask **out);

#ifdef __cplusplus
}
#endif

#endif
