/* Unlearning via examples (arXiv 2311.15268, section 4.2): mask every pair that some examples of the forget set select.
 */
#include "base/alloc.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/search.h"
#include "dkvb/unlearn.h"

static void add_row(dkvb_mask *mask, const uint16_t *code, uint32_t k)
{
    for (size_t c = 0; c < mask->codebooks; c++)
        for (size_t j = 0; j < k; j++, code++)
            if (*code != DKVB_CODE_NONE)
                dkvb__mask_set(mask, c, *code);
}

dkvb_status dkvb_unlearn_by_examples(dkvb_mask *mask, const uint16_t *codes, uint32_t k, size_t n, size_t examples,
                                     uint64_t seed)
{
    size_t size = (size_t)mask->codebooks * k, *rows;
    struct dkvb__rng rng;
    dkvb_status rc;

    if (k < 1 || k > mask->keys)
        return dkvb__fail(DKVB_EINVAL, "codes have k = %u, 1 to %u is wanted", k, mask->keys);
    rc = dkvb__check_code_range(codes, k, n, mask->codebooks, mask->keys);
    if (rc)
        return rc;
    examples = examples < n ? examples : n;
    rows = dkvb__alloc(&mask->mem, n, 2 * sizeof *rows);
    if (!rows)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to choose among %zu rows", n);
    dkvb__rng_seed(&rng, seed, 0);
    dkvb__rng_choose(&rng, n, examples, rows, rows + n);
    for (size_t i = 0; i < examples; i++)
        add_row(mask, codes + rows[i] * size, k);
    dkvb__free(&mask->mem, rows);
    return DKVB_OK;
}
