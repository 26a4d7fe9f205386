/* Tests of codesets: ids, labels, codes and features of rows in two parts, recorded trainings, and codes files. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/half.h"
#include "base/rng.h"
#include "bottleneck/codes.h"
#include "bottleneck/codeset.h"
#include "data/stored.h"
#include "bottleneck/row_types.h"

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

static dkvb_train_options session_options(void)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    o.epochs = 4;
    o.learning_rate = 0.75;
    o.seed = 11;
    return o;
}

/* Makes a codeset in which the first TRAINED rows are in the training part and all other rows are held out. */
static dkvb_codeset *filled(const dkvb_model *model, const dkvb_allocator *allocator)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_keyinit_options keyinit = small_keyinit();
    dkvb_train_options training = session_options();
    dkvb_codeset *set;

    o.depth = DEPTH;
    o.allocator = allocator;
    o.keyinit = &keyinit;
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &o));
    assert_ok(codeset_add(set, DKVB_PART_TRAINING, ids, labels, codes, 100));
    assert_ok(codeset_add(set, DKVB_PART_TRAINING, ids + 100, labels + 100, codes + 100 * CODEBOOKS, TRAINED - 100));
    assert_ok(codeset_add(set, DKVB_PART_HELD_OUT, ids + TRAINED, labels + TRAINED, deep + TRAINED * CODEBOOKS * DEPTH,
                          ROWS - TRAINED));
    assert_ok(dkvb_codeset_add_session(set, model, &training, NULL, 0));
    return set;
}

static dkvb_codeset_info info_of(const dkvb_codeset *set)
{
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;

    assert_ok(dkvb_codeset_get_info(set, &info));
    return info;
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

static void ids_are_new_and_labels_and_keys_exist(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *before = filled(model, NULL);
    uint64_t there[2] = {5001, ids[9]}, held[2] = {5001, ids[TRAINED]}, same[2] = {5000, 5000}, good[2] = {5001, 5000};
    int32_t label[2] = {0, -2};
    uint16_t code[2 * CODEBOOKS] = {0};

    (void)state;
    assert_int_equal(codeset_add(set, DKVB_PART_TRAINING, there, labels, codes, 2), DKVB_EINVAL);
    assert_message("row 1 has id 28, which is in the training part already");
    assert_int_equal(codeset_add(set, DKVB_PART_TRAINING, held, labels, codes, 2), DKVB_EINVAL);
    assert_message("row 1 has id 1201, which is in the held-out part already");
    assert_int_equal(codeset_add(set, DKVB_PART_TRAINING, same, labels, codes, 2), DKVB_EINVAL);
    assert_message("rows 0 and 1 have the same id");
    assert_int_equal(codeset_add(set, DKVB_PART_TRAINING, good, label, code, 2), DKVB_EINVAL);
    assert_message("row 1 has label -2");
    code[CODEBOOKS + 3] = KEYS;
    assert_int_equal(codeset_add(set, DKVB_PART_TRAINING, good, labels, code, 2), DKVB_EINVAL);
    assert_message("row 1, codebook 3 names key 70");
    assert_int_equal(codeset_add(set, 2, good, labels, codes, 2), DKVB_EINVAL);
    assert_same_part(set, before, DKVB_PART_TRAINING);
    assert_same_part(set, before, DKVB_PART_HELD_OUT);
    dkvb_codeset_free(before);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Fills `order` with the numbers 0 to n - 1 in an unsorted order. */
static void mix(size_t *order, size_t n)
{
    struct dkvb__rng rng;

    dkvb__rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < n; i++) {
        size_t j = (size_t)(dkvb__rng_next(&rng) % (i + 1));

        order[i] = order[j];
        order[j] = i;
    }
}

/* Adds rows whose ids lie between those already there: the part must be as if all rows had been added at once, and the
 * first recorded training must still have the same rows. */
static void rows_in_any_order_end_up_sorted_with_what_is_theirs(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set, *expected = filled(model, NULL);
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    size_t order[TRAINED], first = 150;
    uint64_t id[TRAINED];
    int32_t label[TRAINED];
    uint16_t code[TRAINED * CODEBOOKS];
    uint8_t in[TRAINED];
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;

    (void)state;
    mix(order, TRAINED);
    for (size_t i = 0; i < TRAINED; i++) {
        id[i] = ids[order[i]];
        label[i] = labels[order[i]];
        memcpy(code + i * CODEBOOKS, codes + order[i] * CODEBOOKS, CODEBOOKS * sizeof *code);
    }
    o.depth = DEPTH;
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &o));
    assert_ok(codeset_add(set, DKVB_PART_TRAINING, id, label, code, first));
    assert_ok(dkvb_codeset_add_session(set, model, NULL, NULL, 0));
    assert_ok(
        codeset_add(set, DKVB_PART_TRAINING, id + first, label + first, code + first * CODEBOOKS, TRAINED - first));
    assert_same_part(set, expected, DKVB_PART_TRAINING);
    assert_ok(dkvb_codeset_get_session(set, 0, &session, in));
    assert_int_equal(session.rows, first);
    for (size_t i = 0; i < TRAINED; i++)
        assert_int_equal(in[order[i]], i < first);
    dkvb_codeset_free(expected);
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
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;
    dkvb_codeset_info info;
    const char *path = temp_path("codes");

    (void)state;
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    assert_same_part(set, loaded, DKVB_PART_TRAINING);
    assert_same_part(set, loaded, DKVB_PART_HELD_OUT);
    assert_ok(dkvb_codeset_get_session(loaded, 0, &session, NULL));
    assert_true(session.training.epochs == 4 && session.training.learning_rate == 0.75 && session.training.seed == 11);
    assert_true(session.classes == CLASSES && session.rows == TRAINED);
    info = info_of(loaded);
    assert_true(info.own_keys && info.keyinit.keys == KEYS && info.keyinit.key_dim == KEY_DIM);
    assert_int_equal(info.keyinit.passes, 1);
    assert_ok(dkvb__codeset_check(loaded, dkvb_model_codebooks(model)));
    dkvb_codeset_free(loaded);
    assert_ok(dkvb__codeset_set_keyinit(set, NULL));
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    assert_false(info_of(loaded).own_keys);
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* In packed codes, bit j of code i is bit i * bits + j of the row's bytes, the lowest bit of a byte first. */
static void packed_codes_have_the_bits_that_the_format_says_and_come_back(void **state)
{
    static const uint32_t keys[] = {1, 2, 3, 64, 65, 1000, 1024, 4096, 65535};
    enum { N = 300, COUNT = 7 }; /* an odd number of codes in a row, so that rows do not end at a byte */
    static uint16_t made[N * COUNT], back[N * COUNT];
    struct dkvb__run run;

    (void)state;
    assert_ok(dkvb__run_take(&run, NULL));
    for (size_t t = 0; t < 2 * sizeof keys / sizeof *keys; t++) {
        bool none = t % 2;
        struct dkvb__packing p = {COUNT, 1, keys[t / 2], dkvb__code_bits(keys[t / 2], none), 0};
        size_t size = (size_t)dkvb__packed_size(COUNT, p.bits);
        unsigned char *packed = malloc(N * size);
        struct dkvb__rng rng;

        dkvb__rng_seed(&rng, 5, t);
        for (size_t i = 0; i < N * COUNT; i++)
            made[i] = (uint16_t)(dkvb__rng_next(&rng) % p.keys);
        for (size_t i = 0; none && i < N * COUNT; i += 11)
            made[i] = DKVB_CODE_NONE;
        assert_true(dkvb__codes_any_none(made, N * COUNT) == none);
        assert_true(p.keys - !none < 1u << p.bits && (p.bits == 1 || p.keys - !none >= 1u << (p.bits - 1)));
        dkvb__codes_pack(packed, made, N, &p, &run);
        for (size_t r = 0; r < N; r++)
            for (size_t bit = 0; bit < 8 * size; bit++) {
                uint16_t code = bit < COUNT * p.bits ? made[r * COUNT + bit / p.bits] : 0;
                uint32_t stored = code == DKVB_CODE_NONE ? p.keys : code;

                assert_int_equal(packed[r * size + bit / 8] >> (bit % 8) & 1, stored >> (bit % p.bits) & 1);
            }
        assert_ok(dkvb__codes_unpack(back, packed, N, &p, &run));
        assert_memory_equal(back, made, sizeof made);
        free(packed);
    }
}

