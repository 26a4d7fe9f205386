#ifndef DKVB_BASE_FILE_H
#define DKVB_BASE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

/* A file to read: either a regular file that is open, or the bytes of a file in memory. */
struct dkvb__file {
    int fd;                      /* -1 if the file lies in memory */
    const unsigned char *memory; /* NULL for an open file; not owned */
    uint64_t size;
    const char *path; /* the path as the caller gave it, for messages */
};

dkvb_status dkvb__file_open(struct dkvb__file *file, const char *path);

/* Wraps the bytes of a file that lie in memory. Such a file needs no closing. */
struct dkvb__file dkvb__file_in_memory(const void *data, uint64_t size, const char *path);

/* Reads exactly `size` bytes at `offset`. DKVB_EFORMAT says that the file ends before. */
dkvb_status dkvb__file_read(const struct dkvb__file *file, uint64_t offset, void *to, size_t size);

void dkvb__file_close(struct dkvb__file *file);

/* A whole file in memory, read only. The holders of a mapping share it and count their references. */
struct dkvb__mapping {
    dkvb_allocator mem;
    atomic_uint owners;
    const unsigned char *data;
    size_t size;
};

dkvb_status dkvb__mapping_open(struct dkvb__mapping **out, const struct dkvb__file *file, const dkvb_allocator *mem);
struct dkvb__mapping *dkvb__mapping_retain(struct dkvb__mapping *mapping);
void dkvb__mapping_free(struct dkvb__mapping *mapping); /* NULL does nothing */

/* A writer lets a file appear under its name only when the file is complete and on disk, by the rules of dkvb/file.h.
 * The calls are begin, write, and then commit or abort. */
struct dkvb__writer {
    const dkvb_allocator *mem;
    int fd;
    char *path;      /* the target, symbolic links resolved */
    char *temporary; /* name of the temporary file beside the target; that file exists exactly while `fd` is open */
    int live;        /* place in the list of temporary files that a signal handler removes; -1: the list is full */
    uint64_t written;
};

dkvb_status dkvb__writer_begin(struct dkvb__writer *w, const char *path, const dkvb_allocator *mem);
dkvb_status dkvb__writer_put(struct dkvb__writer *w, const void *data, size_t size);

/* Writes bytes over an earlier part of the file, which ends where it ended before. */
dkvb_status dkvb__writer_put_at(struct dkvb__writer *w, uint64_t offset, const void *data, size_t size);

/* Flushes the file to disk. A file that was flushed gets its name by dkvb__writer_commit() without further writing. */
dkvb_status dkvb__writer_flush(struct dkvb__writer *w);
dkvb_status dkvb__writer_commit(struct dkvb__writer *w); /* also releases the writer; aborts on failure */
void dkvb__writer_abort(struct dkvb__writer *w);

#endif
