/* Loaded before the C library (LD_PRELOAD): calls that a test names fail, or wait until the test has sent a signal.
 *
 * FAULT="CALL FIRST LAST HOW": calls number FIRST to LAST of write, fsync, rename, ftruncate, stat, getrandom, fread,
 * fchown or malloc (with calloc and realloc) fail as the errno HOW says; HOW 0 waits for half a minute instead, and HOW -1
 * kills the process by SIGKILL. Numbers begin at 1. */
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

/* Whether this call is to fail; errno says how. */
static int faulty(const char *name)
{
    struct timespec wait = {.tv_sec = 30};
    long number;

    if (strcmp(name, call_name) != 0)
        return 0;
    number = atomic_fetch_add(&calls, 1) + 1;
    if (number < first || number > last)
        return 0;
    if (how < 0)
        raise(SIGKILL);
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

/* The function of the C library that one of this file takes the place of. */
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)(uintptr_t)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t size)
{
    REAL(write);

    return fd > STDERR_FILENO && faulty("write") ? -1 : real(fd, from, size);
}

int rename(const char *from, const char *to)
{
    REAL(rename);

    return faulty("rename") ? -1 : real(from, to);
}

int fsync(int fd)
{
    REAL(fsync);

    return faulty("fsync") ? -1 : real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);

    return faulty("ftruncate") ? -1 : real(fd, size);
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

/* The stream must know of the failure too, so its file is taken away. */
size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict file)
{
    REAL(fread);

    if (faulty("fread"))
        close(fileno(file));
    return real(to, size, count, file);
}
