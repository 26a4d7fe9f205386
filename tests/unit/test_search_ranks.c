/* Tests of searching codes into files by ranks that share a model: the files equal those of one process, an interrupted
 * search goes on with any other number of ranks, and a failure on one rank is a failure on all ranks. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "ranks_threads.h"

enum { N = 5000 /* number of rows: more than one step of eight ranks */, MOST = 8, STEP = 512, TOP_K = 2 };
static const unsigned counts[] = {2, 3, 4, 8};
enum { COUNTS = sizeof counts / sizeof *counts };

static float many[N * DIM];
static char model_path[128], masked_path[128], codes_path[128], distances_path[128], partial[140];
static unsigned char *wanted[2]; /* the expected files of codes and of distances, made by one process */
static size_t wanted_size[2];
static dkvb_outside outside;

/* A search that all ranks make together, and its results on each rank. */
struct call {
    const char *model;
    bool with_distances;
    uint32_t restart;
    unsigned stop_rank; /* number of the rank whose progress callback stops the call */
    uint64_t stop_at;   /* number of rows at which the call is stopped; 0 = never */
    unsigned odd_rank;  /* number of the rank with a wrong input or a failing allocator; MOST = none */
    size_t odd_rows;    /* number of rows that rank odd_rank is given; 0 = as all other ranks */
    bool odd_reads;     /* true if rank odd_rank cannot read its rows from row 3000 on */
    size_t fail_at;     /* number of the allocation that fails on rank odd_rank during the call; SIZE_MAX = none */
    dkvb_status rc[MOST];
    dkvb_search_file_report report[MOST];
    dkvb_outside outside[MOST];
    char message[MOST][512];
    uint64_t progress; /* number of rows in the last progress report on rank 0 */
    long live;         /* number of memory blocks that rank odd_rank has not freed */
};

struct rank {
    struct call *call;
    unsigned number;
    uint64_t last;
};

static int on_progress(void *user, uint64_t done, uint64_t total)
{
    struct rank *r = user;

    assert_true(done > r->last && done <= total);
    r->last = done;
    if (r->number == 0)
        r->call->progress = done;
    return r->call->stop_at > 0 && r->number == r->call->stop_rank && done >= r->call->stop_at;
}

static dkvb_status read_many(void *user, size_t first, size_t n, float *x)
{
    const struct rank *r = user;

    if (r->call->odd_reads && r->number == r->call->odd_rank && first + n > 3000)
        return DKVB_EIO;
    memcpy(x, many + first * DIM, n * DIM * sizeof *x);
    return DKVB_OK;
}

static void search(const dkvb_ranks *ranks, void *context)
{
    struct call *call = context;
    struct rank me = {.call = call, .number = ranks->rank};
    bool odd = ranks->rank == call->odd_rank;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_search_file_options o = DKVB_SEARCH_FILE_OPTIONS_INIT;
    dkvb_model_options mo = DKVB_MODEL_OPTIONS_INIT;
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;
    struct failing_alloc failing;
    dkvb_allocator mem = failing_allocator(&failing, SIZE_MAX);
    dkvb_model *model;
    dkvb_status rc;

    mo.allocator = &mem;
    mo.ranks = ranks;
    rc = dkvb_model_load(&model, call->model, &mo);
    if (rc == DKVB_OK) {
        run.threads = 1;
        run.progress = on_progress;
        run.user = &me;
        run.outside = &call->outside[ranks->rank];
        call->outside[ranks->rank] = (dkvb_outside)DKVB_OUTSIDE_INIT;
        source.read = read_many;
        source.user = &me;
        o.source = &source;
        o.distances = call->with_distances ? distances_path : NULL;
        o.restart = call->restart;
        call->report[ranks->rank] = (dkvb_search_file_report)DKVB_SEARCH_FILE_REPORT_INIT;
        if (odd && call->fail_at < SIZE_MAX)
            failing.fail_at = failing.calls + call->fail_at;
        rc = dkvb_search_file(model, NULL, odd && call->odd_rows ? call->odd_rows : N, codes_path, &o,
                              &call->report[ranks->rank], &run);
        failing.fail_at = SIZE_MAX;
        snprintf(call->message[ranks->rank], sizeof *call->message, "%s", rc ? dkvb_last_error() : "");
        dkvb_model_free(model);
    }
    call->rc[ranks->rank] = rc;
    if (odd)
        call->live = failing.live;
}

static struct call new_call(void)
{
    return (struct call){.model = model_path, .with_distances = true, .odd_rank = MOST, .fail_at = SIZE_MAX};
}

