/*
 * Trains the values of a model by stochastic gradient descent on stored codes.
 *
 * If a batch were processed row by row, the values would move through the caches twice: once to find the errors, once
 * to add them. To use the values while they are in the cache, a training divides its work by groups of codebooks
 * (sums.h), not by rows. A parallel task of training takes one group of codebooks. In each codebook of its group, a
 * task adds the errors of the previous batch, then sums the values that the present batch selects, while that
 * codebook's values are in the cache. When the tasks for groups of codebooks are done, tasks for some rows each add the
 * sums of the groups and compute the errors of the rows. In training, no sum depends on which thread ran which task,
 * and the errors of rows are added to every value in the order of the rows.
 *
 * During training, a row of values is padded with zeros to whole vectors: `stride` floats.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/exact_math.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codes.h"
#include "bottleneck/model.h"
#include "bottleneck/search.h"
#include "bottleneck/sums.h"
#include "bottleneck/value_types.h"
#include "dkvb/data.h"
#include "dkvb/search.h"
#include "kernels/kernels.h"

enum {
    ROWS = 16,       /* number of rows in one parallel task that computes errors */
    AHEAD = 16,      /* number of key-value pairs whose values are prefetched ahead */
    CODES_AHEAD = 8, /* number of rows whose codes are prefetched before they are used */
    NARROW = 16,     /* longest row of values, in floats, that is summed in registers */
    RANKS = 16,      /* number of long rows of values that one call of the kernel add_values() adds */
    /* number of floats that ranks (processes) send with the errors of a row in training: the row's loss, a double, and
     * whether its answer was right */
    RECORD = 3,
    /* number of unused codes between two columns of codes, so that columns do not compete for the same cache lines */
    COLUMN_EXTRA = 32,
    TOLD = 32, /* number of batches after which ranks (processes) tell each other that a caller has cancelled */
    MAX_BATCH = 1 << 20
};

/* Four floats of a row of values that are added at once. Vectors are added element by element, so the results equal
 * those of single floats bit for bit. */
typedef float four __attribute__((vector_size(16)));

dkvb_status dkvb__train_options_take(dkvb_train_options *o, const dkvb_train_options *given)
{
    dkvb_status rc = dkvb__take_options(o, sizeof *o, given, "training options");

    if (rc)
        return rc;
    if (o->batch < 1 || o->batch > MAX_BATCH)
        return dkvb__fail(DKVB_EINVAL, "training: batch is %u, it must be 1 to %d", o->batch, MAX_BATCH);
    if (!(o->learning_rate > 0.0 && o->learning_rate <= 1e6))
        return dkvb__fail(DKVB_EINVAL, "training: learning rate is %g, it must be above 0 and at most 1e6",
                          o->learning_rate);
    if (!(o->rate_last == 0.0 || (o->rate_last >= 1e-9 && o->rate_last <= 1e6)))
        return dkvb__fail(DKVB_EINVAL,
                          "training: last learning rate is %g, it must be 1e-9 to 1e6, or 0 for a constant rate",
                          o->rate_last);
    if (!(o->label_smoothing >= 0.0 && o->label_smoothing < 1.0))
        return dkvb__fail(DKVB_EINVAL, "training: label smoothing is %g, it must be at least 0 and below 1",
                          o->label_smoothing);
    if (o->class_weight > DKVB_CLASS_WEIGHT_BALANCED)
        return dkvb__fail(DKVB_EINVAL, "training: class weight is %u, it must be 0 (none) or 1 (balanced)",
                          o->class_weight);
    if (o->no_shuffle > 1)
        return dkvb__fail(DKVB_EINVAL, "training: no_shuffle is %u, it must be 0 or 1", o->no_shuffle);
    if (o->relearn > 1)
        return dkvb__fail(DKVB_EINVAL, "training: relearn is %u, it must be 0 or 1", o->relearn);
    return DKVB_OK;
}

/* Returns the learning rate of an epoch of training. The learning rate falls by the same factor from each epoch to the
 * next; the learning rates of the first and of the last epoch are exactly those of the training options. */
static double rate_of(const dkvb_train_options *o, uint32_t epoch)
{
    double first, share;

    if (epoch == 0 || o->rate_last == 0.0)
        return o->learning_rate;
    if (epoch + 1 == o->epochs)
        return o->rate_last;
    first = dkvb__log(o->learning_rate);
    share = (double)epoch / (double)(o->epochs - 1);
    return dkvb__exp(first + (dkvb__log(o->rate_last) - first) * share);
}

/* Copies one codebook's values into the memory of a training. Threads share the work of copying values, as most of the
 * time of copying goes into page faults. Cleared pages of memory are written before they are read, as each page would
 * otherwise fault twice. */
