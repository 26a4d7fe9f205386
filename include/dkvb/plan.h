/**
 * @file
 * @brief Plans: a plan says what a request to forget would do, and whether to do it. Applying a plan carries out the
 * request.
 *
 * Making a plan does not change the model. A plan finds on held-out rows how many pairs to mask, and measures how much
 * accuracy every class would lose. A plan sets aside what earlier requests forgot, forgets again classes of earlier
 * requests that the model would otherwise answer again, and protects classes that nobody asked to forget. A plan is
 * refused if it would exceed a limit or do nothing. The caller can look at the plan before anything happens.
 * dkvb_forget_apply() then does exactly what the plan says, in the model and in its journal. Equal requests on equal
 * models give equal plans in C, in Python and in the `dkvb` program.
 *
 * The strength `suppress` masks pairs. The strength `exact` trains the values again without the forgotten rows, which
 * deletes what these rows taught (unlearn.h).
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

/** Handle of a plan, owned by the caller, who releases it with dkvb_plan_free(). */
typedef struct dkvb_plan dkvb_plan;

/**
 * Least number of held-out rows from which a plan finds how many pairs to mask.
 *
 * Only held-out rows of the classes to forget that the model now answers correctly count. Fewer rows prove too little:
 * if five rows all turn wrong, the true fraction of rows that stay right is below 45 % with 95 % confidence.
 */
#define DKVB_PLAN_LEAST_ROWS 5u

/**
 * A request to forget: which rows or classes to forget, by which strength, and within which limits. Callers initialise
 * the request with `DKVB_FORGET_REQUEST_INIT`.
 *
 * The plan copies all arrays of the request except `codes`, `labels`, `features`, `feature_source`, `feature_ids` and
 * `feature_names`, which are read only while the plan is made.
 *
 * A request to forget names its target by one of these members:
 * - `classes`, with a codeset, names all rows of these classes, held-out rows too;
 * - `ids` or `names`, with a codeset, name single rows;
 * - `classes`, without a codeset, names classes whose rows are represented by the model's values or kept counts;
 * - `codes` gives the codes of the rows to forget. With `labels` and `classes`, only rows of these classes are
 *   forgotten, and all other rows are kept;
 * - `mask` names the pairs to mask;
 * - `requests` gives several requests as one plan, which is applied completely or not at all.
 *
 * The text `requests` has one request per line:
 *
 *     class NAME_OR_INDEX[,…]
 *     ids N[,N…]
 *     rows NAME[,NAME…]
 *
 * In the text `requests`, lines with `ids` or `rows` need a codeset; `rows` needs a codeset whose rows have names.
 * Blanks around a name are ignored. A name that contains a comma must stand alone in its line. A tab ends the request,
 * and the rest of the line is its reason, which replaces `reason`. Blank lines, and lines that begin with #, are
 * skipped. All other members of dkvb_forget_request, also the budget, apply to each line.
 *
 * The plan skips a request that the model has already forgotten, by a journal entry that is in force and at least as
 * strong. So the same text of requests can be applied to a backup again (dkvb_plan_request). With `suppress`, each
 * request is planned as if the earlier requests of the text had been applied. With `exact`, the values are trained
 * once, without the rows of all requests. With both strengths each request gets its own journal entry, with a
 * commitment to its own rows.
 */
