/* Receipts, written and checked (include/dkvb/receipt.h). */
#include "dkvb/receipt.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/status.h"
#include "dkvb/file.h"
#include "dkvb/unlearn.h"
#include "dkvb/version.h"
#include "receipt/envelope.h"
#include "receipt/statement.h"

enum { MODEL = 0, CODES = 4, HELD_OUT = 5, BEFORE = 7, AUDIT = 8 }; /* of dkvb__statements */

static dkvb_status begin(struct dkvb__receipt *r, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    dkvb_status rc;

    *r = (struct dkvb__receipt){.o = DKVB_RECEIPT_OPTIONS_INIT, .run = run};
    rc = dkvb__take_options(&r->o, sizeof r->o, opts, "receipt options");
    if (!rc)
        rc = dkvb__check_allocator(r->o.allocator);
    if (!rc && !r->o.model)
        rc = dkvb__fail(DKVB_EINVAL, "receipt options: the path of the model is NULL");
    r->mem = dkvb__allocator(r->o.allocator);
    return rc;
}

/* Files that a statement needs beside the model. Those of bare digests open nothing. */
static uint32_t needs_of(size_t s)
{
    return dkvb__statements[s].needs | (s == MODEL ? DKVB__OF_MODEL : s == CODES ? DKVB__OF_CODES : 0u);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Take in a statement, and a subject where it is of a file that the receipt is about. */
static bool add(json_t *predicate, json_t *subjects, size_t s, json_t *made, const struct dkvb__receipt *r)
{
    const char *path = s == MODEL ? r->o.model : s == CODES ? r->o.codes : NULL;

    if (path && json_array_append_new(subjects, json_pack("{s:s, s:{s:O}}", "name", base_name(path), "digest", "sha256",
                                                          json_object_get(made, "sha256"))) != 0) {
        json_decref(made);
        return false;
    }
    return json_object_set_new(predicate, dkvb__statements[s].key, made) == 0;
}

static dkvb_status make_statement(json_t **out, struct dkvb__receipt *r)
{
    json_t *predicate = json_object(), *subjects = json_array(), *made;
    dkvb_status rc = dkvb__json_made(predicate && subjects ? predicate : NULL);

    for (size_t s = 0; !rc && s < DKVB__STATEMENTS; s++) {
        if (needs_of(s) & ~dkvb__receipt_given(&r->o))
            continue;
        rc = dkvb__statement_make(&made, &dkvb__statements[s], r);
        if (!rc && !add(predicate, subjects, s, made, r))
            rc = dkvb__json_made(NULL);
    }
    if (!rc &&
        (json_object_set_new(predicate, "tool",
                             json_pack("{s:s, s:s}", "name", "libdkvb", "version", dkvb_version_string())) != 0 ||
         (r->o.command && json_object_set_new(predicate, "command", json_string(r->o.command)) != 0)))
        rc = dkvb__fail(DKVB_EINVAL, "receipt options: the command is not UTF-8, or there is no memory for it");
    *out = rc ? NULL
              : json_pack("{s:s, s:O, s:s, s:O}", "_type", DKVB__STATEMENT_TYPE, "subject", subjects, "predicateType",
                          DKVB__PREDICATE_TYPE, "predicate", predicate);
    json_decref(predicate);
    json_decref(subjects);
    return rc ? rc : dkvb__json_made(*out);
}

/* Accuracies of classes as CycloneDX has them: numbers are strings there. */
static json_t *metrics(const json_t *predicate)
{
    json_t *list = json_array();
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(predicate, "held_out"), "classes"), i, one)
    {
        char value[4][32];
        static const char *const keys[] = {"accuracy", "low", "high"};

        for (size_t k = 0; k < 3; k++)
            snprintf(value[k], sizeof value[k], "%.10g", json_real_value(json_object_get(one, keys[k])));
        snprintf(value[3], sizeof value[3], "class %lld", (long long)json_integer_value(json_object_get(one, "label")));
        if (json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "type", "accuracy", "value",
                                                  value[0], "slice", value[3], "confidenceInterval", "lowerBound",
                                                  value[1], "upperBound", value[2])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static dkvb_status make_bom(json_t **out, const json_t *statement, const struct dkvb__receipt *r)
{
    const json_t *predicate = json_object_get(statement, "predicate");
    json_t *figures = metrics(predicate);

    *out = !figures
               ? NULL
               : json_pack("{s:s, s:s, s:s, s:i, s:[{s:s, s:s, s:s, s:[{s:s, s:O}], s:{s:{s:s, s:{s:s}}, s:{s:O}, "
                           "s:{s:[O]}}}]}",
                           "$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat", "CycloneDX",
                           "specVersion", "1.6", "version", 1, "components", "type", "machine-learning-model",
                           "bom-ref", "model", "name", base_name(r->o.model), "hashes", "alg", "SHA-256", "content",
                           json_object_get(json_object_get(predicate, "model"), "sha256"), "modelCard",
                           "modelParameters", "task", "classification", "approach", "type", "supervised",
                           "quantitativeAnalysis", "performanceMetrics", figures, "considerations",
                           "technicalLimitations", json_object_get(json_object_get(predicate, "promise"), "words"));
    json_decref(figures);
    return dkvb__json_made(*out);
}

static dkvb_status write_json(const char *path, const json_t *value, const dkvb_allocator *mem)
{
    char *text = NULL;
    size_t size;
    dkvb_status rc = dkvb__json_bytes(&text, &size, value, mem);

    if (!rc)
        rc = dkvb_file_write(path, text, size);
    dkvb__free(mem, text);
    return rc;
}

dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    struct dkvb__receipt r;
    json_t *statement = NULL, *bom = NULL, *envelope = NULL;
    char *text = NULL;
    size_t size;
    dkvb_status rc = begin(&r, opts, run);

    if (rc)
        return rc;
    rc = make_statement(&statement, &r);
    if (!rc && r.o.sign && r.o.public_key) {
        rc = dkvb__json_bytes(&text, &size, statement, &r.mem);
        if (!rc)
            rc = dkvb__envelope_seal(&envelope, text, size, &r.o, &r.mem);
    }
    if (!rc && r.o.bom)
        rc = make_bom(&bom, statement, &r);
    if (!rc)
        rc = write_json(path, envelope ? envelope : statement, &r.mem);
    if (!rc && bom)
        rc = write_json(r.o.bom, bom, &r.mem);
    dkvb__free(&r.mem, text);
    json_decref(statement);
    json_decref(envelope);
    json_decref(bom);
    dkvb__receipt_close(&r);
    return rc;
}

