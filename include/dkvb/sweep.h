/**
 * @file
 * @brief Sweeps: a sweep measures the accuracy of a forgotten class and of all other classes, for many numbers of
 * masked pairs.
 *
 * A sweep measures a grid of cells. Each cell combines one class to forget, one method of choosing pairs (choose.h),
 * one budget (number of pairs to mask) and one seed. If the caller gives shapes, the grid also has models that are
 * trained anew with other codebooks, keys, lengths of keys or seeds. A cell of the strength `exact` has no budget: the
 * values are trained again without the rows of the class. A sweep does not change the model.
 *
 *     dkvb_sweep_options o = DKVB_SWEEP_OPTIONS_INIT;
 *
 *     o.path = "budgets.csv";                               // a table of 30 budgets for every class
 *     rc = dkvb_sweep_run(model, set, &o, NULL, NULL);
 *
 * Cells of a sweep are always in the order of shape, class, strength, method, seed, budget. The table of a sweep
 * (docs/sweep.md) has one line for each cell, and then the mean and its 95 % interval over classes and seeds. While a
 * sweep works, a file beside the table holds the finished cells; its name is the name of the table followed by ".part".
 * A call of dkvb_sweep_run() that was interrupted or killed can be repeated: it continues from the file of cells, and
 * its table has the same bytes as without the interruption. Equal inputs give equal bits, for any number of threads.
 */
