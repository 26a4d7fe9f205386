/* The work of dkvb audit. Every row is searched once, on the keys that all subjects share; a subject with a mask has
 * its own copy of the codes, refreshed. From there everything is training and decoding of stored codes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/audit.h"
#include "io/outside.h"
#include "io/progress.h"
#include "tool.h"

/* How somebody trains on a few rows: a few passes, all rows in one batch. A row moves another as far as the two share
 * keys, so fewer rows go farther: with this rate, divided by the rows of a class, values move about as much in all. */
enum { RELEARN_EPOCHS = 3, RELEARN_DRAWS = 3 };
static const double RELEARN_RATE = 5000.0;

enum { ATTACKER_PART = 5 }; /* the attacker has labels of one training row in so many */

const size_t audit_fews[AUDIT_FEWS] = {10, 20, 50};

/* Codes under one mask: of training rows, then of test rows; and once more those that are decoded again and again. */
struct coded {
    uint16_t *all;      /* [x.rows + tests][code] */
    uint16_t *targets;  /* [members + others][code] */
    uint16_t *attacker; /* [attackers][code] */
};

struct work {
    struct audit *a;
    size_t code, rows, targets, attackers; /* numbers in a code; x.rows; members + others; attacker's rows */
    uint32_t classes, k;
    dkvb_model *base;                    /* whose keys all share */
    struct coded first, masked, earlier; /* without a mask; under the model's; under that of the model before */
    int32_t *labels;                     /* [rows + others] */
    int32_t *retained;                   /* [rows], -1 = forgotten */
    int32_t *attacker;                   /* [rows], -1 = not the attacker's */
    uint64_t *target;                    /* [targets], row numbers */
    int32_t *target_y, *attacker_y;      /* [targets], [attackers] */
    uint8_t *member;                     /* [targets] */
    uint8_t *class_test;                 /* [tests] */
    float *logits;                       /* [most of targets, attackers, tests][classes] */
    int32_t *answers;                    /* [tests] */
    int32_t *reference;                  /* [tests], answers of the retrained model */
    double *margins;                     /* [views][shadows][targets] */
    uint8_t *inside;                     /* [shadows][targets] */
    dkvb_audit_view views[AUDIT_DROPPED + 2];
    uint32_t views_count;
};

/* One of those who are measured, while it is. */
struct subject {
    enum audit_subject who;
    dkvb_model *model; /* may be trained: values are put back */
    const struct coded *coded;
    const uint8_t *dropped; /* columns that its answers leave out, or NULL */
    uint32_t view;
};

/* Of the many short calls: a bar of each would say nothing, but a signal is heard. */
static dkvb_run_options quiet(const struct work *w)
{
    dkvb_run_options run = progress_start("attacks", w->a->args.threads);

    progress_stop();
    return run;
}

size_t audit_rows_of(const struct audit *a, enum audit_kind kind)
{
    switch (kind) {
    case AUDIT_MEMBERSHIP:
        return a->members + a->class_tests;
    case AUDIT_CLASS_AUC:
        return a->tests;
    case AUDIT_OF_CLASS:
        return a->class_tests;
    default:
        return a->tests - a->class_tests;
    }
}

/* Room for the rows of a figure. */
static double *figure_rows(const struct work *w, enum audit_subject who, size_t figure)
{
    double **rows = &w->a->of[who].rows[figure];

    if (!*rows)
        *rows = input_memory("figures", sizeof **rows, audit_rows_of(w->a, audit_texts[figure].kind), 1, 1);
    return *rows;
}

static int search_rows(const struct work *w, const float *x, size_t n, uint16_t *codes, const char *path,
                       dkvb_outside *outside)
{
    dkvb_run_options run = progress_start("search", w->a->args.threads);
    int code;

    run.outside = outside;
    code = tool_check_about(path, dkvb_search(dkvb_model_codebooks(w->base), NULL, x, n, w->k, codes, NULL, &run));
    progress_stop();
    if (code == EXIT_SUCCESS)
        outside_note(path, outside);
    return code;
}

