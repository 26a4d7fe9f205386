/**
 * @file
 * @brief Allocators: a program can choose where the library takes memory from.
 */
#ifndef DKVB_MEMORY_H
#define DKVB_MEMORY_H

#include <stddef.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base
 *  @{ */

/**
 * An allocator: two functions, `alloc` and `release`, and a pointer `user` that the library hands to both functions.
 *
 * Callers name an allocator in the options of the object that they create. The library copies the dkvb_allocator
 * struct; whatever its member `user` points to must outlive the object. The library calls the functions of an allocator
 * only on threads that called the library, never on its worker threads. The function `alloc` of an allocator needs no
 * more alignment than malloc() gives, since the library aligns blocks itself. In the options of an object, an allocator
 * that is NULL, or has two NULL functions, stands for malloc() and free(). The library refuses an allocator that has
 * only one of its two functions, `alloc` and `release`, with `DKVB_EINVAL`.
 */
typedef struct dkvb_allocator {
    /** Allocates a block of memory of `size` bytes, or returns NULL on failure; `size` is never 0. */
    void *(*alloc)(void *user, size_t size);
    void (*release)(void *user, void *ptr); /**< frees the memory block at `ptr`, which is never NULL */
    void *user;                             /**< pointer that both functions of the allocator receive */
} dkvb_allocator;

/** @} */

#ifdef __cplusplus
}
#endif

#endif
