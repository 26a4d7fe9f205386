#ifndef DKVB_AUDIT_MARGINS_H
#define DKVB_AUDIT_MARGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/* Answers of a model to rows whose class is known. */
struct dkvb__answers {
    const float *logits;   /* finite logits of the answered rows, [n][classes] */
    const int32_t *labels; /* labels of the answered rows, [n], from 0 to classes - 1 */
    size_t n;
    uint32_t classes;
    /* marks of logit columns, [classes], 1 = the column is left out of a row's logits; at least 2 columns remain; NULL:
     * all columns remain */
    const uint8_t *dropped;
};

/* Returns DKVB_EINVAL unless the answers keep at least two logit columns, every label is a class and every logit is
 * finite. If the answers are refused, the error message names the row whose label is no class or whose logits are not
 * finite. */
dkvb_status dkvb__answers_check(const struct dkvb__answers *a);

static inline bool dkvb__is_dropped(const struct dkvb__answers *a, size_t column)
{
    return a->dropped && a->dropped[column];
}

/* Returns the label of a row, or, if the label's own logit column is left out, the class with the largest remaining
 * logit. */
size_t dkvb__margin_column(const struct dkvb__answers *a, size_t row);

/* Returns the margin of a class in a row's answer: the logit of `column` - log(sum of exp over the logits of the other
 * remaining columns). */
double dkvb__margin(const struct dkvb__answers *a, size_t row, size_t column);

/*
 * Computes the margin of each row, by which the class of the row's label is ahead of all others. The margin is log(p /
 * (1 - p)) of the label's probability p, computed as logit[label] - log(sum of exp(logit) over the other classes),
 * which does not saturate for large logits. A row's cross-entropy is log(1 + exp(-margin)), so a limit on the loss of
 * rows is a limit on their margins. Members of a training set have larger margins than non-members (the loss attack of
 * Yeom et al. 2018, arXiv 1709.01604). If the logit column of a row's label is left out, the margin of the largest
 * remaining column is used in its place.
 *
 * The array `margins`, double[n], gets the margins of the rows; its contents are undefined if computing margins fails.
 */
dkvb_status dkvb__audit_margins(const struct dkvb__answers *a, double *margins);

#endif
