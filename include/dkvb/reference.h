/**
 * Linear heads on the same features: what somebody would use in place of a model, and what the encoder alone knows.
 *
 * This header belongs to a library of its own, `libdkvb-reference` (`-ldkvb-reference`, CMake target
 * `dkvb::reference`). It computes on OpenBLAS and needs no libdkvb at run time; libdkvb needs neither of the two.
 *
 * - *Ridge*: least squares on targets 1 and 0 with a penalty, in closed form. A row can be taken out of the sums that
 *   it is solved from: dkvb_reference_remove() gives the head that was never fitted on the row, but for rounding of
 *   the sums with the row in.
 * - *Logistic*: multinomial logistic regression. Taking rows out means fitting again.
 *
 *     dkvb_reference_rows rows = DKVB_REFERENCE_ROWS_INIT;
 *     dkvb_reference *head;
 *
 *     rows.x = x, rows.labels = y, rows.n = n, rows.dim = 512, rows.classes = 10;
 *     rc = dkvb_reference_fit(&head, &rows, NULL, NULL);            // logistic, the penalty chosen on rows held out
 *     rc = dkvb_reference_predict(head, tx, tn, answers, NULL);     // int32_t[tn]
 *     dkvb_reference_free(head);
 *
 * dkvb_reference_compare() fits both on all rows and on those that are to be kept, and lays a model's answers beside.
 * The heads of *all* rows are the *encoder probe*: they show what frozen features still tell of a forgotten class. No
 * change of values and no mask takes that away, so whoever has encoder and rows keeps it.
 *
 * Rows are divided by one number, the root mean square of all their elements, so that a penalty means the same for
 * every encoder. Features are not whitened. docs/reference.md has the formulas.
 *
 * Bits: sums are OpenBLAS's, so the last digits may differ between machines, versions and numbers of threads. Nothing
 * here is stored in a model.
 *
 * Threads: one head may be read from many threads and changed from one, not both at once. OpenBLAS has threads of its
 * own; `threads` of the run options sets their number for the whole process during the call, 0 leaves it alone. Two
 * calls at once may therefore run with each other's number, which changes time and rounding only. Once no call that set
 * it is under way, the number is what it was before the first of them. OpenBLAS takes its working memory beside the
 * allocator.
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

/* Kinds of heads. Values are part of the ABI. */
enum { DKVB_REFERENCE_BOTH = 0, DKVB_REFERENCE_RIDGE = 1, DKVB_REFERENCE_LOGISTIC = 2 };

/** A linear head: weights `[classes][dim]`, intercepts `[classes]`; of ridge also the sums that they come from. */
typedef struct dkvb_reference dkvb_reference;

/** Rows and their labels. Start from `DKVB_REFERENCE_ROWS_INIT`. Read during the call only. */
typedef struct dkvb_reference_rows {
    size_t struct_size;    /**< sizeof(dkvb_reference_rows), set by INIT */
    const float *x;        /**< `float[n][dim]`, row-major, finite; for logistic of a root mean square from
                                1e-30 to 1e30 */
    const int32_t *labels; /**< `int32_t[n]`, -1 = leave the row out */
    const uint64_t *ids;   /**< `uint64_t[n]`: they decide which rows choose the penalty; NULL: row numbers */
    size_t n;              /**< rows */
    uint32_t dim;          /**< length of a row, 1 to 65,536 */
    uint32_t classes;      /**< labels are below it; 2 to 1,048,576 */
} dkvb_reference_rows;

#define DKVB_REFERENCE_ROWS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_rows), 0, 0, 0, 0, 0, 0                                                                  \
    }
DKVB_INIT_FUNCTION(dkvb_reference_rows, DKVB_REFERENCE_ROWS_INIT)

