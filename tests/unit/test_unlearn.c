/* Tests of forgetting: which pairs are chosen, what a mask changes and what it does not, and how it is undone and made
 * permanent.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/model.h"
#include "kernels/kernels.h"
#include "unlearn/choose.h"

static uint16_t codes[ROWS * CODEBOOKS];

static float accuracy(const dkvb_model *model, int32_t label, bool of_label)
{
    static int32_t answers[ROWS];
    float right = 0.0f, count = 0.0f;

    assert_ok(dkvb_model_predict(model, rows, ROWS, answers, NULL, NULL));
    for (size_t r = 0; r < ROWS; r++)
        if ((labels[r] == label) == of_label) {
            right += (float)(answers[r] == labels[r]);
            count += 1.0f;
        }
    return right / count;
}

static void logits_of(const dkvb_model *model, float logits[ROWS * CLASSES])
{
    assert_ok(dkvb_model_predict(model, rows, ROWS, NULL, logits, NULL));
}

static uint64_t forget(dkvb_model *model, const dkvb_mask *mask, const char *reason)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    uint64_t entry;

    o.method = "activations";
    o.reason = reason;
    assert_ok(dkvb_model_forget(model, mask, &o, &entry));
    return entry;
}

static void activations_are_counted_and_added(void **state)
{
    static uint64_t whole[CODEBOOKS * KEYS], parts[CODEBOOKS * KEYS], sum;
    dkvb_model *model = trained_model(1, codes);
    struct dkvb__run run;

    (void)state;
    assert_ok(dkvb__run_take(&run, NULL));
    dkvb__count_marked(model, codes, ROWS, NULL, 0, whole, &run);
    dkvb__count_marked(model, codes, 100, NULL, 0, parts, &run);
    dkvb__count_marked(model, codes + 100 * CODEBOOKS, ROWS - 100, NULL, 0, parts, &run);
    assert_memory_equal(whole, parts, sizeof whole);
    for (size_t i = 0; i < CODEBOOKS * KEYS; i++)
        sum += whole[i];
    assert_int_equal(sum, ROWS * CODEBOOKS);
    dkvb_model_free(model);
}

static void every_codebook_is_counted(void **state)
{
    enum { MANY = 37, FEW_KEYS = 3, RANKS = 2, MANY_ROWS = 50 };
    static const float keys[MANY * FEW_KEYS];
    static uint16_t many[MANY_ROWS * MANY * RANKS];
    static uint64_t counts[MANY * FEW_KEYS], expected[MANY * FEW_KEYS];
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_model_options m = DKVB_MODEL_OPTIONS_INIT;
    dkvb_request q = DKVB_REQUEST_INIT;
    struct dkvb__run run;
    dkvb_codebooks *cb;
    dkvb_model *model;
    dkvb_mask *mask;

    (void)state;
    o.codebooks = MANY;
    o.keys = FEW_KEYS;
    o.key_dim = 1;
    m.top_k = RANKS;
    arrays.dim = 1;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&cb, &arrays, &o));
    assert_ok(dkvb_model_new(&model, cb, 2, &m));
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        many[i] = i * i % 5 == 4 ? DKVB_CODE_NONE : (uint16_t)(i * i % 7 % FEW_KEYS);
        if (many[i] != DKVB_CODE_NONE)
            expected[i / RANKS % MANY * FEW_KEYS + many[i]]++;
    }
    assert_ok(dkvb__run_take(&run, NULL));
    dkvb__count_marked(model, many, MANY_ROWS, NULL, 0, counts, &run);
    assert_memory_equal(counts, expected, sizeof counts);
    many[sizeof many / sizeof *many - 1] = FEW_KEYS;
    q.k = RANKS;
    q.codes = many;
    q.n = MANY_ROWS;
    assert_ok(dkvb_mask_new(&mask, cb));
    assert_int_equal(dkvb_unlearn_choose(mask, model, &q, 5, NULL), DKVB_EINVAL);
    assert_message("row 49, codebook 36 names key 3");
    assert_int_equal(dkvb__mask_count(mask), 0);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    dkvb_codebooks_free(cb);
}

static int by_count_then_pair(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    if (x[0] != y[0])
        return x[0] < y[0] ? 1 : -1;
    return x[1] < y[1] ? -1 : x[1] > y[1];
}

static void the_most_selected_pairs_are_chosen_ties_to_the_lowest(void **state)
{
    static uint64_t counts[CODEBOOKS * KEYS], sorted[CODEBOOKS * KEYS][2];
    dkvb_model *model = trained_model(1, codes);

    (void)state;
    for (size_t i = 0; i < CODEBOOKS * KEYS; i++) {
        counts[i] = i % 97 == 0 ? UINT64_C(1) << 40 : i * 31 % 7 == 0 ? 0 : i * 31 % 11 * 300;
        sorted[i][0] = counts[i];
        sorted[i][1] = i;
    }
    qsort(sorted, CODEBOOKS * KEYS, sizeof *sorted, by_count_then_pair);
    for (size_t pairs = 0; pairs <= CODEBOOKS * KEYS + 5; pairs += 7) {
        dkvb_mask *mask, *expected;

        assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
        assert_ok(dkvb_mask_new(&expected, dkvb_model_codebooks(model)));
        dkvb__take_largest(mask, counts, pairs);
        for (size_t i = 0; i < pairs && i < CODEBOOKS * KEYS && sorted[i][0] > 0; i++)
            assert_ok(dkvb_mask_set(expected, (uint32_t)(sorted[i][1] / KEYS), (uint32_t)(sorted[i][1] % KEYS), 1));
        assert_true(dkvb_mask_equal(mask, expected));
        dkvb_mask_free(mask);
        dkvb_mask_free(expected);
    }
    dkvb_model_free(model);
}

static dkvb_mask *of_examples(const dkvb_model *model, uint64_t rows_drawn, uint64_t seed)
{
    dkvb_request q = DKVB_REQUEST_INIT;
    dkvb_mask *mask;

    q.method = DKVB_METHOD_EXAMPLES;
    q.codes = codes;
    q.n = ROWS;
    q.seed = seed;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_unlearn_choose(mask, model, &q, rows_drawn, NULL));
    return mask;
}

static void examples_mask_every_pair_they_select(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *few = of_examples(model, 1, 5), *again = of_examples(model, 1, 5), *other = of_examples(model, 3, 6),
              *all = of_examples(model, ROWS + 10, 0);

    (void)state;
    assert_int_equal(dkvb__mask_count(few), CODEBOOKS);
    assert_true(dkvb_mask_equal(few, again));
    assert_true(dkvb__mask_count(other) > CODEBOOKS);
    for (size_t i = 0; i < ROWS * CODEBOOKS; i++)
        assert_true(mask_has(all, (uint32_t)(i % CODEBOOKS), codes[i]));
    dkvb_mask_free(few);
    dkvb_mask_free(again);
    dkvb_mask_free(other);
    dkvb_mask_free(all);
    dkvb_model_free(model);
}

static void forgetting_a_class_suppresses_it_and_keeps_the_rest(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 200);
    float kept = accuracy(model, 2, false);

    (void)state;
    assert_true(accuracy(model, 2, true) > 0.9f);
    forget(model, mask, "test");
    assert_true(accuracy(model, 2, true) < 0.3f);
    assert_true(accuracy(model, 2, false) > kept - 0.05f);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void forgetting_leaves_keys_and_values_alone(void **state)
{
    dkvb_model *model = trained_model(1, codes), *twin = trained_model(1, NULL);
    dkvb_mask *mask = mask_for_class(model, codes, 1, 100);

    (void)state;
    forget(model, mask, "test");
    assert_memory_equal(model->values, twin->values, CODEBOOKS * KEYS * CLASSES * sizeof(float));
    assert_memory_equal(model->codebooks->keys, twin->codebooks->keys,
                        CODEBOOKS * dkvb__key_bytes(&model->codebooks->shape));
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    dkvb_model_free(twin);
}

static void undo_restores_every_score_bit_for_bit(void **state)
{
    static float before[ROWS * CLASSES], after[ROWS * CLASSES];
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 0, 150);
    uint64_t entry;

    (void)state;
    logits_of(model, before);
    entry = forget(model, mask, "test");
    logits_of(model, after);
    assert_memory_not_equal(before, after, sizeof before);
    assert_ok(dkvb_model_undo(model, entry, NULL));
    logits_of(model, after);
    assert_memory_equal(before, after, sizeof before);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void requests_commute_and_undo_takes_back_only_its_own(void **state)
{
    static float first[ROWS * CLASSES], second[ROWS * CLASSES];
    dkvb_model *a = trained_model(1, codes), *b = trained_model(1, NULL);
    dkvb_mask *zero = mask_for_class(a, codes, 0, 120), *one = mask_for_class(a, codes, 1, 120);
    dkvb_mask *in_force;
    uint64_t entry;

    (void)state;
    entry = forget(a, zero, "zero");
    forget(a, one, "one");
    forget(b, one, "one");
    forget(b, zero, "zero");
    logits_of(a, first);
    logits_of(b, second);
    assert_memory_equal(first, second, sizeof first);
    /* undoes the earlier of two maskings, which may overlap; the mask `one` remains */
    assert_ok(dkvb_model_undo(a, entry, NULL));
    assert_ok(dkvb_journal_get_mask(a, 0, &in_force));
    assert_true(dkvb_mask_equal(in_force, one));
    dkvb_mask_free(in_force);
    dkvb_mask_free(zero);
    dkvb_mask_free(one);
    dkvb_model_free(a);
    dkvb_model_free(b);
}

