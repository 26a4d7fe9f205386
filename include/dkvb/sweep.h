/**
 * @file
 * @brief Sweeps: accuracy of a forgotten class and of all other classes, for many numbers of masked pairs.
 *
 * A sweep measures a grid of cells. Each cell is a combination of one class, one method of choosing pairs (choose.h),
 * one budget and one seed. If the caller gives shapes, the grid also has models that are trained anew with other
 * codebooks, keys, lengths of keys or seeds. A cell of the strength `exact` has no budget: its values are trained again
 * without the rows of the class. A sweep does not change the model.
 *
 *     dkvb_sweep_options o = DKVB_SWEEP_OPTIONS_INIT;
 *
 *     o.path = "budgets.csv";                               // a table of 30 budgets for every class
 *     rc = dkvb_sweep_run(model, set, &o, NULL, NULL);
 *
 * Cells come in one order: shape, class, strength, method, seed, budget. The table (docs/sweep.md) has one line for
 * each cell, and then the mean and its 95 % interval over classes and seeds. During the work, a file beside the table
 * holds the finished cells; its name is that of the table followed by ".part". A call that was interrupted or killed
 * continues from this file, and its table has the same bytes as that of an uninterrupted call. Equal inputs give equal
 * bits, for any number of threads.
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
 * Shape of a model that a sweep trains anew.
 *
 * The sweep trains on the training part of the codeset, with the options of the codeset's first session. Such a model
 * also learns classes that masks forgot, and the mask in force does not apply to it. A member that is 0, except `seed`,
 * stands for the number of the given model. No member will ever be added, since callers give arrays of this struct.
 */
typedef struct dkvb_sweep_shape {
    uint32_t codebooks; /**< number of codebooks (C) */
    uint32_t keys;      /**< number of keys per codebook (K) */
    uint32_t key_dim;   /**< length of a key (d) */
    uint32_t top_k;     /**< number of keys selected per codebook (k) */
    uint64_t seed;      /**< seed of keys and training; 0 is a seed like any other */
} dkvb_sweep_shape;

/** One cell of the grid: the class, how it is forgotten, and how many measured rows are classified correctly. The
 * library fills it in. */
typedef struct dkvb_sweep_cell {
    uint64_t index;         /**< number of the cell, from 0 */
    uint64_t cells;         /**< number of all cells of the grid */
    uint32_t trained_anew;  /**< 1: the model was trained for this sweep; 0: it is the given model */
    uint32_t codebooks;     /**< number of codebooks (C) of the model */
    uint32_t keys;          /**< number of keys per codebook (K) of the model */
    uint32_t key_dim;       /**< length of a key (d) of the model */
    uint32_t top_k;         /**< number of keys selected per codebook (k) of the model */
    uint32_t label;         /**< class that is forgotten */
    uint64_t train_seed;    /**< seed of the model's training; 0 if it is unknown */
    uint32_t strength;      /**< DKVB_STRENGTH_SUPPRESS or _EXACT (unlearn.h) */
    uint32_t method;        /**< DKVB_METHOD_…; 0: exact */
    uint64_t seed;          /**< method `examples`: seed of the random draw; else 0 */
    uint64_t budget;        /**< number of pairs, for method `examples` of drawn rows; 0: exact, or method `every` */
    uint64_t pairs;         /**< number of pairs that this budget masks */
    uint64_t rows;          /**< number of rows of the class that taught the values; `examples`: of drawn rows */
    uint64_t forget_rows;   /**< number of measured rows of the class */
    uint64_t forget_before; /**< number of these rows that are correct before the forgetting */
    uint64_t forget_after;  /**< number of these rows that are correct afterwards */
    uint64_t
        retain_rows; /**< number of measured rows of all other classes, without classes that were forgotten earlier */
    uint64_t retain_before; /**< number of these rows that are correct before */
    uint64_t retain_after;  /**< number of these rows that are correct afterwards */
    uint32_t worst;         /**< other class that loses the largest share of its rows, the lowest index on a tie */
    uint32_t has_worst;     /**< 0: no other class has measured rows, and `worst` is undefined */
    uint64_t worst_rows;    /**< number of measured rows of class `worst` */
    uint64_t worst_before;  /**< number of these rows that are correct before */
    uint64_t worst_after;   /**< number of these rows that are correct afterwards */
    uint64_t exhausted;     /**< number of (row, codebook) pairs that ran out of keys (effect.h); exact: always 0 */
} dkvb_sweep_cell;

/**
 * Cell callback of a sweep. The library calls this function when the figures of a cell are known, on the thread that
 * made the call.
 *
 * @param user  `user` of the options.
 * @param cell  the finished cell.
 * @return 0 to continue; any other number ends the sweep with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_sweep_fn)(void *user, const dkvb_sweep_cell *cell);

/** Options of a sweep: its grid, and the rows to measure on. The options start from `DKVB_SWEEP_OPTIONS_INIT`, and are
 * read during the call only. */
