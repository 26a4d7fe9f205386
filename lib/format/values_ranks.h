#ifndef DKVB_FORMAT_VALUES_RANKS_H
#define DKVB_FORMAT_VALUES_RANKS_H

#include "bottleneck/model.h"

/*
 * The sections "values" and "counts" of a model that ranks share. Rank 0 writes the file, and asks for rows of values
 * and counts of classes piece by piece; the other ranks serve it until it has all, or gives up.
 */
struct dkvb__values_ranks {
    const dkvb_model *model;
    const uint64_t *bits; /* [C][W], pairs whose rows the file holds; NULL: all */
    size_t pair;          /* the first pair whose values were not asked for yet */
    size_t label;         /* the first class whose counts were not asked for yet */
    char *piece;          /* own rows of the present piece */
    size_t room;          /* bytes of `piece` */
    bool broken;          /* a piece failed, on all ranks */
};

/* Make rows of values, and counts, for the writer (dkvb__produce_fn, context: struct dkvb__values_ranks). On rank 0. */
dkvb_status dkvb__values_ranks_produce(void *context, uint64_t offset, void *to, size_t size);
dkvb_status dkvb__counts_ranks_produce(void *context, uint64_t offset, void *to, size_t size);

/* Tells the other ranks that no more is wanted, unless a piece failed: then they know. On rank 0. */
dkvb_status dkvb__values_ranks_end(struct dkvb__values_ranks *w);

/* Answers rank 0 until it ends. On the other ranks. */
dkvb_status dkvb__values_ranks_serve(struct dkvb__values_ranks *w);

#endif