static void the_journal_tells_what_was_done(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 3, 50), *listed;
    dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;
    uint64_t entry = forget(model, mask, "asked for by letter");

    (void)state;
    assert_int_equal(entry, 1);
    assert_int_equal(forget(model, mask, "again"), 2);
    assert_ok(dkvb_journal_get(model, 0, &e));
    assert_true(e.id == 1 && e.kind == DKVB_JOURNAL_FORGET && e.state == DKVB_JOURNAL_ACTIVE);
    assert_true(e.pairs == 50 && e.pairs_new == 50 && e.time > 0);
    assert_string_equal(e.method, "activations");
    assert_string_equal(e.reason, "asked for by letter");
    assert_ok(dkvb_journal_get(model, 1, &e));
    assert_true(e.pairs == 50 && e.pairs_new == 0);
    assert_ok(dkvb_journal_get_mask(model, 1, &listed));
    assert_true(dkvb_mask_equal(listed, mask));
    assert_true(e.in_force == 1 && e.state == DKVB_JOURNAL_ACTIVE);
    assert_ok(dkvb_model_undo(model, 1, NULL));
    assert_ok(dkvb_journal_get(model, 0, &e));
    assert_true(e.in_force == 0 && e.state == DKVB_JOURNAL_UNDONE);
    assert_ok(dkvb_journal_get(model, 2, &e));
    /* entry 2 masks all these pairs too, so the undo unmasks none */
    assert_true(e.kind == DKVB_JOURNAL_UNDO && e.ends == 1 && e.pairs == 0);
    assert_int_equal(dkvb_model_undo(model, 1, NULL), DKVB_ESTATE);
    assert_message("undone already");
    assert_int_equal(dkvb_model_undo(model, 3, NULL), DKVB_ESTATE);
    assert_message("not a forgetting");
    assert_int_equal(dkvb_model_undo(model, 4, NULL), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_journal_get(model, 3, &e), DKVB_ENOTFOUND);
    dkvb_mask_free(mask);
    dkvb_mask_free(listed);
    dkvb_model_free(model);
}

