#ifndef DKVB_UNLEARN_COUNTING_H
#define DKVB_UNLEARN_COUNTING_H

#include "base/parallel.h"
#include "bottleneck/model.h"

/* Adds to `counts`, [codebooks][keys], how often the rows marked with `mark` select each pair; if `marks` is NULL, all
 * rows are counted. The caller of dkvb__count_marked() has checked that all codes name keys of the codebooks. */
void dkvb__count_marked(const dkvb_model *model, const uint16_t *codes, size_t n, const uint8_t *marks, uint8_t mark,
                        uint64_t *counts, const struct dkvb__run *run);

/* Adds to `counts`, [classes][own codebooks][keys], how often the rows of each label select each pair of those
 * codebooks that this rank (process) holds; rows with a label below 0 are left out. The caller of dkvb__count_classes()
 * has checked the codes and the labels of the rows. */
void dkvb__count_classes(const dkvb_model *model, const uint16_t *codes, const int32_t *labels, size_t n,
                         uint32_t *counts, const struct dkvb__run *run);

/* Allocates the selection counts of all classes of a model, set to 0. NULL is returned if memory for the selection
 * counts runs out. */
uint32_t *dkvb__class_counts_new(const dkvb_model *model);

/* Erases and frees the selection counts of a model, as the counts of a single row show which pairs the row selected. */
void dkvb__class_counts_erase(dkvb_model *model);

#endif
