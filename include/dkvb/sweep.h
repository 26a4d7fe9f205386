/**
 * @file
 * @brief Sweeps: a sweep measures the accuracy of a forgotten class and of all other classes, for many numbers of
 * masked (codebook, key) pairs.
 *
 * A sweep measures a grid of forgettings, called cells. Each cell of a sweep combines one class to forget, one method
 * of choosing pairs to mask (choose.h), one budget (number of pairs to mask) and one seed. If the caller gives shapes
 * of models, the sweep also measures models that are trained anew with other numbers of codebooks and keys, lengths of
 * keys or seeds. In a sweep, a forgetting of the strength `exact` has no budget: the values of the model are trained
 * again without the rows of the class. A sweep does not change the model that it measures.
 *
 *     dkvb_sweep_options o = DKVB_SWEEP_OPTIONS_INIT;
 *
 *     o.path = "budgets.csv";                               // a table of 30 budgets for every class
 *     rc = dkvb_sweep_run(model, set, &o, NULL, NULL);
 *
 * Cells of a sweep are always in the order of shape, class, strength, method, seed, budget. The table of a sweep
 * (docs/sweep.md) has one line for each cell, and then lines with the mean over classes and seeds and its 95 %
 * interval. While a sweep works, a file beside the sweep's table holds the finished cells; the name of this file is the
 * name of the table followed by ".part". A call of dkvb_sweep_run() that was interrupted or killed can be repeated: the
 * repeated call continues from the file of finished cells, and its table has the same bytes as without the
 * interruption. Sweeps of equal inputs give equal figures and tables, bit for bit, for any number of threads.
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
 * Shape of a model that a sweep trains itself, with other numbers of codebooks and keys or another seed.
 *
 * A sweep trains models of other shapes on the training part of the codeset, with the training options of the first
 * training session that the codeset records. A model that a sweep trains also learns classes that masks made the given
 * model forget, and the given model's mask in force does not apply to the trained model. In a dkvb_sweep_shape, a
 * member that is 0, except `seed`, stands for the number that the given model has. No later version adds a member to
 * dkvb_sweep_shape, since callers give arrays of this struct.
 */
typedef struct dkvb_sweep_shape {
    uint32_t codebooks; /**< number of codebooks of the model that the sweep trains (C) */
    uint32_t keys;      /**< number of keys per codebook of the model that the sweep trains (K) */
    uint32_t key_dim;   /**< length of a key of the model that the sweep trains (d) */
    uint32_t top_k;     /**< number of keys that a row selects per codebook (k) */
    uint64_t seed;      /**< seed from which the sweep places keys and trains values; 0 is a seed too, not a default */
} dkvb_sweep_shape;

/**
 * One cell of the grid of a sweep: which class was forgotten and how, and how many measured rows are classified
 * correctly. The library fills in the struct dkvb_sweep_cell.
 */
typedef struct dkvb_sweep_cell {
    uint64_t index; /**< number of a cell (one measured forgetting) in the grid of a sweep, from 0 */
    uint64_t cells; /**< number of all cells (measured forgettings) in the grid of a sweep */
    /**
     * 1 if a sweep trained the measured model itself; 0 if the measured model is the one that the caller gave to the
     * sweep.
     */
    uint32_t trained_anew;
    uint32_t codebooks; /**< number of codebooks (C) of the model whose forgetting a cell of a sweep measures */
    uint32_t keys;      /**< number of keys per codebook (K) of the model whose forgetting a cell of a sweep measures */
    uint32_t key_dim;   /**< length of a key (d) of the model whose forgetting a cell of a sweep measures */
    /** Number of keys that a row selects per codebook (k) in the model whose forgetting a cell of a sweep measures. */
    uint32_t top_k;
    uint32_t label; /**< index of the class that is forgotten in a cell of a sweep */
    /** Seed with which the model that a cell of a sweep measures was trained; 0 if the seed is unknown. */
    uint64_t train_seed;
    uint32_t strength; /**< strength of forgetting: DKVB_STRENGTH_SUPPRESS or DKVB_STRENGTH_EXACT (unlearn.h) */
    uint32_t method;   /**< method of choosing the pairs to mask, DKVB_METHOD_…; 0 for the strength `exact` */
    /** Seed with which the method `examples` draws rows at random; 0 for other methods of choosing pairs. */
    uint64_t seed;
    /**
     * Budget of one forgetting in a sweep: number of pairs to mask, for the method `examples` number of drawn rows; 0
     * for the strength `exact` or the method `every`.
     */
    uint64_t budget;
    uint64_t pairs; /**< number of (codebook, key) pairs that one forgetting in a sweep masked */
    /**
     * Number of rows of the forgotten class on which the values were trained; for the method `examples`, number of
     * drawn rows.
     */
    uint64_t rows;
    uint64_t forget_rows; /**< number of measured rows of the forgotten class */
    /** Number of measured rows of the forgotten class that are classified correctly before the forgetting. */
    uint64_t forget_before;
    /** Number of measured rows of the forgotten class that are classified correctly after the forgetting. */
    uint64_t forget_after;
    /** Number of measured rows of all classes but the forgotten one, without classes that were forgotten earlier. */
    uint64_t retain_rows;
    /**
     * Number of measured rows of all classes but the forgotten one that are classified correctly before the forgetting.
     */
    uint64_t retain_before;
    /**
     * Number of measured rows of all classes but the forgotten one that are classified correctly after the forgetting.
     */
    uint64_t retain_after;
    /**
     * Index of the class, other than the forgotten one, whose accuracy falls most by the forgetting, the lowest index
     * on a tie.
     */
    uint32_t worst;
    /** 0 if no class other than the forgotten one has measured rows, so that `worst` is undefined; else 1. */
    uint32_t has_worst;
    uint64_t worst_rows; /**< number of measured rows of the class whose accuracy falls most, `worst` */
    /**
     * Number of measured rows of the class whose accuracy falls most, `worst`, that are classified correctly before the
     * forgetting.
     */
    uint64_t worst_before;
    /**
     * Number of measured rows of the class whose accuracy falls most, `worst`, that are classified correctly after the
     * forgetting.
     */
    uint64_t worst_after;
    /**
     * Number of (row, codebook) combinations whose code ran out of unmasked keys (effect.h); always 0 for the strength
     * `exact`.
     */
    uint64_t exhausted;
} dkvb_sweep_cell;

