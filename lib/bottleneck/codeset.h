#ifndef DKVB_BOTTLENECK_CODESET_H
#define DKVB_BOTTLENECK_CODESET_H

#include <stdbool.h>

#include "bottleneck/codebooks.h"
#include "dkvb/codeset.h"

enum { DKVB__PARTS = 2 };

struct dkvb__coderows {
    size_t n, capacity;
    uint32_t k;
    uint64_t *ids;   /* ascending */
    int32_t *labels; /* [n], -1 or more */
    uint16_t *codes; /* [n][C][k] */
};

struct dkvb_codeset {
    dkvb_allocator mem;
    uint8_t birth[16]; /* of the codebooks */
    uint32_t codebooks, keys;
    dkvb_train_options training; /* without pointers */
    bool own_keys;               /* the keys were placed on these rows, in this way: */
    dkvb_keyinit_options keyinit;
    struct dkvb__coderows part[DKVB__PARTS];
};

/* Empty, of this shape, both parts with their k. */
dkvb_status dkvb__codeset_new(dkvb_codeset **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                              uint32_t top_k, uint32_t depth, const dkvb_allocator *mem);

/* Room for `n` rows in all in a part, kept if that fails. */
dkvb_status dkvb__codeset_reserve(dkvb_codeset *set, uint32_t part, size_t n);

/* DKVB_EINVAL, naming the row and `what`, unless ids ascend from above `last` (NULL: anywhere), labels are -1 or more,
 * and codes, [n][C][k], name keys that exist. */
dkvb_status dkvb__coderows_check(const dkvb_codeset *set, uint32_t part, const uint64_t *last, const uint64_t *ids,
                                 const int32_t *labels, const uint16_t *codes, size_t n);

/* Index of the row with this id, or n. */
size_t dkvb__coderows_find(const struct dkvb__coderows *rows, uint64_t id);

#endif