static int search_first(struct work *w)
{
    struct audit *a = w->a;
    int code;

    w->first.all = input_memory("codes", sizeof *w->first.all, w->rows + a->tests, w->code, 1);
    if (!w->first.all)
        return EXIT_FAILURE;
    a->test_outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    code = search_rows(w, a->x.x, w->rows, w->first.all, a->x.path, outside_count(&a->x));
    if (code == EXIT_SUCCESS)
        code = search_rows(w, a->test_x, a->tests, w->first.all + w->rows * w->code, a->args.test_features,
                           &a->test_outside);
    return code;
}

/* The codes that a model with a mask has: those without, searched again where the mask hit. */
static int refresh(const struct work *w, const dkvb_model *model, struct coded *coded)
{
    const struct audit *a = w->a;
    dkvb_run_options run = progress_start("refresh", a->args.threads);
    uint16_t *tests;
    int code;

    coded->all = input_memory("codes", sizeof *coded->all, w->rows + a->tests, w->code, 1);
    if (!coded->all)
        return EXIT_FAILURE;
    memcpy(coded->all, w->first.all, (w->rows + a->tests) * w->code * sizeof *coded->all);
    tests = coded->all + w->rows * w->code;
    code = tool_check_about(a->x.path, dkvb_search_refresh(model, a->x.x, w->rows, w->k, coded->all, NULL, &run));
    if (code == EXIT_SUCCESS)
        code = tool_check_about(a->args.test_features,
                                dkvb_search_refresh(model, a->test_x, a->tests, w->k, tests, NULL, &run));
    progress_stop();
    return code;
}

static void gather(uint16_t *to, const uint16_t *codes, const struct work *w, size_t from)
{
    memcpy(to, codes + from * w->code, w->code * sizeof *to);
}

static int gather_codes(const struct work *w, struct coded *coded)
{
    size_t count = 0;

    if (!coded->all)
        return EXIT_SUCCESS;
    coded->targets = input_memory("codes of targets", sizeof *coded->targets, w->targets, w->code, 1);
    coded->attacker = input_memory("codes of the attacker", sizeof *coded->attacker, w->attackers, w->code, 1);
    if (!coded->targets || !coded->attacker)
        return EXIT_FAILURE;
    for (size_t i = 0; i < w->targets; i++)
        gather(coded->targets + i * w->code, coded->all, w, (size_t)w->target[i]);
    for (size_t i = 0; i < w->rows; i++)
        if (w->attacker[i] >= 0)
            gather(coded->attacker + count++ * w->code, coded->all, w, i);
    return EXIT_SUCCESS;
}

/* Members in the order of their file, then the test rows of their classes. */
static void list_targets(struct work *w)
{
    const struct audit *a = w->a;
    size_t count = 0;

    for (size_t i = 0; i < w->rows; i++) {
        w->labels[i] = a->y.y[i];
        w->retained[i] = a->forgotten[i] ? -1 : a->y.y[i];
        if (a->forgotten[i])
            w->target[count++] = i;
    }
    for (size_t i = 0; i < a->class_tests; i++) {
        w->labels[w->rows + i] = a->test_y[i];
        w->target[count++] = w->rows + i;
    }
    for (size_t i = 0; i < w->targets; i++) {
        w->member[i] = i < a->members;
        w->target_y[i] = w->labels[w->target[i]];
    }
    for (size_t i = 0; i < a->class_tests; i++)
        w->class_test[i] = 1;
}

/* As many rows of each class, as far as there are, one in ATTACKER_PART of all. */
static int draw_attacker(struct work *w)
{
    const struct audit *a = w->a;
    size_t labelled = 0, each;
    int code;

    for (size_t i = 0; i < w->rows; i++)
        labelled += a->y.y[i] >= 0;
    each = labelled / ATTACKER_PART / w->classes + 1;
    code = tool_check(dkvb_audit_few_rows(a->y.y, NULL, w->rows, w->classes, each, a->args.seed, w->attacker, NULL));
    for (size_t i = 0; code == EXIT_SUCCESS && i < w->rows; i++)
        if (w->attacker[i] >= 0)
            w->attacker_y[w->attackers++] = w->attacker[i];
    return code;
}

