/* dkvb audit in three parts: cmd_audit.c reads, audit_measure.c measures, audit_report.c tells. */
#ifndef DKVB_TOOL_AUDIT_H
#define DKVB_TOOL_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/args.h"
#include "io/input.h"

/* What is measured. The pairs of class and rest stand side by side, the class first. */
enum audit_figure {
    AUDIT_LOSS,
    AUDIT_FITTED,
    AUDIT_LIRA,
    AUDIT_ACCURACY,
    AUDIT_AGREEMENT = AUDIT_ACCURACY + 2,
    AUDIT_CONSTANT = AUDIT_AGREEMENT + 2,
    AUDIT_PROBE = AUDIT_CONSTANT + 2,
    AUDIT_RELEARN = AUDIT_PROBE + 2, /* of AUDIT_FEWS numbers of rows */
    AUDIT_FEWS = 3,
    AUDIT_MASK = AUDIT_RELEARN + 2 * AUDIT_FEWS, /* of members, then of the class */
    AUDIT_FIGURES = AUDIT_MASK + 2
};

/* What a figure is of, and so how many rows it has. */
enum audit_kind {
    AUDIT_MEMBERSHIP, /* AUC over members, then others */
    AUDIT_CLASS_AUC,  /* AUC over the test rows, those of the class first */
    AUDIT_OF_CLASS,   /* share of the test rows of the class */
    AUDIT_OF_REST     /* share of the other test rows */
};

/* Key of a figure in JSON, and its line in the table. */
struct audit_text {
    const char *key, *label;
    enum audit_kind kind;
};

extern const struct audit_text audit_texts[AUDIT_FIGURES];
extern const size_t audit_fews[AUDIT_FEWS];

/* Who is measured; the reference comes last. */
enum audit_subject { AUDIT_MODEL, AUDIT_BEFORE, AUDIT_DROPPED, AUDIT_REPLAY, AUDIT_RETRAINED, AUDIT_SUBJECTS };

extern const char *const audit_subjects[AUDIT_SUBJECTS];

struct audit_estimates {
    dkvb_audit_estimate value, tpr_1, tpr_01, difference; /* tprs of AUDIT_MEMBERSHIP only */
};

struct audit_measured {
    bool there;
    double *rows[AUDIT_FIGURES]; /* a score or an answer a row, see enum audit_kind; NULL: was not measured */
    struct audit_estimates figure[AUDIT_FIGURES];
};

struct audit_args {
    struct args args;
    const char *features, *labels, *test_features, *test_labels, *classes, *rows, *before, *codes;
    dkvb_train_options train;
    uint64_t train_seed, seed;
    uint32_t shadows, threads;
    bool json;
};

/* Rows in memory: those to train on, in the order of their file; test rows, those of the class first. */
struct audit {
    struct audit_args args;
    dkvb_model *model, *before; /* before: NULL if it was not given */
    dkvb_model_info info;       /* of the model */
    dkvb_model_info base_info;  /* of the one whose keys all others share */
    struct features x;
    struct labels y;
    float *test_x;                            /* [tests][columns] */
    dkvb_outside test_outside;                /* test rows outside the scale */
    int32_t *test_y;                          /* [tests] */
    size_t tests, class_tests;                /* class_tests are also the others of membership */
    uint8_t *forgotten;                       /* [x.rows] */
    uint8_t *classes;                         /* [info.classes], those of forgotten rows */
    size_t members, class_count;              /* forgotten rows; their classes */
    bool class_attacks;                       /* whether there is one thing, a class or classes, to get back */
    struct audit_measured of[AUDIT_SUBJECTS]; /* rows are to be free()d */
    double began;
};

/* Fill in `of`. */
int audit_measure(struct audit *a);

size_t audit_rows_of(const struct audit *a, enum audit_kind kind);

void audit_print_json(const struct audit *a, double seconds);
void audit_print_text(const struct audit *a, double seconds);

#endif
