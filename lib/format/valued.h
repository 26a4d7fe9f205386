#ifndef DKVB_FORMAT_VALUED_H
#define DKVB_FORMAT_VALUED_H

#include "bottleneck/model.h"

/*
 * Functions that choose the rows of values which a model file holds (docs/format.md, *Rows of values that are left
 * out*). A model file leaves out a row of values whose bytes are all 0: its key was never trained on, or was purged. A
 * model file leaves zero rows of values out only if its section of values becomes at least a sixteenth smaller, and if
 * the rows take more bytes than the set that names the stored rows. A sixteenth of the rows of values is always stored
 * (if necessary by storing the first zero rows), so that a small file cannot make a reader reserve much.
 */

/* True if a model file leaves out the rows of values that are all 0, given that `stored` other rows of values of `row`
 * bytes each remain in the file. */
bool dkvb__valued_pays(const struct dkvb__shape *s, size_t row, size_t stored);

/* Returns the least number of rows of values that a model file may hold. */
size_t dkvb__valued_least(size_t pairs);

/* Chooses the key-value pairs whose rows of values are stored in a model file, as `bits`, uint64_t[codebooks][words].
 * *count becomes the number of chosen key-value pairs, which is the number of all pairs if no row of values is left
 * out. Ranks (processes) that share the model must call dkvb__valued_choose() together, which fails only if ranks
 * cannot reach each other. */
dkvb_status dkvb__valued_choose(const dkvb_model *m, uint64_t *bits, size_t *count);

/* A walk over the rows of values of chosen key-value pairs, in ascending order. */
struct dkvb__valued_rows {
    const dkvb_model *model;
    /* bits of the key-value pairs whose rows of values dkvb__valued_choose() chose for a model file,
     * [codebooks][words] */
    const uint64_t *bits;
    size_t pair; /* the key-value pair at which the search for the next row of values to copy begins; 0 at first */
};

/* Copies the next rows of values of a walk, `size` bytes, which must be whole rows. dkvb__valued_produce() has the type
 * dkvb__produce_fn and requires that offsets ascend. */
dkvb_status dkvb__valued_produce(void *walk, uint64_t offset, void *to, size_t size);

/* Moves the stored rows of values, as read from a model file, to their places in the array of all rows of values. The
 * array `values` has room for all rows of values, and its last rows are the stored rows of the pairs in `bits`; all
 * other rows become 0. dkvb__valued_spread() returns the pair of the first stored row of values whose bytes are all 0,
 * as this row should have been left out; if there is no such row, the number of all pairs. */
size_t dkvb__valued_spread(const struct dkvb__shape *s, const uint64_t *bits, size_t stored, size_t row, char *values);

#endif
