#ifndef DKVB_FORMAT_VALUED_H
#define DKVB_FORMAT_VALUED_H

#include "bottleneck/model.h"

/*
 * The choice of the rows of values that a model file holds (docs/format.md, *Rows of values that are left out*). A row
 * whose bytes are all 0 is left out: its key was never trained on, or was purged. Rows are only left out if that makes
 * the section a sixteenth smaller, and saves more than the set of the other rows takes. A sixteenth of the rows is
 * always stored, the lowest of the zero rows included, so that a small file cannot make a reader reserve much.
 */

/* True if a file with `stored` rows of `row` bytes leaves rows out. */
bool dkvb__valued_pays(const struct dkvb__shape *s, size_t row, size_t stored);

/* The least number of rows that a file may hold. */
size_t dkvb__valued_least(size_t pairs);

/* Chooses the pairs whose rows go into the file of a model, uint64_t[C][W] at `bits`. *count: their number, which is
 * that of all pairs if nothing is left out. Ranks that share the model call this together; it cannot fail otherwise. */
dkvb_status dkvb__valued_choose(const dkvb_model *m, uint64_t *bits, size_t *count);

/* A walk over the rows of chosen pairs, in ascending order. */
struct dkvb__valued_rows {
    const dkvb_model *model;
    const uint64_t *bits; /* uint64_t[C][W], as dkvb__valued_choose() made them */
    size_t pair;          /* the pair from which the next row is searched; 0 at the beginning */
};

/* Copies the next rows of a walk, `size` bytes, which are whole rows. The function has the type dkvb__produce_fn; it
 * relies on being asked in ascending order. */
dkvb_status dkvb__valued_produce(void *walk, uint64_t offset, void *to, size_t size);

/* Spreads rows in place: `values` has room for all rows, and its last ones are the rows of these pairs. The result is
 * the pair of the first row that should have been left out, or the number of pairs if there is none. */
size_t dkvb__valued_spread(const struct dkvb__shape *s, const uint64_t *bits, size_t stored, size_t row, char *values);

#endif
