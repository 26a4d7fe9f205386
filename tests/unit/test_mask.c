/* Tests of masks: they behave as sets, and each can be used only with its codebooks. */
#include "fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bottleneck/mask.h"

static dkvb_codebooks *cb;

static int setup(void **state)
{
    dkvb_keyinit_options o = small_keyinit();

    (void)state;
    make_rows();
    return dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL);
}

static int teardown(void **state)
{
    (void)state;
    dkvb_codebooks_free(cb);
    return 0;
}

static dkvb_mask *random_mask(uint64_t seed)
{
    struct dkvb__rng rng;
    dkvb_mask *mask;

    dkvb__rng_seed(&rng, seed, 0);
    assert_ok(dkvb_mask_new(&mask, cb));
    for (size_t i = 0; i < 150; i++)
        assert_ok(
            dkvb_mask_set(mask, (uint32_t)dkvb__rng_below(&rng, CODEBOOKS), (uint32_t)dkvb__rng_below(&rng, KEYS), 1));
    return mask;
}

static dkvb_mask *copy_of(const dkvb_mask *mask)
{
    dkvb_mask *copy;

    assert_ok(dkvb_mask_copy(&copy, mask));
    return copy;
}

static void pairs_are_added_removed_and_counted(void **state)
{
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, cb));
    assert_int_equal(dkvb__mask_count(mask), 0);
    assert_ok(dkvb_mask_set(mask, 3, 69, 1));
    assert_ok(dkvb_mask_set(mask, 3, 69, 1));
    assert_int_equal(dkvb__mask_count(mask), 1);
    assert_true(mask_has(mask, 3, 69));
    assert_false(mask_has(mask, 4, 69));
    assert_false(mask_has(mask, 3, 4000000000u));
    assert_ok(dkvb_mask_set(mask, 3, 69, 0));
    assert_ok(dkvb_mask_set(mask, 3, 69, 0));
    assert_int_equal(dkvb__mask_count(mask), 0);
    assert_int_equal(dkvb_mask_set(mask, CODEBOOKS, 0, 1), DKVB_EINVAL);
    assert_int_equal(dkvb_mask_set(mask, 0, KEYS, 1), DKVB_EINVAL);
    assert_message("(0, 70)");
    assert_int_equal(dkvb_mask_set(mask, 0, 0, 2), DKVB_EINVAL);
    assert_int_equal(dkvb__mask_count(mask), 0);
    dkvb_mask_free(mask);
    dkvb_mask_free(NULL);
}

static void set_algebra_holds(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed += 2) {
        dkvb_mask *a = random_mask(seed), *b = random_mask(seed + 1);
        dkvb_mask *ab = copy_of(a), *ba = copy_of(b), *both = copy_of(a), *only_a = copy_of(a);

        assert_ok(dkvb_mask_combine(ab, b, DKVB_MASK_UNION));
        assert_ok(dkvb_mask_combine(ba, a, DKVB_MASK_UNION));
        assert_true(dkvb_mask_equal(ab, ba)); /* the union of a and b equals the union of b and a */
        assert_ok(dkvb_mask_combine(both, b, DKVB_MASK_INTERSECTION));
        assert_ok(dkvb_mask_combine(only_a, b, DKVB_MASK_DIFFERENCE));
        assert_int_equal(dkvb__mask_count(ab) + dkvb__mask_count(both), dkvb__mask_count(a) + dkvb__mask_count(b));
        assert_int_equal(dkvb__mask_count(only_a) + dkvb__mask_count(both), dkvb__mask_count(a));
        assert_ok(dkvb_mask_combine(only_a, both, DKVB_MASK_UNION));
        assert_true(dkvb_mask_equal(only_a, a)); /* (a minus b) union (a intersection b) = a */
        assert_ok(dkvb_mask_combine(ab, ab, DKVB_MASK_UNION));
        assert_true(dkvb_mask_equal(ab, ba)); /* the union with a subset adds nothing */
        assert_ok(dkvb_mask_combine(ab, ab, DKVB_MASK_DIFFERENCE));
        assert_int_equal(dkvb__mask_count(ab), 0); /* a mask minus itself is empty */
        dkvb_mask_free(a);
        dkvb_mask_free(b);
        dkvb_mask_free(ab);
        dkvb_mask_free(ba);
        dkvb_mask_free(both);
        dkvb_mask_free(only_a);
    }
}

