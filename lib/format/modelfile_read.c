#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/status.h"
#include "bottleneck/model.h"
#include "bottleneck/project.h"
#include "bottleneck/value_types.h"
#include "dkvb/data.h"
#include "format/container.h"
#include "format/modelfile.h"
#include "format/valued.h"
#include "kernels/kernels.h"
#include "unlearn/journal.h"

/* State of reading a model file. The sizes of a model file's arrays come from its section "shape", and are checked
 * before any array is read by them. */
struct reading {
    struct dkvb__container file;
    struct dkvb__mapping *mapping; /* mapping of the model file; NULL: arrays are copied */
    const dkvb_allocator *mem;
    const dkvb_ranks *ranks; /* ranks (processes) that share the model that is read */
    bool inspect;            /* true if only facts about the model file are read, but no keys and no values */
    struct dkvb__shape shape;
    uint32_t classes, top_k, values_dtype;
    bool normalize, whitened;
    uint64_t rows_trained, seed;
    uint32_t trials;
    uint8_t birth[16], trained[16];
    double temperature, power;
    /* bits of the key-value pairs whose values the model file holds, [codebooks][words]; NULL: the file holds the
     * values of all pairs */
    uint64_t *valued;
    size_t stored; /* number of key-value pairs whose values the model file holds */
};

static const char *const known_sections[] = {"shape",   "classes", "journal", "mask",     "purged", "center",
                                             "scales",  "keys",    "values",  "evidence", "terms",  "whitening",
                                             "encoder", "columns", "counts",  "valued",   "lengths"};

enum { KNOWN_SECTIONS = sizeof known_sections / sizeof *known_sections };

static bool is_known(const char *name)
{
    for (size_t i = 0; i < KNOWN_SECTIONS; i++)
        if (strcmp(known_sections[i], name) == 0)
            return true;
    return false;
}

static dkvb_status read_shape(struct reading *r)
{
    unsigned char b[DKVB__SHAPE_SIZE];
    const struct dkvb__section *s;
    size_t values;
    dkvb_status rc = dkvb__container_need(&r->file, "shape", DKVB__DTYPE_BYTES, sizeof b, &s);

    if (!rc)
        rc = dkvb__section_read(&r->file, s, b);
    if (rc)
        return rc;
    r->shape = (struct dkvb__shape){dkvb__read32(b), dkvb__read32(b + 4), dkvb__read32(b + 8), dkvb__read32(b + 12)};
    r->classes = dkvb__read32(b + 16);
    r->top_k = dkvb__read32(b + 20);
    r->normalize = dkvb__read32(b + DKVB__AT_FLAGS) & DKVB__FLAG_NORMALIZE;
    r->whitened = dkvb__read32(b + DKVB__AT_FLAGS) & DKVB__FLAG_WHITENED;
    r->seed = dkvb__read64(b + DKVB__AT_SEED);
    r->temperature = dkvb__read_double(b + DKVB__AT_TEMPERATURE);
    r->power = dkvb__read_double(b + DKVB__AT_POWER);
    memcpy(r->trained, b + DKVB__AT_TRAINED, sizeof r->trained);
    r->trials = dkvb__read32(b + DKVB__AT_TRIALS);
    r->rows_trained = dkvb__read64(b + DKVB__AT_ROWS);
    memcpy(r->birth, b + DKVB__AT_BIRTH, sizeof r->birth);
    if (dkvb__shape_check(&r->shape, "model file") || r->classes < 1 || r->classes > DKVB__MAX_CLASSES ||
        r->top_k < 1 || r->top_k > r->shape.keys || !dkvb__value_count(&values, &r->shape, r->classes) ||
        (dkvb__read32(b + DKVB__AT_FLAGS) & ~(uint32_t)(DKVB__FLAG_NORMALIZE | DKVB__FLAG_WHITENED)) ||
        (r->whitened && r->shape.input_dim > DKVB__MAX_WHITENED))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: a model of %u codebooks x %u keys x %u, input %u, %u classes, k = %u cannot be",
                          r->file.file.path, r->shape.codebooks, r->shape.keys, r->shape.key_dim, r->shape.input_dim,
                          r->classes, r->top_k);
    return dkvb__temperature_check(r->temperature, r->power, DKVB_EFORMAT, r->file.file.path);
}

/* Maps or reads the array of a section of a model file. take_array() checks the size of the array; then the array is
 * mapped in place, or read into `*array`, which the caller has allocated. */
static dkvb_status take_array(const struct reading *r, const char *name, uint32_t dtype, uint64_t size, void **array)
{
    const struct dkvb__section *s;
    dkvb_status rc = dkvb__container_need(&r->file, name, dtype, size, &s);

    if (rc)
        return rc;
    if (!r->mapping)
        return dkvb__section_read(&r->file, s, *array);
    *array = (void *)(uintptr_t)(r->mapping->data + s->offset);
    return DKVB_OK;
}

static dkvb_status take_floats(const struct reading *r, const char *name, size_t count, float **array)
{
    void *place = *array;
    dkvb_status rc = take_array(r, name, DKVB_DTYPE_F32, count * sizeof(float), &place);

    *array = place;
    return rc;
}

