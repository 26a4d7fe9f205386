#include "bottleneck/model.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/sort.h"
#include "base/status.h"
#include "base/unicode.h"
#include "base/widen.h"
#include "bottleneck/sums.h"
#include "bottleneck/value_types.h"
#include "dkvb/calibration.h"
#include "dkvb/data.h"

bool dkvb__value_count(size_t *count, const struct dkvb__shape *shape, uint32_t classes)
{
    size_t bytes;

    return !dkvb__mul_overflow(count, (size_t)shape->codebooks * shape->keys, classes) &&
           !dkvb__mul_overflow(&bytes, *count, sizeof(float));
}

void dkvb__model_deal(dkvb_model *m)
{
    const dkvb_ranks *ranks = &m->codebooks->ranks;
    size_t codebooks = m->codebooks->shape.codebooks, groups = dkvb__groups(m);

    m->first_group = dkvb__ranks_first(ranks, groups, ranks->rank);
    m->end_group = dkvb__ranks_first(ranks, groups, ranks->rank + 1);
    m->first_codebook = m->first_group * DKVB__GROUP;
    m->end_codebook = m->end_group < groups ? m->end_group * DKVB__GROUP : codebooks;
}

void dkvb__pairs_of_ranks(const dkvb_model *m, size_t *first)
{
    const dkvb_ranks *ranks = &m->codebooks->ranks;
    size_t groups = dkvb__groups(m);

    for (uint32_t r = 0; r <= ranks->count; r++) {
        size_t group = dkvb__ranks_first(ranks, groups, r);

        first[r] = group < groups ? group * DKVB__GROUP * m->codebooks->shape.keys : dkvb__pair_count(m);
    }
}

void *dkvb__values_of(const dkvb_model *m, size_t pair)
{
    return (char *)m->values + (pair - dkvb__first_pair(m)) * (m->classes * dkvb__value_size(m->values_dtype));
}

dkvb_status dkvb__values_to_first(const dkvb_model *m, dkvb__take_values_fn take, void *context)
{
    enum { PIECE = 64 << 20 };
    const dkvb_ranks *ranks = &m->codebooks->ranks;
    size_t row = m->classes * dkvb__value_size(m->values_dtype), pairs = dkvb__pair_count(m);
    size_t most = row < PIECE ? PIECE / row : 1, first[DKVB_RANKS_COUNT + 1];
    size_t to[DKVB_RANKS_COUNT] = {0}, from[DKVB_RANKS_COUNT] = {0}, end;
    char *piece = NULL;
    dkvb_status rc;

    if (ranks->count == 1)
        return take(context, m->values, pairs * row);
    dkvb__pairs_of_ranks(m, first);
    most = most < pairs ? most : pairs;
    if (ranks->rank == 0)
        piece = dkvb__alloc(&m->mem, most, row);
    rc =
        ranks->rank > 0 || piece ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the values of %zu pairs", most);
    rc = dkvb__ranks_agree(ranks, rc);
    for (size_t at = 0; !rc && at < pairs; at = end) {
        const char *mine = m->values;

        end = pairs - at < most ? pairs : at + most;
        for (uint32_t r = 0; r < ranks->count; r++) {
            size_t low = first[r] > at ? first[r] : at, high = first[r + 1] < end ? first[r + 1] : end;
            size_t size = high > low ? (high - low) * row : 0;

            if (ranks->rank == 0)
                from[r] = size;
            if (r == ranks->rank) {
                to[0] = size;
                mine += size ? (low - first[r]) * row : 0;
            }
        }
        rc = dkvb__ranks_exchange(ranks, mine, to, piece, from);
        if (!rc)
            rc = dkvb__ranks_agree(ranks, piece ? take(context, piece, (end - at) * row) : DKVB_OK);
    }
    dkvb__free_erased(&m->mem, piece);
    return rc;
}

/* Returns the number of values that this rank (process) holds, as ranks may share a model. */
static size_t own_values(const dkvb_model *m)
{
    return dkvb__own_pairs(m) * m->classes;
}