/* A check that is going on. */
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

/* Where two values first differ, as a path; `path` has room for 200. */
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

/* The same value as a reader of the receipt has it: reals in 15 digits. */
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

/* The sections of a file that are not those of the receipt, by the bytes that the receipt names. */
static void tell_file(struct check *c, const char *about, const char *path, const json_t *stated)
{
    char text[65], sentence[500];
    const char *name, *digest;
    const json_t *one;
    json_int_t offset, size;
    bool named = false;
    size_t i;

    if (dkvb__receipt_hash(text, path, 0, UINT64_MAX, &c->r.mem) != DKVB_OK) {
        tell(c, DKVB_RECEIPT_DIFFERS, about, dkvb_last_error());
        return;
    }
    digest = json_string_value(json_object_get(stated, "sha256"));
    if (digest && strcmp(digest, text) == 0) {
        tell(c, DKVB_RECEIPT_CHECKED, about, "the SHA-256 of the file is that of the receipt");
        return;
    }
    json_array_foreach(json_object_get(stated, "sections"), i, one)
    {
        if (json_unpack((json_t *)one, "{s:s, s:I, s:I, s:s}", "name", &name, "offset", &offset, "size", &size,
                        "sha256", &digest) != 0 ||
            offset < 0 || size < 0 ||
            (dkvb__receipt_hash(text, path, (uint64_t)offset, (uint64_t)size, &c->r.mem) == DKVB_OK &&
             strcmp(text, digest) == 0))
            continue;
        named = true;
        snprintf(sentence, sizeof sentence, "section %.40s of %.300s is not that of the receipt", dkvb__show(name).text,
                 path);
        tell(c, DKVB_RECEIPT_DIFFERS, about, sentence);
    }
    if (!named) {
        snprintf(sentence, sizeof sentence, "%.300s is not the file of the receipt: header, section table or padding",
                 path);
        tell(c, DKVB_RECEIPT_DIFFERS, about, sentence);
    }
}