static int make_room(struct work *w)
{
    const struct audit *a = w->a;
    size_t most = w->targets > a->tests ? w->targets : a->tests;

    most = most > w->rows ? most : w->rows;
    w->labels = input_memory("labels", sizeof *w->labels, w->rows + a->class_tests, 1, 1);
    w->retained = input_memory("labels", sizeof *w->retained, w->rows, 1, 1);
    w->attacker = input_memory("labels", sizeof *w->attacker, w->rows, 1, 1);
    w->target = input_memory("targets", sizeof *w->target, w->targets, 1, 1);
    w->target_y = input_memory("targets", sizeof *w->target_y, w->targets, 1, 1);
    w->attacker_y = input_memory("labels", sizeof *w->attacker_y, w->rows, 1, 1);
    w->member = input_memory("targets", sizeof *w->member, w->targets, 1, 1);
    w->class_test = input_memory("marks", sizeof *w->class_test, a->tests, 1, 1);
    w->logits = input_memory("logits", sizeof *w->logits, most, w->classes, 1);
    w->answers = input_memory("answers", sizeof *w->answers, a->tests, 1, 1);
    w->reference = input_memory("answers", sizeof *w->reference, a->tests, 1, 1);
    return w->labels && w->retained && w->attacker && w->target && w->target_y && w->attacker_y && w->member &&
                   w->class_test && w->logits && w->answers && w->reference
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

static int train(const struct work *w, dkvb_model *model, const uint16_t *codes, const int32_t *labels, size_t n,
                 const dkvb_train_options *o)
{
    dkvb_run_options run = quiet(w);

    return tool_check(dkvb_model_train(model, codes, w->k, labels, n, o, &run));
}

/* A new model on the shared keys, trained as the audited one was, on these labels. */
static int train_anew(const struct work *w, dkvb_model **out, const uint16_t *codes, const int32_t *labels,
                      uint64_t seed)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options t = w->a->args.train;
    int code;

    o.top_k = w->k;
    t.seed = seed;
    code = tool_check(dkvb_model_new(out, dkvb_model_codebooks(w->base), w->classes, &o));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_set_values(*out, NULL, w->a->info.values_dtype));
    return code ? code : train(w, *out, codes, labels, w->rows, &t);
}

static int decode(const struct work *w, const dkvb_model *model, const uint16_t *codes, size_t n)
{
    dkvb_run_options run = quiet(w);

    return tool_check(dkvb_model_decode(model, codes, w->k, n, NULL, w->logits, &run));
}

static const uint16_t *test_codes(const struct work *w, const struct coded *coded)
{
    return coded->all + w->rows * w->code;
}

static bool selects_nothing(const struct work *w, const uint16_t *code)
{
    for (size_t i = 0; i < w->code; i++)
        if (code[i] != DKVB_CODE_NONE)
            return false;
    return true;
}

/* Answers to the test rows, the largest logit after the constant was added to those of the class; -1 for a row without
 * a key left. */
static int answer_tests(struct work *w, const dkvb_model *model, const struct coded *coded, const uint8_t *dropped,
                        double constant)
{
    const uint16_t *codes = test_codes(w, coded);
    int code = decode(w, model, codes, w->a->tests);

    for (size_t i = 0; code == EXIT_SUCCESS && i < w->a->tests; i++) {
        const float *logits = w->logits + i * w->classes;
        double most = 0.0;

        w->answers[i] = -1;
        for (uint32_t l = 0; l < w->classes; l++) {
            double logit = (double)logits[l] + (w->a->classes[l] ? constant : 0.0);

            if ((dropped && dropped[l]) || (w->answers[i] >= 0 && logit <= most))
                continue;
            most = logit;
            w->answers[i] = (int32_t)l;
        }
        if (selects_nothing(w, codes + i * w->code))
            w->answers[i] = -1;
    }
    return code;
}

