/* Tests that everything known about forgotten rows is overwritten before its memory is freed: ids, codes and features,
 * the values and keys that the rows taught, salts, and the list of masked pairs. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bottleneck/codebooks.h"
#include "bottleneck/model.h"

enum { NEEDLES = 16, LONGEST = 64, K = 2 };

/* A byte sequence that no freed block may contain. */
static struct needle {
    const char *what;
    size_t size;
    unsigned char bytes[LONGEST];
} needles[NEEDLES];
static size_t needle_count;

/* Header in front of each block that the library holds. */
static struct block {
    struct block *before, *after;
    size_t size;
    uint64_t padding;
} * blocks;

static bool holds(const void *data, size_t size, const struct needle *n)
{
    const unsigned char *at = data;

    for (size_t i = 0; i + n->size <= size; i++)
        if (at[i] == n->bytes[0] && memcmp(at + i, n->bytes, n->size) == 0)
            return true;
    return false;
}

static void *block_alloc(void *user, size_t size)
{
    struct block *b = malloc(sizeof *b + size);

    (void)user;
    assert_non_null(b);
    *b = (struct block){.after = blocks, .size = size};
    if (blocks)
        blocks->before = b;
    blocks = b;
    memset(b + 1, 0xA5, size);
    return b + 1;
}

static void block_release(void *user, void *ptr)
{
    struct block *b = (struct block *)ptr - 1;

    (void)user;
    for (size_t i = 0; i < needle_count; i++)
        if (holds(ptr, b->size, &needles[i]))
            fail_msg("a released block of %zu bytes holds %s", b->size, needles[i].what);
    if (b->after)
        b->after->before = b->before;
    if (b->before)
        b->before->after = b->after;
    else
        blocks = b->after;
    free(b);
}

/* Asserts that the library has these bytes in memory now, and that from here on no freed block may contain them. */
static void look_for(const char *what, const void *bytes, size_t size)
{
    struct needle *n = &needles[needle_count++];
    bool found = false;

    assert_true(size <= LONGEST && needle_count <= NEEDLES);
    *n = (struct needle){.what = what, .size = size};
    memcpy(n->bytes, bytes, size);
    for (const struct block *b = blocks; b && !found; b = b->after)
        found = holds(b + 1, b->size, n);
    if (!found)
        fail_msg("%s: nowhere in memory, so looking for it proves nothing", what);
}

static uint16_t codes[ROWS * CODEBOOKS * K];
static uint64_t ids[ROWS];

static dkvb_codeset *codeset_of(const dkvb_model *model, const dkvb_allocator *a, uint32_t keep)
{
    dkvb_codeset_options options = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    dkvb_codeset *set;

    options.top_k = K;
    options.keep = keep;
    options.allocator = a;
    part.n = ROWS / 2;
    part.codebooks = CODEBOOKS;
    part.k = K;
    part.dtype = keep == DKVB_KEPT_FEATURES ? DKVB_DTYPE_F32 : 0;
    part.columns = keep == DKVB_KEPT_FEATURES ? DIM : 0;
    assert_ok(dkvb_codeset_new(&set, dkvb_model_codebooks(model), &options));
    /* rows are added in two halves, so that arrays grow and the old ones are freed */
    for (size_t half = 0; half < 2; half++) {
        part.ids = ids + half * part.n;
        part.labels = labels + half * part.n;
        part.codes = codes + half * part.n * CODEBOOKS * K;
        part.features = keep == DKVB_KEPT_FEATURES ? rows + half * part.n * DIM : NULL;
        if (half == 1) {
            look_for("an id", ids + 5, sizeof *ids);
            look_for("a code", codes + 5 * CODEBOOKS * K, CODEBOOKS * K * sizeof *codes);
            if (part.features)
                look_for("a row of features", rows + 5 * DIM, DIM * sizeof *rows);
        }
        assert_ok(dkvb_codeset_add_rows(set, DKVB_PART_TRAINING, &part));
    }
    return set;
}

