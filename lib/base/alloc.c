#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum { ALIGNMENT = 64 };

static void *default_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void default_release(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

dkvb_allocator dkvb__allocator(const dkvb_allocator *given)
{
    if (given && given->alloc && given->release)
        return *given;
    return (dkvb_allocator){default_alloc, default_release, NULL};
}

dkvb_status dkvb__check_allocator(const dkvb_allocator *given)
{
    if (given && !given->alloc != !given->release)
        return dkvb__fail(DKVB_EINVAL, "allocator: %s is NULL; both functions are wanted, or none",
                          given->alloc ? "release" : "alloc");
    return DKVB_OK;
}

/* Header before each allocated block: the pointer that the allocator returned, and the requested size. */
struct head {
    char *raw;
    size_t size;
};

/* Computes the size to request from the allocator: the block, its header, and room to align the block. raw_size()
 * returns false if the size of the request overflows. */
static bool raw_size(size_t *raw, size_t count, size_t size)
{
    if (dkvb__mul_overflow(raw, count, size) || *raw > PTRDIFF_MAX - ALIGNMENT - sizeof(struct head))
        return false;
    *raw += ALIGNMENT + sizeof(struct head);
    return true;
}

static void *align(char *raw, size_t size)
{
    struct head head = {raw, size - ALIGNMENT - sizeof head};
    char *aligned;

    if (!raw)
        return NULL;
    aligned = raw + sizeof head;
    aligned += ALIGNMENT - (uintptr_t)aligned % ALIGNMENT;
    memcpy(aligned - sizeof head, &head, sizeof head);
    return aligned;
}

void *dkvb__alloc(const dkvb_allocator *mem, size_t count, size_t size)
{
    size_t raw;

    return raw_size(&raw, count, size) ? align(mem->alloc(mem->user, raw), raw) : NULL;
}

void *dkvb__alloc0(const dkvb_allocator *mem, size_t count, size_t size)
{
    size_t raw;
    void *ptr;

    /* calloc() gets large blocks from the system already cleared; a block from the system costs nothing until the
     * program touches it */
    if (mem->alloc == default_alloc)
        return raw_size(&raw, count, size) ? align(calloc(raw, 1), raw) : NULL;
    ptr = dkvb__alloc(mem, count, size);
    if (ptr)
        memset(ptr, 0, count * size);
    return ptr;
}

static struct head head_of(const void *ptr)
{
    struct head head;

    memcpy(&head, (const char *)ptr - sizeof head, sizeof head);
    return head;
}

void dkvb__free(const dkvb_allocator *mem, void *ptr)
{
    if (ptr)
        mem->release(mem->user, head_of(ptr).raw);
}

void dkvb__erase(void *ptr, size_t size)
{
    if (size > 0)
        memset(ptr, 0, size);
    /* this empty assembly statement tells the compiler that the erased memory may be read now, so that erasing is not
     * left out */
    __asm__ __volatile__("" : : "r"(ptr) : "memory");
}

void dkvb__free_erased(const dkvb_allocator *mem, void *ptr)
{
    if (ptr)
        dkvb__erase(ptr, head_of(ptr).size);
    dkvb__free(mem, ptr);
}

char *dkvb__strdup(const dkvb_allocator *mem, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = dkvb__alloc(mem, size, 1);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}
