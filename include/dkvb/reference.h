/**
 * @file
 * @brief Linear heads on the features that a model reads: a baseline to compare the model with, and a measure of what
 * the encoder alone knows.
 *
 * The header reference.h belongs to a second library, `libdkvb-reference` (`-ldkvb-reference`, CMake target
 * `dkvb::reference`). libdkvb-reference computes with OpenBLAS and does not need libdkvb at run time. libdkvb needs
 * neither libdkvb-reference nor OpenBLAS.
 *
 * - A *ridge* head is a linear head that minimises squared errors to the targets 1 and 0 with a penalty, in closed
 *   form. dkvb_reference_remove() subtracts rows from the sums from which a ridge head is solved. Except for rounding,
 *   a ridge head from which rows were removed equals a head that was never fitted on the removed rows.
 * - A *logistic* head is a linear head fitted by multinomial logistic regression. Rows cannot be removed from a
 *   logistic head; a logistic head must be fitted again.
 *
 *     dkvb_reference_rows rows = DKVB_REFERENCE_ROWS_INIT;
 *     dkvb_reference *head;
 *
 *     rows.x = x;
 *     rows.labels = y;
 *     rows.n = n;
 *     rows.dim = 512;
 *     rows.classes = 10;
 *     rc = dkvb_reference_fit(&head, &rows, NULL, NULL);            // logistic, penalty chosen on held-out rows
 *     rc = dkvb_reference_predict(head, tx, tn, answers, NULL);     // int32_t[tn]
 *     dkvb_reference_free(head);
 *
 * dkvb_reference_compare() fits both kinds of linear heads, on all rows and on the kept rows, and lists their accuracy
 * beside that of a model. The linear heads fitted on *all* rows are the *encoder probe*: they show what frozen features
 * still tell about a forgotten class. No change of a model's values and no mask removes what the encoder knows;
 * everyone who has the encoder and rows keeps that knowledge.
 *
 * libdkvb-reference divides all rows by one number, the root mean square of all their elements, so that a penalty means
 * the same for every encoder. libdkvb-reference does not whiten the features. docs/reference.md has the formulas of the
 * linear heads.
 *
 * OpenBLAS computes the sums of a linear head, so the last digits of a head may differ between machines, versions and
 * numbers of threads. A model stores no result of libdkvb-reference.
 *
 * Several threads may read one linear head at once, or one thread may change the head. OpenBLAS computes with threads
 * of its own. While a function of libdkvb-reference runs, the member `threads` of the run options sets the number of
 * OpenBLAS threads for the whole process; 0 does not change this number. Two simultaneous calls of libdkvb-reference
 * may run with each other's number of OpenBLAS threads, which changes only time and rounding. The last of several
 * simultaneous calls of libdkvb-reference restores the old number of OpenBLAS threads. OpenBLAS does not take its
 * working memory from the allocator of the options.
 */
#ifndef DKVB_REFERENCE_H
#define DKVB_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "export.h"
#include "memory.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_reference Linear heads
 *  @{ */

/**
 * Kinds of linear heads: ridge, logistic, or both. The numbers of the DKVB_REFERENCE_… constants are part of the ABI.
 */
enum { DKVB_REFERENCE_BOTH = 0, DKVB_REFERENCE_RIDGE = 1, DKVB_REFERENCE_LOGISTIC = 2 };

/**
 * Handle of a linear head: weights `[classes][dim]` and intercepts `[classes]`. The handle of a ridge head also keeps
 * the sums from which the weights are solved.
 */
typedef struct dkvb_reference dkvb_reference;

/**
 * Rows and labels on which linear heads are fitted or tested. Callers initialise the struct with
 * `DKVB_REFERENCE_ROWS_INIT`; the library reads the struct during the call only.
 */
typedef struct dkvb_reference_rows {
    size_t struct_size; /**< size of dkvb_reference_rows in bytes, set by DKVB_REFERENCE_ROWS_INIT */
    /**
     * `float[n][dim]`, features of the rows, row-major, finite; for logistic heads the root mean square of all features
     * must lie between 1e-30 and 1e30.
     */
    const float *x;
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows; rows with label -1 are left out */
    /**
     * `uint64_t[n]`, ids of the rows, which decide on which rows the penalty is chosen; NULL stands for the row
     * numbers.
     */
    const uint64_t *ids;
    size_t n;         /**< number of rows in the array `x` */
    uint32_t dim;     /**< number of features in a row, 1 to 65,536 */
    uint32_t classes; /**< number of classes of the rows, 2 to 1,048,576, greater than every label */
} dkvb_reference_rows;

/** Initialiser of dkvb_reference_rows that gives every member its default. */
#define DKVB_REFERENCE_ROWS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_rows), 0, 0, 0, 0, 0, 0                                                                  \
    }