/* Makes the search on `count` ranks, which must all end with the same status, and returns this status. */
static dkvb_status search_on(unsigned count, struct call *call)
{
    ranks_run(count, search, call);
    for (unsigned r = 1; r < count; r++) {
        assert_int_equal(call->rc[r], call->rc[0]);
        if (call->odd_rank == MOST)
            assert_memory_equal(&call->report[r], &call->report[0], sizeof *call->report);
    }
    for (unsigned r = 0; r < count && call->rc[0] == DKVB_OK; r++)
        assert_memory_equal(&call->outside[r], &outside, sizeof outside);
    return call->rc[0];
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void assert_files(void)
{
    for (int d = 0; d < 2; d++) {
        size_t size;
        unsigned char *found = read_file(d ? distances_path : codes_path, &size);

        assert_int_equal(size, wanted_size[d]);
        assert_memory_equal(found, wanted[d], size);
        free(found);
    }
    assert_false(is_there(partial));
}

static int remove_files(void **state)
{
    (void)state;
    unlink(codes_path);
    unlink(distances_path);
    unlink(partial);
    return 0;
}

static int open_all(void **state)
{
    dkvb_model *model = trained_model(TOP_K, NULL);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_search_file_options o = DKVB_SEARCH_FILE_OPTIONS_INIT;
    dkvb_mask *mask;

    (void)state;
    snprintf(model_path, sizeof model_path, "%s", temp_path("m.dkvb"));
    snprintf(masked_path, sizeof masked_path, "%s", temp_path("masked.dkvb"));
    snprintf(codes_path, sizeof codes_path, "%s", temp_path("codes.npy"));
    snprintf(distances_path, sizeof distances_path, "%s", temp_path("distances.npy"));
    snprintf(partial, sizeof partial, "%s.part", codes_path);
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < DIM; i++)
            many[r * DIM + i] = rows[r % ROWS * DIM + i] * (r > 2100 && r % 97 == 5 ? 1000.0f : 1.0f);
    outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    run.outside = &outside;
    o.distances = distances_path;
    assert_ok(dkvb_search_file(model, many, N, codes_path, &o, NULL, &run));
    wanted[0] = read_file(codes_path, &wanted_size[0]);
    wanted[1] = read_file(distances_path, &wanted_size[1]);
    assert_ok(dkvb_model_save(model, model_path));
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_mask_set(mask, 3, 5, 1));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    assert_ok(dkvb_model_save(model, masked_path));
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    return remove_files(state);
}

static int close_all(void **state)
{
    (void)state;
    free(wanted[0]);
    free(wanted[1]);
    return 0;
}

static void the_files_are_the_same_for_any_number_of_ranks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTS; i++) {
        struct call call = new_call();

        assert_ok(search_on(counts[i], &call));
        assert_files();
        assert_int_equal(call.progress, N);
        assert_int_equal(call.report[0].resumed + call.report[0].kept, 0);
    }
}

static void an_interrupted_call_goes_on_with_any_other_number_of_ranks(void **state)
{
    static const unsigned others[] = {1, 5, 8, 3};

    (void)state;
    for (size_t i = 0; i < COUNTS; i++) {
        for (unsigned stop_rank = 0; stop_rank < 2; stop_rank++) {
            struct call call = new_call(), again = new_call();

            call.stop_rank = stop_rank * (counts[i] - 1);
            call.stop_at = STEP * counts[i];
            assert_int_equal(search_on(counts[i], &call), DKVB_ECANCELLED);
            assert_int_equal(call.report[0].kept, STEP * counts[i]);
            assert_true(is_there(partial));
            assert_false(is_there(codes_path) || is_there(distances_path));
            assert_ok(search_on(others[i], &again));
            assert_int_equal(again.report[0].resumed, STEP * counts[i]);
            assert_files();
            remove_files(NULL);
        }
    }
}

static void a_group_that_breaks_leaves_whole_files_or_none_and_every_rank_fails(void **state)
{
    struct ranks_trial trial = {0};
    struct call call = new_call();
    unsigned calls;

    (void)state;
    ranks_try(3, search, &call, &trial);
    assert_ok(call.rc[0]);
    calls = trial.calls;
    for (unsigned at = 1; at <= calls; at += 1 + at / 10) {
        for (unsigned rank = 0; rank < 3; rank++) {
            remove_files(NULL);
            call = new_call();
            trial.fail_rank = rank;
            trial.fail_call = at;
            ranks_try(3, search, &call, &trial);
            for (unsigned r = 0; r < 3; r++)
                assert_int_equal(call.rc[r], DKVB_EIO);
            if (is_there(distances_path)) /* the last calls are made after the files were written */
                assert_files();
            assert_false(is_there(partial));
        }
    }
}

