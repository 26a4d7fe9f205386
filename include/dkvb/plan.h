/**
 * @file
 * @brief Plans: a plan says what a request to forget would do, and whether to do it. Applying a plan does it.
 *
 * Making a plan changes nothing. A plan finds the budget on held-out rows and measures what every class would lose. A
 * plan sets aside what earlier requests forgot, forgets again what would come back, and protects classes that nobody
 * asked to forget. A plan is refused if it would exceed a limit or do nothing. The caller can look at the plan before
 * anything happens. dkvb_forget_apply() then does exactly what the plan says, in the model and in its journal. Equal
 * requests on equal models give equal plans in C, in Python and in the tool.
 *
 * The strength `suppress` masks pairs. The strength `exact` trains the values again without the rows, which deletes
 * what the rows taught (unlearn.h).
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
#include "rows.h"
#include "runtime.h"
#include "status.h"
#include "unlearn.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_plan Plans
 *  @{ */

/** A plan. The caller owns a plan through a pointer, and dkvb_plan_free() releases the plan. */
typedef struct dkvb_plan dkvb_plan;

/**
 * Least number of held-out rows that a budget can be found on.
 *
 * These are rows of the classes to be forgotten that are answered correctly now. Fewer rows prove too little: if five
 * rows all turn wrong, the true share of rows that stay right is below 45 % with 95 % confidence.
 */
#define DKVB_PLAN_LEAST_ROWS 5u

/**
 * A request: which rows or classes to forget, by which strength, and within which limits. The request starts from
 * `DKVB_FORGET_REQUEST_INIT`.
 *
 * The plan copies all arrays except `codes`, `labels`, `features`, `feature_source`, `feature_ids` and `feature_names`,
 * which are read while the plan is made.
 *
 * A request names what to forget in one of these ways:
 * - `classes`, with a codeset: all rows of these classes, held-out rows too;
 * - `ids` or `names`, with a codeset: these rows;
 * - `classes` without a codeset: the model's values, or its kept counts, stand for the rows;
 * - `codes`: these rows. With `labels` and `classes`, only rows of these classes are forgotten, and all others are
 * kept;
 * - `mask`: the pairs of this mask;
 * - `requests`: several requests as one plan, which is applied completely or not at all.
 *
 * `requests` is a text with one request per line:
 *
 *     class NAME_OR_INDEX[,…]
 *     ids N[,N…]
 *     rows NAME[,NAME…]
 *
 * Lines with `ids` or `rows` need a codeset; `rows` needs a codeset whose rows have names. Blanks around a name do not
 * count. A name that contains a comma must stand alone in its line. A tab ends the request, and the rest of the line is
 * its reason, which replaces `reason`. Blank lines, and lines that begin with #, are skipped. All other members of this
 * struct apply to each request, the budget too.
 *
 * The plan skips a request that the model has forgotten already, by an entry that is in force and at least as strong.
 * So the same text can be applied to a backup again (dkvb_plan_request). With `suppress`, each request is planned as if
 * the requests before it had been applied. With `exact`, the values are trained once, without the rows of all requests.
 * In both cases each request gets its own journal entry, with a commitment to its own rows.
 */