typedef struct dkvb_forget_request {
    size_t struct_size; /**< size of dkvb_forget_request in bytes, set by DKVB_FORGET_REQUEST_INIT */
    /** Strength of forgetting: DKVB_STRENGTH_SUPPRESS, or DKVB_STRENGTH_EXACT, which needs a codeset. */
    uint32_t strength;
    /**
     * Method by which `suppress` chooses pairs, DKVB_METHOD_…; 0 takes the best method for the data at hand. The best
     * method is `values` if classes are named and their other rows are missing or in a codeset; otherwise `contrast`,
     * or `activations` if only the rows to forget are given.
     */
    uint32_t method;
    /** `uint8_t[classes]` of the model, DKVB_FORGET for each class to forget; NULL names no class. */
    const uint8_t *classes;
    /**
     * `uint64_t[id_count]`, ids of the codeset's rows to forget; NULL names no row. With `codes`, `ids` has the ids of
     * these rows for the journal, one for each row, and NULL stands for the row numbers.
     */
    const uint64_t *ids;
    uint64_t id_count;     /**< number of ids in `ids` */
    const uint16_t *codes; /**< `uint16_t[n][codebooks][top_k]`, codes of rows, searched without a mask; or NULL */
    size_t n;              /**< number of rows in `codes` */
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows in `codes`; or NULL */
    const dkvb_mask *mask; /**< mask of the model's codebooks whose pairs are to be masked; or NULL */
    /**
     * Number of pairs that `suppress` masks (for the method `examples`, number of drawn rows); 0 finds the smallest
     * number that reaches the target, which needs a codeset with held-out rows.
     */
    uint64_t budget;
    uint64_t seed;          /**< seed of the random draw of the method `examples` */
    double target;          /**< accuracy that the forgotten classes may still have on held-out rows, 0 to 1 */
    double max_retain_drop; /**< accuracy that all other classes together may lose, as a fraction of 0 to 1 */
    /**
     * Accuracy that any other class, or all others together, may lose for certain, as a fraction of 0 to 1; the lower
     * end of the 95 % interval of the loss is compared with this limit.
     */
    double max_class_loss;
    /**
     * 1 applies the plan whatever other classes lose and however few rows were measured; a plan that would do nothing
     * is still refused.
     */
    uint32_t force;
    /**
     * What `exact` does with keys that were placed on the forgotten rows: DKVB_KEYS_KEPT leaves the keys;
     * DKVB_KEYS_PLACED places them again on `features`, without the forgotten rows.
     */
    uint32_t keys;
    /** `float[feature_rows][columns]`, features of the rows of the training, in the order of the training. */
    const float *features;
    size_t feature_rows;    /**< number of rows in `features` */
    size_t feature_columns; /**< number of columns in `features`, equal to the model's `input_dim` */
    /** `uint64_t[feature_rows]`, ids of the rows in `features`, as in the training; NULL stands for the row numbers. */
    const uint64_t *feature_ids;
    const char *reason; /**< reason that the journal notes, UTF-8, at most 4,095 bytes; NULL stands for "" */
    /**
     * `uint8_t[32]`, salt of the commitments, as in dkvb_forget_options; NULL draws it from the system's random source.
     */
    const uint8_t *salt;
    const char *requests;     /**< text of several requests, one per line; or NULL */
    const char *const *names; /**< `[name_count]`, names of the codeset's rows to forget, instead of `ids`; or NULL */
    uint64_t name_count;      /**< number of names in `names` */
    /** `[feature_rows]`, names of the rows in `features`, instead of `feature_ids`; or NULL. */
    const char *const *feature_names;
    /** Source of the rows of the training, read instead of `features`; or NULL. */
    const dkvb_row_source *feature_source;
    uint32_t
        /**
         * 1 lets `exact` train the values again in one copy of 4 bytes a value beside the model, instead of 6. The
         * model does not change until the plan is applied; its values then take 4 bytes each until the model is freed
         */
        in_place;
} dkvb_forget_request;

/** Initialiser of dkvb_forget_request: strength suppress, target 0, `max_retain_drop` 0.005, `max_class_loss` 0.03. */
#define DKVB_FORGET_REQUEST_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_request), DKVB_STRENGTH_SUPPRESS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.005, 0.03, 0,        \
            DKVB_KEYS_UNSAID, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_forget_request, DKVB_FORGET_REQUEST_INIT)

/** Reasons why a plan is refused. The numbers of the DKVB_REFUSED_… constants are part of the ABI. */
enum {
    DKVB_REFUSED_NOT = 0,     /**< the plan is not refused */
    DKVB_REFUSED_NOTHING = 1, /**< the plan would do nothing: it has no pairs, or all its pairs are already masked */
    DKVB_REFUSED_ROWS = 2,    /**< too few held-out rows are there to find how many pairs to mask */
    DKVB_REFUSED_TARGET = 3,  /**< no number of masked pairs reaches the target within the limits */
    /**
     * Classes that the request does not name would lose too much accuracy, one class alone or all together. For a
     * request for rows, the plan also counts the losses by all earlier requests in force that name no class.
     */
    DKVB_REFUSED_CLASS = 4,
    DKVB_REFUSED_MIXED = 5, /**< a request for rows contains rows of other classes, which would lose accuracy */
    /** Forgetting again classes of earlier requests would cost other classes too much accuracy. */
    DKVB_REFUSED_AGAIN = 6,
    /** The keys were placed on the rows that `exact` is to forget, and `keys` does not say what to do with the keys. */
    DKVB_REFUSED_KEYS = 7
};

