/**
 * @file
 * @brief Audit: does a model still know anything about forgotten rows?
 *
 * An audit compares the model with a *retrained* model, whose values were trained again without the rows, on the same
 * keys. A model that remembers the rows differs from the retrained model in one direction. A model that forgot more
 * than the rows differs in the other direction. So each figure has an estimate with an interval, and a difference to
 * the retrained model, measured row by row.
 *
 * - *Membership*: can an attack tell the forgotten rows (members) from rows that were never trained on (others)?
 * - *Answers*: does the model answer training and test rows as the retrained model does?
 * - *Recovery*: what can somebody restore who has the model and a few rows?
 * - *Divergence*: can somebody tell many models that forgot from many retrained models, row by row (KLoM)?
 *
 * These figures answer two questions. *Untraining*: do the rows still have an influence? Membership, answers to
 * training rows, and divergence measure this. The strength `exact` trains again without the rows, and so removes the
 * influence. *Unlearning*: does the model still answer the class, or can somebody restore that? Answers of the class,
 * and recovery, measure this. The strength `suppress` is made for unlearning in this sense. A mask does not untrain.
 *
 *     dkvb_audit_rows rows = DKVB_AUDIT_ROWS_INIT;
 *     dkvb_audit_report *report;
 *
 *     rows.x = x;                                                          // rows that the model was trained on
 *     rows.labels = y;
 *     rows.n = n;
 *     rows.test_x = tx;                                                    // rows that it was never trained on
 *     rows.test_labels = ty;
 *     rows.test_n = tn;
 *     rc = dkvb_audit_run(&report, model, NULL, &rows, NULL, NULL);        // NULL: forgotten classes of the journal
 *     f = dkvb_audit_get_figure(report, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS);
 *     if (f->measured)
 *         printf("%s: %s is %.3f, %s\n", f->subject, f->key, f->value.value, f->verdict);
 *     dkvb_audit_report_free(report);
 *
 * Intervals are 95 % intervals for the choice of rows: figures of other rows of the same kind would lie in them.
 * Intervals do not include what another seed of training changes. So the audit also measures a second retrained model
 * (*replay*). docs/audit.md has the formula and source of every figure, and says what no figure can show.
 *
 * Threads: an audit only reads models and rows. Equal inputs give equal bits, for any number of threads.
 */
