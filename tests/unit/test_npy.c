/* Tests of reading and writing .npy files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/half.h"
#include "data/stored.h"
#include "data_files.h"

static void types_have_the_size_and_name_that_numpy_gives_them(void **state)
{
    (void)state;
    assert_int_equal(dkvb__dtype_size(DKVB_DTYPE_U8), 1);
    assert_int_equal(dkvb__dtype_size(DKVB_DTYPE_F16), 2);
    assert_int_equal(dkvb__dtype_size(DKVB_DTYPE_I32), 4);
    assert_int_equal(dkvb__dtype_size(DKVB_DTYPE_F64), 8);
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, DKVB_DTYPE_F32), "float32");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, DKVB_DTYPE_U64), "uint64");
    assert_int_equal(dkvb__dtype_size(0), 0);
    assert_int_equal(dkvb__dtype_size(DKVB_DTYPE_BF16), 2);
    assert_int_equal(dkvb__dtype_size(13), 0);
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, 0), "unknown");
    assert_string_equal(dkvb_name(DKVB_NAME_DTYPE, UINT32_MAX), "unknown");
}

static void every_type_and_byte_order_is_read(void **state)
{
    static const struct {
        const char *code;
        uint32_t dtype;
    } codes[] = {
        {"?", DKVB_DTYPE_U8},    {"|b1", DKVB_DTYPE_U8},  {"|u1", DKVB_DTYPE_U8},  {"|i1", DKVB_DTYPE_I8},
        {"<u2", DKVB_DTYPE_U16}, {"<i2", DKVB_DTYPE_I16}, {"<u4", DKVB_DTYPE_U32}, {"<i4", DKVB_DTYPE_I32},
        {"<u8", DKVB_DTYPE_U64}, {"<i8", DKVB_DTYPE_I64}, {"<f2", DKVB_DTYPE_F16}, {"<f4", DKVB_DTYPE_F32},
        {"<f8", DKVB_DTYPE_F64}, {">u1", DKVB_DTYPE_U8},  {">u2", DKVB_DTYPE_U16}, {">i4", DKVB_DTYPE_I32},
        {">f8", DKVB_DTYPE_F64}, {"=f4", DKVB_DTYPE_F32}, {"i8", DKVB_DTYPE_I64},  {"|f4", DKVB_DTYPE_F32},
    };
    static const unsigned char bytes[16] = {1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t size = dkvb__dtype_size(codes[i].dtype);
        dkvb_array a = DKVB_ARRAY_INIT;

        put_vector(codes[i].code, 2, bytes, 2 * size);
        assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
        assert_int_equal(a.dtype, codes[i].dtype);
        assert_int_equal(a.ndim, 1);
        assert_int_equal(a.shape[0], 2);
        assert_int_equal((uintptr_t)a.data % 64, 0);
        for (size_t b = 0; b < 2 * size; b++) {
            size_t from = codes[i].code[0] == '>' ? b / size * size + (size - 1 - b % size) : b;

            assert_int_equal(((unsigned char *)a.data)[b], bytes[from]);
        }
        dkvb_array_free(&a);
        assert_null(a.data);
    }
}

static void headers_are_read_however_python_writes_them(void **state)
{
    static const char *const headers[] = {
        "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{'shape': (2, 3), 'descr': '<u2', 'fortran_order': False}",
        "{\"fortran_order\":False,\"descr\":\"<u2\",\"shape\":(2,3,)}\n",
        " { 'descr' : '<u2' , 'fortran_order' : False , 'shape' : ( 2 , 3 ) , } \n",
        "{'descr': '<u2',\n 'fortran_order':\tFalse,\r\n 'shape': (2L, 3L)}",
    };
    static const uint16_t data[6] = {1, 2, 3, 4, 5, 6};
    unsigned char bytes[256];

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        for (unsigned version = 1; version <= 3; version++) {
            dkvb_array a = DKVB_ARRAY_INIT;

            put_file(bytes, npy(bytes, version, headers[i], data, sizeof data));
            assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
            assert_int_equal(a.ndim, 2);
            assert_int_equal(a.shape[0], 2);
            assert_int_equal(a.shape[1], 3);
            assert_memory_equal(a.data, data, sizeof data);
            dkvb_array_free(&a);
        }
}

static void a_header_that_is_not_a_plain_arrays_is_refused(void **state)
{
    (void)state;
    assert_header_refused("", "header ends at byte 10, { wanted");
    assert_header_refused("{", "a key in quotes wanted");
    assert_header_refused("{}", "no 'descr'");
    assert_header_refused("x{'descr': '<f4'}", "byte 10 is x, { wanted");
    assert_header_refused("{'descr': '<f4', 'fortran_order': False}", "no 'shape'");
    assert_header_refused("{'descr': '<f4', 'shape': (16,)}", "no 'fortran_order'");
    assert_header_refused("{'descr': '<f4', 'descr': '<f4'}", "key 'descr' twice");
    assert_header_refused("{'descr': '<f4', 'colour': 3}", "key 'colour'");
    assert_header_refused("{'descr': '<f4' 'shape': (16,)}", "byte 26 is ', , wanted");
    assert_header_refused("{'descr' '<f4'}", ": wanted");
    assert_header_refused("{'descr: '<f4'}", "key 'descr: '");
    assert_header_refused("{'descr", "the end of the string wanted");
    assert_header_refused("{'des\\x63r': '<f4'}", "the end of the string wanted");
    assert_header_refused("{'des\ncr': '<f4'}", "byte 15 is 0x0a");
    assert_header_refused("{,}", "byte 11 is ,");
    assert_header_refused("{'descr': '<f4',, 'shape': (16,)}", "byte 26 is ,");
    assert_header_refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (16,)}", "True or False wanted");
    assert_header_refused("{'descr': '<f4', 'fortran_order': Fals", "True or False wanted");
    assert_header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (16,)} x", "white space");
    assert_header_refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (16,)}",
                          "fields of records must be saved one by one");
}

static void a_type_that_is_not_a_number_is_refused(void **state)
{
    static const char *const codes[] = {"",    "<",  "f",       "<f",  "<f3",  "<f16", "<c8", "|S4",
                                        "<U1", "|O", "<M8[ns]", "|V4", "<<f4", "f4<",  "<F4", "<f4 "};
    char header[128];

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (16,)}", codes[i]);
        assert_header_refused(header, "which are not read");
    }
}

static void a_shape_that_is_not_a_tuple_of_dimensions_is_refused(void **state)
{
    static const struct {
        const char *shape, *part;
    } cases[] = {
        {"(16)", ", behind a single dimension wanted"},
        {"16", "( wanted"},
        {"[16]", "( wanted"},
        {"(,)", "a dimension wanted"},
        {"(16,,)", "a dimension wanted"},
        {"(4 4)", ", or ) wanted"},
        {"(-16,)", "byte 61 is -, a dimension wanted"},
        {"(0x10,)", ", or ) wanted"},
        {"(16.0,)", ", or ) wanted"},
        {"(16,", "wanted"},
        {"(1,1,1,1,1,1,1,1,1)", "more than 8 dimensions"},
        {"(18446744073709551616,)", "more than 64 bits"},
        {"(99999999999999999999999,)", "more than 64 bits"},
        {"(18446744073709551615,)", "does not fit in memory"},
        {"(4294967296, 4294967296)", "does not fit in memory"},
        {"(4294967296, 1073741824, 4)", "does not fit in memory"},
        {"(2305843009213693952, 2)", "does not fit in memory"},
        {"(0, 18446744073709551615)", "does not fit in memory"},
        {"(4294967296, 0, 4294967296)", "does not fit in memory"},
        {"(1000000000000,)", "64 bytes from byte 77 on, type and shape promise 4000000000000"},
        {"(15,)", "64 bytes from byte 66 on, type and shape promise 60"},
        {"(17,)", "promise 68"},
        {"(0,)", "promise 0"},
    };
    char header[160];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s}", cases[i].shape);
        assert_header_refused(header, cases[i].part);
    }
}

static void a_huge_promise_asks_for_no_memory(void **state)
{
    struct measured_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator a = {measured_get, measured_release, &mem};
    dkvb_array array = DKVB_ARRAY_INIT;

    (void)state;
    put_vector("<f4", (size_t)1 << 40, "abcd", 4);
    assert_int_equal(dkvb_array_read(&array, data_path, DKVB_READ_COPY, &a), DKVB_EFORMAT);
    assert_true(mem.peak < 1024);
    assert_int_equal(mem.live, 0);
}

static void a_wrong_version_or_header_length_is_refused(void **state)
{
    unsigned char bytes[256];
    size_t size = npy(bytes, 2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "abcd", 4);

    (void)state;
    bytes[6] = 4;
    put_file(bytes, size);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "version 4.0; 1.0, 2.0 or 3.0 is wanted");
    bytes[6] = 0;
    put_file(bytes, size);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "version 0.0");
    bytes[6] = 2;
    bytes[7] = 1;
    put_file(bytes, size);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "version 2.1");
    bytes[7] = 0;
    bytes[11] = 255;
    put_file(bytes, size);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "at most 65535 are taken");
    bytes[11] = 0;
    bytes[9] = 1;
    put_file(bytes, size);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "the header alone ends at byte");
}

static void every_truncation_is_refused(void **state)
{
    static const double data[3] = {1.0, 2.0, 3.0};
    unsigned char bytes[256];
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    for (unsigned version = 1; version <= 3; version++) {
        size_t size =
            npy(bytes, version, "{'descr': '>f8', 'fortran_order': True, 'shape': (3, 1), }\n", data, sizeof data);

        for (size_t cut = 0; cut < size; cut++) {
            put_file(bytes, cut);
            assert_refused(copy_array, data_path, DKVB_EFORMAT, data_path);
        }
        bytes[size] = 0;
        put_file(bytes, size + 1);
        assert_refused(copy_array, data_path, DKVB_EFORMAT, "25 bytes from byte");
        put_file(bytes, size);
        assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
        dkvb_array_free(&a);
    }
}

static void no_change_of_one_byte_of_the_header_is_unsafe(void **state)
{
    unsigned char bytes[256];
    size_t size = npy(bytes, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", "abcdefghijklmnop", 16);
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    for (size_t at = 0; at < size - 16; at++)
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            bytes[at] ^= (unsigned char)flip;
            put_file(bytes, size);
            if (dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL))
                assert_null(a.data);
            dkvb_array_free(&a);
            bytes[at] ^= (unsigned char)flip;
        }
}

static void what_is_not_a_data_file_is_refused(void **state)
{
    char missing[80];

    (void)state;
    snprintf(missing, sizeof missing, "%s/missing", temp_folder());
    assert_refused(copy_array, missing, DKVB_EIO, "cannot open");
    assert_refused(copy_features, temp_folder(), DKVB_EIO, "is a directory");
    assert_refused(dkvb_labels_read, "/dev/null", DKVB_EIO, "is not a regular file");
    put_file("", 0);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "is empty");
    put_file("\x93NUMP", 5);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "begins with the bytes 93 4e 55 4d");
    put_file("1,2,3\n", 6);
    assert_refused(copy_array, data_path, DKVB_EFORMAT,
                   "is text, perhaps CSV; a NumPy (.npy) or IDX file must be given: dkvb_table_read()");
}

static void wrong_arguments_are_refused(void **state)
{
    dkvb_array a = DKVB_ARRAY_INIT, before;

    (void)state;
    put_vector("|u1", 1, "a", 1);
    assert_int_equal(dkvb_array_read(NULL, data_path, DKVB_READ_COPY, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_array_read(&a, NULL, DKVB_READ_COPY, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_array_read(&a, data_path, 3, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_features_read(&a, data_path, 2, NULL), DKVB_EINVAL);
    for (size_t size = 0; size < sizeof a; size++) {
        a.struct_size = size;
        before = a;
        assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_EINVAL);
        assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_EINVAL);
        assert_int_equal(dkvb_labels_read(&a, data_path, NULL), DKVB_EINVAL);
        assert_memory_equal(&a, &before, sizeof a);
    }
    assert_non_null(strstr(dkvb_last_error(), "struct_size"));
}

static void a_larger_struct_keeps_its_size_and_tail(void **state)
{
    struct {
        dkvb_array array;
        uint64_t later;
    } larger = {DKVB_ARRAY_INIT, 42};

    (void)state;
    larger.array.struct_size = sizeof larger;
    put_vector("|u1", 1, "a", 1);
    assert_int_equal(dkvb_array_read(&larger.array, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(larger.array.struct_size, sizeof larger);
    dkvb_array_free(&larger.array);
    assert_int_equal(larger.array.struct_size, sizeof larger);
    assert_int_equal(larger.later, 42);
}

static void free_takes_null_and_empty_arrays(void **state)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    dkvb_array_free(NULL);
    dkvb_array_free(&a);
    dkvb_array_free(&a);
    assert_int_equal(a.struct_size, sizeof a);
}

/* Arrays of shape (2, 3, 4) with elements of 1, 2, 4 and 8 bytes, numbered in C order, are read from Fortran order. */
static void fortran_order_becomes_c_order(void **state)
{
    static const char *const codes[] = {"|u1", "<u2", ">u4", "<u8"};
    unsigned char data[24 * 8];
    char header[128];

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        size_t size = (size_t)1 << c, at = 0;
        dkvb_array a = DKVB_ARRAY_INIT;

        memset(data, 0, sizeof data);
        for (unsigned k = 0; k < 4; k++)
            for (unsigned j = 0; j < 3; j++)
                for (unsigned i = 0; i < 2; i++, at++)
                    data[at * size + (codes[c][0] == '>' ? size - 1 : 0)] = (unsigned char)(i * 12 + j * 4 + k);
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': True, 'shape': (2, 3, 4), }", codes[c]);
        put_npy(header, data, 24 * size);
        assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
        assert_int_equal(a.shape[2], 4);
        for (size_t i = 0; i < 24; i++)
            assert_int_equal(((unsigned char *)a.data)[i * size], i);
        dkvb_array_free(&a);
    }
}