dkvb_status dkvb__model_shell(dkvb_model **out, dkvb_codebooks *cb, uint32_t classes, uint32_t top_k,
                              const dkvb_allocator *mem)
{
    dkvb_model *m = dkvb__alloc0(mem, 1, sizeof *m);
    dkvb_status rc;

    *out = NULL;
    if (!m)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    m->mem = *mem;
    m->codebooks = dkvb_codebooks_retain(cb);
    dkvb__model_deal(m);
    m->classes = classes;
    m->top_k = top_k;
    m->values_dtype = DKVB_DTYPE_F16;
    m->temperature = 1.0;
    m->format_major = DKVB__FORMAT_MAJOR;
    m->format_minor = DKVB__FORMAT_MINOR;
    m->names = dkvb__alloc0(mem, classes, sizeof *m->names);
    rc = m->names ? dkvb__mask_new(&m->mask, cb->birth, cb->shape.codebooks, cb->shape.keys, mem)
                  : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", classes);
    if (rc) {
        dkvb_model_free(m);
        return rc;
    }
    *out = m;
    return DKVB_OK;
}

dkvb_status dkvb_model_new(dkvb_model **out, dkvb_codebooks *cb, uint32_t classes, const dkvb_model_options *given)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_allocator mem;
    dkvb_model *m;
    size_t count;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__take_options(&o, sizeof o, given, "model options");
    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (!rc)
        rc = dkvb__codebooks_need_frozen(cb);
    if (rc)
        return rc;
    if (classes < 1 || classes > DKVB__MAX_CLASSES)
        return dkvb__fail(DKVB_EINVAL, "model: %u classes, 1 to %d are wanted", classes, DKVB__MAX_CLASSES);
    if (o.top_k < 1 || o.top_k > cb->shape.keys)
        return dkvb__fail(DKVB_EINVAL, "model: top_k is %u, 1 to %u is wanted", o.top_k, cb->shape.keys);
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__model_shell(&m, cb, classes, o.top_k, &mem);
    if (!rc && dkvb__value_count(&count, &cb->shape, classes))
        m->values = dkvb__alloc0(&mem, own_values(m), dkvb__value_size(m->values_dtype));
    if (!rc && !m->values)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u x %u values of %u classes", cb->shape.codebooks,
                        cb->shape.keys, classes);
    rc = dkvb__ranks_agree(&cb->ranks, rc);
    if (rc) {
        dkvb_model_free(m);
        return rc;
    }
    m->blank = true;
    *out = m;
    return DKVB_OK;
}

/* Frees the values of a model. Values that are all zero need no erasing, and the system never gave memory to most of
 * their pages. */
void dkvb__values_free(dkvb_model *m)
{
    if (m->blank)
        dkvb__free(&m->mem, m->values);
    else
        dkvb__free_erased(&m->mem, m->values);
    m->values = NULL;
    m->roomy = false;
}

void dkvb__values_lose(dkvb_model *m)
{
    dkvb__erase(m->values, own_values(m) * dkvb__value_size(m->values_dtype));
    memset(m->trained, 0, sizeof m->trained);
    /* the unused end of a block of values that has room for float32 may still hold numbers, which must be erased with
     * the block */
    m->blank = false;
    m->rows_trained = 0;
}

dkvb_status dkvb__model_need_values(const dkvb_model *m)
{
    if (m->values)
        return DKVB_OK;
    return dkvb__fail(DKVB_ESTATE, "the values of the model are being trained in place: wait until the training ends");
}

dkvb_status dkvb__model_twin(dkvb_model **out, const dkvb_model *m)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_status rc;

    o.top_k = m->top_k;
    o.allocator = &m->mem;
    rc = dkvb_model_new(out, m->codebooks, m->classes, &o);
    if (!rc)
        rc = dkvb_model_set_values(*out, NULL, m->values_dtype);
    if (rc) {
        dkvb_model_free(*out);
        *out = NULL;
        return rc;
    }
    if (!m->blank)
        memcpy((*out)->values, m->values, own_values(m) * dkvb__value_size(m->values_dtype));
    (*out)->blank = m->blank;
    (*out)->rows_trained = m->rows_trained;
    (*out)->trials = m->trials;
    memcpy((*out)->trained, m->trained, sizeof m->trained);
    (*out)->temperature = m->temperature;
    (*out)->power = m->power;
    memcpy((*out)->mask->bits, m->mask->bits, dkvb__word_count(&m->codebooks->shape) * sizeof *m->mask->bits);
    return DKVB_OK;
}

