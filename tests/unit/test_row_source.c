/* Tests of rows that are read block by block: all results have the same bytes as with rows in memory. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/status.h"
#include "data_files.h"
#include "dkvb/table.h"

/* A source of the test's rows, which counts what it is asked for and can fail. */
struct asked {
    size_t rows;     /* total number of rows that were asked for */
    size_t most;     /* largest block */
    size_t fails_at; /* number of the row that cannot be read; SIZE_MAX = none */
    bool silent;     /* true if a failure of the source sets no error message */
    size_t bad;      /* number of a row that contains a NaN; SIZE_MAX = none */
};

static dkvb_status read_some(void *user, size_t first, size_t n, float *x)
{
    struct asked *a = user;

    assert_true(n > 0 && first + n <= ROWS);
    a->rows += n;
    a->most = n > a->most ? n : a->most;
    if (first <= a->fails_at && a->fails_at < first + n)
        return a->silent ? DKVB_EIO : dkvb__fail(DKVB_ENOTFOUND, "the tape broke");
    memcpy(x, rows + first * DIM, n * DIM * sizeof *x);
    if (first <= a->bad && a->bad < first + n)
        x[(a->bad - first) * DIM + 3] = NAN;
    return DKVB_OK;
}

static struct asked nothing_asked(void)
{
    return (struct asked){.fails_at = SIZE_MAX, .bad = SIZE_MAX};
}

static dkvb_row_source source_of(struct asked *asked)
{
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;

    source.read = read_some;
    source.user = asked;
    return source;
}

/* Returns settings of a fit whose keys are placed on a sample of `rows_per_key` rows for each key, or on all rows if
 * 0. */
static dkvb_settings settings_of(uint32_t rows_per_key, uint32_t whiten)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;

    s.keyinit = small_keyinit();
    s.keyinit.rows_per_key = rows_per_key;
    s.train.epochs = 2;
    s.train.learning_rate = 0.1;
    s.whiten = whiten;
    return s;
}

static dkvb_fit_rows fit_rows(const dkvb_row_source *source)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = source ? NULL : rows;
    r.source = source;
    r.labels = labels;
    r.n = ROWS;
    r.dim = DIM;
    return r;
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

static void a_fit_from_a_source_has_the_bytes_of_a_fit_from_memory(void **state)
{
    static const uint32_t ways[] = {DKVB_WHITEN_NEVER, DKVB_WHITEN_ALWAYS, DKVB_WHITEN_CHOOSE};
    const char *model_path[2] = {temp_path("m0"), temp_path("m1")}, *set_path[2] = {temp_path("c0"), temp_path("c1")};

    (void)state;
    make_rows();
    for (uint32_t drawn = 0; drawn <= 4; drawn += 4)
        for (size_t w = 0; w < 3; w++)
            for (uint32_t keep = DKVB_KEPT_AUTO; keep <= DKVB_KEPT_FEATURES; keep++) {
                dkvb_settings s = settings_of(drawn, ways[w]);

                for (size_t way = 0; way < 2; way++) {
                    struct asked asked = nothing_asked();
                    const dkvb_row_source source = source_of(&asked);
                    dkvb_fit_rows r = fit_rows(way ? &source : NULL);
                    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
                    dkvb_model *model;
                    dkvb_codeset *set;

                    o.settings = &s;
                    o.keep = keep;
                    assert_ok(dkvb_fit(&model, &set, &r, &o, NULL, NULL));
                    assert_ok(dkvb_model_save(model, model_path[way]));
                    assert_ok(dkvb_codeset_save(set, set_path[way]));
                    assert_true(way == 0 || asked.rows >= ROWS);
                    dkvb_model_free(model);
                    dkvb_codeset_free(set);
                }
                assert_same_files(model_path[0], model_path[1]);
                assert_same_files(set_path[0], set_path[1]);
            }
}

