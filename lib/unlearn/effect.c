/* Measures effects of masks on held-out rows, from codes with more keys than a model selects
 * (include/dkvb/effect.h). */
#include "unlearn/effect.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/choose.h"
#include "dkvb/search.h"

dkvb_status dkvb__held_out_take(dkvb_codeset_rows *out, const dkvb_codeset_rows *given, const dkvb_model *model)
{
    const struct dkvb__shape *shape = &model->codebooks->shape;
    dkvb_status rc = dkvb__take_options(out, sizeof *out, given, "held-out rows");

    if (rc)
        return rc;
    if (out->n > 0 && !out->codes)
        return dkvb__fail(DKVB_EINVAL, "held-out rows: codes are missing");
    if (out->codebooks != shape->codebooks || out->k < model->top_k)
        return dkvb__fail(DKVB_EMISMATCH,
                          "held-out rows: codes of %u codebooks, %u deep; the model has %u and selects %u",
                          out->codebooks, out->k, shape->codebooks, model->top_k);
    for (size_t r = 0; r < out->n; r++)
        if (out->labels[r] < -1 || (out->labels[r] >= 0 && (uint32_t)out->labels[r] >= model->classes))
            return dkvb__fail(DKVB_EINVAL, "held-out rows: row %zu has label %d, it must be -1 to %u", r,
                              out->labels[r], model->classes - 1);
    return dkvb__check_code_range(out->codes, out->k, out->n, shape->codebooks, shape->keys);
}

/* State of selecting keys under a mask: a row selects the first keys of its stored code that are not masked. */
struct selecting {
    const dkvb_model *model;
    /* mask that hides key-value pairs in addition to the model's mask in force, or NULL for none */
    const dkvb_mask *mask;
    const dkvb_codeset_rows *held;
    const size_t *rows; /* indices of the rows in `held` that are measured, [n]; NULL if all rows are measured */
    uint16_t *codes;    /* selected keys of each row whose answer is measured, [n][codebooks][top_k] */
    /* number of (row, codebook) pairs whose codes have fewer unmasked keys than the model selects */
    _Atomic uint64_t exhausted;
};

static bool is_out(const struct selecting *s, size_t c, size_t key)
{
    return dkvb__model_dead(s->model, c, key) || (s->mask && dkvb__mask_bit(s->mask, c, key));
}

/* Selects the first unmasked keys of a row's code in one codebook. False is returned if a row's code in the codebook
 * has fewer unmasked keys than the model selects. */
static bool select_keys(const struct selecting *s, size_t c, const uint16_t *deep, uint16_t *code)
{
    uint32_t k = s->model->top_k, found = 0;

    for (uint32_t j = 0; j < s->held->k && found < k; j++)
        if (deep[j] != DKVB_CODE_NONE && !is_out(s, c, deep[j]))
            code[found++] = deep[j];
    for (uint32_t j = found; j < k; j++)
        code[j] = DKVB_CODE_NONE;
    return found == k;
}

static void select_row(void *context, size_t i, unsigned worker)
{
    struct selecting *s = context;
    size_t codebooks = s->held->codebooks, row = s->rows ? s->rows[i] : i;
    uint64_t exhausted = 0;

    (void)worker;
    for (size_t c = 0; c < codebooks; c++)
        exhausted += !select_keys(s, c, s->held->codes + (row * codebooks + c) * s->held->k,
                                  s->codes + (i * codebooks + c) * s->model->top_k);
    if (exhausted)
        atomic_fetch_add(&s->exhausted, exhausted);
}

/* One of two models whose answers to held-out rows are compared, with the pairs that are masked in addition to the
 * model's mask in force. */
struct side {
    const dkvb_model *model;
    const dkvb_mask *mask;
};

/* Computes the classes that a model predicts when pairs are masked: answers[i] is the class of row rows[i], or of row i
 * if `rows` is NULL. The argument `codes`, [n][codebooks][top_k], is scratch space for the selected keys. */
