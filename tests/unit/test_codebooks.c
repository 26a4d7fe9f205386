/* Tests of codebooks: preparing, projecting and rounding rows, placing keys, the same results with any number of
 * threads, and codebooks that grow batch by batch. */
#include "bottleneck/keyinit.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck/codebooks.h"

static int setup(void **state)
{
    (void)state;
    make_rows();
    return 0;
}

static dkvb_codebooks *fit(dkvb_keyinit_options o, uint32_t threads)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_codebooks *cb;

    run.threads = threads;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, &run));
    return cb;
}

static void assert_same_codebooks(const dkvb_codebooks *a, const dkvb_codebooks *b)
{
    assert_memory_equal(a->birth, b->birth, sizeof a->birth);
    assert_memory_equal(a->center, b->center, DIM * sizeof(float));
    assert_memory_equal(a->scales, b->scales, CODEBOOKS * sizeof(float));
    assert_memory_equal(a->keys, b->keys, CODEBOOKS * dkvb__key_bytes(&a->shape));
    assert_memory_equal(a->norms, b->norms, CODEBOOKS * dkvb__norm_count(&a->shape) * sizeof(int32_t));
    assert_int_equal(a->whitening == NULL, b->whitening == NULL);
    if (a->whitening)
        assert_memory_equal(a->whitening, b->whitening, dkvb__whitening_count(&a->shape) * sizeof(float));
}

static void every_method_gives_the_same_codebooks_for_any_thread_count(void **state)
{
    (void)state;
    for (uint32_t method = DKVB_KEYINIT_EMA; method <= DKVB_KEYINIT_MEANS; method++)
        for (uint32_t batch = 0; batch <= 100; batch += 100)
            for (uint32_t preparation = 0; preparation < 4; preparation++) {
                dkvb_keyinit_options o = small_keyinit();
                dkvb_codebooks *one, *three;

                o.method = method;
                o.batch = batch;
                o.normalize = preparation & 1;
                o.whiten = preparation >> 1;
                one = fit(o, 1);
                three = fit(o, 3);
                assert_same_codebooks(one, three);
                dkvb_codebooks_free(one);
                dkvb_codebooks_free(three);
            }
}

static void another_seed_gives_other_codebooks(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *a = fit(o, 1), *b;

    (void)state;
    o.seed = 1;
    b = fit(o, 1);
    assert_memory_not_equal(a->birth, b->birth, sizeof a->birth);
    dkvb_codebooks_free(a);
    dkvb_codebooks_free(b);
}

/* Returns the index of the row whose projection equals a key, or ROWS if there is none. */
static size_t row_of_key(const int8_t *projected, const int8_t *key, size_t c)
{
    for (size_t r = 0; r < ROWS; r++)
        if (memcmp(projected + (r * CODEBOOKS + c) * KEY_DIM, key, KEY_DIM) == 0)
            return r;
    return ROWS;
}

static void sampled_keys_are_rows_and_each_codebook_draws_its_own(void **state)
{
    static int8_t projected[ROWS * CODEBOOKS * KEY_DIM], keys[CODEBOOKS * KEYS * KEY_DIM];
    dkvb_keyinit_options o = small_keyinit();
    size_t same = 0;
    dkvb_codebooks *cb;

    (void)state;
    o.method = DKVB_KEYINIT_SAMPLE;
    cb = fit(o, 2);
    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, projected, NULL, NULL));
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = keys}));
    for (size_t c = 0; c < CODEBOOKS; c++)
        for (size_t j = 0; j < KEYS; j++)
            assert_true(row_of_key(projected, keys + (c * KEYS + j) * KEY_DIM, c) < ROWS);
    for (size_t j = 0; j < KEYS; j++)
        same += row_of_key(projected, keys + j * KEY_DIM, 0) == row_of_key(projected, keys + (KEYS + j) * KEY_DIM, 1);
    assert_true(same < KEYS / 4);
    dkvb_codebooks_free(cb);
}

/* If as many rows are drawn as there are keys, the keys of every codebook are exactly the drawn rows, and the rows'
 * mean is the centre.
 */
static void rows_a_key_are_drawn_by_seed_and_are_the_only_ones_used(void **state)
{
    enum { FEW = 40 };
    static int8_t projected[ROWS * CODEBOOKS * KEY_DIM], keys[CODEBOOKS * FEW * KEY_DIM];
    dkvb_keyinit_options o = small_keyinit();
    double sum[DIM] = {0.0};
    float center[DIM];
    size_t row[FEW];
    dkvb_codebooks *cb, *other;

    (void)state;
    o.method = DKVB_KEYINIT_SAMPLE;
    o.keys = FEW;
    o.rows_per_key = 1;
    cb = fit(o, 2);
    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, projected, NULL, NULL));
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = keys}));
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .center = center}));
    for (size_t j = 0; j < FEW; j++) {
        row[j] = row_of_key(projected, keys + j * KEY_DIM, 0);
        assert_true(row[j] < ROWS);
        for (size_t i = 0; i < DIM; i++)
            sum[i] += (double)rows[row[j] * DIM + i];
        for (size_t earlier = 0; earlier < j; earlier++)
            assert_true(row[earlier] != row[j]);
    }
    for (size_t i = 0; i < DIM; i++)
        assert_true(fabs((double)center[i] - sum[i] / FEW) < 1e-6);
    for (size_t c = 1; c < CODEBOOKS; c++)
        for (size_t j = 0; j < FEW; j++) {
            size_t found = 0;

            for (size_t i = 0; i < FEW; i++)
                found += memcmp(projected + (row[j] * CODEBOOKS + c) * KEY_DIM, keys + (c * FEW + i) * KEY_DIM,
                                KEY_DIM) == 0;
            assert_true(found > 0);
        }
    o.seed = 5;
    other = fit(o, 2);
    assert_memory_not_equal(cb->center, other->center, sizeof center);
    dkvb_codebooks_free(cb);
    dkvb_codebooks_free(other);
}

