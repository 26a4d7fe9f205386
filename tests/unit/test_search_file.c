/* Tests of writing the codes of rows to files: the codes equal those searched in memory, an interrupted search can be
 * continued, but never with other rows, keys or masks. */
#include "fixture.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fnv.h"

enum { N = 2200 /* rows of four whole steps and part of a fifth */, STEP = 512, TOP_K = 2, CODE = CODEBOOKS * TOP_K };
enum { HEADER = 384, MARK = 72 /* bytes of a part file */ };

static dkvb_model *model;
static float many[N * DIM];
static char codes_path[128], distances_path[128], partial[140];
static uint16_t codes[N * CODE]; /* by dkvb_search() */
static int32_t distances[N * CODE];
static dkvb_outside outside;

/* Makes more rows, some of the later ones far outside the range of the rows on which keys were placed. */
static void make_many(void)
{
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < DIM; i++)
            many[r * DIM + i] = rows[r % ROWS * DIM + i] * (1.0f + (float)(r / ROWS) * 0.01f) *
                                (r > 1200 && r % 97 == 5 ? 1000.0f : 1.0f);
}

static void search_in_memory(void)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_mask *mask;

    outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    run.outside = &outside;
    assert_ok(dkvb_journal_get_mask(model, 0, &mask));
    assert_ok(dkvb_search(dkvb_model_codebooks(model), mask, many, N, TOP_K, codes, distances, &run));
    dkvb_mask_free(mask);
}

static int open_all(void **state)
{
    (void)state;
    model = trained_model(TOP_K, NULL);
    make_many();
    search_in_memory();
    assert_true(outside.rows > 5 && outside.first > 2 * STEP);
    snprintf(codes_path, sizeof codes_path, "%s", temp_path("codes.npy"));
    snprintf(distances_path, sizeof distances_path, "%s", temp_path("distances.npy"));
    snprintf(partial, sizeof partial, "%s.part", codes_path);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    dkvb_model_free(model);
    return 0;
}

/* Returns a mask of the first four keys of every codebook. */
static dkvb_mask *some_mask(void)
{
    dkvb_mask *mask;

    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    for (uint32_t c = 0; c < CODEBOOKS; c++)
        for (uint32_t key = 0; key < 4; key++)
            assert_ok(dkvb_mask_set(mask, c, key, 1));
    return mask;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(codes_path);
    unlink(distances_path);
    unlink(partial);
    make_many();
    return 0;
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void assert_array(const char *path, uint32_t dtype, const void *wanted, size_t size)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_ok(dkvb_array_read(&a, path, DKVB_READ_COPY, NULL));
    assert_int_equal(a.dtype, dtype);
    assert_int_equal(a.ndim, 3);
    assert_true(a.shape[0] == N && a.shape[1] == CODEBOOKS && a.shape[2] == TOP_K);
    assert_memory_equal(a.data, wanted, size);
    dkvb_array_free(&a);
}

static void assert_files(bool with_distances)
{
    assert_array(codes_path, DKVB_DTYPE_U16, codes, sizeof codes);
    if (with_distances)
        assert_array(distances_path, DKVB_DTYPE_I32, distances, sizeof distances);
    assert_false(is_there(partial));
}

struct watch {
    uint64_t stop_at, last;
    const dkvb_search_file_report *report;
    uint64_t first_resumed; /* the report's `resumed` at the first progress report */
    bool seen;
};

static int watch(void *user, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_int_equal(total, N);
    assert_true(done >= w->last);
    w->last = done;
    if (w->report->resumed > 0 && !w->seen) {
        w->seen = true;
        w->first_resumed = done;
    }
    return w->stop_at > 0 && done >= w->stop_at;
}

/* Searches the rows into files, and stops after `stop_at` rows (0 = never). After a success the report's counts must
 * equal those of a search in memory, whatever was resumed. */
