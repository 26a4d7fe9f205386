#ifndef DKVB_AUDIT_RUN_H
#define DKVB_AUDIT_RUN_H

#include "audit/lira.h"
#include "audit/report.h"
#include "base/parallel.h"
#include "base/ranks.h"
#include "bottleneck/model.h"

/* Sizes of the groups of prototypes: the number of prototypes of each class. */
enum { DKVB__PROTOTYPE_SIZES = 3, DKVB__MOST_PROTOTYPES = 10 };
extern const size_t dkvb__prototype_sizes[DKVB__PROTOTYPE_SIZES]; /* 1, 3, 10 */

/* Groups of rows that KLoM is measured on, in the order of its figures. */
enum { DKVB__KLOM_GROUPS = 4 };

/* Codes under one mask: those of training rows, then those of test rows, and copies of those that are decoded again and
 * again. */
struct dkvb__coded {
    uint16_t *all;        /* [n + tests][code] */
    uint16_t *targets;    /* [targets][code] */
    uint16_t *attacker;   /* [attackers][code] */
    uint16_t *prototypes; /* [prototypes of all sizes][code]; NULL: there is no class to recover */
};

/*
 * State of an audit. Every row is searched once, on the keys that all subjects share. A subject with a mask has its own
 * refreshed copy of the codes. All later work is training and decoding of stored codes.
 *
 * Labelled test rows are in the order of their file, those of the classes of forgotten rows first. The targets are the
 * forgotten rows (members), then those test rows (others).
 */
struct dkvb__audit {
    const dkvb_model *model, *before; /* before: the model before, NULL if none was given */
    const dkvb_model *base;           /* the model whose keys all others share: the one before, if there is one */
    const dkvb_allocator *mem;        /* allocator of the model */
    struct dkvb__run run;
    dkvb_ranks ranks; /* ranks that deal out the work (shares.h); usually this process alone */
    dkvb_audit_rows given;
    dkvb_audit_options o;
    dkvb_train_options train; /* options of the model's training */
    struct dkvb__audit_report *report;
    uint8_t *marks; /* [classes] of the report, 1 for classes of forgotten rows */
    bool by_class;
    bool class_attacks; /* true if a class, or several, can be recovered */

    size_t code; /* number of codes of a row */
    uint32_t classes, k;
    size_t n, members, retains, tests, class_tests, targets, attackers; /* retains: training rows not forgotten */
    uint8_t *forgotten;                                                 /* [n] */
    int32_t *labels;                /* [n + class_tests], -1 = the row was not trained on */
    int32_t *retained;              /* [n], -1 = the row was forgotten, or not trained on */
    size_t *order;                  /* [test_n], number of each test row in its file; the first `tests` are used */
    int32_t *test_y;                /* [test_n], labels of these rows */
    uint64_t *target;               /* [targets], their places in `labels` */
    int32_t *target_y;              /* [targets] */
    uint8_t *member, *class_test;   /* [targets] and [tests]: 1 for members, 1 for rows of the class */
    int32_t *attacker, *attacker_y; /* [n], labels, -1 = not the attacker's row; [attackers], the attacker's labels */
    float *prototype;               /* [prototypes of all sizes][input_dim], or NULL */
    int32_t *prototype_y;           /* [prototypes of all sizes] */
    size_t prototype_at[DKVB__PROTOTYPE_SIZES + 1]; /* first prototype of each size; the last element is their number */
    uint16_t *searched;                             /* [test_n][code], codes of test rows as their file has them */
    struct dkvb__coded first, masked, earlier;      /* without a mask; under the model's mask; under that before */

    float *logits;                /* [most of targets, tests, n][classes] */
    int32_t *answers, *reference; /* [tests], of the present subject and of the retrained model */
    uint32_t shadows;             /* number of trained shadow models: the larger of shadows and rmia_models */
    double *margins;              /* [views][shadows][targets] */
    uint8_t *inside;              /* [shadows][targets] */
    uint64_t *ids;                /* [members], ids of the forgotten rows; NULL without KLoM, like the next two */
    uint8_t *gone, *gone_before;  /* [n], 1: a replay left the row out of the model, or of the one before */
    bool replayed;                /* a replay of the model is in force */
    size_t klom_rows[DKVB__KLOM_GROUPS];                       /* number of rows of each group */
    double klom_noise[DKVB_AUDIT_SUBJECTS][DKVB__KLOM_GROUPS]; /* half widths of the noise from the choice of models */
    uint64_t done, total;                                      /* steps of the present stage */
    double *rows[DKVB_AUDIT_SUBJECTS][DKVB_AUDIT_FIGURES]; /* a score or an answer for each row; NULL: not measured */
};

/* Functions of rows.c. The functions find the forgotten rows of the request, the rows of the attacker, and the codes of
 * all rows. */
dkvb_status dkvb__audit_take_rows(struct dkvb__audit *a, const dkvb_audit_request *request);
dkvb_status dkvb__audit_search(struct dkvb__audit *a);

/* One of the models that are measured. */
struct dkvb__subject {
    uint32_t who; /* DKVB_AUDIT_… */
    const dkvb_model *model;
    const struct dkvb__coded *coded;
    const uint8_t *dropped; /* columns that the subject's answers leave out, or NULL */
    uint32_t view;          /* number of its view of the shadow models */
};

/* Functions of attacks.c. The functions train the shadows, then attack each subject; the retrained model comes first,
 * since all others are compared with it. Each rank attacks the subjects that it was dealt. */
dkvb_status dkvb__audit_make_shadows(struct dkvb__audit *a);
dkvb_status dkvb__audit_attack(struct dkvb__audit *a);

/* Trains a new model on the shared keys, as the audited one was trained, on these labels, [n], of training rows. */
dkvb_status dkvb__audit_train_anew(struct dkvb__audit *a, dkvb_model **out, const uint16_t *codes,
                                   const int32_t *labels, uint64_t seed);

/* Returns the run options of a call within a stage whose progress is counted in steps. dkvb__audit_finish_step() ends a
 * step.
 */
dkvb_run_options dkvb__audit_steps(struct dkvb__audit *a);
dkvb_status dkvb__audit_finish_step(struct dkvb__audit *a);

/* Functions of ensembles.c. dkvb__audit_ask_replays() finds the rows that the values never learned, by the replays in
 * the journals: `gone`, if KLoM is asked for. DKVB_EINVAL says that a replay left out rows that cannot be identified.
 */
dkvb_status dkvb__audit_ask_replays(struct dkvb__audit *a);

/* Computes KLoM from many models of other seeds, after the attacks. The function does nothing if no models are asked
 * for. */
dkvb_status dkvb__audit_ensembles(struct dkvb__audit *a);

/* Allocates the rows of a figure, zeros at first, unless they are there. */
dkvb_status dkvb__audit_make_rows(struct dkvb__audit *a, uint32_t who, uint32_t figure);

/* Number of rows of a figure, by its kind. */
size_t dkvb__audit_rows_of(const struct dkvb__audit *a, uint32_t figure);

/* Reports the beginning of a stage; DKVB_ECANCELLED. */
dkvb_status dkvb__audit_stage(const struct dkvb__audit *a, const char *name);

#endif