/* Reads the number type in which the model file stores values. */
static dkvb_status read_values_type(struct reading *r)
{
    const struct dkvb__section *s = dkvb__container_find(&r->file, "values");

    if (s && dkvb__value_size(s->dtype) == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section values holds elements of type %u; %d, %d or %d is wanted",
                          r->file.file.path, s->dtype, DKVB_DTYPE_F16, DKVB_DTYPE_F32, DKVB_DTYPE_BF16);
    /* if the model file has no section of values, the error is reported later, when the sizes of the sections are
     * checked */
    r->values_dtype = s ? s->dtype : DKVB_DTYPE_F32;
    return DKVB_OK;
}

static size_t row_bytes(const struct reading *r)
{
    return r->classes * dkvb__value_size(r->values_dtype);
}

/* Reads which rows of values the model file holds, and checks the number of these rows. The sizes of the sets of
 * key-value pairs (one bit for each pair) in the model file must have been checked before read_valued() is called. */
static dkvb_status read_valued(struct reading *r)
{
    size_t pairs = (size_t)r->shape.codebooks * r->shape.keys, words = dkvb__word_count(&r->shape);
    const struct dkvb__section *s;
    dkvb_status rc;

    r->stored = pairs;
    if (dkvb__container_find(&r->file, "valued")) {
        rc = dkvb__container_need(&r->file, "valued", DKVB_DTYPE_U64, words * sizeof *r->valued, &s);
        if (rc)
            return rc;
        r->valued = dkvb__alloc(r->mem, words, sizeof *r->valued);
        if (!r->valued)
            return dkvb__fail(DKVB_ENOMEM, "out of memory for a set of %zu pairs", pairs);
        rc = dkvb__section_read(&r->file, s, r->valued);
        if (rc)
            return rc;
        if (!dkvb__bits_in_range(r->valued, r->shape.codebooks, r->shape.keys))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: section valued names keys past the last one", r->file.file.path);
        r->stored = 0;
        for (size_t w = 0; w < words; w++)
            r->stored += (size_t)__builtin_popcountll(r->valued[w]);
        if (r->stored < dkvb__valued_least(pairs) || !dkvb__valued_pays(&r->shape, row_bytes(r), r->stored))
            return dkvb__fail(DKVB_EFORMAT,
                              "%.300s: section valued names %zu of %zu pairs, it must be %zu or more and leave out as "
                              "many",
                              r->file.file.path, r->stored, pairs, dkvb__valued_least(pairs));
    }
    return dkvb__container_need(&r->file, "values", r->values_dtype, (uint64_t)r->stored * row_bytes(r), &s);
}

/* Checks the sizes of all arrays of a model file before memory is allocated, so that a small file cannot make the
 * library allocate much memory. */
static dkvb_status check_sizes(const struct reading *r)
{
    const struct dkvb__section *s;
    dkvb_status rc;

    const struct {
        const char *name;
        uint32_t dtype;
        uint64_t size;
    } arrays[] = {
        {"center", DKVB_DTYPE_F32, (uint64_t)r->shape.input_dim * sizeof(float)},
        {"scales", DKVB_DTYPE_F32, (uint64_t)r->shape.codebooks * sizeof(float)},
        {"keys", DKVB__DTYPE_BYTES, (uint64_t)r->shape.codebooks * dkvb__key_bytes(&r->shape)},
        {"purged", DKVB_DTYPE_U64, (uint64_t)dkvb__word_count(&r->shape) * sizeof(uint64_t)},
        {"mask", DKVB_DTYPE_U64, (uint64_t)dkvb__word_count(&r->shape) * sizeof(uint64_t)},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if ((rc = dkvb__container_need(&r->file, arrays[i].name, arrays[i].dtype, arrays[i].size, &s)) != DKVB_OK)
            return rc;
    if (r->whitened &&
        (rc = dkvb__container_need(&r->file, "whitening", DKVB_DTYPE_F32,
                                   (uint64_t)dkvb__whitening_count(&r->shape) * sizeof(float), &s)) != DKVB_OK)
        return rc;
    rc = dkvb__container_need(&r->file, "classes", DKVB__DTYPE_BYTES, UINT64_MAX, &s);
    if (!rc && s->size < 2 * (uint64_t)r->classes)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section classes has %llu bytes for %u classes", r->file.file.path,
                        (unsigned long long)s->size, r->classes);
    return rc;
}

/* Reads the usual lengths of projected rows from a model file, if its codebooks have such lengths. */
static dkvb_status read_lengths(const struct reading *r, dkvb_codebooks *cb)
{
    float lengths[2];
    const struct dkvb__section *s;
    dkvb_status rc;

    if (!dkvb__container_find(&r->file, "lengths"))
        return DKVB_OK;
    rc = dkvb__container_need(&r->file, "lengths", DKVB_DTYPE_F32, sizeof lengths, &s);
    if (!rc)
        rc = dkvb__section_read(&r->file, s, lengths);
    if (rc)
        return rc;
    if (!(lengths[0] >= 0.0f && lengths[0] <= lengths[1] && lengths[1] <= FLT_MAX) || signbit(lengths[0]) ||
        (lengths[0] == 0.0f && lengths[1] == FLT_MAX))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section lengths says %g to %g, which are no limits of lengths",
                          r->file.file.path, (double)lengths[0], (double)lengths[1]);
    cb->least = lengths[0];
    cb->greatest = lengths[1];
    return DKVB_OK;
}

