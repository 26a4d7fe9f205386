/* Checks receipts against the files that they describe (include/dkvb/receipt.h): each statement is made again from the
 * files and compared with the statement in the receipt. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "bottleneck/model.h"
#include "dkvb/receipt.h"
#include "dkvb/unlearn.h"
#include "receipt/effects.h"
#include "receipt/envelope.h"
#include "receipt/statement.h"

/* State of checking a receipt against files. */
struct check {
    struct dkvb__receipt r;
    uint64_t differ;
    bool stopped;
};

static void tell(struct check *c, uint32_t outcome, const char *about, const char *sentence)
{
    c->differ += outcome == DKVB_RECEIPT_DIFFERS;
    if (!c->stopped && c->r.o.tell)
        c->stopped = c->r.o.tell(outcome, about, sentence, c->r.o.user) != 0;
}

/* Appends to `path`, which has room for 200 bytes, the place at which two JSON values first differ:
 * ".entries[2].pairs". */
static void find_difference(char *path, const json_t *a, const json_t *b)
{
    size_t used = strlen(path);
    const char *key;
    json_t *one;

    if (json_is_object(a) && json_is_object(b)) {
        json_object_foreach((json_t *)a, key, one)
        {
            if (json_equal(one, json_object_get(b, key)))
                continue;
            snprintf(path + used, 200 - used, ".%.40s", dkvb__show(key).text);
            find_difference(path, one, json_object_get(b, key));
            return;
        }
    }
    for (size_t i = 0; json_is_array(a) && json_is_array(b) && i < json_array_size(a); i++)
        if (!json_equal(json_array_get(a, i), json_array_get(b, i))) {
            snprintf(path + used, 200 - used, "[%zu]", i);
            find_difference(path, json_array_get(a, i), json_array_get(b, i));
            return;
        }
}

/* Replaces a JSON value by the value that a reader of its text gets, whose numbers have 15 digits. */
static dkvb_status through_text(json_t **value, const dkvb_allocator *mem)
{
    char *text = NULL;
    size_t size;
    json_t *wrapped = json_pack("{s:o}", "value", *value), *again = NULL;
    dkvb_status rc = dkvb__json_made(wrapped);

    *value = NULL;
    if (!rc)
        rc = dkvb__json_bytes(&text, &size, wrapped, mem);
    if (!rc)
        rc = dkvb__json_parse(&again, text, size, "receipt", "a statement");
    if (!rc)
        *value = json_incref(json_object_get(again, "value"));
    json_decref(wrapped);
    json_decref(again);
    dkvb__free(mem, text);
    return rc;
}

/* True if a failure says nothing about whether the receipt is right, so that the check must end. */
static bool ends_check(dkvb_status rc)
{
    return rc == DKVB_ENOMEM || rc == DKVB_ECANCELLED;
}

/* Compares the digest of a file with the digest in the receipt. If the digests differ, the message names the sections
 * of the file whose bytes have changed; the receipt says where each section lies. */
static dkvb_status tell_file(struct check *c, const char *about, const char *path, const json_t *stated)
{
    char text[65], sentence[500];
    const char *name, *digest;
    const json_t *one;
    json_int_t offset, size;
    bool named = false;
    size_t i;
    dkvb_status rc = dkvb__receipt_hash(text, path, 0, UINT64_MAX, &c->r.mem);

    if (ends_check(rc))
        return rc;
    if (rc) {
        tell(c, DKVB_RECEIPT_DIFFERS, about, dkvb_last_error());
        return DKVB_OK;
    }
    digest = json_string_value(json_object_get(stated, "sha256"));
    if (digest && strcmp(digest, text) == 0) {
        tell(c, DKVB_RECEIPT_CHECKED, about, "the SHA-256 of the file is the one of the receipt");
        return DKVB_OK;
    }
    json_array_foreach(json_object_get(stated, "sections"), i, one)
    {
        if (json_unpack((json_t *)one, "{s:s, s:I, s:I, s:s}", "name", &name, "offset", &offset, "size", &size,
                        "sha256", &digest) != 0 ||
            offset < 0 || size < 0)
            continue;
        rc = dkvb__receipt_hash(text, path, (uint64_t)offset, (uint64_t)size, &c->r.mem);
        if (ends_check(rc))
            return rc;
        if (!rc && strcmp(text, digest) == 0)
            continue;
        named = true;
        snprintf(sentence, sizeof sentence, "section %.40s of %.300s is not the one of the receipt",
                 dkvb__show(name).text, path);
        tell(c, DKVB_RECEIPT_DIFFERS, about, sentence);
    }
    if (!named) {
        snprintf(sentence, sizeof sentence,
                 "%.300s is not the file of the receipt: its header, section table or padding differs", path);
        tell(c, DKVB_RECEIPT_DIFFERS, about, sentence);
    }
    return DKVB_OK;
}

