/* Gives access to internal functions of the library, for comparisons with other programs: images_pil.py compares
 * resizing and cropping; search_peers.py compares the search of projected rows. */
#include "bottleneck/search.h"
#include "data/image.h"

dkvb_status peer_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter);
dkvb_status peer_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter);
dkvb_status peer_search(const dkvb_codebooks *codebooks, const float *q, size_t n, uint16_t *codes,
                        const dkvb_run_options *run);

dkvb_status peer_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter)
{
    return dkvb__image_resize(out, in, width, height, filter, NULL);
}

dkvb_status peer_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter)
{
    return dkvb__image_fit(out, in, shorter, crop, filter, NULL);
}

dkvb_status peer_search(const dkvb_codebooks *codebooks, const float *q, size_t n, uint16_t *codes,
                        const dkvb_run_options *run)
{
    return dkvb__search_projected(codebooks, NULL, q, n, 1, codes, NULL, run);
}
