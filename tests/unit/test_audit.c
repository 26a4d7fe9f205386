/* Figures of an audit against plain definitions; attacks that find what is there and nothing where there is nothing. */
#include "fixture.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "audit/auc.h"
#include "audit/fitted.h"
#include "audit/klom.h"
#include "audit/lira.h"
#include "audit/recovery.h"
#include "audit/rmia.h"
#include "base/alloc.h"
#include "base/rng.h"

enum { N = 90 };

static double scores_a[N], scores_b[N];
static uint8_t member[N];
static dkvb_allocator heap; /* allocator with malloc() and free() */

static void assert_near(double found, double wanted)
{
    if (!(fabs(found - wanted) < 1e-9))
        print_message("%.12f is not %.12f\n", found, wanted);
    assert_true(fabs(found - wanted) < 1e-9);
}

/* Makes random scores with ties, in which members score a little above non-members. */
static void make_scores(uint64_t seed)
{
    struct dkvb__rng rng;

    dkvb__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < N; i++) {
        member[i] = dkvb__rng_below(&rng, 3) == 0;
        scores_a[i] = (double)dkvb__rng_below(&rng, 12) + 2.0 * member[i];
        scores_b[i] = scores_a[i] + (double)dkvb__rng_below(&rng, 9);
    }
}

static double psi(double of_member, double of_other)
{
    return of_member > of_other ? 1.0 : of_member == of_other ? 0.5 : 0.0;
}

/* Computes the AUC contrast `a` - `weight` * `b`, and its interval, directly as in DeLong et al. 1988: over all pairs
 * of rows, with the covariances of both kinds of placements. `b` may be NULL. */
static double plain_contrast(const double *a, const double *b, double weight, double *half)
{
    double place[N], mean[2] = {0, 0}, square[2] = {0, 0}, count[2] = {0, 0};

    for (size_t i = 0; i < N; i++) {
        double sum = 0, others = 0;

        for (size_t j = 0; j < N; j++)
            if (member[j] != member[i]) {
                sum += member[i] ? psi(a[i], a[j]) - (b ? weight * psi(b[i], b[j]) : 0.0)
                                 : psi(a[j], a[i]) - (b ? weight * psi(b[j], b[i]) : 0.0);
                others++;
            }
        place[i] = sum / others;
        mean[member[i]] += place[i];
        count[member[i]]++;
    }
    for (size_t i = 0; i < N; i++) {
        double away = place[i] - mean[member[i]] / count[member[i]];

        square[member[i]] += away * away;
    }
    *half = 1.959963984540054 * sqrt(square[0] / (count[0] - 1) / count[0] + square[1] / (count[1] - 1) / count[1]);
    return mean[1] / count[1];
}

static double plain_delong(const double *a, const double *b, double *half)
{
    return plain_contrast(a, b, 1.0, half);
}

static void auc_and_its_interval_are_those_of_all_pairs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        dkvb_audit_estimate e;
        double half, auc;

        make_scores(seed);
        auc = plain_delong(scores_a, NULL, &half);
        assert_ok(dkvb__audit_auc(scores_a, member, N, &e, &heap));
        assert_near(e.value, auc);
        assert_near(e.low, auc - half > 0 ? auc - half : 0);
        assert_near(e.high, auc + half < 1 ? auc + half : 1);
    }
}

static void auc_of_four_rows_is_what_a_hand_works_out(void **state)
{
    const double scores[] = {3, 2, 1, 0};
    const uint8_t marks[] = {1, 0, 1, 0};
    dkvb_audit_estimate e;

    (void)state;
    assert_ok(dkvb__audit_auc(scores, marks, 4, &e, &heap));
    /* The placements are 1, 1/2 and 1/2, 1, both with variance 1/8, so the variance of the AUC is 1/8. */
    assert_near(e.value, 0.75);
    assert_near(e.low, 0.75 - 1.959963984540054 * sqrt(0.125));
    assert_near(e.high, 1.0);
}

static void difference_of_aucs_is_paired(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        dkvb_audit_estimate e, back;
        double half, difference;

        make_scores(seed);
        difference = plain_delong(scores_a, scores_b, &half);
        assert_ok(dkvb__audit_auc_difference(scores_a, scores_b, member, N, &e, &heap));
        assert_ok(dkvb__audit_auc_difference(scores_b, scores_a, member, N, &back, &heap));
        assert_near(e.value, difference);
        assert_near(e.low, difference - half);
        assert_near(e.high, difference + half);
        assert_near(back.value, -e.value);
        assert_near(back.low, -e.high);
    }
}

/* By the delta method, the ratio of two AUCs on the same rows has the variance of the contrast a - ratio * b, divided
 * by b. */
static void privleak_is_the_difference_over_the_retrained_auc(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        dkvb_audit_estimate e, twice;
        double half, a, b;

        make_scores(seed);
        a = plain_delong(scores_a, NULL, &half);
        b = plain_delong(scores_b, NULL, &half);
        plain_contrast(scores_a, scores_b, a / b, &half);
        assert_ok(dkvb__audit_privleak(scores_a, scores_b, member, N, &e, &heap));
        assert_near(e.value, (a - b) / b);
        assert_near(e.low, (a - b) / b - half / b);
        assert_near(e.high, (a - b) / b + half / b);
        assert_ok(dkvb__audit_privleak(scores_a, scores_a, member, N, &twice, &heap));
        assert_true(twice.value == 0.0 && fabs(twice.low) < 1e-12 && fabs(twice.high) < 1e-12);
    }
}

/* If all non-members score above all members, the AUC is 0, and PrivLeak cannot be computed as a ratio. */
/* MUSE takes the AUC of the rows that were never trained on, so its sign is the opposite, and its denominator is 1 -
 * AUC. */
