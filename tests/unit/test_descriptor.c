/* Tests of the encoder "descriptor" on pictures whose gradients and colours are known. */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "encoder/encoder.h"
#include "fixture.h"

enum { SIDE = 32, DIRECTIONS = 8, FINE = 8, COARSE = 4, MANY = 40 /* more pictures than a batch */ };

/* First column of each part of a row of the descriptor. */
enum { GRADIENTS = 0, LAYOUT = 512, HUES = 640, COLOURS = 768, BRIGHTNESS = 800, COLUMNS = 864 };

static dkvb_encoder *encoder;

static int setup(void **state)
{
    (void)state;
    return dkvb_encoder_open(&encoder, DKVB_ENCODER_DESCRIPTOR, NULL);
}

static int teardown(void **state)
{
    (void)state;
    dkvb_encoder_free(encoder);
    return 0;
}

static dkvb_image picture(uint8_t *pixels, uint32_t channels)
{
    dkvb_image image = DKVB_IMAGE_INIT;

    image.width = image.height = SIDE;
    image.channels = channels;
    image.pixels = pixels;
    return image;
}

static void encode(const uint8_t *pixels, uint32_t channels, float row[COLUMNS])
{
    uint8_t copy[SIDE * SIDE * 3];
    dkvb_image image = picture(copy, channels);

    memcpy(copy, pixels, (size_t)SIDE * SIDE * channels);
    assert_ok(dkvb_encoder_encode(encoder, &image, 1, row, NULL, NULL));
}

/* Fills a picture with one colour. */
static void fill(uint8_t pixels[SIDE * SIDE * 3], uint8_t red, uint8_t green, uint8_t blue)
{
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        pixels[3 * i] = red;
        pixels[3 * i + 1] = green;
        pixels[3 * i + 2] = blue;
    }
}

/* Fills a picture with pseudo-random values below `end`. */
static void scatter(uint8_t *pixels, size_t count, uint32_t seed, uint32_t end)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)((seed >> 16) % end);
    }
}

static void is_all(const float *values, size_t from, size_t to, float wanted)
{
    for (size_t i = from; i < to; i++)
        assert_true(values[i] == wanted);
}

static void it_is_864_columns_of_the_middle_32_pixels(void **state)
{
    dkvb_encoder_info info = {.struct_size = sizeof info};

    (void)state;
    assert_ok(dkvb_encoder_get_info(encoder, &info));
    assert_int_equal(info.dim, COLUMNS);
    assert_int_equal(info.shorter, SIDE);
    assert_int_equal(info.crop, SIDE);
    assert_int_equal(info.filter, DKVB_FILTER_BICUBIC);
    assert_string_equal(encoder->info.identity, "descriptor:1");
}

static void a_constant_picture_has_brightness_alone(void **state)
{
    uint8_t pixels[SIDE * SIDE * 3];
    float row[COLUMNS];

    (void)state;
    fill(pixels, 255, 255, 255);
    encode(pixels, 3, row);
    is_all(row, GRADIENTS, BRIGHTNESS, 0.0f);
    is_all(row, BRIGHTNESS, COLUMNS, 0.5f);
    fill(pixels, 0, 0, 0);
    encode(pixels, 3, row);
    is_all(row, GRADIENTS, COLUMNS, 0.0f);
}

/* If brightness rises along (dx, dy), every cell of the picture, coarse or fine, votes for this direction only. */
static void a_ramp_votes_for_the_direction_in_which_it_rises(void **state)
{
    static const int steps[DIRECTIONS][2] = {{1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}};
    uint8_t pixels[SIDE * SIDE];
    float row[COLUMNS];

    (void)state;
    for (uint32_t k = 0; k < DIRECTIONS; k++) {
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                pixels[y * SIDE + x] = (uint8_t)(128 + 2 * (x * steps[k][0] + y * steps[k][1]));
        encode(pixels, 1, row);
        /* leaves out the border, where edges are repeated outwards and the gradient turns */
        for (uint32_t y = 1; y + 1 < FINE; y++)
            for (uint32_t x = 1; x + 1 < FINE; x++)
                for (uint32_t j = 0; j < DIRECTIONS; j++) {
                    float value = row[GRADIENTS + (y * FINE + x) * DIRECTIONS + j];

                    assert_true(j == k ? value > 0.3f : value < 1e-2f);
                }
    }
}

