/* Fuzz target for PNG files. If the top bit of the input's first byte is set, the checksums of all chunks are
 * corrected, so that the code behind them is reached. A picture that is read is also resized and cropped. */
#include <string.h>

#include <zlib.h>

#include "picture.h"

enum { SIGNATURE = 8 };

static uint32_t big32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void seal(uint8_t *png, size_t size)
{
    for (size_t at = SIGNATURE; size - at >= 12;) {
        size_t length = big32(png + at);
        uint32_t crc;

        if (length > size - at - 12)
            return;
        crc = (uint32_t)crc32(0, png + at + 4, (unsigned)length + 4);
        for (size_t i = 0; i < 4; i++)
            png[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *png;

    if (size < 1 + SIGNATURE)
        return 0;
    png = malloc(size - 1);
    if (!png)
        abort();
    memcpy(png, data + 1, size - 1);
    if (data[0] & 0x80)
        seal(png, size - 1);
    use_picture(png, size - 1);
    free(png);
    return 0;
}
