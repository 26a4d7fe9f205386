#include "io/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fnv.h"
#include "io/input.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

static const double SYNC_EACH = 1.0;     /* seconds: what a power cut costs at most */
static const double WORTH_KEEPING = 5.0; /* seconds of work that a failure does not throw away */

/* As it lies in the file; every machine that the library runs on is little-endian. */
struct header {
    char magic[8];
    uint32_t version, dtype, columns, reserved;
    uint64_t pictures, set;
    char encoder[DKVB_ENCODER_IDENTITY_SIZE];
    uint64_t check; /* of all before */
};

static const char magic[8] = "DKVBPART";

enum { VERSION = 1, ROW_ALIGNMENT = 64 };

/* Tells a header that was cut from a whole one. */
static uint64_t checksum(const struct header *h)
{
    uint64_t sum = FNV_BEGIN;

    fnv_add(&sum, h, offsetof(struct header, check));
    return sum;
}

static struct header make_header(const struct partial_key *key)
{
    struct header h;

    memset(&h, 0, sizeof h);
    memcpy(h.magic, magic, sizeof h.magic);
    h.version = VERSION;
    h.dtype = key->dtype;
    h.columns = key->columns;
    h.pictures = key->pictures;
    h.set = key->set;
    snprintf(h.encoder, sizeof h.encoder, "%s", key->encoder);
    h.check = checksum(&h);
    return h;
}

static int fail_errno(const struct partial *p, const char *what)
{
    return tool_fail("%s: cannot %s: %s", p->path, what, strerror(errno));
}

