/* Reading and writing .npy files, and what features and labels make of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dkvb/data.h"
#include "files.h"

static char path[128];

static int name_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s", temp_path("file"));
    return 0;
}

static void put_file(const void *data, size_t size)
{
    write_file(path, data, size);
}

/* A .npy file of any version in `to`: its size. */
static size_t npy(unsigned char *to, unsigned version, const char *header, const void *data, size_t size)
{
    size_t length = strlen(header), at = version == 1 ? 10 : 12;

    memcpy(to, "\x93NUMPY", 6);
    to[6] = (unsigned char)version;
    to[7] = 0;
    to[8] = (unsigned char)(length & 255);
    to[9] = (unsigned char)(length >> 8);
    to[10] = to[11] = 0;
    memcpy(to + at, header, length);
    if (size > 0)
        memcpy(to + at + length, data, size);
    return at + length + size;
}

static void put_npy(const char *header, const void *data, size_t size)
{
    unsigned char bytes[1024];

    put_file(bytes, npy(bytes, 1, header, data, size));
}

/* A one-dimensional file in C order. */
static void put_vector(const char *type, size_t n, const void *data, size_t size)
{
    char header[128];

    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }\n", type, n);
    put_npy(header, data, size);
}

typedef dkvb_status (*read_fn)(dkvb_array *out, const char *path, const dkvb_allocator *allocator);

/* The call fails, leaves the array empty and says `part`. */
static void assert_refused(read_fn read, const char *name, dkvb_status code, const char *part)
{
    dkvb_array a = DKVB_ARRAY_INIT, empty;

    memset(&empty, 0, sizeof empty);
    empty.struct_size = sizeof empty;
    a.ndim = 7;
    a.data = &a;
    assert_int_equal(read(&a, name, NULL), code);
    assert_memory_equal(&a, &empty, sizeof a);
    assert_non_null(strstr(dkvb_last_error(), name));
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

static void assert_header_refused(const char *header, const char *part)
{
    const unsigned char data[64] = {0};

    put_npy(header, data, sizeof data);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, part);
}

struct failing_alloc {
    size_t fail_at, calls, live, bytes, peak;
};

static void *failing_get(void *user, size_t size)
{
    struct failing_alloc *f = user;
    size_t *block;

    if (f->calls++ == f->fail_at)
        return NULL;
    block = malloc(size + 2 * sizeof(size_t));
    if (!block)
        return NULL;
    block[0] = size;
    f->live++;
    f->bytes += size;
    if (f->bytes > f->peak)
        f->peak = f->bytes;
    return block + 2;
}

static void failing_release(void *user, void *ptr)
{
    struct failing_alloc *f = user;
    size_t *block = (size_t *)ptr - 2;

    f->live--;
    f->bytes -= block[0];
    free(block);
}

static void types_have_the_size_and_name_that_numpy_gives_them(void **state)
{
    (void)state;
    assert_int_equal(dkvb_dtype_size(DKVB_DTYPE_U8), 1);
    assert_int_equal(dkvb_dtype_size(DKVB_DTYPE_F16), 2);
    assert_int_equal(dkvb_dtype_size(DKVB_DTYPE_I32), 4);
    assert_int_equal(dkvb_dtype_size(DKVB_DTYPE_F64), 8);
    assert_string_equal(dkvb_dtype_name(DKVB_DTYPE_F32), "float32");
    assert_string_equal(dkvb_dtype_name(DKVB_DTYPE_U64), "uint64");
    assert_int_equal(dkvb_dtype_size(0), 0);
    assert_int_equal(dkvb_dtype_size(12), 0);
    assert_string_equal(dkvb_dtype_name(0), "unknown");
    assert_string_equal(dkvb_dtype_name(UINT32_MAX), "unknown");
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
        size_t size = dkvb_dtype_size(codes[i].dtype);
        dkvb_array a = DKVB_ARRAY_INIT;

        put_vector(codes[i].code, 2, bytes, 2 * size);
        assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
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
            assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
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
    assert_header_refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (16,)}", "records are not taken");
}

