/**
 * Unlearning masks pairs and writes it in the journal of the model; it can be taken back, or made permanent.
 *
 * Words promise no more than is done (docs/guide.md, *What forgetting promises*):
 *
 * - Masking **suppresses**. The pairs are never selected again, but they are still in the model and undo
 *   brings them back. What they taught other values in training stays.
 * - A purge **erases listed bytes**: keys, values, the journal's lists of pairs, and the salts of its commitments.
 * - Only training again without the rows **deletes** what they taught.
 *
 * The journal is evidence of what was done: of which rows, by commitments that name nobody; in which order, by a chain
 * of hashes. A chain shows a change only to someone who kept an earlier head (dkvb_journal_head()):
 * whoever can write the file can write a whole new chain, which is as sound as the old one.
 *
 * Most callers use dkvb_forget_plan() (plan.h), which chooses, measures and refuses; the calls here do one thing each,
 * and refuse nothing that is possible. dkvb_unlearn_choose() says which pairs to mask (choose.h).
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

/* The strength says how much was done so that rows are forgotten. Values are part of the ABI and of the file format. */
enum {
    DKVB_STRENGTH_NONE = 0,     /**< not said */
    DKVB_STRENGTH_SUPPRESS = 1, /**< pairs that speak for what is to be forgotten are masked */
    DKVB_STRENGTH_EXACT = 3     /**< the values were trained again without the rows; 2 is not used */
};

/* Keys stay or are placed again when values are trained again. Values are part of the ABI and of the file format. */
enum {
    DKVB_KEYS_UNSAID = 0, /**< not said, or nothing was trained */
    DKVB_KEYS_KEPT = 1,   /**< they are as they were, also where they were placed on the rows that went */
    DKVB_KEYS_PLACED = 2  /**< they were placed again, without the rows */
};

/** The options are what the journal is to say of a forgetting: who was meant, by which terms, and what was measured.
 * They are taken as told, nothing of it is measured here; dkvb_forget_apply() fills them in from a plan. Later plans
 * read these fields: what was asked for earlier is set aside in their limits, and forgotten again where it comes back.
 * All of it stays in the journal for good, also after a purge. Start from `DKVB_FORGET_OPTIONS_INIT`.
 */
typedef struct dkvb_forget_options {
    size_t struct_size; /**< sizeof(dkvb_forget_options), set by INIT */
    const char *method; /**< "activations", "examples" or another word; UTF-8, at most 63 bytes; NULL: "mask" */
    const char *reason; /**< why; UTF-8, at most 4,095 bytes; NULL: "". Stays in the journal even after a purge */

    uint32_t strength;                /**< DKVB_STRENGTH_… */
    uint32_t forced;                  /**< 1: done although a limit was exceeded */
    const uint8_t *classes;           /**< `uint8_t[classes]` of the model, DKVB_FORGET (choose.h) = asked for, at least
                                           one; NULL: the request was not by class */
    const dkvb_class_effect *effects; /**< `dkvb_class_effect[classes]`, as measured; NULL: not measured. The journal
                                           keeps the counts of classes with rows; loss and interval follow from them */
    uint64_t budget;                  /**< pairs that were chosen (method "examples": rows drawn); 0: not said */
    uint32_t found;                   /**< 1: the budget was looked for, to reach `target`; 0: it was given */
    uint32_t keys;                    /**< exact: DKVB_KEYS_… */
    double target;                    /**< accuracy that the classes might keep, 0 to 1; read if `found` only */
    double max_retain_drop;           /**< accuracy that all others together might lose, 0 to 1 */
    double max_class_loss;            /**< accuracy that any other class might lose for certain, 0 to 1 */
    uint64_t again;                   /**< number of the earlier forgetting, not undone, whose classes are forgotten
                                           once more; 0: none */
    const uint8_t *after;             /**< `uint8_t[32]`: the head of the journal that this one goes on from, where new
                                           keys made a new model; or NULL */

    /** `uint64_t[row_count]`, ids of the rows of the forget set, in any order, each once: the caller's own numbers,
     *  which it must find again if it is ever to name them. The journal keeps how many, and a commitment to them:
     *  SHA-256 over a salt and the ids (docs/format.md). NULL: the set is not recorded. */
    const uint64_t *rows;
    uint64_t row_count;

    /** `uint8_t[32]`, or NULL: from the system's random source. It hides what is committed to, so it must be one that
     *  nobody can guess, and a new one for each call; given the same, the same calls make the same bytes. It stays in
     *  the model until a purge: who wants to name the rows after that keeps a copy. */
    const uint8_t *salt;
} dkvb_forget_options;

#define DKVB_FORGET_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0                           \
    }
DKVB_INIT_FUNCTION(dkvb_forget_options, DKVB_FORGET_OPTIONS_INIT)

