/* Tests of pictures: reading files of each kind, refusing damaged files, and the rules of resizing and fitting.
 * tests/peers/images_pil.py shows that the pixel values equal those of PIL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/image.h"
#include "data_files.h"
#include "fixture.h"
#include "picture_files.h"

static const uint32_t filters[] = {DKVB_FILTER_BILINEAR, DKVB_FILTER_BICUBIC};
static uint8_t file[PNG_ROOM];

/* Skips tests of formats that this build cannot read. */
static void need(uint32_t codec)
{
    if (!(dkvb_image_codecs() & codec))
        skip();
}

static void decode(dkvb_image *image, const uint8_t *bytes, size_t size)
{
    *image = (dkvb_image)DKVB_IMAGE_INIT;
    if (dkvb_image_read(image, "a picture", bytes, size, NULL) != DKVB_OK)
        fail_msg("%s", dkvb_last_error());
}

static void assert_picture(const struct png *png, uint32_t channels, const char *pixels)
{
    dkvb_image image;

    decode(&image, file, make_png(file, png));
    assert_int_equal(image.width, png->width);
    assert_int_equal(image.height, png->height);
    assert_int_equal(image.channels, channels);
    assert_memory_equal(image.pixels, pixels, (size_t)image.width * image.height * channels);
    dkvb_image_free(&image);
    assert_null(image.pixels);
}

/* Asserts that reading a picture from bytes fails without a result, and that the error message names the picture and
 * contains `part`. */
static dkvb_status refused(const uint8_t *bytes, size_t size, const char *part)
{
    dkvb_image image = DKVB_IMAGE_INIT;
    dkvb_status rc = dkvb_image_read(&image, "a picture", bytes, size, NULL);

    assert_int_not_equal(rc, DKVB_OK);
    assert_null(image.pixels);
    assert_int_equal(image.width, 0);
    assert_message("a picture");
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
    return rc;
}

static void greys_of_few_bits_fill_the_range(void **state)
{
    (void)state;
    need(DKVB_CODEC_PNG);
    assert_picture(&(struct png){8, 1, 1, PNG_GREY, .rows = "\0\x2B", .size = 2}, 1,
                   "\x00\x00\xFF\x00\xFF\x00\xFF\xFF");
    assert_picture(&(struct png){4, 1, 2, PNG_GREY, .rows = "\0\x1B", .size = 2}, 1, "\x00\x55\xAA\xFF");
    assert_picture(&(struct png){2, 2, 4, PNG_GREY, .rows = "\0\x1B\0\xF0", .size = 4}, 1, "\x11\xBB\xFF\x00");
    assert_picture(&(struct png){3, 1, 8, PNG_GREY, .rows = "\0\x01\x80\xFE", .size = 4}, 1, "\x01\x80\xFE");
}

static void sixteen_bits_keep_their_high_byte(void **state)
{
    (void)state;
    need(DKVB_CODEC_PNG);
    assert_picture(&(struct png){2, 1, 16, PNG_GREY, .rows = "\0\x12\xFF\x80\x7F", .size = 5}, 1, "\x12\x80");
    assert_picture(&(struct png){1, 1, 16, PNG_RGB, .rows = "\0\x12\xFF\x80\x7F\xFF\xFF", .size = 7}, 3,
                   "\x12\x80\xFF");
}

static void transparency_is_dropped(void **state)
{
    (void)state;
    need(DKVB_CODEC_PNG);
    assert_picture(&(struct png){2, 1, 8, PNG_GREY_ALPHA, .rows = "\0\x12\x00\x80\x7F", .size = 5}, 1, "\x12\x80");
    assert_picture(&(struct png){1, 1, 8, PNG_RGBA, .rows = "\0\x12\x80\x30\x00", .size = 5}, 3, "\x12\x80\x30");
    assert_picture(&(struct png){.width = 2,
                                 .height = 1,
                                 .depth = 8,
                                 .type = PNG_GREY,
                                 .transparent = "\0\x12",
                                 .transparent_size = 2,
                                 .rows = "\0\x12\x13",
                                 .size = 3},
                   1, "\x12\x13");
    assert_picture(&(struct png){.width = 4,
                                 .height = 1,
                                 .depth = 2,
                                 .type = PNG_GREY,
                                 .transparent = "\0\1",
                                 .transparent_size = 2,
                                 .rows = "\0\x1B",
                                 .size = 2},
                   1, "\x00\x55\xAA\xFF");
}