#ifndef DKVB_SWEEP_H
#define DKVB_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "choose.h"
#include "codeset.h"
#include "export.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_sweep Sweeps
 *  @{ */

/**
 * Shape of a model that a sweep trains itself, with other codebooks, keys or seed.
 *
 * A sweep trains models of other shapes on the training part of the codeset, with the options of the codeset's first
 * session. A model that a sweep trains also learns classes that masks forgot, and the mask in force does not apply to
 * it. A member of a shape that is 0, except `seed`, stands for the number of the given model. No member will ever be
 * added to dkvb_sweep_shape, since callers give arrays of it.
 */
typedef struct dkvb_sweep_shape {
    uint32_t codebooks; /**< number of codebooks (C) */
    uint32_t keys;      /**< number of keys per codebook (K) */
    uint32_t key_dim;   /**< length of a key (d) */
    uint32_t top_k;     /**< number of keys selected per codebook (k) */
    uint64_t seed;      /**< seed of keys and training; 0 is a seed too, not a default */
} dkvb_sweep_shape;

/**
 * Cell of the grid of a sweep: the class, how it is forgotten, and how many measured rows are classified correctly. The
 * library fills in the struct.
 */
typedef struct dkvb_sweep_cell {
    uint64_t index;        /**< number of the cell in the grid, from 0 */
    uint64_t cells;        /**< number of all cells in the grid of the sweep */
    uint32_t trained_anew; /**< 1 if the model of the cell was trained for the sweep; 0 if it is the given model */
    uint32_t codebooks;    /**< number of codebooks (C) of the cell's model */
    uint32_t keys;         /**< number of keys per codebook (K) of the cell's model */
    uint32_t key_dim;      /**< length of a key (d) of the cell's model */
    uint32_t top_k;        /**< number of keys selected per codebook (k) of the cell's model */
    uint32_t label;        /**< index of the class that is forgotten */
    uint64_t train_seed;   /**< seed of training the cell's model; 0 if it is unknown */
    uint32_t strength;     /**< strength of forgetting: DKVB_STRENGTH_SUPPRESS or DKVB_STRENGTH_EXACT (unlearn.h) */
    uint32_t method;       /**< method of choosing pairs, DKVB_METHOD_…; 0 for strength exact */
    uint64_t seed;         /**< seed of the random draw of the method `examples`; 0 for other methods */
    /**
     * Number of pairs to mask, for the method `examples` number of drawn rows; 0 for strength exact or method `every`.
     */
    uint64_t budget;
    uint64_t pairs; /**< number of pairs that were masked */
    /** Number of rows of the class from which the values learned; for the method `examples`, number of drawn rows. */
    uint64_t rows;
    uint64_t forget_rows; /**< number of measured rows of the forgotten class */
    /** Number of measured rows of the forgotten class that are classified correctly before the forgetting. */
    uint64_t forget_before;
    /** Number of measured rows of the forgotten class that are classified correctly after the forgetting. */
    uint64_t forget_after;
    uint64_t
        retain_rows; /**< number of measured rows of all other classes, without classes that were forgotten earlier */
    /** Number of measured rows of all other classes that are classified correctly before the forgetting. */
    uint64_t retain_before;
    /** Number of measured rows of all other classes that are classified correctly after the forgetting. */
    uint64_t retain_after;
    /** Index of the other class that loses the largest fraction of its rows, the lowest index on a tie. */
    uint32_t worst;
    uint32_t has_worst;  /**< 0 if no other class has measured rows, so that `worst` is undefined; else 1 */
    uint64_t worst_rows; /**< number of measured rows of class `worst` */
    /** Number of measured rows of class `worst` that are classified correctly before the forgetting. */
    uint64_t worst_before;
    /** Number of measured rows of class `worst` that are classified correctly after the forgetting. */
    uint64_t worst_after;
    /** Number of (row, codebook) pairs whose code ran out of unmasked keys (effect.h); always 0 for strength exact. */
    uint64_t exhausted;
} dkvb_sweep_cell;

/**
 * Callback that receives the cells of a sweep. The library invokes the callback when the figures of a cell are known,
 * on the thread that made the call.
 *
 * @param user  pointer `user` of the options.
 * @param cell  the finished cell.
 * @return 0 to continue; any other number ends the sweep with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_sweep_fn)(void *user, const dkvb_sweep_cell *cell);

/**
 * Options of a sweep: its grid, and the rows to measure on. Callers initialise the options with
 * `DKVB_SWEEP_OPTIONS_INIT`; the library reads the options during the call only.
 */
typedef struct dkvb_sweep_options {
    size_t struct_size; /**< size of dkvb_sweep_options in bytes, set by DKVB_SWEEP_OPTIONS_INIT */
    /**
     * `uint8_t[classes]` of the model, DKVB_FORGET for each class to sweep, each alone; NULL sweeps all classes that
     * were not forgotten earlier and have rows in the training part and among the measured rows.
     */
    const uint8_t *classes;
    /** `[strength_count]`, strengths of forgetting, DKVB_STRENGTH_…, each once; NULL stands for suppress alone. */
    const uint32_t *strengths;
    size_t strength_count; /**< number of strengths in `strengths` */
    /**
     * `[method_count]`, methods of choosing pairs, DKVB_METHOD_…, each once; NULL stands for the method values, the
     * default of plans.
     */
    const uint32_t *methods;
    size_t method_count; /**< number of methods in `methods` */
    /** `[budget_count]`, numbers of pairs to mask, ascending, 1 or more; NULL takes `steps` default budgets. */
    const uint64_t *budgets;
    size_t budget_count; /**< number of budgets in `budgets` */
    /**
     * Number of default budgets. Default budgets rise in equal ratios from 1/4,096 of the model's pairs to all pairs;
     * for the method `examples` from 1 row to all rows of the largest swept class. Default budgets that round to equal
     * numbers are merged.
     */
    uint32_t steps;
    uint32_t restart;      /**< 1 discards cells that an earlier call left beside the table; 0 continues from them */
    const uint64_t *seeds; /**< `[seed_count]`, seeds of the method `examples`, each once; NULL stands for seed 0 */
    size_t seed_count;     /**< number of seeds in `seeds` */
    /** `[shape_count]`, shapes of models to train, each once; NULL measures only the given model. */
    const dkvb_sweep_shape *shapes;
    size_t shape_count; /**< number of shapes in `shapes` */
    /**
     * `float[feature_rows][feature_columns]`, features of the codeset's rows, needed for shapes if the codeset stores
     * no features; or NULL.
     */
    const float *features;
    size_t feature_rows;    /**< number of rows in `features` */
    size_t feature_columns; /**< number of columns in `features`, equal to the model's `input_dim` */
    /** `uint64_t[feature_rows]`, ids of the rows in `features`, as in the training; NULL stands for the row numbers. */
    const uint64_t *feature_ids;
    /** `float[test_n][columns of the model]`, rows to measure on; NULL measures on the held-out rows of the codeset. */
    const float *test_x;
    /** `int32_t[test_n]`, labels of the rows in `test_x`; rows with label -1 are left out. */
    const int32_t *test_labels;
    size_t test_n; /**< number of rows in `test_x` */
    /**
     * Number of first cells to skip, since the caller already has them, if there is no `path`; at most the number of
     * all cells.
     */
    uint64_t skip;
    /** Callback for every cell in order, including cells of an earlier call, but not skipped cells; or NULL. */
    dkvb_sweep_fn each;
    void *user;       /**< pointer that the callback `each` receives */
    const char *path; /**< path of the table, written atomically (file.h); NULL writes no table */
    /** `[feature_rows]`, names of the rows in `features`, instead of `feature_ids`; or NULL. */
    const char *const *feature_names;
} dkvb_sweep_options;

/** Initialiser of dkvb_sweep_options that gives every member its default. */
#define DKVB_SWEEP_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_sweep_options), 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0         \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_options, DKVB_SWEEP_OPTIONS_INIT)

/**
 * Counts of the cells and rows of a sweep. The counts of a sweep are filled in after a failure too, and once before the
 * first cell. The caller sets `struct_size`.
 */
typedef struct dkvb_sweep_report {
    size_t struct_size; /**< size of dkvb_sweep_report in bytes, set by DKVB_SWEEP_REPORT_INIT */
    uint64_t cells;     /**< number of cells in the grid of the sweep */
    uint64_t done;      /**< number of finished cells, including cells of an earlier call and skipped cells */
    uint64_t resumed;   /**< number of finished cells that an earlier call left beside the table */
    uint64_t kept;      /**< number of cells from which the next call continues, after a failure */
    uint64_t measured;  /**< number of labelled rows that were measured */
    uint32_t on_test;   /**< 1 if the measured rows were `test_x`; 0 if they were the held-out rows */
} dkvb_sweep_report;

/** Initialiser of dkvb_sweep_report that gives every member its default. */
#define DKVB_SWEEP_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_sweep_report), 0, 0, 0, 0, 0, 0                                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_report, DKVB_SWEEP_REPORT_INIT)

/**
 * Measure every cell of the grid of a sweep.
 *
 * A cell of the strength `suppress` has the counts that dkvb_effect_measure() gives for the mask of
 * dkvb_unlearn_choose(), under the mask in force. A cell of the strength `exact` compares the model with one whose
 * values were trained again without the rows of the class (replay.h), both under the mask in force. A sweep ignores the
 * accuracy limits of plans (plan.h), so it also shows effects that plans would refuse. dkvb_sweep_run() checks options,
 * shapes and features before the first cell.
 *
 * @param      model   the model, which is not changed and may be mapped.
 * @param      set     codeset that the model was trained on; the sweep searches codes that are missing.
 * @param      opts    options of the call; NULL for the defaults.
 * @param[out] report  counts of the sweep; or NULL.
 * @param      run     run options (threads, progress, ranks); NULL for the defaults. The progress callback counts in
 *                     thousandths of a cell.
 * @return `DKVB_EINVAL` for an option out of range, with a message that names it, or for a shape that the rows cannot
 *         train; `DKVB_ENOTFOUND` if there is no row to measure on, a class without such rows, or a row without
 *         features; `DKVB_EMISMATCH` for a codeset of another model, or if the cells beside the table belong to another
 *         sweep or version; `DKVB_EFORMAT` if another file has the name of the file of cells; `DKVB_ESTATE` if another
 *         call works on the same table, if values must be trained and the codeset has no session, or if the model is
 *         distributed over ranks; `DKVB_EIO`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_sweep_run(dkvb_model *model, dkvb_codeset *set, const dkvb_sweep_options *opts,
                                                   dkvb_sweep_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
