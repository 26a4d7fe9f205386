#ifndef DKVB_BOTTLENECK_KEYINIT_H
#define DKVB_BOTTLENECK_KEYINIT_H

#include "base/rng.h"
#include "bottleneck/codebooks.h"

/* The options of a caller, checked but for the sizes, with the method's own passes and batch. `o` holds the defaults.
 */
dkvb_status dkvb__keyinit_options_take(dkvb_keyinit_options *o, const dkvb_keyinit_options *given);

/* What a worker needs to place the keys of one codebook after another. All rows here are projected: float[][d]. */
struct dkvb__placer {
    const dkvb_keyinit_options *options; /* passes and batch settled */
    uint32_t keys, dim;
    size_t n;                     /* rows in all */
    uint64_t *dead;               /* [words], bits past the last key */
    float *dist;                  /* [DKVB__ASSIGN_ROWS] */
    uint16_t *index;              /* [n], nearest key of each row */
    uint32_t *count;              /* [K] */
    double *sum;                  /* [K][d] */
    size_t *order, *scratch;      /* [n] */
    float *batch;                 /* [batch][d] */
    float *use;                   /* [K], ema */
    float *row_blocks, *row_dist; /* kmeans: the rows as blocks, and [n] distances to the nearest key so far */
    float *new_dist;              /* kmeans: [n], to whole blocks, distances to the newest key */
    struct dkvb__coarse coarse;   /* of the keys being placed, remade as they move */
    void *coarse_memory;          /* NULL: none */
    double *row_sums;             /* kmeans: sums of row_dist over DKVB__SUM_ROWS rows each */
};

enum {
    DKVB__ASSIGN_ROWS = 512, /* rows searched at a time */
    DKVB__SUM_ROWS = 1024    /* a weighted draw walks partial sums first, then the rows of one */
};

/* keyinit_placer.c: scratch memory for the method of these options and n rows. False if out of memory; free it then
 * too. */
bool dkvb__placer_new(struct dkvb__placer *p, const dkvb_keyinit_options *o, size_t n, const dkvb_allocator *mem);
void dkvb__placer_free(struct dkvb__placer *p, const dkvb_allocator *mem);

/* index[r] = nearest key of each of n rows. */
void dkvb__assign(struct dkvb__placer *p, const float *blocks, const float *q, size_t n, uint16_t *index);

/* count[j], sum[j] = number and sum of the rows that chose key j, rows in ascending order. */
void dkvb__gather(struct dkvb__placer *p, const float *q, size_t n, const uint16_t *index);

/* key j = row. */
void dkvb__put_key(float *blocks, size_t j, const float *row, size_t dim);

/* Keys are rows, drawn without replacement. */
void dkvb__place_sample(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng);

/* keyinit_ema.c: passes of moving averages from sampled keys; and one step of it. */
void dkvb__place_ema(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng);
void dkvb__ema_step(struct dkvb__placer *p, const float *q, size_t n, float *blocks, float *use, struct dkvb__rng *rng);

/* keyinit_kmeans.c: k-means++ seeding, then Lloyd's or mini-batch iterations. */
void dkvb__place_kmeans(struct dkvb__placer *p, const float *q, size_t n, float *blocks, struct dkvb__rng *rng);

#endif
