/* Codes files: what a codeset holds (docs/format.md). */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "dkvb/data.h"
#include "format/container.h"

enum { SHAPE_SIZE = 40, AT_BIRTH = 16, AT_FLAGS = 32, OWN_KEYS = 1 };
enum { TRAINING_SIZE = 48, AT_LEARNING_RATE = 16, AT_RATE_LAST = 24, AT_TRAINING_SEED = 32, AT_SMOOTHING = 40 };
enum { KEYINIT_SIZE = 56, AT_DECAY = 32, AT_RESTART = 40, AT_KEYINIT_SEED = 48 };

/* Sections of a part: ids, labels, codes. */
static const char *const section_names[DKVB__PARTS][3] = {
    [DKVB_PART_TRAINING] = {"ids", "labels", "codes"},
    [DKVB_PART_HELD_OUT] = {"held_ids", "held_labels", "held_codes"},
};

static void write_double(unsigned char *to, double x)
{
    memcpy(to, &x, sizeof x);
}

static double read_double(const unsigned char *at)
{
    double x;

    memcpy(&x, at, sizeof x);
    return x;
}

static void write_numbers(unsigned char *to, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dkvb__write32(to + 4 * i, numbers[i]);
}

static void write_shape(const dkvb_codeset *set, unsigned char *to)
{
    const uint32_t sizes[4] = {set->codebooks, set->keys, set->part[DKVB_PART_TRAINING].k,
                               set->part[DKVB_PART_HELD_OUT].k};

    memset(to, 0, SHAPE_SIZE);
    write_numbers(to, sizes, 4);
    memcpy(to + AT_BIRTH, set->birth, sizeof set->birth);
    dkvb__write32(to + AT_FLAGS, set->own_keys ? OWN_KEYS : 0);
}

static void write_training(const dkvb_train_options *o, unsigned char *to)
{
    const uint32_t numbers[4] = {o->epochs, o->batch, o->no_shuffle, o->class_weight};

    write_numbers(to, numbers, 4);
    write_double(to + AT_LEARNING_RATE, o->learning_rate);
    write_double(to + AT_RATE_LAST, o->rate_last);
    write_double(to + AT_SMOOTHING, o->label_smoothing);
    dkvb__write64(to + AT_TRAINING_SEED, o->seed);
}

static void write_keyinit(const dkvb_keyinit_options *o, unsigned char *to)
{
    const uint32_t numbers[8] = {o->method, o->codebooks, o->keys, o->key_dim, o->passes, o->batch, o->normalize, 0};

    write_numbers(to, numbers, 8);
    write_double(to + AT_DECAY, o->decay);
    write_double(to + AT_RESTART, o->restart);
    dkvb__write64(to + AT_KEYINIT_SEED, o->seed);
}

dkvb_status dkvb_codeset_save(const dkvb_codeset *set, const char *path)
{
    unsigned char shape[SHAPE_SIZE], training[TRAINING_SIZE], keyinit[KEYINIT_SIZE];
    struct dkvb__part parts[3 + 3 * DKVB__PARTS] = {
        {"shape", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, shape, sizeof shape},
        {"training", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, training, sizeof training},
    };
    size_t count = 2;

    write_shape(set, shape);
    write_training(&set->training, training);
    if (set->own_keys) {
        write_keyinit(&set->keyinit, keyinit);
        parts[count++] =
            (struct dkvb__part){"keyinit", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, keyinit, sizeof keyinit};
    }
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *rows = &set->part[p];
        const char *const *names = section_names[p];

        parts[count++] = (struct dkvb__part){names[0], DKVB_DTYPE_U64, DKVB__SECTION_REQUIRED, rows->ids,
                                             rows->n * sizeof *rows->ids};
        parts[count++] = (struct dkvb__part){names[1], DKVB_DTYPE_I32, DKVB__SECTION_REQUIRED, rows->labels,
                                             rows->n * sizeof *rows->labels};
        parts[count++] = (struct dkvb__part){names[2], DKVB_DTYPE_U16, DKVB__SECTION_REQUIRED, rows->codes,
                                             rows->n * set->codebooks * rows->k * sizeof *rows->codes};
    }
    return dkvb__container_write(path, DKVB__KIND_CODES, parts, count, &set->mem);
}

/* What the library said of the contents, as a fault of the file. */
static dkvb_status bad_contents(const struct dkvb__container *c, dkvb_status rc)
{
    char said[200];

    if (rc != DKVB_EINVAL && rc != DKVB_EMISMATCH)
        return rc;
    strncpy(said, dkvb_last_error(), sizeof said - 1);
    said[sizeof said - 1] = '\0';
    return dkvb__fail(DKVB_EFORMAT, "%.300s: %s", c->file.path, said);
}

static dkvb_status read_small(const struct dkvb__container *c, const char *name, unsigned char *to, size_t size)
{
    const struct dkvb__section *s;
    dkvb_status rc = dkvb__container_need(c, name, DKVB__DTYPE_BYTES, size, &s);

    return rc ? rc : dkvb__section_read(c, s, to);
}

