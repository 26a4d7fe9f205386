/* Codesets: rows' ids, labels and codes in two parts, and their files. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codeset.h"

enum { DEPTH = 5, TRAINED = 400 };

static uint16_t codes[ROWS * CODEBOOKS], deep[ROWS * CODEBOOKS * DEPTH];
static uint64_t ids[ROWS];

static dkvb_model *model_with_ids(void)
{
    dkvb_model *model = trained_model(1, codes);

    for (size_t r = 0; r < ROWS; r++)
        ids[r] = 3 * r + 1;
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, DEPTH, deep, NULL, NULL));
    return model;
}

/* The first TRAINED rows to train on, the others held out. */
static dkvb_codeset *filled(const dkvb_model *model, const dkvb_allocator *allocator)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_keyinit_options keyinit = small_keyinit();
    dkvb_train_options training = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_codeset *set;

    o.depth = DEPTH;
    o.allocator = allocator;
    training.epochs = 4;
    training.rate_last = 0.5;
    training.label_smoothing = 0.25;
    training.class_weight = DKVB_CLASS_WEIGHT_BALANCED;
    training.seed = 11;
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &o));
    assert_ok(dkvb_codeset_set_training(set, &training));
    assert_ok(dkvb_codeset_set_keyinit(set, &keyinit));
    assert_ok(dkvb_codeset_add(set, DKVB_PART_TRAINING, ids, labels, codes, 100));
    assert_ok(
        dkvb_codeset_add(set, DKVB_PART_TRAINING, ids + 100, labels + 100, codes + 100 * CODEBOOKS, TRAINED - 100));
    assert_ok(dkvb_codeset_add(set, DKVB_PART_HELD_OUT, ids + TRAINED, labels + TRAINED,
                               deep + TRAINED * CODEBOOKS * DEPTH, ROWS - TRAINED));
    return set;
}

static dkvb_codeset_rows part(const dkvb_codeset *set, uint32_t which)
{
    dkvb_codeset_rows rows_of = DKVB_CODESET_ROWS_INIT;

    assert_ok(dkvb_codeset_get_rows(set, which, &rows_of));
    return rows_of;
}

static void assert_same_part(const dkvb_codeset *a, const dkvb_codeset *b, uint32_t which)
{
    dkvb_codeset_rows p = part(a, which), q = part(b, which);

    assert_true(p.n == q.n && p.k == q.k && p.codebooks == q.codebooks);
    assert_memory_equal(p.ids, q.ids, p.n * sizeof *p.ids);
    assert_memory_equal(p.labels, q.labels, p.n * sizeof *p.labels);
    assert_memory_equal(p.codes, q.codes, p.n * p.codebooks * p.k * sizeof *p.codes);
}

static void rows_come_back_as_they_were_added(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL);
    dkvb_codeset_rows p = part(set, DKVB_PART_TRAINING), q = part(set, DKVB_PART_HELD_OUT);

    (void)state;
    assert_true(p.n == TRAINED && p.k == 1 && q.n == ROWS - TRAINED && q.k == DEPTH && q.codebooks == CODEBOOKS);
    assert_memory_equal(p.codes, codes, TRAINED * CODEBOOKS * sizeof *codes);
    assert_memory_equal(q.codes, deep + TRAINED * CODEBOOKS * DEPTH, q.n * CODEBOOKS * DEPTH * sizeof *deep);
    assert_memory_equal(q.ids, ids + TRAINED, q.n * sizeof *ids);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void ids_ascend_labels_and_keys_exist(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL);
    uint64_t low[2] = {ids[TRAINED - 1], ids[TRAINED - 1] + 1}, same[2] = {5000, 5000}, good[2] = {5000, 5001};
    int32_t label[2] = {0, -2};
    uint16_t code[2 * CODEBOOKS] = {0};

    (void)state;
    assert_int_equal(dkvb_codeset_add(set, DKVB_PART_TRAINING, low, labels, codes, 2), DKVB_EINVAL);
    assert_message("ascend");
    assert_int_equal(dkvb_codeset_add(set, DKVB_PART_TRAINING, same, labels, codes, 2), DKVB_EINVAL);
    assert_int_equal(dkvb_codeset_add(set, DKVB_PART_TRAINING, good, label, code, 2), DKVB_EINVAL);
    assert_message("row 1 has label -2");
    code[CODEBOOKS + 3] = KEYS;
    assert_int_equal(dkvb_codeset_add(set, DKVB_PART_TRAINING, good, labels, code, 2), DKVB_EINVAL);
    assert_message("row 1, codebook 3 names key 70");
    assert_int_equal(dkvb_codeset_add(set, 2, good, labels, codes, 2), DKVB_EINVAL);
    assert_int_equal(part(set, DKVB_PART_TRAINING).n, TRAINED);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static bool holds(const void *haystack, size_t size, const void *needle, size_t length)
{
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp((const char *)haystack + i, needle, length) == 0)
            return true;
    return false;
}

