#ifndef DKVB_BOTTLENECK_SEARCH_H
#define DKVB_BOTTLENECK_SEARCH_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "bottleneck/project.h"
#include "dkvb/search.h"

/* Search of rows, tile by tile: what dkvb_search() does at once, dkvb_model_predict() does between decodings. */
struct dkvb__search {
    const dkvb_codebooks *cb;
    const dkvb_mask *mask; /* or NULL */
    struct dkvb__run run;
    uint32_t k;
    struct dkvb__tile tile; /* capacity = rows in a call of dkvb__search_tile() at most */
    /* One of each for every worker: */
    float *q;           /* [capacity][d] */
    float *dist;        /* [capacity][k] */
    uint16_t *index;    /* [capacity][k] */
    uint64_t *dead;     /* [words] */
    const double **row; /* [capacity] */
    uint32_t *chosen;   /* [capacity] */
};

/* Check the arguments and get the scratch memory for searches of up to `n` rows, `most` at a time. */
dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               size_t n, size_t most, const struct dkvb__run *run);

/* Codes, and distances unless NULL, of `n` <= capacity rows; `first_row` is added to rows in messages. */
dkvb_status dkvb__search_tile(struct dkvb__search *s, const float *x, size_t n, size_t first_row, uint16_t *codes,
                              float *dist);

void dkvb__search_end(struct dkvb__search *s);

/* dead = what of codebook `c` can never be selected: mask, purged keys, bits past the last key. */
void dkvb__dead_keys(const dkvb_codebooks *cb, const dkvb_mask *mask, size_t c, uint64_t *dead);

#endif
