#ifndef DKVB_KERNELS_MATRIX_H
#define DKVB_KERNELS_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "dkvb/memory.h"
#include "dkvb/status.h"
#include "kernels/kernels.h"

/* The right-hand matrix of matrix products, packed once: float[depth][columns] in panels of 16 columns, and the start
 * values of the sums. */
struct dkvb__matrix {
    size_t depth, columns;
    float *panels;
    float *start; /* start values of the sums of a product (the bias of a layer), zeros if the layer has no bias */
};

/* Returns the offset of element [row][column] of a matrix that is stored in panels of 16 columns with `depth` rows. */
static inline size_t dkvb__panel_offset(size_t row, size_t column, size_t depth)
{
    return (column / DKVB__PANEL * depth + row) * DKVB__PANEL + column % DKVB__PANEL;
}

/* Allocates a matrix whose start values are zeros. dkvb__matrix_set() fills in the elements. */
dkvb_status dkvb__matrix_new(struct dkvb__matrix *m, size_t depth, size_t columns, const dkvb_allocator *mem);
/* frees a matrix; a struct of zeros is allowed */
void dkvb__matrix_free(struct dkvb__matrix *m, const dkvb_allocator *mem);

/* Fills `count` columns of the right-hand matrix of a product, from column `first` on. The matrix `w` is
 * float[columns][depth] if `outputs_first`, as in a linear layer of PyTorch, otherwise float[depth][columns]. */
void dkvb__matrix_set(struct dkvb__matrix *m, size_t first, size_t count, const float *w, bool outputs_first);

/* Returns a matrix product with the right-hand matrix m. The caller of dkvb__matrix_product() fills in the left matrix
 * (`rows`, `a`), the result `out`, the added matrix `add` and the activation of the product that is returned. */
struct dkvb__product dkvb__matrix_product(const struct dkvb__matrix *m);

/* Computes a matrix product on all threads of a call of the library. The result of a matrix product is the same bit for
 * bit, however the work is divided among threads. */
void dkvb__multiply(const struct dkvb__product *product, const struct dkvb__run *run);

#endif