static void privleak_of_what_is_remembered_is_above_zero(void **state)
{
    const double remembered[] = {3, 2, 1, 0}, retrained[] = {2, 0, 3, 1}; /* scores with AUC 1, and with AUC 1/4 */
    const uint8_t marks[] = {1, 1, 0, 0}, others[] = {0, 0, 1, 1};
    dkvb_audit_estimate ours, muse;

    (void)state;
    assert_ok(dkvb__audit_privleak(remembered, retrained, marks, 4, &ours, &heap));
    assert_near(ours.value, (1.0 - 0.25) / 0.25);
    assert_ok(dkvb__audit_privleak(remembered, retrained, others, 4, &muse, &heap));
    /* MUSE's formula gives -1, printed as -100: nothing was unlearned */
    assert_near(muse.value, (0.25 - 1.0) / (1.0 - 0.25));
}

static void privleak_to_an_auc_of_zero_is_not_a_number(void **state)
{
    const double below[] = {0, 1, 2, 3}, any[] = {3, 1, 2, 0};
    const uint8_t marks[] = {1, 1, 0, 0};
    dkvb_audit_estimate e;

    (void)state;
    assert_ok(dkvb__audit_privleak(any, below, marks, 4, &e, &heap));
    assert_true(isnan(e.value) && isnan(e.low) && isnan(e.high));
    assert_ok(dkvb__audit_privleak(below, any, marks, 4, &e, &heap));
    assert_near(e.value, -1.0);
}

static void average_gap_is_the_mean_of_absolute_differences(void **state)
{
    const dkvb_audit_estimate differences[] = {{0.5, 0.4, 0.6}, {-0.25, -0.5, -0.125}, {0.0, -0.1, 0.2}, {0, 0, 0}};
    const double wider = 2.4977054744123737 / 1.959963984540054;
    dkvb_audit_estimate gap;

    (void)state;
    dkvb__audit_gap(differences, 4, &gap);
    assert_near(gap.value, (0.5 + 0.25) / 4);
    /* The second difference is -0.3125 in the middle of its interval; the interval of the third, 0.05, contains 0.
     * Either end of an interval may be the one farther from 0. */
    assert_near(gap.low, ((0.5 - 0.1 * wider) + (0.3125 - 0.1875 * wider)) / 4);
    assert_near(gap.high, ((0.5 + 0.1 * wider) + (0.3125 + 0.1875 * wider) + (0.05 + 0.15 * wider)) / 4);
    dkvb__audit_gap(differences + 2, 2, &gap);
    assert_true(gap.value == 0.0 && gap.low == 0.0 && gap.high > 0.0);
}

/* If nothing differs, at least one of four 95 % intervals excludes 0 in 18 % of cases; of four intervals of 98.75 %, in
 * 5 %. */
static void average_gap_has_no_verdict_where_one_part_differs_by_little(void **state)
{
    dkvb_audit_estimate differences[] = {{0.1, 0.01, 0.19}, {0, -0.1, 0.1}, {0, -0.1, 0.1}, {0, -0.1, 0.1}}, gap;

    (void)state;
    dkvb__audit_gap(differences, 4, &gap);
    assert_true(gap.low == 0.0);
    differences[0].low = 0.06;
    differences[0].high = 0.14;
    dkvb__audit_gap(differences, 4, &gap);
    assert_true(gap.low > 0.0);
}

static void equal_scores_differ_by_nothing_at_all(void **state)
{
    double shifted[N];
    dkvb_audit_estimate e;

    (void)state;
    make_scores(1);
    for (size_t i = 0; i < N; i++)
        shifted[i] = 3.0 * scores_a[i] + 1.0;
    assert_ok(dkvb__audit_auc_difference(scores_a, shifted, member, N, &e, &heap));
    assert_true(e.value == 0.0 && e.low == 0.0 && e.high == 0.0);
}

static void scores_that_say_nothing_have_auc_one_half(void **state)
{
    double nothing[N] = {0};
    dkvb_audit_estimate e;

    (void)state;
    make_scores(2);
    assert_ok(dkvb__audit_auc(nothing, member, N, &e, &heap));
    assert_true(e.value == 0.5 && e.low == 0.5 && e.high == 0.5);
}

static void scores_that_cannot_be_judged_are_refused(void **state)
{
    dkvb_audit_estimate e;

    (void)state;
    make_scores(3);
    scores_a[17] = NAN;
    assert_int_equal(dkvb__audit_auc(scores_a, member, N, &e, &heap), DKVB_EINVAL);
    assert_message("row 17");
    assert_int_equal(dkvb__audit_auc_difference(scores_b, scores_a, member, N, &e, &heap), DKVB_EINVAL);
    memset(member, 0, sizeof member);
    member[0] = 1;
    assert_int_equal(dkvb__audit_auc(scores_b, member, N, &e, &heap), DKVB_EINVAL);
    assert_message("1 members and 89 others");
}

static void true_positives_are_above_all_but_the_allowed_others(void **state)
{
    const double scores[] = {9, 8, 8, 7, 6, 6, 5, 1, 1, 1};
    const uint8_t marks[] = {1, 0, 1, 1, 0, 1, 1, 0, 0, 1};
    dkvb_audit_estimate e;

    (void)state;
    /* at threshold 8 only the score 9 is above; a tied score is not */
    assert_ok(dkvb__audit_tpr(scores, marks, 10, 0.0, &e, &heap));
    assert_near(e.value, 1.0 / 6.0);
    assert_ok(dkvb__audit_tpr(scores, marks, 10, 0.25, &e, &heap)); /* at threshold 6 the scores 9, 8 and 7 are above */
    assert_near(e.value, 3.0 / 6.0);
    assert_ok(dkvb__audit_tpr(scores, marks, 10, 0.5, &e, &heap)); /* at threshold 1 all members but one are above */
    assert_near(e.value, 5.0 / 6.0);
}

