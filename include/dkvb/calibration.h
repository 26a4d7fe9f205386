/**
 * Calibration: probabilities that can be believed.
 *
 * A model that is right in 80 of 100 answers should say .8 of them on average. Logits are divided by one positive
 * number, the temperature, before the softmax; it is fitted on rows that the model was not trained on, and changes no
 * answer. dkvb_model_set_temperature() keeps it in the model, and dkvb_decode_softmax() uses it.
 * Source: Guo et al. 2017, *On Calibration of Modern Neural Networks*.
 *
 * Labels are `int32_t`, 0 to classes - 1; -1 means "ignore this row". Give -1 to rows on which the model abstains,
 * whose logits say nothing.
 */
#ifndef DKVB_CALIBRATION_H
#define DKVB_CALIBRATION_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Smallest and largest temperature. */
#define DKVB_TEMPERATURE_MIN 1e-3
#define DKVB_TEMPERATURE_MAX 1e3

/**
 * The temperature at which the mean of the rows' largest probabilities is their accuracy, within DKVB_TEMPERATURE_MIN
 * to DKVB_TEMPERATURE_MAX. (The least cross-entropy would be another choice; it weighs the few rows that are wrong with
 * certainty, and leaves a larger calibration error: docs/method.md.) The accuracy counts as (right + 1) / (rows + 2).
 * Same logits and labels: same bits, on every machine.
 *
 * @param      logits       `float[n][classes]`, finite, of rows that the model was not trained on.
 * @param      labels       `int32_t[n]`, -1 = ignore.
 * @param[out] temperature  1 if none matters, for example where all logits are 0.
 * @return `DKVB_EINVAL` naming a row with a label out of range or a logit that is not finite; `DKVB_ENOTFOUND` if no
 * row has a label.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_calibration_fit(const float *logits, const int32_t *labels, size_t n,
                                                         uint32_t classes, double *temperature);

/**
 * Expected calibration error of softmax(logits / temperature). Rows are put in bins of equal width by their largest
 * probability; the error is the mean, over rows, of the difference between a bin's accuracy and its mean probability.
 *
 * @param      bins   1 to 1,000; 15 is usual.
 * @param[out] error  0 (best) to 1.
 * @return as dkvb_calibration_fit(); `DKVB_EINVAL` too for a temperature or a number of bins out of range.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_calibration_error(const float *logits, const int32_t *labels, size_t n,
                                                           uint32_t classes, double temperature, uint32_t bins,
                                                           double *error);

/**
 * The same for rows that come in parts: add the gaps of a part, then ask for the error. A part may have no labels.
 *
 * @param[in,out] gaps  `double[bins]`, zeros at first: right answers less their probabilities, summed by bin.
 * @param[in,out] rows  rows with a label so far, 0 at first.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_calibration_add(const float *logits, const int32_t *labels, size_t n,
                                                         uint32_t classes, double temperature, uint32_t bins,
                                                         double *gaps, uint64_t *rows);

/** The error of all rows that were added; 0 if there were none. */
DKVB_API double dkvb_calibration_of_gaps(const double *gaps, uint32_t bins, uint64_t rows);

#ifdef __cplusplus
}
#endif

#endif
