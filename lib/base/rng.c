#include "base/rng.h"

#include <math.h>

#include "base/exact_math.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void dkvb__rng_seed(struct dkvb__rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    uint64_t mixed_seed = splitmix64(&state);

    state = stream ^ 0x6A09E667F3BCC909u;
    state = mixed_seed ^ splitmix64(&state);
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix64(&state);
}

/* splitmix64 permutes the 64-bit numbers, so different ids give different numbers. splitmix64 is applied to an id
 * twice, and the second application mixes in another part of the seed's state. */
uint64_t dkvb__rng_of_id(uint64_t seed, uint64_t stream, uint64_t id)
{
    struct dkvb__rng rng;
    uint64_t state;

    dkvb__rng_seed(&rng, seed, stream);
    state = id ^ rng.s[0];
    state = splitmix64(&state) ^ rng.s[1];
    return splitmix64(&state);
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t dkvb__rng_next(struct dkvb__rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t dkvb__rng_below(struct dkvb__rng *rng, uint64_t n)
{
    /* 2^64 mod n: random draws below this number are rejected, as they would favour small results */
    uint64_t reject = (0 - n) % n;
    uint64_t x;

    do
        x = dkvb__rng_next(rng);
    while (x < reject);
    return x % n;
}

double dkvb__rng_unit(struct dkvb__rng *rng)
{
    return (double)(dkvb__rng_next(rng) >> 11) * 0x1p-53;
}

double dkvb__rng_gauss(struct dkvb__rng *rng)
{
    double u, v, s;

    do {
        u = 2.0 * dkvb__rng_unit(rng) - 1.0;
        v = 2.0 * dkvb__rng_unit(rng) - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    return u * sqrt(-2.0 * dkvb__log(s) / s);
}

void dkvb__rng_choose(struct dkvb__rng *rng, size_t n, size_t count, size_t *chosen, size_t *scratch)
{
    for (size_t i = 0; i < n; i++)
        scratch[i] = i;
    for (size_t i = 0; i < count; i++) {
        size_t j = i + (size_t)dkvb__rng_below(rng, n - i);

        chosen[i] = scratch[j];
        scratch[j] = scratch[i];
    }
}