static void fortran_order_of_eight_dimensions_becomes_c_order(void **state)
{
    unsigned char data[256];
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    for (unsigned i = 0; i < 256; i++) { /* in Fortran order, the index of element i has the bits of i reversed */
        unsigned place = 0;

        for (unsigned bit = 0; bit < 8; bit++)
            place |= (i >> bit & 1) << (7 - bit);
        data[place] = (unsigned char)i;
    }
    put_npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2, 2, 2, 2, 2, 2)}", data, sizeof data);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.ndim, 8);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(((unsigned char *)a.data)[i], i);
    dkvb_array_free(&a);
}

static void empty_arrays_have_no_data(void **state)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (0, 5), }\n", NULL, 0);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F64);
    assert_null(a.data);
    dkvb_array_free(&a);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F32);
    assert_int_equal(a.shape[0], 0);
    assert_int_equal(a.shape[1], 5);
    assert_null(a.data);
    dkvb_array_free(&a);
    put_npy("{'descr': '<u8', 'fortran_order': False, 'shape': (0,), }\n", NULL, 0);
    assert_int_equal(dkvb_labels_read(&a, data_path, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_I32);
    assert_int_equal(a.ndim, 1);
    assert_int_equal(a.shape[0], 0);
    assert_null(a.data);
    dkvb_array_free(&a);
}

