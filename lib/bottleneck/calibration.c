#include "bottleneck/calibration.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/exact_math.h"
#include "base/status.h"
#include "bottleneck/model.h"

enum { STEPS = 60 }; /* largest number of steps of Newton's method in fitting a temperature */

/* When a softmax temperature is fitted, the power of the logits' spread is pulled towards 0 with the weight
 * `power_pull`, which equals a normal prior with a standard deviation of 1/2. Some tens of rows hardly determine the
 * power p in a row's softmax temperature, temperature * spread^p; thousands of rows outweigh the prior that pulls p to
 * 0. */
static const double power_pull = 4.0;

dkvb_status dkvb__temperature_check(double temperature, double power, dkvb_status code, const char *what)
{
    if (!(temperature >= DKVB_TEMPERATURE_MIN && temperature <= DKVB_TEMPERATURE_MAX))
        return dkvb__fail(code, "%.300s: temperature is %g, it must be %g to %g", what, temperature,
                          DKVB_TEMPERATURE_MIN, DKVB_TEMPERATURE_MAX);
    if (!(power >= -DKVB_TEMPERATURE_POWER && power <= DKVB_TEMPERATURE_POWER))
        return dkvb__fail(code, "%.300s: power of the temperature is %g, it must be %g to %g", what, power,
                          -DKVB_TEMPERATURE_POWER, DKVB_TEMPERATURE_POWER);
    return DKVB_OK;
}

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

/* Returns the spread of a row's logits: the mean distance of the other logits from the largest logit. The spread of a
 * row's logits is 0 if all logits are equal, or if one is not finite. */
static double spread(const float *row, uint32_t classes)
{
    double most = (double)row[largest(row, classes)], sum = 0.0;

    for (size_t l = 0; l < classes; l++)
        sum += most - (double)row[l];
    return __builtin_isfinite(sum) ? sum / (double)classes : 0.0;
}

double dkvb__row_temperature(const float *row, uint32_t classes, double temperature, double power)
{
    double s = power != 0.0 ? spread(row, classes) : 0.0;

    return s > 0.0 ? temperature * dkvb__exp(power * dkvb__log(s)) : temperature;
}

/* Returns the largest softmax probability of a row at a temperature. The result `fall` becomes the rate at which the
 * largest probability falls with the logarithm of the temperature. */
static double confidence(const float *row, uint32_t classes, size_t best, double temperature, double *fall)
{
    double total = 0.0, moment = 0.0;

    for (size_t l = 0; l < classes; l++) {
        double gap = ((double)row[best] - (double)row[l]) / temperature, e = dkvb__exp(-gap);

        total += e;
        moment += e * gap;
    }
    *fall = moment / (total * total);
    return 1.0 / total;
}

/* Sums of a temperature fit over the rows that a temperature matters to: rows whose logits are not all equal. */
struct fitting {
    const float *logits;
    const int32_t *labels;
    size_t n;
    uint32_t classes;
    /* number of rows whose logits differ, and the mean of the logarithms of their spreads */
    double rows, mean;
    /* excess of confidence (sum of largest probabilities minus right answers), and its slopes along the temperature's
     * logarithm and along the power of the logits' spread in the temperature */
    double excess[2], slope[2][2];
};

static double log_spread(const struct fitting *f, size_t r)
{
    double s = f->labels[r] < 0 ? 0.0 : spread(f->logits + r * f->classes, f->classes);

    return s > 0.0 ? dkvb__log(s) : NAN;
}

/* Adds up the excess of confidence of all rows; the softmax temperature of a row is e^(at + power x), where x is the
 * row's log(spread of logits) minus the mean of this logarithm over all rows. */
static void add_up(struct fitting *f, double at, double power)
{
    memset(f->excess, 0, sizeof f->excess);
    memset(f->slope, 0, sizeof f->slope);
    for (size_t r = 0; r < f->n; r++) {
        const float *row = f->logits + r * f->classes;
        size_t best = largest(row, f->classes);
        double x = log_spread(f, r) - f->mean, fall, excess;

        if (isnan(x))
            continue;
        excess = confidence(row, f->classes, best, dkvb__exp(at + power * x), &fall);
        /* In the excess of confidence over all rows, a right answer counts as a little less than 1, a wrong answer as a
         * little more than 0: (right + 1) / (rows + 2), summed over the rows. */
        excess -= ((best == (size_t)f->labels[r] ? f->rows : 0.0) + 1.0) / (f->rows + 2.0);
        f->excess[0] += excess;
        f->excess[1] += excess * x;
        f->slope[0][0] += fall;
        f->slope[0][1] += fall * x;
        f->slope[1][1] += fall * x * x;
    }
    f->excess[1] -= power_pull * power;
    /* if the model is certain of all rows, or of none, the slope of the confidence is 0, and a step of Newton's method
     * must stay finite */
    f->slope[0][0] += 1e-9;
    f->slope[1][1] += power_pull;
}

