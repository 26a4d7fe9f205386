/**
 * @file
 * @brief A fit makes a trained model from rows and labels, with settings that suit the data.
 *
 * `dkvb train` and the Python module call dkvb_fit(). dkvb_fit() chooses all settings that the caller left open, places
 * keys, searches every row once, trains the values, and fits the softmax temperature on rows that the values did not
 * learn from. A minimal call of dkvb_fit() gives rows and labels, and leaves all settings to the library:
 *
 *     dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
 *
 *     rows.x = x;
 *     rows.labels = labels;
 *     rows.n = n;
 *     rows.dim = dim;
 *     rc = dkvb_fit(&model, NULL, &rows, NULL, NULL, NULL);
 *
 * docs/method.md, *Settings that suit the data*, has the rules by which dkvb_fit() chooses settings, and measures how
 * good the chosen settings are. Equal rows, settings and seeds give equal bytes, for any number of threads and any
 * processor. Each step of dkvb_fit() is also a function of its own (codebooks.h, search.h, values.h, calibration.h,
 * codeset.h). Rows that do not fit in memory are read block by block from a source (rows.h).
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

/** @defgroup dkvb_fit Fitting models and tuning their settings
 *  @{ */

/**
 * Rows that a fit learns from. Callers initialise a `dkvb_fit_rows` with `DKVB_FIT_ROWS_INIT`; the library reads the
 * struct during the call only.
 *
 * Rows of a fit can have numbers (ids) or names. The id of a named row is a hash: the first 8 bytes, little-endian, of
 * SHA-256(salt, name). The salt of ids that are hashes of names has 16 bytes and is computed from all names and labels,
 * so fits of the same names and labels give the same ids. A codeset keeps the salt of its row ids, and keeps the names
 * of rows if the option `keep_names` is 1. dkvb_fit() refuses two equal names of rows, and two names with equal hashes.
 */
typedef struct dkvb_fit_rows {
    size_t struct_size;    /**< size of dkvb_fit_rows in bytes, set by DKVB_FIT_ROWS_INIT */
    const float *x;        /**< `float[n][dim]`, features of the rows, row-major, finite */
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows, 0 or more; rows with label -1 are ignored */
    /** `uint64_t[n]`, ids of the rows to learn from, each once; NULL stands for the row numbers 0 to n - 1. */
    const uint64_t *ids;
    size_t n;         /**< number of rows, of which at least one must have a label */
    size_t dim;       /**< number of columns of a row of features */
    uint32_t classes; /**< number of classes; 0 stands for one more than the largest label */
    uint32_t k;       /**< number of keys per codebook that the codes in `codes` list */
    /**
     * `uint16_t[n][codebooks][k]`, codes of the rows, which dkvb_fit_more() accepts instead of `x`; NULL if `x` is
     * given.
     */
    const uint16_t *codes;
    /**
     * `[n]`, names of the rows instead of `ids`: UTF-8 without control characters, 1 to 255 bytes, each once, compared
     * byte by byte; NULL if rows have numbers.
     */
    const char *const *names;
    /**
     * `uint64_t[n]`, group numbers: rows of the same group, such as the pictures of one person, are held out together
     * or not at all; NULL makes each row a group of its own.
     */
    const uint64_t *groups;
    const dkvb_row_source *source; /**< source of the rows, read instead of `x`; NULL if `x` has the rows */
} dkvb_fit_rows;

/** Initialiser of dkvb_fit_rows that gives every member its default. */
#define DKVB_FIT_ROWS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_fit_rows), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_fit_rows, DKVB_FIT_ROWS_INIT)

/** Choices of when a fit half-whitens rows. The numbers of the DKVB_WHITEN_… constants are part of the ABI. */
enum {
    DKVB_WHITEN_NEVER = 0,  /**< DKVB_WHITEN_NEVER: a fit never half-whitens rows */
    DKVB_WHITEN_ALWAYS = 1, /**< DKVB_WHITEN_ALWAYS: a fit always half-whitens rows */
    /**
     * DKVB_WHITEN_CHOOSE: a comparison on held-out rows, made with only some of the codebooks, decides whether a fit
     * half-whitens rows.
     */
    DKVB_WHITEN_CHOOSE = 2
};