DKVB_INIT_FUNCTION(dkvb_reference_rows, DKVB_REFERENCE_ROWS_INIT)

/** Options of fitting a linear head. Callers initialise the options with `DKVB_REFERENCE_OPTIONS_INIT`. */
typedef struct dkvb_reference_options {
    size_t struct_size; /**< size of dkvb_reference_options in bytes, set by DKVB_REFERENCE_OPTIONS_INIT */
    uint32_t kind; /**< kind of linear head to fit, DKVB_REFERENCE_…; to dkvb_reference_fit(), 0 means logistic */
    uint32_t iterations; /**< largest number of iterations of a logistic fit, 1 to 100,000 */
    /**
     * Penalty of the squared weights of a linear head, relative to the mean loss of a row (docs/reference.md),
     * 0.000000001 to 1,000,000; 0 chooses the penalty from 0.1, 0.03, 0.01, … 0.0001 by the accuracy on a tenth of the
     * rows, which is held out by ids. A linear head whose penalty was chosen on held-out rows is then fitted on all
     * rows.
     */
    double penalty;
    /** Largest element of the gradient at which a logistic fit counts as converged, above 0 and at most 1. */
    double tolerance;
    /** Allocator for the linear head, which the library copies; NULL stands for malloc() and free(). */
    const dkvb_allocator *allocator;
} dkvb_reference_options;

/** Initialiser of dkvb_reference_options that gives every member its default. */
#define DKVB_REFERENCE_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(dkvb_reference_options), 0, 500, 0, 1e-5, 0                                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_options, DKVB_REFERENCE_OPTIONS_INIT)

/** Properties of a linear head. Callers initialise the struct with `DKVB_REFERENCE_INFO_INIT`. */
typedef struct dkvb_reference_info {
    size_t struct_size;  /**< size of dkvb_reference_info in bytes, set by DKVB_REFERENCE_INFO_INIT */
    uint32_t kind;       /**< kind of the linear head, DKVB_REFERENCE_RIDGE or DKVB_REFERENCE_LOGISTIC */
    uint32_t dim;        /**< number of features in a row that the linear head classifies */
    uint32_t classes;    /**< number of classes of the linear head */
    uint32_t empty;      /**< number of classes without a row, which the linear head never predicts */
    uint64_t rows;       /**< number of rows on which the linear head is fitted, without removed rows */
    double scale;        /**< number by which the linear head divides rows, the root mean square of their elements */
    double penalty;      /**< penalty of the linear head, given by the caller or chosen on held-out rows */
    uint32_t chosen;     /**< 1 if the penalty of the linear head was chosen on held-out rows */
    uint32_t iterations; /**< number of iterations of the last logistic fit; 0 for a ridge head */
    /** 1 if the gradient of the logistic fit is within the tolerance; always 1 for a ridge head. */
    uint32_t converged;
    double gradient; /**< largest element of the gradient at the end of the logistic fit; 0 for a ridge head */
    double choosing; /**< seconds that choosing the penalty of the linear head took */
    /**
     * Seconds that the last fit of the linear head, or the last removal of rows from the head, took, without choosing
     * the penalty.
     */
    double seconds;
} dkvb_reference_info;

/** Initialiser of dkvb_reference_info that gives every member its default. */
#define DKVB_REFERENCE_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_info, DKVB_REFERENCE_INFO_INIT)

