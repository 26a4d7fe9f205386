#ifndef DKVB_BOTTLENECK_KEYINIT_H
#define DKVB_BOTTLENECK_KEYINIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/rng.h"
#include "bottleneck/project.h"

/* Checks the options of a caller except for the sizes, and fills in the method's own passes and batch. `o` holds the
 * defaults. */
dkvb_status dkvb__keyinit_options_take(dkvb_keyinit_options *o, const dkvb_keyinit_options *given);

/* Chooses sizes that suit the rows, for the sizes that are 0. docs/method.md has the rule and its measurements. */
void dkvb__keyinit_suit(dkvb_keyinit_options *opts, size_t rows, size_t columns);

/* dkvb_codebooks_fit() for rows that may have to be read. */
dkvb_status dkvb__codebooks_fit(dkvb_codebooks **out, const struct dkvb__rows *from, const dkvb_keyinit_options *given,
                                const dkvb_run_options *opts);

/* Random streams of one seed, by purpose. Each codebook or round draws from a stream of its own, so that no result
 * depends on the thread count. */
enum {
    DKVB__FOR_PROJECTION = 1,
    DKVB__FOR_KEYS = 2,
    DKVB__FOR_ROWS = 3,
    DKVB__FOR_FIRST_STEP = 4 /* later steps use 5, 6, … */
};
void dkvb__seed_stream(struct dkvb__rng *rng, uint64_t seed, uint32_t purpose, size_t number);

/* Memory of a worker that places the keys of one codebook after another. Rows are bytes in tiles of 16 (kernels.h). */
struct dkvb__placer {
    const dkvb_keyinit_options *options; /* with passes and batch filled in */
    const struct dkvb__shape *shape;
    size_t n;                /* number of all rows */
    size_t batch;            /* number of rows in a step */
    uint8_t *keys;           /* the keys being placed, rounded */
    int32_t *norms;          /* norms of these keys */
    int8_t *tile;            /* [quads][16][4], for rows that are picked from several tiles */
    int32_t *scores;         /* scratch of a search */
    int64_t *sum;            /* [K][d], sum of the rows that chose a key, times -2 */
    uint32_t *count;         /* [K] */
    size_t *order, *scratch; /* [n] */

    /* Progress is reported within a codebook, as one codebook may take many seconds: */
    const struct dkvb__run *run; /* run of the calling thread, in its placer only, as no other may report; else NULL */
    uint64_t codebooks_done, codebooks; /* numbers for progress reports */
    atomic_bool *stop; /* shared: the caller wants to cancel, and the placed keys will be thrown away */
};

/* The placer of place.c: scratch memory for n rows. The result is false if memory runs out; the placer must be freed
 * then too. */
bool dkvb__placer_new(struct dkvb__placer *p, const dkvb_keyinit_options *o, const struct dkvb__shape *shape, size_t n,
                      const dkvb_allocator *mem);
void dkvb__placer_free(struct dkvb__placer *p, const dkvb_allocator *mem);

/* Draws the first keys of a codebook from its rows without replacement. use[j] becomes an even share of a step's rows.
 * key: float[K][d], in steps; use: float[K]. */
void dkvb__place_sample(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

/* Makes one step of moving averages over the rows order[0 .. n-1]. The old averages keep the share `keep`. */
void dkvb__ema_step(struct dkvb__placer *p, const int8_t *rows, const size_t *order, size_t n, double keep, float *key,
                    float *use, struct dkvb__rng *rng);

/* Moves each key to the mean of the rows nearest to it, once a pass. A key without rows is drawn again. */
void dkvb__place_means(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

/* Makes passes of steps over all rows. Each pass has an order of its own. */
void dkvb__place_ema(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

#endif
