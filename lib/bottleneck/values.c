/*
 * Values by stochastic gradient descent on stored codes. A batch has two parts, each free of races and the same for any
 * thread count: first every row's error, from values as they are (rows are shared out); then every codebook adds the
 * errors to the values that its codes name, rows in order (codebooks are shared out).
 *
 * Weight decay shrinks all values in each batch. Touching them all would cost more than the training, so a common
 * factor is kept beside them (Bottou 2012, *Stochastic Gradient Descent Tricks*, section 5.1): value = scale * stored.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/exact_math.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/model.h"
#include "bottleneck/search.h"
#include "bottleneck/sums.h"
#include "bottleneck/value_types.h"
#include "dkvb/data.h"

enum {
    ROWS = 16,     /* rows in one task of the first part */
    CODEBOOKS = 4, /* codebooks in one task of the second */
    AHEAD = 16,    /* rows prefetched before they are needed */
    MAX_BATCH = 1 << 20
};

void dkvb_train_options_init(dkvb_train_options *opts, size_t struct_size)
{
    static const dkvb_train_options defaults = DKVB_TRAIN_OPTIONS_INIT;

    dkvb__init_options(opts, struct_size, &defaults, sizeof defaults);
}

dkvb_status dkvb__train_options_take(dkvb_train_options *o, const dkvb_train_options *given)
{
    dkvb_status rc = dkvb__take_options(o, sizeof *o, given, "training options");

    if (rc)
        return rc;
    if (o->batch < 1 || o->batch > MAX_BATCH)
        return dkvb__fail(DKVB_EINVAL, "training: batch is %u, 1 to %d is wanted", o->batch, MAX_BATCH);
    if (!(o->learning_rate > 0.0 && o->learning_rate <= 1e6))
        return dkvb__fail(DKVB_EINVAL, "training: learning rate is %g, 0 < rate <= 1e6 is wanted", o->learning_rate);
    if (!(o->weight_decay >= 0.0 && o->weight_decay * o->learning_rate < 1.0))
        return dkvb__fail(DKVB_EINVAL, "training: weight decay is %g, 0 <= decay < 1 / learning rate (%g) is wanted",
                          o->weight_decay, 1.0 / o->learning_rate);
    return DKVB_OK;
}

/* The private copy of one codebook's values. Threads share this work because most of it is the system's, which finds
 * the memory page by page; and cleared pages are written to before they are read, or they would be found twice. */
static void copy_values(void *context, size_t codebook, unsigned worker)
{
    const dkvb_model *model = context;
    size_t count = (size_t)model->codebooks->shape.keys * model->classes, first = codebook * count;
    float *to = model->training->values + first;

    (void)worker;
    if (model->training->afresh)
        memset(to, 0, count * sizeof *to);
    else
        dkvb__values_widen(to, (const char *)model->values + first * dkvb__value_size(model->values_dtype),
                           model->values_dtype, count);
}

/* afresh: values start from 0, whatever the model has. */
static dkvb_status begin(dkvb_model *model, const dkvb_train_options *given, bool afresh, const struct dkvb__run *run)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    struct dkvb__training *t;
    size_t count;
    dkvb_status rc = dkvb__train_options_take(&o, given);

    if (!rc)
        rc = dkvb__model_need_mutable(model);
    if (rc)
        return rc;
    dkvb__value_count(&count, &model->codebooks->shape, model->classes);
    t = dkvb__alloc0(&model->mem, 1, sizeof *t);
    if (t)
        t->values = dkvb__alloc(&model->mem, count, sizeof *t->values);
    if (!t || !t->values) {
        dkvb__free(&model->mem, t);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a copy of the values");
    }
    t->options = o;
    t->scale = 1.0;
    t->afresh = afresh;
    model->training = t;
    dkvb__parallel(run, model->codebooks->shape.codebooks, copy_values, model);
    return DKVB_OK;
}

dkvb_status dkvb_model_train_begin(dkvb_model *model, const dkvb_train_options *given)
{
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, NULL);

    return rc ? rc : begin(model, given, model->blank, &run);
}

void dkvb_model_train_abort(dkvb_model *model)
{
    dkvb__training_free(model);
}

/* Bring the common factor into the values. */
static void fold_scale(dkvb_model *model)
{
    struct dkvb__training *t = model->training;
    size_t count;

    if (t->scale == 1.0)
        return;
    dkvb__value_count(&count, &model->codebooks->shape, model->classes);
    for (size_t i = 0; i < count; i++)
        t->values[i] = (float)((double)t->values[i] * t->scale);
    t->scale = 1.0;
}

static dkvb_status need_training(const dkvb_model *model)
{
    if (!model->training)
        return dkvb__fail(DKVB_ESTATE, "no training is under way: begin it first");
    return DKVB_OK;
}