/* As in PIL, a pixel whose index lies behind the end of the palette is black. */
static void palettes_are_looked_up(void **state)
{
    static const char *const colours = "\x09\x08\x07\xC8\x64\x32";

    (void)state;
    need(DKVB_CODEC_PNG);
    for (int transparent = 0; transparent < 2; transparent++) {
        assert_picture(
            &(struct png){4, 2, 2, PNG_PALETTE, 0, colours, 2, transparent ? "\0" : NULL, 1, "\0\x1B\0\x40", 4}, 3,
            "\x09\x08\x07\xC8\x64\x32\0\0\0\0\0\0"
            "\xC8\x64\x32\x09\x08\x07\x09\x08\x07\x09\x08\x07");
        assert_picture(
            &(struct png){3, 1, 8, PNG_PALETTE, 0, colours, 2, transparent ? "\0" : NULL, 1, "\0\1\0\xFF", 4}, 3,
            "\xC8\x64\x32\x09\x08\x07\0\0\0");
    }
}

/* The interlaced picture of 3 x 3 pixels comes in the seven passes of Adam7: pixel (0,0) in the first, none in the
 * second and third, and so on. */
static void interlaced_pictures_are_put_together(void **state)
{
    static const char passes[] = "\0\x01"          /* pass 1: pixel (0,0) */
                                 "\0\x03"          /* pass 4: pixel (2,0) */
                                 "\0\x07\x09"      /* pass 5: pixels (0,2) and (2,2) */
                                 "\0\x02\0\x08"    /* pass 6: pixels (1,0) and (1,2) */
                                 "\0\x04\x05\x06"; /* pass 7: the pixels of row 1 */
    static const char greys[] = "\0\0\0\1\1\1\2\2\2\3\3\3\4\4\4\5\5\5\6\6\6\7\7\7\x08\x08\x08\x09\x09\x09";

    (void)state;
    need(DKVB_CODEC_PNG);
    assert_picture(&(struct png){3, 3, 8, PNG_GREY, 1, .rows = passes, .size = sizeof passes - 1}, 1,
                   "\1\2\3\4\5\6\7\x08\x09");
    assert_picture(&(struct png){3, 3, 8, PNG_PALETTE, 1, greys, 10, .rows = passes, .size = sizeof passes - 1}, 3,
                   "\1\1\1\2\2\2\3\3\3\4\4\4\5\5\5\6\6\6\7\7\7\x08\x08\x08\x09\x09\x09");
}

static void every_cut_png_is_refused(void **state)
{
    size_t size = make_plain_png(file, 5, 4, 77, true);

    (void)state;
    need(DKVB_CODEC_PNG);
    for (size_t cut = 0; cut < size; cut++) {
        /* a block of exactly the size of the bytes, so that a sanitizer sees every overrun */
        uint8_t *exact = malloc(cut + 1);

        memcpy(exact, file, cut);
        assert_int_equal(refused(exact, cut, cut < 8 ? "a PNG, JPEG or WebP file must be given" : "is cut short"),
                         DKVB_EFORMAT);
        free(exact);
    }
}

/* Reads bytes as a picture: either they are refused, or the picture must be complete. */
static void read_or_refuse(const uint8_t *bytes, size_t size)
{
    dkvb_image image = DKVB_IMAGE_INIT;
    dkvb_status rc = dkvb_image_read(&image, "a picture", bytes, size, NULL);

    if (rc == DKVB_OK) {
        uint8_t *copy = malloc((size_t)image.width * image.height * image.channels);

        memcpy(copy, image.pixels, (size_t)image.width * image.height * image.channels);
        free(copy);
    } else {
        assert_int_equal(rc, DKVB_EFORMAT);
        assert_null(image.pixels);
    }
    dkvb_image_free(&image);
}

