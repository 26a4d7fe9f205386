/*
 * Ridge regression is solved from sums over rows, without a pass over the rows for each penalty. With z = (x - mean) /
 * scale and y the targets (1 for the row's class, else 0), ridge regression finds the weights W with the smallest mean
 * |y - W z - b|^2 + penalty |W|^2: W = E[(y - p) z'] (E[z z'] + penalty)^-1, b = p, where p are the frequencies of the
 * classes (Hoerl and Kennard 1970, Technometrics 12; the intercept by centring). The means E[] in the solution of ridge
 * regression are computed from sums over rows, so a row is removed from the regression by subtracting what the row
 * added to the sums. A vector `shift` near the mean is subtracted from rows before they are summed, since rounding
 * would destroy the covariance of rows far from 0.
 */
#include "reference/head.h"

#include <math.h>
#include <string.h>

#include <cblas.h>
#include <f77blas.h>

#include "base/alloc.h"
#include "base/status.h"

/* Smallest fraction of the rows' sum of squares that may remain after a removal of rows, so that sums of doubles keep
 * about nine digits. */
static const double LEAST_LEFT = 1e-6;

static dkvb_status no_memory(const struct dkvb__sums *s)
{
    return dkvb__fail(DKVB_ENOMEM, "out of memory for sums of %u columns and %u classes", s->dim, s->classes);
}

static dkvb_status allocate(struct dkvb__sums *s, uint32_t dim, uint32_t classes, const dkvb_allocator *mem)
{
    *s = (struct dkvb__sums){.dim = dim, .classes = classes, .mem = *mem};
    s->count = dkvb__alloc0(mem, classes, sizeof *s->count);
    s->shift = dkvb__alloc0(mem, dim, sizeof *s->shift);
    s->total = dkvb__alloc0(mem, dim, sizeof *s->total);
    s->cross = dkvb__alloc0(mem, (size_t)classes * dim, sizeof *s->cross);
    s->gram = dkvb__alloc0(mem, (size_t)dim * dim, sizeof *s->gram);
    return s->count && s->shift && s->total && s->cross && s->gram ? DKVB_OK : no_memory(s);
}

dkvb_status dkvb__sums_new(struct dkvb__sums *s, const dkvb_reference_rows *rows, const int32_t *labels,
                           const dkvb_allocator *mem)
{
    dkvb_status rc = allocate(s, rows->dim, rows->classes, mem);
    size_t n = 0;

    if (rc)
        return rc;
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->x + i * rows->dim;

        if (labels[i] < 0)
            continue;
        n++;
        for (uint32_t d = 0; d < rows->dim; d++)
            s->shift[d] += (double)x[d];
    }
    for (uint32_t d = 0; d < rows->dim && n > 0; d++)
        s->shift[d] /= (double)n;
    return DKVB_OK;
}

/* Computes z = x - shift, double[dim], for row x, where `shift` is a vector close to the rows' mean, and adds z to the
 * sums of the row's class. */
static void add_row(struct dkvb__sums *s, const float *x, int32_t label, double sign, double *z)
{
    double *cross = s->cross + (size_t)label * s->dim;

    for (uint32_t d = 0; d < s->dim; d++) {
        z[d] = (double)x[d] - s->shift[d];
        s->total[d] += sign * z[d];
        cross[d] += sign * z[d];
    }
    s->count[label] += sign > 0 ? 1 : (uint64_t)-1;
    s->rows += sign > 0 ? 1 : (uint64_t)-1;
}

dkvb_status dkvb__sums_add(struct dkvb__sums *s, const dkvb_reference_rows *rows, const int32_t *labels, double sign,
                           const struct dkvb__work *work, double from, double to)
{
    double *block = dkvb__alloc(&work->mem, (size_t)DKVB__REFERENCE_BLOCK * s->dim, sizeof *block);
    dkvb_status rc = block ? DKVB_OK : no_memory(s);
    int dim = (int)s->dim, used = 0;

    for (size_t i = 0; !rc && i < rows->n; i++) {
        if (labels[i] >= 0)
            add_row(s, rows->x + i * s->dim, labels[i], sign, block + (size_t)used++ * s->dim);
        if (used == DKVB__REFERENCE_BLOCK || (i + 1 == rows->n && used > 0)) {
            cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, dim, used, sign, block, dim, 1.0, s->gram, dim);
            used = 0;
            rc = dkvb__work_tick(work, from + (to - from) * (double)(i + 1) / (double)rows->n);
        }
    }
    dkvb__free_erased(&work->mem, block);
    return rc;
}

/* Rows are removed by subtracting their squares from the sums, so the sums that remain have the rounding errors of the
 * larger sums before. */