static void packed_keys_that_do_not_exist_and_stray_bits_are_refused(void **state)
{
    enum { N = 3, COUNT = 5 };
    const struct dkvb__packing p = {COUNT, 1, 70, 7, 0}; /* a row uses 35 of 40 bits */
    uint16_t made[N * COUNT] = {0}, back[N * COUNT];
    unsigned char packed[N * 5];
    struct dkvb__run run;

    (void)state;
    assert_ok(dkvb__run_take(&run, NULL));
    dkvb__codes_pack(packed, made, N, &p, &run);
    packed[5] = 70; /* none */
    assert_ok(dkvb__codes_unpack(back, packed, N, &p, &run));
    assert_int_equal(back[COUNT], DKVB_CODE_NONE);
    packed[5] = 71;
    assert_int_equal(dkvb__codes_unpack(back, packed, N, &p, &run), DKVB_EINVAL);
    assert_message("packed row 1");
    packed[5] = 0;
    packed[14] |= 0x80;
    assert_int_equal(dkvb__codes_unpack(back, packed, N, &p, &run), DKVB_EINVAL);
    assert_message("packed row 2");
}

/* Stores the features in the number type `dtype`, and converts them back to floats in `x`. */
static dkvb_codeset_rows rounded(uint32_t dtype, void *stored, float *x)
{
    dkvb_codeset_rows given = DKVB_CODESET_ROWS_INIT;

    for (size_t i = 0; i < ROWS * DIM; i++)
        switch (dtype) {
        case DKVB_DTYPE_U8:
            ((uint8_t *)stored)[i] = (uint8_t)(128.0f + 20.0f * rows[i]);
            x[i] = ((uint8_t *)stored)[i];
            break;
        case DKVB_DTYPE_F16:
            ((uint16_t *)stored)[i] = dkvb__float_to_half(rows[i]);
            x[i] = dkvb__half_to_float(((uint16_t *)stored)[i]);
            break;
        case DKVB_DTYPE_F32:
            ((float *)stored)[i] = x[i] = rows[i];
            break;
        default:
            ((double *)stored)[i] = rows[i] + 1e-12;
            x[i] = (float)((double *)stored)[i];
        }
    given.codebooks = CODEBOOKS;
    given.ids = ids;
    given.labels = labels;
    given.features = stored;
    given.dtype = dtype;
    given.columns = DIM;
    return given;
}

