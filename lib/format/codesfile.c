/* Reads and writes codes files, which hold a codeset (docs/format.md). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/parallel.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/codeset.h"
#include "bottleneck/row_types.h"
#include "dkvb/data.h"
#include "format/codesfile.h"
#include "format/modelfile.h"

enum { SHAPE_SIZE = 64, AT_BIRTH = 16, AT_FLAGS = 32, AT_SESSIONS = 36, AT_BITS = 40, AT_COLUMNS = 48, OWN_KEYS = 1 };
enum { UNPACKED = 1 << 20 }; /* number of bytes of packed codes that are read from a codes file at a time */
enum { SESSION_SIZE = 8 + DKVB__TRAINING_SIZE, SALT_SIZE = 32 };
enum { KEYINIT_SIZE = 56, AT_DECAY = 32, AT_RESTART = 40, AT_KEYINIT_SEED = 48, FLAG_NORMALIZE = 1, FLAG_WHITEN = 2 };

/* Sections of a codes file for a part of a codeset (training or held-out rows): ids, labels, codes and features. A
 * codes file has either the codes or the features of a codeset's part (training or held-out rows). */
enum { IDS, LABELS, CODES, FEATURES };
static const char *const section_names[DKVB__PARTS][4] = {
    [DKVB_PART_TRAINING] = {"ids", "labels", "codes", "features"},
    [DKVB_PART_HELD_OUT] = {"held_ids", "held_labels", "held_codes", "held_features"},
};

static void write_numbers(unsigned char *to, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dkvb__write32(to + 4 * i, numbers[i]);
}

/* Returns the number of bits of a packed code of a part of a codeset; 0 if the part keeps features instead of codes. */
static unsigned bits_of(const dkvb_codeset *set, const struct dkvb__coderows *rows)
{
    size_t count = rows->n * set->codebooks * rows->k;

    if (rows->features)
        return 0;
    return dkvb__code_bits(set->keys, rows->codes && dkvb__codes_any_none(rows->codes, count));
}

static void write_shape(const dkvb_codeset *set, const unsigned bits[DKVB__PARTS], unsigned char *to)
{
    const uint32_t sizes[4] = {set->codebooks, set->keys, set->part[DKVB_PART_TRAINING].k,
                               set->part[DKVB_PART_HELD_OUT].k};

    memset(to, 0, SHAPE_SIZE);
    write_numbers(to, sizes, 4);
    memcpy(to + AT_BIRTH, set->birth, sizeof set->birth);
    dkvb__write32(to + AT_FLAGS, set->own_keys ? OWN_KEYS : 0);
    dkvb__write32(to + AT_SESSIONS, set->sessions);
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        dkvb__write32(to + AT_BITS + 4 * p, bits[p]);
        dkvb__write32(to + AT_COLUMNS + 4 * p, bits[p] ? 0 : set->part[p].columns);
    }
}

static void write_sessions(const dkvb_codeset *set, unsigned char *to)
{
    for (uint32_t s = 0; s < set->sessions; s++, to += SESSION_SIZE) {
        dkvb__write32(to, set->session[s].classes);
        dkvb__write32(to + 4, set->session[s].values_dtype);
        dkvb__train_options_pack(&set->session[s].training, to + 8);
    }
}

/* Returns the number of 64-bit words of the set of rows that took part in one session of training. */
static size_t session_words(const dkvb_codeset *set)
{
    return (set->part[DKVB_PART_TRAINING].n + 63) / 64;
}

/* Writes which rows took part in each session of training, one bit for each row: `to` is uint64_t[sessions][words]. */
static void write_session_rows(const dkvb_codeset *set, uint64_t *to)
{
    const struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];

    for (uint32_t s = 0; s < set->sessions; s++, to += session_words(set))
        for (size_t r = 0; r < rows->n; r++)
            to[r / 64] |= (rows->sessions[r] >> s & 1) << (r % 64);
}

