/*
 * Unlearning via activations (arXiv 2311.15268, section 4.1): count how often the forget set selects each pair, mask
 * the most selected.
 */
#include "base/status.h"
#include "bottleneck/codes.h"
#include "bottleneck/search.h"
#include "dkvb/unlearn.h"

dkvb_status dkvb_activations_count(const dkvb_model *model, const uint16_t *codes, uint32_t k, size_t n,
                                   uint64_t *counts)
{
    const struct dkvb__shape *shape = &model->codebooks->shape;
    dkvb_status rc = dkvb__check_codes(model, codes, k, n);

    if (rc)
        return rc;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < shape->codebooks; c++)
            for (size_t j = 0; j < k; j++, codes++)
                if (*codes != DKVB_CODE_NONE)
                    counts[c * shape->keys + *codes]++;
    return DKVB_OK;
}

/*
 * The largest count t such that at least `wanted` pairs have a count >= t; 0 if fewer pairs were selected at all. Found
 * byte by byte from the top: `prefix` is what is known of t, and only counts that share it are looked at. *above =
 * pairs with a count > t.
 */
static uint64_t threshold(const uint64_t *counts, size_t n, uint64_t wanted, uint64_t *above)
{
    uint64_t prefix = 0;

    *above = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        uint64_t known = shift == 56 ? 0 : UINT64_MAX << (shift + 8);
        uint64_t pairs[256] = {0};
        int byte = 255;

        for (size_t i = 0; i < n; i++)
            if ((counts[i] & known) == prefix)
                pairs[counts[i] >> shift & 255]++;
        while (byte > 0 && *above + pairs[byte] < wanted)
            *above += pairs[byte--];
        prefix |= (uint64_t)byte << shift;
    }
    return prefix;
}

dkvb_status dkvb_unlearn_by_activations(dkvb_mask *mask, const uint64_t *counts, uint64_t pairs)
{
    size_t n = (size_t)mask->codebooks * mask->keys;
    uint64_t above, limit, at_limit;

    if (pairs == 0)
        return DKVB_OK;
    limit = threshold(counts, n, pairs < n ? pairs : n, &above);
    at_limit = limit > 0 && pairs > above ? pairs - above : 0; /* of those equal to the limit, the lowest pairs */
    for (size_t i = 0; i < n; i++) {
        bool take = counts[i] > limit;

        if (counts[i] == limit && at_limit > 0) {
            at_limit--;
            take = true;
        }
        if (take)
            dkvb__mask_set(mask, i / mask->keys, i % mask->keys);
    }
    return DKVB_OK;
}