/**
 * Settings of a fit. A setting is open if its member is 0 (DKVB_WHITEN_CHOOSE for `whiten`): the library then chooses a
 * value that suits the data. `DKVB_SETTINGS_INIT` leaves all settings open, for the library to choose.
 */
typedef struct dkvb_settings {
    size_t struct_size; /**< size of dkvb_settings in bytes, set by DKVB_SETTINGS_INIT */
    /**
     * Options for placing keys, of which codebooks, keys and key_dim may be open (0), so that the library chooses them.
     * A fit ignores the member `whiten` of `keyinit`, and reads the member `whiten` of dkvb_settings instead.
     */
    dkvb_keyinit_options keyinit;
    /**
     * Options of training, of which epochs, batch and learning_rate (and rate_last with it) may be open (0), so that
     * the library chooses them.
     */
    dkvb_train_options train;
    uint32_t top_k;  /**< number of keys selected per codebook; 0 leaves the choice to the library */
    uint32_t whiten; /**< when rows are half-whitened, DKVB_WHITEN_…; ignored if the fit is given codebooks */
} dkvb_settings;

/** Initialiser of dkvb_settings that leaves all settings open, for the library to choose. */
#define DKVB_SETTINGS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_settings), DKVB_KEYINIT_OPTIONS_INIT,                                                              \
            {sizeof(dkvb_train_options), 0, 0, 0.0, 0.0, 0.1, 0, 0, 0, 0, 0, 0, 0, 0}, 0, DKVB_WHITEN_CHOOSE           \
    }
DKVB_INIT_FUNCTION(dkvb_settings, DKVB_SETTINGS_INIT)

/**
 * Presets, which give dkvb_fit_suit() some settings to begin with. The numbers of the DKVB_PRESET_… constants are part
 * of the ABI.
 */
enum {
    /** No preset: the library chooses all settings that the caller left open (0) to suit the data. */
    DKVB_PRESET_NONE = 0,
    DKVB_PRESET_PAPER = 1 /**< preset with the shape and training recipe of the bottleneck's paper (arXiv 2207.11240) */
};

/**
 * Callback that receives the stage of a fit. The library invokes the stage callback at the beginning of each stage of a
 * fit, on the thread that made the call. The progress callback of dkvb_run_options counts from 0 again in each stage of
 * a fit.
 *
 * @param user   the pointer `user` of dkvb_fit_options.
 * @param stage  name of the stage: "whitening", "keys", "search", "values", "temperature" or "codes"; without a
 *               codeset, "temperature" comes before "values".
 * @return 0 from the callback continues the fit; any other number cancels the fit.
 */
typedef int (*dkvb_stage_fn)(void *user, const char *stage);

/** Options of a fit. Callers initialise a `dkvb_fit_options` with `DKVB_FIT_OPTIONS_INIT`. */
typedef struct dkvb_fit_options {
    size_t struct_size; /**< size of dkvb_fit_options in bytes, set by DKVB_FIT_OPTIONS_INIT */
    /** Settings of the fit; NULL lets the library choose all settings to suit the data. */
    const dkvb_settings *settings;
    /** Number type of stored values, DKVB_DTYPE_F16, _BF16 or _F32 (data.h); 0 stands for DKVB_DTYPE_F16. */
    uint32_t values_dtype;
    uint32_t keep;   /**< what the codeset stores for each row, DKVB_KEPT_… (codeset.h) */
    uint32_t depth;  /**< number of keys per codebook in the codes of held-out rows */
    double hold_out; /**< fraction of the rows that a codeset holds out (keeps from training), at least 0 and below 1 */
    /** Codebooks that the fitted model shares with other models; NULL makes the fit place keys of its own. */
    dkvb_codebooks *codebooks;
    /** `float[key_row_count][dim]`, rows on which the keys are placed; NULL places them on the rows to learn from. */
    const float *key_rows;
    size_t key_row_count;            /**< number of rows on which the keys are placed, in `key_rows` or `key_source` */
    dkvb_stage_fn stage;             /**< callback that receives each stage of the fit; or NULL */
    void *user;                      /**< pointer that the `stage` callback of the fit receives */
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
    uint32_t count_classes;          /**< 1 makes the model keep counts of each class, see dkvb_model_count_classes() */
    uint32_t keep_names;             /**< 1 makes the codeset keep the names of rows as well as their hashes */
    /** Source of the rows on which the keys are placed, read instead of `key_rows`; or NULL. */
    const dkvb_row_source *key_source;
    /**
     * 1 trains values in place, in one copy of 4 bytes a value instead of 6 bytes; in dkvb_fit_more(), 4 to 6 bytes
     * instead of 8. If a dkvb_fit_more() that trains in place fails or is cancelled, the model is lost: the values of
     * the model are then 0. Values trained in place take 4 bytes each until the model is freed.
     */
    uint32_t in_place;
} dkvb_fit_options;

