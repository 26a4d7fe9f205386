#ifndef DKVB_UNLEARN_EFFECT_H
#define DKVB_UNLEARN_EFFECT_H

#include "bottleneck/model.h"
#include "dkvb/effect.h"

/* Checks the held-out rows of a caller against the model: labels, keys, depth. `out` is the whole struct. */
dkvb_status dkvb__held_out_take(dkvb_codeset_rows *out, const dkvb_codeset_rows *given, const dkvb_model *model);

/* Adds the counts of `part` to those of `sum`, and computes loss and interval of the sum again. */
void dkvb__effect_add(dkvb_class_effect *sum, const dkvb_class_effect *part);

/* Computes loss and interval from the counts. */
void dkvb__effect_work_out(dkvb_class_effect *e);

/* Computes the answers of a model to held-out rows, with `mask` (or NULL) in addition to the mask in force. labels:
 * [held->n], -1 = abstained. Other parameters and errors are those of dkvb_effect_measure(). */
dkvb_status dkvb__effect_answer(const dkvb_model *model, const dkvb_mask *mask, const dkvb_codeset_rows *held,
                                int32_t *labels, uint64_t *exhausted, const dkvb_run_options *run);

/* Compares two models of the same codebooks as dkvb_effect_measure() does, each under its own mask in force: for
 * example, the models before and after a replay. DKVB_EMISMATCH unless both have the same number of classes and the
 * same top_k. */
dkvb_status dkvb__effect_compare(const dkvb_model *before, const dkvb_model *after, const dkvb_codeset_rows *held,
                                 dkvb_class_effect *effects, const dkvb_run_options *run);

/* Draws the rows to be measured where measuring all would take too long. labels[r] becomes -1 for rows of kept classes
 * that are not among the `most` rows with the lowest draws. A draw depends on the id only, so that it does not matter
 * which other rows there are. With `most` 0, as many rows are drawn as a billion additions of values decode, and at
 * least 1,024: 2,097 rows of 1,000 classes at C * k = 512, 52,428 rows of 10 classes at C * k = 2048. `*stay` counts
 * rows that keep their label. Labels and marks are checked already. */
dkvb_status dkvb__effect_draw(const dkvb_model *model, const uint64_t *ids, size_t n, const uint8_t *classes,
                              uint64_t most, int32_t *labels, uint64_t *stay);

/* Limits of a budget: the accuracy that the classes to be forgotten may keep, and the accuracy that all others together
 * may lose, both 0 to 1. */
struct dkvb__budget_limits {
    double target, max_retain_drop;
};

/*
 * Finds the smallest budget that brings the accuracy of some classes down to a target while the others lose no more
 * than allowed. The search covers every budget: a row's answer changes only where one of its keys is taken, so each row
 * is followed from change to change. If no budget keeps both limits, `*found` is the budget that exceeds them least,
 * both excesses added up (the smaller budget in a tie), and `met` is 0. DKVB_ENOTFOUND says that no row of the classes
 * to be forgotten is held out.
 *
 * rank: [C][K], from dkvb__unlearn_rank(); classes: [L], DKVB_FORGET, DKVB_KEEP, or DKVB_ASIDE for classes whose rows
 * count for neither side.
 */
dkvb_status dkvb__budget_find(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                              const uint8_t *classes, const struct dkvb__budget_limits *limits, dkvb_budget *found,
                              const dkvb_run_options *run);

/*
 * Measures the effects of many masks at once. Each mask holds the pairs whose rank is at most a budget, and gets the
 * counts that dkvb_effect_measure() would give, bit for bit. Masks of one ranking are nested, so each row is followed
 * along the budgets, and only the sums that changed are computed again.
 *
 * rank: [C][K], from dkvb__unlearn_rank(). budgets: [count], ascending. effects: [count][L]. exhausted: [count], as
 * dkvb_effect_measure() counts it, or NULL. Progress counts rows.
 */
dkvb_status dkvb__effects_along(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                                const uint64_t *budgets, size_t count, dkvb_class_effect *effects, uint64_t *exhausted,
                                const dkvb_run_options *run);

#endif
