/* A part file keeps finished rows of encoded pictures beside the output, so that an interrupted encoding can be
 * continued.
 *
 * OUTPUT.part has a header with the identity of the rows; a byte for each picture, which is 0 until its row is on disk;
 * and the rows of the readable pictures, one after another. A part file that was cut off anywhere is still valid: rows
 * are synced to disk before they are marked, only marks without a gap count, and only as many marks as there are rows.
 *
 * If several processes (ranks) encode, only rank 0 has the part file. The rows of a part file are always in the order
 * of the pictures, so any other number of ranks can continue the work. */
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
    uint32_t dtype;      /* number type of the rows, DKVB_DTYPE_F32 or DKVB_DTYPE_F16 */
    uint32_t columns;
    uint64_t pictures;
    uint64_t set; /* checksum of the pictures' names, sizes and times */
};

struct dkvb__partial {
    const dkvb_allocator *mem;
    char *path; /* path of the part file */
    struct dkvb__partial_key key;
    int fd;         /* file descriptor of the part file; -1: the file belongs to another rank */
    bool created;   /* true if this call created the file */
    uint8_t *marks; /* marks of the pictures, [pictures]: 0 or DKVB__PARTIAL_… */
    uint16_t *half; /* float16 rows before they are written, [room][columns] */
    size_t room;
    size_t row_size;
    uint64_t rows_at;       /* offset of the first row in the file */
    uint64_t done, rows;    /* number of finished pictures, and number of their rows in the file */
    uint64_t marked;        /* number of finished pictures whose marks are in the file */
    uint64_t resumed;       /* number of finished pictures that an earlier call encoded */
    double began, sync_due; /* times in seconds of a clock that never goes back: start, and next flush to disk */
    void *map;
    size_t map_size;
};

enum { DKVB__PARTIAL_ROW = 1, DKVB__PARTIAL_UNREADABLE = 2 };

/* Continues OUTPUT.part if it holds rows of `key`; otherwise, or with `restart`, begins a new file. DKVB_EMISMATCH says
 * that the file has rows of another key, DKVB_ESTATE that another process uses the file, DKVB_EIO that another user
 * made it. `room` is the number of rows that are converted at a time. The caller must call dkvb__partial_end() after a
 * failure too. */
dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, size_t room, const dkvb_allocator *mem);

/* Prepares a copy of rank 0's part file state on another rank: marks and counts, but no file. All later calls with such
 * a copy only count. dkvb__partial_end() ends such a copy as it ends a file. */
dkvb_status dkvb__partial_follow(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                                 const dkvb_allocator *mem);

/* Tells all ranks how many pictures of rank 0's part file are finished. All ranks must make this call. */
dkvb_status dkvb__partial_pass_on(struct dkvb__partial *p, const dkvb_ranks *ranks);

/* Adds the rows of the next n pictures, float[n][columns]. Only the rows of pictures with readable[i] other than 0 are
 * stored. */
dkvb_status dkvb__partial_add(struct dkvb__partial *p, const float *x, const uint8_t *readable, size_t n);

/* Maps all rows that are finished, [rows][columns] of the key's type, into memory until dkvb__partial_end(). */
dkvb_status dkvb__partial_map(struct dkvb__partial *p, const void **rows);

/* Ends the work on a part file. The file is removed after a success, and also if it holds nothing that would help a
 * second call. Otherwise all rows are marked and the file stays; *kept becomes its number of pictures. The result is
 * `rc`, or the error of closing the file if `rc` is DKVB_OK. */
dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, uint64_t *kept);

#endif