static dkvb_status read_codebooks(const struct reading *r, dkvb_codebooks **out)
{
    size_t words = dkvb__word_count(&r->shape);
    const struct dkvb__section *s;
    dkvb_codebooks *cb;
    void *keys, *purged;
    dkvb_status rc = r->mapping ? dkvb__codebooks_shell(&cb, &r->shape, r->seed, r->mem)
                                : dkvb__codebooks_new(&cb, &r->shape, r->seed, r->whitened, r->mem);

    *out = NULL;
    if (rc)
        return rc;
    cb->mapping = r->mapping ? dkvb__mapping_retain(r->mapping) : NULL;
    cb->ranks = *r->ranks;
    cb->normalize = r->normalize;
    cb->frozen = true;
    memcpy(cb->birth, r->birth, sizeof cb->birth);
    keys = cb->keys;
    purged = cb->purged;
    rc = take_floats(r, "center", r->shape.input_dim, &cb->center);
    if (!rc && r->whitened)
        rc = take_floats(r, "whitening", dkvb__whitening_count(&r->shape), &cb->whitening);
    if (!rc)
        rc = take_floats(r, "scales", r->shape.codebooks, &cb->scales);
    if (!rc)
        rc = read_lengths(r, cb);
    if (!rc)
        rc = take_array(r, "keys", DKVB__DTYPE_BYTES, r->shape.codebooks * dkvb__key_bytes(&r->shape), &keys);
    if (!rc)
        rc = take_array(r, "purged", DKVB_DTYPE_U64, words * sizeof(uint64_t), &purged);
    if (!rc) {
        cb->keys = keys;
        cb->purged = purged;
    }
    if (!rc && r->mapping) {
        rc = dkvb__container_need(&r->file, "purged", DKVB_DTYPE_U64, words * sizeof(uint64_t), &s);
        if (!rc)
            rc = dkvb__section_check(r->file.file.path, s, cb->purged);
    }
    if (!rc && !dkvb__bits_in_range(cb->purged, r->shape.codebooks, r->shape.keys))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section purged names keys past the last one", r->file.file.path);
    if (rc) {
        dkvb_codebooks_free(cb);
        return rc;
    }
    if (!r->inspect)
        dkvb__codebooks_set_norms(cb);
    *out = cb;
    return DKVB_OK;
}

/* Refuses a model file that holds all rows of values although leaving zero rows out would have made the file smaller:
 * no writer makes such a file. */
static dkvb_status check_all_stored(const dkvb_model *m)
{
    size_t pairs = dkvb__pair_count(m), stored;
    uint64_t *bits = dkvb__alloc(&m->mem, dkvb__word_count(&m->codebooks->shape), sizeof *bits);
    dkvb_status rc = bits ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for a set of %zu pairs", pairs);

    rc = dkvb__model_agree(m, rc);
    if (!rc)
        rc = dkvb__valued_choose(m, bits, &stored);
    dkvb__free(&m->mem, bits);
    if (!rc && stored < pairs)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: section values holds all %zu rows, %zu that are zeros must be left out", m->path,
                          pairs, pairs - stored);
    return rc;
}

/* Reads the values of the key-value pairs that this rank holds. The whole section of values of the model file is read,
 * some rows at a time, since its checksum covers the whole section. */
static dkvb_status read_own_values(const struct reading *r, const struct dkvb__section *s, dkvb_model *m)
{
    enum { PIECE = 4 << 20 };
    size_t pairs = dkvb__pair_count(m), row = row_bytes(r), most = row < PIECE ? PIECE / row : 1, have = 0, at = 0;
    size_t first = dkvb__first_pair(m), end = first + dkvb__own_pairs(m), words = dkvb__key_words(r->shape.keys);
    struct dkvb__checksum_state sum;
    char *piece;
    dkvb_status rc = DKVB_OK;

    most = most < r->stored ? most : r->stored;
    m->values = dkvb__alloc0(r->mem, dkvb__own_pairs(m), row);
    piece = dkvb__alloc(r->mem, most, row);
    if (!m->values || !piece)
        rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the values of %zu pairs", r->file.file.path,
                        end - first);
    dkvb__checksum_begin(&sum);
    for (size_t pair = 0, left = r->stored; !rc && pair < pairs; pair++) {
        if (r->valued && !dkvb__bit(r->valued + pair / r->shape.keys * words, pair % r->shape.keys))
            continue;
        if (at == have) {
            have = left < most ? left : most;
            rc = dkvb__file_read(&r->file.file, s->offset + (r->stored - left) * row, piece, have * row);
            dkvb__checksum_add(&sum, piece, have * row);
            left -= have;
            at = 0;
        }
        if (!rc && pair >= first && pair < end)
            memcpy(dkvb__values_of(m, pair), piece + at * row, row);
        at++;
    }
    dkvb__free_erased(r->mem, piece);
    if (!rc && dkvb__checksum_end(&sum) != s->checksum)
        rc = dkvb__fail(DKVB_ECHECKSUM, "%.300s: section values is damaged", r->file.file.path);
    return rc;
}

/* Reads the values of a model from its file. The values of a model file are used in place if the file holds all rows of
 * values; otherwise the stored rows are copied to their places in memory. */
