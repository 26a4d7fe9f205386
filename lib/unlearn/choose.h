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
 * A method for choosing pairs; each has a file of its own. Scores tell which pairs go first, and 0 means never. Scores
 * are compared as whole numbers. A method whose scores are fractions returns the bits of doubles, which sort as the
 * doubles do if all are positive.
 */
struct dkvb__method {
    bool from_values;                                                    /* the method reads neither codes nor counts */
    dkvb_status (*score)(const struct dkvb__choice *, uint64_t *scores); /* [C][K], cleared by the caller */
};

extern const struct dkvb__method dkvb__by_activations, dkvb__by_contrast, dkvb__by_examples, dkvb__by_values,
    dkvb__by_every;

/* Function of counting.c. dkvb__choice_count() adds f or r of a choice, the counts of rows or classes with this mark,
 * to counts: [C][K].
 */
dkvb_status dkvb__choice_count(const struct dkvb__choice *choice, uint8_t mark, uint64_t *counts);

static inline uint64_t dkvb__score_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return x > 0.0 ? bits : 0;
}

/* Rank of a pair that no budget chooses. */
#define DKVB__RANK_NEVER 0xFFFFFFFFu

/* Computes the ranks of all pairs: the budget from which on each pair is chosen. dkvb_unlearn_choose() with budget B
 * takes exactly the pairs whose rank is at most B. rank: [C][K], 1 or more, or DKVB__RANK_NEVER; undefined after a
 * failure. */
dkvb_status dkvb__unlearn_rank(uint32_t *rank, const dkvb_model *model, const dkvb_request *request,
                               const dkvb_run_options *run);

/* Adds the pairs whose rank is at most `budget` to the mask. */
void dkvb__unlearn_by_rank(dkvb_mask *mask, const uint32_t *rank, uint64_t budget);

/* Function of select.c. dkvb__take_largest() adds the `pairs` pairs with the largest scores, [C][K], to the mask. Among
 * equal scores the lowest pairs go first; pairs with a score of 0 are never added. */
void dkvb__take_largest(dkvb_mask *mask, const uint64_t *scores, uint64_t pairs);

/* Adds the pairs with a score of at least `least`, 1 or more, to the mask. */
void dkvb__take_from(dkvb_mask *mask, const uint64_t *scores, uint64_t least);

#endif
