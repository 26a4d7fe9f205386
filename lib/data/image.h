#ifndef DKVB_DATA_IMAGE_H
#define DKVB_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/images.h"

/* The bytes of a picture file. */
struct dkvb__encoded {
    const uint8_t *bytes;
    size_t size;
    const char *name; /* for messages */
};

/* True if a file that starts with these bytes claims to be a picture, of whatever kind this build reads. */
bool dkvb__image_sniff(const uint8_t *start, size_t size);

/* Bytes at the start of a file that sniffing needs. */
enum { DKVB__IMAGE_SNIFF = 12 };

/* DKVB_EFORMAT unless a picture of that size may be. */
dkvb_status dkvb__image_check_size(const char *name, uint64_t width, uint64_t height);

/* Pixels for a picture of a size that is fine, from out->allocator; DKVB_ENOMEM. */
dkvb_status dkvb__image_alloc(dkvb_image *out, uint32_t width, uint32_t height, uint32_t channels, const char *name);

/* DKVB_EINVAL if `out` cannot be filled. On success out is empty and knows its allocator. */
dkvb_status dkvb__image_begin(dkvb_image *out, const dkvb_allocator *allocator);

/* Last step of a call that fills in a picture: after a failure the picture is empty. */
dkvb_status dkvb__image_end(dkvb_image *out, dkvb_status rc);

/* The orientation that EXIF notes in a picture file, 1 to 8; 0 if there is no note. */
uint32_t dkvb__exif_orientation(const struct dkvb__encoded *in);

/* A copy of a picture, turned as its orientation says. */
dkvb_status dkvb__image_turned(dkvb_image *out, const dkvb_image *in, const dkvb_allocator *allocator);

/* Turn a picture that was read as its `orientation` says, which is 1 then: as PIL's `ImageOps.exif_transpose`, but for
 * notes in XMP, which are not read. `DKVB_EINVAL`; `DKVB_ENOMEM`, which leaves the picture as it was. */
dkvb_status dkvb__image_turn_upright(dkvb_image *image);

/* Resize to `width` x `height`, 1 to DKVB_IMAGE_MAX_SIDE each: as PIL's `Image.resize`, to the level. Channels stay.
 * `out` is not `in`. `DKVB_EINVAL`, `DKVB_ENOMEM`. */
dkvb_status dkvb__image_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter,
                               const dkvb_allocator *allocator);

/* Makes the picture that a network sees: in RGB, resized so that its shorter side is `shorter` (the longer one in
 * proportion, rounded down as torchvision does), and of that the middle `crop` x `crop`, `crop` <= `shorter`. Steps and
 * rounding are those of CLIP's and torchvision's Resize and CenterCrop on PIL images. The result has 3 channels, also
 * of grey. Only what the square needs is made, so that a picture of one row is no burden. `DKVB_EINVAL`, `DKVB_ENOMEM`.
 */
dkvb_status dkvb__image_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter,
                            const dkvb_allocator *allocator);

/* One file for each library. Pixels are in `out`, which knows its allocator, also after a failure. */
dkvb_status dkvb__png_decode(dkvb_image *out, const struct dkvb__encoded *in);
dkvb_status dkvb__jpeg_decode(dkvb_image *out, const struct dkvb__encoded *in);
dkvb_status dkvb__webp_decode(dkvb_image *out, const struct dkvb__encoded *in);

#endif
