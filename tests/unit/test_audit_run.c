/* Tests of the whole audit: its figures equal those of the attacks run one by one, and the error message names what
 * cannot be audited. */
#include "fixture.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "audit/auc.h"
#include "audit/fitted.h"
#include "audit/lira.h"
#include "audit/recovery.h"
#include "audit/rmia.h"
#include "base/alloc.h"
#include "base/rng.h"

/* The first rows are trained on, the others are test rows. */
enum { TRAINED = 400, TESTS = ROWS - TRAINED, FORGOTTEN = 2, SHADOWS = 4, SEED = 7 };

static dkvb_codebooks *cb;
/* models before the forgetting, and with class FORGOTTEN masked */
static dkvb_model *before, *model;
/* codes of all rows without the mask, and under the mask */
static uint16_t codes[ROWS * CODEBOOKS], masked[ROWS * CODEBOOKS];
static const uint8_t class_asked[CLASSES] = {[FORGOTTEN] = DKVB_FORGET};
static dkvb_allocator heap;
static dkvb_train_options recipe = DKVB_TRAIN_OPTIONS_INIT;

static dkvb_model *trained(const int32_t *of, uint64_t seed)
{
    dkvb_train_options o = recipe;
    dkvb_model *made;

    o.seed = seed;
    assert_ok(dkvb_model_new(&made, cb, CLASSES, NULL));
    assert_ok(dkvb_model_train(made, codes, 1, of, TRAINED, &o, NULL));
    return made;
}

static int setup(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_forget_options by_class = DKVB_FORGET_OPTIONS_INIT;
    struct dkvb__rng rng;
    dkvb_mask *mask;

    (void)state;
    heap = dkvb__allocator(NULL);
    make_rows();
    dkvb__rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < (size_t)ROWS * DIM; i++) /* moves classes together, so that errors make the figures differ */
        rows[i] += 0.7f * (float)dkvb__rng_gauss(&rng);
    recipe.epochs = 3;
    recipe.seed = 5;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes, NULL, NULL));
    before = trained(labels, recipe.seed);
    model = trained(labels, recipe.seed);
    mask = mask_for_class(model, codes, FORGOTTEN, 60);
    by_class.classes = class_asked;
    assert_ok(dkvb_model_forget(model, mask, &by_class, NULL));
    assert_ok(dkvb_search(cb, mask, rows, ROWS, 1, masked, NULL, NULL));
    dkvb_mask_free(mask);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkvb_model_free(model);
    dkvb_model_free(before);
    dkvb_codebooks_free(cb);
    return 0;
}

static dkvb_audit_rows all_rows(void)
{
    dkvb_audit_rows all = DKVB_AUDIT_ROWS_INIT;

    all.x = rows;
    all.labels = labels;
    all.n = TRAINED;
    all.test_x = rows + (size_t)TRAINED * DIM;
    all.test_labels = labels + TRAINED;
    all.test_n = TESTS;
    return all;
}

static dkvb_audit_options small_options(void)
{
    dkvb_audit_options o = DKVB_AUDIT_OPTIONS_INIT;

    o.before = before;
    o.train = &recipe;
    o.shadows = SHADOWS;
    o.seed = SEED;
    return o;
}

static dkvb_audit_report *audit(const dkvb_model *of, const dkvb_audit_request *request, const dkvb_audit_options *o)
{
    const dkvb_audit_rows all = all_rows();
    dkvb_audit_report *report;

    assert_ok(dkvb_audit_run(&report, of, request, &all, o, NULL));
    return report;
}

/* The rows that the audit works on, listed again in a simple way: first test rows of the forgotten class, then all
 * other test rows; as targets of the attacks first the members, then test rows of the class. */
static size_t order[TESTS], tests, class_tests, targets, members;
static uint64_t target[ROWS];
static int32_t test_y[TESTS], target_y[ROWS], shadow_labels[ROWS], retained[TRAINED];
static uint8_t member[ROWS];
static uint16_t shadow_codes[ROWS * CODEBOOKS];

static void list_rows(void)
{
    tests = class_tests = targets = members = 0;
    for (int of_class = 1; of_class >= 0; of_class--)
        for (size_t r = TRAINED; r < ROWS; r++)
            if ((labels[r] == FORGOTTEN) == of_class) {
                order[tests] = r;
                test_y[tests++] = labels[r];
                class_tests += of_class != 0;
            }
    for (size_t r = 0; r < TRAINED; r++) {
        retained[r] = labels[r] == FORGOTTEN ? -1 : labels[r];
        if (labels[r] == FORGOTTEN)
            target[targets++] = r;
    }
    members = targets;
    memcpy(shadow_labels, labels, TRAINED * sizeof *labels);
    memcpy(shadow_codes, codes, (size_t)TRAINED * CODEBOOKS * sizeof *codes);
    for (size_t i = 0; i < class_tests; i++) {
        target[targets++] = TRAINED + i;
        shadow_labels[TRAINED + i] = FORGOTTEN;
        memcpy(shadow_codes + (TRAINED + i) * CODEBOOKS, codes + order[i] * CODEBOOKS, CODEBOOKS * sizeof *codes);
    }
    for (size_t i = 0; i < targets; i++) {
        member[i] = i < members;
        target_y[i] = FORGOTTEN;
    }
}

/* Copies the codes of the targets and of the test rows, in the order of the lists, from the codes of all rows. */
static void codes_of(const uint16_t *from, uint16_t *of_targets, uint16_t *of_tests)
{
    for (size_t i = 0; i < targets; i++) {
        size_t row = i < members ? (size_t)target[i] : order[i - members];

        memcpy(of_targets + i * CODEBOOKS, from + row * CODEBOOKS, CODEBOOKS * sizeof *from);
    }
    for (size_t i = 0; i < tests; i++)
        memcpy(of_tests + i * CODEBOOKS, from + order[i] * CODEBOOKS, CODEBOOKS * sizeof *from);
}

