#ifndef DKVB_BOTTLENECK_KEYINIT_H
#define DKVB_BOTTLENECK_KEYINIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/rng.h"
#include "bottleneck/project.h"

/* Checks the key initialisation options of a caller except for the sizes, and fills in the default passes and batch of
 * the chosen method. The struct `o` must hold the default options when dkvb__keyinit_options_take() is called. */
dkvb_status dkvb__keyinit_options_take(dkvb_keyinit_options *o, const dkvb_keyinit_options *given);

/* Key initialisation options of 0 (such as the number of keys) are replaced by sizes that suit the rows. docs/method.md
 * has the rule for the sizes and its measurements. */
void dkvb__keyinit_suit(dkvb_keyinit_options *opts, size_t rows, size_t columns);

/* Makes codebooks by placing keys on rows in memory or in a source, by the rules of dkvb_codebooks_fit(). */
dkvb_status dkvb__codebooks_fit(dkvb_codebooks **out, const struct dkvb__rows *from, const dkvb_keyinit_options *given,
                                const dkvb_run_options *opts);

/* Numbers of the random streams that key placement draws from one seed, by purpose. Each codebook, and each round of
 * the projection, draws from a random stream of its own, so that no result depends on the thread count. */
enum {
    DKVB__FOR_PROJECTION = 1,
    DKVB__FOR_KEYS = 2,
    DKVB__FOR_ROWS = 3,
    DKVB__FOR_FIRST_STEP = 4 /* random stream of the first step of growing keys; later steps use the streams 5, 6, … */
};
void dkvb__seed_stream(struct dkvb__rng *rng, uint64_t seed, uint32_t purpose, size_t number);

/* Memory of a worker that places the keys of one codebook after another. The projected rows are bytes in tiles of 16
 * rows (kernels.h). */
struct dkvb__placer {
    const dkvb_keyinit_options *options; /* options of the key initialisation, with passes and batch filled in */
    const struct dkvb__shape *shape;
    size_t n;        /* number of all rows that keys are placed on */
    size_t batch;    /* number of rows in a step of the key placement */
    uint8_t *keys;   /* keys of the codebook that are being placed, rounded to bytes */
    int32_t *norms;  /* squared norms of the keys of the codebook that are being placed */
    int8_t *tile;    /* projected rows that are picked from several tiles and copied to one tile, [quads][16][4] */
    int32_t *scores; /* scratch memory for scores in the search for a row's nearest key */
    int64_t *sum;    /* sum of the rows that chose a key, times -2, [keys][key_dim] */
    uint32_t *count; /* number of rows that chose each key of the codebook, [keys] */
    /* numbers of rows in the order in which key placement uses the rows, [n], and scratch space for drawing rows,
     * [n] */
    size_t *order, *scratch;

    /* Members for progress reports of key placement, which are made within a codebook, as placing its keys may take
     * many seconds: */
    /* the run options with the progress callback for the calling thread; NULL for the other threads, which must not
     * report progress */
    const struct dkvb__run *run;
    /* for progress reports, the number of codebooks whose keys are placed, and the number of all codebooks */
    uint64_t codebooks_done, codebooks;
    /* flag shared by all threads that place keys: the caller wants to cancel, so the placed keys will be thrown away */
    atomic_bool *stop;
};

/* Allocates a placer (the memory of a thread that places keys) for n rows. dkvb__placer_new() returns false if memory
 * runs out; even then the caller must free the placer. */
bool dkvb__placer_new(struct dkvb__placer *p, const dkvb_keyinit_options *o, const struct dkvb__shape *shape, size_t n,
                      const dkvb_allocator *mem);
void dkvb__placer_free(struct dkvb__placer *p, const dkvb_allocator *mem);

/* Draws the first keys of a codebook from its projected rows without replacement. use[j] becomes the number of rows of
 * a step divided by the number of keys. The drawn keys, `key`, are float[keys][key_dim] in quantisation steps; their
 * use counts, `use`, are float[keys]. */
void dkvb__place_sample(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

/* Makes one step of moving averages of a codebook's keys over the rows order[0 .. n-1]. The argument `keep` is the
 * decay of the moving averages: the weight of the old average in the new one. */
void dkvb__ema_step(struct dkvb__placer *p, const int8_t *rows, const size_t *order, size_t n, double keep, float *key,
                    float *use, struct dkvb__rng *rng);

/* Places a codebook's keys by k-means: moves each key to the mean of the rows nearest to the key, once a pass. A key
 * that is nearest to no row is drawn again among the rows. */
void dkvb__place_means(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

/* Places a codebook's keys by passes over all rows, in which each key follows the exponential moving average of the
 * rows nearest to the key. Each pass of the key placement visits the rows in a random order of its own. */
void dkvb__place_ema(struct dkvb__placer *p, const int8_t *rows, float *key, float *use, struct dkvb__rng *rng);

#endif
