#ifndef DKVB_UNLEARN_COUNTING_H
#define DKVB_UNLEARN_COUNTING_H

#include "base/parallel.h"
#include "bottleneck/model.h"

/* Adds the selections of the rows marked `mark` to counts, [C][K]; with marks NULL, those of all rows. The codes are
 * checked already. */
void dkvb__count_marked(const dkvb_model *model, const uint16_t *codes, size_t n, const uint8_t *marks, uint8_t mark,
                        uint64_t *counts, const struct dkvb__run *run);

/* Adds the selections of rows to counts, [L][own codebooks][K], by the rows' labels; rows with a label below 0 are left
 * out. Codes and labels are checked already. */
void dkvb__count_classes(const dkvb_model *model, const uint16_t *codes, const int32_t *labels, size_t n,
                         uint32_t *counts, const struct dkvb__run *run);

/* Allocates cleared counts of all classes. The result is NULL if memory runs out. */
uint32_t *dkvb__class_counts_new(const dkvb_model *model);

/* Overwrites the counts that the model keeps, and frees them: a count of a single row tells which pairs it selected. */
void dkvb__class_counts_erase(dkvb_model *model);

#endif
