/* Tests of the separation of classes, compared with plain loops over small codes that follow the definitions. */
#include "fixture.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"
#include "unlearn/separation.h"

/* class EMPTY has no row, class ALONE has one row */
enum { N = 200, C = 5, K = 9, L = 6, MOST_K = 3, EMPTY = 3, ALONE = 4 };

static uint16_t codes[N * C * MOST_K];
static int32_t class_of[N];
static uint32_t counts[L * C * K];
static uint64_t row_counts[L];
static const struct dkvb__run run = {.threads = 2};

static dkvb_separation_rows rows_of(uint32_t k)
{
    dkvb_separation_rows in = DKVB_SEPARATION_ROWS_INIT;

    in.codes = codes;
    in.labels = class_of;
    in.n = N;
    in.codebooks = C;
    in.keys = K;
    in.k = k;
    in.classes = L;
    return in;
}

/* Makes codes of k different keys that depend on the row's class. Some codes end in DKVB_CODE_NONE, and some rows have
 * no label. */
static dkvb_separation_rows make_codes(uint32_t k)
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
    return rows_of(k);
}

static void count_all(const dkvb_separation_rows *in)
{
    memset(counts, 0, sizeof counts);
    memset(row_counts, 0, sizeof row_counts);
    assert_ok(dkvb__separation_count(in, counts, row_counts, &run));
}

static dkvb_separation *measure(const dkvb_separation_rows *in)
{
    dkvb_separation *found;

    assert_ok(dkvb_separation_measure(&found, in, NULL));
    return found;
}

static bool selects(uint32_t k, size_t r, size_t c, size_t key)
{
    for (size_t j = 0; j < k; j++)
        if (codes[(r * C + c) * k + j] == key)
            return true;
    return false;
}

/* Returns the number of rows of a class that select a pair, by a loop over all rows. */
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
        dkvb_separation_rows in = make_codes(k);
        uint64_t labelled = 0, with_label = 0;

        count_all(&in);
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
    dkvb_separation_rows in = make_codes(2);

    (void)state;
    count_all(&in);
    memset(parts, 0, sizeof parts);
    for (size_t first = 0, size = 1; first < N; first += size, size += 3) {
        in.n = size = N - first < size ? N - first : size;
        in.codes = codes + first * C * 2;
        in.labels = class_of + first;
        assert_ok(dkvb__separation_count(&in, parts, part_rows, &run));
    }
    assert_memory_equal(counts, parts, sizeof counts);
    assert_memory_equal(row_counts, part_rows, sizeof row_counts);
}

static void pairs_are_exclusive_if_no_other_class_selects_them(void **state)
{
    uint64_t all_selected = 0, all_exclusive = 0;
    dkvb_separation_rows in = make_codes(1);
    dkvb_separation *found = measure(&in);

    (void)state;
    count_all(&in);
    assert_memory_equal(found->counts, counts, sizeof counts);
    assert_memory_equal(found->rows, row_counts, sizeof row_counts);
    for (size_t l = 0; l < L; l++) {
        uint64_t mine = 0, only_mine = 0;

        for (size_t p = 0; p < C * K; p++) {
            size_t owners = 0;

            for (size_t m = 0; m < L; m++)
                owners += counts[m * C * K + p] > 0;
            mine += counts[l * C * K + p] > 0;
            only_mine += counts[l * C * K + p] > 0 && owners == 1;
            all_selected += l == 0 && owners > 0;
        }
        assert_int_equal(found->selected[l], mine);
        assert_int_equal(found->exclusive[l], only_mine);
        all_exclusive += only_mine;
    }
    assert_true(all_exclusive > 0);
    assert_int_equal(found->all_selected, all_selected);
    assert_int_equal(found->all_exclusive, all_exclusive);
    dkvb_separation_free(found);
}