/** Initialiser of dkvb_fit_options that gives every member its default. */
#define DKVB_FIT_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_fit_options), 0, 0, DKVB_KEPT_AUTO, DKVB_CODESET_DEPTH, 0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0          \
    }
DKVB_INIT_FUNCTION(dkvb_fit_options, DKVB_FIT_OPTIONS_INIT)

/**
 * Choose all settings that the caller left open (0) to suit the data, as dkvb_fit() does.
 *
 * dkvb_fit_suit() fills in codebooks, keys, key_dim, top_k, epochs, batch and learning_rate where they are 0. For rows
 * with a single column, `normalize` becomes 0, since scaling to length 1 would leave only the sign.
 *
 * @param[in,out] settings  settings to fill in, read and written as far as their `struct_size` says; unchanged on
 *                          failure.
 * @param         rows      number of training rows that have a label.
 * @param         columns   number of columns of the training rows.
 * @param         classes   number of classes of the training rows, 1 or more.
 * @param         preset    DKVB_PRESET_NONE, or DKVB_PRESET_PAPER, which first sets the shape and training recipe of
 *                          the paper on discrete key-value bottlenecks: 256 codebooks of 4,096 keys of length 32 by
 *                          moving averages, one selected key per codebook, one epoch at one rate, and rows that are
 *                          neither scaled to length 1 nor whitened (docs/method.md). DKVB_PRESET_PAPER does not change
 *                          settings that the paper does not specify.
 * @param         bytes     largest size of the model file in bytes; 0 for no limit. Under a size limit, the library
 *                          chooses numbers of codebooks and keys that the caller left open (0) as near to what suits
 *                          the data as the limit allows. The size limit of the model file counts values of 16 bits, but
 *                          not class names, the name of the encoder and counts of classes. The size limit of the model
 *                          file leaves room for a whitening matrix of `columns` by `columns`, unless the setting
 *                          `whiten` is DKVB_WHITEN_NEVER. The value DKVB_WHITEN_CHOOSE of the setting `whiten` becomes
 *                          DKVB_WHITEN_NEVER if the whitening matrix would take over a quarter of the size limit, since
 *                          too few keys would be left, or if rows have more columns than a comparison of whitening
 *                          allows.
 * @return `DKVB_EINVAL` if `struct_size` of the settings is not set, if the preset is unknown, or if the size limit
 *         `bytes` is too small; the message then names the smallest possible limit (enough for 16 codebooks of 64 keys,
 *         if the numbers of codebooks and keys are both left open).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit_suit(dkvb_settings *settings, size_t rows, size_t columns,
                                                  uint32_t classes, uint32_t preset, uint64_t bytes);

/**
 * Whether a fit fitted the softmax temperature, or why it did not. The numbers of the DKVB_TEMPERATURE_… constants are
 * part of the ABI.
 */
