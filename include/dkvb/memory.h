/**
 * @file
 * @brief Allocators: the caller can choose where the library takes memory from.
 */
#ifndef DKVB_MEMORY_H
#define DKVB_MEMORY_H

#include <stddef.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base Basics: status, memory, files, run options
 *  @{ */

/**
 * An allocator: two functions and a pointer that the library hands to both.
 *
 * The options of an object name its allocator. The library copies this struct; the target of `user` must outlive the
 * object. The library calls both functions only on threads that called the library, never on its worker threads.
 * `alloc` needs no more alignment than malloc() gives, since the library aligns blocks itself. Options without an
 * allocator (NULL), or with one whose functions are both NULL, stand for malloc() and free(). An allocator with only
 * one of the two functions is refused with `DKVB_EINVAL`.
 */
typedef struct dkvb_allocator {
    void *(*alloc)(void *user, size_t size); /**< returns a block, or NULL on failure; `size` is never 0 */
    void (*release)(void *user, void *ptr);  /**< gives a block back; `ptr` is never NULL */
    void *user;                              /**< pointer that both functions receive */
} dkvb_allocator;

/** @} */

#ifdef __cplusplus
}
#endif

#endif
