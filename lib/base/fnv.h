#ifndef DKVB_BASE_FNV_H
#define DKVB_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

/* The hash FNV-1a with 64 bits (draft-eastlake-fnv). The hash FNV-1a tells intact bytes from bytes that were changed or
 * cut by accident. */
#define DKVB__FNV_BEGIN UINT64_C(0xCBF29CE484222325)

static inline void dkvb__fnv_add(uint64_t *sum, const void *from, size_t size)
{
    const unsigned char *bytes = from;

    for (size_t i = 0; i < size; i++)
        *sum = (*sum ^ bytes[i]) * UINT64_C(0x100000001B3);
}

#endif
