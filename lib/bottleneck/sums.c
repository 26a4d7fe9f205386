/*
 * The sum of the values that a code selects, which is most of the work of an epoch. The rows lie anywhere in an array
 * that is far larger than the caches, so their addresses are worked out for a while ahead and prefetched; and several
 * rows are added in one sweep over the classes, one after the other in each class, so that the order is that of a
 * plain loop and the sums are read and written less often.
 */
#include "bottleneck/sums.h"

#include <string.h>

#include "dkvb/search.h"

enum {
    AHEAD = 64, /* rows looked up before they are added */
    SWEEP = 8   /* rows added at a time; divides AHEAD */
};

static void add_sweep(double *restrict sums, const float *const row[SWEEP], size_t classes)
{
    const float *a = row[0], *b = row[1], *c = row[2], *d = row[3], *e = row[4], *f = row[5], *g = row[6], *h = row[7];

    for (size_t l = 0; l < classes; l++) {
        double sum = sums[l];

        sum += (double)a[l];
        sum += (double)b[l];
        sum += (double)c[l];
        sum += (double)d[l];
        sum += (double)e[l];
        sum += (double)f[l];
        sum += (double)g[l];
        sums[l] = sum + (double)h[l];
    }
}

static void add_rows(double *restrict sums, const float *const *row, size_t count, size_t classes)
{
    size_t i = 0;

    for (; i + SWEEP <= count; i += SWEEP)
        add_sweep(sums, row + i, classes);
    for (; i < count; i++)
        for (size_t l = 0; l < classes; l++)
            sums[l] += (double)row[i][l];
}

bool dkvb__sum_values(const dkvb_model *model, const float *values, const uint16_t *code, double *sums)
{
    size_t classes = model->classes, k = model->top_k, size = dkvb__code_size(model), count = 0;
    size_t stride = model->codebooks->shape.keys * classes;
    const float *row[AHEAD];
    bool any = false;

    memset(sums, 0, classes * sizeof *sums);
    for (size_t i = 0, rank = 0; i < size; i++) {
        if (code[i] != DKVB_CODE_NONE) {
            row[count] = values + code[i] * classes;
            dkvb__prefetch_row(row[count++], classes * sizeof *values);
            any = true;
        }
        if (++rank == k) {
            values += stride;
            rank = 0;
        }
        if (count == AHEAD || i + 1 == size) {
            add_rows(sums, row, count, classes);
            count = 0;
        }
    }
    return any;
}
