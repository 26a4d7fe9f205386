/**
 * @file
 * @brief Codesets: a codeset stores the codes of the rows that a model was trained on, so that rows can be forgotten
 * later.
 *
 * Keys are frozen, so the code of a row never changes. From stored codes, without the rows themselves, the library can
 * count which (codebook, key) pairs a forget set selects, find how many pairs to mask, and train the values again
 * without some rows (replay.h). A codeset holds an id, a label and a code for each row, and divides the rows into two
 * parts, the training part and the held-out part:
 *
 * - The **training** part of a codeset has the rows that the model's values learn from, with codes of `top_k` keys per
 *   codebook, as the model selects them.
 * - The **held-out** part of a codeset has rows that the model's values never learn from, on which the effects of
 *   forgetting are measured (effect.h). Codes of held-out rows also list farther keys, which a row selects when a mask
 *   removes its nearest keys.
 *
 * A codeset also lists the training sessions of the model, one for each dkvb_model_train(), with the rows that took
 * part, and notes how the keys were placed: everything that is needed to repeat the training of the model.
 *
 * A codes file stores each part of a codeset either as packed codes or as the features that the codes were searched
 * from, whichever takes fewer bytes. A codeset whose file holds features has no codes until dkvb_codeset_search()
 * searches them.
 *
 * A codeset is personal data if its rows are personal data. The features in a codes file are the training rows
 * themselves. The codes in a codes file show which rows are alike, and somebody who has a candidate row can look for
 * its code. A codes file needs the same protection as the training rows.
 *
 * Threads: several threads may read one codeset at once, or one thread may change the codeset.
 */
