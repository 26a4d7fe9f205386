/*
 * The sum of the values that a code selects, which is nearly all the work of decoding. The rows of values lie anywhere
 * in an array that is far larger than the caches. The addresses of the rows are therefore computed and prefetched some
 * way ahead; the kernels then add the rows, whatever their type.
 */
#include "bottleneck/sums.h"

#include <string.h>

#include "bottleneck/value_types.h"
#include "dkvb/search.h"
#include "kernels/kernels.h"

enum { AHEAD = 64 }; /* number of rows that are looked up before they are added */

bool dkvb__pair_learned(const dkvb_model *model, size_t pair)
{
    size_t bytes = model->classes * dkvb__value_size(model->values_dtype);

    return model->classes == 1 ||
           !dkvb__values_zero((const char *)model->values + pair * bytes, model->values_dtype, model->classes);
}

/* Tells whether anything was learned behind the pairs of a code. The question only arises if all sums are 0, which is
 * rare unless all values are 0. */
static bool any_learned(const dkvb_model *model, const uint16_t *code)
{
    size_t size = dkvb__code_size(model);

    for (size_t i = 0; i < size; i++)
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
    const char *codebook = (const char *)model->values + group * DKVB__GROUP * stride;
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

bool dkvb__finish_logits(const dkvb_model *model, const uint16_t *code, const double *sums, float *logits)
{
    double size = (double)dkvb__code_size(model);
    bool zero = true;

    for (size_t l = 0; l < model->classes; l++) {
        zero = zero && sums[l] == 0.0;
        logits[l] = (float)(sums[l] / size);
    }
    return !zero || any_learned(model, code);
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
    return dkvb__finish_logits(model, code, sums, logits);
}
