/* Tests of encoders through the public functions: pictures, unreadable pictures, and batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "encoder/encoder.h"
#include "fixture.h"
#include "picture_files.h"

enum { MANY = 70 /* number of pictures: more than two batches */, SIDE = 9, COLUMNS = SIDE * SIDE * 3 };

static uint8_t pixels[MANY][COLUMNS];
static dkvb_image images[MANY];

static int make_images(void **state)
{
    uint32_t x = 1;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        for (size_t j = 0; j < COLUMNS; j++)
            pixels[i][j] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
        images[i] = (dkvb_image)DKVB_IMAGE_INIT;
        images[i].width = images[i].height = SIDE;
        images[i].channels = 3;
        images[i].pixels = pixels[i];
    }
    return 0;
}

static dkvb_encoder *open_pixels(uint32_t side)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_encoder *e;

    o.width = o.height = side;
    o.channels = 3;
    assert_ok(dkvb_encoder_open(&e, DKVB_ENCODER_PIXELS, &o));
    return e;
}

static dkvb_encoder *open_descriptor(void)
{
    dkvb_encoder *e;

    assert_ok(dkvb_encoder_open(&e, DKVB_ENCODER_DESCRIPTOR, NULL));
    return e;
}

static uint32_t dim_of(const dkvb_encoder *e)
{
    dkvb_encoder_info info = {.struct_size = sizeof info};

    assert_ok(dkvb_encoder_get_info(e, &info));
    return info.dim;
}

static void pixels_are_their_values(void **state)
{
    dkvb_encoder *e = open_pixels(SIDE);
    float *x = malloc(sizeof(float[MANY][COLUMNS]));

    (void)state;
    assert_non_null(x);
    assert_int_equal(dim_of(e), COLUMNS);
    assert_string_equal(e->info.identity, "pixels");
    assert_ok(dkvb_encoder_encode(e, images, MANY, x, NULL, NULL));
    for (size_t i = 0; i < MANY; i++)
        for (size_t j = 0; j < COLUMNS; j++)
            assert_true(x[i * COLUMNS + j] == (float)pixels[i][j] / 255.0f);
    free(x);
    dkvb_encoder_free(e);
}

static void pixels_take_one_size(void **state)
{
    dkvb_encoder *e = open_pixels(SIDE + 1);
    float x[(SIDE + 1) * (SIDE + 1) * 3];

    (void)state;
    assert_int_equal(dkvb_encoder_encode(e, images, 1, x, NULL, NULL), DKVB_EMISMATCH);
    assert_message("picture 0 is 9 x 9 x 3, 10 x 10 x 3 is wanted");
    dkvb_encoder_free(e);
}

static void what_cannot_be_opened_is_refused(void **state)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_encoder *e = NULL;

    (void)state;
    assert_int_equal(dkvb_encoder_open(&e, DKVB_ENCODER_REMEMBERED, &o), DKVB_ENOTFOUND);
    assert_message("the model: does not say which encoder made the rows");
    assert_int_equal(dkvb_encoder_open(&e, 99, &o), DKVB_EINVAL);
    assert_message("kind 99 found");
    assert_int_equal(dkvb_encoder_open(&e, DKVB_ENCODER_PIXELS, &o), DKVB_EINVAL);
    assert_message("the size of the pictures is wanted");
    assert_int_not_equal(dkvb_encoder_open(&e, DKVB_ENCODER_CLIP, &o), DKVB_OK);
    assert_message("weights");
    o.weights = "x.safetensors";
    assert_int_equal(dkvb_encoder_open(&e, DKVB_ENCODER_DESCRIPTOR, &o), DKVB_EINVAL);
    assert_message("takes no weights");
    o.weights = NULL;
    o.config = "config.json";
    assert_int_equal(dkvb_encoder_open(&e, DKVB_ENCODER_DESCRIPTOR, &o), DKVB_EINVAL);
    assert_message("takes no config");
    assert_null(e);
    dkvb_encoder_free(NULL);
}

