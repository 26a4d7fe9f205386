#ifndef DKVB_FORMAT_CONTAINER_H
#define DKVB_FORMAT_CONTAINER_H

#include <stdbool.h>

#include "base/file.h"

/* The layout that all files of the library share: header, section table, sections (docs/format.md). */

enum { DKVB__KIND_MODEL = 1, DKVB__KIND_MASK = 2, DKVB__KIND_CODES = 3, DKVB__KIND_PLAN = 4 };
enum { DKVB__SECTION_REQUIRED = 1 };
enum { DKVB__DTYPE_BYTES = 0 }; /* else a DKVB_DTYPE_… */

struct dkvb__section {
    char name[17];
    uint32_t dtype, flags;
    uint64_t offset, size, checksum;
};

struct dkvb__container {
    const dkvb_allocator *mem;
    struct dkvb__file file;
    struct dkvb__section *sections;
    size_t count;
    uint32_t major, minor;
};

/* Open a file of this kind: header and table are checked whole, and every byte of padding is zero. */
dkvb_status dkvb__container_open(struct dkvb__container *c, const char *path, uint32_t kind, const dkvb_allocator *mem);

/* Opens a container from an open file, or from memory; the container closes it, also on failure. */
dkvb_status dkvb__container_take(struct dkvb__container *c, const struct dkvb__file *file, uint32_t kind,
                                 const dkvb_allocator *mem);
void dkvb__container_close(struct dkvb__container *c);

/* NULL if there is none of that name. */
const struct dkvb__section *dkvb__container_find(const struct dkvb__container *c, const char *name);

/* DKVB_EFORMAT if the file needs a section that is none of these: it is newer than the library. */
dkvb_status dkvb__container_need_only(const struct dkvb__container *c, const char *const *names, size_t count);

/* The section, which must be there with this type; and with this size unless `size` is UINT64_MAX. */
dkvb_status dkvb__container_need(const struct dkvb__container *c, const char *name, uint32_t dtype, uint64_t size,
                                 const struct dkvb__section **section);

/* Read a section into `to`, which has its size, and check its checksum. */
dkvb_status dkvb__section_read(const struct dkvb__container *c, const struct dkvb__section *s, void *to);

/* Writes a container to new memory, which the caller frees. */
dkvb_status dkvb__section_read_new(const struct dkvb__container *c, const struct dkvb__section *s, void **out);

/* Check the checksum of a section that lies in memory. */
dkvb_status dkvb__section_check(const char *path, const struct dkvb__section *s, const void *data);

/* A section to be written. */
struct dkvb__part {
    const char *name;
    uint32_t dtype, flags;
    const void *data;
    uint64_t size;
};

/* Where a file goes: to a path, atomically, or into new memory, which the caller frees (a file within a section). */
struct dkvb__output {
    const char *path;      /* NULL: into memory */
    unsigned char *memory; /* [size] */
    size_t size;
};

dkvb_status dkvb__container_write(struct dkvb__output *to, uint32_t kind, const struct dkvb__part *parts, size_t count,
                                  const dkvb_allocator *mem);

#endif
