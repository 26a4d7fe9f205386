/**
 * @file
 * @brief Fit: from rows and labels to a trained model, with settings that suit the data.
 *
 * `dkvb train` and the Python module call dkvb_fit(). dkvb_fit() chooses all settings that the caller left open, places
 * keys, searches every row once, trains the values, and fits the temperature on rows that the values did not see:
 *
 *     dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
 *
 *     rows.x = x;
 *     rows.labels = labels;
 *     rows.n = n;
 *     rows.dim = dim;
 *     rc = dkvb_fit(&model, NULL, &rows, NULL, NULL, NULL);
 *
 * docs/method.md, *Settings that suit the data*, has the rules and the measurements behind them. Equal rows, settings
 * and seeds give equal bytes, for any number of threads and any processor. Each step is also a function of its own
 * (codebooks.h, search.h, values.h, calibration.h, codeset.h). Rows that do not fit in memory are read block by block
 * from a source (rows.h).
 */
#ifndef DKVB_FIT_H
#define DKVB_FIT_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "codeset.h"
#include "export.h"
#include "memory.h"
#include "model.h"
#include "rows.h"
#include "runtime.h"
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_fit Fitting and tuning
 *  @{ */

/**
 * Rows to learn from. The struct starts from `DKVB_FIT_ROWS_INIT`, and is read during the call only.
 *
 * Rows can have numbers (ids) or names. The id of a named row is a hash: the first 8 bytes, little-endian, of
 * SHA-256(salt, name). The salt has 16 bytes and is computed from all names and labels, so equal rows get equal ids. A
 * codeset keeps the salt, and keeps the names if `keep_names` of the options asks for it. Two names with equal hashes
 * are refused, like two equal names.
 */
typedef struct dkvb_fit_rows {
    size_t struct_size;       /**< sizeof(dkvb_fit_rows), set by INIT */
    const float *x;           /**< `float[n][dim]`, row-major, finite */
    const int32_t *labels;    /**< `int32_t[n]`, 0 and up; rows with label -1 are ignored */
    const uint64_t *ids;      /**< `uint64_t[n]`, ids of the rows, each once; NULL: row numbers, 0 to n - 1 */
    size_t n;                 /**< number of rows, 1 or more, at least one of them with a label */
    size_t dim;               /**< number of columns */
    uint32_t classes;         /**< number of classes; 0: one more than the largest label */
    uint32_t k;               /**< number of keys per codebook in `codes` */
    const uint16_t *codes;    /**< `uint16_t[n][codebooks][k]`, for dkvb_fit_more() instead of x; NULL: x is given */
    const char *const *names; /**< `[n]`, names of the rows instead of `ids`: UTF-8 without control characters, 1 to 255
                                   bytes, each once, compared byte by byte; NULL: the rows have numbers */
    const uint64_t *groups;   /**< `uint64_t[n]`, any numbers: rows with the same number, such as the pictures of one
                                   person, are held out together or not at all; NULL: each row is a group of its own */
    const dkvb_row_source *source; /**< source of the rows, instead of `x`; NULL: x has the rows */
} dkvb_fit_rows;

/** Defaults of dkvb_fit_rows. */
#define DKVB_FIT_ROWS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_fit_rows), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_fit_rows, DKVB_FIT_ROWS_INIT)

/** When to half-whiten rows. The numbers of these constants are part of the ABI. */
enum {
    DKVB_WHITEN_NEVER = 0,  /**< never */
    DKVB_WHITEN_ALWAYS = 1, /**< always */
    DKVB_WHITEN_CHOOSE = 2  /**< as a comparison on held-out rows decides, with a part of the codebooks */
};

/** Settings of a fit. The settings start from `DKVB_SETTINGS_INIT`, which leaves all settings open. An open setting is
 * 0 and is chosen to suit the data. */
typedef struct dkvb_settings {
    size_t struct_size;           /**< sizeof(dkvb_settings), set by INIT */
    dkvb_keyinit_options keyinit; /**< open here: codebooks, keys, key_dim; `whiten` below replaces its `whiten` */
    dkvb_train_options train;     /**< open here: epochs, batch, learning_rate (and rate_last with it) */
    uint32_t top_k;               /**< number of keys selected per codebook; 0: chosen */
    uint32_t whiten;              /**< DKVB_WHITEN_…; ignored if the fit gets codebooks */
} dkvb_settings;

/** Defaults of dkvb_settings: all settings are open. */
#define DKVB_SETTINGS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_settings), DKVB_KEYINIT_OPTIONS_INIT,                                                              \
            {sizeof(dkvb_train_options), 0, 0, 0.0, 0.0, 0.1, 0, 0, 0, 0, 0, 0, 0, 0}, 0, DKVB_WHITEN_CHOOSE           \
    }
