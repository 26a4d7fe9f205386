/**
 * @file
 * @brief Plans: a plan says what a request to forget would do, and whether to do it. Applying a plan carries out the
 * request to forget.
 *
 * A plan finds on held-out rows how many (codebook, key) pairs to mask, and measures how much accuracy every class
 * would lose. A plan does not count classes that earlier requests forgot among the other classes, forgets such classes
 * again if the model would otherwise answer them again, and protects classes that nobody asked to forget. The library
 * refuses a plan that would exceed a limit or do nothing. The caller can look at the plan before the model changes.
 * dkvb_forget_apply() then does exactly what the plan says, in the model and in its journal. Equal requests on equal
 * models give equal plans in C, in Python and in the `dkvb` program.
 *
 * The strength of forgetting `suppress` masks (codebook, key) pairs. The strength of forgetting `exact` trains the
 * values again without the forgotten rows, which deletes what these rows taught (unlearn.h).
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
 * Least number of held-out rows from which a plan can find how many pairs to mask.
 *
 * A plan can find how many pairs to mask only if the model classifies at least DKVB_PLAN_LEAST_ROWS held-out rows of
 * the classes to forget correctly. Fewer than five held-out rows prove too little: even if five rows all turn wrong,
 * the true fraction of rows that stay right is below 45 % with 95 % confidence.
 */
#define DKVB_PLAN_LEAST_ROWS 5u

/**
 * A request to forget: which rows or classes to forget, by which strength, and within which limits. Callers initialise
 * the request with `DKVB_FORGET_REQUEST_INIT`.
 *
 * A plan copies all arrays of its request to forget except `codes`, `labels`, `features`, `feature_source`,
 * `feature_ids` and `feature_names`, which dkvb_forget_plan() reads only while it makes the plan.
 *
 * A request to forget names its target in one of six ways:
 *
 * - The member `classes` of a request, with a codeset, names all rows of these classes, held-out rows too.
 *
 * - The member `ids` or `names` of a request, with a codeset, names single rows.
 *
 * - The member `classes` of a request, without a codeset, names classes that the model forgets without any stored row,
 *   from its values or its kept counts of pairs alone.
 *
 * - The member `codes` of a request gives the codes of the rows to forget. If a request gives `codes`, `labels` and
 *   `classes`, only the rows of the named classes are forgotten, and all other rows are kept.
 *
 * - The member `mask` of a request names the (codebook, key) pairs to mask.
 *
 * - The member `requests` gives several requests to forget as one plan, which is applied completely or not at all.
 *
 * The text `requests` has one request to forget per line, in one of three forms:
 *
 *     class NAME_OR_INDEX[,…]       forgets all rows of the named classes
 *     ids N[,N…]                    forgets the rows with these ids
 *     rows NAME[,NAME…]             forgets the rows with these names
 *
 * In the text `requests`, lines with `ids` or `rows` need a codeset; a line with `rows` needs a codeset whose rows have
 * names. Blanks around a name in the text `requests` are ignored. A name that contains a comma must stand alone in its
 * line of the text `requests`. In a line of the text `requests`, a tab ends the request to forget, and the rest of the
 * line is the reason of the request, which replaces the member `reason`. Blank lines of the text `requests`, and its
 * lines that begin with #, are skipped. All other members of dkvb_forget_request, also the budget, apply to each line
 * of the text `requests`.
 *
 * A plan skips a request to forget if the journal has an entry for the same rows or classes that is in force and whose
 * strength is at least that of the request. A caller can apply the same text `requests` again to a backup of the model,
 * since a plan skips the requests that the backup has already forgotten (dkvb_plan_request). With the strength
 * `suppress`, each request in the text `requests` is planned as if the earlier requests in this text had been applied.
 * With the strength `exact`, the values are trained once, without the rows of all requests in the text `requests`. With
 * the strengths `suppress` and `exact` alike, each request in the text `requests` gets its own journal entry, with a
 * commitment (salted hash) to the rows of the request.
 */