/* Returns the mean squared distance of rows to their nearest keys. */
static double quantisation_error(const dkvb_codebooks *cb)
{
    static uint16_t codes[ROWS * CODEBOOKS];
    static int32_t dist[ROWS * CODEBOOKS];
    double sum = 0.0;

    assert_ok(dkvb_search(cb, NULL, rows, ROWS, 1, codes, dist, NULL));
    for (size_t i = 0; i < ROWS * CODEBOOKS; i++)
        sum += dist[i];
    return sum / (ROWS * CODEBOOKS);
}

static void fitted_keys_lie_closer_to_the_rows_than_sampled_ones(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    double error[3];

    (void)state;
    o.keys = 20; /* so few keys that their places matter */
    for (uint32_t method = DKVB_KEYINIT_EMA; method <= DKVB_KEYINIT_MEANS; method++) {
        dkvb_codebooks *cb;

        o.method = method;
        o.passes = 5;
        cb = fit(o, 2);
        error[method] = quantisation_error(cb);
        dkvb_codebooks_free(cb);
    }
    assert_true(error[DKVB_KEYINIT_EMA] < 0.9 * error[DKVB_KEYINIT_SAMPLE]);
    assert_true(error[DKVB_KEYINIT_MEANS] < 0.9 * error[DKVB_KEYINIT_SAMPLE]);
}

static void keys_of_identical_rows_are_found_nonetheless(void **state)
{
    static float same[100 * 3];

    (void)state;
    for (size_t i = 0; i < 300; i++)
        same[i] = 0.25f;
    for (uint32_t method = DKVB_KEYINIT_EMA; method <= DKVB_KEYINIT_MEANS; method++) {
        dkvb_keyinit_options o = small_keyinit();
        dkvb_codebooks *cb;
        uint16_t codes[CODEBOOKS];

        o.method = method;
        assert_ok(dkvb_codebooks_fit(&cb, same, 100, 3, &o, NULL));
        assert_ok(dkvb_search(cb, NULL, same, 1, 1, codes, NULL, NULL));
        for (size_t c = 0; c < CODEBOOKS; c++)
            assert_int_equal(codes[c], 0);
        dkvb_codebooks_free(cb);
    }
}

static void center_is_the_mean_of_the_rows(void **state)
{
    float center[DIM];
    dkvb_codebooks *cb = fit(small_keyinit(), 2);

    (void)state;
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .center = center}));
    for (size_t i = 0; i < DIM; i++) {
        double mean = 0.0;

        for (size_t r = 0; r < ROWS; r++)
            mean += (double)rows[r * DIM + i];
        assert_true(fabs((double)center[i] - mean / ROWS) < 1e-6);
    }
    dkvb_codebooks_free(cb);
}

static void a_row_of_unit_length_does_not_tell_how_long_it_was(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    float farther[DIM], center[DIM];
    int8_t a[CODEBOOKS * KEY_DIM], b[CODEBOOKS * KEY_DIM];
    dkvb_codebooks *cb = fit(o, 2);

    (void)state;
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .center = center}));
    for (size_t i = 0; i < DIM; i++)
        rows[i] = center[i] + (rows[i] > center[i] ? 0.5f : -0.25f);
    for (size_t i = 0; i < DIM; i++)
        farther[i] = center[i] + 4.0f * (rows[i] - center[i]);
    assert_ok(dkvb_codebooks_project(cb, rows, 1, a, NULL, NULL));
    assert_ok(dkvb_codebooks_project(cb, farther, 1, b, NULL, NULL));
    for (size_t i = 0; i < CODEBOOKS * KEY_DIM; i++)
        assert_true(abs(a[i] - b[i]) <= 1); /* the expected numbers above are rounded */
    dkvb_codebooks_free(cb);
    make_rows();
}

/* All arrays that `dkvb export` writes about codebooks, from which docs/numerics.md says how to compute codes. */
struct exported {
    dkvb_codebooks_info info;
    float *center, *whitening, *scales;
    int8_t *signs, *keys;
    uint32_t *order;
};

