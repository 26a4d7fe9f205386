#ifndef DKVB_BOTTLENECK_OUTSIDE_H
#define DKVB_BOTTLENECK_OUTSIDE_H

#include "bottleneck/project.h"
#include "dkvb/search.h"

/*
 * Rows that codebooks were not made for: of another scale, type or encoder than the key rows. Two things tell them:
 * their length as they are handed over, against the usual lengths of key rows, which codebooks remember; and how many
 * of their projected numbers lie at an end of the scale (docs/numerics.md, *Rows outside the scale*).
 */

/* Square root of the sum of squares, double precision, ascending; finite. */
double dkvb__row_length(const float *x, size_t width);

/* Set the codebooks' limits from the lengths of `n` >= 1 key rows. DKVB_ENOMEM. */
dkvb_status dkvb__limits_set(dkvb_codebooks *cb, const double *lengths, size_t n);

/* Numbers at an end of the scale in a tile of one codebook, int8_t[quads][16][4], are added to the 16 counts. */
void dkvb__cut_add(uint32_t *cut, const int8_t *tile, size_t quads);

/* Count `n` more rows, of these lengths and with so many numbers at an end; cut: NULL where rows are of length 1. */
void dkvb__outside_add(dkvb_outside *found, const dkvb_codebooks *cb, const double *lengths, const uint32_t *cut,
                       size_t n);

#endif
