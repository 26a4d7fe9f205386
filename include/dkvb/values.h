/**
 * Values: what each key says of each class; how they learn and how they answer.
 *
 * The decoder has no parameters. The logits of a row are the mean of the values
 * that its code selects,
 *
 *     logits[l] = (1 / (C k)) sum over codebooks c and ranks j of value[c][code[c][j]][l]
 *
 * where a DKVB_CODE_NONE adds nothing and the divisor stays C k. Training
 * minimises cross-entropy of softmax(logits); only selected values receive
 * gradient. Source: arXiv 2207.11240, section 3; docs/method.md.
 *
 * Labels are `int32_t`, 0 to classes - 1; -1 in training means "ignore this row".
 *
 * Codes that name a masked or purged pair are stale: every function here refuses
 * them (`DKVB_EMISMATCH`, and says how many). dkvb_search_refresh() mends them.
 */
#ifndef DKVB_VALUES_H
#define DKVB_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How training stands, told after every epoch (after every step between begin and end). */
typedef struct dkvb_train_report {
    size_t struct_size;
    uint32_t epoch;  /**< epochs (steps) finished, from 1 */
    uint32_t epochs; /**< epochs asked for; 0 between begin and end */
    uint64_t rows;   /**< rows with a label in this epoch (step) */
    double loss;     /**< mean cross-entropy, nats, of each row before its own update */
    double accuracy; /**< share of rows whose class was right before their own update */
} dkvb_train_report;

#define DKVB_TRAIN_REPORT_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_train_report), 0, 0, 0, 0.0, 0.0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_train_report, DKVB_TRAIN_REPORT_INIT)

/** Return 0 to go on; anything else cancels, and nothing has changed. On the calling thread. */
typedef int (*dkvb_report_fn)(void *user, const dkvb_train_report *report);

/** How much rows of each class weigh in training. */
enum {
    DKVB_CLASS_WEIGHT_NONE = 0,    /**< every row the same */
    DKVB_CLASS_WEIGHT_BALANCED = 1 /**< rows of class l by n / (classes present * n_l): every class the same */
};

/** How to train. Start from `DKVB_TRAIN_OPTIONS_INIT`. */
typedef struct dkvb_train_options {
    size_t struct_size;     /**< sizeof(dkvb_train_options), set by INIT */
    uint32_t epochs;        /**< passes over the rows */
    uint32_t batch;         /**< rows whose gradients are added before values move, 1 to 1,048,576 */
    double learning_rate;   /**< step on the pooled logits in the first epoch, see dkvb_model_train(); up to 1e6 */
    double rate_last;       /**< the same in the last epoch, geometric in between; 0: learning_rate in every epoch */
    double label_smoothing; /**< share of a row's target that is spread evenly over all classes; 0 to below 1 */
    uint64_t seed;          /**< of the order of rows */
    uint32_t no_shuffle;    /**< 1: take rows as they come */
    uint32_t class_weight;  /**< DKVB_CLASS_WEIGHT_NONE or _BALANCED, worked out from the labels of the call */
    dkvb_report_fn report;  /**< or NULL */
    void *user;             /**< handed to `report` */
    const uint64_t *ids;    /**< `uint64_t[n]`, of the rows, each once; NULL: their numbers, 0 to n - 1 */
    uint32_t trials;        /**< settings that dkvb_tune() tried to find these, kept in the model; 0: not tuned */
    uint32_t relearn;       /**< 1: rows of classes that were forgotten (unlearn.h) may be trained on; the journal then
                                 says that those forgettings are over. 0: such rows are refused */
} dkvb_train_options;

#define DKVB_TRAIN_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_train_options), 2, 256, 3.0, 0.9, 0.1, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_train_options, DKVB_TRAIN_OPTIONS_INIT)