/* Trains, masks, forgets exactly, purges and frees a model, with a codeset that keeps codes or features. */
static void live(const dkvb_allocator *a, uint32_t keep)
{
    static const uint8_t salts[2][32] = {"the salt of a forgetting, 32 byt", "the salt of a replay, of 32 byte"};
    const char *model_path = temp_path("model"), *codes_path = temp_path("codes");
    dkvb_keyinit_options keyinit = small_keyinit();
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_forget_options forget = DKVB_FORGET_OPTIONS_INIT;
    dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
    size_t row = CLASSES * sizeof(float), pair;
    uint64_t gone[] = {ids[9], ids[5]}, masked;
    dkvb_codebooks *cb;
    dkvb_model *model, *loaded;
    dkvb_codeset *set, *read;
    dkvb_mask *mask;

    needle_count = 0;
    keyinit.allocator = a;
    options.allocator = a;
    options.top_k = K;
    train.ids = ids;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &keyinit, NULL));
    look_for("keys", dkvb__codebook_keys(cb, 0), LONGEST);
    assert_ok(dkvb_model_new(&model, cb, CLASSES, &options));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, K, codes, NULL, NULL));
    assert_ok(dkvb_model_train(model, codes, K, labels, ROWS, &train, NULL));
    assert_ok(dkvb_model_count_classes(model, codes, K, labels, ROWS, NULL));
    pair = codes[5 * CODEBOOKS * K];
    look_for("a value", (const char *)model->values + pair * row, row);

    set = codeset_of(model, a, keep);
    assert_ok(dkvb_codeset_search(set, cb, DKVB_PART_BOTH, NULL));
    assert_ok(dkvb_codeset_add_session(set, model, &train, NULL, 0));
    assert_ok(dkvb_codeset_save(set, codes_path));
    assert_ok(dkvb_codeset_load(&read, codes_path, NULL, a));
    dkvb_codeset_free(set);
    set = read;
    assert_ok(dkvb_model_save(model, model_path));
    assert_ok(dkvb_model_load(&loaded, model_path, &options));
    dkvb_model_free(model);
    model = loaded;

    assert_ok(dkvb_mask_new(&mask, cb));
    for (uint32_t c = 0; c < CODEBOOKS; c++)
        assert_ok(dkvb_mask_set(mask, c, codes[(5 * CODEBOOKS + c) * K], 1));
    assert_int_equal(dkvb_mask_next(mask, 0, &masked), 1);
    look_for("a masked value", (const char *)model->values + masked * row, row);
    forget.salt = salts[0];
    forget.rows = gone;
    forget.row_count = 2;
    assert_ok(dkvb_model_forget(model, mask, &forget, NULL));
    look_for("a salt", salts[0], sizeof salts[0]);
    look_for("a list of pairs", model->journal.records[0].list, 4 * sizeof(uint32_t));
    dkvb_mask_free(mask);

    assert_ok(dkvb_codeset_search(set, dkvb_model_codebooks(model), DKVB_PART_BOTH, NULL));
    forget.salt = salts[1];
    assert_ok(dkvb_model_replay(model, set, gone, 2, &forget, NULL, NULL));
    look_for("the salt of a replay", salts[1], sizeof salts[1]);
    look_for("a value of the replay", (const char *)model->values + pair * row, row);
    assert_ok(dkvb_codeset_remove(set, gone, 2, NULL));
    for (uint32_t i = 0; i < 10; i++) { /* adds journal entries, so that the journal's array grows */
        assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
        assert_ok(dkvb_mask_set(mask, i % CODEBOOKS, i, 1));
        assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
        dkvb_mask_free(mask);
    }
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_ok(dkvb_model_purge(model));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    dkvb_codebooks_free(cb);
    assert_null(blocks);
}

static void no_released_block_holds_what_was_forgotten(void **state)
{
    dkvb_allocator a = {block_alloc, block_release, NULL};

    (void)state;
    make_rows();
    for (size_t r = 0; r < ROWS; r++)
        ids[r] = 0x1D0F5EED00000000 + 3 * r;
    live(&a, DKVB_KEPT_CODES);
    live(&a, DKVB_KEPT_FEATURES);
}

static void removed_rows_are_overwritten_where_they_lay(void **state)
{
    dkvb_allocator a = {block_alloc, block_release, NULL};
    dkvb_model *model = trained_model(K, codes);
    dkvb_codeset *set;
    uint64_t gone;

    (void)state;
    for (size_t r = 0; r < ROWS; r++)
        ids[r] = 0x1D0F5EED00000000 + 3 * r;
    needle_count = 0;
    gone = ids[ROWS - 1];
    set = codeset_of(model, &a, DKVB_KEPT_FEATURES);
    look_for("the last id", &gone, sizeof gone);
    look_for("the last row", rows + (ROWS - 1) * DIM, DIM * sizeof *rows);
    assert_ok(dkvb_codeset_remove(set, &gone, 1, NULL));
    for (const struct block *b = blocks; b; b = b->after)
        assert_false(holds(b + 1, b->size, &needles[needle_count - 1]) ||
                     holds(b + 1, b->size, &needles[needle_count - 2]));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_released_block_holds_what_was_forgotten),
        cmocka_unit_test(removed_rows_are_overwritten_where_they_lay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