static void a_type_that_is_not_a_number_is_refused(void **state)
{
    static const char *const codes[] = {"",    "<",  "f",       "<f",  "<f3",  "<f16", "<c8", "|S4",
                                        "<U1", "|O", "<M8[ns]", "|V4", "<<f4", "f4<",  "<F4", "<f4 "};
    char header[128];

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (16,)}", codes[i]);
        assert_header_refused(header, "elements are '");
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
    struct failing_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator a = {failing_get, failing_release, &mem};
    dkvb_array array = DKVB_ARRAY_INIT;

    (void)state;
    put_vector("<f4", (size_t)1 << 40, "abcd", 4);
    assert_int_equal(dkvb_array_read(&array, path, &a), DKVB_EFORMAT);
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
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "version 4.0; 1.0, 2.0 or 3.0 is wanted");
    bytes[6] = 0;
    put_file(bytes, size);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "version 0.0");
    bytes[6] = 2;
    bytes[7] = 1;
    put_file(bytes, size);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "version 2.1");
    bytes[7] = 0;
    bytes[11] = 255;
    put_file(bytes, size);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "at most 65535 are taken");
    bytes[11] = 0;
    bytes[9] = 1;
    put_file(bytes, size);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "the header alone ends at byte");
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
            assert_refused(dkvb_array_read, path, DKVB_EFORMAT, path);
        }
        bytes[size] = 0;
        put_file(bytes, size + 1);
        assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "25 bytes from byte");
        put_file(bytes, size);
        assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
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
            if (dkvb_array_read(&a, path, NULL))
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
    assert_refused(dkvb_array_read, missing, DKVB_EIO, "cannot open");
    assert_refused(dkvb_features_read, temp_folder(), DKVB_EIO, "is a directory");
    assert_refused(dkvb_labels_read, "/dev/null", DKVB_EIO, "is not a regular file");
    put_file("", 0);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "0 bytes");
    put_file("1,2,3\n", 6);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "begins with the bytes 31 2c 32 2c");
}

static void wrong_arguments_are_refused(void **state)
{
    dkvb_array a = DKVB_ARRAY_INIT, before;

    (void)state;
    put_vector("|u1", 1, "a", 1);
    assert_int_equal(dkvb_array_read(NULL, path, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_array_read(&a, NULL, NULL), DKVB_EINVAL);
    for (size_t size = 0; size < sizeof a; size++) {
        a.struct_size = size;
        before = a;
        assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_EINVAL);
        assert_int_equal(dkvb_features_read(&a, path, NULL), DKVB_EINVAL);
        assert_int_equal(dkvb_labels_read(&a, path, NULL), DKVB_EINVAL);
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
    assert_int_equal(dkvb_array_read(&larger.array, path, NULL), DKVB_OK);
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

/* Element sizes 1, 2, 4 and 8 of shape (2, 3, 4), numbered in C order. */
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
        assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
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
    for (unsigned i = 0; i < 256; i++) { /* the place of element i has the bits of i in reverse */
        unsigned place = 0;

        for (unsigned bit = 0; bit < 8; bit++)
            place |= (i >> bit & 1) << (7 - bit);
        data[place] = (unsigned char)i;
    }
    put_npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2, 2, 2, 2, 2, 2)}", data, sizeof data);
    assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
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
    assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F64);
    assert_null(a.data);
    dkvb_array_free(&a);
    assert_int_equal(dkvb_features_read(&a, path, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F32);
    assert_int_equal(a.shape[0], 0);
    assert_int_equal(a.shape[1], 5);
    assert_null(a.data);
    dkvb_array_free(&a);
    put_npy("{'descr': '<u8', 'fortran_order': False, 'shape': (0,), }\n", NULL, 0);
    assert_int_equal(dkvb_labels_read(&a, path, NULL), DKVB_OK);
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
    assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
    assert_int_equal(a.ndim, 0);
    assert_int_equal(*(unsigned char *)a.data, 'a');
    dkvb_array_free(&a);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "a single number");
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "0 dimensions");
}

