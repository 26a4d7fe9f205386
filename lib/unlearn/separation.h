#ifndef DKVB_UNLEARN_SEPARATION_H
#define DKVB_UNLEARN_SEPARATION_H

#include "base/parallel.h"
#include "dkvb/separation.h"

/* The steps of dkvb_separation_measure(), which measures how far the codes of classes lie apart. The caller of
 * dkvb__separation_count() and of the other functions in lib/unlearn/separation.h has checked the rows and knows the
 * number of classes. */

/* Counts the rows of each class, `rows`, uint64_t[classes], and how often the rows of each class select each pair,
 * `counts`, uint32_t[classes][codebooks][keys]. If a class has more rows than the selection counts have room for,
 * counting fails with DKVB_EINVAL, and nothing is counted. */
dkvb_status dkvb__separation_count(const dkvb_separation_rows *in, uint32_t *counts, uint64_t *rows,
                                   const struct dkvb__run *run);

/* Counts, for each class, the key-value pairs that its rows select, `selected`, and those among them that no other
 * class selects, `exclusive`, uint64_t[classes], from counts[classes][codebooks][keys]. The function
 * dkvb__separation_pairs() returns the number of key-value pairs that at least one class selects. */
uint64_t dkvb__separation_pairs(const dkvb_separation_rows *in, const uint32_t *counts, uint64_t *selected,
                                uint64_t *exclusive);

/* Computes how much the codes of each two classes overlap: `jaccard` and `weighted`, double[classes][classes]. While
 * overlaps of codes are computed, the progress callback counts the finished classes; its total is the number of classes
 * plus the number of groups of rows for which silhouettes are computed afterwards. */
dkvb_status dkvb__separation_overlap(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                     double *jaccard, double *weighted, const struct dkvb__run *run);

/* Computes the silhouette of each row, a measure of how much closer the row is to its own class than to others: `each`,
 * double[n]. While silhouettes are computed, the progress callback counts the finished groups of rows on top of the
 * number of classes, which were counted while overlaps of codes were computed. */
dkvb_status dkvb__separation_silhouettes(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                         double *each, const struct dkvb__run *run);

#endif