static void every_flipped_bit_of_png_is_noticed(void **state)
{
    static const struct png kinds[] = {
        {3, 2, 8, PNG_RGBA, .rows = "\0abcdefghijkl\2mnopqrstuvwx", .size = 26},
        {9, 2, 2, PNG_PALETTE, 0, "abcdefghi", 3, .rows = "\0\x1B\x2A\x40\1\x1A\x24\x40", .size = 8},
        {3, 3, 1, PNG_GREY, 1, .rows = "\0\x80\0\x80\0\x40\0\x80\0\x80\0\x60", .size = 12},
    };

    (void)state;
    need(DKVB_CODEC_PNG);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t size = make_png(file, &kinds[k]);
        uint8_t *exact = malloc(size);

        for (size_t bit = 0; bit < 8 * size; bit++) {
            memcpy(exact, file, size);
            exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (bit / 8 < 33 || bit / 8 >= 33 + 12 + 17) /* leaves out bits of the text chunk, which reading skips */
                assert_int_equal(refused(exact, size, ""), DKVB_EFORMAT);
            seal_png(exact, size);
            read_or_refuse(exact, size);
        }
        free(exact);
    }
}

static uint8_t *read_jpeg(const char *name, size_t *size)
{
    char path[512];

    snprintf(path, sizeof path, "%s/jpeg/%s", DKVB_CORPUS, name);
    return read_file(path, size);
}

static void jpeg_of_every_kind_is_read(void **state)
{
    static const struct {
        const char *name;
        uint32_t channels;
    } kinds[] = {{"L", 1}, {"RGB", 3}, {"CMYK", 3}};

    (void)state;
    need(DKVB_CODEC_JPEG);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char progressive[32];
        dkvb_image image;
        size_t size;
        uint8_t *bytes = read_jpeg(kinds[k].name, &size);

        decode(&image, bytes, size);
        assert_int_equal(image.width, 17);
        assert_int_equal(image.height, 19);
        assert_int_equal(image.channels, kinds[k].channels);
        dkvb_image_free(&image);
        free(bytes);
        snprintf(progressive, sizeof progressive, "%s-progressive", kinds[k].name);
        bytes = read_jpeg(progressive, &size);
        decode(&image, bytes, size);
        assert_int_equal(image.channels, kinds[k].channels);
        dkvb_image_free(&image);
        free(bytes);
    }
}

static void every_cut_jpeg_is_refused(void **state)
{
    static const char *const names[] = {"L", "RGB-progressive", "CMYK"};

    (void)state;
    need(DKVB_CODEC_JPEG);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size;
        uint8_t *bytes = read_jpeg(names[k], &size);

        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *exact = malloc(cut + 1);

            memcpy(exact, bytes, cut);
            assert_int_equal(refused(exact, cut, cut < 3 ? "a PNG, JPEG or WebP file must be given" : "is cut short"),
                             DKVB_EFORMAT);
            free(exact);
        }
        free(bytes);
    }
}

static void every_flipped_bit_of_jpeg_is_survived(void **state)
{
    static const char *const names[] = {"L", "RGB-progressive", "CMYK"};

    (void)state;
    need(DKVB_CODEC_JPEG);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size;
        uint8_t *bytes = read_jpeg(names[k], &size);

        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            read_or_refuse(bytes, size);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(bytes);
    }
}

static uint8_t *read_webp(const char *name, size_t *size)
{
    char path[512];

    snprintf(path, sizeof path, "%s/webp/%s", DKVB_CORPUS, name);
    return read_file(path, size);
}

/* Returns a pixel value of the picture of 17 x 19 pixels that all lossless files of the corpus contain. */
static uint8_t level_at(size_t x, size_t y, size_t channel)
{
    return (uint8_t)(x * 37 + y * 11 + channel * 90);
}

static void lossless_webp_has_the_pixels_that_were_written(void **state)
{
    static const char *const names[] = {"lossless", "lossless-alpha", "exif"};

    (void)state;
    need(DKVB_CODEC_WEBP);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size;
        uint8_t *bytes = read_webp(names[k], &size);
        dkvb_image image;

        decode(&image, bytes, size);
        assert_int_equal(image.width, 17);
        assert_int_equal(image.height, 19);
        assert_int_equal(image.channels, 3);
        for (size_t i = 0; i < 17 * 19 * 3; i++)
            assert_int_equal(image.pixels[i], level_at(i / 3 % 17, i / 51, i % 3));
        assert_int_equal(image.orientation, k == 2 ? 6 : 0);
        dkvb_image_free(&image);
        free(bytes);
    }
}

