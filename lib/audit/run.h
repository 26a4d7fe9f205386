#ifndef DKVB_AUDIT_RUN_H
#define DKVB_AUDIT_RUN_H

#include "audit/lira.h"
#include "audit/report.h"
#include "base/parallel.h"
#include "base/ranks.h"
#include "bottleneck/model.h"

/* The attack by prototypes (means of rows) is run with three numbers of prototypes of each class, of which 10 is the
 * largest. */
enum { DKVB__PROTOTYPE_SIZES = 3, DKVB__MOST_PROTOTYPES = 10 };
/* The attack by prototypes (means of rows) is run three times, with 1, with 3 and with 10 prototypes of each class. */
extern const size_t dkvb__prototype_sizes[DKVB__PROTOTYPE_SIZES];

/* Groups of rows for each of which the measure KLoM is computed, in the order in which the report of the audit lists
 * them. */
enum { DKVB__KLOM_GROUPS = 4 };

/* The codes of all rows of an audit, searched under one mask. In the codes of an audit under one mask, the array `all`
 * has the codes of the training rows, then of the test rows; the other arrays are copies of codes that are decoded
 * again and again. */
struct dkvb__coded {
    uint16_t *all;      /* codes of the training rows of the audit, then of the test rows, [n + tests][code] */
    uint16_t *targets;  /* codes of the target rows of membership attacks, [targets][code] */
    uint16_t *attacker; /* codes of the rows that an attacker has, [attackers][code] */
    /* codes of all prototypes (means of rows), [prototypes][code]; NULL if there is no forgotten class to recover */
    uint16_t *prototypes;
};

/*
 * State of an audit of what a model still knows of forgotten rows. The codes of every row of the audit are searched
 * once, on the keys that all audited models share. An audited model with a mask has its own copy of the rows' codes,
 * searched again under the mask. After the codes of all rows were searched, the audit only trains on stored codes and
 * decodes them.
 *
 * The audit's labelled test rows are in the order of their file, but test rows of the forgotten rows' classes come
 * first. In membership attacks the targets are the forgotten rows (members), then the test rows of the forgotten rows'
 * classes (non-members).
 */
struct dkvb__audit {
    /* The audited model (`model`), and the model as it was before the forget request (`before`), NULL if none was
     * given. */
    const dkvb_model *model, *before;
    /* The model whose keys all audited models share: the model before the forget request if the caller gave one,
     * otherwise the audited model. */
    const dkvb_model *base;
    const dkvb_allocator *mem; /* allocator of memory that belongs to the audited model */
    struct dkvb__run run;
    /* ranks (processes) that deal out the work of the audit (see shares.h); usually this process alone */
    dkvb_ranks ranks;
    dkvb_audit_rows given;
    dkvb_audit_options o;
    dkvb_train_options train; /* training options of the audited model */
    struct dkvb__audit_report *report;
    uint8_t *marks; /* marks of the classes in the report of the audit, [classes]: 1 for classes with forgotten rows */
    bool by_class;
    bool class_attacks; /* true if attacks can try to recover one or several forgotten classes */

    size_t code; /* number of codes of one row: number of codebooks times k */
    uint32_t classes, k;
    /* numbers of rows of each kind in the audit; `retains` is the number of training rows that were not forgotten */
    size_t n, members, retains, tests, class_tests, targets, attackers;
    uint8_t *forgotten; /* marks of forgotten rows among the training rows, [n] */
    /* labels of the training rows, then of the test rows of the forgotten classes, [n + class_tests]; -1 if the row was
     * not trained on */
    int32_t *labels;
    /* labels of the retained training rows, [n]; -1 if the row was forgotten, or was not trained on */
    int32_t *retained;
    /* The numbers of the test rows in their file, in the order in which the audit uses the rows, [test_n]; only the
     * first `tests` elements are used. */
    size_t *order;
    int32_t *test_y;   /* labels of the test rows, in the audit's order of test rows, [test_n] */
    uint64_t *target;  /* for each target row of the attacks, the index of its label in the array `labels`, [targets] */
    int32_t *target_y; /* labels of the attacks' target rows, [targets] */
    /* marks of members among the target rows, [targets], and marks of test rows of forgotten classes, [tests] */
    uint8_t *member, *class_test;
    /* The labels of the training rows that the attacker has: as [n], with -1 for rows that the attacker lacks, and as
     * [attackers], without those rows. */
    int32_t *attacker, *attacker_y;
    /* features of the prototypes (means of rows) for each number of prototypes, one after the other,
     * [prototypes][input_dim], or NULL */
    float *prototype;
    int32_t *prototype_y; /* classes of the prototypes (means of rows), [prototypes] */
    /* For each number of prototypes a class, the index of its first prototype in the list of all prototypes; the last
     * element is the number of all prototypes. */
    size_t prototype_at[DKVB__PROTOTYPE_SIZES + 1];
    /* codes of the test rows without a mask, in the order of their file, [test_n][code] */
    uint16_t *searched;
    /* the codes of the audit's rows without a mask, under the audited model's mask, and under the mask of the model
     * before the forget request */
    struct dkvb__coded first, masked, earlier;

