#include "base/partfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

/* seconds between flushes of a part file (finished rows of interrupted work) to disk: the most work that a power cut
 * can cost */
static const double SYNC_EACH = 1.0;

static dkvb_status check_ours(const char *path, const char *what, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return dkvb__fail_errno(path, "examine");
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_uid != geteuid())
        return dkvb__fail(DKVB_EIO, "%.300s: %s, and %s are not written into it: delete it, or choose another output",
                          path,
                          !S_ISREG(st.st_mode) ? "is not a regular file"
                          : st.st_nlink > 1    ? "is a hard link to another file"
                                               : "belongs to another user",
                          what);
    return DKVB_OK;
}

/* Sets *there to whether the path of a part file (finished rows of interrupted work) still names the open file; another
 * file may have replaced it. */
static dkvb_status still_there(const char *path, int fd, bool *there)
{
    struct stat opened, named;

    *there = false;
    if (fstat(fd, &opened) != 0)
        return dkvb__fail_errno(path, "examine");
    if (lstat(path, &named) != 0)
        return errno == ENOENT ? DKVB_OK : dkvb__fail_errno(path, "examine");
    *there = opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
    return DKVB_OK;
}

/* Tries once to open a part file, which keeps the finished rows of interrupted work. *there becomes false if another
 * process has just finished with the part file and removed it. */
static dkvb_status open_once(const char *path, const char *what, int *fd, bool *created, bool *there)
{
    dkvb_status rc;

    *there = false;
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    *created = *fd >= 0;
    if (*fd < 0 && errno == EEXIST)
        *fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 && errno == ENOENT)
        return DKVB_OK;
    if (*fd < 0 && errno == ELOOP)
        return dkvb__fail(DKVB_EIO,
                          "%.300s: is a symbolic link, and %s are not written through it: delete it, or choose another "
                          "output",
                          path, what);
    if (*fd < 0)
        return dkvb__fail_errno(path, "open");
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return dkvb__fail(DKVB_ESTATE, "%.300s: another command is at work on it", path);
    rc = still_there(path, *fd, there);
    return !rc && *there && !*created ? check_ours(path, what, *fd) : rc;
}

dkvb_status dkvb__partfile_open(const char *path, const char *what, int *fd, bool *created)
{
    enum { TRIES = 100 };

    for (int tries = 0; tries < TRIES; tries++) {
        bool there;
        dkvb_status rc = open_once(path, what, fd, created, &there);

        if (!rc && there)
            return DKVB_OK;
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
        if (rc)
            return rc;
    }
    return dkvb__fail(DKVB_EIO, "%.300s: was another file at each of %d looks, so it cannot be locked", path, TRIES);
}

dkvb_status dkvb__partfile_put(int fd, const char *path, uint64_t offset, const void *from, size_t size)
{
    for (const char *at = from; size > 0;) {
        ssize_t n = pwrite(fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dkvb__fail_errno(path, "write");
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return DKVB_OK;
}

dkvb_status dkvb__partfile_get(int fd, const char *path, uint64_t offset, void *to, size_t size, size_t *got)
{
    char *at = to;

    *got = 0;
    memset(to, 0, size);
    while (*got < size) {
        ssize_t n = pread(fd, at + *got, size - *got, (off_t)(offset + *got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dkvb__fail_errno(path, "read");
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return DKVB_OK;
}

dkvb_status dkvb__partfile_sync(int fd, const char *path)
{
    return fdatasync(fd) == 0 ? DKVB_OK : dkvb__fail_errno(path, "write");
}

double dkvb__partfile_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double dkvb__partfile_next_sync(void)
{
    return dkvb__partfile_now() + SYNC_EACH;
}