static dkvb_status read_values(const struct reading *r, dkvb_model *m)
{
    size_t pairs = dkvb__pair_count(m), row = row_bytes(r), wrong;
    const struct dkvb__section *s = dkvb__container_find(&r->file, "values");
    char *last;
    dkvb_status rc;

    m->values_dtype = r->values_dtype;
    m->values_mapped = r->mapping && !r->valued;
    if (m->values_mapped) {
        m->values = (void *)(uintptr_t)(r->mapping->data + s->offset + dkvb__first_pair(m) * row);
        return DKVB_OK;
    }
    if (r->inspect)
        return DKVB_OK;
    if (r->ranks->count > 1)
        return read_own_values(r, s, m);
    m->values = dkvb__alloc(r->mem, pairs, row);
    if (!m->values)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the values of %zu pairs", r->file.file.path, pairs);
    last = (char *)m->values + (pairs - r->stored) * row;
    rc = dkvb__section_read(&r->file, s, last);
    if (rc || !r->valued)
        return rc ? rc : check_all_stored(m);
    wrong = dkvb__valued_spread(&r->shape, r->valued, r->stored, row, m->values);
    if (wrong < pairs)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: codebook %zu, key %zu has only zeros for values, which must be left out",
                          r->file.file.path, wrong / r->shape.keys, wrong % r->shape.keys);
    return DKVB_OK;
}

static dkvb_status read_mask(const struct reading *r, dkvb_model *m)
{
    size_t words = dkvb__word_count(&r->shape);
    const struct dkvb__section *s;
    dkvb_status rc = dkvb__container_need(&r->file, "mask", DKVB_DTYPE_U64, words * sizeof(uint64_t), &s);

    if (!rc)
        rc = dkvb__section_read(&r->file, s, m->mask->bits);
    if (!rc && !dkvb__bits_in_range(m->mask->bits, r->shape.codebooks, r->shape.keys))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section mask names keys past the last one", r->file.file.path);
    return rc;
}

static dkvb_status take_text(const struct reading *r, struct dkvb__reader *bytes, size_t size, const char *section,
                             char **out)
{
    const unsigned char *at = dkvb__take(bytes, size);

    *out = NULL;
    if (!at)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %s ends within a text", r->file.file.path, section);
    if (!dkvb__utf8_valid((const char *)at, size))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %s has a text that is not clean UTF-8", r->file.file.path,
                          section);
    *out = dkvb__alloc0(r->mem, size + 1, 1);
    if (!*out)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    memcpy(*out, at, size);
    return DKVB_OK;
}

static dkvb_status parse_names(const struct reading *r, struct dkvb__reader bytes, dkvb_model *m)
{
    for (size_t l = 0; l < m->classes; l++) {
        const unsigned char *length = dkvb__take(&bytes, 2);
        dkvb_status rc;

        if (!length || dkvb__read16(length) > DKVB__MAX_NAME)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: section classes: the name of class %zu has no proper length",
                              r->file.file.path, l);
        if (dkvb__read16(length) == 0)
            continue;
        rc = take_text(r, &bytes, dkvb__read16(length), "classes", &m->names[l]);
        if (rc)
            return rc;
    }
    if (bytes.left > 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section classes has %zu bytes too many", r->file.file.path,
                          bytes.left);
    return DKVB_OK;
}

static dkvb_status bad_record(const struct reading *r, size_t index, const char *why)
{
    return dkvb__fail(DKVB_EFORMAT, "%.300s: journal entry %zu %s", r->file.file.path, index + 1, why);
}

/* Reads the list of key-value pairs of a journal entry. The key-value pairs of a journal entry must ascend and exist in
 * the model. */
static dkvb_status take_list(const struct reading *r, struct dkvb__reader *bytes, struct dkvb__record *record,
                             size_t index)
{
    uint64_t pairs = (uint64_t)r->shape.codebooks * r->shape.keys;
    const unsigned char *at = NULL;

    if (record->pairs <= bytes->left / sizeof(uint32_t))
        at = dkvb__take(bytes, (size_t)record->pairs * sizeof(uint32_t));
    if (!at)
        return bad_record(r, index, "ends within its list of pairs");
    record->list = dkvb__alloc(r->mem, (size_t)record->pairs, sizeof *record->list);
    if (!record->list)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    memcpy(record->list, at, (size_t)record->pairs * sizeof *record->list);
    for (uint64_t i = 0; i < record->pairs; i++)
        if (record->list[i] >= pairs || (i > 0 && record->list[i] <= record->list[i - 1]))
            return bad_record(r, index, "lists pairs that do not exist or do not ascend");
    return DKVB_OK;
}

/* Returns a text on how a journal entry contradicts itself or the entries before it, such as "is of an unknown kind",
 * or NULL if the entry is valid. */
