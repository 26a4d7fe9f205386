/* How far apart classes lie: against the definitions, written out on small codes. */
#include "fixture.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"

enum { N = 200, C = 5, K = 9, L = 6, MOST_K = 3, EMPTY = 3, ALONE = 4 }; /* class EMPTY has no row, ALONE one */

static uint16_t codes[N * C * MOST_K];
static int32_t class_of[N];
static uint32_t counts[L * C * K];
static uint64_t row_counts[L];
static double each[N], sums[L];

static dkvb_separation_shape shape_of(uint32_t k)
{
    dkvb_separation_shape shape = DKVB_SEPARATION_SHAPE_INIT;

    shape.codebooks = C;
    shape.keys = K;
    shape.top_k = k;
    shape.classes = L;
    return shape;
}

/* Codes of k different keys, near the row's class; some end in keys that are not there, some rows have no label. */
static dkvb_separation_shape make_codes(uint32_t k)
{
    struct dkvb__rng rng;

    dkvb__rng_seed(&rng, 11, k);
    for (size_t r = 0; r < N; r++) {
        class_of[r] = r == 77 ? ALONE : (int32_t)dkvb__rng_below(&rng, 7) - 1;
        if (class_of[r] == EMPTY || (class_of[r] == ALONE && r != 77))
            class_of[r] = -1;
        for (size_t c = 0; c < C; c++) {
            uint64_t first = (uint64_t)(class_of[r] + 1) + dkvb__rng_below(&rng, 3);

            for (size_t j = 0; j < k; j++)
                codes[(r * C + c) * k + j] =
                    dkvb__rng_below(&rng, 12) == 0 ? DKVB_CODE_NONE : (uint16_t)((first + 2 * j) % K);
        }
    }
    return shape_of(k);
}

static void count_all(const dkvb_separation_shape *shape)
{
    memset(counts, 0, sizeof counts);
    memset(row_counts, 0, sizeof row_counts);
    assert_ok(dkvb_separation_count(shape, codes, class_of, N, counts, row_counts, NULL));
}

static bool selects(uint32_t k, size_t r, size_t c, size_t key)
{
    for (size_t j = 0; j < k; j++)
        if (codes[(r * C + c) * k + j] == key)
            return true;
    return false;
}

/* Rows of a class that select a pair, by looking at all rows. */
static uint32_t rows_with(uint32_t k, int32_t label, size_t c, size_t key)
{
    uint32_t found = 0;

    for (size_t r = 0; r < N; r++)
        found += class_of[r] == label && selects(k, r, c, key);
    return found;
}

static void counts_are_rows_that_select_a_pair(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= MOST_K; k++) {
        dkvb_separation_shape shape = make_codes(k);
        uint64_t labelled = 0, with_label = 0;

        count_all(&shape);
        for (int32_t l = 0; l < L; l++) {
            for (size_t c = 0; c < C; c++)
                for (size_t j = 0; j < K; j++)
                    assert_int_equal(counts[((size_t)l * C + c) * K + j], rows_with(k, l, c, j));
            labelled += row_counts[l];
        }
        for (size_t r = 0; r < N; r++)
            with_label += class_of[r] >= 0;
        assert_int_equal(labelled, with_label);
        assert_true(row_counts[EMPTY] == 0 && row_counts[ALONE] == 1);
    }
}

static void counts_add_up_over_batches(void **state)
{
    static uint32_t parts[L * C * K];
    uint64_t part_rows[L] = {0};
    dkvb_separation_shape shape = make_codes(2);

    (void)state;
    count_all(&shape);
    memset(parts, 0, sizeof parts);
    for (size_t first = 0, size = 1; first < N; first += size, size += 3) {
        size = N - first < size ? N - first : size;
        assert_ok(dkvb_separation_count(&shape, codes + first * C * 2, class_of + first, size, parts, part_rows, NULL));
    }
    assert_memory_equal(counts, parts, sizeof counts);
    assert_memory_equal(row_counts, part_rows, sizeof row_counts);
}