static void shares_have_the_interval_of_wilson(void **state)
{
    double right[10] = {0};
    dkvb_audit_estimate e;

    (void)state;
    dkvb__audit_share(right, 10, &e);
    assert_near(e.value, 0.0);
    assert_near(e.low, 0.0);
    assert_true(fabs(e.high - 0.27753) < 1e-5);
    for (size_t i = 0; i < 5; i++)
        right[i] = 1.0;
    dkvb__audit_share(right, 10, &e);
    assert_true(fabs(e.low - 0.23659) < 1e-5 && fabs(e.high - 0.76341) < 1e-5);
    dkvb__audit_share(right, 0, &e);
    assert_true(isnan(e.value) && isnan(e.low) && isnan(e.high));
}

static void shares_are_compared_row_by_row(void **state)
{
    double a[20] = {0}, b[20] = {0};
    dkvb_audit_estimate e;

    (void)state;
    dkvb__audit_share_difference(a, b, 20, &e);
    assert_near(e.value, 0.0);
    assert_near(e.high, 1.959963984540054 / 22.0); /* 20 rows without a difference do not prove that there is none */
    for (size_t i = 0; i < 20; i++) {
        a[i] = i < 9; /* model a is right on 9 rows, model b on 2 of these and on 1 other */
        b[i] = i < 2 || i == 12;
    }
    dkvb__audit_share_difference(a, b, 20, &e);
    assert_near(e.value, 6.0 / 20.0);
    assert_near(e.low, 6.0 / 22.0 - 1.959963984540054 * sqrt(7.0 + 1.0 + 1.0 - 36.0 / 22.0) / 22.0);
    assert_near(e.high, 6.0 / 22.0 + 1.959963984540054 * sqrt(7.0 + 1.0 + 1.0 - 36.0 / 22.0) / 22.0);
}

static void margins_are_log_odds_and_do_not_saturate(void **state)
{
    const float said[] = {1, 2, 3, 200, 0, 0, 5, 4, 3};
    const int32_t of[] = {1, 0, 0}, wrong[] = {0, 3, 0};
    const uint8_t first[] = {1, 0, 0}, two[] = {1, 0, 1};
    struct dkvb__answers answers = {said, of, 3, 3, NULL};
    double m[3], p = exp(2) / (exp(1) + exp(2) + exp(3));

    (void)state;
    assert_ok(dkvb__audit_margins(&answers, m));
    assert_near(m[0], log(p / (1 - p)));
    assert_near(m[1], 200 - log(2));
    answers.dropped = first;
    assert_ok(dkvb__audit_margins(&answers, m));
    assert_near(m[0], 2.0 - 3.0);
    assert_near(m[2], 4.0 - 3.0); /* the largest of the remaining logits */
    answers.dropped = two;
    assert_int_equal(dkvb__audit_margins(&answers, m), DKVB_EINVAL);
    assert_message("1 are left");
    answers = (struct dkvb__answers){said, wrong, 3, 3, NULL};
    assert_int_equal(dkvb__audit_margins(&answers, m), DKVB_EINVAL);
    assert_message("row 1 is 3");
}

enum { MANY = 400, COLUMNS = 5 };

static float logits[MANY * COLUMNS];
static int32_t of_class[MANY];
static uint8_t learned[MANY];

/* Makes random logits; if separable, the second largest logit of members is close to the largest, which an attack by
 * loss cannot see. */
static void make_outputs(bool separable)
{
    struct dkvb__rng rng;

    dkvb__rng_seed(&rng, 5, separable);
    for (size_t i = 0; i < MANY; i++) {
        float *row = logits + i * COLUMNS;

        learned[i] = dkvb__rng_below(&rng, 4) != 0;
        of_class[i] = (int32_t)dkvb__rng_below(&rng, COLUMNS);
        for (size_t l = 0; l < COLUMNS; l++)
            row[l] = (float)dkvb__rng_gauss(&rng);
        if (separable) {
            row[1] = 8.0f + (float)dkvb__rng_unit(&rng);
            row[3] = learned[i] ? row[1] - 0.1f : row[1] - 1.5f;
        }
    }
}

static const struct dkvb__answers outputs = {logits, of_class, MANY, COLUMNS, NULL};
static const struct dkvb__fitting five_folds = {5, 1.0, 0};

static double fitted_auc(const struct dkvb__fitting *how, uint32_t threads, double scores[MANY])
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_audit_estimate e;

    run.threads = threads;
    assert_ok(dkvb__audit_fitted_scores(&outputs, learned, how, scores, &heap, &run));
    assert_ok(dkvb__audit_auc(scores, learned, MANY, &e, &heap));
    return e.value;
}

static void fitted_attack_separates_what_can_be_separated_and_nothing_else(void **state)
{
    double scores[MANY];
    struct dkvb__fitting o = five_folds;

    (void)state;
    make_outputs(true);
    assert_true(fitted_auc(&five_folds, 1, scores) > 0.999);
    make_outputs(false);
    for (o.folds = 2; o.folds <= 20; o.folds *= 2) {
        double auc = fitted_auc(&o, 1, scores);

        assert_true(auc > 0.4 && auc < 0.6); /* the AUC would be higher if rows were scored by a fit to themselves */
    }
}