void dkvb__model_become(dkvb_model *m, dkvb_model *twin)
{
    dkvb__values_free(m);
    m->values = twin->values;
    m->roomy = twin->roomy;
    twin->values = NULL;
    m->blank = twin->blank;
    m->rows_trained = twin->rows_trained;
    m->trials = twin->trials;
    memcpy(m->trained, twin->trained, sizeof m->trained);
    m->temperature = twin->temperature;
    m->power = twin->power;
    dkvb_model_free(twin);
}

void dkvb__record_clear(struct dkvb__record *record, const dkvb_allocator *mem)
{
    dkvb__free(mem, record->method);
    dkvb__free(mem, record->reason);
    dkvb__free(mem, record->terms);
    dkvb__free_erased(mem, record->list);
    /* the struct of a journal entry is erased, as the salt of a commitment lies in it */
    dkvb__erase(record, sizeof *record);
}

void dkvb__training_free(dkvb_model *model)
{
    struct dkvb__training *t = model->training;

    if (!t)
        return;
    if (t->in_place && !model->values) {
        model->values = t->values;
        model->roomy = true;
        t->values = NULL;
        dkvb__values_lose(model);
    }
    dkvb__free_erased(&model->mem, t->values);
    dkvb__free_erased(&model->mem, t->row);
    dkvb__free(&model->mem, t->taught);
    dkvb__free(&model->mem, t);
    model->training = NULL;
}

void dkvb_model_free(dkvb_model *m)
{
    dkvb_allocator mem;

    if (!m)
        return;
    mem = m->mem;
    dkvb__training_free(m);
    for (size_t i = 0; i < m->journal.count; i++)
        dkvb__record_clear(&m->journal.records[i], &mem);
    dkvb__free_erased(&mem, m->journal.records);
    for (size_t i = 0; !m->mapping && i < m->extra_count; i++)
        dkvb__free_erased(&mem, m->extras[i].data);
    dkvb__free(&mem, m->extras);
    for (size_t l = 0; m->names && l < m->classes; l++)
        dkvb__free(&mem, m->names[l]);
    dkvb__free(&mem, m->names);
    dkvb__free(&mem, m->encoder);
    dkvb__free(&mem, m->columns);
    if (!m->values_mapped)
        dkvb__values_free(m);
    if (!m->mapping)
        dkvb__free_erased(&mem, m->counts);
    dkvb_mask_free(m->mask);
    dkvb_codebooks_free(m->codebooks);
    dkvb__mapping_free(m->mapping);
    dkvb__free(&mem, m->path);
    dkvb__free(&mem, m);
}

dkvb_status dkvb__model_need_mutable(const dkvb_model *model)
{
    if (model->mapping)
        return dkvb__fail(DKVB_ESTATE, "%.300s: the model is mapped and cannot be changed: load it instead",
                          model->path);
    if (model->training)
        return dkvb__fail(DKVB_ESTATE, "the model is in training: end or abort that first");
    return DKVB_OK;
}

dkvb_status dkvb_model_get_info(const dkvb_model *m, dkvb_model_info *info)
{
    dkvb_codebooks_info cb = DKVB_CODEBOOKS_INFO_INIT;
    dkvb_model_info full = DKVB_MODEL_INFO_INIT;
    dkvb_status rc = dkvb_codebooks_get_info(m->codebooks, &cb);

    if (rc)
        return rc;
    full.codebooks = cb.codebooks;
    full.keys = cb.keys;
    full.key_dim = cb.key_dim;
    full.input_dim = cb.input_dim;
    full.classes = m->classes;
    full.top_k = m->top_k;
    full.normalize = cb.normalize;
    full.mapped = m->mapping != NULL;
    full.format_major = m->format_major;
    full.format_minor = m->format_minor;
    full.masked_pairs = dkvb__mask_count(m->mask);
    full.purged_pairs = cb.purged_pairs;
    full.journal_entries = m->journal.count;
    full.rows_trained = m->rows_trained;
    full.trials = m->trials;
    memcpy(full.birth, cb.birth, sizeof full.birth);
    full.values_dtype = m->values_dtype;
    full.class_counts = m->counts != NULL;
    full.temperature = m->temperature;
    full.temperature_power = m->power;
    memcpy(full.trained, m->trained, sizeof full.trained);
    full.encoder = m->encoder;
    return dkvb__give_info(info, &full, sizeof full, "model info");
}

