/**
 * @file
 * @brief Unlearning: functions that mask (codebook, key) pairs of a model, undo a masking, make a masking permanent,
 * and read the journal of these operations.
 *
 * Forgetting can promise three different things: to suppress, to erase listed bytes, or to delete (docs/guide.md, *What
 * forgetting promises*).
 *
 * - Masking (codebook, key) pairs **suppresses** what is forgotten. The model never selects masked (codebook, key)
 *   pairs again, but the masked pairs are still in the model, and an undo brings them back. Masking leaves the values
 *   of other pairs unchanged, with what the forgotten rows taught these values.
 * - A purge (making masked pairs permanent) **erases listed bytes**: masked keys, their values, the journal's lists of
 *   masked pairs, and the salts of the journal's commitments.
 * - Only training the values again without the forgotten rows **deletes** what the forgotten rows taught.
 *
 * The journal of a model is evidence of what was forgotten. A commitment in the journal is a salted hash, which proves
 * which rows a request to forget was about, without naming the rows. A chain of hashes proves the order of the journal
 * entries. The head of the journal is the last hash of the chain of journal entries. Only somebody who kept an earlier
 * head of the journal notices that the journal was changed (dkvb_journal_head()), since everyone who can write the
 * model file can write a whole new chain of hashes.
 *
 * To forget, most callers use dkvb_forget_plan() (plan.h), which chooses the pairs to mask, measures effects and
 * refuses harmful requests. Each function of unlearn.h does one step of a forgetting, and does not refuse a step
 * because of its effect on other classes. dkvb_unlearn_choose() chooses the pairs to mask (choose.h).
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

/**
 * Strengths of forgetting: what a forget operation does to a model. The numbers of the DKVB_STRENGTH_… constants are
 * part of the ABI and of the file format.
 */
enum {
    DKVB_STRENGTH_NONE = 0, /**< strength of forgetting: none is noted in the journal */
    /** Strength of forgetting `suppress`: pairs that support the forgotten rows are masked. */
    DKVB_STRENGTH_SUPPRESS = 1,
    /**
     * Strength of forgetting `exact`: the values were trained again without the forgotten rows. No DKVB_STRENGTH_…
     * constant has the number 2.
     */
    DKVB_STRENGTH_EXACT = 3
};

/**
 * Treatment of the keys of a model when its values are trained again. The numbers of the DKVB_KEYS_… constants are
 * part of the ABI and of the file format.
 */
enum {
    /** Treatment of keys in a forgetting: not noted in the journal, or no values were trained again. */
    DKVB_KEYS_UNSAID = 0,
    /** Treatment of keys in a forgetting: the keys do not change, even if they were placed on the forgotten rows. */
    DKVB_KEYS_KEPT = 1,
    /** Treatment of keys in a forgetting: the keys are placed again, without the forgotten rows. */
    DKVB_KEYS_PLACED = 2
};

/**
 * Facts that the journal records about a forget operation: what the request asked for, under which limits, and which
 * effects were measured.
 *
 * dkvb_model_forget() records the facts about a forget operation as the caller gives them, and measures none of them;
 * dkvb_forget_apply() takes the facts from a plan. Later plans read the facts about earlier forget operations in the
 * journal: a plan does not count the classes of earlier requests among the other classes, and forgets them again if the
 * model would answer them again. The facts about a forget operation stay in the journal forever, even after
 * dkvb_model_purge(). Callers initialise the struct with `DKVB_FORGET_OPTIONS_INIT`.
 */
