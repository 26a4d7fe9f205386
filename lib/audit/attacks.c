/* The attacks of an audit on what a model still knows of forgotten rows; the attacks run on one audited model after the
 * other. */
#include <string.h>

#include "audit/fitted.h"
#include "audit/recovery.h"
#include "audit/rmia.h"
#include "audit/run.h"
#include "audit/shares.h"
#include "base/alloc.h"
#include "base/status.h"
#include "dkvb/data.h"
#include "dkvb/search.h"

/* Settings of the relearning attack: a few passes of training, with all rows in one batch. Training on one row changes
 * the answers to other rows as far as the rows share keys, so the relearning attack needs larger learning rates for
 * fewer rows: it divides rates by the number of rows of a class. Which learning rate of the relearning attack recovers
 * most accuracy depends on the model, so the attack tries several rates on the rows that the attacker has. */
enum { RELEARN_EPOCHS = 3, RELEARN_DRAWS = 3, RELEARN_RATES = 3, FEWS = 3, MOST_FEW = 50, MOST_BATCH = 65536 };
static const double relearn_rates[RELEARN_RATES] = {50.0, 500.0, 5000.0};
/* Numbers of rows that the attacker of a relearning attack has of each class; the attack is run once with each of these
 * numbers. */
static const size_t fews[FEWS] = {10, 20, MOST_FEW};

static const struct dkvb__fitting fitting = {.folds = 5, .l2 = 1.0};

size_t dkvb__audit_rows_of(const struct dkvb__audit *a, uint32_t figure)
{
    switch (dkvb__audit_kind(figure)) {
    case DKVB_AUDIT_AUC_MEMBERS:
        return a->targets;
    case DKVB_AUDIT_AUC_CLASS:
        return a->tests;
    case DKVB_AUDIT_SHARE_CLASS:
        return a->class_tests;
    case DKVB_AUDIT_SHARE_FORGOTTEN:
        return a->members;
    case DKVB_AUDIT_SHARE_RETAINED:
        return a->retains;
    case DKVB_AUDIT_SHARE_TESTS:
        return a->tests;
    case DKVB_AUDIT_GAP:
        return 0;
    case DKVB_AUDIT_KLOM:
        return a->klom_rows[figure - DKVB_AUDIT_KLOM_FORGOTTEN];
    default:
        return a->tests - a->class_tests;
    }
}

/* Reports the progress of a training or decoding as finished steps of the audit's present stage. */
static int relay(void *user, uint64_t done, uint64_t total)
{
    const struct dkvb__audit *a = user;

    (void)done;
    (void)total;
    /* A rank (process) that takes no part in a stage of the audit reports no progress in that stage. */
    if (!a->run.progress || a->total == 0)
        return 0;
    return a->run.progress(a->run.user, a->done, a->total);
}

dkvb_run_options dkvb__audit_steps(struct dkvb__audit *a)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = a->run.threads;
    run.progress = relay;
    run.user = a;
    return run;
}

dkvb_status dkvb__audit_finish_step(struct dkvb__audit *a)
{
    a->done++;
    return dkvb__report(&a->run, a->done, a->total);
}

dkvb_status dkvb__audit_make_rows(struct dkvb__audit *a, uint32_t who, uint32_t figure)
{
    double **rows = &a->rows[who][figure];

    if (!*rows)
        *rows = dkvb__alloc0(a->mem, dkvb__audit_rows_of(a, figure), sizeof **rows);
    return *rows ? DKVB_OK
                 : dkvb__fail(DKVB_ENOMEM, "out of memory for the figures of %zu rows", a->targets + a->tests);
}

dkvb_status dkvb__audit_train_anew(struct dkvb__audit *a, dkvb_model **out, const uint16_t *codes,
                                   const int32_t *labels, uint64_t seed)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = a->train;
    dkvb_run_options run = dkvb__audit_steps(a);
    dkvb_status rc;

    o.top_k = a->k;
    o.allocator = a->mem;
    train.seed = seed;
    train.ids = a->given.ids;
    rc = dkvb_model_new(out, a->base->codebooks, a->classes, &o);
    if (!rc)
        rc = dkvb_model_set_values(*out, NULL, a->model->values_dtype);
    if (!rc)
        rc = dkvb_model_train(*out, codes, a->k, labels, a->n, &train, &run);
    return rc;
}

