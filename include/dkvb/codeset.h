/**
 * Codesets: the codes of the rows that a model was trained on, kept to forget by.
 *
 * Keys are frozen, so a row's code never changes. Whoever keeps it can count what a
 * forget set selects, find how many pairs must go, and train the values again
 * without some rows (replay.h) without ever looking at the rows. A codeset holds,
 * for each row, an id, a label and the code, in two parts:
 *
 * - **training**: rows that the values learn from, with the model's `top_k` keys a codebook.
 * - **held out**: rows that they do not learn from. Effects of a forgetting are measured on them (effect.h), so
 *   their codes go deeper: a mask takes keys away, and the next nearest ones are there already.
 *
 * A codeset also lists the sessions of training, one for each dkvb_model_train(), with the rows that took part, and
 * says where the keys came from: all that is needed to do it again.
 *
 * A file holds the rows of a part either as packed codes or as the features that they were searched from, whichever
 * takes fewer bytes. A codeset that was loaded from features has no codes until dkvb_codeset_search().
 *
 * A codeset is data about persons if the rows are. Features are the rows themselves; codes tell which rows are alike,
 * and whoever holds a candidate row can look for its code. Keep the file as the rows were kept.
 *
 * Threads: as for any plain container: many readers, or one writer.
 */
#ifndef DKVB_CODESET_H
#define DKVB_CODESET_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "export.h"
#include "memory.h"
#include "model.h"
#include "runtime.h"
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_codeset dkvb_codeset;

/* The two parts. Values are part of the ABI. */
enum {
    DKVB_PART_TRAINING = 0,
    DKVB_PART_HELD_OUT = 1,
    DKVB_PART_BOTH = 2 /**< for dkvb_codeset_search() */
};

/* What a file keeps of rows. Values are part of the ABI. */
enum {
    DKVB_KEPT_AUTO = 0, /**< features where they take fewer bytes than packed codes, else codes; for each part */
    DKVB_KEPT_CODES = 1,
    DKVB_KEPT_FEATURES = 2
};

/** How deep codes of held-out rows go unless told otherwise (docs/unlearning.md says what that is enough for). */
#define DKVB_CODESET_DEPTH 32u

/** Sessions of training that a codeset can record. */
#define DKVB_CODESET_SESSIONS 64u

/** How to make a codeset. Start from `DKVB_CODESET_OPTIONS_INIT`. */
typedef struct dkvb_codeset_options {
    size_t struct_size;                  /**< sizeof(dkvb_codeset_options), set by INIT */
    uint32_t top_k;                      /**< keys a codebook in codes of the training part: the model's k */
    uint32_t depth;                      /**< the same of the part held out; at most the number of keys, else that */
    const dkvb_allocator *allocator;     /**< NULL: malloc and free; copied */
    uint32_t keep;                       /**< DKVB_KEPT_…; settled for a part when its first rows are added */
    const dkvb_keyinit_options *keyinit; /**< how the keys were placed on these very rows; NULL: on others */
} dkvb_codeset_options;

#define DKVB_CODESET_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_options), 1, DKVB_CODESET_DEPTH, 0, DKVB_KEPT_AUTO, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_options, DKVB_CODESET_OPTIONS_INIT)

/** An empty codeset for these frozen codebooks. Keeps no reference to them. NULL for the defaults. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_new(dkvb_codeset **out, const dkvb_codebooks *codebooks,
                                                     const dkvb_codeset_options *opts);

/** Release a codeset. NULL is a no-op. */
DKVB_API void dkvb_codeset_free(dkvb_codeset *set);

/**
 * Whether the row with this id belongs to the part held out if `share` of all rows, 0 to 1, is to be held out: 1 or 0.
 * It depends on the id and the share only, so removing rows never moves another one.
 */
DKVB_API int dkvb_codeset_holds_out(uint64_t id, double share);

/**
 * The rows of a part. The caller sets `struct_size`. Pointers that dkvb_codeset_get_rows() fills in are tied to the
 * codeset, until it is changed.
 */
typedef struct dkvb_codeset_rows {
    size_t struct_size;
    size_t n;                 /**< rows */
    uint32_t codebooks;       /**< C */
    uint32_t k;               /**< keys a codebook in these codes */
    const uint64_t *ids;      /**< `uint64_t[n]`, ascending */
    const int32_t *labels;    /**< `int32_t[n]` */
    const uint16_t *codes;    /**< `uint16_t[n][codebooks][k]`; NULL where features were not searched yet */
    const void *features;     /**< `[n][columns]` of `dtype`, or NULL: what the codes were searched from */
    uint32_t dtype;           /**< DKVB_DTYPE_U8, _F16, _F32 or _F64; 0 without features */
    uint32_t columns;         /**< 0 without features */
    const char *const *names; /**< `[n]`, UTF-8 that the ids are hashes of; NULL unless the codeset keeps them */
} dkvb_codeset_rows;

