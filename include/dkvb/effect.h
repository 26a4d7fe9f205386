/**
 * Effects: what a mask would do, and to whom.
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

/** The effect on one class is what its rows would lose. `loss` is a difference of paired proportions, right before less
 * right after; its 95 % interval is that of Agresti and Min (2005, *Simple improved confidence intervals for comparing
 * matched proportions*, Statistics in Medicine 24:729), half a row added to each cell of the 2 x 2 table, so that few
 * rows give a wide interval and never none.
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

/**
 * Effects are measured: what each class would lose if `mask` came to the mask in force.
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

/** A budget that a plan has looked for, and what it does to rows held out (plan.h). */
typedef struct dkvb_budget {
    size_t struct_size;
    uint32_t met;         /**< 1: both limits are kept; 0: none does, this is the budget that comes nearest */
    uint64_t budget;      /**< the smallest that keeps them, as dkvb_unlearn_choose() takes it */
    uint64_t forget_rows; /**< held-out rows of the classes to be forgotten */
    uint64_t retain_rows; /**< and of all others */
    double forget_before; /**< accuracy of the forget rows now */
    double forget_after;  /**< and with this budget */
    double retain_before; /**< the same of all others */
    double retain_after;
    uint64_t roomy; /**< a larger budget, for rows that were not held out: where the last of 1,000 rows would turn, if
                         turns thin out as an exponential tail does: budget * ln(1000) / ln(forget_rows + 1), and not
                         less than `budget`. A plan takes it where it keeps the limits too */
} dkvb_budget;

#define DKVB_BUDGET_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(dkvb_budget), 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_budget, DKVB_BUDGET_INIT)

#ifdef __cplusplus
}
#endif

#endif
