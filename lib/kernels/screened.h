/*
 * What the search of vector kernels shares: a product form screens, distances decide. A kernel file defines the five
 * below and then includes this one, which gives it nearest().
 *
 *     enum { SCREEN_ROWS = … };    rows screened at a time
 *     half_norms(h, word, count, dim)            h[j] = |key|^2 / 2 of the keys of `count` <= 4 blocks, rounded once;
 * returns the largest screen_word(q, word, h, limit, count, dim) bit b * SCREEN_ROWS + r: in block b some key has h -
 * q_r.key <= limit[r] block_distances(s, q, block, dim, below)   s[0 .. 15] = distances of one row to a block; returns
 * a bit for each that is less than `below` word_distances(s, q, word, dim, below)     s[0 .. 63] = the same for four
 * blocks at once
 */
#ifndef DKVB_KERNELS_SCREENED_H
#define DKVB_KERNELS_SCREENED_H

#include "kernels/kernels.h"

/*
 * Screening. With h = |key|^2 / 2 the product form v = h - q.key = (|q - key|^2 - |q|^2) / 2 takes one fused
 * multiply-add a dimension, half the work of a distance, but rounds otherwise. So it only decides which blocks are
 * looked at: a key that could win has v <= limit, and the distances of its block are then computed as always.
 *
 * The bound, with u = 2^-24: v is rounded d times and h once, and no intermediate exceeds h + |q||key| <= 2h + |q|^2 /
 * 2 (1 + d u), so v is wrong by at most about (d + 1) u (2h + |q|^2 / 2). A distance is wrong by at most about (d + 2)
 * u of itself. `limit` allows (d + 8) u of each, which leaves six units for second-order terms and for rounding `limit`
 * itself, and the smallest normal number a dimension for what underflows. Where lengths are so large that an
 * intermediate might overflow, nothing is screened.
 */
struct screen {
    double half_q;  /* |q|^2 / 2 */
    double allowed; /* share of rounding, (d + 8) u */
    double tiny;    /* d times the smallest normal number */
};

static struct screen screen_for(const float *q, size_t dim)
{
    struct screen s = {0.0, (double)(dim + 8) * 0x1p-24, (double)dim * 0x1p-126};

    for (size_t i = 0; i < dim; i++)
        s.half_q += 0.5 * (double)q[i] * (double)q[i];
    return s;
}

/* Largest v of a key that may be nearer than `best`, among keys whose h is at most `most_h`. */
static inline float screen_limit(const struct screen *s, float best, double most_h)
{
    double half = 0.5 * (double)best;

    if (!(2.0 * most_h + s->half_q < 0x1p120))
        return __builtin_inff();
    return (float)(half - s->half_q + s->allowed * (half + 2.0 * most_h + s->half_q) + s->tiny);
}

/* Insert those of the distances that `hits` names, lowest key first; each is looked at again, as the k-th best moves.
 */
static inline void offer(float *dist, uint16_t *index, size_t k, const float *s, uint64_t hits, size_t first)
{
    for (; hits; hits &= hits - 1) {
        size_t lane = (size_t)__builtin_ctzll(hits);

        if (s[lane] < dist[k - 1])
            dkvb__top_insert(dist, index, k, s[lane], first + lane);
    }
}

/* SCREEN_ROWS rows against the blocks of one word of `dead`: screen, and look closer at what passes. */
static void screened_rows(float *dist, uint16_t *index, const float *q, const struct screen *screens, const float *word,
                          const float *h, double most_h, size_t count, uint64_t live, size_t first, size_t dim,
                          size_t k)
{
    float limit[SCREEN_ROWS], s[DKVB__LANES];
    uint32_t hits;

    for (size_t r = 0; r < SCREEN_ROWS; r++)
        limit[r] = screen_limit(&screens[r], dist[r * k + k - 1], most_h);
    for (hits = screen_word(q, word, h, limit, count, dim); hits; hits &= hits - 1) {
        size_t bit = (size_t)__builtin_ctz(hits), b = bit / SCREEN_ROWS, r = bit % SCREEN_ROWS;
        uint64_t below = block_distances(s, q + r * dim, word + b * dim * DKVB__LANES, dim, dist[r * k + k - 1]);

        offer(dist + r * k, index + r * k, k, s, below & live >> (b * DKVB__LANES), first + b * DKVB__LANES);
    }
}

/* One row against the blocks of one word without screening: its preparation would cost as much. */
static void single_row(float *dist, uint16_t *index, size_t k, const float *q, const float *word, size_t count,
                       size_t dim, size_t first, uint64_t live)
{
    float s[4 * DKVB__LANES];
    uint64_t below = 0;

    if (count == 4)
        below = word_distances(s, q, word, dim, dist[k - 1]);
    for (size_t b = 0; count < 4 && b < count; b++)
        below |= (uint64_t)block_distances(s + b * DKVB__LANES, q, word + b * dim * DKVB__LANES, dim, dist[k - 1])
                 << (b * DKVB__LANES);
    offer(dist, index, k, s, below & live, first);
}

enum { PART_ROWS = 16 * SCREEN_ROWS }; /* whose screens lie on the stack: one such part after another */

/* Up to PART_ROWS rows; every word of keys is brought into cache once for all of them. */
static void nearest_part(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks,
                         const uint64_t *dead, size_t keys, size_t dim, size_t k)
{
    size_t block_count = dkvb__key_blocks(keys), whole = n / SCREEN_ROWS * SCREEN_ROWS;
    struct screen screens[PART_ROWS];

    for (size_t r = 0; r < whole; r++)
        screens[r] = screen_for(q + r * dim, dim);
    for (size_t w = 0; w < dkvb__key_words(keys); w++) {
        size_t count = block_count - 4 * w < 4 ? block_count - 4 * w : 4, first = w * 64;
        const float *word = blocks + first * dim;
        float h[64];
        double most_h;

        if (~dead[w] == 0)
            continue;
        most_h = whole > 0 ? half_norms(h, word, count, dim) : 0.0;
        for (size_t r = 0; r < whole; r += SCREEN_ROWS)
            screened_rows(dist + r * k, index + r * k, q + r * dim, screens + r, word, h, most_h, count, ~dead[w],
                          first, dim, k);
        for (size_t r = whole; r < n; r++)
            single_row(dist + r * k, index + r * k, k, q + r * dim, word, count, dim, first, ~dead[w]);
    }
}

static void nearest(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, const uint64_t *dead,
                    size_t keys, size_t dim, size_t k)
{
    for (size_t r = 0; r < n; r++)
        dkvb__top_clear(dist + r * k, index + r * k, k);
    for (size_t r = 0; r < n; r += PART_ROWS)
        nearest_part(dist + r * k, index + r * k, q + r * dim, n - r < PART_ROWS ? n - r : PART_ROWS, blocks, dead,
                     keys, dim, k);
    for (size_t r = 0; r < n; r++)
        dkvb__top_finish(dist + r * k, index + r * k, k, dead, keys);
}

#endif