static void write_keyinit(const dkvb_keyinit_options *o, unsigned char *to)
{
    const uint32_t flags = (o->normalize ? FLAG_NORMALIZE : 0u) | (o->whiten ? FLAG_WHITEN : 0u);
    const uint32_t numbers[8] = {o->method, o->codebooks, o->keys, o->key_dim,
                                 o->passes, o->batch,     flags,   o->rows_per_key};

    write_numbers(to, numbers, 8);
    dkvb__write_double(to + AT_DECAY, o->decay);
    dkvb__write_double(to + AT_RESTART, o->restart);
    dkvb__write64(to + AT_KEYINIT_SEED, o->seed);
}

/* Codes of a part of a codeset, which are packed while they are written to a codes file. */
struct packed {
    const struct dkvb__coderows *rows;
    struct dkvb__packing packing;
    size_t size; /* number of bytes of the packed code of one row */
    const struct dkvb__run *run;
};

/* Memory of all sections of a codes file that are built before writing. */
struct image {
    unsigned char shape[SHAPE_SIZE], keyinit[KEYINIT_SIZE], sessions[DKVB_CODESET_SESSIONS * SESSION_SIZE];
    uint64_t *session_rows;
    struct packed packed[DKVB__PARTS];
    unsigned char *removed;
    char *names;
    struct dkvb__part parts[7 + 3 * DKVB__PARTS];
    size_t count;
    struct dkvb__run run;
};

static void add_part(struct image *f, const char *name, uint32_t dtype, const void *data, uint64_t size)
{
    f->parts[f->count++] = dkvb__part_of(name, dtype, DKVB__SECTION_REQUIRED, data, size);
}

/* Packs codes for the section of a codes file, beginning at byte `offset` of the section. */
static dkvb_status produce_codes(void *context, uint64_t offset, void *to, size_t size)
{
    const struct packed *p = context;
    size_t first = (size_t)(offset / p->size), codes = (size_t)p->packing.codebooks * p->packing.k;

    dkvb__codes_pack(to, p->rows->codes + first * codes, size / p->size, &p->packing, p->run);
    return DKVB_OK;
}

/* Adds the sections of a part of a codeset to a codes file: ids, labels, and codes or features. */
static void add_rows(struct image *f, const dkvb_codeset *set, uint32_t p, unsigned bits, const struct dkvb__run *run)
{
    const struct dkvb__coderows *rows = &set->part[p];
    uint64_t size = dkvb__coderows_packed_size(set, rows, bits);

    add_part(f, section_names[p][IDS], DKVB_DTYPE_U64, rows->ids, rows->n * sizeof *rows->ids);
    add_part(f, section_names[p][LABELS], DKVB_DTYPE_I32, rows->labels, rows->n * sizeof *rows->labels);
    if (bits == 0) {
        add_part(f, section_names[p][FEATURES], rows->dtype, rows->features,
                 rows->n * dkvb__coderows_feature_size(rows));
        return;
    }
    f->packed[p] = (struct packed){rows, {set->codebooks, rows->k, set->keys, bits, 0}, (size_t)size, run};
    add_part(f, section_names[p][CODES], DKVB__DTYPE_BYTES, NULL, rows->n * size);
    f->parts[f->count - 1].produce = produce_codes;
    f->parts[f->count - 1].context = &f->packed[p];
    f->parts[f->count - 1].unit = (size_t)size;
}

/* Adds the salt and the hashes of removed rows to a codes file, if any row was removed. */
static dkvb_status add_removed(struct image *f, const dkvb_codeset *set)
{
    const struct dkvb__removed *removed = &set->removed;
    size_t size = removed->n * sizeof *removed->hash;

    if (removed->n == 0)
        return DKVB_OK;
    f->removed = dkvb__alloc(&set->mem, SALT_SIZE + size, 1);
    if (!f->removed)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the list of %zu removed rows", removed->n);
    memcpy(f->removed, removed->salt, SALT_SIZE);
    memcpy(f->removed + SALT_SIZE, removed->hash, size);
    add_part(f, "removed", DKVB__DTYPE_BYTES, f->removed, SALT_SIZE + size);
    return DKVB_OK;
}

/* Adds the names of rows to a codes file if rows are named by strings: the salt and, if they are kept, the strings,
 * each with its terminating NUL. */
