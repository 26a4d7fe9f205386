/**
 * Masks: sets of (codebook, key) pairs.
 *
 * A masked pair counts as infinitely far away: it is never selected, and a row
 * that would have chosen it falls to its next nearest key. A mask belongs to the
 * codebooks it was made for, told by their birth id; two masks of different
 * codebooks do not mix (`DKVB_EMISMATCH`).
 *
 * Threads: as for any plain container: many readers, or one writer.
 */
#ifndef DKVB_MASK_H
#define DKVB_MASK_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_mask dkvb_mask;

/** The new mask is empty, belongs to these frozen codebooks and uses their allocator; it keeps no reference to them. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_new(dkvb_mask **out, const dkvb_codebooks *codebooks);

/** The copy holds the same pairs, and is independent of the mask that it was made from. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_copy(dkvb_mask **out, const dkvb_mask *mask);

/** A mask is released; NULL is a no-op. */
DKVB_API void dkvb_mask_free(dkvb_mask *mask);

/**
 * One pair is put in the mask or taken out; a pair that is as asked for already stays so.
 *
 * @param on  1: in, 0: out.
 * @return `DKVB_EINVAL` if there is no such pair, or `on` is another number.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_set(dkvb_mask *mask, uint32_t codebook, uint32_t key, int on);

/** The info says what a mask is. The caller sets `struct_size`. */
typedef struct dkvb_mask_info {
    size_t struct_size;
    uint32_t codebooks;   /**< C of the codebooks it belongs to */
    uint32_t keys;        /**< K */
    uint64_t pairs;       /**< in the mask */
    uint64_t pairs_total; /**< that there could be: codebooks * keys */
    uint8_t birth[16];    /**< birth id of the codebooks */
} dkvb_mask_info;

#define DKVB_MASK_INFO_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(dkvb_mask_info), 0, 0, 0, 0,                                                                            \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_mask_info, DKVB_MASK_INFO_INIT)

/** The info is filled in: shape, number of pairs, and whose mask it is. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_get_info(const dkvb_mask *mask, dkvb_mask_info *info);

/* Ways in which two masks become one. Values are part of the ABI. */
enum {
    DKVB_MASK_UNION = 1,        /**< what is in either */
    DKVB_MASK_INTERSECTION = 2, /**< what is in both */
    DKVB_MASK_DIFFERENCE = 3    /**< what is in `mask` and not in `other`; a mask less itself is empty */
};

/**
 * `mask` becomes what both make together.
 *
 * @param other  may be `mask` itself.
 * @param how    DKVB_MASK_…
 * @return `DKVB_EMISMATCH` if they belong to different codebooks, `DKVB_EINVAL` if there is no such way.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_combine(dkvb_mask *mask, const dkvb_mask *other, uint32_t how);

/** Two masks are equal, 1, if they belong to the same codebooks and hold the same pairs; else 0. */
DKVB_API int dkvb_mask_equal(const dkvb_mask *a, const dkvb_mask *b);

/**
 * The pairs are walked in ascending order: a pair is numbered `codebook * keys + key`. The pair numbered `p` is in the
 * mask if the first one from `p` on is `p` itself.
 *
 * @param from      where to start looking; 0 at first, then the last `*pair` + 1.
 * @param[out] pair the first pair at or after `from`.
 * @return 1 if there was one, 0 at the end.
 */
DKVB_API int dkvb_mask_next(const dkvb_mask *mask, uint64_t from, uint64_t *pair);

/** The mask is written to `out`, `uint8_t[codebooks][keys]`, 1 = in the mask. */
DKVB_API void dkvb_mask_get_bytes(const dkvb_mask *mask, uint8_t *out);

/** A mask file (docs/format.md) is written atomically (file.h): the old file stays until the new one is on disk. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_save(const dkvb_mask *mask, const char *path);

/** A mask file is read, and everything in it is checked. `allocator` may be NULL. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_load(dkvb_mask **out, const char *path, const dkvb_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
