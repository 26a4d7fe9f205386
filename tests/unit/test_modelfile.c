/* Tests of model files: a saved model loads unchanged, no file is half written, and damaged or hostile files are
 * refused. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "bottleneck/model.h"

static uint16_t codes[ROWS * CODEBOOKS];

static const char *const column_names[DIM] = {"age",        "income, net", "\"quoted\"",    "h\xC3\xB6he", "4",
                                              "Ma\xC3\x9F", "#6",          "x\xE2\x82\xAC", " ",           "."};

/* Makes a model that has names of classes and columns, an encoder, an active and an undone forgetting, a purge, and
 * counts of pairs that classes select.
 */
static dkvb_model *eventful_model(void)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *two = mask_for_class(model, codes, 2, 30), *one = mask_for_class(model, codes, 1, 20);
    dkvb_mask *zero = mask_for_class(model, codes, 0, 10);

    assert_ok(dkvb_model_set_class_name(model, 0, "cat"));
    assert_ok(dkvb_model_set_class_name(model, 3, "d\xC3\xBCnn"));
    assert_ok(dkvb_model_set_encoder(model, "f\xC3\xBCnf pixels"));
    assert_ok(dkvb_model_set_column_names(model, column_names, DIM));
    assert_ok(dkvb_model_set_temperature(model, 0.75, -0.25));
    assert_ok(dkvb_model_forget(model, two, NULL, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_forget(model, one, NULL, NULL));
    assert_ok(dkvb_model_undo(model, 3, NULL));
    assert_ok(dkvb_model_forget(model, zero, NULL, NULL));
    assert_ok(dkvb_model_count_classes(model, codes, 1, labels, ROWS, NULL));
    dkvb_mask_free(zero);
    dkvb_mask_free(one);
    dkvb_mask_free(two);
    return model;
}

static void assert_same_answers(const dkvb_model *a, const dkvb_model *b)
{
    static float logits[2][ROWS * CLASSES];

    assert_ok(dkvb_model_predict(a, rows, ROWS, NULL, logits[0], NULL));
    assert_ok(dkvb_model_predict(b, rows, ROWS, NULL, logits[1], NULL));
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
}

static void assert_same_files(const char *a, const char *b)
{
    size_t size[2];
    unsigned char *data[2] = {read_file(a, &size[0]), read_file(b, &size[1])};

    assert_int_equal(size[0], size[1]);
    assert_memory_equal(data[0], data[1], size[0]);
    free(data[0]);
    free(data[1]);
}

/* Asserts the column names of a model: `names` has DIM names, or is NULL if no column may have a name. */
static void assert_columns(const dkvb_model *model, const char *const *names)
{
    for (uint32_t i = 0; i < DIM; i++)
        if (names)
            assert_string_equal(dkvb_model_column_name(model, i), names[i]);
        else
            assert_null(dkvb_model_column_name(model, i));
    assert_null(dkvb_model_column_name(model, DIM));
    assert_null(dkvb_model_column_name(NULL, 0));
}

static void assert_same_counts(const dkvb_model *a, const dkvb_model *b)
{
    for (uint32_t l = 0; l < CLASSES; l++) {
        uint64_t counts[2][CODEBOOKS * KEYS] = {{0}};

        assert_ok(dkvb_model_class_counts(a, l, counts[0]));
        assert_ok(dkvb_model_class_counts(b, l, counts[1]));
        assert_memory_equal(counts[0], counts[1], sizeof counts[0]);
    }
}

static void load_and_map_bring_a_model_back(void **state)
{
    const char *path = temp_path("m.dkvb"), *again = temp_path("again.dkvb");
    dkvb_model *model = eventful_model(), *loaded, *mapped;
    dkvb_model_info info[2] = {DKVB_MODEL_INFO_INIT, DKVB_MODEL_INFO_INIT};

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&loaded, path, NULL));
    assert_ok(map_model(&mapped, path, NULL));
    assert_same_answers(model, loaded);
    assert_same_answers(model, mapped);
    assert_same_counts(model, loaded);
    assert_same_counts(model, mapped);
    assert_ok(dkvb_model_get_info(model, &info[0]));
    assert_ok(dkvb_model_get_info(loaded, &info[1]));
    assert_memory_equal(&info[0], &info[1], offsetof(dkvb_model_info, values_dtype));
    /* compares members one by one, as the struct may end with padding */
    assert_int_equal(info[0].values_dtype, info[1].values_dtype);
    assert_true(info[1].temperature == 0.75 && info[1].temperature_power == -0.25);
    assert_string_equal(dkvb_model_class_name(loaded, 3), "d\xC3\xBCnn");
    assert_null(dkvb_model_class_name(loaded, 1));
    assert_string_equal(encoder_of(loaded), "f\xC3\xBCnf pixels");
    assert_string_equal(encoder_of(mapped), "f\xC3\xBCnf pixels");
    assert_columns(loaded, column_names);
    assert_columns(mapped, column_names);
    assert_ok(dkvb_model_verify(loaded));
    assert_ok(dkvb_model_verify(mapped));
    assert_ok(dkvb_model_save(loaded, again));
    assert_same_files(path, again); /* saving a loaded model gives the same bytes */
    assert_ok(dkvb_model_save(mapped, again));
    assert_same_files(path, again);
    assert_ok(dkvb_model_undo(loaded, 5, NULL));
    dkvb_model_free(model);
    dkvb_model_free(loaded);
    dkvb_model_free(mapped);
}

static void inspect_tells_without_reading_the_arrays(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model();
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_inspect(path, &info));
    assert_true(info.codebooks == CODEBOOKS && info.keys == KEYS && info.key_dim == KEY_DIM);
    assert_true(info.input_dim == DIM && info.classes == CLASSES && info.top_k == 1);
    assert_true(info.masked_pairs == 10 && info.purged_pairs == 30 && info.journal_entries == 5);
    dkvb_model_free(model);
}

