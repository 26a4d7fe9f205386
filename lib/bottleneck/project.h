#ifndef DKVB_BOTTLENECK_PROJECT_H
#define DKVB_BOTTLENECK_PROJECT_H

#include "base/parallel.h"
#include "base/rows.h"
#include "bottleneck/codebooks.h"

/* Returns DKVB_EINVAL for the first row of float[n][width] that holds a number that is not finite; `what` names the
 * numbers in the message. While rows are checked for finite numbers, the progress callback is told the number of
 * checked rows. dkvb__check_finite() returns DKVB_ECANCELLED if the callback asks to stop. */
dkvb_status dkvb__check_finite(const struct dkvb__run *run, const float *x, size_t n, size_t width, const char *what);

/* Checks rows for finite numbers as dkvb__check_finite() does; rows that lie in a source are read in blocks into memory
 * of the given allocator. dkvb__check_rows() also returns the errors of reading the rows. */
dkvb_status dkvb__check_rows(const struct dkvb__run *run, const struct dkvb__rows *rows, const char *what,
                             const dkvb_allocator *mem);

/* Fails with a message that names the first number of a row that is not finite. */
dkvb_status dkvb__fail_not_finite(const char *what, const float *row, size_t number);

enum { DKVB__TILE_ROWS = 512 }; /* number of rows that are projected at a time, unless a caller needs another number */

/*
 * A projector turns rows of features into bytes, 16 rows side by side (a tile). A projector first prepares each row of
 * features: the row is centred, whitened and scaled. From the prepared rows a projector computes random transforms;
 * some codebooks (a unit) share each transform, and each codebook takes the bytes of its rows from the outputs of the
 * transforms.
 */
struct dkvb__projector {
    const dkvb_codebooks *cb;
    struct dkvb__run run;
    size_t capacity; /* number of rows that the projector prepares at a time, a multiple of 16 */
    size_t units;    /* number of units (codebooks that share random transforms) into which the codebooks are divided */
    /* number of codebooks in a unit, which share random transforms; the last unit may have fewer */
    size_t unit_codebooks;
    size_t tile_bytes; /* number of bytes of a tile of 16 rows in one codebook: int8_t[quads][16][4] */
    float *prepared;   /* prepared rows (centred, whitened and scaled), [capacity / 16][round_size][16] */
    double *lengths;   /* lengths (norms) of the rows of features as the caller gave them, [capacity] */
    /* scratch space of the threads for the random transforms of the projection, [threads][scratch_size] */
    float *scratch;
    size_t scratch_size;
    /* for error messages, the row numbers of the prepared rows, set by the owner of the projector; if NULL, messages
     * give the places of rows in their array */
    const size_t *numbers;
};

/* Allocates a projector for up to `n` rows of features at a time. The capacity of the projector is at most `most` rows,
 * and smaller if rows are wide. */
dkvb_status dkvb__projector_new(struct dkvb__projector *p, const dkvb_codebooks *cb, size_t n, size_t most,
                                const struct dkvb__run *run);
void dkvb__projector_free(struct dkvb__projector *p);

/* Prepares `n` <= capacity rows of x for projection: x[pick[0]], x[pick[1]], …, or the first n rows if `pick` is NULL.
 * In error messages, the number of a row is its place in the array plus `first_row`. dkvb__projector_prepare() returns
 * DKVB_EINVAL if a number of a row is not finite, or is too large. */
dkvb_status dkvb__projector_prepare(struct dkvb__projector *p, const float *x, const size_t *pick, size_t n,
                                    size_t first_row);

/* The memory to which a projector writes the bytes of prepared rows. The projected bytes of codebook c and tile t are
 * written to rows + (c - first codebook) * codebook_bytes + t * tile_bytes. */
struct dkvb__projected {
    size_t first_unit, end_unit;
    int8_t *rows;
    size_t codebook_bytes;
    /* counts of each row's projected numbers outside the quantisation scale, [n]; NULL if no counts are wanted */
    uint32_t *saturated;
};

/* Computes the bytes of `n` prepared rows (their projections, rounded) for all codebooks of some units (codebooks that
 * share random transforms). */
void dkvb__projector_run(struct dkvb__projector *p, size_t n, const struct dkvb__projected *to);

/* Sets the quantisation scales of all codebooks from `n` prepared rows. dkvb__projector_set_scales() may fail with
 * DKVB_ENOMEM. */
dkvb_status dkvb__projector_set_scales(struct dkvb__projector *p, dkvb_codebooks *cb, size_t n);

/* Computes the matrix of the half whitening, cb->whitening, from the centre and the key rows that `pick` selects
 * (whiten.c). */
dkvb_status dkvb__whitening_fit(dkvb_codebooks *cb, const struct dkvb__rows *from, const size_t *pick, size_t n,
                                const struct dkvb__run *run);

/* Distribution of the absolute sizes of projected numbers, counted by exponent and the upper four bits of the fraction.
 * A quantile of the sizes of projected numbers, read from the distribution, is exact to 6 %. */
enum { DKVB__SIZE_BINS = 1 << 12 };
struct dkvb__sizes {
    uint64_t count;
    uint32_t bins[DKVB__SIZE_BINS];
};
void dkvb__sizes_add(struct dkvb__sizes *sizes, const float *x, size_t count);

/* Returns the scale of a codebook, in quantisation steps per unit of a projected number, that puts 99 % of the numbers
 * within 36 of the 63 steps. With the scale that dkvb__sizes_scale() returns, normally distributed projected numbers
 * have a standard deviation of 14 quantisation steps, and one number in 150,000 is cut to an end of the scale. The
 * scale of a codebook is 1 if all projected numbers are 0. */
float dkvb__sizes_scale(const struct dkvb__sizes *sizes);

#endif
