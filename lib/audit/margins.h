#ifndef DKVB_AUDIT_MARGINS_H
#define DKVB_AUDIT_MARGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/* Answers of a model to rows whose class is known. */
struct dkvb__answers {
    const float *logits;   /* [n][classes], finite */
    const int32_t *labels; /* [n], 0 to classes - 1 */
    size_t n;
    uint32_t classes;
    const uint8_t *dropped; /* [classes], 1 = the column is left out, and at least 2 remain; NULL: all remain */
};

/* Returns DKVB_EINVAL unless at least two columns remain, every label is a class and every logit is finite. The message
 * names the row. */
dkvb_status dkvb__answers_check(const struct dkvb__answers *a);

static inline bool dkvb__is_dropped(const struct dkvb__answers *a, size_t column)
{
    return a->dropped && a->dropped[column];
}

/* Returns the label of a row, or the largest remaining column if the label's own is left out. */
size_t dkvb__margin_column(const struct dkvb__answers *a, size_t row);

/* The margin logit[column] - log sum exp of the other remaining columns. */
double dkvb__margin(const struct dkvb__answers *a, size_t row, size_t column);

/*
 * The margins of rows, by which each row's own class is ahead: log(p / (1 - p)) of the label's probability p, computed
 * as
 *
 *     margin = logit[label] - log sum over the other classes of exp(logit)
 *
 * which does not saturate. The cross-entropy is log(1 + exp(-margin)), so a limit on the loss is a limit on the margin.
 * Members of a training set have larger margins (the loss attack of Yeom et al. 2018, arXiv 1709.01604). If a row's own
 * column is left out, its largest remaining column is used.
 *
 * margins: double[n], undefined after a failure.
 */
dkvb_status dkvb__audit_margins(const struct dkvb__answers *a, double *margins);

#endif