#ifndef DKVB_CODESET_H
#define DKVB_CODESET_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "export.h"
#include "memory.h"
#include "model.h"
#include "rows.h"
#include "runtime.h"
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_codeset Codesets
 *  @{ */

/** Handle of a codeset, owned by the caller, who releases it with dkvb_codeset_free(). */
typedef struct dkvb_codeset dkvb_codeset;

/** Parts of a codeset. The numbers of the DKVB_PART_… constants are part of the ABI. */
enum {
    DKVB_PART_TRAINING = 0, /**< training part of a codeset: rows that the model's values learn from */
    DKVB_PART_HELD_OUT = 1, /**< held-out part of a codeset: rows on which the effects of forgetting are measured */
    DKVB_PART_BOTH = 2      /**< both parts of a codeset (training and held-out), accepted by dkvb_codeset_search() */
};

/**
 * Contents that a codes file can store for each row: packed codes or features. The numbers of the DKVB_KEPT_… constants
 * are part of the ABI.
 */
enum {
    /**
     * Choice of contents: each part of the codes file stores features if they take fewer bytes than packed codes, else
     * packed codes.
     */
    DKVB_KEPT_AUTO = 0,
    DKVB_KEPT_CODES = 1, /**< choice of contents: each part of the codes file stores packed codes */
    /** Choice of contents: each part of the codes file stores the features from which codes are searched. */
    DKVB_KEPT_FEATURES = 2
};

/**
 * Default number of keys per codebook in codes of held-out rows (docs/unlearning.md shows that this depth is enough).
 */
#define DKVB_CODESET_DEPTH 32u

/** Largest number of training sessions that a codeset can record. */
#define DKVB_CODESET_SESSIONS 64u

/** Options for creating a codeset. Callers initialise a `dkvb_codeset_options` with `DKVB_CODESET_OPTIONS_INIT`. */
typedef struct dkvb_codeset_options {
    size_t struct_size; /**< size of dkvb_codeset_options in bytes, set by DKVB_CODESET_OPTIONS_INIT */
    uint32_t top_k;     /**< number of keys per codebook in codes of training rows, equal to the model's `top_k` */
    /** Number of keys per codebook in codes of held-out rows; a number above the number of keys selects all keys. */
    uint32_t depth;
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
    /**
     * Choice whether the codes file stores codes or features of rows, DKVB_KEPT_…; the training part and the held-out
     * part each decide between codes and features when their first rows are added.
     */
    uint32_t keep;
    /** Options with which keys were placed on the rows of the codeset; NULL if keys were placed on other rows. */
    const dkvb_keyinit_options *keyinit;
} dkvb_codeset_options;

/** Initialiser of dkvb_codeset_options that gives every member its default. */
#define DKVB_CODESET_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_options), 1, DKVB_CODESET_DEPTH, 0, DKVB_KEPT_AUTO, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_options, DKVB_CODESET_OPTIONS_INIT)

/**
 * Create an empty codeset. A new codeset keeps no reference to the codebooks that it is created with.
 *
 * @param[out] out        the codeset, which the caller releases with dkvb_codeset_free(); NULL on failure.
 * @param      codebooks  frozen codebooks that all codes of the codeset belong to.
 * @param      opts       options of the new codeset; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_ESTATE` if the codebooks are not frozen; `DKVB_ENOMEM` if memory
 *         runs out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_new(dkvb_codeset **out, const dkvb_codebooks *codebooks,
                                                     const dkvb_codeset_options *opts);

/**
 * Release a codeset.
 *
 * @param set  the codeset to release; NULL does nothing.
 */
DKVB_API void dkvb_codeset_free(dkvb_codeset *set);

/**
 * Decide whether a row belongs to the held-out part of a codeset.
 *
 * Whether a row is held out depends on the id of the row and the fraction `share` only, and stays the same when other
 * rows are removed.
 *
 * @param id     id of the row that is held out or not.
 * @param share  fraction of all rows that the codeset holds out, 0 to 1.
 * @return 1 if a row with the id `id` is held out, else 0.
 */
DKVB_API int dkvb_codeset_holds_out(uint64_t id, double share);

/**
 * Rows of one part (training or held-out) of a codeset. Pointers that dkvb_codeset_get_rows() fills in are valid until
 * the codeset changes or is freed.
 */
typedef struct dkvb_codeset_rows {
    size_t struct_size;    /**< size of dkvb_codeset_rows in bytes, set by DKVB_CODESET_ROWS_INIT */
    size_t n;              /**< number of rows in the arrays of dkvb_codeset_rows */
    uint32_t codebooks;    /**< number of codebooks (C) */
    uint32_t k;            /**< number of keys per codebook that the codes in `codes` list */
    const uint64_t *ids;   /**< `uint64_t[n]`, ids of the rows in ascending order */
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows, -1 for rows without a label */
    /** `uint16_t[n][codebooks][k]`, codes of the rows; NULL before the codes of the stored features are searched. */
    const uint16_t *codes;
    /**
     * `[n][columns]` numbers of type `dtype`: the features from which the codes were searched; NULL if the part stores
     * codes.
     */
    const void *features;
    uint32_t dtype;   /**< number type of the features, DKVB_DTYPE_U8, _F16, _F32 or _F64; 0 without features */
    uint32_t columns; /**< number of columns of the features; 0 if the rows have no features */
    /** `[n]`, UTF-8 names of the rows, whose hashes are the ids; NULL if the codeset keeps no names. */
    const char *const *names;
} dkvb_codeset_rows;

/** Initialiser of dkvb_codeset_rows that gives every member its default. */
#define DKVB_CODESET_ROWS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_codeset_rows), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                        \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_rows, DKVB_CODESET_ROWS_INIT)

/**
 * Add rows to a part of a codeset. The new rows may have their ids in any order, since the codeset sorts its rows by
 * id.
 *
 * A codeset copies the features of the rows into a part that stores features. The first rows of a part decide, by the
 * option `keep`, whether the part stores features; later rows must then bring features of the same type and number of
 * columns. A codeset that keeps names needs the names of new rows, whose hashes must be their ids.
 *
 * @param set   the codeset to which new rows are added.
 * @param part  the part of the codeset: DKVB_PART_TRAINING or DKVB_PART_HELD_OUT.
 * @param rows  the rows to add, with as many codebooks and keys (`k`) as the part has, new ids, labels of -1 or more,
 *              codes that were searched without a mask, and finite features.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_EMISMATCH` if shapes or codebooks
 *         differ; `DKVB_ESTATE` if the codeset was loaded from features and not searched yet, or if a row with the id
 *         of a new row was removed before and not readmitted (dkvb_codeset_readmit()); `DKVB_ENOMEM`. A failed
 *         dkvb_codeset_add_rows() adds nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_rows(dkvb_codeset *set, uint32_t part,
                                                          const dkvb_codeset_rows *rows);

/**
 * Rows that dkvb_codeset_add_features() adds to a codeset by their features. Callers initialise a `dkvb_codeset_source`
 * with `DKVB_CODESET_SOURCE_INIT`; the library reads the struct during the call only.
 */
typedef struct dkvb_codeset_source {
    size_t struct_size; /**< size of dkvb_codeset_source in bytes, set by DKVB_CODESET_SOURCE_INIT */
    const float *x;     /**< `float[n][dim]`, features of the rows, row-major, finite */
    size_t n;           /**< number of rows in the arrays of dkvb_codeset_source */
    size_t dim;         /**< number of columns of a row of features */
    /** `uint64_t[n]`, ids of the rows, new to the codeset; NULL stands for the row numbers 0 to n - 1. */
    const uint64_t *ids;
    const int32_t *labels;   /**< `int32_t[n]`, labels of the rows, -1 or more */
    const uint8_t *held_out; /**< `uint8_t[n]`, 1 if the row is held out, else 0; NULL if no row is held out */
    /**
     * `uint16_t[n][codebooks][k]`, codes of the rows, searched without a mask, with `k` keys per codebook as in the
     * codes of training rows; NULL makes dkvb_codeset_add_features() search the codes of training rows too.
     */
    const uint16_t *codes;
    /** `[n]`, UTF-8 names of the rows, whose hashes are the ids, if the codeset keeps names; else NULL. */
    const char *const *names;
    const dkvb_row_source *source; /**< source of the rows, read instead of `x`; NULL if `x` has the rows */
} dkvb_codeset_source;

/** Initialiser of dkvb_codeset_source that gives every member its default. */
#define DKVB_CODESET_SOURCE_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codeset_source), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_source, DKVB_CODESET_SOURCE_INIT)

/**
 * Add rows by their features to both parts of a codeset.
 *
 * dkvb_codeset_add_features() searches all missing codes, with `depth` keys per codebook for held-out rows. Each part
 * of a codeset stores its features in one number type: the smallest type that holds exactly all features of the rows
 * that were added first.
 *
 * @param set        the codeset to which new rows are added.
 * @param codebooks  codebooks that the codes of the codeset belong to.
 * @param source     the rows to add to the codeset, given by their features.
 * @param run        run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback of
 *                   `run` counts rows of the codeset.
 * @return any status code of dkvb_codeset_add_rows() and dkvb_search(); also `DKVB_EINVAL` if the number type of a part
 *         does not hold the features exactly. A failed dkvb_codeset_add_features() adds nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_features(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                              const dkvb_codeset_source *source,
                                                              const dkvb_run_options *run);

/**
 * Look at the rows of a part of a codeset. dkvb_codeset_get_rows() always gives ids, labels and stored features. The
 * codes of rows that a codes file stores as features are NULL until dkvb_codeset_search() is called.
 *
 * @param      set   the codeset whose rows are read.
 * @param      part  the part of the codeset: DKVB_PART_TRAINING or DKVB_PART_HELD_OUT.
 * @param[out] rows  receives the rows of the part `part` of the codeset; the caller sets its member `struct_size`
 *                   before the call.
 * @return `DKVB_EINVAL` for an invalid argument, else `DKVB_OK`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part,
                                                          dkvb_codeset_rows *rows);

/**
 * Properties of a codeset and of its codes file. Arrays of dkvb_codeset_info have one element for the training part and
 * one for the held-out part, with DKVB_PART_… as the index.
 */
typedef struct dkvb_codeset_info {
    size_t struct_size; /**< size of dkvb_codeset_info in bytes, set by DKVB_CODESET_INFO_INIT */
    uint32_t codebooks; /**< number of codebooks (C) */
    uint32_t keys;      /**< number of keys per codebook (K) */
    /**
     * Number of keys per codebook in the codes of each part of the codeset: `top_k` for training rows, `depth` for
     * held-out rows.
     */
    uint32_t k[2];
    uint64_t rows[2]; /**< number of rows of each part of the codeset */
    uint32_t kept[2]; /**< what each part of the codeset stores, DKVB_KEPT_CODES or DKVB_KEPT_FEATURES */
    /** Number type of the features that each part of the codeset stores; 0 for a part that stores codes. */
    uint32_t dtype[2];
    /** Number of columns of the features that each part of the codeset stores; 0 for a part that stores codes. */
    uint32_t columns[2];
    /**
     * Number of bytes that one row of each part of the codeset takes in the codes file, including its id (8) and label
     * (4).
     */
    uint64_t row_bytes[2];
    uint32_t sessions; /**< number of training sessions that the codeset has recorded */
    uint32_t searched; /**< 1 if all codes of the codeset are there, 0 if dkvb_codeset_search() has to search codes */
    uint32_t own_keys; /**< 1 if the keys were placed on the rows of the codeset, with the options `keyinit` */
    dkvb_keyinit_options keyinit; /**< options with which the keys were placed, without the allocator */
    /** 1 if the rows of the codeset have names, and their ids are hashes of the names (fit.h). */
    uint32_t named;
    uint32_t names_kept; /**< 1 if the codeset keeps the names of rows as well as their hashes */
} dkvb_codeset_info;

/** Initialiser of dkvb_codeset_info that gives every member its default. */
#define DKVB_CODESET_INFO_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_codeset_info), 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, 0, 0, 0,                      \
            DKVB_KEYINIT_OPTIONS_INIT, 0, 0                                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_info, DKVB_CODESET_INFO_INIT)