static void export_codebooks(struct exported *e, const dkvb_codebooks *cb)
{
    dkvb_codebooks_copies to = DKVB_CODEBOOKS_COPIES_INIT;
    const dkvb_codebooks_info empty = DKVB_CODEBOOKS_INFO_INIT;
    size_t m, numbers;

    e->info = empty;
    assert_ok(dkvb_codebooks_get_info(cb, &e->info));
    m = e->info.input_dim;
    numbers = (size_t)e->info.codebooks * e->info.key_dim;
    e->center = malloc(m * sizeof(float));
    e->whitening = e->info.whitened ? malloc(m * m * sizeof(float)) : NULL;
    e->scales = malloc(e->info.codebooks * sizeof(float));
    e->signs = malloc((size_t)e->info.rounds * e->info.round_size);
    e->order = malloc(numbers * sizeof(uint32_t));
    e->keys = malloc(numbers * e->info.keys);
    to.signs = e->signs;
    to.order = e->order;
    to.center = e->center;
    to.whitening = e->whitening;
    to.scales = e->scales;
    to.keys = e->keys;
    assert_ok(dkvb_codebooks_get_arrays(cb, &to));
}

static void free_exported(struct exported *e)
{
    free(e->center);
    free(e->whitening);
    free(e->scales);
    free(e->signs);
    free(e->order);
    free(e->keys);
}

/* Computes the projection of one row into all codebooks before rounding, float[C][d], step by step as in
 * docs/numerics.md. */
static void plain_projection(const struct exported *e, const float *x, float *q)
{
    size_t m = e->info.input_dim, size = e->info.round_size;
    float *centred = malloc(m * sizeof *centred), *y = malloc(m * sizeof *y), *h = malloc(size * sizeof *h);
    double squares = 0.0;

    for (size_t i = 0; i < m; i++)
        centred[i] = x[i] - e->center[i];
    for (size_t i = 0; i < m; i++) {
        float sum = 0.0f;

        for (size_t j = 0; e->whitening && j < m; j++)
            sum = fmaf(centred[j], e->whitening[j * m + i], sum);
        y[i] = e->whitening ? sum : centred[i];
    }
    for (size_t i = 0; i < m; i++)
        squares += (double)y[i] * (double)y[i];
    for (size_t i = 0; e->info.normalize && squares > 0.0 && i < m; i++)
        y[i] = (float)((double)y[i] / sqrt(squares));
    for (size_t t = 0; t < e->info.rounds; t++) {
        for (size_t i = 0; i < size; i++)
            h[i] = i < m ? (float)e->signs[t * size + i] * y[i] : 0.0f;
        for (size_t step = 1; step < size; step *= 2)
            for (size_t i = 0; i < size; i++)
                if (!(i & step)) {
                    float a = h[i], b = h[i + step];

                    h[i] = a + b;
                    h[i + step] = a - b;
                }
        for (size_t i = 0; i < (size_t)e->info.codebooks * e->info.key_dim; i++)
            if (e->order[i] / size == t)
                q[i] = h[e->order[i] % size];
    }
    free(centred);
    free(y);
    free(h);
}

static int plain_steps(float q, float scale)
{
    float r = q * scale;

    r = r > -63.0f ? r : -63.0f;
    r = r < 63.0f ? r : 63.0f;
    return (int)(r + 64.5f) - 64;
}

/* Awkward lengths of rows and keys: no multiples of a vector's width, no powers of two. */
static const struct {
    uint32_t width, key_dim, codebooks;
} awkward_shapes[] = {{1, 1, 3},   {1, 5, 3},   {3, 2, 7},     {3, 9, 4},     {16, 5, 9},
                      {16, 40, 3}, {33, 17, 5}, {513, 17, 70}, {513, 1100, 2}};

enum { AWKWARD_ROWS = 37, AWKWARD_KEYS = 11, MOST_WIDTH = 513 };

static float awkward_rows[AWKWARD_ROWS * MOST_WIDTH];

static dkvb_codebooks *awkward_codebooks(size_t shape, uint32_t normalize, uint32_t whiten)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;

    for (size_t i = 0; i < AWKWARD_ROWS * MOST_WIDTH; i++)
        awkward_rows[i] = rows[i * 7 % (ROWS * DIM)] * (float)(1 + i % 5);
    o.codebooks = awkward_shapes[shape].codebooks;
    o.key_dim = awkward_shapes[shape].key_dim;
    o.keys = AWKWARD_KEYS;
    o.normalize = normalize;
    o.whiten = whiten;
    assert_ok(dkvb_codebooks_fit(&cb, awkward_rows, AWKWARD_ROWS, awkward_shapes[shape].width, &o, NULL));
    return cb;
}

static void rows_are_prepared_and_projected_as_the_docs_say_bit_for_bit(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < sizeof awkward_shapes / sizeof *awkward_shapes; shape++)
        for (uint32_t preparation = 0; preparation < (awkward_shapes[shape].width <= 33 ? 4 : 2); preparation++) {
            /* whitening of many columns takes long */
            dkvb_codebooks *cb = awkward_codebooks(shape, preparation & 1, preparation >> 1);
            size_t numbers = (size_t)awkward_shapes[shape].codebooks * awkward_shapes[shape].key_dim;
            size_t width = awkward_shapes[shape].width;
            float *q = malloc(numbers * sizeof *q);
            int8_t *got = malloc(AWKWARD_ROWS * numbers);
            uint32_t saturated[AWKWARD_ROWS];
            struct exported e;

            export_codebooks(&e, cb);
            assert_ok(dkvb_codebooks_project(cb, awkward_rows, AWKWARD_ROWS, got, saturated, NULL));
            for (size_t r = 0; r < AWKWARD_ROWS; r++) {
                uint32_t outside = 0;

                plain_projection(&e, awkward_rows + r * width, q);
                for (size_t i = 0; i < numbers; i++) {
                    float scale = e.scales[i / e.info.key_dim];

                    assert_int_equal(got[r * numbers + i], plain_steps(q[i], scale));
                    outside += fabsf(q[i] * scale) > 63.5f;
                }
                assert_int_equal(saturated[r], outside);
            }
            free(q);
            free(got);
            free_exported(&e);
            dkvb_codebooks_free(cb);
        }
}

