#include "base/partial.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fnv.h"
#include "base/partfile.h"
#include "base/ranks.h"
#include "base/status.h"

/* seconds of work after which a failed call keeps its part file (the finished rows) */
static const double WORTH_KEEPING = 5.0;

/* The header of a part file (finished rows of interrupted work), byte for byte as in the file. Every machine that the
 * library runs on is little-endian. */
struct header {
    char magic[8];
    uint32_t version, mark_size;
    uint64_t row_size, things, set;
    char contents[16];
    char text[DKVB__PARTIAL_TEXTS][DKVB__PARTIAL_TEXT];
    uint64_t check; /* checksum of the members of struct header that stand before `check` */
};

static const char magic[8] = "DKVBPART";

enum {
    VERSION = 2,
    ROW_ALIGNMENT = 64,
    COPIED = 1 << 16 /* number of bytes of a part file (finished rows of interrupted work) that are copied at a time */
};

/* Computes the checksum that shows whether the header of a part file (finished rows of interrupted work) was cut. */
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
    h.mark_size = (uint32_t)key->mark_size;
    h.row_size = key->row_size;
    h.things = key->things;
    h.set = key->set;
    snprintf(h.contents, sizeof h.contents, "%s", key->contents);
    for (size_t i = 0; i < DKVB__PARTIAL_TEXTS; i++)
        snprintf(h.text[i], sizeof h.text[i], "%s", key->text[i]);
    h.check = checksum(&h);
    return h;
}

/* Writes a new part file, which will keep the finished rows of interrupted work, but holds no rows yet. After a failure
 * the part file of the call holds no work, and is removed unless it still has the rows of an earlier call. */
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

/* Closes a part file (finished rows of interrupted work) without removing it, as the file may belong to another
 * process. */
static void leave(struct dkvb__partial *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static dkvb_status refuse(const struct dkvb__partial *p, const char *contents, const char *found, const char *wanted)
{
    bool same = strcmp(contents, p->key.contents) == 0;

    return dkvb__fail(DKVB_EMISMATCH,
                      "%.200s holds %s of %.96s, not %s%sof %.96s: it must be deleted, or restarted from the first %s",
                      p->path, contents, found, same ? "" : p->key.contents, same ? "" : " ", wanted, p->key.thing);
}

dkvb_status dkvb__partial_refuse(struct dkvb__partial *p, const char *found, const char *wanted)
{
    leave(p);
    return refuse(p, p->key.contents, found, wanted);
}

static dkvb_status check_key(const struct dkvb__partial *p, const struct header *h)
{
    const struct header wanted = make_header(&p->key);

    for (size_t i = 0; i < DKVB__PARTIAL_TEXTS; i++)
        if (strcmp(h->text[i], wanted.text[i]) != 0 || strcmp(h->contents, wanted.contents) != 0)
            return refuse(p, h->contents, h->text[i], wanted.text[i]);
    if (memcmp(h, &wanted, sizeof wanted) != 0) {
        char found[96], given[32];

        snprintf(found, sizeof found, "other %ss, or of these before they were changed", p->key.thing);
        snprintf(given, sizeof given, "the %ss that are given", p->key.thing);
        return refuse(p, h->contents, found, given);
    }
    return DKVB_OK;
}

/* Keeps the valid marks (records of finished rows) of a part file up to the first whose rows the file does not hold
 * whole, and removes all later marks, so that they never make a new row count as finished. */
static dkvb_status take_marks(struct dkvb__partial *p, uint64_t size)
{
    const struct dkvb__partial_key *key = &p->key;
    uint64_t room = size > p->rows_at ? (size - p->rows_at) / key->row_size : 0, at;

    for (at = 0; at < key->marks; at++) {
        uint64_t rows = p->rows;

        if (!key->take(key, p->marks + at * key->mark_size, &rows) || rows > room)
            break;
        p->rows = rows;
    }
    p->done = p->marked = p->resumed = at;
    memset(p->marks + at * key->mark_size, 0, (size_t)(key->marks - at) * key->mark_size);
    return dkvb__partfile_put(p->fd, p->path, sizeof(struct header) + at * key->mark_size,
                              p->marks + at * key->mark_size, (size_t)(key->marks - at) * key->mark_size);
}

static dkvb_status go_on(struct dkvb__partial *p)
{
    struct stat st;
    size_t got;
    dkvb_status rc = fstat(p->fd, &st) == 0 ? DKVB_OK : dkvb__fail_errno(p->path, "read");

    if (!rc)
        rc = dkvb__partfile_get(p->fd, p->path, sizeof(struct header), p->marks,
                                (size_t)p->key.marks * p->key.mark_size, &got);
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
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: not a file of finished %s, but another file with that name: move or delete it",
                          p->path, p->key.contents);
    if (got < sizeof h || h.check != checksum(&h) || h.version != VERSION || restart)
        /* an empty part file is begun if the old one was cut before its first row, or has a version that cannot be
         * continued, or the caller asked to restart */
        return begin(p);
    h.contents[sizeof h.contents - 1] = '\0';
    for (size_t i = 0; i < DKVB__PARTIAL_TEXTS; i++)
        h.text[i][sizeof h.text[i] - 1] = '\0';
    rc = check_key(p, &h);
    return rc ? rc : go_on(p);
}

