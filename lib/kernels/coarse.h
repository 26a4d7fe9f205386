/*
 * Search with coarse keys: every key is also kept in bytes, one byte a dimension. Sums of small integers screen all
 * keys many times faster than sums of floats; the distances of kernels.h decide among the few that are left. The bound
 * below is proven, so that the answer is the same as if every distance had been computed.
 *
 * With c the centre of a codebook, keys are rounded to k^ = c + K (u - 90), 0 <= u <= 180, and rows to
 * q^ = c - Q s, -90 <= s <= 90. By the triangle inequality
 *
 *     |q^ - k^| <= |q - k| + e,     e = |q - q^| + |k - k^|
 *
 * In units of S = K Q, half the square of the left side is |q^ - c|^2 / 2S, the same for all keys of a row, plus
 *
 *     a = height + sum s_i (u_i - 90),     height = |k^ - c|^2 / 2S, rounded down, at most 32766
 *
 * so that a key that is as near as `best` has a <= ((sqrt(best) + e)^2 - |q^ - c|^2) / 2S. The largest |k - k^| of the
 * codebook stands for that of the key.
 *
 * Two such products add up without overflow (180 * 90 * 2 < 2^15). Sums wrap around, which is harmless where the whole
 * sum fits: by Cauchy and Schwarz it is at most |s| |u - 90|, and rows for which that is too much are searched without
 * coarse keys. The height is added last and saturates, which can only make a smaller. Masked keys get the greatest
 * height. They may still come out low: then more is looked at than necessary, as nothing but a distance lowers the
 * bound.
 *
 * Coarse keys lie in words of 64 keys, two dimensions side by side: uint8_t[words][pairs of dimensions][64][2].
 *
 * A kernel file defines these before it includes this header, which gives it coarsen() and nearest_coarse():
 */
/* clang-format off */
/*
 *     enum { COARSE_ROWS = …, COARSE_LANES = … };  rows of a tile; 16-bit numbers in a vector: 16 or 32
 *     round_dimension(level, wrong, norm, keys, center, step, inverse)
 *         for 16 keys: level = (key - center) * inverse + 90 to the nearest whole number of 0 .. 180 (0 for a NaN);
 *         adds to wrong the square of key - center - step * (level - 90), to norm that of level - 90
 *     lanes                                        a vector
 *     lanes_load(p), lanes_store(p, a)             unaligned
 *     lanes_all(x), lanes_pairs(x)                 16 bits, 32 bits everywhere
 *     lanes_dot(u, s)                              sums of neighbouring products of bytes u and signed bytes s
 *     lanes_add(a, b), lanes_add_height(a, h)      wrapping, saturating
 *     lanes_min(a, b), lanes_least(a)
 *     lanes_not_above(a, b)                        bits of the lanes with a <= b
 */
/* clang-format on */
#ifndef DKVB_KERNELS_COARSE_H
#define DKVB_KERNELS_COARSE_H

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/screened.h"

enum {
    SEGMENT_WORDS = 64, /* words screened at a time: what is remembered of them lies on the stack */
    GROUP_WORDS = 8,    /* words whose least sums are also kept together, to pass over them at one glance */
    COARSE_TOP = 16,    /* more neighbours than this are not worth screening for */
    WORD_KEYS = 64,
    NO_HEIGHT = 32767,
    KEY_CENTER = DKVB__COARSE_STEPS /* the byte of the centre */
};

static const double most_sum = 32000.0;

/* Covers the rounding of sums of up to DKVB__COARSE_DIM squares in single precision, in any order. */
static const double rounding = 2e-5;

/* ---- coarse keys ------------------------------------------------------------------------------------------------ */

struct extent {
    float center[DKVB__COARSE_DIM];
    double range; /* the largest of any dimension */
    double reach; /* largest |k'| */
};

/* Number of real keys in a block. */
static inline size_t block_keys(size_t keys, size_t b)
{
    return keys - b * DKVB__LANES < DKVB__LANES ? keys - b * DKVB__LANES : DKVB__LANES;
}

