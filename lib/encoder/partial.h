/* Partial files of rows. Finished rows are kept in a file beside the output, so that a call that is
 * interrupted can go on where it was.
 *
 * OUTPUT.part: a header that says what the rows are of; a byte for each picture, 0 until its row is on disk; the rows
 * of those that could be read, one after another. Wherever the file is cut, what it says is true: rows are synced to
 * disk before they are marked, only marks without a gap count, and of those only as many as there are rows. */
#ifndef DKVB_ENCODER_PARTIAL_H
#define DKVB_ENCODER_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

/* Identity of the pictures and the encoder of the rows. Resuming refuses rows of another identity. */
struct dkvb__partial_key {
    const char *encoder; /* its identity */
    uint32_t dtype;      /* DKVB_DTYPE_F32 or F16 */
    uint32_t columns;
    uint64_t pictures;
    uint64_t set; /* checksum of the pictures' names, sizes and times */
};

struct dkvb__partial {
    const dkvb_allocator *mem;
    char *path; /* path of the file beside the output */
    struct dkvb__partial_key key;
    int fd;
    bool created;   /* by this call: the file was not there */
    uint8_t *marks; /* [pictures], DKVB__PARTIAL_… */
    uint16_t *half; /* [room][columns], rows on their way, of F16 */
    size_t room;
    size_t row_size;
    uint64_t rows_at;       /* offset of the rows */
    uint64_t done, rows;    /* pictures, and rows of them, that are in the file */
    uint64_t marked;        /* number of `done` that marks in the file show */
    uint64_t resumed;       /* number of `done` from an earlier call */
    double began, sync_due; /* seconds of a clock that only goes forward */
    void *map;
    size_t map_size;
};

enum { DKVB__PARTIAL_ROW = 1, DKVB__PARTIAL_UNREADABLE = 2 };

/* Go on with OUTPUT.part if it holds rows of `key`, else begin it. `restart`: begin in any case. DKVB_EMISMATCH for a
 * file with rows of another key, DKVB_ESTATE for one that another process is at work on, DKVB_EIO for one that somebody
 * else put there. `room`: rows that are added at a time. Needs dkvb__partial_end() after a failure too. */
dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, size_t room, const dkvb_allocator *mem);

/* The next n pictures: x float[n][columns], of which rows count where readable[i] is not 0. */
dkvb_status dkvb__partial_add(struct dkvb__partial *p, const float *x, const uint8_t *readable, size_t n);

/* All rows so far, [rows][columns] of the key's type, until dkvb__partial_end(). */
dkvb_status dkvb__partial_map(struct dkvb__partial *p, const void **rows);

/* After success the file is removed; so it is when there is nothing in it worth a second call. Else all rows are
 * marked, and it stays: *kept pictures. Returns `rc`, or what went wrong after success. */
dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, uint64_t *kept);

#endif