typedef struct dkvb_forget_request {
    size_t struct_size;     /**< sizeof(dkvb_forget_request), set by INIT */
    uint32_t strength;      /**< DKVB_STRENGTH_SUPPRESS, or DKVB_STRENGTH_EXACT, which needs a codeset */
    uint32_t method;        /**< suppress: DKVB_METHOD_…; 0: the best method for the data at hand. This is `values`
                                 if classes are named and their other rows are missing or in a codeset; otherwise
                                 `contrast`, or `activations` if only the rows to be forgotten are given */
    const uint8_t *classes; /**< `uint8_t[classes]` of the model, DKVB_FORGET for each class to forget; or NULL */
    const uint64_t *ids;    /**< `uint64_t[id_count]`, ids of rows of the codeset; or NULL. With `codes`: ids of
                                 these rows in the journal, one for each row; NULL: row numbers */
    uint64_t id_count;      /**< number of ids */
    const uint16_t *codes;  /**< `uint16_t[n][codebooks][top_k]`, searched without a mask; or NULL */
    size_t n;               /**< number of rows in `codes` */
    const int32_t *labels;  /**< `int32_t[n]`, labels of the rows in `codes`; or NULL */
    const dkvb_mask *mask;  /**< mask of the model's codebooks; or NULL */
    uint64_t budget;        /**< suppress: number of pairs (method `examples`: of rows drawn); 0: the smallest
                                 number that reaches the target, which needs a codeset with held-out rows */
    uint64_t seed;          /**< method `examples`: seed of the random draw */
    double target;          /**< accuracy that the forgotten classes may keep on held-out rows, 0 to 1 */
    double max_retain_drop; /**< accuracy that all other classes together may lose, 0 to 1 */
    double max_class_loss;  /**< limit of the accuracy that any other class, or all others together, may certainly lose
                                 of the lower end of the 95 % interval */
    uint32_t force;         /**< 1: apply the plan whatever other classes lose and however few rows were measured;
                                 a plan that would do nothing is still refused */
    uint32_t keys;          /**< exact, if keys were placed on the forgotten rows too: DKVB_KEYS_KEPT leaves the
                                 keys; DKVB_KEYS_PLACED places them again on `features`, without these rows */
    const float *features;  /**< `float[feature_rows][columns]`, the rows of the training, in their order */
    size_t feature_rows;    /**< number of rows in `features` */
    size_t feature_columns; /**< number of columns in `features`; must be that of the model */
    const uint64_t *feature_ids; /**< `uint64_t[feature_rows]`, ids as in the training; NULL: row numbers */
    const char *reason;          /**< reason for the journal; UTF-8, at most 4,095 bytes; NULL: "" */
    const uint8_t *salt;         /**< `uint8_t[32]`, as in dkvb_forget_options; NULL: from the system's random source */
    const char *requests;        /**< text of several requests, see above; or NULL */
    const char *const *names;    /**< `[name_count]`, names of rows of a codeset, instead of `ids`; or NULL */
    uint64_t name_count;         /**< number of names */
    const char *const *feature_names;      /**< `[feature_rows]`, names of rows, instead of `feature_ids`; or NULL */
    const dkvb_row_source *feature_source; /**< source of the rows, instead of `features`; or NULL */
    uint32_t
        in_place; /**< exact, 1: values are trained again in one copy of 4 bytes a value beside the model instead of
                       6. The model is not touched until the plan is applied; its values keep 4 bytes from then on
                       until it is freed */
} dkvb_forget_request;

/** Defaults of dkvb_forget_request: suppress, target 0, `max_retain_drop` 0.005, `max_class_loss` 0.03. */
#define DKVB_FORGET_REQUEST_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_request), DKVB_STRENGTH_SUPPRESS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.005, 0.03, 0,        \
            DKVB_KEYS_UNSAID, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_forget_request, DKVB_FORGET_REQUEST_INIT)

/** Reasons why a plan is refused. The numbers of these constants are part of the ABI. */
enum {
    DKVB_REFUSED_NOT = 0,     /**< the plan is not refused */
    DKVB_REFUSED_NOTHING = 1, /**< the plan would do nothing: it has no pair, or all its pairs are masked already */
    DKVB_REFUSED_ROWS = 2,    /**< too few held-out rows to find a budget on */
    DKVB_REFUSED_TARGET = 3,  /**< no budget reaches the target within the limits */
    DKVB_REFUSED_CLASS = 4, /**< classes that the request does not name would lose too much, one alone or all together.
                                 A request for rows also counts all requests in force that name no class */
    DKVB_REFUSED_MIXED = 5, /**< a request for rows contains rows of other classes, which would cost their class */
    DKVB_REFUSED_AGAIN = 6, /**< forgetting again what comes back would cost other classes too much */
    DKVB_REFUSED_KEYS = 7   /**< exact: keys were placed on the rows, and `keys` does not say what to do with them */
};

