/* Part files of rows. Finished rows are kept in a file beside the output, so that an interrupted call can be continued.
 *
 * OUTPUT.part has a header with the identity of the rows; marks, one after another, each of which stands for some
 * things that are done and for the rows that were made of them; and the rows. A mark is 0 until its rows are on disk.
 * However the file is cut, its contents stay true: rows are synced to disk before they are marked, only marks without a
 * gap count, and only as many of them as there are rows.
 *
 * Where several ranks work, rank 0 alone has the file. Its rows are in the order of the things at any time, so any
 * other number of ranks can continue with it. */
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

/* Identity of the rows. Resuming refuses rows of another identity. */
struct dkvb__partial_key {
    const char *contents; /* what the file holds, at most 15 bytes, for messages: "rows" */
    const char *thing;    /* what rows are made of, for messages: "picture" */
    char text[DKVB__PARTIAL_TEXTS][DKVB__PARTIAL_TEXT]; /* what determines the rows: "descriptor:1"; "": nothing more */
    uint64_t set;                                       /* checksum of the things, as far as they are known before */
    uint64_t things;                                    /* number of things */
    uint64_t marks;                                     /* number of marks that all things need at most */
    size_t mark_size, row_size;                         /* in bytes */

    /* Reads a mark that lies in a file, behind marks that stand for *rows rows: adds its rows. False: it is no mark. */
    bool (*take)(const struct dkvb__partial_key *key, const void *mark, uint64_t *rows);
};

struct dkvb__partial {
    const dkvb_allocator *mem;
    char *path; /* path of the part file */
    struct dkvb__partial_key key;
    int fd;                 /* -1: no file, this is the state of another rank's */
    bool created;           /* this call created the file */
    unsigned char *marks;   /* [key.marks][key.mark_size] */
    uint64_t rows_at;       /* offset of the rows in the file */
    uint64_t done, rows;    /* numbers of marks, and of rows; the file has the rows and may lack the latest marks */
    uint64_t marked;        /* number of `done` that the file has */
    uint64_t resumed;       /* number of `done` from an earlier call */
    double began, sync_due; /* seconds of a clock that only goes forward */
};

/* Continues OUTPUT.part if it holds rows of `key`, else begins it. `restart`: begin in any case. DKVB_EMISMATCH: the
 * file has rows of another key. DKVB_ESTATE: another process is at work on the file. DKVB_EIO: somebody else put it
 * there. The caller must call dkvb__partial_end() after a failure too. */
dkvb_status dkvb__partial_open(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                               bool restart, const dkvb_allocator *mem);

/* Prepares the copy that another rank has of the state of a part file: marks and counts, but no file. All calls below
 * then only count. Ended by dkvb__partial_end() like a file. */
dkvb_status dkvb__partial_follow(struct dkvb__partial *p, const char *output, const struct dkvb__partial_key *key,
                                 const dkvb_allocator *mem);

/* Tells all ranks how far rank 0's part file is. Called by all ranks. */
dkvb_status dkvb__partial_pass_on(struct dkvb__partial *p, const dkvb_ranks *ranks);

/* Fails because the file holds rows of something else than the caller's. The file stays as it is, closed; the rest of
 * the work only ends. Called by all ranks. */
dkvb_status dkvb__partial_refuse(struct dkvb__partial *p, const char *found, const char *wanted);

/* Adds n rows. They count once a mark stands for them. */
dkvb_status dkvb__partial_put(struct dkvb__partial *p, const void *rows, uint64_t n);

/* Adds the next n marks, for the rows that were put. */
dkvb_status dkvb__partial_mark(struct dkvb__partial *p, const void *marks, size_t n);

/* Copies bytes of the rows, from `offset` behind the first row on, to a file that is being written. */
dkvb_status dkvb__partial_copy(const struct dkvb__partial *p, uint64_t offset, uint64_t size, struct dkvb__writer *to);

/* Ends the work. After a success the file is removed, and so it is if nothing in it is worth a second call. Otherwise
 * all rows are marked and the file stays; *kept is then true. The result is `rc`, or the error of ending after a
 * success. */
dkvb_status dkvb__partial_end(struct dkvb__partial *p, dkvb_status rc, bool interrupted, bool *kept);

#endif
