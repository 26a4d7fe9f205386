/**
 * @file
 * @brief Values: each value says how much its key speaks for each class; the library trains values, and answers with
 * them.
 *
 * Computing logits from a code has no parameters besides the values. The logits of a row are the mean of the values
 * that its code selects:
 *
 *     logits[l] = (1 / (C k)) sum over codebooks c and ranks j of value[c][code[c][j]][l]
 *
 * Where a code has DKVB_CODE_NONE, it adds nothing to the logits, and the divisor stays C k. Training minimises the
 * cross-entropy of softmax(logits). Only values that a code selects receive a gradient. Sources: arXiv 2207.11240,
 * section 3; docs/method.md.
 *
 * Labels are `int32_t`, from 0 to classes - 1. In training, rows with label -1 are ignored.
 *
 * A code that names a masked or purged pair is stale. Every function of values.h refuses stale codes with
 * `DKVB_EMISMATCH`, and the message says how many codes are stale. dkvb_search_refresh() updates stale codes.
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

/** State of a training, reported after every epoch, or after every step of dkvb_model_train_step(). */
typedef struct dkvb_train_report {
    size_t struct_size; /**< size of dkvb_train_report in bytes, set by DKVB_TRAIN_REPORT_INIT */
    uint32_t epoch;     /**< number of finished epochs (or steps), from 1 */
    uint32_t epochs;    /**< number of all epochs of the training; 0 if the training is made in steps */
    uint64_t rows;      /**< number of labelled rows in the epoch (or step) */
    double loss; /**< mean cross-entropy over the rows of the epoch in nats, each row measured before its own update */
    double accuracy; /**< fraction of rows of the epoch that were classified correctly before their own update */
} dkvb_train_report;

/** Initialiser of dkvb_train_report that gives every member its default. */
#define DKVB_TRAIN_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_train_report), 0, 0, 0, 0.0, 0.0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_train_report, DKVB_TRAIN_REPORT_INIT)

/**
 * Callback that receives the state of a training. The library invokes the callback on the thread that made the call.
 *
 * @param user    pointer `user` of dkvb_train_options.
 * @param report  state of the training.
 * @return 0 to continue; any other number cancels the training, and leaves the model unchanged.
 */
typedef int (*dkvb_report_fn)(void *user, const dkvb_train_report *report);

/** Weights of rows in a training. */
enum {
    DKVB_CLASS_WEIGHT_NONE = 0, /**< every row has weight 1 */
    /**
     * Rows of class l have weight n / (number of classes with rows * n_l), so that every class has the same total
     * weight.
     */
    DKVB_CLASS_WEIGHT_BALANCED = 1
};

/** Options of training the values. Callers initialise the options with `DKVB_TRAIN_OPTIONS_INIT`. */
typedef struct dkvb_train_options {
    size_t struct_size; /**< size of dkvb_train_options in bytes, set by DKVB_TRAIN_OPTIONS_INIT */
    uint32_t epochs;    /**< number of passes of the training over the rows */
    /** Batch size, 1 to 1,048,576: number of rows whose gradients are added before the values change. */
    uint32_t batch;
    /** Learning rate of the first epoch, a step on the logits of a row (dkvb_model_train()), at most 1e6. */
    double learning_rate;
    /**
     * Learning rate of the last epoch, with geometric steps between the epochs; 0 uses `learning_rate` in every epoch.
     */
    double rate_last;
    /** Fraction of a row's target probability that is spread evenly over all classes, 0 to below 1. */
    double label_smoothing;
    uint64_t seed;       /**< seed of the order in which rows are trained */
    uint32_t no_shuffle; /**< 1 trains rows in the order in which they are given */
    /** Weights of rows, DKVB_CLASS_WEIGHT_NONE or DKVB_CLASS_WEIGHT_BALANCED, computed from the labels of the call. */
    uint32_t class_weight;
    dkvb_report_fn report; /**< callback that receives the state of the training; or NULL */
    void *user;            /**< pointer that the `report` callback receives */
    const uint64_t *ids;   /**< `uint64_t[n]`, ids of the rows, each once; NULL stands for the row numbers 0 to n - 1 */
    /** Number of settings that dkvb_tune() tried, which the model keeps; 0 if the training was not tuned. */
    uint32_t trials;
    /**
     * 1 allows training on rows of forgotten classes (unlearn.h), and the journal notes that their forget operations
     * ended; 0 refuses such rows.
     */
    uint32_t relearn;
} dkvb_train_options;

/**
 * Initialiser of dkvb_train_options: 2 epochs, batches of 256, learning rate falling from 3.0 to 0.9, label smoothing
 * 0.1.
 */
#define DKVB_TRAIN_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_train_options), 2, 256, 3.0, 0.9, 0.1, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_train_options, DKVB_TRAIN_OPTIONS_INIT)

