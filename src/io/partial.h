/* Rows of features on their way into a file. They are kept in another file beside it, so that a command that is
 * interrupted can go on where it was.
 *
 * OUTPUT.part: a header that says what the rows are of; a byte for each picture, 0 until its row is on disk; the rows
 * of those that could be read, one after another. Wherever the file is cut, what it says is true: rows are synced to
 * disk before they are marked, only marks without a gap count, and of those only as many as there are rows. */
#ifndef DKVB_TOOL_PARTIAL_H
#define DKVB_TOOL_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What rows are of. Those of another are not gone on with. */
struct partial_key {
    const char *encoder; /* its identity */
    uint32_t dtype;      /* DKVB_DTYPE_F32 or F16 */
    uint32_t columns;
    uint64_t pictures;
    uint64_t set; /* checksum of the pictures' names, sizes and times */
};

struct partial {
    char *path; /* of the file beside the output */
    struct partial_key key;
    int fd;
    bool created;   /* by this command: the file was not there */
    uint8_t *marks; /* [pictures], PARTIAL_… */
    uint16_t *half; /* rows on their way, of F16 */
    size_t room;    /* rows that fit into `half` */
    size_t row_size;
    uint64_t rows_at;       /* offset of the rows */
    uint64_t done, rows;    /* pictures, and rows of them, that are in the file */
    uint64_t marked;        /* of `done`, by marks in the file */
    uint64_t resumed;       /* of `done`, by an earlier command */
    double began, sync_due; /* progress_clock() */
    void *map;
    size_t map_size;
};

enum { PARTIAL_ROW = 1, PARTIAL_UNREADABLE = 2 };

/* "OUTPUT.part", to be free()d; NULL if out of memory, which has been said. */
char *partial_path(const char *output);

/* Go on with the file of this name if it holds rows of `key`, else begin it. `path` becomes the partial's. `restart`:
 * begin in any case. A file with rows of another key is refused, and so is one that another command is at work on.
 * partial_end() is wanted after a failure too. */
int partial_open(struct partial *p, char *path, const struct partial_key *key, bool restart);

/* The next n pictures: x float[n][columns], of which rows count where readable[i] is not 0. */
int partial_add(struct partial *p, const float *x, const uint8_t *readable, size_t n);

/* All rows so far, [rows][columns] of the key's type, until partial_end(). */
int partial_map(struct partial *p, const void **rows);

/* After success (code 0) the file is removed; so it is when there is nothing in it worth a second command. Else all
 * rows are marked, and it stays. Returns `code`, or what went wrong after success. */
int partial_end(struct partial *p, int code);

#endif