static void a_mapped_model_cannot_be_changed(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model(), *mapped;
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(map_model(&mapped, path, NULL));
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(mapped)));
    assert_ok(dkvb_search(dkvb_model_codebooks(mapped), NULL, rows, ROWS, 1, codes, NULL, NULL));
    assert_int_equal(dkvb_model_forget(mapped, mask, NULL, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_model_undo(mapped, 5, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_model_purge(mapped), DKVB_ESTATE);
    assert_int_equal(dkvb_model_add_classes(mapped, 1), DKVB_ESTATE);
    assert_int_equal(dkvb_model_set_class_name(mapped, 0, "x"), DKVB_ESTATE);
    assert_int_equal(dkvb_model_set_encoder(mapped, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_model_set_column_names(mapped, NULL, 0), DKVB_ESTATE);
    assert_int_equal(dkvb_model_set_values(mapped, mapped->values, 0), DKVB_ESTATE);
    assert_int_equal(dkvb_model_count_classes(mapped, codes, 1, labels, ROWS, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_model_drop_counts(mapped), DKVB_ESTATE);
    assert_int_equal(dkvb_model_train_begin(mapped, NULL), DKVB_ESTATE);
    assert_message("mapped");
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    dkvb_model_free(mapped);
}

static void a_mapped_model_outlives_the_file_it_came_from(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model(), *mapped;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(map_model(&mapped, path, NULL));
    assert_ok(dkvb_model_set_class_name(model, 1, "new"));
    assert_ok(dkvb_model_save(model, path)); /* replaces the file that is memory-mapped */
    assert_ok(dkvb_model_verify(mapped));
    assert_same_answers(model, mapped);
    assert_null(dkvb_model_class_name(mapped, 1));
    dkvb_model_free(model);
    dkvb_model_free(mapped);
}

static void codebooks_outlive_the_mapped_model_they_came_from(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = eventful_model(), *mapped, *fresh;
    dkvb_codebooks *cb;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(map_model(&mapped, path, NULL));
    cb = dkvb_codebooks_retain(dkvb_model_codebooks(mapped));
    dkvb_model_free(mapped);
    assert_ok(dkvb_model_new(&fresh, cb, 2, NULL));
    dkvb_codebooks_free(cb);
    assert_ok(dkvb_search(dkvb_model_codebooks(fresh), NULL, rows, 5, 1, codes, NULL, NULL));
    dkvb_model_free(fresh);
    dkvb_model_free(model);
}

/* Makes a model file of a few kilobytes, so that a test can change every byte; the file has sections for whitening,
 * evidence, encoder, columns and counts. */
static unsigned char *tiny_file(const char *path, size_t *size)
{
    static const uint64_t forgotten[] = {7, 1};
    dkvb_keyinit_options o = small_keyinit();
    static const uint8_t classes[2] = {DKVB_KEEP, DKVB_FORGET};
    static const dkvb_class_effect effects[2] = {{.rows = 2, .right_before = 1, .right_after = 1}};
    dkvb_forget_options forget = DKVB_FORGET_OPTIONS_INIT;
    uint16_t code[20 * 2];
    int32_t ones[20];
    dkvb_codebooks *cb;
    dkvb_model *model;
    dkvb_mask *mask;

    make_rows();
    o.codebooks = 2;
    o.keys = 5;
    o.key_dim = 2;
    o.whiten = 1;
    assert_ok(dkvb_codebooks_fit(&cb, rows, 20, 3, &o, NULL));
    assert_ok(dkvb_model_new(&model, cb, 2, NULL));
    assert_ok(dkvb_model_set_class_name(model, 0, "a"));
    assert_ok(dkvb_model_set_encoder(model, "pixels"));
    assert_ok(dkvb_model_set_column_names(model, (const char *const[]){"r", "g", "b"}, 3));
    assert_ok(dkvb_mask_new(&mask, cb));
    assert_ok(dkvb_mask_set(mask, 1, 3, 1));
    forget.classes = classes;
    forget.effects = effects;
    forget.rows = forgotten;
    forget.row_count = 2;
    assert_ok(dkvb_model_forget(model, mask, &forget, NULL));
    assert_ok(dkvb_search(cb, NULL, rows, 20, 1, code, NULL, NULL));
    for (size_t r = 0; r < 20; r++)
        ones[r] = 1;
    assert_ok(dkvb_model_count_classes(model, code, 1, ones, 20, NULL));
    assert_ok(dkvb_model_save(model, path));
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    dkvb_codebooks_free(cb);
    return read_file(path, size);
}

/* Loads and maps a damaged file; a model that opens must predict without reading memory outside its arrays. */
static void try_file(const char *path, bool must_fail)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    float x[3] = {0.1f, 0.2f, 0.3f}, logits[2];
    int32_t label;
    dkvb_model *m;
    dkvb_status rc = dkvb_model_load(&m, path, NULL);

    assert_true(rc == DKVB_OK ? !must_fail : rc == DKVB_EFORMAT || rc == DKVB_ECHECKSUM);
    assert_true((rc == DKVB_OK) == (m != NULL));
    dkvb_model_free(m);
    if (map_model(&m, path, NULL) != DKVB_OK)
        return;
    run.threads = 1;
    rc = dkvb_model_predict(m, x, 1, &label, logits, &run);
    assert_true(rc == DKVB_OK || rc == DKVB_EINVAL);
    assert_true(!must_fail || dkvb_model_verify(m) != DKVB_OK);
    dkvb_model_free(m);
}

static void every_change_of_every_byte_is_noticed(void **state)
{
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size;
    unsigned char *data = tiny_file(path, &size);
    int fd;

    (void)state;
    write_file(bad, data, size);
    fd = open(bad, O_RDWR);
    for (size_t i = 0; i < size; i++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            unsigned char changed = data[i] ^ (unsigned char)flip;
            dkvb_model *m;
            dkvb_status rc;

            assert_int_equal(pwrite(fd, &changed, 1, (off_t)i), 1);
            rc = dkvb_model_load(&m, bad, NULL);
            assert_true(rc == DKVB_EFORMAT || rc == DKVB_ECHECKSUM);
            assert_null(m);
            if (flip == 1 || flip == 0x7F || flip == 0x80)
                try_file(bad, true);
        }
        assert_int_equal(pwrite(fd, data + i, 1, (off_t)i), 1);
    }
    close(fd);
    free(data);
}

static void every_truncation_is_noticed(void **state)
{
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size;
    unsigned char *data = tiny_file(path, &size);

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        write_file(bad, data, cut);
        try_file(bad, true);
    }
    data[size] = 0;
    write_file(bad, data, size + 1);
    try_file(bad, true);
    free(data);
}

static void forged_bytes_with_right_checksums_do_no_harm(void **state)
{
    static const char *const parsed[] = {"shape",    "classes", "journal",   "mask",   "purged",  "center",  "scales",
                                         "evidence", "terms",   "whitening", "valued", "lengths", "encoder", "counts"};
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size, section_size = 0;
    unsigned char *data = tiny_file(path, &size), *copy = malloc(size);

    (void)state;
    for (size_t s = 0; s < sizeof parsed / sizeof *parsed; s++) {
        size_t at = (size_t)(file_section(data, parsed[s], &section_size) - data);

        for (size_t i = 0; i < section_size; i++)
            for (unsigned flip = 1; flip < 256; flip = flip * 4 + 3) {
                memcpy(copy, data, size);
                copy[at + i] ^= (unsigned char)flip;
                seal_file(copy);
                write_file(bad, copy, size);
                try_file(bad, false);
            }
    }
    for (size_t i = 64; i < 64 + 64 * (size_t)dkvb__read32(data + 24); i++) { /* every byte of the section table */
        uint64_t offset;

        memcpy(copy, data, size);
        copy[i] ^= 0x11;
        offset = dkvb__read64(copy + 64 + (i - 64) / 64 * 64 + 24);
        if (offset < size && dkvb__read64(copy + 64 + (i - 64) / 64 * 64 + 32) <= size - offset)
            seal_file(copy);
        write_file(bad, copy, size);
        try_file(bad, false);
    }
    free(copy);
    free(data);
}

/* Asserts that a file with changed bytes at `at` in one section is refused by load and by verify, with a reason.
 * Mapping opens the file, since it reads nothing before it is needed, and predicting does no harm. */