static void overlaps_are_those_of_sets_and_of_shares(void **state)
{
    dkvb_separation_rows in = make_codes(2);
    dkvb_separation *found = measure(&in);

    (void)state;
    count_all(&in);
    for (size_t a = 0; a < L; a++)
        for (size_t b = 0; b < L; b++) {
            double both = 0, any = 0, least = 0, most = 0, jaccard = found->jaccard[a * L + b];

            if (a == EMPTY || b == EMPTY) {
                assert_true(isnan(jaccard) && isnan(found->weighted[a * L + b]));
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
            assert_true(jaccard == both / any);
            assert_true(fabs(found->weighted[a * L + b] - least / most) < 1e-14 * C * K);
            assert_true(found->weighted[a * L + b] == found->weighted[b * L + a] &&
                        jaccard == found->jaccard[b * L + a]);
            assert_true(a != b || (jaccard == 1.0 && found->weighted[a * L + b] == 1.0));
        }
    dkvb_separation_free(found);
}

static void the_nearest_class_is_the_lowest_of_the_largest_overlaps(void **state)
{
    dkvb_separation_rows in = make_codes(2);
    dkvb_separation *found = measure(&in);

    (void)state;
    for (size_t l = 0; l < L; l++) {
        int32_t nearest = -1;

        for (size_t m = 0; m < L; m++)
            if (l != EMPTY && m != EMPTY && m != l &&
                (nearest < 0 || found->weighted[l * L + m] > found->weighted[l * L + (size_t)nearest]))
                nearest = (int32_t)m;
        assert_int_equal(found->nearest[l], nearest);
        assert_true(nearest < 0 ? isnan(found->overlap[l])
                                : found->overlap[l] == found->weighted[l * L + (size_t)nearest]);
    }
    dkvb_separation_free(found);
    for (size_t r = 0; r < N; r++) /* all classes have the same codes, so each overlaps equally with every other */
        for (size_t c = 0; c < C; c++)
            codes[r * C + c] = 1;
    in = rows_of(1);
    found = measure(&in);
    assert_int_equal(found->nearest[0], 1);
    assert_int_equal(found->nearest[1], 0);
    assert_int_equal(found->nearest[ALONE], 0);
    dkvb_separation_free(found);
}

/* Whatever the counts of a class without rows, it overlaps with no other class. */
static void a_class_without_rows_overlaps_with_none(void **state)
{
    double jaccard[L * L], weighted[L * L];
    dkvb_separation_rows in = make_codes(1);

    (void)state;
    count_all(&in);
    row_counts[0] = 0;
    assert_ok(dkvb__separation_overlap(&in, counts, row_counts, jaccard, weighted, &run));
    for (size_t b = 0; b < L; b++)
        assert_true(isnan(jaccard[b]) && isnan(weighted[b]) && isnan(jaccard[b * L]) && isnan(weighted[b * L]));
    assert_true(!isnan(jaccard[L + 2]));
}

/* Weighted overlaps do not depend on the number of rows: a class whose rows occur three times overlaps with others as
 * before. */
static void copies_of_rows_change_no_weighted_overlap(void **state)
{
    double before[L * L], after[L * L], jaccard[L * L];
    dkvb_separation_rows in = make_codes(2);

    (void)state;
    count_all(&in);
    assert_ok(dkvb__separation_overlap(&in, counts, row_counts, jaccard, before, &run));
    for (size_t p = 0; p < C * K; p++)
        counts[C * K + p] *= 3;
    row_counts[1] *= 3;
    assert_ok(dkvb__separation_overlap(&in, counts, row_counts, jaccard, after, &run));
    assert_memory_equal(before, after, sizeof before);
}

/* Returns the distance of two rows, 1 - |common selections| / (C k), by comparing all their selections. */
static double distance(uint32_t k, size_t a, size_t b)
{
    size_t common = 0;

    for (size_t c = 0; c < C; c++)
        for (size_t j = 0; j < K; j++)
            common += selects(k, a, c, j) && selects(k, b, c, j);
    return 1.0 - (double)common / (double)(C * k);
}

/* Returns the mean distance of a row to all other rows of a class; NaN if there are none. */
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
            between = fmin(between, distance_to_class(k, row, l)); /* fmin() ignores NaN of classes without rows */
    return isnan(within) ? 0.0 : (between - within) / fmax(within, between);
}

