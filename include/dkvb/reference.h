/**
 * @file
 * @brief Linear heads on the same features: a baseline for a model, and a measure of what the encoder alone knows.
 *
 * This header belongs to a second library, `libdkvb-reference` (`-ldkvb-reference`, CMake target `dkvb::reference`).
 * That library computes with OpenBLAS and does not need libdkvb at run time. libdkvb needs neither of them.
 *
 * - *Ridge*: least squares on targets 1 and 0 with a penalty, in closed form. dkvb_reference_remove() takes rows out of
 * the sums that the head is solved from. The result is the head that was never fitted on these rows, except for
 * rounding.
 * - *Logistic*: multinomial logistic regression. Rows cannot be taken out; the head must be fitted again.
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
 * The heads of *all* rows are the *encoder probe*: they show what frozen features still tell about a forgotten class.
 * No change of values and no mask removes this knowledge; everyone who has the encoder and rows keeps it.
 *
 * The library divides rows by one number, the root mean square of all their elements. So a penalty means the same for
 * every encoder. Features are not whitened. docs/reference.md has the formulas.
 *
 * OpenBLAS computes the sums, so the last digits may differ between machines, versions and numbers of threads. A model
 * stores no result of this library.
 *
 * Threads: several threads may read one head at once, or one thread may change it. OpenBLAS has its own threads.
 * `threads` of the run options sets their number for the whole process during the call; 0 does not change it. So two
 * calls at once may run with each other's number of threads, which changes only time and rounding. After the last such
 * call the old number is set again. OpenBLAS does not take its working memory from the allocator.
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

/** Kinds of heads. The numbers of these constants are part of the ABI. */
enum { DKVB_REFERENCE_BOTH = 0, DKVB_REFERENCE_RIDGE = 1, DKVB_REFERENCE_LOGISTIC = 2 };

/** A linear head: weights `[classes][dim]` and intercepts `[classes]`. A ridge head also keeps the sums behind them. */
typedef struct dkvb_reference dkvb_reference;

/** Rows and their labels. The struct starts from `DKVB_REFERENCE_ROWS_INIT`, and is read during the call only. */
typedef struct dkvb_reference_rows {
    size_t struct_size; /**< sizeof(dkvb_reference_rows), set by INIT */
    const float
        *x; /**< `float[n][dim]`, row-major, finite; for logistic heads with a root mean square from 1e-30 to 1e30 */
    const int32_t *labels; /**< `int32_t[n]`; rows with label -1 are left out */
    const uint64_t *ids;   /**< `uint64_t[n]`, ids, which decide which rows choose the penalty; NULL: row numbers */
    size_t n;              /**< number of rows */
    uint32_t dim;          /**< length of a row, 1 to 65,536 */
    uint32_t classes;      /**< number of classes, 2 to 1,048,576; all labels are smaller */
} dkvb_reference_rows;

/** Defaults of dkvb_reference_rows. */
#define DKVB_REFERENCE_ROWS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_rows), 0, 0, 0, 0, 0, 0                                                                  \
    }
DKVB_INIT_FUNCTION(dkvb_reference_rows, DKVB_REFERENCE_ROWS_INIT)

/** Options of a fit. The options start from `DKVB_REFERENCE_OPTIONS_INIT`. */
typedef struct dkvb_reference_options {
    size_t struct_size;  /**< sizeof(dkvb_reference_options), set by INIT */
    uint32_t kind;       /**< DKVB_REFERENCE_…; for a single fit, 0 means logistic */
    uint32_t iterations; /**< logistic: largest number of iterations, 1 to 100,000 */
    double penalty; /**< penalty of squared weights beside the mean loss of a row (docs/reference.md), 0.000000001 to
                         1,000,000. 0: chosen from 0.1, 0.03, 0.01, … 0.0001 by the accuracy on a tenth of the
                         rows, which is held out by ids; the head is then fitted on all rows */
    double
        tolerance; /**< logistic: the fit has converged when no element of the gradient is larger; above 0, at most 1 */
    const dkvb_allocator *allocator; /**< allocator, copied; NULL: malloc() and free() */
} dkvb_reference_options;

