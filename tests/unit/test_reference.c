/* Tests of linear heads: the fit minimises the loss, removing rows gives the head fitted without them, and impossible
 * requests are refused. */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dkvb/choose.h>
#include <dkvb/reference.h>

enum { N = 240, DIM = 7, L = 4, TEST = 60 };

static float x[N * DIM], test_x[TEST * DIM];
static int32_t y[N], test_y[TEST];

#define assert_reference(call)                                                                                         \
    do {                                                                                                               \
        dkvb_status status_ = (call);                                                                                  \
        if (status_)                                                                                                   \
            fail_msg("%d: %s", status_, dkvb_reference_error());                                                       \
    } while (0)

static void assert_says(const char *text)
{
    if (!strstr(dkvb_reference_error(), text))
        fail_msg("no '%s' in: %s", text, dkvb_reference_error());
}

/* An allocator that fails from its `fail_at`-th call on, and counts live blocks. */
struct failing_alloc {
    size_t calls, fail_at;
    long live;
};

static void *counting_alloc(void *user, size_t size)
{
    struct failing_alloc *state = user;
    void *ptr = state->calls++ >= state->fail_at ? NULL : malloc(size);

    if (ptr)
        memset(ptr, 0xA5, size); /* fills new memory with junk, as code must not rely on zeros */
    state->live += ptr != NULL;
    return ptr;
}

static void counting_release(void *user, void *ptr)
{
    struct failing_alloc *state = user;

    state->live--;
    free(ptr);
}

static dkvb_allocator failing_allocator(struct failing_alloc *state, size_t fail_at)
{
    *state = (struct failing_alloc){0, fail_at, 0};
    return (dkvb_allocator){counting_alloc, counting_release, state};
}

/* Makes rows in overlapping clouds, one for each class, far from 0, with columns of different scales. */
static void fill(float *to, int32_t *labels, size_t n, uint32_t *state)
{
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i * 7 % L);
        for (size_t d = 0; d < DIM; d++) {
            float noise = 0;

            for (int k = 0; k < 4; k++) {
                *state = *state * 1664525u + 1013904223u;
                noise += (float)(*state >> 8) / 16777216.0F - 0.5F;
            }
            to[i * DIM + d] = 10.0F + (float)(d + 1) * (noise + ((int32_t)d % L == labels[i] ? 1.0F : 0.0F));
        }
    }
}

static int setup(void **state)
{
    uint32_t random = 9;

    (void)state;
    fill(x, y, N, &random);
    fill(test_x, test_y, TEST, &random);
    memcpy(test_x + 5 * DIM, test_x + 4 * DIM, DIM * sizeof *test_x); /* two equal rows of different classes */
    memcpy(test_x + 6 * DIM, test_x + 4 * DIM, DIM * sizeof *test_x);
    return 0;
}

static dkvb_reference_rows training(const int32_t *labels)
{
    dkvb_reference_rows rows = DKVB_REFERENCE_ROWS_INIT;

    rows.x = x;
    rows.labels = labels;
    rows.n = N;
    rows.dim = DIM;
    rows.classes = L;
    return rows;
}

static dkvb_reference_rows testing(void)
{
    dkvb_reference_rows rows = training(test_y);

    rows.x = test_x;
    rows.n = TEST;
    return rows;
}

static dkvb_reference_options options(uint32_t kind, double penalty)
{
    dkvb_reference_options o = DKVB_REFERENCE_OPTIONS_INIT;

    o.kind = kind;
    o.penalty = penalty;
    return o;
}

static dkvb_reference *fit(const int32_t *labels, uint32_t kind, double penalty)
{
    dkvb_reference_rows rows = training(labels);
    dkvb_reference_options o = options(kind, penalty);
    dkvb_reference *head = NULL;

    assert_reference(dkvb_reference_fit(&head, &rows, &o, NULL));
    return head;
}

static dkvb_reference_info info_of(const dkvb_reference *head)
{
    dkvb_reference_info info = DKVB_REFERENCE_INFO_INIT;

    assert_reference(dkvb_reference_get_info(head, &info));
    return info;
}

/* Computes the weights of a head from its scores of the zero vector and of the unit vectors. */
static void weights_of(const dkvb_reference *head, double weight[L][DIM])
{
    static double at[(DIM + 1) * L];
    float where[(DIM + 1) * DIM] = {0};

    for (size_t d = 0; d < DIM; d++)
        where[(d + 1) * DIM + d] = 1.0F;
    assert_reference(dkvb_reference_predict(head, where, DIM + 1, NULL, at));
    for (size_t l = 0; l < L; l++)
        for (size_t d = 0; d < DIM; d++)
            weight[l][d] = at[(d + 1) * L + l] - at[l];
}

/* Returns the largest element of the gradient of a head's loss, computed from its scores: the logistic loss if `soft`,
 * else half the ridge loss.
 */
