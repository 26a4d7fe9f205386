#ifndef DKVB_BASE_ALLOC_H
#define DKVB_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

/* Computes the product a * b into *product. dkvb__mul_overflow() returns true and sets *product to 0 if the product
 * overflows. */
static inline bool dkvb__mul_overflow(size_t *product, size_t a, size_t b)
{
    bool overflow = b != 0 && a > SIZE_MAX / b;

    *product = overflow ? 0 : a * b;
    return overflow;
}

/* Returns the allocator that an options struct names, or malloc and free if `given` is NULL. */
dkvb_allocator dkvb__allocator(const dkvb_allocator *given);

/* Returns DKVB_EINVAL if only one of the two functions of an allocator is given. */
dkvb_status dkvb__check_allocator(const dkvb_allocator *given);

/* Allocates `count` elements of `size` bytes, 64-byte aligned and not cleared. dkvb__alloc() returns NULL if memory
 * runs out or the size overflows. With a count of 0, dkvb__alloc() returns a pointer that can be freed. */
void *dkvb__alloc(const dkvb_allocator *mem, size_t count, size_t size);

/* Allocates an array of `count` elements, filled with zeros, by the rules of dkvb__alloc(). */
void *dkvb__alloc0(const dkvb_allocator *mem, size_t count, size_t size);

/* Frees a block of dkvb__alloc() or dkvb__alloc0(). dkvb__free() of a NULL pointer does nothing. */
void dkvb__free(const dkvb_allocator *mem, void *ptr);

/* Overwrites memory with zeros, also where the compiler can see that nobody reads it again. Memory that held values,
 * keys, codes, ids or salts of rows is erased before it is freed, so that no freed block holds forgotten rows. */
void dkvb__erase(void *ptr, size_t size);

/* Erases a whole allocated block and frees it. dkvb__free_erased() of a NULL pointer does nothing. */
void dkvb__free_erased(const dkvb_allocator *mem, void *ptr);

/* Copies a string to newly allocated memory. dkvb__strdup() returns NULL if memory runs out. */
char *dkvb__strdup(const dkvb_allocator *mem, const char *text);

#endif