/* Widen low and high, of 16 lanes, to hold one dimension of a block. */
static inline void widen(float *restrict low, float *restrict high, const float *restrict keys)
{
#pragma omp simd
    for (size_t l = 0; l < DKVB__LANES; l++) {
        low[l] = keys[l] < low[l] ? keys[l] : low[l];
        high[l] = keys[l] > high[l] ? keys[l] : high[l];
    }
}

static void find_center(struct extent *e, const float *blocks, size_t keys, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        float low[DKVB__LANES], high[DKVB__LANES], least, most;

        for (size_t l = 0; l < DKVB__LANES; l++)
            low[l] = high[l] = blocks[i * DKVB__LANES];
        for (size_t b = 0; b < keys / DKVB__LANES; b++)
            widen(low, high, blocks + (b * dim + i) * DKVB__LANES);
        for (size_t j = keys / DKVB__LANES * DKVB__LANES; j < keys; j++) {
            float x = blocks[dkvb__key_offset(j, dim) + i * DKVB__LANES];

            low[0] = x < low[0] ? x : low[0];
            high[0] = x > high[0] ? x : high[0];
        }
        least = low[0];
        most = high[0];
        for (size_t l = 1; l < DKVB__LANES; l++) {
            least = low[l] < least ? low[l] : least;
            most = high[l] > most ? high[l] : most;
        }
        e->center[i] = 0.5f * least + 0.5f * most;
        e->range = (double)most - (double)least > e->range ? (double)most - (double)least : e->range;
    }
}

static inline void add_squares(float *restrict norm, const float *restrict keys, float center)
{
#pragma omp simd
    for (size_t l = 0; l < DKVB__LANES; l++)
        norm[l] += (keys[l] - center) * (keys[l] - center);
}

static void find_reach(struct extent *e, const float *blocks, size_t keys, size_t dim)
{
    float most = 0.0f;

    for (size_t b = 0; b < dkvb__key_blocks(keys); b++) {
        float norm[DKVB__LANES] = {0};

        for (size_t i = 0; i < dim; i++)
            add_squares(norm, blocks + (b * dim + i) * DKVB__LANES, e->center[i]);
        for (size_t l = 0; l < block_keys(keys, b); l++)
            most = norm[l] > most ? norm[l] : most;
    }
    e->reach = sqrt((double)most) * (1.0 + rounding);
}

/* The bytes of two dimensions, side by side. */
static inline void put_pair(uint8_t *to, const int32_t *even, const int32_t *odd)
{
    uint16_t pair[DKVB__LANES];

#pragma omp simd
    for (size_t l = 0; l < DKVB__LANES; l++)
        pair[l] = (uint16_t)(even[l] | odd[l] << 8);
    memcpy(to, pair, sizeof pair);
}

/* The bytes and heights of one block, of which the first `count` keys are real; returns their largest |k - k^|^2. */
static float coarsen_block(uint8_t *to, int16_t *height, const float *block, const struct dkvb__coarse *c, size_t dim,
                           size_t count)
{
    float wrong[DKVB__LANES] = {0}, norm[DKVB__LANES] = {0}, most = 0.0f, inverse = 1.0f / c->step;
    float scale = (float)(0.5 * (1.0 - rounding) * (double)c->step / (double)c->query_step);

    for (size_t i = 0; i < dim; i += 2) {
        int32_t even[DKVB__LANES], odd[DKVB__LANES] = {0};

        round_dimension(even, wrong, norm, block + i * DKVB__LANES, c->center[i], c->step, inverse);
        if (i + 1 < dim)
            round_dimension(odd, wrong, norm, block + (i + 1) * DKVB__LANES, c->center[i + 1], c->step, inverse);
        put_pair(to + i * WORD_KEYS, even, odd);
    }
    for (size_t l = 0; l < DKVB__LANES; l++) {
        float h = norm[l] * scale;

        height[l] = (int16_t)(int)(h < 32766.0f ? h : 32766.0f);
        most = l < count && wrong[l] > most ? wrong[l] : most;
    }
    return most;
}