static void copy_values(void *context, size_t own, unsigned worker)
{
    const dkvb_model *model = context;
    const struct dkvb__training *t = model->training;
    size_t keys = model->codebooks->shape.keys, classes = model->classes;
    size_t bytes = classes * dkvb__value_size(model->values_dtype);
    const char *from = (const char *)model->values + own * keys * bytes;
    float *to = t->values + own * keys * t->stride;

    (void)worker;
    memset(to, 0, keys * t->stride * sizeof *to);
    for (size_t j = 0; !t->afresh && j < keys; j++)
        dkvb__widen(to + j * t->stride, from + j * bytes, model->values_dtype, classes);
}

/* Uses the model's block of values, which has room for float32, as the values of the training. When rows of values are
 * widened to float32 in place, they become longer, so the last row of values is moved first. */
static void widen_in_place(dkvb_model *model)
{
    struct dkvb__training *t = model->training;
    size_t classes = model->classes, bytes = classes * dkvb__value_size(model->values_dtype);
    char *block = model->values;

    t->values = model->values;
    model->values = NULL;
    model->roomy = false;
    for (size_t pair = dkvb__own_pairs(model); pair-- > 0;) {
        float *to = t->values + pair * t->stride;

        dkvb__widen(t->row, block + pair * bytes, model->values_dtype, classes);
        memcpy(to, t->row, classes * sizeof *to);
        memset(to + classes, 0, (t->stride - classes) * sizeof *to);
    }
}

/* Rounds the values of a training to the model's number type in the same memory, and makes them the model's values. */
static void narrow_in_place(dkvb_model *model)
{
    struct dkvb__training *t = model->training;
    size_t classes = model->classes, bytes = classes * dkvb__value_size(model->values_dtype);

    for (size_t pair = 0; pair < dkvb__own_pairs(model); pair++) {
        memcpy(t->row, t->values + pair * t->stride, classes * sizeof *t->row);
        dkvb__values_narrow((char *)t->values + pair * bytes, model->values_dtype, t->row, classes);
    }
    /* After a training in the memory of the model's own values has rounded them to a narrower type, no float32 values
     * may stay behind them in that memory, where no purge would find them. */
    dkvb__erase((char *)t->values + dkvb__own_pairs(model) * bytes,
                dkvb__own_pairs(model) * (t->stride * sizeof *t->values - bytes));
    model->values = t->values;
    model->roomy = true;
    t->values = NULL;
}

static dkvb_status hash_values(void *context, const void *values, size_t size)
{
    dkvb__fingerprint_add(context, values, size);
    return DKVB_OK;
}

/* Begins the fingerprint of a new training, a chain of hashes, with the fingerprint of the model's earlier trainings.
 * If a model's values were set directly by a caller, without training, the fingerprint begins with a hash of the
 * values. */
static dkvb_status begin_trained(uint8_t trained[16], const dkvb_model *model)
{
    static const uint8_t zeros[16];
    const dkvb_ranks *ranks = &model->codebooks->ranks;
    struct dkvb__checksum_state state;
    uint64_t learned;
    dkvb_status rc;

    memcpy(trained, model->trained, 16);
    if (model->blank || memcmp(trained, zeros, 16) != 0)
        return DKVB_OK;
    learned = !dkvb__values_zero(model->values, model->values_dtype, dkvb__own_pairs(model) * model->classes);
    rc = dkvb__ranks_sum(ranks, &learned, 1);
    if (rc || learned == 0)
        return rc;
    dkvb__fingerprint_begin(&state);
    rc = dkvb__values_to_first(model, hash_values, &state);
    dkvb__fingerprint_end(&state, trained);
    dkvb__erase(&state, sizeof state); /* the hash state holds the last bytes that were hashed, and is erased */
    return rc ? rc : dkvb__ranks_broadcast(ranks, trained, 16);
}

static dkvb_status begin(dkvb_model *model, const dkvb_train_options *given, bool in_place, const struct dkvb__run *run)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    struct dkvb__training *t;
    dkvb_status rc = dkvb__train_options_take(&o, given);

    if (!rc)
        rc = dkvb__model_need_mutable(model);
    if (rc)
        return rc;
    t = dkvb__alloc0(&model->mem, 1, sizeof *t);
    if (t) {
        t->stride = model->classes <= NARROW ? (model->classes + 3u) / 4 * 4 : (model->classes + 15u) / 16 * 16;
        if (!in_place || !model->roomy)
            t->values = dkvb__alloc(&model->mem, dkvb__own_pairs(model), t->stride * sizeof *t->values);
        t->row = in_place ? dkvb__alloc(&model->mem, model->classes, sizeof *t->row) : NULL;
        t->taught = dkvb__alloc0(&model->mem, model->classes, 1);
    }
    if (!t || (!t->values && !(in_place && model->roomy)) || (in_place && !t->row) || !t->taught)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a copy of the values");
    rc = dkvb__ranks_agree(&model->codebooks->ranks, rc);
    if (!rc)
        rc = begin_trained(t->trained, model);
    if (rc) {
        if (t)
            dkvb__free(&model->mem, t->values);
        if (t)
            dkvb__free(&model->mem, t->row);
        if (t)
            dkvb__free(&model->mem, t->taught);
        dkvb__free(&model->mem, t);
        return rc;
    }
    t->options = o;
    t->afresh = model->blank;
    t->in_place = in_place;
    model->training = t;
    if (!t->values) {
        widen_in_place(model);
        return DKVB_OK;
    }
    dkvb__parallel(run, model->end_codebook - model->first_codebook, copy_values, model);
    if (in_place)
        dkvb__values_free(model);
    return DKVB_OK;
}

