/**
 * Sweep: accuracy of the forgotten class and of all others, along the number of pairs that are masked.
 *
 * A sweep measures a grid of cells: every class by itself, every method of choosing pairs (choose.h), every budget and
 * every seed; and, where shapes are given, the same on models that are trained anew with other codebooks, keys, widths
 * or seeds. A cell of the strength `exact` has no budget: its values are trained again without the rows of the class.
 * Nothing that a cell measures stays: the model is not changed.
 *
 *     dkvb_sweep_options o = DKVB_SWEEP_OPTIONS_INIT;
 *
 *     o.path = "budgets.csv";                               // 30 budgets for every class, as a table
 *     rc = dkvb_sweep_run(model, set, &o, NULL, NULL);
 *
 * Cells come in one order: shape, class, strength, method, seed, budget. The table (docs/sweep.md) has a line for each
 * cell, then mean and 95 % interval over classes and seeds. While the work goes on, finished cells are kept in a file
 * beside the table, its name followed by ".part"; a call that was interrupted or killed goes on from there, and ends
 * with the bytes that a call without an interruption has. Same inputs, same bits, whatever the threads.
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

/** A model of the grid that is trained anew on the training part of the codeset, by the recipe of the codeset's first
 * session. It learns classes that masks forgot, too, and the mask in force does not apply to it. 0 in any member but
 * `seed` stands for what the given model has. No member is ever added, since callers give arrays of this struct. */
typedef struct dkvb_sweep_shape {
    uint32_t codebooks; /**< C */
    uint32_t keys;      /**< K */
    uint32_t key_dim;   /**< d */
    uint32_t top_k;     /**< k */
    uint64_t seed;      /**< seed of keys and training; 0 is a seed like any other */
} dkvb_sweep_shape;

/** One cell of the grid: the class, how it is forgotten, and the measured rows that are answered rightly. The library
 * fills it in. */
typedef struct dkvb_sweep_cell {
    uint64_t index;         /**< place in the order of cells, from 0 */
    uint64_t cells;         /**< cells of the grid */
    uint32_t trained_anew;  /**< 1: on a model that was trained for this sweep; 0: on the given one */
    uint32_t codebooks;     /**< C of the model */
    uint32_t keys;          /**< K of the model */
    uint32_t key_dim;       /**< d of the model */
    uint32_t top_k;         /**< k of the model */
    uint32_t label;         /**< the class that is forgotten */
    uint64_t train_seed;    /**< seed of the model's training, where it is known; else 0 */
    uint32_t strength;      /**< DKVB_STRENGTH_SUPPRESS or _EXACT (unlearn.h) */
    uint32_t method;        /**< DKVB_METHOD_…; 0: exact */
    uint64_t seed;          /**< of the draw of method `examples`; else 0 */
    uint64_t budget;        /**< pairs, or rows drawn of method `examples`; 0: exact, and method `every` */
    uint64_t pairs;         /**< pairs that the budget takes */
    uint64_t rows;          /**< rows of the class that taught the values; `examples`: rows that were drawn */
    uint64_t forget_rows;   /**< measured rows of the class */
    uint64_t forget_before; /**< measured rows of the class that are answered rightly before it is forgotten */
    uint64_t forget_after;  /**< the same afterwards */
    uint64_t retain_rows;   /**< measured rows of all other classes that were not forgotten earlier */
    uint64_t retain_before; /**< rows of these classes that are answered rightly before */
    uint64_t retain_after;  /**< the same afterwards */
    uint32_t worst;         /**< the other class that loses the largest share of its rows; the lowest of equals */
    uint32_t has_worst;     /**< 0: no other class has measured rows, and `worst` says nothing */
    uint64_t worst_rows;    /**< measured rows of class `worst` */
    uint64_t worst_before;  /**< rows of class `worst` that are answered rightly before */
    uint64_t worst_after;   /**< the same afterwards */
    uint64_t exhausted;     /**< (row, codebook) pairs that ran out of keys (effect.h); exact: 0, they are
                                 not counted */
} dkvb_sweep_cell;

/** The library calls this for each cell once its figures are known, on the thread that called dkvb_sweep_run(). Return
 * 0 to go on; anything else ends the sweep with `DKVB_ECANCELLED`. */
typedef int (*dkvb_sweep_fn)(void *user, const dkvb_sweep_cell *cell);

/** The grid of a sweep and the rows to measure on. Start from `DKVB_SWEEP_OPTIONS_INIT`. Everything is read during the
 * call only. */
