#ifndef DKVB_FIT_SWEEP_GRID_H
#define DKVB_FIT_SWEEP_GRID_H

#include "fit/sweep.h"

/* The grid of a sweep: all cells to measure. It follows from model, codeset and options, and nothing of it changes
 * while cells are measured but what cells say. */
struct dkvb__sweep_grid {
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o; /* NULL lists replaced by their defaults */
    dkvb_allocator mem;
    uint8_t *swept;         /* [L], 1 for classes of the grid */
    uint8_t *aside;         /* [L], DKVB_ASIDE for classes that were forgotten earlier, else DKVB_KEEP */
    uint64_t *class_rows;   /* [L], of the training part */
    const int32_t *labels;  /* [n], of the rows that are measured on: test rows or those held out */
    size_t n;               /* such rows, and of these */
    uint64_t measured;      /* rows with a label */
    uint64_t *steps;        /* [o.steps], the default budgets of one list */
    dkvb_sweep_cell *cells; /* [count], described before any is measured */
    size_t count, room;
    uint64_t *cell_shape;     /* [count], index of the shape */
    dkvb_sweep_shape *shapes; /* [o.shape_count], without zeros; o.shapes */
    size_t *places;           /* [o.feature_rows], among the rows of the codeset: dkvb__codeset_place() */
};

/* Check everything that can be checked before a cell is measured, and describe all cells. The grid needs
 * dkvb__sweep_grid_free() after a failure too. */
dkvb_status dkvb__sweep_grid_new(struct dkvb__sweep_grid *grid, dkvb_model *model, dkvb_codeset *set,
                                 const dkvb_sweep_options *opts);

/* A run: cells that differ in their budget alone, which are measured together. The end of the run that begins at
 * `first`. */
size_t dkvb__sweep_grid_run_end(const struct dkvb__sweep_grid *grid, size_t first);

/* Everything that cells follow from: another model, other codes or features, other options give another sum. */
dkvb_status dkvb__sweep_grid_fingerprint(const struct dkvb__sweep_grid *grid, uint8_t sum[DKVB__SWEEP_FINGERPRINT]);

void dkvb__sweep_grid_free(struct dkvb__sweep_grid *grid);

#endif
