#ifndef DKVB_AUDIT_RECOVERY_H
#define DKVB_AUDIT_RECOVERY_H

#include "audit/margins.h"
#include "dkvb/memory.h"
#include "dkvb/model.h"

/*
 * Finds the constant that, added to the logits of the target classes, makes the mean of two accuracies largest: the
 * accuracy on rows of the target classes, and the accuracy on all other rows. The best constant to add to the logits is
 * found exactly, as the search walks through all constants at which the prediction of a row changes. Among equally good
 * constants to add to the logits, the search takes the lowest.
 *
 * Rows with label -1 do not count when the best constant is searched; of the other rows, some must belong to target
 * classes and some must not. The target classes, to whose logits the searched constant is added, are marked with 1 in
 * `target`, uint8_t[classes]; some classes must be 1 and some 0. The best constant to add to the logits of target
 * classes, stored in *constant, lies in the middle between two neighbouring gaps (constants at which the prediction of
 * a row changes).
 */
dkvb_status dkvb__audit_best_constant(const struct dkvb__answers *a, const uint8_t *target, double *constant,
                                      const dkvb_allocator *mem);

/* Computes scores from the mask alone: the fraction of each row's codes that name masked or purged key-value pairs of
 * the model. Forgotten rows, and rows like them, select more masked pairs and so get larger scores than other rows. The
 * array `codes`, uint16_t[n][codebooks][k], has the rows' codes, searched before the mask was set; the array `scores`,
 * double[n], gets a score from 0 to 1 for each row. */
dkvb_status dkvb__audit_mask_scores(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                    double *scores);

/* Labelled rows from which dkvb__audit_few_rows() draws `per_class` rows of each class, or all rows of a class that has
 * fewer. If any row of a class is marked in the array `among`, only marked rows of the class are drawn. */
struct dkvb__drawing {
    const int32_t *labels; /* labels of the rows to draw from, [n]; a row with label -1 is never drawn */
    /* marks of the rows that are drawn in preference to other rows of their class, [n], or NULL */
    const uint8_t *among;
    size_t n;
    uint32_t classes;
    size_t per_class;
    uint64_t seed;
};

/* Draws a few rows of each class for the relearning attack. The array `few`, int32_t[n], gets the labels of the drawn
 * rows, and -1 for all other rows. */
dkvb_status dkvb__audit_few_rows(const struct dkvb__drawing *d, int32_t *few, const dkvb_allocator *mem);

/* Rows with labels whose classes will be represented by prototypes, which are means of rows. */
struct dkvb__grouping {
    const float *x; /* features of the rows whose means become prototypes, [n][dim] */
    size_t dim;
    const int32_t *labels; /* labels of the rows to average, [n], -1 = the row is left out */
    size_t n;
    uint32_t classes;
    /* number of groups into which the rows of each class are divided; each group gives one prototype, and a class with
     * fewer rows has one group per row */
    size_t groups;
    uint64_t seed;
};

/* Computes prototypes (means of rows): the rows of each class, in random order, are dealt out to its groups in turn,
 * and the mean of each group is a prototype. The prototypes go to `means`, float[classes * groups][dim], their
 * ascending classes to `mean_labels`, int32_t[classes * groups], and their number to *count. If computing prototypes
 * (means of rows) fails, the prototypes and their labels are undefined. */
dkvb_status dkvb__audit_prototypes(const struct dkvb__grouping *g, float *means, int32_t *mean_labels, size_t *count,
                                   const dkvb_allocator *mem);

#endif
