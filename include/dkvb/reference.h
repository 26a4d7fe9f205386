/**
 * @file
 * @brief Linear heads on the features of a model: a baseline to compare the model with, and a measure of what the
 * encoder alone knows.
 *
 * The header reference.h belongs to a second library, `libdkvb-reference` (`-ldkvb-reference`, CMake target
 * `dkvb::reference`). libdkvb-reference computes with OpenBLAS and does not need libdkvb at run time. libdkvb needs
 * neither libdkvb-reference nor OpenBLAS.
 *
 * - A *ridge* head minimises squared errors to the targets 1 and 0 with a penalty, in closed form.
 *   dkvb_reference_remove() subtracts rows from the sums from which the head is solved. Except for rounding, the result
 *   is a head that was never fitted on the removed rows.
 * - A *logistic* head is a multinomial logistic regression. Rows cannot be removed from a logistic head; it must be
 *   fitted again.
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
 * dkvb_reference_compare() fits both kinds of heads, on all rows and on the kept rows, and lists them beside a model.
 * The heads fitted on *all* rows are the *encoder probe*: they show what frozen features still tell about a forgotten
 * class. No change of values and no mask removes what the encoder knows; everyone who has the encoder and rows keeps
 * it.
 *
 * libdkvb-reference divides all rows by one number, the root mean square of all their elements. So a penalty means the
 * same for every encoder. Features are not whitened. docs/reference.md has the formulas of the heads.
 *
 * OpenBLAS computes the sums of a head, so its last digits may differ between machines, versions and numbers of
 * threads. A model stores no result of libdkvb-reference.
 *
 * Threads: several threads may read one head at once, or one thread may change it. OpenBLAS has its own threads.
 * `threads` of the run options sets their number for the whole process during the call; 0 does not change it. So two
 * calls at the same time may run with each other's number of threads, which changes only time and rounding. The last of
 * several calls at the same time sets the old number of threads again. OpenBLAS does not take its working memory from
 * the allocator.
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

/** @defgroup dkvb_reference Linear heads (libdkvb-reference)
 *  @{ */

/** Kinds of linear heads. The numbers of the DKVB_REFERENCE_… constants are part of the ABI. */
enum { DKVB_REFERENCE_BOTH = 0, DKVB_REFERENCE_RIDGE = 1, DKVB_REFERENCE_LOGISTIC = 2 };

/**
 * Handle of a linear head: weights `[classes][dim]` and intercepts `[classes]`. A ridge head also keeps the sums from
 * which its weights are solved.
 */
typedef struct dkvb_reference dkvb_reference;

/**
 * Rows and labels for linear heads. Callers initialise the struct with `DKVB_REFERENCE_ROWS_INIT`; the library reads
 * the struct during the call only.
 */
typedef struct dkvb_reference_rows {
    size_t struct_size; /**< size of dkvb_reference_rows in bytes, set by DKVB_REFERENCE_ROWS_INIT */
    /**
     * `float[n][dim]`, features of the rows, row-major, finite; for logistic heads their root mean square must lie
     * between 1e-30 and 1e30.
     */
    const float *x;
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows; rows with label -1 are left out */
    /**
     * `uint64_t[n]`, ids of the rows, which decide on which rows the penalty is chosen; NULL stands for the row
     * numbers.
     */
    const uint64_t *ids;
    size_t n;         /**< number of rows in `x` */
    uint32_t dim;     /**< length of a row, 1 to 65,536 */
    uint32_t classes; /**< number of classes, 2 to 1,048,576, above all labels */
} dkvb_reference_rows;

/** Initialiser of dkvb_reference_rows that gives every member its default. */
#define DKVB_REFERENCE_ROWS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_rows), 0, 0, 0, 0, 0, 0                                                                  \
    }
DKVB_INIT_FUNCTION(dkvb_reference_rows, DKVB_REFERENCE_ROWS_INIT)

/** Options of fitting a linear head. Callers initialise the options with `DKVB_REFERENCE_OPTIONS_INIT`. */
typedef struct dkvb_reference_options {
    size_t struct_size;  /**< size of dkvb_reference_options in bytes, set by DKVB_REFERENCE_OPTIONS_INIT */
    uint32_t kind;       /**< kind of head, DKVB_REFERENCE_…; for a single fit, 0 means logistic */
    uint32_t iterations; /**< largest number of iterations of a logistic fit, 1 to 100,000 */
    /**
     * Penalty of squared weights relative to the mean loss of a row (docs/reference.md), 0.000000001 to 1,000,000; 0
     * chooses the penalty from 0.1, 0.03, 0.01, … 0.0001 by the accuracy on a tenth of the rows, which is held out by
     * ids. The head is then fitted on all rows with the chosen penalty.
     */
    double penalty;
    double
        tolerance; /**< largest element of the gradient at which a logistic fit has converged, above 0 and at most 1 */
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
} dkvb_reference_options;