/** One of several requests of a plan. */
typedef struct dkvb_plan_request {
    uint64_t line;      /**< line of the text, from 1 */
    uint32_t forgotten; /**< 1: the model has forgotten this already, and the plan skips it */
    uint64_t entry;     /**< number of the journal entry that the request will get, or of the entry that forgot it
                             already. 0: no entry, if the codeset shows that its rows were removed before, or if the
                             plan is refused or resumed */
    uint64_t ids;       /**< number of rows that the journal entry will commit to */
    uint64_t pairs;     /**< suppress: number of pairs of the request */
    uint64_t pairs_new; /**< number of these pairs that are not masked yet, by earlier requests of the text either */
    const uint8_t *classes; /**< `uint8_t[class_count]`, DKVB_FORGET for each class to forget; NULL: a request for rows.
                                 Valid as long as the plan */
} dkvb_plan_request;

/** Contents of a plan. The caller sets `struct_size`. */
typedef struct dkvb_plan_info {
    size_t struct_size;     /**< sizeof(dkvb_plan_info), set by INIT */
    uint32_t strength;      /**< DKVB_STRENGTH_… */
    uint32_t method;        /**< DKVB_METHOD_… in use; 0: the request gave a mask, or the strength is exact */
    uint32_t refused;       /**< DKVB_REFUSED_…; `refusal` explains it in a sentence */
    uint32_t can_be_forced; /**< 1: the plan is refused, and `force` would override that */
    uint32_t forced;        /**< 1: the plan exceeds a limit and will be applied because of `force` */
    uint32_t refused_class; /**< for DKVB_REFUSED_CLASS and _MIXED: the class that would lose most */
    uint32_t budget_found;  /**< 1: a search found `budget`; 0: the caller gave the budget, or there is none */
    uint32_t keys;          /**< exact: DKVB_KEYS_… that the plan would apply */
    uint32_t resumed;       /**< exact: 1 if the model lacks the rows already, and only the codeset still has them */
    uint64_t pairs;         /**< suppress: number of pairs to mask */
    uint64_t pairs_new;     /**< number of these pairs that are not masked yet */
    uint64_t pairs_total;   /**< number of all pairs of the model */
    uint64_t rows;          /**< number of known rows to forget that taught the values */
    uint64_t ids;           /**< number of rows that the journal would commit to */
    uint64_t looked_at;     /**< number of held-out rows that effects were measured on */
    uint64_t held_out;      /**< number of held-out rows */
    uint64_t exhausted;     /**< number of (row, codebook) pairs among them that ran out of keys (effect.h) */
    uint64_t again;         /**< number of further entries, which forget classes of earlier requests once more */
    uint64_t not_again;     /**< number of earlier requests that come back in part and cannot be forgotten again within
                                 the limits */
    uint64_t lifted;        /**< exact: number of earlier maskings of the same rows that would be taken back */
    dkvb_budget budget;     /**< the budget if `budget_found`; the nearest budget if DKVB_REFUSED_TARGET */
    uint32_t class_count;   /**< number of classes of the model, and of elements of `effects` and `classes` */

    /* All pointers are valid as long as the plan. */
    const char *refusal;               /**< why the plan is refused, and what would help; "" if it is not refused */
    const dkvb_class_effect *effects;  /**< what each class would lose on held-out rows by the whole plan; NULL: not
                                            measured, since no rows are held out or the plan was refused before */
    const uint8_t *classes;            /**< DKVB_FORGET for classes to forget, DKVB_ASIDE for classes that earlier
                                            requests forgot, else DKVB_KEEP; NULL: the request names no class */
    const dkvb_mask *mask;             /**< pairs of the request, without pairs that are forgotten again; NULL: exact */
    const dkvb_plan_request *requests; /**< `[request_count]`; NULL: a single request that was not given as a text */
    uint64_t request_count;            /**< number of requests in the text */
    uint64_t forgotten; /**< number of requests that the model has forgotten already; if all are, applying
                             the plan does nothing */
} dkvb_plan_info;

/** Defaults of dkvb_plan_info. */
#define DKVB_PLAN_INFO_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(dkvb_plan_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, DKVB_BUDGET_INIT, 0, "",   \
            0, 0, 0, 0, 0, 0                                                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_plan_info, DKVB_PLAN_INFO_INIT)

