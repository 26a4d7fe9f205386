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
    int fd;                      /* file descriptor of an open file; -1 if the file lies in memory */
    const unsigned char *memory; /* bytes of a file in memory, not owned; NULL for an open file */
    uint64_t size;
    const char *path; /* path of the file to read as the caller gave it, for messages */
};

dkvb_status dkvb__file_open(struct dkvb__file *file, const char *path);

/* Wraps the bytes of a file that lie in memory. A file in memory needs no closing. */
struct dkvb__file dkvb__file_in_memory(const void *data, uint64_t size, const char *path);

/* Reads exactly `size` bytes of a file at `offset`. Reading a file fails with DKVB_EFORMAT if the file ends before the
 * last byte to read. */
dkvb_status dkvb__file_read(const struct dkvb__file *file, uint64_t offset, void *to, size_t size);

void dkvb__file_close(struct dkvb__file *file);

/* A whole file in memory, for reading only, with a count of its holders. All holders of a mapped file share one
 * mapping, which counts its holders. */
struct dkvb__mapping {
    dkvb_allocator mem;
    atomic_uint owners;
    const unsigned char *data;
    size_t size;
};

dkvb_status dkvb__mapping_open(struct dkvb__mapping **out, const struct dkvb__file *file, const dkvb_allocator *mem);
struct dkvb__mapping *dkvb__mapping_retain(struct dkvb__mapping *mapping);
/* Releases one reference to a mapping of a file; NULL does nothing. */
void dkvb__mapping_free(struct dkvb__mapping *mapping);

/* A writer lets a file appear under its name only when the file is complete and on disk, by the rules of dkvb/file.h. A
 * caller opens a writer, writes the file's bytes, and then commits or aborts the writer. */
struct dkvb__writer {
    const dkvb_allocator *mem;
    int fd;
    char *path; /* path of the file to write, with symbolic links resolved */
    /* path of the temporary file beside the target; the temporary file exists exactly while `fd` is open */
    char *temporary;
    int live; /* index of the temporary file in the list of files that a signal handler removes; -1: the list is full */
    uint64_t written;
};

dkvb_status dkvb__writer_begin(struct dkvb__writer *w, const char *path, const dkvb_allocator *mem);
dkvb_status dkvb__writer_put(struct dkvb__writer *w, const void *data, size_t size);

/* Overwrites bytes in an earlier part of a file that is being written; the size of the file stays the same. */
dkvb_status dkvb__writer_put_at(struct dkvb__writer *w, uint64_t offset, const void *data, size_t size);

/* Flushes to disk a file that is being written. A file that was flushed gets its name by dkvb__writer_commit() without
 * further writing. */
dkvb_status dkvb__writer_flush(struct dkvb__writer *w);

/* Completes the written file, then releases the writer; aborts the file on failure. */
dkvb_status dkvb__writer_commit(struct dkvb__writer *w);
void dkvb__writer_abort(struct dkvb__writer *w);

/* Ends a file whose contents were written with the result `rc`: commits the file after DKVB_OK, else aborts it.
 * dkvb__writer_end() returns `rc`, or the status of the commit. */
dkvb_status dkvb__writer_end(struct dkvb__writer *w, dkvb_status rc);

#endif
