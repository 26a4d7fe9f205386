#ifndef DKVB_AUDIT_LIRA_H
#define DKVB_AUDIT_LIRA_H

#include "dkvb/model.h"
#include "dkvb/runtime.h"
#include "dkvb/values.h"

/* Rows that shadow models learn from, and the target rows among them, whose membership is attacked. */
struct dkvb__shadow_rows {
    /* codes of all rows that shadow models may learn, target rows included, [n][codebooks][k]; no key-value pair is
     * masked in a shadow model */
    const uint16_t *codes;
    uint32_t k;
    /* labels of the rows that shadow models may learn, [n], -1 = the row is ignored; every target has a label */
    const int32_t *labels;
    size_t n;
    const uint64_t *targets; /* row numbers of the target rows, [count], each once; there are at least 2 target rows */
    size_t count;
};

/* One way to see a model's answers to the target rows of an attack: with the codes under the model's mask, possibly
 * without some columns of the logits. */
struct dkvb__view {
    const uint16_t *codes; /* codes of the target rows under the mask, [targets][codebooks][k] */
    /* marks of the logit columns that the attacker does not see, as in struct dkvb__answers, [classes]; NULL if all
     * columns are seen */
    const uint8_t *dropped;
};

/* The settings of the shadow models, and the views (masks, and logit columns left out) under which the target rows are
 * decoded. */
struct dkvb__shadowing {
    uint32_t shadows; /* number of shadow models, an even number of at least 4 */
    uint64_t seed;    /* seed that decides which target rows each shadow model learns */
    /* The training options of the attacked model; shadow model number s is trained with the seed of these options + 1 +
     * s. */
    dkvb_train_options train;
    const struct dkvb__view *views;
    uint32_t views_count;
};

/*
 * Trains shadow models, and computes the margins of the target rows in each shadow model. A shadow model learns all
 * rows that are no targets, and half of the targets; the next shadow model learns the other half of the targets, so
 * exactly half of the shadow models learn any target. Shadow models share the attacked model's keys, so no nearest keys
 * are searched: a shadow model costs one training of values, and each view (mask and logit columns) costs one decoding.
 *
 * The argument `model` gives the number of codebooks and classes, top_k, the type of values and the allocator of shadow
 * models; the model's own values and mask are not used. The margins of the target rows in the shadow models,
 * double[views_count][shadows][count], have the form that dkvb__audit_margins() gives them, and are undefined if the
 * call fails. The mark inside[s][t], uint8_t[shadows][count], becomes 1 if shadow model s has learned target row t,
 * otherwise 0. The progress callback of the training of shadow models counts finished models.
 *
 * If `run` has ranks (processes), the ranks deal out the shadow models: each rank trains some shadow models on its copy
 * of the codes, and gets the margins of all. If ranks (processes) deal out the shadow models, each rank's progress
 * counts the shadow models that the rank trains.
 */
dkvb_status dkvb__audit_shadows(const dkvb_model *model, const struct dkvb__shadow_rows *rows,
                                const struct dkvb__shadowing *how, double *margins, uint8_t *inside,
                                const dkvb_run_options *run);

/*
 * Scores rows by the likelihood-ratio attack (LiRA, Carlini et al. 2022, arXiv 2112.03570, section 5, online). The
 * likelihood-ratio attack asks whether a row's margin comes from a model that learned the row or from one that did not.
 * The margins of the models that learned the row, and those of the models that did not, are taken as normally
 * distributed; the attack's score is the logarithm of the ratio of the two densities at the attacked model's margin.
 * With fewer than 64 shadow models, the variance of one row's margins would be too uncertain, so one variance over all
 * rows is used (section 6.2 of the paper on LiRA).
 *
 * The array `margins`, double[shadows][count], has the margins of the target rows in the shadow models, all under the
 * same mask. The mark inside[s][t], uint8_t[shadows][count], is 1 if shadow model s has learned target row t, otherwise
 * 0; at least 2 shadow models have learned each target, and at least 2 have not. The array `observed`, double[count],
 * has the margins of the target rows in the attacked model, under the same mask as the margins in the shadow models.
 * The array `scores`, double[count], gets the attack's scores of the target rows; its contents are undefined if the
 * attack fails.
 */
dkvb_status dkvb__audit_lira(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count,
                             const double *observed, double *scores);

#endif
