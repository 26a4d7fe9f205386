/*
 * Half whitening multiplies rows by W = S^(-1/4), where S is the covariance of the key rows (rows on which keys are
 * placed) with a floor under its eigenvalues. Each principal axis of the rows is divided by the square root of its
 * standard deviation, which brings axes half way towards equal weight.
 *
 * Newton's iteration for inverse p-th roots, p = 4, computes the inverse fourth root of a matrix S in a coupled form
 * that is stable (Guo and Higham 2006, *A Schur-Newton method for the matrix p-th root and its inverse*, section 3).
 * Newton's iteration for S^(-1/4) starts from X = I and M = S / c, where c is the norm of S, and repeats T = (5 I - M)
 * / 4, X <- X T and M <- T^4 M until M is the identity; then S^(-1/4) is X c^(-1/4). All products of matrices are
 * computed by the kernels, which keep one order in every sum, so the inverse matrix root is equal bit for bit on every
 * processor, however far it is from the exact root.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/project.h"
#include "kernels/matrix.h"

enum {
    CHUNK = 1024,     /* number of rows whose products are added to the covariance at a time */
    PART_ROWS = 1024, /* number of rows of a matrix product between two progress reports */
    /* largest number of steps of Newton's iteration; small eigenvalues grow by 2.4 a step, so 25 steps are usual */
    MOST_STEPS = 60,
    ROWS_A_COLUMN = 16, /* number of key rows (rows on which keys are placed) that whitening uses for each column */
    /* least number of key rows (rows on which keys are placed) that whitening uses, if there are so many */
    LEAST_ROWS = 16384
};

/* For whitening, each eigenvalue of the covariance of the rows is raised by `eigenvalue_floor` times the mean
 * eigenvalue. Without a floor under the eigenvalues of the covariance, whitening would magnify axes along which rows
 * hardly differ, or along which too few rows have no spread at all. */
static const double eigenvalue_floor = 1e-3;

struct root {
    size_t m;
    struct dkvb__matrix packed; /* the right factor of a matrix product, packed for the kernels */
    float *x, *t, *power, *spare;
    uint64_t step; /* number of the present step of Newton's iteration, for progress reports */
    const struct dkvb__run *run;
};

/* Computes the matrix product out = a b, all float[input_dim][input_dim]. A product of two matrices is computed some
 * rows at a time, with the same sums as at once: a product of 4,096 columns takes seconds, and the caller may want to
 * cancel. */
static dkvb_status multiply(struct root *w, float *out, const float *a, const float *b)
{
    struct dkvb__product product;
    dkvb_status rc = DKVB_OK;

    dkvb__matrix_set(&w->packed, 0, w->m, b, false);
    product = dkvb__matrix_product(&w->packed);
    for (size_t first = 0; !rc && first < w->m; first += product.rows) {
        product.out = out + first * w->m;
        product.a = a + first * w->m;
        product.rows = w->m - first < PART_ROWS ? w->m - first : PART_ROWS;
        dkvb__multiply(&product, w->run);
        rc = dkvb__report(w->run, w->step, MOST_STEPS);
    }
    return rc;
}

static void swap(float **a, float **b)
{
    float *was = *a;

    *a = *b;
    *b = was;
}

/* Returns the largest difference between the elements of a matrix and of the identity matrix. */
static double distance_from_identity(const float *a, size_t m)
{
    double most = 0.0;

    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double off = fabs((double)a[i * m + j] - (i == j ? 1.0 : 0.0));

            most = off > most ? off : most;
        }
    return most;
}

/* Computes the inverse fourth root s^(-1/4) of a matrix s into w->x, and overwrites s. */
static dkvb_status inverse_fourth_root(struct root *w, float *s)
{
    size_t m = w->m, count = m * m;
    double norm = 0.0, scale;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < count; i++)
        norm += (double)s[i] * (double)s[i];
    norm = sqrt(norm); /* the Frobenius norm of a symmetric matrix is an upper bound of its eigenvalues */
    for (size_t i = 0; i < count; i++)
        s[i] = (float)((double)s[i] / norm);
    memset(w->x, 0, count * sizeof *w->x);
    for (size_t i = 0; i < m; i++)
        w->x[i * m + i] = 1.0f;
    for (w->step = 0; w->step < MOST_STEPS && distance_from_identity(s, m) > 1e-4; w->step++) {
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < m; j++)
                w->t[i * m + j] = 0.25f * ((i == j ? 5.0f : 0.0f) - s[i * m + j]);
        rc = multiply(w, w->spare, w->x, w->t);
        if (rc)
            return rc;
        swap(&w->x, &w->spare);
        rc = multiply(w, w->power, w->t, w->t);
        if (!rc)
            rc = multiply(w, w->spare, w->power, w->power);
        if (!rc)
            rc = multiply(w, w->t, w->spare, s);
        if (rc)
            return rc;
        memcpy(s, w->t, count * sizeof *s);
    }
    scale = 1.0 / sqrt(sqrt(norm));
    for (size_t i = 0; i < count; i++)
        w->x[i] = (float)((double)w->x[i] * scale);
    return DKVB_OK;
}