/* Keys past the last: in the centre of everything, as high as can be. */
static void clear_rest(struct dkvb__coarse *c, size_t keys, size_t dim)
{
    for (size_t j = keys; j < dkvb__key_words(keys) * WORD_KEYS; j++) {
        uint8_t *code = c->codes + j / WORD_KEYS * dkvb__coarse_word(dim) + j % WORD_KEYS * 2;

        for (size_t i = 0; i < dim + dim % 2; i++)
            code[i / 2 * 2 * WORD_KEYS + i % 2] = KEY_CENTER;
        c->height[j] = NO_HEIGHT;
    }
}

static void coarsen(struct dkvb__coarse *c, const float *blocks, size_t keys, size_t dim)
{
    struct extent e = {.range = 0.0};
    double code_reach, query_step, wrong = 0.0;

    find_center(&e, blocks, keys, dim);
    find_reach(&e, blocks, keys, dim);
    c->usable = e.range > 1e-15 && e.range < 1e15 && e.reach < 1e15;
    if (!c->usable)
        return;
    memcpy(c->center, e.center, dim * sizeof *c->center);
    c->step = (float)(e.range / (2.0 * KEY_CENTER) * (1.0 + 1e-5));
    code_reach = e.reach / (double)c->step + 0.5 * sqrt((double)dim) + 1.0;
    query_step = 0.55 * e.range / DKVB__COARSE_STEPS; /* rows a little outside the keys are not cut off */
    if (query_step < 1.1 * e.reach * code_reach / most_sum)
        query_step = 1.1 * e.reach * code_reach / most_sum;
    c->query_step = (float)query_step;
    c->most_length = most_sum / code_reach;
    for (size_t b = 0; b < dkvb__key_blocks(keys); b++) {
        uint8_t *to = c->codes + b / 4 * dkvb__coarse_word(dim) + b % 4 * 2 * DKVB__LANES;
        double most = (double)coarsen_block(to, c->height + b * DKVB__LANES, blocks + b * dim * DKVB__LANES, c, dim,
                                            block_keys(keys, b));

        wrong = most > wrong ? most : wrong;
    }
    clear_rest(c, keys, dim);
    c->key_error = sqrt(wrong) * (1.0 + rounding) + 1e-6 * e.reach;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* A row, ready to be compared with coarse keys. */
struct coarse_row {
    const float *q;
    float *dist;     /* [k], its best so far */
    uint16_t *index; /* [k] */
    double error;    /* |q - q^| + |k - k^|, rounded up */
    double half;     /* |q^ - c|^2 / 2S */
    int16_t start;   /* what its sums start from: -90 sum s, modulo 2^16 */
};

/* What is summed over the dimensions of a row, lane by lane. */
struct row_sums {
    float wrong[DKVB__LANES], sum[DKVB__LANES], square[DKVB__LANES];
};

/* s = -(q - c) / Q rounded, of 16 dimensions. */
static inline void round_lanes(int32_t *s, struct row_sums *sums, const float *t, float step, float inverse)
{
    const float most = DKVB__COARSE_STEPS;

#pragma omp simd
    for (size_t l = 0; l < DKVB__LANES; l++) {
        float x = t[l] * -inverse, e;

        x = x > most ? most : x < -most ? -most : x;
        x = (x + 0x1.8p23f) - 0x1.8p23f; /* to the nearest whole number */
        e = t[l] + step * x;
        sums->wrong[l] += e * e;
        sums->sum[l] += x;
        sums->square[l] += x * x;
        s[l] = (int32_t)x;
    }
}

/* pairs[i * COARSE_ROWS] = s of dimensions 2i and 2i + 1, as bytes, twice. False: the sums of this row might not fit,
 * it is to be searched otherwise. */
static bool coarse_row_set(struct coarse_row *row, int32_t *pairs, const struct dkvb__coarse *c, const float *q,
                           size_t dim)
{
    struct row_sums sums = {{0}, {0}, {0}};
    int32_t s[DKVB__COARSE_DIM];
    double wrong = 0.0, sum = 0.0, square = 0.0, error;

    for (size_t first = 0; first < dim; first += DKVB__LANES) {
        float t[DKVB__LANES] = {0};

        for (size_t l = 0; l < DKVB__LANES && first + l < dim; l++)
            t[l] = q[first + l] - c->center[first + l];
        round_lanes(s + first, &sums, t, c->query_step, 1.0f / c->query_step);
    }
    for (size_t l = 0; l < DKVB__LANES; l++) {
        wrong += (double)sums.wrong[l];
        sum += (double)sums.sum[l];
        square += (double)sums.square[l];
    }
    if (!(wrong < 1e30) || square > c->most_length * c->most_length)
        return false;
    for (size_t i = 0; i < (dim + 1) / 2; i++) {
        uint32_t both = ((uint32_t)s[2 * i] & 0xFF) | ((uint32_t)s[2 * i + 1] & 0xFF) << 8;

        pairs[i * COARSE_ROWS] = (int32_t)(both * 0x10001u);
    }
    row->start = (int16_t)(uint16_t)(int)(-KEY_CENTER * sum);
    row->half = 0.5 * square * (double)c->query_step / (double)c->step;
    error = sqrt(wrong) * (1.0 + rounding);
    row->error = c->key_error + error + 1e-6 * (error + sqrt(square) * (double)c->query_step);
    return true;
}

/* The largest sum of a key that may be as near as `best`, a distance that is itself rounded, and of which underflow
 * may have cost the smallest normal number a dimension. The height and the start are rounded by less than 2. */
static inline int coarse_limit(const struct coarse_row *row, const struct dkvb__coarse *c, float best, size_t dim)
{
    double reach = sqrt((double)best * (1.0 + (double)(dim + 8) * 0x1p-24) + (double)dim * 0x1p-126) + row->error;
    double limit = 0.5 * reach * reach / ((double)c->step * (double)c->query_step) - row->half + 2.0;

    return limit < 32766.0 ? limit > -32768.0 ? (int)limit + 1 : -32768 : NO_HEIGHT;
}

/* ---- search --------------------------------------------------------------------------------------------------- */

struct coarse_work {
    const struct dkvb__coarse *coarse;
    const float *blocks;
    const uint64_t *dead; /* of the segment */
    size_t first, words;  /* the segment, in words */
    size_t dim, k;
    uint64_t live;                                          /* words of the segment with any live key */
    size_t looked;                                          /* blocks looked at closely, in all */
    _Alignas(64) int16_t height[SEGMENT_WORDS * WORD_KEYS]; /* of the segment, with the dead raised */
    /* Of a tile of rows: the least sums, lane by lane, of each word and of each group of words. */
    _Alignas(64) int16_t low[COARSE_ROWS][SEGMENT_WORDS][COARSE_LANES];
    _Alignas(64) int16_t group[COARSE_ROWS][SEGMENT_WORDS / GROUP_WORDS][COARSE_LANES];
    struct coarse_row row[COARSE_ROWS];
    int32_t pairs[DKVB__COARSE_DIM / 2][COARSE_ROWS]; /* s of two dimensions, as bytes, twice */
};

enum { HALF = 2 * COARSE_LANES, HALVES = WORD_KEYS / HALF }; /* two vectors of sums for each row at a time */

/* Sums of `rows` rows for half a word (or a whole one). */
static inline __attribute__((always_inline)) void add_half(struct coarse_work *restrict t, size_t w, size_t half,
                                                           const size_t rows)
{
    const uint8_t *at = t->coarse->codes + (t->first + w) * dkvb__coarse_word(t->dim) + half * 2 * HALF;
    const int16_t *height = t->height + w * WORD_KEYS + half * HALF;
    lanes a[COARSE_ROWS][2];

#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        a[r][0] = a[r][1] = lanes_all(t->row[r].start);
        __asm__("" : "+v"(a[r][0])); /* if they are known to be equal, GCC 12 keeps sums twice and out of registers */
        __asm__("" : "+v"(a[r][1]));
    }
    for (size_t i = 0; i < (t->dim + 1) / 2; i++) {
        lanes u = lanes_load(at + i * 2 * WORD_KEYS), v = lanes_load(at + i * 2 * WORD_KEYS + HALF);

#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            lanes s = lanes_pairs(t->pairs[i][r]);

            a[r][0] = lanes_add(a[r][0], lanes_dot(u, s));
            a[r][1] = lanes_add(a[r][1], lanes_dot(v, s));
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        int16_t *low = t->low[r][w], *group = t->group[r][w / GROUP_WORDS];
        lanes least = lanes_min(lanes_add_height(a[r][0], lanes_load(height)),
                                lanes_add_height(a[r][1], lanes_load(height + COARSE_LANES)));

        lanes_store(low, half == 0 ? least : lanes_min(least, lanes_load(low)));
        lanes_store(group, lanes_min(least, lanes_load(group)));
    }
}