static dkvb_status decode(struct dkvb__audit *a, const dkvb_model *model, const uint16_t *codes, size_t n)
{
    dkvb_run_options run = dkvb__audit_steps(a);

    return dkvb_model_decode(model, codes, a->k, n, NULL, a->logits, &run);
}

static bool selects_nothing(const struct dkvb__audit *a, const uint16_t *code)
{
    for (size_t i = 0; i < a->code; i++)
        if (code[i] != DKVB_CODE_NONE)
            return false;
    return true;
}

/* Returns the predicted class of a row: the class of the largest logit, after the attacker's constant was added to the
 * logits of the forgotten rows' classes; -1 for a row without an unmasked key. */
static int32_t answer_of(const struct dkvb__audit *a, const struct dkvb__subject *s, const float *logits,
                         const uint16_t *code, double constant)
{
    int32_t answer = -1;
    double most = 0.0;

    if (selects_nothing(a, code))
        return -1;
    for (uint32_t l = 0; l < a->classes; l++) {
        double logit = (double)logits[l] + (a->marks[l] ? constant : 0.0);

        if ((s->dropped && s->dropped[l]) || (answer >= 0 && logit <= most))
            continue;
        most = logit;
        answer = (int32_t)l;
    }
    return answer;
}

static dkvb_status answer_tests(struct dkvb__audit *a, const dkvb_model *model, const struct dkvb__subject *s,
                                double constant)
{
    const uint16_t *codes = s->coded->all + a->n * a->code;
    dkvb_status rc = decode(a, model, codes, a->tests);

    for (size_t i = 0; !rc && i < a->tests; i++)
        a->answers[i] = answer_of(a, s, a->logits + i * a->classes, codes + i * a->code, constant);
    return rc;
}

/* For each test row that is predicted correctly, adds 1 / `trials` to the row's value in a figure of the audit: in the
 * figure numbered `figure` if the row is of a forgotten row's class, otherwise in the next figure. */
static dkvb_status add_right(struct dkvb__audit *a, uint32_t who, uint32_t figure, const int32_t *wanted, int trials)
{
    size_t first = a->class_tests;
    dkvb_status rc = dkvb__audit_make_rows(a, who, figure);

    if (!rc)
        rc = dkvb__audit_make_rows(a, who, figure + 1);
    for (size_t i = 0; !rc && i < a->tests; i++)
        *(i < first ? a->rows[who][figure] + i : a->rows[who][figure + 1] + (i - first)) +=
            a->answers[i] == wanted[i] ? 1.0 / trials : 0.0;
    return rc;
}

/* Measures the accuracy of a model on forgotten and on retained training rows. */
static dkvb_status measure_training(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    double **rows = a->rows[s->who];
    size_t members = 0, retained = 0;
    dkvb_status rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_ACCURACY_FORGOTTEN);

    if (!rc)
        rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_ACCURACY_RETAINED);
    if (!rc)
        rc = decode(a, s->model, s->coded->all, a->n);
    for (size_t r = 0; !rc && r < a->n; r++) {
        double right;

        if (a->labels[r] < 0)
            continue;
        right = answer_of(a, s, a->logits + r * a->classes, s->coded->all + r * a->code, 0.0) == a->labels[r];
        if (a->forgotten[r])
            rows[DKVB_AUDIT_ACCURACY_FORGOTTEN][members++] = right;
        else
            rows[DKVB_AUDIT_ACCURACY_RETAINED][retained++] = right;
    }
    return rc ? rc : dkvb__audit_finish_step(a);
}