static void a_single_number_is_an_array_of_no_dimensions(void **state)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    put_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "a", 1);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.ndim, 0);
    assert_int_equal(*(unsigned char *)a.data, 'a');
    dkvb_array_free(&a);
    assert_refused(copy_features, data_path, DKVB_EFORMAT, "a single number");
    assert_refused(dkvb_labels_read, data_path, DKVB_EFORMAT, "0 dimensions");
}

static void a_bool_is_0_or_1(void **state)
{
    (void)state;
    put_vector("|b1", 3, "\0\1\2", 3);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, "is 2, a bool is 0 or 1");
}

static void what_is_written_is_read_again(void **state)
{
    static const uint64_t shape[DKVB_ARRAY_MAX_NDIM] = {2, 1, 3, 1, 1, 2, 1, 1};
    uint64_t data[12];

    (void)state;
    for (unsigned i = 0; i < sizeof data; i++)
        ((unsigned char *)data)[i] = (unsigned char)(i * 7);
    for (uint32_t dtype = DKVB_DTYPE_U8; dtype <= DKVB_DTYPE_F64; dtype++)
        for (uint32_t ndim = 0; ndim <= DKVB_ARRAY_MAX_NDIM; ndim++) {
            size_t bytes = dkvb__dtype_size(dtype);
            dkvb_array a = DKVB_ARRAY_INIT;

            for (uint32_t d = 0; d < ndim; d++)
                bytes *= (size_t)shape[d];
            assert_int_equal(dkvb_npy_write(data_path, dtype, 0, ndim, shape, data), DKVB_OK);
            assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
            assert_int_equal(a.dtype, dtype);
            assert_int_equal(a.ndim, ndim);
            assert_memory_equal(a.shape, shape, ndim * sizeof *shape);
            assert_memory_equal(a.data, data, bytes);
            dkvb_array_free(&a);
        }
}

