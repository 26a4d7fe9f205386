/* Tests of reading IDX files, plain and packed by gzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "data_files.h"

/* uint8[2][3] */
static const unsigned char small[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255};

/* Packs data into one gzip member in `to`, which has room, and returns its size. */
static size_t pack(unsigned char *to, size_t room, const void *data, size_t size)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)data;
    z.avail_in = (unsigned)size;
    z.next_out = to;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return room - z.avail_out;
}

static void put_packed(const void *data, size_t size)
{
    size_t room = size + size / 8 + 256;
    unsigned char *packed = malloc(room);

    assert_non_null(packed);
    put_file(packed, pack(packed, room, data, size));
    free(packed);
}

static void assert_idx_refused(dkvb_status code, const char *part)
{
    assert_refused(copy_array, data_path, code, part);
}

static void assert_small_is_read(void)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_U8);
    assert_int_equal(a.ndim, 2);
    assert_int_equal(a.shape[0], 2);
    assert_int_equal(a.shape[1], 3);
    assert_int_equal((uintptr_t)a.data % 64, 0);
    assert_memory_equal(a.data, small + 12, 6);
    dkvb_array_free(&a);
}

static void a_small_file_is_read_plain_and_packed(void **state)
{
    (void)state;
    put_file(small, sizeof small);
    assert_small_is_read();
    put_packed(small, sizeof small);
    assert_small_is_read();
}

static void every_type_is_read_from_big_endian(void **state)
{
    static const struct {
        unsigned char code;
        uint32_t dtype;
        size_t size;
        unsigned char big[8], little[8];
    } types[] = {
        {0x08, DKVB_DTYPE_U8, 1, {200}, {200}},
        {0x09, DKVB_DTYPE_I8, 1, {0xFE}, {0xFE}},
        {0x0B, DKVB_DTYPE_I16, 2, {0xFF, 0xFE}, {0xFE, 0xFF}},
        {0x0C, DKVB_DTYPE_I32, 4, {1, 2, 3, 4}, {4, 3, 2, 1}},
        {0x0D, DKVB_DTYPE_F32, 4, {0x3F, 0x80, 0, 0}, {0, 0, 0x80, 0x3F}},
        {0x0E, DKVB_DTYPE_F64, 8, {0x3F, 0xF0, 0, 0, 0, 0, 0, 1}, {1, 0, 0, 0, 0, 0, 0xF0, 0x3F}},
    };

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        unsigned char bytes[16] = {0, 0, types[t].code, 1, 0, 0, 0, 1};

        memcpy(bytes + 8, types[t].big, 8);
        for (int packed = 0; packed < 2; packed++) {
            dkvb_array a = DKVB_ARRAY_INIT;

            (packed ? put_packed : put_file)(bytes, 8 + types[t].size);
            assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
            assert_int_equal(a.dtype, types[t].dtype);
            assert_memory_equal(a.data, types[t].little, types[t].size);
            dkvb_array_free(&a);
        }
    }
}

static void images_become_features_and_classes_become_labels(void **state)
{
    static const float want[6] = {1, 2, 3, 4, 5, 255};
    static const unsigned char classes[] = {0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 255};
    static const int32_t labels[3] = {9, 0, 255};
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    put_packed(small, sizeof small);
    assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_F32);
    assert_memory_equal(a.data, want, sizeof want);
    dkvb_array_free(&a);
    put_packed(classes, sizeof classes);
    assert_int_equal(dkvb_labels_read(&a, data_path, NULL), DKVB_OK);
    assert_int_equal(a.dtype, DKVB_DTYPE_I32);
    assert_memory_equal(a.data, labels, sizeof labels);
    dkvb_array_free(&a);
}

static void every_truncation_is_refused(void **state)
{
    unsigned char packed[256];
    size_t size = pack(packed, sizeof packed, small, sizeof small);

    (void)state;
    for (size_t cut = 0; cut < sizeof small; cut++) {
        put_file(small, cut);
        assert_idx_refused(DKVB_EFORMAT, "");
        put_packed(small, cut);
        assert_idx_refused(DKVB_EFORMAT, cut < 12 ? "an IDX header is longer" : "type and shape promise 6");
    }
    for (size_t cut = 0; cut < size; cut++) {
        put_file(packed, cut);
        assert_idx_refused(DKVB_EFORMAT, cut < 2 ? "a NumPy (.npy) or IDX file must be given" : "gzip data is cut off");
    }
}