bool dkvb__sums_can_remove(const struct dkvb__sums *s, const dkvb_reference_rows *rows, const int32_t *labels,
                           double *total)
{
    double before = 0, after, n = (double)s->rows;

    for (uint32_t d = 0; d < s->dim; d++)
        before += s->gram[(size_t)d * s->dim + d];
    after = before;
    memcpy(total, s->total, s->dim * sizeof *total);
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->x + i * s->dim;

        if (labels[i] < 0)
            continue;
        n--;
        for (uint32_t d = 0; d < s->dim; d++) {
            double z = (double)x[d] - s->shift[d];

            total[d] -= z;
            after -= z * z;
        }
    }
    for (uint32_t d = 0; d < s->dim; d++)
        after -= total[d] * total[d] / n;
    return after >= LEAST_LEFT * before;
}

dkvb_status dkvb__sums_copy(struct dkvb__sums *to, const struct dkvb__sums *from)
{
    size_t dim = from->dim;
    dkvb_status rc = allocate(to, from->dim, from->classes, &from->mem);

    if (rc)
        return rc;
    to->rows = from->rows;
    memcpy(to->count, from->count, from->classes * sizeof *to->count);
    memcpy(to->shift, from->shift, dim * sizeof *to->shift);
    memcpy(to->total, from->total, dim * sizeof *to->total);
    memcpy(to->cross, from->cross, from->classes * dim * sizeof *to->cross);
    memcpy(to->gram, from->gram, dim * dim * sizeof *to->gram);
    return DKVB_OK;
}

/* Frees the sums of rows of a linear head. The sums over rows are erased before their memory is freed, so that no freed
 * block holds sums of forgotten rows. */
void dkvb__sums_free(struct dkvb__sums *s)
{
    dkvb__free_erased(&s->mem, s->gram);
    dkvb__free_erased(&s->mem, s->cross);
    dkvb__free_erased(&s->mem, s->total);
    dkvb__free_erased(&s->mem, s->shift);
    dkvb__free_erased(&s->mem, s->count);
    *s = (struct dkvb__sums){0};
}

double dkvb__sums_scale(const struct dkvb__sums *s)
{
    double n = (double)s->rows, square = 0;

    for (uint32_t d = 0; d < s->dim; d++) {
        double shift = s->shift[d];

        square += s->gram[(size_t)d * s->dim + d] + shift * (2 * s->total[d] + n * shift);
    }
    return square > 0 ? sqrt(square / (n * s->dim)) : 1.0;
}

bool dkvb__sums_factor(const struct dkvb__sums *s, double curvature, double penalty, double *factor)
{
    double n = (double)s->rows, scale = dkvb__sums_scale(s), part = curvature / (n * scale * scale);
    blasint dim = (blasint)s->dim, info = 0;
    /* LAPACK stores matrices by columns, so its upper triangle is the lower triangle of a matrix stored by rows. */
    char triangle = 'U';

    for (uint32_t i = 0; i < s->dim; i++)
        for (uint32_t j = 0; j <= i; j++)
            factor[(size_t)i * s->dim + j] =
                part * (s->gram[(size_t)i * s->dim + j] - s->total[i] * s->total[j] / n) + (i == j ? penalty : 0.0);
    BLASFUNC(dpotrf)(&triangle, &dim, factor, &dim, &info);
    return info == 0;
}

void dkvb__factor_solve(const double *factor, uint32_t dim, double *b, uint32_t count)
{
    int d = (int)dim, n = (int)count;

    /* Two calls of dtrsm (a BLAS function) multiply the rows of the matrix b by the inverse of L' and then by the
     * inverse of L, where L is the Cholesky factor. */
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, n, d, 1.0, factor, d, b, d);
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, n, d, 1.0, factor, d, b, d);
}

dkvb_status dkvb__ridge_solve(const struct dkvb__sums *s, double penalty, double *weight, double *bias)
{
    double n = (double)s->rows, scale = dkvb__sums_scale(s);
    double *factor = dkvb__alloc(&s->mem, (size_t)s->dim * s->dim, sizeof *factor);

    if (!factor)
        return no_memory(s);
    if (!dkvb__sums_factor(s, 1.0, penalty, factor)) {
        dkvb__free_erased(&s->mem, factor);
        return dkvb__fail(DKVB_EINVAL, "options: penalty %g is too small for these rows: no unique solution is left",
                          penalty);
    }
    for (uint32_t l = 0; l < s->classes; l++)
        for (uint32_t d = 0; d < s->dim; d++)
            weight[(size_t)l * s->dim + d] =
                (s->cross[(size_t)l * s->dim + d] - (double)s->count[l] * s->total[d] / n) / (n * scale * scale);
    dkvb__factor_solve(factor, s->dim, weight, s->classes);
    for (uint32_t l = 0; l < s->classes; l++) {
        bias[l] = s->count[l] > 0 ? (double)s->count[l] / n : (double)-INFINITY;
        for (uint32_t d = 0; d < s->dim; d++)
            bias[l] -= weight[(size_t)l * s->dim + d] * (s->shift[d] + s->total[d] / n);
    }
    dkvb__free_erased(&s->mem, factor);
    return DKVB_OK;
}
