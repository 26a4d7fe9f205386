#ifndef DKVB_BASE_RNG_H
#define DKVB_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"

/* xoshiro256** (Blackman and Vigna 2018, https://prng.di.unimi.it), seeded by splitmix64. Same numbers everywhere. */
struct dkvb__rng {
    uint64_t s[4];
};

/* Streams of one seed are independent; so are seeds. */
void dkvb__rng_seed(struct dkvb__rng *rng, uint64_t seed, uint64_t stream);

uint64_t dkvb__rng_next(struct dkvb__rng *rng);

/* A number for `id` that looks drawn at random, but depends on the id, the seed and the stream only: different ids have
 * different numbers. Draws that must not change when other rows come or go are made by it. */
uint64_t dkvb__rng_of_id(uint64_t seed, uint64_t stream, uint64_t id);

/* Even draw from 0 .. n-1, n > 0, without bias. */
uint64_t dkvb__rng_below(struct dkvb__rng *rng, uint64_t n);

/* Even draw from [0, 1), 53 bits. */
double dkvb__rng_unit(struct dkvb__rng *rng);

/* Standard normal draw by Marsaglia's polar method, with the library's own logarithm. */
double dkvb__rng_gauss(struct dkvb__rng *rng);

/* Draw `count` of 0 .. n-1 without replacement into `chosen`, in random order; count <= n. `scratch` has n elements. */
void dkvb__rng_choose(struct dkvb__rng *rng, size_t n, size_t count, size_t *chosen, size_t *scratch);

#endif