static dkvb_status add_names(struct image *f, const dkvb_codeset *set)
{
    size_t size = 0;
    char *to;

    if (set->names.salted)
        add_part(f, "name_salt", DKVB__DTYPE_BYTES, set->names.salt, DKVB__NAME_SALT);
    if (!set->names.kept)
        return DKVB_OK;
    for (size_t p = 0; p < DKVB__PARTS; p++)
        for (size_t r = 0; r < set->part[p].n; r++)
            size += strlen(set->part[p].names[r]) + 1;
    f->names = to = dkvb__alloc(&set->mem, size, 1);
    if (!f->names)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the names of rows, %zu bytes", size);
    for (size_t p = 0; p < DKVB__PARTS; p++)
        for (size_t r = 0; r < set->part[p].n; r++)
            to = stpcpy(to, set->part[p].names[r]) + 1;
    add_part(f, "names", DKVB__DTYPE_BYTES, f->names, size);
    return DKVB_OK;
}

static dkvb_status make_image(struct image *f, const dkvb_codeset *set)
{
    size_t words = session_words(set);
    unsigned bits[DKVB__PARTS];
    dkvb_status rc = dkvb__run_take(&f->run, NULL);

    f->session_rows = dkvb__alloc0(&set->mem, set->sessions * words, sizeof *f->session_rows);
    if (!f->session_rows)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the rows of %u sessions", set->sessions);
    for (size_t p = 0; p < DKVB__PARTS; p++)
        bits[p] = bits_of(set, &set->part[p]);
    write_shape(set, bits, f->shape);
    write_sessions(set, f->sessions);
    write_session_rows(set, f->session_rows);
    add_part(f, "shape", DKVB__DTYPE_BYTES, f->shape, sizeof f->shape);
    if (set->own_keys) {
        write_keyinit(&set->keyinit, f->keyinit);
        add_part(f, "keyinit", DKVB__DTYPE_BYTES, f->keyinit, sizeof f->keyinit);
    }
    add_part(f, "sessions", DKVB__DTYPE_BYTES, f->sessions, set->sessions * SESSION_SIZE);
    add_part(f, "session_rows", DKVB_DTYPE_U64, f->session_rows, set->sessions * words * sizeof *f->session_rows);
    if (!rc)
        rc = add_removed(f, set);
    if (!rc)
        rc = add_names(f, set);
    for (uint32_t p = 0; p < DKVB__PARTS; p++)
        add_rows(f, set, p, bits[p], &f->run);
    return rc;
}

dkvb_status dkvb__codeset_write(const dkvb_codeset *set, struct dkvb__output *to)
{
    struct image f = {.count = 0};
    dkvb_status rc = make_image(&f, set);

    if (!rc)
        rc = dkvb__container_write(to, DKVB__KIND_CODES, f.parts, f.count, &set->mem);
    dkvb__free_erased(&set->mem, f.session_rows);
    dkvb__free_erased(&set->mem, f.removed);
    dkvb__free_erased(&set->mem, f.names);
    return rc;
}

dkvb_status dkvb_codeset_save(const dkvb_codeset *set, const char *path)
{
    return dkvb__codeset_write(set, &(struct dkvb__output){.path = path});
}

/* Gives a model file and a codes file, both already on disk, their names, the model first: after a crash in between,
 * the old codes file still has the forgotten rows, and the same forgetting can be made again. */
static dkvb_status name_both(struct dkvb__writer *model, struct dkvb__writer *codes, const char *model_path)
{
    char said[400];
    dkvb_status rc = dkvb__writer_commit(model);

    if (rc) {
        dkvb__writer_abort(codes);
        return rc;
    }
    rc = dkvb__writer_commit(codes);
    if (!rc)
        return DKVB_OK;
    snprintf(said, sizeof said, "%s", dkvb_last_error());
    return dkvb__fail(rc, "%s; %.300s has its new contents already; a forgetting is finished by the same call again",
                      said, model_path);
}

