#ifndef DKVB_BOTTLENECK_SEARCH_H
#define DKVB_BOTTLENECK_SEARCH_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "bottleneck/project.h"
#include "dkvb/search.h"

/* A search for the nearest keys of rows in steps of some rows. dkvb_search() runs the whole search at once;
 * dkvb_model_predict() decodes codes between the steps. */
struct dkvb__search {
    const dkvb_codebooks *cb;
    /* mask of the key-value pairs that the search for nearest keys skips; NULL if none are skipped */
    const dkvb_mask *mask;
    struct dkvb__run run;
    uint32_t k;
    /* largest number of rows in a call of dkvb__search_tile(), counted over all ranks together */
    size_t capacity;
    struct dkvb__rows from; /* the rows to search the nearest keys of, in memory or in a source */
    /* buffer for rows of a source, [projector.capacity][input_dim]; NULL if all rows lie in memory */
    float *block;
    struct dkvb__projector projector;
    int8_t *rows; /* projected rows as bytes, [codebooks][projector.capacity / 16][quads][16][4] */
    bool sums;    /* true if the search computes a checksum of its rows, which its caller has asked for */
    /* checksum of the rows that this rank (process) has searched; the sum of all ranks' checksums is the checksum of
     * all rows */
    uint64_t sum;
    /* counts of rows outside the scale of the codebooks, if the caller's run options ask for them */
    dkvb_outside found;
    /* lengths (norms) of the rows as the caller gave them, [capacity]; NULL unless the search counts rows outside the
     * scale of the codebooks */
    double *lengths;
    /* for each row, how many of its projected numbers lie at an end of the quantisation scale, [capacity + 16]; NULL if
     * rows are scaled to length 1, or if the caller wants no such counts */
    uint32_t *cut;
    /* Scratch memory that every worker thread of a search has for itself: */
    int8_t *tile;     /* memory for copying rows that do not lie side by side to one tile, [quads][16][4] */
    float *q;         /* projected numbers of a tile of rows before rounding, [key_dim][16] */
    int32_t *norms;   /* squared norms of the keys of a codebook, in which masked keys count as dead */
    int32_t *scores;  /* scratch space for the scores of keys in the search kernel nearest() */
    int32_t *dist;    /* distances of the nearest keys of a tile's rows, [16][k] */
    uint16_t *index;  /* indices of the nearest keys of a tile's rows, [16][k] */
    uint32_t *chosen; /* numbers of the rows that a task has to search for one codebook, [projector.capacity] */
};

/* Checks the arguments of a search for nearest keys, and allocates its scratch memory for `most` rows at a time. */
dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               const struct dkvb__rows *from, size_t most, const struct dkvb__run *run);

/* Writes the codes of `n` <= capacity rows, beginning with row `first_row`, to `codes`, and the distances of the rows
 * to their nearest keys to `dist` unless `dist` is NULL. Ranks (processes) that share the codebooks search a part of
 * the rows each, and exchange the results. */
dkvb_status dkvb__search_tile(struct dkvb__search *s, size_t first_row, size_t n, uint16_t *codes, int32_t *dist);

void dkvb__search_end(struct dkvb__search *s);

/* Searches the nearest keys as dkvb_search() does, of rows in memory or in a source. */
dkvb_status dkvb__search_rows(const dkvb_codebooks *cb, const dkvb_mask *mask, const struct dkvb__rows *from,
                              uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts);

/* Searches nearest keys as dkvb_search() does, for rows that are projected but not yet rounded: `q`,
 * float[n][codebooks][key_dim], has finite numbers. dkvb__search_projected() serves tests, which compare its results
 * with other roundings and with the searches of other libraries. */
dkvb_status dkvb__search_projected(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *q, size_t n,
                                   uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts);

#endif
