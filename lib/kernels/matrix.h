#ifndef DKVB_KERNELS_MATRIX_H
#define DKVB_KERNELS_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "dkvb/memory.h"
#include "dkvb/status.h"
#include "kernels/kernels.h"

/* A matrix to multiply by, packed once: float[depth][columns] in panels, and what the chains start from. */
struct dkvb__matrix {
    size_t depth, columns;
    float *panels;
    float *start; /* zeros if there is no bias */
};

/* Where element [row][column] lies among panels of this depth. */
static inline size_t dkvb__panel_offset(size_t row, size_t column, size_t depth)
{
    return (column / DKVB__PANEL * depth + row) * DKVB__PANEL + column % DKVB__PANEL;
}

/* Room for a matrix, its start zeros. Elements are put there by dkvb__matrix_set(). */
dkvb_status dkvb__matrix_new(struct dkvb__matrix *m, size_t depth, size_t columns, const dkvb_allocator *mem);
void dkvb__matrix_free(struct dkvb__matrix *m, const dkvb_allocator *mem); /* a zeroed struct does nothing */

/* From w: float[columns][depth] (`outputs_first`, as PyTorch keeps a linear layer) or float[depth][columns]: at columns
 * `first` and on, `count` of them. */
void dkvb__matrix_set(struct dkvb__matrix *m, size_t first, size_t count, const float *w, bool outputs_first);

/* A product with it, `rows`, `a`, `out`, `add` and activation to be filled in. */
struct dkvb__product dkvb__matrix_product(const struct dkvb__matrix *m);

/* The product on all threads of the run: bits do not depend on how it is cut. */
void dkvb__multiply(const struct dkvb__product *product, const struct dkvb__run *run);

#endif
