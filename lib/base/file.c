#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/process.h"
#include "base/status.h"
#include "dkvb/file.h"

enum {
    MAX_TRANSFER = 1 << 30, /* largest number of bytes in one read or write, as some systems refuse larger ones */
    MAX_STEM = 200,         /* number of bytes of a file's name that the name of its temporary file repeats */
    MAX_LIVE = 16           /* number of temporary files that a signal handler can remove at one time */
};

dkvb_status dkvb__file_open(struct dkvb__file *file, const char *path)
{
    struct stat st;
    dkvb_status rc;

    *file = (struct dkvb__file){.path = path};
    /* O_NONBLOCK keeps open() from hanging on a pipe that was named by mistake. The flag O_NONBLOCK of open() has no
     * effect on regular files. */
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0 && errno == ENOENT && strcmp(path, "-") == 0)
        return dkvb__fail(DKVB_EIO, "-: there is no file of this name, and standard input is not read here: write it "
                                    "to a file, and name that file");
    if (file->fd < 0)
        return dkvb__fail_errno(path, "open");
    if (fstat(file->fd, &st) != 0) {
        rc = dkvb__fail_errno(path, "examine");
        dkvb__file_close(file);
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        dkvb__file_close(file);
        return dkvb__fail(DKVB_EIO, "%.300s: %s", path,
                          S_ISDIR(st.st_mode) ? "is a directory, a file is wanted"
                                              : "is not a regular file but a pipe or a device: write its bytes to a "
                                                "file, and name that file");
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

/* Returns the path of a file to write, with symbolic links resolved; if no file exists there yet, the path itself. */
static char *target_path(const char *path, const dkvb_allocator *mem)
{
    char resolved[PATH_MAX];

    return dkvb__strdup(mem, realpath(path, resolved) ? resolved : path);
}

static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash + 1 - path) : 0;
}

/* Returns the number of bytes of the target's path that the name of the temporary file repeats. Most systems allow file
 * names of 255 bytes, so a longer name of a temporary file is cut, always between two characters. */
static size_t stem_size(const char *path)
{
    size_t folder = folder_size(path), length = strlen(path + folder);

    if (length > MAX_STEM)
        for (length = MAX_STEM; length > 0 && ((unsigned char)path[folder + length] & 0xC0) == 0x80;)
            length--;
    return folder + length;
}

/* Temporary files that this process is writing, for the signal handler that removes them. A signal handler may run on
 * any thread at any instant: the handler cannot take a lock, and cannot follow a pointer that another thread is about
 * to free. As a signal handler can neither take a lock nor follow pointers, the list of temporary files that it reads
 * has a fixed length and holds copies of the names. */
static struct {
    atomic_int state;
    /* process that made the temporary file; a forked child has a copy of the list of temporary files, but must not
     * remove its parent's files */
    uint64_t owner;
    char name[PATH_MAX];
} live[MAX_LIVE];

/* states of a place in the list of temporary files; the state LIVE says that the name is complete, and that a temporary
 * file of this name may exist */
enum { FREE, TAKEN, LIVE };

static void live_add(struct dkvb__writer *w)
{
    size_t size = strlen(w->temporary) + 1;

    for (int i = 0; i < MAX_LIVE && size <= sizeof live[i].name; i++) {
        int expected = FREE;

        if (!atomic_compare_exchange_strong(&live[i].state, &expected, TAKEN))
            continue;
        memcpy(live[i].name, w->temporary, size);
        live[i].owner = dkvb__process();
        atomic_store(&live[i].state, LIVE);
        w->live = i;
        return;
    }
}

static void live_remove(struct dkvb__writer *w)
{
    if (w->live >= 0)
        atomic_store(&live[w->live].state, FREE);
    w->live = -1;
}

void dkvb_file_remove_temporaries(void)
{
    int error = errno;

    for (int i = 0; i < MAX_LIVE; i++)
        if (atomic_load(&live[i].state) == LIVE && live[i].owner == dkvb__process())
            unlink(live[i].name);
    errno = error;
}

/* Creates a new file beside the target, named "<path>.tmp-<process>-<attempt>". The name of a temporary file is listed
 * for the signal handler before the file exists, so that the handler finds it at any moment. A temporary file is locked
 * while it is written, which tells dkvb_file_leftover() that the file is in use; on a file system without locks,
 * dkvb_file_leftover() reports nothing. */