DKVB_INIT_FUNCTION(dkvb_settings, DKVB_SETTINGS_INIT)

/** Presets: settings to begin with. The numbers of these constants are part of the ABI. */
enum {
    DKVB_PRESET_NONE = 0, /**< no preset: all open settings suit the data */
    DKVB_PRESET_PAPER = 1 /**< shape and recipe of the paper */
};

/**
 * Stage callback of a fit. The library calls this function at the beginning of each stage, on the thread that made the
 * call. Progress in dkvb_run_options counts within a stage.
 *
 * @param user   `user` of the options.
 * @param stage  "whitening", "keys", "search", "values", "temperature" or "codes"; without a codeset, "temperature"
 * comes before "values".
 * @return 0 to continue; any other number cancels.
 */
typedef int (*dkvb_stage_fn)(void *user, const char *stage);

/** Options of a fit. The options start from `DKVB_FIT_OPTIONS_INIT`. */
typedef struct dkvb_fit_options {
    size_t struct_size;                /**< sizeof(dkvb_fit_options), set by INIT */
    const dkvb_settings *settings;     /**< settings; NULL: all are chosen to suit the data */
    uint32_t values_dtype;             /**< number type of values: DKVB_DTYPE_F16, _BF16 or _F32 (data.h); 0: F16 */
    uint32_t keep;                     /**< what the codeset stores of rows: DKVB_KEPT_… (codeset.h) */
    uint32_t depth;                    /**< number of keys per codebook in codes of held-out rows */
    double hold_out;                   /**< share of the rows that a codeset holds out, 0 to below 1 */
    dkvb_codebooks *codebooks;         /**< codebooks to share instead of placing keys; or NULL */
    const float *key_rows;             /**< `float[key_row_count][dim]`, rows to place keys on; NULL: the rows of x */
    size_t key_row_count;              /**< number of rows in `key_rows` or `key_source` */
    dkvb_stage_fn stage;               /**< stage callback; or NULL */
    void *user;                        /**< pointer that `stage` receives */
    const dkvb_allocator *allocator;   /**< allocator, copied; NULL: malloc() and free() */
    uint32_t count_classes;            /**< 1: the model keeps counts of each class, see dkvb_model_count_classes() */
    uint32_t keep_names;               /**< 1: the codeset keeps the names of rows, not only their hashes */
    const dkvb_row_source *key_source; /**< source of the rows to place keys on, instead of `key_rows`; or NULL */
    uint32_t in_place; /**< 1: values are trained where they are, in one copy of 4 bytes a value instead of 6; with
                            dkvb_fit_more() 4 to 6 instead of 8. A model that dkvb_fit_more() was to change is lost if
                            the call fails or is cancelled: its values are 0. Values keep 4 bytes until the model is
                            freed */
} dkvb_fit_options;

/** Defaults of dkvb_fit_options. */
#define DKVB_FIT_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_fit_options), 0, 0, DKVB_KEPT_AUTO, DKVB_CODESET_DEPTH, 0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0          \
    }
DKVB_INIT_FUNCTION(dkvb_fit_options, DKVB_FIT_OPTIONS_INIT)

