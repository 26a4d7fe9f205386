#ifndef DKVB_UNLEARN_CHOOSE_H
#define DKVB_UNLEARN_CHOOSE_H

#include <string.h>

#include "base/parallel.h"
#include "dkvb/choose.h"
#include "unlearn/counting.h"

/* A request to choose key-value pairs to mask, whose members were checked. */
struct dkvb__choice {
    const dkvb_model *model;
    dkvb_request request;
    const struct dkvb__run *run;
};

/*
 * A method for choosing key-value pairs to mask; the code of each method is in a file of its own. Key-value pairs with
 * larger scores are masked first, and a pair with score 0 is never masked. The scores by which key-value pairs are
 * chosen are integers, and are compared as integers. A forgetting method whose scores are fractions returns the bit
 * patterns of doubles as integers, as bit patterns of positive doubles sort like the doubles themselves.
 */
struct dkvb__method {
    /* true if the forgetting method chooses pairs from values alone, without codes of rows or selection counts */
    bool from_values;
    /* computes the scores of all key-value pairs, [codebooks][keys]; the caller has cleared the array */
    dkvb_status (*score)(const struct dkvb__choice *, uint64_t *scores);
};

extern const struct dkvb__method dkvb__by_activations, dkvb__by_contrast, dkvb__by_examples, dkvb__by_values,
    dkvb__by_every;

/* The function dkvb__choice_count(), in counting.c, adds to `counts`, [codebooks][keys], how often each pair is
 * selected by those rows, or rows of those classes, that have a given mark in the request. */
dkvb_status dkvb__choice_count(const struct dkvb__choice *choice, uint8_t mark, uint64_t *counts);

static inline uint64_t dkvb__score_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return x > 0.0 ? bits : 0;
}

/* The rank of a key-value pair that is never masked, however large the budget (number of masked pairs). */
#define DKVB__RANK_NEVER 0xFFFFFFFFu

/* Computes the rank of each key-value pair, which is the smallest budget (number of pairs to mask) that includes the
 * pair: dkvb_unlearn_choose() with budget B chooses exactly the pairs whose rank is at most B. The array `rank`,
 * [codebooks][keys], gets the rank of each key-value pair, from 1 on, or DKVB__RANK_NEVER for a pair that is never
 * masked; `rank` is undefined if the call fails. */
dkvb_status dkvb__unlearn_rank(uint32_t *rank, const dkvb_model *model, const dkvb_request *request,
                               const dkvb_run_options *run);

/* Adds to the mask the key-value pairs whose rank (place in the order of masking) is at most `budget`. */
void dkvb__unlearn_by_rank(dkvb_mask *mask, const uint32_t *rank, uint64_t budget);

/* The function dkvb__take_largest(), in select.c, adds to the mask the `pairs` key-value pairs with the largest scores
 * in `scores`, [codebooks][keys]. Among pairs with equal scores those with the lowest numbers are masked first; pairs
 * with a score of 0 are never masked. */
void dkvb__take_largest(dkvb_mask *mask, const uint64_t *scores, uint64_t pairs);

/* Adds to the mask the key-value pairs whose score is at least `least`, which is 1 or more. */
void dkvb__take_from(dkvb_mask *mask, const uint64_t *scores, uint64_t least);

#endif