enum {
    DKVB_TEMPERATURE_FITTED = 0, /**< DKVB_TEMPERATURE_FITTED: the softmax temperature of the model was fitted */
    /**
     * DKVB_TEMPERATURE_FEW_ROWS: the softmax temperature was not fitted, because fewer than 50 rows with a label can be
     * held out.
     */
    DKVB_TEMPERATURE_FEW_ROWS = 1,
    /**
     * DKVB_TEMPERATURE_FEW_CLASSES: the softmax temperature was not fitted, because the held-out rows cover less than
     * half of the model's classes.
     */
    DKVB_TEMPERATURE_FEW_CLASSES = 2
};

/** Report of what a fit chose and measured. */
typedef struct dkvb_fit_report {
    size_t struct_size;   /**< size of dkvb_fit_report in bytes, set by DKVB_FIT_REPORT_INIT */
    uint64_t rows;        /**< number of rows with a label from which the values learned */
    uint64_t held_out;    /**< number of rows that the codeset holds out, on which the values were never trained */
    uint64_t unlearnable; /**< number of classes that have no row to learn from */
    uint32_t classes;     /**< number of classes of the fitted model (L) */
    uint32_t codebooks;   /**< number of codebooks (C) */
    uint32_t keys;        /**< number of keys per codebook (K) */
    uint32_t key_dim;     /**< length of each key in a codebook (d) */
    uint32_t top_k;       /**< number of keys that a row selects per codebook (k) */
    uint32_t whitened;    /**< 1 if the model half-whitens rows */
    uint32_t epochs;      /**< number of epochs: passes of the training over the rows */
    double learning_rate; /**< learning rate of the first epoch of training */
    /** Accuracy on held-out rows of a model without whitening; NaN if the fit compared no whitening. */
    double accuracy_plain;
    /** Accuracy on held-out rows of a model with whitening; NaN if the fit compared no whitening. */
    double accuracy_whitened;
    /**
     * Number of rows on which the softmax temperature was fitted; 0 if there were too few rows, and the temperature is
     * 1.
     */
    uint64_t temperature_rows;
    double temperature; /**< fitted softmax temperature of a row whose logits have the spread 1 (calibration.h) */
    /** Fitted exponent of the spread of a row's logits in the softmax temperature (calibration.h). */
    double temperature_power;
    /**
     * Expected calibration error (15 bins) on the rows on which the temperature was fitted; NaN if there are no such
     * rows.
     */
    double calibration_error;
    /**
     * Accuracy on the rows on which the temperature was fitted, of values that never learned from these rows; NaN if
     * there are no such rows.
     */
    double held_out_accuracy;
    double loss;               /**< mean training loss of the last epoch, as in dkvb_train_report */
    double accuracy;           /**< training accuracy of the last epoch, as in dkvb_train_report */
    uint64_t labelled;         /**< number of rows with a label; the library chooses settings by this number */
    uint32_t temperature_kept; /**< whether the softmax temperature was fitted, or why not: DKVB_TEMPERATURE_… */
} dkvb_fit_report;

/** Initialiser of dkvb_fit_report that gives every member its default. */
#define DKVB_FIT_REPORT_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_fit_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                      \
    }
DKVB_INIT_FUNCTION(dkvb_fit_report, DKVB_FIT_REPORT_INIT)

