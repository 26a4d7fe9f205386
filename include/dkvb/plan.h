/**
 * Forgetting as one decision: a plan says what a request would do and whether it should be done; applying it does it.
 *
 * A plan changes nothing. It finds the budget on rows held out, measures what every class would lose, sets aside what
 * was forgotten earlier, forgets again what would come back, guards classes that nobody asked for, and refuses where
 * limits are exceeded or where nothing would be done. What it found can be looked at before anything happens, and
 * dkvb_forget_apply() then writes exactly that, in the model and in its journal. The same request on the same model
 * gives the same plan from C, from Python and from the tool.
 *
 * Words promise what is done, not more (unlearn.h): `suppress` masks pairs; `exact` trains the values again without the
 * rows, which deletes what they taught.
 */
#ifndef DKVB_PLAN_H
#define DKVB_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "choose.h"
#include "codeset.h"
#include "effect.h"
#include "export.h"
#include "mask.h"
#include "memory.h"
#include "model.h"
#include "runtime.h"
#include "status.h"
#include "unlearn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_plan dkvb_plan;

/** Held-out rows of the classes to be forgotten, answered rightly now, that a budget can be found on; fewer say too
 * little (with five that all turn wrong, 45 % could still be right by chance, 95 of 100 times less). */
#define DKVB_PLAN_LEAST_ROWS 5u

/**
 * Who is to be forgotten, how, and within which limits. Start from `DKVB_FORGET_REQUEST_INIT`. Everything is copied but
 * `codes`, `labels`, `features`, `feature_ids` and `feature_names`, which are read while the plan is made.
 *
 * Who: one of
 * - `classes`, with a codeset: all rows of these classes, those held out too;
 * - `ids` or `names`, with a codeset: these rows;
 * - `classes` alone: known by the values of the model, or by the counts that it keeps;
 * - `codes`: these rows, with `labels` and `classes` only those of the classes, where the others count as kept;
 * - `mask`: whoever selects its pairs;
 * - `requests`: several requests as one plan, which is applied as a whole or not at all.
 *
 * `requests` is a text, one request a line:
 *
 *     class NAME_OR_INDEX[,…]
 *     ids N[,N…]
 *     rows NAME[,NAME…]
 *
 * `ids` and `rows` need a codeset, `rows` one whose rows have names; blanks around a name are no part of it, and a name
 * with a comma stands alone in its line. A tab ends the request; the rest of its line is the reason, in the place of
 * `reason`. Blank lines, and lines that begin with #, are passed over. Everything else of this struct is said of each
 * request: a budget too. A request that the model has forgotten already, by an entry that is in force and at least as
 * strong, is passed over, so that the same text can be applied to a backup once more (dkvb_plan_request). suppress:
 * each request is planned on what the ones before it leave, as if they were applied one by one. exact: the values are
 * trained once, without the rows of all requests. Either way each has an entry of the journal, with a commitment to its
 * own rows.
 */
typedef struct dkvb_forget_request {
    size_t struct_size;     /**< sizeof(dkvb_forget_request), set by INIT */
    uint32_t strength;      /**< DKVB_STRENGTH_SUPPRESS or DKVB_STRENGTH_EXACT, which needs a codeset */
    uint32_t method;        /**< suppress: DKVB_METHOD_…; 0: the best that what is known allows: `values` where
                                 classes are named and their other rows are not at hand or in a codeset, else
                                 `contrast`, or `activations` where only rows to be forgotten are given */
    const uint8_t *classes; /**< `uint8_t[classes]` of the model, DKVB_FORGET where one is asked for; or NULL */
    const uint64_t *ids;    /**< `uint64_t[id_count]`; or NULL. With `codes`: what those rows are called in the
                                 journal, one a row; NULL: row numbers */
    uint64_t id_count;      /**< number of ids */
    const uint16_t *codes;  /**< `uint16_t[n][codebooks][top_k]`, searched without a mask; or NULL */
    size_t n;               /**< rows of codes */
    const int32_t *labels;  /**< `int32_t[n]`, labels of the codes; or NULL */
    const dkvb_mask *mask;  /**< of the model's codebooks; or NULL */
    uint64_t budget;        /**< suppress: so many pairs (method `examples`: rows drawn); 0: as few as reach the
                                 target, which needs a codeset with rows held out */
    uint64_t seed;          /**< method `examples`: of the draw */
    double target;          /**< accuracy that the classes may keep on rows held out, 0 to 1 */
    double max_retain_drop; /**< accuracy that all others together may lose, 0 to 1 */
    double max_class_loss;  /**< accuracy that any other class, or all of them together, may lose for certain (low end
                                 of the 95 % interval) */
    uint32_t force;        /**< 1: whatever others lose, and however little is known; nothing at all is refused still */
    uint32_t keys;         /**< exact, where keys were placed on these rows too: DKVB_KEYS_KEPT leaves them,
                                DKVB_KEYS_PLACED places them again on `features` without the rows */
    const float *features; /**< `float[feature_rows][columns]`: the rows that were trained on, in their order */
    size_t feature_rows;   /**< rows of features */
    size_t feature_columns;      /**< columns of features: the model's */
    const uint64_t *feature_ids; /**< `uint64_t[feature_rows]`, as in training; NULL: row numbers */
    const char *reason;          /**< why, for the journal; UTF-8, at most 4,095 bytes; NULL: "" */
    const uint8_t *salt;         /**< `uint8_t[32]`, as in dkvb_forget_options; NULL: from the system's random source */
    const char *requests;        /**< several requests, as told above; or NULL */
    const char *const *names;    /**< `[name_count]`, rows of a codeset by their names, in place of `ids`; or NULL */
    uint64_t name_count;         /**< number of names */
    const char *const *feature_names; /**< `[feature_rows]`, in place of `feature_ids`; or NULL */
} dkvb_forget_request;