dkvb_status dkvb_model_train_begin(dkvb_model *model, const dkvb_train_options *given)
{
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, NULL);

    if (!rc)
        rc = begin(model, given, false, &run);
    if (rc)
        return rc;
    if (model->training->options.class_weight != DKVB_CLASS_WEIGHT_NONE) {
        dkvb__training_free(model);
        return dkvb__fail(DKVB_EINVAL, "training in steps has no class weights, which need the labels of all rows: "
                                       "train on all rows in one call, or leave class_weight 0");
    }
    /* When a caller trains a model step by step, the caller decides the number of epochs and the order of rows. */
    model->training->options.epochs = 0;
    model->training->options.no_shuffle = 1;
    return DKVB_OK;
}

static dkvb_status need_training(const dkvb_model *model)
{
    if (!model->training)
        return dkvb__fail(DKVB_ESTATE, "no training is under way: begin it first");
    return DKVB_OK;
}

/* State of ending a training, with the place of a value that is too large for the model's number type, if there is
 * one. */
struct ending {
    dkvb_model *model;
    _Atomic size_t bad; /* index of the first trained value that the model's number type cannot hold */
    bool write;
};

static void narrow_codebook(void *context, size_t own, unsigned worker)
{
    struct ending *e = context;
    const dkvb_model *m = e->model;
    const struct dkvb__training *t = m->training;
    size_t keys = m->codebooks->shape.keys, classes = m->classes;
    size_t bytes = classes * dkvb__value_size(m->values_dtype);

    (void)worker;
    for (size_t pair = own * keys; pair < (own + 1) * keys; pair++) {
        char *to = e->write ? (char *)m->values + pair * bytes : NULL;
        size_t bad = dkvb__values_narrow(to, m->values_dtype, t->values + pair * t->stride, classes);

        if (bad < classes) {
            size_t at = pair * classes + bad, first = atomic_load(&e->bad);

            while (at < first && !atomic_compare_exchange_weak(&e->bad, &first, at))
                ;
            return;
        }
    }
}

/* Replaces the old values of a model by the new ones, rounded to the model's type. All new values of the model are
 * checked before any old value is replaced. */
static dkvb_status end(dkvb_model *model, const struct dkvb__run *run)
{
    struct dkvb__training *t = model->training;
    struct ending e = {.model = model};
    struct dkvb__relearning over;
    size_t codebooks = model->end_codebook - model->first_codebook, bad;
    dkvb_status rc = DKVB_OK;

    atomic_init(&e.bad, SIZE_MAX);
    dkvb__parallel(run, codebooks, narrow_codebook, &e);
    bad = atomic_load(&e.bad);
    if (bad < SIZE_MAX)
        rc = dkvb__fail_narrow(model, model->values_dtype, dkvb__first_pair(model) * model->classes + bad,
                               t->values[bad / model->classes * t->stride + bad % model->classes]);
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = dkvb__relearn_prepare(model, t->taught, NULL, 0, &over);
    if (rc)
        return rc;
    e.write = true;
    if (t->in_place)
        narrow_in_place(model);
    else
        dkvb__parallel(run, codebooks, narrow_codebook, &e);
    model->blank = false;
    model->rows_trained += t->rows;
    /* a training without trials keeps the number of trials of the model's latest tuned training */
    if (t->options.trials > 0)
        model->trials = t->options.trials;
    memcpy(model->trained, t->trained, sizeof model->trained);
    dkvb__training_free(model);
    dkvb__relearn_append(model, &over);
    return DKVB_OK;
}

dkvb_status dkvb_model_train_end(dkvb_model *model, int keep)
{
    struct dkvb__run run;
    dkvb_status rc = DKVB_OK;

    if (!keep) {
        dkvb__training_free(model);
        return DKVB_OK;
    }
    rc = need_training(model);
    if (!rc)
        rc = dkvb__run_take(&run, NULL);
    return rc ? rc : end(model, &run);
}

