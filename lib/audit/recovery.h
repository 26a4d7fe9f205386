#ifndef DKVB_AUDIT_RECOVERY_H
#define DKVB_AUDIT_RECOVERY_H

#include "audit/margins.h"
#include "dkvb/memory.h"
#include "dkvb/model.h"

/*
 * The constant which, added to the logits of the target classes, makes the mean of the two accuracies largest, on rows
 * of these classes and on the others. Found exactly, by walking the gaps at which an answer changes; the lowest of
 * equals.
 *
 * Labels of -1 leave a row out; there must be rows of both kinds. target: uint8_t[classes], 1 = the constant is added;
 * not all and not none. *constant: the middle between two gaps.
 */
dkvb_status dkvb__audit_best_constant(const struct dkvb__answers *a, const uint8_t *target, double *constant,
                                      const dkvb_allocator *mem);

/* Scores from the mask alone: the share of each row's first codes that name pairs which are masked or purged in the
 * model. Rows that were forgotten, and rows like them, have larger ones. codes: uint16_t[n][codebooks][k], from before
 * the mask; scores: double[n], 0 to 1. */
dkvb_status dkvb__audit_mask_scores(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                    double *scores);

/* Rows of which a few are drawn: `per_class` of each class (all, if there are fewer). In a class that has rows marked
 * in `among`, only those are drawn from. */
struct dkvb__drawing {
    const int32_t *labels; /* [n], -1 = never drawn */
    const uint8_t *among;  /* [n], or NULL */
    size_t n;
    uint32_t classes;
    size_t per_class;
    uint64_t seed;
};

/* few: int32_t[n], the labels of rows that are drawn; every other one becomes -1. */
dkvb_status dkvb__audit_few_rows(const struct dkvb__drawing *d, int32_t *few, const dkvb_allocator *mem);

/* Rows whose classes are to be stood for by a few means. */
struct dkvb__grouping {
    const float *x; /* [n][dim] */
    size_t dim;
    const int32_t *labels; /* [n], -1 = takes no part */
    size_t n;
    uint32_t classes;
    size_t groups; /* number of groups of each class; a class of fewer rows has one group for each row */
    uint64_t seed;
};

/* Prototypes: the rows of each class, in random order, are dealt out to its groups in turn, and each group gives its
 * mean. means: float[classes * groups][dim]; mean_labels: int32_t[classes * groups], their classes, ascending; *count:
 * how many there are. All undefined on failure. */
dkvb_status dkvb__audit_prototypes(const struct dkvb__grouping *g, float *means, int32_t *mean_labels, size_t *count,
                                   const dkvb_allocator *mem);

#endif