/**
 * Train the values on stored codes, by stochastic gradient descent. The training continues from the present values of
 * the model.
 *
 * For every row of a batch, and every pair that its code selects, the update of a value is
 *
 *     value[c][code] <- value[c][code] + rate weight (target - softmax(logits))
 *     target = (1 - label_smoothing) onehot(label) + label_smoothing / L
 *
 * So the logits of a row move by `rate` times the same vector, for any C and k. (The gradient of the cross-entropy with
 * respect to a value has the factor 1/(C k). So the update is plain SGD on the summed loss of the batch, with the
 * learning rate `rate * C * k`.) `rate` is learning_rate in the first epoch, and falls by the same factor from epoch to
 * epoch until it reaches rate_last. `weight` is the weight of the label's class.
 *
 * In each epoch, every row has a number that decides its place in the order of training. The number depends only on the
 * seed, the epoch and the id of the row. So a row that is left out, or has label -1, does not change the order of the
 * other rows. Training without a row gives the same bits as a training that never had the row, which
 * dkvb_model_replay() relies on.
 *
 * Equal codes, labels, ids and options give equal bits, for any number of threads. The new values replace the old
 * values only after all epochs. During the epochs, training needs memory for a second copy of the values, in float32.
 * The values of a new model take no memory before they are trained.
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`, codes of the rows.
 * @param k       number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param labels  `int32_t[n]`, labels of the rows; rows with label -1 are ignored.
 * @param n       number of rows.
 * @param opts    options of the call; NULL for the defaults.
 * @param run     run options (threads, progress, ranks); NULL for the defaults. The progress callback counts rows of
 *                all epochs.
 * @return `DKVB_EINVAL` for a label out of range (the message names the row), or a value too large for the number type
 *         of the model; `DKVB_EMISMATCH` if the codes are stale or do not fit the model; `DKVB_ESTATE` if the model is
 *         mapped or already in training, or if a row belongs to a forgotten class (the message names row, class and
 *         journal entry); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                     const int32_t *labels, size_t n, const dkvb_train_options *opts,
                                                     const dkvb_run_options *run);

/**
 * Begin a training on rows that come in parts, so that the rows need not be in memory all at once.
 *
 * After dkvb_model_train_begin() the caller makes any number of steps and ends the training. Each step trains on its
 * rows in the given order, in batches of `batch`, at learning_rate. A training in steps ignores the options epochs,
 * seed, no_shuffle and rate_last, and refuses class_weight, which would need the labels of all rows. The model answers
 * with its old values until dkvb_model_train_end(). Masks cannot change during the training (`DKVB_ESTATE`).
 *
 * @param model  the model.
 * @param opts   options of the call; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid option; `DKVB_ESTATE` if the model is mapped or already in training;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_begin(dkvb_model *model, const dkvb_train_options *opts);

/**
 * Train on one more part of the rows. dkvb_model_train_step() reports no progress.
 *
 * A failed step changes nothing, and the training continues as if the step had not been called. The only exception: if
 * `report` cancels (`DKVB_ECANCELLED`), the step is done, and the caller decides how to end the training.
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`, codes of the rows.
 * @param k       number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param labels  `int32_t[n]`, labels of the rows; rows with label -1 are ignored.
 * @param n       number of rows.
 * @param run     run options (threads, progress, ranks); NULL for the defaults.
 * @return the status codes of dkvb_model_train(); also `DKVB_ESTATE` if no training has begun.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_step(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                          const int32_t *labels, size_t n, const dkvb_run_options *run);

/**
 * End a training in steps.
 *
 * @param model  the model.
 * @param keep   1 replaces the old values by the new ones; 0 discards all steps since dkvb_model_train_begin(), which
 *               cannot fail, and does nothing if no training has begun.
 * @return with `keep`, `DKVB_ESTATE` if no training has begun; or `DKVB_EINVAL` if a value is too large for the number
 *         type of the model, and the training then continues.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_end(dkvb_model *model, int keep);

/**
 * Compute logits and predicted labels from codes. The sums of logits have one defined order (docs/numerics.md).
 *
 * A row gets label -1 (no answer) if its code selects nothing that was learned: all selected values are 0, as in an
 * untrained model, or no pair is selected. A model with a single class has nothing to learn; in such a model a row gets
 * label -1 only if it selects no pair.
 *
 * @param      model   the model.
 * @param      codes   `uint16_t[n][codebooks][k]`, codes of the rows.
 * @param      k       number of keys per codebook in `codes`; must equal the model's `top_k`.
 * @param      n       number of rows.
 * @param[out] labels  `int32_t[n]`, predicted labels: the class with the largest logit, the lowest index on a tie; or
 *                     NULL.
 * @param[out] logits  `float[n][classes]`, logits, not divided by a temperature, all 0 for a row with label -1; or
 *                     NULL.
 * @param      run     run options (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EMISMATCH` if codes are stale or do not fit the model;
 *         `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A failed dkvb_model_decode() leaves its outputs undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_decode(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                      size_t n, int32_t *labels, float *logits,
                                                      const dkvb_run_options *run);

/**
 * Quality of a model, measured on labelled rows. Callers initialise the struct with `DKVB_EVALUATION_INIT`. The
 * evaluation counts rows with label -1 only in `unlabelled`.
 */
