/**
 * @file
 * @brief Unlearning: functions that mask pairs of a model, undo a masking, make it permanent, and read the journal of
 * these operations.
 *
 * Forgetting can promise three different things, named by three words (docs/guide.md, *What forgetting promises*):
 *
 * - Masking **suppresses**. The model never selects masked (codebook, key) pairs again, but they are still in the
 *   model, and an undo brings them back. Values of other pairs keep what the forgotten rows taught them.
 * - A purge **erases listed bytes**: masked keys, their values, the journal's lists of pairs, and the salts of its
 *   commitments.
 * - Only training the values again without the forgotten rows **deletes** what the rows taught.
 *
 * The journal of a model is evidence of what was forgotten. A commitment is a salted hash: it proves which rows a
 * request was about, without naming them. A chain of hashes proves the order of the journal entries. The head of the
 * journal is the last hash of this chain. Only somebody who kept an earlier head notices that a journal was changed
 * (dkvb_journal_head()), since everyone who can write the model file can write a whole new chain.
 *
 * Most callers use dkvb_forget_plan() (plan.h), which chooses pairs, measures effects and refuses harmful requests.
 * Each function of unlearn.h does one step, and refuses nothing that is possible. dkvb_unlearn_choose() chooses the
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

/** Strengths of forgetting. The numbers of the DKVB_STRENGTH_… constants are part of the ABI and of the file format. */
enum {
    DKVB_STRENGTH_NONE = 0,     /**< the journal notes no strength of forgetting */
    DKVB_STRENGTH_SUPPRESS = 1, /**< strength suppress: pairs that support the forgotten rows are masked */
    /** Strength exact: the values were trained again without the forgotten rows. The number 2 is not used. */
    DKVB_STRENGTH_EXACT = 3
};

/**
 * What happens to the keys when values are trained again. The numbers of the DKVB_KEYS_… constants are part of the ABI
 * and of the file format.
 */
enum {
    DKVB_KEYS_UNSAID = 0, /**< no choice about the keys is noted, or no value was trained again */
    DKVB_KEYS_KEPT = 1,   /**< the keys do not change, even if they were placed on the forgotten rows */
    DKVB_KEYS_PLACED = 2  /**< the keys are placed again, without the forgotten rows */
};

/**
 * Facts that the journal records about a forget operation: what was asked for, under which limits, and what was
 * measured.
 *
 * The library records these facts as the caller gives them and measures none of them; dkvb_forget_apply() takes them
 * from a plan. Later plans read the recorded facts: they set the classes of earlier requests aside, and forget them
 * again if the model would answer them again. Recorded facts stay in the journal forever, even after a purge. Callers
 * initialise the options with `DKVB_FORGET_OPTIONS_INIT`.
 */
