/* Tests of encoding a set of pictures by several ranks: the file equals that of one process, an interrupted call goes
 * on with any other number of ranks, and a failure on one rank is a failure on all ranks. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "encoder/encoder.h"
#include "fixture.h"
#include "picture_files.h"
#include "ranks_threads.h"

enum { PICTURES = 200 /* number of pictures: more than two ranks encode in three rounds */, MOST = 8, SIDE = 12 };
static const unsigned counts[] = {2, 3, 4, 8};
enum { COUNTS = sizeof counts / sizeof *counts };
/* numbers of unreadable pictures; 24 is the last one of the first of eight ranks */
static const size_t broken[] = {24, 40, 41, 130, 199};
enum { BROKEN = sizeof broken / sizeof *broken, TURNED = PICTURES / 10 };

static char input[256], whole_input[256], output[256], partial[300];
static unsigned char *wanted[2]; /* the expected files with float32 and float16, made by one process */
static size_t wanted_size[2];

/* A call of the library that all ranks make together, and its results on each rank. */
struct call {
    const char *set;
    dkvb_encode_options o;
    unsigned stop_rank; /* number of the rank whose progress callback stops the call */
    uint64_t stop_at;   /* number of pictures at which the call is stopped; 0 = never */
    unsigned odd_rank;  /* number of the rank with a wrong input or a failing allocator; MOST = none */
    const char *odd_set;
    uint32_t odd_dtype;
    size_t fail_at; /* number of the allocation that fails on rank odd_rank; 0 = none */
    dkvb_status rc[MOST];
    dkvb_encode_report report[MOST];
    uint8_t readable[MOST][PICTURES];
    char message[MOST][512];
    uint64_t told[PICTURES]; /* numbers of the unreadable pictures that the callback on rank 0 was told of */
    size_t told_count;
    uint64_t told_stop;    /* number of the unreadable picture at which the callback stops the call; 0 = never */
    size_t others_told;    /* number of calls of the callback for unreadable pictures on ranks other than 0 */
    uint64_t progress;     /* number of pictures in the last progress report on rank 0 */
    uint64_t turned[MOST]; /* for each rank, the number of pictures that are not upright */
    size_t live;           /* number of memory blocks that rank odd_rank has not freed */
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

static int on_unreadable(void *user, uint64_t index, const char *message)
{
    struct rank *r = user;

    if (r->number > 0) {
        r->call->others_told++;
        return 0;
    }
    assert_non_null(strstr(message, ".png"));
    r->call->told[r->call->told_count++] = index;
    return r->call->told_stop > 0 && index >= r->call->told_stop;
}

static void encode(const dkvb_ranks *ranks, void *context)
{
    struct call *call = context;
    struct rank me = {.call = call, .number = ranks->rank};
    bool odd = ranks->rank == call->odd_rank;
    dkvb_imageset_info info = DKVB_IMAGESET_INFO_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_encode_options o = call->o;
    dkvb_encoder_options eo = DKVB_ENCODER_OPTIONS_INIT;
    struct failing_alloc failing;
    dkvb_allocator mem = failing_allocator(&failing, odd && call->fail_at ? call->fail_at : SIZE_MAX);
    dkvb_encoder *encoder = NULL;
    dkvb_imageset *set;

    assert_ok(dkvb_imageset_open(&set, odd && call->odd_set ? call->odd_set : call->set, NULL));
    eo.allocator = &mem;
    assert_ok(dkvb_encoder_open(&encoder, DKVB_ENCODER_DESCRIPTOR, &eo));
    run.ranks = ranks;
    run.threads = 1;
    run.progress = on_progress;
    run.user = &me;
    o.unreadable = on_unreadable;
    o.user = &me;
    o.readable = call->readable[ranks->rank];
    if (odd && call->odd_dtype)
        o.dtype = call->odd_dtype;
    call->report[ranks->rank] = (dkvb_encode_report)DKVB_ENCODE_REPORT_INIT;
    call->rc[ranks->rank] = dkvb_encoder_encode_file(encoder, set, output, &o, &call->report[ranks->rank], &run);
    snprintf(call->message[ranks->rank], sizeof *call->message, "%s", call->rc[ranks->rank] ? dkvb_last_error() : "");
    dkvb_encoder_free(encoder);
    assert_ok(dkvb_imageset_get_info(set, &info));
    call->turned[ranks->rank] = info.turned;
    dkvb_imageset_free(set);
    if (odd)
        call->live = (size_t)failing.live;
}

static struct call new_call(const char *set)
{
    struct call call = {.set = set, .o = DKVB_ENCODE_OPTIONS_INIT, .odd_rank = MOST};