static void assert_contents_refused(unsigned char *data, size_t size, const char *name, size_t at, const void *bytes,
                                    size_t count, const char *why)
{
    const char *bad = temp_path("bad");
    unsigned char *copy = malloc(size);
    size_t section_size = 0;
    dkvb_model *m;

    memcpy(copy, data, size);
    memcpy(file_section(copy, name, &section_size) + at, bytes, count);
    assert_true(at + count <= section_size);
    seal_file(copy);
    write_file(bad, copy, size);
    assert_int_equal(dkvb_model_load(&m, bad, NULL), DKVB_EFORMAT);
    assert_message(why);
    assert_null(m);
    assert_ok(map_model(&m, bad, NULL));
    assert_int_equal(dkvb_model_verify(m), DKVB_EFORMAT);
    assert_message(why);
    dkvb_model_free(m);
    try_file(bad, true);
    free(copy);
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    static const char *const arrays[] = {"center", "scales", "whitening", "values"};
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    size_t size;
    unsigned char *data = tiny_file(temp_path("tiny"), &size);

    (void)state;
    for (size_t s = 0; s < sizeof arrays / sizeof *arrays; s++)
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
            assert_contents_refused(data, size, arrays[s], 0, &wrong[i], sizeof *wrong, "not finite");
    free(data);
}

static void temperatures_out_of_range_are_refused(void **state)
{
    static const struct {
        size_t at;
        double number;
        const char *why;
    } wrong[] = {{64, 0.0, "temperature is 0, it must be 0.001 to 1000"},
                 {64, NAN, "temperature is nan"},
                 {88, 1.5, "power of the temperature is 1.5, it must be -1 to 1"},
                 {88, NAN, "power of the temperature is nan"}};
    const char *bad = temp_path("bad");
    size_t size, shape_size = 0;
    unsigned char *data = tiny_file(temp_path("tiny"), &size), *shape = file_section(data, "shape", &shape_size);
    unsigned char kept[96];
    dkvb_model *m;

    (void)state;
    assert_int_equal(shape_size, sizeof kept);
    memcpy(kept, shape, sizeof kept);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(shape, kept, sizeof kept);
        memcpy(shape + wrong[i].at, &wrong[i].number, sizeof wrong[i].number);
        seal_file(data);
        write_file(bad, data, size);
        assert_int_equal(dkvb_model_load(&m, bad, NULL), DKVB_EFORMAT);
        assert_message(wrong[i].why);
        assert_int_equal(map_model(&m, bad, NULL), DKVB_EFORMAT);
    }
    free(data);
}

static void scales_that_are_not_above_0_are_refused(void **state)
{
    static const float wrong[] = {0.0f, -0.0f, -1.0f};
    size_t size;
    unsigned char *data = tiny_file(temp_path("tiny"), &size);

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_contents_refused(data, size, "scales", sizeof(float), &wrong[i], sizeof *wrong,
                                "the scale of codebook 1 is not above 0");
    free(data);
}

/* The tiny model file has 2 codebooks of 5 keys of length 2, whose bytes fill one group of 4 dimensions with 64 places
 * for keys. */
static void bytes_that_no_key_has_are_refused(void **state)
{
    const struct dkvb__shape shape = {2, 5, 2, 3};
    size_t size, second = dkvb__key_bytes(&shape);
    unsigned char *data = tiny_file(temp_path("tiny"), &size);

    (void)state;
    for (unsigned wrong = 0; wrong < 256; wrong++) {
        unsigned char byte = (unsigned char)wrong;

        if (wrong < 1 || wrong > 127) /* in the file, a key's numbers -63 to 63 are the bytes 1 to 127 */
            assert_contents_refused(data, size, "keys", dkvb__key_offset(4, 1, 2), &byte, 1, "codebook 0, key 4 holds");
        if (wrong != DKVB__KEY_ZERO) /* a byte behind the last dimension of a key */
            assert_contents_refused(data, size, "keys", second + dkvb__key_offset(2, 3, 2), &byte, 1,
                                    "codebook 1, key 2 holds");
        if (wrong != 0) /* a byte behind the last key */
            assert_contents_refused(data, size, "keys", dkvb__key_offset(5, 0, 2), &byte, 1, "codebook 0, key 5 holds");
    }
    free(data);
}

static void bytes_of_purged_keys_must_be_zero(void **state)
{
    const struct dkvb__shape shape = {2, 5, 2, 3};
    const char *path = temp_path("tiny");
    unsigned char byte = DKVB__KEY_ZERO, *data;
    size_t size;
    dkvb_model *m;

    (void)state;
    free(tiny_file(path, &size));
    assert_ok(dkvb_model_load(&m, path, NULL));
    assert_ok(dkvb_model_purge(m)); /* codebook 1, key 3 */
    assert_ok(dkvb_model_save(m, path));
    dkvb_model_free(m);
    data = read_file(path, &size);
    assert_contents_refused(data, size, "keys", dkvb__key_bytes(&shape) + dkvb__key_offset(3, 0, 2), &byte, 1,
                            "codebook 1, key 3 holds");
    free(data);
    assert_ok(dkvb_model_load(&m, path, NULL));
    for (size_t i = 0; i < 20; i++) /* damages the values of the purged pair */
        ((uint16_t *)m->values)[i] = 0x3C00;
    assert_ok(dkvb_model_save(m, path));
    dkvb_model_free(m);
    assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
    assert_message("codebook 1, key 3 is purged, yet has values");
}

/* If a mapped file that nobody verified has arbitrary bytes in its arrays, predictions may be wrong, but no memory
 * outside the file is read. */
static void hostile_arrays_of_mapped_files_do_no_harm(void **state)
{
    static const char *const arrays[] = {"center", "scales", "keys", "values", "whitening"};
    static const unsigned char fills[] = {0x00, 0xFF, 0x7F, 0x80, 0x55};
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size, section_size = 0;
    unsigned char *data = tiny_file(path, &size), *copy = malloc(size);

    (void)state;
    for (size_t s = 0; s < sizeof arrays / sizeof *arrays; s++)
        for (size_t f = 0; f < sizeof fills; f++) {
            unsigned char *at;

            memcpy(copy, data, size);
            at = file_section(copy, arrays[s], &section_size);
            memset(at, fills[f], section_size);
            seal_file(copy);
            write_file(bad, copy, size);
            try_file(bad, false);
        }
    free(copy);
    free(data);
}

/* Asserts that both loading and mapping refuse the file, with an error message that contains `why`. */
static void assert_refused(const char *path, const char *why)
{
    dkvb_model *m;

    assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
    assert_message(why);
    assert_int_equal(map_model(&m, path, NULL), DKVB_EFORMAT);
    assert_message(why);
    assert_null(m);
}

/* Returns 1 if the `size` bytes occur somewhere in the data, else 0. */
static int occurs(const unsigned char *data, size_t data_size, const void *bytes, size_t size)
{
    for (size_t i = 0; i + size <= data_size; i++)
        if (memcmp(data + i, bytes, size) == 0)
            return 1;
    return 0;
}

/* Makes a model with values of number type `dtype`, on 3 codebooks of 70 keys: more keys than a word of 64 bits has
 * bits. */
static dkvb_model *plain_model(uint32_t dtype)
{
    enum { C = 3, K = 70, D = 2 };
    static float keys[C * K * D];
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;
    dkvb_model *model;

    o.codebooks = C;
    o.keys = K;
    o.key_dim = D;
    for (size_t i = 0; i < C * K * D; i++)
        keys[i] = (float)(i * 7 % 31) - 15.0f;
    arrays.dim = 3;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&cb, &arrays, &o));
    assert_ok(dkvb_model_new(&model, cb, 2, NULL));
    assert_ok(dkvb_model_set_values(model, NULL, dtype));
    dkvb_codebooks_free(cb);
    return model;
}