static double gradient_of(const dkvb_reference *head, const int32_t *labels, bool soft)
{
    static double scores[N * L];
    double weight[L][DIM], mean[DIM] = {0}, square = 0, n = 0, most = 0, scale;
    dkvb_reference_info info = info_of(head);

    assert_reference(dkvb_reference_predict(head, x, N, NULL, scores));
    weights_of(head, weight);
    for (size_t i = 0; i < N; i++)
        for (size_t d = 0; labels[i] >= 0 && d < DIM; d++) {
            mean[d] += (double)x[i * DIM + d];
            square += (double)x[i * DIM + d] * (double)x[i * DIM + d];
            n += d == 0;
        }
    scale = sqrt(square / (n * DIM));
    assert_true(fabs(scale - info.scale) < 1e-12 * scale);
    assert_true((double)info.rows == n);
    for (size_t l = 0; l < L; l++)
        for (size_t d = 0; isfinite(scores[l]) && d <= DIM; d++) { /* the last element is that of the intercept */
            double g = d < DIM ? info.penalty * weight[l][d] * scale : 0.0;

            for (size_t i = 0; i < N; i++) {
                double sum = 0, p = scores[i * L + l];

                if (labels[i] < 0)
                    continue;
                for (size_t k = 0; soft && k < L; k++)
                    sum += exp(scores[i * L + k] - scores[i * L + l]);
                p = soft ? 1 / sum : p;
                g += (p - (labels[i] == (int32_t)l)) *
                     (d < DIM ? ((double)x[i * DIM + d] - mean[d] / n) / scale : 1.0) / n;
            }
            most = fabs(g) > most ? fabs(g) : most;
        }
    return most;
}

static void ridge_is_where_its_loss_is_least(void **state)
{
    static const double penalties[] = {1e-6, 0.01, 3};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        dkvb_reference *head = fit(y, DKVB_REFERENCE_RIDGE, penalties[i]);

        assert_true(info_of(head).penalty == penalties[i] && !info_of(head).chosen && info_of(head).converged);
        assert_true(gradient_of(head, y, false) < 1e-11);
        dkvb_reference_free(head);
    }
}

static void logistic_is_where_its_loss_is_least(void **state)
{
    static const double penalties[] = {1e-4, 0.01, 3};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        dkvb_reference *head = fit(y, DKVB_REFERENCE_LOGISTIC, penalties[i]);

        assert_true(info_of(head).converged && info_of(head).iterations > 0 && info_of(head).gradient <= 1e-5);
        assert_true(gradient_of(head, y, true) < 1.5e-5); /* the fit's tolerance, plus rounding to float */
        dkvb_reference_free(head);
    }
}

static void a_head_says_that_it_did_not_converge(void **state)
{
    dkvb_reference_rows rows = training(y);
    dkvb_reference_options o = options(DKVB_REFERENCE_LOGISTIC, 1e-4);
    dkvb_reference *head;

    (void)state;
    o.iterations = 2;
    assert_reference(dkvb_reference_fit(&head, &rows, &o, NULL));
    assert_true(!info_of(head).converged && info_of(head).iterations == 2 && info_of(head).gradient > 1e-5);
    dkvb_reference_free(head);
}

static void assert_same_scores(const dkvb_reference *a, const dkvb_reference *b, double within)
{
    static double of_a[TEST * L], of_b[TEST * L];

    assert_reference(dkvb_reference_predict(a, test_x, TEST, NULL, of_a));
    assert_reference(dkvb_reference_predict(b, test_x, TEST, NULL, of_b));
    for (size_t i = 0; i < TEST * L; i++)
        assert_true(of_a[i] == of_b[i] || fabs(of_a[i] - of_b[i]) <= within);
}

/* Splits the labels into those of removed rows, for which gone() is true, and those of kept rows; all others are -1. */
static void split(int32_t *kept, int32_t *removed, bool (*gone)(size_t))
{
    for (size_t i = 0; i < N; i++) {
        kept[i] = gone(i) ? -1 : y[i];
        removed[i] = gone(i) ? y[i] : -1;
    }
}

static bool some_rows(size_t i)
{
    return i % 6 == 1 || i < 20;
}

static bool rows_of_class_2(size_t i)
{
    return y[i] == 2;
}

static void removed_rows_leave_the_head_that_never_had_them(void **state)
{
    bool (*const sets[])(size_t) = {some_rows, rows_of_class_2};
    int32_t kept[N], removed[N], answers[TEST];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        dkvb_reference *head = fit(y, DKVB_REFERENCE_RIDGE, 1e-3), *never;
        dkvb_reference_rows rows;

        split(kept, removed, sets[i]);
        never = fit(kept, DKVB_REFERENCE_RIDGE, 1e-3);
        rows = training(removed);
        assert_reference(dkvb_reference_remove(head, &rows, NULL));
        assert_same_scores(head, never, 1e-9);
        assert_true(info_of(head).rows == info_of(never).rows && info_of(head).empty == i);
        assert_true(fabs(info_of(head).scale - info_of(never).scale) < 1e-12);
        assert_true(gradient_of(head, kept, false) < 1e-11);
        assert_reference(dkvb_reference_predict(head, test_x, TEST, answers, NULL));
        for (size_t r = 0; r < TEST; r++)
            assert_true(i == 0 || answers[r] != 2);
        dkvb_reference_free(never);
        dkvb_reference_free(head);
    }
}