static void bytes_behind_the_elements_are_refused(void **state)
{
    unsigned char longer[sizeof small + 1] = {0}, packed[256];
    size_t size = pack(packed, sizeof packed, small, sizeof small);

    (void)state;
    memcpy(longer, small, sizeof small);
    put_file(longer, sizeof longer);
    assert_idx_refused(DKVB_EFORMAT, "7 bytes from byte 12 on, type and shape promise 6");
    put_packed(longer, sizeof longer);
    assert_idx_refused(DKVB_EFORMAT, "unpacks to more than the 6 bytes");
    packed[size] = 0;
    put_file(packed, size + 1);
    /* a further byte could be the beginning of another gzip member */
    assert_idx_refused(DKVB_EFORMAT, "gzip data is cut off");
    memcpy(packed + size, "trailing garbage", 16);
    put_file(packed, size + 16);
    assert_idx_refused(DKVB_ECHECKSUM, "gzip data is damaged");
}

/* Some bits of a gzip file have no meaning: time and system in the header, and the padding of the last byte of the
 * stream. */
static void damage_to_packed_data_never_changes_what_is_read(void **state)
{
    unsigned char packed[256];
    size_t size = pack(packed, sizeof packed, small, sizeof small);

    (void)state;
    for (size_t at = 0; at < size; at++)
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            dkvb_array a = DKVB_ARRAY_INIT;

            packed[at] ^= (unsigned char)flip;
            put_file(packed, size);
            if (dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL) == DKVB_OK)
                assert_small_is_read();
            else
                assert_null(a.data);
            dkvb_array_free(&a);
            packed[at] ^= (unsigned char)flip;
        }
}

static void a_wrong_crc_or_length_is_a_checksum_error(void **state)
{
    unsigned char packed[256];
    size_t size = pack(packed, sizeof packed, small, sizeof small);

    (void)state;
    packed[size - 8] ^= 1;
    put_file(packed, size);
    assert_idx_refused(DKVB_ECHECKSUM, "incorrect data check");
    packed[size - 8] ^= 1;
    packed[size - 1] ^= 1;
    put_file(packed, size);
    assert_idx_refused(DKVB_ECHECKSUM, "incorrect length check");
}

static void members_one_after_the_other_are_one_file(void **state)
{
    unsigned char packed[512];

    (void)state;
    for (size_t cut = 0; cut <= sizeof small; cut++) {
        size_t size = pack(packed, sizeof packed, small, cut);

        size += pack(packed + size, sizeof packed - size, small, 0);
        size += pack(packed + size, sizeof packed - size, small + cut, sizeof small - cut);
        put_file(packed, size);
        assert_small_is_read();
    }
}

static void a_header_that_is_not_idx_is_refused(void **state)
{
    unsigned char bytes[sizeof small];

    (void)state;
    memcpy(bytes, small, sizeof bytes);
    bytes[2] = 0x0A;
    put_file(bytes, sizeof bytes);
    assert_idx_refused(DKVB_EFORMAT, "begins with the bytes 00 00 0a; IDX has 00 00 and a type");
    put_packed(bytes, sizeof bytes);
    assert_idx_refused(DKVB_EFORMAT, "unpacks to the bytes 00 00 0a");
    put_packed("\x93NUMPY....", 10);
    assert_idx_refused(DKVB_EFORMAT,
                       "is a NumPy array (.npy) packed by gzip; only IDX is read packed: unpack it by gunzip first");
    bytes[2] = 8;
    bytes[3] = 0;
    put_file(bytes, sizeof bytes);
    assert_idx_refused(DKVB_EFORMAT, "0 dimensions, 1 to 8 are wanted");
    bytes[3] = 9;
    put_packed(bytes, sizeof bytes);
    assert_idx_refused(DKVB_EFORMAT, "9 dimensions, 1 to 8 are wanted");
}

static void a_product_that_overflows_is_refused(void **state)
{
    unsigned char bytes[36] = {0, 0, 0x0E, 3};

    (void)state;
    memset(bytes + 4, 255, 12);
    put_file(bytes, sizeof bytes);
    assert_idx_refused(DKVB_EFORMAT, "does not fit in memory");
    put_packed(bytes, sizeof bytes);
    assert_idx_refused(DKVB_EFORMAT, "does not fit in memory");
}

