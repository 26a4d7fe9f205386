/*
 * Sums the values of the keys that a row selects (its code), which is nearly all the work of decoding. The rows of
 * values that a code selects lie anywhere in an array that is far larger than the caches. As the selected rows of
 * values are scattered in memory, their addresses are computed and prefetched some way ahead; the kernels then add the
 * rows of values, for every number type.
 */
#include "bottleneck/sums.h"

#include <string.h>

#include "base/alloc.h"
#include "bottleneck/value_types.h"
#include "dkvb/search.h"
#include "kernels/kernels.h"

/* number of rows of values whose addresses are computed before the rows of values are added to a sum */
enum { AHEAD = 64 };

bool dkvb__pair_learned(const dkvb_model *model, size_t pair)
{
    return model->classes == 1 || !dkvb__values_zero(dkvb__values_of(model, pair), model->values_dtype, model->classes);
}

/* Finds out whether any key-value pair of a code, among the pairs whose values this rank (process) holds, has learned
 * values. Whether a selected key-value pair has learned values matters only if all sums of a row are 0, which is rare
 * unless all values are 0. */
static bool any_learned(const dkvb_model *model, const uint16_t *code)
{
    for (size_t i = model->first_codebook * model->top_k; i < model->end_codebook * model->top_k; i++)
        if (code[i] != DKVB_CODE_NONE &&
            dkvb__pair_learned(model, i / model->top_k * model->codebooks->shape.keys + code[i]))
            return true;
    return false;
}

void dkvb__sum_group(const dkvb_model *model, size_t group, const uint16_t *code, float *sum)
{
    const struct dkvb__kernels *kernels = dkvb__kernels();
    size_t classes = model->classes, size = dkvb__code_size(model), group_size = (size_t)DKVB__GROUP * model->top_k;
    size_t bytes = classes * dkvb__value_size(model->values_dtype), stride = model->codebooks->shape.keys * bytes;
    const char *codebook = (const char *)model->values + (group * DKVB__GROUP - model->first_codebook) * stride;
    size_t first = group * group_size, end = size - first < group_size ? size : first + group_size, count = 0;
    const void *row[AHEAD];

    memset(sum, 0, classes * sizeof *sum);
    for (size_t i = first, rank = 0; i < end; i++) {
        if (code[i] != DKVB_CODE_NONE) {
            row[count] = codebook + code[i] * bytes;
            if (count < DKVB__SWEEP || bytes <= DKVB__LONG_ROW)
                dkvb__prefetch_row(row[count], bytes);
            count++;
        }
        if (++rank == model->top_k) {
            codebook += stride;
            rank = 0;
        }
        if (count == AHEAD || i + 1 == end) {
            kernels->add_values(sum, row, count, classes, model->values_dtype);
            count = 0;
        }
    }
}

/* Computes the logits of a row from the sums of its selected values. divide() returns false if all sums of the row are
 * 0. */
static bool divide(const dkvb_model *model, const double *sums, float *logits)
{
    double size = (double)dkvb__code_size(model);
    bool zero = true;

    for (size_t l = 0; l < model->classes; l++) {
        zero = zero && sums[l] == 0.0;
        logits[l] = (float)(sums[l] / size);
    }
    return !zero;
}

bool dkvb__finish_logits(const dkvb_model *model, const uint16_t *code, const double *sums, float *logits,
                         const uint8_t *learned)
{
    bool any = divide(model, sums, logits);

    if (any || !learned)
        return any || any_learned(model, code);
    for (size_t i = 0; i < dkvb__code_size(model) && !any; i++)
        any = code[i] != DKVB_CODE_NONE && learned[i / model->top_k * model->codebooks->shape.keys + code[i]];
    return any;
}

struct marking {
    const dkvb_model *model;
    uint8_t *learned;
};

static void mark_codebook(void *context, size_t own, unsigned worker)
{
    const struct marking *m = context;
    size_t keys = m->model->codebooks->shape.keys, first = dkvb__first_pair(m->model) + own * keys;

    (void)worker;
    for (size_t pair = first; pair < first + keys; pair++)
        m->learned[pair] = dkvb__pair_learned(m->model, pair);
}

dkvb_status dkvb__find_learned(const dkvb_model *model, uint8_t *learned, const struct dkvb__run *run)
{
    struct marking m = {model, learned};
    size_t first[DKVB_RANKS_COUNT + 1];

    dkvb__parallel(run, model->end_codebook - model->first_codebook, mark_codebook, &m);
    dkvb__pairs_of_ranks(model, first);
    return dkvb__ranks_share(&model->codebooks->ranks, learned, first, 1);
}

