/* What images_pil.py compares of the library's inside: resizing, and the square that a network sees. */
#include "data/image.h"

dkvb_status peer_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter);
dkvb_status peer_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter);

dkvb_status peer_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter)
{
    return dkvb__image_resize(out, in, width, height, filter, NULL);
}

dkvb_status peer_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter)
{
    return dkvb__image_fit(out, in, shorter, crop, filter, NULL);
}
