#include "data/decimal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits and exponent of a number in a text: value = ±digits * 10^exponent, exactly if `whole`. */
struct decimal {
    uint64_t digits;
    int exponent;
    bool negative, whole;
};

enum { MOST_DIGITS = 19, MOST_EXPONENT = 100000 };

/* Splits the text of a number into sign, digits and exponent. The result is false unless the text is
 * [+-]digits[.digits][e[+-]digits] with a digit before the exponent. */
static bool scan(const char *text, struct decimal *d)
{
    int kept = 0, seen = 0, written = 0, sign = 1;

    *d = (struct decimal){.negative = *text == '-', .whole = true};
    text += *text == '-' || *text == '+';
    for (bool point = false;; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9')
            break;
        seen = 1;
        if (kept < MOST_DIGITS) {
            d->digits = d->digits * 10 + (uint64_t)(*text - '0');
            kept += d->digits > 0;
            d->exponent -= point;
        } else {
            d->whole = d->whole && *text == '0';
            d->exponent += !point && d->exponent < MOST_EXPONENT;
        }
    }
    if (!seen)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+')
            sign = *text++ == '-' ? -1 : 1;
        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9'; text++)
            written = written < MOST_EXPONENT ? written * 10 + (*text - '0') : written;
        d->exponent += sign * written;
    }
    return *text == '\0';
}

/* Converts the text of a number by strtof() of the C library, which rounds correctly but accepts a decimal point only
 * in the C locale. */
static float by_library(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before;
    float value;

    if (c == (locale_t)0)
        return NAN;
    before = uselocale(c);
    value = strtof(text, NULL);
    uselocale(before);
    freelocale(c);
    return value;
}

/* Computes the double nearest to a decimal number by one rounding, if digits and power of ten are both exact doubles
 * (Clinger, 1990). The result is false if the digits or the power of ten are not an exact double. */
static bool quickly(const struct decimal *d, double *value)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (!d->whole || d->digits > UINT64_C(1) << 53 || d->exponent < -22 || d->exponent > 22)
        return false;
    *value = d->exponent < 0 ? (double)d->digits / tens[-d->exponent] : (double)d->digits * tens[d->exponent];
    return true;
}

/* True if the float nearest to `value`, a double read from a decimal number, is also the float nearest to the decimal
 * number. A double that lies in the middle between two floats may be there by rounding, and must not be rounded again:
 * the last 29 bits of such a double, which a float lacks, are 1 and zeros. A subnormal float has so few bits that
 * rounding a double to it drops more than 29 bits. */
static bool rounds_once(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x1FFFFFFF) != 0x10000000 && value >= (double)FLT_MIN && value <= (double)FLT_MAX;
}

bool dkvb__decimal(const char *text, float *value)
{
    struct decimal d;
    double near;

    if (!scan(text, &d))
        return false;
    if (d.digits == 0)
        *value = d.negative ? -0.0f : 0.0f;
    else if (quickly(&d, &near) && rounds_once(near))
        *value = d.negative ? -(float)near : (float)near;
    else
        *value = by_library(text);
    return isfinite(*value);
}

bool dkvb__is_decimal(const char *text)
{
    struct decimal d;

    return scan(text, &d);
}

/* Reads a whole number from a text of digits only, which may have one digit more than a struct decimal holds. */
static bool plain_digits(const char *text, uint64_t *value)
{
    const char *at = text;

    for (*value = 0; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');

        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return at > text && *at == '\0';
}

bool dkvb__whole_number(const char *text, uint64_t *size, bool *negative)
{
    struct decimal d;

    *negative = false;
    if (plain_digits(text, size))
        return true;
    if (!scan(text, &d) || !d.whole)
        return false;
    for (; d.exponent < 0 && d.digits % 10 == 0 && d.digits > 0; d.exponent++)
        d.digits /= 10;
    for (; d.exponent > 0 && d.digits > 0; d.exponent--) {
        if (d.digits > UINT64_MAX / 10)
            return false;
        d.digits *= 10;
    }
    *size = d.digits;
    *negative = d.negative && d.digits > 0;
    return d.digits == 0 || d.exponent == 0;
}