dkvb_status dkvb_model_save_with(const dkvb_model *model, const char *path, const dkvb_codeset *set,
                                 const char *codes_path)
{
    const dkvb_ranks *ranks = &model->codebooks->ranks;
    struct dkvb__writer held, codes;
    dkvb_status rc = dkvb__model_write(model, &(struct dkvb__output){.path = path, .held = &held});

    if (!rc && ranks->rank == 0) {
        rc = dkvb__codeset_write(set, &(struct dkvb__output){.path = codes_path, .held = &codes});
        if (rc)
            dkvb__writer_abort(&held);
        else
            rc = name_both(&held, &codes, path);
    }
    return dkvb__ranks_agree(ranks, rc);
}

/* Turns an error message about the contents of a codeset into a message about its codes file. */
static dkvb_status bad_contents(const struct dkvb__container *c, dkvb_status rc)
{
    if (rc != DKVB_EINVAL && rc != DKVB_EMISMATCH)
        return rc;
    return dkvb__fail_about(DKVB_EFORMAT, "%.300s", c->file.path);
}

static dkvb_status read_small(const struct dkvb__container *c, const char *name, unsigned char *to, size_t size)
{
    const struct dkvb__section *s;
    dkvb_status rc = dkvb__container_need(c, name, DKVB__DTYPE_BYTES, size, &s);

    return rc ? rc : dkvb__section_read(c, s, to);
}

/* The numbers in the section "shape" of a codes file, which depend on each other. */
struct shape {
    uint32_t top_k, depth, flags, sessions, bits[DKVB__PARTS], columns[DKVB__PARTS];
    struct dkvb__shape codes;
};

static bool shape_valid(const struct shape *s, const unsigned char *b)
{
    uint32_t keys = s->codes.keys;

    if (dkvb__shape_check(&s->codes, "codes file") || s->top_k < 1 || s->top_k > s->depth || s->depth > keys ||
        s->flags > OWN_KEYS || s->sessions > DKVB_CODESET_SESSIONS || dkvb__read64(b + SHAPE_SIZE - 8) != 0)
        return false;
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        bool packed = s->bits[p] == dkvb__code_bits(keys, false) || s->bits[p] == dkvb__code_bits(keys, true);

        /* A part of a codeset has either codes or features, and its rows of features have no more columns than
         * codebooks can take. */
        if (packed ? s->columns[p] != 0 : s->bits[p] != 0 || s->columns[p] < 1 || s->columns[p] > DKVB__MAX_INPUT_DIM)
            return false;
    }
    return true;
}

static dkvb_status read_shape(const struct dkvb__container *c, dkvb_codeset **out, struct shape *s)
{
    unsigned char b[SHAPE_SIZE];
    dkvb_status rc = read_small(c, "shape", b, sizeof b);

    if (rc)
        return rc;
    *s = (struct shape){.codes = {.key_dim = 1, .input_dim = 1}};
    s->codes.codebooks = dkvb__read32(b);
    s->codes.keys = dkvb__read32(b + 4);
    s->top_k = dkvb__read32(b + 8);
    s->depth = dkvb__read32(b + 12);
    s->flags = dkvb__read32(b + AT_FLAGS);
    s->sessions = dkvb__read32(b + AT_SESSIONS);
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        s->bits[p] = dkvb__read32(b + AT_BITS + 4 * p);
        s->columns[p] = dkvb__read32(b + AT_COLUMNS + 4 * p);
    }
    if (!shape_valid(s, b))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: codes of %u x %u pairs, k = %u, %u deep, in %u and %u bits, features of %u and %u "
                          "columns, %u sessions cannot be",
                          c->file.path, s->codes.codebooks, s->codes.keys, s->top_k, s->depth, s->bits[0], s->bits[1],
                          s->columns[0], s->columns[1], s->sessions);
    rc = dkvb__codeset_new(out, b + AT_BIRTH, s->codes.codebooks, s->codes.keys, s->top_k, s->depth, c->mem);
    if (!rc)
        (*out)->own_keys = s->flags & OWN_KEYS;
    return rc;
}