enum { PLAIN_PAIRS = 3 * 70, PLAIN_LEAST = 14 }; /* a sixteenth of all pairs, rounded up */

/* Sets random values: the values of a pair are all zero with a chance of `zeros` in 100, otherwise arbitrary, including
 * -0. Returns the number of pairs with other values than zeros. */
static size_t random_values(dkvb_model *model, unsigned zeros, uint64_t *random)
{
    static float values[PLAIN_PAIRS * 2];
    size_t count = 0;

    for (size_t i = 0; i < PLAIN_PAIRS; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        values[2 * i] = values[2 * i + 1] = 0.0f;
        if ((*random >> 33) % 100 < zeros)
            continue;
        values[2 * i + (*random >> 60) % 2] = *random >> 59 & 1 ? -0.0f : 1.5f;
        count++;
    }
    assert_ok(dkvb_model_set_values(model, values, 0));
    return count;
}

static void rows_of_zeros_are_left_out_and_come_back(void **state)
{
    static const uint32_t types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};
    static const unsigned zeros[] = {0, 1, 4, 7, 10, 30, 60, 90, 97, 100};
    const char *path = temp_path("m.dkvb"), *again = temp_path("again.dkvb");
    uint64_t random = 12;

    (void)state;
    for (size_t i = 0; i < 3 * sizeof zeros / sizeof *zeros * 20; i++) {
        dkvb_model *model = plain_model(types[i % 3]), *loaded, *mapped;
        dkvb_model_info info = DKVB_MODEL_INFO_INIT;
        size_t size, row = types[i % 3] == DKVB_DTYPE_F32 ? 8 : 4, section_size = 0;
        size_t count = random_values(model, zeros[i / 3 % (sizeof zeros / sizeof *zeros)], &random), stored;
        unsigned char *data;

        assert_ok(dkvb_model_save(model, path));
        assert_ok(dkvb_model_load(&loaded, path, NULL));
        assert_ok(map_model(&mapped, path, NULL));
        assert_ok(dkvb_model_inspect(path, &info));
        assert_memory_equal(model->values, loaded->values, PLAIN_PAIRS * row);
        assert_memory_equal(model->values, mapped->values, PLAIN_PAIRS * row);
        assert_ok(dkvb_model_verify(mapped));
        assert_ok(dkvb_model_save(loaded, again));
        assert_same_files(path, again);
        assert_ok(dkvb_model_save(mapped, again));
        assert_same_files(path, again);
        stored = count > PLAIN_LEAST ? count : PLAIN_LEAST;
        stored = PLAIN_PAIRS - stored < PLAIN_LEAST ? PLAIN_PAIRS : stored;
        data = read_file(path, &size);
        file_section(data, "values", &section_size);
        assert_int_equal(section_size, stored * row);
        assert_int_equal(occurs(data, 64 + 64 * dkvb__read32(data + 24), "valued", 7), stored < PLAIN_PAIRS);
        free(data);
        dkvb_model_free(model);
        dkvb_model_free(loaded);
        dkvb_model_free(mapped);
    }
}

static void no_file_grows_because_rows_are_left_out(void **state)
{
    static const float keys[3 * 2] = {1, 2, 3, 4, 5, 6};
    const char *path = temp_path("m.dkvb");
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;
    size_t size, section_size = 0;

    (void)state;
    o.codebooks = 3;
    o.keys = 2;
    o.key_dim = 1;
    arrays.dim = 3;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&cb, &arrays, &o));
    /* the set of nonzero pairs takes 24 bytes, five pairs take 10 for each class */
    for (uint32_t classes = 1; classes < 6; classes++) {
        unsigned char *data;
        dkvb_model *model, *loaded;

        assert_ok(dkvb_model_new(&model, cb, classes, NULL));
        assert_ok(dkvb_model_save(model, path));
        data = read_file(path, &size);
        file_section(data, "values", &section_size);
        assert_int_equal(section_size, (classes < 3 ? 6 : 1) * classes * 2);
        free(data);
        assert_ok(dkvb_model_load(&loaded, path, NULL));
        dkvb_model_free(loaded);
        dkvb_model_free(model);
    }
    dkvb_codebooks_free(cb);
}

/* Makes the file of a plain float32 model in which only the first `count` pairs have values other than zero. */
static unsigned char *plain_file(const char *path, size_t count, size_t *size)
{
    static float values[PLAIN_PAIRS * 2];
    dkvb_model *model = plain_model(DKVB_DTYPE_F32);

    for (size_t i = 0; i < PLAIN_PAIRS; i++)
        values[2 * i] = i < count ? 2.0f : 0.0f;
    assert_ok(dkvb_model_set_values(model, values, 0));
    assert_ok(dkvb_model_save(model, path));
    dkvb_model_free(model);
    return read_file(path, size);
}

/* Asserts that a file is refused in which one bit of the set of nonzero pairs is inverted. */
static void assert_bit_refused(const unsigned char *data, size_t size, size_t bit, const char *why)
{
    const char *bad = temp_path("bad");
    unsigned char *copy = malloc(size);
    size_t section_size = 0;

    memcpy(copy, data, size);
    file_section(copy, "valued", &section_size)[bit / 8] ^= (unsigned char)(1 << bit % 8);
    seal_file(copy);
    write_file(bad, copy, size);
    free(copy);
    assert_refused(bad, why);
}

static void sets_of_rows_that_no_writer_writes_are_refused(void **state)
{
    const char *path = temp_path("m.dkvb"), *bad = temp_path("bad");
    size_t size, section_size = 0;
    unsigned char *data = plain_file(path, 100, &size), *at;

    (void)state;
    assert_bit_refused(data, size, 70, "section valued names keys past the last one");
    assert_bit_refused(data, size, 69, "section values has 800 bytes, 792 are wanted");
    assert_bit_refused(data, size, 128 + 69, "section values has 800 bytes, 808 are wanted");
    at = file_section(data, "values", &section_size);
    memset(at + 8 * 99, 0, 8); /* stores a pair of zeros among the nonzero pairs */
    seal_file(data);
    write_file(bad, data, size);
    assert_refused(bad, "codebook 1, key 29 has only zeros for values");
    at = file_section(data, "valued", &section_size);
    memset(at, 0, section_size);
    seal_file(data);
    write_file(bad, data, size);
    assert_refused(bad, "section valued names 0 of 210 pairs, it must be 14 or more");
    free(data);

    data = plain_file(path, 3, &size); /* the smallest file: it stores eleven pairs of zeros, too */
    file_section(data, "values", &section_size);
    assert_int_equal(section_size, PLAIN_LEAST * 8);
    at = file_section(data, "valued", &section_size);
    at[1] = 0x5F; /* stores pair 14 instead of 13, though stored pairs of zeros must be the lowest ones */
    seal_file(data);
    write_file(bad, data, size);
    assert_refused(bad, "codebook 0, key 14 has only zeros for values");
    free(data);
}

