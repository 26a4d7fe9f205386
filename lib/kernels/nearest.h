/*
 * The vector kernels search the nearest keys in two steps: first the scores of all keys, then a ranking of the few keys
 * that can be among the k nearest. A kernel file (such as avx2.c) that includes nearest.h, which defines nearest(),
 * first defines the vector type and the functions of vectors that nearest.h uses.
 *
 * `lanes` is a vector of 16 numbers of 32 bits. `lanes_load(p)` loads a vector from memory, `lanes_store(p, v)` stores
 * one, `lanes_all(x)` sets all lanes to x, and `lanes_min(a, b)` takes the smaller number in each lane.
 * `lanes_gather(p, i)` loads p[i[0]], p[i[1]], … into the lanes of a vector. `lanes_count_above(count, v, x)` adds 1 to
 * `count` in each lane whose v is above x. `lanes_where_above(v, count, x)` returns v in each lane whose count is above
 * x, and INT32_MAX in the other lanes. `word_not_above(scores, x)` returns a bit for each of 64 scores, 1 if the score
 * is not above x. `first_bit(word)` returns the number of the lowest bit that is set in a word; 63 or 64 if none is.
 *
 * `score(scores, stride, rows, count, keys, norms, blocks, quads)` computes the scores of all blocks of keys for
 * `count` rows, 1 or DKVB__SCORE_ROWS; the number of blocks is a multiple of 4. SCORE_ZERO is the factor that stands
 * for a key's number 0 in the products that score() sums: 0 or DKVB__KEY_ZERO (64).
 */
#ifndef DKVB_KERNELS_NEAREST_H
#define DKVB_KERNELS_NEAREST_H

#include "kernels/kernels.h"

/*
 * The score of a key is the squared distance between row and key, minus a number that is the same for all keys of a
 * row. For a row r and a key k, stored as bytes s = -2 r and u = k + 64, the squared distance |r - k|^2 is |k|^2 + sum
 * k s + |r|^2, where sum k s = sum u s - 64 sum s and |r|^2 = sum s^2 / 4. score() starts from the key's squared norm
 * and adds, for each dimension, the row's byte s times the key's byte u = k + 64 if SCORE_ZERO is 64, or times the
 * key's number k if SCORE_ZERO is 0. All sums of a score are exact: sums of 4,096 dimensions stay below 2^27.
 */
static void row_constants(int32_t *constant, const int8_t *rows, size_t quads)
{
    for (size_t r = 0; r < DKVB__LANES; r++)
        constant[r] = 0;
    for (size_t q = 0; q < quads; q++) {
        int32_t quad[DKVB__LANES];

        memcpy(quad, rows + q * sizeof quad, sizeof quad);
#pragma omp simd
        for (size_t r = 0; r < DKVB__LANES; r++)
            for (unsigned shift = 0; shift < 32; shift += 8) {
                int32_t s = (int8_t)(quad[r] >> shift);

                constant[r] += s * s / 4 - SCORE_ZERO * s;
            }
    }
}

/* Returns the sum of two numbers of 32 bits, modulo 2^32. In a key's score, the sum of two numbers can wrap around if a
 * mapped file that was not verified holds bytes that no valid key has. */
static inline int32_t add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t lanes_least(lanes v)
{
    int32_t x[DKVB__LANES], least = INT32_MAX;

    lanes_store(x, v);
#pragma omp simd reduction(min : least)
    for (size_t l = 0; l < DKVB__LANES; l++)
        least = x[l] < least ? x[l] : least;
    return least;
}

/*
 * Returns a bound that the scores of at least k keys (the nearest) do not exceed. The keys are divided into 16 *
 * `vectors` groups, and the least score of each group is found; the bound is the smallest of the least scores of the
 * first 16 groups that has at least k - 1 others below it. With at least 2 k groups of keys, only a few more than k
 * scores do not exceed the bound. bound_of_groups() returns DKVB__ALIVE or more if there is no bound. bound_of_groups()
 * is inlined with a constant argument `vectors`, so that the least scores of all groups of keys stay in registers.
 * bound_of_groups() has no branch that depends on a score, as the processor could not predict the branch.
 */
