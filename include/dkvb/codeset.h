/**
 * @file
 * @brief Codesets: a codeset stores the codes of the rows that a model was trained on, so that rows can be forgotten
 * later.
 *
 * Keys are frozen, so the code of a row never changes. With stored codes, and without the rows themselves, the library
 * can count which (codebook, key) pairs a forget set selects, find how many pairs to mask, and train the values again
 * without some rows (replay.h). A codeset holds an id, a label and a code for each row, in a training part and a
 * held-out part:
 *
 * - The **training** part has the rows that the values learn from, with codes of `top_k` keys per codebook, as the
 *   model selects them.
 * - The **held-out** part has rows that the values never learn from, on which the effects of forgetting are measured
 *   (effect.h). Codes of held-out rows are deeper: they also list farther keys, which are selected when a mask removes
 *   the nearest keys.
 *
 * A codeset also lists the training sessions of the model, one for each dkvb_model_train(), with the rows that took
 * part, and notes how the keys were placed. So a codeset has everything that is needed to repeat the training.
 *
 * A codes file stores each part of a codeset either as packed codes or as the features that the codes were searched
 * from, whichever takes fewer bytes. A codeset that was loaded from features has no codes until dkvb_codeset_search()
 * is called.
 *
 * A codeset is personal data if its rows are personal data. Stored features are the rows themselves. Stored codes show
 * which rows are alike, and somebody who has a candidate row can look for its code. A codes file needs the same
 * protection as the rows.
 *
 * Threads: several threads may read one codeset at once, or one thread may change it.
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
    DKVB_PART_TRAINING = 0, /**< training part: rows that the values learn from */
    DKVB_PART_HELD_OUT = 1, /**< held-out part: rows on which the effects of forgetting are measured */
    DKVB_PART_BOTH = 2      /**< both parts of a codeset, accepted by dkvb_codeset_search() */
};

/** Contents that a codes file can store for each row. The numbers of the DKVB_KEPT_… constants are part of the ABI. */
enum {
    DKVB_KEPT_AUTO = 0,  /**< each part stores features if they take fewer bytes than packed codes, else packed codes */
    DKVB_KEPT_CODES = 1, /**< each part stores packed codes */
    DKVB_KEPT_FEATURES = 2 /**< each part stores the features that codes are searched from */
};

/**
 * Default number of keys per codebook in codes of held-out rows (docs/unlearning.md shows that this depth is enough).
 */
#define DKVB_CODESET_DEPTH 32u

/** Largest number of training sessions that a codeset can record. */
#define DKVB_CODESET_SESSIONS 64u