/**
 * Read the properties of a codeset.
 *
 * @param      set   the codeset whose properties are read.
 * @param[out] info  receives the properties of the codeset; the caller sets its member `struct_size` before the call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_info(const dkvb_codeset *set, dkvb_codeset_info *info);

/**
 * Search the codes of a codeset whose file stores features.
 *
 * dkvb_codeset_search() ignores masks, finds `top_k` keys per codebook for training rows and `depth` for held-out rows,
 * and does nothing if the codeset has all its codes. Purged (codebook, key) pairs are gone from the codebooks, so codes
 * that are searched after a purge list the next nearest keys instead.
 *
 * @param set        the codeset, which receives its missing codes.
 * @param codebooks  codebooks that the codes of the codeset belong to.
 * @param part       the part of the codeset: DKVB_PART_TRAINING, DKVB_PART_HELD_OUT or DKVB_PART_BOTH.
 * @param run        run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback of
 *                   `run` counts rows of the codeset.
 * @return `DKVB_EMISMATCH` for codebooks other than those of the codeset, even if nothing has to be searched, or for
 *         features with another number of columns; `DKVB_EINVAL`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. If
 *         dkvb_codeset_search() fails, the part of the codeset that it searched has no codes.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_search(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                        uint32_t part, const dkvb_run_options *run);

/**
 * Remove rows from both parts and from all training sessions of a codeset.
 *
 * The library overwrites the codes, features and names of removed rows. The codeset keeps salted hashes of removed ids,
 * so that nobody adds a removed row again by mistake.
 *
 * @param      set      the codeset that loses the rows.
 * @param      ids      `uint64_t[n]`, ids of the rows to remove, in any order.
 * @param      n        number of ids of rows to remove.
 * @param[out] removed  number of rows that were removed; or NULL.
 * @return `DKVB_ENOTFOUND` for an id that no row of the codeset has, with a message that names the first such id;
 *         `DKVB_ENOMEM`. A failed dkvb_codeset_remove() removes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n,
                                                        uint64_t *removed);

/**
 * Check whether a row was removed from a codeset and not readmitted since.
 *
 * @param set  the codeset from which the row may have been removed.
 * @param id   id of the row that may have been removed.
 * @return 1 if a row with the given `id` was removed from the codeset and not readmitted, else 0.
 */