dkvb_codebooks *dkvb_model_codebooks(const dkvb_model *model)
{
    return model->codebooks;
}

dkvb_status dkvb__model_get_mask(const dkvb_model *model, dkvb_mask **out)
{
    dkvb_status rc = dkvb_mask_copy(out, model->mask);

    if (rc)
        return rc;
    for (size_t c = 0; c < model->codebooks->shape.codebooks; c++)
        for (size_t w = 0; w < model->mask->words; w++)
            (*out)->bits[c * model->mask->words + w] |= model->codebooks->purged[c * model->mask->words + w];
    return DKVB_OK;
}

dkvb_status dkvb_model_get_values(const dkvb_model *model, float *out)
{
    size_t first[DKVB_RANKS_COUNT + 1];
    dkvb_status rc = dkvb__model_need_values(model);

    if (rc)
        return rc;
    dkvb__widen(out + dkvb__first_pair(model) * model->classes, model->values, model->values_dtype, own_values(model));
    dkvb__pairs_of_ranks(model, first);
    return dkvb__ranks_share(&model->codebooks->ranks, out, first, model->classes * sizeof *out);
}

dkvb_status dkvb_model_set_temperature(dkvb_model *model, double temperature, double power)
{
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (!rc)
        rc = dkvb__temperature_check(temperature, power, DKVB_EINVAL, "model");
    if (rc)
        return rc;
    model->temperature = temperature;
    model->power = power;
    return DKVB_OK;
}

/* Copies rows of values of `from_size` bytes to the starts of longer rows of `to_size` bytes. */
static void spread_rows(char *to, const char *from, size_t rows, size_t to_size, size_t from_size)
{
    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * to_size, from + i * from_size, from_size);
}

/* New arrays for a model that gets more classes. In the struct `widened`, the pointer to a new array is NULL if the
 * model needs no such array. */
struct widened {
    void *values;
    char **names;
    uint32_t *counts;
};

static void widened_free(struct widened *w, const dkvb_model *model)
{
    dkvb__free(&model->mem, w->names);
    dkvb__free(&model->mem, w->values);
    dkvb__free(&model->mem, w->counts);
}

static dkvb_status widened_new(struct widened *w, const dkvb_model *model, uint32_t classes)
{
    size_t count;
    bool fits = dkvb__value_count(&count, &model->codebooks->shape, classes);

    *w = (struct widened){0};
    w->names = dkvb__alloc0(&model->mem, classes, sizeof *w->names);
    if (fits)
        w->values = dkvb__alloc0(&model->mem, dkvb__own_pairs(model), classes * dkvb__value_size(model->values_dtype));
    if (model->counts)
        w->counts = dkvb__alloc0(&model->mem, classes, dkvb__own_pairs(model) * sizeof *w->counts);
    if (w->names && w->values && (w->counts || !model->counts))
        return DKVB_OK;
    widened_free(w, model);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for the values of %u classes", classes);
}

dkvb_status dkvb_model_add_classes(dkvb_model *model, uint32_t count)
{
    uint32_t classes = model->classes + count;
    size_t size = dkvb__value_size(model->values_dtype);
    struct widened w;
    dkvb_status rc = dkvb__model_need_mutable(model), failed;

    if (rc || count == 0)
        return rc;
    if (count > DKVB__MAX_CLASSES - model->classes)
        return dkvb__fail(DKVB_EINVAL, "model: %u classes and %u more, at most %d are wanted", model->classes, count,
                          DKVB__MAX_CLASSES);
    rc = widened_new(&w, model, classes);
    failed = dkvb__model_agree(model, rc);
    if (!rc && failed)
        widened_free(&w, model);
    if (failed)
        return failed;
    if (!model->blank)
        spread_rows(w.values, model->values, dkvb__own_pairs(model), classes * size, model->classes * size);
    memcpy(w.names, model->names, model->classes * sizeof *w.names);
    if (model->counts)
        memcpy(w.counts, model->counts, model->classes * dkvb__own_pairs(model) * sizeof *w.counts);
    dkvb__values_free(model);
    dkvb__free(&model->mem, model->names);
    dkvb__free_erased(&model->mem, model->counts);
    model->values = w.values;
    model->names = w.names;
    model->counts = w.counts;
    model->classes = classes;
    return DKVB_OK;
}

