#ifndef DKVB_BASE_RNG_H
#define DKVB_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"

/* The random number generator is xoshiro256** (Blackman and Vigna 2018, https://prng.di.unimi.it), seeded by
 * splitmix64. xoshiro256** gives the same numbers on every machine. */
struct dkvb__rng {
    uint64_t s[4];
};

/* Seeds a random number generator. Random streams with different numbers are independent of each other, and so are
 * streams of different seeds. */
void dkvb__rng_seed(struct dkvb__rng *rng, uint64_t seed, uint64_t stream);

uint64_t dkvb__rng_next(struct dkvb__rng *rng);

/* Returns a random-looking number for `id` that depends only on the id, the seed and the stream. The function
 * dkvb__rng_of_id() gives different numbers for different ids. Random draws that must not change when other rows come
 * or go use dkvb__rng_of_id(). */
uint64_t dkvb__rng_of_id(uint64_t seed, uint64_t stream, uint64_t id);

/* Draws a random integer from 0 to n - 1 evenly and without bias; n > 0. */
uint64_t dkvb__rng_below(struct dkvb__rng *rng, uint64_t n);

/* Draws a random number from [0, 1) evenly, with 53 random bits. */
double dkvb__rng_unit(struct dkvb__rng *rng);

/* Draws a random number with the standard normal distribution by Marsaglia's polar method, with dkvb__log(). */
double dkvb__rng_gauss(struct dkvb__rng *rng);

/* Draws `count` <= n of the integers 0 to n - 1 without replacement, and writes them to `chosen` in random order. The
 * argument `scratch` of dkvb__rng_choose() is scratch space for n elements. */
void dkvb__rng_choose(struct dkvb__rng *rng, size_t n, size_t count, size_t *chosen, size_t *scratch);

#endif