static void a_written_header_is_byte_for_byte_known(void **state)
{
    static const uint64_t shape[2] = {2, 3};
    static const uint16_t data[6] = {1, 2, 3, 4, 5, 6};
    const char *header = "\x93NUMPY\1\0\x76\0{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }";
    char bytes[256];
    FILE *file;

    (void)state;
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_U16, 0, 2, shape, data), DKVB_OK);
    file = fopen(data_path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), 128 + sizeof data);
    assert_int_equal(fclose(file), 0);
    assert_memory_equal(bytes, header, 10);
    assert_memory_equal(bytes + 10, header + 10, strlen(header + 10));
    for (size_t i = 10 + strlen(header + 10); i < 127; i++)
        assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, data, sizeof data);
}

static void the_longest_header_and_no_element_can_be_written(void **state)
{
    static const uint64_t shape[DKVB_ARRAY_MAX_NDIM] = {0, 9223372036854775807, 1, 1, 1, 1, 1, 1};
    static const uint64_t wide[DKVB_ARRAY_MAX_NDIM] = {0, 100, 100, 100, 100, 100, 100, 100};
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_I8, 0, 8, shape, NULL), DKVB_OK);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_memory_equal(a.shape, shape, sizeof shape);
    assert_null(a.data);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F64, 0, 8, wide, NULL), DKVB_OK);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_memory_equal(a.shape, wide, sizeof wide);
}