/**
 * Fit a model to rows with labels.
 *
 * Without a codeset, the model's values learn from all rows. Without a codeset, the softmax temperature comes from a
 * second set of values, which are trained without a tenth of the rows and discarded afterwards. With a codeset, the
 * model is never trained on the held-out rows of the codeset, and the softmax temperature is fitted on these rows. A
 * row is not held out if its class would have fewer than three rows left to learn from.
 *
 * The ids of the rows and `hold_out` decide which rows are held out; in a class of very few rows, the choice depends on
 * all rows of the class. Exact forgetting (replay.h) gives the same bytes as a fit that never had the forgotten rows,
 * if that fit has the settings and the held-out rows with which the model was fitted.
 *
 * If dkvb_fit_rows has `groups`, the number of a group replaces the ids of its rows when held-out rows are chosen: no
 * row of a group is held out while the values learn from another row of the group. Large groups change the held-out
 * fraction: no group is held out if a class would then give more than a quarter of its rows and more than twice the
 * fraction `hold_out`. If fewer than half as many rows of a class as `hold_out` asks for would be held out, the fit
 * holds out further groups, in an order that the group numbers decide. No row is held out of a class whose rows all
 * belong to one group.
 *
 * @param[out] model    the model, which the caller releases with dkvb_model_free(); NULL on failure.
 * @param[out] codeset  codeset with codes, ids and labels of all rows, which later forgetting needs; the caller
 *                      releases it with dkvb_codeset_free(). If the argument `codeset` is NULL, dkvb_fit() makes no
 *                      codeset.
 * @param      rows     rows to learn from, at least one of them with a label.
 * @param      opts     options of the fit; NULL for the defaults.
 * @param[out] report   report of what the fit chose and measured; or NULL.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for an option or label out of range, a number that is not finite, or more keys than rows (the
 *         message names the wrong argument); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit(dkvb_model **model, dkvb_codeset **codeset, const dkvb_fit_rows *rows,
                                             const dkvb_fit_options *opts, dkvb_fit_report *report,
                                             const dkvb_run_options *run);

/**
 * Continue the training of a model with more rows.
 *
 * dkvb_fit_more() searches the new rows with the model's keys and mask, and trains the values on these rows.
 * dkvb_fit_more() does not change the classes, `top_k`, whitening and number type of the model. dkvb_fit_more() chooses
 * training settings (epochs, batch, learning rate) that the caller left open (0) to suit the new rows. New rows of new
 * classes alone would lower the values of earlier classes, since classes share (codebook, key) pairs; so callers should
 * also give new rows of earlier classes.
 *
 * If dkvb_fit_more() gets a codeset, the new rows join the rows of the codeset. The argument `codeset` must be the
 * codeset that the model was trained on, as for dkvb_model_replay(). A fraction of the new rows is held out, the
 * codeset records the training as one more session, and the softmax temperature is fitted on all held-out rows. After
 * dkvb_fit_more(), exact forgetting still gives, bit for bit, the model of a training without the forgotten rows. Rows
 * whose ids were removed from the codeset are refused, unless `relearn` of the training options is set, which ends the
 * forget operations of exactly these rows. New rows without ids get the numbers after the largest id of the codeset. If
 * the rows of the codeset have names, new rows need names too, which are hashed with the salt of the codeset. The
 * training part of the codeset keeps at least three rows of each class, including rows of earlier trainings. The model
 * of dkvb_fit_more() may have no masked or purged pairs if there is a codeset, since codes of a codeset ignore masks.
 * The codeset does not keep group numbers; if later rows belong to groups of earlier rows, the caller passes the
 * earlier group numbers again. In dkvb_fit_more() only group numbers and `hold_out` decide which groups are held out. A
 * group that was held out in an earlier training with the same `hold_out` is held out again, and all other groups are
 * learned from again, unless large groups changed the held-out fraction in the earlier training.
 *
 * Without a codeset, the softmax temperature comes from a copy of the model that is trained further without a tenth of
 * the new rows. dkvb_fit_more() changes the temperature only if this tenth of the new rows has at least 50 rows and
 * covers at least half of the classes; the report says why the temperature was not changed.
 *
 * @param[in,out] model    the model to train further, which is not memory-mapped; unchanged on failure.
 * @param[in,out] codeset  codeset with all its codes (dkvb_codeset_search()), unchanged on failure; or NULL.
 * @param         rows     new rows, given as `x`, or as `codes` with the `top_k` of the model; labels must be below the
 *                         model's number of classes.
 * @param         opts     options of the fit, of which `train` of the settings, `hold_out` (with a codeset),
 *                         `count_classes`, `stage` and `user` are read; NULL for the defaults. If the model keeps
 *                         counts of each class, dkvb_fit_more() always adds the new rows to the counts.
 * @param[out]    report   report of what dkvb_fit_more() chose and measured; or NULL.
 * @param         run      run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EMISMATCH` if rows or codeset do not fit the model;
 *         `DKVB_ESTATE` if the model is memory-mapped, if (codebook, key) pairs are masked, or if the model's counts of
 *         classes would cover only some of the rows; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit_more(dkvb_model *model, dkvb_codeset *codeset, const dkvb_fit_rows *rows,
                                                  const dkvb_fit_options *opts, dkvb_fit_report *report,
                                                  const dkvb_run_options *run);

/** One trial of dkvb_tune(): a model trained with certain settings and measured on held-out rows. */
typedef struct dkvb_trial {
    size_t struct_size;   /**< size of dkvb_trial in bytes, set by DKVB_TRIAL_INIT */
    uint32_t number;      /**< number of the trial, counted from 1 */
    uint32_t keys;        /**< number of keys per codebook (K) */
    uint32_t key_dim;     /**< length of each key in a codebook (d) */
    uint32_t top_k;       /**< number of keys that a row selects per codebook (k) */
    uint32_t whitened;    /**< 1 if the model of the trial half-whitens rows */
    uint32_t epochs;      /**< number of epochs: passes of the trial's training over the rows */
    double learning_rate; /**< learning rate of the first epoch of training */
    double accuracy;      /**< accuracy of the trial's model on the held-out rows */
    double loss;          /**< mean cross-entropy of the trial's model on the held-out rows, in nats */
    uint64_t held_out;    /**< number of held-out rows on which the trial was measured */
} dkvb_trial;