static inline __attribute__((always_inline)) int32_t bound_of_groups(const int32_t *scores, size_t count, size_t k,
                                                                     size_t vectors)
{
    int32_t least[4 * DKVB__LANES];
    lanes low[4], below = lanes_all(0);

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
#pragma GCC unroll 16
    for (size_t i = 0; i < vectors * DKVB__LANES; i++)
        below = lanes_count_above(below, low[0], least[i]);
    return lanes_least(lanes_where_above(low[0], below, (int32_t)k - 2));
}

enum { MOST_BY_GROUPS = 32 };

static int32_t bound_of(const int32_t *scores, size_t count, size_t k)
{
    if (k <= 8)
        return bound_of_groups(scores, count, k, 1);
    return k <= 16 ? bound_of_groups(scores, count, k, 2) : bound_of_groups(scores, count, k, 4);
}

static int32_t least_of(const int32_t *scores, size_t count)
{
    lanes low = lanes_load(scores);

    for (size_t j = DKVB__LANES; j < count; j += DKVB__LANES)
        low = lanes_min(low, lanes_load(scores + j));
    return lanes_least(low);
}

/* Returns the k-th least score of all keys exactly, by bisection of the range that scores of live keys can span: 63,504
 * per group of four dimensions. If fewer than k keys are alive, kth_score() returns a bound on the scores of all live
 * keys. The bisection for the k-th least score takes some 20 passes over the scores, for every k. */
static int32_t kth_score(const int32_t *scores, size_t count, size_t k, size_t quads)
{
    int32_t below = add(least_of(scores, count), -1);

    for (int32_t step = 1 << (79 - __builtin_clzll(quads)); step > 0; step /= 2) {
        size_t found = 0;

        for (size_t j = 0; j < count; j += 64)
            found += (size_t)__builtin_popcountll(word_not_above(scores + j, add(below, step)));
        below = found < k ? add(below, step) : below;
    }
    return below < DKVB__ALIVE - 1 ? below + 1 : DKVB__ALIVE - 1;
}

/* The largest number of candidate keys that are ranked by counting. The buffer of candidate keys has room for
 * CANDIDATES keys, for one more word of 64 keys, and for two vectors of padding. */
enum { CANDIDATES = 128, CANDIDATES_ROOM = CANDIDATES + 64 + 2 * DKVB__LANES, TAKEN = 4 };

/* Collects the keys whose scores do not exceed the bound, until there are too many. In each word of 64 keys, the first
 * four keys within the bound are stored without a branch on their number, which the processor could not predict; more
 * than four are rare. */
static size_t collect(int32_t *key, const int32_t *scores, size_t count, int32_t bound)
{
    size_t found = 0;

    for (size_t j = 0; j < count && found <= CANDIDATES; j += 64) {
        uint64_t word = word_not_above(scores + j, bound);
        int32_t *to = key + found;

        found += (size_t)__builtin_popcountll(word);
#pragma GCC unroll 4
        for (size_t i = 0; i < TAKEN; i++, word &= word - 1)
            to[i] = (int32_t)j + first_bit(word);
        for (to += TAKEN; word; word &= word - 1)
            *to++ = (int32_t)j + first_bit(word);
    }
    lanes_store(key + found, lanes_all(key[0]));
    lanes_store(key + found + DKVB__LANES, lanes_all(key[0]));
    return found;
}

/*
 * Ranks the candidate keys, which are the few keys that can be among the k nearest, by their scores. Each candidate key
 * is represented by one number: the upper half is how far its score lies below the bound, the lower half is the key, so
 * that no two numbers are equal. The rank of a candidate key is the number of candidates that come before it. Copies of
 * the first candidate key pad the last vectors of candidates; the copies are not counted, and get the rank of the first
 * candidate. rank_candidates() stores how far each score lies below a bound in the upper half of a number; if one such
 * distance does not fit, the function ranks no key and returns false.
 */
