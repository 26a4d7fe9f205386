#ifndef DKVB_BOTTLENECK_PROJECT_H
#define DKVB_BOTTLENECK_PROJECT_H

#include "base/parallel.h"
#include "base/rows.h"
#include "bottleneck/codebooks.h"

/* Returns DKVB_EINVAL for the first row of float[n][width] that holds a number that is not finite; `what` names the
 * numbers. Progress counts rows; DKVB_ECANCELLED. */
dkvb_status dkvb__check_finite(const struct dkvb__run *run, const float *x, size_t n, size_t width, const char *what);

/* The same for rows that may have to be read, in blocks in memory of this allocator. Also returns what reading them
 * returns. */
dkvb_status dkvb__check_rows(const struct dkvb__run *run, const struct dkvb__rows *rows, const char *what,
                             const dkvb_allocator *mem);

/* Fails for the first number of a row that is not finite. */
dkvb_status dkvb__fail_not_finite(const char *what, const float *row, size_t number);

enum { DKVB__TILE_ROWS = 512 }; /* rows at a time, where nothing calls for another number */

/*
 * A projector turns rows into bytes, 16 rows side by side (a tile). First each row is prepared: centred, whitened,
 * scaled. Then one unit of codebooks after another takes its numbers from the transforms that the unit shares.
 */
struct dkvb__projector {
    const dkvb_codebooks *cb;
    struct dkvb__run run;
    size_t capacity;       /* number of rows prepared at a time, a multiple of 16 */
    size_t units;          /* number of units of all codebooks */
    size_t unit_codebooks; /* number of codebooks in a unit; the last unit may have fewer */
    size_t tile_bytes;     /* bytes of a tile in one codebook: int8_t[quads][16][4] */
    float *prepared;       /* [capacity / 16][round_size][16] */
    double *lengths;       /* [capacity], lengths of the rows as handed over */
    float *scratch;        /* [threads][scratch_size] */
    size_t scratch_size;
    const size_t *numbers; /* numbers of the prepared rows for messages, set by the owner; NULL: their places */
};

/* Allocates a projector for up to `n` rows. The capacity of a projector is at most `most` rows, and less where rows are
 * wide. */
dkvb_status dkvb__projector_new(struct dkvb__projector *p, const dkvb_codebooks *cb, size_t n, size_t most,
                                const struct dkvb__run *run);
void dkvb__projector_free(struct dkvb__projector *p);

/* Prepares `n` <= capacity rows of x: x[pick[0]], x[pick[1]], …, or the first ones if `pick` is NULL. Messages add
 * `first_row` to row numbers. DKVB_EINVAL says that a number is not finite, or too large. */
dkvb_status dkvb__projector_prepare(struct dkvb__projector *p, const float *x, const size_t *pick, size_t n,
                                    size_t first_row);

/* Destination of the bytes of prepared rows. The bytes of codebook c and tile t go to rows + (c - first codebook) *
 * codebook_bytes + t * tile_bytes. */
struct dkvb__projected {
    size_t first_unit, end_unit;
    int8_t *rows;
    size_t codebook_bytes;
    uint32_t *saturated; /* [n], counts of each row's numbers outside the scale; or NULL */
};

/* Computes the bytes of `n` prepared rows in the codebooks of some units. */
void dkvb__projector_run(struct dkvb__projector *p, size_t n, const struct dkvb__projected *to);

/* Sets the scales of all codebooks from `n` prepared rows. May return DKVB_ENOMEM. */
dkvb_status dkvb__projector_set_scales(struct dkvb__projector *p, dkvb_codebooks *cb, size_t n);

/* Computes the matrix of the half whitening, cb->whitening, from rows that are picked as above and centred
 * (whiten.c). */
dkvb_status dkvb__whitening_fit(dkvb_codebooks *cb, const struct dkvb__rows *from, const size_t *pick, size_t n,
                                const struct dkvb__run *run);

/* Distribution of the sizes of numbers, in counts by exponent and upper four bits of the fraction. A quantile is right
 * to 6 %. */
enum { DKVB__SIZE_BINS = 1 << 12 };
struct dkvb__sizes {
    uint64_t count;
    uint32_t bins[DKVB__SIZE_BINS];
};
void dkvb__sizes_add(struct dkvb__sizes *sizes, const float *x, size_t count);

/* The scale, in steps a unit, that puts 99 % of the numbers within 36 of the 63 steps. A normal distribution then has a
 * standard deviation of 14 steps, and one in 150,000 of its numbers is cut. The scale is 1 where all numbers are 0. */
float dkvb__sizes_scale(const struct dkvb__sizes *sizes);

#endif
