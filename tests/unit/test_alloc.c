/* Tests in which every allocation in the life of a model fails once: the call returns DKVB_ENOMEM, leaks nothing and
 * changes nothing. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"

static uint16_t codes[ROWS * CODEBOOKS];

static int setup(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

/* Returns options of a forget operation with all members set and unsorted rows, which needs the most memory. */
static dkvb_forget_options full_options(void)
{
    static const uint64_t row_ids[] = {30, 20, 10};
    static const uint8_t classes[CLASSES] = {DKVB_FORGET};
    static const dkvb_class_effect effects[CLASSES] = {{.rows = 3}};
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;

    o.classes = classes;
    o.effects = effects;
    o.budget = 50;
    o.rows = row_ids;
    o.row_count = 3;
    return o;
}

static const char *const column_names[DIM] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};

/* Trains, forgets, saves, loads, undoes and purges, all with one allocator. The function live() stops at the first
 * failure. */
static dkvb_status live(const dkvb_allocator *a, const char *path)
{
    dkvb_keyinit_options keyinit = small_keyinit();
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_forget_options forget = full_options();
    dkvb_request request = DKVB_REQUEST_INIT;
    uint64_t entry;
    dkvb_codebooks *cb = NULL;
    dkvb_model *model = NULL, *loaded = NULL, *mapped = NULL;
    dkvb_mask *mask = NULL, *saved = NULL;
    int32_t label;
    dkvb_status rc;

    keyinit.allocator = a;
    options.allocator = a;
    request.method = DKVB_METHOD_CONTRAST;
    request.codes = codes;
    request.n = 100;
    if ((rc = dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &keyinit, NULL)) != DKVB_OK ||
        (rc = dkvb_model_new(&model, cb, CLASSES, &options)) != DKVB_OK ||
        (rc = dkvb_search(cb, NULL, rows, ROWS, 1, codes, NULL, NULL)) != DKVB_OK ||
        (rc = dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL)) != DKVB_OK ||
        (rc = dkvb_model_set_class_name(model, 0, "zero")) != DKVB_OK ||
        (rc = dkvb_model_set_encoder(model, "clip")) != DKVB_OK ||
        (rc = dkvb_model_set_column_names(model, column_names, DIM)) != DKVB_OK ||
        (rc = dkvb_model_set_values(model, NULL, DKVB_DTYPE_F16)) != DKVB_OK ||
        (rc = dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL)) != DKVB_OK ||
        (rc = dkvb_mask_new(&mask, cb)) != DKVB_OK ||
        (rc = dkvb_unlearn_choose(mask, model, &request, 50, NULL)) != DKVB_OK ||
        (rc = dkvb_model_forget(model, mask, &forget, &entry)) != DKVB_OK ||
        (rc = dkvb_journal_names_rows(model, entry, forget.rows, 3) ? DKVB_OK : DKVB_ENOMEM) != DKVB_OK ||
        (rc = dkvb_mask_save(mask, path)) != DKVB_OK || (rc = dkvb_mask_load(&saved, path, a)) != DKVB_OK ||
        (rc = dkvb_model_save(model, path)) != DKVB_OK || (rc = map_model(&mapped, path, &options)) != DKVB_OK ||
        (rc = dkvb_model_verify(mapped)) != DKVB_OK ||
        (rc = dkvb_model_predict(mapped, rows, 1, &label, NULL, NULL)) != DKVB_OK ||
        (rc = dkvb_model_load(&loaded, path, &options)) != DKVB_OK ||
        (rc = dkvb_search_refresh(loaded, rows, ROWS, 1, codes, NULL, NULL)) != DKVB_OK ||
        (rc = dkvb_model_add_classes(loaded, 1)) != DKVB_OK || (rc = dkvb_model_undo(loaded, entry, NULL)) != DKVB_OK ||
        (rc = dkvb_model_forget(loaded, mask, NULL, NULL)) != DKVB_OK)
        goto end;
    rc = dkvb_model_purge(loaded);