/** How to fit. Start from `DKVB_REFERENCE_OPTIONS_INIT`. */
typedef struct dkvb_reference_options {
    size_t struct_size;  /**< sizeof(dkvb_reference_options), set by INIT */
    uint32_t kind;       /**< DKVB_REFERENCE_…; of one fit, 0 is logistic */
    uint32_t iterations; /**< of logistic, at most; 1 to 100,000 */
    double penalty;      /**< of squared weights beside the mean loss of a row (docs/reference.md), 0.000000001 to
                              1,000,000; 0: chosen
                              from 0.1, 0.03, 0.01 … 0.0001 by the accuracy on a tenth of the rows, held out by their
                              ids, then fitted on all */
    double tolerance;    /**< logistic has converged when no element of the gradient is larger; above 0, at
                              most 1 */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
} dkvb_reference_options;

#define DKVB_REFERENCE_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(dkvb_reference_options), 0, 500, 0, 1e-5, 0                                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_options, DKVB_REFERENCE_OPTIONS_INIT)

/** What a head is, filled in by dkvb_reference_get_info(). */
typedef struct dkvb_reference_info {
    size_t struct_size;
    uint32_t kind;       /**< DKVB_REFERENCE_RIDGE or DKVB_REFERENCE_LOGISTIC */
    uint32_t dim;        /**< length of a row */
    uint32_t classes;    /**< as given */
    uint32_t empty;      /**< of them, classes without a row: never answered */
    uint64_t rows;       /**< it was fitted on, those that were removed left out */
    double scale;        /**< rows are divided by it */
    double penalty;      /**< given or chosen */
    uint32_t chosen;     /**< 1: the penalty was chosen */
    uint32_t iterations; /**< of the last fit; 0 of ridge */
    uint32_t converged;  /**< 1: the gradient is within the tolerance; always 1 of ridge */
    double gradient;     /**< its largest element at the end; 0 of ridge */
    double choosing;     /**< seconds in which the penalty was chosen */
    double seconds;      /**< of the last fit or removal alone */
} dkvb_reference_info;

#define DKVB_REFERENCE_INFO_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_reference_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                             \
    }
DKVB_INIT_FUNCTION(dkvb_reference_info, DKVB_REFERENCE_INFO_INIT)

/**
 * Fit a head.
 *
 * 2 `dim`² doubles are needed, of which a ridge head keeps one half, and of logistic 25 times its weights.
 *
 * @param[out] out   owned by the caller: dkvb_reference_free(). NULL on failure.
 * @param      rows  at least one row of each of two classes.
 * @param      opts  NULL for the defaults.
 * @param      run   NULL for the defaults. Progress counts parts of a whole. `outside` is not read.
 * @return `DKVB_EINVAL` (a row, label or option that cannot be, or a penalty so small that the sums cannot be solved;
 *         the message begins with "rows", "labels" or "options"), `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_fit(dkvb_reference **out, const dkvb_reference_rows *rows,
                                                       const dkvb_reference_options *opts, const dkvb_run_options *run);

/**
 * Take rows out of a ridge head: it becomes the head that was fitted with the same penalty on the others, but for
 * rounding. The sums over all rows get less by these rows, and are solved again; no other row is needed. 2 `dim`²
 * doubles are needed beside the head.
 *
 * Rounding is that of the sums with these rows in, so it is relative to them. Where the others have less than a
 * millionth of the sum of squares about the mean, rows are not taken out: fit the others anew.
 *
 * The caller must give rows that are in: sums do not tell. All or none are taken out; on failure the head is as it was.
 *
 * @param head  of ridge.
 * @param rows  `dim` and `classes` of the head; labels of -1 are passed over.
 * @return `DKVB_ESTATE` for a logistic head, and for rows too large to be taken out; `DKVB_EMISMATCH` for another `dim`
 * or other `classes`; `DKVB_EINVAL` as dkvb_reference_fit(), also for more rows of a class than are in, and if rows of
 * two classes would not be left; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_remove(dkvb_reference *head, const dkvb_reference_rows *rows,
                                                          const dkvb_run_options *run);

/**
 * Answers of a head.
 *
 * @param      x       `float[n][dim]`, finite.
 * @param[out] labels  `int32_t[n]`, the class with the largest score, the lowest of equal ones; or NULL.
 * @param[out] scores  `double[n][classes]`: of ridge the fitted targets, of logistic log-probabilities up to a number
 * of each row; -INFINITY for classes without a row; or NULL.
 * @return `DKVB_EINVAL` for a number that is not finite, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_predict(const dkvb_reference *head, const float *x, size_t n,
                                                           int32_t *labels, double *scores);

/** What a head is. `info` begins with its struct_size. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_get_info(const dkvb_reference *head, dkvb_reference_info *info);

/** Release a head. NULL is a no-op. */
DKVB_API void dkvb_reference_free(dkvb_reference *head);