/* Add 1 / `trials` to the rows of a figure, class and rest, where the answer is the wanted one. */
static int add_right(const struct work *w, enum audit_subject who, size_t figure, const int32_t *wanted, int trials)
{
    double *class_rows = figure_rows(w, who, figure), *rest = figure_rows(w, who, figure + 1);
    size_t first = w->a->class_tests;

    if (!class_rows || !rest)
        return EXIT_FAILURE;
    for (size_t i = 0; i < w->a->tests; i++)
        *(i < first ? class_rows + i : rest + (i - first)) += w->answers[i] == wanted[i] ? 1.0 / trials : 0.0;
    return EXIT_SUCCESS;
}

static int measure_answers(struct work *w, const struct subject *s)
{
    int code = answer_tests(w, s->model, s->coded, s->dropped, 0.0);

    if (code == EXIT_SUCCESS)
        code = add_right(w, s->who, AUDIT_ACCURACY, w->a->test_y, 1);
    if (code == EXIT_SUCCESS && s->who != AUDIT_RETRAINED)
        code = add_right(w, s->who, AUDIT_AGREEMENT, w->reference, 1);
    return code;
}

static int measure_membership(struct work *w, const struct subject *s)
{
    dkvb_audit_fit_options o = DKVB_AUDIT_FIT_OPTIONS_INIT;
    dkvb_run_options run = quiet(w);
    double *loss = figure_rows(w, s->who, AUDIT_LOSS), *fitted = figure_rows(w, s->who, AUDIT_FITTED), *lira;
    size_t view = (size_t)s->view * w->a->args.shadows * w->targets;
    int code = loss && fitted ? decode(w, s->model, s->coded->targets, w->targets) : EXIT_FAILURE;

    o.seed = w->a->args.seed;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_audit_margins(w->logits, w->target_y, w->targets, w->classes, s->dropped, loss));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_audit_fitted_scores(w->logits, w->target_y, w->targets, w->classes, s->dropped,
                                                   w->member, &o, fitted, &run));
    if (code || w->a->args.shadows == 0)
        return code;
    lira = figure_rows(w, s->who, AUDIT_LIRA);
    return lira ? tool_check(dkvb_audit_lira(w->margins + view, w->inside, w->a->args.shadows, w->targets, loss, lira))
                : EXIT_FAILURE;
}

static int measure_constant(struct work *w, const struct subject *s)
{
    double constant = 0.0;
    int code = decode(w, s->model, s->coded->attacker, w->attackers);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_audit_best_constant(w->logits, w->attacker_y, w->attackers, w->classes, w->a->classes,
                                                   &constant, NULL));
    if (code == EXIT_SUCCESS)
        code = answer_tests(w, s->model, s->coded, NULL, constant);
    return code ? code : add_right(w, s->who, AUDIT_CONSTANT, w->a->test_y, 1);
}

static int measure_probe(struct work *w, const struct subject *s)
{
    dkvb_model *probe = NULL;
    int code = train_anew(w, &probe, s->coded->all, w->attacker, w->a->args.seed);

    if (code == EXIT_SUCCESS)
        code = answer_tests(w, probe, s->coded, NULL, 0.0);
    dkvb_model_free(probe);
    return code ? code : add_right(w, s->who, AUDIT_PROBE, w->a->test_y, 1);
}

/* Rows that were drawn and their codes, to be free()d. */
struct few {
    int32_t *drawn; /* [rows], -1 = was not drawn */
    int32_t *labels;
    uint16_t *codes;
    size_t count;
};

/* The same rows for every subject: the draws depend on seeds alone. */
static int draw_few(const struct work *w, const struct coded *coded, size_t per_class, int draw, struct few *few)
{
    const struct audit *a = w->a;
    int code = tool_check(dkvb_audit_few_rows(a->y.y, a->forgotten, w->rows, w->classes, per_class,
                                              a->args.seed + 1 + (uint64_t)draw, few->drawn, NULL));

    few->count = 0;
    for (size_t i = 0; code == EXIT_SUCCESS && i < w->rows; i++) {
        if (few->drawn[i] < 0)
            continue;
        few->labels[few->count] = few->drawn[i];
        gather(few->codes + few->count++ * w->code, coded->all, w, i);
    }
    return code;
}

