/* Tests of reading features and labels from arrays: the values, the memory that reading takes, and what happens if
 * memory runs out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data_files.h"

static void assert_features(const float *want, uint64_t rows, uint64_t columns)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F32);
    assert_int_equal(a.ndim, 2);
    assert_int_equal(a.shape[0], rows);
    assert_int_equal(a.shape[1], columns);
    for (size_t d = 2; d < DKVB_ARRAY_MAX_NDIM; d++)
        assert_int_equal(a.shape[d], 0);
    assert_memory_equal(a.data, want, rows * columns * sizeof *want);
    dkvb_array_free(&a);
}

static void features_of_every_float_type_become_float32(void **state)
{
    static const uint16_t halves[4] = {0x3C00, 0xC000, 0x7BFF, 0x0001};
    static const float from_halves[4] = {1.0f, -2.0f, 65504.0f, 0x1p-24f};
    static const double doubles[4] = {0.1, 1e-60, -3.4028234663852886e38, 0x1.0000011p0};
    static const float from_doubles[4] = {0.1f, 0.0f, -3.4028234663852886e38f, 0x1.000002p0f};
    static const unsigned char bytes[4] = {0, 1, 128, 255};
    static const float from_bytes[4] = {0.0f, 1.0f, 128.0f, 255.0f};

    (void)state;
    put_vector("<f2", 4, halves, sizeof halves);
    assert_features(from_halves, 4, 1);
    put_vector("<f8", 4, doubles, sizeof doubles);
    assert_features(from_doubles, 4, 1);
    put_vector("<f4", 4, from_doubles, sizeof from_doubles);
    assert_features(from_doubles, 4, 1);
    put_vector("|u1", 4, bytes, sizeof bytes);
    assert_features(from_bytes, 4, 1);
}

static void further_dimensions_of_features_become_columns(void **state)
{
    static const unsigned char c_order[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const double f_order[12] = {0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11};
    static const float want[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

    (void)state;
    put_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 2), }", c_order, sizeof c_order);
    assert_features(want, 2, 6);
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3, 2), }", f_order, sizeof f_order);
    assert_features(want, 2, 6);
}

static void features_of_other_types_are_refused(void **state)
{
    static const char *const codes[] = {"|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"};
    static const size_t sizes[] = {1, 2, 2, 4, 4, 8, 8};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        put_vector(codes[i], 1, "\0\0\0\0\0\0\0", sizes[i]);
        assert_refused(copy_features, data_path, DKVB_EFORMAT, "features must be float16, float32, float64 or uint8");
    }
}

static void rows_without_columns_are_refused(void **state)
{
    (void)state;
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 0)}", NULL, 0);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "at least 1 column");
}

static void a_number_that_is_not_finite_is_named_by_row_and_column(void **state)
{
    float floats[6] = {0, 1, 2, 3, NAN, 5};
    double doubles[6] = {0, 1e300, 2, 3, 4, 5};
    static const uint16_t halves[6] = {0, 0, 0, 0, 0, 0xFC00};

    (void)state;
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", floats, sizeof floats);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "row 1, column 1 is nan");
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "row 0, column 1 is inf as float32");
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "row 1, column 0 is inf as float32");
    put_npy("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3)}", halves, sizeof halves);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "row 1, column 2 is -inf");
    doubles[1] = 0x1.ffffffp127; /* halfway to the next power of two, which rounds to infinity */
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "row 0, column 1 is inf as float32");
    doubles[1] = 0x1.fffffefffffffp127; /* just below, which rounds to the largest float */
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_features((const float[]){0, 0x1.fffffep127f, 2, 3, 4, 5}, 2, 3);
}

static void codes_are_used_in_place_and_bytes_are_read(void **state)
{
    static const uint64_t shape[3] = {2, 2, 1};
    static const uint16_t codes[4] = {1, 2, 3, 65535}, changed = 9;
    static const uint8_t bytes[2] = {1, 2};
    dkvb_array a = DKVB_ARRAY_INIT;
    FILE *file;

    (void)state;
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_U16, 0, 3, shape, codes), DKVB_OK);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_OK);
    assert_true(a.dtype == DKVB_DTYPE_U16 && a.ndim == 3 && a.shape[0] == 2 && a.shape[1] == 2 && a.shape[2] == 1);
    assert_memory_equal(a.data, codes, sizeof codes);
    file = fopen(data_path, "r+b"); /* changing a file that is in use shows that there is no copy */
    fseek(file, -(long)sizeof changed, SEEK_END);
    fwrite(&changed, sizeof changed, 1, file);
    fclose(file);
    assert_int_equal(((const uint16_t *)a.data)[3], changed);
    dkvb_array_free(&a);
    put_vector("|u1", 2, bytes, sizeof bytes);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_OK);
    assert_memory_equal(a.data, bytes, sizeof bytes);
    dkvb_array_free(&a);
}