static void pairs_are_exclusive_if_no_other_class_selects_them(void **state)
{
    uint64_t selected[L], exclusive[L], all_exclusive = 0;
    dkvb_separation_shape shape = make_codes(1);

    (void)state;
    count_all(&shape);
    assert_ok(dkvb_separation_pairs(&shape, counts, selected, exclusive));
    for (size_t l = 0; l < L; l++) {
        uint64_t mine = 0, only_mine = 0;

        for (size_t p = 0; p < C * K; p++) {
            size_t owners = 0;

            for (size_t m = 0; m < L; m++)
                owners += counts[m * C * K + p] > 0;
            mine += counts[l * C * K + p] > 0;
            only_mine += counts[l * C * K + p] > 0 && owners == 1;
        }
        assert_int_equal(selected[l], mine);
        assert_int_equal(exclusive[l], only_mine);
        all_exclusive += only_mine;
    }
    assert_true(all_exclusive > 0);
}

static void overlaps_are_those_of_sets_and_of_shares(void **state)
{
    double jaccard[L * L], weighted[L * L];
    dkvb_separation_shape shape = make_codes(2);

    (void)state;
    count_all(&shape);
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, weighted, NULL));
    for (size_t a = 0; a < L; a++)
        for (size_t b = 0; b < L; b++) {
            double both = 0, any = 0, least = 0, most = 0;

            if (a == EMPTY || b == EMPTY) {
                assert_true(isnan(jaccard[a * L + b]) && isnan(weighted[a * L + b]));
                continue;
            }
            for (size_t p = 0; p < C * K; p++) {
                double x = counts[a * C * K + p] / (double)row_counts[a];
                double y = counts[b * C * K + p] / (double)row_counts[b];

                both += x > 0 && y > 0;
                any += x > 0 || y > 0;
                least += fmin(x, y);
                most += fmax(x, y);
            }
            assert_true(jaccard[a * L + b] == both / any);
            assert_true(fabs(weighted[a * L + b] - least / most) < 1e-14 * C * K);
            assert_true(weighted[a * L + b] == weighted[b * L + a] && jaccard[a * L + b] == jaccard[b * L + a]);
            assert_true(a != b || (jaccard[a * L + b] == 1.0 && weighted[a * L + b] == 1.0));
        }
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, NULL, weighted, NULL));
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, NULL, NULL));
}

/* Of an empty class the counts may be what they like. */
static void a_class_without_rows_overlaps_with_none(void **state)
{
    double jaccard[L * L], weighted[L * L];
    dkvb_separation_shape shape = make_codes(1);

    (void)state;
    count_all(&shape);
    row_counts[0] = 0;
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, weighted, NULL));
    for (size_t b = 0; b < L; b++)
        assert_true(isnan(jaccard[b]) && isnan(weighted[b]) && isnan(jaccard[b * L]) && isnan(weighted[b * L]));
    assert_true(!isnan(jaccard[L + 2]));
}

/* Shares do not depend on how many rows there are: three copies of a class overlap with others as one does. */
static void copies_of_rows_change_no_weighted_overlap(void **state)
{
    double before[L * L], after[L * L];
    dkvb_separation_shape shape = make_codes(2);

    (void)state;
    count_all(&shape);
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, NULL, before, NULL));
    for (size_t p = 0; p < C * K; p++)
        counts[C * K + p] *= 3;
    row_counts[1] *= 3;
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, NULL, after, NULL));
    assert_memory_equal(before, after, sizeof before);
}

/* 1 - |common| / (C k), by comparing all selections of two rows. */
static double distance(uint32_t k, size_t a, size_t b)
{
    size_t common = 0;

    for (size_t c = 0; c < C; c++)
        for (size_t j = 0; j < K; j++)
            common += selects(k, a, c, j) && selects(k, b, c, j);
    return 1.0 - (double)common / (double)(C * k);
}

/* Mean distance of a row to the other rows of a class; NaN if there are none. */
static double distance_to_class(uint32_t k, size_t row, int32_t label)
{
    double sum = 0.0, rows_of_class = 0.0;

    for (size_t r = 0; r < N; r++)
        if (class_of[r] == label && r != row) {
            sum += distance(k, row, r);
            rows_of_class += 1.0;
        }
    return sum / rows_of_class;
}

static double quadratic_silhouette(uint32_t k, size_t row)
{
    double within = distance_to_class(k, row, class_of[row]), between = INFINITY;

    for (int32_t l = 0; l < L; l++)
        if (l != class_of[row])
            between = fmin(between, distance_to_class(k, row, l)); /* which passes over NaN */
    return isnan(within) ? 0.0 : (between - within) / fmax(within, between);
}

