#include "encoder/partial.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fnv.h"
#include "base/partfile.h"
#include "base/ranks.h"
#include "base/status.h"
#include "data/stored.h"
#include "dkvb/encoder.h"

static const double WORTH_KEEPING = 5.0; /* seconds of work that are worth keeping in a file after a failure */

/* The header of a part file as bytes. Every machine that the library runs on is little-endian. */
struct header {
    char magic[8];
    uint32_t version, dtype, columns, reserved;
    uint64_t pictures, set;
    char encoder[DKVB_ENCODER_IDENTITY_SIZE];
    uint64_t check; /* checksum of all members before this one */
};

static const char magic[8] = "DKVBPART";

enum { VERSION = 1, ROW_ALIGNMENT = 64 };

/* Computes the checksum that shows whether a header was cut. */
static uint64_t checksum(const struct header *h)
{
    uint64_t sum = DKVB__FNV_BEGIN;

    dkvb__fnv_add(&sum, h, offsetof(struct header, check));
    return sum;
}

static struct header make_header(const struct dkvb__partial_key *key)
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

/* Writes a part file without rows. After a failure the file holds no work, and is removed unless it still has the rows
 * of an earlier call. */
static dkvb_status begin(struct dkvb__partial *p)
{
    struct header h = make_header(&p->key);
    bool empty = p->created || ftruncate(p->fd, 0) == 0;
    dkvb_status rc = empty ? dkvb__partfile_put(p->fd, p->path, 0, &h, sizeof h) : dkvb__fail_errno(p->path, "empty");

    if (!rc && ftruncate(p->fd, (off_t)p->rows_at) != 0)
        rc = dkvb__fail_errno(p->path, "make room in");
    if (!rc)
        rc = dkvb__partfile_sync(p->fd, p->path);
    if (rc && empty)
        unlink(p->path);
    return rc;
}

static dkvb_status refuse(const struct dkvb__partial *p, const char *found, const char *wanted)
{
    return dkvb__fail(
        DKVB_EMISMATCH,
        "%.200s holds rows of %.96s, not of %.96s: it must be deleted, or restarted from the first picture", p->path,
        found, wanted);
}

static dkvb_status check_key(const struct dkvb__partial *p, const struct header *h)
{
    char found[DKVB_ENCODER_IDENTITY_SIZE];

    if (strncmp(h->encoder, p->key.encoder, sizeof h->encoder) != 0 || h->columns != p->key.columns) {
        snprintf(found, sizeof found, "%.63s", h->encoder);
        return refuse(p, found, p->key.encoder);
    }
    if (h->dtype != p->key.dtype)
        return refuse(p, dkvb_name(DKVB_NAME_DTYPE, h->dtype), dkvb_name(DKVB_NAME_DTYPE, p->key.dtype));
    if (h->pictures != p->key.pictures || h->set != p->key.set)
        return refuse(p, "other pictures, or of these before they were changed", "the pictures that are given");
    return DKVB_OK;
}

/* Keeps the marks that are valid for a file of this size, and removes the others, so that no later row counts as
 * marked. */
static dkvb_status take_marks(struct dkvb__partial *p, uint64_t size)
{
    uint64_t rows = size > p->rows_at ? (size - p->rows_at) / p->row_size : 0, at = 0;

    while (at < p->key.pictures &&
           (p->marks[at] == DKVB__PARTIAL_UNREADABLE || (p->marks[at] == DKVB__PARTIAL_ROW && rows > 0)))
        rows -= p->marks[at++] == DKVB__PARTIAL_ROW;
    p->done = p->marked = p->resumed = at;
    for (uint64_t i = 0; i < at; i++)
        p->rows += p->marks[i] == DKVB__PARTIAL_ROW;
    memset(p->marks + at, 0, (size_t)(p->key.pictures - at));
    return dkvb__partfile_put(p->fd, p->path, sizeof(struct header) + at, p->marks + at,
                              (size_t)(p->key.pictures - at));
}

static dkvb_status go_on(struct dkvb__partial *p)
{
    struct stat st;
    size_t got;
    dkvb_status rc = fstat(p->fd, &st) == 0 ? DKVB_OK : dkvb__fail_errno(p->path, "read");

    if (!rc)
        rc = dkvb__partfile_get(p->fd, p->path, sizeof(struct header), p->marks, (size_t)p->key.pictures, &got);
    if (!rc)
        rc = take_marks(p, (uint64_t)st.st_size);
    return rc ? rc : dkvb__partfile_sync(p->fd, p->path);
}

static dkvb_status begin_or_go_on(struct dkvb__partial *p, bool restart)
{
    struct header h;
    size_t got;
    dkvb_status rc = dkvb__partfile_get(p->fd, p->path, 0, &h, sizeof h, &got);

    if (rc)
        return rc;
    if (memcmp(h.magic, magic, got < sizeof magic ? got : sizeof magic) != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: is no file of rows on their way, but stands in their place: move it",
                          p->path);
    if (got < sizeof h || h.check != checksum(&h) || h.version != VERSION || restart)
        return begin(p); /* the file was cut before the first row, or has a version that cannot be continued */
    rc = check_key(p, &h);
    return rc ? rc : go_on(p);
}

