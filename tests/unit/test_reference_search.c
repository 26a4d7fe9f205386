/* Tests of the line search in logistic regression, which must continue where rounding misleads it. No data are known
 * that mislead the search on every machine, so the test includes its source file and tries single steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reference/logistic.c" /* includes the source file, to test its static functions */

enum { SIZE = 2 };

/* Memory for the vectors that take_step() reads and writes. */
struct room {
    double point[SIZE], gradient[SIZE], next[SIZE], next_gradient[SIZE], pair[2 * PAIRS][SIZE];
};

static void begin(struct search *s, struct dkvb__logistic *fit, struct room *r)
{
    *fit = (struct dkvb__logistic){.size = SIZE, .point = r->point};
    *s = (struct search){.fit = fit, .gradient = r->gradient, .next = r->next, .next_gradient = r->next_gradient};
    for (size_t i = 0; i < PAIRS; i++) {
        s->step[i] = r->pair[2 * i];
        s->change[i] = r->pair[2 * i + 1];
    }
}

/* Makes a step of length `by` in both elements, along which the gradient changes by `change`. */
static void step(struct search *s, double by, double change)
{
    for (size_t i = 0; i < SIZE; i++) {
        s->next[i] = s->fit->point[i] + by;
        s->next_gradient[i] = s->gradient[i] + change;
    }
    take_step(s);
}

static void a_step_along_which_the_gradient_shrinks_is_no_pair(void **state)
{
    struct room r = {.point = {0}};
    struct dkvb__logistic fit;
    struct search s, before;

    (void)state;
    begin(&s, &fit, &r);
    for (uint32_t taken = 0; taken < 2 * PAIRS + 3; taken++) {
        struct room was;

        step(&s, 1.0, 2.0 + taken);
        assert_int_equal(s.pairs, taken < PAIRS ? taken + 1 : PAIRS);
        before = s, was = r;
        for (int zero = 0; zero < 2; zero++) {
            step(&s, 1.0, zero ? 0.0 : -1.0);
            assert_true(s.pairs == before.pairs && s.oldest == before.oldest);
            assert_memory_equal(s.product, before.product, sizeof s.product);
            assert_memory_equal(r.pair, was.pair, sizeof r.pair);
        }
        assert_true(r.point[1] == was.point[1] + 2.0 &&
                    r.gradient[1] == was.gradient[1] - 1.0); /* the step was taken */
    }
    for (uint32_t k = 0; k < PAIRS; k++) { /* only the ten latest steps are kept, the oldest first */
        uint32_t at = (s.oldest + k) % PAIRS;

        assert_true(s.change[at][0] == 2.0 + PAIRS + 3 + k && s.product[at] == SIZE * s.change[at][0]);
    }
}

static void pairs_that_lead_nowhere_are_forgotten(void **state)
{
    static const float x[] = {1, 2, 2, 1, -1, 0, 3, 1, 0, -2, 1, 1};
    static const int32_t labels[] = {0, 1, 0, 1, 0, 1};
    static const dkvb_reference_rows start = DKVB_REFERENCE_ROWS_INIT;
    dkvb_reference_rows rows = start;
    struct dkvb__work work;
    struct dkvb__sums sums;
    struct dkvb__logistic fit;
    struct search s;
    bool less = false;

    (void)state;
    rows.x = x, rows.labels = labels, rows.n = 6, rows.dim = 2, rows.classes = 2;
    assert_int_equal(dkvb__work_begin(&work, NULL, NULL, 1), DKVB_OK);
    assert_int_equal(dkvb__sums_new(&sums, &rows, labels, &work.mem), DKVB_OK);
    assert_int_equal(dkvb__sums_add(&sums, &rows, labels, 1.0, &work, 0.0, 0.5), DKVB_OK);
    assert_int_equal(dkvb__logistic_new(&fit, &rows, labels, &sums, &work.mem), DKVB_OK);
    s = (struct search){.fit = &fit, .work = &work, .penalty = 0.01, .factor_curvature = HUGE_VAL};
    lay_out(&s, &fit);
    assert_int_equal(evaluate(&s, fit.point, s.gradient, &s.loss, &s.curvature), DKVB_OK);
    refresh_factor(&s);
    for (size_t i = 0; i < fit.size; i++) /* a step of negative curvature reverses the search direction */
        s.step[0][i] = s.gradient[i], s.change[0][i] = -s.gradient[i];
    s.product[0] = dot(s.step[0], s.change[0], fit.size);
    s.pairs = 1;
    choose_direction(&s);
    assert_true(dot(s.direction, s.gradient, fit.size) >= 0);
    assert_int_equal(go_down(&s, &less), DKVB_OK);
    assert_true(less && s.pairs == 0 && s.next_loss < s.loss);
    dkvb__logistic_free(&fit);
    dkvb__sums_free(&sums);
    dkvb__work_end(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_along_which_the_gradient_shrinks_is_no_pair),
        cmocka_unit_test(pairs_that_lead_nowhere_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
