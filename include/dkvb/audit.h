/**
 * Audit: is what a model knows of forgotten rows what a model knows that never saw them?
 *
 * The yardstick is always a model whose values were trained again without the rows, on the same keys. Whoever still
 * remembers differs from it one way, whoever forgot more than the rows differs the other way; so every figure here
 * comes as an estimate with an interval, and again as a difference to the retrained model, row by row.
 *
 * - *Membership*: can the forgotten rows (members) be told from rows that were never trained on (others)?
 * - *Answers*: are training and test rows answered as by the retrained model?
 * - *Recovery*: what does somebody get back who has the model and a few rows?
 * - *Divergence*: can many models that forgot be told from many that were retrained, row by row (KLoM)?
 *
 * Two questions are asked. *Untraining*: do these rows still have an influence? Membership, answers to
 * training rows and divergence ask this; training again without the rows is the reference, and strength `exact` does
 * it. *Unlearning*: does the model still answer the concept, or can somebody make it? Answers of the class and recovery
 * ask this, and strength `suppress` is meant for it. A mask does not untrain.
 *
 *     dkvb_audit_rows rows = DKVB_AUDIT_ROWS_INIT;
 *     dkvb_audit_report *report;
 *
 *     rows.x = x, rows.labels = y, rows.n = n;                             // what was trained on
 *     rows.test_x = tx, rows.test_labels = ty, rows.test_n = tn;           // what never was
 *     rc = dkvb_audit_run(&report, model, NULL, &rows, NULL, NULL);        // NULL: the journal says who was forgotten
 *     f = dkvb_audit_get_figure(report, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS);
 *     if (f->measured)
 *         printf("%s: %s is %.3f, %s\n", f->subject, f->key, f->value.value, f->verdict);
 *     dkvb_audit_report_free(report);
 *
 * Intervals are of 95 %, and are about the rows: with other rows of the same kind the figure would lie in them. What
 * another seed of training changes is not in them, which is why a second retrained model is measured too (*replay*).
 * docs/audit.md has every figure, its formula and source, and says what none of them can show.
 *
 * Threads: models and rows are only read. Same inputs, same bits, whatever the threads.
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

/** A request names those who were forgotten: all training rows of some classes, or some rows. One that names nobody
 * stands for the classes that forgettings in force in the model's journal asked for (unlearn.h). Start from
 * `DKVB_AUDIT_REQUEST_INIT`. */
typedef struct dkvb_audit_request {
    size_t struct_size;     /**< sizeof(dkvb_audit_request), set by INIT */
    const uint8_t *classes; /**< `uint8_t[classes]` of the model, DKVB_FORGET (choose.h) where one was; or NULL */
    const uint64_t *rows;   /**< `uint64_t[row_count]`, numbers of training rows, each once; or NULL */
    size_t row_count;       /**< number of rows */
} dkvb_audit_request;

#define DKVB_AUDIT_REQUEST_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_audit_request), 0, 0, 0                                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_audit_request, DKVB_AUDIT_REQUEST_INIT)

/** Rows, those that were forgotten among them. Start from `DKVB_AUDIT_ROWS_INIT`. Read during the call only. */
typedef struct dkvb_audit_rows {
    size_t struct_size;         /**< sizeof(dkvb_audit_rows), set by INIT */
    const float *x;             /**< `float[n][input_dim]`, finite: what the model was trained on */
    const int32_t *labels;      /**< `int32_t[n]`, -1 = was not trained on */
    const uint64_t *ids;        /**< `uint64_t[n]`, what the rows were called in training; NULL: their numbers */
    size_t n;                   /**< training rows */
    const float *test_x;        /**< `float[test_n][input_dim]`, finite: rows of the same kind, never trained on */
    const int32_t *test_labels; /**< `int32_t[test_n]`, -1 = leave the row out */
    size_t test_n;              /**< test rows, at least 2 of the classes of the forgotten rows */
} dkvb_audit_rows;

#define DKVB_AUDIT_ROWS_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_audit_rows), 0, 0, 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_audit_rows, DKVB_AUDIT_ROWS_INIT)

/** How to audit. Start from `DKVB_AUDIT_OPTIONS_INIT`. */
typedef struct dkvb_audit_options {
    size_t struct_size;              /**< sizeof(dkvb_audit_options), set by INIT */
    const dkvb_model *before;        /**< the model before it forgot, on the same keys: measured too; or NULL. Codes are
                                          searched on its keys, which matters after a purge */
    const dkvb_codeset *codeset;     /**< from before the forgetting: how the model was trained, and on which rows; the
                                          others lose their labels. One session. Or NULL */
    const dkvb_train_options *train; /**< how the model was trained, without a codeset; `ids`, `report` and `user` are
                                          not read. NULL: the defaults */
    uint32_t shadows;                /**< shadow models of the likelihood-ratio attack, even, 4 to 65,536; 0: none */
    uint64_t seed;                   /**< of the audit's own draws */
    dkvb_stage_fn stage;             /**< a stage begins: "search", "refresh", "shadows", "attacks", "models"; or
                                          NULL */
    void *user;                      /**< handed to `stage` */
    uint32_t rmia_models;            /**< reference models of RMIA, even, 2 to 65,536; 0: none. The first shadows are
                                          used; only those beyond `shadows` are trained in addition */
    uint32_t models; /**< models of each ensemble of KLoM, 2 to 10,000 (100 and more are usual); 0: it is not measured.
                          Three times as many are trained, four times where `before` learned other rows, since a
                          replay in force left some out. Refused where such a replay does not say which rows */
} dkvb_audit_options;

