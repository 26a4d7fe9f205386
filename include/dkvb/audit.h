/**
 * @file
 * @brief Audit: does a model still know anything about rows that it has forgotten?
 *
 * An audit compares the audited model with a *retrained* model, whose values were trained again without the forgotten
 * rows, on the same keys. A model that still remembers forgotten rows differs from the retrained model in one
 * direction; a model that forgot more than the forgotten rows differs in the other direction. Each audit figure is an
 * estimate with an interval, and comes with its difference to the figure of the retrained model, measured row by row.
 *
 * - *Membership*: can a membership attack tell the forgotten rows (members) from rows that were never trained on?
 * - *Answers*: does the audited model answer training and test rows as the retrained model does?
 * - *Recovery*: which accuracy on forgotten classes can somebody restore who has the model and a few rows?
 * - *Divergence* (KLoM): can somebody tell many models that forgot a row from many models that were retrained without
 *   it?
 *
 * An audit answers two questions, untraining and unlearning. *Untraining*: do the forgotten rows still influence the
 * model? Figures of membership, of answers to training rows, and of divergence measure whether forgotten rows still
 * influence the model (untraining). The forget strength `exact` trains again without the forgotten rows, and so removes
 * their influence. *Unlearning*: does the model still answer a forgotten class, or can somebody restore its answers?
 * Accuracy on the forgotten classes, and the recovery figures, measure unlearning. The forget strength `suppress`,
 * which masks (codebook, key) pairs, is made for unlearning: a mask hides what forgotten rows taught the model, but
 * does not remove their influence.
 *
 *     dkvb_audit_rows rows = DKVB_AUDIT_ROWS_INIT;
 *     dkvb_audit_report *report;
 *
 *     rows.x = x;                                                          // rows that the model was trained on
 *     rows.labels = y;
 *     rows.n = n;
 *     rows.test_x = tx;                                                    // rows that were never trained on
 *     rows.test_labels = ty;
 *     rows.test_n = tn;
 *     rc = dkvb_audit_run(&report, model, NULL, &rows, NULL, NULL);        // NULL takes the classes of the journal
 *     f = dkvb_audit_get_figure(report, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS);
 *     if (f->measured)
 *         printf("%s: %s is %.3f, %s\n", f->subject, f->key, f->value.value, f->verdict);
 *     dkvb_audit_report_free(report);
 *
 * The interval of an audit figure is a 95 % interval for the choice of rows: the interval says what the figure would be
 * on other rows of the same population. The interval of an audit figure does not say how much another training seed
 * would change; for that, the audit also measures a second retrained model (*replay*), trained with another seed.
 * docs/audit.md gives the formula and source of every audit figure, and says what no figure can show.
 *
 * Threads: an audit does not change the models and rows that the caller gives. Audit reports of equal inputs have equal
 * bits, for any number of threads.
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
 * The forgotten rows of an audit: all training rows of some classes, or some training rows. Callers initialise a
 * `dkvb_audit_request` with `DKVB_AUDIT_REQUEST_INIT`.
 *
 * An audit request that names neither classes nor rows stands for all classes of those forget operations in the model's
 * journal that were not undone (unlearn.h).
 */
typedef struct dkvb_audit_request {
    size_t struct_size; /**< size of dkvb_audit_request in bytes, set by DKVB_AUDIT_REQUEST_INIT */
    /**
     * `uint8_t[classes]`, one mark for each class of the model: DKVB_FORGET (choose.h) marks a forgotten class; NULL
     * names no class.
     */
    const uint8_t *classes;
    /** `uint64_t[row_count]`, numbers of the forgotten training rows, each once; NULL names no rows. */
    const uint64_t *rows;
    size_t row_count; /**< number of forgotten rows that the request names in `rows` */
} dkvb_audit_request;

/** Initialiser of dkvb_audit_request that gives every member its default. */
#define DKVB_AUDIT_REQUEST_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_audit_request), 0, 0, 0                                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_audit_request, DKVB_AUDIT_REQUEST_INIT)