/** Initialiser of dkvb_reference_options that gives every member its default. */
#define DKVB_REFERENCE_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(dkvb_reference_options), 0, 500, 0, 1e-5, 0                                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_options, DKVB_REFERENCE_OPTIONS_INIT)

/** Properties of a linear head. The caller sets `struct_size`. */
typedef struct dkvb_reference_info {
    size_t struct_size;  /**< size of dkvb_reference_info in bytes, set by DKVB_REFERENCE_INFO_INIT */
    uint32_t kind;       /**< kind of the head, DKVB_REFERENCE_RIDGE or DKVB_REFERENCE_LOGISTIC */
    uint32_t dim;        /**< length of a row of features */
    uint32_t classes;    /**< number of classes of the labels */
    uint32_t empty;      /**< number of classes without a row, which the head never predicts */
    uint64_t rows;       /**< number of rows on which the head is fitted, without removed rows */
    double scale;        /**< number by which rows are divided, the root mean square of their elements */
    double penalty;      /**< penalty of the head, whether given or chosen */
    uint32_t chosen;     /**< 1 if the penalty was chosen on held-out rows */
    uint32_t iterations; /**< number of iterations of the last logistic fit; 0 for ridge */
    uint32_t converged;  /**< 1 if the gradient of the logistic fit is within the tolerance; always 1 for ridge */
    double gradient;     /**< largest element of the gradient at the end of the logistic fit; 0 for ridge */
    double choosing;     /**< seconds that choosing the penalty took */
    double seconds;      /**< seconds that the last fit or removal took, without choosing the penalty */
} dkvb_reference_info;

/** Initialiser of dkvb_reference_info that gives every member its default. */
#define DKVB_REFERENCE_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_info, DKVB_REFERENCE_INFO_INIT)

/**
 * Fit a linear head.
 *
 * Fitting a head takes memory for 2 `dim`² doubles, half of which a ridge head keeps; a logistic fit takes 25 times its
 * weights.
 *
 * @param[out] out   the head, which the caller releases with dkvb_reference_free(); NULL on failure.
 * @param      rows  rows to fit the head on, at least one row of each of two classes.
 * @param      opts  options of the call; NULL for the defaults.
 * @param      run   run options (threads, progress, ranks); NULL for the defaults. The progress callback counts parts
 *                   of the whole fit, and the member `outside` is ignored.
 * @return `DKVB_EINVAL` for a row, label or option out of range, or a penalty so small that the sums cannot be solved
 * (the message begins with "rows", "labels" or "options"); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows,
                                                       const dkvb_reference_options *opts, const dkvb_run_options *run);

/**
 * Remove rows from a ridge head. Except for rounding, the head becomes the head that is fitted with the same penalty on
 * the remaining rows.
 *
 * dkvb_reference_remove() subtracts the rows from the sums and solves the sums again, without the remaining rows.
 * Removing rows takes memory for 2 `dim`² doubles. Rounding errors are relative to the sums that include the removed
 * rows. Rows are refused if the remaining rows have less than a millionth of the sum of squares about the mean; the
 * caller then fits a head to the remaining rows.
 *
 * The caller must remove only rows that the head was fitted on, since sums cannot show which rows they contain.
 * dkvb_reference_remove() removes all given rows or none; if it fails, the head is unchanged.
 *
 * @param head  a ridge head.
 * @param rows  rows to remove, with `dim` and `classes` of the head; rows with label -1 are skipped.
 * @param run   run options (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_ESTATE` for a logistic head, or for rows too large to be removed; `DKVB_EMISMATCH` for another `dim` or
 *         other `classes`; `DKVB_EINVAL` as in dkvb_reference_fit(), also for more rows of a class than the head was
 *         fitted on, or if fewer than two classes would keep rows; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows,
                                                          const dkvb_run_options *run);

/**
 * Classify rows with a linear head.
 *
 * @param      head    the head.
 * @param      x       `float[n][dim]`, features of the rows, finite.
 * @param      n       number of rows.
 * @param[out] labels  `int32_t[n]`, predicted labels: the class with the largest score, the lowest index on a tie; or
 *                     NULL.
 * @param[out] scores  `double[n][classes]`, scores: fitted targets of a ridge head; log-probabilities of a logistic
 *                     head, up to a constant for each row; -INFINITY for classes without a row; or NULL.
 * @return `DKVB_EINVAL` for a number that is not finite; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_predict(const dkvb_reference *head, const float *x, size_t n,
                                                           int32_t *labels, double *scores);

/**
 * Read the properties of a linear head.
 *
 * @param      head  the head.
 * @param[out] info  properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_get_info(const dkvb_reference *head, dkvb_reference_info *info);

/**
 * Release a linear head.
 *
 * @param head  the head; NULL does nothing.
 */