static const char *record_fault(const dkvb_model *m, const struct dkvb__record *record)
{
    const struct dkvb__journal *j = &m->journal;

    if (record->kind < DKVB_JOURNAL_FORGET || record->kind > DKVB_JOURNAL_RELEARN)
        return "is of an unknown kind";
    if (record->pairs > dkvb__pair_count(m) || record->pairs_new > record->pairs || record->time < 0)
        return "has numbers that cannot be";
    if (record->kind != DKVB_JOURNAL_FORGET && (record->list || record->pairs_new != 0))
        return "lists pairs but is not a forgetting";
    if (record->kind >= DKVB_JOURNAL_REPLAY && record->pairs != 0)
        return "counts pairs but is a replay or a relearning";
    if (record->kind != DKVB_JOURNAL_UNDO && record->kind != DKVB_JOURNAL_RELEARN)
        return record->ends == 0 ? NULL : "names an entry that it ends but is neither an undo nor a relearning";
    if (record->ends < 1 || record->ends > j->count)
        return "ends an entry that is not there";
    if (record->kind == DKVB_JOURNAL_RELEARN)
        return dkvb__record_in_force(&j->records[record->ends - 1]) ? NULL : "ends an entry that was not in force";
    return dkvb__journal_masks(j, (size_t)record->ends - 1) ? NULL : "undoes an entry that masked nothing any more";
}

static dkvb_status parse_record(const struct reading *r, struct dkvb__reader *bytes, const dkvb_model *m,
                                struct dkvb__record *record)
{
    const unsigned char *b = dkvb__take(bytes, DKVB__RECORD_SIZE);
    size_t index = m->journal.count;
    uint32_t flags;
    const char *fault;
    dkvb_status rc;

    if (!b)
        return bad_record(r, index, "is cut off");
    flags = dkvb__read32(b + 4);
    record->kind = dkvb__read32(b);
    record->ends = dkvb__read64(b + DKVB__AT_ENDS);
    record->time = (int64_t)dkvb__read64(b + DKVB__AT_TIME);
    record->pairs = dkvb__read64(b + DKVB__AT_PAIRS);
    record->pairs_new = dkvb__read64(b + DKVB__AT_PAIRS_NEW);
    if (flags > DKVB__RECORD_HAS_LIST || dkvb__read32(b + 44) != 0 ||
        dkvb__read16(b + DKVB__AT_METHOD_SIZE) > DKVB__MAX_METHOD ||
        dkvb__read16(b + DKVB__AT_REASON_SIZE) > DKVB__MAX_REASON)
        return bad_record(r, index, "uses fields this library does not know");
    rc = take_text(r, bytes, dkvb__read16(b + DKVB__AT_METHOD_SIZE), "journal", &record->method);
    if (!rc)
        rc = take_text(r, bytes, dkvb__read16(b + DKVB__AT_REASON_SIZE), "journal", &record->reason);
    if (!rc && (flags & DKVB__RECORD_HAS_LIST))
        rc = take_list(r, bytes, record, index);
    if (rc)
        return rc;
    fault = record_fault(m, record);
    return fault ? bad_record(r, index, fault) : DKVB_OK;
}

/* Checks that a journal entry has a list of key-value pairs exactly if its pairs are masked now. */
static dkvb_status check_lists(const struct reading *r, const dkvb_model *m)
{
    for (size_t i = 0; i < m->journal.count; i++) {
        bool lists = m->journal.records[i].list != NULL;

        if (dkvb__journal_masks(&m->journal, i) != lists)
            return bad_record(r, i, lists ? "lists pairs but masks none" : "masks pairs but lists none");
    }
    return DKVB_OK;
}

static dkvb_status parse_journal(const struct reading *r, struct dkvb__reader bytes, dkvb_model *m)
{
    const unsigned char *head = dkvb__take(&bytes, 8);
    uint64_t count = head ? dkvb__read64(head) : 0;
    dkvb_status rc = DKVB_OK;

    if (!head || count > bytes.left / DKVB__RECORD_SIZE)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section journal is too short for its entries", r->file.file.path);
    for (uint64_t i = 0; !rc && i < count; i++) {
        struct dkvb__record record = {0};

        rc = dkvb__journal_reserve(m, 1);
        if (!rc)
            rc = parse_record(r, &bytes, m, &record);
        if (rc)
            dkvb__record_clear(&record, r->mem);
        else
            dkvb__journal_append(m, &record);
    }
    if (!rc && bytes.left > 0)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section journal has %zu bytes too many", r->file.file.path, bytes.left);
    return rc ? rc : check_lists(r, m);
}

typedef dkvb_status (*parse_fn)(const struct reading *, struct dkvb__reader, dkvb_model *);

/* Reads a section of bytes of a model file and passes it to the section's parser. */
static dkvb_status read_parsed(const struct reading *r, const char *name, dkvb_model *m, parse_fn parse)
{
    const struct dkvb__section *s;
    void *data;
    dkvb_status rc = dkvb__container_need(&r->file, name, DKVB__DTYPE_BYTES, UINT64_MAX, &s);

    if (!rc)
        rc = dkvb__section_read_new(&r->file, s, &data);
    if (rc)
        return rc;
    rc = parse(r, (struct dkvb__reader){data, (size_t)s->size}, m);
    dkvb__free_erased(r->mem, data);
    return rc;
}

static dkvb_status parse_terms(const struct reading *r, struct dkvb__reader bytes, dkvb_model *m)
{
    (void)r;
    return dkvb__terms_read(m, bytes);
}

static dkvb_status parse_evidence(const struct reading *r, struct dkvb__reader bytes, dkvb_model *m)
{
    (void)r;
    return dkvb__evidence_read(m, bytes);
}

/* Reads the name of the encoder from the section "encoder" of a model file: the whole section is the text of the name.
 */
