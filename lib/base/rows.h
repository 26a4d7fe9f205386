#ifndef DKVB_BASE_ROWS_H
#define DKVB_BASE_ROWS_H

#include <stdbool.h>

#include "base/parallel.h"
#include "dkvb/rows.h"

/* Rows of features: an array in memory, or a source whose rows are read block by block. */
struct dkvb__rows {
    const float *x;         /* the rows of features in memory, float[][width], unless the rows are read from `source` */
    dkvb_row_source source; /* source that the rows are read from; its function is NULL if the rows lie in memory */
    size_t n, width;
    /* numbers of the chosen rows among the rows of x or of the source, [n]; NULL: rows 0 to n - 1 */
    const size_t *index;
};

/* Takes the rows that a caller gives as an array or as a source. dkvb__rows_take() returns DKVB_EINVAL if the caller
 * gave both an array and a source or neither, unless n is 0. The argument `what` names the rows in error messages, for
 * example "key rows". */
dkvb_status dkvb__rows_take(struct dkvb__rows *rows, const float *x, const dkvb_row_source *source, size_t n,
                            size_t width, const char *what);

/* Returns the rows of features of an array in memory, in the form of struct dkvb__rows. */
static inline struct dkvb__rows dkvb__rows_of(const float *x, size_t n, size_t width)
{
    return (struct dkvb__rows){.x = x, .n = n, .width = width};
}

/* True if blocks of the rows of features `r` can be used where they lie in memory, so that dkvb__rows_block() needs no
 * buffer. */
static inline bool dkvb__rows_in_place(const struct dkvb__rows *r)
{
    return !r->source.read && !r->index;
}

/* Copies or reads `n` rows of features, beginning with row `first`, to float[n][width]. Only one thread at a time may
 * read rows of a source (a caller's function that gives rows). */
dkvb_status dkvb__rows_read(const struct dkvb__rows *rows, size_t first, size_t n, float *to);

/* Copies or reads the rows of features with the numbers pick[0], pick[1], …; neighbouring rows are read together. */
dkvb_status dkvb__rows_gather(const struct dkvb__rows *rows, const size_t *pick, size_t n, float *to);

/* Sets *x to `n` rows of features beginning with row `first`: the rows in memory, or else rows read into `buffer`,
 * float[n][width]. */
dkvb_status dkvb__rows_block(const struct dkvb__rows *rows, size_t first, size_t n, float *buffer, const float **x);

/* Returns a checksum of the rows float[n][width], whose first row has the number `first`. The checksum of a set of rows
 * is the sum of the checksums of blocks that make up the set, added in any order. */
uint64_t dkvb__rows_checksum(const struct dkvb__run *run, const float *x, size_t first, size_t n, size_t width);

#endif
