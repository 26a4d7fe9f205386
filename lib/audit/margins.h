#ifndef DKVB_AUDIT_MARGINS_H
#define DKVB_AUDIT_MARGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/* Margins of a model on rows whose class is known. */
struct dkvb__answers {
    const float *logits;   /* [n][classes], finite */
    const int32_t *labels; /* [n], 0 to classes - 1 */
    size_t n;
    uint32_t classes;
    const uint8_t *dropped; /* [classes], 1 = the column does not exist, and at least 2 are left; NULL: all exist */
};

/* DKVB_EINVAL unless at least two columns are left, every label is a class and every logit finite: the row is named. */
dkvb_status dkvb__answers_check(const struct dkvb__answers *a);

static inline bool dkvb__is_dropped(const struct dkvb__answers *a, size_t column)
{
    return a->dropped && a->dropped[column];
}

/* The label of a row, or the largest column that is left if the label's is dropped. */
size_t dkvb__margin_column(const struct dkvb__answers *a, size_t row);

/* logit[column] - log sum exp of the other columns that are left. */
double dkvb__margin(const struct dkvb__answers *a, size_t row, size_t column);

/*
 * How far each row's own class is ahead: log(p / (1 - p)) of the label's probability p, computed as
 *
 *     margin = logit[label] - log sum over the other classes of exp(logit)
 *
 * which does not saturate. The cross-entropy is log(1 + exp(-margin)), so a limit on the loss is a limit on the margin.
 * Members of a training set have larger margins (the loss attack of Yeom et al. 2018, arXiv 1709.01604). A row whose
 * own column is dropped is taken by the largest one that is left.
 *
 * margins: double[n], undefined on failure.
 */
dkvb_status dkvb__audit_margins(const struct dkvb__answers *a, double *margins);

#endif
