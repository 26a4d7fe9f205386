#ifndef DKVB_FIT_SWEEP_GRID_H
#define DKVB_FIT_SWEEP_GRID_H

#include "fit/sweep.h"

/* The grid of a sweep: all cells to measure. The grid follows from model, codeset and options. While cells are
 * measured, only the figures of the cells change. */
struct dkvb__sweep_grid {
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o; /* options, with NULL lists replaced by their defaults */
    dkvb_allocator mem;
    uint8_t *swept;         /* [L], 1 for classes of the grid */
    uint8_t *aside;         /* [L], DKVB_ASIDE for classes that were forgotten earlier, else DKVB_KEEP */
    uint64_t *class_rows;   /* [L], number of rows in the training part */
    const int32_t *labels;  /* [n], labels of the measured rows, which are test rows or held-out rows */
    size_t n;               /* number of measured rows, and of these */
    uint64_t measured;      /* the number with a label */
    uint64_t *steps;        /* [o.steps], the default budgets of one list */
    dkvb_sweep_cell *cells; /* [count], described before any cell is measured */
    size_t count, room;
    uint64_t *cell_shape;     /* [count], index of the cell's shape */
    dkvb_sweep_shape *shapes; /* [o.shape_count], without zeros; o.shapes points here */
    size_t *places;           /* [o.feature_rows], places among the rows of the codeset: dkvb__codeset_place() */
};

/* Checks everything that can be checked before a cell is measured, and describes all cells. The caller must call
 * dkvb__sweep_grid_free() after a failure too. */
dkvb_status dkvb__sweep_grid_new(struct dkvb__sweep_grid *grid, dkvb_model *model, dkvb_codeset *set,
                                 const dkvb_sweep_options *opts);

/* Returns the end of the run that begins at `first`. A run is a group of cells that differ in their budget alone and
 * are measured together. */
size_t dkvb__sweep_grid_run_end(const struct dkvb__sweep_grid *grid, size_t first);

/* Computes a fingerprint of everything that cells depend on: other models, codes, features or options give another one.
 */
dkvb_status dkvb__sweep_grid_fingerprint(const struct dkvb__sweep_grid *grid, uint8_t sum[DKVB__SWEEP_FINGERPRINT]);

void dkvb__sweep_grid_free(struct dkvb__sweep_grid *grid);

#endif