static void lossy_webp_is_near_what_was_written(void **state)
{
    static const char *const names[] = {"lossy", "lossy-alpha", "grey"};

    (void)state;
    need(DKVB_CODEC_WEBP);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size, apart = 0;
        uint8_t *bytes = read_webp(names[k], &size);
        dkvb_image image;

        decode(&image, bytes, size);
        assert_int_equal(image.width, 17);
        assert_int_equal(image.height, 19);
        assert_int_equal(image.channels, 3);
        for (size_t i = 0; i < 17 * 19 * 3; i++)
            apart += (size_t)abs(image.pixels[i] - level_at(i / 3 % 17, i / 51, i % 3));
        if (k < 2) /* two pictures of noise differ by 85 on average */
            assert_in_range(apart / (17 * 19 * 3), 0, 50);
        dkvb_image_free(&image);
        free(bytes);
    }
}

static void every_cut_webp_is_refused(void **state)
{
    static const char *const names[] = {"lossless", "lossy", "lossless-alpha", "lossy-alpha", "exif", "one-colour"};

    (void)state;
    need(DKVB_CODEC_WEBP);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size;
        uint8_t *bytes = read_webp(names[k], &size);

        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *exact = malloc(cut + 1);

            memcpy(exact, bytes, cut);
            assert_int_equal(
                refused(exact, cut, cut < 12 ? "a PNG, JPEG or WebP file must be given" : "WebP is cut short"),
                DKVB_EFORMAT);
            free(exact);
        }
        free(bytes);
    }
}

static void every_flipped_bit_of_webp_is_survived(void **state)
{
    static const char *const names[] = {"lossless-alpha", "lossy-alpha", "exif", "animated"};

    (void)state;
    need(DKVB_CODEC_WEBP);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t size;
        uint8_t *bytes = read_webp(names[k], &size);

        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            read_or_refuse(bytes, size);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(bytes);
    }
}

static void an_animated_webp_is_refused_with_a_way_on(void **state)
{
    size_t size;
    uint8_t *bytes;

    (void)state;
    need(DKVB_CODEC_WEBP);
    bytes = read_webp("animated", &size);
    assert_int_equal(refused(bytes, size, "is animated; a single picture must be given: 'webpmux -get frame 1"),
                     DKVB_EFORMAT);
    free(bytes);
}

/* Returns the most memory held at one time while a picture is refused. */
static size_t memory_for(const uint8_t *bytes, size_t size, const char *part)
{
    struct measured_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator a = {measured_get, measured_release, &mem};
    dkvb_image image = DKVB_IMAGE_INIT;

    assert_int_equal(dkvb_image_read(&image, "a picture", bytes, size, &a), DKVB_EFORMAT);
    assert_message(part);
    assert_int_equal(mem.live, 0);
    return mem.peak;
}

static void promises_that_cannot_be_kept_cost_no_memory(void **state)
{
    uint8_t *bytes;
    size_t size;

    (void)state;
    if (dkvb_image_codecs() & DKVB_CODEC_PNG) {
        size = make_png(file, &(struct png){65535, 4096, 8, PNG_RGB, .rows = "\0", .size = 1});
        assert_in_range(memory_for(file, size, "cannot unpack to 65535 x 4096 pixels"), 1, 200000);
        size = make_png(file, &(struct png){65535, 4097, 8, PNG_RGB, .rows = "\0", .size = 1});
        assert_in_range(memory_for(file, size, "at most 268431360 are wanted"), 1, 200000);
        size = make_png(file, &(struct png){65536, 1, 1, PNG_GREY, 1, .rows = "\0", .size = 1});
        assert_in_range(memory_for(file, size, "65536 x 1 pixels; sides are 1 to 65535"), 1, 200000);
    }
    if (dkvb_image_codecs() & DKVB_CODEC_JPEG) {
        bytes = read_jpeg("hostile-huge", &size);
        assert_int_equal(memory_for(bytes, size, "cannot hold 65000 x 4000 pixels"), 0);
        free(bytes);
        bytes = read_jpeg("hostile-scans", &size);
        memory_for(bytes, size, "more than 100 scans");
        free(bytes);
    }
    if (dkvb_image_codecs() & DKVB_CODEC_WEBP) {
        bytes = read_webp("hostile-huge-lossless", &size);
        assert_int_equal(memory_for(bytes, size, "44 bytes cannot hold 16000 x 16000 pixels"), 0);
        free(bytes);
        bytes = read_webp("hostile-huge-lossy", &size);
        assert_int_equal(memory_for(bytes, size, "360 bytes cannot hold 16383 x 16383 pixels"), 0);
        free(bytes);
    }
}

