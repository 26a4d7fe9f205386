#include "picture_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

static void put_big32(uint8_t *to, size_t value)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

size_t make_chunk(uint8_t *to, const char *kind, const void *data, size_t size)
{
    put_big32(to, size);
    memcpy(to + 4, kind, 4);
    if (size > 0)
        memcpy(to + 8, data, size);
    put_big32(to + 8 + size, crc32(0, to + 4, (unsigned)size + 4));
    return size + 12;
}

size_t make_png(uint8_t *to, const struct png *png)
{
    uint8_t header[13] = {[8] = png->depth, [9] = png->type, [12] = png->interlaced}, packed[PNG_ROOM / 2];
    uLongf packed_size = sizeof packed;
    size_t at = 8;

    put_big32(header, png->width);
    put_big32(header + 4, png->height);
    assert_int_equal(compress(packed, &packed_size, png->rows, png->size), Z_OK);
    memcpy(to, "\x89PNG\r\n\x1A\n", 8);
    at += make_chunk(to + at, "IHDR", header, sizeof header);
    at += make_chunk(to + at, "tEXt", "Comment\0of no use", 17);
    if (png->palette)
        at += make_chunk(to + at, "PLTE", png->palette, png->colours * 3);
    if (png->transparent)
        at += make_chunk(to + at, "tRNS", png->transparent, png->transparent_size);
    at += make_chunk(to + at, "IDAT", packed, packed_size);
    return at + make_chunk(to + at, "IEND", NULL, 0);
}

size_t make_plain_png(uint8_t *to, uint32_t width, uint32_t height, uint8_t level, bool rgb)
{
    uint8_t rows[20 * (1 + 20 * 3)];
    size_t row = width * (rgb ? 3u : 1u) + 1;

    memset(rows, level, row * height);
    for (size_t y = 0; y < height; y++)
        rows[y * row] = 0;
    return make_png(to, &(struct png){.width = width,
                                      .height = height,
                                      .depth = 8,
                                      .type = rgb ? PNG_RGB : PNG_GREY,
                                      .rows = rows,
                                      .size = row * height});
}

void seal_png(uint8_t *png, size_t size)
{
    for (size_t at = 8; size - at >= 12;) {
        size_t length = (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 | png[at + 3];

        if (length > size - at - 12)
            return;
        put_big32(png + at + 8 + length, crc32(0, png + at + 4, (unsigned)length + 4));
        at += length + 12;
    }
}