static dkvb_status search_until(uint64_t stop_at, const dkvb_search_file_options *o, dkvb_search_file_report *report)
{
    struct watch w = {.stop_at = stop_at, .report = report};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_outside found = DKVB_OUTSIDE_INIT;
    dkvb_status rc;

    *report = (dkvb_search_file_report)DKVB_SEARCH_FILE_REPORT_INIT;
    run.progress = watch;
    run.user = &w;
    run.outside = &found;
    rc = dkvb_search_file(model, o && o->source ? NULL : many, N, codes_path, o, report, &run);
    assert_int_equal(report->rows, N);
    if (w.seen)
        assert_true(w.first_resumed > report->resumed);
    if (rc == DKVB_OK)
        assert_memory_equal(&found, &outside, sizeof found);
    return rc;
}

static dkvb_search_file_options both(void)
{
    dkvb_search_file_options o = DKVB_SEARCH_FILE_OPTIONS_INIT;

    o.distances = distances_path;
    return o;
}

static dkvb_status read_many(void *user, size_t first, size_t n, float *x)
{
    size_t *largest = user;

    *largest = n > *largest ? n : *largest;
    memcpy(x, many + first * DIM, n * DIM * sizeof *x);
    return DKVB_OK;
}

static void files_have_the_numbers_that_memory_would_have(void **state)
{
    dkvb_search_file_options o = both();
    dkvb_search_file_report report;
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;
    size_t largest = 0;

    (void)state;
    assert_ok(search_until(0, NULL, &report));
    assert_files(false);
    assert_false(is_there(distances_path));
    assert_int_equal(report.resumed + report.kept, 0);
    assert_ok(search_until(0, &o, &report));
    assert_files(true);
    source.read = read_many;
    source.user = &largest;
    o.source = &source;
    unlink(distances_path);
    assert_ok(search_until(0, &o, &report));
    assert_files(true);
    assert_true(largest > 0 && largest <= STEP);
    assert_ok(dkvb_search_file(model, many, N, codes_path, NULL, NULL, NULL));
    assert_files(false);
}

static void no_rows_make_files_without_rows(void **state)
{
    dkvb_search_file_options o = both();
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    assert_ok(dkvb_search_file(model, NULL, 0, codes_path, &o, NULL, NULL));
    assert_ok(dkvb_array_read(&a, distances_path, DKVB_READ_COPY, NULL));
    assert_true(a.shape[0] == 0 && a.shape[1] == CODEBOOKS && a.shape[2] == TOP_K);
    dkvb_array_free(&a);
    assert_false(is_there(partial));
}

static void an_interrupted_call_is_gone_on_with_wherever_it_stopped(void **state)
{
    (void)state;
    for (int with_distances = 0; with_distances < 2; with_distances++) {
        dkvb_search_file_options o = both();

        o.distances = with_distances ? o.distances : NULL;
        for (uint64_t stop_at = STEP; stop_at <= N; stop_at += STEP) {
            dkvb_search_file_report report;

            assert_int_equal(search_until(stop_at, &o, &report), DKVB_ECANCELLED);
            assert_int_equal(report.kept, stop_at);
            assert_true(is_there(partial));
            assert_false(is_there(codes_path) || is_there(distances_path));
            assert_ok(search_until(0, &o, &report));
            assert_int_equal(report.resumed, stop_at);
            assert_int_equal(report.kept, 0);
            assert_files(with_distances);
            unlink(codes_path);
            unlink(distances_path);
        }
    }
}

static void a_call_may_be_interrupted_again_and_again(void **state)
{
    dkvb_search_file_options o = both();
    dkvb_search_file_report report;

    (void)state;
    for (uint64_t done = 0; done + STEP < N; done += STEP) {
        /* an interrupt also ends the comparing of kept codes */
        assert_int_equal(search_until(done + 1, &o, &report), DKVB_ECANCELLED);
        assert_int_equal(search_until(done + STEP, &o, &report), DKVB_ECANCELLED);
        assert_int_equal(report.kept, done + STEP);
    }
    assert_int_equal(search_until(N, &o, &report), DKVB_ECANCELLED);
    assert_int_equal(report.kept, N);
    assert_ok(search_until(0, &o, &report)); /* all codes are kept already; only the output files are written */
    assert_int_equal(report.resumed, N);
    assert_files(true);
}

