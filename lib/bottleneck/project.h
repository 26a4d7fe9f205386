#ifndef DKVB_BOTTLENECK_PROJECT_H
#define DKVB_BOTTLENECK_PROJECT_H

#include "base/parallel.h"
#include "bottleneck/codebooks.h"

/* Rows as they enter the projections: in double precision, normalised if the codebooks do so, minus the centre.
 * to: double[n][m]. DKVB_EINVAL names the first number that is not finite; `first_row` is added to its row. */
dkvb_status dkvb__prepare_rows(const dkvb_codebooks *cb, const struct dkvb__run *run, const float *x, size_t n,
                               size_t first_row, double *to);

/* One of them, known to be finite. */
void dkvb__prepare_row(const dkvb_codebooks *cb, const float *x, double *y);

/* DKVB_EINVAL for the first row of float[n][width] that holds a number that is not finite; `what` names the numbers. */
dkvb_status dkvb__check_finite(const struct dkvb__run *run, const float *x, size_t n, size_t width, const char *what);

/* q[r] = P_c rows[r] for prepared rows; q: float[n][d]. Returns the first row whose projection overflows, n if none
 * does. */
size_t dkvb__project_rows(const dkvb_codebooks *cb, size_t c, const double *const *rows, size_t n, float *q);

/* Prepared rows of one tile, and pointers to them. */
struct dkvb__tile {
    double *rows;       /* [capacity][m] */
    const double **row; /* [capacity] */
    size_t capacity;
};

enum { DKVB__TILE_ROWS = 512 }; /* what is usual */

/* Room for up to `n` rows and up to `most`, less where rows are wide. */
dkvb_status dkvb__tile_new(struct dkvb__tile *tile, const dkvb_codebooks *cb, size_t n, size_t most,
                           const dkvb_allocator *mem);
void dkvb__tile_free(struct dkvb__tile *tile, const dkvb_allocator *mem);

/* Lowest row that some worker found at fault; workers may race for it. */
void dkvb__lower(atomic_size_t *lowest, size_t row);

/* DKVB_EINVAL: the projection of this row overflows. */
dkvb_status dkvb__fail_overflow(size_t row);

#endif