static inline __attribute__((always_inline)) void add_words(struct coarse_work *t, const size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t g = 0; g < SEGMENT_WORDS / GROUP_WORDS; g++)
            lanes_store(t->group[r][g], lanes_all(NO_HEIGHT));
    for (size_t w = 0; w < t->words; w++)
        for (size_t half = 0; half < HALVES && t->live >> w & 1; half++)
            add_half(t, w, half, rows);
}

/* Each number of rows has code of its own, with the sums in registers. */
static __attribute__((noinline)) void add_words_1(struct coarse_work *t)
{
    add_words(t, 1);
}

static __attribute__((noinline)) void add_words_3(struct coarse_work *t)
{
    add_words(t, 3);
}

static __attribute__((noinline)) void add_words_all(struct coarse_work *t)
{
    add_words(t, COARSE_ROWS);
}

/* Words in which some sum is not above the limit. The branches here are those that are mostly foreseen: where the
 * least sum lies is not. */
static inline uint64_t words_not_above(const struct coarse_work *t, size_t r, int limit)
{
    lanes most = lanes_all((int16_t)limit);
    uint64_t words = 0;
    uint32_t groups = 0;

    for (uint32_t g = 0; g < SEGMENT_WORDS / GROUP_WORDS; g++)
        groups |= (uint32_t)(lanes_not_above(lanes_load(t->group[r][g]), most) != 0) << g;
    for (; groups; groups &= groups - 1) {
        size_t first = (size_t)__builtin_ctz(groups) * GROUP_WORDS;

        for (size_t w = first; w < first + GROUP_WORDS; w++)
            words |= (uint64_t)(lanes_not_above(lanes_load(t->low[r][w]), most) != 0) << w;
    }
    return words & t->live;
}

