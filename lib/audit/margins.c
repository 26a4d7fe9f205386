#include "audit/margins.h"

#include <math.h>

#include "base/exact_math.h"
#include "base/status.h"

dkvb_status dkvb__check_dropped(const uint8_t *dropped, uint32_t classes)
{
    uint32_t left = 0;

    for (uint32_t l = 0; l < classes; l++)
        left += !dkvb__is_dropped(dropped, l);
    if (left < 2)
        return dkvb__fail(DKVB_EINVAL, "of %u classes %u are left, at least 2 are wanted", classes, left);
    return DKVB_OK;
}

dkvb_status dkvb__check_answers(const float *logits, const int32_t *labels, size_t n, uint32_t classes)
{
    for (size_t r = 0; r < n; r++) {
        if (labels[r] < 0 || (uint32_t)labels[r] >= classes)
            return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, 0 to %u is wanted", r, labels[r], classes - 1);
        for (uint32_t l = 0; l < classes; l++)
            if (!isfinite(logits[r * classes + l]))
                return dkvb__fail(DKVB_EINVAL, "logits: row %zu, class %u is not finite", r, l);
    }
    return DKVB_OK;
}

size_t dkvb__margin_column(const float *logits, int32_t label, uint32_t classes, const uint8_t *dropped)
{
    size_t best = classes;

    if (!dkvb__is_dropped(dropped, (size_t)label))
        return (size_t)label;
    for (size_t l = 0; l < classes; l++)
        if (!dropped[l] && (best == classes || logits[l] > logits[best]))
            best = l;
    return best;
}

double dkvb__margin(const float *logits, size_t column, uint32_t classes, const uint8_t *dropped)
{
    double most = -INFINITY, sum = 0.0;

    for (size_t l = 0; l < classes; l++)
        if (l != column && !dkvb__is_dropped(dropped, l) && (double)logits[l] > most)
            most = (double)logits[l];
    for (size_t l = 0; l < classes; l++)
        if (l != column && !dkvb__is_dropped(dropped, l))
            sum += dkvb__exp((double)logits[l] - most);
    return (double)logits[column] - most - dkvb__log(sum);
}

dkvb_status dkvb_audit_margins(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                               const uint8_t *dropped, double *margins)
{
    dkvb_status rc = dkvb__check_dropped(dropped, classes);

    if (!rc)
        rc = dkvb__check_answers(logits, labels, n, classes);
    for (size_t r = 0; !rc && r < n; r++) {
        const float *row = logits + r * classes;

        margins[r] = dkvb__margin(row, dkvb__margin_column(row, labels[r], classes, dropped), classes, dropped);
    }
    return rc;
}
