#ifndef DKVB_BOTTLENECK_KEYINIT_H
#define DKVB_BOTTLENECK_KEYINIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/rng.h"
#include "bottleneck/project.h"

/* The options of a caller, checked but for the sizes, with the method's own passes and batch. `o` holds the defaults.
 */
dkvb_status dkvb__keyinit_options_take(dkvb_keyinit_options *o, const dkvb_keyinit_options *given);

/* Sizes that suit the rows, in place of those that are 0. docs/method.md has the rule and its measurements. */
void dkvb__keyinit_suit(dkvb_keyinit_options *opts, size_t rows, size_t columns);

/* Random streams of one seed, by purpose. Each codebook, or round, draws from one of its own, so nothing depends on the
 * thread count. */
enum {
    DKVB__FOR_PROJECTION = 1,
    DKVB__FOR_KEYS = 2,
    DKVB__FOR_ROWS = 3,
    DKVB__FOR_FIRST_STEP = 4 /* later: 5, 6, … */
};
void dkvb__seed_stream(struct dkvb__rng *rng, uint64_t seed, uint32_t purpose, size_t number);

/* Memory of a worker that places the keys of one codebook after another. Rows are bytes in tiles of 16 (kernels.h). */
struct dkvb__placer {
    const dkvb_keyinit_options *options; /* passes and batch settled */
    const struct dkvb__shape *shape;
    size_t n;                /* rows in all */
    size_t batch;            /* rows in a step */
    uint8_t *keys;           /* the keys being placed, rounded */
    int32_t *norms;          /* theirs */
    int8_t *tile;            /* [quads][16][4], rows drawn from anywhere */
    int32_t *scores;         /* scratch of a search */
    int64_t *sum;            /* [K][d], of the rows that chose a key, times -2 */
    uint32_t *count;         /* [K] */
    size_t *order, *scratch; /* [n] */

    /* A codebook may take many seconds, so its progress is told within: */
    const struct dkvb__run *run;        /* of the calling thread's placer, which alone may report; or NULL */
    uint64_t codebooks_done, codebooks; /* for reports */
    atomic_bool *stop;                  /* shared: somebody wants to cancel, and what is placed will be thrown away */
};

/* place.c: scratch memory for n rows. False if out of memory; free it then too. */
bool dkvb__placer_new(struct dkvb__placer *p, const dkvb_keyinit_options *o, const struct dkvb__shape *shape, size_t n,
                      const dkvb_allocator *mem);
void dkvb__placer_free(struct dkvb__placer *p, const dkvb_allocator *mem);

/* key[j] = rows of the codebook, drawn without replacement, and use[j] an even share of a step's rows. key:
 * float[K][d], in steps; use: float[K]. */
void dkvb__place_sample(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

/* One step of moving averages over order[0 .. n-1] of the rows, keeping the share `keep` of what there was. */
void dkvb__ema_step(struct dkvb__placer *p, const int8_t *rows, const size_t *order, size_t n, double keep, float *key,
                    float *use, struct dkvb__rng *rng);

/* Each key becomes the mean of the rows nearest to it, as often as there are passes; a key without rows is drawn again.
 */
void dkvb__place_means(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

/* Passes of steps over all rows, each in an order of its own. */
void dkvb__place_ema(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

#endif