static void a_bool_is_0_or_1(void **state)
{
    (void)state;
    put_vector("|b1", 3, "\0\1\2", 3);
    assert_refused(dkvb_array_read, path, DKVB_EFORMAT, "is 2, a bool is 0 or 1");
}

static void assert_features(const float *want, uint64_t rows, uint64_t columns)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_int_equal(dkvb_features_read(&a, path, NULL), DKVB_OK);
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
        assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "features are float16, float32, float64 or uint8");
    }
}

static void rows_without_columns_are_refused(void **state)
{
    (void)state;
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 0)}", NULL, 0);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "at least 1 column");
}

static void a_number_that_is_not_finite_is_named_by_row_and_column(void **state)
{
    float floats[6] = {0, 1, 2, 3, NAN, 5};
    double doubles[6] = {0, 1e300, 2, 3, 4, 5};
    static const uint16_t halves[6] = {0, 0, 0, 0, 0, 0xFC00};

    (void)state;
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", floats, sizeof floats);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "row 1, column 1 is nan");
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "row 0, column 1 is inf as float32");
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "row 1, column 0 is inf as float32");
    put_npy("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3)}", halves, sizeof halves);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "row 1, column 2 is -inf");
    doubles[1] = 0x1.ffffffp127; /* halfway to the next power: rounds to infinity */
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_refused(dkvb_features_read, path, DKVB_EFORMAT, "row 0, column 1 is inf as float32");
    doubles[1] = 0x1.fffffefffffffp127; /* just below: rounds to the largest float */
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}", doubles, sizeof doubles);
    assert_features((const float[]){0, 0x1.fffffep127f, 2, 3, 4, 5}, 2, 3);
}

static void assert_labels(const int32_t *want, size_t rows)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_int_equal(dkvb_labels_read(&a, path, NULL), DKVB_OK);
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
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "row 2 has the label -2, -1 to 2147483647 is wanted");
    put_vector("<i2", 1, (const int16_t[]){-32768}, 2);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "row 0 has the label -32768");
    put_vector("<u4", 2, (const uint32_t[]){0, UINT32_MAX}, 8);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "row 1 has the label 4294967295");
    put_vector("<i4", 1, (const int32_t[]){INT32_MIN}, 4);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "row 0 has the label -2147483648");
    put_vector("<u8", 1, (const uint64_t[]){UINT64_MAX}, 8);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "row 0 has the label 18446744073709551615");
    put_vector("<i8", 1, (const int64_t[]){INT64_C(2147483648)}, 8);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "row 0 has the label 2147483648");
}

static void labels_may_be_a_matrix_of_one_column(void **state)
{
    static const int64_t labels[2] = {3, -1};

    (void)state;
    put_npy("{'descr': '<i8', 'fortran_order': True, 'shape': (2, 1)}", labels, sizeof labels);
    assert_labels((const int32_t[]){3, -1}, 2);
    put_npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2)}", labels, sizeof labels);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "2 columns, labels have 1");
    put_npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1, 1)}", labels, sizeof labels);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "3 dimensions");
    put_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", labels, sizeof labels);
    assert_refused(dkvb_labels_read, path, DKVB_EFORMAT, "elements are float64; labels are integers");
}

static void let_every_allocation_fail(read_fn read)
{
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem = {.fail_at = fail_at};
        dkvb_allocator given = {failing_get, failing_release, &mem};
        dkvb_array a = DKVB_ARRAY_INIT;
        dkvb_status rc = read(&a, path, &given);

        dkvb_array_free(&a);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            return;
        assert_int_equal(rc, DKVB_ENOMEM);
        assert_non_null(strstr(dkvb_last_error(), "out of memory"));
    }
}

static void nothing_leaks_when_an_allocation_fails(void **state)
{
    static const uint64_t data[6] = {0};

    (void)state;
    put_npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3)}", data, sizeof data);
    let_every_allocation_fail(dkvb_array_read);
    let_every_allocation_fail(dkvb_features_read);
    put_npy("{'descr': '<f2', 'fortran_order': True, 'shape': (2, 3)}", data, 12);
    let_every_allocation_fail(dkvb_features_read);
    put_vector("<i8", 6, data, sizeof data);
    let_every_allocation_fail(dkvb_labels_read);
}

