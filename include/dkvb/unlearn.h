/**
 * @file
 * @brief Unlearning: masking pairs of a model, taking that back, making it permanent, and the journal of all this.
 *
 * Three words promise three different things (docs/guide.md, *What forgetting promises*):
 *
 * - Masking **suppresses**. The model never selects masked pairs again, but they are still in the model, and an undo
 *   brings them back. Other values keep what the forgotten rows taught them.
 * - A purge **erases listed bytes**: masked keys, their values, the journal's lists of pairs, and the salts of its
 *   commitments.
 * - Only training again without the rows **deletes** what the rows taught.
 *
 * The journal is evidence of what was done. A commitment is a salted hash: it proves which rows a request was about,
 * without naming them. A chain of hashes proves the order of the entries. The head is the last hash of this chain. A
 * changed journal is noticed only by somebody who kept an earlier head (dkvb_journal_head()), since everyone who can
 * write the file can write a whole new chain.
 *
 * Most callers use dkvb_forget_plan() (plan.h), which chooses pairs, measures effects and refuses harmful requests.
 * Each function of this header does one step, and refuses nothing that is possible. dkvb_unlearn_choose() chooses the
 * pairs to mask (choose.h).
 */
#ifndef DKVB_UNLEARN_H
#define DKVB_UNLEARN_H

#include <stddef.h>
#include <stdint.h>

#include "effect.h"
#include "export.h"
#include "mask.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_unlearn Unlearning
 *  @{ */

/** Strengths of forgetting: how much is done. The numbers of these constants are part of the ABI and of the file
 * format. */
enum {
    DKVB_STRENGTH_NONE = 0,     /**< no strength is noted */
    DKVB_STRENGTH_SUPPRESS = 1, /**< pairs that support the forgotten rows are masked */
    DKVB_STRENGTH_EXACT = 3     /**< the values were trained again without the rows; the number 2 is not used */
};

/** Handling of the keys when values are trained again. The numbers of these constants are part of the ABI and of the
 * file format. */
enum {
    DKVB_KEYS_UNSAID = 0, /**< no choice is noted, or no value was trained again */
    DKVB_KEYS_KEPT = 1,   /**< the keys stay, even if they were placed on the forgotten rows */
    DKVB_KEYS_PLACED = 2  /**< the keys are placed again, without the forgotten rows */
};

/**
 * Facts that the journal records about a forgetting: what was asked for, under which limits, and what was measured.
 *
 * The library records these facts as the caller gives them and measures none of them; dkvb_forget_apply() takes them
 * from a plan. Later plans read the terms: such plans set the classes of earlier requests aside, and forget them again
 * where they come back. All facts stay in the journal for good, even after a purge. Options start from
 * `DKVB_FORGET_OPTIONS_INIT`.
 */
typedef struct dkvb_forget_options {
    size_t struct_size; /**< sizeof(dkvb_forget_options), set by INIT */
    const char *method; /**< "activations", "examples" or another word; UTF-8, at most 63 bytes; NULL: "mask" */
    const char *reason; /**< reason; UTF-8, at most 4,095 bytes; NULL: "". The reason stays even after a purge */

    uint32_t strength;      /**< DKVB_STRENGTH_… */
    uint32_t forced;        /**< 1: the request was applied although it exceeded a limit */
    const uint8_t *classes; /**< `uint8_t[classes]` of the model, DKVB_FORGET (choose.h) for each class that the
                                 request names, at least one; NULL: the request names no class */
    const dkvb_class_effect *effects; /**< `dkvb_class_effect[classes]`, as measured; NULL: not measured. The journal
                                           keeps the counts of classes with rows; loss and interval follow from these */
    uint64_t budget;                  /**< number of chosen pairs, for method "examples" of drawn rows; 0: not given */
    uint32_t found;                   /**< 1: a search found the budget for `target`; 0: the caller gave the budget */
    uint32_t keys;                    /**< exact: DKVB_KEYS_… */
    double target;                    /**< accuracy that the forgotten classes may keep, 0 to 1; read only if `found` */
    double max_retain_drop;           /**< accuracy that all other classes together may lose, 0 to 1 */
    double max_class_loss;            /**< accuracy that any other class may lose for certain, 0 to 1 */
    uint64_t again;                   /**< number of an earlier forgetting, not undone, whose classes are forgotten once
                                           more; 0: none */
    const uint8_t *after;             /**< `uint8_t[32]`, head of the older journal that this one continues, if new keys
                                           made a new model; or NULL */

    /** `uint64_t[row_count]`, ids of the forgotten rows, in any order, each once. The ids are the caller's own numbers;
     *  the caller needs the same numbers to prove later which rows they were. The journal keeps the number of ids and a
     *  commitment to them: SHA-256 over a salt and the ids (docs/format.md). NULL: the rows are not recorded. */
    const uint64_t *rows;
    uint64_t row_count; /**< number of ids in `rows` */

    /** `uint8_t[32]`, salt of the commitments; NULL: the library draws it from the system's random source. The salt
     * hides the ids, so nobody must be able to guess it, and each call needs a new one. Equal calls with equal salts
     * make equal bytes. A model keeps the salt until a purge; to prove the rows after a purge, the caller needs a copy.
     */
    const uint8_t *salt;
} dkvb_forget_options;

/** Defaults of dkvb_forget_options. */
#define DKVB_FORGET_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0                           \
    }
