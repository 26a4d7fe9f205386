/**
 * @file
 * @brief Masks: sets of (codebook, key) pairs. A pair is a key of a codebook together with its value, named by the
 * numbers of the codebook and the key.
 *
 * A search never selects a masked pair: its key counts as infinitely far away. A row whose nearest key is masked
 * selects its next nearest key instead. A mask belongs to the codebooks that it was made for, and remembers them by
 * the birth id of the codebooks. Masks of different codebooks cannot be combined (`DKVB_EMISMATCH`).
 *
 * Threads: several threads may read one mask at once, or one thread may change it.
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

/** @defgroup dkvb_mask Masks
 *  @{ */

/** Handle of a mask, owned by the caller, who releases it with dkvb_mask_free(). */
typedef struct dkvb_mask dkvb_mask;

/**
 * Create an empty mask. A new mask takes its memory from the allocator of its codebooks, and keeps no reference to
 * these codebooks.
 *
 * @param[out] out        receives the empty mask, which the caller releases with dkvb_mask_free(); NULL on failure.
 * @param      codebooks  codebooks whose pairs the mask can hold; the codebooks must be frozen.
 * @return `DKVB_ESTATE` if the codebooks of the new mask are not frozen; `DKVB_EINVAL` for an invalid argument;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_new(dkvb_mask **out, const dkvb_codebooks *codebooks);

/**
 * Copy a mask. A copied mask holds the same pairs as the original mask, and is independent of the original.
 *
 * @param[out] out   receives the copy of the mask, which the caller releases with dkvb_mask_free(); NULL on failure.
 * @param      mask  the mask to copy.
 * @return `DKVB_EINVAL` for an invalid argument of dkvb_mask_copy(); `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_copy(dkvb_mask **out, const dkvb_mask *mask);

/**
 * Release a mask.
 *
 * @param mask  mask to release; NULL does nothing.
 */
DKVB_API void dkvb_mask_free(dkvb_mask *mask);

/**
 * Put one pair into a mask, or take one pair out. Putting a pair into a mask that already holds the pair changes
 * nothing, nor does taking out a pair that the mask does not hold.
 *
 * @param mask      the mask to change.
 * @param codebook  number of the pair's codebook, from 0.
 * @param key       number of the pair's key in its codebook, from 0.
 * @param on        1 puts the pair into the mask; 0 takes the pair out of the mask.
 * @return `DKVB_EINVAL` if the mask's codebooks do not have the given pair, or if the argument `on` is neither 0 nor 1.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_set(dkvb_mask *mask, uint32_t codebook, uint32_t key, int on);

/** Properties of a mask. Callers initialise the struct with `DKVB_MASK_INFO_INIT`. */
typedef struct dkvb_mask_info {
    size_t struct_size;   /**< size of dkvb_mask_info in bytes, set by DKVB_MASK_INFO_INIT */
    uint32_t codebooks;   /**< number of codebooks that the mask covers (C) */
    uint32_t keys;        /**< number of keys per codebook (K) of the mask */
    uint64_t pairs;       /**< number of pairs in the mask */
    uint64_t pairs_total; /**< number of all pairs that the mask could hold: codebooks * keys */
    uint8_t birth[16];    /**< birth id (permanent identifier) of the codebooks that the mask belongs to */
} dkvb_mask_info;

/** Initialiser of dkvb_mask_info that gives every member its default. */
#define DKVB_MASK_INFO_INIT                                                                                            \
    {                                                                                                                  \
        sizeof(dkvb_mask_info), 0, 0, 0, 0,                                                                            \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_mask_info, DKVB_MASK_INFO_INIT)

/**
 * Read the properties of a mask: numbers of codebooks, keys and masked pairs, and the birth id of the codebooks.
 *
 * @param      mask  the mask.
 * @param[out] info  receives the properties of the mask; the caller sets its member `struct_size` before the call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_get_info(const dkvb_mask *mask, dkvb_mask_info *info);

/** Ways to combine two masks. The numbers of the DKVB_MASK_… constants are part of the ABI. */
enum {
    DKVB_MASK_UNION = 1,        /**< union: pairs that are in the mask `mask`, in the mask `other`, or in both masks */
    DKVB_MASK_INTERSECTION = 2, /**< intersection: pairs that are in both masks, `mask` and `other` */
    DKVB_MASK_DIFFERENCE = 3    /**< difference: pairs that are in the mask `mask` and not in the mask `other` */
};

/**
 * Combine two masks by a set operation. dkvb_mask_combine() replaces the first mask by the combined mask.
 *
 * @param mask   first mask of the set operation, which receives the result.
 * @param other  second mask of the set operation; may be the first mask itself.
 * @param how    set operation on the two masks: DKVB_MASK_UNION, DKVB_MASK_INTERSECTION or DKVB_MASK_DIFFERENCE.
 * @return `DKVB_EMISMATCH` if the masks belong to different codebooks; `DKVB_EINVAL` if `how` names no set operation.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_combine(dkvb_mask *mask, const dkvb_mask *other, uint32_t how);

/**
 * Compare two masks for equality.
 *
 * @param a  first mask.
 * @param b  second mask.
 * @return 1 if both masks belong to the same codebooks and hold the same pairs; otherwise 0.
 */
DKVB_API int dkvb_mask_equal(const dkvb_mask *a, const dkvb_mask *b);

/**
 * Find the next pair of a mask, in ascending order of pair numbers. The number of a pair is `codebook * keys + key`.
 *
 * A mask contains the pair with number `p` exactly if dkvb_mask_next() with `from` = `p` finds `p` itself.
 *
 * @param      mask  the mask.
 * @param      from  first pair number at which dkvb_mask_next() looks: 0 for the first call, then the number of the
 *                   pair found last, plus 1.
 * @param[out] pair  receives the number of the first masked pair at or after the pair number `from`.
 * @return 1 if a masked pair was found; 0 if the mask has no pair at or after the number `from`.
 */
DKVB_API int dkvb_mask_next(const dkvb_mask *mask, uint64_t from, uint64_t *pair);

/**
 * Copy a mask to an array of bytes.
 *
 * @param      mask  the mask.
 * @param[out] out   `uint8_t[codebooks][keys]`, receives 1 for each (codebook, key) pair in the mask, 0 for all other
 *                   pairs.
 */
DKVB_API void dkvb_mask_get_bytes(const dkvb_mask *mask, uint8_t *out);

/**
 * Write a mask to a file (docs/format.md), atomically (file.h).
 *
 * @param mask  the mask.
 * @param path  path of the mask file to write.
 * @return `DKVB_EIO` if the mask file cannot be written; `DKVB_EINVAL` for an invalid argument; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_save(const dkvb_mask *mask, const char *path);

/**
 * Read a mask from a mask file. dkvb_mask_load() checks everything in the mask file.
 *
 * @param[out] out        receives the mask, which the caller releases with dkvb_mask_free(); NULL on failure.
 * @param      path       path of the mask file to read.
 * @param      allocator  allocator for the mask; NULL stands for malloc() and free().
 * @return `DKVB_EFORMAT` or `DKVB_ECHECKSUM` for a file that is damaged or no mask file; `DKVB_EIO` for a file that
 *         cannot be read; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mask_load(dkvb_mask **out, const char *path, const dkvb_allocator *allocator);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