/**
 * Rows that an audit measures: training rows, which include the forgotten rows, and test rows. Callers initialise a
 * `dkvb_audit_rows` with `DKVB_AUDIT_ROWS_INIT`; the library reads the struct during the call only.
 */
typedef struct dkvb_audit_rows {
    size_t struct_size; /**< size of dkvb_audit_rows in bytes, set by DKVB_AUDIT_ROWS_INIT */
    const float *x;     /**< `float[n][input_dim]`, finite: the rows that the model was trained on */
    /** `int32_t[n]`, labels of the training rows; label -1 marks a row that was not trained on. */
    const int32_t *labels;
    /** `uint64_t[n]`, ids that the training rows had when the model was trained; NULL if the ids were row numbers. */
    const uint64_t *ids;
    size_t n; /**< number of training rows */
    /**
     * `float[test_n][input_dim]`, finite: test rows of the kind of the training rows, on which the model was never
     * trained.
     */
    const float *test_x;
    /** `int32_t[test_n]`, labels of the test rows; the audit leaves out test rows with label -1. */
    const int32_t *test_labels;
    size_t test_n; /**< number of test rows; at least 2 must belong to classes of the forgotten rows */
} dkvb_audit_rows;

/** Initialiser of dkvb_audit_rows that gives every member its default. */
#define DKVB_AUDIT_ROWS_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_audit_rows), 0, 0, 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_audit_rows, DKVB_AUDIT_ROWS_INIT)

/** Options of an audit. Callers initialise a `dkvb_audit_options` with `DKVB_AUDIT_OPTIONS_INIT`. */
typedef struct dkvb_audit_options {
    size_t struct_size; /**< size of dkvb_audit_options in bytes, set by DKVB_AUDIT_OPTIONS_INIT */
    /**
     * The model before it forgot, with the same keys, which the audit measures too; NULL measures no such model. The
     * audit searches codes with the keys of the model `before`, which still has the (codebook, key) pairs that were
     * purged from the audited model.
     */
    const dkvb_model *before;
    /**
     * Codeset from before the model forgot, with one training session, which says how the model was trained and on
     * which rows; NULL if there is no codeset. With a codeset, the audit gives label -1 to training rows that did not
     * take part in the training session.
     */
    const dkvb_codeset *codeset;
    /**
     * Options that the model was trained with, read if there is no codeset; `ids`, `report` and `user` are ignored;
     * NULL stands for the defaults.
     */
    const dkvb_train_options *train;
    /** Even number of shadow models for the likelihood-ratio attack, 4 to 65,536; 0 skips the attack. */
    uint32_t shadows;
    uint64_t seed; /**< seed of the audit's own random draws */
    /**
     * Callback that receives the name of each stage of the audit ("search", "refresh", "shadows", "attacks", "models");
     * or NULL.
     */
    dkvb_stage_fn stage;
    void *user; /**< pointer that the `stage` callback of the audit receives */
    /**
     * Even number of reference models for the membership attack RMIA, 2 to 65,536; 0 skips RMIA. RMIA uses the
     * `shadows` shadow models as reference models, and the audit trains only the further reference models that RMIA
     * needs.
     */
    uint32_t rmia_models;
    /**
     * Number of models in each ensemble of the divergence KLoM, 2 to 10,000 (usually 100 or more); 0 skips KLoM. An
     * audit with KLoM trains three times `models` models, or four times `models` if an exact forgetting in force (a
     * replay, replay.h) left out rows that the model `before` had learned. An audit with KLoM is refused if the model's
     * journal does not say which rows an exact forgetting left out.
     */
    uint32_t models;
} dkvb_audit_options;

/** Initialiser of dkvb_audit_options that gives every member its default. */
#define DKVB_AUDIT_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_audit_options), 0, 0, 0, 64, 0, 0, 0, 2, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_audit_options, DKVB_AUDIT_OPTIONS_INIT)

/**
 * Subjects of an audit: the models that the audit measures. The numbers of the DKVB_AUDIT_… constants are part of the
 * ABI.
 */