/** Defaults of dkvb_reference_options. */
#define DKVB_REFERENCE_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(dkvb_reference_options), 0, 500, 0, 1e-5, 0                                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_options, DKVB_REFERENCE_OPTIONS_INIT)

/** Properties of a head. The caller sets `struct_size`. */
typedef struct dkvb_reference_info {
    size_t struct_size;  /**< sizeof(dkvb_reference_info), set by INIT */
    uint32_t kind;       /**< DKVB_REFERENCE_RIDGE or DKVB_REFERENCE_LOGISTIC */
    uint32_t dim;        /**< length of a row */
    uint32_t classes;    /**< number of classes */
    uint32_t empty;      /**< number of classes without a row, which are never answered */
    uint64_t rows;       /**< number of rows that the head is fitted on, without removed rows */
    double scale;        /**< number that rows are divided by */
    double penalty;      /**< penalty, given or chosen */
    uint32_t chosen;     /**< 1: the penalty was chosen */
    uint32_t iterations; /**< number of iterations of the last fit; 0 for ridge */
    uint32_t converged;  /**< 1: the gradient is within the tolerance; always 1 for ridge */
    double gradient;     /**< largest element of the gradient at the end; 0 for ridge */
    double choosing;     /**< seconds that choosing the penalty took */
    double seconds;      /**< seconds that the last fit or removal took, without choosing the penalty */
} dkvb_reference_info;

/** Defaults of dkvb_reference_info. */
#define DKVB_REFERENCE_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_info, DKVB_REFERENCE_INFO_INIT)

/**
 * Fit a head.
 *
 * The call needs memory for 2 `dim`² doubles, half of which a ridge head keeps; a logistic fit needs 25 times its
 * weights.
 *
 * @param[out] out   the head, owned by the caller: dkvb_reference_free(). NULL on failure.
 * @param      rows  rows, at least one row of each of two classes.
 * @param      opts  options; NULL for the defaults.
 * @param      run   run options; NULL for the defaults. Progress counts parts of the whole. `outside` is ignored.
 * @return `DKVB_EINVAL` for a row, label or option out of range, or a penalty so small that the sums cannot be solved
 * (the message begins with "rows", "labels" or "options"); `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows,
                                                       const dkvb_reference_options *opts, const dkvb_run_options *run);

/**
 * Take rows out of a ridge head. The head becomes the one that is fitted with the same penalty on the other rows,
 * except for rounding.
 *
 * The call subtracts these rows from the sums and solves the sums again; the other rows are not needed. The call needs
 * memory for 2 `dim`² doubles. Rounding errors are relative to the sums that include the rows. So rows are refused if
 * the other rows have less than a millionth of the sum of squares about the mean; the caller then fits the other rows
 * anew.
 *
 * The caller must give only rows that the head was fitted on, since sums cannot show which rows they contain. The call
 * takes out all rows or none; a failed call leaves the head as it was.
 *
 * @param head  a ridge head.
 * @param rows  rows with `dim` and `classes` of the head; rows with label -1 are skipped.
 * @param run   run options; NULL for the defaults.
 * @return `DKVB_ESTATE` for a logistic head, and for rows too large to be taken out; `DKVB_EMISMATCH` for another `dim`
 * or other `classes`; `DKVB_EINVAL` as dkvb_reference_fit(), also for more rows of a class than the head has, or if
 *         fewer than two classes would keep rows; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows,
                                                          const dkvb_run_options *run);

/**
 * Classify rows with a head.
 *
 * @param      head    the head.
 * @param      x       `float[n][dim]`, finite.
 * @param      n       number of rows.
 * @param[out] labels  `int32_t[n]`, class with the largest score, the lowest index on a tie; or NULL.
 * @param[out] scores  `double[n][classes]`: fitted targets of a ridge head; log-probabilities of a logistic head, up to
 * a constant for each row; -INFINITY for classes without a row. Or NULL.
 * @return `DKVB_EINVAL` for a number that is not finite; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_predict(const dkvb_reference *head, const float *x, size_t n,
                                                           int32_t *labels, double *scores);

/**
 * Read the properties of a head.
 *
 * @param      head  the head.
 * @param[out] info  properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_get_info(const dkvb_reference *head, dkvb_reference_info *info);

/**
 * Release a head.
 *
 * @param head  the head; NULL does nothing.
 */