/**
 * Pairs are masked in a model, and that is written in the journal. The mask in force is the union of all entries that
 * were not undone, so the order of requests does not matter.
 *
 * The time is the present, or SOURCE_DATE_EPOCH of the environment.
 *
 * @param      mask   copied; of the model's codebooks, else `DKVB_EMISMATCH`.
 * @param[out] entry  number of the journal entry, for undo; or NULL.
 * @return `DKVB_EINVAL` (a field of the options that cannot be; a row that is named twice), `DKVB_EIO` (no random
 *         source for the salt).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_forget(dkvb_model *model, const dkvb_mask *mask,
                                                      const dkvb_forget_options *opts, uint64_t *entry);

/**
 * One forgetting is taken back. The mask becomes the union of the entries that remain: undoing the
 * latest restores the mask, and so every score, bit for bit. Values that were trained since stay trained.
 *
 * A forgetting that is over because it was taught again is taken back the same way.
 *
 * @param      entry   its number; 0: the latest that is active.
 * @param[out] undone  number of the entry that was taken back; or NULL.
 * @return `DKVB_ENOTFOUND` (no such entry; 0 and none is active), `DKVB_ESTATE` (not a forgetting, undone already, or
 *         purged).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_undo(dkvb_model *model, uint64_t entry, uint64_t *undone);

/**
 * The journal is told that what a forgetting, or a replay, was about is taught again: it is over. No later request
 * sets its classes aside or forgets them again, and training takes them. Pairs that it masked stay masked; undo is
 * still possible.
 *
 * dkvb_model_train() does this by itself, with `relearn`, where classes come back. This is for what the library cannot
 * see: rows that were forgotten by their ids, values that were trained elsewhere.
 *
 * @param      entry  its number.
 * @param      opts   what the journal is to say; NULL: the defaults.
 * @param[out] added  number of the new entry; or NULL.
 * @return `DKVB_ENOTFOUND` (no such entry), `DKVB_ESTATE` (neither a forgetting nor a replay, undone, or over already).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_relearn(dkvb_model *model, uint64_t entry,
                                                       const dkvb_forget_options *opts, uint64_t *added);

/**
 * The mask in force is made permanent: masked keys and their values are overwritten with zeros, the lists of pairs and
 * all salts leave the journal, and the pairs count as purged. Without its salt a commitment tells nobody what it
 * commits to. Sections of the file that this library does not know are dropped: nobody can say what they hold. A purge
 * cannot be undone. Scores do not change.
 *
 * Codebooks that others own too are copied first; the other owners keep the keys. Files saved
 * before, and copies elsewhere, are not touched.
 *
 * @return `DKVB_ESTATE` if there is nothing to erase: no pair is masked, and neither salts nor lists, counts nor
 * unknown sections are kept; or if the model is mapped or in training.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_purge(dkvb_model *model);

/**
 * The names of all classes that forgettings in force asked for are taken away, purged and exact ones included: the
 * name of a class is personal where a class is a person. Names stand in the list of classes only, the journal has
 * indices; copies of the model elsewhere keep them.
 *
 * @param[out] dropped  how many classes lost a name; or NULL.
 * @return `DKVB_ESTATE` if the model is mapped or in training, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_forgotten_names(dkvb_model *model, uint32_t *dropped);

/* Kinds of journal entries. Values are part of the ABI and of the file format. */
enum {
    DKVB_JOURNAL_FORGET = 1,
    DKVB_JOURNAL_UNDO = 2,
    DKVB_JOURNAL_PURGE = 3,
    DKVB_JOURNAL_REPLAY = 4, /**< values were trained again without rows; masks stay in force */
    DKVB_JOURNAL_RELEARN = 5 /**< what a forgetting or a replay was about was taught again: that one is over */
};

/* States of journal entries: what became of a forgetting. */
enum {
    DKVB_JOURNAL_ACTIVE = 0, /**< in force, can be undone */
    DKVB_JOURNAL_UNDONE = 1,
    DKVB_JOURNAL_PURGED = 2,   /**< in force for good */
    DKVB_JOURNAL_DONE = 3,     /**< an undo, a purge, a replay in force, or a relearning */
    DKVB_JOURNAL_RELEARNED = 4 /**< a forgetting or a replay that is over: what it was about was taught again. Pairs
                                  that it masked stay masked until an undo or for good */
};