static void fitted_attack_is_the_same_on_any_number_of_threads(void **state)
{
    double one[MANY], three[MANY];

    (void)state;
    make_outputs(false);
    fitted_auc(&five_folds, 1, one);
    fitted_auc(&five_folds, 3, three);
    assert_memory_equal(one, three, sizeof one);
}

static void fitted_attack_ignores_what_was_dropped(void **state)
{
    const uint8_t dropped[COLUMNS] = {0, 0, 0, 1, 0};
    struct dkvb__answers left = outputs;
    double scores[MANY], again[MANY];

    (void)state;
    make_outputs(true);
    left.dropped = dropped;
    assert_ok(dkvb__audit_fitted_scores(&left, learned, &five_folds, scores, &heap, NULL));
    for (size_t i = 0; i < MANY; i++)
        logits[i * COLUMNS + 3] = (float)i;
    assert_ok(dkvb__audit_fitted_scores(&left, learned, &five_folds, again, &heap, NULL));
    assert_memory_equal(scores, again, sizeof scores);
}

/* Rows with random labels can only be memorised. The targets of the attacks are 60 members and 60 non-members. */
enum { TARGETS = 120, SHADOWS = 16 };

static uint16_t codes[ROWS * CODEBOOKS], target_codes[TARGETS * CODEBOOKS];
static uint64_t targets[TARGETS];
static uint8_t is_member[TARGETS];
static int32_t noisy[ROWS], target_labels[TARGETS];
static const struct dkvb__view target_view = {target_codes, NULL};
static const struct dkvb__shadow_rows shadow_rows = {codes, 1, noisy, ROWS, targets, TARGETS};
static dkvb_codebooks *cb;
static dkvb_train_options by_heart = DKVB_TRAIN_OPTIONS_INIT;

static int setup(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    struct dkvb__rng rng;

    (void)state;
    heap = dkvb__allocator(NULL);
    make_rows();
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes, NULL, NULL));
    dkvb__rng_seed(&rng, 11, 0);
    for (size_t i = 0; i < ROWS; i++)
        noisy[i] = (int32_t)dkvb__rng_below(&rng, CLASSES);
    for (size_t i = 0; i < TARGETS; i++) {
        targets[i] = 4 * i + 1;
        is_member[i] = i < TARGETS / 2;
        target_labels[i] = noisy[targets[i]];
        memcpy(target_codes + i * CODEBOOKS, codes + targets[i] * CODEBOOKS, CODEBOOKS * sizeof *codes);
    }
    by_heart.epochs = 10;
    by_heart.learning_rate = 2.0;
    by_heart.batch = 16;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkvb_codebooks_free(cb);
    return 0;
}

/* Trains a model on all rows that are no targets, and also on the members if `members` is true; computes the model's
 * margins of the targets. */
static dkvb_model *learn(bool members, double margins[TARGETS])
{
    static float of_targets[TARGETS * CLASSES];
    const struct dkvb__answers answers = {of_targets, target_labels, TARGETS, CLASSES, NULL};
    int32_t own[ROWS];
    dkvb_model *model;

    memcpy(own, noisy, sizeof own);
    for (size_t i = 0; i < TARGETS; i++)
        if (!members || !is_member[i])
            own[targets[i]] = -1;
    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    assert_ok(dkvb_model_train(model, codes, 1, own, ROWS, &by_heart, NULL));
    assert_ok(dkvb_model_decode(model, target_codes, 1, TARGETS, NULL, of_targets, NULL));
    assert_ok(dkvb__audit_margins(&answers, margins));
    return model;
}

static struct dkvb__shadowing shadowing_of(uint32_t shadows, const dkvb_train_options *train)
{
    return (struct dkvb__shadowing){.shadows = shadows, .train = *train, .views = &target_view, .views_count = 1};
}

static void shadows_of(const dkvb_model *model, uint32_t threads, double *margins, uint8_t *inside)
{
    const struct dkvb__shadowing how = shadowing_of(SHADOWS, &by_heart);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = threads;
    assert_ok(dkvb__audit_shadows(model, &shadow_rows, &how, margins, inside, &run));
}

static double margins_1[SHADOWS * TARGETS], margins_3[SHADOWS * TARGETS];
static uint8_t inside_1[SHADOWS * TARGETS], inside_3[SHADOWS * TARGETS];

static void likelihood_ratio_finds_members_and_none_after_training_again(void **state)
{
    double observed[TARGETS], scores[TARGETS];
    dkvb_audit_estimate found, retrained;
    dkvb_model *model = learn(true, observed);

    (void)state;
    shadows_of(model, 1, margins_1, inside_1);
    assert_ok(dkvb__audit_lira(margins_1, inside_1, SHADOWS, TARGETS, observed, scores));
    assert_ok(dkvb__audit_auc(scores, is_member, TARGETS, &found, &heap));
    dkvb_model_free(model);
    model = learn(false, observed);
    assert_ok(dkvb__audit_lira(margins_1, inside_1, SHADOWS, TARGETS, observed, scores));
    assert_ok(dkvb__audit_auc(scores, is_member, TARGETS, &retrained, &heap));
    dkvb_model_free(model);
    assert_true(found.value > 0.9);
    assert_true(retrained.low < 0.5 && retrained.high > 0.5);
}

static void every_target_is_in_half_of_the_shadows_whatever_the_threads(void **state)
{
    dkvb_model *model;

    (void)state;
    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    shadows_of(model, 1, margins_1, inside_1);
    shadows_of(model, 3, margins_3, inside_3);
    assert_memory_equal(margins_1, margins_3, sizeof margins_1);
    assert_memory_equal(inside_1, inside_3, sizeof inside_1);
    for (size_t s = 0; s < SHADOWS; s++) {
        size_t count = 0;

        for (size_t i = 0; i < TARGETS; i++) {
            count += inside_1[s * TARGETS + i];
            if (s % 2)
                assert_int_equal(inside_1[s * TARGETS + i] + inside_1[(s - 1) * TARGETS + i], 1);
        }
        assert_int_equal(count, TARGETS / 2);
    }
    dkvb_model_free(model);
}