/* index 0: without a mask, 1: under the mask */
static uint16_t target_codes[2][ROWS * CODEBOOKS], test_codes[2][TESTS * CODEBOOKS];
static float said[ROWS * CLASSES];

/* Sets 1 for each test row that the model predicts as wanted after `constant` was added to the logit of the forgotten
 * class. */
static void right_rows(const dkvb_model *of, int under_mask, double constant, const int32_t *wanted, double *right)
{
    assert_ok(dkvb_model_decode(of, test_codes[under_mask], 1, tests, NULL, said, NULL));
    for (size_t i = 0; i < tests; i++) {
        int32_t best = 0;

        for (int32_t l = 1; l < CLASSES; l++)
            if ((double)said[i * CLASSES + (size_t)l] + (l == FORGOTTEN) * constant >
                (double)said[i * CLASSES + (size_t)best] + (best == FORGOTTEN) * constant)
                best = l;
        right[i] = best == wanted[i];
    }
}

static void assert_estimate(const dkvb_audit_estimate *found, const dkvb_audit_estimate *wanted)
{
    assert_true(found->value == wanted->value && found->low == wanted->low && found->high == wanted->high);
}

static void assert_auc(const dkvb_audit_report *r, uint32_t figure, const double *scores, const double *reference)
{
    const dkvb_audit_figure *f = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, figure);
    dkvb_audit_estimate e;

    assert_int_equal(f->measured, 1);
    assert_ok(dkvb__audit_auc(scores, member, targets, &e, &heap));
    assert_estimate(&f->value, &e);
    assert_ok(dkvb__audit_auc_difference(scores, reference, member, targets, &e, &heap));
    assert_estimate(&f->difference, &e);
    assert_ok(dkvb__audit_tpr(scores, member, targets, 0.01, &e, &heap));
    assert_estimate(&f->tpr_1, &e);
    assert_ok(dkvb__audit_tpr(scores, member, targets, 0.001, &e, &heap));
    assert_estimate(&f->tpr_01, &e);
    assert_ok(dkvb__audit_privleak(scores, reference, member, targets, &e, &heap));
    assert_estimate(&f->privleak, &e);
}

/* Asserts an audit figure on the forgotten class, and the next figure, which is on all other classes. */
static void assert_shares(const dkvb_audit_report *r, uint32_t figure, const double *right, const double *reference)
{
    for (size_t rest = 0; rest < 2; rest++) {
        const dkvb_audit_figure *f = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, figure + (uint32_t)rest);
        size_t first = rest ? class_tests : 0, n = rest ? tests - class_tests : class_tests;
        dkvb_audit_estimate e;

        dkvb__audit_share(right + first, n, &e);
        assert_estimate(&f->value, &e);
        dkvb__audit_share_difference(right + first, reference + first, n, &e);
        assert_estimate(&f->difference, &e);
        assert_true(isnan(f->tpr_1.value) && isnan(f->tpr_01.value));
    }
}

/* Computes the scores of the targets by all four membership attacks. */
static void membership(const dkvb_model *of, int under_mask, double scores[4][ROWS])
{
    static double margins[SHADOWS * ROWS];
    static uint8_t inside[SHADOWS * ROWS];
    const struct dkvb__view view = {target_codes[under_mask], NULL};
    const struct dkvb__shadow_rows learned = {shadow_codes, 1, shadow_labels, TRAINED + class_tests, target, targets};
    const struct dkvb__shadowing how = {SHADOWS, SEED, recipe, &view, 1};
    const struct dkvb__answers answers = {said, target_y, targets, CLASSES, NULL};
    const struct dkvb__fitting fitting = {5, 1.0, SEED};

    assert_ok(dkvb_model_decode(of, target_codes[under_mask], 1, targets, NULL, said, NULL));
    assert_ok(dkvb__audit_margins(&answers, scores[0]));
    assert_ok(dkvb__audit_fitted_scores(&answers, member, &fitting, scores[1], &heap, NULL));
    assert_ok(dkvb__audit_shadows(of, &learned, &how, margins, inside, NULL));
    assert_ok(dkvb__audit_lira(margins, inside, SHADOWS, targets, scores[0], scores[2]));
    dkvb__audit_rmia(margins, 2, targets, scores[0], scores[3]);
}

/* Labels of the rows that an attacker knows; -1 for rows that the attacker does not know. */
static int32_t attacker[TRAINED];

/* Trains a model on for three passes, with all rows in one batch. */
static void go_on(dkvb_model *of, const uint16_t *few_codes, const int32_t *few_labels, size_t count, double rate)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    o.epochs = 3;
    o.batch = (uint32_t)count;
    o.learning_rate = rate;
    o.rate_last = o.label_smoothing = 0.0;
    o.relearn = 1;
    assert_ok(dkvb_model_train(of, few_codes, 1, few_labels, count, &o, NULL));
}

/* Trains a model on as go_on() does, at the learning rate that gives the best accuracy on the attacker's rows, where
 * the forgotten class weighs as much as all others; of equally good rates, the smallest. If *rate is not 0, it was
 * chosen by an earlier draw. */
static void go_on_at_best(dkvb_model *of, int under_mask, const uint16_t *few_codes, const int32_t *few_labels,
                          size_t count, size_t per_class, double *rate)
{
    static const double rates[] = {50.0, 500.0, 5000.0};
    static float values[CODEBOOKS * KEYS * CLASSES];
    static int32_t answer[TRAINED];
    size_t tried = *rate == 0.0 ? sizeof rates / sizeof *rates : 0;
    double best = -1.0;

    assert_ok(dkvb_model_get_values(of, values));
    for (size_t i = 0; i < tried; i++) {
        double rows_of[2] = {0, 0}, right_of[2] = {0, 0}, score;

        go_on(of, few_codes, few_labels, count, rates[i] / (double)per_class);
        assert_ok(dkvb_model_decode(of, under_mask ? masked : codes, 1, TRAINED, answer, NULL, NULL));
        for (size_t r = 0; r < TRAINED; r++)
            if (attacker[r] >= 0) {
                rows_of[attacker[r] == FORGOTTEN] += 1.0;
                right_of[attacker[r] == FORGOTTEN] += answer[r] == attacker[r];
            }
        score = right_of[0] / rows_of[0] + right_of[1] / rows_of[1];
        if (score > best) {
            best = score;
            *rate = rates[i];
        }
        assert_ok(dkvb_model_set_values(of, values, 0));
    }
    go_on(of, few_codes, few_labels, count, *rate / (double)per_class);
}