static void limits_of_lengths_come_back_and_must_be_limits(void **state)
{
    static const float wrong[][2] = {{-1.0f, 2.0f},    {3.0f, 2.0f},     {NAN, 2.0f},     {1.0f, NAN},
                                     {1.0f, INFINITY}, {-0.0f, FLT_MAX}, {0.0f, FLT_MAX}, {-0.0f, 1.0f}};
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    dkvb_codebooks_info info[2] = {DKVB_CODEBOOKS_INFO_INIT, DKVB_CODEBOOKS_INFO_INIT};
    size_t size, section_size = 0;
    unsigned char *data;
    dkvb_model *model = eventful_model(), *m;

    (void)state;
    assert_ok(dkvb_codebooks_get_info(dkvb_model_codebooks(model), &info[0])); /* the purge has copied the codebooks */
    assert_true(info[0].least_length > 0.0 && info[0].greatest_length < 1000.0);
    assert_ok(dkvb_model_save(model, path));
    for (int map = 0; map < 2; map++) {
        assert_ok(map ? map_model(&m, path, NULL) : dkvb_model_load(&m, path, NULL));
        assert_ok(dkvb_codebooks_get_info(dkvb_model_codebooks(m), &info[1]));
        assert_true(info[0].least_length == info[1].least_length);
        assert_true(info[0].greatest_length == info[1].greatest_length);
        dkvb_model_free(m);
    }
    dkvb_model_free(model);
    data = read_file(path, &size);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(file_section(data, "lengths", &section_size), wrong[i], sizeof wrong[i]);
        assert_int_equal(section_size, sizeof wrong[i]);
        seal_file(data);
        write_file(bad, data, size);
        assert_refused(bad, "which are no limits of lengths");
    }
    free(data);

    model = plain_model(DKVB_DTYPE_F16); /* float16 values are stored as plain arrays */
    assert_ok(dkvb_model_save(model, path));
    data = read_file(path, &size);
    assert_false(occurs(data, 64 + 64 * dkvb__read32(data + 24), "lengths", 8));
    free(data);
    assert_ok(dkvb_model_load(&m, path, NULL));
    assert_ok(dkvb_codebooks_get_info(dkvb_model_codebooks(m), &info[1]));
    assert_true(info[1].least_length == 0.0 && info[1].greatest_length == (double)FLT_MAX);
    dkvb_model_free(m);
    dkvb_model_free(model);
}

static void a_file_with_rows_that_must_be_left_out_is_refused(void **state)
{
    const char *path = temp_path("m.dkvb"), *bad = temp_path("bad");
    size_t size, section_size = 0;
    unsigned char *data = plain_file(path, PLAIN_PAIRS - PLAIN_LEAST + 1, &size);
    dkvb_model *m;

    (void)state;
    memset(file_section(data, "values", &section_size), 0, 8); /* makes the values of one more pair zeros */
    assert_int_equal(section_size, PLAIN_PAIRS * 8);
    seal_file(data);
    write_file(bad, data, size);
    assert_int_equal(dkvb_model_load(&m, bad, NULL), DKVB_EFORMAT);
    assert_message("section values holds all 210 rows, 14 that are zeros must be left out");
    assert_ok(map_model(&m, bad, NULL)); /* mapping succeeds, as it reads no values */
    assert_int_equal(dkvb_model_verify(m), DKVB_EFORMAT);
    assert_message("14 that are zeros must be left out");
    dkvb_model_free(m);
    free(data);
}

static void models_that_leave_rows_out_survive_every_failing_allocation(void **state)
{
    const char *path = temp_path("m.dkvb");
    size_t size;

    (void)state;
    free(plain_file(path, 100, &size));
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
        dkvb_model *m;
        dkvb_status rc;

        o.allocator = &a;
        rc = fail_at % 2 ? dkvb_model_load(&m, path, &o) : map_model(&m, path, &o);
        if (!rc)
            rc = dkvb_model_save(m, temp_path("again.dkvb"));
        dkvb_model_free(m);
        assert_int_equal(mem.live, 0);
        assert_true(rc == DKVB_OK || rc == DKVB_ENOMEM);
        if (!rc && fail_at > 100)
            return;
    }
}

static void a_whitening_that_is_missing_or_of_the_wrong_size_is_named(void **state)
{
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size;
    unsigned char *data = tiny_file(path, &size), *line = file_table_line(data, "whitening");

    (void)state;
    assert_int_equal(dkvb__read64(line + 32), 1 * 3 * 16 * 4); /* a panel of whitening: 16 columns of 3 rows */
    dkvb__write32(line + 16, DKVB_DTYPE_U32);
    seal_file(data);
    write_file(bad, data, size);
    assert_refused(bad, "section whitening holds elements of type");
    dkvb__write32(line + 16, DKVB_DTYPE_F32);
    memcpy(line, "whitened", 9);
    dkvb__write32(line + 20, 0);
    seal_file(data);
    write_file(bad, data, size);
    assert_refused(bad, "has no section whitening");
    free(data);
}

static void counts_of_the_wrong_size_or_type_are_named(void **state)
{
    enum { SIZE = 2 * 2 * 5 * 4 }; /* bytes of the counts: 2 classes, 2 codebooks, 5 keys, 4 bytes each */
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size;
    unsigned char *data = tiny_file(path, &size), *line = file_table_line(data, "counts");

    (void)state;
    assert_int_equal(dkvb__read64(line + 24) + SIZE, size); /* the section with the counts is the last one */
    dkvb__write64(line + 32, SIZE - 4);
    dkvb__write64(data + 16, size - 4);
    seal_file(data);
    write_file(bad, data, size - 4);
    assert_refused(bad, "section counts has 76 bytes, 80 are wanted");

    dkvb__write64(line + 32, SIZE);
    dkvb__write64(data + 16, size);
    dkvb__write32(line + 16, DKVB_DTYPE_U64);
    seal_file(data);
    write_file(bad, data, size);
    assert_refused(bad, "section counts holds elements of type 7, 5 is wanted");
    free(data);
}

static void damage_in_optional_sections_is_named(void **state)
{
    static const char *const optional[] = {"evidence", "encoder", "counts"};
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size, section_size = 0;
    unsigned char *data = tiny_file(path, &size);

    (void)state;
    for (size_t s = 0; s < sizeof optional / sizeof *optional; s++) {
        unsigned char *last = file_section(data, optional[s], &section_size);
        char why[64];
        dkvb_model *m;

        last += section_size - 1;
        *last ^= 0x10;
        write_file(bad, data, size);
        *last ^= 0x10;
        snprintf(why, sizeof why, "section %s is damaged", optional[s]);
        assert_int_equal(dkvb_model_load(&m, bad, NULL), DKVB_ECHECKSUM);
        assert_message(why);
        if (map_model(&m, bad, NULL) == DKVB_OK)
            assert_int_equal(dkvb_model_verify(m), DKVB_ECHECKSUM);
        assert_message(why);
        dkvb_model_free(m);
    }
    free(data);
}

struct extra {
    const char *name;
    uint32_t dtype, flags;
    const void *data;
    size_t size; /* size of the extra section, 300 bytes or less */
};

