/* Tests of rows with string names: which id a name stands for, where names are stored, and that a name is removed with
 * its row. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bottleneck/codeset.h"
#include "bottleneck/model.h"

static char text[ROWS][16];
static const char *names[ROWS];
static uint64_t hashed[ROWS]; /* ids of the rows, hashed from their names with the salt of a codeset */
static dkvb_settings settings;

static int setup(void **state)
{
    for (size_t r = 0; r < ROWS; r++) {
        snprintf(text[r], sizeof text[r], "p\xC3\xA4tient-%03zu", r);
        names[r] = text[r];
    }
    return plan_setup(state);
}

/* Returns options of a fit whose keys are placed on other rows unless `own_keys` is true, as in plan_fit(). */
static dkvb_fit_options options(bool own_keys, bool keep_names)
{
    static float others[ROWS * DIM];
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    for (size_t i = 0; i < ROWS * DIM; i++)
        others[i] = rows[i] + 0.01f * (float)(i % 7);
    settings = (dkvb_settings)DKVB_SETTINGS_INIT;
    settings.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    settings.keyinit.codebooks = 4;
    settings.keyinit.keys = 24;
    settings.keyinit.key_dim = 4;
    settings.train.batch = 32;
    settings.train.epochs = 2;
    settings.top_k = 2;
    settings.whiten = DKVB_WHITEN_NEVER;
    o.settings = &settings;
    o.depth = 24;
    o.hold_out = 0.25;
    o.keep_names = keep_names;
    if (!own_keys) {
        o.key_rows = others;
        o.key_row_count = ROWS;
    }
    return o;
}

static dkvb_fit_rows rows_from(size_t first, size_t n)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows + first * DIM;
    r.labels = labels + first;
    r.names = names + first;
    r.n = n;
    r.dim = DIM;
    r.classes = CLASSES;
    return r;
}

static void fit_named(dkvb_model **model, dkvb_codeset **set, bool own_keys, bool keep_names)
{
    dkvb_fit_options o = options(own_keys, keep_names);
    dkvb_fit_rows r = rows_from(0, ROWS);

    assert_ok(dkvb_fit(model, set, &r, &o, NULL, NULL));
    for (size_t i = 0; i < ROWS; i++)
        hashed[i] = dkvb__row_name_id((*set)->names.salt, names[i]);
}

static void assert_same_model(const dkvb_model *a, const dkvb_model *b)
{
    size_t a_size, b_size;
    char *a_bytes = bytes_of(a, NULL, &a_size), *b_bytes = bytes_of(b, NULL, &b_size);

    assert_same_bytes(a_bytes, a_size, b_bytes, b_size);
    free(a_bytes);
    free(b_bytes);
}

/* Returns true if the codes file of a codeset contains a name. */
static bool file_holds(const dkvb_codeset *set, const char *name)
{
    size_t size, length = strlen(name);
    char *bytes = bytes_of(NULL, set, &size);
    bool found = false;

    for (size_t i = 0; i + length <= size && !found; i++)
        found = memcmp(bytes + i, name, length) == 0;
    free(bytes);
    return found;
}

static bool has_row(const dkvb_codeset *set, size_t r)
{
    return dkvb__coderows_find(&set->part[0], hashed[r]) < set->part[0].n ||
           dkvb__coderows_find(&set->part[1], hashed[r]) < set->part[1].n;
}

static void an_id_is_the_start_of_the_hash_of_salt_and_name(void **state)
{
    uint8_t counting[DKVB__NAME_SALT];

    (void)state;
    for (size_t i = 0; i < sizeof counting; i++)
        counting[i] = (uint8_t)i;
    /* the expected id was computed by Python's hashlib */
    assert_true(dkvb__row_name_id(counting, "J\xC3\xBCrgen") == 0xFEF6DC570ED1C1CD);
}