/* Predicts test rows after training on with `size` means of the attacker's rows of each class. */
static void recovery_from_means(dkvb_model *of, int under_mask, size_t size, double *right)
{
    static uint16_t few_codes[10 * CLASSES * CODEBOOKS];
    static float values[CODEBOOKS * KEYS * CLASSES], means[10 * CLASSES * DIM];
    const struct dkvb__grouping grouping = {rows, DIM, attacker, TRAINED, CLASSES, size, SEED};
    int32_t of_class[10 * CLASSES];
    double rate = 0.0;
    dkvb_mask *mask;
    size_t count;

    assert_ok(dkvb__audit_prototypes(&grouping, means, of_class, &count, &heap));
    assert_int_equal(count, size * CLASSES);
    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    assert_ok(dkvb_search(cb, under_mask ? mask : NULL, means, count, 1, few_codes, NULL, NULL));
    dkvb_mask_free(mask);
    assert_ok(dkvb_model_get_values(of, values));
    go_on_at_best(of, under_mask, few_codes, of_class, count, size, &rate);
    right_rows(of, under_mask, 0.0, test_y, right);
    assert_ok(dkvb_model_set_values(of, values, 0));
}

/* Computes the accuracy on forgotten training rows and on all other training rows. */
static void training_rows(const dkvb_model *of, int under_mask, double *forgotten, double *kept)
{
    size_t f = 0, k = 0;
    int32_t said_labels[TRAINED];

    assert_ok(dkvb_model_decode(of, under_mask ? masked : codes, 1, TRAINED, said_labels, NULL, NULL));
    for (size_t r = 0; r < TRAINED; r++)
        *(labels[r] == FORGOTTEN ? &forgotten[f++] : &kept[k++]) = said_labels[r] == labels[r];
}

/* Predicts test rows after six attempts at recovery: after adding the best constant to the class's logit [0], with
 * values trained on the attacker's rows [1], after training on with 20 rows of each class, as the mean of three draws
 * [2], and with 1, 3 and 10 means of rows of each class [3, 4, 5]. */
static void recovery(dkvb_model *of, int under_mask, double right[6][TESTS])
{
    static uint16_t few_codes[TRAINED * CODEBOOKS];
    static float values[CODEBOOKS * KEYS * CLASSES];
    const uint16_t *under = under_mask ? masked : codes;
    int32_t few[TRAINED], few_labels[TRAINED];
    struct dkvb__answers answers = {said, few_labels, 0, CLASSES, NULL};
    dkvb_train_options o = recipe;
    dkvb_model *probe;
    double constant, once[TESTS], rate = 0.0;

    for (size_t r = 0; r < TRAINED; r++)
        if (attacker[r] >= 0) {
            few_labels[answers.n] = attacker[r];
            memcpy(few_codes + answers.n++ * CODEBOOKS, under + r * CODEBOOKS, CODEBOOKS * sizeof *under);
        }
    assert_ok(dkvb_model_decode(of, few_codes, 1, answers.n, NULL, said, NULL));
    assert_ok(dkvb__audit_best_constant(&answers, class_asked, &constant, &heap));
    right_rows(of, under_mask, constant, test_y, right[0]);

    o.seed = SEED;
    assert_ok(dkvb_model_new(&probe, cb, CLASSES, NULL));
    assert_ok(dkvb_model_train(probe, under, 1, attacker, TRAINED, &o, NULL));
    right_rows(probe, under_mask, 0.0, test_y, right[1]);
    dkvb_model_free(probe);

    memset(right[2], 0, sizeof right[2]);
    assert_ok(dkvb_model_get_values(of, values));
    for (uint64_t draw = 0; draw < 3; draw++) {
        uint8_t forgotten[TRAINED];
        struct dkvb__drawing d = {labels, forgotten, TRAINED, CLASSES, 20, SEED + 1 + draw};
        size_t count = 0;

        for (size_t r = 0; r < TRAINED; r++)
            forgotten[r] = labels[r] == FORGOTTEN;
        assert_ok(dkvb__audit_few_rows(&d, few, &heap));
        for (size_t r = 0; r < TRAINED; r++)
            if (few[r] >= 0) {
                few_labels[count] = few[r];
                memcpy(few_codes + count++ * CODEBOOKS, under + r * CODEBOOKS, CODEBOOKS * sizeof *under);
            }
        go_on_at_best(of, under_mask, few_codes, few_labels, count, 20, &rate);
        right_rows(of, under_mask, 0.0, test_y, once);
        for (size_t i = 0; i < tests; i++)
            right[2][i] += once[i] * (1.0 / 3);
        assert_ok(dkvb_model_set_values(of, values, 0));
    }
    recovery_from_means(of, under_mask, 1, right[3]);
    recovery_from_means(of, under_mask, 3, right[4]);
    recovery_from_means(of, under_mask, 10, right[5]);
}

/* Asserts an accuracy of the audit on one kind of rows, and its difference from that of the retrained model. */
static dkvb_audit_estimate assert_share(const dkvb_audit_report *r, uint32_t figure, const double *right,
                                        const double *reference, size_t n)
{
    const dkvb_audit_figure *f = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, figure);
    dkvb_audit_estimate e;

    dkvb__audit_share(right, n, &e);
    assert_estimate(&f->value, &e);
    dkvb__audit_share_difference(right, reference, n, &e);
    assert_estimate(&f->difference, &e);
    return e;
}

