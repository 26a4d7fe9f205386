/* Tests of encoding sets of pictures into files: the rows equal those in memory, and an interrupted encoding can be
 * continued; and of encoders that a model remembers. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/half.h"
#include "data/stored.h"
#include "encoder/encoder.h"
#include "fixture.h"

enum { PICTURES = 100 /* number of pictures: more than three batches */, SIDE = 6 };

static char input[256], output[256], partial[300];
static dkvb_imageset *set;
static dkvb_encoder *descriptor;
static float *whole; /* [PICTURES][dim] */
static size_t dim;

static void put_pictures(uint8_t first)
{
    static const uint64_t shape[3] = {PICTURES, SIDE, SIDE};
    static uint8_t pixels[PICTURES * SIDE * SIDE];

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(first + i * i % 251);
    assert_ok(dkvb_npy_write(input, DKVB_DTYPE_U8, 0, 3, shape, pixels));
}

static int open_all(void **state)
{
    (void)state;
    snprintf(input, sizeof input, "%s", temp_path("pictures.npy"));
    snprintf(output, sizeof output, "%s", temp_path("x.npy"));
    snprintf(partial, sizeof partial, "%s.part", output);
    put_pictures(0);
    assert_ok(dkvb_imageset_open(&set, input, NULL));
    assert_ok(dkvb_encoder_open(&descriptor, DKVB_ENCODER_DESCRIPTOR, NULL));
    dim = descriptor->info.dim;
    whole = malloc(PICTURES * dim * sizeof *whole);
    assert_non_null(whole);
    assert_ok(dkvb_encoder_encode_set(descriptor, set, 0, PICTURES, whole, NULL, NULL));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    free(whole);
    dkvb_encoder_free(descriptor);
    dkvb_imageset_free(set);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(output);
    unlink(partial);
    return 0;
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void assert_whole_output(void)
{
    dkvb_array a = DKVB_ARRAY_INIT;

    assert_ok(dkvb_array_read(&a, output, DKVB_READ_COPY, NULL));
    assert_int_equal(a.dtype, DKVB_DTYPE_F32);
    assert_int_equal(a.shape[0], PICTURES);
    assert_int_equal(a.shape[1], dim);
    assert_memory_equal(a.data, whole, PICTURES * dim * sizeof *whole);
    dkvb_array_free(&a);
    assert_false(is_there(partial));
}

struct watch {
    dkvb_encode_report *report;
    uint64_t stop_at, first, last;
    bool called;
};

static int watch(void *user, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_int_equal(total, PICTURES);
    assert_true(done >= w->last);
    if (!w->called)
        w->first = w->report->resumed;
    w->called = true;
    w->last = done;
    return w->stop_at > 0 && done >= w->stop_at;
}

/* Encodes the pictures into a file, and stops after `stop_at` pictures (0 = never). */
static dkvb_status encode_until(uint64_t stop_at, const dkvb_encode_options *o, dkvb_encode_report *report)
{
    struct watch w = {.report = report, .stop_at = stop_at};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc;

    *report = (dkvb_encode_report)DKVB_ENCODE_REPORT_INIT;
    run.progress = watch;
    run.user = &w;
    rc = dkvb_encoder_encode_file(descriptor, set, output, o, report, &run);
    assert_int_equal(report->pictures, PICTURES);
    if (w.called)
        /* the number of kept rows is known from the first progress report on */
        assert_int_equal(w.first, report->resumed);
    return rc;
}

static void a_file_has_the_rows_that_memory_would_have(void **state)
{
    dkvb_encode_report report;
    uint8_t readable[PICTURES] = {0};
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;

    (void)state;
    o.readable = readable;
    assert_ok(encode_until(0, &o, &report));
    assert_whole_output();
    assert_int_equal(report.rows, PICTURES);
    assert_int_equal(report.resumed + report.kept + report.unreadable, 0);
    for (size_t i = 0; i < PICTURES; i++)
        assert_int_equal(readable[i], 1);
    assert_ok(dkvb_encoder_encode_file(descriptor, set, output, NULL, NULL, NULL));
    assert_whole_output();
}

static void a_file_of_float16_has_rounded_rows(void **state)
{
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;
    dkvb_encode_report report;
    dkvb_array a = DKVB_ARRAY_INIT;

    (void)state;
    o.dtype = DKVB_DTYPE_F16;
    assert_ok(encode_until(0, &o, &report));
    assert_ok(dkvb_array_read(&a, output, DKVB_READ_COPY, NULL));
    assert_int_equal(a.dtype, DKVB_DTYPE_F16);
    for (size_t i = 0; i < PICTURES * dim; i++)
        assert_int_equal(((const uint16_t *)a.data)[i], dkvb__float_to_half(whole[i]));
    dkvb_array_free(&a);
}

static void an_interrupted_call_is_gone_on_with_wherever_it_stopped(void **state)
{
    dkvb_encode_report report;

    (void)state;
    for (uint64_t stop_at = 33; stop_at <= PICTURES; stop_at += 32) {
        uint64_t kept;

        assert_int_equal(encode_until(stop_at, NULL, &report), DKVB_ECANCELLED);
        kept = report.kept;
        assert_true(kept > 0 && kept < PICTURES);
        assert_true(is_there(partial));
        assert_false(is_there(output));
        assert_ok(encode_until(0, NULL, &report));
        assert_int_equal(report.resumed, kept);
        assert_whole_output();
        unlink(output);
    }
}

static void a_partial_file_cut_anywhere_is_still_true(void **state)
{
    dkvb_encode_report report;
    unsigned char *kept;
    size_t size;

    (void)state;
    assert_int_equal(encode_until(60, NULL, &report), DKVB_ECANCELLED);
    kept = read_file(partial, &size);
    for (size_t cut = 1; cut <= size; cut += size / 20) {
        write_file(partial, kept, size - cut);
        assert_ok(encode_until(0, NULL, &report));
        assert_true(report.resumed < PICTURES);
        assert_whole_output();
    }
    free(kept);
}

static void rows_of_something_else_are_not_gone_on_with(void **state)
{
    dkvb_encode_options half = DKVB_ENCODE_OPTIONS_INIT, anew = DKVB_ENCODE_OPTIONS_INIT;
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_encode_report report;
    dkvb_encoder *pixels;

    (void)state;
    half.dtype = DKVB_DTYPE_F16;
    anew.restart = 1;
    o.set = set;
    assert_ok(dkvb_encoder_open(&pixels, DKVB_ENCODER_PIXELS, &o));
    assert_int_equal(encode_until(40, NULL, &report), DKVB_ECANCELLED);
    assert_int_equal(encode_until(0, &half, &report), DKVB_EMISMATCH);
    assert_message("holds rows of float32, not of float16");
    assert_int_equal(dkvb_encoder_encode_file(pixels, set, output, NULL, NULL, NULL), DKVB_EMISMATCH);
    assert_message("holds rows of descriptor:1, not of pixels");
    dkvb_encoder_free(pixels);
    put_pictures(7); /* files with other modification times count as other pictures */
    utimensat(AT_FDCWD, input, (const struct timespec[2]){{1, 0}, {1, 0}}, 0);
    assert_int_equal(encode_until(0, NULL, &report), DKVB_EMISMATCH);
    assert_message("other pictures");
    assert_true(is_there(partial));
    assert_ok(encode_until(0, &anew, &report));
    assert_int_equal(report.resumed, 0);
    assert_whole_output(); /* the set keeps the pictures that it had when it was opened */
}

static void rows_go_into_no_file_that_somebody_else_put_there(void **state)
{
    dkvb_encode_report report;
    const char *elsewhere = temp_path("elsewhere");
    int fd;

    (void)state;
    assert_int_equal(symlink(elsewhere, partial), 0);
    assert_int_equal(encode_until(0, NULL, &report), DKVB_EIO);
    assert_message("is a symbolic link");
    assert_false(is_there(elsewhere));
    unlink(partial);
    write_file(elsewhere, "", 0);
    assert_int_equal(link(elsewhere, partial), 0);
    assert_int_equal(encode_until(0, NULL, &report), DKVB_EIO);
    assert_message("is a hard link");
    unlink(partial);
    write_file(partial, "precious", 8);
    assert_int_equal(encode_until(0, NULL, &report), DKVB_EFORMAT);
    assert_message("not a file of finished rows");
    fd = open(partial, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(encode_until(0, NULL, &report), DKVB_ESTATE);
    assert_message("at work on it");
    close(fd);
}

static void pictures_are_not_written_over(void **state)
{
    const char *name = temp_path("linked.npy");
    size_t size, same;
    unsigned char *before = read_file(input, &size), *after;

    (void)state;
    assert_int_equal(link(input, name), 0);
    assert_int_equal(dkvb_encoder_encode_file(descriptor, set, name, NULL, NULL, NULL), DKVB_EINVAL);
    assert_message("is one of the pictures of");
    assert_int_equal(dkvb_imageset_spare(set, input), DKVB_EINVAL);
    assert_ok(dkvb_imageset_spare(set, output));
    assert_int_equal(dkvb_imageset_spare(set, NULL), DKVB_EINVAL);
    after = read_file(input, &same);
    assert_int_equal(size, same);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    unlink(name);
}

static void wrong_options_are_refused(void **state)
{
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;
    dkvb_encode_report report = {.struct_size = 4};

    (void)state;
    assert_int_equal(dkvb_encoder_encode_file(NULL, set, output, NULL, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_encoder_encode_file(descriptor, NULL, output, NULL, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_encoder_encode_file(descriptor, set, NULL, NULL, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_encoder_encode_file(descriptor, set, output, NULL, &report, NULL), DKVB_EINVAL);
    o.dtype = DKVB_DTYPE_F64;
    assert_int_equal(dkvb_encoder_encode_file(descriptor, set, output, &o, NULL, NULL), DKVB_EINVAL);
    o.dtype = 0;
    o.restart = 2;
    assert_int_equal(dkvb_encoder_encode_file(descriptor, set, output, &o, NULL, NULL), DKVB_EINVAL);
    assert_false(is_there(partial));
}

static void every_failing_allocation_is_reported_and_leaves_no_file(void **state)
{
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, fail_at);
        dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
        dkvb_encode_options half = DKVB_ENCODE_OPTIONS_INIT;
        dkvb_encoder *e = NULL;

        half.dtype = DKVB_DTYPE_F16;
        o.allocator = &mem;
        o.set = set;
        rc = dkvb_encoder_open(&e, DKVB_ENCODER_PIXELS, &o);
        if (rc == DKVB_OK)
            rc = dkvb_encoder_encode_file(e, set, output, &half, NULL, NULL);
        dkvb_encoder_free(e);
        assert_int_equal(failing.live, 0);
        assert_false(is_there(partial));
        assert_true(rc == DKVB_ENOMEM || rc == DKVB_OK);
    }
}

static dkvb_status open_remembered(dkvb_encoder **e, uint32_t kind, const char *remembered, uint32_t columns,
                                   uint32_t upright)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;

    o.remembered = remembered;
    o.remembered_by = "m.dkvb";
    o.dim = columns;
    o.upright = upright;
    o.set = set;
    return dkvb_encoder_open(e, kind, &o);
}

static void the_encoder_that_a_model_remembers_is_opened(void **state)
{
    dkvb_encoder *e;

    (void)state;
    assert_ok(open_remembered(&e, DKVB_ENCODER_REMEMBERED, "descriptor:1", (uint32_t)dim, 0));
    assert_int_equal(e->info.kind, DKVB_ENCODER_DESCRIPTOR);
    assert_int_equal(e->info.upright, 0);
    dkvb_encoder_free(e);
    assert_ok(open_remembered(&e, DKVB_ENCODER_REMEMBERED, "descriptor:1+exif", 0, 0));
    assert_int_equal(e->info.upright, 1); /* the encoder turns pictures upright, as the model's were */
    dkvb_encoder_free(e);
    assert_ok(open_remembered(&e, DKVB_ENCODER_REMEMBERED, "pixels", 0, 0));
    assert_int_equal(e->info.dim, SIDE * SIDE); /* the encoder "pixels" takes its size from the set */
    dkvb_encoder_free(e);
}

static void another_encoder_than_the_remembered_one_is_refused_with_what_differs(void **state)
{
    dkvb_encoder *e;

    (void)state;
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_REMEMBERED, "eyes:3", 0, 0), DKVB_ENOTFOUND);
    assert_message("m.dkvb: was trained on rows of eyes:3, which is no encoder of this version");
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_REMEMBERED, "clip:0123", 0, 0), DKVB_EINVAL);
    assert_message("the file of its weights must be given");
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_REMEMBERED, "descriptor:2", 0, 0), DKVB_EMISMATCH);
    assert_message("those of descriptor:1 are found: the same encoder, weights and config must be given");
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_PIXELS, "descriptor:1", 0, 0), DKVB_EMISMATCH);
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_DESCRIPTOR, "descriptor:1", 0, 1), DKVB_EMISMATCH);
    assert_message("pictures must not be turned as their EXIF orientation says");
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_DESCRIPTOR, "descriptor:1+exif", 0, 0), DKVB_EMISMATCH);
    assert_message("pictures must be turned as");
    assert_int_equal(open_remembered(&e, DKVB_ENCODER_DESCRIPTOR, NULL, 7, 0), DKVB_EMISMATCH);
    assert_message("m.dkvb: takes rows of 7 columns, descriptor:1 makes");
    assert_null(e);
}

int main(void)
{
#define in_clean_folder(test) cmocka_unit_test_setup(test, remove_files)
    const struct CMUnitTest tests[] = {
        in_clean_folder(a_file_has_the_rows_that_memory_would_have),
        in_clean_folder(a_file_of_float16_has_rounded_rows),
        in_clean_folder(an_interrupted_call_is_gone_on_with_wherever_it_stopped),
        in_clean_folder(a_partial_file_cut_anywhere_is_still_true),
        in_clean_folder(rows_go_into_no_file_that_somebody_else_put_there),
        in_clean_folder(pictures_are_not_written_over),
        in_clean_folder(wrong_options_are_refused),
        in_clean_folder(every_failing_allocation_is_reported_and_leaves_no_file),
        in_clean_folder(the_encoder_that_a_model_remembers_is_opened),
        in_clean_folder(another_encoder_than_the_remembered_one_is_refused_with_what_differs),
        /* this test changes the pictures, so it has its own folder */
        in_clean_folder(rows_of_something_else_are_not_gone_on_with),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