/* One pass of training over rows, batch by batch. */
struct pass {
    dkvb_model *model;
    struct dkvb__training *training;
    const struct dkvb__run *run;
    const uint16_t *codes;
    const int32_t *labels;
    const double *weights; /* weights of the classes in the training's loss, [classes], or NULL: all weights are 1 */
    double rate;           /* learning rate of the present pass over the training rows */
    const size_t *order;   /* numbers of the training rows, in the order in which they are trained on */
    /* largest number of rows in a batch of training; memory is allocated for no more rows than there are */
    size_t batch;
    size_t first, rows; /* the present batch of training has `rows` rows, beginning with order[first] */
    size_t rows_before; /* number of rows in the previous batch, whose errors are still to be added to the values */
    /* codes of the present and of the previous batch of training, the codes of one codebook after those of another,
     * [codebooks][column] */
    uint16_t *columns[2];
    size_t column; /* number of codes from one column of codes to the next: batch * k, and a few unused codes */
    /* sums of values over the codebooks of each group, for the rows of the present batch, [own groups][batch][padded
     * row of values] */
    float *sums;
    /* sums of values that ranks (processes) exchange in training; not used by a single process */
    struct dkvb__summing shared;
    /* errors of a batch's rows from all ranks (processes), in the form in which ranks send them, [batch][L + RECORD];
     * NULL without ranks */
    float *records;
    float *error;   /* errors of the batch's rows that will be added to values, [batch][padded row of values] */
    float *logits;  /* scratch space of the threads for the logits of a row in training, [threads][classes] */
    double *exps;   /* scratch space of the threads for the exponentials of a row's softmax, [threads][classes] */
    double *loss;   /* losses of the rows of the present batch, [batch] */
    uint8_t *right; /* for each row of the present batch, 1 if the model's answer was right, else 0, [batch] */
};

/* Copies the codes of the present batch into the columns of the codebooks c .. end-1. */
static void turn_codes(const struct pass *p, size_t c, size_t end)
{
    size_t k = p->model->top_k, size = dkvb__code_size(p->model), count = (end - c) * k;
    const size_t *order = p->order + p->first;
    uint16_t *columns = p->columns[0] + c * p->column;

    for (size_t i = 0; i < p->rows; i++) {
        const uint16_t *code = p->codes + order[i] * size + c * k;

        if (i + CODES_AHEAD < p->rows)
            dkvb__prefetch_row(p->codes + order[i + CODES_AHEAD] * size + c * k, count * sizeof *code);
        for (size_t at = 0; at < end - c; at++, code += k)
            for (size_t j = 0; j < k; j++)
                columns[at * p->column + i * k + j] = code[j];
    }
}

/* Prefetches the values of the key-value pair that comes AHEAD (16) places after place `at` in a column of codes. */
static inline void look_ahead(const float *values, const uint16_t *column, size_t at, size_t count, size_t stride)
{
    if (at + AHEAD < count && column[at + AHEAD] != DKVB_CODE_NONE)
        dkvb__prefetch_row(values + column[at + AHEAD] * stride, stride * sizeof *values);
}

/* Adds to sums[i] the values that row i of a batch selects in one codebook, from the nearest selected key to the
 * farthest. The array `values` has the values of one codebook, float[keys][4 * fours]. sum_narrow() is inlined with a
 * constant argument `fours`, the number of vectors of four floats in a row of values, so that the sums of a row stay in
 * registers. */
static inline void sum_narrow(float *sums, const float *values, const uint16_t *column, size_t rows, size_t k,
                              size_t fours)
{
    for (size_t i = 0, at = 0; i < rows; i++, sums += 4 * fours) {
        four *sum = (four *)(void *)sums, s[NARROW / 4];

        for (size_t v = 0; v < fours; v++)
            s[v] = sum[v];
        for (size_t end = at + k; at < end; at++) {
            const four *value = (const four *)(const void *)(values + column[at] * 4 * fours);

            look_ahead(values, column, at, rows * k, 4 * fours);
            if (column[at] == DKVB_CODE_NONE)
                continue;
            for (size_t v = 0; v < fours; v++)
                s[v] += value[v];
        }
        for (size_t v = 0; v < fours; v++)
            sum[v] = s[v];
    }
}

/* Adds error[i], the error of row i of a batch, to the values of every key that row i selects: rows in ascending order,
 * and for each row from its nearest key to the farthest. add_narrow() is inlined with a constant argument `fours`, the
 * number of vectors of four floats in a row of values. */
static inline void add_narrow(float *values, const float *error, const uint16_t *column, size_t rows, size_t k,
                              size_t fours)
{
    for (size_t i = 0, at = 0; i < rows; i++, error += 4 * fours) {
        const four *e = (const four *)(const void *)error;

        for (size_t end = at + k; at < end; at++) {
            four *value = (four *)(void *)(values + column[at] * 4 * fours);

            look_ahead(values, column, at, rows * k, 4 * fours);
            if (column[at] == DKVB_CODE_NONE)
                continue;
            for (size_t v = 0; v < fours; v++)
                value[v] += e[v];
        }
    }
}

/* sum_wide() and add_wide() do the work of sum_narrow() and add_narrow() for long rows of values, with kernels that add
 * several rows in one pass over the sums. */