/* Makes a codeset of all rows with features, the first TRAINED of them in the training part. */
static dkvb_codeset *with_features(const dkvb_model *model, uint32_t dtype, uint32_t keep, const dkvb_allocator *mem)
{
    static double stored[ROWS * DIM];
    static float x[ROWS * DIM];
    static uint16_t nearest[ROWS * CODEBOOKS], deeper[ROWS * CODEBOOKS * DEPTH];
    dkvb_codeset_rows given = rounded(dtype, stored, x);
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset *set;

    o.depth = DEPTH;
    o.keep = keep;
    o.allocator = mem;
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, x, ROWS, 1, nearest, NULL, NULL));
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, x, ROWS, DEPTH, deeper, NULL, NULL));
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &o));
    given.n = TRAINED;
    given.k = 1;
    given.codes = nearest;
    assert_ok(dkvb_codeset_add_rows(set, DKVB_PART_TRAINING, &given));
    given.n = ROWS - TRAINED;
    given.k = DEPTH;
    given.ids += TRAINED;
    given.labels += TRAINED;
    given.codes = deeper + TRAINED * CODEBOOKS * DEPTH;
    given.features = (const char *)stored + TRAINED * DIM * dkvb__dtype_size(dtype);
    assert_ok(dkvb_codeset_add_rows(set, DKVB_PART_HELD_OUT, &given));
    assert_ok(dkvb_codeset_add_session(set, model, NULL, NULL, 0));
    return set;
}

static void kept_features_are_searched_to_the_same_codes(void **state)
{
    static const uint32_t dtypes[] = {DKVB_DTYPE_U8, DKVB_DTYPE_F16, DKVB_DTYPE_F32, DKVB_DTYPE_F64};
    dkvb_model *model = model_with_ids();
    char first[64], second[64];

    (void)state;
    snprintf(first, sizeof first, "%s", temp_path("features"));
    snprintf(second, sizeof second, "%s", temp_path("features-again"));
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        dkvb_codeset *set = with_features(model, dtypes[t], DKVB_KEPT_FEATURES, NULL), *loaded;
        dkvb_codeset_rows part_rows = DKVB_CODESET_ROWS_INIT;
        dkvb_codeset_info info;
        unsigned char *a, *b;
        size_t a_size, b_size;

        assert_ok(dkvb_codeset_save(set, first));
        assert_ok(dkvb_codeset_load(&loaded, first, NULL, NULL));
        info = info_of(loaded);
        assert_true(!info.searched && info.dtype[0] == dtypes[t] && info.columns[1] == DIM);
        assert_ok(dkvb_codeset_get_rows(loaded, DKVB_PART_TRAINING, &part_rows));
        assert_true(part_rows.n == TRAINED && part_rows.codes == NULL && part_rows.features != NULL);
        assert_int_equal(codeset_add(loaded, DKVB_PART_TRAINING, (uint64_t[]){9000}, labels, codes, 1), DKVB_ESTATE);
        assert_message("dkvb_codeset_search()");
        assert_ok(dkvb_codeset_save(loaded, second)); /* saves the loaded codeset without searching its codes */
        assert_ok(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL));
        assert_true(info_of(loaded).searched);
        assert_same_part(set, loaded, DKVB_PART_TRAINING);
        assert_same_part(set, loaded, DKVB_PART_HELD_OUT);
        a = read_file(first, &a_size);
        b = read_file(second, &b_size);
        assert_true(a_size == b_size && memcmp(a, b, a_size) == 0);
        free(a);
        free(b);
        dkvb_codeset_free(loaded);
        dkvb_codeset_free(set);
    }
    dkvb_model_free(model);
}

/* Adds the same rows by features in another order; the codes of the training part are given or searched. */
static dkvb_status add_features(dkvb_codeset *set, const dkvb_model *model, bool searched, const dkvb_run_options *run)
{
    static float x[ROWS * DIM];
    static uint64_t mixed_ids[ROWS];
    static int32_t mixed_labels[ROWS];
    static uint8_t held[ROWS];
    static uint16_t mixed_codes[ROWS * CODEBOOKS];
    dkvb_codeset_source source = DKVB_CODESET_SOURCE_INIT;
    size_t order[ROWS];

    mix(order, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        memcpy(x + i * DIM, rows + order[i] * DIM, DIM * sizeof *x);
        memcpy(mixed_codes + i * CODEBOOKS, codes + order[i] * CODEBOOKS, CODEBOOKS * sizeof *codes);
        mixed_ids[i] = ids[order[i]];
        mixed_labels[i] = labels[order[i]];
        held[i] = order[i] >= TRAINED;
    }
    source.x = x;
    source.n = ROWS;
    source.dim = DIM;
    source.ids = mixed_ids;
    source.labels = mixed_labels;
    source.held_out = held;
    source.codes = searched ? NULL : mixed_codes;
    return dkvb_codeset_add_features(set, dkvb_model_codebooks(model), &source, run);
}

static dkvb_codeset *empty_set(const dkvb_model *model, uint32_t keep, const dkvb_allocator *allocator)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset *set;

    o.depth = DEPTH;
    o.keep = keep;
    o.allocator = allocator;
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &o));
    return set;
}

static void rows_join_both_parts_by_their_features(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *by_hand = filled(model, NULL);

    (void)state;
    for (uint32_t keep = DKVB_KEPT_AUTO; keep <= DKVB_KEPT_FEATURES; keep++)
        for (int searched = 0; searched < 2; searched++) {
            dkvb_codeset *set = empty_set(model, keep, NULL);

            assert_ok(add_features(set, model, searched, NULL));
            for (uint32_t p = 0; p < DKVB__PARTS; p++) {
                assert_same_part(by_hand, set, p);
                assert_true(keep != DKVB_KEPT_FEATURES ||
                            memcmp(part(set, p).features, rows + p * TRAINED * DIM, part(set, p).n * DIM * 4) == 0);
            }
            dkvb_codeset_free(set);
        }
    dkvb_codeset_free(by_hand);
    dkvb_model_free(model);
}

static int stop_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done == TRAINED && total == ROWS; /* stops after the training part was searched, before the held-out part */
}