/* Put the new values in the place of the old: the array itself, or rounded. */
static dkvb_status take_values(dkvb_model *model)
{
    struct dkvb__training *t = model->training;
    size_t count, bad;

    if (model->values_dtype == DKVB_DTYPE_F32) {
        dkvb__free(&model->mem, model->values);
        model->values = t->values;
        t->values = NULL;
        return DKVB_OK;
    }
    dkvb__value_count(&count, &model->codebooks->shape, model->classes);
    bad = dkvb__values_narrow(NULL, model->values_dtype, t->values, count);
    if (bad < count)
        return dkvb__fail_narrow(model, model->values_dtype, bad, t->values[bad]);
    dkvb__values_narrow(model->values, model->values_dtype, t->values, count);
    return DKVB_OK;
}

dkvb_status dkvb_model_train_end(dkvb_model *model)
{
    struct dkvb__training *t = model->training;
    dkvb_status rc = need_training(model);

    if (rc)
        return rc;
    fold_scale(model);
    rc = take_values(model);
    if (rc)
        return rc;
    model->blank = false;
    model->rows_trained += t->rows;
    dkvb__training_free(model);
    return DKVB_OK;
}

/* One pass over rows, batch by batch. */
struct pass {
    dkvb_model *model;
    struct dkvb__training *training;
    const struct dkvb__run *run;
    const uint16_t *codes;
    const int32_t *labels;
    const size_t *order; /* rows to visit, in this order */
    size_t first, rows;  /* the present batch: order[first] … */
    uint16_t *columns;   /* [C][batch][k], codes of the present batch, those of a codebook side by side */
    double *sums;        /* [threads][L] */
    float *error;        /* [batch][L], what to add to the stored values */
    double *loss;        /* [batch] */
    uint8_t *right;      /* [batch] */
};

/* error = learning_rate (onehot(label) - softmax(logits)) / scale, and the row's loss. sums: selected values, by class.
 */
static void row_error(const struct pass *p, double *sums, bool any, int32_t label, size_t i)
{
    const struct dkvb__training *t = p->training;
    size_t classes = p->model->classes, best = 0;
    double factor = t->scale / (double)dkvb__code_size(p->model), total = 0.0, most, rate;
    float *error = p->error + i * classes;

    for (size_t l = 1; l < classes; l++)
        best = sums[l] > sums[best] ? l : best;
    most = sums[best] * factor;
    p->right[i] = any && best == (size_t)label; /* a row without live keys abstains */
    p->loss[i] = most - sums[label] * factor;
    for (size_t l = 0; l < classes; l++) {
        sums[l] = dkvb__exp(sums[l] * factor - most);
        total += sums[l];
    }
    p->loss[i] += dkvb__log(total);
    rate = t->options.learning_rate / t->scale;
    for (size_t l = 0; l < classes; l++)
        error[l] = (float)(rate * ((l == (size_t)label ? 1.0 : 0.0) - sums[l] / total));
}

/* Codes of `count` rows of the batch into the columns, from row `begin` on. */
static void turn_codes(const struct pass *p, const uint16_t *const *code, size_t begin, size_t count)
{
    size_t k = p->model->top_k, size = dkvb__code_size(p->model), batch = p->training->options.batch;

    for (size_t cell = 0; cell < size; cell += k)
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < k; j++)
                p->columns[cell * batch + (begin + i) * k + j] = code[i][cell + j];
}

static void find_errors(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    size_t size = dkvb__code_size(p->model), begin = task * ROWS;
    size_t rows = p->rows - begin < ROWS ? p->rows - begin : ROWS;
    double *sums = p->sums + worker * p->model->classes;
    const uint16_t *code[ROWS];

    for (size_t i = 0; i < rows; i++) {
        size_t row = p->order[p->first + begin + i];
        bool any;

        code[i] = p->codes + row * size;
        any = dkvb__sum_values(p->model, p->training->values, DKVB_DTYPE_F32, code[i], sums);
        row_error(p, sums, any, p->labels[row], begin + i);
    }
    turn_codes(p, code, begin, rows);
}