static dkvb_status parse_encoder(const struct reading *r, struct dkvb__reader bytes, dkvb_model *m)
{
    if (bytes.left < 1 || bytes.left > DKVB__MAX_ENCODER)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section encoder has %zu bytes, 1 to %d are wanted", r->file.file.path,
                          bytes.left, DKVB__MAX_ENCODER);
    return take_text(r, &bytes, bytes.left, "encoder", &m->encoder);
}

/* Reads the names of the feature columns from a model file, each with its length before it. */
static dkvb_status parse_columns(const struct reading *r, struct dkvb__reader bytes, dkvb_model *m)
{
    size_t count = r->shape.input_dim;
    char where[320], *to;

    /* the number of column names is checked against the size of the section "columns" before memory for pointers is
     * allocated */
    if (bytes.left / 3 < count)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section columns has %zu bytes for the names of %zu columns",
                          r->file.file.path, bytes.left, count);
    /* In memory, each column name has a NUL at its end instead of the two bytes for its length that it has in a model
     * file. */
    m->columns = dkvb__column_names_alloc(count, bytes.left - count, r->mem);
    if (!m->columns)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the names of %zu columns", count);
    to = (char *)(m->columns + count);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *length = dkvb__take(&bytes, 2);
        size_t size = length ? dkvb__read16(length) : 0;
        const unsigned char *text = size > 0 && size <= DKVB__MAX_NAME ? dkvb__take(&bytes, size) : NULL;

        if (!text)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: section columns: the name of column %zu has no proper length",
                              r->file.file.path, i);
        if (memchr(text, 0, size)) /* a NUL within a column name would end the text in memory too early */
            return dkvb__fail(DKVB_EFORMAT, "%.300s: section columns: the name of column %zu holds a zero byte",
                              r->file.file.path, i);
        m->columns[i] = memcpy(to, text, size);
        to += size + 1;
    }
    if (bytes.left > 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section columns has %zu bytes too many", r->file.file.path,
                          bytes.left);
    snprintf(where, sizeof where, "%.280s: section columns", r->file.file.path);
    return dkvb__column_names_check((const char *const *)m->columns, count, DKVB_EFORMAT, where, r->mem);
}

/* Reads the selection counts of the key-value pairs that this rank holds, class by class. */
static dkvb_status read_own_counts(const struct reading *r, const struct dkvb__section *s, dkvb_model *m)
{
    size_t pairs = dkvb__pair_count(m), own = dkvb__own_pairs(m);
    uint32_t *of_class = dkvb__alloc(r->mem, pairs, sizeof *of_class);
    struct dkvb__checksum_state sum;
    dkvb_status rc = DKVB_OK;

    m->counts = dkvb__alloc(r->mem, r->classes, own * sizeof *m->counts);
    if (!m->counts || !of_class)
        rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the counts of %u classes", r->file.file.path,
                        r->classes);
    dkvb__checksum_begin(&sum);
    for (size_t l = 0; !rc && l < r->classes; l++) {
        rc = dkvb__file_read(&r->file.file, s->offset + l * pairs * sizeof *of_class, of_class,
                             pairs * sizeof *of_class);
        if (rc)
            break;
        dkvb__checksum_add(&sum, of_class, pairs * sizeof *of_class);
        memcpy(dkvb__class_counts_of(m, l), of_class + dkvb__first_pair(m), own * sizeof *of_class);
    }
    dkvb__free_erased(r->mem, of_class);
    if (!rc && dkvb__checksum_end(&sum) != s->checksum)
        rc = dkvb__fail(DKVB_ECHECKSUM, "%.300s: section counts is damaged", r->file.file.path);
    return rc;
}

/* Reads the selection counts of the classes (how often a key-value pair was selected), if the model file has them. Any
 * number in a model file's section of selection counts is a valid count. */
static dkvb_status read_counts(const struct reading *r, dkvb_model *m)
{
    uint64_t size = (uint64_t)r->classes * r->shape.codebooks * r->shape.keys * sizeof *m->counts;
    const struct dkvb__section *s;
    void *place;
    dkvb_status rc;

    if (!dkvb__container_find(&r->file, "counts"))
        return DKVB_OK;
    /* the size of the selection counts in the model file is checked before memory is allocated */
    rc = dkvb__container_need(&r->file, "counts", DKVB_DTYPE_U32, size, &s);
    if (rc)
        return rc;
    if (!r->mapping && r->ranks->count > 1)
        return read_own_counts(r, s, m);
    if (!r->mapping) {
        m->counts = dkvb__alloc(r->mem, (size_t)size, 1);
        if (!m->counts)
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the counts of %u classes", r->file.file.path,
                              r->classes);
    }
    place = m->counts;
    rc = take_array(r, "counts", DKVB_DTYPE_U32, size, &place);
    m->counts = place;
    return rc;
}

/* Reads optional sections of a model file that this library does not know, without a look at their contents. */
static dkvb_status read_extras(const struct reading *r, dkvb_model *m)
{
    m->extras = dkvb__alloc0(r->mem, r->file.count, sizeof *m->extras);
    if (!m->extras)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    for (size_t i = 0; i < r->file.count; i++) {
        const struct dkvb__section *s = &r->file.sections[i];
        struct dkvb__extra *extra = &m->extras[m->extra_count];
        dkvb_status rc = DKVB_OK;

        if (is_known(s->name))
            continue;
        if (r->mapping)
            extra->data = (void *)(uintptr_t)(r->mapping->data + s->offset);
        else
            rc = dkvb__section_read_new(&r->file, s, &extra->data);
        if (rc)
            return rc;
        memcpy(extra->name, s->name, sizeof extra->name);
        extra->dtype = s->dtype;
        extra->size = (size_t)s->size;
        m->extra_count++;
    }
    return DKVB_OK;
}