static int relearn_once(struct work *w, const struct subject *s, size_t size, int draw, struct few *few)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    int code = draw_few(w, s->coded, audit_fews[size], draw, few);

    o.epochs = RELEARN_EPOCHS;
    o.batch = (uint32_t)(few->count < 65536 ? few->count : 65536);
    o.learning_rate = RELEARN_RATE / (double)audit_fews[size];
    o.rate_last = 0.0;
    o.label_smoothing = 0.0;
    o.relearn = 1; /* the attack teaches what was forgotten; the journal in memory is not kept */
    if (code == EXIT_SUCCESS)
        code = train(w, s->model, few->codes, few->labels, few->count, &o);
    if (code == EXIT_SUCCESS)
        code = answer_tests(w, s->model, s->coded, NULL, 0.0);
    return code ? code : add_right(w, s->who, AUDIT_RELEARN + 2 * size, w->a->test_y, RELEARN_DRAWS);
}

static int measure_relearning(struct work *w, const struct subject *s)
{
    size_t pairs = (size_t)w->a->base_info.codebooks * w->a->base_info.keys;
    size_t most = w->classes * audit_fews[AUDIT_FEWS - 1];
    float *values = input_memory("values", sizeof *values, pairs, w->classes, 1);
    struct few few = {.drawn = input_memory("labels", sizeof *few.drawn, w->rows, 1, 1),
                      .labels = input_memory("labels", sizeof *few.labels, most, 1, 1),
                      .codes = input_memory("codes", sizeof *few.codes, most, w->code, 1)};
    int code = values && few.drawn && few.labels && few.codes ? tool_check(dkvb_model_get_values(s->model, values))
                                                              : EXIT_FAILURE;

    for (size_t i = 0; i < AUDIT_FEWS * RELEARN_DRAWS && code == EXIT_SUCCESS; i++) {
        code = relearn_once(w, s, i / RELEARN_DRAWS, (int)(i % RELEARN_DRAWS), &few);
        if (code == EXIT_SUCCESS)
            code = tool_check(dkvb_model_set_values(s->model, values, 0));
    }
    free(values);
    free(few.drawn);
    free(few.labels);
    free(few.codes);
    return code;
}

/* Who has no mask tells nothing by it: all scores are equal. */
static int measure_mask(struct work *w, const struct subject *s)
{
    double *members = figure_rows(w, s->who, AUDIT_MASK), *tests;
    int code = members ? tool_check(dkvb_audit_mask_scores(s->model, w->first.targets, w->k, w->targets, members))
                       : EXIT_FAILURE;

    if (code || w->a->tests - w->a->class_tests < 2) /* too few to tell the class from */
        return code;
    tests = figure_rows(w, s->who, AUDIT_MASK + 1);
    return tests ? tool_check(dkvb_audit_mask_scores(s->model, test_codes(w, &w->first), w->k, w->a->tests, tests))
                 : EXIT_FAILURE;
}

static int measure_recovery(struct work *w, const struct subject *s)
{
    int code = measure_mask(w, s);

    if (code || !w->a->class_attacks)
        return code;
    code = measure_constant(w, s);
    if (code == EXIT_SUCCESS)
        code = measure_probe(w, s);
    return code ? code : measure_relearning(w, s);
}

/* A column that answers leave out is still in the file: who has it attacks the model before. */
static int copy_recovery(const struct work *w, enum audit_subject from, enum audit_subject to)
{
    for (size_t f = AUDIT_CONSTANT; f < AUDIT_FIGURES; f++) {
        const double *rows = w->a->of[from].rows[f];
        double *copy = rows ? figure_rows(w, to, f) : NULL;

        if (rows && !copy)
            return EXIT_FAILURE;
        if (rows)
            memcpy(copy, rows, audit_rows_of(w->a, audit_texts[f].kind) * sizeof *rows);
    }
    return EXIT_SUCCESS;
}

