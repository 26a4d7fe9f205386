/* Tests of numbers that must be equal on every machine (the random generator, exp and log), and of small helpers. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/entropy.h"
#include "base/exact_math.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/sort.h"
#include "base/status.h"

static void generator_gives_the_same_numbers_for_ever(void **state)
{
    struct dkvb__rng rng;
    double gauss;

    (void)state;
    dkvb__rng_seed(&rng, 1, 2);
    assert_true(dkvb__rng_next(&rng) == UINT64_C(0x66BA8F5AA7B5E1B5));
    dkvb__rng_seed(&rng, 1, 2);
    gauss = dkvb__rng_gauss(&rng);
    assert_memory_equal(&gauss, &(double){-0x1.ff36357e1a2e4p-1}, sizeof gauss);
}

static void streams_and_seeds_differ(void **state)
{
    struct dkvb__rng a, b, c;

    (void)state;
    dkvb__rng_seed(&a, 1, 2);
    dkvb__rng_seed(&b, 2, 1);
    dkvb__rng_seed(&c, 1, 3);
    assert_true(dkvb__rng_next(&a) != dkvb__rng_next(&b));
    dkvb__rng_seed(&a, 1, 2);
    assert_true(dkvb__rng_next(&a) != dkvb__rng_next(&c));
}

static void gauss_has_mean_0_and_variance_1(void **state)
{
    enum { DRAWS = 200000 };
    struct dkvb__rng rng;
    double sum = 0.0, squares = 0.0;

    (void)state;
    dkvb__rng_seed(&rng, 3, 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = dkvb__rng_gauss(&rng);

        sum += x;
        squares += x * x;
    }
    /* The limits on mean and variance are five standard errors: 5 / sqrt(n) and 5 sqrt(2 / n). */
    assert_true(fabs(sum / DRAWS) < 5.0 / sqrt(DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0) < 5.0 * sqrt(2.0 / DRAWS));
}

static void choose_draws_without_replacement(void **state)
{
    size_t chosen[50], scratch[50], seen[50] = {0};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 4, 0);
    dkvb__rng_choose(&rng, 50, 50, chosen, scratch);
    for (size_t i = 0; i < 50; i++)
        seen[chosen[i]]++;
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(seen[i], 1);
}

static void numbers_of_ids_differ_and_do_not_depend_on_others(void **state)
{
    static struct dkvb__keyed items[4096], scratch[4096];

    (void)state;
    for (size_t i = 0; i < 4096; i++)
        items[i] = (struct dkvb__keyed){dkvb__rng_of_id(5, 1, i), i};
    assert_true(dkvb__rng_of_id(5, 1, 17) == items[17].key);
    assert_true(dkvb__rng_of_id(5, 0, 17) != items[17].key && dkvb__rng_of_id(6, 1, 17) != items[17].key);
    dkvb__sort_keyed(items, scratch, 4096);
    for (size_t i = 1; i < 4096; i++)
        assert_true(items[i - 1].key < items[i].key);
}

static void sorting_keeps_the_order_of_equal_keys(void **state)
{
    static struct dkvb__keyed items[1000], scratch[1000];
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 6, 0);
    for (size_t n = 0; n <= 1000; n += 250) {
        for (size_t i = 0; i < n; i++)
            items[i] = (struct dkvb__keyed){dkvb__rng_below(&rng, 7) << (i % 2 ? 60 : 3), i};
        dkvb__sort_keyed(items, scratch, n);
        for (size_t i = 1; i < n; i++)
            assert_true(items[i - 1].key < items[i].key ||
                        (items[i - 1].key == items[i].key && items[i - 1].index < items[i].index));
    }
}

static void exp_and_log_agree_with_the_c_library(void **state)
{
    (void)state;
    for (double x = -707.9; x < 0.0; x += 0.37)
        assert_true(fabs(dkvb__exp(x) - exp(x)) <= 4e-15 * exp(x));
    assert_true(dkvb__exp(0.0) == 1.0);
    assert_true(dkvb__exp(-1000.0) == 0.0);
    for (double x = 1e-300; x < 1e300; x *= 1.7)
        assert_true(fabs(dkvb__log(x) - log(x)) <= 4e-16 * fabs(log(x)) + 1e-16);
    assert_true(dkvb__log(1.0) == 0.0);
}