static void texts_and_profiles_are_not_unpacked(void **state)
{
    struct measured_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator a = {measured_get, measured_release, &mem};
    dkvb_image image = DKVB_IMAGE_INIT;
    size_t size;
    char path[512];
    uint8_t *bytes;

    (void)state;
    need(DKVB_CODEC_PNG);
    snprintf(path, sizeof path, "%s/png/text-bomb", DKVB_CORPUS);
    bytes = read_file(path, &size);
    /* skips the first byte, a switch of the fuzz target */
    assert_ok(dkvb_image_read(&image, "a picture", bytes + 1, size - 1, &a));
    assert_in_range(mem.peak, 1, 200000);
    dkvb_image_free(&image);
    free(bytes);
}

static void every_allocation_may_fail(void **state)
{
    static const uint32_t codecs[] = {DKVB_CODEC_PNG, DKVB_CODEC_JPEG, DKVB_CODEC_WEBP};
    size_t size[3] = {make_plain_png(file, 5, 4, 77, false)};
    uint8_t *bytes[3] = {file, read_jpeg("CMYK", &size[1]), read_webp("lossy-alpha", &size[2])};
    dkvb_status rc;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        if (!(dkvb_image_codecs() & codecs[k]))
            continue;
        write_file(data_path, bytes[k], size[k]);
        rc = DKVB_ENOMEM;
        for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++) {
            struct measured_alloc mem = {.fail_at = fail_at};
            dkvb_allocator a = {measured_get, measured_release, &mem};
            dkvb_image image = DKVB_IMAGE_INIT, fitted = DKVB_IMAGE_INIT;

            rc = dkvb_image_read(&image, data_path, NULL, 0, &a);
            if (!rc)
                rc = dkvb__image_fit(&fitted, &image, 3, 2, DKVB_FILTER_BICUBIC, &a);
            dkvb_image_free(&image);
            dkvb_image_free(&fitted);
            assert_int_equal(mem.live, 0);
        }
        assert_ok(rc);
    }
    free(bytes[1]);
    free(bytes[2]);
}

static void what_is_no_picture_is_named(void **state)
{
    static const uint8_t gif[] = "GIF89a............";
    dkvb_image image = DKVB_IMAGE_INIT;
    size_t size = make_plain_png(file, 2, 2, 9, false);

    (void)state;
    assert_int_equal(
        refused(gif, sizeof gif, "is a GIF picture; a PNG, JPEG or WebP file must be given: PIL's Image.open"),
        DKVB_EFORMAT);
    assert_int_equal(refused(gif, 0, "is empty; a PNG, JPEG or WebP file must be given"), DKVB_EFORMAT);
    if (!(dkvb_image_codecs() & DKVB_CODEC_PNG))
        assert_int_equal(refused(file, size, "a PNG file, which this build"), DKVB_ESTATE);
    assert_int_equal(dkvb_image_read(&image, temp_path("nowhere.png"), NULL, 0, NULL), DKVB_EIO);
    assert_int_equal(dkvb_image_read(&image, temp_folder(), NULL, 0, NULL), DKVB_EIO);
    assert_int_equal(dkvb_image_read(&image, NULL, NULL, 0, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_image_read(NULL, "x", NULL, 0, NULL), DKVB_EINVAL);
    image.struct_size = 8;
    assert_int_equal(dkvb_image_read(&image, "x", NULL, 0, NULL), DKVB_EINVAL);
    assert_message("struct_size is 8");
}

/* Makes a picture of random pixels, which the caller frees. */
static dkvb_image noise(uint32_t width, uint32_t height, uint32_t channels, uint64_t seed)
{
    dkvb_image image = {sizeof image, width, height, channels, 0, malloc((size_t)width * height * channels), {0}};
    struct dkvb__rng rng;

    dkvb__rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < (size_t)width * height * channels; i++)
        image.pixels[i] = (uint8_t)dkvb__rng_next(&rng);
    return image;
}

