#ifndef DKVB_FORMAT_VALUES_RANKS_H
#define DKVB_FORMAT_VALUES_RANKS_H

#include "bottleneck/model.h"

/*
 * The section "values" of a model that ranks share. Rank 0 writes the file, and asks for the rows piece by piece; the
 * other ranks serve it until it has all, or gives up.
 */
struct dkvb__values_ranks {
    const dkvb_model *model;
    const uint64_t *bits; /* [C][W], pairs whose rows the file holds; NULL: all */
    size_t pair;          /* the first pair that was not asked for yet */
    char *piece;          /* own rows of the present piece */
    size_t room;          /* bytes of `piece` */
    bool broken;          /* a piece failed, on all ranks */
};

/* Makes rows for the writer (dkvb__produce_fn, context: struct dkvb__values_ranks). On rank 0. */
dkvb_status dkvb__values_ranks_produce(void *context, uint64_t offset, void *to, size_t size);

/* Tells the other ranks that no more rows are wanted, unless a piece failed: then they know. On rank 0. */
dkvb_status dkvb__values_ranks_end(struct dkvb__values_ranks *w);

/* Answers rank 0 until it ends. On the other ranks. */
dkvb_status dkvb__values_ranks_serve(struct dkvb__values_ranks *w);

#endif
