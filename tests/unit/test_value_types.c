/* Tests of values in half precision, which are rounded once, used exactly in predictions, trained in single precision,
 * and stored in files. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/half.h"

enum { VALUES = CODEBOOKS * KEYS * CLASSES };

static uint16_t codes[ROWS * CODEBOOKS];
static const uint32_t halves[2] = {DKVB_DTYPE_F16, DKVB_DTYPE_BF16};

static uint32_t type_of(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    assert_ok(dkvb_model_get_info(model, &info));
    return info.values_dtype;
}

static float rounded(float x, uint32_t dtype)
{
    return dtype == DKVB_DTYPE_F16 ? dkvb__half_to_float(dkvb__float_to_half(x))
                                   : dkvb__bfloat_to_float(dkvb__float_to_bfloat(x));
}

static void assert_same_answers(const dkvb_model *a, const dkvb_model *b)
{
    static float logits[2][ROWS * CLASSES];

    assert_ok(dkvb_model_decode(a, codes, 1, ROWS, NULL, logits[0], NULL));
    assert_ok(dkvb_model_decode(b, codes, 1, ROWS, NULL, logits[1], NULL));
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
}

static void values_are_rounded_once_and_answered_from_exactly(void **state)
{
    static float full[VALUES], half[VALUES];

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        dkvb_model *model = trained_model(1, codes), *twin = trained_model(1, NULL);

        assert_int_equal(type_of(model), DKVB_DTYPE_F32);
        assert_ok(dkvb_model_get_values(model, full));
        assert_ok(dkvb_model_set_values(model, NULL, halves[t]));
        assert_int_equal(type_of(model), halves[t]);
        assert_ok(dkvb_model_get_values(model, half));
        assert_memory_not_equal(full, half, sizeof full);
        for (size_t v = 0; v < VALUES; v++)
            assert_true(half[v] == rounded(full[v], halves[t]));
        assert_ok(dkvb_model_set_values(twin, half, 0)); /* the same numbers in single precision give the same logits */
        assert_same_answers(model, twin);
        /* converting the values back to float32 does not change them */
        assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
        assert_same_answers(model, twin);
        assert_ok(dkvb_model_get_values(model, full));
        assert_memory_equal(full, half, sizeof full);
        dkvb_model_free(model);
        dkvb_model_free(twin);
    }
}

static void training_is_in_single_precision_and_rounds_at_the_end(void **state)
{
    static float expected[VALUES], found[VALUES];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    (void)state;
    o.epochs = 2;
    for (size_t t = 0; t < 2; t++) {
        dkvb_model *model = trained_model(1, codes), *twin = trained_model(1, NULL);

        assert_ok(dkvb_model_set_values(model, NULL, halves[t]));
        assert_ok(dkvb_model_get_values(model, found));
        assert_ok(dkvb_model_set_values(twin, found, 0));
        assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, &o, NULL));
        assert_ok(dkvb_model_train(twin, codes, 1, labels, ROWS, &o, NULL));
        assert_int_equal(type_of(model), halves[t]);
        assert_ok(dkvb_model_get_values(model, found));
        assert_ok(dkvb_model_get_values(twin, expected));
        for (size_t v = 0; v < VALUES; v++)
            assert_true(found[v] == rounded(expected[v], halves[t]));
        dkvb_model_free(model);
        dkvb_model_free(twin);
    }
}

static void a_value_that_is_too_large_is_named_and_nothing_changes(void **state)
{
    static float values[VALUES], before[VALUES], read_back[VALUES];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model *model = trained_model(1, codes);

    (void)state;
    assert_ok(dkvb_model_get_values(model, values));
    values[(3 * KEYS + 5) * CLASSES + 2] = 65520.0f; /* a number that rounds to 65536, which is too large for float16 */
    assert_ok(dkvb_model_set_values(model, values, 0));
    assert_int_equal(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16), DKVB_EINVAL);
    assert_message("codebook 3, key 5, class 2 has the value 65520, too large for float16");
    assert_int_equal(type_of(model), DKVB_DTYPE_F32);
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_BF16));
    assert_int_equal(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16), DKVB_EINVAL);
    assert_int_equal(type_of(model), DKVB_DTYPE_BF16);
    values[(3 * KEYS + 5) * CLASSES + 2] = 65519.0f;
    assert_ok(dkvb_model_set_values(model, values, 0));
    assert_int_equal(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16),
                     DKVB_EINVAL); /* fails, as bfloat16 has rounded the value to 65536 */
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
    assert_ok(dkvb_model_set_values(model, values, 0));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16));

    assert_ok(dkvb_model_get_values(model, before));
    values[0] = 1e5f;
    assert_int_equal(dkvb_model_set_values(model, values, 0), DKVB_EINVAL);
    assert_message("number 0 is 100000");
    assert_int_equal(dkvb_model_set_values(model, values, DKVB_DTYPE_F16), DKVB_EINVAL);
    /* sets the values and a number type that can hold them at once */
    assert_ok(dkvb_model_set_values(model, values, DKVB_DTYPE_F32));
    assert_int_equal(type_of(model), DKVB_DTYPE_F32);
    assert_ok(dkvb_model_get_values(model, read_back));
    assert_memory_equal(read_back, values, sizeof values);
    assert_ok(dkvb_model_set_values(model, before, DKVB_DTYPE_F16));
    o.learning_rate = 1e6;
    assert_int_equal(dkvb_model_train(model, codes, 1, labels, ROWS, &o, NULL), DKVB_EINVAL);
    assert_message("too large for float16");
    assert_ok(dkvb_model_get_values(model, values));
    assert_memory_equal(values, before, sizeof values);
    /* a training can begin, so none was left unfinished */
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL));
    dkvb_model_free(model);
}