/**
 * Callback that receives the cells of a sweep. The library invokes the callback of a sweep when the figures of a cell
 * are known, on the thread that called dkvb_sweep_run().
 *
 * @param user  pointer `user` of dkvb_sweep_options.
 * @param cell  finished cell of a sweep: the figures of one measured forgetting.
 * @return 0 to continue the sweep; any other number ends the sweep with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_sweep_fn)(void *user, const dkvb_sweep_cell *cell);

/**
 * Options of a sweep: its grid of cells, and the rows to measure on. Callers initialise the options with
 * `DKVB_SWEEP_OPTIONS_INIT`; the library reads the options during the call of dkvb_sweep_run() only.
 */
typedef struct dkvb_sweep_options {
    size_t struct_size; /**< size of dkvb_sweep_options in bytes, set by DKVB_SWEEP_OPTIONS_INIT */
    /**
     * `uint8_t[classes]` of the model, DKVB_FORGET for each class that the sweep forgets, one class at a time. If
     * `classes` is NULL, the sweep covers all classes that were not forgotten earlier and have rows in the training
     * part of the codeset and among the measured rows.
     */
    const uint8_t *classes;
    /**
     * `[strength_count]`, strengths of forgetting to sweep, DKVB_STRENGTH_…, each once; NULL stands for the strength
     * `suppress` alone.
     */
    const uint32_t *strengths;
    size_t strength_count; /**< number of strengths of forgetting in `strengths` */
    /**
     * `[method_count]`, methods of choosing the pairs to mask, DKVB_METHOD_…, each once; NULL stands for the method
     * `values`, the default of plans.
     */
    const uint32_t *methods;
    size_t method_count; /**< number of methods of choosing pairs in `methods` */
    /**
     * `[budget_count]`, budgets of the sweep (numbers of pairs to mask), ascending, 1 or more; NULL takes as many
     * default budgets as `steps` says.
     */
    const uint64_t *budgets;
    size_t budget_count; /**< number of budgets (numbers of pairs to mask) in `budgets` */
    /**
     * Number of default budgets of the sweep, which are used if `budgets` is NULL. The default budgets (numbers of
     * pairs to mask) rise in equal ratios from 1/4,096 of the model's pairs to all pairs; for the method `examples`,
     * whose budgets are numbers of rows, from 1 row to all rows of the largest swept class. Default budgets of a sweep
     * that round to equal numbers are merged.
     */
    uint32_t steps;
    /**
     * 1 discards the finished cells that an earlier call of dkvb_sweep_run() left in a file beside the sweep's table; 0
     * continues from these cells.
     */
    uint32_t restart;
    /** `[seed_count]`, seeds from which the method `examples` draws rows, each once; NULL stands for seed 0. */
    const uint64_t *seeds;
    size_t seed_count; /**< number of seeds of the sweep in `seeds` */
    /** `[shape_count]`, shapes of models that the sweep trains, each once; NULL measures only the given model. */
    const dkvb_sweep_shape *shapes;
    size_t shape_count; /**< number of shapes of models in `shapes` */
    /**
     * `float[feature_rows][feature_columns]`, features of the codeset's rows, needed to train models of other shapes if
     * the codeset stores no features; or NULL.
     */
    const float *features;
    size_t feature_rows;    /**< number of rows in the array `features` */
    size_t feature_columns; /**< number of columns in the array `features`, equal to the model's `input_dim` */
    /**
     * `uint64_t[feature_rows]`, ids of the rows in the array `features`, as in the training; NULL stands for the row
     * numbers.
     */
    const uint64_t *feature_ids;
    /**
     * `float[test_n][columns of the model]`, features of the rows to measure accuracy on; NULL measures on the held-out
     * rows of the codeset.
     */
    const float *test_x;
    /** `int32_t[test_n]`, labels of the rows in the array `test_x`; rows with label -1 are left out. */
    const int32_t *test_labels;
    size_t test_n; /**< number of rows in the array `test_x` */
    /**
     * Number of cells at the beginning of the grid that the sweep skips, since the caller already has them; at most the
     * number of all cells. Cells of a sweep can be skipped only if the sweep options have no `path` of a table to
     * write.
     */
    uint64_t skip;
    /**
     * Callback for every cell of the sweep in order, including cells of an earlier call, but not skipped cells; or
     * NULL.
     */
    dkvb_sweep_fn each;
    void *user;       /**< pointer that the callback `each` of the sweep options receives */
    const char *path; /**< path of the table that the sweep writes, atomically (file.h); NULL writes no table */
    /** `[feature_rows]`, names of the rows in the array `features`, instead of their ids in `feature_ids`; or NULL. */
    const char *const *feature_names;
} dkvb_sweep_options;