/* Adds y y^T to the matrix s for `rows` rows y, as the product s = s + a b: `a`, float[input_dim][CHUNK], holds the
 * rows as columns. */
static void add_products(struct root *w, struct dkvb__matrix *rows_matrix, float **s, const float *y, float *a,
                         size_t rows)
{
    struct dkvb__product product;

    for (size_t i = 0; i < w->m; i++)
        for (size_t r = 0; r < CHUNK; r++)
            a[i * CHUNK + r] = r < rows ? y[r * w->m + i] : 0.0f;
    dkvb__matrix_set(rows_matrix, 0, w->m, y, false);
    product = dkvb__matrix_product(rows_matrix);
    product.out = w->spare;
    product.add = *s;
    product.a = a;
    product.rows = w->m;
    dkvb__multiply(&product, w->run);
    swap(s, &w->spare);
}

static dkvb_status covariance(struct root *w, const dkvb_codebooks *cb, const struct dkvb__rows *from,
                              const size_t *pick, size_t n, float **s)
{
    size_t m = w->m;
    float *y = dkvb__alloc(&cb->mem, m, CHUNK * sizeof *y), *a = dkvb__alloc(&cb->mem, m, CHUNK * sizeof *a);
    struct dkvb__matrix rows_matrix;
    double trace = 0.0;
    dkvb_status rc = dkvb__matrix_new(&rows_matrix, CHUNK, m, &cb->mem);

    if (!rc && (!y || !a))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory to whiten rows of %zu columns", m);
    for (size_t first = 0, rows; !rc && first < n; first += rows) {
        rows = n - first < CHUNK ? n - first : CHUNK;
        memset(y, 0, m * CHUNK * sizeof *y);
        rc = pick ? dkvb__rows_gather(from, pick + first, rows, y) : dkvb__rows_read(from, first, rows, y);
        if (rc)
            break;
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < m; i++)
                y[r * m + i] -= cb->center[i];
        add_products(w, &rows_matrix, s, y, a, rows);
        rc = dkvb__report(w->run, first + rows, n);
    }
    dkvb__matrix_free(&rows_matrix, &cb->mem);
    dkvb__free_erased(&cb->mem, y);
    dkvb__free_erased(&cb->mem, a);
    for (size_t i = 0; !rc && i < m; i++)
        trace += (double)(*s)[i * m + i];
    if (!rc && !(isfinite(trace) && trace < 1e30))
        rc = dkvb__fail(DKVB_EINVAL, "features: the numbers are too large to be whitened");
    /* if all rows are equal, the whitening matrix becomes the identity, which whitens nothing */
    for (size_t i = 0; !rc && i < m; i++)
        (*s)[i * m + i] += trace > 1e-30 ? (float)(eigenvalue_floor * trace / (double)m) : 1.0f;
    return rc;
}

dkvb_status dkvb__whitening_fit(dkvb_codebooks *cb, const struct dkvb__rows *from, const size_t *pick, size_t n,
                                const struct dkvb__run *run)
{
    size_t m = cb->shape.input_dim, most = ROWS_A_COLUMN * m > LEAST_ROWS ? ROWS_A_COLUMN * m : LEAST_ROWS;
    struct root w = {.m = m, .run = run};
    float *s = dkvb__alloc0(&cb->mem, m, m * sizeof *s);
    dkvb_status rc = dkvb__matrix_new(&w.packed, m, m, &cb->mem);

    n = n < most ? n : most;
    w.x = dkvb__alloc(&cb->mem, m, m * sizeof *w.x);
    w.t = dkvb__alloc(&cb->mem, m, m * sizeof *w.t);
    w.power = dkvb__alloc(&cb->mem, m, m * sizeof *w.power);
    w.spare = dkvb__alloc(&cb->mem, m, m * sizeof *w.spare);
    if (!rc && (!s || !w.x || !w.t || !w.power || !w.spare))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the whitening of %zu columns", m);
    if (!rc)
        rc = covariance(&w, cb, from, pick, n, &s);
    if (!rc)
        rc = inverse_fourth_root(&w, s);
    /* rounding errors left the root of the covariance not quite symmetric, so each element is averaged with its mirror
     * image */
    for (size_t i = 0; !rc && i < m; i++)
        for (size_t j = 0; j < m; j++)
            cb->whitening[dkvb__panel_offset(i, j, m)] = 0.5f * (w.x[i * m + j] + w.x[j * m + i]);
    if (!rc && !dkvb__all_finite(cb->whitening, dkvb__whitening_count(&cb->shape)))
        rc = dkvb__fail(DKVB_EINVAL, "features: the covariance of the key rows has no usable root");
    dkvb__matrix_free(&w.packed, &cb->mem);
    dkvb__free(&cb->mem, s);
    dkvb__free(&cb->mem, w.x);
    dkvb__free(&cb->mem, w.t);
    dkvb__free(&cb->mem, w.power);
    dkvb__free(&cb->mem, w.spare);
    return rc;
}