static void a_row_alone_is_projected_as_in_a_batch(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < sizeof awkward_shapes / sizeof *awkward_shapes; shape++) {
        dkvb_codebooks *cb = awkward_codebooks(shape, 1, awkward_shapes[shape].width <= 33);
        size_t numbers = (size_t)awkward_shapes[shape].codebooks * awkward_shapes[shape].key_dim;
        size_t width = awkward_shapes[shape].width;
        int8_t *all = malloc(AWKWARD_ROWS * numbers), *one = malloc(numbers);

        assert_ok(dkvb_codebooks_project(cb, awkward_rows, AWKWARD_ROWS, all, NULL, NULL));
        for (size_t r = 0; r < AWKWARD_ROWS; r++) {
            assert_ok(dkvb_codebooks_project(cb, awkward_rows + r * width, 1, one, NULL, NULL));
            assert_memory_equal(one, all + r * numbers, numbers);
        }
        free(all);
        free(one);
        dkvb_codebooks_free(cb);
    }
}

static void no_codebook_takes_an_output_twice(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < sizeof awkward_shapes / sizeof *awkward_shapes; shape++) {
        dkvb_codebooks *cb = awkward_codebooks(shape, 1, 0);
        struct exported e;

        export_codebooks(&e, cb);
        assert_true(e.info.round_size >= e.info.input_dim && e.info.round_size < 2 * e.info.input_dim);
        for (size_t i = 0; i < (size_t)e.info.rounds * e.info.round_size; i++)
            assert_true(e.signs[i] == 1 || e.signs[i] == -1);
        for (size_t i = 0; i < (size_t)e.info.codebooks * e.info.key_dim; i++) {
            size_t first = i / e.info.key_dim * e.info.key_dim;

            assert_true(e.order[i] < e.info.rounds * e.info.round_size);
            for (size_t j = first; j < i; j++)
                assert_true(e.order[i] != e.order[j]);
        }
        free_exported(&e);
        dkvb_codebooks_free(cb);
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* The scale of a codebook is set from a histogram of magnitudes, with 16 bins per factor of two, whose quantile is the
 * upper end of its bin. The last rows that do not fill a tile of 16 are left out of the histogram. */
static void scales_put_99_in_100_numbers_within_36_steps(void **state)
{
    enum { WHOLE = ROWS / 16 * 16, NUMBERS = WHOLE * KEY_DIM };
    static float q[CODEBOOKS * KEY_DIM], size[CODEBOOKS][NUMBERS];
    dkvb_codebooks *cb = fit(small_keyinit(), 2);
    struct exported e;

    (void)state;
    export_codebooks(&e, cb);
    for (size_t r = 0; r < WHOLE; r++) {
        plain_projection(&e, rows + r * DIM, q);
        for (size_t i = 0; i < CODEBOOKS * KEY_DIM; i++)
            size[i / KEY_DIM][r * KEY_DIM + i % KEY_DIM] = fabsf(q[i]);
    }
    for (size_t c = 0; c < CODEBOOKS; c++) {
        float steps;

        qsort(size[c], NUMBERS, sizeof **size, by_size);
        steps = size[c][NUMBERS - NUMBERS / 100 - 1] * e.scales[c];
        assert_true(steps > 36.0f / (1.0f + 1.0f / 16.0f) * 0.999f && steps < 36.0f * 1.001f);
    }
    free_exported(&e);
    dkvb_codebooks_free(cb);
}

static void the_largest_keys_have_a_scale_above_0(void **state)
{
    static const float keys[2] = {3.4e38f, -1.0f};
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *cb;
    float scale;

    (void)state;
    o.codebooks = 1;
    o.keys = 2;
    o.key_dim = 1;
    arrays.dim = 1;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&cb, &arrays, &o));
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .scales = &scale}));
    assert_true(scale > 0.0f);
    dkvb_codebooks_free(cb);
}

static void numbers_that_are_cut_are_counted(void **state)
{
    enum { NUMBERS = CODEBOOKS * KEY_DIM };
    static int8_t projected[ROWS * NUMBERS];
    static uint32_t saturated[ROWS];
    static float far[ROWS * DIM];
    dkvb_keyinit_options o = small_keyinit();
    uint64_t usual = 0, cut = 0;
    dkvb_codebooks *cb;

    (void)state;
    o.normalize = 0;
    cb = fit(o, 2);
    for (size_t i = 0; i < ROWS * DIM; i++)
        far[i] = 1000.0f * rows[i];
    assert_ok(dkvb_codebooks_project(cb, rows, ROWS, projected, saturated, NULL));
    for (size_t r = 0; r < ROWS; r++)
        usual += saturated[r];
    assert_true(usual < ROWS * NUMBERS / 1000);
    assert_ok(dkvb_codebooks_project(cb, far, ROWS, projected, saturated, NULL));
    for (size_t r = 0; r < ROWS; r++) {
        uint32_t ends = 0;

        for (size_t i = 0; i < NUMBERS; i++)
            ends += abs(projected[r * NUMBERS + i]) == 63;
        assert_true(saturated[r] <= ends);
        cut += saturated[r];
    }
    assert_true(cut > ROWS * NUMBERS * 9 / 10);
    dkvb_codebooks_free(cb);
}

