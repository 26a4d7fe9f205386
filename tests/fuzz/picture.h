/* The common part of the fuzz targets for picture files. */
#ifndef DKVB_TESTS_FUZZ_PICTURE_H
#define DKVB_TESTS_FUZZ_PICTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Checks that a picture has all pixels of its shape, and resizes and crops it. */
static inline void fit_picture(const dkvb_image *image)
{
    dkvb_image fitted = DKVB_IMAGE_INIT;
    uint64_t n = (uint64_t)image->width * image->height * image->channels, sum = 0;

    if (image->width < 1 || image->height < 1 || (image->channels != 1 && image->channels != 3))
        abort();
    for (size_t i = 0; i < n; i++) /* reads every pixel, so that a sanitizer sees a missing one */
        sum += image->pixels[i];
    if (sum > 255 * n)
        abort();
    if (dkvb__image_fit(&fitted, image, 9, 8, DKVB_FILTER_BICUBIC, NULL) || fitted.width != 8 || fitted.channels != 3)
        abort();
    dkvb_image_free(&fitted);
}

static inline void use_picture(const uint8_t *bytes, size_t size)
{
    dkvb_image image = DKVB_IMAGE_INIT;

    if (dkvb_image_read(&image, "input", bytes, size, NULL) == DKVB_OK)
        fit_picture(&image);
    else if (image.pixels)
        abort();
    dkvb_image_free(&image);
}

#endif
