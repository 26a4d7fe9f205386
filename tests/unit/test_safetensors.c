/* Tests of reading .safetensors files, and of refusing damaged and hostile files. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/stored.h"
#include "data_files.h"
#include "encoder/safetensors.h"
#include "fixture.h"
#include "tensor_files.h"

static dkvb_status open_file(struct dkvb__safetensors **f)
{
    dkvb_allocator mem = dkvb__allocator(NULL);

    return dkvb__safetensors_open(f, data_path, &mem);
}

static void put_tensors(const char *header, const void *elements, size_t size)
{
    unsigned char *bytes = malloc(8 + strlen(header) + size);

    put_file(bytes, tensor_bytes(bytes, header, elements, size));
    free(bytes);
}

/* Asserts that the test file cannot be opened, and that the error message names the file and contains `part`. */
static void assert_tensors_refused(const char *part)
{
    struct dkvb__safetensors *f = (struct dkvb__safetensors *)data_path;

    assert_int_equal(open_file(&f), DKVB_EFORMAT);
    assert_null(f);
    assert_message(data_path);
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

/* Asserts that a file with the given header and 16 bytes of data is refused with a message that contains `part`. */
static void assert_header_of_16_refused(const char *header, const char *part)
{
    static const unsigned char elements[16] = {0};

    put_tensors(header, elements, sizeof elements);
    assert_tensors_refused(part);
}

/* Asserts that a file with the given header entry for its only tensor "t" is refused with a message that contains
 * `part`. */
static void assert_entry_refused(const char *entry, const char *part)
{
    char header[512];

    snprintf(header, sizeof header, "{\"t\":%s}", entry);
    assert_header_of_16_refused(header, part);
}

static const uint64_t two_by_three[2] = {2, 3};
static const float six[6] = {1.0f, -2.0f, 0.5f, 3.0f, -0.0f, 65504.0f};

static void tensors_are_read_as_they_were_written(void **state)
{
    struct tensor_file t;
    struct dkvb__safetensors *f;
    float x[6];

    (void)state;
    tensor_file_begin(&t);
    tensor_file_add(&t, "first", "U8", 0, NULL, "\1", 1); /* one byte of data, which makes the next tensor unaligned */
    tensor_file_add(&t, "a.weight", "F32", 2, two_by_three, six, sizeof six);
    tensor_file_write(&t, data_path);
    assert_ok(open_file(&f));
    assert_string_equal(dkvb__safetensors_path(f), data_path);
    assert_ok(dkvb__safetensors_read(f, "a.weight", 2, two_by_three, x));
    assert_memory_equal(x, six, sizeof six);
    assert_int_equal(dkvb__safetensors_find(f, "a.weight")->ndim, 2);
    assert_int_equal(dkvb__safetensors_find(f, "first")->dtype, DKVB_DTYPE_U8);
    assert_int_equal(dkvb__safetensors_find(f, "first")->ndim, 0);
    assert_null(dkvb__safetensors_find(f, "a.weigh"));
    assert_null(dkvb__safetensors_find(f, ""));
    dkvb__safetensors_close(f);
    dkvb__safetensors_close(NULL);
}

static void halves_become_the_floats_that_they_are(void **state)
{
    static const uint16_t half[6] = {0x3C00, 0xC000, 0x3800, 0x4200, 0x8000, 0x7BFF};
    static const uint16_t bfloat[6] = {0x3F80, 0xC000, 0x3F00, 0x4040, 0x8000, 0x4780};
    struct tensor_file t;
    struct dkvb__safetensors *f;
    float x[6];

    (void)state;
    tensor_file_begin(&t);
    tensor_file_add(&t, "odd", "BOOL", 0, NULL, "\1", 1);
    tensor_file_add(&t, "half", "F16", 2, two_by_three, half, sizeof half);
    tensor_file_add(&t, "bfloat", "BF16", 2, two_by_three, bfloat, sizeof bfloat);
    tensor_file_write(&t, data_path);
    assert_ok(open_file(&f));
    assert_ok(dkvb__safetensors_read(f, "half", 2, two_by_three, x));
    assert_memory_equal(x, six, sizeof six);
    assert_ok(dkvb__safetensors_read(f, "bfloat", 2, two_by_three, x));
    assert_memory_equal(x, six, 5 * sizeof *six);
    assert_true(x[5] == 65536.0f);
    dkvb__safetensors_close(f);
}

/* Writes so many tensors that finding one needs a search, and finds each of them. */
static void every_tensor_of_many_is_found(void **state)
{
    struct tensor_file t;
    struct dkvb__safetensors *f;
    char name[32];
    float x;

    (void)state;
    tensor_file_begin(&t);
    for (int i = 0; i < 500; i++) {
        float value = (float)i;

        snprintf(name, sizeof name, "layer.%d.weight", i * 7 % 500);
        tensor_file_add(&t, name, "F32", 0, NULL, &value, sizeof value);
    }
    tensor_file_write(&t, data_path);
    assert_ok(open_file(&f));
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "layer.%d.weight", i * 7 % 500);
        assert_string_equal(dkvb__safetensors_find(f, name)->name, name);
        assert_ok(dkvb__safetensors_read(f, name, 0, NULL, &x));
        assert_true(x == (float)i);
    }
    dkvb__safetensors_close(f);
}