static dkvb_status measure_answers(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    dkvb_status rc = answer_tests(a, s->model, s, 0.0);

    if (!rc)
        rc = add_right(a, s->who, DKVB_AUDIT_ACCURACY_CLASS, a->test_y, 1);
    if (!rc)
        rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_ACCURACY_TEST);
    for (size_t i = 0; !rc && i < a->tests; i++)
        a->rows[s->who][DKVB_AUDIT_ACCURACY_TEST][i] = a->answers[i] == a->test_y[i];
    if (!rc && s->who == DKVB_AUDIT_RETRAINED)
        memcpy(a->reference, a->answers, a->tests * sizeof *a->answers);
    else if (!rc)
        rc = add_right(a, s->who, DKVB_AUDIT_AGREEMENT_CLASS, a->reference, 1);
    /* The agreement of two retrained models with each other shows how much agreement with a retrained model is
     * possible. */
    if (!rc && s->who == DKVB_AUDIT_REPLAY)
        rc = add_right(a, DKVB_AUDIT_RETRAINED, DKVB_AUDIT_AGREEMENT_CLASS, a->reference, 1);
    return rc ? rc : dkvb__audit_finish_step(a);
}

static dkvb_status measure_membership(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    const struct dkvb__answers answers = {a->logits, a->target_y, a->targets, a->classes, s->dropped};
    struct dkvb__fitting how = fitting;
    dkvb_run_options run = dkvb__audit_steps(a);
    /* margins of the target rows in the shadow models, decoded under the mask of the audited model */
    double **rows = a->rows[s->who], *shadows = NULL;
    dkvb_status rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_MEMBERSHIP_LOSS);

    if (a->shadows > 0)
        shadows = a->margins + (size_t)s->view * a->shadows * a->targets;
    how.seed = a->o.seed;
    if (!rc)
        rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_MEMBERSHIP_FITTED);
    if (!rc)
        rc = decode(a, s->model, s->coded->targets, a->targets);
    if (!rc)
        rc = dkvb__audit_margins(&answers, rows[DKVB_AUDIT_MEMBERSHIP_LOSS]);
    if (!rc)
        rc = dkvb__audit_fitted_scores(&answers, a->member, &how, rows[DKVB_AUDIT_MEMBERSHIP_FITTED], a->mem, &run);
    if (!rc && a->o.shadows > 0)
        rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_MEMBERSHIP_LIRA);
    if (!rc && a->o.shadows > 0)
        rc = dkvb__audit_lira(shadows, a->inside, a->o.shadows, a->targets, rows[DKVB_AUDIT_MEMBERSHIP_LOSS],
                              rows[DKVB_AUDIT_MEMBERSHIP_LIRA]);
    if (!rc && a->o.rmia_models > 0)
        rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_MEMBERSHIP_RMIA);
    if (!rc && a->o.rmia_models > 0)
        dkvb__audit_rmia(shadows, a->o.rmia_models, a->targets, rows[DKVB_AUDIT_MEMBERSHIP_LOSS],
                         rows[DKVB_AUDIT_MEMBERSHIP_RMIA]);
    return rc ? rc : dkvb__audit_finish_step(a);
}

static dkvb_status measure_constant(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    const struct dkvb__answers answers = {a->logits, a->attacker_y, a->attackers, a->classes, NULL};
    double constant = 0.0;
    dkvb_status rc = decode(a, s->model, s->coded->attacker, a->attackers);

    if (!rc)
        rc = dkvb__audit_best_constant(&answers, a->marks, &constant, a->mem);
    if (!rc)
        rc = answer_tests(a, s->model, s, constant);
    if (!rc)
        rc = add_right(a, s->who, DKVB_AUDIT_CONSTANT_CLASS, a->test_y, 1);
    return rc ? rc : dkvb__audit_finish_step(a);
}

static dkvb_status measure_probe(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    dkvb_model *probe = NULL;
    dkvb_status rc = dkvb__audit_train_anew(a, &probe, s->coded->all, a->attacker, a->o.seed);

    if (!rc)
        rc = answer_tests(a, probe, s, 0.0);
    dkvb_model_free(probe);
    if (!rc)
        rc = add_right(a, s->who, DKVB_AUDIT_PROBE_CLASS, a->test_y, 1);
    return rc ? rc : dkvb__audit_finish_step(a);
}