/** One request of a plan that has several. */
typedef struct dkvb_plan_request {
    uint64_t line;      /**< line number of the request in the text, from 1 */
    uint32_t forgotten; /**< 1 if the model has already forgotten what the request names, so that the plan skips it */
    /**
     * Number of the journal entry that the request will get, or of the entry that already forgot what it names. The
     * number is 0 if the codeset shows that the rows of the request were removed before, or if the plan is refused or
     * resumed.
     */
    uint64_t entry;
    uint64_t ids;   /**< number of rows that the journal entry of the request will commit to */
    uint64_t pairs; /**< number of pairs that `suppress` masks for the request */
    /** Number of pairs of the request that are not masked yet, nor by earlier requests of the text. */
    uint64_t pairs_new;
    /**
     * `uint8_t[class_count]`, DKVB_FORGET for each class to forget, valid as long as the plan; NULL for a request for
     * rows.
     */
    const uint8_t *classes;
} dkvb_plan_request;

/** Contents of a plan, filled in by dkvb_plan_get_info(). The caller sets `struct_size`. */
typedef struct dkvb_plan_info {
    size_t struct_size; /**< size of dkvb_plan_info in bytes, set by DKVB_PLAN_INFO_INIT */
    uint32_t strength;  /**< strength of forgetting, DKVB_STRENGTH_… */
    /**
     * Method by which the plan chooses pairs, DKVB_METHOD_…; 0 if the request gave a mask, or the strength is exact.
     */
    uint32_t method;
    uint32_t refused;       /**< why the plan is refused, DKVB_REFUSED_…; `refusal` gives the reason in a sentence */
    uint32_t can_be_forced; /**< 1 if the plan is refused, and the option `force` would override the refusal */
    uint32_t forced;        /**< 1 if the plan exceeds a limit and will still be applied because of `force` */
    /** Class that would lose most accuracy, if `refused` is DKVB_REFUSED_CLASS or DKVB_REFUSED_MIXED. */
    uint32_t refused_class;
    /** 1 if a search found how many pairs to mask; 0 if the caller gave this number, or there is none. */
    uint32_t budget_found;
    uint32_t keys; /**< what `exact` would do with the keys, DKVB_KEYS_… */
    /** 1 if the model has already forgotten the rows by `exact`, and only the codeset still has them. */
    uint32_t resumed;
    uint64_t pairs;       /**< number of pairs that `suppress` would mask */
    uint64_t pairs_new;   /**< number of pairs to mask that are not masked yet */
    uint64_t pairs_total; /**< number of all (codebook, key) pairs of the model */
    uint64_t rows;        /**< number of known rows to forget from which the values learned */
    uint64_t ids;         /**< number of rows that the journal entries would commit to */
    uint64_t looked_at;   /**< number of held-out rows on which effects were measured */
    uint64_t held_out;    /**< number of held-out rows of the codeset */
    /** Number of (row, codebook) pairs whose code ran out of unmasked keys, among the held-out rows (effect.h). */
    uint64_t exhausted;
    uint64_t again; /**< number of further journal entries, which forget classes of earlier requests once more */
    /**
     * Number of earlier requests whose classes would be answered again in part, and cannot be forgotten again within
     * the limits.
     */
    uint64_t not_again;
    uint64_t lifted; /**< number of earlier maskings of the same rows that `exact` would undo */
    /**
     * Number of pairs to mask and its effect, if `budget_found`; the number that comes nearest, if `refused` is
     * DKVB_REFUSED_TARGET.
     */
    dkvb_budget budget;
    uint32_t class_count; /**< number of classes of the model, and of elements of `effects` and `classes` */

    /* All pointers of dkvb_plan_info are valid as long as the plan. */
    /** Sentence that says why the plan is refused, and what would help; "" if the plan is not refused. */
    const char *refusal;
    /**
     * Effect of the whole plan on each class, measured on held-out rows; NULL if nothing was measured, since no rows
     * are held out or the plan was refused before.
     */
    const dkvb_class_effect *effects;
    /**
     * Mark of each class: DKVB_FORGET for classes to forget, DKVB_ASIDE for classes that earlier requests forgot, else
     * DKVB_KEEP; NULL if the request names no class.
     */
    const uint8_t *classes;
    /** Mask with the pairs of the request, but without pairs that are forgotten again; NULL for strength exact. */
    const dkvb_mask *mask;
    /** `[request_count]`, the requests of the text; NULL for a single request that was not given as a text. */
    const dkvb_plan_request *requests;
    uint64_t request_count; /**< number of requests in the text */
    /**
     * Number of requests that the model has already forgotten; if it has forgotten all, applying the plan does nothing.
     */
    uint64_t forgotten;
} dkvb_plan_info;