dkvb_status dkvb__fail_narrow(const dkvb_model *model, uint32_t dtype, size_t at, float value)
{
    const struct dkvb__shape *shape = &model->codebooks->shape;
    size_t pair = at / model->classes;

    return dkvb__fail(DKVB_EINVAL, "values: codebook %zu, key %zu, class %zu has the value %g, too large for %s",
                      pair / shape->keys, pair % shape->keys, at % model->classes, (double)value,
                      dkvb__value_type_name(dtype));
}

/* Converts all values of a model to another type, a few values at a time, into the memory at `to`. */
static dkvb_status convert(const dkvb_model *model, void *to, uint32_t dtype, size_t count)
{
    float part[1024];
    size_t to_size = dkvb__value_size(dtype), from_size = dkvb__value_size(model->values_dtype), n, bad;

    for (size_t i = 0; i < count; i += n) {
        n = count - i < sizeof part / sizeof *part ? count - i : sizeof part / sizeof *part;
        dkvb__widen(part, (const char *)model->values + i * from_size, model->values_dtype, n);
        bad = dkvb__values_narrow((char *)to + i * to_size, dtype, part, n);
        if (bad < n)
            return dkvb__fail_narrow(model, dtype, dkvb__first_pair(model) * model->classes + i + bad, part[bad]);
    }
    return DKVB_OK;
}

/* Replaces the values of a model by an array of another type, which holds the converted values, or zeros. */
static dkvb_status change_type(dkvb_model *model, uint32_t dtype, bool zeros)
{
    size_t count = own_values(model), size = dkvb__value_size(dtype);
    void *values;
    dkvb_status rc = DKVB_OK;

    zeros = zeros || model->blank;
    values = zeros ? dkvb__alloc0(&model->mem, count, size) : dkvb__alloc(&model->mem, count, size);
    if (!values)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu values of type %s", count, dkvb__value_type_name(dtype));
    if (!rc && !zeros)
        rc = convert(model, values, dtype, count);
    rc = dkvb__ranks_agree(&model->codebooks->ranks, rc);
    if (rc) {
        dkvb__free_erased(&model->mem, values);
        return rc;
    }
    dkvb__values_free(model);
    model->values = values;
    model->values_dtype = dtype;
    return DKVB_OK;
}

static void fill_values(dkvb_model *model, const float *values)
{
    const struct dkvb__shape *shape = &model->codebooks->shape;

    for (size_t c = model->first_codebook; c < model->end_codebook; c++)
        for (size_t j = 0; j < shape->keys; j++) {
            size_t pair = c * shape->keys + j, word = c * model->mask->words + j / 64;

            if (!(model->codebooks->purged[word] >> (j % 64) & 1))
                dkvb__values_narrow(dkvb__values_of(model, pair), model->values_dtype, values + pair * model->classes,
                                    model->classes);
        }
}

dkvb_status dkvb_model_set_values(dkvb_model *model, const float *values, uint32_t dtype)
{
    size_t count, bad;
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (rc)
        return rc;
    if (dtype ? dkvb__value_size(dtype) == 0 : !values)
        return dkvb__fail(DKVB_EINVAL,
                          "values: type %u; it must be float32, float16 or bfloat16, or 0 where values are given",
                          dtype);
    dtype = dtype ? dtype : model->values_dtype;
    dkvb__value_count(&count, &model->codebooks->shape, model->classes);
    bad = values ? dkvb__values_narrow(NULL, dtype, values, count) : count;
    if (bad < count)
        return dkvb__fail(DKVB_EINVAL, "values: number %zu is %g, it must be a number that is finite as %s", bad,
                          (double)values[bad], dkvb__value_type_name(dtype));
    if (dtype != model->values_dtype)
        rc = change_type(model, dtype, values != NULL);
    if (rc || !values)
        return rc;
    model->blank = false;
    memset(model->trained, 0, sizeof model->trained);
    fill_values(model, values);
    return DKVB_OK;
}

