/* Softmax temperatures of rows, and the calibration error of probabilities. */
#ifndef DKVB_BOTTLENECK_CALIBRATION_H
#define DKVB_BOTTLENECK_CALIBRATION_H

#include <stddef.h>

#include "dkvb/calibration.h"

/* number of bins of the expected calibration error; a row's largest probability chooses the bin */
enum { DKVB__ECE_BINS = 15 };

/* Returns the temperature of a row's softmax: `temperature * spread^power`, where the spread is the mean distance of
 * the other logits from the largest; `temperature` if all logits of the row are equal. The argument `row` of
 * dkvb__row_temperature() is the row's logits, float[classes]. */
double dkvb__row_temperature(const float *row, uint32_t classes, double temperature, double power);

/* Returns the cross-entropy, in nats, of a row's softmax at the row's own temperature. */
double dkvb__row_loss(const float *row, uint32_t classes, int32_t label, double temperature, double power);

/* Adds the calibration gaps of rows to the bins of the expected calibration error: the sum of right answers minus the
 * sum of largest probabilities. The array `gaps`, double[DKVB__ECE_BINS], has a sum for each bin of the expected
 * calibration error, zeros at first. Rows with label -1 are ignored, and dkvb__gaps_add() adds the number of labelled
 * rows to *rows. The caller of dkvb__gaps_add() has checked that logits are finite, that labels are classes or -1, and
 * that the softmax temperature and its power of the logits' spread are in range. */
void dkvb__gaps_add(double *gaps, uint64_t *rows, const float *logits, const int32_t *labels, size_t n,
                    uint32_t classes, double temperature, double power);

/* Returns the expected calibration error of all rows that dkvb__gaps_add() added; 0 without rows. */
double dkvb__gaps_error(const double *gaps, uint64_t rows);

#endif