static void silhouettes_are_those_of_the_quadratic_definition(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= MOST_K; k++) {
        dkvb_separation_shape shape = make_codes(k);
        double expected[L] = {0};

        count_all(&shape);
        memset(sums, 0, sizeof sums);
        assert_ok(dkvb_separation_silhouette(&shape, counts, row_counts, codes, class_of, N, each, sums, NULL));
        for (size_t r = 0; r < N; r++) {
            if (class_of[r] < 0) {
                assert_true(isnan(each[r]));
                continue;
            }
            assert_true(fabs(each[r] - quadratic_silhouette(k, r)) < 1e-12);
            expected[class_of[r]] += each[r];
        }
        assert_memory_equal(sums, expected, sizeof sums);
        assert_true(each[77] == 0.0); /* the only row of its class */
    }
}

static void results_are_the_same_bits_for_any_threads_and_batches(void **state)
{
    double one_each[N], one_sums[L] = {0}, one_jaccard[L * L], one_weighted[L * L], jaccard[L * L], weighted[L * L];
    static uint32_t one_counts[L * C * K];
    dkvb_separation_shape shape = make_codes(2);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    for (run.threads = 1; run.threads <= 4; run.threads++) {
        memset(counts, 0, sizeof counts);
        memset(row_counts, 0, sizeof row_counts);
        memset(sums, 0, sizeof sums);
        assert_ok(dkvb_separation_count(&shape, codes, class_of, N, counts, row_counts, &run));
        assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, weighted, &run));
        for (size_t first = 0, size; first < N; first += size) {
            size = N - first < N / run.threads ? N - first : N / run.threads;
            assert_ok(dkvb_separation_silhouette(&shape, counts, row_counts, codes + first * C * 2, class_of + first,
                                                 size, each + first, sums, &run));
        }
        if (run.threads == 1) {
            memcpy(one_counts, counts, sizeof counts);
            memcpy(one_jaccard, jaccard, sizeof jaccard);
            memcpy(one_weighted, weighted, sizeof weighted);
            memcpy(one_each, each, sizeof each);
            memcpy(one_sums, sums, sizeof sums);
        }
        assert_memory_equal(one_counts, counts, sizeof counts);
        assert_memory_equal(one_jaccard, jaccard, sizeof jaccard);
        assert_memory_equal(one_weighted, weighted, sizeof weighted);
        assert_memory_equal(one_each, each, sizeof each);
        assert_memory_equal(one_sums, sums, sizeof sums);
    }
}

/* Two classes; row r selects key `of[label]` in every codebook. */
static void make_two(uint16_t first, uint16_t second)
{
    for (size_t r = 0; r < N; r++) {
        class_of[r] = r % 2;
        for (size_t c = 0; c < C; c++)
            codes[r * C + c] = r % 2 ? second : first;
    }
}

static void classes_apart_and_classes_alike_are_told(void **state)
{
    dkvb_separation_shape shape = shape_of(1);
    uint64_t selected[L], exclusive[L];
    double jaccard[L * L], weighted[L * L];

    (void)state;
    make_two(2, 5);
    count_all(&shape);
    assert_ok(dkvb_separation_pairs(&shape, counts, selected, exclusive));
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, weighted, NULL));
    assert_ok(dkvb_separation_silhouette(&shape, counts, row_counts, codes, class_of, N, each, NULL, NULL));
    assert_true(selected[0] == C && exclusive[0] == C && exclusive[1] == C && exclusive[2] == 0);
    assert_true(jaccard[1] == 0.0 && weighted[1] == 0.0);
    assert_true(each[0] == 1.0 && each[1] == 1.0);

    make_two(5, 5);
    count_all(&shape);
    assert_ok(dkvb_separation_pairs(&shape, counts, selected, exclusive));
    assert_ok(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, weighted, NULL));
    assert_ok(dkvb_separation_silhouette(&shape, counts, row_counts, codes, class_of, N, each, NULL, NULL));
    assert_true(selected[0] == C && exclusive[0] == 0 && exclusive[1] == 0);
    assert_true(jaccard[1] == 1.0 && weighted[1] == 1.0);
    assert_true(each[0] == 0.0 && each[1] == 0.0);

    for (size_t r = 0; r < N; r++)
        class_of[r] = 2;
    count_all(&shape);
    assert_ok(dkvb_separation_silhouette(&shape, counts, row_counts, codes, class_of, N, each, NULL, NULL));
    assert_true(isnan(each[0])); /* nothing to be apart from */
}

