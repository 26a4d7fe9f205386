/* Tests of the arithmetic of encoder networks: all kernels that this processor can run give the bits of scalar.c, and
 * these are right. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/matrix.h"
#include "kernels/kernels.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const size_t row_counts[] = {1, 2, 3, 5, 6, 7, 12, 13, 25, 50};
static const size_t depths[] = {1, 2, 17, 64, 383, 384, 385, 800};
static const size_t column_counts[] = {1, 15, 16, 17, 33, 64, 300};
static const uint32_t activations[] = {DKVB__IDENTITY, DKVB__QUICK_GELU, DKVB__GELU, DKVB__RELU};

static float *numbers(struct dkvb__rng *rng, size_t count, double scale)
{
    float *x = malloc((count ? count : 1) * sizeof *x);

    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(scale * dkvb__rng_gauss(rng));
    return x;
}

/* Data of a matrix product. Both outputs have two more columns than the matrix, which no kernel may change. */
struct problem {
    struct dkvb__matrix m;
    struct dkvb__product product;
    float *a, *add, *out[2];
    size_t floats;
};

static void problem_make(struct problem *p, size_t height, size_t depth, size_t columns, uint64_t seed)
{
    struct dkvb__rng rng;
    dkvb_allocator mem = dkvb__allocator(NULL);
    float *w, *start;

    dkvb__rng_seed(&rng, seed, 0);
    w = numbers(&rng, depth * columns, 1.0);
    start = numbers(&rng, columns, 1.0);
    assert_int_equal(dkvb__matrix_new(&p->m, depth, columns, &mem), DKVB_OK);
    dkvb__matrix_set(&p->m, 0, columns, w, false);
    memcpy(p->m.start, start, columns * sizeof *start);
    free(w);
    free(start);
    p->a = numbers(&rng, height * (depth + 3), 1.0);
    p->floats = height * (columns + 2);
    p->add = numbers(&rng, p->floats, 1.0);
    for (size_t i = 0; i < 2; i++) {
        p->out[i] = malloc(p->floats * sizeof(float));
        assert_non_null(p->out[i]);
    }
    p->product = dkvb__matrix_product(&p->m);
    p->product.rows = height;
    p->product.a = p->a;
    p->product.a_stride = depth + 3;
    p->product.out_stride = columns + 2;
}

static void problem_free(struct problem *p)
{
    dkvb_allocator mem = dkvb__allocator(NULL);

    dkvb__matrix_free(&p->m, &mem);
    free(p->a);
    free(p->add);
    free(p->out[0]);
    free(p->out[1]);
}

static void run(struct problem *p, const struct dkvb__kernels *k, size_t i)
{
    for (size_t j = 0; j < p->floats; j++)
        p->out[i][j] = 77.0f;
    p->product.out = p->out[i];
    k->multiply(&p->product);
}

static void compare_at(size_t height, size_t depth, size_t columns)
{
    struct problem p;

    problem_make(&p, height, depth, columns, height * 1000003 + depth * 1009 + columns);
    for (size_t form = 0; form < 2 * COUNT(activations); form++) {
        p.product.activation = activations[form / 2];
        p.product.add = form % 2 ? p.add : NULL;
        run(&p, &dkvb__kernels_scalar, 0);
        for (size_t t = 0; dkvb__kernel_tables[t]; t++) {
            if (!dkvb__kernel_tables[t]->supported())
                continue;
            run(&p, dkvb__kernel_tables[t], 1);
            assert_memory_equal(p.out[0], p.out[1], p.floats * sizeof(float));
        }
    }
    problem_free(&p);
}

static void every_kernel_multiplies_to_the_bits_of_scalar(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(row_counts); r++)
        for (size_t d = 0; d < COUNT(depths); d++)
            for (size_t c = 0; c < COUNT(column_counts); c++)
                if (row_counts[r] * depths[d] * column_counts[c] < 100000)
                    compare_at(row_counts[r], depths[d], column_counts[c]);
}

static double activation_of(double x, uint32_t activation)
{
    switch (activation) {
    case DKVB__QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    case DKVB__GELU:
        return 0.5 * x * erfc(-x / sqrt(2.0));
    case DKVB__RELU:
        return x > 0.0 ? x : 0.0;
    default:
        return x;
    }
}

static void a_product_is_the_sum_that_it_stands_for(void **state)
{
    struct problem p;

    (void)state;
    for (size_t form = 0; form < COUNT(activations); form++) {
        problem_make(&p, 7, 100, 40, form);
        p.product.activation = activations[form];
        p.product.add = p.add;
        run(&p, dkvb__kernels(), 0);
        for (size_t r = 0; r < 7; r++)
            for (size_t c = 0; c < 40; c++) {
                double sum = (double)p.m.start[c] + (double)p.add[r * 42 + c];

                for (size_t k = 0; k < 100; k++)
                    sum += (double)p.a[r * 103 + k] * (double)p.m.panels[c / 16 * 1600 + k * 16 + c % 16];
                assert_true(fabs((double)p.out[0][r * 42 + c] - activation_of(sum, activations[form])) < 2e-5);
            }
        problem_free(&p);
    }
}