static int stop_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    *(uint64_t *)user = total;
    return 1;
}

static void shadows_can_be_stopped(void **state)
{
    const struct dkvb__shadowing how = shadowing_of(SHADOWS, &by_heart);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint64_t total = 0;
    dkvb_model *model;

    (void)state;
    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    run.progress = stop_at_once;
    run.user = &total;
    assert_int_equal(dkvb__audit_shadows(model, &shadow_rows, &how, margins_1, inside_1, &run), DKVB_ECANCELLED);
    assert_int_equal(total, SHADOWS);
    dkvb_model_free(model);
}

static void a_target_that_no_shadow_lacks_has_no_ratio(void **state)
{
    (void)state;
    memset(inside_1, 1, sizeof inside_1);
    assert_int_equal(dkvb__audit_lira(margins_1, inside_1, SHADOWS, TARGETS, margins_3, margins_3), DKVB_EINVAL);
    assert_message("out of 0");
}

/* Returns the mean of the accuracies on target and other classes if `constant` is added to the logits of the target
 * classes. */
static double balanced(const uint8_t *target, double constant)
{
    double right[2] = {0, 0}, count[2] = {0, 0};

    for (size_t i = 0; i < MANY; i++) {
        const float *row = logits + i * COLUMNS;
        size_t best = 0;

        for (size_t l = 1; l < COLUMNS; l++)
            if ((double)row[l] + target[l] * constant > (double)row[best] + target[best] * constant)
                best = l;
        right[target[of_class[i]]] += best == (size_t)of_class[i];
        count[target[of_class[i]]]++;
    }
    return right[0] / count[0] + right[1] / count[1];
}

static void no_constant_is_better_than_the_best(void **state)
{
    const uint8_t target[COLUMNS] = {0, 1, 0, 0, 1};
    double best, constant;

    (void)state;
    make_outputs(false);
    for (size_t i = 0; i < MANY; i++)
        logits[i * COLUMNS + (size_t)of_class[i]] += 1.0f;
    assert_ok(dkvb__audit_best_constant(&outputs, target, &constant, &heap));
    best = balanced(target, constant);
    for (double other = -8; other < 8; other += 0.001)
        assert_true(balanced(target, other) <= best + 1e-12);
    /* the recovered constant is the one that was subtracted from the class's logits */
    for (size_t i = 0; i < MANY; i++)
        for (size_t l = 0; l < COLUMNS; l++)
            logits[i * COLUMNS + l] -= 4.0f * target[l];
    assert_near(balanced(target, constant + 4.0), best);
    assert_ok(dkvb__audit_best_constant(&outputs, target, &constant, &heap));
    assert_near(balanced(target, constant), best);
    assert_int_equal(dkvb__audit_best_constant(&outputs, (const uint8_t[COLUMNS]){1, 1, 1, 1, 1}, &constant, &heap),
                     DKVB_EINVAL);
}

static void the_mask_tells_which_codes_it_hit(void **state)
{
    double scores[ROWS];
    dkvb_model *model;
    dkvb_mask *mask;

    (void)state;
    assert_ok(dkvb_model_new(&model, cb, CLASSES, NULL));
    assert_ok(dkvb__audit_mask_scores(model, codes, 1, ROWS, scores));
    for (size_t r = 0; r < ROWS; r++)
        assert_true(scores[r] == 0.0);
    assert_ok(dkvb_mask_new(&mask, cb));
    for (uint32_t c = 0; c < CODEBOOKS / 2; c++)
        assert_ok(dkvb_mask_set(mask, c, codes[7 * CODEBOOKS + c], 1));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    for (int purged = 0; purged < 2; purged++) {
        assert_ok(dkvb__audit_mask_scores(model, codes, 1, ROWS, scores));
        assert_true(scores[7] == 0.5);
        for (size_t r = 0; r < ROWS; r++) {
            size_t same = 0;

            for (size_t c = 0; c < CODEBOOKS / 2; c++)
                same += codes[r * CODEBOOKS + c] == codes[7 * CODEBOOKS + c];
            assert_near(scores[r], (double)same / CODEBOOKS);
        }
        if (!purged)
            assert_ok(dkvb_model_purge(model));
    }
    dkvb_mask_free(mask);
    dkvb_model_free(model);
}

static void a_few_rows_are_drawn_from_each_class(void **state)
{
    uint8_t among[ROWS] = {0};
    struct dkvb__drawing d = {labels, among, ROWS, CLASSES, 9, 3};
    int32_t few[ROWS], again[ROWS];
    size_t count[CLASSES] = {0};

    (void)state;
    for (size_t r = 0; r < ROWS; r++)
        among[r] = labels[r] == 2 && r >= ROWS / 2;
    assert_ok(dkvb__audit_few_rows(&d, few, &heap));
    assert_ok(dkvb__audit_few_rows(&d, again, &heap));
    assert_memory_equal(few, again, sizeof few);
    for (size_t r = 0; r < ROWS; r++) {
        if (few[r] < 0)
            continue;
        assert_int_equal(few[r], labels[r]);
        assert_true(labels[r] != 2 || among[r]);
        count[few[r]]++;
    }
    for (size_t l = 0; l < CLASSES; l++)
        assert_int_equal(count[l], 9);
    d.among = NULL;
    d.per_class = ROWS;
    assert_ok(dkvb__audit_few_rows(&d, few, &heap));
    assert_memory_equal(few, labels, sizeof few);
}