/* Writes and opens a file of tensors with the given names; NULL ends the list of names. */
static struct dkvb__safetensors *open_named(const char *const names[])
{
    struct tensor_file t;
    struct dkvb__safetensors *f;

    tensor_file_begin(&t);
    for (size_t i = 0; names[i]; i++)
        tensor_file_add(&t, names[i], "F32", 2, two_by_three, six, sizeof six);
    tensor_file_write(&t, data_path);
    assert_ok(open_file(&f));
    return f;
}

static void a_prefix_is_found_by_one_name_and_stands_before_all(void **state)
{
    static const char *const prefixed[] = {"model.net.w", "model.net.v", "w", "xnet.w", NULL};
    static const char *const bare[] = {"ema.net.w", "net.w", "old.net.w", NULL};
    static const char *const twice[] = {"a.net.w", "b.net.w", NULL};
    struct dkvb__safetensors *f = open_named(prefixed);
    dkvb_status rc = DKVB_EIO;
    float x[6];

    (void)state;
    assert_false(dkvb__safetensors_find_prefix(f, "net.u", &rc));
    assert_true(dkvb__safetensors_find_prefix(f, "net.w", &rc));
    assert_ok(rc);
    assert_string_equal(dkvb__safetensors_find(f, "net.v")->name, "model.net.v");
    assert_null(dkvb__safetensors_find(f, "w"));
    assert_ok(dkvb__safetensors_read(f, "net.w", 2, two_by_three, x));
    assert_int_equal(dkvb__safetensors_need_used(f, "net.", ".none"), DKVB_EFORMAT);
    assert_int_equal(dkvb__safetensors_missing(f, "net.u"), DKVB_EFORMAT);
    assert_message("a shard of a checkpoint that is split");
    dkvb__safetensors_close(f);
    f = open_named(bare);
    assert_true(dkvb__safetensors_find_prefix(f, "net.w", &rc));
    assert_ok(rc);
    assert_string_equal(dkvb__safetensors_find(f, "net.w")->name, "net.w");
    dkvb__safetensors_close(f);
    f = open_named(twice);
    assert_true(dkvb__safetensors_find_prefix(f, "net.w", &rc));
    assert_int_equal(rc, DKVB_EFORMAT);
    assert_message("holds the network twice");
    dkvb__safetensors_close(f);
}

static void every_type_has_its_size(void **state)
{
    static const struct {
        const char *code;
        uint32_t dtype;
    } types[] = {{"BOOL", DKVB_DTYPE_U8}, {"U8", DKVB_DTYPE_U8},     {"I8", DKVB_DTYPE_I8},   {"U16", DKVB_DTYPE_U16},
                 {"I16", DKVB_DTYPE_I16}, {"F16", DKVB_DTYPE_F16},   {"U32", DKVB_DTYPE_U32}, {"I32", DKVB_DTYPE_I32},
                 {"F32", DKVB_DTYPE_F32}, {"BF16", DKVB_DTYPE_BF16}, {"F64", DKVB_DTYPE_F64}, {"I64", DKVB_DTYPE_I64},
                 {"U64", DKVB_DTYPE_U64}};
    static const unsigned char zeros[24] = {0};
    static const uint64_t three = 3;
    struct tensor_file t;
    struct dkvb__safetensors *f;
    float x[3];

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bool is_read = types[i].dtype == DKVB_DTYPE_F32 || types[i].dtype == DKVB_DTYPE_F16 ||
                       types[i].dtype == DKVB_DTYPE_BF16 || types[i].dtype == DKVB_DTYPE_F64;

        tensor_file_begin(&t);
        tensor_file_add(&t, "t", types[i].code, 1, &three, zeros, 3 * dkvb__dtype_size(types[i].dtype));
        tensor_file_write(&t, data_path);
        assert_ok(open_file(&f));
        assert_int_equal(dkvb__safetensors_find(f, "t")->dtype, types[i].dtype);
        assert_int_equal(dkvb__safetensors_read(f, "t", 1, &three, x), is_read ? DKVB_OK : DKVB_EFORMAT);
        if (!is_read)
            assert_message("F32, F16, BF16 or F64 must be given");
        dkvb__safetensors_close(f);
    }
}