/* Computes the product a b of two m x m matrices in double precision. */
static void plain_product(double *out, const double *a, const double *b, size_t m)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            out[i * m + j] = 0.0;
            for (size_t k = 0; k < m; k++)
                out[i * m + j] += a[i * m + k] * b[k * m + j];
        }
}

/* Computes the covariance of the rows as whitening does: from centred rows, with a floor under the eigenvalues. */
static void plain_covariance(double *s, const float *x, const float *center, size_t n, size_t m)
{
    double trace = 0.0;

    memset(s, 0, m * m * sizeof *s);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < m; j++)
                s[i * m + j] += ((double)x[r * m + i] - (double)center[i]) * ((double)x[r * m + j] - (double)center[j]);
    for (size_t i = 0; i < m; i++)
        trace += s[i * m + i];
    for (size_t i = 0; i < m; i++)
        s[i * m + i] += 1e-3 * trace / (double)m;
}

/* Checks a whitening matrix W = S^(-1/4) of the covariance S: W S W is the square root of S. W^4 S must be the identity
 * within 1e-4 in each element, where the iteration stops, and within the rounding of at most 60 products of length m.
 */
static void check_whitening(const float *x, size_t n, size_t m)
{
    double *s = malloc(m * m * sizeof *s), *w = malloc(m * m * sizeof *w), *a = malloc(m * m * sizeof *a);
    double *b = malloc(m * m * sizeof *b), tolerance = (double)m * (1e-4 + 60.0 * 0x1p-24 * (double)m), off = 0.0;
    dkvb_keyinit_options o = small_keyinit();
    double size = 0.0;
    struct exported e;
    dkvb_codebooks *cb;

    o.keys = 2;
    o.whiten = 1;
    o.rows_per_key = 0;
    assert_ok(dkvb_codebooks_fit(&cb, x, n, m, &o, NULL));
    export_codebooks(&e, cb);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            assert_true(isfinite(e.whitening[i * m + j]));
            assert_true(e.whitening[i * m + j] == e.whitening[j * m + i]);
            w[i * m + j] = (double)e.whitening[i * m + j];
        }
    plain_covariance(s, x, e.center, n, m);
    plain_product(a, w, s, m);
    plain_product(b, a, w, m);
    plain_product(a, b, b, m);
    for (size_t i = 0; i < m * m; i++) {
        off += (a[i] - s[i]) * (a[i] - s[i]);
        size += s[i] * s[i];
    }
    assert_true(sqrt(off) <= tolerance * sqrt(size));
    free(s);
    free(w);
    free(a);
    free(b);
    free_exported(&e);
    dkvb_codebooks_free(cb);
}

static void whitening_is_the_inverse_fourth_root_of_the_covariance(void **state)
{
    static float wide[MOST_WIDTH * 30];

    (void)state;
    check_whitening(rows, ROWS, DIM);
    check_whitening(rows, ROWS * DIM, 1);
    check_whitening(rows, ROWS * 2, 5);
    check_whitening(rows, 4, DIM); /* whitening from fewer rows than columns */
    check_whitening(rows, 2, 50);
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) /* principal axes of very different lengths */
        wide[i] = rows[i * 11 % (ROWS * DIM)] * (i % 33 % 3 ? 1.0f : 1e-3f) * (i % 33 == 5 ? 100.0f : 1.0f);
    check_whitening(wide, sizeof wide / sizeof *wide / 33, 33);
}

static void rows_that_are_all_alike_are_whitened_by_the_identity(void **state)
{
    static float same[50 * 6];
    dkvb_keyinit_options o = small_keyinit();
    struct exported e;
    dkvb_codebooks *cb;

    (void)state;
    for (size_t i = 0; i < 300; i++)
        same[i] = 2.5f;
    o.keys = 20;
    o.whiten = 1;
    assert_ok(dkvb_codebooks_fit(&cb, same, 50, 6, &o, NULL));
    export_codebooks(&e, cb);
    for (size_t i = 0; i < 36; i++)
        assert_true(fabs((double)e.whitening[i] - (i % 7 == 0 ? 1.0 : 0.0)) < 1e-4);
    free_exported(&e);
    dkvb_codebooks_free(cb);
}

static void more_columns_than_can_be_whitened_are_refused(void **state)
{
    enum { WIDE = 4097 };
    static float x[2 * WIDE];
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;

    (void)state;
    o.keys = 2;
    o.whiten = 1;
    assert_int_equal(dkvb_codebooks_fit(&cb, x, 2, WIDE, &o, NULL), DKVB_EINVAL);
    assert_message("whitening of 4097 columns, at most 4096");
    assert_null(cb);
}

