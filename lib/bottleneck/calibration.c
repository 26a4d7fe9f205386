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

/* Mean over rows of the largest probability of softmax(logits / temperature), and how many rows are right. */
static double mean_confidence(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                              double temperature, double *rows, double *right)
{
    double sum = 0.0;

    *rows = *right = 0.0;
    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        double total = 0.0;
        size_t best;

        if (labels[r] < 0)
            continue;
        best = largest(row, classes);
        for (size_t l = 0; l < classes; l++)
            total += dkvb__exp(((double)row[l] - (double)row[best]) / temperature);
        sum += 1.0 / total;
        *rows += 1.0;
        *right += best == (size_t)labels[r];
    }
    return sum / *rows;
}

/*
 * Confidence falls as the temperature rises, so there is one where it equals the accuracy. It is looked for by false
 * position on a logarithmic scale: the interval is cut where a line through its ends crosses the wanted
 * value, the end that stays twice counting half (the Illinois rule), which takes about ten steps.
 */
dkvb_status dkvb_calibration_fit(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                                 double *temperature)
{
    double low = DKVB_TEMPERATURE_MIN, high = DKVB_TEMPERATURE_MAX, rows, right, wanted, at_low, at_high;
    int side = 0;
    dkvb_status rc = check_rows(logits, labels, n, classes);

    if (rc)
        return rc;
    at_low = mean_confidence(logits, labels, n, classes, low, &rows, &right);
    wanted = (right + 1.0) / (rows + 2.0); /* rows that are all right are no proof of certainty */
    at_low -= wanted;
    at_high = mean_confidence(logits, labels, n, classes, high, &rows, &right) - wanted;
    if (at_low - at_high < 1e-12) { /* no temperature matters, as where all logits are 0 */
        *temperature = 1.0;
        return DKVB_OK;
    }
    *temperature = at_low <= 0.0 ? low : high;
    if (at_low <= 0.0 || at_high >= 0.0)
        return DKVB_OK;
    for (int step = 0; step < STEPS; step++) {
        double share = at_low / (at_low - at_high),
               middle = dkvb__exp(dkvb__log(low) + share * (dkvb__log(high) - dkvb__log(low))), at;

        at = mean_confidence(logits, labels, n, classes, middle, &rows, &right) - wanted;
        *temperature = middle;
        if ((at < 1e-9 && at > -1e-9) || high < low * (1.0 + 1e-9))
            break;
        if (at > 0.0) {
            low = middle;
            at_low = at;
            at_high = side > 0 ? at_high / 2.0 : at_high;
            side = 1;
        } else {
            high = middle;
            at_high = at;
            at_low = side < 0 ? at_low / 2.0 : at_low;
            side = -1;
        }
    }
    return DKVB_OK;
}

/* Bins of rows are added up: right answers less their probabilities. */
static dkvb_status add_gaps(const float *logits, const int32_t *labels, size_t n, uint32_t classes, double temperature,
                            uint32_t bins, double *gap, uint64_t *rows)
{
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
        ++*rows;
    }
    return DKVB_OK;
}

dkvb_status dkvb_calibration_add(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                                 double temperature, uint32_t bins, double *gaps, uint64_t *rows)
{
    dkvb_status rc = check_rows(logits, labels, n, classes);

    if (rc == DKVB_ENOTFOUND)
        return DKVB_OK; /* other rows have labels */
    return rc ? rc : add_gaps(logits, labels, n, classes, temperature, bins, gaps, rows);
}

double dkvb_calibration_of_gaps(const double *gaps, uint32_t bins, uint64_t rows)
{
    double sum = 0.0;

    for (uint32_t i = 0; i < bins; i++)
        sum += gaps[i] < 0.0 ? -gaps[i] : gaps[i];
    return rows ? sum / (double)rows : 0.0;
}

dkvb_status dkvb_calibration_error(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                                   double temperature, uint32_t bins, double *error)
{
    double gap[MAX_BINS] = {0.0};
    uint64_t rows = 0;
    dkvb_status rc = check_rows(logits, labels, n, classes);

    if (!rc)
        rc = add_gaps(logits, labels, n, classes, temperature, bins, gap, &rows);
    if (!rc)
        *error = dkvb_calibration_of_gaps(gap, bins, rows);
    return rc;
}