/* The few rows that a relearning attack has drawn for its training, and the codes of these rows. */
struct few {
    int32_t *drawn; /* labels of the rows drawn for the relearning attack, [n], -1 = the row was not drawn */
    int32_t *labels;
    uint16_t *codes;
    size_t count;
};

/* Trains a copy of the attacked model on a few more rows, `per_class` rows of each class. */
static dkvb_status go_on(struct dkvb__audit *a, dkvb_model **twin, const struct dkvb__subject *s, const struct few *few,
                         size_t per_class, double rate)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_run_options run = dkvb__audit_steps(a);
    dkvb_status rc = dkvb__model_twin(twin, s->model);

    o.epochs = RELEARN_EPOCHS;
    o.batch = (uint32_t)(few->count < MOST_BATCH ? few->count : MOST_BATCH);
    o.learning_rate = rate / (double)per_class;
    o.rate_last = 0.0;
    o.label_smoothing = 0.0;
    /* At the large learning rates that training on a few rows needs, trained values may outgrow the type float16 if
     * many classes share a key. */
    if (!rc)
        rc = dkvb_model_set_values(*twin, NULL, DKVB_DTYPE_F32);
    if (!rc)
        rc = dkvb_model_train(*twin, few->codes, a->k, few->labels, few->count, &o, &run);
    return rc;
}

/* Measures how well a model answers the attacker's own rows, by the mean of its accuracy on the classes of forgotten
 * rows and its accuracy on all other classes. To choose its constant, dkvb__audit_best_constant() too maximises the
 * mean of the accuracy on the classes of forgotten rows and the accuracy on all other classes. */
static dkvb_status judge(struct dkvb__audit *a, const dkvb_model *model, const struct dkvb__subject *s, double *score)
{
    size_t rows[2] = {0, 0}, right[2] = {0, 0};
    dkvb_status rc = decode(a, model, s->coded->attacker, a->attackers);

    for (size_t i = 0; !rc && i < a->attackers; i++) {
        bool of_class = a->marks[a->attacker_y[i]];

        rows[of_class]++;
        right[of_class] +=
            answer_of(a, s, a->logits + i * a->classes, s->coded->attacker + i * a->code, 0.0) == a->attacker_y[i];
    }
    *score = 0.0;
    for (int kind = 0; kind < 2; kind++)
        *score += rows[kind] ? (double)right[kind] / (double)rows[kind] : 0.0;
    return rc;
}

/* Finds the learning rate with which the relearning attack recovers most accuracy; among equally good rates the
 * smallest is taken. */
static dkvb_status choose_rate(struct dkvb__audit *a, const struct dkvb__subject *s, const struct few *few,
                               size_t per_class, double *rate)
{
    double best = -1.0;
    dkvb_status rc = DKVB_OK;

    for (int i = 0; !rc && i < RELEARN_RATES; i++) {
        dkvb_model *twin = NULL;
        double score = 0.0;

        rc = go_on(a, &twin, s, few, per_class, relearn_rates[i]);
        if (!rc)
            rc = judge(a, twin, s, &score);
        dkvb_model_free(twin);
        if (rc || score <= best)
            continue;
        best = score;
        *rate = relearn_rates[i];
    }
    return rc;
}

/* Trains a copy of the attacked model on the drawn rows at a learning rate, and predicts the test rows with the
 * copy. */
static dkvb_status relearn(struct dkvb__audit *a, const struct dkvb__subject *s, const struct few *few,
                           size_t per_class, double rate)
{
    dkvb_model *twin = NULL;
    dkvb_status rc = go_on(a, &twin, s, few, per_class, rate);

    if (!rc)
        rc = answer_tests(a, twin, s, 0.0);
    dkvb_model_free(twin);
    return rc;
}

/* Runs the relearning attack once: trains a copy of the audited model on a few rows of the forgotten classes and of
 * others. The relearning attack draws the same rows for every audited model, as draws depend on seeds alone. The first
 * run of the relearning attack chooses the learning rate and stores it in *rate. */