/* Asserts the accuracies on forgotten and retained training rows and on all test rows, and the average gap, which is
 * computed from them and the loss attack. */
static void assert_gap(const dkvb_audit_report *r, const dkvb_model *retrained)
{
    const dkvb_audit_figure *gap = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_AVERAGE_GAP);
    static double mine[2][TRAINED], reference[2][TRAINED], right[2][TESTS];
    dkvb_audit_estimate parts[4], e;

    training_rows(model, 1, mine[0], mine[1]);
    training_rows(retrained, 0, reference[0], reference[1]);
    right_rows(model, 1, 0.0, test_y, right[0]);
    right_rows(retrained, 0, 0.0, test_y, right[1]);
    assert_int_equal(r->retained, TRAINED - members);
    parts[0] = assert_share(r, DKVB_AUDIT_ACCURACY_FORGOTTEN, mine[0], reference[0], members);
    parts[1] = assert_share(r, DKVB_AUDIT_ACCURACY_RETAINED, mine[1], reference[1], TRAINED - members);
    parts[2] = assert_share(r, DKVB_AUDIT_ACCURACY_TEST, right[0], right[1], tests);
    parts[3] = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS)->difference;
    dkvb__audit_gap(parts, 4, &e);
    assert_estimate(&gap->value, &e);
    assert_estimate(&gap->difference, &e);
    assert_string_equal(gap->verdict, "more than retrained");
    assert_true(gap->kind == DKVB_AUDIT_GAP && isnan(gap->privleak.value));
}

static void figures_are_those_of_the_attacks_made_one_by_one(void **state)
{
    const dkvb_audit_options o = small_options();
    dkvb_audit_report *r = audit(model, NULL, &o);
    dkvb_model *retrained, *copy;
    static double mine[4][ROWS], reference[4][ROWS], right[6][TESTS], other[6][TESTS], ones[TESTS];
    int32_t reference_labels[TESTS], next_labels[TESTS];
    struct dkvb__drawing d = {labels, NULL, TRAINED, CLASSES, TRAINED / 5 / CLASSES + 1, SEED};
    dkvb_mask *mask;

    (void)state;
    list_rows();
    codes_of(codes, target_codes[0], test_codes[0]);
    codes_of(masked, target_codes[1], test_codes[1]);
    assert_int_equal(r->members, members);
    assert_int_equal(r->others, class_tests);
    assert_int_equal(r->rest, tests - class_tests);
    assert_int_equal(r->class_count, 1);
    assert_memory_equal(r->forgotten, class_asked, sizeof class_asked);
    assert_int_equal(r->masked_pairs, 60);
    assert_int_equal(r->outside->searched, TRAINED);
    assert_int_equal(r->test_outside->searched, TESTS);

    retrained = trained(retained, recipe.seed);
    membership(model, 1, mine);
    membership(retrained, 0, reference);
    for (uint32_t f = 0; f < 3; f++)
        assert_auc(r, DKVB_AUDIT_MEMBERSHIP_LOSS + f, mine[f], reference[f]);
    assert_auc(r, DKVB_AUDIT_MEMBERSHIP_RMIA, mine[3], reference[3]);
    assert_int_equal(r->rmia_models, 2);
    assert_gap(r, retrained);

    right_rows(model, 1, 0.0, test_y, right[0]);
    right_rows(retrained, 0, 0.0, test_y, other[0]);
    assert_shares(r, DKVB_AUDIT_ACCURACY_CLASS, right[0], other[0]);
    assert_ok(dkvb_model_decode(retrained, test_codes[0], 1, tests, reference_labels, NULL, NULL));
    copy = trained(retained, recipe.seed + 1);
    assert_ok(dkvb_model_decode(copy, test_codes[0], 1, tests, next_labels, NULL, NULL));
    dkvb_model_free(copy);
    right_rows(model, 1, 0.0, reference_labels, right[0]);
    for (size_t i = 0; i < tests; i++)
        ones[i] = next_labels[i] == reference_labels[i];
    assert_shares(r, DKVB_AUDIT_AGREEMENT_CLASS, right[0], ones);

    assert_ok(dkvb__audit_few_rows(&d, attacker, &heap));
    copy = trained(labels, recipe.seed); /* a copy that the attack trains on */
    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    assert_ok(dkvb_model_forget(copy, mask, NULL, NULL));
    recovery(copy, 1, right);
    recovery(retrained, 0, other);
    assert_shares(r, DKVB_AUDIT_CONSTANT_CLASS, right[0], other[0]);
    assert_shares(r, DKVB_AUDIT_PROBE_CLASS, right[1], other[1]);
    assert_shares(r, DKVB_AUDIT_RELEARN_20_CLASS, right[2], other[2]);
    for (uint32_t size = 0; size < 3; size++)
        assert_shares(r, DKVB_AUDIT_PROTOTYPES_1_CLASS + 2 * size, right[3 + size], other[3 + size]);

    assert_ok(dkvb__audit_mask_scores(model, target_codes[0], 1, targets, mine[0]));
    memset(reference[0], 0, sizeof reference[0]);
    assert_auc(r, DKVB_AUDIT_MASK_MEMBERS, mine[0], reference[0]);
    dkvb_mask_free(mask);
    dkvb_model_free(copy);
    dkvb_model_free(retrained);
    dkvb_audit_report_free(r);
}

/* Asserts that two audit reports have equal figures, except for the addresses of texts. */
static void assert_same_figures(const dkvb_audit_report *a, const dkvb_audit_report *b)
{
    for (uint32_t s = 0; s < DKVB_AUDIT_SUBJECTS; s++)
        for (uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++) {
            const dkvb_audit_figure *x = dkvb_audit_get_figure(a, s, f), *y = dkvb_audit_get_figure(b, s, f);

            assert_true(!x == !y);
            if (!x)
                continue;
            assert_int_equal(x->measured, y->measured);
            assert_string_equal(x->verdict, y->verdict);
            assert_memory_equal(&x->value, &y->value, sizeof x->value);
            assert_memory_equal(&x->difference, &y->difference, sizeof x->difference);
            assert_memory_equal(&x->tpr_1, &y->tpr_1, sizeof x->tpr_1);
            assert_memory_equal(&x->tpr_01, &y->tpr_01, sizeof x->tpr_01);
            assert_memory_equal(&x->privleak, &y->privleak, sizeof x->privleak);
        }
}