static const char *missing_words(uint32_t missing)
{
    return missing & DKVB__OF_CODES    ? "no codes file was given"
           : missing & DKVB__OF_BEFORE ? "the model before was not given"
                                       : "no audit of the same rows was given";
}

static void check_statement(struct check *c, size_t s, const json_t *stated)
{
    const struct dkvb__statement *of = &dkvb__statements[s];
    uint32_t missing = needs_of(s) & ~dkvb__receipt_given(&c->r.o);
    char sentence[500], path[200];
    json_t *made = NULL;
    dkvb_status rc;

    if (!stated) {
        snprintf(sentence, sizeof sentence, "%s: the receipt does not say", of->words);
        tell(c, DKVB_RECEIPT_UNCHECKED, of->key, sentence);
        return;
    }
    if (missing) {
        snprintf(sentence, sizeof sentence, "%s: not checked, since %s", of->words, missing_words(missing));
        tell(c, DKVB_RECEIPT_UNCHECKED, of->key, sentence);
        return;
    }
    if (s == MODEL || s == CODES)
        tell_file(c, of->key, s == MODEL ? c->r.o.model : c->r.o.codes, stated);
    rc = dkvb__statement_make(&made, of, &c->r);
    if (!rc)
        rc = through_text(&made, &c->r.mem);
    if (rc) {
        snprintf(sentence, sizeof sentence, "%s: %.400s", of->words, dkvb_last_error());
        tell(c, DKVB_RECEIPT_DIFFERS, of->key, sentence);
    } else if (!json_equal(made, stated)) {
        snprintf(path, sizeof path, "%s", of->key);
        find_difference(path, made, stated);
        snprintf(sentence, sizeof sentence, "%s: the files have another value at %s than the receipt", of->words, path);
        tell(c, DKVB_RECEIPT_DIFFERS, of->key, sentence);
    } else if (s != MODEL && s != CODES) {
        bool empty = json_is_null(made), same = !json_is_false(json_object_get(made, "same"));

        snprintf(sentence, sizeof sentence, "%s: %s", of->words,
                 empty  ? "nothing was trained again, since no exact forgetting is in force"
                 : same ? "done again, with the same result"
                        : "training again from the codes gives other values than the model has");
        tell(c, empty ? DKVB_RECEIPT_UNCHECKED : same ? DKVB_RECEIPT_CHECKED : DKVB_RECEIPT_DIFFERS, of->key, sentence);
    }
    json_decref(made);
}

/* The subjects must be the files of the predicate, or a tool that looks at subjects alone would trust another file. */
static void check_subjects(struct check *c, const json_t *statement)
{
    const json_t *subjects = json_object_get(statement, "subject"),
                 *predicate = json_object_get(statement, "predicate");
    const char *const keys[] = {"model", "codes"};
    size_t n = 0;
    bool same = true;

    for (size_t k = 0; k < 2; k++) {
        const json_t *file = json_object_get(predicate, keys[k]);

        if (file)
            same &= json_equal(json_object_get(json_object_get(json_array_get(subjects, n++), "digest"), "sha256"),
                               json_object_get(file, "sha256"));
    }
    same &= json_array_size(subjects) == n && json_object_get(predicate, "model");
    tell(c, same ? DKVB_RECEIPT_CHECKED : DKVB_RECEIPT_DIFFERS, "subject",
         same ? "the subjects are the files that the predicate describes"
              : "the subjects are not the files that the predicate describes");
}