static dkvb_status relearn_once(struct dkvb__audit *a, const struct dkvb__subject *s, int size, int draw,
                                struct few *few, double *rate)
{
    const struct dkvb__drawing d = {a->labels,  a->forgotten, a->n,
                                    a->classes, fews[size],   a->o.seed + 1 + (uint64_t)draw};
    dkvb_status rc = dkvb__audit_few_rows(&d, few->drawn, a->mem);

    few->count = 0;
    for (size_t r = 0; !rc && r < a->n; r++) {
        if (few->drawn[r] < 0)
            continue;
        few->labels[few->count] = few->drawn[r];
        memcpy(few->codes + few->count++ * a->code, s->coded->all + r * a->code, a->code * sizeof *few->codes);
    }
    if (!rc && draw == 0)
        rc = choose_rate(a, s, few, fews[size], rate);
    if (!rc)
        rc = relearn(a, s, few, fews[size], *rate);
    if (!rc)
        rc = add_right(a, s->who, DKVB_AUDIT_RELEARN_10_CLASS + 2 * (uint32_t)size, a->test_y, RELEARN_DRAWS);
    return rc ? rc : dkvb__audit_finish_step(a);
}

/* The attack by prototypes on a forgotten class: the attacker has no rows, only means of rows, such as published
 * statistics or other models contain. */
static dkvb_status measure_prototypes(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    dkvb_status rc = DKVB_OK;

    for (uint32_t size = 0; !rc && size < DKVB__PROTOTYPE_SIZES; size++) {
        size_t at = a->prototype_at[size];
        const struct few few = {.labels = a->prototype_y + at,
                                .codes = s->coded->prototypes + at * a->code,
                                .count = a->prototype_at[size + 1] - at};

        double rate = 0.0;

        rc = choose_rate(a, s, &few, dkvb__prototype_sizes[size], &rate);
        if (!rc)
            rc = relearn(a, s, &few, dkvb__prototype_sizes[size], rate);
        if (!rc)
            rc = add_right(a, s->who, DKVB_AUDIT_PROTOTYPES_1_CLASS + 2 * size, a->test_y, 1);
        if (!rc)
            rc = dkvb__audit_finish_step(a);
    }
    return rc;
}

static dkvb_status measure_relearning(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    size_t most = (size_t)a->classes * MOST_FEW;
    struct few few = {.drawn = dkvb__alloc(a->mem, a->n, sizeof *few.drawn),
                      .labels = dkvb__alloc(a->mem, most, sizeof *few.labels),
                      .codes = dkvb__alloc(a->mem, most, a->code * sizeof *few.codes)};
    double rate = 0.0;
    dkvb_status rc = few.drawn && few.labels && few.codes
                         ? DKVB_OK
                         : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows to relearn from", most);

    for (int i = 0; !rc && i < FEWS * RELEARN_DRAWS; i++)
        rc = relearn_once(a, s, i / RELEARN_DRAWS, i % RELEARN_DRAWS, &few, &rate);
    dkvb__free(a->mem, few.drawn);
    dkvb__free(a->mem, few.labels);
    dkvb__free_erased(a->mem, few.codes);
    return rc;
}

/* The attack by the mask scores each row by how many of its selected keys are masked. All scores of the attack by the
 * mask are equal if the model has no mask. */
static dkvb_status measure_mask(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    double **rows = a->rows[s->who];
    /* true if there are test rows enough of other classes than those of the forgotten rows, so that answers to the two
     * kinds of test rows can be compared */
    bool of_class = a->tests - a->class_tests >= 2;
    dkvb_status rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_MASK_MEMBERS);

    if (!rc)
        rc = dkvb__audit_mask_scores(s->model, a->first.targets, a->k, a->targets, rows[DKVB_AUDIT_MASK_MEMBERS]);
    if (!rc && of_class)
        rc = dkvb__audit_make_rows(a, s->who, DKVB_AUDIT_MASK_CLASS);
    if (!rc && of_class)
        rc = dkvb__audit_mask_scores(s->model, a->first.all + a->n * a->code, a->k, a->tests,
                                     rows[DKVB_AUDIT_MASK_CLASS]);
    return rc ? rc : dkvb__audit_finish_step(a);
}