/* Runs all attack functions that allocate memory, one after the other, and stops at the first failure. */
static dkvb_status attack(const dkvb_allocator *a)
{
    static const uint8_t target[COLUMNS] = {1, 0, 0, 0, 0};
    const struct dkvb__shadowing how = shadowing_of(4, &by_heart);
    const struct dkvb__drawing d = {labels, NULL, ROWS, CLASSES, 2, 0};
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    double scores[MANY], constant;
    int32_t few[ROWS];
    dkvb_audit_estimate e;
    dkvb_model *model = NULL;
    dkvb_status rc;

    options.allocator = a;
    if ((rc = dkvb__audit_fitted_scores(&outputs, learned, &five_folds, scores, a, NULL)) ||
        (rc = dkvb__audit_auc(scores, learned, MANY, &e, a)) ||
        (rc = dkvb__audit_tpr(scores, learned, MANY, 0, &e, a)) ||
        (rc = dkvb__audit_auc_difference(scores, scores, learned, MANY, &e, a)) ||
        (rc = dkvb__audit_best_constant(&outputs, target, &constant, a)) || (rc = dkvb__audit_few_rows(&d, few, a)) ||
        (rc = dkvb_model_new(&model, cb, CLASSES, &options)))
        return rc;
    rc = dkvb__audit_shadows(model, &shadow_rows, &how, margins_1, inside_1, NULL);
    dkvb_model_free(model);
    return rc;
}

/* Computes the attack RMIA directly as in Zarifzadeh et al. 2024: from probabilities and their ratios, a row's score is
 * the fraction of the population whose ratio it exceeds. At gamma 1 this fraction must grow with the library's
 * score. */
static void relative_membership_ranks_as_the_share_of_the_population_that_is_passed(void **state)
{
    enum { REFERENCES = 4 };
    double margins[REFERENCES * N], observed[N], ratio[N], found[N], passed[N];
    struct dkvb__rng rng;

    (void)state;
    make_scores(3);
    dkvb__rng_seed(&rng, 8, 0);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;

        observed[i] = dkvb__rng_gauss(&rng);
        for (size_t r = 0; r < REFERENCES; r++) {
            margins[r * N + i] = 2.0 * dkvb__rng_gauss(&rng);
            sum += 1.0 / (1.0 + exp(-margins[r * N + i]));
        }
        ratio[i] = 1.0 / (1.0 + exp(-observed[i])) / (sum / REFERENCES);
    }
    dkvb__audit_rmia(margins, REFERENCES, N, observed, found);
    for (size_t i = 0; i < N; i++) {
        passed[i] = 0;
        assert_near(found[i], log(ratio[i]));
        for (size_t z = 0; z < N; z++)
            passed[i] += !member[z] && ratio[i] / ratio[z] >= 1.0;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t z = 0; z < N; z++)
            assert_true(found[i] <= found[z] ? passed[i] <= passed[z] : passed[i] >= passed[z]);
}

/* If all members score above all non-members, every member is found, even if a single false alarm exceeds the allowed
 * rate. */
static void relative_membership_that_separates_finds_every_member(void **state)
{
    enum { ROWS_OF_KIND = 20, BOTH = 2 * ROWS_OF_KIND };
    double margins[2 * BOTH], observed[BOTH], found[BOTH];
    uint8_t marks[BOTH];
    dkvb_audit_estimate e;

    (void)state;
    for (size_t i = 0; i < BOTH; i++) {
        marks[i] = i < ROWS_OF_KIND;
        observed[i] = (marks[i] ? 3.0 : -3.0) + (double)i / BOTH;
        margins[i] = margins[BOTH + i] = 0.0;
    }
    dkvb__audit_rmia(margins, 2, BOTH, observed, found);
    assert_ok(dkvb__audit_auc(found, marks, BOTH, &e, &heap));
    assert_true(e.value == 1.0);
    for (int which = 0; which < 2; which++) {
        assert_ok(dkvb__audit_tpr(found, marks, BOTH, which ? 0.01 : 0.001, &e, &heap));
        assert_true(e.value == 1.0);
    }
}

/* Even if a probability rounds to 0 or 1 in double precision, the row still has a margin, so rows keep their order. */
static void relative_membership_does_not_saturate(void **state)
{
    const double observed[] = {-900, -901, 900, -902}, margins[] = {-900, -900, 800, -900, -900, -900, 800, -900};
    double scores[4];

    (void)state;
    dkvb__audit_rmia(margins, 2, 4, observed, scores);
    assert_near(scores[0], 0.0);
    assert_near(scores[1], -1.0);
    assert_near(scores[2], 0.0);
    assert_near(scores[3], -2.0);
}

static void prototypes_are_means_of_groups_of_a_class(void **state)
{
    enum { COUNT = 7, WIDE = 2 };
    const float x[COUNT * WIDE] = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 100, 1, 200, 1};
    const int32_t y[COUNT] = {0, 0, 0, 0, 0, 2, -1};
    struct dkvb__grouping g = {x, WIDE, y, COUNT, 3, 2, 4};
    float means[3 * COUNT * WIDE];
    int32_t of[3 * COUNT];
    size_t count;

    (void)state;
    assert_ok(dkvb__audit_prototypes(&g, means, of, &count, &heap));
    assert_int_equal(count, 3); /* draws two rows of class 0, the only row of class 2, and none of class 1 */
    assert_true(of[0] == 0 && of[1] == 0 && of[2] == 2);
    /* The two groups have three rows and two rows; each mean is rounded to float once. */
    assert_true(fabsf(3.0f * means[0] + 2.0f * means[WIDE] - 15.0f) < 1e-5f);
    assert_true(fabsf(means[1] - 10.0f * means[0]) < 1e-5f);
    assert_true(means[2 * WIDE] == 100.0f);
    g.groups = 1;
    assert_ok(dkvb__audit_prototypes(&g, means, of, &count, &heap));
    assert_int_equal(count, 2);
    assert_true(means[0] == 3.0f && means[1] == 30.0f);
    g.groups = COUNT;
    assert_ok(dkvb__audit_prototypes(&g, means, of, &count, &heap));
    assert_int_equal(count, 6); /* each group has one row, in any order */
    assert_true(means[0] + means[2] + means[4] + means[6] + means[8] == 15.0f);
}