static void counts_are_added_to_those_of_earlier_calls(void **state)
{
    dkvb_outside found = DKVB_OUTSIDE_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_search_file_report report;

    (void)state;
    found.searched = 1000;
    assert_int_equal(search_until(4 * STEP, NULL, &report), DKVB_ECANCELLED);
    run.outside = &found;
    assert_ok(dkvb_search_file(model, many, N, codes_path, NULL, NULL, &run));
    assert_true(found.searched == 1000 + N && found.rows == outside.rows && found.longer == outside.longer);
    assert_true(found.first == 1000 + outside.first && found.length == outside.length);
}

static void a_partial_file_cut_anywhere_is_still_true(void **state)
{
    dkvb_search_file_options o = both();
    size_t row = CODE * (sizeof *codes + sizeof *distances), size, marks_end = HEADER + 5 * MARK;
    dkvb_search_file_report report;
    unsigned char *kept;

    (void)state;
    assert_int_equal(search_until(3 * STEP, &o, &report), DKVB_ECANCELLED);
    kept = read_file(partial, &size);
    assert_true(size > marks_end + 3 * STEP * row && size < marks_end + 64 + 3 * STEP * row);
    {
        const struct {
            size_t size;
            uint64_t resumed;
        } cuts[] = {{size, 3 * STEP},
                    {size - 1, 2 * STEP},
                    {size - STEP * row, 2 * STEP},
                    {size - STEP * row - 1, STEP},
                    {size - 2 * STEP * row - 1, 0},
                    {size - 3 * STEP * row, 0},
                    {HEADER + 2 * MARK + 1, 0},
                    {HEADER, 0},
                    {HEADER - 1, 0},
                    {9, 0},
                    {8, 0},
                    {3, 0},
                    {0, 0}};

        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            write_file(partial, kept, cuts[i].size);
            assert_ok(search_until(0, &o, &report));
            assert_int_equal(report.resumed, cuts[i].resumed);
            assert_files(true);
        }
    }
    for (size_t at = 0; at < 3 * MARK; at += 23) { /* codes after a damaged mark of the part file do not count */
        kept[HEADER + at] ^= 0x40;
        write_file(partial, kept, size);
        kept[HEADER + at] ^= 0x40;
        assert_ok(search_until(0, &o, &report));
        assert_int_equal(report.resumed, at / MARK * STEP);
        assert_files(true);
    }
    free(kept);
}

/* Forges marks of the part file with correct checksums, for fewer rows than a step or more rows than there are: they
 * must be ignored, or memory would be overrun. */
static void forged_marks_do_not_count(void **state)
{
    const uint64_t forged[] = {1, STEP - 1, N + 1, UINT64_MAX, 0};
    dkvb_search_file_report report;
    unsigned char *kept;
    size_t size;

    (void)state;
    assert_int_equal(search_until(4 * STEP, NULL, &report), DKVB_ECANCELLED);
    kept = read_file(partial, &size);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        for (uint64_t m = 0; m < 5; m++) {
            uint64_t mark[MARK / 8] = {forged[i] * (m + 1)}, check = DKVB__FNV_BEGIN;

            dkvb__fnv_add(&check, mark, MARK - 8);
            mark[MARK / 8 - 1] = check;
            memcpy(kept + HEADER + m * MARK, mark, MARK);
        }
        write_file(partial, kept, size);
        assert_ok(search_until(0, NULL, &report));
        assert_int_equal(report.resumed, 0);
        assert_files(false);
    }
    free(kept);
}

/* Asserts that a search into files is refused with a message that contains `why`, leaves the part file, and begins anew
 * with `restart`. */