static dkvb_status answer(const struct side *side, const dkvb_codeset_rows *held, const size_t *rows, size_t n,
                          uint16_t *codes, int32_t *answers, uint64_t *exhausted, const dkvb_run_options *opts)
{
    const dkvb_model *model = side->model;
    struct selecting s = {.model = model, .mask = side->mask, .held = held, .rows = rows, .codes = codes};
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc)
        return rc;
    atomic_init(&s.exhausted, 0);
    dkvb__parallel(&run, n, select_row, &s);
    *exhausted = atomic_load(&s.exhausted);
    return dkvb_model_decode(model, codes, model->top_k, n, answers, NULL, opts);
}

/* Computes the loss of accuracy of a class, (lost - gained) / rows, from its numbers of rows, lost answers and gained
 * answers, and the interval of the loss. For the interval of a class's loss of accuracy, half a row is added to each of
 * the four cells of the table of paired answers (right or wrong, before and after). */
void dkvb__effect_work_out(dkvb_class_effect *e)
{
    double n = (double)e->rows + 2.0, lost = (double)e->lost + 0.5, gained = (double)e->gained + 0.5;
    double middle = (lost - gained) / n, half = 1.96 * sqrt(((lost + gained) / n - middle * middle) / n);

    e->loss = e->low = e->high = 0.0;
    if (e->rows == 0)
        return;
    e->loss = ((double)e->lost - (double)e->gained) / (double)e->rows;
    e->low = middle - half > -1.0 ? middle - half : -1.0;
    e->high = middle + half < 1.0 ? middle + half : 1.0;
}

void dkvb__effect_add(dkvb_class_effect *sum, const dkvb_class_effect *part)
{
    sum->rows += part->rows;
    sum->right_before += part->right_before;
    sum->right_after += part->right_after;
    sum->lost += part->lost;
    sum->gained += part->gained;
    dkvb__effect_work_out(sum);
}

/* Counts, for each class, the right answers before and after a forgetting. The argument `labels` has the labels of all
 * held-out rows; `before` and `after` have the classes predicted for the n measured rows before and after a
 * forgetting. */
static void tally(dkvb_class_effect *effects, uint32_t classes, const int32_t *labels, const size_t *rows, size_t n,
                  const int32_t *before, const int32_t *after)
{
    memset(effects, 0, classes * sizeof *effects);
    for (size_t i = 0; i < n; i++) {
        int32_t label = labels[rows[i]];
        bool was = before[i] == label, is = after[i] == label;
        dkvb_class_effect *e = &effects[label];

        e->rows++;
        e->right_before += was;
        e->right_after += is;
        e->lost += was && !is;
        e->gained += is && !was;
    }
    for (uint32_t l = 0; l < classes; l++)
        dkvb__effect_work_out(&effects[l]);
}

static dkvb_status compare(const struct side *before, const struct side *after, const dkvb_codeset_rows *given,
                           dkvb_class_effect *effects, uint64_t *exhausted, const dkvb_run_options *opts)
{
    const dkvb_model *model = before->model;
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    uint64_t out = 0;
    uint16_t *codes;
    int32_t *answers;
    size_t *rows, n = 0;
    dkvb_status rc = dkvb__held_out_take(&held, given, model);

    if (!rc && before->mask)
        rc = dkvb__mask_check(before->mask, model->codebooks);
    if (!rc && after->mask)
        rc = dkvb__mask_check(after->mask, model->codebooks);
    if (rc)
        return rc;
    rows = dkvb__alloc(&model->mem, held.n, sizeof *rows);
    for (size_t r = 0; rows && r < held.n; r++)
        if (held.labels[r] >= 0)
            rows[n++] = r;
    codes = dkvb__alloc(&model->mem, n, dkvb__code_size(model) * sizeof *codes);
    answers = dkvb__alloc(&model->mem, n, 2 * sizeof *answers);
    if (!rows || !codes || !answers)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the answers to %zu rows", held.n);
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = answer(before, &held, rows, n, codes, answers, &out, opts);
    /* If the two models that are compared are one and the same model with the same mask, the answers of the second are
     * copies of the first's. */
    if (!rc && before->model == after->model && before->mask == after->mask)
        memcpy(answers + n, answers, n * sizeof *answers);
    else if (!rc)
        rc = answer(after, &held, rows, n, codes, answers + n, &out, opts);
    if (!rc)
        tally(effects, model->classes, held.labels, rows, n, answers, answers + n);
    if (!rc && exhausted)
        *exhausted = out;
    dkvb__free_erased(&model->mem, rows);
    dkvb__free_erased(&model->mem, codes);
    dkvb__free_erased(&model->mem, answers);
    return rc;
}

