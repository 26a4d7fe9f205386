/*
 * The forgetting method `values` chooses the pairs to mask for a class without any data, from the model's values alone.
 * The logits of a row are the sums of the values that the row selects. A key-value pair supports the class to be
 * forgotten if its value v for the class is positive, and supports this class more than others if v is a large part of
 * the whole value vector. Key-value pairs with a positive value v for the class to be forgotten are masked in
 * descending order of v^2 / |v|, where |v| is the norm of the pair's value vector. Other scores of a pair were tried
 * (the value's lead over the next class, the value alone, its softmax, its cosine), but v^2 / |v| needs the fewest
 * masked pairs (docs/unlearning.md). The norm |v| of a pair's value vector leaves out classes that were forgotten
 * before, as pairs that support these classes may be masked too.
 */
#include "base/alloc.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/value_types.h"
#include "unlearn/choose.h"

/* Returns the score of a key-value pair, the largest over the classes to be forgotten of v^4 / |v|^2, with v the pair's
 * value for a class and |v| the norm of its values; v^4 / |v|^2 sorts like v^2 / |v| but needs no root. */
static double preference(const float *value, const uint8_t *marks, size_t classes)
{
    double squares = 0.0, best = 0.0;

    for (size_t l = 0; l < classes; l++) {
        double v = marks[l] == DKVB_ASIDE ? 0.0 : (double)value[l];

        squares += v * v;
        if (marks[l] == DKVB_FORGET && v > best)
            best = v;
    }
    return best > 0.0 ? best * best * best * best / squares : 0.0;
}

struct scoring {
    const struct dkvb__choice *choice;
    uint64_t *scores; /* scores by which key-value pairs are chosen to be masked, [codebooks][keys] */
    float *value;     /* scratch space for the values of one key-value pair, [threads][classes] */
};

static void score_codebook(void *context, size_t own, unsigned worker)
{
    const struct scoring *s = context;
    const dkvb_model *m = s->choice->model;
    size_t keys = m->codebooks->shape.keys, first = dkvb__first_pair(m) + own * keys;
    float *value = s->value + (size_t)worker * m->classes;

    for (size_t i = first; i < first + keys; i++) {
        dkvb__widen(value, dkvb__values_of(m, i), m->values_dtype, m->classes);
        s->scores[i] = dkvb__score_of(preference(value, s->choice->request.classes, m->classes));
    }
}

static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    const dkvb_model *m = choice->model;
    struct scoring s = {choice, scores, dkvb__alloc(&m->mem, choice->run->threads, m->classes * sizeof(float))};

    size_t first[DKVB_RANKS_COUNT + 1];
    dkvb_status rc = DKVB_OK;

    if (!s.value)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the values of %u classes", m->classes);
    rc = dkvb__ranks_agree(&m->codebooks->ranks, rc);
    if (!rc) {
        dkvb__parallel(choice->run, m->end_codebook - m->first_codebook, score_codebook, &s);
        dkvb__pairs_of_ranks(m, first);
        rc = dkvb__ranks_share(&m->codebooks->ranks, scores, first, sizeof *scores);
    }
    dkvb__free(&m->mem, s.value);
    return rc;
}

const struct dkvb__method dkvb__by_values = {true, score};