static void only_arrays_that_are_asked_for_are_copied_and_none_where_one_is_missing(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks_copies to = DKVB_CODEBOOKS_COPIES_INIT;
    float center[DIM], scales[CODEBOOKS], whitening[DIM * DIM];
    dkvb_codebooks *cb;

    (void)state;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_codebooks_get_arrays(cb, &to)); /* a call that asks for no array */
    memset(center, 0x55, sizeof center);
    memset(scales, 0x55, sizeof scales);
    to.center = center;
    to.whitening = whitening;
    assert_int_equal(dkvb_codebooks_get_arrays(cb, &to), DKVB_ENOTFOUND);
    assert_message("do not whiten rows");
    assert_true(center[0] == scales[0]); /* the call has not changed the caller's arrays */
    to.whitening = NULL;
    assert_ok(dkvb_codebooks_get_arrays(cb, &to));
    assert_true(center[0] != scales[0]);
    to.struct_size = 0;
    assert_int_equal(dkvb_codebooks_get_arrays(cb, &to), DKVB_EINVAL);
    dkvb_codebooks_free(cb);
}

static void sizes_that_are_not_given_suit_the_rows(void **state)
{
    static const size_t counts[] = {1, 2, 17, 280, 3000, 50000, 1280000};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t columns = 1; columns <= 2048; columns = columns * 3 + 1) {
            dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;

            dkvb__keyinit_suit(&o, counts[i], columns);
            assert_true(o.codebooks > 0 && o.keys > 0 && o.keys <= counts[i] && o.key_dim > 0 && o.key_dim <= columns);
            o.codebooks = 3;
            o.keys = 500000;
            o.key_dim = 7;
            dkvb__keyinit_suit(&o, counts[i], columns);
            assert_true(o.codebooks == 3 && o.keys == 500000 && o.key_dim == 7);
        }
}

static void growing_codebooks_come_near_the_rows_and_then_freeze(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    uint16_t codes[CODEBOOKS];
    dkvb_codebooks *cb, *young;
    dkvb_mask *mask;
    double first, last;

    (void)state;
    o.keys = 20;
    assert_ok(dkvb_codebooks_begin(&young, DIM, &o));
    assert_ok(dkvb_codebooks_step(young, rows, 100, NULL));
    assert_ok(dkvb_codebooks_freeze(young));
    first = quantisation_error(young);
    dkvb_codebooks_free(young);
    assert_ok(dkvb_codebooks_begin(&cb, DIM, &o));
    assert_int_equal(dkvb_codebooks_freeze(cb), DKVB_ESTATE);
    assert_int_equal(dkvb_search(cb, NULL, rows, 1, 1, codes, NULL, NULL), DKVB_ESTATE);
    assert_int_equal(dkvb_mask_new(&mask, cb), DKVB_ESTATE);
    assert_ok(dkvb_codebooks_step(cb, rows, 100, NULL));
    for (size_t pass = 0; pass < 10; pass++)
        for (size_t r = 0; r < ROWS; r += 100)
            assert_ok(dkvb_codebooks_step(cb, rows + r * DIM, 100, NULL));
    assert_ok(dkvb_codebooks_freeze(cb));
    last = quantisation_error(cb);
    assert_true(last < 0.9 * first);
    assert_int_equal(dkvb_codebooks_step(cb, rows, 100, NULL), DKVB_ESTATE);
    dkvb_codebooks_free(cb);
}

static int cancel_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return 1;
}

static void a_cancelled_step_changes_nothing(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_codebooks *plain, *cancelled;

    (void)state;
    run.progress = cancel_at_once;
    assert_ok(dkvb_codebooks_begin(&plain, DIM, &o));
    assert_ok(dkvb_codebooks_begin(&cancelled, DIM, &o));
    assert_int_equal(dkvb_codebooks_step(cancelled, rows, 300, &run), DKVB_ECANCELLED);
    assert_ok(dkvb_codebooks_step(plain, rows, 300, NULL));
    assert_ok(dkvb_codebooks_step(cancelled, rows, 300, NULL));
    assert_int_equal(dkvb_codebooks_step(cancelled, rows, 300, &run), DKVB_ECANCELLED);
    assert_ok(dkvb_codebooks_step(plain, rows + 300 * DIM, 300, NULL));
    assert_ok(dkvb_codebooks_step(cancelled, rows + 300 * DIM, 300, NULL));
    assert_ok(dkvb_codebooks_freeze(plain));
    assert_ok(dkvb_codebooks_freeze(cancelled));
    assert_same_codebooks(plain, cancelled);
    dkvb_codebooks_free(plain);
    dkvb_codebooks_free(cancelled);
}

static void a_cancelled_fit_gives_nothing(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_codebooks *cb;

    (void)state;
    run.progress = cancel_at_once;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, &run), DKVB_ECANCELLED);
    assert_null(cb);
}

struct ticks {
    uint64_t calls, stop_at, last;
};

static int stop_at_tick(void *user, uint64_t done, uint64_t total)
{
    struct ticks *t = user;

    assert_true(done <= total && done >= t->last);
    t->last = done;
    return t->calls++ == t->stop_at;
}

