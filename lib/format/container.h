#ifndef DKVB_FORMAT_CONTAINER_H
#define DKVB_FORMAT_CONTAINER_H

#include <stdbool.h>

#include "base/file.h"

/* The layout that all files of libdkvb share: header, section table, sections (docs/format.md). */

enum { DKVB__KIND_MODEL = 1, DKVB__KIND_MASK = 2, DKVB__KIND_CODES = 3, DKVB__KIND_PLAN = 4 };
enum { DKVB__SECTION_REQUIRED = 1 };
/* type number of a section that holds plain bytes; a section of numbers has a type DKVB_DTYPE_… instead */
enum { DKVB__DTYPE_BYTES = 0 };

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

/* Opens a libdkvb file (a model, a mask, codes or a plan) of the given kind. Opening a file checks its header and
 * section table completely, and every byte of padding must be zero. */
dkvb_status dkvb__container_open(struct dkvb__container *c, const char *path, uint32_t kind, const dkvb_allocator *mem);

/* Opens a libdkvb file (a model, a mask, codes or a plan) that lies in an open file or in memory.
 * dkvb__container_take() closes the file that it was given, even after a failure. */
dkvb_status dkvb__container_take(struct dkvb__container *c, const struct dkvb__file *file, uint32_t kind,
                                 const dkvb_allocator *mem);
void dkvb__container_close(struct dkvb__container *c);

/* Finds a section by name; NULL if the file has no section of that name. */
const struct dkvb__section *dkvb__container_find(const struct dkvb__container *c, const char *name);

/* Returns DKVB_EFORMAT if the file requires a section that is not among the given names, as a file of a newer library
 * may. */
dkvb_status dkvb__container_need_only(const struct dkvb__container *c, const char *const *names, size_t count);

/* Finds a section that must be in the file with the given type, and with the given size unless `size` is UINT64_MAX. */
dkvb_status dkvb__container_need(const struct dkvb__container *c, const char *name, uint32_t dtype, uint64_t size,
                                 const struct dkvb__section **section);

/* Reads a section of a file into `to`, which has room for the section, and checks its checksum. */
dkvb_status dkvb__section_read(const struct dkvb__container *c, const struct dkvb__section *s, void *to);

/* Reads a section piece by piece without keeping its bytes, and checks its checksum. */
dkvb_status dkvb__section_verify(const struct dkvb__container *c, const struct dkvb__section *s);

/* Reads a section into new memory, which the caller frees, and checks its checksum. */
dkvb_status dkvb__section_read_new(const struct dkvb__container *c, const struct dkvb__section *s, void **out);

/* Compares a section that lies in memory with its checksum. */
dkvb_status dkvb__section_check(const char *path, const struct dkvb__section *s, const void *data);

/* A callback that makes `size` bytes of a section of a file, beginning at `offset`. The writer of a file asks the
 * callback for every byte of the section once, in ascending order, in pieces of whole units, such as rows (even the
 * last piece of a section). If the callback that makes the bytes of a section fails, the writing of the file ends, and
 * no file appears. */
typedef dkvb_status (*dkvb__produce_fn)(void *context, uint64_t offset, void *to, size_t size);

/* A section of a file that is to be written. The bytes of a section lie in memory, or a function makes them piece by
 * piece, so that no second copy of large arrays is needed. */
struct dkvb__part {
    const char *name;
    uint32_t dtype, flags;
    /* bytes of the section to be written; ignored if the function `produce` makes the bytes instead */
    const void *data;
    uint64_t size;
    /* function that makes the bytes of the section piece by piece; if NULL, the bytes lie in memory at `data` */
    dkvb__produce_fn produce;
    void *context; /* first argument of the function `produce`, which makes the bytes of the section */
    /* number of bytes of a unit, such as a row, of which the section of a file consists; `size` is a multiple of
     * `unit` */
    size_t unit;
};

/* Returns a section of a file to be written whose bytes lie in memory. */
static inline struct dkvb__part dkvb__part_of(const char *name, uint32_t dtype, uint32_t flags, const void *data,
                                              uint64_t size)
{
    return (struct dkvb__part){.name = name, .dtype = dtype, .flags = flags, .data = data, .size = size};
}

/* Destination of a file: a path, to which the file is written atomically, or new memory, which the caller frees (for a
 * file within a section). */
struct dkvb__output {
    const char *path;      /* path of the file to be written; NULL: the file is written to memory */
    unsigned char *memory; /* bytes of the file that was written to memory, [size]; the caller frees them */
    size_t size;
    /* writer of the finished file, for a caller who gives the file its name later by dkvb__writer_commit(); NULL: the
     * file gets its name at once */
    struct dkvb__writer *held;
};

dkvb_status dkvb__container_write(struct dkvb__output *to, uint32_t kind, const struct dkvb__part *parts, size_t count,
                                  const dkvb_allocator *mem);

#endif
