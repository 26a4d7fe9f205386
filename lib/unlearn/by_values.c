/*
 * Unlearning a class with no data at all: a pair whose value prefers the class says by how much, so the pairs are taken
 * whose value puts a class that is to be forgotten furthest ahead of every other one.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/value_types.h"
#include "unlearn/choose.h"

/* By how much the best class to be forgotten leads the best other one; those put aside are neither. */
static double lead(const float *value, const uint8_t *marks, size_t classes)
{
    double best = 0.0, other = 0.0;
    bool any = false, any_other = false;

    for (size_t l = 0; l < classes; l++) {
        double v = (double)value[l];

        if (marks[l] == DKVB_FORGET && (!any || v > best)) {
            best = v;
            any = true;
        }
        if (marks[l] == DKVB_KEEP && (!any_other || v > other)) {
            other = v;
            any_other = true;
        }
    }
    return best - other;
}

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    const dkvb_model *m = choice->model;
    size_t pairs = dkvb__pair_count(m), size = m->classes * dkvb__value_size(m->values_dtype);
    float *value = dkvb__alloc(&m->mem, m->classes, sizeof *value);

    if (!value)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the values of %u classes", m->classes);
    for (size_t i = 0; i < pairs; i++) {
        dkvb__values_widen(value, (const char *)m->values + i * size, m->values_dtype, m->classes);
        scores[i] = dkvb__score_of(lead(value, choice->request.classes, m->classes));
    }
    dkvb__free(&m->mem, value);
    return DKVB_OK;
}

const struct dkvb__method dkvb__by_values = {"values", true, score};
