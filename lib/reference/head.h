#ifndef DKVB_REFERENCE_HEAD_H
#define DKVB_REFERENCE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/reference.h"

enum {
    DKVB__REFERENCE_DIM = 65536,
    DKVB__REFERENCE_CLASSES = 1048576,
    DKVB__REFERENCE_BLOCK = 1024 /* number of rows that are multiplied at once */
};

/* State of a call: its progress over `parts` equal parts, its threads, its memory. */
struct dkvb__work {
    dkvb_allocator mem;
    dkvb_progress_fn progress;
    void *user;
    uint64_t part, parts; /* number of finished parts, and of all parts */
    bool sets_threads;    /* OpenBLAS's number of threads must be restored */
};

dkvb_status dkvb__work_begin(struct dkvb__work *work, const dkvb_run_options *given, const dkvb_allocator *mem,
                             uint64_t parts);
void dkvb__work_end(const struct dkvb__work *work);

/* Reports to the progress callback how much of the present part is done, 0 to 1. */
dkvb_status dkvb__work_tick(const struct dkvb__work *work, double done);

/* Seconds of a clock that only goes forward. */
double dkvb__work_clock(void);

/* Sums of labelled rows minus a `shift` close to their mean. A ridge can be solved from the sums, and each row can be
 * taken out of them. */
struct dkvb__sums {
    uint32_t dim, classes;
    uint64_t rows;
    uint64_t *count; /* [classes], number of rows of each class */
    double *shift;   /* [dim] */
    double *total;   /* [dim], sum of x - shift */
    double *cross;   /* [classes][dim], the same sum for each class */
    double *gram;    /* [dim][dim], sum of (x - shift)(x - shift)', lower triangle by rows */
    dkvb_allocator mem;
};

/* Creates empty sums, shifted by the mean of the labelled rows. The caller must call dkvb__sums_free(), also after a
 * failure. */
dkvb_status dkvb__sums_new(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           const dkvb_allocator *mem);

/* Adds (sign 1) or takes out (sign -1) all rows whose `labels`, int32_t[rows->n], are not -1. After DKVB_ECANCELLED or
 * DKVB_ENOMEM the sums are half changed. `from` and `to` tell which share of the present part of the work this is. */
dkvb_status dkvb__sums_add(struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels, double sign,
                           const struct dkvb__work *work, double from, double to);

/* True if rows that are in the sums can be taken out and leave more than rounding errors. That is false if these rows
 * are some thousand times as far from the mean as the others. total: double[dim], scratch. */
bool dkvb__sums_can_remove(const struct dkvb__sums *sums, const dkvb_reference_rows *rows, const int32_t *labels,
                           double *total);
dkvb_status dkvb__sums_copy(struct dkvb__sums *to, const struct dkvb__sums *from);
void dkvb__sums_free(struct dkvb__sums *sums);

/* The root mean square of all elements of all rows; 1 if they are all 0. */
double dkvb__sums_scale(const struct dkvb__sums *sums);

/* Computes the lower Cholesky factor of curvature * covariance of the scaled rows + penalty * 1: [dim][dim], row-major.
 * The result is false if rounding leaves no factor. */
bool dkvb__sums_factor(const struct dkvb__sums *sums, double curvature, double penalty, double *factor);

/* Solves b = (factor factor')^-1 b for each of `count` rows of b, [count][dim]. */
void dkvb__factor_solve(const double *factor, uint32_t dim, double *b, uint32_t count);

struct dkvb_reference {
    dkvb_allocator mem;
    dkvb_reference_info info;
    double *weight;         /* [classes][dim], for rows that are not scaled */
    double *bias;           /* [classes]; -INFINITY for classes without a row */
    struct dkvb__sums sums; /* sums, for a ridge head */
};

/* Computes weights and intercepts from the sums, at the head's penalty. DKVB_EINVAL if the sums cannot be solved. */
dkvb_status dkvb__ridge_solve(const struct dkvb__sums *sums, double penalty, double *weight, double *bias);

/* State of a multinomial logistic regression. The next fit begins at the point that this one reached. */
struct dkvb__logistic {
    const dkvb_reference_rows *rows;
    const int32_t *labels;   /* [rows->n], -1 for rows that are left out */
    struct dkvb__sums *sums; /* sums of the rows, for centre, scale and covariance */
    uint32_t columns;        /* number of classes with rows */
    uint32_t *column_class;  /* [columns] */
    int32_t *class_column;   /* [classes], -1: no column */
    size_t size;             /* columns * (dim + 1): weights [columns][dim] of scaled rows, then intercepts [columns] */
    double *point;           /* [size] */
    double *memory;          /* all other arrays that a fit needs */
    float *block;            /* a block of rows and scores */
    uint32_t iterations;
    bool converged;
    double gradient; /* largest element of the gradient */
    dkvb_allocator mem;
};

dkvb_status dkvb__logistic_new(struct dkvb__logistic *fit, const dkvb_reference_rows *rows, const int32_t *labels,
                               struct dkvb__sums *sums, const dkvb_allocator *mem);
void dkvb__logistic_free(struct dkvb__logistic *fit);

/* Minimises the mean loss with this penalty, from the present point on. */
dkvb_status dkvb__logistic_fit(struct dkvb__logistic *fit, double penalty, double tolerance, uint32_t iterations,
                               const struct dkvb__work *work, double from, double to);

/* Writes weights and intercepts for rows that are not scaled. */
void dkvb__logistic_take(const struct dkvb__logistic *fit, double *weight, double *bias);

/* Checks options and fills in their defaults. */
dkvb_status dkvb__reference_take_options(dkvb_reference_options *full, const dkvb_reference_options *given);

/* Checks rows: pointers, sizes, labels and every number. Messages begin with `what` and " rows", or " labels"; if
 * `what` is "" they begin with these words alone. The copy has everything that the caller's struct has. */
dkvb_status dkvb__reference_take_rows(dkvb_reference_rows *full, const dkvb_reference_rows *given, const char *what);

/* Fits rows that were checked, on labels given in place of theirs; a `fixed` above 0 is the penalty. The fit takes one
 * part of the work. dkvb__reference_remove() takes rows out, which must all be in, and takes one part as well.
 * DKVB_ESTATE says, before any work, that the sums do not have enough digits. */
dkvb_status dkvb__reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows, const int32_t *labels,
                                const dkvb_reference_options *opts, double fixed, struct dkvb__work *work);
dkvb_status dkvb__reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows, const int32_t *labels,
                                   struct dkvb__work *work);

/* Answers rows that were checked: labels, int32_t[n]; scores, double[n][classes]; margin, double[n]. The margin is the
 * largest score of classes marked in `side`, uint8_t[classes], minus the largest of the others; it is infinite if a
 * side has no class to answer. Each array may be NULL. */
dkvb_status dkvb__reference_answer(const dkvb_reference *head, const dkvb_reference_rows *rows, int32_t *labels,
                                   double *scores, const uint8_t *side, double *margin);

#endif
