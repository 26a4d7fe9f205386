#ifndef DKVB_BOTTLENECK_SEARCH_H
#define DKVB_BOTTLENECK_SEARCH_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "bottleneck/project.h"
#include "dkvb/search.h"

/* Search of rows, some at a time: what dkvb_search() does at once, dkvb_model_predict() does between decodings. */
struct dkvb__search {
    const dkvb_codebooks *cb;
    const dkvb_mask *mask; /* or NULL */
    struct dkvb__run run;
    uint32_t k;
    size_t capacity; /* rows in a call of dkvb__search_tile() at most */
    struct dkvb__projector projector;
    int8_t *rows;       /* [C][capacity / 16][quads][16][4], projected */
    dkvb_outside found; /* rows outside the scale, where the run counts them */
    uint32_t *cut;      /* [capacity], a row's numbers at an end of the scale; NULL where they tell nothing */
    /* One of each for every worker: */
    int8_t *tile;     /* [quads][16][4], rows that do not lie side by side */
    float *q;         /* [d][16], the same before they are rounded */
    int32_t *norms;   /* norms of the keys of a codebook, with masked keys dead */
    int32_t *scores;  /* scratch of the kernel */
    int32_t *dist;    /* [16][k] */
    uint16_t *index;  /* [16][k] */
    uint32_t *chosen; /* [capacity] */
};

/* Check the arguments and get the scratch memory for searches of up to `n` rows, `most` at a time. */
dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               size_t n, size_t most, const struct dkvb__run *run);

/* Codes, and distances unless NULL, of `n` <= capacity rows; `first_row` is added to rows in messages. */
dkvb_status dkvb__search_tile(struct dkvb__search *s, const float *x, size_t n, size_t first_row, uint16_t *codes,
                              int32_t *dist);

void dkvb__search_end(struct dkvb__search *s);

/* dkvb_search() of rows that are projected but not yet rounded, `q` float[n][codebooks][key_dim], finite: tests set the
 * rounding, and other libraries' searches, beside it. */
dkvb_status dkvb__search_projected(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *q, size_t n,
                                   uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts);

#endif