static void key_rows_may_come_from_a_source(void **state)
{
    const char *path[2] = {temp_path("m0"), temp_path("m1")};
    dkvb_settings s = settings_of(2, DKVB_WHITEN_NEVER);

    (void)state;
    make_rows();
    for (size_t way = 0; way < 2; way++) {
        struct asked asked = nothing_asked();
        const dkvb_row_source source = source_of(&asked);
        dkvb_fit_rows r = fit_rows(NULL);
        dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
        dkvb_model *model;

        o.settings = &s;
        o.key_rows = way ? NULL : rows;
        o.key_source = way ? &source : NULL;
        o.key_row_count = ROWS / 2;
        assert_ok(dkvb_fit(&model, NULL, &r, &o, NULL, NULL));
        assert_ok(dkvb_model_save(model, path[way]));
        dkvb_model_free(model);
    }
    assert_same_files(path[0], path[1]);
}

static void an_evaluation_from_a_source_counts_what_one_from_memory_counts(void **state)
{
    dkvb_model *model = trained_model(1, NULL);
    dkvb_evaluation e[2] = {DKVB_EVALUATION_INIT, DKVB_EVALUATION_INIT};
    struct asked asked = nothing_asked();
    const dkvb_row_source source = source_of(&asked);

    (void)state;
    assert_ok(dkvb_model_evaluate(model, rows, NULL, labels, ROWS, &e[0], NULL));
    e[1].source = &source;
    assert_ok(dkvb_model_evaluate(model, NULL, NULL, labels, ROWS, &e[1], NULL));
    e[1].source = NULL;
    assert_memory_equal(&e[0], &e[1], sizeof e[0]);
    assert_int_equal(asked.rows, 2 * ROWS); /* each row was read twice: for checking and for predicting */
    dkvb_model_free(model);
}

static void a_survey_of_a_source_finds_what_one_of_memory_finds(void **state)
{
    dkvb_features_info info[2] = {DKVB_FEATURES_INFO_INIT, DKVB_FEATURES_INFO_INIT};
    struct asked asked = nothing_asked();
    const dkvb_row_source source = source_of(&asked);

    (void)state;
    make_rows();
    rows[417 * DIM + 2] = 1e6f;
    info[1].source = &source;
    assert_ok(dkvb_features_survey(&info[0], rows, ROWS, DIM));
    assert_ok(dkvb_features_survey(&info[1], NULL, ROWS, DIM));
    assert_int_equal(info[0].first_row, 417);
    info[1].source = NULL;
    assert_memory_equal(&info[0], &info[1], sizeof info[0]);
    make_rows();
}

/* Fits a model to rows from a source, and returns the status. */
static dkvb_status fit_with(struct asked *asked, const dkvb_allocator *allocator)
{
    dkvb_settings s = settings_of(2, DKVB_WHITEN_ALWAYS);
    const dkvb_row_source source = source_of(asked);
    dkvb_fit_rows r = fit_rows(&source);
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_status rc;

    o.settings = &s;
    o.keep = DKVB_KEPT_FEATURES;
    o.allocator = allocator;
    rc = dkvb_fit(&model, &set, &r, &o, NULL, NULL);
    dkvb_model_free(model);
    dkvb_codeset_free(set);
    return rc;
}

static void a_source_that_fails_ends_the_call_with_its_status_and_message(void **state)
{
    (void)state;
    make_rows();
    for (size_t row = 0; row < ROWS; row += 97)
        for (int silent = 0; silent < 2; silent++) {
            struct failing_alloc counts;
            dkvb_allocator mem = failing_allocator(&counts, SIZE_MAX);
            struct asked asked = nothing_asked();

            asked.fails_at = row;
            asked.silent = silent;
            (void)dkvb__fail(DKVB_EINVAL, "an earlier message");
            assert_int_equal(fit_with(&asked, &mem), silent ? DKVB_EIO : DKVB_ENOTFOUND);
            assert_message(silent ? "the source of rows could not read rows" : "the tape broke");
            assert_int_equal(counts.live, 0);
        }
}