/**
 * Fit a linear head on rows of features and their labels.
 *
 * Fitting a linear head takes memory for 2 `dim`² doubles, where `dim` is the number of features; a ridge head keeps
 * half of this memory. A logistic fit takes 25 times the memory of its weights.
 *
 * @param[out] out   receives the linear head, which the caller releases with dkvb_reference_free(); NULL on failure.
 * @param      rows  rows to fit the linear head on, at least one row of each of two classes.
 * @param      opts  options of fitting the linear head; NULL for the defaults.
 * @param      run   run options of the call (threads, progress, ranks); NULL for the defaults. In dkvb_reference_fit(),
 *                   the progress callback counts parts of the whole fit of a linear head, and the run option `outside`
 *                   is ignored.
 * @return `DKVB_EINVAL` for a row, label or option out of range, or a penalty so small that the sums cannot be solved
 *         (the message begins with "rows", "labels" or "options"); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows,
                                                       const dkvb_reference_options *opts, const dkvb_run_options *run);

/**
 * Remove rows from a ridge head. After dkvb_reference_remove(), the ridge head equals, except for rounding, a head that
 * is fitted with the same penalty on the remaining rows.
 *
 * dkvb_reference_remove() subtracts the rows to remove from the sums of a ridge head and solves the sums again, without
 * reading the remaining rows. Removing rows from a ridge head takes memory for 2 `dim`² doubles, where `dim` is the
 * number of features. The rounding errors of removing rows from a ridge head are relative to the sums that include the
 * removed rows. dkvb_reference_remove() refuses rows if the remaining rows have less than a millionth of the sum of
 * squares about the mean; the caller then fits a new head to the remaining rows.
 *
 * The caller must remove only rows that the ridge head was fitted on, since the sums of a head cannot show which rows
 * they contain. dkvb_reference_remove() removes all given rows or none; a failed removal leaves the head unchanged.
 *
 * @param head  the ridge head from which rows are removed.
 * @param rows  rows to remove, with `dim` and `classes` of the ridge head; rows with label -1 are skipped.
 * @param run   run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_ESTATE` for a logistic head, or if the rows are so large beside the remaining rows that their removal
 *         would lose precision; `DKVB_EMISMATCH` if `dim` or `classes` of the rows differ from those of the head;
 *         `DKVB_EINVAL` as in dkvb_reference_fit(), also for more rows of a class than the head was fitted on, or if
 *         fewer than two classes would keep rows; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows,
                                                          const dkvb_run_options *run);

/**
 * Classify rows with a linear head.
 *
 * @param      head    the linear head that classifies the rows.
 * @param      x       `float[n][dim]`, features of the rows to classify, finite.
 * @param      n       number of rows to classify.
 * @param[out] labels  `int32_t[n]`, receives the predicted labels: the class with the largest score, the lowest index
 *                     on a tie; or NULL.
 * @param[out] scores  `double[n][classes]`, receives the scores of the rows: fitted targets of a ridge head;
 *                     log-probabilities of a logistic head, up to a constant for each row; -INFINITY for classes
 *                     without a row; or NULL.
 * @return `DKVB_EINVAL` if a feature of the rows to classify is not finite; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_predict(const dkvb_reference *head, const float *x, size_t n,
                                                           int32_t *labels, double *scores);

/**
 * Read the properties of a linear head.
 *
 * @param      head  the head.
 * @param[out] info  receives the properties of the linear head; the caller sets its member `struct_size` before the
 *                   call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_get_info(const dkvb_reference *head, dkvb_reference_info *info);

/**
 * Release a linear head.
 *
 * @param head  linear head to release; NULL does nothing.
 */
DKVB_API void dkvb_reference_free(dkvb_reference *head);

/**
 * Line of a comparison of linear heads with a model: the figures of the model, or of one linear head. The library
 * creates dkvb_reference_line; later versions of the library add members at its end.
 */
