#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

enum {
    MAX_TRANSFER = 1 << 30, /* some systems refuse larger single reads and writes */
    MAX_STEM = 200          /* bytes of a file's name in that of its temporary file */
};

dkvb_status dkvb__file_open(struct dkvb__file *file, const char *path)
{
    struct stat st;
    dkvb_status rc;

    *file = (struct dkvb__file){.path = path};
    /* O_NONBLOCK: opening a pipe by mistake must not hang; it means nothing for regular files. */
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0)
        return dkvb__fail_errno(path, "open");
    if (fstat(file->fd, &st) != 0) {
        rc = dkvb__fail_errno(path, "examine");
        dkvb__file_close(file);
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        dkvb__file_close(file);
        return dkvb__fail(DKVB_EIO, "%.300s: %s, a regular file is wanted", path,
                          S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
    }
    file->size = (uint64_t)st.st_size;
    return DKVB_OK;
}

struct dkvb__file dkvb__file_in_memory(const void *data, uint64_t size, const char *path)
{
    return (struct dkvb__file){.fd = -1, .memory = data, .size = size, .path = path};
}

static dkvb_status fail_short(const struct dkvb__file *file, uint64_t offset, size_t size)
{
    return dkvb__fail(DKVB_EFORMAT, "%.300s: ends at byte %llu, %zu more are wanted", file->path,
                      (unsigned long long)offset, size);
}

dkvb_status dkvb__file_read(const struct dkvb__file *file, uint64_t offset, void *to, size_t size)
{
    char *at = to;

    if (file->memory) {
        if (offset > file->size || size > file->size - offset)
            return fail_short(file, file->size, size);
        memcpy(to, file->memory + offset, size);
        return DKVB_OK;
    }
    while (size > 0) {
        ssize_t got = pread(file->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dkvb__fail_errno(file->path, "read");
        if (got == 0)
            return fail_short(file, offset, size);
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return DKVB_OK;
}

void dkvb__file_close(struct dkvb__file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

dkvb_status dkvb__mapping_open(struct dkvb__mapping **out, const struct dkvb__file *file, const dkvb_allocator *mem)
{
    struct dkvb__mapping *m;
    void *data;

    *out = NULL;
    if (file->size == 0 || file->size > SIZE_MAX)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes cannot be mapped", file->path,
                          (unsigned long long)file->size);
    m = dkvb__alloc0(mem, 1, sizeof *m);
    if (!m)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    data = mmap(NULL, (size_t)file->size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (data == MAP_FAILED) {
        dkvb__free(mem, m);
        return dkvb__fail_errno(file->path, "map");
    }
    m->mem = *mem;
    atomic_init(&m->owners, 1);
    m->data = data;
    m->size = (size_t)file->size;
    *out = m;
    return DKVB_OK;
}

struct dkvb__mapping *dkvb__mapping_retain(struct dkvb__mapping *mapping)
{
    if (mapping)
        atomic_fetch_add(&mapping->owners, 1);
    return mapping;
}

void dkvb__mapping_free(struct dkvb__mapping *mapping)
{
    dkvb_allocator mem;

    if (!mapping || atomic_fetch_sub(&mapping->owners, 1) != 1)
        return;
    munmap((void *)(uintptr_t)mapping->data, mapping->size);
    mem = mapping->mem;
    dkvb__free(&mem, mapping);
}

/* The path with symbolic links resolved; as it is if nothing is there yet. */
static char *target_path(const char *path, const dkvb_allocator *mem)
{
    char resolved[PATH_MAX];

    return dkvb__strdup(mem, realpath(path, resolved) ? resolved : path);
}

/* How much of a path a temporary name begins with: a file's name has at most 255 bytes on most systems, so that of a
 * long one is cut, before a whole character. */
static size_t stem_size(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);

    if (length > MAX_STEM)
        for (length = MAX_STEM; length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80;)
            length--;
    return (size_t)(name - path) + length;
}

/* Create a new file beside the target: "<path>.tmp-<process>-<attempt>". */
static bool create_temporary(struct dkvb__writer *w, size_t size, mode_t mode)
{
    int stem = (int)stem_size(w->path);

    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(w->temporary, size, "%.*s.tmp-%ld-%u", stem, w->path, (long)getpid(), attempt);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        w->created = w->fd >= 0;
        if (w->created || errno != EEXIST)
            break;
    }
    return w->created;
}

dkvb_status dkvb__writer_begin(struct dkvb__writer *w, const char *path, const dkvb_allocator *mem)
{
    struct stat st;
    size_t size;
    bool replaces;
    dkvb_status rc;

    *w = (struct dkvb__writer){.mem = mem, .fd = -1};
    w->path = target_path(path, mem);
    size = w->path ? strlen(w->path) + 48 : 0;
    w->temporary = size ? dkvb__alloc(mem, size, 1) : NULL;
    if (!w->temporary) {
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the name %.300s", path);
        goto fail;
    }
    replaces = stat(w->path, &st) == 0;
    if (replaces && !S_ISREG(st.st_mode)) {
        rc = dkvb__fail(DKVB_EIO, "%.300s: %s, cannot be replaced by a file", path,
                        S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
        goto fail;
    }
    if (!create_temporary(w, size, replaces ? 0600 : 0666)) /* never open to more than the old file was */ {
        rc = dkvb__fail_errno(path, "create a file beside it");
        goto fail;
    }
    if (replaces && fchmod(w->fd, st.st_mode & 07777) != 0) {
        rc = dkvb__fail_errno(path, "set its mode");
        goto fail;
    }
    return DKVB_OK;

fail:
    dkvb__writer_abort(w);
    return rc;
}

dkvb_status dkvb__writer_put(struct dkvb__writer *w, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t put = write(w->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return dkvb__fail_errno(w->path, "write");
        at += put;
        w->written += (uint64_t)put;
        size -= (size_t)put;
    }
    return DKVB_OK;
}

/* Make the rename itself survive a crash. File systems that cannot sync a folder are left as they are. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    int fd;

    if (slash)
        slash[slash == path] = '\0';
    fd = open(slash ? path : ".", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

dkvb_status dkvb__writer_commit(struct dkvb__writer *w)
{
    dkvb_status rc;

    if (fsync(w->fd) != 0) {
        rc = dkvb__fail_errno(w->path, "flush to disk");
        goto fail;
    }
    if (close(w->fd) != 0) {
        w->fd = -1;
        rc = dkvb__fail_errno(w->path, "close");
        goto fail;
    }
    w->fd = -1;
    if (rename(w->temporary, w->path) != 0) {
        rc = dkvb__fail_errno(w->path, "put in place");
        goto fail;
    }
    w->created = false;
    sync_folder(w->path);
    dkvb__writer_abort(w); /* nothing is left to undo: releases the names */
    return DKVB_OK;

fail:
    dkvb__writer_abort(w);
    return rc;
}

void dkvb__writer_abort(struct dkvb__writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->created)
        unlink(w->temporary);
    dkvb__free(w->mem, w->temporary);
    dkvb__free(w->mem, w->path);
    *w = (struct dkvb__writer){.fd = -1};
}
