#ifndef DKVB_AUDIT_RUN_H
#define DKVB_AUDIT_RUN_H

#include "audit/lira.h"
#include "audit/report.h"
#include "base/parallel.h"
#include "bottleneck/model.h"

/* Sizes of the groups of prototypes: so many of each class. */
enum { DKVB__PROTOTYPE_SIZES = 3, DKVB__MOST_PROTOTYPES = 10 };
extern const size_t dkvb__prototype_sizes[DKVB__PROTOTYPE_SIZES]; /* 1, 3, 10 */

/* Groups of rows that KLoM is measured on, in the order of its figures. */
enum { DKVB__KLOM_GROUPS = 4 };

/* Codes under one mask: of training rows, then of test rows; and once more those that are decoded again and again. */
struct dkvb__coded {
    uint16_t *all;        /* [n + tests][code] */
    uint16_t *targets;    /* [targets][code] */
    uint16_t *attacker;   /* [attackers][code] */
    uint16_t *prototypes; /* [prototypes of all sizes][code]; NULL: there is no class to get back */
};

/*
 * An audit at work. Every row is searched once, on the keys that all subjects share; a subject with a mask has its own
 * copy of the codes, refreshed. From there everything is training and decoding of stored codes.
 *
 * Test rows with a label are in the order of their file, those of the classes of forgotten rows first. Targets are the
 * forgotten rows (members), then those test rows (others).
 */
struct dkvb__audit {
    const dkvb_model *model, *before; /* before: NULL if it was not given */
    const dkvb_model *base;           /* whose keys all others share: that before, if there is one */
    const dkvb_allocator *mem;        /* allocator of the model */
    struct dkvb__run run;
    dkvb_audit_rows given;
    dkvb_audit_options o;
    dkvb_train_options train; /* options of the model's training */
    struct dkvb__audit_report *report;
    uint8_t *marks; /* [classes] of the report, 1 for classes of forgotten rows */
    bool by_class;
    bool class_attacks; /* true if a class, or several, can be recovered */

    size_t code; /* numbers in a code */
    uint32_t classes, k;
    size_t n, members, retains, tests, class_tests, targets, attackers; /* retains: training rows not forgotten */
    uint8_t *forgotten;                                                 /* [n] */
    int32_t *labels;                                                    /* [n + class_tests], -1 = was not trained on */
    int32_t *retained;                                                  /* [n], -1 = forgotten, or was not trained on */
    size_t *order;                                  /* [test_n], number of each test row in its file; `tests` of them */
    int32_t *test_y;                                /* [test_n], their labels */
    uint64_t *target;                               /* [targets], rows of `labels` */
    int32_t *target_y;                              /* [targets] */
    uint8_t *member, *class_test;                   /* [targets], [tests]: 1 for members, for those of the class */
    int32_t *attacker, *attacker_y;                 /* [n], -1 = not the attacker's; [attackers] */
    float *prototype;                               /* [prototypes of all sizes][input_dim], or NULL */
    int32_t *prototype_y;                           /* [prototypes of all sizes] */
    size_t prototype_at[DKVB__PROTOTYPE_SIZES + 1]; /* first prototype of each size; last: how many there are */
    uint16_t *searched;                             /* [test_n][code], codes of test rows as their file has them */
    struct dkvb__coded first, masked, earlier; /* without a mask; under the model's; under that of the model before */

    float *logits;                       /* [most of targets, tests, n][classes] */
    int32_t *answers, *reference;        /* [tests], of the subject at work and of the retrained model */
    uint32_t shadows;                    /* number of trained shadow models: the larger of shadows and rmia_models */
    double *margins;                     /* [views][shadows][targets] */
    uint8_t *inside;                     /* [shadows][targets] */
    uint64_t *ids;                       /* [members], of the forgotten rows; this and the next two: of KLoM, or NULL */
    uint8_t *gone, *gone_before;         /* [n], 1: not learned by the model, by the one before: replays left it out */
    bool replayed;                       /* a replay of the model is in force */
    size_t klom_rows[DKVB__KLOM_GROUPS]; /* rows of each group */
    double klom_noise[DKVB_AUDIT_SUBJECTS][DKVB__KLOM_GROUPS]; /* half widths that the choice of models accounts for */
    uint64_t done, total;                                      /* steps of the stage at work */
    double *rows[DKVB_AUDIT_SUBJECTS][DKVB_AUDIT_FIGURES];     /* a score or an answer a row; NULL: was not measured */
};

/* rows.c: who was forgotten, by the request; which rows are the attacker's; the codes of all. */
dkvb_status dkvb__audit_take_rows(struct dkvb__audit *a, const dkvb_audit_request *request);
dkvb_status dkvb__audit_search(struct dkvb__audit *a);

/* One of those who are measured. */
struct dkvb__subject {
    uint32_t who; /* DKVB_AUDIT_… */
    const dkvb_model *model;
    const struct dkvb__coded *coded;
    const uint8_t *dropped; /* columns that its answers leave out, or NULL */
    uint32_t view;          /* view of the shadow models */
};

/* attacks.c: the shadows, then each subject; the retrained model first, since all others are compared with it. */
dkvb_status dkvb__audit_make_shadows(struct dkvb__audit *a);
dkvb_status dkvb__audit_attack(struct dkvb__audit *a);

/* Train a new model on the shared keys as the audited one was trained, on these labels, [n], of training rows. */
dkvb_status dkvb__audit_train_anew(struct dkvb__audit *a, dkvb_model **out, const uint16_t *codes,
                                   const int32_t *labels, uint64_t seed);

/* Run options of a call within a stage whose progress is counted in steps; a step is finished. */
dkvb_run_options dkvb__audit_steps(struct dkvb__audit *a);
dkvb_status dkvb__audit_finish_step(struct dkvb__audit *a);

/* ensembles.c: which rows the values never learned, by the replays in the journals: `gone`, where KLoM is asked for.
 * DKVB_EINVAL: a replay left out rows that cannot be told. */
dkvb_status dkvb__audit_ask_replays(struct dkvb__audit *a);

/* ensembles.c: KLoM, by many models of other seeds; after the attacks. Nothing is done where no models are asked for.
 */
dkvb_status dkvb__audit_ensembles(struct dkvb__audit *a);

/* Rows of a figure, by its kind. */
size_t dkvb__audit_rows_of(const struct dkvb__audit *a, uint32_t figure);

/* Tell that a stage begins; DKVB_ECANCELLED. */
dkvb_status dkvb__audit_stage(const struct dkvb__audit *a, const char *name);

#endif
