#include "dkvb/calibration.h"

#include <stdbool.h>

#include "base/exact_math.h"
#include "base/status.h"

enum { MAX_BINS = 1000, STEPS = 100 };

static dkvb_status check_rows(const float *logits, const int32_t *labels, size_t n, uint32_t classes)
{
    bool any = false;

    if (classes < 1)
        return dkvb__fail(DKVB_EINVAL, "calibration: 0 classes, there must be at least 1");
    for (size_t r = 0; r < n; r++) {
        if (labels[r] < -1 || (labels[r] >= 0 && (uint32_t)labels[r] >= classes))
            return dkvb__fail(DKVB_EINVAL, "calibration: label of row %zu is %d, it must be -1 to %u", r, labels[r],
                              classes - 1);
        for (size_t l = 0; labels[r] >= 0 && l < classes; l++)
            if (!__builtin_isfinite(logits[r * classes + l]))
                return dkvb__fail(DKVB_EINVAL, "calibration: logit of row %zu, class %zu is not finite", r, l);
        any = any || labels[r] >= 0;
    }
    if (!any)
        return dkvb__fail(DKVB_ENOTFOUND, "calibration: none of %zu rows has a label", n);
    return DKVB_OK;
}

static size_t largest(const float *row, uint32_t classes)
{
    size_t best = 0;

    for (size_t l = 1; l < classes; l++)
        best = row[l] > row[best] ? l : best;
    return best;
}

/*
 * First and second derivative, by the inverse temperature b, of the cross-entropy summed over rows:
 *
 *     d1 = sum over rows of E[z] - z[label],  d2 = sum over rows of Var[z],  under p = softmax(b z)
 *
 * z is counted from the row's largest logit, which changes neither and keeps exp() in range.
 */
static void derivatives(const float *logits, const int32_t *labels, size_t n, uint32_t classes, double b, double *d1,
                        double *d2)
{
    *d1 = *d2 = 0.0;
    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        double most, total = 0.0, first = 0.0, second = 0.0;

        if (labels[r] < 0)
            continue;
        most = (double)row[largest(row, classes)];
        for (size_t l = 0; l < classes; l++) {
            double z = (double)row[l] - most, p = dkvb__exp(b * z);

            total += p;
            first += p * z;
            second += p * z * z;
        }
        first /= total;
        *d1 += first - ((double)row[labels[r]] - most);
        *d2 += second / total - first * first;
    }
}

/* The cross-entropy is convex in b = 1 / temperature, so its derivative has one sign change at most. Newton's steps
 * find it. A step that would leave the interval still open, or is not half as long as the one before, is replaced by
 * one to the middle of the interval, in proportion. */
dkvb_status dkvb_calibration_fit(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                                 double *temperature)
{
    double low = 1.0 / DKVB_TEMPERATURE_MAX, high = 1.0 / DKVB_TEMPERATURE_MIN, b = 1.0, d1, d2, length = high;
    dkvb_status rc = check_rows(logits, labels, n, classes);

    if (rc)
        return rc;
    for (int step = 0; step < STEPS && high > low * (1.0 + 1e-12); step++) {
        double next;

        derivatives(logits, labels, n, classes, b, &d1, &d2);
        if (d1 == 0.0)
            break;
        if (d1 > 0.0)
            high = b;
        else
            low = b;
        next = b - d1 / d2;
        if (!(next > low && next < high) || !(__builtin_fabs(next - b) <= length / 2.0)) /* also where d2 is 0 */
            next = low * __builtin_sqrt(high / low);
        length = __builtin_fabs(next - b);
        b = next;
        if (length < 1e-12 * b)
            break;
    }
    *temperature = 1.0 / b;
    if (*temperature < DKVB_TEMPERATURE_MIN)
        *temperature = DKVB_TEMPERATURE_MIN;
    if (*temperature > DKVB_TEMPERATURE_MAX)
        *temperature = DKVB_TEMPERATURE_MAX;
    return DKVB_OK;
}

dkvb_status dkvb_calibration_error(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                                   double temperature, uint32_t bins, double *error)
{
    double gap[MAX_BINS] = {0.0}, rows = 0.0, sum = 0.0; /* gap: right answers less their probabilities */
    dkvb_status rc = check_rows(logits, labels, n, classes);

    if (rc)
        return rc;
    if (!(temperature >= DKVB_TEMPERATURE_MIN && temperature <= DKVB_TEMPERATURE_MAX))
        return dkvb__fail(DKVB_EINVAL, "calibration: temperature is %g, it must be %g to %g", temperature,
                          DKVB_TEMPERATURE_MIN, DKVB_TEMPERATURE_MAX);
    if (bins < 1 || bins > MAX_BINS)
        return dkvb__fail(DKVB_EINVAL, "calibration: %u bins, there must be 1 to %d", bins, MAX_BINS);
    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        size_t best, bin;
        double total = 0.0;

        if (labels[r] < 0)
            continue;
        best = largest(row, classes);
        for (size_t l = 0; l < classes; l++)
            total += dkvb__exp(((double)row[l] - (double)row[best]) / temperature);
        bin = (size_t)((double)bins / total); /* the largest probability is 1 / total */
        gap[bin < bins ? bin : bins - 1] += (best == (size_t)labels[r] ? 1.0 : 0.0) - 1.0 / total;
        rows += 1.0;
    }
    for (uint32_t i = 0; i < bins; i++)
        sum += gap[i] < 0.0 ? -gap[i] : gap[i];
    *error = sum / rows;
    return DKVB_OK;
}