enum {
    DKVB_AUDIT_MODEL = 0, /**< the audited model with its mask, as the subject of an audit */
    /** The model before it forgot, as the subject of an audit; measured if the audit options give this model. */
    DKVB_AUDIT_BEFORE = 1,
    /**
     * Subject of an audit: the model before it forgot, without the columns of the forgotten classes in its answers;
     * measured if the request names classes and at least two other classes are left.
     */
    DKVB_AUDIT_DROPPED = 2,
    /**
     * A second retrained model, trained with the next seed, as the subject of an audit; this second model shows what a
     * seed alone changes.
     */
    DKVB_AUDIT_REPLAY = 3,
    DKVB_AUDIT_RETRAINED = 4, /**< the retrained model, with which the audit compares all other models */
    DKVB_AUDIT_SUBJECTS = 5   /**< number of subjects (measured models) of an audit */
};

/**
 * Audit figures: numbers that an audit measures of each model (docs/audit.md). The key string of an audit figure is the
 * end of its constant's name in lower case, for example "membership_loss". The numbers of the DKVB_AUDIT_… constants
 * are part of the ABI.
 */
enum {
    DKVB_AUDIT_MEMBERSHIP_LOSS = 0,   /**< audit figure: AUC of a membership attack that thresholds the loss of a row */
    DKVB_AUDIT_MEMBERSHIP_FITTED = 1, /**< audit figure: AUC of a membership attack by logistic regression on logits */
    /** Audit figure: AUC of the likelihood-ratio membership attack (LiRA), which trains shadow models. */
    DKVB_AUDIT_MEMBERSHIP_LIRA = 2,
    DKVB_AUDIT_ACCURACY_CLASS = 3, /**< audit figure: accuracy of the model on test rows of the forgotten classes */
    /** Audit figure: accuracy of the model on test rows of the classes that were not forgotten. */
    DKVB_AUDIT_ACCURACY_REST = 4,
    /**
     * Agreement: fraction of test rows of the forgotten classes to which the model and the retrained model give the
     * same answer.
     */
    DKVB_AUDIT_AGREEMENT_CLASS = 5,
    /**
     * Agreement: fraction of test rows of the classes that were not forgotten to which the model and the retrained
     * model give the same answer.
     */
    DKVB_AUDIT_AGREEMENT_REST = 6,
    /**
     * Recovery figure: accuracy on forgotten classes after a constant was added to the logits of the forgotten classes.
     */
    DKVB_AUDIT_CONSTANT_CLASS = 7,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after a constant was added to the logits of the
     * forgotten classes.
     */
    DKVB_AUDIT_CONSTANT_REST = 8,
    /** Recovery figure: accuracy on forgotten classes after new values were trained on the model's codes. */
    DKVB_AUDIT_PROBE_CLASS = 9,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after new values were trained on the model's codes.
     */
    DKVB_AUDIT_PROBE_REST = 10,
    /** Recovery figure: accuracy on forgotten classes after further training of the model on 10 rows per class. */
    DKVB_AUDIT_RELEARN_10_CLASS = 11,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after further training of the model on 10 rows per
     * class.
     */
    DKVB_AUDIT_RELEARN_10_REST = 12,
    /** Recovery figure: accuracy on forgotten classes after further training of the model on 20 rows per class. */
    DKVB_AUDIT_RELEARN_20_CLASS = 13,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after further training of the model on 20 rows per
     * class.
     */
    DKVB_AUDIT_RELEARN_20_REST = 14,
    /** Recovery figure: accuracy on forgotten classes after further training of the model on 50 rows per class. */
    DKVB_AUDIT_RELEARN_50_CLASS = 15,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after further training of the model on 50 rows per
     * class.
     */
    DKVB_AUDIT_RELEARN_50_REST = 16,
    /** Audit figure: AUC of an attack that sees only the model's mask and tells forgotten rows from test rows. */
    DKVB_AUDIT_MASK_MEMBERS = 17,
    /**
     * Audit figure: AUC of an attack that sees only the model's mask and tells test rows of the forgotten classes from
     * all other test rows.
     */
    DKVB_AUDIT_MASK_CLASS = 18,
    /** Audit figure: AUC of the robust membership inference attack (RMIA), which trains reference models. */
    DKVB_AUDIT_MEMBERSHIP_RMIA = 19,
    DKVB_AUDIT_ACCURACY_FORGOTTEN = 20, /**< audit figure: accuracy of the model on the forgotten training rows */
    /** Audit figure: accuracy of the model on the training rows that were not forgotten. */
    DKVB_AUDIT_ACCURACY_RETAINED = 21,
    DKVB_AUDIT_ACCURACY_TEST = 22, /**< audit figure: accuracy of the model on all test rows */
    /**
     * Average gap: mean distance between four audit figures of a model and the same figures of the retrained model
     * (docs/audit.md).
     */
    DKVB_AUDIT_AVERAGE_GAP = 23,
    /** Recovery figure: accuracy on forgotten classes after further training of the model on 1 mean row per class. */
    DKVB_AUDIT_PROTOTYPES_1_CLASS = 24,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after further training of the model on 1 mean row
     * per class.
     */
    DKVB_AUDIT_PROTOTYPES_1_REST = 25,
    /** Recovery figure: accuracy on forgotten classes after further training of the model on 3 mean rows per class. */
    DKVB_AUDIT_PROTOTYPES_3_CLASS = 26,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after further training of the model on 3 mean rows
     * per class.
     */
    DKVB_AUDIT_PROTOTYPES_3_REST = 27,
    /** Recovery figure: accuracy on forgotten classes after further training of the model on 10 mean rows per class. */
    DKVB_AUDIT_PROTOTYPES_10_CLASS = 28,
    /**
     * Recovery figure: accuracy on classes that were not forgotten after further training of the model on 10 mean rows
     * per class.
     */
    DKVB_AUDIT_PROTOTYPES_10_REST = 29,
    /** KLoM, a divergence between ensembles of models, on the forgotten training rows. */
    DKVB_AUDIT_KLOM_FORGOTTEN = 30,
    /** KLoM, a divergence between ensembles of models, on the training rows that were not forgotten. */
    DKVB_AUDIT_KLOM_RETAINED = 31,
    /** KLoM, a divergence between ensembles of models, on test rows of the forgotten classes. */
    DKVB_AUDIT_KLOM_CLASS = 32,
    /** KLoM, a divergence between ensembles of models, on test rows of the classes that were not forgotten. */
    DKVB_AUDIT_KLOM_REST = 33,
    DKVB_AUDIT_FIGURES = 34 /**< number of audit figures that each measured model has */
};

