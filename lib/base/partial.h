/* A part file holds the finished rows of long work. Finished rows are kept in a file beside the output, so that an
 * interrupted call can be continued.
 *
 * The part file that keeps the finished rows of an output file OUTPUT is named OUTPUT.part. A part file has a header
 * with the identity of its rows, then marks (records of which rows are finished), then the rows. Each mark in a part
 * file stands for some finished things, such as pictures, and for the rows that were made of them. A mark in a part
 * file (the record that rows are finished) is 0 until its rows are on disk. The contents of a part file stay valid
 * wherever a crash cuts the file: rows are synced to disk before the marks that record them as finished, and marks
 * after a gap, or without rows in the file, are ignored.
 *
 * If several ranks (processes) share the work, only rank 0 has the part file with the finished rows. The rows of a part
 * file are in the order of the things that they were made of (such as pictures), so a later call with any other number
 * of ranks (processes) can continue the work. */
#ifndef DKVB_BASE_PARTIAL_H
#define DKVB_BASE_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "dkvb/memory.h"
#include "dkvb/ranks.h"
#include "dkvb/status.h"

enum { DKVB__PARTIAL_TEXTS = 4, DKVB__PARTIAL_TEXT = 80 };

/* Identity of the rows in a part file (finished rows of interrupted work). Interrupted work is continued only if the
 * rows in its part file have the identity of the rows that the caller asks for. */
struct dkvb__partial_key {
    /* kind of contents of a part file (finished rows of interrupted work) for messages, such as "rows", at most 15
     * bytes */
    const char *contents;
    const char *thing; /* name of the things that rows are made of, for messages: "picture" */
    /* texts that determine the rows in a part file (finished rows of interrupted work), such as "descriptor:1" for an
     * encoder; "": no further text */
    char text[DKVB__PARTIAL_TEXTS][DKVB__PARTIAL_TEXT];
    /* checksum of the things that rows are made of, such as pictures, as far as the things are known before the work
     * begins */
    uint64_t set;
    uint64_t things; /* number of things that rows are made of, such as pictures */
    /* number of marks (records of finished rows) in a part file once the rows of all things (such as pictures) are
     * finished */
    uint64_t marks;
    size_t mark_size, row_size; /* sizes in bytes of a mark (a record of finished rows) and of a row in the part file */

    /* Reads a mark, which stands for some finished rows of a part file, and adds the number of these rows to *rows.
     * Before the call, *rows is the number of rows that the earlier marks of the part file stand for. The function
     * `take` returns false if the bytes at `mark` are no valid mark (record of finished rows) of a part file. */
    bool (*take)(const struct dkvb__partial_key *key, const void *mark, uint64_t *rows);
};

struct dkvb__partial {
    const dkvb_allocator *mem;
    char *path; /* path of the part file with the finished rows */
    struct dkvb__partial_key key;
    int fd; /* file descriptor of the part file; -1: this rank (process) has no file, only a copy of the state */
    /* true if dkvb__partial_open() created the part file; false if the file of an interrupted call was there */
    bool created;
    unsigned char *marks; /* the part file's marks, which tell its finished rows, [key.marks][key.mark_size] */
    uint64_t rows_at;     /* offset in bytes of the first row in the part file */
    /* number of finished marks (records of finished rows), and number of finished rows; the part file has all these
     * rows, but may lack the latest marks */
    uint64_t done, rows;
    /* number of marks (records of finished rows) that are in the part file, written by this call and by earlier
     * calls */
    uint64_t marked;
    /* number of marks (records of finished rows) that an earlier, interrupted call left in the part file */
    uint64_t resumed;
    /* times of a monotonic clock in seconds: when this call began its work, and when the part file is next synced to
     * disk */
    double began, sync_due;
};

/* Opens the part file OUTPUT.part, and continues it if its rows have the identity `key`; an empty part file is begun if
 * there is none, if the file was cut before its first row, or if `restart` is true. dkvb__partial_open() returns
 * DKVB_EMISMATCH if the part file has rows of another identity, DKVB_ESTATE if another process uses the part file,
 * DKVB_EIO if another user made the part file. The caller must call dkvb__partial_end() even after a failure of
 * dkvb__partial_open(). */
dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, const dkvb_allocator *mem);

/* Prepares the copy of a part file's state on a rank other than rank 0: the copy counts finished rows, but has no file.
 * On ranks (processes) other than rank 0, which have no part file, the functions that add finished rows, and marks that
 * record them, only count. dkvb__partial_end() ends the work on these ranks as on rank 0. */
dkvb_status dkvb__partial_follow(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                                 const dkvb_allocator *mem);

/* Tells all ranks (processes) how many finished rows the part file of rank 0 has. All ranks (processes) must call
 * dkvb__partial_pass_on() together. */
dkvb_status dkvb__partial_pass_on(struct dkvb__partial *p, const dkvb_ranks *ranks);

/* Refuses to continue a part file because its rows were made of other things than the caller's (such as pictures).
 * dkvb__partial_refuse() closes the part file and leaves it unchanged; only dkvb__partial_end() may be called
 * afterwards. All ranks (processes) must call dkvb__partial_refuse() together. */
dkvb_status dkvb__partial_refuse(struct dkvb__partial *p, const char *found, const char *wanted);

/* Adds n finished rows to a part file, which keeps them for a later call if this one is interrupted. Rows in a part
 * file count as finished only once a mark (a record of finished rows) stands for them. */
dkvb_status dkvb__partial_put(struct dkvb__partial *p, const void *rows, uint64_t n);

/* Adds the next n marks to a part file; a mark records that rows are finished, and these rows must have been added
 * already. */
dkvb_status dkvb__partial_mark(struct dkvb__partial *p, const void *marks, size_t n);

/* Copies bytes of a part file's rows, beginning `offset` bytes after the start of the first row, to a file that is
 * being written. */
dkvb_status dkvb__partial_copy(const struct dkvb__partial *p, uint64_t offset, uint64_t size, struct dkvb__writer *to);

/* Ends work whose finished rows are kept in a part file, after a success or a failure. dkvb__partial_end() removes the
 * part file after a success, or if the file holds too little work to be worth keeping. If the part file is kept, marks
 * record all its rows as finished, and *kept becomes true. dkvb__partial_end() returns `rc`, or its own error if `rc`
 * is DKVB_OK. */
dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, bool *kept);

#endif
