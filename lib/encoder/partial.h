/* Part files of rows. Finished rows are kept in a file beside the output, so that an interrupted call can be continued.
 *
 * OUTPUT.part has a header with the identity of the rows; a byte for each picture, which is 0 until its row is on disk;
 * and the rows of the readable pictures, one after another. However the file is cut, its contents stay true: rows are
 * synced to disk before they are marked, only marks without a gap count, and only as many of them as there are rows.
 *
 * Where several ranks encode, rank 0 alone has the file. Its rows are in the order of the pictures at any time, so any
 * other number of ranks can continue with it. */
#ifndef DKVB_ENCODER_PARTIAL_H
#define DKVB_ENCODER_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/ranks.h"
#include "dkvb/status.h"

/* Identity of the pictures and the encoder of the rows. Resuming refuses rows of another identity. */
struct dkvb__partial_key {
    const char *encoder; /* identity of the encoder */
    uint32_t dtype;      /* DKVB_DTYPE_F32 or F16 */
    uint32_t columns;
    uint64_t pictures;
    uint64_t set; /* checksum of the pictures' names, sizes and times */
};

struct dkvb__partial {
    const dkvb_allocator *mem;
    char *path; /* path of the part file */
    struct dkvb__partial_key key;
    int fd;         /* -1: no file, this is the state of another rank's */
    bool created;   /* this call created the file */
    uint8_t *marks; /* [pictures], DKVB__PARTIAL_… */
    uint16_t *half; /* [room][columns], rows of the type F16 before they are written */
    size_t room;
    size_t row_size;
    uint64_t rows_at;       /* offset of the rows in the file */
    uint64_t done, rows;    /* numbers of pictures, and of their rows, in the file */
    uint64_t marked;        /* number of `done` that marks in the file show */
    uint64_t resumed;       /* number of `done` from an earlier call */
    double began, sync_due; /* seconds of a clock that only goes forward */
    void *map;
    size_t map_size;
};

enum { DKVB__PARTIAL_ROW = 1, DKVB__PARTIAL_UNREADABLE = 2 };

/* Continues OUTPUT.part if it holds rows of `key`, else begins it. `restart`: begin in any case. DKVB_EMISMATCH: the
 * file has rows of another key. DKVB_ESTATE: another process is at work on the file. DKVB_EIO: somebody else put it
 * there. `room`: number of rows that are converted at a time. The caller must call dkvb__partial_end() after a failure
 * too. */
dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, size_t room, const dkvb_allocator *mem);

/* Prepares the copy that another rank has of the state of a part file: marks and counts, but no file. All calls below
 * then only count. Ended by dkvb__partial_end() like a file. */
dkvb_status dkvb__partial_follow(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                                 const dkvb_allocator *mem);

/* Tells all ranks how far rank 0's part file is. Called by all ranks. */
dkvb_status dkvb__partial_pass_on(struct dkvb__partial *p, const dkvb_ranks *ranks);

/* Adds the next n pictures: x is float[n][columns], and rows count if readable[i] is not 0. */
dkvb_status dkvb__partial_add(struct dkvb__partial *p, const float *x, const uint8_t *readable, size_t n);

/* Maps all rows so far, [rows][columns] of the key's type, until dkvb__partial_end(). */
dkvb_status dkvb__partial_map(struct dkvb__partial *p, const void **rows);

/* Ends the work. After a success the file is removed, and so it is if nothing in it is worth a second call. Otherwise
 * all rows are marked and the file stays; *kept is its number of pictures. The result is `rc`, or the error of ending
 * after a success. */
dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, uint64_t *kept);

#endif