static bool create_temporary(struct dkvb__writer *w, size_t size, mode_t mode)
{
    int stem = (int)stem_size(w->path);

    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        snprintf(w->temporary, size, "%.*s.tmp-%ld-%u", stem, w->path, (long)getpid(), attempt);
        live_add(w);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (w->fd >= 0) {
            (void)flock(w->fd, LOCK_EX | LOCK_NB);
            return true;
        }
        live_remove(w);
        if (errno != EEXIST)
            return false;
    }
    return false;
}

/* Gives an open file the access control list of the file `from`. copy_acl() returns false if the access control list
 * could not be copied. */
static bool copy_acl(int fd, const char *from)
{
    static const char name[] = "system.posix_acl_access";
    char list[4096];
    ssize_t size = getxattr(from, name, list, sizeof list);

    return size < 0 ? errno != ERANGE && errno != EACCES : fsetxattr(fd, name, list, (size_t)size, 0) == 0;
}

/* Gives a newly written file the owner, group, mode and access control list of the file that it replaces, as far as the
 * system allows. Only root can give a file to another owner, and other users can give a file only to groups of their
 * own. If the group or the access control list cannot be kept, the group of the new file gets no more rights than
 * everybody has: with an access control list, the group bits of the old mode describe the list, and would give the
 * rights of the list to the group. */
static dkvb_status inherit(int fd, const struct stat *old, const char *path)
{
    struct stat now;
    mode_t mode = old->st_mode & 07777;
    bool same_group = true;

    if (fstat(fd, &now) != 0)
        return dkvb__fail_errno(path, "examine the file beside it");
    if ((now.st_uid != old->st_uid || now.st_gid != old->st_gid) && fchown(fd, old->st_uid, old->st_gid) != 0) {
        mode &= 0777;
        same_group = now.st_gid == old->st_gid || fchown(fd, (uid_t)-1, old->st_gid) == 0;
    }
    if (!same_group || !copy_acl(fd, path))
        mode = (mode & ~(mode_t)070) | (mode & 07) << 3;
    return fchmod(fd, mode) == 0 ? DKVB_OK : dkvb__fail_errno(path, "set its mode");
}

dkvb_status dkvb__writer_begin(struct dkvb__writer *w, const char *path, const dkvb_allocator *mem)
{
    struct stat st;
    size_t size;
    bool replaces;
    dkvb_status rc = DKVB_OK;

    *w = (struct dkvb__writer){.mem = mem, .fd = -1, .live = -1};
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
    /* until the rename, the temporary file is never readable by more users than the old file of the target's name */
    if (!create_temporary(w, size, replaces ? 0600 : 0666))
        rc = dkvb__fail_errno(path, "create a file beside it");
    else if (replaces)
        rc = inherit(w->fd, &st, w->path);
    if (!rc)
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

dkvb_status dkvb__writer_put_at(struct dkvb__writer *w, uint64_t offset, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t put = pwrite(w->fd, at, size < MAX_TRANSFER ? size : MAX_TRANSFER, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return dkvb__fail_errno(w->path, "write");
        at += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return DKVB_OK;
}

/* Makes the rename of a file survive a crash. Some file systems cannot sync a folder, which is no error. */
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

static void release(struct dkvb__writer *w)
{
    if (w->fd >= 0)
        /* the result of close() is ignored: a file that was committed was flushed to disk before, and any other file is
         * removed */
        close(w->fd);
    live_remove(w);
    dkvb__free(w->mem, w->temporary);
    dkvb__free(w->mem, w->path);
    *w = (struct dkvb__writer){.fd = -1, .live = -1};
}

dkvb_status dkvb__writer_flush(struct dkvb__writer *w)
{
    return fsync(w->fd) == 0 ? DKVB_OK : dkvb__fail_errno(w->path, "flush to disk");
}

dkvb_status dkvb__writer_commit(struct dkvb__writer *w)
{
    dkvb_status rc = dkvb__writer_flush(w);

    /* A finished file is renamed while it is still open and locked, so its temporary name never looks like a
     * leftover. */
    if (!rc && rename(w->temporary, w->path) != 0)
        rc = dkvb__fail_errno(w->path, "put in place");
    if (rc) {
        dkvb__writer_abort(w);
        return rc;
    }
    sync_folder(w->path);
    release(w);
    return DKVB_OK;
}

void dkvb__writer_abort(struct dkvb__writer *w)
{
    if (w->fd >= 0)
        unlink(w->temporary);
    release(w);
}

dkvb_status dkvb__writer_end(struct dkvb__writer *w, dkvb_status rc)
{
    if (!rc)
        return dkvb__writer_commit(w);
    dkvb__writer_abort(w);
    return rc;
}

dkvb_status dkvb_file_write(const char *path, const void *data, size_t size)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__writer w;
    dkvb_status rc;

    if (!path || (!data && size > 0))
        return dkvb__fail(DKVB_EINVAL, "file: %s is NULL", path ? "data" : "path");
    rc = dkvb__writer_begin(&w, path, &mem);
    if (rc)
        return rc;
    return dkvb__writer_end(&w, dkvb__writer_put(&w, data, size));
}

/* Writes parts of a file, which a callback gives, until a part has no bytes. A file is written to a temporary file
 * first, so that a cancelled call leaves the file at `path` unchanged. */
static dkvb_status put_parts(struct dkvb__writer *w, const char *path, dkvb_part_fn next, void *user)
{
    for (;;) {
        const void *data = NULL;
        size_t size = 0;
        dkvb_status rc;

        if (next(user, &data, &size) != 0)
            return dkvb__fail(DKVB_ECANCELLED, "%.300s: the part callback cancelled the writing", path);
        if (size == 0)
            return DKVB_OK;
        if (!data)
            return dkvb__fail(DKVB_EINVAL, "%.300s: the part callback gave %zu bytes at NULL", path, size);
        rc = dkvb__writer_put(w, data, size);
        if (rc)
            return rc;
    }
}

dkvb_status dkvb_file_write_parts(const char *path, dkvb_part_fn next, void *user)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__writer w;
    dkvb_status rc;

    if (!path || !next)
        return dkvb__fail(DKVB_EINVAL, "file: %s is NULL", path ? "the part callback" : "path");
    rc = dkvb__writer_begin(&w, path, &mem);
    if (rc)
        return rc;
    return dkvb__writer_end(&w, put_parts(&w, path, next, user));
}

