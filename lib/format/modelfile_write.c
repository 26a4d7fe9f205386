#include <float.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "bottleneck/model.h"
#include "bottleneck/value_types.h"
#include "dkvb/data.h"
#include "format/container.h"
#include "format/modelfile.h"
#include "format/valued.h"
#include "format/values_ranks.h"

static void write_shape(const dkvb_model *m, unsigned char *to)
{
    const struct dkvb__shape *s = &m->codebooks->shape;
    const uint32_t sizes[6] = {s->codebooks, s->keys, s->key_dim, s->input_dim, m->classes, m->top_k};

    memset(to, 0, DKVB__SHAPE_SIZE);
    for (size_t i = 0; i < 6; i++)
        dkvb__write32(to + 4 * i, sizes[i]);
    dkvb__write32(to + DKVB__AT_FLAGS, (m->codebooks->normalize ? DKVB__FLAG_NORMALIZE : 0u) |
                                           (m->codebooks->whitening ? DKVB__FLAG_WHITENED : 0u));
    dkvb__write32(to + DKVB__AT_TRIALS, m->trials);
    dkvb__write64(to + DKVB__AT_ROWS, m->rows_trained);
    memcpy(to + DKVB__AT_BIRTH, m->codebooks->birth, sizeof m->codebooks->birth);
    dkvb__write64(to + DKVB__AT_SEED, m->codebooks->seed);
    dkvb__write_double(to + DKVB__AT_TEMPERATURE, m->temperature);
    dkvb__write_double(to + DKVB__AT_POWER, m->power);
    memcpy(to + DKVB__AT_TRAINED, m->trained, sizeof m->trained);
}

static size_t names_size(const dkvb_model *m)
{
    size_t size = 0;

    for (size_t l = 0; l < m->classes; l++)
        size += 2 + (m->names[l] ? strlen(m->names[l]) : 0);
    return size;
}

static void write_names(const dkvb_model *m, unsigned char *to)
{
    for (size_t l = 0; l < m->classes; l++) {
        size_t length = m->names[l] ? strlen(m->names[l]) : 0;

        dkvb__write16(to, (uint16_t)length);
        if (length > 0)
            memcpy(to + 2, m->names[l], length);
        to += 2 + length;
    }
}

static size_t columns_size(const dkvb_model *m)
{
    size_t size = 0;

    for (size_t i = 0; m->columns && i < m->codebooks->shape.input_dim; i++)
        size += 2 + strlen(m->columns[i]);
    return size;
}

static void write_columns(const dkvb_model *m, unsigned char *to)
{
    for (size_t i = 0; m->columns && i < m->codebooks->shape.input_dim; i++) {
        size_t length = strlen(m->columns[i]);

        dkvb__write16(to, (uint16_t)length);
        memcpy(to + 2, m->columns[i], length);
        to += 2 + length;
    }
}

static size_t list_size(const struct dkvb__record *r)
{
    return r->list ? (size_t)r->pairs * sizeof *r->list : 0;
}

static size_t journal_size(const struct dkvb__journal *j)
{
    size_t size = 8;

    for (size_t i = 0; i < j->count; i++) {
        const struct dkvb__record *r = &j->records[i];

        size += DKVB__RECORD_SIZE + strlen(r->method) + strlen(r->reason) + list_size(r);
    }
    return size;
}

/* Writes the record of one journal entry at `to`, and returns the place of the next record. */
static unsigned char *write_record(const struct dkvb__record *r, unsigned char *to)
{
    size_t method = strlen(r->method), reason = strlen(r->reason);

    memset(to, 0, DKVB__RECORD_SIZE);
    dkvb__write32(to, r->kind);
    dkvb__write32(to + 4, r->list ? DKVB__RECORD_HAS_LIST : 0);
    dkvb__write64(to + DKVB__AT_ENDS, r->ends);
    dkvb__write64(to + DKVB__AT_TIME, (uint64_t)r->time);
    dkvb__write64(to + DKVB__AT_PAIRS, r->pairs);
    dkvb__write64(to + DKVB__AT_PAIRS_NEW, r->pairs_new);
    dkvb__write16(to + DKVB__AT_METHOD_SIZE, (uint16_t)method);
    dkvb__write16(to + DKVB__AT_REASON_SIZE, (uint16_t)reason);
    to += DKVB__RECORD_SIZE;
    memcpy(to, r->method, method);
    memcpy(to + method, r->reason, reason);
    if (r->list)
        memcpy(to + method + reason, r->list, list_size(r));
    return to + method + reason + list_size(r);
}

static void write_journal(const struct dkvb__journal *j, unsigned char *to)
{
    dkvb__write64(to, j->count);
    to += 8;
    for (size_t i = 0; i < j->count; i++)
        to = write_record(&j->records[i], to);
}

/* the constant VALUES is the index of the section of values in the array of known sections */
enum { VALUES = 8, KNOWN_PARTS, OPTIONAL_PARTS = 8 };

