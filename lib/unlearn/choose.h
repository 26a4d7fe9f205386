#ifndef DKVB_UNLEARN_CHOOSE_H
#define DKVB_UNLEARN_CHOOSE_H

#include <string.h>

#include "base/parallel.h"
#include "dkvb/choose.h"
#include "unlearn/counting.h"

/* A request that has been checked. */
struct dkvb__choice {
    const dkvb_model *model;
    dkvb_request request;
    const struct dkvb__run *run;
};

/*
 * A method: one file each. Scores say which pairs go first, 0 = never; they are compared as numbers, so a method whose
 * scores are fractions gives the bits of doubles, which for numbers of one sign come in the same order.
 */
struct dkvb__method {
    bool from_values;                                                    /* looks at neither codes nor counts */
    dkvb_status (*score)(const struct dkvb__choice *, uint64_t *scores); /* [C][K], cleared */
};

extern const struct dkvb__method dkvb__by_activations, dkvb__by_contrast, dkvb__by_examples, dkvb__by_values,
    dkvb__by_every;

/* counting.c: f or r of a choice, [C][K], added to counts: of rows or classes with this mark. */
dkvb_status dkvb__choice_count(const struct dkvb__choice *choice, uint8_t mark, uint64_t *counts);

static inline uint64_t dkvb__score_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return x > 0.0 ? bits : 0;
}

/* In a ranking: this pair is chosen by no budget. */
#define DKVB__RANK_NEVER 0xFFFFFFFFu

/* The budget from which on each pair is chosen: dkvb_unlearn_choose() with budget B takes exactly the pairs whose rank
 * is at most B. rank: [C][K], 1 or more, or DKVB__RANK_NEVER; undefined on failure. */
dkvb_status dkvb__unlearn_rank(uint32_t *rank, const dkvb_model *model, const dkvb_request *request,
                               const dkvb_run_options *run);

/* Add to `mask` the pairs whose rank is at most `budget`. */
void dkvb__unlearn_by_rank(dkvb_mask *mask, const uint32_t *rank, uint64_t budget);

/* select.c: add to the mask the `pairs` pairs with the largest scores, [C][K], ties to the lowest; none with a score of
 * 0. */
void dkvb__take_largest(dkvb_mask *mask, const uint64_t *scores, uint64_t pairs);

/* Add the pairs with a score of at least `least`, 1 or more. */
void dkvb__take_from(dkvb_mask *mask, const uint64_t *scores, uint64_t least);

#endif