#define DKVB_CODESET_ROWS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_codeset_rows), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                        \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_rows, DKVB_CODESET_ROWS_INIT)

/**
 * Add rows to a part. Ids come in any order; the part stays sorted by id.
 *
 * @param rows  `codebooks` and `k` of the codeset and the part; ids that neither part has; labels of -1 or more; codes
 *              that were searched without a mask. Features are finite. They are copied if this part keeps them, which
 *              the first rows settle by the option `keep`; rows added later must then bring them too, of the same type
 *              and width. A codeset that keeps names needs them too; their hashes must be the ids.
 * @return `DKVB_EINVAL` naming the row, `DKVB_EMISMATCH`, `DKVB_ENOMEM`, `DKVB_ESTATE` (loaded from features and not
 *         searched yet; an id that was removed before, see dkvb_codeset_readmit()). Nothing was added then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_rows(dkvb_codeset *set, uint32_t part,
                                                          const dkvb_codeset_rows *rows);

/** Rows on their way into a codeset. Start from `DKVB_CODESET_SOURCE_INIT`. Read during the call only. */
typedef struct dkvb_codeset_source {
    size_t struct_size;       /**< sizeof(dkvb_codeset_source), set by INIT */
    const float *x;           /**< `float[n][dim]`, row-major, finite */
    size_t n;                 /**< rows */
    size_t dim;               /**< columns */
    const uint64_t *ids;      /**< `uint64_t[n]`, that neither part has; NULL: their numbers, 0 to n - 1 */
    const int32_t *labels;    /**< `int32_t[n]`, -1 or more */
    const uint8_t *held_out;  /**< `uint8_t[n]`, 1 = of the part held out, else 0; NULL: none is */
    const uint16_t *codes;    /**< `uint16_t[n][codebooks][k]` with the k of the training part, searched without a mask;
                                   NULL: rows of that part are searched too */
    const char *const *names; /**< `[n]`, UTF-8 that the ids are hashes of, where the codeset keeps them; else NULL */
} dkvb_codeset_source;

#define DKVB_CODESET_SOURCE_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_codeset_source), 0, 0, 0, 0, 0, 0, 0, 0                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_source, DKVB_CODESET_SOURCE_INIT)

/**
 * Add rows by their features to both parts: searches what must be searched, rows held out as deep as their part goes,
 * and keeps features, where a part does, in its type, or if these are its first in the smallest that holds them all.
 *
 * @param codebooks  of the codeset.
 * @param run        NULL for the defaults. Progress counts rows.
 * @return as dkvb_codeset_add_rows() and dkvb_search(); `DKVB_EINVAL` too if the type that a part keeps does not hold
 *         the features exactly. Nothing was added then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_features(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                              const dkvb_codeset_source *source,
                                                              const dkvb_run_options *run);

/**
 * Look at a part. The codes of a part that was loaded as features are NULL until dkvb_codeset_search() has found them;
 * ids, labels and features are there.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part,
                                                          dkvb_codeset_rows *rows);

/** What a codeset is, and what its file keeps. The caller sets `struct_size`. Arrays are indexed by DKVB_PART_…. */
typedef struct dkvb_codeset_info {
    size_t struct_size;
    uint32_t codebooks;           /**< C */
    uint32_t keys;                /**< K */
    uint32_t k[2];                /**< keys a codebook in codes of a part: top_k and depth */
    uint64_t rows[2];             /**< rows of a part */
    uint32_t kept[2];             /**< DKVB_KEPT_CODES or DKVB_KEPT_FEATURES */
    uint32_t dtype[2];            /**< of features that are kept, else 0 */
    uint32_t columns[2];          /**< of features that are kept, else 0 */
    uint64_t row_bytes[2];        /**< bytes that a row takes in a file, its id (8) and label (4) included */
    uint32_t sessions;            /**< sessions of training */
    uint32_t searched;            /**< 1 if all codes are there, 0 if dkvb_codeset_search() is to find them */
    uint32_t own_keys;            /**< 1: the keys were placed on these very rows, by `keyinit` */
    dkvb_keyinit_options keyinit; /**< how; without its allocator */
    uint32_t named;               /**< 1: rows are called by strings, and ids are hashes of them (fit.h) */
    uint32_t names_kept;          /**< 1: and the strings are kept */
} dkvb_codeset_info;

#define DKVB_CODESET_INFO_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_codeset_info), 0, 0, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, 0, 0, 0,                      \
            DKVB_KEYINIT_OPTIONS_INIT, 0, 0                                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_info, DKVB_CODESET_INFO_INIT)