/**
 * Choose the open settings to suit the data, as dkvb_fit() does.
 *
 * The call fills in those of codebooks, keys, key_dim, top_k, epochs, batch and learning_rate that are 0. Rows with a
 * single column are not scaled to length 1 (`normalize` becomes 0), since only their sign would be left.
 *
 * @param[in,out] settings  read and written as far as `struct_size` says. Unchanged on failure.
 * @param         rows      number of rows with a label.
 * @param         columns   number of columns.
 * @param         classes   number of classes, 1 or more.
 * @param         preset    DKVB_PRESET_NONE, or DKVB_PRESET_PAPER, which first sets the shape and recipe of the paper:
 * 256 codebooks of 4,096 keys of length 32 by moving averages, one selected key per codebook, one epoch at one rate,
 * and rows that are neither scaled to length 1 nor whitened (docs/method.md). Members that the paper does not specify
 * stay.
 * @param         bytes     largest size of a model file; 0: no limit. The open numbers of codebooks and keys are then
 * as near to what suits the data as the limit allows. The limit counts values of 16 bits; class names, the name of the
 * encoder and counts of classes come on top. Room is left for a whitening of `columns` by `columns`, unless `whiten` is
 * never. DKVB_WHITEN_CHOOSE becomes never if the whitening would take over a quarter of the bytes, since too few keys
 * would be left, or if there are more columns than the comparison allows.
 * @return `DKVB_EINVAL` if a struct does not know its size, for another preset, or naming the least number of bytes
 * (that of 16 codebooks of 64 keys, if both may be chosen).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit_suit(dkvb_settings *settings, size_t rows, size_t columns,
                                                  uint32_t classes, uint32_t preset, uint64_t bytes);

/** Whether the temperature was fitted, or why not. The numbers of these constants are part of the ABI. */
enum {
    DKVB_TEMPERATURE_FITTED = 0,     /**< the temperature was fitted */
    DKVB_TEMPERATURE_FEW_ROWS = 1,   /**< not fitted: fewer than 50 rows with a label can be held out */
    DKVB_TEMPERATURE_FEW_CLASSES = 2 /**< not fitted: the held-out rows cover less than half of the model's classes */
};

/** What a fit chose and measured. The caller sets `struct_size`. */
typedef struct dkvb_fit_report {
    size_t struct_size;        /**< sizeof(dkvb_fit_report), set by INIT */
    uint64_t rows;             /**< number of rows with a label that the values learned from */
    uint64_t held_out;         /**< number of rows that the codeset holds out and that were never trained on */
    uint64_t unlearnable;      /**< number of classes without a row to learn from */
    uint32_t classes;          /**< number of classes (L) */
    uint32_t codebooks;        /**< number of codebooks (C) */
    uint32_t keys;             /**< number of keys per codebook (K) */
    uint32_t key_dim;          /**< length of a key (d) */
    uint32_t top_k;            /**< number of keys selected per codebook (k) */
    uint32_t whitened;         /**< 1: rows are half whitened */
    uint32_t epochs;           /**< number of passes over the rows */
    double learning_rate;      /**< learning rate of the first epoch */
    double accuracy_plain;     /**< accuracy on held-out rows without whitening; NaN: not compared */
    double accuracy_whitened;  /**< accuracy on held-out rows with whitening; NaN: not compared */
    uint64_t temperature_rows; /**< number of rows that the temperature was fitted on; 0: too few, and it is 1 */
    double temperature;        /**< temperature of a row of spread 1 (calibration.h) */
    double temperature_power;  /**< power of the spread in the temperature */
    double calibration_error;  /**< expected calibration error (15 bins) on the temperature rows; or NaN */
    double held_out_accuracy;  /**< accuracy on the temperature rows, by values that had not seen them; or NaN */
    double loss;               /**< loss of the last epoch, see dkvb_train_report */
    double accuracy;           /**< accuracy of the last epoch, see dkvb_train_report */
    uint64_t labelled;         /**< number of rows with a label, which the settings suit */
    uint32_t temperature_kept; /**< DKVB_TEMPERATURE_…: whether the temperature was fitted, or why not */
} dkvb_fit_report;