static dkvb_status read_sessions(const struct dkvb__container *c, dkvb_codeset *set, uint32_t sessions)
{
    unsigned char b[DKVB_CODESET_SESSIONS * SESSION_SIZE];
    dkvb_status rc = read_small(c, "sessions", b, sessions * SESSION_SIZE);

    for (uint32_t s = 0; !rc && s < sessions; s++) {
        const unsigned char *at = b + s * SESSION_SIZE;
        struct dkvb__session session = {.classes = dkvb__read32(at), .values_dtype = dkvb__read32(at + 4)};

        rc = dkvb__train_options_unpack(&session.training, at + 8);
        if (!rc)
            rc = dkvb__codeset_append_session(set, &session);
    }
    return bad_contents(c, rc);
}

static dkvb_status read_keyinit(const struct dkvb__container *c, dkvb_codeset *set)
{
    unsigned char b[KEYINIT_SIZE];
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    uint32_t flags;
    dkvb_status rc;

    if (!set->own_keys)
        return dkvb__container_find(c, "keyinit")
                   ? dkvb__fail(DKVB_EFORMAT, "%.300s: section keyinit, though keys come from other rows", c->file.path)
                   : DKVB_OK;
    rc = read_small(c, "keyinit", b, sizeof b);
    if (rc)
        return rc;
    o.method = dkvb__read32(b);
    o.codebooks = dkvb__read32(b + 4);
    o.keys = dkvb__read32(b + 8);
    o.key_dim = dkvb__read32(b + 12);
    o.passes = dkvb__read32(b + 16);
    o.batch = dkvb__read32(b + 20);
    flags = dkvb__read32(b + 24);
    o.normalize = (flags & FLAG_NORMALIZE) != 0;
    o.whiten = (flags & FLAG_WHITEN) != 0;
    o.rows_per_key = dkvb__read32(b + 28);
    o.decay = dkvb__read_double(b + AT_DECAY);
    o.restart = dkvb__read_double(b + AT_RESTART);
    o.seed = dkvb__read64(b + AT_KEYINIT_SEED);
    if (flags & ~(uint32_t)(FLAG_NORMALIZE | FLAG_WHITEN))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section keyinit uses fields this library does not know", c->file.path);
    return bad_contents(c, dkvb__codeset_set_keyinit(set, &o));
}

/* Reads packed codes from a codes file and unpacks them, some rows at a time, so that the packed codes of a section
 * need little memory. When codes are read from a file, the checksum of their section is checked first, so that the
 * error message tells damage from impossible codes. Unpacked codes take at most 16 times the memory of the packed codes
 * in the file. */
static dkvb_status read_codes(const struct dkvb__container *c, const struct dkvb__section *s, const dkvb_codeset *set,
                              struct dkvb__coderows *rows, size_t n, unsigned bits)
{
    struct dkvb__packing packing = {set->codebooks, rows->k, set->keys, bits, 0};
    size_t codes = (size_t)set->codebooks * rows->k, size = (size_t)(s->size / n);
    size_t most = UNPACKED / size > 0 ? UNPACKED / size : 1;
    struct dkvb__run run;
    unsigned char *packed;
    dkvb_status rc = dkvb__run_take(&run, NULL);

    if (!rc)
        rc = dkvb__section_verify(c, s);
    if (rc)
        return rc;
    most = most < n ? most : n;
    packed = dkvb__alloc(c->mem, most, size);
    if (!packed)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to read codes", c->file.path);
    for (size_t first = 0, count; !rc && first < n; first += count) {
        count = n - first < most ? n - first : most;
        packing.before = first;
        rc = dkvb__file_read(&c->file, s->offset + (uint64_t)first * size, packed, count * size);
        if (!rc)
            rc = bad_contents(c, dkvb__codes_unpack(rows->codes + first * codes, packed, count, &packing, &run));
    }
    dkvb__free_erased(c->mem, packed);
    return rc;
}

static dkvb_status read_features(const struct dkvb__container *c, const struct dkvb__section *s,
                                 const struct dkvb__coderows *rows, size_t n)
{
    size_t count = n * rows->columns, bad;
    dkvb_status rc = dkvb__section_read(c, s, rows->features);

    if (rc)
        return rc;
    bad = dkvb__row_finite(rows->features, rows->dtype, count);
    if (bad < count)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %s: row %zu, column %zu is not a finite float32", c->file.path,
                          s->name, bad / rows->columns, bad % rows->columns);
    return DKVB_OK;
}