/* If the header of a file declares 4 GiB, plain or packed, memory grows only with the bytes that are read. */
static void a_huge_promise_gets_little_memory(void **state)
{
    static const unsigned char bytes[] = {0, 0, 8, 1, 255, 255, 255, 255, 1, 2, 3};
    dkvb_array array = DKVB_ARRAY_INIT;

    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        struct measured_alloc mem = {.fail_at = SIZE_MAX};
        dkvb_allocator a = {measured_get, measured_release, &mem};

        (packed ? put_packed : put_file)(bytes, sizeof bytes);
        assert_int_equal(dkvb_array_read(&array, data_path, DKVB_READ_COPY, &a), DKVB_EFORMAT);
        assert_non_null(strstr(dkvb_last_error(), "promise 4294967295"));
        assert_true(mem.largest < 512 * 1024);
        assert_int_equal(mem.live, 0);
    }
}

static void data_that_packs_well_is_read_in_growing_pieces(void **state)
{
    size_t count = 3000001;
    unsigned char *bytes = calloc(8 + count, 1);
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    assert_non_null(bytes);
    bytes[2] = 8;
    bytes[3] = 1;
    for (size_t i = 0; i < 4; i++)
        bytes[4 + i] = (unsigned char)(count >> (24 - 8 * i));
    for (size_t i = 0; i < count; i++)
        bytes[8 + i] = (unsigned char)(i >> 12);
    put_packed(bytes, 8 + count);
    assert_int_equal(dkvb_array_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(a.shape[0], count);
    assert_memory_equal(a.data, bytes + 8, count);
    dkvb_array_free(&a);
    free(bytes);
}

static void empty_arrays_have_no_data(void **state)
{
    static const unsigned char bytes[] = {0, 0, 0x0D, 2, 0, 0, 0, 0, 0, 0, 0, 28};
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        (packed ? put_packed : put_file)(bytes, sizeof bytes);
        assert_int_equal(dkvb_features_read(&a, data_path, DKVB_READ_COPY, NULL), DKVB_OK);
        assert_int_equal(a.shape[0], 0);
        assert_int_equal(a.shape[1], 28);
        assert_null(a.data);
        dkvb_array_free(&a);
    }
}

/* The packed test file is so long that zlib uses its window, and that the array of elements is reallocated as it
 * grows. */
static void nothing_leaks_when_an_allocation_fails(void **state)
{
    size_t count = 1 << 20;
    unsigned char *bytes = calloc(8 + count, 1);

    (void)state;
    put_file(small, sizeof small);
    let_every_allocation_fail(copy_features);
    assert_non_null(bytes);
    bytes[2] = 8;
    bytes[3] = 1;
    bytes[5] = 16;
    put_packed(bytes, 8 + count);
    free(bytes);
    let_every_allocation_fail(copy_features);
}

static void fashion_mnist_is_read(void **state)
{
    const char *images = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz";
    const char *labels = "/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz";
    dkvb_array x = DKVB_ARRAY_INIT, y = DKVB_ARRAY_INIT;
    int32_t classes[10] = {0};

    (void)state;
    if (access(images, R_OK) != 0) {
        print_message("%s is not installed (apt-get install dataset-fashion-mnist)\n", images);
        skip();
    }
    assert_int_equal(dkvb_features_read(&x, images, DKVB_READ_COPY, NULL), DKVB_OK);
    assert_int_equal(dkvb_labels_read(&y, labels, NULL), DKVB_OK);
    assert_int_equal(x.shape[0], 10000);
    assert_int_equal(x.shape[1], 784);
    assert_int_equal(y.shape[0], 10000);
    for (size_t i = 0; i < 10000; i++)
        classes[((int32_t *)y.data)[i]]++;
    for (size_t c = 0; c < 10; c++)
        assert_int_equal(classes[c], 1000);
    dkvb_array_free(&x);
    dkvb_array_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_file_is_read_plain_and_packed),
        cmocka_unit_test(every_type_is_read_from_big_endian),
        cmocka_unit_test(images_become_features_and_classes_become_labels),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(bytes_behind_the_elements_are_refused),
        cmocka_unit_test(damage_to_packed_data_never_changes_what_is_read),
        cmocka_unit_test(a_wrong_crc_or_length_is_a_checksum_error),
        cmocka_unit_test(members_one_after_the_other_are_one_file),
        cmocka_unit_test(a_header_that_is_not_idx_is_refused),
        cmocka_unit_test(a_product_that_overflows_is_refused),
        cmocka_unit_test(a_huge_promise_gets_little_memory),
        cmocka_unit_test(data_that_packs_well_is_read_in_growing_pieces),
        cmocka_unit_test(empty_arrays_have_no_data),
        cmocka_unit_test(nothing_leaks_when_an_allocation_fails),
        cmocka_unit_test(fashion_mnist_is_read),
    };

    return cmocka_run_group_tests(tests, name_file, NULL);
}