static const char *missing_words(uint32_t missing)
{
    return missing & DKVB__OF_CODES    ? "no codes file was given"
           : missing & DKVB__OF_BEFORE ? "the model before was not given"
                                       : "an audit needs rows that none of these files has: give the output of 'dkvb "
                                         "audit --json', run again";
}

/* Writes one sentence for each journal entry whose effects were to be measured again for the receipt. The argument
 * `from` says in words how the effects of the journal entries were measured, or is "". */
static void tell_effects(struct check *c, const char *about, const char *from, const json_t *made)
{
    char sentence[400];
    const json_t *one;
    size_t i;

    if (json_array_size(made) == 0) {
        snprintf(sentence, sizeof sentence, "effects%s: not checked, since no entry in force has such effects", from);
        tell(c, DKVB_RECEIPT_UNCHECKED, about, sentence);
    }
    json_array_foreach(made, i, one)
    {
        const char *outcome = json_string_value(json_object_get(one, "outcome"));
        const char *why = json_string_value(json_object_get(one, "why"));
        bool same = outcome && strcmp(outcome, DKVB__EFFECT_SAME) == 0;

        snprintf(sentence, sizeof sentence, "effects of entry %lld%s: %s%s",
                 (long long)json_integer_value(json_object_get(one, "id")), from,
                 why    ? "not checked, since "
                 : same ? "measured again on the held-out rows, with the recorded figures"
                        : "measured again on the held-out rows, with other figures than the journal recorded",
                 why ? why : "");
        tell(c, why ? DKVB_RECEIPT_UNCHECKED : same ? DKVB_RECEIPT_CHECKED : DKVB_RECEIPT_DIFFERS, about, sentence);
    }
}

/* Names each section of the model file that has other bytes after training again, or says in one sentence that all
 * sections are equal. The sections with the keys are not compared, as training again does not place the keys again. */
static void tell_trained(struct check *c, const char *about, const json_t *made)
{
    char sentence[300];
    const json_t *one, *sections = json_object_get(made, "sections");
    size_t i;

    if (json_is_null(made)) {
        tell(c, DKVB_RECEIPT_UNCHECKED, about, "the values: not trained again, since no exact forgetting is in force");
        return;
    }
    json_array_foreach(sections, i, one)
    {
        if (json_is_true(json_object_get(one, "same")))
            continue;
        snprintf(sentence, sizeof sentence, "section %.40s: training again from the codes gives other bytes",
                 dkvb__show(json_string_value(json_object_get(one, "name"))).text);
        tell(c, DKVB_RECEIPT_DIFFERS, about, sentence);
    }
    if (json_is_true(json_object_get(made, "same"))) {
        snprintf(sentence, sizeof sentence,
                 "the values: trained again from the codes, and all %zu sections of the model have the same bytes",
                 json_array_size(sections));
        tell(c, DKVB_RECEIPT_CHECKED, about, sentence);
    }
    tell(c, DKVB_RECEIPT_UNCHECKED, "keys",
         "the keys: not checked, since these files do not show which rows the keys were placed on");
}

/* Reports that a statement of a receipt, when made again from the files, has the value that the receipt states. */
static void tell_equal(struct check *c, size_t s, const json_t *made)
{
    const struct dkvb__statement *of = &dkvb__statements[s];
    char sentence[500];

    if (of->make == dkvb__effects_again) {
        tell_effects(c, of->key, "", made);
    } else if (of->make == dkvb__effects_from_before) {
        tell_effects(c, of->key, ", from the model before", made);
    } else if (of->make == dkvb__trained_again) {
        tell_trained(c, of->key, made);
    } else if (!dkvb__statement_file(s, &c->r.o)) {
        /* statements of a receipt about files print no sentence here, as tell_file() has printed the result of checking
         * each file */
        snprintf(sentence, sizeof sentence, "%s: %s", of->words, of->done);
        tell(c, DKVB_RECEIPT_CHECKED, of->key, sentence);
    }
}