/**
 * Kinds of audit figures: what the value of an audit figure means. The numbers of the DKVB_AUDIT_… constants are part
 * of the ABI.
 */
enum {
    /** Area under the ROC curve (AUC) that tells forgotten rows from test rows of their classes. */
    DKVB_AUDIT_AUC_MEMBERS = 0,
    /** Area under the ROC curve (AUC) that tells test rows of the forgotten classes from all other test rows. */
    DKVB_AUDIT_AUC_CLASS = 1,
    DKVB_AUDIT_SHARE_CLASS = 2, /**< kind of audit figure: a fraction of the test rows of the forgotten classes */
    /** Kind of audit figure: a fraction of the test rows of the classes that were not forgotten. */
    DKVB_AUDIT_SHARE_REST = 3,
    DKVB_AUDIT_SHARE_FORGOTTEN = 4, /**< kind of audit figure: a fraction of the forgotten training rows */
    /** Kind of audit figure: a fraction of the training rows that were not forgotten. */
    DKVB_AUDIT_SHARE_RETAINED = 5,
    DKVB_AUDIT_SHARE_TESTS = 6, /**< kind of audit figure: a fraction of all test rows */
    /** Average gap: mean distance between four audit figures of a model and the same figures of the retrained model. */
    DKVB_AUDIT_GAP = 7,
    /**
     * KLoM: mean KL divergence between the logit margins of unlearned models and the logit margins of retrained models.
     */
    DKVB_AUDIT_KLOM = 8
};

