/**
 * Calibration: probabilities that can be believed.
 *
 * A model that is right in 80 of 100 answers should say .8 of them on average. Logits are divided by a positive number,
 * the row's temperature, before the softmax. It is `temperature * spread^power`, where the row's spread is its largest
 * logit less the mean of its logits. Both numbers are fitted on rows that the model was not trained on, and change no
 * answer. dkvb_model_set_temperature() keeps them in the model, dkvb_decode_softmax() uses them, and
 * dkvb_model_evaluate() says how far they can be believed.
 * Sources: Guo et al. 2017, *On Calibration of Modern Neural Networks* (one temperature for all rows, power 0); Balanya
 * et al. 2024, *Adaptive temperature scaling for robust calibration of deep neural networks* (one for each row).
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

/** Smallest and largest temperature of a row of spread 1; the power is at most so far from 0. */
#define DKVB_TEMPERATURE_MIN 1e-3
#define DKVB_TEMPERATURE_MAX 1e3
#define DKVB_TEMPERATURE_POWER 1.0

/**
 * The temperature and the power at which the mean of the rows' largest probabilities is their accuracy, and what the
 * probabilities have too much does not go up or down with the spread. (The least cross-entropy would be another choice;
 * it weighs the few rows that are wrong with certainty, and leaves a larger calibration error: docs/method.md.) The
 * accuracy counts as (right + 1) / (rows + 2), and few rows leave the power near 0. Rows whose logits are all the same
 * do not count. Same logits and labels: same bits, on every machine.
 *
 * @param      logits       `float[n][classes]`, finite, of rows that the model was not trained on.
 * @param      labels       `int32_t[n]`, -1 = ignore.
 * @param[out] temperature  DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX; 1 if all logits of every row are the same.
 * @param[out] power        -DKVB_TEMPERATURE_POWER to DKVB_TEMPERATURE_POWER.
 * @return `DKVB_EINVAL` naming a row with a label out of range or a logit that is not finite; `DKVB_ENOTFOUND` if no
 * row has a label.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_calibration_fit(const float *logits, const int32_t *labels, size_t n,
                                                         uint32_t classes, double *temperature, double *power);

#ifdef __cplusplus
}
#endif

#endif