static dkvb_status check_statement(struct check *c, size_t s, const json_t *stated)
{
    const struct dkvb__statement *of = &dkvb__statements[s];
    uint32_t missing = dkvb__statement_needs(s) & ~dkvb__receipt_given(&c->r.o);
    const char *file = dkvb__statement_file(s, &c->r.o);
    char sentence[500], path[200];
    json_t *made = NULL;
    dkvb_status rc = DKVB_OK;

    if (!stated || missing) {
        snprintf(sentence, sizeof sentence, "%s: not checked, since %s", of->words,
                 stated ? missing_words(missing) : "the receipt has no such statement");
        tell(c, DKVB_RECEIPT_UNCHECKED, of->key, sentence);
        return DKVB_OK;
    }
    if (file)
        rc = tell_file(c, of->key, file, stated);
    if (!rc)
        rc = dkvb__statement_make(&made, of, &c->r);
    if (!rc)
        rc = through_text(&made, &c->r.mem);
    if (ends_check(rc)) {
        json_decref(made);
        return rc;
    }
    if (rc) {
        snprintf(sentence, sizeof sentence, "%s: %.400s", of->words, dkvb_last_error());
        tell(c, DKVB_RECEIPT_DIFFERS, of->key, sentence);
    } else if (!json_equal(made, stated)) {
        snprintf(path, sizeof path, "%s", of->key);
        find_difference(path, made, stated);
        snprintf(sentence, sizeof sentence, "%s: the files have another value at %s than the receipt", of->words, path);
        tell(c, DKVB_RECEIPT_DIFFERS, of->key, sentence);
    } else {
        tell_equal(c, s, made);
    }
    json_decref(made);
    return DKVB_OK;
}

/* True if `subject`, an entry of a receipt's list of subjects, describes the given file: a name, the file's digest, and
 * nothing else. */
static bool is_subject(const json_t *subject, const json_t *file)
{
    const char *name, *digest, *stated = json_string_value(json_object_get(file, "sha256"));

    return stated && subject &&
           json_unpack((json_t *)subject, "{s:s, s:{s:s !} !}", "name", &name, "digest", "sha256", &digest) == 0 &&
           strcmp(digest, stated) == 0;
}

/* Checks that the subjects of the receipt are the files that its predicate describes, as a tool that looks at subjects
 * only would trust another file. */
static void check_subjects(struct check *c, const json_t *statement)
{
    const json_t *subjects = json_object_get(statement, "subject"),
                 *predicate = json_object_get(statement, "predicate"), *codes = json_object_get(predicate, "codes");
    bool same = json_array_size(subjects) == (codes ? 2u : 1u) &&
                is_subject(json_array_get(subjects, 0), json_object_get(predicate, "model")) &&
                (!codes || is_subject(json_array_get(subjects, 1), codes));

    tell(c, same ? DKVB_RECEIPT_CHECKED : DKVB_RECEIPT_DIFFERS, "subject",
         same ? "the subjects are the files that the predicate describes"
              : "the subjects are not the files that the predicate describes");
}

/* A field in a receipt that this version of the software does not know counts as a difference, as nobody has checked
 * the field, and a reader may believe it. */
static void check_fields(struct check *c, const json_t *predicate)
{
    char sentence[200];
    const char *key, *name, *version;
    json_t *value;

    json_object_foreach((json_t *)predicate, key, value)
    {
        bool known = strcmp(key, "tool") == 0 || (strcmp(key, "command") == 0 && json_is_string(value));

        for (size_t s = 0; s < DKVB__STATEMENTS; s++)
            known |= strcmp(key, dkvb__statements[s].key) == 0;
        if (known)
            continue;
        snprintf(sentence, sizeof sentence, "the statement has a field %.40s, which receipts of this version lack",
                 dkvb__show(key).text);
        tell(c, DKVB_RECEIPT_DIFFERS, "statement", sentence);
    }
    value = json_object_get(predicate, "tool");
    if (!value || json_unpack(value, "{s:s, s:s !}", "name", &name, "version", &version) != 0 ||
        strcmp(name, "libdkvb") != 0)
        tell(c, DKVB_RECEIPT_DIFFERS, "statement", "field tool must hold the name libdkvb and a version");
}

static void check_ids(struct check *c)
{
    const dkvb_receipt_options *o = &c->r.o;
    char sentence[200];

    if (!o->ids) {
        tell(c, DKVB_RECEIPT_UNCHECKED, "rows", "commitments to rows: not checked, since no ids were given");
        return;
    }
    for (uint64_t e = 1; c->r.model && e <= c->r.model->journal.count; e++)
        if (dkvb_journal_names_rows(c->r.model, e, o->ids, (size_t)o->id_count)) {
            snprintf(sentence, sizeof sentence, "entry %llu commits to exactly the rows that were given",
                     (unsigned long long)e);
            tell(c, DKVB_RECEIPT_CHECKED, "rows", sentence);
            return;
        }
    tell(c, DKVB_RECEIPT_DIFFERS, "rows", "no entry whose salt is kept commits to exactly the rows that were given");
}

/* Parses a receipt, whose text must have the one form that the library writes. A receipt whose text is not exactly what
 * the library writes is refused, so that no byte of a receipt can be changed unnoticed. */