static void assert_refused(const dkvb_search_file_options *o, size_t n, const char *why)
{
    dkvb_search_file_options anew = o ? *o : (dkvb_search_file_options)DKVB_SEARCH_FILE_OPTIONS_INIT;
    dkvb_search_file_report report = DKVB_SEARCH_FILE_REPORT_INIT;
    size_t size, same;
    unsigned char *before = read_file(partial, &size), *after;

    assert_int_equal(dkvb_search_file(model, many, n, codes_path, o, &report, NULL), DKVB_EMISMATCH);
    assert_message(why);
    assert_message("codes.npy.part holds codes of ");
    assert_message("it must be deleted, or restarted from the first row");
    assert_int_equal(report.kept + report.resumed, 0);
    after = read_file(partial, &same);
    assert_int_equal(size, same);
    assert_memory_equal(before, after, size);
    anew.restart = 1;
    assert_ok(dkvb_search_file(model, many, n, codes_path, &anew, &report, NULL));
    assert_int_equal(report.resumed, 0);
    assert_false(is_there(partial));
    write_file(partial, before, size);
    free(before);
    free(after);
}

static void codes_of_something_else_are_not_gone_on_with(void **state)
{
    dkvb_search_file_options with_distances = both();
    dkvb_search_file_report report;
    dkvb_model *first = model;
    dkvb_keyinit_options k = small_keyinit();
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_codebooks *cb;
    dkvb_mask *mask;
    uint64_t entry;

    (void)state;
    assert_int_equal(search_until(3 * STEP, NULL, &report), DKVB_ECANCELLED);
    assert_refused(&with_distances, N, "2 keys a codebook, without distances, not of 2 keys a codebook, with");
    assert_refused(NULL, N - 1, "2200 rows of 10 columns, not of 2199 rows of 10 columns");

    k.seed++;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &k, NULL));
    o.top_k = TOP_K;
    assert_ok(dkvb_model_new(&model, cb, CLASSES, &o));
    assert_refused(NULL, N, "codes of keys ");
    dkvb_model_free(model);
    o.top_k = TOP_K + 1;
    assert_ok(dkvb_model_new(&model, dkvb_model_codebooks(first), CLASSES, &o));
    assert_refused(NULL, N, "2 keys a codebook, without distances, not of 3 keys a codebook");
    dkvb_model_free(model);
    dkvb_codebooks_free(cb);
    model = first;

    /* A search is not continued if a mask was added or removed meanwhile. */
    mask = some_mask();
    assert_ok(dkvb_model_forget(model, mask, NULL, &entry));
    assert_refused(NULL, N, "a mask of 0 pairs");
    unlink(partial);
    search_in_memory();
    assert_int_equal(search_until(3 * STEP, NULL, &report), DKVB_ECANCELLED);
    assert_ok(dkvb_model_undo(model, entry, NULL));
    assert_refused(NULL, N, "a mask of 32 pairs");
    unlink(partial);
    dkvb_mask_free(mask);
    search_in_memory();
}

static void rows_that_were_changed_are_found_and_rows_to_come_may_change(void **state)
{
    dkvb_search_file_report report;
    float swapped[DIM];

    (void)state;
    assert_int_equal(search_until(3 * STEP, NULL, &report), DKVB_ECANCELLED);
    many[(3 * STEP - 1) * DIM + DIM - 1] += 0.001f;
    assert_refused(NULL, N, "other rows, or of these before they were changed, not of the rows that are given");
    make_many();
    memcpy(swapped, many, sizeof swapped); /* the same rows in another order */
    memcpy(many, many + DIM, sizeof swapped);
    memcpy(many + DIM, swapped, sizeof swapped);
    assert_refused(NULL, N, "other rows, or of these before they were changed");
    make_many();
    for (size_t i = 0; i < DIM; i++) /* changes the first row that is not searched yet */
        many[3 * STEP * DIM + i] = many[i];
    search_in_memory();
    assert_ok(search_until(0, NULL, &report));
    assert_int_equal(report.resumed, 3 * STEP);
    assert_files(false);
    make_many();
    search_in_memory();
}

