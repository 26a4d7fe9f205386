/* Tests of the EXIF orientation that a camera recorded: where the orientation is found in a file, and how it turns a
 * picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/image.h"
#include "fixture.h"

/* The beginning of a JPEG file whose only segment is EXIF, big-endian as cameras write it, with one entry: the
 * orientation, at byte 29. */
static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF, 0xE1, 0, 34, 'E', 'x', 'i',  'f',  0,    0,    'M', 'M',
                               0,    42,   0,    0,    0, 8,  0,   1,   0x01, 0x12, 0,    3,    0,   0,
                               0,    1,    0,    6,    0, 0,  0,   0,   0,    0,    0xFF, 0xDA, 0,   2};
enum { AT_LENGTH = 4, AT_ORDER = 12, AT_FIRST = 16, AT_ENTRIES = 20, AT_TAG = 22, AT_TYPE = 24, AT_VALUE = 30 };

/* Finds the orientation in the bytes of a file, copied to a block of exactly their size, so that sanitizers see a read
 * beyond it. */
static uint32_t orientation_of(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    uint32_t found;

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    found = dkvb__exif_orientation(&(struct dkvb__encoded){exact, size, "a picture"});
    free(exact);
    return found;
}

static void every_orientation_is_found_in_either_byte_order(void **state)
{
    uint8_t b[sizeof jpeg],
        little[] = {0xFF, 0xD8, 0xFF, 0xE1, 0,    34, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0,
                    0,    1,    0,    0x12, 0x01, 3,  0,   1,   0,   0,   0, 8, 0,   0,   0,  0, 0, 0, 0};

    (void)state;
    memcpy(b, jpeg, sizeof b);
    for (uint8_t o = 0; o <= 9; o++) {
        b[AT_VALUE + 1] = o;
        assert_int_equal(orientation_of(b, sizeof b), o >= 1 && o <= 8 ? o : 0);
    }
    assert_int_equal(orientation_of(little, sizeof little), 8);
}

static void a_note_that_is_damaged_is_none(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } damage[] = {{AT_LENGTH, 0xFF},  {AT_LENGTH + 1, 1},  {AT_ORDER, 'X'}, {AT_FIRST, 0xFF},
                  {AT_FIRST + 3, 27}, {AT_ENTRIES + 1, 0}, {AT_TAG, 0x02},  {AT_TYPE + 1, 4}};
    uint8_t b[sizeof jpeg];

    (void)state;
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        memcpy(b, jpeg, sizeof b);
        b[damage[i].at] = damage[i].value;
        assert_int_equal(orientation_of(b, sizeof b), 0);
    }
    for (size_t size = 0; size < sizeof jpeg; size++) {
        uint32_t found = orientation_of(jpeg, size);

        assert_true(found == 0 || found == 6);
    }
    for (size_t at = 0; at < sizeof jpeg; at++)
        for (unsigned value = 0; value < 256; value++) {
            memcpy(b, jpeg, sizeof b);
            b[at] = (uint8_t)value;
            assert_true(orientation_of(b, sizeof b) <= 8);
        }
}

/* In a WebP file of three chunks, the second of odd length, the orientation is in the third chunk, little-endian. */
static void a_note_in_webp_is_found_behind_other_chunks(void **state)
{
    static const uint8_t webp[] = "RIFF\x4C\0\0\0WEBP"
                                  "VP8X\x0A\0\0\0\x08\0\0\0\0\0\0\0\0\0"
                                  "VP8L\x01\0\0\0\x2F\0"
                                  "EXIF\x1A\0\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x05\0\0\0\0\0\0\0";
    uint8_t marked[sizeof webp + 6];
    size_t size = sizeof webp - 1, at = 12 + 18 + 10, note = 0x1A;

    (void)state;
    assert_int_equal(size, at + 8 + note);
    assert_int_equal(orientation_of(webp, size), 5);
    for (size_t cut = 0; cut < at + 8 + note; cut++)
        assert_int_equal(orientation_of(webp, cut), 0);
    memcpy(marked, webp, at + 8); /* some programs write JPEG's EXIF marker in WebP too */
    memcpy(marked + at + 8, "Exif\0\0", 6);
    memcpy(marked + at + 14, webp + at + 8, note);
    marked[at + 4] = (uint8_t)(note + 6);
    assert_int_equal(orientation_of(marked, at + 14 + note), 5);
    for (size_t i = 0; i < size; i++)
        for (unsigned value = 0; value < 256; value++) {
            memcpy(marked, webp, size);
            marked[i] = (uint8_t)value;
            assert_true(orientation_of(marked, size) <= 8);
        }
}