typedef struct dkvb_forget_options {
    size_t struct_size; /**< size of dkvb_forget_options in bytes, set by DKVB_FORGET_OPTIONS_INIT */
    /**
     * Method that chose the pairs to mask, "activations", "examples" or another word; UTF-8, at most 63 bytes; NULL
     * stands for "mask".
     */
    const char *method;
    /**
     * Reason of the request to forget, UTF-8, at most 4,095 bytes; NULL stands for "". The reason of a request stays in
     * the journal even after dkvb_model_purge().
     */
    const char *reason;

    uint32_t strength; /**< strength of forgetting that the journal records, DKVB_STRENGTH_… */
    /** 1 if the forgetting was forced: applied although it exceeded a limit of its request. */
    uint32_t forced;
    /**
     * `uint8_t[classes]` of the model, DKVB_FORGET (choose.h) for each class that the request asks to forget, at least
     * one; NULL if the request names no class.
     */
    const uint8_t *classes;
    /**
     * `dkvb_class_effect[classes]`, measured effect of the forgetting on each class; NULL if no effect was measured.
     * For each class that has rows, the journal keeps the counts of rows from which the class's loss of accuracy and
     * its 95 % interval are computed.
     */
    const dkvb_class_effect *effects;
    /**
     * Budget of the forgetting: number of masked pairs, for the method "examples" number of drawn rows; 0 if no budget
     * is given.
     */
    uint64_t budget;
    /**
     * 1 if a search found the budget (number of masked pairs) that reaches `target`; 0 if the caller gave the budget.
     */
    uint32_t found;
    uint32_t keys; /**< what a forgetting of the strength `exact` does with the keys, DKVB_KEYS_… */
    /**
     * Target of the search for a budget: accuracy that the forgotten classes may still have, 0 to 1; read only if
     * `found` is 1.
     */
    double target;
    /**
     * Limit of the request: accuracy that all classes not to be forgotten may lose together, as a fraction of 0 to 1.
     */
    double max_retain_drop;
    /**
     * Limit of the request: accuracy that any class not to be forgotten may lose for certain (lower end of the 95 %
     * interval), as a fraction of 0 to 1.
     */
    double max_class_loss;
    /**
     * Number of an earlier journal entry, not undone, whose classes the new forget operation forgets once more; 0 if
     * there is no such entry.
     */
    uint64_t again;
    /**
     * `uint8_t[32]`, head (latest hash) of the older journal that the journal of the model continues, if new keys made
     * a new model; or NULL.
     */
    const uint8_t *after;

    /**
     * `uint64_t[row_count]`, ids of the forgotten rows, in any order, each once; NULL records no row ids. Ids of rows
     * are the caller's own numbers; the caller needs the same ids to prove later which rows were forgotten. The journal
     * keeps the number of row ids and a commitment to the ids: SHA-256 over a salt and the ids (docs/format.md).
     */
    const uint64_t *rows;
    uint64_t row_count; /**< number of row ids in `rows` */

    /**
     * `uint8_t[32]`, salt of the commitments (salted hashes) in the journal; NULL draws the salt from the system's
     * random source. The salt of a commitment hides the ids of the forgotten rows, so nobody must be able to guess the
     * salt, and each call needs a new salt. Equal calls of dkvb_model_forget() on equal models, with equal salts and at
     * equal times, give equal models, bit for bit. A model keeps the salts of its commitments until dkvb_model_purge()
     * erases them; to prove afterwards which rows were forgotten, the caller needs a copy of the salt.
     */
    const uint8_t *salt;
} dkvb_forget_options;

/** Initialiser of dkvb_forget_options that gives every member its default. */
#define DKVB_FORGET_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0                           \
    }
DKVB_INIT_FUNCTION(dkvb_forget_options, DKVB_FORGET_OPTIONS_INIT)

