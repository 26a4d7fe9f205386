#ifndef DKVB_AUDIT_RECOVERY_H
#define DKVB_AUDIT_RECOVERY_H

#include "audit/margins.h"
#include "dkvb/memory.h"
#include "dkvb/model.h"

/*
 * Finds the constant that, added to the logits of the target classes, makes the mean of two accuracies largest: that on
 * rows of these classes, and that on all other rows. The search is exact, as it walks the gaps at which an answer
 * changes. Of equal constants the search takes the lowest.
 *
 * Rows with label -1 are left out; there must be rows of both kinds. target: uint8_t[classes], 1 = the constant is
 * added; some classes must be 1 and some 0. *constant: the middle between two gaps.
 */
dkvb_status dkvb__audit_best_constant(const struct dkvb__answers *a, const uint8_t *target, double *constant,
                                      const dkvb_allocator *mem);

/* Computes scores from the mask alone: the share of each row's first codes that name masked or purged pairs of the
 * model. Forgotten rows, and rows like them, have larger scores. codes: uint16_t[n][codebooks][k], from before the
 * mask; scores: double[n], 0 to 1. */
dkvb_status dkvb__audit_mask_scores(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                    double *scores);

/* Rows of which a few are drawn: `per_class` of each class (all, if there are fewer). If rows of a class are marked in
 * `among`, only these are drawn from. */
struct dkvb__drawing {
    const int32_t *labels; /* [n], -1 = never drawn */
    const uint8_t *among;  /* [n], or NULL */
    size_t n;
    uint32_t classes;
    size_t per_class;
    uint64_t seed;
};

/* Draws the rows. few: int32_t[n], the labels of the drawn rows, and -1 for all others. */
dkvb_status dkvb__audit_few_rows(const struct dkvb__drawing *d, int32_t *few, const dkvb_allocator *mem);

/* Rows whose classes will be represented by a few means. */
struct dkvb__grouping {
    const float *x; /* [n][dim] */
    size_t dim;
    const int32_t *labels; /* [n], -1 = the row is left out */
    size_t n;
    uint32_t classes;
    size_t groups; /* number of groups of each class; a class of fewer rows has one group for each row */
    uint64_t seed;
};

/* Computes prototypes: the rows of each class, in random order, are dealt out to its groups in turn, and the mean of
 * each group is a prototype. means: float[classes * groups][dim]; mean_labels: int32_t[classes * groups], their
 * classes, ascending; *count: their number. All outputs are undefined after a failure. */
dkvb_status dkvb__audit_prototypes(const struct dkvb__grouping *g, float *means, int32_t *mean_labels, size_t *count,
                                   const dkvb_allocator *mem);

#endif
