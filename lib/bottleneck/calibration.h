/* Temperatures of rows, and the calibration error of probabilities. */
#ifndef DKVB_BOTTLENECK_CALIBRATION_H
#define DKVB_BOTTLENECK_CALIBRATION_H

#include <stddef.h>

#include "dkvb/calibration.h"

enum { DKVB__ECE_BINS = 15 }; /* number of bins of the expected calibration error, by the largest probability */

/* A row's own temperature, `temperature * spread^power`, or `temperature` if all of its logits are equal. row:
 * float[classes]. */
double dkvb__row_temperature(const float *row, uint32_t classes, double temperature, double power);

/* The cross-entropy of a row's softmax at the row's own temperature, in nats. */
double dkvb__row_loss(const float *row, uint32_t classes, int32_t label, double temperature, double power);

/* Adds the calibration gaps of rows, by bin: right answers minus their probabilities. gaps: double[DKVB__ECE_BINS],
 * zeros at first. Rows with label -1 are ignored, and *rows counts the others. The caller has checked that logits are
 * finite, and that labels, temperature and power are in range. */
void dkvb__gaps_add(double *gaps, uint64_t *rows, const float *logits, const int32_t *labels, size_t n,
                    uint32_t classes, double temperature, double power);

/* The expected calibration error of all rows that were added; 0 if there were none. */
double dkvb__gaps_error(const double *gaps, uint64_t rows);

#endif