static void what_the_reference_accepts_is_accepted(void **state)
{
    static const char *const headers[] = {
        "{}",
        "{\"__metadata__\":{}}",
        "{\"__metadata__\":{\"format\":\"pt\",\"\":\"\\u001b[31m\"}}",
        "{}         ",
        "{\"t\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
        "{\"t\":{\"data_offsets\":[0,0],\"dtype\":\"F32\",\"shape\":[3,0,2]}}",
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
         "\"b\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
        "{ \"\\u00e9\" : {\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]} }",
    };
    static const char places[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]},"
                                 "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},"
                                 "\"b\":{\"dtype\":\"U16\",\"shape\":[],\"data_offsets\":[0,2]},"
                                 "\"f\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[6,6]}}";
    struct dkvb__safetensors *f;

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        put_tensors(headers[i], NULL, 0);
        assert_ok(open_file(&f));
        assert_null(dkvb__safetensors_find(f, "__metadata__"));
        dkvb__safetensors_close(f);
    }
    put_tensors(places, "abcdef", 6);
    assert_ok(open_file(&f));
    assert_memory_equal(dkvb__safetensors_find(f, "a")->data, "cdef", 4);
    dkvb__safetensors_close(f);
}

static void a_header_that_is_not_an_object_of_tensors_is_refused(void **state)
{
    (void)state;
    assert_header_of_16_refused("", "begins with the bytes 00 00 00 00; a .safetensors file must be given");
    assert_header_of_16_refused("[]", "does not begin with {");
    assert_header_of_16_refused(" {}", "does not begin with {");
    assert_header_of_16_refused("{", "the header is not JSON");
    assert_header_of_16_refused("{} x", "the header is not JSON");
    assert_header_of_16_refused("{\"a\":1,\"a\":2}", "duplicate");
    assert_header_of_16_refused("{\"a\\u0000b\":1}", "not JSON");
    assert_header_of_16_refused("{\"\xff\":1}", "not JSON");
    assert_header_of_16_refused("{\"__metadata__\":[]}", "__metadata__ is a list");
    assert_header_of_16_refused("{\"__metadata__\":{\"a\":1}}", "a number for a, a string is wanted");
    assert_header_of_16_refused("{}", "tensors end at byte 0 of 16");
    assert_entry_refused("1", "tensor t: a number of 0 keys");
    assert_entry_refused("[]", "tensor t: a list of 0 keys");
    assert_entry_refused("{}", "an object of 0 keys");
    assert_entry_refused("{\"dtype\":\"F32\",\"shape\":[4]}", "2 keys");
    assert_entry_refused("{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"more\":1}", "4 keys");
    assert_entry_refused("{\"dtype\":\"F32\",\"shape\":[4],\"offsets\":[0,16]}", "data_offsets is nothing");
    assert_entry_refused("{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}", "duplicate");
}

/* A tensor of an unknown number type is refused only when it is read. */
static void a_type_that_is_not_known_is_refused_only_where_it_is_read(void **state)
{
    static const char *const codes[] = {"F8_E4M3", "F8_E5M2", "C64", "f32", "F32 ", "", "FLOAT"};
    static const uint64_t sixteen = 16;
    struct dkvb__safetensors *f;
    struct tensor_file t;
    float x[16];

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        tensor_file_begin(&t);
        tensor_file_add(&t, "t", codes[i], 1, &sixteen, six, 16);
        tensor_file_add(&t, "w", "F32", 2, two_by_three, six, sizeof six);
        tensor_file_write(&t, data_path);
        assert_ok(open_file(&f));
        assert_ok(dkvb__safetensors_read(f, "w", 2, two_by_three, x));
        assert_int_equal(dkvb__safetensors_read(f, "t", 1, &sixteen, x), DKVB_EFORMAT);
        assert_message("F32, F16, BF16 or F64 must be given");
        dkvb__safetensors_close(f);
    }
    assert_entry_refused("{\"dtype\":4,\"shape\":[4],\"data_offsets\":[0,16]}", "dtype is a number, a string");
}

