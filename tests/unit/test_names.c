/* Tests of class names: which names are equal, which are refused, and which class a word means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/unicode.h"
#include "fixture.h"

static void assert_same(const char *a, const char *b)
{
    assert_true(dkvb__same_name(a, b));
    assert_true(dkvb__same_name(b, a));
    assert_true(dkvb__name_key(a) == dkvb__name_key(b));
}

static void composed_and_decomposed_names_are_the_same(void **state)
{
    (void)state;
    assert_same("cat", "cat");
    assert_same("K\u00E4fer", "Ka\u0308fer");
    assert_same("\u1E69", "s\u0323\u0307");        /* a composed letter, and its parts in canonical order */
    assert_same("s\u0307\u0323", "s\u0323\u0307"); /* the parts of a letter in another order */
    assert_same("\u1E69", "\u1E61\u0323");         /* a fully and a partly composed letter */
    assert_same("\u01D5", "U\u0308\u0304");        /* a letter that is composed in two steps */
    assert_same("\uAC01", "\u1100\u1161\u11A8");   /* a Hangul syllable and its parts */
    assert_same("\uAC00", "\u1100\u1161");
    assert_same("\u212B", "\u00C5"); /* the unit sign Angstrom and the letter */
    assert_same("\u212A", "K");
    assert_same("\u1F82", "\u03B1\u0313\u0300\u0345");
}

static void other_names_are_others(void **state)
{
    (void)state;
    assert_false(dkvb__same_name("cat", "Cat"));
    assert_false(dkvb__same_name("\u00E4", "a"));
    assert_false(dkvb__same_name("a\u0308", "a\u0304"));
    /* two marks of the same combining class, whose order counts */
    assert_false(dkvb__same_name("a\u0308\u0304", "a\u0304\u0308"));
    /* a ligature: compatible with its letters, but not equal */
    assert_false(dkvb__same_name("\uFB01", "fi"));
    assert_false(dkvb__same_name("", "\u0308"));
}

static void long_and_odd_texts_do_no_harm(void **state)
{
    char a[2100], b[2100];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof a; i += 2)
        memcpy(a + i, "\u0308", 2);
    a[1024] = '\0';
    memcpy(b, a, sizeof a);
    assert_true(dkvb__same_name(a, b));
    memcpy(b, "\u0304", 2);
    assert_false(dkvb__same_name(a, b));
    memset(a, 'x', sizeof a);
    a[sizeof a - 1] = '\0';
    assert_false(dkvb__same_name(a, "\u00E4"));
    assert_false(dkvb__same_name("\xC3", "\xE4"));
    assert_false(dkvb__same_name("\xF0\x9F", "\xF0"));
}

static void a_name_is_for_one_class_only(void **state)
{
    dkvb_model *m = trained_model(1, NULL);

    (void)state;
    assert_int_equal(dkvb_model_set_class_name(m, 0, "K\u00E4fer"), DKVB_OK);
    assert_int_equal(dkvb_model_set_class_name(m, 1, "Ka\u0308fer"), DKVB_EINVAL);
    assert_non_null(strstr(dkvb_last_error(), "class 0 is called"));
    assert_null(dkvb_model_class_name(m, 1));
    /* the class's own name in another spelling */
    assert_int_equal(dkvb_model_set_class_name(m, 0, "Ka\u0308fer"), DKVB_OK);
    assert_int_equal(dkvb_model_set_class_name(m, 0, NULL), DKVB_OK);
    assert_int_equal(dkvb_model_set_class_name(m, 1, "K\u00E4fer"), DKVB_OK);
    dkvb_model_free(m);
}