bool dkvb__logits(const dkvb_model *model, const uint16_t *code, float *logits, float *group, double *sums)
{
    size_t groups = dkvb__groups(model);

    memset(sums, 0, model->classes * sizeof *sums);
    for (size_t g = 0; g < groups; g++) {
        dkvb__sum_group(model, g, code, group);
        for (size_t l = 0; l < model->classes; l++)
            sums[l] += (double)group[l];
    }
    return dkvb__finish_logits(model, code, sums, logits, NULL);
}

/*
 * If ranks (processes) share a model, values are summed in two steps: each rank sums its own groups of codebooks, and
 * then the ranks exchange the sums. Before the exchange of sums, each rank sums the values of its own groups of
 * codebooks for all rows of a block. In the exchange of sums, each rank gets the sums of all groups of codebooks for
 * its own part of the rows, and adds them in the order of the groups, as one process would.
 */

bool dkvb__summing_new(struct dkvb__summing *s, const dkvb_model *model, size_t most)
{
    size_t own = model->end_group - model->first_group, share = most / model->codebooks->ranks.count + 1;

    *s = (struct dkvb__summing){.model = model, .row = model->classes + 1};
    s->own = dkvb__alloc(&model->mem, own ? own : 1, most * s->row * sizeof *s->own);
    s->all = dkvb__alloc(&model->mem, dkvb__groups(model), share * s->row * sizeof *s->all);
    return s->own && s->all;
}

void dkvb__summing_free(struct dkvb__summing *s)
{
    dkvb__free_erased(&s->model->mem, s->own);
    dkvb__free_erased(&s->model->mem, s->all);
}

void dkvb__summing_begin(struct dkvb__summing *s, size_t rows)
{
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;

    s->rows = rows;
    s->first = dkvb__ranks_first(ranks, rows, ranks->rank);
    s->end = dkvb__ranks_first(ranks, rows, ranks->rank + 1);
}

float *dkvb__summing_own(const struct dkvb__summing *s, size_t group, size_t row)
{
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    size_t own = s->model->end_group - s->model->first_group;
    uint32_t r = dkvb__ranks_owner(ranks, s->rows, row);
    size_t first = dkvb__ranks_first(ranks, s->rows, r), end = dkvb__ranks_first(ranks, s->rows, r + 1);

    return s->own + (first * own + (group - s->model->first_group) * (end - first) + (row - first)) * s->row;
}

const float *dkvb__summing_all(const struct dkvb__summing *s, size_t group, size_t row)
{
    return s->all + (group * (s->end - s->first) + (row - s->first)) * s->row;
}

dkvb_status dkvb__summing_exchange(const struct dkvb__summing *s)
{
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    size_t groups = dkvb__groups(s->model), own = s->model->end_group - s->model->first_group;
    size_t to[DKVB_RANKS_COUNT], from[DKVB_RANKS_COUNT], bytes = s->row * sizeof(float);

    for (uint32_t r = 0; r < ranks->count; r++) {
        to[r] = own * bytes * (dkvb__ranks_first(ranks, s->rows, r + 1) - dkvb__ranks_first(ranks, s->rows, r));
        from[r] = (dkvb__ranks_first(ranks, groups, r + 1) - dkvb__ranks_first(ranks, groups, r)) * bytes *
                  (s->end - s->first);
    }
    return dkvb__ranks_exchange(ranks, s->own, to, s->all, from);
}

void dkvb__summing_group(const struct dkvb__summing *s, size_t group, const uint16_t *codes)
{
    const dkvb_model *model = s->model;
    size_t size = dkvb__code_size(model), first = group * DKVB__GROUP * model->top_k;
    size_t end = size - first < (size_t)DKVB__GROUP * model->top_k ? size : first + (size_t)DKVB__GROUP * model->top_k;

    for (size_t r = 0; r < s->rows; r++) {
        const uint16_t *code = codes + r * size;
        float *sum = dkvb__summing_own(s, group, r);
        bool learned = false;

        dkvb__sum_group(model, group, code, sum);
        for (size_t l = 0; l < model->classes && !learned; l++)
            learned = sum[l] != 0.0f;
        for (size_t i = first; i < end && !learned; i++)
            learned = code[i] != DKVB_CODE_NONE &&
                      dkvb__pair_learned(model, i / model->top_k * model->codebooks->shape.keys + code[i]);
        sum[model->classes] = learned;
    }
}

bool dkvb__summing_logits(const struct dkvb__summing *s, size_t row, double *sums, float *logits)
{
    size_t groups = dkvb__groups(s->model), classes = s->model->classes;
    bool learned = false;

    memset(sums, 0, classes * sizeof *sums);
    for (size_t g = 0; g < groups; g++) {
        const float *group = dkvb__summing_all(s, g, row);

        for (size_t l = 0; l < classes; l++)
            sums[l] += (double)group[l];
        learned = learned || group[classes] != 0.0f;
    }
    return divide(s->model, sums, logits) || learned;
}
