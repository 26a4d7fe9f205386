/* Tests of converting float16 (binary16) and bfloat16 to float32 and back, compared with the meaning of bit patterns in
 * the standard. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "data/stored.h"
#include "dkvb/data.h"

/* Returns the number that a float16 stands for: (-1)^sign * 2^(exponent - 25) * (1024 + fraction), without the 1024 if
 * the exponent is 0. */
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

/* Asserts that numbers between two neighbouring half precision numbers are rounded to the nearer one, and the middle to
 * the even one. */
static void assert_rounds(uint16_t (*round)(float), uint16_t low, double low_value, double high_value)
{
    float middle = (float)((low_value + high_value) / 2.0);
    uint16_t high = (uint16_t)(low + 1);

    assert_true((double)middle == (low_value + high_value) / 2.0); /* proves that the middle is exact in float32 */
    assert_int_equal(round(middle), low % 2 ? high : low);
    assert_int_equal(round(nextafterf(middle, -INFINITY)), low);
    assert_int_equal(round(nextafterf(middle, INFINITY)), high);
    assert_int_equal(round(-middle), (low % 2 ? high : low) | 0x8000);
    assert_int_equal(round((float)low_value), low);
}

static void halves_are_rounded_to_the_nearest_ties_to_even(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x7BFF; half++)
        assert_rounds(dkvb__float_to_half, (uint16_t)half, meaning(half), meaning(half + 1));
    assert_int_equal(dkvb__float_to_half(65504.0f), 0x7BFF);
    assert_int_equal(dkvb__float_to_half(nextafterf(65520.0f, 0.0f)), 0x7BFF);
    assert_int_equal(dkvb__float_to_half(65520.0f), 0x7C00);
    assert_int_equal(dkvb__float_to_half(-1e30f), 0xFC00);
    assert_int_equal(dkvb__float_to_half(INFINITY), 0x7C00);
    assert_int_equal(dkvb__float_to_half(0x1p-149f), 0);
    assert_true(isnan(dkvb__half_to_float(dkvb__float_to_half(NAN))));
}

static void arrays_are_rounded_as_single_numbers_are(void **state)
{
    static float from[0x10000];
    static uint16_t to[0x10000 + 1];

    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) /* tries every sign and exponent, with fractions that include ties */
        from[i] = dkvb__float_of_bits(i << 16 | (i % 3) << 12);
    to[0x10000] = 0x1234;
    dkvb__half_from_floats(to, from, 0x10000);
    for (uint32_t i = 0; i < 0x10000; i++)
        assert_int_equal(to[i], dkvb__float_to_half(from[i]));
    assert_int_equal(to[0x10000], 0x1234);
    dkvb__half_from_floats(NULL, NULL, 0);
}

static void bfloats_are_the_upper_half_of_a_float(void **state)
{
    (void)state;
    for (unsigned bits = 0x80; bits < 0x7F7F; bits += 3) { /* bit patterns from the smallest normal number on */
        double low = ldexp(128 + (double)(bits & 127), (int)(bits >> 7) - 134);
        double high = ldexp(128 + (double)((bits + 1) & 127), (int)((bits + 1) >> 7) - 134);

        assert_true((double)dkvb__bfloat_to_float((uint16_t)bits) == low);
        assert_rounds(dkvb__float_to_bfloat, (uint16_t)bits, low, high);
    }
    assert_int_equal(dkvb__float_to_bfloat(3.4e38f), 0x7F80);
    assert_int_equal(dkvb__float_to_bfloat(-INFINITY), 0xFF80);
    assert_true(isnan(dkvb__bfloat_to_float(dkvb__float_to_bfloat(NAN))));
    assert_true(isnan(dkvb__bfloat_to_float(dkvb__float_to_bfloat(dkvb__float_of_bits(0x7F800001)))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_finite_half_becomes_its_exact_value),
        cmocka_unit_test(infinities_keep_their_sign),
        cmocka_unit_test(every_nan_stays_a_nan),
        cmocka_unit_test(halves_are_rounded_to_the_nearest_ties_to_even),
        cmocka_unit_test(arrays_are_rounded_as_single_numbers_are),
        cmocka_unit_test(bfloats_are_the_upper_half_of_a_float),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