/** A journal entry. The caller sets `struct_size`. */
typedef struct dkvb_journal_entry {
    size_t struct_size;
    uint64_t id;        /**< from 1, ascending */
    uint32_t kind;      /**< DKVB_JOURNAL_FORGET, _UNDO, _PURGE, _REPLAY or _RELEARN */
    uint32_t state;     /**< DKVB_JOURNAL_ACTIVE … */
    uint32_t in_force;  /**< 1: a forgetting or a replay that is neither undone nor over; a purge leaves it in force */
    uint64_t ends;      /**< undo: the entry taken back; relearn: the forgetting that is over; else 0 */
    int64_t time;       /**< seconds since 1970-01-01 00:00 UTC */
    uint64_t pairs;     /**< forget: pairs asked for; undo: pairs that came back; purge: pairs erased */
    uint64_t pairs_new; /**< forget: pairs that were not masked before; else 0 */
    const char *method; /**< tied to the model, until it is changed */
    const char *reason; /**< tied to the model, until it is changed */

    uint32_t strength;             /**< DKVB_STRENGTH_… */
    uint32_t by_class;             /**< 1: classes were asked for: dkvb_journal_get_terms() */
    uint32_t measured;             /**< 1: effects are recorded: dkvb_journal_get_terms() */
    uint32_t forced;               /**< 1: done although a limit was exceeded */
    uint32_t found;                /**< 1: the budget was looked for, to reach `target` */
    uint32_t keys;                 /**< exact: DKVB_KEYS_… */
    uint64_t budget;               /**< pairs that were chosen (method "examples": rows drawn); 0: not said */
    double target;                 /**< 0 unless `found` */
    double max_retain_drop;        /**< 0: not said */
    double max_class_loss;         /**< 0: not said */
    uint64_t again;                /**< the earlier entry whose classes were forgotten once more; 0: none */
    uint32_t has_after;            /**< 1: the journal goes on from that of an older model */
    uint8_t after[32];             /**< its head; zeros if there is none */
    uint64_t rows;                 /**< in the forget set; 0: not recorded */
    uint32_t has_commitment;       /**< 1: to the rows of the forget set */
    uint8_t commitment[32];        /**< zeros if there is none */
    uint8_t head[32];              /**< hash of this entry and all before it */
    uint32_t salted;               /**< 1: the salt of the commitments is kept */
    uint32_t has_pairs_commitment; /**< 1: to the pairs that a forgetting asked for */
    uint8_t pairs_commitment[32];  /**< zeros if there is none */
    uint32_t unchecked; /**< 1: rows in force whose salt is gone: nobody can tell if they were taught again */
} dkvb_journal_entry;

#define DKVB_JOURNAL_ENTRY_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_journal_entry), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0, 0, {0}, 0, 0, \
            {0}, {0}, 0, 0, {0}, 0                                                                                     \
    }
DKVB_INIT_FUNCTION(dkvb_journal_entry, DKVB_JOURNAL_ENTRY_INIT)

/** An entry is found by its `index`: 0 is the oldest, and dkvb_model_get_info() says how many there are
 * (`journal_entries`). `DKVB_ENOTFOUND` past the end. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get(const dkvb_model *model, uint64_t index,
                                                     dkvb_journal_entry *entry);

/**
 * The terms of an entry: who it asked to be forgotten, and what it recorded of the effect on each class.
 *
 * @param      entry    its number.
 * @param[out] marks    `uint8_t[classes]`, or NULL: DKVB_FORGET, or DKVB_KEEP; all DKVB_KEEP where it was not by class.
 * @param[out] effects  `dkvb_class_effect[classes]`, or NULL; without rows where nothing was recorded.
 * @return `DKVB_ENOTFOUND` if there is no such entry.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_terms(const dkvb_model *model, uint64_t entry, uint8_t *marks,
                                                           dkvb_class_effect *effects);

/**
 * Pairs that are forgotten, as a mask of the caller's own.
 *
 * @param entry  number of a forgetting: the pairs that it asked for; 0: all that are in force, purged ones included.
 * @return `DKVB_ESTATE` if the entry's list is gone (undone or purged).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_get_mask(const dkvb_model *model, uint64_t entry, dkvb_mask **out);

/**
 * The answer is 1 if an entry commits to exactly these rows and its salt is kept, else 0.
 *
 * @param entry  its number; 0 is answered where there is no such entry.
 * @param rows   `uint64_t[n]`, in any order. Ids that do not ascend are copied to be sorted: 0 is answered too if there
 *               is no memory for that, and dkvb_last_error() says so.
 */
DKVB_API int dkvb_journal_names_rows(const dkvb_model *model, uint64_t entry, const uint64_t *rows, size_t n);

/**
 * The head of the journal: a hash of its newest entry and all before it; of an empty journal, of the birth id. Kept
 * elsewhere, out of reach of those who can write the model, it shows later whether the journal has only grown.
 *
 * @param[out] head  `uint8_t[32]`.
 */
DKVB_API void dkvb_journal_head(const dkvb_model *model, uint8_t *head);

/**
 * An earlier head is found: the journal is what it was then, and has only grown since.
 *
 * @param      head   `uint8_t[32]`.
 * @param[out] entry  number of the entry that was the newest then, 0 if there was none; or NULL.
 * @return `DKVB_ENOTFOUND` if no entry has this head: entries were changed or taken away, or it is of another journal.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_journal_find_head(const dkvb_model *model, const uint8_t *head,
                                                           uint64_t *entry);

#ifdef __cplusplus
}
#endif

#endif