static double within(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

/*
 * The fit of a softmax temperature and its power seeks the one place where two sums of excess confidence over the rows
 * are 0, one plain and one weighted by log(spread). The two sums of excess confidence, plain and weighted by
 * log(spread), are the slopes of a concave function of the temperature's logarithm `at` and its power, since confidence
 * falls as a row's temperature rises, and the logarithm of a row's temperature is linear in both. Newton's method fits
 * the temperature and the power p of a row's softmax temperature, temperature * spread^p, in five to seven steps. The
 * length of a step of Newton's method is limited, and the limit is halved after a step that went too far.
 */
dkvb_status dkvb_calibration_fit(const float *logits, const int32_t *labels, size_t n, uint32_t classes,
                                 double *temperature, double *power)
{
    const double low = dkvb__log(DKVB_TEMPERATURE_MIN), high = dkvb__log(DKVB_TEMPERATURE_MAX);
    struct fitting f = {.logits = logits, .labels = labels, .n = n, .classes = classes};
    double at, p = 0.0, limit = 1.0, before = 0.0;
    dkvb_status rc = check_rows(logits, labels, n, classes);

    if (rc)
        return rc;
    for (size_t r = 0; r < n; r++) {
        double x = log_spread(&f, r);

        f.rows += !isnan(x);
        f.mean += isnan(x) ? 0.0 : x;
    }
    f.mean /= f.rows > 0.0 ? f.rows : 1.0;
    at = f.rows > 0.0 ? within(f.mean - dkvb__log(dkvb__log(classes) + 1.0), low, high) : 0.0;
    for (int step = 0; f.rows > 0.0 && step < STEPS; step++) {
        double last_at = at, last_p = p, ratio;

        add_up(&f, at, p);
        limit = f.excess[0] * before < 0.0 ? limit / 2.0 : limit;
        before = f.excess[0];
        ratio = f.slope[0][1] / f.slope[0][0];
        p += within((f.excess[1] - f.excess[0] * ratio) / (f.slope[1][1] - f.slope[0][1] * ratio), -limit, limit);
        p = within(p, -DKVB_TEMPERATURE_POWER, DKVB_TEMPERATURE_POWER);
        at += within(f.excess[0] / f.slope[0][0] - (p - last_p) * ratio, -limit, limit);
        at = within(at, low + p * f.mean, high + p * f.mean);
        if (fabs(at - last_at) + fabs(p - last_p) < 1e-10)
            break;
    }
    *temperature = within(dkvb__exp(at - p * f.mean), DKVB_TEMPERATURE_MIN, DKVB_TEMPERATURE_MAX);
    *power = p;
    return DKVB_OK;
}

double dkvb__row_loss(const float *row, uint32_t classes, int32_t label, double temperature, double power)
{
    double own = dkvb__row_temperature(row, classes, temperature, power), sum = 0.0;
    double most = (double)row[largest(row, classes)];

    for (size_t l = 0; l < classes; l++)
        sum += dkvb__exp(((double)row[l] - most) / own);
    return dkvb__log(sum) - ((double)row[label] - most) / own;
}

void dkvb__gaps_add(double *gaps, uint64_t *rows, const float *logits, const int32_t *labels, size_t n,
                    uint32_t classes, double temperature, double power)
{
    for (size_t r = 0; r < n; r++) {
        const float *row = logits + r * classes;
        size_t best, bin;
        double top, fall;

        if (labels[r] < 0)
            continue;
        best = largest(row, classes);
        top = confidence(row, classes, best, dkvb__row_temperature(row, classes, temperature, power), &fall);
        bin = (size_t)(top * (double)DKVB__ECE_BINS);
        gaps[bin < DKVB__ECE_BINS ? bin : DKVB__ECE_BINS - 1] += (best == (size_t)labels[r] ? 1.0 : 0.0) - top;
        ++*rows;
    }
}

double dkvb__gaps_error(const double *gaps, uint64_t rows)
{
    double sum = 0.0;

    for (uint32_t i = 0; i < DKVB__ECE_BINS; i++)
        sum += gaps[i] < 0.0 ? -gaps[i] : gaps[i];
    return rows ? sum / (double)rows : 0.0;
}