#define DKVB_AUDIT_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_audit_options), 0, 0, 0, 64, 0, 0, 0, 2, 0                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_audit_options, DKVB_AUDIT_OPTIONS_INIT)

/* Subjects: the models that are measured. Values are part of the ABI. */
enum {
    DKVB_AUDIT_MODEL = 0,     /**< the audited one, under its mask */
    DKVB_AUDIT_BEFORE = 1,    /**< what there was to forget; if it was given */
    DKVB_AUDIT_DROPPED = 2,   /**< the same, with the columns of the forgotten classes left out of its answers; if the
                                   request is by class and two other classes are left */
    DKVB_AUDIT_REPLAY = 3,    /**< trained again without the rows, with the next seed: what a seed alone changes */
    DKVB_AUDIT_RETRAINED = 4, /**< trained again without the rows: the reference */
    DKVB_AUDIT_SUBJECTS = 5
};

/* Figures: what is measured of each subject. The key of a figure is its word here in lower case. Values are part of the
 * ABI. */
enum {
    DKVB_AUDIT_MEMBERSHIP_LOSS = 0,
    DKVB_AUDIT_MEMBERSHIP_FITTED = 1,
    DKVB_AUDIT_MEMBERSHIP_LIRA = 2,
    DKVB_AUDIT_ACCURACY_CLASS = 3,
    DKVB_AUDIT_ACCURACY_REST = 4,
    DKVB_AUDIT_AGREEMENT_CLASS = 5,
    DKVB_AUDIT_AGREEMENT_REST = 6,
    DKVB_AUDIT_CONSTANT_CLASS = 7,
    DKVB_AUDIT_CONSTANT_REST = 8,
    DKVB_AUDIT_PROBE_CLASS = 9,
    DKVB_AUDIT_PROBE_REST = 10,
    DKVB_AUDIT_RELEARN_10_CLASS = 11,
    DKVB_AUDIT_RELEARN_10_REST = 12,
    DKVB_AUDIT_RELEARN_20_CLASS = 13,
    DKVB_AUDIT_RELEARN_20_REST = 14,
    DKVB_AUDIT_RELEARN_50_CLASS = 15,
    DKVB_AUDIT_RELEARN_50_REST = 16,
    DKVB_AUDIT_MASK_MEMBERS = 17,
    DKVB_AUDIT_MASK_CLASS = 18,
    DKVB_AUDIT_MEMBERSHIP_RMIA = 19,
    DKVB_AUDIT_ACCURACY_FORGOTTEN = 20,
    DKVB_AUDIT_ACCURACY_RETAINED = 21,
    DKVB_AUDIT_ACCURACY_TEST = 22,
    DKVB_AUDIT_AVERAGE_GAP = 23,
    DKVB_AUDIT_PROTOTYPES_1_CLASS = 24,
    DKVB_AUDIT_PROTOTYPES_1_REST = 25,
    DKVB_AUDIT_PROTOTYPES_3_CLASS = 26,
    DKVB_AUDIT_PROTOTYPES_3_REST = 27,
    DKVB_AUDIT_PROTOTYPES_10_CLASS = 28,
    DKVB_AUDIT_PROTOTYPES_10_REST = 29,
    DKVB_AUDIT_KLOM_FORGOTTEN = 30,
    DKVB_AUDIT_KLOM_RETAINED = 31,
    DKVB_AUDIT_KLOM_CLASS = 32,
    DKVB_AUDIT_KLOM_REST = 33,
    DKVB_AUDIT_FIGURES = 34
};

/* What a figure is of. Values are part of the ABI. */
enum {
    DKVB_AUDIT_AUC_MEMBERS = 0,     /**< area under the ROC curve: forgotten rows against test rows of their classes */
    DKVB_AUDIT_AUC_CLASS = 1,       /**< the same: test rows of the classes against all others */
    DKVB_AUDIT_SHARE_CLASS = 2,     /**< share of the test rows of the classes */
    DKVB_AUDIT_SHARE_REST = 3,      /**< share of the other test rows */
    DKVB_AUDIT_SHARE_FORGOTTEN = 4, /**< share of the forgotten training rows */
    DKVB_AUDIT_SHARE_RETAINED = 5,  /**< share of the retained training rows */
    DKVB_AUDIT_SHARE_TESTS = 6,     /**< share of all test rows */
    DKVB_AUDIT_GAP = 7,             /**< mean distance of four figures to those of the retrained model */
    DKVB_AUDIT_KLOM = 8             /**< mean KL divergence of margins from those of retrained models */
};