DKVB_INIT_FUNCTION(dkvb_forget_options, DKVB_FORGET_OPTIONS_INIT)

/**
 * Mask pairs in a model, and note that in the journal.
 *
 * The mask in force is the union of all forgettings that were not undone, so the order of requests does not matter. The
 * journal notes the present time, or the time in the environment variable SOURCE_DATE_EPOCH.
 *
 * @param      model  the model.
 * @param      mask   pairs to mask, copied; must belong to the model's codebooks.
 * @param      opts   facts for the journal; NULL for the defaults.
 * @param[out] entry  number of the journal entry, which dkvb_model_undo() takes; or NULL.
 * @return `DKVB_EINVAL` for a member of the options out of range or a row that is named twice; `DKVB_EMISMATCH` for a
 *         mask of other codebooks; `DKVB_EIO` without a random source for the salt; `DKVB_ESTATE`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_forget(dkvb_model *model, const dkvb_mask *mask,
                                                      const dkvb_forget_options *opts, uint64_t *entry);

/**
 * Take one forgetting back.
 *
 * The mask in force becomes the union of the forgettings that remain. Undoing the latest one restores the earlier mask,
 * and so every score, bit for bit. Values that were trained in the meantime keep this training. A forgetting that is
 * over because its rows were taught again can be undone in the same way.
 *
 * @param      model   the model.
 * @param      entry   number of the forgetting; 0: the latest active one.
 * @param[out] undone  number of the entry that was taken back; or NULL.
 * @return `DKVB_ENOTFOUND` if there is no such entry, or none is active; `DKVB_ESTATE` if the entry is no forgetting,
 * was undone before, or was purged; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_undo(dkvb_model *model, uint64_t entry, uint64_t *undone);

/**
 * Note in the journal that forgotten rows or classes were taught again. The forgetting, or the replay, is then over.
 *
 * Later requests neither set its classes aside nor forget them again, and training accepts them. Masked pairs stay
 * masked until an undo. dkvb_model_train() with `relearn` makes this note itself when forgotten classes come back.
 * Callers use this function for cases that the library cannot see: rows that were forgotten by their ids, or values
 * that were trained elsewhere.
 *
 * @param      model  the model.
 * @param      entry  number of the forgetting or replay.
 * @param      opts   facts for the journal; NULL for the defaults.
 * @param[out] added  number of the new entry; or NULL.
 * @return `DKVB_ENOTFOUND` if there is no such entry; `DKVB_ESTATE` if the entry is neither a forgetting nor a replay,
 * was undone, or is over already; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_relearn(dkvb_model *model, uint64_t entry,
                                                       const dkvb_forget_options *opts, uint64_t *added);

/**
 * Make the mask in force permanent. A purge cannot be undone.
 *
 * A purge overwrites masked keys and their values with zeros. A purge removes the lists of pairs and all salts from the
 * journal, and the pairs count as purged. Without its salt, nobody can find out what a commitment commits to. Sections
 * of a file that this library does not know are dropped, since nobody can say what they hold. Scores do not change.
 *
 * Codebooks that have other owners are copied first, and the other owners keep the old keys. Files that were saved
 * before, and copies elsewhere, stay as they are.
 *
 * @param model  the model.
 * @return `DKVB_ESTATE` if there is nothing to erase (no masked pair, salt, list, count or unknown section), or if the
 *         model is mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_purge(dkvb_model *model);

/**
 * Remove the names of all classes that forgettings in force asked for, purged and exact ones included.
 *
 * The name of a class is personal data if the class is a person. A model has names only in its list of classes, since
 * the journal stores class indices. Copies of the model elsewhere keep the names.
 *
 * @param      model    the model.
 * @param[out] dropped  number of classes that lost a name; or NULL.
 * @return `DKVB_ESTATE` if the model is mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_forgotten_names(dkvb_model *model, uint32_t *dropped);

/** Kinds of journal entries. The numbers of these constants are part of the ABI and of the file format. */
enum {
    DKVB_JOURNAL_FORGET = 1, /**< pairs were masked */
    DKVB_JOURNAL_UNDO = 2,   /**< a forgetting was taken back */
    DKVB_JOURNAL_PURGE = 3,  /**< masked pairs were erased */
    DKVB_JOURNAL_REPLAY = 4, /**< values were trained again without some rows; masks stayed in force */
    DKVB_JOURNAL_RELEARN = 5 /**< rows or classes of a forgetting or a replay were taught again, which ended it */
};