/**
 * Mask (codebook, key) pairs in a model, and note the masking in the journal of the model.
 *
 * The mask in force is the union of the masks of all forget operations that were not undone, so the order of requests
 * to forget does not matter. A journal entry has the present time, or the time in the environment variable
 * SOURCE_DATE_EPOCH.
 *
 * @param      model  the model.
 * @param      mask   mask of the pairs to mask, which the library copies; the mask must be made for the model's
 *                    codebooks.
 * @param      opts   facts that the journal records about the masking; NULL for the defaults.
 * @param[out] entry  receives the number of the journal entry of the masking, which dkvb_model_undo() takes; or NULL.
 * @return `DKVB_EINVAL` for a member of `opts` out of range or a row id that is given twice; `DKVB_EMISMATCH` for a
 *         mask of other codebooks; `DKVB_EIO` if there is no random source for the salt; `DKVB_ESTATE` if the model is
 *         memory-mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_forget(dkvb_model *model, const dkvb_mask *mask,
                                                      const dkvb_forget_options *opts, uint64_t *entry);

/**
 * Undo one forget operation of a model.
 *
 * After an undo, the mask in force is the union of the masks of the remaining forget operations. Undoing the latest
 * forget operation restores the earlier mask, and with it all logits, bit for bit. An undo does not change values of
 * the model that were trained after the undone forget operation. A forget operation that ended because its rows were
 * taught again can be undone too.
 *
 * @param      model   the model.
 * @param      entry   number of the journal entry of the forget operation to undo; 0 for the latest active forget
 *                     operation.
 * @param[out] undone  receives the number of the journal entry that was undone; or NULL.
 * @return `DKVB_ENOTFOUND` if the journal entry does not exist, or no forget operation is active; `DKVB_ESTATE` if the
 *         journal entry is no forget operation, was already undone, or was purged; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_undo(dkvb_model *model, uint64_t entry, uint64_t *undone);

/**
 * Note in the journal that forgotten rows or classes were taught again, which ends the forget operation or replay of
 * these rows or classes.
 *
 * If the rows of a forget operation were taught again, plans of later requests count its classes among the other
 * classes and do not forget them again, and training accepts rows of these classes. The pairs that a forget operation
 * masked stay masked until an undo, even if the forgotten rows are taught again. dkvb_model_train() with the option
 * `relearn` notes by itself that forgotten classes are taught again. Callers use dkvb_model_relearn() if the library
 * cannot see that forgotten rows were taught again: rows that were forgotten by their ids, or values that were trained
 * elsewhere.
 *
 * @param      model  the model.
 * @param      entry  number of the journal entry of a forget operation or replay whose rows or classes were taught
 *                    again.
 * @param      opts   facts that the journal records about the relearning (that rows or classes were taught again); NULL
 *                    for the defaults.
 * @param[out] added  receives the number of the journal entry that notes the relearning (that rows or classes were
 *                    taught again); or NULL.
 * @return `DKVB_ENOTFOUND` if the journal entry does not exist; `DKVB_ESTATE` if the journal entry is neither a forget
 *         operation nor a replay, was undone, or has ended because its rows were taught again; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_relearn(dkvb_model *model, uint64_t entry,
                                                       const dkvb_forget_options *opts, uint64_t *added);

/**
 * Make the mask in force of a model permanent, which is called a purge. No undo takes back a purge of masked pairs.
 *
 * A purge of masked pairs overwrites the masked keys of a model and their values with zeros. A purge of masked pairs
 * removes the lists of these pairs and all salts from the journal, and the masked pairs then count as purged. Without
 * the salt of a commitment, nobody can find out to which rows the commitment commits. dkvb_model_purge() drops sections
 * of a model file that the library does not know, since nobody can say what such sections hold. A purge, which erases
 * masked pairs for good, changes neither logits nor predicted labels.
 *
 * If the codebooks of a model have other owners, dkvb_model_purge() copies the codebooks first, and the other owners
 * keep the old keys. dkvb_model_purge() does not change model files that were saved before, or copies of the model
 * elsewhere.
 *
 * @param model  the model.
 * @return `DKVB_ESTATE` if the model has nothing to erase (no masked pair, salt, list of pairs, count of a class or
 *         unknown section), or if the model is memory-mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_purge(dkvb_model *model);

/**
 * Remove the names of all classes that forget operations in force asked to forget, including purged forget operations
 * and those of the strength `exact`.
 *
 * The name of a class is personal data if the class is a person. A model has the names of classes only in its list of
 * classes, since the journal stores class indices. Copies of the model elsewhere keep the names of forgotten classes,
 * also if this model has removed them.
 *
 * @param      model    the model.
 * @param[out] dropped  receives the number of classes that lost their name; or NULL.
 * @return `DKVB_ESTATE` if the model is memory-mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_forgotten_names(dkvb_model *model, uint32_t *dropped);

/**
 * Kinds of entries in the journal of a model. The numbers of the DKVB_JOURNAL_… constants are part of the ABI and of
 * the file format.
 */
enum {
    DKVB_JOURNAL_FORGET = 1, /**< kind of journal entry: a forget operation, which masked pairs */
    DKVB_JOURNAL_UNDO = 2,   /**< kind of journal entry: an undo, which took a forget operation back */
    DKVB_JOURNAL_PURGE = 3,  /**< kind of journal entry: a purge, which erased masked pairs for good */
    /**
     * Kind of journal entry: a replay, in which values were trained again without some rows, while masks stayed in
     * force.
     */
    DKVB_JOURNAL_REPLAY = 4,
    /**
     * Kind of journal entry: a relearning, which says that rows or classes of a forget operation or a replay were
     * taught again, and which ended that forget operation or replay.
     */
    DKVB_JOURNAL_RELEARN = 5
};

/** States of journal entries: what became of the operation that a journal entry notes. */
enum {
    DKVB_JOURNAL_ACTIVE = 0, /**< state of a journal entry: a forget operation in force, which can be undone */
    DKVB_JOURNAL_UNDONE = 1, /**< state of a journal entry: a forget operation that was undone */
    /** State of a journal entry: a forget operation that a purge of its pairs made permanent. */
    DKVB_JOURNAL_PURGED = 2,
    /** State of a journal entry that notes an undo, a purge, a relearning, or a replay in force. */
    DKVB_JOURNAL_DONE = 3,
    /**
     * State of a journal entry: a forget operation or a replay that ended, since its rows or classes were taught again.
     * The pairs that a forget operation masked stay masked until an undo, or forever, even if the forgotten rows are
     * taught again.
     */
    DKVB_JOURNAL_RELEARNED = 4
};

