#ifndef DKVB_REFERENCE_HEAD_H
#define DKVB_REFERENCE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/reference.h"

enum {
    DKVB__REFERENCE_DIM = 65536,
    DKVB__REFERENCE_CLASSES = 1048576,
    DKVB__REFERENCE_BLOCK = 1024 /* rows that are multiplied at once */
};

/* A call at work: its progress over `parts` equal parts, its threads, its memory. */
struct dkvb__work {
    dkvb_allocator mem;
    dkvb_progress_fn progress;
    void *user;
    uint64_t part, parts; /* parts that are done, of so many */
    bool sets_threads;    /* OpenBLAS's number is to be put back */
};

dkvb_status dkvb__work_begin(struct dkvb__work *work, const dkvb_run_options *given, const dkvb_allocator *mem,
                             uint64_t parts);
void dkvb__work_end(const struct dkvb__work *work);

/* Tell the progress callback how much of the present part is done, 0 to 1. */
dkvb_status dkvb__work_tick(const struct dkvb__work *work, double done);

/* Seconds of a clock that only goes forward. */
double dkvb__work_clock(void);

/* Sums of rows with labels, less a `shift` close to their mean: enough to solve a ridge from, and each row can be taken
 * out of them. */
struct dkvb__sums {
    uint32_t dim, classes;
    uint64_t rows;
    uint64_t *count; /* [classes] rows of each class */
    double *shift;   /* [dim] */
    double *total;   /* [dim] sum of x - shift */
    double *cross;   /* [classes][dim] the same of each class */
    double *gram;    /* [dim][dim] sum of (x - shift)(x - shift)', its lower triangle by rows */
    dkvb_allocator mem;
};

/* Empty sums, shifted by the mean of the rows with a label. After a failure too, dkvb__sums_free(). */
dkvb_status dkvb__sums_new(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           const dkvb_allocator *mem);

/* Add (sign 1) or take out (sign -1) all rows whose `labels`, int32_t[rows->n], are not -1. The sums are half changed
 * after DKVB_ECANCELLED or DKVB_ENOMEM. `from` and `to` are where this lies in the present part of the work. */
dkvb_status dkvb__sums_add(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels, double sign,
                           const struct dkvb__work *work, double from, double to);

/* Whether rows that are in can be taken out and leave more than rounding: not where they are some thousand times as far
 * from the mean as the others from theirs. total: double[dim], scratch. */
bool dkvb__sums_can_remove(const struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           double *total);
dkvb_status dkvb__sums_copy(struct dkvb__sums *to, const struct dkvb__sums *from);
void dkvb__sums_free(struct dkvb__sums *sums);

/* Root mean square of all elements of all rows; 1 if they are all 0. */
double dkvb__sums_scale(const struct dkvb__sums *sums);

/* factor = lower Cholesky factor of curvature * covariance of the scaled rows + penalty * 1. [dim][dim], row-major.
 * False if rounding leaves no factor. */
bool dkvb__sums_factor(const struct dkvb__sums *sums, double curvature, double penalty, double *factor);

/* b = (factor factor')^-1 b for each of `count` rows of b, [count][dim]. */
void dkvb__factor_solve(const double *factor, uint32_t dim, double *b, uint32_t count);

struct dkvb_reference {
    dkvb_allocator mem;
    dkvb_reference_info info;
    double *weight;         /* [classes][dim], for rows as they come */
    double *bias;           /* [classes]; -INFINITY of classes without a row */
    struct dkvb__sums sums; /* sums of a ridge head */
};

/* Weights and intercepts from the sums, at the head's penalty. DKVB_EINVAL if they cannot be solved. */
dkvb_status dkvb__ridge_solve(const struct dkvb__sums *sums, double penalty, double *weight, double *bias);

/* Multinomial logistic regression under way: the point it has got to is where the next fit begins. */
struct dkvb__logistic {
    const dkvb_reference_rows *rows;
    const int32_t *labels;   /* [rows->n], which may leave out more than the rows' own */
    struct dkvb__sums *sums; /* sums of the rows: centre, scale and covariance */
    uint32_t columns;        /* classes with rows */
    uint32_t *column_class;  /* [columns] */
    int32_t *class_column;   /* [classes], -1: none */
    size_t size;             /* columns * (dim + 1): weights [columns][dim] of scaled rows, then intercepts [columns] */
    double *point;           /* [size] */
    double *memory;          /* everything else that a fit needs */
    float *block;            /* likewise */
    uint32_t iterations;
    bool converged;
    double gradient; /* its largest element */
    dkvb_allocator mem;
};

dkvb_status dkvb__logistic_new(struct dkvb__logistic *fit, const dkvb_reference_rows *rows, const int32_t *labels,
                               struct dkvb__sums *sums, const dkvb_allocator *mem);
void dkvb__logistic_free(struct dkvb__logistic *fit);

/* From the present point to the smallest mean loss with this penalty. */
dkvb_status dkvb__logistic_fit(struct dkvb__logistic *fit, double penalty, double tolerance, uint32_t iterations,
                               const struct dkvb__work *work, double from, double to);

/* Weights and intercepts for rows as they come. */
void dkvb__logistic_take(const struct dkvb__logistic *fit, double *weight, double *bias);

/* Options with their defaults, checked. */
dkvb_status dkvb__reference_take_options(dkvb_reference_options *full, const dkvb_reference_options *given);

/* Rows checked: pointers, sizes, labels and every number. Messages begin with `what` and " rows", or " labels"; of what
 * is "" with the words alone. The copy has everything that the caller's struct has. */
dkvb_status dkvb__reference_take_rows(dkvb_reference_rows *full, const dkvb_reference_rows *given, const char *what);

/* A fit of rows that were checked, on the labels given in place of theirs; `fixed` above 0 is the penalty. It takes one
 * part of the work; so does taking rows out, of which all must be in, unless DKVB_ESTATE says before any work that sums
 * have not the digits for it. */
dkvb_status dkvb__reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows, const int32_t *labels,
                                const dkvb_reference_options *opts, double fixed, struct dkvb__work *work);
dkvb_status dkvb__reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows, const int32_t *labels,
                                   struct dkvb__work *work);

/* Answers to rows that were checked: labels, int32_t[n]; scores, double[n][classes]; margin, double[n], the largest
 * score of classes marked in `side`, uint8_t[classes], less the largest of the others, infinite where a side has no
 * class to answer. Each may be NULL. */
dkvb_status dkvb__reference_answer(const dkvb_reference *head, const dkvb_reference_rows *rows, int32_t *labels,
                                   double *scores, const uint8_t *side, double *margin);

#endif