end:
    dkvb_mask_free(mask);
    dkvb_mask_free(saved);
    dkvb_model_free(model);
    dkvb_model_free(loaded);
    dkvb_model_free(mapped);
    dkvb_codebooks_free(cb);
    return rc;
}

static void every_allocation_of_a_life_may_fail(void **state)
{
    const char *path = temp_path("life");

    (void)state;
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_status rc = live(&a, path);

        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK) {
            assert_true(fail_at > 100); /* proves that the library used the allocator */
            return;
        }
        assert_int_equal(rc, DKVB_ENOMEM);
    }
}

static void half_an_allocator_is_refused(void **state)
{
    const char *path = temp_path("whole");
    struct failing_alloc mem;
    dkvb_allocator no_release = failing_allocator(&mem, SIZE_MAX), no_alloc = no_release, none = {0};
    const dkvb_allocator *const halves[] = {&no_release, &no_alloc};
    dkvb_model *model = trained_model(1, codes), *other;
    dkvb_array array = DKVB_ARRAY_INIT;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_mask *mask;

    (void)state;
    no_release.release = NULL;
    no_alloc.alloc = NULL;
    assert_ok(dkvb_model_save(model, path));
    for (size_t i = 0; i < 2; i++) {
        o.allocator = halves[i];
        assert_int_equal(dkvb_model_new(&other, dkvb_model_codebooks(model), 2, &o), DKVB_EINVAL);
        assert_message(i == 0 ? "release is NULL" : "alloc is NULL");
        assert_int_equal(dkvb_model_load(&other, path, &o), DKVB_EINVAL);
        assert_int_equal(map_model(&other, path, &o), DKVB_EINVAL);
        assert_int_equal(dkvb_mask_load(&mask, path, halves[i]), DKVB_EINVAL);
        assert_int_equal(dkvb_array_read(&array, path, DKVB_READ_COPY, halves[i]), DKVB_EINVAL);
        assert_int_equal(dkvb_features_read(&array, path, DKVB_READ_IN_PLACE, halves[i]), DKVB_EINVAL);
    }
    o.allocator = &none; /* neither function is set: malloc and free */
    assert_ok(dkvb_model_load(&other, path, &o));
    dkvb_model_free(other);
    dkvb_model_free(model);
}

static void half_an_allocator_is_refused_by_codebooks(void **state)
{
    struct failing_alloc mem;
    dkvb_allocator no_release = failing_allocator(&mem, SIZE_MAX), no_alloc = no_release, none = {0};
    const dkvb_allocator *const halves[] = {&no_release, &no_alloc};
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;

    (void)state;
    arrays.dim = DIM;
    arrays.keys = rows;
    no_release.release = NULL;
    no_alloc.alloc = NULL;
    for (size_t i = 0; i < 2; i++) {
        o.allocator = halves[i];
        assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
        assert_message(i == 0 ? "release is NULL" : "alloc is NULL");
        assert_null(cb);
        assert_int_equal(dkvb_codebooks_begin(&cb, DIM, &o), DKVB_EINVAL);
        assert_message(i == 0 ? "release is NULL" : "alloc is NULL");
        assert_int_equal(dkvb_codebooks_from_arrays(&cb, &arrays, &o), DKVB_EINVAL);
        assert_message(i == 0 ? "release is NULL" : "alloc is NULL");
    }
    assert_int_equal(mem.live, 0);
    o.allocator = &none; /* neither function is set: malloc and free */
    assert_ok(dkvb_codebooks_begin(&cb, DIM, &o));
    dkvb_codebooks_free(cb);
}

/* Ways to make codebooks: fitted by each method, whitened or not, from a sample of the rows, batch by batch, or from
 * arrays. */
enum { EMA, SAMPLE, MEANS, WHITENED, FEW_ROWS, GROWN, FROM_ARRAYS, WAYS };

