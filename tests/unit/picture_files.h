/* PNG files made by hand, whatever the library is built with. */
#ifndef DKVB_TESTS_PICTURE_FILES_H
#define DKVB_TESTS_PICTURE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PNG_ROOM = 4096, PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GREY_ALPHA = 4, PNG_RGBA = 6 };

struct png {
    uint32_t width, height;
    uint8_t depth, type, interlaced;
    const char *palette; /* 3 bytes a colour */
    size_t colours;
    const char *transparent; /* tRNS */
    size_t transparent_size;
    const void *rows; /* each with its filter byte, packed as depth and type say */
    size_t size;
};

/* Write a file: its size, up to PNG_ROOM. */
size_t make_png(uint8_t *to, const struct png *png);

/* A file of one colour, grey or red, green and blue of it: its size. Sides are up to 20. */
size_t make_plain_png(uint8_t *to, uint32_t width, uint32_t height, uint8_t level, bool rgb);

/* One chunk, with its checksum: its size. */
size_t make_chunk(uint8_t *to, const char *kind, const void *data, size_t size);

/* Make the checksums of all chunks right. */
void seal_png(uint8_t *png, size_t size);

#endif