/** One journal entry of a model. Callers initialise the struct with `DKVB_JOURNAL_ENTRY_INIT`. */
typedef struct dkvb_journal_entry {
    size_t struct_size; /**< size of dkvb_journal_entry in bytes, set by DKVB_JOURNAL_ENTRY_INIT */
    uint64_t id;        /**< number of the journal entry: 1, 2, 3, … */
    uint32_t kind;      /**< kind of the journal entry: DKVB_JOURNAL_FORGET, _UNDO, _PURGE, _REPLAY or _RELEARN */
    uint32_t state;     /**< state of the journal entry: DKVB_JOURNAL_ACTIVE, _UNDONE, _PURGED, _DONE or _RELEARNED */
    /**
     * 1 if the journal entry is a forget operation or a replay that was not undone, and whose rows were not taught
     * again; a forget operation stays in force if its masked pairs are purged.
     */
    uint32_t in_force;
    /**
     * Number of the journal entry that an undo took back, or whose rows or classes were taught again (relearning); 0
     * for other kinds of journal entries.
     */
    uint64_t ends;
    int64_t time; /**< time of the journal entry in seconds since 1970-01-01 00:00 UTC */
    /**
     * Number of pairs that the operation of a journal entry changes: pairs that a forget operation asked to mask, pairs
     * that an undo unmasked, or pairs that a purge erased.
     */
    uint64_t pairs;
    /**
     * Number of pairs that a forget operation masked and that were not masked before; 0 for other kinds of journal
     * entries.
     */
    uint64_t pairs_new;
    const char *method; /**< method that chose the pairs to mask; the text is valid until the model changes */
    const char *reason; /**< reason of the request to forget; the text is valid until the model changes */

    uint32_t strength; /**< strength of forgetting of the journal entry, DKVB_STRENGTH_… */
    uint32_t by_class; /**< 1 if the request asked to forget classes; dkvb_journal_get_terms() returns these classes */
    /** 1 if the journal entry records effects on classes; dkvb_journal_get_terms() returns these effects. */
    uint32_t measured;
    /** 1 if the forgetting was forced: applied although it exceeded a limit of its request. */
    uint32_t forced;
    /**
     * 1 if a search found the budget (number of masked pairs) that reaches `target`; 0 if the caller gave the budget.
     */
    uint32_t found;
    /** Treatment of the keys by a forgetting of the strength `exact`, DKVB_KEYS_…. */
    uint32_t keys;
    /**
     * Budget of the forgetting: number of masked pairs, for the method "examples" number of drawn rows; 0 if no budget
     * is given.
     */
    uint64_t budget;
    /** Target of the search for a budget: accuracy that the forgotten classes may still have; 0 unless `found` is 1. */
    double target;
    /**
     * Limit of the request: accuracy that all classes not to be forgotten may lose together; 0 if no limit is given.
     */
    double max_retain_drop;
    /**
     * Limit of the request: accuracy that any class not to be forgotten may lose for certain (lower end of the 95 %
     * interval); 0 if no limit is given.
     */
    double max_class_loss;
    /**
     * Number of the earlier journal entry whose classes were forgotten once more; 0 if there is no such journal entry.
     */
    uint64_t again;
    uint32_t has_after; /**< 1 if the journal of the model continues the journal of an older model */
    uint8_t after[32];  /**< head (latest hash) of the journal of the older model; zeros if there is no older model */
    uint64_t rows;      /**< number of rows that were forgotten; 0 if the journal does not record the number */
    /** 1 if the journal entry has a commitment (salted hash) to the ids of the forgotten rows. */
    uint32_t has_commitment;
    /** Commitment (salted hash) to the ids of the forgotten rows; zeros if there is no such commitment. */
    uint8_t commitment[32];
    uint8_t head[32]; /**< hash of this journal entry and all journal entries before it */
    uint32_t salted;  /**< 1 if the model still has the salt of the commitments in the journal entry */
    /** 1 if the journal entry has a commitment (salted hash) to the pairs that a forget operation asked to mask. */
    uint32_t has_pairs_commitment;
    /** Commitment (salted hash) to the pairs of a forget operation; zeros if there is no such commitment. */
    uint8_t pairs_commitment[32];
    /**
     * 1 if the journal entry is in force but the salt of its commitment (salted hash) is gone, so that nobody can tell
     * whether the forgotten rows were taught again.
     */
    uint32_t unchecked;
} dkvb_journal_entry;

