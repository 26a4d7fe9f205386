#ifndef DKVB_AUDIT_LIRA_H
#define DKVB_AUDIT_LIRA_H

#include "dkvb/model.h"
#include "dkvb/runtime.h"
#include "dkvb/values.h"

/* Rows that shadow models learn from, and the targets among them. */
struct dkvb__shadow_rows {
    const uint16_t *codes; /* [n][codebooks][k], of all rows and targets; no pair is masked in a shadow */
    uint32_t k;
    const int32_t *labels; /* [n], -1 = ignore; targets have a label */
    size_t n;
    const uint64_t *targets; /* [count], row numbers, each once; at least 2 */
    size_t count;
};

/* One way of seeing a model's answers to the targets: with the codes under its mask, and possibly without some columns.
 */
struct dkvb__view {
    const uint16_t *codes;  /* [targets][codebooks][k] */
    const uint8_t *dropped; /* [classes] as of struct dkvb__answers, or NULL */
};

/* Settings of the shadow models, and the views through which the targets are seen. */
struct dkvb__shadowing {
    uint32_t shadows;         /* number of shadow models, even, at least 4 */
    uint64_t seed;            /* seed that decides which targets each shadow model learns */
    dkvb_train_options train; /* options of the model's training; shadow model s has seed + 1 + s */
    const struct dkvb__view *views;
    uint32_t views_count;
};

/*
 * Trains shadow models, and computes the margins of the targets in each. A shadow learns all rows that are no targets,
 * and half of the targets; the next shadow learns the other half, so each target is in exactly half of them. Shadows
 * share the keys, so nothing is searched: a shadow costs one training of the values, and every view one decoding.
 *
 * The model gives codebooks, classes, top_k, the type of values and the allocator; its values and mask are not used.
 * margins: double[views_count][shadows][count], see dkvb__audit_margins(); undefined after a failure. inside:
 * uint8_t[shadows][count], 1 where a shadow has learned a target. Progress counts shadows.
 *
 * Ranks of `run` deal out the shadows: each rank trains its own on its copy of the codes, and gets the margins of all.
 * Progress then counts the shadows of the rank.
 */
dkvb_status dkvb__audit_shadows(const dkvb_model *model, const struct dkvb__shadow_rows *rows,
                                const struct dkvb__shadowing *how, double *margins, uint8_t *inside,
                                const dkvb_run_options *run);

/*
 * The likelihood-ratio attack (LiRA, Carlini et al. 2022, arXiv 2112.03570, section 5, online). The attack asks whether
 * a margin comes from a model that learned the row or from one that did not. Both distributions are taken as normal,
 * with means and variances from the shadows; the score is the logarithm of the ratio of the two densities. With fewer
 * than 64 shadows, the variances of a single row would be noise, so the variance over all rows is used (section 6.2).
 *
 * margins: double[shadows][count], one view; inside: uint8_t[shadows][count], each target in at least 2 shadows and
 * absent from at least 2; observed: double[count], margins of the attacked model through the same view; scores:
 * double[count], undefined after a failure.
 */
dkvb_status dkvb__audit_lira(const double *margins, const uint8_t *inside, uint32_t shadows, size_t count,
                             const double *observed, double *scores);

#endif