#ifndef DKVB_AUDIT_H
#define DKVB_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "codeset.h"
#include "export.h"
#include "fit.h"
#include "model.h"
#include "runtime.h"
#include "search.h"
#include "status.h"
#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_audit Audits
 *  @{ */

/**
 * The forgotten rows: all training rows of some classes, or some training rows. The request starts from
 * `DKVB_AUDIT_REQUEST_INIT`.
 *
 * A request that names nothing stands for all classes that forgettings in force in the model's journal asked for
 * (unlearn.h).
 */
typedef struct dkvb_audit_request {
    size_t struct_size; /**< sizeof(dkvb_audit_request), set by INIT */
    const uint8_t
        *classes; /**< `uint8_t[classes]` of the model, DKVB_FORGET (choose.h) for each forgotten class; or NULL */
    const uint64_t *rows; /**< `uint64_t[row_count]`, numbers of forgotten training rows, each once; or NULL */
    size_t row_count;     /**< number of forgotten rows */
} dkvb_audit_request;

/** Defaults of dkvb_audit_request. */
#define DKVB_AUDIT_REQUEST_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_audit_request), 0, 0, 0                                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_audit_request, DKVB_AUDIT_REQUEST_INIT)

/** Training rows, the forgotten rows among them, and test rows. The struct starts from `DKVB_AUDIT_ROWS_INIT`, and is
 * read during the call only. */
typedef struct dkvb_audit_rows {
    size_t struct_size;    /**< sizeof(dkvb_audit_rows), set by INIT */
    const float *x;        /**< `float[n][input_dim]`, finite: rows that the model was trained on */
    const int32_t *labels; /**< `int32_t[n]`; rows with label -1 were not trained on */
    const uint64_t *ids;   /**< `uint64_t[n]`, ids of the rows in training; NULL: row numbers */
    size_t n;              /**< number of training rows */
    const float *test_x;   /**< `float[test_n][input_dim]`, finite: rows of the same kind that were never trained on */
    const int32_t *test_labels; /**< `int32_t[test_n]`; rows with label -1 are left out */
    size_t test_n;              /**< number of test rows, at least 2 of the classes of the forgotten rows */
} dkvb_audit_rows;

/** Defaults of dkvb_audit_rows. */
#define DKVB_AUDIT_ROWS_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_audit_rows), 0, 0, 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_audit_rows, DKVB_AUDIT_ROWS_INIT)

/** Options of an audit. The options start from `DKVB_AUDIT_OPTIONS_INIT`. */
typedef struct dkvb_audit_options {
    size_t struct_size;       /**< sizeof(dkvb_audit_options), set by INIT */
    const dkvb_model *before; /**< the model before the forgetting, on the same keys, which is measured too; or NULL. If
 it is given, codes are searched on its keys, which matters after a purge */
    const dkvb_codeset *codeset; /**< codeset from before the forgetting, with one session: it says how the model was
 trained and on which rows; all other rows count as rows without a label. Or NULL */
    const dkvb_train_options *train; /**< without a codeset: how the model was trained; `ids`, `report` and `user` are
 ignored. NULL: the defaults */
    uint32_t shadows;     /**< number of shadow models of the likelihood-ratio attack, even, 4 to 65,536; 0: none */
    uint64_t seed;        /**< seed of the audit's own random draws */
    dkvb_stage_fn stage;  /**< stage callback: "search", "refresh", "shadows", "attacks", "models"; or NULL */
    void *user;           /**< pointer that `stage` receives */
    uint32_t rmia_models; /**< number of reference models of RMIA, even, 2 to 65,536; 0: none. The first shadow models
are used again, and only models beyond `shadows` are trained in addition */
    uint32_t models;      /**< number of models in each ensemble of KLoM, 2 to 10,000 (usually 100 or more); 0: KLoM is
      not measured. Three times as many models are trained, or four times as many if `before`
 learned other rows because a replay in force left some out. The latter is refused if the
 replay does not say which rows */
} dkvb_audit_options;

/** Defaults of dkvb_audit_options. */
#define DKVB_AUDIT_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_audit_options), 0, 0, 0, 64, 0, 0, 0, 2, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_audit_options, DKVB_AUDIT_OPTIONS_INIT)

/** Subjects: the models that an audit measures. The numbers of these constants are part of the ABI. */
enum {
    DKVB_AUDIT_MODEL = 0,   /**< the audited model, under its mask */
    DKVB_AUDIT_BEFORE = 1,  /**< the model before the forgetting, if it was given */
    DKVB_AUDIT_DROPPED = 2, /**< the model before, without the columns of the forgotten classes in its answers; measured
if the request names classes and at least two other classes are left */
    DKVB_AUDIT_REPLAY = 3,  /**< a second retrained model, with the next seed; shows what a seed alone changes */
    DKVB_AUDIT_RETRAINED = 4, /**< the retrained model, which all others are compared with */
    DKVB_AUDIT_SUBJECTS = 5   /**< number of subjects */
};

/**
 * Figures: what an audit measures of each subject (docs/audit.md). The key of a figure is its name here, in lower case.
 * The numbers of these constants are part of the ABI.
 */
enum {
    DKVB_AUDIT_MEMBERSHIP_LOSS = 0,      /**< membership attack by the loss of a row */
    DKVB_AUDIT_MEMBERSHIP_FITTED = 1,    /**< membership attack by logistic regression on logits */
    DKVB_AUDIT_MEMBERSHIP_LIRA = 2,      /**< likelihood-ratio membership attack, with shadow models */
    DKVB_AUDIT_ACCURACY_CLASS = 3,       /**< accuracy on test rows of the forgotten classes */
    DKVB_AUDIT_ACCURACY_REST = 4,        /**< accuracy on all other test rows */
    DKVB_AUDIT_AGREEMENT_CLASS = 5,      /**< test rows of the classes answered as by the retrained model */
    DKVB_AUDIT_AGREEMENT_REST = 6,       /**< other test rows answered as by the retrained model */
    DKVB_AUDIT_CONSTANT_CLASS = 7,       /**< class accuracy with a constant added to its logits */
    DKVB_AUDIT_CONSTANT_REST = 8,        /**< accuracy on all others after that */
    DKVB_AUDIT_PROBE_CLASS = 9,          /**< class accuracy of values trained anew on codes */
    DKVB_AUDIT_PROBE_REST = 10,          /**< accuracy of these values on all others */
    DKVB_AUDIT_RELEARN_10_CLASS = 11,    /**< class accuracy after training on 10 rows per class */
    DKVB_AUDIT_RELEARN_10_REST = 12,     /**< accuracy on all others after that */
    DKVB_AUDIT_RELEARN_20_CLASS = 13,    /**< class accuracy after training on 20 rows per class */
    DKVB_AUDIT_RELEARN_20_REST = 14,     /**< accuracy on all others after that */
    DKVB_AUDIT_RELEARN_50_CLASS = 15,    /**< class accuracy after training on 50 rows per class */
    DKVB_AUDIT_RELEARN_50_REST = 16,     /**< accuracy on all others after that */
    DKVB_AUDIT_MASK_MEMBERS = 17,        /**< how well the mask alone tells members from others */
    DKVB_AUDIT_MASK_CLASS = 18,          /**< how well the mask alone tells test rows of the classes from all others */
    DKVB_AUDIT_MEMBERSHIP_RMIA = 19,     /**< robust membership inference attack (RMIA), with reference models */
    DKVB_AUDIT_ACCURACY_FORGOTTEN = 20,  /**< accuracy on the forgotten training rows */
    DKVB_AUDIT_ACCURACY_RETAINED = 21,   /**< accuracy on the retained training rows */
    DKVB_AUDIT_ACCURACY_TEST = 22,       /**< accuracy on all test rows */
    DKVB_AUDIT_AVERAGE_GAP = 23,         /**< mean distance of four figures to those of the retrained model */
    DKVB_AUDIT_PROTOTYPES_1_CLASS = 24,  /**< class accuracy after training on 1 mean per class */
    DKVB_AUDIT_PROTOTYPES_1_REST = 25,   /**< accuracy on all others after that */
    DKVB_AUDIT_PROTOTYPES_3_CLASS = 26,  /**< class accuracy after training on 3 means a class */
    DKVB_AUDIT_PROTOTYPES_3_REST = 27,   /**< accuracy on all others after that */
    DKVB_AUDIT_PROTOTYPES_10_CLASS = 28, /**< class accuracy after training on 10 means a class */
    DKVB_AUDIT_PROTOTYPES_10_REST = 29,  /**< accuracy on all others after that */
    DKVB_AUDIT_KLOM_FORGOTTEN = 30,      /**< KLoM on the forgotten training rows */
    DKVB_AUDIT_KLOM_RETAINED = 31,       /**< KLoM on the retained training rows */
    DKVB_AUDIT_KLOM_CLASS = 32,          /**< KLoM on test rows of the classes */
    DKVB_AUDIT_KLOM_REST = 33,           /**< KLoM on all other test rows */
    DKVB_AUDIT_FIGURES = 34              /**< number of figures */
};

/** Kinds of figures: what the number of a figure means. The numbers of these constants are part of the ABI. */
enum {
    DKVB_AUDIT_AUC_MEMBERS = 0, /**< area under the ROC curve: forgotten rows against test rows of their classes */
    DKVB_AUDIT_AUC_CLASS = 1,   /**< area under the ROC curve: test rows of the classes against all other test rows */
    DKVB_AUDIT_SHARE_CLASS = 2, /**< share of the test rows of the classes */
    DKVB_AUDIT_SHARE_REST = 3,  /**< share of the other test rows */
    DKVB_AUDIT_SHARE_FORGOTTEN = 4, /**< share of the forgotten training rows */
    DKVB_AUDIT_SHARE_RETAINED = 5,  /**< share of the retained training rows */
    DKVB_AUDIT_SHARE_TESTS = 6,     /**< share of all test rows */
    DKVB_AUDIT_GAP = 7,             /**< mean distance of four figures to those of the retrained model */
    DKVB_AUDIT_KLOM = 8             /**< mean KL divergence of the margins from the margins of retrained models */
};

/** A number and its 95 % interval. This struct will always have these three members. */
typedef struct dkvb_audit_estimate {
    double value; /**< the estimate */
    double low;   /**< lower end of the 95 % interval */
    double high;  /**< upper end of the 95 % interval */
} dkvb_audit_estimate;

/** One figure of one subject. The library creates this struct; later versions add members at its end. */
typedef struct dkvb_audit_figure {
    const char *subject; /**< name of the subject: "model", "before", "column dropped", "replay" or "retrained" */
    const char *key;     /**< key of the figure, for example "membership_loss" */
    const char *title;   /**< title of the figure, for example "loss threshold" */
    const char *verdict; /**< "as retrained", "more than retrained" or "less than retrained": the sign of the difference
 if its interval excludes 0; "" unless measured */
    uint32_t kind;       /**< DKVB_AUDIT_AUC_…, DKVB_AUDIT_SHARE_…, _GAP or _KLOM */
    uint32_t measured;   /**< 0: the figure was left out, or had no rows; all its numbers are NaN then */
    dkvb_audit_estimate value;      /**< the measured number */
    dkvb_audit_estimate difference; /**< `value` minus that of the retrained model, paired row by row. KLoM: `value`
 minus the noise floor, and the interval includes the noise of the models */
    dkvb_audit_estimate tpr_1;  /**< AUC of members: share of members that are found at 1 % false alarms; else NaN */
    dkvb_audit_estimate tpr_01; /**< AUC of members: share of members that are found at 0.1 % false alarms; else NaN */
    dkvb_audit_estimate privleak; /**< AUC of members: PrivLeak, (AUC - AUC retrained) / AUC retrained; positive numbers
mean that more is remembered. Otherwise NaN, also if the retrained AUC is 0. The PrivLeak of MUSE has the opposite sign
and another denominator (docs/audit.md) */
    dkvb_audit_estimate median;   /**< KLoM: median over the rows; else NaN */
    dkvb_audit_estimate p95;      /**< KLoM: 95th percentile over the rows; else NaN */
} dkvb_audit_figure;

/** Result of an audit. The library creates and frees this struct; later versions add members at its end. */
typedef struct dkvb_audit_report {
    uint32_t classes;                 /**< number of classes of the model (L) */
    uint32_t class_count;             /**< number of classes of the forgotten rows */
    const uint8_t *forgotten;         /**< `uint8_t[L]`, DKVB_FORGET for classes of forgotten rows, else DKVB_KEEP */
    uint64_t members;                 /**< number of forgotten rows */
    uint64_t others;                  /**< number of test rows of their classes */
    uint64_t rest;                    /**< number of all other test rows */
    uint64_t masked_pairs;            /**< number of masked pairs of the audited model */
    uint64_t purged_pairs;            /**< number of purged pairs of the audited model */
    uint32_t shadows;                 /**< number of shadow models of the likelihood-ratio attack */
    const dkvb_outside *outside;      /**< counts of training rows outside the scale of the keys */
    const dkvb_outside *test_outside; /**< counts of test rows outside the scale of the keys */
    uint64_t retained;                /**< number of training rows that were not forgotten */
    uint32_t rmia_models;             /**< number of reference models of RMIA */
    uint32_t models;                  /**< number of models in each ensemble of KLoM */
    uint32_t planned; /**< number of unlearned models of KLoM whose requests were planned anew. In all other unlearned
 models of KLoM, the audited model's own pairs are masked if its request is unknown or its plan was refused; nothing is
 masked if the audited model has no mask */
} dkvb_audit_report;

/**
 * Audit a model that has forgotten rows. The same attacks run on the model and on values that were trained again
 * without the rows.
 *
 * Every row is searched once; then each further model takes the time of one training on stored codes. Memory comes from
 * the allocator of the model. The call needs the codes of all rows, once for each mask; the values of two models; and
 * `float[n][classes]` logits, where n is the number of training rows, or of test rows if there are more (5 GB for
 * 1,280,000 rows and 1,000 classes).
 *
 * Ranks of `run` (ranks.h) deal out the models that the audit trains, and the rows that it searches: all ranks make
 * this call with the same models, rows and options, each has them whole, and each gets the whole report, with the same
 * bits for any number of ranks. A rank needs the memory of an audit without ranks. Each rank calls its own callbacks:
 * progress counts the models and rows of the rank, and any rank can stop the call. Ranks whose inputs differ are
 * refused before work starts. A model whose values ranks share is audited without ranks in `run`: its ranks then train
 * each model together.
 *
 * @param[out] report   the result, owned by the caller: dkvb_audit_report_free(). NULL on failure.
 * @param      model    the audited model, which may be mapped. The attacks change only copies.
 * @param      request  what was forgotten; NULL: the classes that the journal of the model names.
 * @param      rows     training and test rows, at least 2 of the training rows forgotten.
 * @param      opts     options; NULL for the defaults.
 * @param      run      run options; NULL for the defaults. Progress counts within a stage.
 * @return `DKVB_EINVAL` for a row, label or option out of range, too few rows, or nothing that was forgotten (the
 * message begins with "training rows", "training labels", "test rows", "test labels", "forgotten rows" or "options");
 *         `DKVB_EMISMATCH` if `before` or the codeset belongs to other keys, or the codeset to other rows, or
 * if ranks were given different inputs;
 * `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_run(dkvb_audit_report **report, const dkvb_model *model,
                                                   const dkvb_audit_request *request, const dkvb_audit_rows *rows,
                                                   const dkvb_audit_options *opts, const dkvb_run_options *run);

/**
 * Find one figure of a report.
 *
 * @param report   the report.
 * @param subject  DKVB_AUDIT_MODEL, _BEFORE, _DROPPED, _REPLAY or _RETRAINED.
 * @param figure   number of the figure, for example DKVB_AUDIT_MEMBERSHIP_LOSS.
 * @return the figure, valid as long as the report; NULL if the subject was not measured, or if there is no such subject
 * or figure.
 */
DKVB_API const dkvb_audit_figure *dkvb_audit_get_figure(const dkvb_audit_report *report, uint32_t subject,
                                                        uint32_t figure);

/**
 * Release a report.
 *
 * @param report  the report; NULL does nothing.
 */
DKVB_API void dkvb_audit_report_free(dkvb_audit_report *report);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