/* A purge makes masked pairs permanent, and does not change which pairs are masked, so kept codes stay right. */
static void a_purge_meanwhile_changes_no_code(void **state)
{
    dkvb_search_file_report report;
    dkvb_mask *mask = some_mask();
    const char *path = temp_path("kept.dkvb");

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    assert_ok(dkvb_model_forget(model, mask, NULL, NULL));
    search_in_memory();
    assert_int_equal(search_until(2 * STEP, NULL, &report), DKVB_ECANCELLED);
    assert_ok(dkvb_model_purge(model));
    assert_ok(search_until(0, NULL, &report));
    assert_int_equal(report.resumed, 2 * STEP);
    assert_files(false);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    assert_ok(dkvb_model_load(&model, path, NULL));
    search_in_memory();
}

static void codes_go_into_no_file_that_somebody_else_put_there(void **state)
{
    dkvb_search_file_report report;
    const char *elsewhere = temp_path("elsewhere");
    int fd;

    (void)state;
    assert_int_equal(symlink(elsewhere, partial), 0);
    assert_int_equal(search_until(0, NULL, &report), DKVB_EIO);
    assert_message("is a symbolic link");
    assert_false(is_there(elsewhere));
    unlink(partial);
    write_file(partial, "precious", 8);
    assert_int_equal(search_until(0, NULL, &report), DKVB_EFORMAT);
    assert_message("not a file of finished codes");
    fd = open(partial, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(search_until(0, NULL, &report), DKVB_ESTATE);
    assert_message("at work on it");
    close(fd);
}

static void a_wrong_row_is_named_and_leaves_no_file(void **state)
{
    dkvb_search_file_report report;

    (void)state;
    many[1500 * DIM + 3] = NAN;
    assert_int_equal(search_until(0, NULL, &report), DKVB_EINVAL);
    assert_message("features: row 1500, column 3 is nan");
    assert_false(is_there(codes_path) || is_there(partial)); /* no part file is kept for a moment's work */
    make_many();
    assert_int_equal(search_until(STEP, NULL, &report), DKVB_ECANCELLED);
    many[1500 * DIM + 3] = NAN;
    assert_int_equal(search_until(0, NULL, &report), DKVB_EINVAL);
    assert_int_equal(report.kept, 2 * STEP); /* codes kept before stay, and more are added */
    make_many();
    assert_ok(search_until(0, NULL, &report));
    assert_int_equal(report.resumed, 2 * STEP);
    assert_files(false);
}

static void wrong_options_are_refused(void **state)
{
    dkvb_search_file_options o = both();
    dkvb_search_file_report report = {.struct_size = 4};
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;

    (void)state;
    source.read = read_many;
    assert_int_equal(dkvb_search_file(model, many, N, NULL, NULL, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_search_file(model, NULL, N, codes_path, NULL, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_search_file(model, many, N, codes_path, NULL, &report, NULL), DKVB_EINVAL);
    o.source = &source;
    assert_int_equal(dkvb_search_file(model, many, N, codes_path, &o, NULL, NULL), DKVB_EINVAL);
    o = both();
    o.restart = 2;
    assert_int_equal(dkvb_search_file(model, many, N, codes_path, &o, NULL, NULL), DKVB_EINVAL);
    o.restart = 0;
    o.distances = codes_path;
    assert_int_equal(dkvb_search_file(model, many, N, codes_path, &o, NULL, NULL), DKVB_EINVAL);
    assert_message("two are wanted");
    assert_false(is_there(partial) || is_there(codes_path));
}

static void every_failing_allocation_is_reported_and_leaves_no_file(void **state)
{
    const char *path = temp_path("m.dkvb");
    dkvb_status rc = DKVB_ENOMEM;
    size_t failed = 0;

    (void)state;
    assert_ok(dkvb_model_save(model, path));
    for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++, failed++) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, SIZE_MAX);
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
        dkvb_search_file_options with_distances = both();
        dkvb_model *m;

        o.allocator = &mem;
        assert_ok(dkvb_model_load(&m, path, &o));
        failing.fail_at = failing.calls + fail_at;
        rc = dkvb_search_file(m, many, N, codes_path, &with_distances, NULL, NULL);
        failing.fail_at = SIZE_MAX;
        dkvb_model_free(m);
        assert_int_equal(failing.live, 0);
        assert_false(is_there(partial));
        if (rc == DKVB_OK)
            assert_files(true);
        else
            assert_false(is_there(distances_path));
    }
    assert_ok(rc);
    assert_true(failed > 10);
}