    call.o.skip_unreadable = 1;
    return call;
}

/* Makes the call on `count` ranks, which must all end with the same status, and returns this status. */
static dkvb_status encode_on(unsigned count, struct call *call)
{
    ranks_run(count, encode, call);
    for (unsigned r = 1; r < count; r++) {
        assert_int_equal(call->rc[r], call->rc[0]);
        assert_memory_equal(&call->report[r], &call->report[0], sizeof *call->report);
    }
    return call->rc[0];
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void assert_file(int half)
{
    size_t size;
    unsigned char *found = read_file(output, &size);

    assert_int_equal(size, wanted_size[half]);
    assert_memory_equal(found, wanted[half], size);
    free(found);
    assert_false(is_there(partial));
}

/* Adds an EXIF orientation to a PNG file: a TIFF header with one entry, as of a turned camera. */
static size_t turn(uint8_t *png, size_t size)
{
    enum { HEAD = 33 /* bytes of the PNG signature and the chunk IHDR */ };
    static const uint8_t tiff[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6};
    uint8_t rest[PNG_ROOM];
    size_t chunk;

    memcpy(rest, png + HEAD, size - HEAD);
    chunk = make_chunk(png + HEAD, "eXIf", tiff, sizeof tiff);
    memcpy(png + HEAD + chunk, rest, size - HEAD);
    return size + chunk;
}

static void put_pictures(const char *folder, bool some_broken)
{
    uint8_t png[PNG_ROOM];
    char path[400];

    mkdir(folder, 0700);
    for (size_t i = 0; i < PICTURES; i++) {
        size_t size = make_plain_png(png, SIDE, SIDE, (uint8_t)(i * i % 251), i % 2), b = 0;

        while (b < BROKEN && broken[b] != i)
            b++;
        size = i % 10 == 3 ? turn(png, size) : size;
        snprintf(path, sizeof path, "%s/p%03zu.png", folder, i);
        write_file(path, png, some_broken && b < BROKEN ? size / 2 : size);
    }
}

static int open_all(void **state)
{
    (void)state;
    snprintf(input, sizeof input, "%s", temp_path("pictures"));
    snprintf(whole_input, sizeof whole_input, "%s", temp_path("whole"));
    snprintf(output, sizeof output, "%s", temp_path("x.npy"));
    snprintf(partial, sizeof partial, "%s.part", output);
    put_pictures(input, true);
    put_pictures(whole_input, false);
    for (int half = 0; half < 2; half++) {
        struct call call = new_call(input);

        call.o.dtype = half ? DKVB_DTYPE_F16 : DKVB_DTYPE_F32;
        assert_ok(encode_on(1, &call));
        wanted[half] = read_file(output, &wanted_size[half]);
    }
    return 0;
}

static void remove_folder(const char *folder)
{
    char path[400];

    for (size_t i = 0; i < PICTURES; i++) {
        snprintf(path, sizeof path, "%s/p%03zu.png", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

static int close_all(void **state)
{
    (void)state;
    free(wanted[0]);
    free(wanted[1]);
    remove_folder(input);
    remove_folder(whole_input);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(output);
    unlink(partial);
    return 0;
}

static void the_file_is_the_same_for_any_number_of_ranks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTS; i++) {
        for (int half = 0; half < 2; half++) {
            struct call call = new_call(input);

            call.o.dtype = half ? DKVB_DTYPE_F16 : DKVB_DTYPE_F32;
            assert_ok(encode_on(counts[i], &call));
            assert_file(half);
            assert_int_equal(call.report[0].rows, PICTURES - BROKEN);
            assert_int_equal(call.report[0].unreadable, BROKEN);
            assert_int_equal(call.progress, PICTURES);
            for (unsigned r = 0; r < counts[i]; r++)
                assert_int_equal(call.turned[r], TURNED);
            for (unsigned r = 0; r < counts[i]; r++)
                for (size_t p = 0, b = 0; p < PICTURES; p++) {
                    bool bad = b < BROKEN && broken[b] == p;

                    assert_int_equal(call.readable[r][p], !bad);
                    b += bad;
                }
        }
    }
}

static void rank_0_hears_of_every_unreadable_picture_in_order(void **state)
{
    struct call call = new_call(input);

    (void)state;
    assert_ok(encode_on(4, &call));
    assert_int_equal(call.told_count, BROKEN);
    for (size_t b = 0; b < BROKEN; b++)
        assert_int_equal(call.told[b], broken[b]);
    assert_int_equal(call.others_told, 0);
}

static void the_callback_of_rank_0_can_stop_at_a_picture_of_another_rank(void **state)
{
    struct call call = new_call(input);

    (void)state;
    call.told_stop = 40;
    assert_int_equal(encode_on(4, &call), DKVB_ECANCELLED);
    assert_int_equal(call.told_count, 2);
    assert_non_null(strstr(call.message[3], "stopped at a picture that cannot be read"));
    assert_false(is_there(output));
}

static void a_picture_that_must_not_be_left_out_ends_the_call_on_all_ranks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTS; i++) {
        struct call call = new_call(input);

        call.o.skip_unreadable = 0;
        assert_int_equal(encode_on(counts[i], &call), DKVB_EFORMAT);
        assert_int_equal(call.told_count, 1);
        assert_int_equal(call.told[0], broken[0]);
        for (unsigned r = 0; r < counts[i]; r++)
            assert_non_null(strstr(call.message[r], "p024.png"));
        assert_false(is_there(output));
    }
}

static void an_interrupted_call_goes_on_with_any_other_number_of_ranks(void **state)
{
    static const unsigned others[] = {1, 5, 2, 3};

    (void)state;
    for (size_t i = 0; i < COUNTS; i++) {
        for (unsigned stop_rank = 0; stop_rank < 2; stop_rank++) {
            struct call call = new_call(input), again = new_call(input);

            call.stop_rank = stop_rank * (counts[i] - 1);
            call.stop_at = 32 * counts[i] + 1;
            if (call.stop_at >= PICTURES)
                continue; /* eight ranks encode all pictures in one round, which is never resumed */
            assert_int_equal(encode_on(counts[i], &call), DKVB_ECANCELLED);
            assert_int_equal(call.report[0].kept, 32 * counts[i]);
            assert_true(is_there(partial));
            assert_false(is_there(output));
            assert_ok(encode_on(others[i], &again));
            assert_int_equal(again.report[0].resumed, 32 * counts[i]);
            assert_int_equal(again.report[0].unreadable, BROKEN);
            assert_file(0);
            for (unsigned r = 0; r < others[i]; r++)
                assert_int_equal(again.readable[r][broken[0]], 0);
            unlink(output);
        }
    }
}

static void a_group_that_breaks_leaves_no_file_and_every_rank_fails(void **state)
{
    struct ranks_trial trial = {0};
    struct call call = new_call(input);
    unsigned calls;

    (void)state;
    ranks_try(3, encode, &call, &trial);
    assert_ok(call.rc[0]);
    calls = trial.calls;
    for (unsigned at = 1; at <= calls; at += 1 + at / 12) {
        for (unsigned rank = 0; rank < 3; rank++) {
            unlink(output);
            call = new_call(input);
            trial.fail_rank = rank;
            trial.fail_call = at;
            ranks_try(3, encode, &call, &trial);
            for (unsigned r = 0; r < 3; r++)
                assert_int_equal(call.rc[r], DKVB_EIO);
            if (is_there(output)) /* the last calls are made after the file was written */
                assert_file(0);
            assert_false(is_there(partial));
        }
    }
}

static void ranks_with_other_pictures_or_options_are_told_before_work_starts(void **state)
{
    struct call call = new_call(input);

    (void)state;
    call.odd_rank = 2;
    call.odd_set = whole_input;
    assert_int_equal(encode_on(3, &call), DKVB_EMISMATCH);
    for (unsigned r = 0; r < 3; r++)
        assert_non_null(strstr(call.message[r], "rank 2: the pictures"));
    call.odd_set = NULL;
    call.odd_dtype = DKVB_DTYPE_F16;
    assert_int_equal(encode_on(3, &call), DKVB_EMISMATCH);
    assert_non_null(strstr(call.message[0], "rank 2: the options of encoding differ from those of rank 0"));
    call.odd_dtype = DKVB_DTYPE_F64;
    assert_int_equal(encode_on(3, &call), DKVB_EINVAL);
    assert_non_null(strstr(call.message[0], "rank 2: encode: dtype"));
    assert_int_equal(call.progress, 0);
    assert_false(is_there(partial));
}

static void rows_of_something_else_are_refused_on_all_ranks(void **state)
{
    struct call call = new_call(input), other = new_call(whole_input);

    (void)state;
    call.stop_at = 65;
    assert_int_equal(encode_on(2, &call), DKVB_ECANCELLED);
    assert_int_equal(encode_on(3, &other), DKVB_EMISMATCH);
    assert_non_null(strstr(other.message[2], "rank 0: "));
    assert_non_null(strstr(other.message[2], "holds rows of other pictures"));
    assert_true(is_there(partial));
}

static void memory_that_one_rank_lacks_ends_the_call_on_all(void **state)
{
    (void)state;
    for (unsigned odd = 0; odd < 2; odd++) {
        dkvb_status rc = DKVB_ENOMEM;
        size_t failed = 0;

        /* the first allocation is that of the encoder itself */
        for (size_t fail_at = 2; rc == DKVB_ENOMEM; fail_at++, failed++) {
            struct call call = new_call(input);

            call.odd_rank = odd * 2;
            call.fail_at = fail_at;
            rc = encode_on(3, &call);
            assert_int_equal(call.live, 0);
            assert_false(is_there(partial));
            assert_int_equal(is_there(output), rc == DKVB_OK);
            assert_true(rc == DKVB_ENOMEM || rc == DKVB_OK);
            unlink(output);
        }
        assert_true(failed > 4);
    }
}

static void a_full_disk_of_rank_0_ends_the_call_on_all(void **state)
{
    struct rlimit before, small;
    size_t failed = 0;

    (void)state;
    signal(SIGXFSZ, SIG_IGN); /* write() then fails, instead of a signal ending the program */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t room = 0; room < wanted_size[0] + 4096; room += wanted_size[0] / 5) {
        struct call call = new_call(input);
        dkvb_status rc;

        small = before;
        small.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        rc = encode_on(3, &call);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(rc == DKVB_OK || rc == DKVB_EIO);
        assert_int_equal(is_there(output), rc == DKVB_OK);
        assert_false(is_there(partial));
        failed += rc == DKVB_EIO;
        assert_true(rc == DKVB_OK || strstr(call.message[2], "rank 0: "));
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(failed > 3);
}

enum { LONG_PICTURES = 30, LONG_HEIGHT = 1100, LONG_WIDTH = 1024 };

struct long_rows {
    dkvb_imageset *set;
    dkvb_encoder *encoder;
};

static void encode_long(const dkvb_ranks *ranks, void *context)
{
    const struct long_rows *l = context;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;

    run.ranks = ranks;
    run.threads = 1;
    o.dtype = DKVB_DTYPE_F16;
    assert_ok(dkvb_encoder_encode_file(l->encoder, l->set, output, &o, NULL, &run));
}

/* With rows of 4.5 MB, rank 0 receives the rows of one other rank at a time, in chunks shorter than a batch. */
static void long_rows_arrive_a_few_ranks_at_a_time(void **state)
{
    static const uint64_t shape[3] = {LONG_PICTURES, LONG_HEIGHT, LONG_WIDTH};
    const char *path = temp_path("long.npy");
    size_t pixels_count = (size_t)LONG_PICTURES * LONG_HEIGHT * LONG_WIDTH, size, same;
    uint8_t *pixels = malloc(pixels_count);
    dkvb_encoder_options eo = DKVB_ENCODER_OPTIONS_INIT;
    unsigned char *alone, *found;
    struct long_rows l;

    (void)state;
    assert_non_null(pixels);
    for (size_t i = 0; i < pixels_count; i++)
        pixels[i] = (uint8_t)(i % 251 + i / (LONG_HEIGHT * LONG_WIDTH));
    assert_ok(dkvb_npy_write(path, DKVB_DTYPE_U8, 0, 3, shape, pixels));
    free(pixels);
    assert_ok(dkvb_imageset_open(&l.set, path, NULL));
    eo.set = l.set;
    assert_ok(dkvb_encoder_open(&l.encoder, DKVB_ENCODER_PIXELS, &eo));
    ranks_run(1, encode_long, &l);
    alone = read_file(output, &size);
    for (unsigned count = 2; count <= 4; count += 2) {
        ranks_run(count, encode_long, &l);
        found = read_file(output, &same);
        assert_int_equal(size, same);
        assert_memory_equal(found, alone, size);
        free(found);
    }
    free(alone);
    dkvb_encoder_free(l.encoder);
    dkvb_imageset_free(l.set);
    unlink(path);
}

static void rows_travel_once(void **state)
{
    struct ranks_trial trial = {0};
    struct call call = new_call(input);
    size_t row = (wanted_size[0] - 128) / (PICTURES - BROKEN);

    (void)state;
    ranks_try(4, encode, &call, &trial);
    assert_ok(call.rc[0]);
    /* Three of the four ranks send their rows to rank 0; all other messages are small beside the rows. */
    assert_true(trial.received[0] >= row * PICTURES * 3 / 4);
    assert_true(trial.received[0] < row * PICTURES * 3 / 4 + 16384);
    for (int r = 1; r < 4; r++)
        assert_true(trial.sent[r] < row * PICTURES / 4 + 16384 && trial.received[r] < 16384);
}

int main(void)
{
#define in_clean_folder(test) cmocka_unit_test_setup(test, remove_files)
    const struct CMUnitTest tests[] = {
        in_clean_folder(the_file_is_the_same_for_any_number_of_ranks),
        in_clean_folder(rank_0_hears_of_every_unreadable_picture_in_order),
        in_clean_folder(the_callback_of_rank_0_can_stop_at_a_picture_of_another_rank),
        in_clean_folder(a_picture_that_must_not_be_left_out_ends_the_call_on_all_ranks),
        in_clean_folder(an_interrupted_call_goes_on_with_any_other_number_of_ranks),
        in_clean_folder(a_group_that_breaks_leaves_no_file_and_every_rank_fails),
        in_clean_folder(ranks_with_other_pictures_or_options_are_told_before_work_starts),
        in_clean_folder(rows_of_something_else_are_refused_on_all_ranks),
        in_clean_folder(memory_that_one_rank_lacks_ends_the_call_on_all),
        in_clean_folder(a_full_disk_of_rank_0_ends_the_call_on_all),
        in_clean_folder(long_rows_arrive_a_few_ranks_at_a_time),
        in_clean_folder(rows_travel_once),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
