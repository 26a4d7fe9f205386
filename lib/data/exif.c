/* Finds the orientation that a camera recorded in EXIF data. EXIF data are a TIFF directory inside a JPEG's APP1
 * segment, a PNG's eXIf chunk or a WebP's EXIF chunk. Only the orientation is read from EXIF data, and damaged data
 * count as missing. EXIF data are specified by EXIF 2.32 (JEITA CP-3451), by PNG, third edition, 11.3.4.8, and by RFC
 * 9649, 2.7.1.5. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/image.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12, UPRIGHT = 1, LAST = 8 };

/* Reads a number of `size` bytes of EXIF data in the byte order of the TIFF header. */
static uint32_t number(const uint8_t *at, size_t size, bool big_endian)
{
    uint32_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[big_endian ? i : size - 1 - i];
    return value;
}

/* Returns the orientation in a TIFF directory of EXIF data, 1 to 8; 0 if the directory has no orientation. */
static uint32_t in_tiff(const uint8_t *tiff, size_t size)
{
    bool big_endian = size >= 2 && tiff[0] == 'M';
    size_t at, entries;

    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 0;
    at = number(tiff + 4, 4, big_endian);
    if (at > size - 2)
        return 0;
    entries = number(tiff + at, 2, big_endian);
    at += 2;
    for (size_t i = 0; i < entries && size - at >= ENTRY; i++, at += ENTRY) {
        uint32_t value = number(tiff + at + 8, 2, big_endian);

        if (number(tiff + at, 2, big_endian) == TAG_ORIENTATION && number(tiff + at + 2, 2, big_endian) == TYPE_SHORT)
            return value >= UPRIGHT && value <= LAST ? value : 0;
    }
    return 0;
}

/* Searches EXIF data in the segments before the scans of a JPEG. A segment of a JPEG is the byte FF, a code, a length
 * that includes itself, and data. */
static uint32_t in_jpeg(const uint8_t *bytes, size_t size)
{
    size_t at = 2;

    while (size - at >= 4 && bytes[at] == 0xFF) {
        size_t length = number(bytes + at + 2, 2, true);
        const uint8_t *data = bytes + at + 4;

        if (bytes[at + 1] == 0xFF) { /* a fill byte between segments of the JPEG is skipped */
            at++;
            continue;
        }
        if (bytes[at + 1] == 0xDA || length < 2 || length > size - at - 2)
            return 0;
        if (bytes[at + 1] == 0xE1 && length >= 8 && memcmp(data, "Exif\0\0", 6) == 0)
            return in_tiff(data + 6, length - 8);
        at += 2 + length;
    }
    return 0;
}

/* Searches EXIF data in the chunks of a PNG: length, name, data, checksum. */
static uint32_t in_png(const uint8_t *bytes, size_t size)
{
    size_t at = 8;

    while (size - at >= 12) {
        size_t length = number(bytes + at, 4, true);

        if (length > size - at - 12)
            return 0;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0)
            return in_tiff(bytes + at + 8, length);
        at += 12 + length;
    }
    return 0;
}

/* Searches EXIF data in the chunks of a WebP, after the 12 bytes of its RIFF header: name, length, data, and one more
 * byte if the length is odd. Some programs that write WebP put JPEG's EXIF marker before the TIFF directory. */
static uint32_t in_webp(const uint8_t *bytes, size_t size)
{
    size_t at = 12;

    while (size - at >= 8) {
        const uint8_t *data = bytes + at + 8;
        size_t length = number(bytes + at + 4, 4, false), left = size - at - 8;

        if (length > left)
            return 0;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            return length >= 6 && memcmp(data, "Exif\0\0", 6) == 0 ? in_tiff(data + 6, length - 6)
                                                                   : in_tiff(data, length);
        if (length + length % 2 > left)
            return 0;
        at += 8 + length + length % 2;
    }
    return 0;
}

uint32_t dkvb__exif_orientation(const struct dkvb__encoded *in)
{
    if (in->size >= 8 && in->bytes[0] == 0xFF)
        return in_jpeg(in->bytes, in->size);
    if (in->size >= 12 && memcmp(in->bytes, "RIFF", 4) == 0 && memcmp(in->bytes + 8, "WEBP", 4) == 0)
        return in_webp(in->bytes, in->size);
    return in->size >= 8 && in->bytes[0] == 0x89 ? in_png(in->bytes, in->size) : 0;
}

/* Returns the index, in the stored picture of w x h pixels, of pixel x, y of the upright picture. */
static size_t source_of(uint32_t orientation, size_t x, size_t y, size_t w, size_t h)
{
    switch (orientation) {
    case 2:
        return y * w + (w - 1 - x);
    case 3:
        return (h - 1 - y) * w + (w - 1 - x);
    case 4:
        return (h - 1 - y) * w + x;
    case 5:
        return x * w + y;
    case 6:
        return (h - 1 - x) * w + y;
    case 7:
        return (h - 1 - x) * w + (w - 1 - y);
    case 8:
        return x * w + (w - 1 - y);
    default:
        return y * w + x;
    }
}

dkvb_status dkvb__image_turned(dkvb_image *out, const dkvb_image *in, const dkvb_allocator *allocator)
{
    bool sideways = in->orientation >= 5;
    dkvb_status rc;

    *out = (dkvb_image){.struct_size = sizeof *out, .allocator = dkvb__allocator(allocator)};
    if (in->orientation > LAST)
        return dkvb__fail(DKVB_EINVAL, "image: orientation is %u, it must be 0 to %d", in->orientation, LAST);
    rc = dkvb__image_alloc(out, sideways ? in->height : in->width, sideways ? in->width : in->height, in->channels,
                           "image");
    if (rc)
        return rc;
    out->orientation = UPRIGHT;
    for (size_t y = 0, i = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++, i++)
            memcpy(out->pixels + i * in->channels,
                   in->pixels + source_of(in->orientation, x, y, in->width, in->height) * in->channels, in->channels);
    return DKVB_OK;
}

dkvb_status dkvb__image_turn_upright(dkvb_image *image)
{
    size_t struct_size;
    dkvb_image turned;
    dkvb_status rc;

    if (!image || image->struct_size < sizeof *image || !image->pixels)
        return dkvb__fail(DKVB_EINVAL, "image: a picture that was read must be given");
    if (image->orientation <= UPRIGHT)
        return DKVB_OK;
    if (!image->allocator.release)
        return dkvb__fail(DKVB_EINVAL, "image: pixels that the library did not make cannot be replaced by turned ones");
    rc = dkvb__image_turned(&turned, image, &image->allocator);
    if (rc)
        return rc;
    struct_size = image->struct_size;
    dkvb_image_free(image);
    *image = turned;
    image->struct_size = struct_size;
    return DKVB_OK;
}