/* Returns a copy of a file with one more section at its end. */
static unsigned char *with_section(const unsigned char *data, size_t *size, const struct extra *extra)
{
    size_t count = dkvb__read32(data + 24), table = 64 + 64 * count, shift;
    size_t old_start = (table + 63) / 64 * 64, new_start = (table + 64 + 63) / 64 * 64, end;
    unsigned char *copy = calloc(*size + 640, 1), *e;

    shift = new_start - old_start;
    memcpy(copy, data, table);
    memcpy(copy + new_start, data + old_start, *size - old_start);
    for (size_t i = 0; i < count; i++)
        dkvb__write64(copy + 64 + 64 * i + 24, dkvb__read64(copy + 64 + 64 * i + 24) + shift);
    end = (*size + shift + 63) / 64 * 64;
    memcpy(copy + end, extra->data, extra->size);
    e = copy + table;
    memcpy(e, extra->name, strlen(extra->name));
    dkvb__write32(e + 16, extra->dtype);
    dkvb__write32(e + 20, extra->flags);
    dkvb__write64(e + 24, end);
    dkvb__write64(e + 32, extra->size);
    dkvb__write32(copy + 24, (uint32_t)count + 1);
    *size = end + extra->size;
    dkvb__write64(copy + 16, *size);
    seal_file(copy);
    return copy;
}

/* Returns a copy of a file with a section that only a later version of the library knows. */
static unsigned char *with_extra_section(const unsigned char *data, size_t *size, uint32_t flags)
{
    const struct extra extra = {"future", 0, flags, "extra", 5};

    return with_section(data, size, &extra);
}

static void an_encoder_that_no_writer_writes_is_refused(void **state)
{
    static const char long_text[256] = {'x'};
    const struct {
        struct extra extra;
        const char *why;
    } bad[] = {
        {{"encoder", 0, 0, "", 0}, "section encoder has 0 bytes, 1 to 255 are wanted"},
        {{"encoder", 0, 0, long_text, 256}, "section encoder has 256 bytes, 1 to 255 are wanted"},
        {{"encoder", 0, 0, "a\nb", 3}, "section encoder has a text that is not clean UTF-8"},
        {{"encoder", 0, 0, "a\0b", 3}, "section encoder has a text that is not clean UTF-8"},
        {{"encoder", 0, 0, "a\xC3", 2}, "section encoder has a text that is not clean UTF-8"},
        {{"encoder", 1, 0, "ab", 2}, "section encoder holds elements of type 1, 0 is wanted"},
    };
    const char *path = temp_path("tiny"), *file = temp_path("bad");
    size_t size;
    unsigned char *data = tiny_file(path, &size);
    dkvb_model *m;

    (void)state;
    assert_ok(dkvb_model_load(&m, path, NULL));
    assert_ok(dkvb_model_set_encoder(m, NULL));
    assert_ok(dkvb_model_save(m, path));
    dkvb_model_free(m);
    free(data);
    data = read_file(path, &size);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t bad_size = size;
        unsigned char *copy = with_section(data, &bad_size, &bad[i].extra);

        write_file(file, copy, bad_size);
        free(copy);
        assert_refused(file, bad[i].why);
    }
    free(data);
}

static void an_encoder_takes_text_of_up_to_255_bytes(void **state)
{
    char longest[257], before[257];
    dkvb_model *model = trained_model(1, codes);

    (void)state;
    memset(longest, 'e', sizeof longest);
    longest[255] = '\0';
    assert_null(encoder_of(model));
    assert_ok(dkvb_model_set_encoder(model, longest));
    memcpy(before, longest, sizeof before);
    longest[255] = 'e', longest[256] = '\0';
    assert_int_equal(dkvb_model_set_encoder(model, longest), DKVB_EINVAL);
    assert_message("encoder: 256 bytes, at most 255 are wanted");
    assert_int_equal(dkvb_model_set_encoder(model, "two\nlines"), DKVB_EINVAL);
    assert_int_equal(dkvb_model_set_encoder(model, "\xFF"), DKVB_EINVAL);
    assert_message("encoder: UTF-8 without control characters is wanted");
    assert_string_equal(encoder_of(model), before); /* what is refused changes nothing */
    assert_ok(dkvb_model_set_encoder(model, ""));
    assert_null(encoder_of(model));
    dkvb_model_free(model);
}

static void an_encoder_outlives_all_that_is_done_to_a_model(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_model *model = trained_model(1, codes), *loaded;
    dkvb_mask *mask = mask_for_class(model, codes, 1, 20);
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    uint64_t entry;

    (void)state;
    assert_ok(dkvb_model_set_encoder(model, "descriptor 1"));
    assert_ok(dkvb_model_add_classes(model, 1));
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL));
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    assert_ok(dkvb_model_undo(model, entry, NULL));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&loaded, path, NULL));
    assert_string_equal(encoder_of(loaded), "descriptor 1");
    assert_ok(dkvb_model_inspect(path, &info));
    assert_null(info.encoder); /* the file no longer names an encoder */
    dkvb_model_free(loaded);
    dkvb_model_free(model);
    dkvb_mask_free(mask);
}

/* Each column name is stored as a length and a text; anything else is refused. */
static void columns_that_no_writer_writes_are_refused(void **state)
{
    static const char long_text[2 + 256 + 3 + 3] = "\0\1";
    const struct {
        struct extra extra;
        const char *why;
    } bad[] = {
        {{"columns", 0, 0, "", 0}, "section columns has 0 bytes for the names of 3 columns"},
        {{"columns", 0, 0, "\1\0a\1\0b\1\0", 8}, "section columns has 8 bytes for the names of 3 columns"},
        {{"columns", 0, 0, "\1\0a\1\0b\1\0cd", 10}, "section columns has 1 bytes too many"},
        {{"columns", 0, 0, "\1\0a\1\0b\2\0c", 9}, "columns: the name of column 2 has no proper length"},
        {{"columns", 0, 0, "\1\0a\6\0b\1\0cd", 10}, "columns: the name of column 1 has no proper length"},
        {{"columns", 0, 0, "\1\0a\0\0\1\0cdefg", 12}, "columns: the name of column 1 has no proper length"},
        {{"columns", 0, 0, long_text, sizeof long_text}, "columns: the name of column 0 has no proper length"},
        {{"columns", 0, 0, "\1\0a\3\0b\0c\1\0d", 11}, "columns: the name of column 1 holds a zero byte"},
        {{"columns", 0, 0, "\1\0a\1\0\n\1\0c", 9}, "the name of column 1 must be UTF-8 without control characters"},
        {{"columns", 0, 0, "\1\0a\1\0b\1\0\xC3", 9}, "the name of column 2 must be UTF-8 without control characters"},
        {{"columns", 0, 0, "\1\0a\1\0b\1\0a", 9}, "section columns: columns 0 and 2 are both called 'a'"},
        {{"columns", 0, 0, "\2\0\xC3\xB6\1\0b\3\0o\xCC\x88", 12}, "section columns: columns 0 and 2 are both called"},
        {{"columns", 1, 0, "\1\0a\1\0b\1\0c", 9}, "section columns holds elements of type 1, 0 is wanted"},
    };
    const struct extra good = {"columns", 0, 0, "\1\0a\2\0\xC3\xB6\1\0c", 10};
    const char *path = temp_path("tiny"), *file = temp_path("bad");
    size_t size, good_size;
    unsigned char *data = tiny_file(path, &size), *copy;
    dkvb_model *m;

    (void)state;
    assert_ok(dkvb_model_load(&m, path, NULL));
    assert_ok(dkvb_model_set_column_names(m, NULL, 0));
    assert_ok(dkvb_model_save(m, path));
    dkvb_model_free(m);
    free(data);
    data = read_file(path, &size);
    good_size = size;
    copy = with_section(data, &good_size, &good);
    write_file(file, copy, good_size);
    free(copy);
    assert_ok(dkvb_model_load(&m, file, NULL));
    assert_string_equal(dkvb_model_column_name(m, 0), "a");
    assert_string_equal(dkvb_model_column_name(m, 1), "\xC3\xB6");
    assert_string_equal(dkvb_model_column_name(m, 2), "c");
    dkvb_model_free(m);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t bad_size = size;

        copy = with_section(data, &bad_size, &bad[i].extra);
        write_file(file, copy, bad_size);
        free(copy);
        assert_refused(file, bad[i].why);
    }
    free(data);
}