/** Initialiser of dkvb_plan_info that gives every member its default. */
#define DKVB_PLAN_INFO_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(dkvb_plan_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, DKVB_BUDGET_INIT, 0, "",   \
            0, 0, 0, 0, 0, 0                                                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_plan_info, DKVB_PLAN_INFO_INIT)

/**
 * Make a plan to forget. Making a plan does not change the model. A codeset that was loaded from features is searched
 * as far as the plan needs its codes.
 *
 * @param[out] out      the plan, which the caller releases with dkvb_plan_free(); NULL on failure, and if `model` is
 *                      NULL.
 * @param      model    a model that is neither mapped nor in training; NULL only checks the request itself (ranges,
 *                      strength, method, keys and reason), so that a mistake shows before rows are read.
 * @param      codeset  codeset with the codes of the rows that trained the model; or NULL.
 * @param      request  the request to forget.
 * @param      run      run options (threads, progress, ranks); NULL for the defaults. The progress callback counts
 *                      rows, or rows of a session.
 * @return `DKVB_OK`, also for a refused plan, whose reason dkvb_plan_get_info() gives; `DKVB_EINVAL` for a request that
 *         names nothing or contradicts itself; `DKVB_EMISMATCH` for codes, a mask or a codeset of another model;
 *         `DKVB_ENOTFOUND` for an id that the codeset does not have, classes without rows, or counts that the model
 *         does not keep; `DKVB_ESTATE` if the model is mapped or in training; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_plan(dkvb_plan **out, dkvb_model *model, dkvb_codeset *codeset,
                                                     const dkvb_forget_request *request, const dkvb_run_options *run);

/**
 * Read the contents of a plan.
 *
 * @param      plan  the plan.
 * @param[out] info  contents of the plan; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_get_info(const dkvb_plan *plan, dkvb_plan_info *info);

/**
 * Apply a plan to a model, and write it into the journal. dkvb_forget_apply() does everything that the plan says, or
 * nothing.
 *
 * Each request of a plan gets one journal entry. With `suppress`, each earlier request that is forgotten again gets one
 * more entry. With `exact`, new values replace the old values, and the forgotten rows leave the codeset. If keys were
 * placed again, the model and the codeset get the new keys, and a new journal begins, which names the head of the old
 * journal. An applied plan can only be read and freed.
 *
 * dkvb_forget_apply() changes no file. The caller saves the model first, then the codeset. If saving the codeset fails,
 * applying the same request or the same plan later completes the work.
 *
 * @param      plan     the plan.
 * @param      model    the model of the plan: the same object, or one that was saved and loaded since. The journal,
 *                      classes and values of the model must not have changed since the plan was made. A model to which
 *                      an `exact` plan was already applied is accepted while the codeset still has the forgotten rows;
 *                      then only the codeset is changed.
 * @param      codeset  for `exact`, the codeset, with the same rows as when the plan was made; else NULL.
 * @param[out] entry    number of the request's journal entry, or of the first of several entries; 0 if there is no
 *                      entry; or NULL.
 * @return `DKVB_EREFUSED` with the reason, unless the plan is forced; `DKVB_EMISMATCH` if the model or the codeset has
 *         changed; `DKVB_ESTATE` if the plan was already applied; `DKVB_EIO` if there is no random source for the salt;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_apply(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *codeset,
                                                      uint64_t *entry);

/**
 * Write a plan to a file (docs/format.md), atomically (file.h). A saved plan can be read and applied later, on another
 * machine or by another person. Refused plans can be saved too.
 *
 * A plan file is as private as the model: it holds ids of rows, and for `exact` the new values and, with new keys, the
 * new codeset. Everyone who can write the plan file decides what will be applied. So a person who approves a plan must
 * approve the contents that dkvb_plan_load() reads, not an earlier state of the file.
 *
 * @param plan  the plan.
 * @param path  path of the file to write.
 * @return `DKVB_ESTATE` if the plan was already applied; `DKVB_ENOMEM`; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_save(const dkvb_plan *plan, const char *path);

/**
 * Read a plan from a plan file. The library checks everything in the file that it can check without the model.
 *
 * @param[out] out        the plan, which the caller releases with dkvb_plan_free(); NULL on failure.
 * @param      path       plan file.
 * @param      allocator  allocator, for `exact` the allocator of the model; NULL stands for malloc() and free().
 * @return `DKVB_OK`; on failure `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_EIO` or `DKVB_ENOMEM`.
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
