#include "audit/margins.h"

#include <math.h>

#include "base/exact_math.h"
#include "base/status.h"

dkvb_status dkvb__answers_check(const struct dkvb__answers *a)
{
    uint32_t left = 0;

    for (uint32_t l = 0; l < a->classes; l++)
        left += !dkvb__is_dropped(a, l);
    if (left < 2)
        return dkvb__fail(DKVB_EINVAL, "of %u classes %u are left, there must be at least 2", a->classes, left);
    for (size_t r = 0; r < a->n; r++) {
        if (a->labels[r] < 0 || (uint32_t)a->labels[r] >= a->classes)
            return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, it must be 0 to %u", r, a->labels[r],
                              a->classes - 1);
        for (uint32_t l = 0; l < a->classes; l++)
            if (!isfinite(a->logits[r * a->classes + l]))
                return dkvb__fail(DKVB_EINVAL, "logits: row %zu, class %u is not finite", r, l);
    }
    return DKVB_OK;
}

size_t dkvb__margin_column(const struct dkvb__answers *a, size_t row)
{
    const float *logits = a->logits + row * a->classes;
    size_t best = a->classes;

    if (!dkvb__is_dropped(a, (size_t)a->labels[row]))
        return (size_t)a->labels[row];
    for (size_t l = 0; l < a->classes; l++)
        if (!a->dropped[l] && (best == a->classes || logits[l] > logits[best]))
            best = l;
    return best;
}

double dkvb__margin(const struct dkvb__answers *a, size_t row, size_t column)
{
    const float *logits = a->logits + row * a->classes;
    double most = -INFINITY, sum = 0.0;

    for (size_t l = 0; l < a->classes; l++)
        if (l != column && !dkvb__is_dropped(a, l) && (double)logits[l] > most)
            most = (double)logits[l];
    for (size_t l = 0; l < a->classes; l++)
        if (l != column && !dkvb__is_dropped(a, l))
            sum += dkvb__exp((double)logits[l] - most);
    return (double)logits[column] - most - dkvb__log(sum);
}

dkvb_status dkvb__audit_margins(const struct dkvb__answers *a, double *margins)
{
    dkvb_status rc = dkvb__answers_check(a);

    for (size_t r = 0; !rc && r < a->n; r++)
        margins[r] = dkvb__margin(a, r, dkvb__margin_column(a, r));
    return rc;
}
