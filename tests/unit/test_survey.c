/* Tests of checking features and labels before a training. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dkvb/data.h"
#include "fixture.h"

static dkvb_status survey(dkvb_labels_info *info, const int32_t *y, size_t n, uint32_t classes, uint32_t known)
{
    *info = (dkvb_labels_info)DKVB_LABELS_INFO_INIT;
    return dkvb_labels_survey(info, y, n, classes, known, NULL);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_survey_refused(const int32_t *y, size_t n, uint32_t known, const char *part)
{
    dkvb_labels_info info;

    assert_int_equal(survey(&info, y, n, 0, known), DKVB_EMISMATCH);
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

static void labels_without_gaps_pass(void **state)
{
    static const int32_t y[] = {2, -1, 0, 1, -1, 2};
    dkvb_labels_info info;

    (void)state;
    assert_int_equal(survey(&info, y, COUNT(y), 0, 0), DKVB_OK);
    assert_int_equal(info.rows, 6);
    assert_int_equal(info.unlabelled, 2);
    assert_int_equal(info.smallest, 0);
    assert_int_equal(info.largest, 2);
    assert_int_equal(info.largest_row, 0);
    assert_int_equal(info.classes, 3);
    assert_int_equal(info.empty, 0);
    assert_string_equal(info.empty_list, "");
    /* rows without any label are no error here, as the training refuses them */
    assert_int_equal(survey(&info, y + 1, 1, 0, 0), DKVB_OK);
    assert_int_equal(info.largest, -1);
    assert_int_equal(survey(&info, NULL, 0, 0, 0), DKVB_OK);
}

static void habits_of_others_are_named(void **state)
{
    static const int32_t from_one[] = {1, 2, 3, 4}, from_five[] = {5, 6}, signs[] = {-1, 1, 1, -1},
                         mark[] = {0, 1, 2, 255, 1}, gaps[] = {0, 1000, 2000};

    (void)state;
    assert_survey_refused(from_one, 4, 0, "labels are 1 to 4: class 0 has no rows; subtract 1");
    assert_survey_refused(from_five, 2, 0, "labels are 5 to 6: classes 0..4 have no rows; subtract 5");
    assert_survey_refused(signs, 4, 0, "labels are -1 and 1: -1 says that a row has no label (2 of 4)");
    assert_survey_refused(mark, 5, 0, "labels are 0 to 2 and 255: classes 3..254 have no rows; if 255 marks");
    assert_survey_refused(gaps, 3, 0, "1998 of 2001 classes have no rows: 1..999, 1001..1999; number the others");
}

static void classes_that_are_known_may_be_without_rows(void **state)
{
    static const int32_t y[] = {4, 6};
    dkvb_labels_info info;

    (void)state;
    assert_survey_refused(y, 2, 4, "1 of 7 classes have no rows: 5;");
    assert_int_equal(survey(&info, y, 2, 0, 6), DKVB_OK);
    assert_int_equal(survey(&info, y, 2, 0, DKVB_LABELS_ANY), DKVB_OK);
    assert_int_equal(info.empty, 5);
    assert_int_equal(info.first_empty, 0);
    assert_string_equal(info.empty_list, "0..3, 5");
    assert_int_equal(survey(&info, y, 2, 9, DKVB_LABELS_ANY), DKVB_OK);
    assert_string_equal(info.empty_list, "0..3, 5, 7..8");
    assert_int_equal(survey(&info, y, 2, 6, 0), DKVB_EMISMATCH);
    assert_non_null(strstr(dkvb_last_error(), "row 1 has label 6, classes are 0 to 5"));
}

static void a_long_list_is_cut_short(void **state)
{
    int32_t y[200];
    dkvb_labels_info info;

    (void)state;
    for (int i = 0; i < 200; i++)
        y[i] = 2 * i;
    assert_int_equal(survey(&info, y, 200, 0, DKVB_LABELS_ANY), DKVB_OK);
    assert_int_equal(info.empty, 199);
    assert_true(strlen(info.empty_list) < sizeof info.empty_list);
    assert_string_equal(info.empty_list + strlen(info.empty_list) - 5, ", ...");
}

static void memory_that_fails_is_told(void **state)
{
    static const int32_t y[] = {INT32_MAX, 0};
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, 0);
    dkvb_labels_info info = DKVB_LABELS_INFO_INIT;

    (void)state;
    assert_int_equal(dkvb_labels_survey(&info, y, 2, 0, 0, &a), DKVB_ENOMEM);
    assert_int_equal(mem.live, 0);
    assert_int_equal(dkvb_labels_survey(NULL, y, 2, 0, 0, NULL), DKVB_EINVAL);
    info.struct_size = 0;
    assert_int_equal(dkvb_labels_survey(&info, y + 1, 1, 0, 0, NULL), DKVB_EINVAL);
}

static void values_that_dwarf_all_others_are_found(void **state)
{
    dkvb_features_info info = DKVB_FEATURES_INFO_INIT;
    float x[40][8];

    (void)state;
    for (size_t i = 0; i < 40 * 8; i++)
        x[i / 8][i % 8] = (float)(i % 17) - 8.0f;
    assert_int_equal(dkvb_features_survey(&info, *x, 40, 8), DKVB_OK);
    assert_int_equal(info.outlying, 0);
    assert_int_equal(info.rows, 40);
    assert_int_equal(info.columns, 8);
    x[11][3] = -3e38f;
    assert_int_equal(dkvb_features_survey(&info, *x, 40, 8), DKVB_OK);
    assert_int_equal(info.outlying, 1);
    assert_int_equal(info.first_row, 11);
    assert_int_equal(info.first_column, 3);
    assert_true(info.first_value == -3e38f);
    x[11][3] = 9999.0f; /* a feature three orders of magnitude larger than all others is reported, two are not */
    assert_int_equal(dkvb_features_survey(&info, *x, 40, 8), DKVB_OK);
    assert_int_equal(info.outlying, 0);
    x[11][3] = 99999.0f;
    x[12][0] = 99999.0f;
    assert_int_equal(dkvb_features_survey(&info, *x, 40, 8), DKVB_OK);
    assert_int_equal(info.outlying, 2);
    for (size_t r = 0; r < 40; r++) /* huge features that are half of all features are not outliers */
        for (size_t c = 0; c < 4; c++)
            x[r][c] = 99999.0f;
    assert_int_equal(dkvb_features_survey(&info, *x, 40, 8), DKVB_OK);
    assert_int_equal(info.outlying, 0);
    memset(x, 0, sizeof x);
    assert_int_equal(dkvb_features_survey(&info, *x, 40, 8), DKVB_OK);
    assert_int_equal(info.outlying, 0);
    assert_int_equal(dkvb_features_survey(&info, NULL, 0, 8), DKVB_OK);
    assert_int_equal(dkvb_features_survey(&info, NULL, 1, 8), DKVB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_without_gaps_pass),
        cmocka_unit_test(habits_of_others_are_named),
        cmocka_unit_test(classes_that_are_known_may_be_without_rows),
        cmocka_unit_test(a_long_list_is_cut_short),
        cmocka_unit_test(memory_that_fails_is_told),
        cmocka_unit_test(values_that_dwarf_all_others_are_found),
    };

    return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