/** Defaults of dkvb_fit_report. */
#define DKVB_FIT_REPORT_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_fit_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                      \
    }
DKVB_INIT_FUNCTION(dkvb_fit_report, DKVB_FIT_REPORT_INIT)

/**
 * Fit a model.
 *
 * Without a codeset, the model's values learn from all rows. The temperature comes from a second set of values, which
 * are trained without a tenth of the rows and then discarded. With a codeset, its held-out rows are never trained on,
 * and the temperature comes from them. A row is not held out if its class would have fewer than three rows left to
 * learn from.
 *
 * The ids of the rows and `hold_out` decide which rows are held out; in such small classes the other rows of the class
 * count too. So exact forgetting (replay.h) gives the bytes of a fit that never had the rows, if settings and held-out
 * rows are the same.
 *
 * With `groups`, the number of a group takes the place of the ids of its rows. So the values learn from no row of a
 * group while another row of the group judges them. Large groups change the share: no group is held out if a class then
 * gave more than a quarter of its rows and more than twice the share that `hold_out` asks for. If fewer than half of
 * the wanted rows of a class are held out, further groups follow, in an order that their numbers decide. So a class
 * whose rows all belong to one group has no row held out.
 *
 * @param[out] model    the model, owned by the caller: dkvb_model_free(). NULL on failure.
 * @param[out] codeset  codes, ids and labels of all rows, which forgetting needs; owned by the caller:
 *                      dkvb_codeset_free(). NULL: no codeset is made.
 * @param      rows     rows, at least one of them with a label.
 * @param      opts     options; NULL for the defaults.
 * @param[out] report   what was chosen and measured; or NULL.
 * @param      run      run options; NULL for the defaults.
 * @return `DKVB_EINVAL` for an option or label out of range, a number that is not finite, or more keys than rows (the
 *         message names it); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit(dkvb_model **model, dkvb_codeset **codeset, const dkvb_fit_rows *rows,
                                             const dkvb_fit_options *opts, dkvb_fit_report *report,
                                             const dkvb_run_options *run);

/**
 * Continue the training of a model with more rows.
 *
 * The call searches the new rows with the model's keys and mask, and trains the values on them. Classes, `top_k`,
 * whitening and number type of the model stay. Open epochs, batch and rate follow from the new rows. Rows of new
 * classes alone lower the values of earlier classes, since classes share pairs; so callers should give rows of both.
 *
 * With a codeset, the new rows join the rows of the codeset. `set` must be the codeset that the model was trained on,
 * as for dkvb_model_replay(). A share of the new rows is held out, the training is recorded as one more session, and
 * the temperature is fitted on all held-out rows. So exact forgetting stays exact. Rows whose ids were removed from the
 * codeset are refused; with `relearn` of the training options they come back, which ends the forgettings of exactly
 * these rows. New rows without ids get the numbers after the largest id of the codeset. If the rows of the codeset have
 * names, new rows need names too, which are hashed with the salt of the codeset. No class keeps fewer than three rows
 * to learn from, rows of earlier trainings included. Codes of a codeset ignore masks, so no pair may be masked or
 * purged. The codeset does not keep `groups`; the caller passes the same numbers again for groups that come back. The
 * numbers and `hold_out` alone decide in this call. So a group of an earlier training with the same `hold_out` stays on
 * its side, unless large groups changed the share in that training.
 *
 * Without a codeset, the temperature comes from a copy of the model that continues without a tenth of the rows. This
 * tenth must have at least 50 rows and cover at least half of the classes. Otherwise the temperature stays, and the
 * report says why.
 *
 * @param[in,out] model    a model that is not mapped. Unchanged on failure.
 * @param[in,out] codeset  codeset with all its codes (dkvb_codeset_search()); or NULL. Unchanged on failure.
 * @param         rows     `x`, or `codes` with the k of the model; labels below the model's number of classes.
 * @param         opts     options; read are `train` of the settings, `hold_out` (with a codeset), `count_classes`,
 *                         `stage` and `user`. Counts that the model keeps are always added to.
 * @param[out]    report   what was chosen and measured; or NULL.
 * @param         run      run options; NULL for the defaults.
 * @return `DKVB_EINVAL`; `DKVB_EMISMATCH`; `DKVB_ESTATE` if the model is mapped, if pairs are masked, or if its counts
 *         would cover only some of the rows; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit_more(dkvb_model *model, dkvb_codeset *codeset, const dkvb_fit_rows *rows,
                                                  const dkvb_fit_options *opts, dkvb_fit_report *report,
                                                  const dkvb_run_options *run);

/** One trial of dkvb_tune(). */
typedef struct dkvb_trial {
    size_t struct_size;   /**< sizeof(dkvb_trial), set by INIT */
    uint32_t number;      /**< number of the trial, from 1 */
    uint32_t keys;        /**< number of keys per codebook (K) */
    uint32_t key_dim;     /**< length of a key (d) */
    uint32_t top_k;       /**< number of keys selected per codebook (k) */
    uint32_t whitened;    /**< 1: rows are half whitened */
    uint32_t epochs;      /**< number of passes over the rows */
    double learning_rate; /**< learning rate of the first epoch */
    double accuracy;      /**< accuracy on the held-out rows */
    double loss;          /**< mean cross-entropy on the held-out rows, in nats */
    uint64_t held_out;    /**< number of held-out rows */
} dkvb_trial;

