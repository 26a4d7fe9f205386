/*
 * Counts of how often rows select each pair: the rows of a forget set, or the rows of each class. A model may keep, for
 * each class, the counts of how often its rows select each pair, so that a class can be forgotten by name alone.
 */
#include "unlearn/choose.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/search.h"

/* number of codebooks counted in one pass over the rows, as the counts of so many codebooks fit the cache */
enum { CODEBOOKS = 16 };

struct counting {
    const dkvb_model *model;
    const uint16_t *codes;
    size_t n;
    const uint8_t *marks; /* marks of the rows whose selections are counted; NULL: all rows are counted */
    uint8_t mark;
    uint64_t *counts;
};

/* Counts, in some codebooks, how often rows select each key-value pair. Each parallel task counts the selections in
 * codebooks of its own, so that no two tasks write the same count. */
static void count_codebooks(void *context, size_t task, unsigned worker)
{
    const struct counting *s = context;
    const struct dkvb__shape *shape = &s->model->codebooks->shape;
    size_t size = dkvb__code_size(s->model), k = s->model->top_k, first = task * CODEBOOKS;
    size_t end = shape->codebooks - first < CODEBOOKS ? shape->codebooks : first + CODEBOOKS;

    (void)worker;
    for (size_t r = 0; r < s->n; r++) {
        const uint16_t *code = s->codes + r * size + first * k;

        if (s->marks && s->marks[r] != s->mark)
            continue;
        for (size_t c = first; c < end; c++)
            for (size_t j = 0; j < k; j++, code++)
                if (*code != DKVB_CODE_NONE)
                    s->counts[c * shape->keys + *code]++;
    }
}

void dkvb__count_marked(const dkvb_model *model, const uint16_t *codes, size_t n, const uint8_t *marks, uint8_t mark,
                        uint64_t *counts, const struct dkvb__run *run)
{
    struct counting s = {model, codes, n, marks, mark, counts};

    dkvb__parallel(run, (model->codebooks->shape.codebooks + CODEBOOKS - 1) / CODEBOOKS, count_codebooks, &s);
}

struct class_counting {
    const dkvb_model *model;
    const uint16_t *codes;
    const int32_t *labels;
    size_t n;
    /* counts of how often rows of each class select each pair of those codebooks that this rank (process) holds,
     * [classes][own codebooks][keys] */
    uint32_t *counts;
};

/* Counts, in some codebooks, how often the rows of each class select each key-value pair. Each parallel task counts the
 * selections in codebooks of its own, so that no two tasks write the same count. */
static void count_class_codebooks(void *context, size_t task, unsigned worker)
{
    const struct class_counting *s = context;
    const struct dkvb__shape *shape = &s->model->codebooks->shape;
    size_t size = dkvb__code_size(s->model), k = s->model->top_k, own = s->model->first_codebook;
    size_t first = own + task * CODEBOOKS, last = s->model->end_codebook;
    size_t end = last - first < CODEBOOKS ? last : first + CODEBOOKS;

    (void)worker;
    for (size_t r = 0; r < s->n; r++) {
        const uint16_t *code = s->codes + r * size + first * k;
        uint32_t *counts = s->counts + (s->labels[r] < 0 ? 0 : (size_t)s->labels[r] * dkvb__own_pairs(s->model));

        for (size_t c = first; s->labels[r] >= 0 && c < end; c++)
            for (size_t j = 0; j < k; j++, code++)
                if (*code != DKVB_CODE_NONE)
                    counts[(c - own) * shape->keys + *code]++;
    }
}

void dkvb__count_classes(const dkvb_model *model, const uint16_t *codes, const int32_t *labels, size_t n,
                         uint32_t *counts, const struct dkvb__run *run)
{
    struct class_counting s = {model, codes, labels, n, counts};
    size_t codebooks = model->end_codebook - model->first_codebook;

    dkvb__parallel(run, (codebooks + CODEBOOKS - 1) / CODEBOOKS, count_class_codebooks, &s);
}

uint32_t *dkvb__class_counts_new(const dkvb_model *model)
{
    return dkvb__alloc0(&model->mem, model->classes, dkvb__own_pairs(model) * sizeof(uint32_t));
}

void dkvb__class_counts_erase(dkvb_model *model)
{
    dkvb__free_erased(&model->mem, model->counts);
    model->counts = NULL;
}

dkvb_status dkvb_model_count_classes(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels,
                                     size_t n, const dkvb_run_options *opts)
{
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = dkvb__model_need_mutable(model);
    if (!rc)
        rc = dkvb__check_codes(model, codes, k, n);
    for (size_t r = 0; !rc && r < n; r++)
        if (labels[r] < -1 || (labels[r] >= 0 && (uint32_t)labels[r] >= model->classes))
            rc =
                dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, it must be -1 to %u", r, labels[r], model->classes - 1);
    if (!rc && !model->counts) {
        uint32_t *made = dkvb__class_counts_new(model);

        rc = made ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the counts of %u classes", model->classes);
        rc = dkvb__ranks_agree(&model->codebooks->ranks, rc);
        if (rc)
            dkvb__free(&model->mem, made);
        else
            model->counts = made;
    }
    if (!rc)
        dkvb__count_classes(model, codes, labels, n, model->counts, &run);
    return rc;
}

dkvb_status dkvb_model_class_counts(const dkvb_model *model, uint32_t label, uint64_t *counts)
{
    size_t own = dkvb__own_pairs(model), first[DKVB_RANKS_COUNT + 1];
    const uint32_t *kept;

    if (label >= model->classes)
        return dkvb__fail(DKVB_EINVAL, "class %u does not exist, the model has classes 0 to %u", label,
                          model->classes - 1);
    if (!model->counts)
        return dkvb__fail(DKVB_ENOTFOUND, "the model keeps no counts of its classes");
    kept = dkvb__class_counts_of(model, label);
    for (size_t i = 0; i < own; i++)
        counts[dkvb__first_pair(model) + i] += kept[i];
    dkvb__pairs_of_ranks(model, first);
    return dkvb__ranks_share(&model->codebooks->ranks, counts, first, sizeof *counts);
}

dkvb_status dkvb_model_drop_counts(dkvb_model *model)
{
    dkvb_status rc = dkvb__model_need_mutable(model);

    if (!rc)
        dkvb__class_counts_erase(model);
    return rc;
}

dkvb_status dkvb__choice_count(const struct dkvb__choice *choice, uint8_t mark, uint64_t *counts)
{
    const dkvb_request *q = &choice->request;
    dkvb_status rc = DKVB_OK;

    if (!q->codes)
        for (uint32_t l = 0; !rc && l < choice->model->classes; l++)
            rc = q->classes[l] == mark ? dkvb_model_class_counts(choice->model, l, counts) : DKVB_OK;
    else if (q->rows || mark == DKVB_FORGET)
        dkvb__count_marked(choice->model, q->codes, q->n, q->rows, mark, counts, choice->run);
    return rc;
}