static int put(const struct partial *p, uint64_t offset, const void *from, size_t size)
{
    for (const char *at = from; size > 0;) {
        ssize_t put = pwrite(p->fd, at, size, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno(p, "write");
        at += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return EXIT_SUCCESS;
}

/* Bytes that the file has, up to `size`; the others become 0. */
static int get(const struct partial *p, uint64_t offset, void *to, size_t size, size_t *got)
{
    char *at = to;

    *got = 0;
    memset(to, 0, size);
    while (*got < size) {
        ssize_t n = pread(p->fd, at + *got, size - *got, (off_t)(offset + *got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(p, "read");
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return EXIT_SUCCESS;
}

static int sync_data(const struct partial *p)
{
    return fdatasync(p->fd) == 0 ? EXIT_SUCCESS : fail_errno(p, "write");
}

char *partial_path(const char *output)
{
    size_t size = strlen(output) + sizeof ".part";
    char *path = input_memory("a file name", size, 1, 1, 1);

    if (path)
        snprintf(path, size, "%s.part", output);
    return path;
}

/* Rows go only into a file that nobody else put here: not through a link, and not into a file that another user owns or
 * that has a second name, where they would stay readable. */
static int check_ours(const struct partial *p)
{
    struct stat st;

    if (fstat(p->fd, &st) != 0)
        return fail_errno(p, "examine");
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_uid != geteuid())
        return tool_fail("%s: %s, and rows are not written into it: delete it, or choose another --output", p->path,
                         !S_ISREG(st.st_mode) ? "is not a regular file"
                         : st.st_nlink > 1    ? "is a hard link to another file"
                                              : "belongs to another user");
    return EXIT_SUCCESS;
}

/* Open and lock. A file that another command has just finished with is gone from the folder: then a new one is made. */
static int open_file(struct partial *p)
{
    enum { TRIES = 100 };

    for (int tries = 0; tries < TRIES; tries++) {
        bool there;
        int code;

        p->fd = open(p->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        p->created = p->fd >= 0;
        if (p->fd < 0 && errno == EEXIST)
            p->fd = open(p->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (p->fd < 0 && errno == ENOENT)
            continue;
        if (p->fd < 0 && errno == ELOOP)
            return tool_fail("%s: is a symbolic link, and rows are not written through it: delete it, or choose "
                             "another --output",
                             p->path);
        if (p->fd < 0)
            return fail_errno(p, "open");
        if (flock(p->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return tool_fail("%s: another command is at work on it", p->path);
        code = paths_still_there(p->fd, p->path, &there);
        if (code == EXIT_SUCCESS && there)
            return p->created ? EXIT_SUCCESS : check_ours(p);
        if (code)
            return code;
        close(p->fd);
        p->fd = -1;
    }
    return tool_fail("%s: was another file at each of %d looks, so it cannot be locked", p->path, TRIES);
}

/* Write a file without rows. If that fails there is nothing in it to go on with, and it is removed, unless it still has
 * the rows of an earlier command. */
static int begin(struct partial *p)
{
    struct header h = make_header(&p->key);
    bool empty = p->created || ftruncate(p->fd, 0) == 0;
    int code = empty ? put(p, 0, &h, sizeof h) : fail_errno(p, "empty");

    if (code == EXIT_SUCCESS && ftruncate(p->fd, (off_t)p->rows_at) != 0)
        code = fail_errno(p, "make room in");
    if (code == EXIT_SUCCESS)
        code = sync_data(p);
    if (code && empty)
        unlink(p->path);
    return code;
}

static int refuse(const struct partial *p, const char *found, const char *wanted)
{
    return tool_fail("%s holds rows of %s, %s wanted: --restart begins anew, or delete it", p->path, found, wanted);
}

static int check_key(const struct partial *p, const struct header *h)
{
    char found[96], wanted[96];

    if (strcmp(h->encoder, p->key.encoder) != 0 || h->columns != p->key.columns) {
        snprintf(found, sizeof found, "%.63s", h->encoder);
        snprintf(wanted, sizeof wanted, "%s is", p->key.encoder);
        return refuse(p, found, wanted);
    }
    if (h->dtype != p->key.dtype) {
        snprintf(wanted, sizeof wanted, "%s is", dkvb_name(DKVB_NAME_DTYPE, p->key.dtype));
        return refuse(p, dkvb_name(DKVB_NAME_DTYPE, h->dtype), wanted);
    }
    if (h->pictures != p->key.pictures || h->set != p->key.set)
        return refuse(p, "other pictures, or of these before they were changed", "those of --input are");
    return EXIT_SUCCESS;
}

/* What of the marks holds for a file of this size. The others are taken back, so that no later rows fall under them. */
static int take_marks(struct partial *p, uint64_t size)
{
    uint64_t rows = size > p->rows_at ? (size - p->rows_at) / p->row_size : 0, at = 0;

    while (at < p->key.pictures && (p->marks[at] == PARTIAL_UNREADABLE || (p->marks[at] == PARTIAL_ROW && rows > 0)))
        rows -= p->marks[at++] == PARTIAL_ROW;
    p->done = p->marked = p->resumed = at;
    for (uint64_t i = 0; i < at; i++)
        p->rows += p->marks[i] == PARTIAL_ROW;
    memset(p->marks + at, 0, p->key.pictures - at);
    return put(p, sizeof(struct header) + at, p->marks + at, p->key.pictures - at);
}

static int go_on(struct partial *p)
{
    struct stat st;
    size_t got;
    int code = fstat(p->fd, &st) == 0 ? EXIT_SUCCESS : fail_errno(p, "read");

    if (code == EXIT_SUCCESS)
        code = get(p, sizeof(struct header), p->marks, p->key.pictures, &got);
    if (code == EXIT_SUCCESS)
        code = take_marks(p, (uint64_t)st.st_size);
    return code ? code : sync_data(p);
}

static int begin_or_go_on(struct partial *p, bool restart)
{
    struct header h;
    size_t got;
    int code = get(p, 0, &h, sizeof h, &got);

    if (code)
        return code;
    if (memcmp(h.magic, magic, got < sizeof magic ? got : sizeof magic) != 0)
        return tool_fail("%s: is no file of rows on their way, but stands in their place: move it", p->path);
    if (got < sizeof h || h.check != checksum(&h) || h.version != VERSION || restart)
        return begin(p); /* cut before there was a row, or of a version that this one cannot go on with */
    code = check_key(p, &h);
    return code ? code : go_on(p);
}

int partial_open(struct partial *p, char *path, const struct partial_key *key, bool restart)
{
    uint64_t marks_end = sizeof(struct header) + key->pictures;
    int code;

    *p = (struct partial){.path = path, .key = *key, .fd = -1, .began = progress_clock()};
    p->row_size = key->columns * (key->dtype == DKVB_DTYPE_F16 ? sizeof(uint16_t) : sizeof(float));
    p->rows_at = (marks_end + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
    p->marks = input_memory("marks of pictures", 1, key->pictures, 1, 1);
    code = p->marks ? open_file(p) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = begin_or_go_on(p, restart);
    if (code && p->fd >= 0) { /* the file may be of somebody else: it stays as it is */
        close(p->fd);
        p->fd = -1;
    }
    return code;
}

/* Rows first, then the marks that tell of them. */
static int mark(struct partial *p)
{
    int code = sync_data(p);

    if (code == EXIT_SUCCESS)
        code = put(p, sizeof(struct header) + p->marked, p->marks + p->marked, p->done - p->marked);
    p->marked = p->done;
    p->sync_due = progress_clock() + SYNC_EACH;
    return code;
}

/* n rows as they lie in the file; NULL if out of memory. */
static const void *convert(struct partial *p, const float *x, size_t n)
{
    if (p->key.dtype == DKVB_DTYPE_F32)
        return x;
    if (n > p->room) {
        free(p->half);
        p->half = input_memory("rows", sizeof *p->half, n, p->key.columns, 1);
        p->room = p->half ? n : 0;
    }
    if (p->half)
        dkvb_half_from_floats(p->half, x, n * p->key.columns);
    return p->half;
}

/* n rows without a gap. */
static int add_run(struct partial *p, const float *x, size_t n)
{
    const void *rows = convert(p, x, n);
    int code = rows ? put(p, p->rows_at + p->rows * p->row_size, rows, n * p->row_size) : EXIT_FAILURE;

    p->rows += code ? 0 : n;
    return code;
}

int partial_add(struct partial *p, const float *x, const uint8_t *readable, size_t n)
{
    int code = EXIT_SUCCESS;

    for (size_t i = 0, run; i < n && code == EXIT_SUCCESS; i += run + 1) {
        for (run = 0; i + run < n && readable[i + run]; run++)
            ;
        if (run > 0)
            code = add_run(p, x + i * p->key.columns, run);
    }
    for (size_t i = 0; i < n && code == EXIT_SUCCESS; i++)
        p->marks[p->done++] = readable[i] ? PARTIAL_ROW : PARTIAL_UNREADABLE;
    return code == EXIT_SUCCESS && progress_clock() >= p->sync_due ? mark(p) : code;
}

int partial_map(struct partial *p, const void **rows)
{
    p->map_size = (size_t)(p->rows_at + p->rows * p->row_size);
    p->map = mmap(NULL, p->map_size, PROT_READ, MAP_SHARED, p->fd, 0);
    if (p->map == MAP_FAILED) {
        p->map = NULL;
        return fail_errno(p, "map");
    }
    *rows = (const char *)p->map + p->rows_at;
    return EXIT_SUCCESS;
}

/* A command that was interrupted is given again; one that failed may be, if it had been long at work. */
static bool worth_keeping(const struct partial *p, int code)
{
    return p->done > 0 && (code == EXIT_INTERRUPTED || p->resumed > 0 || progress_clock() - p->began >= WORTH_KEEPING);
}

/* An interrupt has said so already. */
static void keep(struct partial *p, int code)
{
    if (mark(p) == EXIT_SUCCESS && code != EXIT_INTERRUPTED)
        tool_note("%s keeps %" PRIu64 " of %" PRIu64 " pictures: the same command goes on from there", p->path, p->done,
                  p->key.pictures);
}

int partial_end(struct partial *p, int code)
{
    if (p->map)
        munmap(p->map, p->map_size);
    if (p->fd >= 0) {
        if (code && worth_keeping(p, code))
            keep(p, code);
        else if (unlink(p->path) != 0 && code == EXIT_SUCCESS)
            code = fail_errno(p, "remove");
        close(p->fd);
    }
    free(p->half);
    free(p->marks);
    free(p->path);
    *p = (struct partial){.fd = -1};
    return code;
}
