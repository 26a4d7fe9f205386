/*
 * What the search of vector kernels shares: a product form screens all keys, distances decide among the few that are
 * left. A kernel file defines these before it includes this header, which gives it nearest():
 */
/* clang-format off */
/*
 *     enum { SCREEN_ROWS = …, SCREEN_LANES = … };  rows screened at a time; floats in a vector
 *     half_norms(h, word, count, dim)              h[j] = |key|^2 / 2 of the keys of `count` blocks, rounded once
 *     least_products(low, stride, q, word, h, dim) low[r * stride + l] = the least h - q_r.key in lane l of four blocks
 *     products_lower(to, low)                      to[l] = the lower of both
 *     products_least(low, n)                       the least of n times SCREEN_LANES numbers
 *     products_not_above(low, limit)               whether any of SCREEN_LANES numbers is not above the limit
 *     block_distances(s, q, block, dim, most)      s[0 .. 15] = distances of one row to a block; a bit for each <= most
 *     word_distances(s, q, word, dim, most)        s[0 .. 63] = the same for four blocks at once
 */
/* clang-format on */
#ifndef DKVB_KERNELS_SCREENED_H
#define DKVB_KERNELS_SCREENED_H

#include <math.h>
#include <string.h>

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
    double sums[4] = {0.0}; /* side by side: one would wait for itself */
    size_t i = 0;

    for (; i + 4 <= dim; i += 4)
        for (size_t l = 0; l < 4; l++)
            sums[l] += (double)q[i + l] * (double)q[i + l];
    for (; i < dim; i++)
        sums[0] += (double)q[i] * (double)q[i];
    s.half_q = 0.5 * (sums[0] + sums[1] + sums[2] + sums[3]);
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

/* A distance that keys of product v or less do not exceed: what to ask for when nothing has been found yet. Rounding of
 * v and of the distance are each covered by the error that screen_limit() allows. */
static inline float screen_distance(const struct screen *s, float v, double most_h)
{
    double half = (double)v + s->half_q;
    double error = s->allowed * (fabs(half) + 2.0 * most_h + s->half_q) + s->tiny;

    if (!(2.0 * most_h + s->half_q < 0x1p120 && half < 0x1p120))
        return __builtin_inff();
    return (float)(2.0 * (half + 3.0 * error));
}

/* Insert those of the distances that `hits` names. Words come in any order: of equal distances the lower key wins. */
static inline void offer(float *dist, uint16_t *index, size_t k, const float *s, uint64_t hits, size_t first)
{
    for (; hits; hits &= hits - 1) {
        size_t lane = (size_t)__builtin_ctzll(hits), key = first + lane;

        if (s[lane] < dist[k - 1] || (s[lane] == dist[k - 1] && key < index[k - 1] && s[lane] < __builtin_inff()))
            dkvb__top_insert(dist, index, k, s[lane], key);
    }
}

/* Distances of one row to the blocks of a word that hold any of `keys`, bits of the live keys to look at. */
static inline void look_closer(float *dist, uint16_t *index, size_t k, const float *q, const float *word, size_t dim,
                               size_t first, uint64_t keys)
{
    float s[DKVB__LANES];

    for (size_t b = 0; b < 4; b++) {
        uint64_t part = keys >> (b * DKVB__LANES) & 0xFFFF;

        if (part)
            offer(dist, index, k, s, part & block_distances(s, q, word + b * dim * DKVB__LANES, dim, dist[k - 1]),
                  first + b * DKVB__LANES);
    }
}

/* The same for all live keys of a whole word whose distance is at most `most`. */
static inline void look_at_word(float *dist, uint16_t *index, size_t k, const float *q, const float *word, size_t dim,
                                size_t first, uint64_t live, float most)
{
    float s[4 * DKVB__LANES];

    most = most < dist[k - 1] ? most : dist[k - 1];
    offer(dist, index, k, s, live & word_distances(s, q, word, dim, most), first);
}

enum {
    PRODUCT_WORDS = 64, /* screened at a time: what is remembered of them lies on the stack */
    PRODUCT_GROUP = 8   /* words whose least products are also kept together, to pass over them at one glance */
};

struct product_work {
    const float *blocks;
    const uint64_t *dead;
    size_t keys, dim, k;
    size_t first, words;                      /* the words being screened */
    double most_h;                            /* the largest of h */
    _Alignas(64) float h[PRODUCT_WORDS * 64]; /* |key|^2 / 2, infinite for dead keys */
    /* Of SCREEN_ROWS rows: the least products, lane by lane, of each word and of each group of words. */
    _Alignas(64) float low[SCREEN_ROWS][PRODUCT_WORDS][SCREEN_LANES];
    _Alignas(64) float group[SCREEN_ROWS][PRODUCT_WORDS / PRODUCT_GROUP][SCREEN_LANES];
};

/* Whole words only; the last blocks, if they are less, are looked at without screening. */
static size_t whole_words(size_t keys)
{
    return dkvb__key_blocks(keys) / 4;
}

static void set_half_norms(struct product_work *t)
{
    t->most_h = 0.0;
    for (size_t w = 0; w < t->words; w++) {
        double most = half_norms(t->h + w * 64, t->blocks + (t->first + w) * 64 * t->dim, 4, t->dim);

        t->most_h = most > t->most_h ? most : t->most_h;
        for (uint64_t left = t->dead[t->first + w]; left; left &= left - 1)
            t->h[w * 64 + (size_t)__builtin_ctzll(left)] = __builtin_inff();
    }
}

