#ifndef DKVB_ENCODER_WEIGHTS_H
#define DKVB_ENCODER_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/checksum.h"

/* Functions that all networks with weights use. */

/* Fills a table of prepared colour values: level[c][v] = (v / 255 - mean[c]) / deviation[c], in float32 as
 * torchvision's ToTensor and Normalize compute it. */
static inline void dkvb__levels(float level[3][256], const float mean[3], const float deviation[3])
{
    for (size_t c = 0; c < 3; c++)
        for (size_t v = 0; v < 256; v++)
            level[c][v] = ((float)v / 255.0f - mean[c]) / deviation[c];
}

/* Writes the fingerprint of weights as text: 32 hexadecimal digits and a NUL, cut to `size`. */
static inline void dkvb__weights_identity(char *text, size_t size, const struct dkvb__piece *pieces, size_t count)
{
    uint8_t id[16];

    dkvb__fingerprint(id, pieces, count);
    for (size_t i = 0; i < sizeof id && 2 * i + 2 < size; i++)
        snprintf(text + 2 * i, size - 2 * i, "%02x", id[i]);
}

#endif
