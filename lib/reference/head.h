#ifndef DKVB_REFERENCE_HEAD_H
#define DKVB_REFERENCE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/reference.h"

enum {
    DKVB__REFERENCE_DIM = 65536,
    DKVB__REFERENCE_CLASSES = 1048576,
    DKVB__REFERENCE_BLOCK = 1024 /* number of rows that are multiplied by a matrix in one call */
};

/* State of a call of the reference library: threads, memory, and progress, which is counted in `parts` equal parts of
 * the work. */
struct dkvb__work {
    dkvb_allocator mem;
    dkvb_progress_fn progress;
    void *user;
    uint64_t part, parts; /* number of finished parts of the library call's work, and number of all its parts */
    bool sets_threads;    /* true if the library call changed the number of OpenBLAS threads and must restore it */
};

dkvb_status dkvb__work_begin(struct dkvb__work *work, const dkvb_run_options *given, const dkvb_allocator *mem,
                             uint64_t parts);
void dkvb__work_end(const struct dkvb__work *work);

/* Reports to the progress callback which fraction (0 to 1) of the present part of the library call's work is done. */
dkvb_status dkvb__work_tick(const struct dkvb__work *work, double done);

/* Returns the time in seconds of a clock that never goes back. */
double dkvb__work_clock(void);

/* Sums over labelled rows, each minus a vector `shift` close to the rows' mean. Ridge regression can be solved from
 * sums over rows, and each row can be removed from them. */
struct dkvb__sums {
    uint32_t dim, classes;
    uint64_t rows;
    uint64_t *count; /* number of rows of each class that the sums of the linear head contain, [classes] */
    double *shift;   /* vector close to the mean of the rows, which is subtracted from each row, [dim] */
    /* sum of x - shift over all rows x of the linear head, where `shift` is a vector close to their mean, [dim] */
    double *total;
    /* sums of x - shift over the rows x of each class, where `shift` is a vector close to the mean of all rows,
     * [classes][dim] */
    double *cross;
    /* sum of (x - shift)(x - shift)' over all rows x of the linear head, with a vector `shift` close to their mean,
     * [dim][dim], lower triangle by rows */
    double *gram;
    dkvb_allocator mem;
};

/* Creates empty sums over rows for a linear head, with a `shift` close to the mean of the labelled rows. The caller
 * must free the sums of a linear head by dkvb__sums_free(), even if computing them failed. */
dkvb_status dkvb__sums_new(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           const dkvb_allocator *mem);

/* Adds to the sums of a linear head (sign 1), or removes from them (sign -1), the rows that have a label other than -1
 * in `labels`, int32_t[rows->n]. If adding rows to the sums of a linear head, or removing them, fails with
 * DKVB_ECANCELLED or DKVB_ENOMEM, the sums are half changed and must not be used. Progress of dkvb__sums_add() is
 * reported as the range `from` to `to` (0 to 1) of the present part of the work. */
dkvb_status dkvb__sums_add(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels, double sign,
                           const struct dkvb__work *work, double from, double to);

/* True if rows can be removed from the sums of a linear head without leaving mostly rounding errors. Rows cannot be
 * removed from the sums of a linear head if they are some thousand times as far from the mean as the rows that remain.
 * The argument `total`, double[dim], is scratch space for a sum of rows. */
bool dkvb__sums_can_remove(const struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           double *total);
dkvb_status dkvb__sums_copy(struct dkvb__sums *to, const struct dkvb__sums *from);
void dkvb__sums_free(struct dkvb__sums *sums);

/* Returns the root mean square of all features of all rows in the sums of a linear head; 1 if all features are 0. */
double dkvb__sums_scale(const struct dkvb__sums *sums);

/* Computes the lower Cholesky factor of curvature * covariance of the scaled rows + penalty * identity, [dim][dim],
 * row-major. False is returned if rounding errors keep the matrix to be factored from being positive definite, so that
 * it has no Cholesky factor. */
bool dkvb__sums_factor(const struct dkvb__sums *sums, double curvature, double penalty, double *factor);

/* Given the lower Cholesky factor of a matrix, multiplies each of the `count` rows of b, [count][dim], by the inverse
 * of the matrix, in place. */
void dkvb__factor_solve(const double *factor, uint32_t dim, double *b, uint32_t count);