/* True if the rest of a file name, after the part that repeats the target's name, is the ending
 * ".tmp-<digits>-<digits>" that create_temporary() adds. */
static bool is_temporary(const char *rest)
{
    static const char mark[] = ".tmp-";
    size_t process, attempt;

    if (strncmp(rest, mark, sizeof mark - 1) != 0)
        return false;
    rest += sizeof mark - 1;
    process = strspn(rest, "0123456789");
    if (process == 0 || rest[process] != '-')
        return false;
    attempt = strspn(rest + process + 1, "0123456789");
    return attempt > 0 && rest[process + 1 + attempt] == '\0';
}

/* True if a temporary file exists and no process holds its writer's lock on it. */
static bool is_abandoned(const char *name)
{
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    bool abandoned = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_SH | LOCK_NB) == 0;

    if (fd >= 0)
        close(fd);
    return abandoned;
}

dkvb_status dkvb_file_leftover(const char *path, size_t index, char *name, size_t size)
{
    char target[PATH_MAX], folder[PATH_MAX];
    size_t stem, before;
    struct dirent *entry;
    DIR *dir;
    dkvb_status rc = DKVB_ENOTFOUND;

    if (!path || !name || strlen(path) >= sizeof target)
        return dkvb__fail(DKVB_EINVAL, "leftover: %s", path && name ? "the path is too long" : "a name is NULL");
    if (!realpath(path, target))
        memcpy(target, path, strlen(path) + 1);
    stem = stem_size(target);
    before = folder_size(target);
    snprintf(folder, sizeof folder, "%.*s", (int)before, before > 0 ? target : "");
    dir = opendir(before > 0 ? folder : ".");
    if (!dir)
        return dkvb__fail_errno(path, "read the folder of");
    while (rc == DKVB_ENOTFOUND && (entry = readdir(dir)) != NULL) {
        int length;

        if (strncmp(entry->d_name, target + before, stem - before) != 0 || !is_temporary(entry->d_name + stem - before))
            continue;
        length = snprintf(name, size, "%s%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= size)
            rc = dkvb__fail(DKVB_EINVAL, "leftover: %zu bytes are too few for %.300s", size, entry->d_name);
        else if (is_abandoned(name) && index-- == 0)
            rc = DKVB_OK;
    }
    closedir(dir);
    return rc == DKVB_ENOTFOUND ? dkvb__fail(rc, "%.300s: nothing is left over beside it", path) : rc;
}