/**
 * Train the values on stored codes by stochastic gradient descent. Values start from what they are, so training
 * can go on at any time.
 *
 * For every row of a batch and every pair its code selects,
 *
 *     value[c][code] <- value[c][code] + rate weight (target - softmax(logits))
 *     target = (1 - label_smoothing) onehot(label) + label_smoothing / L
 *
 * which moves the row's own logits by rate times the same vector,
 * whatever C and k. (The gradient of the cross-entropy with respect to a value carries 1/(C k): this
 * is plain SGD on the summed loss of the batch with rate `rate * C * k`.) `rate` is learning_rate in the first epoch
 * and falls by the same factor from epoch to epoch to rate_last; `weight` is that of the label's class.
 *
 * In each epoch, rows come in the order of a number that depends on the seed, the epoch and the row's id, and on
 * nothing else. So a row that is left out, or whose label is -1, leaves no trace in the order of the others: training
 * without it gives the bits of a training that never had it (dkvb_model_replay() rests on this).
 *
 * Same codes, labels, ids, options: same bits, whatever the threads. The values are
 * replaced only when all epochs are done; meanwhile a second copy of them is held, in float32.
 * Values of a new model take no memory of their own until then.
 *
 * @param codes   `uint16_t[n][codebooks][k]`.
 * @param k       must be the model's `top_k`.
 * @param labels  `int32_t[n]`, -1 = ignore.
 * @param opts    NULL for the defaults.
 * @param run     NULL for the defaults. Progress counts rows over all epochs.
 * @return `DKVB_EINVAL` (a label out of range: the row is named; a value too large for the type that the model
 *         stores), `DKVB_EMISMATCH`,
 *         `DKVB_ESTATE` (mapped, or between begin and end; a row of a class that a forgetting of the journal is about:
 *         row, class and entry are named), `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                     const int32_t *labels, size_t n, const dkvb_train_options *opts,
                                                     const dkvb_run_options *run);

/**
 * Training on rows that are never all in memory: begin, any number of steps, end.
 * Each step trains on its rows in the order given, in batches of `batch`, at learning_rate; epochs,
 * seed, no_shuffle and rate_last are the caller's business, and a class_weight, which would need the labels of all
 * rows, is refused (`DKVB_EINVAL`). The model answers with its old values until dkvb_model_train_end(). Masks cannot
 * change in between (`DKVB_ESTATE`).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_begin(dkvb_model *model, const dkvb_train_options *opts);

/**
 * One more part of the rows. On failure the step did nothing, and training goes on as if it had not been called; only
 * if `report` asks to stop (`DKVB_ECANCELLED`) the step is done, and the caller ends or aborts. Progress is not called.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_step(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                          const int32_t *labels, size_t n, const dkvb_run_options *run);

/**
 * End of training.
 *
 * @param keep  1: put the new values in place; 0: forget the steps since dkvb_model_train_begin(), which cannot fail
 * and does nothing where no training is under way.
 * @return with `keep`, `DKVB_ESTATE` where no training is under way, `DKVB_EINVAL` if a value is too large for the
 *         model's type: then training goes on.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_train_end(dkvb_model *model, int keep);

/**
 * Answers to codes. Sums run in one defined order (docs/numerics.md).
 *
 * A row abstains, with label -1, if nothing was learned behind its code: all values that it selects are 0, as in an
 * untrained model, or it selects none. (A model of one class has nothing to learn; there a row abstains only if it
 * selects nothing.)
 *
 * @param      codes   `uint16_t[n][codebooks][k]`.
 * @param[out] labels  `int32_t[n]`, the class with the largest logit, the lowest on a tie; or NULL.
 * @param[out] logits  `float[n][classes]`, not yet divided by a temperature; all 0 for a row that abstains; or NULL.
 * Outputs are undefined on failure.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_decode(const dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                      size_t n, int32_t *labels, float *logits,
                                                      const dkvb_run_options *run);

/** How well a model answers labelled rows. Start from `DKVB_EVALUATION_INIT`. Rows with label -1 count nowhere else. */
typedef struct dkvb_evaluation {
    size_t struct_size;       /**< sizeof(dkvb_evaluation), set by INIT */
    uint64_t *class_rows;     /**< `uint64_t[classes]` of the caller: rows of each class; or NULL */
    uint64_t *class_right;    /**< `uint64_t[classes]` of the caller: those of them answered rightly; or NULL */
    uint64_t rows;            /**< rows with a label */
    uint64_t right;           /**< rows answered rightly */
    uint64_t abstained;       /**< rows without an answer, which count as wrong */
    uint64_t unlabelled;      /**< rows with label -1 */
    uint64_t searched;        /**< (row, codebook) pairs that were searched again, where codes were given */
    double accuracy;          /**< right / rows; NaN without rows */
    double loss;              /**< mean cross-entropy at the model's temperature, nats; NaN without rows */
    double calibration_error; /**< expected calibration error in 15 bins of equal width by the largest probability: the
                                   mean, over rows, of the difference between a bin's accuracy and its mean probability,
                                   0 (best) to 1; NaN without rows */
} dkvb_evaluation;

#define DKVB_EVALUATION_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_evaluation), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_evaluation, DKVB_EVALUATION_INIT)

/**
 * Measure a model on labelled rows: answers as of dkvb_model_predict(), some thousand rows at a time, so that memory
 * for logits stays bounded.
 *
 * @param      x       `float[n][input_dim]`, finite.
 * @param      codes   `uint16_t[n][codebooks][top_k]` of these rows, right under a mask that the present one contains:
 *                     only where it hit them rows are searched, and the codes are mended in place, as by
 *                     dkvb_search_refresh(). NULL: all rows are searched.
 * @param      labels  `int32_t[n]`, 0 to classes - 1; -1 = leave the row out.
 * @param[out] report  undefined on failure, and so is what it points to.
 * @param      run     NULL for the defaults. Progress counts rows.
 * @return `DKVB_EINVAL` naming the row, `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_evaluate(const dkvb_model *model, const float *x, uint16_t *codes,
                                                        const int32_t *labels, size_t n, dkvb_evaluation *report,
                                                        const dkvb_run_options *run);

/**
 * Probabilities of each row: softmax of its logits, divided by the row's own temperature,
 * `temperature * spread^power` (calibration.h).
 *
 * @param      temperature  of the model (dkvb_model_info), or 1; finite and above 0.
 * @param      power        the same, or 0; finite.
 * @param[out] probs        `float[n][classes]`, may be `logits`.
 * @return `DKVB_EINVAL` for another temperature; `probs` is unchanged then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_softmax(const float *logits, size_t n, uint32_t classes,
                                                        double temperature, double power, float *probs);

/**
 * The `top` classes with the largest logits of each row, largest first, ties to the lowest. Knows nothing of
 * abstaining.
 *
 * @param      top     1 to `classes`, else `DKVB_EINVAL`.
 * @param[out] labels  `int32_t[n][top]`.
 * @param[out] scores  `float[n][top]`, the logits; or NULL.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_decode_top(const float *logits, size_t n, uint32_t classes, uint32_t top,
                                                    int32_t *labels, float *scores);

#ifdef __cplusplus
}
#endif

#endif