dkvb_status dkvb__check_text(const char *what, const char *text, size_t most)
{
    size_t size = strlen(text);

    if (size > most)
        return dkvb__fail(DKVB_EINVAL, "%s: %zu bytes, at most %zu are wanted", what, size, most);
    if (!dkvb__utf8_valid(text, size))
        return dkvb__fail(DKVB_EINVAL, "%s: UTF-8 without control characters is wanted", what);
    return DKVB_OK;
}

/* Replaces the text in `*slot` by a copy of `text`. If `text` is NULL or has no characters, the model's pointer `*slot`
 * becomes NULL. */
static dkvb_status replace_text(const dkvb_model *model, char **slot, const char *what, const char *text, size_t most)
{
    char *copy = NULL;
    dkvb_status rc = text ? dkvb__check_text(what, text, most) : DKVB_OK;

    if (rc)
        return rc;
    if (text && *text) {
        copy = dkvb__strdup(&model->mem, text);
        if (!copy)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a text: %s", what);
    }
    rc = dkvb__model_agree(model, rc);
    if (rc) {
        dkvb__free_erased(&model->mem, copy);
        return rc;
    }
    dkvb__free_erased(&model->mem, *slot);
    *slot = copy;
    return DKVB_OK;
}

dkvb_status dkvb_model_set_class_name(dkvb_model *model, uint32_t label, const char *name)
{
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (rc)
        return rc;
    if (label >= model->classes)
        return dkvb__fail(DKVB_EINVAL, "class name: there is no class %u, the model has %u", label, model->classes);
    for (uint32_t i = 0; name && *name && i < model->classes; i++)
        if (i != label && model->names[i] && dkvb__same_name(model->names[i], name))
            return dkvb__fail(DKVB_EINVAL,
                              "class name: class %u is called '%.255s' already; a name is for one class only", i, name);
    return replace_text(model, &model->names[label], "class name", name, DKVB__MAX_NAME);
}

const char *dkvb_model_class_name(const dkvb_model *model, uint32_t label)
{
    return model && label < model->classes ? model->names[label] : NULL;
}

dkvb_status dkvb__names_twice(const char *const *names, size_t count, size_t *first, size_t *second,
                              const dkvb_allocator *mem)
{
    struct dkvb__keyed *sorted = dkvb__alloc(mem, 2 * count, sizeof *sorted);
    size_t n = 0;

    *first = *second = count;
    if (!sorted)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu names", count);
    for (size_t i = 0; i < count; i++)
        if (names[i] && *names[i])
            sorted[n++] = (struct dkvb__keyed){dkvb__name_key(names[i]), i};
    dkvb__sort_keyed(sorted, sorted + count, n);
    for (size_t i = 0; i < n && *second == count; i++)
        for (size_t j = i + 1; j < n && *second == count && sorted[j].key == sorted[i].key; j++)
            if (dkvb__same_name(names[sorted[i].index], names[sorted[j].index])) {
                *first = sorted[i].index;
                *second = sorted[j].index;
            }
    dkvb__free(mem, sorted);
    return DKVB_OK;
}

static dkvb_status check_names(const char *const *names, size_t count, size_t *which, const dkvb_allocator *mem)
{
    size_t first, second;
    dkvb_status rc = DKVB_OK;

    for (*which = 0; *which < count; ++*which) {
        rc = names[*which] ? dkvb__check_text("class name", names[*which], DKVB__MAX_NAME) : DKVB_OK;
        if (rc)
            return rc;
    }
    rc = dkvb__names_twice(names, count, &first, &second, mem);
    if (rc || second == count)
        return rc;
    *which = second;
    return dkvb__fail(DKVB_EINVAL, "class name: class %zu is called '%.255s' already; a name is for one class only",
                      first, names[second]);
}

/* Checks that no new name of a model's first `count` classes equals the name of a class from number `count` on. A
 * model's other class names stay, so no new class name may equal one of them. */
