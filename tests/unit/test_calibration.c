/* Tests of calibration: the fit finds the best temperature and power, and the calibration error follows its
 * definition. */
#include "fixture.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "bottleneck/calibration.h"

enum { N = 3000, L = 5 };

static float logits[N * L];
static int32_t truth[N];

/* Draws labels at random from softmax(logits), so that the true temperature is 1. */
static int setup(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 5, 0);
    for (size_t r = 0; r < N; r++) {
        double total = 0.0, draw = dkvb__rng_unit(&rng);

        for (size_t l = 0; l < L; l++) {
            logits[r * L + l] = 2.0f * (float)dkvb__rng_gauss(&rng);
            total += exp((double)logits[r * L + l]);
        }
        truth[r] = 0;
        for (size_t l = 0; l + 1 < L && draw > exp((double)logits[r * L + l]) / total; l++) {
            draw -= exp((double)logits[r * L + l]) / total;
            truth[r] = (int32_t)l + 1;
        }
    }
    return 0;
}

/* Returns the largest probability of a row, and in `x` the logarithm of its spread (largest minus mean logit). */
static double confidence(const float *row, double temperature, double power, double *x)
{
    double most = -INFINITY, mean = 0.0, total = 0.0;

    for (size_t l = 0; l < L; l++) {
        most = (double)row[l] > most ? (double)row[l] : most;
        mean += (double)row[l] / L;
    }
    *x = log(most - mean);
    for (size_t l = 0; l < L; l++)
        total += exp(((double)row[l] - most) / (temperature * pow(most - mean, power)));
    return 1.0 / total;
}

static double mean_confidence(const float *z, double temperature, double power)
{
    double sum = 0.0, x;

    for (size_t r = 0; r < N; r++)
        sum += confidence(z + r * L, temperature, power, &x);
    return sum / N;
}

static double accuracy_of(const float *z, const int32_t *y)
{
    double right = 0.0;

    for (size_t r = 0; r < N; r++) {
        size_t best = 0;

        for (size_t l = 1; l < L; l++)
            best = z[r * L + l] > z[r * L + best] ? l : best;
        right += (int32_t)best == y[r];
    }
    return (right + 1.0) / (N + 2.0);
}

static void the_temperature_makes_confidence_equal_to_accuracy(void **state)
{
    static float scaled[N * L];
    double t, p, other, q, wanted = accuracy_of(logits, truth), slope;

    (void)state;
    assert_ok(dkvb_calibration_fit(logits, truth, N, L, &t, &p));
    assert_true(fabs(mean_confidence(logits, t, p) - wanted) < 1e-8);
    /* The labels were drawn at temperature 1 and power 0. The fitted temperature may differ from 1 by four standard
     * errors of the accuracy of N draws, each at most sqrt(1 / 4 N), converted by the slope of the mean confidence. */
    slope = (mean_confidence(logits, exp(-0.01), 0.0) - mean_confidence(logits, exp(0.01), 0.0)) / 0.02;
    /* tolerance of temperature and power at a usual spread of 2 */
    assert_true(fabs(log(t) + p * log(2.0)) * slope < 4.0 * sqrt(0.25 / N));
    assert_true(fabs(p) < 0.3);
    for (int e = -3; e <= 3; e++) { /* factors that are powers of two scale logits exactly */
        for (size_t i = 0; i < N * L; i++)
            scaled[i] = ldexpf(logits[i], e);
        assert_ok(dkvb_calibration_fit(scaled, truth, N, L, &other, &q));
        assert_true(fabs(q - p) < 1e-6 && fabs(other / (t * pow(2.0, e * (1.0 - p))) - 1.0) < 1e-6);
    }
}