struct dkvb_reference {
    dkvb_allocator mem;
    dkvb_reference_info info;
    double *weight; /* weights of the linear head, [classes][dim], which apply to rows as given, without scaling */
    double *bias;   /* intercepts of the linear head, [classes]; -INFINITY for classes without a row */
    /* sums over the training rows, by which ridge regression can be fitted again after rows were removed */
    struct dkvb__sums sums;
};

/* Computes weights and intercepts of ridge regression with a given penalty from the sums over the rows. DKVB_EINVAL
 * says that rounding errors in the sums over the rows allow no solution of the ridge regression. */
dkvb_status dkvb__ridge_solve(const struct dkvb__sums *sums, double penalty, double *weight, double *bias);

/* State of fitting a multinomial logistic regression. Each fit of the logistic regression begins at the weights that
 * the fit before reached. */
struct dkvb__logistic {
    const dkvb_reference_rows *rows;
    const int32_t *labels; /* labels of the rows of the logistic regression, [rows->n], -1 for rows that are left out */
    /* sums over the rows, from which a fit of logistic regression takes centre, scale and covariance */
    struct dkvb__sums *sums;
    uint32_t columns; /* number of classes with rows; each of them has a column of weights */
    /* for each column of weights of the logistic regression, the class to which the column belongs, [columns] */
    uint32_t *column_class;
    /* For each class, the index of its column of weights, [classes]; -1 for a class without a column. */
    int32_t *class_column;
    /* number of parameters of the regression, columns * (dim + 1): weights [columns][dim] for scaled rows, then
     * intercepts [columns] */
    size_t size;
    double *point;  /* present weights and intercepts of the logistic regression, [size] */
    double *memory; /* memory for all other arrays that a fit of logistic regression needs */
    float *block;   /* scratch space for a block of rows and their scores in the logistic regression */
    uint32_t iterations;
    bool converged;
    double gradient; /* largest absolute element of the gradient at the present weights of the regression */
    dkvb_allocator mem;
};

dkvb_status dkvb__logistic_new(struct dkvb__logistic *fit, const dkvb_reference_rows *rows, const int32_t *labels,
                               struct dkvb__sums *sums, const dkvb_allocator *mem);
void dkvb__logistic_free(struct dkvb__logistic *fit);

/* Minimises the mean loss of logistic regression plus the penalty, starting from the present weights. */
dkvb_status dkvb__logistic_fit(struct dkvb__logistic *fit, double penalty, double tolerance, uint32_t iterations,
                               const struct dkvb__work *work, double from, double to);

/* Converts the weights and intercepts of a logistic regression so that they apply to rows without scaling, and writes
 * them to the linear head. */
void dkvb__logistic_take(const struct dkvb__logistic *fit, double *weight, double *bias);

/* Checks a caller's options of a linear head and fills in their defaults. */
dkvb_status dkvb__reference_take_options(dkvb_reference_options *full, const dkvb_reference_options *given);

/* Checks the rows that a caller gives to the reference library: pointers, sizes, labels and every number. Error
 * messages about a caller's rows and labels begin with `what`, for example "test ", which may be "". The checked copy
 * `full` of the caller's struct of rows has all members, even those that the caller's struct_size does not reach. */
dkvb_status dkvb__reference_take_rows(dkvb_reference_rows *full, const dkvb_reference_rows *given, const char *what);

/* Fits a linear head to checked rows, with `labels` in place of the rows' own labels; if `fixed` is above 0, it is used
 * as the penalty. In the progress of a library call, fitting a linear head counts as one part of the work, and so does
 * removing rows. The function dkvb__reference_remove() removes rows, all of which must be in the sums of the linear
 * head. DKVB_ESTATE says, before any row is removed, that removing the rows would leave the sums of the linear head
 * with too few exact digits. */
dkvb_status dkvb__reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows, const int32_t *labels,
                                const dkvb_reference_options *opts, double fixed, struct dkvb__work *work);
dkvb_status dkvb__reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows, const int32_t *labels,
                                   struct dkvb__work *work);

/* Computes a linear head's answers to rows that were checked: `labels`, int32_t[n], `scores`, double[n][classes], and
 * `margin`, double[n]. The array `margin`, double[n], gets the largest score of the classes marked in `side`,
 * uint8_t[classes], minus the largest score of the other classes, or infinity if no class with rows is marked, or every
 * one is. Each of the arrays `labels`, `scores` and `margin` for a head's answers may be NULL if it is not wanted. */
dkvb_status dkvb__reference_answer(const dkvb_reference *head, const dkvb_reference_rows *rows, int32_t *labels,
                                   double *scores, const uint8_t *side, double *margin);

#endif