/* Keys of a word whose sums are not above the limit. */
static uint64_t keys_not_above(const struct coarse_work *t, size_t r, size_t w, int limit)
{
    const uint8_t *codes = t->coarse->codes + (t->first + w) * dkvb__coarse_word(t->dim);
    lanes most = lanes_all((int16_t)limit), a[2 * HALVES];
    uint64_t keys = 0;

    for (size_t v = 0; v < 2 * HALVES; v++)
        a[v] = lanes_all(t->row[r].start);
    for (size_t i = 0; i < (t->dim + 1) / 2; i++) {
        lanes s = lanes_pairs(t->pairs[i][r]);

        for (size_t v = 0; v < 2 * HALVES; v++)
            a[v] = lanes_add(a[v], lanes_dot(lanes_load(codes + i * 2 * WORD_KEYS + v * HALF), s));
    }
    for (size_t v = 0; v < 2 * HALVES; v++) {
        lanes sum = lanes_add_height(a[v], lanes_load(t->height + w * WORD_KEYS + v * COARSE_LANES));

        keys |= (uint64_t)lanes_not_above(sum, most) << (v * COARSE_LANES);
    }
    return keys;
}

/* The k-th least of the row's sums, lane by lane: where to begin. */
static int coarse_first_limit(const struct coarse_work *t, size_t r)
{
    int16_t least[COARSE_LANES];
    lanes a = lanes_load(t->group[r][0]);
    size_t at = 0;

    for (size_t g = 1; g < SEGMENT_WORDS / GROUP_WORDS; g++)
        a = lanes_min(a, lanes_load(t->group[r][g]));
    if (t->k == 1)
        return lanes_least(a);
    lanes_store(least, a);
    for (size_t i = 0; i < t->k && i < COARSE_LANES; i++) {
        if (i > 0)
            least[at] = NO_HEIGHT;
        at = 0;
        for (size_t l = 1; l < COARSE_LANES; l++)
            at = least[l] < least[at] ? l : at;
    }
    return least[at];
}

