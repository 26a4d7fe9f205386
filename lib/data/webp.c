/* Reads WebP files through libwebp, which only webp.c uses, with the settings that PIL leaves at their defaults, so
 * that pixels are equal to PIL's pixels. The transparency of WebP pictures is dropped, as for PNG files. The WebP
 * format is RFC 9649. */
#include <webp/decode.h>

#include "base/status.h"
#include "data/image.h"

enum {
    LOSSY = 1, /* libwebp's value of WebPBitstreamFeatures.format for lossy pictures; 2 is lossless */
    BLOCK = 16,
    FREE_PIXELS = 1 << 24, /* number of pixels up to which a lossless WebP picture may come from any number of bytes */
    /* largest number of pixels that a lossless WebP picture above a small size may have for each byte of its file */
    PIXELS_OF_A_BYTE = 1 << 12
};

/* Checks the size in the WebP header before memory is allocated for it. A block of a lossy WebP picture has at least
 * three bits, but the check requires only one bit for each block. A lossless picture of one colour has no bits for its
 * pixels at all, and libwebp allocates four bytes for each pixel, so a very large picture must have some bytes. */
static dkvb_status check_header(const struct dkvb__encoded *in, const WebPBitstreamFeatures *features)
{
    uint32_t width = (uint32_t)features->width, height = (uint32_t)features->height;
    uint64_t pixels = (uint64_t)width * height, least;
    dkvb_status rc = dkvb__image_check_size(in->name, width, height);

    if (rc)
        return rc;
    if (features->has_animation)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: WebP is animated; a single picture must be given: 'webpmux -get frame 1 x.webp -o "
                          "y.webp' takes the first",
                          in->name);
    if (features->format == LOSSY)
        least = (uint64_t)(width / BLOCK) * (height / BLOCK) / 8;
    else
        least = pixels > FREE_PIXELS ? pixels / PIXELS_OF_A_BYTE : 0;
    if (least > in->size)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %zu bytes cannot hold %u x %u pixels", in->name, in->size, width,
                          height);
    return DKVB_OK;
}

/* Fails with the error message for a status of libwebp. */
static dkvb_status failure(const struct dkvb__encoded *in, VP8StatusCode status)
{
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for reading WebP", in->name);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return dkvb__fail(DKVB_EFORMAT, "%.300s: WebP is cut short", in->name);
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return dkvb__fail(DKVB_EFORMAT, "%.300s: WebP has a feature that libwebp does not read", in->name);
    default:
        return dkvb__fail(DKVB_EFORMAT, "%.300s: WebP is damaged", in->name);
    }
}

/* Decodes a WebP picture. libwebp allocates its own memory by malloc(): it accepts no other allocator. libwebp writes
 * the pixels directly into the memory of the picture `out`. */
dkvb_status dkvb__webp_decode(dkvb_image *out, const struct dkvb__encoded *in)
{
    WebPDecoderConfig config;
    VP8StatusCode status;
    dkvb_status rc;

    if (!WebPInitDecoderConfig(&config))
        return dkvb__fail(DKVB_ESTATE, "%.300s: libwebp is of another version than its header", in->name);
    status = WebPGetFeatures(in->bytes, in->size, &config.input);
    if (status != VP8_STATUS_OK)
        return failure(in, status);
    rc = check_header(in, &config.input);
    if (!rc)
        rc = dkvb__image_alloc(out, (uint32_t)config.input.width, (uint32_t)config.input.height, 3, in->name);
    if (rc)
        return rc;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->pixels;
    config.output.u.RGBA.stride = config.input.width * 3;
    config.output.u.RGBA.size = (size_t)config.input.width * 3 * (size_t)config.input.height;
    status = WebPDecode(in->bytes, in->size, &config);
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? DKVB_OK : failure(in, status);
}
