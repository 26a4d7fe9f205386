#ifndef DKVB_UNLEARN_EFFECT_H
#define DKVB_UNLEARN_EFFECT_H

#include "bottleneck/model.h"
#include "dkvb/effect.h"

/* Checks a caller's held-out rows against the model (labels, number of keys, codes per row) and copies their struct to
 * `out`. */
dkvb_status dkvb__held_out_take(dkvb_codeset_rows *out, const dkvb_codeset_rows *given, const dkvb_model *model);

/* Adds the counts of lost and gained rows of a class in `part` to those in `sum`, and computes the loss of accuracy of
 * `sum` and its interval again. */
void dkvb__effect_add(dkvb_class_effect *sum, const dkvb_class_effect *part);

/* Computes a class's loss of accuracy by a forgetting, and its interval, from the counts of rows in the struct of the
 * class's effect. */
void dkvb__effect_work_out(dkvb_class_effect *e);

/* Computes the answers of a model to held-out rows, with `mask` (or NULL) in addition to the mask in force. The
 * predicted classes go to `labels`, [held->n], with -1 for rows to which the model gives no answer. Apart from
 * `labels`, the arguments and errors of dkvb__effect_answer() are those of dkvb_effect_measure(). */
dkvb_status dkvb__effect_answer(const dkvb_model *model, const dkvb_mask *mask, const dkvb_codeset_rows *held,
                                int32_t *labels, uint64_t *exhausted, const dkvb_run_options *run);

/* Compares two models of the same codebooks as dkvb_effect_measure() does, each under its own mask in force: for
 * example, the models before and after a replay (a training without some rows). The comparison of two models returns
 * DKVB_EMISMATCH unless they have equal numbers of classes and equal top_k. */
dkvb_status dkvb__effect_compare(const dkvb_model *before, const dkvb_model *after, const dkvb_codeset_rows *held,
                                 dkvb_class_effect *effects, const dkvb_run_options *run);

/* Draws the held-out rows to be measured if measuring all of them would take too long: labels[r] becomes -1 for rows of
 * kept classes that are not among the `most` rows with the lowest random numbers. Whether a held-out row is drawn for
 * measuring depends on its id only, not on other rows. If `most` is 0, dkvb__effect_draw() draws as many rows as can be
 * decoded with a billion additions of values, and at least 1,024: 2,097 rows of 1,000 classes with 512 selected pairs a
 * row, 52,428 rows of 10 classes with 2,048 pairs. The number of held-out rows that keep their label is stored in
 * `*stay`. The caller of dkvb__effect_draw() has checked the labels of the rows and the marks of the classes. */
dkvb_status dkvb__effect_draw(const dkvb_model *model, const uint64_t *ids, size_t n, const uint8_t *classes,
                              uint64_t most, int32_t *labels, uint64_t *stay);

/* Limits for the search of a budget (number of masked pairs), each from 0 to 1: the accuracy that the classes to be
 * forgotten may keep, and the accuracy that all other classes together may lose. */
struct dkvb__budget_limits {
    double target, max_retain_drop;
};

/*
 * Finds the smallest budget (number of masked pairs) that brings the accuracy of some classes down to a target, while
 * the other classes lose no more than allowed. The search for a budget covers every number of masked pairs: the answer
 * to a row changes only when one of the row's keys is masked, so each row is followed from change to change. If no
 * budget keeps both limits (accuracy left on forgotten classes, accuracy lost on others), `*found` gets the budget
 * whose excesses over the two limits have the smallest sum (the smaller budget in a tie), with its member `met` 0.
 * DKVB_ENOTFOUND says that the held-out rows have no row of the classes to be forgotten.
 *
 * The argument `rank`, [codebooks][keys], has the ranks (places in the order of masking) of all key-value pairs, from
 * dkvb__unlearn_rank(). The argument `classes` marks each class with DKVB_FORGET, DKVB_KEEP, or DKVB_ASIDE, the last
 * for classes whose rows count neither as forgotten nor as kept.
 */
dkvb_status dkvb__budget_find(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                              const uint8_t *classes, const struct dkvb__budget_limits *limits, dkvb_budget *found,
                              const dkvb_run_options *run);

/*
 * Measures, in one pass over held-out rows, the effects that many masks have on the accuracy of each class. Each of the
 * measured masks holds the key-value pairs whose rank (place in the order of masking) is at most a budget, and the
 * counts measured for a mask equal those of dkvb_effect_measure(). The masks that one ranking of pairs gives for
 * growing budgets contain each other, so each row is followed from mask to mask, and only the sums that change are
 * computed again.
 *
 * The argument `rank`, [codebooks][keys], has the ranks (places in the order of masking) of all key-value pairs, from
 * dkvb__unlearn_rank(). The array `budgets`, [count], has the numbers of pairs that the measured masks hide, in
 * ascending order. The array `effects`, [count][classes], gets the effect on the accuracy of each class for each budget
 * (number of masked pairs). The array `exhausted`, [count], or NULL, gets for each mask the number of cases in which a
 * row finds too few unmasked keys in a codebook, as in dkvb_effect_measure(). The progress callback of
 * dkvb__effects_along() counts the rows that were measured.
 */
dkvb_status dkvb__effects_along(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                                const uint64_t *budgets, size_t count, dkvb_class_effect *effects, uint64_t *exhausted,
                                const dkvb_run_options *run);

#endif