dkvb_status dkvb__effect_answer(const dkvb_model *model, const dkvb_mask *mask, const dkvb_codeset_rows *given,
                                int32_t *labels, uint64_t *exhausted, const dkvb_run_options *opts)
{
    const struct side side = {model, mask};
    dkvb_codeset_rows held = DKVB_CODESET_ROWS_INIT;
    uint64_t out = 0;
    uint16_t *codes;
    dkvb_status rc = dkvb__held_out_take(&held, given, model);

    if (!rc && mask)
        rc = dkvb__mask_check(mask, model->codebooks);
    if (rc)
        return rc;
    codes = dkvb__alloc(&model->mem, held.n, dkvb__code_size(model) * sizeof *codes);
    if (!codes)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", held.n);
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = answer(&side, &held, NULL, held.n, codes, labels, &out, opts);
    if (!rc && exhausted)
        *exhausted = out;
    dkvb__free_erased(&model->mem, codes);
    return rc;
}

dkvb_status dkvb_effect_measure(const dkvb_model *model, const dkvb_mask *before, const dkvb_mask *mask,
                                const dkvb_codeset_rows *held, dkvb_class_effect *effects, uint64_t *exhausted,
                                const dkvb_run_options *opts)
{
    return compare(&(struct side){model, before}, &(struct side){model, mask}, held, effects, exhausted, opts);
}

dkvb_status dkvb__effect_compare(const dkvb_model *before, const dkvb_model *after, const dkvb_codeset_rows *held,
                                 dkvb_class_effect *effects, const dkvb_run_options *opts)
{
    if (memcmp(before->codebooks->birth, after->codebooks->birth, sizeof before->codebooks->birth) != 0 ||
        before->classes != after->classes || before->top_k != after->top_k)
        return dkvb__fail(DKVB_EMISMATCH, "effects: models of different codebooks, classes (%u, %u) or k (%u, %u)",
                          before->classes, after->classes, before->top_k, after->top_k);
    return compare(&(struct side){before, NULL}, &(struct side){after, NULL}, held, effects, NULL, opts);
}

/* Number of additions of values that decoding a sample of rows may take, about half a second on two cores. */
static const uint64_t additions = (uint64_t)1 << 30;

enum {
    /* least number of held-out rows in a sample on which a mask's effects on accuracies are measured */
    LEAST_SAMPLE = 1024,
    /* number of the random stream by which held-out rows are drawn for measuring, different from the streams for
     * training and for holding out */
    SAMPLE_STREAM = 0x5A17
};

dkvb_status dkvb__effect_draw(const dkvb_model *model, const uint64_t *ids, size_t n, const uint8_t *classes,
                              uint64_t most, int32_t *labels, uint64_t *stay)
{
    uint64_t affordable = additions / ((uint64_t)dkvb__code_size(model) * model->classes);
    struct dkvb__keyed *others = dkvb__alloc(&model->mem, n, 2 * sizeof *others);
    size_t count = 0;

    *stay = 0;
    if (!others)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to choose among %zu rows", n);
    if (most == 0)
        most = affordable > LEAST_SAMPLE ? affordable : LEAST_SAMPLE;
    for (size_t r = 0; r < n; r++) {
        *stay += labels[r] >= 0;
        if (labels[r] >= 0 && classes[labels[r]] == DKVB_KEEP)
            others[count++] = (struct dkvb__keyed){dkvb__rng_of_id(0, SAMPLE_STREAM, ids[r]), r};
    }
    dkvb__sort_keyed(others, others + n, count);
    for (size_t i = most; i < count; i++, --*stay)
        labels[others[i].index] = -1;
    dkvb__free_erased(&model->mem, others);
    return DKVB_OK;
}