static void what_is_no_picture_is_refused(void **state)
{
    dkvb_encoder *e = open_pixels(SIDE);
    dkvb_image bad = images[0];
    float x[COLUMNS];

    (void)state;
    bad.channels = 2;
    assert_int_equal(dkvb_encoder_encode(e, &bad, 1, x, NULL, NULL), DKVB_EINVAL);
    assert_message("picture 0");
    bad = images[0];
    bad.struct_size = 4;
    assert_int_equal(dkvb_encoder_encode(e, &bad, 1, x, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_encoder_encode(e, NULL, 1, x, NULL, NULL), DKVB_EINVAL);
    assert_ok(dkvb_encoder_encode(e, NULL, 0, NULL, NULL, NULL));
    dkvb_encoder_free(e);
}

static void a_row_does_not_depend_on_its_neighbours_or_on_threads(void **state)
{
    dkvb_encoder *e = open_descriptor();
    size_t dim = dim_of(e);
    float *all = malloc(MANY * dim * sizeof *all), *again = malloc(MANY * dim * sizeof *all);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    assert_non_null(all);
    assert_non_null(again);
    assert_ok(dkvb_encoder_encode(e, images, MANY, all, NULL, NULL));
    for (run.threads = 1; run.threads < 4; run.threads++) {
        assert_ok(dkvb_encoder_encode(e, images, MANY, again, NULL, &run));
        assert_memory_equal(all, again, MANY * dim * sizeof *all);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_ok(dkvb_encoder_encode(e, &images[i], 1, again + i * dim, NULL, NULL));
    assert_memory_equal(all, again, MANY * dim * sizeof *all);
    free(all);
    free(again);
    dkvb_encoder_free(e);
}

struct counted {
    uint64_t done, total, stop_at;
};

static int count(void *user, uint64_t done, uint64_t total)
{
    struct counted *c = user;

    assert_true(done >= c->done);
    c->done = done;
    c->total = total;
    return c->stop_at > 0 && done >= c->stop_at;
}

static void progress_counts_pictures_and_can_stop(void **state)
{
    dkvb_encoder *e = open_pixels(SIDE);
    float *x = malloc(sizeof(float[MANY][COLUMNS]));
    struct counted c = {0};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    (void)state;
    assert_non_null(x);
    run.progress = count;
    run.user = &c;
    assert_ok(dkvb_encoder_encode(e, images, MANY, x, NULL, &run));
    assert_int_equal(c.done, MANY);
    assert_int_equal(c.total, MANY);
    c = (struct counted){.stop_at = 1};
    assert_int_equal(dkvb_encoder_encode(e, images, MANY, x, NULL, &run), DKVB_ECANCELLED);
    assert_true(c.done < MANY);
    free(x);
    dkvb_encoder_free(e);
}

/* Makes a folder of MANY pictures of 9 x 9 pixels, of which every fifth file is cut short. */
static dkvb_imageset *broken_folder(void)
{
    uint8_t png[PNG_ROOM];
    dkvb_imageset *set;
    char name[64];

    mkdir(temp_path("broken"), 0777);
    for (size_t i = 0; i < MANY; i++) {
        size_t size = make_plain_png(png, SIDE, SIDE, (uint8_t)(3 * i), true);

        snprintf(name, sizeof name, "broken/%03zu.png", i);
        write_file(temp_path(name), png, i % 5 == 4 ? size / 2 : size);
    }
    assert_ok(dkvb_imageset_open(&set, temp_path("broken"), NULL));
    return set;
}

struct told {
    uint64_t index[MANY];
    size_t count, stop_at;
};

static int tell(void *user, uint64_t index, const char *message)
{
    struct told *told = user;

    assert_non_null(strstr(message, ".png"));
    told->index[told->count++] = index;
    return told->stop_at > 0 && told->count >= told->stop_at;
}

static void unreadable_pictures_are_told_and_left_out(void **state)
{
    dkvb_encoder *e = open_pixels(SIDE);
    dkvb_imageset *set = broken_folder();
    float *x = malloc(sizeof(float[MANY][COLUMNS]));
    uint8_t readable[MANY];
    struct told told = {0};
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;

    (void)state;
    assert_non_null(x);
    o.skip_unreadable = 1;
    o.readable = readable;
    o.unreadable = tell;
    o.user = &told;
    assert_ok(dkvb_encoder_encode_set(e, set, 3, MANY - 3, x, &o, NULL));
    assert_int_equal(told.count, MANY / 5);
    for (size_t i = 0; i < told.count; i++)
        assert_int_equal(told.index[i], 5 * i + 4);
    for (size_t i = 0; i < MANY - 3; i++) {
        bool whole = (i + 3) % 5 != 4;

        assert_int_equal(readable[i], whole);
        assert_true(x[i * COLUMNS + COLUMNS - 1] == (whole ? (float)(3 * (i + 3)) / 255.0f : 0.0f));
    }
    told = (struct told){.stop_at = 2};
    assert_int_equal(dkvb_encoder_encode_set(e, set, 0, MANY, x, &o, NULL), DKVB_ECANCELLED);
    assert_int_equal(told.count, 2);
    told = (struct told){0};
    o.skip_unreadable = 0;
    assert_int_equal(dkvb_encoder_encode_set(e, set, 0, MANY, x, &o, NULL), DKVB_EFORMAT);
    assert_int_equal(told.count, 1); /* only the first unreadable picture was reported, as it ends the call */
    assert_int_equal(dkvb_encoder_encode_set(e, set, 0, MANY, x, NULL, NULL), DKVB_EFORMAT);
    assert_message("004.png");
    o.skip_unreadable = 2;
    assert_int_equal(dkvb_encoder_encode_set(e, set, 0, MANY, x, &o, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_encoder_encode_set(e, set, 1, MANY, x, NULL, NULL), DKVB_ENOTFOUND);
    free(x);
    dkvb_imageset_free(set);
    dkvb_encoder_free(e);
}

static void a_set_gives_the_rows_of_its_pictures(void **state)
{
    dkvb_encoder *e = open_descriptor();
    dkvb_imageset *set = broken_folder();
    size_t dim = dim_of(e);
    float *of_set = malloc(4 * dim * sizeof *of_set), *of_image = malloc(dim * sizeof *of_image);
    dkvb_image image = DKVB_IMAGE_INIT;

    (void)state;
    assert_non_null(of_set);
    assert_non_null(of_image);
    assert_ok(dkvb_encoder_encode_set(e, set, 10, 4, of_set, NULL, NULL));
    for (size_t i = 0; i < 4; i++) {
        assert_ok(dkvb_imageset_read(set, 10 + i, &image, NULL));
        assert_ok(dkvb_encoder_encode(e, &image, 1, of_image, NULL, NULL));
        assert_memory_equal(of_set + i * dim, of_image, dim * sizeof *of_image);
        dkvb_image_free(&image);
    }
    free(of_set);
    free(of_image);
    dkvb_imageset_free(set);
    dkvb_encoder_free(e);
}

static int see(void *user, const char *name, size_t height, size_t width, const float *values)
{
    assert_non_null(name);
    assert_non_null(values);
    *(size_t *)user += height * width;
    return 0;
}

static int see_no_more(void *user, const char *name, size_t height, size_t width, const float *values)
{
    (void)see(user, name, height, width, values);
    return 1;
}

static void a_trace_ends_in_the_row(void **state)
{
    dkvb_encoder *e = open_pixels(SIDE);
    float x[COLUMNS], row[COLUMNS];
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;
    size_t seen = 0;

    (void)state;
    o.trace = see;
    o.user = &seen;
    assert_ok(dkvb_encoder_encode(e, images, 1, row, NULL, NULL));
    assert_int_equal(dkvb_encoder_encode(e, images, 2, NULL, &o, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_encoder_encode(e, images, 0, x, &o, NULL), DKVB_EINVAL);
    assert_message("a trace is of one picture, not of 0");
    assert_ok(dkvb_encoder_encode(e, images, 1, x, &o, NULL));
    assert_int_equal(seen, COLUMNS);
    assert_memory_equal(x, row, sizeof row);
    o.trace = see_no_more;
    assert_int_equal(dkvb_encoder_encode(e, images, 1, x, &o, NULL), DKVB_ECANCELLED);
    dkvb_encoder_free(e);
    e = open_pixels(SIDE - 1);
    assert_int_equal(dkvb_encoder_encode(e, images, 1, x, &o, NULL), DKVB_EMISMATCH);
    dkvb_encoder_free(e);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, fail_at);
        dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
        dkvb_encoder *e = NULL;
        float x[COLUMNS];
        dkvb_status rc;

        o.width = o.height = SIDE;
        o.channels = 3;
        o.allocator = &mem;
        rc = dkvb_encoder_open(&e, DKVB_ENCODER_PIXELS, &o);
        if (rc == DKVB_OK)
            rc = dkvb_encoder_encode(e, images, 1, x, NULL, NULL);
        dkvb_encoder_free(e);
        assert_int_equal(failing.live, 0);
        if (rc == DKVB_OK)
            return;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_their_values),
        cmocka_unit_test(pixels_take_one_size),
        cmocka_unit_test(what_cannot_be_opened_is_refused),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(a_row_does_not_depend_on_its_neighbours_or_on_threads),
        cmocka_unit_test(progress_counts_pictures_and_can_stop),
        cmocka_unit_test(a_trace_ends_in_the_row),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    const struct CMUnitTest of_files[] = {
        cmocka_unit_test(unreadable_pictures_are_told_and_left_out),
        cmocka_unit_test(a_set_gives_the_rows_of_its_pictures),
    };
    int failed = cmocka_run_group_tests_name("encoder", tests, make_images, NULL);

    if (dkvb_image_codecs() & DKVB_CODEC_PNG)
        failed += cmocka_run_group_tests_name("encoder of files", of_files, make_images, NULL);
    return failed;
}