/* Makes rows with a large spread too confident by a known power, which the fit must find. */
static void the_power_follows_the_spread(void **state)
{
    static float warped[N * L];
    const double power = 0.6;
    double t, p, q, first, sum = 0.0, correlated = 0.0, mean = 0.0, x;

    (void)state;
    /* The spread s of a row becomes s' = s^(1 / (1 - power)), and the temperature s'^power undoes this. */
    for (size_t r = 0; r < N; r++) {
        confidence(logits + r * L, 1.0, 0.0, &x);
        for (size_t l = 0; l < L; l++)
            warped[r * L + l] = (float)((double)logits[r * L + l] * exp(x * power / (1.0 - power)));
    }
    assert_ok(dkvb_calibration_fit(warped, truth, N, L, &t, &p));
    assert_ok(dkvb_calibration_fit(warped, truth, 20, L, &first, &q));
    assert_true(fabs(p - power) < 0.1 && fabs(t - 1.0) < 0.2);
    assert_true(fabs(q) < fabs(p) && q != 0.0); /* with few rows the fitted power is nearer to 0 */
    for (size_t r = 0; r < N; r++) {
        confidence(warped + r * L, t, p, &x);
        mean += x / N;
    }
    for (size_t r = 0; r < N; r++) {
        size_t best = 0;
        double c = confidence(warped + r * L, t, p, &x);

        for (size_t l = 1; l < L; l++)
            best = warped[r * L + l] > warped[r * L + best] ? l : best;
        c -= ((int32_t)best == truth[r] ? (N + 1.0) : 1.0) / (N + 2.0);
        sum += c;
        correlated += c * (x - mean);
    }
    assert_true(fabs(sum) < 1e-6 && fabs(correlated - 4.0 * p) < 1e-6);
}

static double error_of(const float *z, const int32_t *y, size_t n, uint32_t classes, double t, double p)
{
    double gaps[DKVB__ECE_BINS] = {0.0};
    uint64_t count = 0;

    dkvb__gaps_add(gaps, &count, z, y, n, classes, t, p);
    return dkvb__gaps_error(gaps, count);
}

static void rows_without_a_label_do_not_count(void **state)
{
    static int32_t half[N];
    double some, first, p, q;

    (void)state;
    for (size_t r = 0; r < N; r++)
        half[r] = r < N / 2 ? truth[r] : -1;
    assert_ok(dkvb_calibration_fit(logits, half, N, L, &some, &p));
    assert_ok(dkvb_calibration_fit(logits, truth, N / 2, L, &first, &q));
    assert_true(some == first && p == q);
    assert_true(error_of(logits, half, N, L, 1.5, 0.5) == error_of(logits, truth, N / 2, L, 1.5, 0.5));
}

static void extremes_stay_within_the_limits(void **state)
{
    const float sure[2][2] = {{3.0f, 0.0f}, {0.0f, 3.0f}}, huge[2][2] = {{3e38f, -3e38f}, {-3e38f, 3e38f}};
    const float tiny[2][2] = {{1e-30f, 0.0f}, {0.0f, 1e-30f}}, far[2][2] = {{3e38f, -3e38f}, {0.0f, 1e-45f}};
    const float zeros[2][2] = {{0.0f, 0.0f}, {0.0f, 0.0f}};
    const int32_t right[2] = {0, 1}, wrong[2] = {1, 0}, mixed[2] = {0, 0};
    double t, p;

    (void)state;
    /* two correct predictions of two are smoothed to three of four */
    assert_ok(dkvb_calibration_fit(sure[0], right, 2, 2, &t, &p));
    assert_true(fabs(t - 3.0 / log(3.0)) < 1e-6);
    /* only wrong predictions: no temperature is high enough */
    assert_ok(dkvb_calibration_fit(sure[0], wrong, 2, 2, &t, &p));
    assert_true(t <= DKVB_TEMPERATURE_MAX && t > 990.0);
    assert_ok(dkvb_calibration_fit(sure[0], mixed, 2, 2, &t, &p));
    assert_true(t <= DKVB_TEMPERATURE_MAX && t > 990.0);
    /* logits so large that the row is certain at every temperature */
    assert_ok(dkvb_calibration_fit(huge[0], wrong, 2, 2, &t, &p));
    assert_true(t <= DKVB_TEMPERATURE_MAX && t > 990.0 && p == 0.0);
    /* logits so small that the row is undecided at every temperature */
    assert_ok(dkvb_calibration_fit(tiny[0], right, 2, 2, &t, &p));
    assert_true(t >= DKVB_TEMPERATURE_MIN && t < 1.01e-3 && p == 0.0);
    assert_ok(dkvb_calibration_fit(far[0], mixed, 2, 2, &t, &p)); /* spreads that differ as much as floats allow */
    assert_true(t >= DKVB_TEMPERATURE_MIN && t <= DKVB_TEMPERATURE_MAX && fabs(p) <= DKVB_TEMPERATURE_POWER);
    assert_ok(dkvb_calibration_fit(zeros[0], right, 2, 2, &t, &p)); /* rows whose logits are all equal */
    assert_true(t == 1.0 && p == 0.0);
}