/** Options for creating a codeset. Callers initialise the options with `DKVB_CODESET_OPTIONS_INIT`. */
typedef struct dkvb_codeset_options {
    size_t struct_size; /**< size of dkvb_codeset_options in bytes, set by DKVB_CODESET_OPTIONS_INIT */
    uint32_t top_k;     /**< number of keys per codebook in codes of the training part, equal to the model's `top_k` */
    /** Number of keys per codebook in codes of held-out rows; a number above the number of keys selects all keys. */
    uint32_t depth;
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
    /**
     * What the file stores for each row, DKVB_KEPT_…; a part decides between codes and features when its first rows are
     * added.
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
 * Create an empty codeset. The codeset keeps no reference to the codebooks.
 *
 * @param[out] out        the codeset, which the caller releases with dkvb_codeset_free(); NULL on failure.
 * @param      codebooks  frozen codebooks that all codes of the codeset belong to.
 * @param      opts       options of the call; NULL for the defaults.
 * @return `DKVB_OK`; on failure `DKVB_EINVAL`, `DKVB_ESTATE` or `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_new(dkvb_codeset **out, const dkvb_codebooks *codebooks,
                                                     const dkvb_codeset_options *opts);

/**
 * Release a codeset.
 *
 * @param set  the codeset; NULL does nothing.
 */
DKVB_API void dkvb_codeset_free(dkvb_codeset *set);

/**
 * Decide whether a row belongs to the held-out part.
 *
 * The decision to hold out a row depends on its id and the fraction `share` only, so removing other rows does not
 * change it.
 *
 * @param id     id of the row.
 * @param share  fraction of all rows to hold out, 0 to 1.
 * @return 1 if the row is held out, else 0.
 */
DKVB_API int dkvb_codeset_holds_out(uint64_t id, double share);

/**
 * Rows of one part of a codeset. The caller sets `struct_size`. Pointers that dkvb_codeset_get_rows() fills in are
 * valid until the codeset changes or is freed.
 */
typedef struct dkvb_codeset_rows {
    size_t struct_size;    /**< size of dkvb_codeset_rows in bytes, set by DKVB_CODESET_ROWS_INIT */
    size_t n;              /**< number of rows in the arrays */
    uint32_t codebooks;    /**< number of codebooks (C) */
    uint32_t k;            /**< number of keys per codebook in the codes of the part */
    const uint64_t *ids;   /**< `uint64_t[n]`, ids of the rows in ascending order */
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows */
    /** `uint16_t[n][codebooks][k]`, codes of the rows; NULL if the stored features were not searched yet. */
    const uint16_t *codes;
    /** `[n][columns]` numbers of type `dtype`: features that the codes were searched from; or NULL. */
    const void *features;
    uint32_t dtype;   /**< number type of the features, DKVB_DTYPE_U8, _F16, _F32 or _F64; 0 without features */
    uint32_t columns; /**< number of columns of the features; 0 without features */
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
 * Add rows to a part of a codeset. The ids may come in any order, since the codeset sorts each part by id.
 *
 * A part that stores features copies the features of the rows. The first rows of a part decide, by the option `keep`,
 * whether it stores features; later rows must then bring features of the same type and number of columns. A codeset
 * that keeps names needs the names of new rows, whose hashes must be their ids.
 *
 * @param set   the codeset.
 * @param part  the part of the codeset: DKVB_PART_TRAINING or DKVB_PART_HELD_OUT.
 * @param rows  rows with as many codebooks and keys (`k`) as the part has, new ids, labels of -1 or more, codes that
 *              were searched without a mask, and finite features.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_EMISMATCH` if shapes or codebooks
 *         differ; `DKVB_ESTATE` if the codeset was loaded from features and not searched yet, or if an id was removed
 *         before (dkvb_codeset_readmit()); `DKVB_ENOMEM`. A failed dkvb_codeset_add_rows() adds nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_rows(dkvb_codeset *set, uint32_t part,
                                                          const dkvb_codeset_rows *rows);

/**
 * Rows that dkvb_codeset_add_features() adds to a codeset by their features. Callers initialise the struct with
 * `DKVB_CODESET_SOURCE_INIT`; the library reads the struct during the call only.
 */
typedef struct dkvb_codeset_source {
    size_t struct_size; /**< size of dkvb_codeset_source in bytes, set by DKVB_CODESET_SOURCE_INIT */
    const float *x;     /**< `float[n][dim]`, features of the rows, row-major, finite */
    size_t n;           /**< number of rows in the arrays */
    size_t dim;         /**< number of columns of the features */
    /** `uint64_t[n]`, ids of the rows, new to the codeset; NULL stands for the row numbers 0 to n - 1. */
    const uint64_t *ids;
    const int32_t *labels;   /**< `int32_t[n]`, labels of the rows, -1 or more */
    const uint8_t *held_out; /**< `uint8_t[n]`, 1 if the row is held out, else 0; NULL if no row is held out */
    /**
     * `uint16_t[n][codebooks][k]`, codes of the rows, searched without a mask, with the k of the training part; NULL
     * makes the function search training rows too.
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
 * dkvb_codeset_add_features() searches all codes that are missing, and searches held-out rows to the depth of their
 * part. A part that stores features stores them in one number type. The first features of a part decide its number
 * type: the smallest type that holds them all exactly.
 *
 * @param set        the codeset, to which the rows are added.
 * @param codebooks  codebooks of the codeset.
 * @param source     the rows to add.
 * @param run        run options (threads, progress, ranks); NULL for the defaults. The progress callback counts rows.
 * @return the status codes of dkvb_codeset_add_rows() and dkvb_search(); also `DKVB_EINVAL` if the number type of a
 *         part does not hold the features exactly. A failed dkvb_codeset_add_features() adds nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_features(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                              const dkvb_codeset_source *source,
                                                              const dkvb_run_options *run);

/**
 * Look at the rows of a part of a codeset. Ids, labels and stored features are always there. The codes of a part that
 * was loaded as features are NULL until dkvb_codeset_search() is called.
 *
 * @param      set   the codeset.
 * @param      part  the part of the codeset: DKVB_PART_TRAINING or DKVB_PART_HELD_OUT.
 * @param[out] rows  rows of the part; the caller sets `struct_size`.
 * @return `DKVB_OK`; on failure `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part,
                                                          dkvb_codeset_rows *rows);

/**
 * Properties of a codeset and of its file. The caller sets `struct_size`. Arrays of dkvb_codeset_info have one element
 * for each part, with DKVB_PART_… as the index.
 */
typedef struct dkvb_codeset_info {
    size_t struct_size; /**< size of dkvb_codeset_info in bytes, set by DKVB_CODESET_INFO_INIT */
    uint32_t codebooks; /**< number of codebooks (C) */
    uint32_t keys;      /**< number of keys per codebook (K) */
    /** Number of keys per codebook in the codes of each part: `top_k` for training rows, `depth` for held-out rows. */
    uint32_t k[2];
    uint64_t rows[2];    /**< number of rows of each part */
    uint32_t kept[2];    /**< what each part stores, DKVB_KEPT_CODES or DKVB_KEPT_FEATURES */
    uint32_t dtype[2];   /**< number type of the stored features of each part; 0 for a part that stores codes */
    uint32_t columns[2]; /**< number of columns of the stored features of each part; 0 for a part that stores codes */
    /** Number of bytes that one row of each part takes in a file, including its id (8) and label (4). */
    uint64_t row_bytes[2];
    uint32_t sessions; /**< number of recorded training sessions */
    uint32_t searched; /**< 1 if all codes of the codeset are there, 0 if dkvb_codeset_search() has to search codes */
    uint32_t own_keys; /**< 1 if the keys were placed on the rows of the codeset, with the options `keyinit` */
    dkvb_keyinit_options keyinit; /**< options with which the keys were placed, without the allocator */
    uint32_t named;               /**< 1 if rows have names, and their ids are hashes of the names (fit.h) */
    uint32_t names_kept;          /**< 1 if the codeset keeps the names of rows as well as their hashes */
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
 * @param      set   the codeset.
 * @param[out] info  properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_info(const dkvb_codeset *set, dkvb_codeset_info *info);

/**
 * Search the codes of a codeset that was loaded from features.
 *
 * dkvb_codeset_search() uses no mask. The search finds `top_k` keys for training rows and `depth` keys for held-out
 * rows, and does nothing if all codes are there. Pairs that were purged since the training are gone from the codebooks,
 * so codes searched later list the next nearest keys instead.
 *
 * @param set        the codeset.
 * @param codebooks  codebooks of the codeset.
 * @param part       the part of the codeset: DKVB_PART_TRAINING, DKVB_PART_HELD_OUT or DKVB_PART_BOTH.
 * @param run        run options (threads, progress, ranks); NULL for the defaults. The progress callback counts rows.
 * @return `DKVB_EMISMATCH` for other codebooks, even if nothing has to be searched, or for features with another number
 *         of columns; `DKVB_EINVAL`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. If dkvb_codeset_search() fails, the part has no
 *         codes.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_search(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                        uint32_t part, const dkvb_run_options *run);

/**
 * Remove rows from both parts and from all training sessions of a codeset.
 *
 * The library overwrites the codes, features and names of removed rows. The codeset keeps salted hashes of removed ids,
 * so that nobody adds a removed row again by mistake.
 *
 * @param      set      the codeset.
 * @param      ids      `uint64_t[n]`, ids of the rows to remove, in any order.
 * @param      n        number of ids in `ids`.
 * @param[out] removed  number of removed rows; or NULL.
 * @return `DKVB_ENOTFOUND` for an id that neither part has, with a message that names the first such id; `DKVB_ENOMEM`.
 *         A failed dkvb_codeset_remove() removes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n,
                                                        uint64_t *removed);

/**
 * Check whether a row was removed from a codeset and not readmitted since.
 *
 * @param set  the codeset.
 * @param id   id of the row.
 * @return 1 if the row was removed and not readmitted, else 0.
 */
DKVB_API int dkvb_codeset_was_removed(const dkvb_codeset *set, uint64_t id);

/**
 * Allow removed ids to be added to a codeset again.
 *
 * The list of removed ids is a trace in itself: somebody who has the codes file can test one id after another. If `ids`
 * is NULL, the library overwrites the whole list of removed ids and its salt; nobody can then check any more whether a
 * new row was once removed.
 *
 * @param set  the codeset.
 * @param ids  `uint64_t[n]`, ids to readmit, in any order; ids that were not removed are skipped; NULL readmits all.
 * @param n    number of ids in `ids`.
 * @return `DKVB_ENOMEM`, with nothing changed, if memory runs out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_readmit(dkvb_codeset *set, const uint64_t *ids, size_t n);

/**
 * Record a training session: one dkvb_model_train() on rows of the training part.
 *
 * Training sessions are recorded in the order in which they took place. Rows that a session uses must be added to the
 * codeset before it is recorded. The record is exact if the mask of the model was empty during the training, since
 * codes of a codeset ignore masks. A session trained with `no_shuffle` is replayed with rows in ascending order of
 * their ids.
 *
 * @param set    the codeset.
 * @param model  the trained model, or the model that is about to be trained; the codeset notes its number of classes
 *               and the number type of its values.
 * @param opts   options of the training; `report`, `user` and `ids` are ignored; NULL for the defaults.
 * @param ids    `uint64_t[n]`, ids of the rows that took part in the session, in any order; NULL for all rows of the
 *               training part. Rows with label -1 take no part in a session.
 * @param n      number of ids in `ids`.
 * @return `DKVB_ENOTFOUND` for an id that the training part does not have; `DKVB_EMISMATCH` for other codebooks, fewer
 *         classes than in the previous session, or too few classes for a label; `DKVB_ESTATE` after
 *         DKVB_CODESET_SESSIONS sessions; `DKVB_EINVAL`; `DKVB_ENOMEM`. A failed dkvb_codeset_add_session() records
 *         nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_session(dkvb_codeset *set, const dkvb_model *model,
                                                             const dkvb_train_options *opts, const uint64_t *ids,
                                                             size_t n);

/** Training session that a codeset has recorded. The caller sets `struct_size`. */
typedef struct dkvb_codeset_session {
    size_t struct_size;    /**< size of dkvb_codeset_session in bytes, set by DKVB_CODESET_SESSION_INIT */
    uint32_t classes;      /**< number of classes of the model that was trained */
    uint32_t values_dtype; /**< number type of the values of the model that was trained */
    uint64_t rows;         /**< number of labelled rows that took part in the session and are still in the codeset */
    dkvb_train_options training; /**< options of the training; `report`, `user` and `ids` are NULL */
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
 * @param      set        the codeset.
 * @param      index      index of the session, 0 to `sessions - 1`.
 * @param[out] session    the training session; the caller sets `struct_size`.
 * @param[out] took_part  `uint8_t[n]` for the rows of the training part, 1 if the row took part in the session, else 0;
 *                        or NULL.
 * @return `DKVB_ENOTFOUND` if no session has this index; `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_session(const dkvb_codeset *set, uint32_t index,
                                                             dkvb_codeset_session *session, uint8_t *took_part);

/**
 * Write a codeset to a codes file (docs/format.md), atomically (file.h).
 *
 * @param set   the codeset.
 * @param path  path of the file to write.
 * @return `DKVB_OK`; on failure `DKVB_EINVAL`, `DKVB_EIO` or `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_save(const dkvb_codeset *set, const char *path);

/**
 * Write a model and its codeset, which belong together.
 *
 * Both files are on disk before the first of them gets its name, so a disk that is full leaves both old files. The
 * model gets its name first. Only a crash between the two renamings, or a folder that refuses the second, leaves a new
 * model beside an old codes file; the message of such a failure says so.
 *
 * @param model       the model. If ranks share it, all ranks make the call.
 * @param path        file to write the model to.
 * @param set         the codeset; read on rank 0.
 * @param codes_path  file to write the codeset to.
 * @return as dkvb_model_save() and dkvb_codeset_save().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_save_with(const dkvb_model *model, const char *path,
                                                         const dkvb_codeset *set, const char *codes_path);

/**
 * Read a codeset from a codes file. The library checks everything in the file.
 *
 * @param[out] out        the codeset, which the caller releases with dkvb_codeset_free(); NULL on failure.
 * @param      path       codes file.
 * @param      codebooks  codebooks whose birth id the file must have; NULL: any codebooks.
 * @param      allocator  allocator; NULL stands for malloc() and free().
 * @return `DKVB_EMISMATCH` if the file belongs to other codebooks; `DKVB_EIO`; `DKVB_EFORMAT`; `DKVB_ECHECKSUM`;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path,
                                                      const dkvb_codebooks *codebooks, const dkvb_allocator *allocator);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