static void the_journal_says_who_was_forgotten(void **state)
{
    const dkvb_audit_options o = small_options();
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_report *named, *asked, *reported = (dkvb_audit_report *)1;
    const dkvb_audit_rows all = all_rows();

    (void)state;
    request.classes = class_asked;
    named = audit(model, NULL, &o);
    asked = audit(model, &request, &o);
    assert_same_figures(named, asked);
    dkvb_audit_report_free(named);
    dkvb_audit_report_free(asked);
    assert_int_equal(dkvb_audit_run(&reported, before, NULL, &all, NULL, NULL), DKVB_EINVAL);
    assert_message("forgotten rows: no forgetting in the journal");
    assert_null(reported);
}

static void an_undone_forgetting_names_nobody(void **state)
{
    const dkvb_audit_rows all = all_rows();
    dkvb_forget_options by_class = DKVB_FORGET_OPTIONS_INIT;
    dkvb_model *copy = trained(labels, recipe.seed);
    dkvb_audit_report *report;
    dkvb_mask *mask;
    uint64_t entry;

    (void)state;
    by_class.classes = class_asked;
    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    assert_ok(dkvb_model_forget(copy, mask, &by_class, &entry));
    assert_ok(dkvb_model_undo(copy, entry, NULL));
    assert_int_equal(dkvb_audit_run(&report, copy, NULL, &all, NULL, NULL), DKVB_EINVAL);
    assert_message("no forgetting in the journal");
    dkvb_mask_free(mask);
    dkvb_model_free(copy);
}

static void results_do_not_depend_on_threads_and_leave_the_models_alone(void **state)
{
    static float values[2][CODEBOOKS * KEYS * CLASSES];
    const dkvb_audit_rows all = all_rows();
    const dkvb_audit_options o = small_options();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_audit_report *one, *three;

    (void)state;
    assert_ok(dkvb_model_get_values(model, values[0]));
    run.threads = 1;
    assert_ok(dkvb_audit_run(&one, model, NULL, &all, &o, &run));
    run.threads = 3;
    assert_ok(dkvb_audit_run(&three, model, NULL, &all, &o, &run));
    assert_same_figures(one, three);
    assert_ok(dkvb_model_get_values(model, values[1]));
    assert_memory_equal(values[0], values[1], sizeof values[0]);
    assert_ok(dkvb_model_get_info(model, &info));
    assert_int_equal(info.journal_entries, 1);
    dkvb_audit_report_free(one);
    dkvb_audit_report_free(three);
}

static void the_reference_differs_from_itself_in_nothing(void **state)
{
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    dkvb_model *again;
    dkvb_audit_report *r;

    (void)state;
    list_rows();
    again = trained(retained, recipe.seed);
    request.classes = class_asked;
    o.before = NULL;
    r = audit(again, &request, &o);
    for (uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++) {
        const dkvb_audit_figure *x = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, f);

        /* KLoM is not measured, as no models were asked for */
        assert_int_equal(x->measured, x->kind != DKVB_AUDIT_KLOM);
        if (f == DKVB_AUDIT_AGREEMENT_CLASS || f == DKVB_AUDIT_AGREEMENT_REST || !x->measured)
            continue;
        assert_true(x->difference.value == 0.0);
        assert_string_equal(x->verdict, "as retrained");
    }
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_BEFORE, 0));
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_DROPPED, 0));
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_SUBJECTS, 0));
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_FIGURES));
    dkvb_audit_report_free(r);
    dkvb_model_free(again);
}

/* If rows had other ids in training than their numbers, the audit must train its models with these ids, too. */
static void rows_have_the_ids_of_their_training(void **state)
{
    static uint64_t ids[TRAINED];
    dkvb_audit_rows all = all_rows();
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    dkvb_train_options named = recipe;
    dkvb_model *again;
    dkvb_audit_report *r;

    (void)state;
    list_rows();
    for (size_t i = 0; i < TRAINED; i++)
        ids[i] = 1000000 - 7 * i;
    named.ids = ids;
    assert_ok(dkvb_model_new(&again, cb, CLASSES, NULL));
    assert_ok(dkvb_model_train(again, codes, 1, retained, TRAINED, &named, NULL));
    all.ids = ids;
    request.classes = class_asked;
    o.before = NULL;
    o.shadows = 0;
    assert_ok(dkvb_audit_run(&r, again, &request, &all, &o, NULL));
    assert_true(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS)->difference.value == 0.0);
    assert_true(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_RELEARN_10_CLASS)->difference.value == 0.0);
    dkvb_audit_report_free(r);
    all.ids = NULL;
    assert_ok(dkvb_audit_run(&r, again, &request, &all, &o, NULL));
    assert_true(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS)->difference.value != 0.0);
    dkvb_audit_report_free(r);
    dkvb_model_free(again);
}

static void rows_of_many_classes_leave_out_what_attacks_a_class(void **state)
{
    const uint64_t some[] = {0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21}; /* rows of two of the four classes */
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    const dkvb_audit_figure *f;
    dkvb_audit_report *r;

    (void)state;
    o.shadows = 0;
    request.rows = some;
    request.row_count = sizeof some / sizeof *some;
    r = audit(model, &request, &o);
    assert_int_equal(r->members, request.row_count);
    assert_int_equal(r->class_count, 2);
    /* rows of parts of classes have no output column to drop */
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_DROPPED, 0));
    f = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_CONSTANT_CLASS);
    assert_int_equal(f->measured, 0);
    assert_true(isnan(f->value.value) && isnan(f->difference.low));
    assert_string_equal(f->verdict, "");
    assert_string_equal(f->key, "constant_class");
    assert_int_equal(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LIRA)->measured, 0);
    assert_int_equal(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LOSS)->measured, 1);
    dkvb_audit_report_free(r);
}

