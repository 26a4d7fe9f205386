#include "format/valued.h"

#include <string.h>

#include "base/bytes.h"
#include "bottleneck/value_types.h"

/* A model file leaves out rows of values that are all 0 only if they are at least one in 16 (SHARE) of all rows of
 * values; at least one row in 16 is always stored. */
enum { SHARE = 16 };

bool dkvb__valued_pays(const struct dkvb__shape *s, size_t row, size_t stored)
{
    size_t pairs = (size_t)s->codebooks * s->keys, left_out = pairs - stored;

    return left_out >= (pairs + SHARE - 1) / SHARE && left_out * row > dkvb__word_count(s) * sizeof(uint64_t);
}

size_t dkvb__valued_least(size_t pairs)
{
    return (pairs + SHARE - 1) / SHARE;
}

/* True if all bytes of a row of values are 0. Rows of values are compared as bytes, so that a row with a -0 is stored,
 * and a model is loaded exactly as it was saved. */
static bool is_blank(const char *row, size_t size)
{
    return row[0] == 0 && memcmp(row, row + 1, size - 1) == 0;
}

static uint64_t *word_of(const struct dkvb__shape *s, uint64_t *bits, size_t pair)
{
    return bits + pair / s->keys * dkvb__key_words(s->keys) + pair % s->keys / 64;
}

static bool has(const struct dkvb__shape *s, const uint64_t *bits, size_t pair)
{
    return dkvb__bit(bits + pair / s->keys * dkvb__key_words(s->keys), pair % s->keys);
}

dkvb_status dkvb__valued_choose(const dkvb_model *m, uint64_t *bits, size_t *count)
{
    const struct dkvb__shape *s = &m->codebooks->shape;
    size_t pairs = dkvb__pair_count(m), row = m->classes * dkvb__value_size(m->values_dtype), stored = 0;
    size_t own = dkvb__first_pair(m), end = own + dkvb__own_pairs(m), first[DKVB_RANKS_COUNT + 1];
    dkvb_status rc;

    memset(bits, 0, dkvb__word_count(s) * sizeof *bits);
    for (size_t pair = own; pair < end; pair++)
        if (!is_blank(dkvb__values_of(m, pair), row))
            *word_of(s, bits, pair) |= (uint64_t)1 << (pair % s->keys % 64);
    dkvb__pairs_of_ranks(m, first);
    for (uint32_t r = 0; r <= m->codebooks->ranks.count; r++)
        first[r] /= s->keys;
    rc = dkvb__ranks_share(&m->codebooks->ranks, bits, first, dkvb__key_words(s->keys) * sizeof *bits);
    if (rc)
        return rc;
    for (size_t w = 0; w < dkvb__word_count(s); w++)
        stored += (size_t)__builtin_popcountll(bits[w]);
    for (size_t pair = 0; stored < dkvb__valued_least(pairs); pair++)
        if (!has(s, bits, pair)) {
            *word_of(s, bits, pair) |= (uint64_t)1 << (pair % s->keys % 64);
            stored++;
        }
    *count = dkvb__valued_pays(s, row, stored) ? stored : pairs;
    return DKVB_OK;
}

dkvb_status dkvb__valued_produce(void *walk, uint64_t offset, void *to, size_t size)
{
    struct dkvb__valued_rows *w = walk;
    size_t row = w->model->classes * dkvb__value_size(w->model->values_dtype);

    (void)offset;
    for (char *at = to, *end = at + size; at < end; w->pair++)
        if (has(&w->model->codebooks->shape, w->bits, w->pair)) {
            memcpy(at, (const char *)w->model->values + w->pair * row, row);
            at += row;
        }
    return DKVB_OK;
}

size_t dkvb__valued_spread(const struct dkvb__shape *s, const uint64_t *bits, size_t stored, size_t row, char *values)
{
    size_t pairs = (size_t)s->codebooks * s->keys, wrong = pairs;
    const char *from = values + (pairs - stored) * row;
    bool left_out = false, least = stored == dkvb__valued_least(pairs);

    /* Moving rows of values to their places within the array overwrites no row too early: from each key-value pair on,
     * there are at least as many places as rows still to move. */
    for (size_t pair = 0; pair < pairs; pair++) {
        char *to = values + pair * row;

        if (!has(s, bits, pair)) {
            memset(to, 0, row);
            left_out = true;
            continue;
        }
        memmove(to, from, row);
        from += row;
        if (wrong == pairs && (left_out || !least) && is_blank(to, row))
            wrong = pair;
    }
    return wrong;
}