/**
 * An audit figure's estimated value and its 95 % interval. The struct dkvb_audit_estimate will always have three
 * members: `value`, `low` and `high`.
 */
typedef struct dkvb_audit_estimate {
    double value; /**< estimated value of the audit figure */
    double low;   /**< lower end of the figure's 95 % interval */
    double high;  /**< upper end of the figure's 95 % interval */
} dkvb_audit_estimate;

/**
 * One audit figure of one model. The library creates dkvb_audit_figure; later versions of the library add members at
 * its end.
 */
typedef struct dkvb_audit_figure {
    /** Name of the measured model: "model", "before", "column dropped", "replay" or "retrained". */
    const char *subject;
    const char *key;   /**< key of the audit figure, for example "membership_loss" */
    const char *title; /**< title of the audit figure, for example "loss threshold" */
    /**
     * Verdict on the figure, "as retrained", "more than retrained" or "less than retrained": the sign of `difference`
     * if its interval excludes 0; "" for a figure that was not measured.
     */
    const char *verdict;
    uint32_t kind; /**< kind of the figure: DKVB_AUDIT_AUC_…, DKVB_AUDIT_SHARE_…, DKVB_AUDIT_GAP or DKVB_AUDIT_KLOM */
    /**
     * 1 if the audit measured the figure; 0 if the figure was left out or had no rows, and all numbers of the figure
     * are NaN.
     */
    uint32_t measured;
    dkvb_audit_estimate value; /**< measured value of the audit figure, with its 95 % interval */
    /**
     * Difference between an audit figure of the measured model and the same figure of the retrained model, paired row
     * by row. For the figure KLoM, `difference` is `value` minus the KLoM that training noise alone gives, and its
     * interval includes this noise.
     */
    dkvb_audit_estimate difference;
    /**
     * True-positive rate at 1 % false alarms: the fraction of forgotten rows that a membership attack finds; NaN for
     * figures that are no AUC of a membership attack.
     */
    dkvb_audit_estimate tpr_1;
    /**
     * True-positive rate at 0.1 % false alarms: the fraction of forgotten rows that a membership attack finds; NaN for
     * figures that are no AUC of a membership attack.
     */
    dkvb_audit_estimate tpr_01;
    /**
     * PrivLeak of the AUC of a membership attack: (AUC - AUC of the retrained model) / AUC of the retrained model; a
     * positive PrivLeak means that the model remembers more than the retrained model. PrivLeak is NaN for figures that
     * are no AUC of a membership attack, and if the AUC of the retrained model is 0. The PrivLeak of the MUSE benchmark
     * differs from the PrivLeak of an audit: it has the opposite sign and another denominator (docs/audit.md).
     */
    dkvb_audit_estimate privleak;
    dkvb_audit_estimate median; /**< median of KLoM over the measured rows; NaN for all other figures */
    dkvb_audit_estimate p95;    /**< 95th percentile of KLoM over the measured rows; NaN for all other figures */
} dkvb_audit_figure;

/**
 * Report of an audit: every audit figure of every measured model. The library creates and frees dkvb_audit_report;
 * later versions of the library add members at its end.
 */