static void a_full_disk_is_reported_and_gone_on_with(void **state)
{
    size_t whole = sizeof codes + sizeof distances, failed = 0;
    dkvb_search_file_options o = both();
    dkvb_search_file_report report;
    struct rlimit before, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN); /* so that write() fails in place of the program */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(search_until(2 * STEP, &o, &report), DKVB_ECANCELLED);
    for (size_t room = 0; room <= whole + whole / 7; room += whole / 7) {
        dkvb_status rc;

        small = before;
        small.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        rc = search_until(0, &o, &report);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(rc == DKVB_OK || rc == DKVB_EIO);
        assert_int_equal(is_there(distances_path), rc == DKVB_OK);
        assert_int_equal(is_there(partial), rc != DKVB_OK);
        assert_true(report.resumed == 0 || report.resumed >= 2 * STEP);
        failed += rc == DKVB_EIO;
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(failed > 2);
    assert_files(true);
}

/* An allocator that records the largest number of bytes in use at a time. */
struct peak {
    size_t now, most;
};

static void *peak_alloc(void *user, size_t size)
{
    struct peak *p = user;
    size_t *block = malloc(size + 64);

    if (!block)
        return NULL;
    block[0] = size;
    p->now += size;
    p->most = p->now > p->most ? p->now : p->most;
    return (char *)block + 64;
}

static void peak_release(void *user, void *block)
{
    struct peak *p = user;
    size_t *start = (size_t *)(void *)((char *)block - 64);

    p->now -= start[0];
    free(start);
}

static dkvb_status repeat_rows(void *user, size_t first, size_t n, float *x)
{
    (void)user;
    for (size_t r = 0; r < n; r++)
        memcpy(x + r * DIM, rows + (first + r) % ROWS * DIM, DIM * sizeof *x);
    return DKVB_OK;
}

static void memory_does_not_grow_with_the_rows(void **state)
{
    const size_t n[2] = {N, 50 * N};
    const char *path = temp_path("m.dkvb");
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;
    dkvb_search_file_options with_distances = both();
    size_t used[2];

    (void)state;
    source.read = repeat_rows;
    with_distances.source = &source;
    assert_ok(dkvb_model_save(model, path));
    for (size_t i = 0; i < 2; i++) {
        struct peak peak = {0};
        dkvb_allocator mem = {.user = &peak, .alloc = peak_alloc, .release = peak_release};
        dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
        dkvb_model *m;

        o.allocator = &mem;
        assert_ok(dkvb_model_load(&m, path, &o));
        peak.most = peak.now;
        used[i] = peak.now;
        assert_ok(dkvb_search_file(m, NULL, n[i], codes_path, &with_distances, NULL, NULL));
        used[i] = peak.most - used[i];
        dkvb_model_free(m);
    }
    assert_true(used[1] <= used[0] + n[1] / STEP * MARK + MARK);
}

enum { WIDE = 40000, WIDE_ROWS = 40, WIDE_N = 600, WIDE_BOOKS = 2 };
static float wide[WIDE_ROWS * WIDE];

static dkvb_status repeat_wide(void *user, size_t first, size_t n, float *x)
{
    (void)user;
    for (size_t r = 0; r < n; r++)
        memcpy(x + r * WIDE, wide + (first + r) % WIDE_ROWS * WIDE, WIDE * sizeof *x);
    return DKVB_OK;
}

static int stop(void *user, uint64_t done, uint64_t total)
{
    (void)total;
    return done >= *(const uint64_t *)user;
}

/* Rows of many columns are prepared in several parts of a step; an interrupt within a step loses the codes of this
 * step. */