/** Initialiser of dkvb_journal_entry that gives every member its default. */
#define DKVB_JOURNAL_ENTRY_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_journal_entry), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0, 0, {0}, 0, 0, \
            {0}, {0}, 0, 0, {0}, 0                                                                                     \
    }
DKVB_INIT_FUNCTION(dkvb_journal_entry, DKVB_JOURNAL_ENTRY_INIT)

/**
 * Read one entry of the journal of a model by its place in the journal.
 *
 * @param      model  the model.
 * @param      index  place of the journal entry: 0 is the oldest; `journal_entries` of dkvb_model_info is the number of
 *                    journal entries.
 * @param[out] entry  receives the journal entry; the caller sets its member `struct_size` before the call.
 * @return `DKVB_ENOTFOUND` if `index` is past the last journal entry; `DKVB_EINVAL` for an invalid argument.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get(const dkvb_model *model, uint64_t index,
                                                     dkvb_journal_entry *entry);

/**
 * Read which classes a journal entry asked to forget, and which effect on each class the journal entry recorded.
 *
 * @param      model    the model.
 * @param      entry    number of the journal entry to read.
 * @param[out] marks    `uint8_t[classes]`, receives DKVB_FORGET for each class that the journal entry asks to forget,
 *                      else DKVB_KEEP; or NULL.
 * @param[out] effects  `dkvb_class_effect[classes]`, receives the recorded effect on each class, with `rows` 0 if no
 *                      effect was recorded; or NULL.
 * @return `DKVB_ENOTFOUND` if the journal entry does not exist.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_terms(const dkvb_model *model, uint64_t entry, uint8_t *marks,
                                                           dkvb_class_effect *effects);

/**
 * Copy the pairs that a forget operation masked to a new mask.
 *
 * @param      model  the model.
 * @param      entry  number of the journal entry of a forget operation, whose requested pairs the new mask gets; 0
 * gives the new mask all pairs of the model that are masked or purged.
 * @param[out] out    receives the new mask, which the caller releases with dkvb_mask_free(); NULL on failure.
 * @return `DKVB_ESTATE` if an undo or a purge removed the list of pairs from the journal entry; `DKVB_ENOTFOUND` if
 *         there is no such journal entry; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_mask(const dkvb_model *model, uint64_t entry, dkvb_mask **out);

/**
 * Check whether the commitment (salted hash) of a journal entry is to exactly the given rows.
 *
 * @param model  the model.
 * @param entry  number of the journal entry to check.
 * @param rows   `uint64_t[n]`, ids of the rows to check, in any order; ids that do not ascend are copied and sorted.
 * @param n      number of row ids in `rows`.
 * @return 1 if the commitment (salted hash) of the journal entry is to exactly the given rows and the model still has
 *         the salt of the commitment; otherwise 0, also if the journal entry does not exist, or if there is no memory
 *         to sort the ids (dkvb_last_error() then says so).
 */
DKVB_API int dkvb_journal_names_rows(const dkvb_model *model, uint64_t entry, const uint64_t *rows, size_t n);

/**
 * Get the head of the journal: a hash of the newest journal entry and all entries before it. The head of an empty
 * journal is a hash of the birth id (permanent identifier) of the model's codebooks.
 *
 * A head (latest hash) of the journal that was kept proves later that the journal has only grown since then. A head of
 * the journal serves as proof only if it is kept where nobody who can write the model can change it.
 *
 * @param      model  the model.
 * @param[out] head   `uint8_t[32]`, receives the head (latest hash) of the journal.
 */
DKVB_API void dkvb_journal_head(const dkvb_model *model, uint8_t *head);

/**
 * Find an earlier head (latest hash) of the journal among the hashes of the journal entries. Finding an earlier head
 * (latest hash) of the journal proves that the journal has only grown since then.
 *
 * @param      model  the model.
 * @param      head   `uint8_t[32]`, a head (latest hash) of the journal that the caller kept earlier.
 * @param[out] entry  receives the number of the journal entry that was the newest when the head was kept, 0 if the
 *                    journal had no entry; or NULL.
 * @return `DKVB_ENOTFOUND` if no journal entry has this head: journal entries were changed or removed, or the head
 *         belongs to another journal.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_find_head(const dkvb_model *model, const uint8_t *head,
                                                           uint64_t *entry);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
