/**
 * @file
 * @brief Calibration: it makes predicted probabilities agree with how often the answers are right.
 *
 * The probabilities of a calibrated model have a mean of .8 where 80 of 100 answers are right. Each row has a
 * temperature: a positive number that divides the logits of the row before the softmax. The temperature of a row is
 * `temperature * spread^power`. The spread of a row is its largest logit minus the mean of its logits. The temperature
 * and the power are fitted on rows that the model was not trained on. A temperature never changes which class is
 * predicted. dkvb_model_set_temperature() stores the temperature and the power in the model, dkvb_decode_softmax() uses
 * them, and dkvb_model_evaluate() measures the calibration error.
 *
 * Sources: Guo et al. 2017, *On Calibration of Modern Neural Networks* (one temperature for all rows, power 0); Balanya
 * et al. 2024, *Adaptive temperature scaling for robust calibration of deep neural networks* (one temperature for each
 * row).
 *
 * Labels are `int32_t`, from 0 to classes - 1; rows with label -1 are ignored. Callers should give label -1 to rows
 * without an answer, since their logits do not depend on the row.
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

/** Smallest allowed temperature of a row whose spread is 1. */
#define DKVB_TEMPERATURE_MIN 1e-3
/** Largest allowed temperature of a row whose spread is 1. */
#define DKVB_TEMPERATURE_MAX 1e3
/** Largest allowed power of the spread in a temperature; the smallest allowed power is its negative. */
#define DKVB_TEMPERATURE_POWER 1.0

/**
 * Fit the temperature of the softmax, and the power of the spread, on rows with labels.
 *
 * With the fitted numbers, the mean of the largest probabilities of the rows equals the accuracy of the rows. The power
 * is fitted so that the excess of the probabilities over the accuracy neither rises nor falls with the spread.
 * Minimising the cross-entropy instead would give weight to the few rows that are wrong with certainty, and would leave
 * a larger calibration error (docs/method.md). The fit takes (right + 1) / (rows + 2) as the accuracy, and leaves the
 * power near 0 if there are few rows. The fit ignores rows whose logits are all equal. Equal logits and labels give
 * equal bits on every machine.
 *
 * @param      logits       `float[n][classes]`, finite logits of rows that the model was not trained on.
 * @param      labels       `int32_t[n]`, labels of the rows; rows with label -1 are ignored.
 * @param      n            number of rows.
 * @param      classes      number of classes.
 * @param[out] temperature  the fitted temperature, DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX; 1 if the logits of
 *                          every row are all equal.
 * @param[out] power        the fitted power of the spread, -DKVB_TEMPERATURE_POWER to DKVB_TEMPERATURE_POWER.
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