static void undo_takes_the_latest_that_is_active_unless_it_is_told_which(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    uint64_t undone = 0;

    (void)state;
    for (int32_t label = 0; label < 3; label++) {
        dkvb_mask *mask = mask_for_class(model, codes, label, 20);

        forget(model, mask, "");
        dkvb_mask_free(mask);
    }
    assert_ok(dkvb_model_undo(model, 0, &undone));
    assert_int_equal(undone, 3);
    assert_ok(dkvb_model_undo(model, 2, &undone));
    assert_int_equal(undone, 2);
    assert_ok(dkvb_model_undo(model, 0, &undone));
    assert_int_equal(undone, 1);
    assert_int_equal(dkvb_model_undo(model, 0, &undone), DKVB_ENOTFOUND);
    assert_message("no forgetting is active");
    assert_true(undone == 1 && journal_count(model) == 6);
    dkvb_model_free(model);
}

static void stale_codes_are_refused_and_counted(void **state)
{
    static float logits[ROWS * CLASSES];
    static int32_t answers[ROWS];
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 40);
    char expected[64];
    unsigned stale = 0;

    (void)state;
    for (size_t i = 0; i < ROWS * CODEBOOKS; i++)
        stale += (unsigned)mask_has(mask, (uint32_t)(i % CODEBOOKS), codes[i]);
    forget(model, mask, "test");
    snprintf(expected, sizeof expected, "%u of %d", stale, ROWS * CODEBOOKS);
    assert_int_equal(dkvb_model_decode(model, codes, 1, ROWS, NULL, logits, NULL), DKVB_EMISMATCH);
    assert_message(expected);
    assert_int_equal(dkvb_model_decode(model, codes, 1, ROWS, answers, NULL, NULL), DKVB_EMISMATCH);
    assert_int_equal(dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL), DKVB_EMISMATCH);
    assert_ok(dkvb_search_refresh(model, rows, ROWS, 1, codes, NULL, NULL));
    assert_ok(dkvb_model_decode(model, codes, 1, ROWS, NULL, logits, NULL));
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void purge_erases_keys_and_values_but_changes_no_score(void **state)
{
    static float before[ROWS * CLASSES], after[ROWS * CLASSES];
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 100), *in_force, *listed;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    uint64_t pair, from = 0;

    (void)state;
    forget(model, mask, "test");
    logits_of(model, before);
    assert_ok(dkvb_model_purge(model));
    logits_of(model, after);
    assert_memory_equal(before, after, sizeof before);
    for (; dkvb_mask_next(mask, from, &pair); from = pair + 1) {
        const uint8_t *keys = dkvb__codebook_keys(model->codebooks, pair / KEYS);

        for (size_t i = 0; i < dkvb__quads(KEY_DIM) * 4; i++)
            assert_int_equal(keys[dkvb__key_offset(pair % KEYS, i, KEY_DIM)], 0);
        assert_int_equal(dkvb__codebook_norms(model->codebooks, pair / KEYS)[pair % KEYS], DKVB__DEAD);
        for (size_t l = 0; l < CLASSES; l++)
            assert_true(((const float *)model->values)[pair * CLASSES + l] == 0.0f);
    }
    assert_ok(dkvb_model_get_info(model, &info));
    assert_true(info.masked_pairs == 0 && info.purged_pairs == 100 && info.journal_entries == 2);
    assert_ok(dkvb_journal_get_mask(model, 0, &in_force));
    assert_true(dkvb_mask_equal(in_force, mask));
    assert_int_equal(dkvb_model_undo(model, 1, NULL), DKVB_ESTATE);
    assert_message("purged");
    assert_int_equal(dkvb_journal_get_mask(model, 1, &listed), DKVB_ESTATE);
    assert_null(listed);
    assert_null(model->journal.records[0].list);
    assert_ok(dkvb_model_verify(model));
    dkvb_mask_free(mask);
    dkvb_mask_free(in_force);
    dkvb_model_free(model);
}