static dkvb_status check_rows(const struct dkvb__container *c, const struct dkvb__coderows *rows, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        if (r > 0 && rows->ids[r] <= rows->ids[r - 1])
            return dkvb__fail(DKVB_EFORMAT, "%.300s: row %zu has id %llu after %llu, ids must ascend", c->file.path, r,
                              (unsigned long long)rows->ids[r], (unsigned long long)rows->ids[r - 1]);
        if (rows->labels[r] < -1)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: row %zu has label %d, it must be -1 or more", c->file.path, r,
                              rows->labels[r]);
    }
    return DKVB_OK;
}

static dkvb_status read_rows(const struct dkvb__container *c, dkvb_codeset *set, uint32_t part,
                             const struct shape *shape)
{
    const char *const *names = section_names[part];
    const struct dkvb__section *ids, *labels,
        *data = dkvb__container_find(c, names[shape->bits[part] ? CODES : FEATURES]);
    struct dkvb__coderows *rows = &set->part[part];
    unsigned bits = shape->bits[part];
    uint32_t dtype = data && bits == 0 ? data->dtype : DKVB__DTYPE_BYTES;
    uint64_t row, n;
    dkvb_status rc = dkvb__container_need(c, names[IDS], DKVB_DTYPE_U64, UINT64_MAX, &ids);

    if (!rc)
        rc = dkvb__container_need(c, names[LABELS], DKVB_DTYPE_I32, UINT64_MAX, &labels);
    if (!rc)
        rc = dkvb__container_need(c, names[bits ? CODES : FEATURES], dtype, UINT64_MAX, &data);
    if (!rc && dkvb__container_find(c, names[bits ? FEATURES : CODES]))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section %s, though %s are kept", c->file.path,
                        names[bits ? FEATURES : CODES], bits ? "codes" : "features");
    if (!rc && bits == 0 && !dkvb__row_type_size(dtype))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section %s holds elements of type %u, which features do not have",
                        c->file.path, data->name, dtype);
    if (rc)
        return rc;
    rows->dtype = bits ? 0 : dtype;
    rows->columns = shape->columns[part];
    row = bits ? dkvb__coderows_packed_size(set, rows, bits) : dkvb__coderows_feature_size(rows);
    n = ids->size / sizeof *rows->ids;
    if (ids->size % sizeof *rows->ids || labels->size != n * sizeof *rows->labels || data->size / row != n ||
        data->size % row)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: sections %s, %s and %s have %llu, %llu and %llu bytes: not of as many rows",
                          c->file.path, ids->name, labels->name, data->name, (unsigned long long)ids->size,
                          (unsigned long long)labels->size, (unsigned long long)data->size);
    if (n == 0) {
        rows->dtype = rows->columns = 0;
        return DKVB_OK;
    }
    rc = dkvb__codeset_reserve(set, part, (size_t)n, bits != 0, bits == 0);
    if (!rc)
        rc = dkvb__section_read(c, ids, rows->ids);
    if (!rc)
        rc = dkvb__section_read(c, labels, rows->labels);
    if (!rc)
        rc = bits ? read_codes(c, data, set, rows, (size_t)n, bits) : read_features(c, data, rows, (size_t)n);
    if (!rc)
        rc = check_rows(c, rows, (size_t)n);
    if (rc)
        return rc;
    memset(rows->sessions, 0, (size_t)n * sizeof *rows->sessions);
    rows->n = (size_t)n;
    return DKVB_OK;
}

/* Reads from a codes file which rows took part in which session of training. The rows of the training part must have
 * been read from the codes file before read_session_rows() is called. */