static dkvb_status parse(json_t **out, const char *text, size_t size, const char *path, const dkvb_allocator *mem)
{
    char *again = NULL;
    size_t length = 0;
    dkvb_status rc = dkvb__json_parse(out, text, size, path, "the receipt");

    if (rc)
        return rc;
    rc = dkvb__json_bytes(&again, &length, *out, mem);
    if (!rc && (length != size || memcmp(again, text, size) != 0))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: the receipt was changed: its bytes are not in the form of receipts",
                        path);
    dkvb__free(mem, again);
    if (rc) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

static dkvb_status check_types(const json_t *statement, const char *path)
{
    const char *type, *of;
    json_t *subject, *predicate;

    if (json_unpack((json_t *)statement, "{s:s, s:s, s:o, s:o !}", "_type", &type, "predicateType", &of, "subject",
                    &subject, "predicate", &predicate) != 0 ||
        !json_is_object(predicate) || !json_is_array(subject))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: not an in-toto statement: _type, subject, predicateType and predicate "
                          "must be there, and nothing else",
                          path);
    if (strcmp(type, DKVB__STATEMENT_TYPE) != 0 || strcmp(of, DKVB__PREDICATE_TYPE) != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: _type and predicateType must be %s and %s", path, DKVB__STATEMENT_TYPE,
                          DKVB__PREDICATE_TYPE);
    return DKVB_OK;
}

static dkvb_status open_receipt(struct check *c, json_t **statement, const char *path)
{
    struct dkvb__mapping *mapping;
    struct dkvb__file file;
    json_t *outer = NULL;
    char *text = NULL;
    const char *sentence = "the receipt is not signed: whoever can write it can change what the files do not show";
    uint32_t outcome = DKVB_RECEIPT_UNCHECKED;
    size_t size;
    dkvb_status rc = dkvb__file_open(&file, path);

    if (rc)
        return rc;
    if (file.size > DKVB__RECEIPT_MOST)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: has %llu bytes, a receipt has at most 64 MiB", path,
                        (unsigned long long)file.size);
    if (!rc)
        rc = dkvb__mapping_open(&mapping, &file, &c->r.mem);
    dkvb__file_close(&file);
    if (rc)
        return rc;
    rc = parse(&outer, (const char *)mapping->data, mapping->size, path, &c->r.mem);
    dkvb__mapping_free(mapping);
    if (!rc && json_object_get(outer, "payload")) {
        rc = dkvb__envelope_open(&text, &size, outer, path, &c->r.o, &c->r.mem, &outcome, &sentence);
        /* a wrong signature is reported before the differences of the receipt's statement, which follow from the same
         * change */
        if (!rc) {
            tell(c, outcome, "signature", sentence);
            rc = parse(statement, text, size, path, &c->r.mem);
        }
        if (!rc)
            rc = check_types(*statement, path);
    } else if (!rc) {
        *statement = json_incref(outer);
        if (c->r.o.public_key)
            outcome = DKVB_RECEIPT_DIFFERS, sentence = "a key was given, and the receipt is not signed";
        rc = check_types(*statement, path);
        if (!rc)
            tell(c, outcome, "signature", sentence);
    }
    dkvb__free(&c->r.mem, text);
    json_decref(outer);
    return rc;
}

static dkvb_status check_all(struct check *c, const json_t *statement)
{
    const json_t *predicate = json_object_get(statement, "predicate");
    dkvb_status rc = DKVB_OK;

    check_subjects(c, statement);
    check_fields(c, predicate);
    for (size_t s = 0; !rc && s < DKVB__STATEMENTS && !c->stopped; s++)
        rc = check_statement(c, s, json_object_get(predicate, dkvb__statements[s].key));
    if (rc)
        return rc;
    check_ids(c);
    tell(c, DKVB_RECEIPT_UNCHECKED, "command",
         "command and version: not checked, since no file shows which command was given");
    return DKVB_OK;
}

dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    struct check c = {0};
    json_t *statement = NULL;
    dkvb_status rc = dkvb__receipt_begin(&c.r, opts, run);

    if (!rc && !path)
        rc = dkvb__fail(DKVB_EINVAL, "receipt: the path is NULL");
    if (!rc && !c.r.o.check != !c.r.o.public_key)
        rc = dkvb__fail(DKVB_EINVAL, "receipt options: check and public_key must both be given, or neither");
    if (rc)
        return rc;
    rc = open_receipt(&c, &statement, path);
    if (!rc)
        rc = check_all(&c, statement);
    json_decref(statement);
    dkvb__receipt_close(&c.r);
    if (!rc && c.stopped)
        rc = dkvb__fail(DKVB_ECANCELLED, "the check of a receipt was cancelled");
    if (!rc && c.differ)
        rc = dkvb__fail(DKVB_EMISMATCH, "%.300s: %llu statements differ from the files", path,
                        (unsigned long long)c.differ);
    return rc;
}