static void check_ids(struct check *c)
{
    const dkvb_receipt_options *o = &c->r.o;
    char sentence[200];

    for (uint64_t e = 1; c->r.model && o->ids; e++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        if (dkvb_journal_get(c->r.model, e - 1, &entry) != DKVB_OK) {
            tell(c, DKVB_RECEIPT_DIFFERS, "rows", "no entry with a salt commits to exactly the rows that were given");
            return;
        }
        if (dkvb_journal_names_rows(c->r.model, e, o->ids, (size_t)o->id_count)) {
            snprintf(sentence, sizeof sentence, "entry %llu commits to exactly the rows that were given",
                     (unsigned long long)e);
            tell(c, DKVB_RECEIPT_CHECKED, "rows", sentence);
            return;
        }
    }
    tell(c, DKVB_RECEIPT_UNCHECKED, "rows", "commitments to rows: not checked, since no rows were given");
}

/* Parse bytes that must be exactly those that a receipt is written in, so that no byte can be another. */
static dkvb_status parse(json_t **out, const char *text, size_t size, const char *path, const dkvb_allocator *mem)
{
    char *again = NULL;
    size_t length = 0;
    dkvb_status rc = dkvb__json_parse(out, text, size, path, "a receipt");

    if (!rc)
        rc = dkvb__json_bytes(&again, &length, *out, mem);
    if (!rc && (length != size || memcmp(again, text, size) != 0))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: the bytes are not in the form that receipts are written in", path);
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

    if (json_unpack((json_t *)statement, "{s:s, s:s, s:o, s:o}", "_type", &type, "predicateType", &of, "subject",
                    &subject, "predicate", &predicate) != 0 ||
        !json_is_object(predicate) || !json_is_array(subject))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: not an in-toto statement: _type, subject, predicateType and predicate "
                          "must be there",
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
    const char *sentence = "the receipt is not signed: whoever can write it can change what cannot be done again";
    uint32_t outcome = DKVB_RECEIPT_UNCHECKED;
    size_t size;
    dkvb_status rc = dkvb__file_open(&file, path);

    if (rc)
        return rc;
    if (file.size > 64u << 20)
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
        if (!rc)
            rc = parse(statement, text, size, path, &c->r.mem);
    } else if (!rc) {
        *statement = json_incref(outer);
        if (c->r.o.public_key)
            outcome = DKVB_RECEIPT_DIFFERS, sentence = "a key was given, and the receipt is not signed";
    }
    if (!rc)
        rc = check_types(*statement, path);
    if (!rc)
        tell(c, outcome, "signature", sentence);
    dkvb__free(&c->r.mem, text);
    json_decref(outer);
    return rc;
}

dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    struct check c = {0};
    json_t *statement = NULL;
    dkvb_status rc = begin(&c.r, opts, run);

    if (!rc)
        rc = open_receipt(&c, &statement, path);
    if (!rc) {
        const json_t *predicate = json_object_get(statement, "predicate");

        check_subjects(&c, statement);
        for (size_t s = 0; s < DKVB__STATEMENTS && !c.stopped; s++)
            check_statement(&c, s, json_object_get(predicate, dkvb__statements[s].key));
        check_ids(&c);
        tell(&c, DKVB_RECEIPT_UNCHECKED, "command", "command and version: nothing shows which command was given");
    }
    json_decref(statement);
    dkvb__receipt_close(&c.r);
    if (!rc && c.stopped)
        rc = dkvb__fail(DKVB_ECANCELLED, "the check of a receipt was cancelled");
    if (!rc && c.differ)
        rc = dkvb__fail(DKVB_EMISMATCH, "%.300s: %llu statements differ from the files", path,
                        (unsigned long long)c.differ);
    return rc;
}
