/**
 * Effects: what would a mask do, to whom, and how large must it be?
 *
 * Everything here is measured on rows that the values never learnt from and that
 * no test uses: the part of a codeset that is held out (codeset.h). Their codes go deep, so the key that a row falls to
 * when a mask takes its nearest ones is known without searching. Where a mask takes all keys of a codebook that a
 * code holds, that codebook adds nothing to the row's logits here, while a search would find a farther key: how
 * often is said.
 */
#ifndef DKVB_EFFECT_H
#define DKVB_EFFECT_H

#include <stddef.h>
#include <stdint.h>

#include "codeset.h"
#include "export.h"
#include "mask.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What the rows of one class would lose. `loss` is a difference of paired proportions, right before less right after;
 * its 95 % interval is that of Agresti and Min (2005, *Simple improved confidence intervals for comparing matched
 * proportions*, Statistics in Medicine 24:729), half a row added to each cell of the 2 x 2 table, so that few rows give
 * a wide interval and never none.
 */
typedef struct dkvb_class_effect {
    uint64_t rows;         /**< of this class among those held out */
    uint64_t right_before; /**< classified right under the mask in force */
    uint64_t right_after;  /**< and with the mask in question too */
    uint64_t lost;         /**< right before, wrong after */
    uint64_t gained;       /**< wrong before, right after */
    double loss;           /**< accuracy lost: (lost - gained) / rows; 0 without rows */
    double low;            /**< its 95 % interval */
    double high;
} dkvb_class_effect;

/** The same of classes taken together: their counts added, `loss` and the interval worked out again. */
DKVB_API void dkvb_effect_add(dkvb_class_effect *sum, const dkvb_class_effect *part);

/**
 * What a model answers to rows held out, with `mask` (or NULL) beside the mask in force: `int32_t[held->n]`, -1 =
 * abstained. Parameters and errors as for dkvb_effect_measure().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_effect_answer(const dkvb_model *model, const dkvb_mask *mask,
                                                       const dkvb_codeset_rows *held, int32_t *labels,
                                                       uint64_t *exhausted, const dkvb_run_options *run);

/**
 * What each class would lose if `mask` came to the mask in force.
 *
 * @param      before     what is masked already, beside the mask in force; or NULL.
 * @param      mask       what would be masked then, beside the mask in force; NULL: nothing, so that nobody loses
 * anything, and `right_before` tells how things are. Both of the model's codebooks; neither is changed.
 * @param      held       rows of the held-out part, whose k is at least the model's `top_k`; label -1 is left out.
 * @param[out] effects    `dkvb_class_effect[classes]`.
 * @param[out] exhausted  (row, codebook) pairs with fewer live keys in their codes than the model selects; or NULL.
 * @return `DKVB_EINVAL` naming a label or key that does not exist, `DKVB_EMISMATCH`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_effect_measure(const dkvb_model *model, const dkvb_mask *before,
                                                        const dkvb_mask *mask, const dkvb_codeset_rows *held,
                                                        dkvb_class_effect *effects, uint64_t *exhausted,
                                                        const dkvb_run_options *run);

/**
 * The same for two models of the same codebooks, under the mask that each has in force: what a replay did, for
 * instance. As many classes in both, `DKVB_EMISMATCH` else.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_effect_compare(const dkvb_model *before, const dkvb_model *after,
                                                        const dkvb_codeset_rows *held, dkvb_class_effect *effects,
                                                        const dkvb_run_options *run);

/**
 * Fewer rows to look at, where all would take too long: a row costs one sum over the values that it selects for each
 * class. Hand `labels` in the place of `held->labels` to the other functions here, which leave rows with label -1 out.
 *
 * @param      classes  `uint8_t[classes]`: all rows of classes that are not DKVB_KEEP stay.
 * @param      most     of the others so many stay, drawn by their ids alone: the same ones whatever other rows there
 *                      are and whatever was forgotten. 0: as many as a billion additions of a value decode, and 1,024
 *                      at least: 2,097 rows of 1,000 classes at C * k = 512, 52,428 of 10 at C * k = 2048.
 * @param[out] labels   `int32_t[held->n]`: as they are, or -1 for rows that are left out.
 * @param[out] rows     how many stay; or NULL.
 * @return as dkvb_effect_measure().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_effect_sample(const dkvb_model *model, const dkvb_codeset_rows *held,
                                                       const uint8_t *classes, uint64_t most, int32_t *labels,
                                                       uint64_t *rows);

/** What a budget must reach. Start from `DKVB_BUDGET_OPTIONS_INIT`. */
typedef struct dkvb_budget_options {
    size_t struct_size;     /**< sizeof(dkvb_budget_options), set by INIT */
    double target;          /**< accuracy that the classes to be forgotten may keep, 0 to 1 */
    double max_retain_drop; /**< accuracy that all others together may lose, 0 to 1 */
} dkvb_budget_options;

#define DKVB_BUDGET_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_budget_options), 0.0, 0.005                                                                        \
    }
DKVB_INIT_FUNCTION(dkvb_budget_options, DKVB_BUDGET_OPTIONS_INIT)

/** What was found. The caller sets `struct_size`. */
typedef struct dkvb_budget {
    size_t struct_size;
    uint32_t met;         /**< 1: both limits are kept; 0: none does, this is the budget that comes nearest */
    uint64_t budget;      /**< for dkvb_unlearn_choose() */
    uint64_t forget_rows; /**< held-out rows of the classes to be forgotten */
    uint64_t retain_rows; /**< and of all others */
    double forget_before; /**< accuracy of the forget rows now */
    double forget_after;  /**< and with this budget */
    double retain_before; /**< the same of all others */
    double retain_after;
    uint64_t roomy; /**< a larger budget, for rows that were not held out: where the last of 1,000 rows would turn, if
                         turns thin out as an exponential tail does: budget * ln(1000) / ln(forget_rows + 1), and not
                         less than `budget`. Whether it keeps the limits too is for dkvb_effect_measure() to say */
} dkvb_budget;

#define DKVB_BUDGET_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(dkvb_budget), 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_budget, DKVB_BUDGET_INIT)

/**
 * The smallest budget that brings the accuracy of some classes down to a target while the others lose no more than
 * allowed. Every budget is looked at: a row's answer changes only where its key is taken, so each row is followed from
 * change to change. If no budget keeps both limits, `*found` is the one for which what exceeds them, added up, is least
 * (the smaller on a tie), and `met` is 0.
 *
 * @param      rank     `uint32_t[codebooks][keys]`, from dkvb_unlearn_rank().
 * @param      held     as for dkvb_effect_measure().
 * @param      classes  `uint8_t[classes]`: DKVB_FORGET, DKVB_KEEP, or DKVB_ASIDE: their rows count for neither.
 * @return `DKVB_ENOTFOUND` if no row of the classes to be forgotten is held out; as dkvb_effect_measure() else.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_budget_find(const dkvb_model *model, const uint32_t *rank,
                                                     const dkvb_codeset_rows *held, const uint8_t *classes,
                                                     const dkvb_budget_options *opts, dkvb_budget *found,
                                                     const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