static dkvb_status check_other_names(const dkvb_model *model, const char *const *names, size_t count, size_t *which)
{
    if (count > model->classes)
        return dkvb__fail(DKVB_EINVAL, "class names: %zu, the model has %u classes", count, model->classes);
    for (*which = 0; *which < count; ++*which)
        for (size_t i = count; names[*which] && *names[*which] && i < model->classes; i++)
            if (model->names[i] && dkvb__same_name(model->names[i], names[*which]))
                return dkvb__fail(DKVB_EINVAL,
                                  "class name: class %zu is called '%.255s' already; a name is for one class only", i,
                                  names[*which]);
    return DKVB_OK;
}

dkvb_status dkvb_model_set_class_names(dkvb_model *model, const char *const *names, size_t count, size_t *which)
{
    const dkvb_allocator mem = model ? model->mem : dkvb__allocator(NULL);
    size_t place = 0, *at = which ? which : &place;
    char **copies;
    dkvb_status rc = model ? dkvb__model_need_mutable(model) : DKVB_OK;

    if (!rc && count > 0 && !names)
        rc = dkvb__fail(DKVB_EINVAL, "class names: names is NULL");
    if (!rc)
        rc = check_names(names, count, at, &mem);
    if (!rc && model)
        rc = check_other_names(model, names, count, at);
    if (!model || (!rc && count == 0))
        return rc;
    copies = rc ? NULL : dkvb__alloc0(&mem, count, sizeof *copies);
    if (!rc && !copies)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu class names", count);
    rc = dkvb__model_agree(model, rc);
    for (size_t i = 0; !rc && i < count; i++)
        rc = replace_text(model, &copies[i], "class name", names[i], DKVB__MAX_NAME);
    for (size_t i = 0; copies && i < count; i++) {
        char *old = rc ? copies[i] : model->names[i];

        if (!rc)
            model->names[i] = copies[i];
        dkvb__free_erased(&mem, old);
    }
    dkvb__free(&mem, copies);
    return rc;
}

/* Reads a word as the index of a class of the model. take_index() returns false unless the word has digits only and is
 * the index of a class. */
static bool take_index(const dkvb_model *model, const char *word, uint32_t *label)
{
    uint64_t number = 0;
    size_t i = 0;

    for (; word[i] >= '0' && word[i] <= '9' && i < 10; i++)
        number = number * 10 + (uint64_t)(word[i] - '0');
    if (i == 0 || word[i] != '\0' || number >= model->classes)
        return false;
    *label = (uint32_t)number;
    return true;
}

dkvb_status dkvb_model_find_class(const dkvb_model *model, const char *word, uint32_t how, uint32_t *label)
{
    uint32_t found = 0, named = UINT32_MAX;

    if (!model || !word || !label)
        return dkvb__fail(DKVB_EINVAL, "class: %s is NULL", !model ? "model" : !word ? "word" : "label");
    if (how > DKVB_FIND_NAME)
        return dkvb__fail(DKVB_EINVAL, "class: how is %u, it must be DKVB_FIND_…", how);
    if (!dkvb__utf8_valid(word, strlen(word)))
        return dkvb__fail(DKVB_EINVAL, "class: a name must be UTF-8 without control characters");
    for (uint32_t i = 0; *word && i < model->classes; i++) {
        if (!model->names[i] || !dkvb__same_name(model->names[i], word))
            continue;
        if (named != UINT32_MAX)
            return dkvb__fail(DKVB_EINVAL, "class '%.64s': classes %u and %u are both called so; say #%u or #%u", word,
                              named, i, named, i);
        named = i;
    }
    if (named != UINT32_MAX)
        *label = named;
    else if (how == DKVB_FIND_NAME_OR_INDEX && take_index(model, word + (word[0] == '#'), &found))
        *label = found;
    else if (how == DKVB_FIND_NAME)
        return dkvb__fail(DKVB_ENOTFOUND, "class '%.64s': the model has no such name", word);
    else
        return dkvb__fail(DKVB_ENOTFOUND, "class '%.64s': the model has no such name, and its classes are 0 to %u",
                          word, model->classes - 1);
    return DKVB_OK;
}

dkvb_status dkvb_model_set_encoder(dkvb_model *model, const char *text)
{
    dkvb_status rc = dkvb__model_need_mutable(model);

    return rc ? rc : replace_text(model, &model->encoder, "encoder", text, DKVB__MAX_ENCODER);
}