static void rows_that_cannot_be_in_are_not_taken_out(void **state)
{
    dkvb_reference *head = fit(y, DKVB_REFERENCE_RIDGE, 1e-3), *as_before = fit(y, DKVB_REFERENCE_RIDGE, 1e-3);
    dkvb_reference *logistic = fit(y, DKVB_REFERENCE_LOGISTIC, 1e-3);
    int32_t labels[N];
    dkvb_reference_rows rows = training(labels);

    (void)state;
    for (size_t i = 0; i < N; i++)
        labels[i] = 3;
    assert_int_equal(dkvb_reference_remove(head, &rows, NULL), DKVB_EINVAL);
    assert_says("labels: row 60 is of class 3, of which only 60 rows are in");
    for (size_t i = 0; i < N; i++)
        labels[i] = y[i] == 1 ? -1 : y[i];
    assert_int_equal(dkvb_reference_remove(head, &rows, NULL), DKVB_EINVAL);
    assert_says("1 class would be left");
    rows.classes = L + 1;
    assert_int_equal(dkvb_reference_remove(head, &rows, NULL), DKVB_EMISMATCH);
    rows = training(labels);
    assert_int_equal(dkvb_reference_remove(logistic, &rows, NULL), DKVB_ESTATE);
    assert_same_scores(head, as_before, 0);
    dkvb_reference_free(logistic);
    dkvb_reference_free(as_before);
    dkvb_reference_free(head);
}

/* Copies the rows into `to`, float[N][DIM], with rows of class 2 multiplied by `by`. */
static void enlarge(float *to, float by)
{
    for (size_t i = 0; i < N * DIM; i++)
        to[i] = x[i] * (rows_of_class_2(i / DIM) ? by : 1.0F);
}

/* If some rows are much larger than the others, removing them from a ridge head is inexact by the rounding of their
 * squares; the library refuses before more than the sixth digit is wrong. */
static void rows_too_large_to_be_taken_out_exactly_are_not_taken_out(void **state)
{
    static const float factors[] = {100, 1e4F, 1e7F, 1e9F, 1e12F};
    static float odd[N * DIM];
    int32_t kept[N], removed[N];

    (void)state;
    split(kept, removed, rows_of_class_2);
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        dkvb_reference_options o = options(DKVB_REFERENCE_RIDGE, 1e-3);
        dkvb_reference_rows rows = training(y);
        dkvb_reference *head, *as_before, *never = fit(kept, DKVB_REFERENCE_RIDGE, 1e-3);
        dkvb_status rc;

        enlarge(odd, factors[i]);
        rows.x = odd;
        assert_reference(dkvb_reference_fit(&head, &rows, &o, NULL));
        assert_reference(dkvb_reference_fit(&as_before, &rows, &o, NULL));
        rows.labels = removed;
        rc = dkvb_reference_remove(head, &rows, NULL);
        assert_int_equal(rc, i == 0 ? DKVB_OK : DKVB_ESTATE);
        if (rc)
            assert_says(
                "so much larger than those left that rounding would be all that is left of these: fit the head again");
        assert_same_scores(head, rc ? as_before : never, rc ? 0 : 1e-6);
        assert_true(info_of(head).rows == (rc ? N : N - 60));
        dkvb_reference_free(never);
        dkvb_reference_free(as_before);
        dkvb_reference_free(head);
    }
}

static void a_class_without_rows_is_never_answered(void **state)
{
    int32_t kept[N], removed[N], answers[TEST];
    double scores[TEST * L];

    (void)state;
    split(kept, removed, rows_of_class_2);
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++) {
        dkvb_reference *head = fit(kept, kind, 0);

        assert_reference(dkvb_reference_predict(head, test_x, TEST, answers, scores));
        assert_int_equal(info_of(head).empty, 1);
        for (size_t i = 0; i < TEST; i++)
            assert_true(answers[i] != 2 && isinf(scores[i * L + 2]) && scores[i * L + 2] < 0);
        dkvb_reference_free(head);
    }
}

static void any_shape_can_be_fitted(void **state)
{
    static const float few[3 * 5] = {1, 2, 3, 4, 5, -1, 0, 2, 2, 1, 0, 0, 1, 1, 9};
    static const float zero[3 * 5];
    static const int32_t labels[3] = {0, 1, 0};
    int32_t answers[3];

    (void)state;
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++)
        for (uint32_t dim = 1; dim <= 5; dim += 4)
            for (int nothing = 0; nothing < 2; nothing++) {
                dkvb_reference_options o = options(kind, 0);
                dkvb_reference_rows rows = DKVB_REFERENCE_ROWS_INIT;
                dkvb_reference *head;

                rows.x = nothing ? zero : few;
                rows.labels = labels;
                rows.n = 3;
                rows.dim = dim;
                rows.classes = 3;
                assert_reference(dkvb_reference_fit(&head, &rows, &o, NULL));
                assert_reference(dkvb_reference_predict(head, rows.x, 3, answers, NULL));
                assert_true(nothing ? answers[0] == 0 && answers[1] == 0 : dim == 1 || answers[1] == 1);
                assert_reference(dkvb_reference_predict(head, NULL, 0, NULL, NULL));
                dkvb_reference_free(head);
            }
}