/** Initialiser of dkvb_trial that gives every member its default. */
#define DKVB_TRIAL_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_trial), 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_trial, DKVB_TRIAL_INIT)

/**
 * Callback that receives the trials of dkvb_tune(). The library invokes the trial callback after each trial, on the
 * thread that made the call.
 *
 * @param user   the pointer `user` of dkvb_tune_options.
 * @param trial  the finished trial of dkvb_tune().
 * @return 0 from the callback continues the tuning; any other number cancels the tuning.
 */
typedef int (*dkvb_trial_fn)(void *user, const dkvb_trial *trial);

/** Options of dkvb_tune(). Callers initialise a `dkvb_tune_options` with `DKVB_TUNE_OPTIONS_INIT`. */
typedef struct dkvb_tune_options {
    size_t struct_size; /**< size of dkvb_tune_options in bytes, set by DKVB_TUNE_OPTIONS_INIT */
    /**
     * Exact number of trials of dkvb_tune(), for settings that are equal on every machine; 0 makes as many trials as
     * the time limit `seconds` allows.
     */
    uint32_t trials;
    /** Time in seconds after which dkvb_tune() begins no further trial; 0 for no time limit. */
    double seconds;
    dkvb_trial_fn report;            /**< callback that receives each finished trial of dkvb_tune(); or NULL */
    void *user;                      /**< pointer that the `report` callback receives */
    const dkvb_allocator *allocator; /**< allocator; NULL stands for malloc() and free() */
} dkvb_tune_options;

/** Initialiser of dkvb_tune_options, with a time limit of 600 seconds. */
#define DKVB_TUNE_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_tune_options), 0, 600.0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_tune_options, DKVB_TUNE_OPTIONS_INIT)

/**
 * Try the settings of a fixed list (docs/method.md), and fill in the best for dkvb_fit() to use.
 *
 * Each trial is measured on rows that its values did not learn from: a tenth of the rows, or a quarter if there are
 * fewer than 1,000. dkvb_tune() does not change settings that the caller gave (not 0).
 *
 * @param[in,out] settings  settings, which receive the best values that dkvb_tune() found: `whiten` becomes
 *                          DKVB_WHITEN_NEVER or DKVB_WHITEN_ALWAYS, and `train.trials` becomes the number of trials.
 *                          With equal numbers of trials, dkvb_tune() always finds equal settings. dkvb_tune() leaves
 *                          the settings unchanged on failure.
 * @param         rows      rows that the trials learn from, as for dkvb_fit().
 * @param         opts      options of the tuning; NULL for the defaults.
 * @param         run       run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return any status code of dkvb_fit(); also `DKVB_EINVAL` if too few rows can be held out to compare settings.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_tune(dkvb_settings *settings, const dkvb_fit_rows *rows,
                                              const dkvb_tune_options *opts, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
