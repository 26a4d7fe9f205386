#ifndef DKVB_DATA_IMAGE_H
#define DKVB_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/images.h"

/* The bytes of a picture file, such as a PNG. */
struct dkvb__encoded {
    const uint8_t *bytes;
    size_t size;
    const char *name; /* name of the picture file for messages */
};

/* True if a file that starts with these bytes claims to be a picture of a kind that this build reads. */
bool dkvb__image_sniff(const uint8_t *start, size_t size);

/* Number of bytes at the start of a picture file that dkvb__image_sniff() needs. */
enum { DKVB__IMAGE_SNIFF = 12 };

/* Returns DKVB_EFORMAT unless width and height are allowed for a picture with this name. */
dkvb_status dkvb__image_check_size(const char *name, uint64_t width, uint64_t height);

/* Allocates the pixels of a picture from out->allocator. The caller must have checked the width and the height of the
 * picture. The allocation of a picture may fail with DKVB_ENOMEM. */
dkvb_status dkvb__image_alloc(dkvb_image *out, uint32_t width, uint32_t height, uint32_t channels, const char *name);

/* Returns DKVB_EINVAL if `out` cannot be filled with a picture. After a success of dkvb__image_begin(), `out` is a
 * picture without pixels and has the given allocator. */
dkvb_status dkvb__image_begin(dkvb_image *out, const dkvb_allocator *allocator);

/* Ends a call that fills in the picture `out`: after a failure the picture is empty. */
dkvb_status dkvb__image_end(dkvb_image *out, dkvb_status rc);

/* Returns the orientation in the EXIF data of a picture file, 1 to 8; 0 if the file has no EXIF orientation. */
uint32_t dkvb__exif_orientation(const struct dkvb__encoded *in);

/* Copies a picture and turns the copy as the picture's orientation says. */
dkvb_status dkvb__image_turned(dkvb_image *out, const dkvb_image *in, const dkvb_allocator *allocator);

/* Turns a picture as its `orientation` says; the orientation then becomes 1. Turning gives the same picture as PIL's
 * `ImageOps.exif_transpose`, except that XMP data are not read. Turning a picture may fail with `DKVB_EINVAL`, or with
 * `DKVB_ENOMEM`, after which the picture is unchanged. */
dkvb_status dkvb__image_turn_upright(dkvb_image *image);

/* Resizes a picture to `width` x `height`, 1 to DKVB_IMAGE_MAX_SIDE each. All pixel values equal those of PIL's
 * `Image.resize`, and the number of channels stays. The resized picture `out` must not be the original `in`. Resizing
 * may fail with `DKVB_EINVAL` or `DKVB_ENOMEM`. */
dkvb_status dkvb__image_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter,
                               const dkvb_allocator *allocator);

/* Makes the RGB picture that a network takes as its input. The picture is resized so that its shorter side is `shorter`
 * (the longer one in proportion, rounded down as torchvision does), and its middle `crop` x `crop` is cut out, `crop`
 * <= `shorter`. The steps and the rounding equal those of CLIP's and torchvision's Resize and CenterCrop on PIL images.
 * The network's input picture has 3 channels even if the original picture is grey. Only resized pixels inside the
 * square that is cut out are computed, so a picture of a single row takes little memory. Making the network's picture
 * may fail with `DKVB_EINVAL` or `DKVB_ENOMEM`. */
dkvb_status dkvb__image_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter,
                            const dkvb_allocator *allocator);

/* Decoders of picture files, one source file for each decoding library. The pixels of a picture go to `out`, which
 * keeps its allocator even after a failure. */
dkvb_status dkvb__png_decode(dkvb_image *out, const struct dkvb__encoded *in);
dkvb_status dkvb__jpeg_decode(dkvb_image *out, const struct dkvb__encoded *in);
dkvb_status dkvb__webp_decode(dkvb_image *out, const struct dkvb__encoded *in);

#endif