/* Placing the keys of a single codebook on a million rows may take many seconds, so it must report progress. */
static void progress_is_told_while_a_codebook_is_placed(void **state)
{
    static const uint32_t methods[] = {DKVB_KEYINIT_MEANS, DKVB_KEYINIT_EMA};

    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            dkvb_keyinit_options o = small_keyinit();
            dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
            struct ticks all = {0, UINT64_MAX, 0}, some = {0, 30, 0};
            dkvb_codebooks *cb;

            o.codebooks = threads; /* one codebook for each thread, so that the calling thread has one */
            o.method = methods[m];
            o.passes = 100;
            run.threads = threads;
            run.progress = stop_at_tick;
            run.user = &all;
            assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, &run));
            dkvb_codebooks_free(cb);
            if (threads == 1) {
                assert_true(all.calls > 100);
                run.user = &some;
                assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, &run), DKVB_ECANCELLED);
                assert_null(cb);
                assert_true(some.calls < 40);
            }
        }
}

/* Returns exported keys in units of projected rows. */
static float *keys_in_units(const struct exported *e)
{
    size_t count = (size_t)e->info.keys * e->info.key_dim;
    float *keys = malloc(e->info.codebooks * count * sizeof *keys);

    for (size_t i = 0; i < e->info.codebooks * count; i++)
        keys[i] = (float)e->keys[i] / e->scales[i / count];
    return keys;
}

static void arrays_come_back_as_they_went_in(void **state)
{
    static uint16_t codes[2][ROWS * CODEBOOKS];

    (void)state;
    for (uint32_t preparation = 0; preparation < 4; preparation++) {
        dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
        dkvb_keyinit_options o = small_keyinit();
        dkvb_codebooks *a, *b;
        struct exported e;
        float *keys;

        o.normalize = preparation & 1;
        o.whiten = preparation >> 1;
        o.seed = 3;
        a = fit(o, 2);
        export_codebooks(&e, a);
        keys = keys_in_units(&e);
        arrays.dim = DIM;
        arrays.center = e.center;
        arrays.whitening = e.whitening;
        arrays.scales = e.scales;
        arrays.keys = keys;
        assert_ok(dkvb_codebooks_from_arrays(&b, &arrays, &o));
        assert_same_codebooks(a, b);
        assert_ok(dkvb_search(a, NULL, rows, ROWS, 1, codes[0], NULL, NULL));
        assert_ok(dkvb_search(b, NULL, rows, ROWS, 1, codes[1], NULL, NULL));
        assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
        free(keys);
        free_exported(&e);
        dkvb_codebooks_free(a);
        dkvb_codebooks_free(b);
    }
}

static void arrays_that_cannot_be_codebooks_are_refused(void **state)
{
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *a = fit(o, 2), *b;
    float whitening[DIM * DIM] = {0.0f}, good;
    struct exported e;
    float *keys;

    (void)state;
    export_codebooks(&e, a);
    keys = keys_in_units(&e);
    arrays.dim = DIM;
    assert_int_equal(dkvb_codebooks_from_arrays(&b, &arrays, &o), DKVB_EINVAL);
    assert_message("keys are missing");
    arrays.keys = keys;
    arrays.center = e.center;
    arrays.scales = e.scales;
    arrays.whitening = whitening;
    for (size_t i = 0; i < 3; i++) {
        float *at = i == 0 ? &keys[5] : i == 1 ? &e.center[3] : &whitening[DIM * DIM - 1];

        good = *at;
        *at = i ? INFINITY : NAN;
        assert_int_equal(dkvb_codebooks_from_arrays(&b, &arrays, &o), DKVB_EINVAL);
        assert_message("not finite");
        assert_null(b);
        *at = good;
    }
    good = e.scales[2];
    e.scales[2] = 0.0f;
    assert_int_equal(dkvb_codebooks_from_arrays(&b, &arrays, &o), DKVB_EINVAL);
    assert_message("scale 2 is 0");
    e.scales[2] = good;
    o.normalize = 7;
    assert_int_equal(dkvb_codebooks_from_arrays(&b, &arrays, &o), DKVB_EINVAL);
    assert_message("normalize is 7");
    o.normalize = 1;
    arrays.struct_size = 0;
    assert_int_equal(dkvb_codebooks_from_arrays(&b, &arrays, &o), DKVB_EINVAL);
    free(keys);
    free_exported(&e);
    dkvb_codebooks_free(a);
}

/* Codebooks made from keys alone: rows are not centred, and the scales are computed from the keys. */
static void keys_alone_make_codebooks(void **state)
{
    static float keys[CODEBOOKS * KEYS * KEY_DIM];
    static int8_t rounded[CODEBOOKS * KEYS * KEY_DIM];
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;
    struct exported e;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        keys[i] = 1e-3f * (rows[i] + 0.25f * rows[i + 1]);
    arrays.dim = DIM;
    arrays.keys = keys;
    assert_ok(dkvb_codebooks_from_arrays(&cb, &arrays, &o));
    export_codebooks(&e, cb);
    assert_ok(dkvb_codebooks_get_arrays(cb, &(dkvb_codebooks_copies){sizeof(dkvb_codebooks_copies), .keys = rounded}));
    for (size_t i = 0; i < DIM; i++)
        assert_true(e.center[i] == 0.0f);
    for (size_t c = 0; c < CODEBOOKS; c++) {
        size_t within = 0;

        assert_true(e.scales[c] > 1.0f);
        for (size_t i = 0; i < KEYS * KEY_DIM; i++) {
            assert_int_equal(rounded[c * KEYS * KEY_DIM + i], plain_steps(keys[c * KEYS * KEY_DIM + i], e.scales[c]));
            within += abs(rounded[c * KEYS * KEY_DIM + i]) <= 36;
        }
        assert_true(within >= KEYS * KEY_DIM * 99 / 100);
    }
    free_exported(&e);
    dkvb_codebooks_free(cb);
}