static dkvb_status make_codebooks(dkvb_codebooks **cb, int way, const dkvb_allocator *a)
{
    static float whitening[DIM * DIM];
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_status rc;

    o.allocator = a;
    o.method = way == SAMPLE ? DKVB_KEYINIT_SAMPLE : way == MEANS ? DKVB_KEYINIT_MEANS : DKVB_KEYINIT_EMA;
    o.whiten = way == WHITENED || way == GROWN;
    o.rows_per_key = way == FEW_ROWS ? 3 : 0;
    if (way == FROM_ARRAYS) {
        arrays.dim = DIM;
        arrays.keys = rows;
        arrays.whitening = whitening;
        return dkvb_codebooks_from_arrays(cb, &arrays, &o);
    }
    if (way != GROWN)
        return dkvb_codebooks_fit(cb, rows, ROWS, DIM, &o, NULL);
    rc = dkvb_codebooks_begin(cb, DIM, &o);
    if (!rc)
        rc = dkvb_codebooks_step(*cb, rows, ROWS, NULL);
    if (!rc)
        rc = dkvb_codebooks_step(*cb, rows, ROWS, NULL);
    return rc ? rc : dkvb_codebooks_freeze(*cb);
}

static void every_way_to_make_codebooks_may_run_out_of_memory(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        dkvb_status rc = DKVB_ENOMEM;

        for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++) {
            static int8_t projected[ROWS * CODEBOOKS * KEY_DIM];
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at);
            dkvb_codebooks *cb = NULL;

            rc = make_codebooks(&cb, way, &a);
            if (!rc)
                rc = dkvb_codebooks_project(cb, rows, ROWS, projected, NULL, NULL);
            dkvb_codebooks_free(cb);
            assert_int_equal(mem.live, 0);
        }
        assert_ok(rc);
    }
}

/* A change of a model that runs out of memory must leave the model unchanged, so that it saves to the same bytes. */
static void changes_that_fail_change_nothing(void **state)
{
    const char *before = temp_path("before"), *after = temp_path("after");
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_forget_options forget = full_options();
    dkvb_model *trained = trained_model(1, codes), *model;
    dkvb_mask *mask = mask_for_class(trained, codes, 1, 50);
    size_t size[2];
    unsigned char *data[2];

    (void)state;
    options.allocator = &a;
    assert_ok(dkvb_model_save(trained, before));
    for (int change = 0; change < 7; change++) {
        assert_ok(dkvb_model_save(trained, before));
        assert_ok(dkvb_model_load(&model, before, &options));
        if (change == 4) { /* a purge needs masked pairs, so masks some first */
            assert_ok(dkvb_model_forget(model, mask, &forget, NULL));
            assert_ok(dkvb_model_save(model, before));
        }
        for (size_t more = 0;; more++) {
            dkvb_status rc = DKVB_OK;

            mem.fail_at = mem.calls + more;
            switch (change) {
            case 0:
                rc = dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL);
                break;
            case 1:
                rc = dkvb_model_forget(model, mask, &forget, NULL);
                break;
            case 2:
                rc = dkvb_model_add_classes(model, 1);
                break;
            case 3:
                rc = dkvb_model_set_class_name(model, 0, "new");
                break;
            case 4:
                rc = dkvb_model_purge(model);
                break;
            case 5:
                rc = dkvb_model_set_values(model, NULL, DKVB_DTYPE_BF16);
                break;
            case 6:
                rc = dkvb_model_set_column_names(model, column_names, DIM);
                break;
            }
            mem.fail_at = SIZE_MAX;
            if (rc == DKVB_OK)
                break;
            assert_int_equal(rc, DKVB_ENOMEM);
            assert_ok(dkvb_model_save(model, after));
            data[0] = read_file(before, &size[0]);
            data[1] = read_file(after, &size[1]);
            assert_int_equal(size[0], size[1]);
            assert_memory_equal(data[0], data[1], size[0]);
            free(data[0]);
            free(data[1]);
        }
        dkvb_model_free(model);
    }
    dkvb_model_free(trained);
    dkvb_mask_free(mask);
    assert_int_equal(mem.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_life_may_fail),
        cmocka_unit_test(half_an_allocator_is_refused),
        cmocka_unit_test(half_an_allocator_is_refused_by_codebooks),
        cmocka_unit_test(every_way_to_make_codebooks_may_run_out_of_memory),
        cmocka_unit_test(changes_that_fail_change_nothing),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