static bool is_recovery(uint32_t figure)
{
    return (figure >= DKVB_AUDIT_CONSTANT_CLASS && figure <= DKVB_AUDIT_MASK_CLASS) ||
           (figure >= DKVB_AUDIT_PROTOTYPES_1_CLASS && figure <= DKVB_AUDIT_PROTOTYPES_10_REST);
}

/* Copies the scores of the recovery attacks from one audited model to another. An attacker who has the model file
 * attacks the full model, as logit columns that answers leave out are still in the file. */
static dkvb_status copy_recovery(struct dkvb__audit *a, uint32_t from, uint32_t to)
{
    dkvb_status rc = DKVB_OK;

    for (uint32_t f = 0; !rc && f < DKVB_AUDIT_FIGURES; f++)
        if (is_recovery(f) && a->rows[from][f] && !(rc = dkvb__audit_make_rows(a, to, f)))
            memcpy(a->rows[to][f], a->rows[from][f], dkvb__audit_rows_of(a, f) * sizeof **a->rows[to]);
    return rc;
}

/* Number of calls of dkvb__audit_finish_step() for one audited model; attacks that recover a forgotten class add more
 * calls. */
enum { STEPS_OF_ANSWERS = 3, STEPS_ALWAYS = 1 + STEPS_OF_ANSWERS };
enum { STEPS_OF_CLASS = 2 + FEWS * RELEARN_DRAWS + DKVB__PROTOTYPE_SIZES };

static dkvb_status measure_subject(struct dkvb__audit *a, const struct dkvb__subject *s)
{
    dkvb_status rc = measure_answers(a, s);

    a->report->there[s->who] = true;
    if (!rc)
        rc = measure_training(a, s);
    if (!rc)
        rc = measure_membership(a, s);
    if (!rc && s->who == DKVB_AUDIT_DROPPED)
        return copy_recovery(a, DKVB_AUDIT_BEFORE, DKVB_AUDIT_DROPPED);
    if (!rc)
        rc = measure_mask(a, s);
    if (rc || !a->class_attacks)
        return rc;
    rc = measure_constant(a, s);
    if (!rc)
        rc = measure_probe(a, s);
    if (!rc)
        rc = measure_relearning(a, s);
    return rc ? rc : measure_prototypes(a, s);
}

/* Measures the retrained model, which was trained again without the forgotten rows. A rank (process) that attacks
 * models other than the retrained model needs only the retrained model's predictions, to compare them with those of the
 * attacked models. */
static dkvb_status measure_reference(struct dkvb__audit *a, uint32_t who, uint64_t seed, bool attacked)
{
    struct dkvb__subject s = {.who = who, .coded = &a->first};
    dkvb_model *model = NULL;
    dkvb_status rc = dkvb__audit_train_anew(a, &model, a->first.all, a->retained, seed);

    s.model = model;
    if (!rc && attacked)
        rc = measure_subject(a, &s);
    else if (!rc)
        rc = answer_tests(a, model, &s, 0.0);
    if (!rc && !attacked)
        memcpy(a->reference, a->answers, a->tests * sizeof *a->answers);
    dkvb_model_free(model);
    return rc;
}

static const struct dkvb__coded *coded_or_first(const struct dkvb__audit *a, const struct dkvb__coded *coded)
{
    return coded->all ? coded : &a->first;
}

/* True if the logit columns of the forgotten classes can be left out of a model's answers, because at least two other
 * columns remain. */
static bool can_drop(const struct dkvb__audit *a)
{
    return a->before && a->by_class && a->report->seen.class_count + 2 <= a->classes;
}

/* Trains the shadow models of an audit and computes their margins in four views (ways to see a model's answers): 0
 * without a mask, 1 under the mask of the audited model, 2 under the mask of the model before the forget request, 3 as
 * view 2 but without the logit columns of the forgotten classes. */