static void names_give_the_model_of_the_ids_that_they_hash_to(void **state)
{
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;
    dkvb_fit_options o;
    dkvb_fit_rows r = rows_from(0, ROWS);
    dkvb_model *model, *again, *by_ids;
    dkvb_codeset *set, *set_again, *set_by_ids;
    size_t size, again_size;
    char *bytes, *again_bytes;

    (void)state;
    fit_named(&model, &set, true, false);
    fit_named(&again, &set_again, true, false);
    bytes = bytes_of(NULL, set, &size);
    again_bytes = bytes_of(NULL, set_again, &again_size);
    assert_same_bytes(bytes, size, again_bytes, again_size);
    o = options(true, false);
    r.names = NULL;
    r.ids = hashed;
    assert_ok(dkvb_fit(&by_ids, &set_by_ids, &r, &o, NULL, NULL));
    assert_same_model(model, by_ids);
    assert_same_rows(set, set_by_ids);
    assert_ok(dkvb_codeset_get_info(set, &info));
    assert_true(info.named == 1 && info.names_kept == 0);
    assert_ok(dkvb_codeset_get_info(set_by_ids, &info));
    assert_true(info.named == 0);
    assert_false(file_holds(set, names[7]));
    free(bytes);
    free(again_bytes);
    dkvb_codeset_free(set);
    dkvb_codeset_free(set_again);
    dkvb_codeset_free(set_by_ids);
    dkvb_model_free(model);
    dkvb_model_free(again);
    dkvb_model_free(by_ids);
}

static void other_rows_have_another_salt(void **state)
{
    int32_t other[2] = {0, 1};
    const char *joined[2] = {"ab", "c"}, *apart[2] = {"a", "bc"};
    uint8_t a[DKVB__NAME_SALT], b[DKVB__NAME_SALT], c[DKVB__NAME_SALT];

    (void)state;
    dkvb__row_names_salt(a, joined, other, 2);
    dkvb__row_names_salt(b, apart, other, 2);
    other[1] = 2;
    dkvb__row_names_salt(c, joined, other, 2);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
}