static void a_write_that_cannot_be_done_leaves_the_file_alone(void **state)
{
    static const uint64_t shape[2] = {1, 1}, huge[2] = {UINT64_C(1) << 40, UINT64_C(1) << 40};
    struct stat st;

    (void)state;
    put_file("old", 3);
    assert_int_equal(dkvb_npy_write(NULL, DKVB_DTYPE_F32, 0, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, 0, 0, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, 13, 0, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_BF16, 0, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F32, 0, 9, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F32, 0, 2, NULL, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F32, 0, 2, shape, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F32, 0, 2, huge, "abcd"), DKVB_EINVAL);
    assert_int_equal(stat(data_path, &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(dkvb_npy_write(temp_folder(), DKVB_DTYPE_F32, 0, 2, shape, "abcd"), DKVB_EIO);
}

static void float32_is_written_as_float16_where_that_is_asked_for(void **state)
{
    enum { COUNT = 5000 }; /* more elements than one block of writing */
    static float floats[COUNT];
    static const uint64_t shape[2] = {COUNT / 2, 2};
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        floats[i] = (float)i / 7.0f;
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F16, DKVB_DTYPE_F32, 2, shape, floats), DKVB_OK);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F16);
    assert_int_equal(a.shape[0], COUNT / 2);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(((const uint16_t *)a.data)[i], dkvb__float_to_half(floats[i]));
    dkvb_array_free(&a);
    assert_int_equal(dkvb_npy_write(data_path, DKVB_DTYPE_F32, DKVB_DTYPE_F16, 2, shape, floats), DKVB_EINVAL);
    assert_non_null(strstr(dkvb_last_error(), "float32 is not made of float16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_the_size_and_name_that_numpy_gives_them),
        cmocka_unit_test(every_type_and_byte_order_is_read),
        cmocka_unit_test(headers_are_read_however_python_writes_them),
        cmocka_unit_test(a_header_that_is_not_a_plain_arrays_is_refused),
        cmocka_unit_test(a_type_that_is_not_a_number_is_refused),
        cmocka_unit_test(a_shape_that_is_not_a_tuple_of_dimensions_is_refused),
        cmocka_unit_test(a_huge_promise_asks_for_no_memory),
        cmocka_unit_test(a_wrong_version_or_header_length_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_change_of_one_byte_of_the_header_is_unsafe),
        cmocka_unit_test(what_is_not_a_data_file_is_refused),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(a_larger_struct_keeps_its_size_and_tail),
        cmocka_unit_test(free_takes_null_and_empty_arrays),
        cmocka_unit_test(fortran_order_becomes_c_order),
        cmocka_unit_test(fortran_order_of_eight_dimensions_becomes_c_order),
        cmocka_unit_test(empty_arrays_have_no_data),
        cmocka_unit_test(a_single_number_is_an_array_of_no_dimensions),
        cmocka_unit_test(a_bool_is_0_or_1),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_written_header_is_byte_for_byte_known),
        cmocka_unit_test(the_longest_header_and_no_element_can_be_written),
        cmocka_unit_test(float32_is_written_as_float16_where_that_is_asked_for),
        cmocka_unit_test(a_write_that_cannot_be_done_leaves_the_file_alone),
    };

    return cmocka_run_group_tests(tests, name_file, NULL);
}