static void a_shape_that_is_not_a_list_of_sizes_is_refused(void **state)
{
    static const struct {
        const char *shape, *part;
    } cases[] = {
        {"4", "shape is a number, a list is wanted"},
        {"{}", "shape is an object"},
        {"[-4]", "number 0 of shape is negative"},
        {"[4.0]", "number 0 of shape is a number"},
        {"[4e0]", "number 0 of shape is a number"},
        {"[2,\"2\"]", "number 1 of shape is a string"},
        {"[2,null]", "number 1 of shape is null"},
        {"[[4]]", "number 0 of shape is a list"},
        {"[true]", "number 0 of shape is a truth"},
        {"[99999999999999999999]", "not JSON"},
        {"[3]", "16 bytes, type and shape promise 12"},
        {"[]", "promise 4"},
        {"[0]", "promise 0"},
        {"[9223372036854775807]", "does not fit in memory"},
        {"[4611686018427387904,4]", "does not fit in memory"},
        {"[4294967296,4294967296]", "does not fit in memory"},
        {"[4294967296,4294967296,4294967296,4294967296]", "does not fit in memory"},
        {"[0,4294967296,4294967296]", "does not fit in memory"},
        {"[4611686018427387905]", "does not fit in memory"},
    };
    char entry[160];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(entry, sizeof entry, "{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,16]}", cases[i].shape);
        assert_entry_refused(entry, cases[i].part);
    }
}

static void places_outside_the_file_are_refused(void **state)
{
    static const struct {
        const char *offsets, *part;
    } cases[] = {
        {"16", "data_offsets is a number"},
        {"[0]", "data_offsets has 1 numbers, 2 are wanted"},
        {"[]", "data_offsets has 0 numbers"},
        {"[0,8,16]", "data_offsets has 3 numbers, at most 2"},
        {"[0,17]", "bytes 0 to 17 cannot be, there are 16"},
        {"[1,17]", "bytes 1 to 17 cannot be"},
        {"[16,0]", "bytes 16 to 0 cannot be"},
        {"[-16,0]", "is negative"},
        {"[0,16.0]", "number 1 of data_offsets is a number, an integer"},
        {"[9223372036854775792,9223372036854775807]", "cannot be"},
        {"[4,16]", "12 bytes, type and shape promise 16"},
    };
    char entry[160];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(entry, sizeof entry, "{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":%s}", cases[i].offsets);
        assert_entry_refused(entry, cases[i].part);
    }
}

static void overlaps_and_holes_are_refused(void **state)
{
    static const struct {
        int begin[2], end[2];
        const char *part;
    } cases[] = {
        {{0, 8}, {8, 15}, "tensors end at byte 15 of 16"},
        {{1, 8}, {8, 16}, "begins at byte 1, the one before ends at 0"},
        {{0, 9}, {8, 16}, "tensor b begins at byte 9, the one before ends at 8"},
        {{0, 8}, {9, 16}, "tensor b begins at byte 8, the one before ends at 9"},
        {{0, 0}, {16, 16}, "begins at byte 0, the one before ends at 16"},
        {{9, 0}, {16, 8}, "tensor a begins at byte 9, the one before ends at 8"},
        {{0, 4}, {16, 4}, "tensor b begins at byte 4, the one before ends at 16"},
    };
    char header[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%d,%d]},"
                 "\"b\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%d,%d]}}",
                 cases[i].end[0] - cases[i].begin[0], cases[i].begin[0], cases[i].end[0],
                 cases[i].end[1] - cases[i].begin[1], cases[i].begin[1], cases[i].end[1]);
        assert_header_of_16_refused(header, cases[i].part);
    }
}