static void purge_leaves_other_owners_their_keys(void **state)
{
    static uint16_t before[ROWS * CODEBOOKS], after[ROWS * CODEBOOKS];
    dkvb_model *model = trained_model(1, codes), *other;
    dkvb_codebooks *shared = dkvb_codebooks_retain(dkvb_model_codebooks(model));
    dkvb_mask *mask = mask_for_class(model, codes, 2, 100);

    (void)state;
    assert_ok(dkvb_model_new(&other, shared, CLASSES, NULL));
    assert_ok(dkvb_search(shared, NULL, rows, ROWS, 1, before, NULL, NULL));
    forget(model, mask, "test");
    assert_ok(dkvb_model_purge(model));
    assert_ptr_not_equal(dkvb_model_codebooks(model), shared);
    assert_memory_equal(dkvb_model_codebooks(model)->birth, shared->birth, sizeof shared->birth);
    assert_ok(dkvb_search(shared, NULL, rows, ROWS, 1, after, NULL, NULL));
    assert_memory_equal(before, after, sizeof before);
    dkvb_mask_free(mask);
    dkvb_codebooks_free(shared);
    dkvb_model_free(model);
    dkvb_model_free(other);
}

static void life_goes_on_after_a_purge(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_mask *mask = mask_for_class(model, codes, 2, 100), *more;
    dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;
    uint64_t entry;

    (void)state;
    forget(model, mask, "first");
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_search_refresh(model, rows, ROWS, 1, codes, NULL, NULL));
    assert_ok(dkvb_model_train(model, codes, 1, labels, ROWS, NULL, NULL));
    more = mask_for_class(model, codes, 0, 60);
    assert_ok(dkvb_mask_combine(more, mask, DKVB_MASK_UNION)); /* a mask that includes pairs that are already purged */
    entry = forget(model, more, "second");
    assert_ok(dkvb_journal_get(model, entry - 1, &e));
    assert_true(e.pairs == 160 && e.pairs_new == 60);
    assert_ok(dkvb_model_verify(model));
    assert_ok(dkvb_model_undo(model, entry, NULL));
    assert_int_equal(dkvb__mask_count(model->mask), 0);
    dkvb_mask_free(mask);
    dkvb_mask_free(more);
    dkvb_model_free(model);
}