static void silhouettes_are_those_of_the_quadratic_definition(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= MOST_K; k++) {
        dkvb_separation_rows in = make_codes(k);
        dkvb_separation *found = measure(&in);
        double sum[L] = {0}, all = 0;

        for (size_t r = 0; r < N; r++) {
            if (class_of[r] < 0) {
                assert_true(isnan(found->row_silhouettes[r]));
                continue;
            }
            assert_true(fabs(found->row_silhouettes[r] - quadratic_silhouette(k, r)) < 1e-12);
            sum[class_of[r]] += found->row_silhouettes[r];
        }
        for (size_t l = 0; l < L; l++) {
            all += sum[l];
            assert_true(l == EMPTY ? isnan(found->silhouettes[l])
                                   : found->silhouettes[l] == sum[l] / (double)found->rows[l]);
        }
        assert_true(found->silhouette == all / (double)found->labelled);
        assert_true(found->row_silhouettes[77] == 0.0); /* a row that is alone in its class has silhouette 0 */
        dkvb_separation_free(found);
    }
}

static void results_are_the_same_bits_for_any_threads(void **state)
{
    dkvb_separation_rows in = make_codes(2);
    dkvb_run_options threads = DKVB_RUN_OPTIONS_INIT;
    dkvb_separation *one, *more;

    (void)state;
    threads.threads = 1;
    assert_ok(dkvb_separation_measure(&one, &in, &threads));
    for (threads.threads = 2; threads.threads <= 4; threads.threads++) {
        assert_ok(dkvb_separation_measure(&more, &in, &threads));
        assert_memory_equal(one->counts, more->counts, L * C * K * sizeof *one->counts);
        assert_memory_equal(one->jaccard, more->jaccard, L * L * sizeof *one->jaccard);
        assert_memory_equal(one->weighted, more->weighted, L * L * sizeof *one->weighted);
        assert_memory_equal(one->row_silhouettes, more->row_silhouettes, N * sizeof *one->row_silhouettes);
        assert_memory_equal(one->silhouettes, more->silhouettes, L * sizeof *one->silhouettes);
        dkvb_separation_free(more);
    }
    dkvb_separation_free(one);
}

/* Makes two classes, whose rows select one key in every codebook: key `first` in class 0, key `second` in class 1. */
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
    dkvb_separation_rows in = rows_of(1);
    dkvb_separation *found;

    (void)state;
    make_two(2, 5);
    found = measure(&in);
    assert_true(found->selected[0] == C && found->exclusive[0] == C && found->exclusive[1] == C &&
                found->exclusive[2] == 0);
    assert_true(found->jaccard[1] == 0.0 && found->weighted[1] == 0.0);
    assert_true(found->row_silhouettes[0] == 1.0 && found->row_silhouettes[1] == 1.0);
    dkvb_separation_free(found);

    make_two(5, 5);
    found = measure(&in);
    assert_true(found->selected[0] == C && found->exclusive[0] == 0 && found->exclusive[1] == 0);
    assert_true(found->jaccard[1] == 1.0 && found->weighted[1] == 1.0);
    assert_true(found->row_silhouettes[0] == 0.0 && found->row_silhouettes[1] == 0.0);
    dkvb_separation_free(found);

    for (size_t r = 0; r < N; r++)
        class_of[r] = 2;
    found = measure(&in);
    /* the silhouettes are NaN, as there is no other class */
    assert_true(isnan(found->row_silhouettes[0]) && isnan(found->silhouette));
    dkvb_separation_free(found);
}

static void the_largest_label_gives_the_number_of_classes(void **state)
{
    dkvb_separation_rows in = make_codes(1);
    dkvb_separation *found;

    (void)state;
    in.classes = 0;
    found = measure(&in);
    assert_int_equal(found->classes, 6);
    assert_int_equal(found->n, N);
    dkvb_separation_free(found);
}

static void assert_refused(const dkvb_separation_rows *in, const char *message)
{
    dkvb_separation *found = (dkvb_separation *)1;

    assert_int_equal(dkvb_separation_measure(&found, in, NULL), DKVB_EINVAL);
    assert_message(message);
    assert_null(found);
}