static void bad_options_and_rows_are_named(void **state)
{
    dkvb_keyinit_options o = small_keyinit();
    dkvb_codebooks *cb;
    float bad = rows[17 * DIM + 3];

    (void)state;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, KEYS - 1, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("69 rows for 70 keys");
    assert_message("the option keys must be at most that, or 0");
    rows[17 * DIM + 3] = NAN;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("row 17, column 3");
    o.whiten = 1; /* with whitening, invalid rows are found before the whitening is computed */
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("row 17, column 3");
    rows[17 * DIM + 3] = bad;
    o.whiten = 2;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("whiten 2");
    o = small_keyinit();
    o.keys = 65536;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("keys is 65536");
    o = small_keyinit();
    o.method = 9;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    o = small_keyinit();
    o.decay = 1.0;
    assert_int_equal(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &o, NULL), DKVB_EINVAL);
    assert_message("decay");
}

static void rows_whose_sums_overflow_are_named(void **state)
{
    static float huge[3 * DIM];
    uint16_t codes[3 * CODEBOOKS];

    (void)state;
    for (uint32_t normalize = 0; normalize < 2; normalize++) {
        dkvb_keyinit_options o = small_keyinit();
        dkvb_codebooks *cb;

        o.normalize = normalize;
        cb = fit(o, 2);
        for (size_t i = 0; i < DIM;
             i++) /* huge rows: squares of all floats fit in double precision, but not all transforms fit in float */
            huge[2 * DIM + i] = i % 2 ? -3.4e38f : 3.4e38f;
        if (normalize) {
            assert_ok(dkvb_search(cb, NULL, huge, 3, 1, codes, NULL, NULL));
        } else {
            assert_int_equal(dkvb_search(cb, NULL, huge, 3, 1, codes, NULL, NULL), DKVB_EINVAL);
            assert_message("row 2 holds numbers so large");
        }
        dkvb_codebooks_free(cb);
    }
}

static void owners_are_counted(void **state)
{
    dkvb_codebooks *cb = fit(small_keyinit(), 1);
    dkvb_codebooks_info info = DKVB_CODEBOOKS_INFO_INIT;

    (void)state;
    assert_ptr_equal(dkvb_codebooks_retain(cb), cb);
    dkvb_codebooks_free(cb);
    assert_ok(dkvb_codebooks_get_info(cb, &info));
    assert_int_equal(info.keys, KEYS);
    assert_int_equal(info.frozen, 1);
    dkvb_codebooks_free(cb);
    dkvb_codebooks_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_gives_the_same_codebooks_for_any_thread_count),
        cmocka_unit_test(another_seed_gives_other_codebooks),
        cmocka_unit_test(sampled_keys_are_rows_and_each_codebook_draws_its_own),
        cmocka_unit_test(rows_a_key_are_drawn_by_seed_and_are_the_only_ones_used),
        cmocka_unit_test(fitted_keys_lie_closer_to_the_rows_than_sampled_ones),
        cmocka_unit_test(keys_of_identical_rows_are_found_nonetheless),
        cmocka_unit_test(center_is_the_mean_of_the_rows),
        cmocka_unit_test(a_row_of_unit_length_does_not_tell_how_long_it_was),
        cmocka_unit_test(rows_are_prepared_and_projected_as_the_docs_say_bit_for_bit),
        cmocka_unit_test(a_row_alone_is_projected_as_in_a_batch),
        cmocka_unit_test(no_codebook_takes_an_output_twice),
        cmocka_unit_test(scales_put_99_in_100_numbers_within_36_steps),
        cmocka_unit_test(the_largest_keys_have_a_scale_above_0),
        cmocka_unit_test(numbers_that_are_cut_are_counted),
        cmocka_unit_test(whitening_is_the_inverse_fourth_root_of_the_covariance),
        cmocka_unit_test(rows_that_are_all_alike_are_whitened_by_the_identity),
        cmocka_unit_test(more_columns_than_can_be_whitened_are_refused),
        cmocka_unit_test(only_arrays_that_are_asked_for_are_copied_and_none_where_one_is_missing),
        cmocka_unit_test(sizes_that_are_not_given_suit_the_rows),
        cmocka_unit_test(growing_codebooks_come_near_the_rows_and_then_freeze),
        cmocka_unit_test(a_cancelled_step_changes_nothing),
        cmocka_unit_test(a_cancelled_fit_gives_nothing),
        cmocka_unit_test(progress_is_told_while_a_codebook_is_placed),
        cmocka_unit_test(arrays_come_back_as_they_went_in),
        cmocka_unit_test(arrays_that_cannot_be_codebooks_are_refused),
        cmocka_unit_test(keys_alone_make_codebooks),
        cmocka_unit_test(bad_options_and_rows_are_named),
        cmocka_unit_test(rows_whose_sums_overflow_are_named),
        cmocka_unit_test(owners_are_counted),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
