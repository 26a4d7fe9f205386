/**
 * Fit: from rows and labels to a model, with settings that suit the data.
 *
 * dkvb_fit() is what `dkvb train` and the Python module call. It chooses what the caller left open, places keys,
 * searches every row once, trains the values, and fits the temperature on rows that the values did not see:
 *
 *     dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
 *
 *     rows.x = x, rows.labels = labels, rows.n = n, rows.dim = dim;
 *     rc = dkvb_fit(&model, NULL, &rows, NULL, NULL, NULL);
 *
 * Rules and the measurements behind them: docs/method.md, *Settings that suit the data*. Same rows, settings and seed:
 * same bytes, whatever the threads and the processor. Every step is also a call of its own (codebooks.h, search.h,
 * values.h, calibration.h, codeset.h), for callers whose rows are never all in memory.
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
#include "runtime.h"
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Rows to learn from. The id of a row with a name is the first 8 bytes, little-endian, of SHA-256(salt, name). The
 * salt, 16 bytes, follows from all names and labels, so the same rows have the same ids; a codeset keeps it, and the
 * names if `keep_names` of the options says so. Two names with one hash are refused, as two equal names are.
 *
 * Start from `DKVB_FIT_ROWS_INIT`. Read during the call only.
 */
typedef struct dkvb_fit_rows {
    size_t struct_size;    /**< sizeof(dkvb_fit_rows), set by INIT */
    const float *x;        /**< `float[n][dim]`, row-major, finite */
    const int32_t *labels; /**< `int32_t[n]`, 0 and up; -1 = ignore this row */
    const uint64_t *ids;   /**< `uint64_t[n]`, what the rows are called, each once; NULL: their numbers, 0 to n - 1 */
    size_t n;              /**< rows, 1 or more, at least one of them with a label */
    size_t dim;            /**< columns */
    uint32_t classes;      /**< 0: one more than the largest label */
    uint32_t k;            /**< keys a codebook in `codes` */
    const uint16_t *codes; /**< `uint16_t[n][codebooks][k]` in place of x, for dkvb_fit_more(); NULL: x is there */
    const char *const *names; /**< `[n]`, what the rows are called, in place of `ids`: UTF-8 without control characters,
                                   1 to 255 bytes, each once, compared byte by byte; NULL: they are called by numbers */
} dkvb_fit_rows;

#define DKVB_FIT_ROWS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_fit_rows), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                               \
    }
DKVB_INIT_FUNCTION(dkvb_fit_rows, DKVB_FIT_ROWS_INIT)

/** Whether rows are half whitened. Values are part of the ABI. */
enum {
    DKVB_WHITEN_NEVER = 0,
    DKVB_WHITEN_ALWAYS = 1,
    DKVB_WHITEN_CHOOSE = 2 /**< compare both on rows held out, with a part of the codebooks */
};

/** Settings of a fit. Start from `DKVB_SETTINGS_INIT`, which leaves all open: 0 = what suits the data. */
typedef struct dkvb_settings {
    size_t struct_size;           /**< sizeof(dkvb_settings), set by INIT */
    dkvb_keyinit_options keyinit; /**< codebooks, keys, key_dim of 0 are filled in; whether to whiten says `whiten` */
    dkvb_train_options train;     /**< epochs, batch, learning_rate (and rate_last with it) of 0 are filled in */
    uint32_t top_k;               /**< keys selected in a codebook; 0 = what suits the data */
    uint32_t whiten;              /**< DKVB_WHITEN_…; of no matter where a fit is given codebooks */
} dkvb_settings;

#define DKVB_SETTINGS_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_settings), DKVB_KEYINIT_OPTIONS_INIT,                                                              \
            {sizeof(dkvb_train_options), 0, 0, 0.0, 0.0, 0.1, 0, 0, 0, 0, 0, 0, 0, 0}, 0, DKVB_WHITEN_CHOOSE           \
    }
DKVB_INIT_FUNCTION(dkvb_settings, DKVB_SETTINGS_INIT)

/* Settings to begin with. Values are part of the ABI. */
enum {
    DKVB_PRESET_NONE = 0,
    DKVB_PRESET_PAPER = 1 /**< shape and recipe of the paper */
};

/** A stage begins: "whitening", "keys", "search", "values", "temperature", "codes"; without a codeset "temperature"
 * comes before "values". Return 0 to go on. On the calling thread. Progress of `dkvb_run_options` counts within a
 * stage. */
typedef int (*dkvb_stage_fn)(void *user, const char *stage);