/** Fill in what is known of a codeset. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_info(const dkvb_codeset *set, dkvb_codeset_info *info);

/**
 * Find the codes of a codeset that was loaded from features: without a mask, `top_k` keys for rows of the training
 * part, `depth` for the others. Does nothing where all codes are there. Pairs purged since the training are gone from
 * the codebooks, so the codes name the next nearest keys instead.
 *
 * @param part  DKVB_PART_TRAINING, DKVB_PART_HELD_OUT or DKVB_PART_BOTH.
 * @param run   NULL for the defaults. Progress counts rows.
 * @return `DKVB_EMISMATCH` (other codebooks, whether or not there is anything to search; features of another width),
 *         `DKVB_EINVAL`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`. The codeset has no codes of the part then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_search(dkvb_codeset *set, const dkvb_codebooks *codebooks,
                                                        uint32_t part, const dkvb_run_options *run);

/**
 * Take rows out, of both parts and of all sessions. What they left is overwritten, features and names included. Their
 * ids are remembered by salted hashes, so that they are not added again by mistake.
 *
 * @param ids          `uint64_t[n]`, in any order.
 * @param[out] removed how many were there; or NULL.
 * @return `DKVB_ENOTFOUND` naming the first that is in neither part, `DKVB_ENOMEM`: then nothing is taken out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n,
                                                        uint64_t *removed);

/** Whether a row with this id was removed, and not readmitted since: 1 or 0. */
DKVB_API int dkvb_codeset_was_removed(const dkvb_codeset *set, uint64_t id);

/**
 * Let removed ids be added again. The list of removed ids is a trace of its own: whoever has the file can try ids one
 * by one. With `ids` NULL the whole list is overwritten with its salt, and nobody can check any more who comes back.
 *
 * @param ids  `uint64_t[n]`, in any order; ids that were not removed are passed over. NULL: all.
 * @return `DKVB_ENOMEM`: nothing has changed then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_readmit(dkvb_codeset *set, const uint64_t *ids, size_t n);

/**
 * Record a session: one dkvb_model_train() of rows of the training part. Sessions are recorded in the order in which
 * they were trained; rows that a later session brings are added first.
 *
 * The record is exact if the model's mask was empty while it was trained, since codes of a codeset know no mask. With
 * `no_shuffle`, rows are replayed by ascending id.
 *
 * @param model  that was trained, or is about to be: its number of classes and type of values are noted.
 * @param opts   how it was trained; `report`, `user` and `ids` are ignored. NULL: the defaults.
 * @param ids    `uint64_t[n]`, in any order, of the rows that took part; NULL: all rows that are there. A row with
 * label -1 takes no part.
 * @return `DKVB_ENOTFOUND` naming an id that the training part does not have; `DKVB_EINVAL`; `DKVB_EMISMATCH` (other
 *         codebooks, fewer classes than in the session before, or too few for a label); `DKVB_ESTATE` after
 *         `DKVB_CODESET_SESSIONS` sessions. Nothing was recorded then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add_session(dkvb_codeset *set, const dkvb_model *model,
                                                             const dkvb_train_options *opts, const uint64_t *ids,
                                                             size_t n);

/** A session. The caller sets `struct_size`. */
typedef struct dkvb_codeset_session {
    size_t struct_size;
    uint32_t classes;            /**< classes that the model had */
    uint32_t values_dtype;       /**< type that its values were stored in */
    uint64_t rows;               /**< rows with a label that took part and are still there */
    dkvb_train_options training; /**< how it was trained; `report`, `user` and `ids` are NULL */
} dkvb_codeset_session;

#define DKVB_CODESET_SESSION_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_session), 0, 0, 0, DKVB_TRAIN_OPTIONS_INIT                                                 \
    }
DKVB_INIT_FUNCTION(dkvb_codeset_session, DKVB_CODESET_SESSION_INIT)

/**
 * Look at a session, 0 to `sessions - 1`.
 *
 * @param[out] took_part  `uint8_t[n]` of the training part: 1 for each row that took part, else 0; or NULL.
 * @return `DKVB_ENOTFOUND` if there is no such session.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_session(const dkvb_codeset *set, uint32_t index,
                                                             dkvb_codeset_session *session, uint8_t *took_part);

/** Write a codes file (docs/format.md), atomically (file.h). */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_save(const dkvb_codeset *set, const char *path);

/**
 * Read a codes file; everything in it is checked.
 *
 * @param codebooks  that the codes must belong to, by birth id, else `DKVB_EMISMATCH`; NULL: any.
 * @param allocator  may be NULL.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path,
                                                      const dkvb_codebooks *codebooks, const dkvb_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