static void sum_wide(float *sums, const float *values, const uint16_t *column, size_t rows, size_t k, size_t stride)
{
    const struct dkvb__kernels *kernels = dkvb__kernels();
    const void *row[RANKS];

    for (size_t i = 0, at = 0; i < rows; i++, sums += stride)
        for (size_t end = at + k, count = 0; at < end; at++) {
            look_ahead(values, column, at, rows * k, stride);
            if (column[at] != DKVB_CODE_NONE)
                row[count++] = values + column[at] * stride;
            if (count == RANKS || at + 1 == end) {
                kernels->add_values(sums, row, count, stride, DKVB_DTYPE_F32);
                count = 0;
            }
        }
}

static void add_wide(float *values, const float *error, const uint16_t *column, size_t rows, size_t k, size_t stride)
{
    const struct dkvb__kernels *kernels = dkvb__kernels();

    for (size_t i = 0, at = 0; i < rows; i++, error += stride) {
        const void *row = error;

        for (size_t end = at + k; at < end; at++) {
            look_ahead(values, column, at, rows * k, stride);
            if (column[at] != DKVB_CODE_NONE)
                kernels->add_values(values + column[at] * stride, &row, 1, stride, DKVB_DTYPE_F32);
        }
    }
}

/* Processes one codebook in training: adds the errors of the previous batch to the values, then sums the values for the
 * present batch. */
static inline void move_codebook(const struct pass *p, size_t c, float *sums, size_t stride)
{
    const uint16_t *now = p->columns[0] + c * p->column, *before = p->columns[1] + c * p->column;
    float *values = p->training->values + (c - p->model->first_codebook) * p->model->codebooks->shape.keys * stride;
    size_t k = p->model->top_k;

    if (stride <= NARROW) {
        add_narrow(values, p->error, before, p->rows_before, k, stride / 4);
        sum_narrow(sums, values, now, p->rows, k, stride / 4);
    } else {
        add_wide(values, p->error, before, p->rows_before, k, stride);
        sum_wide(sums, values, now, p->rows, k, stride);
    }
}

static void move_group(void *context, size_t own, unsigned worker)
{
    const struct pass *p = context;
    size_t group = p->model->first_group + own;
    size_t codebooks = p->model->codebooks->shape.codebooks, stride = p->training->stride, c = group * DKVB__GROUP;
    size_t end = codebooks - c < DKVB__GROUP ? codebooks : c + DKVB__GROUP;
    float *sums = p->sums + own * p->batch * stride;

    (void)worker;
    turn_codes(p, c, end);
    memset(sums, 0, p->rows * stride * sizeof *sums);
    for (; c < end; c++)
        switch (stride) {
        case 4:
            move_codebook(p, c, sums, 4);
            break;
        case 8:
            move_codebook(p, c, sums, 8);
            break;
        case 12:
            move_codebook(p, c, sums, 12);
            break;
        case 16:
            move_codebook(p, c, sums, 16);
            break;
        default:
            move_codebook(p, c, sums, stride);
        }
    for (size_t i = 0; p->records && i < p->rows; i++)
        memcpy(dkvb__summing_own(&p->shared, group, i), sums + i * stride, p->model->classes * sizeof *sums);
}

/*
 * Computes the errors of rows in training: error = rate weight (target - softmax(logits)) with target = (1 - smoothing)
 * onehot(label) + smoothing / L, and the row's loss, which is the cross-entropy of its label alone. The logits that
 * training computes from a row's code equal those of decoding bit for bit.
 */
static void find_errors(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    const struct dkvb__training *t = p->training;
    size_t classes = p->model->classes, groups = dkvb__groups(p->model), end = (task + 1) * ROWS;
    double size = (double)dkvb__code_size(p->model), *exps = p->exps + worker * classes;
    double off = t->options.label_smoothing / (double)classes, on = 1.0 - t->options.label_smoothing + off;
    float *logits = p->logits + worker * classes;

    end = end < p->rows ? end : p->rows;
    end = end < p->shared.end ? end : p->shared.end;
    for (size_t i = task * ROWS > p->shared.first ? task * ROWS : p->shared.first; i < end; i++) {
        size_t label = (size_t)p->labels[p->order[p->first + i]], best = 0;
        double rate = p->weights ? p->rate * p->weights[label] : p->rate, total = 0.0;
        float *error = p->error + i * t->stride;
        bool zero = true;

        memset(exps, 0, classes * sizeof *exps);
        for (size_t g = 0; g < groups; g++) {
            const float *sums =
                p->records ? dkvb__summing_all(&p->shared, g, i) : p->sums + (g * p->batch + i) * t->stride;

            for (size_t l = 0; l < classes; l++)
                exps[l] += (double)sums[l];
        }
        for (size_t l = 0; l < classes; l++) {
            zero = zero && exps[l] == 0.0;
            logits[l] = (float)(exps[l] / size);
            best = logits[l] > logits[best] ? l : best;
        }
        for (size_t l = 0; l < classes; l++) {
            exps[l] = dkvb__exp((double)logits[l] - (double)logits[best]);
            total += exps[l];
        }
        /* a row whose logits are all zero abstains, which does not count as a right answer */
        p->right[i] = best == label && (!zero || classes == 1);
        p->loss[i] = (double)logits[best] - (double)logits[label] + dkvb__log(total);
        for (size_t l = 0; l < classes; l++)
            error[l] = (float)(rate * ((l == label ? on : off) - exps[l] / total));
    }
}

