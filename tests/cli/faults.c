/* A library that is loaded before the C library (LD_PRELOAD), in which chosen calls fail, or wait until the test has
 * sent a signal.
 *
 * FAULT="CALL FIRST LAST HOW": the calls number FIRST to LAST of write, pwrite, fsync, rename, ftruncate, stat,
 * getrandom, fread, fchown or malloc (with calloc and realloc) fail with the errno HOW. If HOW is 0, the call waits for
 * half a minute instead. If HOW is -1, the process is killed by SIGKILL before the call; if HOW is -2, in the middle of
 * a write, after half of its bytes, or after an fsync or a rename. The calls are numbered from 1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

static char call_name[16];
static long first, last;
static int how;
static atomic_long calls;

__attribute__((constructor)) static void read_fault(void)
{
    const char *fault = getenv("FAULT");

    if (!fault || sscanf(fault, "%15s %ld %ld %d", call_name, &first, &last, &how) != 4)
        call_name[0] = '\0';
}

/* Returns true, and sets errno, if this call of the C function `name` has to fail. */
static int faulty(const char *name)
{
    struct timespec wait = {.tv_sec = 30};
    long number;

    if (strcmp(name, call_name) != 0)
        return 0;
    number = atomic_fetch_add(&calls, 1) + 1;
    if (number < first || number > last)
        return 0;
    if (how == -1)
        raise(SIGKILL);
    if (how == -2)
        return 1;
    if (how == 0) {
        while (nanosleep(&wait, &wait) != 0 && errno == EINTR)
            ;
        return 0;
    }
    errno = how;
    return 1;
}

void *malloc(size_t size)
{
    return faulty("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return faulty("malloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    return faulty("malloc") ? NULL : __libc_realloc(ptr, size);
}

/* Finds the C library's function that a function of this file replaces. */
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)(uintptr_t)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t size)
{
    REAL(write);

    if (fd <= STDERR_FILENO || !faulty("write"))
        return real(fd, from, size);
    if (how == -2) {
        (void)!real(fd, from, size / 2);
        raise(SIGKILL);
    }
    return -1;
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
    REAL(pwrite);

    if (!faulty("pwrite"))
        return real(fd, from, size, offset);
    if (how == -2) {
        (void)!real(fd, from, size / 2, offset);
        raise(SIGKILL);
    }
    return -1;
}

int rename(const char *from, const char *to)
{
    REAL(rename);

    if (!faulty("rename"))
        return real(from, to);
    if (how == -2) {
        (void)real(from, to);
        raise(SIGKILL);
    }
    return -1;
}

int fsync(int fd)
{
    REAL(fsync);

    if (!faulty("fsync"))
        return real(fd);
    if (how == -2) {
        (void)real(fd);
        raise(SIGKILL);
    }
    return -1;
}

/* Returns true for the shared memory object that LLVM's OpenMP makes before its first thread: its ftruncate() must not
 * fail, since OpenMP would end the process. */
static int is_shared_memory(int fd)
{
    static const char folder[] = "/dev/shm/";
    char link[64], target[sizeof folder] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, target, sizeof target - 1) > 0 && strcmp(target, folder) == 0;
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);

    return !is_shared_memory(fd) && faulty("ftruncate") ? -1 : real(fd, size);
}

int stat(const char *restrict path, struct stat *restrict st)
{
    REAL(stat);

    return faulty("stat") ? -1 : real(path, st);
}

int fchown(int fd, uid_t user, gid_t group)
{
    REAL(fchown);

    return faulty("fchown") ? -1 : real(fd, user, group);
}

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    REAL(getrandom);

    return faulty("getrandom") ? -1 : real(bytes, size, flags);
}

/* A failing fread() closes the file, so that the stream's error flag is set as well. */
size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict file)
{
    REAL(fread);

    if (faulty("fread"))
        close(fileno(file));
    return real(to, size, count, file);
}