/* Replaces mask a by its union, difference or intersection with mask b, and frees b. */
static dkvb_mask *with(uint32_t how, dkvb_mask *a, dkvb_mask *b)
{
    assert_ok(dkvb_mask_combine(a, b, how));
    dkvb_mask_free(b);
    return a;
}

/* Returns true if two masks are equal, and frees both masks. */
static bool equal(dkvb_mask *a, dkvb_mask *b)
{
    bool same = dkvb_mask_equal(a, b);

    dkvb_mask_free(a);
    dkvb_mask_free(b);
    return same;
}

static void unions_may_be_taken_in_any_grouping(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed += 3) {
        dkvb_mask *a = random_mask(seed), *b = random_mask(seed + 1), *c = random_mask(seed + 2);

        assert_true(equal(with(DKVB_MASK_UNION, with(DKVB_MASK_UNION, copy_of(a), copy_of(b)), copy_of(c)),
                          with(DKVB_MASK_UNION, copy_of(a), with(DKVB_MASK_UNION, copy_of(b), copy_of(c)))));
        assert_true(equal(with(DKVB_MASK_INTERSECTION, with(DKVB_MASK_UNION, copy_of(a), copy_of(b)), copy_of(c)),
                          with(DKVB_MASK_UNION, with(DKVB_MASK_INTERSECTION, copy_of(a), copy_of(c)),
                               with(DKVB_MASK_INTERSECTION, copy_of(b), copy_of(c)))));
        dkvb_mask_free(a);
        dkvb_mask_free(b);
        dkvb_mask_free(c);
    }
}

static void what_a_difference_took_a_union_brings_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed += 3) {
        dkvb_mask *a = random_mask(seed), *b = random_mask(seed + 1), *c = random_mask(seed + 2), *none = copy_of(a);

        assert_true(equal(with(DKVB_MASK_UNION, with(DKVB_MASK_DIFFERENCE, copy_of(a), copy_of(b)), copy_of(b)),
                          with(DKVB_MASK_UNION, copy_of(a), copy_of(b)))); /* (a minus b) union b = a union b */
        assert_true(equal(with(DKVB_MASK_DIFFERENCE, with(DKVB_MASK_DIFFERENCE, copy_of(a), copy_of(b)), copy_of(c)),
                          with(DKVB_MASK_DIFFERENCE, copy_of(a), /* (a minus b) minus c = a minus (b union c) */
                               with(DKVB_MASK_UNION, copy_of(b), copy_of(c)))));
        assert_ok(dkvb_mask_combine(none, a, DKVB_MASK_DIFFERENCE));
        assert_int_equal(dkvb__mask_count(none), 0);
        dkvb_mask_free(a);
        dkvb_mask_free(b);
        dkvb_mask_free(c);
        dkvb_mask_free(none);
    }
}