static void rows_that_cannot_join_leave_the_codeset_as_it_was(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codebooks *cb = dkvb_model_codebooks(model);
    dkvb_codeset *set = empty_set(model, DKVB_KEPT_FEATURES, NULL), *bytes = empty_set(model, DKVB_KEPT_FEATURES, NULL);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    float x[3 * DIM] = {0}, nan_x[3 * DIM] = {0}, half[3 * DIM] = {0.1f};
    uint64_t three[3] = {5000, 1, 5001}, twice[3] = {5000, 5001, 5000};
    int32_t y[3] = {0, 1, -2};
    dkvb_codeset_source s = DKVB_CODESET_SOURCE_INIT;

    (void)state;
    s.x = x;
    s.n = 3;
    s.dim = DIM;
    s.labels = labels;
    s.ids = three;
    /* features that are small whole numbers are kept as bytes */
    assert_ok(dkvb_codeset_add_features(bytes, cb, &s, NULL));
    assert_ok(add_features(set, model, true, NULL));
    assert_int_equal(dkvb_codeset_add_features(set, cb, &s, NULL), DKVB_EINVAL);
    assert_message("row 1 has id 1, which is in the training part already");
    s.ids = twice;
    assert_int_equal(dkvb_codeset_add_features(set, cb, &s, NULL), DKVB_EINVAL);
    assert_message("rows 0 and 2 have the same id, 5000");
    s.ids = NULL;
    s.labels = y;
    assert_int_equal(dkvb_codeset_add_features(set, cb, &s, NULL), DKVB_EINVAL);
    assert_message("row 2 has label -2");
    s.labels = labels;
    nan_x[2 * DIM] = NAN;
    s.x = nan_x;
    s.ids = (uint64_t[]){6000, 6001, 6002};
    assert_int_equal(dkvb_codeset_add_features(set, cb, &s, NULL), DKVB_EINVAL);
    assert_message("row 2");
    s.x = half;
    s.held_out = (uint8_t[]){0, 2, 0};
    assert_int_equal(dkvb_codeset_add_features(set, cb, &s, NULL), DKVB_EINVAL);
    assert_message("held_out of row 1 is 2");
    s.held_out = NULL;
    assert_int_equal(dkvb_codeset_add_features(bytes, cb, &s, NULL), DKVB_EINVAL);
    assert_message("not exact in uint8");
    s.dim = DIM - 1;
    assert_int_equal(dkvb_codeset_add_features(set, cb, &s, NULL), DKVB_EMISMATCH);
    assert_true(part(set, 0).n == TRAINED && part(set, 1).n == ROWS - TRAINED && part(bytes, 0).n == 3);
    dkvb_codeset_free(set);

    set = empty_set(model, DKVB_KEPT_FEATURES, NULL);
    run.progress = stop_at_once;
    assert_int_equal(add_features(set, model, true, &run), DKVB_ECANCELLED);
    assert_true(part(set, 0).n == 0 && part(set, 1).n == 0);
    dkvb_codeset_free(set);
    for (size_t fail_at = 1;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_status rc;

        set = empty_set(model, DKVB_KEPT_AUTO, &a);
        rc = add_features(set, model, true, NULL);
        assert_true(part(set, 0).n == (rc ? 0 : TRAINED) && (rc == DKVB_OK || rc == DKVB_ENOMEM));
        dkvb_codeset_free(set);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            break;
    }
    dkvb_codeset_free(bytes);
    dkvb_model_free(model);
}

static void one_part_alone_can_be_searched(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = with_features(model, DKVB_DTYPE_F32, DKVB_KEPT_FEATURES, NULL), *loaded;
    dkvb_codeset_rows listed = DKVB_CODESET_ROWS_INIT;
    const char *path = temp_path("one-part");

    (void)state;
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    assert_ok(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), DKVB_PART_HELD_OUT, NULL));
    assert_same_part(set, loaded, DKVB_PART_HELD_OUT);
    assert_ok(dkvb_codeset_get_rows(loaded, DKVB_PART_TRAINING, &listed));
    assert_true(listed.n == TRAINED && !listed.codes && listed.ids[3] == ids[3] && listed.labels[3] == labels[3]);
    assert_int_equal(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), 3, NULL), DKVB_EINVAL);
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* A row takes 7 bytes as codes in the training part, 35 bytes as codes in the held-out part, and 20 bytes as
 * features. */