/**
 * Plan a forgetting. The model is not changed. A codeset that was loaded from features is searched as far as the plan
 * needs its codes.
 *
 * @param[out] out      the plan, owned by the caller: dkvb_plan_free(). NULL on failure, and without a model.
 * @param      model    a model that is neither mapped nor in training. NULL: the call only checks the request itself
 *                      (ranges, strength, method, keys and reason), so that a mistake shows before rows are read.
 * @param      codeset  codes of the rows that trained the model; or NULL.
 * @param      request  the request.
 * @param      run      run options; NULL for the defaults. Progress counts rows, or rows of a session.
 * @return `DKVB_OK` also for a refused plan, which dkvb_plan_get_info() shows; `DKVB_EINVAL` for a request that names
 *         nothing or contradicts itself; `DKVB_EMISMATCH` for codes, a mask or a codeset of another model;
 *         `DKVB_ENOTFOUND` for an id that the codeset does not have, classes without rows, or counts that the model
 * does not keep; `DKVB_ESTATE`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_plan(dkvb_plan **out, dkvb_model *model, dkvb_codeset *codeset,
                                                     const dkvb_forget_request *request, const dkvb_run_options *run);

/**
 * Read the contents of a plan.
 *
 * @param      plan  the plan.
 * @param[out] info  contents; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_get_info(const dkvb_plan *plan, dkvb_plan_info *info);

/**
 * Apply a plan, and write it into the journal. The call does everything, or nothing.
 *
 * Each request gets one journal entry. With `suppress`, each earlier request that is forgotten again gets one more.
 * With `exact`, new values replace the old values, and the rows leave the codeset. If keys were placed again, the model
 * and the codeset get the new keys, and a new journal begins, which names the head of the old one. An applied plan can
 * only be looked at and freed.
 *
 * This call changes no file. The caller saves the model first, then the codeset. If saving the codeset fails, the same
 * request or the same plan completes the work later.
 *
 * @param      plan     the plan.
 * @param      model    the model of the plan: the same object, or one that was saved and loaded since. Its journal,
 *                      classes and values must be unchanged. A model that an `exact` plan was applied to already is
 *                      accepted while the codeset still has the rows; only the codeset is changed then.
 * @param      codeset  exact: the codeset, with the same rows as when the plan was made; or NULL.
 * @param[out] entry    number of the request's journal entry, or of the first of several; 0 without an entry; or NULL.
 * @return `DKVB_EREFUSED` with the reason, unless forced; `DKVB_EMISMATCH` if the model or the codeset has changed;
 *         `DKVB_ESTATE` if the plan was applied already; `DKVB_EIO` without a random source for the salt;
 * `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_apply(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *codeset,
                                                      uint64_t *entry);

/**
 * Write a plan to a file (docs/format.md), atomically (file.h). The plan can be looked at and applied later, on another
 * machine or by another person. Refused plans can be saved too.
 *
 * A plan file is as private as the model: it holds ids of rows, and for `exact` the new values and, with new keys, the
 * new codeset. Everyone who can write the file decides what will be applied. So an approval must be about the contents
 * that dkvb_plan_load() reads, not about an earlier state of the file.
 *
 * @param plan  the plan.
 * @param path  file to write.
 * @return `DKVB_ESTATE` if the plan was applied; `DKVB_ENOMEM`; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_save(const dkvb_plan *plan, const char *path);

/**
 * Read a plan file. The library checks everything that it can check without the model.
 *
 * @param[out] out        the plan, owned by the caller: dkvb_plan_free(). NULL on failure.
 * @param      path       plan file.
 * @param      allocator  allocator, for `exact` the one of the model; NULL: malloc() and free().
 * @return `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_EIO`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_load(dkvb_plan **out, const char *path, const dkvb_allocator *allocator);

/**
 * Release a plan, applied or not.
 *
 * @param plan  the plan; NULL does nothing.
 */
DKVB_API void dkvb_plan_free(dkvb_plan *plan);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
