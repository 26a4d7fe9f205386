#ifndef DKVB_UNLEARN_SEPARATION_H
#define DKVB_UNLEARN_SEPARATION_H

#include "base/parallel.h"
#include "dkvb/separation.h"

/* The steps of dkvb_separation_measure(), which measures how far the codes of classes lie apart. The caller of
 * dkvb__separation_count() and of the later steps has checked the rows and knows the number of classes. */

/* Counts the rows of each class, `rows`, uint64_t[classes], and how often they select each pair, `counts`,
 * uint32_t[classes][codebooks][keys]. DKVB_EINVAL says that a class has more rows than the selection counts have room
 * for; then nothing is counted. */
dkvb_status dkvb__separation_count(const dkvb_separation_rows *in, uint32_t *counts, uint64_t *rows,
                                   const struct dkvb__run *run);

/* Counts the key-value pairs that each class selects, and selects alone: `selected` and `exclusive`, uint64_t[classes],
 * from counts[classes][codebooks][keys]. The function returns the number of key-value pairs that at least one class
 * selects. */
uint64_t dkvb__separation_pairs(const dkvb_separation_rows *in, const uint32_t *counts, uint64_t *selected,
                                uint64_t *exclusive);

/* Computes how much the pairs of classes overlap: `jaccard` and `weighted`, double[classes][classes]. The progress
 * callback counts the classes, in a total of the classes and the groups of rows for the silhouettes. */
dkvb_status dkvb__separation_overlap(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                     double *jaccard, double *weighted, const struct dkvb__run *run);

/* Computes the silhouette of each row: `each`, double[n]. The progress callback counts the rows after the classes that
 * were counted before. */
dkvb_status dkvb__separation_silhouettes(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                         double *each, const struct dkvb__run *run);

#endif