DKVB_API int dkvb_codeset_was_removed(const dkvb_codeset *set, uint64_t id);

/**
 * Allow removed ids to be added to a codeset again.
 *
 * The list of removed ids in a codeset is a trace in itself: somebody who has the codes file can test one id after
 * another. If `ids` is NULL, dkvb_codeset_readmit() overwrites the whole list of removed ids and its salt; nobody can
 * then check any more whether a new row was once removed.
 *
 * @param set  the codeset to which the rows may be added again.
 * @param ids  `uint64_t[n]`, removed ids to readmit, in any order; ids that were not removed are skipped; NULL readmits
 *             all removed ids.
 * @param n    number of removed ids to readmit.
 * @return `DKVB_ENOMEM` if memory runs out; the codeset is then unchanged.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_readmit(dkvb_codeset *set, const uint64_t *ids, size_t n);

/**
 * Record a training session in a codeset: one dkvb_model_train() on rows of the training part of the codeset.
 *
 * Training sessions are recorded in the order in which they took place. Rows that a training session uses must be added
 * to the codeset before the session is recorded. The record of a training session is exact if the mask of the model was
 * empty during the training, since codes of a codeset ignore masks. A training session with the option `no_shuffle` is
 * replayed with rows in ascending order of their ids.
 *
 * @param set    the codeset that records the training session.
 * @param model  the trained model, or the model that is about to be trained; the codeset notes the model's number of
 *               classes and the number type of the model's values.
 * @param opts   options of the recorded training, whose members `report`, `user` and `ids` are ignored; NULL for the
 *               defaults.
 * @param ids    `uint64_t[n]`, ids of the rows that took part in the training session, in any order; NULL for all rows
 *               of the training part of the codeset. Rows with label -1 take no part in a training session.
 * @param n      number of ids of rows that took part in the training session.
 * @return `DKVB_ENOTFOUND` for an id that no training row of the codeset has; `DKVB_EMISMATCH` for a model with other
 *         codebooks, fewer classes than in the previous session, or too few classes for the label of a row;
 *         `DKVB_ESTATE` after DKVB_CODESET_SESSIONS sessions; `DKVB_EINVAL`; `DKVB_ENOMEM`. A failed
 *         dkvb_codeset_add_session() records nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_session(dkvb_codeset *set, const dkvb_model *model,
                                                             const dkvb_train_options *opts, const uint64_t *ids,
                                                             size_t n);

/** Training session that a codeset has recorded. */
typedef struct dkvb_codeset_session {
    size_t struct_size;    /**< size of dkvb_codeset_session in bytes, set by DKVB_CODESET_SESSION_INIT */
    uint32_t classes;      /**< number of classes of the model that was trained in the training session */
    uint32_t values_dtype; /**< number type of the values of the model that was trained in the training session */
    /** Number of labelled rows that took part in the training session and are still in the codeset. */
    uint64_t rows;
    /** Options of the recorded training, where the members `report`, `user` and `ids` are NULL. */
    dkvb_train_options training;
} dkvb_codeset_session;