static void column_names_are_all_given_and_all_different(void **state)
{
    const char *names[DIM + 1];
    char longest[257];
    dkvb_model *model = trained_model(1, codes);
    const struct {
        size_t at;
        const char *name, *why;
    } bad[] = {
        {4, NULL, "column names: column 4 has no name: name all columns or none"},
        {0, "", "column names: column 0 has no name: name all columns or none"},
        {9, longest, "column names: the name of column 9 has 256 bytes, at most 255 are allowed"},
        {3, "a\tb", "column names: the name of column 3 must be UTF-8 without control characters"},
        {3, "\xFF", "column names: the name of column 3 must be UTF-8 without control characters"},
        {7, "age", "column names: columns 0 and 7 are both called 'age': give each column a name of its own"},
        /* the name "höhe" in another Unicode spelling */
        {8, "ho\xCC\x88he", "column names: columns 3 and 8 are both called"},
    };

    (void)state;
    memset(longest, 'c', sizeof longest);
    longest[255] = '\0';
    memcpy(names, column_names, sizeof column_names);
    names[DIM] = "one more";
    assert_columns(model, NULL);
    names[9] = longest;
    assert_ok(dkvb_model_set_column_names(model, names, DIM));
    assert_columns(model, names);
    assert_ok(dkvb_model_set_column_names(model, column_names, DIM));
    longest[255] = 'c', longest[256] = '\0';
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(names, column_names, sizeof column_names);
        names[bad[i].at] = bad[i].name;
        assert_int_equal(dkvb_model_set_column_names(model, names, DIM), DKVB_EINVAL);
        assert_message(bad[i].why);
        assert_int_equal(dkvb_model_set_column_names(NULL, names, DIM), DKVB_EINVAL); /* NULL in place of a model */
        assert_message(bad[i].why);
        assert_columns(model, column_names); /* what is refused changes nothing */
    }
    memcpy(names, column_names, sizeof column_names);
    assert_ok(dkvb_model_set_column_names(NULL, names, DIM + 1));
    assert_int_equal(dkvb_model_set_column_names(model, names, DIM + 1), DKVB_EINVAL);
    assert_message("column names: 11 names found, the rows of the model have 10 columns");
    assert_int_equal(dkvb_model_set_column_names(model, names, DIM - 1), DKVB_EINVAL);
    assert_int_equal(dkvb_model_set_column_names(model, NULL, DIM), DKVB_EINVAL);
    assert_message("names is NULL");
    for (uint32_t i = 0; i < DIM; i++)
        names[i] = dkvb_model_column_name(model, i);
    /* the new names are texts that belong to the model itself */
    assert_ok(dkvb_model_set_column_names(model, names, DIM));
    assert_columns(model, column_names);
    dkvb_model_free(model);
}

static void column_names_outlive_all_that_is_done_to_a_model(void **state)
{
    const char *path = temp_path("m.dkvb"), *plain = temp_path("plain.dkvb"), *again = temp_path("again.dkvb");
    dkvb_model *model = trained_model(1, codes), *loaded;
    dkvb_mask *mask = mask_for_class(model, codes, 1, 20);
    uint64_t entry;

    (void)state;
    assert_ok(dkvb_model_save(model, plain));
    assert_ok(dkvb_model_set_column_names(model, column_names, DIM));
    assert_ok(dkvb_model_set_column_names(model, NULL, 0));
    assert_columns(model, NULL);
    assert_ok(dkvb_model_save(model, again));
    assert_same_files(plain, again); /* a file without column names is as if there had never been any */
    assert_ok(dkvb_model_set_column_names(model, column_names, DIM));
    assert_ok(dkvb_model_add_classes(model, 1));
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL));
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    assert_ok(dkvb_model_undo(model, entry, NULL));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_load(&loaded, path, NULL));
    assert_columns(loaded, column_names);
    dkvb_model_free(loaded);
    dkvb_model_free(model);
    dkvb_mask_free(mask);
}

static void unknown_optional_sections_are_kept_and_required_ones_refused(void **state)
{
    const char *path = temp_path("tiny"), *future = temp_path("future"), *again = temp_path("again");
    size_t size, future_size;
    unsigned char *data = tiny_file(path, &size), *copy;
    dkvb_model *m;

    (void)state;
    future_size = size;
    copy = with_extra_section(data, &future_size, 0);
    write_file(future, copy, future_size);
    free(copy);
    assert_ok(dkvb_model_load(&m, future, NULL));
    assert_ok(dkvb_model_save(m, again));
    assert_same_files(future, again);
    dkvb_model_free(m);
    assert_ok(map_model(&m, future, NULL));
    assert_ok(dkvb_model_save(m, again));
    assert_same_files(future, again);
    dkvb_model_free(m);

    future_size = size;
    copy = with_extra_section(data, &future_size, 1);
    write_file(future, copy, future_size);
    assert_int_equal(dkvb_model_load(&m, future, NULL), DKVB_EFORMAT);
    assert_message("needs section future");
    free(copy);
    free(data);
}

static void a_purge_drops_counts_and_sections_that_nobody_knows(void **state)
{
    const char *path = temp_path("tiny"), *future = temp_path("future"), *again = temp_path("again");
    size_t size;
    unsigned char *data = tiny_file(path, &size), *copy = with_extra_section(data, &size, 0), *saved;
    dkvb_model *m;

    (void)state;
    write_file(future, copy, size);
    assert_ok(dkvb_model_load(&m, future, NULL));
    assert_ok(dkvb_model_purge(m));
    assert_ok(dkvb_model_save(m, again));
    dkvb_model_free(m);
    saved = read_file(again, &size);
    assert_int_equal(dkvb__read32(saved + 24), dkvb__read32(copy + 24) - 2);
    for (size_t i = 0; i + 6 <= size; i++)
        assert_true(memcmp(saved + i, "future", 6) != 0 && memcmp(saved + i, "extra", 5) != 0 &&
                    memcmp(saved + i, "counts", 6) != 0);
    free(saved);
    free(copy);
    free(data);
}

static void names_as_long_as_names_can_be_are_saved(void **state)
{
    const char *path = temp_path("tiny");
    size_t size, at;
    unsigned char *data = tiny_file(path, &size);
    char folder[256], name[600];
    dkvb_model *m;

    (void)state;
    assert_ok(dkvb_model_load(&m, path, NULL));
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    at = (size_t)snprintf(name, sizeof name, "%s/x", folder);
    for (size_t i = 1; i < 255; i += 2)
        /* fills the name with characters of two bytes, which must not be cut */
        memcpy(name + at + i - 1, "\xC3\xBC", 3);
    assert_int_equal(strlen(strrchr(name, '/') + 1), 255);
    assert_ok(dkvb_model_save(m, name));
    assert_ok(dkvb_model_save(m, name));
    assert_same_files(path, name);
    unlink(name);
    dkvb_model_free(m);
    free(data);
}