static void float32_in_c_order_is_used_in_place_and_the_rest_is_read(void **state)
{
    static const uint64_t shape[2] = {3, 2};
    static const float x[6] = {1, 2, 3, 4, 5, 6}, changed = 7, wrong = NAN, by_columns[6] = {1, 3, 5, 2, 4, 6};
    static const uint16_t halves[2] = {0x3C00, 0xC000};
    dkvb_array a = DKVB_ARRAY_INIT;
    const float *data;
    FILE *file;

    (void)state;
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F32, 0, 2, shape, x), DKVB_OK);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_OK);
    assert_true(a.dtype == DKVB_DTYPE_F32 && a.ndim == 2 && a.shape[0] == 3 && a.shape[1] == 2);
    assert_memory_equal(a.data, x, sizeof x);
    assert_int_equal((uintptr_t)a.data % 64, 0);
    file = fopen(data_path, "r+b"); /* changing a file that is in use shows that there is no copy */
    fseek(file, -(long)sizeof changed, SEEK_END);
    fwrite(&changed, sizeof changed, 1, file);
    fclose(file);
    data = a.data;
    assert_true(data[5] == changed);
    dkvb_array_free(&a);
    assert_null(a.data);

    file = fopen(data_path, "r+b");
    fseek(file, -3 * (long)sizeof wrong, SEEK_END);
    fwrite(&wrong, sizeof wrong, 1, file);
    fclose(file);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_EFORMAT);
    assert_non_null(strstr(dkvb_last_error(), "row 1, column 1 is nan"));
    assert_null(a.data);

    put_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", by_columns, sizeof by_columns);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_OK);
    assert_memory_equal(a.data, x, sizeof x);
    dkvb_array_free(&a);
    put_vector("<f2", 2, halves, sizeof halves);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_OK);
    data = a.data;
    assert_true(data[0] == 1.0f && data[1] == -2.0f);
    dkvb_array_free(&a);
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", x, sizeof x);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_IN_PLACE, NULL), DKVB_EFORMAT);
    assert_non_null(strstr(dkvb_last_error(), "type and shape promise 36"));
}

static void assert_labels(const int32_t *want, size_t rows)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_int_equal(dkvb_labels_read(&a, data_path, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_I32);
    assert_int_equal(a.ndim, 1);
    assert_int_equal(a.shape[0], rows);
    assert_int_equal(a.shape[1], 0);
    assert_memory_equal(a.data, want, rows * sizeof *want);
    dkvb_array_free(&a);
}

static void labels_of_every_integer_type_become_int32(void **state)
{
    (void)state;
    put_vector("|b1", 2, "\0\1", 2);
    assert_labels((const int32_t[]){0, 1}, 2);
    put_vector("|u1", 2, (const uint8_t[]){0, 255}, 2);
    assert_labels((const int32_t[]){0, 255}, 2);
    put_vector("|i1", 2, (const int8_t[]){-1, 127}, 2);
    assert_labels((const int32_t[]){-1, 127}, 2);
    put_vector("<u2", 2, (const uint16_t[]){0, 65535}, 4);
    assert_labels((const int32_t[]){0, 65535}, 2);
    put_vector("<i2", 2, (const int16_t[]){-1, 32767}, 4);
    assert_labels((const int32_t[]){-1, 32767}, 2);
    put_vector("<u4", 2, (const uint32_t[]){0, INT32_MAX}, 8);
    assert_labels((const int32_t[]){0, INT32_MAX}, 2);
    put_vector("<i4", 2, (const int32_t[]){-1, INT32_MAX}, 8);
    assert_labels((const int32_t[]){-1, INT32_MAX}, 2);
    put_vector("<u8", 2, (const uint64_t[]){0, INT32_MAX}, 16);
    assert_labels((const int32_t[]){0, INT32_MAX}, 2);
    put_vector("<i8", 2, (const int64_t[]){-1, INT32_MAX}, 16);
    assert_labels((const int32_t[]){-1, INT32_MAX}, 2);
    put_vector(">i8", 1, "\0\0\0\0\0\0\1\2", 8);
    assert_labels((const int32_t[]){258}, 1);
}

static void a_label_out_of_range_is_named_by_row(void **state)
{
    (void)state;
    put_vector("|i1", 3, (const int8_t[]){0, 1, -2}, 3);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT,
                   "row 2 has the label -2; labels are 0 to 2147483647, and -1 for rows without one");
    put_vector("<i2", 1, (const int16_t[]){-32768}, 2);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "row 0 has the label -32768");
    put_vector("<u4", 2, (const uint32_t[]){0, UINT32_MAX}, 8);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "row 1 has the label 4294967295");
    put_vector("<i4", 1, (const int32_t[]){INT32_MIN}, 4);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "row 0 has the label -2147483648");
    put_vector("<u8", 1, (const uint64_t[]){UINT64_MAX}, 8);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "row 0 has the label 18446744073709551615");
    put_vector("<i8", 1, (const int64_t[]){INT64_C(2147483648)}, 8);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "row 0 has the label 2147483648");
}