static void units_of_rows_do_not_matter(void **state)
{
    static float other[N * DIM], other_test[TEST * DIM];
    static double as_is[TEST * L], scaled[TEST * L];
    dkvb_reference_rows rows = training(y);
    dkvb_reference *head;

    (void)state;
    rows.x = other;
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++)
        for (int power = -120; power <= 120; power += 30) {
            dkvb_reference_options o = options(kind, 0.01);
            dkvb_reference *plain = fit(y, kind, 0.01);
            dkvb_status rc;

            for (size_t i = 0; i < N * DIM; i++)
                other[i] = ldexpf(x[i], power);
            for (size_t i = 0; i < TEST * DIM; i++)
                other_test[i] = ldexpf(test_x[i], power);
            rc = dkvb_reference_fit(&head, &rows, &o, NULL);
            if (kind == DKVB_REFERENCE_LOGISTIC && abs(power) == 120) {
                assert_int_equal(rc, DKVB_EINVAL);
                assert_says("root mean square is ");
            } else {
                assert_reference(rc);
                assert_reference(dkvb_reference_predict(plain, test_x, TEST, NULL, as_is));
                assert_reference(dkvb_reference_predict(head, other_test, TEST, NULL, scaled));
                for (size_t i = 0; i < TEST * L; i++)
                    assert_true(fabs(as_is[i] - scaled[i]) < (kind == DKVB_REFERENCE_RIDGE ? 1e-9 : 1e-3));
            }
            dkvb_reference_free(head);
            dkvb_reference_free(plain);
        }
}

static void assert_refused(const dkvb_reference_rows *rows, const dkvb_reference_options *o, const char *text)
{
    dkvb_reference *head = (dkvb_reference *)(void *)x;

    assert_int_equal(dkvb_reference_fit(&head, rows, o, NULL), DKVB_EINVAL);
    assert_null(head);
    assert_says(text);
}

static void rows_that_cannot_be_are_refused(void **state)
{
    static float odd[N * DIM];
    int32_t labels[N];
    dkvb_reference_rows rows = training(y);

    (void)state;
    memcpy(odd, x, sizeof odd);
    memcpy(labels, y, sizeof labels);
    rows.x = odd;
    odd[5 * DIM + 3] = NAN;
    assert_refused(&rows, NULL, "rows: row 5, column 3 is ");
    odd[5 * DIM + 3] = -INFINITY;
    assert_refused(&rows, NULL, "rows: row 5, column 3 is -inf, it must be finite");
    rows = training(labels);
    labels[9] = L;
    assert_refused(&rows, NULL, "labels: row 9 is 4, it must be -1 to 3");
    labels[9] = -2;
    assert_refused(&rows, NULL, "labels: row 9 is -2");
    for (size_t i = 0; i < N; i++)
        labels[i] = i == 3 ? 2 : -1; /* one row */
    assert_refused(&rows, NULL, "labels: 1 class has rows, at least 2 are wanted");
    rows.n = 0;
    assert_refused(&rows, NULL, "labels: 0 classes have rows");
    rows = training(y), rows.dim = 0;
    assert_refused(&rows, NULL, "dim is 0");
    rows = training(y), rows.dim = 65537;
    assert_refused(&rows, NULL, "dim is 65537");
    rows = training(y), rows.classes = 1;
    assert_refused(&rows, NULL, "classes is 1");
    rows = training(y), rows.x = NULL;
    assert_refused(&rows, NULL, "rows: NULL");
    rows = training(NULL);
    assert_refused(&rows, NULL, "labels: NULL");
    rows = training(y), rows.n = SIZE_MAX / 8;
    assert_refused(&rows, NULL, "more than memory has");
    rows = training(y), rows.struct_size = 3;
    assert_refused(&rows, NULL, "struct_size is 3");
    assert_refused(NULL, NULL, "rows: NULL");
}

