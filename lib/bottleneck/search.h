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
    size_t capacity;        /* limit of the rows in a call of dkvb__search_tile(); with ranks, of their rows together */
    struct dkvb__rows from; /* the rows to search */
    float *block;           /* [projector.capacity][m], rows that do not lie in memory; NULL if all of them do */
    struct dkvb__projector projector;
    int8_t *rows;       /* [C][projector.capacity / 16][quads][16][4], projected */
    bool sums;          /* set by the owner after the beginning: a checksum of the rows is wanted */
    uint64_t sum;       /* the checksum of the rows so far that this rank had; the sum over ranks is that of all */
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

/* Checks the arguments, and allocates the scratch memory for searches of these rows, `most` at a time. */
dkvb_status dkvb__search_begin(struct dkvb__search *s, const dkvb_codebooks *cb, const dkvb_mask *mask, uint32_t k,
                               const struct dkvb__rows *from, size_t most, const struct dkvb__run *run);

/* Writes the codes, and the distances unless NULL, of the `n` <= capacity rows from `first_row` on. Ranks that share
 * the codebooks search a share of the rows each, and exchange what they found. */
dkvb_status dkvb__search_tile(struct dkvb__search *s, size_t first_row, size_t n, uint16_t *codes, int32_t *dist);

void dkvb__search_end(struct dkvb__search *s);

/* dkvb_search() for rows that may have to be read. */
dkvb_status dkvb__search_rows(const dkvb_codebooks *cb, const dkvb_mask *mask, const struct dkvb__rows *from,
                              uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts);

/* Searches as dkvb_search() does, for rows that are projected but not yet rounded: `q`, float[n][codebooks][key_dim],
 * finite. Tests use it to compare the rounding, and the searches of other libraries. */
dkvb_status dkvb__search_projected(const dkvb_codebooks *codebooks, const dkvb_mask *mask, const float *q, size_t n,
                                   uint32_t k, uint16_t *codes, int32_t *dist, const dkvb_run_options *opts);

#endif