#define DKVB_FORGET_REQUEST_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_request), DKVB_STRENGTH_SUPPRESS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.005, 0.03, 0,        \
            DKVB_KEYS_UNSAID, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                             \
    }
DKVB_INIT_FUNCTION(dkvb_forget_request, DKVB_FORGET_REQUEST_INIT)

/* Why a plan is refused. Values are part of the ABI. */
enum {
    DKVB_REFUSED_NOT = 0,     /**< it is not */
    DKVB_REFUSED_NOTHING = 1, /**< nothing would be done: no pair, or none that is not masked already */
    DKVB_REFUSED_ROWS = 2,    /**< too few rows held out to find a budget on */
    DKVB_REFUSED_TARGET = 3,  /**< no budget reaches the target within the limits */
    DKVB_REFUSED_CLASS = 4,   /**< classes that nobody asked for would lose too much, one of them or all together, by
                                   this request or, where it is by rows, by it and all requests in force together
                                   that name no class */
    DKVB_REFUSED_MIXED = 5,   /**< rows of other classes in the request would cost their class */
    DKVB_REFUSED_AGAIN = 6,   /**< forgetting again what comes back would cost the others too much */
    DKVB_REFUSED_KEYS = 7     /**< exact: keys were placed on the rows, and nothing says what is to become of them */
};

/** One of several requests, as a plan of all of them has it. */
typedef struct dkvb_plan_request {
    uint64_t line;      /**< of the text, from 1 */
    uint32_t forgotten; /**< 1: the model has forgotten this already, and nothing is planned for it */
    uint64_t entry;     /**< number of the entry that it will have in the journal; if `forgotten`, of the one that has
                             it; 0: none, where the codeset tells that its rows were removed before, or where the plan
                             is refused or resumed */
    uint64_t ids;       /**< rows that the journal would commit to */
    uint64_t pairs;     /**< suppress: pairs asked for */
    uint64_t pairs_new; /**< of which so many are not masked yet, by requests before it either */
    const uint8_t
        *classes; /**< `uint8_t[class_count]`, DKVB_FORGET for those asked for; NULL: by ids. Tied to the plan */
} dkvb_plan_request;

/** What a plan has found. The caller sets `struct_size`. */
typedef struct dkvb_plan_info {
    size_t struct_size;
    uint32_t strength;      /**< DKVB_STRENGTH_… */
    uint32_t method;        /**< DKVB_METHOD_… in use; 0: a mask was given, or exact */
    uint32_t refused;       /**< DKVB_REFUSED_…; `refusal` has the sentence */
    uint32_t can_be_forced; /**< 1: refused, and `force` would have it done all the same */
    uint32_t forced;        /**< 1: refused, and yet to be done */
    uint32_t refused_class; /**< _CLASS, _MIXED: of the classes that are the reason, the one that would lose most */
    uint32_t budget_found;  /**< 1: `budget` was looked for; 0: it was given, or there is none */
    uint32_t keys;          /**< exact: DKVB_KEYS_… as it would be done */
    uint32_t resumed;       /**< exact: 1 if the model is without the rows already, and only the codeset has them */
    uint64_t pairs;         /**< suppress: pairs asked for */
    uint64_t pairs_new;     /**< of which so many are not masked yet */
    uint64_t pairs_total;   /**< pairs of the model */
    uint64_t rows;          /**< rows to be forgotten that taught the values, as far as they are known */
    uint64_t ids;           /**< rows that the journal would commit to */
    uint64_t looked_at;     /**< rows held out that effects were measured on */
    uint64_t held_out;      /**< rows held out */
    uint64_t exhausted;     /**< (row, codebook) pairs among them that ran out of keys (effect.h) */
    uint64_t again;         /**< further entries, of earlier requests that would be forgotten once more */
    uint64_t not_again;     /**< requests that come back in part, and that nothing forgets again within the limits */
    uint64_t lifted;        /**< exact: earlier maskings of the same rows that would be taken back */
    dkvb_budget budget;     /**< if `budget_found`, or refused for the target: the nearest */
    uint32_t class_count;   /**< classes of the model: elements of `effects` and `classes` */

    /* Pointers are tied to the plan. */
    const char *refusal;              /**< why the plan is refused and what would help; "" if it is not */
    const dkvb_class_effect *effects; /**< what each class would lose on rows held out, by everything that the plan does
                                           together; NULL: not measured, since no rows are held out or the plan was
                                           refused before */
    const uint8_t *classes;           /**< DKVB_FORGET for classes that are asked for, DKVB_ASIDE for those that earlier
                                           requests forgot, else DKVB_KEEP; NULL: not by class */
    const dkvb_mask *mask;            /**< pairs of the request, without those forgotten again; NULL: exact */
    const dkvb_plan_request *requests; /**< [request_count]; NULL: one request, not as a text */
    uint64_t request_count;            /**< several requests: lines of the text that name one */
    uint64_t forgotten;                /**< of which so many are forgotten already; if all are, applying does nothing */
} dkvb_plan_info;

