#include "data/image.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/signature.h"
#include "base/status.h"

/* The largest picture has three times 2^28 bytes of pixels; picture files need not be larger. */
enum { MAX_PIXELS = DKVB_IMAGE_MAX_SIDE * 4096, MAX_FILE = 1 << 30 };

static const struct codec {
    uint32_t bit;
    const char *name;
    size_t magic_size;
    /* first bytes of a picture file of this kind; a '.' stands for any byte, as a RIFF header has the size of the file
     * there */
    const char *magic;
    /* decoder of picture files of this kind; NULL: this build has no decoder for the kind */
    dkvb_status (*decode)(dkvb_image *out, const struct dkvb__encoded *in);
} codecs[] = {
#ifdef DKVB_HAVE_PNG
    {DKVB_CODEC_PNG, "PNG", 8, "\x89PNG\r\n\x1A\n", dkvb__png_decode},
#else
    {DKVB_CODEC_PNG, "PNG", 8, "\x89PNG\r\n\x1A\n", NULL},
#endif
#ifdef DKVB_HAVE_JPEG
    {DKVB_CODEC_JPEG, "JPEG", 3, "\xFF\xD8\xFF", dkvb__jpeg_decode},
#else
    {DKVB_CODEC_JPEG, "JPEG", 3, "\xFF\xD8\xFF", NULL},
#endif
#ifdef DKVB_HAVE_WEBP
    {DKVB_CODEC_WEBP, "WebP", 12, "RIFF....WEBP", dkvb__webp_decode},
#else
    {DKVB_CODEC_WEBP, "WebP", 12, "RIFF....WEBP", NULL},
#endif
};
enum { CODECS = sizeof codecs / sizeof *codecs };

uint32_t dkvb_image_codecs(void)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < CODECS; i++)
        bits |= codecs[i].decode ? codecs[i].bit : 0;
    return bits;
}

static const struct codec *codec_of(const uint8_t *start, size_t size)
{
    for (size_t i = 0; i < CODECS; i++) {
        size_t same = 0;

        while (same < codecs[i].magic_size && same < size &&
               (codecs[i].magic[same] == '.' || (uint8_t)codecs[i].magic[same] == start[same]))
            same++;
        if (same == codecs[i].magic_size)
            return &codecs[i];
    }
    return NULL;
}

bool dkvb__image_sniff(const uint8_t *start, size_t size)
{
    return codec_of(start, size) != NULL;
}

void dkvb_image_free(dkvb_image *image)
{
    if (!image || image->struct_size < sizeof *image)
        return;
    if (image->allocator.release)
        dkvb__free(&image->allocator, image->pixels);
    *image = (dkvb_image){.struct_size = image->struct_size};
}

dkvb_status dkvb__image_check_size(const char *name, uint64_t width, uint64_t height)
{
    if (width < 1 || height < 1 || width > DKVB_IMAGE_MAX_SIDE || height > DKVB_IMAGE_MAX_SIDE)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu x %llu pixels; sides are 1 to %d", name,
                          (unsigned long long)width, (unsigned long long)height, DKVB_IMAGE_MAX_SIDE);
    if (width * height > MAX_PIXELS)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu x %llu pixels, at most %d are wanted", name,
                          (unsigned long long)width, (unsigned long long)height, MAX_PIXELS);
    return DKVB_OK;
}

dkvb_status dkvb__image_alloc(dkvb_image *out, uint32_t width, uint32_t height, uint32_t channels, const char *name)
{
    out->pixels = dkvb__alloc(&out->allocator, (size_t)width * height, channels);
    if (!out->pixels)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %u x %u pixels", name, width, height);
    out->width = width;
    out->height = height;
    out->channels = channels;
    return DKVB_OK;
}

