/* Makes PNG files without a library, so that tests do not depend on the build. */
#ifndef DKVB_TESTS_PICTURE_FILES_H
#define DKVB_TESTS_PICTURE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PNG_ROOM = 4096, PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GREY_ALPHA = 4, PNG_RGBA = 6 };

struct png {
    uint32_t width, height;
    uint8_t depth, type, interlaced;
    const char *palette; /* colours of the palette, 3 bytes each */
    size_t colours;
    const char *transparent; /* contents of the chunk tRNS (transparency) */
    size_t transparent_size;
    /* rows of the picture, [height], each with its filter byte, packed as the bit depth and colour type require */
    const void *rows;
    size_t size;
};

/* Writes a PNG file to memory, and returns its size, at most PNG_ROOM. */
size_t make_png(uint8_t *to, const struct png *png);

/* Writes a PNG file of one colour to memory: grey, or red, green and blue at the same level. The sides may have up to
 * 20 pixels. Returns the size of the file. */
size_t make_plain_png(uint8_t *to, uint32_t width, uint32_t height, uint8_t level, bool rgb);

/* Writes one chunk of a PNG file with its checksum, and returns its size. */
size_t make_chunk(uint8_t *to, const char *kind, const void *data, size_t size);

/* Corrects the checksums of all chunks of a PNG file. */
void seal_png(uint8_t *png, size_t size);

#endif