/* The picture is 3 wide and 2 high: 0 1 2 / 3 4 5. Each of the eight orientations must turn this picture as PIL's
 * exif_transpose() does. */
static void turning_gives_the_picture_that_a_viewer_shows(void **state)
{
    static const uint8_t turned[9][6] = {
        [1] = {0, 1, 2, 3, 4, 5}, [2] = {2, 1, 0, 5, 4, 3}, [3] = {5, 4, 3, 2, 1, 0}, [4] = {3, 4, 5, 0, 1, 2},
        [5] = {0, 3, 1, 4, 2, 5}, [6] = {3, 0, 4, 1, 5, 2}, [7] = {5, 2, 4, 1, 3, 0}, [8] = {2, 5, 1, 4, 0, 3}};

    (void)state;
    for (uint32_t o = 1; o <= 8; o++)
        for (uint32_t channels = 1; channels <= 3; channels += 2) {
            dkvb_image image = DKVB_IMAGE_INIT;

            assert_int_equal(dkvb__image_begin(&image, NULL), DKVB_OK);
            assert_int_equal(dkvb__image_alloc(&image, 3, 2, channels, "a picture"), DKVB_OK);
            for (size_t i = 0; i < 6 * channels; i++)
                image.pixels[i] = (uint8_t)(i / channels * 10 + i % channels);
            image.orientation = o;
            assert_int_equal(dkvb__image_turn_upright(&image), DKVB_OK);
            assert_int_equal(image.orientation, 1);
            assert_int_equal(image.width, o >= 5 ? 2 : 3);
            assert_int_equal(image.height, o >= 5 ? 3 : 2);
            for (size_t i = 0; i < 6 * channels; i++)
                assert_int_equal(image.pixels[i], turned[o][i / channels] * 10 + i % channels);
            dkvb_image_free(&image);
        }
}

static void a_turning_that_fails_changes_nothing(void **state)
{
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, 1);
    dkvb_image image = DKVB_IMAGE_INIT;
    uint8_t pixel = 7;

    (void)state;
    assert_int_equal(dkvb__image_begin(&image, &a), DKVB_OK);
    assert_int_equal(dkvb__image_alloc(&image, 1, 1, 1, "a picture"), DKVB_OK);
    image.orientation = 6;
    assert_int_equal(dkvb__image_turn_upright(&image), DKVB_ENOMEM);
    assert_int_equal(image.orientation, 6);
    assert_non_null(image.pixels);
    image.orientation = 9;
    assert_int_equal(dkvb__image_turn_upright(&image), DKVB_EINVAL);
    dkvb_image_free(&image);
    assert_int_equal(mem.live, 0);
    assert_int_equal(dkvb__image_turn_upright(NULL), DKVB_EINVAL);
    assert_int_equal(dkvb__image_turn_upright(&image), DKVB_EINVAL);
    image.pixels = &pixel; /* a picture whose pixels belong to the caller */
    image.width = image.height = image.channels = 1;
    image.orientation = 3;
    assert_int_equal(dkvb__image_turn_upright(&image), DKVB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_orientation_is_found_in_either_byte_order),
        cmocka_unit_test(a_note_that_is_damaged_is_none),
        cmocka_unit_test(a_note_in_webp_is_found_behind_other_chunks),
        cmocka_unit_test(turning_gives_the_picture_that_a_viewer_shows),
        cmocka_unit_test(a_turning_that_fails_changes_nothing),
    };

    return cmocka_run_group_tests_name("exif", tests, NULL, NULL);
}