/* Sends the errors of this rank's training rows to all ranks (processes), and receives the errors of the rows of all
 * other ranks. */
static dkvb_status share_errors(struct pass *p)
{
    const dkvb_ranks *ranks = &p->model->codebooks->ranks;
    size_t classes = p->model->classes, record = classes + RECORD;
    dkvb_status rc;

    for (size_t i = p->shared.first; i < p->shared.end; i++) {
        float right = p->right[i], *to = p->records + i * record;

        memcpy(to, p->error + i * p->training->stride, classes * sizeof *to);
        memcpy(to + classes, &p->loss[i], sizeof p->loss[i]);
        to[classes + 2] = right;
    }
    rc = dkvb__ranks_share_evenly(ranks, p->records, p->rows, record * sizeof *p->records);
    for (size_t i = 0; !rc && i < p->rows; i++) {
        const float *from = p->records + i * record;

        memcpy(p->error + i * p->training->stride, from, classes * sizeof *from);
        memcpy(&p->loss[i], from + classes, sizeof p->loss[i]);
        p->right[i] = from[classes + 2] != 0.0f;
    }
    return rc;
}

/* Trains the values on one batch of rows. While train_batch() sums the values for a batch, it also adds the errors of
 * the batch before to the values; after the last batch, train_batch() is called with 0 rows. */
static dkvb_status train_batch(struct pass *p, size_t rows)
{
    dkvb_status rc = DKVB_OK;
    uint16_t *columns = p->columns[0];

    p->columns[0] = p->columns[1];
    p->columns[1] = columns;
    p->rows_before = p->rows;
    p->rows = rows;
    dkvb__summing_begin(&p->shared, rows);
    dkvb__parallel(p->run, p->model->end_group - p->model->first_group, move_group, p);
    if (p->records && rows > 0)
        rc = dkvb__summing_exchange(&p->shared);
    if (!rc)
        dkvb__parallel(p->run, (rows + ROWS - 1) / ROWS, find_errors, p);
    return rc || !p->records || rows == 0 ? rc : share_errors(p);
}

static void pass_free(struct pass *p)
{
    const dkvb_allocator *mem = &p->model->mem;

    dkvb__free(mem, p->columns[0]);
    dkvb__free(mem, p->columns[1]);
    dkvb__free(mem, p->sums);
    dkvb__free(mem, p->records);
    dkvb__summing_free(&p->shared);
    dkvb__free(mem, p->error);
    dkvb__free(mem, p->logits);
    dkvb__free(mem, p->exps);
    dkvb__free(mem, p->loss);
    dkvb__free(mem, p->right);
}

/* Allocates the memory of a training pass over n rows. */
static dkvb_status pass_new(struct pass *p, dkvb_model *model, const struct dkvb__run *run, const uint16_t *codes,
                            const int32_t *labels, size_t n)
{
    const dkvb_allocator *mem = &model->mem;
    const struct dkvb__training *t = model->training;
    size_t batch = n < t->options.batch ? n : t->options.batch, codebooks = model->codebooks->shape.codebooks,
           row = t->stride * sizeof(float), own = model->end_group - model->first_group;
    bool shares = model->codebooks->ranks.count > 1, ok = true;
    dkvb_status rc = DKVB_OK;

    *p = (struct pass){.model = model, .training = model->training, .run = run, .codes = codes, .labels = labels};
    p->rate = t->options.learning_rate;
    p->batch = batch;
    p->column = batch * model->top_k + COLUMN_EXTRA;
    p->columns[0] = dkvb__alloc(mem, codebooks, p->column * sizeof *p->columns[0]);
    p->columns[1] = dkvb__alloc(mem, codebooks, p->column * sizeof *p->columns[1]);
    p->sums = dkvb__alloc(mem, own * batch, row);
    p->shared = (struct dkvb__summing){.model = model};
    if (shares) {
        ok = dkvb__summing_new(&p->shared, model, batch);
        p->shared.row = model->classes;
        p->records = dkvb__alloc(mem, batch, (model->classes + RECORD) * sizeof *p->records);
    }
    /* the memory of the rows' errors begins as zeros, so that the padding after each row's errors stays 0 */
    p->error = dkvb__alloc0(mem, batch, row);
    p->logits = dkvb__alloc(mem, run->threads, model->classes * sizeof *p->logits);
    p->exps = dkvb__alloc(mem, run->threads, model->classes * sizeof *p->exps);
    p->loss = dkvb__alloc(mem, batch, sizeof *p->loss);
    p->right = dkvb__alloc(mem, batch, sizeof *p->right);
    ok = ok && p->columns[0] && p->columns[1] && p->sums && p->error && p->logits && p->exps && p->loss && p->right &&
         (p->records || !shares);
    if (!ok)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for batches of %zu rows", batch);
    rc = dkvb__ranks_agree(&model->codebooks->ranks, rc);
    if (rc)
        pass_free(p);
    return rc;
}