static void options_that_cannot_be_are_refused(void **state)
{
    const dkvb_reference_rows rows = training(y);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_reference_options o = options(3, 0);
    dkvb_reference *head;

    (void)state;
    assert_refused(&rows, &o, "kind is 3");
    o = options(1, -1);
    assert_refused(&rows, &o, "penalty is -1");
    o = options(1, NAN);
    assert_refused(&rows, &o, "penalty is ");
    o = options(1, 1e-10);
    assert_refused(&rows, &o, "penalty is 1e-10");
    o = options(2, 0), o.tolerance = 0;
    assert_refused(&rows, &o, "tolerance is 0");
    o = options(2, 0), o.iterations = 0;
    assert_refused(&rows, &o, "iterations is 0");
    run.threads = 1025;
    assert_int_equal(dkvb_reference_fit(&head, &rows, NULL, &run), DKVB_EINVAL);
    assert_says("1025 threads");
    assert_int_equal(dkvb_reference_fit(NULL, &rows, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_reference_remove(NULL, &rows, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_reference_predict(NULL, x, 1, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_reference_get_info(NULL, NULL), DKVB_EINVAL);
    dkvb_reference_free(NULL);
    dkvb_reference_report_free(NULL);
}

/* The chosen penalty depends on the set of rows, not on their order, and not on rows without a label. */
static void the_penalty_is_chosen_by_the_ids_of_rows(void **state)
{
    static float turned[(N + 10) * DIM];
    static uint64_t ids[N + 10];
    static int32_t labels[N + 10];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        memcpy(turned + (N - 1 - i) * DIM, x + i * DIM, DIM * sizeof *x);
        ids[N - 1 - i] = i;
        labels[N - 1 - i] = y[i];
    }
    for (size_t i = N; i < N + 10; i++) {
        ids[i] = i;
        labels[i] = -1;
    }
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++) {
        dkvb_reference *head = fit(y, kind, 0), *other;
        dkvb_reference_options o = options(kind, 0);
        dkvb_reference_rows rows = training(labels);

        rows.x = turned;
        rows.ids = ids;
        rows.n = N + 10;
        assert_reference(dkvb_reference_fit(&other, &rows, &o, NULL));
        assert_true(info_of(head).chosen && info_of(head).penalty == info_of(other).penalty);
        assert_true(info_of(head).rows == N && info_of(other).rows == N);
        assert_same_scores(head, other, kind == DKVB_REFERENCE_RIDGE ? 1e-9 : 1e-2);
        dkvb_reference_free(other);
        dkvb_reference_free(head);
    }
}

/* The rows have many columns of noise and a weak one that tells the class: every penalty classifies all rows it was
 * fitted on, so those would choose the strongest penalty, while held-out rows do not. If classes are well separated,
 * every penalty classifies all held-out rows, and the strongest penalty is taken. */
static void the_penalty_is_chosen_on_rows_held_out(void **state)
{
    enum { ROWS = 200, WIDE = 160 };
    static float wide[ROWS * WIDE];
    static int32_t of[ROWS];
    uint32_t random = 3;

    (void)state;
    for (int clear = 0; clear < 2; clear++) {
        for (size_t i = 0; i < ROWS; i++) {
            of[i] = (int32_t)(i % 2);
            for (size_t d = 0; d < WIDE; d++) {
                random = random * 1664525u + 1013904223u;
                wide[i * WIDE + d] = (float)(random >> 8) / 16777216.0F - 0.5F;
            }
            wide[i * WIDE] += (float)of[i] * (clear ? 50.0F : 1.0F);
        }
        for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++) {
            dkvb_reference_options o = options(kind, 0);
            dkvb_reference_rows rows = training(of);
            dkvb_reference *head;

            rows.x = wide;
            rows.n = ROWS;
            rows.dim = WIDE;
            rows.classes = 2;
            assert_reference(dkvb_reference_fit(&head, &rows, &o, NULL));
            assert_true(clear ? info_of(head).penalty == 0.1
                              : kind == DKVB_REFERENCE_RIDGE || info_of(head).penalty < 0.1);
            dkvb_reference_free(head);
        }
    }
}

static void threads_of_a_call_are_put_back(void **state)
{
    void *process = dlopen(NULL, RTLD_NOW), *found = process ? dlsym(process, "openblas_get_num_threads") : NULL;
    dkvb_reference_rows rows = training(y);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    int (*threads)(void);
    dkvb_reference *head;
    int before;

    (void)state;
    assert_non_null(found);
    memcpy(&threads, &found, sizeof found);
    before = threads();
    run.threads = before == 1 ? 2 : 1;
    assert_reference(dkvb_reference_fit(&head, &rows, NULL, &run));
    assert_int_equal(threads(), before);
    dkvb_reference_free(head);
    rows.n = 0;
    assert_int_equal(dkvb_reference_fit(&head, &rows, NULL, &run), DKVB_EINVAL);
    assert_int_equal(threads(), before);
    dlclose(process);
}

/* Two overlapping calls on two threads: the first call goes on once the second has begun, the second once the first has
 * ended. */
struct overlap {
    atomic_int begun; /* number of calls that have begun */
    atomic_bool first_ended;
    int (*threads)(void); /* returns OpenBLAS's number of threads */
    int during;           /* OpenBLAS's number of threads in the second call, after the end of the first */
};

static int wait_for_the_second(void *user, uint64_t done, uint64_t total)
{
    struct overlap *o = user;

    (void)done, (void)total;
    if (atomic_load(&o->begun) == 0)
        atomic_store(&o->begun, 1);
    while (atomic_load(&o->begun) < 2)
        sched_yield();
    return 0;
}

static int wait_for_the_end_of_the_first(void *user, uint64_t done, uint64_t total)
{
    struct overlap *o = user;

    (void)done, (void)total;
    atomic_store(&o->begun, 2);
    while (!atomic_load(&o->first_ended))
        sched_yield();
    o->during = o->threads();
    return 0;
}

static dkvb_status fit_watched(struct overlap *o, uint32_t threads, dkvb_progress_fn progress)
{
    dkvb_reference_rows rows = training(y);
    dkvb_reference_options opts = options(DKVB_REFERENCE_RIDGE, 0.01);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_reference *head;
    dkvb_status rc;

    run.threads = threads;
    run.progress = progress;
    run.user = o;
    rc = dkvb_reference_fit(&head, &rows, &opts, &run);
    dkvb_reference_free(head);
    return rc;
}