/* Four rows fall into two of 15 bins: the probabilities are .61 and .65, one right and one wrong, and .91 and .93, both
 * right. */
static void the_error_is_that_of_the_definition(void **state)
{
    const double p[4] = {0.61, 0.65, 0.91, 0.93};
    const int32_t y[4] = {0, 1, 0, 0};
    double gaps[DKVB__ECE_BINS] = {0.0};
    uint64_t count = 0;
    float z[4][2];

    (void)state;
    for (size_t r = 0; r < 4; r++) {
        z[r][0] = (float)log(p[r] / (1.0 - p[r]));
        z[r][1] = 0.0f;
    }
    assert_true(fabs(error_of(z[0], y, 4, 2, 1.0, 0.0) - (fabs(0.5 - 0.63) * 2 + fabs(1.0 - 0.92) * 2) / 4) < 1e-6);
    /* all probabilities are .5, and three of four predictions are correct */
    assert_true(fabs(error_of(z[0], y, 4, 2, 1e3, 0.0) - 0.25) < 1e-3);
    assert_true(fabs(error_of(z[0], y, 4, 2, 1e-3, 0.0) - 0.25) < 1e-6); /* all probabilities are 1, in the last bin */
    for (size_t r = 0; r < 4; r++)                                       /* the rows may be counted in several parts */
        dkvb__gaps_add(gaps, &count, z[r], y + r, 1, 2, 1.0, 0.0);
    assert_true(count == 4 && dkvb__gaps_error(gaps, count) == error_of(z[0], y, 4, 2, 1.0, 0.0));
    assert_true(dkvb__gaps_error(gaps, 0) == 0.0);
}

static void fitting_makes_overconfident_answers_honest(void **state)
{
    static float loud[N * L];
    double t, p;

    (void)state;
    for (size_t i = 0; i < N * L; i++)
        loud[i] = 3.0f * logits[i];
    assert_ok(dkvb_calibration_fit(loud, truth, N, L, &t, &p));
    assert_true(error_of(loud, truth, N, L, 1.0, 0.0) > 0.1);
    /* The calibration error may be three times what chance gives in 15 bins of N / 15 rows: half the square root of a
     * bin's rows. */
    assert_true(error_of(loud, truth, N, L, t, p) < 3.0 * sqrt(15.0 / N) / 2.0);
}

static void bad_arguments_are_named(void **state)
{
    float z[4] = {0.0f, 1.0f, 2.0f, 3.0f};
    int32_t y[2] = {0, 2};
    double out = 7.0;

    (void)state;
    assert_int_equal(dkvb_calibration_fit(z, y, 2, 2, &out, &out), DKVB_EINVAL);
    assert_message("row 1 is 2");
    y[1] = -1;
    z[1] = INFINITY;
    assert_int_equal(dkvb_calibration_fit(z, y, 2, 2, &out, &out), DKVB_EINVAL);
    assert_message("row 0, class 1 is not finite");
    y[0] = -1;
    assert_int_equal(dkvb_calibration_fit(z, y, 2, 2, &out, &out), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_calibration_fit(z, y, 0, 2, &out, &out), DKVB_ENOTFOUND);
    assert_true(out == 7.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_temperature_makes_confidence_equal_to_accuracy),
        cmocka_unit_test(the_power_follows_the_spread),
        cmocka_unit_test(rows_without_a_label_do_not_count),
        cmocka_unit_test(extremes_stay_within_the_limits),
        cmocka_unit_test(the_error_is_that_of_the_definition),
        cmocka_unit_test(fitting_makes_overconfident_answers_honest),
        cmocka_unit_test(bad_arguments_are_named),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