/* The k-th least of the row's products, lane by lane: where to begin. */
static float first_limit(const struct product_work *t, size_t r)
{
    size_t groups = (t->words + PRODUCT_GROUP - 1) / PRODUCT_GROUP;
    float least[SCREEN_LANES], limit = products_least(t->group[r][0], groups);

    if (t->k == 1)
        return limit;
    memcpy(least, t->group[r][0], sizeof least);
    for (size_t g = 1; g < groups; g++)
        products_lower(least, t->group[r][g]);
    for (size_t i = 0; i < t->k; i++) {
        size_t at = 0;

        limit = products_least(least, 1);
        while (at + 1 < SCREEN_LANES && !(least[at] <= limit))
            at++;
        least[at] = __builtin_inff();
    }
    return limit;
}

/* Words, not yet in `done`, in which some product is not above the limit. */
static uint64_t words_below(const struct product_work *t, size_t r, float limit, uint64_t done)
{
    uint64_t words = 0;

    for (size_t g = 0; g * PRODUCT_GROUP < t->words; g++) {
        if (!products_not_above(t->group[r][g], limit))
            continue;
        for (size_t w = g * PRODUCT_GROUP; w < t->words && w < (g + 1) * PRODUCT_GROUP; w++)
            words |= (uint64_t)products_not_above(t->low[r][w], limit) << w;
    }
    return words & ~done;
}

/* Look at all live keys of these words that are not farther than `most`. */
static void look_at_words(const struct product_work *t, uint64_t words, float most, float *dist, uint16_t *index,
                          const float *q)
{
    for (; words; words &= words - 1) {
        size_t w = t->first + (size_t)__builtin_ctzll(words);

        look_at_word(dist, index, t->k, q, t->blocks + w * 64 * t->dim, t->dim, w * 64, ~t->dead[w], most);
    }
}

/* Products of all words with SCREEN_ROWS rows. */
static void multiply_words(struct product_work *t, const float *q)
{
    for (size_t w = 0; w < t->words; w++) {
        size_t g = w / PRODUCT_GROUP;

        least_products(t->low[0][w], PRODUCT_WORDS * SCREEN_LANES, q, t->blocks + (t->first + w) * 64 * t->dim,
                       t->h + w * 64, t->dim);
        for (size_t r = 0; r < SCREEN_ROWS && w % PRODUCT_GROUP == 0; r++)
            memcpy(t->group[r][g], t->low[r][w], sizeof t->group[r][g]);
        for (size_t r = 0; r < SCREEN_ROWS && w % PRODUCT_GROUP != 0; r++)
            products_lower(t->group[r][g], t->low[r][w]);
    }
}

/* First look where products are least; the distances found there say how far to look. */
static void screen_rows(struct product_work *t, float *dist, uint16_t *index, const float *q)
{
    struct screen screens[SCREEN_ROWS];
    uint64_t done[SCREEN_ROWS];
    float most[SCREEN_ROWS];

    multiply_words(t, q);
    for (size_t r = 0; r < SCREEN_ROWS; r++) {
        float limit = first_limit(t, r);

        screens[r] = screen_for(q + r * t->dim, t->dim);
        most[r] = screen_distance(&screens[r], limit, t->most_h);
        done[r] = words_below(t, r, limit, 0);
    }
    for (size_t r = 0; r < SCREEN_ROWS; r++)
        look_at_words(t, done[r], most[r], dist + r * t->k, index + r * t->k, q + r * t->dim);
    for (size_t r = 0; r < SCREEN_ROWS; r++) {
        float worst = dist[r * t->k + t->k - 1], limit = screen_limit(&screens[r], worst, t->most_h);

        look_at_words(t, words_below(t, r, limit, done[r]), worst, dist + r * t->k, index + r * t->k, q + r * t->dim);
    }
}

/* Every key from word `from` on, without screening. */
static void look_at_rest(const struct product_work *t, float *dist, uint16_t *index, const float *q, size_t from)
{
    size_t whole = whole_words(t->keys);

    for (size_t w = from; w < dkvb__key_words(t->keys); w++) {
        const float *word = t->blocks + w * 64 * t->dim;
        uint64_t live = ~t->dead[w];

        if (live && w < whole)
            look_at_word(dist, index, t->k, q, word, t->dim, w * 64, live, __builtin_inff());
        else if (live)
            look_closer(dist, index, t->k, q, word, t->dim, w * 64, live);
    }
}

static void nearest(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks, const uint64_t *dead,
                    size_t keys, size_t dim, size_t k)
{
    size_t whole = whole_words(keys), screened = k <= SCREEN_LANES ? n / SCREEN_ROWS * SCREEN_ROWS : 0;
    struct product_work t;

    t.blocks = blocks;
    t.dead = dead;
    t.keys = keys;
    t.dim = dim;
    t.k = k;
    for (size_t r = 0; r < n; r++)
        dkvb__top_clear(dist + r * k, index + r * k, k);
    for (t.first = 0; screened > 0 && t.first < whole; t.first += t.words) {
        t.words = whole - t.first < PRODUCT_WORDS ? whole - t.first : PRODUCT_WORDS;
        set_half_norms(&t);
        for (size_t r = 0; r < screened; r += SCREEN_ROWS)
            screen_rows(&t, dist + r * k, index + r * k, q + r * dim);
    }
    for (size_t r = 0; r < n; r++) {
        look_at_rest(&t, dist + r * k, index + r * k, q + r * dim, r < screened ? whole : 0);
        dkvb__top_finish(dist + r * k, index + r * k, k, dead, keys);
    }
}

#endif