static void rows_of_one_class_are_a_class_to_get_back_but_no_column_to_leave_out(void **state)
{
    uint64_t some[12];
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    dkvb_audit_report *r;

    (void)state;
    for (size_t row = 0, count = 0; count < sizeof some / sizeof *some; row++)
        if (labels[row] == FORGOTTEN)
            some[count++] = row;
    o.shadows = 0;
    request.rows = some;
    request.row_count = sizeof some / sizeof *some;
    r = audit(model, &request, &o);
    assert_int_equal(r->class_count, 1);
    assert_int_equal(dkvb_audit_get_figure(r, DKVB_AUDIT_BEFORE, DKVB_AUDIT_CONSTANT_CLASS)->measured, 1);
    assert_null(dkvb_audit_get_figure(r, DKVB_AUDIT_DROPPED, 0));
    dkvb_audit_report_free(r);
}

/* The attack RMIA takes the first shadow models as reference models; if there are none, it trains its own. */
static void rmia_models_are_the_first_shadows_or_trained_for_it(void **state)
{
    dkvb_audit_options o = small_options();
    const dkvb_audit_figure *alone, *shared;
    dkvb_audit_report *without, *with;

    (void)state;
    with = audit(model, NULL, &o);
    o.shadows = 0;
    without = audit(model, NULL, &o);
    alone = dkvb_audit_get_figure(without, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_RMIA);
    shared = dkvb_audit_get_figure(with, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_RMIA);
    assert_int_equal(alone->measured, 1);
    assert_memory_equal(&alone->value, &shared->value, sizeof alone->value);
    assert_int_equal(dkvb_audit_get_figure(without, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_LIRA)->measured, 0);
    dkvb_audit_report_free(without);
    o.rmia_models = 0;
    without = audit(model, NULL, &o);
    assert_int_equal(dkvb_audit_get_figure(without, DKVB_AUDIT_MODEL, DKVB_AUDIT_MEMBERSHIP_RMIA)->measured, 0);
    assert_int_equal(dkvb_audit_get_figure(without, DKVB_AUDIT_MODEL, DKVB_AUDIT_AVERAGE_GAP)->measured, 1);
    dkvb_audit_report_free(without);
    dkvb_audit_report_free(with);
}

/* The model without the class's output column is also measured on training rows, and its answers can be recovered from
 * the model file. */
static void a_dropped_column_hides_training_rows_and_gives_no_shelter_from_recovery(void **state)
{
    const dkvb_audit_options o = small_options();
    dkvb_audit_report *r = audit(model, NULL, &o);

    (void)state;
    assert_true(dkvb_audit_get_figure(r, DKVB_AUDIT_DROPPED, DKVB_AUDIT_ACCURACY_FORGOTTEN)->value.value == 0.0);
    assert_true(dkvb_audit_get_figure(r, DKVB_AUDIT_BEFORE, DKVB_AUDIT_ACCURACY_FORGOTTEN)->value.value > 0.5);
    for (uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++) {
        const dkvb_audit_figure *x = dkvb_audit_get_figure(r, DKVB_AUDIT_DROPPED, f);
        const dkvb_audit_figure *y = dkvb_audit_get_figure(r, DKVB_AUDIT_BEFORE, f);

        if (strncmp(x->key, "prototypes", 10) == 0 || strncmp(x->key, "relearn", 7) == 0)
            assert_memory_equal(&x->value, &y->value, sizeof x->value);
        if (f == DKVB_AUDIT_ACCURACY_FORGOTTEN || f == DKVB_AUDIT_AVERAGE_GAP)
            assert_true(x->measured && x->value.value != y->value.value);
    }
    dkvb_audit_report_free(r);
}

/* The relearning attack keeps its values in float32, so it works even if values are near the end of the range of
 * float16. */
static void relearning_goes_beyond_the_type_of_the_values(void **state)
{
    static float values[CODEBOOKS * KEYS * CLASSES];
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    dkvb_audit_report *r;
    dkvb_model *large;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = i % CLASSES == 0 ? 65504.0f : i % CLASSES == FORGOTTEN ? 64992.0f : 0.0f;
    assert_ok(dkvb_model_new(&large, cb, CLASSES, NULL));
    assert_ok(dkvb_model_set_values(large, values, DKVB_DTYPE_F16));
    request.classes = class_asked;
    o.before = NULL;
    o.shadows = o.rmia_models = 0;
    r = audit(large, &request, &o);
    assert_int_equal(dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, DKVB_AUDIT_PROTOTYPES_1_CLASS)->measured, 1);
    dkvb_audit_report_free(r);
    dkvb_model_free(large);
}

static void every_figure_has_a_name_of_its_own(void **state)
{
    dkvb_audit_options o = small_options();
    dkvb_audit_report *r;

    (void)state;
    o.shadows = 0;
    r = audit(model, NULL, &o);
    for (uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++) {
        const dkvb_audit_figure *x = dkvb_audit_get_figure(r, DKVB_AUDIT_REPLAY, f);

        assert_string_equal(x->subject, "replay");
        for (uint32_t other = 0; other < f; other++) {
            const dkvb_audit_figure *y = dkvb_audit_get_figure(r, DKVB_AUDIT_REPLAY, other);

            assert_string_not_equal(x->key, y->key);
            assert_string_not_equal(x->title, y->title);
        }
    }
    dkvb_audit_report_free(r);
}

