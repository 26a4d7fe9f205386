#ifndef DKVB_BOTTLENECK_SEARCH_H
#define DKVB_BOTTLENECK_SEARCH_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "bottleneck/project.h"
#include "dkvb/search.h"

/* A search of rows, some at a time. dkvb_search() runs it in one go; dkvb_model_predict() decodes between the steps. */
struct dkvb__search {
    const dkvb_codebooks *cb;
    const dkvb_mask *mask; /* or NULL */
    struct dkvb__run run;
    uint32_t k;
    size_t capacity; /* limit of the rows in a call of dkvb__search_tile(); with ranks, of their rows together */
    struct dkvb__projector projector;
    int8_t *rows;       /* [C][projector.capacity / 16][quads][16][4], projected */
    dkvb_outside found; /* counts of the rows outside the scale, if the run asks for them */
    double *lengths;    /* [capacity], lengths of the rows as handed over; NULL unless they are counted */
    uint32_t *cut;      /* [capacity + 16], a row's numbers at an end of the scale; NULL where they tell nothing */
    /* Memory of which every worker has its own: */
    int8_t *tile;     /* [quads][16][4], rows that do not lie side by side */
    float *q;         /* [d][16], the same rows before rounding */
    int32_t *norms;   /* norms of the keys of a codebook, with masked keys dead */
    int32_t *scores;  /* scratch of the kernel */
    int32_t *dist;    /* [16][k] */
    uint16_t *index;  /* [16][k] */
    uint32_t *chosen; /* [projector.capacity] */
};

/* Checks the arguments, and allocates the scratch memory for searches of up to `n` rows, `most` at a time. */
dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               size_t n, size_t most, const struct dkvb__run *run);

/* Writes the codes, and the distances unless NULL, of `n` <= capacity rows. Messages add `first_row` to row numbers.
 * Ranks that share the codebooks search a share of the rows each, and exchange what they found. */
dkvb_status dkvb__search_tile(struct dkvb__search *s, const float *x, size_t n, size_t first_row, uint16_t *codes,
                              int32_t *dist);

void dkvb__search_end(struct dkvb__search *s);

/* Searches as dkvb_search() does, for rows that are projected but not yet rounded: `q`, float[n][codebooks][key_dim],
 * finite. Tests use it to compare the rounding, and the searches of other libraries. */
dkvb_status dkvb__search_projected(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *q, size_t n,
                                   uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts);

#endif