/* Blocks of a segment that a row is to look at, and which of their keys. */
struct choice {
    size_t count;
    uint64_t words;                    /* words whose `seen` is set */
    uint64_t seen[SEGMENT_WORDS];      /* keys of a word that were chosen before */
    uint32_t block[SEGMENT_WORDS * 4]; /* the block's number, shifted by 16, and a bit for each key */
};

/* Keys are far away in memory, and all of a block will be wanted soon. */
static inline void fetch_block(const struct coarse_work *t, size_t block)
{
    const float *keys = t->blocks + (t->first * 4 + block) * DKVB__LANES * t->dim;

    for (size_t i = 0; i < t->dim; i++)
        __builtin_prefetch(keys + i * DKVB__LANES);
}

/* Choose the live keys whose sums are not above the limit and that were not chosen before. */
static void choose(const struct coarse_work *t, size_t r, int limit, struct choice *to)
{
    to->count = 0;
    for (uint64_t left = words_not_above(t, r, limit); left; left &= left - 1) {
        size_t w = (size_t)__builtin_ctzll(left);
        uint64_t keys = keys_not_above(t, r, w, limit) & ~t->dead[w] & ~(to->words >> w & 1 ? to->seen[w] : 0);

        to->seen[w] = keys;
        to->words |= (uint64_t)1 << w;
        while (keys) {
            size_t b = (size_t)__builtin_ctzll(keys) / DKVB__LANES;
            uint64_t part = keys & (uint64_t)0xFFFF << (b * DKVB__LANES);

            to->block[to->count++] = (uint32_t)(w * 4 + b) << 16 | (uint32_t)(part >> (b * DKVB__LANES));
            fetch_block(t, w * 4 + b);
            keys ^= part;
        }
    }
}

/* Nothing here waits for a distance, so that many are under way at once. */
static void look_at_choice(struct coarse_work *t, const struct coarse_row *row, const struct choice *choice)
{
    float s[DKVB__LANES];

    for (size_t i = 0; i < choice->count; i++) {
        size_t first = t->first * WORD_KEYS + (choice->block[i] >> 16) * DKVB__LANES;
        uint64_t near = block_distances(s, row->q, t->blocks + first * t->dim, t->dim, row->dist[t->k - 1]);

        offer(row->dist, row->index, t->k, s, near & choice->block[i] & 0xFFFF, first);
    }
    t->looked += choice->count;
}

/* The first `rows` rows of the tile; what its other rows hold does not matter. First the keys whose sums are least; the
 * distances found there say how far to look. */
