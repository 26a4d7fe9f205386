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

/* What to ask the allocator for: the block, room to align it, and the pointer that the allocator gave, which lies in
 * the word before the aligned block. False if that is too much. */
static bool raw_size(size_t *raw, size_t count, size_t size)
{
    if (dkvb__mul_overflow(raw, count, size) || *raw > PTRDIFF_MAX - ALIGNMENT - sizeof(char *))
        return false;
    *raw += ALIGNMENT + sizeof(char *);
    return true;
}

static void *align(char *raw)
{
    char *aligned;

    if (!raw)
        return NULL;
    aligned = raw + sizeof raw;
    aligned += ALIGNMENT - (uintptr_t)aligned % ALIGNMENT;
    memcpy(aligned - sizeof raw, &raw, sizeof raw);
    return aligned;
}

void *dkvb__alloc(const dkvb_allocator *mem, size_t count, size_t size)
{
    size_t raw;

    return raw_size(&raw, count, size) ? align(mem->alloc(mem->user, raw)) : NULL;
}

void *dkvb__alloc0(const dkvb_allocator *mem, size_t count, size_t size)
{
    size_t raw;
    void *ptr;

    if (mem->alloc == default_alloc) /* large blocks come cleared from the system, and cost nothing until touched */
        return raw_size(&raw, count, size) ? align(calloc(raw, 1)) : NULL;
    ptr = dkvb__alloc(mem, count, size);
    if (ptr)
        memset(ptr, 0, count * size);
    return ptr;
}

void dkvb__free(const dkvb_allocator *mem, void *ptr)
{
    char *raw;

    if (!ptr)
        return;
    memcpy(&raw, (char *)ptr - sizeof raw, sizeof raw);
    mem->release(mem->user, raw);
}

char *dkvb__strdup(const dkvb_allocator *mem, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = dkvb__alloc(mem, size, 1);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}