static void utf8_is_checked(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"cat", true},
        {"caf\xC3\xA9", true},
        {"\xE2\x82\xAC", true},
        {"\xF0\x9F\x90\xB1", true},
        {"a\nb", false},
        {"\x7F", false},
        {"\xC2\x85", false},
        {"\xC0\xAF", false},
        {"\xE0\x80\xAF", false},
        {"\xED\xA0\x80", false},
        {"\xF4\x90\x80\x80", false},
        {"\xC3", false},
        {"\x80", false},
        {"\xFF", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(dkvb__utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
    assert_false(dkvb__utf8_valid("a\0b", 3));
}

static void allocations_are_aligned_and_guard_their_product(void **state)
{
    dkvb_allocator mem = dkvb__allocator(NULL);

    (void)state;
    for (size_t size = 0; size < 300; size += 7) {
        void *p = dkvb__alloc(&mem, size, 1);

        assert_int_equal((uintptr_t)p % 64, 0);
        dkvb__free(&mem, p);
    }
    assert_null(dkvb__alloc(&mem, SIZE_MAX / 2, 3));
    assert_null(dkvb__alloc(&mem, SIZE_MAX, 1));
}

static void options_of_another_length_are_taken_as_far_as_known(void **state)
{
    struct {
        dkvb_run_options known;
        uint64_t later;
    } newer = {DKVB_RUN_OPTIONS_INIT, 0};
    dkvb_run_options full = DKVB_RUN_OPTIONS_INIT, shorter = {sizeof(size_t) + sizeof(uint32_t), 3, 0, 0, 0, 0};

    (void)state;
    assert_ok(dkvb__take_options(&full, sizeof full, &shorter, "test"));
    assert_int_equal(full.threads, 3);
    assert_int_equal(full.struct_size, sizeof full);
    newer.known.struct_size = sizeof newer;
    assert_ok(dkvb__take_options(&full, sizeof full, &newer, "test"));
    newer.later = 1;
    assert_int_equal(dkvb__take_options(&full, sizeof full, &newer, "test"), DKVB_EINVAL);
    assert_message("later field");
    shorter.struct_size = 0;
    assert_int_equal(dkvb__take_options(&full, sizeof full, &shorter, "test"), DKVB_EINVAL);
}

static void defaults_fit_structs_of_another_length(void **state)
{
    struct {
        dkvb_keyinit_options known;
        uint64_t later;
    } newer;
    struct {
        size_t struct_size;
        uint32_t method, codebooks;
        uint64_t beyond;
    } older;

    (void)state;
    memset(&newer, 0xFF, sizeof newer);
    assert_int_equal(dkvb_init("dkvb_keyinit_options", &newer, sizeof newer), DKVB_OK);
    assert_true(newer.known.struct_size == sizeof newer && newer.known.method == DKVB_KEYINIT_MEANS &&
                newer.later == 0);
    memset(&older, 0xFF, sizeof older);
    assert_int_equal(dkvb_init("dkvb_keyinit_options", &older, sizeof older - sizeof older.beyond), DKVB_OK);
    assert_true(older.codebooks == 0 && older.beyond == UINT64_MAX);
    assert_int_equal(dkvb_init("dkvb_keyinit_options", &older, sizeof older.struct_size - 1), DKVB_EINVAL);
    assert_int_equal(dkvb_init("dkvb_allocator", &older, sizeof older), DKVB_ENOTFOUND);
}

static void numbers_of_the_headers_have_names_and_others_are_unknown(void **state)
{
    (void)state;
    for (int code = DKVB_EREFUSED; code <= DKVB_OK; code++)
        assert_memory_equal(dkvb_name(DKVB_NAME_STATUS, code), "DKVB_", 5);
    assert_string_equal(dkvb_name(DKVB_NAME_STATUS, DKVB_EFORMAT), "DKVB_EFORMAT");
    assert_string_equal(dkvb_name(DKVB_NAME_STATUS, 1), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_STATUS, DKVB_EREFUSED - 1), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_STATUS, INT64_MIN), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, DKVB_DTYPE_F32), "float32");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, 0), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, -1), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, DKVB_DTYPE_BF16), "bfloat16");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, DKVB_DTYPE_BF16 + 1), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_ENCODER, DKVB_ENCODER_RESNET50), "resnet50");
    assert_string_equal(dkvb_name(DKVB_NAME_METHOD, 0), "");
    assert_string_equal(dkvb_name(DKVB_NAME_METHOD, DKVB_METHOD_EVERY), "every");
    assert_string_equal(dkvb_name(DKVB_NAME_STRENGTH, DKVB_STRENGTH_NONE), "");
    assert_string_equal(dkvb_name(DKVB_NAME_STRENGTH, 2), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_STRENGTH, DKVB_STRENGTH_EXACT), "exact");
    assert_string_equal(dkvb_name(DKVB_NAME_KEYS, DKVB_KEYS_PLACED), "placed");
    assert_string_equal(dkvb_name(DKVB_NAME_ENTRY_KIND, DKVB_JOURNAL_RELEARN), "relearn");
    assert_string_equal(dkvb_name(DKVB_NAME_ENTRY_STATE, DKVB_JOURNAL_ACTIVE), "active");
    assert_string_equal(dkvb_name(DKVB_NAME_REFUSAL, DKVB_REFUSED_KEYS), "keys");
    assert_string_equal(dkvb_name(DKVB_NAME_REFUSAL + 1, 0), "unknown");
}