static dkvb_status read_model(struct reading *r, dkvb_model **out)
{
    dkvb_codebooks *cb;
    dkvb_model *m;
    dkvb_status rc;

    if ((rc = dkvb__container_need_only(&r->file, known_sections, KNOWN_SECTIONS)) != DKVB_OK)
        return rc;
    if ((rc = read_shape(r)) != DKVB_OK)
        return rc;
    if ((rc = read_values_type(r)) != DKVB_OK)
        return rc;
    if ((rc = check_sizes(r)) != DKVB_OK)
        return rc;
    if ((rc = read_valued(r)) != DKVB_OK)
        return rc;
    if ((rc = read_codebooks(r, &cb)) != DKVB_OK)
        return rc;
    rc = dkvb__model_shell(&m, cb, r->classes, r->top_k, r->mem);
    /* the reader of the model file lets go of its codebooks, as the new model is an owner of the codebooks now */
    dkvb_codebooks_free(cb);
    if (rc)
        return rc;
    m->mapping = dkvb__mapping_retain(r->mapping);
    m->rows_trained = r->rows_trained;
    m->trials = r->trials;
    m->temperature = r->temperature;
    m->power = r->power;
    memcpy(m->trained, r->trained, sizeof m->trained);
    m->format_major = r->file.major;
    m->format_minor = r->file.minor;
    m->path = dkvb__strdup(r->mem, r->file.file.path);
    rc = m->path ? read_values(r, m) : dkvb__fail(DKVB_ENOMEM, "out of memory");
    if (!rc)
        rc = read_mask(r, m);
    if (!rc)
        rc = read_parsed(r, "classes", m, parse_names);
    if (!rc)
        rc = read_parsed(r, "journal", m, parse_journal);
    if (!rc && dkvb__container_find(&r->file, "terms"))
        rc = read_parsed(r, "terms", m, parse_terms);
    if (!rc && dkvb__container_find(&r->file, "evidence"))
        rc = read_parsed(r, "evidence", m, parse_evidence);
    if (!rc && dkvb__container_find(&r->file, "encoder"))
        rc = read_parsed(r, "encoder", m, parse_encoder);
    if (!rc && dkvb__container_find(&r->file, "columns"))
        rc = read_parsed(r, "columns", m, parse_columns);
    if (!rc)
        rc = read_counts(r, m);
    if (!rc)
        rc = read_extras(r, m);
    if (!rc)
        rc = dkvb__journal_check(m);
    if (rc) {
        dkvb_model_free(m);
        return rc;
    }
    *out = m;
    return DKVB_OK;
}

static dkvb_status open_model(dkvb_model **out, const char *path, const dkvb_model_options *o, const dkvb_ranks *ranks,
                              bool inspect)
{
    struct reading r = {.inspect = inspect, .ranks = ranks};
    dkvb_allocator mem = dkvb__allocator(o->allocator);
    dkvb_status rc;

    *out = NULL;
    r.mem = &mem;
    rc = dkvb__container_open(&r.file, path, DKVB__KIND_MODEL, &mem);
    if (rc)
        return rc;
    if (o->in_place)
        rc = dkvb__mapping_open(&r.mapping, &r.file.file, &mem);
    if (!rc)
        rc = read_model(&r, out);
    dkvb__free(&mem, r.valued);
    dkvb__mapping_free(r.mapping);
    dkvb__container_close(&r.file);
    return rc;
}

/* True if the bytes of one key are valid: 1 to 127 in its dimensions, and 64 after the last dimension; bytes of purged
 * keys, and of places after the last key, are 0. */
static bool key_is_right(const dkvb_codebooks *cb, size_t c, size_t j, bool dead)
{
    const uint8_t *keys = dkvb__codebook_keys(cb, c);
    size_t dim = cb->shape.key_dim;

    for (size_t i = 0; i < dkvb__quads(dim) * 4; i++) {
        uint8_t x = keys[dkvb__key_offset(j, i, dim)];

        if (dead ? x != 0 : i < dim ? x < 1 || x > 127 : x != DKVB__KEY_ZERO)
            return false;
    }
    return true;
}

/* Checks that every float of a model is finite, that every key is in range, and that purged keys and values are
 * zero. */