typedef struct dkvb_sweep_options {
    size_t struct_size;        /**< sizeof(dkvb_sweep_options), set by INIT */
    const uint8_t *classes;    /**< `uint8_t[classes]` of the model, DKVB_FORGET for those to be swept, each by
                                    itself; NULL: every class with rows in the training part and among the measured
                                    rows that was not forgotten earlier */
    const uint32_t *strengths; /**< `[strength_count]`, DKVB_STRENGTH_…, each once; NULL: suppress */
    size_t strength_count;     /**< number of strengths */
    const uint32_t *methods;   /**< `[method_count]`, DKVB_METHOD_…, each once; NULL: values, as a plan of a class
                                    takes it */
    size_t method_count;       /**< number of methods */
    const uint64_t *budgets;   /**< `[budget_count]`, ascending, 1 or more; NULL: `steps` budgets */
    size_t budget_count;       /**< number of budgets */
    uint32_t steps;            /**< default budgets: so many in equal ratios, from the 4,096th part of the model's
                                    pairs to all of them; `examples`: from 1 row to the rows of the largest class
                                    that is swept. Fewer where whole numbers leave no room for as many */
    uint32_t restart;          /**< 1: cells that an earlier call left beside the table are thrown away */
    const uint64_t *seeds;     /**< `[seed_count]`, of the draws of method `examples`, each once; NULL: 0 */
    size_t seed_count;         /**< number of seeds */
    const dkvb_sweep_shape *shapes; /**< `[shape_count]`, models to be trained, each once; NULL: the given model as it
                                         is */
    size_t shape_count;             /**< number of shapes */
    const float *features;       /**< `float[feature_rows][feature_columns]`, the rows of the codeset, for shapes where
                                      the codeset keeps none; or NULL */
    size_t feature_rows;         /**< rows of features */
    size_t feature_columns;      /**< columns of features: the model's */
    const uint64_t *feature_ids; /**< `uint64_t[feature_rows]`, as in training; NULL: row numbers */
    const float *test_x;         /**< `float[test_n][columns of the model]`, rows to measure on; NULL: the rows that
                                      the codeset holds out */
    const int32_t *test_labels;  /**< `int32_t[test_n]`, -1 is left out */
    size_t test_n;               /**< rows of test_x */
    uint64_t skip;               /**< without `path`: so many cells are passed over, since the caller has them; at most
                                      all */
    dkvb_sweep_fn each;          /**< hears of every cell in order, those of an earlier call included, but not of those
                                      that are skipped; or NULL */
    void *user;                  /**< handed to `each` */
    const char *path;            /**< of the table to be written, atomically (file.h); NULL: none */
    const char *const *feature_names; /**< `[feature_rows]`, in place of `feature_ids`; or NULL */
} dkvb_sweep_options;

#define DKVB_SWEEP_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_sweep_options), 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0         \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_options, DKVB_SWEEP_OPTIONS_INIT)

/** Counts of a sweep; filled in after a failure too, and once before the first cell is measured. The caller sets
 * `struct_size`. */
typedef struct dkvb_sweep_report {
    size_t struct_size;
    uint64_t cells;    /**< of the grid */
    uint64_t done;     /**< cells that are known, those of an earlier call or skipped included */
    uint64_t resumed;  /**< of which so many are of an earlier call */
    uint64_t kept;     /**< after a failure: cells that the next call goes on from */
    uint64_t measured; /**< rows with a label that were measured on */
    uint32_t on_test;  /**< 1: these were `test_x`; 0: the rows held out */
} dkvb_sweep_report;

#define DKVB_SWEEP_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_sweep_report), 0, 0, 0, 0, 0, 0                                                                    \
    }
DKVB_INIT_FUNCTION(dkvb_sweep_report, DKVB_SWEEP_REPORT_INIT)

/**
 * Measure every cell of a grid.
 *
 * Each cell of the strength suppress has the counts that dkvb_effect_measure() has for the mask that
 * dkvb_unlearn_choose() gives, under the mask in force. A cell of the strength exact compares the model with one whose
 * values were trained again without the rows of the class (replay.h), both under the mask in force. Limits and guards
 * of a plan (plan.h) play no part: a sweep shows what they would refuse.
 *
 * @param model   not changed; it may be mapped.
 * @param set     what the model was trained on; searched as far as codes are missing.
 * @param opts    NULL for the defaults.
 * @param report  or NULL.
 * @param run     NULL for the defaults. Progress counts cells, in thousandths.
 * @return `DKVB_EINVAL` (an option that cannot be, named; a shape that these rows cannot train), `DKVB_ENOTFOUND` (no
 * row to measure on, or none of a class; a row without features), `DKVB_EMISMATCH` (a codeset of another model; cells
 * of another sweep or version beside the table), `DKVB_EFORMAT` (another file is where cells would be kept),
 * `DKVB_ESTATE` (another call is at work on this table; the codeset records no session, and values are to be trained),
 * `DKVB_EIO`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`. Options, shapes and features are checked before the first cell.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_sweep_run(dkvb_model *model, dkvb_codeset *set, const dkvb_sweep_options *opts,
                                                   dkvb_sweep_report *report, const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