static void assert_nothing_is_counted(const dkvb_separation_shape *shape, const char *message)
{
    static const uint32_t no_counts[L * C * K];
    static const uint64_t no_rows[L];

    memset(counts, 0, sizeof counts);
    memset(row_counts, 0, sizeof row_counts);
    assert_int_equal(dkvb_separation_count(shape, codes, class_of, N, counts, row_counts, NULL), DKVB_EINVAL);
    assert_message(message);
    assert_memory_equal(counts, no_counts, sizeof counts);
    assert_memory_equal(row_counts, no_rows, sizeof row_counts);
}

static void what_cannot_be_is_named_and_changes_nothing(void **state)
{
    dkvb_separation_shape shape = make_codes(2), odd = shape;
    double none[L] = {0};

    (void)state;
    codes[(41 * C + 3) * 2] = K;
    assert_nothing_is_counted(&shape, "row 41, codebook 3 names key 9, there are 9");
    make_codes(2);
    class_of[42] = L;
    assert_nothing_is_counted(&shape, "labels: row 42 is 6, -1 to 5 is wanted");
    class_of[42] = -2;
    assert_nothing_is_counted(&shape, "labels: row 42 is -2, -1 to 5 is wanted");
    make_codes(2);
    odd.top_k = K + 1;
    assert_nothing_is_counted(&odd, "top_k is 10, 1 to 9 is wanted");
    odd = shape;
    odd.classes = 0;
    assert_nothing_is_counted(&odd, "0 classes");
    odd = shape;
    odd.struct_size = 1;
    assert_nothing_is_counted(&odd, "struct_size");

    count_all(&shape);
    for (size_t c = 0; c < C; c++) /* keys that class 0 has not */
        codes[(63 * C + c) * 2] = codes[(63 * C + c) * 2 + 1] = K - 1;
    class_of[63] = 0;
    memset(sums, 0, sizeof sums);
    assert_int_equal(dkvb_separation_silhouette(&shape, counts, row_counts, codes, class_of, N, each, sums, NULL),
                     DKVB_EINVAL);
    assert_message("row 63 is not among the rows that were counted of class 0");
    assert_memory_equal(sums, none, sizeof sums);
    row_counts[2] = (uint64_t)INT32_MAX / 2 + 1;
    assert_int_equal(dkvb_separation_overlap(&shape, counts, row_counts, NULL, NULL, NULL), DKVB_EINVAL);
    assert_message("class 2 has 1073741824 rows, at most 1073741823");
}

static void more_rows_than_counts_hold_are_refused(void **state)
{
    uint64_t kept[L];
    dkvb_separation_shape shape = make_codes(1);

    (void)state;
    count_all(&shape);
    row_counts[1] = INT32_MAX;
    memcpy(kept, row_counts, sizeof kept);
    assert_int_equal(dkvb_separation_count(&shape, codes, class_of, N, counts, row_counts, NULL), DKVB_EINVAL);
    assert_message("at most 2147483647");
    assert_memory_equal(kept, row_counts, sizeof kept);
}

static int stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return 1;
}

static void a_cancelled_call_adds_nothing(void **state)
{
    double none[L] = {0}, jaccard[L * L];
    dkvb_separation_shape shape = make_codes(1);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    run.progress = stop;
    count_all(&shape);
    memset(sums, 0, sizeof sums);
    assert_int_equal(dkvb_separation_silhouette(&shape, counts, row_counts, codes, class_of, N, each, sums, &run),
                     DKVB_ECANCELLED);
    assert_memory_equal(sums, none, sizeof sums);
    assert_int_equal(dkvb_separation_overlap(&shape, counts, row_counts, jaccard, NULL, &run), DKVB_ECANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_rows_that_select_a_pair),
        cmocka_unit_test(counts_add_up_over_batches),
        cmocka_unit_test(pairs_are_exclusive_if_no_other_class_selects_them),
        cmocka_unit_test(overlaps_are_those_of_sets_and_of_shares),
        cmocka_unit_test(a_class_without_rows_overlaps_with_none),
        cmocka_unit_test(copies_of_rows_change_no_weighted_overlap),
        cmocka_unit_test(silhouettes_are_those_of_the_quadratic_definition),
        cmocka_unit_test(results_are_the_same_bits_for_any_threads_and_batches),
        cmocka_unit_test(classes_apart_and_classes_alike_are_told),
        cmocka_unit_test(what_cannot_be_is_named_and_changes_nothing),
        cmocka_unit_test(more_rows_than_counts_hold_are_refused),
        cmocka_unit_test(a_cancelled_call_adds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