static void add_floats(float *restrict to, const float *restrict from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* values: [K][L] of the codebook that `column` is of. Rows in order, and the ranks of a row in order. */
static void add_column(const struct pass *p, float *values, const uint16_t *column)
{
    size_t classes = p->model->classes, k = p->model->top_k, ahead = AHEAD;
    const float *error = p->error;

    for (size_t i = 0; i < p->rows; i++, error += classes)
        for (size_t j = 0; j < k; j++, column++, ahead++) {
            if (ahead < p->rows * k && column[AHEAD] != DKVB_CODE_NONE)
                dkvb__prefetch_row(values + column[AHEAD] * classes, classes * sizeof *values);
            if (*column != DKVB_CODE_NONE)
                add_floats(values + *column * classes, error, classes);
        }
}

static void add_errors(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    const struct dkvb__shape *shape = &p->model->codebooks->shape;
    size_t k = p->model->top_k, batch = p->training->options.batch;
    size_t end = (task + 1) * CODEBOOKS < shape->codebooks ? (task + 1) * CODEBOOKS : shape->codebooks;

    (void)worker;
    for (size_t c = task * CODEBOOKS; c < end; c++)
        add_column(p, p->training->values + c * shape->keys * p->model->classes, p->columns + c * batch * k);
}

/* Below this, stored values grow large beside what is added to them. */
static const double smallest_scale = 1e-3;

static void train_batch(struct pass *p)
{
    const dkvb_train_options *o = &p->training->options;

    dkvb__parallel(p->run, (p->rows + ROWS - 1) / ROWS, find_errors, p);
    if (o->weight_decay > 0.0) {
        /* The errors were divided by the old factor; values and errors shrink by the same step. */
        double shrink = 1.0 - o->learning_rate * o->weight_decay;

        p->training->scale *= shrink;
        for (size_t i = 0; i < p->rows * p->model->classes; i++)
            p->error[i] = (float)((double)p->error[i] / shrink);
    }
    dkvb__parallel(p->run, (p->model->codebooks->shape.codebooks + CODEBOOKS - 1) / CODEBOOKS, add_errors, p);
    if (p->training->scale < smallest_scale)
        fold_scale(p->model);
}

static void pass_free(struct pass *p)
{
    const dkvb_allocator *mem = &p->model->mem;

    dkvb__free(mem, p->columns);
    dkvb__free(mem, p->sums);
    dkvb__free(mem, p->error);
    dkvb__free(mem, p->loss);
    dkvb__free(mem, p->right);
}

static dkvb_status pass_new(struct pass *p, dkvb_model *model, const struct dkvb__run *run, const uint16_t *codes,
                            const int32_t *labels)
{
    const dkvb_allocator *mem = &model->mem;
    size_t batch = model->training->options.batch, classes = model->classes;

    *p = (struct pass){.model = model, .training = model->training, .run = run, .codes = codes, .labels = labels};
    p->columns = dkvb__alloc(mem, batch, dkvb__code_size(model) * sizeof *p->columns);
    p->sums = dkvb__alloc(mem, run->threads, classes * sizeof *p->sums);
    p->error = dkvb__alloc(mem, batch, classes * sizeof *p->error);
    p->loss = dkvb__alloc(mem, batch, sizeof *p->loss);
    p->right = dkvb__alloc(mem, batch, sizeof *p->right);
    if (p->columns && p->sums && p->error && p->loss && p->right)
        return DKVB_OK;
    pass_free(p);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for batches of %zu rows", batch);
}

/* All of order[0 .. n-1] once; `done` rows of `total` were reported before. */
static dkvb_status run_pass(struct pass *p, const size_t *order, size_t n, uint64_t done, uint64_t total,
                            dkvb_train_report *report)
{
    double loss = 0.0;
    uint64_t right = 0;

    p->order = order;
    for (p->first = 0; p->first < n; p->first += p->rows) {
        dkvb_status rc;

        p->rows = n - p->first < p->training->options.batch ? n - p->first : p->training->options.batch;
        train_batch(p);
        for (size_t i = 0; i < p->rows; i++) {
            loss += p->loss[i];
            right += p->right[i];
        }
        rc = dkvb__report(p->run, done + p->first + p->rows, total);
        if (rc)
            return rc;
    }
    report->struct_size = sizeof *report;
    report->rows = n;
    report->loss = n ? loss / (double)n : 0.0;
    report->accuracy = n ? (double)right / (double)n : 0.0;
    return DKVB_OK;
}

static dkvb_status tell(const dkvb_train_options *o, const dkvb_train_report *report)
{
    if (o->report && o->report(o->user, report) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled by the report callback after %u", report->epoch);
    return DKVB_OK;
}

/* Labels checked; rows that are not to be ignored in `order`, how many in *count. */
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

/* Room to bring rows in the order of an epoch. */
struct shuffle {
    size_t *rows, *order; /* [n] */
    struct dkvb__keyed *keyed, *scratch;
};

static void shuffle_free(struct shuffle *s, const dkvb_allocator *mem)
{
    dkvb__free(mem, s->rows);
    dkvb__free(mem, s->order);
    dkvb__free(mem, s->keyed);
    dkvb__free(mem, s->scratch);
}

static dkvb_status shuffle_new(struct shuffle *s, size_t n, const dkvb_allocator *mem)
{
    s->rows = dkvb__alloc(mem, n, sizeof *s->rows);
    s->order = dkvb__alloc(mem, n, sizeof *s->order);
    s->keyed = dkvb__alloc(mem, n, sizeof *s->keyed);
    s->scratch = dkvb__alloc(mem, n, sizeof *s->scratch);
    if (s->rows && s->order && s->keyed && s->scratch)
        return DKVB_OK;
    shuffle_free(s, mem);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", n);
}

/* Each row's place depends on its own id only, so that rows may be missing and the others keep their order. */
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

/* Epochs over the labelled rows, each in an order of its own. */
static dkvb_status run_epochs(struct pass *p, struct shuffle *s, size_t n)
{
    const dkvb_train_options *o = &p->training->options;
    dkvb_train_report report = {.epochs = o->epochs};
    dkvb_status rc = DKVB_OK;

    for (uint32_t epoch = 0; !rc && epoch < o->epochs; epoch++) {
        shuffle_rows(s, n, o, epoch);
        rc = run_pass(p, s->order, n, (uint64_t)epoch * n, (uint64_t)o->epochs * n, &report);
        if (rc)
            break;
        p->training->rows += n;
        report.epoch = epoch + 1;
        rc = tell(o, &report);
    }
    return rc;
}

/* All epochs of a training that has begun. */
static dkvb_status train_rows(dkvb_model *model, const struct dkvb__run *run, const uint16_t *codes,
                              const int32_t *labels, size_t n)
{
    struct shuffle s;
    struct pass p;
    size_t count = 0;
    dkvb_status rc = shuffle_new(&s, n, &model->mem);

    if (rc)
        return rc;
    rc = labelled_rows(model, labels, n, s.rows, &count);
    if (!rc)
        rc = pass_new(&p, model, run, codes, labels);
    if (!rc) {
        rc = run_epochs(&p, &s, count);
        pass_free(&p);
    }
    shuffle_free(&s, &model->mem);
    return rc;
}

dkvb_status dkvb_model_train(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels, size_t n,
                             const dkvb_train_options *given, const dkvb_run_options *opts)
{
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = dkvb__check_live_codes(model, codes, k, n, &run);
    if (!rc)
        rc = begin(model, given, model->blank, &run);
    if (rc)
        return rc;
    rc = train_rows(model, &run, codes, labels, n);
    if (!rc)
        dkvb__trained_extend(model->trained, &model->training->options, codes, dkvb__code_size(model), labels, n, &run);
    if (!rc)
        rc = dkvb_model_train_end(model);
    dkvb_model_train_abort(model); /* no-op after a good end */
    return rc;
}

dkvb_status dkvb__train_afresh(dkvb_model *model, const uint16_t *codes, const int32_t *labels, size_t n,
                               const dkvb_train_options *options, const struct dkvb__run *run)
{
    uint64_t before = model->rows_trained;
    dkvb_status rc = begin(model, options, true, run);

    if (rc)
        return rc;
    rc = train_rows(model, run, codes, labels, n);
    if (!rc) {
        model->rows_trained = 0;
        rc = dkvb_model_train_end(model);
    }
    if (rc)
        model->rows_trained = before;
    dkvb_model_train_abort(model);
    return rc;
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
    run.progress = NULL; /* a step is short, and must not stop half way */
    rows = dkvb__alloc(&model->mem, n, sizeof *rows);
    rc = rows ? labelled_rows(model, labels, n, rows, &count)
              : dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu rows", n);
    if (!rc)
        rc = pass_new(&p, model, &run, codes, labels);
    if (!rc) {
        rc = run_pass(&p, rows, count, 0, count, &report);
        pass_free(&p);
    }
    dkvb__free(&model->mem, rows);
    if (rc)
        return rc;
    model->training->rows += count;
    report.epoch = ++model->training->steps;
    return tell(&model->training->options, &report);
}

void dkvb__trained_extend(uint8_t trained[16], const dkvb_train_options *o, const uint16_t *codes, size_t code_size,
                          const int32_t *labels, size_t n, const struct dkvb__run *run)
{
    uint64_t sum[2] = {0, 0};

    (void)run;
    for (size_t r = 0; r < n; r++) {
        uint8_t head[12], id[16];

        if (labels[r] < 0)
            continue;
        dkvb__write64(head, o->ids ? o->ids[r] : r);
        dkvb__write32(head + 8, (uint32_t)labels[r]);
        dkvb__fingerprint(
            id, (const struct dkvb__piece[]){{head, sizeof head}, {codes + r * code_size, code_size * sizeof *codes}},
            2);
        sum[0] += dkvb__read64(id);
        sum[1] += dkvb__read64(id + 8);
    }
    dkvb__fingerprint(trained,
                      (const struct dkvb__piece[]){{trained, 16},
                                                   {&o->epochs, sizeof o->epochs},
                                                   {&o->learning_rate, sizeof o->learning_rate},
                                                   {&o->seed, sizeof o->seed},
                                                   {sum, sizeof sum}},
                      5);
}
