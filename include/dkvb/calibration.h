/**
 * @file
 * @brief Calibration of a model makes its predicted probabilities agree with how often its answers are right.
 *
 * The probabilities of a calibrated model have a mean of .8 where 80 of 100 answers are right. Each row has a
 * temperature: a positive number that divides the logits of the row before the softmax. The softmax temperature of a
 * row is `temperature * spread^power`, where the spread of a row is its largest logit minus the mean of its logits. The
 * numbers `temperature` and `power`, which give a row's softmax temperature, are fitted on rows that the model was not
 * trained on. A temperature never changes which class is predicted. dkvb_model_set_temperature() stores temperature and
 * power in the model, dkvb_decode_softmax() divides logits by the temperature, and dkvb_model_evaluate() measures the
 * calibration error.
 *
 * Sources of the fit of temperatures: Guo et al. 2017, *On Calibration of Modern Neural Networks* (one temperature for
 * all rows, power 0); Balanya et al. 2024, *Adaptive temperature scaling for robust calibration of deep neural
 * networks* (one temperature for each row).
 *
 * Labels are `int32_t`, from 0 to classes - 1; rows with label -1 are ignored. Callers should give label -1 to rows for
 * which the model abstains, since the logits of such rows do not depend on the row.
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

/** @addtogroup dkvb_values
 *  @{ */

/** Smallest allowed softmax temperature of a row whose spread (largest logit minus mean logit) is 1. */
#define DKVB_TEMPERATURE_MIN 1e-3
/** Largest allowed softmax temperature of a row whose spread (largest logit minus mean logit) is 1. */
#define DKVB_TEMPERATURE_MAX 1e3
/**
 * Largest allowed power of a row's spread in its softmax temperature; the smallest allowed power is the negative of the
 * largest.
 */
#define DKVB_TEMPERATURE_POWER 1.0

/**
 * Fit the softmax temperature of a model, and how it grows with the spread of a row's logits, on rows with labels.
 *
 * On the rows that dkvb_calibration_fit() gets, the fitted temperature and power make the mean of the largest
 * probabilities equal to the accuracy. The power is fitted so that the excess of the largest probabilities over the
 * accuracy neither rises nor falls with the spread of a row's logits. A temperature fit that minimised the
 * cross-entropy would give weight to the few rows that are wrong with certainty, and would leave a larger calibration
 * error (docs/method.md). dkvb_calibration_fit() takes (right + 1) / (rows + 2) as the accuracy, where `right` rows are
 * classified correctly, and leaves the power near 0 if there are few rows. dkvb_calibration_fit() ignores rows whose
 * logits are all equal. Equal logits and labels give equal fits, bit for bit, on every machine.
 *
 * @param      logits       `float[n][classes]`, finite logits of rows that the model was not trained on.
 * @param      labels       `int32_t[n]`, labels of the rows; rows with label -1 are ignored.
 * @param      n            number of rows on which the temperature is fitted.
 * @param      classes      number of classes, which is the number of logits in a row.
 * @param[out] temperature  the fitted softmax temperature of a row whose spread (largest logit minus mean logit) is 1,
 *                          DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX; 1 if the logits of every row are all equal.
 * @param[out] power        the fitted power of a row's spread (largest logit minus mean logit) in its softmax
 *                          temperature, -DKVB_TEMPERATURE_POWER to DKVB_TEMPERATURE_POWER.
 * @return `DKVB_EINVAL` naming a row with a label out of range or a logit that is not finite; `DKVB_ENOTFOUND` if no
 *         row has a label.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_calibration_fit(const float *logits, const int32_t *labels, size_t n,
                                                         uint32_t classes, double *temperature, double *power);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