static void ranks_with_other_rows_or_options_are_told_before_work_starts(void **state)
{
    struct call call = new_call();

    (void)state;
    call.odd_rank = 2;
    call.odd_rows = N - 1;
    assert_int_equal(search_on(3, &call), DKVB_EMISMATCH);
    for (unsigned r = 0; r < 3; r++)
        assert_non_null(strstr(call.message[r], "rank 2: the numbers of rows differ from those of rank 0"));
    assert_int_equal(call.progress, 0);
    assert_false(is_there(partial));
}

static void codes_of_something_else_are_refused_on_all_ranks(void **state)
{
    struct call call = new_call(), other = new_call();
    float kept = many[7];

    (void)state;
    call.stop_at = STEP;
    assert_int_equal(search_on(2, &call), DKVB_ECANCELLED);
    other.model = masked_path;
    assert_int_equal(search_on(3, &other), DKVB_EMISMATCH);
    assert_non_null(strstr(other.message[2], "rank 0: "));
    assert_non_null(strstr(other.message[2], "holds codes of a mask of 0 pairs"));
    assert_true(is_there(partial));
    other = new_call();
    many[7] += 1.0f;
    assert_int_equal(search_on(4, &other), DKVB_EMISMATCH);
    assert_non_null(strstr(other.message[3], "holds codes of other rows"));
    assert_int_equal(other.report[0].resumed + other.report[0].kept, 0);
    assert_true(is_there(partial));
    many[7] = kept;
    other = new_call();
    other.restart = 1;
    assert_ok(search_on(2, &other));
    assert_int_equal(other.report[1].resumed, 0);
    assert_files();
}

static void rows_that_one_rank_cannot_read_end_the_call_on_all(void **state)
{
    struct call call = new_call();

    (void)state;
    call.odd_rank = 1;
    call.odd_reads = true;
    assert_int_equal(search_on(2, &call), DKVB_EIO);
    assert_non_null(strstr(call.message[0], "rank 1: the source of rows could not read rows"));
    assert_false(is_there(codes_path) || is_there(partial));
}

static void memory_that_one_rank_lacks_ends_the_call_on_all(void **state)
{
    (void)state;
    for (unsigned odd = 0; odd < 2; odd++) {
        dkvb_status rc = DKVB_ENOMEM;
        size_t failed = 0;

        for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++, failed++) {
            struct call call = new_call();

            call.odd_rank = odd * 2;
            call.fail_at = fail_at;
            rc = search_on(3, &call);
            assert_int_equal(call.live, 0);
            assert_false(is_there(partial));
            assert_int_equal(is_there(distances_path), rc == DKVB_OK);
            assert_true(rc == DKVB_ENOMEM || rc == DKVB_OK);
            remove_files(NULL);
        }
        assert_true(failed > 4);
    }
}

static void a_full_disk_of_rank_0_ends_the_call_on_all(void **state)
{
    struct rlimit before, small;
    size_t failed = 0, whole = wanted_size[0] + wanted_size[1];

    (void)state;
    signal(SIGXFSZ, SIG_IGN); /* write() then fails, instead of a signal ending the program */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t room = 0; room <= whole + whole / 5; room += whole / 5) {
        struct call call = new_call();
        dkvb_status rc;

        small = before;
        small.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        rc = search_on(3, &call);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(rc == DKVB_OK || rc == DKVB_EIO);
        assert_int_equal(is_there(distances_path), rc == DKVB_OK);
        assert_false(is_there(partial));
        failed += rc == DKVB_EIO;
        assert_true(rc == DKVB_OK || strstr(call.message[2], "rank 0: "));
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(failed > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_files_are_the_same_for_any_number_of_ranks, remove_files),
        cmocka_unit_test_teardown(an_interrupted_call_goes_on_with_any_other_number_of_ranks, remove_files),
        cmocka_unit_test_teardown(a_group_that_breaks_leaves_whole_files_or_none_and_every_rank_fails, remove_files),
        cmocka_unit_test_teardown(ranks_with_other_rows_or_options_are_told_before_work_starts, remove_files),
        cmocka_unit_test_teardown(codes_of_something_else_are_refused_on_all_ranks, remove_files),
        cmocka_unit_test_teardown(rows_that_one_rank_cannot_read_end_the_call_on_all, remove_files),
        cmocka_unit_test_teardown(memory_that_one_rank_lacks_ends_the_call_on_all, remove_files),
        cmocka_unit_test_teardown(a_full_disk_of_rank_0_ends_the_call_on_all, remove_files),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
