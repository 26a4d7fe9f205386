/* Finds the key-value pairs with the largest scores without sorting all pairs. */
#include "unlearn/choose.h"

/* Sizes of the histogram of selection counts; all counts of LARGE or more fall into the last bin. Several histogram
 * tables are used in turn: neighbouring pairs often have the same selection count, and adding to a number that was just
 * written would wait for the write. */
enum { LARGE = 1023, TABLES = 4 };

/*
 * Finds the largest number t such that at least `wanted` pairs have a selection count of at least t; 0 if fewer pairs
 * were selected at all. The number of pairs whose selection count is above the found number t is stored in *above.
 * False is returned if the largest number t with at least `wanted` counts of at least t is LARGE or more, outside the
 * histogram of selection counts.
 */
static bool small_threshold(const uint64_t *counts, size_t n, uint64_t wanted, uint64_t *limit, uint64_t *above)
{
    uint64_t pairs[TABLES][LARGE + 1] = {{0}};
    size_t count = LARGE;

    for (size_t i = 0; i < n; i++)
        pairs[i % TABLES][counts[i] < LARGE ? counts[i] : LARGE]++;
    *above = 0;
    for (;; count--) {
        uint64_t with_count = 0;

        for (size_t t = 0; t < TABLES; t++)
            with_count += pairs[t][count];
        if (count == 0 || *above + with_count >= wanted)
            break;
        *above += with_count;
    }
    *limit = count;
    return count < LARGE;
}

/* Finds the largest number t, of any size, such that at least `wanted` pairs have a selection count of at least t; the
 * bytes of t are found from the top. When the threshold t of selection counts is searched byte by byte, `prefix` has
 * the leading bytes of t found so far, and only counts that begin with these bytes are examined. */
static uint64_t threshold(const uint64_t *counts, size_t n, uint64_t wanted, uint64_t *above)
{
    uint64_t prefix = 0;

    *above = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        uint64_t known = shift == 56 ? 0 : UINT64_MAX << (shift + 8);
        uint64_t pairs[256] = {0};
        int byte = 255;

        for (size_t i = 0; i < n; i++)
            if ((counts[i] & known) == prefix)
                pairs[counts[i] >> shift & 255]++;
        while (byte > 0 && *above + pairs[byte] < wanted)
            *above += pairs[byte--];
        prefix |= (uint64_t)byte << shift;
    }
    return prefix;
}

/* Returns the lowest `count` set bits of the 64-bit word `word`, which has more than `count` set bits. */
static uint64_t lowest_bits(uint64_t word, uint64_t count)
{
    uint64_t rest = word;

    while (count-- > 0)
        rest &= rest - 1;
    return word ^ rest;
}

/* Sets the bits of up to 64 key-value pairs in one word of the mask: the bits of all pairs whose selection count is
 * above the limit, and of the first `*left` pairs whose count equals the limit. */
static void take_word(uint64_t *word, const uint64_t *counts, size_t n, uint64_t limit, uint64_t *left)
{
    uint64_t above = 0, at = 0, size;

    for (size_t j = 0; j < n; j++) {
        above |= (uint64_t)(counts[j] > limit) << j;
        at |= (uint64_t)(counts[j] == limit) << j;
    }
    size = (uint64_t)__builtin_popcountll(at);
    if (size > *left) {
        at = lowest_bits(at, *left);
        size = *left;
    }
    *left -= size;
    *word |= above | at;
}

void dkvb__take_from(dkvb_mask *mask, const uint64_t *scores, uint64_t least)
{
    uint64_t none = 0;

    for (size_t c = 0; c < mask->codebooks; c++, scores += mask->keys)
        for (size_t w = 0; w < mask->words; w++)
            take_word(&mask->bits[c * mask->words + w], scores + w * 64,
                      mask->keys - w * 64 < 64 ? mask->keys % 64 : 64, least - 1, &none);
}

void dkvb__take_largest(dkvb_mask *mask, const uint64_t *scores, uint64_t pairs)
{
    size_t n = (size_t)mask->codebooks * mask->keys;
    uint64_t above, limit, at_limit;

    if (pairs == 0)
        return;
    pairs = pairs < n ? pairs : n;
    if (!small_threshold(scores, n, pairs, &limit, &above))
        limit = threshold(scores, n, pairs, &above);
    /* Key-value pairs that no row selected are never added to the mask. */
    at_limit = limit > 0 && pairs > above ? pairs - above : 0;
    for (size_t c = 0; c < mask->codebooks; c++, scores += mask->keys)
        for (size_t w = 0; w < mask->words; w++)
            take_word(&mask->bits[c * mask->words + w], scores + w * 64,
                      mask->keys - w * 64 < 64 ? mask->keys % 64 : 64, limit, &at_limit);
}