static void types_without_values_and_models_at_work_are_refused(void **state)
{
    dkvb_model *model = trained_model(1, codes);

    (void)state;
    assert_int_equal(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F64), DKVB_EINVAL);
    assert_int_equal(dkvb_model_set_values(model, NULL, 0), DKVB_EINVAL);
    assert_message("it must be float32, float16 or bfloat16, or 0 where values are given");
    assert_ok(dkvb_model_train_begin(model, NULL));
    assert_int_equal(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16), DKVB_ESTATE);
    dkvb_model_free(model);
}

static void files_keep_the_type_and_maps_answer_in_place(void **state)
{
    const char *path = temp_path("half.dkvb");

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        dkvb_model *model = trained_model(1, codes), *loaded, *mapped;
        dkvb_mask *mask = mask_for_class(model, codes, 2, 30);
        uint64_t pair;

        assert_ok(dkvb_model_set_values(model, NULL, halves[t]));
        assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
        assert_ok(dkvb_model_purge(model));
        assert_ok(dkvb_model_add_classes(model, 1));
        assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, 1, codes, NULL, NULL));
        assert_ok(dkvb_model_save(model, path));
        assert_ok(dkvb_model_load(&loaded, path, NULL));
        assert_ok(map_model(&mapped, path, NULL));
        assert_int_equal(type_of(loaded), halves[t]);
        assert_int_equal(type_of(mapped), halves[t]);
        for (size_t r = 0; r < ROWS; r++) {
            float logits[3][CLASSES + 1];

            assert_ok(dkvb_model_decode(model, codes + r * CODEBOOKS, 1, 1, NULL, logits[0], NULL));
            assert_ok(dkvb_model_decode(loaded, codes + r * CODEBOOKS, 1, 1, NULL, logits[1], NULL));
            assert_ok(dkvb_model_decode(mapped, codes + r * CODEBOOKS, 1, 1, NULL, logits[2], NULL));
            assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
            assert_memory_equal(logits[0], logits[2], sizeof logits[0]);
            assert_true(logits[0][CLASSES] == 0.0f);
        }
        assert_ok(dkvb_model_verify(mapped));
        assert_int_equal(dkvb_model_set_values(mapped, NULL, DKVB_DTYPE_F32), DKVB_ESTATE);
        assert_int_equal(dkvb_mask_next(mask, 0, &pair), 1);
        dkvb_mask_free(mask);
        dkvb_model_free(model);
        dkvb_model_free(loaded);
        dkvb_model_free(mapped);
    }
}

/* Finds the entry of the section "values" in the section table of a model file. */
static unsigned char *values_entry(unsigned char *data)
{
    unsigned char *e = data + 64;

    while (strcmp((const char *)e, "values") != 0)
        e += 64;
    return e;
}

static void seal(unsigned char *data)
{
    unsigned char *e = values_entry(data);

    dkvb__write64(e + 40, dkvb__checksum(data + dkvb__read64(e + 24), (size_t)dkvb__read64(e + 32)));
    dkvb__write64(data + 32, 0);
    dkvb__write64(data + 32, dkvb__checksum(data, 64 + 64 * (size_t)dkvb__read32(data + 24)));
}

static void forged_values_and_types_are_refused(void **state)
{
    static const uint16_t bad[2][3] = {{0x7C00, 0xFC00, 0x7E01}, {0x7F80, 0xFF80, 0x7FC1}};
    const char *path = temp_path("half.dkvb");

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        dkvb_model *model = trained_model(1, codes), *m;
        unsigned char *data, *e;
        size_t size;

        assert_ok(dkvb_model_set_values(model, NULL, halves[t]));
        assert_ok(dkvb_model_save(model, path));
        data = read_file(path, &size);
        e = values_entry(data);
        for (size_t b = 0; b < 3; b++) {
            memcpy(data + dkvb__read64(e + 24) + 10, &bad[t][b], 2);
            seal(data);
            write_file(path, data, size);
            assert_int_equal(dkvb_model_load(&m, path, NULL), DKVB_EFORMAT);
            assert_message("not finite");
            assert_ok(map_model(&m, path, NULL));
            assert_int_equal(dkvb_model_verify(m), DKVB_EFORMAT);
            dkvb_model_free(m);
        }
        dkvb__write32(e + 16, DKVB_DTYPE_F32); /* declares float32, with half as many numbers in the same bytes */
        seal(data);
        write_file(path, data, size);
        assert_int_equal(map_model(&m, path, NULL), DKVB_EFORMAT);
        assert_message("section values has");
        dkvb__write32(e + 16, DKVB_DTYPE_U16);
        seal(data);
        write_file(path, data, size);
        assert_int_equal(map_model(&m, path, NULL), DKVB_EFORMAT);
        assert_message("section values holds elements of type 3");
        free(data);
        dkvb_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_rounded_once_and_answered_from_exactly),
        cmocka_unit_test(training_is_in_single_precision_and_rounds_at_the_end),
        cmocka_unit_test(a_value_that_is_too_large_is_named_and_nothing_changes),
        cmocka_unit_test(types_without_values_and_models_at_work_are_refused),
        cmocka_unit_test(files_keep_the_type_and_maps_answer_in_place),
        cmocka_unit_test(forged_values_and_types_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
