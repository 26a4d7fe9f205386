#include "base/exact_math.h"

#include <stdint.h>
#include <string.h>

/* The natural logarithm of 2 as the sum of two numbers. The first part of ln 2 has 32 trailing zero bits, so the
 * product of the first part and a small integer is exact. */
static const double ln2_high = 0x1.62e42feep-1;
static const double ln2_low = 0x1.a39ef35793c76p-33;

static double from_bits(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The coefficients 1 / i! of the Taylor series of e^r. In the Taylor series of e^r, multiplying by 1 / i! is several
 * times as fast as dividing by i!. */
static const double inverse_factorial[] = {
    1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
    1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
};

/* The exponential is computed as e^x = 2^k e^r with r = x - k ln 2, |r| <= ln 2 / 2. The Taylor series gives e^r; the
 * 14th term of the series is below 2^-57. */
double dkvb__exp(double x)
{
    double k_real, r, sum = inverse_factorial[13];
    int64_t k;

    if (!(x > -708.0))
        return 0.0;
    if (x > 700.0)
        x = 700.0;
    k = (int64_t)(x * 1.4426950408889634 + (x < 0.0 ? -0.5 : 0.5));
    k_real = (double)k;
    r = (x - k_real * ln2_high) - k_real * ln2_low;
    for (int i = 12; i >= 0; i--)
        sum = sum * r + inverse_factorial[i];
    return sum * from_bits((uint64_t)(k + 1023) << 52);
}

/* The logarithm is computed with x = 2^e m, m in [sqrt(1/2), sqrt 2), and log m = 2 atanh(s), where s = (m - 1) / (m +
 * 1),
 * |s| < 0.172. */
double dkvb__log(double x)
{
    uint64_t bits;
    int64_t e;
    double m, s, s2, sum = 0.0, e_real;

    memcpy(&bits, &x, sizeof bits);
    e = (int64_t)(bits >> 52) - 1023;
    m = from_bits((bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        e++;
    }
    s = (m - 1.0) / (m + 1.0);
    s2 = s * s;
    for (int i = 23; i > 0; i -= 2)
        sum = sum * s2 + 1.0 / i;
    e_real = (double)e;
    return e_real * ln2_high + (2.0 * s * sum + e_real * ln2_low);
}