static void a_wrong_header_length_is_refused(void **state)
{
    static const struct {
        uint64_t length;
        const char *part;
    } cases[] = {
        {0, "begins with the bytes 00 00 00 00; a .safetensors file must be given"},
        {1, "the header is not JSON"},
        {2, "tensors end at byte 0 of 14"},
        {17, "is cut short: 24 bytes, the header alone has 17"},
        {100000001, "a .safetensors file must be given"},
        {UINT64_MAX, "a .safetensors file must be given"},
        {UINT64_MAX - 7, "a .safetensors file must be given"},
        {(uint64_t)1 << 63, "a .safetensors file must be given"},
    };
    unsigned char bytes[24] = {0};

    (void)state;
    memcpy(bytes + 8, "{}", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(bytes, &cases[i].length, 8);
        put_file(bytes, sizeof bytes);
        assert_tensors_refused(cases[i].part);
    }
}

/* Headers with very deep nesting, or very many members, are refused without exhausting the stack. */
static void deep_and_wide_headers_are_refused(void **state)
{
    enum { DEEP = 200000 };
    char *header = malloc(8 * DEEP);
    size_t size;

    (void)state;
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', DEEP);
    header[5 + DEEP] = '\0';
    assert_header_of_16_refused(header, "not JSON");
    memset(header + 5, ']', DEEP);
    memset(header + 5, '[', 2000);
    header[5 + 4000] = '\0';
    strcat(header, "}");
    assert_header_of_16_refused(header, "tensor a: a list of 0 keys");
    size = 0;
    for (size_t i = 0; i < DEEP / 20; i++)
        size += (size_t)sprintf(header + size, "%c\"%zu\":{}", i ? ',' : '{', i);
    strcpy(header + size, "}");
    assert_header_of_16_refused(header, "tensor 0: an object of 0 keys");
    free(header);
}

static void names_cannot_write_to_the_terminal(void **state)
{
    static const char hostile[] = "{\"\\u001b[2Jred\\n\\u007f\xc2\x9b"
                                  "1m\":{\"dtype\":\"F32\",\"shape\":\"\",\"data_offsets\":[0,16]}}";
    char header[2048] = "{\"", *end = header + 2;

    (void)state;
    assert_header_of_16_refused(hostile, "tensor ?[2Jred????1m: shape is a string");
    for (size_t i = 0; i < 1000; i++)
        *end++ = 'x';
    strcpy(end, "\":{}}");
    assert_header_of_16_refused(header, "xxx...: an object of 0 keys");
    assert_header_of_16_refused("{\"\x1b[2J\":1}", "not JSON");
    for (const char *c = dkvb_last_error(); *c; c++)
        assert_in_range(*c, ' ', '~');
}

static void a_tensor_of_another_shape_is_named(void **state)
{
    static const uint64_t three_by_two[2] = {3, 2};
    struct tensor_file t;
    struct dkvb__safetensors *f;
    float x[6];

    (void)state;
    tensor_file_begin(&t);
    tensor_file_add(&t, "w", "F32", 2, two_by_three, six, sizeof six);
    tensor_file_add(&t, "s", "F32", 0, NULL, six, sizeof *six);
    tensor_file_write(&t, data_path);
    assert_ok(open_file(&f));
    assert_int_equal(dkvb__safetensors_read(f, "w", 2, three_by_two, x), DKVB_EFORMAT);
    assert_message("tensor w is of 2 x 3, 3 x 2 is wanted");
    assert_int_equal(dkvb__safetensors_read(f, "w", 1, two_by_three, x), DKVB_EFORMAT);
    assert_message("tensor w is of 2 x 3, 2 is wanted");
    assert_int_equal(dkvb__safetensors_read(f, "s", 2, two_by_three, x), DKVB_EFORMAT);
    assert_message("tensor s is of no dimensions, 2 x 3 is wanted");
    assert_int_equal(dkvb__safetensors_read(f, "v", 2, two_by_three, x), DKVB_EFORMAT);
    assert_message("has no tensor v");
    dkvb__safetensors_close(f);
}

static void numbers_that_are_not_finite_are_named(void **state)
{
    static const uint16_t half[6] = {0, 0, 0x7C00, 0, 0, 0}, bfloat[6] = {0, 0, 0, 0, 0, 0xFF81};
    uint32_t floats[6] = {0, 0x7F800001};
    struct tensor_file t;
    struct dkvb__safetensors *f;
    float x[6];

    (void)state;
    tensor_file_begin(&t);
    tensor_file_add(&t, "f", "F32", 2, two_by_three, floats, sizeof floats);
    tensor_file_add(&t, "h", "F16", 2, two_by_three, half, sizeof half);
    tensor_file_add(&t, "b", "BF16", 2, two_by_three, bfloat, sizeof bfloat);
    tensor_file_write(&t, data_path);
    assert_ok(open_file(&f));
    assert_int_equal(dkvb__safetensors_read(f, "f", 2, two_by_three, x), DKVB_EFORMAT);
    assert_message("tensor f: element 1 is NaN");
    assert_int_equal(dkvb__safetensors_read(f, "h", 2, two_by_three, x), DKVB_EFORMAT);
    assert_message("tensor h: element 2 is infinite");
    assert_int_equal(dkvb__safetensors_read(f, "b", 2, two_by_three, x), DKVB_EFORMAT);
    assert_message("tensor b: element 5 is NaN");
    dkvb__safetensors_close(f);
}

