/* Tests of receipts: the check finds and names a changed byte in any file, a failure leaves nothing behind, and figures
 * that can be measured again are. The signatures of these tests are made of hashes, as the library leaves signing to
 * its caller. */
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/sha256.h"

static char model_path[128], codes_path[128], before_path[128], audit_path[128], receipt_path[128];
static uint8_t key[32] = {7, 8, 9};

static void stand_in(const uint8_t *message, size_t size, uint8_t *signature)
{
    struct dkvb__piece pieces[2] = {{key, sizeof key}, {message, size}};

    dkvb__sha256(signature, pieces, 2);
    pieces[0].size = 31;
    dkvb__sha256(signature + 32, pieces, 2);
}

static int sign(const uint8_t *message, size_t size, uint8_t *signature, void *user)
{
    assert_ptr_equal(user, key);
    stand_in(message, size, signature);
    return 0;
}

static int check(const uint8_t *message, size_t size, const uint8_t *signature, void *user)
{
    uint8_t right[64];

    assert_ptr_equal(user, key);
    stand_in(message, size, right);
    return memcmp(right, signature, sizeof right);
}

/* Result of checking a receipt: all sentences, and the first sentence that differs. */
struct told {
    bool stop; /* true stops the check at the first sentence that differs */
    char about[40], sentence[500], all[8000];
};

static int listen(uint32_t outcome, const char *about, const char *sentence, void *user)
{
    static const char *const words[] = {"checked", "differs", "not checked"};
    struct told *told = user;
    size_t used = strlen(told->all);

    snprintf(told->all + used, sizeof told->all - used, "%s %s: %s\n", words[outcome], about, sentence);
    if (outcome != DKVB_RECEIPT_DIFFERS || told->about[0])
        return 0;
    snprintf(told->about, sizeof told->about, "%s", about);
    snprintf(told->sentence, sizeof told->sentence, "%s", sentence);
    return told->stop;
}

static dkvb_receipt_options all_files(void)
{
    dkvb_receipt_options o = DKVB_RECEIPT_OPTIONS_INIT;

    o.model = model_path;
    o.codes = codes_path;
    o.before = before_path;
    o.audit = audit_path;
    return o;
}

static dkvb_receipt_options with_key(bool to_sign)
{
    dkvb_receipt_options o = all_files();

    o.public_key = key;
    o.key = key;
    o.sign = to_sign ? sign : NULL;
    o.check = to_sign ? NULL : check;
    return o;
}

static void write_receipt(const dkvb_receipt_options *o)
{
    assert_ok(dkvb_receipt_write(receipt_path, o, NULL));
}

static dkvb_status verify(struct told *told, const dkvb_receipt_options *given, bool stop)
{
    dkvb_receipt_options o = *given;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    *told = (struct told){.stop = stop};
    o.tell = listen;
    o.user = told;
    run.threads = 1; /* thousands of short checks need no threads */
    return dkvb_receipt_verify(receipt_path, &o, &run);
}

static void assert_told(const struct told *told, const char *part)
{
    if (!strstr(told->all, part))
        fail_msg("not told: %s, in:\n%s", part, told->all);
}

/* Makes the files of a receipt: a model that forgot class 1, its codes file, the model before, and the output of an
 * audit. */