static void names_are_kept_on_request_in_the_order_of_ids(void **state)
{
    dkvb_model *model;
    dkvb_codeset *set, *copy;

    (void)state;
    fit_named(&model, &set, false, true);
    assert_true(file_holds(set, names[7]));
    copy = copy_of(set);
    for (uint32_t p = 0; p < DKVB__PARTS; p++) {
        dkvb_codeset_rows a = DKVB_CODESET_ROWS_INIT, b = DKVB_CODESET_ROWS_INIT;

        assert_ok(dkvb_codeset_get_rows(set, p, &a));
        assert_ok(dkvb_codeset_get_rows(copy, p, &b));
        assert_true(a.n > 50 && a.n == b.n && a.names && b.names);
        for (size_t r = 0; r < a.n; r++) {
            assert_true(a.ids[r] == dkvb__row_name_id(set->names.salt, a.names[r]));
            assert_string_equal(a.names[r], b.names[r]);
        }
    }
    dkvb_codeset_free(copy);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_removed_row_takes_its_name_along(void **state)
{
    dkvb_model *model;
    dkvb_codeset *set, *copy;
    uint64_t removed;

    (void)state;
    fit_named(&model, &set, false, true);
    assert_ok(dkvb_codeset_remove(set, hashed + 5, 40, &removed));
    assert_int_equal(removed, 40);
    for (size_t r = 0; r < 60; r++)
        assert_int_equal(file_holds(set, names[r]), r < 5 || r >= 45);
    copy = copy_of(set);
    assert_int_equal(copy->part[0].n + copy->part[1].n, ROWS - 40);
    dkvb_codeset_free(copy);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void assert_refused(const dkvb_fit_rows *r, const dkvb_fit_options *o, const char *part)
{
    dkvb_model *model = NULL;
    dkvb_codeset *set = NULL;

    assert_int_equal(dkvb_fit(&model, &set, r, o, NULL, NULL), DKVB_EINVAL);
    assert_message(part);
    assert_true(!model && !set);
}

static void names_that_cannot_be_are_refused_by_their_row(void **state)
{
    static char at_most[DKVB__ROW_NAME + 2];
    const struct {
        const char *name, *part;
    } cases[] = {
        {"", "row 3: the name is empty"},
        {NULL, "row 3: the name is NULL"},
        {"a\tb", "row 3: name: UTF-8 without control characters"},
        {"\xC3", "row 3: name: UTF-8"},
        {at_most, "row 3: name: 256 bytes"},
        {text[1], "rows 1 and 3 have the same name, 'p\xC3\xA4tient-001'"},
    };
    const char *three[ROWS];
    dkvb_fit_options o = options(false, false);
    dkvb_fit_rows r = rows_from(0, ROWS);

    (void)state;
    memset(at_most, 'x', DKVB__ROW_NAME + 1);
    memcpy(three, names, sizeof three);
    r.names = three;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        three[3] = cases[i].name;
        assert_refused(&r, &o, cases[i].part);
    }
    three[3] = names[3];
    r.ids = hashed;
    assert_refused(&r, &o, "ids and names are given");
    r.ids = NULL;
    r.names = NULL;
    o.keep_names = 1;
    assert_refused(&r, &o, "keep_names needs rows with names");
    o.keep_names = 2;
    assert_refused(&r, &o, "keep_names is 2");
}

static void rows_that_join_are_hashed_with_the_salt_that_is_there(void **state)
{
    dkvb_fit_options o = options(false, true);
    dkvb_fit_rows first = rows_from(0, 400), more = rows_from(400, 200);
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    uint8_t before[DKVB__NAME_SALT];

    (void)state;
    assert_ok(dkvb_fit(&model, &set, &first, &o, NULL, NULL));
    memcpy(before, set->names.salt, sizeof before);
    more.names = NULL;
    assert_int_equal(dkvb_fit_more(model, set, &more, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("the new rows must bring names too");
    more = rows_from(399, 200);
    assert_int_equal(dkvb_fit_more(model, set, &more, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("row 0 is called 'p\xC3\xA4tient-399', and a row of the codes has this name already");
    more = rows_from(400, 200);
    assert_ok(dkvb_fit_more(model, set, &more, &o, NULL, NULL));
    assert_memory_equal(before, set->names.salt, sizeof before);
    for (size_t r = 0; r < ROWS; r++) {
        hashed[r] = dkvb__row_name_id(before, names[r]);
        assert_true(has_row(set, r));
    }
    assert_true(file_holds(set, names[401]));
    q.strength = DKVB_STRENGTH_EXACT;
    q.force = 1;
    q.names = names + 100;
    q.name_count = 3;
    dkvb_plan_free(apply_request(model, set, &q));
    more = rows_from(100, 3);
    assert_int_equal(dkvb_fit_more(model, set, &more, &o, NULL, NULL), DKVB_ESTATE);
    assert_message("is called 'p\xC3\xA4tient-100', as a row that was removed from these codes");
    assert_false(has_row(set, 100));
    settings.train.relearn = 1;
    assert_ok(dkvb_fit_more(model, set, &more, &o, NULL, NULL));
    assert_true(has_row(set, 100) && file_holds(set, names[100]));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void rows_with_numbers_and_rows_with_names_do_not_mix(void **state)
{
    dkvb_fit_options o = options(false, false);
    dkvb_fit_rows first = rows_from(0, 400), more = rows_from(400, 200);
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    first.names = NULL;
    assert_ok(dkvb_fit(&model, &set, &first, &o, NULL, NULL));
    assert_int_equal(dkvb_fit_more(model, set, &more, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("the new rows must bring ids or nothing, not names");
    q.names = names;
    q.name_count = 1;
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "those of the codes are called by numbers: ids must be given");
    assert_plan_fails(model, NULL, &q, DKVB_EINVAL, "no codeset says how names are hashed");
    q.names = NULL;
    q.requests = "rows a,b";
    assert_plan_fails(model, set, &q, DKVB_EINVAL, "line 1: rows are asked for by names, and those of the codes");
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Fits a model, carries out a request to forget, and returns the bytes of the model file. */
static char *forgotten(const dkvb_forget_request *q, size_t *size, bool own_keys)
{
    dkvb_model *model;
    dkvb_codeset *set;
    char *bytes;

    fit_named(&model, &set, own_keys, true);
    dkvb_plan_free(apply_request(model, set, q));
    bytes = bytes_of(model, NULL, size);
    for (size_t r = 0; r < 20; r++) /* only rows 2 to 9 are requested */
        assert_int_equal(file_holds(set, names[r]), q->strength != DKVB_STRENGTH_EXACT || r < 2 || r >= 10);
    assert_true(set->names.salted && set->names.kept);
    dkvb_codeset_free(copy_of(set));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    return bytes;
}

static void rows_are_forgotten_by_name_as_by_id(void **state)
{
    char line[300] = "rows ";
    size_t size[3];
    char *bytes[3];

    (void)state;
    for (size_t r = 2; r < 10; r++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", names[r], r < 9 ? " , " : "");
    for (int placed = 0; placed < 2; placed++) {
        dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;

        q.strength = DKVB_STRENGTH_EXACT;
        q.max_class_loss = q.max_retain_drop = 1.0;
        q.salt = salt;
        if (placed) {
            q.keys = DKVB_KEYS_PLACED;
            q.features = rows;
            q.feature_rows = ROWS;
            q.feature_columns = DIM;
            q.feature_ids = hashed;
        }
        q.ids = hashed + 2;
        q.id_count = 8;
        bytes[0] = forgotten(&q, &size[0], placed);
        q.ids = q.feature_ids = NULL;
        q.feature_names = placed ? names : NULL;
        q.names = names + 2;
        q.name_count = 8;
        bytes[1] = forgotten(&q, &size[1], placed);
        q.names = NULL;
        q.requests = line;
        bytes[2] = forgotten(&q, &size[2], placed);
        for (size_t i = 1; i < 3; i++)
            assert_same_bytes(bytes[0], size[0], bytes[i], size[i]);
        for (size_t i = 0; i < 3; i++)
            free(bytes[i]);
    }
}

static void a_request_for_a_row_that_is_not_there_tells_its_name(void **state)
{
    const char *asked[3] = {names[0], "nobody", names[0]};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    fit_named(&model, &set, false, false);
    q.budget = 10;
    q.force = 1;
    for (uint32_t strength = DKVB_STRENGTH_SUPPRESS; strength <= DKVB_STRENGTH_EXACT; strength += 2) {
        q.strength = strength;
        q.requests = NULL;
        q.names = asked;
        q.name_count = 2;
        assert_plan_fails(model, set, &q, DKVB_ENOTFOUND, "row 1 asks for 'nobody', the codes have no such row");
        asked[1] = names[1];
        q.name_count = 3;
        assert_plan_fails(model, set, &q, DKVB_EINVAL, "row 2 asks for 'p\xC3\xA4tient-000', as a row before it does");
        asked[1] = "nobody";
        q.ids = hashed;
        assert_plan_fails(model, set, &q, DKVB_EINVAL, "names say which rows are meant");
        q.ids = NULL;
        q.names = NULL;
        q.requests = "rows p\xC3\xA4tient-001, nobody\twhy";
        assert_plan_fails(model, set, &q, DKVB_ENOTFOUND, "line 1: 'nobody': the codes have no such row");
        q.requests = "rows p\xC3\xA4tient-001\n\nrows p\xC3\xA4tient-002,p\xC3\xA4tient-001";
        assert_plan_fails(model, set, &q, DKVB_EINVAL, "line 3: 'p\xC3\xA4tient-001' is named by line 1 already");
        q.requests = "rows a,,b";
        assert_plan_fails(model, set, &q, DKVB_EINVAL, "line 1: the name is empty");
    }
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_name_with_a_comma_stands_alone_in_its_line(void **state)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;

    (void)state;
    names[4] = "Doe, Jane";
    fit_named(&model, &set, false, false);
    q.strength = DKVB_STRENGTH_EXACT;
    q.max_class_loss = 1.0;
    q.requests = "rows Doe, Jane";
    plan = apply_request(model, set, &q);
    assert_int_equal(info_of(plan).ids, 1);
    assert_false(has_row(set, 4));
    dkvb_plan_free(plan);
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL)); /* the same row again, which is known to be removed */
    assert_int_equal(info_of(plan).forgotten, 1);
    dkvb_plan_free(plan);
    names[4] = text[4];
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void rows_of_a_codeset_that_keeps_names_bring_the_names_of_their_ids(void **state)
{
    static uint16_t codes[4 * 2];
    const char *one = "somebody";
    int32_t label = 0;
    uint64_t id;
    dkvb_codeset_rows r = DKVB_CODESET_ROWS_INIT;
    dkvb_model *model;
    dkvb_codeset *set;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        codes[i] = (uint16_t)(i % 2);
    fit_named(&model, &set, false, true);
    id = dkvb__row_name_id(set->names.salt, one);
    r.n = 1;
    r.codebooks = 4;
    r.k = 2;
    r.ids = &id;
    r.labels = &label;
    r.codes = codes;
    if (set->part[0].features) {
        r.features = rows;
        r.dtype = set->part[0].dtype;
        r.columns = DIM;
    }
    assert_int_equal(dkvb_codeset_add_rows(set, 0, &r), DKVB_EINVAL);
    assert_message("the names of rows are kept, so rows must bring theirs");
    r.names = names;
    assert_int_equal(dkvb_codeset_add_rows(set, 0, &r), DKVB_EINVAL);
    assert_message("is not the hash of its name");
    r.names = &one;
    assert_ok(dkvb_codeset_add_rows(set, 0, &r));
    assert_true(file_holds(set, one));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Asserts that a codes file with a changed byte at `at` in a section is refused; a negative `at` counts from the
 * end. */
static void assert_bad_file(const char *path, const unsigned char *good, size_t size, const char *section, long at,
                            const char *part)
{
    unsigned char *data = malloc(size), *start;
    dkvb_codeset *set;
    size_t section_size;

    assert_non_null(data);
    memcpy(data, good, size);
    start = file_section(data, section, &section_size);
    start[at < 0 ? (long)section_size + at : at] ^= 1;
    seal_file(data);
    write_file(path, data, size);
    assert_int_equal(dkvb_codeset_load(&set, path, NULL, NULL), DKVB_EFORMAT);
    assert_message(part);
    assert_null(set);
    free(data);
}

static void damaged_names_are_not_taken(void **state)
{
    const char *path = temp_path("damaged");
    dkvb_model *model;
    dkvb_codeset *set;
    unsigned char *good;
    size_t size;

    (void)state;
    fit_named(&model, &set, false, true);
    assert_ok(dkvb_codeset_save(set, path));
    good = read_file(path, &size);
    assert_bad_file(path, good, size, "names", 12, "the name of the row with id");
    assert_bad_file(path, good, size, "name_salt", 3, "has another hash");
    assert_bad_file(path, good, size, "names", -1, "ends before the name of the row");
    assert_bad_file(path, good, size, "ids", 0, "has another hash");
    dkvb__write64(file_table_line(good, "names") + 32, dkvb__read64(file_table_line(good, "names") + 32) + 1);
    assert_bad_file(path, good, size, "names", -1, "section names has 1 bytes behind the last name");
    free(good);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void every_allocation_of_a_fit_with_names_may_fail(void **state)
{
    dkvb_fit_rows r = rows_from(0, 120), more = rows_from(120, 30);
    dkvb_status rc = DKVB_ENOMEM;
    size_t fail_at;

    (void)state;
    for (fail_at = 0; rc != DKVB_OK; fail_at += 1 + (fail_at > 200) * (fail_at % 7)) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_fit_options o = options(false, true);
        dkvb_model *model = NULL;
        dkvb_codeset *set = NULL;

        o.allocator = &a;
        rc = dkvb_fit(&model, &set, &r, &o, NULL, NULL);
        if (!rc) {
            rc = dkvb_fit_more(model, set, &more, &o, NULL, NULL);
            assert_int_equal(set->part[0].n + set->part[1].n, rc ? 120 : 150);
        }
        if (!rc) {
            rc = dkvb_codeset_save(set, temp_path("failing"));
            dkvb_codeset_free(set);
            set = NULL;
        }
        if (!rc)
            rc = dkvb_codeset_load(&set, temp_path("failing"), NULL, &a);
        if (!rc) {
            dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
            dkvb_plan *plan = NULL;

            q.strength = DKVB_STRENGTH_EXACT;
            q.requests = "rows p\xC3\xA4tient-001,p\xC3\xA4tient-002";
            q.force = 1;
            rc = dkvb_forget_plan(&plan, model, set, &q, NULL);
            dkvb_plan_free(plan);
        }
        assert_true(rc == DKVB_OK || rc == DKVB_ENOMEM);
        dkvb_model_free(model);
        dkvb_codeset_free(set);
        assert_int_equal(mem.live, 0);
    }
    assert_true(fail_at > 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_the_start_of_the_hash_of_salt_and_name),
        cmocka_unit_test(names_give_the_model_of_the_ids_that_they_hash_to),
        cmocka_unit_test(other_rows_have_another_salt),
        cmocka_unit_test(names_are_kept_on_request_in_the_order_of_ids),
        cmocka_unit_test(a_removed_row_takes_its_name_along),
        cmocka_unit_test(names_that_cannot_be_are_refused_by_their_row),
        cmocka_unit_test(rows_that_join_are_hashed_with_the_salt_that_is_there),
        cmocka_unit_test(rows_with_numbers_and_rows_with_names_do_not_mix),
        cmocka_unit_test(rows_are_forgotten_by_name_as_by_id),
        cmocka_unit_test(a_request_for_a_row_that_is_not_there_tells_its_name),
        cmocka_unit_test(a_name_with_a_comma_stands_alone_in_its_line),
        cmocka_unit_test(rows_of_a_codeset_that_keeps_names_bring_the_names_of_their_ids),
        cmocka_unit_test(damaged_names_are_not_taken),
        cmocka_unit_test(every_allocation_of_a_fit_with_names_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
