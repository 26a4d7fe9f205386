/** Where memory comes from. */
#ifndef DKVB_MEMORY_H
#define DKVB_MEMORY_H

#include <stddef.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * An allocator, given through the options of the object that uses it. The
 * struct is copied; `user` must outlive the object.
 *
 * Both functions are called only on threads that called the library, never on
 * its workers. Alignment is the library's business: `alloc` may return what
 * malloc would. A NULL allocator in options means malloc() and free(), and so does one whose functions are both NULL;
 * one without the other is `DKVB_EINVAL`.
 */
typedef struct dkvb_allocator {
    void *(*alloc)(void *user, size_t size); /**< NULL on failure; `size` is never 0 */
    void (*release)(void *user, void *ptr);  /**< `ptr` is never NULL */
    void *user;
} dkvb_allocator;

#ifdef __cplusplus
}
#endif

#endif
