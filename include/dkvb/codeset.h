/**
 * @file
 * @brief Codesets: the codes of the rows that a model was trained on, stored so that rows can be forgotten later.
 *
 * Keys are frozen, so the code of a row never changes. With stored codes the library can count which pairs a forget set
 * selects, find how many pairs to mask, and train the values again without some rows (replay.h), all without the rows
 * themselves. A codeset holds an id, a label and a code for each row, in two parts:
 *
 * - **training**: rows that the values learn from. Their codes list the model's `top_k` keys per codebook.
 * - **held out**: rows that the values do not learn from. Effects of a forgetting are measured on held-out rows
 * (effect.h). Their codes are deeper: they also list farther keys, which take over when a mask takes the nearest keys.
 *
 * A codeset also lists the sessions of training, one for each dkvb_model_train(), with the rows that took part. A
 * codeset notes how the keys were placed. So a codeset has everything that repeats the training.
 *
 * A codes file stores each part either as packed codes or as the features that the codes were searched from, whichever
 * takes fewer bytes. A codeset that was loaded from features has no codes until dkvb_codeset_search().
 *
 * A codeset is personal data if the rows are. Features are the rows themselves. Codes show which rows are alike, and
 * somebody who has a candidate row can look for its code. The file needs the same protection as the rows.
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

/** A codeset. The caller owns a codeset through a pointer, and dkvb_codeset_free() releases the codeset. */
typedef struct dkvb_codeset dkvb_codeset;

/** Parts of a codeset. The numbers of these constants are part of the ABI. */
enum {
    DKVB_PART_TRAINING = 0, /**< rows that the values learn from */
    DKVB_PART_HELD_OUT = 1, /**< rows that effects are measured on */
    DKVB_PART_BOTH = 2      /**< both parts, for dkvb_codeset_search() */
};

/** Contents of a codes file for the rows. The numbers of these constants are part of the ABI. */
enum {
    DKVB_KEPT_AUTO = 0,    /**< for each part, features if they take fewer bytes than packed codes, else codes */
    DKVB_KEPT_CODES = 1,   /**< packed codes */
    DKVB_KEPT_FEATURES = 2 /**< features */
};

/** Default number of keys per codebook in codes of held-out rows (docs/unlearning.md shows that it is enough). */
#define DKVB_CODESET_DEPTH 32u

/** Largest number of training sessions that a codeset can record. */
#define DKVB_CODESET_SESSIONS 64u

/** Options for creating a codeset. The options start from `DKVB_CODESET_OPTIONS_INIT`. */
typedef struct dkvb_codeset_options {
    size_t struct_size;              /**< sizeof(dkvb_codeset_options), set by INIT */
    uint32_t top_k;                  /**< keys per codebook in codes of the training part: the model's `top_k` */
    uint32_t depth;                  /**< keys per codebook in codes of held-out rows; larger numbers than the number
                                          of keys stand for that number */
    const dkvb_allocator *allocator; /**< allocator, copied; NULL: malloc() and free() */
    uint32_t keep;                   /**< DKVB_KEPT_…; a part decides when its first rows are added */
    const dkvb_keyinit_options *keyinit; /**< how the keys were placed on these rows; NULL: on other rows */
} dkvb_codeset_options;

/** Defaults of dkvb_codeset_options. */
#define DKVB_CODESET_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_options), 1, DKVB_CODESET_DEPTH, 0, DKVB_KEPT_AUTO, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_options, DKVB_CODESET_OPTIONS_INIT)

/**
 * Create an empty codeset. A codeset keeps no reference to the codebooks.
 *
 * @param[out] out        the codeset, owned by the caller: dkvb_codeset_free(). NULL on failure.
 * @param      codebooks  frozen codebooks that all codes belong to.
 * @param      opts       options; NULL for the defaults.
 * @return `DKVB_EINVAL`, `DKVB_ESTATE`, `DKVB_ENOMEM`.
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
 * Decide whether a row is held out.
 *
 * The decision depends on the id and the share only, so removing other rows does not change it.
 *
 * @param id     id of the row.
 * @param share  share of all rows to hold out, 0 to 1.
 * @return 1 if the row is held out, else 0.
 */