dkvb_status dkvb__model_write(const dkvb_model *m, struct dkvb__output *to)
{
    const dkvb_codebooks *cb = m->codebooks;
    const dkvb_ranks *ranks = &cb->ranks;
    const struct dkvb__shape *s = &cb->shape;
    size_t names = names_size(m), journal = journal_size(&m->journal), words = dkvb__word_count(s);
    size_t terms = dkvb__terms_section_size(&m->journal), evidence = dkvb__evidence_size(&m->journal);
    size_t columns = columns_size(m);
    size_t count = KNOWN_PARTS;
    size_t pairs = dkvb__pair_count(m), row = m->classes * dkvb__value_size(m->values_dtype), stored = pairs;
    unsigned char shape[DKVB__SHAPE_SIZE], *small;
    uint64_t *valued;
    struct dkvb__valued_rows walk = {.model = m};
    struct dkvb__values_ranks from_ranks = {.model = m};
    const float lengths[2] = {cb->least, cb->greatest};
    struct dkvb__part *parts;
    dkvb_status rc = DKVB_OK;

    if (m->training)
        return dkvb__fail(DKVB_ESTATE, "the model is in training: end or abort that before saving");
    if (m->mapping && (rc = dkvb_model_verify(m)) != DKVB_OK)
        /* a mapped model that is damaged is not saved, as the checksum of the new file would hide the damage */
        return rc;
    small = dkvb__alloc(&m->mem, names + journal + evidence + terms + columns, 1);
    parts = dkvb__alloc(&m->mem, KNOWN_PARTS + OPTIONAL_PARTS + m->extra_count, sizeof *parts);
    valued = dkvb__alloc(&m->mem, words, sizeof *valued);
    if (!small || !parts || !valued)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory to save %.300s", to->path ? to->path : "a model");
    rc = dkvb__ranks_agree(ranks, rc);
    if (!rc)
        rc = dkvb__valued_choose(m, valued, &stored);
    if (rc)
        goto end;
    write_shape(m, shape);
    write_names(m, small);
    write_journal(&m->journal, small + names);
    dkvb__evidence_write(&m->journal, small + names + journal);
    dkvb__terms_write(&m->journal, small + names + journal + evidence);
    write_columns(m, small + names + journal + evidence + terms);
    walk.bits = valued;
    from_ranks.bits = stored < pairs ? valued : NULL;
    const struct dkvb__part known[KNOWN_PARTS] = {
        dkvb__part_of("shape", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, shape, sizeof shape),
        dkvb__part_of("classes", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, small, names),
        dkvb__part_of("journal", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, small + names, journal),
        dkvb__part_of("mask", DKVB_DTYPE_U64, DKVB__SECTION_REQUIRED, m->mask->bits, words * sizeof(uint64_t)),
        dkvb__part_of("purged", DKVB_DTYPE_U64, DKVB__SECTION_REQUIRED, cb->purged, words * sizeof(uint64_t)),
        dkvb__part_of("center", DKVB_DTYPE_F32, DKVB__SECTION_REQUIRED, cb->center, s->input_dim * sizeof(float)),
        dkvb__part_of("scales", DKVB_DTYPE_F32, DKVB__SECTION_REQUIRED, cb->scales, s->codebooks * sizeof(float)),
        dkvb__part_of("keys", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, cb->keys, s->codebooks * dkvb__key_bytes(s)),
        dkvb__part_of("values", m->values_dtype, DKVB__SECTION_REQUIRED, m->values, stored * row),
    };
    memcpy(parts, known, sizeof known);
    if (cb->whitening)
        parts[count++] = dkvb__part_of("whitening", DKVB_DTYPE_F32, DKVB__SECTION_REQUIRED, cb->whitening,
                                       dkvb__whitening_count(s) * sizeof(float));
    if (stored < pairs || ranks->count > 1) {
        parts[VALUES].produce = ranks->count > 1 ? dkvb__values_ranks_produce : dkvb__valued_produce;
        parts[VALUES].context = ranks->count > 1 ? (void *)&from_ranks : &walk;
        parts[VALUES].unit = row;
    }
    if (stored < pairs) {
        parts[count++] =
            dkvb__part_of("valued", DKVB_DTYPE_U64, DKVB__SECTION_REQUIRED, valued, words * sizeof *valued);
    }
    if (lengths[0] > 0.0f || lengths[1] < FLT_MAX)
        parts[count++] = dkvb__part_of("lengths", DKVB_DTYPE_F32, 0, lengths, sizeof lengths);
    if (terms)
        parts[count++] = dkvb__part_of("terms", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED,
                                       small + names + journal + evidence, terms);
    parts[count++] = dkvb__part_of("evidence", DKVB__DTYPE_BYTES, 0, small + names + journal, evidence);
    if (m->encoder)
        parts[count++] = dkvb__part_of("encoder", DKVB__DTYPE_BYTES, 0, m->encoder, strlen(m->encoder));
    if (columns)
        parts[count++] =
            dkvb__part_of("columns", DKVB__DTYPE_BYTES, 0, small + names + journal + evidence + terms, columns);
    if (m->counts)
        parts[count++] = (struct dkvb__part){.name = "counts",
                                             .dtype = DKVB_DTYPE_U32,
                                             .data = m->counts,
                                             .size = m->classes * pairs * sizeof *m->counts,
                                             .produce = ranks->count > 1 ? dkvb__counts_ranks_produce : NULL,
                                             .context = &from_ranks,
                                             .unit = pairs * sizeof *m->counts};
    for (size_t i = 0; i < m->extra_count; i++)
        parts[count++] = dkvb__part_of(m->extras[i].name, m->extras[i].dtype, 0, m->extras[i].data, m->extras[i].size);
    if (ranks->rank == 0)
        rc = dkvb__container_write(to, DKVB__KIND_MODEL, parts, count, &m->mem);
    if (ranks->count > 1) {
        dkvb_status moved =
            ranks->rank == 0 ? dkvb__values_ranks_end(&from_ranks) : dkvb__values_ranks_serve(&from_ranks);

        rc = dkvb__ranks_agree(ranks, rc ? rc : moved);
    }

end:
    dkvb__free_erased(&m->mem, small);
    dkvb__free(&m->mem, parts);
    dkvb__free(&m->mem, valued);
    return rc;
}

dkvb_status dkvb_model_save(const dkvb_model *m, const char *path)
{
    return dkvb__model_write(m, &(struct dkvb__output){.path = path});
}