static dkvb_status read_shape(const struct dkvb__container *c, dkvb_codeset **out)
{
    unsigned char b[SHAPE_SIZE];
    struct dkvb__shape shape = {.key_dim = 1, .input_dim = 1};
    uint32_t top_k, depth, flags;
    dkvb_status rc = read_small(c, "shape", b, sizeof b);

    if (rc)
        return rc;
    shape.codebooks = dkvb__read32(b);
    shape.keys = dkvb__read32(b + 4);
    top_k = dkvb__read32(b + 8);
    depth = dkvb__read32(b + 12);
    flags = dkvb__read32(b + AT_FLAGS);
    if (dkvb__shape_check(&shape, "codes file") || top_k < 1 || top_k > depth || depth > shape.keys ||
        flags > OWN_KEYS || dkvb__read32(b + AT_FLAGS + 4) != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: codes of %u x %u pairs, k = %u, %u deep cannot be", c->file.path,
                          shape.codebooks, shape.keys, top_k, depth);
    rc = dkvb__codeset_new(out, b + AT_BIRTH, shape.codebooks, shape.keys, top_k, depth, c->mem);
    if (!rc)
        (*out)->own_keys = flags & OWN_KEYS;
    return rc;
}

static dkvb_status read_training(const struct dkvb__container *c, dkvb_codeset *set)
{
    unsigned char b[TRAINING_SIZE];
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_status rc = read_small(c, "training", b, sizeof b);

    if (rc)
        return rc;
    o.epochs = dkvb__read32(b);
    o.batch = dkvb__read32(b + 4);
    o.no_shuffle = dkvb__read32(b + 8);
    o.class_weight = dkvb__read32(b + 12);
    o.learning_rate = read_double(b + AT_LEARNING_RATE);
    o.rate_last = read_double(b + AT_RATE_LAST);
    o.label_smoothing = read_double(b + AT_SMOOTHING);
    o.seed = dkvb__read64(b + AT_TRAINING_SEED);
    return bad_contents(c, dkvb_codeset_set_training(set, &o));
}

static dkvb_status read_keyinit(const struct dkvb__container *c, dkvb_codeset *set)
{
    unsigned char b[KEYINIT_SIZE];
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
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
    o.normalize = dkvb__read32(b + 24);
    o.decay = read_double(b + AT_DECAY);
    o.restart = read_double(b + AT_RESTART);
    o.seed = dkvb__read64(b + AT_KEYINIT_SEED);
    if (dkvb__read32(b + 28) != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section keyinit uses fields this library does not know", c->file.path);
    return bad_contents(c, dkvb_codeset_set_keyinit(set, &o));
}

static dkvb_status read_rows(const struct dkvb__container *c, dkvb_codeset *set, uint32_t part)
{
    static const uint32_t dtypes[3] = {DKVB_DTYPE_U64, DKVB_DTYPE_I32, DKVB_DTYPE_U16};
    const struct dkvb__section *s[3];
    struct dkvb__coderows *rows = &set->part[part];
    uint64_t row = (uint64_t)set->codebooks * rows->k * sizeof *rows->codes, n;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < 3; i++)
        rc = dkvb__container_need(c, section_names[part][i], dtypes[i], UINT64_MAX, &s[i]);
    if (rc)
        return rc;
    n = s[0]->size / sizeof *rows->ids;
    if (s[0]->size % sizeof *rows->ids || s[1]->size != n * sizeof *rows->labels || s[2]->size / row != n ||
        s[2]->size % row)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: sections %s, %s and %s have %llu, %llu and %llu bytes: not of as many rows",
                          c->file.path, s[0]->name, s[1]->name, s[2]->name, (unsigned long long)s[0]->size,
                          (unsigned long long)s[1]->size, (unsigned long long)s[2]->size);
    if (n == 0)
        return DKVB_OK;
    rc = dkvb__codeset_reserve(set, part, (size_t)n);
    if (!rc)
        rc = dkvb__section_read(c, s[0], rows->ids);
    if (!rc)
        rc = dkvb__section_read(c, s[1], rows->labels);
    if (!rc)
        rc = dkvb__section_read(c, s[2], rows->codes);
    if (!rc)
        rc = bad_contents(c, dkvb__coderows_check(set, part, NULL, rows->ids, rows->labels, rows->codes, (size_t)n));
    if (!rc)
        rows->n = (size_t)n;
    return rc;
}

/* A row is in one of the parts. */
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
    static const char *const names[] = {"shape", "training", "keyinit",     "ids",       "labels",
                                        "codes", "held_ids", "held_labels", "held_codes"};
    dkvb_status rc = dkvb__container_need_only(c, names, sizeof names / sizeof *names);

    if (!rc)
        rc = read_shape(c, out);
    if (!rc)
        rc = read_training(c, *out);
    if (!rc)
        rc = read_keyinit(c, *out);
    for (uint32_t part = 0; !rc && part < DKVB__PARTS; part++)
        rc = read_rows(c, *out, part);
    return rc ? rc : check_parts(c, *out);
}

dkvb_status dkvb_codeset_load(dkvb_codeset **out, const char *path, const dkvb_allocator *given)
{
    dkvb_allocator mem = dkvb__allocator(given);
    struct dkvb__container c;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__check_allocator(given);
    if (rc)
        return rc;
    rc = dkvb__container_open(&c, path, DKVB__KIND_CODES, &mem);
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