typedef struct dkvb_forget_request {
    size_t struct_size; /**< size of dkvb_forget_request in bytes, set by DKVB_FORGET_REQUEST_INIT */
    /** Strength of forgetting: DKVB_STRENGTH_SUPPRESS, or DKVB_STRENGTH_EXACT, which needs a codeset. */
    uint32_t strength;
    /**
     * Method by which the strength `suppress` chooses the pairs to mask, DKVB_METHOD_…; 0 takes the best method for the
     * data at hand. The best method to choose pairs is `values` for a request that names classes and gives a codeset or
     * no codes; for other requests the best method is `contrast`, or `activations` if the caller gives only the rows to
     * forget.
     */
    uint32_t method;
    /**
     * `uint8_t[classes]` of the model, DKVB_FORGET for each class that the request asks to forget; NULL if the request
     * names no class.
     */
    const uint8_t *classes;
    /**
     * `uint64_t[id_count]`, ids of the codeset's rows to forget; NULL names no row. If a request gives `codes`, its
     * member `ids` has the ids of the rows of `codes` for the journal, one for each row, and NULL stands for the row
     * numbers.
     */
    const uint64_t *ids;
    uint64_t id_count; /**< number of row ids in `ids` */
    /** `uint16_t[n][codebooks][top_k]`, codes of the rows of the request, searched without a mask; or NULL. */
    const uint16_t *codes;
    size_t n;              /**< number of rows whose codes are in `codes` */
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows whose codes are in `codes`; or NULL */
    /** Mask that holds the (codebook, key) pairs to mask, made for the codebooks of the model; or NULL. */
    const dkvb_mask *mask;
    /**
     * Number of pairs that the strength `suppress` masks (for the method `examples`, number of drawn rows); 0 finds the
     * smallest number of pairs that reaches the target accuracy, which needs a codeset with held-out rows.
     */
    uint64_t budget;
    uint64_t seed; /**< seed with which the method `examples` of choosing pairs draws rows at random */
    /** Target accuracy on held-out rows that the forgotten classes may still have after the forgetting, 0 to 1. */
    double target;
    /** Limit of the accuracy that all classes not to be forgotten may lose together, as a fraction of 0 to 1. */
    double max_retain_drop;
    /**
     * Limit of the accuracy that any class not to be forgotten, or all such classes together, may lose for certain, as
     * a fraction of 0 to 1. The limit `max_class_loss` is compared with the lower end of the 95 % interval of the loss
     * of accuracy.
     */
    double max_class_loss;
    /**
     * 1 lets dkvb_forget_apply() apply the plan whatever accuracy other classes lose and however few rows were
     * measured; a plan that would do nothing is still refused.
     */
    uint32_t force;
    /**
     * Treatment of keys that were placed on the forgotten rows, by the strength `exact`: DKVB_KEYS_KEPT leaves the
     * keys; DKVB_KEYS_PLACED places the keys again on `features`, without the forgotten rows.
     */
    uint32_t keys;
    /**
     * `float[feature_rows][feature_columns]`, features of the rows that the model was trained on, in the order of the
     * training.
     */
    const float *features;
    size_t feature_rows;    /**< number of rows in the array `features` */
    size_t feature_columns; /**< number of columns in the array `features`, equal to the model's `input_dim` */
    /**
     * `uint64_t[feature_rows]`, ids of the rows in the array `features`, as in the training; NULL stands for the row
     * numbers.
     */
    const uint64_t *feature_ids;
    /** Reason of the request to forget, which the journal notes, UTF-8, at most 4,095 bytes; NULL stands for "". */
    const char *reason;
    /**
     * `uint8_t[32]`, salt of the journal's commitments (salted hashes), as in dkvb_forget_options; NULL draws a salt
     * from the system's random source.
     */
    const uint8_t *salt;
    const char *requests; /**< text of several requests to forget, one per line; or NULL */
    /** `[name_count]`, names of the codeset's rows to forget, instead of their ids; or NULL. */
    const char *const *names;
    uint64_t name_count; /**< number of row names in `names` */
    /** `[feature_rows]`, names of the rows in the array `features`, instead of their ids in `feature_ids`; or NULL. */
    const char *const *feature_names;
    /** Row source of the features that the model was trained on, read instead of the array `features`; or NULL. */
    const dkvb_row_source *feature_source;
    /**
     * 1 saves memory when the strength `exact` trains the values again: 4 bytes for each value are needed beside the
     * model, instead of 6 bytes. With the member `in_place` of a request to forget, the model does not change until the
     * plan is applied; afterwards each value of the model takes 4 bytes until the model is freed.
     */
    uint32_t in_place;
} dkvb_forget_request;

