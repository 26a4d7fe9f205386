#ifndef DKVB_BASE_FILE_H
#define DKVB_BASE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

/* A regular file open for reading, or the bytes of one in memory. */
struct dkvb__file {
    int fd;                      /* -1 if it lies in memory */
    const unsigned char *memory; /* else NULL; not owned */
    uint64_t size;
    const char *path; /* the caller's path, for messages */
};

dkvb_status dkvb__file_open(struct dkvb__file *file, const char *path);

/* Bytes that are a file's: nothing to close. */
struct dkvb__file dkvb__file_in_memory(const void *data, uint64_t size, const char *path);

/* Exactly `size` bytes at `offset`; DKVB_EFORMAT if the file ends before. */
dkvb_status dkvb__file_read(const struct dkvb__file *file, uint64_t offset, void *to, size_t size);

void dkvb__file_close(struct dkvb__file *file);

/* A whole file in memory, read only, shared by those who hold it. */
struct dkvb__mapping {
    dkvb_allocator mem;
    atomic_uint owners;
    const unsigned char *data;
    size_t size;
};

dkvb_status dkvb__mapping_open(struct dkvb__mapping **out, const struct dkvb__file *file, const dkvb_allocator *mem);
struct dkvb__mapping *dkvb__mapping_retain(struct dkvb__mapping *mapping);
void dkvb__mapping_free(struct dkvb__mapping *mapping); /* NULL is a no-op */

/* A file that appears under its name only when it is whole and on disk, by the rules of dkvb/file.h. Begin, write,
 * commit; or abort. */
struct dkvb__writer {
    const dkvb_allocator *mem;
    int fd;
    char *path;      /* symbolic links resolved */
    char *temporary; /* beside it; a file of that name is there exactly while `fd` is open */
    int live;        /* place in the list that a signal handler removes temporaries by; -1: the list is full */
    uint64_t written;
};

dkvb_status dkvb__writer_begin(struct dkvb__writer *w, const char *path, const dkvb_allocator *mem);
dkvb_status dkvb__writer_put(struct dkvb__writer *w, const void *data, size_t size);
dkvb_status dkvb__writer_commit(struct dkvb__writer *w); /* also releases; aborts on failure */
void dkvb__writer_abort(struct dkvb__writer *w);

#endif