    /* scratch space of the audit for the logits of any set of rows, [the largest of targets, tests and n][classes] */
    float *logits;
    /* predicted classes of the test rows, [tests], by the model that is attacked now and by the retrained model */
    int32_t *answers, *reference;
    uint32_t shadows; /* number of shadow models to train: the larger of the options `shadows` and `rmia_models` */
    /* margins of the target rows in the shadow models under each view (mask and logit columns),
     * [views][shadows][targets] */
    double *margins;
    uint8_t *inside; /* marks of target rows that a shadow model has learned, [shadows][targets] */
    uint64_t *ids;   /* ids of the forgotten rows, [members]; NULL unless the measure KLoM is asked for */
    /* marks of training rows, [n], that a replay (a training without forgotten rows) left out of the audited model or
     * of the model before the forget request; NULL unless the measure KLoM is asked for */
    uint8_t *gone, *gone_before;
    bool replayed; /* true if a replay (a training without forgotten rows) of the audited model is in force */
    /* number of rows in each group of rows for which the measure KLoM is computed */
    size_t klom_rows[DKVB__KLOM_GROUPS];
    /* for each group of rows, the half width of the noise in the measure KLoM that the random choice of models adds */
    double klom_noise[DKVB_AUDIT_SUBJECTS][DKVB__KLOM_GROUPS];
    /* progress of the audit's present stage: the number of finished steps, and of all steps */
    uint64_t done, total;
    /* For each audited model and each figure of the audit, the score or answer of every row that the figure is measured
     * on; NULL if the figure was not measured. */
    double *rows[DKVB_AUDIT_SUBJECTS][DKVB_AUDIT_FIGURES];
};

/* The functions of lib/audit/rows.c find the forgotten rows, the rows that the attacker has, and the codes of all rows
 * of the audit. */
dkvb_status dkvb__audit_take_rows(struct dkvb__audit *a, const dkvb_audit_request *request);
dkvb_status dkvb__audit_search(struct dkvb__audit *a);

/* One of the models that an audit measures, with its codes. */
struct dkvb__subject {
    uint32_t who; /* number that tells which of the audited models this struct describes, such as DKVB_AUDIT_REPLAY */
    const dkvb_model *model;
    const struct dkvb__coded *coded;
    const uint8_t *dropped; /* marks of logit columns that the audited model's answers leave out, or NULL */
    /* number of the view (mask and logit columns) under which the shadow models' margins are compared with those of
     * this audited model */
    uint32_t view;
};

/* The functions of lib/audit/attacks.c train the shadow models, then attack each audited model. The retrained model is
 * attacked first, since all other audited models are compared with it. Each rank (process) attacks those audited models
 * that were dealt to it. */
dkvb_status dkvb__audit_make_shadows(struct dkvb__audit *a);
dkvb_status dkvb__audit_attack(struct dkvb__audit *a);

/* Trains a new model on the keys that all audited models share, with the training options of the audited model. The new
 * model learns the label labels[i], [n], for training row i, or nothing from row i if labels[i] is -1. */
dkvb_status dkvb__audit_train_anew(struct dkvb__audit *a, dkvb_model **out, const uint16_t *codes,
                                   const int32_t *labels, uint64_t seed);

/* Returns the run options of a library call within a stage of an audit; progress of the stage is counted in steps. The
 * function dkvb__audit_finish_step() ends a step of a stage of the audit. */
dkvb_run_options dkvb__audit_steps(struct dkvb__audit *a);
dkvb_status dkvb__audit_finish_step(struct dkvb__audit *a);

/* The functions of lib/audit/ensembles.c train the models for the measure KLoM. If the measure KLoM is asked for,
 * dkvb__audit_ask_replays() reads the replays (trainings without forgotten rows) in the journals, and marks in `gone`
 * the rows that the values never learned. DKVB_EINVAL says that a replay (a training without forgotten rows) left out
 * rows that cannot be identified. */
dkvb_status dkvb__audit_ask_replays(struct dkvb__audit *a);

/* Computes the measure KLoM after the attacks of the audit, by training many models with other seeds. Without models of
 * the measure KLoM in the options of the audit, dkvb__audit_ensembles() computes nothing. */
dkvb_status dkvb__audit_ensembles(struct dkvb__audit *a);

/* Allocates the array that has one value per row for a figure of the audit, filled with zeros, unless the array was
 * allocated before. */
dkvb_status dkvb__audit_make_rows(struct dkvb__audit *a, uint32_t who, uint32_t figure);

/* Returns the number of rows that a figure of the audit is measured on, which depends on the figure's kind. */
size_t dkvb__audit_rows_of(const struct dkvb__audit *a, uint32_t figure);

/* Reports the beginning of a stage of an audit to the progress callback. DKVB_ECANCELLED says that the progress
 * callback asks to stop the audit. */
dkvb_status dkvb__audit_stage(const struct dkvb__audit *a, const char *name);

#endif