typedef struct dkvb_sweep_options {
    size_t struct_size;        /**< sizeof(dkvb_sweep_options), set by INIT */
    const uint8_t *classes;    /**< `uint8_t[classes]` of the model, DKVB_FORGET for each class to sweep, each alone;
                                    NULL: all classes that were not forgotten earlier and have rows in the training
                                    part and among the measured rows */
    const uint32_t *strengths; /**< `[strength_count]`, DKVB_STRENGTH_…, each once; NULL: suppress */
    size_t strength_count;     /**< number of strengths */
    const uint32_t *methods;   /**< `[method_count]`, DKVB_METHOD_…, each once; NULL: values, the default of plans */
    size_t method_count;       /**< number of methods */
    const uint64_t *budgets;   /**< `[budget_count]`, ascending, 1 or more; NULL: `steps` default budgets */
    size_t budget_count;       /**< number of budgets */
    uint32_t steps;   /**< number of default budgets. Default budgets rise in equal ratios from 1/4,096 of the model's
                           pairs to all pairs; for `examples` from 1 row to the rows of the largest swept
                           class. Budgets that round to equal numbers are merged */
    uint32_t restart; /**< 1: cells that an earlier call left beside the table are discarded */
    const uint64_t *seeds;          /**< `[seed_count]`, seeds of method `examples`, each once; NULL: seed 0 */
    size_t seed_count;              /**< number of seeds */
    const dkvb_sweep_shape *shapes; /**< `[shape_count]`, models to train, each once; NULL: only the given model */
    size_t shape_count;             /**< number of shapes */
    const float *features;       /**< `float[feature_rows][feature_columns]`, rows of the codeset, needed for shapes if
                                      the codeset stores no features; or NULL */
    size_t feature_rows;         /**< number of rows in `features` */
    size_t feature_columns;      /**< number of columns in `features`; must be that of the model */
    const uint64_t *feature_ids; /**< `uint64_t[feature_rows]`, ids as in the training; NULL: row numbers */
    const float *test_x;         /**< `float[test_n][columns of the model]`, rows to measure on; NULL: the held-out
                                      rows of the codeset */
    const int32_t *test_labels;  /**< `int32_t[test_n]`; rows with label -1 are left out */
    size_t test_n;               /**< number of rows in `test_x` */
    uint64_t skip;               /**< without `path`: number of first cells to skip, since the caller has them already;
                                      at most all */
    dkvb_sweep_fn each;          /**< cell callback, called for every cell in order, cells of an earlier call too, but
                                      not for skipped cells; or NULL */
    void *user;                  /**< pointer that `each` receives */
    const char *path;            /**< file of the table, written atomically (file.h); NULL: no table */
    const char *const *feature_names; /**< `[feature_rows]`, names of rows, instead of `feature_ids`; or NULL */
} dkvb_sweep_options;

/** Defaults of dkvb_sweep_options. */
#define DKVB_SWEEP_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_sweep_options), 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0         \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_options, DKVB_SWEEP_OPTIONS_INIT)

/** Counts of a sweep. The members are filled in after a failure too, and once before the first cell. The caller sets
 *  `struct_size`. */
typedef struct dkvb_sweep_report {
    size_t struct_size; /**< sizeof(dkvb_sweep_report), set by INIT */
    uint64_t cells;     /**< number of cells of the grid */
    uint64_t done;      /**< number of finished cells, with cells of an earlier call and skipped cells */
    uint64_t resumed;   /**< number of finished cells from an earlier call */
    uint64_t kept;      /**< after a failure: number of cells that the next call continues from */
    uint64_t measured;  /**< number of rows with a label that were measured */
    uint32_t on_test;   /**< 1: the measured rows were `test_x`; 0: they were the held-out rows */
} dkvb_sweep_report;

/** Defaults of dkvb_sweep_report. */
#define DKVB_SWEEP_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_sweep_report), 0, 0, 0, 0, 0, 0                                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_report, DKVB_SWEEP_REPORT_INIT)

/**
 * Measure every cell of a grid.
 *
 * A cell of the strength `suppress` has the counts that dkvb_effect_measure() gives for the mask of
 * dkvb_unlearn_choose(), under the mask in force. A cell of the strength `exact` compares the model with one whose
 * values were trained again without the rows of the class (replay.h), both under the mask in force. A sweep ignores the
 * limits of plans (plan.h), so it shows what these limits would refuse. Options, shapes and features are checked before
 * the first cell.
 *
 * @param      model   the model, not changed; it may be mapped.
 * @param      set     the codeset that the model was trained on; missing codes are searched.
 * @param      opts    options; NULL for the defaults.
 * @param[out] report  counts; or NULL.
 * @param      run     run options; NULL for the defaults. Progress counts thousandths of cells.
 * @return `DKVB_EINVAL` naming an option out of range, or for a shape that these rows cannot train; `DKVB_ENOTFOUND`
 * for no row to measure on, a class without such rows, or a row without features; `DKVB_EMISMATCH` for a codeset of
 *         another model, or for cells of another sweep or version beside the table; `DKVB_EFORMAT` if another file has
 * the name for the cells; `DKVB_ESTATE` if another call works on this table, if values must be trained and the
 *         codeset has no session, or if ranks share the model; `DKVB_EIO`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_sweep_run(dkvb_model *model, dkvb_codeset *set, const dkvb_sweep_options *opts,
                                                   dkvb_sweep_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