/* Computes KLoM directly as in Georgiev et al. 2024: 20 bins over both samples, fractions in each bin, a floor under
 * the fractions of q. */
static double plain_klom(const float *p, const float *q, size_t models, size_t wide, size_t row)
{
    double low = 1e9, high = -1e9, of_p[20] = {0}, of_q[20] = {0}, all = 0, sum = 0;

    for (size_t m = 0; m < models; m++)
        for (int which = 0; which < 2; which++) {
            double margin = (double)(which ? q : p)[m * wide + row];

            margin = margin > 100 ? 100 : margin < -100 ? -100 : margin;
            low = margin < low ? margin : low;
            high = margin > high ? margin : high;
        }
    for (size_t m = 0; m < models; m++)
        for (int which = 0; which < 2; which++) {
            double margin = (double)(which ? q : p)[m * wide + row];
            int bin = 19;

            margin = margin > 100 ? 100 : margin < -100 ? -100 : margin;
            while (bin > 0 && margin < low + (high - low) / 20 * bin)
                bin--;
            (which ? of_q : of_p)[bin] += 1.0 / (double)models;
        }
    for (int b = 0; b < 20; b++) {
        if (of_p[b] > 0 && of_q[b] < 1e-5)
            of_q[b] = 1e-5;
        all += of_q[b];
    }
    for (int b = 0; b < 20; b++)
        if (of_p[b] > 0)
            sum += of_p[b] * log(of_p[b] * all / of_q[b]);
    return sum;
}

static void klom_is_the_divergence_of_shared_histograms(void **state)
{
    enum { MODELS = 30, WIDE = 5 };
    float p[MODELS * WIDE], q[MODELS * WIDE];
    double found[WIDE];
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < MODELS * WIDE; i++) {
        p[i] = (float)dkvb__rng_gauss(&rng) + (float)(i % WIDE);
        q[i] = (float)dkvb__rng_gauss(&rng);
    }
    for (size_t m = 0; m < MODELS; m++) {
        /* row 3 has the same margins in both samples, in another order */
        p[m * WIDE + 3] = q[((m + 7) % MODELS) * WIDE + 3];
        p[m * WIDE + 4] = m % 2 ? 1e6f : -1e6f; /* clipped */
    }
    dkvb__audit_klom(p, q, MODELS, WIDE, found);
    for (size_t r = 0; r < WIDE; r++)
        assert_near(found[r], plain_klom(p, q, MODELS, WIDE, r));
    assert_near(found[3], 0.0);
    assert_true(found[0] < found[1] && found[1] < found[2]);
}

static void klom_of_models_apart_ends_at_the_floor_of_a_share(void **state)
{
    const float p[] = {5, 2, 5, 2, 5, 2}, q[] = {-5, 2, -5, 2, -5, 2};
    double found[2];

    (void)state;
    dkvb__audit_klom(p, q, 3, 2, found);
    assert_near(found[0], log((1.0 + 1e-5) / 1e-5));
    assert_near(found[1], 0.0); /* all margins are equal, and lie in one bin */
}

/* If two ensembles of models differ by noise alone, their KLoM is within the noise estimated by dealing the models
 * anew, though all rows share the same models. */
static void noise_of_klom_is_that_of_models_dealt_anew(void **state)
{
    enum { MODELS = 20, WIDE = 8, TRIALS = 40 };
    static float p[MODELS * WIDE], floor[MODELS * WIDE], q[MODELS * WIDE];
    static double of_p[WIDE], of_floor[WIDE];
    const size_t sizes[] = {WIDE / 2, 0, WIDE / 2};
    const struct dkvb__klom_pair pair = {p, floor, q, MODELS, WIDE};
    struct dkvb__run run[2] = {{.threads = 1}, {.threads = 3}};
    int outside = 0, beyond = 0;

    (void)state;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        double half[3], again[3], gap = 0;
        struct dkvb__rng rng;

        dkvb__rng_seed(&rng, 11, trial);
        for (size_t m = 0; m < MODELS; m++) { /* a random shift of a model applies to all its rows */
            double draws[3] = {dkvb__rng_gauss(&rng), dkvb__rng_gauss(&rng), dkvb__rng_gauss(&rng)};

            for (size_t r = 0; r < WIDE; r++) {
                p[m * WIDE + r] = (float)draws[0];
                floor[m * WIDE + r] = (float)draws[1];
                q[m * WIDE + r] = (float)draws[2];
            }
        }
        assert_ok(dkvb__audit_klom_noise(&pair, sizes, 3, trial, half, &heap, &run[0]));
        assert_ok(dkvb__audit_klom_noise(&pair, sizes, 3, trial, again, &heap, &run[1]));
        assert_memory_equal(half, again, sizeof half);
        assert_true(half[1] == 0.0);
        dkvb__audit_klom(p, q, MODELS, WIDE, of_p);
        dkvb__audit_klom(floor, q, MODELS, WIDE, of_floor);
        for (size_t r = 0; r < WIDE / 2; r++)
            gap += (of_p[r] - of_floor[r]) / (WIDE / 2);
        outside += fabs(gap) > half[0];
        for (size_t i = 0; i < MODELS * WIDE; i++)
            p[i] += 9.0f;
        assert_ok(dkvb__audit_klom_noise(&pair, sizes, 3, trial, half, &heap, &run[0]));
        dkvb__audit_klom(p, q, MODELS, WIDE, of_p);
        beyond += of_p[0] - of_floor[0] > half[0];
    }
    /* of 40 trials, each outside with 5 %, more than 7 are outside with a chance of 1 in 1,000 */
    assert_true(outside <= 7);
    assert_int_equal(beyond, TRIALS); /* ensembles that differ much are never within the noise */
}

