#ifndef DKVB_BASE_BYTES_H
#define DKVB_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Functions that read and write little-endian numbers in byte arrays. The library runs on little-endian machines only
 * (CMake refuses to build for others), so little-endian numbers are read and written by copying their bytes. */
static inline uint16_t dkvb__read16(const void *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof v);
    return v;
}

static inline uint32_t dkvb__read32(const void *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    return v;
}

static inline uint64_t dkvb__read64(const void *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return v;
}

static inline void dkvb__write16(void *at, uint16_t v)
{
    memcpy(at, &v, sizeof v);
}

static inline void dkvb__write32(void *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

static inline void dkvb__write64(void *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

static inline double dkvb__read_double(const void *at)
{
    double v;

    memcpy(&v, at, sizeof v);
    return v;
}

static inline void dkvb__write_double(void *at, double v)
{
    memcpy(at, &v, sizeof v);
}

/* A reader of a byte array takes bytes from front to back and cannot run past their end. */
struct dkvb__reader {
    const unsigned char *at;
    size_t left;
};

/* Returns the next `size` bytes of a reader of a byte array, or NULL if fewer bytes are left. */
static inline const unsigned char *dkvb__take(struct dkvb__reader *r, size_t size)
{
    const unsigned char *at = r->at;

    if (size > r->left)
        return NULL;
    r->at += size;
    r->left -= size;
    return at;
}

/* True if `size` bytes are valid UTF-8 (shortest forms, no surrogates) without control characters; NUL counts as a
 * control character. */
bool dkvb__utf8_valid(const char *text, size_t size);

#endif