/* An audit with a codeset retrains as the codeset's sessions say; a model trained again in that way is as retrained. */
static void a_codeset_is_the_recipe(void **state)
{
    dkvb_audit_rows all = all_rows();
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    dkvb_fit_rows learned = DKVB_FIT_ROWS_INIT;
    dkvb_fit_options fitting = DKVB_FIT_OPTIONS_INIT;
    int32_t other[TRAINED];
    dkvb_settings settings = DKVB_SETTINGS_INIT;
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;
    dkvb_codeset *set;
    dkvb_model *made;
    dkvb_audit_report *r;
    uint64_t ids[TRAINED];
    size_t count = 0;

    (void)state;
    learned.x = rows;
    learned.labels = labels;
    learned.n = TRAINED;
    learned.dim = DIM;
    learned.classes = CLASSES;
    fitting.codebooks = cb;
    settings.top_k = 1;
    settings.train = recipe;
    fitting.settings = &settings;
    assert_ok(dkvb_fit(&made, &set, &learned, &fitting, NULL, NULL));
    assert_ok(dkvb_codeset_get_info(set, &info));
    for (size_t i = 0; i < TRAINED; i++)
        if (labels[i] == FORGOTTEN)
            ids[count++] = i;
    assert_ok(dkvb_model_replay(made, set, ids, count, NULL, NULL, NULL));
    o.before = NULL;
    o.shadows = 0;
    o.train = NULL;
    o.codeset = set;
    request.classes = class_asked;
    assert_ok(dkvb_audit_run(&r, made, &request, &all, &o, NULL));
    assert_true(r->members < count); /* held-out rows of the class are no members, as they were not trained on */
    for (uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++) {
        const dkvb_audit_figure *x = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, f);

        assert_true(!x->measured || f == DKVB_AUDIT_AGREEMENT_CLASS || f == DKVB_AUDIT_AGREEMENT_REST ||
                    x->difference.value == 0.0);
    }
    dkvb_audit_report_free(r);

    o.train = &recipe;
    assert_int_equal(dkvb_audit_run(&r, made, &request, &all, &o, NULL), DKVB_EINVAL);
    assert_message("both train and codeset");
    o.train = NULL;
    memcpy(other, labels, sizeof other);
    for (size_t i = 0; i < TRAINED; i++)
        other[i] = (other[i] + 1) % CLASSES;
    all.labels = other;
    assert_int_equal(dkvb_audit_run(&r, made, &request, &all, &o, NULL), DKVB_EMISMATCH);
    assert_message("the codeset has label");
    all.labels = labels;
    all.n = 100;
    assert_int_equal(dkvb_audit_run(&r, made, &request, &all, &o, NULL), DKVB_EMISMATCH);
    assert_message("are not among the 100 training rows");
    dkvb_codeset_free(set);
    dkvb_model_free(made);
}

static void assert_refused(dkvb_status code, const char *message, const dkvb_audit_request *request,
                           const dkvb_audit_rows *all, const dkvb_audit_options *o)
{
    dkvb_audit_report *report = (dkvb_audit_report *)1;

    assert_int_equal(dkvb_audit_run(&report, model, request, all, o, NULL), code);
    assert_message(message);
    assert_null(report);
}

static void what_cannot_be_audited_is_named(void **state)
{
    static float odd[TESTS * DIM];
    int32_t other[TESTS];
    uint64_t twice[] = {3, 5, 3}, far[] = {3, TRAINED}, alone[] = {3};
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_options o = small_options();
    dkvb_audit_rows all = all_rows();
    dkvb_keyinit_options keyinit = small_keyinit();
    dkvb_codebooks *other_keys;
    dkvb_model *stranger;

    (void)state;
    request.rows = twice;
    request.row_count = 3;
    assert_refused(DKVB_EINVAL, "forgotten rows: number 2 names row 3 a second time", &request, &all, &o);
    request.classes = class_asked;
    assert_refused(DKVB_EINVAL, "forgotten rows: both classes and rows", &request, &all, &o);
    request.classes = NULL;
    request.rows = far;
    request.row_count = 2;
    assert_refused(DKVB_EINVAL, "forgotten rows: number 1 is 400, training rows are 0 to 399", &request, &all, &o);
    request.rows = alone;
    request.row_count = 1;
    assert_refused(DKVB_EINVAL, "forgotten rows: 1 training rows with a label", &request, &all, &o);

    memcpy(other, all.test_labels, sizeof other);
    other[9] = CLASSES;
    all.test_labels = other;
    assert_refused(DKVB_EINVAL, "test labels: row 9 is 4, it must be -1 to 3", NULL, &all, &o);
    for (size_t i = 0; i < TESTS; i++)
        other[i] = labels[TRAINED + i] == FORGOTTEN ? -1 : labels[TRAINED + i];
    assert_refused(DKVB_EINVAL, "test labels: 0 test rows of the classes", NULL, &all, &o);
    all = all_rows();
    memcpy(odd, all.test_x, sizeof odd);
    odd[9 * DIM + 4] = INFINITY;
    all.test_x = odd;
    assert_refused(DKVB_EINVAL, "test rows: row 9, column 4", NULL, &all, &o);
    all = all_rows();
    all.x = NULL;
    assert_refused(DKVB_EINVAL, "training rows: 400, but no features", NULL, &all, &o);
    all = all_rows();
    all.test_labels = NULL;
    assert_refused(DKVB_EINVAL, "test rows: 200, but no labels", NULL, &all, &o);
    assert_refused(DKVB_EINVAL, "forgotten rows: 0 training rows", NULL, NULL, &o);

    all = all_rows();
    for (o.shadows = 1; o.shadows < 6; o.shadows++)
        if (o.shadows != 4)
            assert_refused(DKVB_EINVAL, "an even number from 4", NULL, &all, &o);
    o.shadows = 4;
    for (o.rmia_models = 1; o.rmia_models < 4; o.rmia_models += 2)
        assert_refused(DKVB_EINVAL, "rmia_models, there must be 0, or an even number from 2", NULL, &all, &o);
    o.rmia_models = 65538;
    assert_refused(DKVB_EINVAL, "rmia_models, there must be 0, or an even number from 2", NULL, &all, &o);
    o = small_options();
    o.models = 1;
    assert_refused(DKVB_EINVAL, "options: 1 models, there must be 0, or 2 to 10000", NULL, &all, &o);
    o.models = 10001;
    assert_refused(DKVB_EINVAL, "options: 10001 models, there must be 0, or 2 to 10000", NULL, &all, &o);
    o.models = 0;
    o.shadows = 65538;
    assert_refused(DKVB_EINVAL, "an even number from 4", NULL, &all, &o);
    o = small_options();
    keyinit.seed = 99;
    assert_ok(dkvb_codebooks_fit(&other_keys, rows, ROWS, DIM, &keyinit, NULL));
    assert_ok(dkvb_model_new(&stranger, other_keys, CLASSES, NULL));
    o.before = stranger;
    assert_refused(DKVB_EMISMATCH, "other keys", NULL, &all, &o);
    dkvb_model_free(stranger);
    dkvb_codebooks_free(other_keys);
    assert_ok(dkvb_model_new(&stranger, cb, CLASSES + 1, NULL));
    o.before = stranger;
    assert_refused(DKVB_EMISMATCH, "they must be the same", NULL, &all, &o);
    dkvb_model_free(stranger);
}