static void an_edge_is_seen_in_its_cells_and_nowhere_else(void **state)
{
    uint8_t pixels[SIDE * SIDE] = {0};
    float row[COLUMNS];

    (void)state;
    for (size_t y = 0; y < SIDE; y++) /* the light part of the picture begins in the middle of the third of 8 cells */
        memset(pixels + y * SIDE + 10, 200, SIDE - 10);
    encode(pixels, 1, row);
    for (size_t i = 0; i < (size_t)FINE * FINE; i++)
        for (size_t k = 0; k < DIRECTIONS; k++)
            assert_true((row[GRADIENTS + i * DIRECTIONS + k] > 0.0f) == (k == 0 && i % FINE >= 1 && i % FINE <= 3));
}

static void light_that_is_added_leaves_gradients_and_colours(void **state)
{
    uint8_t pixels[SIDE * SIDE * 3];
    float dark[COLUMNS], light[COLUMNS];

    (void)state;
    scatter(pixels, sizeof pixels, 1, 200);
    encode(pixels, 3, dark);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(pixels[i] + 55);
    encode(pixels, 3, light);
    assert_memory_equal(dark, light, BRIGHTNESS * sizeof(float));
    for (size_t i = BRIGHTNESS; i < COLUMNS; i++)
        assert_true(light[i] > dark[i]);
}

static void contrast_hardly_matters_to_gradients(void **state)
{
    uint8_t pixels[SIDE * SIDE];
    float faint[COLUMNS], strong[COLUMNS];

    (void)state;
    scatter(pixels, sizeof pixels, 2, 85);
    encode(pixels, 1, faint);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(3 * pixels[i]);
    encode(pixels, 1, strong);
    for (size_t i = GRADIENTS; i < LAYOUT; i++)
        assert_true(strong[i] >= faint[i] && strong[i] - faint[i] < 0.05f);
}

static void grey_is_three_equal_channels(void **state)
{
    uint8_t grey[SIDE * SIDE], rgb[SIDE * SIDE * 3];
    float one[COLUMNS], three[COLUMNS];

    (void)state;
    scatter(grey, sizeof grey, 3, 256);
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = grey[i / 3];
    encode(grey, 1, one);
    encode(rgb, 3, three);
    assert_memory_equal(one, three, sizeof one);
    is_all(one, HUES, BRIGHTNESS, 0.0f);
}

static void colours_lie_where_their_axes_say(void **state)
{
    uint8_t pixels[SIDE * SIDE * 3];
    float row[COLUMNS];

    (void)state;
    /* a colour halfway between red and blue; its hue has the coordinates (r - g) / 2 and (r + g - 2b) / (2 sqrt 3) */
    fill(pixels, 255, 0, 255);
    encode(pixels, 3, row);
    is_all(row, GRADIENTS, HUES, 0.0f);
    for (size_t i = 0; i < (size_t)COARSE * COARSE; i++) {
        const float *colour = row + COLOURS + 2 * i, *hues = row + HUES + i * DIRECTIONS;

        assert_float_equal(colour[0], 2.0f, 1e-6f);
        assert_float_equal(colour[1], -1.1547005f, 1e-6f);
        assert_true(hues[7] > hues[0] && hues[0] > 0.0f); /* the hue is a twelfth of a turn from the positive axis */
        is_all(hues, 1, 7, 0.0f);
    }
}

