#ifndef DKVB_REFERENCE_HEAD_H
#define DKVB_REFERENCE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/reference.h"

enum {
    DKVB__REFERENCE_DIM = 65536,
    DKVB__REFERENCE_CLASSES = 1048576,
    DKVB__REFERENCE_BLOCK = 1024 /* number of rows that are multiplied by a matrix together */
};

/* State of a call of the reference library: progress over `parts` equal parts, threads and memory. */
struct dkvb__work {
    dkvb_allocator mem;
    dkvb_progress_fn progress;
    void *user;
    uint64_t part, parts; /* number of finished parts of the work, and number of all parts */
    bool sets_threads;    /* true if the call changed the number of OpenBLAS threads and must restore it */
};

dkvb_status dkvb__work_begin(struct dkvb__work *work, const dkvb_run_options *given, const dkvb_allocator *mem,
                             uint64_t parts);
void dkvb__work_end(const struct dkvb__work *work);

/* Reports to the progress callback which fraction of the present part is done, 0 to 1. */
dkvb_status dkvb__work_tick(const struct dkvb__work *work, double done);

/* Returns the seconds of a clock that never goes back. */
double dkvb__work_clock(void);

/* Sums of labelled rows minus a `shift` close to their mean. Ridge regression can be solved from the sums, and each row
 * can be removed from them. */
struct dkvb__sums {
    uint32_t dim, classes;
    uint64_t rows;
    uint64_t *count; /* number of rows of each class in the sums, [classes] */
    double *shift;   /* vector close to the mean of the rows, which is subtracted from each row, [dim] */
    double *total;   /* sum of x - shift over all rows x, [dim] */
    double *cross;   /* sum of x - shift over the rows of each class, [classes][dim] */
    double *gram;    /* sum of (x - shift)(x - shift)' over all rows, [dim][dim], lower triangle by rows */
    dkvb_allocator mem;
};

/* Creates empty sums of rows, with a shift close to the mean of the labelled rows. The caller must call
 * dkvb__sums_free(), even after a failure. */
dkvb_status dkvb__sums_new(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           const dkvb_allocator *mem);

/* Adds (sign 1) or removes (sign -1) all rows whose `labels`, int32_t[rows->n], are not -1. After DKVB_ECANCELLED or
 * DKVB_ENOMEM the sums are half changed and must not be used. For progress, the call counts as the range `from` to
 * `to` of the present part of the work. */
dkvb_status dkvb__sums_add(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels, double sign,
                           const struct dkvb__work *work, double from, double to);

/* True if rows can be removed from the sums without leaving mostly rounding errors. The result is false if the rows to
 * remove are some thousand times as far from the mean as the other rows. `total`, double[dim], is scratch space. */
bool dkvb__sums_can_remove(const struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           double *total);
dkvb_status dkvb__sums_copy(struct dkvb__sums *to, const struct dkvb__sums *from);
void dkvb__sums_free(struct dkvb__sums *sums);

/* Returns the root mean square of all elements of all rows in the sums; 1 if all elements are 0. */
double dkvb__sums_scale(const struct dkvb__sums *sums);

/* Computes the lower Cholesky factor of curvature * covariance of the scaled rows + penalty * identity, [dim][dim],
 * row-major. The result is false if rounding errors make the matrix not positive definite. */
bool dkvb__sums_factor(const struct dkvb__sums *sums, double curvature, double penalty, double *factor);

/* Solves b = (factor factor')^-1 b for each of the `count` rows of b, [count][dim]. */
void dkvb__factor_solve(const double *factor, uint32_t dim, double *b, uint32_t count);

struct dkvb_reference {
    dkvb_allocator mem;
    dkvb_reference_info info;
    double *weight; /* weights of the linear head, [classes][dim], which apply to rows as given, without scaling */
    double *bias;   /* intercepts of the linear head, [classes]; -INFINITY for classes without a row */
    struct dkvb__sums sums; /* sums of the training rows, for a head of ridge regression */
};

/* Computes weights and intercepts of ridge regression from the sums of the rows with a given penalty. The call returns
 * DKVB_EINVAL if the sums cannot be solved. */
dkvb_status dkvb__ridge_solve(const struct dkvb__sums *sums, double penalty, double *weight, double *bias);

/* State of a multinomial logistic regression. A fit begins at the weights that the fit before reached. */
struct dkvb__logistic {
    const dkvb_reference_rows *rows;
    const int32_t *labels;   /* labels of the rows, [rows->n], -1 for rows that are left out */
    struct dkvb__sums *sums; /* sums of the rows, from which the fit takes centre, scale and covariance */
    uint32_t columns;        /* number of classes that have rows */
    uint32_t *column_class;  /* class that each column of weights belongs to, [columns] */
    int32_t *class_column;   /* column of weights of each class, [classes], -1: the class has no column */
    /* number of parameters, columns * (dim + 1): weights [columns][dim] for scaled rows, then intercepts [columns] */
    size_t size;
    double *point;  /* present values of the parameters of the regression, [size] */
    double *memory; /* memory of all other arrays that a fit of logistic regression needs */
    float *block;   /* scratch space for a block of rows and the rows' scores */
    uint32_t iterations;
    bool converged;
    double gradient; /* largest absolute element of the gradient at the present point */
    dkvb_allocator mem;
};

dkvb_status dkvb__logistic_new(struct dkvb__logistic *fit, const dkvb_reference_rows *rows, const int32_t *labels,
                               struct dkvb__sums *sums, const dkvb_allocator *mem);
void dkvb__logistic_free(struct dkvb__logistic *fit);

/* Minimises the mean loss of logistic regression plus the penalty, starting from the present point. */
dkvb_status dkvb__logistic_fit(struct dkvb__logistic *fit, double penalty, double tolerance, uint32_t iterations,
                               const struct dkvb__work *work, double from, double to);

/* Writes the weights and intercepts of a logistic regression, converted to rows without scaling. */
void dkvb__logistic_take(const struct dkvb__logistic *fit, double *weight, double *bias);

/* Checks a caller's options of a linear head and fills in their defaults. */
dkvb_status dkvb__reference_take_options(dkvb_reference_options *full, const dkvb_reference_options *given);

/* Checks a caller's rows: pointers, sizes, labels and every number. Error messages begin with `what` and " rows" or "
 * labels"; if `what` is "" they begin with "rows" or "labels". The copy `full` has all members of the caller's struct.
 */
dkvb_status dkvb__reference_take_rows(dkvb_reference_rows *full, const dkvb_reference_rows *given, const char *what);

/* Fits a head to checked rows, with `labels` in place of the rows' own labels; a `fixed` above 0 is the penalty. The
 * fit is one part of the work. dkvb__reference_remove() removes rows, all of which must be in the sums, and is one part
 * too. DKVB_ESTATE says, before any work, that the sums do not have enough digits. */
dkvb_status dkvb__reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows, const int32_t *labels,
                                const dkvb_reference_options *opts, double fixed, struct dkvb__work *work);
dkvb_status dkvb__reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows, const int32_t *labels,
                                   struct dkvb__work *work);

/* Computes a head's answers to checked rows: `labels`, int32_t[n], `scores`, double[n][classes], and `margin`,
 * double[n]. The margin is the largest score of the classes marked in `side`, uint8_t[classes], minus the largest
 * score of the other classes; it is infinite if one of both groups has no class with rows. The arrays `labels`,
 * `scores` and `margin` may each be NULL. */
dkvb_status dkvb__reference_answer(const dkvb_reference *head, const dkvb_reference_rows *rows, int32_t *labels,
                                   double *scores, const uint8_t *side, double *margin);

#endif