static dkvb_status read_session_rows(const struct dkvb__container *c, dkvb_codeset *set)
{
    struct dkvb__coderows *rows = &set->part[DKVB_PART_TRAINING];
    size_t words = session_words(set), past = rows->n % 64;
    const struct dkvb__section *s;
    uint64_t *bits;
    void *data;
    dkvb_status rc =
        dkvb__container_need(c, "session_rows", DKVB_DTYPE_U64, (uint64_t)set->sessions * words * sizeof *bits, &s);

    if (!rc)
        rc = dkvb__section_read_new(c, s, &data);
    if (rc)
        return rc;
    bits = data;
    for (uint32_t i = 0; !rc && i < set->sessions; i++, bits += words) {
        if (past && bits[words - 1] >> past)
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section session_rows names rows past the last in session %u",
                            c->file.path, i);
        for (size_t r = 0; !rc && r < rows->n; r++) {
            uint64_t in = bits[r / 64] >> (r % 64) & 1;

            if (in && rows->labels[r] >= 0 && (uint32_t)rows->labels[r] >= set->session[i].classes)
                rc = dkvb__fail(DKVB_EFORMAT, "%.300s: row %zu has label %d, session %u had %u classes", c->file.path,
                                r, rows->labels[r], i, set->session[i].classes);
            rows->sessions[r] |= in << i;
        }
    }
    dkvb__free_erased(c->mem, data);
    return rc;
}

/* Reads from a codes file the salt of the rows' names, and whether names are kept, which must be known before memory
 * for rows is allocated. */
static dkvb_status read_salt(const struct dkvb__container *c, dkvb_codeset *set)
{
    set->names.salted = dkvb__container_find(c, "name_salt") != NULL;
    set->names.kept = dkvb__container_find(c, "names") != NULL;
    if (set->names.kept && !set->names.salted)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section names without section name_salt", c->file.path);
    return set->names.salted ? read_small(c, "name_salt", set->names.salt, DKVB__NAME_SALT) : DKVB_OK;
}

/* Reads the hashes of removed rows from a codes file, ascending. A codes file has the section "removed" only if rows
 * were removed. */
static dkvb_status read_removed(const struct dkvb__container *c, dkvb_codeset *set)
{
    const struct dkvb__section *s = dkvb__container_find(c, "removed");
    struct dkvb__removed *removed = &set->removed;
    void *data;
    dkvb_status rc;

    if (!s)
        return DKVB_OK;
    rc = dkvb__container_need(c, "removed", DKVB__DTYPE_BYTES, UINT64_MAX, &s);
    if (rc)
        return rc;
    if (s->size <= SALT_SIZE || s->size % sizeof *removed->hash)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section removed has %llu bytes, it must have a salt of %d and 8 a row",
                          c->file.path, (unsigned long long)s->size, SALT_SIZE);
    rc = dkvb__section_read_new(c, s, &data);
    if (rc)
        return rc;
    removed->n = ((size_t)s->size - SALT_SIZE) / sizeof *removed->hash;
    removed->hash = dkvb__alloc(c->mem, removed->n, sizeof *removed->hash);
    if (removed->hash) {
        memcpy(removed->salt, data, SALT_SIZE);
        memcpy(removed->hash, (char *)data + SALT_SIZE, removed->n * sizeof *removed->hash);
    } else {
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the list of %zu removed rows", removed->n);
        removed->n = 0;
    }
    dkvb__free(c->mem, data);
    for (size_t i = 1; !rc && i < removed->n; i++)
        if (removed->hash[i] <= removed->hash[i - 1])
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section removed: hash %zu does not ascend", c->file.path, i);
    return rc;
}

/* Copies the next name of a row from the section of names, at `*at`, into newly allocated memory, `*name`. */
static dkvb_status take_name(const struct dkvb__container *c, const dkvb_codeset *set, const char **at, const char *end,
                             char **name, uint64_t id)
{
    const char *zero = memchr(*at, 0, (size_t)(end - *at));

    if (!zero)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section names ends before the name of the row with id %llu",
                          c->file.path, (unsigned long long)id);
    if (dkvb__row_name_check(*at) || dkvb__row_name_id(set->names.salt, *at) != id)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section names: the name of the row with id %llu has another hash",
                          c->file.path, (unsigned long long)id);
    *name = dkvb__strdup(c->mem, *at);
    *at = zero + 1;
    return *name ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the names of rows");
}