static void a_file_keeps_what_is_smaller(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = with_features(model, DKVB_DTYPE_F16, DKVB_KEPT_AUTO, NULL), *loaded;
    dkvb_codeset *all_codes = with_features(model, DKVB_DTYPE_F16, DKVB_KEPT_CODES, NULL);
    dkvb_codeset_info info = info_of(set);
    const char *path = temp_path("smaller");

    (void)state;
    assert_true(info.kept[0] == DKVB_KEPT_CODES && info.row_bytes[0] == 12 + 7);
    assert_true(info.kept[1] == DKVB_KEPT_FEATURES && info.row_bytes[1] == 12 + 20);
    assert_null(part(set, DKVB_PART_TRAINING).features);
    assert_true(info_of(all_codes).row_bytes[1] == 12 + 35);
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    assert_ok(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL));
    for (uint32_t p = 0; p < DKVB__PARTS; p++) {
        assert_same_part(set, loaded, p);
        assert_same_part(all_codes, loaded, p);
    }
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(all_codes);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void rows_bring_features_of_the_same_kind(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = with_features(model, DKVB_DTYPE_F32, DKVB_KEPT_FEATURES, NULL);
    float bad[2 * DIM] = {0};
    dkvb_codeset_rows given = DKVB_CODESET_ROWS_INIT;
    uint64_t id[2] = {9000, 9001};

    (void)state;
    assert_int_equal(codeset_add(set, DKVB_PART_TRAINING, id, labels, codes, 2), DKVB_EINVAL);
    assert_message("rows must bring theirs");
    given.n = 2;
    given.codebooks = CODEBOOKS;
    given.k = 1;
    given.ids = id;
    given.labels = labels;
    given.codes = codes;
    given.features = bad;
    given.columns = DIM;
    given.dtype = DKVB_DTYPE_F16;
    assert_int_equal(dkvb_codeset_add_rows(set, DKVB_PART_TRAINING, &given), DKVB_EMISMATCH);
    given.dtype = DKVB_DTYPE_I32;
    assert_int_equal(dkvb_codeset_add_rows(set, DKVB_PART_TRAINING, &given), DKVB_EINVAL);
    given.dtype = DKVB_DTYPE_F32;
    bad[DIM + 3] = 1e38f * 10.0f;
    assert_int_equal(dkvb_codeset_add_rows(set, DKVB_PART_TRAINING, &given), DKVB_EINVAL);
    assert_message("row 1, column 3");
    bad[DIM + 3] = 0.0f;
    assert_ok(dkvb_codeset_add_rows(set, DKVB_PART_TRAINING, &given));
    assert_int_equal(part(set, DKVB_PART_TRAINING).n, TRAINED + 2);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void the_narrowest_type_holds_every_number_exactly(void **state)
{
    float bytes[3] = {0.0f, 255.0f, 7.0f}, halves[3] = {0.5f, -2.0f, 7.0f}, floats[3] = {0.1f, 1.0f, 7.0f};
    float minus_zero = -0.0f;
    uint16_t half[3];

    (void)state;
    assert_int_equal(dkvb__narrowest(bytes, 3), DKVB_DTYPE_U8);
    assert_int_equal(dkvb__narrowest(halves, 3), DKVB_DTYPE_F16);
    assert_int_equal(dkvb__narrowest(floats, 3), DKVB_DTYPE_F32);
    assert_int_equal(dkvb__narrowest(&minus_zero, 1), DKVB_DTYPE_F16);
    dkvb__narrow(half, DKVB_DTYPE_F16, halves, 3);
    assert_true(dkvb__half_to_float(half[0]) == 0.5f && dkvb__half_to_float(half[1]) == -2.0f);
}

static void removed_features_are_overwritten(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = with_features(model, DKVB_DTYPE_F32, DKVB_KEPT_FEATURES, NULL);
    const struct dkvb__coderows *training = &set->part[DKVB_PART_TRAINING];
    float left[DIM];

    (void)state;
    for (size_t gone = 0; gone < TRAINED; gone += TRAINED - 1) { /* removes the first row, then the last row */
        memcpy(left, rows + gone * DIM, sizeof left);
        assert_true(holds(training->features, training->capacity * DIM * sizeof(float), left, sizeof left));
        assert_ok(dkvb_codeset_remove(set, &ids[gone], 1, NULL));
        assert_false(holds(training->features, training->capacity * DIM * sizeof(float), left, sizeof left));
    }
    assert_memory_equal(training->features, rows + DIM, (TRAINED - 2) * DIM * sizeof(float));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static int stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done > 0 && total == ROWS;
}

static void a_search_that_fails_leaves_no_codes(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = with_features(model, DKVB_DTYPE_F16, DKVB_KEPT_FEATURES, NULL), *loaded;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    const char *path = temp_path("stopped");

    (void)state;
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    run.progress = stop;
    assert_int_equal(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), DKVB_PART_BOTH, &run), DKVB_ECANCELLED);
    assert_false(info_of(loaded).searched);
    loaded->part[DKVB_PART_HELD_OUT].columns--;
    assert_int_equal(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL), DKVB_EMISMATCH);
    assert_message("9 columns, the codebooks take 10");
    loaded->part[DKVB_PART_HELD_OUT].columns++;
    assert_ok(dkvb_codeset_search(loaded, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL));
    assert_same_part(set, loaded, DKVB_PART_HELD_OUT);
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* Records trainings of different rows, options and numbers of classes, and saves them in a codes file. */
static void sessions_say_who_took_part(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *loaded, *copy;
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;
    dkvb_train_options o = session_options();
    uint64_t some[3] = {ids[TRAINED - 1], ids[0], ids[64]}, wrong[2] = {ids[1], ids[TRAINED]};
    uint8_t in[TRAINED], again[TRAINED];
    const char *path = temp_path("sessions");

    (void)state;
    o.seed = 12;
    assert_int_equal(dkvb_codeset_add_session(set, model, &o, wrong, 2), DKVB_ENOTFOUND);
    assert_message("id 1201");
    assert_ok(dkvb_model_add_classes(model, 2));
    assert_ok(dkvb_codeset_add_session(set, model, &o, some, 3));
    assert_int_equal(info_of(set).sessions, 2);
    assert_ok(dkvb_codeset_get_session(set, 1, &session, in));
    assert_true(session.rows == 3 && session.classes == CLASSES + 2 && session.training.seed == 12);
    for (size_t r = 0; r < TRAINED; r++)
        assert_int_equal(in[r], r == TRAINED - 1 || r == 0 || r == 64);
    assert_ok(dkvb_codeset_remove(set, some, 1, NULL));
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    assert_ok(dkvb_codeset_get_session(loaded, 1, &session, again));
    assert_true(session.rows == 2 && session.classes == CLASSES + 2 && session.training.seed == 12);
    assert_memory_equal(in, again, TRAINED - 1);
    assert_int_equal(dkvb_codeset_get_session(loaded, 2, &session, NULL), DKVB_ENOTFOUND);

    assert_ok(dkvb_codeset_new(&copy, dkvb_model_codebooks(model), NULL));
    assert_ok(codeset_add(copy, DKVB_PART_TRAINING, ids + 60, labels + 60, codes + 60 * CODEBOOKS, 10));
    assert_ok(dkvb__codeset_copy_sessions(copy, loaded));
    assert_ok(dkvb_codeset_get_session(copy, 1, &session, again));
    assert_true(session.rows == 1 && again[4] && !again[5]);
    assert_int_equal(dkvb__codeset_copy_sessions(copy, loaded), DKVB_ESTATE);
    dkvb_codeset_free(copy);
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void sessions_of_other_rows_or_shapes_are_not_copied(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *copy;
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    int32_t other = labels[60] == 0 ? 1 : 0;

    (void)state;
    o.top_k = 2; /* a codeset with twice as many keys in each code */
    assert_ok(dkvb_codeset_new(&copy, dkvb_model_codebooks(model), &o));
    assert_int_equal(dkvb__codeset_copy_sessions(copy, set), DKVB_EMISMATCH);
    assert_message("k = 1, this one has 8 of 70 with 2");
    dkvb_codeset_free(copy);

    assert_ok(dkvb_codeset_new(&copy, dkvb_model_codebooks(model), NULL));
    assert_ok(codeset_add(copy, DKVB_PART_TRAINING, ids + 60, &other, codes + 60 * CODEBOOKS, 1));
    assert_int_equal(dkvb__codeset_copy_sessions(copy, set), DKVB_EMISMATCH);
    assert_message("in the sessions, here");
    assert_int_equal(info_of(copy).sessions, 0);
    dkvb_codeset_free(copy);

    assert_ok(dkvb_codeset_new(&copy, dkvb_model_codebooks(model), NULL));
    assert_ok(codeset_add(copy, DKVB_PART_TRAINING, ids + TRAINED, labels + TRAINED, codes + TRAINED * CODEBOOKS, 1));
    assert_int_equal(dkvb__codeset_copy_sessions(copy, set), DKVB_EMISMATCH);
    assert_message("none of them has id");
    dkvb_codeset_free(copy);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_session_that_cannot_be_is_not_recorded(void **state)
{
    dkvb_model *model = model_with_ids(), *fewer;
    dkvb_codeset *set = filled(model, NULL);
    uint64_t zero = ids[0];

    (void)state;
    assert_ok(dkvb_model_new(&fewer, dkvb_model_codebooks(model), CLASSES - 1, NULL));
    assert_int_equal(dkvb_codeset_add_session(set, fewer, NULL, &zero, 1), DKVB_EMISMATCH);
    assert_message("never loses classes");
    assert_ok(codeset_add(set, DKVB_PART_TRAINING, (uint64_t[]){9000}, (int32_t[]){CLASSES}, codes, 1));
    assert_int_equal(dkvb_codeset_add_session(set, model, NULL, NULL, 0), DKVB_EMISMATCH);
    assert_message("id 9000 has label 4");
    assert_ok(dkvb_codeset_add_session(set, model, NULL, &zero, 1));
    while (info_of(set).sessions < DKVB_CODESET_SESSIONS)
        assert_ok(dkvb_codeset_add_session(set, model, NULL, &zero, 1));
    assert_int_equal(dkvb_codeset_add_session(set, model, NULL, &zero, 1), DKVB_ESTATE);
    for (size_t r = 1; r < TRAINED; r++)
        assert_int_equal(set->part[DKVB_PART_TRAINING].sessions[r], 1);
    dkvb_codeset_free(set);
    dkvb_model_free(fewer);
    dkvb_model_free(model);
}

/* Fitting the temperature on deep codes must give the same as on codes searched under the mask; this needs enough
 * unmasked keys in each code. */
static void a_temperature_is_fitted_on_the_rows_held_out(void **state)
{
    static uint16_t found[ROWS * CODEBOOKS];
    static float logits[ROWS * CLASSES];
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL);
    dkvb_mask *mask = mask_for_class(model, codes, 1, 12);
    double fitted = 0.0, power = 0.0, expected = 0.0, expected_power;
    uint64_t all[ROWS - TRAINED];
    size_t count = 0;

    (void)state;
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb__codeset_fit_temperature(set, model, &fitted, &power, &count, NULL));
    assert_ok(dkvb_search(dkvb_model_codebooks(model), mask, rows, ROWS, 1, found, NULL, NULL));
    assert_ok(dkvb_model_decode(model, found, 1, ROWS, NULL, logits, NULL));
    assert_ok(dkvb_calibration_fit(logits + TRAINED * CLASSES, labels + TRAINED, ROWS - TRAINED, CLASSES, &expected,
                                   &expected_power));
    assert_true(fitted == expected && power == expected_power && fitted != 1.0 && power != 0.0);
    assert_int_equal(count, ROWS - TRAINED);
    memcpy(all, ids + TRAINED, sizeof all);
    assert_ok(dkvb_codeset_remove(set, all, ROWS - TRAINED, NULL));
    assert_ok(dkvb__codeset_fit_temperature(set, model, &fitted, &power, &count, NULL));
    assert_true(fitted == 1.0 && power == 0.0 && count == 0);
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void a_temperature_of_many_classes_is_fitted_on_rows_drawn_by_id(void **state)
{
    enum { MANY = 3000, LEFT = 1024 };
    static size_t drawn[MANY], fewer[MANY], all[MANY];
    static uint64_t names[MANY];
    const dkvb_allocator mem = dkvb__allocator(NULL);
    size_t count = MANY, without = 0, at = 0;

    (void)state;
    for (size_t r = 0; r < MANY; r++) {
        all[r] = drawn[r] = r;
        names[r] = 5 * r + 2;
    }
    /* with 1,000 classes at most 4,194 rows are drawn: here all */
    assert_ok(dkvb__temperature_rows(drawn, &count, names, 1000, &mem));
    assert_true(count == MANY && memcmp(drawn, all, sizeof all) == 0);
    assert_ok(dkvb__temperature_rows(drawn, &count, names, 65536, &mem)); /* at least 1,024 rows are drawn */
    assert_int_equal(count, LEFT);
    for (size_t i = 1; i < count; i++)
        assert_true(drawn[i] > drawn[i - 1]);
    assert_true(drawn[LEFT / 2] > MANY / 2 - 200 && drawn[LEFT / 2] < MANY / 2 + 200); /* from everywhere */

    /* Removes every third row: all remaining rows that were drawn must be drawn again, besides rows that were not drawn
     * before. */
    for (size_t r = 0; r < MANY; r++)
        if (r % 3 != 0)
            fewer[without++] = r;
    assert_ok(dkvb__temperature_rows(fewer, &without, names, 65536, &mem));
    assert_int_equal(without, LEFT);
    for (size_t i = 0; i < count; i++) {
        while (at < without && fewer[at] < drawn[i])
            at++;
        assert_true(drawn[i] % 3 == 0 || fewer[at] == drawn[i]);
    }
    assert_true(memcmp(fewer, drawn, LEFT * sizeof *fewer) != 0);
}

/* Removes all rows but 3 training rows and 2 held-out rows, for a small codes file. */
static void shrink(dkvb_codeset *set)
{
    uint64_t most[ROWS];

    memcpy(most, ids + 3, (TRAINED - 3) * sizeof *ids);
    memcpy(most + TRAINED - 3, ids + TRAINED + 2, (ROWS - TRAINED - 2) * sizeof *ids);
    assert_ok(dkvb_codeset_remove(set, most, ROWS - 5, NULL));
}

static void removed_rows_are_not_added_again_unless_they_are_readmitted(void **state)
{
    const char *path = temp_path("removed");
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *other = filled(model, NULL), *loaded;
    uint64_t gone[3] = {ids[TRAINED + 7], ids[0], ids[0]}, new_id = 2;

    (void)state;
    assert_ok(dkvb_codeset_remove(set, NULL, 0, NULL)); /* removing no rows adds nothing to the list of removed rows */
    assert_null(set->removed.hash);
    assert_ok(dkvb_codeset_remove(set, gone, 3, NULL));
    assert_ok(dkvb_codeset_remove(other, gone, 2, NULL));
    assert_int_equal(set->removed.n, 2);
    assert_memory_equal(set->removed.salt, other->removed.salt, 32); /* the same calls give the same salt */
    assert_ok(dkvb_codeset_remove(set, ids + 1, 1, NULL));
    assert_ok(dkvb_codeset_save(set, path));
    assert_ok(dkvb_codeset_load(&loaded, path, NULL, NULL));
    for (size_t r = 0; r < ROWS; r++)
        assert_int_equal(dkvb_codeset_was_removed(loaded, ids[r]), r < 2 || r == TRAINED + 7);
    assert_int_equal(dkvb_codeset_was_removed(loaded, new_id), 0);
    for (uint32_t p = 0; p < 2; p++) { /* neither part accepts a removed id */
        assert_int_equal(codeset_add(loaded, p, gone, labels, p ? deep : codes, 1), DKVB_ESTATE);
        assert_message("row 0 has id 1222, a row that was removed");
    }
    assert_ok(codeset_add(loaded, DKVB_PART_TRAINING, &new_id, labels, codes, 1));
    assert_ok(dkvb_codeset_readmit(loaded, gone, 1));
    assert_int_equal(dkvb_codeset_was_removed(loaded, gone[0]), 0);
    assert_int_equal(dkvb_codeset_was_removed(loaded, gone[1]), 1);
    assert_ok(codeset_add(loaded, DKVB_PART_TRAINING, gone, labels, codes, 1));
    assert_ok(dkvb_codeset_readmit(loaded, NULL, 0));
    assert_int_equal(loaded->removed.n, 0);
    assert_memory_equal(loaded->removed.salt, (uint8_t[32]){0}, 32);
    assert_ok(codeset_add(loaded, DKVB_PART_TRAINING, gone + 1, labels, codes, 1));
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(set);
    dkvb_codeset_free(other);
    dkvb_model_free(model);
}

static void removed_rows_are_remembered_where_sessions_are_copied(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset *from = filled(model, NULL), *set;

    (void)state;
    assert_ok(dkvb_codeset_remove(from, ids + 4, 2, NULL));
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &o));
    assert_ok(dkvb__codeset_copy_sessions(set, from));
    for (size_t r = 0; r < 10; r++)
        assert_int_equal(dkvb_codeset_was_removed(set, ids[r]), r == 4 || r == 5);
    dkvb_codeset_free(from);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void forged_lists_of_removed_rows_are_refused(void **state)
{
    const char *path = temp_path("removed");
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL), *loaded;
    unsigned char *data, *removed;
    size_t size, removed_size;
    uint64_t hash;

    (void)state;
    assert_ok(dkvb_codeset_remove(set, ids, 3, NULL));
    assert_ok(dkvb_codeset_save(set, path));
    data = read_file(path, &size);
    removed = file_section(data, "removed", &removed_size);
    assert_int_equal(removed_size, 32 + 3 * 8);
    memcpy(&hash, removed + 32, 8);
    memcpy(removed + 40, &hash, 8); /* twice */
    seal_file(data);
    write_file(path, data, size);
    assert_int_equal(dkvb_codeset_load(&loaded, path, NULL, NULL), DKVB_EFORMAT);
    assert_message("section removed: hash 1 does not ascend");
    free(data);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void every_damaged_file_is_refused(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *sets[2] = {filled(model, NULL), with_features(model, DKVB_DTYPE_F16, DKVB_KEPT_FEATURES, NULL)};
    const char *path = temp_path("damaged");

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        dkvb_codeset *loaded;
        unsigned char *data;
        size_t size;

        shrink(sets[t]);
        assert_ok(dkvb_codeset_save(sets[t], path));
        data = read_file(path, &size);
        for (size_t i = 0; i < size; i++) {
            data[i] ^= 0x41;
            write_file(path, data, size);
            assert_int_not_equal(dkvb_codeset_load(&loaded, path, NULL, NULL), DKVB_OK);
            assert_null(loaded);
            data[i] ^= 0x41;
        }
        for (size_t i = 0; i < size; i += 7) {
            write_file(path, data, i);
            assert_int_not_equal(dkvb_codeset_load(&loaded, path, NULL, NULL), DKVB_OK);
        }
        free(data);
        dkvb_codeset_free(sets[t]);
    }
    dkvb_model_free(model);
}

