/* binary16 to binary32, against what the standard says a pattern means. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"

/* (-1)^sign * 2^(exponent - 25) * (1024 + fraction), without the 1024 where the exponent is 0. */
static double meaning(unsigned half)
{
    int exponent = (int)(half >> 10 & 31);
    int fraction = (int)(half & 1023);
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);

    return half & 0x8000 ? -value : value;
}

static void every_finite_half_becomes_its_exact_value(void **state)
{
    (void)state;
    for (unsigned half = 0; half <= 0xFFFF; half++) {
        float value = dkvb__half_to_float((uint16_t)half);

        if ((half >> 10 & 31) == 31)
            continue;
        assert_true((double)value == meaning(half));
        assert_int_equal(signbit(value) != 0, half >> 15);
    }
}

static void infinities_keep_their_sign(void **state)
{
    (void)state;
    assert_true(dkvb__half_to_float(0x7C00) == INFINITY);
    assert_true(dkvb__half_to_float(0xFC00) == -INFINITY);
}

static void every_nan_stays_a_nan(void **state)
{
    (void)state;
    for (unsigned fraction = 1; fraction < 1024; fraction++) {
        assert_true(isnan(dkvb__half_to_float((uint16_t)(0x7C00 | fraction))));
        assert_true(isnan(dkvb__half_to_float((uint16_t)(0xFC00 | fraction))));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_finite_half_becomes_its_exact_value),
        cmocka_unit_test(infinities_keep_their_sign),
        cmocka_unit_test(every_nan_stays_a_nan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