#define DKVB_PLAN_INFO_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(dkvb_plan_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, DKVB_BUDGET_INIT, 0, "",   \
            0, 0, 0, 0, 0, 0                                                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_plan_info, DKVB_PLAN_INFO_INIT)

/**
 * Plan a forgetting. The model is not changed; a codeset that was loaded from features is searched as far as the plan
 * needs its codes.
 *
 * @param[out] out owned by the caller: dkvb_plan_free(). NULL on failure, and where there is no model.
 * @param model    must not be mapped or in training. NULL: only what a request says by itself is looked at, whoever is
 *                 meant: shares, strength, method, keys and reason. So a mistake shows before rows are read or encoded.
 * @param codeset  what is known of the rows that trained the model; or NULL.
 * @param run      NULL for the defaults. Progress counts what is worked on: rows, or rows of a session.
 * @return `DKVB_OK` also if the plan is refused: dkvb_plan_get_info() says so. `DKVB_EINVAL` (a request that names
 *         nobody, or contradicts itself), `DKVB_EMISMATCH` (codes, mask or codeset of another model), `DKVB_ENOTFOUND`
 *         (an id that the codeset does not have; no row of the classes; counts that the model does not keep),
 *         `DKVB_ESTATE`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_plan(dkvb_plan **out, dkvb_model *model, dkvb_codeset *codeset,
                                                     const dkvb_forget_request *request, const dkvb_run_options *run);

/** Everything that was found. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_get_info(const dkvb_plan *plan, dkvb_plan_info *info);

/**
 * Do what was planned, and write it in the journal: one entry for each request, and for suppress one for each that is
 * forgotten again. exact: new values take the place of the old ones, the rows leave the codeset, and where keys were
 * placed again both the model and the codeset become those of the new keys, with a journal that begins anew and names
 * the old head. All of it is done, or nothing. Afterwards the plan can only be looked at and freed.
 *
 * @param      model    as it was when this was planned, the same object or one that was saved and loaded since:
 *                      `DKVB_EMISMATCH` unless its journal, classes and values are. One that a plan of exact was
 * applied to already is taken too while the codeset still has the rows, which are then removed from it alone.
 * @param      codeset  exact: with the rows that it had when this was planned, else `DKVB_EMISMATCH`; or NULL.
 * @param[out] entry    number of the entry of the request, of the first of several; 0 if none was written; or NULL.
 * @return `DKVB_EREFUSED` with the sentence of the refusal, unless forced; `DKVB_ESTATE` (applied already), `DKVB_EIO`
 *         (no random source for the salt), `DKVB_ENOMEM`. A file is changed by none of this: save the model, then the
 *         codeset. Where saving the second fails, the same request or the same plan finishes it.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_apply(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *codeset,
                                                      uint64_t *entry);

/**
 * Write a plan to a file (docs/format.md), atomically (file.h), to be looked at and applied later, elsewhere or by
 * somebody else. A plan that is refused can be saved too. The file is as private as the model: it has ids of rows, and
 * for exact the new values and, with new keys, the new codeset. Who can write it can have anything applied: what must
 * be approved is what dkvb_plan_load() reads, not what it was once.
 *
 * @return `DKVB_ESTATE` if the plan was applied, `DKVB_ENOMEM`, `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_save(const dkvb_plan *plan, const char *path);

/**
 * Read a plan; everything in it is checked that can be without the model.
 *
 * @param allocator  for exact the one of the model that it is applied to; NULL: malloc() and free().
 * @return `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_EIO`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_load(dkvb_plan **out, const char *path, const dkvb_allocator *allocator);

/** Release a plan, applied or not. NULL is a no-op. */
DKVB_API void dkvb_plan_free(dkvb_plan *plan);

#ifdef __cplusplus
}
#endif

#endif