static void walking_visits_every_pair_once_in_order(void **state)
{
    uint8_t bytes[CODEBOOKS * KEYS];
    dkvb_mask *mask = random_mask(5);
    uint64_t pair, from = 0, seen = 0;

    (void)state;
    dkvb_mask_get_bytes(mask, bytes);
    for (; dkvb_mask_next(mask, from, &pair); from = pair + 1) {
        for (uint64_t i = from; i < pair; i++)
            assert_int_equal(bytes[i], 0);
        assert_int_equal(bytes[pair], 1);
        seen++;
    }
    for (uint64_t i = from; i < CODEBOOKS * KEYS; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(seen, dkvb__mask_count(mask));
    assert_false(dkvb_mask_next(mask, UINT64_MAX, &pair));
    dkvb_mask_free(mask);
}

static void files_bring_a_mask_back(void **state)
{
    const char *path = temp_path("mask");
    dkvb_mask *mask = random_mask(6), *back;
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    dkvb_codebooks_info whose = DKVB_CODEBOOKS_INFO_INIT;

    (void)state;
    assert_ok(dkvb_mask_save(mask, path));
    assert_ok(dkvb_mask_load(&back, path, NULL));
    assert_true(dkvb_mask_equal(mask, back));
    assert_ok(dkvb_mask_get_info(back, &info));
    assert_ok(dkvb_codebooks_get_info(cb, &whose));
    assert_true(info.codebooks == CODEBOOKS && info.keys == KEYS);
    assert_true(info.pairs == dkvb__mask_count(mask) && info.pairs_total == CODEBOOKS * KEYS);
    assert_memory_equal(info.birth, whose.birth, sizeof whose.birth);
    dkvb_mask_free(mask);
    dkvb_mask_free(back);
}

static void damaged_mask_files_are_refused(void **state)
{
    const char *path = temp_path("mask"), *bad = temp_path("bad");
    dkvb_mask *mask = random_mask(7), *back;
    unsigned char *data;
    size_t size;

    (void)state;
    assert_ok(dkvb_mask_save(mask, path));
    data = read_file(path, &size);
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0x10;
        write_file(bad, data, size);
        assert_true(dkvb_mask_load(&back, bad, NULL) != DKVB_OK);
        assert_null(back);
        data[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < size; cut++) {
        write_file(bad, data, cut);
        assert_true(dkvb_mask_load(&back, bad, NULL) != DKVB_OK);
    }
    free(data);
    dkvb_mask_free(mask);
}

/* Asserts that the error message shows the beginnings of both birth ids, the one found and the one expected. */
static void assert_births_named(const dkvb_mask *found, const dkvb_mask *wanted)
{
    dkvb_mask_info f = DKVB_MASK_INFO_INIT, w = DKVB_MASK_INFO_INIT;
    char text[128];

    assert_ok(dkvb_mask_get_info(found, &f));
    assert_ok(dkvb_mask_get_info(wanted, &w));
    snprintf(text, sizeof text,
             "birth id %02x%02x%02x%02x... (8 x 70 pairs) found, it must be %02x%02x%02x%02x... (8 x 70)", f.birth[0],
             f.birth[1], f.birth[2], f.birth[3], w.birth[0], w.birth[1], w.birth[2], w.birth[3]);
    assert_message(text);
}

static void masks_of_other_codebooks_do_not_mix(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_mask *mine = random_mask(8), *theirs, *before = copy_of(mine);
    dkvb_codebooks *other;

    (void)state;
    o.seed = 8;
    assert_ok(dkvb_codebooks_fit(&other, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_mask_new(&theirs, other));
    assert_int_equal(dkvb_mask_combine(mine, theirs, DKVB_MASK_UNION), DKVB_EMISMATCH);
    assert_births_named(theirs, mine);
    assert_int_equal(dkvb_search(cb, theirs, rows, 0, 1, NULL, NULL, NULL), DKVB_EMISMATCH);
    assert_births_named(theirs, mine);
    assert_int_equal(dkvb_mask_combine(mine, theirs, DKVB_MASK_INTERSECTION), DKVB_EMISMATCH);
    assert_int_equal(dkvb_mask_combine(mine, theirs, DKVB_MASK_DIFFERENCE), DKVB_EMISMATCH);
    assert_int_equal(dkvb_mask_combine(mine, before, 0), DKVB_EINVAL);
    assert_int_equal(dkvb_mask_combine(mine, before, DKVB_MASK_DIFFERENCE + 1), DKVB_EINVAL);
    assert_message("way 4 of combining");
    assert_false(dkvb_mask_equal(mine, theirs));
    assert_true(dkvb_mask_equal(mine, before));
    dkvb_mask_free(mine);
    dkvb_mask_free(theirs);
    dkvb_mask_free(before);
    dkvb_codebooks_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_added_removed_and_counted),
        cmocka_unit_test(set_algebra_holds),
        cmocka_unit_test(unions_may_be_taken_in_any_grouping),
        cmocka_unit_test(what_a_difference_took_a_union_brings_back),
        cmocka_unit_test(walking_visits_every_pair_once_in_order),
        cmocka_unit_test(files_bring_a_mask_back),
        cmocka_unit_test(damaged_mask_files_are_refused),
        cmocka_unit_test(masks_of_other_codebooks_do_not_mix),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