DKVB_API int dkvb_codeset_holds_out(uint64_t id, double share);

/**
 * Rows of one part. The caller sets `struct_size`. Pointers that dkvb_codeset_get_rows() fills in are valid until the
 * codeset changes or is freed.
 */
typedef struct dkvb_codeset_rows {
    size_t struct_size;       /**< sizeof(dkvb_codeset_rows), set by INIT */
    size_t n;                 /**< number of rows */
    uint32_t codebooks;       /**< number of codebooks (C) */
    uint32_t k;               /**< number of keys per codebook in these codes */
    const uint64_t *ids;      /**< `uint64_t[n]`, ascending */
    const int32_t *labels;    /**< `int32_t[n]`, labels of the rows */
    const uint16_t *codes;    /**< `uint16_t[n][codebooks][k]`; NULL if features were not searched yet */
    const void *features;     /**< `[n][columns]` of `dtype`, features that the codes were searched from; or NULL */
    uint32_t dtype;           /**< DKVB_DTYPE_U8, _F16, _F32 or _F64; 0 without features */
    uint32_t columns;         /**< number of columns of the features; 0 without features */
    const char *const *names; /**< `[n]`, UTF-8 names whose hashes are the ids; NULL if the codeset keeps no names */
} dkvb_codeset_rows;

/** Defaults of dkvb_codeset_rows. */
#define DKVB_CODESET_ROWS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_codeset_rows), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                        \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_rows, DKVB_CODESET_ROWS_INIT)

/**
 * Add rows to a part. The ids may come in any order; the codeset sorts each part by id.
 *
 * Features are copied if this part stores features. The first rows of a part decide that, by the option `keep`. Later
 * rows must then bring features of the same type and number of columns. A codeset that keeps names needs the names of
 * new rows, and their hashes must be the ids.
 *
 * @param set   the codeset.
 * @param part  DKVB_PART_TRAINING or DKVB_PART_HELD_OUT.
 * @param rows  rows with `codebooks` and `k` of the codeset and part, new ids, labels of -1 or more, codes that were
 *              searched without a mask, and finite features.
 * @return `DKVB_EINVAL` naming the row; `DKVB_EMISMATCH`; `DKVB_ESTATE` if the codeset was loaded from features and not
 *         searched yet, or if an id was removed before (dkvb_codeset_readmit()); `DKVB_ENOMEM`. A failed call adds
 *         nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_rows(dkvb_codeset *set, uint32_t part,
                                                          const dkvb_codeset_rows *rows);

/** Rows to add to a codeset by their features. The struct starts from `DKVB_CODESET_SOURCE_INIT`, and is read during
 * the call only. */
typedef struct dkvb_codeset_source {
    size_t struct_size;       /**< sizeof(dkvb_codeset_source), set by INIT */
    const float *x;           /**< `float[n][dim]`, row-major, finite */
    size_t n;                 /**< number of rows */
    size_t dim;               /**< number of columns */
    const uint64_t *ids;      /**< `uint64_t[n]`, new ids; NULL: row numbers, 0 to n - 1 */
    const int32_t *labels;    /**< `int32_t[n]`, labels of -1 or more */
    const uint8_t *held_out;  /**< `uint8_t[n]`, 1: the row is held out, 0: it is not; NULL: no row is held out */
    const uint16_t *codes;    /**< `uint16_t[n][codebooks][k]`, k of the training part, searched without a mask; NULL:
                                   training rows are searched too */
    const char *const *names; /**< `[n]`, UTF-8 names whose hashes are the ids, if the codeset keeps names; else NULL */
    const dkvb_row_source *source; /**< source of the rows, instead of `x`; NULL: x has the rows */
} dkvb_codeset_source;

/** Defaults of dkvb_codeset_source. */
#define DKVB_CODESET_SOURCE_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codeset_source), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_source, DKVB_CODESET_SOURCE_INIT)