static void forget_in_files(uint32_t strength)
{
    uint8_t classes[CLASSES];
    dkvb_forget_request q = request_for(classes, 1);
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    char audit[200];
    dkvb_model *model;
    dkvb_codeset *set;

    q.strength = strength;
    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    assert_ok(dkvb_model_save(model, before_path));
    dkvb_plan_free(apply_request(model, set, &q));
    assert_ok(dkvb_model_save(model, model_path));
    assert_ok(dkvb_codeset_save(set, codes_path));
    assert_ok(dkvb_model_get_info(model, &info));
    snprintf(audit, sizeof audit, "{\"subjects\": [], \"masked_pairs\": %llu, \"seconds\": 1.5}\n",
             (unsigned long long)info.masked_pairs);
    write_file(audit_path, audit, strlen(audit));
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static int receipt_setup(void **state)
{
    char *const paths[] = {model_path, codes_path, before_path, audit_path, receipt_path};
    const char *const names[] = {"m.dkvb", "m.codes", "before.dkvb", "audit.json", "receipt.json"};

    plan_setup(state);
    for (size_t i = 0; i < 5; i++)
        snprintf(paths[i], sizeof model_path, "%s", temp_path(names[i]));
    return 0;
}

static void a_receipt_of_the_same_files_has_no_difference(void **state)
{
    static const char *const suppress[] = {"checked signature", "checked subject",    "checked model",
                                           "checked shape",     "checked journal",    "checked promise",
                                           "checked codes",     "checked held_out",   "checked effects",
                                           "checked before",    "checked audit",      "not checked trained_again",
                                           "not checked rows",  "not checked command"};
    struct told told;
    dkvb_receipt_options signer = with_key(true), reader = with_key(false);

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    write_receipt(&signer);
    assert_ok(verify(&told, &reader, false));
    for (size_t i = 0; i < sizeof suppress / sizeof *suppress; i++)
        assert_told(&told, suppress[i]);
    forget_in_files(DKVB_STRENGTH_EXACT);
    write_receipt(&signer);
    assert_ok(verify(&told, &reader, false));
    assert_told(&told, "checked trained_again: the values: trained again from the codes, and all");
    assert_told(&told, "checked effects: effects of entry 1");
    assert_told(&told, "checked effects_from_before: effects of entry 1, from the model before");
}

/* Returns the name of the section in which a byte of a model file lies, or NULL for the header, the section table and
 * padding. */
static const char *section_at(const unsigned char *file, size_t at, uint64_t *size)
{
    size_t count = dkvb__read32(file + 24);

    for (size_t i = 0; i < count; i++) {
        const unsigned char *e = file + 64 + 64 * i;
        uint64_t offset = dkvb__read64(e + 24);

        *size = dkvb__read64(e + 32);
        if (at >= offset && at < offset + *size)
            return (const char *)e;
    }
    return NULL;
}

typedef void look_fn(const unsigned char *file, size_t at, dkvb_status rc, const struct told *told);

/* Changes each `step`-th byte of a file in turn, and passes the result of checking the receipt to look(). In large
 * sections only each 499th byte is changed. */
static void change_each_byte(const char *path, size_t step, const dkvb_receipt_options *o, look_fn *look)
{
    enum { LARGE = 600, LARGE_STEP = 499 };
    size_t size, changed = 0;
    unsigned char *file = read_file(path, &size);
    struct told told;
    uint64_t of_section;

    file[size] = '\0';
    for (size_t at = 0; at < size; at += step) {
        if (path != receipt_path && at % LARGE_STEP && section_at(file, at, &of_section) && of_section > LARGE)
            continue;

        const unsigned char bit = (unsigned char)(1u << changed++ % 7);

        file[at] ^= bit;
        write_file(path, file, size);
        file[at] ^= bit;
        look(file, at, verify(&told, o, true), &told);
    }
    write_file(path, file, size);
    free(file);
    assert_ok(verify(&told, o, false));
}

static void look_signed(const unsigned char *file, size_t at, dkvb_status rc, const struct told *told)
{
    (void)file;
    if (rc == DKVB_EFORMAT)
        assert_true(strstr(dkvb_last_error(), "receipt") || strstr(dkvb_last_error(), "signature"));
    else if (rc != DKVB_ECANCELLED || strcmp(told->about, "signature") != 0)
        fail_msg("byte %zu: status %d, %s differs: %s", at, rc, told->about, told->sentence);
}

static void a_changed_byte_of_a_signed_receipt_is_found(void **state)
{
    dkvb_receipt_options signer = with_key(true), reader = with_key(false);

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    /* makes a short receipt, so that each of its bytes can be changed */
    signer.codes = signer.before = signer.audit = NULL;
    reader.codes = reader.before = reader.audit = NULL;
    write_receipt(&signer);
    change_each_byte(receipt_path, 1, &reader, look_signed);
}

static void look_file(const unsigned char *file, size_t at, dkvb_status rc, const struct told *told, const char *about)
{
    char wanted[64];
    uint64_t size;
    const char *section = section_at(file, at, &size);

    snprintf(wanted, sizeof wanted, section ? "section %.16s of" : "header, section table or padding", section);
    if (rc != DKVB_ECANCELLED || strcmp(told->about, about) != 0 || !strstr(told->sentence, wanted))
        fail_msg("byte %zu, %s: status %d, %s differs: %s", at, wanted, rc, told->about, told->sentence);
}

static void look_model(const unsigned char *file, size_t at, dkvb_status rc, const struct told *told)
{
    look_file(file, at, rc, told, "model");
}

static void look_codes(const unsigned char *file, size_t at, dkvb_status rc, const struct told *told)
{
    look_file(file, at, rc, told, "codes");
}

static void a_changed_byte_of_model_or_codes_is_found_and_its_section_named(void **state)
{
    dkvb_receipt_options signer = with_key(true), reader = with_key(false);

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    write_receipt(&signer);
    change_each_byte(model_path, 1, &reader, look_model);
    change_each_byte(codes_path, 1, &reader, look_codes);
}

/* Returns true for bytes of an unsigned receipt that no check can verify: names of files, the command, and the
 * version. */
static bool is_free(const unsigned char *file, size_t at)
{
    static const char *const keys[] = {"\"command\": \"", "\"name\": \"m.", "\"version\": \""};

    for (size_t i = 0; i < 3; i++)
        for (const char *found = (const char *)file; (found = strstr(found, keys[i])); found++) {
            const char *value = strstr(found, "\": \"") + 4, *end = strchr(value, '"');

            if ((const char *)file + at >= value && (const char *)file + at < end)
                return true;
        }
    return false;
}

static void look_unsigned(const unsigned char *file, size_t at, dkvb_status rc, const struct told *told)
{
    if (is_free(file, at) || rc == DKVB_EFORMAT || (rc == DKVB_ECANCELLED && told->about[0]))
        return;
    fail_msg("byte %zu: status %d\n%s", at, rc, told->all);
}

static void a_changed_byte_of_an_unsigned_receipt_is_found_where_files_can_tell(void **state)
{
    dkvb_receipt_options o = all_files();

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    o.command = "dkvb forget";
    write_receipt(&o);
    change_each_byte(receipt_path, 9, &o, look_unsigned);
}

static void a_field_that_no_receipt_has_differs(void **state)
{
    struct told told;
    dkvb_receipt_options o = all_files();
    json_t *receipt;
    char *text;
    size_t length;

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    write_receipt(&o);
    receipt = json_load_file(receipt_path, 0, NULL);
    json_object_set_new(json_object_get(receipt, "predicate"), "approved", json_true());
    text = json_dumps(receipt, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    length = strlen(text);
    text[length] = '\n';
    write_file(receipt_path, text, length + 1);
    free(text);
    json_decref(receipt);
    assert_int_equal(verify(&told, &o, false), DKVB_EMISMATCH);
    assert_told(&told, "differs statement: the statement has a field approved");
}

/* Ways in which a caller may record effects in the journal that were never measured. */
enum { MORE_LOST, LOST_AND_GAINED, FORGERIES };

/* Makes a model whose journal has forged effects, of a masking or of an exact forgetting, and its receipt. */
static void forge(bool exact, int forgery)
{
    dkvb_class_effect effects[CLASSES] = {{0}};
    dkvb_forget_options f = DKVB_FORGET_OPTIONS_INIT;
    dkvb_receipt_options o = all_files();
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_mask *mask;

    plan_fit(&model, &set, false, hard, labels, NULL, ROWS);
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    if (!exact)
        assert_ok(dkvb_mask_set(mask, 0, 0, true));
    assert_ok(dkvb_codeset_get_rows(set, DKVB_PART_HELD_OUT, &held));
    assert_ok(dkvb_effect_measure(model, NULL, mask, &held, effects, NULL, NULL));
    if (forgery == MORE_LOST)
        effects[2].right_after--;
    effects[2].lost++;
    effects[2].gained += forgery == LOST_AND_GAINED;
    f.strength = exact ? DKVB_STRENGTH_EXACT : DKVB_STRENGTH_SUPPRESS;
    f.effects = effects;
    if (exact)
        assert_ok(dkvb_model_replay(model, set, NULL, 0, &f, NULL, NULL));
    else
        assert_ok(dkvb_model_forget(model, mask, &f, NULL));
    assert_ok(dkvb_model_save(model, model_path));
    assert_ok(dkvb_codeset_save(set, codes_path));
    dkvb_mask_free(mask);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    o.before = o.audit = NULL;
    write_receipt(&o);
}

static void effects_that_nobody_measured_differ(void **state)
{
    dkvb_receipt_options o = all_files();
    struct told told;

    (void)state;
    o.before = o.audit = NULL;
    for (int exact = 0; exact < 2; exact++)
        /* of an exact forgetting only the accuracies can be forged */
        for (int forgery = 0; forgery < (exact ? 1 : FORGERIES); forgery++) {
            forge(exact, forgery);
            assert_int_equal(verify(&told, &o, false), DKVB_EMISMATCH);
            assert_told(&told, "differs effects: effects of entry 1: measured again on the held-out rows, with other");
        }
}

/* If values were changed after an exact forgetting, the check finds that training again gives other values. */
static void values_that_training_again_does_not_give_differ(void **state)
{
    dkvb_receipt_options o = all_files();
    struct told told;
    size_t size, length;
    unsigned char *file, *values;

    (void)state;
    forget_in_files(DKVB_STRENGTH_EXACT);
    file = read_file(model_path, &size);
    values = file_section(file, "values", &length);
    values[length / 2] ^= 1;
    seal_file(file);
    write_file(model_path, file, size);
    free(file);
    write_receipt(&o);
    assert_int_equal(verify(&told, &o, false), DKVB_EMISMATCH);
    assert_told(&told, "differs trained_again: section values: training again from the codes gives other bytes");
}

static void wrong_options_are_refused(void **state)
{
    dkvb_receipt_options o = all_files(), none = DKVB_RECEIPT_OPTIONS_INIT, signer = with_key(true);

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    assert_int_equal(dkvb_receipt_write(receipt_path, &none, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_receipt_write(NULL, &o, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_receipt_verify(NULL, &o, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_receipt_verify(receipt_path, &none, NULL), DKVB_EINVAL);
    signer.sign = NULL;
    assert_int_equal(dkvb_receipt_write(receipt_path, &signer, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_receipt_verify(receipt_path, &signer, NULL), DKVB_EINVAL);
    o.bom = receipt_path;
    assert_int_equal(dkvb_receipt_write(receipt_path, &o, NULL), DKVB_EINVAL);
    o.bom = NULL;
    o.command = "\xFF";
    assert_int_equal(dkvb_receipt_write(receipt_path, &o, NULL), DKVB_EINVAL);
    assert_message("command is not UTF-8");
    o.command = NULL;
    o.model = "folder/\xFF.dkvb";
    assert_int_equal(dkvb_receipt_write(receipt_path, &o, NULL), DKVB_EINVAL);
    assert_message("name of the model file is not UTF-8");
}

static void receipt_and_bill_appear_together_or_not_at_all(void **state)
{
    char receipt[128], bom[128];
    dkvb_receipt_options o = all_files();

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    snprintf(receipt, sizeof receipt, "%s", temp_path("new.json"));
    snprintf(bom, sizeof bom, "%s", temp_path("bom.json"));
    o.bom = temp_path("missing/bom.json");
    assert_int_not_equal(dkvb_receipt_write(receipt, &o, NULL), DKVB_OK);
    assert_int_not_equal(access(receipt, F_OK), 0);
    o.bom = bom;
    assert_int_not_equal(dkvb_receipt_write(temp_path("missing/receipt.json"), &o, NULL), DKVB_OK);
    assert_int_not_equal(access(bom, F_OK), 0);
    assert_ok(dkvb_receipt_write(receipt, &o, NULL));
    assert_int_equal(access(receipt, F_OK), 0);
    assert_int_equal(access(bom, F_OK), 0);
    remove(receipt);
    remove(bom);
}

static void memory_that_fails_leaves_nothing(void **state)
{
    const char *fresh = temp_path("fresh.json"), *bom = temp_path("fresh-bom.json");
    char receipt[128];

    (void)state;
    snprintf(receipt, sizeof receipt, "%s", fresh);
    forget_in_files(DKVB_STRENGTH_EXACT);
    for (int checks = 0; checks < 2; checks++)
        for (size_t fail_at = 0, step = 1;; fail_at += step) {
            struct failing_alloc mem;
            dkvb_allocator a = failing_allocator(&mem, fail_at);
            dkvb_receipt_options o = with_key(!checks);
            dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
            struct told told = {0};
            dkvb_status rc;

            o.allocator = &a;
            o.bom = checks ? NULL : bom;
            o.tell = listen;
            o.user = &told;
            run.threads = 1 + fail_at % 2;
            rc = checks ? dkvb_receipt_verify(receipt, &o, &run) : dkvb_receipt_write(receipt, &o, &run);
            assert_int_equal(mem.live, 0);
            if (rc == DKVB_OK)
                break;
            if (rc != DKVB_ENOMEM)
                fail_msg("allocation %zu fails: status %d, %s\n%s", fail_at, rc, dkvb_last_error(), told.all);
            assert_true(checks || access(receipt, F_OK) != 0);
            /* later allocations repeat the same calls, so some are skipped */
            step = fail_at < 80 ? 1 : 1 + fail_at / 8;
        }
}

/* Counts allocations of the JSON library jansson, which has one allocator for the whole process. */
static size_t json_calls, json_fail_at;
static long json_live;

static void *json_alloc(size_t size)
{
    void *p = json_calls++ >= json_fail_at ? NULL : malloc(size);

    json_live += p != NULL;
    return p;
}

static void json_release(void *p)
{
    json_live -= p != NULL;
    free(p);
}

static void memory_of_json_that_fails_leaves_nothing(void **state)
{
    char receipt[128];

    (void)state;
    snprintf(receipt, sizeof receipt, "%s", temp_path("json.json"));
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    for (int checks = 0; checks < 2; checks++)
        for (json_fail_at = 0;; json_fail_at += 1 + json_fail_at / 30) {
            dkvb_receipt_options o = with_key(!checks);
            struct told told = {0};
            dkvb_status rc;

            o.tell = listen;
            o.user = &told;
            json_calls = 0;
            json_live = 0;
            json_set_alloc_funcs(json_alloc, json_release);
            rc = checks ? dkvb_receipt_verify(receipt, &o, NULL) : dkvb_receipt_write(receipt, &o, NULL);
            json_set_alloc_funcs(malloc, free);
            assert_int_equal(json_live, 0);
            if (rc == DKVB_OK && json_calls <= json_fail_at)
                break;
            /* If memory runs out, jansson sometimes reports invalid JSON, so the check may blame the receipt. */
            if (rc == DKVB_OK || (!checks && rc != DKVB_ENOMEM && !strstr(dkvb_last_error(), "is not JSON")))
                fail_msg("allocation %zu fails: status %d, %s\n%s", json_fail_at, rc, dkvb_last_error(), told.all);
            assert_true(checks || access(receipt, F_OK) != 0);
        }
}

static int cancel(uint32_t outcome, const char *about, const char *sentence, void *user)
{
    (void)outcome;
    (void)about;
    (void)sentence;
    ++*(int *)user;
    return 1;
}

static void a_listener_that_cancels_hears_nothing_more(void **state)
{
    int heard = 0;
    dkvb_receipt_options o = all_files();

    (void)state;
    forget_in_files(DKVB_STRENGTH_SUPPRESS);
    write_receipt(&o);
    o.tell = cancel;
    o.user = &heard;
    assert_int_equal(dkvb_receipt_verify(receipt_path, &o, NULL), DKVB_ECANCELLED);
    assert_int_equal(heard, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_of_the_same_files_has_no_difference),
        cmocka_unit_test(a_changed_byte_of_a_signed_receipt_is_found),
        cmocka_unit_test(a_changed_byte_of_model_or_codes_is_found_and_its_section_named),
        cmocka_unit_test(a_changed_byte_of_an_unsigned_receipt_is_found_where_files_can_tell),
        cmocka_unit_test(a_field_that_no_receipt_has_differs),
        cmocka_unit_test(effects_that_nobody_measured_differ),
        cmocka_unit_test(values_that_training_again_does_not_give_differ),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(receipt_and_bill_appear_together_or_not_at_all),
        cmocka_unit_test(memory_that_fails_leaves_nothing),
        cmocka_unit_test(memory_of_json_that_fails_leaves_nothing),
        cmocka_unit_test(a_listener_that_cancels_hears_nothing_more),
    };

    return cmocka_run_group_tests(tests, receipt_setup, NULL);
}