static void a_number_of_a_source_that_is_not_finite_is_named_by_its_row(void **state)
{
    dkvb_model *model = trained_model(1, NULL);
    struct asked asked = nothing_asked();
    const dkvb_row_source source = source_of(&asked);
    dkvb_evaluation e = DKVB_EVALUATION_INIT;

    (void)state;
    asked.bad = 571;
    e.source = &source;
    assert_int_equal(dkvb_model_evaluate(model, NULL, NULL, labels, ROWS, &e, NULL), DKVB_EINVAL);
    assert_message("row 571, column 3");
    assert_int_equal(fit_with(&asked, NULL), DKVB_EINVAL);
    assert_message("row 571, column 3");
    dkvb_model_free(model);
}

static void rows_come_from_an_array_or_from_a_source(void **state)
{
    struct asked asked = nothing_asked();
    const dkvb_row_source source = source_of(&asked), empty = DKVB_ROW_SOURCE_INIT;
    dkvb_fit_rows r = fit_rows(&source);
    dkvb_model *model;

    (void)state;
    make_rows();
    r.x = rows;
    assert_int_equal(dkvb_fit(&model, NULL, &r, NULL, NULL, NULL), DKVB_EINVAL);
    assert_message("one of x, source and codes");
    r = fit_rows(&empty);
    assert_int_equal(dkvb_fit(&model, NULL, &r, NULL, NULL, NULL), DKVB_EINVAL);
    assert_message("the source's function is NULL");
}

static void a_fit_from_a_source_survives_failing_allocations(void **state)
{
    (void)state;
    make_rows();
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc counts;
        dkvb_allocator mem = failing_allocator(&counts, fail_at);
        struct asked asked = nothing_asked();
        dkvb_status rc = fit_with(&asked, &mem);

        assert_int_equal(counts.live, 0);
        if (!rc)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
        assert_true(fail_at < 1000);
    }
}

/* Sizes of a file of numbers that every number type can store, in either byte order. */
enum { FILE_ROWS = 5000, FILE_COLUMNS = 6 };

static float number(size_t i)
{
    return (float)(i * 7 % 251 % 2);
}

static size_t element(unsigned char *to, char type, size_t size, float x, bool big)
{
    const uint16_t half = dkvb__float_to_half(x);
    const double wide = (double)x;
    const uint8_t byte = (uint8_t)x;
    const void *from = type != 'f' ? (const void *)&byte : size == 2 ? &half : size == 4 ? (const void *)&x : &wide;

    for (size_t i = 0; i < size; i++)
        to[i] = ((const unsigned char *)from)[big ? size - 1 - i : i];
    return size;
}

static dkvb_status open_table(dkvb_table **table, dkvb_table_info *info, uint32_t in_place)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    dkvb_status rc;

    o.in_place = in_place;
    *info = (dkvb_table_info)DKVB_TABLE_INFO_INIT;
    rc = dkvb_table_read(table, data_path, &o, NULL);
    return rc ? rc : dkvb_table_get_info(*table, info);
}

static void blocks_of_a_file_of_any_type_are_the_rows_in_memory(void **state)
{
    static const char *const types[] = {"|b1", "|u1", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"};
    static const size_t steps[] = {1, 7, 4096, FILE_ROWS};
    static float block[FILE_ROWS * FILE_COLUMNS];
    static unsigned char data[FILE_ROWS * FILE_COLUMNS * 8];

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        size_t size = 0;
        dkvb_table *table[2];
        dkvb_table_info info[2];
        char header[128];

        for (size_t i = 0; i < FILE_ROWS * FILE_COLUMNS; i++)
            size += element(data + size, types[t][1], (size_t)(types[t][2] - '0'), number(i), types[t][0] == '>');
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%d, 2, 3), }", types[t],
                 FILE_ROWS);
        put_npy(header, data, size);
        assert_ok(open_table(&table[0], &info[0], 0));
        assert_ok(open_table(&table[1], &info[1], 2));
        assert_null(info[0].source);
        assert_null(info[1].x);
        assert_non_null(info[1].source);
        assert_int_equal(info[1].rows, FILE_ROWS);
        assert_int_equal(info[1].columns, FILE_COLUMNS);
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
            for (size_t first = 0, n; first < FILE_ROWS; first += n) {
                n = FILE_ROWS - first < steps[s] ? FILE_ROWS - first : steps[s];
                assert_ok(info[1].source->read(info[1].source->user, first, n, block + first * FILE_COLUMNS));
            }
            assert_memory_equal(block, info[0].x, sizeof block);
            memset(block, 1, sizeof block);
        }
        assert_int_equal(info[1].source->read(info[1].source->user, FILE_ROWS - 1, 2, block), DKVB_EINVAL);
        dkvb_table_free(table[0]);
        dkvb_table_free(table[1]);
    }
}

