/* Temperatures of rows, and the calibration error of probabilities. */
#ifndef DKVB_BOTTLENECK_CALIBRATION_H
#define DKVB_BOTTLENECK_CALIBRATION_H

#include <stddef.h>

#include "dkvb/calibration.h"

enum { DKVB__ECE_BINS = 15 }; /* bins of the expected calibration error, by the largest probability */

/* A row's own temperature, `temperature * spread^power`; `temperature` where all of its logits are the same. row:
 * float[classes]. */
double dkvb__row_temperature(const float *row, uint32_t classes, double temperature, double power);

/* Cross-entropy of a row's softmax at its own temperature, nats. */
double dkvb__row_loss(const float *row, uint32_t classes, int32_t label, double temperature, double power);

/* Gaps of rows: right answers less their probabilities, summed by bin. gaps: double[DKVB__ECE_BINS], zeros at first;
 * label -1 = ignore; *rows counts the others. Logits are finite, labels, temperature and power in range. */
void dkvb__gaps_add(double *gaps, uint64_t *rows, const float *logits, const int32_t *labels, size_t n,
                    uint32_t classes, double temperature, double power);

/* The expected calibration error of all rows that were added; 0 if there were none. */
double dkvb__gaps_error(const double *gaps, uint64_t rows);

#endif