dkvb_status dkvb__audit_make_shadows(struct dkvb__audit *a)
{
    const struct dkvb__view views[] = {{a->first.targets, NULL},
                                       {coded_or_first(a, &a->masked)->targets, NULL},
                                       {coded_or_first(a, &a->earlier)->targets, NULL},
                                       {coded_or_first(a, &a->earlier)->targets, a->marks}};
    const struct dkvb__shadow_rows rows = {.codes = a->first.all,
                                           .k = a->k,
                                           .labels = a->labels,
                                           .n = a->n + a->class_tests,
                                           .targets = a->target,
                                           .count = a->targets};
    struct dkvb__shadowing how = {.shadows = a->shadows,
                                  .seed = a->o.seed,
                                  .train = a->train,
                                  .views = views,
                                  .views_count = can_drop(a) ? 4
                                                 : a->before ? 3
                                                             : 2};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc;

    if (a->shadows == 0)
        return DKVB_OK;
    rc = dkvb__audit_stage(a, "shadows");
    run.threads = a->run.threads;
    run.progress = a->run.progress;
    run.user = a->run.user;
    run.ranks = &a->ranks;
    a->margins = dkvb__alloc(a->mem, (size_t)how.views_count * how.shadows, a->targets * sizeof *a->margins);
    a->inside = dkvb__alloc(a->mem, how.shadows, a->targets * sizeof *a->inside);
    if (!rc && (!a->margins || !a->inside))
        rc =
            dkvb__fail(DKVB_ENOMEM, "out of memory for the margins of %zu rows in %u shadows", a->targets, how.shadows);
    rc = dkvb__ranks_agree(&a->ranks, rc);
    return rc ? rc : dkvb__audit_shadows(a->base, &rows, &how, a->margins, a->inside, &run);
}

/* True if this rank (process) attacks the audited model number `who`. */
static bool is_own(const struct dkvb__audit *a, uint32_t who)
{
    return dkvb__audit_attacker_of(a, who) == a->ranks.rank;
}

/* Attacks the audited models that were dealt to this rank (process). A rank (process) that attacks any audited model
 * trains the retrained model first, as all audited models are compared with the retrained model. */
static dkvb_status attack_own(struct dkvb__audit *a)
{
    const struct dkvb__subject model = {DKVB_AUDIT_MODEL, a->model, coded_or_first(a, &a->masked), NULL, 1};
    const struct dkvb__subject before = {DKVB_AUDIT_BEFORE, a->before, coded_or_first(a, &a->earlier), NULL, 2};
    const struct dkvb__subject dropped = {DKVB_AUDIT_DROPPED, a->before, before.coded, a->marks, 3};
    bool retrained = is_own(a, DKVB_AUDIT_RETRAINED), replay = is_own(a, DKVB_AUDIT_REPLAY);
    bool of_model = is_own(a, DKVB_AUDIT_MODEL), of_before = a->before && is_own(a, DKVB_AUDIT_BEFORE);
    int steps = STEPS_ALWAYS + (a->class_attacks ? STEPS_OF_CLASS : 0);
    dkvb_status rc = DKVB_OK;

    a->total = (uint64_t)((retrained + replay + of_model + of_before) * steps +
                          (of_before && can_drop(a) ? STEPS_OF_ANSWERS : 0));
    if (a->total > 0)
        rc = measure_reference(a, DKVB_AUDIT_RETRAINED, a->train.seed, retrained);
    if (!rc && replay)
        rc = measure_reference(a, DKVB_AUDIT_REPLAY, a->train.seed + 1, true);
    if (!rc && of_model)
        rc = measure_subject(a, &model);
    if (!rc && of_before)
        rc = measure_subject(a, &before);
    if (!rc && of_before && can_drop(a))
        rc = measure_subject(a, &dropped);
    return rc;
}

dkvb_status dkvb__audit_attack(struct dkvb__audit *a)
{
    dkvb_status rc = dkvb__audit_stage(a, "attacks");

    rc = dkvb__ranks_agree(&a->ranks, rc ? rc : attack_own(a));
    return rc ? rc : dkvb__audit_pass_figures(a);
}