/** States of journal entries: what became of them later. */
enum {
    DKVB_JOURNAL_ACTIVE = 0,   /**< a forgetting in force, which can be undone */
    DKVB_JOURNAL_UNDONE = 1,   /**< a forgetting that was taken back */
    DKVB_JOURNAL_PURGED = 2,   /**< a forgetting that is permanent */
    DKVB_JOURNAL_DONE = 3,     /**< an undo, a purge, a relearning, or a replay in force */
    DKVB_JOURNAL_RELEARNED = 4 /**< a forgetting or a replay that is over, since its rows or classes were taught again;
                                    its masked pairs stay masked until an undo, or for good */
};

/** One entry of the journal. The caller sets `struct_size`. */
typedef struct dkvb_journal_entry {
    size_t struct_size; /**< sizeof(dkvb_journal_entry), set by INIT */
    uint64_t id;        /**< number of the entry: 1, 2, 3, … */
    uint32_t kind;      /**< DKVB_JOURNAL_FORGET, _UNDO, _PURGE, _REPLAY or _RELEARN */
    uint32_t state;     /**< DKVB_JOURNAL_ACTIVE, _UNDONE, _PURGED, _DONE or _RELEARNED */
    uint32_t in_force;  /**< 1: a forgetting or a replay that is neither undone nor over; a purge keeps it in force */
    uint64_t ends;      /**< undo: number of the entry taken back; relearn: number of the entry that is over; else 0 */
    int64_t time;       /**< seconds since 1970-01-01 00:00 UTC */
    uint64_t pairs;     /**< number of pairs that were asked for (forget), came back (undo) or were erased (purge) */
    uint64_t pairs_new; /**< forget: number of pairs that were not masked before; else 0 */
    const char *method; /**< method; the text is valid until the model changes */
    const char *reason; /**< reason; the text is valid until the model changes */

    uint32_t strength;             /**< DKVB_STRENGTH_… */
    uint32_t by_class;             /**< 1: the request named classes; dkvb_journal_get_terms() returns them */
    uint32_t measured;             /**< 1: effects are recorded; dkvb_journal_get_terms() returns them */
    uint32_t forced;               /**< 1: the request was applied although it exceeded a limit */
    uint32_t found;                /**< 1: a search found the budget for `target`; 0: the caller gave the budget */
    uint32_t keys;                 /**< exact: DKVB_KEYS_… */
    uint64_t budget;               /**< number of chosen pairs, for method "examples" of drawn rows; 0: not given */
    double target;                 /**< accuracy that the forgotten classes may keep; 0 unless `found` */
    double max_retain_drop;        /**< accuracy that all other classes together may lose; 0: not given */
    double max_class_loss;         /**< accuracy that any other class may lose for certain; 0: not given */
    uint64_t again;                /**< number of the earlier entry whose classes were forgotten once more; 0: none */
    uint32_t has_after;            /**< 1: the journal continues the journal of an older model */
    uint8_t after[32];             /**< head of the older journal; zeros without one */
    uint64_t rows;                 /**< number of forgotten rows; 0: not recorded */
    uint32_t has_commitment;       /**< 1: the entry has a commitment to the ids of the forgotten rows */
    uint8_t commitment[32];        /**< commitment to the ids; zeros without one */
    uint8_t head[32];              /**< hash of this entry and all entries before it */
    uint32_t salted;               /**< 1: the model still has the salt of the commitments */
    uint32_t has_pairs_commitment; /**< 1: the entry has a commitment to the pairs that a forgetting asked for */
    uint8_t pairs_commitment[32];  /**< commitment to the pairs; zeros without one */
    uint32_t unchecked; /**< 1: an entry in force whose salt is gone, so that nobody can tell whether its rows
                             were taught again */
} dkvb_journal_entry;