/** How to fit. Start from `DKVB_FIT_OPTIONS_INIT`. */
typedef struct dkvb_fit_options {
    size_t struct_size;            /**< sizeof(dkvb_fit_options), set by INIT */
    const dkvb_settings *settings; /**< NULL: all follow from the data */
    uint32_t values_dtype;         /**< DKVB_DTYPE_F16, _BF16 or _F32 (data.h); 0 = F16 */
    uint32_t keep;                 /**< what the codeset keeps of rows: DKVB_KEPT_… (codeset.h) */
    uint32_t depth;                /**< keys a codebook in codes of rows that are held out */
    double hold_out;               /**< share of the rows that a codeset holds out, 0 to below 1 */
    dkvb_codebooks *codebooks;     /**< share these instead of placing keys; or NULL */
    const float *key_rows;         /**< `float[key_row_count][dim]`, rows to place keys on; NULL: those of x */
    size_t key_row_count;
    dkvb_stage_fn stage;             /**< or NULL */
    void *user;                      /**< handed to `stage` */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
    uint32_t count_classes;          /**< 1: the model keeps what each class selects: dkvb_model_count_classes() */
    uint32_t keep_names;             /**< 1: the codeset keeps the names of rows, not only their hashes */
} dkvb_fit_options;

#define DKVB_FIT_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_fit_options), 0, 0, DKVB_KEPT_AUTO, DKVB_CODESET_DEPTH, 0.1, 0, 0, 0, 0, 0, 0, 0, 0                \
    }
DKVB_INIT_FUNCTION(dkvb_fit_options, DKVB_FIT_OPTIONS_INIT)

/**
 * Fill in what is 0 of codebooks, keys, key_dim, top_k, epochs, batch and learning_rate from the data: what dkvb_fit()
 * does. Rows of a single column are not scaled to length 1 (`normalize` becomes 0), since only a sign would be left.
 *
 * @param settings  read and written as far as `struct_size` says. Unchanged on failure.
 * @param rows      to learn from: those with a label.
 * @param classes   1 or more.
 * @param preset    DKVB_PRESET_NONE; or DKVB_PRESET_PAPER, which first sets the paper's own shape and recipe: 256
 *                  codebooks of 4,096 keys 32 wide by moving averages, one selected, one epoch at one rate, rows as
 * they come and never whitened (docs/method.md). Fields that the paper leaves open stay.
 * @param bytes     of a model file at most; 0: no limit. Codebooks and keys that are open are then chosen as near to
 *                  what suits the data as that allows. Counted are values of 16 bits; class names, the name of the
 *                  encoder and counts of classes come on top. Unless `whiten` is never, there is room for a whitening
 * of `columns` by `columns`; to choose becomes never where that takes over a quarter of the bytes, which leaves too few
 * keys to be worth a comparison, or has more columns than are compared.
 * @return `DKVB_EINVAL` if a struct does not know its size, for another preset, or naming the least number of bytes (16
 *         codebooks of 64 keys, where both may be chosen).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit_suit(dkvb_settings *settings, size_t rows, size_t columns,
                                                  uint32_t classes, uint32_t preset, uint64_t bytes);

/** Why a temperature was not fitted to the rows. Values are part of the ABI. */
enum {
    DKVB_TEMPERATURE_FITTED = 0,
    DKVB_TEMPERATURE_FEW_ROWS = 1,   /**< fewer than 50 rows with a label can be held out */
    DKVB_TEMPERATURE_FEW_CLASSES = 2 /**< they are of less than half of the model's classes */
};

/** What was chosen and found. The caller sets `struct_size`. */
typedef struct dkvb_fit_report {
    size_t struct_size;
    uint64_t rows;             /**< with a label that the values learned from */
    uint64_t held_out;         /**< rows that the codeset holds out, never trained on */
    uint64_t unlearnable;      /**< classes without a row to learn from */
    uint32_t classes;          /**< L */
    uint32_t codebooks;        /**< C */
    uint32_t keys;             /**< K */
    uint32_t key_dim;          /**< d */
    uint32_t top_k;            /**< k */
    uint32_t whitened;         /**< 1: rows are half whitened */
    uint32_t epochs;           /**< passes over the rows */
    double learning_rate;      /**< of the first epoch */
    double accuracy_plain;     /**< on rows held out, without whitening; NaN if that was not compared */
    double accuracy_whitened;  /**< the same with it */
    uint64_t temperature_rows; /**< rows that the temperature was fitted on; 0: too few, it is 1 */
    double temperature;        /**< of a row of spread 1, see calibration.h */
    double temperature_power;  /**< how it follows the spread */
    double calibration_error;  /**< expected calibration error (15 bins) on those rows, at their temperatures; or NaN */
    double held_out_accuracy;  /**< on those rows, by values that had not seen them; or NaN */
    double loss;               /**< of the last epoch, see dkvb_train_report */
    double accuracy;           /**< the same */
    uint64_t labelled;         /**< rows with a label: what the settings suit */
    uint32_t temperature_kept; /**< DKVB_TEMPERATURE_…: why the temperature is as it was */
} dkvb_fit_report;

#define DKVB_FIT_REPORT_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_fit_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                      \
    }
DKVB_INIT_FUNCTION(dkvb_fit_report, DKVB_FIT_REPORT_INIT)