static void *first_call(void *user)
{
    struct overlap *o = user;
    dkvb_status rc = fit_watched(o, 1, wait_for_the_second);

    atomic_store(&o->first_ended, true);
    return rc ? user : NULL;
}

static void threads_are_put_back_after_calls_that_overlap(void **state)
{
    void *process = dlopen(NULL, RTLD_NOW), *get = process ? dlsym(process, "openblas_get_num_threads") : NULL;
    void *set = process ? dlsym(process, "openblas_set_num_threads") : NULL, *failed;
    struct overlap o = {0, false, NULL, 0};
    void (*set_threads)(int);
    int (*threads)(void);
    pthread_t first;
    int before;

    (void)state;
    assert_true(get && set);
    memcpy(&threads, &get, sizeof get);
    memcpy(&set_threads, &set, sizeof set);
    o.threads = threads;
    before = threads();
    set_threads(3); /* a number of threads that neither call asks for */
    assert_int_equal(pthread_create(&first, NULL, first_call, &o), 0);
    while (atomic_load(&o.begun) < 1)
        sched_yield();
    assert_reference(fit_watched(&o, 2, wait_for_the_end_of_the_first));
    assert_int_equal(pthread_join(first, &failed), 0);
    assert_null(failed);
    assert_int_equal(o.during, 2); /* the end of the first call does not change the number of threads */
    assert_int_equal(threads(), 3);
    set_threads(before);
    dlclose(process);
}

/* After choosing the penalty, the head is fitted on all rows, held-out rows included. */
static void rows_held_out_are_fitted_in_the_end(void **state)
{
    (void)state;
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++) {
        dkvb_reference *chosen = fit(y, kind, 0), *given = fit(y, kind, info_of(chosen).penalty);

        assert_true(info_of(chosen).choosing > 0 && info_of(given).choosing == 0);
        assert_same_scores(chosen, given, kind == DKVB_REFERENCE_RIDGE ? 1e-9 : 0);
        dkvb_reference_free(given);
        dkvb_reference_free(chosen);
    }
}

struct watch {
    uint64_t calls, stop_at, done, total;
};

static int watched(void *user, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_true(done >= w->done && done <= total && (w->total == 0 || w->total == total));
    w->done = done == total ? 0 : done; /* the next call counts progress from 0 */
    w->total = done == total ? 0 : total;
    return w->calls++ == w->stop_at;
}

static dkvb_reference_report *compare(const dkvb_audit_request *request, const int32_t *answers,
                                      const dkvb_reference_options *o)
{
    const dkvb_reference_rows rows = training(y), test = testing();
    dkvb_reference_report *report;

    assert_reference(dkvb_reference_compare(&report, &rows, &test, request, answers, o, NULL));
    return report;
}

static const dkvb_reference_line *line_of(const dkvb_reference_report *report, const char *head, const char *rows)
{
    for (uint32_t i = 0; i < report->lines; i++)
        if (strcmp(report->line[i].head, head) == 0 && strcmp(report->line[i].rows, rows) == 0)
            return &report->line[i];
    fail_msg("no line %s %s", head, rows);
    return NULL;
}

/* Asserts a head's figures in a comparison, counted pair by pair; `side` marks the forgotten classes. */
static void assert_line(const dkvb_reference_line *line, const dkvb_reference *head, const uint8_t *side)
{
    int32_t answers[TEST];
    double scores[TEST * L], margin[TEST], right[2] = {0}, rows[2] = {0}, above = 0;

    assert_reference(dkvb_reference_predict(head, test_x, TEST, answers, scores));
    for (size_t i = 0; i < TEST; i++) {
        double most[2] = {-INFINITY, -INFINITY};

        for (size_t l = 0; l < L; l++)
            most[side[l]] = fmax(most[side[l]], scores[i * L + l]);
        margin[i] = most[1] - most[0];
        rows[side[test_y[i]]]++;
        right[side[test_y[i]]] += answers[i] == test_y[i];
    }
    for (size_t i = 0; i < TEST; i++)
        for (size_t j = 0; j < TEST; j++)
            if (side[test_y[i]] && !side[test_y[j]])
                above += margin[i] > margin[j] ? 1 : margin[i] == margin[j] ? 0.5 : 0;
    assert_true(line->forgotten == right[1] / rows[1] && line->others == right[0] / rows[0]);
    assert_true(line->accuracy == (right[0] + right[1]) / TEST);
    assert_true(isfinite(margin[0]) ? fabs(line->auc - above / (rows[0] * rows[1])) < 1e-12 : isnan(line->auc));
    assert_true(line->fitted == info_of(head).rows && line->penalty == info_of(head).penalty);
}