static void wide_rows_are_gone_on_with_too(void **state)
{
    uint16_t found[WIDE_ROWS * WIDE_BOOKS];
    uint64_t stop_at = 140;
    dkvb_keyinit_options k = small_keyinit();
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_search_file_options from_source = DKVB_SEARCH_FILE_OPTIONS_INIT;
    dkvb_search_file_report report = DKVB_SEARCH_FILE_REPORT_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_row_source source = DKVB_ROW_SOURCE_INIT;
    dkvb_array a = DKVB_ARRAY_INIT;
    dkvb_codebooks *cb;
    dkvb_model *m;

    (void)state;
    for (size_t i = 0; i < WIDE_ROWS * WIDE; i++)
        wide[i] = (float)(i * 7919 % 1009) / 504.5f - 1.0f;
    k.codebooks = WIDE_BOOKS;
    k.keys = 16;
    o.top_k = 1;
    source.read = repeat_wide;
    from_source.source = &source;
    run.progress = stop;
    run.user = &stop_at;
    assert_ok(dkvb_codebooks_fit(&cb, wide, WIDE_ROWS, WIDE, &k, NULL));
    assert_ok(dkvb_model_new(&m, cb, CLASSES, &o));
    assert_ok(dkvb_search(cb, NULL, wide, WIDE_ROWS, 1, found, NULL, NULL));
    assert_int_equal(dkvb_search_file(m, NULL, WIDE_N, codes_path, &from_source, &report, &run), DKVB_ECANCELLED);
    assert_int_equal(report.kept, 0);
    assert_false(is_there(partial));
    stop_at = STEP;
    assert_int_equal(dkvb_search_file(m, NULL, WIDE_N, codes_path, &from_source, &report, &run), DKVB_ECANCELLED);
    assert_int_equal(report.kept, STEP);
    assert_ok(dkvb_search_file(m, NULL, WIDE_N, codes_path, &from_source, &report, NULL));
    assert_int_equal(report.resumed, STEP);
    assert_ok(dkvb_array_read(&a, codes_path, DKVB_READ_COPY, NULL));
    assert_int_equal(a.shape[0], WIDE_N);
    for (size_t i = 0; i < WIDE_N * WIDE_BOOKS; i++)
        assert_int_equal(((const uint16_t *)a.data)[i], found[i % (WIDE_ROWS * WIDE_BOOKS)]);
    dkvb_array_free(&a);
    dkvb_model_free(m);
    dkvb_codebooks_free(cb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(files_have_the_numbers_that_memory_would_have, remove_files),
        cmocka_unit_test_teardown(no_rows_make_files_without_rows, remove_files),
        cmocka_unit_test_teardown(an_interrupted_call_is_gone_on_with_wherever_it_stopped, remove_files),
        cmocka_unit_test_teardown(a_call_may_be_interrupted_again_and_again, remove_files),
        cmocka_unit_test_teardown(counts_are_added_to_those_of_earlier_calls, remove_files),
        cmocka_unit_test_teardown(a_partial_file_cut_anywhere_is_still_true, remove_files),
        cmocka_unit_test_teardown(forged_marks_do_not_count, remove_files),
        cmocka_unit_test_teardown(codes_of_something_else_are_not_gone_on_with, remove_files),
        cmocka_unit_test_teardown(rows_that_were_changed_are_found_and_rows_to_come_may_change, remove_files),
        cmocka_unit_test_teardown(a_purge_meanwhile_changes_no_code, remove_files),
        cmocka_unit_test_teardown(codes_go_into_no_file_that_somebody_else_put_there, remove_files),
        cmocka_unit_test_teardown(a_wrong_row_is_named_and_leaves_no_file, remove_files),
        cmocka_unit_test_teardown(wrong_options_are_refused, remove_files),
        cmocka_unit_test_teardown(every_failing_allocation_is_reported_and_leaves_no_file, remove_files),
        cmocka_unit_test_teardown(a_full_disk_is_reported_and_gone_on_with, remove_files),
        cmocka_unit_test_teardown(memory_does_not_grow_with_the_rows, remove_files),
        cmocka_unit_test_teardown(wide_rows_are_gone_on_with_too, remove_files),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
