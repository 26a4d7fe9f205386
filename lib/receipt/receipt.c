/* Writes receipts, and bills of materials (CycloneDX) beside them (include/dkvb/receipt.h). */
#include "dkvb/receipt.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "dkvb/version.h"
#include "receipt/envelope.h"
#include "receipt/statement.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Adds a statement (a checked fact about the model) to the predicate of the receipt. A receipt's statement about a file
 * also makes the file a subject of the receipt. */
static bool add(json_t *predicate, json_t *subjects, size_t s, json_t *made, const struct dkvb__receipt *r)
{
    const char *path = dkvb__statement_file(s, &r->o);

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
        if (dkvb__statement_needs(s) & ~dkvb__receipt_given(&r->o))
            continue;
        rc = dkvb__statement_make(&made, &dkvb__statements[s], r);
        if (!rc && !add(predicate, subjects, s, made, r))
            rc = dkvb__json_made(NULL);
    }
    if (!rc && json_object_set_new(predicate, "tool",
                                   json_pack("{s:s, s:s}", "name", "libdkvb", "version", dkvb_version_string())) != 0)
        rc = dkvb__json_made(NULL);
    if (!rc && r->o.command)
        rc = dkvb__receipt_text(predicate, "command", r->o.command);
    *out = rc ? NULL
              : json_pack("{s:s, s:O, s:s, s:O}", "_type", DKVB__STATEMENT_TYPE, "subject", subjects, "predicateType",
                          DKVB__PREDICATE_TYPE, "predicate", predicate);
    json_decref(predicate);
    json_decref(subjects);
    return rc ? rc : dkvb__json_made(*out);
}

/* Returns the accuracies of classes in the form of CycloneDX (a bill of materials), where numbers are strings. */
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

/* Returns a CycloneDX component for a file of data, with its name and digest. */
static json_t *data_component(const char *ref, const char *path, const json_t *file)
{
    return json_pack("{s:s, s:s, s:s, s:[{s:s, s:O}], s:[{s:s}]}", "type", "data", "bom-ref", ref, "name",
                     base_name(path), "hashes", "alg", "SHA-256", "content", json_object_get(file, "sha256"), "data",
                     "type", "dataset");
}

/* Makes the bill of materials (CycloneDX): the model, its accuracies, and what its forgettings promise. In the bill of
 * materials, the codes on which the model was trained are a component of the type "data". */
static dkvb_status make_bom(json_t **out, const json_t *statement, const struct dkvb__receipt *r)
{
    const json_t *predicate = json_object_get(statement, "predicate"), *codes = json_object_get(predicate, "codes");
    json_t *figures = metrics(predicate), *model, *components = json_array();
    json_t *datasets = codes ? json_pack("[{s:s}]", "ref", "codes") : json_array();
    bool failed;

    model =
        !figures || !datasets
            ? NULL
            : json_pack("{s:s, s:s, s:s, s:[{s:s, s:O}], s:{s:{s:s, s:{s:s}, s:O}, s:{s:O}, s:{s:[O]}}}", "type",
                        "machine-learning-model", "bom-ref", "model", "name", base_name(r->o.model), "hashes", "alg",
                        "SHA-256", "content", json_object_get(json_object_get(predicate, "model"), "sha256"),
                        "modelCard", "modelParameters", "task", "classification", "approach", "type", "supervised",
                        "datasets", datasets, "quantitativeAnalysis", "performanceMetrics", figures, "considerations",
                        "technicalLimitations", json_object_get(json_object_get(predicate, "promise"), "words"));
    failed = !components || json_array_append_new(components, model) != 0;
    if (!failed && codes)
        failed = json_array_append_new(components, data_component("codes", r->o.codes, codes)) != 0;
    *out = failed ? NULL
                  : json_pack("{s:s, s:s, s:s, s:i, s:O}", "$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json",
                              "bomFormat", "CycloneDX", "specVersion", "1.6", "version", 1, "components", components);
    json_decref(figures);
    json_decref(datasets);
    json_decref(components);
    return dkvb__json_made(*out);
}

/* Writes a whole file to disk, but not yet under its final name. */
static dkvb_status prepare(struct dkvb__writer *w, const char *path, const json_t *value, const dkvb_allocator *mem)
{
    char *text = NULL;
    size_t size;
    dkvb_status rc = dkvb__json_bytes(&text, &size, value, mem);

    if (!rc && size > DKVB__RECEIPT_MOST)
        rc = dkvb__fail(DKVB_ESTATE,
                        "%.300s: would have %zu bytes, a receipt has at most 64 MiB: the journal is too long", path,
                        size);
    if (!rc)
        rc = dkvb__writer_begin(w, path, mem);
    if (!rc) {
        rc = dkvb__writer_put(w, text, size);
        if (rc)
            dkvb__writer_abort(w);
    }
    dkvb__free(mem, text);
    return rc;
}

/* Writes the receipt, and the bill of materials unless it is NULL. The receipt and the bill of materials are on disk
 * before the first of the two gets its final name; if renaming the receipt fails, the bill of materials is removed
 * again. */
static dkvb_status write_files(const char *path, const json_t *receipt, const json_t *bom, struct dkvb__receipt *r)
{
    struct dkvb__writer first, second;
    dkvb_status rc = prepare(&first, path, receipt, &r->mem);

    if (rc)
        return rc;
    rc = bom ? prepare(&second, r->o.bom, bom, &r->mem) : DKVB_OK;
    if (!rc && bom)
        rc = dkvb__writer_commit(&second);
    if (rc) {
        dkvb__writer_abort(&first);
        return rc;
    }
    rc = dkvb__writer_commit(&first);
    if (rc && bom)
        (void)remove(r->o.bom);
    return rc;
}

static dkvb_status check_options(const char *path, const dkvb_receipt_options *o)
{
    if (!path)
        return dkvb__fail(DKVB_EINVAL, "receipt: the path is NULL");
    if (!o->sign != !o->public_key)
        return dkvb__fail(DKVB_EINVAL, "receipt options: sign and public_key must both be given, or neither");
    for (size_t i = 0; i < 2; i++) {
        const char *file = i == 0 ? o->model : o->codes, *name = file ? base_name(file) : "";

        if (!dkvb__utf8_valid(name, strlen(name)))
            return dkvb__fail(
                DKVB_EINVAL, "receipt options: the name of the %s file is not UTF-8, which JSON needs: rename the file",
                i == 0 ? "model" : "codes");
    }
    if (o->bom && strcmp(o->bom, path) == 0)
        return dkvb__fail(DKVB_EINVAL, "receipt options: %.300s cannot be the receipt and the bill of materials", path);
    return DKVB_OK;
}

dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    struct dkvb__receipt r;
    json_t *statement = NULL, *bom = NULL, *envelope = NULL;
    char *text = NULL;
    size_t size;
    dkvb_status rc = dkvb__receipt_begin(&r, opts, run);

    if (!rc)
        rc = check_options(path, &r.o);
    if (rc)
        return rc;
    rc = make_statement(&statement, &r);
    if (!rc && r.o.sign) {
        rc = dkvb__json_bytes(&text, &size, statement, &r.mem);
        if (!rc)
            rc = dkvb__envelope_seal(&envelope, text, size, &r.o, &r.mem);
    }
    if (!rc && r.o.bom)
        rc = make_bom(&bom, statement, &r);
    if (!rc)
        rc = write_files(path, envelope ? envelope : statement, bom, &r);
    dkvb__free(&r.mem, text);
    json_decref(statement);
    json_decref(envelope);
    json_decref(bom);
    dkvb__receipt_close(&r);
    return rc;
}