static dkvb_image resized(const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter)
{
    dkvb_image out = DKVB_IMAGE_INIT;

    assert_ok(dkvb__image_resize(&out, in, width, height, filter, NULL));
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    assert_int_equal(out.channels, in->channels);
    return out;
}

static void assert_row(const uint8_t *want, uint32_t width, uint32_t filter)
{
    uint8_t row[7] = {0, 255, 3, 200, 77, 13, 240};
    dkvb_image in = {sizeof in, 7, 1, 1, 0, row, {0}}, out = resized(&in, width, 1, filter);

    assert_memory_equal(out.pixels, want, width);
    dkvb_image_free(&out);
    in.width = 1; /* a picture of one column, as before of one row */
    in.height = 7;
    out = resized(&in, 1, width, filter);
    assert_memory_equal(out.pixels, want, width);
    dkvb_image_free(&out);
}

/* The expected pixel values were computed by PIL 9.4, so that the test runs without PIL. */
static void resizing_gives_the_levels_of_pil(void **state)
{
    static const uint8_t cubic[12] = {59, 115, 174, 136, 85, 116, 114, 141, 102, 129, 94, 122};
    static const uint8_t linear[8] = {17, 33, 56, 79, 103, 126, 149, 165}; /* row 4 */
    uint8_t pixels[35];
    dkvb_image in = {sizeof in, 5, 7, 1, 0, pixels, {0}}, out;

    (void)state;
    assert_row((const uint8_t[]){110, 117, 108}, 3, DKVB_FILTER_BILINEAR);
    assert_row((const uint8_t[]){110, 111, 113}, 3, DKVB_FILTER_BICUBIC);
    assert_row((const uint8_t[]){0, 116, 232, 72, 75, 200, 122, 60, 19, 137, 240}, 11, DKVB_FILTER_BILINEAR);
    assert_row((const uint8_t[]){0, 119, 249, 53, 55, 200, 131, 47, 8, 142, 255}, 11, DKVB_FILTER_BICUBIC);
    for (size_t i = 0; i < 35; i++)
        pixels[i] = (uint8_t)(i % 5 * 37 + i / 5 * 91);
    out = resized(&in, 3, 4, DKVB_FILTER_BICUBIC);
    assert_memory_equal(out.pixels, cubic, 12);
    dkvb_image_free(&out);
    out = resized(&in, 8, 9, DKVB_FILTER_BILINEAR);
    assert_memory_equal(out.pixels + 4 * 8, linear, 8);
    dkvb_image_free(&out);
}

/* The test compares FNV-1a hashes of all pixel values, so that the last bit of every resizing weight counts. */
static void large_sizes_give_the_levels_of_pil(void **state)
{
    static const struct {
        uint32_t width, height, filter, hash;
    } wanted[] = {{41, 200, DKVB_FILTER_BICUBIC, 0x02609FF5},
                  {200, 41, DKVB_FILTER_BILINEAR, 0x2A2E467C},
                  {20, 11, DKVB_FILTER_BICUBIC, 0xBC8D7D82}};
    dkvb_image in = noise(97, 83, 3, 0);

    (void)state;
    for (uint64_t i = 0; i < 97 * 83 * 3; i++)
        in.pixels[i] = (uint8_t)(i * i * 2654435761u >> 13);
    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
        dkvb_image out = resized(&in, wanted[w].width, wanted[w].height, wanted[w].filter);
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < (size_t)out.width * out.height * 3; i++)
            hash = (hash ^ out.pixels[i]) * 16777619u;
        assert_int_equal(hash, wanted[w].hash);
        dkvb_image_free(&out);
    }
    free(in.pixels);
}