/** A figure and its 95 % interval. Three numbers, and never more. */
typedef struct dkvb_audit_estimate {
    double value;
    double low;
    double high;
} dkvb_audit_estimate;

/** One figure of one subject. The library makes it; later versions add members at its end. */
typedef struct dkvb_audit_figure {
    const char *subject;       /**< "model", "before", "column dropped", "replay", "retrained" */
    const char *key;           /**< "membership_loss" … */
    const char *title;         /**< the same in words: "loss threshold" … */
    const char *verdict;       /**< the sign of the difference for certain: "as retrained", "more than retrained",
                                    "less than retrained"; "" unless measured */
    uint32_t kind;             /**< DKVB_AUDIT_AUC_…, DKVB_AUDIT_SHARE_…, _GAP or _KLOM */
    uint32_t measured;         /**< 0: left out, or there were no rows to measure it on; all numbers are NaN then */
    dkvb_audit_estimate value; /**< what was found */
    dkvb_audit_estimate difference; /**< less that of the retrained model, paired row by row. KLoM: less the noise
                                       floor, with the noise of the models in its interval */
    dkvb_audit_estimate tpr_1;      /**< AUC of members: share of them found at 1 % false alarms; else NaN */
    dkvb_audit_estimate tpr_01;     /**< the same at 0.1 % */
    dkvb_audit_estimate privleak;   /**< AUC of members: PrivLeak, (AUC - AUC retrained) / AUC retrained, above 0 where
                                         more is remembered; else NaN, and where the retrained AUC is 0. MUSE's has the
                                         other sign and another denominator (docs/audit.md) */
    dkvb_audit_estimate median;     /**< KLoM: of the rows; else NaN */
    dkvb_audit_estimate p95;        /**< KLoM: 95 % of the rows have no more; else NaN */
} dkvb_audit_figure;

/** What an audit found. The library makes it and takes it back; later versions add members at its end. */
typedef struct dkvb_audit_report {
    uint32_t classes;                 /**< L of the model */
    uint32_t class_count;             /**< classes of the forgotten rows */
    const uint8_t *forgotten;         /**< `uint8_t[L]`, DKVB_FORGET for those, else DKVB_KEEP */
    uint64_t members;                 /**< forgotten rows */
    uint64_t others;                  /**< test rows of their classes */
    uint64_t rest;                    /**< all other test rows */
    uint64_t masked_pairs;            /**< of the audited model */
    uint64_t purged_pairs;            /**< of the audited model */
    uint32_t shadows;                 /**< shadow models of the likelihood-ratio attack */
    const dkvb_outside *outside;      /**< training rows outside the scale of the keys */
    const dkvb_outside *test_outside; /**< test rows outside it */
    uint64_t retained;                /**< training rows that were not forgotten */
    uint32_t rmia_models;             /**< reference models of RMIA */
    uint32_t models;                  /**< models of each ensemble of KLoM */
    uint32_t planned; /**< unlearned models of KLoM in which there was a request and all were planned anew; in the
                           others the audited model's own pairs are masked where a request cannot be told, or its
                           plan was refused, and nothing where nothing was masked */
} dkvb_audit_report;

/**
 * Attack a model that has forgotten rows, and values that were trained again without them, in the same ways.
 *
 * Every row is searched once; after that a model is trained in the time of one training over stored codes. Memory comes
 * from the allocator of the model: the codes of all rows, once for each mask, the values of two models, and
 * `float[n][classes]` logits, n training rows (5 GB for 1,280,000 rows and 1,000 classes) or test rows if more.
 *
 * @param[out] report   owned by the caller: dkvb_audit_report_free(). NULL on failure.
 * @param      model    may be mapped. It stays as it is: what attacks change is a copy.
 * @param      request  NULL: what the journal of the model names.
 * @param      rows     at least 2 of them forgotten.
 * @param      opts     NULL for the defaults.
 * @param      run      NULL for the defaults. Progress counts within a stage.
 * @return `DKVB_EINVAL` (a row, label or option that cannot be; too few rows; nobody who was forgotten: the message
 *         begins with what it is about, "training rows", "training labels", "test rows", "test labels", "forgotten
 *         rows" or "options"), `DKVB_EMISMATCH` (`before` or the codeset belongs to other keys, or the codeset to other
 *         rows), `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_audit_run(dkvb_audit_report **report, const dkvb_model *model,
                                                   const dkvb_audit_request *request, const dkvb_audit_rows *rows,
                                                   const dkvb_audit_options *opts, const dkvb_run_options *run);

/** One figure, tied to the report. NULL if the subject was not measured, or if there is no such subject or figure. */
DKVB_API const dkvb_audit_figure *dkvb_audit_get_figure(const dkvb_audit_report *report, uint32_t subject,
                                                        uint32_t figure);

/** Release a report. NULL is a no-op. */
DKVB_API void dkvb_audit_report_free(dkvb_audit_report *report);

#ifdef __cplusplus
}
#endif

#endif
