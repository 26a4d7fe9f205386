/* Functions that make the statements of a receipt. For each statement of a receipt, the same function, which reads
 * files only, serves writing and checking, so a check compares like with like. */
#include "receipt/statement.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "dkvb/data.h"
#include "dkvb/choose.h"
#include "dkvb/effect.h"
#include "dkvb/unlearn.h"
#include "format/container.h"
#include "receipt/effects.h"

dkvb_status dkvb__json_made(const json_t *value)
{
    return value ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for a receipt");
}

const char *dkvb__receipt_hex(char text[65], const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

/* Returns a count as a JSON number. A count above INT64_MAX becomes a string, since jansson numbers cannot hold it. */
static json_t *count(uint64_t n)
{
    char text[24];

    if (n <= INT64_MAX)
        return json_integer((json_int_t)n);
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    return json_string(text);
}

dkvb_status dkvb__receipt_hash(char text[65], const char *path, uint64_t offset, uint64_t size,
                               const dkvb_allocator *mem)
{
    struct dkvb__mapping *mapping;
    struct dkvb__file file;
    struct dkvb__piece piece;
    uint8_t hash[32];
    dkvb_status rc = dkvb__file_open(&file, path);

    if (rc)
        return rc;
    rc = dkvb__mapping_open(&mapping, &file, mem);
    dkvb__file_close(&file);
    if (rc)
        return rc;
    if (size == UINT64_MAX)
        size = mapping->size;
    if (offset > mapping->size || size > mapping->size - offset) {
        rc = dkvb__fail(DKVB_EMISMATCH, "%.300s: the file is shorter", path);
    } else {
        piece = (struct dkvb__piece){mapping->data + offset, size};
        dkvb__sha256(hash, &piece, 1);
        dkvb__receipt_hex(text, hash, sizeof hash);
    }
    dkvb__mapping_free(mapping);
    return rc;
}

uint32_t dkvb__receipt_given(const dkvb_receipt_options *o)
{
    return (o->model ? DKVB__OF_MODEL : 0u) | (o->codes ? DKVB__OF_CODES : 0u) | (o->before ? DKVB__OF_BEFORE : 0u) |
           (o->audit ? DKVB__OF_AUDIT : 0u);
}

dkvb_status dkvb__receipt_begin(struct dkvb__receipt *r, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    dkvb_status rc;

    *r = (struct dkvb__receipt){.o = DKVB_RECEIPT_OPTIONS_INIT, .run = run};
    rc = dkvb__take_options(&r->o, sizeof r->o, opts, "receipt options");
    if (!rc)
        rc = dkvb__check_allocator(r->o.allocator);
    if (!rc && !r->o.model)
        rc = dkvb__fail(DKVB_EINVAL, "receipt options: the path of the model is NULL");
    if (!rc)
        r->mem = dkvb__allocator(r->o.allocator);
    return rc;
}

dkvb_status dkvb__receipt_text(json_t *object, const char *key, const char *text)
{
    if (!dkvb__utf8_valid(text, strlen(text)))
        return dkvb__fail(DKVB_EINVAL, "receipt options: the %s is not UTF-8", key);
    return json_object_set_new(object, key, json_string(text)) == 0 ? DKVB_OK : dkvb__json_made(NULL);
}

void dkvb__receipt_close(struct dkvb__receipt *r)
{
    dkvb_codeset_free(r->codes);
    dkvb_model_free(r->before);
    dkvb_model_free(r->model);
}

static dkvb_status open_model(dkvb_model **model, const char *path, const struct dkvb__receipt *r)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_status rc;

    if (*model)
        return DKVB_OK;
    o.allocator = &r->mem;
    rc = dkvb_model_load(model, path, &o);
    return rc ? rc : dkvb_model_verify(*model);
}