/** Initialiser of dkvb_sweep_options that gives every member its default. */
#define DKVB_SWEEP_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_sweep_options), 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0         \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_options, DKVB_SWEEP_OPTIONS_INIT)

/**
 * Counts of the cells and rows of a sweep. dkvb_sweep_run() fills in dkvb_sweep_report also if the call fails, and a
 * first time before the first cell is measured. Callers initialise the struct with `DKVB_SWEEP_REPORT_INIT`.
 */
typedef struct dkvb_sweep_report {
    size_t struct_size; /**< size of dkvb_sweep_report in bytes, set by DKVB_SWEEP_REPORT_INIT */
    uint64_t cells;     /**< number of all cells (measured forgettings) in the grid of a sweep */
    /**
     * Number of finished cells (measured forgettings) of a sweep, including cells of an earlier call and skipped cells.
     */
    uint64_t done;
    /** Number of finished cells that an earlier call of dkvb_sweep_run() left in a file beside the sweep's table. */
    uint64_t resumed;
    /** Number of finished cells from which the next call of dkvb_sweep_run() continues after a failed call. */
    uint64_t kept;
    uint64_t measured; /**< number of labelled rows on which the sweep measured accuracy */
    /** 1 if the sweep measured accuracy on `test_x`; 0 if the sweep measured on the held-out rows of the codeset. */
    uint32_t on_test;
} dkvb_sweep_report;

/** Initialiser of dkvb_sweep_report that gives every member its default. */
#define DKVB_SWEEP_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_sweep_report), 0, 0, 0, 0, 0, 0                                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_report, DKVB_SWEEP_REPORT_INIT)

/**
 * Measure every cell (forgetting) in the grid of a sweep.
 *
 * For the strength `suppress`, a cell of a sweep holds the counts of dkvb_effect_measure() for the mask that
 * dkvb_unlearn_choose() chooses, on top of the mask in force. For the strength `exact`, a cell of a sweep compares the
 * model with a model whose values were trained again without the rows of the class (replay.h); the mask in force
 * applies to both models. A sweep ignores the accuracy limits of plans (plan.h), so the sweep also shows effects that
 * plans would refuse. dkvb_sweep_run() checks options, shapes and features before measuring the first cell.
 *
 * @param      model   model that the sweep measures; the sweep does not change the model, which may be memory-mapped.
 * @param      set     codeset (stored codes of rows) on which the model was trained; the sweep searches the codes that
 *                     the codeset lacks.
 * @param      opts    options of the sweep; NULL for the defaults.
 * @param[out] report  receives the counts of the cells and rows of the sweep; or NULL.
 * @param      run     run options of the call (threads, progress, ranks); NULL for the defaults. In a sweep, the
 *                     progress callback counts in thousandths of a cell (one measured forgetting).
 * @return `DKVB_EINVAL` for an option out of range, with a message that names the option, or for a shape that the rows
 *         cannot train; `DKVB_ENOTFOUND` if there is no row to measure on, a class without rows to measure on, or a row
 *         without features; `DKVB_EMISMATCH` for a codeset of another model, or if the finished cells beside the table
 *         belong to another sweep or version; `DKVB_EFORMAT` if another file has the name of the file of cells;
 *         `DKVB_ESTATE` if another call works on the same table, if values must be trained and the codeset has no
 *         session, or if the model is distributed over ranks; `DKVB_EIO`; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_sweep_run(dkvb_model *model, dkvb_codeset *set, const dkvb_sweep_options *opts,
                                                   dkvb_sweep_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