dkvb_status dkvb__image_begin(dkvb_image *out, const dkvb_allocator *allocator)
{
    dkvb_status rc = dkvb__check_allocator(allocator);

    if (!out)
        return dkvb__fail(DKVB_EINVAL, "out is NULL");
    if (out->struct_size < sizeof *out)
        return dkvb__fail(DKVB_EINVAL, "image: struct_size is %zu, %zu wanted; start from DKVB_IMAGE_INIT",
                          out->struct_size, sizeof *out);
    *out = (dkvb_image){.struct_size = out->struct_size, .allocator = dkvb__allocator(rc ? NULL : allocator)};
    return dkvb__image_end(out, rc);
}

dkvb_status dkvb__image_end(dkvb_image *out, dkvb_status rc)
{
    if (rc)
        dkvb_image_free(out);
    return rc;
}

/* Finds the codec that reads the picture file whose first `size` bytes are `start`. The argument `whole` is the size of
 * the picture file in bytes. */
static dkvb_status find_codec(const struct codec **out, const uint8_t *start, size_t size, uint64_t whole,
                              const char *name)
{
    const struct codec *codec = codec_of(start, size);

    if (!codec)
        return dkvb__fail_foreign(name, start, size < DKVB__SIGNATURE_SIZE ? size : DKVB__SIGNATURE_SIZE, whole,
                                  DKVB__USE_PICTURE);
    if (!codec->decode)
        return dkvb__fail(DKVB_ESTATE, "%.300s: a %s file, which this build of libdkvb does not read", name,
                          codec->name);
    *out = codec;
    return DKVB_OK;
}

/* Decodes the pixels as they are stored in the picture file, and reads the orientation that the camera noted. */
static dkvb_status decode(dkvb_image *out, const struct codec *codec, const struct dkvb__encoded *in)
{
    dkvb_status rc = codec->decode(out, in);

    if (!rc)
        out->orientation = dkvb__exif_orientation(in);
    return rc;
}

static dkvb_status decode_bytes(dkvb_image *out, const struct dkvb__encoded *in)
{
    const struct codec *codec = NULL;
    dkvb_status rc = find_codec(&codec, in->bytes, in->size, in->size, in->name);

    return rc ? rc : decode(out, codec, in);
}

static dkvb_status decode_file(dkvb_image *out, const struct codec *codec, const struct dkvb__file *file)
{
    uint8_t *bytes;
    dkvb_status rc;

    if (file->size > MAX_FILE)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes, at most %d are wanted of a picture", file->path,
                          (unsigned long long)file->size, MAX_FILE);
    bytes = dkvb__alloc(&out->allocator, (size_t)file->size, 1);
    if (!bytes)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %llu bytes", file->path,
                          (unsigned long long)file->size);
    rc = dkvb__file_read(file, 0, bytes, (size_t)file->size);
    if (!rc)
        rc = decode(out, codec, &(struct dkvb__encoded){bytes, (size_t)file->size, file->path});
    dkvb__free(&out->allocator, bytes);
    return rc;
}

dkvb_status dkvb_image_read(dkvb_image *out, const char *path, const uint8_t *bytes, size_t size,
                            const dkvb_allocator *allocator)
{
    uint8_t start[DKVB__SIGNATURE_SIZE];
    const struct codec *codec = NULL;
    struct dkvb__file file;
    dkvb_status rc = dkvb__image_begin(out, allocator);

    if (rc)
        return rc;
    if (path && bytes)
        return dkvb__image_end(out, decode_bytes(out, &(struct dkvb__encoded){bytes, size, path}));
    rc = path ? dkvb__file_open(&file, path) : dkvb__fail(DKVB_EINVAL, "path is NULL");
    if (rc)
        return dkvb__image_end(out, rc);
    size = file.size < sizeof start ? (size_t)file.size : sizeof start;
    rc = dkvb__file_read(&file, 0, start, size);
    if (!rc)
        rc = find_codec(&codec, start, size, file.size, path);
    if (!rc)
        rc = decode_file(out, codec, &file);
    dkvb__file_close(&file);
    return dkvb__image_end(out, rc);
}