static void what_cannot_be_is_named(void **state)
{
    dkvb_separation_rows in = make_codes(2), odd = in;

    (void)state;
    codes[(41 * C + 3) * 2] = K;
    assert_refused(&in, "row 41, codebook 3 names key 9, there are 9");
    make_codes(2);
    class_of[42] = L;
    assert_refused(&in, "labels: row 42 is 6, it must be -1 to 5");
    class_of[42] = -2;
    assert_refused(&in, "labels: row 42 is -2, it must be -1 to 5");
    odd.classes = 0;
    assert_refused(&odd, "labels: row 42 is -2");
    class_of[42] = INT32_MAX;
    assert_refused(&odd, "labels: the largest is 2147483647");
    for (size_t r = 0; r < N; r++)
        class_of[r] = -1;
    assert_refused(&in, "no label of 0 or more");
    make_codes(2);
    odd.k = K + 1;
    assert_refused(&odd, "k is 10, it must be 1 to 9");
    odd = in;
    odd.codebooks = 0;
    assert_refused(&odd, "0 codebooks");
    odd = in;
    odd.keys = 65536;
    assert_refused(&odd, "65536 keys");
    odd = in;
    odd.labels = NULL;
    assert_refused(&odd, "200 rows, but no labels");
    odd = in;
    odd.struct_size = 1;
    assert_refused(&odd, "struct_size");
}

static void more_rows_than_counts_hold_are_refused(void **state)
{
    uint64_t kept[L];
    dkvb_separation_rows in = make_codes(1);

    (void)state;
    count_all(&in);
    row_counts[1] = INT32_MAX;
    memcpy(kept, row_counts, sizeof kept);
    assert_int_equal(dkvb__separation_count(&in, counts, row_counts, &run), DKVB_EINVAL);
    assert_message("there must be 2147483647 at most");
    assert_memory_equal(kept, row_counts, sizeof kept);
}

/* Progress callback that cancels at the call whose number is in `user`. */
static int stop(void *user, uint64_t done, uint64_t total)
{
    int *left = user;

    assert_true(done <= total && total == L + (N + 63) / 64);
    return (*left)-- == 0;
}

static void a_cancelled_call_gives_nothing_and_leaks_nothing(void **state)
{
    dkvb_separation_rows in = make_codes(1);
    dkvb_run_options cancelling = DKVB_RUN_OPTIONS_INIT;
    dkvb_separation *found;

    (void)state;
    cancelling.threads = 1;
    cancelling.progress = stop;
    for (int at = 0, left;; at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
        dkvb_status rc;

        left = at;
        cancelling.user = &left;
        in.allocator = &a;
        rc = dkvb_separation_measure(&found, &in, &cancelling);
        dkvb_separation_free(found);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK) {
            assert_true(at > 1);
            return;
        }
        assert_int_equal(rc, DKVB_ECANCELLED);
        assert_null(found);
    }
}

static void every_allocation_may_fail(void **state)
{
    dkvb_separation_rows in = make_codes(1);

    (void)state;
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc mem;
        dkvb_allocator a = failing_allocator(&mem, fail_at);
        dkvb_separation *found;
        dkvb_status rc;

        in.allocator = &a;
        rc = dkvb_separation_measure(&found, &in, NULL);
        dkvb_separation_free(found);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK) {
            assert_true(fail_at > 10);
            return;
        }
        assert_int_equal(rc, DKVB_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_rows_that_select_a_pair),
        cmocka_unit_test(counts_add_up_over_batches),
        cmocka_unit_test(pairs_are_exclusive_if_no_other_class_selects_them),
        cmocka_unit_test(overlaps_are_those_of_sets_and_of_shares),
        cmocka_unit_test(the_nearest_class_is_the_lowest_of_the_largest_overlaps),
        cmocka_unit_test(a_class_without_rows_overlaps_with_none),
        cmocka_unit_test(copies_of_rows_change_no_weighted_overlap),
        cmocka_unit_test(silhouettes_are_those_of_the_quadratic_definition),
        cmocka_unit_test(results_are_the_same_bits_for_any_threads),
        cmocka_unit_test(classes_apart_and_classes_alike_are_told),
        cmocka_unit_test(the_largest_label_gives_the_number_of_classes),
        cmocka_unit_test(what_cannot_be_is_named),
        cmocka_unit_test(more_rows_than_counts_hold_are_refused),
        cmocka_unit_test(a_cancelled_call_gives_nothing_and_leaks_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