/**
 * Add rows by their features to both parts.
 *
 * The call searches all codes that are missing, and searches held-out rows to the depth of their part. A part that
 * stores features stores them in its number type. The first features of a part decide this type: the smallest type that
 * holds all of them exactly.
 *
 * @param set        the codeset.
 * @param codebooks  codebooks of the codeset.
 * @param source     the rows.
 * @param run        run options; NULL for the defaults. Progress counts rows.
 * @return as dkvb_codeset_add_rows() and dkvb_search(); also `DKVB_EINVAL` if the number type of a part does not hold
 * the features exactly. A failed call adds nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_features(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                              const dkvb_codeset_source *source,
                                                              const dkvb_run_options *run);

/**
 * Look at the rows of a part. Ids, labels and stored features are always there. The codes of a part that was loaded as
 * features are NULL until dkvb_codeset_search().
 *
 * @param      set   the codeset.
 * @param      part  DKVB_PART_TRAINING or DKVB_PART_HELD_OUT.
 * @param[out] rows  rows of the part; the caller sets `struct_size`.
 * @return `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part,
                                                          dkvb_codeset_rows *rows);

/** Properties of a codeset and of its file. The caller sets `struct_size`. DKVB_PART_… are the indices of the arrays.
 */
typedef struct dkvb_codeset_info {
    size_t struct_size;           /**< sizeof(dkvb_codeset_info), set by INIT */
    uint32_t codebooks;           /**< number of codebooks (C) */
    uint32_t keys;                /**< number of keys per codebook (K) */
    uint32_t k[2];                /**< keys per codebook in the codes of each part: `top_k` and `depth` */
    uint64_t rows[2];             /**< number of rows of each part */
    uint32_t kept[2];             /**< DKVB_KEPT_CODES or DKVB_KEPT_FEATURES for each part */
    uint32_t dtype[2];            /**< number type of the stored features of each part; 0 without */
    uint32_t columns[2];          /**< number of columns of the stored features of each part; 0 without */
    uint64_t row_bytes[2];        /**< bytes of one row in a file, its id (8) and label (4) included, for each part */
    uint32_t sessions;            /**< number of recorded training sessions */
    uint32_t searched;            /**< 1: all codes are there; 0: dkvb_codeset_search() has to find them */
    uint32_t own_keys;            /**< 1: the keys were placed on these rows, by `keyinit` */
    dkvb_keyinit_options keyinit; /**< how the keys were placed, without the allocator */
    uint32_t named;               /**< 1: rows have names, and ids are hashes of the names (fit.h) */
    uint32_t names_kept;          /**< 1: the codeset keeps the names themselves too */
} dkvb_codeset_info;

/** Defaults of dkvb_codeset_info. */
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
 * The search uses no mask. The search finds `top_k` keys for training rows and `depth` keys for held-out rows. Nothing
 * is done if all codes are there. Pairs that were purged since the training are gone from the codebooks, so such codes
 * name the next nearest keys instead.
 *
 * @param set        the codeset.
 * @param codebooks  codebooks of the codeset.
 * @param part       DKVB_PART_TRAINING, DKVB_PART_HELD_OUT or DKVB_PART_BOTH.
 * @param run        run options; NULL for the defaults. Progress counts rows.
 * @return `DKVB_EMISMATCH` for other codebooks, even if nothing is to be searched, or for features with another number
 * of columns; `DKVB_EINVAL`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. After a failure the part has no codes.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_search(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                        uint32_t part, const dkvb_run_options *run);

/**
 * Remove rows from both parts and from all sessions.
 *
 * The codes, features and names of the rows are overwritten. The codeset remembers salted hashes of their ids, so that
 * nobody adds them again by mistake.
 *
 * @param      set      the codeset.
 * @param      ids      `uint64_t[n]`, ids in any order.
 * @param      n        number of ids.
 * @param[out] removed  number of removed rows; or NULL.
 * @return `DKVB_ENOTFOUND` naming the first id that neither part has; `DKVB_ENOMEM`. A failed call removes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n,
                                                        uint64_t *removed);

/**
 * Check whether a row was removed and not readmitted since.
 *
 * @param set  the codeset.
 * @param id   id of the row.
 * @return 1 if the row was removed, else 0.
 */
