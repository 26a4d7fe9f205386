/**
 * @file
 * @brief Effects of a mask: how much accuracy each class would lose if the pairs of the mask were masked.
 *
 * Effects are measured on held-out rows: rows of a codeset that the values never learned from (codeset.h). The codes of
 * held-out rows are deep: they list more keys than the model selects, so the library knows without a new search which
 * farther key a row selects when a mask removes its nearest keys. If a mask removes all keys that a row's code lists
 * for a codebook, this codebook adds nothing to the logits of the row, although a search would find a farther key.
 * dkvb_effect_measure() reports how often the code of a row ran out of keys.
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

/** @addtogroup dkvb_unlearn
 *  @{ */

/**
 * Effect of a mask on the rows of one class.
 *
 * The accuracy that a class loses by a mask is a difference of paired proportions: the fraction of rows classified
 * correctly before the pairs of the mask were masked, minus the fraction classified correctly afterwards. The 95 %
 * interval of the lost accuracy is that of Agresti and Min (2005, *Simple improved confidence intervals for comparing
 * matched proportions*, Statistics in Medicine 24:729), which adds half a row to each cell of the 2 x 2 table; the
 * interval exists even for a single row, and is wide for few rows.
 */
typedef struct dkvb_class_effect {
    uint64_t rows;         /**< number of held-out rows of the class whose effect is measured */
    uint64_t right_before; /**< number of rows that the model classifies correctly before more pairs are masked */
    uint64_t right_after;  /**< number of rows that the model classifies correctly after more pairs were masked */
    /** Number of rows classified correctly before more pairs were masked, and wrongly afterwards. */
    uint64_t lost;
    /** Number of rows classified wrongly before more pairs were masked, and correctly afterwards. */
    uint64_t gained;
    /** Accuracy that the class loses by masking more pairs: (`lost` - `gained`) / `rows`; 0 if there are no rows. */
    double loss;
    double low;  /**< lower end of the 95 % interval of the accuracy that the class loses */
    double high; /**< upper end of the 95 % interval of the accuracy that the class loses */
} dkvb_class_effect;

/**
 * Measure how much accuracy each class would lose if the pairs of a mask were masked in addition to the model's mask in
 * force.
 *
 * @param      model      the model to measure; the pairs of its mask in force count as masked in every measured
 *                        accuracy.
 * @param      before     (codebook, key) pairs that the model does not mask, but that count as masked in every measured
 *                        accuracy; or NULL.
 * @param      mask       (codebook, key) pairs whose effect is measured: they count as masked only in the accuracy
 *                        after masking; `before` and `mask` both belong to the model's codebooks. If `mask` is NULL,
 *                        dkvb_effect_measure() masks no further pair: no class loses accuracy, and `right_before` shows
 *                        the present accuracy.
 * @param      held       held-out rows, whose codes have at least as many keys per codebook (`k`) as the model's
 *                        `top_k`; rows with label -1 are left out.
 * @param[out] effects    `dkvb_class_effect[classes]`, receives the effect of the mask on each class.
 * @param[out] exhausted  number of (row, codebook) pairs whose codes have fewer unmasked keys than the model selects;
 *                        or NULL.
 * @param      run        run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for a label or key that does not exist, with a message that names the label or key;
 *         `DKVB_EMISMATCH` if masks or rows do not fit the model; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_effect_measure(const dkvb_model *model, const dkvb_mask *before,
                                                        const dkvb_mask *mask, const dkvb_codeset_rows *held,
                                                        dkvb_class_effect *effects, uint64_t *exhausted,
                                                        const dkvb_run_options *run);

/**
 * A budget (number of (codebook, key) pairs to mask) that a plan has searched for, and its effect on held-out rows
 * (plan.h).
 */
typedef struct dkvb_budget {
    size_t struct_size; /**< size of dkvb_budget in bytes, set by DKVB_BUDGET_INIT */
    /**
     * 1 if masking `budget` pairs meets both accuracy limits of the plan; 0 if no budget does, and `budget` comes
     * nearest.
     */
    uint32_t met;
    /**
     * Smallest budget (number of pairs to mask) that meets the accuracy limits of the plan, as dkvb_unlearn_choose()
     * takes it.
     */
    uint64_t budget;
    uint64_t forget_rows; /**< number of held-out rows of the classes to forget */
    uint64_t retain_rows; /**< number of held-out rows of the classes to keep */
    /** Accuracy on held-out rows of the classes to forget, before any pair of the plan is masked. */
    double forget_before;
    double forget_after; /**< accuracy on held-out rows of the classes to forget, after masking `budget` pairs */
    /** Accuracy on held-out rows of the classes to keep, before any pair of the plan is masked. */
    double retain_before;
    double retain_after; /**< accuracy on held-out rows of the classes to keep, after masking `budget` pairs */
    /**
     * Larger budget, meant for rows that were not held out, and never less than `budget`: budget * ln(1000) /
     * ln(forget_rows + 1), where `forget_rows` counts the held-out rows to forget. The larger budget is an estimate of
     * how many pairs to mask until the model gives none of 1,000 rows to forget its old class any more; the estimate
     * assumes an exponential tail. A plan takes the budget `roomy` instead of `budget` if `roomy` meets the accuracy
     * limits too.
     */
    uint64_t roomy;
} dkvb_budget;

/** Initialiser of dkvb_budget that gives every member its default. */
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