static int stop_the_noise(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    assert_true(done <= total);
    return 1;
}

static void noise_of_klom_can_be_stopped(void **state)
{
    static const float p[2 * 3] = {0};
    const struct dkvb__klom_pair pair = {p, p, p, 2, 3};
    const struct dkvb__run run = {.threads = 1, .progress = stop_the_noise};
    const size_t sizes[] = {3};
    double half;

    (void)state;
    assert_int_equal(dkvb__audit_klom_noise(&pair, sizes, 1, 0, &half, &heap, &run), DKVB_ECANCELLED);
}

static void means_and_quantiles_of_rows_have_intervals(void **state)
{
    double values[100];
    dkvb_audit_estimate e;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        values[i] = (double)((i * 37) % 100 + 1); /* 1 to 100 */
    dkvb__audit_mean(values, 100, &e);
    assert_near(e.value, 50.5);
    assert_near(e.high - e.value,
                1.959963984540054 * sqrt(100.0 * 101 / 12 / 100)); /* the numbers 1 to n have variance n (n + 1) / 12 */
    assert_ok(dkvb__audit_quantile(values, 100, 0.95, &e, &heap));
    assert_true(e.value == 95 && e.low == 91 && e.high == 100); /* ranks 95 +- 1.96 sqrt(100 * .95 * .05), rounded up */
    assert_ok(dkvb__audit_quantile(values, 100, 0.5, &e, &heap));
    assert_true(e.value == 50 && e.low == 41 && e.high == 60);
    assert_ok(dkvb__audit_quantile(values, 1, 0.5, &e, &heap));
    assert_true(e.value == 1 && e.low == 1 && e.high == 1);
    assert_ok(dkvb__audit_quantile(values, 0, 0.5, &e, &heap));
    assert_true(isnan(e.value) && isnan(e.low));
    dkvb__audit_mean(values, 0, &e);
    assert_true(isnan(e.value));
}

static void every_allocation_of_an_attack_may_fail(void **state)
{
    (void)state;
    make_outputs(false);
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_status rc = attack(&a);

        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK) {
            assert_true(fail_at > 20);
            return;
        }
        assert_int_equal(rc, DKVB_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_and_its_interval_are_those_of_all_pairs),
        cmocka_unit_test(auc_of_four_rows_is_what_a_hand_works_out),
        cmocka_unit_test(difference_of_aucs_is_paired),
        cmocka_unit_test(privleak_is_the_difference_over_the_retrained_auc),
        cmocka_unit_test(privleak_of_what_is_remembered_is_above_zero),
        cmocka_unit_test(privleak_to_an_auc_of_zero_is_not_a_number),
        cmocka_unit_test(average_gap_is_the_mean_of_absolute_differences),
        cmocka_unit_test(average_gap_has_no_verdict_where_one_part_differs_by_little),
        cmocka_unit_test(equal_scores_differ_by_nothing_at_all),
        cmocka_unit_test(scores_that_say_nothing_have_auc_one_half),
        cmocka_unit_test(scores_that_cannot_be_judged_are_refused),
        cmocka_unit_test(true_positives_are_above_all_but_the_allowed_others),
        cmocka_unit_test(shares_have_the_interval_of_wilson),
        cmocka_unit_test(shares_are_compared_row_by_row),
        cmocka_unit_test(margins_are_log_odds_and_do_not_saturate),
        cmocka_unit_test(fitted_attack_separates_what_can_be_separated_and_nothing_else),
        cmocka_unit_test(fitted_attack_is_the_same_on_any_number_of_threads),
        cmocka_unit_test(fitted_attack_ignores_what_was_dropped),
        cmocka_unit_test(likelihood_ratio_finds_members_and_none_after_training_again),
        cmocka_unit_test(every_target_is_in_half_of_the_shadows_whatever_the_threads),
        cmocka_unit_test(shadows_can_be_stopped),
        cmocka_unit_test(a_target_that_no_shadow_lacks_has_no_ratio),
        cmocka_unit_test(no_constant_is_better_than_the_best),
        cmocka_unit_test(the_mask_tells_which_codes_it_hit),
        cmocka_unit_test(a_few_rows_are_drawn_from_each_class),
        cmocka_unit_test(relative_membership_ranks_as_the_share_of_the_population_that_is_passed),
        cmocka_unit_test(relative_membership_that_separates_finds_every_member),
        cmocka_unit_test(relative_membership_does_not_saturate),
        cmocka_unit_test(prototypes_are_means_of_groups_of_a_class),
        cmocka_unit_test(klom_is_the_divergence_of_shared_histograms),
        cmocka_unit_test(klom_of_models_apart_ends_at_the_floor_of_a_share),
        cmocka_unit_test(noise_of_klom_is_that_of_models_dealt_anew),
        cmocka_unit_test(noise_of_klom_can_be_stopped),
        cmocka_unit_test(means_and_quantiles_of_rows_have_intervals),
        cmocka_unit_test(every_allocation_of_an_attack_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