static dkvb_status open_codes(struct dkvb__receipt *r)
{
    dkvb_codebooks *cb = dkvb_model_codebooks(r->model);
    dkvb_status rc;

    if (r->codes)
        return DKVB_OK;
    rc = dkvb_codeset_load(&r->codes, r->o.codes, cb, &r->mem);
    return rc ? rc : dkvb_codeset_search(r->codes, cb, DKVB_PART_HELD_OUT, r->run);
}

dkvb_status dkvb__receipt_search_training(struct dkvb__receipt *r)
{
    dkvb_status rc = DKVB_OK;

    if (!r->searched)
        rc = dkvb_codeset_search(r->codes, dkvb_model_codebooks(r->model), DKVB_PART_TRAINING, r->run);
    r->searched = !rc;
    return rc;
}

dkvb_status dkvb__statement_make(json_t **out, const struct dkvb__statement *s, struct dkvb__receipt *r)
{
    dkvb_status rc = DKVB_OK;

    *out = NULL;
    if (s->needs & DKVB__OF_MODEL)
        rc = open_model(&r->model, r->o.model, r);
    if (!rc && (s->needs & DKVB__OF_BEFORE))
        rc = open_model(&r->before, r->o.before, r);
    if (!rc && (s->needs & DKVB__OF_CODES))
        rc = open_codes(r);
    return rc ? rc : s->make(out, r);
}

/* Describes a file by its digest, and by the digest of each section, so that a check can name the section that was
 * changed. */
static dkvb_status describe_file(json_t **out, const char *path, uint32_t kind, const dkvb_allocator *mem)
{
    struct dkvb__container c;
    char text[65];
    json_t *sections = json_array();
    dkvb_status rc = dkvb__json_made(sections);

    if (!rc)
        rc = dkvb__container_open(&c, path, kind, mem);
    if (rc) {
        json_decref(sections);
        return rc;
    }
    for (size_t i = 0; !rc && i < c.count; i++) {
        const struct dkvb__section *s = &c.sections[i];

        rc = dkvb__receipt_hash(text, path, s->offset, s->size, mem);
        if (!rc && json_array_append_new(sections, json_pack("{s:s, s:I, s:I, s:s}", "name", s->name, "offset",
                                                             (json_int_t)s->offset, "size", (json_int_t)s->size,
                                                             "sha256", text)) != 0)
            rc = dkvb__json_made(NULL);
    }
    dkvb__container_close(&c);
    if (!rc)
        rc = dkvb__receipt_hash(text, path, 0, UINT64_MAX, mem);
    *out = rc ? NULL : json_pack("{s:s, s:O}", "sha256", text, "sections", sections);
    json_decref(sections);
    return rc ? rc : dkvb__json_made(*out);
}

static dkvb_status model_file(json_t **out, struct dkvb__receipt *r)
{
    return describe_file(out, r->o.model, DKVB__KIND_MODEL, &r->mem);
}

static dkvb_status codes_file(json_t **out, struct dkvb__receipt *r)
{
    return describe_file(out, r->o.codes, DKVB__KIND_CODES, &r->mem);
}

/* Makes the receipt's statement about the model file from before the forgetting: the file's digest, the last hash in
 * that file's journal, and the number of the entry with this hash in the present journal. */
static dkvb_status before_file(json_t **out, struct dkvb__receipt *r)
{
    uint8_t head[32];
    uint64_t entry = 0;
    char digest[65], text[65];
    dkvb_journal_entry first = DKVB_JOURNAL_ENTRY_INIT;
    dkvb_status rc = dkvb__receipt_hash(digest, r->o.before, 0, UINT64_MAX, &r->mem);

    if (rc)
        return rc;
    dkvb_journal_head(r->before, head);
    if (dkvb_journal_find_head(r->model, head, &entry) != DKVB_OK &&
        (dkvb_journal_get(r->model, 0, &first) != DKVB_OK || !first.has_after || memcmp(first.after, head, 32) != 0))
        return dkvb__fail(DKVB_EMISMATCH, "%.300s: the journal of the model does not go on from the head of this one",
                          r->o.before);
    *out = json_pack("{s:s, s:s, s:o}", "sha256", digest, "head", dkvb__receipt_hex(text, head, 32), "entry",
                     count(entry));
    return dkvb__json_made(*out);
}

