#ifndef DKVB_BOTTLENECK_OUTSIDE_H
#define DKVB_BOTTLENECK_OUTSIDE_H

#include "bottleneck/project.h"
#include "dkvb/search.h"

/*
 * Rows outside the scale of the codebooks: rows that the codebooks were not made for, as they come from another scale,
 * type or encoder than the rows on which keys were placed. Two signs show a row outside the scale of the codebooks: the
 * length of the row as the caller gave it, compared with the usual lengths that codebooks remember; and how many of the
 * row's projected numbers lie at an end of the scale (docs/numerics.md, *Rows outside the scale*).
 */

/* Returns the length of a row: the square root of the sum of squares, added in double precision in ascending order. The
 * length of a row of floats is always finite in double precision. */
double dkvb__row_length(const float *x, size_t width);

/* Sets the codebooks' limits on the lengths of rows from the lengths of `n` >= 1 key rows (rows on which keys are
 * placed). Setting the limits on the lengths of rows may fail with DKVB_ENOMEM. */
dkvb_status dkvb__limits_set(dkvb_codebooks *cb, const double *lengths, size_t n);

/* Counts the numbers at an end of the quantisation scale in each row of a tile of one codebook, int8_t[quads][16][4],
 * and adds the counts to the 16 elements of `cut`. */
void dkvb__cut_add(uint32_t *cut, const int8_t *tile, size_t quads);

/* Adds `n` rows to the counts of rows outside the scale of the codebooks, by the rows' lengths and by `cut`, their
 * counts of numbers at an end of the scale. If rows are scaled to length 1, dkvb__outside_add() counts no numbers at an
 * end of the quantisation scale, and `cut` is NULL. */
void dkvb__outside_add(dkvb_outside *found, const dkvb_codebooks *cb, const double *lengths, const uint32_t *cut,
                       size_t n);

/* Adds `more`, counts of rows outside the scale of the codebooks, to `found`, the counts of earlier rows. */
void dkvb__outside_join(dkvb_outside *found, const dkvb_outside *more);

#endif
