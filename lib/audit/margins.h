#ifndef DKVB_AUDIT_MARGINS_H
#define DKVB_AUDIT_MARGINS_H

#include <stdbool.h>

#include "dkvb/audit.h"

/* DKVB_EINVAL unless at least two columns are left. */
dkvb_status dkvb__check_dropped(const uint8_t *dropped, uint32_t classes);

/* DKVB_EINVAL, naming the row, unless every label is a class and every logit finite. */
dkvb_status dkvb__check_answers(const float *logits, const int32_t *labels, size_t n, uint32_t classes);

static inline bool dkvb__is_dropped(const uint8_t *dropped, size_t column)
{
    return dropped && dropped[column];
}

/* The label, or the largest column that is left if the label's is dropped. */
size_t dkvb__margin_column(const float *logits, int32_t label, uint32_t classes, const uint8_t *dropped);

/* logit[column] - log sum exp of the other columns that are left. */
double dkvb__margin(const float *logits, size_t column, uint32_t classes, const uint8_t *dropped);

#endif