DKVB_API void dkvb_reference_free(dkvb_reference *head);

/**
 * Line of a comparison: figures of the model, or of one linear head. The library creates dkvb_reference_line; later
 * versions add members at its end.
 */
typedef struct dkvb_reference_line {
    const char *head; /**< what the line is about: "model", "ridge" or "logistic" */
    const char *rows; /**< rows on which the head is fitted, "all" or "kept"; "" for the model */
    double accuracy;  /**< accuracy on all test rows with a label */
    double forgotten; /**< accuracy on test rows of the forgotten classes; NaN if there are none */
    double others;    /**< accuracy on test rows of all other classes; NaN if there are none */
    /**
     * Area under the ROC curve that tells test rows of the forgotten classes from all others, for heads of "all" rows
     * (encoder probe). The score of a row is the largest score of a forgotten class minus the largest score of any
     * other class. The AUC is NaN if one side has no test row or no class to predict.
     */
    double auc;
    uint64_t fitted; /**< number of rows on which the head is fitted; 0 for the model */
    double penalty;  /**< penalty of the head, given or chosen; heads of "kept" rows have the penalty of "all" */
    double choosing; /**< seconds that choosing the penalty took */
    /**
     * Seconds of fitting; for ridge on "kept" rows, seconds of removing the forgotten rows, or of fitting the kept rows
     * if the forgotten rows are too large to be removed.
     */
    double seconds;
    uint32_t iterations; /**< number of iterations of a logistic fit */
    /** 0 if a logistic fit did not converge within `iterations`, or rounding errors ended its search. */
    uint32_t converged;
} dkvb_reference_line;

/**
 * Result of comparing linear heads with a model. The library creates and frees dkvb_reference_report; later versions
 * add members at its end.
 */
typedef struct dkvb_reference_report {
    uint32_t lines;   /**< number of lines, 1 to 5 */
    uint32_t classes; /**< number of classes of the labels */
    /** `dkvb_reference_line[lines]`: the model, then each kind of head on all rows and on kept rows. */
    const dkvb_reference_line *line;
    const uint8_t *forgotten; /**< `uint8_t[classes]`, DKVB_FORGET for each class with forgotten rows */
    uint64_t forgotten_rows;  /**< number of forgotten training rows */
    uint64_t test_forgotten;  /**< number of test rows of the forgotten classes */
    uint64_t test_others;     /**< number of test rows of all other classes */
} dkvb_reference_report;

/**
 * Compare linear heads with a model on the same rows.
 *
 * Heads of kept rows use the penalty that was chosen on all rows. The choice among seven penalties is all that a head
 * of kept rows can know about the forgotten rows. A penalty that the caller gives carries no knowledge about them.
 *
 * @param[out] report   the comparison, which the caller releases with dkvb_reference_report_free(); NULL on failure.
 * @param      rows     training rows.
 * @param      test     test rows that were never trained on, with the same `dim` and `classes` as the training rows;
 *                      `ids` are ignored.
 * @param      request  what was forgotten (audit.h): classes or numbers of training rows, not both. The request must
 *                      name a training row with a label, and no row twice. NULL says that nothing was forgotten; no
 *                      head of kept rows is then fitted.
 * @param      answers  `int32_t[test->n]`, predictions of the model for the test rows, -1 for no answer; NULL leaves
 *                      out the line of the model.
 * @param      opts     options, whose `kind` can leave out one kind of heads; NULL for the defaults.
 * @param      run      run options (threads, progress, ranks); NULL for the defaults.
 * @return the status codes of dkvb_reference_fit(). Error messages about the test rows, the forgotten rows or the
 *         answers begin with "test rows" or "test labels", "forgotten rows" or "answers".
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_compare(dkvb_reference_report **report,
                                                           const dkvb_reference_rows *rows,
                                                           const dkvb_reference_rows *test,
                                                           const dkvb_audit_request *request, const int32_t *answers,
                                                           const dkvb_reference_options *opts,
                                                           const dkvb_run_options *run);

/**
 * Release the result of a comparison.
 *
 * @param report  the result; NULL does nothing.
 */
DKVB_API void dkvb_reference_report_free(dkvb_reference_report *report);

/**
 * Message of the latest failed call of libdkvb-reference in the calling thread, like dkvb_last_error() of libdkvb.
 *
 * @return the message; "" before the first failure.
 */
DKVB_API const char *dkvb_reference_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
