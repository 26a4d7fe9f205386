#ifndef DKVB_BASE_ALLOC_H
#define DKVB_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

/* *product = a * b; true, and *product = 0, if that does not fit. */
static inline bool dkvb__mul_overflow(size_t *product, size_t a, size_t b)
{
    bool overflow = b != 0 && a > SIZE_MAX / b;

    *product = overflow ? 0 : a * b;
    return overflow;
}

/* The allocator an options struct names, or malloc and free for NULL. */
dkvb_allocator dkvb__allocator(const dkvb_allocator *given);

/* DKVB_EINVAL if only one of its two functions is given. */
dkvb_status dkvb__check_allocator(const dkvb_allocator *given);

/* `count` elements of `size` bytes, 64-byte aligned, not cleared; NULL if out of memory or if the product overflows.
 * A count of 0 gives a pointer that can be freed. */
void *dkvb__alloc(const dkvb_allocator *mem, size_t count, size_t size);

/* Allocates an array, filled with zeros. */
void *dkvb__alloc0(const dkvb_allocator *mem, size_t count, size_t size);

/* NULL is a no-op. */
void dkvb__free(const dkvb_allocator *mem, void *ptr);

/* Overwrite memory with zeros, also where the compiler can see that nobody reads it again. Everything that values,
 * keys, codes, ids or salts of rows leave behind ends this way: rows that were forgotten are in no freed block. */
void dkvb__erase(void *ptr, size_t size);

/* Erase a whole block and free it. NULL is a no-op. */
void dkvb__free_erased(const dkvb_allocator *mem, void *ptr);

/* A copy of a string, NULL if out of memory. */
char *dkvb__strdup(const dkvb_allocator *mem, const char *text);

#endif