static void a_comparison_has_the_figures_of_heads_with_and_without_the_class(void **state)
{
    static const uint8_t marks[L] = {DKVB_KEEP, DKVB_KEEP, DKVB_FORGET, DKVB_KEEP};
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    int32_t kept[N], removed[N], answers[TEST];
    dkvb_reference_report *report;
    const dkvb_reference_line *line;

    (void)state;
    split(kept, removed, rows_of_class_2);
    for (size_t i = 0; i < TEST; i++)
        answers[i] = i % 2 ? test_y[i] : -1;
    request.classes = marks;
    report = compare(&request, answers, NULL);
    assert_int_equal(report->lines, 5);
    assert_true(report->forgotten_rows == 60 && report->test_forgotten + report->test_others == TEST);
    assert_memory_equal(report->forgotten, marks, L);
    line = line_of(report, "model", "");
    assert_true(line->accuracy == 0.5 && line->fitted == 0 && isnan(line->auc));
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++) {
        const char *name = kind == DKVB_REFERENCE_RIDGE ? "ridge" : "logistic";
        dkvb_reference *all = fit(y, kind, 0), *never = fit(kept, kind, info_of(all).penalty);

        line = line_of(report, name, "all");
        assert_line(line, all, marks);
        assert_true(line->forgotten > 0.5 && line->auc > 0.8);
        line = line_of(report, name, "kept");
        assert_line(line, never, marks);
        assert_true(line->forgotten == 0 && isnan(line->auc) && line->choosing == 0);
        dkvb_reference_free(never);
        dkvb_reference_free(all);
    }
    dkvb_reference_report_free(report);
}

/* If forgotten rows are too large to be removed from a head, the comparison fits a new head on the kept rows. */
static void a_comparison_has_kept_rows_whatever_the_forgotten_ones_are(void **state)
{
    static const uint8_t marks[L] = {DKVB_KEEP, DKVB_KEEP, DKVB_FORGET, DKVB_KEEP};
    static float odd[N * DIM];
    dkvb_reference_options o = options(DKVB_REFERENCE_RIDGE, 1e-3);
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_reference_rows rows = training(y), test = testing();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    struct watch w = {0, UINT64_MAX, 0, 0};
    int32_t kept[N], removed[N];
    dkvb_reference_report *report;
    dkvb_reference *never;

    (void)state;
    split(kept, removed, rows_of_class_2);
    never = fit(kept, DKVB_REFERENCE_RIDGE, 1e-3);
    enlarge(odd, 1e9F);
    rows.x = odd;
    request.classes = marks;
    run.progress = watched;
    run.user = &w;
    assert_reference(dkvb_reference_compare(&report, &rows, &test, &request, NULL, &o, &run));
    assert_int_equal(report->lines, 2);
    assert_line(line_of(report, "ridge", "kept"), never, marks);
    dkvb_reference_report_free(report);
    dkvb_reference_free(never);
}

/* Asserts that a comparison is refused with a message that contains a given text. */
static void assert_request_refused(const uint8_t *classes, const uint64_t *rows, size_t n, const int32_t *labels,
                                   const char *why)
{
    const dkvb_reference_rows training_rows = training(labels), test = testing();
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_reference_report *report = (dkvb_reference_report *)(void *)x;

    request.classes = classes;
    request.rows = rows;
    request.row_count = n;
    assert_int_equal(dkvb_reference_compare(&report, &training_rows, &test, &request, NULL, NULL, NULL), DKVB_EINVAL);
    assert_null(report);
    assert_says(why);
}

static void a_comparison_drops_no_part_of_a_request(void **state)
{
    static const uint8_t none[L] = {0}, second[L] = {0, 1, 0, 0};
    static const uint64_t twice[] = {3, 17, 3};
    int32_t labels[N];

    (void)state;
    assert_request_refused(second, twice, 2, y,
                           "forgotten rows: both classes and rows are given, one of them must be NULL");
    assert_request_refused(NULL, twice, 3, y, "forgotten rows: number 2 names row 3 a second time");
    assert_request_refused(none, NULL, 0, y, "forgotten rows: the request names no training row with a label");
    assert_request_refused(NULL, twice, 0, y, "forgotten rows: the request names no training row with a label");
    for (size_t i = 0; i < N; i++)
        labels[i] = y[i] == 1 ? -1 : y[i];
    assert_request_refused(second, NULL, 0, labels, "forgotten rows: the request names no training row with a label");
    memcpy(labels, y, sizeof labels);
    labels[17] = -1;
    assert_request_refused(NULL, twice, 2, labels, "forgotten rows: number 1 names row 17, which has no label");
}

static void a_comparison_takes_rows_too_and_leaves_out_what_is_not_asked_for(void **state)
{
    static uint64_t numbers[] = {3, 17, 18, 99};
    static const uint8_t all_but_one[L] = {1, 1, 1, 0};
    const dkvb_reference_rows rows = training(y), test = testing();
    dkvb_reference_options o = options(DKVB_REFERENCE_RIDGE, 0.01);
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_reference_report *report = compare(NULL, NULL, &o);
    int32_t answers[TEST] = {0};

    (void)state;
    assert_true(report->lines == 1 && report->forgotten_rows == 0 && isnan(report->line[0].forgotten));
    dkvb_reference_report_free(report);
    request.rows = numbers;
    request.row_count = 4;
    report = compare(&request, NULL, &o);
    assert_true(report->lines == 2 && report->forgotten_rows == 4 && report->line[1].fitted == N - 4);
    assert_true(report->line[1].auc > 0.5); /* a head of all rows still separates the forgotten classes */
    dkvb_reference_report_free(report);
    numbers[1] = N;
    assert_int_equal(dkvb_reference_compare(&report, &rows, &test, &request, NULL, &o, NULL), DKVB_EINVAL);
    assert_null(report);
    assert_says("forgotten rows: number 1 is 240, training rows are 0 to 239");
    request.rows = NULL;
    request.row_count = 0;
    request.classes = all_but_one;
    assert_int_equal(dkvb_reference_compare(&report, &rows, &test, &request, NULL, &o, NULL), DKVB_EINVAL);
    assert_says("forgotten rows: without them rows of 1 class are left");
    answers[7] = L;
    assert_int_equal(dkvb_reference_compare(&report, &rows, &test, NULL, answers, &o, NULL), DKVB_EINVAL);
    assert_says("answers: row 7 is 4");
}