/**
 * Initialiser of dkvb_forget_request: strength `suppress`, `target` 0, `max_retain_drop` 0.005, `max_class_loss` 0.03.
 */
#define DKVB_FORGET_REQUEST_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_forget_request), DKVB_STRENGTH_SUPPRESS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.005, 0.03, 0,        \
            DKVB_KEYS_UNSAID, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_forget_request, DKVB_FORGET_REQUEST_INIT)

/** Reasons why the library refuses a plan. The numbers of the DKVB_REFUSED_… constants are part of the ABI. */
enum {
    DKVB_REFUSED_NOT = 0, /**< reason of refusal: none, as the plan is not refused */
    /**
     * Reason of refusal: the plan would do nothing, since it has no pairs to mask or all its pairs are already masked.
     */
    DKVB_REFUSED_NOTHING = 1,
    DKVB_REFUSED_ROWS = 2, /**< reason of refusal: there are too few held-out rows to find how many pairs to mask */
    /** Reason of refusal: no number of masked pairs reaches the target accuracy within the limits. */
    DKVB_REFUSED_TARGET = 3,
    /**
     * Reason of refusal: classes that the request does not name would lose too much accuracy, one class alone or all
     * together. A plan to forget single rows also counts the accuracy lost by all earlier requests in force that name
     * no class.
     */
    DKVB_REFUSED_CLASS = 4,
    /**
     * Reason of refusal: a request for single rows contains rows of other classes, which would lose too much accuracy.
     */
    DKVB_REFUSED_MIXED = 5,
    /** Reason of refusal: forgetting classes of earlier requests again would cost other classes too much accuracy. */
    DKVB_REFUSED_AGAIN = 6,
    /**
     * Reason of refusal: the keys were placed on the rows that `exact` is to forget, and the request does not say what
     * to do with the keys.
     */
    DKVB_REFUSED_KEYS = 7
};

/** One request to forget, of a plan that has several requests. */
typedef struct dkvb_plan_request {
    uint64_t line; /**< line number of the request in the text of requests, from 1 */
    /** 1 if the model has already forgotten the rows or classes of the request, so that the plan skips the request. */
    uint32_t forgotten;
    /**
     * Number of the journal entry that the request will get, or of the journal entry that already forgot the rows or
     * classes of the request. The member `entry` of dkvb_plan_request is 0 if the codeset shows that the rows of the
     * request were removed before, if the plan is refused, or if the plan only completes an earlier forgetting
     * (`resumed`).
     */
    uint64_t entry;
    uint64_t ids;   /**< number of rows whose ids go into the commitment (salted hash) of the request's journal entry */
    uint64_t pairs; /**< number of pairs that the strength `suppress` masks for one request of a plan */
    /**
     * Number of pairs to mask for a request that are not masked yet, neither in the model nor by earlier requests in
     * the text `requests`.
     */
    uint64_t pairs_new;
    /**
     * `uint8_t[class_count]` of a plan, DKVB_FORGET for each class that one of its requests asks to forget, valid as
     * long as the plan; NULL for a request for single rows.
     */
    const uint8_t *classes;
} dkvb_plan_request;