static json_t *hash_or_null(bool there, const uint8_t *hash)
{
    char text[65];

    return there ? json_string(dkvb__receipt_hex(text, hash, 32)) : json_null();
}

static dkvb_status journal_entry(json_t *list, const dkvb_model *model, uint64_t index, uint8_t *marks,
                                 dkvb_class_effect *effects)
{
    dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;
    json_t *classes = json_array(), *measured = json_array(), *entry;
    bool failed = false;
    dkvb_status rc = dkvb_journal_get(model, index, &e);

    if (!rc)
        rc = dkvb_journal_get_terms(model, e.id, marks, effects);
    for (uint32_t l = 0; !rc && l < model->classes; l++) {
        if (e.by_class && marks[l] == DKVB_FORGET)
            failed |= json_array_append_new(classes, json_integer(l)) != 0;
        if (e.measured && effects[l].rows)
            failed |= json_array_append_new(measured, dkvb__effect_json(l, &effects[l])) != 0;
    }
    entry = rc || failed ? NULL
                         : json_pack("{s:o, s:s, s:s, s:b, s:o, s:I, s:o, s:o, s:s, s:s, s:O, s:O, s:o, s:f, s:f, s:f, "
                                     "s:b, s:s, s:o, s:o, s:o, s:o, s:b, s:o}",
                                     "id", count(e.id), "what", dkvb_name(DKVB_NAME_ENTRY_KIND, e.kind), "state",
                                     dkvb_name(DKVB_NAME_ENTRY_STATE, e.state), "in_force", (int)e.in_force, "ends",
                                     count(e.ends), "time", (json_int_t)e.time, "pairs", count(e.pairs), "pairs_new",
                                     count(e.pairs_new), "method", e.method, "strength",
                                     dkvb_name(DKVB_NAME_STRENGTH, e.strength), "classes", classes, "effects", measured,
                                     "budget", count(e.budget), "target", e.target, "max_retain_drop",
                                     e.max_retain_drop, "max_class_loss", e.max_class_loss, "forced", (int)e.forced,
                                     "keys", dkvb_name(DKVB_NAME_KEYS, e.keys), "rows", count(e.rows),
                                     "rows_commitment", hash_or_null(e.has_commitment, e.commitment),
                                     "pairs_commitment", hash_or_null(e.has_pairs_commitment, e.pairs_commitment),
                                     "after", hash_or_null(e.has_after, e.after), "salted", (int)e.salted, "head",
                                     hash_or_null(true, e.head));
    if (!rc && (!entry || json_array_append_new(list, entry) != 0))
        rc = dkvb__json_made(NULL);
    json_decref(classes);
    json_decref(measured);
    return rc;
}

static dkvb_status journal(json_t **out, struct dkvb__receipt *r)
{
    const dkvb_model *m = r->model;
    uint8_t *marks = dkvb__alloc0(&r->mem, m->classes, 1), head[32];
    dkvb_class_effect *effects = dkvb__alloc0(&r->mem, m->classes, sizeof *effects);
    json_t *list = json_array();
    dkvb_status rc = marks && effects ? dkvb__json_made(list) : dkvb__json_made(NULL);

    for (uint64_t i = 0; !rc && i < m->journal.count; i++)
        rc = journal_entry(list, m, i, marks, effects);
    dkvb_journal_head(m, head);
    *out = rc ? NULL : json_pack("{s:o, s:O}", "head", hash_or_null(true, head), "entries", list);
    json_decref(list);
    dkvb__free(&r->mem, marks);
    dkvb__free(&r->mem, effects);
    return rc ? rc : dkvb__json_made(*out);
}

