/**
 * @file
 * @brief Values: what each key says about each class, how values learn, and how they answer.
 *
 * Decoding a code has no parameters. The logits of a row are the mean of the values that its code selects:
 *
 *     logits[l] = (1 / (C k)) sum over codebooks c and ranks j of value[c][code[c][j]][l]
 *
 * A DKVB_CODE_NONE in the code adds nothing, and the divisor stays C k. Training minimises the cross-entropy of
 * softmax(logits). Only selected values receive a gradient. Source: arXiv 2207.11240, section 3; docs/method.md.
 *
 * Labels are `int32_t`, from 0 to classes - 1. In training, rows with label -1 are ignored.
 *
 * A code that names a masked or purged pair is stale. Every function here refuses stale codes with `DKVB_EMISMATCH`,
 * and the message says how many there are. dkvb_search_refresh() updates stale codes.
 */
#ifndef DKVB_VALUES_H
#define DKVB_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "model.h"
#include "rows.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_values Values: training, logits, probabilities
 *  @{ */

/** State of a training, reported after every epoch; between begin and end, after every step. */
typedef struct dkvb_train_report {
    size_t struct_size; /**< sizeof(dkvb_train_report), set by INIT */
    uint32_t epoch;     /**< number of finished epochs (steps), from 1 */
    uint32_t epochs;    /**< number of all epochs; 0 between begin and end */
    uint64_t rows;      /**< number of rows with a label in this epoch (step) */
    double loss;        /**< mean cross-entropy in nats, each row measured before its own update */
    double accuracy;    /**< share of rows that were classified correctly before their own update */
} dkvb_train_report;

/** Defaults of dkvb_train_report. */
#define DKVB_TRAIN_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_train_report), 0, 0, 0, 0.0, 0.0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_train_report, DKVB_TRAIN_REPORT_INIT)

/**
 * Report callback of a training. The library calls this function on the thread that made the call.
 *
 * @param user    `user` of dkvb_train_options.
 * @param report  state of the training.
 * @return 0 to continue; any other number cancels the training, and nothing has changed.
 */
typedef int (*dkvb_report_fn)(void *user, const dkvb_train_report *report);

/** Weights of rows in training. */
enum {
    DKVB_CLASS_WEIGHT_NONE = 0,    /**< every row has weight 1 */
    DKVB_CLASS_WEIGHT_BALANCED = 1 /**< rows of class l have weight n / (classes present * n_l), so that every class has
                                        the same total weight */
};

/** Options of training. The options start from `DKVB_TRAIN_OPTIONS_INIT`. */
typedef struct dkvb_train_options {
    size_t struct_size;     /**< sizeof(dkvb_train_options), set by INIT */
    uint32_t epochs;        /**< number of passes over the rows */
    uint32_t batch;         /**< number of rows whose gradients are added before values move, 1 to 1,048,576 */
    double learning_rate;   /**< step on the logits of a row in the first epoch, see dkvb_model_train(); at most 1e6 */
    double rate_last;       /**< step in the last epoch, geometric in between; 0: learning_rate in every epoch */
    double label_smoothing; /**< share of a row's target that is spread evenly over all classes, 0 to below 1 */
    uint64_t seed;          /**< seed of the order of rows */
    uint32_t no_shuffle;    /**< 1: rows are trained in the order in which they come */
    uint32_t class_weight;  /**< DKVB_CLASS_WEIGHT_NONE or _BALANCED, computed from the labels of the call */
    dkvb_report_fn report;  /**< report callback; or NULL */
    void *user;             /**< pointer that `report` receives */
    const uint64_t *ids;    /**< `uint64_t[n]`, ids of the rows, each once; NULL: row numbers, 0 to n - 1 */
    uint32_t trials;        /**< number of settings that dkvb_tune() tried, kept in the model; 0: not tuned */
    uint32_t relearn;       /**< 1: rows of forgotten classes (unlearn.h) may be trained on, and the journal notes that
                                 these forgettings are over; 0: such rows are refused */
} dkvb_train_options;

/** Defaults of dkvb_train_options: 2 epochs, batches of 256, rate 3.0 falling to 0.9, smoothing 0.1. */
#define DKVB_TRAIN_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_train_options), 2, 256, 3.0, 0.9, 0.1, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_train_options, DKVB_TRAIN_OPTIONS_INIT)

/**
 * Train the values on stored codes, by stochastic gradient descent. The training continues from the present values.
 *
 * For every row of a batch, and every pair that its code selects, the update is
 *
 *     value[c][code] <- value[c][code] + rate weight (target - softmax(logits))
 *     target = (1 - label_smoothing) onehot(label) + label_smoothing / L
 *
 * So the logits of the row move by rate times the same vector, for any C and k. (The gradient of the cross-entropy with
 * respect to a value has the factor 1/(C k). So this is plain SGD on the summed loss of the batch, with the learning
 * rate `rate * C * k`.) `rate` is learning_rate in the first epoch, and falls by the same factor from epoch to epoch
 * until it reaches rate_last. `weight` is the weight of the label's class.
 *
 * A number gives the order of the rows in each epoch. This number depends only on the seed, the epoch and the id of the
 * row. So a row that is left out, or has label -1, does not change the order of the other rows. Training without a row
 * gives the same bits as a training that never had the row; dkvb_model_replay() relies on this.
 *
 * Equal codes, labels, ids and options give equal bits, for any number of threads. The new values replace the old
 * values only after all epochs. Until then the call needs memory for a second copy of the values, in float32. The
 * values of a new model take no memory until then.
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`.
 * @param k       number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param labels  `int32_t[n]`; rows with label -1 are ignored.
 * @param n       number of rows.
 * @param opts    options; NULL for the defaults.
 * @param run     run options; NULL for the defaults. Progress counts rows of all epochs.
 * @return `DKVB_EINVAL` for a label out of range (the message names the row), or a value too large for the number type
 * of the model; `DKVB_EMISMATCH`; `DKVB_ESTATE` if the model is mapped or between begin and end, or if a row belongs to
 * a forgotten class (the message names row, class and journal entry); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                     const int32_t *labels, size_t n, const dkvb_train_options *opts,
                                                     const dkvb_run_options *run);

/**
 * Begin a training on rows that come in parts, so that all rows need not be in memory at once.
 *
 * The caller then makes any number of steps and ends the training. Each step trains on its rows in the given order, in
 * batches of `batch`, at learning_rate. The options epochs, seed, no_shuffle and rate_last are ignored. A class_weight
 * is refused, since it would need the labels of all rows. The model answers with its old values until
 * dkvb_model_train_end(). Masks cannot change during the training (`DKVB_ESTATE`).
 *
 * @param model  the model.
 * @param opts   options; NULL for the defaults.
 * @return `DKVB_EINVAL`; `DKVB_ESTATE` if the model is mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_begin(dkvb_model *model, const dkvb_train_options *opts);

/**
 * Train on one more part of the rows. This call reports no progress.
 *
 * A failed step changes nothing, and the training goes on as if the step had not been called. There is one exception:
 * if `report` cancels (`DKVB_ECANCELLED`), the step is done, and the caller decides how to end the training.
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`.
 * @param k       number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param labels  `int32_t[n]`; rows with label -1 are ignored.
 * @param n       number of rows.
 * @param run     run options; NULL for the defaults.
 * @return as dkvb_model_train(); `DKVB_ESTATE` if no training has begun.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_step(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                          const int32_t *labels, size_t n, const dkvb_run_options *run);

/**
 * End a training.
 *
 * @param model  the model.
 * @param keep   1: the new values replace the old values. 0: all steps since dkvb_model_train_begin() are discarded;
 * this cannot fail, and does nothing if no training has begun.
 * @return with `keep`: `DKVB_ESTATE` if no training has begun; `DKVB_EINVAL` if a value is too large for the number
 * type of the model, and the training then goes on.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_end(dkvb_model *model, int keep);

/**
 * Compute logits and answers from codes. Sums have one defined order (docs/numerics.md).
 *
 * A row gets label -1 (no answer) if its code selects nothing that was learned: all selected values are 0, as in an
 * untrained model, or no pair is selected. A model with a single class has nothing to learn; there a row gets label -1
 * only if it selects no pair.
 *
 * @param      model   the model.
 * @param      codes   `uint16_t[n][codebooks][k]`.
 * @param      k       number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param      n       number of rows.
 * @param[out] labels  `int32_t[n]`, class with the largest logit, the lowest index on a tie; or NULL.
 * @param[out] logits  `float[n][classes]`, not divided by a temperature; all 0 for a row with label -1; or NULL.
 * @param      run     run options; NULL for the defaults.
 * @return `DKVB_EINVAL`, `DKVB_EMISMATCH`, `DKVB_ENOMEM`, `DKVB_ECANCELLED`. A failed call leaves the outputs
 * undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_decode(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                      size_t n, int32_t *labels, float *logits,
                                                      const dkvb_run_options *run);

/** Quality of a model on labelled rows. The struct starts from `DKVB_EVALUATION_INIT`. Rows with label -1 count only in
 *  `unlabelled`. */
typedef struct dkvb_evaluation {
    size_t struct_size;    /**< sizeof(dkvb_evaluation), set by INIT */
    uint64_t *class_rows;  /**< `uint64_t[classes]` of the caller, receives the rows of each class; or NULL */
    uint64_t *class_right; /**< `uint64_t[classes]` of the caller, receives the correct rows of each class; or NULL */
    uint64_t rows;         /**< number of rows with a label */
    uint64_t right;        /**< number of rows that were classified correctly */
    uint64_t abstained;    /**< number of rows without an answer, which count as wrong */
    uint64_t unlabelled;   /**< number of rows with label -1 */
    uint64_t searched;     /**< if codes were given: number of (row, codebook) pairs that were searched again */
    double accuracy;       /**< right / rows; NaN without rows */
    double loss;           /**< mean cross-entropy in nats, at the model's temperature; NaN without rows */
    double calibration_error; /**< expected calibration error, 0 (best) to 1; NaN without rows. Rows are put into 15
                                 bins of equal width by their largest probability. The error is the mean, over rows, of
                                   the difference between the accuracy and the mean probability of the row's bin */
    const dkvb_row_source *source; /**< source of the rows, set by the caller instead of `x`; NULL: x has the rows */
} dkvb_evaluation;

/** Defaults of dkvb_evaluation. */
#define DKVB_EVALUATION_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_evaluation), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_evaluation, DKVB_EVALUATION_INIT)

/**
 * Measure a model on labelled rows.
 *
 * The answers equal those of dkvb_model_predict(). The call works on some thousand rows at a time, so that the memory
 * for logits stays bounded.
 *
 * @param         model   the model.
 * @param         x       `float[n][input_dim]`, finite; NULL if `report` has a source.
 * @param[in,out] codes   `uint16_t[n][codebooks][top_k]` of these rows, right under a mask that the mask in force
 *                        contains. Codes that name a masked pair are updated in place, as by dkvb_search_refresh().
 * NULL: all rows are searched.
 * @param         labels  `int32_t[n]`, 0 to classes - 1; rows with label -1 are left out.
 * @param         n       number of rows.
 * @param[out]    report  the result. A failed call leaves the struct, and the arrays that it points to, undefined.
 * @param         run     run options; NULL for the defaults. Progress counts rows.
 * @return `DKVB_EINVAL` naming the row; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_evaluate(const dkvb_model *model, const float *x, uint16_t *codes,
                                                        const int32_t *labels, size_t n, dkvb_evaluation *report,
                                                        const dkvb_run_options *run);

/**
 * Compute probabilities: the softmax of the logits of each row, divided by the temperature of the row,
 * `temperature * spread^power` (calibration.h).
 *
 * @param      logits       `float[n][classes]`.
 * @param      n            number of rows.
 * @param      classes      number of classes.
 * @param      temperature  temperature of the model (dkvb_model_info), or 1; finite and above 0.
 * @param      power        power of the model, or 0; finite.
 * @param[out] probs        `float[n][classes]`; may be `logits`.
 * @return `DKVB_EINVAL` for a temperature or power out of range; `probs` is unchanged then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_softmax(const float *logits, size_t n, uint32_t classes,
                                                        double temperature, double power, float *probs);

/**
 * Find the classes with the largest logits of each row, largest first; on a tie the lowest index comes first. This
 * function never gives label -1.
 *
 * @param      logits   `float[n][classes]`.
 * @param      n        number of rows.
 * @param      classes  number of classes.
 * @param      top      number of classes to find, 1 to `classes`.
 * @param[out] labels   `int32_t[n][top]`.
 * @param[out] scores   `float[n][top]`, the logits of these classes; or NULL.
 * @return `DKVB_EINVAL` for a `top` out of range.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_top(const float *logits, size_t n, uint32_t classes, uint32_t top,
                                                    int32_t *labels, float *scores);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