static void texts_are_checked(void **state)
{
    dkvb_model *model = trained_model(1, codes);
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    char longer[5000];
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    o.reason = "two\nlines";
    assert_int_equal(dkvb_model_forget(model, mask, &o, NULL), DKVB_EINVAL);
    memset(longer, 'a', sizeof longer);
    longer[4096] = '\0';
    o.reason = longer;
    assert_int_equal(dkvb_model_forget(model, mask, &o, NULL), DKVB_EINVAL);
    longer[4095] = '\0';
    assert_ok(dkvb_model_forget(model, mask, &o, NULL));
    assert_int_equal(journal_count(model), 1);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

/* Returns true if a projected row, [C][d], equals one of the keys, [C][K][d], in any codebook. */
static bool is_a_key(const int8_t *row, const int8_t *keys)
{
    for (size_t c = 0; c < CODEBOOKS; c++)
        for (size_t j = 0; j < KEYS; j++)
            if (memcmp(row + c * KEY_DIM, keys + (c * KEYS + j) * KEY_DIM, KEY_DIM) == 0)
                return true;
    return false;
}

/* A key that was sampled from a row is the row's nearest key, so a purge of every pair that the row selects erases
 * it. */
static void purge_of_every_pair_leaves_no_row_as_a_key(void **state)
{
    static int8_t projected[ROWS * CODEBOOKS * KEY_DIM], keys[CODEBOOKS * KEYS * KEY_DIM];
    dkvb_keyinit_options o = small_keyinit();
    dkvb_request request = DKVB_REQUEST_INIT;
    uint8_t marks[ROWS];
    size_t before = 0;
    dkvb_codebooks *cb;
    dkvb_model *model;
    dkvb_mask *mask;

    (void)state;
    make_rows();
    o.method = DKVB_KEYINIT_SAMPLE;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    dkvb_codebooks_free(cb);
    assert_ok(dkvb_search(dkvb_model_codebooks(model), NULL, rows, ROWS, 1, codes, NULL, NULL));
    assert_ok(dkvb_codebooks_project(dkvb_model_codebooks(model), rows, ROWS, projected, NULL, NULL));
    assert_ok(dkvb_codebooks_get_arrays(dkvb_model_codebooks(model),
                                        &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = keys}));
    for (size_t r = 0; r < ROWS; r++) {
        marks[r] = r % 9 == 0 ? DKVB_FORGET : DKVB_KEEP;
        before += marks[r] == DKVB_FORGET && is_a_key(projected + r * CODEBOOKS * KEY_DIM, keys);
    }
    assert_true(before > 0);
    request.method = DKVB_METHOD_EVERY;
    request.codes = codes;
    request.n = ROWS;
    request.rows = marks;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_unlearn_choose(mask, model, &request, 0, NULL));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_purge(model));
    assert_ok(dkvb_codebooks_get_arrays(dkvb_model_codebooks(model),
                                        &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = keys}));
    for (size_t r = 0; r < ROWS; r++)
        assert_false(marks[r] == DKVB_FORGET && is_a_key(projected + r * CODEBOOKS * KEY_DIM, keys));
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_counted_and_added),
        cmocka_unit_test(every_codebook_is_counted),
        cmocka_unit_test(the_most_selected_pairs_are_chosen_ties_to_the_lowest),
        cmocka_unit_test(examples_mask_every_pair_they_select),
        cmocka_unit_test(forgetting_a_class_suppresses_it_and_keeps_the_rest),
        cmocka_unit_test(forgetting_leaves_keys_and_values_alone),
        cmocka_unit_test(undo_restores_every_score_bit_for_bit),
        cmocka_unit_test(requests_commute_and_undo_takes_back_only_its_own),
        cmocka_unit_test(the_journal_tells_what_was_done),
        cmocka_unit_test(undo_takes_the_latest_that_is_active_unless_it_is_told_which),
        cmocka_unit_test(stale_codes_are_refused_and_counted),
        cmocka_unit_test(purge_erases_keys_and_values_but_changes_no_score),
        cmocka_unit_test(purge_leaves_other_owners_their_keys),
        cmocka_unit_test(life_goes_on_after_a_purge),
        cmocka_unit_test(texts_are_checked),
        cmocka_unit_test(purge_of_every_pair_leaves_no_row_as_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
