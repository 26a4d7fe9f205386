/**
 * @file
 * @brief Effects: how much accuracy each class would lose by a mask.
 *
 * Effects are measured on held-out rows: rows of a codeset that the values never learned from (codeset.h). The codes of
 * held-out rows are deep: they list more keys than the model selects. So the library knows which key a row falls to
 * when a mask takes its nearest keys, without a search. A mask may take all keys of a codebook that a code lists. That
 * codebook then adds nothing to the logits of the row, although a search would find a farther key. The functions report
 * how often this happened.
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

/** @addtogroup dkvb_unlearn Unlearning
 *  @{ */

/**
 * Effect of a mask on the rows of one class.
 *
 * `loss` is a difference of paired proportions: the share of rows classified correctly before, minus the share
 * classified correctly after. The 95 % interval is that of Agresti and Min (2005, *Simple improved confidence intervals
 * for comparing matched proportions*, Statistics in Medicine 24:729), which adds half a row to each cell of the 2 x 2
 * table. So few rows give a wide interval, and even a single row gives one.
 */
typedef struct dkvb_class_effect {
    uint64_t rows;         /**< number of held-out rows of this class */
    uint64_t right_before; /**< number of rows classified correctly under the mask in force */
    uint64_t right_after;  /**< number of rows classified correctly with the new mask too */
    uint64_t lost;         /**< number of rows that were correct before and are wrong after */
    uint64_t gained;       /**< number of rows that were wrong before and are correct after */
    double loss;           /**< accuracy lost, (lost - gained) / rows; 0 without rows */
    double low;            /**< lower end of the 95 % interval of `loss` */
    double high;           /**< upper end of the 95 % interval of `loss` */
} dkvb_class_effect;

/**
 * Measure what each class would lose if the pairs of a mask were masked too.
 *
 * @param      model      the model. The mask in force of the model counts before and after.
 * @param      before     pairs that count as masked before and after, beside the mask in force; or NULL.
 * @param      mask       pairs that count as masked after only; belongs to the model's codebooks, as does `before`.
 *                        NULL: no pair, so that no class loses and `right_before` shows the present accuracy.
 * @param      held       held-out rows, whose `k` is at least the model's `top_k`; rows with label -1 are left out.
 * @param[out] effects    `dkvb_class_effect[classes]`.
 * @param[out] exhausted  number of (row, codebook) pairs whose codes have fewer unmasked keys than the model selects;
 *                        or NULL.
 * @param      run        run options; NULL for the defaults.
 * @return `DKVB_EINVAL` naming a label or key that does not exist; `DKVB_EMISMATCH`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_effect_measure(const dkvb_model *model, const dkvb_mask *before,
                                                        const dkvb_mask *mask, const dkvb_codeset_rows *held,
                                                        dkvb_class_effect *effects, uint64_t *exhausted,
                                                        const dkvb_run_options *run);

/** A budget that a plan has searched for, and its effect on held-out rows (plan.h). */
typedef struct dkvb_budget {
    size_t struct_size;   /**< sizeof(dkvb_budget), set by INIT */
    uint32_t met;         /**< 1: the budget meets both limits; 0: no budget does, and this one comes nearest */
    uint64_t budget;      /**< smallest budget that meets the limits, as dkvb_unlearn_choose() takes it */
    uint64_t forget_rows; /**< number of held-out rows of the classes to be forgotten */
    uint64_t retain_rows; /**< number of held-out rows of all other classes */
    double forget_before; /**< accuracy on the forget rows before */
    double forget_after;  /**< accuracy on the forget rows with this budget */
    double retain_before; /**< accuracy on the rows of all other classes before */
    double retain_after;  /**< accuracy on the rows of all other classes with this budget */
    uint64_t roomy;       /**< larger budget, meant for rows that were not held out, and never less than `budget`:
                               budget * ln(1000) / ln(forget_rows + 1). This is the budget at which the last of 1,000
                               rows would turn, if turns get rarer as in an exponential tail. A plan takes the larger
                               budget if that meets the limits too */
} dkvb_budget;

/** Defaults of dkvb_budget. */
#define DKVB_BUDGET_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(dkvb_budget), 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_budget, DKVB_BUDGET_INIT)

/** @} */

#ifdef __cplusplus
}
#endif

#endif