static void other_formats_and_other_files_are_told_apart(void **state)
{
    const char *path = temp_path("tiny"), *bad = temp_path("bad");
    size_t size;
    unsigned char *data = tiny_file(path, &size);
    dkvb_mask *mask;
    dkvb_model *m;

    (void)state;
    data[8] = 1;
    data[10] = 2;
    write_file(bad, data, size);
    assert_refused(bad, "format 1.2 is not supported, this library reads 2.x");
    data[8] = 3;
    write_file(bad, data, size);
    assert_refused(bad, "format 3.2 is not supported, this library reads 2.x");
    assert_int_equal(dkvb_mask_load(&mask, path, NULL), DKVB_EFORMAT);
    assert_message("is a model, a mask is wanted");
    write_file(bad, "not a model at all, but long enough to have a header of 64 bytes.....", 68);
    assert_int_equal(dkvb_model_load(&m, bad, NULL), DKVB_EFORMAT);
    assert_int_equal(dkvb_model_load(&m, temp_path("nowhere"), NULL), DKVB_EIO);
    assert_message("No such file");
    assert_int_equal(dkvb_model_load(&m, "/", NULL), DKVB_EIO);
    assert_message("directory");
    free(data);
}

static size_t files_beside(const char *path)
{
    char folder[128];
    size_t count = 0;
    DIR *d;

    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void a_failing_save_leaves_the_old_file_and_nothing_else(void **state)
{
    const char *path = temp_path("tiny"), *kept = temp_path("kept");
    struct rlimit limit = {4096, RLIM_INFINITY}, before;
    dkvb_model *model = eventful_model();
    size_t size, files;
    unsigned char *data = tiny_file(path, &size);

    (void)state;
    write_file(kept, data, size);
    files = files_beside(path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(dkvb_model_save(model, path), DKVB_EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_message("cannot write");
    assert_same_files(path, kept);
    assert_int_equal(files_beside(path), files);
    assert_int_equal(dkvb_model_save(model, temp_path("no/such/folder")), DKVB_EIO);
    assert_int_equal(dkvb_model_save(model, "/dev/null"), DKVB_EIO);
    free(data);
    dkvb_model_free(model);
}

static void saving_follows_links_and_keeps_the_mode(void **state)
{
    const char *path = temp_path("real"), *link = temp_path("link");
    dkvb_model *model = eventful_model();
    struct stat st;

    (void)state;
    write_file(path, "old", 3);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink(path, link), 0);
    assert_ok(dkvb_model_save(model, link));
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_true(st.st_size > 1000);
    dkvb_model_free(model);
}

static void purge_leaves_no_trace_of_keys_and_values_in_the_saved_file(void **state)
{
    static float values[CODEBOOKS * KEYS * CLASSES], live[CODEBOOKS * KEYS * CLASSES];
    static int8_t keys[CODEBOOKS * KEYS * KEY_DIM];
    const char *path = temp_path("purged.dkvb");
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 100);
    size_t size, section_size = 0, key_bytes = dkvb__key_bytes(&dkvb_model_codebooks(model)->shape);
    uint64_t pair, from = 0, compared = 0;
    unsigned char *data;

    (void)state;
    assert_ok(dkvb_model_get_values(model, values));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_get_values(model, live));
    assert_ok(dkvb_codebooks_get_arrays(dkvb_model_codebooks(model),
                                        &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = keys}));
    data = read_file(path, &size);
    for (; dkvb_mask_next(mask, from, &pair); from = pair + 1) {
        const unsigned char *in_file = file_section(data, "keys", &section_size) + pair / KEYS * key_bytes;

        for (size_t i = 0; i < KEY_DIM; i++) {
            assert_int_equal(in_file[dkvb__key_offset(pair % KEYS, i, KEY_DIM)], 0);
            assert_int_equal(keys[pair * KEY_DIM + i], 0);
        }
        /* The values of a pair that is not purged may be equal by chance, so they must be compared too. */
        if (occurs((const unsigned char *)live, sizeof live, values + pair * CLASSES, 16))
            continue;
        assert_false(occurs(data, size, values + pair * CLASSES, 16));
        compared++;
    }
    assert_true(compared > 90);
    free(data);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_and_map_bring_a_model_back),
        cmocka_unit_test(inspect_tells_without_reading_the_arrays),
        cmocka_unit_test(a_mapped_model_cannot_be_changed),
        cmocka_unit_test(a_mapped_model_outlives_the_file_it_came_from),
        cmocka_unit_test(codebooks_outlive_the_mapped_model_they_came_from),
        cmocka_unit_test(every_change_of_every_byte_is_noticed),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(forged_bytes_with_right_checksums_do_no_harm),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(temperatures_out_of_range_are_refused),
        cmocka_unit_test(scales_that_are_not_above_0_are_refused),
        cmocka_unit_test(bytes_that_no_key_has_are_refused),
        cmocka_unit_test(bytes_of_purged_keys_must_be_zero),
        cmocka_unit_test(hostile_arrays_of_mapped_files_do_no_harm),
        cmocka_unit_test(rows_of_zeros_are_left_out_and_come_back),
        cmocka_unit_test(no_file_grows_because_rows_are_left_out),
        cmocka_unit_test(sets_of_rows_that_no_writer_writes_are_refused),
        cmocka_unit_test(limits_of_lengths_come_back_and_must_be_limits),
        cmocka_unit_test(a_file_with_rows_that_must_be_left_out_is_refused),
        cmocka_unit_test(models_that_leave_rows_out_survive_every_failing_allocation),
        cmocka_unit_test(a_whitening_that_is_missing_or_of_the_wrong_size_is_named),
        cmocka_unit_test(counts_of_the_wrong_size_or_type_are_named),
        cmocka_unit_test(damage_in_optional_sections_is_named),
        cmocka_unit_test(an_encoder_that_no_writer_writes_is_refused),
        cmocka_unit_test(an_encoder_takes_text_of_up_to_255_bytes),
        cmocka_unit_test(an_encoder_outlives_all_that_is_done_to_a_model),
        cmocka_unit_test(columns_that_no_writer_writes_are_refused),
        cmocka_unit_test(column_names_are_all_given_and_all_different),
        cmocka_unit_test(column_names_outlive_all_that_is_done_to_a_model),
        cmocka_unit_test(unknown_optional_sections_are_kept_and_required_ones_refused),
        cmocka_unit_test(a_purge_drops_counts_and_sections_that_nobody_knows),
        cmocka_unit_test(names_as_long_as_names_can_be_are_saved),
        cmocka_unit_test(other_formats_and_other_files_are_told_apart),
        cmocka_unit_test(a_failing_save_leaves_the_old_file_and_nothing_else),
        cmocka_unit_test(saving_follows_links_and_keeps_the_mode),
        cmocka_unit_test(purge_leaves_no_trace_of_keys_and_values_in_the_saved_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
