/*
 * Unlearning a class with no data at all. The logits of a row are sums of values, so a pair speaks for the class as far
 * as its value v for it is positive; and it speaks for that class rather than for others as far as v is a large part of
 * the whole value vector. Pairs with v > 0 are taken by v^2 / |v|, largest first: of the orders tried (the lead over
 * the next class, v alone, its share after a softmax, its cosine) the one that needs the fewest pairs
 * (docs/unlearning.md).
 */
#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/value_types.h"
#include "unlearn/choose.h"

/* v^4 / |v|^2, which comes in the same order as v^2 / |v| without a root; of the class to be forgotten that gives the
 * most. */
static double preference(const float *value, const uint8_t *marks, size_t classes)
{
    double squares = 0.0, best = 0.0;

    for (size_t l = 0; l < classes; l++) {
        double v = (double)value[l];

        squares += v * v;
        if (marks[l] == DKVB_FORGET && v > best)
            best = v;
    }
    return best > 0.0 ? best * best * best * best / squares : 0.0;
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
        scores[i] = dkvb__score_of(preference(value, choice->request.classes, m->classes));
    }
    dkvb__free(&m->mem, value);
    return DKVB_OK;
}

const struct dkvb__method dkvb__by_values = {"values", true, score};