static void both_orders_of_weights_make_one_matrix(void **state)
{
    static const float inputs_first[6] = {1, 2, 3, 4, 5, 6}, outputs_first[6] = {1, 4, 2, 5, 3, 6};
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__matrix m, n;

    (void)state;
    assert_int_equal(dkvb__matrix_new(&m, 2, 3, &mem), DKVB_OK);
    assert_int_equal(dkvb__matrix_new(&n, 2, 3, &mem), DKVB_OK);
    dkvb__matrix_set(&m, 0, 3, inputs_first, false);
    dkvb__matrix_set(&n, 0, 2, outputs_first, true);
    dkvb__matrix_set(&n, 2, 1, outputs_first + 4, true);
    assert_memory_equal(m.panels, n.panels, 2 * DKVB__PANEL * sizeof(float));
    dkvb__matrix_free(&m, &mem);
    dkvb__matrix_free(&n, &mem);
}

static void threads_and_rows_beside_change_no_bit(void **state)
{
    struct problem p;
    struct dkvb__run run_on = {.threads = 1};

    (void)state;
    problem_make(&p, 203, 130, 530, 5);
    p.product.out = p.out[0];
    p.product.activation = DKVB__QUICK_GELU;
    p.product.out_stride = 530;
    dkvb__kernels()->multiply(&p.product);
    p.product.out = p.out[1];
    for (run_on.threads = 1; run_on.threads <= 5; run_on.threads++) {
        memset(p.out[1], 0, p.floats * sizeof(float));
        dkvb__multiply(&p.product, &run_on);
        assert_memory_equal(p.out[0], p.out[1], 203 * 530 * sizeof(float));
    }
    memset(p.out[1], 0, p.floats * sizeof(float));
    for (size_t r = 0; r < 203; r++) {
        struct dkvb__product one = p.product;

        one.rows = 1;
        one.a += r * one.a_stride;
        one.out += r * one.out_stride;
        dkvb__kernels()->multiply(&one);
    }
    assert_memory_equal(p.out[0], p.out[1], 203 * 530 * sizeof(float));
    problem_free(&p);
}

static void every_kernel_norms_to_the_bits_of_scalar(void **state)
{
    static const size_t widths[] = {1, 3, 15, 16, 17, 64, 100, 768};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < COUNT(widths); i++) {
        size_t width = widths[i], floats = 5 * width;
        float *x = numbers(&rng, floats, 3.0), *scale = numbers(&rng, width, 1.0), *shift = numbers(&rng, width, 1.0);
        float *expected = numbers(&rng, floats, 1.0), *found = numbers(&rng, floats, 1.0);

        dkvb__kernels_scalar.layer_norm(expected, x, 5, width, scale, shift, 1e-5f);
        for (size_t t = 0; dkvb__kernel_tables[t]; t++)
            if (dkvb__kernel_tables[t]->supported()) {
                dkvb__kernel_tables[t]->layer_norm(found, x, 5, width, scale, shift, 1e-5f);
                assert_memory_equal(expected, found, floats * sizeof(float));
            }
        for (size_t r = 0; r < 5; r++) {
            double mean = 0.0, squares = 0.0;

            for (size_t j = 0; j < width; j++)
                mean += (double)x[r * width + j] / (double)width;
            for (size_t j = 0; j < width; j++)
                squares += pow((double)x[r * width + j] - mean, 2.0) / (double)width;
            for (size_t j = 0; j < width; j++) {
                double by = ((double)x[r * width + j] - mean) / sqrt(squares + 1e-5);

                assert_true(fabs((double)found[r * width + j] - (by * (double)scale[j] + (double)shift[j])) < 2e-5);
            }
        }
        free(x);
        free(scale);
        free(shift);
        free(expected);
        free(found);
    }
}

static void every_kernel_takes_softmax_to_the_bits_of_scalar(void **state)
{
    enum { HEIGHT = 3, STRIDE = 272 };
    static const size_t widths[] = {1, 2, 15, 16, 17, 50, 197, 257};
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 4, 0);
    for (size_t i = 0; i < COUNT(widths); i++) {
        float *x = numbers(&rng, HEIGHT * STRIDE, 40.0), *expected = numbers(&rng, HEIGHT * STRIDE, 1.0);
        float *found = numbers(&rng, HEIGHT * STRIDE, 1.0);

        memcpy(expected, x, HEIGHT * STRIDE * sizeof *x);
        dkvb__kernels_scalar.softmax(expected, HEIGHT, widths[i], STRIDE, 0.125f);
        for (size_t t = 0; dkvb__kernel_tables[t]; t++)
            if (dkvb__kernel_tables[t]->supported()) {
                memcpy(found, x, HEIGHT * STRIDE * sizeof *x);
                dkvb__kernel_tables[t]->softmax(found, HEIGHT, widths[i], STRIDE, 0.125f);
                assert_memory_equal(expected, found, HEIGHT * STRIDE * sizeof *x);
            }
        for (size_t r = 0; r < HEIGHT; r++) {
            double sum = 0.0;

            for (size_t j = 0; j < widths[i]; j++)
                sum += exp((double)x[r * STRIDE + j] * 0.125);
            for (size_t j = 0; j < widths[i]; j++)
                assert_true(fabs((double)found[r * STRIDE + j] - exp((double)x[r * STRIDE + j] * 0.125) / sum) < 2e-6);
        }
        free(x);
        free(expected);
        free(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_multiplies_to_the_bits_of_scalar),
        cmocka_unit_test(a_product_is_the_sum_that_it_stands_for),
        cmocka_unit_test(both_orders_of_weights_make_one_matrix),
        cmocka_unit_test(threads_and_rows_beside_change_no_bit),
        cmocka_unit_test(every_kernel_norms_to_the_bits_of_scalar),
        cmocka_unit_test(every_kernel_takes_softmax_to_the_bits_of_scalar),
    };

    return cmocka_run_group_tests_name("dense", tests, NULL, NULL);
}