static void labels_may_be_a_matrix_of_one_column(void **state)
{
    static const int64_t labels[2] = {3, -1};

    (void)state;
    put_npy("{'descr': '<i8', 'fortran_order': True, 'shape': (2, 1)}", labels, sizeof labels);
    assert_labels((const int32_t[]){3, -1}, 2);
    put_npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2)}", labels, sizeof labels);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "2 columns, labels must have 1");
    put_npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1, 1)}", labels, sizeof labels);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "3 dimensions");
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", labels, sizeof labels);
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "elements are float64; labels must be integers");
}

static dkvb_status read_ids(dkvb_array *out, const char *path, const dkvb_allocator *allocator)
{
    return dkvb_array_read(out, path, DKVB_READ_IDS, allocator);
}

static void ids_are_integers_of_any_type_each_once(void **state)
{
    static const uint64_t large[3] = {UINT64_MAX, 0, 7};
    static const int16_t small[3] = {4, 9, 4}, negative[2] = {4, -9};
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    put_vector("<u8", 3, large, sizeof large);
    assert_int_equal(read_ids(&a, data_path, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_U64);
    assert_memory_equal(a.data, large, sizeof large);
    dkvb_array_free(&a);
    put_vector("<i2", 2, small, 4);
    assert_int_equal(read_ids(&a, data_path, NULL), DKVB_OK);
    assert_int_equal(((const uint64_t *)a.data)[1], 9);
    dkvb_array_free(&a);
    put_vector("<i2", 0, small, 0);
    assert_int_equal(read_ids(&a, data_path, NULL), DKVB_OK);
    assert_int_equal(a.shape[0], 0);
    dkvb_array_free(&a);
    put_vector("<i2", 3, small, sizeof small);
    assert_refused(read_ids, data_path, DKVB_EFORMAT, "rows 0 and 2 both have id 4");
    put_vector("<i2", 2, negative, sizeof negative);
    assert_refused(read_ids, data_path, DKVB_EFORMAT, "row 1 has a negative id");
    put_vector("<f4", 2, large, 8);
    assert_refused(read_ids, data_path, DKVB_EFORMAT, "float32 of 1 dimensions; ids must be a vector of integers");
    put_vector("<i8", 3, (const int64_t[]){1, 2, 3}, 24);
    let_every_allocation_fail(read_ids);
}

static void nothing_leaks_when_an_allocation_fails(void **state)
{
    static const uint64_t data[6] = {0};

    (void)state;
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3)}", data, sizeof data);
    let_every_allocation_fail(copy_array);
    let_every_allocation_fail(copy_features);
    let_every_allocation_fail(map_features);
    put_npy("{'descr': '<f2', 'fortran_order': True, 'shape': (2, 3)}", data, 12);
    let_every_allocation_fail(copy_features);
    let_every_allocation_fail(map_features);
    put_vector("<i8", 6, data, sizeof data);
    let_every_allocation_fail(dkvb_labels_read);
}

/* Asserts that reading 1000 x 100 zeros of `size` bytes takes hardly more memory than the array in the file and the
 * array in float32. */
static void assert_features_peak(const char *code, size_t size)
{
    size_t count = 100000;
    struct measured_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator given = {measured_get, measured_release, &mem};
    dkvb_array a = DKVB_ARRAY_INIT;
    char header[128];
    unsigned char *bytes = calloc(count * size + 256, 1);

    assert_non_null(bytes);
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': True, 'shape': (1000, 100)}", code);
    put_file(bytes, npy(bytes, 1, header, NULL, 0) + count * size);
    free(bytes);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_COPY, &given), DKVB_OK);
    dkvb_array_free(&a);
    assert_true(mem.peak <= count * (size + sizeof(float)) + 1024);
}

static void no_more_than_the_file_and_the_result_is_in_memory_at_once(void **state)
{
    (void)state;
    assert_features_peak("|u1", 1);
    assert_features_peak("<f2", 2);
    assert_features_peak(">f4", 4);
    assert_features_peak("<f8", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_of_every_float_type_become_float32),
        cmocka_unit_test(further_dimensions_of_features_become_columns),
        cmocka_unit_test(features_of_other_types_are_refused),
        cmocka_unit_test(rows_without_columns_are_refused),
        cmocka_unit_test(a_number_that_is_not_finite_is_named_by_row_and_column),
        cmocka_unit_test(labels_of_every_integer_type_become_int32),
        cmocka_unit_test(a_label_out_of_range_is_named_by_row),
        cmocka_unit_test(labels_may_be_a_matrix_of_one_column),
        cmocka_unit_test(codes_are_used_in_place_and_bytes_are_read),
        cmocka_unit_test(float32_in_c_order_is_used_in_place_and_the_rest_is_read),
        cmocka_unit_test(ids_are_integers_of_any_type_each_once),
        cmocka_unit_test(nothing_leaks_when_an_allocation_fails),
        cmocka_unit_test(no_more_than_the_file_and_the_result_is_in_memory_at_once),
    };

    return cmocka_run_group_tests(tests, name_file, NULL);
}
