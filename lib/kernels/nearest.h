/*
 * The search of vector kernels: scores of all keys first, then the few that can be among the k nearest. A kernel file
 * defines these before it includes this header, which gives it nearest():
 */
/* clang-format off */
/*
 *     lanes                                         16 numbers of 32 bits
 *     lanes_load(p), lanes_store(p, v), lanes_min(a, b)
 *     lanes_below(v, x), lanes_not_above(v, x)      a bit for each lane that is < x, or <= x
 *     score_rows(scores, stride, rows, keys, norms, quads)   scores of 8 rows and two blocks
 *     score_row(scores, rows, keys, norms, quads)            scores of one row and four blocks
 */
/* clang-format on */
#ifndef DKVB_KERNELS_NEAREST_H
#define DKVB_KERNELS_NEAREST_H

#include "kernels/kernels.h"

/*
 * A score is the squared distance less what is the same for all keys of a row. With row r, key k, and what is stored,
 * s = -2 r and u = k + 64:
 *
 *     |r - k|^2 = |k|^2 + sum u s + (|r|^2 + 128 sum r),   128 sum r = -64 sum s,   |r|^2 = sum s^2 / 4
 *
 * so a score starts from the key's norm and adds products of bytes. All sums are exact: at 4,096 dimensions they stay
 * below 2^27.
 */
static int32_t row_constant(const int8_t *rows, size_t r, size_t quads)
{
    int32_t sum = 0;

    for (size_t q = 0; q < quads; q++)
        for (size_t i = 0; i < 4; i++) {
            int32_t s = rows[(q * DKVB__LANES + r) * 4 + i];

            sum += s * s / 4 - DKVB__KEY_ZERO * s;
        }
    return sum;
}

/* Sums wrap around where a mapped file that nobody verified holds bytes that no key has. */
static inline int32_t add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* Candidates that are ranked by counting; where there are more, as when many keys are equally far, they are inserted
 * one by one. Least scores are kept in so many groups of lanes: twice as many as keys are wanted leaves few more
 * candidates than wanted keys. */
enum { CANDIDATES = 128, LEAST_VECTORS = 4 };

/*
 * The least scores of 16 `vectors` groups of keys, twice k groups and more, give the bound: the least of them that k of
 * them do not exceed. Only the first half of them is looked at, which costs a candidate or two; it is k and more, so it
 * holds one that is not among the k - 1 least. `vectors` is a constant where this is inlined, so that all of them are
 * registers. No branch depends on a score: none could be foreseen.
 */
static inline __attribute__((always_inline)) int32_t bound_of_groups(const int32_t *scores, size_t count, size_t k,
                                                                     size_t vectors)
{
    int32_t least[LEAST_VECTORS * DKVB__LANES], bound = DKVB__ALIVE - 1;
    lanes low[LEAST_VECTORS];

#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++)
        low[v] = lanes_load(scores + v * DKVB__LANES);
    for (size_t j = vectors * DKVB__LANES; j < count; j += vectors * DKVB__LANES)
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++)
            low[v] = lanes_min(low[v], lanes_load(scores + j + v * DKVB__LANES));
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++)
        lanes_store(least + v * DKVB__LANES, low[v]);
    for (size_t i = 0; i < vectors * DKVB__LANES / 2; i++) {
        size_t lower = 0;
        int32_t candidate;

#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++)
            lower += (size_t)__builtin_popcount(lanes_not_above(low[v], least[i]));
        candidate = lower >= k ? least[i] : INT32_MAX;
        bound = candidate < bound ? candidate : bound;
    }
    return bound;
}

/* A bound that at least k live scores do not exceed, if so many are alive. */
static int32_t bound_of(const int32_t *scores, size_t count, size_t k)
{
    if (k <= DKVB__LANES / 2)
        return bound_of_groups(scores, count, k, 1);
    if (k <= DKVB__LANES)
        return bound_of_groups(scores, count, k, 2);
    return k <= LEAST_VECTORS * DKVB__LANES / 2 ? bound_of_groups(scores, count, k, LEAST_VECTORS) : DKVB__ALIVE - 1;
}