static void search_tile(struct coarse_work *t, size_t rows)
{
    struct choice choice[COARSE_ROWS];

    if (rows == 1)
        add_words_1(t);
    else if (rows <= 3)
        add_words_3(t);
    else
        add_words_all(t);
    for (size_t r = 0; r < rows; r++) {
        choice[r].words = 0;
        choose(t, r, coarse_first_limit(t, r), &choice[r]);
    }
    for (size_t r = 0; r < rows; r++)
        look_at_choice(t, &t->row[r], &choice[r]);
    for (size_t r = 0; r < rows; r++)
        choose(t, r, coarse_limit(&t->row[r], t->coarse, t->row[r].dist[t->k - 1], t->dim), &choice[r]);
    for (size_t r = 0; r < rows; r++)
        look_at_choice(t, &t->row[r], &choice[r]);
}

/* Make ready for the segment that begins with word `first`, unless that was done. */
static void segment_set(struct coarse_work *t, const uint64_t *dead, size_t first, size_t words)
{
    if (t->words > 0 && t->first == first)
        return;
    t->first = first;
    t->words = words - first < SEGMENT_WORDS ? words - first : SEGMENT_WORDS;
    t->dead = dead + first;
    t->live = 0;
    memcpy(t->height, t->coarse->height + first * WORD_KEYS, t->words * WORD_KEYS * sizeof *t->height);
    for (size_t w = 0; w < t->words; w++) {
        t->live |= (uint64_t)(~t->dead[w] != 0) << w;
        for (uint64_t left = t->dead[w]; left; left &= left - 1)
            t->height[w * WORD_KEYS + (size_t)__builtin_ctzll(left)] = NO_HEIGHT;
    }
}

/* Results of a call. */
struct answers {
    float *dist;
    uint16_t *index;
    const float *q;
    size_t n, next; /* rows; the first that is not yet searched */
};

/* Fill the tile with the next rows, how many. Those whose sums might not fit are searched without coarse keys. */
static size_t take_rows(struct coarse_work *t, struct answers *to, const uint64_t *dead, size_t keys)
{
    size_t count = 0, k = t->k;

    for (; to->next < to->n && count < COARSE_ROWS; to->next++) {
        struct coarse_row *row = &t->row[count];
        const float *q = to->q + to->next * t->dim;

        row->q = q;
        row->dist = to->dist + to->next * k;
        row->index = to->index + to->next * k;
        if (!coarse_row_set(row, &t->pairs[0][count], t->coarse, q, t->dim)) {
            nearest(row->dist, row->index, q, 1, t->blocks, dead, keys, t->dim, k);
            continue;
        }
        dkvb__top_clear(row->dist, row->index, k);
        count++;
    }
    return count;
}

static void nearest_coarse(float *dist, uint16_t *index, const float *q, size_t n, const float *blocks,
                           const uint64_t *dead, size_t keys, size_t dim, size_t k, const struct dkvb__coarse *coarse)
{
    struct answers to = {dist, index, q, n, 0};
    size_t words = dkvb__key_words(keys);
    struct coarse_work t;

    t.coarse = coarse;
    t.blocks = blocks;
    t.dim = dim;
    t.k = k;
    t.words = t.looked = 0;
    memset(t.row, 0, sizeof t.row);
    memset(t.pairs, 0, (dim + 1) / 2 * sizeof *t.pairs);
    /* Where bytes tell little, as with keys of very different lengths, they are not worth reading. */
    while (to.next < n && coarse->usable && k <= COARSE_TOP && 4 * t.looked <= to.next * dkvb__key_blocks(keys)) {
        size_t rows = take_rows(&t, &to, dead, keys);

        for (size_t first = 0; rows > 0 && first < words; first += SEGMENT_WORDS) {
            segment_set(&t, dead, first, words);
            search_tile(&t, rows);
        }
        for (size_t r = 0; r < rows; r++)
            dkvb__top_finish(t.row[r].dist, t.row[r].index, k, dead, keys);
    }
    if (to.next < n)
        nearest(dist + to.next * k, index + to.next * k, q + to.next * dim, n - to.next, blocks, dead, keys, dim, k);
}

#endif