DKVB_API int dkvb_codeset_was_removed(const dkvb_codeset *set, uint64_t id);

/**
 * Allow removed ids to be added again.
 *
 * The list of removed ids is a trace in itself: somebody who has the file can try ids one by one. If `ids` is NULL, the
 * whole list and its salt are overwritten; nobody can check any more which rows come back.
 *
 * @param set  the codeset.
 * @param ids  `uint64_t[n]`, ids in any order; ids that were not removed are skipped. NULL: all.
 * @param n    number of ids.
 * @return `DKVB_ENOMEM`, with nothing changed.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_readmit(dkvb_codeset *set, const uint64_t *ids, size_t n);

/**
 * Record a session: one dkvb_model_train() on rows of the training part.
 *
 * Sessions are recorded in the order of the trainings. Rows that a later session uses must be added first. The record
 * is exact if the mask of the model was empty during the training, since codes of a codeset ignore masks. A session
 * with `no_shuffle` is replayed with rows in ascending order of their ids.
 *
 * @param set    the codeset.
 * @param model  the trained model, or the model that is about to be trained; its number of classes and the number type
 * of its values are noted.
 * @param opts   options of the training; `report`, `user` and `ids` are ignored. NULL: the defaults.
 * @param ids    `uint64_t[n]`, ids of the rows that took part, in any order; NULL: all rows of the part. Rows with
 * label -1 take no part.
 * @param n      number of ids.
 * @return `DKVB_ENOTFOUND` naming an id that the training part does not have; `DKVB_EMISMATCH` for other codebooks,
 * fewer classes than in the session before, or too few classes for a label; `DKVB_ESTATE` after DKVB_CODESET_SESSIONS
 * sessions; `DKVB_EINVAL`; `DKVB_ENOMEM`. A failed call records nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_session(dkvb_codeset *set, const dkvb_model *model,
                                                             const dkvb_train_options *opts, const uint64_t *ids,
                                                             size_t n);

/** A recorded training session. The caller sets `struct_size`. */
typedef struct dkvb_codeset_session {
    size_t struct_size;          /**< sizeof(dkvb_codeset_session), set by INIT */
    uint32_t classes;            /**< number of classes of the model */
    uint32_t values_dtype;       /**< number type of the model's values */
    uint64_t rows;               /**< number of rows with a label that took part and are still in the codeset */
    dkvb_train_options training; /**< options of the training; `report`, `user` and `ids` are NULL */
} dkvb_codeset_session;

/** Defaults of dkvb_codeset_session. */
#define DKVB_CODESET_SESSION_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_session), 0, 0, 0, DKVB_TRAIN_OPTIONS_INIT                                                 \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_session, DKVB_CODESET_SESSION_INIT)

/**
 * Look at a recorded session.
 *
 * @param      set        the codeset.
 * @param      index      0 to `sessions - 1`.
 * @param[out] session    the session; the caller sets `struct_size`.
 * @param[out] took_part  `uint8_t[n]` for the rows of the training part, 1 if the row took part, else 0; or NULL.
 * @return `DKVB_ENOTFOUND` if there is no such session; `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_session(const dkvb_codeset *set, uint32_t index,
                                                             dkvb_codeset_session *session, uint8_t *took_part);

/**
 * Write a codeset to a codes file (docs/format.md), atomically (file.h).
 *
 * @param set   the codeset.
 * @param path  file to write.
 * @return `DKVB_EINVAL`, `DKVB_EIO`, `DKVB_ENOMEM`.
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
 * Read a codes file. The library checks everything in the file.
 *
 * @param[out] out        the codeset, owned by the caller: dkvb_codeset_free(). NULL on failure.
 * @param      path       codes file.
 * @param      codebooks  codebooks whose birth id the file must have; NULL: any codebooks.
 * @param      allocator  allocator; NULL: malloc() and free().
 * @return `DKVB_EMISMATCH` for a file of other codebooks; `DKVB_EIO`; `DKVB_EFORMAT`; `DKVB_ECHECKSUM`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path,
                                                      const dkvb_codebooks *codebooks, const dkvb_allocator *allocator);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