static void the_own_size_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t side = 1; side < 40; side += 3)
        for (size_t f = 0; f < 2; f++) {
            dkvb_image in = noise(side, 41 - side, f == 0 ? 1 : 3, side);
            dkvb_image out = resized(&in, side, 41 - side, filters[f]);

            assert_memory_equal(in.pixels, out.pixels, (size_t)side * (41 - side) * in.channels);
            dkvb_image_free(&out);
            free(in.pixels);
        }
}

static void a_picture_of_one_colour_stays_so(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 1, 0);
    for (int draw = 0; draw < 200; draw++) {
        uint32_t width = 1 + (uint32_t)dkvb__rng_below(&rng, 90), height = 1 + (uint32_t)dkvb__rng_below(&rng, 90);
        dkvb_image in = noise(width, height, 3, 0), out;
        uint8_t level = (uint8_t)dkvb__rng_next(&rng);

        memset(in.pixels, level, (size_t)width * height * 3);
        out = resized(&in, 1 + (uint32_t)dkvb__rng_below(&rng, 90), 1 + (uint32_t)dkvb__rng_below(&rng, 90),
                      filters[draw % 2]);
        for (size_t i = 0; i < (size_t)out.width * out.height * 3; i++)
            assert_int_equal(out.pixels[i], level);
        dkvb_image_free(&out);
        free(in.pixels);
    }
}

/* The pictures also span several strips, and have sizes at which each pass of the resizing is skipped. */
static void grey_is_three_equal_channels(void **state)
{
    static const uint32_t sizes[][4] = {
        {31, 17, 12, 29}, {700, 3, 700, 5}, {3, 700, 5, 700}, {1, 1, 640, 2}, {9, 8, 4, 3}};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t f = 0; f < 2; f++) {
            dkvb_image grey = noise(sizes[s][0], sizes[s][1], 1, s), rgb = noise(sizes[s][0], sizes[s][1], 3, s);
            dkvb_image small, large;

            for (size_t i = 0; i < (size_t)rgb.width * rgb.height * 3; i++)
                rgb.pixels[i] = grey.pixels[i / 3];
            small = resized(&grey, sizes[s][2], sizes[s][3], filters[f]);
            large = resized(&rgb, sizes[s][2], sizes[s][3], filters[f]);
            for (size_t i = 0; i < (size_t)large.width * large.height * 3; i++)
                assert_int_equal(large.pixels[i], small.pixels[i / 3]);
            dkvb_image_free(&small);
            dkvb_image_free(&large);
            free(grey.pixels);
            free(rgb.pixels);
        }
}

/* Returns the first column or row of the centre crop: half of the remainder, ties to even. */
static uint32_t middle(uint32_t side, uint32_t crop)
{
    uint32_t half = (side - crop) / 2;

    return (side - crop) % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

static void fitting_is_resizing_and_cutting(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 2, 0);
    for (int draw = 0; draw < 200; draw++) {
        uint32_t width = 1 + (uint32_t)dkvb__rng_below(&rng, 60), height = 1 + (uint32_t)dkvb__rng_below(&rng, 60);
        uint32_t least = width < height ? width : height, channels = draw % 3 == 0 ? 1 : 3;
        uint32_t shorter = draw % 5 == 0 ? least : 1 + (uint32_t)dkvb__rng_below(&rng, 40);
        uint32_t crop = 1 + (uint32_t)dkvb__rng_below(&rng, shorter);
        dkvb_image in = noise(width, height, channels, (uint64_t)draw), out = DKVB_IMAGE_INIT;
        dkvb_image whole = resized(&in, shorter * width / least, shorter * height / least, filters[draw % 2]);
        uint32_t left = middle(whole.width, crop), top = middle(whole.height, crop);

        assert_ok(dkvb__image_fit(&out, &in, shorter, crop, filters[draw % 2], NULL));
        assert_int_equal(out.width, crop);
        assert_int_equal(out.height, crop);
        assert_int_equal(out.channels, 3);
        for (size_t y = 0; y < crop; y++)
            for (size_t x = 0; x < (size_t)crop * 3; x++)
                assert_int_equal(out.pixels[y * crop * 3 + x],
                                 whole.pixels[((top + y) * whole.width + left + x / 3) * channels + x % channels]);
        dkvb_image_free(&out);
        dkvb_image_free(&whole);
        free(in.pixels);
    }
}