static dkvb_status shape(json_t **out, struct dkvb__receipt *r)
{
    dkvb_model_info i = DKVB_MODEL_INFO_INIT;
    char birth[65], trained[65];
    dkvb_status rc = dkvb_model_get_info(r->model, &i);

    if (rc)
        return rc;
    *out =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s, s:s, s:s}", "codebooks", (json_int_t)i.codebooks,
                  "keys", (json_int_t)i.keys, "key_dim", (json_int_t)i.key_dim, "input_dim", (json_int_t)i.input_dim,
                  "classes", (json_int_t)i.classes, "top_k", (json_int_t)i.top_k, "masked_pairs", count(i.masked_pairs),
                  "purged_pairs", count(i.purged_pairs), "rows_trained", count(i.rows_trained), "birth",
                  dkvb__receipt_hex(birth, i.birth, 16), "trained", dkvb__receipt_hex(trained, i.trained, 16),
                  "values_dtype", dkvb_name(DKVB_NAME_DTYPE, i.values_dtype));
    return dkvb__json_made(*out);
}

/* Makes a receipt's statement of the strengths of all forget requests that are still in force, and of what these
 * strengths promise. */
static dkvb_status promise(json_t **out, struct dkvb__receipt *r)
{
    bool exact = false, suppress = false;
    const char *words;

    for (uint64_t i = 0; i < r->model->journal.count; i++) {
        dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;
        dkvb_status rc = dkvb_journal_get(r->model, i, &e);

        if (rc)
            return rc;
        exact |= e.in_force && e.strength == DKVB_STRENGTH_EXACT;
        suppress |= e.in_force && e.strength == DKVB_STRENGTH_SUPPRESS;
    }
    words = exact && suppress
                ? "Some requests only mask pairs: values that their rows taught to other pairs stay in the model. For "
                  "the other requests the values were trained again without the rows."
            : exact    ? "The values were trained again without the rows. Keys, encoders and copies elsewhere are no "
                         "part of this."
            : suppress ? "Pairs are masked. Values that the rows taught to other pairs stay in the model."
                       : "No forgetting with a strength is in force.";
    *out = json_pack("{s:b, s:b, s:s}", "suppress", (int)suppress, "exact", (int)exact, "words", words);
    return dkvb__json_made(*out);
}

/* Computes Wilson's 95 % interval of the proportion right / n. */
static void wilson(double right, double n, double *low, double *high)
{
    const double z2 = 1.959963984540054 * 1.959963984540054;
    double p = right / n, centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    double half = sqrt(z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))) / (1.0 + z2 / n);

    *low = fmax(0.0, centre - half);
    *high = fmin(1.0, centre + half);
}

/* Makes a receipt's statement of the accuracy of each class on held-out rows, under the mask of the model. */
static dkvb_status held_out(json_t **out, struct dkvb__receipt *r)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;
    dkvb_class_effect *effects = dkvb__alloc0(&r->mem, r->model->classes, sizeof *effects);
    json_t *list = json_array();
    dkvb_status rc = effects ? dkvb__json_made(list) : dkvb__json_made(NULL);

    if (!rc)
        rc = dkvb_codeset_get_rows(r->codes, DKVB_PART_HELD_OUT, &rows);
    if (!rc && rows.n > 0)
        rc = dkvb_effect_measure(r->model, NULL, NULL, &rows, effects, NULL, r->run);
    for (uint32_t l = 0; !rc && l < r->model->classes; l++) {
        const dkvb_class_effect *e = &effects[l];
        double low, high;

        if (!e->rows)
            continue;
        wilson((double)e->right_before, (double)e->rows, &low, &high);
        if (json_array_append_new(list,
                                  json_pack("{s:I, s:o, s:o, s:f, s:f, s:f}", "label", (json_int_t)l, "rows",
                                            count(e->rows), "right", count(e->right_before), "accuracy",
                                            (double)e->right_before / (double)e->rows, "low", low, "high", high)) != 0)
            rc = dkvb__json_made(NULL);
    }
    *out = rc ? NULL : json_pack("{s:o, s:O}", "rows", count(rows.n), "classes", list);
    json_decref(list);
    dkvb__free(&r->mem, effects);
    return rc ? rc : dkvb__json_made(*out);
}