static void removed_rows_leave_both_parts_and_nothing_behind(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *before = filled(model, NULL);
    uint64_t gone[3] = {ids[TRAINED + 7], ids[0], ids[TRAINED - 1]}, wrong[2] = {ids[5], 2}, removed = 0;
    const struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING];

    (void)state;
    assert_int_equal(dkvb_codeset_remove(set, wrong, 2, &removed), DKVB_ENOTFOUND);
    assert_message("id 2");
    assert_same_part(set, before, DKVB_PART_TRAINING);
    assert_ok(dkvb_codeset_remove(set, gone, 3, &removed));
    assert_int_equal(removed, 3);
    assert_true(part(set, DKVB_PART_TRAINING).n == TRAINED - 2 &&
                part(set, DKVB_PART_HELD_OUT).n == ROWS - TRAINED - 1);
    assert_int_equal(part(set, DKVB_PART_TRAINING).ids[0], ids[1]);
    assert_memory_equal(part(set, DKVB_PART_TRAINING).codes, codes + CODEBOOKS,
                        (TRAINED - 2) * CODEBOOKS * sizeof *codes);
    assert_false(holds(training->codes, training->capacity * CODEBOOKS * sizeof *codes,
                       codes + (TRAINED - 1) * CODEBOOKS, CODEBOOKS * sizeof *codes));
    assert_int_equal(dkvb_codeset_remove(set, gone, 3, NULL), DKVB_ENOTFOUND);
    dkvb_codeset_free(set);
    dkvb_codeset_free(before);
    dkvb_model_free(model);
}

static void a_file_gives_the_same_codeset(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *loaded;
    dkvb_train_options training = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_keyinit_options keyinit = DKVB_KEYINIT_OPTIONS_INIT;
    const char *path = temp_path("codes");

    (void)state;
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL));
    assert_same_part(set, loaded, DKVB_PART_TRAINING);
    assert_same_part(set, loaded, DKVB_PART_HELD_OUT);
    assert_ok(dkvb_codeset_get_training(loaded, &training));
    assert_true(training.epochs == 4 && training.rate_last == 0.5 && training.seed == 11);
    assert_true(training.label_smoothing == 0.25 && training.class_weight == DKVB_CLASS_WEIGHT_BALANCED);
    assert_ok(dkvb_codeset_get_keyinit(loaded, &keyinit));
    assert_true(keyinit.keys == KEYS && keyinit.key_dim == KEY_DIM && keyinit.passes == 2);
    assert_ok(dkvb_codeset_check(loaded, dkvb_model_codebooks(model)));
    dkvb_codeset_free(loaded);
    assert_ok(dkvb_codeset_set_keyinit(set, NULL));
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL));
    assert_int_equal(dkvb_codeset_get_keyinit(loaded, &keyinit), DKVB_ENOTFOUND);
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void every_damaged_file_is_refused(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *loaded;
    uint64_t most[ROWS];
    const char *path = temp_path("damaged");
    unsigned char *data;
    size_t size;

    (void)state;
    memcpy(most, ids + 3, (TRAINED - 3) * sizeof *ids); /* a small file: 3 rows, and 2 held out */
    memcpy(most + TRAINED - 3, ids + TRAINED + 2, (ROWS - TRAINED - 2) * sizeof *ids);
    assert_ok(dkvb_codeset_remove(set, most, ROWS - 5, NULL));
    assert_ok(dkvb_codeset_save(set, path));
    data = read_file(path, &size);
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0x41;
        write_file(path, data, size);
        assert_int_not_equal(dkvb_codeset_load(&loaded, path, NULL), DKVB_OK);
        assert_null(loaded);
        data[i] ^= 0x41;
    }
    for (size_t i = 0; i < size; i += 7) {
        write_file(path, data, i);
        assert_int_not_equal(dkvb_codeset_load(&loaded, path, NULL), DKVB_OK);
    }
    free(data);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void other_codebooks_are_refused(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL);
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *other;

    (void)state;
    o.seed = 5;
    assert_ok(dkvb_codebooks_fit(&other, rows, ROWS, DIM, &o, NULL));
    assert_int_equal(dkvb_codeset_check(set, other), DKVB_EMISMATCH);
    assert_message("other codebooks");
    dkvb_codebooks_free(other);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void holding_out_depends_on_the_id_alone(void **state)
{
    size_t held = 0;

    (void)state;
    for (uint64_t id = 0; id < 100000; id++) {
        held += (size_t)dkvb_codeset_holds_out(id, 0.1);
        assert_true(dkvb_codeset_holds_out(id, 0.2) >= dkvb_codeset_holds_out(id, 0.1));
    }
    assert_true(held > 9500 && held < 10500); /* five standard errors: 475 */
    assert_false(dkvb_codeset_holds_out(1, 0.0));
    assert_true(dkvb_codeset_holds_out(1, 1.0));
}

static void each_allocation_may_fail(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *good = filled(model, NULL);
    const char *path = temp_path("alloc");

    (void)state;
    assert_ok(dkvb_codeset_save(good, path));
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_codeset *set;
        dkvb_status rc = dkvb_codeset_load(&set, path, &a);

        if (!rc)
            rc = dkvb_codeset_add(set, DKVB_PART_TRAINING, (uint64_t[]){90000}, labels, codes, 1);
        if (!rc)
            rc = dkvb_codeset_remove(set, (uint64_t[]){90000}, 1, NULL);
        if (!rc)
            rc = dkvb_codeset_save(set, path);
        dkvb_codeset_free(set);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
    dkvb_codeset_free(good);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were_added),
        cmocka_unit_test(ids_ascend_labels_and_keys_exist),
        cmocka_unit_test(removed_rows_leave_both_parts_and_nothing_behind),
        cmocka_unit_test(a_file_gives_the_same_codeset),
        cmocka_unit_test(every_damaged_file_is_refused),
        cmocka_unit_test(other_codebooks_are_refused),
        cmocka_unit_test(holding_out_depends_on_the_id_alone),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