/* Each candidate's place is the number of candidates before it: nearer ones, and equally near ones of a lower key. */
static inline void rank_candidates(int32_t *dist, uint16_t *index, size_t k, const int32_t *scores, const int32_t *key,
                                   size_t count, int32_t constant)
{
    size_t vectors = (count + DKVB__LANES - 1) / DKVB__LANES;
    int32_t score[CANDIDATES], ranked[CANDIDATES];
    uint16_t ranked_key[CANDIDATES];

    for (size_t i = 0; i < count; i++)
        score[i] = scores[key[i]];
    for (size_t i = count; i < vectors * DKVB__LANES; i++)
        score[i] = INT32_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t own = i / DKVB__LANES, place = 0, v = 0;
        lanes all = lanes_load(score + own * DKVB__LANES);
        uint32_t below = lanes_below(all, score[i]);

        place = (size_t)__builtin_popcount(below | (lanes_not_above(all, score[i]) & ((1u << i % DKVB__LANES) - 1)));
        for (; v < own; v++)
            place += (size_t)__builtin_popcount(lanes_not_above(lanes_load(score + v * DKVB__LANES), score[i]));
        for (v++; v < vectors; v++)
            place += (size_t)__builtin_popcount(lanes_below(lanes_load(score + v * DKVB__LANES), score[i]));
        ranked[place] = add(score[i], constant);
        ranked_key[place] = (uint16_t)key[i];
    }
    count = count < k ? count : k;
    for (size_t i = 0; i < count; i++) {
        dist[i] = ranked[i];
        index[i] = ranked_key[i];
    }
    dkvb__top_clear(dist + count, index + count, k - count);
}

/* The first key with the least score. */
static void select_one(int32_t *dist, uint16_t *index, const int32_t *scores, size_t count, int32_t constant)
{
    lanes low = lanes_load(scores);
    int32_t least[DKVB__LANES], bound = DKVB__ALIVE - 1;
    uint32_t found = 0;
    size_t j = 0;

    for (j = DKVB__LANES; j < count; j += DKVB__LANES)
        low = lanes_min(low, lanes_load(scores + j));
    lanes_store(least, low);
    for (size_t l = 0; l < DKVB__LANES; l++)
        bound = least[l] < bound ? least[l] : bound;
    for (j = 0; !found && j < count; j += DKVB__LANES)
        found = lanes_not_above(lanes_load(scores + j), bound);
    *dist = INT32_MAX;
    *index = 0xFFFF;
    if (found) {
        j += (size_t)__builtin_ctz(found) - DKVB__LANES;
        *dist = add(scores[j], constant);
        *index = (uint16_t)j;
    }
}

/* Numbers of the keys of a word whose scores are not above the bound. The first four are stored without looking how
 * many there are, since that could not be foreseen; more are rare. */
static inline size_t collect_word(int32_t *key, const int32_t *scores, int32_t bound, int32_t first)
{
    uint64_t found = (uint64_t)lanes_not_above(lanes_load(scores), bound) |
                     (uint64_t)lanes_not_above(lanes_load(scores + 16), bound) << 16 |
                     (uint64_t)lanes_not_above(lanes_load(scores + 32), bound) << 32 |
                     (uint64_t)lanes_not_above(lanes_load(scores + 48), bound) << 48;
    size_t count = (size_t)__builtin_popcountll(found);

#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        key[i] = first + __builtin_ctzll(found | (uint64_t)1 << 63);
        found &= found - 1;
    }
    for (size_t i = 4; i < count; i++, found &= found - 1)
        key[i] = first + __builtin_ctzll(found);
    return count;
}

static void select_nearest(int32_t *dist, uint16_t *index, size_t k, const int32_t *scores, size_t count,
                           int32_t constant)
{
    int32_t key[CANDIDATES + 64], bound = bound_of(scores, count, k);
    size_t found = 0, j = 0;

    for (; j < count && found <= CANDIDATES; j += 64)
        found += collect_word(key + found, scores + j, bound, (int32_t)j);
    if (found <= CANDIDATES) {
        rank_candidates(dist, index, k, scores, key, found, constant);
        return;
    }
    dkvb__top_clear(dist, index, k);
    for (j = 0; j < count; j++)
        if (scores[j] <= bound)
            dkvb__top_insert(dist, index, k, add(scores[j], constant), j);
}

static void nearest(const struct dkvb__lookup *l)
{
    size_t keys = l->words * 64, block = l->quads * DKVB__LANES * 4;

    for (size_t r = 0, rows; r < l->n; r += rows) {
        const int8_t *at = l->rows + r * 4;

        rows = l->n - r > DKVB__SCORE_ROWS / 2 ? DKVB__SCORE_ROWS : 1;
        if (rows == 1)
            for (size_t b = 0; b < l->words * 4; b += 4)
                score_row(l->scores + b * DKVB__LANES, at, l->keys + b * block, l->norms + b * DKVB__LANES, l->quads);
        else
            for (size_t b = 0; b < l->words * 4; b += 2)
                score_rows(l->scores + b * DKVB__LANES, keys, at, l->keys + b * block, l->norms + b * DKVB__LANES,
                           l->quads);
        for (size_t i = 0; i < rows && r + i < l->n; i++) {
            int32_t *dist = l->dist + (r + i) * l->k, constant = row_constant(l->rows, r + i, l->quads);
            uint16_t *index = l->index + (r + i) * l->k;

            if (l->k == 1)
                select_one(dist, index, l->scores + i * keys, keys, constant);
            else
                select_nearest(dist, index, l->k, l->scores + i * keys, keys, constant);
        }
    }
}

#endif