/* Makes a receipt's statement of the results of an audit, as `dkvb audit` printed them. The receipt's statement about
 * an audit leaves out how long the audit took, so that a second audit gives the same value. */
static dkvb_status audit(json_t **out, struct dkvb__receipt *r)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct dkvb__mapping *mapping;
    struct dkvb__file file;
    const json_t *masked;
    dkvb_status rc = dkvb_model_get_info(r->model, &info);

    if (!rc)
        rc = dkvb__file_open(&file, r->o.audit);
    if (rc)
        return rc;
    rc = dkvb__mapping_open(&mapping, &file, &r->mem);
    dkvb__file_close(&file);
    if (rc)
        return rc;
    rc = dkvb__json_parse(out, (const char *)mapping->data, mapping->size, r->o.audit, "an audit");
    dkvb__mapping_free(mapping);
    if (rc)
        return rc;
    json_object_del(*out, "seconds");
    masked = json_object_get(*out, "masked_pairs");
    if (!json_is_array(json_object_get(*out, "subjects")) || !json_is_integer(masked))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: not what 'dkvb audit --json' prints: no subjects or no masked_pairs",
                        r->o.audit);
    else if ((uint64_t)json_integer_value(masked) != info.masked_pairs)
        rc = dkvb__fail(DKVB_EMISMATCH, "%.300s: the audited model had %lld masked pairs, this one has %llu",
                        r->o.audit, (long long)json_integer_value(masked), (unsigned long long)info.masked_pairs);
    if (rc) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

const struct dkvb__statement dkvb__statements[DKVB__STATEMENTS] = {
    {"model", 0, "the model file", "", model_file},
    {"shape", DKVB__OF_MODEL, "shape, training and masked pairs", "read from the model, with the same result", shape},
    {"journal", DKVB__OF_MODEL, "the journal", "its chain is whole, and its entries are those of the receipt", journal},
    {"promise", DKVB__OF_MODEL, "the strengths of requests in force", "read from the journal, with the same result",
     promise},
    {"codes", 0, "the codes file", "", codes_file},
    {"held_out", DKVB__OF_MODEL | DKVB__OF_CODES, "accuracies on held-out rows", "measured again, with the same result",
     held_out},
    {"trained_again", DKVB__OF_MODEL | DKVB__OF_CODES, "the values, trained again from the codes", "",
     dkvb__trained_again},
    {"effects", DKVB__OF_MODEL | DKVB__OF_CODES, "effects of entries in force", "", dkvb__effects_again},
    {"before", DKVB__OF_MODEL | DKVB__OF_BEFORE, "the model before",
     "its digest is the one of the receipt, and the journal continues from its head", before_file},
    {"effects_from_before", DKVB__OF_MODEL | DKVB__OF_CODES | DKVB__OF_BEFORE,
     "effects of exact entries, from the model before", "", dkvb__effects_from_before},
    {"audit", DKVB__OF_MODEL | DKVB__OF_AUDIT, "figures of the audit", "equal to those of the audit that was given",
     audit},
};

const char *dkvb__statement_file(size_t s, const dkvb_receipt_options *o)
{
    return dkvb__statements[s].make == model_file ? o->model : dkvb__statements[s].make == codes_file ? o->codes : NULL;
}

uint32_t dkvb__statement_needs(size_t s)
{
    return dkvb__statements[s].needs | (dkvb__statements[s].make == model_file   ? DKVB__OF_MODEL
                                        : dkvb__statements[s].make == codes_file ? DKVB__OF_CODES
                                                                                 : 0u);
}