/* Reads the names of rows from a codes file, if it keeps names: first the names of the training part, then the names
 * of the held-out part, each part by ascending id. */
static dkvb_status read_names(const struct dkvb__container *c, dkvb_codeset *set)
{
    const struct dkvb__section *s = dkvb__container_find(c, "names");
    const char *at, *end;
    void *data;
    dkvb_status rc;

    if (!s)
        return DKVB_OK;
    rc = dkvb__container_need(c, "names", DKVB__DTYPE_BYTES, UINT64_MAX, &s);
    if (!rc)
        rc = dkvb__section_read_new(c, s, &data);
    if (rc)
        return rc;
    at = data;
    end = at + s->size;
    for (size_t p = 0; p < DKVB__PARTS; p++)
        for (size_t r = 0; !rc && r < set->part[p].n; r++)
            rc = take_name(c, set, &at, end, &set->part[p].names[r], set->part[p].ids[r]);
    if (!rc && at < end)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section names has %zu bytes behind the last name", c->file.path,
                        (size_t)(end - at));
    dkvb__free_erased(c->mem, data);
    return rc;
}

/* Checks that no row of a codes file is in both the training part and the held-out part. */
static dkvb_status check_parts(const struct dkvb__container *c, const dkvb_codeset *set)
{
    const struct dkvb__coderows *held = &set->part[DKVB_PART_HELD_OUT];

    for (size_t i = 0; i < held->n; i++)
        if (dkvb__coderows_find(&set->part[DKVB_PART_TRAINING], held->ids[i]) < set->part[DKVB_PART_TRAINING].n)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: id %llu is in both parts", c->file.path,
                              (unsigned long long)held->ids[i]);
    return DKVB_OK;
}

static dkvb_status read_codeset(const struct dkvb__container *c, dkvb_codeset **out)
{
    static const char *const names[] = {"shape",     "keyinit",  "sessions",    "session_rows", "removed",
                                        "name_salt", "names",    "ids",         "labels",       "codes",
                                        "features",  "held_ids", "held_labels", "held_codes",   "held_features"};
    struct shape shape;
    dkvb_status rc = dkvb__container_need_only(c, names, sizeof names / sizeof *names);

    if (!rc)
        rc = read_shape(c, out, &shape);
    if (!rc)
        rc = read_keyinit(c, *out);
    if (!rc)
        rc = read_sessions(c, *out, shape.sessions);
    if (!rc)
        rc = read_salt(c, *out);
    for (uint32_t part = 0; !rc && part < DKVB__PARTS; part++)
        rc = read_rows(c, *out, part, &shape);
    if (!rc)
        rc = read_names(c, *out);
    if (!rc)
        rc = read_session_rows(c, *out);
    if (!rc)
        rc = read_removed(c, *out);
    return rc ? rc : check_parts(c, *out);
}

dkvb_status dkvb__codeset_take(dkvb_codeset **out, const struct dkvb__file *file, const dkvb_allocator *mem)
{
    struct dkvb__container c;
    dkvb_status rc = dkvb__container_take(&c, file, DKVB__KIND_CODES, mem);

    *out = NULL;
    if (rc)
        return rc;
    rc = read_codeset(&c, out);
    dkvb__container_close(&c);
    if (rc) {
        dkvb_codeset_free(*out);
        *out = NULL;
    }
    return rc;
}

dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path, const dkvb_codebooks *codebooks,
                              const dkvb_allocator *given)
{
    dkvb_allocator mem = dkvb__allocator(given);
    struct dkvb__file file;
    dkvb_status rc = dkvb__check_allocator(given);

    *out = NULL;
    if (!rc)
        rc = dkvb__file_open(&file, path);
    if (!rc)
        rc = dkvb__codeset_take(out, &file, &mem);
    if (!rc && codebooks && dkvb__codeset_check(*out, codebooks) != DKVB_OK) {
        rc = dkvb__fail_about(DKVB_EMISMATCH, "%.300s", path);
        dkvb_codeset_free(*out);
        *out = NULL;
    }
    return rc;
}