static int measure_subject(struct work *w, const struct subject *s)
{
    int code = measure_answers(w, s);

    w->a->of[s->who].there = true;
    if (code == EXIT_SUCCESS)
        code = measure_membership(w, s);
    if (code)
        return code;
    return s->who == AUDIT_DROPPED ? copy_recovery(w, AUDIT_BEFORE, AUDIT_DROPPED) : measure_recovery(w, s);
}

/* The retrained model is measured first: all others are compared with it, and it with the replay. */
static int measure_references(struct work *w)
{
    struct subject retrained = {.who = AUDIT_RETRAINED, .coded = &w->first};
    struct subject replay = {.who = AUDIT_REPLAY, .coded = &w->first};
    uint64_t seed = w->a->args.train_seed;
    int code = train_anew(w, &retrained.model, w->first.all, w->retained, seed);

    if (code == EXIT_SUCCESS)
        code = measure_subject(w, &retrained);
    if (code == EXIT_SUCCESS)
        code = answer_tests(w, retrained.model, retrained.coded, NULL, 0.0);
    if (code == EXIT_SUCCESS)
        memcpy(w->reference, w->answers, w->a->tests * sizeof *w->answers);
    dkvb_model_free(retrained.model);
    if (code == EXIT_SUCCESS)
        code = train_anew(w, &replay.model, w->first.all, w->retained, seed + 1);
    if (code == EXIT_SUCCESS)
        code = measure_subject(w, &replay);
    if (code == EXIT_SUCCESS) /* how far two that were trained again agree is what agreement can be */
        code = answer_tests(w, replay.model, replay.coded, NULL, 0.0);
    if (code == EXIT_SUCCESS)
        code = add_right(w, AUDIT_RETRAINED, AUDIT_AGREEMENT, w->reference, 1);
    dkvb_model_free(replay.model);
    return code;
}

static const struct coded *coded_or_first(const struct work *w, const struct coded *coded)
{
    return coded->all ? coded : &w->first;
}

/* Whether the class's columns can be left out and something to say remains. */
static bool can_drop(const struct audit *a)
{
    return a->before && a->args.classes && a->class_count + 2 <= a->info.classes;
}

/* Views: 0 without a mask, 1 the model's, 2 that of the model before, 3 the same without the columns. */
static int make_shadows(struct work *w)
{
    const struct audit *a = w->a;
    dkvb_audit_shadow_options o = DKVB_AUDIT_SHADOW_OPTIONS_INIT;
    dkvb_run_options run;
    int code;

    w->views_count = can_drop(a) ? 4 : a->before ? 3 : 2;
    w->views[0].codes = w->first.targets;
    w->views[1].codes = coded_or_first(w, &w->masked)->targets;
    w->views[2].codes = w->views[3].codes = coded_or_first(w, &w->earlier)->targets;
    w->views[3].dropped = a->classes;
    if (a->args.shadows == 0)
        return EXIT_SUCCESS;
    w->margins = input_memory("margins", w->views_count * sizeof *w->margins, a->args.shadows, w->targets, 1);
    w->inside = input_memory("margins", sizeof *w->inside, a->args.shadows, w->targets, 1);
    if (!w->margins || !w->inside)
        return EXIT_FAILURE;
    o.shadows = a->args.shadows;
    o.seed = a->args.seed;
    o.train = &a->args.train;
    run = progress_start("shadows", a->args.threads);
    code = tool_check(dkvb_audit_shadows(w->base, w->first.all, w->k, w->labels, w->rows + a->class_tests, w->target,
                                         w->targets, w->views, w->views_count, &o, w->margins, w->inside, &run));
    progress_stop();
    return code;
}

static int measure_all(struct work *w)
{
    struct audit *a = w->a;
    struct subject model = {AUDIT_MODEL, a->model, coded_or_first(w, &w->masked), NULL, 1};
    struct subject before = {AUDIT_BEFORE, a->before, coded_or_first(w, &w->earlier), NULL, 2};
    struct subject dropped = {AUDIT_DROPPED, a->before, before.coded, a->classes, 3};
    int code = make_shadows(w);

    if (code == EXIT_SUCCESS)
        code = measure_references(w);
    if (code == EXIT_SUCCESS)
        code = measure_subject(w, &model);
    if (code == EXIT_SUCCESS && a->before)
        code = measure_subject(w, &before);
    if (code == EXIT_SUCCESS && can_drop(a))
        code = measure_subject(w, &dropped);
    return code;
}