typedef struct dkvb_forget_options {
    size_t struct_size; /**< size of dkvb_forget_options in bytes, set by DKVB_FORGET_OPTIONS_INIT */
    /**
     * Method of choosing pairs, "activations", "examples" or another word; UTF-8, at most 63 bytes; NULL stands for
     * "mask".
     */
    const char *method;
    /**
     * Reason of the request, UTF-8, at most 4,095 bytes; NULL stands for "". The reason stays in the journal even after
     * a purge.
     */
    const char *reason;

    uint32_t strength; /**< strength of forgetting, DKVB_STRENGTH_… */
    uint32_t forced;   /**< 1 if the request was applied although it exceeded a limit */
    /**
     * `uint8_t[classes]` of the model, DKVB_FORGET (choose.h) for each class that the request names, at least one; NULL
     * if the request names no class.
     */
    const uint8_t *classes;
    /**
     * `dkvb_class_effect[classes]`, measured effect on each class; NULL if it was not measured. The journal keeps the
     * counts of classes with rows, from which loss and interval are computed.
     */
    const dkvb_class_effect *effects;
    /** Number of masked pairs, for the method "examples" number of drawn rows; 0 if it is not given. */
    uint64_t budget;
    /** 1 if a search found the number of pairs that reaches `target`; 0 if the caller gave the number. */
    uint32_t found;
    uint32_t keys; /**< what strength exact does with the keys, DKVB_KEYS_… */
    double target; /**< accuracy that the forgotten classes may still have, 0 to 1; read only if `found` is 1 */
    double max_retain_drop; /**< accuracy that all other classes together may lose, as a fraction of 0 to 1 */
    double max_class_loss;  /**< accuracy that any other class may lose for certain, as a fraction of 0 to 1 */
    /** Number of an earlier journal entry, not undone, whose classes are forgotten once more; 0 if there is none. */
    uint64_t again;
    /** `uint8_t[32]`, head of the older journal that the journal continues, if new keys made a new model; or NULL. */
    const uint8_t *after;

    /**
     * `uint64_t[row_count]`, ids of the forgotten rows, in any order, each once; NULL records no rows. The ids are the
     * caller's own numbers; the caller needs the same ids to prove later which rows were forgotten. The journal keeps
     * the number of ids and a commitment to them: SHA-256 over a salt and the ids (docs/format.md).
     */
    const uint64_t *rows;
    uint64_t row_count; /**< number of ids in `rows` */

    /**
     * `uint8_t[32]`, salt of the commitments; NULL draws the salt from the system's random source. The salt hides the
     * ids, so nobody must be able to guess it, and each call needs a new salt. Equal calls with equal salts make equal
     * bytes. A model keeps the salt until a purge; to prove the rows after a purge, the caller needs a copy of the
     * salt.
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
 * Mask pairs in a model, and note the masking in the journal.
 *
 * The mask in force is the union of the masks of all forget operations that were not undone, so the order of requests
 * does not matter. The journal entry has the present time, or the time in the environment variable SOURCE_DATE_EPOCH.
 *
 * @param      model  the model.
 * @param      mask   pairs to mask, copied; must belong to the model's codebooks.
 * @param      opts   facts that the journal records; NULL for the defaults.
 * @param[out] entry  number of the journal entry, which dkvb_model_undo() takes; or NULL.
 * @return `DKVB_EINVAL` for a member of the options out of range or a row that is named twice; `DKVB_EMISMATCH` for a
 *         mask of other codebooks; `DKVB_EIO` if there is no random source for the salt; `DKVB_ESTATE` if the model is
 *         mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_forget(dkvb_model *model, const dkvb_mask *mask,
                                                      const dkvb_forget_options *opts, uint64_t *entry);

/**
 * Undo one forget operation of a model.
 *
 * After an undo, the mask in force is the union of the masks of the remaining forget operations. Undoing the latest
 * forget operation restores the earlier mask, and so every score, bit for bit. Values that were trained in the meantime
 * keep what they learned. A forget operation that ended because its rows were taught again can be undone too.
 *
 * @param      model   the model.
 * @param      entry   number of the forget operation's journal entry; 0 for the latest active one.
 * @param[out] undone  number of the journal entry that was undone; or NULL.
 * @return `DKVB_ENOTFOUND` if the entry does not exist, or none is active; `DKVB_ESTATE` if the entry is no forget
 *         operation, was already undone, or was purged; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_undo(dkvb_model *model, uint64_t entry, uint64_t *undone);

/**
 * Note in the journal that forgotten rows or classes were taught again, which ends their forget operation or replay.
 *
 * Later requests neither set aside the classes of an ended forget operation nor forget them again, and training accepts
 * these classes. Masked pairs stay masked until an undo. dkvb_model_train() with `relearn` notes by itself that
 * forgotten classes are taught again. Callers use dkvb_model_relearn() for cases that the library cannot see: rows that
 * were forgotten by their ids, or values that were trained elsewhere.
 *
 * @param      model  the model.
 * @param      entry  number of the journal entry of the forget operation or replay.
 * @param      opts   facts that the journal records; NULL for the defaults.
 * @param[out] added  number of the new journal entry; or NULL.
 * @return `DKVB_ENOTFOUND` if the entry does not exist; `DKVB_ESTATE` if the entry is neither a forget operation nor a
 *         replay, was undone, or has already ended; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_relearn(dkvb_model *model, uint64_t entry,
                                                       const dkvb_forget_options *opts, uint64_t *added);

/**
 * Make the mask in force of a model permanent. A purge cannot be undone.
 *
 * A purge overwrites masked keys and their values with zeros. A purge removes the lists of pairs and all salts from the
 * journal, and the masked pairs then count as purged. Without its salt, nobody can find out what a commitment commits
 * to. A purge drops sections of a model file that the library does not know, since nobody can say what they hold. A
 * purge does not change scores.
 *
 * If the codebooks have other owners, they are copied before the purge, and the other owners keep the old keys. A purge
 * does not change files that were saved before, or copies elsewhere.
 *
 * @param model  the model.
 * @return `DKVB_ESTATE` if the model has nothing to erase (no masked pair, salt, list, count or unknown section), or if
 *         the model is mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_purge(dkvb_model *model);

/**
 * Remove the names of all classes that forget operations in force asked for, including purged and exact ones.
 *
 * The name of a class is personal data if the class is a person. A model has names only in its list of classes, since
 * the journal stores class indices. Copies of the model elsewhere keep the names.
 *
 * @param      model    the model.
 * @param[out] dropped  number of classes that lost a name; or NULL.
 * @return `DKVB_ESTATE` if the model is mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_forgotten_names(dkvb_model *model, uint32_t *dropped);

/**
 * Kinds of entries in the journal of a model. The numbers of the DKVB_JOURNAL_… constants are part of the ABI and of
 * the file format.
 */
enum {
    DKVB_JOURNAL_FORGET = 1, /**< forget operation: pairs were masked */
    DKVB_JOURNAL_UNDO = 2,   /**< undo: a forget operation was taken back */
    DKVB_JOURNAL_PURGE = 3,  /**< purge: masked pairs were erased */
    DKVB_JOURNAL_REPLAY = 4, /**< replay: values were trained again without some rows; masks stayed in force */
    /** Relearning: rows or classes of a forget operation or a replay were taught again, which ended it. */
    DKVB_JOURNAL_RELEARN = 5
};

/** States of journal entries, which say what became of an operation later. */
enum {
    DKVB_JOURNAL_ACTIVE = 0, /**< a forget operation in force, which can be undone */
    DKVB_JOURNAL_UNDONE = 1, /**< a forget operation that was undone */
    DKVB_JOURNAL_PURGED = 2, /**< a forget operation that a purge made permanent */
    DKVB_JOURNAL_DONE = 3,   /**< an undo, a purge, a relearning, or a replay in force */
    /**
     * A forget operation or a replay that ended, since its rows or classes were taught again; its masked pairs stay
     * masked until an undo, or forever.
     */
    DKVB_JOURNAL_RELEARNED = 4
};

/** One entry of the journal of a model. The caller sets `struct_size`. */
typedef struct dkvb_journal_entry {
    size_t struct_size; /**< size of dkvb_journal_entry in bytes, set by DKVB_JOURNAL_ENTRY_INIT */
    uint64_t id;        /**< number of the entry: 1, 2, 3, … */
    uint32_t kind;      /**< kind of the entry: DKVB_JOURNAL_FORGET, _UNDO, _PURGE, _REPLAY or _RELEARN */
    uint32_t state;     /**< state of the entry: DKVB_JOURNAL_ACTIVE, _UNDONE, _PURGED, _DONE or _RELEARNED */
    /** 1 if the entry is a forget operation or a replay that is neither undone nor ended; a purge keeps it in force. */
    uint32_t in_force;
    /** Number of the entry that an undo took back, or that a relearning ended; 0 for other kinds of entries. */
    uint64_t ends;
    int64_t time; /**< time of the entry in seconds since 1970-01-01 00:00 UTC */
    /** Number of pairs that a forget operation asked for, that came back by an undo, or that a purge erased. */
    uint64_t pairs;
    /** Number of pairs of a forget operation that were not masked before; 0 for other kinds of entries. */
    uint64_t pairs_new;
    const char *method; /**< method of choosing pairs; the text is valid until the model changes */
    const char *reason; /**< reason of the request; the text is valid until the model changes */

    uint32_t strength; /**< strength of forgetting, DKVB_STRENGTH_… */
    uint32_t by_class; /**< 1 if the request named classes; dkvb_journal_get_terms() returns them */
    uint32_t measured; /**< 1 if the entry records effects on classes; dkvb_journal_get_terms() returns them */
    uint32_t forced;   /**< 1 if the request was applied although it exceeded a limit */
    /** 1 if a search found the number of pairs that reaches `target`; 0 if the caller gave the number. */
    uint32_t found;
    uint32_t keys; /**< what strength exact did with the keys, DKVB_KEYS_… */
    /** Number of masked pairs, for the method "examples" number of drawn rows; 0 if it is not given. */
    uint64_t budget;
    double target;          /**< accuracy that the forgotten classes may still have; 0 unless `found` is 1 */
    double max_retain_drop; /**< accuracy that all other classes together may lose; 0 if it is not given */
    double max_class_loss;  /**< accuracy that any other class may lose for certain; 0 if it is not given */
    uint64_t again;     /**< number of the earlier entry whose classes were forgotten once more; 0 if there is none */
    uint32_t has_after; /**< 1 if the journal continues the journal of an older model */
    uint8_t after[32];  /**< head of the older model's journal; zeros if there is none */
    uint64_t rows;      /**< number of forgotten rows; 0 if it is not recorded */
    uint32_t has_commitment; /**< 1 if the entry has a commitment to the ids of the forgotten rows */
    uint8_t commitment[32];  /**< commitment to the ids of the forgotten rows; zeros if there is none */
    uint8_t head[32];        /**< hash of the entry and all entries before it */
    uint32_t salted;         /**< 1 if the model still has the salt of the entry's commitments */
    /** 1 if the entry has a commitment to the pairs that a forget operation asked for. */
    uint32_t has_pairs_commitment;
    uint8_t pairs_commitment[32]; /**< commitment to the pairs of a forget operation; zeros if there is none */
    /** 1 if the entry is in force and its salt is gone, so that nobody can tell whether its rows were taught again. */
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
 * Read one entry of the journal by its place.
 *
 * @param      model  the model.
 * @param      index  place of the entry in the journal: 0 is the oldest; `journal_entries` of dkvb_model_info is the
 *                    number of entries.
 * @param[out] entry  the journal entry; the caller sets `struct_size`.
 * @return `DKVB_ENOTFOUND` if `index` is past the last entry; `DKVB_EINVAL` for an invalid argument.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get(const dkvb_model *model, uint64_t index,
                                                     dkvb_journal_entry *entry);

/**
 * Read which classes a journal entry asked to forget, and which effect on each class it recorded.
 *
 * @param      model    the model.
 * @param      entry    number of the journal entry.
 * @param[out] marks    `uint8_t[classes]`, DKVB_FORGET for each class that the entry names, else DKVB_KEEP; or NULL.
 * @param[out] effects  `dkvb_class_effect[classes]`, effect on each class, with `rows` 0 if no effect was recorded; or
 *                      NULL.
 * @return `DKVB_ENOTFOUND` if the entry does not exist.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_terms(const dkvb_model *model, uint64_t entry, uint8_t *marks,
                                                           dkvb_class_effect *effects);

/**
 * Copy the pairs that a forget operation masked to a new mask.
 *
 * @param      model  the model.
 * @param      entry  number of a forget operation's entry, whose requested pairs the mask gets; 0 gives the mask all
 *                    pairs that are masked or purged.
 * @param[out] out    the mask, which the caller releases with dkvb_mask_free(); NULL on failure.
 * @return `DKVB_ESTATE` if the entry's list of pairs is gone, after an undo or a purge; `DKVB_ENOTFOUND`;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_mask(const dkvb_model *model, uint64_t entry, dkvb_mask **out);

/**
 * Check whether a journal entry commits to exactly the given rows.
 *
 * @param model  the model.
 * @param entry  number of the journal entry.
 * @param rows   `uint64_t[n]`, ids of the rows in any order; ids that do not ascend are copied and sorted.
 * @param n      number of ids in `rows`.
 * @return 1 if the entry commits to exactly the given rows and its salt is still there; otherwise 0, also if the entry
 *         does not exist, or if there is no memory to sort the ids (dkvb_last_error() then says so).
 */
DKVB_API int dkvb_journal_names_rows(const dkvb_model *model, uint64_t entry, const uint64_t *rows, size_t n);

/**
 * Get the head of the journal: a hash of its newest entry and all entries before it. The head of an empty journal is a
 * hash of the birth id.
 *
 * A kept head proves later that the journal has only grown since. For this proof the head must be kept where nobody who
 * can write the model can change it.
 *
 * @param      model  the model.
 * @param[out] head   `uint8_t[32]`, the head of the journal.
 */
DKVB_API void dkvb_journal_head(const dkvb_model *model, uint8_t *head);

/**
 * Find an earlier head in the journal. Finding the head proves that the journal has only grown since.
 *
 * @param      model  the model.
 * @param      head   `uint8_t[32]`, head that was kept earlier.
 * @param[out] entry  number of the entry that was the newest when the head was kept, 0 if there was none; or NULL.
 * @return `DKVB_ENOTFOUND` if no entry has this head: entries were changed or removed, or the head belongs to another
 *         journal.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_find_head(const dkvb_model *model, const uint8_t *head,
                                                           uint64_t *entry);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
