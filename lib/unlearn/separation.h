#ifndef DKVB_UNLEARN_SEPARATION_H
#define DKVB_UNLEARN_SEPARATION_H

#include "base/parallel.h"
#include "dkvb/separation.h"

/* The steps of dkvb_separation_measure(). The rows are checked already, and the number of classes is known. */

/* Adds to rows: uint64_t[L] and counts: uint32_t[L][C][K]. DKVB_EINVAL says that a class gets more rows than the counts
 * have room for; nothing is added then. */
dkvb_status dkvb__separation_count(const dkvb_separation_rows *in, uint32_t *counts, uint64_t *rows,
                                   const struct dkvb__run *run);

/* Counts the pairs of each class: selected, exclusive: uint64_t[L]; counts[L][C][K]. The result is the number of pairs
 * that any class selects. */
uint64_t dkvb__separation_pairs(const dkvb_separation_rows *in, const uint32_t *counts, uint64_t *selected,
                                uint64_t *exclusive);

/* Computes jaccard, weighted: double[L][L]. Progress counts classes, out of the classes and the groups of rows that
 * silhouettes take. */
dkvb_status dkvb__separation_overlap(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                     double *jaccard, double *weighted, const struct dkvb__run *run);

/* Computes each: double[n]. Progress continues after the classes. */
dkvb_status dkvb__separation_silhouettes(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                         double *each, const struct dkvb__run *run);

#endif