/** Defaults of dkvb_journal_entry. */
#define DKVB_JOURNAL_ENTRY_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_journal_entry), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0, 0, {0}, 0, 0, \
            {0}, {0}, 0, 0, {0}, 0                                                                                     \
    }
DKVB_INIT_FUNCTION(dkvb_journal_entry, DKVB_JOURNAL_ENTRY_INIT)

/**
 * Read one journal entry by its place.
 *
 * @param      model  the model.
 * @param      index  place of the entry: 0 is the oldest; `journal_entries` of dkvb_model_info is the number of
 * entries.
 * @param[out] entry  the entry; the caller sets `struct_size`.
 * @return `DKVB_ENOTFOUND` past the last entry; `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get(const dkvb_model *model, uint64_t index,
                                                     dkvb_journal_entry *entry);

/**
 * Read which classes an entry asked to forget, and which effect on each class it recorded.
 *
 * @param      model    the model.
 * @param      entry    number of the entry.
 * @param[out] marks    `uint8_t[classes]`, DKVB_FORGET for each class that was named, else DKVB_KEEP; or NULL.
 * @param[out] effects  `dkvb_class_effect[classes]`, or NULL; `rows` is 0 where no effect was recorded.
 * @return `DKVB_ENOTFOUND` if there is no such entry.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_terms(const dkvb_model *model, uint64_t entry, uint8_t *marks,
                                                           dkvb_class_effect *effects);

/**
 * Copy forgotten pairs to a new mask.
 *
 * @param      model  the model.
 * @param      entry  number of a forgetting: the mask gets the pairs that it asked for. 0: the mask gets all pairs that
 *                    are masked or purged.
 * @param[out] out    the mask, owned by the caller: dkvb_mask_free(). NULL on failure.
 * @return `DKVB_ESTATE` if the entry's list is gone, after an undo or a purge; `DKVB_ENOTFOUND`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_mask(const dkvb_model *model, uint64_t entry, dkvb_mask **out);

/**
 * Check whether an entry commits to exactly these rows.
 *
 * @param model  the model.
 * @param entry  number of the entry.
 * @param rows   `uint64_t[n]`, ids in any order. Ids that do not ascend are copied and sorted.
 * @param n      number of ids.
 * @return 1 if the entry commits to exactly these rows and its salt is still there. Otherwise 0, also if there is no
 * such entry, or no memory to sort the ids (dkvb_last_error() then says so).
 */
DKVB_API int dkvb_journal_names_rows(const dkvb_model *model, uint64_t entry, const uint64_t *rows, size_t n);

/**
 * Head of the journal: a hash of its newest entry and all entries before it. The head of an empty journal is a hash of
 * the birth id.
 *
 * A head proves later that the journal has only grown since. For this proof the head must be kept where nobody who can
 * write the model can change it.
 *
 * @param      model  the model.
 * @param[out] head   `uint8_t[32]`.
 */
DKVB_API void dkvb_journal_head(const dkvb_model *model, uint8_t *head);

/**
 * Find an earlier head in the journal. A head that is found proves that the journal has only grown since.
 *
 * @param      model  the model.
 * @param      head   `uint8_t[32]`, the earlier head.
 * @param[out] entry  number of the entry that was the newest then, 0 if there was none; or NULL.
 * @return `DKVB_ENOTFOUND` if no entry has this head: entries were changed or removed, or the head is of another
 * journal.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_find_head(const dkvb_model *model, const uint8_t *head,
                                                           uint64_t *entry);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