static void other_codebooks_are_refused(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *set = filled(model, NULL);
    dkvb_codeset_options wrong = DKVB_CODESET_OPTIONS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    const char *path = temp_path("others");
    dkvb_codeset *loaded;
    dkvb_codebooks *other;

    (void)state;
    o.keys = KEYS - 1; /* settings of key placement that do not fit the codebooks */
    wrong.keyinit = &o;
    assert_int_equal(dkvb_codeset_new(&loaded, dkvb_model_codebooks(model), &wrong), DKVB_EMISMATCH);
    assert_null(loaded);
    o = small_keyinit();
    o.seed = 5;
    assert_ok(dkvb_codebooks_fit(&other, rows, ROWS, DIM, &o, NULL));
    assert_int_equal(dkvb__codeset_check(set, other), DKVB_EMISMATCH);
    assert_message("other codebooks");
    assert_int_equal(dkvb_codeset_search(set, other, DKVB_PART_BOTH, NULL), DKVB_EMISMATCH);
    assert_ok(dkvb_codeset_save(set, path));
    assert_int_equal(dkvb_codeset_load(&loaded, path, other, NULL), DKVB_EMISMATCH);
    assert_message(path);
    assert_null(loaded);
    assert_ok(dkvb_codeset_load(&loaded, path, dkvb_model_codebooks(model), NULL));
    dkvb_codeset_free(loaded);
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
    assert_true(held > 9500 && held < 10500); /* limits of 5 standard errors (475) */
    assert_false(dkvb_codeset_holds_out(1, 0.0));
    assert_true(dkvb_codeset_holds_out(1, 1.0));
}

