#ifndef DKVB_FIT_SWEEP_GRID_H
#define DKVB_FIT_SWEEP_GRID_H

#include "fit/sweep.h"

/* The grid of a sweep: all cells, each of which is one forgetting to measure. The grid of a sweep is determined by the
 * sweep's model, codeset and options. Measuring a cell (one forgetting) of the sweep changes only the results in the
 * cell, nothing else of the grid. */
struct dkvb__sweep_grid {
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_sweep_options o; /* options of the sweep, in which lists that were NULL are replaced by their defaults */
    dkvb_allocator mem;
    uint8_t *swept; /* marks of the classes whose forgetting the sweep measures, [classes] */
    /* marks of the classes of the model, [classes]: DKVB_ASIDE for classes that were forgotten earlier, otherwise
     * DKVB_KEEP */
    uint8_t *aside;
    uint64_t *class_rows;  /* number of rows of each class in the training part of the codeset, [classes] */
    const int32_t *labels; /* labels of the rows that the sweep measures, which are test rows or held-out rows, [n] */
    size_t n;              /* number of held-out or test rows that the sweep measures */
    uint64_t measured;     /* number of held-out or test rows with a label that the sweep measures */
    /* The default budgets (numbers of masked pairs) of the sweep, if the caller gives none: one list, [o.steps]. */
    uint64_t *steps;
    dkvb_sweep_cell *cells; /* all cells of the sweep's grid, [count], listed before any cell is measured */
    size_t count, room;
    /* for each cell of the sweep, the index of the shape (sizes of the model) that it measures, [count] */
    uint64_t *cell_shape;
    /* shapes (sizes) of the models to measure, [o.shape_count], with sizes above 0; o.shapes points to this array */
    dkvb_sweep_shape *shapes;
    /* for each row of features in the options of the sweep, its index among the codeset's rows, [o.feature_rows], see
     * dkvb__codeset_place() */
    size_t *places;
};

/* Checks everything that can be checked before a cell of a sweep is measured, and describes all cells (forgettings to
 * measure) of the grid. The caller must call dkvb__sweep_grid_free() even if the grid could not be made. */
dkvb_status dkvb__sweep_grid_new(struct dkvb__sweep_grid *grid, dkvb_model *model, dkvb_codeset *set,
                                 const dkvb_sweep_options *opts);

/* Returns the index after the last cell of the run that begins at cell `first`; the cells of a run differ in their
 * budget (number of masked pairs) only. A run is a group of cells of a sweep that differ in their budget (number of
 * masked pairs) alone and are measured together. */
size_t dkvb__sweep_grid_run_end(const struct dkvb__sweep_grid *grid, size_t first);

/* Computes a fingerprint of everything that the cells of a sweep depend on: other models, codes, features or options
 * give another fingerprint. */
dkvb_status dkvb__sweep_grid_fingerprint(const struct dkvb__sweep_grid *grid, uint8_t sum[DKVB__SWEEP_FINGERPRINT]);

void dkvb__sweep_grid_free(struct dkvb__sweep_grid *grid);

#endif