/* Trains a model's values once on the rows with the numbers order[0 .. n-1]. The progress reports of a training pass
 * count rows, from the `done` rows finished before the pass up to `total`. */
static dkvb_status run_pass(struct pass *p, const size_t *order, size_t n, uint64_t done, uint64_t total,
                            dkvb_train_report *report)
{
    bool shares = p->model->codebooks->ranks.count > 1;
    size_t batches = 0, every = shares ? TOLD : 1;
    double loss = 0.0;
    uint64_t right = 0;
    /* `told` is what this rank's progress callback has answered (cancel or go on), which the other ranks get only after
     * some batches */
    dkvb_status rc = DKVB_OK, told = DKVB_OK;

    p->order = order;
    for (p->first = 0; !rc && p->first < n; p->first += p->rows) {
        rc = train_batch(p, n - p->first < p->batch ? n - p->first : p->batch);
        for (size_t i = 0; !rc && i < p->rows; i++) {
            loss += p->loss[i];
            right += p->right[i];
        }
        if (!rc && !told)
            told = dkvb__report(p->run, done + p->first + p->rows, total);
        if (!rc && (told || shares) && (++batches % every == 0 || p->first + p->rows == n))
            rc = dkvb__model_agree(p->model, told);
    }
    /* train_batch() with 0 rows adds the errors of the last batch to the values, which cannot fail, as ranks then
     * exchange nothing */
    (void)train_batch(p, 0);
    report->struct_size = sizeof *report;
    report->rows = n;
    report->loss = n ? loss / (double)n : 0.0;
    report->accuracy = n ? (double)right / (double)n : 0.0;
    return rc;
}

static dkvb_status tell(const dkvb_train_options *o, const dkvb_train_report *report)
{
    if (o->report && o->report(o->user, report) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled by the report callback after %u", report->epoch);
    return DKVB_OK;
}

/* Checks that the label of each row to train on is a class of the model, or -1 for no label. The array `order` gets the
 * numbers of the labelled rows, and *count becomes the number of labelled rows. */
static dkvb_status labelled_rows(const dkvb_model *model, const int32_t *labels, size_t n, size_t *order, size_t *count)
{
    *count = 0;
    for (size_t r = 0; r < n; r++) {
        if (labels[r] < -1 || (labels[r] >= 0 && (uint32_t)labels[r] >= model->classes))
            return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, -1 to %u is wanted", r, labels[r],
                              model->classes - 1);
        if (labels[r] >= 0)
            order[(*count)++] = r;
    }
    return DKVB_OK;
}

/* Memory for shuffling rows into the order of an epoch. */
struct shuffle {
    size_t *rows, *order; /* numbers of the rows to train on, once unshuffled and once shuffled, [n] */
    struct dkvb__keyed *keyed, *scratch;
};

static void shuffle_free(struct shuffle *s, const dkvb_allocator *mem)
{
    dkvb__free(mem, s->rows);
    dkvb__free(mem, s->order);
    dkvb__free(mem, s->keyed);
    dkvb__free(mem, s->scratch);
}

/* Allocates the memory for shuffling rows into the order of an epoch. The caller of shuffle_new() frees the memory of
 * the shuffle, even after a failure. */
static dkvb_status shuffle_new(struct shuffle *s, size_t n, const dkvb_allocator *mem)
{
    s->rows = dkvb__alloc(mem, n, sizeof *s->rows);
    s->order = dkvb__alloc(mem, n, sizeof *s->order);
    s->keyed = dkvb__alloc(mem, n, sizeof *s->keyed);
    s->scratch = dkvb__alloc(mem, n, sizeof *s->scratch);
    if (s->rows && s->order && s->keyed && s->scratch)
        return DKVB_OK;
    return dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", n);
}

/* Shuffles the training rows into the order of an epoch. The sort key of a row depends on the row's id only, so that
 * all other rows keep their order if some rows are missing. */
static void shuffle_rows(struct shuffle *s, size_t n, const dkvb_train_options *o, uint32_t epoch)
{
    for (size_t i = 0; i < n; i++) {
        size_t row = s->rows[i];

        s->keyed[i] = (struct dkvb__keyed){dkvb__rng_of_id(o->seed, epoch, o->ids ? o->ids[row] : row), row};
    }
    if (!o->no_shuffle)
        dkvb__sort_keyed(s->keyed, s->scratch, n);
    for (size_t i = 0; i < n; i++)
        s->order[i] = s->keyed[i].index;
}

/* Sets the weights of classes, weights[l] = n / (present n_l), so that all classes count alike and the mean weight of a
 * row is 1. The number `present` counts the classes that have rows among the training rows. */