/* Encoding 40 pictures in one call gives the same rows as encoding them one at a time, with any number of threads. */
static void a_row_is_the_pictures_alone(void **state)
{
    static uint8_t pixels[MANY][SIDE * SIDE * 3];
    static float together[MANY][COLUMNS], alone[COLUMNS];
    dkvb_image images[MANY];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        scatter(pixels[i], sizeof pixels[i], 100 + i, 256);
        images[i] = picture(pixels[i], 3);
    }
    for (uint32_t threads = 1; threads <= 3; threads++) {
        dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

        run.threads = threads;
        assert_ok(dkvb_encoder_encode(encoder, images, MANY, together[0], NULL, &run));
        for (uint32_t i = 0; i < MANY; i++) {
            encode(pixels[i], 3, alone);
            assert_memory_equal(alone, together[i], sizeof alone);
        }
    }
}

/* If the checksum of rows changes, the descriptor has changed, and models that remember descriptor:1 would no longer
 * fit. Pictures with few pixel values have channels with equal gradients; pictures with many values cover all other
 * cases. */
static void bits_are_those_of_version_1(void **state)
{
    uint8_t pixels[SIDE * SIDE * 3];
    float row[COLUMNS];

    (void)state;
    scatter(pixels, sizeof pixels, 4, 256);
    encode(pixels, 3, row);
    assert_int_equal(dkvb__checksum(row, sizeof row), 0x4269330518531586);
    scatter(pixels, sizeof pixels, 4, 6);
    encode(pixels, 3, row);
    assert_int_equal(dkvb__checksum(row, sizeof row), 0x1c0dd41d6915d6dc);
}

struct seen {
    const char *names[8];
    size_t rows[8];
    size_t parts, values;
    float row[COLUMNS];
};

static int look(void *user, const char *name, size_t parts, size_t columns, const float *values)
{
    struct seen *s = user;

    s->names[s->parts] = name;
    s->rows[s->parts++] = parts;
    assert_true(s->values + parts * columns <= COLUMNS);
    memcpy(s->row + s->values, values, parts * columns * sizeof *values);
    s->values += parts * columns;
    return 0;
}

static void a_trace_shows_the_parts_in_their_order_a_cell_a_row(void **state)
{
    static const char *const names[] = {"gradients", "layout", "hues", "colours", "brightness"};
    static const size_t cells[] = {FINE * FINE, COARSE * COARSE, COARSE * COARSE, COARSE * COARSE, FINE * FINE};
    uint8_t pixels[SIDE * SIDE * 3];
    struct seen seen = {.parts = 0};
    dkvb_image image = picture(pixels, 3);
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;
    float row[COLUMNS];

    (void)state;
    scatter(pixels, sizeof pixels, 5, 256);
    o.trace = look;
    o.user = &seen;
    assert_ok(dkvb_encoder_encode(encoder, &image, 1, row, &o, NULL));
    assert_int_equal(seen.parts, 5);
    for (size_t i = 0; i < seen.parts; i++) {
        assert_string_equal(seen.names[i], names[i]);
        assert_int_equal(seen.rows[i], cells[i]);
    }
    assert_int_equal(seen.values, COLUMNS);
    assert_memory_equal(seen.row, row, sizeof row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_864_columns_of_the_middle_32_pixels),
        cmocka_unit_test(a_constant_picture_has_brightness_alone),
        cmocka_unit_test(a_ramp_votes_for_the_direction_in_which_it_rises),
        cmocka_unit_test(an_edge_is_seen_in_its_cells_and_nowhere_else),
        cmocka_unit_test(light_that_is_added_leaves_gradients_and_colours),
        cmocka_unit_test(contrast_hardly_matters_to_gradients),
        cmocka_unit_test(grey_is_three_equal_channels),
        cmocka_unit_test(colours_lie_where_their_axes_say),
        cmocka_unit_test(a_row_is_the_pictures_alone),
        cmocka_unit_test(bits_are_those_of_version_1),
        cmocka_unit_test(a_trace_shows_the_parts_in_their_order_a_cell_a_row),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
