#ifndef DKVB_FORMAT_VALUES_RANKS_H
#define DKVB_FORMAT_VALUES_RANKS_H

#include "bottleneck/model.h"

/*
 * State of writing the sections "values" and "counts" of a model that several processes (ranks) share. When ranks
 * (processes) save a model, rank 0 writes the file, and asks for rows of values and counts of classes piece by piece;
 * the other ranks answer until rank 0 has all, or gives up.
 */
struct dkvb__values_ranks {
    const dkvb_model *model;
    /* bits of the key-value pairs whose rows of values the model file holds, [codebooks][words]; NULL: all pairs */
    const uint64_t *bits;
    size_t pair;  /* the first key-value pair whose values rank 0 has not yet asked the other ranks for */
    size_t label; /* the first class whose selection counts rank 0 has not yet asked the other ranks for */
    /* the rows of values that this rank (process) holds, within the piece of values that rank 0 asks for */
    char *piece;
    size_t room; /* number of bytes allocated for the buffer of section bytes, `piece` */
    bool broken; /* true if moving values between the ranks (processes) failed, which all ranks then know */
};

/* dkvb__values_ranks_produce() makes rows of values, and dkvb__counts_ranks_produce() selection counts, for the writer
 * of a model file (as dkvb__produce_fn with a struct dkvb__values_ranks as context). Only rank 0 of the ranks
 * (processes) calls dkvb__values_ranks_produce() and dkvb__counts_ranks_produce(). */
dkvb_status dkvb__values_ranks_produce(void *context, uint64_t offset, void *to, size_t size);
dkvb_status dkvb__counts_ranks_produce(void *context, uint64_t offset, void *to, size_t size);

/* Tells the other ranks (processes) that rank 0 asks for no more pieces of values and counts, unless moving a piece
 * failed, as the other ranks then know. Only rank 0 of the ranks (processes) calls dkvb__values_ranks_end(). */
dkvb_status dkvb__values_ranks_end(struct dkvb__values_ranks *w);

/* Answers the requests of rank 0 for values and counts until rank 0 ends. While rank 0 saves a model that ranks
 * (processes) share, all other ranks call dkvb__values_ranks_serve(). */
dkvb_status dkvb__values_ranks_serve(struct dkvb__values_ranks *w);

#endif