static void a_name_goes_before_an_index(void **state)
{
    dkvb_model *m = trained_model(1, NULL);
    uint32_t label = 9;

    (void)state;
    assert_int_equal(dkvb_model_set_class_name(m, 0, "2"), DKVB_OK);
    assert_int_equal(dkvb_model_set_class_name(m, 3, "K\u00E4fer"), DKVB_OK);
    assert_int_equal(dkvb_model_find_class(m, "2", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_OK);
    assert_int_equal(label, 0);
    assert_int_equal(dkvb_model_find_class(m, "#2", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_OK);
    assert_int_equal(label, 2);
    assert_int_equal(dkvb_model_find_class(m, "1", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_OK);
    assert_int_equal(label, 1);
    assert_int_equal(dkvb_model_find_class(m, "Ka\u0308fer", DKVB_FIND_NAME, &label), DKVB_OK);
    assert_int_equal(label, 3);
    assert_int_equal(dkvb_model_find_class(m, "1", DKVB_FIND_NAME, &label), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_model_find_class(m, "4", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_ENOTFOUND);
    assert_non_null(strstr(dkvb_last_error(), "its classes are 0 to 3"));
    assert_int_equal(dkvb_model_find_class(m, "", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_model_find_class(m, "99999999999999999999", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_model_find_class(m, "1x", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_model_find_class(m, "\xFF", DKVB_FIND_NAME_OR_INDEX, &label), DKVB_EINVAL);
    assert_int_equal(dkvb_model_find_class(m, "1", 2, &label), DKVB_EINVAL);
    assert_int_equal(label, 3);
    dkvb_model_free(m);
}

static void lists_of_names_are_judged_without_a_model(void **state)
{
    const char *names[] = {"a", NULL, "", "K\u00E4fer", "", "b"};
    size_t which = 99;

    (void)state;
    assert_int_equal(dkvb_model_set_class_names(NULL, names, 6, &which), DKVB_OK);
    names[5] = "Ka\u0308fer";
    assert_int_equal(dkvb_model_set_class_names(NULL, names, 6, &which), DKVB_EINVAL);
    assert_int_equal(which, 5);
    assert_non_null(strstr(dkvb_last_error(), "class 3 is called"));
    names[1] = "tab\t";
    assert_int_equal(dkvb_model_set_class_names(NULL, names, 6, &which), DKVB_EINVAL);
    assert_int_equal(which, 1);
    assert_int_equal(dkvb_model_set_class_names(NULL, NULL, 0, &which), DKVB_OK);
    assert_int_equal(dkvb_model_set_class_names(NULL, NULL, 1, &which), DKVB_EINVAL);
}

static void names_are_replaced_at_once_or_not_at_all(void **state)
{
    const char *first[] = {"a", "b", NULL}, *swapped[] = {"b", "a"}, *twice[] = {"x", "x"}, *taken[] = {"y", "d"};
    dkvb_model *m = trained_model(1, NULL);
    size_t which = 99;

    (void)state;
    assert_ok(dkvb_model_set_class_names(m, first, 3, NULL));
    assert_ok(dkvb_model_set_class_name(m, 3, "d"));
    assert_ok(dkvb_model_set_class_names(m, swapped, 2, NULL)); /* two classes swap their names */
    assert_string_equal(dkvb_model_class_name(m, 0), "b");
    assert_string_equal(dkvb_model_class_name(m, 1), "a");
    assert_int_equal(dkvb_model_set_class_names(m, twice, 2, &which), DKVB_EINVAL);
    assert_int_equal(which, 1);
    /* the name of a class that is not in the list */
    assert_int_equal(dkvb_model_set_class_names(m, taken, 2, &which), DKVB_EINVAL);
    assert_int_equal(which, 1);
    assert_message("class 3 is called 'd' already");
    assert_int_equal(dkvb_model_set_class_names(m, (const char *[5]){0}, 5, &which), DKVB_EINVAL);
    assert_message("5, the model has 4 classes");
    assert_string_equal(dkvb_model_class_name(m, 0), "b");
    assert_string_equal(dkvb_model_class_name(m, 3), "d");
    assert_ok(dkvb_model_train_begin(m, NULL));
    assert_int_equal(dkvb_model_set_class_names(m, first, 3, NULL), DKVB_ESTATE);
    dkvb_model_free(m);
}

static void each_allocation_of_naming_may_fail(void **state)
{
    const char *before[] = {"a", "b", "c"}, *after[] = {"c", "", "a"};
    const char *path = temp_path("named");
    dkvb_model *m = trained_model(1, NULL);
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    assert_ok(dkvb_model_set_class_names(m, before, 3, NULL));
    assert_ok(dkvb_model_save(m, path));
    dkvb_model_free(m);
    for (size_t fail_at = 0; rc != DKVB_OK; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;

        o.allocator = &a;
        assert_ok(dkvb_model_load(&m, path, &o));
        mem.fail_at = mem.calls + fail_at;
        rc = dkvb_model_set_class_names(m, after, 3, NULL);
        assert_true(rc == DKVB_ENOMEM || (rc == DKVB_OK && fail_at == 4));
        assert_string_equal(dkvb_model_class_name(m, 0), rc ? "a" : "c");
        assert_true(!dkvb_model_class_name(m, 1) == (rc == DKVB_OK));
        dkvb_model_free(m);
        assert_int_equal(mem.live, 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composed_and_decomposed_names_are_the_same),
        cmocka_unit_test(other_names_are_others),
        cmocka_unit_test(long_and_odd_texts_do_no_harm),
        cmocka_unit_test(a_name_is_for_one_class_only),
        cmocka_unit_test(a_name_goes_before_an_index),
        cmocka_unit_test(lists_of_names_are_judged_without_a_model),
        cmocka_unit_test(names_are_replaced_at_once_or_not_at_all),
        cmocka_unit_test(each_allocation_of_naming_may_fail),
    };

    return cmocka_run_group_tests_name("names", tests, set_up, NULL);
}
