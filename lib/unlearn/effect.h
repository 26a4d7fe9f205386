#ifndef DKVB_UNLEARN_EFFECT_H
#define DKVB_UNLEARN_EFFECT_H

#include "bottleneck/model.h"
#include "dkvb/effect.h"

/* Rows held out, as a caller gave them, checked against the model: labels, keys, depth. `out` is the whole struct. */
dkvb_status dkvb__held_out_take(dkvb_codeset_rows *out, const dkvb_codeset_rows *given, const dkvb_model *model);

/* Add the counts of `part` to those of `sum`, and work out loss and interval of the sum again. */
void dkvb__effect_add(dkvb_class_effect *sum, const dkvb_class_effect *part);

/* Work out loss and interval of counts. */
void dkvb__effect_work_out(dkvb_class_effect *e);

/* Answers of a model to held-out rows, with `mask` (or NULL) beside the mask in force. labels: [held->n], -1 =
 * abstained. Other parameters and errors are those of dkvb_effect_measure(). */
dkvb_status dkvb__effect_answer(const dkvb_model *model, const dkvb_mask *mask, const dkvb_codeset_rows *held,
                                int32_t *labels, uint64_t *exhausted, const dkvb_run_options *run);

/* dkvb_effect_measure() of two models of the same codebooks, under the mask that each has in force: what a replay did,
 * for instance. DKVB_EMISMATCH unless both have as many classes and the same top_k. */
dkvb_status dkvb__effect_compare(const dkvb_model *before, const dkvb_model *after, const dkvb_codeset_rows *held,
                                 dkvb_class_effect *effects, const dkvb_run_options *run);

/* Rows to look at where all would take too long: labels[r] becomes -1 for rows of kept classes that are not among the
 * `most` whose draw by id is lowest, so that the same ones stay whatever other rows there are. 0: as many as a billion
 * additions of a value decode, and 1,024 at least: 2,097 rows of 1,000 classes at C * k = 512, 52,428 of 10 at
 * C * k = 2048. `*stay` counts rows that keep their label. Labels and marks are checked already. */
dkvb_status dkvb__effect_draw(const dkvb_model *model, const uint64_t *ids, size_t n, const uint8_t *classes,
                              uint64_t most, int32_t *labels, uint64_t *stay);

/* Limits of a budget: accuracy that the classes to be forgotten may keep, and that all others together may lose,
 * both 0 to 1. */
struct dkvb__budget_limits {
    double target, max_retain_drop;
};

/*
 * The smallest budget that brings the accuracy of some classes down to a target while the others lose no more than
 * allowed. Every budget is looked at: a row's answer changes only where its key is taken, so each row is followed from
 * change to change. If no budget keeps both limits, `*found` is the one for which what exceeds them, added up, is least
 * (the smaller on a tie), and `met` is 0. DKVB_ENOTFOUND if no row of the classes to be forgotten is held out.
 *
 * rank: [C][K], from dkvb__unlearn_rank(); classes: [L], DKVB_FORGET, DKVB_KEEP, or DKVB_ASIDE: their rows count for
 * neither.
 */
dkvb_status dkvb__budget_find(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                              const uint8_t *classes, const struct dkvb__budget_limits *limits, dkvb_budget *found,
                              const dkvb_run_options *run);

/*
 * dkvb_effect_measure() of many masks at once, each the pairs whose rank is at most a budget: every budget has the
 * counts that one measurement of its mask has, bit for bit. Masks of one ranking are nested, so each row is taken along
 * the budgets, and only what changed from one to the next is summed again.
 *
 * rank: [C][K], from dkvb__unlearn_rank(). budgets: [count], ascending. effects: [count][L]. exhausted: [count], as
 * dkvb_effect_measure() counts it, or NULL. Progress counts rows.
 */
dkvb_status dkvb__effects_along(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                                const uint64_t *budgets, size_t count, dkvb_class_effect *effects, uint64_t *exhausted,
                                const dkvb_run_options *run);

#endif