static void balance_classes(double *weights, const int32_t *labels, const size_t *rows, size_t n, uint32_t classes)
{
    double present = 0.0;

    memset(weights, 0, classes * sizeof *weights);
    for (size_t i = 0; i < n; i++)
        weights[labels[rows[i]]] += 1.0;
    for (uint32_t l = 0; l < classes; l++)
        present += weights[l] > 0.0;
    for (uint32_t l = 0; l < classes; l++)
        weights[l] = weights[l] > 0.0 ? (double)n / (present * weights[l]) : 0.0;
}

/* Runs all epochs of a training that has begun. */
static dkvb_status train_rows(dkvb_model *model, const struct dkvb__run *run, const uint16_t *codes,
                              const int32_t *labels, size_t n)
{
    struct dkvb__training *t = model->training;
    const dkvb_train_options *o = &t->options;
    dkvb_train_report report = {.epochs = o->epochs};
    double *weights = NULL;
    struct pass p = {.model = model};
    struct shuffle s;
    size_t count = 0;
    dkvb_status rc = shuffle_new(&s, n, &model->mem);

    if (!rc)
        rc = labelled_rows(model, labels, n, s.rows, &count);
    if (!rc && !o->relearn)
        rc = dkvb__relearn_check(model, labels, n, t->taught);
    if (!rc && o->class_weight == DKVB_CLASS_WEIGHT_BALANCED) {
        weights = dkvb__alloc(&model->mem, model->classes, sizeof *weights);
        if (weights)
            balance_classes(weights, labels, s.rows, count, model->classes);
        else
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the weights of %u classes", model->classes);
    }
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = pass_new(&p, model, run, codes, labels, count);
    if (!rc) {
        dkvb__trained_extend(t->trained, o, codes, dkvb__code_size(model), labels, n, run);
        p.weights = weights;
        dkvb__relearn_note(t->taught, labels, n);
        for (uint32_t epoch = 0; !rc && epoch < o->epochs; epoch++) {
            p.rate = rate_of(o, epoch);
            shuffle_rows(&s, count, o, epoch);
            rc = run_pass(&p, s.order, count, (uint64_t)epoch * count, (uint64_t)o->epochs * count, &report);
            if (rc)
                break;
            t->rows += count;
            report.epoch = epoch + 1;
            rc = dkvb__model_agree(model, tell(o, &report));
        }
        pass_free(&p);
    }
    dkvb__free(&model->mem, weights);
    shuffle_free(&s, &model->mem);
    return rc;
}

static dkvb_status train_all(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels, size_t n,
                             const dkvb_train_options *given, bool in_place, const dkvb_run_options *opts)
{
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = dkvb__check_live_codes(model, codes, k, n, &run);
    if (!rc)
        rc = begin(model, given, in_place, &run);
    if (rc)
        return rc;
    rc = train_rows(model, &run, codes, labels, n);
    if (!rc)
        rc = end(model, &run);
    /* after a success the state of the training is freed already, and dkvb__training_free() does nothing */
    dkvb__training_free(model);
    return rc;
}

dkvb_status dkvb_model_train(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels, size_t n,
                             const dkvb_train_options *given, const dkvb_run_options *opts)
{
    return train_all(model, codes, k, labels, n, given, false, opts);
}

dkvb_status dkvb__model_train_in_place(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels,
                                       size_t n, const dkvb_train_options *given, const dkvb_run_options *opts)
{
    return train_all(model, codes, k, labels, n, given, true, opts);
}

dkvb_status dkvb_model_train_step(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels, size_t n,
                                  const dkvb_run_options *opts)
{
    dkvb_train_report report = {0};
    struct dkvb__run run;
    struct pass p;
    size_t *rows, count = 0;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = need_training(model);
    if (!rc)
        rc = dkvb__check_live_codes(model, codes, k, n, &run);
    if (rc)
        return rc;
    run.progress = NULL; /* a single step of training is short, and must not be cancelled half way */
    rows = dkvb__alloc(&model->mem, n, sizeof *rows);
    rc = rows ? labelled_rows(model, labels, n, rows, &count)
              : dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", n);
    if (!rc && !model->training->options.relearn)
        rc = dkvb__relearn_check(model, labels, n, model->training->taught);
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = pass_new(&p, model, &run, codes, labels, count);
    if (!rc) {
        dkvb__trained_extend(model->training->trained, &model->training->options, codes, dkvb__code_size(model), labels,
                             n, &run);
        rc = run_pass(&p, rows, count, 0, count, &report);
        pass_free(&p);
    }
    dkvb__free_erased(&model->mem, rows);
    if (rc)
        return rc;
    /* a forgotten class counts as trained on again only if the training on its rows succeeded */
    dkvb__relearn_note(model->training->taught, labels, n);
    model->training->rows += count;
    report.epoch = ++model->training->steps;
    return dkvb__model_agree(model, tell(&model->training->options, &report));
}