/* Resized as a whole, the picture would have 224 x 14 million pixels; only a square of it may be computed. */
static void a_picture_of_one_row_is_fitted_in_little_memory(void **state)
{
    struct measured_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator a = {measured_get, measured_release, &mem};
    dkvb_image in = noise(65535, 1, 3, 0), out = DKVB_IMAGE_INIT;

    (void)state;
    assert_ok(dkvb__image_fit(&out, &in, 224, 224, DKVB_FILTER_BICUBIC, &a));
    assert_in_range(mem.peak, 224 * 224 * 3, 400000);
    dkvb_image_free(&out);
    free(in.pixels);
}

static void wrong_arguments_are_named(void **state)
{
    dkvb_image in = noise(4, 4, 1, 0), out = DKVB_IMAGE_INIT, wrong = in;

    (void)state;
    assert_int_equal(dkvb__image_resize(&out, &in, 4, 4, 3, NULL), DKVB_EINVAL);
    assert_message("no filter 3");
    assert_int_equal(dkvb__image_resize(&out, &in, 0, 4, 1, NULL), DKVB_EINVAL);
    assert_message("0 x 4");
    assert_int_equal(dkvb__image_resize(&out, &in, 4, 65536, 1, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb__image_resize(&out, &in, 65535, 65535, 1, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb__image_fit(&out, &in, 4, 5, 1, NULL), DKVB_EINVAL);
    assert_message("a square of 5 of a side of 4");
    assert_int_equal(dkvb__image_fit(&out, &in, 4, 0, 1, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb__image_fit(&out, &in, 65536, 4, 1, NULL), DKVB_EINVAL);
    wrong.channels = 2;
    assert_int_equal(dkvb__image_fit(&out, &wrong, 4, 4, 1, NULL), DKVB_EINVAL);
    assert_message("2 channels");
    wrong = in;
    wrong.pixels = NULL;
    assert_int_equal(dkvb__image_fit(&out, &wrong, 4, 4, 1, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb__image_fit(&out, NULL, 4, 4, 1, NULL), DKVB_EINVAL);
    assert_null(out.pixels);
    free(in.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greys_of_few_bits_fill_the_range),
        cmocka_unit_test(sixteen_bits_keep_their_high_byte),
        cmocka_unit_test(transparency_is_dropped),
        cmocka_unit_test(palettes_are_looked_up),
        cmocka_unit_test(interlaced_pictures_are_put_together),
        cmocka_unit_test(every_cut_png_is_refused),
        cmocka_unit_test(every_flipped_bit_of_png_is_noticed),
        cmocka_unit_test(jpeg_of_every_kind_is_read),
        cmocka_unit_test(every_cut_jpeg_is_refused),
        cmocka_unit_test(every_flipped_bit_of_jpeg_is_survived),
        cmocka_unit_test(lossless_webp_has_the_pixels_that_were_written),
        cmocka_unit_test(lossy_webp_is_near_what_was_written),
        cmocka_unit_test(every_cut_webp_is_refused),
        cmocka_unit_test(every_flipped_bit_of_webp_is_survived),
        cmocka_unit_test(an_animated_webp_is_refused_with_a_way_on),
        cmocka_unit_test(promises_that_cannot_be_kept_cost_no_memory),
        cmocka_unit_test(texts_and_profiles_are_not_unpacked),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(what_is_no_picture_is_named),
        cmocka_unit_test(resizing_gives_the_levels_of_pil),
        cmocka_unit_test(large_sizes_give_the_levels_of_pil),
        cmocka_unit_test(the_own_size_changes_nothing),
        cmocka_unit_test(a_picture_of_one_colour_stays_so),
        cmocka_unit_test(grey_is_three_equal_channels),
        cmocka_unit_test(fitting_is_resizing_and_cutting),
        cmocka_unit_test(a_picture_of_one_row_is_fitted_in_little_memory),
        cmocka_unit_test(wrong_arguments_are_named),
    };

    return cmocka_run_group_tests(tests, name_file, NULL);
}
