/**
 * @file
 * @brief Values: each value says how much its key speaks for each class; the library trains values, and computes
 * answers from values.
 *
 * Computing the logits of a row from its code has no parameters besides the values of the keys. The logits of a row are
 * the mean of the values that the code of the row selects, over C codebooks and k keys per codebook:
 *
 *     logits[class l] = (1 / (C k)) sum over C codebooks c and k selected keys j of value[c][code[c][j]][l]
 *
 * Where the code of a row has DKVB_CODE_NONE instead of a key, nothing is added to the logits, and the divisor stays C
 * k (codebooks times keys per codebook). Training the values minimises the cross-entropy of softmax(logits). Only
 * values that the code of a row selects receive a gradient from the row. The discrete key-value bottleneck is described
 * in arXiv 2207.11240, section 3, and in docs/method.md.
 *
 * Labels of rows are `int32_t`, from 0 to the number of classes - 1. In training, rows with label -1 are ignored.
 *
 * Every function of values.h refuses stale codes (codes that name a masked or purged pair) with `DKVB_EMISMATCH`, and
 * the error message says how many codes are stale. dkvb_search_refresh() updates stale codes.
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

/** @defgroup dkvb_values Values: functions that train values, and compute logits and probabilities
 *  @{ */

/** State of a training, reported after every epoch, or after every step of dkvb_model_train_step(). */
typedef struct dkvb_train_report {
    size_t struct_size; /**< size of dkvb_train_report in bytes, set by DKVB_TRAIN_REPORT_INIT */
    uint32_t epoch;     /**< number of finished epochs (or steps) of the training, from 1 */
    uint32_t epochs;    /**< number of all epochs of the training; 0 if the training is made in steps */
    uint64_t rows;      /**< number of labelled rows in the latest epoch (or step) */
    /** Mean cross-entropy over the rows of the latest epoch in nats, each row measured before its own update. */
    double loss;
    /** Fraction of the rows of the latest epoch that were classified correctly before their own update. */
    double accuracy;
} dkvb_train_report;

/** Initialiser of dkvb_train_report that gives every member its default. */
#define DKVB_TRAIN_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_train_report), 0, 0, 0, 0.0, 0.0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_train_report, DKVB_TRAIN_REPORT_INIT)

/**
 * Callback that receives the state of a training. The library invokes the callback of a training on the thread that
 * called the training function.
 *
 * @param user    pointer `user` of dkvb_train_options.
 * @param report  state of the training after the latest epoch or step.
 * @return 0 to continue; any other number cancels the training, and leaves the model unchanged.
 */
typedef int (*dkvb_report_fn)(void *user, const dkvb_train_report *report);

/** Weights that training gives to rows of different classes. */
enum {
    DKVB_CLASS_WEIGHT_NONE = 0, /**< weights of rows in a training: every row has weight 1 */
    /**
     * Weights of rows in a training: of n rows, the rows of a class with m rows have weight n / (number of classes with
     * rows * m), so that every class has the same total weight.
     */
    DKVB_CLASS_WEIGHT_BALANCED = 1
};

