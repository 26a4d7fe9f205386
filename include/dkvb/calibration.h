/**
 * @file
 * @brief Calibration: probabilities that agree with how often the answers are right.
 *
 * The probabilities of a calibrated model average .8 where 80 of 100 answers are right. Each row has a temperature: a
 * positive number that divides the logits of the row before the softmax. The temperature of a row is
 * `temperature * spread^power`. The spread of a row is its largest logit minus the mean of its logits. The temperature
 * and the power are fitted on rows that the model was not trained on. Temperatures change no answer.
 * dkvb_model_set_temperature() stores both numbers in the model, dkvb_decode_softmax() uses them, and
 * dkvb_model_evaluate() measures the calibration error.
 *
 * Sources: Guo et al. 2017, *On Calibration of Modern Neural Networks* (one temperature for all rows, power 0); Balanya
 * et al. 2024, *Adaptive temperature scaling for robust calibration of deep neural networks* (one for each row).
 *
 * Labels are `int32_t`, from 0 to classes - 1; rows with label -1 are ignored. Callers should give label -1 to rows
 * without an answer, since the logits of such rows say nothing.
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

/** @addtogroup dkvb_values Values: training, logits, probabilities
 *  @{ */

/** Smallest temperature of a row of spread 1. */
#define DKVB_TEMPERATURE_MIN 1e-3
/** Largest temperature of a row of spread 1. */
#define DKVB_TEMPERATURE_MAX 1e3
/** Largest power of the spread; the smallest power is its negative. */
#define DKVB_TEMPERATURE_POWER 1.0

/**
 * Fit the temperature and its power.
 *
 * With the fitted numbers, the mean of the largest probabilities of the rows equals the accuracy of the rows. The power
 * is fitted so that the surplus of the probabilities neither rises nor falls with the spread. Minimising the
 * cross-entropy instead would give weight to the few rows that are wrong with certainty, and would leave a larger
 * calibration error (docs/method.md). The accuracy counts as (right + 1) / (rows + 2), and few rows leave the power
 * near 0. Rows whose logits are all equal do not count. Equal logits and labels give equal bits on every machine.
 *
 * @param      logits       `float[n][classes]`, finite, of rows that the model was not trained on.
 * @param      labels       `int32_t[n]`; rows with label -1 are ignored.
 * @param      n            number of rows.
 * @param      classes      number of classes.
 * @param[out] temperature  DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX; 1 if the logits of every row are all equal.
 * @param[out] power        -DKVB_TEMPERATURE_POWER to DKVB_TEMPERATURE_POWER.
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