/** Defaults of dkvb_trial. */
#define DKVB_TRIAL_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_trial), 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_trial, DKVB_TRIAL_INIT)

/**
 * Trial callback of dkvb_tune(). The library calls this function after each trial, on the thread that made the call.
 *
 * @param user   `user` of the options.
 * @param trial  the finished trial.
 * @return 0 to continue; any other number cancels.
 */
typedef int (*dkvb_trial_fn)(void *user, const dkvb_trial *trial);

/** Options of dkvb_tune(). The options start from `DKVB_TUNE_OPTIONS_INIT`. */
typedef struct dkvb_tune_options {
    size_t struct_size;              /**< sizeof(dkvb_tune_options), set by INIT */
    uint32_t trials;                 /**< exact number of trials, the same on every machine; 0: as `seconds` allow */
    double seconds;                  /**< no trial begins after this time; 0: no limit */
    dkvb_trial_fn report;            /**< trial callback; or NULL */
    void *user;                      /**< pointer that `report` receives */
    const dkvb_allocator *allocator; /**< allocator; NULL: malloc() and free() */
} dkvb_tune_options;

/** Defaults of dkvb_tune_options: 600 seconds. */
#define DKVB_TUNE_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_tune_options), 0, 600.0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_tune_options, DKVB_TUNE_OPTIONS_INIT)

/**
 * Try a fixed list of settings (docs/method.md), and fill in the best. dkvb_fit() can then use them.
 *
 * Each trial is measured on rows that its values did not see: a tenth of the rows, or a quarter if there are fewer than
 * 1,000. Settings that the caller gave (not 0) stay.
 *
 * @param[in,out] settings  receives the best settings: `whiten` becomes never or always, and `train.trials` the number
 * of trials. The same number of trials gives the same settings again. Unchanged on failure.
 * @param         rows      rows, as for dkvb_fit().
 * @param         opts      options; NULL for the defaults.
 * @param         run       run options; NULL for the defaults.
 * @return as dkvb_fit(); also `DKVB_EINVAL` if too few rows can be held out to compare settings.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_tune(dkvb_settings *settings, const dkvb_fit_rows *rows,
                                              const dkvb_tune_options *opts, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