DKVB_API void dkvb_reference_free(dkvb_reference *head);

/** One line of a comparison. The library creates this struct; later versions add members at its end. */
typedef struct dkvb_reference_line {
    const char *head; /**< "model", "ridge" or "logistic" */
    const char *rows; /**< "all" or "kept": the rows that the head is fitted on; "" for the model */
    double accuracy;  /**< accuracy on all test rows with a label */
    double forgotten; /**< accuracy on test rows of the forgotten classes; NaN without such rows */
    double others;    /**< accuracy on all other test rows; NaN without such rows */
    double auc; /**< heads of "all" rows (encoder probe): area under the ROC curve, test rows of the forgotten classes
                   against all others, by the difference between the largest scores of both sides; NaN if one side has
                   no test row or no class to answer */
    uint64_t fitted; /**< number of rows that the head is fitted on; 0 for the model */
    double penalty;  /**< penalty, given or chosen; heads of "kept" rows have the penalty of "all" */
    double choosing; /**< seconds that choosing the penalty took */
    double seconds;  /**< seconds of fitting; for ridge on "kept" rows, of taking the forgotten rows out, or of fitting
                        the kept rows if the forgotten rows are too large to be taken out */
    uint32_t iterations; /**< logistic: number of iterations */
    uint32_t converged;  /**< 0: `iterations` of the options were too few, or rounding errors ended the search */
} dkvb_reference_line;

/** Result of a comparison. The library creates and frees this struct; later versions add members at its end. */
typedef struct dkvb_reference_report {
    uint32_t lines;   /**< number of lines, 1 to 5 */
    uint32_t classes; /**< number of classes */
    const dkvb_reference_line
        *line; /**< `dkvb_reference_line[lines]`: the model, then each head on all rows and on kept rows */
    const uint8_t *forgotten; /**< `uint8_t[classes]`, DKVB_FORGET for classes of forgotten rows */
    uint64_t forgotten_rows;  /**< number of forgotten training rows */
    uint64_t test_forgotten;  /**< number of test rows of the forgotten classes */
    uint64_t test_others;     /**< number of all other test rows with a label */
} dkvb_reference_report;

/**
 * Compare linear heads with a model, on the same rows.
 *
 * Heads of kept rows use the penalty that was chosen on all rows. The choice among seven penalties is all that such a
 * head can know about the forgotten rows. A given penalty carries no such knowledge.
 *
 * @param[out] report   the result, owned by the caller: dkvb_reference_report_free(). NULL on failure.
 * @param      rows     training rows.
 * @param      test     rows that were never trained on, with the same `dim` and `classes`; `ids` are ignored.
 * @param      request  what was forgotten (audit.h): classes or numbers of training rows, not both. The request must
 * name a training row with a label, and no row twice. NULL: nothing was forgotten, and no head of kept rows is fitted.
 * @param      answers  `int32_t[test->n]`, answers of the model, -1 for no answer; NULL: no line for the model.
 * @param      opts     options; NULL for the defaults. `kind` can leave one kind of heads out.
 * @param      run      run options; NULL for the defaults.
 * @return as dkvb_reference_fit(). Messages begin with "test rows" or "test labels", "forgotten rows" or "answers", if
 * they are about these arguments.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_compare(dkvb_reference_report **report,
                                                           const dkvb_reference_rows *rows,
                                                           const dkvb_reference_rows *test,
                                                           const dkvb_audit_request *request, const int32_t *answers,
                                                           const dkvb_reference_options *opts,
                                                           const dkvb_run_options *run);

/**
 * Release a report.
 *
 * @param report  the report; NULL does nothing.
 */
DKVB_API void dkvb_reference_report_free(dkvb_reference_report *report);

/**
 * Message of the latest failed call of this library in this thread, like dkvb_last_error() of libdkvb.
 *
 * @return the message; "" before the first failure.
 */
DKVB_API const char *dkvb_reference_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