static int prepare(struct work *w)
{
    const struct audit *a = w->a;
    int code = make_room(w);

    if (code == EXIT_SUCCESS)
        code = search_first(w);
    if (code == EXIT_SUCCESS && a->info.masked_pairs + a->info.purged_pairs > 0)
        code = refresh(w, a->model, &w->masked);
    if (code == EXIT_SUCCESS && a->before && a->base_info.masked_pairs > 0)
        code = refresh(w, a->before, &w->earlier);
    if (code)
        return code;
    list_targets(w);
    code = draw_attacker(w);
    if (code == EXIT_SUCCESS)
        code = gather_codes(w, &w->first);
    if (code == EXIT_SUCCESS)
        code = gather_codes(w, &w->masked);
    return code ? code : gather_codes(w, &w->earlier);
}

static int compare_auc(const double *rows, const double *reference, const uint8_t *marks, size_t n,
                       struct audit_estimates *e)
{
    int code = tool_check(dkvb_audit_auc(rows, marks, n, &e->value, NULL));

    return code ? code : tool_check(dkvb_audit_auc_difference(rows, reference, marks, n, &e->difference, NULL));
}

static int estimate(const struct work *w, enum audit_subject who, size_t figure)
{
    const double *rows = w->a->of[who].rows[figure], *reference = w->a->of[AUDIT_RETRAINED].rows[figure];
    struct audit_estimates *e = &w->a->of[who].figure[figure];
    enum audit_kind kind = audit_texts[figure].kind;
    size_t n = audit_rows_of(w->a, kind);
    int code;

    if (kind == AUDIT_CLASS_AUC)
        return compare_auc(rows, reference, w->class_test, n, e);
    if (kind != AUDIT_MEMBERSHIP) {
        dkvb_audit_share(rows, n, &e->value);
        dkvb_audit_share_difference(rows, reference, n, &e->difference);
        return EXIT_SUCCESS;
    }
    code = compare_auc(rows, reference, w->member, n, e);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_audit_tpr(rows, w->member, n, 0.01, &e->tpr_1, NULL));
    return code ? code : tool_check(dkvb_audit_tpr(rows, w->member, n, 0.001, &e->tpr_01, NULL));
}

static int estimate_all(const struct work *w)
{
    int code = EXIT_SUCCESS;

    for (size_t s = 0; s < AUDIT_SUBJECTS; s++)
        for (size_t f = 0; f < AUDIT_FIGURES && code == EXIT_SUCCESS; f++)
            if (w->a->of[s].rows[f])
                code = estimate(w, (enum audit_subject)s, f);
    return code;
}

static void coded_free(struct coded *coded)
{
    free(coded->all);
    free(coded->targets);
    free(coded->attacker);
}

static void work_free(struct work *w)
{
    coded_free(&w->first);
    coded_free(&w->masked);
    coded_free(&w->earlier);
    free(w->labels);
    free(w->retained);
    free(w->attacker);
    free(w->target);
    free(w->target_y);
    free(w->attacker_y);
    free(w->member);
    free(w->class_test);
    free(w->logits);
    free(w->answers);
    free(w->reference);
    free(w->margins);
    free(w->inside);
}

int audit_measure(struct audit *a)
{
    struct work w = {.a = a, .rows = a->x.rows, .classes = a->info.classes, .k = a->info.top_k};
    int code;

    w.code = (size_t)a->info.codebooks * a->info.top_k;
    w.targets = a->members + a->class_tests;
    w.base = a->before ? a->before : a->model;
    code = prepare(&w);
    if (code == EXIT_SUCCESS)
        code = measure_all(&w);
    if (code == EXIT_SUCCESS)
        code = estimate_all(&w);
    progress_stop();
    work_free(&w);
    return code;
}