static dkvb_status check_contents(const dkvb_model *m)
{
    const dkvb_codebooks *cb = m->codebooks;
    const struct dkvb__shape *s = &cb->shape;
    size_t words = dkvb__key_words(s->keys);
    const char *path = m->path ? m->path : "model";

    if (!dkvb__all_finite(cb->center, s->input_dim) || !dkvb__all_finite(cb->scales, s->codebooks) ||
        (cb->whitening && !dkvb__all_finite(cb->whitening, dkvb__whitening_count(s))) ||
        !dkvb__values_finite(m->values, m->values_dtype, dkvb__own_pairs(m) * m->classes))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: holds numbers that are not finite", path);
    for (size_t c = 0; c < s->codebooks; c++) {
        if (!(cb->scales[c] > 0.0f))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: the scale of codebook %zu is not above 0", path, c);
        for (size_t j = 0; j < words * 64; j++) {
            bool purged = j < s->keys && dkvb__bit(cb->purged + c * words, j);

            if (!key_is_right(cb, c, j, purged || j >= s->keys))
                return dkvb__fail(DKVB_EFORMAT, "%.300s: codebook %zu, key %zu holds bytes that no key has", path, c,
                                  j);
            if (purged && c >= m->first_codebook && c < m->end_codebook &&
                !dkvb__values_zero(dkvb__values_of(m, c * s->keys + j), m->values_dtype, m->classes))
                return dkvb__fail(DKVB_EFORMAT, "%.300s: codebook %zu, key %zu is purged, yet has values", path, c, j);
        }
    }
    return DKVB_OK;
}

/* Checks that the ranks have read the same model: its shape, its codebooks, its trainings and its journal. */
static dkvb_status check_same_file(const dkvb_model *m, const char *path)
{
    const dkvb_ranks *ranks = &m->codebooks->ranks;
    const uint32_t nature[3] = {m->classes, m->top_k, m->values_dtype};
    uint8_t head[32], sum[16], first[16];
    dkvb_status rc;

    dkvb_journal_head(m, head);
    dkvb__fingerprint(sum,
                      (const struct dkvb__piece[]){{nature, sizeof nature},
                                                   {&m->codebooks->shape, sizeof m->codebooks->shape},
                                                   {m->codebooks->birth, 16},
                                                   {m->trained, 16},
                                                   {head, sizeof head}},
                      5);
    memcpy(first, sum, sizeof first);
    rc = dkvb__ranks_broadcast(ranks, first, sizeof first);
    if (!rc && memcmp(first, sum, sizeof sum) != 0)
        rc = dkvb__fail(DKVB_EMISMATCH, "%.300s: the file is another model than the one that rank 0 reads", path);
    return dkvb__ranks_agree(ranks, rc);
}

dkvb_status dkvb_model_load(dkvb_model **out, const char *path, const dkvb_model_options *given)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_ranks ranks = DKVB_RANKS_INIT;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__take_options(&o, sizeof o, given, "model options");
    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (!rc)
        rc = dkvb__ranks_take(&ranks, o.ranks);
    if (!rc && o.in_place > 1)
        rc = dkvb__fail(DKVB_EINVAL, "model options: in_place is %u, it must be 0 or 1", o.in_place);
    if (!rc)
        rc = open_model(out, path, &o, &ranks, false);
    if (!rc && !o.in_place)
        rc = check_contents(*out);
    rc = dkvb__ranks_agree(&ranks, rc);
    if (!rc && ranks.count > 1)
        rc = check_same_file(*out, path);
    if (rc) {
        dkvb_model_free(*out);
        *out = NULL;
    }
    return rc;
}

dkvb_status dkvb__model_take(dkvb_model **out, const struct dkvb__file *file, const dkvb_allocator *mem)
{
    const dkvb_ranks alone = DKVB_RANKS_INIT;
    struct reading r = {.mem = mem, .ranks = &alone};
    dkvb_status rc = dkvb__container_take(&r.file, file, DKVB__KIND_MODEL, mem);

    *out = NULL;
    if (rc)
        return rc;
    rc = read_model(&r, out);
    dkvb__free(mem, r.valued);
    dkvb__container_close(&r.file);
    if (!rc)
        rc = check_contents(*out);
    if (rc) {
        dkvb_model_free(*out);
        *out = NULL;
    }
    return rc;
}

dkvb_status dkvb_model_inspect(const char *path, dkvb_model_info *info)
{
    const dkvb_ranks alone = DKVB_RANKS_INIT;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_model *m;
    dkvb_status rc;

    o.in_place = 1;
    rc = open_model(&m, path, &o, &alone, true);
    if (rc)
        return rc;
    /* information about the model that a caller gets must not point to memory that is freed with the model */
    dkvb__free(&m->mem, m->encoder);
    m->encoder = NULL;
    rc = dkvb_model_get_info(m, info);
    dkvb_model_free(m);
    return rc;
}

/* Checks header, section table and checksums of a mapped model file, in the bytes that the model uses. The checksums of
 * a mapped model file are computed from the mapping, as the file may have been replaced by another file of the same
 * name. */
static dkvb_status check_sums(const dkvb_model *m)
{
    const struct dkvb__file file = dkvb__file_in_memory(m->mapping->data, m->mapping->size, m->path);
    struct dkvb__container c;
    dkvb_status rc = dkvb__container_take(&c, &file, DKVB__KIND_MODEL, &m->mem);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < c.count; i++)
        rc = dkvb__section_check(m->path, &c.sections[i], m->mapping->data + c.sections[i].offset);
    dkvb__container_close(&c);
    return rc;
}

dkvb_status dkvb_model_verify(const dkvb_model *m)
{
    dkvb_status rc = m->mapping ? check_sums(m) : DKVB_OK;

    if (!rc)
        rc = check_contents(m);
    rc = dkvb__model_agree(m, rc);
    if (!rc && m->values_mapped)
        rc = check_all_stored(m);
    if (!rc)
        rc = dkvb__journal_check(m);
    return dkvb__model_agree(m, rc);
}