/** Initialiser of dkvb_codeset_session that gives every member its default. */
#define DKVB_CODESET_SESSION_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_session), 0, 0, 0, DKVB_TRAIN_OPTIONS_INIT                                                 \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_session, DKVB_CODESET_SESSION_INIT)

/**
 * Look at a recorded training session of a codeset.
 *
 * @param      set        the codeset that recorded the training session.
 * @param      index      index of the training session, 0 to `sessions - 1`.
 * @param[out] session    receives the training session; the caller sets its member `struct_size` before the call.
 * @param[out] took_part  `uint8_t[n]`, one number for each row of the training part of the codeset: 1 if the row took
 *                        part in the training session, else 0; or NULL.
 * @return `DKVB_ENOTFOUND` if no training session has the index `index`; `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_session(const dkvb_codeset *set, uint32_t index,
                                                             dkvb_codeset_session *session, uint8_t *took_part);

/**
 * Write a codeset to a codes file (docs/format.md), atomically (file.h).
 *
 * @param set   the codeset to write to a codes file.
 * @param path  path of the codes file to write.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EIO` if the file cannot be written; `DKVB_ENOMEM` if memory runs
 *         out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_save(const dkvb_codeset *set, const char *path);

/**
 * Write a model and its codeset, which belong together.
 *
 * dkvb_model_save_with() writes the model file and the codes file to disk under temporary names, and then renames the
 * model file before the codes file, so a disk that is full leaves both old files. A new model file is left beside an
 * old codes file only if the process crashes after the model file was renamed and before the codes file is, or if the
 * folder refuses to rename the codes file, which the error message then says.
 *
 * @param model       the model to write to a model file. If ranks share the model, all ranks call
 *                    dkvb_model_save_with().
 * @param path        path of the model file to write.
 * @param set         the codeset to write to a codes file; only rank 0 reads it.
 * @param codes_path  path of the codes file to write.
 * @return any status code of dkvb_model_save() and dkvb_codeset_save().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_save_with(const dkvb_model *model, const char *path,
                                                         const dkvb_codeset *set, const char *codes_path);

/**
 * Read a codeset from a codes file. dkvb_codeset_load() checks everything in the codes file.
 *
 * @param[out] out        the codeset, which the caller releases with dkvb_codeset_free(); NULL on failure.
 * @param      path       path of the codes file to read.
 * @param      codebooks  codebooks whose birth id the codes file must have; NULL accepts any codebooks.
 * @param      allocator  allocator of the codeset; NULL stands for malloc() and free().
 * @return `DKVB_EMISMATCH` if the codes file belongs to other codebooks; `DKVB_EIO`; `DKVB_EFORMAT`; `DKVB_ECHECKSUM`;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path,
                                                      const dkvb_codebooks *codebooks, const dkvb_allocator *allocator);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