typedef struct dkvb_reference_line {
    /** What a line of a comparison with linear heads is about: "model", "ridge" (head) or "logistic" (head). */
    const char *head;
    /** Rows on which the linear head is fitted, "all" or "kept"; "" in the line of the model in a comparison. */
    const char *rows;
    double accuracy;  /**< accuracy of the model or linear head on all test rows with a label */
    double forgotten; /**< accuracy on test rows of the forgotten classes; NaN if there are no such test rows */
    /** Accuracy on test rows of all classes that are not forgotten; NaN if there are no such test rows. */
    double others;
    /**
     * Area under the ROC curve that tells test rows of the forgotten classes from all other test rows, for linear heads
     * fitted on "all" rows (encoder probe). In the AUC of a linear head, the score of a test row is the largest score
     * of a forgotten class minus the largest score of any other class. The AUC of a linear head is NaN if either the
     * forgotten or the other classes have no test row or no class to predict.
     */
    double auc;
    /** Number of rows on which the linear head is fitted; 0 in the line of the model in a comparison. */
    uint64_t fitted;
    /**
     * Penalty of the linear head, given or chosen; a head fitted on "kept" rows has the penalty of the head fitted on
     * "all" rows.
     */
    double penalty;
    double choosing; /**< seconds that choosing the penalty of the linear head took */
    /**
     * Seconds that fitting the linear head took. For a ridge head of "kept" rows, the seconds that removing the
     * forgotten rows from the head of "all" rows took, or fitting a new head to the kept rows if that removal would
     * lose precision.
     */
    double seconds;
    uint32_t iterations; /**< number of iterations of a logistic fit; 0 for a ridge head */
    /**
     * 0 if a logistic fit did not converge within the largest number of iterations, or if rounding errors ended the fit
     * early.
     */
    uint32_t converged;
} dkvb_reference_line;

/**
 * Result of comparing linear heads with a model. The library creates and frees dkvb_reference_report; later versions of
 * the library add members at its end.
 */
typedef struct dkvb_reference_report {
    uint32_t lines;   /**< number of lines of a comparison of linear heads with a model, 1 to 5 */
    uint32_t classes; /**< number of classes of the compared rows */
    /**
     * `dkvb_reference_line[lines]`, lines of the comparison: the model, then each kind of linear head on all rows and
     * on kept rows.
     */
    const dkvb_reference_line *line;
    const uint8_t *forgotten; /**< `uint8_t[classes]`, DKVB_FORGET for each class that has forgotten rows */
    uint64_t forgotten_rows;  /**< number of training rows that were forgotten */
    uint64_t test_forgotten;  /**< number of test rows of the forgotten classes */
    uint64_t test_others;     /**< number of test rows of all classes that are not forgotten */
} dkvb_reference_report;

/**
 * Compare linear heads with a model on the same test rows.
 *
 * Linear heads of kept rows use the penalty that was chosen on all rows. A linear head of kept rows knows about the
 * forgotten rows only through the choice of its penalty among seven values. A penalty that the caller gives to a linear
 * head fitted on kept rows (rows that are not forgotten) carries no knowledge about the forgotten rows.
 *
 * @param[out] report   receives the comparison, which the caller releases with dkvb_reference_report_free(); NULL on
 *                      failure.
 * @param      rows     rows that the model was trained on, and on which the linear heads are fitted.
 * @param      test     test rows that were never trained on, with the same `dim` and `classes` as the training rows;
 *                      their `ids` are ignored.
 * @param      request  request that says what was forgotten (audit.h): classes or row numbers of training rows, not
 *                      both. A comparison of linear heads with a model needs at least one forgotten training row with a
 *                      label; its request may not name a row twice. If dkvb_reference_compare() gets NULL for
 *                      `request`, nothing was forgotten, and no linear head of kept rows is fitted.
 * @param      answers  `int32_t[test->n]`, predictions of the model for the test rows, -1 for no answer; NULL leaves
 *                      the model out of the comparison.
 * @param      opts     options of fitting the linear heads; the option `kind` can leave out one kind of linear heads;
 * NULL for the defaults.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_OK`, or a status code that dkvb_reference_fit() returns too. Error messages of dkvb_reference_compare()
 *         about the test rows, the forgotten rows or the answers begin with "test rows" or "test labels", "forgotten
 *         rows" or "answers".
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_compare(dkvb_reference_report **report,
                                                           const dkvb_reference_rows *rows,
                                                           const dkvb_reference_rows *test,
                                                           const dkvb_audit_request *request, const int32_t *answers,
                                                           const dkvb_reference_options *opts,
                                                           const dkvb_run_options *run);

/**
 * Release the result of comparing linear heads with a model.
 *
 * @param report  result of dkvb_reference_compare() to release; NULL does nothing.
 */
DKVB_API void dkvb_reference_report_free(dkvb_reference_report *report);

/**
 * Message of the latest failed call of libdkvb-reference in the calling thread, like dkvb_last_error() of libdkvb.
 *
 * @return the error message of libdkvb-reference; "" before the first failed call in the calling thread.
 */
DKVB_API const char *dkvb_reference_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
