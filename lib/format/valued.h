#ifndef DKVB_FORMAT_VALUED_H
#define DKVB_FORMAT_VALUED_H

#include "bottleneck/model.h"

/*
 * Which rows of values a model file holds (docs/format.md, *Rows of values that are left out*). A row whose bytes are
 * all 0, of a key that nothing was trained on or that was purged, is left out, where that makes the section a sixteenth
 * smaller, and by more than the set of the other rows takes. A sixteenth of the rows stays in any case, the lowest of
 * those that are zeros, so that a small file cannot make a reader reserve much.
 */

/* True if a file with `stored` rows of `row` bytes is one that leaves rows out. */
bool dkvb__valued_pays(const struct dkvb__shape *s, size_t row, size_t stored);

/* The fewest rows that a file may hold. */
size_t dkvb__valued_least(size_t pairs);

/* Pairs whose rows go into the file of this model, uint64_t[C][W] at `bits`; how many. All, if nothing is left out. */
size_t dkvb__valued_choose(const dkvb_model *m, uint64_t *bits);

/* The rows of these pairs, one after the other. */
void dkvb__valued_gather(const dkvb_model *m, const uint64_t *bits, char *to);

/* The other way, in place: `values` has room for all rows, its last ones are those of these pairs. The pair of the
 * first row that should have been left out, or the number of pairs if there is none. */
size_t dkvb__valued_spread(const struct dkvb__shape *s, const uint64_t *bits, size_t stored, size_t row, char *values);

#endif