/* The test vectors are those of the examples for FIPS 180-4; the second one is hashed in pieces. */
static void sha256_gives_the_published_hashes(void **state)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    static const uint8_t longer[] = {0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26,
                                     0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff,
                                     0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1};
    const struct dkvb__piece pieces[] = {
        {"abcdbcdecdefdefgefghfghighijhi", 30}, {NULL, 0}, {"jkijkljklmklmnlmnomnopnopq", 26}};
    uint8_t hash[DKVB__SHA256_SIZE];

    (void)state;
    dkvb__sha256(hash, &(struct dkvb__piece){"abc", 3}, 1);
    assert_memory_equal(hash, abc, sizeof abc);
    dkvb__sha256(hash, pieces, 3);
    assert_memory_equal(hash, longer, sizeof longer);
}

static void entropy_is_not_the_same_twice(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};

    (void)state;
    assert_ok(dkvb__entropy(a, sizeof a));
    assert_ok(dkvb__entropy(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    assert_ok(dkvb__entropy(NULL, 0));
}

static void keys_are_in_the_order_of_doubles(void **state)
{
    static const double rising[] = {-INFINITY, -1e300, -1.5, -5e-324, 0.0, 5e-324, 1.0, 1.5, 1e300, INFINITY};

    (void)state;
    for (size_t i = 1; i < sizeof rising / sizeof *rising; i++)
        assert_true(dkvb__key_of_double(rising[i - 1]) < dkvb__key_of_double(rising[i]));
    assert_true(dkvb__key_of_double(-0.0) == dkvb__key_of_double(0.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_in_the_order_of_doubles),
        cmocka_unit_test(generator_gives_the_same_numbers_for_ever),
        cmocka_unit_test(streams_and_seeds_differ),
        cmocka_unit_test(gauss_has_mean_0_and_variance_1),
        cmocka_unit_test(choose_draws_without_replacement),
        cmocka_unit_test(numbers_of_ids_differ_and_do_not_depend_on_others),
        cmocka_unit_test(sorting_keeps_the_order_of_equal_keys),
        cmocka_unit_test(exp_and_log_agree_with_the_c_library),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(allocations_are_aligned_and_guard_their_product),
        cmocka_unit_test(options_of_another_length_are_taken_as_far_as_known),
        cmocka_unit_test(defaults_fit_structs_of_another_length),
        cmocka_unit_test(numbers_of_the_headers_have_names_and_others_are_unknown),
        cmocka_unit_test(sha256_gives_the_published_hashes),
        cmocka_unit_test(entropy_is_not_the_same_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