typedef struct dkvb_evaluation {
    size_t struct_size;   /**< size of dkvb_evaluation in bytes, set by DKVB_EVALUATION_INIT */
    uint64_t *class_rows; /**< `uint64_t[classes]` of the caller, receives the number of rows of each class; or NULL */
    /** `uint64_t[classes]` of the caller, receives the number of correctly classified rows of each class; or NULL. */
    uint64_t *class_right;
    uint64_t rows;       /**< number of rows with a label */
    uint64_t right;      /**< number of rows that were classified correctly */
    uint64_t abstained;  /**< number of rows for which the model gave no answer, which count as wrong */
    uint64_t unlabelled; /**< number of rows with label -1 */
    uint64_t searched;   /**< number of (row, codebook) pairs that were searched again, if codes were given */
    double accuracy;     /**< accuracy of the model: right / rows; NaN if there are no labelled rows */
    double loss; /**< mean cross-entropy in nats, at the model's temperature; NaN if there are no labelled rows */
    /**
     * Expected calibration error, 0 (best) to 1; NaN if there are no labelled rows. For the calibration error, rows are
     * put into 15 bins of equal width by their largest probability. The error is the mean, over rows, of the difference
     * between the accuracy and the mean probability of the row's bin.
     */
    double calibration_error;
    /** Source of the rows, which the caller sets and which is read instead of `x`; NULL if `x` has the rows. */
    const dkvb_row_source *source;
} dkvb_evaluation;

/** Initialiser of dkvb_evaluation that gives every member its default. */
#define DKVB_EVALUATION_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_evaluation), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_evaluation, DKVB_EVALUATION_INIT)

/**
 * Measure a model on labelled rows.
 *
 * The predictions that dkvb_model_evaluate() measures equal those of dkvb_model_predict(). The function works on some
 * thousand rows at a time, so that the memory for logits stays bounded.
 *
 * @param         model   the model.
 * @param         x       `float[n][input_dim]`, features of the rows, finite; NULL if `report` has a source.
 * @param[in,out] codes   `uint16_t[n][codebooks][top_k]`, codes of the rows, right under a mask that the mask in force
 *                        contains; NULL makes the function search all rows. Codes that name a masked pair are updated
 *                        in place, as by dkvb_search_refresh().
 * @param         labels  `int32_t[n]`, labels of the rows, 0 to classes - 1; rows with label -1 are left out.
 * @param         n       number of rows.
 * @param[out]    report  quality of the model; the struct, and the arrays that it points to, are undefined if the call
 *                        fails.
 * @param         run     run options (threads, progress, ranks); NULL for the defaults. The progress callback counts
 *                        rows.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_evaluate(const dkvb_model *model, const float *x, uint16_t *codes,
                                                        const int32_t *labels, size_t n, dkvb_evaluation *report,
                                                        const dkvb_run_options *run);

/**
 * Compute class probabilities: the softmax of the logits of each row, divided by the temperature of the row,
 * `temperature * spread^power` (calibration.h).
 *
 * @param      logits       `float[n][classes]`, logits of the rows.
 * @param      n            number of rows.
 * @param      classes      number of classes.
 * @param      temperature  temperature of the model (dkvb_model_info), or 1; finite and above 0.
 * @param      power        power of the model, or 0; finite.
 * @param[out] probs        `float[n][classes]`, class probabilities; may be the same array as `logits`.
 * @return `DKVB_EINVAL` for a temperature or power out of range, with `probs` unchanged.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_softmax(const float *logits, size_t n, uint32_t classes,
                                                        double temperature, double power, float *probs);

/**
 * Find the classes with the largest logits of each row, largest first; on a tie the lowest index comes first.
 * dkvb_decode_top() never gives label -1.
 *
 * @param      logits   `float[n][classes]`, logits of the rows.
 * @param      n        number of rows.
 * @param      classes  number of classes.
 * @param      top      number of classes to find, 1 to `classes`.
 * @param[out] labels   `int32_t[n][top]`, the classes with the largest logits.
 * @param[out] scores   `float[n][top]`, the logits of the found classes; or NULL.
 * @return `DKVB_EINVAL` for a `top` out of range.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_top(const float *logits, size_t n, uint32_t classes, uint32_t top,
                                                    int32_t *labels, float *scores);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
