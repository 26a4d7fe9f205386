#ifndef DKVB_UNLEARN_SEPARATION_H
#define DKVB_UNLEARN_SEPARATION_H

#include "base/parallel.h"
#include "dkvb/separation.h"

/* The steps of dkvb_separation_measure(). Rows are checked already, and their classes are settled. */

/* Add to rows: uint64_t[L] and counts: uint32_t[L][C][K]. DKVB_EINVAL, and nothing is added, if a class gets more rows
 * than counts have room for. */
dkvb_status dkvb__separation_count(const dkvb_separation_rows *in, uint32_t *counts, uint64_t *rows,
                                   const struct dkvb__run *run);

/* selected, exclusive: uint64_t[L]; counts[L][C][K]. Returns how many pairs any class selects. */
uint64_t dkvb__separation_pairs(const dkvb_separation_rows *in, const uint32_t *counts, uint64_t *selected,
                                uint64_t *exclusive);

/* jaccard, weighted: double[L][L]. Progress counts classes, of these and the groups of rows that silhouettes take. */
dkvb_status dkvb__separation_overlap(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                     double *jaccard, double *weighted, const struct dkvb__run *run);

/* each: double[n]. Progress goes on from the classes. */
dkvb_status dkvb__separation_silhouettes(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                         double *each, const struct dkvb__run *run);

#endif