struct watch {
    size_t left; /* number of stages and progress reports until the callback cancels */
    char stages[64];
    uint64_t last, of;
};

static int count_down(void *user, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_true(done <= total);
    assert_true(total != w->of || done >= w->last); /* within a stage the progress never goes back */
    w->last = done;
    w->of = total;
    return w->left-- == 0;
}

static int note_stage(void *user, const char *stage)
{
    struct watch *w = user;

    w->last = w->of = 0;
    strncat(w->stages, stage, sizeof w->stages - strlen(w->stages) - 1);
    strncat(w->stages, " ", sizeof w->stages - strlen(w->stages) - 1);
    return w->left-- == 0;
}

/* Makes a masked model with an allocator of the test. */
static dkvb_status masked_model(dkvb_model **out, const dkvb_allocator *a)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_forget_options by_class = DKVB_FORGET_OPTIONS_INIT;
    dkvb_mask *mask = NULL;
    dkvb_status rc;

    o.allocator = a;
    by_class.classes = class_asked;
    rc = dkvb_model_new(out, cb, CLASSES, &o);
    if (!rc)
        rc = dkvb_journal_get_mask(model, 0, &mask);
    if (!rc)
        rc = dkvb_model_forget(*out, mask, &by_class, NULL);
    dkvb_mask_free(mask);
    return rc;
}

static void an_audit_can_be_stopped_anywhere(void **state)
{
    const dkvb_audit_rows all = all_rows();
    dkvb_audit_options o = small_options();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    run.threads = 1;
    run.progress = count_down;
    o.stage = note_stage;
    for (size_t at = 0;; at += at < 12 ? 1 : 11) {
        struct watch w = {.left = at};
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_audit_report *report;
        dkvb_model *own;
        long live;
        dkvb_status rc;

        assert_ok(masked_model(&own, &a));
        live = mem.live;
        run.user = o.user = &w;
        rc = dkvb_audit_run(&report, own, NULL, &all, &o, &run);
        dkvb_audit_report_free(report);
        assert_int_equal(mem.live, live);
        dkvb_model_free(own);
        if (rc == DKVB_OK) {
            assert_string_equal(w.stages, "search refresh shadows attacks ");
            assert_true(w.last == w.of && at > 60);
            return;
        }
        assert_int_equal(rc, DKVB_ECANCELLED);
    }
}

static void every_allocation_may_fail(void **state)
{
    const dkvb_audit_rows all = all_rows();
    const dkvb_audit_options o = small_options();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    size_t counted = 0;

    (void)state;
    run.threads = 1;
    /* later allocations repeat the same calls, so most are skipped */
    for (size_t fail_at = 0;; fail_at += 1 + fail_at / 32) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_audit_report *report;
        dkvb_model *own;
        long live;
        dkvb_status rc;

        assert_ok(masked_model(&own, &a));
        live = mem.live;
        mem.fail_at = mem.calls + fail_at;
        rc = dkvb_audit_run(&report, own, NULL, &all, &o, &run);
        assert_int_equal(rc == DKVB_OK, report != NULL);
        dkvb_audit_report_free(report);
        assert_int_equal(mem.live, live);
        dkvb_model_free(own);
        if (rc == DKVB_OK) {
            assert_true(counted > 60);
            return;
        }
        assert_int_equal(rc, DKVB_ENOMEM);
        counted++;
    }
}

int main(void)
{
    const struct CMUnitTest tests_of_audits[] = {
        cmocka_unit_test(figures_are_those_of_the_attacks_made_one_by_one),
        cmocka_unit_test(the_journal_says_who_was_forgotten),
        cmocka_unit_test(an_undone_forgetting_names_nobody),
        cmocka_unit_test(results_do_not_depend_on_threads_and_leave_the_models_alone),
        cmocka_unit_test(the_reference_differs_from_itself_in_nothing),
        cmocka_unit_test(rows_have_the_ids_of_their_training),
        cmocka_unit_test(rows_of_many_classes_leave_out_what_attacks_a_class),
        cmocka_unit_test(rows_of_one_class_are_a_class_to_get_back_but_no_column_to_leave_out),
        cmocka_unit_test(rmia_models_are_the_first_shadows_or_trained_for_it),
        cmocka_unit_test(a_dropped_column_hides_training_rows_and_gives_no_shelter_from_recovery),
        cmocka_unit_test(relearning_goes_beyond_the_type_of_the_values),
        cmocka_unit_test(every_figure_has_a_name_of_its_own),
        cmocka_unit_test(a_codeset_is_the_recipe),
        cmocka_unit_test(what_cannot_be_audited_is_named),
        cmocka_unit_test(an_audit_can_be_stopped_anywhere),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests_of_audits, setup, teardown);
}