/* Prepares in memory the state of a part file (finished rows of interrupted work) before the file is read. */
static dkvb_status prepare(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                           const dkvb_allocator *mem)
{
    uint64_t marks_end = sizeof(struct header) + key->marks * key->mark_size;
    size_t size = strlen(output) + sizeof ".part";

    *p = (struct dkvb__partial){.mem = mem, .key = *key, .fd = -1, .began = dkvb__partfile_now()};
    p->rows_at = (marks_end + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
    p->path = dkvb__alloc(mem, size, 1);
    p->marks = dkvb__alloc0(mem, (size_t)key->marks, key->mark_size);
    if (!p->path || !p->marks)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for marks of %llu %ss", output,
                          (unsigned long long)key->things, key->thing);
    snprintf(p->path, size, "%s.part", output);
    return DKVB_OK;
}

dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, const dkvb_allocator *mem)
{
    dkvb_status rc = prepare(p, output, key, mem);

    if (rc)
        return rc;
    rc = dkvb__partfile_open(p->path, key->contents, &p->fd, &p->created);
    if (!rc)
        rc = begin_or_go_on(p, restart);
    if (rc)
        leave(p);
    return rc;
}

dkvb_status dkvb__partial_follow(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                                 const dkvb_allocator *mem)
{
    return prepare(p, output, key, mem);
}

dkvb_status dkvb__partial_pass_on(struct dkvb__partial *p, const dkvb_ranks *ranks)
{
    uint64_t state[2] = {p->done, p->rows};
    dkvb_status rc = dkvb__ranks_broadcast(ranks, state, sizeof state);

    if (rc)
        return rc;
    p->done = p->resumed = state[0];
    p->rows = state[1];
    return dkvb__ranks_broadcast(ranks, p->marks, (size_t)p->done * p->key.mark_size);
}

/* Syncs the rows of a part file to disk first, and then the marks, which record that these rows are finished. */
static dkvb_status write_marks(struct dkvb__partial *p)
{
    size_t size = p->key.mark_size;
    dkvb_status rc = dkvb__partfile_sync(p->fd, p->path);

    if (!rc)
        rc = dkvb__partfile_put(p->fd, p->path, sizeof(struct header) + p->marked * size, p->marks + p->marked * size,
                                (size_t)(p->done - p->marked) * size);
    if (!rc)
        p->marked = p->done;
    p->sync_due = dkvb__partfile_next_sync();
    return rc;
}

dkvb_status dkvb__partial_put(struct dkvb__partial *p, const void *rows, uint64_t n)
{
    dkvb_status rc = DKVB_OK;

    if (p->fd >= 0)
        rc = dkvb__partfile_put(p->fd, p->path, p->rows_at + p->rows * p->key.row_size, rows,
                                (size_t)n * p->key.row_size);
    p->rows += rc ? 0 : n;
    return rc;
}

dkvb_status dkvb__partial_mark(struct dkvb__partial *p, const void *marks, size_t n)
{
    memcpy(p->marks + p->done * p->key.mark_size, marks, n * p->key.mark_size);
    p->done += n;
    return p->fd >= 0 && dkvb__partfile_now() >= p->sync_due ? write_marks(p) : DKVB_OK;
}

dkvb_status dkvb__partial_copy(const struct dkvb__partial *p, uint64_t offset, uint64_t size, struct dkvb__writer *to)
{
    unsigned char *block = dkvb__alloc(p->mem, COPIED, 1);
    dkvb_status rc = DKVB_OK;

    if (!block)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to copy %s", p->path, p->key.contents);
    for (size_t n, got; size > 0 && !rc; size -= n, offset += n) {
        n = size < COPIED ? (size_t)size : COPIED;
        rc = dkvb__partfile_get(p->fd, p->path, p->rows_at + offset, block, n, &got);
        if (!rc && got < n)
            rc =
                dkvb__fail(DKVB_EIO, "%.300s: was cut by somebody else while %s were copied", p->path, p->key.contents);
        if (!rc)
            rc = dkvb__writer_put(to, block, n);
    }
    dkvb__free_erased(p->mem, block);
    return rc;
}

/* True if a later call should continue the part file: it has finished rows, and the present call was interrupted, or
 * continued earlier work, or worked for long. Users mostly repeat a call that was interrupted; they may repeat a failed
 * call too, if it had worked for long. */
static bool worth_keeping(const struct dkvb__partial *p, bool interrupted)
{
    return p->done > 0 && (interrupted || p->resumed > 0 || dkvb__partfile_now() - p->began >= WORTH_KEEPING);
}

dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, bool *kept)
{
    char message[512];

    *kept = false;
    if (p->fd >= 0 && rc && worth_keeping(p, interrupted)) {
        /* the error message of the failed work is kept, as marking its finished rows in the part file may replace the
         * message */
        snprintf(message, sizeof message, "%s", dkvb_last_error());
        *kept = !write_marks(p);
        dkvb__fail(rc, "%s", message);
    } else if (p->fd >= 0 && unlink(p->path) != 0 && !rc) {
        rc = dkvb__fail_errno(p->path, "remove");
    }
    leave(p);
    dkvb__free(p->mem, p->marks);
    dkvb__free(p->mem, p->path);
    *p = (struct dkvb__partial){.mem = p->mem, .fd = -1};
    return rc;
}