static void files_that_cannot_be_read_in_blocks_are_read_to_memory(void **state)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    dkvb_table *table;
    dkvb_table_info info;

    (void)state;
    put_npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", x, sizeof x);
    assert_ok(open_table(&table, &info, 2));
    assert_null(info.source);
    assert_true(info.x[1] == 4.0f);
    dkvb_table_free(table);
    put_file("a,b\n1,2\n3,4\n", 12);
    assert_ok(open_table(&table, &info, 2));
    assert_null(info.source);
    assert_true(info.x[3] == 4.0f);
    dkvb_table_free(table);
}

static void faults_of_a_file_have_one_message_in_blocks_and_in_memory(void **state)
{
    static float x[3000 * 4];
    static const unsigned char bools[8] = {1, 0, 1, 1, 0, 2, 1, 0};
    char said[512];
    dkvb_table *table;
    dkvb_table_info info;

    (void)state;
    x[2999 * 4 + 1] = -INFINITY;
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3000, 4), }", x, sizeof x);
    assert_int_equal(open_table(&table, &info, 0), DKVB_EFORMAT);
    assert_message("row 2999, column 1 is -inf");
    snprintf(said, sizeof said, "%s", dkvb_last_error());
    assert_int_equal(open_table(&table, &info, 2), DKVB_EFORMAT);
    assert_string_equal(dkvb_last_error(), said);
    assert_null(table);
    put_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (4, 2), }", bools, sizeof bools);
    assert_int_equal(open_table(&table, &info, 0), DKVB_EFORMAT);
    snprintf(said, sizeof said, "%s", dkvb_last_error());
    assert_int_equal(open_table(&table, &info, 2), DKVB_EFORMAT);
    assert_string_equal(dkvb_last_error(), said);
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3001, 4), }", x, sizeof x);
    assert_int_equal(open_table(&table, &info, 2), DKVB_EFORMAT);
    assert_int_equal(open_table(&table, &info, 3), DKVB_EINVAL);
    assert_message("in_place is 3");
}

static void opening_a_file_in_blocks_survives_every_failing_allocation(void **state)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};

    (void)state;
    put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", x, sizeof x);
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc counts;
        dkvb_allocator mem = failing_allocator(&counts, fail_at);
        dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
        dkvb_table *table;
        dkvb_status rc;

        o.in_place = 2;
        o.allocator = &mem;
        rc = dkvb_table_read(&table, data_path, &o, NULL);
        dkvb_table_free(table);
        assert_int_equal(counts.live, 0);
        if (!rc)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
        assert_true(fail_at < 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fit_from_a_source_has_the_bytes_of_a_fit_from_memory),
        cmocka_unit_test(key_rows_may_come_from_a_source),
        cmocka_unit_test(an_evaluation_from_a_source_counts_what_one_from_memory_counts),
        cmocka_unit_test(a_survey_of_a_source_finds_what_one_of_memory_finds),
        cmocka_unit_test(a_source_that_fails_ends_the_call_with_its_status_and_message),
        cmocka_unit_test(a_number_of_a_source_that_is_not_finite_is_named_by_its_row),
        cmocka_unit_test(rows_come_from_an_array_or_from_a_source),
        cmocka_unit_test(a_fit_from_a_source_survives_failing_allocations),
        cmocka_unit_test(blocks_of_a_file_of_any_type_are_the_rows_in_memory),
        cmocka_unit_test(files_that_cannot_be_read_in_blocks_are_read_to_memory),
        cmocka_unit_test(faults_of_a_file_have_one_message_in_blocks_and_in_memory),
        cmocka_unit_test(opening_a_file_in_blocks_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, name_file, NULL);
}