static void each_allocation_may_fail(void **state)
{
    dkvb_model *model = model_with_ids();
    dkvb_codeset *good = with_features(model, DKVB_DTYPE_F16, DKVB_KEPT_AUTO, NULL);
    const char *path = temp_path("alloc"), *other = temp_path("alloc2");

    (void)state;
    assert_ok(dkvb_codeset_save(good, path));
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_codeset *set, *again = NULL;
        dkvb_status rc = dkvb_codeset_load(&set, path, NULL, &a);

        if (!rc)
            rc = dkvb_codeset_search(set, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL);
        if (!rc)
            rc = codeset_add(set, DKVB_PART_TRAINING, (uint64_t[]){90000}, labels, codes, 1);
        if (!rc)
            rc = dkvb_codeset_add_session(set, model, NULL, NULL, 0);
        if (!rc)
            rc = dkvb_codeset_remove(set, (uint64_t[]){90000}, 1, NULL);
        if (!rc)
            rc = dkvb_codeset_remove(set, ids, 1, NULL);
        if (!rc)
            rc = dkvb_codeset_readmit(set, ids, 1);
        if (!rc)
            rc = dkvb_codeset_save(set, other);
        if (!rc)
            rc = dkvb_codeset_load(&again, other, NULL, &a);
        dkvb_codeset_free(again);
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
        cmocka_unit_test(ids_are_new_and_labels_and_keys_exist),
        cmocka_unit_test(rows_in_any_order_end_up_sorted_with_what_is_theirs),
        cmocka_unit_test(removed_rows_leave_both_parts_and_nothing_behind),
        cmocka_unit_test(a_file_gives_the_same_codeset),
        cmocka_unit_test(packed_codes_have_the_bits_that_the_format_says_and_come_back),
        cmocka_unit_test(packed_keys_that_do_not_exist_and_stray_bits_are_refused),
        cmocka_unit_test(kept_features_are_searched_to_the_same_codes),
        cmocka_unit_test(rows_join_both_parts_by_their_features),
        cmocka_unit_test(rows_that_cannot_join_leave_the_codeset_as_it_was),
        cmocka_unit_test(one_part_alone_can_be_searched),
        cmocka_unit_test(a_file_keeps_what_is_smaller),
        cmocka_unit_test(rows_bring_features_of_the_same_kind),
        cmocka_unit_test(the_narrowest_type_holds_every_number_exactly),
        cmocka_unit_test(removed_features_are_overwritten),
        cmocka_unit_test(removed_rows_are_not_added_again_unless_they_are_readmitted),
        cmocka_unit_test(removed_rows_are_remembered_where_sessions_are_copied),
        cmocka_unit_test(forged_lists_of_removed_rows_are_refused),
        cmocka_unit_test(a_search_that_fails_leaves_no_codes),
        cmocka_unit_test(sessions_say_who_took_part),
        cmocka_unit_test(sessions_of_other_rows_or_shapes_are_not_copied),
        cmocka_unit_test(a_session_that_cannot_be_is_not_recorded),
        cmocka_unit_test(a_temperature_is_fitted_on_the_rows_held_out),
        cmocka_unit_test(a_temperature_of_many_classes_is_fitted_on_rows_drawn_by_id),
        cmocka_unit_test(every_damaged_file_is_refused),
        cmocka_unit_test(other_codebooks_are_refused),
        cmocka_unit_test(holding_out_depends_on_the_id_alone),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