/**
 * Fit a model.
 *
 * Without a codeset the temperature comes from values that are trained without a tenth of the rows and then thrown
 * away; the model's own learn from all rows. With a codeset, the rows that it holds out are never trained on, and give
 * the temperature. No row is held out that would leave its class fewer than three to learn from.
 *
 * Which rows are held out depends on their ids and on `hold_out`, and where a class is that small, on its other rows.
 * So exact forgetting (replay.h) gives the bytes of a fit that never had the rows, at the same settings and with the
 * same rows held out.
 *
 * @param[out] model    owned by the caller: dkvb_model_free(). NULL on failure.
 * @param[out] codeset  codes, ids and labels of all rows, to forget by: dkvb_codeset_free(). NULL: none is made.
 * @param      rows     at least one with a label.
 * @param      opts     NULL for the defaults.
 * @param[out] report   or NULL.
 * @param      run      NULL for the defaults.
 * @return `DKVB_EINVAL` (an option or label out of range, a number that is not finite, more keys than rows; named),
 *         `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit(dkvb_model **model, dkvb_codeset **codeset, const dkvb_fit_rows *rows,
                                             const dkvb_fit_options *opts, dkvb_fit_report *report,
                                             const dkvb_run_options *run);

/**
 * Go on with a model: search more rows by its keys under its mask, and train its values on them. Its classes, `top_k`,
 * whitening and type of values stay; epochs, batch and rate that are left open follow from the new rows. Rows of new
 * classes alone push the values of earlier classes down, since they share pairs: give rows of both.
 *
 * With a codeset, which must be what the model was trained on (as for dkvb_model_replay()), the rows join those of it:
 * a share of them is held out, the training is recorded as one more session, and the temperature is fitted on all rows
 * held out, so that exact forgetting stays exact. Rows whose ids were removed from it are refused, or with `relearn` of
 * the training options come back, which ends the forgettings of exactly these rows. Rows without ids are numbered on
 * from the largest id of the codeset; where its rows have names, the new ones need names too, and are hashed with its
 * salt. No class keeps fewer than three rows to learn from, those of earlier trainings
 * included. Codes know no mask, so nothing may be masked or purged then.
 *
 * Without one, the temperature comes from a copy of the model that goes on without a tenth of the rows, if these are 50
 * or more and of half of the classes at least; else it stays, and the report says why.
 *
 * @param[in,out] model    not mapped. Unchanged on failure.
 * @param[in,out] codeset  with all its codes (dkvb_codeset_search()); or NULL. Unchanged on failure.
 * @param         rows     x, or codes with the k of the model; labels below its number of classes.
 * @param         opts     `train` of the settings, `hold_out`, `count_classes`, `stage` and `user` count; `hold_out`
 * with a codeset. Counts that the model keeps are always added to.
 * @return `DKVB_EINVAL`, `DKVB_EMISMATCH`, `DKVB_ESTATE` (mapped, masked, counts of only some of the rows),
 * `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_fit_more(dkvb_model *model, dkvb_codeset *codeset, const dkvb_fit_rows *rows,
                                                  const dkvb_fit_options *opts, dkvb_fit_report *report,
                                                  const dkvb_run_options *run);

/** One trial of dkvb_tune(). */
typedef struct dkvb_trial {
    size_t struct_size;
    uint32_t number;      /**< from 1 */
    uint32_t keys;        /**< K */
    uint32_t key_dim;     /**< d */
    uint32_t top_k;       /**< k */
    uint32_t whitened;    /**< 1: rows are half whitened */
    uint32_t epochs;      /**< passes over the rows */
    double learning_rate; /**< of the first epoch */
    double accuracy;      /**< on the rows held out */
    double loss;          /**< mean cross-entropy on them, nats */
    uint64_t held_out;    /**< how many there were */
} dkvb_trial;

#define DKVB_TRIAL_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_trial), 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_trial, DKVB_TRIAL_INIT)

/** A trial is done. Return 0 to go on; anything else cancels. On the calling thread. */
typedef int (*dkvb_trial_fn)(void *user, const dkvb_trial *trial);

/** How long to tune, and what. Start from `DKVB_TUNE_OPTIONS_INIT`. */
typedef struct dkvb_tune_options {
    size_t struct_size;   /**< sizeof(dkvb_tune_options), set by INIT */
    uint32_t trials;      /**< make just so many; 0: as many as `seconds` allow */
    double seconds;       /**< no trial begins after so long; 0: no limit. Depends on the machine: `trials` does not */
    dkvb_trial_fn report; /**< or NULL */
    void *user;           /**< handed to `report` */
    const dkvb_allocator *allocator; /**< NULL: malloc and free */
} dkvb_tune_options;

#define DKVB_TUNE_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_tune_options), 0, 600.0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_tune_options, DKVB_TUNE_OPTIONS_INIT)

/**
 * Go through a fixed list of settings (docs/method.md), each tried on rows that its values did not see (a tenth of
 * them, a quarter of fewer than 1,000), and fill in the best. Settings that the caller has fixed (not 0) stay. The
 * winner then goes to dkvb_fit().
 *
 * @param[in,out] settings  the best are filled in: `whiten` becomes never or always, and `train.trials` says how many
 *                          were tried; as many again give the same winner. Unchanged on failure.
 * @return as dkvb_fit(); `DKVB_EINVAL` where too few rows can be held out to tell settings apart.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_tune(dkvb_settings *settings, const dkvb_fit_rows *rows,
                                              const dkvb_tune_options *opts, const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