/** Options of training the values of a model. Callers initialise the options with `DKVB_TRAIN_OPTIONS_INIT`. */
typedef struct dkvb_train_options {
    size_t struct_size; /**< size of dkvb_train_options in bytes, set by DKVB_TRAIN_OPTIONS_INIT */
    uint32_t epochs;    /**< number of passes of the training over the rows */
    /**
     * Batch size of the training, 1 to 1,048,576: number of rows whose gradients are added before the values change.
     */
    uint32_t batch;
    /**
     * Learning rate of the first epoch of the training, as a step on the logits of a row (dkvb_model_train()), at most
     * 1e6.
     */
    double learning_rate;
    /**
     * Learning rate of the last epoch of the training, with geometric steps between the epochs; 0 uses `learning_rate`
     * in every epoch.
     */
    double rate_last;
    /** Fraction of a row's target probability that is spread evenly over all classes, 0 to below 1. */
    double label_smoothing;
    uint64_t seed; /**< seed of the order in which the training goes through the rows */
    /**
     * 1 trains on the rows in the order in which the caller gives them; 0 trains in a new random order in every epoch.
     */
    uint32_t no_shuffle;
    /**
     * Weights that the training gives to rows, DKVB_CLASS_WEIGHT_NONE or DKVB_CLASS_WEIGHT_BALANCED, computed from the
     * labels that the training call is given.
     */
    uint32_t class_weight;
    dkvb_report_fn report; /**< callback that receives the state of the training; or NULL */
    void *user;            /**< pointer that the callback `report` of dkvb_train_options receives */
    /** `uint64_t[n]`, ids of the training rows, each once; NULL stands for the row numbers 0 to n - 1. */
    const uint64_t *ids;
    /**
     * Number of settings that dkvb_tune() tried before the training, a number that the model keeps; 0 if the training
     * was not tuned.
     */
    uint32_t trials;
    /**
     * 1 allows training on rows of forgotten classes (unlearn.h), and the journal then notes that the forget operations
     * of these classes ended; 0 refuses rows of forgotten classes.
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
 * Train the values of a model on stored codes of rows, by stochastic gradient descent. dkvb_model_train() continues
 * from the present values of the model.
 *
 * For every row of a batch, training changes the value of every (codebook, key) pair that the code of the row selects,
 * by a step of gradient descent:
 *
 *     value[c][code] <- value[c][code] + rate weight (target - softmax(logits))    c: codebook, code: selected key
 *     target = (1 - label_smoothing) onehot(label) + label_smoothing / L            L: number of classes
 *
 * One update of the values moves the logits of a row by `rate` times a vector that does not depend on the numbers of
 * codebooks C and of selected keys k. (The gradient of the cross-entropy with respect to a value has the factor 1/(C
 * k), so the update of the values is plain SGD on the summed loss of the batch, with the learning rate `rate * C * k`.)
 * In the formula for the update of a value, `rate` is the option learning_rate in the first epoch, and falls by the
 * same factor from epoch to epoch until the rate reaches the option rate_last. In the formula for the update of a
 * value, `weight` is the weight that the training gives to the class of the row.
 *
 * In each epoch of a training, every row has a random number that decides its place in the order of training. The
 * random number of a row in the order of training depends only on the seed, the epoch and the id of the row. A row that
 * is left out of a training, or has label -1, does not change the order in which the training goes through the other
 * rows. dkvb_model_replay() relies on this property of training: leaving a row out gives the same values, bit for bit,
 * as a training that never had the row.
 *
 * Trainings with equal codes, labels, ids and options give equal values, bit for bit, for any number of threads. In
 * dkvb_model_train(), the new values replace the old values only after all epochs. During the epochs, training needs
 * memory for a second copy of the values, in float32. The values of a new model take no memory before they are trained.
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`, codes of the rows to train on.
 * @param k       number of keys per codebook in the array `codes`; must equal the model's `top_k`.
 * @param labels  `int32_t[n]`, labels of the rows to train on; training ignores rows with label -1.
 * @param n       number of rows to train on.
 * @param opts    options of the training; NULL for the defaults.
 * @param run     run options of the call (threads, progress, ranks); NULL for the defaults. In a training, the progress
 *                callback counts rows of all epochs.
 * @return `DKVB_EINVAL` for a label out of range (the message names the row), or a value too large for the number type
 *         of the model; `DKVB_EMISMATCH` if the codes name a masked or purged pair or do not fit the model;
 *         `DKVB_ESTATE` if the model is memory-mapped or already in training, or if a row belongs to a forgotten class
 *         (the message names row, class and journal entry); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                     const int32_t *labels, size_t n, const dkvb_train_options *opts,
                                                     const dkvb_run_options *run);

/**
 * Begin a training in steps: a training on rows that come in parts, so that the rows need not be in memory all at once.
 *
 * After dkvb_model_train_begin() the caller makes any number of steps (dkvb_model_train_step()) and ends the training.
 * In a training in steps, each step trains on its rows in the given order, in batches of `batch` rows, at the rate
 * `learning_rate`. A training in steps ignores the options epochs, seed, no_shuffle and rate_last, and refuses
 * class_weight, which would need the labels of all rows. A model in training answers with its old values until
 * dkvb_model_train_end(). While a model is in training, its mask cannot change (`DKVB_ESTATE`).
 *
 * @param model  the model.
 * @param opts   options of the training; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid option of the training; `DKVB_ESTATE` if the model is memory-mapped or already
 *         in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_begin(dkvb_model *model, const dkvb_train_options *opts);

/**
 * Train on one more part of the rows of a training in steps. dkvb_model_train_step() reports no progress.
 *
 * A failed dkvb_model_train_step() changes nothing, and the training continues as if the step had not been called. If
 * the callback `report` cancels a step of a training in steps (`DKVB_ECANCELLED`), the step is done nevertheless, and
 * the caller decides how to end the training.
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`, codes of the rows to train on in this step of the training.
 * @param k       number of keys per codebook in the array `codes`; must equal the model's `top_k`.
 * @param labels  `int32_t[n]`, labels of the rows to train on in this step of the training; training ignores rows with
 * label -1.
 * @param n       number of rows to train on in this step of the training.
 * @param run     run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return a status code that dkvb_model_train() returns too, or `DKVB_ESTATE` if no training in steps has begun.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_step(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                          const int32_t *labels, size_t n, const dkvb_run_options *run);

/**
 * End a training in steps, and keep or discard the trained values.
 *
 * @param model  the model.
 * @param keep   1 replaces the old values of the model by the trained values; 0 discards all steps since
 *               dkvb_model_train_begin(), which cannot fail, and does nothing if no training has begun.
 * @return With `keep` 1, `DKVB_ESTATE` if no training in steps has begun, or `DKVB_EINVAL` if a value is too large for
 *         the number type of the model, after which the training in steps is still open.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_end(dkvb_model *model, int keep);

/**
 * Compute logits and predicted labels from the codes of rows. The sums that make up logits are computed in one defined
 * order (docs/numerics.md).
 *
 * A row gets label -1 (no answer) if the code of the row selects nothing that was learned: all selected values are 0,
 * as in an untrained model, or no pair is selected. A model with a single class has nothing to learn; in such a model a
 * row gets label -1 only if the row selects no pair.
 *
 * @param      model   the model.
 * @param      codes   `uint16_t[n][codebooks][k]`, codes of the rows to classify.
 * @param      k       number of keys per codebook in the array `codes`; must equal the model's `top_k`.
 * @param      n       number of rows to classify.
 * @param[out] labels  `int32_t[n]`, receives the predicted labels: the class with the largest logit, the lowest index
 *                     on a tie; or NULL.
 * @param[out] logits  `float[n][classes]`, receives the logits of the rows, not divided by a temperature, all 0 for a
 *                     row with label -1; or NULL.
 * @param      run     run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EMISMATCH` if the codes of rows name a masked or purged pair or
 *         do not fit the model; `DKVB_ENOMEM`; `DKVB_ECANCELLED`. A failed dkvb_model_decode() leaves its outputs
 *         undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_decode(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                      size_t n, int32_t *labels, float *logits,
                                                      const dkvb_run_options *run);

/**
 * Quality of a model, measured on labelled rows. Callers initialise the struct with `DKVB_EVALUATION_INIT`. An
 * evaluation counts rows with label -1 only in its member `unlabelled`.
 */
typedef struct dkvb_evaluation {
    size_t struct_size; /**< size of dkvb_evaluation in bytes, set by DKVB_EVALUATION_INIT */
    /** `uint64_t[classes]` of the caller, receives the number of measured rows of each class; or NULL. */
    uint64_t *class_rows;
    /**
     * `uint64_t[classes]` of the caller, receives the number of correctly classified measured rows of each class; or
     * NULL.
     */
    uint64_t *class_right;
    uint64_t rows;       /**< number of measured rows with a label */
    uint64_t right;      /**< number of measured rows that the model classified correctly */
    uint64_t abstained;  /**< number of measured rows for which the model gave no answer, which count as wrong */
    uint64_t unlabelled; /**< number of rows with label -1, which are not measured */
    /** Number of (row, codebook) combinations that were searched again, if the caller gave codes. */
    uint64_t searched;
    double accuracy; /**< accuracy of the model: right / rows; NaN if there are no labelled rows */
    double loss;     /**< mean cross-entropy in nats, at the model's temperature; NaN if there are no labelled rows */
    /**
     * Expected calibration error, 0 (best) to 1; NaN if there are no labelled rows. For the calibration error, rows are
     * put into 15 bins of equal width by their largest class probability. The expected calibration error is the mean,
     * over rows, of the absolute difference between the accuracy of the rows in the same bin and their mean
     * largest probability.
     */
    double calibration_error;
    /**
     * Row source of the features to measure on, which the caller sets and which is read instead of the array `x`; NULL
     * if the array `x` has the features.
     */
    const dkvb_row_source *source;
} dkvb_evaluation;

/** Initialiser of dkvb_evaluation that gives every member its default. */
#define DKVB_EVALUATION_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_evaluation), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_evaluation, DKVB_EVALUATION_INIT)

/**
 * Measure the accuracy and calibration of a model on labelled rows.
 *
 * The predictions that dkvb_model_evaluate() measures equal those of dkvb_model_predict(). dkvb_model_evaluate() works
 * on some thousand rows at a time, so that the memory for logits stays bounded.
 *
 * @param         model   model whose accuracy and calibration are measured.
 * @param         x       `float[n][input_dim]`, features of the rows to measure the model on, finite; NULL if `report`
 *                        has a row source.
 * @param[in,out] codes   `uint16_t[n][codebooks][top_k]`, codes of the rows to measure, searched under the mask in
 *                        force or under a mask that the mask in force contains; NULL makes dkvb_model_evaluate() search
 *                        all rows. dkvb_model_evaluate() updates codes that name a masked pair in place, as by
 *                        dkvb_search_refresh().
 * @param         labels  `int32_t[n]`, labels of the rows to measure, 0 to the number of classes - 1; rows with label
 *                        -1 are left out.
 * @param         n       number of rows to measure the model on.
 * @param[out]    report  receives the quality of the model; the struct, and the arrays that the struct points to, are
 *                        undefined if the call fails.
 * @param         run     run options of the call (threads, progress, ranks); NULL for the defaults. In an evaluation,
 *                        the progress callback counts rows.
 * @return `DKVB_EINVAL` for a row with an invalid feature, code or label, with a message that names the row;
 *         `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_evaluate(const dkvb_model *model, const float *x, uint16_t *codes,
                                                        const int32_t *labels, size_t n, dkvb_evaluation *report,
                                                        const dkvb_run_options *run);

/**
 * Compute class probabilities: the softmax of the logits of each row, divided by the temperature of the row,
 * `temperature * spread^power` (calibration.h).
 *
 * @param      logits       `float[n][classes]`, logits of the rows to compute probabilities of.
 * @param      n            number of rows to compute probabilities of.
 * @param      classes      number of classes, which is the number of logits of a row.
 * @param      temperature  softmax temperature of the model (dkvb_model_info), or 1; finite and above 0.
 * @param      power        exponent `power` in `temperature * spread^power`, the number that divides the logits of a
 *                          row (dkvb_model_info), or 0; finite.
 * @param[out] probs        `float[n][classes]`, receives the class probabilities of the rows; may be the same array as
 *                          `logits`.
 * @return `DKVB_EINVAL` if `temperature` or `power` is out of range; the array `probs` is then unchanged.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_softmax(const float *logits, size_t n, uint32_t classes,
                                                        double temperature, double power, float *probs);

/**
 * Find the classes with the largest logits of each row, largest first; on a tie the lowest index comes first.
 * dkvb_decode_top() never gives label -1.
 *
 * @param      logits   `float[n][classes]`, logits of the rows to find classes of.
 * @param      n        number of rows to find classes of.
 * @param      classes  number of classes, which is the number of logits of a row.
 * @param      top      number of classes to find for each row, 1 to `classes`.
 * @param[out] labels   `int32_t[n][top]`, receives the classes with the largest logits of each row, largest first.
 * @param[out] scores   `float[n][top]`, receives the logits of the found classes; or NULL.
 * @return `DKVB_EINVAL` if the number of classes to find, `top`, is out of range.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_top(const float *logits, size_t n, uint32_t classes, uint32_t top,
                                                    int32_t *labels, float *scores);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
