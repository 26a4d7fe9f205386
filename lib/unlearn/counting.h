#ifndef DKVB_UNLEARN_COUNTING_H
#define DKVB_UNLEARN_COUNTING_H

#include "base/parallel.h"
#include "bottleneck/model.h"

/* Add to counts, [C][K], what the rows select whose mark is `mark`; marks NULL: all rows. Codes are
 * checked. */
void dkvb__count_marked(const dkvb_model *model, const uint16_t *codes, size_t n, const uint8_t *marks, uint8_t mark,
                        uint64_t *counts, const struct dkvb__run *run);

/* Add to counts, [L][C][K], what rows select, by their labels; those below 0 are left out. Codes and
 * labels are checked. */
void dkvb__count_classes(const dkvb_model *model, const uint16_t *codes, const int32_t *labels, size_t n,
                         uint32_t *counts, const struct dkvb__run *run);

/* Cleared counts of all classes; NULL if out of memory. */
uint32_t *dkvb__class_counts_new(const dkvb_model *model);

/* Overwrite those that the model keeps, and keep none: counts of single rows tell what they selected. */
void dkvb__class_counts_erase(dkvb_model *model);

#endif