static bool rank_candidates(int32_t *dist, uint16_t *index, size_t k, const int32_t *scores, const int32_t *key,
                            size_t found, int32_t bound, int32_t constant)
{
    int32_t packed[CANDIDATES], place[CANDIDATES], sorted[CANDIDATES], wide = 0;
    size_t padded = (found + 31) / 32 * 32;

    for (size_t i = 0; i < padded; i += DKVB__LANES)
        lanes_store(packed + i, lanes_gather(scores, key + i));
#pragma omp simd reduction(| : wide)
    for (size_t i = 0; i < padded; i++) {
        int32_t under = bound - packed[i];

        wide |= under;
        packed[i] = (int32_t)((uint32_t)key[i] - ((uint32_t)under << 16));
    }
    if (wide >> 15)
        return false;
    for (size_t v = 0; v < padded; v += 32) {
        lanes low = lanes_load(packed + v), high = lanes_load(packed + v + DKVB__LANES);
        lanes low_place = lanes_all(0), high_place = lanes_all(0);

        for (size_t i = 0; i < found; i++) {
            low_place = lanes_count_above(low_place, low, packed[i]);
            high_place = lanes_count_above(high_place, high, packed[i]);
        }
        lanes_store(place + v, low_place);
        lanes_store(place + v + DKVB__LANES, high_place);
    }
    for (size_t i = 0; i < padded; i++)
        sorted[place[i]] = packed[i];
    found = found < k ? found : k;
#pragma omp simd
    for (size_t i = 0; i < found; i++) {
        dist[i] = add(add(bound, constant), sorted[i] >> 16);
        index[i] = (uint16_t)sorted[i];
    }
    dkvb__top_clear(dist + found, index + found, k - found);
    return true;
}

static void select_nearest(int32_t *dist, uint16_t *index, size_t k, const int32_t *scores, size_t count, size_t quads,
                           int32_t constant)
{
    int32_t key[CANDIDATES_ROOM], bound = k <= MOST_BY_GROUPS ? bound_of(scores, count, k) : INT32_MAX;
    size_t found = bound < DKVB__ALIVE ? collect(key, scores, count, bound) : CANDIDATES + 1;

    if (found > CANDIDATES) {
        /* finding the k-th least score by bisection helps if many keys are equally far, many keys are dead, or k is
         * large */
        bound = kth_score(scores, count, k, quads);
        found = collect(key, scores, count, bound);
    }
    if (found <= CANDIDATES && rank_candidates(dist, index, k, scores, key, found, bound, constant))
        return;
    dkvb__top_clear(dist, index, k);
    for (size_t j = 0; j < count; j++)
        if (scores[j] <= bound)
            dkvb__top_insert(dist, index, k, add(scores[j], constant), j);
    dkvb__top_sort(dist, index, k);
}

/* Finds the first key with the least score, for searches of the single nearest key. */
static void select_one(int32_t *dist, uint16_t *index, const int32_t *scores, size_t count, int32_t constant)
{
    int32_t least = least_of(scores, count);
    uint64_t found = 0;
    size_t j = 0;

    dkvb__top_clear(dist, index, 1);
    if (least >= DKVB__ALIVE)
        return;
    for (; !found; j += 64)
        found = word_not_above(scores + j, least);
    *dist = add(least, constant);
    *index = (uint16_t)(j - 64 + (size_t)__builtin_ctzll(found));
}

static void nearest(const struct dkvb__lookup *l)
{
    size_t keys = l->words * 64;
    int32_t constant[DKVB__LANES];

    row_constants(constant, l->rows, l->quads);
    for (size_t r = 0, rows; r < l->n; r += rows) {
        rows = l->n - r > DKVB__SCORE_ROWS / 2 ? DKVB__SCORE_ROWS : 1;
        score(l->scores, keys, l->rows + r * 4, rows, l->keys, l->norms, l->words * 4, l->quads);
        for (size_t i = r; i < r + rows && i < l->n; i++)
            if (l->k == 1)
                select_one(l->dist + i, l->index + i, l->scores + (i - r) * keys, keys, constant[i]);
            else
                select_nearest(l->dist + i * l->k, l->index + i * l->k, l->k, l->scores + (i - r) * keys, keys,
                               l->quads, constant[i]);
    }
}

#endif