/* Calls all functions of linear heads, until the allocator or the callback stops one of them. */
static dkvb_status all_of_it(const dkvb_allocator *mem, const dkvb_run_options *run, uint32_t kind)
{
    static const uint8_t marks[L] = {0, 0, 1, 0};
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_reference_rows rows = training(y), test = testing(), few = training(y);
    dkvb_reference_options o = options(kind, 0);
    dkvb_reference_report *report = NULL;
    dkvb_reference *head = NULL;
    int32_t answers[TEST];
    dkvb_status rc;

    o.allocator = mem;
    request.classes = marks;
    few.n = 10;
    rc = dkvb_reference_fit(&head, &rows, &o, run);
    if (!rc && kind == DKVB_REFERENCE_RIDGE) {
        static double before[TEST * L], after[TEST * L];
        dkvb_reference_info was = info_of(head);

        rc = dkvb_reference_predict(head, test_x, TEST, NULL, before);
        if (!rc && (rc = dkvb_reference_remove(head, &few, run)) != 0 &&
            dkvb_reference_predict(head, test_x, TEST, NULL, after) == DKVB_OK) {
            assert_memory_equal(before, after, sizeof before); /* the head is unchanged */
            assert_true(info_of(head).rows == was.rows);
        }
    }
    if (!rc)
        rc = dkvb_reference_predict(head, test_x, TEST, answers, NULL);
    if (!rc)
        rc = dkvb_reference_compare(&report, &rows, &test, &request, answers, &o, run);
    assert_true(!rc == (report != NULL));
    dkvb_reference_report_free(report);
    dkvb_reference_free(head);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++)
        for (size_t fail_at = 0;; fail_at++) {
            struct failing_alloc mem;
            dkvb_allocator allocator = failing_allocator(&mem, fail_at);
            dkvb_status rc = all_of_it(&allocator, NULL, kind);

            assert_int_equal(mem.live, 0);
            if (rc == DKVB_OK)
                break;
            assert_int_equal(rc, DKVB_ENOMEM);
            assert_says("out of memory");
        }
}

static void progress_goes_forward_and_can_cancel_everywhere(void **state)
{
    (void)state;
    for (uint32_t kind = DKVB_REFERENCE_RIDGE; kind <= DKVB_REFERENCE_LOGISTIC; kind++)
        for (uint64_t stop_at = 0;; stop_at += kind == DKVB_REFERENCE_RIDGE ? 1 : 17) {
            struct watch w = {0, stop_at, 0, 0};
            struct failing_alloc mem;
            dkvb_allocator allocator = failing_allocator(&mem, SIZE_MAX);
            dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
            dkvb_status rc;

            run.threads = 1;
            run.progress = watched;
            run.user = &w;
            rc = all_of_it(&allocator, &run, kind);
            assert_int_equal(mem.live, 0);
            if (rc == DKVB_OK) {
                assert_true(w.calls > 3 && w.done == 0);
                break;
            }
            assert_int_equal(rc, DKVB_ECANCELLED);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ridge_is_where_its_loss_is_least),
        cmocka_unit_test(logistic_is_where_its_loss_is_least),
        cmocka_unit_test(a_head_says_that_it_did_not_converge),
        cmocka_unit_test(removed_rows_leave_the_head_that_never_had_them),
        cmocka_unit_test(rows_that_cannot_be_in_are_not_taken_out),
        cmocka_unit_test(rows_too_large_to_be_taken_out_exactly_are_not_taken_out),
        cmocka_unit_test(a_class_without_rows_is_never_answered),
        cmocka_unit_test(any_shape_can_be_fitted),
        cmocka_unit_test(units_of_rows_do_not_matter),
        cmocka_unit_test(rows_that_cannot_be_are_refused),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(the_penalty_is_chosen_by_the_ids_of_rows),
        cmocka_unit_test(the_penalty_is_chosen_on_rows_held_out),
        cmocka_unit_test(threads_of_a_call_are_put_back),
        cmocka_unit_test(threads_are_put_back_after_calls_that_overlap),
        cmocka_unit_test(rows_held_out_are_fitted_in_the_end),
        cmocka_unit_test(a_comparison_has_the_figures_of_heads_with_and_without_the_class),
        cmocka_unit_test(a_comparison_has_kept_rows_whatever_the_forgotten_ones_are),
        cmocka_unit_test(a_comparison_drops_no_part_of_a_request),
        cmocka_unit_test(a_comparison_takes_rows_too_and_leaves_out_what_is_not_asked_for),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(progress_goes_forward_and_can_cancel_everywhere),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
