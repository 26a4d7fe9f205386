/**
 * Codesets: the codes of the rows that a model was trained on, kept to forget by.
 *
 * Keys are frozen, so a row's code never changes: who keeps it can count what a
 * forget set selects, find how many pairs must go, and train the values again
 * without some rows (dkvb_model_replay()) without ever looking at the rows. A
 * codeset holds, for each row, an id, a label and the code, in two parts:
 *
 * - **training**: rows that the values learn from, with the model's `top_k` keys a codebook.
 * - **held out**: rows that they do not learn from. Effects of a forgetting are measured on them (forgetting.h), so
 *   their codes go deeper: a mask takes keys away, and the next nearest ones are there already.
 *
 * It also says how the values were trained and where the keys came from, which is
 * all that is needed to do it again.
 *
 * A codeset is data about persons if the rows are: codes tell which rows are alike, and
 * whoever holds a candidate row can look for its code. Keep it as the rows were kept.
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
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_codeset dkvb_codeset;

/* The two parts. Values are part of the ABI. */
enum { DKVB_PART_TRAINING = 0, DKVB_PART_HELD_OUT = 1 };

/** How deep codes of held-out rows go unless told otherwise (docs/unlearning.md says what that is enough for). */
#define DKVB_CODESET_DEPTH 32u

/** How to make a codeset. Start from `DKVB_CODESET_OPTIONS_INIT`. */
typedef struct dkvb_codeset_options {
    size_t struct_size;              /**< sizeof(dkvb_codeset_options), set by INIT */
    uint32_t top_k;                  /**< keys a codebook in codes of the training part: the model's k */
    uint32_t depth;                  /**< the same of the part held out; at most the number of keys, else that */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
} dkvb_codeset_options;

#define DKVB_CODESET_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_codeset_options), 1, DKVB_CODESET_DEPTH, 0                                                         \
    }

/** Fill in the defaults, for callers that cannot use the macro. `struct_size`: sizeof their struct. */
DKVB_API void dkvb_codeset_options_init(dkvb_codeset_options *opts, size_t struct_size);

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
 * Append rows to a part.
 *
 * @param ids     `uint64_t[n]`, ascending, and above the last id of the part; none in the other part.
 * @param labels  `int32_t[n]`, -1 or more.
 * @param codes   `uint16_t[n][codebooks][k]`, k = `top_k` or `depth` of the part, searched without a mask.
 * @return `DKVB_EINVAL` naming the row.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_add(dkvb_codeset *set, uint32_t part, const uint64_t *ids,
                                                     const int32_t *labels, const uint16_t *codes, size_t n);

/** The rows of a part. The caller sets `struct_size`. Pointers are tied to the codeset, until it is changed. */
typedef struct dkvb_codeset_rows {
    size_t struct_size;
    size_t n;              /**< rows */
    uint32_t codebooks;    /**< C */
    uint32_t k;            /**< keys a codebook in these codes */
    const uint64_t *ids;   /**< `uint64_t[n]`, ascending */
    const int32_t *labels; /**< `int32_t[n]` */
    const uint16_t *codes; /**< `uint16_t[n][codebooks][k]` */
} dkvb_codeset_rows;

#define DKVB_CODESET_ROWS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_codeset_rows), 0, 0, 0, 0, 0, 0                                                                    \
    }

/** Look at a part. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_rows(const dkvb_codeset *set, uint32_t part,
                                                          dkvb_codeset_rows *rows);

/** Index of the row with this id; `rows->n` if there is none. */
DKVB_API size_t dkvb_codeset_find(const dkvb_codeset_rows *rows, uint64_t id);

/** `DKVB_EMISMATCH` unless the codeset belongs to these codebooks, by birth id. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_check(const dkvb_codeset *set, const dkvb_codebooks *codebooks);

/**
 * Take rows out, of both parts. What they left is overwritten.
 *
 * @param ids          `uint64_t[n]`, in any order.
 * @param[out] removed how many were there; or NULL.
 * @return `DKVB_ENOTFOUND` naming the first that is in neither part: then nothing is taken out.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_remove(dkvb_codeset *set, const uint64_t *ids, size_t n,
                                                        uint64_t *removed);

/** Say how the values were trained: all of the options but `report`, `user` and `ids`. The defaults until then. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_set_training(dkvb_codeset *set, const dkvb_train_options *opts);

/** How the values were trained, `report`, `user` and `ids` being NULL. The caller sets `struct_size`. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_training(const dkvb_codeset *set, dkvb_train_options *opts);

/** Say that the keys were placed on these very rows, and how; all of the options but `allocator`. NULL: on others. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_set_keyinit(dkvb_codeset *set, const dkvb_keyinit_options *opts);

/** How the keys were placed. `DKVB_ENOTFOUND` if they were placed on other rows. The caller sets `struct_size`. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_get_keyinit(const dkvb_codeset *set, dkvb_keyinit_options *opts);

/** Write a codes file (docs/format.md), atomically. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_save(const dkvb_codeset *set, const char *path);

/** Read a codes file; everything in it is checked. `allocator` may be NULL. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path,
                                                      const dkvb_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