/** One line of a comparison. The library makes it; later versions add members at its end. */
typedef struct dkvb_reference_line {
    const char *head;    /**< "model", "ridge", "logistic" */
    const char *rows;    /**< fitted on "all" rows or on the "kept" ones; of "model" the library does not know: "" */
    double accuracy;     /**< share of all test rows with a label that is answered rightly */
    double forgotten;    /**< the same of test rows of the classes of forgotten rows; NaN if there are none */
    double others;       /**< the same of all other test rows; NaN if there are none */
    double auc;          /**< of "all", the encoder probe: test rows of these classes ranked against all others, by the
                              difference of the largest scores of the two sides; NaN where one side has no test row or
                              no class to answer */
    uint64_t fitted;     /**< rows that it was fitted on; 0 of "model" */
    double penalty;      /**< given or chosen; "kept" has that of "all" */
    double choosing;     /**< seconds in which the penalty was chosen */
    double seconds;      /**< of fitting alone; of ridge and "kept", of taking the forgotten rows out, or
                              of fitting the kept ones where those are too large to be taken out */
    uint32_t iterations; /**< of logistic */
    uint32_t converged;  /**< 0: `iterations` of the options were too few, or rounding ended the search */
} dkvb_reference_line;

/** What a comparison found. The library makes it and takes it back; later versions add members at its end. */
typedef struct dkvb_reference_report {
    uint32_t lines;   /**< 1 to 5 */
    uint32_t classes; /**< as given */
    const dkvb_reference_line
        *line;                /**< `dkvb_reference_line[lines]`: the model, then each head on all rows and kept */
    const uint8_t *forgotten; /**< `uint8_t[classes]`, DKVB_FORGET for classes of forgotten rows */
    uint64_t forgotten_rows;  /**< training rows */
    uint64_t test_forgotten;  /**< test rows of their classes */
    uint64_t test_others;     /**< all other test rows with a label */
} dkvb_reference_report;

/**
 * Linear heads beside a model, on the same rows.
 *
 * Heads of kept rows have the penalty that was chosen on all rows. The chosen penalty, one of seven numbers, is all
 * that such a head can know of the forgotten rows; a given penalty knows nothing of them.
 *
 * @param[out] report   owned by the caller: dkvb_reference_report_free(). NULL on failure.
 * @param      rows     training rows.
 * @param      test     rows never trained on, of the same `dim` and `classes`; `ids` are not read.
 * @param      request  who was forgotten: classes, or numbers of training rows (`struct_size` of audit.h), not both.
 *                      It must name a training row with a label, and none twice. NULL: nobody was, and no head of kept
 *                      rows is fitted.
 * @param      answers  `int32_t[test->n]`, the model's, -1 = abstained; or NULL: no line of it.
 * @param      opts     NULL for the defaults; `kind` may leave one head out.
 * @return as dkvb_reference_fit(); messages about test rows begin with "test rows" or "test labels", about the request
 *         with "forgotten rows", about answers with "answers".
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_reference_compare(dkvb_reference_report **report,
                                                           const dkvb_reference_rows *rows,
                                                           const dkvb_reference_rows *test,
                                                           const dkvb_audit_request *request, const int32_t *answers,
                                                           const dkvb_reference_options *opts,
                                                           const dkvb_run_options *run);

/** Release a report. NULL is a no-op. */
DKVB_API void dkvb_reference_report_free(dkvb_reference_report *report);

/** What went wrong in this thread's latest failing call of this library, as dkvb_last_error() tells of libdkvb's. */
DKVB_API const char *dkvb_reference_error(void);

#ifdef __cplusplus
}
#endif

#endif