/* Makes a small file of two tensors in memory, and returns its size. */
static size_t small_file(unsigned char **bytes)
{
    struct tensor_file t;
    size_t size;

    tensor_file_begin(&t);
    tensor_file_add(&t, "a", "F32", 2, two_by_three, six, sizeof six);
    tensor_file_add(&t, "b", "U8", 0, NULL, "x", 1);
    tensor_file_write(&t, data_path);
    *bytes = read_file(data_path, &size);
    return size;
}

static void every_truncation_is_refused(void **state)
{
    unsigned char *bytes;
    size_t size = small_file(&bytes);

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        put_file(bytes, cut);
        assert_tensors_refused("");
    }
    bytes[size] = 0;
    put_file(bytes, size + 1);
    assert_tensors_refused("tensors end at byte 25 of 26");
    free(bytes);
}

static void no_change_of_one_byte_is_unsafe(void **state)
{
    unsigned char *bytes;
    struct dkvb__safetensors *f;
    size_t size = small_file(&bytes);
    float x[6];

    (void)state;
    for (size_t at = 0; at < size; at++)
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            bytes[at] ^= (unsigned char)flip;
            put_file(bytes, size);
            if (open_file(&f)) {
                assert_null(f);
            } else {
                (void)!dkvb__safetensors_read(f, "a", 2, two_by_three, x);
                dkvb__safetensors_close(f);
            }
            bytes[at] ^= (unsigned char)flip;
        }
    free(bytes);
}

static void what_is_not_a_file_is_refused(void **state)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__safetensors *f;

    (void)state;
    assert_int_equal(dkvb__safetensors_open(&f, temp_path("missing"), &mem), DKVB_EIO);
    assert_message("missing: cannot open");
    assert_int_equal(dkvb__safetensors_open(&f, temp_folder(), &mem), DKVB_EIO);
    assert_message("is a directory; the .safetensors file in it must be given");
    put_file("", 0);
    assert_tensors_refused("is empty; a .safetensors file must be given");
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    unsigned char *bytes;

    (void)state;
    small_file(&bytes);
    free(bytes);
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, fail_at);
        struct dkvb__safetensors *f;
        dkvb_status rc = dkvb__safetensors_open(&f, data_path, &mem);

        dkvb__safetensors_close(f);
        assert_int_equal(failing.live, 0);
        if (rc == DKVB_OK)
            return;
        assert_int_equal(rc, DKVB_ENOMEM);
        assert_message("out of memory");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_read_as_they_were_written),
        cmocka_unit_test(halves_become_the_floats_that_they_are),
        cmocka_unit_test(every_tensor_of_many_is_found),
        cmocka_unit_test(a_prefix_is_found_by_one_name_and_stands_before_all),
        cmocka_unit_test(every_type_has_its_size),
        cmocka_unit_test(what_the_reference_accepts_is_accepted),
        cmocka_unit_test(a_header_that_is_not_an_object_of_tensors_is_refused),
        cmocka_unit_test(a_type_that_is_not_known_is_refused_only_where_it_is_read),
        cmocka_unit_test(a_shape_that_is_not_a_list_of_sizes_is_refused),
        cmocka_unit_test(places_outside_the_file_are_refused),
        cmocka_unit_test(overlaps_and_holes_are_refused),
        cmocka_unit_test(a_wrong_header_length_is_refused),
        cmocka_unit_test(deep_and_wide_headers_are_refused),
        cmocka_unit_test(names_cannot_write_to_the_terminal),
        cmocka_unit_test(a_tensor_of_another_shape_is_named),
        cmocka_unit_test(numbers_that_are_not_finite_are_named),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_change_of_one_byte_is_unsafe),
        cmocka_unit_test(what_is_not_a_file_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("safetensors", tests, name_file, NULL);
}