/* Prepares the state of a part file before the file is read. */
static dkvb_status prepare(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                           const dkvb_allocator *mem)
{
    uint64_t marks_end = sizeof(struct header) + key->pictures;
    size_t size = strlen(output) + sizeof ".part";

    *p = (struct dkvb__partial){.mem = mem, .key = *key, .fd = -1, .began = dkvb__partfile_now()};
    p->row_size = key->columns * dkvb__dtype_size(key->dtype);
    p->rows_at = (marks_end + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
    p->path = dkvb__alloc(mem, size, 1);
    p->marks = dkvb__alloc0(mem, (size_t)key->pictures, 1);
    if (!p->path || !p->marks)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for marks of %llu pictures", output,
                          (unsigned long long)key->pictures);
    snprintf(p->path, size, "%s.part", output);
    return DKVB_OK;
}

dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, size_t room, const dkvb_allocator *mem)
{
    dkvb_status rc = prepare(p, output, key, mem);

    if (rc)
        return rc;
    p->room = room;
    if (key->dtype == DKVB_DTYPE_F16)
        p->half = dkvb__alloc(mem, room * key->columns, sizeof *p->half);
    if (key->dtype == DKVB_DTYPE_F16 && !p->half)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu rows of float16", output, room);
    rc = dkvb__partfile_open(p->path, "rows", &p->fd, &p->created);
    if (!rc)
        rc = begin_or_go_on(p, restart);
    if (rc && p->fd >= 0) { /* the file may belong to somebody else, so it is not removed */
        close(p->fd);
        p->fd = -1;
    }
    return rc;
}

dkvb_status dkvb__partial_follow(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                                 const dkvb_allocator *mem)
{
    dkvb_status rc = prepare(p, output, key, mem);

    p->room = SIZE_MAX;
    return rc;
}

dkvb_status dkvb__partial_pass_on(struct dkvb__partial *p, const dkvb_ranks *ranks)
{
    uint64_t state[2] = {p->done, p->rows};
    dkvb_status rc = dkvb__ranks_broadcast(ranks, state, sizeof state);

    if (rc)
        return rc;
    p->done = p->resumed = state[0];
    p->rows = state[1];
    return dkvb__ranks_broadcast(ranks, p->marks, (size_t)p->done);
}

/* Syncs rows to disk first, and then the marks that say that these rows are complete. */
static dkvb_status mark(struct dkvb__partial *p)
{
    dkvb_status rc = dkvb__partfile_sync(p->fd, p->path);

    if (!rc)
        rc = dkvb__partfile_put(p->fd, p->path, sizeof(struct header) + p->marked, p->marks + p->marked,
                                (size_t)(p->done - p->marked));
    if (!rc)
        p->marked = p->done;
    p->sync_due = dkvb__partfile_next_sync();
    return rc;
}

/* Adds n neighbouring rows, at most as many as the buffer for conversion holds. */
static dkvb_status add_run(struct dkvb__partial *p, const float *x, size_t n)
{
    dkvb_status rc;

    if (p->half)
        dkvb__half_from_floats(p->half, x, n * p->key.columns);
    rc = dkvb__partfile_put(p->fd, p->path, p->rows_at + p->rows * p->row_size, p->half ? (const void *)p->half : x,
                            n * p->row_size);
    p->rows += rc ? 0 : n;
    return rc;
}

dkvb_status dkvb__partial_add(struct dkvb__partial *p, const float *x, const uint8_t *readable, size_t n)
{
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0, run; i < n && !rc; i += run > 0 ? run : 1) {
        for (run = 0; i + run < n && run < p->room && readable[i + run]; run++)
            ;
        if (run > 0 && p->fd >= 0)
            rc = add_run(p, x + i * p->key.columns, run);
        else
            p->rows += run;
    }
    for (size_t i = 0; i < n && !rc; i++)
        p->marks[p->done++] = readable[i] ? DKVB__PARTIAL_ROW : DKVB__PARTIAL_UNREADABLE;
    return !rc && p->fd >= 0 && dkvb__partfile_now() >= p->sync_due ? mark(p) : rc;
}

dkvb_status dkvb__partial_map(struct dkvb__partial *p, const void **rows)
{
    p->map_size = (size_t)(p->rows_at + p->rows * p->row_size);
    p->map = mmap(NULL, p->map_size, PROT_READ, MAP_SHARED, p->fd, 0);
    if (p->map == MAP_FAILED) {
        p->map = NULL;
        return dkvb__fail_errno(p->path, "map");
    }
    *rows = (const char *)p->map + p->rows_at;
    return DKVB_OK;
}

/* True if the part file is worth keeping. Interrupted calls are usually repeated; failed calls may be, if they had
 * worked for long. */
static bool worth_keeping(const struct dkvb__partial *p, bool interrupted)
{
    return p->done > 0 && (interrupted || p->resumed > 0 || dkvb__partfile_now() - p->began >= WORTH_KEEPING);
}

dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, uint64_t *kept)
{
    char message[512];

    *kept = 0;
    if (p->map)
        munmap(p->map, p->map_size);
    if (p->fd >= 0 && rc && worth_keeping(p, interrupted)) {
        snprintf(message, sizeof message, "%s", dkvb_last_error()); /* marking rows may replace the error message */
        if (!mark(p))
            *kept = p->done;
        dkvb__fail(rc, "%s", message);
    } else if (p->fd >= 0 && unlink(p->path) != 0 && !rc) {
        rc = dkvb__fail_errno(p->path, "remove");
    }
    if (p->fd >= 0)
        close(p->fd);
    dkvb__free(p->mem, p->half);
    dkvb__free(p->mem, p->marks);
    dkvb__free(p->mem, p->path);
    *p = (struct dkvb__partial){.mem = p->mem, .fd = -1};
    return rc;
}