typedef struct dkvb_audit_report {
    uint32_t classes;     /**< number of classes of the model (L) */
    uint32_t class_count; /**< number of classes that forgotten rows belong to */
    /**
     * `uint8_t[classes]`, a mark for each class: DKVB_FORGET for classes of forgotten rows, DKVB_KEEP for all other
     * classes.
     */
    const uint8_t *forgotten;
    uint64_t members;      /**< number of forgotten training rows */
    uint64_t others;       /**< number of test rows in the forgotten classes */
    uint64_t rest;         /**< number of test rows in the classes that were not forgotten */
    uint64_t masked_pairs; /**< number of masked (codebook, key) pairs of the audited model */
    uint64_t purged_pairs; /**< number of purged (codebook, key) pairs of the audited model */
    uint32_t shadows;      /**< number of shadow models that the likelihood-ratio attack used */
    /** Counts of training rows whose projections lie outside the scale of the keys (search.h). */
    const dkvb_outside *outside;
    /** Counts of test rows whose projections lie outside the scale of the keys (search.h). */
    const dkvb_outside *test_outside;
    uint64_t retained;    /**< number of training rows that were not forgotten */
    uint32_t rmia_models; /**< number of reference models that the membership attack RMIA used */
    uint32_t models;      /**< number of models in each ensemble of the divergence KLoM */
    /**
     * Number of unlearned models of the divergence KLoM for which the audit planned the forget requests anew. If the
     * journal of the audited model does not hold a forget request, or if the new plan of a request was refused, an
     * unlearned model of KLoM gets the mask of the audited model, or no mask if the audited model has none.
     */
    uint32_t planned;
} dkvb_audit_report;

/**
 * Audit a model that has forgotten rows. Each attack of an audit runs on the audited model, and on values that were
 * trained again without the forgotten rows.
 *
 * The audit searches every row once; each further model then takes the time of one training on stored codes. An audit
 * takes its memory from the allocator of the model. The audit needs memory for the codes of all rows, once for each
 * mask; for the values of two models; and for `float[n][classes]` logits, where n is the number of training rows, or of
 * test rows if there are more (5 GB for 1,280,000 rows and 1,000 classes).
 *
 * Ranks of `run` (ranks.h) deal out the models that the audit trains, and the rows that the audit searches. All ranks
 * call dkvb_audit_run() with the same models, rows and options, and each rank holds these models and rows in its
 * memory. Each rank gets the whole audit report, with the same bits for any number of ranks. In an audit with ranks,
 * each rank needs as much memory as an audit without ranks. Each rank calls its own callbacks: the progress callback
 * counts the models and rows of the rank, and any rank can stop the audit. An audit is refused before work starts if
 * the inputs of the ranks differ. A model whose values are distributed over ranks is audited without ranks in `run`:
 * its ranks then train each model together.
 *
 * @param[out] report   the audit report, which the caller releases with dkvb_audit_report_free(); NULL on failure.
 * @param      model    the audited model, which may be memory-mapped; attacks change only copies of the model.
 * @param      request  the forgotten rows; NULL stands for the classes that the journal of the model names.
 * @param      rows     training and test rows of the audit; at least 2 of the training rows are forgotten.
 * @param      opts     options of the audit; NULL for the defaults.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback
 *                      of `run` counts from 0 in each stage of the audit.
 * @return `DKVB_EINVAL` for a row, label or option out of range, for too few rows, or if no row was forgotten (the
 *         message begins with "training rows", "training labels", "test rows", "test labels", "forgotten rows" or
 *         "options"); `DKVB_EMISMATCH` if `before` or the codeset belongs to other keys, if the codeset belongs to
 *         other rows, or if ranks were given different inputs; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_run(dkvb_audit_report **report, const dkvb_model *model,
                                                   const dkvb_audit_request *request, const dkvb_audit_rows *rows,
                                                   const dkvb_audit_options *opts, const dkvb_run_options *run);

/**
 * Find one figure of an audit report.
 *
 * @param report   the audit report that has the figure.
 * @param subject  the measured model: DKVB_AUDIT_MODEL, _BEFORE, _DROPPED, _REPLAY or _RETRAINED.
 * @param figure   number of the audit figure, for example DKVB_AUDIT_MEMBERSHIP_LOSS.
 * @return the audit figure, valid as long as the report; NULL if the audit did not measure the subject, or if the
 *         subject or figure does not exist.
 */
DKVB_API const dkvb_audit_figure *dkvb_audit_get_figure(const dkvb_audit_report *report, uint32_t subject,
                                                        uint32_t figure);

/**
 * Release an audit report.
 *
 * @param report  the audit report to release; NULL does nothing.
 */
DKVB_API void dkvb_audit_report_free(dkvb_audit_report *report);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