/** Contents of a plan, filled in by dkvb_plan_get_info(). Callers initialise the struct with `DKVB_PLAN_INFO_INIT`. */
typedef struct dkvb_plan_info {
    size_t struct_size; /**< size of dkvb_plan_info in bytes, set by DKVB_PLAN_INFO_INIT */
    uint32_t strength;  /**< strength of forgetting of the plan, DKVB_STRENGTH_… */
    /**
     * Method by which the plan chooses the pairs to mask, DKVB_METHOD_…; 0 if the request gave a mask, or the strength
     * of the plan is `exact`.
     */
    uint32_t method;
    /** Reason why the plan is refused, DKVB_REFUSED_…; the member `refusal` gives the reason in a sentence. */
    uint32_t refused;
    /** 1 if the plan is refused, and the member `force` of the request would override the refusal. */
    uint32_t can_be_forced;
    /** 1 if the plan exceeds a limit and will still be applied, because the request has set `force`. */
    uint32_t forced;
    /** Class that would lose most accuracy, if the reason of refusal is DKVB_REFUSED_CLASS or DKVB_REFUSED_MIXED. */
    uint32_t refused_class;
    /**
     * 1 if the plan found on held-out rows how many pairs to mask; 0 if the caller gave the number of pairs, or the
     * plan masks no pairs.
     */
    uint32_t budget_found;
    uint32_t keys; /**< what a plan of the strength `exact` would do with the keys, DKVB_KEYS_… */
    /**
     * 1 if the model has already forgotten the rows of the plan by the strength `exact`, and only the codeset still has
     * these rows.
     */
    uint32_t resumed;
    uint64_t pairs;       /**< number of (codebook, key) pairs that a plan of the strength `suppress` would mask */
    uint64_t pairs_new;   /**< number of (codebook, key) pairs that a plan would mask and that are not masked yet */
    uint64_t pairs_total; /**< number of all (codebook, key) pairs of the model */
    /** Number of training rows of the model that the plan would forget, as far as these rows are known. */
    uint64_t rows;
    /** Number of rows whose ids go into the commitments (salted hashes) of the journal entries that the plan writes. */
    uint64_t ids;
    uint64_t looked_at; /**< number of held-out rows on which the plan measured its effects */
    uint64_t held_out;  /**< number of held-out rows of the codeset, which training left out */
    /**
     * Number of (row, codebook) combinations among the held-out rows whose code would run out of unmasked keys
     * (effect.h).
     */
    uint64_t exhausted;
    uint64_t again; /**< number of journal entries that the plan adds to forget classes of earlier requests once more */
    /**
     * Number of earlier requests whose classes the model would answer again in part, and which the plan cannot forget
     * again within its limits.
     */
    uint64_t not_again;
    /** Number of earlier forget operations on the same rows whose masking a plan of the strength `exact` would undo. */
    uint64_t lifted;
    /**
     * Number of pairs to mask that the plan found on held-out rows, and its effect, if the member `budget_found` is 1;
     * for a plan refused for DKVB_REFUSED_TARGET, the number of pairs that comes nearest to the target accuracy.
     */
    dkvb_budget budget;
    /** Number of classes of the model, which is the length of the arrays `effects` and `classes` of dkvb_plan_info. */
    uint32_t class_count;

    /* The pointers in dkvb_plan_info are valid as long as the plan. */
    /** Sentence that says why the plan is refused, and what would help; "" if the plan is not refused. */
    const char *refusal;
    /**
     * Effect of the whole plan on each class, measured on held-out rows; NULL if no effect was measured, since the
     * codeset holds out no rows or the plan was refused before measuring.
     */
    const dkvb_class_effect *effects;
    /**
     * Role of each class in the plan: DKVB_FORGET for classes to forget, DKVB_ASIDE for classes that earlier requests
     * forgot, else DKVB_KEEP; NULL if the request names no class.
     */
    const uint8_t *classes;
    /**
     * Mask of the pairs that the plan masks for its request, without the pairs of earlier requests that the plan
     * forgets again; NULL for the strength `exact`.
     */
    const dkvb_mask *mask;
    /**
     * `[request_count]`, the requests to forget from the text `requests`; NULL for a single request that was not given
     * as a text.
     */
    const dkvb_plan_request *requests;
    uint64_t request_count; /**< number of requests to forget in the text `requests` */
    /**
     * Number of requests of the plan that the model has already forgotten; if the model has forgotten all of them,
     * applying the plan does nothing.
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
 * Make a plan from a request to forget. Making a plan of a forgetting does not change the model. If a codeset was
 * loaded from features, dkvb_forget_plan() searches the codes of its rows as far as the plan needs them.
 *
 * @param[out] out      receives the plan, which the caller releases with dkvb_plan_free(); NULL on failure, and if the
 *                      argument `model` is NULL.
 * @param      model    model to plan for, neither memory-mapped nor in training; NULL only checks the request itself
 *                      (ranges, strength, method, keys and reason), so that a mistake shows before rows are read.
 * @param      codeset  codeset with the codes of the rows on which the model was trained; or NULL.
 * @param      request  request to forget that the plan is made for.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. In
 *                      dkvb_forget_plan(), the progress callback counts searched rows, or rows of a training session.
 * @return `DKVB_OK`, also for a refused plan, whose reason dkvb_plan_get_info() gives; `DKVB_EINVAL` for a request that
 *         names nothing or contradicts itself; `DKVB_EMISMATCH` if the codes, the mask or the codeset belong to another
 *         model; `DKVB_ENOTFOUND` for an id that the codeset does not have, classes without rows, or counts that the
 *         model does not keep; `DKVB_ESTATE` if the model is memory-mapped or in training; `DKVB_ENOMEM`;
 *         `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_plan(dkvb_plan **out, dkvb_model *model, dkvb_codeset *codeset,
                                                     const dkvb_forget_request *request, const dkvb_run_options *run);

/**
 * Read the contents of a plan to forget.
 *
 * @param      plan  the plan.
 * @param[out] info  receives the contents of the plan; the caller sets its member `struct_size` before the call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_get_info(const dkvb_plan *plan, dkvb_plan_info *info);

/**
 * Apply a plan to a model, and write what the plan did into the journal of the model. dkvb_forget_apply() does
 * everything that the plan says, or nothing.
 *
 * Applying a plan writes one journal entry for each request of the plan. With the strength `suppress`, applying a plan
 * also writes one more journal entry for each earlier request that is forgotten again. With the strength `exact`,
 * applying a plan replaces the old values by new values, and removes the forgotten rows from the codeset. If a plan
 * placed the keys again, the model and the codeset get the new keys, and a new journal begins, which names the head
 * (latest hash) of the old journal. A plan that was applied can only be read and freed.
 *
 * dkvb_forget_apply() changes no file. After dkvb_forget_apply() the caller saves the model first, then the codeset. If
 * saving the codeset fails after a forgetting, applying the same request or the same plan later completes the
 * forgetting.
 *
 * @param      plan     the plan to apply.
 * @param      model    model that the plan was made for: the same object, or one that was saved and loaded since. The
 *                      journal, classes and values of the model must not have changed since the plan was made.
 *                      dkvb_forget_apply() accepts a model to which the same `exact` plan was already applied, while
 *                      the codeset still has the forgotten rows; applying the plan again then only removes these rows
 *                      from the codeset.
 * @param      codeset  codeset (stored codes of rows) for a plan of the strength `exact`, with the same rows as when
 *                      the plan was made; else NULL.
 * @param[out] entry    receives the number of the journal entry that dkvb_forget_apply() wrote, of the first one if the
 *                      plan has several requests; 0 if no entry was written; or NULL.
 * @return `DKVB_EREFUSED` with the reason if the plan is refused, unless the request forced it; `DKVB_EMISMATCH` if the
 *         model or the codeset has changed; `DKVB_ESTATE` if the plan was already applied; `DKVB_EIO` if there is no
 *         random source for the salt; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_forget_apply(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *codeset,
                                                      uint64_t *entry);

/**
 * Write a plan to a file (docs/format.md), atomically (file.h). A saved plan can be read and applied later, on another
 * machine or by another person. dkvb_plan_save() can save refused plans too.
 *
 * A plan file is as private as the model: the file holds ids of rows, and for the strength `exact` the new values and,
 * with new keys, the new codeset. Everyone who can write a plan file decides what will be applied to the model. A
 * person who approves a plan must approve the contents that dkvb_plan_load() reads, not an earlier state of the plan
 * file, which somebody may have changed since.
 *
 * @param plan  the plan to save.
 * @param path  path of the plan file to write.
 * @return `DKVB_ESTATE` if the plan to save was already applied; `DKVB_ENOMEM`; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_save(const dkvb_plan *plan, const char *path);

/**
 * Read a plan from a plan file. dkvb_plan_load() checks everything in the plan file that can be checked without the
 * model.
 *
 * @param[out] out        receives the plan, which the caller releases with dkvb_plan_free(); NULL on failure.
 * @param      path       path of the plan file to read.
 * @param      allocator  allocator for the plan, and for `exact` the allocator of the model; NULL stands for malloc()
 *                        and free().
 * @return `DKVB_EFORMAT` or `DKVB_ECHECKSUM` for a file that is damaged or no plan file; `DKVB_EIO` for a file that
 *         cannot be read; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_plan_load(dkvb_plan **out, const char *path, const dkvb_allocator *allocator);

/**
 * Release a plan to forget, whether it was applied or not.
 *
 * @param plan  plan to release; NULL does nothing.
 */
DKVB_API void dkvb_plan_free(dkvb_plan *plan);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