/* 1000 x 100 zeros of `size` bytes each: as read and as wanted, and some small change. */
static void assert_features_peak(const char *code, size_t size)
{
    size_t count = 100000;
    struct failing_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator given = {failing_get, failing_release, &mem};
    dkvb_array a = DKVB_ARRAY_INIT;
    char header[128];
    unsigned char *bytes = calloc(count * size + 256, 1);

    assert_non_null(bytes);
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': True, 'shape': (1000, 100)}", code);
    put_file(bytes, npy(bytes, 1, header, NULL, 0) + count * size);
    free(bytes);
    assert_int_equal(dkvb_features_read(&a, path, &given), DKVB_OK);
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

static void what_is_written_is_read_again(void **state)
{
    static const uint64_t shape[DKVB_ARRAY_MAX_NDIM] = {2, 1, 3, 1, 1, 2, 1, 1};
    uint64_t data[12];

    (void)state;
    for (unsigned i = 0; i < sizeof data; i++)
        ((unsigned char *)data)[i] = (unsigned char)(i * 7);
    for (uint32_t dtype = DKVB_DTYPE_U8; dtype <= DKVB_DTYPE_F64; dtype++)
        for (uint32_t ndim = 0; ndim <= DKVB_ARRAY_MAX_NDIM; ndim++) {
            size_t bytes = dkvb_dtype_size(dtype);
            dkvb_array a = DKVB_ARRAY_INIT;

            for (uint32_t d = 0; d < ndim; d++)
                bytes *= (size_t)shape[d];
            assert_int_equal(dkvb_npy_write(path, dtype, ndim, shape, data), DKVB_OK);
            assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
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
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_U16, 2, shape, data), DKVB_OK);
    file = fopen(path, "rb");
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
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_I8, 8, shape, NULL), DKVB_OK);
    assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
    assert_memory_equal(a.shape, shape, sizeof shape);
    assert_null(a.data);
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_F64, 8, wide, NULL), DKVB_OK);
    assert_int_equal(dkvb_array_read(&a, path, NULL), DKVB_OK);
    assert_memory_equal(a.shape, wide, sizeof wide);
}

static void a_write_that_cannot_be_done_leaves_the_file_alone(void **state)
{
    static const uint64_t shape[2] = {1, 1}, huge[2] = {UINT64_C(1) << 40, UINT64_C(1) << 40};
    struct stat st;

    (void)state;
    put_file("old", 3);
    assert_int_equal(dkvb_npy_write(NULL, DKVB_DTYPE_F32, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(path, 0, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(path, 12, 2, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_F32, 9, shape, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_F32, 2, NULL, "abcd"), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_F32, 2, shape, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_npy_write(path, DKVB_DTYPE_F32, 2, huge, "abcd"), DKVB_EINVAL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(dkvb_npy_write(temp_folder(), DKVB_DTYPE_F32, 2, shape, "abcd"), DKVB_EIO);
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
        cmocka_unit_test(features_of_every_float_type_become_float32),
        cmocka_unit_test(further_dimensions_of_features_become_columns),
        cmocka_unit_test(features_of_other_types_are_refused),
        cmocka_unit_test(rows_without_columns_are_refused),
        cmocka_unit_test(a_number_that_is_not_finite_is_named_by_row_and_column),
        cmocka_unit_test(labels_of_every_integer_type_become_int32),
        cmocka_unit_test(a_label_out_of_range_is_named_by_row),
        cmocka_unit_test(labels_may_be_a_matrix_of_one_column),
        cmocka_unit_test(nothing_leaks_when_an_allocation_fails),
        cmocka_unit_test(no_more_than_the_file_and_the_result_is_in_memory_at_once),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_written_header_is_byte_for_byte_known),
        cmocka_unit_test(the_longest_header_and_no_element_can_be_written),
        cmocka_unit_test(a_write_that_cannot_be_done_leaves_the_file_alone),
    };

    return cmocka_run_group_tests(tests, name_file, NULL);
}
